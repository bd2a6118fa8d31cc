'use strict';
// The install script: has node-gyp compile the addon. It prints the output only if npm is verbose;
// after a failure it prints what is missing, and where the whole output is.

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { adviceFor, checkRuntime, missingTools } = require('./lib/requirements');

const isVerbose = /^(verbose|silly|info|http)$/.test(process.env.npm_config_loglevel ?? '');

// npm brings a node-gyp, and passes its path.
function nodeGyp() {
  const script = process.env.npm_config_node_gyp;
  return script && fs.existsSync(script) ? [process.execPath, script] : ['node-gyp'];
}

function compile(output) {
  const [program, ...args] = nodeGyp();
  return spawnSync(program, [...args, 'rebuild'], {
    cwd: __dirname,
    stdio: isVerbose ? 'inherit' : ['ignore', output, output],
  });
}

// The first error line of the compiler or of node-gyp.
function reasonIn(text) {
  const lines = text.split('\n');
  return lines.find((line) => /\berror:/i.test(line)) ??
    lines.find((line) => /^gyp ERR! (stack )?Error/.test(line)) ?? '';
}

function fail(reason, log) {
  const text = ['libdgram: the addon could not be compiled.', reason.trim(),
    log && `The whole output: ${log}`,
    'Then run the same command again.'].filter(Boolean).join('\n');
  process.stderr.write(`${text}\n`);
  process.exitCode = 1;
}

function install() {
  const missing = missingTools();
  if (missing.length > 0) {
    fail(adviceFor(missing));
    return;
  }
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'libdgram-build-'));
  const log = path.join(folder, 'build.log');
  const output = fs.openSync(log, 'w');
  const { error, status } = compile(output);
  fs.closeSync(output);
  if (status === 0) {
    fs.rmSync(folder, { recursive: true });
    return;
  }
  const reason = error?.code === 'ENOENT' ?
    'node-gyp is not there. To install it: npm install --global node-gyp' :
    reasonIn(fs.readFileSync(log, 'utf8'));
  fail(reason, log);
}

try {
  checkRuntime();
  install();
} catch (error) {
  fail(error.message);
}

'use strict';
// Every example of the specification runs with nothing changed but the module's name, and does what
// the specification says. With DGRAM_MODULE=node:dgram they run as they are, on the built-in.
//
// Where it is permitted each runs in a network namespace, as the only program of a host of its own,
// for the examples' ports and interfaces are fixed. DGRAM_TEST_NAMESPACE=no does without.

const assert = require('node:assert');
const { execFile, execFileSync } = require('node:child_process');
const path = require('node:path');
const test = require('node:test');
const { promisify } = require('node:util');
const { table } = require('./examples/checks');
const { examples } = require('./examples/document');

const runner = path.join(__dirname, 'examples', 'run.js');
const { namespace, noHost } = findNamespace();

// The command before the command that is to run on a host of its own; or why there is none.
function findNamespace() {
  let noHost = 'DGRAM_TEST_NAMESPACE=no';
  if (process.env.DGRAM_TEST_NAMESPACE === 'no') return { namespace: [], noHost };
  const host = path.join(__dirname, 'examples', 'host.sh');
  for (const options of [['--net'], ['--net', '--map-root-user']]) {
    try {
      execFileSync('unshare', [...options, host, 'true'], { stdio: 'pipe' });
      return { namespace: ['unshare', ...options, host], noHost: '' };
    } catch (err) {
      noHost = err.message.replace(/\s+/g, ' ');
    }
  }
  return { namespace: [], noHost };
}

async function run(t, number, language) {
  const [command, ...args] = [...namespace, process.execPath, runner, number, language];
  const env = { ...process.env, DGRAM_TEST_NO_HOST: noHost };
  const outcome = await promisify(execFile)(command, args, { env }).catch((err) => err);
  if (outcome instanceof Error) assert.fail(outcome.stderr || outcome.message);
  const [, skipped] = /^skipped: (.*)/.exec(outcome.stdout) ?? [];
  if (skipped) t.skip(skipped);
}

test('each example of the specification has its check', () => {
  const found = examples().map(({ section, language }) => [section.replaceAll('`', ''), language]);
  assert.deepStrictEqual(table.map(([section, language]) => [section, language]), found);
});

table.forEach(([section, language], number) => {
  const forms = language === 'js' ? ['mjs', 'cjs'] : [language];
  for (const form of forms) {
    test(`example ${number + 1}, ${section}, ${form}`, (t) => run(t, String(number), form));
  }
});

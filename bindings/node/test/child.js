'use strict';
// Runs a function in a Node.js process of its own, for what would end or spoil the test's process.

const assert = require('node:assert');
const { spawn } = require('node:child_process');
const { text } = require('node:stream/consumers');
const { modulePath } = require('./subject');

// How much slower than usual things are: set under valgrind and the like.
const slowness = Number(process.env.DGRAM_TEST_SLOWNESS) || 3; // machines of CI are busy

// What the child has besides the body: reports are written at once, so that none is lost with it.
const prelude = `
  const report = (value) =>
    require('node:fs').writeSync(3, JSON.stringify(value === undefined ? null : value) + '\\n');
`;

// The body's source is all that gets across: it is called with { dgram, modulePath, report, args }.
// `using` lists named functions of the test's file that it calls; `args` is anything that JSON
// holds.
const program = (body, using, args) => `'use strict';
  ${prelude}
  ${using.map((helper) => `const ${helper.name} = (${helper});`).join('\n')}
  const modulePath = ${JSON.stringify(modulePath)};
  (${body})({
    get dgram() { return require(modulePath); },
    modulePath, report, args: ${JSON.stringify(args)},
  });
`;

// Resolves with { code, stdout, stderr, reports }. A child that ends by a signal has crashed, and
// one that does not end by itself has failed, in every test.
async function run(body, { using = [], args = {}, execArgv = [], env = {}, patience = 60 } = {}) {
  const child = spawn(process.execPath, [...execArgv, '-e', program(body, using, args)], {
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
    timeout: Math.ceil(patience * slowness) * 1000,
    killSignal: 'SIGKILL',
  });
  const ended = new Promise((resolve) => child.once('exit', (...how) => resolve(how)));
  const [stdout, stderr, reported] = await Promise.all(child.stdio.slice(1).map(text));
  const [code, signal] = await ended;
  assert.strictEqual(signal, null, `the child ended by ${signal}: ${stdout}${reported}${stderr}`);
  return { code, stdout, stderr, reports: reported.split('\n').filter(Boolean).map(JSON.parse) };
}

// The same for a child that has to end well: resolves with what it reported.
async function reports(body, options) {
  const result = await run(body, options);
  assert.strictEqual(result.code, 0, `exit code ${result.code}: ${result.stdout}${result.stderr}`);
  return result.reports;
}

module.exports = { run, reports };

'use strict';
// Every example of the specification runs with nothing changed but the module's name, and does what
// the specification describes. With DGRAM_MODULE=node:dgram they run as they are, on the built-in.
//
// Where it is permitted each has a host of its own (namespace.js), for the examples' ports and
// interfaces are fixed.

const assert = require('node:assert');
const { execFile } = require('node:child_process');
const path = require('node:path');
const test = require('node:test');
const { promisify } = require('node:util');
const { table } = require('./examples/checks');
const { examples } = require('./examples/document');
const { findNamespace } = require('./namespace');

const runner = path.join(__dirname, 'examples', 'run.js');
const { command: ownHost, noHost } = findNamespace();

async function run(t, number, language) {
  const [command, ...args] = [...ownHost, process.execPath, runner, number, language];
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

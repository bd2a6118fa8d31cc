'use strict';
// The packages' own tests, of those that come with them from npm: as they are, with their own
// runners.

const assert = require('node:assert');
const { execFile } = require('node:child_process');
const path = require('node:path');
const test = require('node:test');
const { promisify } = require('node:util');
const { findNamespace } = require('../namespace');

const { command: ownHost, noHost } = findNamespace();
const watch = path.join(__dirname, 'watch.js');
const packages = path.join(__dirname, 'node_modules');

// Runs `runner ...args` in the package's folder on a host of its own; resolves with what it prints.
async function runOwn(name, [runner, ...args], { sockets }) {
  const [command, ...rest] = [
    ...ownHost, process.execPath, '--require', watch, path.join(packages, runner), ...args,
  ];
  const cwd = path.join(packages, name);
  const options = { cwd, env: { ...process.env, SOCKETS: String(sockets) }, timeout: 120_000 };
  const outcome = await promisify(execFile)(command, rest, options).catch((err) => err);
  if (outcome instanceof Error) assert.fail(`${outcome.stdout}\n${outcome.stderr}`);
  return outcome.stdout;
}

test("multicast-dns's own tests", async () => {
  const output = await runOwn('multicast-dns', ['tape/bin/tape', 'test.js'], { sockets: 10 });
  assert.match(output, /^# pass +35$/m);
});

test("bonjour's own tests", async () => {
  const output = await runOwn('bonjour', ['tape/bin/tape', 'test/*.js'], { sockets: 10 });
  assert.match(output, /^# pass +58$/m);
});

const skip = noHost ? `their port may be taken: ${noHost}` : false;

test("syslog-client's own tests", { skip }, async () => {
  // A connection of theirs, which is TCP, would run into its time-out: so --exit.
  const args = ['mocha/bin/mocha.js', '--exit', 'test/syslog-client.js'];
  assert.match(await runOwn('syslog-client', args, { sockets: 5 }), / 18 passing/);
});

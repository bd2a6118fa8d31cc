'use strict';
// Workers of a cluster that share a port and close it one after the other: each takes one datagram
// at a time, so none is lost with one that closes (B66).

const assert = require('node:assert');
const { spawnSync } = require('node:child_process');
const path = require('node:path');
const { test } = require('node:test');
const { ours } = require('./subject');

function receivedInAll(options) {
  const env = { ...process.env, SOCKET_OPTIONS: JSON.stringify(options) };
  const { stdout, stderr } = spawnSync(process.execPath, [path.join(__dirname, 'closing.js')],
    { env, encoding: 'utf8', timeout: 30_000 });
  assert.strictEqual(stderr, '');
  return Number(stdout);
}

test('B66 workers that close in turn lose nothing', () => {
  assert.strictEqual(receivedInAll({}), 40);
});

test('receiveBatch takes more at a time, which a close then loses',
  ours('receiveBatch'), () => {
    const received = receivedInAll({ receiveBatch: 64 });
    assert.ok(received >= 10 && received < 40, `${received} received`);
  });

'use strict';
// The addon is hardened by what the compiler has, as the library is: looked up in the built file.

const { test } = require('node:test');
const assert = require('node:assert');
const { spawnSync } = require('node:child_process');
const { existsSync } = require('node:fs');
const path = require('node:path');

const addon = path.join(__dirname, '../build/Release/dgram.node');
const check = path.join(__dirname, '../../../tests/install/hardened.sh');

function whyNot() {
  if (process.platform !== 'linux')
    return 'it reads files of Linux';
  if (!existsSync(check))
    return 'the script that looks is in the repository alone';
  return process.env.DGRAM_TEST_SANITIZED ? 'a sanitizer takes its place' : false;
}

test('the addon is hardened', { skip: whyNot() }, () => {
  const { status, stderr } = spawnSync(check, [addon], { encoding: 'utf8' });
  assert.strictEqual(stderr, '');
  assert.strictEqual(status, 0);
});

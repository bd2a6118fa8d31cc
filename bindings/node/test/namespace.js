'use strict';
// A host of its own for a program: a network namespace with interfaces and with every port free.
// Where that is not permitted there is none; DGRAM_TEST_NAMESPACE=no does without.

const { execFileSync } = require('node:child_process');
const path = require('node:path');

const host = path.join(__dirname, 'examples', 'host.sh');

// Returns { command, noHost }: what to put before a command so that it runs on a host of its own,
// which is nothing where there is no such thing; and then why not.
function findNamespace() {
  let noHost = 'DGRAM_TEST_NAMESPACE=no';
  if (process.env.DGRAM_TEST_NAMESPACE === 'no') return { command: [], noHost };
  for (const options of [['--net'], ['--net', '--map-root-user']]) {
    try {
      execFileSync('unshare', [...options, host, 'true'], { stdio: 'pipe' });
      return { command: ['unshare', ...options, host], noHost: '' };
    } catch (err) {
      noHost = err.message.replace(/\s+/g, ' ');
    }
  }
  return { command: [], noHost };
}

module.exports = { findNamespace };

'use strict';
// The module that the tests try: this package, or what DGRAM_MODULE names. With
// DGRAM_MODULE=node:dgram they try the built-in, so that what they expect is checked against it.

const path = require('node:path');

process.env.DGRAM_TEST_ASSERTIONS ??= '1'; // lib/attempt.js asserts each change of state

const modulePath = process.env.DGRAM_MODULE || path.join(__dirname, '..');
const isBuiltIn = /^(node:)?dgram$/.test(modulePath);

// For tests of what this package promises and the built-in does not: test(name, ours(why), fn).
const ours = (why) => ({ skip: isBuiltIn && `this package only: ${why}` });

module.exports = {
  modulePath,
  isBuiltIn,
  ours,
  get dgram() { return require(modulePath); },
};

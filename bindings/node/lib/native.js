'use strict';
// The addon: built by node-gyp on installation.

const { adviceFor, checkRuntime, missingTools } = require('./requirements');

checkRuntime();

const notBuilt = 'The addon of libdgram has not been compiled: build/Release/dgram.node is not ' +
  'there. Installing compiles it, unless install scripts are off (--ignore-scripts, or a package ' +
  'manager that asks first, as pnpm does).\n';

const repair = 'To compile it, run: npm rebuild libdgram   ' +
  '(pnpm: pnpm approve-builds, then pnpm rebuild libdgram)\n' +
  'A bundler must leave libdgram out of its bundle, as an external package.';

function load() {
  try {
    return require('../build/Release/dgram.node');
  } catch (error) {
    if (error.code !== 'MODULE_NOT_FOUND' || !/dgram\.node/.test(error.message))
      throw error;
  }
  const error = new Error(notBuilt + adviceFor(missingTools()) + repair);
  error.code = 'ERR_LIBDGRAM_NOT_BUILT';
  throw error;
}

const { makeReleasing, releasing } = require('./calls');

const native = load().create();

makeReleasing(native.Handle);
native.runDeferredTask = releasing(native.runDeferredTask);
native.simStep = releasing(native.simStep);

module.exports = native;

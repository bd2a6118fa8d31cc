'use strict';
// The addon: built by node-gyp on installation.

module.exports = require('../build/Release/dgram.node').create();

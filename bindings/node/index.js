'use strict';
// The drop-in for node:dgram.

const builtin = require('node:dgram');
const { Socket, createSocket } = require('./lib/socket');
require('./lib/events');
require('./lib/legacy');

module.exports = { createSocket, Socket };

// Gone in newer versions of Node.js.
if (builtin._createSocketHandle)
  module.exports._createSocketHandle = builtin._createSocketHandle;

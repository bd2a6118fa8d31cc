'use strict';
// The drop-in for node:dgram.

require('./lib/native'); // first: says what is missing, if something is
const { builtin } = require('./lib/builtin');
const { Socket, createSocket } = require('./lib/socket');
require('./lib/events');
require('./lib/legacy');

// Gone in newer versions of Node.js.
if (builtin?._createSocketHandle)
  exports._createSocketHandle = builtin._createSocketHandle;

exports.createSocket = createSocket;
exports.Socket = Socket;

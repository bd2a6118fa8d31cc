'use strict';
// The drop-in for node:dgram.

require('./lib/native'); // first: it reports what is missing
const { builtin } = require('./lib/builtin');
const { Socket, createSocket } = require('./lib/socket');
require('./lib/events');
require('./lib/additions');
require('./lib/legacy');

// Gone in newer versions of Node.js.
if (builtin?._createSocketHandle)
  exports._createSocketHandle = builtin._createSocketHandle;

exports.createSocket = createSocket;
exports.Socket = Socket;

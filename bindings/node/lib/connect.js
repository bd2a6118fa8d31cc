'use strict';
// Where a socket is connected to.

const { codes } = require('./native');
const errors = require('./errors');
const { isBlocked } = require('./block');
const permission = require('./permission');
const { resolve } = require('./resolve');

// Called by the library, once the socket is bound and on its way to be connected: where to?
function resolveConnecting(socket, state) {
  const { connecting } = state;
  if (connecting.callback)
    socket.once('connect', connecting.callback);
  resolve(socket, state, connecting.address, (error, ip) => {
    if (state.connecting !== connecting)
      return;
    if (!error)
      permission.check();
    connecting.cause = error;
    if (!error && isBlocked(state.options.sendBlockList, ip))
      connecting.cause = errors.ipBlocked(ip);
    state.handle.answer(connecting.cause ? codes.EINVAL : 0, ip);
  });
}

module.exports = { resolveConnecting };

'use strict';
// Connects a socket.

const { DISCONNECTED, ECANCELED, EINVAL } = require('./native').constants;
const errors = require('./errors');
const { RESOLVED, RESOLVING, STARTED, end } = require('./attempt');
const { isBlocked } = require('./block');
const permission = require('./permission');
const { resolvePeer } = require('./resolve');

function isConnecting(state) {
  return state.connecting !== null || state.handle.connectState !== DISCONNECTED;
}

// Once the socket is bound.
function startToConnect(state) {
  const { connecting } = state;
  connecting.become(STARTED);
  const code = state.handle.connect(connecting.port);
  if (code < 0)
    throw errors.endpointError(code, 'connect', connecting.address, connecting.port);
}

// The library requests the address.
function resolveConnecting(socket, state) {
  const { connecting } = state;
  connecting.become(RESOLVING);
  if (connecting.callback)
    socket.once('connect', connecting.callback);
  resolvePeer(socket, state, connecting.address, (error, ip) => {
    if (connecting.state !== RESOLVING)
      return;
    if (!error)
      permission.check();
    connecting.cause = error;
    if (!error && isBlocked(state.options.sendBlockList, ip))
      connecting.cause = errors.ipBlocked(ip);
    connecting.become(RESOLVED);
    state.handle.resolved(connecting.cause ? EINVAL : 0, ip);
  });
}

// A connect that disconnect() or close() has cancelled has no event, as in the built-in.
function connectFailed(socket, state, code) {
  if (code === ECANCELED)
    return;
  const { address, port, callback, cause } = end(state, 'connecting');
  if (state.closed)
    return;
  const error = cause ?? errors.endpointError(code, 'connect', address, port);
  if (callback) {
    socket.removeListener('connect', callback);
    callback(error);
  } else {
    socket.emit('error', error);
  }
}

module.exports = { connectFailed, isConnecting, resolveConnecting, startToConnect };

'use strict';
// A handle of Node.js's own for a socket of ours: child_process sends it to another process, and
// packages read its descriptor. It is made when first used, owns a copy of the socket's descriptor,
// never receives, and does not keep the process alive.

const { apply } = require('./primordials');
const { UDP, ownerKey } = require('./builtin');
const { BOUND } = require('./native').constants;
const { kState } = require('./state');

function hide(handle, name, value) {
  Object.defineProperty(handle, name,
    { __proto__: null, value, configurable: true, writable: true });
}

function create(socket, state) {
  const handle = new UDP();
  handle.unref();
  handle.lookup = state.lookup;
  handle[ownerKey] = socket;
  hide(handle, 'ref', () => socket.ref());
  hide(handle, 'unref', () => socket.unref());
  hide(handle, 'hasRef', () => !state.closed && state.refed);
  return handle;
}

// A copy of the descriptor that it cannot open is closed again.
function open(nodeHandle, handle) {
  handle.lendDescriptor((copy) => apply(UDP.prototype.open, nodeHandle, [copy]));
}

function openIfBound({ nodeHandle, handle }) {
  if (nodeHandle !== null && nodeHandle.fd < 0 && handle.bindState === BOUND)
    open(nodeHandle, handle);
}

function handleOf(socket) {
  const state = socket[kState];
  if (state.closed)
    return null;
  if (state.sharedHandle !== null)
    return state.sharedHandle;
  if (UDP === undefined)
    return state.handle;
  state.nodeHandle ??= create(socket, state);
  openIfBound(state);
  return state.nodeHandle;
}

module.exports = { handleOf, openIfBound };

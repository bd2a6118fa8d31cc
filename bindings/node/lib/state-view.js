'use strict';
// The state of a socket as the built-in shows it, under the key that the built-in has for it.
// Packages find it by its description, 'state symbol'; Node.js's child_process has it.

const { stateKey, stateNames } = require('./builtin');
const { handleOf } = require('./node-handle');
const { BINDING, BOUND, CONNECTING, DISCONNECTED, UNBOUND } = require('./native').constants;
const { kState } = require('./state');

// The built-in counts an attempt from the program's call on.
function bindState({ handle, binding }) {
  return handle.bindState === UNBOUND && binding !== null ? BINDING : handle.bindState;
}

function connectState({ handle, connecting }) {
  return handle.connectState === DISCONNECTED && connecting !== null ?
    CONNECTING : handle.connectState;
}

// In the order in which the built-in shows them; those that are read-only are the library's.
const members = {
  handle: { get: (state, socket) => handleOf(socket) },
  receiving: { get: (state) => !state.closed && state.handle.bindState === BOUND },
  bindState: { get: bindState },
  connectState: { get: connectState },
  queue: {
    get: (state) => state.queue,
    set(state, value) {
      state.queue = value;
    },
  },
};

function addOption(name) {
  members[name] = {
    get: (state) => state.options[name],
    set(state, value) {
      state.options[name] = value;
    },
  };
}

['reuseAddr', 'reusePort', 'ipv6Only', 'recvBufferSize', 'sendBufferSize', 'receiveBlockList',
  'sendBlockList'].forEach(addOption);

function describe({ get, set }) {
  return {
    __proto__: null,
    get() {
      return get(this[kSocket][kState], this[kSocket]);
    },
    set(value) {
      set?.(this[kSocket][kState], value);
    },
    enumerable: true,
    configurable: true,
  };
}

const kSocket = Symbol('socket');
const shownNames = stateNames?.filter((name) => name in members) ?? Object.keys(members);
const descriptors = Object.fromEntries(
  shownNames.map((name) => [name, describe(members[name])]));

// The view of a socket's state.
function view(socket) {
  const shown = Object.defineProperty({}, kSocket, { __proto__: null, value: socket });
  return Object.defineProperties(shown, descriptors);
}

module.exports = { stateKey, view };

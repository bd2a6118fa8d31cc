'use strict';
// What a dgram.Socket keeps beside its Handle, and how its state is asked for: it is the C
// library's, and the addon shows it as `bindState` and `connectState` of the Handle.

const errors = require('./errors');

const kState = Symbol('state');

// As dgram_bind_state_t and dgram_connect_state_t.
const UNBOUND = 0;
const BOUND = 2;
const DISCONNECTED = 0;
const CONNECTED = 2;

class State {
  handle = null;
  closed = false;
  lookup = undefined; // (hostname, family, callback)
  isDefaultLookup = false;
  options = { __proto__: null }; // those of createSocket() that are needed later
  binding = null; // the bind under way: { address, port, ip, cause, ... }
  connecting = null; // the connect under way: { address, port, callback, cause, ... }
  slab = null; // an ArrayBuffer, where its messages lie together if they shall
  shared = null; // the handle of a socket that other processes have too
  nodeHandle = null; // a handle of Node.js's own (node-handle.js)
  refed = true; // ref() or unref() was called last
  queue = undefined; // calls of send() and close() that wait for 'listening'
  aim = { ip: undefined, port: 0, error: 0 }; // where the Handle's sends go
  completed = 0; // sends with a callback, as far as is known here
  budget = 32; // messages that a turn of the event loop tells
  stalled = []; // ... those that the system had no room for
  failures = new Map(); // ... their codes, by sequence number
}

function checkHealth(socket) {
  const state = socket[kState];
  if (state.closed)
    throw errors.notRunning();
  return state;
}

// The Handle, or null once the socket is closed: what then follows is the built-in's TypeError.
function liveHandle(socket) {
  const state = socket[kState];
  return state.closed ? null : state.handle;
}

module.exports = {
  BOUND, CONNECTED, DISCONNECTED, State, UNBOUND, checkHealth, kState, liveHandle,
};

'use strict';
// What a dgram.Socket keeps beside its Handle.

const errors = require('./errors');
const { MESSAGES_PER_ITERATION } = require('./native').constants;

const kState = Symbol('state');

class State {
  handle = null; // its bindState and connectState are the library's
  closed = false;
  lookup = undefined; // (hostname, family, callback)
  isDefaultLookup = false;
  nameCache = null; // of sends and connects
  options = { __proto__: null }; // those of createSocket() that are needed later
  receiveInfo = 0; // flags of the library: the facts about each datagram that rinfo has
  binding = null; // the bind under way, an Attempt (attempt.js)
  connecting = null; // the connect under way, an Attempt
  queue = undefined; // calls of send(), connect() and close() that wait for 'listening'
  slab = null; // the ArrayBuffer of pooled messages
  sharedHandle = null; // a handle of Node.js's own, of a socket that other processes have as well
  nodeHandle = null; // a handle of Node.js's own, of this socket (node-handle.js)
  watchesIcmp = false; // the library is asked for ICMP errors
  showsMtu = false; // an EMSGSIZE has `mtu`
  refed = true; // ref() or unref() was called last
  destination = { ip: undefined, port: 0, error: 0 }; // of the Handle's sends
  budget = MESSAGES_PER_ITERATION; // of the event loop
  completed = 0; // sends with a callback, as far as is known here
  blocked = []; // ... those that the system had no room for
  failures = new Map(); // ... their codes, by sequence number
  cancelled = 0; // sends, before the library had them
  signals = new Map(); // that cancel sends, to what they cancel (cancel.js)
  sendQueue = null; // counts what it has, if there is a limit (flow.js)
  paused = false; // by the program
  lacksListener = false; // and is paused for want of one (pauseWithoutListener)
  inboxFull = false; // paused since nobody pulls
  inbox = null; // what iterators have not pulled
  handlePaused = false;
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

module.exports = { State, checkHealth, kState, liveHandle };

'use strict';
// What JavaScript owns of a socket's state. The socket's own states are the library's: bindState
// and connectState of the Handle, which only the addon writes. The library does not know, and
// JavaScript keeps,
// - a bind or connect from the program's call to its event, with its arguments and the cause of its
//   failure: an Attempt, below;
// - the calls of send(), connect() and close() that wait for 'listening': the replay queue, below;
// - the order of ticks: calls.js (events of the addon during a call), send.js (the look-up and the
//   callback of a send), events.js (deferred tasks).

const { errorMonitor } = require('node:events');
const { unwatchWaiting } = require('./cancel');
const { UNBOUND } = require('./native').constants;
const { kState } = require('./state');

// ---- an attempt ----

//   CALLED --> STARTED --> RESOLVING ----------------------> RESOLVED --> ENDED
//                 |            |                                 ^
//                 '------------'--> ASKING_PRIMARY --------------'
//
// Each state may be followed by ENDED: a bind to a descriptor has no look-up, and an error can come
// at any time.

const CALLED = 'CALLED'; // bind() reads its arguments, and stays so if it throws; connect() waits
const STARTED = 'STARTED'; // the library has it, and will request the address
const RESOLVING = 'RESOLVING'; // the look-up is under way
const ASKING_PRIMARY = 'ASKING_PRIMARY'; // of a cluster, for the bound socket
const RESOLVED = 'RESOLVED'; // the library has the address or the failure
const ENDED = 'ENDED'; // its event is emitted, or disconnect() has cancelled it

const edges = {
  CALLED: [STARTED, ENDED],
  STARTED: [RESOLVING, ASKING_PRIMARY, ENDED],
  RESOLVING: [ASKING_PRIMARY, RESOLVED, ENDED],
  ASKING_PRIMARY: [RESOLVED, ENDED],
  RESOLVED: [ENDED],
  ENDED: [],
};

const asserts = Boolean(process.env.DGRAM_TEST_ASSERTIONS);

class Attempt {
  state = CALLED;
  cause = null; // of its failure, an Error that the library does not know

  become(next) {
    if (asserts && !edges[this.state].includes(next))
      throw new Error(`An attempt goes from ${this.state} to ${next}`);
    this.state = next;
  }
}

// `kind` is 'binding' or 'connecting'. Of each there is at most one.
function begin(state, kind, values) {
  if (asserts && state[kind] !== null)
    throw new Error(`A second attempt at ${kind}`);
  return state[kind] = Object.assign(new Attempt(), values);
}

// Returns the attempt that has ended, or null.
function end(state, kind) {
  const attempt = state[kind];
  state[kind] = null;
  attempt?.become(ENDED);
  return attempt;
}

// ---- the replay queue: calls that wait for 'listening' ----

function dropWaiting(state) {
  unwatchWaiting(state);
  state.sendQueue?.drop();
}

function releaseQueue() {
  const state = this[kState];
  const { queue } = state;
  this.removeListener(errorMonitor, dropQueue);
  state.queue = undefined;
  try {
    for (const call of queue)
      call();
  } catch (error) { // the calls behind it are dropped, as by the built-in
    dropWaiting(state);
    throw error;
  }
}

function dropQueue() {
  const state = this[kState];
  this.removeListener('listening', releaseQueue);
  state.queue = undefined;
  dropWaiting(state);
}

// Keeps a call until 'listening', when it is made again; an 'error' before that drops it.
function enqueue(socket, call) {
  const state = socket[kState];
  if (state.queue === undefined) {
    state.queue = [];
    socket.once(errorMonitor, dropQueue);
    socket.once('listening', releaseQueue);
  }
  state.queue.push(call);
}

function bindIfNeeded(socket, state) {
  if (state.handle.bindState === UNBOUND)
    socket.bind({ port: 0, exclusive: true }, null);
}

module.exports = {
  ASKING_PRIMARY, RESOLVED, RESOLVING, STARTED, begin, bindIfNeeded, end, enqueue,
};

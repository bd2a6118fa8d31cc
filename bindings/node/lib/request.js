'use strict';
// A call that sends: send(), sendWith(), sendMany(), reply(). What they share, from the arguments
// to the look-up: the room in the send queue, if that has a limit, and the wait for the bind.

const { bindIfNeeded, enqueue } = require('./attempt');
const { report, unwatch, watch } = require('./cancel');
const { BOUND } = require('./native').constants;

class Request {
  constructor(socket, state, message, address, port, callback) {
    this.socket = socket;
    this.state = state;
    this.message = message;
    this.address = address; // as the program has it
    this.port = port;
    this.callback = callback;
    this.size = 0; // bytes; sendMany(): datagrams
    this.sequence = -1; // the library's, from when it has the request
    this.resource = null; // of one that has a signal, or that the system has no room for
    this.taken = null; // of the send queue, while it is under way
    this.options = undefined; // of sendWith()
    this.path = undefined; // of reply()
    this.list = undefined; // of sendMany(), and
    this.payloads = undefined;
    this.signal = null; // which cancels it, until it has ended; and for that
    this.canceled = false; // its callback has been called
    this.waits = false; // for 'listening'
    this.leave = undefined; // gives up its look-up
  }
}

// ---- the limit of the queue ----

// Whether the queue, which has a limit, has room for the request.
function takeRoom(request, size) {
  const isTaken = request.state.sendQueue.take(size);
  if (isTaken)
    request.taken = size;
  return isTaken;
}

// The request has ended.
function giveRoom(request) {
  const { state, taken } = request;
  if (request.signal !== null)
    unwatch(request);
  if (!taken)
    return;
  request.taken = null;
  state.sendQueue.give(taken);
}

// What throws, a look-up of the program's for example, has ended the request.
function guarded(request, act, now, later) {
  if (request.taken === null && request.signal === null) {
    act(request, now, later);
    return;
  }
  try {
    act(request, now, later);
  } catch (error) {
    giveRoom(request);
    throw error;
  }
}

// ---- the bind ----

// The queue knows what waits, since a failed bind drops it.
function waitForListening(request, call) {
  const { socket, state: { sendQueue }, taken } = request;
  if (taken !== null)
    sendQueue.wait(taken);
  request.waits = true;
  enqueue(socket, () => {
    request.waits = false;
    if (taken !== null)
      sendQueue.endWaiting(taken);
    guarded(request, call);
  });
}

function start(request, now, later) {
  const { socket, state } = request;
  bindIfNeeded(socket, state);
  if (state.handle.bindState === BOUND)
    now(request);
  else
    waitForListening(request, later);
}

// Whether the signal, if there is one, lets the request begin; if not, the request has failed.
function mayBegin({ callback }, signal) {
  if (!signal?.aborted)
    return true;
  report(callback, signal.reason);
  return false;
}

// From now on the signal, if there is one, cancels the request.
function follow(request, signal) {
  if (signal === undefined)
    return;
  try {
    watch(request, signal, giveRoom);
  } catch (error) { // it is not what it seems
    giveRoom(request);
    throw error;
  }
}

// Calls `now` with the request if the socket is bound; or else binds it, and then calls `later`.
function submit(request, now, later = now) {
  guarded(request, start, now, later);
}

module.exports = { Request, follow, giveRoom, guarded, mayBegin, submit, takeRoom,
  waitForListening };

'use strict';
// Flow control: receiving pauses, the send queue has a limit, look-ups have a time limit. Without
// the options and calls for it nothing of this happens.

const errors = require('./errors');
const { checkInteger, checkObject } = require('./arguments');
const { sizeOfView } = require('./primordials');
const { ETIMEDOUT } = require('./native').constants;
const { checkHealth, kState } = require('./state');

const MAX_TIMEOUT = 0x7fffffff; // ms

// ---- options ----

function checkAmount(value, name, most) {
  return value === undefined ? 0 : checkInteger(value, name, 0, most);
}

function checkTimeout(ms, name) {
  return checkAmount(ms, name, MAX_TIMEOUT);
}

function checkMark(value, limit, name) {
  return checkAmount(value, name, limit) || Math.floor(limit / 2);
}

function readQueueLimit(given, name) {
  checkObject(given, name);
  const { bytes, count, lowBytes, lowCount } = given;
  const most = Number.MAX_SAFE_INTEGER;
  const limit = {
    bytes: checkAmount(bytes, `${name}.bytes`, most) || most,
    count: checkAmount(count, `${name}.count`, most) || most,
  };
  limit.lowBytes = checkMark(lowBytes, limit.bytes, `${name}.lowBytes`);
  limit.lowCount = checkMark(lowCount, limit.count, `${name}.lowCount`);
  return limit;
}

// Of a new socket; null without a limit.
function checkQueueLimit(given, name) {
  return given === undefined ? null : readQueueLimit(given, name);
}

// ---- pause ----

// A socket is paused by the program, for want of a listener, or while an iterator has messages that
// nobody pulls.
function update(state) {
  const paused = state.paused || state.lacksListener || state.inboxFull;
  if (paused === state.handlePaused || state.closed)
    return;
  state.handlePaused = paused;
  if (paused)
    state.handle.pause();
  else
    state.handle.resume();
}

function setPaused(socket, paused) {
  const state = socket[kState];
  if (state.closed)
    return;
  state.paused = paused;
  update(state);
}

function setInboxFull(socket, full) {
  const state = socket[kState];
  state.inboxFull = full;
  update(state);
}

function isPaused(socket) {
  const { closed, paused } = socket[kState];
  return paused && !closed;
}

function isMessageEvent(event) {
  return event === 'message' || event === 'messages';
}

function onNewListener(event) {
  const state = this[kState];
  if (!isMessageEvent(event))
    return;
  state.lacksListener = false;
  update(state);
}

function onRemoveListener(event) {
  const state = this[kState];
  if (!isMessageEvent(event) || this.listenerCount('message') + this.listenerCount('messages') > 0)
    return;
  state.lacksListener = true;
  update(state);
}

function watchListeners(socket) {
  socket.on('newListener', onNewListener);
  socket.on('removeListener', onRemoveListener);
}

// `pauseWithoutListener`. removeAllListeners() removes what watches as well.
function pauseWithoutListener(socket) {
  const state = socket[kState];
  state.lacksListener = true;
  update(state);
  watchListeners(socket);
  const value = function removeAllListeners(...args) {
    Object.getPrototypeOf(this).removeAllListeners.apply(this, args);
    if (args.length === 0)
      watchListeners(this);
    return this;
  };
  Object.defineProperty(socket, 'removeAllListeners',
    { __proto__: null, value, writable: true, enumerable: false, configurable: true });
}

// ---- the limit of the send queue ----

// Counts what was accepted and has not ended: calls that wait for 'listening', look-ups, and what
// the library has.
class SendQueue {
  constructor(socket, limit) {
    this.socket = socket;
    this.limit = limit;
    this.bytes = 0;
    this.count = 0;
    this.waiting = { bytes: 0, count: 0 }; // of these: for 'listening'
    this.refused = null;
  }

  // An empty queue has room for anything, so that each datagram can be sent.
  hasRoom({ bytes, count }) {
    return this.count === 0 ||
      (this.count + count <= this.limit.count && this.bytes + bytes <= this.limit.bytes);
  }

  // Whether it is accepted, and counted; `size` has its bytes and the count of its datagrams.
  take(size) {
    if (!this.hasRoom(size)) {
      this.refused = size;
      return false;
    }
    this.bytes += size.bytes;
    this.count += size.count;
    return true;
  }

  give({ bytes, count }) {
    this.bytes -= bytes;
    this.count -= count;
    this.drainIfDue();
  }

  setLimit(limit) {
    this.limit = limit;
    this.drainIfDue();
  }

  drainIfDue() {
    const { limit, refused } = this;
    if (refused === null || this.bytes > limit.lowBytes || this.count > limit.lowCount ||
        !this.hasRoom(refused))
      return;
    this.refused = null;
    process.nextTick(emitDrain, this.socket);
  }

  wait({ bytes, count }) {
    this.waiting.bytes += bytes;
    this.waiting.count += count;
  }

  endWaiting({ bytes, count }) {
    this.waiting.bytes -= bytes;
    this.waiting.count -= count;
  }

  // The call is made anew, which counts again.
  forget({ bytes, count }) {
    this.bytes -= bytes;
    this.count -= count;
  }

  // All that waited for 'listening' is dropped.
  drop() {
    const dropped = this.waiting;
    this.waiting = { bytes: 0, count: 0 };
    this.give(dropped);
  }
}

function emitDrain(socket) {
  if (!socket[kState].closed)
    socket.emit('drain');
}

function sizeOf(message) {
  const bytes = Array.isArray(message) ?
    message.reduce((sum, part) => sum + sizeOfView(part), 0) : sizeOfView(message);
  return { bytes, count: 1 };
}

// What was sent before the first limit is not counted.
function setSendQueueLimit(socket, given) {
  const limit = readQueueLimit(given, 'limit');
  const state = checkHealth(socket); // reading the limit may have run code of the program
  state.options.sendQueueLimit = limit;
  if (state.sendQueue === null)
    state.sendQueue = new SendQueue(socket, limit);
  else
    state.sendQueue.setLimit(limit);
}

// ---- time limits ----

function setSendTimeout(socket, ms) {
  const { handle, options } = checkHealth(socket);
  checkInteger(ms, 'ms', 0, MAX_TIMEOUT);
  errors.checkResult(handle.setSendTimeout(ms), 'setSendTimeout');
  options.sendTimeout = ms;
}

function setLookupTimeout(socket, ms) {
  const { options } = checkHealth(socket);
  options.lookupTimeout = checkInteger(ms, 'ms', 0, MAX_TIMEOUT);
}

// Begins a look-up with a callback that answers `callback` once: with what it is called with, or if
// that is not in time with ETIMEDOUT. A look-up that throws has no answer.
function withinTime(hostname, ms, callback, begin) {
  let ended = false;
  const end = (...answer) => {
    if (ended)
      return;
    ended = true;
    clearTimeout(timer);
    callback(...answer);
  };
  const timer = setTimeout(() => {
    const error = errors.endpointError(ETIMEDOUT, 'getaddrinfo', hostname);
    error.hostname = hostname;
    end(error);
  }, ms);
  timer.unref?.();
  try {
    return begin(end);
  } catch (error) {
    ended = true;
    clearTimeout(timer);
    throw error;
  }
}

module.exports = { SendQueue, checkQueueLimit, checkTimeout, isPaused, pauseWithoutListener,
  setInboxFull, setLookupTimeout, setPaused, setSendQueueLimit, setSendTimeout, sizeOf, withinTime };

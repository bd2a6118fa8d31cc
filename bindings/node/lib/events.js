'use strict';
// What the addon calls: each with the dgram.Socket as `this`.

const calls = require('./calls');
const native = require('./native');
const errors = require('./errors');
const { isBlocked } = require('./block');
const { applyBufferSizes } = require('./buffer-size');
const { later } = require('./primordials');
const { newSlab, readMessage, stage } = require('./messages');
const { NUMBERS, PORT, SIZE, numbers } = require('./numbers');
const { kState } = require('./state');
const { openIfBound } = require('./node-handle');
const { resolveBinding } = require('./bind');
const { resolveConnecting } = require('./connect');
const { concludeStalled } = require('./send');

const { codes: { ECANCELED }, runErrand } = native;

// ---- messages ----

let senderAddress;
let senderFamily;

function onSlab() {
  return this[kState].slab = newSlab();
}

function onSender(address, family) {
  senderAddress = address;
  senderFamily = family;
}

function readRinfo(place) {
  return {
    address: senderAddress,
    family: senderFamily,
    port: numbers[place + PORT],
    size: numbers[place + SIZE],
  };
}

// How many messages a turn of the event loop tells: as the built-in, but for those who listen to
// batches alone.
const AS_BUILT_IN = 32;
const WIDE = 1024;

function setBudget(state, budget) {
  if (state.budget === budget)
    return;
  state.budget = budget;
  state.handle.setReceiveBudget(budget);
}

function onMessage() {
  const state = this[kState];
  const { options: { receiveBlockList }, slab } = state;
  const together = this.listenerCount('messages') > 0;
  setBudget(state, together && this.listenerCount('message') === 0 ? WIDE : AS_BUILT_IN);
  if (together)
    tellTogether(this, receiveBlockList);
  else if (receiveBlockList === undefined || !isBlocked(receiveBlockList, senderAddress))
    this.emit('message', readMessage(0, slab), readRinfo(0));
}

// ---- messages, a batch at a time ----

function collect(messages, count, slab, blockList) {
  if (isBlocked(blockList, senderAddress))
    return;
  for (let place = 0; place < count * NUMBERS; place += NUMBERS)
    messages.push({ msg: readMessage(place, slab), rinfo: readRinfo(place) });
}

function tellTogether(socket, blockList) {
  const state = socket[kState];
  const messages = [];
  for (let count = 1; count > 0; count = state.handle.takeMessages())
    collect(messages, count, state.slab, blockList);
  if (messages.length === 0)
    return;
  if (socket.listenerCount('message') > 0)
    messages.forEach((message) => process.nextTick(tellOne, socket, message));
  socket.emit('messages', messages);
}

// In a tick of its own, so that one listener that throws does not keep others from their messages.
function tellOne(socket, { msg, rinfo }) {
  if (!socket[kState].closed)
    socket.emit('message', msg, rinfo);
}

// ---- the others ----

function onListening() {
  const state = this[kState];
  state.binding = null;
  openIfBound(state);
  applyBufferSizes(this);
  this.emit('listening');
}

function onConnected() {
  this[kState].connecting = null;
  this.emit('connect');
}

// A connect that was given up is forgotten, as the built-in forgets it.
function onConnectFailed(code) {
  const state = this[kState];
  if (code === ECANCELED) // by disconnect() or close(), which know
    return;
  const { address, port, callback, cause } = state.connecting;
  state.connecting = null;
  if (state.closed)
    return;
  const error = cause ?? errors.endpointError(code, 'connect', address, port);
  if (callback) {
    this.removeListener('connect', callback);
    callback(error);
  } else {
    this.emit('error', error);
  }
}

function bindError(binding, code) {
  if (binding.cause)
    return binding.cause;
  if (binding.syscall === 'open')
    return errors.systemError(code, 'open');
  return errors.endpointError(code, 'bind', binding.ip, binding.shownPort);
}

function onError(code, syscall, address, port) {
  const state = this[kState];
  if (state.binding !== null && syscall !== 'recvmsg' && syscall !== 'send') {
    const { binding } = state;
    state.binding = null;
    if (!state.closed)
      this.emit('error', bindError(binding, code));
  } else if (syscall === 'send') {
    if (state.options.emitSendErrors)
      this.emit('error', errors.endpointError(code, 'send', address || undefined, port));
  } else {
    this.emit('error', errors.systemError(code, syscall));
  }
}

function onClosed() {
  this[kState].slab = null;
  this.emit('close');
}

function onSent(completed) {
  concludeStalled(this[kState], completed);
}

function onFailed(sequence, code) {
  this[kState].failures.set(sequence, code);
}

// A question of the library's: where to bind, or to connect?
function onLookup(binding) {
  const state = this[kState];
  if (binding)
    resolveBinding(this, state);
  else
    resolveConnecting(this, state);
}

function onDefer(errand) {
  later(runErrand, errand);
}

native.setup({
  queue: calls.enqueue,
  tick: calls.tellInTick,
  defer: onDefer,
  lookup: onLookup,
  message: onMessage,
  sender: onSender,
  slab: onSlab,
  listening: onListening,
  connected: onConnected,
  connect_failed: onConnectFailed,
  error: onError,
  sent: onSent,
  failed: onFailed,
  closed: onClosed,
}, numbers, stage);

'use strict';
// The functions that the addon calls (ADDON_CALLBACKS of addon.h), each with the dgram.Socket as
// `this`: they emit the events.

const calls = require('./calls');
const native = require('./native');
const errors = require('./errors');
const { end } = require('./attempt');
const { isBlocked } = require('./block');
const { applyBufferSizes } = require('./buffer-size');
const { later } = require('./primordials');
const { newSlab, readMessage, shared, staging } = require('./messages');
const { addInfo } = require('./receive-info');
const { kState } = require('./state');
const { openIfBound } = require('./node-handle');
const { bindError, resolveBinding } = require('./bind');
const { connectFailed, resolveConnecting } = require('./connect');
const { completeBlocked } = require('./send');

const { constants, runDeferredTask } = native;
const { MAX_MESSAGES, MESSAGE_FIELDS, MESSAGES_PER_ITERATION, PORT, SIZE } = constants;

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

// Of a socket with receiveInfo the message is the last that the addon has passed.
function readRinfo(state, index) {
  const rinfo = {
    address: senderAddress,
    family: senderFamily,
    port: shared[index + PORT],
    size: shared[index + SIZE],
  };
  if (state.receiveInfo !== 0)
    addInfo(state, rinfo);
  return rinfo;
}

// How many messages are emitted in an iteration of the event loop: as many as by the built-in,
// unless the program listens to batches alone.
function setBudget(state, budget) {
  if (state.budget === budget)
    return;
  state.budget = budget;
  state.handle.setReceiveBudget(budget);
}

function onMessage() {
  const state = this[kState];
  const { options: { receiveBlockList }, slab } = state;
  const inBatches = this.listenerCount('messages') > 0;
  setBudget(state, inBatches && this.listenerCount('message') === 0 ?
    MAX_MESSAGES : MESSAGES_PER_ITERATION);
  if (inBatches)
    emitBatch(this, receiveBlockList);
  else if (receiveBlockList === undefined || !isBlocked(receiveBlockList, senderAddress))
    this.emit('message', readMessage(0, slab), readRinfo(state, 0));
}

// ---- messages, a batch at a time ----

function collect(messages, count, state, blockList) {
  if (isBlocked(blockList, senderAddress))
    return;
  for (let index = 0; index < count * MESSAGE_FIELDS; index += MESSAGE_FIELDS)
    messages.push({ msg: readMessage(index, state.slab), rinfo: readRinfo(state, index) });
}

function emitBatch(socket, blockList) {
  const state = socket[kState];
  const messages = [];
  for (let count = 1; count > 0; count = state.handle.takeMessages())
    collect(messages, count, state, blockList);
  if (messages.length === 0)
    return;
  if (socket.listenerCount('message') > 0)
    messages.forEach((message) => process.nextTick(emitOne, socket, message));
  socket.emit('messages', messages);
}

// In a tick of its own, so that a listener that throws does not cost others their messages.
function emitOne(socket, { msg, rinfo }) {
  if (!socket[kState].closed)
    socket.emit('message', msg, rinfo);
}

// ---- the others ----

function onListening() {
  const state = this[kState];
  end(state, 'binding');
  openIfBound(state);
  applyBufferSizes(this);
  this.emit('listening');
}

function onConnected() {
  end(this[kState], 'connecting');
  this.emit('connect');
}

function onConnectFailed(code) {
  connectFailed(this, this[kState], code);
}

function emitWithMTU(socket, error, mtu) {
  socket.emit('error', errors.withMTU(error, socket[kState], mtu));
}

function onIcmp(report) {
  if (!this[kState].closed)
    this.emit('icmp', report);
}

function onError(code, syscall, address, port, mtu) {
  const state = this[kState];
  if (state.binding !== null && syscall !== 'recvmsg' && syscall !== 'send') {
    const binding = end(state, 'binding');
    if (!state.closed)
      this.emit('error', syscall === 'setsockopt' && !binding.cause ?
        errors.sockoptError(code, address) : bindError(binding, code));
  } else if (syscall === 'send') {
    if (state.options.emitSendErrors)
      emitWithMTU(this, errors.endpointError(code, 'send', address || undefined, port), mtu);
  } else {
    emitWithMTU(this, errors.systemError(code, syscall), mtu);
  }
}

function onClosed() {
  this[kState].slab = null;
  this.emit('close');
}

function onSent(completed) {
  completeBlocked(this[kState], completed);
}

function onFailed(sequence, code, mtu, index, sent) {
  this[kState].failures.set(sequence, { code, mtu, index, sent });
}

// The library requests the address to bind or connect to.
function onLookup(binding) {
  const state = this[kState];
  if (binding)
    resolveBinding(this, state);
  else
    resolveConnecting(this, state);
}

function onDefer(task) {
  later(runDeferredTask, task);
}

native.setup({
  queue: calls.enqueue,
  tick: calls.emitInTick,
  defer: onDefer,
  lookup: onLookup,
  message: onMessage,
  sender: onSender,
  slab: onSlab,
  listening: onListening,
  connected: onConnected,
  connect_failed: onConnectFailed,
  error: onError,
  icmp: onIcmp,
  sent: onSent,
  failed: onFailed,
  closed: onClosed,
}, shared, staging);

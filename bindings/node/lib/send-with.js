'use strict';
// One datagram with options of its own. In order: readOptions() checks them, sendWith() goes the
// way of send(), trySend() sends inside the call or not at all.

const { isIP } = require('node:net');
const { checkCallback, checkObject, checkPort, checkString, toParts } = require('./arguments');
const { isBlocked } = require('./block');
const { checkSignal } = require('./cancel');
const { constants } = require('./native');
const errors = require('./errors');
const permission = require('./permission');
const { Request, follow, mayBegin, submit } = require('./request');
const { loopbacks } = require('./resolve');
const { admit, dispatch, sendError, setDestination } = require('./send');
const { readSendOptions, toChoice } = require('./send-options');
const { checkHealth } = require('./state');

const { BOUND, CONNECTED, EAGAIN, SEND_TO_DESTINATION, UNBOUND } = constants;

// ---- the options ----

function readOptions(options, connected) {
  checkObject(options, 'options');
  const { address, port } = options;
  if (address !== undefined && address !== null)
    checkString(address, 'options.address');
  if (connected && (port || address))
    throw errors.isConnected();
  return { address: address || undefined, port: connected ? undefined : checkPort(port),
    chosen: toChoice(readSendOptions(options)) };
}

// ---- sendWith() ----

function sendWith(socket, msg, options, callback) {
  const state = checkHealth(socket);
  checkCallback(callback);
  const connected = state.handle.connectState === CONNECTED;
  const { address, port, chosen } = readOptions(options, connected);
  const { signal } = options;
  if (signal !== undefined)
    checkSignal(signal, 'options.signal');
  const message = toParts(msg);
  checkHealth(socket); // reading the arguments may have run code of the program
  const request = new Request(socket, state, message, address, port, callback);
  request.options = chosen;
  if (!mayBegin(request, signal) || !admit(request))
    return;
  follow(request, signal);
  submit(request, dispatch);
}

// ---- trySend() ----

function trySend(socket, msg, options) {
  const state = checkHealth(socket);
  const connected = state.handle.connectState === CONNECTED;
  const { address, port, chosen } = readOptions(options ?? {}, connected);
  const ip = connected ? undefined : address ?? loopbacks[socket.type];
  if (ip !== undefined && isIP(ip) === 0)
    throw errors.invalidValue('options.address', ip, 'must be a numeric address');
  const message = toParts(msg);
  checkHealth(socket);
  if (ip !== undefined && isBlocked(state.options.sendBlockList, ip))
    throw errors.ipBlocked(ip);
  if (state.handle.bindState === UNBOUND)
    socket.bindSync();
  if (state.handle.bindState !== BOUND)
    return false;
  permission.check();
  let result = ip !== undefined ? setDestination(state, ip, port) : 0;
  if (result === 0)
    result = state.handle.setSource(chosen.source, chosen.networkInterface);
  if (result === 0)
    result = state.handle.trySend(message, ip !== undefined ? SEND_TO_DESTINATION : 0,
      chosen.fields);
  if (result === EAGAIN)
    return false;
  if (result < 0)
    throw sendError(result, address, port);
  return true;
}

module.exports = { sendWith, trySend };

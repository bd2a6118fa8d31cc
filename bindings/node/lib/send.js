'use strict';
// A datagram's way out: the arguments of send(), the address, the ticks in between.
//
// The ticks are the built-in's: one for the look-up, unless the socket is connected, one for the
// callback. The datagram leaves in between: at the latest when the first callback of the batch is
// due, together with all that was sent until then.

const { AsyncResource } = require('node:async_hooks');
const { errorMonitor } = require('node:events');
const { isIP } = require('node:net');
const { queue: told, release } = require('./calls');
const native = require('./native');
const errors = require('./errors');
const { checkPort, checkString, slice, toBytes, toBytesList } =
  require('./arguments');
const { SENT_SIZE, numbers } = require('./numbers');
const { BOUND, CONNECTED, UNBOUND, checkHealth, kState } = require('./state');
const { isBlocked } = require('./block');
const permission = require('./permission');
const { loopbacks, resolve } = require('./resolve');

const { EISCONN, ERR_SOCKET_DGRAM_IS_CONNECTED } = native.codes;

// ---- the end of a send ----

function succeeded(request) {
  const { callback, size } = request;
  callback(null, size);
}

function failed(request, error) {
  const { callback, state, socket } = request;
  if (callback)
    process.nextTick(callback, error);
  else if (state.options.emitSendErrors)
    process.nextTick(() => socket.emit('error', error));
}

function failedWith(request, code) {
  const errno = code === ERR_SOCKET_DGRAM_IS_CONNECTED ? EISCONN : code;
  failed(request, errors.endpointError(errno, 'send', request.address, request.port));
}

function settle(request) {
  const { failures } = request.state;
  const code = failures.get(request.sequence);
  if (code === undefined) {
    succeeded(request);
    return;
  }
  failures.delete(request.sequence);
  const { callback, address, port } = request;
  callback(errors.endpointError(code, 'send', address, port));
}

// Sequence numbers are modulo 2^32.
function isOpen(request) {
  return ((request.state.completed - request.sequence) | 0) <= 0;
}

// The tick of the callback.
function conclude(request) {
  const { state } = request;
  if (isOpen(request))
    state.completed = state.handle.flush();
  if (isOpen(request)) {
    request.resource = new AsyncResource('UDPSENDWRAP');
    state.stalled.push(request);
  } else {
    settle(request);
  }
}

// The system has room again, or the socket is closed: from the loop, outside of any tick.
function concludeStalled(state, completed) {
  state.completed = completed;
  while (state.stalled.length > 0 && !isOpen(state.stalled[0])) {
    const request = state.stalled.shift();
    request.resource.runInAsyncScope(settle, null, request);
  }
}

// ---- handing it to the system ----

function hasZone(ip) {
  return typeof ip === 'string' && ip.includes('%');
}

// Has the Handle send to this address. Returns 0 or a negative code.
function aimAt(state, ip, port) {
  const { aim } = state;
  if (aim.ip !== ip || aim.port !== port) {
    aim.error = state.handle.aim(port, ip);
    aim.ip = hasZone(ip) ? undefined : ip; // what a zone stands for may change
    aim.port = port;
  }
  return aim.error;
}

// `ip` is undefined on a connected socket.
function transmit(request, ip) {
  const { state, callback } = request;
  if (state.closed)
    return;
  if (ip !== undefined && isBlocked(state.options.sendBlockList, ip)) {
    failed(request, errors.ipBlocked(ip));
    return;
  }
  permission.check();
  const aimed = ip !== undefined;
  const start = told.length;
  let result = aimed ? aimAt(state, ip, request.port) : 0;
  if (result === 0) {
    const { message } = request;
    result = Array.isArray(message) ?
      state.handle.sendList(message, aimed, callback !== undefined) :
      state.handle.send(message, aimed, callback !== undefined);
    request.size = numbers[SENT_SIZE];
  }
  if (result < 0) {
    failedWith(request, result);
  } else if (callback) {
    request.sequence = result;
    process.nextTick(conclude, request);
  }
  if (told.length > start)
    release(start);
}

function isLiteral(state, address) {
  return state.aim.ip === address || isIP(address) !== 0;
}

function dispatch(request) {
  const { socket, state, address } = request;
  if (state.handle.connectState === CONNECTED) {
    transmit(request, undefined);
    return;
  }
  const host = address || loopbacks[socket.type];
  if (state.isDefaultLookup && isLiteral(state, host)) {
    process.nextTick(transmit, request, host);
    return;
  }
  resolve(socket, state, host, (error, ip) => {
    if (error)
      lookupFailed(request, error);
    else
      transmit(request, ip);
  });
}

function lookupFailed({ socket, callback }, error) {
  if (callback)
    process.nextTick(callback, error);
  else
    process.nextTick(() => socket.emit('error', error));
}

// ---- waiting for 'listening' ----

function releaseQueue() {
  const state = this[kState];
  const { queue } = state;
  this.removeListener(errorMonitor, dropQueue);
  state.queue = undefined;
  for (const call of queue)
    call();
}

function dropQueue() {
  this.removeListener('listening', releaseQueue);
  this[kState].queue = undefined;
}

// Keeps a call until the socket is bound; forgets it if it can't be. The call is made anew then.
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

// ---- send() ----

function toMessage(message) {
  return Array.isArray(message) ? toBytesList(message) : toBytes(message);
}

// The arguments of send() stand in other places when they are fewer.
function send(socket, buffer, offset, length, port, address, callback) {
  const state = socket[kState];
  const connected = state.handle.connectState === CONNECTED;
  let message = buffer;
  if (connected) {
    if (typeof length === 'number') {
      message = slice(buffer, offset, length);
      if (typeof port === 'function') {
        callback = port;
        port = null;
      }
    } else {
      callback = offset;
    }
    if (port || address)
      throw errors.isConnected();
  } else if (address || (port && typeof port !== 'function')) {
    message = slice(buffer, offset, length);
  } else {
    callback = port;
    port = offset;
    address = length;
  }
  message = toMessage(message);
  if (!connected)
    port = checkPort(port);
  if (typeof callback !== 'function')
    callback = undefined;
  if (typeof address === 'function') {
    callback = address;
    address = undefined;
  } else if (address !== null && address !== undefined) {
    checkString(address, 'address');
  }
  checkHealth(socket);
  bindIfNeeded(socket, state);
  if (state.handle.bindState !== BOUND) {
    const list = Array.isArray(message) ? message : [message];
    const replay = connected ? [list, callback] : [list, port, address, callback];
    enqueue(socket, socket.send.bind(socket, ...replay));
    return;
  }
  dispatch({ socket, state, message, address, port, callback, size: 0, sequence: 0,
    resource: null });
}

module.exports = { bindIfNeeded, concludeStalled, enqueue, send };

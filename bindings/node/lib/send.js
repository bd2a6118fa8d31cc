'use strict';
// A datagram from send() to its callback. In order: send() reads the arguments, dispatch() has the
// address looked up, transmit() hands the datagram to the addon, complete() calls back.
//
// The ticks are the built-in's: one for the look-up, unless the socket is connected, one for the
// callback. The library sends in between: at the latest when the first callback of the batch is
// due, together with all that was sent until then.

const { AsyncResource } = require('node:async_hooks');
const { isIP } = require('node:net');
const { bindIfNeeded } = require('./attempt');
const { pending, release } = require('./calls');
const { constants } = require('./native');
const errors = require('./errors');
const { checkPort, checkString, slice, toBytes, toBytesList } =
  require('./arguments');
const { isBlocked } = require('./block');
const { sizeOf } = require('./flow');
const { shared } = require('./messages');
const { checkHealth, kState } = require('./state');
const permission = require('./permission');
const { Request, follow, giveRoom, guarded, mayBegin, takeRoom, waitForListening } = require('./request');
const { loopbacks, resolvePeer } = require('./resolve');

const { BOUND, CONNECTED, EISCONN, ENOBUFS, ERR_SOCKET_DGRAM_IS_CONNECTED, SEND_BY_PATH,
  SEND_CANCELLABLE,  SEND_TO_DESTINATION, SEND_WITH_CALLBACK, SENT_SIZE } = constants;

// ---- send() ----

function toMessage(message) {
  return Array.isArray(message) ? toBytesList(message) : toBytes(message);
}

// With fewer arguments the later ones move forward. The signal is that of libdgram/promises.
function send(socket, buffer, offset, length, port, address, callback, signal) {
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
  const request = new Request(socket, state, message, address, port, callback);
  if (!mayBegin(request, signal) || !admit(request))
    return;
  follow(request, signal);
  guarded(request, start);
}

function start(request) {
  const { socket, state } = request;
  bindIfNeeded(socket, state);
  if (state.handle.bindState === BOUND)
    dispatch(request);
  else
    waitForListening(request, request.signal === null ? anew(request) : dispatch);
}

// The call is made once more, as by the built-in, and so counts once more.
function anew(request) {
  const { socket, state, message, address, port, callback, taken } = request;
  const list = Array.isArray(message) ? message : [message];
  const call = socket.send.bind(socket, list, port, address, callback);
  return () => {
    if (taken !== null) {
      request.taken = null;
      state.sendQueue.forget(taken);
    }
    call();
  };
}

// Whether the queue has room for the datagram; if not, the request has failed.
function admit(request) {
  const { state, address, message, port } = request;
  if (state.sendQueue === null || takeRoom(request, sizeOf(message)))
    return true;
  failed(request, sendError(ENOBUFS, address, port));
  return false;
}

// ---- the look-up ----

function isLiteral(state, address) {
  return state.destination.ip === address || isIP(address) !== 0;
}

function dispatch(request) {
  const { socket, state, address } = request;
  if (request.canceled) {
    giveRoom(request);
    return;
  }
  if (state.handle.connectState === CONNECTED) {
    transmit(request, undefined);
    return;
  }
  const host = address || loopbacks[socket.type];
  if (state.isDefaultLookup && isLiteral(state, host)) {
    process.nextTick(transmit, request, host);
    return;
  }
  request.leave = resolvePeer(socket, state, host, (error, ip) => {
    if (error)
      lookupFailed(request, error);
    else
      transmit(request, ip);
  });
}

function lookupFailed(request, error) {
  const { socket, callback } = request;
  if (request.canceled)
    return;
  giveRoom(request);
  if (callback)
    process.nextTick(callback, error);
  else
    process.nextTick(() => socket.emit('error', error));
}

// ---- to the addon ----

function hasZone(ip) {
  return typeof ip === 'string' && ip.includes('%');
}

// Returns 0 or a negative code.
function setDestination({ destination, handle }, ip, port) {
  if (destination.ip !== ip || destination.port !== port) {
    destination.error = handle.setDestination(port, ip);
    destination.ip = hasZone(ip) ? undefined : ip; // the interface of a zone may change
    destination.port = port;
  }
  return destination.error;
}

// The options of sendWith().
function transmitWith({ handle }, message, flags, { source, networkInterface, fields }) {
  const result = handle.setSource(source, networkInterface);
  return result < 0 ? result : handle.sendWith(message, flags, fields);
}

// `ip` is undefined on a connected socket.
function transmit(request, ip) {
  const { state, callback } = request;
  if (state.closed || request.canceled)
    return;
  if (ip !== undefined && isBlocked(state.options.sendBlockList, ip)) {
    failed(request, errors.ipBlocked(ip));
    return;
  }
  permission.check();
  const start = pending.length;
  const isCancellable = request.signal !== null;
  const followed = callback !== undefined || Boolean(request.taken) || isCancellable; // until it ends
  let flags = (followed ? SEND_WITH_CALLBACK : 0) | (isCancellable ? SEND_CANCELLABLE : 0);
  let result = 0;
  if (ip !== undefined) {
    flags |= SEND_TO_DESTINATION;
    result = setDestination(state, ip, request.port);
    if (result === 0 && request.path !== undefined) { // reply()
      flags |= SEND_BY_PATH;
      result = state.handle.setPath(request.path.interfaceIndex, request.path.localAddress);
    }
  }
  if (result === 0) {
    const { message, options } = request;
    if (options !== undefined)
      result = transmitWith(state, message, flags, options);
    else
      result = Array.isArray(message) ?
        state.handle.sendList(message, flags) : state.handle.send(message, flags);
    request.size = shared[SENT_SIZE];
  }
  if (result < 0) {
    failed(request, sendError(result, request.address, request.port));
  } else if (followed) {
    request.sequence = result;
    process.nextTick(complete, request);
  }
  if (pending.length > start)
    release(start);
}

// ---- the end of a send ----

function succeeded(request) {
  const { callback, size } = request;
  callback?.(null, size); // sendMany(): how many datagrams
}

function failed(request, error) {
  const { callback, state, socket } = request;
  giveRoom(request);
  if (callback)
    process.nextTick(callback, error);
  else if (state.options.emitSendErrors)
    process.nextTick(() => socket.emit('error', error));
}

function sendError(code, address, port) {
  const errno = code === ERR_SOCKET_DGRAM_IS_CONNECTED ? EISCONN : code;
  return errors.endpointError(errno, 'send', address, port);
}

function settle(request) {
  const { failures } = request.state;
  giveRoom(request);
  const failure = failures.get(request.sequence);
  if (failure === undefined) {
    succeeded(request);
    return;
  }
  failures.delete(request.sequence);
  if (request.canceled)
    return;
  const { code, mtu, index, sent } = failure;
  const { callback, list } = request;
  const { address, port } = list === undefined ? request : list[index];
  const error = errors.withMTU(sendError(code, address, port), request.state, mtu);
  if (list === undefined && callback === undefined)
    failed(request, error);
  else if (list === undefined)
    callback(error);
  else
    callback(error, sent);
}

// Sequence numbers are modulo 2^32.
function isIncomplete(request) {
  return ((request.state.completed - request.sequence) | 0) <= 0;
}

// The tick of the callback.
function complete(request) {
  const { state } = request;
  if (isIncomplete(request))
    state.completed = state.handle.flush();
  if (isIncomplete(request)) {
    request.resource = new AsyncResource('UDPSENDWRAP');
    state.blocked.push(request);
  } else {
    settle(request);
  }
}

// The system accepts datagrams again, or the socket is closed: from the loop, outside any tick.
function completeBlocked(state, completed) {
  state.completed = completed;
  while (state.blocked.length > 0 && !isIncomplete(state.blocked[0])) {
    const request = state.blocked.shift();
    request.resource.runInAsyncScope(settle, null, request);
  }
}

module.exports = { admit, complete, completeBlocked, dispatch, failed, isLiteral, send, sendError,
  setDestination, transmit };

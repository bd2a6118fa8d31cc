'use strict';
// dgram.Socket: the class, its life, its options. Its methods check their arguments, then call the
// Handle; send.js sends, events.js emits the events.

const { EventEmitter, errorMonitor } = require('node:events');
const { channel } = require('node:diagnostics_channel');
const { isIP } = require('node:net');
const native = require('./native');
const errors = require('./errors');
const { checkResult } = errors;
const since = require('./since');
const { checkBatch, checkBufferSize, checkCallback, checkNumber, checkPort, checkString } =
  require('./arguments');
const { begin, bindIfNeeded, end, enqueue } = require('./attempt');
const { applyAccess, readAccess } = require('./access-list');
const { isBlocked } = require('./block');
const { bindDescriptor, bindHandle, bindToAddress } = require('./bind');
const { defaultLookup, isTransparent, loopbacks, wildcards } = require('./resolve');
const { SendQueue, checkQueueLimit, checkTimeout, pauseWithoutListener } = require('./flow');
const { isConnecting, startToConnect } = require('./connect');
const { checkSignal, unwatchAll } = require('./cancel');
const { nameCacheOf, readNameCache } = require('./name-cache');
const { checkReceiveInfo } = require('./receive-info');
const { send } = require('./send');
const { applyBufferSizes, bufferSize } = require('./buffer-size');
const { applySockopts, checkInterface, readSockopts } = require('./sockopts');
const { ours } = require('./builtin');
const permission = require('./permission');
const { stateKey, view } = require('./state-view');
const { Host } = require('./sim');
const { State, checkHealth, kState, liveHandle } = require('./state');

const { BOUND, CONNECTED, EINVAL, ERR_MISSING_ARGS, UDP4, UDP6, UNBOUND } = native.constants;
const created = channel('udp.socket');
const types = { udp4: UDP4, udp6: UDP6 };

// Until this version, the clean-up after a failed bind counted as a listener of 'error'.
const bindFailure = since([24, 21], [26, 8]) ? errorMonitor : 'error';

// ---- createSocket ----

function readOptions(state, options) {
  const { type, lookup } = options;
  checkBufferSize(options.recvBufferSize, 'options.recvBufferSize');
  checkBufferSize(options.sendBufferSize, 'options.sendBufferSize');
  const access = readAccess(options);
  checkCallback(lookup, 'lookup');
  const { host: given } = options;
  const host = Host.is(given) ? given : undefined;
  state.lookup = lookup ?? (host !== undefined ? Host.lookup(host) : undefined);
  state.options = {
    __proto__: null,
    recvBufferSize: options.recvBufferSize,
    sendBufferSize: options.sendBufferSize,
    reuseAddr: options.reuseAddr,
    ipv6Only: options.ipv6Only,
    reusePort: options.reusePort,
    emitSendErrors: options.emitSendErrors,
    lowLatency: options.lowLatency,
    receiveBatch: checkBatch(options.receiveBatch, 'options.receiveBatch'),
    disableGro: options.disableGro,
    disableGso: options.disableGso,
    bindToDevice: checkInterface(options.bindToDevice, 'options.bindToDevice'),
    sockopts: readSockopts(options),
    pooledMessages: options.pooledMessages,
    receiveBlockList: access.receiveBlockList,
    sendBlockList: access.sendBlockList,
    pauseWithoutListener: options.pauseWithoutListener,
    sendQueueLimit: checkQueueLimit(options.sendQueueLimit, 'options.sendQueueLimit'),
    sendTimeout: checkTimeout(options.sendTimeout, 'options.sendTimeout'),
    lookupTimeout: checkTimeout(options.lookupTimeout, 'options.lookupTimeout'),
    nameCache: options.nameCache,
    host,
  };
  state.receiveInfo = checkReceiveInfo(options.receiveInfo, 'options.receiveInfo');
  const names = readNameCache(state.options.nameCache, 'options.nameCache');
  return { type, access, names };
}

function closeOnAbort(socket, signal) {
  if (signal === undefined)
    return;
  checkSignal(signal, 'options.signal');
  const onAbort = () => {
    if (!socket[kState].closed)
      socket.close();
  };
  if (signal.aborted) {
    onAbort();
  } else {
    signal.addEventListener('abort', onAbort);
    socket.once('close', () => signal.removeEventListener('abort', onAbort));
  }
}

function setFlowControl(socket, state) {
  const { sendQueueLimit, sendTimeout } = state.options;
  if (state.options.pauseWithoutListener)
    pauseWithoutListener(socket);
  if (sendQueueLimit !== null)
    state.sendQueue = new SendQueue(socket, sendQueueLimit);
  if (sendTimeout > 0)
    state.handle.setSendTimeout(sendTimeout);
}

function Socket(typeOrOptions, listener) {
  EventEmitter.call(this);
  const state = new State();
  const given = typeOrOptions !== null && typeof typeOrOptions === 'object';
  const { type, access, names } = given ? readOptions(state, typeOrOptions) : { type: typeOrOptions };
  if (type !== 'udp4' && type !== 'udp6')
    throw errors.badType();
  if (state.lookup === undefined)
    state.lookup = defaultLookup();
  state.isDefaultLookup = isTransparent(state.lookup);
  if (names)
    state.nameCache = nameCacheOf(names, state.lookup, Host.clock(state.options.host));
  const { reuseAddr, ipv6Only, reusePort, lowLatency, receiveBatch, disableGro, disableGso,
    bindToDevice, sockopts } = state.options;
  if (state.options.host !== undefined)
    Host.use(state.options.host);
  state.handle = new native.Handle(this, types[type], reuseAddr ? 1 : 0, ipv6Only ? 1 : 0,
    reusePort ? 1 : 0, lowLatency ? 1 : 0, receiveBatch ?? 0, disableGro ? 1 : 0, bindToDevice,
    state.receiveInfo, disableGso ? 1 : 0);
  if (sockopts !== undefined)
    applySockopts(state, sockopts);
  if (state.options.pooledMessages)
    state.handle.pool();
  if (given)
    applyAccess(state.handle, access);
  this.type = type;
  this[kState] = state;
  if (given)
    setFlowControl(this, state);
  this[stateKey] = view(this);
  if (typeof listener === 'function')
    this.on('message', listener);
  if (given)
    closeOnAbort(this, typeOrOptions.signal);
  if (created.hasSubscribers)
    created.publish({ socket: this });
}
Object.setPrototypeOf(Socket.prototype, EventEmitter.prototype);
Object.setPrototypeOf(Socket, EventEmitter);
Object.defineProperty(Socket, ours, { __proto__: null, value: true });

function createSocket(type, listener) {
  return new Socket(type, listener);
}

// ---- bind ----

// Calls back when the socket is bound; a failure cancels that.
function onceBound(socket, callback) {
  function cancel() {
    socket.removeListener(bindFailure, cancel);
    socket.removeListener('listening', onListening);
  }
  function onListening() {
    cancel();
    callback.call(socket);
  }
  socket.on(bindFailure, cancel);
  socket.on('listening', onListening);
}

function isDescriptor(fd) {
  return (fd | 0) === fd && fd > 0;
}

// In the order in which the built-in reads them.
function readAddress({ address, exclusive, port }) {
  return [port, address, Boolean(exclusive)];
}

Socket.prototype.bind = function(port, address /* , callback */) {
  const state = checkHealth(this);
  if (state.handle.bindState !== UNBOUND || state.binding !== null)
    throw errors.alreadyBound();
  begin(state, 'binding'); // also when the rest throws: the built-in is then as if it were binding
  const callback = arguments.length > 0 && arguments[arguments.length - 1];
  if (typeof callback === 'function')
    onceBound(this, callback);
  if (port === null || typeof port !== 'object') {
    bindToAddress(this, port, typeof address === 'function' ? '' : address, false);
    return this;
  }
  const options = port;
  if (typeof options.recvStart === 'function')
    bindHandle(this, options);
  else if (isDescriptor(options.fd))
    bindDescriptor(this, options.fd, Boolean(options.exclusive));
  else
    bindToAddress(this, ...readAddress(options));
  return this;
};

// A numeric address from the arguments of a call that does not resolve names.
function checkNumeric(address, otherwise, name, call) {
  if (address === undefined || address === null || address === '')
    return otherwise;
  checkString(address, name);
  if (isIP(address) === 0) {
    throw errors.invalidValue(name, address,
      `must be a numeric IP address; ${call} does not perform DNS resolution`);
  }
  return address;
}

Socket.prototype.bindSync = function(options = {}) {
  const state = checkHealth(this);
  if (options === null || typeof options !== 'object' || Array.isArray(options))
    throw errors.invalidType('options', 'of type object', options);
  if (state.handle.bindState !== UNBOUND)
    throw errors.alreadyBound();
  const { port, address } = options;
  const number = port === undefined || port === null ? 0 : checkPort(port, true, 'options.port');
  const ip = checkNumeric(address, wildcards[this.type], 'options.address', 'bindSync');
  if (permission.isDenied())
    throw errors.bindDenied(ip, number);
  const code = state.handle.bindSync(number, ip);
  if (code < 0)
    throw errors.endpointError(code, 'bind', ip, number);
  applyBufferSizes(this);
  return this.address();
};

// ---- connect ----

Socket.prototype.connect = function(port, address, callback) {
  const number = checkPort(port);
  if (typeof address === 'function') {
    callback = address;
    address = '';
  } else if (address === undefined) {
    address = '';
  }
  checkString(address, 'address');
  const state = this[kState];
  if (isConnecting(state))
    throw errors.isConnected();
  checkHealth(this);
  begin(state, 'connecting', { address, port: number, callback });
  bindIfNeeded(this, state);
  if (state.handle.bindState === BOUND)
    startToConnect(state);
  else
    enqueue(this, () => startToConnect(state));
};

Socket.prototype.connectSync = function(port, address) {
  const state = checkHealth(this);
  const number = checkPort(port);
  if (isConnecting(state))
    throw errors.isConnected();
  const ip = checkNumeric(address, loopbacks[this.type], 'address', 'connectSync');
  if (state.handle.bindState === UNBOUND)
    this.bindSync();
  else if (state.handle.bindState !== BOUND)
    throw errors.alreadyBound();
  if (isBlocked(state.options.sendBlockList, ip))
    throw errors.ipBlocked(ip);
  permission.check();
  const code = state.handle.connectSync(number, ip);
  if (code < 0)
    throw errors.endpointError(code, 'connect', ip, number);
};

// A 'connect' that was due is still emitted, as by the built-in.
function emitDueConnect(socket) {
  if (!socket[kState].closed)
    socket.emit('connect');
}

Socket.prototype.disconnect = function() {
  const state = this[kState];
  if (state.handle.connectState !== CONNECTED)
    throw errors.notConnected();
  checkResult(liveHandle(this).disconnect(), 'connect');
  if (end(state, 'connecting') !== null)
    process.nextTick(emitDueConnect, this);
};

// ---- send ----

Socket.prototype.sendto = function(buffer, offset, length, port, address, callback) {
  checkNumber(offset, 'offset');
  checkNumber(length, 'length');
  checkNumber(port, 'port');
  checkString(address, 'address');
  this.send(buffer, offset, length, port, address, callback);
};

Socket.prototype.send = function(buffer, offset, length, port, address, callback) {
  send(this, buffer, offset, length, port, address, callback);
};

// ---- close ----

Socket.prototype.close = function(callback) {
  const state = this[kState];
  if (typeof callback === 'function')
    this.on('close', callback);
  if (state.queue !== undefined) {
    enqueue(this, () => this.close());
    return this;
  }
  checkHealth(this);
  state.closed = true;
  unwatchAll(state);
  state.handle.close();
  state.sharedHandle?.close();
  state.nodeHandle?.close();
  return this;
};

if (Symbol.asyncDispose) {
  Socket.prototype[Symbol.asyncDispose] = async function() {
    if (this[kState].closed)
      return;
    await new Promise((resolve) => this.close(resolve));
  };
}

// ---- addresses ----

Socket.prototype.address = function() {
  const { handle } = checkHealth(this);
  const address = {};
  checkResult(handle.address(address), 'getsockname');
  return address;
};

Socket.prototype.remoteAddress = function() {
  const { handle } = checkHealth(this);
  if (handle.connectState !== CONNECTED)
    throw errors.notConnected();
  const address = {};
  checkResult(handle.remoteAddress(address), 'getpeername');
  return address;
};

// ---- options of the system socket ----

Socket.prototype.setBroadcast = function(flag) {
  checkResult(liveHandle(this).setBroadcast(flag ? 1 : 0), 'setBroadcast');
};

Socket.prototype.setTTL = function(ttl) {
  checkNumber(ttl, 'ttl');
  checkResult(liveHandle(this).setTTL(ttl), 'setTTL');
  return ttl;
};

Socket.prototype.setMulticastTTL = function(ttl) {
  checkNumber(ttl, 'ttl');
  checkResult(liveHandle(this).setMulticastTTL(ttl), 'setMulticastTTL');
  return ttl;
};

Socket.prototype.setMulticastLoopback = function(flag) {
  checkResult(liveHandle(this).setMulticastLoopback(flag ? 1 : 0), 'setMulticastLoopback');
  return flag;
};

Socket.prototype.setMulticastInterface = function(interfaceAddress) {
  const { handle } = checkHealth(this);
  checkString(interfaceAddress, 'interfaceAddress');
  checkResult(handle.setMulticastInterface(interfaceAddress), 'setMulticastInterface');
};

// ---- multicast groups ----

// An interface may be missing; any other value is read as text.
function toText(value) {
  return value === undefined || value === null ? undefined : `${value}`;
}

// A membership binds an unbound socket.
function checkBeforeMembership(socket) {
  const { handle } = checkHealth(socket);
  if (handle.bindState === UNBOUND)
    permission.check();
  return handle;
}

function changeMembership(socket, method, group, interfaceAddress) {
  const handle = checkBeforeMembership(socket);
  if (!group)
    throw errors.missingArgument('multicastAddress');
  const code = handle[method](toText(group), toText(interfaceAddress));
  checkResult(code === ERR_MISSING_ARGS ? EINVAL : code, method); // an object that reads as ''
}

function changeSourceMembership(socket, method, source, group, interfaceAddress) {
  const handle = checkBeforeMembership(socket);
  checkString(source, 'sourceAddress');
  checkString(group, 'groupAddress');
  checkResult(handle[method](source, group, toText(interfaceAddress)), method);
}

Socket.prototype.addMembership = function(multicastAddress, interfaceAddress) {
  changeMembership(this, 'addMembership', multicastAddress, interfaceAddress);
};

Socket.prototype.dropMembership = function(multicastAddress, interfaceAddress) {
  changeMembership(this, 'dropMembership', multicastAddress, interfaceAddress);
};

Socket.prototype.addSourceSpecificMembership = function(source, group, interfaceAddress) {
  changeSourceMembership(this, 'addSourceSpecificMembership', source, group, interfaceAddress);
};

Socket.prototype.dropSourceSpecificMembership = function(source, group, interfaceAddress) {
  changeSourceMembership(this, 'dropSourceSpecificMembership', source, group, interfaceAddress);
};

// ---- ref, unref ----

// A handle that is shared with other processes is Node.js's own, and does the same.
function keepAlive(socket, refed) {
  const state = socket[kState];
  if (state.closed)
    return socket;
  const method = refed ? 'ref' : 'unref';
  state.refed = refed;
  state.handle[method]();
  state.sharedHandle?.[method]?.();
  return socket;
}

Socket.prototype.ref = function() {
  return keepAlive(this, true);
};

Socket.prototype.unref = function() {
  return keepAlive(this, false);
};

// ---- buffers ----

Socket.prototype.setRecvBufferSize = function(size) {
  bufferSize(this, true, size);
};

Socket.prototype.setSendBufferSize = function(size) {
  bufferSize(this, false, size);
};

Socket.prototype.getRecvBufferSize = function() {
  return bufferSize(this, true, 0);
};

Socket.prototype.getSendBufferSize = function() {
  return bufferSize(this, false, 0);
};

Socket.prototype.getSendQueueSize = function() {
  return liveHandle(this).getSendQueueSize();
};

Socket.prototype.getSendQueueCount = function() {
  return liveHandle(this).getSendQueueCount();
};

module.exports = { Socket, createSocket };

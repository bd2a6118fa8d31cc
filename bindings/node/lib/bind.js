'use strict';
// Binds a socket: to an address, a descriptor, or what a cluster's primary shares.

const native = require('./native');
const errors = require('./errors');
const permission = require('./permission');
const { ASKING_PRIMARY, RESOLVED, RESOLVING, STARTED } = require('./attempt');
const { checkHealth, kState } = require('./state');
const { resolve, wildcards } = require('./resolve');

const { EINVAL, ERR_SOCKET_DGRAM_NOT_RUNNING } = native.constants;

// The flags with which a worker requests a socket from its primary.
const IPV6_ONLY = 1;
const REUSE_ADDR = 4;

// ---- the call ----

function start(state) {
  const { binding } = state;
  binding.become(STARTED);
  const code = state.handle.bind(binding.port);
  if (code === ERR_SOCKET_DGRAM_NOT_RUNNING)
    throw errors.notRunning();
  if (code < 0)
    throw errors.endpointError(code, 'bind', binding.address, binding.port);
}

// Errors show the port as it was given, unless reading it again would run the program's code.
function isPlain(port) {
  return ['number', 'string', 'boolean', 'undefined'].includes(typeof port) || port === null;
}

function bindToAddress(socket, port, address, exclusive) {
  const state = socket[kState];
  const number = (port || 0) >>> 0; // 0n is no port, too
  Object.assign(state.binding, {
    address: address || wildcards[socket.type],
    port: number & 0xffff, // as the built-in reads it
    givenPort: port,
    shownPort: isPlain(port) ? port : number,
    exclusive,
    ip: undefined,
  });
  start(state);
}

function isShared(state, exclusive) {
  const cluster = require('node:cluster');
  return cluster.isWorker && !exclusive && !state.options.reusePort &&
    state.options.host === undefined;
}

// `fd` is a UDP socket of this process.
function bindDescriptor(socket, fd, exclusive) {
  const state = checkHealth(socket);
  const type = native.descriptorType(fd);
  if (isShared(state, exclusive)) {
    const request = { address: null, port: null, addressType: socket.type, fd, flags: null };
    Object.assign(state.binding, { port: 0, request });
    start(state);
    return;
  }
  if (type !== 'UDP')
    throw errors.invalidFdType(type);
  permission.checkDescriptor();
  errors.checkResult(state.handle.bindDescriptor(fd), 'open');
}

// A handle of Node.js's own, from another process for example: a copy of its descriptor is used.
function bindHandle(socket, nodeHandle) {
  const state = checkHealth(socket);
  keepShared(socket, state, nodeHandle);
  errors.checkResult(state.handle.bindDescriptorCopy(nodeHandle.fd), 'open');
}

// ---- the library requests the address ----

function resolved(state, binding, code, ip) {
  binding.become(RESOLVED);
  state.handle.resolved(code, typeof ip === 'object' ? `${ip}` : ip);
}

function resolveBinding(socket, state) {
  const { binding } = state;
  if (binding.request !== undefined) {
    askPrimary(socket, state, binding.request);
    return;
  }
  binding.become(RESOLVING);
  resolve(socket, state, binding.address, (error, ip) => {
    if (binding.state !== RESOLVING)
      return;
    binding.cause = error;
    binding.ip = ip;
    if (!error && permission.isDenied())
      binding.cause = errors.bindDenied(ip, binding.shownPort);
    if (binding.cause)
      resolved(state, binding, EINVAL);
    else if (isShared(state, binding.exclusive) && !state.closed)
      askPrimary(socket, state, addressRequest(socket, state));
    else
      resolved(state, binding, 0, ip);
  });
}

// ---- a worker requests a socket from its primary ----

function addressRequest(socket, { binding, options: { reuseAddr, ipv6Only } }) {
  return {
    address: binding.ip,
    port: binding.givenPort,
    addressType: socket.type,
    fd: -1,
    flags: (reuseAddr ? REUSE_ADDR : 0) | (ipv6Only ? IPV6_ONLY : 0),
  };
}

function askPrimary(socket, state, request) {
  const { binding } = state;
  binding.become(ASKING_PRIMARY);
  require('node:cluster')._getServer(socket, request, (errno, nodeHandle) => {
    if (errno) {
      resolved(state, binding, errno);
    } else if (state.closed) {
      nodeHandle.close();
    } else {
      keepShared(socket, state, nodeHandle);
      binding.become(RESOLVED);
      const isPrivate = binding.request === undefined && !state.options.reuseAddr;
      state.handle.resolvedDescriptor(nodeHandle.fd, isPrivate ? 1 : 0);
    }
  });
}

// It is among the active resources if the socket keeps the process, as the built-in's is.
function keepShared(socket, state, nodeHandle) {
  state.sharedHandle = nodeHandle;
  nodeHandle.owner = socket;
  if (!state.refed)
    nodeHandle.unref?.();
}

// ---- the failure ----

// The error of an attempt that the library has ended with this code.
function bindError({ cause, request, ip, shownPort }, code) {
  if (cause)
    return cause;
  return request ? errors.systemError(code, 'open') :
    errors.endpointError(code, 'bind', ip, shownPort);
}

module.exports = { bindDescriptor, bindError, bindHandle, bindToAddress, resolveBinding };

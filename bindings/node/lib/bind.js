'use strict';
// Where a socket is bound: an address, a descriptor, or what a cluster's primary shares.

const native = require('./native');
const errors = require('./errors');
const permission = require('./permission');
const { checkHealth, kState } = require('./state');
const { resolve, wildcards } = require('./resolve');

// The flags in which a worker asks its primary for a socket.
const IPV6_ONLY = 1;
const REUSE_ADDR = 4;

function throwIfRefused(state, code, syscall, binding) {
  if (code >= 0)
    return;
  if (code === native.codes.ERR_SOCKET_DGRAM_NOT_RUNNING)
    throw errors.notRunning();
  throw errors.endpointError(code, syscall, binding.address, binding.port);
}

// ---- a worker of a cluster ----

function isShared(state, exclusive) {
  const cluster = require('node:cluster');
  return cluster.isWorker && !exclusive && !state.options.reusePort;
}

function askPrimary(socket, state, question, fail) {
  require('node:cluster')._getServer(socket, question, (error, shared) => {
    if (error)
      fail(error);
    else if (state.closed)
      shared.close();
    else
      takeShared(socket, state, shared);
  });
}

// It shows among the active resources if the socket keeps the process, as the built-in's does.
function adoptShared(socket, state, shared) {
  state.shared = shared;
  shared.owner = socket;
  if (!state.refed)
    shared.unref?.();
}

function takeShared(socket, state, shared) {
  adoptShared(socket, state, shared);
  const isPrivate = state.binding.question === undefined && !state.options.reuseAddr;
  state.handle.answerDescriptor(shared.fd, isPrivate ? 1 : 0);
}

// ---- an address ----

function answer(state, code, ip) {
  state.handle.answer(code, typeof ip === 'object' ? `${ip}` : ip);
}

function shareAddress(socket, state, binding) {
  const { reuseAddr, ipv6Only } = state.options;
  const question = {
    address: binding.ip,
    port: binding.givenPort,
    addressType: socket.type,
    fd: -1,
    flags: (reuseAddr ? REUSE_ADDR : 0) | (ipv6Only ? IPV6_ONLY : 0),
  };
  askPrimary(socket, state, question, (errno) => answer(state, errno));
}

// Called by the library, once the socket is on its way to be bound: where to?
function resolveBinding(socket, state) {
  const { binding } = state;
  if (binding.question !== undefined) {
    askPrimary(socket, state, binding.question, (errno) => answer(state, errno));
    return;
  }
  resolve(socket, state, binding.address, (error, ip) => {
    if (state.binding !== binding)
      return;
    binding.cause = error;
    binding.ip = ip;
    if (!error && permission.isDenied())
      binding.cause = errors.bindDenied(ip, binding.shownPort);
    if (binding.cause)
      answer(state, native.codes.EINVAL);
    else if (isShared(state, binding.exclusive) && !state.closed)
      shareAddress(socket, state, binding);
    else
      answer(state, 0, ip);
  });
}

function start(state, binding) {
  state.binding = binding;
  throwIfRefused(state, state.handle.bind(binding.port), 'bind', binding);
}

// Errors show the port as it was given, unless to read it again would run code of the program's.
function isPlain(port) {
  return ['number', 'string', 'boolean', 'undefined'].includes(typeof port) || port === null;
}

function bindToAddress(socket, port, address, exclusive) {
  const state = socket[kState];
  const number = port >>> 0;
  start(state, {
    address: address || wildcards[socket.type],
    port: number & 0xffff, // as the built-in reads it
    givenPort: port,
    shownPort: isPlain(port) ? port : number,
    exclusive,
    ip: undefined,
    cause: null,
    syscall: 'bind',
  });
}

// ---- a descriptor ----

// `fd` is a UDP socket of this process's.
function bindDescriptor(socket, fd, exclusive) {
  const state = checkHealth(socket);
  const type = native.descriptorType(fd);
  if (isShared(state, exclusive)) {
    const question = { address: null, port: null, addressType: socket.type, fd, flags: null };
    start(state, { port: 0, question, cause: null, syscall: 'open' });
    return;
  }
  if (type !== 'UDP')
    throw errors.invalidFdType(type);
  permission.checkDescriptor();
  const code = state.handle.bindDescriptor(fd);
  if (code < 0)
    throw errors.systemError(code, 'open');
}

// A native handle of Node's own, as comes from another process: its socket is used as well.
function bindHandle(socket, shared) {
  const state = checkHealth(socket);
  adoptShared(socket, state, shared);
  const code = state.handle.bindDescriptorCopy(shared.fd);
  if (code < 0)
    throw errors.systemError(code, 'open');
}

module.exports = { bindDescriptor, bindHandle, bindToAddress, resolveBinding };

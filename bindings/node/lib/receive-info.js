'use strict';
// The option receiveInfo: facts about each datagram, as further members of its rinfo; and
// socket.reply(), which answers from the address and by the interface that a datagram came to.

const { checkCallback, checkNumericAddress, checkObject, checkPort, toParts } =
  require('./arguments');
const { constants } = require('./native');
const errors = require('./errors');
const { checkSignal } = require('./cancel');
const { Request, follow, giveRoom, mayBegin, submit } = require('./request');
const { admit, failed, sendError, transmit } = require('./send');
const { readSendOptions, toChoice } = require('./send-options');
const { checkHealth } = require('./state');

const { BOUND, CONNECTED, EINVAL } = constants;
const flags = {
  __proto__: null,
  destination: constants.INFO_DESTINATION,
  interface: constants.INFO_INTERFACE,
  ttl: constants.INFO_TTL,
  tos: constants.INFO_TOS,
  timestamp: constants.INFO_TIMESTAMP,
  hardwareTimestamp: constants.INFO_HARDWARE_TIMESTAMP,
  truncated: constants.INFO_TRUNCATED,
  segmentSize: constants.INFO_SEGMENT_SIZE,
};

// ---- the option ----

// The names of flags: the option as it was given.
function listReceiveInfo(sum) {
  return Object.keys(flags).filter((name) => (sum & flags[name]) !== 0);
}

// Returns the flags of the library; 0: none.
function checkReceiveInfo(names, name) {
  if (names === undefined)
    return 0;
  if (!Array.isArray(names))
    throw errors.invalidType(name, 'an instance of Array', names);
  let sum = 0;
  for (let i = 0; i < names.length; i++) {
    const known = names[i]; // read once
    const flag = typeof known === 'string' ? flags[known] : undefined;
    if (flag === undefined) {
      throw errors.invalidValue(name, names,
        `must have only ${Object.keys(flags).map((text) => `'${text}'`).join(', ')}`);
    }
    sum |= flag;
  }
  return sum;
}

// ---- the facts ----

// How to answer, by the rinfo of a datagram whose destination is known.
const paths = new WeakMap();

// Of the message that the addon has passed last.
function addInfo(state, rinfo) {
  const interfaceIndex = state.handle.readInfo(rinfo);
  if ((state.receiveInfo & flags.destination) === 0 || interfaceIndex < 0)
    return;
  const { address, port, localAddress } = rinfo;
  paths.set(rinfo, { address, port, localAddress, interfaceIndex });
}

// ---- reply() ----

// A rinfo without a path has no source: the socket's own address is it, if it has one.
function pathOf(rinfo) {
  checkObject(rinfo, 'rinfo');
  const path = paths.get(rinfo);
  if (path !== undefined)
    return path;
  const { address, port } = rinfo;
  checkNumericAddress(address, 'rinfo.address');
  return { address, port: checkPort(port, false, 'rinfo.port'), localAddress: undefined,
    interfaceIndex: 0 };
}

function isAny(address) {
  return address === '0.0.0.0' || address === '::';
}

function hasSource(socket, { localAddress, interfaceIndex }) {
  return localAddress !== undefined || interfaceIndex !== 0 || !isAny(socket.address().address);
}

function checkSource(socket, path, rinfo) {
  if (!hasSource(socket, path)) {
    throw errors.invalidValue('rinfo', rinfo,
      "must have come to a socket with 'destination' in its receiveInfo, or the socket must be " +
      'bound to one address');
  }
}

function checkPeer(socket, { address, port }) {
  const peer = socket.remoteAddress();
  if (peer.address !== address || peer.port !== port)
    throw errors.isConnected();
}

// What else the answer is sent with, and the signal that cancels it.
function readOptions(options) {
  if (options === undefined)
    return {};
  checkObject(options, 'options');
  for (const name of ['address', 'port', 'source', 'interface']) {
    if (options[name] !== undefined)
      throw errors.invalidValue(`options.${name}`, options[name], 'is that of rinfo');
  }
  const read = readSendOptions(options);
  const { signal } = options;
  if (signal !== undefined)
    checkSignal(signal, 'options.signal');
  return { chosen: read && toChoice(read), signal };
}

function reply(socket, rinfo, msg, options, callback) {
  if (typeof options === 'function' && callback === undefined) {
    callback = options;
    options = undefined;
  }
  const path = pathOf(rinfo);
  const message = toParts(msg);
  const { chosen, signal } = readOptions(options);
  checkCallback(callback);
  const state = checkHealth(socket);
  const { handle } = state;
  if (handle.connectState === CONNECTED)
    checkPeer(socket, path);
  else if (handle.bindState === BOUND)
    checkSource(socket, path, rinfo);
  const { address, port } = path;
  const request = new Request(socket, state, message, address, port, callback);
  request.path = path;
  request.options = chosen;
  if (!mayBegin(request, signal) || !admit(request))
    return;
  follow(request, signal);
  submit(request, transmitInTick, transmitReply);
}

function transmitInTick(request) {
  process.nextTick(transmitReply, request);
}

function transmitReply(request) {
  const { socket, state, address, port, path, options } = request;
  if (state.handle.connectState === CONNECTED)
    transmit(request, undefined);
  else if (request.canceled || state.closed)
    giveRoom(request);
  else if (options !== undefined && !hasSource(socket, path))
    failed(request, sendError(EINVAL, address, port)); // as of the library without options
  else
    transmit(request, address);
}

module.exports = { listReceiveInfo, addInfo, checkReceiveInfo, reply };

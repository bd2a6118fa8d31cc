'use strict';
// The class AccessList, and what sockets have of it: the options receiveAllowList, sendAllowList,
// receiveBlockList, sendBlockList and receiveRateLimit. The library checks by them, so that a
// datagram that is refused costs no JavaScript. (A net.BlockList is checked in block.js.)

const { isIP } = require('node:net');
const native = require('./native');
const errors = require('./errors');
const { checkInteger, checkString } = require('./arguments');
const { checkBlockList } = require('./block');

const { EINVAL, ENOENT } = native.constants;

function checkAddress(value, name) {
  checkString(value, name);
  if (isIP(value) === 0)
    throw errors.invalidAddress();
}

function checkPrefix(value, address) {
  checkInteger(value, 'prefix', 0, isIP(address) === 6 ? 128 : 32);
}

// Of a change; only removing can find no such rule.
function checkChange(code) {
  if (code < 0 && code !== ENOENT)
    throw errors.systemError(code, 'accessList');
  return code === 0;
}

let nativeOf;

class AccessList {
  #list = new native.AccessList();

  static {
    // Undefined: it is none.
    nativeOf = (value) =>
      (value !== null && typeof value === 'object' && #list in value ? value.#list : undefined);
  }

  addAddress(address) {
    checkAddress(address, 'address');
    checkChange(this.#list.addAddress(address));
  }

  addRange(start, end) {
    this.#range('addRange', start, end);
  }

  addSubnet(net, prefix) {
    checkAddress(net, 'net');
    checkPrefix(prefix, net);
    checkChange(this.#list.addSubnet(net, prefix));
  }

  removeAddress(address) {
    checkAddress(address, 'address');
    return checkChange(this.#list.removeAddress(address));
  }

  removeRange(start, end) {
    return this.#range('removeRange', start, end);
  }

  removeSubnet(net, prefix) {
    checkAddress(net, 'net');
    checkPrefix(prefix, net);
    return checkChange(this.#list.removeSubnet(net, prefix));
  }

  #range(method, start, end) {
    checkAddress(start, 'start');
    checkAddress(end, 'end');
    const code = this.#list[method](start, end);
    if (code === EINVAL)
      throw errors.invalidValue('start', start, 'must be of the family of end, and not behind it');
    return checkChange(code);
  }

  clear() {
    this.#list.clear();
  }

  // False also for what is no address, as of a net.BlockList.
  check(address) {
    checkString(address, 'address');
    return this.#list.check(address) === 1;
  }

  get size() {
    return this.#list.count();
  }
}

// ---- the options of a socket ----

const limitNumbers = [
  // name, smallest, largest, default
  ['packetsPerSecond', 0, 0xffffffff, 0],
  ['burst', 0, 0xffffffff, 0],
  ['bytesPerSecond', 0, 0xffffffff, 0],
  ['bytesBurst', 0, 0xffffffff, 0],
  ['ipv4Prefix', 1, 32, 32],
  ['ipv6Prefix', 1, 128, 64],
  ['sources', 1, 1 << 24, 4096],
];

function readNumber(limit, [key, least, most, otherwise]) {
  const { [key]: value = otherwise } = limit;
  return checkInteger(value, `options.receiveRateLimit.${key}`, least, most);
}

// The numbers of setReceiveRate(); undefined: no limit.
function readRateLimit(limit) {
  if (limit === undefined || limit === null)
    return undefined;
  if (typeof limit !== 'object')
    throw errors.invalidType('options.receiveRateLimit', 'of type object', limit);
  const numbers = limitNumbers.map((number) => readNumber(limit, number));
  if (numbers[0] === 0 && numbers[2] === 0)
    throw errors.invalidValue('options.receiveRateLimit', limit,
      'must have packetsPerSecond or bytesPerSecond');
  return new Uint32Array(numbers);
}

function readAllowList(value, name) {
  if (value === undefined || value === null)
    return undefined;
  const list = nativeOf(value);
  if (list === undefined)
    throw errors.invalidType(name, 'an AccessList', value);
  return list;
}

// What the options ask for: `lists` and `limit` are to be applied to the Handle, the net.BlockLists
// are checked in JavaScript.
function readAccess(options) {
  const { receiveBlockList, sendBlockList } = options;
  const blocks = [nativeOf(receiveBlockList), nativeOf(sendBlockList)];
  return {
    receiveBlockList: blocks[0] === undefined ?
      checkBlockList(receiveBlockList, 'options.receiveBlockList') : undefined,
    sendBlockList: blocks[1] === undefined ?
      checkBlockList(sendBlockList, 'options.sendBlockList') : undefined,
    lists: [
      [1, 0, readAllowList(options.receiveAllowList, 'options.receiveAllowList')],
      [1, 1, blocks[0]],
      [0, 0, readAllowList(options.sendAllowList, 'options.sendAllowList')],
      [0, 1, blocks[1]],
    ].filter(([, , list]) => list !== undefined),
    limit: readRateLimit(options.receiveRateLimit),
  };
}

function applyAccess(handle, { lists, limit }) {
  const codes = lists.map(([receives, blocks, list]) => handle.setAccess(receives, blocks, list));
  if (limit !== undefined)
    codes.push(handle.setReceiveRate(limit));
  const code = codes.find((result) => result < 0);
  if (code !== undefined)
    throw errors.systemError(code, 'createSocket');
}

function accessCounts(handle) {
  const counts = {};
  handle.accessCounts(counts);
  return counts;
}

module.exports = { AccessList, accessCounts, applyAccess, readAccess };

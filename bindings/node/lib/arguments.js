'use strict';
// The arguments of programs: checked as Node.js checks them, and converted to copies.

const { isIP } = require('node:net');
const errors = require('./errors');

const bufferTypes = 'of type string or an instance of Buffer, TypedArray, or DataView';

function checkString(value, name) {
  if (typeof value !== 'string')
    throw errors.invalidType(name, 'of type string', value);
}

function checkNumber(value, name) {
  if (typeof value !== 'number')
    throw errors.invalidType(name, 'of type number', value);
}

function checkBoolean(value, name) {
  if (typeof value !== 'boolean')
    throw errors.invalidType(name, 'of type boolean', value);
}

function checkObject(value, name) {
  if (value === null || typeof value !== 'object')
    throw errors.invalidType(name, 'of type object', value);
}

function checkNumericAddress(value, name) {
  checkString(value, name);
  if (isIP(value) === 0)
    throw errors.invalidValue(name, value, 'must be a numeric IP address');
}

// An integer from `least` to `most`.
function checkInteger(value, name, least, most) {
  checkNumber(value, name);
  if (!Number.isInteger(value))
    throw errors.outOfRange(name, 'an integer', value);
  if (value < least || value > most)
    throw errors.outOfRange(name, `>= ${least} && <= ${most}`, value);
  return value;
}

// A number, or a string that reads as one, from 0 or 1 to 65535. Returns the number.
function checkPort(port, zeroAllowed = false, name = 'Port') {
  const type = typeof port;
  const readable = type === 'number' || (type === 'string' && port.trim().length > 0);
  const number = +(readable ? port : NaN);
  if (number !== number >>> 0 || number > 0xffff || (number === 0 && !zeroAllowed))
    throw errors.badPort(port, zeroAllowed, name);
  return number;
}

// A buffer size in the options of createSocket(), which may be missing.
function checkBufferSize(size, name) {
  if (!size)
    return;
  checkInteger(size, name, 0, 0xffffffff);
}

// How many datagrams a system call may receive; undefined is allowed.
function checkBatch(count, name) {
  return count === undefined ? undefined : checkInteger(count, name, 1, 64);
}

function toBytes(message, name = 'buffer') {
  if (typeof message === 'string')
    return Buffer.from(message);
  if (!ArrayBuffer.isView(message))
    throw errors.invalidType(name, bufferTypes, message);
  return message;
}

// The part of a message from `offset`, of `length` bytes.
function slice(message, givenOffset, givenLength) {
  const view = toBytes(message);
  const offset = givenOffset >>> 0;
  const length = givenLength >>> 0;
  if (offset > view.byteLength)
    throw errors.bufferOutOfBounds('offset');
  if (offset + length > view.byteLength)
    throw errors.bufferOutOfBounds('length');
  return Buffer.from(view.buffer, view.byteOffset + offset, length);
}

// The parts of one datagram: a copy of the list as it is now.
function toBytesList(list) {
  const parts = [];
  for (let i = 0; i < list.length; i++) {
    const part = list[i];
    if (typeof part !== 'string' && !ArrayBuffer.isView(part))
      throw errors.invalidType('buffer list arguments', bufferTypes, list);
    parts.push(toBytes(part));
  }
  return parts;
}

// A message as a list of its parts, also if it is one.
function toParts(message) {
  return Array.isArray(message) ? toBytesList(message) : [toBytes(message, 'msg')];
}

// A callback, which may be missing.
function checkCallback(callback, name = 'callback') {
  if (callback !== undefined && typeof callback !== 'function')
    throw errors.invalidType(name, 'of type function', callback);
}

module.exports = {
  checkBatch,
  checkBoolean,
  checkBufferSize,
  checkCallback,
  checkInteger,
  checkNumber,
  checkNumericAddress,
  checkObject,
  checkPort,
  checkString,
  slice,
  toBytes,
  toBytesList,
  toParts,
};

'use strict';
// How a trace shows a value: all of it that a program can see, and nothing that varies from run to
// run. Ports stand between two marks; comparison.js names them in the order of their appearance.

const { createHash } = require('node:crypto');
const EventEmitter = require('node:events');
const { types } = require('node:util');

const MARK = '\uE000';
const names = new WeakMap();

/** From now on the trace shows this object by this name: sockets above all. */
function name(object, text) {
  names.set(object, text);
  return object;
}

name.of = (object) => names.has(object) && `<${names.get(object)}>`;

const mark = (port) => `${MARK}${port}${MARK}`;

// Ports below are written in scenarios, those above are chosen by the system or freePort().
const isChosen = (number) => Number.isInteger(number) && number >= 5000 && number <= 65535;

function showString(text) {
  const printable = text.replace(/[\0-\x1f]/g, (letter) => JSON.stringify(letter).slice(1, -1));
  return `'${printable.replace(/(?<=:)\d{4,5}\b/g, (port) => (isChosen(+port) ? mark(port) : port))}'`;
}

function showNumber(number, key) {
  if (key === 'port' && isChosen(number)) return mark(number);
  return Object.is(number, -0) ? '-0' : String(number);
}

function isDetached({ buffer }) {
  try { return !new Uint8Array(buffer); } catch { return true; }
}

function showBytes(view) {
  const kind = Buffer.isBuffer(view) ? 'Buffer' : view.constructor.name;
  if (isDetached(view)) return `${kind} that is detached`;
  const bytes = Buffer.from(view.buffer, view.byteOffset, view.byteLength);
  const text = bytes.toString('latin1');
  if (bytes.length > 64) return `${kind}(${bytes.length}) sha1 ${createHash('sha1').update(bytes).digest('hex')}`;
  return `${kind}(${bytes.length}) ${/^[ -~]*$/.test(text) ? `"${text}"` : bytes.toString('hex')}`;
}

/** What is unusual about a property; usual is what an assignment makes. */
function flagsOf(object, key, usually = '') {
  const { get, set, writable, enumerable, configurable } = Object.getOwnPropertyDescriptor(object, key);
  const flags = [get || set ? 'accessor' : writable ? '' : 'constant', enumerable ? '' : 'hidden',
    configurable ? '' : 'fixed'].filter(Boolean).join(' ');
  return flags === usually ? '' : ` (${flags || 'not hidden'})`;
}

/** A stack up to the first frame, in short if it is what it should be. */
function showStack({ stack, name: kind, code, message }) {
  const head = String(stack).split('\n    at ')[0];
  if (head === `${kind}: ${message}`) return 'stack';
  if (head === `${kind} [${code}]: ${message}`) return 'stack with code';
  return `stack ${showString(head)}`;
}

function showMember(error, key) {
  if (key === 'stack') return showStack(error);
  if (key === 'message') return `message${flagsOf(error, key, 'hidden')}`;
  return `${key}${flagsOf(error, key)} ${show(error[key], key)}`;
}

/** Class, message, and every own property in its order. */
function showError(error) {
  const kind = Object.getPrototypeOf(error).constructor.name;
  const head = kind === error.name ? kind : `${kind} named ${error.name}`;
  const members = Object.getOwnPropertyNames(error).map((key) => showMember(error, key));
  return `${head} ${show(error.message)} [${members.join(', ')}]`;
}

function showObject(object) {
  const prototype = Object.getPrototypeOf(object);
  const kind = prototype === null ? '[no prototype] '
    : prototype === Object.prototype ? '' : `${prototype.constructor.name} `;
  const members = Object.keys(object).map((key) => `${key}: ${show(object[key], key)}`);
  return `${kind}{ ${members.join(', ')} }`;
}

function show(value, key) {
  if (typeof value === 'string') return showString(value);
  if (typeof value === 'number') return showNumber(value, key);
  if (typeof value === 'bigint') return `${value}n`;
  if (value === null || (typeof value !== 'object' && typeof value !== 'function')) return String(value);
  if (names.has(value)) return name.of(value);
  if (typeof value === 'function') return `[Function ${value.name || 'without name'}]`;
  if (types.isNativeError(value)) return showError(value);
  if (ArrayBuffer.isView(value)) return showBytes(value);
  if (types.isPromise(value)) return '[Promise]';
  if (value instanceof EventEmitter) return `<a ${value.constructor.name} without name>`;
  if (Array.isArray(value)) return `[${value.map((item) => show(item)).join(', ')}]`;
  return showObject(value);
}

module.exports = { show, name, MARK };

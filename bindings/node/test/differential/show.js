'use strict';
// How a trace shows a value: all of it that a program can see, and nothing that varies from run to
// run. Ports stand between two marks; judge.js gives them names in the order of their appearance.

const { createHash } = require('node:crypto');
const EventEmitter = require('node:events');
const { types } = require('node:util');

const MARK = '\uE000';
const names = new WeakMap();

/** From now on the trace shows this object by this name: for sockets, and to compare identities. */
function name(object, text) {
  names.set(object, text);
  return object;
}

name.of = (object) => names.has(object) && `<${names.get(object)}>`;

const mark = (port) => `${MARK}${port}${MARK}`;

// Numbers below are chosen by people, above by the kernel.
const isEphemeral = (number) => Number.isInteger(number) && number >= 5000 && number <= 65535;

function showString(text) {
  const marked = text.replace(/[\0-\x1f]/g, (c) => JSON.stringify(c).slice(1, -1)).replace(/(?<=:)\d{4,5}\b/g, (port) => (isEphemeral(+port) ? mark(port) : port));
  return `'${marked}'`;
}

function showNumber(number, key) {
  if (key === 'port' && isEphemeral(number)) return mark(number);
  return Object.is(number, -0) ? '-0' : String(number);
}

function isDetached({ buffer }) {
  try { return !new Uint8Array(buffer); } catch { return true; }
}

function showBytes(view) {
  if (isDetached(view)) return `${view.constructor.name} that is detached`;
  const bytes = Buffer.from(view.buffer, view.byteOffset, view.byteLength);
  const kind = Buffer.isBuffer(view) ? 'Buffer' : view.constructor.name;
  const text = bytes.toString('latin1');
  if (bytes.length > 64) return `${kind}(${bytes.length}) sha1 ${createHash('sha1').update(bytes).digest('hex')}`;
  const printable = /^[ -~]*$/.test(text);
  return `${kind}(${bytes.length}) ${printable ? `"${text}"` : bytes.toString('hex')}`;
}

// A stack tells of its error up to the first frame; the frames are the business of each module.
const headOf = (stack) => String(stack).split('\n    at ')[0];

function showProperty(object, key) {
  const property = Object.getOwnPropertyDescriptor(object, key);
  const flags = [
    property.get || property.set ? 'accessor' : property.writable ? '' : 'constant',
    property.enumerable ? '' : 'hidden',
    property.configurable ? '' : 'fixed',
  ].filter(Boolean).join(' ');
  const value = key === 'stack' ? headOf(object.stack) : object[key];
  return `\n      ${key}${flags && key !== 'stack' ? ` (${flags})` : ''}: ${show(value, key)}`;
}

function showError(error) {
  const prototype = Object.getPrototypeOf(error);
  const kind = prototype.constructor.name;
  const head = kind === error.name ? kind : `${kind} named ${error.name}`;
  return head + Object.getOwnPropertyNames(error).map((key) => showProperty(error, key)).join('');
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
  if (typeof value === 'symbol') return value.toString();
  if (value === null || (typeof value !== 'object' && typeof value !== 'function')) return String(value);
  if (names.has(value)) return `<${names.get(value)}>`;
  if (typeof value === 'function') return `[Function ${value.name || 'without name'}]`;
  if (types.isNativeError(value)) return showError(value);
  if (ArrayBuffer.isView(value)) return showBytes(value);
  if (types.isPromise(value)) return '[Promise]';
  if (value instanceof EventEmitter) return `<a ${value.constructor.name} without name>`;
  if (Array.isArray(value)) return `[${value.map((item) => show(item)).join(', ')}]`;
  return showObject(value);
}

module.exports = { show, name, mark, MARK };

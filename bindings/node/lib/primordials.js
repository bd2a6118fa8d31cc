'use strict';
// What the language and Node.js offer, taken before the program can replace it. What only the
// program itself would feel is looked up when it is used, as the built-in does: process.nextTick()
// of a send's ticks, EventEmitter.prototype.emit().

const { Buffer } = require('node:buffer');
const { markAsUntransferable } = require('node:worker_threads');

const { apply } = Reflect;
const { alloc, allocUnsafeSlow, from: bufferFrom } = Buffer;
const { set } = Uint8Array.prototype;
const { nextTick } = process;
const getBuffer =
  Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), 'buffer').get;
const call = Function.prototype.call.bind(Function.prototype.call);

const copyInto = (to, bytes) => call(set, to, bytes);
const bufferOf = (view) => apply(getBuffer, view, []);
const later = (f, value) => apply(nextTick, process, [f, value]);

// A list to which no setter of Array.prototype, and no method, belongs.
const plainList = () => Object.setPrototypeOf([], null);

module.exports = { Bytes: Uint8Array, alloc, allocUnsafeSlow, apply, bufferFrom, bufferOf, copyInto,
  later, markAsUntransferable, plainList };

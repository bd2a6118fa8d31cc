'use strict';
// Functions of the language and of Node.js, stored before the program can replace them. Those whose
// replacement affects only the program itself are looked up when they are used, as by the built-in:
// process.nextTick() of a send's ticks, EventEmitter.prototype.emit().

const { Buffer } = require('node:buffer');
const { markAsUntransferable } = require('node:worker_threads');

const { apply } = Reflect;
const { alloc, allocUnsafeSlow, from: bufferFrom } = Buffer;
const { set } = Uint8Array.prototype;
const { nextTick } = process;
const typedArray = Object.getOwnPropertyDescriptors(Object.getPrototypeOf(Uint8Array.prototype));
const dataView = Object.getOwnPropertyDescriptors(DataView.prototype);
const { isTypedArray } = require('node:util').types;
const call = Function.prototype.call.bind(Function.prototype.call);

const copyInto = (to, bytes) => call(set, to, bytes);
const bufferOf = (view) => apply(typedArray.buffer.get, view, []);

// What a view is, whatever its own properties claim: its memory, and where and how long it is in it.
function readView(view) {
  const { buffer, byteOffset, byteLength } = isTypedArray(view) ? typedArray : dataView;
  try {
    return { buffer: apply(buffer.get, view, []), byteOffset: apply(byteOffset.get, view, []),
      byteLength: apply(byteLength.get, view, []) };
  } catch { // a DataView whose memory is detached or has shrunk
    return { buffer: apply(buffer.get, view, []), byteOffset: 0, byteLength: 0 };
  }
}

function sizeOfView(view) {
  return readView(view).byteLength;
}

const later = (f, value) => apply(nextTick, process, [f, value]);

// A list that inherits no setter and no method of Array.prototype.
const plainList = () => Object.setPrototypeOf([], null);

module.exports = { Bytes: Uint8Array, alloc, allocUnsafeSlow, apply, bufferFrom, bufferOf, copyInto,
  later, markAsUntransferable, plainList, readView, sizeOfView };

'use strict';
// The memory of messages. The addon puts their bytes on the stage, which no program sees; from
// there each is copied to memory of its own. Where the program asks for that, it puts them into a
// slab of the socket's instead, and a message is a view of that.

const { Bytes, alloc, allocUnsafeSlow, bufferFrom, bufferOf, copyInto, markAsUntransferable,
  plainList } = require('./primordials');
const { NUMBERS, OFFSET, SIZE, numbers } = require('./numbers');

// ---- the stage ----

const STAGE_SIZE = 64 * 1024; // bytes, more than the largest datagram; a page of WebAssembly's

// Memory that nobody can detach or shrink, since nobody else has the object that could grow it.
// That of WebAssembly is copied from faster than shared memory, but takes more address space.
function lastingMemory() {
  try {
    return new WebAssembly.Memory({ initial: 1, maximum: 1 }).buffer;
  } catch {
    return new SharedArrayBuffer(STAGE_SIZE);
  }
}

const stageMemory = lastingMemory();
const stage = new Bytes(stageMemory);

// What lay there last at each place, for a stream's datagrams are mostly of one size.
const seen = plainList();

function staged(place) {
  const offset = numbers[place + OFFSET];
  const size = numbers[place + SIZE];
  const last = seen[place / NUMBERS];
  if (last !== undefined && last.offset === offset && last.size === size)
    return last;
  const bytes = new Bytes(stageMemory, offset, size);
  return seen[place / NUMBERS] = { offset, size, bytes };
}

// ---- memory of its own ----

// allocUnsafeSlow() gives the memory to nobody else, and all of it is written here at once.
function own({ size, bytes }) {
  const message = allocUnsafeSlow(size);
  copyInto(message, bytes);
  return message;
}

// ---- the slabs of a socket ----

const SLAB_SIZE = 64 * 1024;

// Many messages share a slab: one of them can't take it to another thread.
function newSlab() {
  const slab = bufferOf(alloc(SLAB_SIZE)); // zeroed
  markAsUntransferable(slab);
  return slab;
}

// The message that the numbers at `place` describe: in the slab, if there is one.
function readMessage(place, slab) {
  if (slab === null)
    return own(staged(place));
  return bufferFrom(slab, numbers[place + OFFSET], numbers[place + SIZE]);
}

module.exports = { newSlab, readMessage, stage };

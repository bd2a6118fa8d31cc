'use strict';
// The memory of messages. The addon puts their bytes on the stage, which no program sees; from there
// each is copied to memory of its own, or, where the program asks for that, to its socket's pool.

const { Buffer } = require('node:buffer');
const { markAsUntransferable } = require('node:worker_threads');
const { NUMBERS, OFFSET, SIZE, numbers } = require('./numbers');

// Taken before the program can replace them.
const { allocUnsafeSlow, from: bufferFrom } = Buffer;
const call = Function.prototype.call.bind(Function.prototype.call);
const { set } = Uint8Array.prototype;
const Bytes = Uint8Array;
const Memory = ArrayBuffer;

// ---- the stage ----

// More than the largest datagram.
const stage = new Bytes(64 * 1024);
const stageMemory = stage.buffer;

// What lay there last at each place, for a stream's datagrams are mostly of one size.
const seen = [];

class Staged {
  constructor(offset, size) {
    this.offset = offset;
    this.size = size;
    this.bytes = new Bytes(stageMemory, offset, size);
  }
}

function staged(place) {
  const offset = numbers[place + OFFSET];
  const size = numbers[place + SIZE];
  const last = seen[place / NUMBERS];
  if (last !== undefined && last.offset === offset && last.size === size)
    return last;
  return seen[place / NUMBERS] = new Staged(offset, size);
}

// ---- memory of its own ----

// allocUnsafeSlow() gives the memory to nobody else, and all of it is written here at once.
function own({ size, bytes }) {
  const message = allocUnsafeSlow(size);
  call(set, message, bytes);
  return message;
}

// ---- the pool of a socket ----

const SLAB_SIZE = 64 * 1024;
const ALIGNMENT = 8; // of each message, so that any typed array can look at it

// Slabs of one socket, one after the other: each is used until it is full, and then left to its
// messages.
class Pool {
  slab = null; // an ArrayBuffer, zeroed when new
  bytes = null; // the same
  used = 0; // bytes

  // A program may have taken the slab to another thread.
  #isDetached() {
    return this.slab.byteLength === 0;
  }

  #renew() {
    this.slab = new Memory(SLAB_SIZE);
    this.bytes = new Bytes(this.slab);
    this.used = 0;
    markAsUntransferable(this.slab); // many messages share it
  }

  take({ size, bytes }) {
    if (this.slab === null || size > SLAB_SIZE - this.used || this.#isDetached())
      this.#renew();
    const offset = this.used;
    call(set, this.bytes, bytes, offset);
    this.used = (offset + size + ALIGNMENT - 1) & -ALIGNMENT;
    return bufferFrom(this.slab, offset, size);
  }
}

// The message that the numbers at `place` describe.
function readMessage(place, pool) {
  return pool === null ? own(staged(place)) : pool.take(staged(place));
}

module.exports = { Pool, readMessage, stage };

'use strict';
// The memory of messages. The addon copies a payload to the staging buffer, which no program sees;
// from there it is copied to memory of the message's own. On a socket with a pool the addon copies
// it to the socket's slab, and the message is a view of that.

const { Bytes, alloc, allocUnsafeSlow, bufferFrom, bufferOf, copyInto, markAsUntransferable,
  plainList } = require('./primordials');
const { MESSAGE_FIELDS, OFFSET, SHARED_LENGTH, SIZE, STAGING_SIZE } =
  require('./native').constants;

// ---- memory that the addon shares ----

// Memory that nobody can detach or shrink, since nobody else has the object that could grow it.
// That of WebAssembly is copied from faster than shared memory, but takes more address space.
function lastingMemory() {
  try {
    return new WebAssembly.Memory({ initial: 1, maximum: 1 }).buffer;
  } catch {
    return new SharedArrayBuffer(STAGING_SIZE);
  }
}

// The fields of the messages of a batch, and the size of the last send: cheaper than values that
// are passed with each call.
const shared = new Int32Array(new SharedArrayBuffer(SHARED_LENGTH * Int32Array.BYTES_PER_ELEMENT));
const stagingMemory = lastingMemory();
const staging = new Bytes(stagingMemory);

// The last view for each message of a batch: the datagrams of a stream are mostly of one size.
const views = plainList();

function staged(index) {
  const offset = shared[index + OFFSET];
  const size = shared[index + SIZE];
  const last = views[index / MESSAGE_FIELDS];
  if (last !== undefined && last.offset === offset && last.size === size)
    return last;
  const bytes = new Bytes(stagingMemory, offset, size);
  return views[index / MESSAGE_FIELDS] = { offset, size, bytes };
}

// ---- memory of the message's own ----

// Nobody else has what allocUnsafeSlow() returns, and all of it is written at once.
function copyOf({ size, bytes }) {
  const message = allocUnsafeSlow(size);
  copyInto(message, bytes);
  return message;
}

// ---- the slabs of a socket ----

// Many messages share a slab: it cannot be transferred to another thread with one of them.
function newSlab() {
  const slab = bufferOf(alloc(STAGING_SIZE)); // zeroed; room for any message
  markAsUntransferable(slab);
  return slab;
}

// The message whose fields begin at `index`: in the slab, if there is one.
function readMessage(index, slab) {
  if (slab === null)
    return copyOf(staged(index));
  return bufferFrom(slab, shared[index + OFFSET], shared[index + SIZE]);
}

module.exports = { newSlab, readMessage, shared, staging };

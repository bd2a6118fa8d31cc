'use strict';
// Numbers that the addon writes and JavaScript reads: cheaper than values passed with each call.

// Of each message of a batch, one after the other.
const OFFSET = 0; // on the stage or in the slab, bytes
const SIZE = 1; // bytes
const PORT = 2; // the sender's
const NUMBERS = 3;
const MOST_MESSAGES = 1024;

// Of the last send, its bytes.
const SENT_SIZE = NUMBERS * MOST_MESSAGES;

// Shared memory, since nobody can detach or shrink it.
const numbers = new Int32Array(
  new SharedArrayBuffer((SENT_SIZE + 1) * Int32Array.BYTES_PER_ELEMENT));

module.exports = { NUMBERS, OFFSET, PORT, SENT_SIZE, SIZE, numbers };

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

const numbers = new Int32Array(SENT_SIZE + 1);

module.exports = { NUMBERS, OFFSET, PORT, SENT_SIZE, SIZE, numbers };

'use strict';
/*
 * The application's part, as in work.h: the same bytes, the same checks. Does not depend on
 * sockets, processes or time.
 */

const MIN_SIZE = 9; // a sequence number in front, and at least one byte of pattern after it

function write(payload, sequence) {
  payload.writeUInt32LE(sequence >>> 0, 0);
  payload.writeUInt32LE((sequence / 2 ** 32) >>> 0, 4);
  payload.fill(sequence & 0xff, 8);
}

function sequenceOf(payload) {
  return payload.readUInt32LE(0) + payload.readUInt32LE(4) * 2 ** 32;
}

/* The state of a receiver's flows: the n-th numbers its datagrams n, n + flows and so on. */
class Reader {
  constructor(size, flows) {
    this.size = size; // what each datagram must have
    this.flows = flows;
    this.expected = new Array(flows).fill(0); // the lowest sequence numbers that may arrive next
  }

  /* Whether size, content and order are right; any datagram that is not fails the run. */
  read(payload) {
    if (payload.length !== this.size) return false;
    const sequence = sequenceOf(payload);
    const flow = this.flows === 1 ? 0 : sequence % this.flows;
    const right = sequence >= this.expected[flow] && payload[this.size - 1] === (sequence & 0xff);
    this.expected[flow] = sequence + 1;
    return right;
  }
}

/*
 * What the server of `mixed` sends, the same in every run: runs of 1 to 10 datagrams to one client,
 * now and then a shorter one. Those to the n-th client are the n-th flow.
 */
class Mix {
  constructor(size, clients) {
    this.size = size; // of a datagram that is not shorter
    this.sequences = Array.from({ length: clients }, (_, i) => i); // the next one to each client
    this.client = 0; // the destination of the current run
    this.left = 0; // in that run
    this.drawn = 0;
    this.state = 1;
  }

  /* xorshift32 */
  random() {
    this.state ^= this.state << 13;
    this.state ^= this.state >>> 17;
    this.state ^= this.state << 5;
    return this.state >>> 0;
  }

  next() {
    const { size, sequences } = this;
    if (this.left === 0) {
      this.client = this.random() % sequences.length;
      this.left = 1 + (this.random() % 10);
    }
    this.left--;
    const short = ++this.drawn % 16 === 0;
    const datagram = {
      client: this.client,
      size: short ? MIN_SIZE + (this.random() % (size - MIN_SIZE)) : size,
      sequence: sequences[this.client],
    };
    sequences[this.client] += sequences.length;
    return datagram;
  }
}

module.exports = { write, sequenceOf, Reader, Mix };

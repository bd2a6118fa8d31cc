'use strict';
/*
 * The application's part, as in work.h: the same bytes, the same looks at them. Knows nothing of
 * sockets, processes or time.
 */

function write(payload, sequence) {
  payload.writeUInt32LE(sequence >>> 0, 0);
  payload.writeUInt32LE((sequence / 2 ** 32) >>> 0, 4);
  payload.fill(sequence & 0xff, 8);
}

/* What a receiver knows of its flows: the n-th numbers its datagrams n, n + flows and so on. */
class Reader {
  constructor(size, flows) {
    this.size = size; // what each datagram must have
    this.flows = flows;
    this.expected = new Array(flows).fill(0); // the lowest sequence numbers that may come next
    this.wrong = 0; // datagrams of another size, content or order; any one fails the run
  }

  read(payload) {
    if (payload.length !== this.size) {
      this.wrong++;
      return;
    }
    const sequence = payload.readUInt32LE(0) + payload.readUInt32LE(4) * 2 ** 32;
    const flow = this.flows === 1 ? 0 : sequence % this.flows;
    const last = payload[this.size - 1];
    if (sequence < this.expected[flow] || last !== (sequence & 0xff)) this.wrong++;
    this.expected[flow] = sequence + 1;
  }
}

module.exports = { write, Reader };

'use strict';
// A socket of the built-in, as the other side: it records what has reached the loopback interface.

const dgram = require('node:dgram');
const { once } = require('node:events');

const last = 'last of what was sent';

class Receiver {
  static async open() {
    const receiver = new Receiver();
    receiver.socket.bind(0, '127.0.0.1');
    await once(receiver.socket, 'listening');
    return receiver;
  }

  constructor() {
    this.messages = [];
    this.socket = dgram.createSocket('udp4', (msg) => this.messages.push(msg));
  }

  get port() { return this.socket.address().port; }

  // Everything that had been sent before: loopback keeps the order, so a message of our own that
  // comes back has all others before it.
  async all() {
    this.socket.send(last, this.port, '127.0.0.1');
    while (String(this.messages.at(-1)) !== last) await once(this.socket, 'message');
    this.messages.pop();
    return this.messages.splice(0);
  }

  close() { this.socket.close(); }
}

module.exports = Receiver;

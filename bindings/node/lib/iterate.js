'use strict';
// for await (const { msg, rinfo } of socket): the messages of a socket, pulled one by one. In order:
// a message settles the oldest pull that waits; if there is none it is kept; while many are kept the
// socket is paused, so that the rest waits in the system's buffer.
//
// The iterators of a socket share one inbox: each message goes to one of them, and what a loop has
// not pulled when it ends is kept for the next one. Between two loops the socket is not paused by
// this: what then comes is for listeners alone.

const { setInboxFull } = require('./flow');
const { kState } = require('./state');

const MOST_KEPT = 64; // with as many messages the socket is paused
const FEW_KEPT = 16; // ... with as few it is resumed

class Inbox {
  kept = []; // each a function that settles a pull; empty while pulls wait
  pulls = []; // { resolve, reject } of those that wait, in their order
  iterators = 0; // that have begun and not ended

  constructor(socket) {
    this.socket = socket;
    this.listeners = {
      message: (msg, rinfo) => this.settle(({ resolve }) => resolve({ msg, rinfo })),
      error: (error) => this.settle(({ reject }) => reject(error)),
      close: () => this.pulls.splice(0).forEach(({ resolve }) => resolve(null)),
    };
  }

  settle(settlePull) {
    if (this.pulls.length > 0)
      settlePull(this.pulls.shift());
    else
      this.kept.push(settlePull);
    this.pauseIfFull();
  }

  // Resolves to a message, or to null: the socket is closed, and all it has received was pulled.
  pull() {
    return new Promise((resolve, reject) => {
      if (this.kept.length > 0)
        this.kept.shift()({ resolve, reject });
      else if (this.socket[kState].closed)
        resolve(null);
      else
        this.pulls.push({ resolve, reject });
      this.pauseIfFull();
    });
  }

  pauseIfFull() {
    const { length } = this.kept;
    if (this.iterators === 0 || length <= FEW_KEPT)
      setInboxFull(this.socket, false);
    else if (length >= MOST_KEPT)
      setInboxFull(this.socket, true);
  }

  attach() {
    if (this.iterators++ === 0) {
      for (const [event, listener] of Object.entries(this.listeners)) this.socket.on(event, listener);
    }
  }

  detach() {
    if (--this.iterators === 0) {
      for (const [event, listener] of Object.entries(this.listeners)) this.socket.off(event, listener);
    }
    this.pauseIfFull();
  }
}

// An 'error' ends it: the loop throws it.
async function* iterate(socket) {
  const state = socket[kState];
  const inbox = state.inbox ??= new Inbox(socket);
  inbox.attach();
  try {
    for (let message; (message = await inbox.pull()) !== null;)
      yield message;
  } finally {
    inbox.detach();
  }
}

module.exports = { iterate };

'use strict';
// Calls of the addon, and what it has to tell meanwhile. While a call is under way the addon queues
// it; it is told here when the call returns, so that no call of ours from C stands between a
// program's listener that throws and its catch, or Node's report of the exception.

const { apply, later, plainList } = require('./primordials');

const queue = plainList(); // of the calls under way, the inner ones behind the outer ones

// Told by the addon, with the dgram.Socket as `this`.
function enqueue(act, ...values) {
  queue[queue.length] = { act, socket: this, values };
}

function tell({ act, socket, values }) {
  apply(act, socket, values);
}

// From the loop: as a tick, which Node.js runs at once.
function tellInTick(act, ...values) {
  later(tell, { act, socket: this, values });
}

// Tells what has been queued from this place on. If something throws, the rest has ticks of its
// own.
function release(start) {
  let place = start;
  try {
    while (place < queue.length)
      tell(queue[place++]);
  } finally {
    for (; place < queue.length; place++)
      later(tell, queue[place]);
    queue.length = start;
  }
}

// A function of the addon, of up to three arguments, that tells what it has queued before it
// returns.
function releasing(call) {
  return function(a, b, c) {
    const start = queue.length;
    const result = apply(call, this, [a, b, c]);
    if (queue.length > start)
      release(start);
    return result;
  };
}

// Those that tell nothing, and the sends, of which there are too many: send.js releases what they
// queue.
const direct = new Set(['constructor', 'aim', 'takeMessages', 'send', 'sendList']);

// Makes the other methods of a class of the addon's such functions.
function makeReleasing({ prototype }) {
  const members = Object.getOwnPropertyDescriptors(prototype);
  for (const [name, member] of Object.entries(members)) {
    if (typeof member.value === 'function' && !direct.has(name))
      Object.defineProperty(prototype, name,
        { __proto__: null, ...member, value: releasing(member.value) });
  }
}

module.exports = { enqueue, makeReleasing, queue, release, releasing, tellInTick };

'use strict';
// Calls of the addon, and the events that it emits meanwhile. The addon queues these while a call
// from JavaScript is under way, and they are emitted here when the call returns: so no call from C
// lies between a program's listener that throws and its catch, or Node's report of the exception.

const { apply, later, plainList } = require('./primordials');

const pending = plainList(); // of the calls under way, the inner ones behind the outer ones

// Called by the addon, with the dgram.Socket as `this`.
function enqueue(act, ...values) {
  pending[pending.length] = { act, socket: this, values };
}

function emit({ act, socket, values }) {
  apply(act, socket, values);
}

// From the loop: a tick, which Node.js runs at once.
function emitInTick(act, ...values) {
  later(emit, { act, socket: this, values });
}

// Emits what has been queued from this index on. If a listener throws, the rest has ticks of its
// own.
function release(start) {
  let index = start;
  try {
    while (index < pending.length)
      emit(pending[index++]);
  } finally {
    for (; index < pending.length; index++)
      later(emit, pending[index]);
    pending.length = start;
  }
}

// Makes a function of the addon, of up to four arguments, emit what it has queued before it
// returns.
function releasing(call) {
  return function(a, b, c, d) {
    const start = pending.length;
    const result = apply(call, this, [a, b, c, d]);
    if (pending.length > start)
      release(start);
    return result;
  };
}

// Those that queue nothing, and the sends, of which there are too many: send.js releases what they
// queue.
const direct = new Set(['constructor', 'setDestination', 'takeMessages', 'send', 'sendList',
  'sendMany', 'sendWith', 'setSource', 'setPath', 'readInfo']);

// Does the same with the methods of a class of the addon's, but for these.
function makeReleasing({ prototype }) {
  const members = Object.getOwnPropertyDescriptors(prototype);
  for (const [name, member] of Object.entries(members)) {
    if (typeof member.value === 'function' && !direct.has(name))
      Object.defineProperty(prototype, name,
        { __proto__: null, ...member, value: releasing(member.value) });
  }
}

module.exports = { emitInTick, enqueue, makeReleasing, pending, release, releasing };

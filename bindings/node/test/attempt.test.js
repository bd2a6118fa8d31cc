'use strict';
// The bind and the connect under way (lib/attempt.js): their states, and look-ups that call back
// more than once.

const assert = require('node:assert');
const { once } = require('node:events');
const os = require('node:os');
const test = require('node:test');
const { dgram, ours } = require('./subject');
const { open } = require('./sockets');

const own = ours('its own parts');

test('an attempt accepts the edges of its states and no other', own, () => {
  const attempts = require('../lib/attempt');
  const { ASKING_PRIMARY, RESOLVED, RESOLVING, STARTED } = attempts;
  const state = { binding: null };
  const walk = (...states) => {
    const attempt = attempts.begin(state, 'binding');
    try {
      for (const next of states) attempt.become(next);
    } finally {
      attempts.end(state, 'binding');
    }
  };
  walk();
  walk(STARTED, RESOLVING, RESOLVED);
  walk(STARTED, RESOLVING, ASKING_PRIMARY, RESOLVED);
  walk(STARTED, ASKING_PRIMARY, RESOLVED);
  for (const states of [[RESOLVING], [STARTED, STARTED], [STARTED, RESOLVED],
    [STARTED, RESOLVING, RESOLVED, RESOLVING]])
    assert.throws(() => walk(...states), /An attempt goes from [A-Z]+ to [A-Z]+/);
  attempts.begin(state, 'binding');
  assert.throws(() => attempts.begin(state, 'binding'), /second attempt/);
});

test('a look-up that fails after it has succeeded does not change the error of bind()', own, async (t) => {
  const { port } = (await open(t)).address();
  const socket = dgram.createSocket({
    type: 'udp4',
    lookup(hostname, family, callback) {
      callback(null, '127.0.0.1', 4);
      callback(new Error('too late'));
    },
  });
  t.after(() => socket.close());
  const failure = once(socket, 'error'); // inside the call, since the look-up is
  socket.bind({ port, address: 'a.test', exclusive: true });
  const [error] = await failure;
  assert.strictEqual(error.code, 'EADDRINUSE');
});

test('the constants of the addon have the values of the built-in and of the system', own, () => {
  const { constants } = require('../lib/native');
  const { UNBOUND, BINDING, BOUND, EINVAL, DISCONNECTED, CONNECTING, CONNECTED } = constants;
  assert.deepStrictEqual([UNBOUND, BINDING, BOUND, DISCONNECTED, CONNECTING, CONNECTED, EINVAL],
    [0, 1, 2, 0, 1, 2, -os.constants.errno.EINVAL]);
});

'use strict';
// sendWith() and trySend(): one datagram with options, and now or not at all.

const assert = require('node:assert');
const { once } = require('node:events');
const { describe, test } = require('node:test');
const { ours } = require('./subject');
const { create, open } = require('./sockets');

const sentWith = (socket, msg, options) =>
  new Promise((resolve) => socket.sendWith(msg, options, (...result) => resolve(result)));

describe('sendWith()', ours('sendWith() is an addition'), () => {
  test('a datagram leaves from its source, and the next does not', async (t) => {
    const receiver = await open(t);
    const { port } = receiver.address();
    const socket = create(t);
    const first = once(receiver, 'message');
    const result = await sentWith(socket, ['one', 'two'], { port, source: '127.0.0.3', ttl: 9, dscp: 46, ecn: 1,
      dontFragment: true, interface: 'lo' });
    assert.deepStrictEqual(result, [null, 6]);
    const [msg, { address }] = await first;
    assert.strictEqual(String(msg), 'onetwo');
    assert.strictEqual(address, '127.0.0.3');
    const second = once(receiver, 'message');
    socket.send('plain', port);
    assert.strictEqual((await second)[1].address, '127.0.0.1');
  });

  test('a message leaves as datagrams of its segment size', async (t) => {
    const receiver = await open(t, { recvBufferSize: 1 << 20 });
    const { port } = receiver.address();
    const sizes = [];
    const all = new Promise((resolve) => receiver.on('message', ({ length }) => {
      sizes.push(length);
      if (sizes.length === 71)
        resolve();
    }));
    const result = await sentWith(create(t), Buffer.alloc(70001), { port, segmentSize: 1000 });
    assert.deepStrictEqual(result, [null, 70001]);
    await all;
    assert.deepStrictEqual(sizes, [...new Array(70).fill(1000), 1]);
  });

  test('a connected socket sends to its peer', async (t) => {
    const receiver = await open(t);
    const socket = create(t);
    socket.connect(receiver.address().port);
    await once(socket, 'connect');
    const message = once(receiver, 'message');
    assert.deepStrictEqual(await sentWith(socket, 'peer', { ttl: 3 }), [null, 4]);
    assert.strictEqual(String((await message)[0]), 'peer');
    assert.throws(() => socket.sendWith('x', { port: 9 }), { code: 'ERR_SOCKET_DGRAM_IS_CONNECTED' });
  });

  test('what the system refuses goes to the callback', async (t) => {
    const [error] = await sentWith(create(t), 'x', { port: 9, interface: 'none-such' });
    assert.strictEqual(error.code, 'ENODEV');
    assert.strictEqual(error.syscall, 'send');
  });

  test('a departure needs a clock', async (t) => {
    const { port } = (await open(t)).address();
    const options = { port, departure: process.hrtime.bigint() + 1000n };
    const [error] = await sentWith(await open(t), 'x', options);
    assert.strictEqual(error.code, 'EINVAL');
    const socket = await open(t, { txtimeClock: 'monotonic' });
    assert.deepStrictEqual(await sentWith(socket, 'x', options), [null, 1]);
  });

  test('bad options are thrown', (t) => {
    const socket = create(t);
    const wrong = [[{ ttl: 0 }, 'ERR_OUT_OF_RANGE'], [{ ttl: 256 }, 'ERR_OUT_OF_RANGE'],
      [{ ttl: '1' }, 'ERR_INVALID_ARG_TYPE'], [{ dscp: 64 }, 'ERR_OUT_OF_RANGE'],
      [{ ecn: 4 }, 'ERR_OUT_OF_RANGE'], [{ ecn: 1.5 }, 'ERR_OUT_OF_RANGE'],
      [{ segmentSize: 65508 }, 'ERR_OUT_OF_RANGE'], [{ dontFragment: 1 }, 'ERR_INVALID_ARG_TYPE'],
      [{ departure: 1 }, 'ERR_INVALID_ARG_TYPE'], [{ departure: -1n }, 'ERR_OUT_OF_RANGE'],
      [{ source: 'localhost' }, 'ERR_INVALID_ARG_VALUE'], [{ interface: 1 }, 'ERR_INVALID_ARG_TYPE'],
      [{ port: 0 }, 'ERR_SOCKET_BAD_PORT']];
    for (const [options, code] of wrong)
      assert.throws(() => socket.sendWith('x', { port: 9, ...options }), { code }, JSON.stringify(Object.keys(options)));
    assert.throws(() => socket.sendWith('x'), { code: 'ERR_INVALID_ARG_TYPE' });
    assert.throws(() => socket.sendWith('x', { port: 9 }, 1), { code: 'ERR_INVALID_ARG_TYPE' });
  });
});

describe('trySend()', ours('trySend() is an addition'), () => {
  test('a datagram has left when it returns', async (t) => {
    const receiver = await open(t);
    const { port } = receiver.address();
    const socket = create(t);
    const message = once(receiver, 'message');
    assert.strictEqual(socket.trySend('now', { port, address: '127.0.0.1', ttl: 5 }), true);
    assert.strictEqual(socket.address().port > 0, true);
    assert.strictEqual(String((await message)[0]), 'now');
  });

  test('it is refused while the socket is being bound', async (t) => {
    const receiver = await open(t);
    const { port } = receiver.address();
    const socket = create(t);
    socket.bind(0);
    assert.strictEqual(socket.trySend('early', { port }), false);
    await once(socket, 'listening');
    assert.strictEqual(socket.trySend('later', { port }), true);
  });

  test('errors are thrown', (t) => {
    const socket = create(t);
    assert.throws(() => socket.trySend(Buffer.alloc(65508), { port: 9 }), { code: 'EMSGSIZE' });
    assert.throws(() => socket.trySend('x', { port: 9, address: 'localhost' }), { code: 'ERR_INVALID_ARG_VALUE' });
    assert.throws(() => socket.trySend('x'), { code: 'ERR_SOCKET_BAD_PORT' });
  });
});

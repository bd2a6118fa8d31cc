'use strict';
// libdgram/promises: each promise settles, once, whatever happens to the socket meanwhile.

const assert = require('node:assert');
const { once } = require('node:events');
const path = require('node:path');
const { describe, test } = require('node:test');
const { isBuiltIn, modulePath, ours } = require('./subject');
const { open } = require('./sockets');

const promises = isBuiltIn ? null : require(path.join(modulePath, 'promises'));

function create(t, options = {}) {
  const socket = promises.createSocket({ type: 'udp4', ...options });
  t.after(() => socket.close().catch(() => {}));
  return socket;
}

describe('libdgram/promises', ours('the module is an addition'), () => {
  test('bind() resolves to the address', async (t) => {
    const socket = create(t);
    const address = await socket.bind(0, '127.0.0.1');
    assert.deepStrictEqual(address, socket.address());
  });

  test('bind() with options, and without arguments', async (t) => {
    assert.strictEqual((await create(t).bind({ address: '127.0.0.2' })).address, '127.0.0.2');
    assert.strictEqual((await create(t).bind()).address, '0.0.0.0');
  });

  test('bind() rejects what fails, and the socket can be bound again', async (t) => {
    const other = await open(t);
    const socket = create(t);
    await assert.rejects(socket.bind(other.address().port, '127.0.0.1'), { code: 'EADDRINUSE' });
    assert.strictEqual(socket.listenerCount('error'), 0);
    await socket.bind(0);
    await assert.rejects(socket.bind(0), { code: 'ERR_SOCKET_ALREADY_BOUND' });
  });

  test('send() resolves to the size, on every form of its arguments', async (t) => {
    const receiver = await open(t);
    const { port } = receiver.address();
    const socket = create(t);
    assert.strictEqual(await socket.send('abc', port, '127.0.0.1'), 3);
    assert.strictEqual(await socket.send('abcd', port), 4);
    assert.strictEqual(await socket.send(Buffer.from('abcdef'), 1, 2, port, '127.0.0.1'), 2);
    assert.strictEqual(await socket.send(['ab', 'c'], port), 3);
    await assert.rejects(socket.send(Buffer.alloc(70_000), port), { code: 'EMSGSIZE' });
    await assert.rejects(socket.send('x', 0), { code: 'ERR_SOCKET_BAD_PORT' });
    await assert.rejects(socket.send(5, port), { code: 'ERR_INVALID_ARG_TYPE' });
  });

  test('connect() resolves, and sends go to the peer', async (t) => {
    const receiver = await open(t);
    const socket = create(t);
    assert.strictEqual(await socket.connect(receiver.address().port), undefined);
    const message = once(receiver, 'message');
    assert.strictEqual(await socket.send('hello'), 5);
    assert.strictEqual(String((await message)[0]), 'hello');
    await assert.rejects(socket.connect(1), { code: 'ERR_SOCKET_DGRAM_IS_CONNECTED' });
  });

  test('connect() rejects what fails', async (t) => {
    const lookup = (name, family, callback) =>
      setImmediate(callback, name === 'fails' ? new Error('look-up') : null, '0.0.0.0', 4);
    const socket = create(t, { lookup });
    await assert.rejects(socket.connect(1, 'fails'), { message: 'look-up' });
  });

  test('sendMany() resolves to the count, and rejects with what has left', async (t) => {
    const receiver = await open(t);
    const { port } = receiver.address();
    const socket = create(t);
    assert.strictEqual(await socket.sendMany([{ msg: 'a', port }, { msg: 'b', port }]), 2);
    await assert.rejects(socket.sendMany([{ msg: 'a', port }, { msg: Buffer.alloc(70_000), port }]),
      { code: 'EMSGSIZE', sent: 1 });
  });

  test('a failed implicit bind rejects each send that waits, and emits no error', async (t) => {
    const lookup = (name, family, callback) => setImmediate(callback, new Error('no bind'));
    const socket = create(t, { lookup });
    const sends = [socket.send('a', 9), socket.send('b', 9), socket.sendMany([{ msg: 'c', port: 9 }])];
    const results = await Promise.allSettled(sends);
    assert.deepStrictEqual(results.map(({ reason }) => reason.message),
      ['no bind', 'no bind', 'no bind']);
  });

  test('close() rejects what has not ended', async (t) => {
    const lookup = (name, family, callback) => {
      if (name !== 'never')
        setImmediate(callback, null, name, 4);
    };
    const socket = create(t, { lookup });
    await socket.bind(0, '127.0.0.1');
    const pending = [socket.send('x', 9, 'never'), socket.connect(9, 'never'),
      socket.sendMany([{ msg: 'x', port: 9, address: 'never' }])];
    await socket.close();
    for (const promise of pending) await assert.rejects(promise, { code: 'ECANCELED' });
    await assert.rejects(socket.close(), { code: 'ERR_SOCKET_DGRAM_NOT_RUNNING' });
    await assert.rejects(socket.send('x', 9), { code: 'ERR_SOCKET_DGRAM_NOT_RUNNING' });
  });

  test('with callbacks the methods are those of libdgram', async (t) => {
    const socket = create(t);
    const [size] = await new Promise((resolve) => {
      socket.bind(0, '127.0.0.1', () => {
        assert.strictEqual(
          socket.send('abc', socket.address().port, '127.0.0.1', (e, n) => resolve([n])), undefined);
      });
    });
    assert.strictEqual(size, 3);
    await new Promise((resolve) => assert.strictEqual(socket.close(resolve), socket));
  });

  test('a signal closes the socket', async () => {
    const controller = new AbortController();
    const socket = promises.createSocket({ type: 'udp4', signal: controller.signal });
    const closed = once(socket, 'close');
    controller.abort();
    await closed;
  });
});

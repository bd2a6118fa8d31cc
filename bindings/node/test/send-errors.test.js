'use strict';
// The option emitSendErrors: a failed send without a callback emits 'error', as documented.

const assert = require('node:assert');
const { once } = require('node:events');
const net = require('node:net');
const { describe, test } = require('node:test');
const { ours } = require('./subject');
const { create, open, sent, turn, withIPv6 } = require('./sockets');

const tooLong = Buffer.alloc(65508);

// The errors that a socket emits from now on.
function errorsOf(socket) {
  const errors = [];
  socket.on('error', (error) => errors.push(error));
  return errors;
}

// Waits until another send of the socket is done, and all that is due with it.
async function settled(socket, ...destination) {
  const [error] = await sent(socket, 'x', ...destination);
  assert.strictEqual(error, null);
  await turn();
}

function assertSendError(error, { code, address, port }) {
  assert.ok(error instanceof Error);
  assert.strictEqual(error.code, code);
  assert.strictEqual(error.syscall, 'send');
  assert.ok(error.errno < 0);
  assert.strictEqual(error.address, address);
  assert.strictEqual(error.port, port);
  const place = port === undefined ? '' : ` ${address}:${port}`;
  assert.strictEqual(error.message, `send ${code}${place}`);
}

// What goes wrong at an address, each with options of createSocket(), and the error's properties.
const blockList = new net.BlockList();
blockList.addAddress('127.0.0.3');
const failures = {
  'a datagram that is too long': [{}, tooLong, '127.0.0.1', 'EMSGSIZE'],
  'an address of the other family': [{}, 'x', '::1', 'EINVAL'],
  'a broadcast that is not allowed': [{}, 'x', '255.255.255.255', 'EACCES'],
};

// An error that never comes is waited for: the time ends that.
const options = { ...ours('the option emitSendErrors is an addition'), timeout: 10_000 };

describe('emitSendErrors', options, () => {
  for (const [name, [options, message, address, code]] of Object.entries(failures)) {
    test(`${name} emits 'error' once`, async (t) => {
      const receiver = await open(t);
      const { port } = receiver.address();
      const socket = await open(t, { ...options, emitSendErrors: true }, '0.0.0.0');
      const errors = errorsOf(socket);
      socket.send(message, port, address);
      assert.deepStrictEqual(errors, []);
      await once(socket, 'error');
      await settled(socket, port, '127.0.0.1');
      assert.strictEqual(errors.length, 1);
      assertSendError(errors[0], { code, address, port });
    });

    test(`${name} is dropped silently without the option`, async (t) => {
      const receiver = await open(t);
      const { port } = receiver.address();
      for (const emitSendErrors of [undefined, false]) {
        const socket = await open(t, { ...options, emitSendErrors }, '0.0.0.0');
        const errors = errorsOf(socket);
        socket.send(message, port, address);
        await settled(socket, port, '127.0.0.1');
        assert.deepStrictEqual(errors, []);
      }
    });

    test(`${name} is passed to the callback only`, async (t) => {
      const receiver = await open(t);
      const { port } = receiver.address();
      const socket = await open(t, { ...options, emitSendErrors: true }, '0.0.0.0');
      const errors = errorsOf(socket);
      const results = [];
      socket.send(message, port, address, (...result) => results.push(result));
      await settled(socket, port, '127.0.0.1');
      assert.deepStrictEqual(errors, []);
      assert.strictEqual(results.length, 1);
      assert.strictEqual(results[0].length, 1);
      assertSendError(results[0][0], { code, address, port });
    });
  }

  test('an error of an IPv6 send has the address, too', withIPv6, async (t) => {
    const socket = create(t, { type: 'udp6', emitSendErrors: true });
    socket.send('x', 9, '127.0.0.1');
    assertSendError((await once(socket, 'error'))[0],
      { code: 'EINVAL', address: '127.0.0.1', port: 9 });
  });

  test('every failed send of a turn emits, in their order, and the others arrive', async (t) => {
    const receiver = await open(t);
    const { port } = receiver.address();
    const socket = await open(t, { emitSendErrors: true });
    const errors = errorsOf(socket);
    const arrived = [];
    receiver.on('message', (msg) => arrived.push(String(msg)));
    for (let i = 1; i <= 5; i++) {
      socket.send(`${i}`, port, '127.0.0.1');
      socket.send(tooLong, port, `127.0.0.${i}`);
    }
    while (arrived.length < 5) await once(receiver, 'message');
    await turn();
    assert.deepStrictEqual(arrived, ['1', '2', '3', '4', '5']);
    assert.deepStrictEqual(errors.map(({ code, address }) => [code, address]),
      [1, 2, 3, 4, 5].map((i) => ['EMSGSIZE', `127.0.0.${i}`]));
  });

  test('a connected socket names no address, as its callbacks do', async (t) => {
    const receiver = await open(t);
    const socket = await open(t, { emitSendErrors: true });
    socket.connect(receiver.address().port, '127.0.0.1');
    await once(socket, 'connect');
    const errors = errorsOf(socket);
    socket.send(tooLong);
    await once(socket, 'error');
    await settled(socket);
    assert.strictEqual(errors.length, 1);
    const [error] = await sent(socket, tooLong);
    for (const each of [...errors, error])
      assertSendError(each, { code: 'EMSGSIZE', address: undefined, port: undefined });
    assert.deepStrictEqual(Object.keys(errors[0]), Object.keys(error));
  });

  test("a send that waited for 'listening' emits as well", async (t) => {
    const socket = create(t, { emitSendErrors: true });
    const errors = errorsOf(socket);
    socket.send(tooLong, 9, '127.0.0.1');
    await once(socket, 'error');
    await settled(socket, 9, '127.0.0.1');
    assert.strictEqual(errors.length, 1);
    assertSendError(errors[0], { code: 'EMSGSIZE', address: '127.0.0.1', port: 9 });
  });

  test('a name that is not found is emitted with the option and without', async (t) => {
    for (const emitSendErrors of [true, false]) {
      const notFound = Object.assign(new Error('not found'), { code: 'ENOTFOUND' });
      const lookup = (host, family, done) =>
        process.nextTick(done, host === 'nowhere.invalid' ? notFound : null, host, 4);
      const socket = await open(t, { lookup, emitSendErrors });
      const errors = errorsOf(socket);
      socket.send('x', 9, 'nowhere.invalid');
      await once(socket, 'error');
      await settled(socket, 9, '127.0.0.1');
      assert.deepStrictEqual(errors, [notFound]);
      assert.deepStrictEqual(await sent(socket, 'x', 9, 'nowhere.invalid'), [notFound]);
      assert.strictEqual(errors.length, 1);
    }
  });

  test('an address that sendBlockList has is emitted once, in a later tick', async (t) => {
    const socket = await open(t, { emitSendErrors: true, sendBlockList: blockList });
    const errors = errorsOf(socket);
    socket.send('x', 9, '127.0.0.3');
    await once(socket, 'error');
    await settled(socket, 9, '127.0.0.1');
    assert.deepStrictEqual(errors.map(({ code }) => code), ['ERR_IP_BLOCKED']);
    const [error] = await sent(socket, 'x', 9, '127.0.0.3');
    assert.strictEqual(error.code, 'ERR_IP_BLOCKED');
    assert.strictEqual(errors.length, 1);
  });

  test('nothing is emitted once the socket is closed', async (t) => {
    const socket = await open(t, { emitSendErrors: true });
    const errors = errorsOf(socket);
    socket.send(tooLong, 9, '127.0.0.1');
    socket.send('x', 9, '::1');
    socket.close();
    await once(socket, 'close');
    await turn();
    assert.deepStrictEqual(errors, []);
  });
});

'use strict';
// bindSync() and connectSync(): done on return, their failures thrown.

const assert = require('node:assert');
const { once } = require('node:events');
const { describe, test } = require('node:test');
const { dgram } = require('./subject');
const { create, open, turn } = require('./sockets');

const lacks = !dgram.Socket.prototype.bindSync && 'this Node.js has no bindSync()';
const address = '127.0.0.1';
const forbidden = '255.255.255.255'; // without SO_BROADCAST

// The log of the events of a socket, in order with the ticks that the test adds.
function logOf(socket) {
  const log = [];
  for (const event of ['listening', 'connect', 'close', 'error'])
    socket.on(event, () => log.push(event));
  return log;
}

describe('bindSync()', { skip: lacks }, () => {
  test('returns the address, and receives at once', async (t) => {
    const socket = create(t);
    const place = socket.bindSync({ port: 0, address });
    assert.deepStrictEqual(place, { address, family: 'IPv4', port: place.port });
    assert.ok(place.port > 0);
    assert.deepStrictEqual(socket.address(), place);
    socket.send('x', place.port, address);
    assert.strictEqual(String((await once(socket, 'message'))[0]), 'x');
  });

  test('no options mean any port of all interfaces', (t) => {
    for (const options of [undefined, {}, { port: null, address: null }, { address: '' }]) {
      const place = create(t).bindSync(options);
      assert.strictEqual(place.address, '0.0.0.0');
      assert.ok(place.port > 0);
    }
  });

  test("'listening' comes by nextTick", async (t) => {
    const socket = create(t);
    const log = logOf(socket);
    process.nextTick(() => log.push('before'));
    socket.bindSync({ address });
    process.nextTick(() => log.push('after'));
    assert.deepStrictEqual(log, []);
    await turn();
    assert.deepStrictEqual(log, ['before', 'listening', 'after']);
  });

  test("a socket that is closed before does not emit 'listening'", async (t) => {
    const socket = create(t);
    const log = logOf(socket);
    socket.bindSync({ address });
    socket.close();
    await turn();
    assert.deepStrictEqual(log, ['close']);
  });

  test('wrong arguments are refused, and the socket can be bound after', (t) => {
    const wrong = [
      [null, 'ERR_INVALID_ARG_TYPE'], [1, 'ERR_INVALID_ARG_TYPE'], ['x', 'ERR_INVALID_ARG_TYPE'],
      [() => {}, 'ERR_INVALID_ARG_TYPE'], [{ address: 5 }, 'ERR_INVALID_ARG_TYPE'],
      [{ address: 'localhost' }, 'ERR_INVALID_ARG_VALUE'],
      [{ address: '999.1.1.1' }, 'ERR_INVALID_ARG_VALUE'],
      ...[-1, 65536, 1.5, 'x', NaN].map((port) => [{ port }, 'ERR_SOCKET_BAD_PORT']),
    ];
    const socket = create(t);
    for (const [options, code] of wrong)
      assert.throws(() => socket.bindSync(options), { code });
    assert.strictEqual(socket.bindSync({ address }).address, address);
  });

  test('errors of the system are thrown, and the socket can be bound after', async (t) => {
    const other = await open(t);
    const { port } = other.address();
    const socket = create(t);
    const log = logOf(socket);
    assert.throws(() => socket.bindSync({ port, address }), {
      code: 'EADDRINUSE', syscall: 'bind', address, port,
      message: `bind EADDRINUSE ${address}:${port}`,
    });
    assert.throws(() => socket.bindSync({ address: '::1' }),
      { code: 'EINVAL', syscall: 'bind', address: '::1', message: 'bind EINVAL ::1' });
    assert.ok(socket.bindSync({ address }).port > 0);
    await turn();
    assert.deepStrictEqual(log, ['listening']);
  });

  test('a socket that is bound, binding or closed is refused', (t) => {
    const socket = create(t);
    socket.bindSync({ address });
    assert.throws(() => socket.bindSync(), { code: 'ERR_SOCKET_ALREADY_BOUND' });
    assert.throws(() => socket.bind(), { code: 'ERR_SOCKET_ALREADY_BOUND' });
    socket.close();
    assert.throws(() => socket.bindSync(), { code: 'ERR_SOCKET_DGRAM_NOT_RUNNING' });
    const binding = create(t).bind(0, address);
    assert.throws(() => binding.bindSync(), { code: 'ERR_SOCKET_ALREADY_BOUND' });
  });
});

describe('connectSync()', { skip: lacks }, () => {
  test('binds and connects, by default to the loopback address', async (t) => {
    const receiver = await open(t);
    const { port } = receiver.address();
    for (const given of [undefined, null, '', address]) {
      const socket = create(t);
      assert.strictEqual(socket.connectSync(port, given), undefined);
      assert.deepStrictEqual(socket.remoteAddress(), { address, family: 'IPv4', port });
      socket.send('x');
      const [, rinfo] = await once(receiver, 'message');
      assert.strictEqual(rinfo.port, socket.address().port);
    }
  });

  test("'connect' comes by nextTick, after 'listening'", async (t) => {
    const socket = create(t);
    const log = logOf(socket);
    process.nextTick(() => log.push('before'));
    socket.connectSync(9, address);
    process.nextTick(() => log.push('after'));
    assert.deepStrictEqual(log, []);
    await turn();
    assert.deepStrictEqual(log, ['before', 'listening', 'connect', 'after']);
  });

  test("a socket that is closed before does not emit 'connect'", async (t) => {
    const socket = create(t);
    const log = logOf(socket);
    socket.connectSync(9, address);
    socket.close();
    await turn();
    assert.deepStrictEqual(log, ['close']);
  });

  test('wrong arguments are refused, before the socket is bound', (t) => {
    const wrong = [
      ...[undefined, 0, 65536, 'x'].map((port) => [[port], 'ERR_SOCKET_BAD_PORT']),
      ...[5, {}, () => {}].map((value) => [[9, value], 'ERR_INVALID_ARG_TYPE']),
      [[9, 'localhost'], 'ERR_INVALID_ARG_VALUE'],
    ];
    const socket = create(t);
    for (const [args, code] of wrong)
      assert.throws(() => socket.connectSync(...args), { code });
    assert.throws(() => socket.address(), { code: 'EBADF' });
    socket.connectSync(9, address);
  });

  test('errors of the system are thrown, and the socket can be connected after', async (t) => {
    const socket = create(t);
    const log = logOf(socket);
    assert.throws(() => socket.connectSync(9, forbidden), {
      code: 'EACCES', syscall: 'connect', address: forbidden, port: 9,
      message: `connect EACCES ${forbidden}:9`,
    });
    assert.throws(() => socket.remoteAddress(), { code: 'ERR_SOCKET_DGRAM_NOT_CONNECTED' });
    socket.connectSync(9, address);
    await turn();
    assert.deepStrictEqual(log, ['listening', 'connect']);
  });

  test('a socket that is connected, connecting, binding or closed is refused', async (t) => {
    const connected = create(t);
    connected.connectSync(9, address);
    assert.throws(() => connected.connectSync(9), { code: 'ERR_SOCKET_DGRAM_IS_CONNECTED' });
    connected.close();
    assert.throws(() => connected.connectSync(9), { code: 'ERR_SOCKET_DGRAM_NOT_RUNNING' });
    const connecting = await open(t);
    connecting.connect(9, address);
    assert.throws(() => connecting.connectSync(9), { code: 'ERR_SOCKET_DGRAM_IS_CONNECTED' });
    const binding = create(t).bind(0, address);
    assert.throws(() => binding.connectSync(9), { code: 'ERR_SOCKET_ALREADY_BOUND' });
  });

  test('the messages of the errors', (t) => {
    const reason = (call) =>
      `must be a numeric IP address; ${call} does not perform DNS resolution`;
    assert.throws(() => create(t).bindSync({ address: 'name' }), {
      message: `The property 'options.address' ${reason('bindSync')}. Received 'name'`,
    });
    assert.throws(() => create(t).connectSync(9, 'name'), {
      message: `The argument 'address' ${reason('connectSync')}. Received 'name'`,
    });
  });
});

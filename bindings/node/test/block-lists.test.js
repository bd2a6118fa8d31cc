'use strict';
// The options sendBlockList and receiveBlockList: addresses that a socket keeps away from.

const assert = require('node:assert');
const { once } = require('node:events');
const net = require('node:net');
const { describe, test } = require('node:test');
const since = require('../lib/since');
const { dgram, isBuiltIn } = require('./subject');
const { create, open, sent, turn, withIPv6 } = require('./sockets');

const lacks = isBuiltIn && !since([22, 13], [23, 5]) && 'this Node.js has no block lists';

function blockList(...subnets) {
  const list = new net.BlockList();
  for (const [address, bits, family] of subnets) list.addSubnet(address, bits, family);
  return list;
}

const upperHalf = blockList(['127.0.0.128', 25, 'ipv4'], ['::1', 128, 'ipv6']);

function assertBlocked(error, ip) {
  assert.strictEqual(error.code, 'ERR_IP_BLOCKED');
  assert.strictEqual(error.message, `IP(${ip}) is blocked by net.BlockList`);
}

describe('block lists', { skip: lacks }, () => {
  test('a send to a blocked address fails in a later tick, others do not', async (t) => {
    const receiver = await open(t, {}, '0.0.0.0');
    const { port } = receiver.address();
    const arrived = [];
    receiver.on('message', (msg) => arrived.push(String(msg)));
    const socket = await open(t, { sendBlockList: upperHalf });
    const results = [];
    socket.send('no', port, '127.0.0.200', (...result) => results.push(result));
    assert.deepStrictEqual(results, []);
    assert.deepStrictEqual(await sent(socket, 'yes', port, '127.0.0.1'), [null, 3]);
    while (arrived.length === 0) await once(receiver, 'message');
    await turn();
    assert.strictEqual(results.length, 1);
    assert.strictEqual(results[0].length, 1);
    assertBlocked(results[0][0], '127.0.0.200');
    assert.deepStrictEqual(arrived, ['yes']);
  });

  test('a block list applies to the address, not to the name', async (t) => {
    const lookup = (host, family, done) =>
      process.nextTick(done, null, host === 'name' ? '127.0.0.200' : host, 4);
    const socket = await open(t, { sendBlockList: upperHalf, lookup });
    const [error] = await sent(socket, 'no', 9, 'name');
    assertBlocked(error, '127.0.0.200');
  });

  test('without a callback the datagram is dropped silently', async (t) => {
    const receiver = await open(t, {}, '0.0.0.0');
    const { port } = receiver.address();
    const socket = await open(t, { sendBlockList: upperHalf });
    socket.on('error', assert.ifError);
    socket.send('no', port, '127.0.0.200');
    socket.send('yes', port, '127.0.0.1');
    assert.strictEqual(String((await once(receiver, 'message'))[0]), 'yes');
  });

  test('an address that is added to a list later is blocked', async (t) => {
    const list = new net.BlockList();
    const socket = await open(t, { sendBlockList: list });
    assert.deepStrictEqual(await sent(socket, 'x', 9, '127.0.0.1'), [null, 1]);
    list.addAddress('127.0.0.1');
    assertBlocked((await sent(socket, 'x', 9, '127.0.0.1'))[0], '127.0.0.1');
  });

  test('connect() to a blocked address fails by callback', async (t) => {
    const socket = await open(t, { sendBlockList: upperHalf });
    socket.on('error', assert.ifError);
    socket.on('connect', () => assert.fail('connected'));
    const error = await new Promise((resolve) => socket.connect(9, '127.0.0.200', resolve));
    assertBlocked(error, '127.0.0.200');
    assert.throws(() => socket.remoteAddress(), { code: 'ERR_SOCKET_DGRAM_NOT_CONNECTED' });
  });

  test("connect() to a blocked address emits 'error' without a callback, and can be tried again", async (t) => {
    const socket = await open(t, { sendBlockList: upperHalf });
    socket.connect(9, '127.0.0.200');
    assertBlocked((await once(socket, 'error'))[0], '127.0.0.200');
    socket.connect(9, '127.0.0.1');
    await once(socket, 'connect');
    assert.strictEqual(socket.remoteAddress().address, '127.0.0.1');
  });

  test('messages of blocked senders are dropped', async (t) => {
    const receiver = await open(t, { receiveBlockList: upperHalf }, '0.0.0.0');
    const { port } = receiver.address();
    const arrived = [];
    receiver.on('message', (msg) => arrived.push(String(msg)));
    const blocked = await open(t, {}, '127.0.0.200');
    const welcome = await open(t, {}, '127.0.0.2');
    for (const text of ['1', '2', 'last']) {
      await sent(blocked, 'no', port, '127.0.0.1');
      await sent(welcome, text, port, '127.0.0.1');
    }
    while (arrived.at(-1) !== 'last') await once(receiver, 'message');
    assert.deepStrictEqual(arrived, ['1', '2', 'last']);
  });

  test('addresses of IPv6 are blocked as well', withIPv6, async (t) => {
    const receiver = await open(t, { type: 'udp6', receiveBlockList: upperHalf }, '::1');
    receiver.on('message', () => assert.fail('received'));
    const open6 = await open(t, { type: 'udp6' }, '::1');
    await sent(open6, 'no', receiver.address().port, '::1');
    await turn();
    const socket = await open(t, { type: 'udp6', sendBlockList: upperHalf }, '::1');
    assertBlocked((await sent(socket, 'no', 9, '::1'))[0], '::1');
  });

  test('a value that is no list is refused, a falsy value means no list', () => {
    for (const name of ['sendBlockList', 'receiveBlockList']) {
      for (const value of [1, 'x', true, {}, [], () => {}, Symbol('x'), { check: () => true }]) {
        assert.throws(() => dgram.createSocket({ type: 'udp4', [name]: value }),
          { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE', message: new RegExp(name) });
      }
      for (const value of [undefined, null, 0, '', false, NaN])
        dgram.createSocket({ type: 'udp4', [name]: value }).close();
    }
  });

  test('connectSync() without an address checks the loopback address against the list', {
    skip: !dgram.Socket.prototype.connectSync && 'this Node.js has no connectSync()',
  }, (t) => {
    const socket = create(t, { sendBlockList: blockList(['127.0.0.0', 8, 'ipv4']) });
    assert.throws(() => socket.connectSync(9), { code: 'ERR_IP_BLOCKED' });
    assert.throws(() => socket.remoteAddress(), { code: 'ERR_SOCKET_DGRAM_NOT_CONNECTED' });
  });
});

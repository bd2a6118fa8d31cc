'use strict';
// Access lists and the limit of the rate: additions, which the library checks by.

const assert = require('node:assert');
const { describe, test } = require('node:test');
const { dgram, isBuiltIn } = require('./subject');
const { create, open, sent, turn, withIPv6 } = require('./sockets');
const { AccessList } = require('../access');

const lacks = isBuiltIn && 'additions of the drop-in';

function listOf(...addresses) {
  const list = new AccessList();
  for (const address of addresses) list.addAddress(address);
  return list;
}

// Collects what a socket receives as texts.
function collect(socket) {
  const texts = [];
  socket.on('message', (msg) => texts.push(String(msg)));
  return texts;
}

async function until(condition) {
  while (!condition()) await turn();
}

const zero = { receivesRefused: 0, receivesLimited: 0, sourcesEvicted: 0, sendsRefused: 0 };

describe('AccessList', { skip: lacks }, () => {
  test('covers addresses, ranges and subnets of both families', () => {
    const list = new AccessList();
    list.addAddress('192.0.2.1');
    list.addRange('10.0.0.250', '10.0.2.3');
    list.addSubnet('2001:db8::', 32);
    assert.strictEqual(list.size, 3);
    for (const address of ['192.0.2.1', '::ffff:192.0.2.1', '10.0.1.0', '2001:db8:9::1'])
      assert.strictEqual(list.check(address), true, address);
    for (const address of ['192.0.2.2', '10.0.2.4', '2001:db9::', 'name', ''])
      assert.strictEqual(list.check(address), false, address);
  });

  test('removes what was added, and nothing else', () => {
    const list = new AccessList();
    list.addSubnet('10.0.0.0', 8);
    list.addAddress('10.0.0.1');
    list.addRange('10.0.0.1', '10.0.0.6');
    assert.strictEqual(list.removeAddress('10.0.0.2'), false);
    assert.strictEqual(list.removeSubnet('10.0.0.0', 9), false);
    assert.strictEqual(list.removeRange('10.0.0.1', '10.0.0.5'), false);
    assert.strictEqual(list.removeSubnet('10.0.0.0', 8), true);
    assert.strictEqual(list.check('10.0.0.2'), true);
    assert.strictEqual(list.check('10.0.0.7'), false);
    assert.strictEqual(list.removeRange('10.0.0.1', '10.0.0.6'), true);
    assert.strictEqual(list.check('10.0.0.1'), true);
    list.clear();
    assert.strictEqual(list.size, 0);
    assert.strictEqual(list.check('10.0.0.1'), false);
  });

  test('rejects what is no rule', () => {
    const list = new AccessList();
    for (const bad of ['', 'name', '1.2.3', '1.2.3.4/8', '1.2.3.4'.padEnd(300, '4')]) {
      assert.throws(() => list.addAddress(bad), { code: 'ERR_INVALID_ADDRESS' });
      assert.throws(() => list.addSubnet(bad, 8), { code: 'ERR_INVALID_ADDRESS' });
      assert.throws(() => list.addRange('1.2.3.4', bad), { code: 'ERR_INVALID_ADDRESS' });
      assert.throws(() => list.removeAddress(bad), { code: 'ERR_INVALID_ADDRESS' });
    }
    for (const bad of [undefined, null, 1, {}]) {
      assert.throws(() => list.addAddress(bad), { code: 'ERR_INVALID_ARG_TYPE' });
      assert.throws(() => list.check(bad), { code: 'ERR_INVALID_ARG_TYPE' });
    }
    for (const bad of [-1, 33, 1.5, NaN])
      assert.throws(() => list.addSubnet('1.2.3.4', bad), { code: 'ERR_OUT_OF_RANGE' });
    assert.throws(() => list.addSubnet('::1', 129), { code: 'ERR_OUT_OF_RANGE' });
    assert.throws(() => list.addSubnet('::1', '8'), { code: 'ERR_INVALID_ARG_TYPE' });
    assert.throws(() => list.addRange('1.2.3.4', '1.2.3.3'), { code: 'ERR_INVALID_ARG_VALUE' });
    assert.throws(() => list.addRange('1.2.3.4', '::1'), { code: 'ERR_INVALID_ARG_VALUE' });
    assert.strictEqual(list.size, 0);
  });

  test('has methods that need an AccessList', () => {
    const { addAddress, check } = AccessList.prototype;
    assert.throws(() => addAddress.call({}, '1.2.3.4'), TypeError);
    assert.throws(() => check.call(Object.create(AccessList.prototype), '1.2.3.4'), TypeError);
    assert.throws(() => AccessList(), TypeError);
  });
});

describe('access lists of a socket', { skip: lacks }, () => {
  test('receiveBlockList discards unseen, and counts', async (t) => {
    const list = listOf('127.0.0.2');
    const receiver = await open(t, { receiveBlockList: list }, '0.0.0.0');
    const texts = collect(receiver);
    const { port } = receiver.address();
    const [first, second] = [await open(t, {}, '127.0.0.1'), await open(t, {}, '127.0.0.2')];
    await sent(second, 'no', port, '127.0.0.1');
    await sent(first, 'yes', port, '127.0.0.1');
    await until(() => texts.length === 1);
    assert.deepStrictEqual({ ...receiver.accessCounts() }, { ...zero, receivesRefused: 1 });
    list.removeAddress('127.0.0.2');
    await sent(second, 'now', port, '127.0.0.1');
    await until(() => texts.length === 2);
    assert.deepStrictEqual(texts, ['yes', 'now']);
  });

  test('receiveAllowList discards all others', async (t) => {
    const receiver = await open(t, { receiveAllowList: listOf('127.0.0.2') }, '0.0.0.0');
    const texts = collect(receiver);
    const { port } = receiver.address();
    await sent(await open(t, {}, '127.0.0.1'), 'no', port, '127.0.0.1');
    await sent(await open(t, {}, '127.0.0.2'), 'yes', port, '127.0.0.1');
    await until(() => texts.length === 1);
    assert.deepStrictEqual(texts, ['yes']);
  });

  // What was received together with it may still come.
  test('an address that is blocked in a listener is not heard of again', async (t) => {
    const list = new AccessList();
    const receiver = await open(t, { receiveBlockList: list });
    const texts = collect(receiver);
    receiver.on('message', (msg, { address }) => list.addAddress(address));
    const sender = await open(t);
    await sent(sender, 'first', receiver.address().port, '127.0.0.1');
    await until(() => texts.length === 1);
    await sent(sender, 'second', receiver.address().port, '127.0.0.1');
    await until(() => receiver.accessCounts().receivesRefused === 1);
    assert.deepStrictEqual(texts, ['first']);
  });

  test('sendBlockList and sendAllowList refuse sends', async (t) => {
    for (const options of [{ sendBlockList: listOf('127.0.0.1') },
      { sendAllowList: listOf('127.0.0.2') }]) {
      const socket = await open(t, options);
      const [error] = await sent(socket, 'no', 9, '127.0.0.1');
      assert.strictEqual(error.code, 'ERR_IP_BLOCKED');
      assert.strictEqual(error.message, 'send ERR_IP_BLOCKED 127.0.0.1:9');
      assert.deepStrictEqual(await sent(socket, 'yes', 9, '127.0.0.2'), [null, 3]);
      const [byName] = await sent(socket, 'no', 9, 'localhost');
      assert.strictEqual(byName.code, 'ERR_IP_BLOCKED');
      assert.strictEqual(socket.accessCounts().sendsRefused, 2);
    }
  });

  test('sendBlockList refuses what sendMany() sends', async (t) => {
    const socket = await open(t, { sendBlockList: listOf('127.0.0.1') });
    const [error, count] = await new Promise((resolve) => {
      socket.sendMany([{ msg: 'a', port: 9, address: '127.0.0.2' },
        { msg: 'b', port: 9, address: '127.0.0.1' }], (...result) => resolve(result));
    });
    assert.strictEqual(error.code, 'ERR_IP_BLOCKED');
    assert.strictEqual(count, 1);
  });

  test('sendBlockList refuses a connect', async (t) => {
    const socket = await open(t, { sendBlockList: listOf('127.0.0.1') });
    const error = await new Promise((resolve) => socket.connect(9, '127.0.0.1', resolve));
    assert.strictEqual(error.code, 'ERR_IP_BLOCKED');
    assert.throws(() => socket.connectSync(9, '127.0.0.1'), { code: 'ERR_IP_BLOCKED' });
    await new Promise((resolve) => socket.connect(9, '127.0.0.2', resolve));
    assert.strictEqual(socket.remoteAddress().address, '127.0.0.2');
  });

  test('a list lives as long as its sockets', async (t) => {
    const receiver = await open(t, { receiveBlockList: listOf('127.0.0.2') }, '0.0.0.0');
    const texts = collect(receiver);
    for (let i = 0; i < 2000; i++) listOf(`10.0.${i >> 8}.${i & 255}`); // garbage
    globalThis.gc?.();
    await turn();
    await sent(await open(t, {}, '127.0.0.2'), 'no', receiver.address().port, '127.0.0.1');
    await sent(await open(t, {}, '127.0.0.1'), 'yes', receiver.address().port, '127.0.0.1');
    await until(() => texts.length === 1);
    assert.deepStrictEqual(texts, ['yes']);
  });

  test('a list of IPv4 applies to a udp6 socket', withIPv6, async (t) => {
    const receiver = create(t, { type: 'udp6', receiveBlockList: listOf('127.0.0.2') });
    const texts = collect(receiver);
    await new Promise((resolve) => receiver.bind(0, '::', resolve));
    const { port } = receiver.address();
    await sent(await open(t, {}, '127.0.0.2'), 'no', port, '127.0.0.1');
    await sent(await open(t, {}, '127.0.0.1'), 'yes', port, '127.0.0.1');
    await until(() => texts.length === 1);
    assert.deepStrictEqual(texts, ['yes']);
  });

  test('options that are no lists are rejected', () => {
    for (const bad of [1, 'x', {}, [], Object.create(AccessList.prototype)]) {
      for (const name of ['receiveAllowList', 'sendAllowList', 'receiveBlockList',
        'sendBlockList']) {
        assert.throws(() => dgram.createSocket({ type: 'udp4', [name]: bad }),
          { code: 'ERR_INVALID_ARG_TYPE' });
      }
    }
  });
});

describe('receiveRateLimit', { skip: lacks }, () => {
  test('passes a burst of each source and drops the rest', async (t) => {
    // A test takes less than 90 s.
    const receiver = await open(t, { receiveRateLimit: { packetsPerSecond: 1, burst: 10 } },
      '127.0.0.1');
    const texts = collect(receiver);
    const sender = await open(t, {}, '127.0.0.1');
    const all = [];
    for (let i = 0; i < 100; i++)
      all.push(sent(sender, 'x', receiver.address().port, '127.0.0.1'));
    await Promise.all(all);
    await until(() => texts.length + receiver.accessCounts().receivesLimited === 100);
    assert.ok(texts.length >= 10 && texts.length < 100, `${texts.length}`);
  });

  test('rejects what is no limit', () => {
    const limited = (receiveRateLimit) =>
      () => dgram.createSocket({ type: 'udp4', receiveRateLimit });
    assert.throws(limited(5), { code: 'ERR_INVALID_ARG_TYPE' });
    assert.throws(limited({}), { code: 'ERR_INVALID_ARG_VALUE' });
    assert.throws(limited({ packetsPerSecond: '5' }), { code: 'ERR_INVALID_ARG_TYPE' });
    assert.throws(limited({ packetsPerSecond: -1 }), { code: 'ERR_OUT_OF_RANGE' });
    assert.throws(limited({ packetsPerSecond: 2 ** 32 }), { code: 'ERR_OUT_OF_RANGE' });
    assert.throws(limited({ packetsPerSecond: 1, burst: 0.5 }), { code: 'ERR_OUT_OF_RANGE' });
    assert.throws(limited({ packetsPerSecond: 1, sources: 0 }), { code: 'ERR_OUT_OF_RANGE' });
    assert.throws(limited({ packetsPerSecond: 1, ipv4Prefix: 33 }), { code: 'ERR_OUT_OF_RANGE' });
  });
});

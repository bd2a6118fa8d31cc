'use strict';
// The cache of names: how often the look-up is called, and in what order sends leave. No name is
// looked up by the system.

const assert = require('node:assert');
const { AsyncLocalStorage } = require('node:async_hooks');
const { once } = require('node:events');
const { describe, test } = require('node:test');
const { dgram, ours } = require('./subject');
const { create, open, sent, turn, withIPv6 } = require('./sockets');

// A look-up that keeps its calls; `auto` answers each at once.
function stub(auto = true) {
  const calls = [];
  const lookup = (hostname, family, callback) => {
    calls.push({ hostname, family, callback });
    if (auto) callback(null, family === 4 ? '127.0.0.1' : '::1', family);
  };
  return { calls, lookup };
}

async function setUp(t, { auto, options, ...nameCache } = {}) {
  const receiver = await open(t);
  const { calls, lookup } = stub(auto);
  const socket = create(t, { lookup, nameCache: { maxEntries: 10, ttl: 100_000, ...nameCache }, ...options });
  socket.bindSync();
  return { receiver, calls, lookup, socket, port: receiver.address().port };
}

const names = (calls) => calls.map(({ hostname }) => hostname);

describe('nameCache', ours('the cache of names is an addition'), () => {
  test('a name that was found is looked up once', async (t) => {
    const { socket, calls, port } = await setUp(t);
    for (const name of ['a.test', 'b.test', 'a.test', 'a.test'])
      assert.deepStrictEqual(await sent(socket, 'xy', port, name), [null, 2]);
    assert.deepStrictEqual(names(calls), ['a.test', 'b.test']);
    assert.strictEqual(calls[0].family, 4);
  });

  test('without it each send looks up', async (t) => {
    const { socket, calls, port } = await setUp(t, { options: { nameCache: undefined } });
    socket.clearNameCache();
    for (let i = 0; i < 3; i++) await sent(socket, 'x', port, 'a.test');
    assert.strictEqual(calls.length, 3);
  });

  test('those that wait share one look-up, and leave in their order', async (t) => {
    const { receiver, socket, calls, port } = await setUp(t, { auto: false });
    const arrived = [];
    receiver.on('message', (msg) => arrived.push(String(msg)));
    const results = ['a', 'b'].map((text) => sent(socket, text, port, 'a.test'));
    const many = new Promise((resolve) => socket.sendMany(
      ['c', 'd'].map((msg) => ({ msg, port, address: 'a.test' })), (...result) => resolve(result)));
    results.push(new Promise((resolve) =>
      socket.sendWith('e', { port, address: 'a.test' }, (...result) => resolve(result))));
    await turn();
    assert.deepStrictEqual(names(calls), ['a.test']);
    calls[0].callback(null, '127.0.0.1', 4);
    calls[0].callback(null, '127.0.0.1', 4); // a second answer is ignored
    results.push(sent(socket, 'f', port, 'a.test'));
    for (const result of results) assert.deepStrictEqual(await result, [null, 1]);
    assert.deepStrictEqual(await many, [null, 2]);
    while (arrived.length < 6) await turn();
    assert.deepStrictEqual(arrived, ['a', 'b', 'c', 'd', 'e', 'f']);
    assert.strictEqual(calls.length, 1);
  });

  test('a known name keeps its place among addresses', async (t) => {
    const { receiver, socket, port } = await setUp(t,
      { options: { lookup: (hostname, family, callback) => callback(null, '127.0.0.1', 4) } });
    const arrived = [];
    receiver.on('message', (msg) => arrived.push(Number(msg)));
    await sent(socket, '0', port, 'a.test');
    await sent(socket, '1', port, '127.0.0.1');
    for (let i = 2; i < 20; i++) socket.send(String(i), port, i % 2 ? '127.0.0.1' : 'a.test');
    while (arrived.length < 20) await turn();
    assert.deepStrictEqual(arrived, arrived.map((_, i) => i));
  });

  test('a failure is that of all who wait, and is not kept', async (t) => {
    const { socket, calls, port } = await setUp(t, { auto: false });
    const results = [1, 2].map(() => sent(socket, 'x', port, 'a.test'));
    const failure = new Error('no such host');
    calls[0].callback(failure);
    for (const result of results) assert.deepStrictEqual(await result, [failure]);
    const next = sent(socket, 'x', port, 'a.test');
    assert.strictEqual(calls.length, 2);
    calls[1].callback(null, '127.0.0.1', 4);
    assert.deepStrictEqual(await next, [null, 1]);
  });

  test('what is no address is not kept', async (t) => {
    const { socket, calls, port } = await setUp(t, { auto: false });
    for (const answer of ['nowhere', undefined, { }]) {
      const result = sent(socket, 'x', port, 'a.test');
      calls.pop().callback(null, answer, 4);
      assert.notStrictEqual((await result)[0], null);
      assert.strictEqual(calls.length, 0);
    }
  });

  test('the least recently used name makes room', async (t) => {
    const { socket, calls, port } = await setUp(t, { maxEntries: 2 });
    for (const name of ['a', 'b', 'a', 'c', 'a', 'b', 'c']) await sent(socket, 'x', port, name);
    assert.deepStrictEqual(names(calls), ['a', 'b', 'c', 'b', 'c']);
  });

  test('a name is looked up again when its time is over', async (t) => {
    const { socket, calls, port } = await setUp(t, { ttl: 1 });
    while (calls.length < 3) {
      await sent(socket, 'x', port, 'a.test');
      await turn();
    }
    assert.deepStrictEqual(new Set(names(calls)), new Set(['a.test']));
  });

  test('clearNameCache() forgets, also what is being looked up', async (t) => {
    const { socket, calls, port } = await setUp(t, { auto: false });
    const first = sent(socket, 'x', port, 'a.test');
    socket.clearNameCache();
    const second = sent(socket, 'x', port, 'a.test');
    assert.strictEqual(calls.length, 2);
    calls[0].callback(null, '127.0.0.1', 4); // of the first alone, and not kept
    assert.deepStrictEqual(await first, [null, 1]);
    const third = sent(socket, 'x', port, 'a.test');
    assert.strictEqual(calls.length, 2);
    calls[1].callback(null, '127.0.0.1', 4);
    assert.deepStrictEqual([await second, await third], [[null, 1], [null, 1]]);
    socket.clearNameCache();
    void sent(socket, 'x', port, 'a.test');
    assert.strictEqual(calls.length, 3);
  });

  test('a connect uses it, a bind does not', async (t) => {
    const { calls, lookup } = stub();
    const nameCache = { maxEntries: 10, ttl: 100_000 };
    for (let i = 0; i < 3; i++) {
      const socket = create(t, { lookup, nameCache });
      const listening = once(socket, 'listening');
      socket.bind(0, 'a.test');
      await listening;
      socket.connect(9, 'a.test');
      await once(socket, 'connect');
    }
    assert.strictEqual(calls.length, 4);
  });

  test('sockets share it that were given the same object and look-up', withIPv6, async (t) => {
    const { calls, lookup } = stub();
    const nameCache = { maxEntries: 10, ttl: 100_000 };
    const send = async (options) => {
      const socket = create(t, { lookup, nameCache, ...options });
      socket.bindSync();
      await sent(socket, 'x', 9, 'a.test');
    };
    await send();
    await send();
    assert.strictEqual(calls.length, 1);
    await send({ type: 'udp6' }); // a name is kept for each family
    assert.deepStrictEqual(calls.map(({ family }) => family), [4, 6]);
    await send({ nameCache: { ...nameCache } });
    assert.strictEqual(calls.length, 3);
    const other = stub();
    await send({ lookup: other.lookup });
    assert.deepStrictEqual([calls.length, other.calls.length], [3, 1]);
  });

  test('one that is never answered holds up nobody when its time is over', async (t) => {
    const { socket, calls, port } = await setUp(t, { auto: false, options: { lookupTimeout: 5 } });
    const keepAlive = setInterval(() => {}, 1000);
    t.after(() => clearInterval(keepAlive));
    const results = [1, 2].map(() => sent(socket, 'x', port, 'a.test'));
    for (const result of results) assert.strictEqual((await result)[0].code, 'ETIMEDOUT');
    assert.strictEqual(calls.length, 1);
    const next = sent(socket, 'x', port, 'a.test');
    assert.strictEqual(calls.length, 2);
    calls[1].callback(null, '127.0.0.1', 4);
    assert.deepStrictEqual(await next, [null, 1]);
    calls[0].callback(null, '192.0.2.1', 4); // too late
    assert.deepStrictEqual(await sent(socket, 'x', port, 'a.test'), [null, 1]);
    assert.strictEqual(calls.length, 2);
  });

  test('a look-up that throws ends its call, and is not kept', async (t) => {
    let inner;
    const { socket, port } = await setUp(t, { options: { lookup: () => {
      inner ??= sent(socket, 'x', port, 'a.test'); // joins the look-up that throws
      throw new Error('thrown');
    } } });
    assert.throws(() => socket.send('x', port, 'a.test'), { message: 'thrown' });
    assert.strictEqual((await inner)[0].message, 'thrown');
    assert.throws(() => socket.send('x', port, 'a.test'), { message: 'thrown' });
  });

  test('each callback has the context of its own call', async (t) => {
    const { socket, calls, port } = await setUp(t, { auto: false });
    const storage = new AsyncLocalStorage();
    const stores = [1, 2].map((store) => storage.run(store, () => new Promise((resolve) =>
      socket.send('x', port, 'a.test', () => resolve(storage.getStore())))));
    storage.run(3, () => calls[0].callback(null, '127.0.0.1', 4));
    assert.deepStrictEqual(await Promise.all(stores), [1, 2]);
  });

  test('a socket may be closed while it waits', async (t) => {
    const { socket, calls, port } = await setUp(t, { auto: false });
    const called = t.mock.fn();
    socket.send('x', port, 'a.test', called);
    socket.close();
    calls[0].callback(null, '127.0.0.1', 4);
    await turn();
    assert.strictEqual(called.mock.callCount(), 0);
    assert.throws(() => socket.clearNameCache(), { code: 'ERR_SOCKET_DGRAM_NOT_RUNNING' });
  });

  test('bad options are refused', () => {
    const good = { maxEntries: 1, ttl: 1 };
    for (const nameCache of [null, true, 5, {}, { ttl: 1 }, { maxEntries: 1 }, { ...good, ttl: 0 },
      { ...good, maxEntries: 0 }, { ...good, ttl: 1.5 }, { ...good, ttl: 2 ** 31 },
      { ...good, maxEntries: '1' }]) {
      assert.throws(() => dgram.createSocket({ type: 'udp4', nameCache }),
        { code: /^ERR_(INVALID_ARG_TYPE|OUT_OF_RANGE)$/ });
    }
  });
});

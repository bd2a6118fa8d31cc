'use strict';
// A signal cancels a send that has not left, wherever it waits; one that has left ends as it would.

const assert = require('node:assert');
const { AsyncLocalStorage } = require('node:async_hooks');
const { execFile } = require('node:child_process');
const { getEventListeners, once } = require('node:events');
const path = require('node:path');
const { describe, test } = require('node:test');
const { promisify } = require('node:util');
const { findNamespace } = require('./namespace');
const { isBuiltIn, modulePath, ours } = require('./subject');
const { create, open, sent, turn } = require('./sockets');

const run = promisify(execFile);
const promises = isBuiltIn ? {} : require(path.join(modulePath, 'promises'));

const sentWith = (socket, msg, options) =>
  new Promise((resolve) => socket.sendWith(msg, options, (...result) => resolve(result)));

function assertAborted(error, cause) {
  assert.strictEqual(error.name, 'AbortError');
  assert.strictEqual(error.code, 'ABORT_ERR');
  assert.strictEqual(error.message, 'The operation was aborted');
  assert.strictEqual(error.cause, cause);
  assert(error instanceof Error);
}

// A look-up that keeps its calls.
function stub() {
  const calls = [];
  return { calls, lookup: (hostname, family, callback) => calls.push(callback) };
}

// On a host of its own: nobody there answers to ARP, so datagrams stay in the send buffer.
const blocked = `
  const socket = require(${JSON.stringify(modulePath)}).createSocket({ type: 'udp4', sendBufferSize: 1 });
  socket.bindSync();
  const to = { port: 9, address: '10.0.1.99' };
  const message = Buffer.alloc(1400);
  const report = ({ name }, queued) => setImmediate(() => {
    const left = socket.getSendQueueCount();
    console.log(JSON.stringify({ name, queued, left, cancelled: socket.stats().sendsCancelled }));
    process.exit();
  });
  const more = () => {
    const controller = new AbortController();
    let queued = 0;
    socket.sendWith(message, { ...to, signal: controller.signal }, (err) => err && report(err, queued));
    setImmediate(() => {
      if (socket.getSendQueueCount() === 0) {
        more();
        return;
      }
      socket.sendWith(message, to);
      setImmediate(() => {
        queued = socket.getSendQueueCount();
        controller.abort();
      });
    });
  };
  more();`;
const { command, noHost: why } = findNamespace();
const noHost = { skip: why || false };

const listeners = (signal) => getEventListeners(signal, 'abort').length;

describe('sendWith() with a signal', ours('the signal is an addition'), () => {
  test('a send that the library has and that has not left is cancelled, and no other', async (t) => {
    const receiver = await open(t);
    const arrived = [];
    receiver.on('message', (msg) => arrived.push(String(msg)));
    const socket = create(t);
    socket.bindSync();
    socket.connectSync(receiver.address().port, '127.0.0.1');
    await once(socket, 'connect');
    const controller = new AbortController();
    const { signal } = controller;
    const results = ['a', 'b', 'c', 'd'].map((text) =>
      sentWith(socket, text, text < 'c' ? { signal } : {}));
    assert.strictEqual(listeners(signal), 1);
    controller.abort('reason');
    assert.strictEqual(listeners(signal), 0);
    for (const result of results.slice(0, 2)) assertAborted((await result)[0], 'reason');
    for (const result of results.slice(2)) assert.deepStrictEqual(await result, [null, 1]);
    while (arrived.length < 2) await turn();
    assert.deepStrictEqual(arrived, ['c', 'd']);
    assert.strictEqual(socket.stats().sendsCancelled, 2);
  });

  test('a send that has left ends as it would, and the signal is let go', async (t) => {
    const { port } = (await open(t)).address();
    const socket = await open(t);
    const { signal } = new AbortController();
    assert.deepStrictEqual(await sentWith(socket, 'x', { port, signal }), [null, 1]);
    assert.strictEqual(listeners(signal), 0);
    const controller = new AbortController();
    socket.connectSync(port, '127.0.0.1');
    const result = sentWith(socket, 'xy', { signal: controller.signal });
    socket.getSendQueueCount(); // what is queued leaves
    controller.abort();
    assert.deepStrictEqual(await result, [null, 2]);
    const failed = await sentWith(socket, Buffer.alloc(70_000), { signal });
    assert.strictEqual(failed[0].code, 'EMSGSIZE');
    assert.strictEqual(listeners(signal), 0);
  });

  test('a send that waits for its look-up is cancelled at once', async (t) => {
    const { calls, lookup } = stub();
    const socket = create(t, { lookup, sendQueueLimit: { count: 1 } });
    socket.bindSync();
    const controller = new AbortController();
    const { signal } = controller;
    const result = sentWith(socket, 'x', { port: 9, address: 'a.test', signal });
    controller.abort();
    assertAborted((await result)[0], signal.reason);
    const next = sent(socket, 'y', 9, 'a.test'); // it has made room
    calls[0](null, '127.0.0.1', 4); // too late
    calls[1](null, '127.0.0.1', 4);
    assert.deepStrictEqual(await next, [null, 1]);
    assert.strictEqual(socket.stats().datagramsOut, 1);
    const failing = new AbortController();
    const failed = sentWith(socket, 'x', { port: 9, address: 'a.test', signal: failing.signal });
    failing.abort();
    calls[2](new Error('no such host'));
    assertAborted((await failed)[0], failing.signal.reason);
  });

  test('it gives up its place in the look-up of the cache of names', async (t) => {
    const { calls, lookup } = stub();
    const socket = create(t, { lookup, nameCache: { maxEntries: 1, ttl: 1000 } });
    socket.bindSync();
    const controller = new AbortController();
    const { signal } = controller;
    const result = sentWith(socket, 'x', { port: 9, address: 'a.test', signal });
    const other = sent(socket, 'y', 9, 'a.test');
    controller.abort();
    assertAborted((await result)[0], signal.reason);
    calls[0](null, '127.0.0.1', 4);
    assert.deepStrictEqual(await other, [null, 1]);
    assert.strictEqual(calls.length, 1);
    socket.clearNameCache();
    const alone = new AbortController();
    socket.sendWith('x', { port: 9, address: 'a.test', signal: alone.signal });
    alone.abort();
    void sent(socket, 'y', 9, 'a.test'); // the other look-up is nobody's now
    assert.strictEqual(calls.length, 3);
  });

  test('a send that waits for listening is cancelled', async (t) => {
    const { calls, lookup } = stub();
    const socket = create(t, { lookup, sendQueueLimit: { count: 2 } });
    const controller = new AbortController();
    const { signal } = controller;
    const results = [sentWith(socket, 'x', { port: 9, address: '127.0.0.1', signal }),
      sentWith(socket, 'yz', { port: 9, address: '127.0.0.1' })];
    controller.abort();
    assertAborted((await results[0])[0], signal.reason);
    while (calls.length < 1) await turn();
    calls[0](null, '127.0.0.1', 4);
    while (calls.length < 2) await turn();
    calls[1](null, '127.0.0.1', 4);
    assert.deepStrictEqual(await results[1], [null, 2]);
    assert.strictEqual(calls.length, 2);
    for (let i = 0; i < 2; i++) { // all room is free
      const both = [1, 2].map(() => sentWith(socket, 'x', { port: 9, address: 'a' }));
      for (const answer of calls.splice(2)) answer(null, '127.0.0.1', 4);
      for (const result of both) assert.deepStrictEqual(await result, [null, 1]);
    }
  });

  test('a send that the system has no room for is cancelled at once', noHost, async () => {
    const { stdout } = await run(command[0], [...command.slice(1), process.execPath, '-e', blocked]);
    assert.deepStrictEqual(JSON.parse(stdout), { name: 'AbortError', queued: 2, left: 1, cancelled: 1 });
  });

  test('room that a cancelled send has made is made once, also if the bind fails', async (t) => {
    const { calls, lookup } = stub();
    const socket = create(t, { lookup, sendQueueLimit: { count: 1 } });
    const controller = new AbortController();
    const { signal } = controller;
    const result = sentWith(socket, 'x', { port: 9, signal });
    while (calls.length < 1) await turn();
    controller.abort();
    assertAborted((await result)[0], signal.reason);
    const error = once(socket, 'error');
    calls[0](new Error('no such host'));
    await error;
    socket.bindSync();
    void sentWith(socket, 'x', { port: 9, address: 'a' });
    assert.strictEqual((await sentWith(socket, 'x', { port: 9, address: 'a' }))[0].code, 'ENOBUFS');
  });

  test('a failed bind and a close let the signal go', async (t) => {
    const { calls, lookup } = stub();
    const { signal } = new AbortController();
    const socket = create(t, { lookup });
    socket.sendWith('x', { port: 9, signal });
    assert.strictEqual(listeners(signal), 1);
    while (calls.length < 1) await turn();
    const error = once(socket, 'error');
    calls[0](new Error('no such host'));
    await error;
    assert.strictEqual(listeners(signal), 0);
    socket.bindSync();
    const called = t.mock.fn();
    socket.sendWith('x', { port: 9, address: 'a', signal }, called);
    assert.strictEqual(listeners(signal), 1);
    socket.close();
    assert.strictEqual(listeners(signal), 0);
    await once(socket, 'close');
    assert.strictEqual(called.mock.callCount(), 0);
  });

  test('an aborted signal sends nothing', async (t) => {
    const socket = create(t);
    socket.bindSync();
    const signal = AbortSignal.abort('before');
    assertAborted((await sentWith(socket, 'x', { port: 9, signal }))[0], 'before');
    socket.sendWith('x', { port: 9, signal });
    await turn();
    assert.strictEqual(socket.stats().datagramsOut, 0);
    assert.strictEqual(listeners(signal), 0);
  });

  test('a cancelled send without a callback is no error event', async (t) => {
    const socket = create(t, { emitSendErrors: true });
    socket.bindSync();
    socket.connectSync(9, '127.0.0.1');
    const failed = t.mock.fn();
    socket.on('error', failed);
    const controller = new AbortController();
    socket.sendWith('x', { signal: controller.signal });
    controller.abort();
    await turn();
    assert.strictEqual(failed.mock.callCount(), 0);
    assert.strictEqual(socket.stats().sendsCancelled, 1);
  });

  test('a look-up that throws, and a full queue, let the signal go', async (t) => {
    const { signal } = new AbortController();
    const socket = create(t, { lookup: () => { throw new Error('thrown'); } });
    socket.bindSync();
    assert.throws(() => socket.sendWith('x', { port: 9, address: 'a', signal }), { message: 'thrown' });
    assert.strictEqual(listeners(signal), 0);
    const limited = create(t, { sendQueueLimit: { count: 1 } });
    limited.bindSync();
    const results = [1, 2].map(() => sentWith(limited, 'x', { port: 9, signal }));
    assert.strictEqual((await results[1])[0].code, 'ENOBUFS');
    assert.deepStrictEqual(await results[0], [null, 1]);
    assert.strictEqual(listeners(signal), 0);
  });

  test('the callback has the context of its call', async (t) => {
    const socket = create(t, stub());
    socket.bindSync();
    const storage = new AsyncLocalStorage();
    const controller = new AbortController();
    const { signal } = controller;
    const store = storage.run(1, () => new Promise((resolve) =>
      socket.sendWith('x', { port: 9, address: 'a', signal }, () => resolve(storage.getStore()))));
    storage.run(2, () => controller.abort());
    assert.strictEqual(await store, 1);
  });

  test('a time limit of one send', async (t) => {
    const socket = create(t, stub());
    socket.bindSync();
    const keepAlive = setInterval(() => {}, 1000);
    t.after(() => clearInterval(keepAlive));
    const [error] = await sentWith(socket, 'x', { port: 9, address: 'a', signal: AbortSignal.timeout(5) });
    assert.strictEqual(error.name, 'AbortError');
    assert.strictEqual(error.cause.name, 'TimeoutError');
  });

  test('what is no signal is refused', async (t) => {
    const socket = create(t, { sendQueueLimit: { count: 1 } });
    assert.throws(() => socket.sendWith('x', { port: 9, signal: { aborted: false } }), TypeError);
    assert.deepStrictEqual(await sentWith(socket, 'x', { port: 9 }), [null, 1]); // there is room
    for (const signal of [null, 5, 'x', {}, () => {}]) {
      assert.throws(() => socket.sendWith('x', { port: 9, signal }),
        { code: 'ERR_INVALID_ARG_TYPE', message: /"options\.signal" property must be an instance of AbortSignal/ });
    }
  });
});

describe('libdgram/promises with a signal', ours('libdgram/promises is an addition'), () => {
  test('send(), sendWith(): in every form', async (t) => {
    const { calls, lookup } = stub();
    const socket = promises.createSocket({ type: 'udp4', lookup });
    t.after(() => socket.close());
    socket.bindSync();
    const controller = new AbortController();
    const { signal } = controller;
    const buffer = Buffer.from('hello');
    const results = [socket.send('x', 9, { signal }), socket.send('x', 9, 'a', { signal }),
      socket.send(buffer, 1, 2, 9, 'a', { signal }), socket.sendWith('x', { port: 9, signal })];
    assert.strictEqual(calls.length, 4);
    assert.strictEqual(listeners(signal), 1);
    controller.abort();
    for (const { status, reason } of await Promise.allSettled(results)) {
      assert.strictEqual(status, 'rejected');
      assertAborted(reason, signal.reason);
    }
    await assert.rejects(socket.send('x', 9, { signal }), { name: 'AbortError' });
    await assert.rejects(socket.send('x', 9, { signal: 5 }), { code: 'ERR_INVALID_ARG_TYPE' });
    assert.strictEqual(socket.stats().datagramsOut, 0);
    const left = socket.send(buffer, 1, 2, 9, 'a', { signal: new AbortController().signal });
    calls[4](null, '127.0.0.1', 4);
    assert.strictEqual(await left, 2);
  });

  test('an unbound socket, a connected socket', async (t) => {
    const { signal } = new AbortController();
    const receiver = await open(t);
    const { address, port } = receiver.address();
    const socket = promises.createSocket('udp4');
    t.after(() => socket.close());
    assert.strictEqual(await socket.send('abc', port, address, { signal }), 3);
    await socket.connect(port, address);
    assert.strictEqual(await socket.send(['a', 'b'], { signal }), 2);
    const controller = new AbortController();
    const canceled = socket.send('never', { signal: controller.signal });
    controller.abort();
    await assert.rejects(canceled, { name: 'AbortError' });
    assert.strictEqual(socket.stats().datagramsOut, 2);
    assert.strictEqual(listeners(signal), 0);
  });
});

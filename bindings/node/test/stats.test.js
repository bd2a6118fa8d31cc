'use strict';
// stats() and loopStats(): the counters equal what was sent and received.

const assert = require('node:assert');
const { once } = require('node:events');
const { describe, test } = require('node:test');
const { ours } = require('./subject');
const { create, open } = require('./sockets');

describe('stats()', ours('stats() is an addition'), () => {
  test('a new socket has zeros', (t) => {
    const { sendErrors, icmpErrors, ...counters } = create(t).stats();
    assert.deepStrictEqual({ ...sendErrors, ...icmpErrors }, {});
    assert.ok(Object.keys(counters).length > 20);
    for (const name of Object.keys(counters)) {
      assert.match(name, /^[a-z]+([A-Z][a-z]+)*$/);
      assert.strictEqual(counters[name], 0, name);
    }
  });

  test('the counters equal what was sent and received', async (t) => {
    const receiver = await open(t);
    const sender = create(t);
    const { port } = receiver.address();
    const before = receiver.loopStats();
    for (let i = 0; i < 10; i++) {
      const arrived = once(receiver, 'message');
      sender.send('x'.repeat(i), port, '127.0.0.1');
      await arrived;
    }
    const { datagramsOut, bytesOut, sendCalls, sendFailures } = sender.stats();
    assert.deepStrictEqual({ datagramsOut, bytesOut, sendFailures },
      { datagramsOut: 10, bytesOut: 45, sendFailures: 0 });
    assert.ok(sendCalls >= 1 && sendCalls <= 10);
    const { datagramsIn, bytesIn, kernelDrops } = receiver.stats();
    assert.deepStrictEqual({ datagramsIn, bytesIn, kernelDrops },
      { datagramsIn: 10, bytesIn: 45, kernelDrops: 0 });
    const after = receiver.loopStats();
    assert.strictEqual(after.datagramsIn - before.datagramsIn, 10);
    assert.strictEqual(after.datagramsOut - before.datagramsOut, 10);
  });

  test('a failure is counted by its code', async (t) => {
    const sender = await open(t);
    await new Promise((resolve) => sender.send(Buffer.alloc(65508), 9, '127.0.0.1', resolve));
    const { sendErrors, sendFailures, datagramsOut } = sender.stats();
    assert.deepStrictEqual({ sendErrors: { ...sendErrors }, sendFailures, datagramsOut },
      { sendErrors: { EMSGSIZE: 1 }, sendFailures: 1, datagramsOut: 0 });
  });

  test('the text is the counters in one line', async (t) => {
    const socket = await open(t);
    await new Promise((resolve) => socket.send(Buffer.alloc(65508), 9, '127.0.0.1', resolve));
    const text = socket.statsText();
    assert.match(text, /^datagrams_in=0 [^\n]*send_errors=EMSGSIZE:1[^\n]*$/);
    const names = text.split(' ').map((field) => field.split('=')[0].replace(/_([a-z])/g, (_, c) => c.toUpperCase()));
    assert.deepStrictEqual(names, Object.keys(socket.stats()));
    assert.match(socket.loopStatsText(), /^datagrams_in=\d+ /);
  });

  test('a send that a signal cancels before the library has it is counted', async (t) => {
    const lookup = (hostname, family, callback) => {
      if (hostname === '127.0.0.1') process.nextTick(callback, null, hostname, family);
    };
    const controller = new AbortController();
    const { signal } = controller;
    const waiting = create(t, { lookup });
    const before = waiting.loopStats().sendsCancelled;
    const bound = await open(t, { lookup });
    waiting.bind(0, '127.0.0.1');
    waiting.sendWith('x', { port: 9, address: '127.0.0.1', signal });
    bound.sendWith('x', { port: 9, address: 'never.test', signal });
    controller.abort();
    assert.strictEqual(waiting.stats().sendsCancelled, 1);
    assert.strictEqual(bound.stats().sendsCancelled, 1);
    assert.match(bound.statsText(), / sends_cancelled=1 /);
    assert.strictEqual(bound.loopStats().sendsCancelled, before + 2);
  });

  test('a closed socket has none', (t) => {
    const socket = create(t);
    socket.close();
    assert.throws(() => socket.stats(), { code: 'ERR_SOCKET_DGRAM_NOT_RUNNING' });
    assert.throws(() => socket.statsText(), { code: 'ERR_SOCKET_DGRAM_NOT_RUNNING' });
    assert.throws(() => socket.loopStats(), { code: 'ERR_SOCKET_DGRAM_NOT_RUNNING' });
  });

  test('what is replaced in the language does not reach the counters', (t) => {
    const socket = create(t);
    t.mock.method(JSON, 'parse', () => assert.fail('replaced'));
    assert.strictEqual(socket.stats().datagramsIn, 0);
  });
});

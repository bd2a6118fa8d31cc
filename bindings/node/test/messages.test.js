'use strict';
// The event 'messages': a whole batch of datagrams at one call.

const assert = require('node:assert');
const { AsyncLocalStorage } = require('node:async_hooks');
const { once } = require('node:events');
const net = require('node:net');
const { describe, test } = require('node:test');
const child = require('./child');
const { ours } = require('./subject');
const { create, open, sent, turn } = require('./sockets');

const texts = (batch) => batch.map(({ msg }) => String(msg));

// Sends all of them in one turn of the loop, so that they arrive together.
function sendAll(sender, receiver, messages) {
  const { port } = receiver.address();
  for (const message of messages) sender.send(message, port, '127.0.0.1');
}

// The batches that arrive until they are `count` messages together.
async function batches(receiver, count) {
  const arrived = [];
  while (arrived.flat().length < count) arrived.push(...await once(receiver, 'messages'));
  return arrived;
}

describe("'messages'", ours("the event 'messages' is an addition"), () => {
  test('messages sent in one turn arrive in few calls, complete and in order', async (t) => {
    const receiver = await open(t, { recvBufferSize: 1 << 20 });
    const sender = await open(t);
    const sent = Array.from({ length: 500 }, (_, i) => `datagram ${i + 1000}`);
    sendAll(sender, receiver, sent);
    const arrived = await batches(receiver, sent.length);
    assert.deepStrictEqual(texts(arrived.flat()), sent);
    assert.ok(arrived.length <= 125, `${arrived.length} calls`); // 8 and more at once on a busy machine
  });

  test('a message has the same form as an argument of the event message', async (t) => {
    const receiver = await open(t);
    const sender = await open(t);
    sendAll(sender, receiver, ['three', 'one']);
    const [message, other] = (await batches(receiver, 2)).flat();
    const { port } = sender.address();
    assert.deepStrictEqual(Object.keys(message), ['msg', 'rinfo']);
    assert.ok(Buffer.isBuffer(message.msg));
    assert.deepStrictEqual(Object.entries(message.rinfo),
      [['address', '127.0.0.1'], ['family', 'IPv4'], ['port', port], ['size', 5]]);
    assert.deepStrictEqual(other,
      { msg: Buffer.from('one'), rinfo: { ...message.rinfo, size: 3 } });
    assert.notStrictEqual(message.rinfo, other.rinfo);
  });

  test('each message of a batch has its own sender', async (t) => {
    const receiver = await open(t);
    const senders = [await open(t), await open(t), await open(t, {}, '127.0.0.2')];
    const rounds = 20;
    for (let i = 0; i < rounds; i++) {
      for (const [index, sender] of senders.entries())
        sendAll(sender, receiver, [`${i} of ${index}`]);
    }
    const arrived = (await batches(receiver, rounds * senders.length)).flat();
    for (const [index, sender] of senders.entries()) {
      const { address, port } = sender.address();
      const own = arrived.filter(({ rinfo }) => rinfo.address === address && rinfo.port === port);
      assert.deepStrictEqual(texts(own),
        Array.from({ length: rounds }, (_, i) => `${i} of ${index}`));
    }
  });

  test('empty and full-sized datagrams are members of a batch', async (t) => {
    const receiver = await open(t);
    const sender = await open(t);
    const sent = ['', 'a', '', '', 'x'.repeat(65507), 'b', ''];
    sendAll(sender, receiver, sent);
    const arrived = (await batches(receiver, sent.length)).flat();
    assert.deepStrictEqual(texts(arrived), sent);
    assert.deepStrictEqual(arrived.map(({ rinfo }) => rinfo.size), sent.map((s) => s.length));
  });

  test('messages that are kept stay what they are when more arrive', async (t) => {
    const receiver = await open(t);
    const sender = await open(t);
    const kept = [];
    const sent = [];
    for (let round = 0; round < 20; round++) {
      const block = Array.from({ length: 20 }, (_, i) => `${round}/${i}`.padEnd(1000, '.'));
      sent.push(...block);
      sendAll(sender, receiver, block);
      kept.push(...(await batches(receiver, block.length)).flat());
    }
    assert.deepStrictEqual(texts(kept), sent);
  });

  test("listeners of 'message' get each message as well, after the batch", async (t) => {
    const receiver = await open(t);
    const sender = await open(t);
    const log = [];
    receiver.on('message', (msg, rinfo) => log.push({ msg, rinfo }));
    let emitted = 0;
    receiver.on('messages', (batch) => {
      assert.strictEqual(log.length, emitted);
      emitted += batch.length;
    });
    const sent = ['a', '', 'b', 'c'];
    sendAll(sender, receiver, sent);
    const arrived = (await batches(receiver, sent.length)).flat();
    await new Promise(setImmediate);
    assert.deepStrictEqual(texts(log), sent);
    assert.deepStrictEqual(log, arrived);
  });

  test('once() gets one batch, off() none', async (t) => {
    const receiver = await open(t);
    const sender = await open(t);
    const calls = [];
    const unwanted = () => calls.push('unwanted');
    receiver.once('messages', (batch) => calls.push(texts(batch)));
    receiver.on('messages', unwanted).off('messages', unwanted);
    for (const message of ['first', 'second']) {
      sendAll(sender, receiver, [message]);
      await once(receiver, 'message');
    }
    assert.deepStrictEqual(calls, [['first']]);
  });

  test('without a listener each message is emitted alone', async (t) => {
    const receiver = await open(t);
    const sender = await open(t);
    const emitted = [];
    const { emit } = receiver;
    receiver.emit = function(event, ...args) {
      emitted.push(event);
      return emit.call(this, event, ...args);
    };
    sendAll(sender, receiver, ['a', 'b']);
    await once(receiver, 'message');
    while (emitted.length < 2) await once(receiver, 'message');
    assert.deepStrictEqual(emitted, ['message', 'message']);
  });

  test('a listener that comes in the middle of a batch gets the rest of it', async (t) => {
    const receiver = await open(t);
    const sender = await open(t);
    const sent = Array.from({ length: 50 }, (_, i) => `${i}`);
    const alone = [];
    const together = [];
    await new Promise((resolve) => {
      receiver.on('message', function onMessage(msg) {
        alone.push(String(msg));
        if (alone.length < 10) return;
        receiver.off('message', onMessage);
        receiver.on('messages', (batch) => {
          together.push(...texts(batch));
          if (alone.length + together.length >= sent.length) resolve();
        });
      });
      sendAll(sender, receiver, sent);
    });
    assert.deepStrictEqual(alone, sent.slice(0, 10));
    assert.deepStrictEqual(together, sent.slice(10));
  });

  test("after close() in the listener no 'message' comes", async (t) => {
    const receiver = await open(t);
    const sender = await open(t);
    const log = [];
    receiver.on('messages', () => {
      log.push('messages');
      receiver.close();
    });
    receiver.on('message', () => log.push('message'));
    receiver.on('close', () => log.push('close'));
    sendAll(sender, receiver, Array.from({ length: 100 }, String));
    await once(receiver, 'close');
    await new Promise(setImmediate);
    assert.deepStrictEqual(log, ['messages', 'close']);
  });

  test("close() in 'message' ends the messages of the batch", async (t) => {
    const receiver = await open(t);
    const sender = await open(t);
    const log = [];
    receiver.on('messages', () => {});
    receiver.on('message', (msg) => {
      log.push(String(msg));
      if (log.length === 3) receiver.close();
    });
    sendAll(sender, receiver, ['1', '2', '3', '4', '5']);
    await once(receiver, 'close');
    assert.deepStrictEqual(log, ['1', '2', '3']);
  });

  test('a listener that throws does not hold up what comes after', async () => {
    const [thrown, arrived] = await child.reports(({ dgram, report }) => {
      const receivers = ['a', 'b'].map(() => dgram.createSocket('udp4'));
      const sender = dgram.createSocket('udp4');
      const thrown = [];
      const arrived = [];
      process.on('uncaughtException', (error) => thrown.push(error.message));
      const sendTo = (receiver, text) => sender.send(text, receiver.address().port, '127.0.0.1');
      const end = () => {
        report(thrown);
        report(arrived.sort());
        for (const socket of [...receivers, sender]) socket.close();
      };
      for (const [index, receiver] of receivers.entries()) {
        receiver.on('messages', (batch) => {
          for (const { msg } of batch) arrived.push(`${index}: ${msg}`);
          if (thrown.length < 2) {
            setImmediate(sendTo, receiver, 'later');
            throw new Error('of the listener');
          }
          if (arrived.length === 6) end();
        });
      }
      const go = () => {
        for (const receiver of receivers) {
          for (const text of ['x', 'y']) sendTo(receiver, text);
        }
      };
      receivers[0].bind(0, '127.0.0.1', () => receivers[1].bind(0, '127.0.0.1', go));
    });
    assert.deepStrictEqual(thrown, ['of the listener', 'of the listener']);
    assert.deepStrictEqual(arrived, ['0: later', '0: x', '0: y', '1: later', '1: x', '1: y']);
  });

  test('senders that receiveBlockList has are left out, and no batch is empty', async (t) => {
    const receiveBlockList = new net.BlockList();
    receiveBlockList.addAddress('127.0.0.2');
    const receiver = await open(t, { receiveBlockList }, '0.0.0.0');
    const blocked = await open(t, {}, '127.0.0.2');
    const welcome = await open(t);
    const sizes = [];
    receiver.on('messages', (batch) => sizes.push(batch.length));
    await sent(blocked, 'no', receiver.address().port, '127.0.0.1');
    await turn();
    sendAll(welcome, receiver, ['a']);
    sendAll(blocked, receiver, ['no']);
    sendAll(welcome, receiver, ['b']);
    sendAll(blocked, receiver, ['no']);
    assert.deepStrictEqual(texts((await batches(receiver, 2)).flat()), ['a', 'b']);
    await new Promise(setImmediate);
    assert.strictEqual(sizes.reduce((sum, size) => sum + size), 2);
    assert.ok(!sizes.includes(0));
  });

  test('ticks and microtasks run between two batches', async (t) => {
    const receivers = [await open(t), await open(t)];
    const sender = await open(t);
    const log = [];
    for (const receiver of receivers) {
      receiver.on('messages', () => {
        log.push('messages');
        process.nextTick(() => log.push('tick'));
        Promise.resolve().then(() => log.push('microtask'));
      });
      sendAll(sender, receiver, ['x']);
    }
    await Promise.all(receivers.map((receiver) => once(receiver, 'messages')));
    await new Promise(setImmediate);
    const each = ['messages', 'tick', 'microtask'];
    assert.deepStrictEqual(log, [...each, ...each]);
  });

  test('the listener runs in the async context of createSocket()', async (t) => {
    const storage = new AsyncLocalStorage();
    const receiver = storage.run('creation', () => create(t));
    await storage.run('bind', async () => {
      receiver.bind(0, '127.0.0.1');
      await once(receiver, 'listening');
    });
    const sender = await open(t);
    const seen = await storage.run('listen', () => new Promise((resolve) => {
      receiver.on('messages', () => resolve(storage.getStore()));
      sendAll(sender, receiver, ['x']);
    }));
    assert.strictEqual(seen, 'creation');
  });

  test('a socket that connects itself to its sender batches too', async (t) => {
    const receiver = await open(t);
    const sender = await open(t);
    receiver.connect(sender.address().port, '127.0.0.1');
    await once(receiver, 'connect');
    sendAll(sender, receiver, ['a', 'b', 'c']);
    assert.deepStrictEqual(texts((await batches(receiver, 3)).flat()), ['a', 'b', 'c']);
  });
});

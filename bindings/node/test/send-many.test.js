'use strict';
// sendMany(): many datagrams by one call, with one callback.

const assert = require('node:assert');
const { once } = require('node:events');
const { BlockList } = require('node:net');
const { describe, test } = require('node:test');
const { ours } = require('./subject');
const { create, open, sent, withIPv6 } = require('./sockets');

const sentMany = (socket, list) =>
  new Promise((resolve) => socket.sendMany(list, (...result) => resolve(result)));

// The messages that arrive, as text, until there are so many.
async function texts(receiver, count) {
  const arrived = [];
  while (arrived.length < count) {
    const [batch] = await once(receiver, 'messages');
    arrived.push(...batch.map(({ msg }) => String(msg)));
  }
  return arrived;
}

describe('sendMany()', ours('sendMany() is an addition'), () => {
  test('the datagrams of a list arrive complete and in order', async (t) => {
    const receiver = await open(t, { recvBufferSize: 1 << 20 });
    const { port } = receiver.address();
    const list = Array.from({ length: 300 }, (_, i) => ({ msg: `datagram ${i}`, port }));
    const arrived = texts(receiver, 300);
    assert.deepStrictEqual(await sentMany(create(t), list), [null, 300]);
    assert.deepStrictEqual(await arrived, list.map(({ msg }) => msg));
  });

  test('each kind of payload is sent as send() sends it', async (t) => {
    const receiver = await open(t);
    const { port } = receiver.address();
    const bytes = Uint8Array.from('<view>', (c) => c.charCodeAt(0));
    const payloads = ['text', '', Buffer.from('buffer'), bytes.subarray(1, 5),
      new DataView(bytes.buffer, 0, 3), new Uint16Array(bytes.buffer), ['list ', Buffer.from('of '), 'parts'], []];
    const arrived = texts(receiver, payloads.length);
    const sender = create(t);
    assert.deepStrictEqual(await sentMany(sender, payloads.map((msg) => ({ msg, port }))),
      [null, payloads.length]);
    assert.deepStrictEqual(await arrived,
      ['text', '', 'buffer', 'view', '<vi', '<view>', 'list of parts', '']);
  });

  test('each datagram goes to its own destination', async (t) => {
    const receivers = [await open(t), await open(t, {}, '127.0.0.2'), await open(t)];
    const list = Array.from({ length: 30 }, (_, i) => {
      const { address, port } = receivers[i % 3].address();
      return { msg: `${i}`, port, address };
    });
    const arrived = receivers.map((receiver) => texts(receiver, 10));
    assert.deepStrictEqual(await sentMany(create(t), list), [null, 30]);
    for (const [index, received] of (await Promise.all(arrived)).entries())
      assert.deepStrictEqual(received, Array.from({ length: 10 }, (_, i) => `${3 * i + index}`));
  });

  test('a connected socket sends payloads, and objects with msg', async (t) => {
    const receiver = await open(t);
    const sender = create(t);
    sender.connect(receiver.address().port);
    await once(sender, 'connect');
    const arrived = texts(receiver, 3);
    assert.deepStrictEqual(await sentMany(sender, ['one', ['t', 'wo'], { msg: 'three' }]), [null, 3]);
    assert.deepStrictEqual(await arrived, ['one', 'two', 'three']);
    assert.throws(() => sender.sendMany([{ msg: 'x', port: 1 }]),
      { code: 'ERR_SOCKET_DGRAM_IS_CONNECTED' });
  });

  test('an entry has options of its own, and others do not', async (t) => {
    const receiver = await open(t, { receiveInfo: ['ttl', 'tos'] });
    const { port } = receiver.address();
    const list = [{ msg: 'a', port, source: '127.0.0.2', ttl: 9 }, { msg: 'b', port },
      { msg: 'c', port, dscp: 46, ecn: 2, dontFragment: true, interface: 'lo' },
      { msg: 'd', port, ttl: 9, source: '127.0.0.2' }];
    const arrived = [];
    const all = new Promise((resolve) => receiver.on('message', (msg, { address, ttl, dscp, ecn }) => {
      arrived.push([String(msg), address, ttl, dscp, ecn]);
      if (arrived.length === 4)
        resolve();
    }));
    assert.deepStrictEqual(await sentMany(create(t), list), [null, 4]);
    await all;
    assert.deepStrictEqual(arrived, [['a', '127.0.0.2', 9, 0, 0], ['b', '127.0.0.1', 64, 0, 0],
      ['c', '127.0.0.1', 64, 46, 2], ['d', '127.0.0.2', 9, 0, 0]]);
  });

  test('an entry with a segment size leaves as several datagrams, and counts once', async (t) => {
    const receiver = await open(t, { recvBufferSize: 1 << 20 });
    const sender = create(t);
    sender.bindSync();
    sender.connectSync(receiver.address().port, '127.0.0.1');
    const sizes = [];
    const all = new Promise((resolve) => receiver.on('message', ({ length }) => {
      sizes.push(length);
      if (length === 3)
        resolve();
    }));
    const list = [{ msg: Buffer.alloc(70001), segmentSize: 1000 }, 'end'];
    assert.deepStrictEqual(await sentMany(sender, list), [null, 2]);
    await all;
    assert.deepStrictEqual(sizes, [...new Array(70).fill(1000), 1, 3]);
  });

  test('the options of an entry are checked, and what the system refuses is the error', async (t) => {
    const sender = create(t);
    for (const bad of [{ ttl: 0 }, { dscp: 64 }, { segmentSize: 65508 }, { departure: -1n }])
      assert.throws(() => sender.sendMany([{ msg: 'x', port: 9 }, { msg: 'x', port: 9, ...bad }]),
        { code: 'ERR_OUT_OF_RANGE', message: /list\[1\]\./ });
    for (const bad of [{ ttl: '1' }, { source: 5 }, { dontFragment: 1 }, { departure: 1 }])
      assert.throws(() => sender.sendMany([{ msg: 'x', port: 9, ...bad }]), { code: 'ERR_INVALID_ARG_TYPE' });
    const port = (await open(t)).address().port;
    const [error, count] = await sentMany(sender, [{ msg: 'x', port }, { msg: 'x', port, interface: 'none-such' }]);
    assert.deepStrictEqual([error.code, count], ['ENODEV', 1]);
    const [longest] = await sentMany(sender, [{ msg: Buffer.alloc(65508), port, ttl: 9 }]);
    assert.strictEqual(longest.code, 'EMSGSIZE');
  });

  test('IPv6 destinations', withIPv6, async (t) => {
    const receiver = await open(t, { type: 'udp6' }, '::1');
    const { port } = receiver.address();
    const arrived = texts(receiver, 2);
    const list = [{ msg: 'a', port }, { msg: 'b', port, address: '::1' }];
    assert.deepStrictEqual(await sentMany(create(t, { type: 'udp6' }), list), [null, 2]);
    assert.deepStrictEqual(await arrived, ['a', 'b']);
  });

  test('sends before and after a list keep their order', async (t) => {
    const receiver = await open(t);
    const { port } = receiver.address();
    const sender = await open(t);
    const arrived = texts(receiver, 4);
    sender.send('1', port, '127.0.0.1');
    sender.sendMany([{ msg: '2', port }, { msg: '3', port }]);
    sender.send('4', port, '127.0.0.1');
    assert.deepStrictEqual(await arrived, ['1', '2', '3', '4']);
  });

  test('the bytes are copied inside the call', async (t) => {
    const receiver = await open(t);
    const { port } = receiver.address();
    const sender = await open(t);
    const buffer = Buffer.from('before');
    const list = [{ msg: buffer, port }];
    const arrived = texts(receiver, 1);
    sender.sendMany(list);
    buffer.fill('x');
    list.length = 0;
    assert.deepStrictEqual(await arrived, ['before']);
  });

  test('a name is looked up once for the whole list', async (t) => {
    const receiver = await open(t);
    const { port } = receiver.address();
    const asked = [];
    const sender = create(t, { lookup: (name, family, callback) => {
      asked.push(name);
      setImmediate(callback, null, '127.0.0.1', 4);
    } });
    const arrived = texts(receiver, 4);
    const address = 'receiver.example';
    const list = ['a', 'b', 'c'].map((msg) => ({ msg, port, address }));
    sender.bind(0);
    await once(sender, 'listening');
    asked.length = 0;
    await sentMany(sender, [...list, { msg: 'd', port }]);
    assert.deepStrictEqual(asked, [address, '127.0.0.1']);
    assert.deepStrictEqual(await arrived, ['a', 'b', 'c', 'd']);
  });

  test('if a name is unknown nothing is sent', async (t) => {
    const receiver = await open(t);
    const { port } = receiver.address();
    const sender = await open(t);
    receiver.on('message', (msg) => assert.strictEqual(String(msg), 'last'));
    const [error, count] = await sentMany(sender,
      [{ msg: 'first', port }, { msg: 'second', port, address: 'no.such.host.invalid' }]);
    assert.match(error.code, /^(ENOTFOUND|EAI_AGAIN)$/);
    assert.strictEqual(count, 0);
    await sent(sender, 'last', port, '127.0.0.1');
    await once(receiver, 'message');
  });

  test('a datagram that fails: the others leave, the error names its destination', async (t) => {
    const receiver = await open(t);
    const { port } = receiver.address();
    const arrived = texts(receiver, 2);
    const [error, count] = await sentMany(await open(t),
      [{ msg: 'ok', port }, { msg: Buffer.alloc(70_000), port, address: '127.0.0.2' }, { msg: 'too', port }]);
    assert.strictEqual(error.message, `send EMSGSIZE 127.0.0.2:${port}`);
    assert.strictEqual(count, 2);
    assert.deepStrictEqual(await arrived, ['ok', 'too']);
  });

  test('without a callback an error is silent, or with emitSendErrors an event', async (t) => {
    const list = [{ msg: Buffer.alloc(70_000), port: 9 }];
    const silent = await open(t);
    silent.on('error', assert.fail);
    silent.sendMany(list);
    const loud = await open(t, { emitSendErrors: true });
    loud.sendMany(list);
    const [error] = await once(loud, 'error');
    assert.strictEqual(error.code, 'EMSGSIZE');
  });

  test('an address of a block list: nothing is sent', async (t) => {
    const sendBlockList = new BlockList();
    sendBlockList.addAddress('127.0.0.2');
    const sender = await open(t, { sendBlockList });
    const [error, count] = await sentMany(sender,
      [{ msg: 'a', port: 9 }, { msg: 'b', port: 9, address: '127.0.0.2' }]);
    assert.strictEqual(error.code, 'ERR_IP_BLOCKED');
    assert.strictEqual(count, 0);
  });

  test('an empty list calls back with 0', async (t) => {
    assert.deepStrictEqual(await sentMany(create(t), []), [null, 0]);
  });

  test('a list for an unbound socket leaves after listening', async (t) => {
    const receiver = await open(t);
    const { port } = receiver.address();
    const sender = create(t);
    const events = [];
    sender.on('listening', () => events.push('listening'));
    const arrived = texts(receiver, 1);
    await sentMany(sender, [{ msg: 'x', port }]);
    assert.deepStrictEqual([...events, ...await arrived], ['listening', 'x']);
  });

  test('arguments that are wrong are refused before anything is sent', async (t) => {
    const sender = await open(t);
    const refused = (list, code, callback) =>
      assert.throws(() => sender.sendMany(list, callback), { code });
    refused('text', 'ERR_INVALID_ARG_TYPE');
    refused(undefined, 'ERR_INVALID_ARG_TYPE');
    refused({ length: 1 }, 'ERR_INVALID_ARG_TYPE');
    refused([null], 'ERR_INVALID_ARG_TYPE');
    refused(['payload alone'], 'ERR_INVALID_ARG_TYPE');
    refused([{ msg: 5, port: 1 }], 'ERR_INVALID_ARG_TYPE');
    refused([{ msg: [5], port: 1 }], 'ERR_INVALID_ARG_TYPE');
    refused([{ msg: 'x', port: 1, address: 5 }], 'ERR_INVALID_ARG_TYPE');
    refused([{ msg: 'x' }], 'ERR_SOCKET_BAD_PORT');
    refused([{ msg: 'x', port: 65536 }], 'ERR_SOCKET_BAD_PORT');
    refused([], 'ERR_INVALID_ARG_TYPE', 'no function');
    sender.close();
    refused([], 'ERR_SOCKET_DGRAM_NOT_RUNNING');
  });

  test('a getter of the list that closes the socket', async (t) => {
    const sender = await open(t);
    const trap = { port: 9, get msg() { sender.close(); return 'x'; } };
    assert.throws(() => sender.sendMany([trap]), { code: 'ERR_SOCKET_DGRAM_NOT_RUNNING' });
  });
});

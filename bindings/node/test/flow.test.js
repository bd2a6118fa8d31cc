'use strict';
// Pause and resume, the limit of the send queue, time limits.

const assert = require('node:assert');
const { execFile } = require('node:child_process');
const { once } = require('node:events');
const { describe, test } = require('node:test');
const { promisify } = require('node:util');
const { findNamespace } = require('./namespace');
const { dgram, modulePath, ours } = require('./subject');
const { create, open, sent, turn } = require('./sockets');

const addition = ours('flow control is an addition');
const run = promisify(execFile);
const { command, noHost: why } = findNamespace();
const noHost = { skip: why || false };

// A look-up that keeps its calls, but for the address of the bind.
function stub() {
  const calls = [];
  const lookup = (hostname, family, callback) => {
    if (hostname === '127.0.0.1') process.nextTick(callback, null, hostname, family);
    else calls.push(callback);
  };
  return { calls, lookup };
}

// On a host of its own: nobody there answers to ARP, so datagrams stay in the send buffer, and sends
// in the queue. The time limit is set when some are there.
const blocked = `
  const socket = require(${JSON.stringify(modulePath)}).createSocket({ type: 'udp4', sendBufferSize: 1 });
  socket.bindSync();
  const more = () => {
    socket.send(Buffer.alloc(1400), 9, '10.0.1.99', (error) => {
      if (!error)
        return;
      console.log(error.code);
      process.exit();
    });
    setImmediate(() => {
      if (socket.getSendQueueCount() === 0)
        more();
      else
        socket.setSendTimeout(1);
    });
  };
  more();`;

async function settled() {
  for (let i = 0; i < 10; i++) await turn();
}

describe('pause() and resume()', addition, () => {
  test('what arrives while a socket is paused comes after the resume, in order', async (t) => {
    const arrived = [];
    const receiver = await open(t);
    receiver.on('message', (msg) => arrived.push(String(msg)));
    assert.strictEqual(receiver.isPaused(), false);
    assert.strictEqual(receiver.pause(), receiver);
    assert.strictEqual(receiver.isPaused(), true);
    const { port } = receiver.address();
    const sender = create(t);
    for (const text of ['a', 'b', 'c']) await sent(sender, text, port);
    await settled();
    assert.deepStrictEqual(arrived, []);
    assert.strictEqual(receiver.resume(), receiver);
    while (arrived.length < 3) await turn();
    assert.deepStrictEqual(arrived, ['a', 'b', 'c']);
  });

  for (const pooledMessages of [false, true]) {
    test(`a pause in a listener takes effect before the next message, pool: ${pooledMessages}`,
      async (t) => {
        const arrived = [];
        const receiver = await open(t, { pooledMessages, recvBufferSize: 1 << 20 });
        receiver.on('message', (msg) => {
          assert.strictEqual(receiver.isPaused(), false);
          arrived.push(Number(msg));
          if (arrived.length % 3 === 0) receiver.pause();
        });
        receiver.pause();
        const { port } = receiver.address();
        const list = Array.from({ length: 100 }, (_, i) => ({ msg: String(i), port }));
        await new Promise((resolve) => create(t).sendMany(list, resolve));
        for (let count = 3; count <= 100; count += 3) {
          receiver.resume();
          while (arrived.length < count) await turn();
          await settled();
          assert.strictEqual(arrived.length, count);
        }
        receiver.resume();
        while (arrived.length < 100) await turn();
        assert.deepStrictEqual(arrived, list.map((_, i) => i));
      });
  }

  test('a pause in a tick of a message takes effect before the next message', async (t) => {
    const arrived = [];
    const receiver = await open(t);
    receiver.on('message', (msg) => {
      arrived.push(String(msg));
      process.nextTick(() => receiver.pause());
    });
    const { port } = receiver.address();
    const list = ['a', 'b'].map((msg) => ({ msg, port }));
    await new Promise((resolve) => create(t).sendMany(list, resolve));
    await settled();
    assert.deepStrictEqual(arrived, ['a']);
    receiver.resume();
    while (arrived.length < 2) await turn();
    assert.deepStrictEqual(arrived, ['a', 'b']);
  });

  test('a listener pauses and closes', async (t) => {
    const receiver = await open(t);
    let count = 0;
    receiver.on('message', () => {
      count++;
      receiver.pause();
      receiver.close();
    });
    const { port } = receiver.address();
    const list = ['a', 'b'].map((msg) => ({ msg, port }));
    await Promise.all([once(receiver, 'close'),
      new Promise((resolve) => create(t).sendMany(list, resolve))]);
    assert.strictEqual(count, 1);
    assert.strictEqual(receiver.isPaused(), false);
    assert.strictEqual(receiver.pause().resume(), receiver);
  });

  test('without a listener a socket waits, if it has the option', async (t) => {
    const receiver = await open(t, { pauseWithoutListener: true });
    const { port } = receiver.address();
    const sender = create(t);
    for (const text of ['a', 'b', 'c', 'd']) await sent(sender, text, port);
    await settled();
    assert.strictEqual(receiver.isPaused(), false);
    for (const text of ['a', 'b']) {
      const [msg] = await once(receiver, 'message');
      assert.strictEqual(String(msg), text);
      await settled();
    }
    receiver.removeAllListeners();
    await settled();
    const [messages] = await once(receiver, 'messages');
    assert.strictEqual(String(messages[0].msg), 'c');
  });
});

describe('the limit of the send queue', addition, () => {
  const limited = (sendQueueLimit, more) => ({ sendQueueLimit, ...more });

  test('a send beyond the limit fails with ENOBUFS, and drain follows', async (t) => {
    const receiver = await open(t);
    const { address, port } = receiver.address();
    const sender = await open(t, limited({ count: 2 }));
    const results = ['a', 'b', 'c'].map((text) => sent(sender, text, port, address));
    const drained = once(sender, 'drain');
    const errors = (await Promise.all(results)).map(([error]) => error);
    assert.deepStrictEqual(errors.map((error) => error?.code), [undefined, undefined, 'ENOBUFS']);
    assert.strictEqual(errors[2].message, `send ENOBUFS ${address}:${port}`);
    await drained;
    assert.strictEqual((await sent(sender, 'd', port))[0], null);
  });

  test('bytes count, and an empty queue accepts what is larger', async (t) => {
    const receiver = await open(t);
    const { port } = receiver.address();
    const sender = await open(t, limited({ bytes: 10 }));
    const results = [sent(sender, 'x'.repeat(100), port), sent(sender, 'y', port)];
    await once(sender, 'drain');
    const codes = (await Promise.all(results)).map(([error]) => error?.code);
    assert.deepStrictEqual(codes, [undefined, 'ENOBUFS']);
  });

  test('sends count that wait for listening or a look-up', async (t) => {
    const answers = [];
    const lookup = (hostname, family, callback) => answers.push(callback);
    const sender = create(t, limited({ count: 3 }, { lookup }));
    const results = [1, 2].map(() => sent(sender, 'x', 1, 'name'));
    while (answers.length < 1) await turn();
    answers.shift()(null, '127.0.0.1', 4); // of the bind
    while (answers.length < 2) await turn();
    results.push(sent(sender, 'x', 1, 'name'), sent(sender, 'x', 1, 'name'));
    assert.strictEqual((await results[3])[0].code, 'ENOBUFS');
    const drained = once(sender, 'drain');
    while (answers.length > 0) answers.shift()(null, '127.0.0.1', 4);
    await drained;
    for (const result of results.slice(0, 3))
      assert.strictEqual((await result)[0], null);
  });

  test('what a failed bind drops makes room', async (t) => {
    const lookup = (hostname, family, callback) =>
      setImmediate(callback, new Error('no such host'));
    const sender = create(t, limited({ count: 1 }, { lookup }));
    for (let i = 0; i < 3; i++) {
      sender.send('x', 1, 'name', () => {}); // dropped with the bind, as by the built-in
      const [error] = await once(sender, 'error');
      assert.strictEqual(error.message, 'no such host');
    }
  });

  test('sends without a callback count, and fail silently', async (t) => {
    const receiver = await open(t);
    const { port } = receiver.address();
    for (const emitSendErrors of [false, true]) {
      const sender = await open(t, limited({ count: 1 }, { emitSendErrors }));
      const codes = [];
      sender.on('error', ({ code }) => codes.push(code));
      const drained = new Promise((resolve) => sender.once('drain', resolve));
      sender.send('a', port);
      sender.send('b', port);
      await drained;
      await settled();
      assert.deepStrictEqual(codes, emitSendErrors ? ['ENOBUFS'] : []);
    }
  });

  test('a list of sendMany() is accepted as a whole, or not', async (t) => {
    const receiver = await open(t);
    const { port } = receiver.address();
    const sender = await open(t, limited({ count: 5 }));
    const list = Array.from({ length: 4 }, () => ({ msg: 'x', port }));
    const many = () => new Promise((resolve) => sender.sendMany(list, (...r) => resolve(r)));
    const [first, second] = await Promise.all([many(), many()]);
    assert.deepStrictEqual(first, [null, 4]);
    assert.strictEqual(second[0].code, 'ENOBUFS');
    assert.strictEqual(second[1], 0);
    assert.deepStrictEqual(await many(), [null, 4]);
  });

  test('the limit can be set, changed and lifted later', async (t) => {
    const sender = await open(t);
    const codes = async (count) => {
      const results = Array.from({ length: count }, () => sent(sender, 'x', 9, '127.0.0.1'));
      return (await Promise.all(results)).map(([error]) => error?.code);
    };
    assert.deepStrictEqual(await codes(3), [undefined, undefined, undefined]);
    sender.setSendQueueLimit({ count: 1 });
    assert.deepStrictEqual(await codes(3), [undefined, 'ENOBUFS', 'ENOBUFS']);
    sender.setSendQueueLimit({ count: 2 });
    assert.deepStrictEqual(await codes(3), [undefined, undefined, 'ENOBUFS']);
    sender.setSendQueueLimit({});
    assert.deepStrictEqual(await codes(3), [undefined, undefined, undefined]);
  });

  test('lifting the limit is the drain of what was refused', async (t) => {
    const { lookup, calls } = stub();
    const sender = await open(t, { lookup, sendQueueLimit: { count: 1 } });
    sender.send('x', 9, 'waits.test');
    assert.strictEqual((await sent(sender, 'x', 9, 'waits.test'))[0].code, 'ENOBUFS');
    const drained = once(sender, 'drain');
    sender.setSendQueueLimit({});
    await drained;
    for (const bad of [undefined, null, 5, { count: -1 }])
      assert.throws(() => sender.setSendQueueLimit(bad), { code: /^ERR_(INVALID_ARG_TYPE|OUT_OF_RANGE)$/ });
    assert.strictEqual(calls.length, 1);
    sender.close();
    assert.throws(() => sender.setSendQueueLimit({}), { code: 'ERR_SOCKET_DGRAM_NOT_RUNNING' });
  });

  test('bad limits are refused', () => {
    for (const sendQueueLimit of [null, 5, { bytes: '1' }, { count: -1 }, { bytes: 1.5 },
      { count: 1, lowCount: 2 }, { bytes: 1, lowBytes: 2 }]) {
      assert.throws(() => dgram.createSocket({ type: 'udp4', sendQueueLimit }),
        { code: /^ERR_(INVALID_ARG_TYPE|OUT_OF_RANGE)$/ });
    }
    for (const ms of [-1, 1.5, '1', 2 ** 31, NaN]) {
      for (const name of ['sendTimeout', 'lookupTimeout']) {
        assert.throws(() => dgram.createSocket({ type: 'udp4', [name]: ms }),
          { code: /^ERR_(INVALID_ARG_TYPE|OUT_OF_RANGE)$/ });
      }
    }
  });
});

describe('time limits', addition, () => {
  test('the look-up of a send, a bind and a connect ends with ETIMEDOUT', async (t) => {
    const keepAlive = setInterval(() => {}, 1000);
    t.after(() => clearInterval(keepAlive));
    const answers = [];
    const lookup = (hostname, family, callback) => {
      if (hostname === 'slow.test') answers.push(callback);
      else callback(null, hostname, 4);
    };
    const socket = create(t, { lookup, lookupTimeout: 5 });
    const listening = once(socket, 'listening');
    socket.bind(0, '127.0.0.1');
    await listening;
    const [error] = await sent(socket, 'x', 1, 'slow.test');
    assert.strictEqual(error.code, 'ETIMEDOUT');
    assert.strictEqual(error.syscall, 'getaddrinfo');
    assert.strictEqual(error.hostname, 'slow.test');
    const connectError = await new Promise((resolve) => socket.connect(1, 'slow.test', resolve));
    assert.strictEqual(connectError.code, 'ETIMEDOUT');
    const other = create(t, { lookup, lookupTimeout: 5 });
    const bindError = await new Promise((resolve) => {
      other.once('error', resolve);
      other.bind(0, 'slow.test');
    });
    assert.strictEqual(bindError.code, 'ETIMEDOUT');
    assert.strictEqual(answers.length, 3);
    for (const answer of answers) answer(null, '127.0.0.1', 4); // too late: nothing happens
    await settled();
    assert.strictEqual((await sent(socket, 'x', 1, '127.0.0.1'))[0], null);
  });

  test('a look-up that throws has no time-out besides', async (t) => {
    const lookup = (hostname, family, callback) => {
      if (hostname === 'bad.test') throw new Error('thrown');
      else if (hostname !== 'slow.test') callback(null, hostname, 4);
    };
    const socket = create(t, { lookup, lookupTimeout: 1 });
    const listening = once(socket, 'listening');
    socket.bind(0, '127.0.0.1');
    await listening;
    const keepAlive = setInterval(() => {}, 1000);
    t.after(() => clearInterval(keepAlive));
    const called = t.mock.fn();
    assert.throws(() => socket.send('x', 1, 'bad.test', called), { message: 'thrown' });
    await sent(socket, 'x', 1, 'slow.test'); // its time is over later
    await settled();
    assert.strictEqual(called.mock.callCount(), 0);
  });

  test('time limits can be set later', async (t) => {
    const keepAlive = setInterval(() => {}, 1000);
    t.after(() => clearInterval(keepAlive));
    const { lookup } = stub();
    const socket = await open(t, { lookup });
    socket.setLookupTimeout(5);
    assert.strictEqual((await sent(socket, 'x', 1, 'slow.test'))[0].code, 'ETIMEDOUT');
    for (const name of ['setSendTimeout', 'setLookupTimeout']) {
      for (const bad of [undefined, '1', -1, 1.5, 2 ** 31])
        assert.throws(() => socket[name](bad), { code: /^ERR_(INVALID_ARG_TYPE|OUT_OF_RANGE)$/ });
      socket[name](0);
    }
    socket.close();
    assert.throws(() => socket.setSendTimeout(1), { code: 'ERR_SOCKET_DGRAM_NOT_RUNNING' });
    assert.throws(() => socket.setLookupTimeout(1), { code: 'ERR_SOCKET_DGRAM_NOT_RUNNING' });
  });

  test('a send that the system has no room for ends with a limit that is set meanwhile', noHost, async () => {
    const { stdout } = await run(command[0], [...command.slice(1), process.execPath, '-e', blocked]);
    assert.strictEqual(stdout.trim(), 'ETIMEDOUT');
  });

  test('sends that leave in time leave', async (t) => {
    const receiver = await open(t);
    const sender = await open(t, { sendTimeout: 1000, lookupTimeout: 1000 });
    assert.deepStrictEqual(await sent(sender, 'abc', receiver.address().port, 'localhost'),
      [null, 3]);
  });
});

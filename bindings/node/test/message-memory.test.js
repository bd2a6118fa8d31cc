'use strict';
// Whose memory a message is: its own, as with the built-in; or with `pooledMessages` its socket's.

const assert = require('node:assert');
const { once } = require('node:events');
const { describe, test } = require('node:test');
const { MessageChannel, Worker, receiveMessageOnPort } = require('node:worker_threads');
const child = require('./child');
const { isBuiltIn, modulePath, ours } = require('./subject');
const { open } = require('./sockets');

const SLAB = 64 * 1024;
const sizes = [0, 1, 63, 64, 65, 512, 1200, 1472, 9000, 65507];
const events = isBuiltIn ? ['message'] : ['message', 'messages'];

// Bytes that identify the message, and what it is not made of: zeroes and the bytes of others.
const payload = (size, mark) => Buffer.alloc(size, mark);

// Sends the payloads in one turn, and resolves with the messages that they have become.
async function exchange(receiver, sender, payloads, event = 'message') {
  const { port } = receiver.address();
  const received = [];
  const complete = new Promise((resolve) => {
    const take = (msg) => received.push(msg) === payloads.length && resolve();
    if (event === 'message') receiver.on('message', take);
    else receiver.on('messages', (batch) => batch.forEach(({ msg }) => take(msg)));
  });
  payloads.forEach((bytes) => sender.send(bytes, port, '127.0.0.1'));
  await complete;
  receiver.removeAllListeners(event);
  return received;
}

async function pair(t, options) {
  return [await open(t, { recvBufferSize: 1 << 20, ...options }), await open(t)];
}

// By every way that there is: gives the memory away, and returns what has arrived.
const transfers = {
  structuredClone: (buffer) => structuredClone(buffer, { transfer: [buffer] }),
  postMessage(buffer) {
    const { port1, port2 } = new MessageChannel();
    port1.postMessage(buffer, [buffer]);
    const { message } = receiveMessageOnPort(port2);
    port1.close();
    return message;
  },
  ...(ArrayBuffer.prototype.transfer && { transfer: (buffer) => buffer.transfer() }),
};

function checkOwn(msg, bytes) {
  assert.ok(Buffer.isBuffer(msg));
  assert.strictEqual(Object.getPrototypeOf(msg), Buffer.prototype);
  assert.strictEqual(msg.byteOffset, 0);
  assert.strictEqual(Object.getPrototypeOf(msg.buffer), ArrayBuffer.prototype);
  assert.strictEqual(msg.buffer.byteLength, bytes.length);
  assert.ok(!msg.buffer.resizable);
  assert.strictEqual(new DataView(msg.buffer).byteLength, bytes.length);
  assert.ok(Buffer.from(msg.buffer).equals(bytes), 'the memory is the message');
}

describe('memory of its own', () => {
  for (const event of events) {
    for (const size of sizes) {
      test(`'${event}' of ${size} bytes: its memory is its bytes`, async (t) => {
        const [receiver, sender] = await pair(t);
        const sent = [1, 2, 3].map((mark) => payload(size, mark));
        const received = await exchange(receiver, sender, sent, event);
        received.forEach((msg, i) => checkOwn(msg, sent[i]));
        assert.strictEqual(new Set(received.map(({ buffer }) => buffer)).size, 3);
      });

      test(`'${event}' of ${size} bytes: a clone carries its bytes and no more`, async (t) => {
        const [receiver, sender] = await pair(t);
        const [msg] = await exchange(receiver, sender, [payload(size, 7)], event);
        const clone = structuredClone(msg);
        assert.strictEqual(clone.buffer.byteLength, size);
        assert.ok(payload(size, 7).equals(clone));
      });

      for (const [name, transfer] of Object.entries(transfers)) {
        test(`'${event}' of ${size} bytes: ${name}() takes it away from nobody`, async (t) => {
          const [receiver, sender] = await pair(t);
          const sent = [1, 2, 3, 4].map((mark) => payload(size, mark));
          const received = await exchange(receiver, sender, sent, event);
          const taken = transfer(received[1].buffer);
          assert.strictEqual(received[1].buffer.byteLength, 0);
          assert.ok(Buffer.from(taken).equals(sent[1]));
          for (const i of [0, 2, 3]) checkOwn(received[i], sent[i]);
          const [after] = await exchange(receiver, sender, [payload(size, 5)], event);
          checkOwn(after, payload(size, 5));
        });
      }
    }

    test(`'${event}': many sizes in turn keep their bytes while many others come`, async (t) => {
      const [receiver, sender] = await pair(t);
      const [other] = await pair(t);
      const kept = [];
      for (let round = 0; round < 50; round++) {
        const sent = sizes.slice(0, -2).map((size, i) => payload(size, 1 + (round + i) % 100));
        const received = await exchange(receiver, sender, sent, event);
        kept.push(...received.map((msg, i) => [msg, sent[i]]));
        await exchange(other, sender, sent.map(({ length }) => payload(length, 0xee)), event);
      }
      for (const [msg, bytes] of kept) checkOwn(msg, bytes);
    });

    test(`'${event}': listeners that take the memory of each message get all`, async (t) => {
      const [receiver, sender] = await pair(t);
      const ways = Object.values(transfers);
      let count = 0;
      const right = [];
      const take = (msg) => {
        const size = sizes[count % (sizes.length - 1)];
        right.push(Buffer.from(ways[count % ways.length](msg.buffer)).equals(payload(size, count)));
        count++;
      };
      receiver.on(event, (first) => {
        if (event === 'message') take(first);
        else first.forEach(({ msg }) => take(msg));
      });
      const { port } = receiver.address();
      for (let i = 0; i < 300; i++) {
        sender.send(payload(sizes[i % (sizes.length - 1)], i), port, '127.0.0.1');
        if (i % 50 === 49) while (count <= i) await new Promise(setImmediate);
      }
      assert.deepStrictEqual(right, Array(300).fill(true));
    });
  }

  test('a worker gets the bytes and no more, cloned and transferred', async (t) => {
    const [receiver, sender] = await pair(t);
    const worker = new Worker(`
      const { parentPort } = require('node:worker_threads');
      parentPort.on('message', (bytes) => {
        const memory = bytes instanceof ArrayBuffer ? bytes : bytes.buffer;
        parentPort.postMessage([memory.byteLength, Buffer.from(memory).toString('latin1')]);
      });`, { eval: true });
    t.after(() => worker.terminate());
    for (const size of sizes) {
      const text = 'm'.repeat(size);
      const twice = [Buffer.from(text), Buffer.from(text)];
      const [cloned, moved] = await exchange(receiver, sender, twice);
      worker.postMessage(cloned);
      assert.deepStrictEqual((await once(worker, 'message'))[0], [size, text]);
      worker.postMessage(moved.buffer, [moved.buffer]);
      assert.strictEqual(moved.length, 0);
      assert.deepStrictEqual((await once(worker, 'message'))[0], [size, text]);
    }
  });

  test('both events of one socket pass the same memory', ours('the built-in has no \'messages\''),
    async (t) => {
      const [receiver, sender] = await pair(t);
      const together = once(receiver, 'messages');
      const [msg] = await exchange(receiver, sender, [payload(100, 1)]);
      assert.strictEqual((await together)[0][0].msg, msg);
    });

  test('a listener that changes Buffer and Uint8Array changes no message', async () => {
    const reported = await child.reports(async (t) => {
      const { alloc, prototype } = Buffer;
      const originals = { Uint8Array, ArrayBuffer, Buffer };
      const places = [
        [Buffer, ['from', 'alloc', 'allocUnsafe', 'allocUnsafeSlow']],
        [Uint8Array.prototype, ['set', 'subarray', 'slice', 'constructor']],
        [ArrayBuffer.prototype, ['slice', 'constructor']],
        [globalThis, Object.keys(originals)],
      ].map(([object, names]) => [object, names.map((name) => [name, object[name]])]);
      const spoil = () => { throw new Error('the program\'s'); };
      const each = (set) =>
        places.forEach(([object, members]) => members.forEach((member) => set(object, ...member)));
      // Whether the second message is right although the listener of the first has spoiled all.
      const play = (options, size) => new Promise((resolve) => {
        const bytes = alloc(size, 'x');
        let first = true;
        const socket = t.dgram.createSocket({ type: 'udp4', ...options }, (msg) => {
          if (first) {
            first = false;
            each((object, name) => { object[name] = spoil; });
            return;
          }
          each((object, name, value) => { object[name] = value; });
          socket.close();
          resolve(Object.getPrototypeOf(msg) === prototype && msg.equals(bytes));
        }).bind(0, '127.0.0.1', () => {
          const { port } = socket.address();
          for (let i = 0; i < 2; i++) socket.send(bytes, port, '127.0.0.1');
        });
      });
      for (const options of [{}, { pooledMessages: true }])
        for (const size of [0, 64, 65, 1472, 40_000]) t.report(await play(options, size));
    });
    assert.deepStrictEqual(reported, Array(10).fill(true));
  });
});

describe('pooledMessages', ours('an option of this package'), () => {
  const options = { pooledMessages: true };
  const small = sizes.slice(0, -1);

  for (const event of events) {
    test(`'${event}': messages of a socket lie in slabs that they share`, async (t) => {
      const [receiver, sender] = await pair(t, options);
      const sent = small.map((size, i) => payload(size, i + 1));
      const received = await exchange(receiver, sender, sent, event);
      assert.strictEqual(new Set(received.map(({ buffer }) => buffer)).size, 1);
      received.forEach((msg, i) => {
        assert.strictEqual(Object.getPrototypeOf(msg), Buffer.prototype);
        assert.ok(msg.equals(sent[i]));
        assert.strictEqual(msg.byteOffset % 8, 0);
        assert.strictEqual(msg.buffer.byteLength, SLAB);
      });
    });

    test(`'${event}': a slab has its own socket's messages, and zeroes`, async (t) => {
      const [receiver, sender] = await pair(t, options);
      const [other] = await pair(t, options);
      const [plain] = await pair(t);
      const slabs = { mine: new Set(), others: new Set() };
      const marks = { mine: 0x11, others: 0x22, plain: 0x33 };
      for (let round = 0; round < 40; round++) {
        const of = (mark) => small.map((size) => payload(size, mark));
        for (const { buffer } of await exchange(receiver, sender, of(marks.mine), event))
          slabs.mine.add(buffer);
        for (const { buffer } of await exchange(other, sender, of(marks.others), event))
          slabs.others.add(buffer);
        (await exchange(plain, sender, of(marks.plain), event))
          .forEach((msg) => checkOwn(msg, payload(msg.length, marks.plain)));
      }
      assert.ok(slabs.mine.size > 3, `${slabs.mine.size} slabs`);
      for (const whose of ['mine', 'others']) {
        for (const slab of slabs[whose]) {
          const foreign = new Uint8Array(slab)
            .findIndex((byte) => byte !== 0 && byte !== marks[whose]);
          assert.strictEqual(foreign, -1, `a foreign byte at ${foreign}`);
        }
      }
    });

    test(`'${event}': messages of all sizes stay as they came`, async (t) => {
      const [receiver, sender] = await pair(t, options);
      const kept = [];
      for (let round = 0; round < 30; round++) {
        const sent = [...small, 65507, 3].map((size, i) => payload(size, round + i));
        const received = await exchange(receiver, sender, sent, event);
        kept.push(...received.map((msg, i) => [msg, sent[i]]));
      }
      for (const [msg, bytes] of kept) assert.ok(msg.equals(bytes));
    });
  }

  test('a slab is not given away by a transfer list', async (t) => {
    const [receiver, sender] = await pair(t, options);
    const [msg] = await exchange(receiver, sender, [payload(100, 1)]);
    try {
      transfers.postMessage(msg.buffer);
    } catch (error) {
      assert.strictEqual(error.name, 'DataCloneError');
    }
    assert.ok(msg.equals(payload(100, 1)));
  });

  test('the socket goes on although its slabs were taken', {
    skip: !ArrayBuffer.prototype.transfer && 'ArrayBuffer.prototype.transfer does not exist',
  }, async (t) => {
    const [receiver, sender] = await pair(t, options);
    const right = [];
    receiver.on('message', (msg) => {
      right.push(msg.equals(payload(100, right.length)));
      try {
        msg.buffer.transfer(0);
      } catch {
        // Refused, from Node.js 24 on.
      }
    });
    const { port } = receiver.address();
    for (let i = 0; i < 100; i++) sender.send(payload(100, i), port, '127.0.0.1');
    while (right.length < 100) await new Promise(setImmediate);
    assert.deepStrictEqual(right, Array(100).fill(true));
  });

  test('a socket that is closed keeps no slab, and a message that is kept does', async () => {
    const [grown, kept] = await child.reports(async (t) => {
      const { once } = require('node:events');
      const collected = async () => {
        for (let i = 0; i < 5; i++) {
          gc();
          await new Promise(setImmediate);
        }
        return process.memoryUsage().arrayBuffers;
      };
      const one = async () => {
        const socket = t.dgram.createSocket({ type: 'udp4', pooledMessages: true });
        socket.bind(0, '127.0.0.1');
        await once(socket, 'listening');
        socket.send('x', socket.address().port, '127.0.0.1');
        const [msg] = await once(socket, 'message');
        await once(socket.close(), 'close');
        return [socket, msg];
      };
      const sockets = [(await one())[0]];
      const before = await collected();
      while (sockets.length < 100) sockets.push((await one())[0]);
      t.report(await collected() - before);
      sockets.push(await one());
      t.report(await collected() - before);
    }, { execArgv: ['--expose-gc'] });
    assert.ok(grown < SLAB, `${grown} bytes`);
    assert.ok(kept >= SLAB && kept < 2 * SLAB, `${kept} bytes`);
  });

  test('a worker ends in the middle of traffic, in every way', async (t) => {
    for (const end of ['process.exit()', 'socket.close()', 'undefined', '(() => { throw 1 })()']) {
      const worker = new Worker(`
        const { parentPort } = require('node:worker_threads');
        const dgram = require(${JSON.stringify(modulePath)});
        const socket = dgram.createSocket({ type: 'udp4', pooledMessages: true });
        let received = 0;
        socket.on('message', (msg) => {
          if (++received === 200) {
            parentPort.postMessage(Buffer.from(msg));
            ${end};
          }
          socket.send(msg, socket.address().port, '127.0.0.1', () => {});
        });
        socket.bind(0, '127.0.0.1', () => {
          for (let i = 0; i < 50; i++)
            socket.send(Buffer.alloc(1200, 'w'), socket.address().port, '127.0.0.1');
        });`, { eval: true });
      worker.on('error', () => {});
      const gone = new Promise((resolve) => worker.once('exit', resolve));
      const msg = await new Promise((resolve) => worker.once('message', resolve));
      assert.ok(Buffer.alloc(1200, 'w').equals(msg));
      await worker.terminate();
      await gone;
    }
    const [receiver, sender] = await pair(t, options);
    const [msg] = await exchange(receiver, sender, [payload(100, 1)]);
    assert.ok(msg.equals(payload(100, 1)));
  });

  test('false, or left out: memory of its own', async (t) => {
    for (const none of [{ pooledMessages: false }, { pooledMessages: undefined }, {}]) {
      const [receiver, sender] = await pair(t, none);
      const [msg] = await exchange(receiver, sender, [payload(100, 1)]);
      checkOwn(msg, payload(100, 1));
    }
  });
});

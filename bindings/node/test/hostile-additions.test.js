'use strict';
// Programs that are hostile to the additions: getters and proxies as options and as elements of
// lists, memory that is detached or shrunk during a call, views that lie about their length,
// look-ups that throw or answer twice, callbacks that close the socket; threads and processes that
// end while something is pending.

const assert = require('node:assert');
const { once } = require('node:events');
const os = require('node:os');
const path = require('node:path');
const { describe, test } = require('node:test');
const { Worker } = require('node:worker_threads');
const { options: names } = require('./differential/additions');
const { dgram, modulePath, ours } = require('./subject');
const { create, open, sent, turn } = require('./sockets');

const only = ours('the methods are additions');
const isLinux = os.platform() === 'linux';
const NOT_RUNNING = { code: 'ERR_SOCKET_DGRAM_NOT_RUNNING' };

const sentMany = (socket, list) =>
  new Promise((resolve) => socket.sendMany(list, (...result) => resolve(result)));
const sentWith = (socket, msg, options) =>
  new Promise((resolve) => socket.sendWith(msg, options, (...result) => resolve(result)));

// What arrives, until `count` messages have.
async function receive(receiver, count) {
  const messages = [];
  while (messages.length < count) messages.push((await once(receiver, 'message'))[0]);
  return messages;
}

// An object whose member calls the function when it is read, the first time only.
function trap(values, name, act) {
  const value = values[name];
  let calls = 0;
  return Object.defineProperty({ ...values }, name, {
    enumerable: true,
    get() {
      if (calls++ === 0) act();
      return value;
    },
  });
}

function detach(view) {
  structuredClone(view, { transfer: [view.buffer] });
}

function lying(view, values) {
  for (const [name, value] of Object.entries(values)) Object.defineProperty(view, name, { get: () => value });
  return view;
}

describe('sendMany() with a hostile list', only, () => {
  test('its own map(), forEach() and iterator are not used', async (t) => {
    const receiver = await open(t);
    const { port } = receiver.address();
    const list = Object.assign([{ msg: 'a', port }, { msg: 'b', port }],
      { map: () => 5, entries: null, [Symbol.iterator]: null, reduce: null });
    list.constructor = { [Symbol.species]: assert.fail };
    const messages = receive(receiver, 2);
    assert.deepStrictEqual(await sentMany(create(t), list), [null, 2]);
    assert.deepStrictEqual((await messages).map(String), ['a', 'b']);
  });

  test('a proxy of a list is a list; a hole is no datagram', async (t) => {
    const receiver = await open(t);
    const { port } = receiver.address();
    const messages = receive(receiver, 1);
    assert.deepStrictEqual(await sentMany(create(t), new Proxy([new Proxy({ msg: 'a', port }, {})], {})), [null, 1]);
    assert.deepStrictEqual((await messages).map(String), ['a']);
    // eslint-disable-next-line no-sparse-arrays
    assert.throws(() => create(t).sendMany([, { msg: 'a', port }]), { code: 'ERR_INVALID_ARG_TYPE' });
  });

  test('an element that closes the socket, or throws, when it is read: nothing is sent', async (t) => {
    const closed = create(t);
    assert.throws(() => closed.sendMany([trap({ msg: 'a', port: 9 }, 'port', () => closed.close())]), NOT_RUNNING);
    const socket = create(t, { sendQueueLimit: { count: 1 } });
    const fail = () => { throw new Error('of the getter'); };
    for (const name of ['msg', 'port', 'address'])
      assert.throws(() => socket.sendMany([trap({ msg: 'a', port: 9, address: '127.0.0.1' }, name, fail)]), /of the getter/);
    assert.deepStrictEqual(await sent(socket, 'x', 9, '127.0.0.1'), [null, 1]);
  });

  test('an element that shrinks or grows the list, or sends itself', async (t) => {
    const receiver = await open(t);
    const { port } = receiver.address();
    const socket = create(t);
    const list = [trap({ msg: 'a', port }, 'msg', () => { list.length = 1; }), { msg: 'b', port }];
    const messages = receive(receiver, 3);
    assert.deepStrictEqual(await sentMany(socket, list), [null, 1]);
    const inner = [];
    const outer = [trap({ msg: 'c', port }, 'msg', () => socket.sendMany([{ msg: 'd', port }], (...all) => inner.push(all)))];
    assert.deepStrictEqual(await sentMany(socket, outer), [null, 1]);
    assert.deepStrictEqual(inner, [[null, 1]]);
    assert.deepStrictEqual((await messages).map(String).sort(), ['a', 'c', 'd']);
  });

  test('memory that a later element detaches is sent as empty, never as what lies there', async (t) => {
    const receiver = await open(t);
    const { port } = receiver.address();
    const bytes = new Uint8Array(100).fill(7);
    const view = new DataView(new ArrayBuffer(100));
    const list = [{ msg: bytes, port }, { msg: view, port },
      trap({ msg: 'end', port }, 'msg', () => { detach(bytes); detach(view); })];
    const messages = receive(receiver, 3);
    assert.deepStrictEqual(await sentMany(create(t), list), [null, 3]);
    assert.deepStrictEqual((await messages).map(({ length }) => length), [0, 0, 3]);
  });

  test('memory that shrinks meanwhile is sent as far as it is there', {
    skip: only.skip || (!('resize' in ArrayBuffer.prototype) && 'no resizable memory'),
  }, async (t) => {
    const receiver = await open(t);
    const { port } = receiver.address();
    const memory = new ArrayBuffer(100, { maxByteLength: 200 });
    const list = [{ msg: new Uint8Array(memory), port }, { msg: new Uint8Array(memory, 50, 50), port },
      { msg: new DataView(memory, 20, 60), port }, trap({ msg: 'end', port }, 'msg', () => memory.resize(60))];
    const messages = receive(receiver, 4);
    assert.deepStrictEqual(await sentMany(create(t), list), [null, 4]);
    assert.deepStrictEqual((await messages).map(({ length }) => length), [60, 0, 0, 3]);
  });

  const lies = [{ byteLength: 50_000 }, { byteLength: -1 }, { byteLength: NaN }, { byteLength: 1e300 },
    { byteLength: '5' }, { byteOffset: 99 }, { buffer: new ArrayBuffer(0) }, { buffer: 5 }, { length: 0 }];
  for (const lie of lies) {
    test(`a view with ${JSON.stringify(lie)} of its own sends its bytes`, async (t) => {
      const receiver = await open(t);
      const { port } = receiver.address();
      const messages = receive(receiver, 2);
      const socket = create(t, { sendQueueLimit: { bytes: 100 } });
      assert.deepStrictEqual(await sentMany(socket, [{ msg: lying(new Uint8Array([1, 2, 3]), lie), port }]), [null, 1]);
      assert.deepStrictEqual(await sentMany(socket, [{ msg: [lying(new DataView(new ArrayBuffer(4), 1), lie)], port }]), [null, 1]);
      assert.deepStrictEqual((await messages).map((msg) => [...msg]), [[1, 2, 3], [0, 0, 0]]);
    });
  }
});

describe('hostile options', only, () => {
  test('sendWith() and trySend(): an option that closes the socket, or throws, when it is read', async (t) => {
    const members = ['address', 'port', 'source', 'interface', 'ttl', 'dscp', 'ecn', 'dontFragment', 'segmentSize', 'departure'];
    const options = { port: 9, address: '127.0.0.1' };
    for (const method of ['sendWith', 'trySend']) {
      for (const name of members) {
        const socket = create(t);
        assert.throws(() => socket[method]('x', trap(options, name, () => socket.close())), NOT_RUNNING, name);
        const limited = create(t, { sendQueueLimit: { count: 1 } });
        assert.throws(() => limited[method]('x', trap(options, name, () => { throw new Error('of a getter'); })),
          /of a getter/);
        assert.deepStrictEqual(await sentWith(limited, 'x', options), [null, 1]);
      }
    }
  });

  test('sendWith(): a part that another part detaches', async (t) => {
    const receiver = await open(t);
    const { port } = receiver.address();
    const bytes = new Uint8Array(9);
    const parts = ['a', bytes, 'b'];
    const proxy = new Proxy(parts, { get(target, key) {
      if (key === '2') detach(bytes);
      return target[key];
    } });
    const messages = receive(receiver, 1);
    assert.deepStrictEqual(await sentWith(create(t), proxy, { port }), [null, 2]);
    assert.deepStrictEqual((await messages).map(String), ['ab']);
  });

  test('receiveInfo is read once', (t) => {
    let reads = 0;
    const facts = new Proxy(['ttl'], { get(target, key) {
      if (key === '0') return reads++ === 0 ? 'ttl' : { toString: assert.fail };
      return target[key];
    } });
    create(t, { receiveInfo: facts });
    assert.strictEqual(reads, 1);
    for (const wrong of [Symbol('ttl'), { toString: () => 'ttl' }, '__proto__', 'constructor', null])
      assert.throws(() => create(t, { receiveInfo: [wrong] }), { code: 'ERR_INVALID_ARG_VALUE' });
  });

  test('each added option of createSocket() is read once', (t) => {
    const reads = {};
    const options = new Proxy({ type: 'udp4' }, { get(target, key) {
      reads[String(key)] = (reads[String(key)] ?? 0) + 1;
      return target[key];
    } });
    const socket = dgram.createSocket(options);
    t.after(() => socket.close());
    for (const name of names) assert.strictEqual(reads[name], 1, name);
  });

  test('setSockopt(): a list that closes the socket when it is read', {
    skip: only.skip || (!isLinux && 'it needs Linux'),
  }, (t) => {
    const socket = create(t);
    const range = Object.defineProperty([1, 2], '0', { get() { socket.close(); return 1; } });
    assert.throws(() => socket.setSockopt('localPortRange', range), NOT_RUNNING);
  });

  test('reply(): a rinfo that closes the socket when it is read, or is none', async (t) => {
    const socket = await open(t);
    assert.throws(() => socket.reply(trap({ address: '127.0.0.1', port: 9 }, 'port', () => socket.close()), 'x'), NOT_RUNNING);
    const other = await open(t);
    for (const wrong of [null, undefined, 5, 'x', {}, { address: 5 }])
      assert.throws(() => other.reply(wrong, 'x'), { code: 'ERR_INVALID_ARG_TYPE' });
    assert.throws(() => other.reply({ address: 'host', port: 9 }, 'x'), { code: 'ERR_INVALID_ARG_VALUE' });
    assert.throws(() => other.reply({ address: '127.0.0.1' }, 'x'), { code: 'ERR_SOCKET_BAD_PORT' });
    assert.throws(() => other.reply({ address: '127.0.0.1', port: 9 }, 5), { code: 'ERR_INVALID_ARG_TYPE', message: /"msg"/ });
  });

  test('members of Object.prototype are no counters', async (t) => {
    const socket = await open(t);
    t.after(() => { delete Object.prototype.of_the__test; });
    Object.prototype.of_the__test = 5; // eslint-disable-line no-extend-native
    assert.ok(!Object.keys(socket.stats()).some((name) => name.startsWith('of')));
  });
});

describe('hostile look-ups', only, () => {
  const throwing = () => { throw new Error('of the look-up'); };
  const calls = {
    send: (socket, done) => socket.send('x', 9, 'name', done),
    sendWith: (socket, done) => socket.sendWith('x', { port: 9, address: 'name' }, done),
    sendMany: (socket, done) => socket.sendMany([{ msg: 'x', port: 9, address: 'name' }], done),
  };
  for (const [name, call] of Object.entries(calls)) {
    test(`${name}(): a look-up that throws gives the room in the queue back`, async (t) => {
      let lookup = (host, family, callback) => process.nextTick(callback, null, '127.0.0.1');
      const socket = await open(t, { sendQueueLimit: { count: 1 }, lookup: (...values) => lookup(...values) });
      const working = lookup;
      lookup = throwing;
      assert.throws(() => call(socket, assert.fail), /of the look-up/);
      lookup = working;
      const [error] = await new Promise((resolve) => call(socket, (...result) => resolve(result)));
      assert.strictEqual(error, null);
    });

    test(`${name}(): a look-up that throws once the socket is bound`, async (t) => {
      let fails = false;
      const socket = create(t, { sendQueueLimit: { count: 2 }, lookup(host, family, callback) {
        if (fails && host === 'name') throw new Error('of the look-up');
        process.nextTick(callback, null, '127.0.0.1');
      } });
      const caught = new Promise((resolve) => process.setUncaughtExceptionCaptureCallback(resolve));
      t.after(() => process.setUncaughtExceptionCaptureCallback(null));
      fails = true;
      call(socket, assert.fail);
      call(socket, assert.fail); // dropped, as by the built-in
      assert.match((await caught).message, /of the look-up/);
      fails = false;
      const results = await Promise.all([1, 2].map(() =>
        new Promise((resolve) => call(socket, (error) => resolve(error)))));
      assert.deepStrictEqual(results, [null, null]);
    });
  }

  test('sendMany(): a look-up that answers twice, or at once', async (t) => {
    const receiver = await open(t);
    const { port } = receiver.address();
    const socket = create(t, { lookup(host, family, callback) {
      callback(null, '127.0.0.1');
      callback(null, '127.0.0.1');
      process.nextTick(callback, new Error('late'));
    } });
    const messages = [];
    receiver.on('message', (msg) => messages.push(String(msg)));
    const results = [];
    socket.sendMany([{ msg: 'a', port, address: 'one' }, { msg: 'b', port, address: 'two' }], (...all) => results.push(all));
    while (messages.length < 2) await turn();
    await turn();
    assert.deepStrictEqual(results, [[null, 2]]);
    assert.deepStrictEqual(messages, ['a', 'b']);
  });

  test('sendMany(): the socket is closed, or connected, by the look-up', async (t) => {
    const socket = create(t, { lookup(host, family, callback) {
      socket.close();
      callback(null, '127.0.0.1');
    } });
    socket.bindSync();
    socket.sendMany([{ msg: 'a', port: 9, address: 'name' }], assert.fail);
    await once(socket, 'close');
    const other = create(t, { lookup(host, family, callback) {
      other.connectSync(9, '127.0.0.1');
      callback(null, '127.0.0.1');
    } });
    other.bindSync();
    const [error, count] = await sentMany(other, [{ msg: 'a', port: 9, address: 'name' }]);
    assert.deepStrictEqual([error.code, count], ['EISCONN', 0]);
  });
});

describe('a callback that closes the socket', only, () => {
  const ways = {
    'that of sendMany()': (socket, port) => socket.sendMany([{ msg: 'x', port }, { msg: 'y', port }], () => socket.close()),
    'that of sendWith()': (socket, port) => socket.sendWith('x', { port, segmentSize: 1 }, () => socket.close()),
    "a listener of 'messages'": (socket, port) => {
      socket.on('messages', () => socket.close());
      for (let i = 0; i < 50; i++) socket.send('x', port);
    },
    "a listener of 'message' that pauses": (socket, port) => {
      socket.on('message', () => socket.pause().close());
      for (let i = 0; i < 50; i++) socket.send('x', port);
    },
    "a listener of 'message' that answers": (socket, port) => {
      socket.on('message', (msg, rinfo) => {
        socket.reply(rinfo, 'y', assert.fail);
        socket.close();
      });
      for (let i = 0; i < 50; i++) socket.send('x', port);
    },
    "a listener of 'drain'": (socket, port) => {
      socket.on('drain', () => socket.close());
      for (let i = 0; i < 5; i++) socket.send('x', port);
    },
    'the body of a loop': (socket, port) => {
      void (async () => { for await (const message of socket) socket.close(() => message); })();
      for (let i = 0; i < 50; i++) socket.send('x', port);
    },
    "a listener of 'newListener'": (socket) => {
      socket.once('newListener', () => socket.close());
      void socket[Symbol.asyncIterator]().next();
    },
  };
  for (const [name, act] of Object.entries(ways)) {
    test(`${name}, and 'close' follows once`, async (t) => {
      const socket = await open(t, { sendQueueLimit: { count: 100, lowCount: 1 }, receiveInfo: isLinux ? ['destination'] : [] });
      if (name.includes('drain'))
        socket.sendMany(new Array(100).fill({ msg: 'x', port: socket.address().port }));
      let closed = 0;
      socket.on('close', () => closed++);
      act(socket, socket.address().port);
      await once(socket, 'close');
      await turn();
      assert.strictEqual(closed, 1);
      for (const call of [(s) => s.stats(), (s) => s.trySend('x', { port: 9 }), (s) => s.sendMany([]), (s) => s.accessCounts(),
        (s) => s.sendWith('x', { port: 9 }), (s) => s.getMTU(), (s) => s.reply({ address: '127.0.0.1', port: 9 }, 'x')])
        assert.throws(() => call(socket), NOT_RUNNING);
      assert.strictEqual(socket.pause().resume(), socket);
      assert.strictEqual(socket.isPaused(), false);
    });
  }
});

const busy = `
  const dgram = require(${JSON.stringify(modulePath)});
  const { AccessList } = require(${JSON.stringify(path.join(modulePath, 'access'))});
  const promises = require(${JSON.stringify(path.join(modulePath, 'promises'))});
  const list = new AccessList();
  list.addSubnet('10.0.0.0', 8);
  const socket = promises.createSocket({ type: 'udp4', receiveBlockList: list, receiveRateLimit: { packetsPerSecond: 1e9 },
    sendQueueLimit: { count: 1e6 }, sendTimeout: 1000, lookupTimeout: 1000, pooledMessages: true,
    receiveInfo: process.platform === 'linux' ? ['destination', 'ttl'] : [] });
  socket.on('icmp', () => {});
  socket.on('drain', () => {});
  socket.bindSync({ address: '127.0.0.1' });
  const { port } = socket.address();
  (async () => { for await (const { msg, rinfo } of socket) socket.reply(rinfo, msg).catch(() => {}); })();
  const more = () => {
    socket.sendMany(new Array(50).fill({ msg: Buffer.alloc(100), port, address: '127.0.0.1' })).catch(() => {});
    socket.sendWith('x'.repeat(3000), { port, segmentSize: 500, ttl: 3 }).catch(() => {});
    socket.sendWith('x', { port, address: 'localhost' }).catch(() => {});
    socket.trySend('x', { port, address: '127.0.0.1' });
    socket.send('x', 9, '127.0.0.1').catch(() => {});
    list.addAddress('10.1.1.1');
    if (Math.random() < 0.2) socket.pause();
    else socket.resume();
    socket.stats();
    setImmediate(more);
  };
  more();
`;

describe('what ends while something is pending', only, () => {
  test('worker threads that are terminated', async () => {
    const end = async (ms) => {
      const worker = new Worker(busy, { eval: true });
      await once(worker, 'online');
      await new Promise((resolve) => setTimeout(resolve, ms));
      await worker.terminate();
    };
    for (let i = 0; i < 4; i++) await Promise.all([end(30 * i), end(50 + 20 * i)]);
  });

  test('worker threads that exit, or throw', async () => {
    for (const last of ['process.exit(3)', 'throw new Error("of the worker")']) {
      const worker = new Worker(`${busy}; setTimeout(() => { ${last} }, 50)`, { eval: true });
      worker.on('error', () => {});
      const code = await new Promise((resolve) => worker.on('exit', resolve));
      assert.strictEqual(code, last.startsWith('throw') ? 1 : 3);
    }
  });

  for (const last of ['process.exit(0)', 'socket.close(() => process.exit(0))']) {
    test(`a process that ends by ${last}`, async (t) => {
      const { execFile } = require('node:child_process');
      const result = await new Promise((resolve) => {
        execFile(process.execPath, ['-e', `${busy}; setTimeout(() => { ${last} }, 50)`],
          (error, stdout, stderr) => resolve({ code: error?.code ?? 0, signal: error?.signal ?? null, stderr }));
      });
      assert.deepStrictEqual(result, { code: 0, signal: null, stderr: '' });
    });
  }
});

'use strict';
// What is forgotten is collected, what is in use is not, and what a program keeps of the messages
// bounds what stays in memory.
//
// DGRAM_TEST_MESSAGES sets how many messages are received, DGRAM_TEST_LONG=1 ten times as many.

const assert = require('node:assert');
const test = require('node:test');
const child = require('./child');
const { isBuiltIn, ours } = require('./subject');

const KiB = 1024;
const MiB = 1024 * KiB;

const long = process.env.DGRAM_TEST_LONG ? 10 : 1;
const messages = Number(process.env.DGRAM_TEST_MESSAGES) || (isBuiltIn ? 100_000 : 1_000_000);

// What a kept message may keep with it: its own bytes, and what the engine needs to know of them.
const keptWithMessage = KiB;

// What the heap, the allocator and Node itself may need on the way. A small heap for young objects
// keeps it so low that 200 bytes lost with each of 100,000 are seen.
const slack = 16 * MiB;
const execArgv = ['--expose-gc', '--max-semi-space-size=1'];

const neverFreed = ours('the built-in keeps each socket until it is closed');
const noProc = process.platform !== 'linux' && 'descriptors are counted in /proc/self/fd';

// A sanitizer keeps freed memory back, so that only what the engine counts is reliable.
const sanitized = Boolean(process.env.DGRAM_TEST_SANITIZED);

// These run in the child.
const turn = () => new Promise(setImmediate);
const descriptors = () => require('node:fs').readdirSync('/proc/self/fd').length;

async function collect() {
  for (let i = 0; i < 5; i++) {
    gc();
    await turn();
  }
}

async function memory() {
  await collect();
  const { rss, heapUsed, external, arrayBuffers } = process.memoryUsage();
  return { rss, heapUsed, external, arrayBuffers };
}

function bound({ dgram }, listener, type = 'udp4') {
  return new Promise((resolve, reject) => {
    const socket = dgram.createSocket(type, listener).on('error', reject);
    socket.bind(0, '127.0.0.1', () => resolve(socket));
  });
}

// Has the receiver get `count` messages of the size, never more at once than its buffer holds.
async function pour({ dgram }, receiver, count, size, window = 64) {
  const sender = dgram.createSocket('udp4');
  const { port } = receiver.address();
  await new Promise((resolve) => sender.connect(port, '127.0.0.1', resolve));
  let sent = 0;
  let received = 0;
  await new Promise((resolve) => {
    const more = () => {
      for (let i = 0; i < window && sent < count; i++, sent++) {
        const message = Buffer.alloc(size);
        message.writeUInt32LE(sent);
        sender.send(message);
      }
    };
    receiver.on('message', () => {
      if (++received === count) resolve();
      else if (received === sent) more();
    });
    more();
  });
  receiver.removeAllListeners('message');
  sender.close();
}

const using = [turn, descriptors, collect, memory, bound, pour];
const reports = (body, args) =>
  child.reports(body, { using, args, execArgv, patience: 60 * long });

function grownAtMost(limit, [before, after]) {
  const grown = Object.entries(after)
    .filter(([kind]) => !(sanitized && kind === 'rss'))
    .map(([kind, bytes]) => [kind, bytes - before[kind]])
    .filter(([, bytes]) => bytes > limit);
  assert.deepStrictEqual(grown, [], `grown by more than ${limit} bytes`);
}

test('forgotten sockets that were never bound are collected', neverFreed, async () => {
  const [alive] = await reports(async (t) => {
    const make = {
      bare: () => t.dgram.createSocket('udp4'),
      listener: () => t.dgram.createSocket('udp4', () => {}),
      cycle() {
        const socket = t.dgram.createSocket('udp6');
        socket.self = socket;
        return socket.on('message', () => socket.close());
      },
      'ref and unref': () => t.dgram.createSocket('udp4').unref().ref(),
      constructed: () => new t.dgram.Socket({ type: 'udp4', lookup() {} }),
    };
    const alive = {};
    for (const [kind, create] of Object.entries(make)) {
      const refs = Array.from({ length: 100 }, () => new WeakRef(create()));
      await collect();
      alive[kind] = refs.filter((ref) => ref.deref()).length;
    }
    t.report(alive);
  });
  for (const [kind, count] of Object.entries(alive)) {
    assert.ok(count <= 1, `${count} of 100 still alive: ${kind}`);
  }
});

test('closed sockets are collected, and what their listeners hold', async () => {
  const [alive] = await reports(async (t) => {
    const refs = [];
    const one = async () => {
      const thing = { big: Buffer.alloc(1000) };
      const socket = await bound(t, () => thing);
      socket.connect(socket.address().port, '127.0.0.1');
      await new Promise((resolve) => socket.once('connect', resolve));
      const received = new Promise((resolve) => socket.once('message', resolve));
      await new Promise((resolve) => socket.send(thing.big, () => resolve(thing)));
      await received;
      await new Promise((resolve) => socket.close(() => resolve(thing)));
      refs.push(new WeakRef(socket), new WeakRef(thing));
    };
    for (let i = 0; i < 50; i++) await one();
    await collect();
    t.report(refs.filter((ref) => ref.deref()).length);
  });
  assert.ok(alive <= 2, `${alive} of 100 still alive`);
});

test('sockets created and dropped do not add up', neverFreed, async () => {
  grownAtMost(slack, await reports(async (t) => {
    const some = async (count) => {
      for (let i = 1; i <= count; i++) {
        t.dgram.createSocket('udp4', () => {});
        if (i % 10_000 === 0) await collect();
      }
    };
    await some(10_000);
    t.report(await memory());
    await some(100_000);
    t.report(await memory());
  }));
});

test('sockets opened and closed do not add up', { skip: noProc }, async () => {
  const [first, last, before, after] = await reports(async (t) => {
    const cycle = (left) => new Promise((resolve) => {
      const next = () => {
        if (left-- <= 0) return resolve();
        const socket = t.dgram.createSocket('udp4', () => {});
        socket.bind(0, '127.0.0.1', () => socket.close(next));
      };
      next();
    });
    const some = (count) => Promise.all(Array.from({ length: 10 }, () => cycle(count / 10)));
    await some(10_000);
    const [first, before] = [await memory(), descriptors()];
    for (let i = 0; i < 10; i++) {
      await some(10_000);
      await collect();
    }
    t.report(first);
    t.report(await memory());
    t.report(before);
    t.report(descriptors());
  });
  grownAtMost(slack, [first, last]);
  assert.strictEqual(after, before);
});

test('sockets that each receive a message and close do not add up', async () => {
  grownAtMost(slack, await reports(async (t) => {
    const one = async () => {
      const socket = await bound(t);
      const received = new Promise((resolve) => socket.once('message', resolve));
      socket.send(Buffer.alloc(1000), socket.address().port, '127.0.0.1');
      await received;
      await new Promise((resolve) => socket.close(resolve));
    };
    for (let i = 0; i < 1000; i++) await one();
    t.report(await memory());
    for (let i = 0; i < 10_000; i++) await one();
    t.report(await memory());
  }));
});

test('a thousand open sockets need little each', async () => {
  grownAtMost(slack, await reports(async (t) => {
    const sockets = [await bound(t)];
    const everybody = async () => {
      for (const socket of sockets) {
        const received = new Promise((resolve) => socket.once('message', resolve));
        socket.send('x', socket.address().port, '127.0.0.1');
        await received;
      }
    };
    await everybody();
    t.report(await memory());
    while (sockets.length <= 1000) sockets.push(await bound(t));
    await everybody();
    t.report(await memory());
    for (const socket of sockets) socket.close();
  }));
});

test('a bound socket that the program forgot still delivers', async () => {
  const reported = await reports(async (t) => {
    const open = async (unref) => {
      const socket = await bound(t, (msg) => {
        t.report(String(msg));
        socket.close();
      });
      if (unref) socket.unref();
      return socket.address().port;
    };
    const ports = [await open(false), await open(true)];
    const keepAlive = await bound(t);
    for (let i = 0; i < 10; i++) await collect();
    keepAlive.send('to the one', ports[0], '127.0.0.1');
    await collect();
    keepAlive.send('to the unref\'d one', ports[1], '127.0.0.1');
    await collect();
    keepAlive.close();
  });
  assert.deepStrictEqual(reported, ['to the one', 'to the unref\'d one']);
});

test('an operation under way survives that the program forgot the socket', async () => {
  const reported = await reports(async (t) => {
    const later = (host, family, done) => {
      gc();
      setImmediate(() => {
        gc();
        setImmediate(done, null, '127.0.0.1', 4);
      });
    };
    const begin = {
      listening: () => t.dgram.createSocket({ type: 'udp4', lookup: later })
        .bind(0, 'x', function() { this.close(() => t.report('listening')); }),
      connect() {
        const socket = t.dgram.createSocket({ type: 'udp4', lookup: later });
        socket.connect(9, 'x', () => {
          t.report('connect');
          setImmediate(() => socket.close());
        });
      },
      send() {
        const socket = t.dgram.createSocket({ type: 'udp4', lookup: later });
        socket.send('x', 9, 'x', () => {
          t.report('send');
          socket.close();
        });
      },
      close: () => t.dgram.createSocket('udp4').close(() => t.report('close')),
    };
    for (const start of Object.values(begin)) {
      start();
      for (let i = 0; i < 3; i++) await collect();
    }
  });
  assert.deepStrictEqual(reported.sort(), ['close', 'connect', 'listening', 'send']);
});

test('a promise of asyncDispose survives that the program forgot the socket',
  { skip: !Symbol.asyncDispose && 'Symbol.asyncDispose does not exist' }, async () => {
    const reported = await reports(async (t) => {
      const disposed = t.dgram.createSocket('udp4')[Symbol.asyncDispose]();
      disposed.then(() => t.report('disposed'));
      gc();
    });
    assert.deepStrictEqual(reported, ['disposed']);
  });

for (const size of [64, 1200]) {
  for (const [name, every] of [['one in 10,000 messages', 10_000], ['no message', Infinity]]) {
    test(`keeping ${name} of ${size} bytes bounds the memory`, async () => {
      const args = { count: messages * long / (size > 64 ? 5 : 1), size, every };
      if (every === Infinity) args.every = args.count + 1;
      const kept = Math.floor(args.count / args.every);
      grownAtMost(kept * (size + keptWithMessage) + slack, await reports(async (t) => {
        const { count, size, every } = t.args;
        const kept = [];
        let received = 0;
        const socket = await bound(t, (msg) => {
          if (++received % every === 0) kept.push(msg);
        });
        await pour(t, socket, 10_000, size);
        kept.length = 0;
        t.report(await memory());
        received = 0;
        socket.on('message', (msg) => {
          if (++received % every === 0) kept.push(msg);
        });
        await pour(t, socket, count, size);
        t.report(await memory());
        if (kept.length !== Math.floor(count / every)) throw new Error(`kept ${kept.length}`);
        // A message's first bytes are its number, however long ago it came.
        kept.forEach((msg, i) => {
          if (msg.readUInt32LE() !== (i + 1) * every - 1) throw new Error('content changed');
        });
        socket.close();
      }, args));
    });
  }
}

test('messages that are kept among others keep their own bytes alone', async () => {
  const count = 1000;
  const size = 1400;
  const [before, after] = await reports(async (t) => {
    const { count, size } = t.args;
    const kept = [];
    let received = 0;
    const socket = await bound(t, (msg) => {
      if (++received % 50 === 0) kept.push(msg);
    });
    await pour(t, socket, 1000, size);
    kept.length = 0;
    t.report(await memory());
    socket.on('message', (msg) => {
      if (++received % 50 === 0) kept.push(msg);
    });
    await pour(t, socket, count * 50, size);
    t.report(await memory());
    if (kept.length !== count) throw new Error(`kept ${kept.length}`);
    socket.close();
  }, { count, size });
  const grown = after.arrayBuffers - before.arrayBuffers;
  assert.ok(grown >= count * size, `${grown} bytes`);
  assert.ok(grown <= count * size + 100 * KiB, `${grown} bytes`);
  grownAtMost(count * (size + keptWithMessage) + slack, [before, after]);
});

test('sends do not add up', async () => {
  grownAtMost(slack, await reports(async (t) => {
    const socket = await bound(t);
    const { port } = socket.address();
    const other = await bound(t);
    await new Promise((resolve) => other.connect(port, '127.0.0.1', resolve));
    socket.close();
    other.on('error', () => {}).on('message', () => {});
    const rounds = async (count) => {
      for (let i = 0; i < count; i++) {
        for (let k = 0; k < 99; k++) other.send([Buffer.alloc(500), 'text'], () => {});
        await new Promise((resolve) => other.send('x', resolve));
      }
    };
    await rounds(200);
    t.report(await memory());
    await rounds(1000);
    t.report(await memory());
    other.close();
  }));
});

test('refused calls and failed sends do not add up', async () => {
  grownAtMost(slack, await reports(async (t) => {
    const socket = await bound(t);
    const refused = [
      () => socket.send({}, 9),
      () => socket.send('x', 70000),
      () => socket.send('x', 9, 5),
      () => socket.send(['x', {}], 9),
      () => socket.send('x', { valueOf() { throw new Error('on purpose'); } }, 1, 9),
      () => socket.bind(0),
      () => socket.connect(0),
      () => socket.setTTL(1000),
      () => socket.addMembership('nothing'),
      () => socket.setRecvBufferSize(-1),
      () => socket.disconnect(),
      () => t.dgram.createSocket('udp5'),
    ];
    const rounds = async (count) => {
      let failed = 0;
      const huge = Buffer.alloc(65508);
      for (let i = 0; i < count; i++) {
        for (const call of refused) {
          try {
            call();
          } catch {
            failed++;
          }
        }
        await new Promise((resolve) => socket.send(huge, 9, '127.0.0.1', resolve));
      }
      if (failed !== count * refused.length) throw new Error(`only ${failed} calls were refused`);
    };
    await rounds(500);
    t.report(await memory());
    await rounds(5000);
    t.report(await memory());
    socket.close();
  }));
});

test('a sent buffer arrives intact although the program dropped it at once', async () => {
  const reported = await reports(async (t) => {
    const wrong = [];
    const count = 1000;
    let received = 0;
    let done;
    const all = new Promise((resolve) => { done = resolve; });
    const receiver = await bound(t, (msg) => {
      const i = msg.readUInt32LE();
      const right = i === received && msg.length === 600 &&
        msg.subarray(4).every((byte) => byte === i % 251);
      if (!right) wrong.push(i);
      if (++received === count) done();
    });
    const { port } = receiver.address();
    const later = (host, family, done) => setImmediate(() => {
      gc();
      done(null, '127.0.0.1', 4);
    });
    const connected = await bound(t);
    await new Promise((resolve) => connected.connect(port, '127.0.0.1', resolve));
    const plain = await bound(t);
    const slow = t.dgram.createSocket({ type: 'udp4', lookup: later }).bind();
    await new Promise((resolve) => slow.once('listening', resolve));
    const message = (i) => {
      const whole = Buffer.from(new ArrayBuffer(700), 50, 600).fill(i % 251);
      whole.writeUInt32LE(i);
      return whole;
    };
    const parts = (i) => {
      const whole = message(i);
      return [whole.subarray(0, 10), new Uint8Array(whole.subarray(10, 300)),
        new DataView(new Uint8Array(whole.subarray(300)).buffer)];
    };
    const sends = [
      (i) => connected.send(message(i)),
      (i) => connected.send(parts(i)),
      (i) => plain.send(message(i), port, '127.0.0.1'),
      (i) => plain.send(parts(i), port, '127.0.0.1'),
      (i) => slow.send(message(i), port, 'x'),
      (i) => slow.send(parts(i), port, 'x'),
    ];
    for (let sent = 0, way = 0; sent < count; way++) {
      for (let i = 0; i < 50; i++, sent++) {
        sends[way % sends.length](sent);
        if (i % 10 === 9) {
          gc();
          for (let k = 0; k < 20; k++) Buffer.from(new ArrayBuffer(700)).fill(0xee);
        }
      }
      while (received < sent) await turn();
    }
    await all;
    t.report(wrong);
    for (const socket of [receiver, connected, plain, slow]) socket.close();
  });
  assert.deepStrictEqual(reported, [[]]);
});

test('sockets may be closed in listeners while garbage is collected', async () => {
  const [left] = await reports(async (t) => {
    let open = 0;
    for (let i = 0; i < 50; i++) {
      open++;
      const socket = await bound(t);
      let received = 0;
      socket.on('message', () => {
        gc();
        if (++received === 3) socket.close(() => { open--; });
      });
      for (let k = 0; k < 10; k++) socket.send('x', socket.address().port, '127.0.0.1');
    }
    process.on('exit', () => t.report(open));
  });
  assert.strictEqual(left, 0);
});

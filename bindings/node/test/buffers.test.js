'use strict';
// Every kind of view as a message, memory that goes away or changes under a send, and messages
// received that nothing changes afterwards.

const assert = require('node:assert');
const { once } = require('node:events');
const test = require('node:test');
const { dgram, ours } = require('./subject');
const child = require('./child');

// Sends and receives: `plain` to an address, `connected` without one.
async function open(t, type = 'udp4') {
  const address = type === 'udp4' ? '127.0.0.1' : '::1';
  const make = async () => {
    const socket = dgram.createSocket(type).bind(0, address);
    await once(socket, 'listening');
    t.after(() => socket.close());
    return socket;
  };
  const receiver = await make();
  const connected = await make();
  const { port } = receiver.address();
  connected.connect(port, address);
  await once(connected, 'connect');
  return {
    receiver,
    connected: (...message) => connected.send(...message),
    plain: (...message) => receiver.send(...message, port, address),
    received: async (count = 1) => {
      const messages = [];
      while (messages.length < count) messages.push((await once(receiver, 'message'))[0]);
      return count === 1 ? messages[0] : messages;
    },
  };
}

const bytesOf = (view) =>
  Buffer.from(Buffer.from(view.buffer, view.byteOffset, view.byteLength));

const pattern = (length, from = 1) => {
  const buffer = new ArrayBuffer(length);
  new Uint8Array(buffer).forEach((_, i, bytes) => { bytes[i] = from + i; });
  return buffer;
};

function resizable(length, max = 64) {
  const buffer = new ArrayBuffer(length, { maxByteLength: max });
  new Uint8Array(buffer).set(new Uint8Array(pattern(length)));
  return buffer;
}

function growable(length, max = 64) {
  const buffer = new SharedArrayBuffer(length, { maxByteLength: max });
  new Uint8Array(buffer).set(new Uint8Array(pattern(length)));
  return buffer;
}

const noResizable = !('resizable' in ArrayBuffer.prototype) && 'no resizable ArrayBuffer here';

class Sub extends Uint8Array {}
class SubOfBuffer extends Buffer {}

const views = {
  Uint8Array: () => new Uint8Array(pattern(16)),
  'Uint8Array, part': () => new Uint8Array(pattern(16), 3, 7),
  Int8Array: () => new Int8Array(pattern(16), 5),
  Uint8ClampedArray: () => new Uint8ClampedArray(pattern(16), 1),
  'Uint16Array, part': () => new Uint16Array(pattern(16), 2, 3),
  Float32Array: () => new Float32Array(pattern(16), 4),
  'Float64Array, part': () => new Float64Array(pattern(40), 8, 3),
  BigInt64Array: () => new BigInt64Array(pattern(24), 8),
  'Float16Array, part': 'Float16Array' in globalThis &&
    (() => new globalThis.Float16Array(pattern(16), 2, 3)),
  DataView: () => new DataView(pattern(16)),
  'DataView at an odd offset': () => new DataView(pattern(16), 7, 5),
  'DataView of nothing': () => new DataView(pattern(16), 16),
  'Uint8Array of nothing': () => new Uint8Array(0),
  'Uint8Array at the end of its memory': () => new Uint8Array(pattern(16), 16),
  Buffer: () => Buffer.from(pattern(16)),
  'Buffer in a pool': () => Buffer.from('in the pool of small buffers'),
  'subclass of Uint8Array': () => new Sub(pattern(16), 2, 5),
  'subclass of Buffer': () => Object.setPrototypeOf(Buffer.from(pattern(9)), SubOfBuffer.prototype),
  frozen: () => Object.preventExtensions(new Uint8Array(pattern(9))),
  'shared memory': () => {
    const buffer = new SharedArrayBuffer(16);
    new Uint8Array(buffer).set(new Uint8Array(pattern(16)));
    return new Uint8Array(buffer, 3, 9);
  },
  'DataView of shared memory': () => new DataView(new SharedArrayBuffer(5), 1),
  'resizable memory': !noResizable && (() => new Uint8Array(resizable(16))),
  'resizable memory, part': !noResizable && (() => new Uint8Array(resizable(16), 2, 6)),
  'resizable memory, grown': !noResizable && (() => {
    const view = new Uint8Array(resizable(16), 4);
    view.buffer.resize(40);
    return view;
  }),
  'resizable memory, shrunk': !noResizable && (() => {
    const view = new Uint8Array(resizable(16), 4);
    view.buffer.resize(9);
    return view;
  }),
  'growable shared memory': !noResizable && (() => {
    const view = new Uint8Array(growable(16), 4);
    view.buffer.grow(40);
    return view;
  }),
};

for (const [name, make] of Object.entries(views)) {
  test(`a view is sent byte by byte: ${name}`, { skip: !make && 'not in this Node.js' }, async (t) => {
    const { connected, plain, received } = await open(t);
    const expected = bytesOf(make());
    for (const send of [connected, plain]) {
      send(make());
      assert.deepStrictEqual(await received(), expected);
      send([make()]);
      assert.deepStrictEqual(await received(), expected);
      send(['(', make(), make(), ')']);
      assert.deepStrictEqual(await received(),
        Buffer.concat([Buffer.from('('), expected, expected, Buffer.from(')')]));
      if (expected.length < 3) continue;
      send(make(), 1, expected.length - 2);
      assert.deepStrictEqual(await received(), expected.subarray(1, -1));
      send(make(), 0, 0);
      assert.deepStrictEqual(await received(), Buffer.alloc(0));
    }
  });
}

const largest = { udp4: 65507, udp6: 65527 };
for (const [type, most] of Object.entries(largest)) {
  test(`${most} bytes are sent, one more is too many: ${type}`, async (t) => {
    if (type === 'udp6' && !await hasIPv6()) return t.skip('no IPv6 on loopback');
    const { receiver, connected, plain, received } = await open(t, type);
    receiver.setRecvBufferSize(1 << 20);
    const whole = Buffer.alloc(most, 'whole');
    for (const send of [connected, plain]) {
      send(whole);
      assert.ok(whole.equals(await received()));
      send([whole.subarray(0, 1), whole.subarray(1, 1000), whole.subarray(1000)]);
      assert.ok(whole.equals(await received()));
    }
    const tooMuch = Buffer.alloc(most + 1);
    const { port, address } = receiver.address();
    for (const attempt of [
      (callback) => connected(tooMuch, callback),
      (callback) => receiver.send(tooMuch, port, address, callback),
      (callback) => receiver.send([tooMuch, 'x'], port, address, callback),
    ]) {
      const error = await new Promise(attempt);
      assert.deepStrictEqual([error.code, error.syscall], ['EMSGSIZE', 'send']);
    }
    connected('still works');
    assert.strictEqual(String(await received()), 'still works');
  });
}

async function hasIPv6() {
  const socket = dgram.createSocket('udp6').bind(0, '::1');
  const found = await once(socket, 'listening').then(() => true, () => false);
  socket.close();
  return found;
}

test('a connected send has the bytes of the time of the call', async (t) => {
  const { connected, received } = await open(t);
  const changes = {
    'written to': (view) => view.fill(0xff),
    'given away': (view) => structuredClone(view.buffer, { transfer: [view.buffer] }),
    shrunk: !noResizable && ((view) => view.buffer.resize(2)),
    grown: !noResizable && ((view) => view.buffer.resize(32)),
  };
  for (const [name, change] of Object.entries(changes)) {
    if (!change) continue;
    const make = () => new Uint8Array(/shrunk|grown/.test(name) ? resizable(16) : pattern(16));
    const views = [make(), make(), make()];
    connected(views[0]);
    connected(views[1], 4, 8);
    connected(['(', views[2], ')']);
    views.forEach(change);
    const expected = bytesOf(make());
    assert.deepStrictEqual(await received(3), [expected, expected.subarray(4, 12),
      Buffer.concat([Buffer.from('('), expected, Buffer.from(')')])], name);
  }
});

test('a send that waits has its bytes of the time of the call or of leaving', async (t) => {
  // The documentation leaves open which; bytes of anything else would be a fault. While a send
  // waits for its lookup, the built-in sees the changes.
  const { plain, received } = await open(t);
  const whole = bytesOf(new Uint8Array(pattern(16)));
  const nothing = Buffer.alloc(0);
  const changes = {
    'written to': [(view) => view.fill(0xff), whole, Buffer.alloc(16, 0xff)],
    'given away': [(view) => structuredClone(view.buffer, { transfer: [view.buffer] }),
      whole, nothing],
    'given to a thread': [(view) => {
      const { port1, port2 } = new MessageChannel();
      port1.postMessage(view.buffer, [view.buffer]);
      port1.close();
      port2.close();
    }, whole, nothing],
    'transferred': ArrayBuffer.prototype.transfer && [(view) => view.buffer.transfer(),
      whole, nothing],
    shrunk: !noResizable && [(view) => view.buffer.resize(2), whole, whole.subarray(0, 2), nothing],
    'shrunk to nothing': !noResizable && [(view) => view.buffer.resize(0), whole, nothing],
    grown: !noResizable && [(view) => view.buffer.resize(20),
      whole, Buffer.concat([whole, Buffer.alloc(4)])],
  };
  for (const [name, chosen] of Object.entries(changes)) {
    if (!chosen) continue;
    const [change, ...allowed] = chosen;
    const memory = () => /shrunk|grown/.test(name) ? resizable(16) : pattern(16);
    const kinds = [() => new Uint8Array(memory()), () => Buffer.from(memory())];
    if (/shrunk/.test(name)) kinds.push(() => new Uint8Array(memory(), 0, 16));
    for (const make of kinds) {
      const views = [make(), make()];
      plain(views[0]);
      plain([views[1]]);
      views.forEach(change);
      for (const msg of await received(2)) {
        assert.ok(allowed.some((bytes) => bytes.equals(msg)), `${name}: ${msg.toString('hex')}`);
      }
    }
  }
});

test('memory that is gone before the call is sent as nothing or refused', async (t) => {
  const { connected, plain, received } = await open(t);
  const gone = {
    Uint8Array: () => new Uint8Array(pattern(16)),
    DataView: () => new DataView(pattern(16), 3),
    Float64Array: () => new Float64Array(pattern(16)),
    Buffer: () => Buffer.from(pattern(16)),
  };
  for (const make of Object.values(gone)) {
    for (const send of [connected, plain]) {
      const view = make();
      structuredClone(view.buffer, { transfer: [view.buffer] });
      send(view);
      assert.deepStrictEqual(await received(), Buffer.alloc(0));
      for (const message of [[[view]], [view, 0, 4], [view, 0, 0]]) {
        try {
          send(...message);
        } catch (error) {
          assert.match(error.message, /detached|outside of buffer bounds/);
          continue;
        }
        assert.deepStrictEqual(await received(), Buffer.alloc(0));
      }
    }
  }
});

test('a part of resizable memory that is out of bounds is sent as nothing', { skip: noResizable },
  async (t) => {
    const { connected, plain, received } = await open(t);
    for (const View of [Uint8Array, DataView, Uint16Array]) {
      for (const send of [connected, plain]) {
        const view = new View(resizable(16), 8, 4);
        view.buffer.resize(10);
        send(view);
        assert.deepStrictEqual(await received(), Buffer.alloc(0));
      }
    }
  });

test('a list may be changed once it was sent', async (t) => {
  const { connected, plain, received } = await open(t);
  for (const send of [connected, plain]) {
    const list = ['a', Buffer.from('b'), new Uint8Array([99])];
    send(list);
    list.length = 1;
    list[0] = 'X';
    list.push('Y', 'Z');
    assert.strictEqual(String(await received()), 'abc');
  }
});

// What an argument does is over before the state of the socket is read.
test('a send whose argument closes the socket is refused', async (t) => {
  const closes = {
    'an offset': (act) => ['abc', { valueOf: () => act(1) }, 1],
    'a length': (act) => ['abc', 0, { valueOf: () => act(1) }],
    'an element of the list': (act) => [Object.defineProperty(['a'], 1, { get: () => act('b') })],
    'the length of the list': (act) => [new Proxy(['a'], { get: (list, key) =>
      (key === 'length' ? act(1) : list[key]) })],
  };
  for (const [name, make] of Object.entries(closes)) {
    const socket = dgram.createSocket('udp4').bind(0, '127.0.0.1');
    let isOpen = true;
    const close = () => {
      if (isOpen) socket.close();
      isOpen = false;
    };
    t.after(close);
    await once(socket, 'listening');
    const message = make((value) => {
      close();
      return value;
    });
    assert.throws(() => socket.send(...message, socket.address().port, '127.0.0.1'),
      { code: 'ERR_SOCKET_DGRAM_NOT_RUNNING' }, name);
    assert.strictEqual(isOpen, false, name);
  }
});

test('views that lie about themselves are never believed past their memory', async (t) => {
  const { connected, plain, received } = await open(t);
  const lies = [1e6, 2 ** 40, -1, 0, 'x', NaN, null, undefined, {}, Symbol('lie')];
  for (const property of ['byteLength', 'byteOffset', 'length', 'buffer']) {
    for (const value of lies) {
      for (const send of [connected, plain]) {
        for (const message of [(v) => [v], (v) => [[v]], (v) => [v, 0, 1]]) {
          const view = Object.defineProperty(new Uint8Array([97]), property, { value });
          try {
            send(...message(view));
          } catch {
            continue;
          }
          // 'x' as the buffer makes it a string's bytes.
          assert.match(String(await received()), /^[ax]?$/);
        }
      }
    }
  }
});

// What the messages of one program share must not show.
const count = 10_000;

async function receiveMany(t, sizes, options = {}) {
  const { receiver, connected } = await open(t);
  receiver.setRecvBufferSize(1 << 20);
  const messages = [];
  const copies = [];
  let sent = 0;
  const total = options.count || count;
  const window = options.window || 64;
  await new Promise((resolve) => {
    const more = () => {
      for (let i = 0; i < window && sent < total; i++, sent++) {
        connected(Buffer.alloc(sizes[sent % sizes.length], sent));
      }
    };
    const keep = (msg) => {
      messages.push(msg);
      copies.push(Buffer.from(Uint8Array.prototype.slice.call(msg)));
      if (messages.length === total) resolve();
      else if (messages.length === sent) more();
    };
    if (options.batches) receiver.on('messages', (batch) => batch.forEach(({ msg }) => keep(msg)));
    else receiver.on('message', keep);
    more();
  });
  return { messages, copies };
}

function assertUnchanged(messages, copies) {
  const changed = messages.findIndex((msg, i) => !msg.equals(copies[i]));
  assert.strictEqual(changed, -1, `message ${changed} changed`);
}

function assertApart(messages) {
  const places = messages.filter((msg) => msg.length > 0).map((msg) => ({
    buffer: msg.buffer, from: msg.byteOffset, to: msg.byteOffset + msg.byteLength,
  }));
  const byMemory = new Map();
  for (const place of places) {
    if (!byMemory.has(place.buffer)) byMemory.set(place.buffer, []);
    byMemory.get(place.buffer).push(place);
  }
  for (const group of byMemory.values()) {
    group.sort((a, b) => a.from - b.from);
    for (let i = 1; i < group.length; i++) {
      assert.ok(group[i - 1].to <= group[i].from, 'two messages overlap');
    }
  }
}

test('messages stay as they came', async (t) => {
  const { messages, copies } = await receiveMany(t, [1, 64, 100, 0, 1200, 7]);
  assertUnchanged(messages, copies);
  assertApart(messages);
});

test('large messages stay as they came', async (t) => {
  const { messages, copies } =
    await receiveMany(t, [65507, 1, 9000, 65507], { count: 200, window: 4 });
  assertUnchanged(messages, copies);
  assertApart(messages);
});

test('messages of batches stay as they came', ours('the built-in has no \'messages\''),
  async (t) => {
    const { messages, copies } = await receiveMany(t, [64, 100, 0, 1200], { batches: true });
    assertUnchanged(messages, copies);
    assertApart(messages);
  });

test('writing into a message changes no other', async (t) => {
  const { messages, copies } = await receiveMany(t, [1, 64, 100, 3], { count: 1000 });
  messages.forEach((msg, i) => {
    if (i % 2) msg.fill(0xee);
  });
  const even = (_, i) => i % 2 === 0;
  assertUnchanged(messages.filter(even), copies.filter(even));
});

test('a message may be written to in its listener, and sent on', async (t) => {
  const { receiver, connected, received } = await open(t);
  const echo = dgram.createSocket('udp4').bind(0, '127.0.0.1');
  t.after(() => echo.close());
  await once(echo, 'listening');
  receiver.on('message', (msg, rinfo) => {
    if (rinfo.port === echo.address().port) return;
    receiver.send(msg, echo.address().port, '127.0.0.1');
  });
  echo.on('message', (msg, rinfo) => {
    echo.send([msg, msg], rinfo.port, '127.0.0.1', () => msg.fill(0));
  });
  for (let i = 0; i < 100; i++) {
    connected(`message ${i}`);
    await received();
    assert.strictEqual(String(await received()), `message ${i}message ${i}`);
  }
});

test('a message is a Buffer like any other', async (t) => {
  const { plain, received } = await open(t);
  for (const size of [0, 1, 100, 5000]) {
    plain(Buffer.alloc(size, 'x'));
    const msg = await received();
    assert.ok(Buffer.isBuffer(msg));
    assert.strictEqual(Object.getPrototypeOf(msg), Buffer.prototype);
    assert.ok(msg.buffer instanceof ArrayBuffer);
    assert.strictEqual(msg.length, size);
    assert.strictEqual(msg.byteLength, size);
    assert.deepStrictEqual(Object.keys(msg).length, size);
    assert.ok(Object.isExtensible(msg));
    assert.deepStrictEqual(msg, Buffer.alloc(size, 'x'));
    assert.deepStrictEqual(structuredClone(msg), new Uint8Array(msg));
  }
});

test('giving away the memory of a message leaves the others and the socket alone', async () => {
  const reported = await child.reports(async (t) => {
    const { once } = require('node:events');
    const { MessageChannel, receiveMessageOnPort } = require('node:worker_threads');
    const ways = [
      (buffer) => structuredClone(buffer, { transfer: [buffer] }),
      (buffer) => {
        const { port1, port2 } = new MessageChannel();
        port1.postMessage(buffer, [buffer]);
        receiveMessageOnPort(port2);
        port1.close();
      },
    ];
    const socket = t.dgram.createSocket('udp4').bind(0, '127.0.0.1');
    await once(socket, 'listening');
    for (const giveAway of ways) {
      const received = [];
      let given = 0;
      socket.removeAllListeners('message');
      const done = new Promise((resolve) => socket.on('message', (msg) => {
        if (received.push(msg) === 1000) resolve();
        if (received.length % 10 !== 0) return;
        try {
          giveAway(msg.buffer);
          given++;
        } catch {
          // It may be refused.
        }
      }));
      for (let i = 0; i < 1000; i++) {
        socket.send(`message ${i}`, socket.address().port, '127.0.0.1');
        if (i % 50 === 49) while (received.length <= i) await new Promise(setImmediate);
      }
      await done;
      t.report(received.filter((msg, i) => i % 10 !== 9 && String(msg) !== `message ${i}`).length);
    }
    socket.close();
  });
  assert.deepStrictEqual(reported, [0, 0]);
});

test('the socket goes on although the program took all memory of its messages', {
  skip: !ArrayBuffer.prototype.transfer && 'ArrayBuffer.prototype.transfer does not exist',
}, async () => {
  // Before Node.js 24, transfer() can't be refused: here only the messages that come later count.
  const reported = await child.reports(async (t) => {
    const { once } = require('node:events');
    const socket = t.dgram.createSocket('udp4').bind(0, '127.0.0.1');
    await once(socket, 'listening');
    const taken = [];
    let wrong = 0;
    let received = 0;
    socket.on('message', (msg) => {
      if (String(msg) !== `message ${received}`) wrong++;
      received++;
      try {
        taken.push(received % 3 ? msg.buffer.transfer() : msg.buffer.transfer(0));
      } catch {
        // Refused.
      }
    });
    for (let i = 0; i < 1000; i++) {
      socket.send(`message ${i}`, socket.address().port, '127.0.0.1');
      while (received <= i) await new Promise(setImmediate);
    }
    socket.close(() => t.report(wrong));
  });
  assert.deepStrictEqual(reported, [0]);
});

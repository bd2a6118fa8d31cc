'use strict';
// A program that asks for no addition sees none; and tools that replace methods of EventEmitter see
// the sockets, although the class has some of these methods as its own.

const assert = require('node:assert');
const builtin = require('node:dgram');
const { EventEmitter, on, once } = require('node:events');
const { describe, test } = require('node:test');
const { additions } = require('./differential/additions');
const { dgram, ours } = require('./subject');
const { create, open, turn } = require('./sockets');

const methods = ['addListener', 'off', 'on', 'once', 'prependListener', 'prependOnceListener', 'removeAllListeners',
  'removeListener'];

function namesOf(socket) {
  const names = [];
  for (const name in socket) names.push(name);
  return names.filter((name) => !['bindSync', 'connectSync'].includes(name)).sort();
}

describe('what a program sees that asks for nothing', () => {
  test('for...in finds the same names, own keys and events are the same', (t) => {
    const socket = create(t);
    const other = builtin.createSocket('udp4');
    t.after(() => other.close());
    assert.deepStrictEqual(namesOf(socket), namesOf(other));
    assert.deepStrictEqual(Object.keys(socket), Object.keys(other));
    assert.deepStrictEqual(JSON.stringify(socket), JSON.stringify(other));
    assert.deepStrictEqual(socket.eventNames(), other.eventNames());
    assert.deepStrictEqual(Object.keys({ ...socket }), Object.keys({ ...other }));
  });

  test('a socket at work has no listeners but those of the program', async (t) => {
    const socket = await open(t);
    socket.on('message', () => {});
    socket.send('x', socket.address().port, '127.0.0.1');
    await once(socket, 'message');
    await turn();
    assert.deepStrictEqual(socket.eventNames(), ['message']);
    assert.strictEqual(socket.listenerCount('message'), 1);
  });

  test('rinfo and errors have the members that they have with the built-in', async (t) => {
    const socket = await open(t);
    socket.send('x', socket.address().port, '127.0.0.1');
    const [, rinfo] = await once(socket, 'message');
    assert.deepStrictEqual(Object.keys(rinfo), ['address', 'family', 'port', 'size']);
    const error = await new Promise((resolve) => socket.send(Buffer.alloc(70_000), 9, '127.0.0.1', resolve));
    assert.deepStrictEqual(Reflect.ownKeys(error).sort(),
      ['address', 'code', 'errno', 'message', 'port', 'stack', 'syscall']);
  });

  test("a method that is EventEmitter's has its name and length", () => {
    for (const name of methods) {
      assert.strictEqual(dgram.Socket.prototype[name].name, EventEmitter.prototype[name].name);
      assert.strictEqual(dgram.Socket.prototype[name].length, EventEmitter.prototype[name].length);
    }
  });
});

describe('methods of EventEmitter that are replaced', () => {
  for (const name of methods) {
    test(`a later ${name}() of EventEmitter.prototype is called, and the one before again`, (t) => {
      const original = EventEmitter.prototype[name];
      const calls = [];
      t.after(() => { EventEmitter.prototype[name] = original; });
      EventEmitter.prototype[name] = function(...values) {
        calls.push([this, values[0]]);
        return original.apply(this, values);
      };
      const socket = create(t);
      calls.length = 0;
      socket[name]('message', () => {});
      assert.deepStrictEqual(calls.map(([emitter, event]) => [emitter === socket, event]), [[true, 'message']]);
      EventEmitter.prototype[name] = original;
      calls.length = 0;
      socket[name]('message', () => {});
      assert.deepStrictEqual(calls, []);
    });

    test(`a ${name}() of the class can be wrapped and restored`, (t) => {
      const own = Object.getOwnPropertyDescriptor(dgram.Socket.prototype, name);
      const original = dgram.Socket.prototype[name];
      let calls = 0;
      dgram.Socket.prototype[name] = function(...values) {
        calls++;
        return original.apply(this, values);
      };
      const socket = create(t);
      calls = 0;
      assert.strictEqual(socket[name]('message', () => {}), socket);
      assert.strictEqual(calls, 1);
      if (own)
        Object.defineProperty(dgram.Socket.prototype, name, own);
      else
        delete dgram.Socket.prototype[name];
    });
  }

  test('a class of its own that calls super.on() has both', ours("'icmp' is an addition"), async (t) => {
    const seen = [];
    class Watched extends dgram.Socket {
      on(event, listener) {
        seen.push(event);
        return super.on(event, listener);
      }
    }
    const socket = new Watched('udp4');
    t.after(() => socket.close());
    socket.on('icmp', () => {}).once('message', () => {});
    assert.deepStrictEqual(seen.filter((event) => event !== 'newListener'), ['icmp', 'message']);
    assert.strictEqual(socket.listenerCount('icmp'), 1);
  });
});

describe('events.on() and events.once()', () => {
  test('events.once() of a message, and of an error', async (t) => {
    const socket = await open(t);
    socket.send('x', socket.address().port, '127.0.0.1');
    assert.strictEqual(String((await once(socket, 'message'))[0]), 'x');
    const failing = once(socket, 'message');
    socket.emit('error', new Error('of the test'));
    await assert.rejects(failing, /of the test/);
  });

  test('events.on() gets every message', async (t) => {
    const socket = await open(t);
    const { port } = socket.address();
    for (let i = 0; i < 100; i++) socket.send(`${i}`, port, '127.0.0.1');
    let next = 0;
    for await (const [msg] of on(socket, 'message')) {
      assert.strictEqual(String(msg), `${next++}`);
      if (next === 100)
        break;
    }
    assert.strictEqual(socket.listenerCount('message'), 0);
  });

  const hasMarks = Number(process.versions.node.split('.')[0]) >= 20;
  test('events.on() with highWaterMark pauses, and loses nothing', {
    skip: ours('pause() is an addition').skip || (!hasMarks && 'this version has no highWaterMark'),
  }, async (t) => {
    const socket = await open(t);
    const { port } = socket.address();
    for (let i = 0; i < 100; i++) socket.send(`${i}`, port, '127.0.0.1');
    let next = 0;
    let paused = 0;
    for await (const [msg] of on(socket, 'message', { highWaterMark: 4, lowWaterMark: 1 })) {
      assert.strictEqual(String(msg), `${next++}`);
      paused += socket.isPaused() ? 1 : 0;
      await turn();
      if (next === 100)
        break;
    }
    assert.ok(paused > 0);
    socket.resume();
  });
});

test('each addition is hidden from for...in or is listed', ours('it has none'), (t) => {
  const names = namesOf(create(t));
  for (const name of additions.filter((one) => !methods.includes(one)))
    assert.ok(!names.includes(name), name);
});

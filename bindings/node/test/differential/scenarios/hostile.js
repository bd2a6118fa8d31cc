'use strict';
// Arguments that do something when they are looked at, and programs that pull the rug away.

const { scenario } = require('../registry.js');
const { additions } = require('../additions.js');
const { feature } = require('../needs.js');

/* Conversions that close the socket, or send, or bind */

const numberThat = (act, value) => ({ valueOf() { act(); return value; } });
const textThat = (act, value) => ({ toString() { act(); return value; } });

scenario('hostile: an offset that closes the socket', { uncaught: true }, async ({ bound, attempt, traced, turns }) => {
  const a = await bound('a');
  const { port } = a.address();
  attempt('send', () => a.send(Buffer.from('x'), numberThat(() => a.close(), 0), 1, port, '127.0.0.1', traced('sent')));
  await turns(3);
});

scenario('hostile: a length that closes the socket', { uncaught: true }, async ({ bound, attempt, traced, turns }) => {
  const a = await bound('a');
  const { port } = a.address();
  attempt('send', () => a.send(Buffer.from('x'), 0, numberThat(() => a.close(), 1), port, '127.0.0.1', traced('sent')));
  await turns(3);
});

scenario('hostile: a length that detaches the buffer', async ({ bound, attempt, traced, turns, close }) => {
  const a = await bound('a');
  const bytes = new Uint8Array(8).fill(65);
  const detach = () => structuredClone(bytes, { transfer: [bytes.buffer] });
  attempt('send', () => a.send(bytes, 0, numberThat(detach, 8), a.address().port, '127.0.0.1', traced('sent')));
  await turns(3);
  await close(a);
});

scenario('hostile: an offset that sends', async ({ bound, attempt, traced, turns, close }) => {
  const a = await bound('a');
  const { port } = a.address();
  const offset = numberThat(() => a.send('inner', port, '127.0.0.1', traced('inner')), 0);
  attempt('send', () => a.send(Buffer.from('outer'), offset, 5, port, '127.0.0.1', traced('outer')));
  await turns(3);
  await close(a);
});

scenario('hostile: a port of bind that closes the socket', { crashes: true, uncaught: true }, async ({ socket, attempt, turns }) => {
  const a = socket('a');
  attempt('bind', () => a.bind({ port: numberThat(() => a.close(), 0), address: '127.0.0.1' }));
  await turns(3);
});

scenario('hostile: a port of bind that binds', async ({ socket, attempt, turns }) => {
  const a = socket('a');
  const port = numberThat(() => attempt('inner', () => a.bind(0, '127.0.0.1')), 0);
  attempt('outer', () => a.bind({ port, address: '127.0.0.1' }));
  await turns(3);
  a.close();
});

for (const method of ['setBroadcast', 'setMulticastLoopback', 'setTTL', 'setRecvBufferSize']) {
  scenario(`hostile: a value of ${method} that closes the socket`, async ({ bound, attempt, turns, log }) => {
    const a = await bound('a');
    attempt(method, () => a[method](numberThat(() => log('read') || a.close(), 1)) && 'something');
    attempt(`${method} text`, () => a[method](textThat(() => log('read') || a.close(), '1')) && 'something');
    await turns(2);
    attempt('close', () => a.close());
    await turns(2);
  });
}

scenario('hostile: an address of setMulticastInterface that is looked at', async ({ bound, attempt, log, close }) => {
  const a = await bound('a');
  attempt('object', () => a.setMulticastInterface(textThat(() => log('read'), '127.0.0.1')));
  await close(a);
});

scenario('hostile: options of bind that close the socket', { uncaught: true }, async ({ socket, attempt, turns }) => {
  for (const name of ['port', 'address', 'fd', 'exclusive', 'recvStart']) {
    const a = socket(`a of ${name}`);
    const options = Object.defineProperty({}, name, { get() { a.close(); return undefined; } });
    attempt(`bind with ${name}`, () => a.bind(options));
    await turns(2);
  }
});

scenario('hostile: options of createSocket that create sockets', ({ dgram, log }) => {
  let inner = 0;
  const options = { get type() { if (inner++ < 3) dgram.createSocket(options); return 'udp4'; } };
  log('type', dgram.createSocket(options).type);
  log('inner', inner);
});

/* Payloads */

scenario('hostile: a list that is a proxy', async ({ bound, attempt, traced, log, turns, close }) => {
  const a = await bound('a');
  const keysRead = [];
  const list = new Proxy(['one', 'two'], {
    get(target, key) { keysRead.push(String(key)); return Reflect.get(target, key); },
  });
  attempt('send', () => a.send(list, a.address().port, '127.0.0.1', traced('sent')));
  await turns(3);
  log('looked at the elements', keysRead.includes('0') && keysRead.includes('1'));
  await close(a);
});

scenario('hostile: a list whose elements are getters that throw', async ({ bound, attempt, turns, close }) => {
  const a = await bound('a');
  const list = ['one', 'two'];
  Object.defineProperty(list, 1, { get() { throw new Error('no element'); } });
  attempt('send', () => a.send(list, a.address().port, '127.0.0.1'));
  await turns(2);
  await close(a);
});

scenario('hostile: a list whose elements close the socket', { uncaught: true }, async ({ bound, attempt, traced, turns }) => {
  const a = await bound('a');
  const { port } = a.address();
  const list = ['one', 'two'];
  Object.defineProperty(list, 1, { get() { a.close(); return 'two'; }, configurable: true });
  attempt('send', () => a.send(list, port, '127.0.0.1', traced('sent')));
  await turns(2);
});

scenario('hostile: a list that another element makes longer or shorter', async ({ bound, attempt, traced, turns, close }) => {
  const a = await bound('a');
  const { port } = a.address();
  for (const act of [(list) => list.push('more'), (list) => { list.length = 1; }]) {
    const list = ['one', 'two', 'three'];
    Object.defineProperty(list, 0, { get() { act(list); return 'first'; }, configurable: true });
    attempt('send', () => a.send(list, port, '127.0.0.1', traced('sent')));
    await turns(2);
  }
  await close(a);
});

scenario('hostile: elements that differ each time', async ({ bound, attempt, traced, turns, close }) => {
  const a = await bound('a');
  const list = ['x'];
  let count = 0;
  Object.defineProperty(list, 0, { get: () => (count++ ? 5 : 'text'), configurable: true });
  attempt('send', () => a.send(list, a.address().port, '127.0.0.1', traced('sent')));
  await turns(2);
  await close(a);
});

scenario('hostile: a list without Symbol.iterator', async ({ bound, attempt, traced, turns, close }) => {
  const a = await bound('a');
  const list = ['one', 'two'];
  list[Symbol.iterator] = undefined;
  list.map = list.slice = list.length > 5 ? list.map : () => { throw new Error('not of this list'); };
  attempt('send', () => a.send(list, a.address().port, '127.0.0.1', traced('sent')));
  await turns(2);
  await close(a);
});

scenario('hostile: a list of another realm', async ({ bound, attempt, traced, turns, close }) => {
  const vm = require('node:vm');
  const a = await bound('a');
  attempt('list', () => a.send(vm.runInNewContext('["a", new Uint8Array([98])]'), a.address().port, '127.0.0.1', traced('sent')));
  attempt('bytes', () => a.send(vm.runInNewContext('new Uint16Array([97])'), a.address().port, '127.0.0.1', traced('sent')));
  attempt('view', () => a.send(vm.runInNewContext('new DataView(new ArrayBuffer(2))'), a.address().port, '127.0.0.1', traced('sent')));
  attempt('options', () => new a.constructor(vm.runInNewContext('({ type: "udp4" })')).type);
  await turns(2);
  await close(a);
});

scenario('hostile: bytes that lie about their length', async ({ bound, attempt, traced, turns, close }) => {
  const a = await bound('a');
  const { port } = a.address();
  for (const [key, value] of [['length', 100], ['byteLength', 100], ['byteOffset', 50], ['buffer', new ArrayBuffer(2)],
    ['length', 'x'], ['byteLength', -1]]) {
    const bytes = Object.defineProperty(Uint8Array.of(65, 66, 67), key, { value });
    attempt(`${key} ${value}`, () => a.send(bytes, port, '127.0.0.1', traced('sent')));
    attempt(`${key} ${value}, in a list`, () => a.send([bytes], port, '127.0.0.1', traced('sent')));
    await turns(2);
  }
  await close(a);
});

scenario('hostile: bytes that lie about their length, with offset and length', async ({ bound, attempt, traced, turns, close }) => {
  const a = await bound('a');
  const { port } = a.address();
  for (const [key, value] of [['length', 1], ['byteLength', 1], ['byteOffset', 1]]) {
    const bytes = Object.defineProperty(Uint8Array.of(65, 66, 67), key, { value });
    attempt(`${key} ${value}`, () => a.send(bytes, 1, 2, port, '127.0.0.1', traced('sent')));
    await turns(2);
  }
  await close(a);
});

scenario('hostile: bytes in name only', async ({ bound, attempt, close }) => {
  const a = await bound('a');
  const { port } = a.address();
  attempt('prototype of Uint8Array', () => a.send(Object.create(Uint8Array.prototype), port, '127.0.0.1'));
  attempt('prototype of Buffer', () => a.send(Object.create(Buffer.prototype), port, '127.0.0.1'));
  attempt('a proxy of a Buffer', () => a.send(new Proxy(Buffer.from('x'), {}), port, '127.0.0.1'));
  attempt('a subclass', () => a.send(new (class Mine extends Uint8Array {})(2), port, '127.0.0.1'));
  const stripped = Buffer.from('x');
  Object.setPrototypeOf(stripped, null);
  attempt('without a prototype', () => a.send(stripped, port, '127.0.0.1'));
  await new Promise(setImmediate);
  await close(a);
});

const detached = () => {
  const bytes = Uint8Array.of(65, 66, 67);
  structuredClone(bytes, { transfer: [bytes.buffer] });
  return bytes;
};

scenario('hostile: a detached buffer', async ({ bound, pair, attempt, traced, turns, close }) => {
  const { a, b, port } = await pair();
  const c = await bound('c');
  attempt('connected', () => a.send(detached(), traced('connected')));
  attempt('unconnected', () => c.send(detached(), port, '127.0.0.1', traced('unconnected')));
  attempt('list', () => c.send(['x', detached()], port, '127.0.0.1', traced('list')));
  attempt('range', () => c.send(detached(), 0, 0, port, '127.0.0.1', traced('range')));
  attempt('range', () => c.send(detached(), 0, 1, port, '127.0.0.1', traced('range')));
  await turns(3);
  await close(a, b, c);
});

scenario('hostile: a detached DataView', { uncaught: true, crashes: true }, async ({ bound, attempt, traced, turns, close }) => {
  const a = await bound('a');
  const buffer = new ArrayBuffer(4);
  const view = new DataView(buffer);
  structuredClone(buffer, { transfer: [buffer] });
  attempt('send', () => a.send(view, a.address().port, '127.0.0.1', traced('sent')));
  attempt('range', () => a.send(view, 0, 1, a.address().port, '127.0.0.1', traced('sent')));
  await turns(3);
  await close(a);
});

for (const state of ['unbound', 'bound']) {
  scenario(`hostile: a buffer that is detached while its send waits, ${state}`, { uncaught: true }, async ({ socket, bound, attempt, traced, turns, close }) => {
    const b = await bound('b');
    const a = state === 'bound' ? await bound('a') : socket('a');
    const bytes = Uint8Array.of(65, 66, 67);
    const part = Uint8Array.of(68, 69);
    attempt('send', () => a.send(bytes, b.address().port, '127.0.0.1', traced('sent')));
    attempt('send a list', () => a.send(['x', part], b.address().port, '127.0.0.1', traced('sent')));
    structuredClone([bytes, part], { transfer: [bytes.buffer, part.buffer] });
    await turns(3);
    await close(a, b);
  });
}

scenario('hostile: a resizable buffer that shrinks while its send waits', { needs: feature('resizable ArrayBuffer', ArrayBuffer.prototype.resize) },
  async ({ bound, attempt, traced, turns, close }) => {
    const a = await bound('a');
    const { port } = a.address();
    const buffer = new ArrayBuffer(8, { maxByteLength: 16 });
    attempt('tracking', () => a.send(new Uint8Array(buffer).fill(65), port, '127.0.0.1', traced('tracking')));
    attempt('fixed', () => a.send(new Uint8Array(buffer, 2, 4), port, '127.0.0.1', traced('fixed')));
    buffer.resize(3);
    await turns(3);
    await close(a);
  });

scenario('hostile: a buffer that grows while its send waits', { needs: feature('resizable ArrayBuffer', ArrayBuffer.prototype.resize) },
  async ({ bound, attempt, traced, turns, close }) => {
    const a = await bound('a');
    const buffer = new ArrayBuffer(3, { maxByteLength: 16 });
    attempt('send', () => a.send(new Uint8Array(buffer).fill(65), a.address().port, '127.0.0.1', traced('sent')));
    buffer.resize(8);
    await turns(3);
    await close(a);
  });

scenario('hostile: a message that is detached by its listener', async ({ bound, turns, close }) => {
  const a = await bound('a');
  a.prependListener('message', (msg) => structuredClone(msg, { transfer: [msg.buffer] }));
  a.send('x', a.address().port, '127.0.0.1');
  a.send('y', a.address().port, '127.0.0.1');
  await turns(3);
  await close(a);
});

/* Callbacks */

scenario('hostile: callbacks of many kinds', { uncaught: true }, async ({ bound, attempt, log, turns, close }) => {
  const a = await bound('a');
  const { port } = a.address();
  const kinds = {
    'bound': function () { log('bound', this.text); }.bind({ text: 'own this' }),
    'proxy': new Proxy(() => log('proxy'), {}),
    'async': async () => log('async'),
    'generator': function* () { log('never'); },
    'class': class { constructor() { log('never'); } },
    'without prototype': Object.setPrototypeOf(() => log('without prototype'), null),
    'revoked': (() => { const { proxy, revoke } = Proxy.revocable(() => {}, {}); revoke(); return proxy; })(),
  };
  for (const [kind, callback] of Object.entries(kinds)) {
    attempt(kind, () => a.send('x', port, '127.0.0.1', callback));
    await turns(2);
  }
  await close(a);
});

scenario('hostile: one callback for many sends', async ({ bound, traced, turns, close }) => {
  const a = await bound('a');
  const { port } = a.address();
  const done = traced('sent');
  for (const text of ['a', 'bb', 'ccc']) a.send(text, port, '127.0.0.1', done);
  await turns(3);
  await close(a);
});

/* What the program changes behind the socket's back */

scenario('hostile: the type is written', async ({ socket, attempt, event, close, log }) => {
  const a = socket('a');
  a.type = 'udp6';
  a.bind(0);
  await Promise.race([event(a, 'listening'), event(a, 'error')]);
  log('type', a.type);
  attempt('address', () => a.address());
  await close(a);
});

scenario('hostile: _events is deleted', async ({ dgram, bind, log, close }) => {
  const a = dgram.createSocket('udp4');
  const port = await bind(a);
  a.on('message', () => log('never'));
  a._events = Object.create(null);
  a._eventsCount = 0;
  a.on('message', (msg) => log('got', msg));
  a.send('x', port, '127.0.0.1');
  await new Promise((resolve) => a.on('message', resolve));
  await close(a);
});

scenario('hostile: removeAllListeners while binding', async ({ dgram, traced, turns, attempt }) => {
  const a = dgram.createSocket('udp4');
  a.bind(0, '127.0.0.1', traced('bound'));
  a.removeAllListeners();
  await turns(2);
  attempt('address', () => a.address().address);
  a.close();
});

scenario('hostile: removeAllListeners while sends wait', async ({ socket, freePort, traced, turns, attempt }) => {
  const port = await freePort();
  const a = socket('a');
  a.send('x', port, '127.0.0.1', traced('sent'));
  a.removeAllListeners();
  await turns(2);
  a.send('y', port, '127.0.0.1', traced('sent later'));
  await turns(2);
  attempt('address', () => a.address().address);
  a.close();
  a.unref();
});

scenario('hostile: removeAllListeners with a signal, then abort', async ({ bound, attempt, turns }) => {
  const controller = new AbortController();
  const a = await bound('a', { type: 'udp4', signal: controller.signal });
  a.removeAllListeners();
  controller.abort();
  await turns(2);
  attempt('address', () => a.address());
});

scenario('hostile: events that the program emits itself', async ({ bound, attempt, traced, turns, close }) => {
  const a = await bound('a');
  for (const type of ['listening', 'connect', 'message', 'close', 'error']) {
    attempt(`emit ${type}`, () => a.emit(type, 'made up'));
  }
  attempt('address', () => a.address().address);
  a.send('x', a.address().port, '127.0.0.1', traced('sent'));
  await turns(3);
  await close(a);
});

scenario('hostile: methods on what is no socket', ({ dgram, log }) => {
  const { prototype } = dgram.Socket;
  const names = Object.getOwnPropertyNames(prototype).filter((name) => typeof
    Object.getOwnPropertyDescriptor(prototype, name).value === 'function' && name !== 'constructor' && name[0] !== '_' &&
    !additions.includes(name));
  for (const name of names.sort()) {
    for (const self of [undefined, {}, new (require('node:events'))()]) {
      let outcome = 'returned';
      try { prototype[name].call(self, 1, 2, 3); } catch (error) { outcome = `threw ${error.constructor.name}`; }
      log(name, outcome);
    }
  }
});

scenario('hostile: Object.prototype is polluted', { alone: true }, async ({ dgram, watch, traced, event, close, bound }) => {
  const b = await bound('b');
  const inherited = { callback: 1, 0: 'x', then: undefined, family: 6, size: 5, exclusive: true, type: 'udp6',
    encoding: 'hex', all: true, list: [], onmessage: 1, oncomplete: 2, signal: 3, lookup: 4 };
  for (const [key, value] of Object.entries(inherited)) {
    Object.defineProperty(Object.prototype, key, { value, configurable: true, writable: true });
  }
  const a = dgram.createSocket('udp4');
  const done = new Promise((resolve) => a.send('x', b.address().port, '127.0.0.1', (...values) => resolve(values)));
  const values = await done;
  for (const key of Object.keys(inherited)) delete Object.prototype[key];
  watch('a', a);
  traced('sent')(...values);
  await close(a, b);
});

scenario('hostile: patched primordials', { alone: true }, async ({ dgram, bound, watch, log, arrived, close }) => {
  const b = await bound('b');
  const a = dgram.createSocket('udp4');
  const { map, push, forEach } = Array.prototype;
  const { call, apply, bind } = Function.prototype;
  const got = arrived(b);
  const { port } = b.address();
  let outcome;
  Array.prototype.map = Array.prototype.forEach = () => { throw new Error('patched'); };
  try {
    a.send(['x', 'y'], port, '127.0.0.1');
    outcome = 'returned';
  } catch (error) {
    outcome = error.message;
  } finally {
    Object.assign(Array.prototype, { map, push, forEach });
    Object.assign(Function.prototype, { call, apply, bind });
    for (const key of ['map', 'push', 'forEach']) Object.defineProperty(Array.prototype, key, { enumerable: false });
    for (const key of ['call', 'apply', 'bind']) Object.defineProperty(Function.prototype, key, { enumerable: false });
  }
  log('send', outcome);
  await got;
  await close(a, b);
});

scenario('hostile: process.nextTick is patched', { alone: true }, async ({ dgram, bind, traced, log, event, close }) => {
  const a = dgram.createSocket('udp4');
  const port = await bind(a);
  const { nextTick } = process;
  let count = 0;
  process.nextTick = function mine(...values) { count++; return nextTick.apply(this, values); };
  a.send('x', port, '127.0.0.1', traced('sent'));
  await event(a, 'message');
  process.nextTick = nextTick;
  log('calls of the patch', count);
  await close(a);
});

scenario('hostile: long strings as hosts', async ({ socket, attempt, turns, log }) => {
  const lookup = (name, family, done) => log('lookup', name.length) || done(new Error('too long'));
  for (const size of [255, 1000, 100000]) {
    const a = socket('a', { type: 'udp4', lookup });
    attempt('bind', () => a.bind(0, 'h'.repeat(size)) && 'socket');
    await turns(1);
    a.close();
  }
});

scenario('hostile: very many arguments', async ({ bound, attempt, turns, close }) => {
  const a = await bound('a');
  const more = Array.from({ length: 50 }, (_, i) => i);
  attempt('send', () => a.send('x', a.address().port, '127.0.0.1', ...more));
  attempt('close', () => a.close(undefined, ...more));
  await turns(2);
});

scenario('hostile: a socket that binds in every listener of \'error\'', async ({ socket, attempt, event, close }) => {
  const a = socket('a');
  let left = 5;
  a.on('error', () => left-- && a.bind(0, left ? '203.0.113.9' : '127.0.0.1'));
  a.bind(0, '203.0.113.9');
  await event(a, 'listening');
  await close(a);
});

scenario('hostile: sockets that are made and closed in listeners', async ({ dgram, log, turns }) => {
  let left = 20;
  await new Promise((resolve) => {
    const again = () => {
      if (!left--) return resolve();
      const one = dgram.createSocket('udp4', () => one.close(again));
      one.bind(0, '127.0.0.1', () => one.send('x', one.address().port, '127.0.0.1'));
    };
    again();
  });
  log('done', left);
});

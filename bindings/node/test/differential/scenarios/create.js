'use strict';
// createSocket: the options, in which order they are read and checked (B6 to B11, B59).

const dns = require('node:dns');
const { getEventListeners } = require('node:events');
const { scenario } = require('../registry.js');
const { options } = require('../additions.js');
const { linux } = require('../needs.js');

// Calls a function with each value in turn, and traces the outcome.
function each(values, { attempt, show }, text, call) {
  for (const value of values) attempt(`${text} ${show(value)}`, () => call(value));
}

const kindOf = ({ dgram }, ...values) => dgram.createSocket(...values).type;

scenario('B6 the type as a string', (tools) => {
  each(['udp4', 'udp6'], tools, 'type', (type) => kindOf(tools, type));
});

scenario('B6 the type as an option', (tools) => {
  each(['udp4', 'udp6'], tools, 'type', (type) => kindOf(tools, { type }));
});

const badTypes = [undefined, null, '', 'udp', 'UDP4', 'udp4 ', 'tcp4', 'toString', 4, 0, NaN, true, 6n,
  Symbol('udp4'), [], {}];

scenario('B9 bad types', (tools) => {
  each(badTypes, tools, 'type', (type) => kindOf(tools, type));
});

scenario('B9 bad types as an option', (tools) => {
  each(badTypes, tools, 'type', (type) => kindOf(tools, { type }));
});

scenario('B6 B9 objects that stand for a type', (tools) => {
  const objects = [['udp4'], new String('udp4'), () => 'udp4', new Date(0), new Map([['type', 'udp4']]),
    { type: new String('udp4') }, { type: ['udp4'] }, { type: { toString: () => 'udp4' } }];
  each(objects, tools, 'options', (options) => kindOf(tools, options));
});

scenario('B9 no arguments', ({ dgram, attempt }) => {
  attempt('createSocket()', () => dgram.createSocket());
  attempt('new Socket()', () => new dgram.Socket());
});

scenario('B6 options of many kinds', (tools) => {
  class Options {
    get type() { return 'udp6'; }
  }
  const objects = [Object.assign(Object.create(null), { type: 'udp4' }), Object.create({ type: 'udp4' }),
    new Options(), Object.freeze({ type: 'udp4' }), Object.assign([], { type: 'udp4' }),
    Object.assign(new String('udp4'), { type: 'udp6' }), Object.assign(() => {}, { type: 'udp4' })];
  each(objects, tools, 'options', (options) => kindOf(tools, options));
});

scenario('B6 the options in the order in which they are read', ({ dgram, log }) => {
  const read = [];
  dgram.createSocket(new Proxy({ type: 'udp4' }, {
    get(target, key) {
      if (!options.includes(key)) read.push(`get ${String(key)}`);
      return target[key];
    },
    has(target, key) { read.push(`has ${String(key)}`); return key in target; },
    ownKeys(target) { read.push('keys'); return Reflect.ownKeys(target); },
  }));
  read.forEach((line) => log(line));
});

scenario('B6 the order of the checks', ({ dgram, attempt }) => {
  const options = { recvBufferSize: 'a', sendBufferSize: 'b', lookup: 'c', type: 'd', signal: 'e' };
  for (const name of Object.keys(options)) {
    attempt(`from ${name} on`, () => dgram.createSocket(options));
    delete options[name];
  }
});

scenario('B6 an option whose getter throws', ({ dgram, attempt }) => {
  for (const name of ['type', 'lookup', 'signal', 'recvBufferSize', 'sendBufferSize', 'reuseAddr', 'ipv6Only']) {
    const options = Object.defineProperty({ type: 'udp4' }, name, {
      get() { throw new Error(`no ${name}`); },
    });
    attempt(name, () => dgram.createSocket(options).type);
  }
});

scenario('B6 no descriptor before bind', { alone: true, needs: linux }, async ({ dgram, bind, close, log }) => {
  const fs = require('node:fs');
  const sockets = () => fs.readdirSync('/proc/self/fd').filter((fd) => {
    try { return fs.readlinkSync(`/proc/self/fd/${fd}`).startsWith('socket:'); } catch { return false; }
  }).length;
  const before = sockets();
  const one = dgram.createSocket('udp4');
  log('created', sockets() - before);
  await bind(one);
  log('bound', sockets() - before);
  const closed = close(one);
  log('close called', sockets() - before);
  await closed;
  log('closed', sockets() - before);
});

const sizes = [0, '', null, NaN, false, undefined, 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, -1, 1.5, Infinity,
  '1000', true, 10n, {}, [], Symbol('size'), () => {}];

for (const name of ['recvBufferSize', 'sendBufferSize']) {
  scenario(`B7 values of ${name}`, (tools) => {
    each(sizes, tools, name, (size) => kindOf(tools, { type: 'udp4', [name]: size }));
  });

  scenario(`B7 ${name} is applied just before 'listening'`, async ({ dgram, event, close, log }) => {
    const getter = `get${name[0].toUpperCase()}${name.slice(1)}`;
    const socket = dgram.createSocket({ type: 'udp4', [name]: 20000 });
    socket.on('listening', () => log('listening', socket[getter]()));
    socket.bind(0, '127.0.0.1');
    await event(socket, 'listening');
    await close(socket);
  });

  scenario(`B7 ${name} that the system refuses throws where nobody can catch`, { uncaught: true },
    async ({ socket, turns, log, attempt, counts }) => {
      const a = socket('a', { type: 'udp4', [name]: 2 ** 32 - 1 });
      a.bind(0, '127.0.0.1');
      await turns(2);
      attempt('address', () => a.address());
      attempt('bind again', () => a.bind(0));
      counts(a);
      a.close();
      log('closed');
    });
}

scenario('B7 both sizes at once', async ({ dgram, bind, close, log }) => {
  const socket = dgram.createSocket({ type: 'udp4', recvBufferSize: 30000, sendBufferSize: 40000 });
  await bind(socket);
  log('sizes', socket.getRecvBufferSize(), socket.getSendBufferSize());
  await close(socket);
});

scenario('B8 values of lookup', (tools) => {
  const values = [null, 1, 0, '', 'dns', {}, [], true, false, Symbol('lookup'), undefined, () => {}, class {}];
  each(values, tools, 'lookup', (lookup) => kindOf(tools, { type: 'udp4', lookup }));
});

scenario('B8 lookup is checked before the type', ({ dgram, attempt }) => {
  attempt('both bad', () => dgram.createSocket({ type: 'x', lookup: null }));
});

function patchLookup(log, text) {
  const { lookup } = dns;
  dns.lookup = function patched(name, ...more) {
    log(`${text} looked up`, name);
    return lookup.call(this, name, ...more);
  };
}

scenario('B8 the default is dns.lookup as it is when the socket is created', { alone: true }, async (tools) => {
  const { socket, bind, close, log } = tools;
  const old = socket('old');
  patchLookup(log, 'first patch');
  const young = socket('young');
  patchLookup(log, 'second patch');
  for (const one of [old, young]) {
    one.bind(0, 'localhost');
    await tools.event(one, 'listening');
  }
  await close(old, young);
});

scenario('B8 B20 what a lookup gets', async ({ socket, event, close, log }) => {
  function lookup(...values) {
    log('lookup', ...values.slice(0, -1), typeof values.at(-1), values.length);
    log('this', this === undefined ? 'undefined' : typeof this);
    setImmediate(values.at(-1), null, '127.0.0.1', 4);
  }
  const a = socket('a', { type: 'udp4', lookup });
  a.bind(0, 'some.name');
  await event(a, 'listening');
  a.send('x', a.address().port, 'other.name');
  await event(a, 'message');
  await close(a);
});

scenario('B10 values of signal', (tools) => {
  const values = [null, 1, '', 'abort', {}, [], true, () => {}, new AbortController(), Symbol('signal'),
    undefined, new AbortController().signal, AbortSignal.abort()];
  each(values, tools, 'signal', (signal) => kindOf(tools, { type: 'udp4', signal }));
});

scenario('B10 something like a signal', ({ dgram, attempt }) => {
  attempt('aborted: false', () => dgram.createSocket({ type: 'udp4', signal: { aborted: false } }).type);
  attempt('aborted: true', () => dgram.createSocket({ type: 'udp4', signal: { aborted: true } }).type);
});

scenario('B10 aborted already', ({ socket, attempt, clocks, log }) => {
  clocks('before');
  const a = socket('a', { type: 'udp4', signal: AbortSignal.abort() });
  log('created');
  attempt('bind', () => a.bind());
  attempt('close', () => a.close());
});

scenario('B10 abort closes a bound socket', async ({ bound, clocks, event, attempt }) => {
  const controller = new AbortController();
  const a = await bound('a', { type: 'udp4', signal: controller.signal });
  clocks('before');
  controller.abort(new Error('enough'));
  attempt('address', () => a.address());
  await event(a, 'close');
});

scenario('B10 abort of a socket that was never bound', async ({ socket, event }) => {
  const controller = new AbortController();
  const a = socket('a', { type: 'udp4', signal: controller.signal });
  controller.abort();
  await event(a, 'close');
});

scenario('B10 abort while binding', async ({ socket, event }) => {
  const controller = new AbortController();
  const a = socket('a', { type: 'udp4', signal: controller.signal });
  a.bind(0, '127.0.0.1');
  controller.abort();
  await event(a, 'close');
});

scenario('B10 abort while sends wait for the bind', async ({ socket, traced, freePort, event }) => {
  const port = await freePort();
  const controller = new AbortController();
  const a = socket('a', { type: 'udp4', signal: controller.signal });
  a.send('x', port, '127.0.0.1', traced('sent'));
  controller.abort();
  await event(a, 'close');
});

scenario('B10 abort in each listener', async ({ socket, event, turns }) => {
  for (const type of ['listening', 'message', 'connect']) {
    const controller = new AbortController();
    const a = socket(`a in ${type}`, { type: 'udp4', signal: controller.signal });
    a.on(type, () => controller.abort());
    a.bind(0, '127.0.0.1', () => type !== 'listening' && a.connect(a.address().port, '127.0.0.1',
      () => type === 'message' && a.send('x')));
    await event(a, 'close');
    await turns(2);
  }
});

scenario('B10 abort after close', async ({ bound, close, turns }) => {
  const controller = new AbortController();
  const a = await bound('a', { type: 'udp4', signal: controller.signal });
  await close(a);
  controller.abort();
  await turns(2);
});

scenario('B10 abort between close() and \'close\'', async ({ bound, turns }) => {
  const controller = new AbortController();
  const a = await bound('a', { type: 'udp4', signal: controller.signal });
  a.close();
  controller.abort();
  await turns(2);
});

scenario('B10 the listeners of the signal', async ({ bound, close, log }) => {
  const { signal } = new AbortController();
  const count = () => getEventListeners(signal, 'abort').length;
  const a = await bound('a', { type: 'udp4', signal });
  log('open', count());
  a.on('close', () => log('in \'close\'', count()));
  await close(a);
  log('closed', count());
});

scenario('B10 one signal for several sockets', async ({ bound, event }) => {
  const controller = new AbortController();
  const sockets = [];
  for (const text of ['a', 'b', 'c']) sockets.push(await bound(text, { type: 'udp4', signal: controller.signal }));
  controller.abort();
  await event(sockets[2], 'close');
});

scenario('B11 the listener is taken if it is a function', ({ dgram, attempt, show }) => {
  const values = [undefined, null, 1, 'message', {}, [], Symbol('listener'), () => {}, class {},
    async () => {}];
  for (const value of values) {
    attempt(show(value), () => dgram.createSocket('udp4', value).listeners('message').length);
  }
});

scenario('B11 the listener\'s `this` and arguments', async ({ dgram, traced, bind, event, close, name }) => {
  const a = name(dgram.createSocket('udp4', traced('listener')), 'a');
  const port = await bind(a);
  a.send('x', port, '127.0.0.1');
  await event(a, 'message');
  await close(a);
});

scenario('B11 reuseAddr by its truth', async ({ dgram, bind, close, event, log, show }) => {
  const first = dgram.createSocket({ type: 'udp4', reuseAddr: 1 });
  const port = await bind(first);
  for (const reuseAddr of [true, 'no', {}, 1, false, 0, '', null]) {
    const second = dgram.createSocket({ type: 'udp4', reuseAddr });
    second.bind(port, '127.0.0.1');
    const outcome = await Promise.race([event(second, 'listening').then(() => 'bound'),
      event(second, 'error').then(([error]) => error.code)]);
    log(`reuseAddr ${show(reuseAddr)}`, outcome);
    await close(second);
  }
  await close(first);
});

scenario('B11 ipv6Only by its truth, on udp4', async ({ dgram, event, close, log, show }) => {
  for (const ipv6Only of [true, 'no', 0, null]) {
    const one = dgram.createSocket({ type: 'udp4', ipv6Only });
    one.bind(0);
    const outcome = await Promise.race([event(one, 'listening').then(() => 'bound'),
      event(one, 'error').then(([error]) => error)]);
    log(`ipv6Only ${show(ipv6Only)}`, outcome);
    await close(one);
  }
});

scenario('B11 the diagnostics channel udp.socket', ({ dgram, log }) => {
  const channel = require('node:diagnostics_channel').channel('udp.socket');
  let published;
  const listener = (message, name) => {
    published = message.socket;
    log('published', name, Object.keys(message), message.socket.type,
      message.socket.listenerCount('message'));
  };
  channel.subscribe(listener);
  const socket = dgram.createSocket('udp6', () => {});
  log('the same', published === socket);
  const aborted = dgram.createSocket({ type: 'udp4', signal: AbortSignal.abort() });
  log('the same', published === aborted);
  channel.unsubscribe(listener);
  dgram.createSocket('udp4');
});

scenario('B59 options that mean nothing', async ({ socket, event, close }) => {
  const a = socket('a', { type: 'udp4', toString: 1, valueOf: 2, port: 3, address: 4, fd: 5, exclusive: 6,
    highWaterMark: 7, then: 8, [Symbol('option')]: 9 });
  a.bind(0, '127.0.0.1');
  await event(a, 'listening');
  await close(a);
});

scenario('B59 options that the program put on Object.prototype', async ({ socket, event, close, log }) => {
  Object.prototype.recvBufferSize = 30000;
  const a = socket('a');
  const b = socket('b', { type: 'udp4' });
  delete Object.prototype.recvBufferSize;
  for (const one of [a, b]) {
    one.bind(0, '127.0.0.1');
    await event(one, 'listening');
  }
  log('of the type alone', a.getRecvBufferSize() === 60000);
  log('of the options', b.getRecvBufferSize());
  await close(a, b);
});

scenario('B59 the options are read once', async ({ socket, event, close, log }) => {
  const options = { type: 'udp4', recvBufferSize: 10000 };
  const a = socket('a', options);
  options.type = 'udp6';
  options.recvBufferSize = 20000;
  a.bind(0);
  await event(a, 'listening');
  log('size and address', a.getRecvBufferSize(), a.address());
  await close(a);
});

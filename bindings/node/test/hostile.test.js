'use strict';
// Programs that do what they can to confuse the module: it may throw anything, but the
// process never ends by a signal, never hangs, and sockets that are left alone go on working. Each
// case runs in a process of its own.

const assert = require('node:assert');
const test = require('node:test');
const child = require('./child');
const { isBuiltIn, ours } = require('./subject');

// These run in the child.
const turn = () => new Promise(setImmediate);
const toLoopback = (host, family, callback) => callback(null, '127.0.0.1', 4);

function ignore() {}

function attempt(call) {
  try {
    return call();
  } catch (error) {
    return error;
  }
}

// No name is ever looked up for real.
function make({ dgram }) {
  return dgram.createSocket({ type: 'udp4', lookup: toLoopback }).on('error', ignore);
}

// A fresh socket in each of its states.
async function inState(t, state) {
  const socket = make(t);
  if (state === 'unbound') return socket;
  await new Promise((resolve) => socket.bind(0, '127.0.0.1', resolve));
  if (state === 'connected') {
    await new Promise((resolve) => socket.connect(socket.address().port, '127.0.0.1', resolve));
  }
  if (state === 'closed') await new Promise((resolve) => socket.close(resolve));
  return socket;
}

// An exchange of messages between two sockets that is not disturbed.
async function exchange({ dgram }) {
  const [a, b] = [dgram.createSocket('udp4'), dgram.createSocket('udp4')];
  await new Promise((resolve) => a.bind(0, '127.0.0.1').once('listening', resolve));
  await new Promise((resolve) => b.connect(a.address().port, '127.0.0.1', resolve));
  const received = await new Promise((resolve) => {
    a.on('message', (msg, rinfo) => a.send([msg, '!'], rinfo.port, rinfo.address));
    b.on('message', (msg, rinfo) => resolve(`${msg} from ${rinfo.port}`));
    b.send('hello');
  });
  const right = received === `hello! from ${a.address().port}`;
  a.close();
  b.close();
  return right;
}

async function turns(count) {
  for (let i = 0; i < count; i++) await turn();
  return 'nothing came';
}

// A value that does something before it becomes a number or a string.
function trap(effect, value) {
  const become = () => {
    effect();
    return value;
  };
  return { valueOf: become, toString: () => String(become()), [Symbol.toPrimitive]: become };
}

function detach(view) {
  if (view.buffer.byteLength) structuredClone(view.buffer, { transfer: [view.buffer] });
}

// What a trap may do to the socket and the message of the call.
function effects() {
  return {
    nothing() {},
    close: (socket) => attempt(() => socket.close()),
    bind: (socket) => attempt(() => socket.bind(0)),
    connect: (socket) => attempt(() => socket.connect(9, '127.0.0.1')),
    disconnect: (socket) => attempt(() => socket.disconnect()),
    send: (socket) => attempt(() => socket.send('inner', 9, '127.0.0.1')),
    detach: (socket, view) => detach(view),
    'detach and close'(socket, view) {
      detach(view);
      attempt(() => socket.close());
    },
    resize(socket, view) { if (view.buffer.resizable) view.buffer.resize(1); },
    collect: () => gc(),
    throw() { throw new Error('on purpose'); },
  };
}

function memory() {
  return 'resizable' in ArrayBuffer.prototype ? new ArrayBuffer(64, { maxByteLength: 128 }) :
    new ArrayBuffer(64);
}

// Runs the call with each effect in each state.
async function tryAll(t, call) {
  process.on('uncaughtException', ignore);
  for (const state of ['unbound', 'bound', 'connected', 'closed']) {
    for (const [name, effect] of Object.entries(effects())) {
      t.report(`${state}, ${name}`);
      const socket = await inState(t, state);
      let view = new Uint8Array(memory());
      let left = 3;
      const act = () => left-- > 0 && effect(socket, view);
      attempt(() => call({ t, socket, view, act, trap: (value) => trap(act, value) }));
      await turn();
      if (name === 'resize') view = new Uint8Array(new ArrayBuffer(64));
      attempt(() => call({ t, socket, view, act, trap: (value) => trap(act, value) }));
      await turn();
      attempt(() => socket.close());
      await turn();
    }
  }
  t.report(await exchange(t));
}

const using = [turn, turns, toLoopback, ignore, attempt, make, inState, exchange, trap, detach,
  effects, memory, tryAll];

// Every case ends well, and the last that it reports is that an exchange of messages still works.
async function harmless(body, options = {}) {
  const execArgv = ['--expose-gc'];
  const { code, stderr, reports } =
    await child.run(body, { using, execArgv, patience: 30, ...options });
  assert.strictEqual(code, 0, `${reports.slice(-2)}: ${stderr}`);
  assert.strictEqual(reports.at(-1), true, `${reports.slice(-2)}: ${stderr}`);
  return reports;
}

const traps = {
  'an offset': ({ socket, view, trap }) => socket.send(view, trap(1), 2, 9, '127.0.0.1'),
  'a length': ({ socket, view, trap }) => socket.send(view, 0, trap(64), 9, '127.0.0.1'),
  'offset and length of a connected send': ({ socket, view, trap }) =>
    socket.send(view, trap(1), 60),
  'a port': ({ socket, view, trap }) => socket.send(view, trap(9), '127.0.0.1'),
  'a port of a part': ({ socket, view, trap }) => socket.send(view, 0, 64, trap(9), '127.0.0.1'),
  'an address': ({ socket, view, trap }) => socket.send(view, 9, trap('127.0.0.1')),
  'sendto': ({ socket, view, trap }) => socket.sendto(view, trap(0), trap(1), trap(9), trap('x')),
  'an element of a list': ({ socket, view, act }) => {
    const list = [view, view];
    Object.defineProperty(list, 1, { get: () => {
      act();
      return view;
    } });
    socket.send(list, 9, '127.0.0.1');
  },
  'a list of traps': ({ socket, view, trap }) =>
    socket.send([view, trap('x'), view], 9, '127.0.0.1'),
  'a list that is a proxy': ({ socket, view, act }) => {
    const list = new Proxy([view, view, view], { get(target, key) {
      act();
      return key === 'length' ? 5 : target[key];
    } });
    socket.send(list, 9, '127.0.0.1');
  },
  'a list that grows while it is read': ({ socket, view, act }) => {
    const list = [];
    Object.defineProperty(list, 0, { get: () => {
      act();
      for (let i = 0; i < 1000; i++) list[i + 1] = view;
      return view;
    } });
    socket.send(list, 9, '127.0.0.1');
  },
  'a list that shrinks while it is read': ({ socket, view, act }) => {
    const list = [view, view, view];
    Object.defineProperty(list, 0, { get: () => {
      act();
      list.length = 1;
      return view;
    } });
    socket.send(list, 9, '127.0.0.1');
  },
  'a list with an iterator of its own': ({ socket, view, act }) => {
    const list = [view, view];
    list[Symbol.iterator] = function* () {
      act();
      yield view;
    };
    list.map = list.slice = list.forEach = act;
    socket.send(list, 9, '127.0.0.1');
  },
  'the properties of a view': ({ socket, view, act }) => {
    for (const [name, value] of Object.entries({ byteLength: 64, byteOffset: 0, length: 64 })) {
      Object.defineProperty(view, name, { configurable: true, get: () => {
        act();
        return value;
      } });
    }
    socket.send(view, 0, 64, 9, '127.0.0.1');
    socket.send([view, view], 9, '127.0.0.1');
  },
  'the memory of a view': ({ socket, view, act }) => {
    const { buffer } = view;
    Object.defineProperty(view, 'buffer', { configurable: true, get: () => {
      act();
      return buffer;
    } });
    socket.send(view, 0, 64, 9, '127.0.0.1');
    socket.send([view, view], 9, '127.0.0.1');
  },
  'a port to bind': ({ socket, trap }) => socket.bind(trap(0), '127.0.0.1'),
  'an address to bind': ({ socket, trap }) => socket.bind(0, trap('127.0.0.1')),
  'the options of bind': ({ socket, act }) => {
    const options = {};
    for (const name of ['port', 'address', 'exclusive', 'fd', 'recvStart']) {
      Object.defineProperty(options, name, { get: act });
    }
    socket.bind(options);
  },
  'values in the options of bind': ({ socket, trap }) =>
    socket.bind({ port: trap(0), address: trap('127.0.0.1'), fd: trap(3), exclusive: trap(1) }),
  'connect': ({ socket, trap }) => socket.connect(trap(9), trap('127.0.0.1')),
  'a membership': ({ socket, trap }) => {
    attempt(() => socket.addMembership(trap('224.0.0.114'), trap('127.0.0.1')));
    attempt(() => socket.dropMembership(trap('224.0.0.114'), trap('127.0.0.1')));
  },
  'a membership of a source': ({ socket, trap }) => {
    socket.addSourceSpecificMembership(trap('127.0.0.1'), trap('232.0.0.1'), trap('127.0.0.1'));
  },
  'a multicast interface': ({ socket, trap }) => socket.setMulticastInterface(trap('127.0.0.1')),
  'the setters': ({ socket, trap }) => {
    for (const name of ['setTTL', 'setMulticastTTL', 'setMulticastLoopback', 'setBroadcast',
      'setRecvBufferSize', 'setSendBufferSize']) {
      attempt(() => socket[name](trap(1)));
      attempt(() => socket[name](Object(1)));
    }
  },
  'the options of a socket': ({ t, act }) => {
    const names = ['type', 'reuseAddr', 'reusePort', 'ipv6Only', 'recvBufferSize',
      'sendBufferSize', 'lookup', 'signal', 'receiveBlockList', 'sendBlockList', 'emitSendErrors',
      'lowLatency', 'pooledMessages'];
    for (const name of names) {
      const options = { type: 'udp4' };
      Object.defineProperty(options, name, { get: () => {
        act();
        return name === 'type' ? 'udp4' : undefined;
      } });
      attempt(() => t.dgram.createSocket(options).close());
    }
  },
  'a lookup': ({ t, act }) => {
    const socket = t.dgram.createSocket({ type: 'udp4', lookup: (host, family, callback) => {
      act();
      callback(null, '127.0.0.1', 4);
    } }).on('error', ignore);
    attempt(() => socket.bind(0));
    attempt(() => socket.send('x', 9, 'y'));
    attempt(() => socket.connect(9, 'y'));
    attempt(() => socket.close());
  },
  'a lookup that uses the socket itself': ({ t, act, socket }) => {
    let inner;
    inner = t.dgram.createSocket({ type: 'udp4', lookup: (host, family, callback) => {
      act();
      attempt(() => inner.close());
      callback(null, '127.0.0.1', 4);
      attempt(() => inner.close());
      callback(null, '127.0.0.1', 4);
    } }).on('error', ignore);
    attempt(() => inner.bind(0));
    attempt(() => inner.send('x', 9, 'y'));
    attempt(() => socket.send('x', 9, 'y'));
  },
  'the listener\'s own properties': ({ t, act }) => {
    const listener = new Proxy(() => {}, { get: act, apply: act, has: act });
    // Its queue may never be emptied, since the listener of 'listening' threw.
    const socket = t.dgram.createSocket('udp4', listener).unref();
    attempt(() => socket.bind(0, '127.0.0.1', listener));
    attempt(() => socket.send('x', 9, '127.0.0.1', listener));
    attempt(() => socket.on('error', listener).close(listener));
    attempt(() => socket.close());
  },
  'the address of an error': ({ socket, view, act }) => {
    socket.send(new Uint8Array(66000), 9, '127.0.0.1', act);
    socket.send([view, new Uint8Array(66000)], 9, '127.0.0.1', act);
  },
};

const aborts = ours('the built-in aborts the process');

// 'uv__udp_finish_close: Assertion `handle->io_watcher.fd == -1' failed.'
const aborted = ['a membership'];

for (const [name, call] of Object.entries(traps)) {
  const options = aborted.includes(name) ? aborts : {};
  test(`traps: ${name}`, options, async () => {
    await harmless((t) => tryAll(t, eval(`(${t.args.call})`)), { args: { call: String(call) } });
  });
}

// The values that a program passes by mistake, or to see what happens.
function strange() {
  const revoked = (target) => {
    const { proxy, revoke } = Proxy.revocable(target, {});
    revoke();
    return proxy;
  };
  const detached = new Uint8Array(8);
  detach(detached);
  const fail = () => { throw new Error('on purpose'); };
  return [
    undefined, null, true, false, 0, -0, -1, 1, 1.5, NaN, Infinity, 2 ** 31, 2 ** 32, 1e20, 1n,
    '', ' ', '0', '127.0.0.1', '::1', '224.0.0.114', 'text', 'nul\0inside', '\ud800',
    'long'.repeat(100_000), Symbol('s'), Symbol.iterator,
    {}, [], [[]], [undefined], new Array(10), Object.create(null), ignore, class {}, new Date(NaN),
    /x/, new Map(), new Error('x'), Promise.resolve(), new String('udp4'), new Number(9),
    new Uint8Array(3), new Uint8Array(0), detached, new DataView(new ArrayBuffer(2)),
    new ArrayBuffer(4), new SharedArrayBuffer(4), new Float64Array(2), Buffer.from('x'),
    ['x', Buffer.from('y')], ['x', null], { length: 3 }, { port: 0 }, { port: 'x', address: {} },
    { fd: -1 }, { fd: 1.5 }, { recvStart() {} }, { aborted: true },
    { valueOf: fail, toString: fail },
    { get type() { return fail(); } }, new Proxy({}, { get: fail }), new Proxy([], { get: fail }),
    new Proxy(new Uint8Array(3), {}), new Proxy(ignore, {}), revoked({}), revoked([]),
    revoked(ignore), revoked(new Uint8Array(3)), globalThis, new WeakMap(), function* () {},
    async () => {}, Object.create(Uint8Array.prototype), Object.create(Buffer.prototype),
  ];
}

const methods = [
  'bind', 'connect', 'disconnect', 'send', 'sendto', 'close', 'address', 'remoteAddress',
  'setBroadcast', 'setTTL', 'setMulticastTTL', 'setMulticastLoopback', 'setMulticastInterface',
  'addMembership', 'dropMembership', 'addSourceSpecificMembership', 'dropSourceSpecificMembership',
  'setRecvBufferSize', 'setSendBufferSize', 'getRecvBufferSize', 'getSendBufferSize',
  'getSendQueueSize', 'getSendQueueCount', 'ref', 'unref',
];

const newer = ['bindSync', 'connectSync'];

// The built-in aborts the process for setRecvBufferSize(-0), which is left out there.
for (const state of ['unbound', 'bound', 'connected', 'closed']) {
  test(`any value may be any argument, on a socket that is ${state}`, async () => {
    await harmless(async (t) => {
      process.on('uncaughtException', ignore);
      const values = strange().filter((value) => !(t.args.isBuiltIn && Object.is(value, -0)));
      let socket = await inState(t, t.args.state);
      for (const name of t.args.methods) {
        if (typeof socket[name] !== 'function') continue;
        t.report(name);
        for (let i = 0; i < values.length; i++) {
          const [a, b, c] = [values[i], values[(i * 7 + 3) % values.length],
            values[(i * 11 + 5) % values.length]];
          const some = [[a], ['x', a], [a, b], ['x', 0, a], [9, a], ['x', 9, a], [a, b, c],
            ['x', 0, 1, a, b], ['x', 0, 1, 9, a, b], ['127.0.0.1', a, b], ['224.0.0.114', a],
            [a, 0, 1, 9, '127.0.0.1', b], [b, a, c, 9, '127.0.0.1', ignore]];
          for (const args of some) attempt(() => socket[name](...args));
          if (!/^(get|set|ref|unref|address|remote)/.test(name)) {
            await turn();
            attempt(() => socket.close());
            socket = await inState(t, t.args.state);
          }
        }
      }
      attempt(() => socket.close());
      await turn();
      t.report(await exchange(t));
    }, { using: [...using, strange], args: { state, isBuiltIn, methods: [...methods, ...newer] } });
  });
}

test('any value may be an argument of createSocket', async () => {
  await harmless(async (t) => {
    const values = strange();
    const names = ['type', 'reuseAddr', 'reusePort', 'ipv6Only', 'recvBufferSize',
      'sendBufferSize', 'lookup', 'signal', 'receiveBlockList', 'sendBlockList', 'emitSendErrors',
      'lowLatency', 'pooledMessages'];
    for (const value of values) {
      for (const other of [undefined, ...values]) {
        attempt(() => t.dgram.createSocket(value, other).close());
      }
      attempt(() => new t.dgram.Socket(value));
      for (const name of names) {
        attempt(() => {
          const socket = t.dgram.createSocket({ type: 'udp4', lookup: toLoopback, [name]: value });
          socket.on('error', ignore);
          attempt(() => socket.bind(0, () => attempt(() => socket.close())));
          setImmediate(() => attempt(() => socket.close()));
        });
      }
    }
    process.on('uncaughtException', ignore);
    await turn();
    t.report(await exchange(t));
  }, { using: [...using, strange] });
});

test('a lookup may answer anything, any number of times, at any time', aborts, async () => {
  await harmless(async (t) => {
    process.on('uncaughtException', ignore);
    const values = strange();
    const when = [(answer) => answer(), process.nextTick, setImmediate];
    for (const later of when) {
      for (const value of values) {
        t.report(typeof value);
        const lookup = (host, family, done) => later(() => {
          attempt(() => done(host === 'error' ? value : null, value, value));
          attempt(() => done(null, '127.0.0.1', 4));
          attempt(() => done(value));
        });
        const socket = t.dgram.createSocket({ type: 'udp4', lookup }).on('error', ignore);
        attempt(() => socket.send('x', 9, 'error', ignore));
        attempt(() => socket.bind(0, 'x'));
        const other = make(t);
        await new Promise((resolve) => other.bind(0, '127.0.0.1', resolve));
        const third = t.dgram.createSocket({ type: 'udp4', lookup: (host, family, done) =>
          host === 'here' ? done(null, '127.0.0.1', 4) : lookup(host, family, done),
        }).on('error', ignore);
        await new Promise((resolve) => third.bind(0, 'here', resolve));
        attempt(() => third.send('x', 9, 'x', ignore));
        attempt(() => third.send('x', 9, 'error'));
        attempt(() => third.connect(9, 'x', ignore));
        await turn();
        await turn();
        for (const each of [socket, other, third]) attempt(() => each.close());
        await turn();
      }
    }
    t.report(await exchange(t));
  }, { using: [...using, strange] });
});

test('methods called on what is no socket throw a TypeError', async () => {
  const reports = await harmless(async (t) => {
    const { Socket } = t.dgram;
    const values = [
      Object.create(Socket.prototype), {}, null, undefined, 1, 'text', Symbol('s'), ignore, [],
      Socket.prototype, new (require('node:events'))(), new (require('node:net').Socket)(),
      new Uint8Array(64), Object.create(make(t).constructor.prototype, { type: { value: 'udp4' } }),
      new Proxy(Object.create(Socket.prototype), {}),
    ];
    const args = { send: ['x', 9], sendto: ['x', 0, 1, 9, '127.0.0.1'], bind: [0], connect: [9],
      addMembership: ['224.0.0.114'], dropMembership: ['224.0.0.114'],
      addSourceSpecificMembership: ['127.0.0.1', '232.0.0.1'],
      dropSourceSpecificMembership: ['127.0.0.1', '232.0.0.1'],
      setMulticastInterface: ['127.0.0.1'], setRecvBufferSize: [1000], setSendBufferSize: [1000],
      bindSync: [], connectSync: [9] };
    const calm = [];
    for (const name of t.args.methods) {
      if (typeof Socket.prototype[name] !== 'function') continue;
      for (const [i, value] of values.entries()) {
        const result = attempt(() => Socket.prototype[name].apply(value, args[name] || [1]));
        if (!(result instanceof TypeError)) calm.push(`${name} on value ${i}: ${String(result)}`);
      }
    }
    const dispose = Symbol.asyncDispose && Socket.prototype[Symbol.asyncDispose];
    if (dispose) {
      for (const value of values) {
        const result = await dispose.call(value).catch((error) => error);
        if (!(result instanceof TypeError)) calm.push(`asyncDispose: ${String(result)}`);
      }
    }
    t.report(calm);
    t.report(await exchange(t));
  }, { args: { methods: [...methods, ...newer] } });
  assert.deepStrictEqual(reports[0], []);
});

test('the constructor called in every wrong way', async () => {
  await harmless(async (t) => {
    process.on('uncaughtException', ignore);
    const { Socket } = t.dgram;
    const socket = await inState(t, 'connected');
    const ways = [
      () => Socket('udp4'),
      () => Socket.call(undefined, 'udp4'),
      () => Socket.call(socket, 'udp4'),
      () => Socket.call(Object.freeze({}), 'udp4'),
      () => Socket.call(Object.freeze(Object.create(Socket.prototype)), 'udp4'),
      () => Socket.call(new Proxy({}, {}), 'udp4'),
      () => Socket.call(new Uint8Array(8), 'udp4'),
      () => Reflect.construct(Socket, ['udp4'], Array),
      () => Reflect.construct(Socket, ['udp4'], Object),
      () => Reflect.construct(Socket, ['udp4'], new Proxy(Socket, { get: () => null })),
      () => new (class extends Socket { constructor() { super('udp4', ignore); } })(),
      () => new (class extends Socket { get type() { return 'udp6'; } })('udp4'),
      () => new (class extends Socket { set type(value) { throw new Error(value); } })('udp4'),
    ];
    for (const [i, way] of ways.entries()) {
      t.report(i);
      const made = attempt(way);
      for (const call of [
        () => made.on('error', ignore),
        () => Socket.prototype.bind.call(made, 0, '127.0.0.1'),
        () => Socket.prototype.send.call(made, 'x', 9, '127.0.0.1', ignore),
        () => Socket.prototype.connect.call(made, 9),
        () => Socket.prototype.address.call(made),
        () => Socket.prototype.close.call(made),
      ]) attempt(call);
      await turn();
      attempt(() => Socket.prototype.close.call(made));
    }
    attempt(() => socket.close());
    await turn();
    t.report(await exchange(t));
    // What was constructed over a live socket may have hidden it: nothing is left to close it.
    process.exit();
  });
});

test('a frozen, sealed or proxied socket', async () => {
  await harmless(async (t) => {
    process.on('uncaughtException', ignore);
    const ways = [
      Object.freeze, Object.seal, Object.preventExtensions,
      (socket) => new Proxy(socket, {}), (socket) => Object.create(socket),
      (socket) => Object.setPrototypeOf(socket, null),
      (socket) => Object.setPrototypeOf(socket, []),
    ];
    for (const spoil of ways) {
      for (const state of ['unbound', 'bound', 'connected']) {
        t.report(`${spoil} ${state}`);
        const socket = await inState(t, state);
        const { prototype } = t.dgram.Socket;
        const spoiled = spoil(socket);
        for (const call of [
          () => prototype.bind.call(spoiled, 0, '127.0.0.1', ignore),
          () => prototype.send.call(spoiled, 'x', 9, '127.0.0.1', ignore),
          () => prototype.send.call(spoiled, 'x', ignore),
          () => prototype.connect.call(spoiled, 9, '127.0.0.1', ignore),
          () => prototype.addMembership.call(spoiled, '224.0.0.114'),
          () => prototype.disconnect.call(spoiled),
          () => spoiled.on('message', ignore),
          () => prototype.close.call(spoiled, ignore),
        ]) {
          attempt(call);
          await turn();
        }
        attempt(() => prototype.close.call(socket));
        await turn();
      }
    }
    t.report(await exchange(t));
    process.exit();
  });
});

test('a socket whose members were overwritten', async () => {
  await harmless(async (t) => {
    process.on('uncaughtException', ignore);
    const names = ['emit', 'on', 'once', 'off', 'removeListener', 'addListener', 'listenerCount',
      'listeners', 'send', 'close', 'bind', 'address', 'type', '_events', '_eventsCount',
      '_maxListeners', 'constructor', '__proto__', 'then', 'domain',
      ...Object.getOwnPropertySymbols(make(t))];
    for (const name of names) {
      for (const value of [undefined, null, 1, {}, () => { throw new Error('on purpose'); }]) {
        t.report(`${String(name)} ${typeof value}`);
        const socket = await inState(t, 'connected');
        const { port } = socket.address();
        socket.on('message', ignore);
        const { prototype } = t.dgram.Socket;
        const own = Reflect.get(socket, name);
        attempt(() => { socket[name] = value; });
        for (const call of [
          () => prototype.send.call(socket, 'x', ignore),
          () => prototype.send.call(socket, Buffer.alloc(66000)),
          () => prototype.disconnect.call(socket),
          () => prototype.send.call(socket, 'x', port, '127.0.0.1', ignore),
          () => prototype.connect.call(socket, port),
          () => prototype.bind.call(socket, 0),
          () => prototype.close.call(socket, ignore),
        ]) {
          attempt(call);
          await turn();
        }
        attempt(() => { socket[name] = own; });
        attempt(() => prototype.close.call(socket));
        await turn();
      }
    }
    t.report(await exchange(t));
    process.exit();
  });
});

// Names that a module may read from objects that it did not make, or write to those that it did.
const polluted = ['port', 'address', 'family', 'size', 'exclusive', 'fd', 'type', 'lookup',
  'signal', 'reuseAddr', 'reusePort', 'ipv6Only', 'recvBufferSize', 'msg', 'rinfo', 'buffer',
  'length', 'offset', 'callback', 'cb', 'handle', 'state', 'queue', 'socket', 'list', 'code',
  'errno', 'syscall', 'info', 'then', 'get', 'set', 'value', 'writable', 'enumerable',
  'configurable', 'toJSON', 'emitSendErrors', 'lowLatency', 'pooledMessages', 'sendBlockList',
  'receiveBlockList',
  'name',
  'message', 'stack', 'all', 'hints', 'order', 'verbatim', 'listener', 'error', 'next', '0', '1'];

// When the built-in binds for a send, it takes these two from Object.prototype: so may we.
const taken = ['address', 'fd'];

test('Object.prototype has members of the program', async () => {
  const reports = await harmless(async (t) => {
    void t.dgram;
    const failed = [];
    for (const value of [undefined, 1, 'text', ignore]) {
      for (const name of t.args.polluted) {
        const what = `${name} ${typeof value}`;
        t.report(what);
        const failure = new Promise((resolve) => {
          process.removeAllListeners('uncaughtException');
          process.once('uncaughtException', (error) => resolve(error.message));
        });
        const pollution = { value, writable: true, configurable: true };
        Object.defineProperty(Object.prototype, name, pollution);
        const exchanged = exchange(t).catch((error) => error.message);
        const right = await Promise.race([failure, exchanged, turns(1000)]);
        delete Object.prototype[name];
        if (right !== true) failed.push(`${what}: ${right}`);
      }
    }
    t.report(failed);
    t.report(true);
    process.exit();
  }, { args: { polluted: polluted.filter((name) => !taken.includes(name)) } });
  assert.deepStrictEqual(reports.at(-2), []);
});

test('Object.prototype and Array.prototype have setters of the program', aborts, async () => {
  await harmless(async (t) => {
    void t.dgram;
    process.on('uncaughtException', ignore);
    for (const prototype of [Object.prototype, Array.prototype]) {
      for (const name of t.args.polluted) {
        if (Object.hasOwn(prototype, name)) continue;
        t.report(`${prototype === Array.prototype} ${name}`);
        let [a, b] = [];
        // Node itself can't go on to a next turn with these.
        const brief = /^\d$/.test(name);
        Object.defineProperty(prototype, name, {
          configurable: true,
          get: () => undefined,
          set() {
            attempt(() => a.close());
            throw new Error('on purpose');
          },
        });
        try {
          a = t.dgram.createSocket('udp4');
          b = t.dgram.createSocket({ type: 'udp4' });
          a.on('error', ignore).on('message', ignore);
          a.bind(0, '127.0.0.1', () => attempt(() => {
            b.send(['x', 'y'], a.address().port, '127.0.0.1', ignore);
            b.send('x', a.address().port, '127.0.0.1', ignore);
          }));
        } catch {
          // It may well fail.
        }
        if (brief) delete prototype[name];
        await turn();
        await turn();
        delete prototype[name];
        attempt(() => a.close());
        attempt(() => b.close());
        await turn();
      }
    }
    t.report(await exchange(t));
    process.exit();
  }, { args: { polluted } });
});

test('built-in functions are removed or replaced after loading', async () => {
  await harmless(async (t) => {
    void t.dgram;
    const gone = {
      'Function.prototype': ['call', 'apply', 'bind', 'toString'],
      'Array.prototype': ['push', 'shift', 'slice', 'map', 'forEach', 'concat', 'splice'],
      'Object.prototype': ['hasOwnProperty', 'toString', 'valueOf'],
      'Uint8Array.__proto__.prototype': ['subarray', 'slice', 'length', 'byteLength', 'buffer'],
      'Map.prototype': ['get', 'set', 'delete'],
      'String.prototype': ['slice', 'charCodeAt'],
      'Buffer': ['from', 'alloc', 'isBuffer', 'byteLength', 'concat'],
      'Object': ['assign', 'defineProperty', 'create', 'keys', 'setPrototypeOf'],
      'Array': ['isArray', 'from'],
      'ArrayBuffer': ['isView'],
      'Number': ['isInteger', 'isNaN'],
      'Promise.prototype': ['then'],
    };
    process.on('uncaughtException', ignore);
    for (const [path, names] of Object.entries(gone)) {
      const owner = path.split('.').reduce((object, key) => object[key], globalThis);
      for (const name of names) {
        t.report(`${path}.${name}`);
        const kept = Object.getOwnPropertyDescriptor(owner, name);
        const { defineProperty } = Object;
        let [a, b] = [];
        delete owner[name];
        try {
          a = t.dgram.createSocket('udp4', ignore);
          b = t.dgram.createSocket({ type: 'udp4' });
          a.bind(0, '127.0.0.1', () => {
            try {
              b.send(['x', 'y'], a.address().port, '127.0.0.1', ignore);
              b.connect(a.address().port, '127.0.0.1', ignore);
              b.send('x', a.address().port, '127.0.0.1', ignore);
            } catch {
              // It may well fail.
            }
          });
        } catch {
          // It may well fail.
        }
        defineProperty(owner, name, kept);
        await turn();
        attempt(() => a.close());
        attempt(() => b.close());
        await turn();
      }
    }
    t.report(await exchange(t));
    process.exit();
  });
});

test('a program\'s own EventEmitter.prototype.emit sees every event', async () => {
  const reports = await harmless(async (t) => {
    const { EventEmitter } = require('node:events');
    const { emit } = EventEmitter.prototype;
    const seen = new Set();
    void t.dgram;
    EventEmitter.prototype.emit = function(event, ...args) {
      if (this instanceof t.dgram.Socket) seen.add(event);
      return Reflect.apply(emit, this, [event, ...args]);
    };
    const right = await exchange(t);
    await turn();
    t.report([...seen].filter((event) => typeof event === 'string').sort());
    t.report(right);
  });
  const own = ['close', 'connect', 'listening', 'message', 'newListener', 'removeListener'];
  assert.deepStrictEqual(own.filter((event) => !/Listener/.test(event)),
    reports[0].filter((event) => !/Listener/.test(event)));
});

test('a program\'s own process.nextTick and setImmediate are harmless', async () => {
  await harmless(async (t) => {
    void t.dgram;
    const { nextTick } = process;
    const { setImmediate } = globalThis;
    const wrapped = (later) => (callback, ...args) => later(() => callback(...args));
    process.nextTick = wrapped(nextTick);
    globalThis.setImmediate = wrapped(setImmediate);
    const right = await exchange(t);
    const broken = [undefined, ignore, () => { throw new Error('on purpose'); }];
    process.on('uncaughtException', ignore);
    for (const value of broken) {
      process.nextTick = value;
      const socket = attempt(() => t.dgram.createSocket('udp4', ignore));
      attempt(() => socket.bind(0, '127.0.0.1'));
      attempt(() => socket.send('x', 9, '127.0.0.1', ignore));
      attempt(() => socket.close(ignore));
      process.nextTick = nextTick;
      await new Promise(setImmediate);
    }
    t.report(right);
    process.exit();
  });
});

test('a callback that sends again, 100,000 times', async () => {
  const reports = await harmless(async (t) => {
    const socket = await inState(t, 'connected');
    let left = 100_000;
    const again = () => {
      if (left-- > 0) return socket.send('x', again);
      socket.close();
      t.report(left);
    };
    again();
    await new Promise((resolve) => socket.once('close', resolve));
    t.report(await exchange(t));
  });
  assert.strictEqual(reports[0], -1);
});

test('endless recursion through the module is a RangeError', async () => {
  const reports = await harmless(async (t) => {
    process.on('uncaughtException', ignore);
    const socket = await inState(t, 'bound');
    const errors = [];
    const offset = { valueOf() {
      socket.send('x', offset, 1, 9, '127.0.0.1');
      return 0;
    } };
    errors.push(attempt(() => socket.send('x', offset, 1, 9, '127.0.0.1')));
    const lookup = (host, family, done) => {
      if (host === 'here') return done(null, '127.0.0.1', 4);
      looking.send('x', 9, 'there');
    };
    const looking = t.dgram.createSocket({ type: 'udp4', lookup }).on('error', ignore);
    looking.bind(0, 'here');
    errors.push(attempt(() => looking.send('x', 9, 'there')));
    const deep = (call) => {
      try {
        deep(call);
      } catch (error) {
        attempt(call);
        throw error;
      }
    };
    for (const call of [
      () => socket.send('x', 9, '127.0.0.1', ignore), () => socket.send({}, 9),
      () => socket.setTTL(1), () => socket.setTTL(1000), () => socket.address(),
      () => socket.addMembership('x'), () => t.dgram.createSocket('udp4').bind(0).close(),
    ]) errors.push(attempt(() => deep(call)));
    await turn();
    attempt(() => socket.close());
    attempt(() => looking.close());
    t.report(errors.map((error) => error.name));
    t.report(await exchange(t));
    process.exit();
  });
  assert.deepStrictEqual([...new Set(reports[0])], ['RangeError']);
});

test('a stack that is nearly full when messages and callbacks come', async () => {
  await harmless(async (t) => {
    process.on('uncaughtException', ignore);
    const socket = await inState(t, 'connected');
    const overflow = () => overflow();
    let left = 20;
    socket.on('message', () => {
      if (--left === 0) socket.close();
      overflow();
    });
    for (let i = 0; i < 20; i++) socket.send('x', overflow);
    await new Promise((resolve) => socket.once('close', resolve));
    t.report(await exchange(t));
  });
});

test('thousands of listeners, which come and go', async () => {
  const reports = await harmless(async (t) => {
    const socket = await inState(t, 'connected');
    socket.setMaxListeners(0);
    let calls = 0;
    for (let i = 0; i < 5000; i++) {
      socket.on('message', () => { calls++; });
      socket.once('message', () => { calls++; });
    }
    const received = () => new Promise((resolve) => socket.once('message', resolve));
    socket.send('x');
    await received();
    t.report(calls);
    socket.on('message', () => socket.removeAllListeners('message'));
    socket.send('x');
    await received();
    socket.send('x');
    socket.send('y');
    await received();
    t.report(calls);
    socket.close();
    t.report(await exchange(t));
  });
  assert.deepStrictEqual(reports.slice(0, 2), [10_000, 15_000]);
});

test('events that the program itself emits', async () => {
  const reports = await harmless(async (t) => {
    process.on('uncaughtException', ignore);
    let emitted = 0;
    for (const state of ['unbound', 'bound', 'connected', 'closed']) {
      for (const event of ['message', 'messages', 'listening', 'connect', 'close', 'error',
        'newListener', 'removeListener', 'drain']) {
        t.report(`${state} ${event}`);
        const socket = await inState(t, state);
        socket.on(event, () => { emitted++; });
        attempt(() => socket.send('x', 9, '127.0.0.1', ignore));
        attempt(() => socket.connect(9, '127.0.0.1', ignore));
        attempt(() => socket.emit(event));
        attempt(() => socket.emit(event, Buffer.from('x'), { port: 1 }));
        attempt(() => socket.emit(event, new Error('on purpose')));
        await turn();
        attempt(() => socket.send('x', 9, '127.0.0.1', ignore));
        attempt(() => socket.close());
        await turn();
      }
    }
    t.report(emitted >= 4 * 9 * 3);
    t.report(await exchange(t));
  });
  assert.strictEqual(reports.at(-2), true);
});

test('an abort signal that is not one, or aborts at odd times', async () => {
  await harmless(async (t) => {
    process.on('uncaughtException', ignore);
    const fakes = [
      { aborted: false }, { aborted: true }, { aborted: false, addEventListener: ignore },
      { get aborted() { throw new Error('on purpose'); } },
      new Proxy(new AbortController().signal, {}),
      Object.create(AbortSignal.prototype), new EventTarget(),
    ];
    for (const signal of fakes) {
      const socket = attempt(() => t.dgram.createSocket({ type: 'udp4', signal }));
      attempt(() => socket.bind(0));
      await turn();
      attempt(() => socket.close());
      await turn();
    }
    const inListener = ['listening', 'connect', 'message', 'close'];
    for (const event of inListener) {
      const controller = new AbortController();
      const { signal } = controller;
      const socket = t.dgram.createSocket({ type: 'udp4', signal });
      socket.on(event, () => {
        controller.abort();
        signal.dispatchEvent(new Event('abort'));
        attempt(() => socket.close());
      });
      socket.bind(0, '127.0.0.1', () => attempt(() => {
        socket.connect(socket.address().port, '127.0.0.1', () => attempt(() => {
          for (let i = 0; i < 10; i++) socket.send('x', ignore);
          if (event === 'close') socket.close();
        }));
      }));
      await new Promise((resolve) => socket.once('close', resolve));
    }
    t.report(await exchange(t));
  });
});

test('every callback closes its socket, twice, and uses it once more', async () => {
  await harmless(async (t) => {
    process.on('uncaughtException', ignore);
    for (const event of ['listening', 'connect', 'message', 'error', 'close', 'send', 'failed']) {
      t.report(event);
      const socket = make(t);
      const spoil = () => {
        attempt(() => socket.close());
        attempt(() => socket.close());
        attempt(() => socket.send('x', 9, '127.0.0.1', ignore));
        attempt(() => socket.send('x', ignore));
        attempt(() => socket.bind(0));
        attempt(() => socket.connect(9));
        attempt(() => socket.disconnect());
        attempt(() => socket.setTTL(1));
        attempt(() => socket.ref().unref().address());
        gc();
      };
      socket.on(event, spoil);
      socket.bind(0, '127.0.0.1', () => attempt(() => {
        const { port } = socket.address();
        for (let i = 0; i < 100; i++) socket.send('x', port, '127.0.0.1', ignore);
        if (event === 'send') socket.send('x', port, '127.0.0.1', spoil);
        if (event === 'failed') socket.send(Buffer.alloc(66000), port, '127.0.0.1', spoil);
        if (event === 'error') socket.emit('error', new Error('on purpose'));
        if (event === 'connect') socket.connect(port);
        if (event === 'close') socket.close();
      }));
      await new Promise((resolve) => socket.once('close', resolve));
    }
    t.report(await exchange(t));
  });
});

test('the exports of the loaded addon are called with anything',
  ours('the built-in has its native part hidden'), async () => {
    await harmless(async (t) => {
      void t.dgram;
      process.on('uncaughtException', ignore);
      const values = [...strange(), make(t), await inState(t, 'bound')];
      const addons = Object.entries(require.cache)
        .filter(([file]) => file.endsWith('.node')).map(([, module]) => module.exports);
      if (addons.length === 0) throw new Error('no addon is loaded');
      const found = [];
      const visit = (object, path) => {
        for (const name of Reflect.ownKeys(object)) {
          const { value } = Object.getOwnPropertyDescriptor(object, name);
          const where = `${path}.${String(name)}`;
          if (typeof value === 'function') found.push([where, value, object]);
          if (value && /^(object|function)$/.test(typeof value) && path.length < 100 &&
            name !== 'constructor') visit(value, where);
        }
      };
      addons.forEach((addon) => visit(addon, ''));
      const made = [];
      for (const [where, native, owner] of found) {
        t.report(where);
        for (let i = 0; i < values.length; i++) {
          const at = (step) => values[(i * step + step) % values.length];
          const args = [at(1), at(7), at(11), at(13), at(17), at(19)];
          for (let n = 0; n <= args.length; n++) {
            made.push(attempt(() => native.apply(owner, args.slice(0, n))));
            attempt(() => native.apply(at(3), args.slice(0, n)));
            attempt(() => native.apply(made.at(-1), args.slice(0, n)));
            attempt(() => made.push(new native(...args.slice(0, n))));
          }
        }
        await turn();
      }
      t.report(true);
      process.exit();
    }, { using: [...using, strange] });
  });

test('the deprecated native handle is called with anything', aborts, async () => {
  await harmless(async (t) => {
    process.noDeprecation = true;
    process.on('uncaughtException', ignore);
    const values = strange();
    const socket = await inState(t, 'bound');
    const handle = socket._handle;
    if (handle) {
      const names = new Set();
      for (let object = handle; object && object !== Object.prototype;
        object = Object.getPrototypeOf(object)) {
        for (const name of Reflect.ownKeys(object)) names.add(name);
      }
      for (const name of names) {
        t.report(String(name));
        for (const value of [...values, handle, socket]) {
          attempt(() => handle[name](value, value, value));
          attempt(() => handle[name].call(value, 1));
          attempt(() => { handle[name] = value; });
          attempt(() => { socket._handle = value; });
          attempt(() => socket.send('x', 9, '127.0.0.1'));
        }
        await turn();
      }
      attempt(() => make(t).bind(handle));
      attempt(() => t.dgram._createSocketHandle(values[0], values[1], 'udp4', -1, 0));
    }
    t.report(await exchange(t));
    process.exit();
  }, { using: [...using, strange] });
});

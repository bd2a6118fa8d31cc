'use strict';
// What a program can do to the addon itself: the functions that it exports, the class of its
// handles, and what a call of it runs of the program's own code meanwhile. Each case runs in a
// process of its own, which may see errors but ends as it should: by no signal, with exit code 0.

const assert = require('node:assert');
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const test = require('node:test');
const child = require('./child');
const { modulePath, ours } = require('./subject');

// ---- these run in the child ----

const turn = () => new Promise(setImmediate);

async function turns(count) {
  for (let i = 0; i < count; i++) await turn();
}

function ignore() {}

function attempt(call) {
  try {
    return call();
  } catch (error) {
    return error;
  }
}

const addonPath = (t) => t.args.addon;

// The names of setup()'s functions, each of which does nothing.
function noopFunctions() {
  const names = ['queue', 'tick', 'defer', 'lookup', 'message', 'sender', 'slab', 'listening',
    'connected', 'connect_failed', 'error', 'icmp', 'sent', 'failed', 'closed'];
  return Object.fromEntries(names.map((name) => [name, () => undefined]));
}

const numbersOf = () => new Int32Array(new SharedArrayBuffer(4 * 3073));
const stagingOf = () => new Uint8Array(new SharedArrayBuffer(65536));

// The addon as another JavaScript would use it, set up with some functions of its own.
function addonOf(t, functions = {}) {
  const addon = require(addonPath(t)).create();
  addon.setup({ ...noopFunctions(), ...functions }, numbersOf(), stagingOf());
  return addon;
}

// What the addon's functions are called in.
const calling = (queue) => ({
  queue(act, ...values) { queue.push(() => Reflect.apply(act, this, values)); },
  tick(act, ...values) { Reflect.apply(act, this, values); },
});

// A Handle of another setup, bound to a port of the loopback interface. The flags of its send() are
// 1 (to the destination that was set, not the peer) and 2 (with a callback).
function boundHandle(addon) {
  const handle = new addon.Handle({}, 4, 0, 0, 0, 0, 0);
  if (handle.bindSync(0, '127.0.0.1') !== 0) throw new Error('could not bind');
  return handle;
}

// The package's own Handle, of a socket that is bound: its state is behind a symbol.
async function bound({ dgram }, options = {}) {
  const socket = dgram.createSocket({ type: 'udp4', ...options }).on('error', ignore);
  await new Promise((resolve) => socket.bind(0, '127.0.0.1', resolve));
  return socket;
}

function handleOf(socket) {
  const symbols = Object.getOwnPropertySymbols(socket);
  return symbols.map((symbol) => socket[symbol]?.handle).find((handle) => handle?.sendList);
}

async function exchange(t) {
  const [a, b] = [await bound(t), await bound(t)];
  const reported = new Promise((resolve) => a.on('message', (message) => resolve(`${message}`)));
  b.send('hello', a.address().port, '127.0.0.1');
  const right = await reported === 'hello';
  a.close();
  b.close();
  return right;
}

function throwing() {
  throw new Error('on purpose');
}

// Every kind of value, made anew.
function kinds() {
  const detached = new Uint8Array(8);
  structuredClone(detached.buffer, { transfer: [detached.buffer] });
  const resizable = new ArrayBuffer(64, { maxByteLength: 128 });
  const shrunk = new DataView(resizable);
  resizable.resize?.(1);
  const revoked = Proxy.revocable({}, {});
  revoked.revoke();
  return [
    undefined, null, true, false, 0, -0, 1, -1, 4, 6, 4.5, NaN, Infinity, 2 ** 31, 2 ** 32, 2 ** 53,
    -(2 ** 53), 1e300, 0n, 2n ** 64n, '', 'text', '127.0.0.1', '::1', '\ud800', 'a\0b',
    'x'.repeat(1 << 20), Symbol('s'), Symbol.iterator, {}, [], Object.create(null), ignore,
    throwing, class {}, new Proxy({}, { get: throwing, set: throwing, has: throwing, ownKeys: throwing }),
    new Proxy([], {}), new Proxy(ignore, { apply: throwing }), revoked.proxy,
    { get address() { return throwing(); }, set address(value) { throwing(); }, length: 3 },
    { valueOf: throwing, toString: throwing, [Symbol.toPrimitive]: throwing },
    detached, detached.buffer, new Uint8Array(64), new ArrayBuffer(64), new Float64Array(4),
    new DataView(new ArrayBuffer(8)), new SharedArrayBuffer(8),
    new Uint8Array(new SharedArrayBuffer(8)), resizable, shrunk, new Uint8Array(resizable),
    Buffer.alloc(100000), new Array(1e6), new Array(2 ** 32 - 1), Array(100).fill(Buffer.alloc(9)),
    [undefined], [throwing], new Map(), new Date(), /x/, new Error('e'), Promise.resolve(),
    globalThis, process, new (require('node:events'))(),
    Object.freeze({}), Object.defineProperty([1, 2], 1, { get: throwing }),
  ];
}

// Objects that other addons, those inside Node.js or outside, stand behind.
function foreign(t) {
  const { UDP } = attempt(() => process.binding('udp_wrap')) ?? {};
  const { Pipe } = attempt(() => process.binding('pipe_wrap')) ?? {};
  const other = addonOf(t);
  const { MessageChannel } = require('node:worker_threads');
  const { port1, port2 } = new MessageChannel();
  port1.close();
  return [other.Handle && boundHandle(other), other, other.Handle, other.Handle.prototype, port2,
    typeof UDP === 'function' && new UDP(), typeof Pipe === 'function' && new Pipe(0),
    require('node:zlib').createGzip()._handle, new (require('node:vm').Script)('1'),
    require('node:crypto').createHash('md5'), new WebAssembly.Memory({ initial: 1 }),
    process.stdout, Object.create(boundHandle(other)), new Proxy(boundHandle(other), {})];
}

function members(object) {
  return Object.getOwnPropertyNames(object)
    .filter((name) => name !== 'constructor')
    .map((name) => [name, Object.getOwnPropertyDescriptor(object, name)]);
}

// Functions to call a method or getter by.
const callable = ([name, { value, get }]) => [name, value ?? get];
const methods = (object) =>
  members(object).map(callable).filter(([, method]) => typeof method === 'function');

const using = [turn, turns, ignore, attempt, addonPath, noopFunctions, numbersOf, stagingOf, addonOf, calling,
  boundHandle, bound, handleOf, exchange, throwing, kinds, foreign, members, callable, methods];

// ---- here ----

const addon = path.join(path.dirname(require.resolve(modulePath)), 'build/Release/dgram.node');
const own = ours('the built-in has its native part hidden');

const flags = ['--expose-gc', '--no-deprecation'];
// Each runs with these as well.
const modes = { '': [], 'with a heap that moves': ['--stress-compaction', '--gc-interval=2000'] };

// Ends well, and the package still works.
async function harmless(body, { args = {}, execArgv = [], ...options } = {}) {
  const { code, stderr, reports } = await child.run(body, {
    using, args: { addon, ...args }, execArgv: [...flags, ...execArgv], patience: 60, ...options,
  });
  assert.strictEqual(code, 0, `${reports.slice(-2)}: ${stderr}`);
  assert.strictEqual(reports.at(-1), true, `${reports.slice(-2)}: ${stderr}`);
  return reports;
}

// ---- single attacks ----

const attacks = {
  'a Handle before setup()': async (t) => {
    const { Handle } = require(addonPath(t)).create();
    const handle = attempt(() => new Handle({}, 4, 0, 0, 0, 0, 0));
    attempt(() => handle.bindSync(0, '127.0.0.1'));
    attempt(() => handle.send(new Uint8Array(1), 2));
    attempt(() => handle.bind(0));
    await turns(3);
  },
  'runDeferredTask() and others before setup()': async (t) => {
    const addon = require(addonPath(t)).create();
    for (const [, method] of methods(addon)) {
      for (const value of kinds()) {
        const result = attempt(() => Reflect.apply(method, addon, [value]));
        addon.unwatchInterfaces(result); // a watcher keeps the process alive, and calls the value
        attempt(() => Reflect.apply(method, value, []));
      }
    }
  },
  'setup() without arguments': (t) => {
    const addon = require(addonPath(t)).create();
    for (const args of [[], [undefined], [noopFunctions()], [noopFunctions(), numbersOf()]])
      t.report(`${attempt(() => addon.setup(...args))}`);
    attempt(() => new addon.Handle({}, 4).bindSync(0, '127.0.0.1'));
  },
  'setup() with any memory': async (t) => {
    for (const value of kinds()) {
      for (const args of [[noopFunctions(), value, stagingOf()], [noopFunctions(), numbersOf(), value],
        [value, numbersOf(), stagingOf()], [noopFunctions(), value, value]]) {
        const addon = require(addonPath(t)).create();
        attempt(() => addon.setup(...args));
        attempt(() => {
          const handle = new addon.Handle({}, 4, 0, 0, 0, 0, 0);
          handle.bindSync(0, '127.0.0.1');
          handle.connectSync(9, '127.0.0.1');
          handle.send(new Uint8Array(9), 0);
        });
      }
    }
    await turns(3);
  },
  'setup() twice, and with memory that can go': (t) => {
    const { create } = require(addonPath(t));
    const memory = new WebAssembly.Memory({ initial: 1 });
    const good = [[noopFunctions(), numbersOf(), stagingOf()],
      [noopFunctions(), numbersOf(), new Uint8Array(memory.buffer)]];
    const bad = [[noopFunctions(), new Int32Array(3073), stagingOf()],
      [noopFunctions(), numbersOf(), new Uint8Array(65536)], [noopFunctions(), numbersOf(), Buffer.alloc(65536)],
      [noopFunctions(), numbersOf().subarray(1), stagingOf()], [noopFunctions(), numbersOf(), stagingOf().subarray(1)],
      [noopFunctions(), stagingOf(), numbersOf()], [{}, numbersOf(), stagingOf()]];
    for (const args of bad) {
      const addon = create();
      if (!(attempt(() => addon.setup(...args)) instanceof TypeError)) throw new Error('taken');
      if (!(attempt(() => new addon.Handle({}, 4)) instanceof TypeError)) throw new Error('made');
    }
    for (const args of good) {
      const addon = create();
      addon.setup(...args);
      if (!(attempt(() => addon.setup(...args)) instanceof Error)) throw new Error('twice');
      boundHandle(addon);
    }
  },
  'setup() with a getter that calls setup()': async (t) => {
    const addon = require(addonPath(t)).create();
    let depth = 0;
    const functions = { ...noopFunctions(), get closed() {
      if (depth++ < 3) attempt(() => addon.setup(functions, numbersOf(), stagingOf()));
      return ignore;
    } };
    attempt(() => addon.setup(functions, numbersOf(), stagingOf()));
    attempt(() => boundHandle(addon));
    await turns(3);
  },
  'setup() with one function that is none': async (t) => {
    for (const name of Object.keys(noopFunctions())) {
      for (const value of [undefined, null, 1, {}, 'x', Symbol('x')]) {
        const addon = require(addonPath(t)).create();
        attempt(() => addon.setup({ ...noopFunctions(), [name]: value }, numbersOf(), stagingOf()));
        attempt(() => {
          const handle = boundHandle(addon);
          handle.bind(0);
          handle.connect(9);
          handle.send(new Uint8Array(1), 2);
          handle.close();
        });
      }
    }
    await turns(3);
  },
  'a deferred task is run twice': async (t) => {
    const tasks = [];
    const queue = [];
    const addon = addonOf(t, { ...calling(queue), defer: (task) => tasks.push(task) });
    for (let i = 0; i < 50; i++) {
      const handle = new addon.Handle({}, 4, 0, 0, 0, 0, 0);
      handle.bindSync(0, '127.0.0.1');
      handle.connectSync(9, '127.0.0.1');
      handle.close();
      queue.splice(0).forEach((act) => act());
    }
    if (tasks.length === 0) throw new Error('nothing was deferred');
    for (let round = 0; round < 3; round++) {
      for (const task of tasks) {
        attempt(() => addon.runDeferredTask(task));
        queue.splice(0).forEach((act) => act());
      }
      gc();
      await turn();
    }
  },
  'a deferred task is run inside the call that defers it, and that call throws': async (t) => {
    for (const queueing of [(addon, task) => addon.runDeferredTask(task),
      (addon, task) => {
        addon.runDeferredTask(task);
        throwing();
      }]) {
      const addon = addonOf(t, { queue(act, task) { queueing(addon, task); } });
      for (let i = 0; i < 20; i++) {
        const handle = new addon.Handle({}, 4, 0, 0, 0, 0, 0);
        attempt(() => handle.bindSync(0, '127.0.0.1'));
        attempt(() => handle.connectSync(9, '127.0.0.1'));
        attempt(() => handle.close());
        attempt(() => new addon.Handle({}, 4).bind(0));
      }
      await turns(3);
    }
  },
  'deferred tasks that are others\', or none': async (t) => {
    const addon = addonOf(t);
    // Those of another setup.
    const externals = [];
    const queue = [];
    const other = addonOf(t, { ...calling(queue), defer: (task) => externals.push(task) });
    boundHandle(other).close();
    queue.splice(0).forEach((act) => act());
    for (const task of [...externals, ...kinds(), ...foreign(t)])
      attempt(() => addon.runDeferredTask(task));
    for (let i = 0; i < 1000; i++) {
      attempt(() => addon.runDeferredTask(i));
      attempt(() => addon.runDeferredTask((i << 22) + i));
      attempt(() => addon.runDeferredTask(2 ** 22 * i));
    }
    attempt(() => addon.runDeferredTask());
    externals.forEach((task) => attempt(() => other.runDeferredTask(task)));
    await turns(3);
  },
  'process.nextTick calls twice': async (t) => {
    void t.dgram;
    const { nextTick } = process;
    process.nextTick = (callback, ...args) => {
      nextTick(callback, ...args);
      nextTick(callback, ...args);
    };
    process.on('uncaughtException', ignore);
    for (let i = 0; i < 30; i++) {
      const socket = t.dgram.createSocket('udp4').on('error', ignore);
      attempt(() => socket.bindSync?.());
      attempt(() => socket.connectSync?.(socket.address().port));
      attempt(() => socket.send('x', ignore));
      attempt(() => socket.close());
      const other = t.dgram.createSocket('udp4').on('error', ignore);
      other.bind(0, '127.0.0.1');
      other.send('x', 9, '127.0.0.1', ignore);
      await turn();
      attempt(() => other.close());
      gc();
      await turn();
    }
    process.nextTick = nextTick;
  },
  'a list whose element throws': async (t) => {
    let received = 0;
    const handle = boundHandle(addonOf(t, { message() { received++; } }));
    const where = {};
    handle.address(where);
    handle.setDestination(where.port, '127.0.0.1');
    const list = Object.defineProperty([Buffer.from('x'), 1], 1, { get: throwing });
    for (let i = 0; i < 100; i++) {
      attempt(() => handle.sendList(list, 3));
      attempt(() => handle.sendList(Object.defineProperty([1], 0, { get: throwing }), 1));
      attempt(() => handle.send('no view', 1));
    }
    await turns(3);
    if (received > 0) throw new Error(`${received} messages were sent`);
  },
  'a list of very much': async (t) => {
    const handle = boundHandle(addonOf(t));
    handle.setDestination(9, '127.0.0.1');
    const part = new Uint8Array(2 ** 26);
    const list = new Array(2 ** 20).fill(part); // 64 TB
    for (const flags of [1, 3]) attempt(() => handle.sendList(list, flags));
    for (let i = 0; i < 200; i++) {
      attempt(() => handle.sendList([part], 3));
      attempt(() => handle.send(part, 3));
    }
    t.report(process.memoryUsage().rss < 2 ** 30);
    if (process.memoryUsage().rss > 2 ** 30) throw new Error('it is all copied');
  },
  'an owner that is no object': async (t) => {
    const queue = [];
    const addon = addonOf(t, calling(queue));
    for (const owner of kinds()) {
      attempt(() => {
        const handle = new addon.Handle(owner, 4, 0, 0, 0, 0, 0);
        handle.bind(0);
        handle.bindSync(0, '127.0.0.1');
        handle.connectSync(9, '127.0.0.1');
        handle.close();
      });
      attempt(() => new addon.Handle());
    }
    await turns(3);
    gc();
    await turns(3);
  },
  'an owner that is gone': async (t) => {
    const addon = addonOf(t);
    const handles = [];
    for (let i = 0; i < 100; i++) handles.push(new addon.Handle({}, 4, 0, 0, 0, 0, 0));
    gc();
    await turn();
    for (const handle of handles) {
      attempt(() => handle.bindSync(0, '127.0.0.1'));
      attempt(() => handle.connectSync(9, '127.0.0.1'));
      attempt(() => handle.close());
    }
    await turns(3);
  },
  'Handle called without new, on anything': async (t) => {
    const addon = addonOf(t);
    const made = boundHandle(addon);
    for (const self of [...kinds(), ...foreign(t), made, made, addon]) {
      attempt(() => addon.Handle.call(self, {}, 4, 0, 0, 0, 0, 0));
      attempt(() => self.bindSync(0, '127.0.0.1'));
      for (const [, method] of methods(addon.Handle.prototype)) attempt(() => method.call(self));
    }
    attempt(() => Reflect.construct(addon.Handle, [{}, 4], Object));
    attempt(() => Reflect.construct(Object, [{}, 4], addon.Handle));
    attempt(() => new (class extends addon.Handle {})({}, 4));
    gc();
    await turns(3);
  },
  'methods and getters on foreign objects': async (t) => {
    await bound(t).then(async (socket) => {
      const { Handle } = addonOf(t);
      for (const self of [...foreign(t), ...kinds(), handleOf(socket)]) {
        for (const [name, method] of methods(Handle.prototype)) {
          t.report(name);
          attempt(() => Reflect.apply(method, self, [1, 1, 1]));
          attempt(() => Reflect.get(Handle.prototype, 'fd', self));
        }
      }
      socket.close();
    });
    await turns(3);
  },
  'a hook that uses a Handle while it is made': async (t) => {
    const addon = addonOf(t);
    const hook = require('node:async_hooks').createHook({
      init(id, type, trigger, resource) {
        if (type !== 'UDPWRAP') return;
        for (const [, method] of methods(addon.Handle.prototype))
          attempt(() => method.call(resource, 0, '127.0.0.1'));
        attempt(() => addon.Handle.call(resource, {}, 4));
      },
    }).enable();
    for (let i = 0; i < 20; i++) attempt(() => boundHandle(addon).close());
    hook.disable();
    gc();
    await turns(3);
  },
  'setters where the addon writes': async (t) => {
    const queue = [];
    const addon = addonOf(t, calling(queue));
    let handle;
    const act = () => {
      attempt(() => handle.close());
      gc();
      throwing();
    };
    for (const owner of [Object.prototype, addon.Handle.prototype]) {
      for (const name of ['bindState', 'connectState', 'address', 'family', 'port'])
        Object.defineProperty(owner, name, { configurable: true, get: ignore, set: act });
      for (let i = 0; i < 20; i++) {
        handle = attempt(() => boundHandle(addon));
        attempt(() => handle.connectSync(9, '127.0.0.1'));
        attempt(() => handle.address({ set address(value) { act(); } }));
        attempt(() => handle.remoteAddress({}));
      }
      for (const name of ['bindState', 'connectState', 'address', 'family', 'port'])
        delete owner[name];
      await turns(2);
      queue.splice(0).forEach((f) => f());
    }
  },
  'frozen and proxied handles': async (t) => {
    const addon = addonOf(t);
    const handle = new addon.Handle({}, 4, 0, 0, 0, 0, 0);
    Object.freeze(handle);
    attempt(() => handle.bindSync(0, '127.0.0.1'));
    attempt(() => handle.address(Object.freeze({})));
    Object.setPrototypeOf(new addon.Handle({}, 4), new Proxy({}, { set: throwing, get: throwing }));
    attempt(() => handle.close());
    await turns(2);
  },
  'lendDescriptor() of anything': async (t) => {
    const handle = boundHandle(addonOf(t));
    for (const value of kinds()) {
      attempt(() => handle.lendDescriptor?.(value));
      attempt(() => handle.lendDescriptor?.(() => value));
    }
    attempt(() => handle.lendDescriptor?.(() => handle.close()));
    await turns(2);
    attempt(() => handle.lendDescriptor?.(() => 0));
  },
};

// A socket whose messages lie in slabs, with what the addon gets for a slab.
const slabs = {
  'a short one': () => new ArrayBuffer(1),
  'one of another size each time': () => new ArrayBuffer(Math.random() * 99),
  'none': () => undefined,
  'a view': () => new Uint8Array(65536),
  'shared memory': () => new SharedArrayBuffer(65536),
  'a detached one'() {
    const memory = new ArrayBuffer(65536);
    structuredClone(memory, { transfer: [memory] });
    return memory;
  },
  'one that is resizable, and shrinks'() {
    const memory = new ArrayBuffer(1 << 20, { maxByteLength: 1 << 20 });
    setImmediate(() => memory.resize?.(0));
    process.nextTick(() => memory.resize?.(0));
    return memory;
  },
  'one that throws': () => { throw new Error('on purpose'); },
};

for (const [mode, execArgv] of Object.entries(modes)) {
  for (const [name, attack] of Object.entries(attacks)) {
    test(`${name} ${mode}`, own, async () => {
      await harmless(`async (t) => {
        await (${`${attack}`})(t);
        t.report(await exchange(t));
        process.exit();
      }`, { execArgv });
    });
  }
}

for (const [name, slab] of Object.entries(slabs)) {
  test(`a slab that the program gives: ${name}`, own, async () => {
    await harmless(`async (t) => {
      void t.dgram;
      process.on('uncaughtException', ignore);
      const slab = (${`${slab}`.replace(/^'[^']*'\(\)/, 'function()')});
      const getBuffer = Object.getOwnPropertyDescriptor(
        Object.getPrototypeOf(Uint8Array.prototype), 'buffer');
      const pairs = [];
      // By what a program can replace.
      for (const owner of [Buffer.prototype, Object.getPrototypeOf(Uint8Array.prototype)]) {
        const to = await bound(t, { pooledMessages: true });
        const { port } = to.address();
        to.on('message', ignore);
        Object.defineProperty(owner, 'buffer', { configurable: true, get() {
          const memory = Reflect.apply(getBuffer.get, this, []);
          return memory.byteLength === 65536 ? slab() : memory;
        } });
        for (let i = 0; i < 200; i++)
          to.send(Buffer.alloc(9000, 7), port, '127.0.0.1');
        await turns(20);
        if (owner === Buffer.prototype) delete owner.buffer;
        else Object.defineProperty(owner, 'buffer', getBuffer);
        to.close();
      }
      // By setup().
      const addon = addonOf(t, { slab, message() { attempt(() => handle.takeMessages()); } });
      const handle = boundHandle(addon);
      const where = {};
      handle.address(where);
      handle.pool();
      for (let i = 0; i < 200; i++) {
        handle.setDestination(where.port, '127.0.0.1');
        handle.send(Buffer.alloc(9000, 7), 1);
      }
      await turns(20);
      t.report(await exchange(t));
      process.exit();
    }`);
  });
}

// A function of setup() may do anything to the socket, also while the addon is in a call.
test('functions of setup() that use the handle they are called for', own, async () => {
  await harmless(async (t) => {
    process.on('uncaughtException', ignore);
    const actions = {
      take: (handle) => { while (handle.takeMessages() > 0); },
      pool: (handle) => handle.pool(),
      close: (handle) => handle.close(),
      send: (handle) => handle.send(new Uint8Array(9), 3),
      flush: (handle) => handle.flush(),
      resolved: (handle) => handle.resolved(0, '127.0.0.1'),
      bind: (handle) => handle.bind(0),
      connect: (handle) => handle.connect(9),
      throw: throwing,
      collect: () => gc(),
      'act at once': (handle, act, ...values) => typeof act === 'function' && act(...values),
    };
    for (const name of Object.keys(noopFunctions())) {
      for (const [what, action] of Object.entries(actions)) {
        t.report(`${name}: ${what}`);
        let handle;
        let left = 20;
        const queue = [];
        const functions = { ...calling(queue), lookup() {
          handle.resolved(0, '127.0.0.1');
        }, slab: () => new ArrayBuffer(65536) };
        const original = functions[name];
        functions[name] = function(...args) {
          if (left-- > 0) attempt(() => action(handle, ...args));
          if (original) return Reflect.apply(original, this, args);
        };
        const addon = addonOf(t, functions);
        const owner = {};
        handle = new addon.Handle(owner, 4, 0, 0, 0, 0, 0);
        const where = {};
        attempt(() => handle.bind(0));
        queue.splice(0).forEach((act) => attempt(act));
        await turn();
        attempt(() => handle.bindSync(0, '127.0.0.1'));
        attempt(() => handle.address(where));
        for (const size of [1, 60000, 9]) {
          attempt(() => handle.setDestination(where.port, '127.0.0.1'));
          for (let i = 0; i < 50; i++)
            attempt(() => handle.send(Buffer.alloc(size, 7), i % 2 === 0 ? 3 : 1));
          await turn();
          queue.splice(0).forEach((act) => attempt(act));
        }
        attempt(() => handle.connect(where.port));
        queue.splice(0).forEach((act) => attempt(act));
        attempt(() => handle.close());
        await turns(2);
        queue.splice(0).forEach((act) => attempt(act));
        void owner;
      }
    }
    t.report(await exchange(t));
    process.exit();
  });
});

// ---- a table: every method, every kind of value, in every state, as every argument ----

const table = async (t) => {
  process.on('uncaughtException', ignore);
  const states = {
    unbound: (addon) => new addon.Handle({}, 4, 0, 0, 0, 0, 0),
    bound: boundHandle,
    connected(addon) {
      const handle = boundHandle(addon);
      handle.connectSync(9, '127.0.0.1');
      return handle;
    },
    async closed(addon) {
      const handle = boundHandle(addon);
      handle.close();
      await turns(2);
      return handle;
    },
  };
  const values = kinds();
  for (const [state, make] of Object.entries(states)) {
    const addon = addonOf(t);
    const { Handle } = addon;
    for (const [name, method] of methods(Handle.prototype)) {
      t.report(`${state} ${name}`);
      let handle = await make(addon);
      for (let i = 0; i < values.length; i++) {
        // A descriptor that is another's is the program's own affair.
        const isNumber = /escriptor/.test(name) && typeof values[i] === 'number';
        const a = isNumber && values[i] >= 0 ? -1 : values[i];
        const [b, c] = [values[(i * 7 + 3) % values.length], values[(i * 11 + 5) % values.length]];
        const owned = /bindDescriptor|resolvedDescriptor/.test(name);
        for (const args of [[], [a], [a, b], [a, b, c], owned ? [a, c] : [b, a],
          owned ? [a] : [c, b, a]]) {
          attempt(() => Reflect.apply(method, handle, args));
          attempt(() => Reflect.apply(method, a, args));
        }
        if (i % 20 === 0) {
          handle = await make(addon);
          await turn();
        }
      }
    }
    for (let i = 0; i < values.length; i++) {
      const at = (step) => values[(i * step + step) % values.length];
      attempt(() => new Handle(at(1)));
      attempt(() => new Handle({}, at(1)));
      attempt(() => new Handle({}, 4, at(1), at(3), at(5), at(7), at(11)));
      attempt(() => addon.errorName(at(1)));
      attempt(() => addon.errorText(at(1)));
      attempt(() => addon.descriptorType(at(1)));
      attempt(() => addon.runDeferredTask(at(1)));
    }
    await turn();
  }
  t.report(await exchange(t));
  process.exit();
};

for (const [mode, execArgv] of Object.entries(modes)) {
  test(`every method with every kind of value ${mode}`, own, async () => {
    await harmless(table, { execArgv, patience: 120 });
  });
}

test('every method with every kind of value in a worker thread, which ends meanwhile', own, async () => {
  await harmless(async (t) => {
    const { Worker } = require('node:worker_threads');
    const source = `'use strict';
      ${t.args.helpers}
      const t = { report: ignore, args: ${JSON.stringify({ addon: t.args.addon })},
        get dgram() { return require(${JSON.stringify(t.modulePath)}); } };
      globalThis.gc ??= ignore;
      require('node:worker_threads').parentPort.postMessage('there');
      (${t.args.table})(t);
    `;
    for (let i = 0; i < 4; i++) {
      const worker = new Worker(source, { eval: true });
      worker.on('error', ignore);
      const ended = new Promise((resolve) => worker.once('exit', resolve));
      await new Promise((resolve) => worker.once('message', resolve));
      if (i < 3) setTimeout(() => worker.terminate(), 200 * i);
      await ended;
    }
    t.report(await exchange(t));
  }, {
    args: {
      table: `${table}`,
      helpers: using.map((helper) => `const ${helper.name} = (${helper});`).join('\n'),
    },
    patience: 120,
  });
});

// ---- objects of another addon ----

// Builds an addon of somebody else's. The compiler is there where ours was built.
function buildForeign(t) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'foreign-'));
  t.after(() => fs.rmSync(folder, { recursive: true }));
  const file = path.join(folder, 'foreign.node');
  const flags = process.platform === 'darwin' ? ['-undefined', 'dynamic_lookup'] : [];
  const { status, stderr, error } = spawnSync(process.env.CC || 'cc', ['-shared', '-fPIC', ...flags,
    '-o', file, path.join(__dirname, 'foreign-addon.c')],
  { env: { ...process.env, LD_PRELOAD: '' }, encoding: 'utf8' });
  assert.strictEqual(status, 0, `${error} ${stderr}`);
  return file;
}

// In a process for each, since the first may end it.
test('methods, getters and functions get what another addon has wrapped', own, async (t) => {
  const foreign = buildForeign(t);
  const names = ['fd', 'bind', 'bindSync', 'resolved', 'connect', 'disconnect', 'close', 'send',
    'sendList', 'setDestination', 'flush', 'address', 'takeMessages', 'setTTL', 'ref',
    'runDeferredTask'];
  for (const name of names) {
    await harmless(async (t) => {
      const { wrap, external } = require(t.args.foreign);
      const addon = addonOf(t);
      const { Handle } = addon;
      const { name } = t.args;
      if (name === 'runDeferredTask') {
        attempt(() => addon.runDeferredTask(external()));
      } else {
        const { get, value } = Object.getOwnPropertyDescriptor(Handle.prototype, name);
        // An object of the class's own that another addon wraps before the addon does.
        const taken = [];
        const hook = require('node:async_hooks').createHook({
          init(id, type, trigger, resource) {
            if (type === 'UDPWRAP') taken.push(wrap(resource));
          },
        }).enable();
        attempt(() => new Handle({}, 4, 0, 0, 0, 0, 0));
        hook.disable();
        for (const self of [wrap({}), wrap(Object.create(Handle.prototype)), ...taken]) {
          const error = attempt(() => Reflect.apply(value ?? get, self, [new Uint8Array(1)]));
          if (!(error instanceof TypeError)) throw new Error(`${name}: ${error}`);
        }
      }
      t.report(await exchange(t));
      process.exit();
    }, { args: { foreign, name } });
  }
});

// The first member is read as a pointer, if it is taken for a list.
test('access lists get what another addon has wrapped', own, async (t) => {
  const foreign = buildForeign(t);
  await harmless(async (t) => {
    const { wrap } = require(t.args.foreign);
    const addon = addonOf(t);
    const { AccessList } = addon;
    const handle = boundHandle(addon);
    const others = [wrap({}), wrap(Object.create(AccessList.prototype)), wrap(() => {})];
    for (const [name, method] of methods(AccessList.prototype)) {
      t.report(name);
      for (const self of others) {
        const error = attempt(() => Reflect.apply(method, self, ['127.0.0.1', 32]));
        if (!(error instanceof TypeError)) throw new Error(`${name}: ${error}`);
      }
    }
    for (const list of others) {
      const result = handle.setAccess(1, 1, list);
      if (!(result < 0)) throw new Error(`setAccess: ${result}`);
    }
    handle.close();
    t.report(await exchange(t));
    process.exit();
  }, { args: { foreign } });
});

// ---- memory that JavaScript changes in the middle of a call ----

test('an element of a list that changes those before it comes too late', own, async () => {
  await harmless(async (t) => {
    const receiver = await bound(t);
    const handle = boundHandle(addonOf(t));
    const received = new Promise((resolve) => receiver.once('message', resolve));
    const first = new Uint8Array(16).fill(97);
    const list = Object.defineProperty([first, undefined], 1, { get() {
      first.fill(120);
      structuredClone(first.buffer, { transfer: [first.buffer] });
      gc();
      return new Uint8Array([98]);
    } });
    handle.setDestination(receiver.address().port, '127.0.0.1');
    if (handle.sendList(list, 1) < 0) throw new Error('sendList() failed');
    handle.flush();
    const message = `${await received}`;
    if (message !== `${'a'.repeat(16)}b`) throw new Error(message);
    handle.close();
    receiver.close();
    t.report(await exchange(t));
    process.exit();
  });
});

test('the end of a batch is seen though a function of setup() has taken the rest', own, async () => {
  await harmless(async (t) => {
    const queue = [];
    const sizes = []; // of the messages that one call of message() has taken
    let slabs = 0;
    let taking = false;
    let nested = 0;
    let asked = 0; // slabs, while a nested call had taken the rest
    const take = () => {
      const taken = handle.takeMessages();
      for (let i = 0; i < taken; i++) sizes.push(numbers[3 * i + 1]);
      return taken;
    };
    const numbers = numbersOf();
    const addon = require(addonPath(t)).create();
    addon.setup({
      ...noopFunctions(),
      ...calling(queue),
      defer(task) { addon.runDeferredTask(task); },
      slab() {
        slabs++;
        return new ArrayBuffer(65536);
      },
      sender() { if (taking) nested += take(); },
      message() {
        sizes.splice(0, Infinity, numbers[1]);
        const before = slabs;
        taking = true;
        const rest = take();
        taking = false;
        if (nested > 0) asked = slabs - before;
        else if (rest > 0) while (take() > 0);
      },
    }, numbers, stagingOf());
    const handle = new addon.Handle({}, 4, 0, 0, 0, 0, 0);
    handle.pool();
    if (handle.bindSync(0, '0.0.0.0') !== 0) throw new Error('could not bind');
    queue.splice(0).forEach((f) => f());
    const address = {};
    handle.address(address);
    const senders = ['127.0.0.1', '127.0.0.2'].map((own) => {
      const socket = t.dgram.createSocket('udp4').on('error', ignore).bind(0, own);
      return (size) => socket.send(Buffer.alloc(size), address.port, '127.0.0.1');
    });
    await turns(5);
    // Behind the last of the two messages lies what is left of the three before.
    for (let threeCame = false; !threeCame || nested === 0;) {
      [100, 100, 60000].forEach(senders[0]);
      await turns(3);
      threeCame = sizes.length === 3;
      senders[0](8000);
      senders[1](10);
      await turns(3);
      if (!threeCame) nested = 0;
    }
    if (asked !== 0) throw new Error(`${asked} slabs for a message that is none`);
    handle.close();
    t.report(await exchange(t));
    process.exit();
  });
});

test('a slab that was given away is not written to', own, async () => {
  await harmless(async (t) => {
    const slabs = [];
    const taken = [];
    const queue = [];
    let messages = 0;
    const addon = addonOf(t, {
      ...calling(queue),
      defer(task) { addon.runDeferredTask(task); },
      slab() {
        slabs.push(new ArrayBuffer(65536));
        return slabs.at(-1);
      },
      message() {
        messages++;
        const slab = slabs.at(-1);
        taken.push(new Uint8Array(structuredClone(slab, { transfer: [slab] })).fill(7));
      },
    });
    const handle = new addon.Handle({}, 4, 0, 0, 0, 0, 0);
    handle.pool();
    if (handle.bindSync(0, '127.0.0.1') !== 0) throw new Error('could not bind');
    queue.splice(0).forEach((f) => f());
    const address = {};
    handle.address(address);
    const sender = await bound(t);
    while (messages < 3) {
      sender.send('xxxx', address.port, '127.0.0.1');
      await turns(3);
    }
    if (slabs.length !== messages) throw new Error(`${slabs.length} slabs`);
    if (!taken.every((bytes) => bytes.every((byte) => byte === 7))) throw new Error('written to');
    handle.close();
    sender.close();
    t.report(await exchange(t));
    process.exit();
  });
});

// ---- what a program may replace ----

test('setters of the program see no memory of the addon\'s', own, async () => {
  await harmless(async (t) => {
    void t.dgram;
    process.on('uncaughtException', ignore);
    const stolen = [];
    const steal = (value) => {
      const view = ArrayBuffer.isView(value) ? value : value?.bytes;
      if (ArrayBuffer.isView(view) && view.buffer.byteLength === 65536) stolen.push(view.buffer);
    };
    for (const [owner, names] of [[Object.prototype, ['offset', 'size', 'bytes', 'act', 'values']],
      [Array.prototype, Array.from({ length: 40 }, (nothing, i) => `${i}`)]]) {
      const a = await bound(t);
      const { port } = a.address();
      a.on('message', ignore).on('messages', ignore);
      for (let i = 0; i < 100; i++) a.send(Buffer.alloc(100 + i), port, '127.0.0.1');
      a.once('message', () => {
        for (const name of names) {
          Object.defineProperty(owner, name, { configurable: true, get: ignore, set(value) {
            steal(value);
            Object.defineProperty(this, name,
              { value, configurable: true, writable: true, enumerable: true });
          } });
        }
      });
      await turn();
      await turn();
      for (const name of names) delete owner[name];
      a.close();
      await turn();
    }
    // Detached, the addon would write where it was.
    for (const memory of stolen) attempt(() => structuredClone(memory, { transfer: [memory] }));
    gc();
    t.report(stolen.length);
    if (stolen.length > 0) throw new Error(`${stolen.length} views of the staging buffer`);
    t.report(await exchange(t));
    process.exit();
  });
});

test('functions of the language and of Node.js are replaced after loading', own, async () => {
  await harmless(async (t) => {
    void t.dgram;
    process.on('uncaughtException', ignore);
    const { defineProperty, getOwnPropertyDescriptor, getPrototypeOf } = Object;
    const typed = getPrototypeOf(Uint8Array.prototype);
    const globals = [
      [Buffer, ['alloc', 'allocUnsafe', 'allocUnsafeSlow', 'from']],
      [process, ['nextTick']],
      [Array.prototype, ['push', 'shift', 'forEach', 'map', Symbol.iterator]],
      [Function.prototype, ['call', 'apply', 'bind']],
      [Reflect, ['apply', 'get', 'construct']],
      [typed, ['buffer', 'byteLength', 'byteOffset', 'length', 'set', 'subarray']],
      [Map.prototype, ['get', 'set', 'delete']],
      [require('node:events').prototype, ['emit', 'listenerCount', 'once', 'on']],
      [require('node:dns'), ['lookup']],
      [require('node:net'), ['isIP']],
      [ArrayBuffer, ['isView', Symbol.species]],
      [Object.getPrototypeOf(Uint8Array), [Symbol.species]],
      [globalThis, ['Buffer', 'ArrayBuffer', 'Uint8Array', 'Int32Array', 'Reflect', 'Object']],
    ];
    const short = new ArrayBuffer(1);
    const replacements = [() => undefined, () => 1, () => new Uint8Array(1), () => short,
      () => ({ length: 2 }), throwing, (f, ...rest) => {
        if (typeof f !== 'function') return;
        f(...rest);
        f(...rest);
      }];
    for (const [owner, names] of globals) {
      for (const name of names) {
        for (const replacement of replacements) {
          t.report(String(name));
          const sockets = [await bound(t), await bound(t, { pooledMessages: true })];
          const ports = sockets.map((socket) => socket.address().port);
          sockets.forEach((socket) => socket.on('message', ignore));
          sockets[0].on('messages', ignore);
          const payload = Buffer.alloc(3000);
          const kept = getOwnPropertyDescriptor(owner, name);
          // In and after the send; then as it was, for Node.js itself needs these.
          const [replaced, restored] = [
            { __proto__: null, configurable: true,
              ...kept.get ? { get: replacement } : { value: replacement, writable: true } },
            { __proto__: null, ...kept }];
          defineProperty(owner, name, replaced);
          try {
            for (const port of ports) {
              sockets[0].send(payload, port, '127.0.0.1', ignore);
              sockets[1].send([payload, 'x'], port, '127.0.0.1');
            }
            sockets[0].connect(ports[1], '127.0.0.1');
          } catch {
            // It may well fail.
          }
          defineProperty(owner, name, restored);
          const take = () => {
            defineProperty(owner, name, replaced);
            queueMicrotask(() => defineProperty(owner, name, restored));
          };
          // Node.js itself never comes back from a tick in which this one throws.
          if (name !== 'length') sockets.forEach((socket) => socket.once('message', take));
          await turns(3);
          defineProperty(owner, name, restored);
          sockets.forEach((socket) => attempt(() => socket.close()));
          await turn();
        }
      }
    }
    t.report(await exchange(t));
    process.exit();
  }, { patience: 120 });
});

test('a staging buffer or slab that is taken from under the messages', own, async () => {
  await harmless(async (t) => {
    process.on('uncaughtException', ignore);
    const socket = await bound(t, { pooledMessages: true });
    const { port } = socket.address();
    socket.on('message', ({ buffer }) => {
      attempt(() => buffer.transfer?.(1));
      attempt(() => structuredClone(buffer, { transfer: [buffer] }));
      gc();
    });
    for (let i = 0; i < 300; i++) socket.send(Buffer.alloc(500), port, '127.0.0.1');
    await turns(20);
    socket.close();
    t.report(await exchange(t));
    process.exit();
  });
});

test('the package\'s own handles, their class, and its methods on others', own, async () => {
  await harmless(async (t) => {
    process.on('uncaughtException', ignore);
    const socket = await bound(t);
    const closed = await bound(t);
    const handle = handleOf(socket);
    if (!handle) throw new Error('no handle was found');
    const gone = handleOf(closed);
    closed.close();
    await turns(2);
    const Handle = handle.constructor;
    const others = [...foreign(t), ...kinds(), gone, Handle, Handle.prototype];
    for (const [name, method] of methods(Handle.prototype)) {
      for (const self of others) attempt(() => Reflect.apply(method, self, []));
      t.report(name);
    }
    attempt(() => new Handle());
    attempt(() => Handle());
    gc();
    socket.close();
    t.report(await exchange(t));
    process.exit();
  });
});

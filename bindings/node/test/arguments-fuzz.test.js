'use strict';
// Every method of the module with arguments from a list of hostile values, chosen by a seed. The
// methods that the built-in has are called there, too, with the same values in the same state: both
// throw the same, by name and code, or neither throws. The others may only throw. The process never
// ends by a signal.
//
// DGRAM_TEST_SEED=seed makes other calls, DGRAM_TEST_STEPS sets their number.

const assert = require('node:assert');
const test = require('node:test');
const child = require('./child');
const { ours } = require('./subject');

const steps = Number(process.env.DGRAM_TEST_STEPS) || 2000;
const seed = Number(process.env.DGRAM_TEST_SEED) || 1;

// These run in the child.

// mulberry32, by Tommy Ettinger: public domain.
function generator(state) {
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

// Functions that make a value, so that each call gets its own.
function hostileValues() {
  const constant = (...values) => values.map((value) => () => value);
  const detached = () => {
    const bytes = new Uint8Array(8);
    structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
    return bytes;
  };
  const thrower = () => { throw new RangeError('on purpose'); };
  return [
    ...constant(undefined, null, true, false, 0, -0, 1, -1, 1.5, NaN, Infinity, -Infinity, 9, 255,
      256, 1000, 65507, 65535, 65536, 2 ** 31 - 1, 2 ** 31, 2 ** 32, 2 ** 53, 0n, 1n, -1n, 2n ** 70n),
    ...constant('', '0', '9', '-1', '1000', 'x', '127.0.0.1', '::1', '224.0.0.5', 'ff02::5',
      '0.0.0.0', 'udp4', 'udp6', 'UDP4', 'a\0b', '\ud800', 'x'.repeat(300), '127.0.0.1%lo',
      'message'),
    ...constant(Symbol('s'), Symbol.iterator, Math, /x/, () => {}, thrower, class {}),
    () => [], () => ['a', 'b'], () => [1], () => [Buffer.from('x'), null], () => new Array(2000),
    () => ({}), () => Object.create(null), () => ({ port: 9 }), () => ({ port: -1 }),
    () => ({ port: 0, address: '127.0.0.1', exclusive: true }), () => ({ fd: 2 ** 31 }),
    () => ({ fd: -1 }), () => ({ type: 'udp4' }), () => ({ type: 'udp5' }), () => ({ length: 3 }),
    () => ({ type: 'udp4', signal: 1 }), () => ({ type: 'udp4', lookup: 1 }),
    () => ({ type: 'udp4', recvBufferSize: -1 }), () => ({ type: 'udp4', sendBufferSize: '1' }),
    () => ({ valueOf: thrower, toString: thrower }), () => ({ [Symbol.toPrimitive]: () => 9 }),
    () => ({ get port() { return thrower(); } }), () => ({ get type() { return thrower(); } }),
    () => new Proxy({}, { get: thrower }), () => new Proxy([], {}),
    () => Buffer.alloc(0), () => Buffer.from('bytes'), () => Buffer.alloc(70_000), detached,
    () => new Uint8Array(8).subarray(2, 4), () => new Float64Array(3),
    () => new DataView(new ArrayBuffer(4)), () => new ArrayBuffer(4),
    () => new SharedArrayBuffer(4), () => new String('9'),
    () => new Number(9), () => new Date(0), () => new Map(), () => new Error('x'),
    () => AbortSignal.abort(), () => new AbortController().signal,
  ];
}

// What two calls are compared by. Values of the package and of the built-in differ in identity.
function outcome(call) {
  try {
    const result = call();
    return typeof result === 'object' && result !== null ? 'object' : typeof result;
  } catch (error) {
    if (!(error instanceof Error)) return `throws ${typeof error}`;
    return `throws ${error.name} ${error.code ?? ''}`;
  }
}

// Sockets of a module, so many in each state; they wait for no name server.
async function socketsOf(dgram, count) {
  const lookup = (host, family, callback) => process.nextTick(callback, null, '127.0.0.1', 4);
  const make = () => dgram.createSocket({ type: 'udp4', lookup }).on('error', () => {});
  const states = { unbound: [], bound: [], connected: [], closed: [] };
  for (const [name, sockets] of Object.entries(states)) {
    for (let i = 0; i < count; i++) {
      const socket = make();
      sockets.push(socket);
      if (name === 'unbound') continue;
      await new Promise((resolve) => socket.bind(0, '127.0.0.1', resolve));
      if (name === 'connected') {
        await new Promise((resolve) => socket.connect(9, '127.0.0.1', resolve));
      }
      if (name === 'closed') await new Promise((resolve) => socket.close(resolve));
    }
  }
  return states;
}

function methodsOf(dgram) {
  const events = new Set(Object.getOwnPropertyNames(require('node:events').prototype));
  return Object.getOwnPropertyNames(dgram.Socket.prototype).filter((name) =>
    name !== 'constructor' && !name.startsWith('_') && !events.has(name) &&
    typeof Object.getOwnPropertyDescriptor(dgram.Socket.prototype, name).value === 'function');
}

// Calls that are made on this package alone, since the built-in differs on purpose, or dies:
function isOursAlone(method, state, values) {
  // A membership binds an unbound socket: see test/differential/differences.js.
  if (/Membership/.test(method) && state === 'unbound') return true;
  // The built-in reads a property of null: "Cannot read properties of null".
  if (method === 'connect' && state === 'closed') return true;
  // The built-in throws for such a port from a callback, where no program can catch it.
  if (method === 'bind')
    return typeof values[0] === 'symbol' || (typeof values[0] === 'bigint' && values[0] !== 0n);
  // It aborts the process: "Assertion failed: args[0]->IsUint32()".
  return /^set.*BufferSize$/.test(method) && Object.is(values[0], -0);
}

async function callMethods(t) {
  const builtin = require('node:dgram');
  const { inspect } = require('node:util');
  const random = generator(t.args.seed);
  const below = (limit) => Math.floor(random() * limit);
  const values = hostileValues();
  const shared = methodsOf(builtin);
  const own = methodsOf(t.dgram).filter((name) => !shared.includes(name));
  const modules = [builtin, t.dgram];
  const differences = [];
  process.on('uncaughtException', () => {});
  process.on('unhandledRejection', () => {});
  for (let left = t.args.steps; left > 0;) {
    const [theirs, ours] = await Promise.all(modules.map((dgram) => socketsOf(dgram, 25)));
    for (const state of Object.keys(ours)) {
      for (let i = 0; i < ours[state].length; i++, left--) {
        const makers = Array.from({ length: below(6) }, () => values[below(values.length)]);
        const make = () => makers.map((maker) => maker());
        const create = below(20) === 0;
        const names = [...shared, ...own];
        const method = create ? 'createSocket' : names[below(names.length)];
        const call = (dgram, socket) => outcome(() => create ?
          dgram.createSocket(...make()).on('error', () => {}).close() : socket[method](...make()));
        const result = call(t.dgram, ours[state][i]);
        if (own.includes(method) || isOursAlone(method, state, make())) continue;
        const expected = call(builtin, theirs[state][i]);
        if (result !== expected) {
          const text = (value) => inspect(value, { depth: 1, maxStringLength: 20 });
          differences.push(`${state}.${method}(${make().map(text).join(', ').slice(0, 200)}): ` +
            `${result}, of the built-in ${expected}`);
        }
      }
    }
    await new Promise(setImmediate);
    for (const sockets of [...Object.values(ours), ...Object.values(theirs)].flat()) {
      try { sockets.close(); } catch { /* closed already */ }
    }
    await new Promise(setImmediate);
  }
  t.report(differences);
  process.exit(0); // what hostile calls have left under way
}

test('every method throws the same as the built-in for hostile arguments',
  ours('compares the two'), async (t) => {
    t.diagnostic(`DGRAM_TEST_SEED=${seed}`);
    const [differences] = await child.reports(callMethods, {
      using: [generator, hostileValues, outcome, socketsOf, methodsOf, isOursAlone],
      args: { seed, steps },
    });
    assert.deepStrictEqual(differences, [], `DGRAM_TEST_SEED=${seed}`);
  });

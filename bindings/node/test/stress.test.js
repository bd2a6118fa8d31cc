'use strict';
// A random walk of operations over many sockets at once, for cases that no other test has.
//
// The seed of a walk is printed, and DGRAM_TEST_SEED=seed walks it again. DGRAM_TEST_STEPS sets how
// far; no walk takes longer than a few seconds.

const assert = require('node:assert');
const test = require('node:test');
const child = require('./child');

const steps = Number(process.env.DGRAM_TEST_STEPS) || 20_000;
const seconds = process.env.DGRAM_TEST_STEPS ? 3600 : 2;
const given = Number(process.env.DGRAM_TEST_SEED);
const seeds = given ? [given] :
  Array.from({ length: 4 }, () => Math.floor(Math.random() * 2 ** 31));

// These run in the child.
const turn = () => new Promise(setImmediate);

// mulberry32, by Tommy Ettinger: public domain.
function generator(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

// A message holds its size and the byte that fills it, so that any mixture shows.
function datagram(number, size) {
  const bytes = Buffer.alloc(size, number % 251);
  if (size >= 8) {
    bytes.writeUInt32LE(number, 0);
    bytes.writeUInt32LE(size, 4);
  }
  return bytes;
}

function isDatagram(bytes) {
  if (bytes.length < 8) return bytes.every((byte) => byte === bytes[0]);
  const fill = bytes.readUInt32LE(0) % 251;
  return bytes.readUInt32LE(4) === bytes.length &&
    bytes.subarray(8).every((byte) => byte === fill);
}

// The walk itself: the operations by name, and what has to hold all the time.
class Walk {
  constructor(dgram, seed) {
    this.dgram = dgram;
    this.random = generator(seed);
    this.sockets = [];
    this.problems = new Set();
    this.datagrams = 0;
    this.counts = { messages: 0, callbacks: 0, errors: 0, refused: 0 };
  }

  below(limit) { return Math.floor(this.random() * limit); }
  pick(list) { return list[this.below(list.length)]; }
  chance(of) { return this.random() < of; }
  wrong(what) { this.problems.add(what); }

  // Something that must happen at most once, and not before the call that requested it returned.
  once(what, then = () => {}) {
    let called = 0;
    let returned = false;
    process.nextTick(() => { returned = true; });
    return (...args) => {
      if (++called > 1) this.wrong(`${what} called ${called} times`);
      if (!returned) this.wrong(`${what} called at once`);
      then(...args);
    };
  }

  lookup(kind) {
    const answer = (host, done) => host === 'fails' ?
      done(Object.assign(new Error('not found'), { code: 'ENOTFOUND' })) :
      done(null, host === 'unusable' ? '192.0.2.1' : '127.0.0.1', 4);
    return {
      sync: (host, family, done) => answer(host, done),
      tick: (host, family, done) => process.nextTick(answer, host, done),
      late: (host, family, done) => setImmediate(answer, host, done),
    }[kind];
  }

  create() {
    if (this.sockets.length >= 40) return;
    const options = { type: 'udp4' };
    if (this.chance(0.6)) options.lookup = this.lookup(this.pick(['sync', 'tick', 'late']));
    if (this.chance(0.2)) options.recvBufferSize = 1000 * (1 + this.below(500));
    if (this.chance(0.2)) options.sendBufferSize = 1000 * (1 + this.below(500));
    if (this.chance(0.3)) options.reuseAddr = true;
    const controller = this.chance(0.1) && new AbortController();
    if (controller) options.signal = controller.signal;
    const socket = this.dgram.createSocket(options);
    const it = { socket, controller, closed: false, named: Boolean(options.lookup) };
    this.watch(it);
    this.sockets.push(it);
  }

  watch(it) {
    const { socket } = it;
    socket.on('error', () => { this.counts.errors++; });
    socket.on('close', () => {
      if (it.closed) this.wrong('close came twice');
      it.closed = true;
      this.sockets = this.sockets.filter((other) => other !== it);
    });
    socket.on('listening', () => { if (it.closed) this.wrong('listening after close'); });
    socket.on('message', (msg, rinfo) => {
      this.counts.messages++;
      if (it.closed) this.wrong('message after close');
      if (rinfo.size !== msg.length) this.wrong('size of rinfo');
      if (!isDatagram(msg)) this.wrong(`mixed message of ${msg.length} bytes`);
      if (msg.length % 97 === 13) this.attempt('close', it);
      if (msg.length % 89 === 7) this.attempt('send', it);
      if (msg.length % 83 === 3) this.attempt('create');
    });
  }

  // A port of a socket of the walk, or sometimes one without a socket.
  port() {
    const it = this.sockets.length && this.chance(0.9) && this.pick(this.sockets);
    try {
      return it.socket.address().port || 9;
    } catch {
      return 9;
    }
  }

  host(it) {
    if (!it.named || this.chance(0.5)) return this.pick(['127.0.0.1', '127.0.0.1', undefined]);
    return this.pick(['somewhere', 'somewhere', 'somewhere', 'fails', 'unusable']);
  }

  bind(it) {
    const callback = this.chance(0.5) ? [() => {}] : [];
    const port = this.chance(0.1) ? this.port() : 0;
    if (this.chance(0.3)) it.socket.bind({ port, address: this.host(it) }, ...callback);
    else if (this.chance(0.1)) it.socket.bind(...callback);
    else it.socket.bind(port, this.host(it), ...callback);
  }

  connect(it) {
    const callback = this.chance(0.5) ? [this.once('callback of connect')] : [];
    it.socket.connect(this.port(), this.host(it), ...callback);
  }

  disconnect(it) { it.socket.disconnect(); }

  send(it) {
    const sizes = [0, 1, 7, 8, 64, 64, 64, 500, 1200, 1472, 9000, 20_000, 65_507];
    const size = this.pick(sizes) + this.below(2);
    const message = datagram(this.datagrams++, size);
    const callback = this.chance(0.6) ? [this.once('callback of send', (error, bytes) => {
      this.counts.callbacks++;
      if (!error && bytes !== size) this.wrong(`${bytes} bytes sent of ${size}`);
    })] : [];
    const cut = this.below(size + 1);
    const form = this.pick([
      () => [message],
      () => [[message.subarray(0, cut), message.subarray(cut)]],
      () => [Buffer.concat([Buffer.alloc(3), message]), 3, size],
      () => [new DataView(message.buffer, message.byteOffset, message.byteLength)],
    ])();
    const to = this.chance(0.6) ? [this.port(), this.host(it)] : [];
    it.socket.send(...form, ...to, ...callback);
    if (this.chance(0.005)) gc();
  }

  burst(it) {
    for (let i = this.below(100); i > 0; i--) this.attempt('send', it);
  }

  close(it) {
    if (this.chance(0.5)) it.socket.close(() => {});
    else if (this.chance(0.2) && Symbol.asyncDispose) this.dispose(it);
    else it.socket.close();
  }

  dispose(it) { it.socket[Symbol.asyncDispose]().catch(() => {}); }

  abort(it) { if (it.controller) it.controller.abort(); }

  forget() {
    const it = this.pick(this.sockets);
    try {
      it.socket.address();
    } catch {
      // Never bound: nothing is left to be closed at the end. One that is about to be stays.
      if (!it.busy) this.sockets = this.sockets.filter((other) => other !== it);
    }
  }

  set(it) {
    const { socket } = it;
    this.pick([
      () => socket.setTTL(1 + this.below(255)),
      () => socket.setTTL(this.below(1000)),
      () => socket.setMulticastTTL(this.below(300)),
      () => socket.setMulticastLoopback(this.chance(0.5)),
      () => socket.setBroadcast(this.chance(0.5)),
      () => socket.setMulticastInterface('127.0.0.1'),
      () => socket.addMembership('224.0.0.114', '127.0.0.1'),
      () => socket.dropMembership('224.0.0.114', '127.0.0.1'),
      () => socket.setRecvBufferSize(this.below(100_000)),
      () => socket.setSendBufferSize(this.below(100_000)),
      () => socket.getRecvBufferSize(),
      () => socket.getSendBufferSize(),
    ])();
  }

  read(it) {
    const { socket } = it;
    this.pick([
      () => socket.address(), () => socket.remoteAddress(),
      () => socket.getSendQueueSize(), () => socket.getSendQueueCount(),
    ])();
  }

  ref(it) { it.socket.ref(); }
  unref(it) { it.socket.unref(); }
  collect() { gc(); }

  // What a call may throw is an error of the module or of the system, or the built-in's own error
  // for a closed socket.
  attempt(name, it = this.sockets.length ? this.pick(this.sockets) : undefined) {
    if (!it && !['create', 'collect'].includes(name)) return;
    if (it && name !== 'forget') it.busy ||= ['bind', 'send', 'burst', 'connect'].includes(name);
    try {
      this[name](it);
    } catch (error) {
      this.counts.refused++;
      const known = /^(ERR_|E[A-Z]+$)/.test(error.code) ||
        /^Cannot read properties of null/.test(error.message);
      if (!known) this.wrong(`${name} threw ${error.stack}`);
    }
  }

  async run(steps, deadline) {
    const weights = { create: 12, bind: 8, connect: 8, disconnect: 4, send: 30, burst: 6, close: 6,
      abort: 1, forget: 2, set: 8, read: 5, ref: 1, unref: 1, collect: 0.05, turn: 25 };
    const names = Object.entries(weights).flatMap(([name, weight]) =>
      Array(Math.ceil(weight * 20)).fill(name));
    let step = 0;
    for (; step < steps && Date.now() < deadline; step++) {
      const name = this.pick(names);
      if (name === 'turn') await turn();
      else this.attempt(name);
    }
    return step;
  }

  end() {
    for (const it of [...this.sockets]) this.attempt('close', it);
  }
}

test('a random walk', async (t) => {
  for (const seed of seeds) {
    await t.test(`seed ${seed}`, async (t) => {
      const [result] = await child.reports(async (t) => {
        const walk = new Walk(t.dgram, t.args.seed);
        process.on('uncaughtException', (error) => {
          // A close() that waited for a bind may find the socket closed: no program can catch that.
          if (error.code !== 'ERR_SOCKET_DGRAM_NOT_RUNNING') walk.wrong(`uncaught ${error.stack}`);
        });
        const done = await walk.run(t.args.steps, Date.now() + t.args.seconds * 1000);
        walk.end();
        process.on('exit', () => {
          t.report({ done, ...walk.counts, problems: [...walk.problems] });
        });
      }, {
        using: [turn, generator, datagram, isDatagram, Walk],
        args: { seed, steps, seconds },
        execArgv: ['--expose-gc'],
        patience: seconds + 60,
      });
      t.diagnostic(JSON.stringify(result));
      assert.deepStrictEqual(result.problems, []);
      assert.ok(result.messages > 0 && result.callbacks > 0, 'nothing happened');
    });
  }
});

'use strict';
// The stage: a process that plays one scenario with one of the two modules, and writes the trace.
//
//   node stage.js MODULE FILE SCENARIO [ROLE WHO]
//
// The trace goes to file descriptor 3 line by line and synchronously, so that it is complete up to
// a crash. What a scenario gets in hand is defined here, and nowhere else.

const fs = require('node:fs');
const path = require('node:path');
const { AsyncLocalStorage } = require('node:async_hooks');
const { isMainThread, workerData, parentPort } = require('node:worker_threads');
const { show, name } = require('./show.js');
const book = require('./book.js');

const TRACE = 3;
const EVENTS = ['listening', 'connect', 'message', 'error', 'close'];

const [moduleName, file, title, role, who = 'main'] = isMainThread ? process.argv.slice(2) : workerData;
const store = new AsyncLocalStorage();

// 'register:…' stands for a module that takes the place of the built-in.
function load(request) {
  if (!request.startsWith('register:')) return require(request);
  require(request.slice('register:'.length));
  return require('node:dgram');
}

/* What is said */

function write(text) {
  const context = store.getStore();
  const line = context === undefined ? text : `${text}   «${context}»`;
  fs.writeSync(TRACE, `${JSON.stringify([who, line])}\n`);
}

/** A line of the trace: a text, and the values to show after it. */
function log(text, ...values) {
  write(values.length ? `${text}: ${values.map((value) => show(value)).join(', ')}` : text);
}

function withThis(self) {
  if (self === undefined) return '';
  return `, this is ${name.of(self) || (self === globalThis ? 'the global object' : `a ${self.constructor.name}`)}`;
}

/** Calls a function and tells what it returned or threw; gives the value on. */
function attempt(text, call) {
  try {
    const value = call();
    log(`${text} returned`, value);
    return value;
  } catch (error) {
    log(`${text} threw`, error);
    return undefined;
  }
}

/** A callback that tells when it runs, with which arguments and which `this`; then does more. */
function told(text, more = () => {}) {
  return function callback(...values) {
    write(`${text}(${values.map((value) => show(value)).join(', ')})${withThis(this)}`);
    return more.apply(this, values);
  };
}

/** A promise of the next call of a callback made by it, for code that wants to wait for one. */
function awaited(text, start) {
  return new Promise((resolve) => start(told(text, (...values) => resolve(values))));
}

/* When it happens */

/** Marks the time: lines in the next tick, the next microtask, and the next immediate. */
function clocks(text) {
  process.nextTick(() => log(`  tick ${text}`));
  queueMicrotask(() => log(`  microtask ${text}`));
  setImmediate(() => log(`  immediate ${text}`));
}

/** A promise that is kept after as many turns of the loop. */
function turns(count = 1) {
  return new Promise((resolve) => {
    const next = () => (count-- > 0 ? setImmediate(next) : resolve());
    next();
  });
}

/** Runs a function in a context of AsyncLocalStorage; the lines of the trace tell theirs. */
const inside = (context, call) => store.run(context, call);

/* Sockets */

const { dgram, builtin } = (() => {
  const builtin = require('node:dgram');
  return { builtin, dgram: load(moduleName) };
})();

/** Tells of events of a socket: all of them, or those named. */
function watch(text, socket, ...events) {
  name(socket, text);
  for (const event of events.length ? events : EVENTS) {
    socket.on(event, function listener(...values) {
      const self = this === socket ? '' : withThis(this);
      write(`${text} '${event}'${values.map((value) => ` ${show(value)}`).join(',')}${self}`);
    });
  }
  return socket;
}

/** A socket that is watched. */
function socket(text, options = 'udp4', ...more) {
  return watch(text, dgram.createSocket(options, ...more));
}

const LOOPBACK = { udp4: '127.0.0.1', udp6: '::1' };

/** A promise of an event, without a line in the trace. */
const event = (emitter, type) => new Promise((resolve) => {
  emitter.once(type, (...values) => resolve(values));
});

/** Binds a socket to a free port of the loopback interface; a promise of the port. */
async function bind(one) {
  const listening = event(one, 'listening');
  one.bind(0, LOOPBACK[one.type]);
  await listening;
  return one.address().port;
}

/** A socket bound to loopback, watched from then on. */
async function bound(text, options = 'udp4', ...more) {
  const one = dgram.createSocket(options, ...more);
  await bind(one);
  return watch(text, one);
}

/** A promise of the next messages of a socket, without lines in the trace. */
function arrived(one, count = 1) {
  return new Promise((resolve) => {
    const messages = [];
    one.on('message', function collect(msg) {
      if (messages.push(msg) < count) return;
      one.removeListener('message', collect);
      resolve(messages);
    });
  });
}

/** Closes sockets; a promise that is kept after 'close' of all of them. */
const close = (...sockets) => Promise.all(sockets.map((one) => new Promise((resolve) => {
  one.close(resolve);
})));

/** A pair: a is connected to b. Both are bound, and watched from then on. */
async function pair() {
  const b = await bound('b');
  const a = await bound('a');
  await new Promise((resolve) => a.connect(b.address().port, '127.0.0.1', resolve));
  return { a, b, port: b.address().port };
}

/** A socket of the built-in module that is not part of what is compared: a port, a witness. */
async function witness(type = 'udp4') {
  const one = builtin.createSocket(type);
  const port = await bind(one);
  return { socket: one, port, close: () => new Promise((resolve) => one.close(resolve)) };
}

/** A port that is free, and that the kernel gives to nobody who asks for any port. */
async function freePort() {
  for (;;) {
    const port = 10000 + Math.floor(Math.random() * 20000);
    const one = builtin.createSocket('udp4').bind(port);
    const free = await Promise.race([event(one, 'listening').then(() => true), event(one, 'error')]);
    await close(one);
    if (free === true) return port;
  }
}

/** How many listeners each event has: nothing may pile up. */
function counts(one) {
  const members = one.eventNames().map((type) => [String(type), one.listenerCount(type)]);
  log(`listeners of ${show(one)}`, Object.fromEntries(members));
}

/* Other processes and threads: each plays a role of the same scenario */

/** Messages of a process or thread, kept until somebody asks for the next one. */
function mailbox(sender) {
  const letters = [];
  const readers = [];
  sender.on('message', (letter) => (readers.length ? readers.shift()(letter) : letters.push(letter)));
  return () => new Promise((resolve) => {
    if (letters.length) resolve(letters.shift());
    else readers.push(resolve);
  });
}

const argumentsOf = (part, text) => [moduleName, file, title, part, text];

function actor(sender, post) {
  return { of: sender, tell: post, hear: mailbox(sender), gone: event(sender, 'exit') };
}

/** A worker of the cluster. */
function worker(part, text) {
  const cluster = require('node:cluster');
  const stdio = ['ignore', 'inherit', 'inherit', TRACE, 'ipc'];
  cluster.setupPrimary({ exec: __filename, args: argumentsOf(part, text), stdio });
  const one = cluster.fork();
  return actor(one, (letter) => one.send(letter));
}

/** A process. */
function child(part, text, options = {}) {
  const stdio = ['ignore', 'inherit', 'inherit', TRACE, 'ipc'];
  const { fork } = require('node:child_process');
  const one = fork(__filename, argumentsOf(part, text), { stdio, ...options });
  return actor(one, (letter, handle) => one.send(letter, handle));
}

/** A thread. */
function thread(part, text) {
  const { Worker } = require('node:worker_threads');
  const one = new Worker(__filename, { workerData: argumentsOf(part, text) });
  return actor(one, (letter) => one.postMessage(letter));
}

/** For those actors: the one who directs them. */
function director() {
  if (!isMainThread) {
    return { tell: (letter) => parentPort.postMessage(letter), hear: mailbox(parentPort),
      leave: () => parentPort.unref() };
  }
  return { tell: (letter) => process.send(letter), hear: mailbox(process),
    leave: () => process.disconnect() };
}

/* The play */

const stage = {
  dgram, builtin, isBuiltin: dgram === builtin, modulePath: moduleName, path,
  log, attempt, told, awaited, show, name,
  clocks, turns, inside, event,
  watch, socket, bind, bound, arrived, close, pair, witness, freePort, counts,
  worker, child, thread, director,
};

async function play() {
  process.on('uncaughtException', (error, origin) => log(origin, error));
  process.on('warning', ({ name: kind, code, message }) => log('warning', kind, code, message));
  process.on('exit', (code) => log('exit', code));
  const one = book.find(file, title);
  try {
    await (role ? one.roles[role] : one.play)(stage);
  } catch (error) {
    log('the scenario itself failed', error);
    console.error(error);
    process.exit(1);
  }
}

play();

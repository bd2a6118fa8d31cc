'use strict';
// The tools of a scenario: to trace what happens, to make sockets, to direct other processes.

const { AsyncLocalStorage } = require('node:async_hooks');
const { once } = require('node:events');
const { isMainThread, parentPort } = require('node:worker_threads');
const { show, name } = require('./show.js');

const EVENTS = ['listening', 'connect', 'message', 'error', 'close'];
const LOOPBACK = { udp4: '127.0.0.1', udp6: '::1' };

const store = new AsyncLocalStorage();

/** Runs a function in a context of AsyncLocalStorage: its lines end with «context». */
const inside = (context, call) => store.run(context, call);

/* To wait: none of these writes to the trace */

/** A promise that is kept after as many turns of the loop. */
function turns(count = 1) {
  return new Promise((resolve) => {
    const next = () => (count-- > 0 ? setImmediate(next) : resolve());
    next();
  });
}

/** A promise of an event's arguments. It is not once() of node:events, which listens to 'error'. */
const event = (emitter, type) => new Promise((resolve) => {
  emitter.once(type, (...values) => resolve(values));
});

/** A promise of the next messages of a socket. */
function arrived(socket, count = 1) {
  return new Promise((resolve) => {
    const messages = [];
    socket.on('message', function collect(msg) {
      if (messages.push(msg) < count) return;
      socket.removeListener('message', collect);
      resolve(messages);
    });
  });
}

/** Closes sockets; a promise that is kept after 'close' of all of them. */
const close = (...sockets) => Promise.all(sockets.map((one) => new Promise((resolve) => {
  one.close(resolve);
})));

/** Binds a socket to a free port of the loopback interface; a promise of the port. */
async function bind(socket) {
  const listening = event(socket, 'listening');
  socket.bind(0, LOOPBACK[socket.type]);
  await listening;
  return socket.address().port;
}

/* To trace */

function traceTools({ write }) {
  /** A line of the trace. */
  function writeLine(text) {
    const context = store.getStore();
    write(context === undefined ? text : `${text}   «${context}»`);
  }

  /** A line of the trace: a text, and the values to show after it. */
  function log(text, ...values) {
    writeLine(values.length ? `${text}: ${values.map((value) => show(value)).join(', ')}` : text);
  }

  function withThis(self) {
    if (self === undefined) return '';
    const text = name.of(self) || (self === globalThis ? 'the global object' : `a ${self.constructor.name}`);
    return `, this is ${text}`;
  }

  /** Calls a function and traces what it returned or threw; returns the value. */
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

  /** A callback that traces its call, with the arguments and `this`; then does more. */
  function traced(text, more = () => {}) {
    return function callback(...values) {
      writeLine(`${text}(${values.map((value) => show(value)).join(', ')})${withThis(this)}`);
      return more.apply(this, values);
    };
  }

  /** Starts something with a callback that is traced; a promise of the callback's arguments. */
  function awaited(text, start) {
    return new Promise((resolve) => start(traced(text, (...values) => resolve(values))));
  }

  /** Marks the time: lines in the next tick, the next microtask and the next immediate. */
  function clocks(text) {
    process.nextTick(() => log(`  tick ${text}`));
    queueMicrotask(() => log(`  microtask ${text}`));
    setImmediate(() => log(`  immediate ${text}`));
  }

  /** Traces events of a socket: all, or those named. From now on the trace shows its name. */
  function watch(text, socket, ...events) {
    name(socket, text);
    for (const type of events.length ? events : EVENTS) {
      socket.on(type, function listener(...values) {
        const self = this === socket ? '' : withThis(this);
        writeLine(`${text} '${type}'${values.map((value) => ` ${show(value)}`).join(',')}${self}`);
      });
    }
    return socket;
  }

  /** How many listeners each event has: nothing may pile up. */
  function counts(socket) {
    const members = socket.eventNames().map((type) => [String(type), socket.listenerCount(type)]);
    log(`listeners of ${show(socket)}`, Object.fromEntries(members));
  }

  return { log, attempt, traced, awaited, clocks, watch, counts };
}

/* Sockets */

function socketTools({ dgram, builtin, watch }) {
  /** A socket, watched from its creation. */
  function socket(text, options = 'udp4', ...more) {
    return watch(text, dgram.createSocket(options, ...more));
  }

  /** A socket bound to loopback, watched from then on. */
  async function bound(text, options = 'udp4', ...more) {
    const one = dgram.createSocket(options, ...more);
    await bind(one);
    return watch(text, one);
  }

  /** Two bound sockets, a connected to b at `port`. */
  async function pair() {
    const b = await bound('b');
    const a = await bound('a');
    const { port } = b.address();
    await new Promise((resolve) => a.connect(port, '127.0.0.1', resolve));
    return { a, b, port };
  }

  /** A socket of the built-in, that is no part of what is compared. */
  async function builtinPeer() {
    const one = builtin.createSocket('udp4');
    const port = await bind(one);
    return { socket: one, port, close: () => close(one) };
  }

  /** A port that is free, and that the kernel gives to no socket that is bound to port 0. */
  async function freePort() {
    for (;;) {
      const port = 10000 + Math.floor(Math.random() * 20000);
      const one = builtin.createSocket('udp4').bind(port);
      const outcome = await once(one, 'listening').catch(() => 'taken');
      await close(one);
      if (outcome !== 'taken') return port;
    }
  }

  return { socket, bound, pair, builtinPeer, freePort };
}

/* Other processes and threads, that play roles of the same scenario */

/** Messages of a process or thread, kept until the next one is requested. */
function mailbox(sender) {
  const messages = [];
  const readers = [];
  sender.on('message', (message) => {
    if (readers.length) readers.shift()(message);
    else messages.push(message);
  });
  return () => new Promise((resolve) => {
    if (messages.length) resolve(messages.shift());
    else readers.push(resolve);
  });
}

function remote(of, post) {
  return { of, post, receive: mailbox(of), gone: event(of, 'exit') };
}

function processTools({ self: [file, args, trace] }) {
  const stdio = ['ignore', 'inherit', 'inherit', trace, 'ipc'];

  /** A worker of the cluster that plays a role; its lines stand under the name `who`. */
  function worker(role, who) {
    const cluster = require('node:cluster');
    cluster.setupPrimary({ exec: file, args: [...args, role, who], stdio });
    const one = cluster.fork();
    return remote(one, (message) => one.send(message));
  }

  /** A process that plays a role. */
  function child(role, who, options = {}) {
    const one = require('node:child_process').fork(file, [...args, role, who], { stdio, ...options });
    return remote(one, (message) => one.send(message));
  }

  /** A thread that plays a role. */
  function thread(role, who) {
    const { Worker } = require('node:worker_threads');
    const one = new Worker(file, { workerData: [...args, role, who] });
    return remote(one, (message) => one.postMessage(message));
  }

  /** For a role: the process or thread that started it. */
  function parent() {
    if (isMainThread) {
      return { post: (message) => process.send(message), receive: mailbox(process),
        leave: () => process.disconnect() };
    }
    return { post: (message) => parentPort.postMessage(message), receive: mailbox(parentPort),
      leave: () => parentPort.unref() };
  }

  return { worker, child, thread, parent };
}

module.exports = function tools({ dgram, builtin, moduleName, write, self }) {
  const trace = traceTools({ write });
  return {
    dgram, builtin, moduleName, isBuiltin: dgram === builtin,
    show, name, inside, turns, event, arrived, close, bind,
    ...trace,
    ...socketTools({ dgram, builtin, ...trace }),
    ...processTools({ self }),
  };
};

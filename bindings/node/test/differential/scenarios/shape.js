'use strict';
// What the module and the class look like (B1 to B4, B58, B61).

const path = require('node:path');
const EventEmitter = require('node:events');
const { scenario } = require('../registry.js');
const { feature } = require('../needs.js');
const { additions } = require('../additions.js');

function flagsOf(object, key) {
  const { value, writable, enumerable, configurable, get, set } =
    Object.getOwnPropertyDescriptor(object, key);
  const kind = get || set ? `accessor${get ? ' get' : ''}${set ? ' set' : ''}` : typeof value;
  const size = typeof value === 'function' ? ` ${value.name}/${value.length}` : '';
  return `${kind}${size} ${writable ? 'w' : '-'}${enumerable ? 'e' : '-'}${configurable ? 'c' : '-'}`;
}

const members = (object) => Reflect.ownKeys(object).map((key) => `${String(key)} ${flagsOf(object, key)}`);

scenario('B1 the exports, their lengths and flags', ({ dgram, log }) => {
  members(dgram).forEach((line) => log(line));
});

scenario('B1 the names that import gives', async ({ dgram, isBuiltin, moduleName, log }) => {
  const replaced = isBuiltin || moduleName.startsWith('register:');
  const url = replaced ? 'node:dgram' : path.join(moduleName, 'index.mjs');
  const names = await import(url);
  log('names', Object.keys(names).sort());
  log('the same functions', names.createSocket === dgram.createSocket,
    names.Socket === dgram.Socket, names.default === dgram);
});

scenario('B1 createSocket with new, and Socket without', ({ dgram, log, attempt }) => {
  const { createSocket, Socket } = dgram;
  log('with new', new createSocket('udp4') instanceof Socket);
  log('without new', attempt('Socket()', () => { Socket('udp4'); return true; }) === true);
});

scenario('B2 Socket: name, length, chain', ({ dgram, log }) => {
  const { Socket } = dgram;
  log('name and length', Socket.name, Socket.length);
  log('Object.getPrototypeOf(Socket) === EventEmitter', Object.getPrototypeOf(Socket) === EventEmitter);
  log('of the prototype', Object.getPrototypeOf(Socket.prototype) === EventEmitter.prototype);
  log('constructor', Socket.prototype.constructor === Socket);
  log('own members', Object.getOwnPropertyNames(Socket));
  log('statics of EventEmitter', Socket.defaultMaxListeners, typeof Socket.once);
});

scenario('B2 the members of a socket', ({ dgram, log }) => {
  const socket = dgram.createSocket('udp4');
  log('keys', Object.keys(socket));
  log('own names', Object.getOwnPropertyNames(socket));
  log('json', JSON.stringify(socket));
  log('copy', Object.keys({ ...socket }));
  log('tag', Object.prototype.toString.call(socket), String(socket));
  log('type', socket.type, flagsOf(socket, 'type'));
  log('extensible', Object.isExtensible(socket));
});

scenario('B2 new Socket() is createSocket()', ({ dgram, log, traced }) => {
  const listener = traced('message');
  const socket = new dgram.Socket({ type: 'udp6' }, listener);
  log('instance', socket instanceof dgram.Socket, socket instanceof EventEmitter);
  log('prototype', Object.getPrototypeOf(socket) === dgram.Socket.prototype);
  log('type', socket.type);
  log('listener', socket.listeners('message')[0] === listener);
});

scenario('B2 a new socket has no listeners', ({ dgram, log }) => {
  const socket = dgram.createSocket('udp4');
  log('events', socket.eventNames(), socket.getMaxListeners());
});

scenario('B3 the members of the prototype, by name', ({ dgram, log }) => {
  members(dgram.Socket.prototype).filter((line) => !additions.includes(line.split(' ')[0])).sort()
    .forEach((line) => log(line));
});

scenario('B3 for…in over a socket', ({ dgram, log }) => {
  const names = [];
  for (const name in dgram.createSocket('udp4')) names.push(name);
  names.sort().forEach((name) => log(name));
});

scenario('B3 Symbol.asyncDispose is a method', { needs: feature('Symbol.asyncDispose', Symbol.asyncDispose) },
  ({ dgram, log }) => {
    log('flags', flagsOf(dgram.Socket.prototype, Symbol.asyncDispose));
  });

scenario('B61 members of the program\'s own, on a socket', ({ dgram, log }) => {
  const wanted = ['pause', 'resume', 'write', 'end', 'destroy', 'closed', 'destroyed', 'options', 'state',
    'handle', 'fd', 'port', 'host', 'name', 'id', 'queue', 'stats', 'flush', 'native', 'lookup', 'signal']
    .filter((name) => !additions.includes(name));
  const socket = dgram.createSocket('udp4');
  for (const name of wanted) {
    const before = socket[name];
    socket[name] = 'mine';
    log(name, before, socket[name], Object.keys(socket).includes(name));
  }
});

scenario('B61 a socket works with such members', async ({ bound, arrived, close }) => {
  const a = await bound('a');
  Object.assign(a, { pause: 1, options: 2, state: 3, handle: 4, queue: 5, closed: 6, then: undefined });
  a.send('to itself', a.address().port);
  await arrived(a);
  await close(a);
});

scenario('B61 a socket is not thenable', async ({ dgram, log }) => {
  const socket = dgram.createSocket('udp4');
  log('then', 'then' in socket);
  log('awaited', (await socket) === socket);
});

scenario('B58 the prototype and the exports can be written', { alone: true }, ({ dgram, log }) => {
  const { send } = dgram.Socket.prototype;
  dgram.Socket.prototype.send = function mine() { return 'mine'; };
  log('send', dgram.createSocket('udp4').send('x'));
  dgram.Socket.prototype.send = send;
  dgram.createSocket = () => 'mine';
  log('createSocket', dgram.createSocket('udp4'));
});

scenario('B2 a frozen and a sealed socket', async ({ dgram, watch, attempt, bind, close, log }) => {
  const a = watch('a', dgram.createSocket('udp4'));
  Object.seal(a);
  await bind(a);
  await close(a);
  const b = Object.freeze(watch('b', dgram.createSocket('udp4')));
  attempt('bind', () => b.bind(0, '127.0.0.1', () => b.close()));
  log('frozen', Object.isFrozen(b));
});

/* The state symbol, which packages look for by its description */

const stateOf = (one) =>
  one[Object.getOwnPropertySymbols(one).find(({ description }) => description === 'state symbol')];

const withoutHandle = ({ handle, ...others }) => others;

scenario('B4 the state symbol: what it has', async ({ socket, log, close }) => {
  const a = socket('a', { type: 'udp4', reuseAddr: true, recvBufferSize: 4096 });
  const state = stateOf(a);
  log('members', Object.keys(state), Object.getPrototypeOf(state) === Object.prototype);
  log('values', withoutHandle(state));
  for (const name of ['queue', 'reuseAddr', 'ipv6Only', 'recvBufferSize', 'sendBufferSize']) {
    const { [name]: before } = state;
    state[name] = before;
    log(name, state[name]);
  }
  await close(a);
  log('closed', withoutHandle(state), state.handle);
});

scenario('B4 the state symbol: each state', async ({ socket, log, event }) => {
  const a = socket('a');
  const state = stateOf(a);
  const report = (when) => log(when, state.bindState, state.connectState, state.receiving, state.queue && state.queue.length,
    state.handle && state.handle.fd > 0);
  report('new');
  a.send('x', 9, '127.0.0.1', () => report('sent'));
  report('binding');
  await event(a, 'listening');
  report('listening');
  a.connect(9, '127.0.0.1');
  report('connecting');
  await event(a, 'connect');
  report('connected');
  a.disconnect();
  report('disconnected');
  a.close();
  report('closed');
});

scenario('B4 the state symbol: a connect that waits for its bind', async ({ socket, log, event, close }) => {
  const a = socket('a');
  const state = stateOf(a);
  a.connect(9, '127.0.0.1');
  log('waiting', state.bindState, state.connectState, state.queue.length);
  await event(a, 'connect');
  await close(a);
});

scenario('B4 the state symbol: a bind that fails', async ({ socket, log, event, close }) => {
  const a = socket('a');
  const state = stateOf(a);
  a.bind(0, '203.0.113.9');
  log('binding', state.bindState, state.receiving);
  await event(a, 'error');
  log('failed', state.bindState, state.receiving);
  await close(a);
});

scenario('B4 the state symbol: the handle', async ({ bound, socket, log, attempt, close }) => {
  const a = socket('a');
  const { handle } = stateOf(a);
  log('new', handle.constructor.name, handle.fd, stateOf(a).handle === handle, typeof handle.lookup, handle.hasRef());
  const owner = Object.getOwnPropertySymbols(handle).find(({ description }) => description === 'owner_symbol');
  log('its owner', handle[owner] === a);
  await new Promise((resolve) => a.bind(0, '127.0.0.1', resolve));
  log('bound', handle.fd > 0, stateOf(a).handle === handle);
  const b = await bound('b');
  const address = {};
  attempt('its address', () => stateOf(b).handle.getsockname(address));
  log('its address', address.address, address.port === b.address().port);
  b.unref();
  log('unref', stateOf(b).handle.hasRef());
  stateOf(b).handle.ref();
  log('ref', stateOf(b).handle.hasRef());
  await close(a, b);
  log('closed', stateOf(a).handle, handle.fd);
});

scenario('B2 a socket is one of the class of the built-in', ({ builtin, dgram, log, socket }) => {
  const a = socket('a');
  log('instanceof', a instanceof builtin.Socket, a instanceof dgram.Socket);
  class Derived extends builtin.Socket {}
  log('others', {} instanceof builtin.Socket, null instanceof builtin.Socket, 5 instanceof builtin.Socket,
    a instanceof Derived, Object.create(builtin.Socket.prototype) instanceof builtin.Socket);
  a.close();
});

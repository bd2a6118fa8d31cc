'use strict';
// What is taken of the built-in module. The module itself, not what require('node:dgram') gives:
// that may be this package, by a mock, an alias of a bundler, or a loader's hook.

const ours = Symbol.for('libdgram'); // the mark of a class that is not the built-in's

function load() {
  if (typeof process.getBuiltinModule === 'function')
    return process.getBuiltinModule('node:dgram');
  const found = require('node:dgram');
  return typeof found?.Socket === 'function' && !found.Socket[ours] ? found : undefined;
}

// The key under which the built-in keeps the state of a socket, and the state of one. It is seen
// when a socket is made; making it ends there, so that nobody hears of it.
function look(Socket) {
  let found = {};
  const looker = new Proxy(Object.create(Socket.prototype), {
    set(socket, key, value) {
      if (typeof key !== 'symbol' || key.description !== 'state symbol')
        return Reflect.set(socket, key, value);
      found = { stateKey: key, state: value };
      throw found;
    },
  });
  try {
    Reflect.apply(Socket, looker, ['udp4']);
  } catch (error) {
    if (error !== found)
      throw error;
  }
  return found;
}

function take(builtin) {
  const { stateKey, state } = builtin ? look(builtin.Socket) : {};
  if (!state?.handle)
    return { stateKey: Symbol('state symbol') };
  const { handle } = state;
  const ownerKey = Object.getOwnPropertySymbols(handle)
    .find(({ description }) => description === 'owner_symbol');
  handle.unref();
  handle.close();
  return { stateKey, stateNames: Object.keys(state), ownerKey, UDP: handle.constructor };
}

// child_process sends a socket to another process if it is one of the built-in's class.
function admit({ Socket }, stateKey) {
  if (Object.hasOwn(Socket, Symbol.hasInstance))
    return;
  Object.defineProperty(Socket, Symbol.hasInstance, {
    __proto__: null,
    value(object) {
      if (this === Socket && typeof object === 'object' && object !== null && stateKey in object)
        return true;
      return Function.prototype[Symbol.hasInstance].call(this, object);
    },
    configurable: true,
  });
}

const builtin = load();
const taken = take(builtin);
if (taken.UDP)
  admit(builtin, taken.stateKey);

module.exports = { builtin, ours, ...taken };

'use strict';
// What this package uses of the built-in module: the module itself, not what require('node:dgram')
// returns, which may be this package (a mock, an alias of a bundler, a loader's hook).

const ours = Symbol.for('libdgram'); // the mark of a class that is not the built-in's

function load() {
  if (typeof process.getBuiltinModule === 'function')
    return process.getBuiltinModule('node:dgram');
  const found = require('node:dgram');
  return typeof found?.Socket === 'function' && !found.Socket[ours] ? found : undefined;
}

// The key under which the built-in keeps the state of a socket, and one such state. A proxy catches
// the assignment in the constructor, which it then leaves by an exception, so that no subscriber of
// 'udp.socket' is notified.
function captureState(Socket) {
  let found = {};
  const proxy = new Proxy(Object.create(Socket.prototype), {
    set(socket, key, value) {
      if (typeof key !== 'symbol' || key.description !== 'state symbol')
        return Reflect.set(socket, key, value);
      found = { stateKey: key, state: value };
      throw found;
    },
  });
  try {
    Reflect.apply(Socket, proxy, ['udp4']);
  } catch (error) {
    if (error !== found)
      throw error;
  }
  return found;
}

function inspectBuiltin(builtin) {
  const { stateKey, state } = builtin ? captureState(builtin.Socket) : {};
  if (!state?.handle)
    return { stateKey: Symbol('state symbol') };
  const { handle } = state;
  const ownerKey = Object.getOwnPropertySymbols(handle)
    .find(({ description }) => description === 'owner_symbol');
  handle.unref();
  handle.close();
  return { stateKey, stateNames: Object.keys(state), ownerKey, UDP: handle.constructor };
}

// child_process sends a socket to another process if it is an instance of the built-in's class.
function acceptOurSockets({ Socket }, stateKey) {
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
const found = inspectBuiltin(builtin);
if (found.UDP)
  acceptOurSockets(builtin, found.stateKey);

module.exports = { builtin, ours, ...found };

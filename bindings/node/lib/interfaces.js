'use strict';
// The network interfaces of the host: a list of them, and their changes. The addon calls back from
// the loop; the program's listener runs in a tick, so that what it throws is reported as usual.

const errors = require('./errors');
const native = require('./native');
const { later } = require('./primordials');

const { INTERFACE_ADDED, INTERFACE_BROADCAST, INTERFACE_CHANGED, INTERFACE_LOOPBACK,
  INTERFACE_MULTICAST, INTERFACE_POINT_TO_POINT, INTERFACE_REMOVED, INTERFACE_RUNNING,
  INTERFACE_UP } = native.constants;

const flagNames = [[INTERFACE_UP, 'up'], [INTERFACE_RUNNING, 'running'],
  [INTERFACE_LOOPBACK, 'loopback'], [INTERFACE_MULTICAST, 'multicast'],
  [INTERFACE_BROADCAST, 'broadcast'], [INTERFACE_POINT_TO_POINT, 'pointToPoint']];

const eventNames = { __proto__: null, [INTERFACE_ADDED]: 'added', [INTERFACE_CHANGED]: 'changed',
  [INTERFACE_REMOVED]: 'removed' };

// The addon has the flags as a number.
function show(described) {
  const names = [];
  for (const [flag, name] of flagNames) if ((described.flags & flag) !== 0) names.push(name);
  described.flags = names;
  return described;
}

// ---- the list ----

function interfaces() {
  const list = native.interfaces();
  if (typeof list === 'number')
    throw errors.systemError(list, 'interfaces');
  for (const described of list) show(described);
  return list;
}

// ---- changes ----

class InterfaceWatcher {
  #id; // the addon's; 0: closed
  #listener;

  constructor(listener) {
    if (typeof listener !== 'function')
      throw errors.invalidType('listener', 'of type function', listener);
    this.#listener = listener;
    const id = native.watchInterfaces((event, described) =>
      later((change) => this.#report(change), [eventNames[event], show(described)]));
    if (id < 0)
      throw errors.systemError(id, 'watchInterfaces');
    this.#id = id;
  }

  #report([event, described]) {
    if (this.#id !== 0)
      this.#listener(event, described);
  }

  close() {
    native.unwatchInterfaces(this.#id);
    this.#id = 0;
  }

  ref() {
    native.referInterfaces(this.#id, 1);
    return this;
  }

  unref() {
    native.referInterfaces(this.#id, 0);
    return this;
  }
}

if (Symbol.dispose) {
  Object.defineProperty(InterfaceWatcher.prototype, Symbol.dispose, { __proto__: null,
    value() { this.close(); }, writable: true, enumerable: false, configurable: true });
}

function watchInterfaces(listener) {
  return new InterfaceWatcher(listener);
}

module.exports = { interfaces, watchInterfaces };

'use strict';
// The event 'icmp': the system is asked for ICMP errors while the event has listeners. So the methods
// that add and remove listeners, which are EventEmitter's, look afterwards whether it has any.

const { EventEmitter } = require('node:events');
const { apply } = require('./primordials');
const { kState } = require('./state');

function update(socket) {
  const state = socket[kState];
  if (state === undefined || state.closed) // undefined: it is no dgram.Socket
    return;
  const wanted = socket.listenerCount('icmp') > 0;
  if (wanted !== state.watchesIcmp) {
    const code = state.handle.watchIcmp(wanted ? 1 : 0);
    state.watchesIcmp = wanted && code === 0;
  }
}

// once() and prependOnceListener() call these, and so does the removal of such a listener. Each calls
// the one that EventEmitter.prototype has at that moment: tools replace those.
const watching = { __proto__: null };
for (const name of ['on', 'addListener', 'prependListener', 'off', 'removeListener',
  'removeAllListeners']) {
  watching[name] = function(...parameters) {
    const result = apply(EventEmitter.prototype[name], this, parameters);
    if (parameters[0] === 'icmp' || parameters.length === 0)
      update(this);
    return result;
  };
  for (const property of ['length', 'name']) {
    const { [property]: value } = EventEmitter.prototype[name];
    Object.defineProperty(watching[name], property, { __proto__: null, value, configurable: true });
  }
}

module.exports = { watching };

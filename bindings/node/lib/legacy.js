'use strict';
// Members that Node.js has deprecated (DEP0112), in the versions that still have them.

const { deprecate } = require('node:util');
const since = require('./since');
const { Socket } = require('./socket');
const { BOUND } = require('./native').constants;
const { checkHealth, kState, liveHandle } = require('./state');

function isReceiving(socket) {
  const state = socket[kState];
  return !state.closed && state.handle.bindState === BOUND;
}

const members = {
  _handle: { get: liveHandle, set() {} },
  _receiving: { get: isReceiving, set() {} },
  _bindState: { get: (socket) => socket[kState].handle.bindState, set() {} },
  _queue: {
    get: (socket) => socket[kState].queue,
    set(socket, value) {
      socket[kState].queue = value;
    },
  },
  _reuseAddr: {
    get: (socket) => socket[kState].options.reuseAddr,
    set(socket, value) {
      socket[kState].options.reuseAddr = value;
    },
  },
};

function deprecated(name, act) {
  return deprecate(act, `Socket.prototype.${name} is deprecated`, 'DEP0112');
}

function defineMember(name, { get, set }) {
  Object.defineProperty(Socket.prototype, name, {
    get: deprecated(name, function() {
      return get(this);
    }),
    set: deprecated(name, function(value) {
      set(this, value);
    }),
  });
}

if (!since([25, 0])) {
  for (const [name, member] of Object.entries(members))
    defineMember(name, member);
  Socket.prototype._healthCheck = deprecated('_healthCheck()', function() {
    checkHealth(this);
  });
  Socket.prototype._stopReceiving = deprecated('_stopReceiving()', function() {});
}

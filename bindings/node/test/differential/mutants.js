'use strict';
// The built-in with one thing changed in each: what a drop-in could get wrong. harness.test.js
// checks that a scenario notices each of them.

const { AsyncResource } = require('node:async_hooks');

/** Replaces a method; the new one gets the original as its first argument. */
function replace(object, name, method) {
  const original = object[name];
  object[name] = function mutant(...values) { return method.call(this, original, ...values); };
}

/** Changes the callback of a method, which is its last argument. */
function wrapCallback(object, name, wrap) {
  replace(object, name, function (original, ...values) {
    const last = values.length - 1;
    if (typeof values[last] === 'function') values[last] = wrap.call(this, values[last]);
    return original.apply(this, values);
  });
}

/** Changes what an event carries, or when it comes. */
function onEvent(prototype, type, act) {
  replace(prototype, 'emit', function (emit, event, ...values) {
    return event === type ? act.call(this, emit, ...values) : emit.call(this, event, ...values);
  });
}

/** Changes the errors that a method throws. */
function onThrow(prototype, name, change) {
  replace(prototype, name, function (original, ...values) {
    try {
      return original.apply(this, values);
    } catch (error) {
      throw change(error);
    }
  });
}

const outside = new AsyncResource('outside');

module.exports = {
  'one more method': {
    noticedBy: 'B3 the members of the prototype, by name',
    mutate: ({ prototype }) => { prototype.flush = () => {}; },
  },
  'a socket that can be awaited': {
    noticedBy: 'B61 a socket is not thenable',
    mutate: ({ prototype }) => { prototype.then = (resolve) => resolve(); },
  },
  'one more own property': {
    noticedBy: 'B2 the members of a socket',
    mutate: (Socket, dgram) => replace(dgram, 'createSocket', (create, ...values) =>
      Object.assign(create(...values), { state: 0 })),
  },
  'bind returns nothing': {
    noticedBy: 'B18 bind(port)',
    mutate: ({ prototype }) => replace(prototype, 'bind', function (bind, ...values) { bind.apply(this, values); }),
  },
  'bind checks its port': {
    noticedBy: 'B19 a port of 16 bits is what counts',
    mutate: ({ prototype }) => replace(prototype, 'bind', function (bind, options, ...values) {
      if (options.port > 65535) throw new RangeError('Port should be >= 0 and < 65536.');
      return bind.call(this, options, ...values);
    }),
  },
  'bind leaves a listener behind': {
    noticedBy: 'B18 twenty failures',
    mutate: ({ prototype }) => replace(prototype, 'bind', function (bind, ...values) {
      this.once('listening', () => {});
      return bind.apply(this, values);
    }),
  },
  '\'listening\' comes late': {
    noticedBy: 'B20 when \'listening\' comes',
    mutate: ({ prototype }) => onEvent(prototype, 'listening', function (emit) {
      setImmediate(() => emit.call(this, 'listening'));
    }),
  },
  '\'listening\' carries something': {
    noticedBy: 'B18 bind(port, address, callback)',
    mutate: ({ prototype }) => onEvent(prototype, 'listening', function (emit) {
      return emit.call(this, 'listening', this.address());
    }),
  },
  'a lookup gets options': {
    noticedBy: 'B8 B20 what a lookup gets',
    mutate: (Socket, dgram) => replace(dgram, 'createSocket', (create, { lookup, ...options }, ...more) =>
      create({ ...options, lookup: lookup && ((name, family, done) => lookup(name, { family }, done)) }, ...more)),
  },
  'an error without errno': {
    noticedBy: 'B45 address',
    mutate: ({ prototype }) => onThrow(prototype, 'address', (error) => {
      delete error.errno;
      return error;
    }),
  },
  'an error whose members stand in another order': {
    noticedBy: 'B45 address',
    mutate: ({ prototype }) => onThrow(prototype, 'address', ({ message, errno, code, syscall }) =>
      Object.assign(new Error(message), { code, errno, syscall })),
  },
  'an error of another class': {
    noticedBy: 'B31 not connected',
    mutate: ({ prototype }) => onThrow(prototype, 'disconnect', ({ message, code }) =>
      Object.assign(new TypeError(message), { code })),
  },
  'setTTL returns nothing': {
    noticedBy: 'B46 setTTL with every kind of value',
    mutate: ({ prototype }) => replace(prototype, 'setTTL', function (setTTL, ...values) { setTTL.apply(this, values); }),
  },
  'connect takes null for an address': {
    noticedBy: 'B28 bad addresses',
    mutate: ({ prototype }) => replace(prototype, 'connect', function (connect, port, address, done) {
      return connect.call(this, port, address ?? undefined, done);
    }),
  },
  'a callback is called at once': {
    noticedBy: 'B38 the callback: arguments, `this`, never at once',
    mutate: ({ prototype }) => replace(prototype, 'send', function (send, ...values) {
      const done = typeof values.at(-1) === 'function' ? values.pop() : () => {};
      send.apply(this, values);
      done(null, 5);
    }),
  },
  'a callback comes one tick late': {
    noticedBy: 'B38 connected sends between ticks, microtasks and immediates',
    mutate: ({ prototype }) => wrapCallback(prototype, 'send', (done) => (...values) => {
      process.nextTick(done, ...values);
    }),
  },
  'a callback has the socket for `this`': {
    noticedBy: 'B33 send(msg, port, callback)',
    mutate: ({ prototype }) => wrapCallback(prototype, 'send', function (done) { return done.bind(this); }),
  },
  'a callback loses its context': {
    noticedBy: 'B44 each event in its context',
    mutate: ({ prototype }) => wrapCallback(prototype, 'send', (done) => (...values) =>
      outside.runInAsyncScope(done, undefined, ...values)),
  },
  'a failed send without a callback is an \'error\'': {
    noticedBy: 'B39 EMSGSIZE without a callback',
    mutate: ({ prototype }) => replace(prototype, 'send', function (send, ...values) {
      if (typeof values.at(-1) === 'function') return send.apply(this, values);
      return send.call(this, ...values, (error) => error && this.emit('error', error));
    }),
  },
  'a message is no Buffer': {
    noticedBy: 'B42 the message and its rinfo',
    mutate: ({ prototype }) => onEvent(prototype, 'message', function (emit, msg, rinfo) {
      return emit.call(this, 'message', new Uint8Array(msg), rinfo);
    }),
  },
  'a rinfo in another order': {
    noticedBy: 'B42 the message and its rinfo',
    mutate: ({ prototype }) => onEvent(prototype, 'message', function (emit, msg, { size, ...rinfo }) {
      return emit.call(this, 'message', msg, { size, ...rinfo });
    }),
  },
  'messages of a batch come together': {
    noticedBy: 'B42 messages come in order, and clocks tick between them',
    mutate: ({ prototype }) => {
      const batch = [];
      onEvent(prototype, 'message', function (emit, ...values) {
        if (batch.push(values) > 1) return true;
        setImmediate(() => batch.splice(0).forEach((one) => emit.call(this, 'message', ...one)));
        return true;
      });
    },
  },
  'a message after close': {
    noticedBy: 'B42 close in the middle of a batch',
    mutate: ({ prototype }) => onEvent(prototype, 'close', function (emit) {
      this.emit('message', Buffer.from('too late'), {});
      return emit.call(this, 'close');
    }),
  },
  'the callback of close is called once': {
    noticedBy: 'B14 the callback is a listener that stays',
    mutate: ({ prototype }) => replace(prototype, 'close', function (close, done) {
      if (typeof done === 'function') this.once('close', done);
      return close.call(this);
    }),
  },
  '\'close\' comes late': {
    noticedBy: 'B14 close of a bound socket',
    mutate: ({ prototype }) => onEvent(prototype, 'close', function (emit) {
      setImmediate(() => emit.call(this, 'close'));
    }),
  },
  'unref does nothing, and its process goes on': {
    noticedBy: 'B17 unref, then ref keeps the process',
    mutate: ({ prototype }) => { prototype.ref = prototype.unref; },
  },
  'a list is not copied': {
    noticedBy: 'B35 a list that is changed after send',
    mutate: ({ prototype }) => replace(prototype, 'send', function (send, list, ...values) {
      process.nextTick(() => send.call(this, list, ...values));
    }),
  },
  'a method ends the process': {
    noticedBy: 'B46 more arguments than a setter has',
    mutate: ({ prototype }) => { prototype.setBroadcast = () => process.exit(7); },
  },
};

'use strict';
// libdgram/promises: sockets whose bind(), connect(), send(), sendWith(), sendMany(), reply() and
// close() return promises. With a function as their last argument they are those of libdgram.

const dgram = require('./index');
const { acceptPeer } = require('./lib/accept-peer');
const { checkSignal } = require('./lib/cancel');
const { BOUND } = require('./lib/native').constants;
const { send } = require('./lib/send');
const { kState } = require('./lib/state');

const kPending = Symbol('pending'); // functions that reject the promises that are not settled
const kBinding = Symbol('binding'); // whether the first bind is being watched

// ---- promises that always settle ----

// What the socket's close or a failed bind drops: the callbacks of node:dgram are then never
// called.
function rejectAll(socket, error) {
  for (const reject of [...socket[kPending]]) reject(error);
}

function canceled() {
  const error = new Error('The socket was closed before this has ended');
  error.code = 'ECANCELED';
  return error;
}

// Until the socket is bound an 'error' is the failure of the bind: it rejects what waits for it.
function watchBinding(socket) {
  if (socket[kBinding] || socket[kState].closed || socket[kState].handle.bindState === BOUND)
    return;
  socket[kBinding] = true;
  const end = () => {
    socket[kBinding] = false;
    socket.off('listening', end);
    socket.off('error', fail);
    socket.off('close', end);
  };
  const fail = (error) => {
    end();
    rejectAll(socket, error);
  };
  socket.on('listening', end);
  socket.on('error', fail);
  socket.on('close', end);
}

// `start` is called with the callback.
function promised(socket, start) {
  return new Promise((resolve, reject) => {
    const pending = socket[kPending];
    const fail = (error) => {
      pending.delete(fail);
      reject(error);
    };
    const callback = (error, value) => {
      if (error) {
        fail(value === undefined ? error : Object.assign(error, { sent: value }));
      } else {
        pending.delete(fail);
        resolve(value);
      }
    };
    pending.add(fail);
    try {
      watchBinding(socket);
      start(callback);
    } catch (error) {
      fail(error);
    }
  });
}

function hasCallback(values) {
  return typeof values[values.length - 1] === 'function';
}

// send(): the last argument is { signal }. Its other arguments are no objects, but for the payload.
function hasSignal(values) {
  const last = values[values.length - 1];
  return values.length > 1 && last !== null && typeof last === 'object' && 'signal' in last;
}

// ---- the sockets ----

class Socket extends dgram.Socket {
  [kPending] = new Set();
  [kBinding] = false;

  constructor(...values) {
    super(...values);
    this.on('close', () => rejectAll(this, canceled()));
  }

  bind(...values) {
    // The second is how a send or a connect binds an unbound socket.
    if (hasCallback(values) || values[1] === null)
      return super.bind(...values);
    return promised(this, (callback) =>
      super.bind(...values, () => callback(null, this.address())));
  }

  connect(port, ...values) {
    if (hasCallback(values))
      return super.connect(port, ...values);
    return promised(this, (callback) => super.connect(port, values[0], callback));
  }

  send(...values) {
    if (hasCallback(values))
      return super.send(...values);
    if (!hasSignal(values))
      return promised(this, (callback) => super.send(...values, callback));
    const { signal } = values.pop();
    return promised(this, (callback) => {
      checkSignal(signal, 'options.signal');
      const given = Object.assign(new Array(6).fill(undefined), [...values, callback]);
      send(this, ...given, signal);
    });
  }

  reply(rinfo, msg, options, callback) {
    if (callback !== undefined || typeof options === 'function')
      return super.reply(rinfo, msg, options, callback);
    return promised(this, (done) => super.reply(rinfo, msg, options, done));
  }

  sendWith(msg, options, callback) {
    if (callback !== undefined)
      return super.sendWith(msg, options, callback);
    return promised(this, (done) => super.sendWith(msg, options, done));
  }

  sendMany(list, callback) {
    if (callback !== undefined)
      return super.sendMany(list, callback);
    return promised(this, (done) => super.sendMany(list, done));
  }

  acceptPeer(rinfo, options) {
    return acceptPeer(this, rinfo, options, Socket);
  }

  close(callback) {
    if (typeof callback === 'function')
      return super.close(callback);
    return new Promise((resolve, reject) => {
      try {
        super.close(resolve);
      } catch (error) {
        this.off('close', resolve); // which close() has added before it threw
        reject(error);
      }
    });
  }
}

function createSocket(options, listener) {
  return new Socket(options, listener);
}

module.exports = { Socket, createSocket };

'use strict';
// Sends that an AbortSignal cancels. A socket has one listener on each signal, for all its sends.
//
// What has not left ends with an AbortError at once, wherever it waits: for 'listening', for its
// look-up, or in the library for the system. The rest of the request then ends silently. What has
// left, or has failed, ends as it would.

const { AsyncResource } = require('node:async_hooks');
const errors = require('./errors');

// As of Node.js, whose class is private.
class AbortError extends Error {
  constructor(cause) {
    super('The operation was aborted', { cause });
    this.code = 'ABORT_ERR';
    this.name = 'AbortError';
  }
}

function checkSignal(signal, name) {
  if (signal === null || typeof signal !== 'object' || !('aborted' in signal))
    throw errors.invalidType(name, 'an instance of AbortSignal', signal);
}

function report(callback, cause) {
  if (callback !== undefined)
    process.nextTick(callback, new AbortError(cause));
}

// ---- the end of a request ----

function unwatch(request) {
  const { signal, state: { signals } } = request;
  const { requests, onAbort } = signals.get(signal);
  request.signal = null;
  requests.delete(request);
  if (requests.size > 0)
    return;
  signals.delete(signal);
  signal.removeEventListener('abort', onAbort);
}

// Those that fit have ended, without their callbacks: the socket is closed, or was not bound.
function unwatchAll({ signals }, fits = () => true) {
  for (const { requests } of [...signals.values()]) {
    for (const request of [...requests].filter(fits)) unwatch(request);
  }
}

function unwatchWaiting(state) {
  unwatchAll(state, ({ waits }) => waits);
}

// ---- cancel ----

let cancelledInAll = 0; // of all sockets: what the library did not have

function cancelledOfAll() {
  return cancelledInAll;
}

// Whether nothing of it leaves. `giveRoom` ends a request that the library does not have.
function stop(request, giveRoom) {
  const { state } = request;
  if (request.sequence >= 0)
    return state.handle.cancelSend(request.sequence) === 0;
  state.cancelled++;
  cancelledInAll++;
  request.leave?.();
  if (!request.waits)
    giveRoom(request);
  return true;
}

function cancel(request, cause, giveRoom) {
  unwatch(request);
  if (!stop(request, giveRoom))
    return;
  const { callback, resource } = request;
  request.canceled = true;
  request.callback = undefined;
  resource.runInAsyncScope(report, null, callback, cause);
}

// ---- a request is made ----

function watch(request, signal, giveRoom) {
  const { state: { signals } } = request;
  let watched = signals.get(signal);
  if (watched === undefined) {
    const requests = new Set();
    const onAbort = () => {
      for (const each of [...requests]) cancel(each, signal.reason, giveRoom);
    };
    signal.addEventListener('abort', onAbort);
    signals.set(signal, watched = { requests, onAbort });
  }
  watched.requests.add(request);
  request.signal = signal;
  request.resource = new AsyncResource('UDPSENDWRAP');
}

module.exports = { cancelledOfAll, checkSignal, report, unwatch, unwatchAll, unwatchWaiting, watch };

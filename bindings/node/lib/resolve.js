'use strict';
// Resolves names, by the program's look-up or dns.lookup().

const dns = require('node:dns');
const { isIP } = require('node:net');
const since = require('./since');
const { withinTime } = require('./flow');

const original = dns.lookup;

// Whether dns.lookup() was Node's own when this was loaded: only then is it known what it does.
const isOriginal = /GetAddrInfoReqWrap/.test(Function.prototype.toString.call(original));

// From these versions on, the default look-up does not pass literal addresses to dns.lookup().
const skipsLiterals = since([24, 19], [26, 5]);

const families = { udp4: 4, udp6: 6 };
const loopbacks = { udp4: '127.0.0.1', udp6: '::1' };
const wildcards = { udp4: '0.0.0.0', udp6: '::' };

function lookupLater(hostname, family, callback) {
  if (isIP(hostname) === family)
    process.nextTick(callback, null, hostname, family);
  else
    dns.lookup(hostname, family, callback);
}

// For a socket without a look-up of its own: dns.lookup() as it is when the socket is made.
function defaultLookup() {
  return skipsLiterals ? lookupLater : dns.lookup;
}

// Whether a look-up of a literal address only calls back with it, in the next tick.
function isTransparent(lookup) {
  return (lookup === original && isOriginal) || lookup === lookupLater;
}

function resolve(socket, state, address, callback) {
  const { lookup, options: { lookupTimeout } } = state; // without a `this`
  const hostname = address || loopbacks[socket.type];
  const begin = (answer) => lookup(hostname, families[socket.type], answer);
  if (lookupTimeout > 0)
    withinTime(hostname, lookupTimeout, callback, begin);
  else
    begin(callback);
}

const nothing = () => {};

// Of a send or connect, by the cache of names, if there is one. Returns a function that gives up
// waiting for the answer.
function resolvePeer(socket, state, address, callback) {
  const { lookup, nameCache, options: { lookupTimeout } } = state;
  if (nameCache === null) {
    resolve(socket, state, address, callback);
    return nothing;
  }
  const hostname = address || loopbacks[socket.type];
  const family = families[socket.type];
  const known = nameCache.get(hostname, family);
  if (known !== undefined) {
    process.nextTick(callback, null, known, family);
    return nothing;
  }
  const begin = (answer) => nameCache.ask(lookup, hostname, family, answer);
  if (!(lookupTimeout > 0))
    return begin(callback);
  const leave = withinTime(hostname, lookupTimeout, (...answer) => {
    leave();
    callback(...answer);
  }, begin);
  return leave;
}

module.exports = { defaultLookup, isTransparent, loopbacks, resolve, resolvePeer, wildcards };

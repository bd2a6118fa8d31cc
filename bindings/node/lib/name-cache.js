'use strict';
// The addresses that look-ups of sends and connects have found, by name and family, for a time. In
// order: a name is known, or joins the query under way, or begins one; an answer is kept, and is
// given to all who wait for it.
//
// As with dgram_set_name_cache() in C: failures are not kept, the least recently used name makes
// room, and a name that is known takes the way of an address.

const { AsyncResource } = require('node:async_hooks');
const { isIP } = require('node:net');
const { performance } = require('node:perf_hooks');
const { checkInteger, checkObject } = require('./arguments');

// ---- names ----

function keyOf(hostname, family) {
  return `${family} ${hostname}`;
}

class NameCache {
  #known = new Map(); // key to { ip, expires }, the least recently used one first
  #queries = new Map(); // key to the waiters, a Set; a query that is in here has some

  constructor({ maxEntries, ttl }, clock) {
    this.maxEntries = maxEntries;
    this.ttl = ttl;
    this.clock = clock; // in milliseconds
  }

  // The address, or undefined.
  get(hostname, family) {
    const key = keyOf(hostname, family);
    const entry = this.#known.get(key);
    if (entry === undefined)
      return undefined;
    this.#known.delete(key);
    if (entry.expires <= this.clock())
      return undefined;
    this.#known.set(key, entry);
    return entry.ip;
  }

  // Look-ups under way still end for those who wait for them; their answers are not kept.
  clear() {
    this.#known.clear();
    this.#queries.clear();
  }

  // Calls back in a tick, in the context of this call. Returns a function that gives up waiting.
  ask(lookup, hostname, family, callback) {
    const key = keyOf(hostname, family);
    const resource = new AsyncResource('UDPLOOKUP');
    const waiter = (...answer) =>
      process.nextTick((values) => resource.runInAsyncScope(callback, null, ...values), answer);
    let waiters = this.#queries.get(key);
    if (waiters !== undefined) {
      waiters.add(waiter);
    } else {
      waiters = new Set([waiter]);
      this.#queries.set(key, waiters);
      this.#begin(lookup, hostname, family, waiters);
    }
    return () => this.#leave(key, waiters, waiter);
  }

  // What throws ends the call that has begun it, and fails for the others.
  #begin(lookup, hostname, family, waiters) {
    const [first] = waiters;
    try {
      lookup(hostname, family, (...answer) => this.#answered(hostname, family, waiters, answer));
    } catch (error) {
      waiters.delete(first);
      this.#answered(hostname, family, waiters, [error]);
      throw error;
    }
  }

  #answered(hostname, family, waiters, answer) {
    const key = keyOf(hostname, family);
    const [error, ip] = answer;
    if (this.#queries.get(key) === waiters) {
      this.#queries.delete(key);
      if (!error && typeof ip === 'string' && isIP(ip) !== 0)
        this.#keep(key, ip);
    }
    for (const waiter of waiters) waiter(...answer);
    waiters.clear(); // a look-up calls back once
  }

  #keep(key, ip) {
    if (this.#known.size >= this.maxEntries)
      this.#known.delete(this.#known.keys().next().value);
    this.#known.set(key, { ip, expires: this.clock() + this.ttl });
  }

  // A query that nobody waits for is forgotten, so that one that is never answered holds up nobody.
  #leave(key, waiters, waiter) {
    waiters.delete(waiter);
    if (waiters.size === 0 && this.#queries.get(key) === waiters)
      this.#queries.delete(key);
  }
}

// ---- the option `nameCache` ----

// Returns what it says, with the object itself; null without one.
function readNameCache(given, name) {
  if (given === undefined)
    return null;
  checkObject(given, name);
  const { maxEntries, ttl } = given;
  return {
    given,
    maxEntries: checkInteger(maxEntries, `${name}.maxEntries`, 1, Number.MAX_SAFE_INTEGER),
    ttl: checkInteger(ttl, `${name}.ttl`, 1, 0x7fffffff),
  };
}

const caches = new WeakMap(); // by the object given, the look-up and the clock

function valueOf(map, key, make) {
  if (!map.has(key))
    map.set(key, make());
  return map.get(key);
}

const realTime = () => performance.now();

// Sockets that were given the same object have the same cache, if they look up alike.
function nameCacheOf(settings, lookup, clock = realTime) {
  const byLookup = valueOf(caches, settings.given, () => new WeakMap());
  const byClock = valueOf(byLookup, lookup, () => new WeakMap());
  return valueOf(byClock, clock, () => new NameCache(settings, clock));
}

module.exports = { nameCacheOf, readNameCache };

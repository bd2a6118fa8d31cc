'use strict';
// A network in memory: hosts and links, and the virtual time. The network is the library's; here are
// its classes, its time as promises, and timers in that time.

const { isIP } = require('node:net');
const native = require('./native');
const errors = require('./errors');
const { checkResult } = errors;
const { checkCallback, checkNumber, checkObject, checkString } = require('./arguments');

const { EBUSY, ENOMEM } = native.constants;
const { setImmediate } = globalThis; // mock timers may replace it later
const turn = () => new Promise((resolve) => setImmediate(resolve));

const NS_PER_MS = 1e6;
const kinds = ['sent', 'delivered', 'duplicated', 'icmp', 'lost', 'queueFull', 'linkDown',
  'hostDown', 'noRoute', 'tooLarge', 'ttlExceeded', 'noPort', 'filtered', 'bufferFull', 'noMemory'];
const natTypes = ['full-cone', 'restricted', 'port-restricted', 'symmetric'];

const toNs = (ms) => Math.round(ms * NS_PER_MS);

// As the error of dns.lookup().
function notFound(hostname) {
  const error = new Error(`getaddrinfo ENOTFOUND ${hostname}`);
  return Object.assign(error, { errno: -3008, code: 'ENOTFOUND', syscall: 'getaddrinfo', hostname });
}

// A number of at least 0, as given or else by default.
function readNumber(options, name, otherwise) {
  const value = options[name];
  if (value === undefined)
    return otherwise;
  checkNumber(value, `options.${name}`);
  if (!(value >= 0))
    throw errors.outOfRange(`options.${name}`, '>= 0', value);
  return value;
}

function readLinkOptions(options = {}) {
  checkObject(options, 'options');
  return Float64Array.of(
    toNs(readNumber(options, 'delay', 1)), toNs(readNumber(options, 'jitter', 0)),
    readNumber(options, 'loss', 0), readNumber(options, 'duplicate', 0),
    readNumber(options, 'reorder', 0), toNs(readNumber(options, 'reorderDelay', 0)),
    readNumber(options, 'rate', 0), readNumber(options, 'queueBytes', 0),
    readNumber(options, 'mtu', 1500));
}

// Frees a network that nobody refers to any more, once its last sockets have ended.
const registry = new FinalizationRegistry(function free(id) {
  if (native.simFree(id) === EBUSY)
    setImmediate(free, id);
});

class Link {
  #network;
  #index;
  #ends;

  constructor(network, index, ends) {
    this.#network = network;
    this.#index = index;
    this.#ends = ends;
  }

  // Its index, for the network alone.
  static indexOf(link) { return link.#index; }

  // Changes what it does to what is sent from now on, by one end or by both.
  set(options, from) {
    const end = from === undefined ? -1 : Host.indexOf(from, this.#network);
    const numbers = readLinkOptions(options);
    checkResult(native.simLinkSet(this.#network.id, this.#index, end, numbers), 'link');
    return this;
  }

  up() { return this.#setUp(1); }

  down() { return this.#setUp(0); }

  #setUp(up) {
    checkResult(native.simLinkUp(this.#network.id, this.#index, up), 'link');
    return this;
  }

  get ends() { return [...this.#ends]; }
}

class Host {
  #network;
  #index;
  #name;
  #addresses = [];
  #clock = () => native.simNow(this.#network.id) / NS_PER_MS;

  constructor(network, index, name) {
    this.#network = network;
    this.#index = index;
    this.#name = name;
  }

  static is(value) {
    return value !== null && typeof value === 'object' && #index in value;
  }

  static indexOf(host, network) {
    if (!Host.is(host) || (network !== undefined && host.#network !== network))
      throw errors.invalidType('host', 'a Host of the network', host);
    return host.#index;
  }

  // The next Handle is on this host.
  static use(host) { checkResult(native.simUse(host.#network.id, host.#index), 'host'); }

  // The look-up of its sockets: the names of the network's hosts.
  static lookup(host) {
    return (hostname, family, callback) => {
      const address = host.#network.resolve(hostname, family);
      if (address !== undefined)
        process.nextTick(callback, null, address, family);
      else
        process.nextTick(callback, notFound(hostname));
    };
  }

  // The time of its network, if there is one.
  static clock(host) { return host?.#clock; }

  get name() { return this.#name; }
  get addresses() { return [...this.#addresses]; }

  addAddress(address) {
    checkString(address, 'address');
    checkResult(native.simAddAddress(this.#network.id, this.#index, address), 'address');
    this.#addresses.push(address.replace(/\/.*/, ''));
    return this;
  }

  up() { return this.#setUp(1); }

  down() { return this.#setUp(0); }

  #setUp(up) {
    checkResult(native.simHostUp(this.#network.id, this.#index, up), 'host');
    return this;
  }

  // Makes it a NAT, by whose link `outside` the hosts at its other links reach the rest.
  nat(outside, address, options = {}) {
    if (!(outside instanceof Link))
      throw errors.invalidType('outside', 'a Link', outside);
    checkString(address, 'address');
    checkObject(options, 'options');
    const { type = 'port-restricted', hairpin = true, randomPorts = false } = options;
    const numbers = Float64Array.of(natTypes.indexOf(type),
      toNs(readNumber(options, 'timeout', 120e3)), hairpin ? 1 : 0, randomPorts ? 1 : 0);
    if (numbers[0] < 0)
      throw errors.invalidValue('options.type', type, `must be one of: ${natTypes.join(', ')}`);
    const link = Link.indexOf(outside);
    checkResult(native.simNat(this.#network.id, this.#index, link, address, numbers), 'nat');
    return this;
  }
}

// What the classes share of a network: it keeps the network alive.
class Core {
  id;
  hosts = new Map();

  constructor(seed) {
    this.id = native.simCreate(BigInt.asUintN(64, BigInt(seed)));
    if (this.id < 0)
      throw errors.systemError(this.id === undefined ? ENOMEM : this.id, 'network');
    registry.register(this, this.id);
  }

  // The address of a name, or of a literal address; undefined: there is none.
  resolve(hostname, family) {
    if (isIP(hostname) === family)
      return hostname;
    if (hostname === 'localhost')
      return family === 6 ? '::1' : '127.0.0.1';
    return this.hosts.get(hostname)?.addresses.find((address) => isIP(address) === family);
  }
}

class Network {
  #core;
  #timers = []; // { ns, callback, args }, by time and then by start
  #running = false;
  #tick;
  #ticked = 0; // whole ms that `tick` has been called with

  constructor(options = {}) {
    checkObject(options, 'options');
    const { seed = 0, tick } = options;
    if (typeof seed !== 'bigint' && !Number.isInteger(seed))
      throw errors.invalidType('options.seed', 'an integer', seed);
    checkCallback(tick, 'options.tick');
    this.#core = new Core(seed);
    this.#tick = tick;
  }

  // ---- hosts and links ----

  #add(name, isSwitch) {
    checkString(name, 'name');
    const index = checkResult(native.simHost(this.#core.id, name, isSwitch), 'host');
    const host = new Host(this.#core, index, name);
    this.#core.hosts.set(name, host);
    return host;
  }

  host(name, ...addresses) {
    const host = this.#add(name, 0);
    for (const address of addresses)
      host.addAddress(address);
    return host;
  }

  switch(name) { return this.#add(name, 1); }

  link(a, b, options) {
    const ends = [Host.indexOf(a, this.#core), Host.indexOf(b, this.#core)];
    const index = native.simLink(this.#core.id, ...ends, readLinkOptions(options));
    return new Link(this.#core, checkResult(index, 'link'), [a, b]);
  }

  partition(hosts) {
    const indices = Float64Array.from(hosts, (host) => Host.indexOf(host, this.#core));
    checkResult(native.simPartition(this.#core.id, indices), 'partition');
  }

  heal() { this.partition([]); }

  // ---- time ----

  // Inside, times are whole ns: a fraction would never come.
  get #ns() { return native.simNow(this.#core.id); }

  get now() { return this.#ns / NS_PER_MS; }

  setTimeout(callback, ms = 0, ...args) {
    if (typeof callback !== 'function')
      throw errors.invalidType('callback', 'of type function', callback);
    const ns = this.#ns + Math.max(toNs(ms) || 0, 0);
    const timer = { at: ns / NS_PER_MS, ns, callback, args };
    let index = this.#timers.length;
    while (index > 0 && this.#timers[index - 1].ns > ns)
      index--;
    this.#timers.splice(index, 0, timer);
    return timer;
  }

  clearTimeout(timer) {
    const index = this.#timers.indexOf(timer);
    if (index >= 0)
      this.#timers.splice(index, 1);
  }

  // Runs the timers that are due.
  async #fire() {
    while (this.#timers.length > 0 && this.#timers[0].ns <= this.#ns) {
      const { callback, args } = this.#timers.shift();
      callback(...args);
      await turn();
    }
  }

  #next() {
    const next = native.simNext(this.#core.id);
    return Math.min(next, this.#timers.length > 0 ? this.#timers[0].ns : Infinity);
  }

  // Moves the time, but not past what happens then. With `tick` by a ms at a time at most: nobody
  // knows when its timers are due.
  async #move(to) {
    let until = to;
    if (this.#tick !== undefined)
      until = Math.min(until, toNs(this.#ticked + 1));
    native.simStep(this.#core.id, until);
    await turn();
    while (this.#tick !== undefined && this.#ticked + 1 <= this.now) {
      this.#ticked++;
      this.#tick(1);
      await turn();
    }
    await this.#fire();
  }

  // Until the time has come, or with Infinity until nothing is left to happen.
  async #runUntil(until) {
    if (this.#running)
      throw errors.systemError(EBUSY, 'run');
    this.#running = true;
    try {
      await turn();
      await this.#fire();
      for (;;) {
        const next = this.#next();
        const isOver = until === Infinity ? next === Infinity : next > until && this.#ns >= until;
        if (isOver)
          return;
        await this.#move(Math.min(next, until));
      }
    } finally {
      this.#running = false;
    }
  }

  run(ms) {
    if (ms === undefined)
      return this.#runUntil(Infinity);
    if (typeof ms !== 'number')
      return Promise.reject(errors.invalidType('ms', 'of type number', ms));
    if (!(ms >= 0 && ms < Infinity))
      return Promise.reject(errors.outOfRange('ms', '>= 0 and finite', ms));
    return this.#runUntil(this.#ns + toNs(ms));
  }

  // ---- what has happened ----

  random() { return native.simRandom(this.#core.id); }

  get hash() {
    return (BigInt(native.simHash(this.#core.id, 1)) << 32n) |
      BigInt(native.simHash(this.#core.id, 0));
  }

  get counts() {
    return Object.fromEntries(kinds.map((name, i) => [name, native.simCount(this.#core.id, i)]));
  }
}

module.exports = { Host, Link, Network };

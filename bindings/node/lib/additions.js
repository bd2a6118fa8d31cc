'use strict';
// Methods of dgram.Socket that the built-in does not have. They are not enumerable: for...in over a
// socket finds what it finds there. (bindSync() and connectSync() are the built-in's of newer
// versions.)

const { accessCounts } = require('./access-list');
const { Socket } = require('./socket');
const { isPaused, setLookupTimeout, setPaused, setSendQueueLimit, setSendTimeout } =
  require('./flow');
const { iterate } = require('./iterate');
const { reply } = require('./receive-info');
const { acceptPeer } = require('./accept-peer');
const { addMembershipAll, dropMembershipAll } = require('./membership-all');
const { sendMany } = require('./send-many');
const { sendWith, trySend } = require('./send-with');
const { getMTU, getSockopt, setSockopt } = require('./sockopts');
const { watching } = require('./icmp');
const { checkHealth } = require('./state');
const { readStats, readStatsText } = require('./stats');

const methods = {
  __proto__: null,

  accessCounts() {
    return accessCounts(checkHealth(this).handle);
  },

  stats() {
    return readStats(this, 0);
  },

  loopStats() {
    return readStats(this, 1);
  },

  statsText() {
    return readStatsText(this, 0);
  },

  loopStatsText() {
    return readStatsText(this, 1);
  },

  clearNameCache() {
    checkHealth(this).nameCache?.clear();
  },

  pause() {
    setPaused(this, true);
    return this;
  },

  resume() {
    setPaused(this, false);
    return this;
  },

  isPaused() {
    return isPaused(this);
  },

  setSendQueueLimit(limit) {
    setSendQueueLimit(this, limit);
  },

  setSendTimeout(ms) {
    setSendTimeout(this, ms);
  },

  setLookupTimeout(ms) {
    setLookupTimeout(this, ms);
  },

  reply(rinfo, msg, options, callback) {
    reply(this, rinfo, msg, options, callback);
  },

  acceptPeer(rinfo, options) {
    return acceptPeer(this, rinfo, options);
  },

  addMembershipAll(multicastAddress) {
    addMembershipAll(this, multicastAddress);
  },

  dropMembershipAll(multicastAddress) {
    dropMembershipAll(this, multicastAddress);
  },

  sendMany(list, callback) {
    sendMany(this, list, callback);
  },

  sendWith(msg, options, callback) {
    sendWith(this, msg, options, callback);
  },

  trySend(msg, options) {
    return trySend(this, msg, options);
  },

  setSockopt(name, value) {
    setSockopt(this, name, value);
  },

  getSockopt(name) {
    return getSockopt(this, name);
  },

  getMTU(address) {
    return getMTU(this, address);
  },

  [Symbol.asyncIterator]() {
    return iterate(this);
  },
};

for (const name of Reflect.ownKeys(methods)) {
  Object.defineProperty(Socket.prototype, name,
    { __proto__: null, value: methods[name], writable: true, enumerable: false, configurable: true });
}

// EventEmitter's own, which see whether 'icmp' has listeners: enumerable, as those are.
for (const [name, value] of Object.entries(watching)) {
  Object.defineProperty(Socket.prototype, name,
    { __proto__: null, value, writable: true, enumerable: true, configurable: true });
}

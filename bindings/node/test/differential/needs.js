'use strict';
// What a scenario may need: each function gives a reason to skip it, or undefined.

const os = require('node:os');

const addresses = Object.values(os.networkInterfaces()).flat().map(({ address }) => address);

const ipv6 = () => (addresses.includes('::1') ? undefined : 'this host has no ::1');

const linux = () => (process.platform === 'linux' ? undefined : 'it looks into /proc');

/** A method that the built-in has got in a later version. */
const method = (name) => ({ Socket }) =>
  (name in Socket.prototype ? undefined : `the built-in has no ${String(name)}() here`);

/** An export, or a member of the prototype, that the built-in has lost in a later version. */
const legacy = (name) => ({ Socket, ...others }) =>
  (name in Socket.prototype || name in others ? undefined : `the built-in has no ${name} any more`);

/** An option that the built-in has got in a later version: it reads it. */
const option = (name) => ({ createSocket }) => {
  const read = new Set();
  createSocket(new Proxy({ type: 'udp4' }, {
    get: (target, key) => read.add(key) && target[key],
  }));
  return read.has(name) ? undefined : `the built-in does not know the option ${name} here`;
};

/** A member of something else that JavaScript or Node has got in a later version. */
const feature = (name, present) => () => (present ? undefined : `this Node has no ${name}`);

/** All of several needs. */
const all = (...needs) => (dgram) => needs.map((need) => need(dgram)).find(Boolean);

module.exports = { ipv6, linux, method, legacy, option, feature, all };

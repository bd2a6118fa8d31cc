'use strict';
// Puts this package in place of node:dgram, before a package under test is loaded, and records
// which sockets are made. DGRAM_MODULE=node:dgram leaves the built-in: a failure there is one of
// the package under test.

const assert = require('node:assert');
const diagnostics = require('node:diagnostics_channel');
const { once } = require('node:events');
const builtIn = { ...require('node:dgram') };

const usesBuiltIn = /^(node:)?dgram$/.test(process.env.DGRAM_MODULE);
if (!usesBuiltIn) require('../../register.js');

const made = [];
diagnostics.subscribe('udp.socket', ({ socket }) => made.push(socket));

// A conversation that lost a message may wait for it for ever.
const patience = 120;  // seconds
setTimeout(() => {
  console.error(`not done after ${patience} seconds`);
  process.exit(1);
}, patience * 1000).unref();

// The sockets made since the last call: at least `atLeast`, and all of them of the module under
// test.
function assertSockets(atLeast) {
  const sockets = made.splice(0);
  // Not instanceof: it holds for ours, too.
  const isBuiltIn = (socket) => Object.prototype.isPrototypeOf.call(builtIn.Socket.prototype, socket);
  const strays = sockets.filter((socket) => isBuiltIn(socket) !== usesBuiltIn);
  assert.strictEqual(strays.length, 0, `${strays.length} of ${sockets.length} are others`);
  assert.ok(sockets.length >= atLeast, `${sockets.length} sockets, not ${atLeast}`);
}

// A port of the loopback address that is free, for those who don't take 0. It is the built-in that
// looks for it, always.
async function freePort() {
  const socket = builtIn.createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  await once(socket.close(), 'close');
  made.splice(made.indexOf(socket), 1);
  return port;
}

module.exports = { assertSockets, freePort };

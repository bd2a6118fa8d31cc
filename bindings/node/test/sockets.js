'use strict';
// The sockets of a test: closed when it ends, whether it has closed them itself or not.

const { once } = require('node:events');
const os = require('node:os');
const { dgram } = require('./subject');

const interfaces = Object.values(os.networkInterfaces()).flat();
const hasIPv6 = interfaces.some(({ family }) => family === 'IPv6');
const withIPv6 = { skip: !hasIPv6 && 'this system has no IPv6' };

function closeLeft(socket) {
  try {
    socket.close();
  } catch (error) {
    if (error.code !== 'ERR_SOCKET_DGRAM_NOT_RUNNING') throw error;
  }
}

function create(t, options = {}) {
  const socket = dgram.createSocket({ type: 'udp4', ...options });
  t.after(() => closeLeft(socket));
  return socket;
}

// A bound socket, by default on the loopback interface.
async function open(t, options = {}, address = '127.0.0.1', port = 0) {
  const socket = create(t, options).bind(port, address);
  await once(socket, 'listening');
  return socket;
}

// What the callback of this send gets.
function sent(socket, ...message) {
  return new Promise((resolve) => socket.send(...message, (...result) => resolve(result)));
}

// Everything that is due now has happened: ticks, microtasks, and one turn of the loop.
async function turn() {
  for (let i = 0; i < 2; i++) await new Promise(setImmediate);
}

module.exports = { create, open, sent, turn, withIPv6 };

'use strict';
// A worker of a cluster: serves the requests of the primary (cluster-fixture.js), with the module
// that its first argument names.

const { once } = require('node:events');
const { Worker } = require('node:worker_threads');

const modulePath = process.argv[2];
const dgram = require(modulePath);
const address = '127.0.0.1';
const sockets = [];

// Replies with the id of this process and the message.
function answer(msg, from) {
  this.send(`${process.pid} ${msg}`, from.port, from.address);
}

const tasks = {
  // Binds a new socket; resolves with its port, or the error's code.
  bind: (where, options) => new Promise((resolve) => {
    const socket = dgram.createSocket({ type: 'udp4', ...options }).on('message', answer);
    sockets.push(socket);
    socket.once('error', ({ code }) => resolve(code));
    socket.bind({ port: 0, address, ...where }, () => resolve(socket.address().port));
  }),

  // The same for a socket of a thread.
  bindInThread: async (port) => {
    const thread = new Worker(`
      const { parentPort, workerData: { modulePath, ...where } } = require('node:worker_threads');
      const socket = require(modulePath).createSocket('udp4');
      socket.once('error', ({ code }) => parentPort.postMessage(code));
      socket.bind(where, () => {
        parentPort.postMessage(socket.address().port);
        socket.close();
      });
    `, { eval: true, workerData: { modulePath, port, address } });
    return (await once(thread, 'message'))[0];
  },

  join: (group) => {
    try {
      sockets[0].addMembership(group, address);
      return 'joined';
    } catch (error) {
      return `${error.syscall} ${error.code}`;
    }
  },

  // Reports each 'close'; the last one comes just before the worker disconnects.
  watch: () => {
    for (const socket of sockets) socket.once('close', () => process.send('close'));
    return 'watching';
  },

  close: () => Promise.all(sockets.splice(0).map((socket) => {
    const closed = once(socket, 'close');
    socket.close();
    return closed;
  })).then(() => 'closed'),
};

process.on('message', async ([task, ...what]) => process.send(await tasks[task](...what)));

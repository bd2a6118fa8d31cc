'use strict';
/*
 * The peers in JavaScript: NAME SCENARIO SIZE SECONDS [KEY=VALUE ...]. All play the same roles; in
 * what way an interface opens sockets and sends is in its adapter.
 */
const { once } = require('node:events');
const { run, fail, RECV_BUFFER } = require('../harness.js');
const work = require('../work.js');

const HOST = '127.0.0.1';

/* node:dgram, and what takes its place: each send has a callback. */
function overDgram(dgram, window) {
  const onSingleSent = (error) => error && fail('send', error.message);

  return {
    window,
    async open({ connectTo, recvBufferSize, onMessage, batches }) {
      const socket = dgram.createSocket({ type: 'udp4', recvBufferSize });
      const onDatagram = ({ msg, rinfo }) => onMessage(socket, msg, rinfo);
      if (batches) socket.on('messages', (batch) => batch.forEach(onDatagram));
      else if (onMessage) socket.on('message', (msg, rinfo) => onMessage(socket, msg, rinfo));
      if (connectTo) socket.connect(connectTo, HOST);
      else socket.bind(0, HOST);
      await once(socket, connectTo ? 'connect' : 'listening');
      return socket;
    },
    portOf: (socket) => socket.address().port,
    send: (socket, payload) => socket.send(payload, onSingleSent),
    answer: (socket, payload, rinfo) =>
      socket.send(payload, rinfo.port, rinfo.address, onSingleSent),
    sendAll: (sockets, payloads) => new Promise((resolve) => {
      let left = payloads.length;
      const onSent = (error) => {
        if (error) fail('send', error.message);
        if (--left === 0) resolve();
      };
      payloads.forEach((payload, i) => sockets[i % sockets.length].send(payload, onSent));
    }),
  };
}

/* Bun.udpSocket: sendMany() on one socket, send() on each of many; they return what was taken. */
function overBun(window) {
  let onDrain;
  const drained = () => new Promise((resolve) => (onDrain = resolve));
  const check = (sent) => sent || fail('send', 'not taken');

  return {
    window,
    async open({ connectTo, recvBufferSize, onMessage }) {
      const socket = await Bun.udpSocket({
        hostname: HOST,
        connect: connectTo && { hostname: HOST, port: connectTo },
        socket: { data: onMessage, drain: () => onDrain?.() },
      });
      if (recvBufferSize) setRecvBufferSize(socket.fd, recvBufferSize);
      return socket;
    },
    portOf: (socket) => socket.port,
    send: (socket, payload) => check(socket.send(payload)),
    answer: (socket, payload, port, address) => check(socket.send(payload, port, address)),
    async sendAll(sockets, payloads) {
      if (sockets.length > 1) {
        for (const [i, payload] of payloads.entries())
          while (!sockets[i % sockets.length].send(payload)) await drained();
        return;
      }
      for (let left = payloads; left.length > 0;) {
        left = left.slice(sockets[0].sendMany(left));
        if (left.length > 0) await drained();
      }
    },
  };
}

/* Bun has no call for it. */
function setRecvBufferSize(fd, bytes) {
  const SOL_SOCKET = 1, SO_RCVBUF = 8; // Linux, on the processors that Bun is for
  const { dlopen } = require('bun:ffi');
  const { symbols } = dlopen('libc.so.6', {
    setsockopt: { args: ['i32', 'i32', 'i32', 'ptr', 'u32'], returns: 'i32' },
  });
  if (symbols.setsockopt(fd, SOL_SOCKET, SO_RCVBUF, new Int32Array([bytes]), 4) !== 0)
    fail('setsockopt', 'SO_RCVBUF');
}

function partsOver(peer) {
  /* The loop turns after each window: the built-in's callbacks alone would not let it. */
  async function sendWindows(side, window) {
    const sockets = [];
    for (let i = 0; i < side.flows; i++) sockets.push(await peer.open({ connectTo: side.port }));
    const payloads = Array.from({ length: window }, () => Buffer.alloc(side.size));
    await side.begin();
    for (let sequence = 0; !side.timeOver;) {
      for (const payload of payloads) work.write(payload, sequence++);
      await peer.sendAll(sockets, payloads);
      side.counted += window;
      await new Promise(setImmediate);
    }
    for (const socket of sockets) socket.close();
  }

  async function listen(side, onMessage) {
    const batches = side.options.receive === 'messages'; // libdgram-node can
    const socket = await peer.open({ recvBufferSize: RECV_BUFFER, onMessage, batches });
    await side.begin(peer.portOf(socket));
    await side.allReceived();
    socket.close();
  }

  function receive(side) {
    return listen(side, (_, message) => side.take(message));
  }

  function echo(side) {
    return listen(side, (socket, message, ...from) => {
      side.take(message);
      peer.answer(socket, message, ...from);
    });
  }

  async function ask(side) {
    const payload = Buffer.alloc(side.size);
    let sequence = 0;
    let sentAt;
    let done;
    const ended = new Promise((resolve) => (done = resolve));

    function next() {
      work.write(payload, sequence++);
      sentAt = performance.now();
      peer.send(socket, payload);
    }
    function onMessage(_, message) {
      side.roundTrips.push(performance.now() - sentAt);
      side.take(message);
      if (side.timeOver) done();
      else next();
    }
    const socket = await peer.open({ connectTo: side.port, onMessage });
    await side.begin();
    next();
    await ended;
    socket.close();
  }

  return {
    stream: {
      sender: (side) => sendWindows(side, side.number('window', peer.window)),
      receiver: receive,
    },
    // One datagram of each flow in a window: no two that follow each other are of the same one.
    fanin: { sender: (side) => sendWindows(side, side.flows), receiver: receive },
    pingpong: { sender: ask, receiver: echo },
  };
}

const adapters = {
  node: () => overDgram(require('node:dgram'), 256),
  'libdgram-node': () => overDgram(require('../../bindings/node'), 1024),
  bun: () => overBun(256),
};

const [name, ...args] = process.argv.slice(2);
run(name, partsOver(adapters[name]()), args);

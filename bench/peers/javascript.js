'use strict';
/*
 * The peers in JavaScript: NAME ROLE SCENARIO SIZE SECONDS [KEY=VALUE ...]. All have the same
 * roles; the way an interface opens sockets and sends is in its adapter.
 */
const { once } = require('node:events');
const { run, fail, heapBytes } = require('../harness.js');
const work = require('../work.js');

const HOST = '127.0.0.1';
const RECV_BUFFER = 4 * 1024 * 1024;
const BURST = 10_000;
const MIXED = { clients: 100, replySize: 40, window: 256 };

/*
 * Adapters. The sender of a message, in one argument or several, is passed to answer() and
 * addressOf().
 */

/* node:dgram, and its replacement: each send has a callback. */
function overDgram(dgram, window, options = {}) {
  const failOnError = (error) => error && fail('send', error.message);

  return {
    window,
    hasCallbacks: true,
    receivesOnly: Boolean(options.pooledMessages), // as a sender it is as without the option
    async open({ connectTo, recvBufferSize, onMessage, batches }) {
      const socket = dgram.createSocket({ type: 'udp4', recvBufferSize, ...options });
      const onDatagram = ({ msg, rinfo }) => onMessage(socket, msg, rinfo);
      if (batches) socket.on('messages', (batch) => batch.forEach(onDatagram));
      else if (onMessage) socket.on('message', (msg, rinfo) => onMessage(socket, msg, rinfo));
      if (connectTo) socket.connect(connectTo, HOST);
      else socket.bind(0, HOST);
      await once(socket, connectTo ? 'connect' : 'listening');
      return socket;
    },
    portOf: (socket) => socket.address().port,
    addressOf: (rinfo) => rinfo,
    send: (socket, payload) => socket.send(payload, failOnError),
    answer: (socket, payload, rinfo) =>
      socket.send(payload, rinfo.port, rinfo.address, failOnError),
    sendAll: (socket, payloads, addresses) => new Promise((resolve) => {
      let left = payloads.length;
      const onSent = (error) => {
        if (error) fail('send', error.message);
        if (--left === 0) resolve();
      };
      const sendTo = ({ port, address }, i) => socket.send(payloads[i], port, address, onSent);
      if (addresses) addresses.forEach(sendTo);
      else payloads.forEach((payload) => socket.send(payload, onSent));
    }),
  };
}

/*
 * Bun.udpSocket: sendMany() and send() return what was taken. It reports, by a throw or in `error`,
 * ECONNREFUSED of clients that have closed; here that is no failure.
 */
function overBun(window) {
  let onDrain;
  const drained = () => new Promise((resolve) => (onDrain = resolve));
  const check = (sent) => sent || fail('send', 'not taken');
  const ignoreRefused = (error) => error.code === 'ECONNREFUSED' || fail('send', error.message);
  const taken = (send) => {
    try {
      return send();
    } catch (error) {
      return ignoreRefused(error) && Infinity; // nothing is left to send
    }
  };

  return {
    window,
    async open({ connectTo, recvBufferSize, onMessage }) {
      const socket = await Bun.udpSocket({
        hostname: HOST,
        connect: connectTo && { hostname: HOST, port: connectTo },
        socket: { data: onMessage, drain: () => onDrain?.(), error: ignoreRefused },
      });
      if (recvBufferSize) setRecvBufferSize(socket.fd, recvBufferSize);
      return socket;
    },
    portOf: (socket) => socket.port,
    addressOf: (port, address) => ({ port, address }),
    send: (socket, payload) => check(socket.send(payload)),
    answer: (socket, payload, port, address) =>
      check(taken(() => socket.send(payload, port, address))),
    async sendAll(socket, payloads, addresses) {
      const withAddress = (payload, i) => [payload, addresses[i].port, addresses[i].address];
      let left = addresses ? payloads.flatMap(withAddress) : payloads;
      for (const each = left.length / payloads.length; ;) {
        left = left.slice(taken(() => socket.sendMany(left)) * each);
        if (left.length === 0) return;
        await drained();
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

function buffers(count, size) {
  return Array.from({ length: count }, () => Buffer.alloc(size));
}

/* Lets the loop iterate after each window: the callbacks of the built-in alone would not. */
function loopTurns() {
  return new Promise(setImmediate);
}

function rolesOver(peer) {
  /*
   * Starts the clock, then yields windows full of datagrams to send, each with the time of its
   * start, until the time is over.
   */
  async function* windows(side, window) {
    const payloads = buffers(window, side.size);
    await side.begin();
    for (let sequence = 0; !side.timeOver;) {
      const begun = performance.now();
      for (const payload of payloads) work.write(payload, sequence++);
      yield { payloads, begun };
      side.counted += window;
      await loopTurns();
    }
  }

  async function stream(side) {
    const socket = await peer.open({ connectTo: side.ports[0] });
    for await (const { payloads } of windows(side, side.number('window', peer.window)))
      await peer.sendAll(socket, payloads);
  }

  /* Each address gets the same number of datagrams per window, so each window starts at the first. */
  async function fanOut(side) {
    const { ports } = side;
    const socket = await peer.open({});
    const rounds = Math.ceil(side.number('window', peer.window) / ports.length);
    const addresses = Array.from({ length: rounds * ports.length },
      (_, i) => ({ port: ports[i % ports.length], address: HOST }));
    for await (const { payloads } of windows(side, addresses.length))
      await peer.sendAll(socket, payloads, addresses);
  }

  async function burst(side) {
    const socket = await peer.open({});
    const addresses = new Array(BURST).fill({ port: side.ports[0], address: HOST });
    for await (const { payloads, begun } of windows(side, BURST)) {
      await peer.sendAll(socket, payloads, addresses);
      side.times.push(performance.now() - begun);
    }
  }

  function listen(side, onMessage) {
    const batches = side.options.receive === 'messages'; // libdgram-node can
    return peer.open({ recvBufferSize: RECV_BUFFER, onMessage, batches });
  }

  /* The sockets' listeners do the rest. */
  async function receiveUntilEnd(side, ...sockets) {
    await side.begin(sockets.map(peer.portOf));
    await side.allReceived();
  }

  async function receive(side) {
    await receiveUntilEnd(side, await listen(side, (_, message) => side.take(message)));
  }

  async function echo(side) {
    await receiveUntilEnd(side, await listen(side, (socket, message, ...from) => {
      side.take(message);
      peer.answer(socket, message, ...from);
    }));
  }

  /* Each socket has flows of its own, even if it receives no datagrams. */
  async function receiveOnMany(side) {
    const sockets = [];
    const readers = Array.from({ length: side.count }, () => new work.Reader(side.size, 1));
    (await listen(side, () => {})).close(); // the first one allocates what all share
    await loopTurns();
    const before = heapBytes();
    for (const reader of readers)
      sockets.push(await listen(side, (_, message) => side.take(message, reader)));
    side.bytesPerSocket = (heapBytes() - before) / side.count;
    await receiveUntilEnd(side, ...sockets);
  }

  async function pingpong(side) {
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
      side.times.push(performance.now() - sentAt);
      side.take(message);
      if (side.timeOver) done();
      else next();
    }
    const socket = await peer.open({ connectTo: side.ports[0], onMessage });
    await side.begin();
    next();
    await ended;
  }

  /* A server of many clients; the sequence number of a datagram identifies its client. */
  async function serve(side) {
    const reader = new work.Reader(MIXED.replySize, MIXED.clients);
    const addresses = new Array(MIXED.clients);
    let unknown = MIXED.clients;
    let resolveKnown;
    const allKnown = new Promise((resolve) => (resolveKnown = resolve));

    function addClient(client, address) {
      addresses[client] = address;
      if (--unknown === 0) resolveKnown();
    }
    const socket = await listen(side, (_, message, ...from) => {
      side.check(message, reader);
      const client = work.sequenceOf(message) % MIXED.clients;
      if (!addresses[client]) addClient(client, peer.addressOf(...from));
    });
    await side.begin([peer.portOf(socket)]);
    await allKnown;
    await sendMix(side, socket, addresses);
    await side.allReceived();
  }

  async function sendMix(side, socket, addresses) {
    const mix = new work.Mix(side.size, MIXED.clients);
    const whole = buffers(MIXED.window, side.size);
    const targets = new Array(MIXED.window);
    while (!side.timeOver) {
      const payloads = whole.map((buffer, i) => {
        const { client, size, sequence } = mix.next();
        const payload = size < buffer.length ? buffer.subarray(0, size) : buffer;
        work.write(payload, sequence);
        targets[i] = addresses[client];
        return payload;
      });
      await peer.sendAll(socket, payloads, targets);
      side.counted += payloads.length;
      await loopTurns();
    }
  }

  return {
    stream: { send: stream, receive },
    fanin: { flows: 256, receive },
    'fanout-text': { send: !peer.receivesOnly && fanOut },
    pingpong: { send: pingpong, receive: echo },
    echo: { receive: echo },
    many: { receive: receiveOnMany },
    'many-all': { receive: receiveOnMany },
    burst: { send: peer.hasCallbacks && !peer.receivesOnly && burst },
    mixed: { receive: serve },
  };
}

const adapters = {
  node: () => overDgram(require('node:dgram'), 256),
  'libdgram-node': () => overDgram(require('../../bindings/node'), 1024),
  'libdgram-node-pooled': () =>
    overDgram(require('../../bindings/node'), 1024, { pooledMessages: true }),
  'libdgram-node-single': () => // not in the tables: what a shared socket costs
    overDgram(require('../../bindings/node'), 1024, { receiveBatch: 1 }),
  bun: () => overBun(256),
};

const [name, ...args] = process.argv.slice(2);
run(rolesOver(adapters[name]()), args);

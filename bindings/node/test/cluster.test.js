'use strict';
// Sockets of cluster workers, by the cluster that Node.js has: a worker with this package shares
// ports with workers that have it, and with workers that have the built-in. Every test is run on
// the built-in alone too: what it expects is what Node.js does.

const assert = require('node:assert');
const cluster = require('node:cluster');
const builtIn = require('node:dgram');
const { once } = require('node:events');
const fs = require('node:fs');
const { after, afterEach, before, describe, test } = require('node:test');
const since = require('../lib/since');
const { ClusterWorker, requestAll } = require('./cluster-fixture');
const { modulePath } = require('./subject');

const kinds = {
  'the built-in': ['node:dgram'],
  'this package': [modulePath],
  'both at once': [modulePath, 'node:dgram'],
};
const options = {
  skip: process.platform !== 'linux' && 'sockets are counted in /proc',
  timeout: 60_000,
};
const lacksReusePort = (modules) => modules.includes('node:dgram') &&
  !since([22, 12], [23, 1]) && 'this Node.js has no reusePort';

const isPort = (value) => Number.isInteger(value) && value > 0;
const descriptors = () => fs.readdirSync('/proc/self/fd').length;

// How many sockets the system has on a port of 127.0.0.1, in any process.
function socketsOn(port) {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  const lines = fs.readFileSync('/proc/net/udp', 'latin1').split('\n');
  return lines.filter((line) => line.includes(` 0100007F:${hex} `)).length;
}

// All bind to the port that the system chooses for the first; resolves with it.
async function sharedPort(workers) {
  const ports = await requestAll(workers, 'bind');
  assert.ok(isPort(ports[0]), `bind: ${ports[0]}`);
  assert.deepStrictEqual(ports, workers.map(() => ports[0]));
  return ports[0];
}

// Ports in the order in which workers request them from the primary, until the test ends.
function portRequests(t) {
  const ports = [];
  const record = (worker, { port }) => ports.push(port);
  cluster.on('listening', record);
  t.after(() => cluster.off('listening', record));
  return ports;
}

/* Flows: clients that each have a socket, and an own port, of their own */

async function openFlows(t) {
  const flows = Array.from({ length: 64 }, () => builtIn.createSocket('udp4').bind(0, '127.0.0.1'));
  t.after(() => flows.forEach((flow) => flow.close()));
  await Promise.all(flows.map((flow) => once(flow, 'listening')));
  return flows;
}

// Each flow sends its next request when the last one has been answered, until it has sent ten and
// each worker has answered one. Then every request has been answered once, and all have closed.
async function everyFlowIsAnswered(t, port, workers) {
  const idle = new Set(workers.map(({ id }) => id));
  const flows = await openFlows(t);
  const sent = [];
  const answered = [];
  await Promise.all(flows.map((flow, i) => new Promise((resolve) => {
    let n = 0;
    const sendNext = () => {
      sent.push(`${i}.${++n}`);
      flow.send(sent.at(-1), port, '127.0.0.1');
    };
    flow.on('message', (msg) => {
      const [who, what] = String(msg).split(' ');
      idle.delete(who);
      answered.push(what);
      if (n < 10 || idle.size) sendNext();
      else resolve();
    });
    sendNext();
  })));
  await requestAll(workers, 'close'); // all that they have sent has arrived now
  await Promise.all(flows.map((flow) => {
    flow.send('last', flow.address().port, '127.0.0.1');
    return once(flow, 'message');
  }));
  assert.deepStrictEqual(answered.filter((what) => what).sort(), sent.sort());
}

// Flows that send without end, whether they are answered or not.
class Load {
  constructor(flows, port) {
    this.answered = new Set();
    this.awaited = () => {};
    flows.forEach((flow) => flow.on('message', (msg) => {
      this.answered.add(String(msg).split(' ')[0]);
      this.awaited();
    }));
    const send = () => {
      flows.forEach((flow) => flow.send('x', port, '127.0.0.1'));
      this.next = setImmediate(send);
    };
    send();
  }

  // Resolves when each of them has answered something, from now on.
  answersOf(workers) {
    this.answered.clear();
    return new Promise((resolve) => {
      this.awaited = () => {
        if (workers.every(({ id }) => this.answered.has(id))) resolve();
      };
    });
  }

  end() { clearImmediate(this.next); }
}

/* The tests */

for (const [name, modules] of Object.entries(kinds)) describe(`workers with ${name}`, () => {
  const start = (i) => new ClusterWorker(modules[i % modules.length]);
  let workers;
  before(() => { workers = [0, 1, 2, 3].map(start); });
  afterEach(() => requestAll(workers, 'close'));
  after(() => workers.forEach((worker) => worker.kill()));

  test('workers share a port, and all receive; each datagram is answered once', options, async (t) => {
    const port = await sharedPort(workers);
    assert.strictEqual(socketsOn(port), 1, 'the socket is the primary\'s');
    await everyFlowIsAnswered(t, port, workers);
    assert.strictEqual(socketsOn(port), 0);
  });

  test('workers share one port for port 0; exclusive sockets get their own', options, async (t) => {
    const requests = portRequests(t);
    const port = await sharedPort(workers);
    const own = await requestAll(workers, 'bind', { exclusive: true });
    assert.ok(own.every(isPort), `bind: ${own}`);
    assert.strictEqual(new Set([port, ...own]).size, 1 + workers.length);
    assert.deepStrictEqual(requests, workers.map(() => port), 'exclusive sockets send no request');
  });

  // With the built-in it is taken: libuv sets SO_REUSEADDR on every descriptor it opens. With both
  // the one decides that has come last.
  test('a socket of another process does not get the port, unless reuseAddr is given', options, async (t) => {
    const ours = !modules.includes('node:dgram');
    for (const reuseAddr of [false, true]) {
      const [port] = await requestAll(workers, 'bind', {}, { reuseAddr });
      const thief = builtIn.createSocket({ type: 'udp4', reuseAddr: true });
      const end = new Promise((resolve) => {
        thief.once('error', ({ code }) => resolve(code));
        thief.bind({ port, address: '127.0.0.1', exclusive: true }, () => resolve('bound'));
      });
      const outcome = await end;
      if (name !== 'both at once')
        assert.strictEqual(outcome, ours && !reuseAddr ? 'EADDRINUSE' : 'bound');
      thief.close();
      await requestAll(workers, 'close');
    }
  });

  test('an exclusive bind to a port that is taken is refused', options, async () => {
    const [first, second] = workers;
    const port = await first.request('bind', { exclusive: true });
    assert.strictEqual(await second.request('bind', { exclusive: true, port }), 'EADDRINUSE');
    assert.strictEqual(await second.request('bind', { port }), 'EADDRINUSE');
    const shared = await sharedPort(workers);
    assert.strictEqual(await first.request('bind', { exclusive: true, port: shared }), 'EADDRINUSE');
  });

  test('a worker cannot join a group that another has joined', options, async () => {
    await sharedPort(workers);
    assert.strictEqual(await workers[0].request('join', '224.0.0.114'), 'joined');
    assert.strictEqual(await workers[1].request('join', '224.0.0.114'), 'addMembership EADDRINUSE');
  });

  test('threads bind for themselves, as they do without a cluster', options, async (t) => {
    const requests = portRequests(t);
    const [one, other] = workers;
    const port = await sharedPort([one, other]);
    assert.strictEqual(await one.request('bindInThread', port), 'EADDRINUSE');
    const own = await requestAll([one, other], 'bindInThread', 0);
    assert.ok(own.every((mine) => isPort(mine) && mine !== port), `bind: ${own}`);
    assert.deepStrictEqual(requests, [port, port], 'threads send no request');
  });

  const skip = options.skip || lacksReusePort(modules);
  test('each worker with reusePort has its own socket on the port', { ...options, skip }, async (t) => {
    const requests = portRequests(t);
    const pair = workers.slice(0, 2);
    const port = await pair[0].request('bind', {}, { reusePort: true });
    assert.strictEqual(await pair[1].request('bind', { port }, { reusePort: true }), port);
    assert.strictEqual(socketsOn(port), 2);
    await everyFlowIsAnswered(t, port, pair);
    assert.deepStrictEqual(requests, [], 'sockets with reusePort send no request');
  });

  test('a worker is killed under load: the others go on, and one that replaces it', options, async (t) => {
    const flows = await openFlows(t);
    const before = descriptors();
    const port = await sharedPort(workers);
    const load = new Load(flows, port);
    t.after(() => load.end());
    await load.answersOf(workers);
    await workers[0].kill();
    await load.answersOf(workers.slice(1));
    workers[0] = start(0);
    assert.strictEqual(await workers[0].request('bind'), port);
    await load.answersOf(workers);
    load.end();
    await requestAll(workers, 'close');
    assert.strictEqual(socketsOn(port), 0);
    assert.strictEqual(descriptors(), before);
  });

  test('disconnect() closes what is shared, and the worker ends', options, async (t) => {
    const port = await sharedPort(workers);
    await workers[0].request('watch');
    const closed = workers[0].nextMessage();
    workers[0].worker.disconnect();
    assert.strictEqual(await closed, 'close');
    assert.deepStrictEqual(await workers[0].gone, [0, null]);
    workers.shift();
    await everyFlowIsAnswered(t, port, workers);
  });
});

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
const { Member, askAll } = require('./crew');
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

// How many sockets the system has on a port of 127.0.0.1, whoever holds them.
function socketsOn(port) {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  const lines = fs.readFileSync('/proc/net/udp', 'latin1').split('\n');
  return lines.filter((line) => line.includes(` 0100007F:${hex} `)).length;
}

// All bind to the port that the system chooses for the first; resolves with it.
async function sharedPort(crew) {
  const ports = await askAll(crew, 'bind');
  assert.ok(isPort(ports[0]), `bind: ${ports[0]}`);
  assert.deepStrictEqual(ports, crew.map(() => ports[0]));
  return ports[0];
}

// Ports in the order in which workers ask the primary for them. Until the test ends.
function askedFor(t) {
  const ports = [];
  const hear = (worker, { port }) => ports.push(port);
  cluster.on('listening', hear);
  t.after(() => cluster.off('listening', hear));
  return ports;
}

/* Flows: clients that each have a socket, and an own port, of their own */

async function openFlows(t) {
  const flows = Array.from({ length: 64 }, () => builtIn.createSocket('udp4').bind(0, '127.0.0.1'));
  t.after(() => flows.forEach((flow) => flow.close()));
  await Promise.all(flows.map((flow) => once(flow, 'listening')));
  return flows;
}

// Each flow asks its next question when the last one has been answered, until it has asked ten and
// each member has answered one. Then every question has been answered once. The crew has closed.
async function everyFlowIsAnswered(t, port, crew) {
  const idle = new Set(crew.map(({ id }) => id));
  const flows = await openFlows(t);
  const asked = [];
  const answered = [];
  await Promise.all(flows.map((flow, i) => new Promise((resolve) => {
    let n = 0;
    const ask = () => {
      asked.push(`${i}.${++n}`);
      flow.send(asked.at(-1), port, '127.0.0.1');
    };
    flow.on('message', (msg) => {
      const [who, what] = String(msg).split(' ');
      idle.delete(who);
      answered.push(what);
      if (n < 10 || idle.size) ask();
      else resolve();
    });
    ask();
  })));
  await askAll(crew, 'close'); // whatever else they might have sent is here now
  await Promise.all(flows.map((flow) => {
    flow.send('last', flow.address().port, '127.0.0.1');
    return once(flow, 'message');
  }));
  assert.deepStrictEqual(answered.filter((what) => what).sort(), asked.sort());
}

// Flows that ask on and on, whether they are answered or not.
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
  answersOf(crew) {
    this.answered.clear();
    return new Promise((resolve) => {
      this.awaited = () => {
        if (crew.every(({ id }) => this.answered.has(id))) resolve();
      };
    });
  }

  end() { clearImmediate(this.next); }
}

/* The tests */

for (const [name, modules] of Object.entries(kinds)) describe(`workers with ${name}`, () => {
  const hire = (i) => new Member(modules[i % modules.length]);
  let crew;
  before(() => { crew = [0, 1, 2, 3].map(hire); });
  afterEach(() => askAll(crew, 'close'));
  after(() => crew.forEach((member) => member.kill()));

  test('all share a port, and take part; each datagram is answered once', options, async (t) => {
    const port = await sharedPort(crew);
    assert.strictEqual(socketsOn(port), 1, 'the socket is the primary\'s');
    await everyFlowIsAnswered(t, port, crew);
    assert.strictEqual(socketsOn(port), 0);
  });

  test('port 0 is one for all, but its own for each that is exclusive', options, async (t) => {
    const asked = askedFor(t);
    const port = await sharedPort(crew);
    const own = await askAll(crew, 'bind', { exclusive: true });
    assert.ok(own.every(isPort), `bind: ${own}`);
    assert.strictEqual(new Set([port, ...own]).size, 1 + crew.length);
    assert.deepStrictEqual(asked, crew.map(() => port), 'the exclusive ones do not ask');
  });

  // With the built-in it is taken: libuv sets SO_REUSEADDR on whatever descriptor it opens. With both
  // the one decides that has come last.
  test('nobody else gets the port, unless reuseAddr is given', options, async (t) => {
    const ours = !modules.includes('node:dgram');
    for (const reuseAddr of [false, true]) {
      const [port] = await askAll(crew, 'bind', {}, { reuseAddr });
      const thief = builtIn.createSocket({ type: 'udp4', reuseAddr: true });
      const end = new Promise((resolve) => {
        thief.once('error', ({ code }) => resolve(code));
        thief.bind({ port, address: '127.0.0.1', exclusive: true }, () => resolve('bound'));
      });
      const outcome = await end;
      if (name !== 'both at once')
        assert.strictEqual(outcome, ours && !reuseAddr ? 'EADDRINUSE' : 'bound');
      thief.close();
      await askAll(crew, 'close');
    }
  });

  test('who wants a port exclusively is refused one that is taken', options, async () => {
    const [first, second] = crew;
    const port = await first.ask('bind', { exclusive: true });
    assert.strictEqual(await second.ask('bind', { exclusive: true, port }), 'EADDRINUSE');
    assert.strictEqual(await second.ask('bind', { port }), 'EADDRINUSE');
    const shared = await sharedPort(crew);
    assert.strictEqual(await first.ask('bind', { exclusive: true, port: shared }), 'EADDRINUSE');
  });

  test('who joins a group that another has joined is refused', options, async () => {
    await sharedPort(crew);
    assert.strictEqual(await crew[0].ask('join', '224.0.0.114'), 'joined');
    assert.strictEqual(await crew[1].ask('join', '224.0.0.114'), 'addMembership EADDRINUSE');
  });

  test('threads bind for themselves, as they do without a cluster', options, async (t) => {
    const asked = askedFor(t);
    const [one, other] = crew;
    const port = await sharedPort([one, other]);
    assert.strictEqual(await one.ask('bindInThread', port), 'EADDRINUSE');
    const own = await askAll([one, other], 'bindInThread', 0);
    assert.ok(own.every((mine) => isPort(mine) && mine !== port), `bind: ${own}`);
    assert.deepStrictEqual(asked, [port, port], 'the threads do not ask');
  });

  const skip = options.skip || lacksReusePort(modules);
  test('each with reusePort has its own socket on the port', { ...options, skip }, async (t) => {
    const asked = askedFor(t);
    const pair = crew.slice(0, 2);
    const port = await pair[0].ask('bind', {}, { reusePort: true });
    assert.strictEqual(await pair[1].ask('bind', { port }, { reusePort: true }), port);
    assert.strictEqual(socketsOn(port), 2);
    await everyFlowIsAnswered(t, port, pair);
    assert.deepStrictEqual(asked, [], 'they do not ask');
  });

  test('one is killed under load: the rest go on, and who takes its place', options, async (t) => {
    const flows = await openFlows(t);
    const before = descriptors();
    const port = await sharedPort(crew);
    const load = new Load(flows, port);
    t.after(() => load.end());
    await load.answersOf(crew);
    await crew[0].kill();
    await load.answersOf(crew.slice(1));
    crew[0] = hire(0);
    assert.strictEqual(await crew[0].ask('bind'), port);
    await load.answersOf(crew);
    load.end();
    await askAll(crew, 'close');
    assert.strictEqual(socketsOn(port), 0);
    assert.strictEqual(descriptors(), before);
  });

  test('disconnect() closes what is shared, and the worker ends', options, async (t) => {
    const port = await sharedPort(crew);
    await crew[0].ask('watch');
    const closed = crew[0].said();
    crew[0].worker.disconnect();
    assert.strictEqual(await closed, 'close');
    assert.deepStrictEqual(await crew[0].gone, [0, null]);
    crew.shift();
    await everyFlowIsAnswered(t, port, crew);
  });
});

'use strict';
// libdgram/sim: sockets on a network in memory, and its virtual time.

const assert = require('node:assert');
const { once } = require('node:events');
const path = require('node:path');
const { describe, test } = require('node:test');
const { Worker } = require('node:worker_threads');
const { isBuiltIn, modulePath, ours } = require('./subject');

const sim = isBuiltIn ? {} : require(path.join(modulePath, 'sim'));
const { Network, createSocket } = sim;

// Two hosts with a link.
function pair(options, linkOptions) {
  const network = new Network(options);
  const a = network.host('a', '10.0.0.1', 'fd00::1');
  const b = network.host('b', '10.0.0.2', 'fd00::2');
  const link = network.link(a, b, linkOptions);
  return { network, a, b, link };
}

function bound(t, host, port, type = 'udp4') {
  const socket = createSocket({ type, host });
  socket.bindSync({ port });
  t.after(() => new Promise((resolve) => socket.close(resolve)));
  return socket;
}

// What comes to the socket, with its time.
function keep(network, socket) {
  const kept = [];
  socket.on('message', (message, rinfo) =>
    kept.push(`${network.now} ${message} ${rinfo.address}:${rinfo.port}`));
  return kept;
}

describe('libdgram/sim', ours('the module is an addition'), () => {
  test('a datagram comes after the link\'s delay', async (t) => {
    const { network, a, b } = pair({}, { delay: 20 });
    const kept = keep(network, bound(t, b, 1000));
    bound(t, a, 2000).send('hello', 1000, '10.0.0.2');
    await network.run(19);
    assert.deepStrictEqual(kept, []);
    await network.run(1);
    assert.deepStrictEqual(kept, ['20 hello 10.0.0.1:2000']);
    assert.strictEqual(network.counts.delivered, 1);
  });

  test('a cache of names lives in the time of the network', async (t) => {
    const { network, a } = pair();
    const lookup = t.mock.fn((hostname, family, callback) => callback(null, '10.0.0.2', 4));
    const socket = createSocket({ type: 'udp4', host: a, lookup, nameCache: { maxEntries: 1, ttl: 100 } });
    t.after(() => new Promise((resolve) => socket.close(resolve)));
    socket.bindSync();
    const lookups = [];
    for (const ms of [99, 1, 99, 1]) {
      socket.send('x', 1000, 'name');
      await network.run(ms);
      lookups.push(lookup.mock.callCount());
    }
    assert.deepStrictEqual(lookups, [1, 1, 2, 2]);
  });

  test('bind(), connect(), names and the events, as on the real network', async (t) => {
    const { network, a, b } = pair();
    const server = createSocket({ type: 'udp6', host: b });
    const client = createSocket({ type: 'udp6', host: a });
    const events = [];
    for (const name of ['listening', 'connect', 'close'])
      client.on(name, () => events.push(name));
    server.on('message', (message, rinfo) => server.send(message, rinfo.port, rinfo.address));
    client.on('message', (message) => events.push(String(message)));
    server.bind(1000, 'b');
    client.connect(1000, 'b', () => client.send('echo', (error, bytes) => events.push(bytes)));
    await network.run();
    assert.strictEqual(client.remoteAddress().address, 'fd00::2');
    assert.strictEqual(server.address().address, 'fd00::2');
    server.close();
    client.close();
    await network.run();
    assert.deepStrictEqual(events, ['listening', 'connect', 4, 'echo', 'close']);
  });

  test('errors: a name, a port in use, a refused connection', async (t) => {
    const { network, a, b } = pair();
    const client = bound(t, a, 2000);
    client.send('x', 1000, 'nobody', (error) => {
      assert.strictEqual(error.code, 'ENOTFOUND');
      assert.strictEqual(error.syscall, 'getaddrinfo');
      client.emit('checked');
    });
    const checked = once(client, 'checked');
    await network.run();
    await checked;
    const second = createSocket({ type: 'udp4', host: a });
    assert.throws(() => second.bindSync({ port: 2000 }), { code: 'EADDRINUSE' });
    second.close();
    bound(t, b, 2000);
    const refused = once(client, 'error').catch(() => {});
    client.connect(999, '10.0.0.2', () => client.send('x'));
    await network.run();
    const [error] = await refused;
    assert.strictEqual(error.code, 'ECONNREFUSED');
  });

  async function runOf(seed) {
    const network = new Network({ seed });
    const hosts = ['a', 'b', 'c'].map((name, i) => network.host(name, `10.0.0.${i + 1}`));
    const sockets = hosts.map((host) => createSocket({ type: 'udp4', host }));
    const trace = [];
    hosts.forEach((host, i) => hosts.slice(0, i).forEach((other) =>
      network.link(host, other, { loss: 0.2, jitter: 10, duplicate: 0.1, reorder: 0.1 })));
    sockets.forEach((socket, i) => {
      socket.on('message', (message, rinfo) => {
        trace.push([i, network.now, message.length]);
        if (message.length > 1)
          socket.send(message.subarray(1), rinfo.port, rinfo.address);
      });
      socket.bind(1000);
    });
    for (let i = 0; i < 30; i++) {
      const to = hosts[Math.floor(network.random() * 3)];
      network.setTimeout(() => sockets[i % 3].send('four', 1000, to.name), network.random() * 100);
    }
    await network.run();
    const result = { trace, hash: network.hash, now: network.now };
    sockets.forEach((socket) => socket.close());
    await network.run();
    return result;
  }

  test('one seed is one run, others are others', async () => {
    const first = await runOf(5);
    assert.ok(first.trace.length > 20);
    assert.deepStrictEqual(await runOf(5), first);
    assert.notStrictEqual((await runOf(6)).hash, first.hash);
    assert.deepStrictEqual(await runOf(5n), first);
  });

  test('timers in the network\'s time', async () => {
    const network = new Network();
    const calls = [];
    network.setTimeout((...args) => calls.push(network.now, ...args), 3600e3, 'an hour');
    network.clearTimeout(network.setTimeout(() => calls.push('cleared'), 5));
    network.setTimeout(() => {
      calls.push(network.now);
      network.setTimeout(() => calls.push(network.now), 0.5);
    }, 10);
    await network.run(20);
    assert.deepStrictEqual(calls, [10, 10.5]);
    assert.strictEqual(network.now, 20);
    await network.run();
    assert.deepStrictEqual(calls, [10, 10.5, 3600e3, 'an hour']);
  });

  test('mocked timers follow the network\'s time', async (t) => {
    if (t.mock.timers === undefined)
      return t.skip('this Node.js has no mock timers');
    t.mock.timers.enable(process.versions.node.split('.')[0] < 21 ? ['setTimeout'] :
      { apis: ['setTimeout'] });
    const { network, a, b } = pair({ tick: (ms) => t.mock.timers.tick(ms) }, { delay: 7 });
    const kept = keep(network, bound(t, b, 1000));
    const client = bound(t, a, 2000);
    setTimeout(() => client.send('late', 1000, '10.0.0.2'), 50);
    client.send('early', 1000, '10.0.0.2');
    await network.run(100);
    assert.deepStrictEqual(kept, ['7 early 10.0.0.1:2000', '57 late 10.0.0.1:2000']);
  });

  test('links and hosts go down, the network is parted and heals', async (t) => {
    const { network, a, b, link } = pair();
    const kept = keep(network, bound(t, b, 1000));
    const client = bound(t, a, 2000);
    const send = async (text) => {
      client.send(text, 1000, '10.0.0.2');
      await network.run();
    };
    link.down();
    await send('down');
    link.up();
    b.down();
    await send('off');
    b.up();
    network.partition([a]);
    await send('parted');
    network.heal();
    link.set({ loss: 1 }, a);
    await send('lost');
    link.set({ delay: 1 });
    await send('through');
    assert.deepStrictEqual(kept.map((line) => line.split(' ')[1]), ['through']);
    const { linkDown, hostDown, lost } = network.counts;
    assert.deepStrictEqual({ linkDown, hostDown, lost }, { linkDown: 2, hostDown: 1, lost: 1 });
  });

  test('a NAT, and a switch', async (t) => {
    const network = new Network();
    const inside = network.host('inside', '192.168.1.2');
    const router = network.host('router', '192.168.1.1', '198.51.100.1');
    const bridge = network.switch('bridge');
    const server = network.host('server', '203.0.113.1');
    network.link(inside, bridge);
    network.link(bridge, router);
    router.nat(network.link(router, server), '198.51.100.1', { type: 'full-cone' });
    const kept = keep(network, bound(t, server, 1000));
    bound(t, inside, 2000).send('out', 1000, 'server');
    await network.run();
    assert.deepStrictEqual(kept, ['3 out 198.51.100.1:2000']);
  });

  test('arguments', async () => {
    const { network, a, b, link } = pair();
    const invalid = { code: 'ERR_INVALID_ARG_TYPE' };
    assert.throws(() => new Network(null), invalid);
    assert.throws(() => new Network({ seed: 'x' }), invalid);
    assert.throws(() => new Network({ seed: 0.5 }), invalid);
    assert.throws(() => new Network({ tick: 1 }), invalid);
    assert.throws(() => network.host(5), invalid);
    assert.throws(() => network.host('a'), { code: 'EEXIST' });
    assert.throws(() => network.host('c', 'x'), { code: 'EINVAL' });
    assert.throws(() => network.link(a, b), { code: 'EEXIST' });
    assert.throws(() => network.link(a, {}), invalid);
    assert.throws(() => network.link(a, new Network().host('other')), invalid);
    assert.throws(() => link.set({ loss: 2 }), { code: 'EINVAL' });
    assert.throws(() => link.set({ loss: '1' }), invalid);
    assert.throws(() => link.set({ delay: -1 }), { code: 'ERR_OUT_OF_RANGE' });
    assert.throws(() => link.set(null), invalid);
    assert.throws(() => link.set({}, {}), invalid);
    assert.throws(() => a.addAddress(1), invalid);
    assert.throws(() => a.nat({}, '10.0.0.1'), invalid);
    assert.throws(() => a.nat(link, '10.0.0.1', { type: 'x' }), { code: 'ERR_INVALID_ARG_VALUE' });
    assert.throws(() => network.partition([{}]), invalid);
    assert.throws(() => network.setTimeout('x'), invalid);
    await assert.rejects(network.run('x'), invalid);
    await assert.rejects(network.run(-1), { code: 'ERR_OUT_OF_RANGE' });
    const running = network.run(1);
    await assert.rejects(network.run(1), { code: 'EBUSY' });
    await running;
    assert.deepStrictEqual(a.addresses, ['10.0.0.1', 'fd00::1']);
    assert.deepStrictEqual(link.ends, [a, b]);
    const plain = createSocket({ type: 'udp4', host: 'a' }); // as the built-in, which ignores it
    plain.close();
    const fd = createSocket({ type: 'udp4', host: a });
    assert.throws(() => fd.bind({ fd: 1 }), (error) => error.code !== undefined);
    fd.close();
  });

  test('an exception of a listener is the program\'s own', async (t) => {
    const { network, a, b } = pair();
    const server = bound(t, b, 1000);
    bound(t, a, 2000).send('x', 1000, '10.0.0.2');
    server.once('message', () => { throw new Error('own'); });
    await assert.rejects(network.run(), { message: 'own' });
    await network.run();
  });

  test('a worker ends with its network and sockets still open', async () => {
    const worker = new Worker(`
      const { Network, createSocket } = require(${JSON.stringify(path.join(modulePath, 'sim'))});
      const network = new Network();
      const socket = createSocket({ type: 'udp4', host: network.host('a', '10.0.0.1') });
      socket.bindSync({ port: 1000 });
      socket.send('x', 1000, 'a');
      network.run(0.0001).then(() => process.exit(3));
    `, { eval: true });
    assert.deepStrictEqual(await once(worker, 'exit'), [3]);
  });

  test('networks that nobody refers to are freed', { skip: global.gc === undefined &&
    'needs --expose-gc' }, async () => {
    for (let i = 0; i < 200; i++) {
      const { network, a } = pair();
      const socket = createSocket({ type: 'udp4', host: a });
      socket.bindSync({ port: 1 });
      socket.close();
      await network.run();
    }
    global.gc();
    await new Promise(setImmediate);
  });
});

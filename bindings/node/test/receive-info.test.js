'use strict';
// The option receiveInfo, further members of rinfo, and socket.reply(), which needs them.

const assert = require('node:assert');
const { once } = require('node:events');
const { describe, test } = require('node:test');
const { dgram, ours } = require('./subject');
const { create, open, sent, turn, withIPv6 } = require('./sockets');

const plain = ['address', 'family', 'port', 'size'];
const all = ['destination', 'interface', 'ttl', 'tos', 'timestamp', 'hardwareTimestamp', 'truncated',
  'segmentSize'];

// The rinfo of a datagram that was sent to the address of a socket on all interfaces.
async function rinfoOf(t, options, address = '127.0.0.1') {
  const server = await open(t, options, '');
  const client = await open(t, { type: options.type ?? 'udp4' }, '');
  client.send('x', server.address().port, address);
  const [, rinfo] = await once(server, 'message');
  return { rinfo, server, client };
}

describe('receiveInfo', ours('node:dgram has no such option'), () => {
  test('without it rinfo is that of node:dgram', async (t) => {
    const { rinfo } = await rinfoOf(t, {});
    assert.deepStrictEqual(Reflect.ownKeys(rinfo), plain);
    const { rinfo: none } = await rinfoOf(t, { receiveInfo: [] });
    assert.deepStrictEqual(Reflect.ownKeys(none), plain);
  });

  const members = {
    destination: { destinationAddress: '127.0.0.2', localAddress: '127.0.0.2' },
    interface: { interface: 'lo', interfaceIndex: 1 },
    ttl: { ttl: 7 },
    tos: { dscp: 0, ecn: 0 },
    hardwareTimestamp: {}, // the loopback has none
    truncated: { truncated: false },
    segmentSize: { segmentSize: 0 },
  };
  for (const [name, expected] of Object.entries(members)) {
    test(`${name} adds its members, and no others`, async (t) => {
      const server = await open(t, { receiveInfo: [name] }, '');
      const client = await open(t);
      client.setTTL(7);
      client.send('x', server.address().port, '127.0.0.2');
      const [, rinfo] = await once(server, 'message');
      const { address, family, port, size, ...rest } = rinfo;
      assert.deepStrictEqual(rest, expected);
      assert.deepStrictEqual({ address, family, port, size },
        { address: '127.0.0.1', family: 'IPv4', port: client.address().port, size: 1 });
    });
  }

  test('timestamp is a bigint, in nanoseconds since 1970', async (t) => {
    const before = BigInt(Date.now()) * 1000000n;
    const { rinfo: { timestamp } } = await rinfoOf(t, { receiveInfo: ['timestamp'] });
    const minute = 60n * 1000000000n; // the clock may be set meanwhile
    assert.strictEqual(typeof timestamp, 'bigint');
    assert.ok(timestamp > before - minute && timestamp < before + minute, `${timestamp}`);
  });

  test('an IPv6 socket has the facts of both families', withIPv6, async (t) => {
    const options = { type: 'udp6', receiveInfo: ['destination', 'ttl'] };
    for (const address of ['::1', '::ffff:127.0.0.1']) {
      const { rinfo } = await rinfoOf(t, options, address);
      assert.strictEqual(rinfo.destinationAddress, address);
      assert.strictEqual(rinfo.localAddress, address);
      assert.strictEqual(rinfo.ttl, 64);
    }
  });

  test('each message of a batch has its own', async (t) => {
    const server = await open(t, { receiveInfo: all }, '');
    const batches = [];
    server.on('messages', (messages) => batches.push(...messages));
    const client = await open(t);
    for (const last of [1, 2, 3]) client.send('x', server.address().port, `127.0.0.${last}`);
    while (batches.length < 3) await turn();
    assert.deepStrictEqual(batches.map(({ rinfo }) => rinfo.localAddress),
      ['127.0.0.1', '127.0.0.2', '127.0.0.3']);
    assert.ok(batches.every(({ rinfo }) => rinfo.ttl === 64 && rinfo.interface === 'lo'));
  });

  test('a socket with pooled messages has them, too', async (t) => {
    const { rinfo } = await rinfoOf(t, { receiveInfo: ['ttl'], pooledMessages: true });
    assert.strictEqual(rinfo.ttl, 64);
  });

  test('what is no list of known names is refused', () => {
    for (const receiveInfo of [null, 'ttl', 1, { 0: 'ttl' }, true]) {
      assert.throws(() => dgram.createSocket({ type: 'udp4', receiveInfo }),
        { code: 'ERR_INVALID_ARG_TYPE' });
    }
    for (const receiveInfo of [['TTL'], ['ttl', 'x'], [''], [undefined], [1], ['__proto__'],
      ['constructor'], [['ttl']]]) {
      assert.throws(() => dgram.createSocket({ type: 'udp4', receiveInfo }),
        { code: 'ERR_INVALID_ARG_VALUE', message: /'options.receiveInfo' must have only 'dest/ });
    }
  });
});

describe('reply', ours('node:dgram has no such method'), () => {
  // A connected client receives from the address that it asked only.
  async function answered(t, type, address, answer) {
    const server = await open(t, { type, receiveInfo: ['destination'] }, '');
    const client = create(t, { type: address.includes(':') && type === 'udp6' ? type : 'udp4' });
    client.connectSync(server.address().port, address);
    server.on('message', (msg, rinfo) => answer(server, msg, rinfo));
    client.send('question');
    const [msg, rinfo] = await once(client, 'message');
    assert.strictEqual(rinfo.address, address);
    return `${msg}`;
  }

  test('it answers from the address that the message came to', async (t) => {
    const answer = (server, msg, rinfo) => server.reply(rinfo, `re: ${msg}`);
    assert.strictEqual(await answered(t, 'udp4', '127.0.0.1', answer), 're: question');
    assert.strictEqual(await answered(t, 'udp4', '127.0.0.2', answer), 're: question');
  });

  test('an IPv6 socket answers both families', withIPv6, async (t) => {
    const answer = (server, msg, rinfo) => server.reply(rinfo, [msg, '!']);
    assert.strictEqual(await answered(t, 'udp6', '::1', answer), 'question!');
    assert.strictEqual(await answered(t, 'udp6', '127.0.0.3', answer), 'question!');
  });

  test('it answers later, whatever the program has made of rinfo', async (t) => {
    const answer = async (server, msg, rinfo) => {
      Object.assign(rinfo, { address: '127.0.0.9', port: 1, localAddress: '127.0.0.9' });
      await turn();
      server.reply(rinfo, 'later');
    };
    assert.strictEqual(await answered(t, 'udp4', '127.0.0.2', answer), 'later');
  });

  test('its callback gets the size, or the error', async (t) => {
    const { rinfo, server } = await rinfoOf(t, { receiveInfo: ['destination'] }, '127.0.0.2');
    const result = (msg) => new Promise((resolve) => {
      server.reply(rinfo, msg, (...values) => resolve(values));
    });
    assert.deepStrictEqual(await result('hello'), [null, 5]);
    const [error] = await result(Buffer.alloc(65508));
    assert.strictEqual(error.code, 'EMSGSIZE');
    assert.strictEqual(error.address, '127.0.0.1');
  });

  test('it has options of its own', async (t) => {
    const { rinfo, server, client } = await rinfoOf(t, { receiveInfo: ['destination'] }, '127.0.0.2');
    const receiver = await open(t, { receiveInfo: ['ttl', 'tos'] });
    client.send('x', server.address().port, '127.0.0.2');
    receiver.send('x', server.address().port, '127.0.0.2');
    let from;
    while (from?.port !== receiver.address().port)
      [, from] = await once(server, 'message');
    const result = await new Promise((resolve) => {
      server.reply(from, 'hello', { ttl: 9, ecn: 1, dscp: 10 }, (...values) => resolve(values));
    });
    assert.deepStrictEqual(result, [null, 5]);
    const [, { address, ttl, ecn, dscp }] = await once(receiver, 'message');
    assert.deepStrictEqual({ address, ttl, ecn, dscp }, { address: '127.0.0.2', ttl: 9, ecn: 1, dscp: 10 });
    for (const name of ['address', 'port', 'source', 'interface'])
      assert.throws(() => server.reply(rinfo, 'x', { [name]: 'y' }), { code: 'ERR_INVALID_ARG_VALUE' });
    assert.throws(() => server.reply(rinfo, 'x', { ttl: 256 }), { code: 'ERR_OUT_OF_RANGE' });
    assert.throws(() => server.reply(rinfo, 'x', { signal: 5 }), { code: 'ERR_INVALID_ARG_TYPE' });
  });

  test('options do not make up for a source that is not known', async (t) => {
    const { rinfo, server } = await rinfoOf(t, { receiveInfo: ['ttl'] });
    assert.throws(() => server.reply(rinfo, 'x', { ttl: 9 }), { code: 'ERR_INVALID_ARG_VALUE' });
    const unbound = create(t);
    const error = await new Promise((resolve) => unbound.reply(rinfo, 'x', { ttl: 9 }, resolve));
    assert.deepStrictEqual([error.code, error.syscall], ['EINVAL', 'send']);
  });

  test('a signal cancels it', async (t) => {
    const { rinfo, server } = await rinfoOf(t, { receiveInfo: ['destination'] });
    const controller = new AbortController();
    const { signal } = controller;
    const result = new Promise((resolve) => server.reply(rinfo, 'x', { signal }, resolve));
    controller.abort();
    assert.strictEqual((await result).name, 'AbortError');
    await turn();
    const { datagramsOut, sendsCancelled } = server.stats();
    assert.deepStrictEqual({ datagramsOut, sendsCancelled }, { datagramsOut: 0, sendsCancelled: 1 });
  });

  test('without the destination it needs a socket that is bound to one address', async (t) => {
    const { rinfo, server } = await rinfoOf(t, { receiveInfo: ['ttl'] });
    assert.throws(() => server.reply(rinfo, 'x'), { code: 'ERR_INVALID_ARG_VALUE' });
    const bound = await open(t);
    const client = await open(t);
    client.send('x', bound.address().port, '127.0.0.1');
    const [, from] = await once(bound, 'message');
    bound.reply(from, 'answer');
    const [msg] = await once(client, 'message');
    assert.strictEqual(`${msg}`, 'answer');
  });

  test('a connected socket answers its peer, and nobody else', async (t) => {
    const { rinfo, server, client } = await rinfoOf(t, { receiveInfo: ['destination'] });
    const other = await open(t);
    server.connectSync(client.address().port, '127.0.0.1');
    server.reply(rinfo, 'to the peer');
    const [msg] = await once(client, 'message');
    assert.strictEqual(`${msg}`, 'to the peer');
    server.disconnect();
    server.connectSync(other.address().port, '127.0.0.1');
    assert.throws(() => server.reply(rinfo, 'x'), { code: 'ERR_SOCKET_DGRAM_IS_CONNECTED' });
  });

  test('bad arguments are refused', async (t) => {
    const socket = await open(t);
    const rinfo = { address: '127.0.0.1', port: 9 };
    for (const bad of [undefined, null, 5, 'x', {}, { address: 5, port: 9 }])
      assert.throws(() => socket.reply(bad, 'x'), { code: 'ERR_INVALID_ARG_TYPE' });
    assert.throws(() => socket.reply({ address: 'localhost', port: 9 }, 'x'),
      { code: 'ERR_INVALID_ARG_VALUE' });
    for (const port of [0, 65536, undefined, 'x'])
      assert.throws(() => socket.reply({ ...rinfo, port }, 'x'), { code: 'ERR_SOCKET_BAD_PORT' });
    for (const msg of [undefined, 5, {}, [5]])
      assert.throws(() => socket.reply(rinfo, msg), { code: 'ERR_INVALID_ARG_TYPE' });
    assert.throws(() => socket.reply(rinfo, 'x', 5), { code: 'ERR_INVALID_ARG_TYPE' });
    socket.close();
    assert.throws(() => socket.reply(rinfo, 'x'), { code: 'ERR_SOCKET_DGRAM_NOT_RUNNING' });
  });

  test('its promise settles', async (t) => {
    const { createSocket } = require('../promises');
    const server = createSocket({ type: 'udp4', receiveInfo: ['destination'] });
    t.after(() => server.close());
    await server.bind();
    const client = await open(t);
    assert.deepStrictEqual(await sent(client, 'x', server.address().port, '127.0.0.2'), [null, 1]);
    const [, rinfo] = await once(server, 'message');
    assert.strictEqual(await server.reply(rinfo, 'abc'), 3);
    assert.strictEqual(await server.reply(rinfo, 'abcd', { ttl: 9 }), 4);
    const [, from] = await once(client, 'message');
    assert.strictEqual(from.address, '127.0.0.2');
  });
});

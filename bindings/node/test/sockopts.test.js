'use strict';
// Options of the system socket by name, in createSocket() and by setSockopt() and getSockopt();
// the MTU of a path; the event 'icmp'.

const assert = require('node:assert');
const { once } = require('node:events');
const os = require('node:os');
const { describe, test } = require('node:test');
const { ours } = require('./subject');
const { create, open, sent, turn, withIPv6 } = require('./sockets');

const isLinux = os.platform() === 'linux';
const only = (why) => (isLinux ? ours(why) : { skip: 'only Linux has all of these options' });

// A port that nobody is bound to.
async function closedPort(t) {
  const socket = await open(t);
  const { port } = socket.address();
  socket.close();
  await once(socket, 'close');
  return port;
}

const values = {
  tos: 0xb8,
  pathMtuDiscovery: 'probe',
  priority: 3,
  maxPacingRate: 123_456_789,
  multicastAll: false,
  freebind: true,
  bindAddressNoPort: true,
  localPortRange: [40_000, 50_000],
  txtimeClock: 'monotonic',
};

describe('options of the system socket', only('they are additions'), () => {
  for (const [name, value] of Object.entries(values)) {
    test(`${name} of createSocket() is the system socket's`, async (t) => {
      const socket = create(t, { [name]: value });
      assert.deepStrictEqual(socket.getSockopt(name), value);
      socket.bind(0, '127.0.0.1');
      await once(socket, 'listening');
      assert.deepStrictEqual(socket.getSockopt(name), value);
    });
  }

  test('they can be set before the bind, and most of them after it', async (t) => {
    const socket = create(t);
    assert.throws(() => socket.getSockopt('tos'), { code: 'EBADF', syscall: 'getsockopt' });
    socket.setSockopt('tos', 8);
    socket.bindSync({ address: '127.0.0.1' });
    assert.strictEqual(socket.getSockopt('tos'), 8);
    socket.setSockopt('tos', 16);
    socket.setSockopt('maxPacingRate', Infinity);
    assert.strictEqual(socket.getSockopt('tos'), 16);
    assert.strictEqual(socket.getSockopt('maxPacingRate'), Infinity);
    assert.throws(() => socket.setSockopt('freebind', true),
      { code: 'ERR_SOCKET_ALREADY_BOUND' });
  });

  test('a socket without them has the system\'s', async (t) => {
    const socket = await open(t);
    assert.strictEqual(socket.getSockopt('tos'), 0);
    assert.strictEqual(socket.getSockopt('pathMtuDiscovery'), 'system');
    assert.strictEqual(socket.getSockopt('multicastAll'), true);
    assert.strictEqual(socket.getSockopt('maxPacingRate'), Infinity);
    assert.strictEqual(socket.getSockopt('bindToDevice'), '');
    assert.strictEqual(socket.getSockopt('txtimeClock'), 'none');
  });

  test('the port is of localPortRange, also by the bind of a first send', async (t) => {
    const socket = create(t, { localPortRange: [47_123, 47_140] });
    await sent(socket, 'x', 9, '127.0.0.1');
    const { port } = socket.address();
    assert.ok(port >= 47_123 && port <= 47_140, `port ${port}`);
  });

  test('bindToDevice receives by that interface', async (t) => {
    const receiver = await open(t, { bindToDevice: 'lo', disableGro: true });
    assert.strictEqual(receiver.getSockopt('bindToDevice'), 'lo');
    const sender = await open(t);
    sender.send('hello', receiver.address().port, '127.0.0.1');
    const [msg] = await once(receiver, 'message');
    assert.strictEqual(String(msg), 'hello');
  });

  test('with disableGso no datagram is part of a GSO batch', async (t) => {
    const { port } = (await open(t)).address();
    for (const disableGso of [false, true]) {
      const sender = await open(t, { disableGso });
      const list = Array.from({ length: 20 }, () => ({ msg: 'abc', port }));
      await new Promise((resolve) => sender.sendMany(list, resolve));
      const { gsoDatagrams, datagramsOut } = sender.stats();
      assert.strictEqual(datagramsOut, 20);
      if (disableGso)
        assert.strictEqual(gsoDatagrams, 0);
      else
        t.diagnostic(`${gsoDatagrams} by GSO without the option`);
    }
  });

  test('a bind that an option fails emits an error that names it', async (t) => {
    const socket = create(t, { bindToDevice: 'nosuchif' });
    socket.bind(0, '127.0.0.1');
    const [error] = await once(socket, 'error');
    assert.strictEqual(error.message, 'setsockopt ENODEV SO_BINDTODEVICE');
    assert.strictEqual(error.code, 'ENODEV');
    assert.strictEqual(error.option, 'SO_BINDTODEVICE');
    assert.throws(() => socket.bindSync(), { code: 'ENODEV' });
  });

  const wrong = [
    ['tos', 256, 'ERR_OUT_OF_RANGE'],
    ['tos', -1, 'ERR_OUT_OF_RANGE'],
    ['tos', 1.5, 'ERR_OUT_OF_RANGE'],
    ['tos', '8', 'ERR_INVALID_ARG_TYPE'],
    ['tos', null, 'ERR_INVALID_ARG_TYPE'],
    ['pathMtuDiscovery', 'never', 'ERR_INVALID_ARG_VALUE'],
    ['pathMtuDiscovery', 2, 'ERR_INVALID_ARG_VALUE'],
    ['pathMtuDiscovery', 'omit', 'ERR_INVALID_ARG_VALUE'],
    ['priority', 2 ** 31, 'ERR_OUT_OF_RANGE'],
    ['mark', 2 ** 32, 'ERR_OUT_OF_RANGE'],
    ['maxPacingRate', 0, 'ERR_OUT_OF_RANGE'],
    ['maxPacingRate', NaN, 'ERR_OUT_OF_RANGE'],
    ['busyPoll', -1, 'ERR_OUT_OF_RANGE'],
    ['multicastAll', 1, 'ERR_INVALID_ARG_TYPE'],
    ['freebind', 'yes', 'ERR_INVALID_ARG_TYPE'],
    ['localPortRange', 40_000, 'ERR_INVALID_ARG_TYPE'],
    ['localPortRange', [1], 'ERR_INVALID_ARG_TYPE'],
    ['localPortRange', [2, 1], 'ERR_OUT_OF_RANGE'],
    ['localPortRange', [1, 65_536], 'ERR_OUT_OF_RANGE'],
    ['txtimeClock', 'none', 'ERR_INVALID_ARG_VALUE'],
    ['txtimeClock', 'realtime', 'ERR_INVALID_ARG_VALUE'],
    ['txtimeClock', 1, 'ERR_INVALID_ARG_VALUE'],
    ['bindToDevice', 1, 'ERR_INVALID_ARG_TYPE'],
    ['bindToDevice', 'a name of 16 chr', 'ERR_INVALID_ARG_VALUE'],
    ['bindToDevice', 'lo\0', 'ERR_INVALID_ARG_VALUE'],
  ];
  for (const [name, value, code] of wrong) {
    test(`${name} of ${JSON.stringify(value)} is ${code}`, (t) => {
      assert.throws(() => create(t, { [name]: value }), { code });
      if (name !== 'bindToDevice')
        assert.throws(() => create(t).setSockopt(name, value), { code });
    });
  }

  test('a name that is none is refused, and so is a closed socket', async (t) => {
    const socket = await open(t);
    for (const name of ['ttl', 'SO_TOS', 'constructor', undefined, 5]) {
      assert.throws(() => socket.setSockopt(name, 1), { code: 'ERR_INVALID_ARG_VALUE' });
      assert.throws(() => socket.getSockopt(name), { code: 'ERR_INVALID_ARG_VALUE' });
    }
    socket.close();
    const code = 'ERR_SOCKET_DGRAM_NOT_RUNNING';
    assert.throws(() => socket.setSockopt('tos', 1), { code });
    assert.throws(() => socket.getSockopt('tos'), { code });
    assert.throws(() => socket.getMTU(), { code });
    assert.throws(() => socket.setSockopt('tos', 'none'), { code });
    assert.throws(() => socket.setSockopt('no such option', 1), { code });
  });
});

describe('the MTU of a path', only('it is an addition'), () => {
  test('getMTU() is that of the peer, or of an address', async (t) => {
    const socket = await open(t);
    const mtu = socket.getMTU('127.0.0.1');
    assert.ok(mtu >= 1280 && mtu <= 65_536, `${mtu}`);
    assert.throws(() => socket.getMTU(), { code: 'ERR_SOCKET_DGRAM_NOT_CONNECTED' });
    assert.throws(() => socket.getMTU('localhost'), { code: 'ERR_INVALID_ARG_VALUE' });
    assert.throws(() => socket.getMTU('::1'), { code: 'EINVAL' });
    socket.connect(9, '127.0.0.1');
    await once(socket, 'connect');
    assert.strictEqual(socket.getMTU(), mtu);
  });

  test('EMSGSIZE has it on a socket with pathMtuDiscovery, and on no other', async (t) => {
    const large = Buffer.alloc(65_508);
    const plain = await open(t);
    const [without] = await sent(plain, large, 9, '127.0.0.1');
    assert.strictEqual(without.code, 'EMSGSIZE');
    assert.ok(!('mtu' in without));
    const socket = await open(t, { pathMtuDiscovery: 'on', emitSendErrors: true });
    const [error] = await sent(socket, large, 9, '127.0.0.1');
    assert.strictEqual(error.mtu, socket.getMTU('127.0.0.1'));
    socket.send(large, 9, '127.0.0.1');
    const [emitted] = await once(socket, 'error');
    assert.strictEqual(emitted.mtu, error.mtu);
    const many = await new Promise((resolve) => socket.sendMany(
      [{ msg: large, port: 9, address: '127.0.0.1' }], (...result) => resolve(result)));
    assert.strictEqual(many[0].mtu, error.mtu);
  });
});

describe("'icmp'", only("the event 'icmp' is an addition"), () => {
  test('tells whose port is closed', async (t) => {
    const port = await closedPort(t);
    const socket = await open(t);
    const told = once(socket, 'icmp');
    assert.deepStrictEqual(await sent(socket, 'x', port, '127.0.0.1'), [null, 1]);
    const [report] = await told;
    assert.deepStrictEqual(report, {
      address: '127.0.0.1',
      port,
      family: 'IPv4',
      kind: 'port unreachable',
      type: 3,
      code: 3,
      reporter: '127.0.0.1',
      mtu: 0,
      error: 'ECONNREFUSED',
    });
  });

  test('tells it of IPv6', withIPv6, async (t) => {
    const socket = await open(t, { type: 'udp6' }, '::1');
    const gone = await open(t, { type: 'udp6' }, '::1');
    const { port } = gone.address();
    gone.close();
    await once(gone, 'close');
    const told = once(socket, 'icmp');
    socket.send('x', port, '::1');
    const [{ address, family, kind }] = await told;
    assert.deepStrictEqual([address, family, kind], ['::1', 'IPv6', 'port unreachable']);
  });

  test('replaces the error of a connected socket', async (t) => {
    const port = await closedPort(t);
    const socket = await open(t);
    socket.on('error', assert.ifError);
    socket.connect(port, '127.0.0.1');
    await once(socket, 'connect');
    for (let i = 0; i < 3; i++) {
      const told = once(socket, 'icmp');
      socket.send('x');
      await told;
    }
    await turn();
    const failed = new Promise((resolve) => { // without a listener all is as with the built-in
      socket.removeAllListeners('error');
      socket.once('error', resolve);
    });
    socket.send('x');
    assert.strictEqual((await failed).code, 'ECONNREFUSED');
  });

  test('is asked for by each way to add a listener, and by none to remove it', async (t) => {
    const port = await closedPort(t);
    const ways = ['on', 'addListener', 'prependListener', 'once', 'prependOnceListener'];
    for (const way of ways) {
      const socket = await open(t);
      const told = new Promise((resolve) => socket[way]('icmp', resolve));
      socket.send('x', port, '127.0.0.1');
      assert.strictEqual((await told).port, port);
      socket.removeAllListeners(...(way === 'on' ? [] : ['icmp']));
      socket.on('error', assert.ifError);
      socket.send('x', port, '127.0.0.1');
      await turn();
      assert.strictEqual(socket.listenerCount('icmp'), 0);
      socket.close();
    }
  });

  test('a listener may be added before the bind, and may close the socket', async (t) => {
    const port = await closedPort(t);
    const socket = create(t);
    let calls = 0;
    socket.on('icmp', () => {
      calls++;
      socket.close();
    });
    for (let i = 0; i < 5; i++) socket.send('x', port, '127.0.0.1');
    await once(socket, 'close');
    assert.strictEqual(calls, 1);
    socket.on('icmp', assert.fail); // nothing happens any more
    socket.off('icmp', assert.fail);
  });

  test('an exception of a listener is an uncaught one, and the next reports come', async (t) => {
    const port = await closedPort(t);
    const socket = await open(t);
    const caught = [];
    const reports = [];
    const listener = (report) => {
      reports.push(report);
      if (reports.length === 1) throw new Error('of a listener');
    };
    process.setUncaughtExceptionCaptureCallback((error) => caught.push(error.message));
    t.after(() => process.setUncaughtExceptionCaptureCallback(null));
    socket.on('icmp', listener);
    for (let i = 0; i < 3; i++) {
      socket.send('x', port, '127.0.0.1');
      await turn();
    }
    assert.deepStrictEqual(caught, ['of a listener']);
    assert.strictEqual(reports.length, 3);
  });
});

'use strict';
// Socket options and addresses (B45 to B47, B50).

const { scenario } = require('../registry.js');
const { ipv6 } = require('../needs.js');

const strange = [undefined, null, NaN, 0, -1, 1, 255, 256, 1.9, -0, 2 ** 31, 2 ** 32 + 5, Infinity, '5', '', true, false,
  {}, [], [5], 5n, Symbol('value'), () => {}, new Number(5), { valueOf: () => 5 }];

for (const method of ['setTTL', 'setMulticastTTL', 'setBroadcast', 'setMulticastLoopback']) {
  scenario(`B46 ${method} with every kind of value`, async ({ bound, attempt, show, close }) => {
    const a = await bound('a');
    attempt('nothing', () => a[method]());
    for (const value of strange) attempt(`${method} ${show(value)}`, () => a[method](value));
    await close(a);
  });

  scenario(`B46 ${method} on udp6`, { needs: ipv6 }, async ({ bound, attempt, show, close }) => {
    const a = await bound('a', 'udp6');
    for (const value of [0, 1, 255, 256, true, false, -1]) attempt(`${method} ${show(value)}`, () => a[method](value));
    await close(a);
  });

  scenario(`B46 ${method} on a new socket`, async ({ socket, attempt, show, close }) => {
    const a = socket('a');
    for (const value of [1, true, 256, 'x']) attempt(`${method} ${show(value)}`, () => a[method](value));
    await close(a);
  });
}

for (const method of ['setRecvBufferSize', 'setSendBufferSize']) {
  const getter = method.replace('set', 'get');

  scenario(`B50 ${method} with every kind of value`, async ({ bound, attempt, show, close }) => {
    const a = await bound('a');
    attempt('nothing', () => a[method]());
    const sizes = [...strange, 2 ** 31 - 1, 2 ** 32 - 1, 2 ** 32].filter((one) => !Object.is(one, -0));
    for (const value of sizes) {
      attempt(`${method} ${show(value)}`, () => a[method](value));
      attempt(getter, () => a[getter]());
    }
    await close(a);
  });

  scenario(`B50 ${method} with -0`, { crashes: true }, async ({ bound, attempt, close }) => {
    const a = await bound('a');
    attempt(method, () => a[method](-0));
    await close(a);
  });

  scenario(`B50 ${method} on a new socket`, async ({ socket, attempt, close }) => {
    const a = socket('a');
    attempt(method, () => a[method](1000));
    attempt('bad', () => a[method](-1));
    attempt(getter, () => a[getter]());
    await close(a);
  });

  scenario(`B50 what ${method} sets`, async ({ bound, attempt, close }) => {
    const a = await bound('a');
    for (const size of [10000, 20001, 100000]) {
      attempt(method, () => a[method](size));
      attempt(getter, () => a[getter]());
    }
    attempt(`${getter} with arguments`, () => a[getter](1, 2));
    await close(a);
  });
}

scenario('B50 the error of a buffer size, and its info', async ({ socket, log, close }) => {
  const a = socket('a');
  try {
    a.getRecvBufferSize();
  } catch (error) {
    log('class', error instanceof Error, error.constructor.name, error.name, String(error));
    log('keys', Object.keys(error), Object.getOwnPropertyNames(error));
    log('info', error.info, Object.keys(error.info), Object.getPrototypeOf(error.info) === Object.prototype);
    error.errno = -5;
    error.syscall = 'other';
    log('written', error.errno, error.syscall, error.info);
    try { error.info = 1; } catch (denied) { log('info can\'t be written', denied); }
    log('json', JSON.stringify(error));
  }
  await close(a);
});

scenario('B5 errors as they are printed', async ({ bound, socket, log, close }) => {
  const { inspect } = require('node:util');
  const print = (call) => {
    try { call(); } catch (error) {
      const lines = inspect(error).split('\n').filter((line) => !/^ {4}at /.test(line));
      lines.forEach((line) => log(`  ${line}`));
    }
  };
  const a = socket('a');
  print(() => a.address());
  print(() => a.setTTL('5'));
  print(() => a.getSendBufferSize());
  print(() => a.setSendBufferSize(-1));
  print(() => a.connect(0));
  print(() => a.send(5));
  print(() => a.disconnect());
  await close(a);
  print(() => a.close());
});

scenario('B5 errors: keys, chain, JSON, toString', async ({ bound, socket, log, close }) => {
  const report = (text, call) => {
    try { call(); } catch (error) {
      log(text, Object.keys(error), JSON.stringify(error), `${error}`, error.toString === Error.prototype.toString,
        error instanceof Error, Object.prototype.toString.call(error));
      const prototypes = [];
      for (let one = error; one; one = Object.getPrototypeOf(one)) prototypes.push(one.constructor.name);
      log('  chain', prototypes);
    }
  };
  const a = socket('a');
  report('system', () => a.address());
  report('argument', () => a.setTTL('5'));
  report('range', () => a.connect(0));
  report('buffer size', () => a.setSendBufferSize(-1));
  report('state', () => a.disconnect());
  report('missing', () => a.addMembership());
  report('type', () => new a.constructor('x'));
  await close(a);
  report('closed', () => a.close());
});

scenario('B5 an error\'s code and name can be written', async ({ socket, log, close }) => {
  const a = socket('a');
  try {
    a.disconnect();
  } catch (error) {
    error.code = 'MINE';
    error.name = 'Mine';
    log('written', error);
  }
  await close(a);
});

scenario('B5 the stack of an error begins at the caller', async ({ socket, log, close }) => {
  const a = socket('a');
  function theCaller() { return a.setTTL('5'); }
  try {
    theCaller();
  } catch (error) {
    log('named', /theCaller/.test(error.stack));
  }
  await close(a);
});

scenario('B45 address', async ({ bound, socket, attempt, log, close }) => {
  const a = socket('a');
  attempt('new', () => a.address());
  const b = await bound('b');
  attempt('bound', () => b.address());
  log('a fresh object', b.address() !== b.address(), Object.getPrototypeOf(b.address()) === Object.prototype);
  log('keys', Object.keys(b.address()));
  await close(a, b);
});

scenario('B45 address and remoteAddress of udp6', { needs: ipv6 }, async ({ bound, event, attempt, close }) => {
  const b = await bound('b', 'udp6');
  const a = await bound('a', 'udp6');
  a.connect(b.address().port, '::1');
  await event(a, 'connect');
  attempt('address', () => a.address());
  attempt('remoteAddress', () => a.remoteAddress());
  await close(a, b);
});

scenario('B45 B31 remoteAddress', async ({ pair, attempt, log, close }) => {
  const { a, b } = await pair();
  attempt('connected', () => a.remoteAddress());
  log('keys', Object.keys(a.remoteAddress()));
  attempt('of the peer', () => b.remoteAddress());
  await close(a, b);
});

scenario('B47 setMulticastInterface', async ({ bound, socket, attempt, show, close }) => {
  const a = await bound('a');
  const values = [undefined, null, 1, {}, [], true, new String('127.0.0.1'), '', 'x', '127.0.0.1', '0.0.0.0',
    '203.0.113.9', '::1', '127.0.0.1 ', '127.1', '::%lo', '127.0.0.1\0', '256.0.0.1'];
  for (const value of values) attempt(`to ${show(value)}`, () => a.setMulticastInterface(value));
  const b = socket('b');
  for (const value of [5, '', 'x', '127.0.0.1']) attempt(`new, to ${show(value)}`, () => b.setMulticastInterface(value));
  await close(a, b);
});

scenario('B47 setMulticastInterface on udp6', { needs: ipv6 }, async ({ bound, attempt, show, close }) => {
  const a = await bound('a', 'udp6');
  for (const value of ['::%lo', '::1%lo', '::', '::1', '127.0.0.1', '::%nothing', '%lo', '::%1', '']) {
    attempt(`to ${show(value)}`, () => a.setMulticastInterface(value));
  }
  await close(a);
});

scenario('B46 a TTL that is set, then a send', async ({ bound, attempt, arrived, close }) => {
  const a = await bound('a');
  attempt('setTTL', () => a.setTTL(1));
  a.send('x', a.address().port, '127.0.0.1');
  await arrived(a);
  await close(a);
});

scenario('B46 broadcast is allowed, then not', async ({ bound, awaited, freePort, attempt, close }) => {
  const a = await bound('a');
  const port = await freePort();
  attempt('on', () => a.setBroadcast(true));
  await awaited('sent', (done) => a.send('x', port, '127.255.255.255', done));
  attempt('off', () => a.setBroadcast(false));
  await awaited('sent', (done) => a.send('x', port, '127.255.255.255', done));
  await close(a);
});

scenario('B46 more arguments than a setter has', async ({ bound, attempt, close }) => {
  const a = await bound('a');
  attempt('setTTL', () => a.setTTL(5, 6, 7));
  attempt('setBroadcast', () => a.setBroadcast(true, () => {}));
  attempt('address', () => a.address(1));
  attempt('ref', () => a.ref(1, 2));
  await close(a);
});

'use strict';
// bind: its forms, its coercions, its errors, and what it does in which order (B18 to B23).

const dns = require('node:dns');
const { scenario } = require('../registry.js');
const { ipv6, linux } = require('../needs.js');

/** Binds in some way, and traces the outcome. */
async function outcome(tools, text, options, call) {
  const one = tools.socket(text, options);
  const done = Promise.race([tools.event(one, 'listening'), tools.event(one, 'error')]);
  const returned = tools.attempt(`${text} bind`, () => call(one));
  if (!returned) return tools.close(one);
  await done;
  tools.attempt(`${text} address`, () => one.address());
  tools.counts(one);
  return tools.close(one);
}

/* The forms */

const forms = {
  'bind()': (one) => one.bind(),
  'bind(port)': (one) => one.bind(0),
  'bind(port, address)': (one) => one.bind(0, '127.0.0.1'),
  'bind(port, address, callback)': (one, done) => one.bind(0, '127.0.0.1', done),
  'bind(port, callback)': (one, done) => one.bind(0, done),
  'bind(callback)': (one, done) => one.bind(done),
  'bind(port, null, callback)': (one, done) => one.bind(0, null, done),
  'bind(undefined, undefined, callback)': (one, done) => one.bind(undefined, undefined, done),
  'bind(null, callback)': (one, done) => one.bind(null, done),
  'bind({})': (one) => one.bind({}),
  'bind({ port })': (one) => one.bind({ port: 0 }),
  'bind({ address })': (one) => one.bind({ address: '127.0.0.1' }),
  'bind({ port, address, exclusive })': (one) => one.bind({ port: 0, address: '127.0.0.1', exclusive: true }),
  'bind({ port, address }, callback)': (one, done) => one.bind({ port: 0, address: '127.0.0.1' }, done),
  'bind({ port }, undefined, callback)': (one, done) => one.bind({ port: 0 }, undefined, done),
  'bind({ port }, address)': (one) => one.bind({ port: 0 }, '127.0.0.1'),
  'bind(port, address, undefined)': (one) => one.bind(0, '127.0.0.1', undefined),
  'bind(port, address, not a function)': (one) => one.bind(0, '127.0.0.1', 'done'),
  'bind(port, address, callback, more)': (one, done) => one.bind(0, '127.0.0.1', done, 1),
  'bind(port, address, 1, callback)': (one, done) => one.bind(0, '127.0.0.1', 1, done),
};

for (const [form, call] of Object.entries(forms)) {
  scenario(`B18 ${form}`, (tools) => outcome(tools, 'a', 'udp4', (one) => call(one, tools.traced('callback'))));
}

scenario('B18 B20 udp6', { needs: ipv6 }, async (tools) => {
  await outcome(tools, 'bind()', 'udp6', (one) => one.bind());
  await outcome(tools, 'bind(port, address)', 'udp6', (one) => one.bind(0, '::1'));
  await outcome(tools, 'falsy address', 'udp6', (one) => one.bind(0, ''));
});

scenario('B20 falsy addresses are the wildcard', async (tools) => {
  for (const address of ['', 0, false, NaN, null, undefined]) {
    await outcome(tools, tools.show(address), 'udp4', (one) => one.bind({ port: 0, address }));
  }
});

scenario('B20 addresses that are no strings', async (tools) => {
  const addresses = [1, true, {}, [], 5n, Symbol('host'), new String('127.0.0.1'), () => '127.0.0.1',
    { toString: () => '127.0.0.1' }, Buffer.from('127.0.0.1')];
  for (const address of addresses) {
    const one = tools.socket('a');
    tools.attempt(`bind to ${tools.show(address)}`, () => one.bind({ port: 0, address }));
    tools.attempt('again', () => one.bind(0));
    await tools.close(one);
  }
});

scenario('B20 a name', async (tools) => {
  await outcome(tools, 'localhost', 'udp4', (one) => one.bind(0, 'localhost'));
});

/* Twice */

scenario('B18 while binding, and when bound', async ({ socket, attempt, event, close }) => {
  const a = socket('a');
  a.bind(0, '127.0.0.1');
  attempt('while binding', () => a.bind(0));
  await event(a, 'listening');
  attempt('when bound', () => a.bind({ fd: 1 }));
  await close(a);
  attempt('when closed', () => a.bind(0));
});

scenario('B18 a refused bind adds no listeners', async ({ socket, attempt, event, close, counts }) => {
  const a = socket('a');
  a.bind(0, '127.0.0.1');
  attempt('while binding', () => a.bind(0, () => {}));
  counts(a);
  await event(a, 'listening');
  attempt('when bound', () => a.bind(0, () => {}));
  counts(a);
  await close(a);
});

scenario('B18 listeners come and go', async ({ dgram, event, close, log }) => {
  const a = dgram.createSocket('udp4');
  a.on('newListener', (type) => log('new', String(type)));
  a.on('removeListener', (type) => log('removed', String(type)));
  a.bind(0, '127.0.0.1', () => log('callback'));
  log('bind returned');
  await event(a, 'listening');
  await close(a);
});

scenario('B18 listeners come and go when bind fails', async ({ dgram, event, close, log, builtinPeer }) => {
  const b = await builtinPeer();
  const a = dgram.createSocket('udp4');
  a.on('error', () => log('error'));
  a.on('newListener', (type) => log('new', String(type)));
  a.on('removeListener', (type) => log('removed', String(type)));
  a.bind(b.port, '127.0.0.1', () => log('callback'));
  await event(a, 'error');
  await close(a);
  await b.close();
});

/* Ports */

scenario('B19 a port of 16 bits is what counts', async (tools) => {
  const shapes = [(port) => port, (port) => port + 65536, (port) => port - 65536, (port) => String(port), (port) => `  ${port} `,
    (port) => `0x${port.toString(16)}`, (port) => port + 0.9, (port) => ({ valueOf: () => port }), (port) => [port],
    (port) => new Number(port), (port) => port + 2 ** 32, (port) => new String(port)];
  for (const shape of shapes) {
    const port = await tools.freePort();
    const one = tools.dgram.createSocket('udp4');
    const failed = tools.event(one, 'error').then(([error]) => error.code);
    one.bind({ port: shape(port), address: '127.0.0.1' });
    const bound = tools.event(one, 'listening').then(() => one.address().port === port);
    tools.log(`${shape}`, await Promise.race([bound, failed]));
    await tools.close(one);
  }
});

scenario('B19 ports that come out as 0', async (tools) => {
  for (const port of ['abc', NaN, null, undefined, '', 65536, Infinity, false, [], () => {}, 0.5, -0]) {
    const one = tools.dgram.createSocket('udp4');
    tools.attempt(`bind ${tools.show(port)}`, () => one.bind({ port, address: '127.0.0.1' }) === one);
    await tools.event(one, 'listening');
    tools.log('a port of the system\'s choice', one.address().port > 1024);
    await tools.close(one);
  }
});

for (const [text, port] of [['a symbol', Symbol('port')], ['a BigInt', 5n]]) {
  scenario(`B19 ${text} as port`, { uncaught: true }, async ({ socket, attempt, turns }) => {
    const a = socket('a');
    attempt('bind', () => a.bind(port, '127.0.0.1'));
    await turns(2);
    attempt('again', () => a.bind(0, '127.0.0.1'));
    attempt('close', () => a.close());
  });
}

scenario('B19 an object as port is read when the address is known', async ({ socket, event, close, log }) => {
  const a = socket('a');
  const port = { valueOf() { log('read'); return 0; } };
  a.bind({ port, address: '127.0.0.1' });
  log('bind returned');
  await event(a, 'listening');
  await close(a);
});

scenario('B19 an object as port that throws', { uncaught: true }, async ({ socket, turns, attempt }) => {
  const a = socket('a');
  const port = { valueOf() { throw new Error('no port'); } };
  attempt('bind', () => a.bind({ port, address: '127.0.0.1' }));
  await turns(2);
  attempt('address', () => a.address());
  a.close();
});

scenario('B18 the options of bind in the order in which they are read', async ({ socket, event, close, log }) => {
  const read = [];
  const a = socket('a');
  const options = new Proxy({ port: 0, address: '127.0.0.1' }, {
    get(target, key) { read.push(`get ${String(key)}`); return target[key]; },
    has(target, key) { read.push(`has ${String(key)}`); return key in target; },
  });
  a.bind(options);
  read.push('returned');
  await event(a, 'listening');
  read.forEach((line) => log(line));
  await close(a);
});

scenario('B18 an option of bind whose getter throws', async ({ socket, attempt, close }) => {
  for (const name of ['port', 'address', 'fd', 'exclusive', 'recvStart']) {
    const a = socket(`a of ${name}`);
    const options = Object.defineProperty({ port: 0 }, name, { get() { throw new Error(`no ${name}`); } });
    const returned = attempt(`bind with ${name}`, () => a.bind(options));
    if (!returned) attempt('again', () => a.bind(0, '127.0.0.1'));
    await close(a);
  }
});

/* When */

scenario('B20 when \'listening\' comes', async ({ socket, clocks, event, close, log }) => {
  const a = socket('a');
  clocks('before');
  a.bind(0, '127.0.0.1');
  log('bind returned');
  clocks('after');
  await event(a, 'listening');
  await close(a);
});

scenario('B20 the callback and the listeners of \'listening\' in their order', async ({ dgram, traced, event, close }) => {
  const a = dgram.createSocket('udp4');
  a.on('listening', traced('before bind'));
  a.bind(0, '127.0.0.1', traced('callback'));
  a.on('listening', traced('after bind'));
  a.prependListener('listening', traced('in front'));
  await event(a, 'listening');
  await close(a);
});

scenario('B20 several sockets at once', async ({ socket, event, close, clocks }) => {
  const sockets = ['a', 'b', 'c'].map((text) => socket(text));
  for (const one of sockets) {
    one.bind(0, '127.0.0.1');
    clocks('between');
  }
  await event(sockets[2], 'listening');
  await close(...sockets);
});

const lookups = {
  'answers at once': (name, family, done) => done(null, '127.0.0.1', 4),
  'answers in the next tick': (name, family, done) => process.nextTick(done, null, '127.0.0.1', 4),
  'answers in a microtask': (name, family, done) => queueMicrotask(() => done(null, '127.0.0.1', 4)),
  'answers in an immediate': (name, family, done) => setImmediate(done, null, '127.0.0.1', 4),
  'answers only an address': (name, family, done) => setImmediate(done, undefined, '127.0.0.1'),
  'is asynchronous': async (name, family, done) => done(null, '127.0.0.1', 4),
  'fails at once': (name, family, done) => done(Object.assign(new Error('not found'), { code: 'ENOTFOUND' })),
  'fails later': (name, family, done) => setImmediate(done, Object.assign(new Error('not found'), { code: 'ENOTFOUND' })),
  'fails with a string': (name, family, done) => setImmediate(done, 'not found'),
  'answers another family': (name, family, done) => setImmediate(done, null, '::1', 6),
  'answers a name': (name, family, done) => setImmediate(done, null, 'localhost', 4),
  'answers an empty string': (name, family, done) => setImmediate(done, null, '', 4),
  'answers a zero inside': (name, family, done) => setImmediate(done, null, '127.0.0.1\0.com', 4),
  'answers an object that is a string': (name, family, done) => setImmediate(done, null, { toString: () => '127.0.0.1' }),
};

for (const [what, lookup] of Object.entries(lookups)) {
  scenario(`B20 a lookup that ${what}`, { uncaught: true }, async ({ socket, clocks, turns, log, attempt, counts }) => {
    const a = socket('a', { type: 'udp4', lookup });
    clocks('before');
    a.bind(0, 'host');
    log('bind returned');
    await turns(3);
    attempt('address', () => a.address());
    counts(a);
    a.close();
  });
}

for (const [text, answers] of Object.entries({
  'nothing': [], 'no address': [null], 'a number': [null, 1], 'a list': [null, [{ address: '127.0.0.1', family: 4 }]],
  'null': [null, null],
})) {
  scenario(`B20 a lookup that answers ${text}`, { uncaught: true }, async ({ socket, turns, attempt }) => {
    const a = socket('a', { type: 'udp4', lookup: (name, family, done) => setImmediate(done, ...answers) });
    a.bind(0, 'host');
    await turns(3);
    attempt('again', () => a.bind(0));
    a.close();
  });
}

scenario('B20 a lookup that throws', async ({ socket, attempt, counts, close }) => {
  const a = socket('a', { type: 'udp4', lookup: () => { throw new Error('no names today'); } });
  attempt('bind', () => a.bind(0, 'host'));
  attempt('again', () => a.bind(0, 'host'));
  counts(a);
  await close(a);
});

scenario('B20 a lookup that answers and throws', async ({ socket, attempt, close }) => {
  const lookup = (name, family, done) => {
    done(null, '127.0.0.1', 4);
    throw new Error('after the answer');
  };
  const a = socket('a', { type: 'udp4', lookup });
  attempt('bind', () => a.bind(0, 'host'));
  attempt('address', () => a.address());
  await close(a);
});

scenario('B20 a lookup that answers twice', { uncaught: true }, async ({ socket, turns, attempt, counts }) => {
  const lookup = (name, family, done) => {
    setImmediate(done, null, '127.0.0.1', 4);
    setImmediate(done, null, '127.0.0.1', 4);
  };
  const a = socket('a', { type: 'udp4', lookup });
  a.bind(0, 'host');
  await turns(3);
  attempt('address', () => a.address());
  counts(a);
  a.close();
});

scenario('B20 a lookup that fails, then answers', { uncaught: true }, async ({ socket, turns, attempt, counts }) => {
  const lookup = (name, family, done) => {
    setImmediate(done, new Error('first'));
    setImmediate(done, null, '127.0.0.1', 4);
  };
  const a = socket('a', { type: 'udp4', lookup });
  a.bind(0, 'host');
  await turns(3);
  attempt('address', () => a.address());
  counts(a);
  a.close();
});

scenario('B20 the name that the lookup gets for the wildcard', async ({ socket, event, close, log }) => {
  const lookup = (name, family, done) => {
    log('lookup', name, family);
    dns.lookup(name, family, done);
  };
  const a = socket('a', { type: 'udp4', lookup });
  a.bind();
  await event(a, 'listening');
  await close(a);
});

scenario('B20 B55 a patched dns.lookup and literals', { alone: true }, async ({ socket, event, close, log }) => {
  const { lookup } = dns;
  dns.lookup = (name, ...more) => {
    log('dns.lookup', name);
    return lookup(name, ...more);
  };
  for (const address of [undefined, '127.0.0.1', 'localhost']) {
    const a = socket('a');
    a.bind(0, address);
    await event(a, 'listening');
    await close(a);
  }
});

scenario('B15 the answer of a lookup after close', async ({ socket, log, event, turns }) => {
  const a = socket('a', {
    type: 'udp4',
    lookup: (name, family, done) => setImmediate(() => log('answered') || done(null, '127.0.0.1', 4)),
  });
  a.bind(0, 'host', () => log('callback'));
  a.close();
  await event(a, 'close');
  await turns(3);
});

scenario('B15 the error of a lookup after close', async ({ socket, event, turns }) => {
  const a = socket('a', { type: 'udp4', lookup: (name, family, done) => setImmediate(done, new Error('too late')) });
  a.bind(0, 'host');
  a.close();
  await event(a, 'close');
  await turns(3);
});

scenario('B15 a lookup that closes the socket and answers', async ({ socket, turns, attempt }) => {
  const a = socket('a', {
    type: 'udp4',
    lookup(name, family, done) {
      a.close();
      done(null, '127.0.0.1', 4);
    },
  });
  attempt('bind', () => a.bind(0, 'host'));
  await turns(2);
});

/* Errors */

scenario('B21 EADDRINUSE', async ({ socket, builtinPeer, event, close, counts, clocks }) => {
  const b = await builtinPeer();
  const a = socket('a');
  clocks('before');
  a.bind(b.port, '127.0.0.1');
  await event(a, 'error');
  counts(a);
  await close(a);
  await b.close();
});

scenario('B21 EADDRNOTAVAIL, with and without a port', async ({ socket, freePort, event, close }) => {
  const a = socket('a');
  a.bind(0, '203.0.113.9');
  await event(a, 'error');
  a.bind(await freePort(), '203.0.113.9');
  await event(a, 'error');
  await close(a);
});

scenario('B21 the other family', { needs: ipv6 }, async ({ socket, event, close }) => {
  for (const [type, address] of [['udp4', '::1'], ['udp6', '127.0.0.1']]) {
    const a = socket(type, type);
    a.bind(0, address);
    await event(a, 'error');
    await close(a);
  }
});

scenario('B18 B21 bind again after an error', async ({ socket, builtinPeer, event, close, attempt, counts }) => {
  const b = await builtinPeer();
  const a = socket('a');
  a.bind(b.port, '127.0.0.1');
  await event(a, 'error');
  attempt('address', () => a.address());
  a.bind(0, '127.0.0.1');
  await event(a, 'listening');
  counts(a);
  await close(a);
  await b.close();
});

scenario('B21 bind again in the listener of \'error\'', async ({ socket, builtinPeer, event, close }) => {
  const b = await builtinPeer();
  const a = socket('a');
  a.once('error', () => a.bind(0, '127.0.0.1'));
  a.bind(b.port, '127.0.0.1');
  await event(a, 'listening');
  await close(a);
  await b.close();
});

scenario('B18 the callback of a failed bind is not called later', async ({ socket, builtinPeer, event, close, traced, counts }) => {
  const b = await builtinPeer();
  const a = socket('a');
  a.bind(b.port, '127.0.0.1', traced('first'));
  await event(a, 'error');
  counts(a);
  a.bind(0, '127.0.0.1', traced('second'));
  await event(a, 'listening');
  counts(a);
  await close(a);
  await b.close();
});

scenario('B18 B56 a failed bind with a callback and no listener of \'error\'', { uncaught: true },
  async ({ dgram, watch, builtinPeer, turns, traced, attempt }) => {
    const b = await builtinPeer();
    const a = watch('a', dgram.createSocket('udp4'), 'listening', 'close');
    a.bind(b.port, '127.0.0.1', traced('callback'));
    await turns(3);
    attempt('address', () => a.address());
    a.close();
    await b.close();
  });

scenario('B18 a failed bind without a callback or a listener', { uncaught: true },
  async ({ dgram, watch, builtinPeer, turns, attempt, event }) => {
    const b = await builtinPeer();
    const a = watch('a', dgram.createSocket('udp4'), 'listening', 'close');
    a.bind(b.port, '127.0.0.1');
    await turns(3);
    attempt('again', () => a.bind(0, '127.0.0.1'));
    await event(a, 'listening');
    a.close();
    await b.close();
  });

scenario('B18 twenty failures', async ({ socket, builtinPeer, event, close, counts }) => {
  const b = await builtinPeer();
  const a = socket('a');
  for (let i = 0; i < 20; i++) {
    a.bind(b.port, '127.0.0.1', () => {});
    await event(a, 'error');
  }
  counts(a);
  await close(a);
  await b.close();
});

scenario('B21 the error of a lookup is given on as it is', async ({ dgram, event, close, log }) => {
  const error = new Error('no such host');
  const a = dgram.createSocket({ type: 'udp4', lookup: (name, family, done) => setImmediate(done, error) });
  a.bind(0, 'host');
  log('the same', (await event(a, 'error'))[0] === error);
  await close(a);
});

scenario('B21 a listener of \'error\' that throws', { uncaught: true }, async ({ socket, builtinPeer, turns, attempt, event }) => {
  const b = await builtinPeer();
  const a = socket('a');
  a.once('error', () => { throw new Error('in the listener'); });
  a.bind(b.port, '127.0.0.1');
  await turns(3);
  attempt('again', () => a.bind(0, '127.0.0.1'));
  await event(a, 'listening');
  a.close();
  await b.close();
});

/* What the kernel sees */

scenario('B22 two sockets on one port with reuseAddr', async ({ socket, bind, event, close }) => {
  const a = socket('a', { type: 'udp4', reuseAddr: true });
  const port = await bind(a);
  const b = socket('b', { type: 'udp4', reuseAddr: true });
  b.bind(port, '127.0.0.1');
  await event(b, 'listening');
  await close(a, b);
});

scenario('B22 two sockets on one port, the first without reuseAddr', async ({ socket, bind, event, close }) => {
  const a = socket('a');
  const port = await bind(a);
  const b = socket('b', { type: 'udp4', reuseAddr: true });
  b.bind(port, '127.0.0.1');
  await event(b, 'error');
  await close(a, b);
});

for (const ipv6Only of [true, false]) {
  scenario(`B22 the wildcard of udp6 with ipv6Only ${ipv6Only}`, { needs: ipv6 },
    async ({ socket, event, close }) => {
      const a = socket('a', { type: 'udp6', ipv6Only });
      a.bind(0);
      await event(a, 'listening');
      const b = socket('b');
      b.bind(a.address().port, '127.0.0.1');
      await Promise.race([event(b, 'listening'), event(b, 'error')]);
      await close(a, b);
    });
}

scenario('B22 the flags of the descriptor', { alone: true, needs: linux }, async ({ socket, bind, close, log }) => {
  const fs = require('node:fs');
  const open = () => fs.readdirSync('/proc/self/fd').filter((fd) => fs.existsSync(`/proc/self/fdinfo/${fd}`));
  const before = open();
  const a = socket('a');
  await bind(a);
  for (const fd of open().filter((one) => !before.includes(one))) {
    const info = fs.readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1');
    log('flags', /flags:\s+(\d+)/.exec(info)[1]);
  }
  await close(a);
});

scenario('B23 it receives from bind on, without a listener of \'message\'', async ({ dgram, bind, builtinPeer, turns, close, log }) => {
  const a = dgram.createSocket('udp4');
  const port = await bind(a);
  const b = await builtinPeer();
  b.socket.send('lost', port, '127.0.0.1');
  await turns(3);
  a.on('message', (msg) => log('got', msg));
  b.socket.send('kept', port, '127.0.0.1');
  await turns(3);
  await close(a);
  await b.close();
});

scenario('B23 what works in \'listening\'', async ({ socket, attempt, event, close, arrived }) => {
  const a = socket('a');
  a.on('listening', () => {
    attempt('address', () => a.address());
    attempt('setTTL', () => a.setTTL(9));
    attempt('setBroadcast', () => a.setBroadcast(true));
    attempt('send', () => a.send('x', a.address().port, '127.0.0.1'));
    attempt('bind', () => a.bind(0));
  });
  a.bind(0, '127.0.0.1');
  await arrived(a);
  await close(a);
});

scenario('B23 a listener of \'listening\' that throws', { uncaught: true }, async ({ socket, turns, attempt }) => {
  const a = socket('a');
  a.on('listening', () => { throw new Error('in the listener'); });
  a.bind(0, '127.0.0.1', () => { throw new Error('in the callback'); });
  await turns(2);
  attempt('address', () => a.address());
  a.close();
});

/* Zones */

const zones = ['::1%nosuch', '::1%lo', '::1%1', '::1%99', '::1%', '::1%0', '::1%-1', '::1%lo ', '::%nosuch', '::%lo',
  '::%', 'fe80::1%nosuch', 'fe80::1%1', '::ffff:127.0.0.1%nosuch', '127.0.0.1%lo', '%lo', `::1%${'a'.repeat(100)}`];

const addressReaders = {
  bind: (one, address) => one.bind(0, address),
  connect: (one, address) => one.connect(9, address),
  send: (one, address, done) => one.send('x', 9, address, done),
};

for (const [method, call] of Object.entries(addressReaders)) {
  for (const family of ['udp4', 'udp6']) {
    // The look-up passes on what it is given: the socket itself has to read it.
    const lookup = (hostname, _, done) => process.nextTick(done, null, hostname, 6);
    scenario(`B19 B28 B30 ${method} to addresses with a zone, ${family}`, { needs: ipv6 },
      async ({ dgram, log, close }) => {
        for (const zone of zones) {
          const one = dgram.createSocket({ type: family, lookup });
          const [error] = await new Promise((resolve) => {
            one.once('error', (...values) => resolve(values));
            if (method !== 'send') one.once(method === 'bind' ? 'listening' : 'connect', () => resolve([]));
            call(one, zone, (...values) => resolve(values));
          });
          log(zone, error ? error.message : 'no error');
          await close(one);
        }
      });
  }
}

scenario('B18 B19 the port that the error of bind shows', async ({ dgram, event, log, show, close }) => {
  for (const port of [1, '1', 70000, '70000', 65536, -1, 1.5, NaN, 'x', '', true, false, null, undefined]) {
    const one = dgram.createSocket('udp4');
    const failed = event(one, 'error');
    one.bind(port, '203.0.113.9');
    const [error] = await failed;
    log(show(port), error);
    await close(one);
  }
});

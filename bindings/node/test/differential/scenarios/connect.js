'use strict';
// connect, disconnect, remoteAddress (B28 to B32).

const { scenario } = require('../registry.js');
const { ipv6, linux } = require('../needs.js');

const forms = {
  'connect(port)': (one, port) => one.connect(port),
  'connect(port, callback)': (one, port, done) => one.connect(port, done),
  'connect(port, address)': (one, port) => one.connect(port, '127.0.0.1'),
  'connect(port, address, callback)': (one, port, done) => one.connect(port, '127.0.0.1', done),
  'connect(port, undefined, callback)': (one, port, done) => one.connect(port, undefined, done),
  'connect(port, empty, callback)': (one, port, done) => one.connect(port, '', done),
  'connect(port, name, callback)': (one, port, done) => one.connect(port, 'localhost', done),
  'connect(port, callback, another)': (one, port, done) => one.connect(port, done, () => { throw new Error('no'); }),
  'connect(digits)': (one, port) => one.connect(String(port)),
};

for (const [form, call] of Object.entries(forms)) {
  scenario(`B28 ${form}`, async ({ bound, socket, event, traced, attempt, arrived, close, counts }) => {
    const b = await bound('b');
    const a = socket('a');
    attempt('connect', () => call(a, b.address().port, traced('callback')));
    await event(a, 'connect');
    attempt('remoteAddress', () => a.remoteAddress());
    counts(a);
    a.send('hello');
    await arrived(b);
    await close(a, b);
  });

  scenario(`B28 B29 ${form} when bound`, async ({ bound, event, traced, attempt, clocks, close }) => {
    const b = await bound('b');
    const a = await bound('a');
    const tick = form.includes('name') ? () => {} : clocks; // a name takes how long it takes
    tick('before');
    attempt('connect', () => call(a, b.address().port, traced('callback')));
    tick('after');
    await event(a, 'connect');
    await close(a, b);
  });
}

scenario('B28 bad ports', async ({ socket, attempt, show, close, counts }) => {
  const a = socket('a');
  const ports = [undefined, null, 0, '0', '', ' ', -1, 65536, 1.5, NaN, Infinity, 'abc', true, {}, [], [80], 80n,
    Symbol('port'), () => {}, new Number(80), '0x'];
  for (const port of ports) attempt(`connect ${show(port)}`, () => a.connect(port));
  attempt('connect', () => a.connect());
  counts(a);
  await close(a);
});

scenario('B28 ports as strings', async ({ socket, bound, attempt, event, close, log }) => {
  const b = await bound('b');
  const { port } = b.address();
  for (const text of [`${port}`, ` ${port} `, `0x${port.toString(16)}`, `${port}.0`, `+${port}`]) {
    const a = socket('a');
    if (attempt('connect', () => a.connect(text) || 1)) {
      await event(a, 'connect');
      log('the port', a.remoteAddress().port === port);
    }
    await close(a);
  }
  await close(b);
});

scenario('B28 bad addresses', async ({ socket, attempt, show, close, freePort }) => {
  const a = socket('a');
  const port = await freePort();
  for (const address of [null, 0, 1, true, false, {}, [], 5n, Symbol('host'), new String('127.0.0.1')]) {
    attempt(`connect to ${show(address)}`, () => a.connect(port, address));
  }
  await close(a);
});

scenario('B28 the order of the checks', async ({ socket, pair, attempt, close }) => {
  const { a, b } = await pair();
  attempt('bad port', () => a.connect(0, 5));
  attempt('bad address', () => a.connect(9, 5));
  attempt('connected', () => a.connect(9));
  await close(a, b);
  attempt('bad port, closed', () => a.connect(0, 5));
  attempt('connected, closed', () => a.connect(9));
  const c = socket('c');
  await close(c);
  attempt('closed', () => c.connect(9));
  attempt('bad port, closed', () => c.connect(0));
});

scenario('B28 while connecting', async ({ bound, socket, event, attempt, close }) => {
  const b = await bound('b');
  const { port } = b.address();
  const a = socket('a');
  a.connect(port);
  attempt('unbound', () => a.connect(port));
  await event(a, 'connect');
  attempt('connected', () => a.connect(port));
  a.disconnect();
  a.connect(port);
  attempt('bound', () => a.connect(port));
  await event(a, 'connect');
  await close(a, b);
});

scenario('B28 closed after bind', async ({ bound, attempt, close, turns }) => {
  const a = await bound('a');
  await close(a);
  attempt('connect', () => a.connect(9, '127.0.0.1'));
  await turns(2);
});

scenario('B29 the implicit bind', async ({ bound, socket, traced, clocks, event, attempt, log, close }) => {
  const b = await bound('b');
  const a = socket('a');
  clocks('before');
  a.connect(b.address().port, '127.0.0.1', traced('callback'));
  log('connect returned');
  clocks('after');
  attempt('address', () => a.address());
  await event(a, 'connect');
  attempt('address', () => a.address());
  await close(a, b);
});

scenario('B29 connect in \'listening\'', async ({ bound, socket, traced, event, close }) => {
  const b = await bound('b');
  const a = socket('a');
  a.bind(0, '127.0.0.1', () => a.connect(b.address().port, '127.0.0.1', traced('callback')));
  await event(a, 'connect');
  await close(a, b);
});

scenario('B29 bind and connect in one turn', async ({ bound, socket, event, attempt, close }) => {
  const b = await bound('b');
  const a = socket('a');
  a.bind(0, '127.0.0.1');
  attempt('connect', () => a.connect(b.address().port, '127.0.0.1'));
  await event(a, 'connect');
  attempt('address', () => a.address());
  await close(a, b);
});

scenario('B29 a callback that is none', { uncaught: true }, async ({ bound, attempt, turns, close, show }) => {
  const b = await bound('b');
  for (const callback of [1, 'done', {}, true, null, 0, '', Symbol('callback')]) {
    const a = await bound('a');
    attempt(`connect with ${show(callback)}`, () => a.connect(b.address().port, '127.0.0.1', callback));
    await turns(2);
    attempt('remoteAddress', () => a.remoteAddress());
    await close(a);
  }
  await close(b);
});

scenario('B29 connect waits in the same queue as sends', async ({ bound, socket, traced, event, arrived, close }) => {
  const b = await bound('b');
  const { port } = b.address();
  const a = socket('a');
  a.send('first', port, '127.0.0.1', traced('first'));
  a.connect(port, '127.0.0.1', traced('connect'));
  a.send('second', port, '127.0.0.1', traced('second'));
  await Promise.all([event(a, 'connect'), arrived(b)]);
  a.send('third', traced('third'));
  await arrived(b);
  await close(a, b);
});

scenario('B29 the implicit bind fails', async ({ socket, traced, event, turns, attempt, counts, close }) => {
  let lookup = (name, family, done) => setImmediate(done, new Error('not now'));
  const a = socket('a', { type: 'udp4', lookup: (...values) => lookup(...values) });
  a.connect(9, '127.0.0.1', traced('callback'));
  await event(a, 'error');
  counts(a);
  attempt('again', () => a.connect(9));
  attempt('disconnect', () => a.disconnect());
  lookup = (name, family, done) => setImmediate(done, null, '127.0.0.1', 4);
  a.bind(0);
  await event(a, 'listening');
  await turns(2);
  await close(a);
});

scenario('B30 the name is not found, with a callback', async ({ socket, traced, turns, attempt, counts, close, clocks }) => {
  const lookup = (name, family, done) => (name === 'nowhere' ? setImmediate(done, new Error('not found'))
    : setImmediate(done, null, '127.0.0.1', 4));
  const a = socket('a', { type: 'udp4', lookup });
  a.connect(9, 'nowhere', traced('callback', () => clocks('in the callback')));
  await turns(5);
  counts(a);
  attempt('remoteAddress', () => a.remoteAddress());
  attempt('again', () => a.connect(9, 'somewhere'));
  await turns(3);
  await close(a);
});

scenario('B30 the name is not found, without a callback', async ({ socket, event, close, log }) => {
  const error = new Error('not found');
  const lookup = (name, family, done) => setImmediate(done, name === 'nowhere' ? error : null, '127.0.0.1', 4);
  const a = socket('a', { type: 'udp4', lookup });
  a.connect(9, 'nowhere');
  log('the same', (await event(a, 'error'))[0] === error);
  await close(a);
});

scenario('B30 a synchronous lookup', async ({ socket, traced, clocks, event, log, close, bound }) => {
  const lookup = (name, family, done) => done(null, '127.0.0.1', 4);
  const b = await bound('b');
  const a = socket('a', { type: 'udp4', lookup });
  clocks('before');
  a.connect(b.address().port, 'host', traced('callback'));
  log('connect returned');
  await event(a, 'connect');
  await close(a, b);
});

scenario('B30 a synchronous lookup that fails', async ({ bound, traced, clocks, turns, log, attempt, close }) => {
  let fails = false;
  const lookup = (name, family, done) => done(fails ? new Error('not found') : null, '127.0.0.1', 4);
  const a = await bound('a', { type: 'udp4', lookup });
  fails = true;
  clocks('before');
  a.connect(9, 'host', traced('callback'));
  log('connect returned');
  attempt('at once', () => a.connect(9));
  await turns(2);
  await close(a);
});

scenario('B30 a lookup that throws', async ({ bound, attempt, close, turns, counts }) => {
  let fails = false;
  const lookup = (name, family, done) => {
    if (fails) throw new Error('no names today');
    done(null, '127.0.0.1', 4);
  };
  const a = await bound('a', { type: 'udp4', lookup });
  fails = true;
  attempt('connect', () => a.connect(9, 'host'));
  attempt('again', () => a.connect(9, 'host'));
  counts(a);
  await turns(1);
  await close(a);
});

scenario('B30 a lookup that answers twice', { uncaught: true }, async ({ bound, turns, traced, attempt, close }) => {
  const b = await bound('b');
  let twice = false;
  const lookup = (name, family, done) => {
    done(null, '127.0.0.1', 4);
    if (twice) setImmediate(done, null, '127.0.0.1', 4);
  };
  const a = await bound('a', { type: 'udp4', lookup });
  twice = true;
  a.connect(b.address().port, 'host', traced('callback'));
  await turns(3);
  attempt('remoteAddress', () => a.remoteAddress());
  await close(a, b);
});

for (const withCallback of [true, false]) {
  const suffix = withCallback ? 'with a callback' : 'without';
  scenario(`B30 the system refuses, ${suffix}`, async ({ bound, traced, turns, attempt, counts, clocks, close }) => {
    const a = await bound('a');
    clocks('before');
    a.connect(9, '255.255.255.255', withCallback ? traced('callback') : undefined);
    await turns(2);
    counts(a);
    attempt('remoteAddress', () => a.remoteAddress());
    await close(a);
  });

  scenario(`B30 an address of the other family, ${suffix}`, async ({ bound, traced, turns, close }) => {
    const a = await bound('a');
    a.connect(9, '::1', withCallback ? traced('callback') : undefined);
    await turns(2);
    await close(a);
  });
}

scenario('B30 an error that nobody listens to', { uncaught: true }, async ({ dgram, bind, turns, close }) => {
  const a = dgram.createSocket('udp4');
  await bind(a);
  a.connect(9, '255.255.255.255');
  await turns(2);
  await close(a);
});

scenario('B30 the callback of a refused connect throws', { uncaught: true }, async ({ bound, turns, attempt, close }) => {
  const a = await bound('a');
  a.connect(9, '255.255.255.255', () => { throw new Error('in the callback'); });
  await turns(2);
  attempt('remoteAddress', () => a.remoteAddress());
  await close(a);
});

scenario('B30 a refused connect, then another', async ({ bound, traced, turns, event, close, attempt }) => {
  const b = await bound('b');
  const a = await bound('a');
  a.connect(9, '255.255.255.255', traced('first'));
  await turns(2);
  a.connect(b.address().port, '127.0.0.1', traced('second'));
  await event(a, 'connect');
  attempt('remoteAddress', () => a.remoteAddress());
  await close(a, b);
});

scenario('B30 close between the answer and \'connect\'', async ({ bound, traced, turns }) => {
  const b = await bound('b');
  let answer = (done) => done(null, '127.0.0.1', 4);
  const a = await bound('a', { type: 'udp4', lookup: (name, family, done) => answer(done) });
  answer = (done) => {
    done(null, '127.0.0.1', 4);
    a.close();
  };
  a.connect(b.address().port, 'host', traced('callback'));
  await turns(3);
  b.close();
});

scenario('B15 close while the name is looked up', async ({ bound, traced, turns, log }) => {
  let answer = (done) => done(null, '127.0.0.1', 4);
  const a = await bound('a', { type: 'udp4', lookup: (name, family, done) => answer(done) });
  answer = (done) => setImmediate(() => log('answered') || done(null, '127.0.0.1', 4));
  a.connect(9, 'host', traced('callback'));
  a.close();
  await turns(3);
});

scenario('B31 disconnect', async ({ pair, attempt, close, log }) => {
  const { a, b } = await pair();
  attempt('disconnect', () => a.disconnect());
  attempt('remoteAddress', () => a.remoteAddress());
  attempt('again', () => a.disconnect());
  log('address', a.address());
  await close(a, b);
});

scenario('B31 disconnect releases a port of the system\'s choice', async ({ bound, socket, event, attempt, close }) => {
  const b = await bound('b');
  const a = socket('a');
  a.connect(b.address().port);
  await event(a, 'connect');
  attempt('address', () => a.address());
  a.disconnect();
  attempt('address', () => a.address());
  await close(a, b);
});

scenario('B31 not connected', async ({ socket, bound, attempt, close }) => {
  const a = socket('a');
  attempt('unbound, disconnect', () => a.disconnect());
  attempt('unbound, remoteAddress', () => a.remoteAddress());
  const b = await bound('b');
  attempt('bound, disconnect', () => b.disconnect());
  attempt('bound, remoteAddress', () => b.remoteAddress());
  await close(a, b);
  attempt('closed, disconnect', () => a.disconnect());
  attempt('closed, remoteAddress', () => a.remoteAddress());
});

scenario('B31 B13 connected and closed', async ({ pair, attempt, close }) => {
  const { a, b } = await pair();
  await close(a, b);
  attempt('remoteAddress', () => a.remoteAddress());
  attempt('disconnect', () => a.disconnect());
  attempt('send', () => a.send('x'));
});

scenario('B31 while connecting', async ({ bound, attempt, event, close }) => {
  const b = await bound('b');
  const a = await bound('a');
  a.connect(b.address().port);
  attempt('remoteAddress', () => a.remoteAddress());
  attempt('disconnect', () => a.disconnect());
  await event(a, 'connect');
  await close(a, b);
});

scenario('B31 disconnect before \'connect\', then another peer', async ({ bound, socket, attempt, event, log, close }) => {
  const b = await bound('b');
  const c = await bound('c');
  const lookup = (name, family, callback) => callback(null, name, family);
  const a = socket('a', { type: 'udp4', lookup });
  a.bind();
  a.connect(b.address().port, '127.0.0.1', () => log('the first callback'));
  attempt('disconnect', () => a.disconnect());
  attempt('connect', () => a.connect(c.address().port, '127.0.0.1', () => log('the second callback')));
  await event(a, 'connect');
  attempt('remoteAddress', () => a.remoteAddress());
  await close(a, b, c);
});

scenario('B31 disconnect before \'connect\', and close', async ({ bound, socket, attempt, log, close }) => {
  const b = await bound('b');
  const lookup = (name, family, callback) => callback(null, name, family);
  const a = socket('a', { type: 'udp4', lookup });
  a.bind();
  a.connect(b.address().port, '127.0.0.1', () => log('the callback'));
  attempt('disconnect', () => a.disconnect());
  attempt('remoteAddress', () => a.remoteAddress());
  await close(b);
  await close(a);
});

scenario('B31 disconnect in \'connect\', then another peer', async ({ bound, socket, attempt, arrived, close }) => {
  const b = await bound('b');
  const c = await bound('c');
  const a = socket('a');
  const again = new Promise((resolve) => {
    a.once('connect', () => {
      a.disconnect();
      a.connect(c.address().port, '127.0.0.1', resolve);
    });
  });
  a.connect(b.address().port, '127.0.0.1');
  await again;
  attempt('remoteAddress', () => a.remoteAddress());
  a.send('to c');
  await arrived(c);
  await close(a, b, c);
});

scenario('B31 a disconnected socket sends anywhere', async ({ pair, bound, attempt, arrived, close }) => {
  const { a, b } = await pair();
  const c = await bound('c');
  a.disconnect();
  attempt('without a port', () => a.send('x'));
  a.send('to c', c.address().port, '127.0.0.1');
  await arrived(c);
  await close(a, b, c);
});

scenario('B32 only messages of the peer are received', async ({ pair, bound, arrived, turns, close }) => {
  const { a, b } = await pair();
  const c = await bound('c');
  const { port } = a.address();
  c.send('from c', port, '127.0.0.1');
  b.send('from b', port, '127.0.0.1');
  await arrived(a);
  await turns(2);
  await close(a, b, c);
});

scenario('B32 nobody listens at the peer', { needs: linux }, async ({ bound, freePort, event, attempt, traced, close }) => {
  const a = await bound('a');
  await new Promise((resolve, reject) => {
    freePort().then((port) => a.connect(port, '127.0.0.1', resolve), reject);
  });
  a.send('lost', traced('sent'));
  await event(a, 'error');
  attempt('remoteAddress', () => a.remoteAddress());
  await close(a);
});

scenario('B32 receiving goes on after a refusal', { needs: linux }, async ({ dgram, bound, bind, watch, freePort, event, arrived, close }) => {
  const a = await bound('a');
  const port = await freePort();
  await new Promise((resolve) => a.connect(port, '127.0.0.1', resolve));
  a.send('lost');
  await event(a, 'error');
  const b = watch('b', dgram.createSocket('udp4'));
  b.bind(port, '127.0.0.1');
  await event(b, 'listening');
  b.send('back again', a.address().port, '127.0.0.1');
  await arrived(a);
  await close(a, b);
});

scenario('B32 a refusal that nobody listens to', { needs: linux, uncaught: true },
  async ({ dgram, bind, freePort, turns, attempt, close }) => {
    const a = dgram.createSocket('udp4');
    await bind(a);
    const port = await freePort();
    await new Promise((resolve) => a.connect(port, '127.0.0.1', resolve));
    a.send('lost');
    await turns(3);
    attempt('remoteAddress', () => a.remoteAddress());
    await close(a);
  });

scenario('B28 B30 udp6', { needs: ipv6 }, async ({ bound, socket, event, attempt, arrived, close }) => {
  const b = await bound('b', 'udp6');
  const a = socket('a', 'udp6');
  a.connect(b.address().port);
  await event(a, 'connect');
  attempt('remoteAddress', () => a.remoteAddress());
  attempt('address', () => a.address());
  a.send('hello');
  await arrived(b);
  await close(a, b);
});

scenario('B30 a connected udp6 to an IPv4 address', { needs: ipv6 }, async ({ socket, bind, turns, traced, close }) => {
  const a = socket('a', 'udp6');
  await bind(a);
  a.connect(9, '127.0.0.1', traced('callback'));
  await turns(2);
  await close(a);
});

scenario('B30 listeners come and go', async ({ dgram, bound, event, log, close }) => {
  const b = await bound('b');
  const a = dgram.createSocket('udp4');
  a.on('newListener', (type) => log('new', String(type)));
  a.on('removeListener', (type) => log('removed', String(type)));
  a.connect(b.address().port, '127.0.0.1', () => log('callback'));
  await event(a, 'connect');
  await close(a, b);
});

scenario('B30 listeners come and go when connect fails', async ({ dgram, bind, turns, log, close }) => {
  const a = dgram.createSocket('udp4');
  await bind(a);
  a.on('newListener', (type) => log('new', String(type)));
  a.on('removeListener', (type) => log('removed', String(type)));
  a.connect(9, '255.255.255.255', () => log('callback'));
  await turns(2);
  await close(a);
});

scenario('B30 exceptions in \'connect\' and in its callback', { uncaught: true }, async ({ pair, bound, turns, close }) => {
  const b = await bound('b');
  const a = await bound('a');
  a.once('connect', () => { throw new Error('in the listener'); });
  a.connect(b.address().port, '127.0.0.1', () => { throw new Error('in the callback'); });
  await turns(2);
  await close(a, b);
});

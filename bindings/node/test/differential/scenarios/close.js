'use strict';
// close: in every state and inside every listener; what is left of a socket then (B12 to B17).

const { scenario } = require('../registry.js');
const { feature } = require('../needs.js');

scenario('B14 close of a new socket', ({ socket, traced, attempt, clocks }) => {
  const a = socket('a');
  clocks('before');
  attempt('close', () => a.close(traced('callback')));
  clocks('after');
});

scenario('B14 close of a bound socket', async ({ bound, traced, attempt, clocks, turns }) => {
  const a = await bound('a');
  clocks('before');
  attempt('close', () => a.close(traced('callback')));
  clocks('after');
  await turns(2);
});

scenario('B14 close of a connected socket', async ({ pair, traced, attempt, turns }) => {
  const { a, b } = await pair();
  attempt('close', () => a.close(traced('callback')));
  await turns(2);
  b.close();
});

scenario('B14 values that are no callback', async ({ bound, attempt, show, turns }) => {
  for (const value of [undefined, null, 1, 'done', {}, true, Symbol('callback')]) {
    const a = await bound('a');
    attempt(`close(${show(value)})`, () => a.close(value));
    await turns(1);
  }
});

scenario('B14 close twice', async ({ bound, traced, attempt, counts, turns }) => {
  const a = await bound('a');
  attempt('first', () => a.close(traced('first')));
  attempt('second', () => a.close(traced('second')));
  counts(a);
  await turns(2);
  attempt('third', () => a.close(traced('third')));
  counts(a);
});

scenario('B14 the callback is a listener that stays', async ({ bound, traced, close, attempt }) => {
  const a = await bound('a');
  a.close(traced('callback'));
  await new Promise((resolve) => a.once('close', resolve));
  attempt('emit', () => a.emit('close', 'made up'));
});

scenario('B14 listeners of \'close\' in their order', async ({ bound, traced, turns }) => {
  const a = await bound('a');
  a.on('close', traced('before'));
  a.close(traced('callback'));
  a.on('close', traced('after'));
  await turns(2);
});

scenario('B14 listeners of \'close\' that throw', { uncaught: true }, async ({ bound, traced, turns, attempt }) => {
  const a = await bound('a');
  a.on('close', () => { throw new Error('in the listener'); });
  a.close(traced('callback'));
  await turns(2);
  attempt('close', () => a.close());
});

scenario('B14 close while binding', async ({ socket, traced, attempt, turns }) => {
  const a = socket('a');
  a.bind(0, '127.0.0.1', traced('bound'));
  attempt('close', () => a.close(traced('closed')));
  attempt('bind', () => a.bind(0));
  await turns(3);
});

scenario('B14 close while sends wait for the bind', { uncaught: true }, async ({ socket, bound, traced, attempt, turns }) => {
  const b = await bound('b');
  const a = socket('a');
  a.send('x', b.address().port, '127.0.0.1', traced('sent'));
  attempt('close', () => a.close(traced('closed')));
  attempt('address', () => a.address());
  attempt('send', () => a.send('y', b.address().port, '127.0.0.1', traced('sent, after close')));
  await turns(3);
  b.close();
});

scenario('B14 close twice while sends wait for the bind', { uncaught: true }, async ({ socket, freePort, traced, attempt, turns }) => {
  const port = await freePort();
  const a = socket('a');
  a.send('x', port, '127.0.0.1', traced('sent'));
  attempt('first', () => a.close(traced('first')));
  attempt('second', () => a.close(traced('second')));
  await turns(3);
});

scenario('B14 close while a connect waits for the bind', async ({ socket, traced, attempt, turns, freePort }) => {
  const port = await freePort();
  const a = socket('a');
  a.connect(port, '127.0.0.1', traced('connected'));
  attempt('close', () => a.close(traced('closed')));
  await turns(3);
});

scenario('B14 close while sends wait for a bind of the program\'s own', async ({ socket, freePort, traced, attempt, turns }) => {
  const port = await freePort();
  const a = socket('a');
  a.bind(0, '127.0.0.1', traced('bound'));
  a.send('x', port, '127.0.0.1', traced('sent'));
  attempt('close', () => a.close(traced('closed')));
  await turns(3);
});

scenario('B14 close while sends wait, and the bind fails', async ({ socket, builtinPeer, traced, attempt, turns, counts }) => {
  const b = await builtinPeer();
  const a = socket('a');
  a.bind(b.port, '127.0.0.1');
  a.send('x', 9, '127.0.0.1', traced('sent'));
  attempt('close', () => a.close(traced('closed')));
  await turns(3);
  counts(a);
  attempt('close', () => a.close());
  await b.close();
  await turns(1);
});

scenario('B14 sends, close, sends', { uncaught: true }, async ({ socket, freePort, traced, attempt, turns }) => {
  const port = await freePort();
  const a = socket('a');
  a.send('1', port, '127.0.0.1', traced('1'));
  a.close(traced('closed'));
  a.send('2', port, '127.0.0.1', traced('2'));
  a.send('3', port, '127.0.0.1', traced('3'));
  await turns(3);
});

scenario('B14 close in \'listening\', with sends that wait', { uncaught: true }, async ({ socket, freePort, traced, turns }) => {
  const port = await freePort();
  const a = socket('a');
  a.send('before the listener', port, '127.0.0.1', traced('1'));
  a.on('listening', () => a.close());
  a.send('after the listener', port, '127.0.0.1', traced('2'));
  await turns(3);
});

scenario('B14 close in \'listening\' before sends are queued', { uncaught: true }, async ({ socket, freePort, traced, turns }) => {
  const port = await freePort();
  const a = socket('a');
  a.on('listening', () => a.close());
  a.send('x', port, '127.0.0.1', traced('sent'));
  await turns(3);
});

/* Inside every listener */

const scenes = {
  'listening': (a) => a.bind(0, '127.0.0.1'),
  'connect': (a, port) => a.connect(port, '127.0.0.1'),
  'message': (a) => a.bind(0, '127.0.0.1', () => a.send('x', a.address().port, '127.0.0.1')),
  'error': (a) => a.bind(0, '203.0.113.9'),
};

for (const [type, start] of Object.entries(scenes)) {
  scenario(`B14 close inside '${type}'`, async ({ socket, freePort, traced, attempt, turns }) => {
    const port = await freePort();
    const a = socket('a');
    a.once(type, () => attempt('close', () => a.close(traced('closed'))));
    a.on(type, traced(`a later listener of '${type}'`));
    start(a, port);
    await turns(4);
  });

  scenario(`B14 close inside '${type}', twice`, { uncaught: true }, async ({ socket, freePort, attempt, turns }) => {
    const port = await freePort();
    const a = socket('a');
    a.once(type, () => a.close());
    a.once(type, () => attempt('again', () => a.close()));
    start(a, port);
    await turns(4);
  });
}

scenario('B14 close inside \'close\'', async ({ bound, attempt, turns }) => {
  const a = await bound('a');
  a.on('close', () => {
    attempt('close', () => a.close());
    attempt('bind', () => a.bind(0));
    attempt('send', () => a.send('x', 9, '127.0.0.1'));
  });
  a.close();
  await turns(2);
});

scenario('B14 close inside the callback of a send', async ({ bound, traced, attempt, turns }) => {
  const a = await bound('a');
  const { port } = a.address();
  a.send('1', port, '127.0.0.1', traced('1', () => attempt('close', () => a.close())));
  a.send('2', port, '127.0.0.1', traced('2'));
  await turns(3);
});

scenario('B14 close inside the callback of connect', async ({ bound, freePort, traced, attempt, turns }) => {
  const a = await bound('a');
  a.connect(await freePort(), '127.0.0.1', traced('connected', () => attempt('close', () => a.close())));
  await turns(3);
});

scenario('B14 close inside the callback of a failed connect', async ({ bound, traced, attempt, turns }) => {
  const a = await bound('a');
  a.connect(9, '255.255.255.255', traced('connected', () => attempt('close', () => a.close())));
  await turns(3);
});

scenario('B14 close inside the callback of a failed send', async ({ bound, traced, attempt, turns }) => {
  const a = await bound('a');
  a.send(Buffer.alloc(65508), 9, '127.0.0.1', traced('sent', () => attempt('close', () => a.close())));
  await turns(3);
});

scenario('B14 close between connect and \'connect\'', async ({ bound, freePort, traced, turns }) => {
  const a = await bound('a');
  a.connect(await freePort(), '127.0.0.1', traced('connected'));
  process.nextTick(() => a.close());
  await turns(3);
});

scenario('B14 close with datagrams that wait to be read', async ({ bound, turns }) => {
  const a = await bound('a');
  const b = await bound('b');
  for (let i = 0; i < 5; i++) a.send(`${i}`, b.address().port, '127.0.0.1');
  process.nextTick(() => process.nextTick(() => b.close()));
  await turns(3);
  a.close();
});

scenario('B14 a port is free as soon as its socket is closed', async ({ bound, socket, event, close }) => {
  const a = await bound('a');
  const { port } = a.address();
  a.close();
  const b = socket('b');
  b.bind(port, '127.0.0.1');
  await event(b, 'listening');
  await close(b);
});

scenario('B14 a new socket on the same port, in \'close\'', async ({ bound, socket, event, close }) => {
  const a = await bound('a');
  const { port } = a.address();
  const b = socket('b');
  a.close(() => b.bind(port, '127.0.0.1'));
  await event(b, 'listening');
  await close(b);
});

/* What is left */

const calls = {
  'address': (one) => one.address(),
  'remoteAddress': (one) => one.remoteAddress(),
  'bind': (one) => one.bind(0),
  'bind fd': (one) => one.bind({ fd: 1 }),
  'connect': (one) => one.connect(9),
  'disconnect': (one) => one.disconnect(),
  'send': (one) => one.send('x', 9),
  'send connected': (one) => one.send('x'),
  'sendto': (one) => one.sendto(Buffer.from('x'), 0, 1, 9, '127.0.0.1'),
  'close': (one) => one.close(),
  'setTTL': (one) => one.setTTL(5),
  'setTTL bad': (one) => one.setTTL('5'),
  'setMulticastTTL': (one) => one.setMulticastTTL(5),
  'setMulticastTTL bad': (one) => one.setMulticastTTL(null),
  'setBroadcast': (one) => one.setBroadcast(true),
  'setMulticastLoopback': (one) => one.setMulticastLoopback(true),
  'setMulticastInterface': (one) => one.setMulticastInterface('127.0.0.1'),
  'setMulticastInterface bad': (one) => one.setMulticastInterface(5),
  'addMembership': (one) => one.addMembership('224.0.0.114'),
  'addMembership nothing': (one) => one.addMembership(),
  'dropMembership': (one) => one.dropMembership('224.0.0.114'),
  'dropMembership nothing': (one) => one.dropMembership(),
  'addSourceSpecificMembership': (one) => one.addSourceSpecificMembership('127.0.0.1', '232.0.0.1'),
  'addSourceSpecificMembership bad': (one) => one.addSourceSpecificMembership(1, 2),
  'dropSourceSpecificMembership': (one) => one.dropSourceSpecificMembership('127.0.0.1', '232.0.0.1'),
  'dropSourceSpecificMembership bad': (one) => one.dropSourceSpecificMembership('x', 2),
  'getRecvBufferSize': (one) => one.getRecvBufferSize() > 0,
  'getSendBufferSize': (one) => one.getSendBufferSize() > 0,
  'setRecvBufferSize': (one) => one.setRecvBufferSize(1000),
  'setRecvBufferSize bad': (one) => one.setRecvBufferSize(-1),
  'setSendBufferSize': (one) => one.setSendBufferSize(1000),
  'setSendBufferSize bad': (one) => one.setSendBufferSize('1'),
  'getSendQueueSize': (one) => one.getSendQueueSize(),
  'getSendQueueCount': (one) => one.getSendQueueCount(),
  'ref': (one) => one.ref(),
  'unref': (one) => one.unref(),
};

const states = {
  'a new socket, closed': async ({ socket, close }) => {
    const a = socket('a');
    await close(a);
    return a;
  },
  'a bound socket, closed': async ({ bound, close }) => {
    const a = await bound('a');
    await close(a);
    return a;
  },
  'a connected socket, closed': async ({ pair, close }) => {
    const { a, b } = await pair();
    await close(a, b);
    return a;
  },
  'close() was called': async ({ bound }) => {
    const a = await bound('a');
    a.close();
    return a;
  },
};

for (const [state, reach] of Object.entries(states)) {
  scenario(`B13 every method on ${state}`, { uncaught: true }, async (tools) => {
    const a = await reach(tools);
    for (const [name, call] of Object.entries(calls)) tools.attempt(name, () => call(a));
    tools.counts(a);
  });
}

scenario('B12 every getter and setter on a new socket', async ({ socket, attempt, close }) => {
  const a = socket('a');
  const starting = ['bind', 'bind fd', 'connect', 'send', 'sendto', 'close'];
  const binding = /Membership/;
  for (const [name, call] of Object.entries(calls)) {
    if (!starting.includes(name) && !binding.test(name)) attempt(name, () => call(a));
  }
  await close(a);
});

scenario('B12 every getter and setter while binding', async ({ socket, attempt, event, close }) => {
  const a = socket('a');
  a.bind(0, '127.0.0.1');
  const left = ['bind fd', 'connect', 'send', 'sendto', 'close'];
  for (const [name, call] of Object.entries(calls)) {
    if (!left.includes(name) && !/Membership/.test(name)) attempt(name, () => call(a));
  }
  await event(a, 'listening');
  await close(a);
});

/* asyncDispose */

const disposable = { needs: feature('Symbol.asyncDispose', Symbol.asyncDispose) };

scenario('B16 asyncDispose of a bound socket', disposable, async ({ bound, clocks, log, attempt }) => {
  const a = await bound('a');
  clocks('before');
  const promise = attempt('dispose', () => a[Symbol.asyncDispose]());
  attempt('address', () => a.address());
  log('kept with', await promise);
});

scenario('B16 asyncDispose of a new and of a closed socket', disposable, async ({ socket, close, log }) => {
  const a = socket('a');
  log('new', await a[Symbol.asyncDispose]());
  log('closed', await a[Symbol.asyncDispose]());
});

scenario('B16 asyncDispose twice at once', disposable, async ({ bound, log }) => {
  const a = await bound('a');
  const first = a[Symbol.asyncDispose]();
  const second = a[Symbol.asyncDispose]();
  first.then(() => log('first'));
  second.then(() => log('second'));
  await Promise.all([first, second]);
});

scenario('B16 asyncDispose while binding', disposable, async ({ socket, log }) => {
  const a = socket('a');
  a.bind(0, '127.0.0.1');
  await a[Symbol.asyncDispose]();
  log('disposed');
});

scenario('B16 asyncDispose while sends wait for the bind', disposable, async ({ socket, freePort, traced, log }) => {
  const port = await freePort();
  const a = socket('a');
  a.send('x', port, '127.0.0.1', traced('sent'));
  await a[Symbol.asyncDispose]();
  log('disposed');
});

scenario('B16 asyncDispose after close()', disposable, async ({ bound, log }) => {
  const a = await bound('a');
  a.close();
  await a[Symbol.asyncDispose]();
  log('disposed');
});

scenario('B16 asyncDispose calls close', disposable, async ({ bound, log, close }) => {
  const a = await bound('a');
  const real = a.close;
  a.close = function mine(...values) {
    log('close', ...values.map((value) => typeof value));
    return real.apply(this, values);
  };
  await a[Symbol.asyncDispose]();
});

/* ref, unref, and the end of the process */

scenario('B17 ref and unref return the socket', { alone: true }, async ({ socket, bind, attempt, close }) => {
  const a = socket('a');
  for (const name of ['ref', 'unref', 'unref', 'ref', 'ref']) attempt(name, () => a[name]());
  await bind(a);
  for (const name of ['ref', 'unref', 'unref', 'ref', 'ref']) attempt(name, () => a[name]());
  await close(a);
  for (const name of ['ref', 'unref']) attempt(name, () => a[name]());
});

scenario('B17 a new socket does not keep the process', { alone: true }, ({ socket }) => {
  socket('a');
});

scenario('B17 a bound socket without ref does not keep the process', { alone: true }, async ({ bound }) => {
  (await bound('a')).unref();
});

scenario('B17 unref before bind', { alone: true }, async ({ socket, bind }) => {
  const a = socket('a');
  a.unref();
  await bind(a);
});

scenario('B17 unref while binding', { alone: true }, ({ socket }) => {
  socket('a').bind(0, '127.0.0.1').unref();
});

scenario('B17 unref with a lookup under way ends the process', { alone: true }, ({ socket }) => {
  socket('a', { type: 'udp4', lookup() {} }).bind(0, 'host');
});

scenario('B17 a bound socket keeps the process', { alone: true }, async ({ bound, log }) => {
  const a = await bound('a');
  // Without the socket the process would end before the timer.
  setTimeout(() => {
    log('still here');
    a.close();
  }, 20).unref();
});

scenario('B17 unref, then ref keeps the process', { alone: true }, async ({ bound, log }) => {
  const a = await bound('a');
  a.unref();
  a.ref();
  setTimeout(() => {
    log('still here');
    a.close();
  }, 20).unref();
});

scenario('B17 a socket that closes lets the process end', { alone: true }, async ({ bound }) => {
  const a = await bound('a');
  a.close();
});

scenario('B17 unref, with an error of bind', { alone: true }, ({ socket }) => {
  socket('a').bind(0, '203.0.113.9');
});

scenario('B17 sends of a socket without ref', { alone: true }, async ({ socket, freePort, traced }) => {
  const port = await freePort();
  const a = socket('a');
  a.unref();
  a.send('x', port, '127.0.0.1', traced('sent'));
});

scenario('B17 a socket without ref receives while others keep the process', { alone: true }, async ({ bound, arrived, close }) => {
  const a = await bound('a');
  const b = await bound('b');
  a.unref();
  b.send('x', a.address().port, '127.0.0.1');
  await arrived(a);
  await close(a, b);
});

scenario('B17 process.exit with open sockets', { alone: true }, async ({ bound, socket, traced }) => {
  const a = await bound('a');
  const b = socket('b');
  a.send('x', a.address().port, '127.0.0.1', traced('sent'));
  b.send('x', a.address().port, '127.0.0.1', traced('sent'));
  process.exit(0);
});

scenario('B17 close in the listener of \'exit\'', { alone: true }, async ({ bound, attempt }) => {
  const a = await bound('a');
  a.unref();
  process.on('exit', () => {
    attempt('send', () => a.send('x', a.address().port, '127.0.0.1'));
    attempt('close', () => a.close());
  });
});

scenario('B17 \'beforeExit\' binds again', { alone: true }, async ({ bound, socket, log }) => {
  const a = await bound('a');
  process.once('beforeExit', () => {
    log('beforeExit');
    socket('b').bind(0, '127.0.0.1', function bound() { this.close(); });
  });
  a.close();
});

scenario('B17 a socket that nobody holds goes on receiving', { flags: ['--expose-gc'] }, async ({ dgram, bind, builtinPeer, turns, log }) => {
  const { port } = await (async () => {
    const a = dgram.createSocket('udp4', (msg) => {
      log('got', msg);
      a.close();
    });
    return { port: await bind(a) };
  })();
  for (let i = 0; i < 3; i++) {
    global.gc();
    await turns(2);
  }
  const b = await builtinPeer();
  b.socket.send('still there', port, '127.0.0.1');
  await turns(2);
  await b.close();
});

scenario('B17 many sockets that nobody holds', { flags: ['--expose-gc'] }, async ({ dgram, bind, turns, log }) => {
  for (let i = 0; i < 50; i++) {
    const a = dgram.createSocket('udp4');
    if (i % 2) await bind(a);
    if (i % 4 === 3) a.close();
    else a.unref();
  }
  global.gc();
  await turns(3);
  global.gc();
  log('done');
});

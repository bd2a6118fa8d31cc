'use strict';
// 'message': what it carries, in which order, and what its listeners may do (B42, B43, B57, B60).

const { scenario } = require('../registry.js');
const { ipv6 } = require('../needs.js');

scenario('B42 the message and its rinfo', async ({ bound, dgram, event, log, close }) => {
  const a = dgram.createSocket('udp4');
  const b = await bound('b');
  a.send('hello', b.address().port, '127.0.0.1');
  const [msg, rinfo, ...more] = await event(b, 'message');
  log('more', more);
  log('Buffer', Buffer.isBuffer(msg), Object.getPrototypeOf(msg) === Buffer.prototype);
  log('memory', msg.byteOffset, msg.buffer.byteLength, msg.buffer.constructor.name);
  log('rinfo', Object.getPrototypeOf(rinfo) === Object.prototype, Object.keys(rinfo));
  for (const [key, { writable, enumerable, configurable }] of Object.entries(Object.getOwnPropertyDescriptors(rinfo))) {
    log(key, typeof rinfo[key], writable, enumerable, configurable);
  }
  await close(a, b);
});

for (const size of [0, 1, 1472, 9000, 65507]) {
  scenario(`B42 a datagram of ${size} bytes has memory of its own`, async ({ bound, event, log, close }) => {
    const a = await bound('a');
    a.send(Buffer.alloc(size, 7), a.address().port, '127.0.0.1');
    const [msg] = await event(a, 'message');
    log('memory', msg.length, msg.byteOffset, msg.buffer.byteLength);
    await close(a);
  });
}

scenario('B60 a message can be kept and written', async ({ bound, arrived, log, close }) => {
  const a = await bound('a');
  const { port } = a.address();
  const got = arrived(a, 40);
  for (let i = 0; i < 40; i++) a.send(`number ${i}`, port, '127.0.0.1');
  const messages = await got;
  messages[0].fill(0);
  log('the others', messages.slice(1).every((msg, i) => String(msg) === `number ${i + 1}`));
  log('memories', new Set(messages.map((msg) => msg.buffer)).size);
  await close(a);
});

scenario('B60 a message can be given to another thread', async ({ bound, event, log, attempt, close }) => {
  const a = await bound('a');
  a.send('hello', a.address().port, '127.0.0.1');
  const [msg] = await event(a, 'message');
  const copy = attempt('transfer', () => structuredClone(msg, { transfer: [msg.buffer] }));
  log('copy', copy && copy.length, 'left', msg.length);
  await close(a);
});

scenario('B60 a rinfo can be kept and changed', async ({ bound, log, close, event }) => {
  const a = await bound('a');
  const { port } = a.address();
  const kept = [];
  a.on('message', (msg, rinfo) => kept.push(rinfo));
  for (const text of ['one', 'two']) {
    a.send(text, port, '127.0.0.1');
    await event(a, 'message');
  }
  kept[0].address = 'changed';
  kept[0].note = 1;
  delete kept[0].size;
  log('changed', kept[0]);
  log('the other', kept[1]);
  await close(a);
});

scenario('B42 messages come in order, and clocks tick between them', async ({ bound, socket, clocks, arrived, close, log }) => {
  const b = await bound('b');
  const a = await bound('a');
  b.prependListener('message', (msg) => clocks(`of ${msg}`));
  for (const text of ['1', '2', '3', '4']) a.send(text, b.address().port, '127.0.0.1');
  await arrived(b, 4);
  await close(a, b);
});

scenario('B42 chains of ticks and microtasks between two messages', async ({ bound, arrived, close, log }) => {
  const b = await bound('b');
  const a = await bound('a');
  b.prependListener('message', (msg) => {
    process.nextTick(() => queueMicrotask(() => process.nextTick(() => log(`  end of the chain of ${msg}`))));
    Promise.resolve().then(() => {}).then(() => log(`  promise of ${msg}`));
  });
  for (const text of ['1', '2', '3']) a.send(text, b.address().port, '127.0.0.1');
  await arrived(b, 3);
  await close(a, b);
});

scenario('B42 timers and immediates after a batch', async ({ bound, arrived, log, close, turns }) => {
  const b = await bound('b');
  const a = await bound('a');
  b.prependListener('message', (msg) => {
    setImmediate(() => log(`  immediate of ${msg}`));
    setTimeout(() => log(`  timer of ${msg}`), 1);
  });
  for (const text of ['1', '2', '3']) a.send(text, b.address().port, '127.0.0.1');
  await arrived(b, 3);
  await new Promise((resolve) => setTimeout(resolve, 5));
  await close(a, b);
});

for (const count of [31, 32, 33, 64, 65, 100]) {
  scenario(`B42 a burst of ${count}, and where an immediate stands in it`, async ({ bound, log, close, turns }) => {
    const b = await bound('b');
    b.removeAllListeners('message');
    const a = await bound('a');
    let got = 0;
    const all = new Promise((resolve) => {
      b.on('message', () => {
        if (++got === 1) setImmediate(() => log('immediate after', got));
        if (got === count) resolve();
      });
    });
    for (let i = 0; i < count; i++) a.send('x', b.address().port, '127.0.0.1');
    await all;
    log('all');
    await turns(1);
    await close(a, b);
  });
}

scenario('B42 two sockets with a burst each', async ({ bound, close, log }) => {
  const a = await bound('a');
  const sockets = [await bound('b'), await bound('c')];
  const order = [];
  for (const one of sockets) one.removeAllListeners('message');
  const all = Promise.all(sockets.map((one, i) => new Promise((resolve) => {
    let got = 0;
    one.on('message', () => {
      order.push(i);
      if (++got === 50) resolve();
    });
  })));
  for (let i = 0; i < 50; i++) for (const one of sockets) a.send('x', one.address().port, '127.0.0.1');
  await all;
  const runs = order.filter((who, i) => who !== order[i - 1]);
  log('runs', runs.length);
  await close(a, ...sockets);
});

scenario('B42 close in the middle of a batch', async ({ bound, turns, event }) => {
  const b = await bound('b');
  const a = await bound('a');
  let count = 0;
  b.on('message', () => ++count === 3 && b.close());
  for (let i = 0; i < 10; i++) a.send(`${i}`, b.address().port, '127.0.0.1');
  await event(b, 'close');
  await turns(2);
  a.close();
});

scenario('B42 close in a tick between two messages', async ({ bound, turns, event }) => {
  const b = await bound('b');
  const a = await bound('a');
  b.once('message', () => process.nextTick(() => b.close()));
  for (let i = 0; i < 5; i++) a.send(`${i}`, b.address().port, '127.0.0.1');
  await event(b, 'close');
  await turns(2);
  a.close();
});

scenario('B42 a listener removes itself, others come', async ({ bound, traced, arrived, close }) => {
  const b = await bound('b');
  const a = await bound('a');
  const second = traced('second');
  b.once('message', () => {
    b.on('message', second);
    b.prependListener('message', traced('in front'));
  });
  for (let i = 0; i < 3; i++) a.send(`${i}`, b.address().port, '127.0.0.1');
  await arrived(b, 3);
  await close(a, b);
});

scenario('B42 all listeners gone in the middle of a batch', async ({ bound, turns, log, close }) => {
  const b = await bound('b');
  const a = await bound('a');
  b.on('message', () => b.removeAllListeners('message'));
  for (let i = 0; i < 5; i++) a.send(`${i}`, b.address().port, '127.0.0.1');
  await turns(3);
  b.on('message', (msg) => log('again', msg));
  a.send('later', b.address().port, '127.0.0.1');
  await turns(3);
  await close(a, b);
});

scenario('B43 a listener that throws in the middle of a batch', { uncaught: true }, async ({ bound, turns, close }) => {
  const b = await bound('b');
  const a = await bound('a');
  b.on('message', (msg) => {
    if (+msg % 2) throw new Error(`at ${msg}`);
  });
  for (let i = 0; i < 6; i++) a.send(`${i}`, b.address().port, '127.0.0.1');
  await turns(4);
  await close(a, b);
});

scenario('B43 a listener that throws, and its ticks', { uncaught: true }, async ({ bound, turns, clocks, close }) => {
  const b = await bound('b');
  const a = await bound('a');
  b.once('message', () => {
    clocks('in the listener');
    throw new Error('after the clocks');
  });
  for (let i = 0; i < 3; i++) a.send(`${i}`, b.address().port, '127.0.0.1');
  await turns(4);
  await close(a, b);
});

scenario('B43 a listener that throws what is no error', { uncaught: true }, async ({ bound, turns, close }) => {
  const b = await bound('b');
  b.once('message', () => { throw null; }); // eslint-disable-line no-throw-literal
  b.send('x', b.address().port, '127.0.0.1');
  await turns(3);
  await close(b);
});

scenario('B43 a listener that rejects', { uncaught: true }, async ({ bound, turns, close }) => {
  const b = await bound('b');
  b.on('message', async () => { throw new Error('rejected'); });
  b.send('x', b.address().port, '127.0.0.1');
  await turns(3);
  await close(b);
});

scenario('B43 captureRejections turns a rejection into an \'error\'', { alone: true }, async ({ bound, turns, close }) => {
  require('node:events').captureRejections = true;
  const b = await bound('b');
  b.on('message', async () => { throw new Error('rejected'); });
  b.send('x', b.address().port, '127.0.0.1');
  await turns(3);
  await close(b);
});

scenario('B43 captureRejections with a handler of the socket\'s own', { alone: true }, async ({ bound, turns, log, close }) => {
  const events = require('node:events');
  events.captureRejections = true;
  const b = await bound('b');
  b[events.captureRejectionSymbol || Symbol.for('nodejs.rejection')] = (error, type, ...values) => {
    log('handler', error.message, type, values.length);
  };
  b.on('message', async () => { throw new Error('rejected'); });
  b.send('x', b.address().port, '127.0.0.1');
  await turns(3);
  await close(b);
});

scenario('B57 the callback of a send comes before the reply', async ({ bound, traced, arrived, close }) => {
  const echo = await bound('echo');
  echo.on('message', (msg, rinfo) => echo.send(msg, rinfo.port, rinfo.address, traced('echo sent')));
  const a = await bound('a');
  a.send('ping', echo.address().port, '127.0.0.1', traced('sent'));
  await arrived(a);
  await close(a, echo);
});

scenario('B57 a listener that is set in the callback of the send', async ({ dgram, bind, log, close, bound }) => {
  const echo = await bound('echo');
  echo.on('message', (msg, rinfo) => echo.send(msg, rinfo.port, rinfo.address));
  const a = dgram.createSocket('udp4');
  await bind(a);
  await new Promise((resolve) => {
    a.send('ping', echo.address().port, '127.0.0.1', () => {
      a.on('message', (msg) => resolve(log('reply', msg)));
    });
  });
  await close(a, echo);
});

scenario('B57 a socket that sends to itself', async ({ bound, traced, clocks, arrived, close }) => {
  const a = await bound('a');
  clocks('before');
  a.send('x', a.address().port, '127.0.0.1', traced('sent'));
  clocks('after');
  await arrived(a);
  await close(a);
});

scenario('B57 ping and pong, ten times', async ({ bound, traced, close }) => {
  const [a, b] = [await bound('a'), await bound('b')];
  await new Promise((resolve) => {
    for (const one of [a, b]) {
      one.on('message', (msg, { port, address }) => {
        if (+msg === 10) resolve();
        else one.send(String(+msg + 1), port, address, traced(`sent after ${msg}`));
      });
    }
    a.send('0', b.address().port, '127.0.0.1');
  });
  await close(a, b);
});

scenario('B42 a reply sent by each message of a batch', async ({ bound, traced, arrived, close }) => {
  const b = await bound('b');
  const a = await bound('a');
  b.on('message', (msg, { port, address }) => b.send(`re ${msg}`, port, address, traced(`sent re ${msg}`)));
  for (let i = 0; i < 4; i++) a.send(`${i}`, b.address().port, '127.0.0.1', traced(`sent ${i}`));
  await arrived(a, 4);
  await close(a, b);
});

scenario('B42 udp6', { needs: ipv6 }, async ({ bound, arrived, close }) => {
  const b = await bound('b', 'udp6');
  const a = await bound('a', 'udp6');
  a.send('hello', b.address().port, '::1');
  a.send('', b.address().port);
  await arrived(b, 2);
  await close(a, b);
});

scenario('B42 IPv4 on a dual-stack socket', { needs: ipv6 }, async ({ socket, bound, event, arrived, traced, close }) => {
  const b = socket('b', 'udp6');
  b.bind(0);
  await event(b, 'listening');
  const a = await bound('a');
  a.send('from IPv4', b.address().port, '127.0.0.1');
  await arrived(b);
  b.send('to IPv4', a.address().port, '::ffff:127.0.0.1', traced('sent'));
  await arrived(a);
  await close(a, b);
});

scenario('B42 a link-local address carries its interface', {
  needs: () => (linkLocal() ? undefined : 'this host has no link-local address'),
}, async ({ dgram, event, log, close }) => {
  const { name, address } = linkLocal();
  const a = dgram.createSocket('udp6');
  a.bind(0, `${address}%${name}`);
  await event(a, 'listening');
  a.send('x', a.address().port, `${address}%${name}`);
  const [, rinfo] = await event(a, 'message');
  log('rinfo', rinfo.address === `${address}%${name}`, rinfo.family);
  log('address', a.address().address === `${address}%${name}`, a.address().address === address);
  await close(a);
});

function linkLocal() {
  const interfaces = Object.entries(require('node:os').networkInterfaces());
  return interfaces.flatMap(([name, list]) => list.map((one) => ({ name, ...one })))
    .find(({ address }) => address.startsWith('fe80:'));
}

scenario('B42 messages that came before a listener', async ({ dgram, bind, builtinPeer, turns, traced, close }) => {
  const a = dgram.createSocket('udp4');
  const port = await bind(a);
  const b = await builtinPeer();
  await new Promise((resolve) => b.socket.send('early', port, '127.0.0.1', resolve));
  a.on('message', traced('message'));
  await turns(2);
  await close(a);
  await b.close();
});

scenario('B42 a process that works while datagrams come', async ({ bound, arrived, close }) => {
  const b = await bound('b');
  const a = await bound('a');
  for (let i = 0; i < 3; i++) a.send(`${i}`, b.address().port, '127.0.0.1');
  process.nextTick(() => {
    for (const end = Date.now() + 20; Date.now() < end;);
    a.send('late', b.address().port, '127.0.0.1');
  });
  await arrived(b, 4);
  await close(a, b);
});

scenario('B42 once() of node:events', async ({ dgram, bind, log, close }) => {
  const { once } = require('node:events');
  const a = dgram.createSocket('udp4');
  const port = await bind(a);
  a.send('x', port, '127.0.0.1');
  const [msg, rinfo] = await once(a, 'message');
  log('got', msg, rinfo);
  const failing = once(a, 'message').catch((error) => log('rejected', error.message));
  a.emit('error', new Error('made up'));
  await failing;
  await close(a);
});

scenario('B42 on() of node:events', async ({ dgram, bind, log, close }) => {
  const { on } = require('node:events');
  const a = dgram.createSocket('udp4');
  const port = await bind(a);
  for (const text of ['one', 'two', 'three']) a.send(text, port, '127.0.0.1');
  let count = 0;
  for await (const [msg] of on(a, 'message')) {
    log('got', msg);
    if (++count === 3) break;
  }
  await close(a);
});

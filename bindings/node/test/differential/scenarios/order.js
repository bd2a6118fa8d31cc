'use strict';
// The order of everything relative to ticks, microtasks, immediates and timers (B14, B20, B30, B38).

const { scenario } = require('../registry.js');

scenario('B38 callbacks of sends between ticks of the program', async ({ bound, traced, log, arrived, close }) => {
  const a = await bound('a');
  const { port } = a.address();
  const got = arrived(a, 4);
  for (const i of [1, 2, 3, 4]) {
    process.nextTick(() => log(`  tick before ${i}`));
    a.send(`${i}`, port, '127.0.0.1', traced(`sent ${i}`));
    process.nextTick(() => log(`  tick after ${i}`));
  }
  log('end of the turn');
  await got;
  await close(a);
});

scenario('B38 callbacks of sends between microtasks of the program', async ({ bound, traced, log, arrived, close }) => {
  const a = await bound('a');
  const { port } = a.address();
  const got = arrived(a, 3);
  for (const i of [1, 2, 3]) {
    queueMicrotask(() => log(`  microtask before ${i}`));
    a.send(`${i}`, port, '127.0.0.1', traced(`sent ${i}`));
    Promise.resolve().then(() => log(`  promise after ${i}`));
  }
  await got;
  await close(a);
});

scenario('B38 callbacks of sends between immediates of the program', async ({ bound, traced, log, arrived, close }) => {
  const a = await bound('a');
  const { port } = a.address();
  const got = arrived(a, 3);
  for (const i of [1, 2, 3]) {
    setImmediate(() => log(`  immediate before ${i}`));
    a.send(`${i}`, port, '127.0.0.1', traced(`sent ${i}`));
    setImmediate(() => log(`  immediate after ${i}`));
  }
  await got;
  await close(a);
});

scenario('B38 connected sends between ticks, microtasks and immediates', async ({ pair, traced, clocks, arrived, close }) => {
  const { a, b } = await pair();
  for (const i of [1, 2, 3]) {
    clocks(`before ${i}`);
    a.send(`${i}`, traced(`sent ${i}`, () => clocks(`in the callback of ${i}`)));
  }
  clocks('after');
  await arrived(b, 3);
  await close(a, b);
});

scenario('B38 connected and unconnected sends, one after the other', async ({ pair, bound, traced, clocks, arrived, close }) => {
  const { a, b, port } = await pair();
  const c = await bound('c');
  a.send('1', traced('1, connected'));
  c.send('2', port, '127.0.0.1', traced('2, unconnected'));
  clocks('between');
  a.send('3', traced('3, connected'));
  c.send('4', port, '127.0.0.1', traced('4, unconnected'));
  await arrived(b, 4);
  await close(a, b, c);
});

scenario('B38 sends from a tick, a microtask, an immediate, a timer', async ({ pair, traced, clocks, arrived, close }) => {
  const { a, b } = await pair();
  const send = (text) => {
    clocks(`before ${text}`);
    a.send(text, traced(`sent ${text}`));
  };
  const got = arrived(b, 3);
  process.nextTick(send, 'tick');
  queueMicrotask(() => send('microtask'));
  setImmediate(send, 'immediate');
  await got;
  setTimeout(send, 1, 'timer');
  await arrived(b);
  await close(a, b);
});

scenario('B38 failed sends between ticks', async ({ pair, bound, traced, clocks, turns, close }) => {
  const { a, b } = await pair();
  const c = await bound('c');
  clocks('before');
  a.send(Buffer.alloc(65508), traced('connected'));
  clocks('between');
  c.send(Buffer.alloc(65508), 9, '127.0.0.1', traced('unconnected'));
  clocks('after');
  await turns(2);
  await close(a, b, c);
});

scenario('B38 sends in the callback of a send', async ({ pair, traced, clocks, arrived, close }) => {
  const { a, b } = await pair();
  const got = arrived(b, 3);
  a.send('1', traced('sent 1', () => {
    clocks('in the callback');
    a.send('2', traced('sent 2', () => a.send('3', traced('sent 3'))));
  }));
  await got;
  await close(a, b);
});

scenario('B38 a send, then close: who comes first', async ({ pair, traced, clocks, turns }) => {
  const { a, b } = await pair();
  clocks('before');
  a.send('x', traced('sent'));
  clocks('between');
  a.close(traced('closed'));
  clocks('after');
  await turns(2);
  b.close();
});

scenario('B38 a callback and what it was sent to, in one process', async ({ pair, traced, clocks, arrived, close }) => {
  const { a, b } = await pair();
  setImmediate(() => clocks('in an immediate'));
  a.send('x', traced('sent'));
  await arrived(b);
  await close(a, b);
});

scenario('B30 connect between ticks', async ({ bound, traced, clocks, event, close }) => {
  const b = await bound('b');
  const a = await bound('a');
  clocks('before');
  a.connect(b.address().port, '127.0.0.1', traced('connected', () => clocks('in the callback')));
  clocks('after');
  await event(a, 'connect');
  await close(a, b);
});

scenario('B30 several sockets connect at once', async ({ bound, traced, clocks, event, close }) => {
  const b = await bound('b');
  const sockets = [await bound('1'), await bound('2'), await bound('3')];
  for (const [i, one] of sockets.entries()) {
    one.connect(b.address().port, '127.0.0.1', traced(`connected ${i}`));
    clocks(`after ${i}`);
  }
  await event(sockets[2], 'connect');
  await close(b, ...sockets);
});

scenario('B20 B14 bind and close of several sockets, between ticks', async ({ socket, traced, clocks, turns }) => {
  const [a, b, c] = ['a', 'b', 'c'].map((text) => socket(text));
  a.bind(0, '127.0.0.1', traced('a bound'));
  clocks('1');
  b.close(traced('b closed'));
  clocks('2');
  c.bind(0, '127.0.0.1', traced('c bound', () => c.close(traced('c closed'))));
  clocks('3');
  a.close(traced('a closed'));
  await turns(3);
});

scenario('B14 \'close\' comes before timers', async ({ bound, log }) => {
  const a = await bound('a');
  setTimeout(() => log('  timer'), 0);
  a.close();
  await new Promise((resolve) => setTimeout(resolve, 3));
});

scenario('B42 \'message\' comes between timers and immediates', async ({ pair, log, event, close, turns }) => {
  const { a, b } = await pair();
  await turns(1);
  setImmediate(() => log('  immediate'));
  a.send('x');
  await event(b, 'message');
  await close(a, b);
});

scenario('B36 the whole life of a socket, with clocks at each step', async ({ socket, bound, traced, clocks, arrived, turns }) => {
  const b = await bound('b');
  const a = socket('a');
  for (const type of ['listening', 'connect', 'close']) a.on(type, () => clocks(`in '${type}'`));
  clocks('before send');
  a.send('1', b.address().port, '127.0.0.1', traced('sent 1', () => clocks('in the callback of send')));
  clocks('after send');
  await arrived(b);
  a.connect(b.address().port, '127.0.0.1', traced('connected'));
  clocks('after connect');
  await new Promise((resolve) => a.once('connect', resolve));
  a.send('2', traced('sent 2'));
  clocks('after the second send');
  await arrived(b);
  a.disconnect();
  a.close(traced('closed'));
  clocks('after close');
  await turns(2);
  b.close();
});

scenario('B36 two unbound sockets send in turn', async ({ socket, bound, traced, arrived, close }) => {
  const b = await bound('b');
  const { port } = b.address();
  const [a, c] = [socket('a'), socket('c')];
  const got = arrived(b, 4);
  a.send('a1', port, '127.0.0.1', traced('a1'));
  c.send('c1', port, '127.0.0.1', traced('c1'));
  a.send('a2', port, '127.0.0.1', traced('a2'));
  c.send('c2', port, '127.0.0.1', traced('c2'));
  await got;
  await close(a, b, c);
});

scenario('B37 a name that takes a while', async ({ bound, traced, clocks, arrived, close }) => {
  const a = await bound('a');
  a.send('x', a.address().port, 'localhost', traced('sent', () => clocks('in the callback')));
  await arrived(a);
  await close(a);
});

scenario('B57 promises of util.promisify', async ({ bound, log, arrived, close }) => {
  const { promisify } = require('node:util');
  const a = await bound('a');
  const send = promisify(a.send).bind(a);
  const got = arrived(a);
  log('sent', await send('x', a.address().port, '127.0.0.1'));
  await got;
  log('failed', await send(Buffer.alloc(65508), 9, '127.0.0.1').catch((error) => error.message));
  await promisify(a.close).bind(a)();
  log('closed');
});

scenario('B38 sends in an endless chain of ticks do not starve', async ({ pair, log, close, event }) => {
  const { a, b } = await pair();
  let count = 0;
  const done = new Promise((resolve) => {
    const next = () => (++count < 100 ? a.send(`${count}`, next) : resolve());
    a.send('0', next);
  });
  b.removeAllListeners('message');
  await done;
  log('count', count);
  let got = 0;
  await new Promise((resolve) => b.on('message', () => ++got === 100 && resolve()));
  log('got', got);
  await close(a, b);
});

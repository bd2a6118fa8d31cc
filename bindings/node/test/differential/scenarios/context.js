'use strict';
// In which asynchronous context each callback runs (B44). The lines of the trace name it: «…».

const { executionAsyncId, triggerAsyncId, createHook, AsyncResource } = require('node:async_hooks');
const { scenario } = require('../registry.js');

scenario('B44 each event in its context', async ({ inside, socket, bound, traced, event, close }) => {
  const b = await bound('b');
  const { port } = b.address();
  const a = inside('create', () => socket('a'));
  const closed = event(a, 'close');
  await new Promise((resolve) => inside('bind', () => a.bind(0, '127.0.0.1', traced('bound', resolve))));
  await new Promise((resolve) => inside('send', () => a.send('x', port, '127.0.0.1', traced('sent', resolve))));
  inside('answer', () => b.send('x', a.address().port, '127.0.0.1', traced('answered')));
  await event(a, 'message');
  await new Promise((resolve) => inside('connect', () => a.connect(port, '127.0.0.1', traced('connected', resolve))));
  await new Promise((resolve) => inside('send connected', () => a.send('y', traced('sent', resolve))));
  inside('close', () => a.close(traced('closed')));
  await closed;
  await close(b);
});

scenario('B44 the context in which listeners were added does not count', async ({ inside, dgram, traced, event, close }) => {
  const a = inside('create', () => dgram.createSocket('udp4'));
  for (const type of ['listening', 'message', 'close']) inside(`on ${type}`, () => a.on(type, traced(type)));
  inside('bind', () => a.bind(0, '127.0.0.1'));
  await event(a, 'listening');
  inside('send', () => a.send('x', a.address().port, '127.0.0.1', traced('sent')));
  await event(a, 'message');
  await close(a);
});

scenario('B44 an implicit bind', async ({ inside, socket, bound, traced, arrived, close }) => {
  const b = await bound('b');
  const a = inside('create', () => socket('a'));
  inside('first', () => a.send('1', b.address().port, '127.0.0.1', traced('first')));
  inside('second', () => a.send('2', b.address().port, '127.0.0.1', traced('second')));
  await arrived(b, 2);
  await close(a, b);
});

scenario('B44 a queued connect', async ({ inside, socket, bound, traced, event, close }) => {
  const b = await bound('b');
  const a = inside('create', () => socket('a'));
  inside('connect', () => a.connect(b.address().port, '127.0.0.1', traced('connected')));
  await event(a, 'connect');
  await close(a, b);
});

scenario('B44 a queued close', async ({ inside, socket, freePort, traced, turns }) => {
  const port = await freePort();
  const a = inside('create', () => socket('a'));
  inside('send', () => a.send('1', port, '127.0.0.1', traced('sent')));
  inside('close', () => a.close(traced('closed')));
  await turns(3);
});

scenario('B44 a bind that fails', async ({ inside, socket, event, close }) => {
  const a = inside('create', () => socket('a'));
  inside('bind', () => a.bind(0, '203.0.113.9'));
  await event(a, 'error');
  await close(a);
});

scenario('B44 a connect that fails', async ({ inside, socket, bind, traced, turns, close }) => {
  const a = inside('create', () => socket('a'));
  await bind(a);
  inside('with a callback', () => a.connect(9, '255.255.255.255', traced('connected')));
  await turns(2);
  inside('without', () => a.connect(9, '255.255.255.255'));
  await turns(2);
  await close(a);
});

scenario('B44 a send that fails', async ({ inside, socket, bind, traced, turns, close }) => {
  const a = inside('create', () => socket('a'));
  await bind(a);
  inside('send', () => a.send(Buffer.alloc(65508), 9, '127.0.0.1', traced('sent')));
  await turns(2);
  await close(a);
});

scenario('B44 an error of receiving', async ({ inside, socket, bind, freePort, traced, event, close }) => {
  const a = inside('create', () => socket('a'));
  await inside('bind', () => bind(a));
  const port = await freePort();
  await new Promise((resolve) => inside('connect', () => a.connect(port, '127.0.0.1', resolve)));
  inside('send', () => a.send('lost', traced('sent')));
  await event(a, 'error');
  await close(a);
});

for (const [how, answer] of Object.entries({
  'at once': (done) => done(null, '127.0.0.1', 4),
  'in an immediate': (done) => setImmediate(done, null, '127.0.0.1', 4),
  'in a context of its own': (done, inside) => inside('lookup', () => setImmediate(done, null, '127.0.0.1', 4)),
  'from outside': (done, inside, queue) => queue.push(() => done(null, '127.0.0.1', 4)),
})) {
  scenario(`B44 a lookup that answers ${how}`, async ({ inside, socket, bound, log, traced, turns, close }) => {
    const queue = [];
    const b = await bound('b');
    const lookup = (name, family, done) => log('lookup') || answer(done, inside, queue);
    const serve = async () => {
      await turns(2);
      queue.splice(0).forEach((one) => one());
      await turns(2);
    };
    const a = inside('create', () => socket('a', { type: 'udp4', lookup }));
    inside('bind', () => a.bind(0, 'host', traced('bound')));
    await serve();
    inside('send', () => a.send('x', b.address().port, 'host', traced('sent')));
    await serve();
    inside('connect', () => a.connect(b.address().port, 'host', traced('connected')));
    await serve();
    await close(a, b);
  });
}

scenario('B44 contexts of messages that come together', async ({ inside, socket, bind, arrived, traced, close }) => {
  const a = inside('create', () => socket('a'));
  const port = await bind(a);
  for (const i of [1, 2, 3]) inside(`send ${i}`, () => a.send(`${i}`, port, '127.0.0.1', traced(`sent ${i}`)));
  await arrived(a, 3);
  await close(a);
});

scenario('B44 promises and ticks in listeners keep the context', async ({ inside, socket, bind, event, clocks, close }) => {
  const a = inside('create', () => socket('a'));
  const port = await inside('bind', () => bind(a));
  a.on('message', () => clocks('of the message'));
  inside('send', () => a.send('x', port, '127.0.0.1', () => clocks('of the send')));
  await event(a, 'message');
  await close(a);
});

scenario('B44 a context that a listener of \'message\' enters', async ({ dgram, bind, log, event, close }) => {
  const { AsyncLocalStorage } = require('node:async_hooks');
  const store = new AsyncLocalStorage();
  const a = dgram.createSocket('udp4');
  const port = await bind(a);
  let count = 0;
  const done = new Promise((resolve) => a.on('message', () => {
    log('store', store.getStore());
    store.enterWith(`message ${++count}`);
    if (count === 3) resolve();
  }));
  for (let i = 0; i < 3; i++) a.send('x', port, '127.0.0.1');
  await done;
  await close(a);
});

scenario('B44 abort in a context', async ({ inside, bound, event }) => {
  const controller = new AbortController();
  const a = await inside('create', () => bound('a', { type: 'udp4', signal: controller.signal }));
  inside('abort', () => controller.abort());
  await event(a, 'close');
});

scenario('B44 asyncDispose in a context', async ({ inside, bound, log }) => {
  const a = await bound('a');
  if (Symbol.asyncDispose) await inside('dispose', () => a[Symbol.asyncDispose]().then(() => log('disposed')));
  else a.close();
});

scenario('B44 uncaught exceptions keep the context', { uncaught: true }, async ({ inside, socket, bind, event, turns, close }) => {
  const a = inside('create', () => socket('a'));
  const port = await bind(a);
  a.once('message', () => { throw new Error('in the listener'); });
  inside('send', () => a.send('x', port, '127.0.0.1', () => { throw new Error('in the callback'); }));
  await turns(3);
  await close(a);
});

scenario('B44 AsyncResource as a listener', async ({ inside, socket, bind, event, traced, close }) => {
  const a = inside('create', () => socket('a'));
  const port = await bind(a);
  a.on('message', inside('resource', () => AsyncResource.bind(traced('bound to a resource'))));
  a.send('x', port, '127.0.0.1');
  await event(a, 'message');
  await close(a);
});

scenario('B44 all messages have one asynchronous id, that of creation', async ({ dgram, bind, log, close }) => {
  const created = executionAsyncId();
  const a = dgram.createSocket('udp4');
  const port = await bind(a);
  const seen = [];
  const done = new Promise((resolve) => a.on('message', () => {
    seen.push([executionAsyncId(), triggerAsyncId()]);
    if (seen.length === 3) resolve();
  }));
  for (let i = 0; i < 3; i++) a.send('x', port, '127.0.0.1');
  await done;
  log('ids', new Set(seen.map(([id]) => id)).size, seen.every(([id]) => id > 0));
  log('triggered by', seen.every(([, trigger]) => trigger === created));
  await close(a);
});

scenario('B44 the types of asynchronous resources', async ({ dgram, bind, log, event, close }) => {
  const types = new Set();
  const hook = createHook({ init: (id, type) => types.add(type) }).enable();
  const a = dgram.createSocket('udp4');
  const port = await bind(a);
  a.send('x', port, '127.0.0.1');
  await event(a, 'message');
  await close(a);
  hook.disable();
  log('types', [...types].filter((type) => /UDP/.test(type)).sort());
});

scenario('B44 process.getActiveResourcesInfo', {
  alone: true,
  needs: () => (process.getActiveResourcesInfo ? undefined : 'this Node has no getActiveResourcesInfo()'),
}, async ({ bound, log, close }) => {
  const udp = () => process.getActiveResourcesInfo().filter((type) => /UDP/.test(type));
  const a = await bound('a');
  log('open', udp());
  a.unref();
  log('without ref', udp());
  await close(a);
  log('closed', udp());
});

scenario('B44 domains', { alone: true, uncaught: true }, async ({ socket, bind, log, turns, close }) => {
  const domain = require('node:domain').create();
  domain.on('error', (error) => log('the domain got', error.message));
  const a = domain.run(() => socket('a'));
  log('member of the domain', a.domain === domain);
  const port = await bind(a);
  a.once('message', () => { throw new Error('in the listener'); });
  a.send('x', port, '127.0.0.1');
  await turns(3);
  a.removeAllListeners('error');
  a.emit('error', new Error('made up'));
  await close(a);
});

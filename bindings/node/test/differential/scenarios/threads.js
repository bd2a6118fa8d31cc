'use strict';
// Sockets in worker threads.

const { scenario } = require('../registry.js');

scenario('threads: a socket in a thread', {
  roles: {
    async thread({ bound, traced, arrived, close, parent }) {
      const a = await bound('a');
      a.send('to itself', a.address().port, '127.0.0.1', traced('sent'));
      await arrived(a);
      await close(a);
      parent().leave();
    },
  },
}, async ({ thread, log }) => {
  const [code] = await thread('thread', 't1').gone;
  log('gone', code);
});

scenario('threads: two threads and the main one talk', {
  roles: {
    async echo({ bound, event, close, traced, parent }) {
      const { post, leave } = parent();
      const a = await bound('a');
      post(a.address().port);
      const [msg, { port, address }] = await event(a, 'message');
      await new Promise((resolve) => a.send(`re ${msg}`, port, address, traced('sent', resolve)));
      await close(a);
      leave();
    },
  },
}, async ({ thread, bound, arrived, close }) => {
  const a = await bound('a');
  for (const name of ['t1', 't2']) {
    const one = thread('echo', name);
    const got = arrived(a);
    a.send(`for ${name}`, await one.receive(), '127.0.0.1');
    await got;
    await one.gone;
  }
  await close(a);
});

scenario('threads: a thread is terminated with open sockets', {
  roles: {
    // It writes no line: where the last one would be cut off is not defined.
    async busy({ dgram, bind, parent }) {
      const a = dgram.createSocket('udp4', () => {});
      const port = await bind(a);
      dgram.createSocket('udp4').bind(0, 'localhost');
      dgram.createSocket('udp4').send('x', port, '127.0.0.1', () => {});
      a.connect(port, '127.0.0.1');
      parent().post('busy');
      for (;;) await new Promise(setImmediate);
    },
  },
}, async ({ thread, log }) => {
  const one = thread('busy', 't1');
  await one.receive();
  log('terminated', await one.of.terminate());
});

scenario('threads: process.exit in a thread with open sockets', {
  roles: {
    async exits({ bound, traced }) {
      const a = await bound('a');
      a.send('x', a.address().port, '127.0.0.1', traced('sent'));
      process.exit(3);
    },
  },
}, async ({ thread, bound, close, log }) => {
  const [code] = await thread('exits', 't1').gone;
  log('gone', code);
  await close(await bound('main goes on'));
});

scenario('threads: a thread that ends with a socket without ref', {
  roles: {
    async ends({ bound, parent }) {
      (await bound('a')).unref();
      parent().leave();
    },
  },
}, async ({ thread, log }) => {
  const [code] = await thread('ends', 't1').gone;
  log('gone', code);
});

scenario('threads: an exception in a listener ends its thread only', {
  uncaught: true,
  roles: {
    async throws({ bound }) {
      process.removeAllListeners('uncaughtException');
      const a = await bound('a');
      a.on('message', () => { throw new Error('in the listener'); });
      a.send('x', a.address().port, '127.0.0.1');
    },
  },
}, async ({ thread, log }) => {
  const one = thread('throws', 't1');
  one.of.on('error', (error) => log('error', error.message));
  const [code] = await one.gone;
  log('gone', code);
});

scenario('threads: many threads in turn', {
  roles: {
    async short({ dgram, bind, event, parent }) {
      const a = dgram.createSocket('udp4');
      const port = await bind(a);
      a.send('x', port, '127.0.0.1');
      await event(a, 'message');
      a.close();
      parent().leave();
    },
  },
}, async ({ thread, log }) => {
  for (let i = 0; i < 5; i++) await thread('short', 't').gone;
  log('all gone');
});

scenario('threads: a socket can\'t be sent to a thread', {
  roles: {
    async waits({ parent }) {
      const { receive, leave } = parent();
      await receive();
      leave();
    },
  },
}, async ({ thread, bound, log, close }) => {
  const a = await bound('a');
  const one = thread('waits', 't1');
  try {
    one.post(a);
    log('sent');
  } catch (error) {
    log('threw', error.name);
  }
  one.post('end');
  await one.gone;
  await close(a);
});

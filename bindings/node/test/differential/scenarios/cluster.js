'use strict';
// Sockets of cluster workers (B26, B27). A worker plays a role; its lines stand under its name.

const { scenario } = require('../registry.js');
const { feature, ipv6, linux } = require('../needs.js');

/** The roles of a scenario whose workers serve requests of the primary, one at a time. */
const serving = (answers) => ({
  async worker(tools) {
    const { receive, post, leave } = tools.parent();
    const sockets = {};
    for (let [request, ...values] = await receive(); request !== 'end'; [request, ...values] = await receive()) {
      post(await answers[request](tools, sockets, ...values));
    }
    leave();
  },
});

/** Starts a worker that serves requests of the primary. */
function startWorker(tools, name) {
  const { post, receive, gone, of } = tools.worker('worker', name);
  return {
    of,
    request: (...request) => { post(request); return receive(); },
    end: () => { post(['end']); return gone; },
  };
}

const settled = (tools, one) => Promise.race([
  tools.event(one, 'listening').then(() => one.address().port),
  tools.event(one, 'error').then(([error]) => error.code),
]);

const basics = {
  async bind(tools, sockets, name, options) {
    const one = tools.socket(name);
    sockets[name] = one;
    const done = settled(tools, one);
    one.bind(options);
    return done;
  },
  async send(tools, sockets, name, port) {
    const one = sockets[name] || (sockets[name] = tools.socket(name));
    await tools.awaited('sent', (done) => one.send('from the worker', port, '127.0.0.1', done));
    return one.address().port;
  },
  async close(tools, sockets, name) {
    await tools.close(sockets[name]);
    return 'closed';
  },
};

const LOCAL = { port: 0, address: '127.0.0.1' };

scenario('B26 B27 workers share a port of the system\'s choice', { roles: serving(basics) }, async (tools) => {
  const { log } = tools;
  const [w1, w2] = [startWorker(tools, 'w1'), startWorker(tools, 'w2')];
  const p1 = await w1.request('bind', 'a', LOCAL);
  const p2 = await w2.request('bind', 'a', LOCAL);
  log('the same port', p1 === p2, typeof p1);
  await w1.request('close', 'a');
  await w2.request('close', 'a');
  await Promise.all([w1.end(), w2.end()]);
});

scenario('B27 the same worker twice gets two ports', { roles: serving(basics) }, async (tools) => {
  const w1 = startWorker(tools, 'w1');
  const p1 = await w1.request('bind', 'a', LOCAL);
  const p2 = await w1.request('bind', 'b', LOCAL);
  tools.log('the same port', p1 === p2);
  await w1.request('close', 'a');
  await w1.request('close', 'b');
  await w1.end();
});

scenario('B27 exclusive sockets do not share', { roles: serving(basics) }, async (tools) => {
  const [w1, w2] = [startWorker(tools, 'w1'), startWorker(tools, 'w2')];
  const p1 = await w1.request('bind', 'a', { ...LOCAL, exclusive: true });
  const p2 = await w2.request('bind', 'a', { ...LOCAL, exclusive: true });
  tools.log('the same port', p1 === p2);
  tools.log('a taken port', await w2.request('bind', 'b', { ...LOCAL, port: p1, exclusive: true }));
  await w1.request('close', 'a');
  await w2.request('close', 'a');
  await w2.request('close', 'b');
  await Promise.all([w1.end(), w2.end()]);
});

scenario('B27 workers share a port of the program\'s choice', { roles: serving(basics) }, async (tools) => {
  const port = await tools.freePort();
  const [w1, w2] = [startWorker(tools, 'w1'), startWorker(tools, 'w2')];
  tools.log('first', await w1.request('bind', 'a', { ...LOCAL, port }) === port);
  tools.log('second', await w2.request('bind', 'a', { ...LOCAL, port }) === port);
  await w1.request('close', 'a');
  await w2.request('close', 'a');
  await Promise.all([w1.end(), w2.end()]);
});

scenario('B26 a port that is taken', { roles: serving(basics) }, async (tools) => {
  const other = await tools.builtinPeer();
  const w1 = startWorker(tools, 'w1');
  tools.log('outcome', await w1.request('bind', 'a', { ...LOCAL, port: other.port }));
  tools.log('again', typeof await w1.request('bind', 'b', LOCAL));
  await w1.request('close', 'a');
  await w1.request('close', 'b');
  await w1.end();
  await other.close();
});

scenario('B26 an address that is none of ours', { roles: serving(basics) }, async (tools) => {
  const w1 = startWorker(tools, 'w1');
  tools.log('outcome', await w1.request('bind', 'a', { port: 0, address: '203.0.113.9' }));
  await w1.request('close', 'a');
  await w1.end();
});

scenario('B27 what the event listening of the primary reports', { roles: serving(basics) }, async (tools) => {
  const cluster = require('node:cluster');
  const { log } = tools;
  const reported = [];
  cluster.on('listening', (worker, { address, addressType, fd, port }) => {
    reported.push([address, addressType, fd, typeof port]);
  });
  const w1 = startWorker(tools, 'w1');
  await w1.request('bind', 'shared', LOCAL);
  await w1.request('bind', 'wildcard', { port: 0 });
  await w1.request('bind', 'exclusive', { ...LOCAL, exclusive: true });
  for (const name of ['shared', 'wildcard', 'exclusive']) await w1.request('close', name);
  await w1.end();
  reported.forEach((one) => log('listening', one));
});

scenario('B27 an implicit bind does not send the primary a request', { roles: serving(basics) }, async (tools) => {
  const cluster = require('node:cluster');
  cluster.on('listening', () => tools.log('the primary emitted listening'));
  const other = await tools.bound('primary');
  const [w1, w2] = [startWorker(tools, 'w1'), startWorker(tools, 'w2')];
  const got = tools.arrived(other);
  const p1 = await w1.request('send', 'a', other.address().port);
  await got;
  const more = tools.arrived(other);
  const p2 = await w2.request('send', 'a', other.address().port);
  await more;
  tools.log('the same port', p1 === p2);
  await w1.request('close', 'a');
  await w2.request('close', 'a');
  await Promise.all([w1.end(), w2.end()]);
  await tools.close(other);
});

const messages = {
  ...basics,
  async receive(tools, sockets, name) {
    const [msg] = await tools.arrived(sockets[name]);
    return String(msg);
  },
  async reply(tools, sockets, name) {
    const one = sockets[name];
    const [msg, { port, address }] = await tools.event(one, 'message');
    await tools.awaited('replied', (done) => one.send(`re ${msg}`, port, address, done));
    return 'done';
  },
};

scenario('B27 a shared socket receives and replies', { roles: serving(messages) }, async (tools) => {
  const w1 = startWorker(tools, 'w1');
  const port = await w1.request('bind', 'a', LOCAL);
  const client = await tools.bound('client');
  const replied = w1.request('reply', 'a');
  const got = tools.arrived(client);
  client.send('hello', port, '127.0.0.1');
  await Promise.all([replied, got]);
  await w1.request('close', 'a');
  await w1.end();
  await tools.close(client);
});

scenario('B27 a worker closes, the other receives', { roles: serving(messages) }, async (tools) => {
  const [w1, w2] = [startWorker(tools, 'w1'), startWorker(tools, 'w2')];
  const port = await w1.request('bind', 'a', LOCAL);
  await w2.request('bind', 'a', LOCAL);
  await w1.request('close', 'a');
  const client = await tools.bound('client');
  const received = w2.request('receive', 'a');
  client.send('to who is left', port, '127.0.0.1');
  tools.log('received', await received);
  await w2.request('close', 'a');
  await Promise.all([w1.end(), w2.end()]);
  await tools.close(client);
});

scenario('B27 a worker is killed, the other receives', { roles: serving(messages) }, async (tools) => {
  const [w1, w2] = [startWorker(tools, 'w1'), startWorker(tools, 'w2')];
  const port = await w1.request('bind', 'a', LOCAL);
  await w2.request('bind', 'a', LOCAL);
  const gone = tools.event(w1.of, 'exit');
  w1.of.process.kill('SIGKILL');
  await gone;
  const client = await tools.bound('client');
  const received = w2.request('receive', 'a');
  client.send('to who is left', port, '127.0.0.1');
  tools.log('received', await received);
  await w2.request('close', 'a');
  await w2.end();
  await tools.close(client);
});

scenario('B27 a port that all workers have closed is free', { roles: serving(basics) }, async (tools) => {
  const w1 = startWorker(tools, 'w1');
  const port = await w1.request('bind', 'a', LOCAL);
  await w1.request('close', 'a');
  await w1.end();
  const one = tools.socket('primary');
  one.bind(port, '127.0.0.1');
  await tools.event(one, 'listening');
  await tools.close(one);
});

scenario('B27 worker.disconnect closes the sockets', {
  roles: {
    async worker({ socket, bind, parent, log, event }) {
      const a = socket('a');
      await bind(a);
      parent().post('bound');
      await event(a, 'close');
      log('connected', process.connected);
    },
  },
}, async ({ worker, log }) => {
  const one = worker('worker', 'w1');
  await one.receive();
  one.of.disconnect();
  const [code, signal] = await one.gone;
  log('gone', code, signal);
});

scenario('B27 cluster.disconnect with a shared and an exclusive socket', {
  roles: {
    async worker({ socket, event, parent }) {
      const [a, b] = [socket('shared'), socket('exclusive')];
      const both = Promise.all([event(a, 'listening'), event(b, 'listening')]);
      a.bind(0, '127.0.0.1');
      b.bind({ port: 0, address: '127.0.0.1', exclusive: true });
      await both;
      parent().post('bound');
      await event(a, 'close');
      b.close();
    },
  },
}, async ({ worker, log }) => {
  const one = worker('worker', 'w1');
  await one.receive();
  require('node:cluster').disconnect(() => log('disconnected'));
  await one.gone;
});

scenario('B26 close while the request to the primary is under way', {
  roles: {
    async worker({ socket, traced, event, parent }) {
      const a = socket('a');
      a.bind(0, '127.0.0.1', traced('bound'));
      process.nextTick(() => a.close(traced('closed'))); // after the tick in which the name is known
      await event(a, 'close');
      const b = socket('b');
      b.bind(0, '127.0.0.1');
      await event(b, 'listening');
      b.close();
      parent().leave();
    },
  },
}, async ({ worker }) => {
  await worker('worker', 'w1').gone;
});

scenario('B26 sends while the request to the primary is under way', {
  roles: {
    async worker({ socket, traced, arrived, parent, close, freePort }) {
      const port = await freePort();
      const a = socket('a');
      a.bind(0, '127.0.0.1', traced('bound'));
      await new Promise((resolve) => {
        a.once('listening', resolve);
        a.send('to a closed port', port, '127.0.0.1', traced('sent'));
      });
      a.send('to itself', a.address().port, '127.0.0.1', traced('sent'));
      await arrived(a);
      await close(a);
      parent().leave();
    },
  },
}, async ({ worker }) => {
  await worker('worker', 'w1').gone;
});

scenario('B26 connect of a shared socket', {
  roles: {
    async worker({ socket, bind, bound, traced, event, arrived, attempt, parent, close }) {
      const a = socket('a');
      await bind(a);
      const b = socket('b');
      b.bind({ port: 0, address: '127.0.0.1', exclusive: true });
      await event(b, 'listening');
      a.connect(b.address().port, '127.0.0.1', traced('connected'));
      await event(a, 'connect');
      attempt('remoteAddress', () => a.remoteAddress());
      a.send('hello', traced('sent'));
      await arrived(b);
      attempt('disconnect', () => a.disconnect());
      await close(a, b);
      parent().leave();
    },
  },
}, async ({ worker }) => {
  await worker('worker', 'w1').gone;
});

scenario('B26 options of a shared socket', {
  roles: {
    async worker({ socket, bind, attempt, parent, close }) {
      const a = socket('a', { type: 'udp4', reuseAddr: true, recvBufferSize: 20000 });
      a.on('listening', () => attempt('size', () => a.getRecvBufferSize()));
      await bind(a);
      attempt('setTTL', () => a.setTTL(5));
      attempt('setBroadcast', () => a.setBroadcast(true));
      attempt('addMembership', () => a.addMembership('224.0.0.114', '127.0.0.1'));
      attempt('dropMembership', () => a.dropMembership('224.0.0.114', '127.0.0.1'));
      attempt('queue', () => a.getSendQueueSize());
      await close(a);
      parent().leave();
    },
  },
}, async ({ worker }) => {
  await worker('worker', 'w1').gone;
});

scenario('B26 B17 unref before bind goes over to the shared handle', {
  roles: {
    async worker({ socket, event, parent, log }) {
      const a = socket('a');
      a.unref();
      a.bind(0, '127.0.0.1');
      await event(a, 'listening');
      log('leaves');
      parent().leave(); // without the channel, only the socket could keep the worker
    },
  },
}, async ({ worker, log }) => {
  const [code] = await worker('worker', 'w1').gone;
  log('gone', code);
});

scenario('B26 a shared socket of udp6', { needs: ipv6, roles: serving({
  async bind(tools) {
    const a = tools.socket('a', { type: 'udp6', ipv6Only: true });
    const done = settled(tools, a);
    a.bind(0, '::1');
    const port = await done;
    tools.log('address', a.address());
    await tools.close(a);
    return port;
  },
}) }, async (tools) => {
  const cluster = require('node:cluster');
  cluster.on('listening', (worker, { address, addressType }) => tools.log('listening', address, addressType));
  const w1 = startWorker(tools, 'w1');
  await w1.request('bind');
  await w1.end();
});

scenario('B26 a lookup that fails, in a worker', {
  roles: {
    async worker({ socket, event, close, parent }) {
      const a = socket('a', { type: 'udp4', lookup: (name, family, done) => setImmediate(done, new Error('not found')) });
      a.bind(0, 'nowhere');
      await event(a, 'error');
      await close(a);
      parent().leave();
    },
  },
}, async ({ worker }) => {
  await worker('worker', 'w1').gone;
});

scenario('B26 a descriptor, in a worker', {
  needs: linux,
  roles: {
    async worker({ socket, event, attempt, close, parent, turns }) {
      const a = socket('a');
      attempt('bind', () => a.bind({ fd: 9999 }));
      await Promise.race([event(a, 'error'), event(a, 'listening')]);
      await close(a);
      parent().leave();
    },
  },
}, async ({ worker }) => {
  await worker('worker', 'w1').gone;
});

/* A stub in place of the primary */

const stub = (play) => ({
  roles: {
    async worker(tools) {
      await play(tools, (answer) => {
        require('node:cluster')._getServer = (socket, options, done) => {
          const members = { ...options };
          tools.log('_getServer', tools.show(socket), members, typeof done);
          answer(done, socket);
        };
      });
      process.disconnect();
    },
  },
});

const alone = async ({ worker }) => {
  await worker('worker', 'w1').gone;
};

scenario('B26 what _getServer gets', stub(async ({ socket, turns, bound }, stubbed) => {
  stubbed(() => {});
  for (const options of ['udp4', 'udp6', { type: 'udp4', reuseAddr: true }, { type: 'udp6', ipv6Only: true }]) {
    socket('a', options).bind(0);
    await turns(1);
  }
  socket('a', { type: 'udp4', lookup: (name, family, done) => setImmediate(done, null, '127.0.0.3') })
    .bind({ port: 0, address: 'name' });
  await turns(2);
  socket('a').bind({ port: '5', address: '127.0.0.1', exclusive: 0 });
  socket('a').bind({ fd: 77 });
  await turns(5);
  process.exit();
}), alone);

scenario('B26 _getServer answers with an error', stub(async ({ socket, event, turns, attempt, close, counts }, stubbed) => {
  stubbed((done) => setImmediate(done, -98, null));
  const a = socket('a');
  a.bind(4567, '127.0.0.1');
  await event(a, 'error');
  attempt('address', () => a.address());
  counts(a);
  a.bind(0, '127.0.0.1');
  await event(a, 'error');
  await close(a);
}), alone);

scenario('B26 _getServer answers with an error for a descriptor', stub(async ({ socket, event, close }, stubbed) => {
  stubbed((done) => setImmediate(done, -9, null));
  const a = socket('a');
  a.bind({ fd: 77 });
  await event(a, 'error');
  await close(a);
}), alone);

scenario('B26 _getServer answers after close', stub(async ({ socket, turns, log }, stubbed) => {
  stubbed((done) => setImmediate(done, 0, { close: () => log('the handle was closed') }));
  const a = socket('a');
  a.bind(0, '127.0.0.1');
  await turns(0);
  process.nextTick(() => a.close());
  await turns(4);
  stubbed((done) => setImmediate(done, -98, null));
  const b = socket('b');
  b.bind(0, '127.0.0.1');
  process.nextTick(() => b.close());
  await turns(4);
}), alone);

scenario('B26 _getServer is looked up when it is called', stub(async ({ socket, turns, log }, stubbed) => {
  stubbed(() => log('the first'));
  const a = socket('a');
  a.bind(0, '127.0.0.1');
  stubbed(() => log('the second'));
  await turns(3);
  process.exit();
}), alone);

scenario('B26 exclusive does not call _getServer', stub(async ({ socket, event, close, freePort, traced }, stubbed) => {
  stubbed(() => {});
  const a = socket('a');
  a.bind({ port: 0, address: '127.0.0.1', exclusive: true });
  await event(a, 'listening');
  const b = socket('b');
  b.send('x', a.address().port, '127.0.0.1', traced('sent'));
  await event(a, 'message');
  const c = socket('c');
  c.connect(a.address().port, '127.0.0.1');
  await event(c, 'connect');
  await close(a, b, c);
}), alone);

scenario('B26 the primary itself does not call _getServer', { alone: true }, async ({ socket, event, close, log }) => {
  const cluster = require('node:cluster');
  cluster._getServer = () => log('never');
  const a = socket('a');
  a.bind(0, '127.0.0.1');
  await event(a, 'listening');
  await close(a);
});

scenario('B26 cluster.isWorker is looked up when bind is called', { alone: true }, async ({ socket, event, close, log, turns }) => {
  const cluster = require('node:cluster');
  cluster.isWorker = true;
  cluster._getServer = (one, { addressType }) => log('_getServer', addressType);
  const a = socket('a');
  a.bind(0, '127.0.0.1');
  await turns(2);
  a.close();
});

scenario('B27 B44 active resources of a worker', {
  needs: feature('getActiveResourcesInfo()', process.getActiveResourcesInfo),
  roles: {
    async worker({ dgram, parent, log, turns, close }) {
      const report = async (when) => {
        await turns(2);
        log(when, process.getActiveResourcesInfo().filter((type) => /UDP/.test(type)));
      };
      const listening = (one) => new Promise((resolve) => one.bind(LOCAL, resolve));
      const a = dgram.createSocket('udp4').unref();
      await listening(a);
      await report('unref, then bind');
      a.ref();
      await report('ref');
      a.unref();
      await report('unref');
      const b = dgram.createSocket('udp4');
      await listening(b);
      await report('another one');
      b.unref();
      await report('unref');
      b.ref();
      await close(b);
      await report('closed');
      await close(a);
      parent().leave();
    },
  },
}, ({ worker }) => worker('worker', 'w1').gone);

'use strict';
// bind({ fd }) and bind(handle): descriptors and native handles of others (B24, B25).

const fs = require('node:fs');
const net = require('node:net');
const { scenario } = require('../registry.js');
const { linux, legacy } = require('../needs.js');

function sockets() {
  return fs.readdirSync('/proc/self/fd').filter((fd) => {
    try { return fs.readlinkSync(`/proc/self/fd/${fd}`).startsWith('socket:'); } catch { return false; }
  }).map(Number);
}

/** What a promise gives, and the descriptor of the socket that was opened meanwhile. */
async function opened(start) {
  const before = sockets();
  const value = await start();
  return { value, fd: sockets().find((fd) => !before.includes(fd)) };
}

const fallThrough = [0, -1, 1.5, '3', null, undefined, NaN, 2 ** 31, [7], { valueOf: () => 7 }, true];

scenario('B24 descriptors that are none', async (tools) => {
  for (const fd of fallThrough) {
    const a = tools.socket('a');
    tools.attempt(`bind to ${tools.show(fd)}`, () => a.bind({ fd, port: 0, address: '127.0.0.1' }));
    await tools.event(a, 'listening');
    await tools.close(a);
  }
});

/** Binds to a descriptor that is refused; traces the state in which the socket is left. */
async function refused({ socket, attempt, close, counts }, text, fd) {
  const a = socket('a');
  attempt(text, () => a.bind({ fd }));
  attempt('bind again', () => a.bind(0, '127.0.0.1'));
  attempt('address', () => a.address());
  counts(a);
  await close(a);
}

scenario('B24 a file', async (tools) => {
  const fd = fs.openSync(__filename, 'r');
  await refused(tools, 'a file', fd);
  fs.closeSync(fd);
});

scenario('B24 a pipe', { needs: linux }, (tools) => refused(tools, 'a pipe', 1));

scenario('B24 a descriptor that is not open', (tools) => refused(tools, 'not open', 9999));

scenario('B24 a TCP socket', { needs: linux }, async (tools) => {
  const server = net.createServer();
  const { fd } = await opened(() => new Promise((resolve) => server.listen(0, '127.0.0.1', resolve)));
  await refused(tools, 'TCP', fd);
  server.close();
});

scenario('B24 a refused descriptor with a callback', async ({ socket, attempt, traced, close, counts }) => {
  const a = socket('a');
  attempt('bind', () => a.bind({ fd: 9999 }, traced('callback')));
  counts(a);
  await close(a);
});

scenario('B24 a descriptor that this loop polls already', { needs: linux }, async (tools) => {
  const { value: other, fd } = await opened(() => tools.builtinPeer());
  await refused(tools, 'polled', fd);
  await other.close();
});

// A descriptor that no loop polls comes from another process: as number 4 of a child.
const FD = 4;
const ofAnother = (play) => ({ needs: linux, roles: { adopts: play } });
const asChild = (options = {}) => async (tools) => {
  const { value: other, fd } = await opened(() => tools.builtinPeer());
  if (options.connected) other.socket.connect(other.port, '127.0.0.1');
  if (options.connected) await tools.event(other.socket, 'connect');
  const stdio = ['ignore', 'inherit', 'inherit', 3, fd, 'ipc'];
  const child = tools.child('adopts', 'child', { stdio });
  await other.close(); // from now on the child alone receives
  child.post(other.port);
  await child.gone;
};

scenario('B24 a descriptor of another process', ofAnother(async (tools) => {
  const { socket, attempt, arrived, close, parent, log, clocks, traced } = tools;
  const port = await parent().receive();
  const a = socket('a');
  clocks('before');
  attempt('bind', () => a.bind({ fd: FD, port: 1, address: 'ignored' }, traced('callback')));
  attempt('address', () => a.address());
  log('the same port', a.address().port === port);
  a.send('to itself', port, '127.0.0.1');
  await arrived(a);
  await close(a);
  log('open', fs.existsSync(`/proc/self/fd/${FD}`));
  parent().leave();
}), asChild());

scenario('B24 a descriptor that is connected', ofAnother(async (tools) => {
  const { socket, attempt, traced, turns, close, parent, counts } = tools;
  const port = await parent().receive();
  const a = socket('a');
  attempt('bind', () => a.bind({ fd: FD }));
  attempt('remoteAddress', () => a.remoteAddress());
  attempt('send without a port', () => a.send('x'));
  attempt('send with a port', () => a.send('x', port, '127.0.0.1', traced('sent')));
  await turns(2);
  attempt('disconnect', () => a.disconnect());
  counts(a);
  await close(a);
  parent().leave();
}), asChild({ connected: true }));

scenario('B24 what bind does to a descriptor', ofAnother(async ({ socket, close, parent, log }) => {
  await parent().receive();
  const flags = () => /flags:\s+(\d+)/.exec(fs.readFileSync(`/proc/self/fdinfo/${FD}`, 'latin1'))[1];
  log('before', flags());
  const a = socket('a');
  a.bind({ fd: FD });
  log('after', flags());
  await close(a);
  parent().leave();
}), asChild());

scenario('B24 buffer sizes of a descriptor', ofAnother(async ({ socket, close, parent, log }) => {
  await parent().receive();
  const a = socket('a', { type: 'udp4', recvBufferSize: 30000 });
  a.on('listening', () => log('size', a.getRecvBufferSize()));
  a.bind({ fd: FD });
  await close(a);
  parent().leave();
}), asChild());

scenario('B24 one descriptor twice', ofAnother(async ({ socket, attempt, close, parent }) => {
  await parent().receive();
  const a = socket('a');
  const b = socket('b');
  attempt('first', () => a.bind({ fd: FD }));
  attempt('second', () => b.bind({ fd: FD }));
  await close(a, b);
  parent().leave();
}), asChild());

scenario('B24 closing in \'listening\' of a descriptor', ofAnother(async ({ socket, attempt, parent, event }) => {
  await parent().receive();
  const a = socket('a');
  a.on('listening', () => a.close());
  const closed = event(a, 'close');
  attempt('bind', () => a.bind({ fd: FD }));
  await closed;
  parent().leave();
}), asChild());

scenario('B25 a native handle', { alone: true, needs: legacy('_createSocketHandle') },
  async ({ dgram, socket, attempt, arrived, close, traced }) => {
    const handle = dgram._createSocketHandle('127.0.0.1', 0, 'udp4', -1, 0);
    const a = socket('a');
    attempt('bind', () => a.bind(handle, traced('callback')));
    attempt('address', () => a.address());
    a.send('to itself', a.address().port, '127.0.0.1');
    await arrived(a);
    await close(a);
  });

scenario('B25 B1 _createSocketHandle and its errors', { alone: true, needs: legacy('_createSocketHandle') },
  async ({ dgram, attempt, builtinPeer, log }) => {
    const { port, close } = await builtinPeer();
    const kindOf = (handle) => (typeof handle === 'number' ? handle : typeof handle.recvStart);
    attempt('free port', () => kindOf(dgram._createSocketHandle('127.0.0.1', 0, 'udp4', -1, 0)));
    attempt('taken port', () => kindOf(dgram._createSocketHandle('127.0.0.1', port, 'udp4', -1, 0)));
    attempt('not bound', () => kindOf(dgram._createSocketHandle(null, 0, 'udp4')));
    attempt('bad type', () => kindOf(dgram._createSocketHandle('127.0.0.1', 0, 'udp5', -1, 0)));
    attempt('bad descriptor', () => kindOf(dgram._createSocketHandle(null, 0, 'udp4', 9999)));
    log('done');
    await close();
  });

scenario('B25 an object with recvStart', { uncaught: true }, async ({ socket, attempt, turns }) => {
  const calls = [];
  const handle = new Proxy({ recvStart() { calls.push('recvStart'); return 0; } }, {
    get(target, key) { calls.push(`get ${String(key)}`); return target[key]; },
  });
  const a = socket('a');
  attempt('bind', () => a.bind(handle));
  await turns(1);
  attempt('calls', () => calls.includes('recvStart'));
});

const passes = (what) => ({
  needs: linux,
  roles: {
    async gets({ parent, log, close, event }) {
      const [, handle] = await new Promise((resolve) => process.once('message', (...all) => resolve(all)));
      log('got', handle && handle.constructor.name, what);
      if (handle && handle.address) log('type', handle.type, handle.address().address);
      if (handle) await close(handle);
      parent().leave();
    },
  },
});

scenario('B25 a socket sent to another process', passes('a socket'), async ({ bound, attempt, child, close }) => {
  const a = await bound('a');
  const other = child('gets', 'child');
  if (!attempt('send', () => other.of.send('a socket', a))) other.post('nothing');
  await other.gone;
  await close(a);
});

for (const who of ['an unbound socket', 'a closed socket', 'a connected socket']) {
  scenario(`B25 ${who} sent to another process`, passes(who), async ({ bound, socket, attempt, child, traced, close }) => {
    const a = await (who === 'an unbound socket' ? socket('a') : bound('a'));
    if (who === 'a connected socket') await new Promise((resolve) => a.connect(9, '127.0.0.1', resolve));
    if (who === 'a closed socket') await close(a);
    const other = child('gets', 'child');
    attempt('send', () => other.of.send(who, a, traced('sent')));
    if (who !== 'a connected socket') other.post('nothing');
    await other.gone;
    if (who !== 'a closed socket') await close(a);
  });
}

scenario('B25 a socket that was sent goes on, and what the other process has does too', {
  needs: linux,
  roles: {
    async gets({ parent, arrived, traced, close }) {
      const { post, leave } = parent();
      const [, a] = await new Promise((resolve) => process.once('message', (...all) => resolve(all)));
      const [message] = await Promise.all([arrived(a), post('listening')]);
      a.send(`answer to ${message}`, a.address().port, '127.0.0.1', traced('sent'));
      await arrived(a);
      await close(a);
      leave();
    },
  },
}, async ({ bound, attempt, child, arrived, log, traced, close }) => {
  const a = await bound('a');
  const b = await bound('b');
  const other = child('gets', 'child');
  attempt('send', () => other.of.send('a socket', a));
  await other.receive();
  log('still bound', a.address().port > 0);
  const got = arrived(b);
  a.send('from the first', b.address().port, '127.0.0.1', traced('sent'));
  await got;
  const { port } = a.address();
  await close(a);
  b.send('question', port, '127.0.0.1', traced('sent'));
  await other.gone;
  await close(b);
});

scenario('B25 a socket that a child sends', {
  needs: linux,
  roles: {
    async sends({ bound, parent, close, attempt }) {
      const a = await bound('a');
      await new Promise((resolve) => attempt('send', () => process.send('a socket', a, resolve)));
      await close(a);
      parent().leave();
    },
  },
}, async ({ child, log, close }) => {
  const other = child('sends', 'child');
  const [, handle] = await new Promise((resolve) => other.of.once('message', (...all) => resolve(all)));
  log('got', handle && handle.constructor.name, handle && handle.address().address);
  await close(handle);
});

'use strict';
// What later versions of Node have (B51 to B56). Where the built-in does not have it, it is skipped.

const fs = require('node:fs');
const net = require('node:net');
const { scenario } = require('../registry.js');
const { ipv6, method, option, feature, all } = require('../needs.js');

const LOCAL = '127.0.0.1';

/* reusePort */

const reusePort = { needs: option('reusePort') };

scenario('B51 two sockets on one port with reusePort', reusePort, async ({ socket, bind, event, close }) => {
  const a = socket('a', { type: 'udp4', reusePort: true });
  const port = await bind(a);
  const b = socket('b', { type: 'udp4', reusePort: true });
  b.bind(port, LOCAL);
  await Promise.race([event(b, 'listening'), event(b, 'error')]);
  const c = socket('c');
  c.bind(port, LOCAL);
  await Promise.race([event(c, 'listening'), event(c, 'error')]);
  await close(a, b, c);
});

scenario('B51 reusePort by its truth', reusePort, async ({ dgram, bind, event, log, show, close }) => {
  const a = dgram.createSocket({ type: 'udp4', reusePort: true });
  const port = await bind(a);
  for (const value of ['yes', 1, {}, 0, '', null, false]) {
    const b = dgram.createSocket({ type: 'udp4', reusePort: value });
    b.bind(port, LOCAL);
    log(show(value), await Promise.race([event(b, 'listening').then(() => 'bound'),
      event(b, 'error').then(([error]) => error.code)]));
    await close(b);
  }
  await close(a);
});

scenario('B51 reusePort in a worker sends the primary no request', {
  ...reusePort,
  roles: {
    async worker({ socket, event, close, parent, log }) {
      require('node:cluster')._getServer = () => log('never');
      const a = socket('a', { type: 'udp4', reusePort: true });
      a.bind(0, LOCAL);
      await event(a, 'listening');
      await close(a);
      parent().leave();
    },
  },
}, async ({ worker }) => {
  await worker('worker', 'w1').gone;
});

/* Block lists */

const blockList = { needs: option('sendBlockList') };

function listOf(...addresses) {
  const list = new net.BlockList();
  for (const address of addresses) list.addAddress(address, net.isIPv6(address) ? 'ipv6' : 'ipv4');
  return list;
}

for (const name of ['sendBlockList', 'receiveBlockList']) {
  scenario(`B52 values of ${name}`, blockList, ({ dgram, attempt, show }) => {
    for (const value of [undefined, null, 0, '', false, NaN, 1, 'list', {}, [], true, () => {}, new Set(), listOf()]) {
      attempt(show(value), () => dgram.createSocket({ type: 'udp4', [name]: value }).type);
    }
  });

  scenario(`B52 ${name} and the other options: the order of the checks`, blockList, ({ dgram, attempt }) => {
    const options = { [name]: 1, recvBufferSize: 'a', lookup: 'c', type: 'd' };
    for (const key of ['recvBufferSize', 'lookup', 'type', name]) {
      attempt(`from ${key} on`, () => dgram.createSocket(options).type);
      if (key === 'type') options.type = 'udp4';
      else delete options[key];
    }
  });
}

scenario('B52 a send to a blocked address', blockList, async ({ bound, traced, clocks, turns, close }) => {
  const b = await bound('b');
  const a = await bound('a', { type: 'udp4', sendBlockList: listOf(LOCAL) });
  clocks('before');
  a.send('with a callback', b.address().port, LOCAL, traced('sent'));
  a.send('without', b.address().port, LOCAL);
  clocks('after');
  await turns(3);
  await close(a, b);
});

scenario('B52 a queued send to a blocked address', blockList, async ({ socket, traced, turns, close }) => {
  const a = socket('a', { type: 'udp4', sendBlockList: listOf(LOCAL) });
  a.send('x', 9, LOCAL, traced('sent'));
  await turns(3);
  await close(a);
});

scenario('B52 a name of a blocked address', blockList, async ({ bound, traced, turns, close }) => {
  const lookup = (name, family, done) => done(null, name === 'blocked' ? '127.0.0.9' : LOCAL, 4);
  const a = await bound('a', { type: 'udp4', lookup, sendBlockList: listOf('127.0.0.9') });
  a.send('x', a.address().port, 'blocked', traced('blocked'));
  a.send('x', a.address().port, 'free', traced('free'));
  await turns(3);
  await close(a);
});

for (const withCallback of [true, false]) {
  scenario(`B52 connect to a blocked address, ${withCallback ? 'with' : 'without'} a callback`, blockList,
    async ({ bound, traced, attempt, turns, clocks, close }) => {
      const a = await bound('a', { type: 'udp4', sendBlockList: listOf(LOCAL) });
      clocks('before');
      a.connect(9, LOCAL, withCallback ? traced('connected') : undefined);
      await turns(3);
      attempt('remoteAddress', () => a.remoteAddress());
      attempt('again', () => a.connect(9, LOCAL, () => {}));
      await turns(3);
      await close(a);
    });
}

scenario('B52 what a connected socket sends is not looked at again', blockList, async ({ bound, arrived, traced, event, close }) => {
  const list = listOf();
  const b = await bound('b');
  const a = await bound('a', { type: 'udp4', sendBlockList: list });
  a.connect(b.address().port, LOCAL);
  await event(a, 'connect');
  list.addAddress(LOCAL);
  a.send('x', traced('sent'));
  await new Promise(setImmediate);
  await new Promise(setImmediate);
  await close(a, b);
});

scenario('B52 datagrams of a blocked sender vanish', blockList, async ({ bound, traced, turns, close }) => {
  const b = await bound('b', { type: 'udp4', receiveBlockList: listOf(LOCAL) });
  const a = await bound('a');
  a.send('x', b.address().port, LOCAL, traced('sent'));
  await turns(3);
  await close(a, b);
});

scenario('B52 the list\'s own check is called', blockList, async ({ bound, traced, turns, log, close }) => {
  const spy = (text) => {
    const list = listOf();
    list.check = (...values) => log(`${text} check`, ...values);
    return list;
  };
  const a = await bound('a', { type: 'udp4', sendBlockList: spy('send'), receiveBlockList: spy('receive') });
  a.send('x', a.address().port, LOCAL, traced('sent'));
  await turns(3);
  await close(a);
});

scenario('B52 a list of rules of many kinds, in use', blockList, async ({ bound, traced, turns, close }) => {
  const list = new net.BlockList();
  list.addSubnet('127.0.0.0', 30);
  list.addRange('127.0.0.8', '127.0.0.9');
  const a = await bound('a', { type: 'udp4', sendBlockList: list });
  const { port } = a.address();
  for (const address of [LOCAL, '127.0.0.4', '127.0.0.9']) a.send('x', port, address, traced(address));
  await turns(3);
  await close(a);
});

scenario('B52 udp6', { needs: all(option('sendBlockList'), ipv6) }, async ({ bound, traced, turns, close }) => {
  const b = await bound('b', { type: 'udp6', receiveBlockList: listOf('::1') });
  const a = await bound('a', { type: 'udp6', sendBlockList: listOf('::2') });
  a.send('x', b.address().port, '::1', traced('free'));
  a.send('x', b.address().port, '::2', traced('blocked'));
  await turns(3);
  await close(a, b);
});

/* bindSync */

const bindSync = { needs: method('bindSync') };

scenario('B53 bindSync', bindSync, async ({ socket, attempt, clocks, turns, close, counts }) => {
  for (const options of [undefined, {}, { port: 0 }, { address: LOCAL }, { port: 0, address: LOCAL },
    { port: null, address: null }, { port: undefined, address: undefined }, { address: '' }]) {
    const a = socket('a');
    clocks('before');
    attempt('bindSync', () => a.bindSync(options));
    attempt('address', () => a.address());
    counts(a);
    await turns(1);
    await close(a);
  }
});

scenario('B53 bad arguments of bindSync leave the socket as it was', bindSync, async ({ socket, attempt, show, close }) => {
  const a = socket('a');
  for (const options of [null, 5, 'x', true, [], () => {}, 0]) attempt(`options ${show(options)}`, () => { a.bindSync(options); a.close(); });
  const b = socket('b');
  for (const port of [-1, 65536, 1.5, 'abc', NaN, {}, true, '']) attempt(`port ${show(port)}`, () => b.bindSync({ port, address: LOCAL }));
  for (const address of ['localhost', '127.0.0', 5, {}, true, '::1%', '1.2.3.4.5', 'fe80::1%lo']) {
    attempt(`address ${show(address)}`, () => b.bindSync({ address }));
  }
  attempt('then', () => b.bindSync({ port: 0, address: LOCAL }));
  await close(b);
});

scenario('B53 bindSync and the errors of the system', bindSync, async ({ socket, builtinPeer, attempt, close, counts }) => {
  const other = await builtinPeer();
  const a = socket('a');
  attempt('taken', () => a.bindSync({ port: other.port, address: LOCAL }));
  attempt('not ours', () => a.bindSync({ address: '203.0.113.9' }));
  attempt('other family', () => a.bindSync({ address: '::1' }));
  attempt('then', () => a.bindSync({ address: LOCAL }));
  counts(a);
  await close(a);
  await other.close();
});

scenario('B53 bindSync when bound, binding, closed', bindSync, async ({ socket, attempt, event, close }) => {
  const a = socket('a');
  a.bind(0, LOCAL);
  attempt('binding', () => a.bindSync());
  await event(a, 'listening');
  attempt('bound', () => a.bindSync());
  attempt('bound, bad options', () => a.bindSync(5));
  await close(a);
  attempt('closed', () => a.bindSync());
  attempt('closed, bad options', () => a.bindSync(5));
});

scenario('B53 bindSync, then close', bindSync, async ({ socket, attempt, turns }) => {
  const a = socket('a');
  attempt('bindSync', () => a.bindSync({ address: LOCAL }));
  a.close();
  await turns(2);
});

scenario('B53 bindSync, then send in the same turn', bindSync, async ({ socket, attempt, traced, clocks, arrived, close }) => {
  const a = socket('a');
  attempt('bindSync', () => a.bindSync({ address: LOCAL }));
  a.send('to itself', a.address().port, LOCAL, traced('sent'));
  clocks('after');
  await arrived(a);
  await close(a);
});

scenario('B53 bindSync with sends that wait for a bind', bindSync, async ({ socket, attempt, traced, freePort, turns, close }) => {
  const port = await freePort();
  const a = socket('a');
  a.send('x', port, LOCAL, traced('sent'));
  attempt('bindSync', () => a.bindSync({ address: LOCAL }));
  await turns(3);
  await close(a);
});

scenario('B53 bindSync and buffer sizes, reuseAddr, contexts', bindSync, async ({ inside, socket, attempt, event, close }) => {
  const a = inside('create', () => socket('a', { type: 'udp4', recvBufferSize: 20000, reuseAddr: true }));
  inside('bindSync', () => attempt('bindSync', () => a.bindSync({ address: LOCAL })));
  attempt('size', () => a.getRecvBufferSize());
  await event(a, 'listening');
  await close(a);
});

scenario('B53 bindSync does not call a lookup', bindSync, async ({ socket, attempt, log, event, close }) => {
  const a = socket('a', { type: 'udp4', lookup: () => log('never') });
  attempt('bindSync', () => a.bindSync());
  await event(a, 'listening');
  await close(a);
});

scenario('B53 the options of bindSync in the order in which they are read', bindSync, async ({ socket, log, event, close }) => {
  const a = socket('a');
  const read = [];
  a.bindSync(new Proxy({ port: 0, address: LOCAL }, { get: (target, key) => read.push(String(key)) && target[key] }));
  log('read', read);
  await event(a, 'listening');
  await close(a);
});

scenario('B53 bindSync of udp6', { needs: all(method('bindSync'), ipv6) }, async ({ socket, attempt, event, close }) => {
  const a = socket('a', 'udp6');
  attempt('bindSync', () => a.bindSync());
  await event(a, 'listening');
  const b = socket('b', { type: 'udp6', ipv6Only: true });
  attempt('bindSync', () => b.bindSync({ address: '::1' }));
  await event(b, 'listening');
  await close(a, b);
});

scenario('B53 bindSync in a worker sends the primary no request', {
  ...bindSync,
  roles: {
    async worker({ socket, attempt, event, close, parent, log }) {
      require('node:cluster')._getServer = () => log('never');
      const a = socket('a');
      attempt('bindSync', () => a.bindSync({ address: LOCAL }));
      await event(a, 'listening');
      await close(a);
      parent().leave();
    },
  },
}, async ({ worker }) => {
  await worker('worker', 'w1').gone;
});

/* connectSync */

const connectSync = { needs: method('connectSync') };

scenario('B54 connectSync', connectSync, async ({ socket, bound, attempt, clocks, event, arrived, traced, close, counts }) => {
  const b = await bound('b');
  for (const address of [LOCAL, undefined, null, '']) {
    const a = socket('a');
    clocks('before');
    attempt('connectSync', () => a.connectSync(b.address().port, address));
    attempt('remoteAddress', () => a.remoteAddress());
    counts(a);
    a.send('hello', traced('sent'));
    await arrived(b);
    await close(a);
  }
  await close(b);
});

scenario('B54 connectSync of a bound socket', connectSync, async ({ bound, attempt, clocks, event, close }) => {
  const b = await bound('b');
  const a = await bound('a');
  clocks('before');
  attempt('connectSync', () => a.connectSync(b.address().port, LOCAL));
  clocks('after');
  await event(a, 'connect');
  await close(a, b);
});

scenario('B54 bad arguments of connectSync', connectSync, async ({ socket, attempt, show, close }) => {
  const a = socket('a');
  for (const port of [undefined, null, 0, '0', -1, 65536, 'abc', {}, 1.5]) attempt(`port ${show(port)}`, () => a.connectSync(port));
  for (const address of ['localhost', 5, {}, true, '127.0.0', () => {}]) attempt(`address ${show(address)}`, () => a.connectSync(9, address));
  attempt('nothing', () => a.connectSync());
  attempt('address', () => a.address());
  await close(a);
  attempt('closed', () => a.connectSync(9));
  attempt('closed, bad port', () => a.connectSync(0));
});

scenario('B54 connectSync and the errors of the system', connectSync, async ({ socket, attempt, turns, close }) => {
  const a = socket('a');
  attempt('broadcast', () => a.connectSync(9, '255.255.255.255'));
  attempt('other family', () => a.connectSync(9, '::1'));
  attempt('remoteAddress', () => a.remoteAddress());
  await turns(2);
  await close(a);
});

scenario('B54 connectSync when connected, connecting, binding', connectSync, async ({ socket, bound, attempt, event, close }) => {
  const b = await bound('b');
  const { port } = b.address();
  const a = socket('a');
  a.bind(0, LOCAL);
  attempt('binding', () => a.connectSync(port, LOCAL));
  await event(a, 'listening');
  a.connect(port, LOCAL);
  attempt('connecting', () => a.connectSync(port, LOCAL));
  await event(a, 'connect');
  attempt('connected', () => a.connectSync(port, LOCAL));
  attempt('connected, async', () => a.connect(port, LOCAL));
  a.disconnect();
  attempt('disconnected', () => a.connectSync(port, LOCAL));
  await event(a, 'connect');
  await close(a, b);
});

scenario('B54 connectSync, then close or disconnect', connectSync, async ({ socket, bound, attempt, turns, close }) => {
  const b = await bound('b');
  const a = socket('a');
  attempt('connectSync', () => a.connectSync(b.address().port, LOCAL));
  a.close();
  const c = socket('c');
  attempt('connectSync', () => c.connectSync(b.address().port, LOCAL));
  attempt('disconnect', () => c.disconnect());
  await turns(2);
  await close(b, c);
});

scenario('B54 B52 connectSync to a blocked address', { needs: all(method('connectSync'), option('sendBlockList')) },
  async ({ socket, attempt, turns, close }) => {
    const a = socket('a', { type: 'udp4', sendBlockList: listOf(LOCAL) });
    attempt('connectSync', () => a.connectSync(9, LOCAL));
    attempt('remoteAddress', () => a.remoteAddress());
    await turns(2);
    await close(a);
  });

/* Lookups and permissions */

scenario('B55 the names that the default lookup gets', { alone: true }, async ({ socket, bound, event, traced, log, arrived, close }) => {
  const dns = require('node:dns');
  const { lookup } = dns;
  dns.lookup = (name, ...more) => log('dns.lookup', name) || lookup(name, ...more);
  const b = await bound('b');
  for (const address of [undefined, '127.0.0.1', 'localhost']) {
    const a = socket('a');
    a.bind(0, address);
    await event(a, 'listening');
    a.send('x', b.address().port, address, traced('sent'));
    await arrived(b);
    a.connect(b.address().port, address);
    await event(a, 'connect');
    await close(a);
  }
  await close(b);
});

scenario('B55 a dns.lookup that is patched after the socket was created', { alone: true }, async ({ socket, event, log, close }) => {
  const dns = require('node:dns');
  const a = socket('a');
  const { lookup } = dns;
  dns.lookup = (name, ...more) => log('patched', name) || lookup(name, ...more);
  a.bind(0, 'localhost');
  await event(a, 'listening');
  await close(a);
});

scenario('B55 literals of the other family', { needs: ipv6 }, async ({ socket, bound, event, traced, turns, close }) => {
  const a = socket('a');
  a.bind(0, '::1');
  await event(a, 'error');
  const b = await bound('b', 'udp6');
  b.send('x', 9, '127.0.0.1', traced('sent'));
  await turns(3);
  await close(a, b);
});

const restricted = {
  needs: feature('--allow-net', process.allowedNodeEnvironmentFlags.has('--allow-net')),
  flags: ['--permission', '--allow-fs-read=*', '--allow-fs-write=*', '--allow-addons'],
  uncaught: true,
};

/** All of the refusal that binding meets. */
const showRefusal = (log, { errno, ...others }) => log('refused', others, errno, Object.entries(errno));

const inNeedOfBind = {
  'bind()': (one) => one.bind(),
  'bind(port, address)': (one) => one.bind(12345, LOCAL),
  'bind(port) with a callback': (one, done) => one.bind(0, done),
  'bind({ exclusive })': (one) => one.bind({ port: 0, exclusive: true }),
  'bind(name)': (one) => one.bind(0, 'localhost'),
  'bind(what is no address)': (one) => one.bind(0, '999.9.9.9'),
  'bind(port out of range)': (one) => one.bind(70000, LOCAL),
  send: (one, done) => one.send('x', 9, LOCAL, done),
  'send without a callback': (one) => one.send('x', 9, LOCAL),
  connect: (one, done) => one.connect(9, LOCAL, done),
  'connect without a callback': (one) => one.connect(9),
};

for (const [what, call] of Object.entries(inNeedOfBind)) {
  scenario(`B56 no --allow-net: ${what}`, restricted, async ({ socket, event, attempt, traced, turns, log, close }) => {
    const a = socket('a');
    const refused = event(a, 'error');
    attempt(what, () => call(a, traced('callback')));
    const [error] = await refused;
    if (error.errno) showRefusal(log, error);
    await turns(3);
    attempt('address', () => a.address());
    attempt('again', () => call(a, traced('callback')));
    await turns(3);
    await close(a);
  });
}

scenario('B56 no --allow-net: a lookup that answers at once', restricted, async ({ socket, attempt, log, close }) => {
  const a = socket('a', { type: 'udp4', lookup: (name, family, done) => log('looked up', name) || done(null, LOCAL) });
  attempt('bind', () => a.bind(0));
  await close(a);
});

scenario('B56 no --allow-net: bindSync and connectSync', { ...restricted, needs: all(restricted.needs, method('bindSync')) },
  async ({ socket, attempt, turns, close }) => {
    const a = socket('a');
    attempt('bindSync', () => a.bindSync({ address: LOCAL }));
    attempt('connectSync', () => a.connectSync(9, LOCAL));
    attempt('bindSync', () => a.bindSync());
    await turns(2);
    await close(a);
  });

scenario('B56 no --allow-net: descriptors', restricted, async ({ socket, attempt, close }) => {
  const file = fs.openSync('/dev/null');
  for (const fd of [file, 999]) {
    const a = socket('a');
    attempt('bind', () => a.bind({ fd }));
    await close(a);
  }
  fs.closeSync(file);
});

scenario('B56 no --allow-net: a membership of a new socket', restricted, async ({ socket, attempt, close }) => {
  const a = socket('a');
  attempt('addMembership', () => a.addMembership('224.0.0.114', LOCAL));
  attempt('setTTL', () => a.setTTL(1));
  await close(a);
});

const untilDropped = {
  ...restricted,
  needs: feature('process.permission.drop()', parseInt(process.versions.node, 10) >= 26),
  flags: [...restricted.flags, '--allow-net'],
};

const inNeedOfNet = {
  'send to a literal': (one, port, done) => one.send('x', port, LOCAL, done),
  'send without a callback': (one, port) => one.send('x', port, LOCAL),
  'send of a list': (one, port, done) => one.send(['x', 'y'], port, LOCAL, done),
  'send to a name': (one, port, done) => one.send('x', port, 'localhost', done),
  'send of nothing': (one) => one.send('x'),
  connect: (one, port, done) => one.connect(port, LOCAL, done),
  connectSync: (one, port) => one.connectSync(port, LOCAL),
};

for (const [what, call] of Object.entries(inNeedOfNet)) {
  scenario(`B56 the permission is dropped: ${what}`, untilDropped, async ({ bound, attempt, traced, turns, close }) => {
    const [a, b] = [await bound('a'), await bound('b')];
    process.permission.drop('net');
    attempt(what, () => call(a, b.address().port, traced('callback')));
    await turns(3);
    attempt('remoteAddress', () => a.remoteAddress().address);
    attempt('setTTL', () => a.setTTL(3));
    attempt('addMembership', () => a.addMembership('224.0.0.114', LOCAL));
    await close(a, b);
  });
}

scenario('B56 the permission is dropped: a connected socket', untilDropped, async ({ pair, attempt, traced, turns, close }) => {
  const { a, b } = await pair();
  process.permission.drop('net');
  attempt('send', () => a.send('x', traced('callback')));
  attempt('send', () => a.send('x'));
  attempt('disconnect', () => a.disconnect());
  await turns(2);
  await close(a, b);
});

'use strict';
// Multicast memberships (B48, B49, B62). Traffic stays on the loopback interface.

const fs = require('node:fs');
const { scenario } = require('../registry.js');
const { all, ipv6, linux } = require('../needs.js');

const GROUP = '224.0.0.114';
const SOURCE_GROUP = '232.0.0.114';
const LOCAL = '127.0.0.1';

const groups = [undefined, null, '', 0, false, NaN, 1, true, {}, [], 'x', '127.0.0.1', '224.0.0', '::1', 'ff02::1',
  'localhost', Symbol('group'), 5n];

for (const method of ['addMembership', 'dropMembership']) {
  scenario(`B48 groups of ${method}`, async ({ bound, attempt, show, close }) => {
    const a = await bound('a');
    attempt('nothing', () => a[method]());
    for (const group of groups) attempt(`${method} ${show(group)}`, () => a[method](group, LOCAL));
    await close(a);
  });

  scenario(`B48 interfaces of ${method}`, async ({ bound, attempt, show, close }) => {
    for (const one of ['', 'x', 'lo', '::1', '203.0.113.9', 0, null, undefined, false, {}, 1, '0.0.0.0', LOCAL]) {
      const a = await bound('a');
      if (method === 'dropMembership') a.addMembership(GROUP, LOCAL);
      attempt(`${method} on ${show(one)}`, () => a[method](GROUP, one));
      await close(a);
    }
  });

  scenario(`B62 a group with toString, ${method}`, async ({ bound, attempt, close }) => {
    const a = await bound('a');
    if (method === 'dropMembership') a.addMembership(GROUP, LOCAL);
    attempt(method, () => a[method]({ toString: () => GROUP }, { toString: () => LOCAL }));
    attempt(method, () => a[method](new String(GROUP), new String(LOCAL)));
    attempt(method, () => a[method]([GROUP], [LOCAL]));
    await close(a);
  });

  scenario(`B62 a group whose toString throws, ${method}`, async ({ bound, attempt, close }) => {
    const a = await bound('a');
    attempt(method, () => a[method]({ toString() { throw new Error('no name'); } }, LOCAL));
    attempt(method, () => a[method](GROUP, { toString() { throw new Error('no name'); } }));
    attempt(method, () => a[method](Object.create(null), LOCAL));
    attempt('address', () => a.address());
    await close(a);
  });

  scenario(`B62 a group whose toString closes the socket, ${method}`, { crashes: true }, async ({ bound, attempt, turns }) => {
    const a = await bound('a');
    attempt(method, () => a[method]({ toString() { a.close(); return GROUP; } }, LOCAL));
    await turns(2);
  });
}

scenario('B48 join, leave, and the errors of doing so twice', async ({ bound, attempt, close }) => {
  const a = await bound('a');
  attempt('leave', () => a.dropMembership(GROUP, LOCAL));
  attempt('join', () => a.addMembership(GROUP, LOCAL));
  attempt('join', () => a.addMembership(GROUP, LOCAL));
  attempt('leave', () => a.dropMembership(GROUP, LOCAL));
  attempt('leave', () => a.dropMembership(GROUP, LOCAL));
  await close(a);
});

for (const method of ['addSourceSpecificMembership', 'dropSourceSpecificMembership']) {
  scenario(`B48 arguments of ${method}`, async ({ bound, attempt, show, close }) => {
    const a = await bound('a');
    attempt('nothing', () => a[method]());
    for (const value of [undefined, null, 0, 1, true, {}, [], new String(LOCAL), '', 'x', '::1', LOCAL]) {
      attempt(`source ${show(value)}`, () => a[method](value, SOURCE_GROUP, LOCAL));
      attempt(`group ${show(value)}`, () => a[method](LOCAL, value, LOCAL));
      attempt(`interface ${show(value)}`, () => a[method](LOCAL, SOURCE_GROUP, value));
    }
    await close(a);
  });
}

scenario('B48 join and leave a source, twice', async ({ bound, attempt, close }) => {
  const a = await bound('a');
  attempt('leave', () => a.dropSourceSpecificMembership(LOCAL, SOURCE_GROUP, LOCAL));
  attempt('join', () => a.addSourceSpecificMembership(LOCAL, SOURCE_GROUP, LOCAL));
  attempt('join', () => a.addSourceSpecificMembership(LOCAL, SOURCE_GROUP, LOCAL));
  attempt('leave', () => a.dropSourceSpecificMembership(LOCAL, SOURCE_GROUP, LOCAL));
  attempt('leave', () => a.dropSourceSpecificMembership(LOCAL, SOURCE_GROUP, LOCAL));
  await close(a);
});

const memberships = {
  addMembership: (one) => one.addMembership(GROUP, LOCAL),
  dropMembership: (one) => one.dropMembership(GROUP, LOCAL),
  addSourceSpecificMembership: (one) => one.addSourceSpecificMembership(LOCAL, SOURCE_GROUP, LOCAL),
  dropSourceSpecificMembership: (one) => one.dropSourceSpecificMembership(LOCAL, SOURCE_GROUP, LOCAL),
};

for (const [method, call] of Object.entries(memberships)) {
  scenario(`B49 ${method} on a new socket`, async ({ socket, attempt, event, close }) => {
    const a = socket('a');
    attempt(method, () => call(a));
    attempt('address', () => a.address());
    attempt('setTTL', () => a.setTTL(5));
    attempt('getRecvBufferSize', () => a.getRecvBufferSize() > 0);
    for (const address of [LOCAL, undefined]) {
      const done = Promise.race([event(a, 'error'), event(a, 'listening')]);
      if (attempt('bind', () => a.bind(0, address))) await done;
    }
    await close(a);
  });

  scenario(`B49 ${method} while binding`, async ({ socket, attempt, event, close }) => {
    const a = socket('a');
    const done = Promise.race([event(a, 'error'), event(a, 'listening')]);
    a.bind(0, LOCAL);
    attempt(method, () => call(a));
    attempt('address', () => a.address().address);
    await done;
    await close(a);
  });
}

scenario('B49 a membership on a new socket, with bad arguments', async ({ socket, attempt, close }) => {
  const a = socket('a');
  attempt('nothing', () => a.addMembership());
  attempt('address', () => a.address());
  attempt('bad group', () => a.addMembership('x'));
  attempt('address', () => a.address());
  attempt('bad interface', () => a.addMembership(GROUP, 'x'));
  attempt('address', () => a.address().address);
  await close(a);
});

scenario('B49 a membership on a new socket, then send', async ({ socket, attempt, traced, event, turns, close }) => {
  const a = socket('a');
  attempt('join', () => a.addMembership(GROUP, LOCAL));
  const done = Promise.race([event(a, 'error'), event(a, 'listening')]);
  attempt('send', () => a.send('x', 9, LOCAL, traced('sent')));
  await done;
  await turns(2);
  await close(a);
});

scenario('B49 a membership on a new socket does not keep the process', { alone: true }, ({ socket, attempt, log }) => {
  const a = socket('a');
  attempt('join', () => a.addMembership(GROUP, LOCAL));
  setTimeout(() => {
    log('still here');
    a.close();
  }, 50).unref();
});

scenario('B49 a membership on a new socket, then close', async ({ socket, attempt, close }) => {
  const a = socket('a');
  attempt('join', () => a.addMembership(GROUP, LOCAL));
  await close(a);
});

scenario('B48 B49 udp6', { needs: ipv6 }, async ({ socket, bound, attempt, close }) => {
  const a = await bound('a', 'udp6');
  attempt('join', () => a.addMembership('ff02::1:3', '::%lo'));
  attempt('IPv4 group', () => a.addMembership(GROUP));
  attempt('leave', () => a.dropMembership('ff02::1:3', '::%lo'));
  attempt('source', () => a.addSourceSpecificMembership('::1', 'ff3e::1', '::%lo'));
  attempt('mixed', () => a.addSourceSpecificMembership(LOCAL, 'ff3e::1'));
  const b = socket('b', 'udp6');
  attempt('join, new', () => b.addMembership('ff02::1:3', '::%lo'));
  attempt('address', () => b.address());
  await close(a, b);
});

scenario('B49 a udp6 group on a new udp4 socket', { needs: ipv6 }, async ({ socket, attempt, close }) => {
  const a = socket('a');
  attempt('join', () => a.addMembership('ff02::1:3', '::%lo'));
  attempt('address', () => a.address());
  await close(a);
});

scenario('B48 a group receives what is sent to it', async ({ dgram, socket, event, traced, arrived, close }) => {
  const b = socket('b', { type: 'udp4', reuseAddr: true });
  b.bind(0);
  await event(b, 'listening');
  // A group that no other process is in: the system counts memberships for all sockets together.
  const group = `239.114.${process.pid >> 8 & 255}.${process.pid & 255}`;
  b.addMembership(group, LOCAL);
  const a = dgram.createSocket('udp4');
  await new Promise((resolve) => a.bind(0, LOCAL, resolve));
  a.setMulticastInterface(LOCAL);
  a.setMulticastTTL(0);
  a.setMulticastLoopback(true);
  a.send('to all', b.address().port, group, traced('sent'));
  await arrived(b);
  b.dropMembership(group, LOCAL);
  a.send('to nobody', b.address().port, group, traced('sent'));
  await new Promise(setImmediate);
  a.send('directly', b.address().port, LOCAL, traced('sent'));
  await arrived(b);
  await close(a, b);
});

scenario('B48 what memberships return', async ({ bound, log, close }) => {
  const a = await bound('a');
  for (const call of Object.values(memberships)) log('returned', call(a));
  await close(a);
});

/* Every form of an address, for every argument. */

const forms = ['', ' ', 'x', LOCAL, '127.0.0.1 ', '127.1', '0.0.0.0', '255.255.255.255', GROUP, SOURCE_GROUP,
  '203.0.113.9', '::', '::1', '::1%lo', '::%lo', '::%1', '::%0', '::%nosuch', '::%', '::%99', '::%-1',
  '::%4294967297', 'fe80::1%lo', 'ff02::1:3', 'ff02::1:3%lo', 'ff02::1:3%nosuch', 'ff3e::1', 'lo', '1', '0', '%lo',
  '::ffff:127.0.0.1', '::ffff:224.0.0.1', '127.0.0.1%lo', 'lo\0x', '127.0.0.1\0', 'a'.repeat(300),
  `::%${'a'.repeat(300)}`, '[::1]', 0, 1, NaN, true, {}, [], 5n];

const known = {
  udp4: { local: LOCAL, group: GROUP, sourceGroup: SOURCE_GROUP },
  udp6: { local: '::1', group: 'ff02::1:3', sourceGroup: 'ff3e::1' },
};

const calls = {
  'an interface of sends': (one, form) => one.setMulticastInterface(form),
  'a group': (one, form) => one.addMembership(form),
  'a group on an interface': (one, form, { local }) => one.addMembership(form, local),
  'a group that was not joined': (one, form) => one.dropMembership(form),
  'an interface': (one, form, { group }) => one.addMembership(group, form),
  'an interface of another family': (one, form, { otherGroup }) => one.addMembership(otherGroup, form),
  'a source': (one, form, { sourceGroup }) => one.addSourceSpecificMembership(form, sourceGroup),
  'a group of a source': (one, form, { local }) => one.addSourceSpecificMembership(local, form),
  'an interface of a source': (one, form, { local, sourceGroup }) =>
    one.addSourceSpecificMembership(local, sourceGroup, form),
  'all of a source that was not joined': (one, form) => one.dropSourceSpecificMembership(form, form, form),
};

for (const [type, { local, group, sourceGroup }] of Object.entries(known)) {
  const others = { local, group, sourceGroup, otherGroup: known[type === 'udp4' ? 'udp6' : 'udp4'].group };
  for (const [what, call] of Object.entries(calls)) {
    scenario(`B47 B48 every form of ${what} on ${type}`, { needs: ipv6 }, async ({ dgram, attempt, bind, show, close }) => {
      const sockets = forms.map(() => dgram.createSocket(type));
      await Promise.all(sockets.map(bind));
      forms.forEach((form, i) => attempt(show(form), () => call(sockets[i], form, others)));
      await close(...sockets);
    });
  }

  scenario(`B47 every form of an interface of sends on a new ${type}`, { needs: ipv6 }, async ({ dgram, attempt, show, close }) => {
    const one = dgram.createSocket(type);
    for (const form of forms) attempt(show(form), () => one.setMulticastInterface(form));
    await close(one);
  });
}

/** The interfaces on which some socket of this system is in a group. */
function interfacesOf(group) {
  const lines = fs.readFileSync('/proc/net/igmp6', 'utf8').split('\n').map((line) => line.trim().split(/\s+/));
  return lines.filter(([, , address]) => address === group).map(([, name]) => name);
}

scenario('B48 the zone of a group does not choose the interface', { needs: all(ipv6, linux) }, async ({ bound, log, close }) => {
  const a = await bound('a', 'udp6');
  // A group that no other process is in.
  const last = (process.pid & 0xffff).toString(16).padStart(4, '0');
  let outcome = 'joined';
  try {
    a.addMembership(`ff02::114:${last}%lo`);
  } catch (error) {
    outcome = error.code;
  }
  log(outcome, interfacesOf(`ff02000000000000000000000114${last}`));
  await close(a);
});

scenario('B48 an IPv4 group reaches a udp6 socket', { needs: ipv6 }, async ({ dgram, socket, event, arrived, close }) => {
  const b = socket('b', { type: 'udp6', reuseAddr: true });
  b.bind(0);
  await event(b, 'listening');
  const group = `239.115.${process.pid >> 8 & 255}.${process.pid & 255}`;
  b.addMembership(group, LOCAL);
  const a = dgram.createSocket('udp4');
  await new Promise((resolve) => a.bind(0, LOCAL, resolve));
  a.setMulticastInterface(LOCAL);
  a.setMulticastTTL(0);
  a.send('to all', b.address().port, group);
  await arrived(b);
  await close(a, b);
});

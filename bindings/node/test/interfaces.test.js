'use strict';
// Additions: groups on every interface, the option multicastAll, a connected socket for each peer.

const assert = require('node:assert');
const diagnostics = require('node:diagnostics_channel');
const { once } = require('node:events');
const path = require('node:path');
const { describe, test } = require('node:test');
const { dgram, modulePath, ours } = require('./subject');
const { create, open, turn } = require('./sockets');

const onLinux = process.platform === 'linux' ? ours('it has no such method') : { skip: 'Linux only' };
const group = '239.1.2.3';

describe('addMembershipAll()', onLinux, () => {
  test('joins a group once, binds an unbound socket, and dropMembershipAll() leaves it', async (t) => {
    const socket = create(t, 'udp4');
    socket.addMembershipAll(group);
    assert.notStrictEqual(socket.address().port, 0);
    assert.throws(() => socket.addMembershipAll(group), { code: 'EADDRINUSE' });
    await once(socket, 'listening');
    socket.dropMembershipAll(group);
    assert.throws(() => socket.dropMembershipAll(group), { code: 'EADDRNOTAVAIL' });
  });

  test('refuses what is no group', (t) => {
    const socket = create(t, 'udp4');
    assert.throws(() => socket.addMembershipAll(), { code: 'ERR_MISSING_ARGS' });
    assert.throws(() => socket.addMembershipAll(7), { code: 'ERR_INVALID_ARG_TYPE' });
    assert.throws(() => socket.addMembershipAll('10.0.0.1'), { code: 'EINVAL' });
    assert.throws(() => socket.addMembershipAll('ff02::1'), { code: 'ENOPROTOOPT' });
  });

  test('refuses a closed socket, and does not keep the process alive', (t) => {
    const socket = create(t, 'udp4');
    socket.addMembershipAll(group);
    socket.unref();
    socket.close();
    assert.throws(() => socket.addMembershipAll(group), { code: 'ERR_SOCKET_DGRAM_NOT_RUNNING' });
  });
});

describe('multicastAll', onLinux, () => {
  async function receives(t, multicastAll) {
    const member = await open(t, { reuseAddr: true }, '0.0.0.0');
    const { port } = member.address();
    const other = await open(t, { reuseAddr: true, multicastAll }, '0.0.0.0', port);
    const sender = await open(t, {}, '127.0.0.1');
    const own = `239.9.${port >> 8}.${port & 255}`; // of no other test
    const arrived = [];
    member.addMembership(own, '127.0.0.1');
    sender.setMulticastInterface('127.0.0.1');
    other.on('message', (msg) => arrived.push(`${msg}`));
    const atMember = once(member, 'message');
    sender.send('x', port, own);
    await atMember;
    const last = once(other, 'message');
    other.send('end', port, '127.0.0.1');
    member.send('end', port, '127.0.0.1'); // one of them gets it: that which was bound last
    await last;
    return arrived.includes('x');
  }

  test('by default a socket receives what another one has joined', async (t) => {
    assert.strictEqual(await receives(t, undefined), true);
    assert.strictEqual(await receives(t, true), true);
  });

  test('with false it receives only what it has joined itself', async (t) => {
    assert.strictEqual(await receives(t, false), false);
  });
});

describe('acceptPeer()', onLinux, () => {
  test('gives a peer a connected socket on the port of its server', async (t) => {
    const server = await open(t,
      { reusePort: true, receiveInfo: ['ttl'], sendQueueLimit: { count: 9 }, tos: 4 });
    const { port } = server.address();
    const client = await open(t);
    const other = await open(t);
    client.send('first', port, '127.0.0.1');
    const [first, rinfo] = await once(server, 'message');
    assert.strictEqual(`${first}`, 'first');
    const peer = server.acceptPeer(rinfo);
    t.after(() => peer.close());
    assert.ok(peer instanceof dgram.Socket);
    assert.deepStrictEqual(peer.address(), { address: '127.0.0.1', family: 'IPv4', port });
    assert.strictEqual(peer.remoteAddress().port, client.address().port);
    const mine = once(peer, 'message');
    const others = once(server, 'message');
    client.send('second', port, '127.0.0.1');
    other.send('other', port, '127.0.0.1');
    const [second, info] = await mine;
    assert.strictEqual(`${second}`, 'second');
    assert.strictEqual(info.ttl, 64);
    assert.strictEqual(peer.getSockopt('tos'), 4);
    assert.strictEqual(`${(await others)[0]}`, 'other');
    const answered = once(client, 'message');
    peer.send('answer');
    assert.strictEqual(`${(await answered)[0]}`, 'answer');
    peer.disconnect();
  });

  test('emits \'listening\', and has the address that it is given', async (t) => {
    const server = await open(t, { reusePort: true }, '0.0.0.0');
    const client = await open(t);
    const peer = server.acceptPeer(client.address(), { localAddress: '127.0.0.2' });
    t.after(() => peer.close());
    assert.strictEqual(peer.address().address, '127.0.0.2');
    await once(peer, 'listening');
  });

  test('refuses a server without reusePort, unbound or closed, and what is no peer', async (t) => {
    const peer = { address: '127.0.0.1', port: 9 };
    const server = await open(t, { reusePort: true });
    assert.throws(() => server.acceptPeer(), { code: 'ERR_INVALID_ARG_TYPE' });
    assert.throws(() => server.acceptPeer({ ...peer, port: 0 }), { code: 'ERR_SOCKET_BAD_PORT' });
    assert.throws(() => server.acceptPeer({ ...peer, address: 'x' }), { code: 'ERR_INVALID_ARG_VALUE' });
    assert.throws(() => server.acceptPeer({ ...peer, address: '::1' }), { code: 'EINVAL' });
    assert.throws(() => server.acceptPeer(peer, { localAddress: 'x' }),
      { code: 'ERR_INVALID_ARG_VALUE' });
    for (const wrong of [{}, { address: 5, port: 9 }])
      assert.throws(() => server.acceptPeer(wrong), { code: /^ERR_(INVALID_ARG_TYPE|SOCKET_BAD_PORT)$/ });
    assert.throws(() => server.acceptPeer(peer, { localAddress: 5 }), { code: 'ERR_INVALID_ARG_TYPE' });
    const alone = await open(t);
    assert.throws(() => alone.acceptPeer(peer), { code: 'EINVAL', syscall: 'acceptPeer' });
    assert.throws(() => create(t, { type: 'udp4', reusePort: true }).acceptPeer(peer),
      { code: 'EBADF' });
    const closed = dgram.createSocket('udp4');
    closed.close();
    assert.throws(() => closed.acceptPeer(peer), { code: 'ERR_SOCKET_DGRAM_NOT_RUNNING' });
  });

  test('a server that is closed meanwhile, by what is read or by who sees the new socket', async (t) => {
    const code = 'ERR_SOCKET_DGRAM_NOT_RUNNING';
    const server = await open(t, { reusePort: true });
    const rinfo = { address: '127.0.0.1', get port() { server.close(); return 9; } };
    assert.throws(() => server.acceptPeer(rinfo), { code });
    const other = await open(t, { reusePort: true });
    const close = () => other.close();
    diagnostics.subscribe('udp.socket', close);
    try {
      assert.throws(() => other.acceptPeer({ address: '127.0.0.1', port: 9 }), { code });
    } finally {
      diagnostics.unsubscribe('udp.socket', close);
    }
    await turn();
  });

  test('a socket of libdgram/promises accepts one of these', async (t) => {
    const { createSocket, Socket } = require(path.join(modulePath, 'promises'));
    const server = createSocket({ type: 'udp4', reusePort: true });
    t.after(() => server.close());
    await server.bind(0, '127.0.0.1');
    const client = await open(t);
    const peer = server.acceptPeer(client.address());
    assert.ok(peer instanceof Socket);
    assert.strictEqual(await peer.send('x'), 1);
    await peer.close();
  });
});

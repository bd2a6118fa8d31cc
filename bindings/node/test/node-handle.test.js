'use strict';
// The handle of Node.js's own that a socket shows to those who look for one: what it must not do.

const assert = require('node:assert');
const { once } = require('node:events');
const fs = require('node:fs');
const test = require('node:test');
const child = require('./child');
const { create, open, sent, turn } = require('./sockets');
const { ours } = require('./subject');

const stateOf = (socket) =>
  socket[Object.getOwnPropertySymbols(socket).find(({ description }) => description === 'state symbol')];

const linux = { skip: process.platform !== 'linux' && 'it looks into /proc' };

const openDescriptors = () => fs.readdirSync('/proc/self/fd').length;

test('no other socket can take the port of a socket that shows its handle', async (t) => {
  const socket = await open(t);
  assert.ok(stateOf(socket).handle.fd > 0);
  const thief = create(t, { reuseAddr: true });
  const [error] = await new Promise((resolve) => {
    thief.once('error', (...values) => resolve(values)).once('listening', () => resolve([null]));
    thief.bind(socket.address().port, '127.0.0.1');
  });
  assert.strictEqual(error?.code, 'EADDRINUSE');
});

test('a port that others may have, too, stays so', async (t) => {
  const socket = await open(t, { reuseAddr: true });
  assert.ok(stateOf(socket).handle.fd > 0);
  const other = await open(t, { reuseAddr: true }, '127.0.0.1', socket.address().port);
  assert.strictEqual(other.address().port, socket.address().port);
});

test('the handle takes no datagrams', async (t) => {
  const socket = await open(t);
  const { handle } = stateOf(socket);
  const messages = [];
  socket.on('message', (msg) => messages.push(String(msg)));
  for (let i = 0; i < 20; i++) await sent(socket, String(i), socket.address().port, '127.0.0.1');
  while (messages.length < 20) await once(socket, 'message');
  assert.deepStrictEqual(messages, Array.from({ length: 20 }, (_, i) => String(i)));
  assert.strictEqual(stateOf(socket).handle, handle);
});

test('the handle is closed with the socket', linux, async (t) => {
  await turn();
  const before = openDescriptors();
  const sockets = [];
  for (let i = 0; i < 10; i++) sockets.push(await open(t));
  for (const socket of sockets) assert.ok(stateOf(socket).handle.fd > 0);
  await Promise.all(sockets.map((socket) => new Promise((resolve) => { socket.close(resolve); })));
  await turn();
  assert.strictEqual(openDescriptors(), before);
});

test('the handle keeps neither the process alive nor an active resource', ours('the built-in has one handle'), async () => {
  const reports = await child.reports((t) => {
    const socket = t.dgram.createSocket('udp4');
    const [key] = Object.getOwnPropertySymbols(socket).filter(({ description }) => description === 'state symbol');
    const early = socket[key].handle;
    socket.bind(0, '127.0.0.1', () => {
      socket.unref();
      t.report(socket[key].handle === early && early.fd > 0);
      setImmediate(() => t.report((process.getActiveResourcesInfo?.() ?? []).filter((type) => /UDP/.test(type))));
    });
    t.dgram.createSocket('udp4')[key].handle.unref();
  });
  assert.deepStrictEqual(reports, [true, []]);
});

test('a process without descriptors left shows a handle without one', linux, async () => {
  const reports = await child.reports((t) => {
    const socket = t.dgram.createSocket('udp4');
    const [key] = Object.getOwnPropertySymbols(socket).filter(({ description }) => description === 'state symbol');
    socket.bind(0, '127.0.0.1', () => {
      const files = [];
      try {
        for (;;) files.push(require('node:fs').openSync('/dev/null'));
      } catch { /* that is the point */ }
      const { fd } = socket[key].handle;
      files.forEach((file) => require('node:fs').closeSync(file));
      t.report([typeof fd, socket[key].handle.fd > 0]);
      socket.close();
    });
  });
  assert.deepStrictEqual(reports, [['number', true]]);
});

'use strict';
// The option reusePort: several sockets on one port, among which the system spreads the senders.

const assert = require('node:assert');
const { once } = require('node:events');
const { describe, test } = require('node:test');
const since = require('../lib/since');
const child = require('./child');
const { isBuiltIn } = require('./subject');
const { create, open, turn } = require('./sockets');

const reusePort = true;

const lacks = isBuiltIn && !since([22, 12], [23, 1]) ? 'this Node.js has no reusePort' :
  ['linux', 'freebsd'].includes(process.platform) ? false : 'the system spreads no senders';

async function bindError(socket, port) {
  socket.bind(port, '127.0.0.1');
  const [error] = await once(socket, 'error');
  return error.code;
}

describe('reusePort', { skip: lacks }, () => {
  test('two sockets share a port: each datagram reaches one of them', async (t) => {
    const first = await open(t, { reusePort });
    const { port } = first.address();
    const second = await open(t, { reusePort }, '127.0.0.1', port);
    assert.strictEqual(second.address().port, port);

    const senders = await Promise.all(Array.from({ length: 64 }, () => open(t)));
    const arrived = new Map([first, second].map((socket) => [socket, []]));
    const all = new Promise((resolve) => {
      for (const [socket, messages] of arrived) {
        socket.on('message', (msg, rinfo) => {
          messages.push(`${rinfo.port}: ${msg}`);
          if ([...arrived.values()].flat().length === senders.length * 2) resolve();
        });
      }
    });
    for (const text of ['a', 'b']) {
      for (const sender of senders) sender.send(text, port, '127.0.0.1');
    }
    await all;
    await turn();

    const expected = senders.flatMap((sender) =>
      ['a', 'b'].map((text) => `${sender.address().port}: ${text}`));
    assert.deepStrictEqual([...arrived.values()].flat().sort(), expected.sort());
    for (const messages of arrived.values()) {
      assert.ok(messages.length > 0, 'one of them got nothing of 64 senders');
      assert.strictEqual(messages.length % 2, 0, 'the datagrams of a sender were parted');
    }
  });

  test('the port stays with the socket that is left', async (t) => {
    const first = await open(t, { reusePort });
    const { port } = first.address();
    const second = await open(t, { reusePort }, '127.0.0.1', port);
    first.close();
    await once(first, 'close');
    const sender = await open(t);
    sender.send('x', port, '127.0.0.1');
    assert.strictEqual(String((await once(second, 'message'))[0]), 'x');
  });

  test('unless both have it the second is refused', async (t) => {
    for (const [one, other] of [[true, false], [false, true], [false, false]]) {
      const first = await open(t, { reusePort: one });
      const second = create(t, { reusePort: other });
      assert.strictEqual(await bindError(second, first.address().port), 'EADDRINUSE');
    }
  });

  // The primary would bind the port that it shares: a worker that asks it is seen there.
  test('a worker of a cluster binds by itself, and both workers have the port', async () => {
    const [asked, ports] = await child.reports(({ modulePath, report }) => {
      const cluster = require('node:cluster');
      const worker = `
        const socket = require(${JSON.stringify(modulePath)})
          .createSocket({ type: 'udp4', reusePort: process.argv[3] === 'true' });
        socket.bind(Number(process.argv[2]), '127.0.0.1', () => process.send(socket.address()));
        process.on('disconnect', () => process.exit());
      `;
      const fs = require('node:fs');
      const path = require('node:path');
      const folder = fs.mkdtempSync(path.join(require('node:os').tmpdir(), 'libdgram-'));
      const exec = path.join(folder, 'worker.js');
      fs.writeFileSync(exec, worker);
      const asked = [];
      const ports = [];
      const start = (port, reusePort) => new Promise((resolve) => {
        cluster.setupPrimary({ exec, args: [port, reusePort], execArgv: [] });
        cluster.fork().once('listening', () => asked.push(reusePort))
          .once('message', ({ port }) => resolve(ports.push(port)));
      });
      start(0, true)
        .then(() => start(ports[0], true))
        .then(() => start(0, false))
        .then(() => cluster.disconnect(() => {
          report(asked);
          report(ports);
          fs.rmSync(folder, { recursive: true });
        }));
    });
    assert.deepStrictEqual(asked, [false], 'only the worker without the option asks');
    assert.strictEqual(ports[0], ports[1]);
    assert.notStrictEqual(ports[0], ports[2]);
  });
});

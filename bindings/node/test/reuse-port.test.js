'use strict';
// The option reusePort: several sockets on one port, among which the system spreads the senders.

const assert = require('node:assert');
const { once } = require('node:events');
const { describe, test } = require('node:test');
const since = require('../lib/since');
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

  test('the second socket is refused unless both have reusePort', async (t) => {
    for (const [one, other] of [[true, false], [false, true], [false, false]]) {
      const first = await open(t, { reusePort: one });
      const second = create(t, { reusePort: other });
      assert.strictEqual(await bindError(second, first.address().port), 'EADDRINUSE');
    }
  });
});

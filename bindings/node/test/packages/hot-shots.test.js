'use strict';
// hot-shots: a client of StatsD. The socket that listens is the program's own.

const { assertSockets } = require('./sockets');
const assert = require('node:assert');
const dgram = require('node:dgram');
const { on, once } = require('node:events');
const test = require('node:test');
const StatsD = require('hot-shots');

async function listen(t) {
  const server = dgram.createSocket('udp4').bind(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => once(server.close(), 'close'));
  return server;
}

const closed = (client) => new Promise((resolve, reject) => {
  client.close((err) => err ? reject(err) : resolve());
});

// Resolves with the lines that the server got, when there are as many.
async function lines(server, count) {
  const got = [];
  for await (const [message] of on(server, 'message')) {
    got.push(...String(message).trim().split('\n'));
    if (got.length >= count) return got;
  }
}

for (const [name, options] of [
  ['by address', { host: '127.0.0.1' }],
  ['by name', { host: 'localhost' }],
  ['in batches', { host: '127.0.0.1', maxBufferSize: 1000 }],
]) {
  test(`hot-shots: counts and times arrive, ${name}`, async (t) => {
    const server = await listen(t);
    const client = new StatsD({ port: server.address().port, prefix: 'app.', ...options });
    const count = 20;
    const got = lines(server, count + 2);
    for (let i = 0; i < count; i++) client.increment('requests');
    client.timing('answer', 12);
    client.gauge('open', 3, { kind: 'udp' });
    await closed(client);
    assert.deepStrictEqual((await got).sort(), [
      'app.answer:12|ms', 'app.open:3|g|#kind:udp', ...Array(count).fill('app.requests:1|c'),
    ]);
    assertSockets(2);
  });
}

test('hot-shots: a callback runs when a count was sent, or gets the error', async (t) => {
  const server = await listen(t);
  const client = new StatsD({ host: '127.0.0.1', port: server.address().port });
  const got = lines(server, 1);
  await new Promise((resolve, reject) => {
    client.increment('requests', 1, (err) => err ? reject(err) : resolve());
  });
  assert.deepStrictEqual(await got, ['requests:1|c']);
  const tooLong = new Promise((resolve) => client.set('long', 'x'.repeat(70_000), resolve));
  assert.match((await tooLong).message, /EMSGSIZE/);
  await closed(client);
  assertSockets(2);
});

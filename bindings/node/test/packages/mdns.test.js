'use strict';
// multicast-dns and bonjour-service, which is built on it: multicast on the loopback interface.

const { assertSockets, freePort } = require('./sockets');
const assert = require('node:assert');
const { once } = require('node:events');
const test = require('node:test');
const { Bonjour } = require('bonjour-service');
const multicastDns = require('multicast-dns');

// Several on one port of one group, as all the hosts of a link are.
const options = async () => ({
  port: await freePort(), interface: '127.0.0.1', bind: '0.0.0.0',
});

async function join(t, options) {
  const peer = multicastDns(options);
  t.after(() => new Promise((resolve) => peer.destroy(resolve)));
  await once(peer, 'networkInterface');
  return peer;
}

test('multicast-dns: all hear a question, and all its answer', async (t) => {
  const one = await options();
  const [asking, knowing, listening] = [await join(t, one), await join(t, one), await join(t, one)];
  const answer = { name: 'host.local', type: 'A', ttl: 120, class: 'IN', data: '192.0.2.1' };
  knowing.on('query', ({ questions: [{ name, type }] }) => {
    if (name === answer.name && type === 'A') knowing.respond([answer]);
  });
  const heard = [asking, listening].map((peer) => once(peer, 'response'));
  asking.query([{ name: answer.name, type: 'A' }]);
  for (const [{ answers }, rinfo] of await Promise.all(heard)) {
    assert.deepStrictEqual(answers, [{ ...answer, flush: false }]);
    assert.deepStrictEqual([rinfo.address, rinfo.port], ['127.0.0.1', one.port]);
  }
  assertSockets(3);
});

test('multicast-dns: an answer to one is for one', async (t) => {
  const one = await options();
  const knowing = await join(t, one);
  const asking = await join(t, { ...one, port: await freePort() });
  knowing.on('query', (query, rinfo) => {
    knowing.respond([{ name: 'host.local', type: 'TXT', data: 'for one' }], rinfo);
  });
  const heard = once(asking, 'response');
  asking.query('host.local', 'TXT', { address: '127.0.0.1', port: one.port });
  const [{ answers: [{ data: [text] }] }] = await heard;
  assert.strictEqual(String(text), 'for one');
  assertSockets(2);
});

test('bonjour-service: a service is found, and lost when it goes', async (t) => {
  const one = await options();
  const [host, guest] = [0, 1].map(() => new Bonjour(one, (err) => { throw err; }));
  t.after(() => Promise.all([host, guest].map((each) => new Promise((resolve) => {
    each.destroy(resolve);
  }))));
  const browser = guest.find({ type: 'http' });
  host.publish({ name: 'a service', type: 'http', port: 3000, txt: { path: '/' }, probe: false });
  const [found] = await once(browser, 'up');
  assert.deepStrictEqual([found.name, found.port, found.txt], ['a service', 3000, { path: '/' }]);
  const lost = once(browser, 'down');
  host.unpublishAll();
  assert.strictEqual((await lost)[0].name, 'a service');
  assertSockets(2);
});

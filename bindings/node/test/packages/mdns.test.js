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

test('multicast-dns: all receive a query, and all its answer', async (t) => {
  const one = await options();
  const [querier, responder, listening] = [await join(t, one), await join(t, one), await join(t, one)];
  const answer = { name: 'host.local', type: 'A', ttl: 120, class: 'IN', data: '192.0.2.1' };
  responder.on('query', ({ questions: [{ name, type }] }) => {
    if (name === answer.name && type === 'A') responder.respond([answer]);
  });
  const responses = [querier, listening].map((peer) => once(peer, 'response'));
  querier.query([{ name: answer.name, type: 'A' }]);
  for (const [{ answers }, rinfo] of await Promise.all(responses)) {
    assert.deepStrictEqual(answers, [{ ...answer, flush: false }]);
    assert.deepStrictEqual([rinfo.address, rinfo.port], ['127.0.0.1', one.port]);
  }
  assertSockets(3);
});

test('multicast-dns: a unicast query gets a unicast answer', async (t) => {
  const one = await options();
  const responder = await join(t, one);
  const querier = await join(t, { ...one, port: await freePort() });
  responder.on('query', (query, rinfo) => {
    responder.respond([{ name: 'host.local', type: 'TXT', data: 'for one' }], rinfo);
  });
  const responses = once(querier, 'response');
  querier.query('host.local', 'TXT', { address: '127.0.0.1', port: one.port });
  const [{ answers: [{ data: [text] }] }] = await responses;
  assert.strictEqual(String(text), 'for one');
  assertSockets(2);
});

test('bonjour-service: a service is found, and lost when it goes', async (t) => {
  const one = await options();
  const [publisher, finder] = [0, 1].map(() => new Bonjour(one, (err) => { throw err; }));
  t.after(() => Promise.all([publisher, finder].map((each) => new Promise((resolve) => {
    each.destroy(resolve);
  }))));
  const browser = finder.find({ type: 'http' });
  publisher.publish({ name: 'a service', type: 'http', port: 3000, txt: { path: '/' }, probe: false });
  const [found] = await once(browser, 'up');
  assert.deepStrictEqual([found.name, found.port, found.txt], ['a service', 3000, { path: '/' }]);
  const lost = once(browser, 'down');
  publisher.unpublishAll();
  assert.strictEqual((await lost)[0].name, 'a service');
  assertSockets(2);
});

'use strict';
// dns2: a name server, whose class extends dgram.Socket, and its clients.

const { assertSockets } = require('./sockets');
const assert = require('node:assert');
const dns = require('node:dns');
const test = require('node:test');
const { createUDPServer, Packet, UDPClient } = require('dns2');

async function serve(t, answersTo) {
  const server = createUDPServer((request, respond) => {
    const response = Packet.createResponseFromRequest(request);
    response.answers.push(...answersTo(request.questions[0]));
    respond(response);
  });
  t.after(() => new Promise((resolve) => server.close(resolve)));
  await server.listen(0, '127.0.0.1');
  return server.address().port;
}

const hosts = ({ name }) => [0, 1].map((i) => ({
  name, type: Packet.TYPE.A, class: Packet.CLASS.IN, ttl: 300,
  address: `192.0.2.${name.length + i}`,
}));

test('dns2: a client sends a query', async (t) => {
  const resolve = UDPClient({ dns: '127.0.0.1', port: await serve(t, hosts) });
  const names = Array.from({ length: 50 }, (_, i) => 'x'.repeat(i + 1));
  const responses = await Promise.all(names.map((name) => resolve(name)));
  responses.forEach(({ answers }, i) => {
    assert.deepStrictEqual(answers.map(({ address }) => address),
                           [`192.0.2.${i + 1}`, `192.0.2.${i + 2}`]);
  });
  assertSockets(51);
});

test('dns2: Node.js itself sends a query from a socket of the system', async (t) => {
  const resolver = new dns.promises.Resolver();
  resolver.setServers([`127.0.0.1:${await serve(t, hosts)}`]);
  assert.deepStrictEqual(await resolver.resolve4('abc.test'), ['192.0.2.8', '192.0.2.9']);
  assertSockets(1);
});

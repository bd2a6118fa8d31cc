'use strict';
// stun: a server that reports its address to a client, on a socket that the program made.

const { assertSockets } = require('./sockets');
const assert = require('node:assert');
const dgram = require('node:dgram');
const { once } = require('node:events');
const test = require('node:test');
const stun = require('stun');

const { STUN_BINDING_RESPONSE, STUN_EVENT_BINDING_REQUEST } = stun.constants;

async function serve(socket) {
  const server = stun.createServer({ type: 'udp4', socket });
  server.on(STUN_EVENT_BINDING_REQUEST, (request, rinfo) => {
    const response = stun.createMessage(STUN_BINDING_RESPONSE, request.transactionId);
    response.addXorAddress(rinfo.address, rinfo.port);
    response.addSoftware('a test');
    response.addFingerprint();
    server.send(response, rinfo.port, rinfo.address);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
}

test('stun: a client learns its address', async () => {
  const own = dgram.createSocket('udp4');
  await serve(own);
  const socket = dgram.createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const response = await stun.request(`127.0.0.1:${own.address().port}`, { socket });
  const { address, port } = response.getXorAddress();
  assert.deepStrictEqual([address, port], ['127.0.0.1', socket.address().port]);
  assert.strictEqual(response.getSoftware(), 'a test');
  assert.ok(stun.validateFingerprint(response));
  for (const each of [own, socket]) await once(each.close(), 'close');
  assertSockets(2);
});

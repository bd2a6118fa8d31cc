'use strict';
// werift: WebRTC, which is ICE, DTLS and SCTP over UDP, between two peers.

const { assertSockets } = require('./sockets');
const assert = require('node:assert');
const test = require('node:test');
const { RTCPeerConnection } = require('werift');

// Peers on the loopback address alone, that use no server.
const configuration = {
  iceServers: [],
  iceUseIpv4: false,
  iceUseIpv6: false,
  iceInterfaceAddresses: { udp4: '127.0.0.1' },
  iceAdditionalHostAddresses: ['127.0.0.1'],
};

function peer(t) {
  const connection = new RTCPeerConnection(configuration);
  t.after(() => connection.close());
  return connection;
}

// Resolves with the channel that the other one gets.
async function connect(calling, called) {
  const channel = new Promise((resolve) => { called.ondatachannel = (e) => resolve(e.channel); });
  await calling.setLocalDescription(await calling.createOffer());
  await called.setRemoteDescription(calling.localDescription);
  await called.setLocalDescription(await called.createAnswer());
  await calling.setRemoteDescription(called.localDescription);
  return channel;
}

const nextMessage = (channel) => new Promise((resolve) => {
  channel.onmessage = ({ data }) => resolve(data);
});

test('werift: two peers talk through a data channel', async (t) => {
  const [calling, called] = [peer(t), peer(t)];
  const one = calling.createDataChannel('talk');
  const opened = new Promise((resolve) => { one.onopen = resolve; });
  const other = await connect(calling, called);
  await opened;

  const greeting = nextMessage(other);
  one.send('hello');
  assert.strictEqual(String(await greeting), 'hello');

  const large = Buffer.from(Array.from({ length: 60_000 }, (_, i) => i % 251));
  const back = nextMessage(one);
  other.send(large);
  assert.ok(large.equals(await back));
  assertSockets(2);
});

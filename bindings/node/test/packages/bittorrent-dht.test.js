'use strict';
// bittorrent-dht: nodes that find each other, who has what, and what was stored.

const { assertSockets } = require('./sockets');
const assert = require('node:assert');
const { once } = require('node:events');
const test = require('node:test');

const torrent = 'e3811b9539cacff680e418124272177c47477157';

// The nodes of a net of that size. Each but the first knows the first.
async function net(t, size) {
  const { default: DHT } = await import('bittorrent-dht');
  const nodes = [];
  for (let i = 0; i < size; i++) {
    const bootstrap = i > 0 ? [`127.0.0.1:${nodes[0].address().port}`] : false;
    const node = new DHT({ bootstrap, host: '127.0.0.1' });
    t.after(() => new Promise((resolve) => node.destroy(resolve)));
    const ready = once(node, 'ready');
    node.listen(0, '127.0.0.1');
    await Promise.all([once(node, 'listening'), ready]);
    nodes.push(node);
  }
  return nodes;
}

const done = (node, method, ...args) => new Promise((resolve, reject) => {
  node[method](...args, (err, value) => err ? reject(err) : resolve(value));
});

test('bittorrent-dht: a peer that has a torrent is found', async (t) => {
  const nodes = await net(t, 8);
  await done(nodes[2], 'announce', torrent, 6881);
  const found = once(nodes[7], 'peer');
  await done(nodes[7], 'lookup', torrent);
  const [peer, infoHash] = await found;
  assert.deepStrictEqual(peer, { host: '127.0.0.1', port: 6881 });
  assert.strictEqual(infoHash.toString('hex'), torrent);
  assertSockets(8);
});

test('bittorrent-dht: a stored value is found', async (t) => {
  const nodes = await net(t, 6);
  const key = await done(nodes[1], 'put', { v: Buffer.from('a value') });
  const { v } = await done(nodes[5], 'get', key);
  assert.strictEqual(String(v), 'a value');
  assertSockets(6);
});

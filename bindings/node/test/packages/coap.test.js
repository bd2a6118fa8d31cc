'use strict';
// coap: a server and its clients, with blockwise transfer both ways and with observing.

const { assertSockets } = require('./sockets');
const assert = require('node:assert');
const { once } = require('node:events');
const { buffer } = require('node:stream/consumers');
const test = require('node:test');
const coap = require('coap');

const large = Buffer.from(Array.from({ length: 9000 }, (_, i) => i % 251));
const blocksOf256 = Buffer.of(4);

// They are made when the package is loaded, and are bound at once.
coap.globalAgent.close();
coap.globalAgentIPv6.close();
assertSockets(2);

async function serve(t, listener) {
  const server = coap.createServer(listener);
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => new Promise((resolve) => server.close(resolve)));
  return server._sock.address().port;
}

// A request from a socket of its own.
function request(t, options) {
  const agent = new coap.Agent();
  t.after(() => agent.close());
  return coap.request({ hostname: '127.0.0.1', agent, ...options });
}

async function response(sent, payload) {
  const [answer] = await once(sent.end(payload), 'response');
  return answer;
}

test('coap: a request and its response', async (t) => {
  const port = await serve(t, (req, res) => res.end(`${req.method} ${req.url} ${req.payload}`));
  const sent = request(t, { port, pathname: '/here', query: 'a=b', method: 'PUT' });
  const answer = await response(sent, 'something');
  assert.strictEqual(String(answer.payload), 'PUT /here?a=b something');
  assertSockets(2);
});

test('coap: a hundred requests at once', async (t) => {
  const port = await serve(t, (req, res) => res.end(req.payload));
  const agent = new coap.Agent();
  t.after(() => agent.close());
  const answers = await Promise.all(Array.from({ length: 100 }, async (_, i) => {
    const sent = coap.request({ hostname: '127.0.0.1', port, agent, method: 'POST' });
    return String((await response(sent, String(i))).payload);
  }));
  assert.deepStrictEqual(answers, Array.from({ length: 100 }, (_, i) => String(i)));
  assertSockets(2);
});

test('coap: a large response comes block by block', async (t) => {
  const port = await serve(t, (req, res) => res.end(large));
  const sent = request(t, { port }).setOption('Block2', blocksOf256);
  assert.deepStrictEqual(await buffer(await response(sent)), large);
  assertSockets(2);
});

test('coap: a large request goes block by block', async (t) => {
  const port = await serve(t, (req, res) => res.end(String(req.payload.equals(large))));
  const sent = request(t, { port, method: 'PUT' }).setOption('Block1', blocksOf256);
  assert.strictEqual(String((await response(sent, large)).payload), 'true');
  assertSockets(2);
});

test('coap: an observer is notified of changes', async (t) => {
  let changes = 0;
  const port = await serve(t, (req, res) => {
    const timer = setInterval(() => res.write(`change ${++changes}`), 5);
    t.after(() => clearInterval(timer));
  });
  const stream = await response(request(t, { port, observe: true }));
  const seen = [];
  for await (const chunk of stream) {
    if (seen.push(String(chunk)) === 5) stream.close();
  }
  assert.deepStrictEqual(seen, [1, 2, 3, 4, 5].map((i) => `change ${i}`));
  assertSockets(2);
});

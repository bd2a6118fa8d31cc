'use strict';
// osc-js: Open Sound Control. It reads a message by `new DataView(msg.buffer)`, so it takes all
// of a message's memory for the message.

const { assertSockets, freePort } = require('./sockets');
const assert = require('node:assert');
const dgram = require('node:dgram');
const { once } = require('node:events');
const test = require('node:test');
const OSC = require('osc-js');

// Resolves once all `count` have come, with what `listener` has made of each.
function collect(osc, path, count, listener) {
  return new Promise((resolve) => {
    const got = [];
    osc.on(path, (message) => {
      if (got.push(listener(message)) === count) resolve(got);
    });
  });
}

async function openOsc(t) {
  const port = await freePort();
  const options = { open: { port, host: '127.0.0.1' }, send: { port, host: '127.0.0.1' } };
  const osc = new OSC({ plugin: new OSC.DatagramPlugin(options) });
  const opened = new Promise((resolve) => osc.on('open', resolve));
  osc.open();
  await opened;
  t.after(() => osc.close());
  return osc;
}

test('osc-js: each message is read from its own memory', async (t) => {
  const osc = await openOsc(t);
  const values = Array.from({ length: 50 }, (_, i) => [i, `text ${'x'.repeat(i * 20)}`, i / 2]);
  const got = collect(osc, '/value', values.length, ({ args }) => args);
  for (const value of values) osc.send(new OSC.Message('/value', ...value));
  assert.deepStrictEqual(await got, values);
  assertSockets(1);
});

test('osc-js: bundles, and what others send between them', async (t) => {
  const osc = await openOsc(t);
  const other = dgram.createSocket('udp4').bind(0, '127.0.0.1');
  await once(other, 'listening');
  t.after(() => once(other.close(), 'close'));
  const count = 20;
  const got = collect(osc, '/fader', count * 2, ({ args }) => args[0]);
  const elsewhere = new Promise((resolve) => {
    let left = count;
    other.on('message', () => --left || resolve());
  });
  for (let i = 0; i < count; i++) {
    other.send(Buffer.alloc(1000, 'other'), other.address().port, '127.0.0.1');
    osc.send(new OSC.Bundle([
      new OSC.Message('/fader', i), new OSC.Message('/fader', i + 1000),
    ], 0));
  }
  const expected = Array.from({ length: count }, (_, i) => [i, i + 1000]).flat();
  assert.deepStrictEqual(await got, expected);
  await elsewhere;
  assertSockets(2);
});

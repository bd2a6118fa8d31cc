'use strict';
// for await over a socket: every message once and in order, and none is taken that nobody pulls.

const assert = require('node:assert');
const { describe, test } = require('node:test');
const { once } = require('node:events');
const { ours } = require('./subject');
const { create, open, sent, turn } = require('./sockets');

const sendAll = async (sender, receiver, texts) => {
  const { port } = receiver.address();
  for (const text of texts) await sent(sender, text, port, '127.0.0.1');
};
const numbers = (count, from = 0) => Array.from({ length: count }, (_, i) => `${from + i}`);

// Pulls so many, and ends the loop.
async function take(socket, count) {
  const texts = [];
  for await (const { msg } of socket) {
    texts.push(String(msg));
    if (texts.length === count)
      break;
  }
  return texts;
}

describe('for await over a socket', ours('iteration is an addition'), () => {
  test('each message once, in order, with its sender', async (t) => {
    const receiver = await open(t);
    const sender = await open(t);
    const taken = take(receiver, 200);
    await sendAll(sender, receiver, numbers(200));
    assert.deepStrictEqual(await taken, numbers(200));
    const one = receiver[Symbol.asyncIterator]();
    const pulled = one.next();
    await sendAll(sender, receiver, ['x']);
    const { value: { msg, rinfo } } = await pulled;
    assert.strictEqual(String(msg), 'x');
    assert.deepStrictEqual(rinfo, { ...sender.address(), size: 1 });
    await one.return();
  });

  test('what nobody pulls stays with the system', async (t) => {
    const receiver = await open(t, { recvBufferSize: 1 << 20 });
    const sender = await open(t);
    let messages = 0;
    const iterator = receiver[Symbol.asyncIterator]();
    const first = iterator.next();
    receiver.on('message', () => messages++);
    await sendAll(sender, receiver, numbers(500));
    assert.strictEqual(String((await first).value.msg), '0');
    for (let i = 0; i < 20; i++) await turn();
    assert.ok(messages <= 1 + 64, `${messages} were taken`);
    for (let i = 1; i < 500; i++)
      assert.strictEqual(String((await iterator.next()).value.msg), `${i}`);
    assert.strictEqual(messages, 500);
    await iterator.return();
  });

  test('what a loop has not pulled is there for the next one', async (t) => {
    const receiver = await open(t);
    const sender = await open(t);
    const taken = take(receiver, 2);
    await sendAll(sender, receiver, numbers(5));
    assert.deepStrictEqual(await taken, ['0', '1']);
    const rest = take(receiver, 4);
    await sendAll(sender, receiver, ['5']);
    assert.deepStrictEqual((await rest).at(-1), '5');
  });

  test('two loops share the messages', async (t) => {
    const receiver = await open(t);
    const sender = await open(t);
    const both = [take(receiver, 10), take(receiver, 10)];
    await sendAll(sender, receiver, numbers(20));
    const texts = (await Promise.all(both)).flat();
    assert.deepStrictEqual(texts.map(Number).sort((a, b) => a - b), numbers(20).map(Number));
  });

  test('the loop ends when the socket is closed, after what came before', async (t) => {
    const receiver = await open(t);
    const sender = await open(t);
    const iterator = receiver[Symbol.asyncIterator]();
    const first = iterator.next();
    await sendAll(sender, receiver, numbers(3));
    await first;
    for (let i = 0; i < 5; i++) await turn();
    receiver.close();
    assert.strictEqual(String((await iterator.next()).value.msg), '1');
    assert.strictEqual(String((await iterator.next()).value.msg), '2');
    assert.deepStrictEqual(await iterator.next(), { done: true, value: undefined });
    for await (const message of receiver) assert.fail(message);
  });

  test('a pull that waits ends with the close', async (t) => {
    const receiver = await open(t);
    const pulled = receiver[Symbol.asyncIterator]().next();
    await turn();
    receiver.close();
    assert.deepStrictEqual(await pulled, { done: true, value: undefined });
  });

  test('an error is thrown by the loop, and the next loop goes on', async (t) => {
    const receiver = await open(t);
    const sender = await open(t);
    const failing = assert.rejects(take(receiver, 1), { message: 'mine' });
    await turn();
    receiver.emit('error', new Error('mine'));
    await failing;
    assert.strictEqual(receiver.listenerCount('error'), 0);
    const taken = take(receiver, 1);
    await sendAll(sender, receiver, ['after']);
    assert.deepStrictEqual(await taken, ['after']);
  });

  test('after the last loop listeners get what comes, and the socket is not paused', async (t) => {
    const receiver = await open(t);
    const sender = await open(t);
    const iterator = receiver[Symbol.asyncIterator]();
    const first = iterator.next();
    await sendAll(sender, receiver, numbers(100));
    await first;
    for (let i = 0; i < 5; i++) await turn();
    await iterator.return();
    assert.strictEqual(receiver.listenerCount('message'), 0);
    let last;
    receiver.on('message', (msg) => last = String(msg));
    await sendAll(sender, receiver, ['last']);
    while (last !== 'last') await once(receiver, 'message');
  });

  test("the program's own pause holds while a loop waits", async (t) => {
    const receiver = await open(t);
    const sender = await open(t);
    receiver.pause();
    let pulled = false;
    const taken = take(receiver, 1).finally(() => pulled = true);
    await sendAll(sender, receiver, ['x']);
    for (let i = 0; i < 10; i++) await turn();
    assert.strictEqual(pulled, false);
    receiver.resume();
    assert.deepStrictEqual(await taken, ['x']);
  });

  test('an unbound socket is iterated once it is bound', async (t) => {
    const receiver = create(t);
    const sender = await open(t);
    const taken = take(receiver, 1);
    receiver.bind(0, '127.0.0.1');
    await once(receiver, 'listening');
    await sendAll(sender, receiver, ['x']);
    assert.deepStrictEqual(await taken, ['x']);
  });
});

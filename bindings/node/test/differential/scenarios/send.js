'use strict';
// send and sendto: every form, every kind of payload, every error (B33 to B41).

const { scenario } = require('../registry.js');
const { ipv6, option, feature } = require('../needs.js');

/* The forms */

const forms = {
  'send(msg, port)': (one, port) => one.send('hello', port),
  'send(msg, port, callback)': (one, port, done) => one.send('hello', port, done),
  'send(msg, port, address)': (one, port) => one.send('hello', port, '127.0.0.1'),
  'send(msg, port, address, callback)': (one, port, done) => one.send('hello', port, '127.0.0.1', done),
  'send(msg, port, undefined, callback)': (one, port, done) => one.send('hello', port, undefined, done),
  'send(msg, port, null, callback)': (one, port, done) => one.send('hello', port, null, done),
  'send(msg, port, empty, callback)': (one, port, done) => one.send('hello', port, '', done),
  'send(msg, port, name, callback)': (one, port, done) => one.send('hello', port, 'localhost', done),
  'send(msg, digits, address)': (one, port) => one.send('hello', String(port), '127.0.0.1'),
  'send(msg, offset, length, port)': (one, port) => one.send(Buffer.from('hello'), 1, 3, port),
  'send(msg, offset, length, port, callback)': (one, port, done) => one.send(Buffer.from('hello'), 1, 3, port, done),
  'send(msg, offset, length, port, address)': (one, port) => one.send(Buffer.from('hello'), 1, 3, port, '127.0.0.1'),
  'send(msg, offset, length, port, address, callback)':
    (one, port, done) => one.send(Buffer.from('hello'), 1, 3, port, '127.0.0.1', done),
  'send(msg, offset, length, port, null, callback)':
    (one, port, done) => one.send(Buffer.from('hello'), 1, 3, port, null, done),
  'send(text, offset, length, port, address)': (one, port) => one.send('hällo', 1, 3, port, '127.0.0.1'),
  'send(list, port)': (one, port) => one.send(['hel', Buffer.from('lo')], port),
  'send(list, port, callback)': (one, port, done) => one.send(['hel', 'lo'], port, done),
  'send(list, port, address, callback)': (one, port, done) => one.send(['hel', 'lo'], port, '127.0.0.1', done),
  'send(msg, port, address, undefined)': (one, port) => one.send('hello', port, '127.0.0.1', undefined),
  'send(msg, port, callback, another)': (one, port, done) => one.send('hello', port, done, () => {}),
  'sendto(msg, offset, length, port, address)': (one, port) => one.sendto(Buffer.from('hello'), 0, 5, port, '127.0.0.1'),
  'sendto(msg, offset, length, port, address, callback)':
    (one, port, done) => one.sendto(Buffer.from('hello'), 0, 5, port, '127.0.0.1', done),
};

for (const [form, call] of Object.entries(forms)) {
  scenario(`B33 ${form}`, async ({ bound, arrived, attempt, traced, close, turns }) => {
    const b = await bound('b');
    const a = await bound('a');
    attempt('send', () => call(a, b.address().port, traced('callback')));
    await arrived(b);
    await turns(1);
    await close(a, b);
  });
}

scenario('B33 B36 every form on an unbound socket', async ({ socket, bound, arrived, attempt, traced, close }) => {
  const b = await bound('b');
  for (const [form, call] of Object.entries(forms)) {
    const a = socket('a');
    const closed = new Promise((resolve) => a.once('close', resolve));
    attempt(form, () => call(a, b.address().port, traced('callback')));
    await arrived(b);
    a.close();
    await closed;
  }
  await close(b);
});

const connectedForms = {
  'send(msg)': (one) => one.send('hello'),
  'send(msg, callback)': (one, done) => one.send('hello', done),
  'send(msg, offset, length)': (one) => one.send(Buffer.from('hello'), 1, 3),
  'send(msg, offset, length, callback)': (one, done) => one.send(Buffer.from('hello'), 1, 3, done),
  'send(list)': (one) => one.send(['hel', 'lo']),
  'send(list, callback)': (one, done) => one.send(['hel', 'lo'], done),
  'send(msg, undefined, undefined, callback)': (one, done) => one.send('hello', undefined, undefined, done),
  'send(msg, 0)': (one) => one.send('hello', 0),
  'send(msg, null, null, callback)': (one, done) => one.send('hello', null, null, done),
  'send(msg, 0, length, 0, empty, callback)': (one, done) => one.send('hello', 0, 5, 0, '', done),
  'send(msg, offset, length, null, null, callback)': (one, done) => one.send('hello', 0, 5, null, null, done),
};

for (const [form, call] of Object.entries(connectedForms)) {
  scenario(`B33 connected, ${form}`, async ({ pair, attempt, traced, close, turns }) => {
    const { a, b } = await pair();
    attempt('send', () => call(a, traced('callback')));
    await turns(3);
    await close(a, b);
  });
}

scenario('B33 connected, with a port or an address', async ({ pair, attempt, traced, close, turns }) => {
  const { a, b, port } = await pair();
  attempt('port', () => a.send('x', port));
  attempt('port, address', () => a.send('x', port, '127.0.0.1'));
  attempt('port, address, callback', () => a.send('x', port, '127.0.0.1', traced('callback')));
  attempt('offset, length, port', () => a.send(Buffer.from('x'), 0, 1, port));
  attempt('offset, length, address', () => a.send(Buffer.from('x'), 0, 1, undefined, '127.0.0.1'));
  attempt('port, callback', () => a.send('x', port, traced('callback')));
  attempt('undefined, address', () => a.send('x', undefined, '127.0.0.1'));
  await turns(2);
  await close(a, b);
});

scenario('B33 while connecting a send is one of an unconnected socket', async ({ bound, traced, attempt, event, turns, close }) => {
  const b = await bound('b');
  const a = await bound('a');
  a.connect(b.address().port, '127.0.0.1');
  attempt('without a port', () => a.send('x'));
  attempt('with a port', () => a.send('y', b.address().port, '127.0.0.1', traced('sent')));
  await event(a, 'connect');
  await turns(2);
  await close(a, b);
});

scenario('B39 sends that were queued while connecting', async ({ socket, bound, traced, event, turns, close }) => {
  const b = await bound('b');
  const a = socket('a');
  a.connect(b.address().port, '127.0.0.1');
  a.send('x', b.address().port, '127.0.0.1', traced('first'));
  a.send('y', b.address().port, traced('second'));
  await event(a, 'connect');
  await turns(3);
  await close(a, b);
});

/* Payloads */

const view = (Kind, ...values) => new Kind(values);
const shared = () => {
  const bytes = new Uint8Array(new SharedArrayBuffer(4));
  bytes.set([1, 2, 3, 4]);
  return bytes;
};

const payloads = {
  'text': () => 'hello',
  'empty text': () => '',
  'text beyond ASCII': () => 'zażółć 日本語 🚀',
  'a lone surrogate': () => 'a\ud800b',
  'text with zeros': () => 'a\0b\0',
  'Buffer': () => Buffer.from([0, 1, 254, 255]),
  'empty Buffer': () => Buffer.alloc(0),
  'a slice': () => Buffer.from('0123456789').subarray(3, 6),
  'Uint8Array': () => view(Uint8Array, 1, 2, 3),
  'Uint8ClampedArray': () => view(Uint8ClampedArray, 1, 2, 300),
  'Int8Array': () => view(Int8Array, -1, 2),
  'Uint16Array': () => view(Uint16Array, 1, 2),
  'Int32Array': () => view(Int32Array, -1, 2),
  'Float32Array': () => view(Float32Array, 1.5),
  'Float64Array': () => view(Float64Array, Math.PI, -0),
  'BigInt64Array': () => view(BigInt64Array, -1n),
  'DataView': () => new DataView(Uint8Array.of(1, 2, 3, 4, 5).buffer, 1, 3),
  'empty DataView': () => new DataView(new ArrayBuffer(0)),
  'a view of a SharedArrayBuffer': shared,
  'a part of a Uint16Array': () => Uint16Array.of(1, 2, 3, 4).subarray(1, 3),
  'list of texts': () => ['a', '', 'bc'],
  'list of many kinds': () => ['é', Buffer.from('b'), Uint16Array.of(99), new DataView(Uint8Array.of(100).buffer), shared()],
  'empty list': () => [],
  'list of empty texts': () => ['', ''],
  'list of one': () => ['one'],
  'list of a thousand': () => Array.from({ length: 1000 }, (_, i) => String(i % 10)),
  'list with a class of its own': () => new (class Parts extends Array {})('a', 'b'),
  '60000 bytes': () => Buffer.alloc(60000, 'x'),
  '65507 bytes': () => Buffer.alloc(65507, 'x'),
};

for (const [what, make] of Object.entries(payloads)) {
  scenario(`B35 ${what}`, async ({ pair, bound, arrived, traced, close, attempt }) => {
    const { a, b, port } = await pair();
    const c = await bound('c');
    attempt('connected', () => a.send(make(), traced('sent')));
    await arrived(b);
    attempt('unconnected', () => c.send(make(), port, '127.0.0.1', traced('sent')));
    await arrived(b);
    await close(a, b, c);
  });
}

const bad = [undefined, null, 0, 1, true, {}, new String('x'), new ArrayBuffer(4), new SharedArrayBuffer(4), 5n,
  Symbol('msg'), () => {}, new Date(0), new Map(), { length: 1, 0: 'x' }, { buffer: new ArrayBuffer(1), byteLength: 1 },
  Promise.resolve('x'), /x/];

scenario('B34 payloads that are none', async ({ bound, socket, attempt, show, close }) => {
  const a = await bound('a');
  for (const msg of bad) attempt(`send ${show(msg)}`, () => a.send(msg, 9, '127.0.0.1'));
  const b = socket('b');
  for (const msg of bad) attempt(`unbound, send ${show(msg)}`, () => b.send(msg, 9, '127.0.0.1'));
  attempt('nothing', () => a.send());
  await close(a, b);
});

scenario('B34 payloads that are none, with offset and length', async ({ bound, attempt, show, close }) => {
  const a = await bound('a');
  for (const msg of [...bad, ['x'], []]) attempt(`send ${show(msg)}`, () => a.send(msg, 0, 1, 9, '127.0.0.1'));
  await close(a);
});

scenario('B34 lists with bad elements', async ({ bound, attempt, show, close }) => {
  const a = await bound('a');
  for (const msg of bad) attempt(`send a list with ${show(msg)}`, () => a.send(['x', msg], 9, '127.0.0.1'));
  attempt('a list in a list', () => a.send([['x']], 9, '127.0.0.1'));
  attempt('a hole', () => a.send(['x', , 'y'], 9, '127.0.0.1')); // eslint-disable-line no-sparse-arrays
  await close(a);
});

const ranges = [[0, 5], [5, 0], [5, 1], [6, 0], [0, 6], [2, 3], [2, 4], [-1, 1], [0, -1], [1.9, 2.9], ['1', '2'],
  [NaN, 1], [undefined, 1], [null, 1], [2 ** 32, 1], [0, 2 ** 32 + 1], [true, true], [{ valueOf: () => 1 }, 1],
  [0, undefined], [0, null], [0, '5'], [[], 1], [4294967295, 2]];

scenario('B34 offsets and lengths', async ({ bound, attempt, show, close, turns }) => {
  const a = await bound('a');
  const { port } = a.address();
  for (const [offset, length] of ranges) {
    attempt(`send ${show(offset)}, ${show(length)}`, () => a.send(Buffer.from('01234'), offset, length, port, '127.0.0.1'));
    await turns(2);
  }
  await close(a);
});

scenario('B34 offsets and lengths that can\'t be numbers', async ({ bound, attempt, close }) => {
  const a = await bound('a');
  attempt('a symbol', () => a.send(Buffer.from('x'), Symbol('offset'), 1, 9, '127.0.0.1'));
  attempt('a BigInt', () => a.send(Buffer.from('x'), 0n, 1, 9, '127.0.0.1'));
  attempt('a BigInt', () => a.send(Buffer.from('x'), 0, 1n, 9, '127.0.0.1'));
  attempt('an object', () => a.send(Buffer.from('x'), { valueOf() { throw new Error('no'); } }, 1, 9, '127.0.0.1'));
  await close(a);
});

scenario('B34 offsets and lengths in bytes of a text, and of views', async ({ bound, attempt, close, turns }) => {
  const a = await bound('a');
  const { port } = a.address();
  attempt('text', () => a.send('ääää', 2, 4, port, '127.0.0.1'));
  attempt('text beyond', () => a.send('ääää', 2, 7, port, '127.0.0.1'));
  attempt('Uint16Array', () => a.send(Uint16Array.of(1, 2, 3), 2, 4, port, '127.0.0.1'));
  attempt('DataView', () => a.send(new DataView(Uint8Array.of(1, 2, 3, 4).buffer, 1), 1, 2, port, '127.0.0.1'));
  attempt('Float64Array', () => a.send(Float64Array.of(1, 2), 8, 8, port, '127.0.0.1'));
  await turns(3);
  await close(a);
});

/* Ports, addresses, callbacks */

// '0' passes the check of the call; on an unbound socket it is refused when the send comes again.
scenario('B34 bad ports', { uncaught: true }, async ({ bound, socket, attempt, show, turns, close }) => {
  const a = await bound('a');
  const b = socket('b');
  const ports = [undefined, null, 0, '0', '', -1, 65536, 1.5, NaN, 'abc', true, {}, [], 80n, Symbol('port'), () => {}];
  for (const port of ports) {
    attempt(`send to ${show(port)}`, () => a.send('x', port, '127.0.0.1'));
    attempt(`unbound, send to ${show(port)}`, () => b.send('x', port));
    attempt(`with offset, to ${show(port)}`, () => a.send('x', 0, 1, port, '127.0.0.1'));
  }
  await turns(2);
  await close(a, b);
});

scenario('B34 bad addresses', async ({ bound, attempt, show, close }) => {
  const a = await bound('a');
  for (const address of [0, 1, true, false, {}, [], 5n, Symbol('host'), new String('127.0.0.1'), NaN]) {
    attempt(`send to ${show(address)}`, () => a.send('x', 9, address));
    attempt(`send to ${show(address)}, with a callback`, () => a.send('x', 9, address, () => {}));
    attempt(`with offset, to ${show(address)}`, () => a.send('x', 0, 1, 9, address));
  }
  await close(a);
});

scenario('B34 callbacks that are none', async ({ bound, attempt, show, turns, close }) => {
  const a = await bound('a');
  const { port } = a.address();
  for (const callback of [undefined, null, 1, 'done', {}, [], true, Symbol('callback')]) {
    attempt(`send with ${show(callback)}`, () => a.send('x', port, '127.0.0.1', callback));
    await turns(2);
  }
  await close(a);
});

scenario('B34 the order of the checks', async ({ socket, attempt, close }) => {
  const a = socket('a');
  await close(a);
  attempt('all bad', () => a.send(5, 9, 9, 0, 5));
  attempt('offset on', () => a.send(Buffer.from('x'), 9, 9, 0, 5));
  attempt('length on', () => a.send(Buffer.from('x'), 0, 9, 0, 5));
  attempt('port on', () => a.send('x', 0, 5));
  attempt('address on', () => a.send('x', 9, 5));
  attempt('closed', () => a.send('x', 9, '127.0.0.1'));
});

scenario('B40 what sendto checks', async ({ bound, attempt, close }) => {
  const a = await bound('a');
  const msg = Buffer.from('x');
  attempt('nothing', () => a.sendto());
  attempt('offset', () => a.sendto(msg, '0', '1', 'port', 5));
  attempt('length', () => a.sendto(msg, 0, '1', 'port', 5));
  attempt('port', () => a.sendto(msg, 0, 1, '9', 5));
  attempt('address', () => a.sendto(msg, 0, 1, 9, 5));
  attempt('no address', () => a.sendto(msg, 0, 1, 9));
  attempt('null', () => a.sendto(msg, 0, 1, 9, null));
  attempt('message', () => a.sendto(5, 0, 1, 9, '127.0.0.1'));
  attempt('bounds', () => a.sendto(msg, 0, 2, 9, '127.0.0.1'));
  attempt('port 0', () => a.sendto(msg, 0, 1, 0, '127.0.0.1'));
  await close(a);
});

scenario('B40 sendto on a connected socket', async ({ pair, attempt, close }) => {
  const { a, b } = await pair();
  attempt('sendto', () => a.sendto(Buffer.from('x'), 0, 1, b.address().port, '127.0.0.1', () => {}));
  await close(a, b);
});

scenario('B40 sendto goes through send', async ({ bound, log, close }) => {
  const a = await bound('a');
  a.send = (...values) => log('send', ...values);
  a.sendto(Buffer.from('x'), 0, 1, 9, '127.0.0.1');
  await close(a);
});

/* The implicit bind */

scenario('B36 the implicit bind', async ({ socket, bound, arrived, traced, clocks, log, attempt, close, counts }) => {
  const b = await bound('b');
  const a = socket('a');
  clocks('before');
  attempt('send', () => a.send('x', b.address().port, '127.0.0.1', traced('sent')));
  clocks('after');
  counts(a);
  await arrived(b);
  log('address', a.address().address);
  counts(a);
  await close(a, b);
});

scenario('B36 sends leave in order', async ({ socket, bound, arrived, traced, close }) => {
  const b = await bound('b');
  const a = socket('a');
  for (const text of ['one', 'two', 'three', 'four']) a.send(text, b.address().port, '127.0.0.1', traced(text));
  await arrived(b, 4);
  await close(a, b);
});

function spyOnSend(one, log) {
  const { send } = one;
  one.send = function mine(...values) {
    log('send', ...values.map((value) => (value > 5 ? { port: value } : value)));
    return send.apply(this, values);
  };
}

scenario('B36 B58 queued sends go through send again', async ({ socket, bound, arrived, traced, log, close }) => {
  const b = await bound('b');
  const a = socket('a');
  spyOnSend(a, log);
  a.send('x', b.address().port, '127.0.0.1', traced('sent'));
  await arrived(b);
  await close(a, b);
});

scenario('B36 B58 they go through the send of when they were queued', async ({ socket, bound, arrived, traced, log, close }) => {
  const b = await bound('b');
  const a = socket('a');
  a.send('x', b.address().port, '127.0.0.1', traced('sent'));
  spyOnSend(a, log);
  await arrived(b);
  await close(a, b);
});

scenario('B36 queued sends of all kinds, as they come again', async ({ socket, bound, arrived, traced, log, close }) => {
  const b = await bound('b');
  const { port } = b.address();
  const a = socket('a');
  spyOnSend(a, log);
  a.send(Buffer.from('hello'), 1, 3, port, traced('1'));
  a.send(['a', Buffer.from('b')], port, '127.0.0.1', traced('2'));
  a.send(Uint16Array.of(1, 2), port);
  a.send('text', port, null, traced('4'));
  await arrived(b, 4);
  await close(a, b);
});

scenario('B36 a send that throws when it comes again', { uncaught: true }, async ({ socket, freePort, turns, traced, attempt }) => {
  const port = await freePort();
  const a = socket('a');
  const { send } = a;
  a.send = function once(...values) {
    this.send = () => { throw new Error('not today'); };
    return send.apply(this, values);
  };
  a.send('first', port, '127.0.0.1', traced('first'));
  a.send = send;
  a.send('second', port, '127.0.0.1', traced('second'));
  await turns(3);
  attempt('address', () => a.address().address);
  a.close();
});

scenario('B36 the implicit bind fails', async ({ socket, traced, event, turns, counts, close, bound, arrived }) => {
  const b = await bound('b');
  let answer = (done) => setImmediate(done, new Error('not now'));
  const a = socket('a', { type: 'udp4', lookup: (name, family, done) => answer(done) });
  a.send('one', 9, '127.0.0.1', traced('one'));
  a.send('two', 9, '127.0.0.1', traced('two'));
  counts(a);
  await event(a, 'error');
  counts(a);
  await turns(2);
  answer = (done) => setImmediate(done, null, '127.0.0.1', 4);
  a.send('three', b.address().port, '127.0.0.1', traced('three'));
  await arrived(b);
  counts(a);
  await close(a, b);
});

scenario('B36 the implicit bind fails through dns.lookup', { alone: true }, async ({ dgram, watch, traced, event, close }) => {
  const dns = require('node:dns');
  const { lookup } = dns;
  dns.lookup = (name, family, done) => process.nextTick(done, Object.assign(new Error('queryA EBADNAME'), { code: 'EBADNAME' }));
  const a = watch('a', dgram.createSocket('udp4'));
  a.send('x', 9, '127.0.0.1', traced('sent'));
  await Promise.race([event(a, 'error'), event(a, 'listening')]); // later versions don't look literals up
  dns.lookup = lookup;
  await close(a);
});

scenario('B36 the implicit bind fails, and nobody listens', { uncaught: true }, async ({ dgram, traced, turns, close }) => {
  const a = dgram.createSocket({ type: 'udp4', lookup: (name, family, done) => setImmediate(done, new Error('not now')) });
  a.send('x', 9, '127.0.0.1', traced('sent'));
  await turns(3);
  await close(a);
});

scenario('B36 the lookup of the implicit bind throws', async ({ socket, attempt, traced, turns, close }) => {
  const a = socket('a', { type: 'udp4', lookup() { throw new Error('no names today'); } });
  attempt('send', () => a.send('x', 9, '127.0.0.1', traced('sent')));
  attempt('again', () => a.send('x', 9, '127.0.0.1', traced('sent')));
  await turns(1);
  await close(a);
});

scenario('B36 an \'error\' of the program\'s own drops the queue', async ({ socket, traced, event, turns, counts, close }) => {
  const a = socket('a');
  a.send('x', 9, '127.0.0.1', traced('sent'));
  a.emit('error', new Error('made up'));
  counts(a);
  await event(a, 'listening');
  await turns(2);
  await close(a);
});

scenario('B36 a \'listening\' of the program\'s own', async ({ socket, bound, traced, turns, event, attempt, counts, close }) => {
  const b = await bound('b');
  const a = socket('a');
  a.send('x', b.address().port, '127.0.0.1', traced('sent'));
  attempt('emit', () => a.emit('listening'));
  counts(a);
  await turns(3);
  await close(a, b);
});

scenario('B36 bind after send', async ({ socket, bound, traced, attempt, arrived, close }) => {
  const b = await bound('b');
  const a = socket('a');
  a.send('x', b.address().port, '127.0.0.1', traced('sent'));
  attempt('bind', () => a.bind(0));
  await arrived(b);
  await close(a, b);
});

scenario('B36 send after bind, in one turn', async ({ socket, bound, traced, arrived, log, close }) => {
  const b = await bound('b');
  const a = socket('a');
  a.bind(0, '127.0.0.1');
  a.send('x', b.address().port, '127.0.0.1', traced('sent'));
  await arrived(b);
  log('address', a.address().address);
  await close(a, b);
});

scenario('B36 send while an explicit bind fails', async ({ socket, builtinPeer, traced, event, turns, close, counts }) => {
  const b = await builtinPeer();
  const a = socket('a');
  a.bind(b.port, '127.0.0.1');
  a.send('x', 9, '127.0.0.1', traced('sent'));
  counts(a);
  await event(a, 'error');
  counts(a);
  await turns(2);
  await close(a);
  await b.close();
});

scenario('B63 a listener of \'listening\' runs before the queued send leaves', async ({ dgram, bound, arrived, log, close }) => {
  const b = await bound('b');
  const a = dgram.createSocket('udp4');
  a.send('x', b.address().port, '127.0.0.1', () => log('sent'));
  a.on('listening', () => {
    log('listening');
    a.setBroadcast(true);
  });
  await arrived(b);
  await close(a, b);
});

scenario('B63 broadcast that is allowed in \'listening\'', async ({ socket, freePort, traced, event, turns, close }) => {
  const port = await freePort();
  const a = socket('a');
  await new Promise((resolve) => {
    a.send('x', port, '127.255.255.255', traced('sent', resolve));
    a.on('listening', () => a.setBroadcast(true));
  });
  await close(a);
});

scenario('B36 sends in \'listening\' and queued ones', async ({ socket, bound, arrived, traced, close }) => {
  const b = await bound('b');
  const { port } = b.address();
  const a = socket('a');
  a.on('listening', () => a.send('in listening, before', port, '127.0.0.1', traced('before')));
  a.send('queued', port, '127.0.0.1', traced('queued'));
  a.on('listening', () => a.send('in listening, after', port, '127.0.0.1', traced('after')));
  await arrived(b, 3);
  await close(a, b);
});

/* The lookup */

scenario('B37 a lookup for each send', async ({ bound, log, arrived, traced, close }) => {
  const lookup = (name, family, done) => {
    log('lookup', name, family);
    process.nextTick(done, null, '127.0.0.1', 4);
  };
  const b = await bound('b');
  const { port } = b.address();
  const a = await bound('a', { type: 'udp4', lookup });
  a.send('1', port, traced('1'));
  a.send('2', port, 'host', traced('2'));
  a.send('3', port, '127.0.0.1', traced('3'));
  await arrived(b, 3);
  await new Promise((resolve) => a.connect(port, 'peer', resolve));
  a.send('4', traced('4'));
  await arrived(b);
  await close(a, b);
});

const answers = {
  'at once': (done) => done(null, '127.0.0.1', 4),
  'in a tick': (done) => process.nextTick(done, null, '127.0.0.1', 4),
  'in a microtask': (done) => queueMicrotask(() => done(null, '127.0.0.1', 4)),
  'in an immediate': (done) => setImmediate(done, null, '127.0.0.1', 4),
};

for (const [when, answer] of Object.entries(answers)) {
  scenario(`B37 B38 a lookup that answers ${when}`, async ({ bound, traced, log, clocks, arrived, close }) => {
    const b = await bound('b');
    const a = await bound('a', { type: 'udp4', lookup: (name, family, done) => answer(done) });
    clocks('before');
    a.send('x', b.address().port, 'host', traced('sent', () => clocks('in the callback')));
    log('send returned');
    clocks('after');
    await arrived(b);
    await close(a, b);
  });
}

const failing = (error = new Error('not found')) => {
  let fails = false;
  return {
    lookup: (name, family, done) => (fails ? setImmediate(done, error) : done(null, '127.0.0.1', 4)),
    fail: () => { fails = true; },
  };
};

scenario('B37 a name that is not found, with a callback', async ({ bound, traced, clocks, turns, close }) => {
  const { lookup, fail } = failing();
  const a = await bound('a', { type: 'udp4', lookup });
  fail();
  a.send('x', 9, 'nowhere', traced('sent', () => clocks('in the callback')));
  await turns(3);
  await close(a);
});

scenario('B37 a name that is not found, without a callback', async ({ bound, event, log, close }) => {
  const error = new Error('not found');
  const { lookup, fail } = failing(error);
  const a = await bound('a', { type: 'udp4', lookup });
  fail();
  a.send('x', 9, 'nowhere');
  log('the same', (await event(a, 'error'))[0] === error);
  await close(a);
});

scenario('B37 a name that is not found, and nobody listens', { uncaught: true }, async ({ dgram, bind, turns, close }) => {
  const { lookup, fail } = failing();
  const a = dgram.createSocket({ type: 'udp4', lookup });
  await bind(a);
  fail();
  a.send('x', 9, 'nowhere');
  await turns(3);
  await close(a);
});

scenario('B37 a lookup that throws', async ({ bound, attempt, traced, turns, close }) => {
  let throws = false;
  const lookup = (name, family, done) => {
    if (throws) throw new Error('no names today');
    done(null, '127.0.0.1', 4);
  };
  const a = await bound('a', { type: 'udp4', lookup });
  throws = true;
  attempt('send', () => a.send('x', 9, 'host', traced('sent')));
  await turns(2);
  await close(a);
});

scenario('B37 a lookup that answers twice', async ({ bound, traced, arrived, turns, close }) => {
  const b = await bound('b');
  let twice = false;
  const lookup = (name, family, done) => {
    done(null, '127.0.0.1', 4);
    if (twice) done(null, '127.0.0.1', 4);
  };
  const a = await bound('a', { type: 'udp4', lookup });
  twice = true;
  a.send('x', b.address().port, 'host', traced('sent'));
  await turns(3);
  await close(a, b);
});

scenario('B37 sends with slow and fast names overtake', async ({ bound, traced, arrived, close }) => {
  const b = await bound('b');
  const { port } = b.address();
  const lookup = (name, family, done) => {
    const answer = () => done(null, '127.0.0.1', 4);
    if (name === 'slow') setImmediate(() => setImmediate(answer));
    else process.nextTick(answer);
  };
  const a = await bound('a', { type: 'udp4', lookup });
  a.send('slow', port, 'slow', traced('slow'));
  a.send('fast', port, 'fast', traced('fast'));
  await arrived(b, 2);
  await close(a, b);
});

for (const answer of ['::1', 'localhost', '', '1.2.3', '127.0.0.1\0x']) {
  scenario(`B37 B39 a lookup that answers ${JSON.stringify(answer)}`, async ({ bound, traced, turns, close }) => {
    let strange = false;
    const lookup = (name, family, done) => done(null, strange ? answer : '127.0.0.1', 4);
    const a = await bound('a', { type: 'udp4', lookup });
    strange = true;
    a.send('x', a.address().port, 'host', traced('sent'));
    a.send('y', a.address().port, 'host');
    await turns(3);
    await close(a);
  });
}

/* Callbacks and errors */

scenario('B38 the callback: arguments, `this`, never at once', async ({ bound, awaited, attempt, close }) => {
  const a = await bound('a');
  const { port } = a.address();
  await awaited('sent', (done) => attempt('send', () => a.send(['ab', Buffer.from('cde')], port, '127.0.0.1', done)));
  await awaited('empty', (done) => attempt('send', () => a.send('', port, '127.0.0.1', done)));
  await close(a);
});

scenario('B38 the callback throws', { uncaught: true }, async ({ bound, traced, turns, close }) => {
  const a = await bound('a');
  const { port } = a.address();
  a.send('x', port, '127.0.0.1', () => { throw new Error('in the callback'); });
  a.send('y', port, '127.0.0.1', traced('second'));
  await turns(3);
  await close(a);
});

scenario('B39 EMSGSIZE, and how its error names the address', async ({ pair, bound, traced, awaited, turns, close }) => {
  const big = Buffer.alloc(65508);
  const c = await bound('c');
  c.send(big, 9, '127.0.0.1', traced('address'));
  c.send(big, 9, traced('no address'));
  c.send(big, 9, null, traced('null'));
  c.send(big, 9, '', traced('empty'));
  c.send([big, 'x'], '9', '127.0.0.1', traced('list'));
  const { a, b } = await pair();
  a.send(big, traced('connected'));
  await turns(2);
  await awaited('name', (done) => c.send(big, 9, 'localhost', done));
  await close(a, b, c);
});

scenario('B39 EMSGSIZE without a callback', async ({ bound, turns, close }) => {
  const a = await bound('a');
  a.send(Buffer.alloc(65508), 9, '127.0.0.1');
  await turns(3);
  await close(a);
});

scenario('B39 EMSGSIZE of a queued send', async ({ socket, traced, turns, close }) => {
  const a = socket('a');
  a.send(Buffer.alloc(65508), 9, '127.0.0.1', traced('sent'));
  await turns(3);
  await close(a);
});

scenario('B39 EACCES of a broadcast', async ({ bound, awaited, close }) => {
  const a = await bound('a');
  await awaited('sent', (done) => a.send('x', 9, '255.255.255.255', done));
  await close(a);
});

scenario('B39 the other family', { needs: ipv6 }, async ({ bound, awaited, close }) => {
  const a = await bound('a');
  const b = await bound('b', 'udp6');
  await awaited('udp4', (done) => a.send('x', 9, '::1', done));
  await awaited('udp6', (done) => b.send('x', 9, '127.0.0.1', done));
  await close(a, b);
});

scenario('B39 errors between sends that succeed', async ({ bound, traced, arrived, close }) => {
  const b = await bound('b');
  const { port } = b.address();
  const a = await bound('a');
  a.send('one', port, '127.0.0.1', traced('one'));
  a.send(Buffer.alloc(65508), port, '127.0.0.1', traced('too big'));
  a.send('two', port, '127.0.0.1', traced('two'));
  a.send('three', 9, '255.255.255.255', traced('not allowed'));
  a.send('four', port, '127.0.0.1', traced('four'));
  await arrived(b, 3);
  await close(a, b);
});

scenario('B39 close before the lookup has answered', async ({ bound, traced, turns, log }) => {
  let slow = false;
  const lookup = (name, family, done) => {
    if (slow) setImmediate(() => log('answered') || done(null, '127.0.0.1', 4));
    else done(null, '127.0.0.1', 4);
  };
  const a = await bound('a', { type: 'udp4', lookup });
  slow = true;
  a.send('x', 9, 'host', traced('sent'));
  a.close();
  await turns(3);
});

scenario('B15 close before the lookup has failed', async ({ bound, traced, turns }) => {
  const { lookup, fail } = failing();
  const a = await bound('a', { type: 'udp4', lookup });
  fail();
  a.send('x', 9, 'host', traced('sent'));
  a.send('x', 9, 'host');
  a.close();
  await turns(4);
});

scenario('B38 close right after send', async ({ bound, traced, turns, arrived }) => {
  const b = await bound('b');
  const a = await bound('a');
  a.send('x', b.address().port, '127.0.0.1', traced('sent'));
  a.close();
  await turns(3);
  b.close();
});

scenario('B38 close right after send, connected', async ({ pair, traced, arrived }) => {
  const { a, b } = await pair();
  a.send('x', traced('sent'));
  a.close();
  await arrived(b);
  b.close();
});

scenario('B39 nobody listens at the peer of an unconnected socket', async ({ bound, freePort, traced, turns, close }) => {
  const a = await bound('a');
  const port = await freePort();
  a.send('x', port, '127.0.0.1', traced('first'));
  a.send('y', port, '127.0.0.1', traced('second'));
  await turns(3);
  await close(a);
});

scenario('B35 a list that is changed after send', async ({ socket, bound, arrived, close }) => {
  const b = await bound('b');
  const { port } = b.address();
  const unbound = socket('unbound');
  const ready = await bound('bound');
  for (const a of [unbound, ready]) {
    const list = ['one ', 'two ', 'three'];
    a.send(list, port, '127.0.0.1');
    list.splice(0, 3, 'other');
    await arrived(b);
  }
  await close(unbound, ready, b);
});

scenario('B35 bytes that are changed after send', async ({ socket, bound, pair, arrived, close }) => {
  const { a, b, port } = await pair();
  const unbound = socket('unbound');
  const ready = await bound('bound');
  for (const [one, ...to] of [[unbound, port, '127.0.0.1'], [ready, port, '127.0.0.1'], [a]]) {
    const bytes = Buffer.from('before');
    one.send(bytes, ...to);
    bytes.write('after!');
    await arrived(b);
    const part = Buffer.from('before');
    one.send(['a list, ', part], ...to);
    part.write('after!');
    await arrived(b);
  }
  await close(a, b, unbound, ready);
});

/* The queue */

scenario('B41 the counters', async ({ socket, bound, pair, traced, attempt, turns, log, close }) => {
  const { a, b } = await pair();
  const report = (text, one) => log(text, one.getSendQueueSize(), one.getSendQueueCount());
  const c = socket('c');
  report('unbound', c);
  c.send('12345', b.address().port, '127.0.0.1', traced('sent', () => report('in the callback', c)));
  report('queued', c);
  a.send('12345', traced('sent', () => report('in the callback', a)));
  a.send('12345', traced('sent', () => report('in the callback', a)));
  report('sent', a);
  await turns(2);
  report('later', a);
  await close(a, b, c);
  attempt('closed', () => a.getSendQueueSize());
  attempt('closed', () => a.getSendQueueCount());
});

scenario('B38 B41 without the synchronous attempt', { flags: ['--test-udp-no-try-send'] },
  async ({ pair, traced, clocks, arrived, log, close }) => {
    const { a, b } = await pair();
    const report = (text) => log(text, a.getSendQueueSize(), a.getSendQueueCount());
    clocks('before');
    a.send('123', traced('first', () => report('in the callback')));
    report('one');
    a.send('45', traced('second', () => report('in the callback')));
    report('two');
    await arrived(b, 2);
    await close(a, b);
  });

scenario('B15 ECANCELED, without the synchronous attempt', { flags: ['--test-udp-no-try-send'] },
  async ({ pair, traced, turns }) => {
    const { a, b } = await pair();
    a.send('x', traced('first'));
    a.send('y', traced('second'));
    a.close(traced('closed'));
    await turns(3);
    b.close();
  });

scenario('B42 B57 a thousand sends in one turn', async ({ dgram, bound, log, close }) => {
  const COUNT = 1000;
  const b = await bound('b', { type: 'udp4', recvBufferSize: 4 * 1024 * 1024 });
  b.removeAllListeners('message');
  const got = [];
  const a = dgram.createSocket('udp4');
  const sent = [];
  const all = new Promise((resolve) => {
    b.on('message', (msg) => got.push(+msg) === COUNT && resolve());
  });
  // In parts, so that no receive buffer is too small.
  for (let part = 0; part < COUNT; part += 50) {
    for (let i = part; i < part + 50; i++) {
      a.send(String(i), b.address().port, '127.0.0.1', (error, bytes) => sent.push(i, error, bytes));
    }
    await new Promise((resolve) => a.send('end', 9, '127.0.0.1', resolve));
    while (got.length < part + 50) await new Promise(setImmediate);
  }
  await all;
  log('in order', got.every((number, i) => number === i));
  log('callbacks', sent.length, sent.filter((value, i) => i % 3 === 1 && value !== null).length);
  await close(a, b);
});

scenario('B35 a resizable buffer that shrinks', { needs: feature('resizable ArrayBuffer', ArrayBuffer.prototype.resize) },
  async ({ socket, bound, attempt, traced, turns, close }) => {
    const b = await bound('b');
    const a = socket('a');
    const buffer = new ArrayBuffer(8, { maxByteLength: 16 });
    const bytes = new Uint8Array(buffer).fill(65);
    attempt('send', () => a.send(bytes, b.address().port, '127.0.0.1', traced('sent')));
    buffer.resize(3);
    await turns(3);
    await close(a, b);
  });

'use strict';
// Programs made of several realms (vm contexts, as test runners make them) and of several copies of
// the module: values of another realm count as what they are there.

const assert = require('node:assert');
const { once } = require('node:events');
const fs = require('node:fs');
const { createRequire } = require('node:module');
const path = require('node:path');
const test = require('node:test');
const vm = require('node:vm');
const child = require('./child');
const { dgram, modulePath, isBuiltIn, ours } = require('./subject');

// Makes values in a realm of their own.
const realm = vm.createContext({ dgram, require, setImmediate });
const there = (source) => vm.runInContext(`(${source})`, realm);

async function bound(module = dgram) {
  const socket = module.createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return socket;
}

// What a socket receives when that is sent to it.
async function echoed(socket, ...message) {
  socket.send(...message, socket.address().port, '127.0.0.1');
  const [msg] = await once(socket, 'message');
  return String(msg);
}

test('values of another realm are messages', async () => {
  const messages = {
    'new Uint8Array([97, 98, 99])': 'abc',
    'new Uint8Array([0, 97, 98, 99]).subarray(1, 3)': 'ab',
    'new Uint16Array([25185])': 'ab',
    'new DataView(new Uint8Array([97, 98, 99]).buffer, 1)': 'bc',
    'new (class extends Uint8Array {})([97])': 'a',
    '"text"': 'text',
    '["a", new Uint8Array([98]), new DataView(new ArrayBuffer(1))]': 'ab\0',
    '[]': '',
    'new Uint8Array(new SharedArrayBuffer(2))': '\0\0',
  };
  const socket = await bound();
  for (const [source, expected] of Object.entries(messages)) {
    assert.strictEqual(await echoed(socket, there(source)), expected, source);
  }
  socket.close();
});

test('offset and length apply to values of another realm', async () => {
  const socket = await bound();
  assert.strictEqual(await echoed(socket, there('new Uint8Array([97, 98, 99])'), 1, 1), 'b');
  assert.strictEqual(await echoed(socket, there('new Uint16Array([25185, 25699])'), 1, 2), 'bc');
  assert.strictEqual(
    await echoed(socket, there('new DataView(new Uint8Array([97, 98, 99]).buffer)'), 0, 2), 'ab');
  socket.close();
});

test('a value of another realm that is no message is refused as one of this realm', async () => {
  const socket = await bound();
  const refused = ['({})', 'new ArrayBuffer(3)', '[[]]', 'new Error("x")', 'null', '1', 'Symbol()',
    'new String("x")', 'Promise.resolve()', '() => {}', '["a", 1]', 'new SharedArrayBuffer(1)'];
  for (const source of refused) {
    assert.throws(() => socket.send(there(source), 9), { code: 'ERR_INVALID_ARG_TYPE' }, source);
  }
  socket.close();
});

test('functions of another realm are listeners, callbacks and lookups', async () => {
  const log = there('[]');
  realm.log = log;
  const lookup = there(`(host, family, done) => {
    log.push(host);
    setImmediate(done, null, '127.0.0.1', 4);
  }`);
  const socket = dgram.createSocket(Object.assign(there('{ type: "udp4" }'), { lookup }),
    there('(msg, rinfo) => { log.push(String(msg), rinfo.size); }'));
  socket.bind(there('{ port: 0, address: "here" }'), there('() => { log.push("listening"); }'));
  await once(socket, 'listening');
  socket.send('x', socket.address().port, 'there',
    there('(error, bytes) => { log.push(error, bytes); }'));
  await once(socket, 'message');
  socket.close(there('() => { log.push("closed"); }'));
  await once(socket, 'close');
  assert.deepStrictEqual(Array.from(log),
    ['here', 'listening', 'there', null, 1, 'x', 1, 'closed']);
});

test('errors of another realm go to the callback as they are', async () => {
  const failure = there('new Error("of another realm")');
  const lookup = (host, family, done) => done(host === 'fails' ? failure : null, '127.0.0.1', 4);
  const socket = dgram.createSocket({ type: 'udp4', lookup });
  socket.bind(0, 'here');
  const error = await new Promise((resolve) => socket.send('x', 9, 'fails', resolve));
  assert.strictEqual(error, failure);
  socket.send('x', 9, 'fails');
  const [emitted] = await once(socket, 'error');
  assert.strictEqual(emitted, failure);
  socket.close();
});

test('a whole program runs in another realm', async () => {
  const result = await vm.runInContext(`
    new Promise((resolve, reject) => {
      const dgram = require(${JSON.stringify(modulePath)});
      const server = dgram.createSocket('udp4');
      const client = dgram.createSocket({ type: 'udp4' });
      server.on('error', reject);
      server.on('message', (msg, rinfo) => {
        server.send([msg, new Uint8Array([33])], rinfo.port, rinfo.address);
      });
      client.on('message', (msg, rinfo) => {
        client.close();
        server.close(() => resolve([String(msg), rinfo.port === port]));
      });
      let port;
      server.bind(0, '127.0.0.1', () => {
        port = server.address().port;
        client.connect(port, '127.0.0.1', (error) => error ? reject(error) : client.send('hi'));
      });
    })`, realm);
  assert.deepStrictEqual(Array.from(result), ['hi!', true]);
});

test('an exception of another realm reaches uncaughtException as it is', async () => {
  const [reported] = await child.reports(({ dgram, report }) => {
    const vm = require('node:vm');
    const context = vm.createContext({});
    const listener = vm.runInContext('() => { throw new Error("of another realm"); }', context);
    const socket = dgram.createSocket('udp4', listener);
    process.on('uncaughtException', (error) => {
      socket.close();
      report([error.message, error instanceof Error]);
    });
    socket.bind(0, '127.0.0.1', () => socket.send('x', socket.address().port, '127.0.0.1'));
  });
  assert.deepStrictEqual(reported, ['of another realm', false]);
});

test('closing a socket outlives the context that its listeners came from', async () => {
  await child.reports(({ dgram }) => {
    const vm = require('node:vm');
    let open = 0;
    for (let i = 0; i < 50; i++) {
      const context = vm.createContext({ dgram, then: () => --open || gc() });
      open++;
      vm.runInContext(`
        const socket = dgram.createSocket('udp4', () => socket.close(then));
        socket.bind(0, '127.0.0.1', () => {
          socket.send('x', socket.address().port, '127.0.0.1');
        });`, context);
    }
    gc();
  }, { execArgv: ['--expose-gc'] });
});

// Loads the package's own JavaScript into a realm, as test runners do; the addon itself and what
// belongs to Node stay shared.
function loadInto(context, file, loaded = new Map()) {
  if (loaded.has(file)) return loaded.get(file).exports;
  const module = { exports: {} };
  const outside = createRequire(file);
  const inside = (request) => {
    const found = outside.resolve(request);
    const own = path.isAbsolute(found) && found.endsWith('.js');
    return own ? loadInto(context, found, loaded) : outside(request);
  };
  loaded.set(file, module);
  vm.runInContext(`(function(exports, require, module, __filename, __dirname) {
    ${fs.readFileSync(file, 'utf8')}
  })`, context, { filename: file })(module.exports, inside, module, file, path.dirname(file));
  return module.exports;
}

// What a realm of a test runner has: the globals of Node, but JavaScript's own are the realm's.
const runnerRealm = () => vm.createContext({
  process, Buffer, queueMicrotask, setImmediate, setTimeout, clearTimeout, AbortController,
  AbortSignal, structuredClone,
});

const mainFile = () => require.resolve(modulePath);

test('the module itself runs in another realm', ours('the built-in has one realm'), async () => {
  const foreign = loadInto(runnerRealm(), mainFile());
  assert.notStrictEqual(foreign.Socket, dgram.Socket);
  const [a, b] = [await bound(foreign), await bound()];
  b.send('x', a.address().port, '127.0.0.1');
  const [msg, rinfo] = await once(a, 'message');
  assert.ok(Buffer.isBuffer(msg));
  assert.strictEqual(rinfo.port, b.address().port);
  a.send([msg, 'y'], b.address().port, '127.0.0.1');
  assert.strictEqual(String((await once(b, 'message'))[0]), 'xy');
  assert.throws(() => a.bind(0), { code: 'ERR_SOCKET_ALREADY_BOUND' });
  assert.throws(() => a.send(1), { code: 'ERR_INVALID_ARG_TYPE' });
  a.close();
  b.close();
});

test('a dropped realm with the module can be followed by another',
  ours('the built-in has one realm'), async () => {
    for (let i = 0; i < 20; i++) {
      const socket = await bound(loadInto(runnerRealm(), mainFile()));
      assert.strictEqual(await echoed(socket, String(i)), String(i));
      socket.close();
    }
  });

// A copy of the module with everything in it loaded again, the addon too.
function anotherCopy() {
  const root = path.dirname(mainFile()) + path.sep;
  const kept = Object.entries(require.cache).filter(([file]) => file.startsWith(root) &&
    !file.startsWith(__dirname));
  for (const [file] of kept) delete require.cache[file];
  const copy = require(modulePath);
  for (const [file, module] of kept) require.cache[file] = module;
  return copy;
}

test('two copies of the module work together', async () => {
  const copy = isBuiltIn ? dgram : anotherCopy();
  if (!isBuiltIn) assert.notStrictEqual(copy.Socket, dgram.Socket);
  const [a, b] = [await bound(dgram), await bound(copy)];
  b.on('message', (msg, rinfo) => b.send([msg, '!'], rinfo.port, rinfo.address));
  for (const text of ['1', '2', '3']) {
    a.send(text, b.address().port, '127.0.0.1');
    assert.strictEqual(String((await once(a, 'message'))[0]), `${text}!`);
  }
  a.close();
  b.close();
  await Promise.all([once(a, 'close'), once(b, 'close')]);
});

test('many copies of the module end with the process', async () => {
  const { code, stderr } = await child.run(async ({ modulePath }) => {
    for (let i = 0; i < 20; i++) {
      for (const file of Object.keys(require.cache)) delete require.cache[file];
      const socket = require(modulePath).createSocket('udp4');
      socket.bind(0, '127.0.0.1', () => {
        socket.unref();
        socket.connect(socket.address().port, '127.0.0.1', () => socket.send('x'));
      });
    }
  });
  assert.deepStrictEqual([code, stderr], [0, '']);
});

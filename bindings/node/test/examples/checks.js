'use strict';
// What each example of the specification has to do, and what it is run with. `table`, at the end,
// lists which check is for which example.
//
// A check gets `host`, which is where the example runs; see run.js. The document's text is not
// changed. What is a fragment of a program stands between a beginning and an end from here.

const assert = require('node:assert');
const { execFileSync } = require('node:child_process');
const { once } = require('node:events');
const { isBuiltIn } = require('../subject');

const loopback = '127.0.0.1';

// A whole server. It answers nothing, prints what it gets, and reports when it can't have its port.
async function server(host) {
  const program = host.run();
  assert.strictEqual(await program.line(), 'server listening 0.0.0.0:41234');
  const client = await host.socket();
  const from = `from ${loopback}:${client.address().port}`;
  for (const message of ['hello', '', '\u00fc\u{1f600}', 'x'.repeat(20_000)]) {
    client.send(message, 41234, loopback);
    assert.strictEqual(await program.line(), `server got: ${message} ${from}`);
  }

  const second = host.run();
  assert.strictEqual(await second.ended, 0);
  assert.match(second.errors, /^server error:\nError: bind EADDRINUSE 0\.0\.0\.0:41234\n    at /);
  assert.strictEqual(await second.line(), undefined);

  client.send('again', 41234, loopback);
  assert.strictEqual(await program.line(), `server got: again ${from}`);
  await program.stop();
  assert.strictEqual(program.errors, '');
}

// A client that sends one message to port 41234 and closes.
async function client(host) {
  const receiver = await host.socket({ port: 41234, address: loopback });
  const received = once(receiver, 'message');
  const program = host.run();
  const [message, { address }] = await received;
  assert.strictEqual(String(message), 'Some bytes');
  assert.strictEqual(address, loopback);
  await endsWell(program);
}

// Two workers of a cluster that share a socket: who comes second can't join the group again.
async function membership(host) {
  const program = host.run();
  await program.complains(/Error: addMembership EADDRINUSE/);
  assert.ok(program.running, 'the primary has ended');
  const joined = execFileSync('ip', ['maddress', 'show', 'dev', 'eth0'], { encoding: 'utf8' });
  assert.match(joined, /\binet +224\.0\.0\.114$/m);
  await program.stop();
  assert.strictEqual(program.errors.match(/Error: addMembership/g).length, 1, program.errors);
  assert.strictEqual(await program.line(), undefined);
}

const exclusiveParts = {
  before: "const socket = dgram.createSocket('udp4');",
  after: `
    socket.on('error', (err) => console.log(err.message));
    socket.on('listening', () => {
      const { address, port } = socket.address();
      console.log(address + ':' + port);
      process.send?.('listening');
    });
    socket.on('message', (msg) => {
      console.log('got ' + msg);
      socket.close();
    });
  `,
};

// An address that nobody else gets, be it another process or another worker of the same cluster.
async function exclusive(host) {
  const alone = host.run(exclusiveParts);
  assert.strictEqual(await alone.line(), `${loopback}:8000`);
  const second = host.run(exclusiveParts);
  assert.strictEqual(await second.line(), `bind EADDRINUSE ${loopback}:8000`);
  await endsWell(second);
  await getsMessage(alone);
  await endsWell(alone);

  const cluster = host.runText(`
    const cluster = require('node:cluster');
    cluster.setupPrimary({ exec: ${JSON.stringify(host.write(exclusiveParts))} });
    cluster.fork().once('message', () => cluster.fork());
  `);
  assert.strictEqual(await cluster.line(), `${loopback}:8000`);
  assert.strictEqual(await cluster.line(), `bind EADDRINUSE ${loopback}:8000`);
  await getsMessage(cluster);
  await cluster.stop();
  assert.strictEqual(cluster.errors, '');

  async function getsMessage(program) {
    const sender = await host.socket();
    sender.send('hello', 8000, loopback);
    assert.strictEqual(await program.line(), 'got hello');
  }
}

// A socket whose multicast leaves through an interface of its choice. The source address of what
// arrives is the interface's, and reports through which one it left.
const multicastInterface = ({ type, group, interfaces, from }) => async (host) => {
  const receiver = await host.socket({ type });
  for (const one of interfaces) receiver.addMembership(group, one);
  const received = once(receiver, 'message');
  const program = host.run({ after: `
    socket.on('listening', () => {
      socket.send('out', ${receiver.address().port}, '${group}', (err) => {
        console.log(err);
        socket.close();
      });
    });
  ` });
  assert.strictEqual(await program.line(), 'null');
  const [message, rinfo] = await received;
  assert.strictEqual(String(message), 'out');
  assert.deepStrictEqual([rinfo.address, rinfo.port], [from, 1234]);
  await endsWell(program);
};

const to6 = { type: 'udp6', group: 'ff02::114', interfaces: ['::%eth0', '::%eth1'] };
const named6 = multicastInterface({ ...to6, from: 'fe80::1:2%eth1' });
// A number is an interface's, as on Windows. To the built-in it is none there is on other systems:
// it lets the system go on to choose the interface.
const numbered6 = multicastInterface({
  ...to6, from: isBuiltIn ? 'fe80::2%eth0' : 'fe80::1:2%eth1',
});
const addressed4 = multicastInterface({
  type: 'udp4', group: '224.0.0.114', interfaces: ['10.0.1.2', '10.0.0.2'], from: '10.0.0.2',
});

// A server that is closed by its signal: as it stands at once, and then with another
// AbortController, for which the "later" in the example is when a first message has come.
async function abort(host) {
  const after = "server.on('close', () => console.log('closed'));";
  const atOnce = host.run({ after });
  assert.strictEqual(await atOnce.line(), 'closed');
  await endsWell(atOnce);

  const later = host.run({ after, before: `
    const AbortController = class extends globalThis.AbortController {
      abort() {
        server.bind(0, '${loopback}', () => console.log(server.address().port));
        server.once('message', () => super.abort());
      }
    };
  ` });
  const port = Number(await later.line());
  const sender = await host.socket();
  sender.send('hello', port, loopback);
  const from = `${loopback}:${sender.address().port}`;
  assert.strictEqual(await later.line(), `server got: hello from ${from}`);
  assert.strictEqual(await later.line(), 'closed');
  await endsWell(later);
}

// It ends by itself, without another word.
async function endsWell(program) {
  assert.strictEqual(await program.ended, 0, program.errors);
  assert.strictEqual(program.errors, '');
  assert.strictEqual(await program.line(), undefined);
}

const send = 'socket.send(msg[, offset, length][, port][, address][, callback])';
const ipv6 = 'Example: IPv6 outgoing multicast interface';

// The examples, in the document's order: its section, its language, its check, and what it needs of
// the host: a port, or interfaces.
const table = [
  ['UDP/datagram sockets', 'mjs', server, { port: 41234 }],
  ['UDP/datagram sockets', 'cjs', server, { port: 41234 }],
  ['socket.addMembership(multicastAddress[, multicastInterface])', 'mjs', membership, {}],
  ['socket.addMembership(multicastAddress[, multicastInterface])', 'cjs', membership, {}],
  ['socket.bind([port][, address][, callback])', 'mjs', server, { port: 41234 }],
  ['socket.bind([port][, address][, callback])', 'cjs', server, { port: 41234 }],
  ['socket.bind(options[, callback])', 'js', exclusive, { port: 8000 }],
  [send, 'mjs', client, { port: 41234 }],
  [send, 'cjs', client, { port: 41234 }],
  [send, 'mjs', client, { port: 41234 }],
  [send, 'cjs', client, { port: 41234 }],
  [send, 'mjs', client, { port: 41234 }],
  [send, 'cjs', client, { port: 41234 }],
  [ipv6, 'js', named6, {}],
  [ipv6, 'js', numbered6, {}],
  ['Example: IPv4 outgoing multicast interface', 'js', addressed4, {}],
  ['dgram.createSocket(options[, callback])', 'js', abort, { port: 0 }],
];

module.exports = { table };

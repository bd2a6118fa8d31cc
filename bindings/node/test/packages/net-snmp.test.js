'use strict';
// net-snmp: an agent and its manager, and a receiver of traps.

const { assertSockets, freePort } = require('./sockets');
const assert = require('node:assert');
const { once } = require('node:events');
const test = require('node:test');
const snmp = require('net-snmp');

const { OctetString, Integer } = snmp.ObjectType;
const name = '1.3.6.1.2.1.1.5.0';
const interfaces = '1.3.6.1.2.1.2.2';  // a table: index, description, speed
const rows = 40;

const user = {
  name: 'reader',
  level: snmp.SecurityLevel.authPriv,
  authProtocol: snmp.AuthProtocols.sha,
  authKey: 'authentic and long',
  privProtocol: snmp.PrivProtocols.aes,
  privKey: 'private and as long',
};

function columns() {
  const access = { maxAccess: snmp.MaxAccess['read-only'] };
  return [
    { number: 1, name: 'ifIndex', type: Integer, ...access },
    { number: 2, name: 'ifDescr', type: OctetString, ...access },
    { number: 3, name: 'ifSpeed', type: Integer, ...access },
  ];
}

// An agent with a name that can be set and a table.
async function serve(t) {
  const port = await freePort();
  const agent = snmp.createAgent({ port, address: '127.0.0.1' }, () => {});
  t.after(() => closed(agent));
  agent.getAuthorizer().addCommunity('public');
  agent.getAuthorizer().addUser(user);
  agent.registerProvider({
    name: 'sysName', type: snmp.MibProviderType.Scalar, oid: name.slice(0, -2),
    scalarType: OctetString, maxAccess: snmp.MaxAccess['read-write'],
  });
  agent.getMib().setScalarValue('sysName', 'a host');
  agent.registerProvider({
    name: 'ifEntry', type: snmp.MibProviderType.Table, oid: `${interfaces}.1`,
    maxAccess: snmp.MaxAccess['not-accessible'], tableColumns: columns(),
    tableIndex: [{ columnName: 'ifIndex' }],
  });
  for (let i = 1; i <= rows; i++) agent.getMib().addTableRow('ifEntry', [i, `port ${i}`, i * 1000]);
  return port;
}

const closed = (server) => new Promise((resolve) => server.close(resolve));

function manager(t, options) {
  const session = options.version === snmp.Version3 ?
    snmp.createV3Session('127.0.0.1', user, options) :
    snmp.createSession('127.0.0.1', 'public', options);
  t.after(() => once(session.close(), 'close'));
  return session;
}

// The session's method as a function that returns a promise.
const request = (session, method, ...args) => new Promise((resolve, reject) => {
  session[method](...args, (err, answer) => err ? reject(err) : resolve(answer));
});

for (const version of ['Version1', 'Version2c', 'Version3']) {
  test(`net-snmp: a manager reads and sets, ${version}`, async (t) => {
    const session = manager(t, { port: await serve(t), version: snmp[version] });
    const value = async () => String((await request(session, 'get', [name]))[0].value);
    assert.strictEqual(await value(), 'a host');
    await request(session, 'set', [{ oid: name, type: OctetString, value: 'another' }]);
    assert.strictEqual(await value(), 'another');
    const [next] = await request(session, 'getNext', [name]);
    assert.deepStrictEqual([next.oid, next.value], [`${interfaces}.1.1.1`, 1]);
    assertSockets(2);
  });
}

test('net-snmp: a manager walks through a table', async (t) => {
  const session = manager(t, { port: await serve(t), version: snmp.Version2c });
  const seen = [];
  await new Promise((resolve, reject) => {
    const feed = (varbinds) => { seen.push(...varbinds.map(({ value }) => String(value))); };
    session.subtree(`${interfaces}.1.2`, 7, feed, (err) => err ? reject(err) : resolve());
  });
  assert.deepStrictEqual(seen, Array.from({ length: rows }, (_, i) => `port ${i + 1}`));
  const table = await request(session, 'table', interfaces);
  assert.strictEqual(Object.keys(table).length, rows);
  assert.strictEqual(table[rows][3], rows * 1000);
  assertSockets(2);
});

test('net-snmp: many requests at once', async (t) => {
  const session = manager(t, { port: await serve(t), version: snmp.Version2c });
  const oids = Array.from({ length: rows }, (_, i) => `${interfaces}.1.3.${i + 1}`);
  const answers = await Promise.all(oids.map((oid) => request(session, 'get', [oid])));
  assert.deepStrictEqual(answers.map(([{ value }]) => value), oids.map((_, i) => (i + 1) * 1000));
  assertSockets(2);
});

test('net-snmp: a trap is received, an inform is acknowledged', async (t) => {
  const trapPort = await freePort();
  const notifications = [];
  const options = { port: trapPort, address: '127.0.0.1' };
  const receiver = snmp.createReceiver(options, (err, notification) => {
    notifications.push(err ?? notification.pdu);
  });
  t.after(() => closed(receiver));
  receiver.getAuthorizer().addCommunity('public');
  const session = manager(t, { trapPort, version: snmp.Version2c });
  await request(session, 'trap', snmp.TrapType.LinkDown);
  await request(session, 'inform', snmp.TrapType.LinkUp);
  assert.deepStrictEqual(notifications.map(({ type }) => snmp.PduType[type]),
                         ['TrapV2', 'InformRequest']);
  assertSockets(2);
});

test('net-snmp: a request without a reply times out', async (t) => {
  const session = manager(t, { port: await freePort(), timeout: 10, retries: 1 });
  await assert.rejects(request(session, 'get', [name]), snmp.RequestTimedOutError);
  assertSockets(1);
});

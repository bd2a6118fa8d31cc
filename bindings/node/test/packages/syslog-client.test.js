'use strict';
// syslog-client: a log's lines. The socket that listens is the program's own.

const { assertSockets } = require('./sockets');
const assert = require('node:assert');
const dgram = require('node:dgram');
const { on, once } = require('node:events');
const test = require('node:test');
const syslog = require('syslog-client');

for (const [type, address] of [['udp4', '127.0.0.1'], ['udp6', '::1']]) {
  test(`syslog-client: lines arrive, ${type}`, async (t) => {
    const server = dgram.createSocket(type).bind(0, address);
    try {
      await once(server, 'listening');
    } catch (err) {
      return t.skip(err.message);
    }
    const client = syslog.createClient(address, {
      port: server.address().port, transport: syslog.Transport.Udp,
      syslogHostname: 'host', rfc3164: false,
    });
    const lines = ['one', 'two', '\u00fcber drei'];
    const got = on(server, 'message');
    for (const line of lines) client.log(line, { severity: syslog.Severity.Error });
    for (const line of lines) {
      const { value: [message] } = await got.next();
      // RFC 5424: facility 16 and severity 3 make 131.
      assert.match(String(message), new RegExp(`^<131>1 \\S+ host \\S+ \\d+ - - ${line}\n$`));
    }
    const closed = once(client, 'close');
    client.close();
    await closed;
    await once(server.close(), 'close');
    assertSockets(2);
  });
}

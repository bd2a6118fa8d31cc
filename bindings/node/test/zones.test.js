'use strict';
// The zone of an address (fe80::5%eth0) is looked up for each send, and a sender's is written for
// each message: an interface may be made anew, with another number, or get another name.

const assert = require('node:assert');
const { execFileSync } = require('node:child_process');
const { on, once } = require('node:events');
const path = require('node:path');
const test = require('node:test');
const { dgram } = require('./subject');
const { findNamespace } = require('./namespace');

const isOnHost = process.env.DGRAM_TEST_ZONES === 'yes'; // on a host of its own

function ip(command) {
  const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` };
  execFileSync('ip', command.split(' '), { env });
}

function raise(name) {
  ip(`link set ${name} addrgenmode none`);
  ip(`link set ${name} up`);
  ip(`address add fe80::5/64 dev ${name} nodad`);
}

function make(name, index) {
  ip(`link add name ${name} index ${index} type veth peer name peer`);
  ip('link set peer up');
  raise(name);
}

// Prints from where each datagram came that was sent to this host by its link-local address.
async function onHost() {
  const [sender, receiver] = await Promise.all([0, 1].map(async () => {
    const socket = dgram.createSocket('udp6').bind(0, '::');
    await once(socket, 'listening');
    return socket;
  }));
  const { port } = receiver.address();
  let number = 0;
  // Sent again until it comes: the kernel has the route to an address a moment after the address.
  const exchange = async (address) => {
    const text = String(++number);
    const send = () => sender.send(text, port, address);
    const timer = setInterval(send, 20);
    send();
    for await (const [message, { address }] of on(receiver, 'message')) {
      if (String(message) !== text) continue;
      console.log(address);
      break;
    }
    clearInterval(timer);
  };
  make('zone0', 71);
  await exchange('fe80::5%zone0');
  ip('link delete zone0');
  make('zone0', 72);
  await exchange('fe80::5%zone0');
  ip('link set zone0 down');
  ip('link set zone0 name zone1');
  raise('zone1');
  await exchange('fe80::5%zone1');
  sender.close();
  receiver.close();
}

if (isOnHost) {
  onHost();
} else {
  const { command: [unshare, ...options], noHost } = findNamespace();
  test('an interface is made anew and renamed', { skip: noHost || false }, () => {
    const printed = execFileSync(unshare, [...options, process.execPath, path.resolve(__filename)],
      { env: { ...process.env, DGRAM_TEST_ZONES: 'yes' }, encoding: 'utf8', timeout: 30_000 });
    assert.deepStrictEqual(printed.trim().split('\n'),
      ['fe80::5%zone0', 'fe80::5%zone0', 'fe80::5%zone1']);
  });
}

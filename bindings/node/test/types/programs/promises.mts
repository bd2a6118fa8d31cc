// libdgram/promises: what its methods return.

import promises, { createSocket, Socket, type SendManyError } from 'libdgram/promises';
import type { OutgoingMessage } from 'libdgram';
import type { AddressInfo } from 'node:net';

const socket: Socket = createSocket({ type: 'udp4', lowLatency: true }, (msg) => msg.readUInt8(0));
const other: Socket = promises.createSocket('udp6');

const address: AddressInfo = await socket.bind(0, '127.0.0.1');
await other.bind({ port: 0, exclusive: true });
const connected: void = await other.connect(address.port, '::1');
const size: number = await socket.send('text', address.port, '127.0.0.1');
await socket.send(new Uint8Array(4), 1, 2, address.port);
const { signal } = new AbortController();
await socket.send('text', address.port, '127.0.0.1', { signal });
await socket.send('text', address.port, { signal });
// @ts-expect-error: no such option
await socket.send('text', address.port, { timeout: 5 });
await socket.send(['a', Buffer.from('b')], address.port);

const list: OutgoingMessage[] = [{ msg: 'a', port: 1 }, { msg: ['b', 'c'], port: 2, address: 'host' }];
try {
  const count: number = await socket.sendMany(list);
  console.log(count, connected, size);
} catch (error) {
  console.log((error as SendManyError).sent, (error as SendManyError).code);
}
const sized: number = await socket.sendWith(['a'], { port: 1, dscp: 46 });
const gone: boolean = socket.trySend('a', { port: 1 });
console.log(sized, gone);
socket.on('message', (msg, rinfo) => void socket.reply(rinfo, msg).then((bytes) => bytes + 1));
const peer: Socket = socket.acceptPeer({ address: '127.0.0.1', port: 1 }, { localAddress: '127.0.0.2' });
console.log(await peer.send('x'));
for await (const { msg, rinfo } of socket) console.log(msg.length + rinfo.size);
await other.sendMany(['a', new Uint8Array(1), { msg: 'b' }]);

// What is no promise stays as it is.
socket.on('message', (msg, rinfo) => console.log(msg.length, rinfo.port)).setTTL(4);
const own: AddressInfo = socket.address();
// @ts-expect-error: a promise, not the socket
socket.bind(0).on('message', () => {});
// @ts-expect-error: a datagram has a port
await socket.sendMany([{ msg: 'a', address: 'host' }, { msg: 'a', port: 'x' }]);
await socket.close();
console.log(own.port);

// A program that is typed against node:dgram and uses all that the documentation has. It has to
// pass as it is, and with the package's name in the place of the built-in's.

import dgram, { createSocket, Socket } from 'node:dgram';
import type { BindOptions, RemoteInfo, SocketOptions, SocketType } from 'node:dgram';
import * as namespace from 'node:dgram';
import { lookup } from 'node:dns';
import { EventEmitter, once } from 'node:events';
import type { AddressInfo } from 'node:net';

const type: SocketType = 'udp4';
const controller = new AbortController();
const options: SocketOptions = {
  type,
  reuseAddr: true,
  ipv6Only: false,
  recvBufferSize: 65536,
  sendBufferSize: 65536,
  lookup,
  signal: controller.signal,
};

const onMessage = (msg: Buffer, rinfo: RemoteInfo): void => {
  const family: 'IPv4' | 'IPv6' = rinfo.family;
  console.log(msg.toString('latin1'), rinfo.address, family, rinfo.port + rinfo.size);
};

createSocket('udp6');
createSocket('udp4', onMessage);
createSocket({ type: 'udp4' });
namespace.createSocket(options, onMessage);
const socket: Socket = dgram.createSocket(options, (msg, rinfo) => {
  msg.readUInt8(0);
  rinfo.port.toFixed();
});

// The names of types, through each kind of import.
const viaDefault: dgram.Socket = socket;
const viaNamespace: namespace.Socket = viaDefault;
const emitter: EventEmitter = viaNamespace;
emitter.emit('of its own', 1, 2, 3);

// bind
const bindOptions: BindOptions = { port: 0, address: '127.0.0.1', exclusive: true };
socket.bind().bind(0).bind(0, '127.0.0.1').bind(0, '127.0.0.1', () => {});
socket.bind(0, () => {}).bind(() => {}).bind(bindOptions).bind({ fd: 3 }, () => {}).unref().ref();

// Listeners: what they get is known, and a chain keeps the socket.
socket
  .on('close', () => {})
  .on('connect', () => {})
  .on('error', (err) => console.log(err.stack))
  .on('error', (err: NodeJS.ErrnoException) => console.log(err.code))
  .on('listening', () => {})
  .on('message', (msg, rinfo) => msg.length + rinfo.size)
  .once('message', onMessage)
  .addListener('message', onMessage)
  .prependListener('message', onMessage)
  .prependOnceListener('message', onMessage)
  .removeListener('message', onMessage)
  .off('message', onMessage)
  .on('of its own', (a, b) => console.log(a, b))
  .removeAllListeners('message')
  .bind();
socket.emit('message', Buffer.alloc(1), { address: '::1', family: 'IPv6', port: 1, size: 1 });
socket.emit('listening');
const [first]: Buffer[] = await once(socket, 'message');
console.log(first.length, socket.listenerCount('message'), socket.eventNames());

// connect and send
socket.connect(1);
socket.connect(1, '127.0.0.1');
socket.connect(1, '127.0.0.1', () => {});
socket.connect(1, () => {});
socket.disconnect();
const sent = (err: Error | null, bytes: number): void => console.log(err?.message, bytes);
socket.send('text');
socket.send('text', sent);
socket.send(new Uint8Array(1), 41234);
socket.send(new DataView(new ArrayBuffer(1)), 41234, sent);
socket.send([Buffer.from('a'), 'b', new Float64Array(1)], 41234, 'localhost');
socket.send(Buffer.from('a'), 41234, 'localhost', sent);
socket.send(Buffer.from('a'), 0, 1);
socket.send(Buffer.from('a'), 0, 1, sent);
socket.send(Buffer.from('a'), 0, 1, 41234);
socket.send(Buffer.from('a'), 0, 1, 41234, sent);
socket.send(Buffer.from('a'), 0, 1, 41234, 'localhost');
socket.send(Buffer.from('a'), 0, 1, 41234, 'localhost', sent);

// The rest
const local: AddressInfo = socket.address();
const remote: AddressInfo = socket.remoteAddress();
const numbers: number[] = [
  local.port, remote.port,
  socket.getRecvBufferSize(), socket.getSendBufferSize(),
  socket.getSendQueueSize(), socket.getSendQueueCount(),
  socket.setTTL(64), socket.setMulticastTTL(1),
];
const loops: boolean = socket.setMulticastLoopback(true);
socket.setBroadcast(loops);
socket.setMulticastInterface('::%eth1');
socket.setRecvBufferSize(numbers[0]!);
socket.setSendBufferSize(1);
socket.addMembership('224.0.0.114');
socket.addMembership('224.0.0.114', '127.0.0.1');
socket.dropMembership('224.0.0.114');
socket.dropMembership('224.0.0.114', '127.0.0.1');
socket.addSourceSpecificMembership('127.0.0.1', '232.0.0.114');
socket.addSourceSpecificMembership('127.0.0.1', '232.0.0.114', '127.0.0.1');
socket.dropSourceSpecificMembership('127.0.0.1', '232.0.0.114');
socket.dropSourceSpecificMembership('127.0.0.1', '232.0.0.114', '127.0.0.1');
const disposed: Promise<void> = socket[Symbol.asyncDispose]();
await disposed;
socket.close().close(() => {});

// A class of the program's own.
class Counting extends Socket {
  count = 0;
  override emit(event: string | symbol, ...args: any[]): boolean {
    if (event === 'message') this.count++;
    return super.emit(event, ...args);
  }
}
export const isSocket = (value: unknown): value is Counting => value instanceof Socket;

// What is wrong with the built-in is wrong here.
// @ts-expect-error no such family
createSocket('udp5');
// @ts-expect-error the type is required
createSocket({ reuseAddr: true });
// @ts-expect-error no such option
createSocket({ type: 'udp4', reuseAdr: true });
// @ts-expect-error a listener of something else
createSocket('udp4', (text: string) => text);
// @ts-expect-error a port is a number
socket.connect('41234');
// @ts-expect-error offset and length are numbers
socket.send('text', 0, 'x', 41234);
// @ts-expect-error an object is no message
socket.send({ text: 'text' }, 41234);
// @ts-expect-error nor is a number
socket.setTTL('64');
// @ts-expect-error there is no such method
socket.recv();
// @ts-expect-error nor is a message's sender's host
socket.on('message', (msg, rinfo) => rinfo.host);

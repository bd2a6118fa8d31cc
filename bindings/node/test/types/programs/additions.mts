// What the package adds to node:dgram.

import dgram, { createSocket } from 'libdgram';
import type {
  BindSyncOptions, IcmpReport, Message, MessageListener, SocketEventMap, SocketOptions,
} from 'libdgram';
import { BlockList, type AddressInfo } from 'node:net';
import 'libdgram/register';

const options: SocketOptions = {
  type: 'udp4',
  emitSendErrors: true,
  lowLatency: true,
  pooledMessages: true,
  pauseWithoutListener: true,
  sendQueueLimit: { bytes: 1000, count: 10, lowBytes: 10, lowCount: 1 },
  sendTimeout: 100,
  lookupTimeout: 100,
  nameCache: { maxEntries: 100, ttl: 60_000 },
  reusePort: true,
  sendBlockList: new BlockList(),
  receiveBlockList: new BlockList(),
};
const listener: MessageListener = (msg, rinfo) => msg.readUInt8(rinfo.size - 1);
const socket = createSocket(options, listener);
createSocket({ type: 'udp6', emitSendErrors: undefined, reusePort: undefined });

// 'messages', wherever a listener can be named; the chain keeps the socket.
const onMessages = (messages: Message[]): void => {
  for (const { msg, rinfo } of messages) console.log(msg.toString('hex'), rinfo.address);
};
socket
  .on('messages', (messages) => messages.map(({ msg, rinfo }) => msg.length + rinfo.port))
  .once('messages', onMessages)
  .addListener('messages', onMessages)
  .prependListener('messages', onMessages)
  .prependOnceListener('messages', onMessages)
  .off('messages', onMessages)
  .removeListener('messages', onMessages)
  .on('message', (msg) => msg.readUInt8(0))
  .bindSync();
socket.pause().resume();
socket.clearNameCache();
// @ts-expect-error: both bounds are needed
createSocket({ type: 'udp4', nameCache: { ttl: 1 } });
const paused: boolean = socket.isPaused();
socket.on('drain', () => void paused);
socket.sendMany([{ msg: 'a', port: 1 }, { msg: ['b', Buffer.alloc(1)], port: 2, address: 'host' }],
  (error, sent) => console.log(error?.message, sent + 1));
socket.sendMany(['a', ['b'], new Uint8Array(2), { msg: 'c' }]);
const { datagramsIn, sendErrors } = socket.stats();
console.log(datagramsIn + socket.loopStats().kernelDrops, sendErrors.EPERM);
// @ts-expect-error: a number is no payload
socket.sendMany([{ msg: 5, port: 1 }]);
socket.sendWith(['a'], { port: 1, source: '::1', interface: 'lo', ttl: 1, dscp: 46, ecn: 1,
  dontFragment: true, segmentSize: 1200, departure: 1n, signal: AbortSignal.abort() }, (error, bytes) => error ?? bytes + 1);
// @ts-expect-error: options are needed
socket.sendWith('a');
const left: boolean = socket.trySend('a', { port: 1 });
console.log(left, socket.trySend('a'));
createSocket({ type: 'udp4', receiveInfo: ['destination', 'ttl', 'timestamp'] },
  (msg, { localAddress, ttl, timestamp }) =>
    console.log(msg, localAddress?.length, (ttl ?? 0) + 1, (timestamp ?? 0n) + 1n));
// @ts-expect-error: no such fact
createSocket({ type: 'udp4', receiveInfo: ['hops'] });
socket.on('message', (msg, rinfo) => socket.reply(rinfo, [msg, 'x'], (error, bytes) =>
  console.log(error?.message, bytes + 1)));
socket.on('message', (msg, rinfo) => {
  socket.reply(rinfo, msg, { ttl: 9, ecn: 1 });
  socket.reply(rinfo, msg, { signal: AbortSignal.abort() }, (error) => console.log(error));
  // @ts-expect-error: it is that of the message
  socket.reply(rinfo, msg, { source: '127.0.0.1' });
});
socket.sendMany([{ msg: 'x', port: 9, ttl: 9, source: '127.0.0.1' }]);
socket.sendMany(['x', { msg: 'y', dscp: 46 }]);
socket.setSendQueueLimit({ count: 9 });
socket.setSendTimeout(9);
socket.setLookupTimeout(9);
const line: string = socket.statsText() + socket.loopStatsText();
console.log(line);
const batch: SocketEventMap['messages'] = [[]];
socket.emit('messages', ...batch);

// What a listener of 'messages' gets is exactly what listeners of 'message' get, in an array.
socket.on('messages', (messages) => {
  for (const { msg, rinfo } of messages) listener(msg, rinfo);
});

// Options of the system socket, and 'icmp'.
createSocket({ type: 'udp4', tos: 8, pathMtuDiscovery: 'on', localPortRange: [1, 2],
  multicastAll: false, bindToDevice: 'lo', disableGro: true, disableGso: true });
socket.setSockopt('tos', 8);
socket.setSockopt('localPortRange', [40000, 50000]);
const mode: 'off' | 'system' | 'on' | 'probe' = socket.getSockopt('pathMtuDiscovery');
const sum: number = socket.getSockopt('tos') + socket.getMTU() + socket.getMTU('127.0.0.1');
const clock: 'none' | 'monotonic' | 'tai' = socket.getSockopt('txtimeClock');
socket.setSockopt('txtimeClock', 'monotonic');
// @ts-expect-error: it can be read only
socket.setSockopt('txtimeClock', 'none');
console.log(clock);
console.log(mode, sum, socket.getSockopt('bindToDevice').length);
socket.once('icmp', ({ address, port, kind, mtu, reporter }: IcmpReport) => {
  if (kind === 'packet too big') console.log(address, port + mtu, reporter);
});
// @ts-expect-error: a number is no mode
socket.setSockopt('pathMtuDiscovery', 1);
// @ts-expect-error: no such option
socket.getSockopt('ttl');

const bindSyncOptions: BindSyncOptions = { port: 0, address: '127.0.0.1' };
const address: AddressInfo = socket.bindSync(bindSyncOptions);
const nothing: void = dgram.createSocket('udp4').connectSync(address.port, address.address);
console.log(nothing);

// @ts-expect-error what the declarations import is none of the package's exports
dgram.AddressInfo;
// @ts-expect-error
dgram.dgram;
// @ts-expect-error neither yes nor no
createSocket({ type: 'udp4', emitSendErrors: 'yes' });
// @ts-expect-error
createSocket({ type: 'udp4', lowLatency: 'yes' });
// @ts-expect-error
createSocket({ type: 'udp4', pooledMessages: 1 });
// @ts-expect-error
createSocket({ type: 'udp4', reusePort: 1 });
// @ts-expect-error an array is no block list
createSocket({ type: 'udp4', sendBlockList: ['127.0.0.1'] });
// @ts-expect-error
createSocket({ type: 'udp4', receiveBlockList: '127.0.0.1' });
// @ts-expect-error the messages come in an array
socket.on('messages', (messages) => messages.msg);
// @ts-expect-error
socket.once('messages', (messages) => messages.msg);
// @ts-expect-error
socket.addListener('messages', (messages) => messages.msg);
// @ts-expect-error
socket.prependListener('messages', (messages) => messages.msg);
// @ts-expect-error
socket.prependOnceListener('messages', (messages) => messages.msg);
// @ts-expect-error
socket.on('messages', ([{ message }]) => message);
// @ts-expect-error there is no look-up and no callback
socket.bindSync(0);
// @ts-expect-error
socket.bindSync({ port: 0 }, () => {});
// @ts-expect-error the port is required
socket.connectSync();
// @ts-expect-error
socket.connectSync(41234, '127.0.0.1', () => {});

const server = createSocket({ type: 'udp4', reusePort: true, multicastAll: false });
const peer: typeof server = server.acceptPeer({ address: '127.0.0.1', port: 9 }, { localAddress: '127.0.0.1' });
peer.send('x');
server.addMembershipAll('224.0.0.251');
server.dropMembershipAll('224.0.0.251');
// @ts-expect-error a peer has a port
server.acceptPeer({ address: '127.0.0.1' });
// @ts-expect-error the group is required
server.addMembershipAll();

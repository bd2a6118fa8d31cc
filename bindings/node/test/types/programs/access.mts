// libdgram/access, and the options of createSocket() that take its lists.

import access, { AccessList, type AccessCounts, type RateLimit } from 'libdgram/access';
import { createSocket } from 'libdgram';
import { BlockList } from 'node:net';

const list: AccessList = new AccessList();
const other = new access.AccessList();
list.addAddress('192.0.2.1');
list.addRange('192.0.2.1', '192.0.2.9');
list.addSubnet('2001:db8::', 32);
const removed: boolean = list.removeAddress('192.0.2.1') || list.removeRange('::1', '::2') ||
  list.removeSubnet('2001:db8::', 32);
const covered: boolean = list.check('::1');
const size: number = list.size;
list.clear();

const limit: RateLimit = { packetsPerSecond: 1000, burst: 50, bytesPerSecond: 1e6, sources: 100 };
const socket = createSocket({
  type: 'udp4',
  receiveAllowList: list,
  receiveBlockList: other,
  sendAllowList: list,
  sendBlockList: new BlockList(),
  receiveRateLimit: limit,
});
const counts: AccessCounts = socket.accessCounts();
console.log(removed, covered, size, counts.receivesRefused + counts.sendsRefused);

// @ts-expect-error
list.addSubnet('192.0.2.0');
// @ts-expect-error
list.size = 5;
// @ts-expect-error a net.BlockList cannot allow
createSocket({ type: 'udp4', receiveAllowList: new BlockList() });
// @ts-expect-error
createSocket({ type: 'udp4', receiveRateLimit: 5 });

// libdgram/sim: networks in memory.

import sim, { createSocket, Network, type Counts, type Host, type Link } from 'libdgram/sim';

const network: Network = new sim.Network({ seed: 5n, tick: (ms) => ms.toFixed() });
const host: Host = network.host('a', '10.0.0.1', 'fd00::1').down().up();
const bridge: Host = network.switch('bridge');
const link: Link = network.link(host, bridge, { delay: 5, loss: 0.5, mtu: 1400 });
link.set({ rate: 1000 }, host).down().up();
host.nat(link, host.addresses[0] ?? '', { type: 'symmetric', hairpin: false });
network.partition(new Set([host]));
network.heal();

const socket = createSocket({ type: 'udp4', host }, (msg) => msg.readUInt8(0));
const timer = network.setTimeout((text, size) => socket.send(text.slice(size), 1), 5, 'text', 2);
network.clearTimeout(timer);
const done: void = await network.run(10.5);
await network.run();
const counts: Counts = network.counts;
const hash: bigint = network.hash;
console.log(done, counts.delivered + counts.lost, hash, network.now, network.random(), link.ends[1]);

// @ts-expect-error: a host is an object
createSocket({ type: 'udp4', host: 'a' });
// @ts-expect-error: there is no such type of NAT
host.nat(link, '10.0.0.1', { type: 'cone' });

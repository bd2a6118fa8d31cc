/// <reference types="node" />
// The types of libdgram: those of node:dgram, from the program's own @types/node, and what this
// package adds. A program that is typed against node:dgram needs no change but the name.

import * as dgram from 'node:dgram';
import { AddressInfo, BlockList } from 'node:net';
import { AccessCounts, AccessList, RateLimit } from './access.js';

/** `'udp4'` or `'udp6'`. */
export type SocketType = dgram.SocketType;

/** A fact about a datagram that {@link SocketOptions.receiveInfo} asks for. */
export type ReceiveInfo = 'destination' | 'interface' | 'ttl' | 'tos' | 'timestamp' |
  'hardwareTimestamp' | 'truncated' | 'segmentSize';

/**
 * The sender of a message, and its size in bytes; further members are those that `receiveInfo` of
 * the socket's options asks for, as far as they are known of the datagram.
 */
export interface RemoteInfo extends dgram.RemoteInfo {
  /** `'destination'`: the address that it was sent to, which may be of a group or a broadcast. */
  destinationAddress?: string;
  /** `'destination'`: the own address to answer from; not known of a datagram to a group of IPv6. */
  localAddress?: string;
  /** `'interface'`: the name of the interface by which it came, unless that is gone. */
  interface?: string;
  /** `'interface'`: its index. */
  interfaceIndex?: number;
  /** `'ttl'`: the TTL or hop limit with which it arrived. */
  ttl?: number;
  /** `'tos'`: the differentiated services code point, 0 to 63. */
  dscp?: number;
  /** `'tos'`: 0 not ECN-capable, 1 ECT(1), 2 ECT(0), 3 congestion. */
  ecn?: number;
  /** `'timestamp'`: when the kernel received it, in nanoseconds since 1970. */
  timestamp?: bigint;
  /** `'hardwareTimestamp'`: when the device received it, by the clock of the device, if it has one. */
  hardwareTimestamp?: bigint;
  /** `'truncated'`: whether its end is missing. */
  truncated?: boolean;
  /** `'segmentSize'`: that of the receive buffer in which the kernel joined datagrams; 0: none. */
  segmentSize?: number;
}

/** The options of {@link Socket.bind}. */
export type BindOptions = dgram.BindOptions;

/** A listener of `'message'`, as {@link createSocket} takes it. */
export type MessageListener =
  (msg: Parameters<NonNullable<Parameters<typeof dgram.createSocket>[1]>>[0],
    rinfo: RemoteInfo) => void;

/** One message of a batch: what `'message'` would pass as two arguments. */
export interface Message {
  /** The bytes. Their memory is never used again for another message. */
  msg: Parameters<MessageListener>[0];
  /** The sender. */
  rinfo: RemoteInfo;
}

/**
 * The options of {@link createSocket}: those of node:dgram, `emitSendErrors`, `lowLatency` and
 * `pooledMessages`.
 */
export interface SocketOptions extends
    Omit<dgram.SocketOptions, 'receiveBlockList' | 'sendBlockList'>, Sockopts {
  /** The only interface that the socket sends and receives by, by its name (SO_BINDTODEVICE). */
  bindToDevice?: string | undefined;
  /** When `true`, the kernel never joins received datagrams for this socket (UDP_GRO). */
  disableGro?: boolean | undefined;
  /** When `true`, the kernel never splits messages into datagrams for this socket (UDP_SEGMENT). */
  disableGso?: boolean | undefined;
  /**
   * When `true`, a send that fails and has no callback emits `'error'`, as the documentation of
   * Node.js says. By default it is dropped silently, as node:dgram does.
   * @default false
   */
  emitSendErrors?: boolean | undefined;
  /**
   * When `true`, the event loop never waits for more datagrams to arrive. By default, while more
   * than 100 arrive in a millisecond, and one by one, it sleeps for some 20 to 100 microseconds
   * between its iterations, so that it does not wake up for each. One socket with this option turns
   * that off for its whole thread.
   * @default false
   */
  lowLatency?: boolean | undefined;
  /** A host of a network in memory (`libdgram/sim`) that the socket is on. */
  host?: import('./sim.js').Host | undefined;
  /**
   * When `true`, the messages of this socket lie one after the other in blocks of 64 KiB that it
   * shares with no other socket, zeroed when new. Above 64 bytes this saves a large part of the CPU
   * time. A message that is kept then keeps its whole block; `msg.byteOffset` is not 0, and
   * `msg.buffer` has the socket's other messages too: it is what `structuredClone()` and
   * `postMessage()` of a message copy, and it can't be transferred. By default each message has
   * memory of its own, as with node:dgram.
   * @default false
   */
  pooledMessages?: boolean | undefined;
  /**
   * How many datagrams one system call may receive, 1 to 64. Those that were received and not
   * emitted are lost when the socket is closed. By default it is 64, but 1 where other processes may
   * have the system socket as well (a cluster, an adopted `fd`, a socket from another process), so
   * that none is lost that another process could have received.
   */
  receiveBatch?: number | undefined;
  /**
   * When `true`, the socket does not receive while neither `'message'` nor `'messages'` has a
   * listener: datagrams wait in the system's buffer. By default they are dropped then, as with
   * node:dgram.
   * @default false
   */
  pauseWithoutListener?: boolean | undefined;
  /**
   * Limits what was sent and has not ended, calls that wait for `'listening'` or for a look-up
   * included. A send beyond it fails with `ENOBUFS`, as one that the system refuses; `'drain'`
   * follows once, when the queue is at or below its low marks and has room for what was refused. An
   * empty queue accepts any send. By default there is no limit.
   */
  sendQueueLimit?: SendQueueLimit | undefined;
  /**
   * Milliseconds after which a send that the system had no room for fails with `ETIMEDOUT`, counted
   * from when its address is known. 0: no limit.
   * @default 0
   */
  sendTimeout?: number | undefined;
  /**
   * Milliseconds after which the look-up of a bind, connect or send fails with `ETIMEDOUT`. 0: no
   * limit.
   * @default 0
   */
  lookupTimeout?: number | undefined;
  /**
   * Keeps the addresses that the look-ups of sends and connects have found. By default each send to
   * a name looks it up, as with node:dgram.
   */
  nameCache?: NameCache | undefined;
  /**
   * Facts about each datagram that `rinfo` has as further members, if they are known; see
   * {@link RemoteInfo}. Each costs time. Where the system can't tell them (they need Linux), the
   * bind fails with `ENOTSUP`.
   * @default []
   */
  receiveInfo?: ReadonlyArray<ReceiveInfo> | undefined;
  /**
   * Binds with `SO_REUSEPORT`: several sockets share the port, and the system distributes the
   * datagrams among them. Such a socket is never shared between cluster workers. Here it works with every
   * version of Node.js; where the system has no such option, the bind fails with `ENOTSUP`.
   * @default false
   */
  reusePort?: boolean | undefined;
  /**
   * Addresses that the socket refuses to send or connect to: the callback gets `ERR_IP_BLOCKED`.
   * Here it works with every version of Node.js. It may also be an {@link AccessList}, which the
   * library checks by.
   */
  sendBlockList?: BlockList | AccessList | undefined;
  /**
   * Addresses whose datagrams the socket discards unseen. Here it works with every version of
   * Node.js. It may also be an {@link AccessList}: then a discarded datagram costs no JavaScript.
   */
  receiveBlockList?: BlockList | AccessList | undefined;
  /** The only addresses that the socket sends and connects to; others are `ERR_IP_BLOCKED`. */
  sendAllowList?: AccessList | undefined;
  /** The only addresses whose datagrams the socket does not discard. */
  receiveAllowList?: AccessList | undefined;
  /** What the socket receives from each source; datagrams over it are discarded. */
  receiveRateLimit?: RateLimit | undefined;
}

/** The option `sendQueueLimit` of {@link createSocket}. */
export interface SendQueueLimit {
  /** The most bytes; 0 or none: no limit. */
  bytes?: number | undefined;
  /** The most datagrams; 0 or none: no limit. */
  count?: number | undefined;
  /** The low mark of the bytes, by default half of `bytes`. */
  lowBytes?: number | undefined;
  /** The low mark of the datagrams, by default half of `count`. */
  lowCount?: number | undefined;
}

/**
 * The option `nameCache` of {@link createSocket}. Sockets that are given the same object, and have
 * the same `lookup`, share what they have found; it is read when the first of them is made.
 *
 * A name is looked up once for all sends and connects that wait for it. Failures are not kept, and
 * binds look up anew. A send to a name that is known keeps its place among sends to addresses.
 */
export interface NameCache {
  /** How many names are kept, at least 1; the least recently used one makes room. */
  maxEntries: number;
  /** Milliseconds for which a name is kept after it was found, at least 1. */
  ttl: number;
}

/** The options of {@link Socket.bindSync}. */
export interface BindSyncOptions {
  /** The port; 0 or none for one that the system chooses. */
  port?: number | undefined;
  /** A numeric IP address; none for all interfaces. */
  address?: string | undefined;
}

/** What a datagram is made of: as the `msg` of `send()`. A list is the parts of one datagram. */
export type Payload = string | NodeJS.ArrayBufferView | ReadonlyArray<string | NodeJS.ArrayBufferView>;

/** What {@link Socket.stats} counts; dgram_stats.h describes each. */
export interface Stats {
  /** Received, and their bytes. */
  datagramsIn: number;
  bytesIn: number;
  /** Accepted by the system, and their bytes. */
  datagramsOut: number;
  bytesOut: number;
  /** System calls. */
  receiveCalls: number;
  sendCalls: number;
  /** Receive buffers in which the system had joined datagrams, and these datagrams. */
  groBuffers: number;
  groDatagrams: number;
  /** Messages that the system split into datagrams, and these datagrams. */
  gsoBatches: number;
  gsoDatagrams: number;
  /** Dropped by the kernel on the way in; a joined buffer counts as one. */
  kernelDrops: number;
  truncated: number;
  receiveErrors: number;
  sendFailures: number;
  /** Cancelled by a signal, wherever they waited; or the library had them when a socket was closed. */
  sendsCancelled: number;
  /** How often the socket's buffer, or the device's queue, was full. */
  blockedEagain: number;
  blockedEnobufs: number;
  /** The most that had to wait to be sent. */
  queueMaxBytes: number;
  queueMaxCount: number;
  /** Wake-ups that led to nothing, and pauses after several of them. */
  idleWakeups: number;
  backOffs: number;
  /** Of `dgram_post_send()` in C. */
  posts: number;
  postsRefused: number;
  /** Sends over the limit of the send queue, and pauses: in C. */
  queueRefused: number;
  pauses: number;
  /** Refused by access lists and limits of C. */
  receivesRefused: number;
  receivesLimited: number;
  sendsRefused: number;
  /** Failures of sends by code, and ICMP errors by the code that the kernel maps them to. */
  sendErrors: Record<string, number>;
  icmpErrors: Record<string, number>;
}

/** Options of {@link Socket.acceptPeer}. */
export interface AcceptPeerOptions {
  /**
   * The address of this host that the peer has sent to, if this socket is bound to all interfaces;
   * by default that of the route to the peer.
   */
  localAddress?: string | undefined;
}

/** A datagram of {@link Socket.sendMany} on a socket that is not connected. */
export interface OutgoingMessage extends DatagramOptions {
  /** The bytes; copied inside the call. */
  msg: Payload;
  /** The destination's port, 1 to 65535. */
  port: number;
  /** A numeric address or a host name, which is looked up once for the whole list; by default this host. */
  address?: string | undefined;
}

/** A datagram of {@link Socket.sendMany} on a connected socket. */
export interface OutgoingPayload extends DatagramOptions {
  /** The bytes; copied inside the call. */
  msg: Payload;
}

/** What one datagram is sent with. What is left out is the socket's. */
export interface DatagramOptions {
  /** The source: a numeric address of this host. */
  source?: string | undefined;
  /** The name of the interface by which it leaves: `'eth0'`. */
  interface?: string | undefined;
  /** The hop limit, 1 to 255. */
  ttl?: number | undefined;
  /** The differentiated services code point, 0 to 63. */
  dscp?: number | undefined;
  /** The bits of explicit congestion notification, 0 to 3. */
  ecn?: number | undefined;
  /** `true`: not to be fragmented; over the path's MTU it fails with `EMSGSIZE`. */
  dontFragment?: boolean | undefined;
  /** The message leaves as datagrams of so many bytes, 1 to 65507; the last may be shorter. */
  segmentSize?: number | undefined;
  /** When it leaves, in nanoseconds on the clock that the system socket was given (SO_TXTIME). */
  departure?: bigint | undefined;
}

/** What {@link Socket.sendWith} sends a datagram with. */
export interface SendOptions extends DatagramOptions {
  /** The destination's port, 1 to 65535; on a connected socket none. */
  port?: number | undefined;
  /** The destination: a numeric address or, for `sendWith()`, a host name; by default this host. */
  address?: string | undefined;
  /**
   * `sendWith()` only: when it aborts before the datagram has left, the send ends with an
   * `AbortError`, of which the signal's reason is the `cause`.
   */
  signal?: AbortSignal | undefined;
}

/** What {@link Socket.reply} answers with; source and interface are those of the message. */
export interface ReplyOptions extends Omit<DatagramOptions, 'source' | 'interface'> {
  /** As in {@link SendOptions}. */
  signal?: AbortSignal | undefined;
}

/**
 * Options of the system socket, for {@link createSocket}, {@link Socket.setSockopt} and
 * {@link Socket.getSockopt}. The last four act on the bind: after it they can only be read.
 */
export interface Sockopts {
  /** The byte of the IP header with DSCP and ECN, 0 to 255 (IP_TOS, IPV6_TCLASS). */
  tos?: number | undefined;
  /**
   * Don't-fragment: `'off'`, `'system'` (the default), `'on'`, or `'probe'`: on, whatever the kernel
   * knows of the path's MTU. When it is given, an `EMSGSIZE` has the MTU as `err.mtu`.
   */
  pathMtuDiscovery?: 'off' | 'system' | 'on' | 'probe' | undefined;
  /** The band of the device's queue (SO_PRIORITY). */
  priority?: number | undefined;
  /** A mark for policy routing and packet filters (SO_MARK). */
  mark?: number | undefined;
  /** Bytes per second, or Infinity (SO_MAX_PACING_RATE). */
  maxPacingRate?: number | undefined;
  /** Microseconds (SO_BUSY_POLL). */
  busyPoll?: number | undefined;
  /** When `false`, only groups that this socket has joined are received (IP_MULTICAST_ALL). */
  multicastAll?: boolean | undefined;
  /** Binds also to an address that no interface has (IP_FREEBIND). */
  freebind?: boolean | undefined;
  /** Binds to foreign addresses (IP_TRANSPARENT). */
  transparent?: boolean | undefined;
  /** A bind to port 0 takes no port until the first send or connect. */
  bindAddressNoPort?: boolean | undefined;
  /** The lowest and highest port that the system may choose; 0 for its own limit. */
  localPortRange?: [low: number, high: number] | undefined;
  /**
   * The clock of {@link SendOptions.departure} (SO_TXTIME): `'monotonic'` where the device has the
   * queueing discipline "fq", `'tai'` for "etf", which needs CAP_NET_ADMIN. Without such a discipline
   * departures have no effect. Where none was set it reads as `'none'`, and a send with a departure
   * fails with `EINVAL`.
   */
  txtimeClock?: 'monotonic' | 'tai' | undefined;
}

/** What a host or router reports by ICMP of a datagram that was lost. */
export interface IcmpReport {
  /** Where the datagram was sent to. */
  address: string;
  port: number;
  /** Of the ICMP message; `'IPv4'` also for an IPv4-mapped address. */
  family: 'IPv4' | 'IPv6';
  /** `'port unreachable'`, `'packet too big'`, … */
  kind: 'network unreachable' | 'host unreachable' | 'protocol unreachable' | 'port unreachable' |
    'packet too big' | 'prohibited' | 'time exceeded' | 'parameter problem' | 'other';
  type: number;
  code: number;
  /** The address of who says it, or `''`. */
  reporter: string;
  /** With `'packet too big'` the MTU of the link that was too narrow; else, or if unknown, 0. */
  mtu: number;
  /** The system's code: `'ECONNREFUSED'`, … */
  error: string;
}

/** The events of a socket, and the arguments of their listeners. */
export interface SocketEventMap {
  /** The socket is closed; no message comes after it. */
  close: [];
  /**
   * A host or router has reported that a datagram was lost. It is an addition of this package; while
   * it has listeners, such reports are no `'error'` of a connected socket.
   */
  icmp: [report: IcmpReport];
  /** {@link Socket.connect} or {@link Socket.connectSync} has associated the remote address. */
  connect: [];
  /** The send queue has room again after a send was refused; see `sendQueueLimit`. An addition. */
  drain: [];
  /** An operation has failed that has no callback. */
  error: [err: Error];
  /** The socket is bound: it has an address and receives. */
  listening: [];
  /** A datagram has arrived. */
  message: Parameters<MessageListener>;
  /**
   * Datagrams have arrived: those that were received together, in their order, at least one. It is
   * an addition of this package, and costs less than a `'message'` for each. A socket with listeners
   * for both emits both, `'messages'` first.
   */
  messages: [messages: Message[]];
}

/**
 * A UDP socket. {@link createSocket} makes it; the `new` keyword is not to be used.
 */
export class Socket extends dgram.Socket {
  /**
   * Binds at once, without a look-up: on return the socket has its address, which is returned, and
   * receives. `'listening'` follows on the next tick. Failures are thrown, and leave the socket as
   * it was. Here it works with every version of Node.js.
   */
  bindSync(options?: BindSyncOptions): AddressInfo;

  /**
   * Connects at once, without a look-up: `address` is a numeric IP address, by default the loopback
   * one. An unbound socket is bound first. `'connect'` follows on the next tick. Failures are
   * thrown, and leave the socket unconnected. Here it works with every version of Node.js.
   */
  connectSync(port: number, address?: string): void;

  /** How many datagrams and sends the socket's access lists and its limit have refused. */
  accessCounts(): AccessCounts;

  /**
   * The counters of this socket since its creation. Sends leave first, as with
   * {@link Socket.getSendQueueSize}.
   * @throws ERR_SOCKET_DGRAM_NOT_RUNNING The socket is closed.
   */
  stats(): Stats;

  /** The sums of the counters of all sockets of this thread, closed ones included. */
  loopStats(): Stats;

  /**
   * {@link Socket.stats} as one line for a log, as C programs on the library write it:
   * `datagrams_in=3 bytes_in=120 … send_errors=EPERM:1`. (A line of JSON is
   * `JSON.stringify(socket.stats())`.)
   */
  statsText(): string;

  /** {@link Socket.loopStats} as one line. */
  loopStatsText(): string;

  /** Changes `sendQueueLimit`; `{}`: no limit. What was sent before the first limit is not counted. */
  setSendQueueLimit(limit: SendQueueLimit): void;

  /** Changes `sendTimeout`; for what waits, too, the time begins anew. 0: no limit. */
  setSendTimeout(ms: number): void;

  /** Changes `lookupTimeout`, for look-ups that begin from now on. 0: no limit. */
  setLookupTimeout(ms: number): void;

  /**
   * Forgets the names that the socket's `nameCache` has, for all that share it: the next send to each
   * looks it up. Without a cache it does nothing.
   */
  clearNameCache(): void;

  /**
   * Stops receiving, before the next `'message'`. What arrives waits in the system's buffer, and
   * nothing that was received is lost; a batch that `'messages'` has passed counts as delivered.
   */
  pause(): this;

  /** Receives again after {@link Socket.pause}: first what had been received before it. */
  resume(): this;

  /** Whether {@link Socket.pause} has stopped the socket. */
  isPaused(): boolean;

  /**
   * Answers a message: sends to its sender, from the address and by the interface that it came to,
   * at once or later. The socket needs `'destination'` in its `receiveInfo`, or to be bound to one
   * address.
   * @param rinfo That of the message; no copy of it.
   * @param callback As that of `send()`.
   */
  reply(rinfo: dgram.RemoteInfo, msg: Payload,
    callback?: (error: Error | null, bytes: number) => void): void;
  reply(rinfo: dgram.RemoteInfo, msg: Payload, options?: ReplyOptions,
    callback?: (error: Error | null, bytes: number) => void): void;

  /**
   * Sends many datagrams by one call into C. On a connected socket the list has payloads, otherwise
   * datagrams with their destinations; names among these are looked up first, and if that fails,
   * nothing is sent.
   * @param callback Called once, when all have ended: with the number of datagrams that have left,
   * or with the first error (its `address` and `port` are those of its datagram) and the number.
   * Without it an error is treated as that of a `send()` without a callback.
   */
  sendMany(list: ReadonlyArray<OutgoingMessage>,
    callback?: (error: Error | null, sent: number) => void): void;
  sendMany(list: ReadonlyArray<Payload | OutgoingPayload>,
    callback?: (error: Error | null, sent: number) => void): void;

  /**
   * Sends one datagram, or with `segmentSize` several, with options of its own; otherwise as
   * `send()`. Only Linux has the options besides `port`, `address` and `segmentSize`: elsewhere it
   * fails with `ENOTSUP`.
   * @param callback Called when it has left, or with the error.
   */
  sendWith(msg: Payload, options: SendOptions,
    callback?: (error: Error | null, bytes: number) => void): void;

  /**
   * Sends one datagram inside the call, or not at all; nothing is queued. An unbound socket is bound
   * first, as by {@link Socket.bindSync}. Errors are thrown.
   * @returns Whether it has left: not while the system's buffer is full, while sends that were made
   * before wait, or while the socket is being bound.
   */
  trySend(msg: Payload, options?: SendOptions): boolean;

  /** Sets an option of the system socket; before the bind it is kept for it. */
  setSockopt<N extends keyof Sockopts>(name: N, value: NonNullable<Sockopts[N]>): void;

  /** Reads an option of the system socket; before the bind what was set for it. */
  getSockopt(name: 'txtimeClock'): 'none' | 'monotonic' | 'tai';
  getSockopt(name: 'bindToDevice'): string;
  getSockopt<N extends keyof Sockopts>(name: N): NonNullable<Sockopts[N]>;

  /**
   * The MTU of the path to the peer of a connected socket, or to a numeric address, in bytes with
   * the headers of IP and UDP, as far as the system knows it.
   */
  getMTU(address?: string): number;

  /**
   * The messages, one by one: `for await (const { msg, rinfo } of socket)`. It listens from the first
   * pull on; with 64 messages that nobody has pulled the socket is paused, and the rest waits in the
   * system's buffer. Iterators of one socket share what comes: each message goes to one of them.
   * It ends when the socket is closed, after what came before; an `'error'` of the socket is thrown.
   */
  [Symbol.asyncIterator](): AsyncGenerator<Message, void, undefined>;

  /**
   * Gives a peer of this socket a connected socket of its own on the same port: what the peer sends
   * from now on comes there, and nothing of anybody is lost. This socket is bound with `reusePort`
   * and not connected. The new socket has the options of this one, emits `'listening'` but not
   * `'connect'`, and its `close()` leaves the peer to this socket again.
   * @param rinfo The peer, as a listener of `'message'` gets it.
   */
  acceptPeer(rinfo: { address: string, port: number }, options?: AcceptPeerOptions): Socket;

  /**
   * Joins a multicast group on every interface that has an address of its family, and on those that
   * come later; `addMembership()` joins it on one.
   */
  addMembershipAll(multicastAddress: string): void;

  /** Leaves a group on every interface on which `addMembershipAll()` has joined it. */
  dropMembershipAll(multicastAddress: string): void;

  addListener<E extends keyof SocketEventMap>(
    event: E, listener: (...args: SocketEventMap[E]) => void): this;
  addListener(event: string | symbol, listener: (...args: any[]) => void): this;
  emit<E extends keyof SocketEventMap>(event: E, ...args: SocketEventMap[E]): boolean;
  emit(event: string | symbol, ...args: any[]): boolean;
  off<E extends keyof SocketEventMap>(
    event: E, listener: (...args: SocketEventMap[E]) => void): this;
  off(event: string | symbol, listener: (...args: any[]) => void): this;
  on<E extends keyof SocketEventMap>(
    event: E, listener: (...args: SocketEventMap[E]) => void): this;
  on(event: string | symbol, listener: (...args: any[]) => void): this;
  once<E extends keyof SocketEventMap>(
    event: E, listener: (...args: SocketEventMap[E]) => void): this;
  once(event: string | symbol, listener: (...args: any[]) => void): this;
  prependListener<E extends keyof SocketEventMap>(
    event: E, listener: (...args: SocketEventMap[E]) => void): this;
  prependListener(event: string | symbol, listener: (...args: any[]) => void): this;
  prependOnceListener<E extends keyof SocketEventMap>(
    event: E, listener: (...args: SocketEventMap[E]) => void): this;
  prependOnceListener(event: string | symbol, listener: (...args: any[]) => void): this;
  removeListener<E extends keyof SocketEventMap>(
    event: E, listener: (...args: SocketEventMap[E]) => void): this;
  removeListener(event: string | symbol, listener: (...args: any[]) => void): this;
}

/**
 * Creates a socket; nothing is opened until it is bound, by {@link Socket.bind} or by a first send.
 * @param options Its type, or its options, of which `type` is required.
 * @param callback A listener of `'message'`.
 */
export function createSocket(type: SocketType, callback?: MessageListener): Socket;
export function createSocket(options: SocketOptions, callback?: MessageListener): Socket;

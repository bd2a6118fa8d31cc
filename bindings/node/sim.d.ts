/// <reference types="node" />
// The types of libdgram/sim.

import { createSocket } from './index.js';

/** What a link does, in each direction by itself. Times are in milliseconds. */
export interface LinkOptions {
  /** From end to end. Default 1. */
  delay?: number;
  /** Up to so much more, by chance; it does not reorder. Default 0. */
  jitter?: number;
  /** How likely a packet is lost, 0 to 1. Default 0. */
  loss?: number;
  /** How likely a datagram comes twice, 0 to 1. Default 0. */
  duplicate?: number;
  /** How likely a datagram is held back while later ones pass it, 0 to 1. Default 0. */
  reorder?: number;
  /** For how long at most. Default: twice `delay`. */
  reorderDelay?: number;
  /** Bytes of a second, with headers; 0: unlimited. Default 0. */
  rate?: number;
  /** Bytes that may wait to leave at this rate; 0: unlimited. Default 0. */
  queueBytes?: number;
  /** Bytes of a packet with its headers, 576 to 65535. Default 1500. */
  mtu?: number;
}

/** A link between two hosts, from {@link Network.link}. */
export interface Link {
  readonly ends: [Host, Host];
  /** Changes it for what is sent from now on, by `from` or by both ends. */
  set(options: LinkOptions, from?: Host): this;
  /** Takes it down: what is on the way is lost. */
  down(): this;
  up(): this;
}

export interface NatOptions {
  /** Default `'port-restricted'`. */
  type?: 'full-cone' | 'restricted' | 'port-restricted' | 'symmetric';
  /** Milliseconds since the last datagram from inside, after which a mapping ends. Default 120000. */
  timeout?: number;
  /** Hosts inside reach each other by their outside addresses. Default true. */
  hairpin?: boolean;
  /** Outside ports by chance. Default false: the inside port's number where it is free. */
  randomPorts?: boolean;
}

/** A host, from {@link Network.host}; for the option `host` of `createSocket()`. */
export interface Host {
  readonly name: string;
  readonly addresses: string[];
  /** Adds an address: `'10.0.0.1'`, `'10.0.0.1/24'`, `'fd00::1'`. */
  addAddress(address: string): this;
  /** Switches it off: what comes to it and what it sends is lost. */
  down(): this;
  up(): this;
  /** Makes it a NAT: `outside` is its link to the outside, `address` its own address there. */
  nat(outside: Link, address: string, options?: NatOptions): this;
}

export interface NetworkOptions {
  /** What happens by chance depends on it alone. Default 0. */
  seed?: number | bigint;
  /**
   * Called with 1 for each millisecond that passes: `(ms) => mock.timers.tick(ms)` has the mocked
   * timers of `node:test` follow the network's time.
   */
  tick?: (ms: number) => void;
}

/** A timer in the network's time. */
export interface NetworkTimer {
  readonly at: number;
}

/** How often things have happened. */
export type Counts = Record<'sent' | 'delivered' | 'duplicated' | 'icmp' | 'lost' | 'queueFull' |
  'linkDown' | 'hostDown' | 'noRoute' | 'tooLarge' | 'ttlExceeded' | 'noPort' | 'filtered' |
  'bufferFull' | 'noMemory', number>;

/** A network in memory, with a virtual time. */
export class Network {
  constructor(options?: NetworkOptions);
  /** Adds a host. */
  host(name: string, ...addresses: string[]): Host;
  /** Adds a switch, which joins its links to one network. */
  switch(name: string): Host;
  /** Links two hosts. */
  link(a: Host, b: Host, options?: LinkOptions): Link;
  /** Parts these hosts from all others, until {@link heal}. */
  partition(hosts: Iterable<Host>): void;
  heal(): void;
  /** The virtual time, in milliseconds. */
  readonly now: number;
  /** Runs until nothing is left to happen, or for so many virtual milliseconds. */
  run(ms?: number): Promise<void>;
  /** Calls back in the virtual time. */
  setTimeout<A extends unknown[]>(callback: (...args: A) => void, ms?: number,
    ...args: A): NetworkTimer;
  clearTimeout(timer: NetworkTimer): void;
  /** A number by chance, from the seed, 0 to 1. */
  random(): number;
  /** A hash of all that has happened: two runs with the same hash were the same. */
  readonly hash: bigint;
  readonly counts: Counts;
}

export { createSocket };

// The types of libdgram/access.

/**
 * Addresses, ranges and subnets of IPv4 and IPv6, for the options of `createSocket()`. A list can be
 * that of many sockets, and change while they use it. An IPv4 address is the same as its IPv4-mapped
 * IPv6 address, as in `net.BlockList`. Zones are accepted and ignored. A change applies to what is
 * received next: what came together with a message that a listener handles may still follow.
 *
 * What is added twice is there until it was removed twice; what other rules cover stays covered. An
 * argument that is no address throws `ERR_INVALID_ADDRESS`.
 */
export class AccessList {
  addAddress(address: string): void;
  /** Adds all addresses from `start` to `end`, both included. */
  addRange(start: string, end: string): void;
  /** @param prefix 0 to 32 of an IPv4 address, 0 to 128 of an IPv6 address. */
  addSubnet(net: string, prefix: number): void;
  /** Removes an address that was added as such. @returns whether it was there. */
  removeAddress(address: string): boolean;
  /** Removes a range that was added with these ends. @returns whether it was there. */
  removeRange(start: string, end: string): boolean;
  /** Removes a subnet that was added with this prefix. @returns whether it was there. */
  removeSubnet(net: string, prefix: number): boolean;
  /** Removes all rules. */
  clear(): void;
  /** Whether an address is in any of the rules. */
  check(address: string): boolean;
  /** The number of rules, each as often as it was added. */
  readonly size: number;
}

/** What the lists and the limit of a socket have refused: `socket.accessCounts()`. */
export interface AccessCounts {
  /** Datagrams dropped by `receiveAllowList` and by an `AccessList` as `receiveBlockList`. */
  receivesRefused: number;
  /** Datagrams dropped by `receiveRateLimit`. */
  receivesLimited: number;
  /** Sources that lost their place in the table of the limit. */
  sourcesEvicted: number;
  /** Sends and connects refused by `sendAllowList` and by an `AccessList` as `sendBlockList`. */
  sendsRefused: number;
}

/**
 * A limit of what a socket receives from each source: `options.receiveRateLimit`. At least one of
 * `packetsPerSecond` and `bytesPerSecond` is required. The numbers are integers up to 4,294,967,295.
 */
export interface RateLimit {
  /** Datagrams of a source, on average; 0: not limited. */
  packetsPerSecond?: number | undefined;
  /** Datagrams of a source, at once. By default as many as `packetsPerSecond`. */
  burst?: number | undefined;
  /** Bytes of a source, on average; 0: not limited. */
  bytesPerSecond?: number | undefined;
  /** Bytes of a source, at once. By default the larger of `bytesPerSecond` and 65,536. */
  bytesBurst?: number | undefined;
  /** IPv4 addresses with the same first bits are one source. @default 32 */
  ipv4Prefix?: number | undefined;
  /** The same of IPv6. @default 64 */
  ipv6Prefix?: number | undefined;
  /**
   * How many sources are remembered, at most 16,777,216; 64 bytes each. A new one takes the place of
   * the one that was silent longest. @default 4096
   */
  sources?: number | undefined;
}

// The types of libdgram/interfaces.

/** What an interface is, and what state it is in; `'running'`: it has a carrier. */
export type InterfaceFlag =
  'up' | 'running' | 'loopback' | 'multicast' | 'broadcast' | 'pointToPoint';

/** An address of an interface. */
export interface InterfaceAddress {
  /** A link-local address of IPv6 has its zone: `'fe80::1%eth0'`. */
  address: string;
  netmask: string;
  family: 'IPv4' | 'IPv6';
  /** The bits of the netmask: 24 of `'255.255.255.0'`. */
  prefix: number;
}

/** A network interface. */
export interface Interface {
  /** `'eth0'` */
  name: string;
  /** Its number, from 1 on; one that is made anew gets another one, if it is not asked for. */
  index: number;
  flags: InterfaceFlag[];
  /** Zeros, if it has none of 6 bytes. */
  mac: string;
  /** May be empty. */
  addresses: InterfaceAddress[];
}

/** What has happened to an interface: its name, flags or addresses have changed, for example. */
export type InterfaceEvent = 'added' | 'changed' | 'removed';

/** What {@link watchInterfaces} returns. */
export interface InterfaceWatcher {
  /** Ends it: the listener is not called any more. */
  close(): void;
  /** It keeps the process running; the default. */
  ref(): this;
  /** It does not keep the process running. */
  unref(): this;
  /** As `close()`; where the version of Node.js has `Symbol.dispose`. */
  [Symbol.dispose](): void;
}

/**
 * The interfaces of the host by rising index: unlike `os.networkInterfaces()` with their index and
 * flags, and also those that are down or have no address.
 */
export function interfaces(): Interface[];

/**
 * Calls the listener first with each interface that there is, as `'added'`, and then with what
 * changes. It gets the interface as it is now; with `'removed'` as it was last seen. What came and
 * went in one turn of the event loop is not reported. Linux reports changes; elsewhere the list is
 * read every 5 seconds.
 */
export function watchInterfaces(
  listener: (event: InterfaceEvent, networkInterface: Interface) => void): InterfaceWatcher;

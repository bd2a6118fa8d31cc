/// <reference types="node" />
// The types of libdgram/promises.

import { AddressInfo } from 'node:net';
import { AcceptPeerOptions, BindOptions, MessageListener, OutgoingMessage, OutgoingPayload, Payload,
  RemoteInfo, ReplyOptions, Socket as CallbackSocket, SendOptions, SocketOptions, SocketType } from './index.js';

/** An error of {@link Socket.sendMany}. */
export interface SendManyError extends NodeJS.ErrnoException {
  /** How many datagrams of the list have left. */
  sent: number;
}

/**
 * A socket whose methods return promises. Each settles: if the socket is closed before the
 * operation has ended, it is rejected with the code `ECANCELED`.
 *
 * With a function as the last argument the methods are those of libdgram, as programs for
 * node:dgram expect them.
 */
export class Socket extends (CallbackSocket as unknown as
    new (options: SocketType | SocketOptions, callback?: MessageListener) =>
      Omit<CallbackSocket,
        'acceptPeer' | 'bind' | 'connect' | 'send' | 'sendWith' | 'sendMany' | 'reply' | 'close'>) {
  /** Binds. Resolves to the socket's address. */
  bind(port?: number, address?: string): Promise<AddressInfo>;
  bind(options: BindOptions): Promise<AddressInfo>;

  /** Connects; binds first, if that has not been done. */
  connect(port: number, address?: string): Promise<void>;

  /**
   * Sends one datagram. Resolves to its size in bytes when the system has accepted it. A `signal`
   * that aborts before the datagram has left rejects it with an `AbortError`.
   */
  send(msg: Payload, port?: number, address?: string): Promise<number>;
  send(msg: Payload, options: { signal: AbortSignal }): Promise<number>;
  send(msg: Payload, port: number, options: { signal: AbortSignal }): Promise<number>;
  send(msg: Payload, port: number, address: string, options: { signal: AbortSignal }): Promise<number>;
  send(msg: string | NodeJS.ArrayBufferView, offset: number, length: number, port?: number,
    address?: string): Promise<number>;
  send(msg: string | NodeJS.ArrayBufferView, offset: number, length: number,
    options: { signal: AbortSignal }): Promise<number>;
  send(msg: string | NodeJS.ArrayBufferView, offset: number, length: number, port: number,
    options: { signal: AbortSignal }): Promise<number>;
  send(msg: string | NodeJS.ArrayBufferView, offset: number, length: number, port: number,
    address: string, options: { signal: AbortSignal }): Promise<number>;

  /** Sends with options of its own; see the `sendWith()` of libdgram. Resolves as `send()` does. */
  sendWith(msg: Payload, options: SendOptions): Promise<number>;

  /** Answers a message; see the `reply()` of libdgram. Resolves as `send()` does. */
  reply(rinfo: RemoteInfo, msg: Payload, options?: ReplyOptions): Promise<number>;

  /**
   * Sends many datagrams by one call. Resolves to their number when all have left; rejects with a
   * {@link SendManyError} when one has failed.
   */
  sendMany(list: ReadonlyArray<OutgoingMessage>): Promise<number>;
  sendMany(list: ReadonlyArray<Payload | OutgoingPayload>): Promise<number>;

  /** A connected socket for a peer; see the `acceptPeer()` of libdgram. */
  acceptPeer(rinfo: { address: string, port: number }, options?: AcceptPeerOptions): Socket;

  /** Closes the socket. Resolves when `'close'` is emitted. */
  close(): Promise<void>;
}

/**
 * Creates a socket.
 * @param options Its type, or its options, of which `type` is required.
 * @param callback A listener of `'message'`.
 */
export function createSocket(type: SocketType, callback?: MessageListener): Socket;
export function createSocket(options: SocketOptions, callback?: MessageListener): Socket;

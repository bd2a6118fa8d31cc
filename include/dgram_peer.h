/**
 * @file dgram_peer.h
 * A connected socket for each peer of a server, on the server's port.
 *
 * A UDP server receives the datagrams of all its peers by one socket, and looks each peer up in a
 * table of its own. With a connected socket for each peer of a longer exchange, the kernel does
 * that. The peer's socket has its own receive buffer, listeners, options and ICMP errors, is closed
 * by itself, and sends without an address. Datagrams of all others still go to the server; but each
 * of these costs more with each peer's socket on the same address: 0.15 ms at 5,000 sockets.
 * docs/scaling.md has the figures.
 *
 * @code
 * static void on_message(dgram_socket_t *server, const char *message, const dgram_rinfo_t *rinfo,
 *                        void *context) {
 *   dgram_socket_t *peer;
 *   if (dgram_accept_peer(server, rinfo->sockaddr, NULL, &peer) == 0)
 *     dgram_on_message(peer, on_peer_message, NULL);
 *   // and this first message is answered here
 * }
 * @endcode
 *
 * *No datagram is lost or mixed up.* A socket has to be bound before it can be connected. In
 * between, for some microseconds, the kernel may give it datagrams of any sender. The library
 * receives these, and the server's listeners get them, from the loop; if the server is paused,
 * after dgram_resume(). Their facts (dgram_rinfo_info()) are those of the `receive_info` of the new
 * socket: a program that passes its own `socket` gives it that of the server.
 *
 * *Order.* What the peer has sent before the call is the server's: it may still be in the server's
 * receive buffer, and its listeners get it, perhaps after the new socket's got what the peer has
 * sent since. What others have sent during the call may come to the server's listeners before what
 * they have sent earlier, if that is still in the receive buffer.
 *
 * The rules of dgram.h apply here too.
 */
#ifndef DGRAM_PEER_H
#define DGRAM_PEER_H

#include <dgram.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Options of dgram_accept_peer(). Start from dgram_default_accept_options(). */
typedef struct dgram_accept_options {
  size_t struct_size;           /**< set by dgram_default_accept_options() */
  const struct sockaddr *local; /**< where a server on all interfaces was addressed by the peer: an
                                     address of this host and of the server's family; its port is
                                     ignored. NULL, or the unspecified address: the address of the
                                     system's route to the peer, which on a host with several
                                     addresses may be another one. Copied. Default NULL */
  dgram_socket_t *socket;       /**< a socket to be bound and connected: of the server's loop and
                                     type, with `reuse_port`, `ipv6_only` if the server has it, and
                                     unbound; NULL: a new one with what the server has been given
                                     by its options and by calls: type, buffer sizes, `ipv6_only`,
                                     `disable_gso`, `disable_gro`, `receive_info`, `bind_device`,
                                     `low_latency`, `lookup`, `defer`, receive budget, socket
                                     options (dgram_set_sockopt()), limits of the send queue and of
                                     times, access lists, and the rate limit, in which each socket
                                     counts for itself (dgram_access.h). Default NULL */
} dgram_accept_options_t;

/**
 * Options with which the system chooses the local address, and the library makes the socket.
 * @return the options, by value
 */
static inline dgram_accept_options_t dgram_default_accept_options(void) {
  dgram_accept_options_t options = {0, NULL, NULL};
  options.struct_size = sizeof options;
  return options;
}

/**
 * Gives a peer of a server a connected socket on the server's port. When the call returns 0 the
 * socket is bound and connected (dgram_connect_state()), and the kernel gives it what the peer
 * sends from now on. 'listening' is emitted later, from the loop, and messages come after it;
 * 'connect' is not emitted.
 *
 * Calling it twice for one peer makes two sockets, of which the second gets what comes. When the
 * new socket is closed, the peer's datagrams go to the server again; what is then in its receive
 * buffer is lost, as with any close. If there is no memory for the datagrams that came to the
 * socket before it was connected, these are lost.
 *
 * Several servers may be bound to the port (dgram_group.h): each accepts the peers whose datagrams
 * it gets. What comes to a new socket before it is connected, goes to the server that accepts.
 *
 * @param server  the server: bound, not connected, with `reuse_port`
 * @param peer    the peer, of the server's family: `rinfo->sockaddr` of a message. Copied
 * @param options made by dgram_default_accept_options() and changed, copied; or NULL: the defaults
 * @param[out] accepted the connected socket, with no listeners unless it is `options->socket`; set
 *                to NULL on error
 * @retval 0
 * @retval UV_EINVAL  `server`, `peer` or `accepted` is NULL; `struct_size` was not set or is
 *                    that of a newer header; the server was bound without `reuse_port`; `peer` or
 *                    `local` is not of the server's family; `local` is a multicast address, or the
 *                    server is bound to another one; or `socket` is not as described
 * @retval DGRAM_ERR_SOCKET_BAD_PORT the port of `peer` is 0
 * @retval DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING the server or `socket` is closed
 * @retval UV_EBADF   the server is not bound, or dgram_disconnect() has released its port
 * @retval DGRAM_ERR_SOCKET_DGRAM_IS_CONNECTED the server or `socket` is connected, or connecting
 * @retval DGRAM_ERR_SOCKET_ALREADY_BOUND `socket` is bound, or being bound
 * @retval DGRAM_ERR_IP_BLOCKED dgram_set_send_access() of `socket`, or else of the server, refuses
 *                    the peer
 * @retval DGRAM_ERR_SOCKET_BUFFER_SIZE the system refuses a buffer size
 * @retval UV_ENOTSUP the server is on a simulated network; or the system has no SO_REUSEPORT as
 *                    described for `reuse_port`
 * @retval UV_EADDRNOTAVAIL `local` is no address of this host
 * @retval UV_ENOMEM
 * @return or an error of socket(2), bind(2), connect(2), setsockopt(2), or getrandom(2):
 *         UV_EMFILE, UV_ENETUNREACH, …; `options->socket` is then unbound as before
 */
DGRAM_EXTERN int dgram_accept_peer(dgram_socket_t *server, const struct sockaddr *peer,
                                   const dgram_accept_options_t *options,
                                   dgram_socket_t **accepted);

#ifdef __cplusplus
}
#endif

#endif

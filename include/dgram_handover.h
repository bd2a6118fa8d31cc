/**
 * @file dgram_handover.h
 * Sockets that another process passes on: a server to its successor, or the service manager.
 *
 * *Hand-over.* A server *offers* its sockets at a path in the file system. Its successor, for
 * example a new version, *takes* them: it receives descriptors of the same system sockets, binds to
 * these, and *confirms*; then the old server closes its own and ends. Datagrams wait in the system
 * sockets for whichever server reads next, so none is lost and none is read twice. Until the
 * confirmation the old server is not affected: the successor may fail, hang or die. (The system
 * sockets are shared, though: a successor that reads from them, connects them, shuts them down or
 * sets their options does so for the old server too.)
 *
 * @code
 * int fds[DGRAM_HANDOVER_MOST];
 * int count = dgram_handover_take(path, 1000, fds, &takeover);
 * dgram_bind_options_t options = dgram_default_bind_options();
 * options.port = 41234;
 * options.fd = count > 0 ? fds[0] : 0; // UV_ENOENT, UV_ECONNREFUSED: no server is running
 * dgram_bind_options(socket, &options, on_listening, NULL);
 * // in 'listening':
 * if (dgram_handover_confirm(takeover) == UV_ETIMEDOUT)
 *   dgram_close(socket, NULL, NULL); // and do no more: the other server continues
 * int fd = dgram_fileno(socket);
 * dgram_handover_offer(loop, path, &fd, 1, close_all, NULL, &offer);
 * @endcode
 *
 * The state of the system socket is passed on with it: buffer sizes, memberships, TTLs, and the
 * peer, if it is connected.
 *
 * The rules of dgram.h apply here too; an offer belongs to its loop as a socket does.
 */
#ifndef DGRAM_HANDOVER_H
#define DGRAM_HANDOVER_H

#include <dgram.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The maximum number of sockets of an offer. */
#define DGRAM_HANDOVER_MOST 64

/** The time limit of an offer by default, in milliseconds; see dgram_handover_limit(). */
#define DGRAM_HANDOVER_LIMIT_MS 10000

/**
 * @name The server that offers
 * @{
 */

/** Sockets that are offered. Owned by the library. */
typedef struct dgram_offer dgram_offer_t;

/**
 * Reports that the successor has confirmed: this server should close its sockets when its sends are
 * completed (dgram_get_send_queue_count()). The offer has ended. Called from the loop.
 * @param context as given to dgram_handover_offer()
 */
typedef void (*dgram_taken_cb)(void *context);

/**
 * Offers sockets to a successor. One process at a time can take them; others are refused with
 * UV_EBUSY meanwhile. A successor that does not confirm within a time limit is dropped
 * (dgram_handover_limit()), and another may take them. Only a process of the same effective user,
 * or of root, can.
 *
 * The path becomes a UNIX socket with mode 0600. A UNIX socket that exists there is replaced,
 * whether a server still offers at it or not; so a successor that has confirmed makes its own offer
 * at once. If it makes the offer before it confirms, and dies, the old server offers again shortly.
 *
 * The offer owns duplicates of the descriptors, so the ports stay bound until it ends, even if the
 * sockets are closed. It does not keep the loop alive.
 *
 * A successor that sets SO_REUSEADDR or SO_REUSEPORT on a socket lets any process of the host bind
 * to its port. This library never does; another program, such as Node.js, may. The offer restores
 * both options: every millisecond while there is a successor, when it confirms, is dropped or dies,
 * and ten times a second after one has not confirmed. A bind of another process in between stays.
 *
 * @param loop       the loop; borrowed until it has run after the end of the offer
 * @param path       the path, 1 to 80 bytes, in a folder to which no other user may write; copied
 * @param fds        the sockets, by dgram_fileno(), in the order in which they are taken; copied
 * @param count      their number, 1 to ::DGRAM_HANDOVER_MOST
 * @param on_taken   called once, when the successor has confirmed; or NULL
 * @param context    for `on_taken`
 * @param[out] offer the new offer; set to NULL on error
 * @retval 0
 * @retval UV_EINVAL       `loop`, `path`, `fds` or `offer` is NULL, `path` is "", or `count` is out
 *                         of range
 * @retval UV_ENAMETOOLONG `path` is too long
 * @retval UV_EBADF        one of `fds` is not open
 * @retval DGRAM_ERR_INVALID_FD_TYPE one of `fds` is not a datagram socket of IPv4 or IPv6
 * @retval UV_EEXIST       the path is a file other than a UNIX socket
 * @retval UV_ENOMEM
 * @return or an error of fcntl(2), getsockopt(2), socket(2), bind(2), fchmodat(2) or rename(2):
 *         UV_ENOENT (no such folder), UV_EACCES, UV_EMFILE, …
 */
DGRAM_EXTERN int dgram_handover_offer(uv_loop_t *loop, const char *path, const int fds[],
                                      size_t count, dgram_taken_cb on_taken, void *context,
                                      dgram_offer_t **offer);

/**
 * Sets the time limit of a successor, from its connection to its dgram_handover_confirm(). After
 * that it is dropped: the offer stays, and another process may take the sockets. The successor
 * keeps the descriptors that it has received; its dgram_handover_confirm() returns UV_ETIMEDOUT.
 *
 * @param offer    the offer
 * @param limit_ms the limit of successors that connect from now on, in milliseconds, 1 or more;
 *                 negative: none. The default is ::DGRAM_HANDOVER_LIMIT_MS
 * @retval 0
 * @retval UV_EINVAL `offer` is NULL, or `limit_ms` is 0
 */
DGRAM_EXTERN int dgram_handover_limit(dgram_offer_t *offer, int limit_ms);

/**
 * Ends the offer: removes the path, unless another offer has replaced it, and closes the
 * duplicates. A successor that has not confirmed keeps the sockets. `on_taken` is not called.
 *
 * @param offer the offer, for which `on_taken` was not called; freed from the loop. NULL: no effect
 */
DGRAM_EXTERN void dgram_handover_withdraw(dgram_offer_t *offer);

/**
 * @}
 * @name The server that takes
 * @{
 */

/** A connection on which sockets were taken, but not confirmed yet. Owned by the library. */
typedef struct dgram_takeover dgram_takeover_t;

/**
 * Takes the sockets that are offered at a path. It blocks until the other server's loop has sent
 * them, and uses no loop: call it when the program starts.
 *
 * @param path          the path, as given to dgram_handover_offer()
 * @param timeout_ms    the time that it may block, in milliseconds; negative: no limit
 * @param[out] fds      room for ::DGRAM_HANDOVER_MOST descriptors, then owned by the caller,
 *                      close-on-exec: pass each to dgram_bind_options(), or close it
 * @param[out] takeover the connection, to be confirmed or abandoned; set to NULL on error
 * @return the number of descriptors, 1 or more; or
 *         UV_ENOENT, UV_ECONNREFUSED (there is no offer: bind the socket to its address),
 *         UV_EBUSY (another process is taking them),
 *         UV_EOF (the offer has ended meanwhile),
 *         UV_ETIMEDOUT (no reply within `timeout_ms`),
 *         UV_EACCES (one of the two servers is of another user, and not of root),
 *         UV_EPROTO (the peer is no server of this version of libdgram),
 *         UV_EINVAL (`path`, `fds` or `takeover` is NULL, or `path` is ""), UV_ENAMETOOLONG,
 *         UV_ENOMEM, or an error of socket(2), connect(2), recvmsg(2) or poll(2)
 */
DGRAM_EXTERN int dgram_handover_take(const char *path, int timeout_ms, int fds[],
                                     dgram_takeover_t **takeover);

/**
 * Confirms to the other server that this one listens. Call it when every descriptor is bound,
 * preferably before the loop runs: until it has read a datagram a server can die without loss.
 *
 * @param takeover from dgram_handover_take(); freed by this call. NULL: no effect
 * @retval 0
 * @retval UV_EPIPE     the other server has ended, or withdrawn its offer: this one can continue
 * @retval UV_ETIMEDOUT the time limit has passed (dgram_handover_limit()): the other server
 *                      continues, and may pass the sockets to another. This one must close them
 * @return or an error of sendmsg(2)
 */
DGRAM_EXTERN int dgram_handover_confirm(dgram_takeover_t *takeover);

/**
 * Leaves the sockets to the other server. The caller still owns the descriptors, and closes them.
 *
 * @param takeover from dgram_handover_take(); freed by this call. NULL: no effect
 */
DGRAM_EXTERN void dgram_handover_abandon(dgram_takeover_t *takeover);

/**
 * @}
 * @name Sockets of the service manager
 * @{
 */

/** The size of a descriptor's name: 255 bytes and a NUL. */
#define DGRAM_LISTEN_NAME 256

/** A descriptor from the service manager. */
typedef struct dgram_listen_fd {
  int fd;                       /**< to be passed to dgram_bind_options(), or closed */
  char name[DGRAM_LISTEN_NAME]; /**< `FileDescriptorName=` of the configuration, or "unknown" */
} dgram_listen_fd_t;

/**
 * Gets the descriptors that the service manager has opened for this process, by the protocol of
 * sd_listen_fds(3): LISTEN_FDS descriptors from 3 on, if LISTEN_PID is this process;
 * LISTEN_FDNAMES has their names. Each is made close-on-exec. They may be of any type;
 * dgram_bind_options() refuses all but datagram sockets of IPv4 or IPv6 with
 * DGRAM_ERR_INVALID_FD_TYPE.
 *
 * @param[out] fds room for `room` descriptors; NULL if that is 0
 * @param room     the number to write at most; the others are counted nevertheless
 * @param clear    nonzero: remove the three variables from the environment, also on error, so that
 *                 child processes do not inherit them and a second call finds nothing. Like
 *                 setenv(3) this is not safe with several threads
 * @return the number of descriptors, which may exceed `room`; 0: none for this process; or
 *         UV_EINVAL (`fds` is NULL and `room` is not 0, a variable is not a number or out of range,
 *         there are more or fewer names than descriptors, or a name is over 255 bytes), or
 *         UV_EBADF (one of them is not open)
 */
DGRAM_EXTERN int dgram_listen_fds(dgram_listen_fd_t fds[], size_t room, int clear);

/** @} */

#ifdef __cplusplus
}
#endif

#endif

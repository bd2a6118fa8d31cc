/**
 * @file dgram_handover.h
 * Sockets that come from another process: from the server that ran before, or from the service
 * manager.
 *
 * *Hand-over.* A server *offers* its sockets at a path in the file system. The next one, a new
 * version say, *takes* them: it gets descriptors of the same system sockets, binds to these, and
 * *confirms*; then the old one closes its own and ends. What the system has received for them waits
 * there for whoever reads next, so no datagram is lost and none is read twice. Until it is
 * confirmed nothing has changed for the old server: the next one may fail, hang or die. (What it
 * does to the system sockets is done to both: one that reads, connects or shuts them down, or sets
 * their options, does that for the old server, too.)
 *
 * @code
 * int fds[DGRAM_HANDOVER_MOST];
 * int count = dgram_handover_take(path, 1000, fds, &takeover);
 * dgram_bind_options_t options = dgram_default_bind_options();
 * options.port = 41234;
 * options.fd = count > 0 ? fds[0] : 0; // UV_ENOENT, UV_ECONNREFUSED: there is no server yet
 * dgram_bind_options(socket, &options, on_listening, NULL);
 * // in 'listening':
 * if (dgram_handover_confirm(takeover) == UV_ETIMEDOUT)
 *   dgram_close(socket, NULL, NULL); // and no more: the other server goes on
 * int fd = dgram_fileno(socket);
 * dgram_handover_offer(loop, path, &fd, 1, close_all, NULL, &offer);
 * @endcode
 *
 * What belongs to the system socket comes with it: buffer sizes, memberships, TTLs, a peer if it is
 * connected.
 *
 * The rules of dgram.h hold here too; an offer belongs to its loop as a socket does.
 */
#ifndef DGRAM_HANDOVER_H
#define DGRAM_HANDOVER_H

#include <dgram.h>

#ifdef __cplusplus
extern "C" {
#endif

/** As many sockets can be handed over at a time. */
#define DGRAM_HANDOVER_MOST 64

/** The limit of an offer for which dgram_handover_limit() was not called, in milliseconds. */
#define DGRAM_HANDOVER_LIMIT_MS 10000

/**
 * @name The server that goes
 * @{
 */

/** Sockets that are offered. Owned by the library. */
typedef struct dgram_offer dgram_offer_t;

/**
 * Tells that the next server has taken the sockets and listens: this one should close its own, once
 * it has sent what it has to send (dgram_get_send_queue_count()). The offer has ended. Runs from
 * the loop.
 * @param context as given to dgram_handover_offer()
 */
typedef void (*dgram_taken_cb)(void *context);

/**
 * Offers sockets to the next server. To one at a time; another that asks meanwhile is refused with
 * UV_EBUSY. One that has not confirmed within a time limit (dgram_handover_limit()) is dropped, and
 * the next one may ask. Only a process of the same effective user, or of root, gets them.
 *
 * The path becomes a UNIX socket that only its owner may open (mode 0600). One that lies there is
 * replaced, whether another server still offers at it or nobody does; so a server that has taken
 * over puts its own offer in the place of the one before at once. Best after its confirmation; if
 * it has offered before that, and dies, the server before it offers again within a moment.
 *
 * The offer has duplicates of the descriptors: until it ends the ports stay bound, though their
 * sockets be closed. It does not keep the loop alive.
 *
 * A next server that sets SO_REUSEADDR or SO_REUSEPORT on what it takes would let any process of
 * the host bind to the port, too. This library never does; another program, Node.js say, may. The
 * offer sets back what was changed: each millisecond while the next server has the sockets, when it
 * has confirmed, was dropped or has died, and each tenth of a second after one that did not
 * confirm. What another process has bound in the moment between stays bound.
 *
 * @param loop       the loop that it lives on; borrowed until it has run after the offer's end
 * @param path       where, 1 to 80 bytes; copied. In a folder where no other user may write
 * @param fds        the sockets, by dgram_fileno(), in the order in which they will be taken;
 * copied
 * @param count      their number, 1 to ::DGRAM_HANDOVER_MOST
 * @param on_taken   called once, when they have been taken; or NULL
 * @param context    for `on_taken`
 * @param[out] offer the new offer; set to NULL on error
 * @retval 0
 * @retval UV_EINVAL       `loop`, `path`, `fds` or `offer` is NULL, `path` is "", or `count` is out
 *                         of range
 * @retval UV_ENAMETOOLONG `path` is too long
 * @retval UV_EBADF        one of `fds` is not open
 * @retval DGRAM_ERR_INVALID_FD_TYPE one of `fds` is not a datagram socket of IPv4 or IPv6
 * @retval UV_EEXIST       something else than a UNIX socket lies at the path
 * @retval UV_ENOMEM
 * @return or what fcntl(2), getsockopt(2), socket(2), bind(2), fchmodat(2) or rename(2) returns:
 *         UV_ENOENT (no such folder), UV_EACCES, UV_EMFILE, …
 */
DGRAM_EXTERN int dgram_handover_offer(uv_loop_t *loop, const char *path, const int fds[],
                                      size_t count, dgram_taken_cb on_taken, void *context,
                                      dgram_offer_t **offer);

/**
 * Sets how long a next server may take from its connection to its dgram_handover_confirm(). Then it
 * is dropped: the offer stays, and another may ask. The descriptors that it has got are its own;
 * its dgram_handover_confirm() returns UV_ETIMEDOUT.
 *
 * @param offer    the offer
 * @param limit_ms the limit for those that connect from now on, in milliseconds, 1 or more;
 * negative: none. Until this is called it is ::DGRAM_HANDOVER_LIMIT_MS
 * @retval 0
 * @retval UV_EINVAL `offer` is NULL, or `limit_ms` is 0
 */
DGRAM_EXTERN int dgram_handover_limit(dgram_offer_t *offer, int limit_ms);

/**
 * Ends the offer: removes the path, unless another offer lies there now, and closes the duplicates.
 * A server that has taken the sockets and not confirmed keeps them. `on_taken` is not called.
 *
 * @param offer the offer; its memory goes from the loop. Not one that has been taken. NULL: nothing
 *              happens
 */
DGRAM_EXTERN void dgram_handover_withdraw(dgram_offer_t *offer);

/**
 * @}
 * @name The server that comes
 * @{
 */

/** Sockets that are taken and not yet confirmed. Owned by the library. */
typedef struct dgram_takeover dgram_takeover_t;

/**
 * Takes the sockets that are offered at a path. It blocks until the other server's loop has
 * answered, and uses no loop: call it when the program starts.
 *
 * @param path          where, as given to dgram_handover_offer()
 * @param timeout_ms    how long it may block, in milliseconds; negative: without end
 * @param[out] fds      room for ::DGRAM_HANDOVER_MOST descriptors, now the caller's, close-on-exec:
 *                      give each to dgram_bind_options(), or close it
 * @param[out] takeover to be confirmed or abandoned; set to NULL on error
 * @return the number of descriptors, 1 or more; or
 *         UV_ENOENT, UV_ECONNREFUSED (nobody offers: the socket is to be bound anew),
 *         UV_EBUSY (another server takes them just now),
 *         UV_EOF (the offer ended meanwhile),
 *         UV_ETIMEDOUT (no answer within `timeout_ms`),
 *         UV_EACCES (one of the two servers is another user's, and not root's),
 *         UV_EPROTO (what answers is no server of this version of libdgram),
 *         UV_EINVAL (`path`, `fds` or `takeover` is NULL, or `path` is ""), UV_ENAMETOOLONG,
 *         UV_ENOMEM, or what socket(2), connect(2), recvmsg(2) or poll(2) returns
 */
DGRAM_EXTERN int dgram_handover_take(const char *path, int timeout_ms, int fds[],
                                     dgram_takeover_t **takeover);

/**
 * Tells the other server that this one listens. Call it once every descriptor is bound, best before
 * the loop runs: a server that has read nothing yet can still die without loss.
 *
 * @param takeover what dgram_handover_take() gave; gone after this call. NULL: nothing happens
 * @retval 0
 * @retval UV_EPIPE     the other server has ended, or withdrawn its offer: this one can go on
 * @retval UV_ETIMEDOUT it took too long (dgram_handover_limit()): the other server goes on, and may
 *                      be giving the sockets to another. This one must close them
 * @return or what sendmsg(2) returns
 */
DGRAM_EXTERN int dgram_handover_confirm(dgram_takeover_t *takeover);

/**
 * Leaves the sockets to the other server. The descriptors stay the caller's, who closes them.
 *
 * @param takeover what dgram_handover_take() gave; gone after this call. NULL: nothing happens
 */
DGRAM_EXTERN void dgram_handover_abandon(dgram_takeover_t *takeover);

/**
 * @}
 * @name Sockets of the service manager
 * @{
 */

/** Room for the name of a descriptor: 255 bytes and a NUL. */
#define DGRAM_LISTEN_NAME 256

/** A descriptor from the service manager. */
typedef struct dgram_listen_fd {
  int fd;                       /**< to be given to dgram_bind_options(), or closed */
  char name[DGRAM_LISTEN_NAME]; /**< as configured (`FileDescriptorName=`); "unknown" if none was */
} dgram_listen_fd_t;

/**
 * The descriptors that the service manager has opened for this process, as sd_listen_fds(3) has
 * them: LISTEN_FDS of them from 3 on, if LISTEN_PID is this process; LISTEN_FDNAMES names them.
 * Each is made close-on-exec. They may be anything; dgram_bind_options() refuses what is not a
 * datagram socket of IPv4 or IPv6 with DGRAM_ERR_INVALID_FD_TYPE.
 *
 * @param[out] fds room for `room` of them; NULL if that is 0
 * @param room     how many to write; the others count all the same
 * @param clear    nonzero: remove the three variables from the environment, so that no program that
 *                 is started sees them, and a second call finds nothing; also on error. setenv(3)
 * is not for several threads
 * @return how many there are, which may be more than `room`; 0: none for this process; or
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

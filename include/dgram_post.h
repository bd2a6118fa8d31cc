/**
 * @file dgram_post.h
 * Sends from any thread.
 *
 * A socket belongs to its loop's thread. A *sender* of the socket may be used in every thread: what
 * it accepts is copied into a queue, and the loop's thread takes all that is in there at once and
 * sends it, as dgram_send_to() and dgram_send_with() would. Many posts cost one wake-up of the
 * loop.
 *
 * *Order.* The datagrams of one thread leave in the order in which it posted them; so do their
 * callbacks run, but for those of posts that cannot be sent at all (the socket is connected and
 * they have a destination, or the reverse; an access list refuses the destination; no memory):
 * these may come earlier.
 *
 * *Limits.* The limits of a sender are its own: a post that was accepted is not refused by
 * dgram_set_send_queue_limit(). Once taken over it counts in the socket's queue, so that the
 * socket's own sends may be refused. dgram_set_send_timeout() applies from then on;
 * dgram_cancel_send() does not apply.
 *
 * *The loop.* A sender by itself does not keep the loop alive, unless its option says so, and
 * neither do posts that the loop has not taken over: only the socket does, while it is bound and
 * referenced. Once taken over, a post is a send, and keeps the loop alive as sends do. If nothing
 * keeps it alive, uv_run() returns at once, and posts wait until it does run, or until the socket
 * is closed.
 * What was posted before dgram_close() is sent as what was sent before it; but for an unbound
 * socket with a `lookup` of the program: there it ends with UV_ECANCELED.
 *
 * *fork(2).* In the child, senders of the parent refer to threads that do not exist there: the
 * child may only close their sockets. What was posted and not taken over is then dropped in the
 * child, without callbacks.
 */
#ifndef DGRAM_POST_H
#define DGRAM_POST_H

#include <dgram.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Sends from any thread by one socket. */
typedef struct dgram_sender dgram_sender_t;

/** Options of a sender. Start from dgram_default_sender_options(); later versions add members. */
typedef struct dgram_sender_options {
  size_t struct_size; /**< set by dgram_default_sender_options() */
  size_t max_bytes;   /**< payload of accepted posts that have not completed, at most; at least 1.
                           Default 4 MiB */
  size_t max_count;   /**< their number, at most; at least 1. Default 16384 */
  int keep_alive;     /**< nonzero: the sender keeps the loop alive until it is freed or the socket
                           closed. Default 0 */
} dgram_sender_options_t;

/**
 * Options with the defaults.
 * @return the options, by value
 */
static inline dgram_sender_options_t dgram_default_sender_options(void) {
  dgram_sender_options_t options = {0, 4194304, 16384, 0};
  options.struct_size = sizeof options;
  return options;
}

/**
 * Creates a sender of a socket. Called on the thread of the socket's loop. A socket may have
 * several, each with a bound of its own.
 *
 * @param socket      the socket, bound or not: the first datagram binds it, as by dgram_send_to()
 * @param options     made by dgram_default_sender_options() and changed, copied; NULL: the defaults
 * @param[out] sender the new sender, to be freed by dgram_sender_free(); set to NULL on error
 * @retval 0
 * @retval UV_EINVAL `socket` or `sender` is NULL, `struct_size` was not set or is that of a newer
 *                   header, or a bound is 0
 * @retval DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING the socket is closed
 * @retval UV_ENOMEM
 * @return or an error of uv_async_init() (UV_EMFILE: no descriptor is free)
 */
DGRAM_EXTERN int dgram_sender_create(dgram_socket_t *socket, const dgram_sender_options_t *options,
                                     dgram_sender_t **sender);

/**
 * Queues a datagram to be sent by the loop's thread. It may be called in any thread, at the same
 * time in several, and never waits for the network or the loop. It must not be called in a signal
 * handler.
 *
 * @param sender   the sender
 * @param buffers  the payload, in any number of parts up to 1024; copied
 * @param count    the number of buffers; 0: an empty datagram
 * @param to       the destination, of the socket's family, with its port; NULL: the peer of a
 *                 connected socket. Copied
 * @param callback called once, on the loop's thread and from its loop, unless the post is refused:
 *                 without an error when the system has accepted the datagram; with one, as of
 *                 dgram_send_to(), when it has not; with UV_ECANCELED when the socket was closed
 *                 first, after 'close'. NULL: a failure is an 'error' event of the socket, but for
 *                 UV_ECANCELED
 * @param context  for `callback`; borrowed until that is called
 * @retval 0         accepted
 * @retval UV_EINVAL `sender` is NULL; a buffer is NULL and not empty; there are over 1024; or `to`
 *                   is of another family
 * @retval UV_EMSGSIZE the datagram has more than 65,527 bytes, the most of UDP
 * @retval UV_ENOBUFS  `max_bytes` or `max_count` would be exceeded: try again when some have
 *                     completed
 * @retval DGRAM_ERR_SOCKET_BAD_PORT the port of `to` is 0
 * @retval DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING the socket is closed
 * @retval UV_ENOMEM
 */
DGRAM_EXTERN int dgram_post_send(dgram_sender_t *sender, const uv_buf_t buffers[], size_t count,
                                 const struct sockaddr *to, dgram_send_cb callback, void *context);

/**
 * Queues a datagram with options to be sent by the loop's thread. Otherwise as dgram_post_send():
 * posts with and without options share the bounds of the sender, and those of one thread keep their
 * order. What the system says against an option is an error for `callback`, as of
 * dgram_send_with().
 *
 * With `segment_size` the message leaves as several datagrams, counts once in `max_count`, and may
 * have up to `max_bytes`. If its callback has an error, some of the first may have left.
 *
 * @param sender   the sender
 * @param buffers  as in dgram_post_send()
 * @param count    as in dgram_post_send()
 * @param to       as in dgram_post_send()
 * @param options  made by dgram_default_send_options() and changed; copied, with its source. NULL:
 *                 nothing is chosen
 * @param callback as in dgram_post_send(); also with UV_EINVAL, if `to` is NULL and `source` is
 *                 IPv4-mapped while the peer is not, or the reverse
 * @param context  for `callback`; borrowed until that is called
 * @retval 0         accepted
 * @retval UV_EINVAL as in dgram_post_send(); or `struct_size` was not set or is that of a newer
 *                   header, a member is out of range, or `source` is of another family than the
 *                   destination
 * @retval UV_ENOTSUP this system has no such options for one datagram
 * @retval UV_EMSGSIZE as in dgram_post_send(); with `segment_size` the message has more than
 *                   `max_bytes`
 * @return otherwise as dgram_post_send()
 */
DGRAM_EXTERN int dgram_post_send_with(dgram_sender_t *sender, const uv_buf_t buffers[],
                                      size_t count, const struct sockaddr *to,
                                      const dgram_send_options_t *options, dgram_send_cb callback,
                                      void *context);

/**
 * Frees a sender. It may be called in any thread, once, when no other thread uses the sender any
 * more; also when the socket was closed. What it has accepted is sent, and its callbacks run.
 *
 * @param sender the sender; NULL: no effect
 */
DGRAM_EXTERN void dgram_sender_free(dgram_sender_t *sender);

#ifdef __cplusplus
}
#endif

#endif

/**
 * @file dgram.h
 * UDP datagram sockets with the semantics of Node.js's `node:dgram`, on the libuv loop.
 *
 * This header is the manual. Each function's contract says what it does, its arguments with unit
 * and range, who owns what, every error with its cause, and when callbacks run.
 *
 * ## Rules that hold everywhere
 *
 * *Compiling.* `<uv.h>` needs the types of POSIX: compile with `-std=gnu11`, or define
 * `_GNU_SOURCE` or `_POSIX_C_SOURCE` (200112L or later) before the first header.
 *
 * *Errors.* A call returns 0, or a negative code and then has changed nothing (but that an unbound
 * socket stays bound when a membership, or the peer of dgram_connect_sync(), is refused by the
 * system). Codes of the system are libuv's `UV_E*`; the specification's own errors are the
 * `DGRAM_ERR_*` below. What happens later, in the loop, is an 'error' event or the error of a
 * send's callback.
 *
 * *Callbacks* run from the loop (`uv_run`), never from inside the call that asked for them, unless
 * its contract says so; or from dgram_task_run(), if the program has work put off in its own way. A
 * callback may call any function of this header, `dgram_close()` of its own socket included; it
 * must not run the loop.
 *
 * *Threads.* A socket belongs to its loop; every call on it is made on the loop's thread. Different
 * loops are independent of each other.
 *
 * *Loops.* With its first socket a loop gets handles of the library's own; `uv_walk()` shows them,
 * and a program must not close them. They go with the last socket: once every socket has been
 * closed, one that was never bound too, and `uv_run()` has returned 0, `uv_loop_close()` returns 0.
 *
 * *fork(2).* The child may use sockets on loops that it makes. One of the parent's goes on in the
 * child, with its sockets, after uv_loop_fork(); what waits to be sent there then leaves from both.
 * Groups (dgram_group.h) stay the parent's, since their threads do.
 *
 * *Ownership.* A socket belongs to the library. `dgram_close()` ends the caller's rights to it,
 * except that inside callbacks it can still be named until the last of them has returned.
 * In the contracts, *copied* means that the library keeps no pointer to the argument after the
 * call; *borrowed until X* means that the memory must stay valid and unchanged until X.
 * A `context` is the caller's, handed back untouched.
 */
#ifndef DGRAM_H
#define DGRAM_H

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

/** The version of this header; dgram_version() tells the library's. @{ */
#define DGRAM_VERSION_MAJOR 0
#define DGRAM_VERSION_MINOR 4
#define DGRAM_VERSION_PATCH 0
/** @} */

#if defined(DGRAM_EXTERN) /* a program that takes the sources in exports what it likes */
#elif defined(__GNUC__)
#define DGRAM_EXTERN __attribute__((visibility("default")))
#else
#define DGRAM_EXTERN
#endif

#ifdef __cplusplus
extern "C" {
#endif

/**
 * The specification's own errors: XX(name, code, text). The codes lie below libuv's.
 * Source: the Node.js documentation, "Errors".
 */
#define DGRAM_ERROR_MAP(XX)                                                                \
  XX(ERR_SOCKET_ALREADY_BOUND, -5001, "Socket is already bound")                           \
  XX(ERR_SOCKET_BAD_PORT, -5002, "Port should be > 0 and < 65536; >= 0 to bind")           \
  XX(ERR_SOCKET_BAD_TYPE, -5003, "Bad socket type specified. Valid types are: udp4, udp6") \
  XX(ERR_SOCKET_BUFFER_SIZE, -5004, "Could not get or set buffer size")                    \
  XX(ERR_SOCKET_DGRAM_NOT_RUNNING, -5005, "Not running")                                   \
  XX(ERR_SOCKET_BAD_BUFFER_SIZE, -5006, "Buffer size must be a positive integer")          \
  XX(ERR_SOCKET_DGRAM_IS_CONNECTED, -5007, "Already connected")                            \
  XX(ERR_SOCKET_DGRAM_NOT_CONNECTED, -5008, "Not connected")                               \
  XX(ERR_INVALID_FD_TYPE, -5009, "Unsupported fd type")                                    \
  XX(ERR_MISSING_ARGS, -5010, "The \"multicastAddress\" argument must be specified")

#define DGRAM_ERROR_CODE(name, code, text) DGRAM_##name = (code),
/** The specification's own error codes, `DGRAM_ERR_…`; see ::DGRAM_ERROR_MAP. */
typedef enum { DGRAM_ERROR_MAP(DGRAM_ERROR_CODE) } dgram_error_code_t;
#undef DGRAM_ERROR_CODE

/** A UDP socket; the specification's class `dgram.Socket`. */
typedef struct dgram_socket dgram_socket_t;

/** The family of a socket. */
typedef enum {
  DGRAM_UDP4 = 4, /**< 'udp4': IPv4 */
  DGRAM_UDP6 = 6  /**< 'udp6': IPv6, and IPv4 as "::ffff:a.b.c.d" unless `ipv6_only` is set */
} dgram_type_t;

/** Room for an address as text: 45 characters of IPv6, "%", 15 of an interface's name, a NUL. */
#define DGRAM_ADDRESS_TEXT 64

/** An endpoint as text and number; what `socket.address()` returns. */
typedef struct dgram_address_s {
  char address[DGRAM_ADDRESS_TEXT]; /**< numeric; a link-local IPv6 address ends in its zone */
  const char *family;               /**< "IPv4" or "IPv6"; static */
  int port;                         /**< 0 to 65535 */
} dgram_address_t;

/** Where a message came from, and its size; the specification's `rinfo`. */
typedef struct dgram_rinfo {
  const struct sockaddr *sockaddr; /**< the sender; borrowed until the listener returns */
  const char *family;              /**< "IPv4" or "IPv6"; static */
  int port;                        /**< the sender's port, 0 to 65535 */
  size_t size;                     /**< the message's length in bytes, 0 to 65527 */
  char *text;                      /**< private: use dgram_rinfo_address() */
} dgram_rinfo_t;

/**
 * One message of a batch; see ::dgram_messages_cb. Made by the library alone; later versions may
 * add members to it and to ::dgram_rinfo_t, so a program never counts on their size.
 */
typedef struct dgram_message {
  const char *message; /**< the bytes, `rinfo.size` of them, at any alignment; borrowed */
  dgram_rinfo_t rinfo; /**< the sender */
} dgram_message_t;

/** What an 'error' event carries. Borrowed until the listener returns. */
typedef struct dgram_error {
  int code;            /**< negative: `UV_E*` or `DGRAM_ERR_*` */
  const char *name;    /**< the code's name: "EADDRINUSE" */
  const char *syscall; /**< "bind", "connect", "send", "recvmsg" or "getaddrinfo": what failed */
  const char *address; /**< the address or host name concerned, or NULL */
  int port;            /**< the port concerned, or 0 */
  const char *message; /**< all of it: "bind EADDRINUSE 0.0.0.0:41234" */
} dgram_error_t;

/**
 * A listener of 'message'.
 * @param socket  the socket that received
 * @param message the bytes, `rinfo->size` of them, at any alignment (memcpy() numbers out of them);
 *                borrowed until the listener returns
 * @param rinfo   the sender; borrowed until the listener returns
 * @param context as given with the listener
 */
typedef void (*dgram_message_cb)(dgram_socket_t *socket, const char *message,
                                 const dgram_rinfo_t *rinfo, void *context);
/**
 * A listener of 'messages': a batch of messages that came together, one call for all of them. It
 * looks itself whether it closed the socket, and then leaves the rest of the batch alone.
 * @param socket   the socket that received
 * @param messages pointers to the messages, in the order in which they came; borrowed, as are the
 *                 messages, until the listener returns
 * @param count    their number, 1 to 1024
 * @param context  as given with the listener
 */
typedef void (*dgram_messages_cb)(dgram_socket_t *socket, const dgram_message_t *const messages[],
                                  size_t count, void *context);
/**
 * A listener of 'listening'.
 * @param socket  the socket, which is bound now
 * @param context as given with the listener
 */
typedef void (*dgram_listening_cb)(dgram_socket_t *socket, void *context);
/**
 * A listener of 'error'.
 * @param socket  the socket; it stays open
 * @param error   what failed; borrowed until the listener returns
 * @param context as given with the listener
 */
typedef void (*dgram_error_cb)(dgram_socket_t *socket, const dgram_error_t *error, void *context);
/**
 * A listener of 'connect', and the callback of dgram_connect().
 * @param socket  the socket
 * @param error   NULL when the socket is connected, as always for 'connect'; else why it is not,
 *                borrowed until the callback returns
 * @param context as given
 */
typedef void (*dgram_connect_cb)(dgram_socket_t *socket, const dgram_error_t *error, void *context);
/**
 * A listener of 'close'.
 * @param socket  the socket; can be named until the last callback of dgram_close() has returned
 * @param context as given with the listener
 */
typedef void (*dgram_close_cb)(dgram_socket_t *socket, void *context);
/**
 * Tells the end of a send.
 * @param socket  the socket that sent
 * @param error   NULL when the datagram was handed to the system; else why it was not, borrowed
 *                until the callback returns
 * @param bytes   the datagram's length; 0 with an error
 * @param context as given to the send
 */
typedef void (*dgram_send_cb)(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                              void *context);

/** A question to a program's own look-up; see ::dgram_lookup_cb. Owned by the library. */
typedef struct dgram_lookup dgram_lookup_t;

/**
 * A program's own look-up of names, in place of the system's. It is asked for every address that
 * is given as text or left out, numeric ones included ("0.0.0.0", "127.0.0.1"), and answers each
 * question exactly once by dgram_lookup_done(): inside the call, or later on the loop's thread,
 * also after the socket was closed. If it answers at once when it is asked where to bind, the
 * socket is bound, and 'listening' or 'error' emitted, inside dgram_bind(), or the dgram_send…() or
 * dgram_connect() that binds the socket. A question that is open does not keep the loop alive.
 * @param lookup  the question
 * @param host    the name, or numeric address; borrowed until this returns
 * @param type    the family that is wanted
 * @param context `lookup_context` of the options
 */
typedef void (*dgram_lookup_cb)(dgram_lookup_t *lookup, const char *host, dgram_type_t type,
                                void *context);

/** Work that was put off; see ::dgram_defer_cb. Owned by the library. */
typedef struct dgram_task dgram_task_t;

/**
 * A program's own way to put work off, for one that has a queue of its own between the turns of the
 * loop, as a script engine has. It is asked wherever the library owes the program a callback that
 * must not run inside the call at hand, or has to bind or connect after it.
 *
 * It is asked in the midst of that call, so it only takes the task down: it calls no function of
 * this header. Tasks are run in the order in which they came; in another, or late, nothing breaks
 * but the order of events. A task neither keeps the loop alive nor keeps it from waiting. The
 * socket's memory stays until the last of its tasks has run, so the loop is run after that.
 * @param task    what is to be done: by dgram_task_run(), exactly once, after this has returned, on
 *                the loop's thread, also after the socket was closed
 * @param context `defer_context` of the options
 * @return nonzero: the program has taken the task on; 0: the loop shall run it, as it does without
 *         this function
 */
typedef int (*dgram_defer_cb)(dgram_task_t *task, void *context);

/** Closes any number of sockets at one call; the specification's AbortSignal and its controller. */
typedef struct dgram_abort_signal dgram_abort_signal_t;

/**
 * Options of a socket. Start from dgram_default_options(); later versions add members.
 *
 * A buffer size over the system's maximum (Linux: net.core.rmem_max, wmem_max) is lowered by the
 * kernel without a word. One that the system refuses fails the bind, with
 * DGRAM_ERR_SOCKET_BUFFER_SIZE.
 */
typedef struct dgram_options {
  size_t struct_size;     /**< set by dgram_default_options() */
  dgram_type_t type;      /**< required */
  int reuse_addr;         /**< nonzero: SO_REUSEADDR at bind, but not on an `fd`. Default 0 */
  int ipv6_only;          /**< nonzero: IPV6_V6ONLY at bind. Default 0 (dual-stack) */
  int recv_buffer_size;   /**< SO_RCVBUF in bytes, set at bind; 0 leaves the system's */
  int send_buffer_size;   /**< SO_SNDBUF in bytes, set at bind; 0 leaves the system's */
  int disable_gso;        /**< nonzero: never use segmentation offload (UDP_SEGMENT). Default 0 */
  dgram_lookup_cb lookup; /**< looks up addresses; NULL: the system does. Default NULL */
  void *lookup_context;   /**< for `lookup` */
  dgram_abort_signal_t *signal; /**< closes the socket when aborted; borrowed until 'close', or
                               until dgram_abort_signal_free(). Default NULL */
  int reuse_port;       /**< nonzero: SO_REUSEPORT at bind: the system spreads what comes over all
                             sockets bound to the port. Where there is no such thing the bind
                             fails with ENOTSUP. Default 0 */
  dgram_defer_cb defer; /**< puts work off, for a program with a queue of its own; NULL: the loop
                             does. Default NULL */
  void *defer_context;  /**< for `defer`; it may be asked until 'close' */
  int low_latency;      /**< nonzero: the loop never waits for more datagrams to come. By default,
                             while more than 100 come in a millisecond, and one by one, it sleeps
                             for some 20 to 100 us between its turns so that several are read at
                             a wake-up; it does so also in uv_run() with UV_RUN_NOWAIT. One
                             socket with this option sets its whole loop free. Default 0 */
  int receive_batch;    /**< receive buffers that one system call may fill, 1 to 64. What was
                             received and not told is lost when the socket is closed; so on a
                             system socket that others have too (an adopted descriptor, a
                             cluster, a hand-over) it is 1 by default: each datagram is told
                             before the next one is taken. Default 0: 64, or 1 where shared */
  int receive_budget;   /**< datagrams that the socket's listeners are told in one turn of the
                             loop, at least 1; the rest is told in the next turns, after timers
                             and other sockets. A budget over 32 is also one of time: some 400 us
                             of listeners' work. Default 0: 4096 */
} dgram_options_t;

/**
 * The options of a plain socket of one type: every other member has its default.
 * @param type the socket's family
 * @return the options, by value
 */
static inline dgram_options_t dgram_default_options(dgram_type_t type) {
  dgram_options_t options = {0,    DGRAM_UDP4, 0, 0,    0,    0, 0, NULL,
                             NULL, NULL,       0, NULL, NULL, 0, 0, 0};
  options.struct_size = sizeof options;
  options.type = type;
  return options;
}

/**
 * @name Life of a socket
 * @{
 */

/**
 * Creates a socket. It holds no system socket, and does not keep the loop alive, until it is bound.
 *
 * @param loop       the loop that it lives on; borrowed until its 'close' event
 * @param type       DGRAM_UDP4 or DGRAM_UDP6
 * @param on_message a first listener of 'message', or NULL
 * @param context    for `on_message`
 * @param[out] socket the new socket; set to NULL on error
 * @retval 0
 * @retval UV_EINVAL                `loop` or `socket` is NULL
 * @retval DGRAM_ERR_SOCKET_BAD_TYPE `type` is neither
 * @retval UV_ENOMEM
 * @see spec: dgram.createSocket(type[, callback])
 */
DGRAM_EXTERN int dgram_create_socket(uv_loop_t *loop, dgram_type_t type,
                                     dgram_message_cb on_message, void *context,
                                     dgram_socket_t **socket);

/**
 * Creates a socket with options.
 *
 * @param loop       as in dgram_create_socket()
 * @param options    made by dgram_default_options() and changed; copied
 * @param on_message a first listener of 'message', or NULL
 * @param context    for `on_message`
 * @param[out] socket the new socket; set to NULL on error
 * @retval 0
 * @retval UV_EINVAL                `loop`, `options` or `socket` is NULL, `struct_size` was not
 *                                  set or is that of a newer header, or a number is negative
 * @retval DGRAM_ERR_SOCKET_BAD_TYPE `type` is neither DGRAM_UDP4 nor DGRAM_UDP6
 * @retval UV_ENOMEM
 * @see spec: dgram.createSocket(options[, callback])
 */
DGRAM_EXTERN int dgram_create_socket_options(uv_loop_t *loop, const dgram_options_t *options,
                                             dgram_message_cb on_message, void *context,
                                             dgram_socket_t **socket);

/**
 * Listens for datagrams on a port and address. The socket is bound from the loop, after this call
 * has returned; then 'listening' is emitted and `callback` called. A failure (port in use, host
 * not found, address of the other family: EINVAL, buffer size refused: ERR_SOCKET_BUFFER_SIZE) is
 * an 'error' event, after which the socket is unbound and can be bound again; `callback` is then
 * forgotten.
 * A bound socket keeps the loop alive; see dgram_unref(). In a worker of a cluster the primary
 * binds, and the port is shared: see dgram_cluster.h.
 *
 * @param socket   the socket
 * @param port     0 to 65535; 0: the system chooses one
 * @param address  a numeric address (IPv6 with zone: "fe80::1%eth0", "fe80::1%2"; one that names no
 *                 interface counts as none), or a host name in UTF-8, which is looked up (if the
 *                 library was built with libidn2, mapped by UTS 46 before: in capitals, decomposed
 *                 or in full width it is the same name); NULL or "": all interfaces. Copied
 * @param callback called once, as a listener of 'listening'; or NULL
 * @param context  for `callback`
 * @retval 0
 * @retval UV_EINVAL                      `socket` is NULL, or `address` is over 255 bytes or not
 *                                        UTF-8
 * @retval DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING the socket is closed
 * @retval DGRAM_ERR_SOCKET_ALREADY_BOUND bound already, or being bound
 * @retval DGRAM_ERR_SOCKET_BAD_PORT      `port` out of range
 * @retval UV_ENOMEM
 * @see spec: socket.bind([port][, address][, callback])
 */
DGRAM_EXTERN int dgram_bind(dgram_socket_t *socket, int port, const char *address,
                            dgram_listening_cb callback, void *context);

/** Options of dgram_bind_options(). Start from dgram_default_bind_options(). */
typedef struct dgram_bind_options_s {
  size_t struct_size;  /**< set by dgram_default_bind_options() */
  int port;            /**< as in dgram_bind(). Default 0 */
  const char *address; /**< as in dgram_bind(). Default NULL */
  int exclusive;       /**< nonzero: bind for this process alone. Default 0: in a worker of a
                            cluster (dgram_cluster.h) the port is shared with the other workers;
                            elsewhere it makes no difference */
  int fd;              /**< greater than 0: a system socket to use; `port` and `address` are
                            ignored. In a worker, unless `exclusive` is set, it is a descriptor of
                            the primary's, which must allow it (dgram_cluster_share_fd()).
                            Default 0 */
} dgram_bind_options_t;

/**
 * Options of a bind to a random port on all interfaces.
 * @return the options, by value
 */
static inline dgram_bind_options_t dgram_default_bind_options(void) {
  dgram_bind_options_t options = {0, 0, NULL, 0, 0};
  options.struct_size = sizeof options;
  return options;
}

/**
 * Listens for datagrams, as options say; without `fd` as dgram_bind().
 *
 * With `fd` the socket takes over a datagram socket of IPv4 or IPv6 that the program made: of UDP,
 * UDP-Lite, or ICMP (IPPROTO_ICMP, where the system permits it: messages then begin with the ICMP
 * header, and ports mean nothing). It is made non-blocking, and will be closed. This happens inside
 * the call, and so does 'listening'. If it is connected, so is the socket. SO_REUSEADDR and
 * SO_REUSEPORT stay as they are, whatever the socket's options say: on a port that is bound already
 * they would let others in. (Node.js sets the former.) On error the descriptor stays the program's,
 * with the buffer sizes that the socket's options ask for perhaps set. The system is not asked to
 * join what comes there (UDP_GRO), since other programs may read from it, too; one that knows
 * better may set the option itself, and joined datagrams are taken apart. In a worker of a cluster,
 * without `exclusive`, the primary is asked for its own descriptor of this number, which it keeps;
 * a failure is then an 'error' event (`open EINVAL`; `open EACCES`: the primary has not allowed
 * it), and 'listening' comes from the loop.
 *
 * @param socket   the socket
 * @param options  made by dgram_default_bind_options() and changed; copied
 * @param callback called once, as a listener of 'listening'; or NULL
 * @param context  for `callback`
 * @retval 0
 * @retval UV_EINVAL           `socket` or `options` is NULL, `struct_size` was not set or is that
 *                             of a newer header, or `fd` is of the other family
 * @retval DGRAM_ERR_INVALID_FD_TYPE `fd` is not a datagram socket of IPv4 or IPv6
 * @retval DGRAM_ERR_SOCKET_BUFFER_SIZE with `fd`: the system refuses a buffer size of the options
 * @retval UV_EEXIST           the loop watches `fd` already
 * @return else as dgram_bind()
 * @see spec: socket.bind(options[, callback])
 */
DGRAM_EXTERN int dgram_bind_options(dgram_socket_t *socket, const dgram_bind_options_t *options,
                                    dgram_listening_cb callback, void *context);

/**
 * Binds inside the call: when it returns 0 the socket has its port, and dgram_address() tells it.
 * 'listening' is emitted later, from the loop, unless the socket is closed first; messages come
 * after it.
 *
 * @param socket  the socket
 * @param port    0 to 65535; 0: the system chooses one
 * @param address a numeric address; NULL or "": all interfaces. Copied
 * @retval 0
 * @retval UV_EINVAL                      `socket` is NULL; or `address` is not numeric, over 255
 *                                        bytes, or of the other family; or a udp4 socket has
 * `ipv6_only`
 * @retval DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING the socket is closed
 * @retval DGRAM_ERR_SOCKET_ALREADY_BOUND bound already, or being bound
 * @retval DGRAM_ERR_SOCKET_BAD_PORT      `port` out of range
 * @retval DGRAM_ERR_SOCKET_BUFFER_SIZE   the system refuses a buffer size of the options
 * @retval UV_ENOTSUP                     the system has no `reuse_port`
 * @return or what socket(2) or bind(2) returns: UV_EADDRINUSE, UV_EADDRNOTAVAIL, UV_EACCES, …; the
 *         socket is then unbound
 */
DGRAM_EXTERN int dgram_bind_sync(dgram_socket_t *socket, int port, const char *address);

/**
 * Connects the socket to one remote endpoint: sends go there, and only its datagrams are received.
 * An unbound socket is first bound to a random port. The socket is connected from the loop, after
 * this call has returned; then 'connect' is emitted. A failure goes to `callback`, or without one
 * is an 'error' event; the socket is then not connected. (A failure to bind is both.) If the remote
 * port turns out to be closed an 'error' `recvmsg ECONNREFUSED` is emitted, and the socket stays
 * connected.
 *
 * @param socket   the socket
 * @param port     the remote port, 1 to 65535
 * @param address  numeric address or host name, which is looked up; NULL or "": 127.0.0.1, or ::1
 *                 for udp6. Copied
 * @param callback called once, as a listener of 'connect' or with the error (ECANCELED: the socket
 *                 was closed first); or NULL
 * @param context  for `callback`
 * @retval 0
 * @retval UV_EINVAL                      `socket` is NULL, or `address` is over 255 bytes
 * @retval DGRAM_ERR_SOCKET_BAD_PORT      `port` out of range
 * @retval DGRAM_ERR_SOCKET_DGRAM_IS_CONNECTED connected already, or being connected
 * @retval DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING the socket is closed
 * @retval UV_ENOMEM
 * @see spec: socket.connect(port[, address][, callback])
 */
DGRAM_EXTERN int dgram_connect(dgram_socket_t *socket, int port, const char *address,
                               dgram_connect_cb callback, void *context);

/**
 * Connects inside the call; an unbound socket is first bound, to a random port on all interfaces.
 * 'listening' and 'connect' are emitted later, from the loop, unless the socket is closed first;
 * 'connect' neither if it is disconnected first. Sends made before leave before, even those that
 * wait for 'listening'.
 *
 * @param socket  the socket
 * @param port    the remote port, 1 to 65535
 * @param address a numeric address; NULL or "": 127.0.0.1, or ::1 for udp6. Copied
 * @retval 0
 * @retval UV_EINVAL                      `socket` is NULL; or `address` is not numeric, over 255
 *                                        bytes, or of the other family
 * @retval DGRAM_ERR_SOCKET_BAD_PORT      `port` out of range
 * @retval DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING the socket is closed
 * @retval DGRAM_ERR_SOCKET_DGRAM_IS_CONNECTED connected already, or being connected
 * @retval DGRAM_ERR_SOCKET_ALREADY_BOUND being bound: connect from 'listening'
 * @return or what dgram_bind_sync() returns; or connect(2), and then the socket stays bound
 */
DGRAM_EXTERN int dgram_connect_sync(dgram_socket_t *socket, int port, const char *address);

/**
 * Disconnects the socket, at once; what was sent before leaves first. The system then also releases
 * a port that it chose itself: until the next send gets another, dgram_address() tells port 0, and
 * nothing can be received.
 *
 * @param socket the socket
 * @retval 0
 * @retval UV_EINVAL                          `socket` is NULL
 * @retval DGRAM_ERR_SOCKET_DGRAM_NOT_CONNECTED it is not connected, or closed
 * @return or what connect(2) returns
 * @see spec: socket.disconnect()
 */
DGRAM_EXTERN int dgram_disconnect(dgram_socket_t *socket);

/**
 * Closes the socket. From now on no 'message' is emitted, and every call that needs an open socket
 * returns DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING, unless its contract says otherwise. Sends that the
 * system takes at once still leave. From the loop then run, in order: the callbacks of sends that
 * left, 'close', and with ECANCELED the callbacks of a dgram_connect() under way and of sends that
 * did not leave; without a callback these end silently.
 *
 * If sends or a dgram_connect() wait for the socket to be bound, it closes after 'listening' (or
 * the bind's 'error'), when the sends have left. Those to a host name have not: they are cancelled.
 *
 * @param socket   the socket; its memory goes once the last of these callbacks has returned
 * @param callback added as a listener of 'close', or NULL
 * @param context  for `callback`
 * @retval 0
 * @retval UV_EINVAL                      `socket` is NULL
 * @retval DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING closed already
 * @retval UV_ENOMEM                      no memory for the listener; the socket stays open
 * @see spec: socket.close([callback])
 */
DGRAM_EXTERN int dgram_close(dgram_socket_t *socket, dgram_close_cb callback, void *context);

/**
 * Closes the socket if it is open, and runs its loop until it has closed and its memory is gone.
 * Not from inside a callback. With a `defer` it only ends if the loop is where the program runs the
 * tasks.
 *
 * @param socket the socket, open or just closed but not gone; NULL: nothing happens
 * @see spec: socket[Symbol.asyncDispose]()
 */
DGRAM_EXTERN void dgram_dispose(dgram_socket_t *socket);

#if defined(__GNUC__)
static inline void dgram_dispose_at(dgram_socket_t **socket) {
  dgram_dispose(*socket);
}
/**
 * Disposes of a socket where its variable's scope ends:
 * `DGRAM_SCOPED dgram_socket_t *socket = NULL;`
 * Set the variable to NULL if the socket is closed in another way.
 */
#define DGRAM_SCOPED __attribute__((cleanup(dgram_dispose_at)))
#endif

/**
 * Lets the bound socket keep the loop alive again; undoes dgram_unref(). Does nothing when it does
 * so already, when the socket is closed, or when it is NULL.
 *
 * @param socket the socket
 * @return the socket, so that calls can be chained
 * @see spec: socket.ref()
 */
DGRAM_EXTERN dgram_socket_t *dgram_ref(dgram_socket_t *socket);

/**
 * Lets the loop end although the socket is bound. Accepted sends still keep the loop alive until
 * they complete, unless they wait for a program's own look-up. Does nothing when it does so
 * already, when the socket is closed, or NULL.
 *
 * @param socket the socket
 * @return the socket, so that calls can be chained
 * @see spec: socket.unref()
 */
DGRAM_EXTERN dgram_socket_t *dgram_unref(dgram_socket_t *socket);

/**
 * The loop that the socket lives on.
 *
 * @param socket the socket
 * @return the loop; NULL when `socket` is NULL
 */
DGRAM_EXTERN uv_loop_t *dgram_loop(const dgram_socket_t *socket);

/**
 * The descriptor of the system socket, to ask or set what this header has no function for. It stays
 * the library's: a program must not close it, read from it or write to it. Sends that are ready
 * leave first, since what the program then sets is not meant for them; one that keeps the
 * descriptor calls dgram_flush() before it sets an option.
 *
 * @param socket the socket
 * @return the descriptor, or UV_EINVAL (`socket` is NULL), or UV_EBADF (not bound, or closed)
 */
DGRAM_EXTERN int dgram_fileno(dgram_socket_t *socket);

/**
 * Changes `receive_budget` of the options, from the next turn of the loop on.
 *
 * @param socket the socket
 * @param budget datagrams a turn, at least 1; 0: the default
 * @retval 0
 * @retval UV_EINVAL `socket` is NULL, or `budget` is negative
 * @retval DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING the socket is closed
 */
DGRAM_EXTERN int dgram_set_receive_budget(dgram_socket_t *socket, int budget);

/** How far a socket is on its way to a port. */
typedef enum {
  DGRAM_UNBOUND, /**< also after a bind has failed, and when closed */
  DGRAM_BINDING, /**< until 'listening' or 'error' */
  DGRAM_BOUND    /**< it has its port; in 'listening' already */
} dgram_bind_state_t;

/** How far a socket is on its way to a peer. */
typedef enum {
  DGRAM_DISCONNECTED, /**< also after dgram_connect() has failed, and when closed */
  DGRAM_CONNECTING,   /**< until 'connect', or the error */
  DGRAM_CONNECTED     /**< it has a peer, until dgram_disconnect(); in 'connect' already */
} dgram_connect_state_t;

/**
 * How far the socket is on its way to a port. One whose close waits for the bind is not closed yet.
 * @param socket the socket
 * @return the state; DGRAM_UNBOUND when `socket` is NULL
 */
DGRAM_EXTERN dgram_bind_state_t dgram_bind_state(const dgram_socket_t *socket);

/**
 * How far the socket is on its way to a peer; see dgram_bind_state().
 * @param socket the socket
 * @return the state; DGRAM_DISCONNECTED when `socket` is NULL
 */
DGRAM_EXTERN dgram_connect_state_t dgram_connect_state(const dgram_socket_t *socket);

/**
 * Does work that was put off; see ::dgram_defer_cb. Callbacks run inside this call, which itself
 * may be made inside a callback, but not inside `defer`.
 * @param task the work; gone after this call. NULL: nothing happens
 */
DGRAM_EXTERN void dgram_task_run(dgram_task_t *task);

/**
 * @}
 * @name Sending
 *
 * An unbound socket is first bound to a random port on all interfaces; sends made until
 * 'listening' leave after it, in order. If it can't be bound, that is one 'error' event, and the
 * callbacks of the sends that waited get the same error.
 *
 * The sends of one turn of the loop leave together, before the loop waits for events, in few system
 * calls. Each accepted send completes exactly once. Callbacks of one socket run in the order in
 * which its sends became ready to leave: the order of sending, except that a send to a host name
 * waits for its look-up while others pass.
 *
 * A send's callback comes before the 'message' of the reply that it provokes. A send that is made
 * inside a send's callback leaves in the same turn, and its own callback runs in the next (or
 * before a 'message' in between): a program that refills without end starves neither timers nor
 * other sockets.
 *
 * The queue has no bound. A program that can outrun the system looks at dgram_get_send_queue_size()
 * before it sends more. When the system is out of buffers (ENOBUFS) the library tries again for
 * about 100 ms; then sends end with ENOBUFS until one succeeds.
 * @{
 */

/**
 * Sends one buffer as one datagram.
 *
 * The callback reports the datagram's end: the system took it, or an error (EMSGSIZE: over 65,507
 * bytes on IPv4, 65,527 on IPv6, or what the way allows; EINVAL: a numeric address of the other
 * family (from udp6, IPv4 is "::ffff:127.0.0.1"); ENOTFOUND and other look-up errors; EISCONN: the
 * socket was connected meanwhile; ECANCELED: the socket was closed first; an error of the first
 * bind; EPERM, ENETUNREACH and others of send(2)). Without callback an error is an 'error' event,
 * except ECANCELED, which is not told then.
 *
 * @param socket   the socket
 * @param message  the bytes. With a callback borrowed until it runs; without one copied.
 *                 May be NULL when `size` is 0
 * @param size     their number; 0 sends an empty datagram
 * @param port     the destination's port, 1 to 65535; 0 on a connected socket
 * @param address  numeric address or host name, which is looked up; NULL or "": 127.0.0.1, or ::1
 *                 for udp6. Copied. NULL or "" on a connected socket
 * @param callback called once from the loop, or NULL
 * @param context  for `callback`
 * @retval 0                              accepted
 * @retval UV_EINVAL                      `socket` is NULL, `message` is NULL while `size` is not
 *                                        0, or `address` is over 255 bytes
 * @retval DGRAM_ERR_SOCKET_BAD_PORT      `port` out of range
 * @retval DGRAM_ERR_SOCKET_DGRAM_IS_CONNECTED the socket is connected, and a port or address given
 * @retval DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING the socket is closed
 * @retval UV_ENOMEM
 * @see spec: socket.send(msg[, offset, length][, port][, address][, callback])
 */
DGRAM_EXTERN int dgram_send(dgram_socket_t *socket, const void *message, size_t size, int port,
                            const char *address, dgram_send_cb callback, void *context);

/**
 * Sends a list of buffers, one after the other, as one datagram. Otherwise as dgram_send().
 *
 * @param socket   the socket
 * @param buffers  the list, copied; the bytes as in dgram_send(). May be NULL when `count` is 0
 * @param count    the number of buffers, 0 to 1024; 0 sends an empty datagram
 * @param port     as in dgram_send()
 * @param address  as in dgram_send()
 * @param callback as in dgram_send()
 * @param context  for `callback`
 * @retval 0         accepted
 * @retval UV_EINVAL as in dgram_send(), or `count` is over 1024
 * @return else as dgram_send()
 * @see spec: socket.send(msg[, offset, length][, port][, address][, callback]); msg an array
 */
DGRAM_EXTERN int dgram_send_buffers(dgram_socket_t *socket, const uv_buf_t buffers[], size_t count,
                                    int port, const char *address, dgram_send_cb callback,
                                    void *context);

/**
 * Sends a list of buffers as one datagram to an address in binary form: the quickest way, since
 * there is no text to read. Otherwise as dgram_send_buffers().
 *
 * @param socket   the socket
 * @param buffers  as in dgram_send_buffers()
 * @param count    as in dgram_send_buffers()
 * @param to       a `sockaddr_in` or `sockaddr_in6` of the socket's family; copied. NULL on a
 *                 connected socket
 * @param callback as in dgram_send()
 * @param context  for `callback`
 * @retval 0                         accepted
 * @retval UV_EINVAL                 as in dgram_send_buffers(), or `to` is of the other family
 * @retval DGRAM_ERR_SOCKET_BAD_PORT its port is 0, or `to` is NULL and the socket not connected
 * @return else as dgram_send()
 */
DGRAM_EXTERN int dgram_send_to(dgram_socket_t *socket, const uv_buf_t buffers[], size_t count,
                               const struct sockaddr *to, dgram_send_cb callback, void *context);

/**
 * Hands what was sent to the system now, not at the end of the loop's turn, and calls the callbacks
 * of the sends that have ended, inside this call; but inside such a callback they come later, after
 * those that are due. What the system does not take, and what waits for the bind or for a name,
 * stays queued; but what waits for 'listening' on a socket that is bound leaves. For a program that
 * is about to compute for long, or that wants each datagram to leave at once and forgoes the
 * batches.
 *
 * @param socket the socket; also one that is closed, whose last callbacks have not run. NULL:
 *               nothing happens
 */
DGRAM_EXTERN void dgram_flush(dgram_socket_t *socket);

/**
 * The bytes of the accepted sends that have not completed: those that wait for the socket to be
 * bound, for a host name, for the end of the loop's turn, for room in the system's buffer, or for
 * their callback to run.
 *
 * @param socket the socket
 * @return bytes; 0 when `socket` is NULL
 * @see spec: socket.getSendQueueSize()
 */
DGRAM_EXTERN size_t dgram_get_send_queue_size(const dgram_socket_t *socket);

/**
 * The number of the accepted sends that have not completed; see dgram_get_send_queue_size().
 *
 * @param socket the socket
 * @return datagrams; 0 when `socket` is NULL
 * @see spec: socket.getSendQueueCount()
 */
DGRAM_EXTERN size_t dgram_get_send_queue_count(const dgram_socket_t *socket);

/**
 * @}
 * @name Addresses
 * @{
 */

/**
 * The address that the socket is bound to.
 *
 * @param socket       the socket
 * @param[out] address where to put it; untouched on error
 * @retval 0
 * @retval UV_EINVAL                      an argument is NULL
 * @retval UV_EBADF                       the socket is not bound
 * @retval DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING the socket is closed; but in a 'listening' that the
 *                                        close waits for it can still be asked
 * @return or what getsockname(2) returns
 * @see spec: socket.address()
 */
DGRAM_EXTERN int dgram_address(const dgram_socket_t *socket, dgram_address_t *address);

/**
 * The address that the socket is connected to.
 *
 * @param socket       the socket
 * @param[out] address where to put it; untouched on error
 * @retval 0
 * @retval UV_EINVAL                          an argument is NULL
 * @retval DGRAM_ERR_SOCKET_DGRAM_NOT_CONNECTED the socket is not connected
 * @retval DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING the socket is closed
 * @return or what getpeername(2) returns
 * @see spec: socket.remoteAddress()
 */
DGRAM_EXTERN int dgram_remote_address(const dgram_socket_t *socket, dgram_address_t *address);

/**
 * Answers a question to a program's own look-up; see ::dgram_lookup_cb.
 *
 * @param lookup  the question; gone after this call. NULL: nothing happens
 * @param status  0, or the negative code of the failure, which ends the bind, connect or send
 * @param address with status 0 a numeric address; one that is none, or of the other family, fails
 *                the bind, connect or send with EINVAL. Copied
 */
DGRAM_EXTERN void dgram_lookup_done(dgram_lookup_t *lookup, int status, const char *address);

/**
 * Answers a question where to bind with a system socket that is bound already; it is taken over, as
 * dgram_bind_options() takes `fd`. If a dgram_connect() waits for the bind, it is first
 * disconnected. 'listening' or 'error' is emitted inside this call. On error the descriptor stays
 * the program's.
 *
 * @param lookup the question; gone after this call. NULL: nothing happens
 * @param fd     the descriptor
 * @retval 0            taken over
 * @retval UV_EINVAL    `lookup` is NULL, or about a connect or send, which ends with this error; or
 *                      `fd` is of the other family
 * @retval UV_ECANCELED the socket was closed meanwhile, and nothing happens
 * @retval DGRAM_ERR_INVALID_FD_TYPE `fd` is not a datagram socket of IPv4 or IPv6
 * @return else as dgram_bind_options() with `fd`
 */
DGRAM_EXTERN int dgram_lookup_done_fd(dgram_lookup_t *lookup, int fd);

/**
 * The sender's address as text, made when first asked for: "127.0.0.1", "fe80::1%eth0".
 *
 * @param rinfo as given to the listener of 'message'
 * @return the text, borrowed until the listener returns; NULL when `rinfo` is NULL
 * @see spec: Event: 'message'; rinfo.address
 */
DGRAM_EXTERN const char *dgram_rinfo_address(const dgram_rinfo_t *rinfo);

/**
 * @}
 * @name Events
 *
 * Each event has any number of listeners, called in the order in which they were added.
 * `dgram_on_…` adds one; `dgram_once_…` adds one that is removed before its first call;
 * `dgram_off_…` removes the most recently added one with this function and context. A listener
 * added while its event is emitted is first called at the next one; a removed one is not called
 * any more.
 *
 * Each returns 0, or UV_EINVAL (socket or listener is NULL), UV_ENOMEM (`on`, `once`),
 * UV_ENOENT (`off`: there is no such listener), or DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING (after
 * dgram_close(); only 'close' and 'error' can still be listened for).
 * @{
 */

/**
 * Adds a listener of 'message': a datagram came.
 * @param socket   the socket
 * @param listener called by `on` each time, by `once` the next time, after `off` no more
 * @param context  for `listener`
 * @return see above
 * @see spec: Event: 'message'
 */
DGRAM_EXTERN int dgram_on_message(dgram_socket_t *socket, dgram_message_cb listener, void *context);
/** Adds a listener of the next 'message' only. @copydetails dgram_on_message() */
DGRAM_EXTERN int dgram_once_message(dgram_socket_t *socket, dgram_message_cb listener,
                                    void *context);
/** Removes a listener of 'message'. @copydetails dgram_on_message() */
DGRAM_EXTERN int dgram_off_message(dgram_socket_t *socket, dgram_message_cb listener,
                                   void *context);

/**
 * Adds a listener of 'messages': a batch of datagrams came. It is emitted before the 'message' of
 * each, and costs less when many datagrams come at once.
 * @param socket   the socket
 * @param listener called by `on` each time, by `once` the next time, after `off` no more
 * @param context  for `listener`
 * @return see above
 */
DGRAM_EXTERN int dgram_on_messages(dgram_socket_t *socket, dgram_messages_cb listener,
                                   void *context);
/** Adds a listener of the next 'messages' only. @copydetails dgram_on_messages() */
DGRAM_EXTERN int dgram_once_messages(dgram_socket_t *socket, dgram_messages_cb listener,
                                     void *context);
/** Removes a listener of 'messages'. @copydetails dgram_on_messages() */
DGRAM_EXTERN int dgram_off_messages(dgram_socket_t *socket, dgram_messages_cb listener,
                                    void *context);

/**
 * Adds a listener of 'listening': the socket is bound.
 * @param socket   the socket
 * @param listener called by `on` each time, by `once` the next time, after `off` no more
 * @param context  for `listener`
 * @return see above
 * @see spec: Event: 'listening'
 */
DGRAM_EXTERN int dgram_on_listening(dgram_socket_t *socket, dgram_listening_cb listener,
                                    void *context);
/** Adds a listener of the next 'listening' only. @copydetails dgram_on_listening() */
DGRAM_EXTERN int dgram_once_listening(dgram_socket_t *socket, dgram_listening_cb listener,
                                      void *context);
/** Removes a listener of 'listening'. @copydetails dgram_on_listening() */
DGRAM_EXTERN int dgram_off_listening(dgram_socket_t *socket, dgram_listening_cb listener,
                                     void *context);

/**
 * Adds a listener of 'error': binding, receiving, or a send without callback failed. The socket
 * stays open. An 'error' without any listener goes to the handler of dgram_on_unhandled_error().
 * @param socket   the socket
 * @param listener called by `on` each time, by `once` the next time, after `off` no more
 * @param context  for `listener`
 * @return see above
 * @see spec: Event: 'error'
 */
DGRAM_EXTERN int dgram_on_error(dgram_socket_t *socket, dgram_error_cb listener, void *context);
/** Adds a listener of the next 'error' only. @copydetails dgram_on_error() */
DGRAM_EXTERN int dgram_once_error(dgram_socket_t *socket, dgram_error_cb listener, void *context);
/** Removes a listener of 'error'. @copydetails dgram_on_error() */
DGRAM_EXTERN int dgram_off_error(dgram_socket_t *socket, dgram_error_cb listener, void *context);

/**
 * Adds a listener of 'connect': the socket is connected.
 * @param socket   the socket
 * @param listener called by `on` each time, by `once` the next time, after `off` no more
 * @param context  for `listener`
 * @return see above
 * @see spec: Event: 'connect'
 */
DGRAM_EXTERN int dgram_on_connect(dgram_socket_t *socket, dgram_connect_cb listener, void *context);
/** Adds a listener of the next 'connect' only. @copydetails dgram_on_connect() */
DGRAM_EXTERN int dgram_once_connect(dgram_socket_t *socket, dgram_connect_cb listener,
                                    void *context);
/** Removes a listener of 'connect'. @copydetails dgram_on_connect() */
DGRAM_EXTERN int dgram_off_connect(dgram_socket_t *socket, dgram_connect_cb listener,
                                   void *context);

/**
 * Adds a listener of 'close': the socket is closed.
 * @param socket   the socket
 * @param listener called by `on` each time, by `once` the next time, after `off` no more
 * @param context  for `listener`
 * @return see above
 * @see spec: Event: 'close'
 */
DGRAM_EXTERN int dgram_on_close(dgram_socket_t *socket, dgram_close_cb listener, void *context);
/** Adds a listener of the next 'close' only. @copydetails dgram_on_close() */
DGRAM_EXTERN int dgram_once_close(dgram_socket_t *socket, dgram_close_cb listener, void *context);
/** Removes a listener of 'close'. @copydetails dgram_on_close() */
DGRAM_EXTERN int dgram_off_close(dgram_socket_t *socket, dgram_close_cb listener, void *context);

/**
 * Replaces what happens to an 'error' event that nobody listens to. The default prints
 * `Unhandled 'error' event: MESSAGE` to stderr, with control characters in it, those that break
 * lines or change the direction of text (U+2028, U+202E), and bytes that are not UTF-8, as "\xNN":
 * a host name may be anybody's. So should a handler that prints.
 *
 * @param handler the new handler, for the sockets of the calling thread; NULL: the default
 * @param context for `handler`
 */
DGRAM_EXTERN void dgram_on_unhandled_error(dgram_error_cb handler, void *context);

/**
 * @}
 * @name Options of the system socket
 *
 * They are set at once, on a bound socket; what was sent before leaves first, also what waits for
 * 'listening'. Each returns 0 or a negative code: UV_EINVAL (`socket` is NULL, or an argument out
 * of range), DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING (closed), UV_EBADF (not bound), or what
 * setsockopt(2) returns.
 * @{
 */

/**
 * Allows sending to a broadcast address (SO_BROADCAST).
 * @param socket the socket
 * @param flag   nonzero: allow; 0: refuse with EACCES, the system's default
 * @return see above
 * @see spec: socket.setBroadcast(flag)
 */
DGRAM_EXTERN int dgram_set_broadcast(dgram_socket_t *socket, int flag);

/**
 * Sets how many hops a unicast datagram may travel (IP_TTL, IPV6_UNICAST_HOPS).
 * @param socket the socket
 * @param ttl    1 to 255; most systems start with 64
 * @return see above
 * @see spec: socket.setTTL(ttl)
 */
DGRAM_EXTERN int dgram_set_ttl(dgram_socket_t *socket, int ttl);

/**
 * Sets how many hops a multicast datagram may travel (IP_MULTICAST_TTL, IPV6_MULTICAST_HOPS).
 * @param socket the socket
 * @param ttl    0 to 255; most systems start with 1
 * @return see above
 * @see spec: socket.setMulticastTTL(ttl)
 */
DGRAM_EXTERN int dgram_set_multicast_ttl(dgram_socket_t *socket, int ttl);

/**
 * Says whether this host receives what the socket sends to groups that it has joined
 * (IP_MULTICAST_LOOP, IPV6_MULTICAST_LOOP).
 * @param socket the socket
 * @param flag   nonzero: it does, the system's default; 0: it does not
 * @return see above
 * @see spec: socket.setMulticastLoopback(flag)
 */
DGRAM_EXTERN int dgram_set_multicast_loopback(dgram_socket_t *socket, int flag);

/**
 * Chooses the interface by which multicast datagrams leave (IP_MULTICAST_IF, IPV6_MULTICAST_IF).
 * @param socket              the socket
 * @param multicast_interface udp4: the interface's IPv4 address, "0.0.0.0" for the system's choice.
 *                            udp6: any address with a zone, "::%eth1" or "::%2"; without one, or
 *                            with one that names no interface, the system's choice. An IPv4
 *                            address on udp6 is for what it sends to IPv4 ("::ffff:224.0.0.114").
 *                            Both: an interface's name or number
 * @retval 0
 * @retval UV_EINVAL       `multicast_interface` is NULL, or neither address nor interface
 * @retval UV_EADDRNOTAVAIL no interface has this IPv4 address
 * @retval UV_ENOPROTOOPT   an IPv6 address on udp4 (Linux)
 * @return else see above
 * @see spec: socket.setMulticastInterface(multicastInterface)
 */
DGRAM_EXTERN int dgram_set_multicast_interface(dgram_socket_t *socket,
                                               const char *multicast_interface);

/**
 * Sets the size of the system's receive buffer (SO_RCVBUF). A size over the system's maximum is
 * lowered to it without a word: dgram_get_recv_buffer_size() tells.
 * @param socket the socket
 * @param size   bytes; 0 changes nothing
 * @retval 0
 * @retval UV_EINVAL                        `socket` is NULL
 * @retval DGRAM_ERR_SOCKET_BAD_BUFFER_SIZE `size` is negative
 * @retval DGRAM_ERR_SOCKET_BUFFER_SIZE     the system refuses, or the socket is not bound or
 * closed; dgram_buffer_size_reason() tells
 * @see spec: socket.setRecvBufferSize(size)
 */
DGRAM_EXTERN int dgram_set_recv_buffer_size(dgram_socket_t *socket, int size);

/**
 * Sets the size of the system's send buffer (SO_SNDBUF); as dgram_set_recv_buffer_size().
 * @param socket the socket
 * @param size   bytes; 0 changes nothing
 * @return as dgram_set_recv_buffer_size()
 * @see spec: socket.setSendBufferSize(size)
 */
DGRAM_EXTERN int dgram_set_send_buffer_size(dgram_socket_t *socket, int size);

/**
 * The size of the system's receive buffer (SO_RCVBUF). Linux reports twice what was set.
 * @param socket the socket
 * @return bytes, or UV_EINVAL (`socket` is NULL), or DGRAM_ERR_SOCKET_BUFFER_SIZE (not bound, or
 *         closed)
 * @see spec: socket.getRecvBufferSize()
 */
DGRAM_EXTERN int dgram_get_recv_buffer_size(dgram_socket_t *socket);

/**
 * The size of the system's send buffer (SO_SNDBUF); as dgram_get_recv_buffer_size().
 * @param socket the socket
 * @return as dgram_get_recv_buffer_size()
 * @see spec: socket.getSendBufferSize()
 */
DGRAM_EXTERN int dgram_get_send_buffer_size(dgram_socket_t *socket);

/**
 * Why the last call on this socket, or its bind, failed with DGRAM_ERR_SOCKET_BUFFER_SIZE.
 * @param socket the socket
 * @return the system's code (UV_EBADF: not bound, or closed); 0 if none ever failed; UV_EINVAL when
 *         `socket` is NULL
 * @see spec: socket.setRecvBufferSize(size); ERR_SOCKET_BUFFER_SIZE
 */
DGRAM_EXTERN int dgram_buffer_size_reason(const dgram_socket_t *socket);

/**
 * @}
 * @name Multicast groups
 *
 * An unbound socket is bound, inside the call, to a random port on all interfaces; 'listening' is
 * emitted later, from the loop. If the call then fails, the socket stays bound. The system leaves
 * all groups when the socket is closed.
 *
 * A udp6 socket, which hears IPv4, too, can be a member of groups of both families. Source and
 * interface are of the group's family. An interface is named by its IPv4 address, by "::%eth1" or
 * "::%2" (IPv6; without a zone, or with one that names no interface: the system chooses), or by its
 * name or number; if none is given, by the zone of an IPv6 group: "ff02::1234%eth1".
 *
 * Each returns 0 or a negative code: UV_EINVAL (`socket` is NULL, a group or source is no address,
 * the source not of the group's family, the interface neither an address of that family nor the
 * name or number of one; the group is not a multicast address), DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING
 * (closed), UV_EBADF (the socket is just being bound: call from 'listening'), UV_ENOPROTOOPT (an
 * IPv6 group on udp4; Linux), UV_ENODEV (no interface has this IPv4 address, or none takes the
 * group), UV_EADDRINUSE (a member already), UV_EADDRNOTAVAIL (leaving: not a member; with a source:
 * joined already), or an error of setsockopt(2) or of the bind.
 * @{
 */

/**
 * Joins a group (IP_ADD_MEMBERSHIP, IPV6_JOIN_GROUP).
 * @param socket              the socket
 * @param multicast_address   the group: "224.0.0.114", "ff02::1234"
 * @param multicast_interface the interface, or NULL: the system chooses one
 * @retval DGRAM_ERR_MISSING_ARGS `multicast_address` is NULL or ""
 * @return else see above
 * @see spec: socket.addMembership(multicastAddress[, multicastInterface])
 */
DGRAM_EXTERN int dgram_add_membership(dgram_socket_t *socket, const char *multicast_address,
                                      const char *multicast_interface);

/**
 * Leaves a group (IP_DROP_MEMBERSHIP, IPV6_LEAVE_GROUP).
 * @param socket              the socket
 * @param multicast_address   the group
 * @param multicast_interface the interface on which it was joined, or NULL: the system chooses
 * @retval DGRAM_ERR_MISSING_ARGS `multicast_address` is NULL or ""
 * @return else see above
 * @see spec: socket.dropMembership(multicastAddress[, multicastInterface])
 */
DGRAM_EXTERN int dgram_drop_membership(dgram_socket_t *socket, const char *multicast_address,
                                       const char *multicast_interface);

/**
 * Joins a group for datagrams of one source (IP_ADD_SOURCE_MEMBERSHIP, MCAST_JOIN_SOURCE_GROUP).
 * @param socket              the socket
 * @param source_address      whose datagrams are wanted: a numeric address
 * @param group_address       the group: "232.1.2.3", "ff3e::1234"
 * @param multicast_interface the interface, or NULL: the system chooses one
 * @return see above
 * @see spec: socket.addSourceSpecificMembership(sourceAddress, groupAddress[, multicastInterface])
 */
DGRAM_EXTERN int dgram_add_source_specific_membership(dgram_socket_t *socket,
                                                      const char *source_address,
                                                      const char *group_address,
                                                      const char *multicast_interface);

/**
 * Leaves a group for datagrams of one source (IP_DROP_SOURCE_MEMBERSHIP,
 * MCAST_LEAVE_SOURCE_GROUP).
 * @param socket              the socket
 * @param source_address      as it was joined
 * @param group_address       as it was joined
 * @param multicast_interface as it was joined
 * @return see above
 * @see spec: socket.dropSourceSpecificMembership(sourceAddress, groupAddress[, multicastInterface])
 */
DGRAM_EXTERN int dgram_drop_source_specific_membership(dgram_socket_t *socket,
                                                       const char *source_address,
                                                       const char *group_address,
                                                       const char *multicast_interface);

/**
 * @}
 * @name Abort signals
 * @{
 */

/**
 * Makes a signal, to be given to any number of sockets of one thread's loops in their options.
 * @param[out] signal the new signal; set to NULL on error
 * @retval 0
 * @retval UV_EINVAL `signal` is NULL
 * @retval UV_ENOMEM
 * @see spec: dgram.createSocket(options[, callback]); AbortController
 */
DGRAM_EXTERN int dgram_abort_signal_create(dgram_abort_signal_t **signal);

/**
 * Aborts: closes every open socket that has the signal, as dgram_close() does, in the order of
 * their creation; a socket that gets it later is closed as soon as it is created. Does nothing the
 * second time, or when `signal` is NULL.
 * @param signal the signal
 * @see spec: dgram.createSocket(options[, callback]); abort()
 */
DGRAM_EXTERN void dgram_abort_signal_abort(dgram_abort_signal_t *signal);

/**
 * Frees the signal. Sockets that have it stay open, and have it no more.
 * @param signal the signal, or NULL
 */
DGRAM_EXTERN void dgram_abort_signal_free(dgram_abort_signal_t *signal);

/**
 * @}
 * @name Names and texts
 * @{
 */

/**
 * The name of a code: "EADDRINUSE", "ERR_SOCKET_BAD_PORT", "ENOTFOUND" for a host that is not
 * found.
 *
 * @param code as returned by a function of this header or of libuv
 * @return static text; "OK" for 0, "UNKNOWN" for any other number
 */
DGRAM_EXTERN const char *dgram_err_name(int code);

/**
 * The text of a code: "address already in use", "Socket is already bound".
 *
 * @param code as returned by a function of this header or of libuv
 * @return static text; "success" for 0, "unknown error" for any other number
 */
DGRAM_EXTERN const char *dgram_strerror(int code);

/**
 * The version of the library in use, "MAJOR.MINOR.PATCH"; compare with DGRAM_VERSION_MAJOR, ….
 *
 * @return static text
 */
DGRAM_EXTERN const char *dgram_version(void);

/** @} */

#ifdef __cplusplus
}
#endif

#endif

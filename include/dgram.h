/**
 * @file dgram.h
 * UDP datagram sockets with the semantics of Node.js's `node:dgram`, on the libuv loop.
 *
 * This header is the manual. Each function's contract says what it does, its arguments with unit
 * and range, who owns what, every error with its cause, and when callbacks run.
 *
 * ## Rules that hold everywhere
 *
 * *Errors.* A call returns 0, or a negative code and then has changed nothing. Codes of the system
 * are libuv's `UV_E*`; the specification's own errors are the `DGRAM_ERR_*` below. What happens
 * later, in the loop, is an 'error' event or the error of a send's callback.
 *
 * *Callbacks* run from the loop (`uv_run`), never from inside the call that asked for them. A
 * callback may call any function of this header, `dgram_close()` of its own socket included; it
 * must not run the loop.
 *
 * *Threads.* A socket belongs to its loop; every call on it is made on the loop's thread. Different
 * loops are independent of each other.
 *
 * *Ownership.* A socket belongs to the library. `dgram_close()` ends the caller's rights to it,
 * but that from inside callbacks it can still be named until the last of them has returned.
 * In the contracts, *copied* means that the library keeps no pointer to the argument after the
 * call; *borrowed until X* means that the memory must stay valid and unchanged until X.
 * A `context` is the caller's, handed back untouched.
 */
#ifndef DGRAM_H
#define DGRAM_H

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#define DGRAM_VERSION_MAJOR 0
#define DGRAM_VERSION_MINOR 1
#define DGRAM_VERSION_PATCH 0

#if defined(__GNUC__)
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
  XX(ERR_SOCKET_BAD_PORT, -5002, "Port should be >= 0 and < 65536")                        \
  XX(ERR_SOCKET_BAD_TYPE, -5003, "Bad socket type specified. Valid types are: udp4, udp6") \
  XX(ERR_SOCKET_BUFFER_SIZE, -5004, "Could not get or set buffer size")                    \
  XX(ERR_SOCKET_DGRAM_NOT_RUNNING, -5005, "Not running")

#define DGRAM_ERROR_CODE(name, code, text) DGRAM_##name = (code),
/** The specification's own error codes, `DGRAM_ERR_…`; see ::DGRAM_ERROR_MAP. */
typedef enum { DGRAM_ERROR_MAP(DGRAM_ERROR_CODE) } dgram_error_code_t;
#undef DGRAM_ERROR_CODE

/** A UDP socket; the specification's class `dgram.Socket`. */
typedef struct dgram_socket dgram_socket_t;

/** The family of a socket. */
typedef enum {
  DGRAM_UDP4 = 4, /**< 'udp4': IPv4 */
  DGRAM_UDP6 = 6  /**< 'udp6': IPv6, and IPv4 as `::ffff:a.b.c.d` unless `ipv6_only` is set */
} dgram_type_t;

/** Room for an address as text: 45 characters of IPv6, '%', 15 of an interface's name, a NUL. */
#define DGRAM_ADDRESS_TEXT 64

/** An endpoint as text and number; what `socket.address()` returns. */
typedef struct dgram_address {
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

/** What an 'error' event carries. Borrowed until the listener returns. */
typedef struct dgram_error {
  int code;            /**< negative: `UV_E*` or `DGRAM_ERR_*` */
  const char *name;    /**< the code's name: "EADDRINUSE" */
  const char *syscall; /**< what failed: "bind", "send", "recvmsg", "getaddrinfo"; or NULL */
  const char *address; /**< the address or host name concerned, or NULL */
  int port;            /**< the port concerned, or 0 */
  const char *message; /**< all of it: "bind EADDRINUSE 0.0.0.0:41234" */
} dgram_error_t;

/**
 * A listener of 'message'.
 * @param socket  the socket that received
 * @param message the bytes, `rinfo->size` of them; borrowed until the listener returns
 * @param rinfo   the sender; borrowed until the listener returns
 * @param context as given with the listener
 */
typedef void (*dgram_message_cb)(dgram_socket_t *socket, const char *message,
                                 const dgram_rinfo_t *rinfo, void *context);
/** A listener of 'listening'. */
typedef void (*dgram_listening_cb)(dgram_socket_t *socket, void *context);
/** A listener of 'error'; `error` is borrowed until it returns. */
typedef void (*dgram_error_cb)(dgram_socket_t *socket, const dgram_error_t *error, void *context);
/** A listener of 'close'. */
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

/** Options of a socket. Start from dgram_default_options(); later versions add members. */
typedef struct dgram_options {
  size_t struct_size;   /**< set by dgram_default_options() */
  dgram_type_t type;    /**< required */
  int reuse_addr;       /**< nonzero: SO_REUSEADDR at bind. Default 0 */
  int ipv6_only;        /**< nonzero: IPV6_V6ONLY at bind. Default 0 (dual-stack) */
  int recv_buffer_size; /**< SO_RCVBUF in bytes, set at bind; 0 leaves the system's */
  int send_buffer_size; /**< SO_SNDBUF in bytes, set at bind; 0 leaves the system's */
  int disable_gso;      /**< nonzero: never use segmentation offload (UDP_SEGMENT). Default 0 */
} dgram_options_t;

/**
 * The options of a plain socket of one type: every other member has its default.
 * @param type the socket's family
 * @return the options, by value
 */
static inline dgram_options_t dgram_default_options(dgram_type_t type) {
  dgram_options_t options = {0, DGRAM_UDP4, 0, 0, 0, 0, 0};
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
 *                                  set, or a buffer size is negative
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
 * not found, address of the other family: EINVAL) is an 'error' event, after which the socket is
 * unbound and can be bound again; `callback` is then forgotten.
 * A bound socket keeps the loop alive; see dgram_unref().
 *
 * @param socket   the socket
 * @param port     0 to 65535; 0: the system chooses one
 * @param address  a numeric address (IPv6 with zone: "fe80::1%eth0"), or a host name, which is
 *                 looked up; NULL or "": all interfaces. Copied
 * @param callback called once, as a listener of 'listening'; or NULL
 * @param context  for `callback`
 * @retval 0
 * @retval UV_EINVAL                      `socket` is NULL, or a host name is over 255 bytes
 * @retval DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING the socket is closed
 * @retval DGRAM_ERR_SOCKET_ALREADY_BOUND bound already, or being bound
 * @retval DGRAM_ERR_SOCKET_BAD_PORT      `port` out of range
 * @retval UV_ENOMEM
 * @see spec: socket.bind([port][, address][, callback])
 */
DGRAM_EXTERN int dgram_bind(dgram_socket_t *socket, int port, const char *address,
                            dgram_listening_cb callback, void *context);

/**
 * Closes the socket: no 'message' is emitted from now on, and every further call on it returns
 * DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING. Sends that the system takes at once still leave. From the
 * loop then run, in order: the callbacks of sends that left, 'close', and the callbacks of sends
 * that did not (ECANCELED). If sends wait for the socket to be bound, it closes after they left.
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
 * they complete. Does nothing when it does so already, when the socket is closed, or NULL.
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
 * @}
 * @name Sending
 *
 * An unbound socket is first bound to a random port on all interfaces; sends made until
 * 'listening' leave after it, in order. The sends of one turn of the loop leave together, before
 * the loop waits for events, in few system calls. Each accepted send completes exactly once.
 * @{
 */

/**
 * Sends one buffer as one datagram.
 *
 * The callback reports the datagram's end: the system took it, or an error (EMSGSIZE: over 65,507
 * bytes on IPv4, 65,527 on IPv6, or what the way allows; EINVAL: a numeric address of the other
 * family; ENOTFOUND and other look-up errors; ECANCELED: the socket was closed first; EPERM,
 * ENETUNREACH and others of send(2)). Without callback an error is an 'error' event.
 *
 * @param socket   the socket
 * @param message  the bytes. With a callback borrowed until it runs; without one copied.
 *                 May be NULL when `size` is 0
 * @param size     their number; 0 sends an empty datagram
 * @param port     the destination's port, 1 to 65535
 * @param address  numeric address or host name, which is looked up; NULL or "": 127.0.0.1, or ::1
 *                 for udp6. Copied
 * @param callback called once from the loop, or NULL
 * @param context  for `callback`
 * @retval 0                              accepted
 * @retval UV_EINVAL                      `socket` is NULL, `message` is NULL while `size` is not
 *                                        0, or a host name is over 255 bytes
 * @retval DGRAM_ERR_SOCKET_BAD_PORT      `port` out of range
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
 * @see spec: socket.send(msg, …) with an array
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
 * @param to       a `sockaddr_in` or `sockaddr_in6` of the socket's family; copied
 * @param callback as in dgram_send()
 * @param context  for `callback`
 * @retval 0                         accepted
 * @retval UV_EINVAL                 as in dgram_send_buffers(), or `to` is NULL or of the other
 *                                   family
 * @retval DGRAM_ERR_SOCKET_BAD_PORT its port is 0
 * @return else as dgram_send()
 */
DGRAM_EXTERN int dgram_send_to(dgram_socket_t *socket, const uv_buf_t buffers[], size_t count,
                               const struct sockaddr *to, dgram_send_cb callback, void *context);

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
 * @retval DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING the socket is closed
 * @return or what getsockname(2) returns
 * @see spec: socket.address()
 */
DGRAM_EXTERN int dgram_address(const dgram_socket_t *socket, dgram_address_t *address);

/**
 * The sender's address as text, made when first asked for: "127.0.0.1", "fe80::1%eth0".
 *
 * @param rinfo as given to the listener of 'message'
 * @return the text, borrowed until the listener returns
 * @see spec: rinfo.address
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

/** Adds a listener of 'message': a datagram came. @see spec: Event: 'message' */
DGRAM_EXTERN int dgram_on_message(dgram_socket_t *socket, dgram_message_cb listener, void *context);
/** Adds a listener of the next 'message' only. */
DGRAM_EXTERN int dgram_once_message(dgram_socket_t *socket, dgram_message_cb listener,
                                    void *context);
/** Removes a listener of 'message'. */
DGRAM_EXTERN int dgram_off_message(dgram_socket_t *socket, dgram_message_cb listener,
                                   void *context);

/** Adds a listener of 'listening': the socket is bound. @see spec: Event: 'listening' */
DGRAM_EXTERN int dgram_on_listening(dgram_socket_t *socket, dgram_listening_cb listener,
                                    void *context);
/** Adds a listener of the next 'listening' only. */
DGRAM_EXTERN int dgram_once_listening(dgram_socket_t *socket, dgram_listening_cb listener,
                                      void *context);
/** Removes a listener of 'listening'. */
DGRAM_EXTERN int dgram_off_listening(dgram_socket_t *socket, dgram_listening_cb listener,
                                     void *context);

/**
 * Adds a listener of 'error': binding, receiving, or a send without callback failed. The socket
 * stays open. An 'error' without any listener goes to the handler of dgram_on_unhandled_error().
 * @see spec: Event: 'error'
 */
DGRAM_EXTERN int dgram_on_error(dgram_socket_t *socket, dgram_error_cb listener, void *context);
/** Adds a listener of the next 'error' only. */
DGRAM_EXTERN int dgram_once_error(dgram_socket_t *socket, dgram_error_cb listener, void *context);
/** Removes a listener of 'error'. */
DGRAM_EXTERN int dgram_off_error(dgram_socket_t *socket, dgram_error_cb listener, void *context);

/** Adds a listener of 'close': the socket is closed. @see spec: Event: 'close' */
DGRAM_EXTERN int dgram_on_close(dgram_socket_t *socket, dgram_close_cb listener, void *context);
/** Adds a listener of the next 'close' only. */
DGRAM_EXTERN int dgram_once_close(dgram_socket_t *socket, dgram_close_cb listener, void *context);
/** Removes a listener of 'close'. */
DGRAM_EXTERN int dgram_off_close(dgram_socket_t *socket, dgram_close_cb listener, void *context);

/**
 * Replaces what happens to an 'error' event that nobody listens to. The default prints
 * `Unhandled 'error' event: MESSAGE` to stderr.
 *
 * @param handler the new handler, for the sockets of the calling thread; NULL: the default
 * @param context for `handler`
 */
DGRAM_EXTERN void dgram_on_unhandled_error(dgram_error_cb handler, void *context);

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
 * @return static text; "UNKNOWN" for any other number
 */
DGRAM_EXTERN const char *dgram_err_name(int code);

/**
 * The text of a code: "address already in use", "Socket is already bound".
 *
 * @param code as returned by a function of this header or of libuv
 * @return static text; "unknown error" for any other number
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

/**
 * @file dgram_group.h
 * A group of sockets on one port, each with a thread and a loop of its own.
 *
 * The kernel distributes the datagrams of the port over the sockets, so a server uses as many CPUs
 * as it has threads. Each datagram goes to one socket, which ::dgram_steer_t determines. The rules
 * of dgram.h apply here too, except where this header differs.
 *
 * *Threads.* dgram_group_start() creates the sockets; from then on each socket, its loop and its
 * callbacks belong to its thread. Other threads reach a socket by dgram_group_post(). A thread
 * inherits the signal mask of the one that starts the group. dgram_on_unhandled_error() applies to
 * the calling thread: call it in `on_start`.
 *
 * *Indices.* The socket with index i is the kernel's i-th socket of the port while all are open. If
 * a program closes one itself, the kernel moves its last socket to that index, and steering by CPU
 * or payload selects other sockets; so leave closing to dgram_group_stop(). Sockets of other
 * programs on the port (of the same user, with `reuse_port`) have indices too: a group that steers
 * by CPU or payload needs the port for itself.
 */
#ifndef DGRAM_GROUP_H
#define DGRAM_GROUP_H

#include <dgram.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A group of sockets on one port. */
typedef struct dgram_group dgram_group_t;

/** The maximum number of threads of a group. */
#define DGRAM_GROUP_THREADS 256

/**
 * Which of a group's sockets gets a datagram. Choices other than ::DGRAM_STEER_FLOW need Linux 4.5.
 * Source: socket(7), SO_REUSEPORT and SO_ATTACH_REUSEPORT_CBPF; the kernel's
 * Documentation/networking/filter.rst.
 */
typedef enum {
  /** By the kernel's hash of both addresses and ports: a flow keeps its socket as long as its
      address stays the same. No program is attached to the sockets. */
  DGRAM_STEER_FLOW,
  /** By the CPU that received it, modulo the number of sockets; with `pin`, to the socket whose
      thread is pinned to that CPU, if there is one. Sockets in excess of the CPUs get nothing. */
  DGRAM_STEER_CPU,
  /** By a number in the datagram, modulo the number of sockets: big-endian, unsigned, at
      `payload_offset`. For protocols like QUIC, whose server chooses connection ids and encodes the
      index in them: then a flow keeps its socket even if its address changes. A datagram that is
      too short goes by the hash. */
  DGRAM_STEER_PAYLOAD
} dgram_steer_t;

/**
 * Initialises a thread: adds listeners, creates timers on dgram_loop() of the socket. It is called
 * on the thread, before any socket of the group receives. The socket is bound, but 'listening' is
 * emitted later.
 * @param group   the group; until this returns, only dgram_group_size() and dgram_group_address()
 *                may be called on it
 * @param index   the index of the socket, 0 to one less than the number of sockets
 * @param socket  the socket
 * @param context as given in the options
 * @return 0; or a negative code, which ends the group and which dgram_group_start() returns. A call
 *         that fails must undo what it did on the loop, since `on_stop` is not called for it
 */
typedef int (*dgram_group_start_cb)(dgram_group_t *group, int index, dgram_socket_t *socket,
                                    void *context);

/**
 * A function that is called on a thread of a group, from its loop, as callbacks of dgram.h are.
 * @param group   the group
 * @param index   the index of the socket, 0 to one less than the number of sockets
 * @param socket  the socket; NULL if the program has closed it
 * @param context as given with the function
 */
typedef void (*dgram_group_cb)(dgram_group_t *group, int index, dgram_socket_t *socket,
                               void *context);

/** Options of a group. Start from dgram_default_group_options(); later versions add members. */
typedef struct dgram_group_options {
  size_t struct_size;            /**< set by dgram_default_group_options() */
  const dgram_options_t *socket; /**< of each socket; `reuse_port` need not be set. `signal` and
                                      `defer` must not be: they belong to one thread. All threads
                                      call `lookup`, also at the same time. Copied */
  int port;                      /**< 0 to 65535; 0: an unused port that the kernel chooses.
                                      Default 0 */
  const char *address;           /**< a numeric address; NULL or "": all interfaces. Copied.
                                      Default NULL */
  int threads;                   /**< the number of threads, each with a socket: 1 to
                                      ::DGRAM_GROUP_THREADS; 0: one for each CPU that the calling
                                      thread may use. Default 0 */
  int pin;                       /**< nonzero: each thread is pinned to a CPU: in order to the CPUs
                                      that the caller may use, again from the first if there are
                                      more threads. Default 0 */
  dgram_steer_t steer;           /**< which socket gets a datagram. Default DGRAM_STEER_FLOW */
  int payload_offset;            /**< with DGRAM_STEER_PAYLOAD: the offset of the number in the
                                      datagram, 0 to 65527 less its width. Default 0 */
  int payload_width;             /**< with DGRAM_STEER_PAYLOAD: the number's width in bytes, 1, 2 or
                                      4. Default 1 */
  dgram_group_start_cb on_start; /**< initialises a thread; required. Called once on each */
  dgram_group_cb on_stop;        /**< called once on each thread before it ends, while its socket is
                                      still open, to close what `on_start` opened. Default NULL */
  void *context;                 /**< for `on_start` and `on_stop` */
} dgram_group_options_t;

/**
 * Returns the options of a group that uses all CPUs, on a port that the kernel chooses.
 * @param socket   as the member `socket`; borrowed until dgram_group_start() has returned
 * @param on_start as the member `on_start`
 * @param context  as the member `context`
 * @return the options, by value
 */
static inline dgram_group_options_t dgram_default_group_options(const dgram_options_t *socket,
                                                                dgram_group_start_cb on_start,
                                                                void *context) {
  dgram_group_options_t options = {0, NULL, 0,    NULL, 0,   0, DGRAM_STEER_FLOW,
                                   0, 1,    NULL, NULL, NULL};
  options.struct_size = sizeof options;
  options.socket = socket;
  options.on_start = on_start;
  options.context = context;
  return options;
}

/**
 * @name Life of a group
 * @{
 */

/**
 * Starts a group: binds its sockets, in the order of their indices, attaches the steering, and
 * starts the threads. When this returns 0 every `on_start` has returned 0. On error nothing is
 * left: no thread, no socket, no memory.
 *
 * Datagrams that arrive while the sockets are being bound go to those that are bound already, so
 * until all are, a datagram may be received by another socket than its own. None is lost by this.
 *
 * @param options    from dgram_default_group_options(), then changed; copied
 * @param[out] group the new group; set to NULL on error
 * @retval 0
 * @retval UV_EINVAL        `options`, its `socket` or `on_start`, or `group` is NULL; a
 *                          `struct_size` is not set or is that of a newer header; `threads`,
 *                          `steer`, `payload_offset` or `payload_width` is out of range; `signal`
 *                          or `defer` is set; or of dgram_bind_sync(): `address` is not numeric, …
 * @retval UV_ENOTSUP       the system does not distribute the datagrams of a port over its sockets,
 *                          or supports neither this steering nor pinning
 * @retval UV_EADDRINUSE    the port is in use, and not shared
 * @retval UV_ENOMEM
 * @return or an error of dgram_create_socket_options() or dgram_bind_sync(); of the kernel, which
 *         refuses the steering (UV_EPERM, …), descriptors (UV_EMFILE: a socket with its loop takes
 *         5), a thread (UV_EAGAIN) or the pinning; or the error of the first `on_start`, by index,
 *         that failed
 */
DGRAM_EXTERN int dgram_group_start(const dgram_group_options_t *options, dgram_group_t **group);

/**
 * Stops a group, and waits for its threads. Each first calls the functions that dgram_group_post()
 * has queued, then `on_stop`, then closes its socket; 'close' is emitted and send callbacks are
 * called as after dgram_close(). A thread ends when its loop is not alive any more: an active
 * handle or socket of the program keeps the thread running, and this call waiting. Datagrams that
 * arrive meanwhile go to the sockets that are still open.
 *
 * @param group the group; freed by this call. NULL: no effect
 * @retval 0
 * @retval UV_EPERM called on a thread of the group, which would wait for itself: no effect
 * @retval UV_EBUSY the threads have ended, but the program has left handles on a loop, open though
 *                  not active. The group is not freed: close them on the caller's thread, by
 *                  uv_close() and uv_run(), and call this again
 */
DGRAM_EXTERN int dgram_group_stop(dgram_group_t *group);

/**
 * @}
 * @name A running group
 *
 * These may be called on any thread, until dgram_group_stop() is called; on the group's own threads
 * until their `on_stop` has returned.
 * @{
 */

/**
 * Returns the number of threads, which is that of the sockets.
 * @param group the group
 * @return the number; 0 when `group` is NULL
 */
DGRAM_EXTERN int dgram_group_size(const dgram_group_t *group);

/**
 * Gets the address that the group's sockets are bound to.
 * @param group        the group
 * @param[out] address the address; unchanged on error
 * @retval 0
 * @retval UV_EINVAL an argument is NULL
 */
DGRAM_EXTERN int dgram_group_address(const dgram_group_t *group, dgram_address_t *address);

/**
 * Queues a function to be called on a thread of the group: once, from its loop, never inside this
 * call. The functions of one thread are called in the order in which they were queued. This is how
 * to use a socket from another thread, or to pass a flow to the thread that it belongs to.
 *
 * @param group    the group
 * @param index    which thread: 0 to dgram_group_size() - 1
 * @param callback the function
 * @param context  for `callback`; borrowed until that is called
 * @retval 0         it will be called
 * @retval UV_EINVAL `group` or `callback` is NULL, or `index` is out of range
 * @retval UV_ENOMEM
 * @retval DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING not every `on_start` has returned, or the thread is
 *                   ending: `callback` will not be called
 */
DGRAM_EXTERN int dgram_group_post(dgram_group_t *group, int index, dgram_group_cb callback,
                                  void *context);

/** @} */

#ifdef __cplusplus
}
#endif

#endif

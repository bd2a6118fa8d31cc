/**
 * @file dgram_group.h
 * A group of sockets on one port, each with a thread and a loop of its own.
 *
 * The system spreads what comes to the port over the sockets, so a server uses as many CPUs as it
 * has threads. Each datagram goes to one socket; which one, ::dgram_steer_t says. What holds for
 * dgram.h holds here; more is said where it differs.
 *
 * *Threads.* A group's sockets are made by dgram_group_start(); from then on each belongs to its
 * thread, and so do its loop and all that is called about it. dgram_group_post() is how others
 * reach a socket. A thread has the signal mask of the one that started the group.
 * dgram_on_unhandled_error() is for a thread: call it in `on_start`.
 *
 * *Places.* The socket at index i is the one that the kernel has in place i, as long as all are
 * open. If a program closes one itself the kernel moves its last socket into the free place, and
 * what is steered by CPU or payload goes elsewhere; so leave the closing to dgram_group_stop().
 * Sockets of other programs that share the port (of the same user, with `reuse_port`) have places
 * too: a group that is steered by CPU or payload needs the port for itself.
 */
#ifndef DGRAM_GROUP_H
#define DGRAM_GROUP_H

#include <dgram.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A group of sockets on one port. */
typedef struct dgram_group dgram_group_t;

/** The most threads that a group can have. */
#define DGRAM_GROUP_THREADS 256

/**
 * Which of a group's sockets gets a datagram. Choices other than ::DGRAM_STEER_FLOW need Linux 4.5.
 * Source: socket(7), SO_REUSEPORT and SO_ATTACH_REUSEPORT_CBPF; the kernel's
 * Documentation/networking/filter.rst.
 */
typedef enum {
  /** The kernel's hash of both addresses and ports: a flow keeps its socket as long as its address
      stays the same. Nothing is attached to the sockets. */
  DGRAM_STEER_FLOW,
  /** The CPU that received it, modulo the number of sockets; with `pin`, the socket whose thread
      runs on that CPU, if there is one. Sockets beyond the number of CPUs get nothing. */
  DGRAM_STEER_CPU,
  /** A number in the datagram, modulo the number of sockets: big-endian, unsigned, at
      `payload_offset`. For protocols like QUIC, whose server chooses connection ids and puts its
      index there: then a flow keeps its socket also when its address changes. A datagram that is
      too short goes by the hash. */
  DGRAM_STEER_PAYLOAD
} dgram_steer_t;

/**
 * Sets a thread up: adds listeners, makes timers on dgram_loop() of the socket. It runs on the
 * thread, before anything is received on any of them. The socket has its port, but 'listening' is
 * yet to come.
 * @param group   the group; only dgram_group_size() and dgram_group_address() may be called on it
 *                already
 * @param index   the socket's, 0 to one less than the number of sockets
 * @param socket  the socket
 * @param context as given in the options
 * @return 0; or a negative code, which ends the group and is what dgram_group_start() returns. A
 *         call that fails undoes what it did on the loop: `on_stop` is not called for it
 */
typedef int (*dgram_group_start_cb)(dgram_group_t *group, int index, dgram_socket_t *socket,
                                    void *context);

/**
 * A function that runs on a thread of a group; from its loop, as callbacks of dgram.h do.
 * @param group   the group
 * @param index   the socket's, 0 to one less than the number of sockets
 * @param socket  the socket; NULL if the program has closed it
 * @param context as given with the function
 */
typedef void (*dgram_group_cb)(dgram_group_t *group, int index, dgram_socket_t *socket,
                               void *context);

/** Options of a group. Start from dgram_default_group_options(); later versions add members. */
typedef struct dgram_group_options {
  size_t struct_size;            /**< set by dgram_default_group_options() */
  const dgram_options_t *socket; /**< of each socket; `reuse_port` need not be set. `signal` and
                                      `defer` must not be: they are for one thread. A `lookup` is
                                      asked by all threads, also at the same time. Copied */
  int port;                      /**< 0 to 65535; 0: the system chooses one that nobody has.
                                      Default 0 */
  const char *address;           /**< a numeric address; NULL or "": all interfaces. Copied.
                                      Default NULL */
  int threads;                   /**< and sockets: 1 to ::DGRAM_GROUP_THREADS; 0: one for each CPU
                                      that the calling thread may use. Default 0 */
  int pin;                       /**< nonzero: each thread stays on one CPU: the first on the first
                                      that the caller may use, and so on, and again from the first
                                      if there are more threads. Default 0 */
  dgram_steer_t steer;           /**< which socket gets what. Default DGRAM_STEER_FLOW */
  int payload_offset;            /**< with DGRAM_STEER_PAYLOAD: where in the datagram the number
                                      begins, in bytes, 0 to 65527 less its width. Default 0 */
  int payload_width;             /**< with DGRAM_STEER_PAYLOAD: the number's width in bytes, 1, 2 or
                                      4. Default 1 */
  dgram_group_start_cb on_start; /**< sets a thread up; required. Called once for each */
  dgram_group_cb on_stop;        /**< called once on each thread that is to end, while its socket
                                      is open still: the place to close what `on_start` opened.
                                      Default NULL */
  void *context;                 /**< for `on_start` and `on_stop` */
} dgram_group_options_t;

/**
 * The options of a group that uses all CPUs, on a port that the system chooses.
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
 * Starts a group: binds its sockets, in their order, has the kernel steer, and starts the threads.
 * When this returns 0 every `on_start` has returned 0. On error nothing is left: no thread, no
 * socket, no memory.
 *
 * What comes while the sockets are bound, in their order, goes to those that are there already:
 * until the last one is, a datagram may come to another socket than its own. None is lost for that.
 *
 * @param options    made by dgram_default_group_options() and changed; copied
 * @param[out] group the new group; set to NULL on error
 * @retval 0
 * @retval UV_EINVAL        `options`, its `socket` or `on_start`, or `group` is NULL; a
 *                          `struct_size` was not set or is that of a newer header; `threads`,
 *                          `steer`, `payload_offset` or `payload_width` out of range; `signal` or
 *                          `defer` is set; or of dgram_bind_sync(): `address` is not numeric, …
 * @retval UV_ENOTSUP       the system does not spread what comes to a port over its sockets; or
 *                          cannot steer as wanted, or pin
 * @retval UV_EADDRINUSE    somebody else has the port, and does not share it
 * @retval UV_ENOMEM
 * @return or what dgram_create_socket_options() or dgram_bind_sync() returns; what the system says
 *         when it refuses the steering (UV_EPERM, …), descriptors (UV_EMFILE: a socket with its
 *         loop takes 5), a thread (UV_EAGAIN) or the thread's CPU; or what an `on_start` returned,
 *         the first one's by index
 */
DGRAM_EXTERN int dgram_group_start(const dgram_group_options_t *options, dgram_group_t **group);

/**
 * Stops a group, and waits for its threads. Each first runs the functions that dgram_group_post()
 * took, then `on_stop`, then closes its socket; 'close' and the callbacks of sends come as after
 * dgram_close(). The thread ends when its loop has nothing left to do: a handle or socket of the
 * program's own that is active keeps it, and this call, waiting. What comes meanwhile goes to the
 * sockets that are open still.
 *
 * @param group the group; its memory goes with this call. NULL: nothing happens
 * @retval 0
 * @retval UV_EPERM called on a thread of the group, which would wait for itself: nothing happens
 * @retval UV_EBUSY the threads have ended, but on a loop of theirs the program has left handles
 *                  that are open, if not active. The group stays, for another call when they are
 *                  closed: now on the caller's thread, by uv_close() and uv_run()
 */
DGRAM_EXTERN int dgram_group_stop(dgram_group_t *group);

/**
 * @}
 * @name Of a running group
 *
 * These can be called on any thread, until dgram_group_stop() is; on the group's own threads until
 * their `on_stop` has returned.
 * @{
 */

/**
 * How many threads and sockets the group has.
 * @param group the group
 * @return the number; 0 when `group` is NULL
 */
DGRAM_EXTERN int dgram_group_size(const dgram_group_t *group);

/**
 * The address that the group's sockets are bound to.
 * @param group        the group
 * @param[out] address where to put it; untouched on error
 * @retval 0
 * @retval UV_EINVAL an argument is NULL
 */
DGRAM_EXTERN int dgram_group_address(const dgram_group_t *group, dgram_address_t *address);

/**
 * Has a function run on a thread of the group: once, from its loop, never inside this call. What
 * is given to one thread runs in the order in which it was given. The way to use a socket from
 * another thread, or to hand a flow to the thread that it belongs to.
 *
 * @param group    the group
 * @param index    which thread: 0 to dgram_group_size() - 1
 * @param callback the function
 * @param context  for `callback`; borrowed until it runs
 * @retval 0         it will run
 * @retval UV_EINVAL `group` or `callback` is NULL, or `index` out of range
 * @retval UV_ENOMEM
 * @retval DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING not every `on_start` has returned, or the thread is
 *                   about to end: `callback` will not run
 */
DGRAM_EXTERN int dgram_group_post(dgram_group_t *group, int index, dgram_group_cb callback,
                                  void *context);

/** @} */

#ifdef __cplusplus
}
#endif

#endif

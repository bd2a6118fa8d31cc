/**
 * @file dgram_cluster.h
 * Sockets shared between processes: the part of Node.js's `cluster` that `node:dgram` speaks of.
 *
 * A *primary* starts *workers*: the same program once more, as processes of their own. In a worker
 * that has joined, dgram_bind() without `exclusive` asks the primary, which binds one system socket
 * for all workers that ask for the same address, port, family, `reuse_addr`, `ipv6_only` and `fd`;
 * whichever worker is free takes the next datagram. For port 0 all workers get the same random
 * port: the first such bind of each worker one port, the second of each another. The socket is
 * closed when no worker holds it any more. An `fd` is a descriptor of the primary's, one of those
 * that it has let the workers have (dgram_cluster_share_fd()).
 *
 * These bind for their own process, and fail with EADDRINUSE on a port that is shared: a bind with
 * `exclusive`, or of a socket with `reuse_port`; dgram_bind_sync(); a bind that a send, a connect
 * or a membership implies; and any bind of a loop that has not joined.
 *
 * What belongs to the system socket is shared with it: group memberships (a second worker that
 * joins the same group gets EADDRINUSE), buffer sizes, TTLs, and a peer, if it is connected.
 *
 * @code
 * if (dgram_cluster_is_primary()) {
 *   dgram_cluster_options_t options = dgram_default_cluster_options(argv);
 *   dgram_cluster_create(loop, &options, &cluster);
 *   dgram_cluster_fork(cluster, NULL);
 *   dgram_cluster_fork(cluster, NULL);
 * } else {
 *   dgram_worker_join(loop, NULL, NULL, &worker);
 *   dgram_create_socket(loop, DGRAM_UDP4, on_message, NULL, &socket);
 *   dgram_bind(socket, 1234, NULL, NULL, NULL);
 * }
 * uv_run(loop, UV_RUN_DEFAULT);
 * @endcode
 *
 * The rules of dgram.h hold here too. Callbacks run from the loop. Neither a dead worker, nor one
 * that hangs or does not keep to the protocol, ever blocks the primary.
 */
#ifndef DGRAM_CLUSTER_H
#define DGRAM_CLUSTER_H

#include <dgram.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Tells whether this process is a primary: one that no primary has started. What a worker that has
 * joined starts by other means than dgram_cluster_fork() is a primary again; what it starts before
 * that would inherit descriptor 3, and take itself for the worker.
 *
 * By descriptor 3 a worker knows what it is, to its end. A program that closes descriptors which it
 * has not opened (to become a daemon, say) must leave that one alone when this returns 0: each of
 * its workers would be a primary, and start workers in its turn.
 * @return nonzero for a primary, 0 for a worker
 * @see Node.js, cluster: cluster.isPrimary
 */
DGRAM_EXTERN int dgram_cluster_is_primary(void);

/**
 * @name The primary
 * @{
 */

/** A primary's workers, and the sockets that they share. */
typedef struct dgram_cluster dgram_cluster_t;

/**
 * Tells that a worker is online, or disconnected.
 * @param cluster the cluster
 * @param id      the worker
 * @param context as given in the options
 */
typedef void (*dgram_cluster_worker_cb)(dgram_cluster_t *cluster, int id, void *context);
/**
 * Tells that a socket which a worker shares is listening.
 * @param cluster the cluster
 * @param id      the worker
 * @param address what the socket is bound to; borrowed until this returns
 * @param context as given in the options
 */
typedef void (*dgram_cluster_listening_cb)(dgram_cluster_t *cluster, int id,
                                           const dgram_address_t *address, void *context);
/**
 * Tells that a worker's process has ended. It has been told as disconnected before. To start
 * another in its place, with what was added to its environment, call dgram_cluster_restart().
 * @param cluster the cluster
 * @param id      the worker; forgotten once this has returned, and given to no other
 * @param status  its exit status; 0 if a signal ended it
 * @param signum  the signal that ended it, or 0
 * @param context as given in the options
 */
typedef void (*dgram_cluster_exit_cb)(dgram_cluster_t *cluster, int id, int64_t status, int signum,
                                      void *context);
/**
 * Tells that the cluster has closed.
 * @param context as given to dgram_cluster_close()
 */
typedef void (*dgram_cluster_close_cb)(void *context);

/**
 * Options of a cluster. Start from dgram_default_cluster_options(); later versions add members.
 * Inside the callbacks every function of this header may be called.
 */
typedef struct dgram_cluster_options {
  size_t struct_size;                      /**< set by dgram_default_cluster_options() */
  char *const *args;                       /**< the workers' arguments, args[0] first, then a NULL;
                                                copied. Required */
  const char *file;                        /**< the program that workers run, as in execvp(3);
                                                copied. Default NULL: this one */
  dgram_cluster_worker_cb on_online;       /**< a worker has joined; or NULL, the default */
  dgram_cluster_listening_cb on_listening; /**< a socket listens; or NULL, the default */
  dgram_cluster_worker_cb on_disconnect;   /**< a worker shares nothing any more; or NULL, the
                                                default */
  dgram_cluster_exit_cb on_exit;           /**< a worker has ended; or NULL, the default */
  void *context;                           /**< for these */
  unsigned most_sockets; /**< as many sockets the primary has open for workers, all
                              together; another is refused with EMFILE. Of what is
                              left no worker gets more than half, so one that asks
                              without end leaves some to the others. Default 0:
                              three quarters of what the process may have open
                              (RLIMIT_NOFILE) when the cluster is made */
} dgram_cluster_options_t;

/**
 * The options of a cluster of this program's.
 * @param args the arguments of main(), or others; NULL-terminated
 * @return the options, by value
 */
static inline dgram_cluster_options_t dgram_default_cluster_options(char *const args[]) {
  dgram_cluster_options_t options = {0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0};
  options.struct_size = sizeof options;
  options.args = args;
  return options;
}

/**
 * Makes a cluster without workers. It does not keep the loop alive; its workers do. Without workers
 * too it takes dgram_cluster_close() and then the loop to free it.
 * @param loop         the loop that it lives on; borrowed until it has closed
 * @param options      made by dgram_default_cluster_options() and changed; copied
 * @param[out] cluster the new cluster; set to NULL on error
 * @retval 0
 * @retval UV_EINVAL `loop`, `options`, `cluster`, `args` or `args[0]` is NULL, or `struct_size` was
 *                   not set, or is of no version of this header or of a newer one
 * @retval UV_ENOMEM
 * @return or, without `file`, what uv_exepath() returns
 * @see Node.js, cluster: cluster.setupPrimary([settings])
 */
DGRAM_EXTERN int dgram_cluster_create(uv_loop_t *loop, const dgram_cluster_options_t *options,
                                      dgram_cluster_t **cluster);

/**
 * Starts a worker. It has the primary's standard input, output and error (or /dev/null, if one is
 * closed or close-on-exec), its environment with DGRAM_CLUSTER added, and on descriptor 3 its
 * connection to the primary. It is of the primary's process group: what a terminal sends one, such
 * as SIGINT, it sends both.
 *
 * A program that never joins is never online, and hears nothing of dgram_cluster_disconnect().
 *
 * A program with more rights than its user does not believe its environment; as a worker it does so
 * only if its primary has the user and group that the set-user-ID or set-group-ID program gives.
 * With file capabilities, or once it has given up that user and group, it can start no workers:
 * they would take themselves for primaries. (Ambient capabilities, as service managers give them,
 * do.)
 * @param cluster the cluster
 * @param env     what to add to the environment, "NAME=value" each, then a NULL; copied. Or NULL
 * @return the worker's id: 1 for the first, then 2, ...; or UV_EINVAL (`cluster` is NULL),
 *         UV_ECANCELED (it closes), UV_EPERM (see above), UV_ENOMEM, or what socketpair(2) or
 * uv_spawn() returns
 * @see Node.js, cluster: cluster.fork([env])
 */
DGRAM_EXTERN int dgram_cluster_fork(dgram_cluster_t *cluster, char *const env[]);

/**
 * Lets workers bind to a descriptor of the primary's, by `fd` of dgram_bind_options(). Without this
 * they get none: a worker that was taken over would otherwise get any socket of the primary's whose
 * number it guesses. It holds for workers that run as for those to come, and for this very socket:
 * once it is closed the number means nothing, until it is given to this function again.
 * @param cluster the cluster
 * @param fd      a UDP socket, greater than 0; it stays the program's, which may close it. Workers
 *                that have got it keep it
 * @retval 0         also when they may have it already
 * @retval UV_EINVAL `cluster` is NULL, or `fd` is not greater than 0
 * @retval UV_EBADF  it is not open
 * @retval DGRAM_ERR_INVALID_FD_TYPE it is not a UDP socket
 * @retval UV_ENOMEM
 */
DGRAM_EXTERN int dgram_cluster_share_fd(dgram_cluster_t *cluster, int fd);

/**
 * Ends what dgram_cluster_share_fd() has begun: from now on workers that ask for the descriptor are
 * refused with EACCES. Those that have it keep it.
 * @param cluster the cluster
 * @param fd      the descriptor
 * @retval 0
 * @retval UV_EINVAL `cluster` is NULL
 * @retval UV_ENOENT workers could not have it
 */
DGRAM_EXTERN int dgram_cluster_unshare_fd(dgram_cluster_t *cluster, int fd);

/**
 * Goes through the workers, in the order of their ids:
 * `for (int id = 0; (id = dgram_cluster_next(cluster, id)) > 0;)`.
 * @param cluster the cluster
 * @param id      0, or the last id; its worker may have gone
 * @return the next worker's id; 0 after the last, or when `cluster` is NULL
 * @see Node.js, cluster: cluster.workers
 */
DGRAM_EXTERN int dgram_cluster_next(const dgram_cluster_t *cluster, int id);

/**
 * The process of a worker.
 * @param cluster the cluster
 * @param id      the worker
 * @return its process id; or UV_EINVAL (`cluster` is NULL), or UV_ESRCH (there is no such worker)
 * @see Node.js, cluster: worker.process
 */
DGRAM_EXTERN int dgram_cluster_pid(const dgram_cluster_t *cluster, int id);

/**
 * Asks a worker to close what it shares and end the connection; then `on_disconnect` is called. The
 * worker ends by itself if nothing else keeps its loop alive.
 * @param cluster the cluster
 * @param id      the worker
 * @retval 0         also when it was asked before, or is disconnected
 * @retval UV_EINVAL `cluster` is NULL
 * @retval UV_ESRCH  there is no such worker
 * @see Node.js, cluster: worker.disconnect()
 */
DGRAM_EXTERN int dgram_cluster_disconnect(dgram_cluster_t *cluster, int id);

/**
 * Sends a worker a signal.
 * @param cluster the cluster
 * @param id      the worker
 * @param signum  the signal: SIGTERM, SIGKILL, ...
 * @retval 0
 * @retval UV_EINVAL `cluster` is NULL, or there is no such signal
 * @retval UV_ESRCH  there is no such worker, or it has just ended
 * @see Node.js, cluster: worker.kill([signal])
 */
DGRAM_EXTERN int dgram_cluster_kill(dgram_cluster_t *cluster, int id, int signum);

/**
 * Replaces a worker: starts another with the same additions to the environment, and asks the old
 * one to disconnect once a socket of the new one is listening, the first if it has several. So that
 * one's port is never without a worker. If the new one ends before that, or never listens, the old
 * one stays. Each call starts one, also when the old one is being replaced already.
 * @param cluster the cluster
 * @param id      the worker to replace
 * @return the new worker's id; or UV_ESRCH (there is no worker `id`); or as dgram_cluster_fork()
 */
DGRAM_EXTERN int dgram_cluster_restart(dgram_cluster_t *cluster, int id);

/**
 * Disconnects all workers, and forgets the cluster once all have ended. The other callbacks go on
 * until then.
 * @param cluster  the cluster; its memory goes with `callback`
 * @param grace_ms how long workers may take to end, in milliseconds; then those left get SIGKILL,
 *                 with 0 in the loop's next turn
 * @param callback called once, last of all; or NULL
 * @param context  for `callback`
 * @retval 0
 * @retval UV_EINVAL    `cluster` is NULL
 * @retval UV_EALREADY  it is closing
 * @see Node.js, cluster: cluster.disconnect([callback])
 */
DGRAM_EXTERN int dgram_cluster_close(dgram_cluster_t *cluster, uint64_t grace_ms,
                                     dgram_cluster_close_cb callback, void *context);

/**
 * @}
 * @name A worker
 * @{
 */

/** A worker's connection to its primary. Owned by the library. */
typedef struct dgram_worker dgram_worker_t;

/**
 * Tells that the connection to the primary has ended: the primary asked for it or is gone, or
 * dgram_worker_leave() was called. What was shared has been closed, though 'close' may be yet to
 * come.
 * @param worker  the connection; its memory goes once this has returned. Who keeps the pointer, to
 *                leave from elsewhere, forgets it here
 * @param context as given to dgram_worker_join()
 */
typedef void (*dgram_worker_disconnect_cb)(dgram_worker_t *worker, void *context);

/**
 * Makes the loop one whose sockets share; at most one loop of a process can be that. The connection
 * does not keep the loop alive, but a bind that waits for the primary's answer does. When it ends,
 * sockets that are shared are closed as by dgram_close(), and binds that wait fail with ECANCELED.
 * After that, and in its 'error', binds of this loop are for this process alone.
 * @param loop          the loop; borrowed until the connection has ended
 * @param on_disconnect called once, when it has; or NULL
 * @param context       for `on_disconnect`
 * @param[out] worker   the connection; set to NULL on error
 * @retval 0
 * @retval UV_EINVAL           `loop` or `worker` is NULL
 * @retval UV_ENOENT           this process is no worker
 * @retval UV_EALREADY         it has joined already, or has left
 * @retval UV_EPROTONOSUPPORT  the primary has another version of libdgram, and of its protocol
 * @retval UV_ENOMEM
 * @return or what uv_poll_init() returns
 */
DGRAM_EXTERN int dgram_worker_join(uv_loop_t *loop, dgram_worker_disconnect_cb on_disconnect,
                                   void *context, dgram_worker_t **worker);

/**
 * The worker's id, by which its primary knows it.
 * @param worker the connection
 * @return the id, 1 or more; 0 when `worker` is NULL
 * @see Node.js, cluster: cluster.worker
 */
DGRAM_EXTERN int dgram_worker_id(const dgram_worker_t *worker);

/**
 * Ends the connection, from the loop, as if the primary had asked for it.
 * @param worker the connection; if it is NULL, or ends already, nothing happens
 * @see Node.js, cluster: worker.disconnect()
 */
DGRAM_EXTERN void dgram_worker_leave(dgram_worker_t *worker);

/** @} */

#ifdef __cplusplus
}
#endif

#endif

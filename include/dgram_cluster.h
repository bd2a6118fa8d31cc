/**
 * @file dgram_cluster.h
 * Sockets shared between processes: the part of Node.js's `cluster` that concerns `node:dgram`.
 *
 * A *primary* starts *workers*: processes that run the same program. In a worker that has joined,
 * dgram_bind() without `exclusive` requests the socket from the primary, which binds one system
 * socket for all requests with the same address, port, family, `reuse_addr`, `ipv6_only` and `fd`;
 * any worker that reads may receive the next datagram. For port 0 all workers get the same random
 * port: the first such bind of each worker one port, the second of each another. The primary closes
 * a system socket when no worker uses it any more. `fd` is a descriptor of the primary's, which it
 * has shared by dgram_cluster_share_fd().
 *
 * These bind for their own process, and fail with EADDRINUSE on a port that is shared: a bind with
 * `exclusive`, or of a socket with `reuse_port`; dgram_bind_sync(); the implicit bind of a send, a
 * connect or a membership; and any bind on a loop that has not joined.
 *
 * The state of the system socket is shared too: group memberships (a second worker that joins the
 * same group gets EADDRINUSE), buffer sizes, TTLs, and the peer, if it is connected.
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
 * The rules of dgram.h apply here too. Callbacks run from the loop. No worker can block the
 * primary, whether it dies, hangs or breaks the protocol.
 */
#ifndef DGRAM_CLUSTER_H
#define DGRAM_CLUSTER_H

#include <dgram.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Returns whether this process is a primary, that is, was not started by dgram_cluster_fork(). A
 * process that a worker starts by other means is a primary again, if the worker has joined before;
 * else it inherits descriptor 3 and takes itself for the worker.
 *
 * Descriptor 3 identifies a worker for its whole life. A program that closes descriptors which it
 * has not opened (to become a daemon, for example) must not close this one when this returns 0:
 * each of its workers would take itself for a primary, and start workers too.
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
 * Reports that a worker is online, or disconnected.
 * @param cluster the cluster
 * @param id      the worker
 * @param context as given in the options
 */
typedef void (*dgram_cluster_worker_cb)(dgram_cluster_t *cluster, int id, void *context);
/**
 * Reports that a shared socket of a worker is listening.
 * @param cluster the cluster
 * @param id      the worker
 * @param address the address that the socket is bound to; borrowed until this returns
 * @param context as given in the options
 */
typedef void (*dgram_cluster_listening_cb)(dgram_cluster_t *cluster, int id,
                                           const dgram_address_t *address, void *context);
/**
 * Reports that a worker's process has ended; that it is disconnected was reported before. To start
 * another in its place, with the same additions to its environment, call dgram_cluster_restart().
 * @param cluster the cluster
 * @param id      the worker; invalid when this has returned, and never used again
 * @param status  its exit status; 0 if a signal ended it
 * @param signum  the signal that ended it, or 0
 * @param context as given in the options
 */
typedef void (*dgram_cluster_exit_cb)(dgram_cluster_t *cluster, int id, int64_t status, int signum,
                                      void *context);
/**
 * Reports that the cluster has closed.
 * @param context as given to dgram_cluster_close()
 */
typedef void (*dgram_cluster_close_cb)(void *context);

/**
 * Options of a cluster. Start from dgram_default_cluster_options(); later versions add members.
 * The callbacks may call every function of this header.
 */
typedef struct dgram_cluster_options {
  size_t struct_size;                      /**< set by dgram_default_cluster_options() */
  char *const *args;                       /**< the workers' arguments, args[0] first, ending in
                                                NULL; copied. Required */
  const char *file;                        /**< the program that workers run, as in execvp(3);
                                                copied. Default NULL: this one */
  dgram_cluster_worker_cb on_online;       /**< a worker has joined; or NULL, the default */
  dgram_cluster_listening_cb on_listening; /**< a socket listens; or NULL, the default */
  dgram_cluster_worker_cb on_disconnect;   /**< a worker shares no sockets any more; or NULL, the
                                                default */
  dgram_cluster_exit_cb on_exit;           /**< a worker has ended; or NULL, the default */
  void *context;                           /**< for these */
  unsigned most_sockets;                   /**< the number of sockets that the primary opens for all
                                                workers together, before it fails requests with
                                                EMFILE. No worker gets more than half of what the
                                                others have left, so none can exhaust it. Default 0:
                                                three quarters of RLIMIT_NOFILE when the cluster is
                                                created */
} dgram_cluster_options_t;

/**
 * Returns the options of a cluster whose workers run this program.
 * @param args the arguments of main(), or others; ending in NULL
 * @return the options, by value
 */
static inline dgram_cluster_options_t dgram_default_cluster_options(char *const args[]) {
  dgram_cluster_options_t options = {0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0};
  options.struct_size = sizeof options;
  options.args = args;
  return options;
}

/**
 * Creates a cluster without workers. The cluster does not keep the loop alive; its workers do. Even
 * without workers it is freed only by dgram_cluster_close() and then the loop.
 * @param loop         the loop; borrowed until the cluster has closed
 * @param options      from dgram_default_cluster_options(), then changed; copied
 * @param[out] cluster the new cluster; set to NULL on error
 * @retval 0
 * @retval UV_EINVAL `loop`, `options`, `cluster`, `args` or `args[0]` is NULL, or `struct_size` is
 *                   not set, or is that of no version of this header or of a newer one
 * @retval UV_ENOMEM
 * @return or, without `file`, an error of uv_exepath()
 * @see Node.js, cluster: cluster.setupPrimary([settings])
 */
DGRAM_EXTERN int dgram_cluster_create(uv_loop_t *loop, const dgram_cluster_options_t *options,
                                      dgram_cluster_t **cluster);

/**
 * Starts a worker. It inherits the primary's standard input, output and error (/dev/null instead of
 * one that is closed or close-on-exec), its environment, with DGRAM_CLUSTER added, and its process
 * group: a signal from the terminal, such as SIGINT, goes to both. Its descriptor 3 is the
 * connection to the primary.
 *
 * A worker that never joins is never online, and is not reached by dgram_cluster_disconnect().
 *
 * A program with more privileges than its user ignores its environment. As a worker it uses the
 * environment only if its primary has the user and group that the set-user-ID or set-group-ID
 * program gives. With file capabilities, or once it has dropped that user or group, it cannot start
 * workers: they would take themselves for primaries. (With ambient capabilities, as service
 * managers give them, it can.)
 * @param cluster the cluster
 * @param env     strings "NAME=value" to add to the environment, ending in NULL; copied. Or NULL
 * @return the worker's id: 1 for the first, then 2, ...; or UV_EINVAL (`cluster` is NULL),
 *         UV_ECANCELED (it is closing), UV_EPERM (see above), UV_ENOMEM, or an error of
 *         socketpair(2) or uv_spawn()
 * @see Node.js, cluster: cluster.fork([env])
 */
DGRAM_EXTERN int dgram_cluster_fork(dgram_cluster_t *cluster, char *const env[]);

/**
 * Allows workers to bind to a descriptor of the primary's, by `fd` of dgram_bind_options(). All
 * others are refused, since a compromised worker could request any socket of the primary by
 * guessing its number. It applies to running and to future workers, and to this socket only: when
 * the socket is closed, a new one with the same number is not shared. If a socket of the cluster's
 * loop has the descriptor, it is shared from the first worker's bind on: what it has received is
 * delivered then, and it receives one datagram at a time (`receive_batch` of dgram.h).
 * @param cluster the cluster
 * @param fd      a UDP socket, greater than 0; still owned by the program, which may close it.
 *                Workers that have bound to it keep it
 * @retval 0         also when it was shared before
 * @retval UV_EINVAL `cluster` is NULL, or `fd` is not greater than 0
 * @retval UV_EBADF  it is not open
 * @retval DGRAM_ERR_INVALID_FD_TYPE it is not a UDP socket
 * @retval UV_ENOMEM
 */
DGRAM_EXTERN int dgram_cluster_share_fd(dgram_cluster_t *cluster, int fd);

/**
 * Undoes dgram_cluster_share_fd(): from now on requests for the descriptor fail with EACCES.
 * Workers that have bound to it keep it.
 * @param cluster the cluster
 * @param fd      the descriptor
 * @retval 0
 * @retval UV_EINVAL `cluster` is NULL
 * @retval UV_ENOENT it was not shared
 */
DGRAM_EXTERN int dgram_cluster_unshare_fd(dgram_cluster_t *cluster, int fd);

/**
 * Iterates over the workers, in the order of their ids:
 * `for (int id = 0; (id = dgram_cluster_next(cluster, id)) > 0;)`.
 * @param cluster the cluster
 * @param id      0, or the last id; its worker may have ended
 * @return the next worker's id; 0 after the last, or when `cluster` is NULL
 * @see Node.js, cluster: cluster.workers
 */
DGRAM_EXTERN int dgram_cluster_next(const dgram_cluster_t *cluster, int id);

/**
 * Returns the process id of a worker.
 * @param cluster the cluster
 * @param id      the worker
 * @return its process id; or UV_EINVAL (`cluster` is NULL), or UV_ESRCH (there is no such worker)
 * @see Node.js, cluster: worker.process
 */
DGRAM_EXTERN int dgram_cluster_pid(const dgram_cluster_t *cluster, int id);

/**
 * Requests a worker to close its shared sockets and end the connection; `on_disconnect` is called
 * then. The worker ends by itself if nothing else keeps its loop alive.
 * @param cluster the cluster
 * @param id      the worker
 * @retval 0         also when it was requested before, or the worker is disconnected
 * @retval UV_EINVAL `cluster` is NULL
 * @retval UV_ESRCH  there is no such worker
 * @see Node.js, cluster: worker.disconnect()
 */
DGRAM_EXTERN int dgram_cluster_disconnect(dgram_cluster_t *cluster, int id);

/**
 * Sends a signal to a worker.
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
 * Replaces a worker: starts another with the same additions to the environment, and disconnects the
 * old one when the first socket of the new one is listening. So the port of that socket always has
 * a worker. If the new worker ends before that, or never listens, the old one stays. Each call
 * starts a worker, also when the old one is being replaced already.
 * @param cluster the cluster
 * @param id      the worker to replace
 * @return the new worker's id; or UV_ESRCH (there is no worker `id`); or as dgram_cluster_fork()
 */
DGRAM_EXTERN int dgram_cluster_restart(dgram_cluster_t *cluster, int id);

/**
 * Disconnects all workers, and frees the cluster when all have ended. The other callbacks are
 * called until then.
 * @param cluster  the cluster; freed before `callback` is called
 * @param grace_ms the time that workers have to end, in milliseconds; then those left get SIGKILL,
 *                 with 0 in the next iteration of the loop
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
 * Reports that the connection to the primary has ended: the primary has disconnected the worker or
 * is gone, or dgram_worker_leave() was called. The shared sockets are closed, though their 'close'
 * may be emitted later.
 * @param worker  the connection; freed when this has returned, so a pointer kept for
 *                dgram_worker_leave() becomes invalid
 * @param context as given to dgram_worker_join()
 */
typedef void (*dgram_worker_disconnect_cb)(dgram_worker_t *worker, void *context);

/**
 * Connects a loop to the primary, so that its sockets are shared; at most one loop of a process can
 * be connected. The connection does not keep the loop alive, except while a bind waits for the
 * primary's reply. When it ends, shared sockets are closed as by dgram_close(), and binds that wait
 * fail with ECANCELED. After that, and in that 'error', binds on this loop are for this process
 * alone.
 * @param loop          the loop; borrowed until the connection has ended
 * @param on_disconnect called once, when the connection has ended; or NULL
 * @param context       for `on_disconnect`
 * @param[out] worker   the connection; set to NULL on error
 * @retval 0
 * @retval UV_EINVAL           `loop` or `worker` is NULL
 * @retval UV_ENOENT           this process is not a worker
 * @retval UV_EALREADY         it has joined already, or has left
 * @retval UV_EPROTONOSUPPORT  the primary's libdgram has another version of the protocol
 * @retval UV_ENOMEM
 * @return or an error of uv_poll_init()
 */
DGRAM_EXTERN int dgram_worker_join(uv_loop_t *loop, dgram_worker_disconnect_cb on_disconnect,
                                   void *context, dgram_worker_t **worker);

/**
 * Returns the id by which the primary knows this worker.
 * @param worker the connection
 * @return the id, 1 or more; 0 when `worker` is NULL
 * @see Node.js, cluster: cluster.worker
 */
DGRAM_EXTERN int dgram_worker_id(const dgram_worker_t *worker);

/**
 * Ends the connection, from the loop, as if the primary had disconnected the worker.
 * @param worker the connection; no effect if it is NULL, or is ending already
 * @see Node.js, cluster: worker.disconnect()
 */
DGRAM_EXTERN void dgram_worker_leave(dgram_worker_t *worker);

/** @} */

#ifdef __cplusplus
}
#endif

#endif

/*
 * A primary: the processes of its workers, and their connections.
 *
 *   worker    FORKED -> ONLINE -> DISCONNECTED
 *             FORKED -> DISCONNECTED             it has never joined
 *   cluster   OPEN -> CLOSING -> CLOSED
 *
 * 1. A cluster is created, and workers are forked: a channel, an environment, a process.
 * 2. A wake-up of a worker's channel reads frames; a request gets a reply.
 * 3. The channel ends, then the process; each is reported. A process that ends first is read to
 *    its last frame.
 * 4. A cluster that closes disconnects its workers, and is freed when the last one has ended.
 *
 * A worker is not trusted: each frame is checked, and a worker that breaks the protocol is killed.
 * While a reply waits because the worker does not read, none of its frames are read either. Its
 * connection and its process end independently; it is freed when the handles of both are closed.
 */
#include "primary.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "descriptor.h"
#include "sharing.h"
#include "worker_env.h"

static void primary_set_worker_state(struct dgram__worker_process *worker,
                                     enum dgram__worker_state state) {
  assert(worker->state < state);
  worker->state = state;
}

static void primary_set_state(dgram_cluster_t *cluster, enum dgram__cluster_state state) {
  assert(cluster->state + 1 == state);
  cluster->state = state;
}

/* ---- 1. creating ---- */

/* What dgram_cluster_options_t ended with in version 0.3, its first. */
#define OPTIONS_SIZE_0_3 (offsetof(dgram_cluster_options_t, context) + sizeof(void *))

static void primary_free(dgram_cluster_t *cluster) {
  dgram__shared_sockets_forbid_all(&cluster->shared);
  free(cluster->args);
  free(cluster->file);
  free(cluster);
}

/* Copies the path of the program to run: as given, or this process's. */
static int primary_copy_file(dgram_cluster_t *cluster) {
  char path[PATH_MAX];
  size_t size = sizeof path;
  const char *file = cluster->options.file;
  if (file == NULL) {
    int err = uv_exepath(path, &size);
    if (err != 0)
      return err;
    file = path;
  }
  cluster->file = strdup(file);
  return cluster->file != NULL ? 0 : UV_ENOMEM;
}

int dgram_cluster_create(uv_loop_t *loop, const dgram_cluster_options_t *options,
                         dgram_cluster_t **cluster) {
  dgram_cluster_options_t read = dgram_default_cluster_options(NULL);
  if (cluster == NULL)
    return UV_EINVAL;
  *cluster = NULL;
  /* Another size is that of no version, and may end inside a member. */
  if (loop == NULL || options == NULL ||
      (options->struct_size != OPTIONS_SIZE_0_3 && options->struct_size != sizeof read))
    return UV_EINVAL;
  memcpy(&read, options, options->struct_size);
  if (read.args == NULL || read.args[0] == NULL)
    return UV_EINVAL;
  dgram_cluster_t *made = calloc(1, sizeof *made);
  if (made == NULL)
    return UV_ENOMEM;
  made->options = read;
  made->loop = loop;
  made->shared.limit =
      read.most_sockets > 0 ? read.most_sockets : dgram__shared_sockets_default_limit();
  made->args = dgram__strings_copy(read.args);
  int err = made->args != NULL ? primary_copy_file(made) : UV_ENOMEM;
  if (err != 0) {
    primary_free(made);
    return err;
  }
  uv_timer_init(loop, &made->grace);
  made->grace.data = made;
  *cluster = made;
  return 0;
}

/* ---- 1. forking ---- */

static void primary_close_if_empty(dgram_cluster_t *cluster);

static void primary_free_worker(struct dgram__worker_process *worker) {
  dgram_cluster_t *cluster = worker->cluster;
  free(worker->env);
  free(worker);
  cluster->count--;
  primary_close_if_empty(cluster);
}

static void primary_on_handle_closed(uv_handle_t *handle) {
  struct dgram__worker_process *worker = handle->data;
  if (--worker->open_handles == 0)
    primary_free_worker(worker);
}

static void primary_close_channel(struct dgram__worker_process *worker) {
  uv_close((uv_handle_t *)&worker->poll, primary_on_handle_closed);
  dgram__channel_close(&worker->channel);
}

/* Makes the channel; `theirs` gets the worker's end of it. */
static int primary_open_channel(struct dgram__worker_process *worker, int *theirs) {
  int fds[2];
  int err = dgram__descriptor_pair(fds);
  if (err != 0)
    return err;
  /*
   * Replies that the worker does not read keep descriptors in flight, of which the kernel allows a
   * user only so many (ETOOMANYREFS); so the smallest buffer, to which the kernel raises this.
   */
  int bytes = 1;
  (void)setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
  err = uv_poll_init(worker->cluster->loop, &worker->poll, fds[0]);
  if (err != 0) {
    close(fds[0]);
    close(fds[1]);
    return err;
  }
  worker->poll.data = worker;
  worker->open_handles = 1;
  dgram__channel_init(&worker->channel, fds[0]);
  *theirs = fds[1];
  return 0;
}

/*
 * Opens /dev/null under the standard numbers that are closed: libuv aborts if what it opens for the
 * new process gets them. Returns how many, the lowest ones, which `fds` gets.
 */
static int primary_fill_standard(int fds[STDERR_FILENO + 1]) {
  int count = 0;
  int fd;
  while ((fd = open("/dev/null", O_RDWR | O_CLOEXEC)) >= 0 && fd <= STDERR_FILENO)
    fds[count++] = fd;
  if (fd >= 0)
    close(fd);
  return count;
}

static void primary_on_process_exit(uv_process_t *process, int64_t status, int signum);

static int primary_spawn(struct dgram__worker_process *worker, int channel) {
  dgram_cluster_t *cluster = worker->cluster;
  char **env = dgram__worker_env_make(worker->id, channel, worker->env);
  if (env == NULL)
    return UV_ENOMEM;
  uv_stdio_container_t stdio[] = {
      [DGRAM__CHANNEL_FD] = {.flags = UV_INHERIT_FD, .data.fd = channel}};
  /*
   * The worker inherits the standard descriptors, or gets /dev/null (UV_IGNORE). What a program
   * opens after it has closed one gets its number, but is close-on-exec, and is not inherited: a
   * worker would make it blocking for both.
   */
  for (int fd = 0; fd <= STDERR_FILENO; fd++) {
    int flags = fcntl(fd, F_GETFD);
    bool inheritable = flags >= 0 && (flags & FD_CLOEXEC) == 0;
    stdio[fd].flags = inheritable ? UV_INHERIT_FD : UV_IGNORE;
    stdio[fd].data.fd = fd;
  }
  const uv_process_options_t options = {.exit_cb = primary_on_process_exit,
                                        .file = cluster->file,
                                        .args = cluster->args,
                                        .env = env,
                                        .stdio_count = sizeof stdio / sizeof *stdio,
                                        .stdio = stdio};
  worker->process.data = worker;
  worker->open_handles++;
  int filled[STDERR_FILENO + 1];
  int count = primary_fill_standard(filled);
  int err = uv_spawn(cluster->loop, &worker->process, &options);
  while (count > 0)
    close(filled[--count]);
  if (err != 0) /* libuv has initialised the handle nevertheless */
    uv_close((uv_handle_t *)&worker->process, primary_on_handle_closed);
  free(env);
  return err;
}

int dgram_cluster_fork(dgram_cluster_t *cluster, char *const env[]) {
  if (cluster == NULL)
    return UV_EINVAL;
  if (cluster->state != DGRAM__CLUSTER_OPEN)
    return UV_ECANCELED;
  int err = dgram__worker_env_check(); /* else it would take itself for a primary, and fork */
  if (err != 0)
    return err;
  struct dgram__worker_process *worker = calloc(1, sizeof *worker);
  if (worker == NULL)
    return UV_ENOMEM;
  cluster->count++;
  worker->cluster = cluster;
  worker->id = cluster->last_id + 1;
  worker->env = dgram__strings_copy(env);
  int theirs;
  err = worker->env != NULL ? primary_open_channel(worker, &theirs) : UV_ENOMEM;
  if (err != 0) {
    primary_free_worker(worker);
    return err;
  }
  err = primary_spawn(worker, theirs);
  close(theirs);
  if (err != 0) { /* it is freed when its handles are closed */
    primary_close_channel(worker);
    return err;
  }
  dgram__list_append(&cluster->workers, &worker->node);
  cluster->last_id = worker->id;
  dgram__primary_write(worker);
  return worker->id;
}

/* ---- 2. frames ---- */

static void primary_reply(struct dgram__worker_process *worker, uint32_t number, int status,
                          int fd) {
  struct dgram__frame frame = {.kind = DGRAM__FRAME_REPLY, .number = number, .status = status};
  /* An error is found when the channel is read or written next. */
  (void)dgram__channel_send(&worker->channel, &frame, fd);
}

static int primary_on_listening(struct dgram__worker_process *worker, uint32_t number) {
  dgram_cluster_t *cluster = worker->cluster;
  const struct dgram__lease *lease = dgram__leases_find(&worker->leases, number);
  if (lease == NULL)
    return UV_EPROTO;
  int replaced = worker->replaces;
  worker->replaces = 0;
  if (replaced != 0)
    (void)dgram_cluster_disconnect(cluster, replaced); /* UV_ESRCH: it has ended already */
  if (cluster->options.on_listening != NULL) {
    dgram_address_t address;
    dgram__address_describe(&lease->socket->name, &address);
    cluster->options.on_listening(cluster, worker->id, &address, cluster->options.context);
  }
  return 0;
}

static int primary_on_frame(struct dgram__worker_process *worker,
                            const struct dgram__frame *frame) {
  dgram_cluster_t *cluster = worker->cluster;
  const struct dgram__lease *lease = NULL;
  int err = UV_EPROTO;
  switch (frame->kind) {
  case DGRAM__FRAME_ONLINE:
    if (worker->state != DGRAM__WORKER_FORKED)
      return UV_EPROTO;
    primary_set_worker_state(worker, DGRAM__WORKER_ONLINE);
    if (cluster->options.on_online != NULL)
      cluster->options.on_online(cluster, worker->id, cluster->options.context);
    return 0;
  case DGRAM__FRAME_REQUEST:
    if (frame->address.any.sa_family != AF_UNSPEC)
      err = dgram__shared_sockets_lease(&cluster->shared, &worker->leases, frame, &lease);
    if (err == UV_EPROTO)
      return err;
    if (err == 0 && frame->fd > 0) /* a socket of this loop may have it */
      dgram__lend_descriptor(cluster->loop, frame->fd);
    primary_reply(worker, frame->number, err, err == 0 ? lease->socket->fd : -1);
    return 0;
  case DGRAM__FRAME_LISTENING:
    return primary_on_listening(worker, frame->number);
  case DGRAM__FRAME_RELEASE:
    return dgram__shared_sockets_release(&cluster->shared, &worker->leases, frame->number)
               ? 0
               : UV_EPROTO;
  default: /* no worker sends it */
    return UV_EPROTO;
  }
}

static int primary_read(struct dgram__worker_process *worker) {
  struct dgram__frame frame;
  for (int i = 0; i < DGRAM__CHANNEL_BUDGET && !dgram__channel_busy(&worker->channel); i++) {
    int got = dgram__channel_receive(&worker->channel, &frame, NULL);
    int err = got > 0 ? primary_on_frame(worker, &frame) : got;
    if (got <= 0 || err != 0)
      return err;
  }
  return 0;
}

static void primary_disconnect(struct dgram__worker_process *worker);

static void primary_on_poll(uv_poll_t *poll, int status, int events) {
  struct dgram__worker_process *worker = poll->data;
  struct dgram__frame unsent;
  int err = dgram__channel_resume(&worker->channel);
  /*
   * ETOOMANYREFS: workers that do not read have all the descriptors in flight that the kernel
   * allows a user. Nothing of the reply was sent, so EMFILE is sent in its place.
   */
  if (err == -ETOOMANYREFS) {
    err = 0;
    if (dgram__frame_read(&unsent, worker->channel.out)) {
      dgram__shared_sockets_release(&worker->cluster->shared, &worker->leases, unsent.number);
      primary_reply(worker, unsent.number, UV_EMFILE, -1);
    }
  }
  if (err == 0)
    err = primary_read(worker);
  if (err == 0)
    err = status;
  if (err == UV_EPROTO && !worker->exited)
    uv_process_kill(&worker->process, SIGKILL);
  if (err != 0)
    primary_disconnect(worker);
  else
    dgram__primary_write(worker);
}

/* Sends the frame that is queued, and watches the channel. */
void dgram__primary_write(struct dgram__worker_process *worker) {
  struct dgram__channel *channel = &worker->channel;
  const struct dgram__frame frame = {.kind = DGRAM__FRAME_DISCONNECT};
  if (worker->disconnect_queued && !dgram__channel_busy(channel)) {
    worker->disconnect_queued = false;
    (void)dgram__channel_send(channel, &frame, -1);
  }
  uv_poll_start(&worker->poll, dgram__channel_busy(channel) ? UV_WRITABLE : UV_READABLE,
                primary_on_poll);
  uv_unref((uv_handle_t *)&worker->poll); /* the process keeps the loop alive */
}

/* ---- the workers that run ---- */

int dgram_cluster_share_fd(dgram_cluster_t *cluster, int fd) {
  if (cluster == NULL || fd <= 0)
    return UV_EINVAL;
  return dgram__shared_sockets_allow(&cluster->shared, fd);
}

int dgram_cluster_unshare_fd(dgram_cluster_t *cluster, int fd) {
  if (cluster == NULL)
    return UV_EINVAL;
  return dgram__shared_sockets_forbid(&cluster->shared, fd) ? 0 : UV_ENOENT;
}

int dgram_cluster_next(const dgram_cluster_t *cluster, int id) {
  if (cluster == NULL)
    return 0;
  DGRAM__LIST_FOR_EACH (worker, &cluster->workers, struct dgram__worker_process, node)
    if (worker->id > id)
      return worker->id;
  return 0;
}

/* Finds the worker with this id. Returns 0, UV_EINVAL without a cluster, or UV_ESRCH. */
static int primary_find(const dgram_cluster_t *cluster, int id,
                        struct dgram__worker_process **found) {
  if (cluster == NULL)
    return UV_EINVAL;
  DGRAM__LIST_FOR_EACH (worker, &cluster->workers, struct dgram__worker_process, node) {
    if (worker->id == id) {
      *found = worker;
      return 0;
    }
  }
  return UV_ESRCH;
}

int dgram_cluster_pid(const dgram_cluster_t *cluster, int id) {
  struct dgram__worker_process *worker;
  int err = primary_find(cluster, id, &worker);
  return err == 0 ? uv_process_get_pid(&worker->process) : err;
}

int dgram_cluster_kill(dgram_cluster_t *cluster, int id, int signum) {
  struct dgram__worker_process *worker;
  int err = primary_find(cluster, id, &worker);
  if (err != 0)
    return err;
  return worker->exited ? UV_ESRCH : uv_process_kill(&worker->process, signum);
}

int dgram_cluster_restart(dgram_cluster_t *cluster, int id) {
  struct dgram__worker_process *worker;
  int err = primary_find(cluster, id, &worker);
  if (err != 0)
    return err;
  int replacement = dgram_cluster_fork(cluster, worker->env);
  if (replacement > 0 && primary_find(cluster, replacement, &worker) == 0)
    worker->replaces = id;
  return replacement;
}

/* ---- 3. the end of a worker ---- */

static void primary_request_disconnect(struct dgram__worker_process *worker) {
  if (worker->state == DGRAM__WORKER_DISCONNECTED)
    return;
  worker->disconnect_queued = true;
  dgram__primary_write(worker);
}

int dgram_cluster_disconnect(dgram_cluster_t *cluster, int id) {
  struct dgram__worker_process *worker;
  int err = primary_find(cluster, id, &worker);
  if (err == 0)
    primary_request_disconnect(worker);
  return err;
}

/* The connection has ended. */
static void primary_disconnect(struct dgram__worker_process *worker) {
  dgram_cluster_t *cluster = worker->cluster;
  primary_set_worker_state(worker, DGRAM__WORKER_DISCONNECTED);
  primary_close_channel(worker);
  dgram__shared_sockets_release_all(&cluster->shared, &worker->leases);
  if (cluster->options.on_disconnect != NULL)
    cluster->options.on_disconnect(cluster, worker->id, cluster->options.context);
}

static void primary_on_process_exit(uv_process_t *process, int64_t status, int signum) {
  struct dgram__worker_process *worker = process->data;
  dgram_cluster_t *cluster = worker->cluster;
  worker->exited = true;
  if (worker->state != DGRAM__WORKER_DISCONNECTED) {
    (void)primary_read(worker);
    primary_disconnect(worker);
  }
  if (cluster->options.on_exit != NULL)
    cluster->options.on_exit(cluster, worker->id, status, signum, cluster->options.context);
  dgram__list_remove(&cluster->workers, &worker->node);
  uv_close((uv_handle_t *)&worker->process, primary_on_handle_closed);
}

/* ---- 4. the end of the cluster ---- */

static void primary_on_timer_closed(uv_handle_t *handle) {
  dgram_cluster_t *cluster = handle->data;
  dgram_cluster_close_cb on_close = cluster->on_close;
  void *context = cluster->close_context;
  primary_free(cluster);
  if (on_close != NULL)
    on_close(context);
}

static void primary_close_if_empty(dgram_cluster_t *cluster) {
  if (cluster->state != DGRAM__CLUSTER_CLOSING || cluster->count > 0)
    return;
  assert(dgram__list_is_empty(&cluster->workers) && cluster->shared.count == 0);
  primary_set_state(cluster, DGRAM__CLUSTER_CLOSED);
  uv_close((uv_handle_t *)&cluster->grace, primary_on_timer_closed);
}

static void primary_on_grace_over(uv_timer_t *timer) {
  const dgram_cluster_t *cluster = timer->data;
  DGRAM__LIST_FOR_EACH (worker, &cluster->workers, struct dgram__worker_process, node)
    if (!worker->exited)
      uv_process_kill(&worker->process, SIGKILL);
}

int dgram_cluster_close(dgram_cluster_t *cluster, uint64_t grace_ms,
                        dgram_cluster_close_cb callback, void *context) {
  if (cluster == NULL)
    return UV_EINVAL;
  if (cluster->state != DGRAM__CLUSTER_OPEN)
    return UV_EALREADY;
  primary_set_state(cluster, DGRAM__CLUSTER_CLOSING);
  cluster->on_close = callback;
  cluster->close_context = context;
  DGRAM__LIST_FOR_EACH (worker, &cluster->workers, struct dgram__worker_process, node)
    primary_request_disconnect(worker);
  uv_timer_start(&cluster->grace, primary_on_grace_over, grace_ms, 0);
  primary_close_if_empty(cluster);
  return 0;
}

/*
 * A primary: starts workers, knows them by their ids, and tells how they end.
 */
#include "primary.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "descriptor.h"
#include "worker_env.h"

static struct dgram__worker_process *primary_find(const dgram_cluster_t *cluster, int id) {
  struct dgram__worker_process *worker = cluster->workers;
  while (worker != NULL && worker->id != id)
    worker = worker->next;
  return worker;
}

/* ---- the end of a worker, and of the cluster ---- */

static void primary_free_cluster(dgram_cluster_t *cluster) {
  dgram__shared_sockets_forbid_all(&cluster->shares);
  free(cluster->args);
  free(cluster->file);
  free(cluster);
}

static void primary_on_timer_closed(uv_handle_t *handle) {
  dgram_cluster_t *cluster = handle->data;
  dgram_cluster_close_cb on_close = cluster->on_close;
  void *context = cluster->close_context;
  primary_free_cluster(cluster);
  if (on_close != NULL)
    on_close(context);
}

static void primary_close_if_empty(dgram_cluster_t *cluster) {
  if (cluster->closing && cluster->count == 0)
    uv_close((uv_handle_t *)&cluster->grace, primary_on_timer_closed);
}

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

void dgram__primary_disconnect(struct dgram__worker_process *worker) {
  dgram_cluster_t *cluster = worker->cluster;
  worker->connected = false;
  primary_close_channel(worker);
  dgram__shared_sockets_take_all(&cluster->shares, &worker->holder);
  if (cluster->options.on_disconnect != NULL)
    cluster->options.on_disconnect(cluster, worker->id, cluster->options.context);
}

static void primary_forget(struct dgram__worker_process *worker) {
  struct dgram__worker_process **at = &worker->cluster->workers;
  while (*at != worker)
    at = &(*at)->next;
  *at = worker->next;
  uv_close((uv_handle_t *)&worker->process, primary_on_handle_closed);
}

/* What the worker has said before its end may not have been read yet. */
static void primary_on_process_exit(uv_process_t *process, int64_t status, int signum) {
  struct dgram__worker_process *worker = process->data;
  dgram_cluster_t *cluster = worker->cluster;
  worker->exited = true;
  if (worker->connected) {
    (void)dgram__primary_read(worker);
    dgram__primary_disconnect(worker);
  }
  if (cluster->options.on_exit != NULL)
    cluster->options.on_exit(cluster, worker->id, status, signum, cluster->options.context);
  primary_forget(worker);
}

/* ---- starting a worker ---- */

static struct dgram__worker_process *primary_new_worker(dgram_cluster_t *cluster,
                                                        char *const env[]) {
  struct dgram__worker_process *worker = calloc(1, sizeof *worker);
  if (worker == NULL)
    return NULL;
  worker->cluster = cluster;
  worker->id = cluster->last_id + 1;
  worker->env = dgram__texts_copy(env);
  if (worker->env == NULL) {
    free(worker);
    return NULL;
  }
  cluster->count++;
  return worker;
}

/*
 * Answers that the worker does not read hold descriptors in the system, which lets a user have only
 * so many on their way: a few will do.
 */
static void primary_keep_short(int fd) {
  int bytes = 1; /* which the system raises to the least that it can do with */
  (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
}

/* Makes the channel; `theirs` gets the worker's end of it. */
static int primary_open_channel(struct dgram__worker_process *worker, int *theirs) {
  int fds[2];
  int err = dgram__descriptor_pair(fds);
  if (err != 0)
    return err;
  primary_keep_short(fds[0]);
  err = uv_poll_init(worker->cluster->loop, &worker->poll, fds[0]);
  if (err != 0) {
    close(fds[0]);
    close(fds[1]);
    return err;
  }
  worker->poll.data = worker;
  worker->open_handles = 1;
  worker->connected = true;
  dgram__channel_init(&worker->channel, fds[0]);
  *theirs = fds[1];
  return 0;
}

/*
 * The primary's own standard input, output or error, or /dev/null in its place. What a program
 * opens after it has closed one of these gets its number; that is close-on-exec, and a worker that
 * had it would make it blocking for both.
 */
static uv_stdio_container_t primary_inherited(int fd) {
  int flags = fcntl(fd, F_GETFD);
  bool inheritable = flags >= 0 && (flags & FD_CLOEXEC) == 0;
  return (uv_stdio_container_t){.flags = inheritable ? UV_INHERIT_FD : UV_IGNORE, .data.fd = fd};
}

/*
 * Opens /dev/null under the standard numbers that are free: libuv aborts if what it opens for the
 * new process gets them. Returns how many, the lowest free ones, which `fds` gets.
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

static int primary_spawn_with(struct dgram__worker_process *worker, char **env, int channel) {
  dgram_cluster_t *cluster = worker->cluster;
  uv_stdio_container_t stdio[] = {
      [STDIN_FILENO] = primary_inherited(STDIN_FILENO),
      [STDOUT_FILENO] = primary_inherited(STDOUT_FILENO),
      [STDERR_FILENO] = primary_inherited(STDERR_FILENO),
      [DGRAM__CHANNEL_FD] = {.flags = UV_INHERIT_FD, .data.fd = channel},
  };
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
  if (err != 0) /* libuv knows the handle nevertheless */
    uv_close((uv_handle_t *)&worker->process, primary_on_handle_closed);
  return err;
}

static int primary_spawn(struct dgram__worker_process *worker, int channel) {
  char **env = dgram__worker_env_make(worker->id, channel, worker->env);
  if (env == NULL)
    return UV_ENOMEM;
  int err = primary_spawn_with(worker, env, channel);
  free(env);
  return err;
}

/* On error nothing is left of the worker, or it will go with its handles. */
static int primary_start(struct dgram__worker_process *worker) {
  int theirs;
  int err = primary_open_channel(worker, &theirs);
  if (err != 0) {
    primary_free_worker(worker);
    return err;
  }
  err = primary_spawn(worker, theirs);
  close(theirs);
  if (err != 0)
    primary_close_channel(worker);
  return err;
}

static void primary_enlist(struct dgram__worker_process *worker) {
  dgram_cluster_t *cluster = worker->cluster;
  struct dgram__worker_process **end = &cluster->workers;
  while (*end != NULL)
    end = &(*end)->next;
  *end = worker;
  cluster->last_id = worker->id;
  dgram__primary_write(worker);
}

/* ---- the public functions ---- */

/* What dgram_cluster_options_t ended with in version 0.3, its first. */
#define OPTIONS_SIZE_0_3 (offsetof(dgram_cluster_options_t, context) + sizeof(void *))

/* A size that the struct never had ends inside a member, and is refused. */
static int primary_read_options(dgram_cluster_options_t *options,
                                const dgram_cluster_options_t *given) {
  if (given == NULL ||
      (given->struct_size != OPTIONS_SIZE_0_3 && given->struct_size != sizeof *options))
    return UV_EINVAL;
  *options = dgram_default_cluster_options(NULL);
  memcpy(options, given, given->struct_size);
  return options->args != NULL && options->args[0] != NULL ? 0 : UV_EINVAL;
}

/* The program to run: as given, or this one. */
static int primary_choose_file(dgram_cluster_t *cluster) {
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
  dgram_cluster_options_t read;
  if (cluster == NULL)
    return UV_EINVAL;
  *cluster = NULL;
  if (loop == NULL || primary_read_options(&read, options) != 0)
    return UV_EINVAL;
  dgram_cluster_t *created = calloc(1, sizeof *created);
  if (created == NULL)
    return UV_ENOMEM;
  created->options = read;
  created->loop = loop;
  created->shares.most = read.most_sockets > 0 ? read.most_sockets : dgram__shared_sockets_most();
  created->args = dgram__texts_copy(read.args);
  int err = created->args != NULL ? primary_choose_file(created) : UV_ENOMEM;
  if (err != 0) {
    primary_free_cluster(created);
    return err;
  }
  uv_timer_init(loop, &created->grace);
  created->grace.data = created;
  *cluster = created;
  return 0;
}

int dgram_cluster_fork(dgram_cluster_t *cluster, char *const env[]) {
  if (cluster == NULL)
    return UV_EINVAL;
  if (cluster->closing)
    return UV_ECANCELED;
  int err = dgram__worker_env_check(); /* it would take itself for a primary, and so on */
  if (err != 0)
    return err;
  struct dgram__worker_process *worker = primary_new_worker(cluster, env);
  if (worker == NULL)
    return UV_ENOMEM;
  err = primary_start(worker);
  if (err != 0)
    return err;
  primary_enlist(worker);
  return worker->id;
}

int dgram_cluster_share_fd(dgram_cluster_t *cluster, int fd) {
  if (cluster == NULL || fd <= 0)
    return UV_EINVAL;
  return dgram__shared_sockets_allow(&cluster->shares, fd);
}

int dgram_cluster_unshare_fd(dgram_cluster_t *cluster, int fd) {
  if (cluster == NULL)
    return UV_EINVAL;
  return dgram__shared_sockets_forbid(&cluster->shares, fd) ? 0 : UV_ENOENT;
}

int dgram_cluster_next(const dgram_cluster_t *cluster, int id) {
  const struct dgram__worker_process *worker = cluster != NULL ? cluster->workers : NULL;
  while (worker != NULL && worker->id <= id)
    worker = worker->next;
  return worker != NULL ? worker->id : 0;
}

/* The worker of this id, or why there is none. */
static int primary_look_for(const dgram_cluster_t *cluster, int id,
                            struct dgram__worker_process **worker) {
  if (cluster == NULL)
    return UV_EINVAL;
  *worker = primary_find(cluster, id);
  return *worker != NULL ? 0 : UV_ESRCH;
}

int dgram_cluster_pid(const dgram_cluster_t *cluster, int id) {
  struct dgram__worker_process *worker;
  int err = primary_look_for(cluster, id, &worker);
  return err == 0 ? uv_process_get_pid(&worker->process) : err;
}

static void primary_ask_to_disconnect(struct dgram__worker_process *worker) {
  if (!worker->connected)
    return;
  worker->to_disconnect = true;
  dgram__primary_write(worker);
}

int dgram_cluster_disconnect(dgram_cluster_t *cluster, int id) {
  struct dgram__worker_process *worker;
  int err = primary_look_for(cluster, id, &worker);
  if (err == 0)
    primary_ask_to_disconnect(worker);
  return err;
}

int dgram_cluster_kill(dgram_cluster_t *cluster, int id, int signum) {
  struct dgram__worker_process *worker;
  int err = primary_look_for(cluster, id, &worker);
  if (err != 0)
    return err;
  return worker->exited ? UV_ESRCH : uv_process_kill(&worker->process, signum);
}

int dgram_cluster_restart(dgram_cluster_t *cluster, int id) {
  struct dgram__worker_process *worker;
  int err = primary_look_for(cluster, id, &worker);
  if (err != 0)
    return err;
  int replacement = dgram_cluster_fork(cluster, worker->env);
  if (replacement > 0)
    primary_find(cluster, replacement)->replaces = id;
  return replacement;
}

static void primary_on_grace_over(uv_timer_t *timer) {
  const dgram_cluster_t *cluster = timer->data;
  for (struct dgram__worker_process *at = cluster->workers; at != NULL; at = at->next)
    if (!at->exited)
      uv_process_kill(&at->process, SIGKILL);
}

int dgram_cluster_close(dgram_cluster_t *cluster, uint64_t grace_ms,
                        dgram_cluster_close_cb callback, void *context) {
  if (cluster == NULL)
    return UV_EINVAL;
  if (cluster->closing)
    return UV_EALREADY;
  cluster->closing = true;
  cluster->on_close = callback;
  cluster->close_context = context;
  for (struct dgram__worker_process *at = cluster->workers; at != NULL; at = at->next)
    primary_ask_to_disconnect(at);
  uv_timer_start(&cluster->grace, primary_on_grace_over, grace_ms, 0);
  primary_close_if_empty(cluster);
  return 0;
}

/*
 * A primary: it starts workers, hears what they say, and gives them the sockets that they share.
 * A worker is not trusted: what it says is checked, one that breaks the rules is killed, and while
 * it does not read its answers it is not heard.
 */
#include <dgram_cluster.h>

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "channel.h"
#include "datapath.h"
#include "shares.h"
#include "spawn.h"

enum { MOST_FRAMES = 64 }; /* of one worker at a time, so that none keeps the others waiting */

struct worker {
  struct worker *next;
  dgram_cluster_t *cluster;
  int id;
  int replaces; /* the worker that shall go when this one listens; or 0 */
  char **env;   /* that was added */
  uv_process_t process;
  uv_poll_t poll; /* of the channel */
  unsigned open_handles;
  struct dgram__channel channel;
  struct dgram__holder holder;
  bool online;
  bool connected;     /* until 'disconnect' */
  bool to_disconnect; /* it is to be asked, once the channel is free */
  bool exited;
};

struct dgram_cluster {
  dgram_cluster_options_t options;
  char **args;
  char *file;
  uv_loop_t *loop;
  struct worker *workers; /* in the order of their ids */
  unsigned count;         /* of those whose memory is not gone */
  int last_id;
  struct dgram__shares shares;
  uv_timer_t grace;
  bool closing;
  dgram_cluster_close_cb on_close;
  void *close_context;
};

static struct worker *find(const dgram_cluster_t *cluster, int id) {
  struct worker *worker = cluster->workers;
  while (worker != NULL && worker->id != id)
    worker = worker->next;
  return worker;
}

/* ---- the end of a worker, and of the cluster ---- */

static void free_cluster(dgram_cluster_t *cluster) {
  free(cluster->args);
  free(cluster->file);
  free(cluster);
}

static void on_timer_closed(uv_handle_t *handle) {
  dgram_cluster_t *cluster = handle->data;
  dgram_cluster_close_cb on_close = cluster->on_close;
  void *context = cluster->close_context;
  free_cluster(cluster);
  if (on_close != NULL)
    on_close(context);
}

static void close_if_empty(dgram_cluster_t *cluster) {
  if (cluster->closing && cluster->count == 0)
    uv_close((uv_handle_t *)&cluster->grace, on_timer_closed);
}

static void free_worker(struct worker *worker) {
  dgram_cluster_t *cluster = worker->cluster;
  free(worker->env);
  free(worker);
  cluster->count--;
  close_if_empty(cluster);
}

static void on_handle_closed(uv_handle_t *handle) {
  struct worker *worker = handle->data;
  if (--worker->open_handles == 0)
    free_worker(worker);
}

static void close_channel(struct worker *worker) {
  uv_close((uv_handle_t *)&worker->poll, on_handle_closed);
  dgram__channel_close(&worker->channel);
}

static void disconnect(struct worker *worker) {
  dgram_cluster_t *cluster = worker->cluster;
  worker->connected = false;
  close_channel(worker);
  dgram__shares_take_all(&cluster->shares, &worker->holder);
  if (cluster->options.on_disconnect != NULL)
    cluster->options.on_disconnect(cluster, worker->id, cluster->options.context);
}

static void forget(struct worker *worker) {
  struct worker **at = &worker->cluster->workers;
  while (*at != worker)
    at = &(*at)->next;
  *at = worker->next;
  uv_close((uv_handle_t *)&worker->process, on_handle_closed);
}

/* ---- what a worker says ---- */

/* Asks for what is still to be asked, and waits for what the channel can do next. */
static void go_on(struct worker *worker);

static void answer(struct worker *worker, const struct dgram__frame *ask, int status, int fd) {
  struct dgram__frame frame = {.kind = DGRAM__ANSWER, .number = ask->number, .status = status};
  /* An error shows when the channel is read next. */
  (void)dgram__channel_send(&worker->channel, &frame, fd);
}

static int on_ask(struct worker *worker, const struct dgram__frame *ask) {
  const struct dgram__holding *holding = NULL;
  if (ask->address.any.sa_family == AF_UNSPEC)
    return UV_EPROTO;
  int err = dgram__shares_give(&worker->cluster->shares, &worker->holder, ask, &holding);
  if (err != UV_EPROTO)
    answer(worker, ask, err, err == 0 ? holding->shared->fd : -1);
  return err == UV_EPROTO ? err : 0;
}

static int on_online(struct worker *worker) {
  dgram_cluster_t *cluster = worker->cluster;
  if (worker->online)
    return UV_EPROTO;
  worker->online = true;
  if (cluster->options.on_online != NULL)
    cluster->options.on_online(cluster, worker->id, cluster->options.context);
  return 0;
}

static void tell_listening(struct worker *worker, const struct dgram__holding *holding) {
  dgram_cluster_t *cluster = worker->cluster;
  const struct dgram__path path = {.fd = holding->shared->fd};
  union dgram__address name;
  dgram_address_t address;
  if (cluster->options.on_listening == NULL || dgram__path_name(&path, false, &name) != 0)
    return;
  dgram__address_describe(&name, &address);
  cluster->options.on_listening(cluster, worker->id, &address, cluster->options.context);
}

static int on_listening(struct worker *worker, uint32_t number) {
  const struct dgram__holding *holding = dgram__shares_find(&worker->holder, number);
  if (holding == NULL)
    return UV_EPROTO;
  int replaced = worker->replaces;
  worker->replaces = 0;
  if (replaced != 0)
    (void)dgram_cluster_disconnect(worker->cluster, replaced); /* unless it has gone already */
  tell_listening(worker, holding);
  return 0;
}

static int on_frame(struct worker *worker, const struct dgram__frame *frame) {
  switch (frame->kind) {
  case DGRAM__ONLINE:
    return on_online(worker);
  case DGRAM__ASK:
    return on_ask(worker, frame);
  case DGRAM__LISTENING:
    return on_listening(worker, frame->number);
  case DGRAM__RELEASE:
    return dgram__shares_take(&worker->cluster->shares, &worker->holder, frame->number) ? 0
                                                                                        : UV_EPROTO;
  default: /* what only a primary says */
    return UV_EPROTO;
  }
}

/* Hears the worker while it takes the answers. Returns 0, or how the connection has ended. */
static int hear(struct worker *worker) {
  struct dgram__frame frame;
  for (int i = 0; i < MOST_FRAMES && !dgram__channel_busy(&worker->channel); i++) {
    int got = dgram__channel_receive(&worker->channel, &frame, NULL);
    int err = got > 0 ? on_frame(worker, &frame) : got;
    if (got <= 0 || err != 0)
      return err;
  }
  return 0;
}

static void on_poll(uv_poll_t *poll, int status, int events) {
  struct worker *worker = poll->data;
  int err = dgram__channel_resume(&worker->channel);
  if (err == 0)
    err = hear(worker);
  if (err == 0)
    err = status;
  if (err == UV_EPROTO && !worker->exited)
    uv_process_kill(&worker->process, SIGKILL);
  if (err != 0)
    disconnect(worker);
  else
    go_on(worker);
}

static void go_on(struct worker *worker) {
  struct dgram__channel *channel = &worker->channel;
  const struct dgram__frame frame = {.kind = DGRAM__DISCONNECT};
  if (worker->to_disconnect && !dgram__channel_busy(channel)) {
    worker->to_disconnect = false;
    (void)dgram__channel_send(channel, &frame, -1);
  }
  uv_poll_start(&worker->poll, dgram__channel_busy(channel) ? UV_WRITABLE : UV_READABLE, on_poll);
  uv_unref((uv_handle_t *)&worker->poll); /* the process keeps the loop alive */
}

/* What the worker has said before its end may not have been read yet. */
static void on_process_exit(uv_process_t *process, int64_t status, int signum) {
  struct worker *worker = process->data;
  dgram_cluster_t *cluster = worker->cluster;
  worker->exited = true;
  if (worker->connected) {
    (void)hear(worker);
    disconnect(worker);
  }
  if (cluster->options.on_exit != NULL)
    cluster->options.on_exit(cluster, worker->id, status, signum, cluster->options.context);
  forget(worker);
}

/* ---- starting a worker ---- */

static struct worker *new_worker(dgram_cluster_t *cluster, char *const env[]) {
  struct worker *worker = calloc(1, sizeof *worker);
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

/* Makes the channel; `theirs` gets the worker's end of it. */
static int open_channel(struct worker *worker, int *theirs) {
  int fds[2];
  int err = dgram__channel_pair(fds);
  if (err != 0)
    return err;
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

static int spawn(struct worker *worker, int channel) {
  dgram_cluster_t *cluster = worker->cluster;
  struct dgram__program program = {
      .file = cluster->file, .args = cluster->args, .on_exit = on_process_exit};
  program.env = dgram__worker_environment(worker->id, channel, worker->env);
  if (program.env == NULL)
    return UV_ENOMEM;
  worker->process.data = worker;
  worker->open_handles++;
  int err = dgram__spawn(cluster->loop, &worker->process, &program, channel);
  if (err != 0)
    uv_close((uv_handle_t *)&worker->process, on_handle_closed);
  free(program.env);
  return err;
}

/* On error nothing is left of the worker, or it will go with its handles. */
static int start(struct worker *worker) {
  int theirs;
  int err = open_channel(worker, &theirs);
  if (err != 0) {
    free_worker(worker);
    return err;
  }
  err = spawn(worker, theirs);
  close(theirs);
  if (err != 0)
    close_channel(worker);
  return err;
}

static void enlist(struct worker *worker) {
  dgram_cluster_t *cluster = worker->cluster;
  struct worker **end = &cluster->workers;
  while (*end != NULL)
    end = &(*end)->next;
  *end = worker;
  cluster->last_id = worker->id;
  go_on(worker);
}

/* ---- the public functions ---- */

static int read_options(dgram_cluster_options_t *options, const dgram_cluster_options_t *given) {
  if (given == NULL || given->struct_size != sizeof *options)
    return UV_EINVAL;
  *options = *given;
  return options->args != NULL && options->args[0] != NULL ? 0 : UV_EINVAL;
}

/* The program to run: as given, or this one. */
static int choose_file(dgram_cluster_t *cluster) {
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
  if (loop == NULL || read_options(&read, options) != 0)
    return UV_EINVAL;
  dgram_cluster_t *created = calloc(1, sizeof *created);
  if (created == NULL)
    return UV_ENOMEM;
  created->options = read;
  created->loop = loop;
  created->args = dgram__texts_copy(read.args);
  int err = created->args != NULL ? choose_file(created) : UV_ENOMEM;
  if (err != 0) {
    free_cluster(created);
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
  struct worker *worker = new_worker(cluster, env);
  if (worker == NULL)
    return UV_ENOMEM;
  int err = start(worker);
  if (err != 0)
    return err;
  enlist(worker);
  return worker->id;
}

int dgram_cluster_next(const dgram_cluster_t *cluster, int id) {
  const struct worker *worker = cluster != NULL ? cluster->workers : NULL;
  while (worker != NULL && worker->id <= id)
    worker = worker->next;
  return worker != NULL ? worker->id : 0;
}

/* The worker of this id, or why there is none. */
static int look_for(const dgram_cluster_t *cluster, int id, struct worker **worker) {
  if (cluster == NULL)
    return UV_EINVAL;
  *worker = find(cluster, id);
  return *worker != NULL ? 0 : UV_ESRCH;
}

int dgram_cluster_pid(const dgram_cluster_t *cluster, int id) {
  struct worker *worker;
  int err = look_for(cluster, id, &worker);
  return err == 0 ? uv_process_get_pid(&worker->process) : err;
}

int dgram_cluster_disconnect(dgram_cluster_t *cluster, int id) {
  struct worker *worker;
  int err = look_for(cluster, id, &worker);
  if (err != 0 || !worker->connected)
    return err;
  worker->to_disconnect = true;
  go_on(worker);
  return 0;
}

int dgram_cluster_kill(dgram_cluster_t *cluster, int id, int signum) {
  struct worker *worker;
  int err = look_for(cluster, id, &worker);
  if (err != 0)
    return err;
  return worker->exited ? UV_ESRCH : uv_process_kill(&worker->process, signum);
}

int dgram_cluster_restart(dgram_cluster_t *cluster, int id) {
  struct worker *worker;
  int err = look_for(cluster, id, &worker);
  if (err != 0)
    return err;
  int replacement = dgram_cluster_fork(cluster, worker->env);
  if (replacement > 0)
    find(cluster, replacement)->replaces = id;
  return replacement;
}

static void on_grace_over(uv_timer_t *timer) {
  const dgram_cluster_t *cluster = timer->data;
  for (struct worker *at = cluster->workers; at != NULL; at = at->next)
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
  for (struct worker *at = cluster->workers; at != NULL; at = at->next)
    dgram_cluster_disconnect(cluster, at->id);
  uv_timer_start(&cluster->grace, on_grace_over, grace_ms, 0);
  close_if_empty(cluster);
  return 0;
}

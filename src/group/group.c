/*
 * A group: sockets that share a port, each with a loop and a thread of its own.
 *
 *   opened by the caller's thread   loop, wake, socket: of each, in order; the port steers
 *   begun on its own thread         pinned, `on_start`
 *   running                         once all have begun: takes calls, receives
 *   ending                          `on_stop`; socket and wake closed; the loop runs until empty
 *   closed by the caller's thread   once all threads have ended
 *
 * Floor 3: knows the socket by <dgram.h> alone.
 */
#include <dgram_group.h>

#include "affinity.h"
#include "group_options.h"
#include "reuseport_bpf.h"

#include <stdbool.h>
#include <stdlib.h>

/* A function that is to run on a thread. */
struct call {
  struct call *next;
  dgram_group_cb callback;
  void *context;
};

/* One socket with its loop and thread. */
struct member {
  dgram_group_t *group;
  int index;
  uv_loop_t loop;
  dgram_socket_t *socket; /* NULL: none yet, or the program has closed it */
  uv_async_t wake;        /* there are calls, or it is to end; keeps the loop alive */
  uv_thread_t thread;
  int status;       /* what began as it should has 0; then `on_stop` is owed */
  bool loop_closed; /* and so nothing is left of it but this */

  uv_mutex_t lock; /* of what follows */
  bool running;    /* takes calls */
  bool stopping;
  struct call *first_call;
  struct call **last_call; /* where the next one is linked */
};

struct dgram_group {
  dgram_group_options_t options; /* what the threads need; what it points to may be gone */
  int cpus[DGRAM_GROUP_THREADS]; /* where each thread runs, if pinned */
  dgram_address_t address;
  uv_sem_t begun; /* posted by each thread once it has begun, well or ill */
  uv_sem_t go;    /* posted for each thread once all have */
  bool failed;    /* read after `go`: the group will not run */
  bool ended;     /* the threads are gone */
  int size;       /* members whose loop is open */
  struct member members[];
};

/* The group whose thread this is. */
static _Thread_local const dgram_group_t *own_group;

/* ---- on a member's thread ---- */

static struct call *group_take_calls(struct member *member, bool *stopping) {
  uv_mutex_lock(&member->lock);
  struct call *calls = member->first_call;
  member->first_call = NULL;
  member->last_call = &member->first_call;
  *stopping = member->stopping;
  if (member->stopping)
    member->running = false;
  uv_mutex_unlock(&member->lock);
  return calls;
}

static void group_run_calls(struct member *member, struct call *calls) {
  while (calls != NULL) {
    struct call call = *calls;
    free(calls);
    calls = call.next;
    call.callback(member->group, member->index, member->socket, call.context);
  }
}

/* What is the group's own on the loop goes; the loop then runs until the program's has gone too. */
static void group_member_end(struct member *member) {
  const dgram_group_options_t *options = &member->group->options;
  if (member->status == 0 && options->on_stop != NULL)
    options->on_stop(member->group, member->index, member->socket, options->context);
  if (member->socket != NULL)
    dgram_close(member->socket, NULL, NULL); /* nothing happens if the program just did */
  uv_close((uv_handle_t *)&member->wake, NULL);
}

static void group_on_wake(uv_async_t *wake) {
  struct member *member = wake->data;
  bool stopping;
  struct call *calls = group_take_calls(member, &stopping);
  group_run_calls(member, calls);
  if (stopping)
    group_member_end(member);
}

static void group_on_socket_closed(dgram_socket_t *socket, void *context) {
  struct member *member = context;
  member->socket = NULL;
}

static int group_member_begin(struct member *member) {
  dgram_group_t *group = member->group;
  int err = group->options.pin ? dgram__affinity_set(group->cpus[member->index]) : 0;
  if (err != 0)
    return err;
  return group->options.on_start(group, member->index, member->socket, group->options.context);
}

/* A program's uv_stop() does not end a thread. */
static void group_run_until_empty(uv_loop_t *loop) {
  while (uv_run(loop, UV_RUN_DEFAULT) != 0)
    continue;
}

static void group_member_thread(void *context) {
  struct member *member = context;
  dgram_group_t *group = member->group;
  own_group = group;
  member->status = group_member_begin(member);
  uv_sem_post(&group->begun);
  uv_sem_wait(&group->go);
  if (group->failed)
    group_member_end(member);
  group_run_until_empty(&member->loop);
}

/* ---- a member, on the caller's thread ---- */

/* Makes what member_end() needs, or nothing. */
static int group_member_open(struct member *member, dgram_group_t *group, int index) {
  member->group = group;
  member->index = index;
  member->status = UV_ECANCELED; /* until it has begun */
  member->last_call = &member->first_call;
  member->wake.data = member;
  int err = uv_loop_init(&member->loop);
  if (err != 0)
    return err;
  err = uv_async_init(&member->loop, &member->wake, group_on_wake);
  if (err == 0) {
    err = uv_mutex_init(&member->lock);
    if (err == 0)
      return 0;
    uv_close((uv_handle_t *)&member->wake, NULL);
    group_run_until_empty(&member->loop);
  }
  uv_loop_close(&member->loop);
  return err;
}

static int group_member_open_socket(struct member *member, const dgram_options_t *options, int port,
                                    const char *address) {
  int err = dgram_create_socket_options(&member->loop, options, NULL, NULL, &member->socket);
  if (err == 0)
    err = dgram_on_close(member->socket, group_on_socket_closed, member);
  if (err == 0)
    err = dgram_bind_sync(member->socket, port, address);
  return err;
}

/* After member_end() on whichever thread, and when that has gone. Returns whether it is closed. */
static bool group_member_close(struct member *member) {
  if (member->loop_closed)
    return true;
  if (uv_loop_close(&member->loop) != 0)
    return false;
  uv_mutex_destroy(&member->lock);
  member->loop_closed = true;
  return true;
}

/* ---- the group ---- */

static dgram_group_t *group_new_group(const dgram_group_options_t *options) {
  size_t room = sizeof(dgram_group_t) + (size_t)options->threads * sizeof(struct member);
  dgram_group_t *group = calloc(1, room);
  if (group == NULL)
    return NULL;
  group->options = *options;
  if (uv_sem_init(&group->begun, 0) != 0) {
    free(group);
    return NULL;
  }
  if (uv_sem_init(&group->go, 0) != 0) {
    uv_sem_destroy(&group->begun);
    free(group);
    return NULL;
  }
  return group;
}

/* Closes what is open. Returns whether that is all, and the group gone. */
static bool group_free(dgram_group_t *group) {
  bool closed = true;
  for (int i = 0; i < group->size; i++)
    closed = group_member_close(&group->members[i]) && closed;
  if (!closed)
    return false;
  uv_sem_destroy(&group->begun);
  uv_sem_destroy(&group->go);
  free(group);
  return true;
}

static int group_steer(const dgram_group_t *group) {
  const dgram_group_options_t *options = &group->options;
  int fd = dgram_fileno(group->members[0].socket);
  unsigned count = (unsigned)options->threads;
  switch (options->steer) {
  case DGRAM_STEER_FLOW:
    break;
  case DGRAM_STEER_CPU:
    return dgram__reuseport_by_cpu(fd, options->pin ? group->cpus : NULL, count);
  case DGRAM_STEER_PAYLOAD:
    return dgram__reuseport_by_payload(fd, (unsigned)options->payload_offset,
                                       (unsigned)options->payload_width, count);
  }
  return 0;
}

/*
 * A port that nobody has. For a socket with `reuse_port` the system may choose one that others
 * share, for one without never: so such a one chooses, and makes room.
 */
static int group_choose_port(uv_loop_t *loop, const dgram_options_t *options, const char *address,
                             int *port) {
  dgram_options_t alone = *options;
  dgram_address_t chosen;
  dgram_socket_t *scout;
  alone.reuse_port = 0;
  int err = dgram_create_socket_options(loop, &alone, NULL, NULL, &scout);
  if (err != 0)
    return err;
  err = dgram_bind_sync(scout, 0, address);
  if (err == 0)
    err = dgram_address(scout, &chosen);
  if (err == 0)
    *port = chosen.port;
  dgram_close(scout, NULL, NULL);
  return err;
}

/* The first socket takes the port; the others join it while it steers already. */
static int group_open_first(dgram_group_t *group, const dgram_options_t *socket_options) {
  struct member *first = &group->members[0];
  const char *address = group->options.address;
  int port = group->options.port;
  int err = port == 0 ? group_choose_port(&first->loop, socket_options, address, &port) : 0;
  if (err == 0)
    err = group_member_open_socket(first, socket_options, port, address);
  if (err == 0)
    err = dgram_address(first->socket, &group->address);
  return err == 0 ? group_steer(group) : err;
}

static int group_open(dgram_group_t *group, const dgram_options_t *socket_options) {
  const dgram_group_options_t *options = &group->options;
  int err = options->pin ? dgram__affinity_allowed(group->cpus, options->threads) : 0;
  for (int i = 0; err == 0 && i < options->threads; i++) {
    struct member *member = &group->members[i];
    err = group_member_open(member, group, i);
    if (err != 0)
      return err;
    group->size++;
    err = i == 0 ? group_open_first(group, socket_options)
                 : group_member_open_socket(member, socket_options, group->address.port,
                                            options->address);
  }
  return err;
}

/* Returns how many threads there are: fewer than wanted if the system refuses one. */
static int group_start_threads(dgram_group_t *group, int *err) {
  int count = 0;
  while (*err == 0 && count < group->size) {
    struct member *member = &group->members[count];
    *err = uv_thread_create(&member->thread, group_member_thread, member);
    count += *err == 0;
  }
  return count;
}

/* Returns the first error of one. */
static int group_await_begun(dgram_group_t *group, int threads) {
  int err = 0;
  for (int i = 0; i < threads; i++)
    uv_sem_wait(&group->begun);
  for (int i = 0; err == 0 && i < threads; i++)
    err = group->members[i].status;
  return err;
}

static void group_let_go(dgram_group_t *group, int threads) {
  for (int i = 0; i < threads; i++) {
    struct member *member = &group->members[i];
    uv_mutex_lock(&member->lock);
    member->running = !group->failed;
    uv_mutex_unlock(&member->lock);
  }
  for (int i = 0; i < threads; i++)
    uv_sem_post(&group->go);
}

static void group_join(dgram_group_t *group, int threads) {
  for (int i = 0; i < threads; i++)
    uv_thread_join(&group->members[i].thread);
}

/* No thread receives before all have begun. */
static int group_run(dgram_group_t *group, int *threads) {
  int err = 0;
  *threads = group_start_threads(group, &err);
  int begun = group_await_begun(group, *threads);
  err = err != 0 ? err : begun;
  group->failed = err != 0;
  group_let_go(group, *threads);
  return err;
}

/* What a failed on_start has left on its loop keeps the memory, which is lost then. */
static void group_abandon(dgram_group_t *group, int threads) {
  group_join(group, threads);
  for (int i = threads; i < group->size; i++) {
    group_member_end(&group->members[i]);
    group_run_until_empty(&group->members[i].loop);
  }
  group_free(group);
}

/* ---- the public calls ---- */

int dgram_group_start(const dgram_group_options_t *options, dgram_group_t **group) {
  dgram_group_options_t read;
  dgram_options_t socket;
  if (group == NULL)
    return UV_EINVAL;
  *group = NULL;
  if (options == NULL)
    return UV_EINVAL;
  int err = dgram__group_read_options(&read, &socket, options);
  if (err != 0)
    return err;
  dgram_group_t *started = group_new_group(&read);
  if (started == NULL)
    return UV_ENOMEM;
  int threads = 0;
  err = group_open(started, &socket);
  if (err == 0)
    err = group_run(started, &threads);
  if (err == 0)
    *group = started;
  else
    group_abandon(started, threads);
  return err;
}

static void group_ask_to_stop(struct member *member) {
  uv_mutex_lock(&member->lock);
  member->stopping = true;
  uv_async_send(&member->wake);
  uv_mutex_unlock(&member->lock);
}

int dgram_group_stop(dgram_group_t *group) {
  if (group == NULL)
    return 0;
  if (own_group == group)
    return UV_EPERM;
  if (!group->ended) {
    for (int i = 0; i < group->size; i++)
      group_ask_to_stop(&group->members[i]);
    group_join(group, group->size);
    group->ended = true;
  }
  return group_free(group) ? 0 : UV_EBUSY;
}

int dgram_group_size(const dgram_group_t *group) {
  return group != NULL ? group->size : 0;
}

int dgram_group_address(const dgram_group_t *group, dgram_address_t *address) {
  if (group == NULL || address == NULL)
    return UV_EINVAL;
  *address = group->address;
  return 0;
}

/* Returns whether the member takes calls; it wakes up for this one then. */
static bool group_give_call(struct member *member, struct call *call) {
  uv_mutex_lock(&member->lock);
  bool running = member->running;
  if (running) {
    *member->last_call = call;
    member->last_call = &call->next;
    uv_async_send(&member->wake);
  }
  uv_mutex_unlock(&member->lock);
  return running;
}

int dgram_group_post(dgram_group_t *group, int index, dgram_group_cb callback, void *context) {
  if (group == NULL || callback == NULL || index < 0 || index >= group->size)
    return UV_EINVAL;
  struct call *call = malloc(sizeof *call);
  if (call == NULL)
    return UV_ENOMEM;
  *call = (struct call){.callback = callback, .context = context};
  if (group_give_call(&group->members[index], call))
    return 0;
  free(call);
  return DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING;
}

/*
 * A group: sockets that share a port, each with a loop and a thread of its own.
 *
 *   group    STARTING -> RUNNING -> STOPPED
 *                     -> FAILED
 *   thread   OPEN -> RUNNING -> STOPPING -> ENDING -> CLOSED
 *                 -> CLOSED   the group has FAILED
 *
 * 1. Options are checked.
 * 2. The caller's thread opens each loop and socket, in order; the first socket takes the port and
 *    steers it before the second one joins.
 * 3. Each thread is pinned and calls `on_start`. No socket receives before all threads have.
 * 4. A running thread runs its loop, and the calls that dgram_group_post() has queued.
 * 5. A thread ends: it calls `on_stop`, closes what the group has on its loop, and runs the loop
 *    until the program's handles are closed too.
 * 6. The caller's thread closes the loops when all threads have ended.
 */
#include <dgram_group.h>

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>

#include "affinity.h"
#include "internal.h"
#include "list.h"
#include "reuseport_bpf.h"

/* A function that is to run on a thread. */
struct group_call {
  struct dgram__list_node node;
  dgram_group_cb callback;
  void *context;
};

enum group_thread_state {
  THREAD_OPEN,     /* it takes no calls yet */
  THREAD_RUNNING,  /* it takes calls */
  THREAD_STOPPING, /* it takes calls until it finds that it is to end */
  THREAD_ENDING,   /* it takes no calls any more */
  THREAD_CLOSED    /* its loop is closed, its lock destroyed */
};

/* One socket with its loop and thread. */
struct group_thread {
  dgram_group_t *group;
  int index;
  uv_loop_t loop;
  dgram_socket_t *socket; /* NULL: not made yet, or the program has closed it */
  uv_async_t wake;        /* sent when there are calls or the state changes; keeps the loop alive */
  uv_thread_t thread;
  int status; /* what `on_start` returned; 0: `on_stop` is to be called */

  uv_mutex_t lock; /* guards what follows */
  enum group_thread_state state;
  struct dgram__list calls;
};

enum group_state { GROUP_STARTING, GROUP_RUNNING, GROUP_STOPPED, GROUP_FAILED };

struct dgram_group {
  dgram_group_options_t options; /* what the threads need; what it points to may be gone */
  int cpus[DGRAM_GROUP_THREADS]; /* the CPU of each thread, if pinned */
  dgram_address_t address;
  uv_sem_t begun;         /* posted by each thread when `on_start` has returned */
  uv_sem_t go;            /* posted for each thread when all have begun */
  enum group_state state; /* read by the threads after `go` only, until they are joined */
  int size;               /* threads whose loop has been opened */
  struct group_thread threads[];
};

/* The group that this thread belongs to. */
static _Thread_local const dgram_group_t *own_group;

static void group_set_state(dgram_group_t *group, enum group_state state) {
  assert(group->state == (state == GROUP_STOPPED ? GROUP_RUNNING : GROUP_STARTING));
  group->state = state;
}

/* The caller holds the lock, or is the only one that can see the thread. */
static void group_thread_set_state(struct group_thread *thread, enum group_thread_state state) {
  assert(thread->state + 1 == state || (thread->state == THREAD_OPEN && state == THREAD_CLOSED));
  assert(state != THREAD_CLOSED || dgram__list_is_empty(&thread->calls));
  thread->state = state;
}

/* ---- 1. options ---- */

_Static_assert(sizeof(dgram_group_options_t) ==
                   offsetof(dgram_group_options_t, context) + sizeof(void *),
               "With more members, group_read_options() takes the size of version 0.3, too.");

static bool group_steering_is_valid(const dgram_group_options_t *options) {
  enum { MAX_PAYLOAD = 65527 }; /* over IPv6 */
  int width = options->payload_width;
  switch (options->steer) {
  case DGRAM_STEER_FLOW:
  case DGRAM_STEER_CPU:
    return true;
  case DGRAM_STEER_PAYLOAD:
    return (width == 1 || width == 2 || width == 4) && options->payload_offset >= 0 &&
           options->payload_offset <= MAX_PAYLOAD - width;
  }
  return false;
}

/* Reads the options and those of the sockets; `threads` is then a number of threads, not 0. */
static int group_read_options(dgram_group_options_t *options, dgram_options_t *socket,
                              const dgram_group_options_t *given) {
  if (given->struct_size != sizeof *options)
    return UV_EINVAL;
  *options = *given;
  if (options->socket == NULL || options->on_start == NULL || !group_steering_is_valid(options) ||
      options->threads < 0 || options->threads > DGRAM_GROUP_THREADS)
    return UV_EINVAL;
  int err = dgram__options_read(socket, options->socket);
  if (err != 0)
    return err;
  socket->struct_size = sizeof *socket;
  if (options->threads == 0) {
    unsigned cpus = uv_available_parallelism();
    options->threads = cpus < DGRAM_GROUP_THREADS ? (int)cpus : DGRAM_GROUP_THREADS;
  }
  socket->reuse_port = 1;
  return socket->signal != NULL || socket->defer != NULL ? UV_EINVAL : 0;
}

/* ---- 2. opening ---- */

static dgram_group_t *group_new(const dgram_group_options_t *options) {
  size_t size = sizeof(dgram_group_t) + (size_t)options->threads * sizeof(struct group_thread);
  dgram_group_t *group = calloc(1, size);
  if (group == NULL)
    return NULL;
  group->options = *options;
  if (uv_sem_init(&group->begun, 0) == 0) {
    if (uv_sem_init(&group->go, 0) == 0)
      return group;
    uv_sem_destroy(&group->begun);
  }
  free(group);
  return NULL;
}

/* A program's uv_stop() does not end a thread. */
static void group_run_until_empty(uv_loop_t *loop) {
  while (uv_run(loop, UV_RUN_DEFAULT) != 0)
    continue;
}

static void group_on_wake(uv_async_t *wake);

/* Opens what group_thread_end() and group_free() close, or nothing. */
static int group_thread_open(struct group_thread *thread, dgram_group_t *group, int index) {
  thread->group = group;
  thread->index = index;
  thread->status = UV_ECANCELED; /* until it has begun */
  thread->wake.data = thread;
  int err = uv_loop_init(&thread->loop);
  if (err != 0)
    return err;
  err = uv_async_init(&thread->loop, &thread->wake, group_on_wake);
  if (err == 0) {
    err = uv_mutex_init(&thread->lock);
    if (err == 0)
      return 0;
    uv_close((uv_handle_t *)&thread->wake, NULL);
    group_run_until_empty(&thread->loop);
  }
  uv_loop_close(&thread->loop);
  return err;
}

static void group_on_socket_closed(dgram_socket_t *socket, void *context) {
  struct group_thread *thread = context;
  thread->socket = NULL;
}

/* Has the first socket take a port in its bind, whatever its options say: the others need it. */
static int group_take_port(dgram_socket_t *socket) {
  int64_t no_port;
  int err = dgram_get_sockopt(socket, DGRAM_SO_BIND_ADDRESS_NO_PORT, &no_port);
  return err == 0 ? dgram_set_sockopt(socket, DGRAM_SO_BIND_ADDRESS_NO_PORT, 0) : 0;
}

static int group_steer(const dgram_group_t *group) {
  const dgram_group_options_t *options = &group->options;
  int fd = dgram_fileno(group->threads[0].socket);
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

static int group_open(dgram_group_t *group, const dgram_options_t *socket_options) {
  const dgram_group_options_t *options = &group->options;
  int port = options->port;
  int err = options->pin ? dgram__affinity_allowed(group->cpus, options->threads) : 0;
  for (int i = 0; err == 0 && i < options->threads; i++) {
    struct group_thread *thread = &group->threads[i];
    err = group_thread_open(thread, group, i);
    if (err != 0)
      return err;
    group->size++;
    err = dgram_create_socket_options(&thread->loop, socket_options, NULL, NULL, &thread->socket);
    if (err == 0)
      err = dgram_on_close(thread->socket, group_on_socket_closed, thread);
    if (err == 0 && port == 0)
      err = group_take_port(thread->socket);
    if (err == 0)
      err = dgram_bind_sync(thread->socket, port, options->address);
    if (err == 0 && i == 0)
      err = dgram_address(thread->socket, &group->address);
    if (err == 0 && i == 0)
      err = group_steer(group);
    port = group->address.port;
  }
  return err;
}

/* ---- 3. beginning ---- */

static void group_thread_end(struct group_thread *thread);

static void group_thread_main(void *context) {
  struct group_thread *thread = context;
  dgram_group_t *group = thread->group;
  const dgram_group_options_t *options = &group->options;
  own_group = group;
  thread->status = options->pin ? dgram__affinity_set(group->cpus[thread->index]) : 0;
  if (thread->status == 0)
    thread->status = options->on_start(group, thread->index, thread->socket, options->context);
  uv_sem_post(&group->begun);
  uv_sem_wait(&group->go);
  if (group->state == GROUP_FAILED)
    group_thread_end(thread);
  group_run_until_empty(&thread->loop);
}

/* Starts the threads; `started` gets their number, fewer than wanted if the system refuses one. */
static int group_run(dgram_group_t *group, int *started) {
  int count = 0;
  int err = 0;
  while (err == 0 && count < group->size) {
    struct group_thread *thread = &group->threads[count];
    err = uv_thread_create(&thread->thread, group_thread_main, thread);
    count += err == 0;
  }
  for (int i = 0; i < count; i++)
    uv_sem_wait(&group->begun);
  for (int i = 0; err == 0 && i < count; i++)
    err = group->threads[i].status;
  group_set_state(group, err == 0 ? GROUP_RUNNING : GROUP_FAILED);
  for (int i = 0; err == 0 && i < count; i++) {
    struct group_thread *thread = &group->threads[i];
    uv_mutex_lock(&thread->lock);
    group_thread_set_state(thread, THREAD_RUNNING);
    uv_mutex_unlock(&thread->lock);
  }
  for (int i = 0; i < count; i++)
    uv_sem_post(&group->go);
  *started = count;
  return err;
}

/* ---- 4. running, on the thread ---- */

static void group_on_wake(uv_async_t *wake) {
  struct group_thread *thread = wake->data;
  uv_mutex_lock(&thread->lock);
  struct dgram__list calls = dgram__list_take_all(&thread->calls);
  bool ends = thread->state == THREAD_STOPPING;
  if (ends)
    group_thread_set_state(thread, THREAD_ENDING);
  uv_mutex_unlock(&thread->lock);
  struct dgram__list_node *node;
  while ((node = dgram__list_take_first(&calls)) != NULL) {
    struct group_call *taken = DGRAM__LIST_ENTRY(node, struct group_call, node);
    const struct group_call call = *taken;
    free(taken);
    call.callback(thread->group, thread->index, thread->socket, call.context);
  }
  if (ends)
    group_thread_end(thread);
}

/* ---- 5. ending, on the thread ---- */

static void group_thread_end(struct group_thread *thread) {
  const dgram_group_options_t *options = &thread->group->options;
  if (thread->status == 0 && options->on_stop != NULL)
    options->on_stop(thread->group, thread->index, thread->socket, options->context);
  if (thread->socket != NULL)
    dgram_close(thread->socket, NULL, NULL); /* no effect if the program has just closed it */
  uv_close((uv_handle_t *)&thread->wake, NULL);
}

/* ---- 6. closing ---- */

static void group_join(dgram_group_t *group, int count) {
  for (int i = 0; i < count; i++)
    uv_thread_join(&group->threads[i].thread);
}

/* Frees the group if all loops can be closed. Returns whether they could. */
static bool group_free(dgram_group_t *group) {
  bool closed = true;
  for (int i = 0; i < group->size; i++) {
    struct group_thread *thread = &group->threads[i];
    if (thread->state == THREAD_CLOSED)
      continue;
    if (uv_loop_close(&thread->loop) != 0) {
      closed = false;
      continue;
    }
    uv_mutex_destroy(&thread->lock);
    group_thread_set_state(thread, THREAD_CLOSED);
  }
  if (!closed)
    return false;
  uv_sem_destroy(&group->begun);
  uv_sem_destroy(&group->go);
  free(group);
  return true;
}

/* ---- the public functions ---- */

int dgram_group_start(const dgram_group_options_t *options, dgram_group_t **group) {
  dgram_group_options_t read;
  dgram_options_t socket;
  if (group == NULL)
    return UV_EINVAL;
  *group = NULL;
  int err = options != NULL ? group_read_options(&read, &socket, options) : UV_EINVAL;
  if (err != 0)
    return err;
  dgram_group_t *made = group_new(&read);
  if (made == NULL)
    return UV_ENOMEM;
  int started = 0;
  err = group_open(made, &socket);
  if (err == 0)
    err = group_run(made, &started);
  if (err == 0) {
    *group = made;
    return 0;
  }
  group_join(made, started);
  for (int i = started; i < made->size; i++) {
    group_thread_end(&made->threads[i]);
    group_run_until_empty(&made->threads[i].loop);
  }
  group_free(made); /* leaks if a failed on_start has left handles open */
  return err;
}

int dgram_group_stop(dgram_group_t *group) {
  if (group == NULL)
    return 0;
  if (own_group == group)
    return UV_EPERM;
  if (group->state == GROUP_RUNNING) {
    for (int i = 0; i < group->size; i++) {
      struct group_thread *thread = &group->threads[i];
      uv_mutex_lock(&thread->lock);
      group_thread_set_state(thread, THREAD_STOPPING);
      uv_async_send(&thread->wake);
      uv_mutex_unlock(&thread->lock);
    }
    group_join(group, group->size);
    group_set_state(group, GROUP_STOPPED);
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

int dgram_group_post(dgram_group_t *group, int index, dgram_group_cb callback, void *context) {
  if (group == NULL || callback == NULL || index < 0 || index >= group->size)
    return UV_EINVAL;
  struct group_thread *thread = &group->threads[index];
  struct group_call *call = malloc(sizeof *call);
  if (call == NULL)
    return UV_ENOMEM;
  call->callback = callback;
  call->context = context;
  uv_mutex_lock(&thread->lock);
  bool taken = thread->state == THREAD_RUNNING || thread->state == THREAD_STOPPING;
  if (taken) {
    dgram__list_append(&thread->calls, &call->node);
    uv_async_send(&thread->wake);
  }
  uv_mutex_unlock(&thread->lock);
  if (taken)
    return 0;
  free(call);
  return DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING;
}

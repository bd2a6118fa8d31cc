/*
 * What the sockets of one loop share, and when their work runs.
 *
 * An iteration of libuv: timers, idle handles, prepare handles, then it blocks until a descriptor
 * is ready. The idle handle here is active while tasks wait, and keeps libuv from blocking. It runs
 *   1. flushes: what was sent since the last iteration
 *   2. deferred: callbacks of sends, binds, connects, closes
 *   3. backlogs: datagrams received before
 *   4. flushes again: what these have sent
 * The prepare handle then may wait for more datagrams (rx_coalesce.h) or busy-poll (busy_poll.h),
 * and the timer runs the tasks that wait for a time.
 *
 * In this file: the list of loops; a loop is made, entered and left; its iteration; tasks; tasks
 * that wait for a time.
 */
#include "internal.h"

#include <assert.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

/*
 * The loops that have sockets. libuv offers a library no place on a loop to find its own state
 * again, so this list is the one thing that threads share: touched under its lock, by a loop's
 * every new socket and its last one to go.
 */
static struct dgram__list loops;
static uv_mutex_t loops_lock;
static uv_once_t loops_once = UV_ONCE_INIT;
static unsigned forks; /* from the first process with a socket to this one */

static void loop_make_lock(void);

unsigned dgram__forks(void) {
  return forks;
}

static void loop_lock(void) {
  uv_once(&loops_once, loop_make_lock);
  uv_mutex_lock(&loops_lock);
}

static void loop_unlock(void) {
  uv_mutex_unlock(&loops_lock);
}

static void loop_unlock_in_child(void) {
  forks++;
  loop_unlock();
}

/* No other thread holds the lock when a process forks: the child would wait for it for ever. */
static void loop_make_lock(void) {
  if (uv_mutex_init(&loops_lock) != 0 ||
      pthread_atfork(loop_lock, loop_unlock, loop_unlock_in_child) != 0)
    abort(); /* as libuv does when it can't make its own */
}

/* Called under the lock. */
static struct dgram__loop *loop_search(const uv_loop_t *uv) {
  DGRAM__LIST_FOR_EACH (loop, &loops, struct dgram__loop, node)
    if (loop->uv == uv)
      return loop;
  return NULL;
}

struct dgram__loop *dgram__loop_find(const uv_loop_t *uv) {
  loop_lock();
  struct dgram__loop *loop = loop_search(uv);
  loop_unlock();
  return loop;
}

/* ---- made, entered and left ---- */

static void loop_on_prepare(uv_prepare_t *prepare);

/* Called under the lock. */
static struct dgram__loop *loop_make(uv_loop_t *uv) {
  struct dgram__loop *loop = calloc(1, sizeof *loop);
  if (loop == NULL)
    return NULL;
  loop->uv = uv;
  loop->forks = forks;
  loop->capabilities = dgram__udp_capabilities();
  uv_idle_init(uv, &loop->idle);
  uv_prepare_init(uv, &loop->prepare);
  uv_prepare_start(&loop->prepare, loop_on_prepare);
  uv_unref((uv_handle_t *)&loop->prepare);
  uv_timer_init(uv, &loop->retry);
  loop->open_handles = 3;
  loop->idle.data = loop;
  loop->prepare.data = loop;
  loop->retry.data = loop;
  dgram__list_append(&loops, &loop->node);
  return loop;
}

static void loop_compare_handle(uv_handle_t *handle, void *sought) {
  const void **at = sought;
  if (handle == *at)
    *at = NULL;
}

struct dgram__loop *dgram__loop_enter(uv_loop_t *uv) {
  loop_lock();
  struct dgram__loop *loop = loop_search(uv);
  if (loop != NULL && loop->forks != forks) {
    /*
     * A child may have made a new loop where the parent's was. Then the parent's tasks are none of
     * the child's, and the old state is left as it is: nothing else can refer to it.
     */
    const void *sought = &loop->prepare;
    uv_walk(uv, loop_compare_handle, &sought);
    loop->forks = forks;
    if (sought != NULL) {
      dgram__list_remove(&loops, &loop->node);
      loop = NULL;
    }
  }
  if (loop == NULL)
    loop = loop_make(uv);
  loop_unlock();
  if (loop != NULL)
    loop->sockets++;
  return loop;
}

static void loop_on_handle_closed(uv_handle_t *handle) {
  struct dgram__loop *loop = handle->data;
  if (--loop->open_handles > 0)
    return;
  if (loop->free_sends != NULL)
    loop->free_sends(loop);
  free(loop->rx_memory);
  free(loop->tx_batch);
  free(loop->options_batch);
  free(loop->by_fd);
  free(loop->stats_codes);
  free(loop);
}

void dgram__loop_leave(struct dgram__loop *loop) {
  if (--loop->sockets > 0)
    return;
  loop_lock();
  dgram__list_remove(&loops, &loop->node);
  loop_unlock();
  uv_close((uv_handle_t *)&loop->idle, loop_on_handle_closed);
  uv_close((uv_handle_t *)&loop->prepare, loop_on_handle_closed);
  uv_close((uv_handle_t *)&loop->retry, loop_on_handle_closed);
  if (loop->limit_timer.data != NULL)
    uv_close((uv_handle_t *)&loop->limit_timer, loop_on_handle_closed);
}

/* ---- its iteration ---- */

/* libuv's descriptor is readable when one that it watches is ready. */
static void loop_busy_poll(struct dgram__loop *loop) {
  struct pollfd ready = {.fd = uv_backend_fd(loop->uv), .events = POLLIN};
  uint64_t end = uv_hrtime() + (uint64_t)DGRAM__BUSY_POLL_US * 1000;
  int count;
  do
    count = poll(&ready, 1, 0);
  while (count == 0 && uv_hrtime() < end);
  dgram__busy_poll_ended(&loop->busy_poll, count > 0);
}

/* Nothing is delayed while there is work that keeps libuv from blocking. */
static void loop_on_prepare(uv_prepare_t *prepare) {
  struct dgram__loop *loop = prepare->data;
  loop->iteration++;
  bool blocks = uv_backend_timeout(loop->uv) != 0;
  bool exchanged = loop->rx_coalesce.received > 0 && loop->has_sent;
  loop->has_sent = false;
  if (dgram__rx_coalesce_iteration(&loop->rx_coalesce, uv_now(loop->uv),
                                   blocks && loop->low_latency == 0)) {
    const struct timespec time = {.tv_nsec = DGRAM__RX_COALESCE_US * 1000L};
    nanosleep(&time, NULL);
  } else if (exchanged && blocks && dgram__busy_poll_begin(&loop->busy_poll)) {
    loop_busy_poll(loop);
  }
}

static void loop_run_queue(struct dgram__task_queue *queue, uint64_t now);

bool dgram__loop_run_tasks(struct dgram__loop *loop) {
  loop_run_queue(&loop->flushes, UINT64_MAX);
  loop_run_queue(&loop->deferred, UINT64_MAX);
  loop_run_queue(&loop->backlogs, UINT64_MAX);
  loop_run_queue(&loop->flushes, UINT64_MAX);
  bool more = loop->deferred.first != NULL || loop->backlogs.first != NULL;
  if (!more)
    uv_idle_stop(&loop->idle);
  return more;
}

static void loop_on_idle(uv_idle_t *idle) {
  (void)dgram__loop_run_tasks(idle->data);
}

/* ---- tasks ---- */

/* A task that waits has a type, by which its socket is found. */
static dgram_socket_t *loop_owner_of(struct dgram_task *task) {
  return (dgram_socket_t *)(void *)((char *)task - task->type->offset);
}

/* Holds the socket until the task has run. NULL: the task waits already. */
static struct dgram_task *loop_prepare_task(dgram_socket_t *socket,
                                            const struct dgram__task_type *type) {
  struct dgram_task *task = (struct dgram_task *)(void *)((char *)socket + type->offset);
  if (task->type != NULL)
    return NULL;
  dgram__hold(socket);
  task->type = type;
  return task;
}

static void loop_append(struct dgram__task_queue *queue, struct dgram_task *task) {
  assert(task->type != NULL);
  task->next = NULL;
  if (queue->last != NULL)
    queue->last->next = task;
  else
    queue->first = task;
  queue->last = task;
}

void dgram_task_run(dgram_task_t *task) {
  if (task == NULL)
    return;
  dgram_socket_t *socket = loop_owner_of(task);
  const struct dgram__task_type *type = task->type;
  task->type = NULL;
  type->run(socket);
  dgram__release(socket);
}

/*
 * Runs the tasks that are in the queue now, but for those whose socket waits for a time after
 * `now`. What they add to the queue stays for the next time.
 */
static void loop_run_queue(struct dgram__task_queue *queue, uint64_t now) {
  struct dgram_task *task = queue->first;
  *queue = (struct dgram__task_queue){NULL, NULL};
  while (task != NULL) {
    struct dgram_task *next = task->next;
    if (loop_owner_of(task)->wake_at <= now)
      dgram_task_run(task);
    else
      loop_append(queue, task);
    task = next;
  }
}

void dgram__enqueue(dgram_socket_t *socket, struct dgram__task_queue *queue,
                    const struct dgram__task_type *type) {
  struct dgram_task *task = loop_prepare_task(socket, type);
  if (task == NULL)
    return;
  loop_append(queue, task);
  uv_idle_start(&socket->loop->idle, loop_on_idle);
}

void dgram__defer(dgram_socket_t *socket, const struct dgram__task_type *type) {
  const dgram_defer_cb defer = socket->options.defer;
  struct dgram_task *task = loop_prepare_task(socket, type);
  if (task == NULL || (defer != NULL && defer(task, socket->options.defer_context) != 0))
    return;
  loop_append(&socket->loop->deferred, task);
  uv_idle_start(&socket->loop->idle, loop_on_idle);
}

/* ---- waiting for a time ---- */

static void loop_on_retry(uv_timer_t *timer);

static void loop_start_retry_timer(struct dgram__loop *loop, uint64_t at) {
  uint64_t now = uv_now(loop->uv);
  loop->retry_at = at;
  uv_timer_start(&loop->retry, loop_on_retry, at > now ? at - now : 0, 0);
}

static bool loop_holds_retry_timer(const dgram_socket_t *socket) {
  return dgram__keeps_loop_alive(socket) || socket->life == DGRAM__CLOSED;
}

/* Starts the timer for the first of the tasks; it keeps the loop alive if one of them does. */
void dgram__retry_refer(struct dgram__loop *loop) {
  bool holds = false;
  uint64_t first = UINT64_MAX;
  for (struct dgram_task *task = loop->waiting.first; task != NULL; task = task->next) {
    const dgram_socket_t *socket = loop_owner_of(task);
    if (socket->wake_at < first)
      first = socket->wake_at;
    holds |= loop_holds_retry_timer(socket);
  }
  if (first == UINT64_MAX)
    return;
  loop_start_retry_timer(loop, first);
  if (holds)
    uv_ref((uv_handle_t *)&loop->retry);
  else
    uv_unref((uv_handle_t *)&loop->retry);
}

static void loop_on_retry(uv_timer_t *timer) {
  struct dgram__loop *loop = timer->data;
  loop_run_queue(&loop->waiting, uv_now(loop->uv));
  dgram__retry_refer(loop);
}

/* Brings the timer forward for a socket, without a look at the others. */
static void loop_hasten_retry_timer(dgram_socket_t *socket) {
  struct dgram__loop *loop = socket->loop;
  bool active = uv_is_active((uv_handle_t *)&loop->retry) != 0;
  if (!active || socket->wake_at < loop->retry_at)
    loop_start_retry_timer(loop, socket->wake_at);
  if (!active)
    uv_unref((uv_handle_t *)&loop->retry);
  if (loop_holds_retry_timer(socket))
    uv_ref((uv_handle_t *)&loop->retry);
}

void dgram__resume_after(dgram_socket_t *socket, unsigned ms, const struct dgram__task_type *type) {
  struct dgram_task *task = loop_prepare_task(socket, type);
  uint64_t at = uv_now(socket->loop->uv) + ms;
  if (task != NULL)
    loop_append(&socket->loop->waiting, task);
  if (task != NULL || at < socket->wake_at)
    socket->wake_at = at;
  loop_hasten_retry_timer(socket);
}

void dgram__retry_now(dgram_socket_t *socket) {
  if (socket->tasks.resume.type == NULL)
    return;
  socket->wake_at = 0;
  loop_hasten_retry_timer(socket);
}

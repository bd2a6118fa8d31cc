/*
 * What the sockets of one loop share: receive buffers, the list of sockets to flush, deferred
 * work, the timer. What libuv watches for a socket stands in watch.c.
 *
 * An idle handle runs while there is work, just before the loop would block: it flushes what was
 * sent in this turn, runs deferred work, and flushes what that sent. With a handle of this kind
 * active libuv polls without waiting, so work that comes after it in the turn isn't left to lie.
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

static void loop_lock_loops(void) {
  uv_mutex_lock(&loops_lock);
}

static void loop_unlock_loops(void) {
  uv_mutex_unlock(&loops_lock);
}

static void loop_unlock_loops_in_child(void) {
  forks++;
  uv_mutex_unlock(&loops_lock);
}

/* No other thread holds the lock when a process forks: the child would wait for it for ever. */
static void loop_make_lock(void) {
  if (uv_mutex_init(&loops_lock) != 0 ||
      pthread_atfork(loop_lock_loops, loop_unlock_loops, loop_unlock_loops_in_child) != 0)
    abort(); /* as libuv does when it can't make its own */
}

static void loop_let_gather(void) {
  const struct timespec time = {.tv_nsec = DGRAM__RX_COALESCE_US * 1000L};
  nanosleep(&time, NULL);
}

/* What libuv waits for is readable when something has come. */
static void loop_busy_poll(struct dgram__loop *loop) {
  struct pollfd ready = {.fd = uv_backend_fd(loop->uv), .events = POLLIN};
  uint64_t end = uv_hrtime() + (uint64_t)DGRAM__BUSY_POLL_US * 1000;
  int count;
  do
    count = poll(&ready, 1, 0);
  while (count == 0 && uv_hrtime() < end);
  dgram__busy_poll_ended(&loop->busy_poll, count > 0);
}

/* The turn's work is done. Nothing is delayed when there is more that the loop won't block for. */
static void loop_on_prepare(uv_prepare_t *prepare) {
  struct dgram__loop *loop = prepare->data;
  loop->iteration++;
  bool blocks = uv_backend_timeout(loop->uv) != 0;
  bool exchanged = loop->rx_coalesce.turn > 0 && loop->has_sent;
  loop->has_sent = false;
  if (dgram__rx_coalesce_iteration(&loop->rx_coalesce, uv_now(loop->uv),
                                   blocks && loop->low_latency == 0))
    loop_let_gather();
  else if (exchanged && blocks && dgram__busy_poll_now(&loop->busy_poll))
    loop_busy_poll(loop);
}

static struct dgram__loop *loop_make_loop(uv_loop_t *uv) {
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

/* Called under the lock. */
static struct dgram__loop *loop_search(const uv_loop_t *uv) {
  for (struct dgram__list_node *node = loops.first; node != NULL; node = node->next) {
    struct dgram__loop *loop = DGRAM__LIST_ENTRY(node, struct dgram__loop, node);
    if (loop->uv == uv)
      return loop;
  }
  return NULL;
}

struct dgram__loop *dgram__loop_find(const uv_loop_t *uv) {
  uv_once(&loops_once, loop_make_lock);
  uv_mutex_lock(&loops_lock);
  struct dgram__loop *loop = loop_search(uv);
  uv_mutex_unlock(&loops_lock);
  return loop;
}

static void loop_look_for_handle(uv_handle_t *handle, void *sought) {
  const void **at = sought;
  if (handle == *at)
    *at = NULL;
}

/*
 * Whether the loop is still the one whose handles these are. A child may have made a new one where
 * the parent's was; what the parent's had to do is none of the child's business then, and what it
 * had is left as it is: nobody else can still refer to it.
 */
static bool loop_is_current(struct dgram__loop *loop) {
  const void *sought = &loop->prepare;
  if (loop->forks != forks)
    uv_walk(loop->uv, loop_look_for_handle, &sought);
  bool current = loop->forks == forks || sought == NULL;
  loop->forks = forks;
  return current;
}

struct dgram__loop *dgram__loop_enter(uv_loop_t *uv) {
  uv_once(&loops_once, loop_make_lock);
  uv_mutex_lock(&loops_lock);
  struct dgram__loop *loop = loop_search(uv);
  if (loop != NULL && !loop_is_current(loop)) {
    dgram__list_remove(&loops, &loop->node);
    loop = NULL;
  }
  if (loop == NULL)
    loop = loop_make_loop(uv);
  uv_mutex_unlock(&loops_lock);
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
  free(loop->by_fd);
  free(loop);
}

void dgram__loop_leave(struct dgram__loop *loop) {
  if (--loop->sockets > 0)
    return;
  uv_mutex_lock(&loops_lock);
  dgram__list_remove(&loops, &loop->node);
  uv_mutex_unlock(&loops_lock);
  uv_close((uv_handle_t *)&loop->idle, loop_on_handle_closed);
  uv_close((uv_handle_t *)&loop->prepare, loop_on_handle_closed);
  uv_close((uv_handle_t *)&loop->retry, loop_on_handle_closed);
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

/* Runs the tasks that are in the queue now; those that they add stay for the next time. */
static void loop_run_queue(struct dgram__task_queue *queue) {
  struct dgram_task *task = queue->first;
  *queue = (struct dgram__task_queue){NULL, NULL};
  while (task != NULL) {
    struct dgram_task *next = task->next;
    dgram_task_run(task);
    task = next;
  }
}

static void loop_on_idle(uv_idle_t *idle) {
  struct dgram__loop *loop = idle->data;
  loop_run_queue(&loop->flushes);
  loop_run_queue(&loop->deferred);
  loop_run_queue(&loop->backlogs);
  loop_run_queue(&loop->flushes);
  if (loop->deferred.first == NULL && loop->backlogs.first == NULL)
    uv_idle_stop(idle);
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

/* Has the timer fire for the first of those that wait, and keep the loop alive if one of them does.
 */
static void loop_set_retry_timer(struct dgram__loop *loop) {
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

/* Resumes those whose time has come. */
static void loop_on_retry(uv_timer_t *timer) {
  struct dgram__loop *loop = timer->data;
  uint64_t now = uv_now(loop->uv);
  struct dgram_task *task = loop->waiting.first;
  loop->waiting = (struct dgram__task_queue){NULL, NULL};
  while (task != NULL) {
    struct dgram_task *next = task->next;
    if (loop_owner_of(task)->wake_at <= now)
      dgram_task_run(task);
    else
      loop_append(&loop->waiting, task);
    task = next;
  }
  loop_set_retry_timer(loop);
}

/* The timer's handle is looked at for the first and the last of many sockets only. */
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

void dgram__retry_refer(struct dgram__loop *loop) {
  loop_set_retry_timer(loop);
}

void dgram__retry_now(dgram_socket_t *socket) {
  if (socket->tasks.resume.type == NULL)
    return;
  socket->wake_at = 0;
  loop_hasten_retry_timer(socket);
}

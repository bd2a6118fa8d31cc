/*
 * The virtual time: it jumps from event to event, and stands still meanwhile.
 *
 *   clock_settle  all that happens at the present time: tasks of sockets, datagrams that arrive,
 *                 sockets that are ready; until nothing is left
 *   clock_drive   settles; then the loop's timers that are due, and an iteration of the loop where
 *                 something of it waits; then the time jumps to what is next
 *
 * The loop's own timers follow the virtual time because the loop's cached time, which they are
 * compared with, is the virtual one: so far in the future (LOOP_EPOCH) that uv_run(), which reads
 * the clock, finds none of them due. They are called from here, as libuv does. So no clock of the
 * system has to be replaced, and no time passes between the start of a timer and its deadline. The
 * members of libuv's structs that are read and set are in its public header, and so are part of its
 * ABI: `time` and `timer_counter` of the loop, and `timer_cb`, `timeout` and `start_id` of a timer.
 */
#include "sim.h"

#include <stdlib.h>

/* ms: uv_now() at time 0. No machine runs for so long. */
#define LOOP_EPOCH (UINT64_C(1) << 42)

enum {
  NS_PER_MS = 1000000,
  LOOP_INTERVAL = 256 /* jumps of the time after which the loop runs, whether it has to or not */
};

static void clock_set_state(dgram_sim_t *sim, enum dgram__sim_state state) {
  assert(state == DGRAM__SIM_IDLE || sim->state == DGRAM__SIM_IDLE ||
         (sim->state == DGRAM__SIM_RUNNING && state == DGRAM__SIM_STOPPING));
  sim->state = state;
}

/* ---- the loop's time ---- */

static uint64_t clock_loop_time(const dgram_sim_t *sim) {
  return LOOP_EPOCH + sim->now / NS_PER_MS;
}

static uv_timer_t *clock_active_timer(uv_handle_t *handle) {
  return uv_handle_get_type(handle) == UV_TIMER && uv_is_active(handle) ? (uv_timer_t *)handle
                                                                        : NULL;
}

static void clock_shift_timer(uv_handle_t *handle, void *by) {
  uv_timer_t *timer = clock_active_timer(handle);
  if (timer != NULL)
    timer->timeout += *(uint64_t *)by;
}

/* Moves the loop and all its timers by one amount, so that their order stays. */
static void clock_shift_loop(dgram_sim_t *sim, uint64_t to) {
  uint64_t by = to - sim->uv->time;
  uv_walk(sim->uv, clock_shift_timer, &by);
  sim->uv->time = to;
}

/* A timer that was started while the loop had the real time, in uv_run(). */
static void clock_adopt_timer(uv_handle_t *handle, void *real_time) {
  uv_timer_t *timer = clock_active_timer(handle);
  if (timer == NULL || timer->timeout >= LOOP_EPOCH)
    return;
  uint64_t now = *(uint64_t *)real_time;
  uint64_t left = timer->timeout > now ? timer->timeout - now : 0;
  uv_timer_cb callback = timer->timer_cb;
  uint64_t repeat = timer->repeat;
  uv_timer_stop(timer);
  uv_timer_start(timer, callback, left, repeat);
}

/* Gives the loop the virtual time, and its timers, if uv_run() has changed that. */
static void clock_set_loop(dgram_sim_t *sim) {
  uint64_t before = sim->uv->time;
  sim->uv->time = clock_loop_time(sim);
  if (before < LOOP_EPOCH)
    uv_walk(sim->uv, clock_adopt_timer, &before);
}

/* Returns 0, or UV_EBUSY: another network has the loop. */
static int clock_take_loop(dgram_sim_t *sim) {
  if (sim->drives_loop) {
    clock_set_loop(sim);
    return 0;
  }
  if (sim->loop->has_virtual_time)
    return UV_EBUSY;
  sim->loop->has_virtual_time = true;
  sim->drives_loop = true;
  clock_shift_loop(sim, clock_loop_time(sim));
  return 0;
}

void dgram__clock_release_loop(dgram_sim_t *sim) {
  if (!sim->drives_loop)
    return;
  clock_set_loop(sim);
  uint64_t virtual_time = sim->uv->time;
  uv_update_time(sim->uv);
  uint64_t real_time = sim->uv->time;
  sim->uv->time = virtual_time;
  clock_shift_loop(sim, real_time);
  sim->loop->has_virtual_time = false;
  sim->drives_loop = false;
}

static void clock_set_now(dgram_sim_t *sim, uint64_t now) {
  assert(now >= sim->now);
  sim->now = now;
  if (sim->drives_loop)
    sim->uv->time = clock_loop_time(sim);
}

void dgram__clock_restart(dgram_sim_t *sim) {
  if (sim->drives_loop)
    clock_set_loop(sim);
  sim->now = 0;
  if (sim->drives_loop)
    clock_shift_loop(sim, clock_loop_time(sim));
}

/* In uv_run(), after it has read the clock. */
static void clock_on_check(uv_check_t *check) {
  clock_set_loop(check->data);
}

/* ---- the loop's timers ---- */

struct clock_scan {
  uint64_t time; /* ms, of the loop */
  uint64_t started_before;
  uv_timer_t *due;     /* the first timer that is due, and was started before */
  uint64_t next;       /* ms: when the first timer is due; UINT64_MAX: there is none */
  unsigned referenced; /* active timers that keep the loop alive */
};

static void clock_scan_timer(uv_handle_t *handle, void *scanned) {
  struct clock_scan *scan = scanned;
  uv_timer_t *timer = clock_active_timer(handle);
  if (timer == NULL)
    return;
  scan->referenced += uv_has_ref(handle) != 0;
  if (timer->timeout < scan->next)
    scan->next = timer->timeout;
  if (timer->timeout > scan->time || timer->start_id >= scan->started_before)
    return;
  if (scan->due == NULL || timer->timeout < scan->due->timeout ||
      (timer->timeout == scan->due->timeout && timer->start_id < scan->due->start_id))
    scan->due = timer;
}

static struct clock_scan clock_scan(const dgram_sim_t *sim, uint64_t started_before) {
  struct clock_scan scan = {
      .time = sim->uv->time, .started_before = started_before, .next = UINT64_MAX};
  uv_walk(sim->uv, clock_scan_timer, &scan);
  return scan;
}

/* Calls the timers that are due, but for those that these start. Returns what is next. */
static struct clock_scan clock_fire(dgram_sim_t *sim, bool *any) {
  uint64_t started = sim->uv->timer_counter;
  struct clock_scan scan = clock_scan(sim, started);
  while (scan.due != NULL) {
    uv_timer_t *timer = scan.due;
    *any = true;
    uv_timer_stop(timer);
    uv_timer_again(timer);
    timer->timer_cb(timer);
    scan = clock_scan(sim, started);
  }
  return scan;
}

/* ---- timers of the network ---- */

struct dgram_sim_timer {
  struct dgram__sim_event event;
  dgram_sim_t *sim;
  dgram_sim_timer_cb callback; /* NULL: stopped */
  void *context;
};

static struct dgram_sim_timer *timer_of(struct dgram__sim_event *event) {
  return DGRAM__LIST_ENTRY(event, struct dgram_sim_timer, event);
}

static void timer_drop(struct dgram__sim_event *event) {
  free(timer_of(event));
}

static void timer_run(struct dgram__sim_event *event) {
  struct dgram_sim_timer timer = *timer_of(event);
  timer_drop(event);
  timer.callback(timer.sim, timer.context);
}

int dgram_sim_timer_start(dgram_sim_t *sim, uint64_t delay, dgram_sim_timer_cb callback,
                          void *context, dgram_sim_timer_t **timer) {
  if (timer != NULL)
    *timer = NULL;
  if (sim == NULL || callback == NULL)
    return UV_EINVAL;
  struct dgram_sim_timer *made = calloc(1, sizeof *made);
  if (made == NULL)
    return UV_ENOMEM;
  made->event.run = timer_run;
  made->event.drop = timer_drop;
  made->sim = sim;
  made->callback = callback;
  made->context = context;
  uint64_t at = delay < UINT64_MAX - 1 - sim->now ? sim->now + delay : UINT64_MAX - 1;
  dgram__sim_schedule(sim, &made->event, at);
  if (timer != NULL)
    *timer = made;
  return 0;
}

/* It stays in the heap until it is the first. */
void dgram_sim_timer_stop(dgram_sim_timer_t *timer) {
  if (timer != NULL)
    timer->callback = NULL;
}

/* ---- the network's events ---- */

/* The time of the next event; UINT64_MAX: there is none. */
static uint64_t clock_next_event(dgram_sim_t *sim) {
  struct dgram__sim_event *first;
  while ((first = sim->events.first) != NULL && first->run == timer_run &&
         timer_of(first)->callback == NULL)
    timer_drop(dgram__sim_events_take(&sim->events));
  return first != NULL ? first->at : UINT64_MAX;
}

static bool clock_run_due(dgram_sim_t *sim) {
  bool any = false;
  while (clock_next_event(sim) <= sim->now) {
    struct dgram__sim_event *event = dgram__sim_events_take(&sim->events);
    event->run(event);
    any = true;
  }
  return any;
}

void dgram__clock_clear(dgram_sim_t *sim) {
  struct dgram__sim_event *event;
  while ((event = dgram__sim_events_take(&sim->events)) != NULL)
    event->drop(event);
}

static bool clock_has_tasks(const dgram_sim_t *sim) {
  const struct dgram__loop *loop = sim->loop;
  return loop->flushes.first != NULL || loop->deferred.first != NULL ||
         loop->backlogs.first != NULL;
}

/* An iteration as the loop's, in its order, again and again. Whether anything has happened. */
static bool clock_settle(dgram_sim_t *sim) {
  bool any = false;
  for (;;) {
    bool more = clock_has_tasks(sim);
    (void)dgram__loop_run_tasks(sim->loop);
    sim->loop->iteration++;
    more |= clock_run_due(sim);
    more |= dgram__sim_wake(sim);
    if (!more)
      return any;
    any = true;
  }
}

/* ---- the time goes on ---- */

/* An iteration of the loop, for what is not a timer: closing and idle handles, requests, ... */
static void clock_run_loop(dgram_sim_t *sim) {
  uv_check_start(&sim->check, clock_on_check);
  uv_unref((uv_handle_t *)&sim->check);
  uv_run(sim->uv, UV_RUN_NOWAIT);
  uv_check_stop(&sim->check);
  clock_set_loop(sim);
}

/*
 * All of the present time. Returns the loop's timers that are next. A timer that is started anew
 * for the present would never let it end, so a stop does after once more.
 */
static struct clock_scan clock_finish_present(dgram_sim_t *sim, unsigned jumps) {
  bool may_run_loop = true;
  for (;;) {
    bool stops = sim->state == DGRAM__SIM_STOPPING;
    bool any = clock_settle(sim);
    struct clock_scan scan = clock_fire(sim, &any);
    bool has_to = uv_loop_alive(sim->uv) &&
                  (uv_backend_timeout(sim->uv) == 0 || jumps % LOOP_INTERVAL == LOOP_INTERVAL - 1);
    if (may_run_loop && has_to && scan.next > scan.time) {
      clock_run_loop(sim);
      may_run_loop = false; /* an idle handle that stays active does not stop the time */
    } else if (!any || stops) {
      return scan;
    }
  }
}

static int clock_drive(dgram_sim_t *sim, uint64_t until) {
  if (sim->state != DGRAM__SIM_IDLE)
    return UV_EBUSY;
  int err = clock_take_loop(sim);
  if (err != 0)
    return err;
  clock_set_state(sim, DGRAM__SIM_RUNNING);
  for (unsigned jumps = 0; sim->state == DGRAM__SIM_RUNNING; jumps++) {
    struct clock_scan scan = clock_finish_present(sim, jumps);
    if (sim->state == DGRAM__SIM_STOPPING)
      break;
    uint64_t event = clock_next_event(sim);
    uint64_t next = scan.next != UINT64_MAX ? (scan.next - LOOP_EPOCH) * NS_PER_MS : UINT64_MAX;
    if (until == UINT64_MAX && event == UINT64_MAX && scan.referenced == 0)
      break;
    if (event < next)
      next = event;
    if (next > until || next == UINT64_MAX) {
      clock_set_now(sim, until);
      break;
    }
    clock_set_now(sim, next);
  }
  clock_set_state(sim, DGRAM__SIM_IDLE);
  return 0;
}

int dgram_sim_run(dgram_sim_t *sim) {
  return sim != NULL ? clock_drive(sim, UINT64_MAX) : UV_EINVAL;
}

int dgram_sim_run_for(dgram_sim_t *sim, uint64_t duration) {
  if (sim == NULL)
    return UV_EINVAL;
  uint64_t most = UINT64_MAX - 1 - sim->now;
  return clock_drive(sim, sim->now + (duration < most ? duration : most));
}

void dgram_sim_stop(dgram_sim_t *sim) {
  if (sim != NULL && sim->state == DGRAM__SIM_RUNNING)
    clock_set_state(sim, DGRAM__SIM_STOPPING);
}

int dgram_sim_step(dgram_sim_t *sim, uint64_t until) {
  if (sim == NULL)
    return UV_EINVAL;
  if (sim->state != DGRAM__SIM_IDLE)
    return UV_EBUSY;
  clock_set_state(sim, DGRAM__SIM_STEPPING);
  bool any = clock_settle(sim);
  uint64_t next = any ? UINT64_MAX : clock_next_event(sim);
  if (!any && next <= until && next != UINT64_MAX) {
    clock_set_now(sim, next);
    any = clock_settle(sim);
  } else if (!any && until > sim->now && until != UINT64_MAX) {
    clock_set_now(sim, until);
  }
  clock_set_state(sim, DGRAM__SIM_IDLE);
  return any ? 1 : 0;
}

uint64_t dgram_sim_next(dgram_sim_t *sim) {
  if (sim == NULL)
    return UINT64_MAX;
  if (clock_has_tasks(sim) || !dgram__list_is_empty(&sim->ready))
    return sim->now;
  return clock_next_event(sim);
}

uint64_t dgram_sim_now(const dgram_sim_t *sim) {
  return sim != NULL ? sim->now : 0;
}

uint64_t dgram_sim_random(dgram_sim_t *sim) {
  return sim != NULL ? dgram__random_next(&sim->random) : 0;
}

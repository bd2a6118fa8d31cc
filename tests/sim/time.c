/*
 * Virtual time: the loop's timers and the network's, their order, what is left of them, the handles
 * that are served meanwhile, and that nothing depends on the real time.
 */
#include "lib/sim_fixture.h"

#include <time.h>

static void trace_timer(uv_timer_t *timer) {
  trace("%s@%u", (const char *)timer->data, (unsigned)(dgram_sim_now(sim) / 1000000));
}

static void start(uv_loop_t *loop, uv_timer_t *timer, const char *name, uint64_t ms,
                  uint64_t repeat) {
  assert_int_equal(uv_timer_init(loop, timer), 0);
  timer->data = (void *)name;
  assert_int_equal(uv_timer_start(timer, trace_timer, ms, repeat), 0);
}

/* Now: the handle is the test's own. */
static void end_handle(uv_handle_t *handle) {
  uv_loop_t *loop = uv_handle_get_loop(handle);
  uv_close(handle, NULL);
  uv_run(loop, UV_RUN_NOWAIT);
}

static void end_timer(uv_timer_t *timer) {
  end_handle((uv_handle_t *)timer);
}

TEST("timers of the loop are called at their time, without waiting for it") {
  uv_timer_t timers[4];
  start(loop, &timers[0], "day", 86400000, 0);
  start(loop, &timers[1], "second", 1000, 0);
  start(loop, &timers[2], "again", 1000, 0);
  start(loop, &timers[3], "now", 0, 0);
  sim_run();
  assert_trace("now@0 second@1000 again@1000 day@86400000");
  for (int i = 0; i < 4; i++)
    end_timer(&timers[i]);
}

TEST("a timer repeats, and an unreferenced one does not keep the network running") {
  uv_timer_t repeated;
  uv_timer_t idle;
  start(loop, &repeated, "r", 10, 20);
  start(loop, &idle, "u", 25, 25);
  uv_unref((uv_handle_t *)&idle);
  sim_run_for(DGRAM_SIM_MS(60));
  assert_trace("r@10 u@25 r@30 u@50 r@50");
  assert_int_equal(dgram_sim_now(sim), DGRAM_SIM_MS(60));
  uv_timer_stop(&repeated);
  sim_run();
  assert_trace("");
  end_timer(&repeated);
  end_timer(&idle);
}

static void start_next(uv_timer_t *timer) {
  trace_timer(timer);
  if (dgram_sim_now(sim) < DGRAM_SIM_MS(30))
    uv_timer_start(timer, start_next, 10, 0);
}

static uv_timer_t *to_stop;

static void stop_other(uv_timer_t *timer) {
  trace_timer(timer);
  uv_timer_stop(to_stop);
}

TEST("timers start and stop each other in their callbacks") {
  uv_timer_t timers[3];
  start(loop, &timers[0], "chain", 10, 0);
  assert_int_equal(uv_timer_start(&timers[0], start_next, 10, 0), 0);
  start(loop, &timers[1], "stopper", 15, 0);
  assert_int_equal(uv_timer_start(&timers[1], stop_other, 15, 0), 0);
  start(loop, &timers[2], "stopped", 15, 0);
  to_stop = &timers[2];
  sim_run();
  assert_trace("chain@10 stopper@15 chain@20 chain@30");
  for (int i = 0; i < 3; i++)
    end_timer(&timers[i]);
}

static void trace_sim_timer(dgram_sim_t *of, void *context) {
  trace("%s@%u", (const char *)context, (unsigned)(dgram_sim_now(of) / 1000));
}

static void stop_run(dgram_sim_t *of, void *context) {
  trace_sim_timer(of, context);
  dgram_sim_stop(of);
}

TEST("timers of the network are exact, can be stopped, and stop the run") {
  dgram_sim_timer_t *timer;
  assert_int_equal(dgram_sim_timer_start(sim, 2500, trace_sim_timer, "b", NULL), 0);
  assert_int_equal(dgram_sim_timer_start(sim, 1500, trace_sim_timer, "a", NULL), 0);
  assert_int_equal(dgram_sim_timer_start(sim, DGRAM_SIM_S(5), trace_sim_timer, "no", &timer), 0);
  dgram_sim_timer_stop(timer);
  dgram_sim_timer_stop(NULL);
  sim_run();
  assert_trace("a@1 b@2");
  assert_int_equal(dgram_sim_now(sim), 2500); /* not the time of what was stopped */
  assert_int_equal(dgram_sim_timer_start(sim, 1000, stop_run, "stop", NULL), 0);
  assert_int_equal(dgram_sim_timer_start(sim, 1000, trace_sim_timer, "same", NULL), 0);
  assert_int_equal(dgram_sim_timer_start(sim, 2000, trace_sim_timer, "rest", NULL), 0);
  sim_run();
  assert_trace("stop@3 same@3");
  sim_run();
  assert_trace("rest@4");
  assert_int_equal(dgram_sim_timer_start(sim, UINT64_MAX, trace_sim_timer, "late", &timer), 0);
}

/* Virtual time stands still for it. */
static void start_at_once(uv_timer_t *timer) {
  int *calls = timer->data;
  if (++*calls >= 3)
    dgram_sim_stop(sim);
  uv_timer_start(timer, start_at_once, 0, 0);
}

TEST("a timer that is due again at once can stop the run") {
  uv_timer_t timer;
  int calls = 0;
  start(loop, &timer, NULL, 10, 0);
  timer.data = &calls;
  assert_int_equal(uv_timer_start(&timer, start_at_once, 10, 0), 0);
  sim_run();
  assert_in_range(calls, 3, 4);
  assert_int_equal(dgram_sim_now(sim), DGRAM_SIM_MS(10));
  end_timer(&timer);
}

static void run_inside(dgram_sim_t *of, void *context) {
  trace("%d %d %d %d", dgram_sim_run(of), dgram_sim_run_for(of, 1), dgram_sim_step(of, 1),
        dgram_sim_free(of));
}

TEST("the network is not run, reset or freed by its own callbacks") {
  char expected[64];
  assert_int_equal(dgram_sim_timer_start(sim, 0, run_inside, NULL, NULL), 0);
  sim_run();
  snprintf(expected, sizeof expected, "%d %d %d %d", UV_EBUSY, UV_EBUSY, UV_EBUSY, UV_EBUSY);
  assert_trace(expected);
}

TEST("one network drives a loop at a time") {
  dgram_sim_t *other;
  sim_run();
  assert_int_equal(dgram_sim_create(loop, 2, &other), 0);
  assert_int_equal(dgram_sim_run(other), UV_EBUSY);
  assert_int_equal(dgram_sim_step(other, 5), 0);
  assert_int_equal(dgram_sim_now(other), 5);
  assert_int_equal(dgram_sim_free(sim), 0);
  assert_int_equal(dgram_sim_run(other), 0);
  sim = other;
}

TEST("uv_now() follows the virtual time, and is the real one afterwards") {
  uint64_t real = uv_now(loop);
  sim_run_for(0);
  uint64_t before = uv_now(loop);
  sim_run_for(DGRAM_SIM_S(100));
  assert_int_equal(uv_now(loop) - before, 100000);
  uv_timer_t timer;
  start(loop, &timer, "t", 50, 0);
  sim_run_for(DGRAM_SIM_MS(20));
  assert_int_equal(dgram_sim_free(sim), 0);
  sim = NULL;
  assert_in_range(uv_now(loop), real, real + 3600000);
  assert_int_equal(uv_timer_get_due_in(&timer), 30);
  end_timer(&timer);
}

static void trace_closed(uv_handle_t *handle) {
  trace("closed");
  uv_timer_t *timer = handle->data;
  start(handle->loop, timer, "after", 10, 0);
}

static void trace_idle(uv_idle_t *idle) {
  trace("idle");
  uv_close((uv_handle_t *)idle, trace_closed);
}

TEST("closing and idle handles are served, and timers that they start are exact") {
  uv_idle_t idle;
  uv_timer_t timer;
  assert_int_equal(uv_idle_init(loop, &idle), 0);
  assert_int_equal(uv_idle_start(&idle, trace_idle), 0);
  idle.data = &timer;
  sim_run_for(DGRAM_SIM_MS(5));
  assert_trace("idle closed");
  sim_run();
  assert_trace("after@10");
  end_timer(&timer);
}

static void start_and_close(uv_idle_t *idle) {
  start(idle->loop, idle->data, "started", 1000, 0);
  uv_close((uv_handle_t *)idle, NULL);
}

TEST("a timer that was started in an iteration of the loop follows the virtual time") {
  uv_idle_t idle;
  uv_timer_t timer;
  assert_int_equal(uv_idle_init(loop, &idle), 0);
  assert_int_equal(uv_idle_start(&idle, start_and_close), 0);
  idle.data = &timer;
  sim_run();
  assert_non_null(strstr(trace_text, "started@"));
  trace_clear();
  /* libuv before 1.45 reads the clock before it calls idle handles: some ms may be missing. */
  assert_in_range(dgram_sim_now(sim), DGRAM_SIM_MS(500), DGRAM_SIM_MS(1000));
  end_timer(&timer);
}

static int idle_turns;

static void count_idle(uv_idle_t *idle) {
  idle_turns++;
}

TEST("an idle handle that stays active does not stop the time") {
  uv_idle_t idle;
  uv_timer_t timer;
  assert_int_equal(uv_idle_init(loop, &idle), 0);
  assert_int_equal(uv_idle_start(&idle, count_idle), 0);
  start(loop, &timer, "t", 1000, 0);
  sim_run();
  assert_trace("t@1000");
  assert_true(idle_turns > 0);
  end_handle((uv_handle_t *)&idle);
  end_timer(&timer);
}

static void trace_async(uv_async_t *async) {
  trace("async");
  uv_close((uv_handle_t *)async, NULL);
}

TEST("what comes from outside is served in between") {
  uv_async_t async;
  uv_timer_t timer;
  assert_int_equal(uv_async_init(loop, &async, trace_async), 0);
  assert_int_equal(uv_async_send(&async), 0);
  start(loop, &timer, "t", 1, 1);
  sim_run_for(DGRAM_SIM_S(1));
  assert_non_null(strstr(trace_text, "async"));
  trace_clear();
  end_timer(&timer);
}

static void bind_and_send(uv_timer_t *timer) {
  dgram_socket_t *socket = timer->data;
  sim_send(socket, "tick", 2000, "10.0.0.2");
}

TEST("a timer and a datagram come in the order of their times") {
  struct sim_pair pair = sim_pair(NULL);
  dgram_socket_t *a = sim_bound(loop, pair.a, 1000);
  sim_traced(loop, pair.b, 2000, "b");
  uv_timer_t sender;
  uv_timer_t timers[2];
  assert_int_equal(uv_timer_init(loop, &sender), 0);
  sender.data = a;
  assert_int_equal(uv_timer_start(&sender, bind_and_send, 10, 0), 0);
  start(loop, &timers[0], "before", 10, 0);
  start(loop, &timers[1], "after", 12, 0);
  sim_run();
  assert_trace("before@10 b(tick) after@12");
  end_timer(&sender);
  end_timer(&timers[0]);
  end_timer(&timers[1]);
}

TEST("steps move the network alone") {
  struct sim_pair pair = sim_pair(NULL);
  dgram_socket_t *a = sim_socket(loop, pair.a, DGRAM_UDP4);
  dgram_socket_t *b = sim_socket(loop, pair.b, DGRAM_UDP4);
  uv_timer_t timer;
  start(loop, &timer, "t", 0, 0);
  assert_int_equal(dgram_bind_sync(a, 1000, NULL), 0);
  assert_int_equal(dgram_bind_sync(b, 2000, NULL), 0);
  assert_int_equal(dgram_on_message(b, trace_message, "b"), 0);
  assert_int_equal(dgram_sim_next(sim), 0); /* 'listening' is due */
  assert_int_equal(dgram_sim_step(sim, UINT64_MAX), 1);
  assert_int_equal(dgram_sim_next(sim), UINT64_MAX);
  sim_send(a, "x", 2000, "10.0.0.2");
  assert_int_equal(dgram_sim_step(sim, UINT64_MAX), 1);
  assert_int_equal(dgram_sim_next(sim), DGRAM_SIM_MS(1));
  assert_int_equal(dgram_sim_step(sim, 500), 0);
  assert_int_equal(dgram_sim_now(sim), 500);
  assert_int_equal(dgram_sim_step(sim, UINT64_MAX), 1);
  assert_int_equal(dgram_sim_now(sim), DGRAM_SIM_MS(1));
  assert_trace("b(x)");
  assert_int_equal(dgram_sim_step(sim, UINT64_MAX), 0);
  assert_int_equal(dgram_sim_now(sim), DGRAM_SIM_MS(1));
  end_timer(&timer);
}

TEST("a socket is disposed of while the network has the loop's time") {
  struct sim_pair pair = sim_pair(NULL);
  uv_timer_t timer;
  dgram_options_t options = sim_options(pair.a, DGRAM_UDP4);
  dgram_socket_t *socket;
  assert_int_equal(dgram_create_socket_options(loop, &options, NULL, NULL, &socket), 0);
  assert_int_equal(dgram_bind_sync(socket, 1000, NULL), 0);
  start(loop, &timer, "t", 10, 0);
  sim_run_for(DGRAM_SIM_MS(5));
  dgram_dispose(socket);
  assert_trace("");
  sim_run();
  assert_trace("t@10");
  end_timer(&timer);
}

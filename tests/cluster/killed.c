/*
 * Workers that are killed under load, one after the other, and started again by the primary. What
 * is lost was in the hands of the one that was killed: each flow has one question open, so that is
 * one a flow at most. The port always has an owner, and the primary leaks no descriptor.
 *
 * DGRAM_TEST_LONG=1: one each second for 20 seconds; else a few, as fast as that goes.
 */
#include "flows.h"

enum { WORKERS = 4, KILLS = 5, LONG_KILLS = 20, SHORT_MS = 50, LONG_MS = 1000 };

static const struct role roles[] = {{"answer_all", answer_all}};

/* The crew and its flows, between two kills. */
struct scene {
  struct crew crew;
  struct flows flows;
  unsigned given_up;
};

static void start_again(struct crew *crew, int id) {
  crew_fork(crew);
}

static void on_time(uv_timer_t *timer) {
  ++*(int *)timer->data;
}

/* Runs the loop for a while; this is about time. */
static void run_for(struct scene *scene, uint64_t ms) {
  uv_timer_t timer;
  int over = 0;
  uv_timer_init(scene->crew.loop, &timer);
  timer.data = &over;
  uv_timer_start(&timer, on_time, ms, 0);
  run_until(scene->crew.loop, &over, 1);
  uv_close((uv_handle_t *)&timer, NULL);
  uv_run(scene->crew.loop, UV_RUN_NOWAIT);
}

static void kill_one(struct scene *scene, int number) {
  char gone[32];
  char listening[32];
  int id = dgram_cluster_next(scene->crew.cluster, 0); /* the oldest */
  trace_clear();
  assert_int_equal(dgram_cluster_kill(scene->crew.cluster, id, SIGKILL), 0);
  snprintf(gone, sizeof gone, "exit(%d,0,9)", id);
  snprintf(listening, sizeof listening, "listening(%d)", WORKERS + number);
  run_until_noted(scene->crew.loop, gone, 1);
  run_until_noted(scene->crew.loop, listening, 1);
}

/* Questions that stay open for so long are given up; their flows ask anew. */
static void give_up(struct scene *scene, uint64_t ms) {
  uint32_t asked[FLOWS];
  for (int i = 0; i < FLOWS; i++)
    asked[i] = scene->flows.all[i].asked;
  run_for(scene, ms);
  for (int i = 0; i < FLOWS; i++) {
    struct flow *flow = &scene->flows.all[i];
    if (question_is_open(flow) && flow->asked == asked[i]) {
      scene->given_up++;
      ask(flow);
    }
  }
}

static unsigned lost(const struct scene *scene) {
  return scene->given_up - scene->flows.late;
}

static void kill_in_turn(struct scene *scene) {
  int is_long = getenv("DGRAM_TEST_LONG") != NULL;
  int kills = is_long ? LONG_KILLS : KILLS;
  if (is_long)
    alarm(10 * LONG_KILLS);
  for (int number = 1; number <= kills; number++) {
    kill_one(scene, number);
    give_up(scene, is_long ? LONG_MS : SHORT_MS * test_scale());
    assert_true(lost(scene) <= (unsigned)(number * FLOWS));
  }
}

static void only_what_it_held_is_lost(void **state) {
  static struct scene scene;
  set_free_port();
  crew_open(&scene.crew, "answer_all");
  scene.crew.on_exit = start_again;
  for (int i = 0; i < WORKERS; i++)
    crew_fork(&scene.crew);
  crew_await(&scene.crew, "listening(1)", "listening(2)", "listening(3)", "listening(4)");
  flows_start(&scene.flows, scene.crew.loop, port_wanted());
  run_until_answers(scene.crew.loop, &scene.flows, FLOWS);
  int descriptors = count_open_files();
  kill_in_turn(&scene);
  assert_int_equal(count_open_files(), descriptors);
  scene.flows.stopped = 1;
  run_for(&scene, SHORT_MS);
  print_message("%u answers, %u lost\n", scene.flows.answers, lost(&scene));
  assert_int_equal(scene.flows.repeated, 0);
  assert_int_equal(scene.flows.errors, 0);
  flows_close(&scene.flows);
  scene.crew.on_exit = NULL;
  crew_close(&scene.crew);
}

static const struct CMUnitTest tests[] = {cmocka_unit_test(only_what_it_held_is_lost)};

CLUSTER_TEST_MAIN(roles, tests)

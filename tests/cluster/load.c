/* Four workers on one port under load: each datagram is answered exactly once, and all take part.
 */
#include "flows.h"

enum { WORKERS = 4, ANSWERS = 20000 };

static const struct role roles[] = {{"answer_all", answer_all}};

static void each_is_answered_once(void **state) {
  static struct flows flows;
  struct crew crew;
  set_free_port();
  crew_open(&crew, "answer_all");
  for (int i = 0; i < WORKERS; i++)
    crew_fork(&crew);
  crew_await(&crew, "listening(1)", "listening(2)", "listening(3)", "listening(4)");
  flows_start(&flows, crew.loop, port_wanted());
  run_until_answers(crew.loop, &flows, ANSWERS / test_scale());
  flows.stopped = 1;
  while (open_questions(&flows) > 0)
    assert_int_not_equal(uv_run(crew.loop, UV_RUN_ONCE), 0);
  settle(crew.loop);
  assert_int_equal(flows.repeated, 0);
  assert_int_equal(flows.errors, 0);
  for (int id = 1; id <= WORKERS; id++) {
    print_message("worker %d: %u answers\n", id, flows.by_worker[id]);
    assert_true(flows.by_worker[id] > 0);
  }
  flows_close(&flows);
  crew_close(&crew);
}

static const struct CMUnitTest tests[] = {cmocka_unit_test(each_is_answered_once)};

CLUSTER_TEST_MAIN(roles, tests)

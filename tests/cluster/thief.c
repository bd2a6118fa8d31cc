/* A port that workers share is theirs alone, whoever of them comes and goes. */
#include "cluster_test.h"
#include "thief.h"

static void share(void) {
  uv_loop_t *loop = join();
  must(dgram_bind(reporting_udp4(loop), port_wanted(), "127.0.0.1", NULL, NULL) == 0);
  work_to_end(loop);
}

static const struct role roles[] = {{"share", share}};

static void nobody_else_gets_the_port(void **state) {
  enum { RESTARTS = 10 };
  struct crew crew;
  struct thief thief;
  crew_open(&crew, "share");
  set_free_port();
  crew_fork(&crew);
  crew_await(&crew, "listening(1)");
  thief_starts(&thief, port_wanted());
  crew_fork(&crew);
  crew_await(&crew, "listening(2)");
  assert_int_equal(dgram_cluster_kill(crew.cluster, 2, SIGKILL), 0);
  crew_await(&crew, "exit(2,0,9)");
  for (int i = 0; i < RESTARTS; i++) {
    char end[32];
    int id = dgram_cluster_next(crew.cluster, 0);
    assert_true(dgram_cluster_restart(crew.cluster, id) > 0);
    snprintf(end, sizeof end, "exit(%d,0,0)", id);
    run_until_noted(crew.loop, end, 1);
  }
  thief_got_nothing(&thief);
  crew_close(&crew);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(nobody_else_gets_the_port),
};

CLUSTER_TEST_MAIN(roles, tests)

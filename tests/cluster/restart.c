/* Replacing a worker: the old one goes when the new one listens, and not before. */
#include "cluster_test.h"

static void listen_on(uv_loop_t *loop) {
  must(dgram_bind(reporting_udp4(loop), port_wanted(), "127.0.0.1", NULL, NULL) == 0);
  work_to_end(loop);
}

static void listen_on_port(void) {
  listen_on(join());
}

/* The first of its kind listens; those that follow fail before they come to it. */
static void listen_once(void) {
  uv_loop_t *loop = join();
  if (this_id > 1)
    _exit(9);
  listen_on(loop);
}

static const struct role roles[] = {
    {"listen_on_port", listen_on_port},
    {"listen_once", listen_once},
};

/* Of a worker that listens on a port of its own. */
static void begin_restart(struct crew *crew, const char *role) {
  set_free_port();
  crew_open(crew, role);
  crew_fork(crew);
  crew_await(crew, "listening(1)");
  assert_int_equal(dgram_cluster_restart(crew->cluster, 1), 2);
}

static void the_old_one_goes_when_the_new_one_listens(void **state) {
  struct crew crew;
  begin_restart(&crew, "listen_on_port");
  crew_await(&crew, "exit(1,0,0)");
  assert_true(strstr(trace_text, "listening(2)") < strstr(trace_text, "disconnect(1)"));
  assert_int_equal(dgram_cluster_restart(crew.cluster, 2), 3); /* with the same environment */
  crew_await(&crew, "exit(2,0,0)");
  assert_int_equal(dgram_cluster_restart(crew.cluster, 2), UV_ESRCH);
  assert_int_equal(dgram_cluster_next(crew.cluster, 0), 3);
  crew_close(&crew);
}

static void the_old_one_stays_if_the_new_one_fails(void **state) {
  struct crew crew;
  begin_restart(&crew, "listen_once");
  crew_await(&crew, "exit(2,9,0)");
  settle(crew.loop);
  assert_int_equal(times_noted("disconnect(1)"), 0);
  assert_int_equal(dgram_cluster_next(crew.cluster, 0), 1);
  crew_close(&crew);
}

static void the_old_one_may_have_gone_already(void **state) {
  struct crew crew;
  begin_restart(&crew, "listen_on_port");
  assert_int_equal(dgram_cluster_kill(crew.cluster, 1, SIGKILL), 0);
  crew_await(&crew, "exit(1,0,9)", "listening(2)");
  crew_close(&crew);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(the_old_one_goes_when_the_new_one_listens),
    cmocka_unit_test(the_old_one_stays_if_the_new_one_fails),
    cmocka_unit_test(the_old_one_may_have_gone_already),
};

CLUSTER_TEST_MAIN(roles, tests)

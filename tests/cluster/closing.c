/* The end of a cluster: workers are asked to go, and those that don't are made to. */
#include "cluster_test.h"

static void listen_on_any(void) {
  uv_loop_t *loop = join();
  must(dgram_bind(reporting_udp4(loop), 0, "127.0.0.1", NULL, NULL) == 0);
  work_to_end(loop);
}

/* Hears nothing any more. */
static void hang(dgram_socket_t *socket, void *context) {
  report("hangs");
  for (;;)
    pause();
}

static void listen_and_hang(void) {
  uv_loop_t *loop = join();
  must(dgram_bind(reporting_udp4(loop), 0, "127.0.0.1", hang, NULL) == 0);
  uv_run(loop, UV_RUN_DEFAULT);
}

static const struct role roles[] = {
    {"listen_on_any", listen_on_any},
    {"listen_and_hang", listen_and_hang},
};

static void all_workers_are_disconnected(void **state) {
  struct crew crew;
  crew_open(&crew, "listen_on_any");
  crew_fork(&crew);
  crew_fork(&crew);
  crew_await(&crew, "listening(1)", "listening(2)");
  assert_int_equal(dgram_cluster_close(crew.cluster, 5000, crew_closed, &crew), 0);
  assert_int_equal(dgram_cluster_close(crew.cluster, 5000, crew_closed, &crew), UV_EALREADY);
  assert_int_equal(dgram_cluster_fork(crew.cluster, NULL), UV_ECANCELED);
  run_until(crew.loop, &crew.closed, 1);
  crew_await(&crew, "exit(1,0,0)", "exit(2,0,0)");
  close_socket(crew.reports);
  close_loop(crew.loop);
}

static void one_that_hangs_is_killed(void **state) {
  struct crew crew;
  crew_open(&crew, "listen_and_hang");
  crew_fork(&crew);
  crew_await(&crew, "1:hangs");
  assert_int_equal(dgram_cluster_close(crew.cluster, 1, crew_closed, &crew), 0);
  run_until(crew.loop, &crew.closed, 1);
  crew_await(&crew, "disconnect(1)", "exit(1,0,9)");
  close_socket(crew.reports);
  close_loop(crew.loop);
}

static void an_empty_one_closes_from_the_loop(void **state) {
  struct crew crew;
  crew_open(&crew, "listen_on_any");
  assert_int_equal(dgram_cluster_close(crew.cluster, 0, crew_closed, &crew), 0);
  assert_int_equal(crew.closed, 0);
  run_until(crew.loop, &crew.closed, 1);
  close_socket(crew.reports);
  close_loop(crew.loop);
}

static void a_worker_that_could_not_be_started_leaves_nothing(void **state) {
  struct crew crew;
  char *const args[] = {"worker", NULL};
  crew_open(&crew, "listen_on_any");
  int before = count_open_files();
  dgram_cluster_t *cluster;
  dgram_cluster_options_t options = crew_options(args);
  options.file = "/nowhere/no-such-program";
  assert_int_equal(dgram_cluster_create(crew.loop, &options, &cluster), 0);
  assert_int_equal(dgram_cluster_fork(cluster, NULL), UV_ENOENT);
  assert_int_equal(dgram_cluster_next(cluster, 0), 0);
  assert_int_equal(dgram_cluster_close(cluster, 0, crew_closed, &crew), 0);
  run_until(crew.loop, &crew.closed, 1);
  assert_int_equal(times_noted("("), 0);         /* there was nothing to tell */
  assert_true(count_open_files() <= before + 2); /* libuv keeps a pipe for signals */
  crew.closed = 0;
  crew_close(&crew);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(all_workers_are_disconnected),
    cmocka_unit_test(one_that_hangs_is_killed),
    cmocka_unit_test(an_empty_one_closes_from_the_loop),
    cmocka_unit_test(a_worker_that_could_not_be_started_leaves_nothing),
};

CLUSTER_TEST_MAIN(roles, tests)

/* Arguments that make no sense are refused, and change nothing. */
#include "cluster_test.h"

static char *const args[] = {"worker", NULL};

static void create(void **state) {
  static char *const no_args[] = {NULL};
  uv_loop_t *loop = open_loop();
  dgram_cluster_options_t options = dgram_default_cluster_options(args);
  dgram_cluster_t *cluster = (dgram_cluster_t *)state;
  assert_int_equal(dgram_cluster_create(NULL, &options, &cluster), UV_EINVAL);
  assert_null(cluster);
  assert_int_equal(dgram_cluster_create(loop, NULL, &cluster), UV_EINVAL);
  assert_int_equal(dgram_cluster_create(loop, &options, NULL), UV_EINVAL);
  options.args = no_args;
  assert_int_equal(dgram_cluster_create(loop, &options, &cluster), UV_EINVAL);
  options.args = NULL;
  assert_int_equal(dgram_cluster_create(loop, &options, &cluster), UV_EINVAL);
  options = dgram_default_cluster_options(args);
  options.struct_size = 0;
  assert_int_equal(dgram_cluster_create(loop, &options, &cluster), UV_EINVAL);
  options.struct_size = sizeof options + 8;
  assert_int_equal(dgram_cluster_create(loop, &options, &cluster), UV_EINVAL);
  options.struct_size = offsetof(dgram_cluster_options_t, context); /* no version ended there */
  assert_int_equal(dgram_cluster_create(loop, &options, &cluster), UV_EINVAL);
  options.struct_size = offsetof(dgram_cluster_options_t, most_sockets) + 1;
  assert_int_equal(dgram_cluster_create(loop, &options, &cluster), UV_EINVAL);
  close_loop(loop);
}

static void create_with_the_options_of_version_0_3(void **state) {
  uv_loop_t *loop = open_loop();
  dgram_cluster_t *cluster;
  dgram_cluster_options_t options = dgram_default_cluster_options(args);
  options.struct_size = offsetof(dgram_cluster_options_t, most_sockets);
  options.most_sockets = 1; /* what lies there is none of the library's business */
  assert_int_equal(dgram_cluster_create(loop, &options, &cluster), 0);
  assert_int_equal(dgram_cluster_close(cluster, 0, NULL, NULL), 0);
  run_to_end(loop);
  close_loop(loop);
}

static void no_cluster(void **state) {
  assert_int_equal(dgram_cluster_fork(NULL, NULL), UV_EINVAL);
  assert_int_equal(dgram_cluster_next(NULL, 0), 0);
  assert_int_equal(dgram_cluster_pid(NULL, 1), UV_EINVAL);
  assert_int_equal(dgram_cluster_disconnect(NULL, 1), UV_EINVAL);
  assert_int_equal(dgram_cluster_kill(NULL, 1, SIGTERM), UV_EINVAL);
  assert_int_equal(dgram_cluster_restart(NULL, 1), UV_EINVAL);
  assert_int_equal(dgram_cluster_close(NULL, 0, NULL, NULL), UV_EINVAL);
}

static void no_worker(void **state) {
  uv_loop_t *loop = open_loop();
  dgram_cluster_t *cluster;
  dgram_cluster_options_t options = dgram_default_cluster_options(args);
  assert_int_equal(dgram_cluster_create(loop, &options, &cluster), 0);
  for (int id = -1; id <= 1; id++) {
    assert_int_equal(dgram_cluster_pid(cluster, id), UV_ESRCH);
    assert_int_equal(dgram_cluster_disconnect(cluster, id), UV_ESRCH);
    assert_int_equal(dgram_cluster_kill(cluster, id, SIGTERM), UV_ESRCH);
    assert_int_equal(dgram_cluster_restart(cluster, id), UV_ESRCH);
    assert_int_equal(dgram_cluster_next(cluster, id), 0);
  }
  assert_int_equal(dgram_cluster_close(cluster, 0, NULL, NULL), 0);
  run_to_end(loop);
  close_loop(loop);
}

static void join_without(void **state) {
  uv_loop_t *loop = open_loop();
  dgram_worker_t *worker = (dgram_worker_t *)state;
  assert_int_equal(dgram_worker_join(loop, NULL, NULL, NULL), UV_EINVAL);
  assert_int_equal(dgram_worker_join(NULL, NULL, NULL, &worker), UV_EINVAL);
  assert_null(worker);
  assert_int_equal(dgram_worker_id(NULL), 0);
  dgram_worker_leave(NULL);
  close_loop(loop);
}

/* The variable alone invites nobody: descriptor 3 must be the very socket that it names. */
static void a_false_invitation(void **state) {
  enum { CHANNEL = 3 };
  static const char *const values[] = {
      "", "1", "1:1", "1:1:", "1:1:x", "1:0:1", "1:1:1", "2:1:1", "99999999999999999999:1:1"};
  int other = raw_socket();
  if (other != CHANNEL) {
    assert_int_equal(dup2(other, CHANNEL), CHANNEL);
    close(other);
  }
  for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
    assert_int_equal(setenv("DGRAM_CLUSTER", values[i], 1), 0);
    assert_true(dgram_cluster_is_primary());
  }
  close(CHANNEL);
  assert_int_equal(unsetenv("DGRAM_CLUSTER"), 0);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(create),       cmocka_unit_test(create_with_the_options_of_version_0_3),
    cmocka_unit_test(no_cluster),   cmocka_unit_test(no_worker),
    cmocka_unit_test(join_without), cmocka_unit_test(a_false_invitation),
};

static const struct role roles[] = {{NULL, NULL}};

CLUSTER_TEST_MAIN(roles, tests)

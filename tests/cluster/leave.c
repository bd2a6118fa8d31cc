/* How a worker's connection ends: asked by the primary, by itself, or because the primary is gone.
 */
#include "cluster_test.h"

/* ---- workers ---- */

static void bind_to(dgram_socket_t *socket, int port, dgram_listening_cb callback) {
  must(dgram_bind(socket, port, "127.0.0.1", callback, NULL) == 0);
}

static void leave(dgram_socket_t *socket, void *context) {
  dgram_worker_leave(this_worker);
  dgram_worker_leave(this_worker); /* twice is once */
  report("left");
}

static void leave_when_bound(void) {
  uv_loop_t *loop = join();
  bind_to(reporting_udp4(loop), 0, leave);
  work_to_end(loop);
}

/* Sends from the shared socket's last moment leave. */
static void send_and_close(dgram_socket_t *socket, void *context) {
  int port = told("REPORT_PORT");
  for (int i = 0; i < 100; i++)
    must(dgram_send(socket, "sent", 4, port, "127.0.0.1", NULL, NULL) == 0);
}

static void send_while_disconnected(void) {
  uv_loop_t *loop = join();
  bind_to(reporting_udp4(loop), 0, send_and_close);
  work_to_end(loop);
}

static void leave_again(dgram_worker_t *worker, void *context) {
  dgram_worker_leave(worker);
  report("left");
}

/* Leaves once more when it has left. */
static void leave_when_disconnected(void) {
  dgram_worker_t *worker;
  uv_loop_t *loop = uv_default_loop();
  must(dgram_worker_join(loop, leave_again, NULL, &worker) == 0);
  dgram_worker_leave(worker);
  uv_run(loop, UV_RUN_DEFAULT);
  must(uv_loop_close(loop) == 0);
}

/* A second join is refused, whether the first still lasts or not. */
static void join_twice(void) {
  dgram_worker_t *again;
  uv_loop_t *loop = join();
  report("again(%s)", dgram_err_name(dgram_worker_join(loop, NULL, NULL, &again)));
  must(again == NULL);
  dgram_worker_leave(this_worker);
  uv_run(loop, UV_RUN_DEFAULT);
  report("after(%s)", dgram_err_name(dgram_worker_join(loop, NULL, NULL, &again)));
  must(!dgram_cluster_is_primary());
}

/* After it has left, the loop binds for its process alone. */
static void bind_after_leaving(void) {
  uv_loop_t *loop = join();
  dgram_worker_leave(this_worker);
  uv_run(loop, UV_RUN_DEFAULT);
  dgram_socket_t *socket = reporting_udp4(loop);
  bind_to(socket, 0, NULL);
  uv_run(loop, UV_RUN_ONCE);
  must(dgram_close(socket, NULL, NULL) == 0);
  work_to_end(loop);
}

static void be_orphaned(void) {
  uv_loop_t *loop = join();
  bind_to(reporting_udp4(loop), port_wanted(), NULL);
  work_to_end(loop);
  report("ended");
}

/* A worker that is a primary itself. */
static void be_primary(void) {
  char *const args[] = {"worker", NULL};
  char *const env[] = {"ROLE=be_orphaned", NULL};
  dgram_cluster_t *cluster;
  dgram_cluster_options_t options = dgram_default_cluster_options(args);
  must(dgram_cluster_create(uv_default_loop(), &options, &cluster) == 0);
  must(dgram_cluster_fork(cluster, env) == 1);
  uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}

static const struct role roles[] = {
    {"leave_when_bound", leave_when_bound},
    {"send_while_disconnected", send_while_disconnected},
    {"leave_when_disconnected", leave_when_disconnected},
    {"join_twice", join_twice},
    {"bind_after_leaving", bind_after_leaving},
    {"be_orphaned", be_orphaned},
    {"be_primary", be_primary},
};

/* ---- what the primary sees ---- */

static void a_worker_may_leave(void **state) {
  struct crew crew;
  crew_open(&crew, "leave_when_bound");
  crew_fork(&crew);
  crew_await(&crew, "1:left", "1:close", "1:disconnected", "disconnect(1)", "exit(1,0,0)");
  crew_close(&crew);
}

static void leaving_once_more_is_nothing(void **state) {
  struct crew crew;
  crew_open(&crew, "leave_when_disconnected");
  crew_fork(&crew);
  crew_await(&crew, "0:left", "exit(1,0,0)");
  crew_close(&crew);
}

static void what_was_sent_before_has_left(void **state) {
  struct crew crew;
  crew_open(&crew, "send_while_disconnected");
  crew_fork(&crew);
  crew_await(&crew, "listening(1)");
  assert_int_equal(dgram_cluster_disconnect(crew.cluster, 1), 0);
  crew_await(&crew, "exit(1,0,0)");
  run_until_noted(crew.loop, "sent", 100);
  crew_close(&crew);
}

static void a_process_joins_once(void **state) {
  struct crew crew;
  crew_open(&crew, "join_twice");
  crew_fork(&crew);
  crew_await(&crew, "1:again(EALREADY)", "1:after(EALREADY)", "exit(1,0,0)");
  crew_close(&crew);
}

static void who_has_left_binds_for_himself(void **state) {
  struct crew crew;
  crew_open(&crew, "bind_after_leaving");
  crew_fork(&crew);
  crew_await(&crew, "1:bound", "exit(1,0,0)");
  assert_int_equal(times_noted("listening"), 0);
  crew_close(&crew);
}

static void the_primary_is_killed(void **state) {
  struct crew crew;
  crew_open(&crew, "be_primary");
  set_free_port();
  crew_fork(&crew);
  crew_await(&crew, "1:bound");
  assert_int_equal(dgram_cluster_kill(crew.cluster, 1, SIGKILL), 0);
  crew_await(&crew, "1:close", "1:disconnected", "1:ended");
  crew_close(&crew);
}

static void who_was_not_invited_can_not_join(void **state) {
  uv_loop_t *loop = open_loop();
  dgram_worker_t *worker = (dgram_worker_t *)state;
  assert_true(dgram_cluster_is_primary());
  assert_int_equal(dgram_worker_join(loop, NULL, NULL, &worker), UV_ENOENT);
  assert_null(worker);
  close_loop(loop);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_worker_may_leave),
    cmocka_unit_test(leaving_once_more_is_nothing),
    cmocka_unit_test(what_was_sent_before_has_left),
    cmocka_unit_test(a_process_joins_once),
    cmocka_unit_test(who_has_left_binds_for_himself),
    cmocka_unit_test(the_primary_is_killed),
    cmocka_unit_test(who_was_not_invited_can_not_join),
};

CLUSTER_TEST_MAIN(roles, tests)

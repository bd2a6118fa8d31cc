/* What a worker binds for itself alone. */
#include "cluster_test.h"

/* ---- workers ---- */

static void share(void) {
  uv_loop_t *loop = join();
  must(dgram_bind(reporting_udp4(loop), port_wanted(), "127.0.0.1", NULL, NULL) == 0);
  work_to_end(loop);
}

static void bind_exclusively(dgram_socket_t *socket, int port) {
  dgram_bind_options_t options = dgram_default_bind_options();
  options.port = port;
  options.address = "127.0.0.1";
  options.exclusive = 1;
  must(dgram_bind_options(socket, &options, NULL, NULL) == 0);
}

/* Reports what becomes of it in each way on a port that the others share. */
static void exclude(void) {
  uv_loop_t *loop = join();
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  bind_exclusively(reporting_socket(loop, &options), port_wanted());
  uv_run(loop, UV_RUN_DEFAULT);
  options.reuse_port = 1;
  must(dgram_bind(reporting_socket(loop, &options), port_wanted(), "127.0.0.1", NULL, NULL) == 0);
  uv_run(loop, UV_RUN_DEFAULT);
  dgram_socket_t *at_once = reporting_udp4(loop);
  report("sync(%s)", dgram_err_name(dgram_bind_sync(at_once, port_wanted(), "127.0.0.1")));
  must(dgram_close(at_once, NULL, NULL) == 0);
  work_to_end(loop);
}

/* Before it joins, or on a loop that does not, a bind is the process's own. */
static void on_another_loop(void) {
  uv_loop_t other;
  must(uv_loop_init(&other) == 0);
  uv_loop_t *loop = join();
  must(dgram_bind(reporting_udp4(&other), port_wanted(), "127.0.0.1", NULL, NULL) == 0);
  uv_run(&other, UV_RUN_DEFAULT);
  must(uv_loop_close(&other) == 0);
  work_to_end(loop);
}

/* Random ports: own ones each, whatever binds. */
static void close_when_bound(dgram_socket_t *socket, void *context) {
  must(dgram_close(socket, NULL, NULL) == 0);
}

static dgram_socket_t *closing_socket(uv_loop_t *loop) {
  dgram_socket_t *socket = reporting_udp4(loop);
  must(dgram_on_listening(socket, close_when_bound, NULL) == 0);
  return socket;
}

static void bind_randomly(void) {
  uv_loop_t *loop = join();
  bind_exclusively(closing_socket(loop), 0);
  must(dgram_send(closing_socket(loop), "x", 1, 9, "127.0.0.1", NULL, NULL) == 0);
  must(dgram_connect(closing_socket(loop), 9, "127.0.0.1", NULL, NULL) == 0);
  must(dgram_add_membership(closing_socket(loop), "224.0.0.114", "127.0.0.1") == 0);
  must(dgram_bind_sync(closing_socket(loop), 0, NULL) == 0);
  work_to_end(loop);
}

static const struct role roles[] = {
    {"share", share},
    {"exclude", exclude},
    {"on_another_loop", on_another_loop},
    {"bind_randomly", bind_randomly},
};

/* ---- what the primary sees ---- */

/* Starts a worker that shares a port, and after it one that plays another role. */
static void share_beside(struct crew *crew, const char *role) {
  crew_open(crew, "share");
  set_free_port();
  crew_fork(crew);
  crew_await(crew, "listening(1)");
  assert_int_equal(crew_fork_as(crew, role), 2);
}

static void a_shared_port_is_in_use(void **state) {
  struct crew crew;
  share_beside(&crew, "exclude");
  crew_await(&crew, "2:error(bind,EADDRINUSE)", "2:sync(EADDRINUSE)", "exit(2,0,0)");
  run_until_noted(crew.loop, "2:error(bind,EADDRINUSE)", 2);
  assert_int_equal(times_noted("listening(2)"), 0);
  crew_close(&crew);
}

static void another_loop_has_not_joined(void **state) {
  struct crew crew;
  share_beside(&crew, "on_another_loop");
  crew_await(&crew, "2:error(bind,EADDRINUSE)", "exit(2,0,0)");
  assert_int_equal(times_noted("listening(2)"), 0);
  crew_close(&crew);
}

static void what_binds_implicitly_does_not_ask(void **state) {
  struct crew crew;
  crew_open(&crew, "bind_randomly");
  crew_fork(&crew);
  crew_fork(&crew);
  crew_await(&crew, "exit(1,0,0)", "exit(2,0,0)");
  run_until_noted(crew.loop, ":bound(", 10);
  assert_int_equal(times_noted("listening("), 0); /* which the primary tells of what it gave */
  crew_close(&crew);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_shared_port_is_in_use),
    cmocka_unit_test(another_loop_has_not_joined),
    cmocka_unit_test(what_binds_implicitly_does_not_ask),
};

CLUSTER_TEST_MAIN(roles, tests)

/* Workers that bind to the same address share one system socket. */
#include "cluster_test.h"

/* ---- workers ---- */

/* Binds two sockets to random ports, one after the other. */
static void bind_second(dgram_socket_t *socket, void *context) {
  dgram_socket_t *second = reporting_udp4(dgram_loop(socket));
  must(dgram_bind(second, 0, "127.0.0.1", NULL, NULL) == 0);
}

static void two_sockets(void) {
  uv_loop_t *loop = join();
  dgram_socket_t *first = reporting_udp4(loop);
  must(dgram_bind(first, 0, "127.0.0.1", bind_second, NULL) == 0);
  work_to_end(loop);
}

static void one_port(void) {
  uv_loop_t *loop = join();
  must(dgram_bind(reporting_udp4(loop), port_wanted(), "127.0.0.1", NULL, NULL) == 0);
  work_to_end(loop);
}

/* Another question for the same port is another system socket, for which there is no room. */
static void reusing(void) {
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  uv_loop_t *loop = join();
  options.reuse_addr = dgram_worker_id(this_worker) == 1;
  must(dgram_bind(reporting_socket(loop, &options), port_wanted(), "127.0.0.1", NULL, NULL) == 0);
  work_to_end(loop);
}

/* Closes its socket and binds another to the same address. */
static void bind_again(dgram_socket_t *socket, void *context) {
  dgram_socket_t *second = reporting_udp4(dgram_loop(socket));
  must(dgram_bind(second, port_wanted(), "127.0.0.1", NULL, NULL) == 0);
}

static void close_it(dgram_socket_t *socket, void *context) {
  must(dgram_close(socket, bind_again, NULL) == 0);
}

static void closing(void) {
  uv_loop_t *loop = join();
  must(dgram_bind(reporting_udp4(loop), port_wanted(), "127.0.0.1", close_it, NULL) == 0);
  work_to_end(loop);
}

/* Also by IPv6, and by a name that has to be looked up first. */
static void one_port_of_ipv6(void) {
  dgram_options_t options = dgram_default_options(DGRAM_UDP6);
  options.ipv6_only = 1;
  uv_loop_t *loop = join();
  must(dgram_bind(reporting_socket(loop, &options), port_wanted(), "::1", NULL, NULL) == 0);
  work_to_end(loop);
}

static void one_port_by_name(void) {
  uv_loop_t *loop = join();
  must(dgram_bind(reporting_udp4(loop), port_wanted(), "localhost", NULL, NULL) == 0);
  work_to_end(loop);
}

static const struct role roles[] = {
    {"one_port_of_ipv6", one_port_of_ipv6},
    {"one_port_by_name", one_port_by_name},
    {"two_sockets", two_sockets},
    {"one_port", one_port},
    {"reusing", reusing},
    {"closing", closing},
};

/* ---- what the primary sees ---- */

/* The n-th port that a worker has reported. */
static int reported_port(int id, int n) {
  char word[32];
  const char *at = trace_text;
  snprintf(word, sizeof word, "%d:bound(", id);
  for (int i = 0; i < n; i++) {
    at = strstr(at, word);
    assert_non_null(at);
    at += strlen(word);
  }
  return atoi(at);
}

static void random_ports_are_the_same_by_order_of_asking(void **state) {
  struct crew crew;
  crew_open(&crew, "two_sockets");
  for (int id = 1; id <= 3; id++)
    assert_int_equal(crew_fork(&crew), id);
  for (int id = 1; id <= 3; id++) {
    char first[32];
    snprintf(first, sizeof first, "%d:bound(", id);
    run_until_noted(crew.loop, first, 2);
  }
  assert_int_not_equal(reported_port(1, 1), reported_port(1, 2));
  for (int id = 2; id <= 3; id++) {
    assert_int_equal(reported_port(id, 1), reported_port(1, 1));
    assert_int_equal(reported_port(id, 2), reported_port(1, 2));
  }
  crew_close(&crew);
}

static void a_port_is_shared_until_the_last_worker_has_gone(void **state) {
  struct crew crew;
  set_free_port();
  crew_open(&crew, "one_port");
  crew_fork(&crew);
  crew_fork(&crew);
  crew_await(&crew, "listening(1)", "listening(2)", "1:bound", "2:bound");
  assert_int_equal(reported_port(1, 1), port_wanted());
  assert_int_equal(reported_port(2, 1), port_wanted());
  dgram_socket_t *own = new_socket(crew.loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_cluster_disconnect(crew.cluster, 1), 0);
  crew_await(&crew, "exit(1,0,0)");
  assert_int_equal(dgram_bind_sync(own, port_wanted(), "127.0.0.1"), UV_EADDRINUSE);
  assert_int_equal(dgram_cluster_disconnect(crew.cluster, 2), 0);
  crew_await(&crew, "exit(2,0,0)");
  assert_int_equal(dgram_bind_sync(own, port_wanted(), "127.0.0.1"), 0);
  close_socket(own);
  crew_close(&crew);
}

static void assert_two_share(const char *role) {
  struct crew crew;
  set_free_port();
  crew_open(&crew, role);
  crew_fork(&crew);
  crew_fork(&crew);
  crew_await(&crew, "listening(1)", "listening(2)", "1:bound", "2:bound");
  assert_int_equal(reported_port(1, 1), port_wanted());
  assert_int_equal(reported_port(2, 1), port_wanted());
  crew_close(&crew);
}

static void a_port_of_ipv6_is_shared(void **state) {
  skip_without_ipv6();
  assert_two_share("one_port_of_ipv6");
}

static void a_port_by_name_is_shared(void **state) {
  assert_two_share("one_port_by_name");
}

static void other_options_are_another_socket(void **state) {
  struct crew crew;
  set_free_port();
  crew_open(&crew, "reusing");
  crew_fork(&crew);
  crew_await(&crew, "1:bound");
  crew_fork(&crew);
  crew_await(&crew, "2:error(bind,EADDRINUSE)");
  crew_close(&crew);
}

static void who_closes_may_bind_again(void **state) {
  struct crew crew;
  set_free_port();
  crew_open(&crew, "closing");
  crew_fork(&crew);
  run_until_noted(crew.loop, "1:bound", 2);
  assert_int_equal(reported_port(1, 2), port_wanted());
  crew_close(&crew);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(random_ports_are_the_same_by_order_of_asking),
    cmocka_unit_test(a_port_is_shared_until_the_last_worker_has_gone),
    cmocka_unit_test(a_port_of_ipv6_is_shared),
    cmocka_unit_test(a_port_by_name_is_shared),
    cmocka_unit_test(other_options_are_another_socket),
    cmocka_unit_test(who_closes_may_bind_again),
};

CLUSTER_TEST_MAIN(roles, tests)

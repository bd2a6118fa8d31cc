/* Workers that bind to the same address share one system socket; some binds are a worker's own. */
#include "lib/cluster_fixture.h"

/* ---- workers that share ---- */

/* Binds two sockets to random ports, one after the other. */
static void bind_second(dgram_socket_t *socket, void *context) {
  worker_bind(reporting_udp4(dgram_loop(socket)), 0, NULL);
}

ROLE(bind_two_sockets) {
  worker_bind(reporting_udp4(loop), 0, bind_second);
}

/* Another request for the same port is another system socket, for which there is no room. */
ROLE(reuse_or_not) {
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.reuse_addr = this_id == 1;
  worker_bind(reporting_socket(loop, &options), port_wanted(), NULL);
}

ROLE(ipv6_only_or_not) {
  dgram_options_t options = dgram_default_options(DGRAM_UDP6);
  options.ipv6_only = this_id == 1;
  must(dgram_bind(reporting_socket(loop, &options), port_wanted(), "::", NULL, NULL) == 0);
}

/* Closes its socket and binds another to the same address. */
static void bind_again(dgram_socket_t *socket, void *context) {
  worker_bind(reporting_udp4(dgram_loop(socket)), port_wanted(), NULL);
}

static void close_and_bind_again(dgram_socket_t *socket, void *context) {
  must(dgram_close(socket, bind_again, NULL) == 0);
}

ROLE(close_and_bind) {
  worker_bind(reporting_udp4(loop), port_wanted(), close_and_bind_again);
}

ROLE(bind_by_ipv6) {
  dgram_options_t options = dgram_default_options(DGRAM_UDP6);
  options.ipv6_only = 1;
  must(dgram_bind(reporting_socket(loop, &options), port_wanted(), "::1", NULL, NULL) == 0);
}

ROLE(bind_by_name) {
  must(dgram_bind(reporting_udp4(loop), port_wanted(), "localhost", NULL, NULL) == 0);
}

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

TEST("workers that bind to random ports get the same ones, in the order of their requests") {
  for (int id = 1; id <= 3; id++)
    assert_int_equal(fork_worker("bind_two_sockets"), id);
  for (int id = 1; id <= 3; id++)
    await_times(2, "%d:bound(", id);
  assert_int_not_equal(reported_port(1, 1), reported_port(1, 2));
  for (int id = 2; id <= 3; id++) {
    assert_int_equal(reported_port(id, 1), reported_port(1, 1));
    assert_int_equal(reported_port(id, 2), reported_port(1, 2));
  }
}

static void assert_two_share(const char *role) {
  fork_worker(role);
  fork_worker(role);
  await("listening(1)", "listening(2)", "1:bound", "2:bound");
  assert_int_equal(reported_port(1, 1), port_wanted());
  assert_int_equal(reported_port(2, 1), port_wanted());
}

TEST("a port is shared until the last worker has ended") {
  assert_two_share("listen_on_port");
  dgram_socket_t *own = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_cluster_disconnect(cluster, 1), 0);
  await("exit(1,0,0)");
  assert_int_equal(dgram_bind_sync(own, port_wanted(), "127.0.0.1"), UV_EADDRINUSE);
  assert_int_equal(dgram_cluster_disconnect(cluster, 2), 0);
  await("exit(2,0,0)");
  assert_int_equal(dgram_bind_sync(own, port_wanted(), "127.0.0.1"), 0);
}

TEST("a port of IPv6 is shared") {
  skip_without_ipv6();
  assert_two_share("bind_by_ipv6");
}

TEST("a port of a host name, which has to be looked up, is shared") {
  assert_two_share("bind_by_name");
}

static void assert_second_has_no_room(const char *role) {
  fork_worker(role);
  await("1:bound");
  fork_worker(role);
  await("2:error(bind,EADDRINUSE)");
}

TEST("a bind with another reuse_addr is another socket: EADDRINUSE") {
  assert_second_has_no_room("reuse_or_not");
}

TEST("a bind with another ipv6_only is another socket: EADDRINUSE") {
  skip_without_ipv6();
  assert_second_has_no_room("ipv6_only_or_not");
}

TEST("a worker that closes its socket may bind again") {
  fork_worker("close_and_bind");
  await_times(2, "1:bound");
  assert_int_equal(reported_port(1, 2), port_wanted());
}

/* ---- workers that bind for themselves ---- */

static void bind_exclusively(dgram_socket_t *socket, int port) {
  dgram_bind_options_t options = dgram_default_bind_options();
  options.port = port;
  options.address = "127.0.0.1";
  options.exclusive = 1;
  must(dgram_bind_options(socket, &options, NULL, NULL) == 0);
}

/* Reports what becomes of it in each way on a port that the others share. */
ROLE(exclude) {
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  bind_exclusively(reporting_socket(loop, &options), port_wanted());
  uv_run(loop, UV_RUN_DEFAULT);
  options.reuse_port = 1;
  worker_bind(reporting_socket(loop, &options), port_wanted(), NULL);
  uv_run(loop, UV_RUN_DEFAULT);
  dgram_socket_t *at_once = reporting_udp4(loop);
  report("sync(%s)", dgram_err_name(dgram_bind_sync(at_once, port_wanted(), "127.0.0.1")));
  must(dgram_close(at_once, NULL, NULL) == 0);
}

/* On a loop that has not joined, a bind is the process's own. */
ROLE(bind_on_another_loop) {
  uv_loop_t other;
  must(uv_loop_init(&other) == 0);
  worker_bind(reporting_udp4(&other), port_wanted(), NULL);
  uv_run(&other, UV_RUN_DEFAULT);
  must(uv_loop_close(&other) == 0);
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

ROLE(bind_implicitly) {
  bind_exclusively(closing_socket(loop), 0);
  must(dgram_send(closing_socket(loop), "x", 1, 9, "127.0.0.1", NULL, NULL) == 0);
  must(dgram_connect(closing_socket(loop), 9, "127.0.0.1", NULL, NULL) == 0);
  must(dgram_add_membership(closing_socket(loop), "224.0.0.114", "127.0.0.1") == 0);
  must(dgram_bind_sync(closing_socket(loop), 0, NULL) == 0);
}

/* Starts a worker that shares a port, and after it one that plays another role. */
static void share_beside(const char *role) {
  fork_worker("listen_on_port");
  await("listening(1)");
  assert_int_equal(fork_worker(role), 2);
}

TEST("a shared port is EADDRINUSE for a worker that binds for itself") {
  share_beside("exclude");
  await("2:error(bind,EADDRINUSE)", "2:sync(EADDRINUSE)", "exit(2,0,0)");
  await_times(2, "2:error(bind,EADDRINUSE)");
  assert_int_equal(times_traced("listening(2)"), 0);
}

TEST("a shared port is EADDRINUSE on a loop that has not joined") {
  share_beside("bind_on_another_loop");
  await("2:error(bind,EADDRINUSE)", "exit(2,0,0)");
  assert_int_equal(times_traced("listening(2)"), 0);
}

TEST("a socket that binds implicitly does not request a port of the primary") {
  fork_worker("bind_implicitly");
  fork_worker("bind_implicitly");
  await("exit(1,0,0)", "exit(2,0,0)");
  await_times(10, ":bound(");
  assert_int_equal(times_traced("listening("), 0); /* which is an event of what it gave */
}

int main(void) {
  return cluster_run();
}

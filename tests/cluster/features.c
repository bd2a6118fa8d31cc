/*
 * What node:dgram has not, on a system socket that workers share: what is set there concerns all of
 * them, the rest is each worker's own; and what a bind is refused ends its request, too.
 */
#include "lib/cluster_fixture.h"

#include <dgram_peer.h>

/* ---- options of the system socket ---- */

static void report_ttl(dgram_socket_t *socket, void *context) {
  int64_t ttl = 0;
  must(dgram_get_sockopt(socket, DGRAM_SO_TTL, &ttl) == 0);
  report("ttl(%d)", (int)ttl);
}

/* The first worker sets it. */
ROLE(set_ttl) {
  dgram_sockopt_value_t values[] = {{DGRAM_SO_TTL, 33}};
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.sockopts = values;
  options.sockopt_count = this_id == 1;
  dgram_socket_t *socket = reporting_socket(loop, &options);
  worker_bind(socket, port_wanted(), report_ttl);
}

/* An option that has to precede the bind comes too late for the primary's system socket. */
ROLE(set_freebind) {
  dgram_socket_t *socket = reporting_udp4(loop);
  must(dgram_set_sockopt(socket, DGRAM_SO_FREEBIND, 1) == 0);
  worker_bind(socket, port_wanted(), NULL);
}

ROLE(bind_to_no_device) {
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.bind_device = "nosuchif";
  worker_bind(reporting_socket(loop, &options), port_wanted(), NULL);
}

TEST("an option that a worker sets is set for all who share the port") {
  fork_worker("set_ttl");
  await("1:ttl(33)");
  fork_worker("set_ttl");
  await("2:ttl(33)");
}

static void report_device(dgram_socket_t *socket, void *context) {
  char name[DGRAM_INTERFACE_NAME];
  must(dgram_get_bind_device(socket, name) == 0);
  report("device(%s)", name);
}

ROLE(bind_to_loopback) {
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.bind_device = this_id == 1 ? "lo" : NULL;
  worker_bind(reporting_socket(loop, &options), port_wanted(), report_device);
}

TEST("a device that a worker binds to is that of all who share the port") {
  fork_worker("bind_to_loopback");
  await("1:device(lo)");
  fork_worker("bind_to_loopback");
  await("2:device(lo)");
}

static void assert_refused(uv_loop_t *loop, const char *role, const char *error) {
  fork_worker(role);
  await_times(1, "%s", error);
  await("1:close", "exit(1,0,0)");
  assert_int_equal(times_traced("listening(1)"), 0);
  /* the primary has closed the system socket */
  assert_int_equal(
      dgram_bind_sync(new_socket(loop, DGRAM_UDP4, NULL, NULL), port_wanted(), "127.0.0.1"), 0);
}

TEST("an option that must precede the bind fails the bind of a worker") {
  assert_refused(loop, "set_freebind", "1:error(setsockopt,EINVAL)");
}

TEST("a device that does not exist fails the bind of a worker") {
  assert_refused(loop, "bind_to_no_device", "1:error(setsockopt,ENODEV)");
}

/* ---- a bind that fails, and goes on ---- */

/* The socket stays open, its sends and its queue end; then it binds without the option. */
static void retry(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  report("failed(%s,%s)", error->syscall, error->address);
  must(dgram_set_sockopt(socket, DGRAM_SO_FREEBIND, 0) == 0);
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  worker_bind(reporting_socket(dgram_loop(socket), &options), port_wanted(), NULL);
  must(dgram_close(socket, NULL, NULL) == 0);
}

static void report_sent(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                        void *context) {
  report("sent(%s)", error != NULL ? error->name : "OK");
}

static void report_drain(dgram_socket_t *socket, void *context) {
  report("drain(%d)", (int)dgram_get_send_queue_count(socket));
}

ROLE(retry_bind) {
  dgram_socket_t *socket;
  must(dgram_create_socket(loop, DGRAM_UDP4, NULL, NULL, &socket) == 0);
  must(dgram_on_error(socket, retry, NULL) == 0);
  must(dgram_set_sockopt(socket, DGRAM_SO_FREEBIND, 1) == 0);
  worker_bind(socket, port_wanted(), NULL);
  must(dgram_send(socket, "x", 1, port_wanted(), "127.0.0.1", report_sent, NULL) == 0);
}

TEST("a worker whose bind is refused for an option binds again in the 'error'") {
  fork_worker("retry_bind");
  await("1:failed(setsockopt,IP_FREEBIND)", "1:sent(EINVAL)", "1:bound", "listening(1)");
  assert_int_equal(times_traced("1:bound"), 1);
}

/* Nobody closes it: that the bind has failed leaves nothing that keeps the loop alive. */
static void report_and_keep(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  report("kept(%s,%s)", error->syscall, error->name);
  *(dgram_socket_t **)context = socket;
}

ROLE(keep_unbound) {
  dgram_socket_t *socket;
  dgram_socket_t *kept = NULL;
  must(dgram_create_socket(loop, DGRAM_UDP4, NULL, NULL, &socket) == 0);
  must(dgram_on_error(socket, report_and_keep, &kept) == 0);
  must(dgram_set_sockopt(socket, DGRAM_SO_LOCAL_PORT_RANGE, 0) == 0);
  worker_bind(socket, port_wanted(), NULL);
  must(dgram_set_sockopt(socket, DGRAM_SO_TTL, 33) == 0); /* while the primary is asked */
  uv_run(loop, UV_RUN_DEFAULT);
  must(kept == socket && dgram_bind_state(socket) == DGRAM_UNBOUND);
  must(dgram_close(socket, NULL, NULL) == 0);
}

TEST("a worker whose bind is refused for an option comes to its end") {
  fork_worker("keep_unbound");
  await("1:kept(setsockopt,EINVAL)", "exit(1,0,0)");
}

/* ---- the send queue ---- */

/* The second one is refused until the primary has answered and the first has left. */
ROLE(fill_queue) {
  dgram_socket_t *socket = reporting_udp4(loop);
  must(dgram_set_send_queue_limit(socket, 0, 1, 0, 0) == 0);
  must(dgram_on_drain(socket, report_drain, NULL) == 0);
  worker_bind(socket, port_wanted(), NULL);
  int port = number_of("REPORT_PORT");
  must(dgram_send(socket, "first", 5, port, "127.0.0.1", report_sent, NULL) == 0);
  must(dgram_send(socket, "second", 6, port, "127.0.0.1", report_sent, NULL) == UV_ENOBUFS);
}

static void report_canceled(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                            void *context) {
  report("canceled(%s)", error != NULL ? error->name : "OK");
}

ROLE(cancel_waiting) {
  dgram_socket_t *socket = reporting_udp4(loop);
  worker_bind(socket, port_wanted(), NULL);
  int port = number_of("REPORT_PORT");
  must(dgram_send(socket, "first", 5, port, "127.0.0.1", report_canceled, NULL) == 0);
  must(dgram_send(socket, "second", 6, port, "127.0.0.1", report_sent, NULL) == 0);
  must(dgram_cancel_send(socket, report_canceled, NULL) == 0);
}

TEST("the limit of a worker's send queue counts what waits for the primary, and drains") {
  fork_worker("fill_queue");
  await("1:bound", "first", "1:sent(OK)", "1:drain(0)");
  assert_int_equal(times_traced("second"), 0);
}

TEST("a send that waits for the primary can be cancelled") {
  fork_worker("cancel_waiting");
  await("1:canceled(ECANCELED)", "second", "1:sent(OK)");
  assert_int_equal(times_traced("first"), 0);
}

/* ---- pauses and answers ---- */

static void report_message(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                           void *context) {
  report("got(%.*s)", (int)rinfo->size, message);
}

static void answer(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                   void *context) {
  const dgram_info_t *info = dgram_rinfo_info(rinfo);
  dgram_address_t to;
  uv_buf_t bytes = uv_buf_init((char *)message, (unsigned)rinfo->size);
  must(info != NULL && (info->flags & DGRAM_INFO_DESTINATION) != 0);
  must(dgram_sockaddr_describe(info->destination, &to) == 0);
  report("to(%s)", to.address);
  must(dgram_reply(socket, rinfo, &bytes, 1, NULL, NULL) == 0);
}

/* The first is paused. */
ROLE(pause_first) {
  dgram_socket_t *socket = reporting_udp4(loop);
  must(dgram_on_message(socket, report_message, NULL) == 0);
  if (this_id == 1)
    must(dgram_pause(socket) == 0);
  worker_bind(socket, port_wanted(), NULL);
}

/* The first asks for nothing, and is paused. */
ROLE(answer_from_there) {
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.pause_without_listener = 1;
  if (this_id == 2)
    options.receive_info = DGRAM_INFO_DESTINATION;
  dgram_socket_t *socket = reporting_socket(loop, &options);
  if (this_id == 2)
    must(dgram_on_message(socket, answer, NULL) == 0);
  must(dgram_bind(socket, port_wanted(), NULL, NULL, NULL) == 0);
}

static void fork_two(const char *role) {
  fork_worker(role);
  await("listening(1)");
  fork_worker(role);
  await("listening(2)");
}

static void send_many(int port, int count) {
  int sender = raw_socket();
  for (int i = 0; i < count; i++)
    raw_send(sender, "x", 1, port);
  close(sender);
}

TEST("a worker that is paused leaves everything to another, also when it ends") {
  enum { MANY = 50 };
  fork_two("pause_first");
  send_many(port_wanted(), MANY);
  await_times(MANY, "2:got(x)");
  assert_int_equal(dgram_cluster_disconnect(cluster, 1), 0);
  await("1:close", "exit(1,0,0)");
  send_many(port_wanted(), MANY);
  await_times(2 * MANY, "2:got(x)");
  assert_int_equal(times_traced("1:got"), 0);
}

TEST("a worker answers from the address that a datagram came to") {
  int sender = raw_socket();
  struct sockaddr_in from;
  socklen_t length = sizeof from;
  char text[8];
  struct sockaddr_in to = loopback_address(port_wanted());
  fork_two("answer_from_there");
  assert_int_equal(inet_pton(AF_INET, "127.0.0.2", &to.sin_addr), 1);
  assert_int_equal(sendto(sender, "hello", 5, 0, (struct sockaddr *)&to, sizeof to), 5);
  await("2:to(127.0.0.2)");
  assert_int_equal(recvfrom(sender, text, sizeof text, 0, (struct sockaddr *)&from, &length), 5);
  assert_memory_equal(&from.sin_addr, &to.sin_addr, sizeof to.sin_addr);
  close(sender);
}

/* ---- the primary's own socket ---- */

enum { SHARED = 200 };

ROLE(take_fd) {
  dgram_socket_t *socket = reporting_udp4(loop);
  must(dgram_on_message(socket, report_message, NULL) == 0);
  must(adopt_fd(socket, number_of("FD")) == 0);
}

static void close_at_tenth(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                           void *context) {
  if (++*(int *)context == 10)
    close_socket(socket);
}

/* The worker is stopped while they come, so that the primary reads first. */
TEST("a socket of the primary that is shared takes nothing from the workers when it closes") {
  int received = 0, port;
  dgram_socket_t *own = new_roomy(loop, close_at_tenth, &received, &port);
  int fd = dgram_fileno(own);
  assert_int_equal(dgram_cluster_share_fd(cluster, fd), 0);
  set_number("FD", fd);
  fork_worker("take_fd");
  await("listening(1)");
  assert_int_equal(dgram_cluster_kill(cluster, 1, SIGSTOP), 0);
  send_many(port, SHARED);
  run_until(loop, &received, 10);
  settle(loop);
  assert_int_equal(dgram_cluster_kill(cluster, 1, SIGCONT), 0);
  await_times(SHARED - 10, "1:got(x)");
  assert_int_equal(received, 10);
}

/* ---- 'icmp' ---- */

static void report_icmp(dgram_socket_t *socket, const dgram_icmp_t *icmp, void *context) {
  report("icmp(%s)", dgram_icmp_kind_name(icmp->kind));
}

/* Each loses a datagram; an 'error' would close its socket, and be reported. */
static void lose(dgram_socket_t *socket, void *context) {
  must(dgram_send(socket, "x", 1, number_of("GONE"), "127.0.0.1", report_sent, NULL) == 0);
}

ROLE(hear_first) {
  dgram_socket_t *socket = reporting_udp4(loop);
  if (this_id == 1)
    must(dgram_on_icmp(socket, report_icmp, NULL) == 0);
  worker_bind(socket, port_wanted(), this_id == 1 ? NULL : lose);
}

TEST("a worker that listens to 'icmp' makes no 'error' of another worker's") {
  set_number("GONE", raw_closed_port());
  fork_two("hear_first");
  for (int id = 3; id <= 6; id++) {
    fork_worker("hear_first");
    await_times(1, "%d:sent(OK)", id);
  }
  assert_int_equal(dgram_cluster_disconnect(cluster, 1), 0); /* the others are still told */
  await("exit(1,0,0)");
  fork_worker("hear_first");
  await("7:sent(OK)");
  for (int id = 2; id <= 7; id++) {
    assert_int_equal(dgram_cluster_disconnect(cluster, id), 0);
    await_times(1, "exit(%d,0,0)", id);
  }
  assert_int_equal(times_traced("error("), 0);
}

/* ---- peers ---- */

static void try_accept(dgram_socket_t *socket, void *context) {
  struct sockaddr_in peer = loopback_address(number_of("REPORT_PORT"));
  dgram_socket_t *accepted;
  int err = dgram_accept_peer(socket, (struct sockaddr *)&peer, NULL, &accepted);
  report("accept(%s)", dgram_err_name(err));
  if (err == 0)
    must(dgram_close(accepted, NULL, NULL) == 0);
}

/* The second has a port of its own. */
ROLE(accept_a_peer) {
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.reuse_port = this_id == 2;
  worker_bind(reporting_socket(loop, &options), this_id == 2 ? 0 : port_wanted(), try_accept);
}

TEST("a worker accepts a peer on a port of its own, and not on one that the primary has bound") {
  fork_worker("accept_a_peer");
  await("1:accept(EINVAL)");
  fork_worker("accept_a_peer");
  await("2:accept(OK)");
}

int main(void) {
  return cluster_run();
}

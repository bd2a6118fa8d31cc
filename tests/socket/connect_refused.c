/*
 * A peer that refuses (ICMP, "port unreachable"): an 'error' `recvmsg ECONNREFUSED`. The socket
 * stays connected, and no healthy send pays for it.
 */
#include "lib/fixture.h"

struct fixture {
  uv_loop_t *loop;
  int peer; /* refuses what is sent to it */
  int peer_port;
  dgram_socket_t *socket;
};

static struct fixture open_fixture(uv_loop_t *loop) {
  begin_round(loop);
  struct fixture fixture = {.loop = loop};
  int port;
  fixture.peer = raw_holder(&fixture.peer_port);
  fixture.socket = new_bound(fixture.loop, trace_message, "got", &port);
  connect_now(fixture.socket, fixture.peer_port);
  return fixture;
}

static void close_fixture(struct fixture *fixture) {
  close(fixture->peer);
  close_socket(fixture->socket);
  run_to_end(fixture->loop);
}

static void send_peer(dgram_socket_t *socket, const char *text, dgram_send_cb callback,
                      void *context) {
  assert_int_equal(dgram_send(socket, text, strlen(text), 0, NULL, callback, context), 0);
}

/* From now on the peer takes what the socket sends. */
static void revive(struct fixture *fixture) {
  raw_connect(fixture->peer, port_of(fixture->socket));
}

TEST("a refusal by the peer is an error event") {
  struct fixture fixture = open_fixture(loop);
  struct kept_error kept = {0};
  int sent = 0;
  assert_int_equal(dgram_on_error(fixture.socket, keep_error, &kept), 0);
  send_peer(fixture.socket, "x", count_sent, &sent);
  run_until(fixture.loop, &kept.calls, 1);
  assert_int_equal(sent, 1); /* the system had taken it */
  settle(fixture.loop);
  assert_int_equal(kept.calls, 1);
  assert_int_equal(kept.code, UV_ECONNREFUSED);
  assert_string_equal(kept.syscall, "recvmsg");
  assert_string_equal(kept.address, "NULL");
  assert_int_equal(kept.port, 0);
  assert_string_equal(kept.message, "recvmsg ECONNREFUSED");
  close_fixture(&fixture);
}

TEST("a refused socket stays connected and usable") {
  struct fixture fixture = open_fixture(loop);
  dgram_address_t remote;
  assert_int_equal(dgram_on_error(fixture.socket, trace_error, "error"), 0);
  send_peer(fixture.socket, "lost", NULL, NULL);
  run_until_trace(fixture.loop, "error(ECONNREFUSED)");
  assert_int_equal(dgram_remote_address(fixture.socket, &remote), 0);
  assert_int_equal(remote.port, fixture.peer_port);
  revive(&fixture);
  send_peer(fixture.socket, "ping", trace_sent, "sent");
  run_until_trace(fixture.loop, "sent");
  assert_string_equal(arrived(fixture.peer), "ping");
  raw_send(fixture.peer, "pong", 4, port_of(fixture.socket));
  run_until_trace(fixture.loop, "got(pong)");
  close_fixture(&fixture);
}

static void send_to_revived(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                            void *context) {
  assert_null(error);
  trace("sent1");
  revive(context);
  send_peer(socket, "healthy", trace_sent, "sent2");
}

/* bun#36249: the kernel reports the refusal to whichever call comes next, here a send. */
TEST("the send after a refusal does not fail for it") {
  struct fixture fixture = open_fixture(loop);
  struct kept_error kept = {0};
  assert_int_equal(dgram_on_error(fixture.socket, keep_error, &kept), 0);
  send_peer(fixture.socket, "lost", send_to_revived, &fixture);
  run_until(fixture.loop, &kept.calls, 1);
  settle(fixture.loop);
  assert_trace("sent1 sent2");
  assert_string_equal(arrived(fixture.peer), "healthy");
  assert_int_equal(kept.calls, 1);
  assert_string_equal(kept.message, "recvmsg ECONNREFUSED");
  close_fixture(&fixture);
}

static void send_next(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                      void *context) {
  int *left = context;
  assert_null(error);
  if (--*left > 0)
    send_peer(socket, "x", send_next, left);
}

TEST("a row of refusals fails no send") {
  struct fixture fixture = open_fixture(loop);
  struct kept_error kept = {0};
  int left = 20;
  assert_int_equal(dgram_on_error(fixture.socket, keep_error, &kept), 0);
  send_peer(fixture.socket, "x", send_next, &left);
  while (left > 0)
    assert_int_not_equal(uv_run(fixture.loop, UV_RUN_ONCE), 0);
  settle(fixture.loop);
  assert_in_range(kept.calls, 1, 20);
  assert_string_equal(kept.message, "recvmsg ECONNREFUSED");
  close_fixture(&fixture);
}

/* Datagrams of different sizes, so that they leave one by one. */
TEST("a burst to a peer that refuses completes, and the refusal is reported") {
  enum { SENT = 100 };
  struct fixture fixture = open_fixture(loop);
  static const char bytes[SENT];
  struct kept_error kept = {0};
  int sent = 0;
  assert_int_equal(dgram_on_error(fixture.socket, keep_error, &kept), 0);
  for (int i = 0; i < SENT; i++)
    assert_int_equal(dgram_send(fixture.socket, bytes, (size_t)i, 0, NULL, count_sent, &sent), 0);
  run_until(fixture.loop, &sent, SENT);
  settle(fixture.loop);
  assert_int_equal(sent, SENT);
  assert_in_range(kept.calls, 1, SENT);
  assert_int_equal(dgram_get_send_queue_count(fixture.socket), 0);
  close_fixture(&fixture);
}

TEST("a message behind a refusal still comes") {
  struct fixture fixture = open_fixture(loop);
  assert_int_equal(dgram_on_error(fixture.socket, trace_error, "error"), 0);
  revive(&fixture);
  raw_send(fixture.peer, "1", 1, port_of(fixture.socket));
  raw_connect(fixture.peer, fixture.peer_port); /* refuses again */
  send_peer(fixture.socket, "lost", NULL, NULL);
  uv_run(fixture.loop, UV_RUN_NOWAIT);
  revive(&fixture);
  raw_send(fixture.peer, "2", 1, port_of(fixture.socket));
  settle(fixture.loop);
  assert_non_null(strstr(trace_text, "got(1)"));
  assert_non_null(strstr(trace_text, "got(2)"));
  assert_non_null(strstr(trace_text, "error(ECONNREFUSED)"));
  close_fixture(&fixture);
}

TEST("a refusal without a listener goes to the handler of unhandled errors") {
  struct fixture fixture = open_fixture(loop);
  struct kept_error kept = {0};
  dgram_on_unhandled_error(keep_error, &kept);
  send_peer(fixture.socket, "lost", NULL, NULL);
  run_until(fixture.loop, &kept.calls, 1);
  assert_string_equal(kept.message, "recvmsg ECONNREFUSED");
  close_fixture(&fixture);
}

static void close_in_error(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  trace("error(%s)", error->name);
  assert_int_equal(dgram_close(socket, trace_event, "close"), 0);
}

TEST("a socket may be closed in the error of a refusal") {
  struct fixture fixture = open_fixture(loop);
  assert_int_equal(dgram_on_error(fixture.socket, close_in_error, NULL), 0);
  send_peer(fixture.socket, "lost", NULL, NULL);
  run_to_end(fixture.loop);
  assert_trace("error(ECONNREFUSED) close");
  close(fixture.peer);
}

static void disconnect_in_error(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  trace("error(%s) %d", error->name, dgram_disconnect(socket));
}

TEST("a socket may be disconnected in the error of a refusal") {
  struct fixture fixture = open_fixture(loop);
  assert_int_equal(dgram_on_error(fixture.socket, disconnect_in_error, NULL), 0);
  send_peer(fixture.socket, "lost", NULL, NULL);
  run_until_trace(fixture.loop, "error(ECONNREFUSED) 0");
  settle(fixture.loop);
  assert_trace("");
  close_fixture(&fixture);
}

/* bun#29135: with that error a server would stop for one client that has gone. */
TEST("an unconnected socket gets no error of a refusal") {
  struct fixture fixture = open_fixture(loop);
  int ports[2];
  int received = 0;
  dgram_socket_t *socket = new_bound(fixture.loop, NULL, NULL, &ports[0]);
  dgram_socket_t *target = new_bound(fixture.loop, count_message, &received, &ports[1]);
  trace_events(socket);
  send_text(socket, "x", fixture.peer_port, trace_sent, "sent");
  settle(fixture.loop);
  send_text(socket, "x", ports[1], trace_sent, "sent");
  run_until(fixture.loop, &received, 1);
  assert_trace("sent sent");
  close_socket(target);
  close_socket(socket);
  close_fixture(&fixture);
}

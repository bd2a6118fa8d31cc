/* Sends made before a connect is done keep the destinations that they were given. */
#include "lib/fixture.h"
#include "lib/lookup_stub.h"

struct fixture {
  uv_loop_t *loop;
  int peer;
  int other;
};

static struct fixture open_fixture(uv_loop_t *loop) {
  begin_round(loop);
  return (struct fixture){.loop = loop, .peer = raw_socket(), .other = raw_socket()};
}

static void begin_connect(struct fixture *fixture, dgram_socket_t *socket) {
  assert_int_equal(dgram_connect(socket, raw_port(fixture->peer), NULL, trace_connect, "connected"),
                   0);
}

static void close_fixture(struct fixture *fixture, dgram_socket_t *socket) {
  close(fixture->peer);
  close(fixture->other);
  close_socket(socket);
  run_to_end(fixture->loop);
}

TEST("sends before connect() of a bound socket go where they were sent") {
  struct fixture fixture = open_fixture(loop);
  int port;
  dgram_socket_t *socket = new_bound(fixture.loop, NULL, NULL, &port);
  send_text(socket, "1", raw_port(fixture.other), trace_sent, "sent1");
  send_text(socket, "2", raw_port(fixture.peer), trace_sent, "sent2");
  begin_connect(&fixture, socket);
  send_text(socket, "3", raw_port(fixture.other), trace_sent, "sent3");
  settle(fixture.loop);
  assert_string_equal(arrived(fixture.other), "1 3");
  assert_string_equal(arrived(fixture.peer), "2");
  assert_non_null(strstr(trace_text, "sent1 sent2 sent3"));
  assert_non_null(strstr(trace_text, "connected"));
  close_fixture(&fixture, socket);
}

TEST("sends before connect() of an unbound socket go where they were sent") {
  struct fixture fixture = open_fixture(loop);
  dgram_socket_t *socket = new_socket(fixture.loop, DGRAM_UDP4, NULL, NULL);
  send_text(socket, "1", raw_port(fixture.other), trace_sent, "sent");
  begin_connect(&fixture, socket);
  send_text(socket, "2", raw_port(fixture.other), trace_sent, "sent");
  settle(fixture.loop);
  assert_string_equal(arrived(fixture.other), "1 2");
  assert_string_equal(arrived(fixture.peer), "");
  close_fixture(&fixture, socket);
}

TEST("far more than a batch of sends before connect() go where they were sent") {
  enum { SENT = 200 };
  struct fixture fixture = open_fixture(loop);
  int sent = 0;
  int port;
  char byte;
  dgram_socket_t *socket = new_bound(fixture.loop, NULL, NULL, &port);
  for (int i = 0; i < SENT; i++)
    send_text(socket, "x", raw_port(fixture.other), count_sent, &sent);
  begin_connect(&fixture, socket);
  run_until(fixture.loop, &sent, SENT);
  for (int i = 0; i < SENT; i++)
    assert_int_equal(recv(fixture.other, &byte, 1, MSG_DONTWAIT), 1);
  assert_string_equal(arrived(fixture.peer), "");
  close_fixture(&fixture, socket);
}

/* B33: until the socket is connected a send needs a destination. */
TEST("a send while connecting needs a destination") {
  struct fixture fixture = open_fixture(loop);
  dgram_socket_t *socket = new_socket(fixture.loop, DGRAM_UDP4, NULL, NULL);
  begin_connect(&fixture, socket);
  assert_int_equal(dgram_send(socket, "x", 1, 0, NULL, NULL, NULL), DGRAM_ERR_SOCKET_BAD_PORT);
  assert_int_equal(dgram_send_to(socket, NULL, 0, NULL, NULL, NULL), DGRAM_ERR_SOCKET_BAD_PORT);
  run_until_trace(fixture.loop, "connected");
  close_fixture(&fixture, socket);
}

static void send_to_the_peer(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  assert_int_equal(dgram_send(socket, "mine", 4, 0, NULL, trace_sent, "sent"), 0);
}

TEST("a send in connect goes to the peer after them") {
  struct fixture fixture = open_fixture(loop);
  dgram_socket_t *socket = new_socket(fixture.loop, DGRAM_UDP4, NULL, NULL);
  send_text(socket, "1", raw_port(fixture.peer), NULL, NULL);
  assert_int_equal(dgram_on_connect(socket, send_to_the_peer, NULL), 0);
  begin_connect(&fixture, socket);
  settle(fixture.loop);
  assert_trace("connected sent");
  assert_string_equal(arrived(fixture.peer), "1 mine");
  close_fixture(&fixture, socket);
}

/* B39: the address is found when the socket has a peer already. */
TEST("a send whose host is found after the connect is EISCONN") {
  struct fixture fixture = open_fixture(loop);
  struct lookup_stub stub = {0};
  struct kept_error kept = {0};
  int port = raw_port(fixture.other);
  dgram_socket_t *socket = new_bound_with_lookup(fixture.loop, &stub);
  assert_int_equal(dgram_send(socket, "x", 1, port, "other", keep_send_error, &kept), 0);
  assert_int_equal(dgram_connect(socket, raw_port(fixture.peer), NULL, NULL, NULL), 0);
  lookup_stub_answer(&stub, 1, 0, "127.0.0.1");
  settle(fixture.loop);
  lookup_stub_answer(&stub, 0, 0, "127.0.0.1");
  assert_int_equal(kept.calls, 0);
  settle(fixture.loop);
  assert_int_equal(kept.calls, 1);
  assert_int_equal(kept.code, UV_EISCONN);
  assert_string_equal(kept.syscall, "send");
  assert_int_equal(kept.port, port);
  assert_string_equal(arrived(fixture.other), "");
  assert_string_equal(arrived(fixture.peer), "");
  close_fixture(&fixture, socket);
}

TEST("a send whose host is found before the connect leaves") {
  struct fixture fixture = open_fixture(loop);
  struct lookup_stub stub = {0};
  int port = raw_port(fixture.other);
  dgram_socket_t *socket = new_bound_with_lookup(fixture.loop, &stub);
  assert_int_equal(dgram_send(socket, "x", 1, port, "other", trace_sent, "sent"), 0);
  begin_connect(&fixture, socket);
  lookup_stub_answer(&stub, 0, 0, "127.0.0.1");
  lookup_stub_answer(&stub, 1, 0, "127.0.0.1");
  settle(fixture.loop);
  assert_string_equal(arrived(fixture.other), "x");
  close_fixture(&fixture, socket);
}

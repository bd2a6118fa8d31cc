/*
 * A connect inside the call: the peer is there when it returns, and 'connect' comes from the loop.
 * Sends around it go where they were sent, whatever they waited for.
 */
#include "lib/fixture.h"
#include "lib/lookup_stub.h"

static int peer_port(const dgram_socket_t *socket) {
  dgram_address_t peer;
  assert_int_equal(dgram_remote_address(socket, &peer), 0);
  return peer.port;
}

/* B54 */
TEST("a socket has its peer when connect_sync() returns") {
  static const char *const addresses[] = {NULL, "", "127.0.0.1", "127.0.0.2"};
  static const char *const peers[] = {"127.0.0.1", "127.0.0.1", "127.0.0.1", "127.0.0.2"};
  for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
    begin_round(loop);
    dgram_address_t peer;
    dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
    trace_events(socket);
    assert_int_equal(dgram_connect_sync(socket, 9, addresses[i]), 0);
    assert_int_equal(dgram_remote_address(socket, &peer), 0);
    assert_string_equal(peer.address, peers[i]);
    assert_int_equal(peer.port, 9);
    assert_true(port_of(socket) > 0); /* it was bound first */
    assert_trace("");
    run_until_trace(loop, "listening connect");
    settle(loop);
    assert_trace("");
  }
}

TEST("connect_sync() of a udp6 socket connects to this host") {
  skip_without_ipv6();
  dgram_address_t peer;
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP6, NULL, NULL);
  assert_int_equal(dgram_connect_sync(socket, 9, NULL), 0);
  assert_int_equal(dgram_remote_address(socket, &peer), 0);
  assert_string_equal(peer.address, "::1");
}

TEST("connect_sync() keeps the port of a bound socket") {
  int port;
  dgram_socket_t *bound = new_bound(loop, NULL, NULL, &port);
  dgram_socket_t *just_bound = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_connect_sync(bound, 9, NULL), 0);
  assert_int_equal(port_of(bound), port);
  assert_int_equal(dgram_bind_sync(just_bound, 0, NULL), 0);
  port = port_of(just_bound);
  trace_events(just_bound);
  assert_int_equal(dgram_connect_sync(just_bound, 9, NULL), 0);
  assert_int_equal(port_of(just_bound), port);
  run_until_trace(loop, "listening connect");
}

TEST("a socket receives from its peer only after connect_sync()") {
  int port;
  int peer = raw_socket();
  int stranger = raw_socket();
  dgram_socket_t *socket = new_bound(loop, trace_message, "got", &port);
  raw_send(stranger, "early", 5, port);
  assert_int_equal(dgram_connect_sync(socket, raw_port(peer), NULL), 0);
  raw_send(stranger, "late", 4, port);
  raw_send(peer, "peer", 4, port);
  settle(loop);
  assert_trace("got(peer)");
  close(peer);
  close(stranger);
}

/* ---- what fails ---- */

TEST("connect_sync() of a socket that is connected or being connected is refused") {
  int port;
  int connected = 0;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_connect(socket, 9, NULL, count_connect, &connected), 0);
  assert_int_equal(dgram_connect_sync(socket, 9, NULL), DGRAM_ERR_SOCKET_DGRAM_IS_CONNECTED);
  run_until(loop, &connected, 1);
  assert_int_equal(dgram_connect_sync(socket, 9, NULL), DGRAM_ERR_SOCKET_DGRAM_IS_CONNECTED);
  assert_int_equal(dgram_disconnect(socket), 0);
  assert_int_equal(dgram_connect_sync(socket, 9, NULL), 0);
  assert_int_equal(dgram_connect_sync(socket, 9, NULL), DGRAM_ERR_SOCKET_DGRAM_IS_CONNECTED);
  assert_int_equal(dgram_connect(socket, 9, NULL, NULL, NULL), DGRAM_ERR_SOCKET_DGRAM_IS_CONNECTED);
}

static void connect_there(dgram_socket_t *socket, void *context) {
  assert_int_equal(dgram_connect_sync(socket, *(int *)context, NULL), 0);
}

TEST("connect_sync() is refused while the socket is being bound") {
  int port = 9;
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  trace_events(socket);
  assert_int_equal(dgram_bind(socket, 0, NULL, connect_there, &port), 0);
  assert_int_equal(dgram_connect_sync(socket, 9, NULL), DGRAM_ERR_SOCKET_ALREADY_BOUND);
  run_until_trace(loop, "listening connect");
  assert_int_equal(peer_port(socket), 9);
}

/* A broadcast address needs set_broadcast(); the kernel refuses it, so the socket was bound. */
TEST("connect_sync() that the kernel refuses leaves the socket bound") {
  dgram_address_t peer;
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  trace_events(socket);
  assert_int_equal(dgram_connect_sync(socket, 9, "255.255.255.255"), UV_EACCES);
  assert_int_equal(dgram_remote_address(socket, &peer), DGRAM_ERR_SOCKET_DGRAM_NOT_CONNECTED);
  assert_true(port_of(socket) > 0);
  run_until_trace(loop, "listening");
  settle(loop);
  assert_trace("");
  assert_usable(socket);
  assert_int_equal(dgram_connect_sync(socket, 9, NULL), 0);
  run_until_trace(loop, "connect");
}

/* ---- what comes after it ---- */

TEST("a socket closed between connect_sync() and connect emits close only") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  trace_events(socket);
  assert_int_equal(dgram_connect_sync(socket, 9, NULL), 0);
  close_socket(socket);
  run_to_end(loop);
  assert_trace("close");
}

TEST("a socket disconnected after connect_sync() emits no connect") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  trace_events(socket);
  assert_int_equal(dgram_connect_sync(socket, 9, NULL), 0);
  assert_int_equal(dgram_disconnect(socket), 0);
  run_until_trace(loop, "listening");
  settle(loop);
  assert_trace("");
}

TEST("a socket connected twice by connect_sync() emits connect once") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  trace_events(socket);
  assert_int_equal(dgram_connect_sync(socket, 9, NULL), 0);
  assert_int_equal(dgram_disconnect(socket), 0);
  assert_int_equal(dgram_connect_sync(socket, 10, NULL), 0);
  assert_int_equal(peer_port(socket), 10);
  run_until_trace(loop, "listening connect");
  settle(loop);
  assert_trace("");
}

/* The 'connect' that was still to come is not that of the attempt. */
TEST("a connect() after connect_sync() reports its own end only") {
  static const char *const addresses[] = {NULL, "255.255.255.255"};
  static const char *const traces[] = {"listening connect callback", "listening callback(EACCES)"};
  for (int i = 0; i < 2; i++) {
    begin_round(loop);
    dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
    trace_events(socket);
    assert_int_equal(dgram_connect_sync(socket, 9, NULL), 0);
    assert_int_equal(dgram_disconnect(socket), 0);
    assert_int_equal(dgram_connect(socket, 10, addresses[i], trace_connect, "callback"), 0);
    settle(loop);
    assert_trace(traces[i]);
  }
}

/* ---- the sends around it ---- */

struct fixture {
  uv_loop_t *loop;
  int peer;
  int other;
  dgram_socket_t *socket;
};

static struct fixture open_fixture(uv_loop_t *loop) {
  begin_round(loop);
  struct fixture fixture = {.loop = loop, .peer = raw_socket(), .other = raw_socket()};
  fixture.socket = new_socket(fixture.loop, DGRAM_UDP4, NULL, NULL);
  trace_events(fixture.socket);
  return fixture;
}

static void close_fixture(struct fixture *fixture) {
  close(fixture->peer);
  close(fixture->other);
  run_to_end(fixture->loop);
}

static void send_to_peer(dgram_socket_t *socket, const char *text) {
  assert_int_equal(dgram_send(socket, text, 1, 0, NULL, trace_sent, "sent"), 0);
}

static void send_to_other(struct fixture *fixture, const char *text) {
  send_text(fixture->socket, text, raw_port(fixture->other), trace_sent, "sent");
}

static void connect_to_peer(struct fixture *fixture) {
  assert_int_equal(dgram_connect_sync(fixture->socket, raw_port(fixture->peer), NULL), 0);
}

TEST("a send after connect_sync() goes to the peer") {
  struct fixture fixture = open_fixture(loop);
  connect_to_peer(&fixture);
  send_to_peer(fixture.socket, "1");
  send_to_peer(fixture.socket, "2");
  assert_int_equal(dgram_send(fixture.socket, "x", 1, 9, NULL, NULL, NULL),
                   DGRAM_ERR_SOCKET_DGRAM_IS_CONNECTED);
  run_until_trace(fixture.loop, "listening connect sent sent");
  assert_string_equal(arrived(fixture.peer), "1 2");
  close_socket(fixture.socket);
  close_fixture(&fixture);
}

TEST("a send before connect_sync() goes where it was sent") {
  struct fixture fixture = open_fixture(loop);
  assert_int_equal(dgram_bind_sync(fixture.socket, 0, NULL), 0);
  send_to_other(&fixture, "1");
  connect_to_peer(&fixture);
  send_to_peer(fixture.socket, "2");
  settle(fixture.loop);
  assert_trace("listening sent connect sent");
  send_to_peer(fixture.socket, "3");
  settle(fixture.loop);
  assert_string_equal(arrived(fixture.other), "1");
  assert_string_equal(arrived(fixture.peer), "2 3");
  close_socket(fixture.socket);
  close_fixture(&fixture);
}

static void connect_and_send(dgram_socket_t *socket, void *context) {
  assert_int_equal(dgram_connect_sync(socket, *(int *)context, NULL), 0);
  send_to_peer(socket, "3");
}

TEST("a send before connect_sync() in listening goes where it was sent") {
  struct fixture fixture = open_fixture(loop);
  int port = raw_port(fixture.peer);
  assert_int_equal(dgram_bind(fixture.socket, 0, NULL, connect_and_send, &port), 0);
  send_to_other(&fixture, "1");
  send_to_other(&fixture, "2");
  settle(fixture.loop);
  assert_trace("listening sent sent sent connect");
  assert_string_equal(arrived(fixture.other), "1 2");
  assert_string_equal(arrived(fixture.peer), "3");
  close_socket(fixture.socket);
  close_fixture(&fixture);
}

TEST("a send after connect_sync() goes to the peer though disconnect() follows") {
  struct fixture fixture = open_fixture(loop);
  connect_to_peer(&fixture);
  send_to_peer(fixture.socket, "1");
  assert_int_equal(dgram_disconnect(fixture.socket), 0);
  send_to_other(&fixture, "2");
  settle(fixture.loop);
  assert_trace("listening sent sent");
  assert_string_equal(arrived(fixture.peer), "1");
  assert_string_equal(arrived(fixture.other), "2");
  close_socket(fixture.socket);
  close_fixture(&fixture);
}

TEST("a send after connect_sync() goes to the peer though another connect_sync() follows") {
  struct fixture fixture = open_fixture(loop);
  connect_to_peer(&fixture);
  send_to_peer(fixture.socket, "1");
  assert_int_equal(dgram_disconnect(fixture.socket), 0);
  assert_int_equal(dgram_connect_sync(fixture.socket, raw_port(fixture.other), NULL), 0);
  send_to_peer(fixture.socket, "2");
  settle(fixture.loop);
  assert_trace("listening connect sent sent");
  assert_string_equal(arrived(fixture.peer), "1");
  assert_string_equal(arrived(fixture.other), "2");
  close_socket(fixture.socket);
  close_fixture(&fixture);
}

TEST("sends around connect_sync() leave before a close") {
  struct fixture fixture = open_fixture(loop);
  assert_int_equal(dgram_bind_sync(fixture.socket, 0, NULL), 0);
  send_to_other(&fixture, "1");
  connect_to_peer(&fixture);
  send_to_peer(fixture.socket, "2");
  close_socket(fixture.socket);
  settle(fixture.loop);
  assert_trace("listening sent sent close");
  assert_string_equal(arrived(fixture.other), "1");
  assert_string_equal(arrived(fixture.peer), "2");
  close_fixture(&fixture);
}

/* As with dgram_connect(): Node.js's way. */
TEST("a send whose host is found after connect_sync() is EISCONN") {
  struct fixture fixture = open_fixture(loop);
  struct lookup_stub stub = {0};
  close_socket(fixture.socket);
  settle(fixture.loop);
  fixture.socket = new_bound_with_lookup(fixture.loop, &stub);
  assert_int_equal(dgram_send(fixture.socket, "x", 1, 9, "name", trace_sent, "sent"), 0);
  connect_to_peer(&fixture);
  lookup_stub_answer(&stub, 0, 0, "127.0.0.1");
  settle(fixture.loop);
  assert_trace("ask(name) sent(EISCONN)");
  close_socket(fixture.socket);
  close_fixture(&fixture);
}

static void close_and_answer(dgram_lookup_t *lookup, const char *host, dgram_type_t type,
                             void *context) {
  close_socket(*(dgram_socket_t **)context);
  dgram_lookup_done(lookup, 0, "127.0.0.1");
}

/* It runs inside the call, for a send that waited for 'listening'. */
TEST("a look-up that closes the socket ends connect_sync()") {
  struct fixture fixture = open_fixture(loop);
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.lookup = close_and_answer;
  options.lookup_context = &fixture.socket;
  close_socket(fixture.socket);
  settle(fixture.loop);
  assert_trace("close");
  fixture.socket = new_with(fixture.loop, &options);
  trace_events(fixture.socket);
  assert_int_equal(dgram_bind_sync(fixture.socket, 0, NULL), 0);
  assert_int_equal(dgram_send(fixture.socket, "x", 1, 9, "name", trace_sent, "sent"), 0);
  assert_int_equal(dgram_connect_sync(fixture.socket, 9, NULL), DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
  settle(fixture.loop);
  assert_trace("close sent(ECANCELED)");
  close_fixture(&fixture);
}

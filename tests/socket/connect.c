/*
 * A successful connect: to which peer, when it is reported and to whom, and what the socket is
 * then. A socket that is connected or being connected refuses another.
 */
#include "lib/fixture.h"
#include "lib/lookup_stub.h"

TEST("connect is emitted from the loop, never inside the call") {
  int ports[2];
  dgram_address_t remote;
  new_bound(loop, NULL, NULL, &ports[0]);
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &ports[1]);
  assert_int_equal(dgram_connect(socket, ports[0], "127.0.0.1", trace_connect, "connected"), 0);
  assert_trace("");
  assert_int_equal(dgram_remote_address(socket, &remote), DGRAM_ERR_SOCKET_DGRAM_NOT_CONNECTED);
  run_until_trace(loop, "connected");
}

static void ask_remote_address(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  dgram_address_t remote;
  assert_null(error);
  assert_int_equal(dgram_remote_address(socket, &remote), 0);
  assert_string_equal(remote.address, "127.0.0.1");
  assert_string_equal(remote.family, "IPv4");
  assert_int_equal(remote.port, *(int *)context);
  trace("asked");
}

TEST("the remote address is known from connect on") {
  int ports[2];
  new_bound(loop, NULL, NULL, &ports[0]);
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &ports[1]);
  assert_int_equal(dgram_on_connect(socket, ask_remote_address, &ports[0]), 0);
  assert_int_equal(dgram_connect(socket, ports[0], NULL, NULL, NULL), 0);
  run_until_trace(loop, "asked");
}

TEST("the callback of connect() is a listener of connect in its place") {
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_on_connect(socket, trace_connect, "before"), 0);
  assert_int_equal(dgram_connect(socket, 9, NULL, trace_connect, "callback"), 0);
  assert_int_equal(dgram_on_connect(socket, trace_connect, "after"), 0);
  run_until_trace(loop, "before callback after");
}

TEST("the callback of connect() is called once") {
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_on_connect(socket, trace_connect, "event"), 0);
  assert_int_equal(dgram_connect(socket, 9, NULL, trace_connect, "callback"), 0);
  settle(loop);
  assert_int_equal(dgram_disconnect(socket), 0);
  assert_int_equal(dgram_connect(socket, 9, NULL, NULL, NULL), 0);
  settle(loop);
  assert_trace("event callback event");
}

TEST("connect has on, once and off") {
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_on_connect(socket, trace_connect, "on"), 0);
  assert_int_equal(dgram_once_connect(socket, trace_connect, "once"), 0);
  assert_int_equal(dgram_on_connect(socket, trace_connect, "off"), 0);
  assert_int_equal(dgram_off_connect(socket, trace_connect, "off"), 0);
  assert_int_equal(dgram_off_connect(socket, trace_connect, "off"), UV_ENOENT);
  for (int i = 0; i < 2; i++) {
    connect_now(socket, 9);
    assert_int_equal(dgram_disconnect(socket), 0);
  }
  assert_int_equal(dgram_off_connect(socket, trace_connect, "once"), UV_ENOENT);
  assert_trace("on once on");
}

TEST("the datagrams of a connected socket arrive from its port") {
  char text[8];
  int port;
  int fd = raw_socket();
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  connect_now(socket, raw_port(fd));
  assert_int_equal(dgram_send(socket, "x", 1, 0, NULL, NULL, NULL), 0);
  settle(loop);
  assert_int_equal(raw_receive(fd, text, sizeof text), port);
  close(fd);
}

/* ---- to which peer ---- */

/* Connects, and compares the remote address. */
static void assert_connects(uv_loop_t *loop, dgram_type_t type, const char *address,
                            const char *remote) {
  begin_round(loop);
  int port;
  int connected = 0;
  dgram_address_t peer;
  int fd = raw_holder(&port);
  dgram_socket_t *socket = new_socket(loop, type, NULL, NULL);
  assert_int_equal(dgram_connect(socket, port, address, count_connect, &connected), 0);
  run_until(loop, &connected, 1);
  assert_int_equal(dgram_remote_address(socket, &peer), 0);
  assert_string_equal(peer.address, remote);
  assert_string_equal(peer.family, type == DGRAM_UDP4 ? "IPv4" : "IPv6");
  assert_int_equal(peer.port, port);
  close(fd);
}

TEST("a connect without an address is to this host") {
  assert_connects(loop, DGRAM_UDP4, NULL, "127.0.0.1");
}

TEST("a connect to an empty address is to this host") {
  assert_connects(loop, DGRAM_UDP4, "", "127.0.0.1");
}

TEST("a connect of a udp6 socket without an address is to ::1") {
  skip_without_ipv6();
  assert_connects(loop, DGRAM_UDP6, NULL, "::1");
  assert_connects(loop, DGRAM_UDP6, "", "::1");
}

TEST("a connect to an IPv4 address has it") {
  assert_connects(loop, DGRAM_UDP4, "127.0.0.2", "127.0.0.2");
}

TEST("a connect to an IPv6 address has it") {
  skip_without_ipv6();
  assert_connects(loop, DGRAM_UDP6, "0:0::0:1", "::1");
}

TEST("a dual-stack socket connects to a mapped address") {
  skip_without_ipv6();
  assert_connects(loop, DGRAM_UDP6, "::ffff:127.0.0.1", "::ffff:127.0.0.1");
}

TEST("a connect to a host name looks it up") {
  assert_connects(loop, DGRAM_UDP4, "localhost", "127.0.0.1");
}

/* The argument may be gone once the call has returned. */
TEST("the address of a connect is copied") {
  static const char *const addresses[] = {"127.0.0.2", "localhost"};
  static const char *const remotes[] = {"127.0.0.2", "127.0.0.1"};
  for (int i = 0; i < 2; i++) {
    begin_round(loop);
    char address[16];
    int connected = 0;
    dgram_address_t peer;
    dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
    keep_text(address, sizeof address, addresses[i]);
    assert_int_equal(dgram_connect(socket, 9, address, count_connect, &connected), 0);
    memset(address, 'x', sizeof address);
    run_until(loop, &connected, 1);
    assert_int_equal(dgram_remote_address(socket, &peer), 0);
    assert_string_equal(peer.address, remotes[i]);
  }
}

/* ---- a second connect ---- */

/* A second connect, elsewhere, with a callback that must be forgotten. */
static int connect_elsewhere(dgram_socket_t *socket) {
  return dgram_connect(socket, 7, "127.0.0.2", trace_connect, "second");
}

static int remote_port(const dgram_socket_t *socket) {
  dgram_address_t remote;
  assert_int_equal(dgram_remote_address(socket, &remote), 0);
  assert_string_equal(remote.address, "127.0.0.1");
  return remote.port;
}

TEST("a second connect is refused while the first waits for the bind") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_connect(socket, 9, NULL, trace_connect, "first"), 0);
  assert_int_equal(connect_elsewhere(socket), DGRAM_ERR_SOCKET_DGRAM_IS_CONNECTED);
  settle(loop);
  assert_trace("first");
  assert_int_equal(remote_port(socket), 9);
}

TEST("a second connect is refused while the first waits for a look-up") {
  struct lookup_stub stub = {0};
  dgram_socket_t *socket = new_bound_with_lookup(loop, &stub);
  assert_int_equal(dgram_connect(socket, 9, "peer", trace_connect, "first"), 0);
  settle(loop);
  assert_int_equal(connect_elsewhere(socket), DGRAM_ERR_SOCKET_DGRAM_IS_CONNECTED);
  lookup_stub_answer(&stub, 0, 0, "127.0.0.1");
  assert_int_equal(connect_elsewhere(socket), DGRAM_ERR_SOCKET_DGRAM_IS_CONNECTED);
  settle(loop);
  assert_trace("ask(peer) first");
  assert_int_equal(remote_port(socket), 9);
}

TEST("a second connect is refused while the first waits for the loop") {
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_connect(socket, 9, NULL, trace_connect, "first"), 0);
  assert_int_equal(connect_elsewhere(socket), DGRAM_ERR_SOCKET_DGRAM_IS_CONNECTED);
  settle(loop);
  assert_trace("first");
  assert_int_equal(remote_port(socket), 9);
}

TEST("a connect of a connected socket is refused") {
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  connect_now(socket, 9);
  assert_int_equal(connect_elsewhere(socket), DGRAM_ERR_SOCKET_DGRAM_IS_CONNECTED);
  assert_int_equal(dgram_off_connect(socket, trace_connect, "second"), UV_ENOENT);
  settle(loop);
  assert_trace("");
  assert_int_equal(remote_port(socket), 9);
}

static void connect_again(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  trace("code:%d", connect_elsewhere(socket) == DGRAM_ERR_SOCKET_DGRAM_IS_CONNECTED);
}

TEST("a connect in connect is refused") {
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_connect(socket, 9, NULL, connect_again, NULL), 0);
  settle(loop);
  assert_trace("code:1");
}

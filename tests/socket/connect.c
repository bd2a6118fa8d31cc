/* A successful connect: when it is told, to whom, and what the socket is then. */
#include "lib/fixture.h"

TEST("is told from the loop never inside the call") {
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

TEST("the callback is a listener of connect in its place") {
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_on_connect(socket, trace_connect, "before"), 0);
  assert_int_equal(dgram_connect(socket, 9, NULL, trace_connect, "callback"), 0);
  assert_int_equal(dgram_on_connect(socket, trace_connect, "after"), 0);
  run_until_trace(loop, "before callback after");
}

TEST("the callback is called once") {
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

TEST("connect has on once and off") {
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

TEST("its datagrams arrive there from its own port") {
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

/* Connecting a socket that is connected, or being connected, is refused and changes nothing. */
#include "lib/fixture.h"
#include "lib/lookup_stub.h"

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

TEST("while it waits for the bind") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_connect(socket, 9, NULL, trace_connect, "first"), 0);
  assert_int_equal(connect_elsewhere(socket), DGRAM_ERR_SOCKET_DGRAM_IS_CONNECTED);
  settle(loop);
  assert_trace("first");
  assert_int_equal(remote_port(socket), 9);
}

TEST("while it waits for a look up") {
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

TEST("while it waits for the loop") {
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_connect(socket, 9, NULL, trace_connect, "first"), 0);
  assert_int_equal(connect_elsewhere(socket), DGRAM_ERR_SOCKET_DGRAM_IS_CONNECTED);
  settle(loop);
  assert_trace("first");
  assert_int_equal(remote_port(socket), 9);
}

TEST("when it is connected") {
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

TEST("in connect") {
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_connect(socket, 9, NULL, connect_again, NULL), 0);
  settle(loop);
  assert_trace("code:1");
}

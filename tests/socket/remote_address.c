/* The address of the peer, by the state that the socket is in. */
#include "lib/fixture.h"

static int ask(const dgram_socket_t *socket) {
  dgram_address_t remote = {.address = "untouched", .port = 7};
  int err = dgram_remote_address(socket, &remote);
  assert_true(err != 0);
  assert_string_equal(remote.address, "untouched");
  assert_int_equal(remote.port, 7);
  return err;
}

TEST("until it is connected there is none") {
  int port;
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(ask(socket), DGRAM_ERR_SOCKET_DGRAM_NOT_CONNECTED);
  assert_int_equal(dgram_connect(socket, 9, NULL, NULL, NULL), 0);
  assert_int_equal(ask(socket), DGRAM_ERR_SOCKET_DGRAM_NOT_CONNECTED);
  dgram_socket_t *bound = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(ask(bound), DGRAM_ERR_SOCKET_DGRAM_NOT_CONNECTED);
}

TEST("after a failed connect there is none") {
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_connect(socket, 9, "::1", trace_connect, "callback"), 0);
  run_until_trace(loop, "callback(EINVAL)");
  assert_int_equal(ask(socket), DGRAM_ERR_SOCKET_DGRAM_NOT_CONNECTED);
}

/* The wildcard stands for this host: the system says what it made of it. */
TEST("it is the one that the system has") {
  int port;
  int connected = 0;
  dgram_address_t remote;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_connect(socket, 9, "0.0.0.0", count_connect, &connected), 0);
  run_until(loop, &connected, 1);
  assert_int_equal(dgram_remote_address(socket, &remote), 0);
  assert_string_equal(remote.address, "127.0.0.1");
}

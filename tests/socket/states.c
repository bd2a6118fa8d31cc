/* How far a socket is on its way to a port and to a peer, and the peer's address, at every step. */
#include "lib/fixture.h"

#define assert_states(socket, bound, connected)                       \
  do {                                                                \
    assert_int_equal(dgram_bind_state(socket), DGRAM_##bound);        \
    assert_int_equal(dgram_connect_state(socket), DGRAM_##connected); \
  } while (0)

TEST("the states of no socket are unbound and disconnected") {
  assert_states(NULL, UNBOUND, DISCONNECTED);
}

static void see_listening(dgram_socket_t *socket, void *context) {
  assert_states(socket, BOUND, DISCONNECTED);
  ++*(int *)context;
}

TEST("a bind goes from unbound by binding to bound") {
  int listening = 0;
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_states(socket, UNBOUND, DISCONNECTED);
  assert_int_equal(dgram_bind(socket, 0, NULL, see_listening, &listening), 0);
  assert_states(socket, BINDING, DISCONNECTED);
  run_until(loop, &listening, 1);
  assert_states(socket, BOUND, DISCONNECTED);
}

static void see_error(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  assert_states(socket, UNBOUND, DISCONNECTED);
  ++*(int *)context;
}

TEST("a failed bind goes back to unbound") {
  int errors = 0;
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_on_error(socket, see_error, &errors), 0);
  assert_int_equal(dgram_bind(socket, 0, "203.0.113.9", NULL, NULL), 0);
  assert_states(socket, BINDING, DISCONNECTED);
  run_until(loop, &errors, 1);
  assert_states(socket, UNBOUND, DISCONNECTED);
  assert_int_equal(dgram_bind_sync(socket, 0, "203.0.113.9"), UV_EADDRNOTAVAIL);
  assert_states(socket, UNBOUND, DISCONNECTED);
  assert_int_equal(dgram_bind(socket, -1, NULL, NULL, NULL), DGRAM_ERR_SOCKET_BAD_PORT);
  assert_states(socket, UNBOUND, DISCONNECTED);
}

static void see_connect(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  if (error == NULL)
    assert_states(socket, BOUND, CONNECTED);
  else
    assert_states(socket, BOUND, DISCONNECTED);
  ++*(int *)context;
}

TEST("a connect goes from disconnected by connecting to connected") {
  int connected = 0;
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_connect(socket, 9, NULL, see_connect, &connected), 0);
  assert_states(socket, BINDING, CONNECTING);
  run_until(loop, &connected, 1);
  assert_states(socket, BOUND, CONNECTED);
  assert_int_equal(dgram_disconnect(socket), 0);
  assert_states(socket, BOUND, DISCONNECTED);
  assert_int_equal(dgram_connect(socket, 9, "255.255.255.255", see_connect, &connected), 0);
  assert_states(socket, BOUND, CONNECTING);
  run_until(loop, &connected, 2);
  assert_states(socket, BOUND, DISCONNECTED);
}

TEST("synchronous calls skip binding and connecting") {
  dgram_socket_t *bound = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  dgram_socket_t *connected = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  dgram_socket_t *member = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_bind_sync(bound, 0, NULL), 0);
  assert_states(bound, BOUND, DISCONNECTED);
  assert_int_equal(dgram_connect_sync(connected, 9, NULL), 0);
  assert_states(connected, BOUND, CONNECTED);
  assert_int_equal(dgram_add_membership(member, "224.0.0.114", "127.0.0.1"), 0);
  assert_states(member, BOUND, DISCONNECTED);
}

TEST("a connected descriptor makes the socket connected") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  int fd = raw_socket();
  raw_connect(fd, 9);
  assert_int_equal(adopt_fd(socket, fd), 0);
  assert_states(socket, BOUND, CONNECTED);
}

static void see_close(dgram_socket_t *socket, void *context) {
  assert_states(socket, UNBOUND, DISCONNECTED);
  ++*(int *)context;
}

TEST("a closed socket is unbound and disconnected") {
  int port;
  int closes = 0;
  dgram_socket_t *bound = new_bound(loop, NULL, NULL, &port);
  dgram_socket_t *binding = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  connect_now(bound, 9);
  assert_int_equal(dgram_bind(binding, 0, NULL, NULL, NULL), 0);
  assert_int_equal(dgram_close(bound, see_close, &closes), 0);
  assert_int_equal(dgram_close(binding, see_close, &closes), 0);
  assert_states(bound, UNBOUND, DISCONNECTED);
  assert_states(binding, UNBOUND, DISCONNECTED);
  run_to_end(loop);
  assert_int_equal(closes, 2);
}

/* It is closed when what waits for the bind has had it. */
TEST("a socket whose close waits is still binding") {
  int listening = 0;
  int closes = 0;
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_bind(socket, 0, NULL, see_listening, &listening), 0);
  send_text(socket, "x", 9, NULL, NULL);
  assert_int_equal(dgram_close(socket, see_close, &closes), 0);
  assert_states(socket, BINDING, DISCONNECTED);
  run_to_end(loop);
  assert_int_equal(listening, 1);
  assert_int_equal(closes, 1);
}

/* ---- the address of the peer ---- */

static int ask(const dgram_socket_t *socket) {
  dgram_address_t remote = {.address = "untouched", .port = 7};
  int err = dgram_remote_address(socket, &remote);
  assert_true(err != 0);
  assert_string_equal(remote.address, "untouched");
  assert_int_equal(remote.port, 7);
  return err;
}

TEST("a socket has no remote address until it is connected") {
  int port;
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(ask(socket), DGRAM_ERR_SOCKET_DGRAM_NOT_CONNECTED);
  assert_int_equal(dgram_connect(socket, 9, NULL, NULL, NULL), 0);
  assert_int_equal(ask(socket), DGRAM_ERR_SOCKET_DGRAM_NOT_CONNECTED);
  dgram_socket_t *bound = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(ask(bound), DGRAM_ERR_SOCKET_DGRAM_NOT_CONNECTED);
}

TEST("a socket has no remote address after a failed connect") {
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_connect(socket, 9, "::1", trace_connect, "callback"), 0);
  run_until_trace(loop, "callback(EINVAL)");
  assert_int_equal(ask(socket), DGRAM_ERR_SOCKET_DGRAM_NOT_CONNECTED);
}

/* The wildcard stands for this host: the address is the kernel's. */
TEST("the remote address is the one that the kernel has") {
  int port;
  int connected = 0;
  dgram_address_t remote;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_connect(socket, 9, "0.0.0.0", count_connect, &connected), 0);
  run_until(loop, &connected, 1);
  assert_int_equal(dgram_remote_address(socket, &remote), 0);
  assert_string_equal(remote.address, "127.0.0.1");
}

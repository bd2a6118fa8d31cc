/* How far a socket is on its way to a port and to a peer, at every step. */
#include "lib/fixture.h"

#define assert_states(socket, bound, connected)                       \
  do {                                                                \
    assert_int_equal(dgram_bind_state(socket), DGRAM_##bound);        \
    assert_int_equal(dgram_connect_state(socket), DGRAM_##connected); \
  } while (0)

TEST("of no socket they are none") {
  assert_states(NULL, UNBOUND, DISCONNECTED);
}

static void see_listening(dgram_socket_t *socket, void *context) {
  assert_states(socket, BOUND, DISCONNECTED);
  ++*(int *)context;
}

TEST("a bind goes by binding") {
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

TEST("a failed bind is none") {
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

TEST("a connect goes by connecting") {
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

TEST("calls that act at once skip the way") {
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

TEST("a system socket that is connected makes it so") {
  dgram_bind_options_t options = dgram_default_bind_options();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  options.fd = raw_socket();
  raw_connect(options.fd, 9);
  assert_int_equal(dgram_bind_options(socket, &options, NULL, NULL), 0);
  assert_states(socket, BOUND, CONNECTED);
}

static void see_close(dgram_socket_t *socket, void *context) {
  assert_states(socket, UNBOUND, DISCONNECTED);
  ++*(int *)context;
}

TEST("a closed socket is neither") {
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
TEST("one whose close waits is still on its way") {
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

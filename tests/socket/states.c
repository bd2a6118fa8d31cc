/* How far a socket is on its way to a port and to a peer, at every step. */
#include "lib/fixture.h"

#define assert_states(socket, bound, connected)                       \
  do {                                                                \
    assert_int_equal(dgram_bind_state(socket), DGRAM_##bound);        \
    assert_int_equal(dgram_connect_state(socket), DGRAM_##connected); \
  } while (0)

static void of_no_socket_they_are_none(void **state) {
  assert_states(NULL, UNBOUND, DISCONNECTED);
}

static void see_listening(dgram_socket_t *socket, void *context) {
  assert_states(socket, BOUND, DISCONNECTED);
  ++*(int *)context;
}

static void a_bind_goes_by_binding(void **state) {
  uv_loop_t *loop = open_loop();
  int listening = 0;
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_states(socket, UNBOUND, DISCONNECTED);
  assert_int_equal(dgram_bind(socket, 0, NULL, see_listening, &listening), 0);
  assert_states(socket, BINDING, DISCONNECTED);
  run_until(loop, &listening, 1);
  assert_states(socket, BOUND, DISCONNECTED);
  close_socket(socket);
  close_loop(loop);
}

static void see_error(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  assert_states(socket, UNBOUND, DISCONNECTED);
  ++*(int *)context;
}

static void a_failed_bind_is_none(void **state) {
  uv_loop_t *loop = open_loop();
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
  close_socket(socket);
  close_loop(loop);
}

static void see_connect(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  if (error == NULL)
    assert_states(socket, BOUND, CONNECTED);
  else
    assert_states(socket, BOUND, DISCONNECTED);
  ++*(int *)context;
}

static void a_connect_goes_by_connecting(void **state) {
  uv_loop_t *loop = open_loop();
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
  close_socket(socket);
  close_loop(loop);
}

static void calls_that_act_at_once_skip_the_way(void **state) {
  uv_loop_t *loop = open_loop();
  dgram_socket_t *bound = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  dgram_socket_t *connected = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  dgram_socket_t *member = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_bind_sync(bound, 0, NULL), 0);
  assert_states(bound, BOUND, DISCONNECTED);
  assert_int_equal(dgram_connect_sync(connected, 9, NULL), 0);
  assert_states(connected, BOUND, CONNECTED);
  assert_int_equal(dgram_add_membership(member, "224.0.0.114", "127.0.0.1"), 0);
  assert_states(member, BOUND, DISCONNECTED);
  close_socket(bound);
  close_socket(connected);
  close_socket(member);
  close_loop(loop);
}

static void a_system_socket_that_is_connected_makes_it_so(void **state) {
  uv_loop_t *loop = open_loop();
  dgram_bind_options_t options = dgram_default_bind_options();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  options.fd = raw_socket();
  raw_connect(options.fd, 9);
  assert_int_equal(dgram_bind_options(socket, &options, NULL, NULL), 0);
  assert_states(socket, BOUND, CONNECTED);
  close_socket(socket);
  close_loop(loop);
}

static void see_close(dgram_socket_t *socket, void *context) {
  assert_states(socket, UNBOUND, DISCONNECTED);
  ++*(int *)context;
}

static void a_closed_socket_is_neither(void **state) {
  uv_loop_t *loop = open_loop();
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
  close_loop(loop);
  assert_int_equal(closes, 2);
}

/* It is closed when what waits for the bind has had it. */
static void one_whose_close_waits_is_still_on_its_way(void **state) {
  uv_loop_t *loop = open_loop();
  int listening = 0;
  int closes = 0;
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_bind(socket, 0, NULL, see_listening, &listening), 0);
  send_text(socket, "x", 9, NULL, NULL);
  assert_int_equal(dgram_close(socket, see_close, &closes), 0);
  assert_states(socket, BINDING, DISCONNECTED);
  close_loop(loop);
  assert_int_equal(listening, 1);
  assert_int_equal(closes, 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(of_no_socket_they_are_none),
      cmocka_unit_test(a_bind_goes_by_binding),
      cmocka_unit_test(a_failed_bind_is_none),
      cmocka_unit_test(a_connect_goes_by_connecting),
      cmocka_unit_test(calls_that_act_at_once_skip_the_way),
      cmocka_unit_test(a_system_socket_that_is_connected_makes_it_so),
      cmocka_unit_test(a_closed_socket_is_neither),
      cmocka_unit_test(one_whose_close_waits_is_still_on_its_way),
  };
  return cmocka_run_group_tests_name("states", tests, NULL, NULL);
}

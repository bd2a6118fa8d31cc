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

static void until_it_is_connected_there_is_none(void **state) {
  uv_loop_t *loop = open_loop();
  int port;
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(ask(socket), DGRAM_ERR_SOCKET_DGRAM_NOT_CONNECTED);
  assert_int_equal(dgram_connect(socket, 9, NULL, NULL, NULL), 0);
  assert_int_equal(ask(socket), DGRAM_ERR_SOCKET_DGRAM_NOT_CONNECTED);
  dgram_socket_t *bound = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(ask(bound), DGRAM_ERR_SOCKET_DGRAM_NOT_CONNECTED);
  close_socket(bound);
  close_socket(socket);
  close_loop(loop);
}

static void after_a_failed_connect_there_is_none(void **state) {
  uv_loop_t *loop = open_loop();
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_connect(socket, 9, "::1", trace_connect, "callback"), 0);
  run_until_trace(loop, "callback(EINVAL)");
  assert_int_equal(ask(socket), DGRAM_ERR_SOCKET_DGRAM_NOT_CONNECTED);
  close_socket(socket);
  close_loop(loop);
}

static void of_a_closed_socket_it_is_refused(void **state) {
  uv_loop_t *loop = open_loop();
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  connect_now(socket, 9);
  close_socket(socket);
  assert_int_equal(ask(socket), DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
  close_loop(loop);
}

static void both_arguments_are_needed(void **state) {
  uv_loop_t *loop = open_loop();
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  connect_now(socket, 9);
  assert_int_equal(ask(NULL), UV_EINVAL);
  assert_int_equal(dgram_remote_address(socket, NULL), UV_EINVAL);
  close_socket(socket);
  close_loop(loop);
}

/* The wildcard stands for this host: the system says what it made of it. */
static void it_is_the_one_that_the_system_has(void **state) {
  uv_loop_t *loop = open_loop();
  int port;
  int connected = 0;
  dgram_address_t remote;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_connect(socket, 9, "0.0.0.0", count_connect, &connected), 0);
  run_until(loop, &connected, 1);
  assert_int_equal(dgram_remote_address(socket, &remote), 0);
  assert_string_equal(remote.address, "127.0.0.1");
  close_socket(socket);
  close_loop(loop);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(until_it_is_connected_there_is_none),
      cmocka_unit_test(after_a_failed_connect_there_is_none),
      cmocka_unit_test(of_a_closed_socket_it_is_refused),
      cmocka_unit_test(both_arguments_are_needed),
      cmocka_unit_test(it_is_the_one_that_the_system_has),
  };
  return cmocka_run_group_tests_name("remote_address", tests, NULL, NULL);
}

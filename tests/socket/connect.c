/* A successful connect: when it is told, to whom, and what the socket is then. */
#include "lib/fixture.h"

static void is_told_from_the_loop_never_inside_the_call(void **state) {
  uv_loop_t *loop = open_loop();
  int ports[2];
  dgram_address_t remote;
  dgram_socket_t *peer = new_bound(loop, NULL, NULL, &ports[0]);
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &ports[1]);
  assert_int_equal(dgram_connect(socket, ports[0], "127.0.0.1", trace_connect, "connected"), 0);
  assert_trace("");
  assert_int_equal(dgram_remote_address(socket, &remote), DGRAM_ERR_SOCKET_DGRAM_NOT_CONNECTED);
  run_until_trace(loop, "connected");
  close_socket(socket);
  close_socket(peer);
  close_loop(loop);
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

static void the_remote_address_is_known_from_connect_on(void **state) {
  uv_loop_t *loop = open_loop();
  int ports[2];
  dgram_socket_t *peer = new_bound(loop, NULL, NULL, &ports[0]);
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &ports[1]);
  assert_int_equal(dgram_on_connect(socket, ask_remote_address, &ports[0]), 0);
  assert_int_equal(dgram_connect(socket, ports[0], NULL, NULL, NULL), 0);
  run_until_trace(loop, "asked");
  close_socket(socket);
  close_socket(peer);
  close_loop(loop);
}

static void the_callback_is_a_listener_of_connect_in_its_place(void **state) {
  uv_loop_t *loop = open_loop();
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_on_connect(socket, trace_connect, "before"), 0);
  assert_int_equal(dgram_connect(socket, 9, NULL, trace_connect, "callback"), 0);
  assert_int_equal(dgram_on_connect(socket, trace_connect, "after"), 0);
  run_until_trace(loop, "before callback after");
  close_socket(socket);
  close_loop(loop);
}

static void the_callback_is_called_once(void **state) {
  uv_loop_t *loop = open_loop();
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_on_connect(socket, trace_connect, "event"), 0);
  assert_int_equal(dgram_connect(socket, 9, NULL, trace_connect, "callback"), 0);
  settle(loop);
  assert_int_equal(dgram_disconnect(socket), 0);
  assert_int_equal(dgram_connect(socket, 9, NULL, NULL, NULL), 0);
  settle(loop);
  assert_trace("event callback event");
  close_socket(socket);
  close_loop(loop);
}

static void connect_has_on_once_and_off(void **state) {
  uv_loop_t *loop = open_loop();
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
  close_socket(socket);
  close_loop(loop);
}

static void its_listeners_are_checked_as_those_of_other_events(void **state) {
  uv_loop_t *loop = open_loop();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_on_connect(NULL, trace_connect, "x"), UV_EINVAL);
  assert_int_equal(dgram_once_connect(socket, NULL, "x"), UV_EINVAL);
  assert_int_equal(dgram_off_connect(socket, NULL, "x"), UV_EINVAL);
  close_socket(socket);
  close_loop(loop);
}

static void after_close_connect_can_not_be_listened_for(void **state) {
  uv_loop_t *loop = open_loop();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  close_socket(socket);
  assert_int_equal(dgram_on_connect(socket, trace_connect, "x"),
                   DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
  assert_int_equal(dgram_once_connect(socket, trace_connect, "x"),
                   DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
  assert_int_equal(dgram_off_connect(socket, trace_connect, "x"),
                   DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
  close_loop(loop);
}

static void its_datagrams_arrive_there_from_its_own_port(void **state) {
  uv_loop_t *loop = open_loop();
  char text[8];
  int port;
  int fd = raw_socket();
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  connect_now(socket, raw_port(fd));
  assert_int_equal(dgram_send(socket, "x", 1, 0, NULL, NULL, NULL), 0);
  settle(loop);
  assert_int_equal(raw_receive(fd, text, sizeof text), port);
  close(fd);
  close_socket(socket);
  close_loop(loop);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(is_told_from_the_loop_never_inside_the_call),
      cmocka_unit_test(the_remote_address_is_known_from_connect_on),
      cmocka_unit_test(the_callback_is_a_listener_of_connect_in_its_place),
      cmocka_unit_test(the_callback_is_called_once),
      cmocka_unit_test(connect_has_on_once_and_off),
      cmocka_unit_test(its_listeners_are_checked_as_those_of_other_events),
      cmocka_unit_test(after_close_connect_can_not_be_listened_for),
      cmocka_unit_test(its_datagrams_arrive_there_from_its_own_port),
  };
  return cmocka_run_group_tests_name("connect", tests, NULL, NULL);
}

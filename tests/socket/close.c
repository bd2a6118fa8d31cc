/* Closing, by the state that the socket is in. */
#include "lib/fixture.h"

static void an_unbound_socket(void **state) {
  uv_loop_t *loop = open_loop();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_close(socket, trace_event, "closed"), 0);
  assert_trace("");
  close_loop(loop);
  assert_trace("closed");
}

static void a_bound_socket(void **state) {
  uv_loop_t *loop = open_loop();
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_on_close(socket, trace_event, "listener"), 0);
  assert_int_equal(dgram_close(socket, trace_event, "callback"), 0);
  assert_trace("");
  close_loop(loop);
  assert_trace("listener callback");
}

static void its_port_is_free_again(void **state) {
  uv_loop_t *loop = open_loop();
  int port;
  int listening = 0;
  dgram_socket_t *first = new_bound(loop, NULL, NULL, &port);
  close_socket(first);
  dgram_socket_t *second = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_bind(second, port, "127.0.0.1", count_event, &listening), 0);
  run_until(loop, &listening, 1);
  close_socket(second);
  close_loop(loop);
}

static void a_socket_that_is_being_bound(void **state) {
  uv_loop_t *loop = open_loop();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_bind(socket, 0, NULL, trace_event, "listening"), 0);
  assert_int_equal(dgram_close(socket, trace_event, "closed"), 0);
  close_loop(loop);
  assert_trace("closed");
}

/* Neither 'listening' nor the 'error' of the bind comes any more. */
static void a_socket_whose_bind_would_fail(void **state) {
  uv_loop_t *loop = open_loop();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_on_error(socket, trace_error, "error"), 0);
  assert_int_equal(dgram_bind(socket, 0, "192.0.2.1", NULL, NULL), 0);
  assert_int_equal(dgram_close(socket, trace_event, "closed"), 0);
  close_loop(loop);
  assert_trace("closed");
}

static void a_socket_whose_host_is_looked_up(void **state) {
  static const char *const hosts[] = {"localhost", "no-such-host.invalid"};
  for (int i = 0; i < 2; i++) {
    uv_loop_t *loop = open_loop();
    dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
    assert_int_equal(dgram_on_error(socket, trace_error, "error"), 0);
    assert_int_equal(dgram_bind(socket, 0, hosts[i], trace_event, "listening"), 0);
    assert_int_equal(dgram_close(socket, trace_event, "closed"), 0);
    close_loop(loop);
    assert_trace("closed");
  }
}

static void closing_twice_is_refused(void **state) {
  uv_loop_t *loop = open_loop();
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_close(socket, trace_event, "first"), 0);
  assert_int_equal(dgram_close(socket, trace_event, "second"), DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
  close_loop(loop);
  assert_trace("first");
}

static void every_call_on_a_closed_socket_is_refused(void **state) {
  uv_loop_t *loop = open_loop();
  int port;
  dgram_address_t address;
  struct sockaddr_in to = loopback_address(9);
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  close_socket(socket);
  assert_int_equal(dgram_bind(socket, 0, NULL, NULL, NULL), DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
  assert_int_equal(dgram_send(socket, "x", 1, 9, NULL, NULL, NULL),
                   DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
  assert_int_equal(dgram_send_buffers(socket, NULL, 0, 9, NULL, NULL, NULL),
                   DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
  assert_int_equal(dgram_send_to(socket, NULL, 0, (struct sockaddr *)&to, NULL, NULL),
                   DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
  assert_int_equal(dgram_address(socket, &address), DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
  assert_ptr_equal(dgram_ref(socket), socket);
  assert_ptr_equal(dgram_unref(socket), socket);
  assert_ptr_equal(dgram_loop(socket), loop);
  assert_int_equal(dgram_get_send_queue_count(socket), 0);
  close_loop(loop);
}

static void nothing_is_received_any_more(void **state) {
  uv_loop_t *loop = open_loop();
  int port;
  int fd = raw_socket();
  dgram_socket_t *socket = new_bound(loop, trace_message, "message", &port);
  raw_send(fd, "x", 1, port);
  assert_int_equal(dgram_close(socket, trace_event, "closed"), 0);
  close_loop(loop);
  close(fd);
  assert_trace("closed");
}

static void closing_one_socket_leaves_the_others_alone(void **state) {
  uv_loop_t *loop = open_loop();
  int ports[2];
  dgram_socket_t *a = new_bound(loop, NULL, NULL, &ports[0]);
  dgram_socket_t *b = new_bound(loop, NULL, NULL, &ports[1]);
  close_socket(a);
  assert_usable(b);
  close_socket(b);
  close_loop(loop);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_unbound_socket),
      cmocka_unit_test(a_bound_socket),
      cmocka_unit_test(its_port_is_free_again),
      cmocka_unit_test(a_socket_that_is_being_bound),
      cmocka_unit_test(a_socket_whose_bind_would_fail),
      cmocka_unit_test(a_socket_whose_host_is_looked_up),
      cmocka_unit_test(closing_twice_is_refused),
      cmocka_unit_test(every_call_on_a_closed_socket_is_refused),
      cmocka_unit_test(nothing_is_received_any_more),
      cmocka_unit_test(closing_one_socket_leaves_the_others_alone),
  };
  return cmocka_run_group_tests_name("close", tests, NULL, NULL);
}

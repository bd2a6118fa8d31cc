/* Connecting a socket that is not bound: it is bound first, to a random port. */
#include "lib/fixture.h"
#include "lib/lookup_stub.h"

static void it_is_bound_first(void **state) {
  uv_loop_t *loop = open_loop();
  dgram_address_t address;
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  trace_events(socket);
  assert_int_equal(dgram_connect(socket, 9, NULL, trace_connect, "callback"), 0);
  assert_int_equal(dgram_address(socket, &address), UV_EBADF);
  run_until_trace(loop, "listening connect callback");
  assert_true(port_of(socket) > 0);
  close_socket(socket);
  close_loop(loop);
}

static void a_bind_after_it_is_refused(void **state) {
  uv_loop_t *loop = open_loop();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_connect(socket, 9, NULL, trace_connect, "connect"), 0);
  assert_int_equal(dgram_bind(socket, 0, NULL, NULL, NULL), DGRAM_ERR_SOCKET_ALREADY_BOUND);
  run_until_trace(loop, "connect");
  close_socket(socket);
  close_loop(loop);
}

static void it_waits_for_a_bind_under_way(void **state) {
  uv_loop_t *loop = open_loop();
  struct lookup_stub stub = {0};
  dgram_address_t address;
  dgram_socket_t *socket = new_with_lookup(loop, DGRAM_UDP4, &stub);
  trace_events(socket);
  assert_int_equal(dgram_bind(socket, 0, "name", NULL, NULL), 0);
  assert_int_equal(dgram_connect(socket, 9, NULL, NULL, NULL), 0);
  settle(loop);
  assert_trace("ask(name)");
  lookup_stub_answer(&stub, 0, 0, "127.0.0.3");
  assert_trace("listening ask(127.0.0.1)");
  lookup_stub_answer(&stub, 1, 0, "127.0.0.1");
  run_until_trace(loop, "connect");
  assert_int_equal(dgram_address(socket, &address), 0);
  assert_string_equal(address.address, "127.0.0.3");
  close_socket(socket);
  close_loop(loop);
}

static void if_that_fails_the_callback_gets_its_error(void **state) {
  uv_loop_t *loop = open_loop();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  trace_events(socket);
  assert_int_equal(dgram_bind(socket, 0, "::1", NULL, NULL), 0);
  assert_int_equal(dgram_connect(socket, 9, NULL, trace_connect, "callback"), 0);
  settle(loop);
  assert_trace("error(EINVAL) callback(EINVAL)");
  connect_now(socket, 9);
  assert_trace("listening connect");
  close_socket(socket);
  close_loop(loop);
}

static void without_callback_the_error_is_told_once(void **state) {
  uv_loop_t *loop = open_loop();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  trace_events(socket);
  assert_int_equal(dgram_bind(socket, 0, "::1", NULL, NULL), 0);
  assert_int_equal(dgram_connect(socket, 9, NULL, NULL, NULL), 0);
  settle(loop);
  assert_trace("error(EINVAL)");
  connect_now(socket, 9);
  assert_trace("listening connect");
  close_socket(socket);
  close_loop(loop);
}

/* B29: here the built-in stays connecting for ever. */
static void if_the_bind_of_its_own_fails_it_can_be_tried_again(void **state) {
  for (int with_callback = 0; with_callback < 2; with_callback++) {
    uv_loop_t *loop = open_loop();
    struct lookup_stub stub = {0};
    dgram_socket_t *socket = new_with_lookup(loop, DGRAM_UDP4, &stub);
    trace_events(socket);
    assert_int_equal(
        dgram_connect(socket, 9, NULL, with_callback ? trace_connect : NULL, "callback"), 0);
    assert_trace("ask(0.0.0.0)");
    lookup_stub_answer(&stub, 0, UV_EAI_FAIL, NULL);
    settle(loop);
    assert_trace(with_callback ? "error(EAI_FAIL) callback(EAI_FAIL)" : "error(EAI_FAIL)");
    stub.at_once = "127.0.0.1";
    connect_now(socket, 9);
    assert_trace("ask(0.0.0.0) listening ask(127.0.0.1) connect");
    close_socket(socket);
    close_loop(loop);
  }
}

static void connect_anew(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  trace("error(%s)", error->name);
  assert_int_equal(dgram_connect(socket, 9, NULL, trace_connect, "again"), 0);
}

static void without_callback_it_can_be_tried_again_in_the_error_listener(void **state) {
  uv_loop_t *loop = open_loop();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_on_error(socket, connect_anew, NULL), 0);
  assert_int_equal(dgram_bind(socket, 0, "::1", NULL, NULL), 0);
  assert_int_equal(dgram_connect(socket, 9, NULL, NULL, NULL), 0);
  run_until_trace(loop, "error(EINVAL) again");
  close_socket(socket);
  close_loop(loop);
}

/* The callback is still to be told when the socket takes over one that is connected. */
static void bind_connected(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  dgram_bind_options_t options = dgram_default_bind_options();
  options.fd = *(int *)context;
  trace("error(%s)", error->name);
  assert_int_equal(dgram_bind_options(socket, &options, NULL, NULL), 0);
}

static void a_connected_socket_taken_over_in_the_error_listener_stays_connected(void **state) {
  uv_loop_t *loop = open_loop();
  dgram_address_t remote;
  int fd = raw_socket();
  raw_connect(fd, 9);
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_on_error(socket, bind_connected, &fd), 0);
  assert_int_equal(dgram_bind(socket, 0, "::1", NULL, NULL), 0);
  assert_int_equal(dgram_connect(socket, 7, NULL, trace_connect, "callback"), 0);
  settle(loop);
  assert_trace("error(EINVAL) callback(EINVAL)");
  assert_int_equal(dgram_remote_address(socket, &remote), 0);
  assert_int_equal(remote.port, 9);
  close_socket(socket);
  close_loop(loop);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(it_is_bound_first),
      cmocka_unit_test(a_bind_after_it_is_refused),
      cmocka_unit_test(it_waits_for_a_bind_under_way),
      cmocka_unit_test(if_that_fails_the_callback_gets_its_error),
      cmocka_unit_test(without_callback_the_error_is_told_once),
      cmocka_unit_test(if_the_bind_of_its_own_fails_it_can_be_tried_again),
      cmocka_unit_test(without_callback_it_can_be_tried_again_in_the_error_listener),
      cmocka_unit_test(a_connected_socket_taken_over_in_the_error_listener_stays_connected),
  };
  return cmocka_run_group_tests_name("connect_bind", tests, NULL, NULL);
}

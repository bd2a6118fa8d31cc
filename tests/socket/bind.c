/* Binding: where to, and when the program is told. Failures are in bind_error.c. */
#include "lib/fixture.h"

static void assert_bound_to(const dgram_socket_t *socket, const char *address, const char *family) {
  dgram_address_t bound;
  assert_int_equal(dgram_address(socket, &bound), 0);
  assert_string_equal(bound.address, address);
  assert_string_equal(bound.family, family);
  assert_in_range(bound.port, 1, 65535);
}

static void binds_to(dgram_type_t type, const char *address, const char *bound_to,
                     const char *family) {
  uv_loop_t *loop = open_loop();
  dgram_socket_t *socket = new_socket(loop, type, NULL, NULL);
  bind_now(socket, address);
  assert_bound_to(socket, bound_to, family);
  close_socket(socket);
  close_loop(loop);
}

static void port_0_lets_the_system_choose(void **state) {
  uv_loop_t *loop = open_loop();
  int ports[2];
  dgram_socket_t *a = new_bound(loop, NULL, NULL, &ports[0]);
  dgram_socket_t *b = new_bound(loop, NULL, NULL, &ports[1]);
  assert_int_not_equal(ports[0], ports[1]);
  close_socket(a);
  close_socket(b);
  close_loop(loop);
}

static void no_address_means_all_interfaces(void **state) {
  binds_to(DGRAM_UDP4, NULL, "0.0.0.0", "IPv4");
  binds_to(DGRAM_UDP4, "", "0.0.0.0", "IPv4");
}

static void no_address_means_all_interfaces_of_ipv6(void **state) {
  skip_without_ipv6();
  binds_to(DGRAM_UDP6, NULL, "::", "IPv6");
  binds_to(DGRAM_UDP6, "", "::", "IPv6");
}

static void a_specific_address_is_kept(void **state) {
  binds_to(DGRAM_UDP4, "127.0.0.1", "127.0.0.1", "IPv4");
  binds_to(DGRAM_UDP4, "127.0.0.2", "127.0.0.2", "IPv4");
}

static void a_specific_address_of_ipv6_is_kept(void **state) {
  skip_without_ipv6();
  binds_to(DGRAM_UDP6, "::1", "::1", "IPv6");
}

static void a_specific_port_is_kept(void **state) {
  uv_loop_t *loop = open_loop();
  int port;
  int listening = 0;
  dgram_socket_t *first = new_bound(loop, NULL, NULL, &port);
  close_socket(first);
  run_to_end(loop);
  dgram_socket_t *second = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_bind(second, port, "127.0.0.1", count_event, &listening), 0);
  run_until(loop, &listening, 1);
  assert_int_equal(port_of(second), port);
  close_socket(second);
  close_loop(loop);
}

static void listening_is_never_emitted_inside_the_call(void **state) {
  static const char *const addresses[] = {NULL, "127.0.0.1", "localhost"};
  for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
    uv_loop_t *loop = open_loop();
    dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
    int called = 0;
    assert_int_equal(dgram_on_listening(socket, trace_event, "listener"), 0);
    assert_int_equal(dgram_bind(socket, 0, addresses[i], count_event, &called), 0);
    assert_int_equal(called, 0);
    assert_trace("");
    run_until(loop, &called, 1);
    assert_trace("listener");
    close_socket(socket);
    close_loop(loop);
  }
}

static void the_callback_is_a_listener_of_listening(void **state) {
  uv_loop_t *loop = open_loop();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  int last = 0;
  assert_int_equal(dgram_on_listening(socket, trace_event, "before"), 0);
  assert_int_equal(dgram_bind(socket, 0, NULL, trace_event, "callback"), 0);
  assert_int_equal(dgram_on_listening(socket, trace_event, "after"), 0);
  assert_int_equal(dgram_on_listening(socket, count_event, &last), 0);
  run_until(loop, &last, 1);
  assert_trace("before callback after");
  close_socket(socket);
  close_loop(loop);
}

static void the_callback_can_be_removed(void **state) {
  uv_loop_t *loop = open_loop();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  int listening = 0;
  assert_int_equal(dgram_on_listening(socket, count_event, &listening), 0);
  assert_int_equal(dgram_bind(socket, 0, NULL, trace_event, "callback"), 0);
  assert_int_equal(dgram_off_listening(socket, trace_event, "callback"), 0);
  run_until(loop, &listening, 1);
  assert_trace("");
  close_socket(socket);
  close_loop(loop);
}

static void trace_address(dgram_socket_t *socket, void *context) {
  dgram_address_t address;
  int err = dgram_address(socket, &address);
  trace("%s:%d", (const char *)context, err);
}

static void address_is_known_from_listening_on(void **state) {
  uv_loop_t *loop = open_loop();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  dgram_address_t address;
  int listening = 0;
  assert_int_equal(dgram_address(socket, &address), UV_EBADF);
  assert_int_equal(dgram_on_listening(socket, trace_address, "in"), 0);
  assert_int_equal(dgram_bind(socket, 0, NULL, count_event, &listening), 0);
  assert_int_equal(dgram_address(socket, &address), UV_EBADF);
  run_until(loop, &listening, 1);
  assert_trace("in:0");
  close_socket(socket);
  assert_int_equal(dgram_address(socket, &address), DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
  close_loop(loop);
}

static void binding_twice_is_refused_and_changes_nothing(void **state) {
  uv_loop_t *loop = open_loop();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  int listening = 0;
  assert_int_equal(dgram_bind(socket, 0, "127.0.0.1", count_event, &listening), 0);
  assert_int_equal(dgram_bind(socket, 0, "127.0.0.2", trace_event, "refused"),
                   DGRAM_ERR_SOCKET_ALREADY_BOUND);
  run_until(loop, &listening, 1);
  assert_int_equal(dgram_bind(socket, 0, "127.0.0.2", trace_event, "refused"),
                   DGRAM_ERR_SOCKET_ALREADY_BOUND);
  assert_usable(socket);
  assert_bound_to(socket, "127.0.0.1", "IPv4");
  assert_trace("");
  close_socket(socket);
  close_loop(loop);
}

static void binding_after_a_send_bound_it_is_refused(void **state) {
  uv_loop_t *loop = open_loop();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  int sent = 0;
  send_text(socket, "x", 9, count_sent, &sent);
  assert_int_equal(dgram_bind(socket, 0, NULL, NULL, NULL), DGRAM_ERR_SOCKET_ALREADY_BOUND);
  run_until(loop, &sent, 1);
  assert_int_equal(dgram_bind(socket, 0, NULL, NULL, NULL), DGRAM_ERR_SOCKET_ALREADY_BOUND);
  close_socket(socket);
  close_loop(loop);
}

static void a_socket_knows_its_loop(void **state) {
  uv_loop_t *loop = open_loop();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_ptr_equal(dgram_loop(socket), loop);
  close_socket(socket);
  close_loop(loop);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(port_0_lets_the_system_choose),
      cmocka_unit_test(no_address_means_all_interfaces),
      cmocka_unit_test(no_address_means_all_interfaces_of_ipv6),
      cmocka_unit_test(a_specific_address_is_kept),
      cmocka_unit_test(a_specific_address_of_ipv6_is_kept),
      cmocka_unit_test(a_specific_port_is_kept),
      cmocka_unit_test(listening_is_never_emitted_inside_the_call),
      cmocka_unit_test(the_callback_is_a_listener_of_listening),
      cmocka_unit_test(the_callback_can_be_removed),
      cmocka_unit_test(address_is_known_from_listening_on),
      cmocka_unit_test(binding_twice_is_refused_and_changes_nothing),
      cmocka_unit_test(binding_after_a_send_bound_it_is_refused),
      cmocka_unit_test(a_socket_knows_its_loop),
  };
  return cmocka_run_group_tests_name("bind", tests, NULL, NULL);
}

/* A bind inside the call: the port is there when it returns; 'listening' comes from the loop. */
#include "lib/fixture.h"
#include "lib/lookup_stub.h"

/* B53 */
static void it_has_its_port_when_the_call_returns(void **state) {
  static const char *const addresses[] = {NULL, "", "127.0.0.1"};
  static const char *const bound[] = {"0.0.0.0", "0.0.0.0", "127.0.0.1"};
  for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
    uv_loop_t *loop = open_loop();
    dgram_address_t address;
    dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
    trace_events(socket);
    assert_int_equal(dgram_bind_sync(socket, 0, addresses[i]), 0);
    assert_int_equal(dgram_address(socket, &address), 0);
    assert_string_equal(address.address, bound[i]);
    assert_string_equal(address.family, "IPv4");
    assert_in_range(address.port, 1, 65535);
    assert_int_equal(dgram_set_broadcast(socket, 1), 0); /* the system's socket is there */
    assert_trace("");
    run_until_trace(loop, "listening");
    settle(loop);
    assert_trace("");
    assert_usable(socket);
    close_socket(socket);
    close_loop(loop);
  }
}

static void to_a_port_that_is_given(void **state) {
  uv_loop_t *loop = open_loop();
  dgram_socket_t *first = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  dgram_socket_t *second = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_bind_sync(first, 0, "127.0.0.1"), 0);
  assert_int_equal(dgram_bind_sync(second, port_of(first), "127.0.0.2"), 0);
  assert_int_equal(port_of(second), port_of(first));
  close_socket(first);
  close_socket(second);
  close_loop(loop);
}

static void of_ipv6_with_a_zone_too(void **state) {
  static const char *const addresses[] = {NULL, "::1", "::1%lo", "::ffff:127.0.0.1"};
  static const char *const bound[] = {"::", "::1", "::1", "::ffff:127.0.0.1"};
  skip_without_ipv6();
  for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
    uv_loop_t *loop = open_loop();
    dgram_address_t address;
    dgram_socket_t *socket = new_socket(loop, DGRAM_UDP6, NULL, NULL);
    assert_int_equal(dgram_bind_sync(socket, 0, addresses[i]), 0);
    assert_int_equal(dgram_address(socket, &address), 0);
    assert_string_equal(address.address, bound[i]);
    close_socket(socket);
    close_loop(loop);
  }
}

static void the_options_of_the_socket_hold(void **state) {
  uv_loop_t *loop = open_loop();
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.reuse_addr = 1;
  options.recv_buffer_size = 10000;
  dgram_socket_t *first = new_with(loop, &options);
  dgram_socket_t *second = new_with(loop, &options);
  assert_int_equal(dgram_bind_sync(first, 0, NULL), 0);
  assert_int_equal(dgram_bind_sync(second, port_of(first), NULL), 0);
  assert_in_range(dgram_get_recv_buffer_size(first), 10000, 20000);
  options.ipv6_only = 1;
  dgram_socket_t *third = new_with(loop, &options);
  assert_int_equal(dgram_bind_sync(third, 0, NULL), UV_EINVAL); /* it is of IPv4 */
  close_socket(first);
  close_socket(second);
  close_socket(third);
  close_loop(loop);
}

/* There is no look-up: the call is done when it returns. */
static void a_look_up_of_the_program_is_not_asked(void **state) {
  uv_loop_t *loop = open_loop();
  struct lookup_stub stub = {0};
  dgram_socket_t *socket = new_with_lookup(loop, DGRAM_UDP4, &stub);
  assert_int_equal(dgram_bind_sync(socket, 0, "name"), UV_EINVAL);
  assert_int_equal(dgram_bind_sync(socket, 0, NULL), 0);
  assert_int_equal(stub.asked, 0);
  close_socket(socket);
  close_loop(loop);
}

/* ---- what fails ---- */

/* Refused: nothing is told, and the socket can be bound as if it had not been called. */
static void assert_refused(int port, const char *address, int code) {
  uv_loop_t *loop = open_loop();
  dgram_address_t bound;
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  trace_events(socket);
  assert_int_equal(dgram_bind_sync(socket, port, address), code);
  assert_int_equal(dgram_address(socket, &bound), UV_EBADF);
  settle(loop);
  assert_trace("");
  assert_int_equal(dgram_bind_sync(socket, 0, "127.0.0.1"), 0);
  run_until_trace(loop, "listening");
  assert_usable(socket);
  close_socket(socket);
  close_loop(loop);
}

static void a_port_out_of_range(void **state) {
  static const int ports[] = {-1, 65536, INT32_MAX, INT32_MIN};
  for (size_t i = 0; i < sizeof ports / sizeof *ports; i++)
    assert_refused(ports[i], NULL, DGRAM_ERR_SOCKET_BAD_PORT);
}

static void what_is_no_numeric_address_of_its_family(void **state) {
  static const char *const texts[] = {"localhost",    "::1", "1.2.3",
                                      "127.0.0.1:80", " ",   "::ffff:1.2.3.4"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
    assert_refused(0, texts[i], UV_EINVAL);
}

static void what_the_system_refuses(void **state) {
  int fd = raw_socket();
  assert_refused(raw_port(fd), "127.0.0.1", UV_EADDRINUSE);
  assert_refused(0, "203.0.113.9", UV_EADDRNOTAVAIL);
  close(fd);
}

static void no_socket(void **state) {
  assert_int_equal(dgram_bind_sync(NULL, 0, NULL), UV_EINVAL);
}

static void one_that_is_closed(void **state) {
  uv_loop_t *loop = open_loop();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  close_socket(socket);
  assert_int_equal(dgram_bind_sync(socket, 0, NULL), DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
  close_loop(loop);
}

static void one_that_is_bound_or_being_bound(void **state) {
  uv_loop_t *loop = open_loop();
  int listening = 0;
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  dgram_socket_t *other = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_bind(socket, 0, NULL, count_event, &listening), 0);
  assert_int_equal(dgram_bind_sync(socket, 0, NULL), DGRAM_ERR_SOCKET_ALREADY_BOUND);
  run_until(loop, &listening, 1);
  assert_int_equal(dgram_bind_sync(socket, 0, NULL), DGRAM_ERR_SOCKET_ALREADY_BOUND);
  assert_int_equal(dgram_bind_sync(other, 0, NULL), 0);
  assert_int_equal(dgram_bind_sync(other, 0, NULL), DGRAM_ERR_SOCKET_ALREADY_BOUND);
  assert_int_equal(dgram_bind(other, 0, NULL, NULL, NULL), DGRAM_ERR_SOCKET_ALREADY_BOUND);
  close_socket(socket);
  close_socket(other);
  close_loop(loop);
}

/* ---- what comes after it ---- */

static void closed_before_listening_it_emits_close_only(void **state) {
  uv_loop_t *loop = open_loop();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  trace_events(socket);
  assert_int_equal(dgram_bind_sync(socket, 0, NULL), 0);
  close_socket(socket);
  close_loop(loop);
  assert_trace("close");
}

static void what_comes_at_once_is_told_after_listening(void **state) {
  uv_loop_t *loop = open_loop();
  int fd = raw_socket();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, trace_message, "got");
  trace_events(socket);
  assert_int_equal(dgram_bind_sync(socket, 0, "127.0.0.1"), 0);
  raw_send(fd, "early", 5, port_of(socket));
  run_until_trace(loop, "listening got(early)");
  close(fd);
  close_socket(socket);
  close_loop(loop);
}

static void trace_arrivals(dgram_socket_t *socket, void *context) {
  trace("came(%s)", arrived(*(int *)context));
}

/* B63 */
static void what_is_sent_leaves_after_listening(void **state) {
  uv_loop_t *loop = open_loop();
  int fd = raw_socket();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  trace_events(socket);
  assert_int_equal(dgram_bind_sync(socket, 0, NULL), 0);
  send_text(socket, "x", raw_port(fd), trace_sent, "sent");
  assert_int_equal(dgram_on_listening(socket, trace_arrivals, &fd), 0);
  run_until_trace(loop, "listening came() sent");
  assert_string_equal(arrived(fd), "x");
  close(fd);
  close_socket(socket);
  close_loop(loop);
}

static void a_close_waits_for_what_is_sent(void **state) {
  uv_loop_t *loop = open_loop();
  int fd = raw_socket();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  trace_events(socket);
  assert_int_equal(dgram_bind_sync(socket, 0, NULL), 0);
  send_text(socket, "x", raw_port(fd), trace_sent, "sent");
  close_socket(socket);
  close_loop(loop);
  assert_trace("listening sent close");
  assert_string_equal(arrived(fd), "x");
  close(fd);
}

static void bind_there(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  trace("error(%s)", error->name);
  assert_int_equal(dgram_bind_sync(socket, 0, "127.0.0.1"), 0);
  assert_true(port_of(socket) > 0);
}

static void in_the_error_of_a_failed_bind_it_can_be_called(void **state) {
  uv_loop_t *loop = open_loop();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_on_listening(socket, trace_event, "listening"), 0);
  assert_int_equal(dgram_on_error(socket, bind_there, NULL), 0);
  assert_int_equal(dgram_bind(socket, 0, "203.0.113.9", trace_event, "never"), 0);
  run_until_trace(loop, "error(EADDRNOTAVAIL) listening");
  assert_usable(socket);
  close_socket(socket);
  close_loop(loop);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(it_has_its_port_when_the_call_returns),
      cmocka_unit_test(to_a_port_that_is_given),
      cmocka_unit_test(of_ipv6_with_a_zone_too),
      cmocka_unit_test(the_options_of_the_socket_hold),
      cmocka_unit_test(a_look_up_of_the_program_is_not_asked),
      cmocka_unit_test(a_port_out_of_range),
      cmocka_unit_test(what_is_no_numeric_address_of_its_family),
      cmocka_unit_test(what_the_system_refuses),
      cmocka_unit_test(no_socket),
      cmocka_unit_test(one_that_is_closed),
      cmocka_unit_test(one_that_is_bound_or_being_bound),
      cmocka_unit_test(closed_before_listening_it_emits_close_only),
      cmocka_unit_test(what_comes_at_once_is_told_after_listening),
      cmocka_unit_test(what_is_sent_leaves_after_listening),
      cmocka_unit_test(a_close_waits_for_what_is_sent),
      cmocka_unit_test(in_the_error_of_a_failed_bind_it_can_be_called),
  };
  return cmocka_run_group_tests_name("bind_sync", tests, NULL, NULL);
}

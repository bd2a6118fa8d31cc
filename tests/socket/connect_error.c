/* A connect that fails: who is told, what, and that the socket can be connected after it. */
#include "lib/fixture.h"

static void keep_connect_error(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  dgram_address_t remote;
  assert_non_null(error);
  assert_int_equal(dgram_remote_address(socket, &remote), DGRAM_ERR_SOCKET_DGRAM_NOT_CONNECTED);
  keep_error(socket, error, context);
}

/* Connects, which must fail; the callback is told, and nobody else. */
static struct kept_error connect_failure(dgram_type_t type, int port, const char *address) {
  uv_loop_t *loop = open_loop();
  struct kept_error kept = {0};
  dgram_socket_t *socket = new_socket(loop, type, NULL, NULL);
  assert_int_equal(dgram_on_connect(socket, trace_connect, "connect"), 0);
  assert_int_equal(dgram_on_error(socket, trace_error, "error"), 0);
  assert_int_equal(dgram_connect(socket, port, address, keep_connect_error, &kept), 0);
  run_until(loop, &kept.calls, 1);
  settle(loop);
  assert_int_equal(kept.calls, 1);
  assert_trace("");
  connect_now(socket, 9);
  assert_trace("connect");
  close_socket(socket);
  close_loop(loop);
  return kept;
}

static void an_address_of_the_other_family_is_einval(void **state) {
  struct kept_error kept = connect_failure(DGRAM_UDP4, 1234, "::1");
  assert_int_equal(kept.code, UV_EINVAL);
  assert_string_equal(kept.syscall, "connect");
  assert_string_equal(kept.address, "::1");
  assert_int_equal(kept.port, 1234);
  assert_string_equal(kept.message, "connect EINVAL ::1:1234");
}

static void also_on_a_socket_of_ipv6(void **state) {
  skip_without_ipv6();
  struct kept_error kept = connect_failure(DGRAM_UDP6, 1234, "127.0.0.1");
  assert_int_equal(kept.code, UV_EINVAL);
  assert_string_equal(kept.message, "connect EINVAL 127.0.0.1:1234");
}

static void an_unknown_host_is_the_error_of_its_look_up(void **state) {
  struct kept_error kept = connect_failure(DGRAM_UDP4, 1234, "no-such-host.invalid");
  assert_string_equal(kept.syscall, "getaddrinfo");
  assert_string_equal(kept.address, "no-such-host.invalid");
  assert_int_equal(kept.port, 0);
  if (kept.code == UV_EAI_AGAIN) {
    print_message("skipped: no name server answers here\n");
    return;
  }
  assert_string_equal(kept.message, "getaddrinfo ENOTFOUND no-such-host.invalid");
}

/* libuv refuses it before any look-up; the program is told as of every other failure. */
static void a_name_that_is_no_text_is_einval(void **state) {
  struct kept_error kept = connect_failure(DGRAM_UDP4, 1234, "\xff\xfe");
  assert_int_equal(kept.code, UV_EINVAL);
  assert_string_equal(kept.syscall, "getaddrinfo");
  assert_string_equal(kept.address, "\xff\xfe");
}

/* The loopback's broadcast address, which needs SO_BROADCAST. */
static void what_the_system_refuses_has_its_code(void **state) {
  struct kept_error kept = connect_failure(DGRAM_UDP4, 1234, "127.255.255.255");
  assert_int_equal(kept.code, UV_EACCES);
  assert_string_equal(kept.message, "connect EACCES 127.255.255.255:1234");
}

static void without_callback_it_is_an_error_event(void **state) {
  uv_loop_t *loop = open_loop();
  int port;
  struct kept_error kept = {0};
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_on_connect(socket, trace_connect, "connect"), 0);
  assert_int_equal(dgram_on_error(socket, keep_connect_error, &kept), 0);
  assert_int_equal(dgram_connect(socket, 1234, "::1", NULL, NULL), 0);
  assert_int_equal(kept.calls, 0);
  settle(loop);
  assert_int_equal(kept.calls, 1);
  assert_string_equal(kept.message, "connect EINVAL ::1:1234");
  assert_trace("");
  close_socket(socket);
  close_loop(loop);
}

static void without_anybody_it_goes_to_the_handler_of_unhandled_errors(void **state) {
  uv_loop_t *loop = open_loop();
  int port;
  struct kept_error kept = {0};
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  dgram_on_unhandled_error(keep_error, &kept);
  assert_int_equal(dgram_connect(socket, 1234, "::1", NULL, NULL), 0);
  settle(loop);
  assert_int_equal(kept.calls, 1);
  close_socket(socket);
  close_loop(loop);
}

static void the_callback_is_forgotten_after_it(void **state) {
  uv_loop_t *loop = open_loop();
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_connect(socket, 9, "::1", trace_connect, "callback"), 0);
  settle(loop);
  assert_trace("callback(EINVAL)");
  assert_int_equal(dgram_off_connect(socket, trace_connect, "callback"), UV_ENOENT);
  connect_now(socket, 9);
  assert_trace("");
  close_socket(socket);
  close_loop(loop);
}

static void try_again(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  trace("%s", error->name);
  assert_int_equal(dgram_connect(socket, 9, NULL, trace_connect, "again"), 0);
}

static void connecting_can_be_tried_again_in_the_callback(void **state) {
  uv_loop_t *loop = open_loop();
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_connect(socket, 9, "::1", try_again, NULL), 0);
  run_until_trace(loop, "EINVAL again");
  close_socket(socket);
  close_loop(loop);
}

static void connecting_can_be_tried_again_in_the_error_listener(void **state) {
  uv_loop_t *loop = open_loop();
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_on_error(socket, try_again, NULL), 0);
  assert_int_equal(dgram_connect(socket, 9, "::1", NULL, NULL), 0);
  run_until_trace(loop, "EINVAL again");
  close_socket(socket);
  close_loop(loop);
}

static void many_failures_pile_up_no_listeners(void **state) {
  enum { TIMES = 20 };
  uv_loop_t *loop = open_loop();
  int port;
  int connected = 0;
  struct kept_error kept = {0};
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  for (int i = 1; i <= TIMES; i++) {
    assert_int_equal(dgram_connect(socket, 9, "::1", keep_connect_error, &kept), 0);
    run_until(loop, &kept.calls, i);
  }
  assert_int_equal(dgram_connect(socket, 9, NULL, count_connect, &connected), 0);
  settle(loop);
  assert_int_equal(connected, 1);
  assert_int_equal(kept.calls, TIMES);
  close_socket(socket);
  close_loop(loop);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_address_of_the_other_family_is_einval),
      cmocka_unit_test(also_on_a_socket_of_ipv6),
      cmocka_unit_test(an_unknown_host_is_the_error_of_its_look_up),
      cmocka_unit_test(a_name_that_is_no_text_is_einval),
      cmocka_unit_test(what_the_system_refuses_has_its_code),
      cmocka_unit_test(without_callback_it_is_an_error_event),
      cmocka_unit_test(without_anybody_it_goes_to_the_handler_of_unhandled_errors),
      cmocka_unit_test(the_callback_is_forgotten_after_it),
      cmocka_unit_test(connecting_can_be_tried_again_in_the_callback),
      cmocka_unit_test(connecting_can_be_tried_again_in_the_error_listener),
      cmocka_unit_test(many_failures_pile_up_no_listeners),
  };
  return cmocka_run_group_tests_name("connect_error", tests, NULL, NULL);
}

/* A membership call on an unbound socket binds it inside the call; 'listening' comes later. */
#include "lib/fixture.h"
#include "lib/lookup_stub.h"

static const char GROUP[] = "224.0.0.114";

static int join(dgram_socket_t *socket) {
  return dgram_add_membership(socket, GROUP, "127.0.0.1");
}

static void it_is_bound_inside_the_call(void **state) {
  uv_loop_t *loop = open_loop();
  dgram_address_t address;
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  trace_events(socket);
  assert_int_equal(join(socket), 0);
  assert_int_equal(dgram_address(socket, &address), 0);
  assert_string_equal(address.address, "0.0.0.0");
  assert_in_range(address.port, 1, 65535);
  assert_int_equal(dgram_set_multicast_ttl(socket, 2), 0);
  assert_trace("");
  run_until_trace(loop, "listening");
  settle(loop);
  assert_trace("");
  assert_usable(socket);
  close_socket(socket);
  close_loop(loop);
}

static void for_one_source_too(void **state) {
  uv_loop_t *loop = open_loop();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  trace_events(socket);
  assert_int_equal(
      dgram_add_source_specific_membership(socket, "127.0.0.1", "232.1.2.3", "127.0.0.1"), 0);
  assert_true(port_of(socket) > 0);
  run_until_trace(loop, "listening");
  close_socket(socket);
  close_loop(loop);
}

static void of_ipv6_too(void **state) {
  skip_without_ipv6();
  uv_loop_t *loop = open_loop();
  dgram_address_t address;
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP6, NULL, NULL);
  trace_events(socket);
  assert_int_equal(dgram_add_membership(socket, "ff02::1234", "::%lo"), 0);
  assert_int_equal(dgram_address(socket, &address), 0);
  assert_string_equal(address.address, "::");
  run_until_trace(loop, "listening");
  close_socket(socket);
  close_loop(loop);
}

/* There is no look-up: the call is done when it returns. */
static void a_look_up_of_the_program_is_not_asked(void **state) {
  uv_loop_t *loop = open_loop();
  struct lookup_stub stub = {0};
  dgram_socket_t *socket = new_with_lookup(loop, DGRAM_UDP4, &stub);
  assert_int_equal(join(socket), 0);
  settle(loop);
  assert_int_equal(stub.asked, 0);
  close_socket(socket);
  close_loop(loop);
}

static void a_later_bind_is_refused(void **state) {
  uv_loop_t *loop = open_loop();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(join(socket), 0);
  assert_int_equal(dgram_bind(socket, 0, NULL, NULL, NULL), DGRAM_ERR_SOCKET_ALREADY_BOUND);
  settle(loop);
  assert_int_equal(dgram_bind(socket, 0, NULL, NULL, NULL), DGRAM_ERR_SOCKET_ALREADY_BOUND);
  close_socket(socket);
  close_loop(loop);
}

static void while_it_is_being_bound_it_is_ebadf(void **state) {
  uv_loop_t *loop = open_loop();
  int listening = 0;
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_bind(socket, 0, NULL, count_event, &listening), 0);
  assert_int_equal(join(socket), UV_EBADF);
  assert_int_equal(dgram_drop_membership(socket, GROUP, "127.0.0.1"), UV_EBADF);
  run_until(loop, &listening, 1);
  assert_int_equal(join(socket), 0);
  close_socket(socket);
  close_loop(loop);
}

static void join_in_listening(dgram_socket_t *socket, void *context) {
  trace("join:%d", join(socket));
}

static void in_listening_it_can_be_called(void **state) {
  uv_loop_t *loop = open_loop();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_bind(socket, 0, NULL, join_in_listening, NULL), 0);
  run_until_trace(loop, "join:0");
  close_socket(socket);
  close_loop(loop);
}

static void a_second_membership_emits_no_second_listening(void **state) {
  uv_loop_t *loop = open_loop();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  trace_events(socket);
  assert_int_equal(join(socket), 0);
  assert_int_equal(dgram_add_membership(socket, "224.0.0.115", "127.0.0.1"), 0);
  settle(loop);
  assert_trace("listening");
  close_socket(socket);
  close_loop(loop);
}

static void closed_before_listening_it_emits_close_only(void **state) {
  uv_loop_t *loop = open_loop();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  trace_events(socket);
  assert_int_equal(join(socket), 0);
  close_socket(socket);
  close_loop(loop);
  assert_trace("close");
}

/* Notes how many datagrams have come to the system's socket that is its context. */
static void trace_arrivals(dgram_socket_t *socket, void *context) {
  trace("came(%d)", (int)strlen(arrived(*(int *)context)));
}

/* It is bound already, but a listener of 'listening' may still change it (B63). */
static void a_send_before_listening_leaves_after_it(void **state) {
  uv_loop_t *loop = open_loop();
  int fd = raw_socket();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  trace_events(socket);
  assert_int_equal(join(socket), 0);
  send_text(socket, "x", raw_port(fd), trace_sent, "sent");
  assert_int_equal(dgram_on_listening(socket, trace_arrivals, &fd), 0);
  run_until_trace(loop, "listening came(0) sent");
  assert_string_equal(arrived(fd), "x");
  close(fd);
  close_socket(socket);
  close_loop(loop);
}

/* In the callback of another socket's send, that is from the loop, just before it polls. */
static void join_and_be_sent_to(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                                void *context) {
  dgram_socket_t *member = context;
  int fd = raw_socket();
  assert_int_equal(join(member), 0);
  raw_send(fd, "x", 1, port_of(member));
  close(fd);
}

static void a_message_comes_after_listening(void **state) {
  uv_loop_t *loop = open_loop();
  int port;
  dgram_socket_t *other = new_bound(loop, NULL, NULL, &port);
  dgram_socket_t *member = new_socket(loop, DGRAM_UDP4, trace_message, "got");
  trace_events(member);
  send_text(other, "x", 9, join_and_be_sent_to, member);
  run_until_trace(loop, "listening got(x)");
  close_socket(other);
  close_socket(member);
  close_loop(loop);
}

static void a_connect_before_listening_is_done_after_it(void **state) {
  uv_loop_t *loop = open_loop();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  trace_events(socket);
  assert_int_equal(join(socket), 0);
  assert_int_equal(dgram_connect(socket, 9, NULL, NULL, NULL), 0);
  run_until_trace(loop, "listening connect");
  close_socket(socket);
  close_loop(loop);
}

/* The kernel was asked, and for that the socket had to be bound. */
static void a_call_that_fails_leaves_the_socket_bound(void **state) {
  uv_loop_t *loop = open_loop();
  dgram_socket_t *leaver = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  dgram_socket_t *joiner = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  trace_events(leaver);
  trace_events(joiner);
  assert_int_equal(dgram_drop_membership(leaver, GROUP, "127.0.0.1"), UV_EADDRNOTAVAIL);
  assert_int_equal(dgram_add_membership(joiner, GROUP, "203.0.113.9"), UV_ENODEV);
  assert_true(port_of(leaver) > 0);
  run_until_trace(loop, "listening listening");
  assert_usable(leaver);
  assert_usable(joiner);
  close_socket(leaver);
  close_socket(joiner);
  close_loop(loop);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(it_is_bound_inside_the_call),
      cmocka_unit_test(for_one_source_too),
      cmocka_unit_test(of_ipv6_too),
      cmocka_unit_test(a_look_up_of_the_program_is_not_asked),
      cmocka_unit_test(a_later_bind_is_refused),
      cmocka_unit_test(while_it_is_being_bound_it_is_ebadf),
      cmocka_unit_test(in_listening_it_can_be_called),
      cmocka_unit_test(a_second_membership_emits_no_second_listening),
      cmocka_unit_test(closed_before_listening_it_emits_close_only),
      cmocka_unit_test(a_send_before_listening_leaves_after_it),
      cmocka_unit_test(a_message_comes_after_listening),
      cmocka_unit_test(a_connect_before_listening_is_done_after_it),
      cmocka_unit_test(a_call_that_fails_leaves_the_socket_bound),
  };
  return cmocka_run_group_tests_name("membership_bind", tests, NULL, NULL);
}

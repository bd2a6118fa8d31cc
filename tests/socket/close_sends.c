/* Closing while sends are under way: which of them leave, and what their callbacks are told. */
#include "lib/fixture.h"

/* The number of datagrams that have arrived at the system's socket. */
static int arrivals(int fd) {
  char byte;
  int count = 0;
  while (recv(fd, &byte, 1, MSG_DONTWAIT) >= 0)
    count++;
  return count;
}

static void sends_of_this_turn_still_leave_before_close(void **state) {
  uv_loop_t *loop = open_loop();
  int port;
  int fd = raw_socket();
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  send_text(socket, "1", raw_port(fd), trace_sent, "sent1");
  send_text(socket, "2", raw_port(fd), trace_sent, "sent2");
  send_text(socket, "3", raw_port(fd), NULL, NULL);
  assert_int_equal(dgram_close(socket, trace_event, "closed"), 0);
  assert_trace("");
  close_loop(loop);
  assert_trace("sent1 sent2 closed");
  assert_int_equal(arrivals(fd), 3);
  close(fd);
}

static void sends_that_wait_for_the_bind_leave_before_close(void **state) {
  uv_loop_t *loop = open_loop();
  int fd = raw_socket();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_on_listening(socket, trace_event, "listening"), 0);
  send_text(socket, "1", raw_port(fd), trace_sent, "sent1");
  send_text(socket, "2", raw_port(fd), trace_sent, "sent2");
  assert_int_equal(dgram_close(socket, trace_event, "closed"), 0);
  close_loop(loop);
  assert_trace("listening sent1 sent2 closed");
  assert_int_equal(arrivals(fd), 2);
  close(fd);
}

static void one_without_callback_leaves_too(void **state) {
  uv_loop_t *loop = open_loop();
  int fd = raw_socket();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  send_text(socket, "1", raw_port(fd), NULL, NULL);
  assert_int_equal(dgram_close(socket, trace_event, "closed"), 0);
  close_loop(loop);
  assert_trace("closed");
  assert_int_equal(arrivals(fd), 1);
  close(fd);
}

static void meanwhile_every_call_is_refused(void **state) {
  uv_loop_t *loop = open_loop();
  int sent = 0;
  dgram_address_t address;
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  send_text(socket, "1", 9, count_sent, &sent);
  close_socket(socket);
  assert_int_equal(dgram_close(socket, NULL, NULL), DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
  assert_int_equal(dgram_send(socket, "x", 1, 9, NULL, NULL, NULL),
                   DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
  assert_int_equal(dgram_address(socket, &address), DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
  close_loop(loop);
  assert_int_equal(sent, 1);
}

static void trace_port(dgram_socket_t *socket, void *context) {
  dgram_address_t address;
  assert_int_equal(dgram_address(socket, &address), 0);
  trace(address.port > 0 ? "port" : "none");
}

/* The socket works until 'listening' is over: a listener that prints its address still can. */
static void but_in_listening_its_address_can_be_asked_for(void **state) {
  uv_loop_t *loop = open_loop();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_on_listening(socket, trace_port, NULL), 0);
  send_text(socket, "1", 9, trace_sent, "sent");
  assert_int_equal(dgram_close(socket, trace_event, "closed"), 0);
  close_loop(loop);
  assert_trace("port sent closed");
}

static void sends_that_wait_behind_a_host_look_up_of_the_bind_leave_too(void **state) {
  uv_loop_t *loop = open_loop();
  int fd = raw_socket();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_bind(socket, 0, "localhost", trace_event, "listening"), 0);
  send_text(socket, "1", raw_port(fd), trace_sent, "sent1");
  assert_int_equal(dgram_close(socket, trace_event, "closed"), 0);
  close_loop(loop);
  assert_trace("listening sent1 closed");
  assert_int_equal(arrivals(fd), 1);
  close(fd);
}

static void when_the_bind_then_fails_they_get_its_error_before_close(void **state) {
  static const char *const addresses[] = {"192.0.2.1", "no-such-host.invalid"};
  for (int i = 0; i < 2; i++) {
    uv_loop_t *loop = open_loop();
    struct kept_error told = {0};
    struct kept_error sent = {0};
    dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
    assert_int_equal(dgram_on_error(socket, keep_error, &told), 0);
    assert_int_equal(dgram_bind(socket, 0, addresses[i], NULL, NULL), 0);
    send_text(socket, "1", 9, keep_send_error, &sent);
    assert_int_equal(dgram_close(socket, trace_event, "closed"), 0);
    close_loop(loop);
    assert_trace("closed");
    assert_int_equal(told.calls, 1);
    assert_int_equal(sent.calls, 1);
    assert_int_equal(sent.code, told.code);
  }
}

static void a_send_whose_host_is_looked_up_is_cancelled_after_close(void **state) {
  uv_loop_t *loop = open_loop();
  int port;
  int fd = raw_socket();
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_send(socket, "1", 1, raw_port(fd), "localhost", trace_sent, "lookup1"), 0);
  send_text(socket, "2", raw_port(fd), trace_sent, "sent2");
  assert_int_equal(dgram_send(socket, "3", 1, raw_port(fd), "localhost", trace_sent, "lookup3"), 0);
  assert_int_equal(dgram_close(socket, trace_event, "closed"), 0);
  close_loop(loop);
  assert_trace("sent2 closed lookup1(ECANCELED) lookup3(ECANCELED)");
  assert_int_equal(arrivals(fd), 1);
  close(fd);
}

static void cancelling_names_the_call_and_the_destination(void **state) {
  uv_loop_t *loop = open_loop();
  struct kept_error kept = {0};
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_send(socket, "1", 1, 1234, "localhost", keep_send_error, &kept), 0);
  close_socket(socket);
  close_loop(loop);
  assert_int_equal(kept.calls, 1);
  assert_int_equal(kept.code, UV_ECANCELED);
  assert_string_equal(kept.syscall, "send");
  assert_string_equal(kept.message, "send ECANCELED localhost:1234");
}

/* It is told to nobody: there is no callback, and closing was the program's own will. */
static void a_cancelled_send_without_callback_is_no_error_event(void **state) {
  uv_loop_t *loop = open_loop();
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_on_error(socket, trace_error, "error"), 0);
  assert_int_equal(dgram_send(socket, "1", 1, 1234, "localhost", NULL, NULL), 0);
  assert_int_equal(dgram_close(socket, trace_event, "closed"), 0);
  close_loop(loop);
  assert_trace("closed");
}

static void failed_sends_are_told_before_close(void **state) {
  static char overlong[65508];
  uv_loop_t *loop = open_loop();
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_on_error(socket, trace_error, "error"), 0);
  assert_int_equal(dgram_send(socket, overlong, sizeof overlong, port, NULL, trace_sent, "long"),
                   0);
  assert_int_equal(dgram_send(socket, overlong, sizeof overlong, port, NULL, NULL, NULL), 0);
  assert_int_equal(dgram_close(socket, trace_event, "closed"), 0);
  close_loop(loop);
  assert_trace("long(EMSGSIZE) error(EMSGSIZE) closed");
}

/* It is looked up once the socket is bound, and that is when the socket closes. */
static void a_send_to_a_host_that_waits_for_the_bind_is_cancelled(void **state) {
  uv_loop_t *loop = open_loop();
  int fd = raw_socket();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_send(socket, "1", 1, raw_port(fd), "localhost", trace_sent, "lookup1"), 0);
  send_text(socket, "2", raw_port(fd), trace_sent, "sent2");
  assert_int_equal(dgram_close(socket, trace_event, "closed"), 0);
  close_loop(loop);
  assert_trace("sent2 closed lookup1(ECANCELED)");
  assert_int_equal(arrivals(fd), 1);
  close(fd);
}

/* Far more than one batch: all that waited leave, and each callback runs once. */
static void thousands_of_sends_that_wait_all_complete(void **state) {
  uv_loop_t *loop = open_loop();
  int sent = 0;
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  for (int i = 0; i < 3000; i++)
    send_text(socket, "x", 9, count_sent, &sent);
  close_socket(socket);
  close_loop(loop);
  assert_int_equal(sent, 3000);
}

static void send_and_close(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  trace("error");
  send_text(socket, "1", *(int *)context, trace_sent, "sent1");
  assert_int_equal(dgram_close(socket, trace_event, "closed"), 0);
}

/* The send has begun a new bind, so the close waits for that one. */
static void a_send_and_close_in_the_error_of_a_bind_still_leaves(void **state) {
  uv_loop_t *loop = open_loop();
  int fd = raw_socket();
  int port = raw_port(fd);
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_on_error(socket, send_and_close, &port), 0);
  assert_int_equal(dgram_bind(socket, 0, "192.0.2.1", NULL, NULL), 0);
  close_loop(loop);
  assert_trace("error sent1 closed");
  assert_int_equal(arrivals(fd), 1);
  close(fd);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(sends_of_this_turn_still_leave_before_close),
      cmocka_unit_test(sends_that_wait_for_the_bind_leave_before_close),
      cmocka_unit_test(one_without_callback_leaves_too),
      cmocka_unit_test(meanwhile_every_call_is_refused),
      cmocka_unit_test(but_in_listening_its_address_can_be_asked_for),
      cmocka_unit_test(sends_that_wait_behind_a_host_look_up_of_the_bind_leave_too),
      cmocka_unit_test(when_the_bind_then_fails_they_get_its_error_before_close),
      cmocka_unit_test(a_send_whose_host_is_looked_up_is_cancelled_after_close),
      cmocka_unit_test(cancelling_names_the_call_and_the_destination),
      cmocka_unit_test(a_cancelled_send_without_callback_is_no_error_event),
      cmocka_unit_test(failed_sends_are_told_before_close),
      cmocka_unit_test(a_send_to_a_host_that_waits_for_the_bind_is_cancelled),
      cmocka_unit_test(thousands_of_sends_that_wait_all_complete),
      cmocka_unit_test(a_send_and_close_in_the_error_of_a_bind_still_leaves),
  };
  return cmocka_run_group_tests_name("close_sends", tests, NULL, NULL);
}

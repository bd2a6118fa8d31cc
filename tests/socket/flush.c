/* dgram_flush(): what was sent leaves now, and the callbacks of what has ended run in the call. */
#include "lib/fixture.h"
#include "lib/lookup_stub.h"

static void what_was_sent_leaves_and_is_told_inside_the_call(void **state) {
  uv_loop_t *loop = open_loop();
  int port;
  int fd = raw_socket();
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  send_text(socket, "1", raw_port(fd), trace_sent, "sent1");
  send_text(socket, "2", raw_port(fd), NULL, NULL);
  send_text(socket, "3", raw_port(fd), trace_sent, "sent3");
  assert_string_equal(arrived(fd), "");
  assert_trace("");
  dgram_flush(socket);
  assert_string_equal(arrived(fd), "1 2 3");
  assert_trace("sent1 sent3");
  assert_int_equal(dgram_get_send_queue_count(socket), 0);
  dgram_flush(socket);
  settle(loop);
  assert_trace("");
  assert_string_equal(arrived(fd), "");
  close(fd);
  close_socket(socket);
  close_loop(loop);
}

static void of_a_connected_socket_too(void **state) {
  uv_loop_t *loop = open_loop();
  int port;
  int fd = raw_socket();
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  connect_now(socket, raw_port(fd));
  assert_int_equal(dgram_send(socket, "x", 1, 0, NULL, trace_sent, "sent"), 0);
  dgram_flush(socket);
  assert_string_equal(arrived(fd), "x");
  assert_trace("sent");
  close(fd);
  close_socket(socket);
  close_loop(loop);
}

static void what_fails_is_told_inside_the_call(void **state) {
  static char overlong[65508];
  uv_loop_t *loop = open_loop();
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  trace_events(socket);
  assert_int_equal(dgram_send(socket, overlong, sizeof overlong, 9, NULL, trace_sent, "callback"),
                   0);
  assert_int_equal(dgram_send(socket, overlong, sizeof overlong, 9, NULL, NULL, NULL), 0);
  dgram_flush(socket);
  assert_trace("callback(EMSGSIZE) error(EMSGSIZE)");
  close_socket(socket);
  close_loop(loop);
}

static void sockets_are_flushed_one_by_one(void **state) {
  uv_loop_t *loop = open_loop();
  int port;
  dgram_socket_t *first = new_bound(loop, NULL, NULL, &port);
  dgram_socket_t *second = new_bound(loop, NULL, NULL, &port);
  send_text(first, "x", 9, trace_sent, "first");
  send_text(second, "x", 9, trace_sent, "second");
  dgram_flush(second);
  assert_trace("second");
  dgram_flush(first);
  assert_trace("first");
  close_socket(first);
  close_socket(second);
  close_loop(loop);
}

/* ---- what waits ---- */

static void what_waits_for_the_bind_stays(void **state) {
  uv_loop_t *loop = open_loop();
  int fd = raw_socket();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  trace_events(socket);
  dgram_flush(socket); /* unbound, with nothing sent */
  send_text(socket, "x", raw_port(fd), trace_sent, "sent");
  dgram_flush(socket);
  assert_trace("");
  assert_int_equal(dgram_get_send_queue_count(socket), 1);
  run_until_trace(loop, "listening sent");
  assert_string_equal(arrived(fd), "x");
  close(fd);
  close_socket(socket);
  close_loop(loop);
}

/* The program has asked for it, and the socket has its port. */
static void what_waits_for_listening_alone_leaves(void **state) {
  uv_loop_t *loop = open_loop();
  int fd = raw_socket();
  dgram_socket_t *bound = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  dgram_socket_t *connected = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  trace_events(bound);
  trace_events(connected);
  assert_int_equal(dgram_bind_sync(bound, 0, NULL), 0);
  send_text(bound, "1", raw_port(fd), trace_sent, "sent1");
  dgram_flush(bound);
  assert_int_equal(dgram_connect_sync(connected, raw_port(fd), NULL), 0);
  assert_int_equal(dgram_send(connected, "2", 1, 0, NULL, trace_sent, "sent2"), 0);
  dgram_flush(connected);
  assert_string_equal(arrived(fd), "1 2");
  assert_trace("sent1 sent2");
  settle(loop);
  assert_trace("listening listening connect");
  close(fd);
  close_socket(bound);
  close_socket(connected);
  close_loop(loop);
}

static void what_waits_for_a_name_stays(void **state) {
  uv_loop_t *loop = open_loop();
  struct lookup_stub stub = {0};
  int fd = raw_socket();
  dgram_socket_t *socket = new_bound_with_lookup(loop, &stub);
  assert_int_equal(dgram_send(socket, "x", 1, raw_port(fd), "name", trace_sent, "sent"), 0);
  dgram_flush(socket);
  assert_trace("ask(name)");
  lookup_stub_answer(&stub, 0, 0, "127.0.0.1");
  assert_trace("");
  dgram_flush(socket);
  assert_trace("sent");
  assert_string_equal(arrived(fd), "x");
  close(fd);
  close_socket(socket);
  close_loop(loop);
}

static void a_close_that_waits_goes_on(void **state) {
  uv_loop_t *loop = open_loop();
  int fd = raw_socket();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  trace_events(socket);
  assert_int_equal(dgram_bind_sync(socket, 0, NULL), 0);
  send_text(socket, "x", raw_port(fd), trace_sent, "sent");
  close_socket(socket); /* after 'listening' */
  dgram_flush(socket);
  assert_trace("sent");
  close_loop(loop);
  assert_trace("listening close");
  assert_string_equal(arrived(fd), "x");
  close(fd);
}

/* ---- a closed socket, and none ---- */

static void of_a_closed_socket_what_left_is_told(void **state) {
  uv_loop_t *loop = open_loop();
  struct lookup_stub stub = {0};
  dgram_socket_t *socket = new_bound_with_lookup(loop, &stub);
  trace_events(socket);
  assert_int_equal(dgram_send(socket, "1", 1, 9, "late", trace_sent, "late"), 0);
  assert_int_equal(dgram_send(socket, "2", 1, 9, "found", trace_sent, "found"), 0);
  lookup_stub_answer(&stub, 1, 0, "127.0.0.1");
  close_socket(socket);
  trace_clear();
  dgram_flush(socket);
  assert_trace("found");
  dgram_flush(socket);
  assert_trace("");
  run_to_end(loop);
  assert_trace("close late(ECANCELED)");
  lookup_stub_answer(&stub, 0, 0, "127.0.0.1");
  close_loop(loop);
}

static void of_one_that_was_never_bound_nothing_is(void **state) {
  uv_loop_t *loop = open_loop();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  trace_events(socket);
  close_socket(socket);
  dgram_flush(socket);
  assert_trace("");
  close_loop(loop);
  assert_trace("close");
}

static void no_socket_is_nothing_to_do(void **state) {
  dgram_flush(NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_was_sent_leaves_and_is_told_inside_the_call),
      cmocka_unit_test(of_a_connected_socket_too),
      cmocka_unit_test(what_fails_is_told_inside_the_call),
      cmocka_unit_test(sockets_are_flushed_one_by_one),
      cmocka_unit_test(what_waits_for_the_bind_stays),
      cmocka_unit_test(what_waits_for_listening_alone_leaves),
      cmocka_unit_test(what_waits_for_a_name_stays),
      cmocka_unit_test(a_close_that_waits_goes_on),
      cmocka_unit_test(of_a_closed_socket_what_left_is_told),
      cmocka_unit_test(of_one_that_was_never_bound_nothing_is),
      cmocka_unit_test(no_socket_is_nothing_to_do),
  };
  return cmocka_run_group_tests_name("flush", tests, NULL, NULL);
}

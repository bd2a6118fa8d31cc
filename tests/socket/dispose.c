/* Disposing of a socket: when it returns, the socket has closed and its memory is gone. */
#include "lib/fixture.h"

/* The loop could be closed without another turn: nothing of the library's is left on it. */
static void assert_loop_is_empty(uv_loop_t *loop) {
  assert_int_equal(uv_loop_close(loop), 0);
  free(loop);
  alarm(0);
}

static void of_an_unbound_socket(void **state) {
  uv_loop_t *loop = open_loop();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  trace_events(socket);
  dgram_dispose(socket);
  assert_trace("close");
  assert_loop_is_empty(loop);
}

static void of_a_bound_socket(void **state) {
  uv_loop_t *loop = open_loop();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  bind_now(socket, NULL);
  trace_events(socket);
  dgram_dispose(socket);
  assert_trace("close");
  assert_loop_is_empty(loop);
}

static void of_an_unreferenced_socket(void **state) {
  uv_loop_t *loop = open_loop();
  dgram_socket_t *socket = dgram_unref(new_socket(loop, DGRAM_UDP4, NULL, NULL));
  bind_now(socket, NULL);
  trace_events(socket);
  dgram_dispose(socket);
  assert_trace("close");
  assert_loop_is_empty(loop);
}

static void of_one_that_is_being_bound(void **state) {
  static const char *const addresses[] = {NULL, "localhost", "::1"};
  for (int i = 0; i < 3; i++) {
    uv_loop_t *loop = open_loop();
    dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
    trace_events(socket);
    assert_int_equal(dgram_bind(socket, 0, addresses[i], NULL, NULL), 0);
    dgram_dispose(socket);
    assert_trace("close");
    run_to_end(loop); /* a look-up of the system's can't be stopped, only forgotten */
    assert_loop_is_empty(loop);
  }
}

static void of_one_that_is_closing(void **state) {
  uv_loop_t *loop = open_loop();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  bind_now(socket, NULL);
  trace_events(socket);
  assert_int_equal(dgram_close(socket, trace_event, "callback"), 0);
  dgram_dispose(socket);
  assert_trace("close callback");
  assert_loop_is_empty(loop);
}

static void sends_under_way_complete_first(void **state) {
  uv_loop_t *loop = open_loop();
  int fd = raw_socket();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  trace_events(socket);
  send_text(socket, "1", raw_port(fd), trace_sent, "sent1");
  send_text(socket, "2", raw_port(fd), NULL, NULL);
  dgram_dispose(socket);
  assert_trace("listening sent1 close");
  assert_string_equal(arrived(fd), "1 2");
  close(fd);
  assert_loop_is_empty(loop);
}

static void what_can_not_leave_is_cancelled(void **state) {
  uv_loop_t *loop = open_loop();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  bind_now(socket, NULL);
  trace_events(socket);
  assert_int_equal(dgram_send(socket, "x", 1, 9, "localhost", trace_sent, "sent"), 0);
  assert_int_equal(dgram_connect(socket, 9, NULL, trace_connect, "callback"), 0);
  dgram_dispose(socket);
  assert_trace("close callback(ECANCELED) sent(ECANCELED)");
  run_to_end(loop);
  assert_loop_is_empty(loop);
}

static void other_sockets_of_the_loop_stay_as_they_are(void **state) {
  uv_loop_t *loop = open_loop();
  int port;
  int received = 0;
  dgram_socket_t *other = new_bound(loop, count_message, &received, &port);
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  bind_now(socket, NULL);
  dgram_dispose(socket);
  assert_int_equal(received, 0);
  assert_usable(other);
  dgram_dispose(other);
  assert_loop_is_empty(loop);
}

static void a_descriptor_that_was_taken_over_is_closed(void **state) {
  uv_loop_t *loop = open_loop();
  dgram_bind_options_t options = dgram_default_bind_options();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  options.fd = raw_socket();
  assert_int_equal(dgram_bind_options(socket, &options, NULL, NULL), 0);
  dgram_dispose(socket);
  assert_false(is_open(options.fd));
  assert_loop_is_empty(loop);
}

static void of_nothing_it_does_nothing(void **state) {
  dgram_dispose(NULL);
}

static void its_signal_forgets_it(void **state) {
  uv_loop_t *loop = open_loop();
  dgram_abort_signal_t *signal;
  assert_int_equal(dgram_abort_signal_create(&signal), 0);
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.signal = signal;
  dgram_dispose(new_with(loop, &options));
  dgram_abort_signal_abort(signal);
  dgram_abort_signal_free(signal);
  assert_loop_is_empty(loop);
}

static void a_loop_may_have_one_after_the_other(void **state) {
  uv_loop_t *loop = open_loop();
  for (int i = 0; i < 3; i++)
    dgram_dispose(new_socket(loop, DGRAM_UDP4, NULL, NULL));
  assert_loop_is_empty(loop);
}

#ifdef DGRAM_SCOPED
static void use_a_scope(uv_loop_t *loop) {
  DGRAM_SCOPED dgram_socket_t *first = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  DGRAM_SCOPED dgram_socket_t *second = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  DGRAM_SCOPED dgram_socket_t *nothing = NULL;
  assert_int_equal(dgram_on_close(first, trace_event, "first"), 0);
  assert_int_equal(dgram_on_close(second, trace_event, "second"), 0);
  assert_null(nothing);
  bind_now(first, NULL);
  trace("end");
}

/* In the reverse order, as C's compilers clean up. */
static void at_the_end_of_a_scope(void **state) {
  uv_loop_t *loop = open_loop();
  use_a_scope(loop);
  assert_trace("end second first");
  assert_loop_is_empty(loop);
}

static int leave_early(uv_loop_t *loop, int early) {
  DGRAM_SCOPED dgram_socket_t *socket = NULL;
  if (dgram_create_socket(loop, DGRAM_UDP4, NULL, NULL, &socket) != 0)
    return -1;
  assert_int_equal(dgram_on_close(socket, trace_event, "close"), 0);
  if (early)
    return 1;
  close_socket(socket);
  socket = NULL;
  return 0;
}

static void also_when_it_is_left_early(void **state) {
  uv_loop_t *loop = open_loop();
  assert_int_equal(leave_early(loop, 1), 1);
  assert_trace("close");
  assert_int_equal(leave_early(loop, 0), 0);
  assert_trace("");
  run_to_end(loop);
  assert_trace("close");
  assert_loop_is_empty(loop);
}
#else
static void at_the_end_of_a_scope(void **state) {
  print_message("skipped: this compiler has no cleanup attribute\n");
  skip();
}

static void also_when_it_is_left_early(void **state) {
  at_the_end_of_a_scope(state);
}
#endif

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(of_an_unbound_socket),
      cmocka_unit_test(of_a_bound_socket),
      cmocka_unit_test(of_an_unreferenced_socket),
      cmocka_unit_test(of_one_that_is_being_bound),
      cmocka_unit_test(of_one_that_is_closing),
      cmocka_unit_test(sends_under_way_complete_first),
      cmocka_unit_test(what_can_not_leave_is_cancelled),
      cmocka_unit_test(other_sockets_of_the_loop_stay_as_they_are),
      cmocka_unit_test(a_descriptor_that_was_taken_over_is_closed),
      cmocka_unit_test(of_nothing_it_does_nothing),
      cmocka_unit_test(its_signal_forgets_it),
      cmocka_unit_test(a_loop_may_have_one_after_the_other),
      cmocka_unit_test(at_the_end_of_a_scope),
      cmocka_unit_test(also_when_it_is_left_early),
  };
  return cmocka_run_group_tests_name("dispose", tests, NULL, NULL);
}

/* An abort signal closes the sockets that have it: how many, in which order, and when. */
#include "lib/fixture.h"

static dgram_abort_signal_t *new_signal(void) {
  dgram_abort_signal_t *signal = NULL;
  assert_int_equal(dgram_abort_signal_create(&signal), 0);
  assert_non_null(signal);
  return signal;
}

static dgram_socket_t *new_signalled(uv_loop_t *loop, dgram_abort_signal_t *signal) {
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.signal = signal;
  return new_with(loop, &options);
}

static void assert_closed(dgram_socket_t *socket) {
  assert_int_equal(dgram_bind(socket, 0, NULL, NULL, NULL), DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
}

static void abort_closes_the_socket(void **state) {
  uv_loop_t *loop = open_loop();
  dgram_abort_signal_t *signal = new_signal();
  dgram_socket_t *socket = new_signalled(loop, signal);
  trace_events(socket);
  bind_now(socket, NULL);
  dgram_abort_signal_abort(signal);
  assert_closed(socket);
  assert_trace("listening"); /* 'close' comes from the loop */
  close_loop(loop);
  assert_trace("close"); /* and no 'error' (B10) */
  dgram_abort_signal_free(signal);
}

static void it_closes_many_in_the_order_of_their_creation(void **state) {
  static const char *const names[] = {"a", "b", "c", "d"};
  uv_loop_t *loop = open_loop();
  dgram_abort_signal_t *signal = new_signal();
  dgram_socket_t *sockets[4];
  for (int i = 0; i < 4; i++) {
    sockets[i] = new_signalled(loop, signal);
    assert_int_equal(dgram_on_close(sockets[i], trace_event, (void *)names[i]), 0);
  }
  bind_now(sockets[2], NULL); /* the order is not that of their binding */
  bind_now(sockets[0], NULL);
  dgram_abort_signal_abort(signal);
  close_loop(loop);
  assert_trace("a b c d");
  dgram_abort_signal_free(signal);
}

static void it_closes_sockets_of_several_loops(void **state) {
  uv_loop_t *loops[2] = {open_loop(), open_loop()};
  dgram_abort_signal_t *signal = new_signal();
  for (int i = 0; i < 2; i++)
    assert_int_equal(
        dgram_on_close(new_signalled(loops[i], signal), trace_event, i == 0 ? "a" : "b"), 0);
  dgram_abort_signal_abort(signal);
  close_loop(loops[0]);
  assert_trace("a");
  close_loop(loops[1]);
  assert_trace("b");
  dgram_abort_signal_free(signal);
}

static void others_stay_open(void **state) {
  uv_loop_t *loop = open_loop();
  dgram_abort_signal_t *signals[2] = {new_signal(), new_signal()};
  dgram_socket_t *without = new_signalled(loop, NULL);
  dgram_socket_t *first = new_signalled(loop, signals[0]);
  dgram_socket_t *second = new_signalled(loop, signals[1]);
  dgram_abort_signal_abort(signals[0]);
  assert_closed(first);
  bind_now(without, NULL);
  bind_now(second, NULL);
  assert_usable(without);
  assert_usable(second);
  dgram_abort_signal_abort(signals[1]);
  assert_closed(second);
  close_socket(without);
  close_loop(loop);
  dgram_abort_signal_free(signals[0]);
  dgram_abort_signal_free(signals[1]);
}

/* B10: the program gets its socket, and hears 'close' from it. */
static void a_socket_created_with_an_aborted_one_is_closed_at_once(void **state) {
  uv_loop_t *loop = open_loop();
  dgram_abort_signal_t *signal = new_signal();
  dgram_abort_signal_abort(signal);
  for (int i = 0; i < 2; i++) {
    dgram_socket_t *socket = new_signalled(loop, signal);
    assert_closed(socket);
    assert_int_equal(dgram_close(socket, NULL, NULL), DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
    assert_int_equal(dgram_on_close(socket, trace_event, "close"), 0);
  }
  assert_trace("");
  close_loop(loop);
  assert_trace("close close");
  dgram_abort_signal_free(signal);
}

static void aborting_twice_is_aborting_once(void **state) {
  uv_loop_t *loop = open_loop();
  dgram_abort_signal_t *signal = new_signal();
  dgram_socket_t *socket = new_signalled(loop, signal);
  trace_events(socket);
  dgram_abort_signal_abort(signal);
  dgram_abort_signal_abort(signal);
  run_to_end(loop);
  dgram_abort_signal_abort(signal);
  close_loop(loop);
  assert_trace("close");
  dgram_abort_signal_free(signal);
}

static void a_socket_that_was_closed_is_not_touched(void **state) {
  uv_loop_t *loop = open_loop();
  dgram_abort_signal_t *signal = new_signal();
  dgram_socket_t *closing = new_signalled(loop, signal);
  dgram_socket_t *gone = new_signalled(loop, signal);
  dgram_socket_t *open = new_signalled(loop, signal);
  close_socket(gone);
  run_to_end(loop);
  trace_events(closing);
  trace_events(open);
  close_socket(closing);
  dgram_abort_signal_abort(signal);
  close_loop(loop);
  assert_trace("close close");
  dgram_abort_signal_free(signal);
}

static void freed_before_its_sockets_it_leaves_them_open(void **state) {
  uv_loop_t *loop = open_loop();
  dgram_abort_signal_t *signal = new_signal();
  dgram_socket_t *sockets[3];
  for (int i = 0; i < 3; i++)
    sockets[i] = new_signalled(loop, signal);
  dgram_abort_signal_free(signal);
  for (int i = 0; i < 3; i++) {
    bind_now(sockets[i], NULL);
    assert_usable(sockets[i]);
  }
  for (int i = 2; i >= 0; i--)
    close_socket(sockets[i]);
  close_loop(loop);
}

static void freed_before_they_have_closed_it_is_not_missed(void **state) {
  uv_loop_t *loop = open_loop();
  dgram_abort_signal_t *signal = new_signal();
  dgram_socket_t *socket = new_signalled(loop, signal);
  trace_events(socket);
  dgram_abort_signal_abort(signal);
  dgram_abort_signal_free(signal);
  close_loop(loop);
  assert_trace("close");
}

static void freed_after_them_it_is_gone(void **state) {
  uv_loop_t *loop = open_loop();
  dgram_abort_signal_t *signal = new_signal();
  close_socket(new_signalled(loop, signal));
  close_loop(loop);
  dgram_abort_signal_abort(signal);
  dgram_abort_signal_free(signal);
}

static void without_sockets_it_can_be_used_too(void **state) {
  dgram_abort_signal_t *signal = new_signal();
  dgram_abort_signal_free(signal);
  signal = new_signal();
  dgram_abort_signal_abort(signal);
  dgram_abort_signal_free(signal);
}

static void no_signal_is_no_trouble(void **state) {
  dgram_abort_signal_abort(NULL);
  dgram_abort_signal_free(NULL);
  assert_int_equal(dgram_abort_signal_create(NULL), UV_EINVAL);
}

/* They leave its list in any order: the first, the last, one in between. */
static void sockets_may_close_in_any_order_before_it(void **state) {
  static const int orders[][3] = {{0, 1, 2}, {2, 1, 0}, {1, 0, 2}, {1, 2, 0}, {0, 2, 1}};
  for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
    uv_loop_t *loop = open_loop();
    dgram_abort_signal_t *signal = new_signal();
    dgram_socket_t *sockets[3];
    for (int j = 0; j < 3; j++)
      sockets[j] = new_signalled(loop, signal);
    close_socket(sockets[orders[i][0]]);
    close_socket(sockets[orders[i][1]]);
    run_to_end(loop);
    dgram_abort_signal_abort(signal);
    assert_closed(sockets[orders[i][2]]);
    close_loop(loop);
    dgram_abort_signal_free(signal);
  }
}

static void others_may_join_after_the_last_has_left(void **state) {
  uv_loop_t *loop = open_loop();
  dgram_abort_signal_t *signal = new_signal();
  dgram_socket_t *first = new_signalled(loop, signal);
  close_socket(new_signalled(loop, signal));
  run_to_end(loop);
  dgram_socket_t *second = new_signalled(loop, signal);
  close_socket(first);
  run_to_end(loop);
  dgram_socket_t *third = new_signalled(loop, signal);
  dgram_abort_signal_abort(signal);
  assert_closed(second);
  assert_closed(third);
  close_loop(loop);
  dgram_abort_signal_free(signal);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(abort_closes_the_socket),
      cmocka_unit_test(it_closes_many_in_the_order_of_their_creation),
      cmocka_unit_test(it_closes_sockets_of_several_loops),
      cmocka_unit_test(others_stay_open),
      cmocka_unit_test(a_socket_created_with_an_aborted_one_is_closed_at_once),
      cmocka_unit_test(aborting_twice_is_aborting_once),
      cmocka_unit_test(a_socket_that_was_closed_is_not_touched),
      cmocka_unit_test(freed_before_its_sockets_it_leaves_them_open),
      cmocka_unit_test(freed_before_they_have_closed_it_is_not_missed),
      cmocka_unit_test(freed_after_them_it_is_gone),
      cmocka_unit_test(without_sockets_it_can_be_used_too),
      cmocka_unit_test(no_signal_is_no_trouble),
      cmocka_unit_test(sockets_may_close_in_any_order_before_it),
      cmocka_unit_test(others_may_join_after_the_last_has_left),
  };
  return cmocka_run_group_tests_name("signal", tests, NULL, NULL);
}

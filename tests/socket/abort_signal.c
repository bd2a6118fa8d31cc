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

TEST("abort closes the socket") {
  dgram_abort_signal_t *signal = new_signal();
  dgram_socket_t *socket = new_signalled(loop, signal);
  trace_events(socket);
  bind_now(socket, NULL);
  dgram_abort_signal_abort(signal);
  assert_closed(socket);
  assert_trace("listening"); /* 'close' comes from the loop */
  run_to_end(loop);
  assert_trace("close"); /* and no 'error' (B10) */
  dgram_abort_signal_free(signal);
}

TEST("it closes many in the order of their creation") {
  static const char *const names[] = {"a", "b", "c", "d"};
  dgram_abort_signal_t *signal = new_signal();
  dgram_socket_t *sockets[4];
  for (int i = 0; i < 4; i++) {
    sockets[i] = new_signalled(loop, signal);
    assert_int_equal(dgram_on_close(sockets[i], trace_event, (void *)names[i]), 0);
  }
  bind_now(sockets[2], NULL); /* the order is not that of their binding */
  bind_now(sockets[0], NULL);
  dgram_abort_signal_abort(signal);
  run_to_end(loop);
  assert_trace("a b c d");
  dgram_abort_signal_free(signal);
}

TEST("it closes sockets of several loops") {
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

TEST("others stay open") {
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
  run_to_end(loop);
  dgram_abort_signal_free(signals[0]);
  dgram_abort_signal_free(signals[1]);
}

/* B10: the program gets its socket, and hears 'close' from it. */
TEST("a socket created with an aborted one is closed at once") {
  dgram_abort_signal_t *signal = new_signal();
  dgram_abort_signal_abort(signal);
  for (int i = 0; i < 2; i++) {
    dgram_socket_t *socket = new_signalled(loop, signal);
    assert_closed(socket);
    assert_int_equal(dgram_close(socket, NULL, NULL), DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
    assert_int_equal(dgram_on_close(socket, trace_event, "close"), 0);
  }
  assert_trace("");
  run_to_end(loop);
  assert_trace("close close");
  dgram_abort_signal_free(signal);
}

TEST("aborting twice is aborting once") {
  dgram_abort_signal_t *signal = new_signal();
  dgram_socket_t *socket = new_signalled(loop, signal);
  trace_events(socket);
  dgram_abort_signal_abort(signal);
  dgram_abort_signal_abort(signal);
  run_to_end(loop);
  dgram_abort_signal_abort(signal);
  run_to_end(loop);
  assert_trace("close");
  dgram_abort_signal_free(signal);
}

TEST("a socket that was closed is not touched") {
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
  run_to_end(loop);
  assert_trace("close close");
  dgram_abort_signal_free(signal);
}

TEST("freed before its sockets it leaves them open") {
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
  run_to_end(loop);
}

TEST("freed before they have closed it is not missed") {
  dgram_abort_signal_t *signal = new_signal();
  dgram_socket_t *socket = new_signalled(loop, signal);
  trace_events(socket);
  dgram_abort_signal_abort(signal);
  dgram_abort_signal_free(signal);
  run_to_end(loop);
  assert_trace("close");
}

TEST("freed after them it is gone") {
  dgram_abort_signal_t *signal = new_signal();
  close_socket(new_signalled(loop, signal));
  run_to_end(loop);
  dgram_abort_signal_abort(signal);
  dgram_abort_signal_free(signal);
}

TEST("without sockets it can be used too") {
  dgram_abort_signal_t *signal = new_signal();
  dgram_abort_signal_free(signal);
  signal = new_signal();
  dgram_abort_signal_abort(signal);
  dgram_abort_signal_free(signal);
}

TEST("no signal is no trouble") {
  dgram_abort_signal_abort(NULL);
  dgram_abort_signal_free(NULL);
  assert_int_equal(dgram_abort_signal_create(NULL), UV_EINVAL);
}

/* They leave its list in any order: the first, the last, one in between. */
TEST("sockets may close in any order before it") {
  static const int orders[][3] = {{0, 1, 2}, {2, 1, 0}, {1, 0, 2}, {1, 2, 0}, {0, 2, 1}};
  for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
    begin_round(loop);
    dgram_abort_signal_t *signal = new_signal();
    dgram_socket_t *sockets[3];
    for (int j = 0; j < 3; j++)
      sockets[j] = new_signalled(loop, signal);
    close_socket(sockets[orders[i][0]]);
    close_socket(sockets[orders[i][1]]);
    run_to_end(loop);
    dgram_abort_signal_abort(signal);
    assert_closed(sockets[orders[i][2]]);
    run_to_end(loop);
    dgram_abort_signal_free(signal);
  }
}

TEST("others may join after the last has left") {
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
  run_to_end(loop);
  dgram_abort_signal_free(signal);
}

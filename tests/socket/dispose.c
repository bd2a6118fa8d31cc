/* Disposing of a socket: when it returns, the socket has closed and its memory is gone. */
#include "lib/fixture.h"

/* The loop could be closed without another turn: nothing of the library's is left on it. */
TEST("dispose() of an unbound socket emits close inside the call") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  trace_events(socket);
  dgram_dispose(socket);
  assert_trace("close");
  reopen_loop(loop);
}

TEST("dispose() of a bound socket emits close inside the call") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  bind_now(socket, NULL);
  trace_events(socket);
  dgram_dispose(socket);
  assert_trace("close");
  reopen_loop(loop);
}

TEST("dispose() of an unreferenced socket emits close inside the call") {
  dgram_socket_t *socket = dgram_unref(new_socket(loop, DGRAM_UDP4, NULL, NULL));
  bind_now(socket, NULL);
  trace_events(socket);
  dgram_dispose(socket);
  assert_trace("close");
  reopen_loop(loop);
}

TEST("dispose() of a socket that is being bound emits close only") {
  static const char *const addresses[] = {NULL, "localhost", "::1"};
  for (int i = 0; i < 3; i++) {
    dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
    trace_events(socket);
    assert_int_equal(dgram_bind(socket, 0, addresses[i], NULL, NULL), 0);
    dgram_dispose(socket);
    assert_trace("close");
    run_to_end(loop); /* a look-up of the system's can't be stopped, only forgotten */
    reopen_loop(loop);
  }
}

TEST("dispose() of a closing socket finishes the close") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  bind_now(socket, NULL);
  trace_events(socket);
  assert_int_equal(dgram_close(socket, trace_event, "callback"), 0);
  dgram_dispose(socket);
  assert_trace("close callback");
  reopen_loop(loop);
}

TEST("dispose() lets sends under way complete first") {
  int fd = raw_socket();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  trace_events(socket);
  send_text(socket, "1", raw_port(fd), trace_sent, "sent1");
  send_text(socket, "2", raw_port(fd), NULL, NULL);
  dgram_dispose(socket);
  assert_trace("listening sent1 close");
  assert_string_equal(arrived(fd), "1 2");
  close(fd);
  reopen_loop(loop);
}

TEST("dispose() cancels sends that cannot leave") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  bind_now(socket, NULL);
  trace_events(socket);
  assert_int_equal(dgram_send(socket, "x", 1, 9, "localhost", trace_sent, "sent"), 0);
  assert_int_equal(dgram_connect(socket, 9, NULL, trace_connect, "callback"), 0);
  dgram_dispose(socket);
  assert_trace("close callback(ECANCELED) sent(ECANCELED)");
  run_to_end(loop);
  reopen_loop(loop);
}

TEST("dispose() leaves the other sockets of the loop alone") {
  int port;
  int received = 0;
  dgram_socket_t *other = new_bound(loop, count_message, &received, &port);
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  bind_now(socket, NULL);
  dgram_dispose(socket);
  assert_int_equal(received, 0);
  assert_usable(other);
  dgram_dispose(other);
  reopen_loop(loop);
}

TEST("dispose() closes an adopted descriptor") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  int fd = raw_socket();
  assert_int_equal(adopt_fd(socket, fd), 0);
  dgram_dispose(socket);
  assert_false(is_open(fd));
  reopen_loop(loop);
}

TEST("dispose() of no socket does nothing") {
  dgram_dispose(NULL);
}

TEST("an abort signal forgets a disposed socket") {
  dgram_abort_signal_t *signal;
  assert_int_equal(dgram_abort_signal_create(&signal), 0);
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.signal = signal;
  dgram_dispose(new_with(loop, &options));
  dgram_abort_signal_abort(signal);
  dgram_abort_signal_free(signal);
  reopen_loop(loop);
}

TEST("a loop may have one disposed socket after the other") {
  for (int i = 0; i < 3; i++)
    dgram_dispose(new_socket(loop, DGRAM_UDP4, NULL, NULL));
  reopen_loop(loop);
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
TEST("a scoped socket is disposed of at the end of its scope") {
  use_a_scope(loop);
  assert_trace("end second first");
  reopen_loop(loop);
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

TEST("a scoped socket is disposed of when its scope is left early") {
  assert_int_equal(leave_early(loop, 1), 1);
  assert_trace("close");
  assert_int_equal(leave_early(loop, 0), 0);
  assert_trace("");
  run_to_end(loop);
  assert_trace("close");
  reopen_loop(loop);
}
#else
TEST("a scoped socket is disposed of at the end of its scope") {
  print_message("skipped: this compiler has no cleanup attribute\n");
  skip();
}

TEST("a scoped socket is disposed of when its scope is left early") {
  at_the_end_of_a_scope(state);
}
#endif

/*
 * An abort signal closes the sockets that have it: how many, in which order, and when. That it does
 * so in every state is in order_close.c.
 */
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

TEST("an aborted signal closes its socket") {
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

TEST("an aborted signal closes its sockets in the order of their creation") {
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

TEST("an aborted signal closes sockets of several loops") {
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

TEST("an aborted signal leaves other sockets open") {
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

/* B10: the program gets its socket, which emits 'close'. */
TEST("a socket created with an aborted signal is closed at once") {
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

TEST("aborting a signal twice is aborting it once") {
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

TEST("an aborted signal does not touch a socket that was closed") {
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

TEST("a signal freed before its sockets leaves them open") {
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

TEST("a signal may be freed before the sockets that it aborted have closed") {
  dgram_abort_signal_t *signal = new_signal();
  dgram_socket_t *socket = new_signalled(loop, signal);
  trace_events(socket);
  dgram_abort_signal_abort(signal);
  dgram_abort_signal_free(signal);
  run_to_end(loop);
  assert_trace("close");
}

TEST("a signal may be aborted and freed after its sockets are gone") {
  dgram_abort_signal_t *signal = new_signal();
  close_socket(new_signalled(loop, signal));
  run_to_end(loop);
  dgram_abort_signal_abort(signal);
  dgram_abort_signal_free(signal);
}

TEST("a signal without sockets can be aborted and freed") {
  dgram_abort_signal_t *signal = new_signal();
  dgram_abort_signal_free(signal);
  signal = new_signal();
  dgram_abort_signal_abort(signal);
  dgram_abort_signal_free(signal);
}

TEST("abort() and free() of no signal do nothing") {
  dgram_abort_signal_abort(NULL);
  dgram_abort_signal_free(NULL);
  assert_int_equal(dgram_abort_signal_create(NULL), UV_EINVAL);
}

/* They leave its list in any order: the first, the last, one in between. */
TEST("the sockets of a signal may close in any order before it aborts") {
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

TEST("a signal whose sockets are closed may get others") {
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

/* ---- aborted inside a listener of one of the sockets ---- */

enum { SOCKETS = 3 };

struct fixture {
  uv_loop_t *loop;
  dgram_abort_signal_t *signal;
  dgram_socket_t *sockets[SOCKETS];
  int ports[SOCKETS];
};

static const char *const names[SOCKETS] = {"a", "b", "c"};

static struct fixture open_fixture(uv_loop_t *loop) {
  begin_round(loop);
  struct fixture fixture = {.loop = loop};
  fixture.signal = new_signal();
  for (int i = 0; i < SOCKETS; i++) {
    fixture.sockets[i] = new_signalled(loop, fixture.signal);
    assert_int_equal(dgram_on_close(fixture.sockets[i], trace_event, (void *)names[i]), 0);
    fixture.ports[i] = bind_now(fixture.sockets[i], "127.0.0.1");
  }
  return fixture;
}

static void close_fixture(struct fixture *fixture) {
  run_to_end(fixture->loop);
  dgram_abort_signal_free(fixture->signal);
}

static void abort_in_message(dgram_socket_t *socket, const char *message,
                             const dgram_rinfo_t *rinfo, void *context) {
  trace("message");
  dgram_abort_signal_abort(context);
}

/* Each of them has something to read in this turn of the loop. */
TEST("a signal aborted in a message closes all, and no other message comes") {
  struct fixture fixture = open_fixture(loop);
  int fd = raw_socket();
  for (int i = 0; i < SOCKETS; i++) {
    assert_int_equal(dgram_on_message(fixture.sockets[i], abort_in_message, fixture.signal), 0);
    raw_send(fd, "1", 1, fixture.ports[i]);
    raw_send(fd, "2", 1, fixture.ports[i]);
  }
  close_fixture(&fixture);
  assert_trace("message a b c");
  close(fd);
}

static void abort_in_sent(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                          void *context) {
  trace("sent");
  dgram_abort_signal_abort(context);
}

TEST("a signal aborted in the callback of a send is too late for the other sends") {
  struct fixture fixture = open_fixture(loop);
  int fd = raw_socket();
  for (int i = 0; i < SOCKETS; i++)
    send_text(fixture.sockets[i], names[i], raw_port(fd), i == 1 ? abort_in_sent : trace_sent,
              i == 1 ? (void *)fixture.signal : "other");
  close_fixture(&fixture);
  assert_trace("other sent other a b c");
  assert_string_equal(arrived(fd), "a b c");
  close(fd);
}

static void abort_in_close(dgram_socket_t *socket, void *context) {
  trace("closed");
  dgram_abort_signal_abort(context);
}

TEST("a signal aborted in close of one socket closes the others") {
  struct fixture fixture = open_fixture(loop);
  assert_int_equal(dgram_close(fixture.sockets[1], abort_in_close, fixture.signal), 0);
  close_fixture(&fixture);
  assert_trace("b closed a c");
}

static void free_in_close(dgram_socket_t *socket, void *context) {
  dgram_abort_signal_t **signal = context;
  dgram_abort_signal_free(*signal);
  *signal = NULL;
}

TEST("a signal may be freed in close") {
  struct fixture fixture = open_fixture(loop);
  assert_int_equal(dgram_on_close(fixture.sockets[0], free_in_close, &fixture.signal), 0);
  dgram_abort_signal_abort(fixture.signal);
  close_fixture(&fixture);
  assert_trace("a b c");
}

static void create_and_abort(dgram_socket_t *socket, void *context) {
  struct fixture *fixture = context;
  dgram_socket_t *created = new_signalled(fixture->loop, fixture->signal);
  assert_int_equal(dgram_on_close(created, trace_event, "new"), 0);
}

TEST("a socket created in close after the abort is closed too") {
  struct fixture fixture = open_fixture(loop);
  assert_int_equal(dgram_on_close(fixture.sockets[0], create_and_abort, &fixture), 0);
  dgram_abort_signal_abort(fixture.signal);
  close_fixture(&fixture);
  assert_trace("a b c new");
}

static void abort_in_look_up(dgram_lookup_t *lookup, const char *host, dgram_type_t type,
                             void *context) {
  trace("ask(%s)", host);
  dgram_abort_signal_abort(context);
  dgram_lookup_done(lookup, 0, "127.0.0.1");
}

TEST("a signal aborted in a look-up closes all") {
  struct fixture fixture = open_fixture(loop);
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.signal = fixture.signal;
  options.lookup = abort_in_look_up;
  options.lookup_context = fixture.signal;
  dgram_socket_t *socket = new_with(fixture.loop, &options);
  assert_int_equal(dgram_on_close(socket, trace_event, "d"), 0);
  assert_int_equal(dgram_on_listening(socket, trace_event, "listening"), 0);
  assert_int_equal(dgram_bind(socket, 0, "name", NULL, NULL), 0);
  close_fixture(&fixture);
  assert_trace("ask(name) a b c d");
}

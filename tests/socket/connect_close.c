/* Closing while a connect is under way: its callback gets ECANCELED, after 'close'. */
#include "lib/fixture.h"
#include "lib/lookup_stub.h"

static const char *const closed_and_cancelled = "close callback(ECANCELED)";

static void begin_connect(dgram_socket_t *socket, const char *address) {
  assert_int_equal(dgram_connect(socket, 9, address, trace_connect, "callback"), 0);
}

TEST("close() cancels a connect that waits for the loop") {
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  trace_events(socket);
  begin_connect(socket, NULL);
  close_socket(socket);
  assert_trace("");
  run_to_end(loop);
  assert_trace(closed_and_cancelled);
}

TEST("close() cancels a connect that waits for its implicit bind") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  trace_events(socket);
  begin_connect(socket, NULL);
  close_socket(socket);
  run_to_end(loop);
  assert_trace("listening close callback(ECANCELED)");
}

/* B14: a close behind a connect that waits for the bind is performed after 'listening'. */
TEST("close() cancels a connect that waits for a bind under way") {
  struct lookup_stub stub = {0};
  dgram_socket_t *socket = new_with_lookup(loop, DGRAM_UDP4, &stub);
  trace_events(socket);
  assert_int_equal(dgram_bind(socket, 0, "name", NULL, NULL), 0);
  begin_connect(socket, "peer");
  close_socket(socket);
  assert_int_equal(dgram_close(socket, NULL, NULL), DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
  settle(loop);
  assert_trace("ask(name)");
  lookup_stub_answer(&stub, 0, 0, "127.0.0.1");
  if (stub.asked > 1) /* the connect went on, as it does in the built-in */
    lookup_stub_answer(&stub, 1, 0, "127.0.0.1");
  run_to_end(loop);
  assert_non_null(strstr(trace_text, "listening"));
  assert_non_null(strstr(trace_text, closed_and_cancelled));
  assert_null(strstr(trace_text, "connect"));
}

TEST("close() cancels a connect whose bind fails") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  trace_events(socket);
  assert_int_equal(dgram_bind(socket, 0, "::1", NULL, NULL), 0);
  begin_connect(socket, NULL);
  close_socket(socket);
  run_to_end(loop);
  assert_trace("error(EINVAL) close callback(ECANCELED)");
}

TEST("close() cancels a connect whose host is looked up") {
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  trace_events(socket);
  begin_connect(socket, "localhost");
  close_socket(socket);
  run_to_end(loop);
  assert_trace(closed_and_cancelled);
}

TEST("close() cancels a connect whose host the program looks up") {
  static const char *const answers[] = {"127.0.0.1", NULL};
  for (int i = 0; i < 2; i++) {
    begin_round(loop);
    struct lookup_stub stub = {0};
    dgram_socket_t *socket = new_bound_with_lookup(loop, &stub);
    trace_events(socket);
    begin_connect(socket, "peer");
    settle(loop);
    assert_trace("ask(peer)");
    close_socket(socket);
    settle(loop);
    assert_trace(closed_and_cancelled);
    lookup_stub_answer(&stub, 0, answers[i] != NULL ? 0 : UV_EAI_FAIL, answers[i]);
    run_to_end(loop);
    assert_trace("");
  }
}

TEST("close() cancels a connect whose host was found") {
  struct lookup_stub stub = {0};
  dgram_socket_t *socket = new_bound_with_lookup(loop, &stub);
  trace_events(socket);
  begin_connect(socket, "peer");
  lookup_stub_answer(&stub, 0, 0, "127.0.0.1");
  close_socket(socket);
  run_to_end(loop);
  assert_trace("ask(peer) close callback(ECANCELED)");
}

TEST("close() cancels a connect whose host was not found") {
  struct lookup_stub stub = {0};
  dgram_socket_t *socket = new_bound_with_lookup(loop, &stub);
  trace_events(socket);
  begin_connect(socket, "peer");
  lookup_stub_answer(&stub, 0, UV_EAI_NONAME, NULL);
  close_socket(socket);
  run_to_end(loop);
  assert_trace("ask(peer) close callback(ECANCELED)");
}

static void close_in_listening(dgram_socket_t *socket, void *context) {
  trace("listening");
  close_socket(socket);
}

TEST("close() in listening cancels a connect") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_on_listening(socket, close_in_listening, NULL), 0);
  assert_int_equal(dgram_on_close(socket, trace_event, "close"), 0);
  begin_connect(socket, NULL);
  run_to_end(loop);
  assert_trace("listening close callback(ECANCELED)");
}

static void close_in_error(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  trace("error(%s)", error->name);
  close_socket(socket);
}

TEST("close() in the error of the bind cancels a connect") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_on_error(socket, close_in_error, NULL), 0);
  assert_int_equal(dgram_on_close(socket, trace_event, "close"), 0);
  assert_int_equal(dgram_bind(socket, 0, "::1", NULL, NULL), 0);
  begin_connect(socket, NULL);
  run_to_end(loop);
  assert_trace("error(EINVAL) close callback(ECANCELED)");
}

static void close_in_connect(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  trace("%s", error != NULL ? error->name : "connected");
  close_socket(socket);
}

TEST("close() in the callback of a connect emits close only") {
  static const char *const addresses[] = {"127.0.0.1", "::1"};
  static const char *const expected[] = {"connected close", "EINVAL close"};
  for (int i = 0; i < 2; i++) {
    begin_round(loop);
    int port;
    dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
    assert_int_equal(dgram_on_close(socket, trace_event, "close"), 0);
    assert_int_equal(dgram_connect(socket, 9, addresses[i], close_in_connect, NULL), 0);
    run_to_end(loop);
    assert_trace(expected[i]);
  }
}

TEST("close() in connect leaves its other listeners") {
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_on_connect(socket, close_in_connect, NULL), 0);
  trace_events(socket);
  begin_connect(socket, NULL);
  run_to_end(loop);
  assert_trace("connected connect callback close");
}

TEST("close() in the error of a connect emits close") {
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_on_error(socket, close_in_error, NULL), 0);
  assert_int_equal(dgram_on_close(socket, trace_event, "close"), 0);
  assert_int_equal(dgram_connect(socket, 9, "::1", NULL, NULL), 0);
  run_to_end(loop);
  assert_trace("error(EINVAL) close");
}

TEST("a cancelled connect without a callback is not reported") {
  for (int bound = 0; bound < 2; bound++) {
    begin_round(loop);
    int port;
    dgram_socket_t *socket =
        bound ? new_bound(loop, NULL, NULL, &port) : new_socket(loop, DGRAM_UDP4, NULL, NULL);
    trace_events(socket);
    assert_int_equal(dgram_connect(socket, 9, "localhost", NULL, NULL), 0);
    close_socket(socket);
    run_to_end(loop);
    assert_trace(bound ? "close" : "listening close");
  }
}

TEST("the error of a cancelled connect names the call and the peer") {
  static const char *const addresses[] = {"127.0.0.2", "localhost"};
  static const char *const messages[] = {"connect ECANCELED 127.0.0.2:1234",
                                         "connect ECANCELED localhost:1234"};
  for (int i = 0; i < 2; i++) {
    begin_round(loop);
    struct kept_error kept = {0};
    int port;
    dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
    assert_int_equal(dgram_connect(socket, 1234, addresses[i], keep_error, &kept), 0);
    close_socket(socket);
    run_to_end(loop);
    assert_int_equal(kept.calls, 1);
    assert_int_equal(kept.code, UV_ECANCELED);
    assert_string_equal(kept.syscall, "connect");
    assert_string_equal(kept.message, messages[i]);
  }
}

/* 'close', then the connect, then the sends that did not leave. */
TEST("a cancelled connect is reported before cancelled sends") {
  struct lookup_stub stub = {0};
  dgram_socket_t *socket = new_bound_with_lookup(loop, &stub);
  trace_events(socket);
  assert_int_equal(dgram_send(socket, "x", 1, 9, "other", trace_sent, "sent"), 0);
  begin_connect(socket, "peer");
  close_socket(socket);
  settle(loop);
  assert_trace("ask(other) ask(peer) close callback(ECANCELED) sent(ECANCELED)");
  lookup_stub_answer(&stub, 0, 0, "127.0.0.1");
  lookup_stub_answer(&stub, 1, 0, "127.0.0.1");
}

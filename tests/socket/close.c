/* Closing, by the state that the socket is in. */
#include "lib/fixture.h"

TEST("an unbound socket") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_close(socket, trace_event, "closed"), 0);
  assert_trace("");
  run_to_end(loop);
  assert_trace("closed");
}

TEST("a bound socket") {
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_on_close(socket, trace_event, "listener"), 0);
  assert_int_equal(dgram_close(socket, trace_event, "callback"), 0);
  assert_trace("");
  run_to_end(loop);
  assert_trace("listener callback");
}

TEST("its port is free again") {
  int port;
  int listening = 0;
  dgram_socket_t *first = new_bound(loop, NULL, NULL, &port);
  close_socket(first);
  dgram_socket_t *second = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_bind(second, port, "127.0.0.1", count_event, &listening), 0);
  run_until(loop, &listening, 1);
  close_socket(second);
}

TEST("a socket that is being bound") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_bind(socket, 0, NULL, trace_event, "listening"), 0);
  assert_int_equal(dgram_close(socket, trace_event, "closed"), 0);
  run_to_end(loop);
  assert_trace("closed");
}

/* Neither 'listening' nor the 'error' of the bind comes any more. */
TEST("a socket whose bind would fail") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_on_error(socket, trace_error, "error"), 0);
  assert_int_equal(dgram_bind(socket, 0, "192.0.2.1", NULL, NULL), 0);
  assert_int_equal(dgram_close(socket, trace_event, "closed"), 0);
  run_to_end(loop);
  assert_trace("closed");
}

TEST("a socket whose host is looked up") {
  static const char *const hosts[] = {"localhost", "no-such-host.invalid"};
  for (int i = 0; i < 2; i++) {
    begin_round(loop);
    dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
    assert_int_equal(dgram_on_error(socket, trace_error, "error"), 0);
    assert_int_equal(dgram_bind(socket, 0, hosts[i], trace_event, "listening"), 0);
    assert_int_equal(dgram_close(socket, trace_event, "closed"), 0);
    run_to_end(loop);
    assert_trace("closed");
  }
}

TEST("closing twice is refused") {
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_close(socket, trace_event, "first"), 0);
  assert_int_equal(dgram_close(socket, trace_event, "second"), DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
  run_to_end(loop);
  assert_trace("first");
}

TEST("nothing is received any more") {
  int port;
  int fd = raw_socket();
  dgram_socket_t *socket = new_bound(loop, trace_message, "message", &port);
  raw_send(fd, "x", 1, port);
  assert_int_equal(dgram_close(socket, trace_event, "closed"), 0);
  run_to_end(loop);
  close(fd);
  assert_trace("closed");
}

TEST("closing one socket leaves the others alone") {
  int ports[2];
  dgram_socket_t *a = new_bound(loop, NULL, NULL, &ports[0]);
  dgram_socket_t *b = new_bound(loop, NULL, NULL, &ports[1]);
  close_socket(a);
  assert_usable(b);
  close_socket(b);
}

/* Closing: by the state of the socket, and while sends are under way. */
#include "lib/fixture.h"

TEST("close() of an unbound socket emits close from the loop") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_close(socket, trace_event, "closed"), 0);
  assert_trace("");
  run_to_end(loop);
  assert_trace("closed");
}

TEST("close() of a bound socket calls its listener, then its callback") {
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_on_close(socket, trace_event, "listener"), 0);
  assert_int_equal(dgram_close(socket, trace_event, "callback"), 0);
  assert_trace("");
  run_to_end(loop);
  assert_trace("listener callback");
}

TEST("the port of a closed socket is free again") {
  int port;
  int listening = 0;
  dgram_socket_t *first = new_bound(loop, NULL, NULL, &port);
  close_socket(first);
  dgram_socket_t *second = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_bind(second, port, "127.0.0.1", count_event, &listening), 0);
  run_until(loop, &listening, 1);
  close_socket(second);
}

TEST("close() of a socket that is being bound emits close only") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_bind(socket, 0, NULL, trace_event, "listening"), 0);
  assert_int_equal(dgram_close(socket, trace_event, "closed"), 0);
  run_to_end(loop);
  assert_trace("closed");
}

/* Neither 'listening' nor the 'error' of the bind comes any more. */
TEST("close() of a socket whose bind would fail emits close only") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_on_error(socket, trace_error, "error"), 0);
  assert_int_equal(dgram_bind(socket, 0, "192.0.2.1", NULL, NULL), 0);
  assert_int_equal(dgram_close(socket, trace_event, "closed"), 0);
  run_to_end(loop);
  assert_trace("closed");
}

TEST("close() of a socket whose host is looked up emits close only") {
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

TEST("close() of a closed socket is refused") {
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_close(socket, trace_event, "first"), 0);
  assert_int_equal(dgram_close(socket, trace_event, "second"), DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
  run_to_end(loop);
  assert_trace("first");
}

TEST("a closed socket receives nothing any more") {
  int port;
  int fd = raw_socket();
  dgram_socket_t *socket = new_bound(loop, trace_message, "message", &port);
  raw_send(fd, "x", 1, port);
  assert_int_equal(dgram_close(socket, trace_event, "closed"), 0);
  run_to_end(loop);
  close(fd);
  assert_trace("closed");
}

TEST("close() of one socket leaves the others alone") {
  int ports[2];
  dgram_socket_t *a = new_bound(loop, NULL, NULL, &ports[0]);
  dgram_socket_t *b = new_bound(loop, NULL, NULL, &ports[1]);
  close_socket(a);
  assert_usable(b);
  close_socket(b);
}

/* ---- sends under way ---- */

/* The number of datagrams that have arrived at the system's socket. */
static int arrivals(int fd) {
  char byte;
  int count = 0;
  while (recv(fd, &byte, 1, MSG_DONTWAIT) >= 0)
    count++;
  return count;
}

TEST("sends of this iteration still leave before close") {
  int port;
  int fd = raw_socket();
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  send_text(socket, "1", raw_port(fd), trace_sent, "sent1");
  send_text(socket, "2", raw_port(fd), trace_sent, "sent2");
  send_text(socket, "3", raw_port(fd), NULL, NULL);
  assert_int_equal(dgram_close(socket, trace_event, "closed"), 0);
  assert_trace("");
  run_to_end(loop);
  assert_trace("sent1 sent2 closed");
  assert_int_equal(arrivals(fd), 3);
  close(fd);
}

TEST("sends that wait for the bind leave before close") {
  int fd = raw_socket();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_on_listening(socket, trace_event, "listening"), 0);
  send_text(socket, "1", raw_port(fd), trace_sent, "sent1");
  send_text(socket, "2", raw_port(fd), trace_sent, "sent2");
  assert_int_equal(dgram_close(socket, trace_event, "closed"), 0);
  run_to_end(loop);
  assert_trace("listening sent1 sent2 closed");
  assert_int_equal(arrivals(fd), 2);
  close(fd);
}

TEST("a send without a callback leaves before close") {
  int fd = raw_socket();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  send_text(socket, "1", raw_port(fd), NULL, NULL);
  assert_int_equal(dgram_close(socket, trace_event, "closed"), 0);
  run_to_end(loop);
  assert_trace("closed");
  assert_int_equal(arrivals(fd), 1);
  close(fd);
}

TEST("every call is refused while a close waits for sends") {
  int sent = 0;
  dgram_address_t address;
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  send_text(socket, "1", 9, count_sent, &sent);
  close_socket(socket);
  assert_int_equal(dgram_close(socket, NULL, NULL), DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
  assert_int_equal(dgram_send(socket, "x", 1, 9, NULL, NULL, NULL),
                   DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
  assert_int_equal(dgram_address(socket, &address), DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
  run_to_end(loop);
  assert_int_equal(sent, 1);
}

static void trace_port(dgram_socket_t *socket, void *context) {
  dgram_address_t address;
  assert_int_equal(dgram_address(socket, &address), 0);
  trace(address.port > 0 ? "port" : "none");
}

/* The socket works until 'listening' is over: a listener that prints its address still can. */
TEST("the address can be read in listening while a close waits for sends") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_on_listening(socket, trace_port, NULL), 0);
  send_text(socket, "1", 9, trace_sent, "sent");
  assert_int_equal(dgram_close(socket, trace_event, "closed"), 0);
  run_to_end(loop);
  assert_trace("port sent closed");
}

TEST("sends that wait for the look-up of the bind leave before close") {
  int fd = raw_socket();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_bind(socket, 0, "localhost", trace_event, "listening"), 0);
  send_text(socket, "1", raw_port(fd), trace_sent, "sent1");
  assert_int_equal(dgram_close(socket, trace_event, "closed"), 0);
  run_to_end(loop);
  assert_trace("listening sent1 closed");
  assert_int_equal(arrivals(fd), 1);
  close(fd);
}

TEST("sends whose bind fails get its error before close") {
  static const char *const addresses[] = {"192.0.2.1", "no-such-host.invalid"};
  for (int i = 0; i < 2; i++) {
    begin_round(loop);
    struct kept_error reported = {0};
    struct kept_error sent = {0};
    dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
    assert_int_equal(dgram_on_error(socket, keep_error, &reported), 0);
    assert_int_equal(dgram_bind(socket, 0, addresses[i], NULL, NULL), 0);
    send_text(socket, "1", 9, keep_send_error, &sent);
    assert_int_equal(dgram_close(socket, trace_event, "closed"), 0);
    run_to_end(loop);
    assert_trace("closed");
    assert_int_equal(reported.calls, 1);
    assert_int_equal(sent.calls, 1);
    assert_int_equal(sent.code, reported.code);
  }
}

TEST("a send whose host is looked up is cancelled after close") {
  int port;
  int fd = raw_socket();
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_send(socket, "1", 1, raw_port(fd), "localhost", trace_sent, "lookup1"), 0);
  send_text(socket, "2", raw_port(fd), trace_sent, "sent2");
  assert_int_equal(dgram_send(socket, "3", 1, raw_port(fd), "localhost", trace_sent, "lookup3"), 0);
  assert_int_equal(dgram_close(socket, trace_event, "closed"), 0);
  run_to_end(loop);
  assert_trace("sent2 closed lookup1(ECANCELED) lookup3(ECANCELED)");
  assert_int_equal(arrivals(fd), 1);
  close(fd);
}

TEST("the error of a cancelled send names the call and the destination") {
  struct kept_error kept = {0};
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_send(socket, "1", 1, 1234, "localhost", keep_send_error, &kept), 0);
  close_socket(socket);
  run_to_end(loop);
  assert_int_equal(kept.calls, 1);
  assert_int_equal(kept.code, UV_ECANCELED);
  assert_string_equal(kept.syscall, "send");
  assert_string_equal(kept.message, "send ECANCELED localhost:1234");
}

/* It is not reported: there is no callback, and the program has closed the socket itself. */
TEST("a cancelled send without a callback is no error event") {
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_on_error(socket, trace_error, "error"), 0);
  assert_int_equal(dgram_send(socket, "1", 1, 1234, "localhost", NULL, NULL), 0);
  assert_int_equal(dgram_close(socket, trace_event, "closed"), 0);
  run_to_end(loop);
  assert_trace("closed");
}

TEST("failed sends are reported before close") {
  static char overlong[65508];
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_on_error(socket, trace_error, "error"), 0);
  assert_int_equal(dgram_send(socket, overlong, sizeof overlong, port, NULL, trace_sent, "long"),
                   0);
  assert_int_equal(dgram_send(socket, overlong, sizeof overlong, port, NULL, NULL, NULL), 0);
  assert_int_equal(dgram_close(socket, trace_event, "closed"), 0);
  run_to_end(loop);
  assert_trace("long(EMSGSIZE) error(EMSGSIZE) closed");
}

/* It is looked up once the socket is bound, and that is when the socket closes. */
TEST("a send to a host name that waits for the bind is cancelled") {
  int fd = raw_socket();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_send(socket, "1", 1, raw_port(fd), "localhost", trace_sent, "lookup1"), 0);
  send_text(socket, "2", raw_port(fd), trace_sent, "sent2");
  assert_int_equal(dgram_close(socket, trace_event, "closed"), 0);
  run_to_end(loop);
  assert_trace("sent2 closed lookup1(ECANCELED)");
  assert_int_equal(arrivals(fd), 1);
  close(fd);
}

/* Far more than one batch: all that waited leave, and each callback runs once. */
TEST("thousands of sends that wait for the bind all complete") {
  int sent = 0;
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  for (int i = 0; i < 3000; i++)
    send_text(socket, "x", 9, count_sent, &sent);
  close_socket(socket);
  run_to_end(loop);
  assert_int_equal(sent, 3000);
}

static void send_and_close(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  trace("error");
  send_text(socket, "1", *(int *)context, trace_sent, "sent1");
  assert_int_equal(dgram_close(socket, trace_event, "closed"), 0);
}

/* The send has begun a new bind, so the close waits for that one. */
TEST("a send and close in the error of a bind still leaves") {
  int fd = raw_socket();
  int port = raw_port(fd);
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_on_error(socket, send_and_close, &port), 0);
  assert_int_equal(dgram_bind(socket, 0, "192.0.2.1", NULL, NULL), 0);
  run_to_end(loop);
  assert_trace("error sent1 closed");
  assert_int_equal(arrivals(fd), 1);
  close(fd);
}

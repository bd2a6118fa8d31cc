/* dgram_flush(): what was sent leaves now, and the callbacks of what has ended run in the call. */
#include "lib/fixture.h"
#include "lib/lookup_stub.h"

TEST("what was sent leaves and is told inside the call") {
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
}

TEST("of a connected socket too") {
  int port;
  int fd = raw_socket();
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  connect_now(socket, raw_port(fd));
  assert_int_equal(dgram_send(socket, "x", 1, 0, NULL, trace_sent, "sent"), 0);
  dgram_flush(socket);
  assert_string_equal(arrived(fd), "x");
  assert_trace("sent");
  close(fd);
}

TEST("what fails is told inside the call") {
  static char overlong[65508];
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  trace_events(socket);
  assert_int_equal(dgram_send(socket, overlong, sizeof overlong, 9, NULL, trace_sent, "callback"),
                   0);
  assert_int_equal(dgram_send(socket, overlong, sizeof overlong, 9, NULL, NULL, NULL), 0);
  dgram_flush(socket);
  assert_trace("callback(EMSGSIZE) error(EMSGSIZE)");
}

TEST("sockets are flushed one by one") {
  int port;
  dgram_socket_t *first = new_bound(loop, NULL, NULL, &port);
  dgram_socket_t *second = new_bound(loop, NULL, NULL, &port);
  send_text(first, "x", 9, trace_sent, "first");
  send_text(second, "x", 9, trace_sent, "second");
  dgram_flush(second);
  assert_trace("second");
  dgram_flush(first);
  assert_trace("first");
}

/* ---- what waits ---- */

TEST("what waits for the bind stays") {
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
}

/* The program has asked for it, and the socket has its port. */
TEST("what waits for listening alone leaves") {
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
}

TEST("what waits for a name stays") {
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
}

TEST("a close that waits goes on") {
  int fd = raw_socket();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  trace_events(socket);
  assert_int_equal(dgram_bind_sync(socket, 0, NULL), 0);
  send_text(socket, "x", raw_port(fd), trace_sent, "sent");
  close_socket(socket); /* after 'listening' */
  dgram_flush(socket);
  assert_trace("sent");
  run_to_end(loop);
  assert_trace("listening close");
  assert_string_equal(arrived(fd), "x");
  close(fd);
}

/* ---- a closed socket, and none ---- */

TEST("of a closed socket what left is told") {
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
}

TEST("of one that was never bound nothing is") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  trace_events(socket);
  close_socket(socket);
  dgram_flush(socket);
  assert_trace("");
  run_to_end(loop);
  assert_trace("close");
}

TEST("no socket is nothing to do") {
  dgram_flush(NULL);
}

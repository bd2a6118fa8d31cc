/* dgram_get_send_queue_size() and _count(): the accepted sends that have not completed. */
#include "lib/fixture.h"

static void assert_queue(const dgram_socket_t *socket, size_t size, size_t count) {
  assert_int_equal(dgram_get_send_queue_size(socket), size);
  assert_int_equal(dgram_get_send_queue_count(socket), count);
}

TEST("the send queue is empty at first and at last") {
  int port;
  int sent = 0;
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_queue(socket, 0, 0);
  port = bind_now(socket, "127.0.0.1");
  assert_queue(socket, 0, 0);
  send_text(socket, "abc", port, count_sent, &sent);
  run_until(loop, &sent, 1);
  assert_queue(socket, 0, 0);
  close_socket(socket);
  assert_queue(socket, 0, 0);
}

TEST("the send queue counts sends that wait for the bind") {
  int sent = 0;
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  send_text(socket, "abc", 9, count_sent, &sent);
  assert_queue(socket, 3, 1);
  send_text(socket, "", 9, count_sent, &sent);
  assert_queue(socket, 3, 2);
  send_text(socket, "de", 9, NULL, NULL);
  assert_queue(socket, 5, 3);
  run_until(loop, &sent, 2);
  assert_queue(socket, 0, 0);
}

TEST("the send queue counts sends that wait for the end of the iteration") {
  int port;
  int sent = 0;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  send_text(socket, "abc", port, count_sent, &sent);
  send_text(socket, "de", port, count_sent, &sent);
  assert_queue(socket, 5, 2);
  run_until(loop, &sent, 2);
  assert_queue(socket, 0, 0);
}

TEST("the send queue counts sends that wait for a host name") {
  int port;
  int sent = 0;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_send(socket, "abc", 3, port, "localhost", count_sent, &sent), 0);
  assert_queue(socket, 3, 1);
  run_until(loop, &sent, 1);
  assert_queue(socket, 0, 0);
}

static void trace_queue(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                        void *context) {
  trace("%zu/%zu", dgram_get_send_queue_size(socket), dgram_get_send_queue_count(socket));
  ++*(int *)context;
}

TEST("a send is off the queue when its callback runs") {
  int port;
  int sent = 0;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  send_text(socket, "abc", port, trace_queue, &sent);
  send_text(socket, "de", port, trace_queue, &sent);
  send_text(socket, "f", port, trace_queue, &sent);
  run_until(loop, &sent, 3);
  assert_trace("3/2 1/1 0/0");
}

TEST("a failed send is off the queue") {
  static char overlong[65508];
  int port;
  struct kept_error kept = {0};
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(
      dgram_send(socket, overlong, sizeof overlong, port, NULL, keep_send_error, &kept), 0);
  assert_queue(socket, sizeof overlong, 1);
  run_until(loop, &kept.calls, 1);
  assert_queue(socket, 0, 0);
}

TEST("an overlong send counts all its bytes") {
  static char overlong[100000];
  int port;
  struct kept_error kept = {0};
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(
      dgram_send(socket, overlong, sizeof overlong, port, NULL, keep_send_error, &kept), 0);
  assert_queue(socket, sizeof overlong, 1);
  run_until(loop, &kept.calls, 1);
  assert_queue(socket, 0, 0);
}

static void trace_cancelled(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                            void *context) {
  trace("%s %zu/%zu", error->name, dgram_get_send_queue_size(socket),
        dgram_get_send_queue_count(socket));
}

TEST("the send queue counts cancelled sends until their callback") {
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_send(socket, "abc", 3, port, "localhost", trace_cancelled, NULL), 0);
  assert_int_equal(dgram_send(socket, "de", 2, port, "localhost", trace_cancelled, NULL), 0);
  close_socket(socket);
  assert_queue(socket, 5, 2);
  run_to_end(loop);
  assert_trace("ECANCELED 2/1 ECANCELED 0/0");
}

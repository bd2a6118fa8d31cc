/* What leaves when: sends before 'listening', sends of one turn, and several destinations. */
#include "lib/fixture.h"

TEST("sends before listening leave after it in order") {
  int port;
  int received = 0;
  dgram_socket_t *receiver = new_bound(loop, trace_message, "got", &port);
  assert_int_equal(dgram_on_message(receiver, count_message, &received), 0);
  dgram_socket_t *sender = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_bind(sender, 0, "127.0.0.1", trace_event, "listening"), 0);
  send_text(sender, "1", port, NULL, NULL);
  send_text(sender, "2", port, NULL, NULL);
  send_text(sender, "3", port, NULL, NULL);
  run_until(loop, &received, 3);
  assert_trace("listening got(1) got(2) got(3)");
}

static void send_last(dgram_socket_t *socket, void *context) {
  trace("listening");
  send_text(socket, "last", *(int *)context, NULL, NULL);
}

TEST("a send in listening leaves behind those that waited") {
  int port;
  int received = 0;
  dgram_socket_t *receiver = new_bound(loop, trace_message, "got", &port);
  assert_int_equal(dgram_on_message(receiver, count_message, &received), 0);
  dgram_socket_t *sender = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  send_text(sender, "first", port, NULL, NULL);
  assert_int_equal(dgram_on_listening(sender, send_last, &port), 0);
  run_until(loop, &received, 2);
  assert_trace("listening got(first) got(last)");
}

static int arrived_at(int fd) {
  char byte;
  return recv(fd, &byte, 1, MSG_DONTWAIT) >= 0;
}

static void trace_arrival(dgram_socket_t *socket, void *context) {
  trace("arrived:%d", arrived_at(*(int *)context));
}

/* B63: the listener may still set an option that the send needs. */
TEST("a listener added after the send runs before it leaves") {
  int fd = raw_socket();
  int sent = 0;
  dgram_socket_t *sender = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  send_text(sender, "x", raw_port(fd), count_sent, &sent);
  assert_int_equal(dgram_on_listening(sender, trace_arrival, &fd), 0);
  run_until(loop, &sent, 1);
  trace_arrival(sender, &fd);
  assert_trace("arrived:0 arrived:1");
  close(fd);
}

TEST("a send has left when its callback runs") {
  int fd = raw_socket();
  int port;
  int sent = 0;
  dgram_socket_t *sender = new_bound(loop, NULL, NULL, &port);
  send_text(sender, "x", raw_port(fd), count_sent, &sent);
  run_until(loop, &sent, 1);
  assert_true(arrived_at(fd));
  close(fd);
}

TEST("a send leaves in its iteration of the loop") {
  int fd = raw_socket();
  int port;
  dgram_socket_t *sender = new_bound(loop, NULL, NULL, &port);
  send_text(sender, "x", raw_port(fd), NULL, NULL);
  uv_run(loop, UV_RUN_NOWAIT);
  assert_true(arrived_at(fd));
  close(fd);
}

/* netty#5233: every datagram of a batch went to the last one's address. */
TEST("each destination gets its own datagrams") {
  enum { EACH = 50 };
  int ports[2];
  int received[2] = {0, 0};
  int sender_port;
  dgram_socket_t *a = new_bound(loop, count_message, &received[0], &ports[0]);
  dgram_socket_t *b = new_bound(loop, count_message, &received[1], &ports[1]);
  dgram_socket_t *sender = new_bound(loop, NULL, NULL, &sender_port);
  assert_int_equal(dgram_on_message(a, trace_message, "a"), 0);
  assert_int_equal(dgram_on_message(b, trace_message, "b"), 0);
  for (int i = 0; i < EACH; i++) {
    send_text(sender, "1", ports[0], NULL, NULL);
    send_text(sender, "2", ports[1], NULL, NULL);
    send_text(sender, "2", ports[1], NULL, NULL);
  }
  run_until(loop, &received[0], EACH);
  run_until(loop, &received[1], 2 * EACH);
  assert_null(strstr(trace_text, "a(2)"));
  assert_null(strstr(trace_text, "b(1)"));
  close_socket(a);
  close_socket(b);
  close_socket(sender);
  run_to_end(loop);
  assert_int_equal(received[0], EACH);
  assert_int_equal(received[1], 2 * EACH);
}

/* The port is the same, so that only the address tells them apart. */
TEST("destinations that differ in their last byte are told apart") {
  int received[2] = {0, 0};
  int listening = 0;
  int port;
  dgram_socket_t *a = new_bound(loop, count_message, &received[0], &port);
  dgram_socket_t *b = new_socket(loop, DGRAM_UDP4, count_message, &received[1]);
  assert_int_equal(dgram_bind(b, port, "127.0.0.2", count_event, &listening), 0);
  run_until(loop, &listening, 1);
  for (int i = 0; i < 20; i++) {
    assert_int_equal(dgram_send(a, "x", 1, port, "127.0.0.1", NULL, NULL), 0);
    assert_int_equal(dgram_send(a, "x", 1, port, "127.0.0.2", NULL, NULL), 0);
  }
  run_until(loop, &received[0], 20);
  run_until(loop, &received[1], 20);
  close_socket(a);
  close_socket(b);
  run_to_end(loop);
  assert_int_equal(received[0], 20);
  assert_int_equal(received[1], 20);
}

TEST("sends with and without a callback keep their order") {
  int port;
  int received = 0;
  dgram_socket_t *socket = new_bound(loop, trace_message, "got", &port);
  assert_int_equal(dgram_on_message(socket, count_message, &received), 0);
  send_text(socket, "1", port, trace_sent, "sent1");
  send_text(socket, "2", port, NULL, NULL);
  send_text(socket, "3", port, trace_sent, "sent3");
  send_text(socket, "4", port, NULL, NULL);
  run_until(loop, &received, 4);
  assert_trace("sent1 sent3 got(1) got(2) got(3) got(4)");
}

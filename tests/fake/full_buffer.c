/* EAGAIN: the sends wait until the socket is writable, or is closed. */
#include "fake/scripted.h"

#include <dgram_stats.h>

static dgram_socket_t *blocked_socket(void) {
  dgram_socket_t *socket = scripted_socket();
  FAKE_REPLIES(3, UV_EAGAIN);
  scripted_send_all(socket, 0, 5);
  EXPECT_SENT("0 1 2 | EAGAIN", "0 1 2");
  return socket;
}

SCRIPTED_TEST("blocked sends leave when the socket is writable") {
  dgram_socket_t *socket = blocked_socket();
  scripted_run();
  assert_int_equal(fake_send_calls(), 2); /* no trying in between */
  fake_make_writable(socket);
  EXPECT_SENT("3 4 5", "3 4 5");
}

/* What was taken is reported; the rest waits, and is not tried at each flush. */
SCRIPTED_TEST("dgram_flush() does not try blocked sends") {
  dgram_socket_t *socket = scripted_socket();
  FAKE_REPLIES(3, UV_EAGAIN);
  scripted_send_all(socket, 0, 5);
  dgram_flush(socket);
  assert_trace("0 1 2");
  dgram_flush(socket);
  scripted_send(socket, 6);
  dgram_flush(socket);
  assert_trace("");
  assert_string_equal(fake_sends(), "0 1 2 | EAGAIN");
  fake_make_writable(socket);
  EXPECT_SENT("3 4 5 6", "3 4 5 6");
}

SCRIPTED_TEST("sends of which the first call takes nothing leave when the socket is writable") {
  dgram_socket_t *socket = scripted_socket();
  fake_reply(UV_EAGAIN);
  scripted_send_all(socket, 0, 1);
  EXPECT("");
  fake_make_writable(socket);
  EXPECT_SENT("EAGAIN | 0 1", "0 1");
}

SCRIPTED_TEST("a socket may be blocked again and again") {
  dgram_socket_t *socket = blocked_socket();
  for (int i = 3; i < 6; i++) {
    FAKE_REPLIES(1, UV_EAGAIN);
    fake_make_writable(socket);
    EXPECT(scripted_numbers(i, i));
  }
  assert_string_equal(fake_sends(), "3 | EAGAIN | 4 | EAGAIN | 5");
}

SCRIPTED_TEST("sends behind blocked ones wait without a system call") {
  dgram_socket_t *socket = blocked_socket();
  scripted_send_all(socket, 6, 9);
  scripted_run();
  assert_int_equal(fake_send_calls(), 2);
  fake_make_writable(socket);
  EXPECT_SENT("3 4 5 6 7 8 9", scripted_numbers(3, 9));
}

SCRIPTED_TEST("a full batch behind blocked sends waits too") {
  dgram_socket_t *socket = blocked_socket();
  scripted_send_all(socket, 6, 2999);
  scripted_run();
  assert_int_equal(fake_send_calls(), 2);
  fake_make_writable(socket);
  EXPECT(scripted_numbers(3, 2999));
}

SCRIPTED_TEST("writability is watched only while sends are blocked") {
  dgram_socket_t *socket = blocked_socket();
  assert_int_equal(socket->poll_events, UV_READABLE | UV_WRITABLE);
  fake_make_writable(socket);
  scripted_run();
  assert_int_equal(socket->poll_events, UV_READABLE);
}

SCRIPTED_TEST("a blocked socket goes on receiving") {
  static const struct fake_buffer hello = {.data = "hello", .size = 5};
  dgram_socket_t *socket = blocked_socket();
  fake_receive(socket, &hello, 1);
  EXPECT("(hello)");
}

static void close_at_once(dgram_socket_t *socket, int number) {
  close_socket(socket);
}

SCRIPTED_TEST("a listener of 'message' may close a blocked socket") {
  static const struct fake_buffer hello = {.data = "hello", .size = 5};
  dgram_socket_t *socket = blocked_socket();
  scripted_on_message = close_at_once;
  fake_receive(socket, &hello, 1);
  EXPECT("(hello) 3 4 5 close");
}

/* ---- close ---- */

SCRIPTED_TEST("close() tries blocked sends once more") {
  dgram_socket_t *socket = blocked_socket();
  close_socket(socket);
  assert_string_equal(fake_sends(), "3 4 5");
  EXPECT("3 4 5 close");
}

SCRIPTED_TEST("what close() can not send is cancelled after 'close'") {
  dgram_socket_t *socket = blocked_socket();
  FAKE_REPLIES(1, UV_EAGAIN);
  close_socket(socket);
  assert_string_equal(fake_sends(), "3 | EAGAIN");
  assert_trace(""); /* nothing from within the call */
  EXPECT("3 close 4:ECANCELED 5:ECANCELED");
  assert_int_equal(fake_send_calls(), 4);
}

SCRIPTED_TEST("close() sends what this turn has not sent yet") {
  dgram_socket_t *socket = scripted_socket();
  scripted_send_all(socket, 0, 2);
  close_socket(socket);
  assert_string_equal(fake_sends(), "0 1 2");
  EXPECT("0 1 2 close");
}

SCRIPTED_TEST("sends without a callback are cancelled without an event") {
  dgram_socket_t *socket = scripted_socket();
  FAKE_REPLIES(UV_EAGAIN, UV_EAGAIN);
  scripted_send_silently(socket, 0);
  scripted_send(socket, 1);
  close_socket(socket);
  EXPECT("close 1:ECANCELED");
}

static void close_after_3(dgram_socket_t *socket, int number) {
  if (number == 3)
    close_socket(socket);
}

SCRIPTED_TEST("close() in a send's callback comes after the callbacks of those that left") {
  dgram_socket_t *socket = blocked_socket();
  scripted_on_sent = close_after_3;
  FAKE_REPLIES(2, UV_EAGAIN, UV_EAGAIN);
  fake_make_writable(socket);
  EXPECT_SENT("3 4 | EAGAIN | EAGAIN", "3 4 close 5:ECANCELED");
}

SCRIPTED_TEST("full buffers, and the most that waited for them, are counted") {
  dgram_stats_t stats = dgram_default_stats();
  dgram_socket_t *socket = blocked_socket(); /* three of six have left */
  assert_int_equal(dgram_get_stats(socket, &stats), 0);
  assert_int_equal(stats.blocked_eagain, 1);
  assert_int_equal(stats.queue_max_count, 3);
  scripted_send_all(socket, 6, 9);
  fake_make_writable(socket);
  EXPECT_SENT("3 4 5 6 7 8 9", "3 4 5 6 7 8 9");
  scripted_send_all(socket, 0, 9); /* need not wait */
  EXPECT_SENT("0 1 2 3 4 5 6 7 8 9", "0 1 2 3 4 5 6 7 8 9");
  assert_int_equal(dgram_get_stats(socket, &stats), 0);
  assert_int_equal(stats.blocked_eagain, 1);
  assert_int_equal(stats.queue_max_count, 7);
  assert_int_equal(stats.queue_max_bytes, 7);
  assert_int_equal(stats.datagrams_out, 20);
}

/*
 * The prefix rule: the kernel takes the first k of a queue, and the rest follows; nothing is
 * skipped, sent twice or out of order. https://github.com/libuv/libuv/pull/5245
 */
#include "fake/scripted.h"

#include <stdio.h>
#include <string.h>

#include "unit/random.h"

/* What left, as a trace of numbers, whatever the calls were. */
static const char *all_that_left(void) {
  static char text[65536];
  size_t length = 0;
  text[0] = '\0';
  for (unsigned i = 0; i < fake_sent_count(); i++)
    length += (size_t)snprintf(text + length, sizeof text - length, i == 0 ? "%s" : " %s",
                               fake_sent(i)->bytes);
  return text;
}

SCRIPTED_TEST("the rest of a queue follows whatever the first call takes") {
  dgram_socket_t *socket = scripted_socket();
  for (int k = 1; k <= 9; k++) {
    fake_reply(k);
    scripted_send_all(socket, 0, 9);
    scripted_run();
    char expected[64];
    int length = snprintf(expected, sizeof expected, "%s | ", scripted_numbers(0, k - 1));
    snprintf(expected + length, sizeof expected - (size_t)length, "%s", scripted_numbers(k, 9));
    assert_string_equal(fake_sends(), expected);
    assert_trace("0 1 2 3 4 5 6 7 8 9");
  }
}

SCRIPTED_TEST("a queue leaves whole one datagram a call") {
  dgram_socket_t *socket = scripted_socket();
  fake_reply_always(1);
  scripted_send_all(socket, 0, 4);
  EXPECT_SENT("0 | 1 | 2 | 3 | 4", "0 1 2 3 4");
}

SCRIPTED_TEST("an empty queue makes no system call") {
  dgram_socket_t *socket = scripted_socket();
  scripted_send_all(socket, 0, 9);
  scripted_run();
  scripted_run();
  assert_int_equal(fake_send_calls(), 1);
}

/* Around the number of sends that do not wait for the end of the turn, and far past it. */
SCRIPTED_TEST("every length of queue leaves whole and in order") {
  static const int lengths[] = {1, 1023, 1024, 1025, 3 * 1024, 5000};
  for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
    unsigned before = fake_sent_count();
    dgram_socket_t *socket = scripted_socket();
    scripted_send_all(socket, 0, lengths[i] - 1);
    EXPECT(scripted_numbers(0, lengths[i] - 1));
    assert_int_equal(fake_sent_count() - before, lengths[i]);
  }
}

SCRIPTED_TEST("random replies neither skip nor repeat") {
  dgram_socket_t *socket = scripted_socket();
  uint32_t random = 2026;
  for (int i = 0; i < 500; i++)
    fake_reply(random_below(&random, 5) == 0 ? UV_ENOBUFS : (int)random_below(&random, 9) + 1);
  scripted_send_all(socket, 0, 1999);
  while (dgram_get_send_queue_count(socket) > 0)
    uv_run(scripted_loop, UV_RUN_ONCE);
  assert_trace(scripted_numbers(0, 1999));
  assert_string_equal(all_that_left(), scripted_numbers(0, 1999));
}

/* https://github.com/netty/netty/issues/5233: all went to the last one's */
SCRIPTED_TEST("each datagram goes to its own address") {
  dgram_socket_t *socket = scripted_socket();
  FAKE_REPLIES(3, 1);
  scripted_send_all(socket, 0, 9);
  scripted_run();
  assert_int_equal(fake_sent_count(), 10);
  for (unsigned i = 0; i < 10; i++) {
    union dgram__address expected;
    dgram__address_loopback(&expected, AF_INET, 1000 + (int)i);
    assert_memory_equal(&fake_sent(i)->to, &expected, sizeof expected);
  }
}

/* ---- the counters ---- */

static size_t sizes_seen[10];
static size_t counts_seen[10];

static void note_counters(dgram_socket_t *socket, int number) {
  sizes_seen[number] = dgram_get_send_queue_size(socket);
  counts_seen[number] = dgram_get_send_queue_count(socket);
}

SCRIPTED_TEST("the counters hold a send until its callback runs") {
  dgram_socket_t *socket = scripted_socket();
  scripted_on_sent = note_counters;
  FAKE_REPLIES(4, UV_EAGAIN);
  for (int i = 0; i < 10; i++) {
    scripted_send(socket, i);
    assert_int_equal(dgram_get_send_queue_count(socket), i + 1);
    assert_int_equal(dgram_get_send_queue_size(socket), i + 1); /* a digit each */
  }
  scripted_run();
  assert_int_equal(dgram_get_send_queue_count(socket), 6);
  assert_int_equal(dgram_get_send_queue_size(socket), 6);
  fake_make_writable(socket);
  scripted_run();
  assert_int_equal(dgram_get_send_queue_count(socket), 0);
  assert_int_equal(dgram_get_send_queue_size(socket), 0);
  for (size_t i = 0; i < 10; i++) { /* within the callback it counts no more */
    assert_int_equal(counts_seen[i], 9 - i);
    assert_int_equal(sizes_seen[i], 9 - i);
  }
}

SCRIPTED_TEST("the counters hold a send without callback until it left") {
  dgram_socket_t *socket = scripted_socket();
  FAKE_REPLIES(1, UV_EAGAIN);
  scripted_send_silently(socket, 0);
  scripted_send_silently(socket, 1);
  scripted_run();
  assert_int_equal(dgram_get_send_queue_count(socket), 1);
  fake_make_writable(socket);
  scripted_run();
  assert_int_equal(dgram_get_send_queue_count(socket), 0);
  assert_int_equal(dgram_get_send_queue_size(socket), 0);
}

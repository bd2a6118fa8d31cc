/*
 * A burst of 100,000 sends in one turn of the loop, far past every internal batch and every
 * buffer of the system: each completes once and in order, and what arrives is right.
 * DGRAM_TEST_SCALE divides the number.
 */
#include "lib/fixture.h"

enum { SENDS = 100000, LONGEST = 65507, OFFSETS = 4093 };

/* Bytes in which no two stretches look alike. Send i has those from i % OFFSETS on. */
static char pattern[LONGEST + OFFSETS];

static void fill_pattern(void) {
  uint32_t x = 2463534242U;
  for (size_t i = 0; i < sizeof pattern; i++) {
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    pattern[i] = (char)x;
  }
}

static const char *bytes_of(int i) {
  return pattern + i % OFFSETS;
}

/* Mostly small, now and then of any size; stretches of equal sizes, too. */
static size_t size_of(int i) {
  uint32_t x = (uint32_t)i * 2654435761U;
  if (i % 1000 == 500)
    return i % 2000 == 500 ? 0 : LONGEST;
  if (i % 100 == 99)
    return x % (LONGEST + 1);
  if (i / 50 % 2 == 0)
    return 64;
  return x >> 25; /* 0 to 127 */
}

static char places[SENDS]; /* the context of send i is &places[i] */
static int completed;
static int received;
static int next_to_receive; /* the send after the one that arrived last */

static void check_callback(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                           void *context) {
  assert_null(error);
  assert_ptr_equal(context, &places[completed]);
  assert_int_equal(bytes, size_of(completed));
  completed++;
}

/* What arrived must be one of the sends that follow the last one that arrived. */
static void check_arrival(const char *bytes, size_t size) {
  int i = next_to_receive;
  while (i < SENDS && (size_of(i) != size || memcmp(bytes_of(i), bytes, size) != 0))
    i++;
  assert_true(i < SENDS);
  next_to_receive = i + 1;
  received++;
}

static void check_message(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                          void *context) {
  check_arrival(message, rinfo->size);
}

static void send_one(dgram_socket_t *sender, int i, int port) {
  assert_int_equal(
      dgram_send(sender, bytes_of(i), size_of(i), port, "127.0.0.1", check_callback, &places[i]),
      0);
}

static int begin(void) {
  completed = received = next_to_receive = 0;
  fill_pattern();
  return SENDS / (int)test_scale();
}

TEST("every send of a burst completes, and what arrives is in order and whole") {
  int sends = begin();
  int port;
  dgram_socket_t *receiver = new_roomy(loop, check_message, NULL, &port);
  dgram_socket_t *sender = new_bound(loop, NULL, NULL, &(int){0});
  for (int i = 0; i < sends; i++)
    send_one(sender, i, port);
  assert_int_equal(completed, 0);
  assert_int_equal(dgram_get_send_queue_count(sender), sends);
  run_until(loop, &completed, sends);
  assert_int_equal(dgram_get_send_queue_count(sender), 0);
  assert_int_equal(dgram_get_send_queue_size(sender), 0);
  close_socket(sender);
  for (int before = -1; before != received;) {
    before = received;
    uv_run(loop, UV_RUN_NOWAIT);
  }
  close_socket(receiver);
  run_to_end(loop);
  assert_int_equal(completed, sends);
  assert_true(received > 0);
  print_message("%d of %d arrived\n", received, sends);
}

/* The same before the socket is bound: they all wait, then leave as they would have. */
TEST("every send of a burst before the socket is bound completes") {
  int sends = begin();
  int port;
  dgram_socket_t *receiver = new_roomy(loop, check_message, NULL, &port);
  dgram_socket_t *sender = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  for (int i = 0; i < sends; i++)
    send_one(sender, i, port);
  run_until(loop, &completed, sends);
  close_socket(sender);
  close_socket(receiver);
  run_to_end(loop);
  assert_int_equal(completed, sends);
}

/* The receiver reads along, so that far more than a buffer's content can be looked at. */
TEST("what arrives of a long burst is in order and whole") {
  static char bytes[LONGEST + 1];
  int sends = begin();
  int fd = raw_socket();
  int port = raw_port(fd);
  ssize_t size;
  dgram_socket_t *sender = new_bound(loop, NULL, NULL, &(int){0});
  for (int i = 0; i < sends; i++) {
    send_one(sender, i, port);
    if (i % 64 == 0 || i == sends - 1)
      while ((size = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT)) >= 0)
        check_arrival(bytes, (size_t)size);
  }
  run_until(loop, &completed, sends);
  close(fd);
  close_socket(sender);
  run_to_end(loop);
  assert_int_equal(completed, sends);
  assert_true(received > 0);
  print_message("%d of %d arrived\n", received, sends);
}

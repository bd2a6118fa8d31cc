/* Datagrams of every size arrive whole, one message each; an empty one is a message too. */
#include "lib/fixture.h"

enum { MOST = 65507 };

/* Bytes in which no two stretches look alike. */
static char pattern[MOST + 4096];

static void fill_pattern(void) {
  uint32_t x = 1;
  for (size_t i = 0; i < sizeof pattern; i++) {
    x = x * 1664525 + 1013904223;
    pattern[i] = (char)(x >> 24);
  }
}

struct expected {
  const size_t *sizes;
  int count;
};

/* Datagram i has the bytes of the pattern from i on. */
static void check_message(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                          void *context) {
  struct expected *expected = context;
  int i = expected->count++;
  assert_int_equal(rinfo->size, expected->sizes[i]);
  assert_memory_equal(message, pattern + i, rinfo->size);
}

/* Sends datagrams of these sizes in one turn; all must arrive, in order, byte-exact. */
static void arrive_whole(uv_loop_t *loop, const size_t *sizes, int count) {
  begin_round(loop);
  fill_pattern();
  struct expected expected = {.sizes = sizes};
  int port;
  dgram_socket_t *socket = new_roomy(loop, check_message, &expected, &port);
  for (int i = 0; i < count; i++)
    assert_int_equal(dgram_send(socket, pattern + i, sizes[i], port, NULL, NULL, NULL), 0);
  run_until(loop, &expected.count, count);
  close_socket(socket);
  run_to_end(loop);
  assert_int_equal(expected.count, count);
}

TEST("an empty datagram is a message of size 0") {
  arrive_whole(loop, (const size_t[]){0}, 1);
}

TEST("empty datagrams in the middle of a batch are messages") {
  static const size_t sizes[] = {0, 5, 5, 0, 5, 0, 0, 5, 3, 0, 0};
  arrive_whole(loop, sizes, sizeof sizes / sizeof *sizes);
}

TEST("a batch of empty datagrams is as many messages") {
  static const size_t sizes[100]; /* more than fit in one receive */
  arrive_whole(loop, sizes, sizeof sizes / sizeof *sizes);
}

TEST("a datagram of each size arrives whole") {
  static const size_t sizes[] = {1,    2,    3,     63,    64,    65,    1199,  1200,  1472,  1473,
                                 8191, 9000, 16384, 32753, 32754, 40000, 65000, 65506, 65507, 0};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
    arrive_whole(loop, &sizes[i], 1);
}

TEST("datagrams of growing sizes keep their borders") {
  static size_t sizes[60];
  for (size_t i = 0; i < 60; i++)
    sizes[i] = i;
  arrive_whole(loop, sizes, 60);
}

TEST("datagrams of shrinking sizes keep their borders") {
  static size_t sizes[60];
  for (size_t i = 0; i < 60; i++)
    sizes[i] = 60 - i;
  arrive_whole(loop, sizes, 60);
}

TEST("datagrams of alternating sizes keep their borders") {
  static size_t sizes[100];
  for (size_t i = 0; i < 100; i++)
    sizes[i] = i % 2 == 0 ? 100 : 7;
  arrive_whole(loop, sizes, 100);
}

TEST("datagrams of one size with a shorter last one keep their borders") {
  static size_t sizes[40];
  for (size_t i = 0; i < 40; i++)
    sizes[i] = i % 10 == 9 ? 11 : 300;
  arrive_whole(loop, sizes, 40);
}

TEST("two halves of the most that a GSO send holds keep their borders") {
  static const size_t sizes[] = {32753, 32753, 32754, 32754, 40000, 25507, 40000, 25508};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i += 2)
    arrive_whole(loop, &sizes[i], 2);
}

TEST("the largest datagram of IPv6 arrives whole") {
  skip_without_ipv6();
  static char bytes[65527];
  memset(bytes, 'v', sizeof bytes);
  int received = 0;
  int sent = 0;
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP6, count_message, &received);
  int port = bind_now(socket, "::1");
  assert_int_equal(dgram_send(socket, bytes, sizeof bytes, port, NULL, count_sent, &sent), 0);
  run_until(loop, &received, 1);
}

/* What a listener sees does not change while it sends, whatever buffers are used for that. */
static void look_send_and_look_again(dgram_socket_t *socket, const char *message,
                                     const dgram_rinfo_t *rinfo, void *context) {
  char copy[64];
  assert_int_equal(rinfo->size, sizeof copy);
  memcpy(copy, message, sizeof copy);
  for (int i = 0; i < 1100; i++) /* so many that some leave at once */
    send_text(socket, "other bytes", 9, NULL, NULL);
  assert_memory_equal(message, copy, sizeof copy);
  ++*(int *)context;
}

TEST("a message stays as it is until its listener returns") {
  int received = 0;
  int port;
  fill_pattern();
  dgram_socket_t *socket = new_roomy(loop, look_send_and_look_again, &received, &port);
  for (int i = 0; i < 3; i++)
    assert_int_equal(dgram_send(socket, pattern + i, 64, port, NULL, NULL, NULL), 0);
  run_until(loop, &received, 3);
}

/* The limit of the rate of each source, by the true clock: how many pass depends on the time. */
#include "lib/fixture.h"

#include <dgram_access.h>

enum { DATAGRAMS = 400, BURST = 10 };

static void flood(uv_loop_t *loop, int port) {
  int fd = raw_socket();
  for (int i = 0; i < DATAGRAMS; i++) {
    raw_send(fd, "x", 1, port);
    if (i % 50 == 0)
      settle(loop);
  }
  settle(loop);
  close(fd);
}

TEST("a limit passes the burst, drops most of a flood, and counts each") {
  int port, got = 0;
  dgram_socket_t *socket = new_roomy(loop, count_message, &got, &port);
  dgram_rate_options_t options = dgram_default_rate_options();
  options.packets_per_second = 1; /* a test takes less than 390 s */
  options.packets_burst = BURST;
  assert_int_equal(dgram_set_receive_rate(socket, &options), 0);
  flood(loop, port);
  dgram_access_counts_t counts = dgram_default_access_counts();
  assert_int_equal(dgram_get_access_counts(socket, &counts), 0);
  assert_true(got >= BURST && got < DATAGRAMS);
  assert_int_equal(counts.receives_limited + (uint64_t)got, DATAGRAMS);
  assert_int_equal(counts.sources_evicted, 0);
}

TEST("a high limit passes all") {
  int port, got = 0;
  dgram_socket_t *socket = new_roomy(loop, count_message, &got, &port);
  dgram_rate_options_t options = dgram_default_rate_options();
  options.packets_per_second = UINT32_MAX;
  options.bytes_per_second = UINT32_MAX;
  assert_int_equal(dgram_set_receive_rate(socket, &options), 0);
  flood(loop, port);
  assert_int_equal(got, DATAGRAMS);
}

TEST("a socket does not limit what it receives by default") {
  int port, got = 0;
  int fd = raw_socket();
  dgram_socket_t *socket = new_roomy(loop, count_message, &got, &port);
  assert_int_equal(dgram_set_receive_rate(socket, NULL), 0);
  for (int i = 0; i < 100; i++)
    raw_send(fd, "x", 1, port);
  settle(loop);
  assert_int_equal(got, 100);
  close(fd);
}

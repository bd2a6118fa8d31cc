/*
 * Counters: they equal what was sent and received, of a socket and of its loop. With offloads the
 * system calls are fewer, and the datagrams the same.
 */
#include "lib/fixture.h"

#include <dgram_access.h>
#include <dgram_stats.h>

#include <netinet/udp.h>

static dgram_stats_t stats_of(dgram_socket_t *socket) {
  dgram_stats_t stats = dgram_default_stats();
  assert_int_equal(dgram_get_stats(socket, &stats), 0);
  return stats;
}

static dgram_stats_t stats_of_loop(uv_loop_t *loop) {
  dgram_stats_t stats = dgram_default_stats();
  assert_int_equal(dgram_get_loop_stats(loop, &stats), 0);
  return stats;
}

static void assert_zeros(dgram_stats_t stats) {
  dgram_stats_t zeros = dgram_default_stats();
  assert_memory_equal(&stats, &zeros, sizeof zeros);
}

/* ---- what is sent and received ---- */

struct truth {
  int datagrams;
  size_t bytes;
};

static void add_message(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                        void *context) {
  struct truth *truth = context;
  truth->datagrams++;
  truth->bytes += rinfo->size;
}

static void add_sent(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                     void *context) {
  struct truth *truth = context;
  assert_null(error);
  truth->datagrams++;
  truth->bytes += bytes;
}

TEST("the counters of a new socket are zeros, bound or not") {
  int port;
  dgram_socket_t *unbound = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  dgram_socket_t *bound = new_bound(loop, NULL, NULL, &port);
  assert_zeros(stats_of(unbound));
  assert_zeros(stats_of(bound));
  assert_zeros(stats_of_loop(loop));
}

/* Sends `count` datagrams of the size, or of mixed sizes if it is 0, a hundred an iteration. */
static void exchange(uv_loop_t *loop, dgram_socket_t *sender, int port, int count, size_t size,
                     dgram_send_cb callback, struct truth *sent, struct truth *received) {
  static char bytes[2000];
  int until = received->datagrams + count;
  for (int i = 0; i < count; i += 100) {
    for (int j = 0; j < 100; j++)
      assert_int_equal(
          dgram_send(sender, bytes, size > 0 ? size : (size_t)(j * 17), port, NULL, callback, sent),
          0);
    run_until(loop, &received->datagrams, until - count + i + 100);
  }
}

TEST("the counters equal the datagrams and bytes that were sent and received") {
  enum { COUNT = 3000 };
  int port;
  struct truth sent = {0};
  struct truth received = {0};
  dgram_socket_t *receiver = new_roomy(loop, add_message, &received, &port);
  dgram_socket_t *sender = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  exchange(loop, sender, port, COUNT, 0, add_sent, &sent, &received);
  dgram_stats_t out = stats_of(sender);
  dgram_stats_t in = stats_of(receiver);
  assert_int_equal(sent.datagrams, COUNT);
  assert_int_equal(received.datagrams, COUNT);
  assert_int_equal(out.datagrams_out, COUNT);
  assert_int_equal(out.bytes_out, sent.bytes);
  assert_int_equal(out.datagrams_in, 0);
  assert_int_equal(in.datagrams_in, COUNT);
  assert_int_equal(in.bytes_in, received.bytes);
  assert_int_equal(in.datagrams_out, 0);
  assert_int_equal(in.kernel_drops, 0);
  assert_int_equal(out.send_failures, 0);
  assert_in_range(out.send_calls, 1, COUNT);
  assert_in_range(in.receive_calls, 1, 2 * COUNT);
  dgram_stats_t sum = stats_of_loop(loop);
  assert_int_equal(sum.datagrams_out, COUNT);
  assert_int_equal(sum.datagrams_in, COUNT);
  assert_int_equal(sum.bytes_out, sum.bytes_in);
  assert_int_equal(sum.send_calls, out.send_calls);
  assert_int_equal(sum.receive_calls, in.receive_calls);
}

TEST("sends without a callback are counted, and sends by text, address and list") {
  int port;
  struct truth received = {0};
  new_bound(loop, add_message, &received, &port);
  dgram_socket_t *sender = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  struct sockaddr_in to = loopback_address(port);
  uv_buf_t buffers[] = {{.base = "ab", .len = 2}, {.base = "cde", .len = 3}};
  assert_int_equal(dgram_send(sender, "1234567", 7, port, NULL, NULL, NULL), 0);
  assert_int_equal(dgram_send_buffers(sender, buffers, 2, port, "localhost", NULL, NULL), 0);
  assert_int_equal(dgram_send_to(sender, buffers, 1, (const struct sockaddr *)&to, NULL, NULL), 0);
  run_until(loop, &received.datagrams, 3);
  dgram_stats_t out = stats_of(sender);
  assert_int_equal(out.datagrams_out, 3);
  assert_int_equal(out.bytes_out, 14);
}

TEST("segmented and joined datagrams are counted beside their batches and buffers") {
  int port;
  struct truth received = {0};
  dgram_socket_t *receiver = new_roomy(loop, add_message, &received, &port);
  dgram_socket_t *sender = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  exchange(loop, sender, port, 1000, 100, NULL, NULL, &received);
  dgram_stats_t out = stats_of(sender);
  dgram_stats_t in = stats_of(receiver);
  assert_int_equal(out.datagrams_out, 1000);
  assert_int_equal(in.datagrams_in, 1000);
  assert_int_equal(in.bytes_in, 100000);
  assert_int_equal(in.truncated, 0);
  if (!offload_is_on("DGRAM_GSO"))
    assert_int_equal(out.gso_batches + out.gso_datagrams, 0);
  else if (out.gso_batches > 0) { /* not where the kernel corrupts them */
    assert_int_equal(out.gso_datagrams, 1000);
    assert_int_equal(out.gso_batches, 20); /* 64 and 36 of each hundred */
  }
  if (!offload_is_on("DGRAM_GRO"))
    assert_int_equal(in.gro_buffers + in.gro_datagrams, 0);
  else
    assert_in_range(in.gro_datagrams, 2 * in.gro_buffers, 64 * in.gro_buffers);
  assert_in_range(in.gro_datagrams, 0, 1000);
}

static void read_inside(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                        void *context) {
  dgram_stats_t stats = stats_of(socket);
  assert_int_equal(stats.datagrams_out, 3);
  assert_int_equal(stats.bytes_out, 6);
  ++*(int *)context;
}

TEST("sends that have left and wait for their callbacks are counted") {
  int port;
  int sent = 0;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  send_text(socket, "a", port, read_inside, &sent);
  send_text(socket, "bc", port, read_inside, &sent);
  send_text(socket, "def", port, read_inside, &sent);
  assert_int_equal(stats_of(socket).datagrams_out, 0);
  assert_int_equal(stats_of(socket).bytes_out, 0);
  run_until(loop, &sent, 3);
}

/* ---- ends of sends ---- */

TEST("a send that fails is counted by its error, and not as sent") {
  static char overlong[65508];
  int port;
  struct kept_error kept = {0};
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  for (int i = 0; i < 2; i++)
    assert_int_equal(
        dgram_send(socket, overlong, sizeof overlong, port, NULL, keep_send_error, &kept), 0);
  assert_int_equal(dgram_send(socket, "x", 1, port, "::1", keep_send_error, &kept), 0);
  run_until(loop, &kept.calls, 3);
  dgram_stats_t stats = stats_of(socket);
  assert_int_equal(stats.send_failures, 3);
  assert_int_equal(stats.send_errors[0].code, UV_EMSGSIZE);
  assert_int_equal(stats.send_errors[0].count, 2);
  assert_int_equal(stats.send_errors[1].code, UV_EINVAL);
  assert_int_equal(stats.send_errors[1].count, 1);
  assert_int_equal(stats.send_errors[2].code, 0);
  assert_int_equal(stats.datagrams_out, 0);
  assert_int_equal(stats.bytes_out, 0);
}

static void keep_stats(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                       void *context) {
  *(dgram_stats_t *)context = stats_of(socket);
}

TEST("sends that a close cancels are counted as cancelled, also in their last callback") {
  dgram_stats_t last = dgram_default_stats();
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  new_bound(loop, NULL, NULL, &port); /* so the loop's sums stay */
  assert_int_equal(dgram_send(socket, "abc", 3, port, "localhost", NULL, NULL), 0);
  assert_int_equal(dgram_send(socket, "abc", 3, port, "localhost", keep_stats, &last), 0);
  close_socket(socket);
  settle(loop);
  assert_int_equal(last.sends_cancelled, 2);
  assert_int_equal(last.queue_max_count, 2);
  assert_int_equal(last.send_failures, 0);
  assert_int_equal(stats_of_loop(loop).sends_cancelled, 2);
  assert_int_equal(stats_of_loop(loop).bytes_out, 0);
}

TEST("sends that wait for the bind raise the high-water marks") {
  int sent = 0;
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  send_text(socket, "abc", 9, count_sent, &sent);
  send_text(socket, "", 9, count_sent, &sent);
  send_text(socket, "de", 9, NULL, NULL);
  run_until(loop, &sent, 2);
  dgram_stats_t stats = stats_of(socket);
  assert_int_equal(stats.queue_max_bytes, 5);
  assert_int_equal(stats.queue_max_count, 3);
  assert_int_equal(stats_of_loop(loop).queue_max_count, 3);
}

TEST("sends of one iteration, which need not wait, do not raise the high-water marks") {
  int port;
  int sent = 0;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  send_text(socket, "abc", port, count_sent, &sent);
  send_text(socket, "de", port, count_sent, &sent);
  run_until(loop, &sent, 2);
  assert_int_equal(stats_of(socket).queue_max_count, 0);
}

/* ---- errors of earlier datagrams ---- */

TEST("an ICMP error of a connected socket is counted by its code") {
  struct kept_error kept = {0};
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_on_error(socket, keep_error, &kept), 0);
  connect_now(socket, raw_closed_port());
  assert_int_equal(dgram_send(socket, "x", 1, 0, NULL, NULL, NULL), 0);
  run_until(loop, &kept.calls, 1);
  dgram_stats_t stats = stats_of(socket);
  assert_int_equal(stats.icmp_errors[0].code, UV_ECONNREFUSED);
  assert_int_equal(stats.icmp_errors[0].count, 1);
  assert_int_equal(stats.receive_errors, 0);
  assert_int_equal(stats.datagrams_out, 1);
  assert_int_equal(stats.send_failures, 0);
}

/* ---- what was refused, and pauses ---- */

TEST("sends over the limit of the queue, and pauses, are counted") {
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_set_send_queue_limit(socket, 0, 2, 0, 0), 0);
  for (int i = 0; i < 5; i++)
    assert_int_equal(dgram_send(socket, "x", 1, port, NULL, NULL, NULL), i < 2 ? 0 : UV_ENOBUFS);
  for (int i = 0; i < 3; i++) {
    assert_int_equal(dgram_pause(socket), 0);
    assert_int_equal(dgram_pause(socket), 0); /* it is paused already */
    assert_int_equal(dgram_resume(socket), 0);
  }
  settle(loop);
  dgram_stats_t stats = stats_of(socket);
  assert_int_equal(stats.queue_refused, 3);
  assert_int_equal(stats.pauses, 3);
  assert_int_equal(stats.datagrams_out, 2);
  assert_int_equal(stats.send_failures, 0);
}

TEST("what access lists refuse is counted, and what is received and refused is received") {
  int port;
  struct truth received = {0};
  dgram_access_list_t *list;
  dgram_socket_t *receiver = new_bound(loop, add_message, &received, &port);
  dgram_socket_t *sender = new_bound(loop, NULL, NULL, &(int){0});
  assert_int_equal(dgram_access_list_create(&list), 0);
  assert_int_equal(dgram_access_list_add_address(list, "127.0.0.1"), 0);
  assert_int_equal(dgram_set_receive_access(receiver, DGRAM_BLOCK, list), 0);
  for (int i = 0; i < 4; i++)
    send_text(sender, "x", port, NULL, NULL);
  settle(loop);
  assert_int_equal(dgram_set_send_access(sender, DGRAM_BLOCK, list), 0);
  assert_int_equal(dgram_send(sender, "x", 1, port, NULL, NULL, NULL), DGRAM_ERR_IP_BLOCKED);
  assert_int_equal(received.datagrams, 0);
  assert_int_equal(stats_of(receiver).receives_refused, 4);
  assert_int_equal(stats_of(receiver).datagrams_in, 4);
  assert_int_equal(stats_of(sender).sends_refused, 1);
  assert_int_equal(stats_of(sender).datagrams_out, 4);
  dgram_access_list_free(list);
}

/* ---- the loop's sums ---- */

TEST("the sums of a loop keep what closed sockets have counted, until its last is freed") {
  int port;
  struct truth received = {0};
  dgram_socket_t *receiver = new_bound(loop, add_message, &received, &port);
  for (int i = 1; i <= 3; i++) {
    dgram_socket_t *sender = new_socket(loop, DGRAM_UDP4, NULL, NULL);
    send_text(sender, "abcd", port, NULL, NULL);
    run_until(loop, &received.datagrams, i);
    close_socket(sender);
    settle(loop);
  }
  assert_int_equal(stats_of_loop(loop).datagrams_out, 3);
  assert_int_equal(stats_of_loop(loop).bytes_out, 12);
  assert_int_equal(stats_of_loop(loop).datagrams_in, 3);
  close_socket(receiver);
  run_to_end(loop);
  assert_zeros(stats_of_loop(loop));
}

/* ---- what the kernel dropped ---- */

#ifdef __linux__
enum { FLOOD = 2000, NUMBER = 100 };

/* Numbered datagrams; each is received at most once, in order. */
static void take_number(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                        void *context) {
  struct truth *truth = context;
  uint32_t number;
  memcpy(&number, message, sizeof number);
  assert_true(truth->bytes == 0 || number > truth->bytes);
  truth->bytes = number; /* the last one */
  truth->datagrams++;
}

static dgram_socket_t *new_narrow(uv_loop_t *loop, struct truth *received, int *port) {
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.recv_buffer_size = 20000;
  dgram_socket_t *socket = new_with(loop, &options);
  assert_int_equal(dgram_on_message(socket, take_number, received), 0);
  *port = bind_now(socket, "127.0.0.1");
  return socket;
}

/* Sends numbered datagrams, `segments` by each call of the system. */
static void flood(int fd, int port, int segments) {
  static char bytes[64 * NUMBER];
  struct sockaddr_in to = loopback_address(port);
  int size = segments > 1 ? NUMBER : 0;
  assert_int_equal(setsockopt(fd, SOL_UDP, 103 /* UDP_SEGMENT */, &size, sizeof size), 0);
  for (uint32_t i = 1; i <= FLOOD; i += (uint32_t)segments) {
    for (uint32_t j = 0; j < (uint32_t)segments; j++) {
      uint32_t number = i + j;
      memcpy(&bytes[(size_t)j * NUMBER], &number, sizeof number);
    }
    assert_int_equal(
        sendto(fd, bytes, (size_t)(segments * NUMBER), 0, (const struct sockaddr *)&to, sizeof to),
        segments * NUMBER);
  }
}

TEST("what was received and what the kernel dropped is what was sent, exactly") {
  int port;
  struct truth received = {0};
  dgram_socket_t *socket = new_narrow(loop, &received, &port);
  int fd = raw_socket();
  flood(fd, port, 1);
  uint64_t dropped = stats_of(socket).kernel_drops; /* before anything was received */
  settle(loop);
  assert_in_range(dropped, 1, FLOOD - 1);
  assert_int_equal(received.datagrams + dropped, FLOOD);
  flood(fd, port, 1);
  received.bytes = 0;
  settle(loop);
  dgram_stats_t stats = stats_of(socket);
  assert_int_equal(stats.datagrams_in + stats.kernel_drops, 2 * FLOOD);
  assert_int_equal(stats.datagrams_in, received.datagrams);
  assert_int_equal(stats_of_loop(loop).kernel_drops, stats.kernel_drops);
  close(fd);
  dropped = stats.kernel_drops; /* the loop keeps it when the socket is closed */
  new_bound(loop, NULL, NULL, &port);
  close_socket(socket);
  settle(loop);
  assert_int_equal(stats_of_loop(loop).kernel_drops, dropped);
}

TEST("a joined buffer that the kernel drops counts as one drop") {
  enum { SEGMENTS = 50 };
  int port;
  struct truth received = {0};
  dgram_socket_t *socket = new_narrow(loop, &received, &port);
  int fd = raw_socket();
  flood(fd, port, 1); /* several at a time: only then the library asks for GRO */
  settle(loop);
  dgram_stats_t before = stats_of(socket);
  received = (struct truth){0};
  flood(fd, port, SEGMENTS);
  settle(loop);
  dgram_stats_t stats = stats_of(socket);
  uint64_t drops = stats.kernel_drops - before.kernel_drops;
  assert_true(drops > 0);
  if (stats.gro_buffers > 0)
    assert_int_equal(received.datagrams + drops * SEGMENTS, FLOOD);
  else
    assert_int_equal(received.datagrams + drops, FLOOD);
  assert_true((stats.gro_buffers > 0) == offload_is_on("DGRAM_GRO"));
  close(fd);
}

TEST("a socket that was never polled knows its drops when it is closed") {
  int port;
  int other;
  struct truth received = {0};
  dgram_socket_t *socket = new_narrow(loop, &received, &port);
  new_bound(loop, NULL, NULL, &other);
  int fd = raw_socket();
  flood(fd, port, 1);
  close(fd);
  close_socket(socket);
  settle(loop);
  dgram_stats_t sum = stats_of_loop(loop);
  assert_int_equal(sum.datagrams_in, 0);
  assert_in_range(sum.kernel_drops, 1, FLOOD);
}
#endif

/* ---- one line ---- */

TEST("the text has each counter by its name") {
  dgram_stats_t stats = dgram_default_stats();
  char text[1024];
  stats.datagrams_in = 1;
  stats.bytes_in = UINT64_MAX;
  stats.back_offs = 7;
  stats.send_errors[0] = (dgram_stats_code_t){.code = UV_EPERM, .count = 2};
  stats.send_errors[1] = (dgram_stats_code_t){.code = UV_EMSGSIZE, .count = 3};
  int length = dgram_stats_text(&stats, text, sizeof text);
  assert_string_equal(
      text,
      "datagrams_in=1 bytes_in=18446744073709551615 datagrams_out=0 bytes_out=0 receive_calls=0 "
      "send_calls=0 gro_buffers=0 gro_datagrams=0 gso_batches=0 gso_datagrams=0 kernel_drops=0 "
      "truncated=0 receive_errors=0 send_failures=0 sends_cancelled=0 blocked_eagain=0 "
      "blocked_enobufs=0 queue_max_bytes=0 queue_max_count=0 idle_wakeups=0 back_offs=7 "
      "posts=0 posts_refused=0 queue_refused=0 pauses=0 receives_refused=0 receives_limited=0 "
      "sends_refused=0 "
      "send_errors=EPERM:2,EMSGSIZE:3 icmp_errors=-");
  assert_int_equal(length, strlen(text));
}

TEST("the JSON is one object") {
  dgram_stats_t stats = dgram_default_stats();
  char text[1024];
  stats.bytes_out = 12;
  stats.icmp_errors[0] = (dgram_stats_code_t){.code = UV_ECONNREFUSED, .count = 4};
  stats.icmp_errors[1] = (dgram_stats_code_t){.code = UV_EHOSTUNREACH, .count = 5};
  int length = dgram_stats_json(&stats, text, sizeof text);
  assert_string_equal(
      text, "{\"datagrams_in\":0,\"bytes_in\":0,\"datagrams_out\":0,\"bytes_out\":12,"
            "\"receive_calls\":0,\"send_calls\":0,\"gro_buffers\":0,\"gro_datagrams\":0,"
            "\"gso_batches\":0,\"gso_datagrams\":0,\"kernel_drops\":0,\"truncated\":0,"
            "\"receive_errors\":0,\"send_failures\":0,\"sends_cancelled\":0,\"blocked_eagain\":0,"
            "\"blocked_enobufs\":0,\"queue_max_bytes\":0,\"queue_max_count\":0,\"idle_wakeups\":0,"
            "\"back_offs\":0,\"posts\":0,\"posts_refused\":0,\"queue_refused\":0,\"pauses\":0,"
            "\"receives_refused\":0,\"receives_limited\":0,\"sends_refused\":0,\"send_errors\":{},"
            "\"icmp_errors\":{\"ECONNREFUSED\":4,\"EHOSTUNREACH\":5}}");
  assert_int_equal(length, strlen(text));
}

typedef int write_fn(const dgram_stats_t *stats, char *buffer, size_t size);

static void assert_cut_off(write_fn *write) {
  dgram_stats_t stats = dgram_default_stats();
  char whole[1024];
  char part[1024];
  int length = write(&stats, whole, sizeof whole);
  assert_int_equal(write(&stats, NULL, 0), length);
  for (size_t size = 1; size <= (size_t)length + 1; size++) {
    memset(part, '#', sizeof part);
    assert_int_equal(write(&stats, part, size), length);
    assert_int_equal(strlen(part), size - 1);
    assert_memory_equal(part, whole, size - 1);
    assert_int_equal(part[size], '#');
  }
}

TEST("a line that does not fit is cut off, and its length returned") {
  assert_cut_off(dgram_stats_text);
  assert_cut_off(dgram_stats_json);
}

TEST("a table of errors has room for eight codes, the sum for all") {
  dgram_stats_t stats = dgram_default_stats();
  char text[1024];
  for (int i = 0; i < DGRAM_STATS_CODES; i++)
    stats.send_errors[i] = (dgram_stats_code_t){.code = UV_EPERM, .count = UINT64_MAX};
  assert_in_range(dgram_stats_json(&stats, text, sizeof text), 1, sizeof text - 1);
  assert_non_null(strstr(text, "\"EPERM\":18446744073709551615},\"icmp_errors\""));
}

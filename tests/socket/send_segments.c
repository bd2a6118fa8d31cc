/*
 * A message that leaves as datagrams of a segment size: how many come, of what sizes and bytes,
 * with segmentation offload and without it.
 */
#include "lib/fixture.h"
#include "lib/observer.h"

static char bytes[200000];
static struct observed seen;

static void fill(void) {
  for (size_t i = 0; i < sizeof bytes; i++)
    bytes[i] = (char)(i * 7 + i / 251);
}

struct sent_segments {
  int calls;
  int code;
  size_t bytes;
};

static void on_sent(dgram_socket_t *socket, const dgram_error_t *error, size_t size,
                    void *context) {
  struct sent_segments *end = context;
  end->calls++;
  end->code = error != NULL ? error->code : 0;
  end->bytes = size;
}

/* Takes the datagrams of a message, which come in order. */
static void assert_segments(int observer, size_t size, size_t segment) {
  size_t at = 0;
  do {
    size_t expected = size - at < segment ? size - at : segment;
    observer_take(observer, &seen);
    assert_int_equal(seen.size, expected);
    assert_memory_equal(seen.bytes, bytes + at, expected);
    at += expected;
  } while (at < size);
}

static void send_segments(dgram_socket_t *socket, const struct sockaddr_storage *to,
                          const uv_buf_t buffers[], size_t count, size_t segment,
                          struct sent_segments *end) {
  dgram_send_options_t options = dgram_default_send_options();
  options.segment_size = segment;
  assert_int_equal(dgram_send_with(socket, buffers, count, (const struct sockaddr *)to, &options,
                                   end != NULL ? on_sent : NULL, end),
                   0);
}

static const struct {
  size_t size;
  size_t segment;
} shapes[] = {{0, 1200},      {1, 1200},       {1199, 1200},    {1200, 1200},   {1201, 1200},
              {2400, 1200},   {64000, 1000},   {64001, 1000},   {64999, 1000},  {65000, 1000},
              {65507, 1024},  {65508, 1024},   {100000, 1472},  {65, 1},        {129, 1},
              {65507, 65507}, {65508, 65507},  {131014, 65507}, {90000, 40000}, {65507, 32754},
              {65508, 32754}, {150000, 32753}, {65472, 1023},   {65520, 1040}};
enum { SHAPES = sizeof shapes / sizeof *shapes };

/* Each shape, as one buffer and as a list that is cut anywhere; borrowed and copied. */
static void try_shapes(uv_loop_t *loop, dgram_socket_t *socket, int family) {
  struct sockaddr_storage to;
  int observer = observer_open(family, &to);
  fill();
  for (size_t i = 0; i < SHAPES; i++) {
    size_t size = shapes[i].size;
    struct sent_segments end = {.calls = 0};
    uv_buf_t one = uv_buf_init(bytes, (unsigned)size);
    send_segments(socket, &to, &one, 1, shapes[i].segment, &end);
    run_until(loop, &end.calls, 1);
    assert_int_equal(end.code, 0);
    assert_int_equal(end.bytes, size);
    assert_segments(observer, size, shapes[i].segment);
    enum { PIECES = 37 };
    uv_buf_t pieces[PIECES + 1];
    for (size_t j = 0, at = 0; j <= PIECES; j++) {
      size_t length = j < PIECES ? size / PIECES : size - at;
      pieces[j] = uv_buf_init(bytes + at, (unsigned)length);
      at += length;
    }
    send_segments(socket, &to, pieces, PIECES + 1, shapes[i].segment, NULL);
    dgram_flush(socket);
    assert_segments(observer, size, shapes[i].segment);
    assert_int_equal(dgram_get_send_queue_count(socket), 0);
  }
  assert_true(observer_is_empty(observer));
  close(observer);
}

TEST("a message leaves as datagrams of its segment size over IPv4") {
  int port;
  try_shapes(loop, new_bound(loop, NULL, NULL, &port), AF_INET);
}

TEST("a message leaves as datagrams of its segment size over IPv6") {
  skip_without_ipv6();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP6, NULL, NULL);
  bind_now(socket, "::1");
  try_shapes(loop, socket, AF_INET6);
}

TEST("a message leaves as datagrams of its segment size where GSO is disabled for the socket") {
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.disable_gso = 1;
  dgram_socket_t *socket = new_with(loop, &options);
  bind_now(socket, "127.0.0.1");
  try_shapes(loop, socket, AF_INET);
}

TEST("messages with segment sizes and others leave in the order of sending") {
  enum { ROUNDS = 6, SEGMENT = 700 };
  int port;
  struct sockaddr_storage to;
  int observer = observer_open(AF_INET, &to);
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  struct sent_segments ends[2 * ROUNDS] = {{.calls = 0}};
  fill();
  for (size_t i = 0; i < ROUNDS; i++) {
    uv_buf_t large = uv_buf_init(bytes, 5000 + 3000 * (unsigned)i);
    uv_buf_t small = uv_buf_init(bytes, 10 + (unsigned)i);
    send_segments(socket, &to, &large, 1, SEGMENT, &ends[2 * i]);
    assert_int_equal(
        dgram_send_to(socket, &small, 1, (struct sockaddr *)&to, on_sent, &ends[2 * i + 1]), 0);
  }
  assert_int_equal(dgram_get_send_queue_count(socket), 2 * ROUNDS);
  run_until(loop, &ends[2 * ROUNDS - 1].calls, 1);
  for (size_t i = 0; i < ROUNDS; i++) {
    assert_int_equal(ends[2 * i].bytes, 5000 + 3000 * i);
    assert_segments(observer, 5000 + 3000 * i, SEGMENT);
    assert_segments(observer, 10 + i, 65507);
  }
  assert_true(observer_is_empty(observer));
  close(observer);
}

TEST("a message with a segment size has the other options, too, in each of its datagrams") {
  dgram_send_options_t options = dgram_default_send_options();
  int port;
  struct sockaddr_storage to;
  int observer = observer_open(AF_INET, &to);
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  struct sockaddr_in source = loopback_address(0);
  source.sin_addr.s_addr = htonl(0x7f000005);
  uv_buf_t buffer = uv_buf_init(bytes, 70000);
  options.segment_size = 1000;
  options.ttl = 77;
  options.tos = 0xb9;
  options.source = (struct sockaddr *)&source;
  fill();
  assert_int_equal(
      dgram_send_with(socket, &buffer, 1, (struct sockaddr *)&to, &options, NULL, NULL), 0);
  dgram_flush(socket);
  for (int i = 0; i < 70; i++) {
    observer_take(observer, &seen);
    assert_int_equal(seen.size, 1000);
    assert_memory_equal(seen.bytes, bytes + (size_t)i * 1000, 1000);
    assert_int_equal(seen.ttl, 77);
    assert_int_equal(seen.tos, 0xb9);
    assert_string_equal(seen.source, "127.0.0.5");
  }
  assert_true(observer_is_empty(observer));
  close(observer);
}

/* A list of buffers is one datagram. */
#include "lib/fixture.h"

enum { MOST_BUFFERS = 1024 };

static char bytes[MOST_BUFFERS];

struct joined {
  int calls;
  size_t size;
};

/* The bytes must be those of `bytes`, from the first on. */
static void check_joined(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                         void *context) {
  struct joined *joined = context;
  assert_memory_equal(message, bytes, rinfo->size);
  joined->calls++;
  joined->size = rinfo->size;
}

static void check_bytes_sent(dgram_socket_t *socket, const dgram_error_t *error, size_t sent,
                             void *context) {
  assert_null(error);
  *(size_t *)context = sent;
}

/* Sends the list with and without a callback: its bytes are borrowed, or copied. */
static void is_one_datagram(uv_loop_t *loop, const uv_buf_t *buffers, size_t count, size_t size) {
  begin_round(loop);
  struct joined joined = {0};
  size_t sent = 12345;
  int port;
  dgram_socket_t *socket = new_bound(loop, check_joined, &joined, &port);
  assert_int_equal(dgram_send_buffers(socket, buffers, count, port, NULL, check_bytes_sent, &sent),
                   0);
  assert_int_equal(dgram_get_send_queue_size(socket), size);
  run_until(loop, &joined.calls, 1);
  assert_int_equal(joined.size, size);
  assert_int_equal(sent, size);
  assert_int_equal(dgram_send_buffers(socket, buffers, count, port, NULL, NULL, NULL), 0);
  run_until(loop, &joined.calls, 2);
  assert_int_equal(joined.size, size);
  close_socket(socket);
  run_to_end(loop);
  assert_int_equal(joined.calls, 2);
}

static void fill_bytes(void) {
  for (size_t i = 0; i < sizeof bytes; i++)
    bytes[i] = (char)(i * 7 + i / 256);
}

TEST("a send of no buffer is an empty datagram") {
  is_one_datagram(loop, NULL, 0, 0);
}

TEST("a send of one buffer is its bytes") {
  fill_bytes();
  uv_buf_t buffer = uv_buf_init(bytes, 100);
  is_one_datagram(loop, &buffer, 1, 100);
}

TEST("a send of two buffers is one datagram") {
  fill_bytes();
  uv_buf_t buffers[2] = {uv_buf_init(bytes, 60), uv_buf_init(bytes + 60, 40)};
  is_one_datagram(loop, buffers, 2, 100);
}

TEST("a send of buffers from different places is one datagram") {
  char head[] = {1, 2, 3};
  char tail[] = {4, 5};
  uv_buf_t buffers[2] = {uv_buf_init(head, 3), uv_buf_init(tail, 2)};
  for (int i = 0; i < 5; i++)
    bytes[i] = (char)(i + 1);
  is_one_datagram(loop, buffers, 2, 5);
}

TEST("a send of buffers has the order of the list") {
  static char scrambled[] = {'c', 'd', 'a', 'b'};
  for (int i = 0; i < 4; i++)
    bytes[i] = (char)('a' + i);
  uv_buf_t buffers[2] = {uv_buf_init(scrambled + 2, 2), uv_buf_init(scrambled, 2)};
  is_one_datagram(loop, buffers, 2, 4);
}

TEST("a send of as many buffers as the kernel takes is one datagram") {
  static uv_buf_t buffers[MOST_BUFFERS];
  fill_bytes();
  for (size_t i = 0; i < MOST_BUFFERS; i++)
    buffers[i] = uv_buf_init(bytes + i, 1);
  is_one_datagram(loop, buffers, MOST_BUFFERS, MOST_BUFFERS);
}

/* Every other byte lies elsewhere, so that no two neighbours can be taken as one. */
TEST("a send of as many buffers that do not adjoin is one datagram") {
  static char apart[2 * MOST_BUFFERS];
  static uv_buf_t buffers[MOST_BUFFERS];
  fill_bytes();
  for (size_t i = 0; i < MOST_BUFFERS; i++) {
    apart[2 * i] = bytes[i];
    buffers[i] = uv_buf_init(apart + 2 * i, 1);
  }
  is_one_datagram(loop, buffers, MOST_BUFFERS, MOST_BUFFERS);
}

TEST("empty buffers in a send add nothing") {
  fill_bytes();
  uv_buf_t buffers[6] = {uv_buf_init(NULL, 0),       uv_buf_init(bytes, 10),
                         uv_buf_init(bytes + 10, 0), uv_buf_init(NULL, 0),
                         uv_buf_init(bytes + 10, 5), uv_buf_init(NULL, 0)};
  is_one_datagram(loop, buffers, 6, 15);
}

TEST("a send of empty buffers is an empty datagram") {
  uv_buf_t buffers[3] = {uv_buf_init(NULL, 0), uv_buf_init(bytes, 0), uv_buf_init(NULL, 0)};
  is_one_datagram(loop, buffers, 3, 0);
}

/* node#6616: the list of buffers was changed after the call. */
TEST("the list of buffers may change after the send") {
  int port;
  int received = 0;
  int sent = 0;
  dgram_socket_t *receiver = new_bound(loop, trace_message, "got", &port);
  assert_int_equal(dgram_on_message(receiver, count_message, &received), 0);
  dgram_socket_t *sender = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  char ab[] = "ab";
  char cd[] = "cd";
  uv_buf_t buffers[2] = {uv_buf_init(ab, 2), uv_buf_init(cd, 2)};
  assert_int_equal(dgram_send_buffers(sender, buffers, 2, port, NULL, count_sent, &sent), 0);
  assert_int_equal(dgram_send_buffers(sender, buffers, 1, port, NULL, count_sent, &sent), 0);
  buffers[0] = buffers[1] = uv_buf_init(NULL, 77);
  run_until(loop, &received, 2);
  assert_trace("got(abcd) got(ab)");
  close_socket(sender);
  close_socket(receiver);
  run_to_end(loop);
  assert_int_equal(sent, 2);
}

/* Lists in one turn that could share a system call, if their pieces were not so many. */
TEST("sends of many long lists of buffers in one iteration stay apart") {
  enum { LISTS = 20, PIECES = 100 };
  static char apart[2 * PIECES];
  uv_buf_t buffers[PIECES];
  struct joined joined = {0};
  int port;
  int sent = 0;
  fill_bytes();
  for (size_t i = 0; i < PIECES; i++) {
    apart[2 * i] = bytes[i];
    buffers[i] = uv_buf_init(apart + 2 * i, 1);
  }
  dgram_socket_t *socket = new_bound(loop, check_joined, &joined, &port);
  for (int i = 0; i < LISTS; i++)
    assert_int_equal(dgram_send_buffers(socket, buffers, PIECES, port, NULL, count_sent, &sent), 0);
  run_until(loop, &joined.calls, LISTS);
  assert_int_equal(joined.size, PIECES);
  assert_int_equal(sent, LISTS);
}

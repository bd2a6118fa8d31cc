/* Receiving: a batch a wake-up, whatever is in it, and going on after every error. */
#include "fake/scripted.h"

#include <string.h>

/* NOLINTBEGIN(bugprone-reserved-identifier): the linker wants this name */
uint64_t __wrap_uv_hrtime(void);

/* Time hardly goes on: how much is delivered in a turn does not depend on the machine. */
uint64_t __wrap_uv_hrtime(void) {
  static uint64_t time = 1000000000;
  return time += 100;
}
/* NOLINTEND(bugprone-reserved-identifier) */

static const struct fake_buffer hello = {.data = "hello", .size = 5};

/* ---- batches ---- */

SCRIPTED_TEST("each receive buffer is a message") {
  static const struct fake_buffer buffers[] = {
      {.data = "a", .size = 1}, {.data = "bc", .size = 2}, {.data = "def", .size = 3}};
  fake_receive(scripted_socket(), buffers, 3);
  EXPECT("(a) (bc) (def)");
}

SCRIPTED_TEST("a joined receive buffer is as many messages as it has segments") {
  static const struct fake_buffer buffers[] = {{.data = "aabbccd", .size = 7, .segment = 2},
                                               {.data = "e", .size = 1, .segment = 2},
                                               {.data = "ffgg", .size = 4, .segment = 2}};
  fake_receive(scripted_socket(), buffers, 3);
  EXPECT("(aa) (bb) (cc) (d) (e) (ff) (gg)");
}

/* Zeros are written as "()" too: so these are counted by their sizes. */
static unsigned empty_count;

static void count_empty(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                        void *context) {
  empty_count += rinfo->size == 0;
}

SCRIPTED_TEST("an empty datagram is a message") {
  static const struct fake_buffer buffers[] = {{.size = 0}, {.data = "a", .size = 1}, {.size = 0}};
  dgram_socket_t *socket = scripted_socket();
  empty_count = 0;
  assert_int_equal(dgram_on_message(socket, count_empty, NULL), 0);
  fake_receive(socket, buffers, 3);
  fake_receive(socket, buffers, 1);
  EXPECT("() (a) () ()");
  assert_int_equal(empty_count, 3);
}

SCRIPTED_TEST("a batch smaller than all receive buffers is one system call") {
  dgram_socket_t *socket = scripted_socket();
  for (int count = 1; count < DGRAM__RX_BUFFERS; count++) {
    struct fake_buffer buffers[DGRAM__RX_BUFFERS];
    for (int i = 0; i < count; i++)
      buffers[i] = hello;
    unsigned before = fake_recv_calls();
    fake_receive(socket, buffers, count);
    scripted_run();
    assert_int_equal(fake_recv_calls() - before, 1);
  }
}

/* ---- the bound of a wake-up ---- */

static unsigned received;

static void count_received(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                           void *context) {
  assert_int_equal(rinfo->size, 2);
  received++;
}

SCRIPTED_TEST("a batch of all receive buffers is delivered in one turn and the next waits") {
  static struct fake_buffer buffers[DGRAM__RX_BUFFERS];
  for (int i = 0; i < DGRAM__RX_BUFFERS; i++) /* 64 datagrams in each */
    buffers[i] = (struct fake_buffer){.size = 128, .segment = 2};
  dgram_socket_t *socket = scripted_socket();
  assert_int_equal(dgram_on_message(socket, count_received, NULL), 0);
  fake_receive(socket, buffers, DGRAM__RX_BUFFERS);
  fake_receive(socket, buffers, DGRAM__RX_BUFFERS);
  received = 0;
  uv_run(scripted_loop, UV_RUN_NOWAIT);
  assert_int_equal(received, DGRAM__RX_BUFFERS * 64);
  assert_int_equal(fake_recv_calls(), 1);
  uv_run(scripted_loop, UV_RUN_NOWAIT);
  assert_int_equal(received, 2 * DGRAM__RX_BUFFERS * 64);
  assert_int_equal(fake_recv_calls(), 2);
}

SCRIPTED_TEST("a turn gives each socket one batch") {
  dgram_socket_t *a = scripted_socket();
  dgram_socket_t *b = scripted_socket();
  struct fake_buffer buffers[DGRAM__RX_BUFFERS];
  for (int i = 0; i < DGRAM__RX_BUFFERS; i++)
    buffers[i] = (struct fake_buffer){.size = 2};
  assert_int_equal(dgram_on_message(b, count_received, NULL), 0);
  for (int i = 0; i < 3; i++)
    fake_receive(a, buffers, DGRAM__RX_BUFFERS);
  fake_receive(b, buffers, DGRAM__RX_BUFFERS);
  received = 0;
  uv_run(scripted_loop, UV_RUN_NOWAIT);
  assert_int_equal(received, DGRAM__RX_BUFFERS);
  assert_int_equal(fake_recv_calls(), 2);
}

/* ---- the sender ---- */

static void check_sender(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                         void *context) {
  assert_string_equal(dgram_rinfo_address(rinfo), "192.0.2.1");
  assert_ptr_equal(dgram_rinfo_address(rinfo), dgram_rinfo_address(rinfo));
  assert_string_equal(rinfo->family, "IPv4");
  assert_int_equal(rinfo->port, FAKE_SENDER_PORT);
  assert_int_equal(rinfo->size, 5);
  assert_int_equal(rinfo->sockaddr->sa_family, AF_INET);
  received++;
}

SCRIPTED_TEST("each message has its sender") {
  dgram_socket_t *socket = scripted_socket();
  assert_int_equal(dgram_on_message(socket, check_sender, NULL), 0);
  received = 0;
  fake_receive(socket, &hello, 1);
  scripted_run();
  assert_int_equal(received, 1);
}

/* ---- errors ---- */

SCRIPTED_TEST("an error of receiving is an 'error', and receiving goes on") {
  static const int codes[] = {UV_ECONNREFUSED, UV_ENOMEM, UV_EIO};
  dgram_socket_t *socket = scripted_socket();
  for (int i = 0; i < 3; i++)
    fake_receive(socket, NULL, codes[i]);
  fake_receive(socket, &hello, 1);
  EXPECT("error(recvmsg ECONNREFUSED) error(recvmsg ENOMEM) error(recvmsg EIO) (hello)");
}

/* It would wake the loop again at once, for ever. */
SCRIPTED_TEST("an error that receiving does not clear is an 'error' once, and no busy loop") {
  enum { MANY = 200, FEW = 40 };
  dgram_socket_t *socket = scripted_socket();
  for (int i = 0; i < MANY; i++)
    fake_receive(socket, NULL, UV_EIO);
  assert_in_range(turns_in(scripted_loop, 100), 0, FEW);
  assert_in_range(fake_recv_calls(), 3, FEW);
  assert_trace("error(recvmsg EIO)");
}

SCRIPTED_TEST("a lost receive buffer is an 'error' in its place") {
  static const struct fake_buffer buffers[] = {{.data = "a", .size = 1},
                                               {.data = "lost", .size = 4, .segment = UV_EMSGSIZE},
                                               {.data = "b", .size = 1}};
  fake_receive(scripted_socket(), buffers, 3);
  EXPECT("(a) error(recvmsg EMSGSIZE) (b)");
}

SCRIPTED_TEST("a wake-up with nothing to receive emits nothing") {
  dgram_socket_t *socket = scripted_socket();
  fake_receive(socket, NULL, 0);
  fake_receive(socket, &hello, 1);
  EXPECT("(hello)");
}

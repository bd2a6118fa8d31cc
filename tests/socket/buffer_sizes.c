/* The sizes of the kernel's buffers: set and read, by state, with the reason of a failure. */
#include "lib/fixture.h"

/* The two buffers: the same behaviour under two names. */
struct buffer {
  int (*set)(dgram_socket_t *socket, int size);
  int (*get)(dgram_socket_t *socket);
  int option;
};

static const struct buffer buffers[] = {
    {dgram_set_recv_buffer_size, dgram_get_recv_buffer_size, SO_RCVBUF},
    {dgram_set_send_buffer_size, dgram_get_send_buffer_size, SO_SNDBUF},
};
enum { BUFFERS = 2 };

/* What the kernel makes of a size, by a socket of the system's. */
static int kernels_size(int option, int size) {
  socklen_t length = sizeof size;
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  assert_true(fd >= 0);
  if (size > 0)
    assert_int_equal(setsockopt(fd, SOL_SOCKET, option, &size, sizeof size), 0);
  assert_int_equal(getsockopt(fd, SOL_SOCKET, option, &size, &length), 0);
  close(fd);
  return size;
}

TEST("a buffer size that was set is what the kernel has") {
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  for (int i = 0; i < BUFFERS; i++) {
    assert_int_equal(buffers[i].get(socket), kernels_size(buffers[i].option, 0));
    assert_int_equal(buffers[i].set(socket, 16384), 0);
    assert_int_equal(buffers[i].get(socket), kernels_size(buffers[i].option, 16384));
#ifdef __linux__
    assert_int_equal(buffers[i].get(socket), 2 * 16384);
#endif
  }
  assert_int_equal(dgram_buffer_size_reason(socket), 0);
}

TEST("the receive and the send buffer have sizes of their own") {
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_set_recv_buffer_size(socket, 10000), 0);
  assert_int_equal(dgram_set_send_buffer_size(socket, 20000), 0);
  assert_int_equal(dgram_get_recv_buffer_size(socket), kernels_size(SO_RCVBUF, 10000));
  assert_int_equal(dgram_get_send_buffer_size(socket), kernels_size(SO_SNDBUF, 20000));
}

/* The system has its limits; it does not call that an error. */
TEST("too large a buffer size is clamped by the kernel") {
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  for (int i = 0; i < BUFFERS; i++) {
    assert_int_equal(buffers[i].set(socket, INT32_MAX), 0);
    assert_int_equal(buffers[i].get(socket), kernels_size(buffers[i].option, INT32_MAX));
  }
}

TEST("a buffer size of 0 changes nothing") {
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  for (int i = 0; i < BUFFERS; i++) {
    assert_int_equal(buffers[i].set(socket, 16384), 0);
    int size = buffers[i].get(socket);
    assert_int_equal(buffers[i].set(socket, 0), 0);
    assert_int_equal(buffers[i].get(socket), size);
  }
}

/* Every call fails, and has a reason. */
static void assert_out_of_reach(dgram_socket_t *socket) {
  for (int i = 0; i < BUFFERS; i++) {
    assert_int_equal(buffers[i].get(socket), DGRAM_ERR_SOCKET_BUFFER_SIZE);
    assert_int_equal(dgram_buffer_size_reason(socket), UV_EBADF);
    assert_int_equal(buffers[i].set(socket, 16384), DGRAM_ERR_SOCKET_BUFFER_SIZE);
    assert_int_equal(buffers[i].set(socket, 0), DGRAM_ERR_SOCKET_BUFFER_SIZE);
    assert_int_equal(dgram_buffer_size_reason(socket), UV_EBADF);
  }
}

TEST("a buffer size of an unbound socket fails with EBADF as the reason") {
  int listening = 0;
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_buffer_size_reason(socket), 0);
  assert_out_of_reach(socket);
  assert_int_equal(dgram_bind(socket, 0, NULL, count_event, &listening), 0);
  assert_out_of_reach(socket); /* nor while it is being bound */
  run_until(loop, &listening, 1);
  assert_true(dgram_get_recv_buffer_size(socket) > 0);
}

TEST("a buffer size of a closed socket fails with EBADF as the reason") {
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  close_socket(socket);
  assert_out_of_reach(socket);
}

static void ask_sizes(dgram_socket_t *socket, void *context) {
  assert_int_equal(dgram_get_recv_buffer_size(socket), kernels_size(SO_RCVBUF, 10000));
  assert_int_equal(dgram_get_send_buffer_size(socket), kernels_size(SO_SNDBUF, 20000));
  trace("asked");
}

/* B23: they are set before 'listening' is emitted. */
TEST("the buffer sizes of the options are set at bind") {
  static const dgram_type_t types[] = {DGRAM_UDP4, DGRAM_UDP6};
  for (int i = 0; i < (have_ipv6() ? 2 : 1); i++) {
    begin_round(loop);
    dgram_options_t options = dgram_default_options(types[i]);
    options.recv_buffer_size = 10000;
    options.send_buffer_size = 20000;
    dgram_socket_t *socket = new_with(loop, &options);
    assert_int_equal(dgram_on_listening(socket, ask_sizes, NULL), 0);
    assert_int_equal(dgram_bind(socket, 0, NULL, NULL, NULL), 0);
    run_until_trace(loop, "asked");
  }
}

TEST("the buffer sizes of the options are set at an implicit bind") {
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.recv_buffer_size = 10000;
  options.send_buffer_size = 20000;
  dgram_socket_t *sender = new_with(loop, &options);
  dgram_socket_t *member = new_with(loop, &options);
  dgram_socket_t *connected = new_with(loop, &options);
  assert_int_equal(dgram_add_membership(member, "224.0.0.114", "127.0.0.1"), 0);
  ask_sizes(member, NULL);
  assert_int_equal(dgram_on_listening(sender, ask_sizes, NULL), 0);
  assert_int_equal(dgram_on_listening(connected, ask_sizes, NULL), 0);
  send_text(sender, "x", 9, NULL, NULL);
  assert_int_equal(dgram_connect(connected, 9, NULL, NULL, NULL), 0);
  run_until_trace(loop, "asked asked asked");
}

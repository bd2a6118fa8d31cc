/* `reuse_port`: sockets share a port, and the system spreads over them what comes to it. */
#include "lib/fixture.h"

static dgram_socket_t *new_sharing(uv_loop_t *loop, int reuse_port, int *received) {
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.reuse_port = reuse_port;
  dgram_socket_t *socket = new_with(loop, &options);
  assert_int_equal(dgram_on_message(socket, count_message, received), 0);
  return socket;
}

#ifdef __linux__
/* Each from a port of its own: the system goes by both ends. */
TEST("datagrams are spread over the sockets of reuse_port") {
  enum { SENDERS = 64 };
  int received[2] = {0, 0};
  dgram_socket_t *first = new_sharing(loop, 1, &received[0]);
  dgram_socket_t *second = new_sharing(loop, 1, &received[1]);
  int port = bind_now(first, "127.0.0.1");
  assert_int_equal(dgram_bind_sync(second, port, "127.0.0.1"), 0);
  for (int i = 0; i < SENDERS; i++) {
    int fd = raw_socket();
    raw_send(fd, "x", 1, port);
    close(fd);
  }
  while (received[0] + received[1] < SENDERS)
    uv_run(loop, UV_RUN_ONCE);
  assert_true(received[0] > 0);
  assert_true(received[1] > 0);
}

TEST("a port is in use unless all sockets have reuse_port") {
  static const int options[][2] = {{0, 0}, {0, 1}, {1, 0}};
  for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
    begin_round(loop);
    int received = 0;
    dgram_socket_t *first = new_sharing(loop, options[i][0], &received);
    dgram_socket_t *second = new_sharing(loop, options[i][1], &received);
    int port = bind_now(first, "127.0.0.1");
    assert_int_equal(dgram_bind_sync(second, port, "127.0.0.1"), UV_EADDRINUSE);
    trace_events(second);
    assert_int_equal(dgram_bind(second, port, "127.0.0.1", NULL, NULL), 0);
    run_until_trace(loop, "error(EADDRINUSE)");
  }
}

TEST("a membership binds with reuse_port") {
  int received = 0;
  dgram_socket_t *first = new_sharing(loop, 1, &received);
  dgram_socket_t *second = new_sharing(loop, 1, &received);
  assert_int_equal(dgram_add_membership(first, "224.0.0.114", "127.0.0.1"), 0);
  assert_int_equal(dgram_bind_sync(second, port_of(first), NULL), 0);
}
#else
TEST("a bind with reuse_port fails where there is none") {
  int received = 0;
  dgram_socket_t *socket = new_sharing(loop, 1, &received);
  trace_events(socket);
  assert_int_equal(dgram_bind_sync(socket, 0, NULL), UV_ENOTSUP);
  assert_int_equal(dgram_bind(socket, 0, NULL, NULL, NULL), 0);
  run_until_trace(loop, "error(ENOTSUP)");
}
#endif

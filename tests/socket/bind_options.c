/* The options that take effect at bind. */
#include "lib/fixture.h"

/* Binds to this very port, and tells how that ended: 0 or the error's code. */
static int try_port(dgram_socket_t *socket, int port, const char *address) {
  struct kept_error kept = {0};
  int listening = 0;
  assert_int_equal(dgram_once_error(socket, keep_error, &kept), 0);
  assert_int_equal(dgram_bind(socket, port, address, count_event, &listening), 0);
  while (listening == 0 && kept.calls == 0)
    uv_run(dgram_loop(socket), UV_RUN_ONCE);
  return kept.code;
}

static int share_a_port(uv_loop_t *loop, int reuse_first, int reuse_second) {
  begin_round(loop);
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.reuse_addr = reuse_first;
  dgram_socket_t *first = new_with(loop, &options);
  options.reuse_addr = reuse_second;
  dgram_socket_t *second = new_with(loop, &options);
  int code = try_port(second, bind_now(first, "127.0.0.1"), "127.0.0.1");
  return code;
}

TEST("reuse addr lets two sockets have one address") {
  assert_int_equal(share_a_port(loop, 1, 1), 0);
}

TEST("without reuse addr on both the address is in use") {
  assert_int_equal(share_a_port(loop, 0, 0), UV_EADDRINUSE);
  assert_int_equal(share_a_port(loop, 1, 0), UV_EADDRINUSE);
  assert_int_equal(share_a_port(loop, 0, 1), UV_EADDRINUSE);
}

/* Binds '::', then 0.0.0.0 on the same port. */
static int bind_both_families(uv_loop_t *loop, int ipv6_only) {
  begin_round(loop);
  dgram_options_t options = dgram_default_options(DGRAM_UDP6);
  options.ipv6_only = ipv6_only;
  dgram_socket_t *v6 = new_with(loop, &options);
  dgram_socket_t *v4 = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  int code = try_port(v4, bind_now(v6, NULL), NULL);
  return code;
}

TEST("ipv6 only leaves the port of ipv4 free") {
  skip_without_ipv6();
  assert_int_equal(bind_both_families(loop, 1), 0);
}

TEST("a dual stack socket takes the port of ipv4 too") {
  skip_without_ipv6();
  assert_int_equal(bind_both_families(loop, 0), UV_EADDRINUSE);
}

/* B21: as libuv says for such a socket. */
TEST("ipv6 only on a udp4 socket is einval") {
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.ipv6_only = 1;
  dgram_socket_t *socket = new_with(loop, &options);
  assert_int_equal(try_port(socket, 0, NULL), UV_EINVAL);
}

/* What arrives while the loop does not run is what the buffer holds. */
static int datagrams_held(uv_loop_t *loop, int recv_buffer_size) {
  enum { SENT = 100, SIZE = 100 };
  begin_round(loop);
  static const char bytes[SIZE];
  int received = 0;
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.recv_buffer_size = recv_buffer_size;
  dgram_socket_t *socket = new_with(loop, &options);
  assert_int_equal(dgram_on_message(socket, count_message, &received), 0);
  int port = bind_now(socket, "127.0.0.1");
  int fd = raw_socket();
  for (int i = 0; i < SENT; i++)
    raw_send(fd, bytes, SIZE, port);
  close(fd);
  for (int i = 0; i < SENT; i++)
    uv_run(loop, UV_RUN_NOWAIT);
  return received;
}

TEST("recv buffer size is that of the system socket") {
  assert_int_equal(datagrams_held(loop, 0), 100);
  assert_in_range(datagrams_held(loop, 4096), 1, 50);
}

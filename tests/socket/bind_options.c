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

static int share_a_port(int reuse_first, int reuse_second) {
  uv_loop_t *loop = open_loop();
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.reuse_addr = reuse_first;
  dgram_socket_t *first = new_with(loop, &options);
  options.reuse_addr = reuse_second;
  dgram_socket_t *second = new_with(loop, &options);
  int code = try_port(second, bind_now(first, "127.0.0.1"), "127.0.0.1");
  close_socket(first);
  close_socket(second);
  close_loop(loop);
  return code;
}

static void reuse_addr_lets_two_sockets_have_one_address(void **state) {
  assert_int_equal(share_a_port(1, 1), 0);
}

static void without_reuse_addr_on_both_the_address_is_in_use(void **state) {
  assert_int_equal(share_a_port(0, 0), UV_EADDRINUSE);
  assert_int_equal(share_a_port(1, 0), UV_EADDRINUSE);
  assert_int_equal(share_a_port(0, 1), UV_EADDRINUSE);
}

/* Binds '::', then 0.0.0.0 on the same port. */
static int bind_both_families(int ipv6_only) {
  uv_loop_t *loop = open_loop();
  dgram_options_t options = dgram_default_options(DGRAM_UDP6);
  options.ipv6_only = ipv6_only;
  dgram_socket_t *v6 = new_with(loop, &options);
  dgram_socket_t *v4 = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  int code = try_port(v4, bind_now(v6, NULL), NULL);
  close_socket(v4);
  close_socket(v6);
  close_loop(loop);
  return code;
}

static void ipv6_only_leaves_the_port_of_ipv4_free(void **state) {
  skip_without_ipv6();
  assert_int_equal(bind_both_families(1), 0);
}

static void a_dual_stack_socket_takes_the_port_of_ipv4_too(void **state) {
  skip_without_ipv6();
  assert_int_equal(bind_both_families(0), UV_EADDRINUSE);
}

/* B21: as libuv says for such a socket. */
static void ipv6_only_on_a_udp4_socket_is_einval(void **state) {
  uv_loop_t *loop = open_loop();
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.ipv6_only = 1;
  dgram_socket_t *socket = new_with(loop, &options);
  assert_int_equal(try_port(socket, 0, NULL), UV_EINVAL);
  close_socket(socket);
  close_loop(loop);
}

/* What arrives while the loop does not run is what the buffer holds. */
static int datagrams_held(int recv_buffer_size) {
  enum { SENT = 100, SIZE = 100 };
  uv_loop_t *loop = open_loop();
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
  close_socket(socket);
  close_loop(loop);
  return received;
}

static void recv_buffer_size_is_that_of_the_system_socket(void **state) {
  assert_int_equal(datagrams_held(0), 100);
  assert_in_range(datagrams_held(4096), 1, 50);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(reuse_addr_lets_two_sockets_have_one_address),
      cmocka_unit_test(without_reuse_addr_on_both_the_address_is_in_use),
      cmocka_unit_test(ipv6_only_leaves_the_port_of_ipv4_free),
      cmocka_unit_test(a_dual_stack_socket_takes_the_port_of_ipv4_too),
      cmocka_unit_test(ipv6_only_on_a_udp4_socket_is_einval),
      cmocka_unit_test(recv_buffer_size_is_that_of_the_system_socket),
  };
  return cmocka_run_group_tests_name("bind_options", tests, NULL, NULL);
}

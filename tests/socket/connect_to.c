/* Where a connect goes: the default peer, numeric addresses and host names of each family. */
#include "lib/fixture.h"

/* Connects, and compares what the socket then says of its peer. */
static void assert_connects(dgram_type_t type, const char *address, const char *remote) {
  uv_loop_t *loop = open_loop();
  int port;
  int connected = 0;
  dgram_address_t peer;
  int fd = raw_holder(&port);
  dgram_socket_t *socket = new_socket(loop, type, NULL, NULL);
  assert_int_equal(dgram_connect(socket, port, address, count_connect, &connected), 0);
  run_until(loop, &connected, 1);
  assert_int_equal(dgram_remote_address(socket, &peer), 0);
  assert_string_equal(peer.address, remote);
  assert_string_equal(peer.family, type == DGRAM_UDP4 ? "IPv4" : "IPv6");
  assert_int_equal(peer.port, port);
  close(fd);
  close_socket(socket);
  close_loop(loop);
}

static void without_address_it_is_this_host(void **state) {
  assert_connects(DGRAM_UDP4, NULL, "127.0.0.1");
}

static void an_empty_address_is_this_host(void **state) {
  assert_connects(DGRAM_UDP4, "", "127.0.0.1");
}

static void of_ipv6_this_host_is_its_loopback(void **state) {
  skip_without_ipv6();
  assert_connects(DGRAM_UDP6, NULL, "::1");
  assert_connects(DGRAM_UDP6, "", "::1");
}

static void a_numeric_address_is_kept(void **state) {
  assert_connects(DGRAM_UDP4, "127.0.0.2", "127.0.0.2");
}

static void a_numeric_address_of_ipv6_is_kept(void **state) {
  skip_without_ipv6();
  assert_connects(DGRAM_UDP6, "0:0::0:1", "::1");
}

static void a_dual_stack_socket_connects_to_a_mapped_address(void **state) {
  skip_without_ipv6();
  assert_connects(DGRAM_UDP6, "::ffff:127.0.0.1", "::ffff:127.0.0.1");
}

static void a_host_name_is_looked_up(void **state) {
  assert_connects(DGRAM_UDP4, "localhost", "127.0.0.1");
}

/* The argument may be gone once the call has returned. */
static void the_address_is_copied(void **state) {
  static const char *const addresses[] = {"127.0.0.2", "localhost"};
  static const char *const remotes[] = {"127.0.0.2", "127.0.0.1"};
  for (int i = 0; i < 2; i++) {
    uv_loop_t *loop = open_loop();
    char address[16];
    int connected = 0;
    dgram_address_t peer;
    dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
    keep_text(address, sizeof address, addresses[i]);
    assert_int_equal(dgram_connect(socket, 9, address, count_connect, &connected), 0);
    memset(address, 'x', sizeof address);
    run_until(loop, &connected, 1);
    assert_int_equal(dgram_remote_address(socket, &peer), 0);
    assert_string_equal(peer.address, remotes[i]);
    close_socket(socket);
    close_loop(loop);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(without_address_it_is_this_host),
      cmocka_unit_test(an_empty_address_is_this_host),
      cmocka_unit_test(of_ipv6_this_host_is_its_loopback),
      cmocka_unit_test(a_numeric_address_is_kept),
      cmocka_unit_test(a_numeric_address_of_ipv6_is_kept),
      cmocka_unit_test(a_dual_stack_socket_connects_to_a_mapped_address),
      cmocka_unit_test(a_host_name_is_looked_up),
      cmocka_unit_test(the_address_is_copied),
  };
  return cmocka_run_group_tests_name("connect_to", tests, NULL, NULL);
}

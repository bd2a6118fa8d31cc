/* Where a connect goes: the default peer, numeric addresses and host names of each family. */
#include "lib/fixture.h"

/* Connects, and compares what the socket then says of its peer. */
static void assert_connects(uv_loop_t *loop, dgram_type_t type, const char *address,
                            const char *remote) {
  begin_round(loop);
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
}

TEST("without address it is this host") {
  assert_connects(loop, DGRAM_UDP4, NULL, "127.0.0.1");
}

TEST("an empty address is this host") {
  assert_connects(loop, DGRAM_UDP4, "", "127.0.0.1");
}

TEST("of ipv6 this host is its loopback") {
  skip_without_ipv6();
  assert_connects(loop, DGRAM_UDP6, NULL, "::1");
  assert_connects(loop, DGRAM_UDP6, "", "::1");
}

TEST("a numeric address is kept") {
  assert_connects(loop, DGRAM_UDP4, "127.0.0.2", "127.0.0.2");
}

TEST("a numeric address of ipv6 is kept") {
  skip_without_ipv6();
  assert_connects(loop, DGRAM_UDP6, "0:0::0:1", "::1");
}

TEST("a dual stack socket connects to a mapped address") {
  skip_without_ipv6();
  assert_connects(loop, DGRAM_UDP6, "::ffff:127.0.0.1", "::ffff:127.0.0.1");
}

TEST("a host name is looked up") {
  assert_connects(loop, DGRAM_UDP4, "localhost", "127.0.0.1");
}

/* The argument may be gone once the call has returned. */
TEST("the address is copied") {
  static const char *const addresses[] = {"127.0.0.2", "localhost"};
  static const char *const remotes[] = {"127.0.0.2", "127.0.0.1"};
  for (int i = 0; i < 2; i++) {
    begin_round(loop);
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
  }
}

/*
 * How far a unicast datagram travels: from left to right there is one router, middle, so 1 hop is
 * not enough and 2 are.
 */
#include "lib/packets.h"

TEST_OVER_EACH("a datagram with a TTL of 1 dies at the router, and with 2 arrives behind it") {
  forward();
  dgram_socket_t *sender = bind_on(left, net->type, NULL);
  bind_on(right, net->type, NULL);
  enter(left);
  int wire = tap("eth0");
  assert_int_equal(dgram_set_ttl(sender, 1), 0);
  send_from(sender, "one", net->right);
  wait_for_time_exceeded(wire);
  assert_int_equal(dgram_set_ttl(sender, 2), 0);
  send_from(sender, "two", net->right);
  assert_received(right, "two");
}

/* To the neighbour, whom it reaches as it was sent. */
TEST_OVER_EACH("a datagram carries the TTL, and not that of multicast") {
  static const int ttls[] = {1, 2, 100, 255};
  int wire = tap("eth0");
  dgram_socket_t *sender = bind_on(left, net->type, NULL);
  send_from(sender, "first", net->middle);
  assert_int_equal(wait_for_udp_hops(wire), 64);
  for (size_t i = 0; i < sizeof ttls / sizeof ttls[0]; i++) {
    assert_int_equal(dgram_set_ttl(sender, ttls[i]), 0);
    send_from(sender, "next", net->middle);
    assert_int_equal(wait_for_udp_hops(wire), ttls[i]);
  }
  assert_int_equal(dgram_set_multicast_ttl(sender, 9), 0);
  send_from(sender, "last", net->middle);
  assert_int_equal(wait_for_udp_hops(wire), 255);
}

int main(void) {
  return hosts_run();
}

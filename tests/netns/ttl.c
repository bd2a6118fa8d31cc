/*
 * How far a unicast datagram travels: from left to right there is one router, middle, so 1 hop is
 * not enough and 2 are.
 */
#include "lib/packets.h"

static void one_hop_dies_at_the_router(dgram_type_t type, const char *to) {
  open_hosts();
  forward();
  dgram_socket_t *speaker = bind_on(left, type, NULL);
  dgram_socket_t *listener = bind_on(right, type, NULL);
  enter(left);
  int wire = tap("eth0");
  assert_int_equal(dgram_set_ttl(speaker, 1), 0);
  say(speaker, "one", to);
  wait_for_time_exceeded(wire);
  assert_int_equal(dgram_set_ttl(speaker, 2), 0);
  say(speaker, "two", to);
  assert_heard(right, "two");
  close_socket(speaker);
  close_socket(listener);
  close(wire);
  close_hosts();
}

static void one_hop_dies_at_the_router_over_ipv4(void **state) {
  one_hop_dies_at_the_router(DGRAM_UDP4, "10.0.2.2");
}

static void one_hop_dies_at_the_router_over_ipv6(void **state) {
  one_hop_dies_at_the_router(DGRAM_UDP6, "fd00:2::2");
}

/* To the neighbour, whom it reaches as it was sent. */
static void the_datagram_carries_the_number(dgram_type_t type, const char *to) {
  static const int ttls[] = {1, 2, 100, 255};
  open_hosts();
  int wire = tap("eth0");
  dgram_socket_t *speaker = bind_on(left, type, NULL);
  say(speaker, "first", to);
  assert_int_equal(wait_for_udp_hops(wire), 64);
  for (size_t i = 0; i < sizeof ttls / sizeof ttls[0]; i++) {
    assert_int_equal(dgram_set_ttl(speaker, ttls[i]), 0);
    say(speaker, "next", to);
    assert_int_equal(wait_for_udp_hops(wire), ttls[i]);
  }
  assert_int_equal(dgram_set_multicast_ttl(speaker, 9), 0); /* is another matter */
  say(speaker, "last", to);
  assert_int_equal(wait_for_udp_hops(wire), 255);
  close_socket(speaker);
  close(wire);
  close_hosts();
}

static void the_datagram_carries_the_number_over_ipv4(void **state) {
  the_datagram_carries_the_number(DGRAM_UDP4, "10.0.1.1");
}

static void the_datagram_carries_the_number_over_ipv6(void **state) {
  the_datagram_carries_the_number(DGRAM_UDP6, "fd00:1::1");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(one_hop_dies_at_the_router_over_ipv4),
      cmocka_unit_test(one_hop_dies_at_the_router_over_ipv6),
      cmocka_unit_test(the_datagram_carries_the_number_over_ipv4),
      cmocka_unit_test(the_datagram_carries_the_number_over_ipv6),
  };
  return HOSTS_MAIN("ttl", tests);
}

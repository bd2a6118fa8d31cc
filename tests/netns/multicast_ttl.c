/*
 * How far multicast travels. middle routes the group from left to right, as a multicast routing
 * daemon would have it do; the first hop is spent on the way to it.
 */
#include "lib/packets.h"

#include <linux/mroute.h>
#include <linux/mroute6.h>

enum { FROM, TO }; /* the router's own numbers of eth0 and eth1 */

static const char *const interfaces[] = {[FROM] = "eth0", [TO] = "eth1"};

/* The routers last until their descriptor is closed. They return -1 if the kernel has none. */

static int route_v4(const char *source, const char *group) {
  int on = 1;
  int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_IGMP);
  assert_true(fd >= 0);
  if (setsockopt(fd, IPPROTO_IP, MRT_INIT, &on, sizeof on) != 0) {
    close(fd);
    return -1;
  }
  for (int i = FROM; i <= TO; i++) {
    struct vifctl vif = {.vifc_vifi = (vifi_t)i,
                         .vifc_flags = VIFF_USE_IFINDEX,
                         .vifc_threshold = 1,
                         .vifc_lcl_ifindex = (int)if_nametoindex(interfaces[i])};
    assert_int_equal(setsockopt(fd, IPPROTO_IP, MRT_ADD_VIF, &vif, sizeof vif), 0);
  }
  struct mfcctl route = {.mfcc_parent = FROM};
  route.mfcc_ttls[TO] = 1;
  assert_int_equal(inet_pton(AF_INET, source, &route.mfcc_origin), 1);
  assert_int_equal(inet_pton(AF_INET, group, &route.mfcc_mcastgrp), 1);
  assert_int_equal(setsockopt(fd, IPPROTO_IP, MRT_ADD_MFC, &route, sizeof route), 0);
  return fd;
}

static int route_v6(const char *source, const char *group) {
  int on = 1;
  int fd = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMPV6);
  assert_true(fd >= 0);
  if (setsockopt(fd, IPPROTO_IPV6, MRT6_INIT, &on, sizeof on) != 0) {
    close(fd);
    return -1;
  }
  for (int i = FROM; i <= TO; i++) {
    struct mif6ctl mif = {.mif6c_mifi = (mifi_t)i,
                          .vifc_threshold = 1,
                          .mif6c_pifi = (uint16_t)if_nametoindex(interfaces[i])};
    assert_int_equal(setsockopt(fd, IPPROTO_IPV6, MRT6_ADD_MIF, &mif, sizeof mif), 0);
  }
  struct mf6cctl route = {.mf6cc_parent = FROM};
  route.mf6cc_origin.sin6_family = AF_INET6;
  route.mf6cc_mcastgrp.sin6_family = AF_INET6;
  IF_SET(TO, &route.mf6cc_ifset);
  assert_int_equal(inet_pton(AF_INET6, source, &route.mf6cc_origin.sin6_addr), 1);
  assert_int_equal(inet_pton(AF_INET6, group, &route.mf6cc_mcastgrp.sin6_addr), 1);
  assert_int_equal(setsockopt(fd, IPPROTO_IPV6, MRT6_ADD_MFC, &route, sizeof route), 0);
  return fd;
}

static void one_hop_ends_at_the_router(dgram_type_t type, const char *group, int router,
                                       const char *source, const char *far) {
  dgram_socket_t *speaker = bind_on(left, type, source);
  dgram_socket_t *near_member = bind_on(middle, type, NULL);
  dgram_socket_t *far_member = bind_on(right, type, NULL);
  assert_int_equal(dgram_add_membership(near_member, group, "eth0"), 0);
  enter(right);
  assert_int_equal(dgram_add_membership(far_member, group, "eth0"), 0);

  say(speaker, "first", group); /* systems start with 1 */
  assert_int_equal(dgram_set_multicast_ttl(speaker, 2), 0);
  say(speaker, "two", group);
  assert_int_equal(dgram_set_multicast_ttl(speaker, 1), 0);
  say(speaker, "one", group);
  assert_int_equal(dgram_set_ttl(speaker, 9), 0); /* is another matter */
  say(speaker, "again", group);

  say(speaker, "end", far);
  assert_heard(right, "two end");
  assert_heard(middle, "first two one again");
  close_socket(speaker);
  close_socket(near_member);
  close_socket(far_member);
  close(router);
  close_hosts();
}

#define skip_without_router(fd)                                    \
  do {                                                             \
    if ((fd) < 0) {                                                \
      print_message("skipped: this kernel routes no multicast\n"); \
      skip();                                                      \
    }                                                              \
  } while (0)

static void one_hop_ends_at_the_router_over_ipv4(void **state) {
  open_hosts();
  forward();
  int router = route_v4("10.0.1.2", "239.1.2.3");
  skip_without_router(router);
  one_hop_ends_at_the_router(DGRAM_UDP4, "239.1.2.3", router, "10.0.1.2", "10.0.2.2");
}

static void one_hop_ends_at_the_router_over_ipv6(void **state) {
  open_hosts();
  forward();
  int router = route_v6("fd00:1::2", "ff15::1234");
  skip_without_router(router);
  one_hop_ends_at_the_router(DGRAM_UDP6, "ff15::1234", router, "fd00:1::2", "fd00:2::2");
}

static void no_hop_stays_on_the_host(dgram_type_t type, const char *group, const char *neighbour) {
  open_hosts();
  dgram_socket_t *speaker = bind_on(middle, type, NULL);
  dgram_socket_t *member = bind_on(left, type, NULL);
  assert_int_equal(dgram_add_membership(speaker, group, "eth0"), 0);
  enter(left);
  assert_int_equal(dgram_add_membership(member, group, "eth0"), 0);
  enter(middle);
  assert_int_equal(dgram_set_multicast_ttl(speaker, 0), 0);
  say(speaker, "none", group);
  assert_int_equal(dgram_set_multicast_ttl(speaker, 255), 0);
  say(speaker, "many", group);
  say(speaker, "end", neighbour);
  assert_heard(left, "many end");
  assert_heard(middle, "none many");
  close_socket(speaker);
  close_socket(member);
  close_hosts();
}

static void no_hop_stays_on_the_host_over_ipv4(void **state) {
  no_hop_stays_on_the_host(DGRAM_UDP4, "239.1.2.3", "10.0.1.2");
}

static void no_hop_stays_on_the_host_over_ipv6(void **state) {
  no_hop_stays_on_the_host(DGRAM_UDP6, "ff15::1234", "fd00:1::2");
}

static void the_datagram_carries_the_number(dgram_type_t type, const char *group) {
  static const int ttls[] = {1, 2, 100, 255};
  open_hosts();
  int wire = tap("eth0");
  dgram_socket_t *speaker = bind_on(left, type, NULL);
  for (size_t i = 0; i < sizeof ttls / sizeof ttls[0]; i++) {
    assert_int_equal(dgram_set_multicast_ttl(speaker, ttls[i]), 0);
    say(speaker, "hello", group);
    assert_int_equal(wait_for_udp_hops(wire), ttls[i]);
  }
  close_socket(speaker);
  close(wire);
  close_hosts();
}

static void the_datagram_carries_the_number_over_ipv4(void **state) {
  the_datagram_carries_the_number(DGRAM_UDP4, "239.1.2.3");
}

static void the_datagram_carries_the_number_over_ipv6(void **state) {
  the_datagram_carries_the_number(DGRAM_UDP6, "ff15::1234");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(one_hop_ends_at_the_router_over_ipv4),
      cmocka_unit_test(one_hop_ends_at_the_router_over_ipv6),
      cmocka_unit_test(no_hop_stays_on_the_host_over_ipv4),
      cmocka_unit_test(no_hop_stays_on_the_host_over_ipv6),
      cmocka_unit_test(the_datagram_carries_the_number_over_ipv4),
      cmocka_unit_test(the_datagram_carries_the_number_over_ipv6),
  };
  return HOSTS_MAIN("multicast_ttl", tests);
}

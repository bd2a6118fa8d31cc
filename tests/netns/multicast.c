/*
 * What a sender of multicast chooses: by which interface it leaves (left and right are members,
 * and the one receives by whose link middle sends), whether the sender's own host receives it, and
 * how far it travels: middle routes the group from left to right, as a multicast routing daemon
 * would have it do; the first hop is spent on the way to it.
 */
#include "lib/packets.h"

#include <linux/mroute.h>
#include <linux/mroute6.h>

/* A member on a host, by the interface that the host has towards middle, or that it would choose.
 */
static dgram_socket_t *join_on(struct host *host, dgram_type_t type, const char *group,
                               const char *interface) {
  struct host *before = here;
  dgram_socket_t *member = bind_on(host, type, NULL);
  enter(host);
  assert_int_equal(dgram_add_membership(member, group, interface), 0);
  enter(before);
  return member;
}

/* ---- by which interface ---- */

static dgram_socket_t *open_sender(dgram_type_t type, const char *group) {
  join_on(left, type, group, "eth0");
  join_on(right, type, group, "eth0");
  return bind_on(middle, type, NULL);
}

/* What is sent to the group goes to this host, and not to the other. */
static void assert_leads_to(dgram_socket_t *sender, const char *group, const struct host *host) {
  const struct addresses *net = strchr(group, ':') != NULL ? &ipv6 : &ipv4;
  send_from(sender, "hello", group);
  send_from(sender, "end", net->left);
  send_from(sender, "end", net->right);
  assert_received(left, host == left ? "hello end" : "end");
  assert_received(right, host == right ? "hello end" : "end");
}

/* Chooses the interface towards right, and gives the choice back to the system: left. */
static void assert_choice(const struct addresses *net, const char *group, const char *interface,
                          const char *nobody) {
  dgram_socket_t *sender = open_sender(net->type, group);
  assert_leads_to(sender, group, left);
  assert_int_equal(dgram_set_multicast_interface(sender, interface), 0);
  assert_leads_to(sender, group, right);
  assert_int_equal(dgram_set_multicast_interface(sender, nobody), 0);
  assert_leads_to(sender, group, left);
}

TEST("an interface is chosen by its address") {
  assert_choice(&ipv4, ipv4.group, "10.0.2.1", "0.0.0.0");
}

TEST_OVER_EACH("an interface is chosen by its name") {
  assert_choice(net, net->group, "eth1", net == &ipv4 ? "0.0.0.0" : "::");
}

TEST("an interface is chosen by a zone, for groups of any scope") {
  assert_choice(&ipv6, "ff15::1234", "::%eth1", "::");
  reopen_hosts();
  assert_choice(&ipv6, "ff02::1234", "::%eth1", "::");
}

/* The specification's own words: most errors return to the system's choice. */
TEST("an unknown zone returns the choice of the interface to the system") {
  assert_choice(&ipv6, ipv6.group, "::%eth1", "::%eth9");
}

TEST("an interface is chosen by the number of a zone") {
  char number[32];
  dgram_socket_t *sender = open_sender(DGRAM_UDP6, ipv6.group);
  snprintf(number, sizeof number, "::%%%u", if_nametoindex("eth1"));
  assert_int_equal(dgram_set_multicast_interface(sender, number), 0);
  assert_leads_to(sender, ipv6.group, right);
}

TEST("the zone of a single send goes before the chosen interface") {
  dgram_socket_t *sender = open_sender(DGRAM_UDP6, "ff02::1234");
  assert_leads_to(sender, "ff02::1234", left);
  assert_leads_to(sender, "ff02::1234%eth1", right);
  assert_leads_to(sender, "ff02::1234", left);
}

TEST("an interface that does not exist is refused and changes nothing") {
  dgram_socket_t *sender = open_sender(DGRAM_UDP4, ipv4.group);
  assert_int_equal(dgram_set_multicast_interface(sender, "10.0.2.1"), 0);
  assert_int_equal(dgram_set_multicast_interface(sender, "10.9.9.9"), UV_EADDRNOTAVAIL);
  assert_int_equal(dgram_set_multicast_interface(sender, "::%eth0"), UV_ENOPROTOOPT);
  assert_int_equal(dgram_set_multicast_interface(sender, "eth9"), UV_EINVAL);
  assert_leads_to(sender, ipv4.group, right);
}

/* Sends a word, which leaves with the loop's next iteration, or before an option changes. */
static void send_later(dgram_socket_t *sender, const char *text, const char *address) {
  assert_int_equal(dgram_send(sender, text, strlen(text), PORT, address, NULL, NULL), 0);
}

TEST("an interface is chosen for the sends after the call, also within one iteration") {
  dgram_socket_t *sender = open_sender(DGRAM_UDP4, ipv4.group);
  assert_int_equal(dgram_set_multicast_interface(sender, "10.0.1.1"), 0);
  send_later(sender, "a", ipv4.group);
  assert_int_equal(dgram_set_multicast_interface(sender, "10.0.2.1"), 0);
  send_later(sender, "b", ipv4.group);
  send_from(sender, "end", ipv4.left);
  send_from(sender, "end", ipv4.right);
  assert_received(left, "a end");
  assert_received(right, "b end");
}

/* ---- on the sender's own host ---- */

TEST_OVER_EACH("the sender's own host receives with loopback only, and the others always do") {
  dgram_socket_t *sender = join_on(middle, net->type, net->group, NULL);
  join_on(left, net->type, net->group, NULL);

  send_from(sender, "first", net->group);
  assert_int_equal(dgram_set_multicast_loopback(sender, 0), 0);
  send_from(sender, "without", net->group);
  assert_int_equal(dgram_set_multicast_loopback(sender, 1), 0);
  send_from(sender, "with", net->group);

  send_from(sender, "end", net->middle);
  send_from(sender, "end", net->left);
  assert_received(middle, "first with end");
  assert_received(left, "first without with end");
}

/* A call does not act on what was sent before it, though that waits for the loop. */
TEST("loopback is set for the sends after the call, also within one iteration") {
  dgram_socket_t *sender = join_on(middle, DGRAM_UDP4, ipv4.group, NULL);
  for (int on = 0; on <= 1; on++) {
    assert_int_equal(dgram_set_multicast_loopback(sender, on), 0);
    send_later(sender, on ? "with" : "without", ipv4.group);
  }
  assert_int_equal(dgram_set_multicast_loopback(sender, 0), 0);
  send_from(sender, "end", ipv4.middle);
  assert_received(middle, "with end");
}

TEST("a member does not receive what it sent before it joined and after it left") {
  dgram_socket_t *sender = bind_on(middle, DGRAM_UDP4, NULL);
  send_later(sender, "before", ipv4.group);
  assert_int_equal(dgram_add_membership(sender, ipv4.group, NULL), 0);
  send_later(sender, "member", ipv4.group);
  assert_int_equal(dgram_drop_membership(sender, ipv4.group, NULL), 0);
  send_later(sender, "after", ipv4.group);
  send_from(sender, "end", ipv4.middle);
  assert_received(middle, "member end");
}

/* ---- how far ---- */

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

/* Has middle route the group from left to right. */
static void route(const struct addresses *net) {
  forward();
  int router = net == &ipv4 ? route_v4(net->left, net->group) : route_v6(net->left, net->group);
  if (router < 0) {
    print_message("skipped: this kernel routes no multicast\n");
    skip();
  }
  close_with_hosts(router);
}

TEST_OVER_EACH("a datagram with a multicast TTL of 1 ends at the router, and with 2 behind it") {
  route(net);
  dgram_socket_t *sender = bind_on(left, net->type, net->left);
  join_on(middle, net->type, net->group, "eth0");
  join_on(right, net->type, net->group, "eth0");

  send_from(sender, "first", net->group); /* systems start with 1 */
  assert_int_equal(dgram_set_multicast_ttl(sender, 2), 0);
  send_from(sender, "two", net->group);
  assert_int_equal(dgram_set_multicast_ttl(sender, 1), 0);
  send_from(sender, "one", net->group);
  assert_int_equal(dgram_set_ttl(sender, 9), 0); /* is another matter */
  send_from(sender, "again", net->group);

  send_from(sender, "end", net->right);
  assert_received(right, "two end");
  assert_received(middle, "first two one again");
}

TEST_OVER_EACH("a datagram with a multicast TTL of 0 stays on its host") {
  dgram_socket_t *sender = join_on(middle, net->type, net->group, "eth0");
  join_on(left, net->type, net->group, "eth0");
  assert_int_equal(dgram_set_multicast_ttl(sender, 0), 0);
  send_from(sender, "none", net->group);
  assert_int_equal(dgram_set_multicast_ttl(sender, 255), 0);
  send_from(sender, "many", net->group);
  send_from(sender, "end", net->left);
  assert_received(left, "many end");
  assert_received(middle, "none many");
}

TEST_OVER_EACH("a datagram carries the multicast TTL") {
  static const int ttls[] = {1, 2, 100, 255};
  int wire = tap("eth0");
  dgram_socket_t *sender = bind_on(left, net->type, NULL);
  for (size_t i = 0; i < sizeof ttls / sizeof ttls[0]; i++) {
    assert_int_equal(dgram_set_multicast_ttl(sender, ttls[i]), 0);
    send_from(sender, "hello", net->group);
    assert_int_equal(wait_for_udp_hops(wire), ttls[i]);
  }
}

int main(void) {
  return hosts_run();
}

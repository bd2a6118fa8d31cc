/*
 * IPv6 link-local addresses, which mean something on one link only: their zone says which. Both
 * neighbours of middle have the same one, so that only the zone tells them apart.
 */
#include "lib/hosts.h"

#define NEIGHBOUR "fe80::2"
#define SELF "fe80::1" /* middle's, on both links */

static int is_routed(const char *address, const char *interface) {
  char command[256];
  snprintf(command, sizeof command,
           "PATH=$PATH:/usr/sbin:/sbin; ip -6 route show table local dev %s | grep -q '^local %s '",
           interface, address);
  return system(command) == 0;
}

/*
 * The kernel takes in what comes to a new address once it has the route to it, which a worker of
 * its own makes: on a busy machine that may be a while after the call.
 */
static void add_address(const char *address, const char *interface) {
  char event[4096];
  struct sockaddr_nl groups = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_IPV6_ROUTE};
  int events = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  assert_true(events >= 0);
  assert_int_equal(bind(events, (struct sockaddr *)&groups, sizeof groups), 0);
  sh("ip addr add %s/64 nodad dev %s", address, interface);
  while (!is_routed(address, interface))
    assert_true(recv(events, event, sizeof event, 0) > 0);
  close(events);
}

static void open_links(void) {
  open_hosts();
  add_address(SELF, "eth0");
  add_address(SELF, "eth1");
  for (int i = 0; i < 2; i++) {
    enter(i == 0 ? left : right);
    add_address(NEIGHBOUR, "eth0");
  }
  enter(middle);
}

/* Notes who sent it, and answers there by nothing but what rinfo says. */
static void answer(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                   void *context) {
  char text[64];
  int length = snprintf(text, sizeof text, "re:%.*s", (int)rinfo->size, message);
  assert_string_equal(rinfo->family, "IPv6");
  trace("%s", dgram_rinfo_address(rinfo));
  assert_int_equal(
      dgram_send(socket, text, (size_t)length, rinfo->port, dgram_rinfo_address(rinfo), NULL, NULL),
      0);
}

static void the_senders_zone_leads_back_to_it(void **state) {
  open_links();
  dgram_socket_t *first = bind_on(left, DGRAM_UDP6, NEIGHBOUR "%eth0");
  dgram_socket_t *second = bind_on(right, DGRAM_UDP6, NEIGHBOUR "%eth0");
  dgram_socket_t *echo = bind_on(middle, DGRAM_UDP6, NULL);
  assert_int_equal(dgram_on_message(echo, answer, NULL), 0);

  say(second, "two", SELF "%eth0");
  assert_heard(right, "re:two");
  assert_trace(NEIGHBOUR "%eth1");
  say(first, "one", SELF "%eth0");
  assert_heard(left, "re:one");
  assert_trace(NEIGHBOUR "%eth0");
  close_socket(first);
  close_socket(second);
  close_socket(echo);
  close_hosts();
}

static void a_send_goes_to_the_zone_of_its_address(void **state) {
  char number[64];
  open_links();
  dgram_socket_t *first = bind_on(left, DGRAM_UDP6, NULL);
  dgram_socket_t *second = bind_on(right, DGRAM_UDP6, NULL);
  dgram_socket_t *speaker = bind_on(middle, DGRAM_UDP6, NULL);
  snprintf(number, sizeof number, NEIGHBOUR "%%%u", if_nametoindex("eth1"));
  say(speaker, "one", NEIGHBOUR "%eth0");
  say(speaker, "two", NEIGHBOUR "%eth1");
  say(speaker, "three", number);
  say(speaker, "end", NEIGHBOUR "%eth0");
  assert_heard(left, "one end");
  assert_heard(right, "two three");
  close_socket(first);
  close_socket(second);
  close_socket(speaker);
  close_hosts();
}

/* In one turn to one address and port: they must not share a system call's one destination. */
static void sends_of_one_turn_keep_their_zones(void **state) {
  enum { PAIRS = 10 };
  open_links();
  dgram_socket_t *first = bind_on(left, DGRAM_UDP6, NULL);
  dgram_socket_t *second = bind_on(right, DGRAM_UDP6, NULL);
  dgram_socket_t *speaker = bind_on(middle, DGRAM_UDP6, NULL);
  for (int i = 0; i < PAIRS; i++) {
    assert_int_equal(dgram_send(speaker, "L", 1, PORT, NEIGHBOUR "%eth0", NULL, NULL), 0);
    assert_int_equal(dgram_send(speaker, "R", 1, PORT, NEIGHBOUR "%eth1", NULL, NULL), 0);
  }
  assert_heard(left, "L L L L L L L L L L");
  assert_heard(right, "R R R R R R R R R R");
  close_socket(first);
  close_socket(second);
  close_socket(speaker);
  close_hosts();
}

static void a_bound_address_has_its_zone(void **state) {
  open_links();
  dgram_socket_t *first = bind_on(left, DGRAM_UDP6, NULL);
  dgram_socket_t *second = bind_on(right, DGRAM_UDP6, NULL);
  dgram_socket_t *bound = bind_on(middle, DGRAM_UDP6, SELF "%eth1");
  dgram_address_t address;
  assert_int_equal(dgram_address(bound, &address), 0);
  assert_string_equal(address.address, SELF "%eth1");
  say(first, "one", SELF "%eth0"); /* middle has this address here too, but nobody on it */
  say(second, "two", SELF "%eth0");
  assert_heard(middle, "two");
  close_socket(first);
  close_socket(second);
  close_socket(bound);
  close_hosts();
}

static void without_zone_it_cannot_be_bound_to(void **state) {
  struct kept_error kept = {0};
  open_links();
  dgram_socket_t *socket = new_socket(middle->loop, DGRAM_UDP6, NULL, NULL);
  assert_int_equal(dgram_on_error(socket, keep_error, &kept), 0);
  assert_int_equal(dgram_bind(socket, PORT, SELF, NULL, NULL), 0);
  run_hosts_until(&kept.calls, 1);
  assert_string_equal(kept.message, "bind EINVAL " SELF ":4000");
  close_socket(socket);
  close_hosts();
}

static void a_connected_socket_hears_its_zone_only(void **state) {
  dgram_address_t peer;
  open_links();
  dgram_socket_t *first = bind_on(left, DGRAM_UDP6, NEIGHBOUR "%eth0");
  dgram_socket_t *second = bind_on(right, DGRAM_UDP6, NEIGHBOUR "%eth0");
  dgram_socket_t *socket = bind_on(middle, DGRAM_UDP6, NULL);
  connect_to_host(socket, NEIGHBOUR "%eth1");
  assert_int_equal(dgram_remote_address(socket, &peer), 0);
  assert_string_equal(peer.address, NEIGHBOUR "%eth1");

  say(socket, "hello", NULL);
  assert_heard(right, "hello");
  say(first, "one", SELF "%eth0");
  say(second, "two", SELF "%eth0");
  assert_heard(middle, "two");
  close_socket(first);
  close_socket(second);
  close_socket(socket);
  close_hosts();
}

/* An address with such a zone is one without: the kernel, which can't bind to it, says so. */
static void a_zone_that_is_not_there_is_none(void **state) {
  struct kept_error kept = {0};
  open_links();
  dgram_socket_t *socket = new_socket(middle->loop, DGRAM_UDP6, NULL, NULL);
  assert_int_equal(dgram_on_error(socket, keep_error, &kept), 0);
  assert_int_equal(dgram_bind(socket, PORT, SELF "%eth9", NULL, NULL), 0);
  run_hosts_until(&kept.calls, 1);
  assert_string_equal(kept.message, "bind EINVAL " SELF ":4000");
  assert_int_equal(dgram_bind_sync(socket, PORT, SELF "%eth9"), UV_EINVAL);
  assert_int_equal(dgram_connect_sync(socket, PORT, NEIGHBOUR "%eth9"), UV_EINVAL);
  close_socket(socket);
  close_hosts();
}

static void other_addresses_have_no_zone(void **state) {
  open_links();
  dgram_socket_t *speaker = bind_on(left, DGRAM_UDP6, "fd00:1::2");
  dgram_socket_t *echo = bind_on(middle, DGRAM_UDP6, NULL);
  assert_int_equal(dgram_on_message(echo, answer, NULL), 0);
  say(speaker, "hello", "fd00:1::1");
  assert_heard(left, "re:hello");
  assert_trace("fd00:1::2");
  close_socket(speaker);
  close_socket(echo);
  close_hosts();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_senders_zone_leads_back_to_it),
      cmocka_unit_test(a_send_goes_to_the_zone_of_its_address),
      cmocka_unit_test(sends_of_one_turn_keep_their_zones),
      cmocka_unit_test(a_bound_address_has_its_zone),
      cmocka_unit_test(without_zone_it_cannot_be_bound_to),
      cmocka_unit_test(a_connected_socket_hears_its_zone_only),
      cmocka_unit_test(a_zone_that_is_not_there_is_none),
      cmocka_unit_test(other_addresses_have_no_zone),
  };
  return HOSTS_MAIN("link_local", tests);
}

/*
 * IPv6 link-local addresses, which are valid on one link only: their zone is the link. Both
 * neighbours of middle have the same one, so that only the zone distinguishes them.
 */
#include "lib/hosts.h"

#define NEIGHBOUR "fe80::2"
#define SELF "fe80::1" /* middle's, on both links */

static void open_links(void) {
  add_address(SELF, 64, "eth0");
  add_address(SELF, 64, "eth1");
  for (int i = 0; i < 2; i++) {
    enter(i == 0 ? left : right);
    add_address(NEIGHBOUR, 64, "eth0");
  }
  enter(middle);
}

/* Traces the sender, and answers to the address and port of rinfo. */
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

TEST("a sender's address has the zone that leads back to it") {
  open_links();
  dgram_socket_t *first = bind_on(left, DGRAM_UDP6, NEIGHBOUR "%eth0");
  dgram_socket_t *second = bind_on(right, DGRAM_UDP6, NEIGHBOUR "%eth0");
  dgram_socket_t *echo = bind_on(middle, DGRAM_UDP6, NULL);
  assert_int_equal(dgram_on_message(echo, answer, NULL), 0);

  send_from(second, "two", SELF "%eth0");
  assert_received(right, "re:two");
  assert_trace(NEIGHBOUR "%eth1");
  send_from(first, "one", SELF "%eth0");
  assert_received(left, "re:one");
  assert_trace(NEIGHBOUR "%eth0");
}

TEST("a send goes to the zone of its address") {
  char number[64];
  open_links();
  bind_on(left, DGRAM_UDP6, NULL);
  bind_on(right, DGRAM_UDP6, NULL);
  dgram_socket_t *sender = bind_on(middle, DGRAM_UDP6, NULL);
  snprintf(number, sizeof number, NEIGHBOUR "%%%u", if_nametoindex("eth1"));
  send_from(sender, "one", NEIGHBOUR "%eth0");
  send_from(sender, "two", NEIGHBOUR "%eth1");
  send_from(sender, "three", number);
  send_from(sender, "end", NEIGHBOUR "%eth0");
  assert_received(left, "one end");
  assert_received(right, "two three");
}

/* To one address and port: they must not share a system call's one destination. */
TEST("sends of one iteration to one address keep their zones") {
  enum { PAIRS = 10 };
  open_links();
  bind_on(left, DGRAM_UDP6, NULL);
  bind_on(right, DGRAM_UDP6, NULL);
  dgram_socket_t *sender = bind_on(middle, DGRAM_UDP6, NULL);
  for (int i = 0; i < PAIRS; i++) {
    assert_int_equal(dgram_send(sender, "L", 1, PORT, NEIGHBOUR "%eth0", NULL, NULL), 0);
    assert_int_equal(dgram_send(sender, "R", 1, PORT, NEIGHBOUR "%eth1", NULL, NULL), 0);
  }
  assert_received(left, "L L L L L L L L L L");
  assert_received(right, "R R R R R R R R R R");
}

TEST("a bound address has its zone") {
  open_links();
  dgram_socket_t *first = bind_on(left, DGRAM_UDP6, NULL);
  dgram_socket_t *second = bind_on(right, DGRAM_UDP6, NULL);
  dgram_socket_t *bound = bind_on(middle, DGRAM_UDP6, SELF "%eth1");
  dgram_address_t address;
  assert_int_equal(dgram_address(bound, &address), 0);
  assert_string_equal(address.address, SELF "%eth1");
  send_from(first, "one", SELF "%eth0"); /* middle has this address here too, but nobody on it */
  send_from(second, "two", SELF "%eth0");
  assert_received(middle, "two");
}

TEST("a bind to a link-local address without a zone is EINVAL") {
  struct kept_error kept = {0};
  open_links();
  dgram_socket_t *socket = new_socket(middle->loop, DGRAM_UDP6, NULL, NULL);
  assert_int_equal(dgram_on_error(socket, keep_error, &kept), 0);
  assert_int_equal(dgram_bind(socket, PORT, SELF, NULL, NULL), 0);
  run_hosts_until(&kept.calls, 1);
  assert_string_equal(kept.message, "bind EINVAL " SELF ":4000");
}

TEST("a connected socket receives from its zone only") {
  dgram_address_t peer;
  open_links();
  dgram_socket_t *first = bind_on(left, DGRAM_UDP6, NEIGHBOUR "%eth0");
  dgram_socket_t *second = bind_on(right, DGRAM_UDP6, NEIGHBOUR "%eth0");
  dgram_socket_t *socket = bind_on(middle, DGRAM_UDP6, NULL);
  connect_to_host(socket, NEIGHBOUR "%eth1");
  assert_int_equal(dgram_remote_address(socket, &peer), 0);
  assert_string_equal(peer.address, NEIGHBOUR "%eth1");

  send_from(socket, "hello", NULL);
  assert_received(right, "hello");
  send_from(first, "one", SELF "%eth0");
  send_from(second, "two", SELF "%eth0");
  assert_received(middle, "two");
}

/* An address with such a zone is one without: the kernel returns the error. */
TEST("a zone that does not exist is as none: EINVAL") {
  struct kept_error kept = {0};
  open_links();
  dgram_socket_t *socket = new_socket(middle->loop, DGRAM_UDP6, NULL, NULL);
  assert_int_equal(dgram_on_error(socket, keep_error, &kept), 0);
  assert_int_equal(dgram_bind(socket, PORT, SELF "%eth9", NULL, NULL), 0);
  run_hosts_until(&kept.calls, 1);
  assert_string_equal(kept.message, "bind EINVAL " SELF ":4000");
  assert_int_equal(dgram_bind_sync(socket, PORT, SELF "%eth9"), UV_EINVAL);
  assert_int_equal(dgram_connect_sync(socket, PORT, NEIGHBOUR "%eth9"), UV_EINVAL);
}

TEST("other addresses have no zone") {
  open_links();
  dgram_socket_t *sender = bind_on(left, DGRAM_UDP6, "fd00:1::2");
  dgram_socket_t *echo = bind_on(middle, DGRAM_UDP6, NULL);
  assert_int_equal(dgram_on_message(echo, answer, NULL), 0);
  send_from(sender, "hello", "fd00:1::1");
  assert_received(left, "re:hello");
  assert_trace("fd00:1::2");
}

int main(void) {
  return hosts_run();
}

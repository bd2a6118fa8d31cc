/*
 * Joining a group for the datagrams of one source: left has two addresses, and of what they send
 * to the group, middle receives the wanted one's.
 */
#include "lib/packets.h"

/* What the tests name in one family. */
static const struct words {
  const struct addresses *net;
  const char *group;
  const char *sources[2]; /* addresses of left */
} v4 = {&ipv4, "232.1.2.3", {"10.0.1.2", "10.0.1.3"}},
  v6 = {&ipv6, "ff35::1234", {"fd00:1::2", "fd00:1::3"}};

static const struct words *words;
static dgram_socket_t *member;
static dgram_socket_t *senders[2];
static int wire; /* of left */

static void open_senders(const struct words *of_test) {
  words = of_test;
  enter(left);
  sh("ip addr add 10.0.1.3/24 dev eth0; ip addr add fd00:1::3/64 nodad dev eth0");
  wire = tap("eth0");
  enter(middle);
  member = bind_on(middle, words->net->type, NULL);
  for (int i = 0; i < 2; i++)
    senders[i] = bind_on(left, words->net->type, words->sources[i]);
}

static void assert_member_receives(const char *expected) {
  send_from(senders[0], "first", words->group);
  send_from(senders[1], "second", words->group);
  send_from(senders[1], "end", words->net->middle);
  assert_received(middle, expected);
}

static int add(const char *source, const char *interface) {
  return dgram_add_source_specific_membership(member, source, words->group, interface);
}

static int drop(const char *source, const char *interface) {
  return dgram_drop_source_specific_membership(member, source, words->group, interface);
}

/* How the interface is named does not change what happens. */
static void assert_only_wanted(const struct words *of_test, const char *interface) {
  open_senders(of_test);
  assert_member_receives("end");

  assert_int_equal(add(words->sources[0], interface), 0);
  wait_for_report(wire, NOW_ALSO_FROM, words->group, words->sources[0]);
  assert_member_receives("first end");

  assert_int_equal(add(words->sources[1], interface), 0);
  wait_for_report(wire, NOW_ALSO_FROM, words->group, words->sources[1]);
  assert_member_receives("first second end");

  assert_int_equal(drop(words->sources[0], interface), 0);
  wait_for_report(wire, NO_MORE_FROM, words->group, words->sources[0]);
  assert_member_receives("second end");

  assert_int_equal(drop(words->sources[1], interface), 0);
  wait_for_report(wire, NO_MORE_FROM, words->group, words->sources[1]);
  assert_member_receives("end");
}

TEST_OVER_EACH("a member receives the wanted source, on the interface that the system chooses") {
  assert_only_wanted(net == &ipv4 ? &v4 : &v6, NULL);
}

TEST("a member receives the wanted source, on the interface of an address") {
  assert_only_wanted(&v4, "10.0.1.1");
}

TEST_OVER_EACH("a member receives the wanted source, on the interface of a name") {
  assert_only_wanted(net == &ipv4 ? &v4 : &v6, "eth0");
}

TEST("a member receives the wanted source, on the interface of a zone") {
  assert_only_wanted(&v6, "::%eth0");
}

/* right is on the interface that the system would not choose. */
static void assert_far(const struct words *of_test, const char *interface) {
  open_senders(of_test);
  dgram_socket_t *far = bind_on(right, words->net->type, NULL);
  assert_int_equal(add(words->net->right, interface), 0);
  send_from(far, "far", words->group);
  assert_member_receives("far end");
}

TEST("a member receives the wanted source on another interface than the system's choice") {
  assert_far(&v4, "10.0.2.1");
  reopen_hosts();
  assert_far(&v4, "eth1");
  reopen_hosts();
  assert_far(&v6, "::%eth1");
}

/* A source that is not a member's, and a group of which the socket is no member. */
TEST("a source that was not joined cannot be left: EADDRNOTAVAIL") {
  open_senders(&v4);
  assert_int_equal(add(words->sources[0], NULL), 0);
  assert_int_equal(drop(words->sources[1], NULL), UV_EADDRNOTAVAIL);
  assert_member_receives("first end");
}

int main(void) {
  return hosts_run();
}

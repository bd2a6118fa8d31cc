/*
 * Joining and leaving a group: the neighbour sees the report, the system lists the group, and only
 * a member receives. left and right both send to the group; which of them middle, the member,
 * receives shows on which of its two interfaces it is joined.
 */
#include "lib/packets.h"

/* Whether the interface listens to the group, as ip(8) shows it. */
static int is_listed(const char *interface, const char *group) {
  char line[256];
  int listed = 0;
  snprintf(line, sizeof line, "PATH=$PATH:/usr/sbin:/sbin ip maddr show dev %s", interface);
  FILE *lines = popen(line, "r");
  assert_non_null(lines);
  while (fgets(line, sizeof line, lines) != NULL) {
    char family[16];
    char address[INET6_ADDRSTRLEN];
    if (sscanf(line, " %15s %45s", family, address) == 2)
      listed |= strcmp(address, group) == 0;
  }
  assert_int_equal(pclose(lines), 0);
  return listed;
}

/* From now on, what comes to left. */
static int tap_left(void) {
  enter(left);
  int wire = tap("eth0");
  enter(middle);
  return wire;
}

TEST_OVER_EACH("a group is joined and left: the neighbour sees the report, and a member receives") {
  dgram_socket_t *member = bind_on(middle, net->type, NULL);
  dgram_socket_t *sender = bind_on(left, net->type, NULL);
  int wire = tap_left();

  send_from(sender, "before", net->group);
  assert_false(is_listed("eth0", net->group));

  assert_int_equal(dgram_add_membership(member, net->group, "eth0"), 0);
  assert_true(is_listed("eth0", net->group));
  wait_for_report(wire, NOW_ALL_BUT_FROM, net->group, NULL);
  send_from(sender, "joined", net->group);

  assert_int_equal(dgram_drop_membership(member, net->group, "eth0"), 0);
  assert_false(is_listed("eth0", net->group));
  wait_for_report(wire, NOW_ONLY_FROM, net->group, NULL);
  send_from(sender, "left", net->group);

  send_from(sender, "end", net->middle);
  assert_received(middle, "joined end");
}

TEST("a group is left when its member is closed") {
  dgram_socket_t *member = bind_on(middle, DGRAM_UDP4, NULL);
  int closed = 0;
  int wire = tap_left();
  assert_int_equal(dgram_add_membership(member, "239.1.2.3", NULL), 0);
  wait_for_report(wire, NOW_ALL_BUT_FROM, "239.1.2.3", NULL);
  assert_int_equal(dgram_close(member, count_event, &closed), 0);
  run_hosts_until(&closed, 1);
  wait_for_report(wire, NOW_ONLY_FROM, "239.1.2.3", NULL);
  assert_false(is_listed("eth0", "239.1.2.3"));
}

TEST("a group stays on its interface as long as one of two sockets is a member") {
  const char *group = ipv6.group;
  dgram_socket_t *members[2];
  for (int i = 0; i < 2; i++) {
    members[i] = new_socket(middle->loop, DGRAM_UDP6, NULL, NULL);
    assert_int_equal(dgram_add_membership(members[i], group, "eth0"), 0);
  }
  assert_int_equal(dgram_drop_membership(members[0], group, "eth0"), 0);
  assert_true(is_listed("eth0", group));
  assert_int_equal(dgram_drop_membership(members[0], group, "eth0"), UV_EADDRNOTAVAIL);
  assert_int_equal(dgram_add_membership(members[1], group, "eth0"), UV_EADDRINUSE);
  assert_int_equal(dgram_drop_membership(members[1], group, "eth0"), 0);
  assert_false(is_listed("eth0", group));
}

/* ---- on which interface ---- */

static dgram_socket_t *member;
static dgram_socket_t *senders[2];

static void open_senders(dgram_type_t type) {
  member = bind_on(middle, type, NULL);
  senders[0] = bind_on(left, type, NULL);
  senders[1] = bind_on(right, type, NULL);
}

static void assert_member_receives(const char *group, const char *words) {
  int is_v6 = strchr(group, ':') != NULL;
  send_from(senders[0], "left", group);
  send_from(senders[1], "right", group);
  send_from(senders[1], "end", is_v6 ? ipv6.middle_1 : ipv4.middle_1);
  assert_received(middle, words);
}

static void assert_each_interface(const struct addresses *net, const char *eth0, const char *eth1) {
  open_senders(net->type);
  assert_int_equal(dgram_add_membership(member, net->group, eth0), 0);
  assert_member_receives(net->group, "left end");
  assert_int_equal(dgram_add_membership(member, net->group, eth1), 0);
  assert_member_receives(net->group, "left right end");
  assert_int_equal(dgram_drop_membership(member, net->group, eth0), 0);
  assert_member_receives(net->group, "right end");
  assert_int_equal(dgram_drop_membership(member, net->group, eth0), UV_EADDRNOTAVAIL);
  assert_int_equal(dgram_drop_membership(member, net->group, eth1), 0);
  assert_member_receives(net->group, "end");
}

TEST("an interface is named by its address") {
  assert_each_interface(&ipv4, "10.0.1.1", "10.0.2.1");
}

TEST_OVER_EACH("an interface is named by its name") {
  assert_each_interface(net, "eth0", "eth1");
}

TEST("an interface is named by a zone") {
  assert_each_interface(&ipv6, "::%eth0", "::%eth1");
}

TEST("an interface is named by the number of a zone") {
  char number[32];
  open_senders(DGRAM_UDP6);
  snprintf(number, sizeof number, "::%%%u", if_nametoindex("eth1"));
  assert_int_equal(dgram_add_membership(member, "ff15::1234", number), 0);
  assert_member_receives("ff15::1234", "right end");
}

TEST("an interface is named by the zone of the group") {
  open_senders(DGRAM_UDP6);
  assert_int_equal(dgram_add_membership(member, "ff02::1234%eth1", NULL), 0);
  assert_member_receives("ff02::1234", "right end");
}

TEST_OVER_EACH("the system chooses the interface where none is named") {
  open_senders(net->type);
  assert_int_equal(dgram_add_membership(member, net->group, NULL), 0);
  assert_member_receives(net->group, "left end");
  assert_int_equal(dgram_drop_membership(member, net->group, NULL), 0);
  assert_member_receives(net->group, "end");
}

TEST("the system chooses the interface where the zone is of none") {
  open_senders(DGRAM_UDP6);
  assert_int_equal(dgram_add_membership(member, "ff15::1234", "::%eth9"), 0);
  assert_member_receives("ff15::1234", "left end");
}

TEST("an interface's address that nobody has is ENODEV") {
  open_senders(DGRAM_UDP4);
  assert_int_equal(dgram_add_membership(member, "239.1.2.3", "10.9.9.9"), UV_ENODEV);
  assert_member_receives("239.1.2.3", "end");
}

int main(void) {
  return hosts_run();
}

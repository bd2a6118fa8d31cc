/*
 * A group on every interface: middle, between left and right, is a member on both sides, and on
 * interfaces that come, go, come again with their index, get an address or lose it. These are one
 * end of a veth pair whose other end stays down.
 */
#include "lib/hosts.h"

#include <dgram_interfaces.h>

static int last_error;

/* Traces "+eth0 -eth1 !eth2": joined, left, failed. */
static void note_change(dgram_socket_t *socket, const dgram_membership_t *membership,
                        void *context) {
  static const char marks[] = {[DGRAM_MEMBERSHIP_JOINED] = '+',
                               [DGRAM_MEMBERSHIP_FAILED] = '!',
                               [DGRAM_MEMBERSHIP_LEFT] = '-'};
  assert_string_equal(context, "context");
  assert_int_equal(membership->error != 0, membership->change == DGRAM_MEMBERSHIP_FAILED);
  trace("%c%s", marks[membership->change], membership->interface_name);
  if (membership->error != 0)
    last_error = membership->error;
}

/* Waits for as many changes as there are words, and compares. */
static void assert_changes(const char *words) {
  run_hosts_until(&trace_count, words_in(words));
  assert_trace(words);
}

/* Whether the interface listens to the group, as ip(8) shows it. */
static int is_listed(const char *interface, const char *group) {
  char command[256];
  snprintf(command, sizeof command,
           "PATH=$PATH:/usr/sbin:/sbin ip maddr show dev %s | grep -qw '%s'", interface, group);
  return system(command) == 0;
}

static dgram_socket_t *member;

static void join_all(const struct addresses *net) {
  member = bind_on(middle, net->type, NULL);
  assert_int_equal(dgram_add_membership_all(member, net->group, note_change, "context"), 0);
}

TEST_OVER_EACH("a group on every interface is received from each, until it is dropped") {
  dgram_socket_t *on_left = bind_on(left, net->type, NULL);
  dgram_socket_t *on_right = bind_on(right, net->type, NULL);
  join_all(net);
  send_from(on_left, "left", net->group);
  send_from(on_right, "right", net->group);
  send_from(on_right, "end", net->middle_1);
  assert_received(middle, "left right end");
  assert_changes("+eth0 +eth1");

  assert_int_equal(dgram_drop_membership_all(member, net->group), 0);
  assert_false(is_listed("eth0", net->group));
  assert_false(is_listed("eth1", net->group));
  send_from(on_left, "left", net->group);
  send_from(on_right, "end", net->middle_1);
  assert_received(middle, "end");
  assert_int_equal(dgram_drop_membership_all(member, net->group), UV_EADDRNOTAVAIL);
}

TEST_OVER_EACH(
    "a group is joined on an interface that comes later, and again when it is made anew") {
  dgram_socket_t *on_right = bind_on(right, net->type, NULL);
  join_all(net);
  assert_changes("+eth0 +eth1");
  for (int round = 0; round < 2; round++) {
    sh("ip link del eth1");
    assert_changes("-eth1");
    sh("ip link add name eth1 type veth peer name eth0 netns /proc/%d/fd/%d", (int)getpid(),
       right->netns);
    enter(right);
    sh("ip link set eth0 up; ip addr add 10.0.2.2/24 dev eth0; "
       "ip addr add fd00:2::2/64 nodad dev eth0; ip route add 224.0.0.0/4 dev eth0");
    enter(middle);
    sh("ip link set eth1 up; ip addr add 10.0.2.1/24 dev eth1");
    add_address("fd00:2::1", 64, "eth1");
    assert_changes("+eth1");
    enter(right);
    add_address("fd00:2::3", 64, "eth0");
    assert_int_equal(
        dgram_set_multicast_interface(on_right, net->type == DGRAM_UDP4 ? "10.0.2.2" : "::%eth0"),
        0);
    enter(middle);
    send_from(on_right, "again", net->group);
    assert_received(middle, "again");
  }
}

TEST_OVER_EACH("a group is joined anew on an interface that is made anew with its index") {
  static const char make[] =
      "ip link add d0 index 77 type veth peer name p0; ip link set d0 up multicast on; "
      "ip addr add 10.7.0.1/24 dev d0; ip addr add fd00:7::1/64 dev d0 nodad";
  sh(make);
  join_all(net);
  assert_changes("+eth0 +eth1 +d0");
  sh("ip link del d0; %s", make);
  assert_false(is_listed("d0", net->group));
  assert_changes("-d0 +d0");
  assert_true(is_listed("d0", net->group));
}

TEST("a group is joined when an interface gets its first address, and left with its last") {
  join_all(&ipv4);
  assert_changes("+eth0 +eth1");
  sh("ip link add d0 type veth peer name p0; ip link set d0 up multicast on; ip link add d1 type "
     "veth peer name p1; "
     "ip link set d1 up multicast on; ip addr add 10.8.0.1/24 dev d1");
  assert_changes("+d1");
  assert_false(is_listed("d0", ipv4.group));
  sh("ip addr add 10.7.0.1/24 dev d0");
  assert_changes("+d0");
  sh("ip addr add 10.9.0.1/24 dev d0; ip addr del 10.7.0.1/24 dev d0; ip addr del 10.8.0.1/24 dev "
     "d1");
  assert_changes("-d1");
  assert_true(is_listed("d0", ipv4.group));
}

TEST_OVER_EACH("a group is left on an interface that goes down, and joined when it is up again") {
  join_all(net);
  assert_changes("+eth0 +eth1");
  sh("ip link set eth1 down");
  assert_changes("-eth1");
  sh("ip link set eth1 up; ip addr add 10.7.0.1/24 dev eth1; ip addr add fd00:7::1/64 dev eth1 "
     "nodad");
  assert_changes("+eth1");
}

TEST("an interface that is renamed stays a member's, and leaves by its new name") {
  join_all(&ipv4);
  assert_changes("+eth0 +eth1");
  sh("ip link set eth1 down; ip link set eth1 name new; ip link set new up");
  run_hosts_until(&(int){1}, 1);
  assert_true(is_listed("new", ipv4.group));
  sh("ip link del new");
  assert_changes("-new");
}

TEST("an interface over the limit of memberships is reported, and joined when there is room") {
  sh("echo 3 >/proc/sys/net/ipv4/igmp_max_memberships; for i in 1 2 3; do "
     "ip link add d$i type veth peer name p$i; ip addr add 10.7.$i.1/24 dev d$i; "
     "ip link set d$i up multicast on; done");
  join_all(&ipv4);
  assert_changes("+eth0 +eth1 +d1 !d2 !d3");
  assert_int_equal(last_error, UV_ENOBUFS);
  sh("ip link del d1");
  assert_changes("-d1 +d2");
  assert_int_equal(dgram_add_membership_all(member, "239.1.2.4", note_change, "context"),
                   UV_ENOBUFS);
  assert_int_equal(dgram_drop_membership_all(member, "239.1.2.4"), UV_EADDRNOTAVAIL);
}

/* The queue of the netlink socket is full long before its reader runs. */
TEST("after more changes than the kernel keeps, every group is joined where it should be") {
  sh("ip link add d0 index 77 type veth peer name p0; ip link set d0 up multicast on; "
     "ip addr add 10.7.0.1/24 dev d0");
  join_all(&ipv4);
  assert_changes("+eth0 +eth1 +d0");
  sh("for i in $(seq 1 400); do echo link set eth1 mtu $((1280 + i)); done | ip -batch -; "
     "ip link del d0; ip link add d0 index 77 type veth peer name p0; ip link set d0 up multicast "
     "on; "
     "ip addr add 10.7.0.1/24 dev d0");
  assert_changes("-eth0 -eth1 -d0 +eth0 +eth1 +d0");
  assert_true(is_listed("d0", ipv4.group));
  assert_true(is_listed("eth1", ipv4.group));
}

TEST("two groups of both families are followed by one socket") {
  dgram_socket_t *on_left = bind_on(left, DGRAM_UDP6, NULL);
  dgram_socket_t *old_on_left = new_socket(left->loop, DGRAM_UDP4, NULL, NULL);
  join_all(&ipv6);
  assert_int_equal(dgram_add_membership_all(member, ipv4.group, NULL, NULL), 0);
  assert_int_equal(dgram_add_membership_all(member, ipv4.group, NULL, NULL), UV_EADDRINUSE);
  enter(left);
  assert_int_equal(dgram_bind_sync(old_on_left, 0, NULL), 0);
  enter(middle);
  send_from(on_left, "six", ipv6.group);
  send_from(old_on_left, "four", ipv4.group);
  assert_received(middle, "six four");
  assert_int_equal(dgram_drop_membership_all(member, ipv6.group), 0);
  send_from(on_left, "six", ipv6.group);
  send_from(old_on_left, "four", ipv4.group);
  assert_received(middle, "four");
}

TEST("a group that the socket has joined on one interface itself is joined on the others") {
  member = bind_on(middle, DGRAM_UDP4, NULL);
  assert_int_equal(dgram_add_membership(member, ipv4.group, "eth1"), 0);
  assert_int_equal(dgram_add_membership_all(member, ipv4.group, note_change, "context"), 0);
  assert_changes("+eth0 +eth1");
}

/* ---- callbacks that end what they are called by ---- */

static void drop_group(dgram_socket_t *socket, const dgram_membership_t *membership,
                       void *context) {
  assert_string_equal(membership->group, ipv4.group);
  assert_int_equal(dgram_drop_membership_all(socket, ipv4.group), 0);
  ++*(int *)context;
}

static void close_own_socket(dgram_socket_t *socket, const dgram_membership_t *membership,
                             void *context) {
  assert_int_equal(dgram_close(socket, count_event, context), 0);
}

TEST("a callback drops its group, and is not called for the next interface") {
  int calls = 0;
  member = bind_on(middle, DGRAM_UDP4, NULL);
  assert_int_equal(dgram_add_membership_all(member, ipv4.group, drop_group, &calls), 0);
  run_hosts_until(&calls, 1);
  assert_false(is_listed("eth1", ipv4.group));
  sh("ip link add d0 type veth peer name p0; ip link set d0 up multicast on; ip addr add "
     "10.7.0.1/24 dev d0");
  close_sockets(middle->loop);
  assert_int_equal(calls, 1);
}

TEST("a callback closes the socket, and is not called for the next interface") {
  int closes = 0;
  member = bind_on(middle, DGRAM_UDP4, NULL);
  assert_int_equal(dgram_add_membership_all(member, ipv4.group, close_own_socket, &closes), 0);
  run_hosts_until(&closes, 1);
  assert_false(is_listed("eth0", ipv4.group));
}

/* The fixture runs each loop to its end. */
TEST("a group on every interface does not keep the loop of an unreferenced socket alive") {
  join_all(&ipv4);
  assert_changes("+eth0 +eth1");
  dgram_unref(member);
  run_to_end(middle->loop);
}

TEST("an unbound socket is bound by the call, to a port on all interfaces") {
  dgram_socket_t *unbound = new_socket(middle->loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_add_membership_all(unbound, ipv4.group, NULL, NULL), 0);
  assert_int_equal(dgram_bind_state(unbound), DGRAM_BOUND);
  assert_true(is_listed("eth1", ipv4.group));
  dgram_socket_t *binding = new_socket(middle->loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_bind(binding, 0, NULL, NULL, NULL), 0);
  assert_int_equal(dgram_add_membership_all(binding, ipv4.group, NULL, NULL), UV_EBADF);
}

TEST("without an interface that carries the group the call succeeds, and waits for one") {
  sh("ip link del eth0; ip link del eth1");
  join_all(&ipv4);
  sh("ip link add d0 type veth peer name p0; ip link set d0 up multicast on; ip addr add "
     "10.7.0.1/24 dev d0");
  assert_changes("+d0");
}

int main(void) {
  return hosts_run();
}

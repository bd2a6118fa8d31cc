/*
 * A watcher of interfaces reports what comes, goes and changes on its host. The interfaces that
 * come here are one end of a veth pair; the other end is on another host, or comes with it.
 */
#include "lib/hosts.h"

#include <dgram_interfaces.h>

#include <linux/rtnetlink.h>

static dgram_interface_watcher_t *watcher;

/* Traces "+eth0 ~eth0 -eth0": added, changed, removed; with a context also the first address. */
static void note_event(dgram_interface_watcher_t *of, dgram_interface_event_t event,
                       const dgram_interface_t *interface, void *context) {
  static const char marks[] = {[DGRAM_INTERFACE_ADDED] = '+',
                               [DGRAM_INTERFACE_CHANGED] = '~',
                               [DGRAM_INTERFACE_REMOVED] = '-'};
  assert_ptr_equal(of, watcher);
  if (interface->address_count > 0 && context != NULL)
    trace("%c%s=%s", marks[event], interface->name, interface->addresses[0]->address);
  else
    trace("%c%s", marks[event], interface->name);
}

/* A moment in which more could have been reported. */
static void run_some(void) {
  for (int i = 0; i < 20; i++)
    uv_run(middle->loop, UV_RUN_NOWAIT);
}

static void assert_events(const char *words) {
  run_hosts_until(&trace_count, words_in(words));
  run_some();
  assert_trace(words);
}

static void watch_middle(void *context) {
  bind_on(middle, DGRAM_UDP4, NULL); /* keeps the loop alive */
  sh("for i in all default eth0 eth1; do "
     "echo 1 >/proc/sys/net/ipv6/conf/$i/disable_ipv6; done"); /* addresses of its own accord */
  assert_int_equal(dgram_watch_interfaces(middle->loop, note_event, context, &watcher), 0);
}

TEST("interfaces that come, change and go are reported") {
  watch_middle(NULL);
  assert_events("+lo +eth0 +eth1");
  sh("ip link add d0 type veth peer name eth9 netns /proc/%d/fd/%d", (int)getpid(), left->netns);
  assert_events("+d0");
  sh("ip link set d0 up");
  assert_events("~d0");
  sh("ip addr add 10.7.0.1/24 dev d0");
  assert_events("~d0");
  sh("ip addr del 10.7.0.1/24 dev d0");
  assert_events("~d0");
  sh("ip link set d0 address 02:00:00:00:00:07");
  assert_events("~d0");
  sh("ip link set d0 mtu 1400"); /* nothing that is reported */
  run_some();
  sh("ip link del d0");
  assert_events("-d0");
  dgram_unwatch_interfaces(watcher);
}

TEST("an event has the addresses of the interface, and those of a removed one") {
  watch_middle("with addresses");
  assert_events("+lo=127.0.0.1 +eth0=10.0.1.1 +eth1=10.0.2.1");
  sh("ip link del eth1");
  assert_events("-eth1=10.0.2.1");
  dgram_unwatch_interfaces(watcher);
}

TEST("an interface that is renamed is reported as changed") {
  watch_middle(NULL);
  assert_events("+lo +eth0 +eth1");
  sh("ip link set eth1 down");
  assert_events("~eth1");
  sh("ip link set eth1 name new");
  assert_events("~new");
  dgram_unwatch_interfaces(watcher);
}

TEST("an interface that moves to another host is reported as removed") {
  watch_middle(NULL);
  assert_events("+lo +eth0 +eth1");
  sh("ip link set eth1 netns /proc/%d/fd/%d name eth7", (int)getpid(), left->netns);
  assert_events("-eth1");
  dgram_unwatch_interfaces(watcher);
}

TEST("what came and went in one iteration is not reported") {
  watch_middle(NULL);
  assert_events("+lo +eth0 +eth1");
  sh("ip link add d0 type veth peer name p0; ip link del d0");
  sh("ip link set eth1 down");
  assert_events("~eth1");
  dgram_unwatch_interfaces(watcher);
}

TEST("an interface that is made anew with its index is reported as removed and added") {
  static const char make[] = "ip link add d0 index 77 type veth peer name p0 index 78";
  watch_middle(NULL);
  sh("%s", make);
  assert_events("+lo +eth0 +eth1 +d0 +p0");
  sh("ip link del d0; %s", make);
  assert_events("-d0 -p0 +d0 +p0");
  dgram_unwatch_interfaces(watcher);
}

/* AF_BRIDGE's RTM_DELLINK is about the port, not the interface. */
TEST("an interface that leaves a bridge is not reported as removed") {
  watch_middle(NULL);
  assert_events("+lo +eth0 +eth1");
  if (system("PATH=$PATH:/usr/sbin:/sbin; ip link add br0 type bridge 2>/dev/null") != 0) {
    print_message("skipped: no bridges in this kernel\n");
    dgram_unwatch_interfaces(watcher);
    return;
  }
  assert_events("+br0");
  sh("ip link set eth1 master br0; ip link set eth1 nomaster; ip link set br0 up");
  run_hosts_until(&trace_count, 1);
  assert_null(strstr(trace_text, "-"));
  dgram_unwatch_interfaces(watcher);
}

TEST("after more changes than the kernel keeps each interface is removed and added") {
  watch_middle(NULL);
  assert_events("+lo +eth0 +eth1");
  sh("for i in $(seq 1 400); do echo link set eth1 mtu $((1280 + i)); done | ip -batch -");
  assert_events("-lo -eth0 -eth1 +lo +eth0 +eth1");
  sh("ip link set eth1 down"); /* and it goes on */
  assert_events("~eth1");
  dgram_unwatch_interfaces(watcher);
}

/* The watcher's socket has the process's number as its own port of netlink, if it is the first. */
TEST("messages that are not the kernel's are ignored") {
  struct {
    struct nlmsghdr header;
    struct ifinfomsg link;
  } message = {.header = {.nlmsg_len = sizeof message, .nlmsg_type = RTM_DELLINK}};
  watch_middle(NULL);
  assert_events("+lo +eth0 +eth1");
  message.link.ifi_index = (int)if_nametoindex("eth1");
  int sender = close_with_hosts(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  struct sockaddr_nl to = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK};
  to.nl_pid = (unsigned)getpid();
  ssize_t sent = sendto(sender, &message, sizeof message, 0, (struct sockaddr *)&to, sizeof to);
  assert_true(sent > 0 || errno == ECONNREFUSED);
  run_some();
  sh("ip link set eth1 down");
  assert_events("~eth1");
  dgram_unwatch_interfaces(watcher);
}

int main(void) {
  return hosts_run();
}

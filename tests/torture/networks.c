/* Scenarios of a network in memory, and of the interfaces of the host. */
#include "torture/torture.h"

#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

/* ---- a network in memory ---- */

static dgram_sim_t *sim;
static int fired;

static void on_timer(dgram_sim_t *of, void *context) {
  fired++;
  dgram_sim_stop(of);
}

static void on_trace(const dgram_sim_t *of, const dgram_sim_event_t *event, void *context) {
  CHECK(event->time == dgram_sim_now(of));
}

static dgram_sim_host_t *host_of(const char *name, const char *address) {
  dgram_sim_host_t *host = NULL;
  if (OK(dgram_sim_host(sim, name, &host))) {
    OK(dgram_sim_host_add_address(host, address));
    CHECK(strcmp(dgram_sim_host_name(host), name) == 0);
  }
  return host;
}

static struct member *member_on(dgram_sim_host_t *host, int port) {
  dgram_options_t options = options_of_mode();
  options.sim_host = host;
  struct member *member = host != NULL ? new_member(&options) : adopt_member(NULL);
  if (OK(dgram_bind_sync(member->socket, port, NULL)))
    OK(dgram_add_membership(member->socket, "224.0.0.114", NULL));
  return member;
}

static void send_to(struct member *member, const char *to, int port) {
  static const char data[2000];
  struct torture_send *send = new_send();
  int err = dgram_send(member->socket, data, sizeof data, port, to, on_sent, send);
  accept_send(send, err);
  OK(err);
}

static void run_network(struct member *members[3], dgram_sim_link_t *link) {
  dgram_sim_timer_t *stopped = NULL;
  dgram_sim_link_options_t slow = dgram_default_sim_link_options();
  slow.rate = 1000000;
  slow.duplicate = 0.5;
  fired = 0;
  int started = OK(dgram_sim_timer_start(sim, DGRAM_SIM_MS(20), on_timer, NULL, NULL));
  if (OK(dgram_sim_timer_start(sim, DGRAM_SIM_MS(30), on_timer, NULL, &stopped)))
    dgram_sim_timer_stop(stopped);
  if (link != NULL) {
    CHECK(dgram_sim_link_set(link, NULL, &slow) == 0);
    CHECK(dgram_sim_link_set_up(link, 1) == 0);
  }
  for (int i = 0; i < 3; i++) {
    send_to(members[0], "192.0.2.1", 2000);
    send_to(members[0], "192.0.2.1", 2001);
    send_to(members[1], "224.0.0.114", 2000);
    send_to(members[2], "nat", 2000);
    CHECK(dgram_sim_run_for(sim, DGRAM_SIM_MS(1)) == 0);
    (void)dgram_sim_random(sim);
    CHECK(dgram_sim_step(sim, dgram_sim_now(sim)) >= 0);
    CHECK(dgram_sim_next(sim) >= dgram_sim_now(sim));
    CHECK(dgram_sim_run_for(sim, DGRAM_SIM_S(3)) == 0);
  }
  CHECK(fired == started);
  CHECK(dgram_sim_hash(sim) != 0 || met());
}

SCENARIO_OF(IN_ONE_MODE, "a network in memory") {
  dgram_sim_host_t *bridge = NULL;
  dgram_sim_link_t *link = NULL;
  dgram_sim_nat_options_t nat_options = dgram_default_sim_nat_options();
  sim = NULL;
  if (!OK(dgram_sim_create(&world.loop, 1, &sim)))
    return;
  CHECK(dgram_sim_trace(sim, on_trace, NULL) == 0);
  dgram_sim_host_t *inside = host_of("inside", "192.168.1.2");
  dgram_sim_host_t *nat = host_of("nat", "198.51.100.1");
  dgram_sim_host_t *server = host_of("server", "192.0.2.1");
  OK(dgram_sim_switch(sim, "bridge", &bridge));
  bool whole = inside != NULL && nat != NULL && server != NULL && bridge != NULL;
  if (whole) {
    OK(dgram_sim_link(inside, nat, NULL, NULL));
    OK(dgram_sim_link(inside, bridge, NULL, NULL));
    if (OK(dgram_sim_link(nat, server, NULL, &link)))
      OK(dgram_sim_host_set_nat(nat, link, "198.51.100.1", &nat_options));
    CHECK(dgram_sim_partition(sim, &inside, 1) == 0 && dgram_sim_heal(sim) == 0);
    CHECK(dgram_sim_host_set_up(nat, 1) == 0);
  }
  struct member *members[3] = {member_on(inside, 1000), member_on(nat, 2000),
                               member_on(server, 2000)};
  run_network(members, link);
  if (whole && world.reported == 0)
    CHECK(dgram_sim_count(sim, DGRAM_SIM_DELIVERED) > 0 || met());
  EXPECT(all_sent());
  for (int i = 0; i < 3; i++)
    close_member(members[i]);
  CHECK(dgram_sim_run(sim) == 0);
  CHECK(dgram_sim_reset(sim, 2) == 0);
  CHECK(dgram_sim_free(sim) == 0);
}

/* ---- interfaces: loopback of a network namespace, if there may be one ---- */

static int interface_events;
static int joined;
static int left;

static void set_loopback(int flags) {
  struct ifreq request = {.ifr_name = "lo", .ifr_flags = (short)(IFF_MULTICAST | flags)};
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  CHECK(ioctl(fd, SIOCSIFFLAGS, &request) == 0);
  close(fd);
}

static bool own_network(void) {
  static enum { UNKNOWN, OWN, NOT_OWN } state;
  if (state == UNKNOWN)
    state = unshare(CLONE_NEWNET) == 0 ? OWN : NOT_OWN;
  if (state == OWN)
    set_loopback(IFF_UP);
  return state == OWN;
}

static void on_interface(dgram_interface_watcher_t *watcher, dgram_interface_event_t event,
                         const dgram_interface_t *interface, void *context) {
  CHECK(interface->name != NULL && interface->index > 0);
  interface_events++;
}

static void on_membership(dgram_socket_t *socket, const dgram_membership_t *membership,
                          void *context) {
  joined += membership->change == DGRAM_MEMBERSHIP_JOINED;
  left += membership->change == DGRAM_MEMBERSHIP_LEFT;
  world.reported += membership->change == DGRAM_MEMBERSHIP_FAILED;
}

SCENARIO_OF(IN_ONE_MODE, "interfaces that go down and up") {
  const dgram_interface_t *const *list = NULL;
  size_t count = 0;
  dgram_interface_watcher_t *watcher = NULL;
  bool changes = own_network();
  interface_events = joined = left = 0;
  bool listed = OK(dgram_interfaces(&list, &count));
  CHECK(listed == (list != NULL) && (listed || count == 0));
  dgram_free_interfaces(list);
  bool watched = OK(dgram_watch_interfaces(&world.loop, on_interface, NULL, &watcher));
  CHECK(watched == (watcher != NULL));
  struct member *member = new_member(NULL);
  member->left_alone = true; /* the tests' own socket is in another network */
  bool follows = OK(dgram_add_membership_all(member->socket, "239.1.2.3", on_membership, NULL));
  if (changes) {
    WAIT((!follows || joined == 1) && (!watched || interface_events > 0));
    EXPECT(!follows || joined == 1);
    set_loopback(0);
    settle();
    set_loopback(IFF_UP);
    inject_lift();
    WAIT(!follows || joined - left == 1);
    CHECK(!follows || joined - left == 1);
  } else {
    settle();
  }
  if (follows)
    CHECK(dgram_drop_membership_all(member->socket, "239.1.2.3") == 0);
  dgram_unwatch_interfaces(watcher);
}

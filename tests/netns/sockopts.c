/*
 * What options that must be set before the bind do, between hosts: the library sets them, so that a
 * program needs no descriptor of its own. And what don't-fragment, the path's MTU and the TOS do to
 * datagrams on the wire.
 */
#include "lib/packets.h"

static dgram_socket_t *create_with(struct host *host, dgram_type_t type,
                                   const dgram_sockopt_value_t *sockopts, size_t count,
                                   const char *device) {
  dgram_options_t options = dgram_default_options(type);
  options.sockopts = sockopts;
  options.sockopt_count = count;
  options.bind_device = device;
  enter(host);
  return new_with(host->loop, &options);
}

static dgram_socket_t *create_one(struct host *host, dgram_type_t type, dgram_sockopt_t option,
                                  int64_t value) {
  dgram_sockopt_value_t sockopt = {option, value};
  return create_with(host, type, &sockopt, 1, NULL);
}

/* ---- addresses and ports ---- */

TEST_OVER_EACH("freebind binds to an address that no interface has, yet") {
  const char *later = net == &ipv4 ? "10.0.1.77" : "fd00:1::77";
  dgram_socket_t *without = create_one(left, net->type, DGRAM_SO_FREEBIND, 0);
  assert_int_equal(dgram_bind_sync(without, PORT, later), UV_EADDRNOTAVAIL);
  dgram_socket_t *socket = create_one(left, net->type, DGRAM_SO_FREEBIND, 1);
  int received = 0;
  assert_int_equal(dgram_on_message(socket, count_message, &received), 0);
  assert_int_equal(dgram_bind_sync(socket, PORT, later), 0);
  if (net == &ipv4)
    sh("ip addr add 10.0.1.77/24 dev eth0");
  else
    add_address("fd00:1::77", 64, "eth0");
  enter(middle);
  dgram_socket_t *sender = bind_on(middle, net->type, NULL);
  send_from(sender, "x", later);
  run_hosts_until(&received, 1);
}

TEST_OVER_EACH("transparent binds to a foreign address") {
  const char *foreign = net == &ipv4 ? "203.0.113.9" : "2001:db8::9";
  dgram_address_t address;
  dgram_socket_t *socket = create_one(left, net->type, DGRAM_SO_TRANSPARENT, 1);
  assert_int_equal(dgram_bind_sync(socket, PORT, foreign), 0);
  assert_int_equal(dgram_address(socket, &address), 0);
  assert_string_equal(address.address, foreign);
}

TEST_OVER_EACH("the system chooses the port of the local range, until it is used up") {
  enum { LOW = 40100, PORTS = 3 };
  int taken[PORTS] = {0};
  dgram_socket_t *socket;
  for (int i = 0; i < PORTS; i++) {
    dgram_address_t address;
    socket = create_one(left, net->type, DGRAM_SO_LOCAL_PORT_RANGE,
                        LOW | (int64_t)(LOW + PORTS - 1) << 16);
    int err = dgram_bind_sync(socket, 0, NULL);
    if (err == UV_ENOPROTOOPT) {
      print_message("skipped: this kernel has no IP_LOCAL_PORT_RANGE\n");
      skip();
    }
    assert_int_equal(err, 0);
    assert_int_equal(dgram_address(socket, &address), 0);
    assert_in_range(address.port, LOW, LOW + PORTS - 1);
    taken[address.port - LOW]++;
  }
  for (int i = 0; i < PORTS; i++)
    assert_int_equal(taken[i], 1);
  socket = create_one(left, net->type, DGRAM_SO_LOCAL_PORT_RANGE,
                      LOW | (int64_t)(LOW + PORTS - 1) << 16);
  assert_int_equal(dgram_bind_sync(socket, 0, NULL), UV_EADDRINUSE);
}

/* Also by the bind of a first send. */
TEST("the options of creation are set by the bind of a first send, too") {
  enum { LOW = 40200 };
  int sent = 0;
  dgram_address_t address;
  dgram_socket_t *socket =
      create_one(left, DGRAM_UDP4, DGRAM_SO_LOCAL_PORT_RANGE, LOW | (int64_t)LOW << 16);
  assert_int_equal(dgram_send(socket, "x", 1, PORT, ipv4.middle, count_sent, &sent), 0);
  run_hosts_until(&sent, 1);
  assert_int_equal(dgram_address(socket, &address), 0);
  assert_int_equal(address.port, LOW);
}

TEST_OVER_EACH("a bind to an address without a port takes one by the first send") {
  dgram_address_t address;
  int sent = 0;
  dgram_socket_t *socket = create_one(left, net->type, DGRAM_SO_BIND_ADDRESS_NO_PORT, 1);
  assert_int_equal(dgram_bind_sync(socket, 0, net->left), 0);
  assert_int_equal(dgram_address(socket, &address), 0);
  assert_int_equal(address.port, 0);
  assert_int_equal(dgram_send(socket, "x", 1, PORT, net->middle, count_sent, &sent), 0);
  run_hosts_until(&sent, 1);
  assert_int_equal(dgram_address(socket, &address), 0);
  assert_in_range(address.port, 1, 65535);
}

/* ---- the interface ---- */

/* middle has the same port on both links, by a socket each. */
TEST_OVER_EACH("a socket that is bound to an interface receives by that alone") {
  char name[DGRAM_INTERFACE_NAME];
  int received[2] = {0};
  const char *const devices[] = {"eth0", "eth1"};
  for (int i = 0; i < 2; i++) {
    dgram_socket_t *socket = create_with(middle, net->type, NULL, 0, devices[i]);
    assert_int_equal(dgram_get_bind_device(socket, name), 0);
    assert_string_equal(name, devices[i]);
    assert_int_equal(dgram_on_message(socket, count_message, &received[i]), 0);
    assert_int_equal(dgram_bind_sync(socket, PORT, NULL), 0);
    memset(name, 'x', sizeof name);
    assert_int_equal(dgram_get_bind_device(socket, name), 0);
    assert_string_equal(name, devices[i]);
  }
  send_from(bind_on(left, net->type, NULL), "x", net->middle);
  run_hosts_until(&received[0], 1);
  dgram_socket_t *sender = bind_on(right, net->type, NULL);
  for (int i = 1; i <= 2; i++) {
    send_from(sender, "x", net->middle_1);
    run_hosts_until(&received[1], i);
  }
  assert_int_equal(received[0], 1);
  assert_int_equal(received[1], 2);
}

TEST("an interface that does not exist fails the bind, and says so") {
  struct kept_error kept = {0};
  dgram_socket_t *socket = create_with(left, DGRAM_UDP4, NULL, 0, "nosuchif");
  assert_int_equal(dgram_on_error(socket, keep_error, &kept), 0);
  assert_int_equal(dgram_bind(socket, 0, NULL, NULL, NULL), 0);
  run_hosts_until(&kept.calls, 1);
  assert_string_equal(kept.message, "setsockopt ENODEV SO_BINDTODEVICE");
  assert_string_equal(kept.syscall, "setsockopt");
  assert_string_equal(kept.address, "SO_BINDTODEVICE");
  assert_int_equal(kept.port, 0);
  assert_int_equal(dgram_bind_state(socket), DGRAM_UNBOUND);
  sh("ip link set eth0 down; ip link set eth0 name nosuchif"); /* it is resolved at the bind: now
                                                                  there is one */
  assert_int_equal(dgram_bind_sync(socket, 0, NULL), 0);
}

/* ---- groups ---- */

/* Another socket of the host has joined; only with MULTICAST_ALL does that concern this one. */
TEST_OVER_EACH("a socket without MULTICAST_ALL receives only the groups that it has joined") {
  int received[2] = {0};
  const char *interface = net == &ipv4 ? "10.0.1.1" : "::%eth0";
  for (int all = 0; all <= 1; all++) {
    dgram_options_t options = dgram_default_options(net->type);
    dgram_sockopt_value_t sockopt = {DGRAM_SO_MULTICAST_ALL, all};
    options.reuse_addr = 1;
    options.sockopts = &sockopt;
    options.sockopt_count = 1;
    enter(middle);
    dgram_socket_t *socket = new_with(middle->loop, &options);
    assert_int_equal(dgram_on_message(socket, count_message, &received[all]), 0);
    assert_int_equal(dgram_bind_sync(socket, PORT, NULL), 0);
  }
  dgram_socket_t *member = create_with(middle, net->type, NULL, 0, NULL);
  assert_int_equal(dgram_bind_sync(member, PORT + 1, NULL), 0);
  assert_int_equal(dgram_add_membership(member, net->group, interface), 0);
  dgram_socket_t *sender = bind_on(left, net->type, NULL);
  assert_int_equal(dgram_set_multicast_interface(sender, net == &ipv4 ? "10.0.1.2" : "::%eth0"), 0);
  send_from(sender, "x", net->group);
  run_hosts_until(&received[1], 1);
  send_from(sender, "y", net->group);
  run_hosts_until(&received[1], 2);
  assert_int_equal(received[0], 0);
}

/* ---- what is on the wire ---- */

static void next_udp(int wire, struct packet *packet) {
  do {
    struct pollfd wake = {.fd = wire, .events = POLLIN};
    wait_for(&wake, 1, -1, "a UDP packet");
  } while (!take_packet(wire, packet) || protocol_of(packet) != UDP);
}

static int tos_of(const struct packet *packet) {
  return is_v4(packet) ? packet->bytes[1] : (packet->bytes[0] & 0xf) << 4 | packet->bytes[1] >> 4;
}

static void assert_tos(dgram_type_t type, const char *to) {
  enum { FIRST = 0xb9, SECOND = 0x28 };
  struct packet packet;
  int sent = 0;
  enter(middle);
  int wire = tap("eth0");
  dgram_socket_t *socket = create_one(left, type, DGRAM_SO_TOS, FIRST);
  assert_int_equal(dgram_bind_sync(socket, 0, NULL), 0);
  assert_int_equal(dgram_send(socket, "a", 1, PORT, to, count_sent, &sent), 0);
  assert_int_equal(dgram_set_sockopt(socket, DGRAM_SO_TOS, SECOND), 0); /* behind that send */
  assert_int_equal(dgram_send(socket, "b", 1, PORT, to, count_sent, &sent), 0);
  run_hosts_until(&sent, 2);
  next_udp(wire, &packet);
  assert_int_equal(tos_of(&packet), FIRST);
  next_udp(wire, &packet);
  assert_int_equal(tos_of(&packet), SECOND);
}

TEST_OVER_EACH("datagrams have the TOS, from the send after the call on") {
  assert_tos(net->type, net->middle);
}

TEST("datagrams of a udp6 socket to an IPv4 address have the TOS") {
  assert_tos(DGRAM_UDP6, "::ffff:10.0.1.1");
}

static int dont_fragment(const struct packet *packet) {
  return (packet->bytes[6] & 0x40) != 0;
}

static void assert_dont_fragment(dgram_type_t type, const char *to) {
  static const int expected[] = {[DGRAM_PATH_MTU_OFF] = 0,
                                 [DGRAM_PATH_MTU_SYSTEM] = 1,
                                 [DGRAM_PATH_MTU_ON] = 1,
                                 [DGRAM_PATH_MTU_PROBE] = 1};
  enter(middle);
  int wire = tap("eth0");
  for (int mode = DGRAM_PATH_MTU_OFF; mode <= DGRAM_PATH_MTU_PROBE; mode++) {
    struct packet packet;
    int sent = 0;
    dgram_socket_t *socket = create_one(left, type, DGRAM_SO_PATH_MTU, mode);
    assert_int_equal(dgram_bind_sync(socket, 0, NULL), 0);
    assert_int_equal(dgram_send(socket, "a", 1, PORT, to, count_sent, &sent), 0);
    run_hosts_until(&sent, 1);
    next_udp(wire, &packet);
    assert_int_equal(dont_fragment(&packet), expected[mode]);
  }
}

TEST("datagrams have don't-fragment by the path MTU mode") {
  assert_dont_fragment(DGRAM_UDP4, ipv4.middle);
}

TEST("datagrams of a udp6 socket to an IPv4 address have don't-fragment by the path MTU mode") {
  assert_dont_fragment(DGRAM_UDP6, "::ffff:10.0.1.1");
}

int main(void) {
  return hosts_run();
}

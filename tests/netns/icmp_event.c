/*
 * The event 'icmp' between hosts: what a host or a router reports of a lost datagram, by which
 * peer; of connected and unconnected sockets, on IPv4, IPv6 and for IPv4-mapped peers. It disturbs
 * nobody: there is no 'error', each send completes once without one, and datagrams to others
 * arrive.
 */
#include "lib/packets.h"

/* What was reported last. */
struct reported {
  int count;
  dgram_icmp_kind_t kind;
  char peer[DGRAM_ADDRESS_TEXT];
  char reporter[DGRAM_ADDRESS_TEXT];
  int port;
  char family[8];
  int type;
  int code;
  int mtu;
  int error;
};

static void keep_icmp(dgram_socket_t *socket, const dgram_icmp_t *icmp, void *context) {
  struct reported *reported = context;
  reported->count++;
  reported->kind = icmp->kind;
  keep_text(reported->peer, sizeof reported->peer, icmp->peer.address);
  keep_text(reported->reporter, sizeof reported->reporter, icmp->reporter.address);
  keep_text(reported->family, sizeof reported->family, icmp->family);
  reported->port = icmp->peer.port;
  reported->type = icmp->type;
  reported->code = icmp->code;
  reported->mtu = icmp->mtu;
  reported->error = icmp->error;
  assert_int_equal(icmp->reporter.port, 0);
}

/* What is expected of a family. */
struct expected {
  dgram_icmp_kind_t kind;
  int type;
  int code;
  int error;
};

static void assert_reported(const struct reported *reported, const struct expected *expected,
                            const char *peer, int port, const char *reporter) {
  assert_int_equal(reported->kind, expected->kind);
  assert_int_equal(reported->type, expected->type);
  assert_int_equal(reported->code, expected->code);
  assert_int_equal(reported->error, expected->error);
  assert_string_equal(reported->peer, peer);
  assert_int_equal(reported->port, port);
  assert_string_equal(reported->reporter, reporter);
}

static const struct expected *of(const struct addresses *net, const struct expected expected[2]) {
  return &expected[net == &ipv6];
}

static const struct expected closed_port[] = {
    {DGRAM_ICMP_PORT_UNREACHABLE, 3, 3, UV_ECONNREFUSED},
    {DGRAM_ICMP_PORT_UNREACHABLE, 1, 4, UV_ECONNREFUSED},
};

/* A socket on left that listens to 'icmp'. An 'error' would be an unhandled one, and fail. */
static dgram_socket_t *listen_on_left(dgram_type_t type, struct reported *reported) {
  dgram_socket_t *socket = bind_on(left, type, NULL);
  assert_int_equal(dgram_on_icmp(socket, keep_icmp, reported), 0);
  return socket;
}

static const char payload[2000];

static void send_to_port(dgram_socket_t *socket, size_t size, int port, const char *address) {
  int sent = 0;
  assert_int_equal(dgram_send(socket, payload, size, port, address, count_sent, &sent), 0);
  run_hosts_until(&sent, 1);
}

/* ---- who and what ---- */

TEST_OVER_EACH("an unconnected socket is told which peer's port is closed") {
  struct reported reported = {0};
  dgram_socket_t *sender = listen_on_left(net->type, &reported);
  bind_on(middle, net->type, NULL);
  for (int i = 1; i <= 3; i++) {
    send_to_port(sender, 1, PORT + i, net->middle);
    run_hosts_until(&reported.count, i);
    assert_reported(&reported, of(net, closed_port), net->middle, PORT + i, net->middle);
    assert_string_equal(reported.family, net == &ipv4 ? "IPv4" : "IPv6");
    assert_int_equal(reported.mtu, 0);
  }
  send_from(sender, "healthy", net->middle);
  assert_received(middle, "healthy");
  assert_int_equal(reported.count, 3);
}

TEST_OVER_EACH("a connected socket is told by 'icmp', and not by 'error'") {
  struct reported reported = {0};
  dgram_socket_t *sender = listen_on_left(net->type, &reported);
  connect_to_host(sender, net->middle);
  for (int i = 1; i <= 3; i++) {
    send_to_port(sender, 1, 0, NULL);
    run_hosts_until(&reported.count, i);
    assert_reported(&reported, of(net, closed_port), net->middle, PORT, net->middle);
  }
  bind_on(middle, net->type, NULL);
  send_from(sender, "now", NULL);
  assert_received(middle, "now");
  assert_int_equal(reported.count, 3);
}

TEST("a udp6 socket is told of an IPv4-mapped peer") {
  struct reported reported = {0};
  dgram_socket_t *sender = listen_on_left(DGRAM_UDP6, &reported);
  send_to_port(sender, 1, PORT + 1, "::ffff:10.0.1.1");
  run_hosts_until(&reported.count, 1);
  assert_reported(&reported, &closed_port[0], "::ffff:10.0.1.1", PORT + 1, "::ffff:10.0.1.1");
  assert_string_equal(reported.family, "IPv4");
  send_to_port(sender, 1, PORT + 2, ipv6.middle);
  run_hosts_until(&reported.count, 2);
  assert_reported(&reported, &closed_port[1], ipv6.middle, PORT + 2, ipv6.middle);
}

TEST_OVER_EACH("a router tells that it has no way to a host") {
  static const struct expected expected[] = {
      {DGRAM_ICMP_HOST_UNREACHABLE, 3, 1, UV_EHOSTUNREACH},
      {DGRAM_ICMP_NETWORK_UNREACHABLE, 1, 0, UV_ENETUNREACH},
  };
  struct reported reported = {0};
  forward();
  sh("ip %s route add unreachable %s", net == &ipv6 ? "-6" : "", net->right);
  dgram_socket_t *sender = listen_on_left(net->type, &reported);
  send_to_port(sender, 1, PORT, net->right);
  run_hosts_until(&reported.count, 1);
  assert_reported(&reported, of(net, expected), net->right, PORT, net->middle);
}

TEST_OVER_EACH("a router tells that it prohibits the way") {
  static const struct expected expected[] = {
      {DGRAM_ICMP_PROHIBITED, 3, 13, UV_EHOSTUNREACH},
      {DGRAM_ICMP_PROHIBITED, 1, 1, UV_EACCES},
  };
  struct reported reported = {0};
  forward();
  sh("ip %s route add prohibit %s", net == &ipv6 ? "-6" : "", net->right);
  dgram_socket_t *sender = listen_on_left(net->type, &reported);
  send_to_port(sender, 1, PORT, net->right);
  run_hosts_until(&reported.count, 1);
  assert_reported(&reported, of(net, expected), net->right, PORT, net->middle);
}

TEST_OVER_EACH("a router tells that the hop limit was reached") {
  static const struct expected expected[] = {
      {DGRAM_ICMP_TIME_EXCEEDED, 11, 0, UV_EHOSTUNREACH},
      {DGRAM_ICMP_TIME_EXCEEDED, 3, 0, UV_EHOSTUNREACH},
  };
  struct reported reported = {0};
  forward();
  dgram_socket_t *sender = listen_on_left(net->type, &reported);
  assert_int_equal(dgram_set_sockopt(sender, DGRAM_SO_TTL, 1), 0);
  send_to_port(sender, 1, PORT, net->right);
  run_hosts_until(&reported.count, 1);
  assert_reported(&reported, of(net, expected), net->right, PORT, net->middle);
}

/* ---- the MTU of a path ---- */

enum { NARROW = 1300, WIDE = 1500, OVER = 1400 };

static int mtu_to(const dgram_socket_t *socket, const char *address) {
  union raw_address to;
  raw_address(&to, address, PORT);
  return dgram_get_mtu_to(socket, &to.any);
}

static void assert_mtu_is_told(dgram_type_t type, const char *right_address,
                               const char *middle_address, int from_icmp) {
  struct reported reported = {0};
  struct kept_error failure = {0};
  forward();
  sh("ip link set eth1 mtu %d", NARROW);
  dgram_socket_t *sender = listen_on_left(type, &reported);
  assert_int_equal(dgram_set_sockopt(sender, DGRAM_SO_PATH_MTU, DGRAM_PATH_MTU_ON), 0);
  enter(left);
  assert_int_equal(mtu_to(sender, right_address), WIDE);
  send_to_port(sender, OVER, PORT, right_address);
  run_hosts_until(&reported.count, 1);
  assert_int_equal(reported.kind, DGRAM_ICMP_PACKET_TOO_BIG);
  assert_int_equal(reported.error, UV_EMSGSIZE);
  assert_int_equal(reported.mtu, from_icmp);
  assert_string_equal(reported.peer, right_address);
  assert_string_equal(reported.reporter, middle_address);

  /* The system knows the path's MTU now: the next send fails, and tells it. */
  enter(left);
  assert_int_equal(mtu_to(sender, right_address), NARROW);
  assert_int_equal(
      dgram_send(sender, payload, OVER, PORT, right_address, keep_send_error, &failure), 0);
  run_hosts_until(&failure.calls, 1);
  assert_int_equal(failure.code, UV_EMSGSIZE);
  assert_int_equal(failure.mtu, NARROW);
  connect_to_host(sender, right_address);
  assert_int_equal(dgram_get_mtu(sender), NARROW);
  assert_int_equal(dgram_send(sender, payload, OVER, 0, NULL, keep_send_error, &failure), 0);
  run_hosts_until(&failure.calls, 2);
  assert_int_equal(failure.mtu, NARROW);
  assert_int_equal(reported.count, 1); /* what this host refuses is no ICMP */
}

TEST_OVER_EACH("a router tells the MTU of its link, and EMSGSIZE of the next send has it") {
  assert_mtu_is_told(net->type, net->right, net->middle, NARROW);
}

TEST("a router tells the MTU of its link of an IPv4-mapped path") {
  assert_mtu_is_told(DGRAM_UDP6, "::ffff:10.0.2.2", "::ffff:10.0.1.1", NARROW);
}

TEST_OVER_EACH("EMSGSIZE of a connected socket without listeners of 'icmp' has the MTU") {
  struct kept_error failure = {0};
  forward();
  sh("ip link set eth1 mtu %d", NARROW);
  dgram_socket_t *sender = bind_on(left, net->type, NULL);
  assert_int_equal(dgram_on_error(sender, keep_error, &failure), 0);
  assert_int_equal(dgram_set_sockopt(sender, DGRAM_SO_PATH_MTU, DGRAM_PATH_MTU_ON), 0);
  connect_to_host(sender, net->right);
  send_to_port(sender, OVER, 0, NULL);
  run_hosts_until(&failure.calls, 1);
  assert_int_equal(failure.code, UV_EMSGSIZE);
  assert_int_equal(failure.mtu, NARROW);
}

TEST_OVER_EACH("a probe leaves though the known MTU is smaller") {
  struct reported reported = {0};
  struct kept_error failure = {0};
  forward();
  sh("ip link set eth1 mtu %d", NARROW);
  dgram_socket_t *sender = listen_on_left(net->type, &reported);
  assert_int_equal(dgram_set_sockopt(sender, DGRAM_SO_PATH_MTU, DGRAM_PATH_MTU_PROBE), 0);
  for (int i = 1; i <= 2; i++) {
    send_to_port(sender, OVER, PORT, net->right);
    run_hosts_until(&reported.count, i);
    assert_int_equal(reported.mtu, NARROW);
  }
  assert_int_equal(dgram_send(sender, payload, 1600, PORT, net->right, keep_send_error, &failure),
                   0);
  run_hosts_until(&failure.calls, 1);
  assert_int_equal(failure.code, UV_EMSGSIZE);
}

/* ---- many ---- */

struct counted {
  int reports;
  int in_iteration;
  int most_in_iteration;
  int errors;
};

static void count_icmp(dgram_socket_t *socket, const dgram_icmp_t *icmp, void *context) {
  struct counted *counted = context;
  counted->reports++;
  if (++counted->in_iteration > counted->most_in_iteration)
    counted->most_in_iteration = counted->in_iteration;
}

static void count_error(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  ((struct counted *)context)->errors++;
}

static void on_iteration(uv_prepare_t *prepare) {
  ((struct counted *)prepare->data)->in_iteration = 0;
}

/*
 * Each answer is there before the next send, which meets it, since each send is flushed by itself;
 * and the answers are read while more are sent.
 */
static void assert_healthy_beside_dead(const struct addresses *net, int flushed_each) {
  enum { ROUNDS = 20, PAIRS = 50 };
  struct counted counted = {0};
  int sent = 0;
  int received = 0;
  sh("echo 0 >/proc/sys/net/ipv4/icmp_ratelimit; echo 100000 >/proc/sys/net/ipv4/icmp_msgs_per_sec;"
     "echo 100000 >/proc/sys/net/ipv4/icmp_msgs_burst;"
     "echo 0 >/proc/sys/net/ipv6/icmp/ratelimit");
  bind_with(middle, net->type, count_message, &received);
  dgram_socket_t *sender = bind_on(left, net->type, NULL);
  assert_int_equal(dgram_on_icmp(sender, count_icmp, &counted), 0);
  assert_int_equal(dgram_on_error(sender, count_error, &counted), 0);
  static uv_prepare_t iteration;
  uv_prepare_init(left->loop, &iteration);
  iteration.data = &counted;
  uv_prepare_start(&iteration, on_iteration);
  for (int round = 1; round <= ROUNDS; round++) {
    enter(left);
    for (int i = 0; i < PAIRS; i++) {
      assert_int_equal(dgram_send(sender, "x", 1, PORT + 1, net->middle, count_sent, &sent), 0);
      if (flushed_each)
        dgram_flush(sender);
      assert_int_equal(dgram_send(sender, "y", 1, PORT, net->middle, count_sent, &sent), 0);
      if (flushed_each)
        dgram_flush(sender);
    }
    run_hosts_until(&received, round * PAIRS);
    assert_int_equal(sent, 2 * round * PAIRS);
  }
  run_hosts_until(&counted.reports, flushed_each ? 2 * PAIRS : 1);
  assert_in_range(counted.most_in_iteration, 1, 32);
  assert_in_range(counted.reports, 1, ROUNDS * PAIRS);
  assert_int_equal(received, ROUNDS * PAIRS);
  assert_int_equal(counted.errors, 0);
  uv_close((uv_handle_t *)&iteration, NULL);
}

TEST_OVER_EACH("healthy peers get everything beside a dead one, each send flushed by itself") {
  assert_healthy_beside_dead(net, 1);
}

TEST_OVER_EACH("healthy peers get everything beside a dead one, many sends at a time") {
  assert_healthy_beside_dead(net, 0);
}

int main(void) {
  return hosts_run();
}

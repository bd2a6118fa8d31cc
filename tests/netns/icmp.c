/*
 * Answers of other hosts (ICMP) to what was sent: nobody listens on the port, a router forbids the
 * way, or there is none. A connected socket emits them by 'error' and stays connected; an
 * unconnected one does not. A healthy send that meets such an answer leaves.
 */
#include "lib/packets.h"

/* A socket on left that is connected, and keeps the errors that it emits. */
static dgram_socket_t *connect_left(dgram_type_t type, const char *address,
                                    struct kept_error *kept) {
  dgram_socket_t *socket = bind_on(left, type, NULL);
  assert_int_equal(dgram_on_error(socket, keep_error, kept), 0);
  connect_to_host(socket, address);
  return socket;
}

/* ---- a closed port ---- */

TEST_OVER_EACH("a connected socket emits ECONNREFUSED for each send, and stays connected") {
  struct kept_error kept = {0};
  dgram_socket_t *sender = connect_left(net->type, net->middle, &kept);
  for (int round = 1; round <= 3; round++) {
    send_from(sender, "lost", NULL);
    run_hosts_until(&kept.calls, round);
    assert_string_equal(kept.message, "recvmsg ECONNREFUSED");
    assert_string_equal(kept.syscall, "recvmsg");
  }
  bind_on(middle, net->type, NULL);
  send_from(sender, "now", NULL);
  assert_received(middle, "now");
  assert_int_equal(kept.calls, 3);
}

/*
 * Sends several datagrams in one iteration, of different sizes: no system call can take them as
 * one. Each answer is met, and taken from the system, by the send after it; how often the socket
 * emits it is not specified.
 */
static void send_ten(dgram_socket_t *sender) {
  enum { SENDS = 10 };
  int sent = 0;
  for (int i = 0; i < SENDS; i++)
    assert_int_equal(dgram_send(sender, "0123456789", (size_t)i, 0, NULL, count_sent, &sent), 0);
  run_hosts_until(&sent, SENDS);
}

TEST("sends of one iteration to a closed port all leave") {
  struct kept_error kept = {0};
  sh("echo 0 >/proc/sys/net/ipv4/icmp_ratelimit"); /* so that each is answered */
  send_ten(connect_left(DGRAM_UDP4, ipv4.middle, &kept));
  run_hosts_until(&kept.calls, 1);
  assert_string_equal(kept.message, "recvmsg ECONNREFUSED");
}

/* The host answers the first few: Linux limits its ICMP messages. */
TEST("sends of one iteration to a closed port emit ECONNREFUSED once at least") {
  struct kept_error kept = {0};
  sh("echo 10000 >/proc/sys/net/ipv4/icmp_ratelimit"); /* six at once, then one in 10 seconds */
  dgram_socket_t *sender = connect_left(DGRAM_UDP4, ipv4.middle, &kept);
  send_ten(sender);
  bind_on(middle, DGRAM_UDP4, NULL);
  send_from(sender, "end", NULL);
  assert_received(middle, "end");
  assert_in_range(kept.calls, 1, 10);
  assert_string_equal(kept.message, "recvmsg ECONNREFUSED");
}

TEST_OVER_EACH("an unconnected socket emits no error for a closed port") {
  enum { PAIRS = 5 };
  int sent = 0;
  enter(left);
  int wire = tap("eth0");
  enter(middle);
  dgram_socket_t *sender = bind_on(left, net->type, NULL);
  dgram_socket_t *receiver = bind_on(middle, net->type, NULL);
  for (int i = 0; i < PAIRS; i++) {
    assert_int_equal(dgram_send(sender, "x", 1, PORT + 1, net->middle, count_sent, &sent), 0);
    assert_int_equal(dgram_send(sender, "y", 1, PORT, net->middle, count_sent, &sent), 0);
  }
  assert_received(middle, "y y y y y");
  assert_int_equal(sent, 2 * PAIRS);
  wait_for_unreachable(wire);
  send_from(sender, "again", net->middle);
  send_from(receiver, "answer", net->left);
  assert_received(left, "answer"); /* and no 'error', which would be an unhandled one */
  assert_received(middle, "again");
}

/* ---- an answer that is there before the next send ---- */

struct scenario {
  const char *trouble; /* shell commands that have middle refuse what goes to right */
  const char *remedy;  /* or not any more */
  int wire;            /* of left */
  int sent;
};

/* The loop has not read the socket yet, so the next send is the first to meet the refusal. */
static void send_once_more(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                           void *context) {
  struct scenario *scenario = context;
  assert_null(error);
  wait_for_unreachable(scenario->wire);
  enter(middle);
  sh("%s", scenario->remedy);
  enter(left);
  assert_int_equal(dgram_send(socket, "healthy", 7, 0, NULL, count_sent, &scenario->sent), 0);
}

static void assert_next_leaves(const struct addresses *net, struct scenario scenario,
                               const char *error) {
  struct kept_error kept = {0};
  forward();
  sh("%s", scenario.trouble);
  bind_on(right, net->type, NULL);
  dgram_socket_t *sender = connect_left(net->type, net->right, &kept);
  enter(left);
  scenario.wire = tap("eth0");
  assert_int_equal(dgram_send(sender, "lost", 4, 0, NULL, send_once_more, &scenario), 0);
  assert_received(right, "healthy");
  run_hosts_until(&kept.calls, 1);
  assert_string_equal(kept.message, error);
  assert_int_equal(scenario.sent, 1);
}

/* middle passes for right, but nobody listens there. */
TEST("a send after the answer of a closed port leaves, over IPv4") {
  assert_next_leaves(&ipv4,
                     (struct scenario){.trouble = "ip addr add 10.0.2.2 dev lo",
                                       .remedy = "ip addr del 10.0.2.2 dev lo"},
                     "recvmsg ECONNREFUSED");
}

TEST("a send after the answer of a closed port leaves, over IPv6") {
  assert_next_leaves(
      &ipv6,
      (struct scenario){.trouble = "ip addr add fd00:2::2 dev lo nodad;"
                                   "until ip -6 route get fd00:2::2 | grep -q local; do :; done",
                        .remedy = "ip addr del fd00:2::2 dev lo"},
      "recvmsg ECONNREFUSED");
}

TEST("a send after the answer of a router that forbids the way leaves, over IPv4") {
  assert_next_leaves(&ipv4,
                     (struct scenario){.trouble = "ip route add prohibit 10.0.2.2",
                                       .remedy = "ip route del prohibit 10.0.2.2"},
                     "recvmsg EHOSTUNREACH");
}

/* ICMPv6, code 1, which the system calls EACCES. */
TEST("a send after the answer of a router that forbids the way leaves, over IPv6") {
  assert_next_leaves(&ipv6,
                     (struct scenario){.trouble = "ip route add prohibit fd00:2::2",
                                       .remedy = "ip route del prohibit fd00:2::2"},
                     "recvmsg EACCES");
}

/* ---- no way ---- */

/* Its own system refuses the send: that is no answer to an earlier datagram. */
TEST("a send without a route fails in its callback, and is no 'error' besides") {
  struct kept_error kept = {0};
  struct kept_error emitted = {0};
  forward();
  dgram_socket_t *sender = connect_left(DGRAM_UDP4, ipv4.right, &emitted);
  enter(left);
  sh("ip route add unreachable 10.0.2.2");
  assert_int_equal(dgram_send(sender, "x", 1, 0, NULL, keep_send_error, &kept), 0);
  run_hosts_until(&kept.calls, 1);
  assert_string_equal(kept.message, "send EHOSTUNREACH");
  sh("ip route del unreachable 10.0.2.2");

  bind_on(right, DGRAM_UDP4, NULL);
  send_from(sender, "now", NULL);
  assert_received(right, "now");
  assert_int_equal(kept.calls, 1);
  assert_int_equal(emitted.calls, 0);
}

int main(void) {
  return hosts_run();
}

/*
 * Datagrams around the link's MTU: what fits leaves whole, what does not leaves in fragments, and
 * either arrives whole, byte for byte. What no datagram can be is EMSGSIZE.
 */
#include "lib/packets.h"

enum { MTU = 1500, MOST_V4 = 65507, MOST_V6 = 65527 };

/* The most that fits, behind the headers of IP and UDP. */
static size_t most_unbroken(dgram_type_t type) {
  return MTU - (type == DGRAM_UDP4 ? 20 : 40) - 8;
}

/* A fragment's share, of which UDP's header is a part, is a multiple of 8 (RFC 791, RFC 8200). */
static size_t packets_for(dgram_type_t type, size_t size) {
  size_t share = type == DGRAM_UDP4 ? MTU - 20 : MTU - 40 - 8;
  share -= share % 8;
  return size <= most_unbroken(type) ? 1 : (size + 8 + share - 1) / share;
}

static char bytes[MOST_V6 + 1];

/* Bytes that are the size's own, and in which a shift shows. */
static void fill(size_t size) {
  for (size_t i = 0; i < size; i++)
    bytes[i] = (char)(i * 7 + i / 251 + size);
}

struct arrival {
  int count;
  size_t size;
  int same;
};

static void compare(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                    void *context) {
  struct arrival *arrival = context;
  arrival->count++;
  arrival->size = rinfo->size;
  arrival->same = memcmp(message, bytes, rinfo->size) == 0;
}

static void keep_size(dgram_socket_t *socket, const dgram_error_t *error, size_t size,
                      void *context) {
  if (error != NULL)
    fail_msg("%s", error->message);
  *(int *)context = (int)size + 1; /* so that an empty one counts */
}

static void send_size(dgram_socket_t *socket, size_t size, const char *to) {
  int sent = 0;
  fill(size);
  assert_int_equal(dgram_send(socket, bytes, size, PORT, to, keep_size, &sent), 0);
  run_hosts_until(&sent, 1);
  assert_int_equal(sent, size + 1);
}

/* How many packets are there that belong to the datagram: it, or its fragments. */
static size_t packets_on(int wire) {
  enum { FRAGMENT = 44 };
  struct packet packet;
  size_t count = 0;
  while (take_packet(wire, &packet)) {
    int protocol = protocol_of(&packet);
    count += protocol == UDP || (!is_v4(&packet) && protocol == FRAGMENT);
    assert_in_range(packet.size, 1, MTU);
  }
  return count;
}

static size_t most_of(const struct addresses *net) {
  return net == &ipv4 ? MOST_V4 : MOST_V6;
}

TEST_OVER_EACH("a datagram of any size arrives whole, in as many packets as it needs") {
  const size_t fits = most_unbroken(net->type);
  const size_t most = most_of(net);
  const size_t sizes[] = {0, 1, fits - 1, fits, fits + 1, (size_t)2 * MTU, most - 1, most};
  struct arrival arrival = {0};
  int wire = tap("eth0");
  dgram_socket_t *sender = bind_on(left, net->type, NULL);
  bind_with(middle, net->type, compare, &arrival);
  for (int i = 0; i < (int)(sizeof sizes / sizeof sizes[0]); i++) {
    send_size(sender, sizes[i], net->middle);
    run_hosts_until(&arrival.count, i + 1);
    assert_int_equal(arrival.size, sizes[i]);
    assert_true(arrival.same);
    assert_int_equal(packets_on(wire), packets_for(net->type, sizes[i]));
  }
}

/* Also in one iteration, with others of its size, where segmentation is tried first. */
TEST_OVER_EACH("a datagram of one byte too many is EMSGSIZE") {
  struct kept_error kept = {0};
  struct arrival arrival = {0};
  char message[128];
  int sent = 0;
  const size_t most = most_of(net);
  dgram_socket_t *sender = bind_on(left, net->type, NULL);
  bind_with(middle, net->type, compare, &arrival);
  fill(most + 1);
  assert_int_equal(dgram_send(sender, bytes, 9, PORT, net->middle, keep_size, &sent), 0);
  for (int i = 0; i < 3; i++)
    assert_int_equal(dgram_send(sender, bytes, most + 1, PORT, net->middle, keep_send_error, &kept),
                     0);
  assert_int_equal(dgram_send(sender, bytes, 9, PORT, net->middle, keep_size, &sent), 0);
  run_hosts_until(&arrival.count, 2);
  assert_int_equal(kept.calls, 3);
  snprintf(message, sizeof message, "send EMSGSIZE %s:%d", net->middle, PORT);
  assert_string_equal(kept.message, message);
  assert_int_equal(arrival.size, 9);
}

/* The link behind the router is narrower. */
TEST_OVER_EACH("a datagram too large for a link behind the router is lost, and the next one leaves "
               "in fragments") {
  struct arrival arrival = {0};
  forward();
  sh("ip link set eth1 mtu 1300");
  enter(left);
  int wire = tap("eth0");
  enter(middle);
  dgram_socket_t *sender = bind_on(left, net->type, NULL);
  bind_with(right, net->type, compare, &arrival);
  send_size(sender, 1400, net->right);
  wait_for_too_big(wire);
  send_size(sender, 1401, net->right);
  run_hosts_until(&arrival.count, 1);
  assert_int_equal(arrival.size, 1401);
  assert_true(arrival.same);
}

int main(void) {
  return hosts_run();
}

/*
 * What a hostile network does to a server: datagrams from made-up sources and from every port,
 * empty ones, the largest, joined one-byte ones, ICMP of every kind, a storm in a group, and all
 * that while its socket closes. The server answers an honest peer in the midst of it, neither its
 * heap nor its descriptors grow, and its socket works on. `make hostile` measures the same beside
 * libuv.
 *
 * The peer asks between two halves of a burst that fits into the socket's receive buffer, so each
 * question must be answered.
 */
#include "lib/forge.h"
#include "lib/hosts.h"

#include <netinet/udp.h>

#ifdef __GLIBC__
#include <malloc.h>
#endif

enum {
  ROUNDS = 40,
  BURST = 100,        /* small datagrams; half of them before the question */
  HEAP_GROWTH = 65536 /* bytes, at most, from the first round to the last */
};

struct victim {
  const struct addresses *net;
  dgram_socket_t *socket;
  dgram_socket_t *peer;
  int forger;      /* a raw socket of middle */
  int received;    /* datagrams that were no questions */
  int answered;    /* questions */
  int reports;     /* 'icmp' */
  int close_after; /* so many more datagrams, the server closes; 0: it does not */
  int closed;
  uint64_t random; /* of the attacker */
};

static uint32_t pick(struct victim *victim) {
  victim->random = victim->random * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(victim->random >> 33);
}

/* ---- the server and the peer ---- */

static int is_question(const char *message, const dgram_rinfo_t *rinfo) {
  return rinfo->size == 3 && memcmp(message, "ask", 3) == 0;
}

static void on_datagram(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                        void *context) {
  struct victim *victim = context;
  assert_false(victim->closed);
  if (victim->close_after > 0 && --victim->close_after == 0) {
    victim->closed = 1;
    close_socket(socket);
    return;
  }
  if (!is_question(message, rinfo)) {
    victim->received++;
    return;
  }
  uv_buf_t answer = uv_buf_init((char *)"answer", 6);
  assert_int_equal(dgram_send_to(socket, &answer, 1, rinfo->sockaddr, NULL, NULL), 0);
}

static void on_answer(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                      void *context) {
  struct victim *victim = context;
  if (rinfo->size == 6 && memcmp(message, "answer", 6) == 0)
    victim->answered++;
}

static void on_icmp(dgram_socket_t *socket, const dgram_icmp_t *icmp, void *context) {
  struct victim *victim = context;
  victim->reports++;
}

static struct victim open_victim(const struct addresses *net) {
  struct victim victim = {.net = net, .random = 1};
  enter(left); /* its routes must not be moved: that is not the socket's matter */
  sh("for i in all default eth0; do "
     "echo 0 >/proc/sys/net/ipv4/conf/$i/accept_redirects; "
     "echo 0 >/proc/sys/net/ipv6/conf/$i/accept_redirects; "
     "echo 0 >/proc/sys/net/ipv6/conf/$i/accept_ra; done");
  enter(middle);
  victim.forger = close_with_hosts(forge_socket(net == &ipv4 ? AF_INET : AF_INET6));
  assert_true(victim.forger >= 0);
  return victim;
}

/* What the callbacks get is the test's own struct, so this follows open_victim(). */
static void serve(struct victim *victim) {
  victim->socket = bind_with(left, victim->net->type, on_datagram, victim);
  victim->peer = bind_with(middle, victim->net->type, on_answer, victim);
}

/* ---- what may not grow ---- */

static size_t heap_in_use(void) {
#ifdef __GLIBC__
  struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
#else
  return 0;
#endif
}

typedef void attack_t(struct victim *victim, int datagrams);

/* The rounds of an attack, with a question in the midst of each. */
static void withstand(struct victim *victim, attack_t *attack, int burst) {
  int asked = victim->answered, files = 0;
  size_t heap = 0;
  for (int round = 0; round < ROUNDS; round++) {
    enter(middle);
    attack(victim, burst / 2);
    send_from(victim->peer, "ask", victim->net->left);
    attack(victim, burst - burst / 2);
    run_hosts_until(&victim->answered, ++asked);
    if (round == 0) { /* receive buffers, counters and the like exist now */
      files = count_open_files();
      heap = heap_in_use();
    }
  }
  assert_int_equal(count_open_files(), files);
  assert_in_range(heap_in_use(), 0, heap + HEAP_GROWTH);
  assert_int_equal(victim->answered, asked);
  send_from(victim->peer, "ask", victim->net->left);
  run_hosts_until(&victim->answered, asked + 1);
}

/* ---- attacks by datagrams ---- */

static struct forged_end server_end(const struct victim *victim) {
  return forge_end(victim->net->left, PORT);
}

static void send_forged(struct victim *victim, const struct forged_end *from, const char *text) {
  struct forged packet;
  struct forged_end to = server_end(victim);
  forge_udp(&packet, from, &to, text, strlen(text));
  assert_int_equal(forge_send(victim->forger, &packet), 0);
}

static void spoof(struct victim *victim, int datagrams) {
  while (datagrams-- > 0) {
    struct forged_end from = forge_end(victim->net == &ipv4 ? "20.0.0.1" : "2001:db8::1", 0);
    from.port = (uint16_t)pick(victim);
    memcpy(from.address + (from.family == AF_INET ? 1 : 12), (uint32_t[]){pick(victim)}, 3);
    send_forged(victim, &from, "spoofed");
  }
}

TEST_OVER_EACH("a server withstands a flood from made-up sources") {
  struct victim victim = open_victim(net);
  serve(&victim);
  withstand(&victim, spoof, BURST);
  assert_int_equal(victim.received, ROUNDS * BURST);
}

static void send_from_each_port(struct victim *victim, int datagrams) {
  struct forged_end from = forge_end(victim->net->middle, 0);
  while (datagrams-- > 0) {
    from.port = (uint16_t)++victim->random; /* port 0 too */
    if (from.port != PORT)
      send_forged(victim, &from, "port");
  }
}

TEST_OVER_EACH("a server withstands datagrams from 65,536 ports of one host") {
  enum { EACH = 200 };
  struct victim victim = open_victim(net);
  serve(&victim);
  withstand(&victim, send_from_each_port, EACH);
  int answered = victim.answered;
  for (int round = 0; round < (65536 / EACH) / (int)test_scale(); round++) {
    enter(middle);
    send_from_each_port(&victim, EACH);
    send_from(victim.peer, "ask", net->left);
    run_hosts_until(&victim.answered, ++answered);
  }
}

/* Sends datagrams of one size by a system socket of middle; with `segment`, as segmented sends. */
static int send_sized(struct victim *victim, int datagrams, size_t size, int segment) {
  static char payload[65507];
  union raw_address to;
  socklen_t length = raw_address(&to, victim->net->left, PORT);
  int left_over = datagrams, refused = 0;
  int fd = socket(to.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  assert_true(fd >= 0);
  if (segment > 0)
    assert_int_equal(setsockopt(fd, SOL_UDP, UDP_SEGMENT, &segment, sizeof segment), 0);
  while (left_over-- > 0 && !refused)
    refused = sendto(fd, payload, size, 0, &to.any, length) != (ssize_t)size;
  close(fd);
  return !refused;
}

static void send_empty(struct victim *victim, int datagrams) {
  assert_true(send_sized(victim, datagrams, 0, 0));
}

TEST_OVER_EACH("a server withstands empty datagrams") {
  struct victim victim = open_victim(net);
  serve(&victim);
  withstand(&victim, send_empty, BURST);
  assert_int_equal(victim.received, ROUNDS * BURST);
}

static void send_largest(struct victim *victim, int datagrams) {
  assert_true(send_sized(victim, datagrams, 65507, 0));
}

TEST_OVER_EACH("a server withstands datagrams of the largest size") {
  struct victim victim = open_victim(net);
  serve(&victim);
  withstand(&victim, send_largest, 1);
  assert_int_equal(victim.received, ROUNDS);
}

static void send_bytes_joined(struct victim *victim, int datagrams) {
  assert_true(send_sized(victim, datagrams, 64, 1));
}

TEST_OVER_EACH("a server withstands joined datagrams of one byte each") {
  struct victim victim = open_victim(net);
  enter(middle);
  if (!send_sized(&victim, 1, 64, 1)) {
    print_message("skipped: this system does not segment\n");
    skip();
  }
  serve(&victim);
  withstand(&victim, send_bytes_joined, 2);
  assert_int_equal(victim.received, ROUNDS * 2 * 64);
}

static void storm(struct victim *victim, int datagrams) {
  struct forged packet;
  struct forged_end from = forge_end(victim->net->middle, 9);
  struct forged_end to = forge_end(victim->net->group, PORT);
  forge_udp(&packet, &from, &to, "storm", 5);
  while (datagrams-- > 0)
    assert_int_equal(forge_send(victim->forger, &packet), 0);
}

TEST_OVER_EACH("a server withstands a storm in its multicast group") {
  struct victim victim = open_victim(net);
  serve(&victim);
  enter(left);
  assert_int_equal(dgram_add_membership(victim.socket, net->group, "eth0"), 0);
  withstand(&victim, storm, BURST);
  assert_int_equal(victim.received, ROUNDS * BURST);
}

/* ---- ICMP ---- */

/*
 * ICMP messages of middle about a datagram of the server: of any type and code, with any quote.
 * Every second is about one that may have been sent.
 */
static void send_icmp(struct victim *victim, int messages) {
  static const size_t quotes[] = {FORGED_WHOLE, 0, 1, 19, 20, 27, 28, 39, 40, 44, 47, 48};
  struct forged quoted, packet;
  struct forged_end router = forge_end(victim->net->middle, PORT), server = server_end(victim);
  while (messages-- > 0) {
    struct forged_end to = router, from = server;
    uint32_t choice = pick(victim);
    if (choice % 2 != 0) {
      to.port = (uint16_t)pick(victim);
      from.port = (uint16_t)(choice % 4 == 1 ? PORT : pick(victim));
      to.address[3] = (uint8_t)pick(victim);
    }
    forge_udp(&quoted, &from, &to, "answer", 6);
    /* Half of them are errors: type 3, 4, 5, 11, 12; ICMPv6: type 1 to 4. The others are any. */
    static const uint8_t errors_v4[] = {3, 11, 12, 4, 5};
    uint8_t error = victim->net == &ipv4 ? errors_v4[pick(victim) % 5] : 1 + pick(victim) % 4;
    struct forged_icmp icmp = {.type = pick(victim) % 2 != 0 ? error : (uint8_t)pick(victim),
                               .code =
                                   (uint8_t)(pick(victim) % 2 ? pick(victim) % 16 : pick(victim)),
                               .rest = pick(victim) % 4 != 0 ? pick(victim) : 1400,
                               .quote_bytes = quotes[pick(victim) % 12],
                               .wrong_checksum = pick(victim) % 8 == 0};
    forge_icmp(&packet, &router, &server, &icmp, &quoted);
    assert_int_equal(forge_send(victim->forger, &packet), 0);
  }
}

TEST_OVER_EACH("a server withstands ICMP messages of every kind") {
  struct victim victim = open_victim(net);
  serve(&victim);
  withstand(&victim, send_icmp, BURST);
  assert_int_equal(victim.reports, 0);
}

TEST_OVER_EACH("a server with a listener of 'icmp' withstands ICMP messages of every kind") {
  struct victim victim = open_victim(net);
  serve(&victim);
  enter(left);
  assert_int_equal(dgram_on_icmp(victim.socket, on_icmp, &victim), 0);
  withstand(&victim, send_icmp, BURST);
  assert_in_range(victim.reports, 1, ROUNDS * BURST);
}

static void on_error(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  assert_int_not_equal(error->code, 0);
}

TEST_OVER_EACH("a connected socket withstands ICMP messages of every kind") {
  struct victim victim = open_victim(net);
  serve(&victim);
  enter(left);
  assert_int_equal(dgram_on_error(victim.socket, on_error, NULL), 0);
  connect_to_host(victim.socket, net->middle);
  /* An answer to a connected peer needs no address. */
  for (int round = 1; round <= ROUNDS; round++) {
    enter(middle);
    send_icmp(&victim, BURST);
    int before = victim.answered;
    enter(left);
    send_from(victim.socket, "answer", NULL);
    run_hosts_until(&victim.answered, before + 1);
  }
}

/* ---- close ---- */

TEST_OVER_EACH("a server closes and opens its socket anew under a flood") {
  struct victim victim = open_victim(net);
  serve(&victim);
  int files = 0;
  size_t heap = 0;
  for (int round = 1; round <= ROUNDS; round++) {
    enter(middle);
    spoof(&victim, BURST / 2);
    send_icmp(&victim, BURST / 2);
    victim.close_after = 1 + round % (BURST / 2);
    run_hosts_until(&victim.closed, 1); /* datagrams of the same batch are left */
    spoof(&victim, BURST / 2);          /* nobody listens, and ICMP says so */
    victim.closed = 0;
    victim.socket = bind_with(left, net->type, on_datagram, &victim);
    send_from(victim.peer, "ask", net->left);
    run_hosts_until(&victim.answered, round);
    if (round == 2) {
      files = count_open_files();
      heap = heap_in_use();
    }
  }
  assert_int_equal(count_open_files(), files);
  assert_in_range(heap_in_use(), 0, heap + HEAP_GROWTH);
}

int main(void) {
  return hosts_run();
}

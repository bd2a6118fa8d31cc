/*
 * An adopted descriptor may have control messages of all kinds turned on
 * (cmsg(3)). The library reads none of them, and delivers every datagram whole all the same.
 */
#include "lib/fixture.h"

#include <linux/net_tstamp.h>
#include <netinet/udp.h>
#include <stdbool.h>

#ifndef SO_RCVMARK
#define SO_RCVMARK 75 /* since Linux 5.19 */
#endif
#ifndef SO_RCVPRIORITY
#define SO_RCVPRIORITY 82 /* since Linux 6.15 */
#endif

enum {
  UDP_CUTS = 103,     /* UDP_SEGMENT, which older C libraries lack */
  UDP_JOINS = 104,    /* UDP_GRO, the same */
  TELLS_OF_FLOW = 11, /* IPV6_FLOWINFO, which they all lack */
  TIMES = SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_OPT_PKTINFO,
};

struct option {
  int level;
  int name;
  int value;
};

/* The control messages of any datagram. */
static const struct option general[] = {{SOL_SOCKET, SO_TIMESTAMPNS, 1},
                                        {SOL_SOCKET, SO_TIMESTAMPING, TIMES},
                                        {SOL_SOCKET, SO_RXQ_OVFL, 1},
                                        {SOL_SOCKET, SO_RCVMARK, 1},
                                        {SOL_SOCKET, SO_RCVPRIORITY, 1}};

/* Of one by IPv4; a socket of IPv6 takes them, too. */
static const struct option of_ipv4[] = {
    {IPPROTO_IP, IP_PKTINFO, 1},         {IPPROTO_IP, IP_RECVTTL, 1},
    {IPPROTO_IP, IP_RECVTOS, 1},         {IPPROTO_IP, IP_RECVOPTS, 1},
    {IPPROTO_IP, IP_RETOPTS, 1},         {IPPROTO_IP, IP_PASSSEC, 1},
    {IPPROTO_IP, IP_RECVORIGDSTADDR, 1}, {IPPROTO_IP, IP_CHECKSUM, 1},
    {IPPROTO_IP, IP_RECVFRAGSIZE, 1}};

static const struct option of_ipv6[] = {
    {IPPROTO_IPV6, IPV6_RECVPKTINFO, 1},     {IPPROTO_IPV6, IPV6_2292PKTINFO, 1},
    {IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1},    {IPPROTO_IPV6, IPV6_2292HOPLIMIT, 1},
    {IPPROTO_IPV6, IPV6_RECVTCLASS, 1},      {IPPROTO_IPV6, TELLS_OF_FLOW, 1},
    {IPPROTO_IPV6, IPV6_RECVORIGDSTADDR, 1}, {IPPROTO_IPV6, IPV6_RECVFRAGSIZE, 1}};

static const struct option of_headers[] = {{IPPROTO_IPV6, IPV6_RECVDSTOPTS, 1}};

static const struct option joining[] = {{IPPROTO_UDP, UDP_JOINS, 1}};

/* All but what this system does not know, or forbids. Returns how many it took. */
static int set_options(int fd, const struct option options[], size_t count) {
  int taken = 0;
  for (size_t i = 0; i < count; i++)
    taken += setsockopt(fd, options[i].level, options[i].name, &options[i].value,
                        sizeof options[i].value) == 0;
  return taken;
}

#define SET_OPTIONS(fd, options) set_options(fd, options, sizeof(options) / sizeof *(options))

/* A socket of the system's with every control message turned on, bound to this address. */
static int curious_socket(int family, const char *address) {
  struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
  int room = ROOM;
  int fd = family == AF_INET ? raw_socket() : socket(AF_INET6, SOCK_DGRAM, 0);
  assert_true(fd >= 0);
  assert_true(SET_OPTIONS(fd, general) >= 3);
  assert_true(SET_OPTIONS(fd, of_ipv4) >= 6);
  if (family == AF_INET)
    return fd;
  assert_true(SET_OPTIONS(fd, of_ipv6) >= 6);
  assert_int_equal(inet_pton(AF_INET6, address, &v6.sin6_addr), 1);
  assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room), 0);
  assert_int_equal(bind(fd, (struct sockaddr *)&v6, sizeof v6), 0);
  return fd;
}

/* ---- traffic ---- */

enum { SENT = 200, SIZE = 300 };

/* The bytes of datagram i are those of the pattern from i on. */
static char pattern[SENT + SIZE];

static size_t size_of(int i) {
  return (size_t)(SIZE - i / 20 % 3); /* runs of one size: those leave and come as one */
}

static void check_message(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                          void *context) {
  int i = (*(int *)context)++ % SENT;
  assert_int_equal(rinfo->size, size_of(i));
  assert_memory_equal(message, pattern + i, rinfo->size);
}

struct fixture {
  uv_loop_t *loop;
  dgram_socket_t *receiver;
  dgram_socket_t *sender;
  int port;
  int received;
};

/* The receiver takes over `fd`. */
static struct fixture *open_fixture(uv_loop_t *loop, dgram_type_t type, int fd) {
  static struct fixture fixture;
  fixture = (struct fixture){.loop = loop};
  for (size_t i = 0; i < sizeof pattern; i++)
    pattern[i] = (char)(i * i / 7);
  fixture.receiver = new_socket(fixture.loop, type, check_message, &fixture.received);
  fixture.sender = new_socket(fixture.loop, type, NULL, NULL);
  assert_int_equal(adopt_fd(fixture.receiver, fd), 0);
  fixture.port = port_of(fixture.receiver);
  return &fixture;
}

static void close_fixture(struct fixture *fixture) {
  close_socket(fixture->receiver);
  close_socket(fixture->sender);
  run_to_end(fixture->loop);
}

static void send_one(struct fixture *fixture, const char *address, int i) {
  assert_int_equal(
      dgram_send(fixture->sender, pattern + i, size_of(i), fixture->port, address, NULL, NULL), 0);
}

/* One at a time: the system joins nothing. Then many at once, until it has joined some. */
static void all_arrive(struct fixture *fixture, const char *address) {
  for (int i = 0; i < SENT; i++) {
    send_one(fixture, address, i);
    run_until(fixture->loop, &fixture->received, i + 1);
  }
  for (int round = 2; round < 5; round++) {
    for (int i = 0; i < SENT; i++)
      send_one(fixture, address, i);
    run_until(fixture->loop, &fixture->received, round * SENT);
  }
}

static void arrive_at(uv_loop_t *loop, dgram_type_t type, int fd, const char *address) {
  struct fixture *fixture = open_fixture(loop, type, fd);
  all_arrive(fixture, address);
  close_fixture(fixture);
}

/* ---- joined before they arrive ---- */

enum { JOINED = 20 };

static void check_joined(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                         void *context) {
  int i = (*(int *)context)++;
  assert_int_equal(rinfo->size, SIZE / JOINED);
  assert_memory_equal(message, pattern + (size_t)i * rinfo->size, rinfo->size);
}

/* The system cuts one send into datagrams, and on the way to a socket like ours leaves it whole. */
static bool send_joined(int port) {
  int size = SIZE / JOINED;
  int sender = raw_socket();
  bool cuts = setsockopt(sender, IPPROTO_UDP, UDP_CUTS, &size, sizeof size) == 0;
  if (cuts)
    raw_send(sender, pattern, SIZE, port);
  close(sender);
  return cuts;
}

/* ---- tests ---- */

TEST("datagrams at a descriptor with every control message of IPv4 arrive whole") {
  arrive_at(loop, DGRAM_UDP4, curious_socket(AF_INET, NULL), "127.0.0.1");
}

TEST("datagrams at a descriptor with every control message of IPv6 arrive whole") {
  skip_without_ipv6();
  arrive_at(loop, DGRAM_UDP6, curious_socket(AF_INET6, "::1"), "::1");
}

TEST("datagrams of IPv4 at a udp6 descriptor with every control message arrive whole") {
  skip_without_ipv6();
  arrive_at(loop, DGRAM_UDP6, curious_socket(AF_INET6, "::"), "::ffff:127.0.0.1");
}

/* Whoever made it had the system join datagrams, and some have come. */
TEST("datagrams that were joined before the descriptor was adopted arrive one by one") {
  int fd = curious_socket(AF_INET, NULL);
  if (SET_OPTIONS(fd, joining) == 0 || !send_joined(raw_port(fd))) {
    print_message("skipped: this system joins nothing\n");
    close(fd);
    skip();
  }
  struct fixture *fixture = open_fixture(loop, DGRAM_UDP4, fd);
  int received = 0;
  assert_int_equal(dgram_off_message(fixture->receiver, check_message, &fixture->received), 0);
  assert_int_equal(dgram_on_message(fixture->receiver, check_joined, &received), 0);
  run_until(fixture->loop, &received, JOINED);
  close_fixture(fixture);
}

/* Options of a destination that nobody knows, and that are passed over for that (RFC 8200, 4.2). */
static bool send_with_long_header(int port) {
  enum { UNKNOWN = 0x1e, OPTION = 200, OPTIONS = 3 };
  unsigned char header[2 + OPTIONS * (2 + OPTION)] = {0, sizeof header / 8 - 1};
  struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
  int fd = socket(AF_INET6, SOCK_DGRAM, 0);
  for (size_t at = 2; at < sizeof header; at += 2 + OPTION) {
    header[at] = UNKNOWN;
    header[at + 1] = OPTION;
  }
  to.sin6_addr = in6addr_loopback;
  bool sent = setsockopt(fd, IPPROTO_IPV6, IPV6_DSTOPTS, header, sizeof header) == 0 &&
              sendto(fd, "hello", 5, 0, (struct sockaddr *)&to, sizeof to) == 5;
  close(fd);
  return sent;
}

TEST("a datagram with more control data than there is room for arrives") {
  skip_without_ipv6();
  int fd = curious_socket(AF_INET6, "::1");
  assert_int_equal(SET_OPTIONS(fd, of_headers), 1);
  struct fixture *fixture = open_fixture(loop, DGRAM_UDP6, fd);
  assert_int_equal(dgram_off_message(fixture->receiver, check_message, &fixture->received), 0);
  assert_int_equal(dgram_on_message(fixture->receiver, trace_message, "got"), 0);
  if (send_with_long_header(fixture->port))
    run_until_trace(fixture->loop, "got(hello)");
  else
    print_message("skipped: only a privileged user may send such headers\n");
  close_fixture(fixture);
}

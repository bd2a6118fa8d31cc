/*
 * Facts about received datagrams (`receive_info`): each that was asked for, of each datagram, on
 * both families, in 'message' and 'messages', from the backlog, and out of joined buffers. What
 * needs a wire is in tests/netns/receive_info.c.
 */
#include "lib/info.h"

#include <netinet/udp.h>
#include <time.h>

enum { CUTS = 103 /* UDP_SEGMENT, which older C libraries lack */ };

/* Of a socket with a port that `context` points to. */
static void trace_facts(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                        void *context) {
  const dgram_info_t *info = dgram_rinfo_info(rinfo);
  trace_info(message, rinfo);
  if (info != NULL && (info->flags & DGRAM_INFO_DESTINATION)) {
    dgram_address_t address;
    assert_int_equal(dgram_sockaddr_describe(info->destination, &address), 0);
    assert_int_equal(address.port, port_of(socket));
  }
}

static dgram_socket_t *new_asking(uv_loop_t *loop, dgram_type_t type, unsigned flags) {
  dgram_options_t options = dgram_default_options(type);
  options.receive_info = flags;
  options.recv_buffer_size = ROOM;
  dgram_socket_t *socket = new_with(loop, &options);
  assert_int_equal(dgram_on_message(socket, trace_facts, NULL), 0);
  return socket;
}

static dgram_socket_t *bind_asking(uv_loop_t *loop, dgram_type_t type, const char *address,
                                   unsigned flags) {
  dgram_socket_t *socket = new_asking(loop, type, flags);
  bind_now(socket, address);
  return socket;
}

/* ---- what is known ---- */

enum { PLAIN = DGRAM_INFO_DESTINATION | DGRAM_INFO_INTERFACE | DGRAM_INFO_TTL | DGRAM_INFO_TOS };

TEST("a socket that asks for nothing is told nothing") {
  dgram_socket_t *socket = bind_asking(loop, DGRAM_UDP4, "127.0.0.1", 0);
  int fd = raw_socket();
  raw_send(fd, "x", 1, port_of(socket));
  run_until_trace(loop, "x nothing");
  close(fd);
}

TEST("a socket on all interfaces is told the address, the interface, TTL and TOS of IPv4") {
  dgram_socket_t *socket = bind_asking(loop, DGRAM_UDP4, NULL, PLAIN);
  int fd = raw_marked(AF_INET, 7, 46 << 2 | 1);
  raw_send_to(fd, "x", "127.0.0.1", port_of(socket));
  raw_send_to(fd, "y", "127.0.0.2", port_of(socket));
  run_until_trace(loop, "x to:127.0.0.1,127.0.0.1 by:lo ttl:7 dscp:46 ecn:1 | "
                        "y to:127.0.0.2,127.0.0.2 by:lo ttl:7 dscp:46 ecn:1");
  close(fd);
}

TEST("a socket on all interfaces is told the address, the interface, TTL and TOS of IPv6") {
  skip_without_ipv6();
  dgram_socket_t *socket = bind_asking(loop, DGRAM_UDP6, NULL, PLAIN);
  int fd = raw_marked(AF_INET6, 255, 63 << 2 | 3);
  raw_send_to(fd, "x", "::1", port_of(socket));
  run_until_trace(loop, "x to:::1,::1 by:lo ttl:255 dscp:63 ecn:3");
  close(fd);
}

TEST("a udp6 socket is told the same of IPv4 datagrams, with mapped addresses") {
  skip_without_ipv6();
  dgram_socket_t *socket = bind_asking(loop, DGRAM_UDP6, NULL, PLAIN);
  int fd = raw_marked(AF_INET, 1, 2);
  raw_send_to(fd, "x", "127.0.0.3", port_of(socket));
  run_until_trace(loop, "x to:::ffff:127.0.0.3,::ffff:127.0.0.3 by:lo ttl:1 dscp:0 ecn:2");
  close(fd);
}

TEST("a connected socket is told the same") {
  int port;
  dgram_socket_t *socket = bind_asking(loop, DGRAM_UDP4, NULL, PLAIN);
  dgram_socket_t *peer = new_bound(loop, NULL, NULL, &port);
  connect_now(socket, port);
  assert_int_equal(dgram_set_ttl(peer, 9), 0);
  send_text(peer, "x", port_of(socket), NULL, NULL);
  run_until_trace(loop, "x to:127.0.0.1,127.0.0.1 by:lo ttl:9 dscp:0 ecn:0");
}

/* Each alone: an option that another flag needs, too, does not tell of that. */
TEST("a socket is told only what it has asked for") {
  static const struct {
    unsigned flags;
    const char *told;
  } rows[] = {
      {DGRAM_INFO_DESTINATION, "x to:127.0.0.1,127.0.0.1"},
      {DGRAM_INFO_INTERFACE, "x by:lo"},
      {DGRAM_INFO_TTL, "x ttl:5"},
      {DGRAM_INFO_TOS, "x dscp:1 ecn:1"},
      {DGRAM_INFO_TIMESTAMP, "x"},
      {DGRAM_INFO_HARDWARE_TIMESTAMP, "x"},
      {DGRAM_INFO_TRUNCATED, "x whole"},
      {DGRAM_INFO_SEGMENT_SIZE, "x"},
      {DGRAM_INFO_ALL, "x to:127.0.0.1,127.0.0.1 by:lo ttl:5 dscp:1 ecn:1 whole"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    begin_round(loop);
    dgram_socket_t *socket = bind_asking(loop, DGRAM_UDP4, NULL, rows[i].flags);
    int fd = raw_marked(AF_INET, 5, 5);
    raw_send(fd, "x", 1, port_of(socket));
    run_until_trace(loop, rows[i].told);
    close(fd);
  }
}

/* A descriptor's maker may want to know more than the program. */
TEST("a socket is not told what only the maker of its descriptor has asked for") {
  int fd = raw_socket();
  int sender = raw_marked(AF_INET, 5, 5);
  set_int(fd, IPPROTO_IP, IP_PKTINFO, 1);
  set_int(fd, IPPROTO_IP, IP_RECVTTL, 1);
  set_int(fd, IPPROTO_IP, IP_RECVTOS, 1);
  set_int(fd, SOL_SOCKET, SO_TIMESTAMPNS, 1);
  dgram_socket_t *socket = new_asking(loop, DGRAM_UDP4, DGRAM_INFO_TRUNCATED);
  assert_int_equal(adopt_fd(socket, fd), 0);
  raw_send(sender, "x", 1, port_of(socket));
  run_until_trace(loop, "x whole");
  close(sender);
}

static void check_unknown(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                          void *context) {
  const dgram_info_t *info = dgram_rinfo_info(rinfo);
  assert_non_null(info);
  assert_int_equal(info->flags, DGRAM_INFO_TTL);
  assert_null(info->destination);
  assert_null(info->local);
  assert_int_equal(info->interface_index, 0);
  assert_null(dgram_info_interface_name(info));
  assert_int_equal(info->dscp, 0);
  assert_int_equal(info->ecn, 0);
  assert_int_equal(info->truncated, 0);
  assert_true(info->timestamp_ns == 0 && info->hardware_timestamp_ns == 0);
  assert_int_equal(info->segment_size, 0);
  ++*(int *)context;
}

TEST("members that were not asked for are empty") {
  int count = 0;
  dgram_socket_t *socket = new_asking(loop, DGRAM_UDP4, DGRAM_INFO_TTL);
  assert_int_equal(dgram_off_message(socket, trace_facts, NULL), 0);
  assert_int_equal(dgram_on_message(socket, check_unknown, &count), 0);
  int fd = raw_marked(AF_INET, 5, 5);
  bind_now(socket, NULL);
  raw_send(fd, "x", 1, port_of(socket));
  run_until(loop, &count, 1);
  close_sockets(loop);
  close(fd);
}

TEST("without an argument nothing is told") {
  dgram_info_t info = {.flags = 0, .interface_index = 1};
  assert_null(dgram_rinfo_info(NULL));
  assert_null(dgram_info_interface_name(NULL));
  assert_null(dgram_info_interface_name(&info));
}

TEST("an address is described with family and port, or refused") {
  struct sockaddr_in v4 = loopback_address(9);
  struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(65535)};
  struct sockaddr other = {.sa_family = AF_UNIX};
  dgram_address_t address = {.address = "untouched", .port = 7};
  const struct sockaddr *any = (const struct sockaddr *)&v4;
  assert_int_equal(dgram_sockaddr_describe(NULL, &address), UV_EINVAL);
  assert_int_equal(dgram_sockaddr_describe(any, NULL), UV_EINVAL);
  assert_int_equal(dgram_sockaddr_describe(&other, &address), UV_EINVAL);
  assert_string_equal(address.address, "untouched");
  assert_int_equal(address.port, 7);
  assert_int_equal(dgram_sockaddr_describe(any, &address), 0);
  assert_string_equal(address.address, "127.0.0.1");
  assert_string_equal(address.family, "IPv4");
  assert_int_equal(address.port, 9);
  char unaligned[sizeof v6 + 1];
  memcpy(unaligned + 1, &v6, sizeof v6);
  assert_int_equal(
      dgram_sockaddr_describe((const struct sockaddr *)(const void *)(unaligned + 1), &address), 0);
  assert_string_equal(address.address, "::");
  assert_string_equal(address.family, "IPv6");
  assert_int_equal(address.port, 65535);
}

/* ---- timestamps ---- */

static uint64_t system_ns(void) {
  struct timespec now;
  assert_int_equal(clock_gettime(CLOCK_REALTIME, &now), 0);
  return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static void keep_timestamp(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                           void *context) {
  const dgram_info_t *info = dgram_rinfo_info(rinfo);
  assert_non_null(info);
  assert_int_equal(info->flags & DGRAM_INFO_TIMESTAMP, DGRAM_INFO_TIMESTAMP);
  assert_int_equal(info->flags & DGRAM_INFO_HARDWARE_TIMESTAMP, 0); /* the loopback has none */
  *(uint64_t *)context = info->timestamp_ns;
  trace("at");
}

/* The clock may be set while the test runs: a minute around is allowed. */
static void assert_timestamp(uv_loop_t *loop, dgram_socket_t *socket, const uint64_t *kept) {
  enum { MINUTE = 60 };
  int fd = raw_socket();
  uint64_t before = system_ns();
  raw_send(fd, "x", 1, port_of(socket));
  run_until_trace(loop, "at");
  trace_clear();
  assert_in_range(*kept / 1000000000U, before / 1000000000U - MINUTE,
                  system_ns() / 1000000000U + MINUTE);
  close(fd);
}

static dgram_socket_t *new_timed(uv_loop_t *loop, uint64_t *kept) {
  dgram_socket_t *socket =
      new_asking(loop, DGRAM_UDP4, DGRAM_INFO_TIMESTAMP | DGRAM_INFO_HARDWARE_TIMESTAMP);
  assert_int_equal(dgram_off_message(socket, trace_facts, NULL), 0);
  assert_int_equal(dgram_on_message(socket, keep_timestamp, kept), 0);
  return socket;
}

TEST("a datagram has the time at which the kernel received it") {
  uint64_t kept = 0;
  dgram_socket_t *socket = new_timed(loop, &kept);
  bind_now(socket, NULL);
  assert_timestamp(loop, socket, &kept);
  close_sockets(loop);
}

/* Another holder, who has asked for microseconds, still gets those. */
TEST("timestamps in microseconds stay so on an adopted descriptor") {
  uint64_t kept = 0;
  int fd = raw_socket();
  set_int(fd, SOL_SOCKET, SO_TIMESTAMP, 1);
  dgram_socket_t *socket = new_timed(loop, &kept);
  assert_int_equal(adopt_fd(socket, fd), 0);
  assert_timestamp(loop, socket, &kept);
  assert_int_equal(kept % 1000, 0);
  assert_int_equal(raw_option(fd, SO_TIMESTAMP), 1);
  assert_int_equal(raw_option(fd, SO_TIMESTAMPNS), 0);
  close_sockets(loop);
}

TEST("the kinds of timestamps that a descriptor's maker has asked for stay") {
  enum { SOFTWARE = 1 << 4, RX_SOFTWARE = 1 << 3 }; /* of linux/net_tstamp.h */
  uint64_t kept = 0;
  int fd = raw_socket();
  set_int(fd, SOL_SOCKET, SO_TIMESTAMPING, SOFTWARE | RX_SOFTWARE);
  dgram_socket_t *socket = new_timed(loop, &kept);
  assert_int_equal(adopt_fd(socket, fd), 0);
  assert_timestamp(loop, socket, &kept);
  assert_int_equal(raw_option(fd, SO_TIMESTAMPING) & (SOFTWARE | RX_SOFTWARE),
                   SOFTWARE | RX_SOFTWARE);
  close_sockets(loop);
}

/* ---- which datagram a fact is about ---- */

/* What came for one socket says nothing of what then comes for the other: they share buffers. */
TEST("a socket that asks for nothing is told nothing of a neighbour on its loop") {
  dgram_socket_t *asking = bind_asking(loop, DGRAM_UDP4, "127.0.0.1", DGRAM_INFO_TTL);
  dgram_socket_t *other = bind_asking(loop, DGRAM_UDP4, "127.0.0.1", 0);
  int fd = raw_marked(AF_INET, 5, 5);
  for (int round = 0; round < 3; round++) {
    raw_send(fd, "x", 1, port_of(asking));
    raw_send(fd, "y", 1, port_of(asking));
    run_until_trace(loop, "x ttl:5 | y ttl:5");
    trace_clear();
    raw_send(fd, "x", 1, port_of(other));
    raw_send(fd, "y", 1, port_of(other));
    run_until_trace(loop, "x nothing | y nothing");
    trace_clear();
  }
  close(fd);
}

static void trace_batch(dgram_socket_t *socket, const dgram_message_t *const messages[],
                        size_t count, void *context) {
  trace("batch");
  for (size_t i = 0; i < count; i++)
    trace_info(messages[i]->message, &messages[i]->rinfo);
}

TEST("a batch of messages has the facts of each") {
  dgram_socket_t *socket = bind_asking(loop, DGRAM_UDP4, NULL, PLAIN);
  int first = raw_marked(AF_INET, 5, 4);
  int second = raw_marked(AF_INET, 6, 8);
  assert_int_equal(dgram_off_message(socket, trace_facts, NULL), 0);
  assert_int_equal(dgram_on_messages(socket, trace_batch, NULL), 0);
  raw_send_to(first, "a", "127.0.0.1", port_of(socket));
  raw_send_to(second, "b", "127.0.0.2", port_of(socket));
  raw_send_to(first, "", "127.0.0.3", port_of(socket));
  run_until_trace(loop, "batch | a to:127.0.0.1,127.0.0.1 by:lo ttl:5 dscp:1 ecn:0 | "
                        "b to:127.0.0.2,127.0.0.2 by:lo ttl:6 dscp:2 ecn:0 | "
                        " to:127.0.0.3,127.0.0.3 by:lo ttl:5 dscp:1 ecn:0");
  close(first);
  close(second);
}

/* The budget is lowered: all but two wait in the backlog, while another socket fills the buffers.
 */
TEST("a datagram of the backlog keeps its facts, while others are received") {
  enum { DATAGRAMS = 7 };
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.receive_info = DGRAM_INFO_DESTINATION | DGRAM_INFO_TTL;
  options.receive_budget = 33; /* more than are sent, so that a call has buffers for all */
  dgram_socket_t *socket = new_with(loop, &options);
  dgram_socket_t *other = bind_asking(loop, DGRAM_UDP4, NULL, DGRAM_INFO_TOS);
  int fds[DATAGRAMS];
  assert_int_equal(dgram_on_message(socket, trace_facts, NULL), 0);
  bind_now(socket, NULL);
  assert_int_equal(dgram_set_receive_budget(socket, 2), 0);
  for (int i = 0; i < DATAGRAMS; i++) {
    char text[] = {(char)('a' + i), '\0'};
    char address[32];
    snprintf(address, sizeof address, "127.0.0.%d", i + 1);
    fds[i] = raw_marked(AF_INET, i + 1, 0);
    raw_send_to(fds[i], text, address, port_of(socket));
    raw_send(fds[i], "", 0, port_of(other));
  }
  assert_int_equal(dgram_off_message(other, trace_facts, NULL), 0);
  settle(loop);
  assert_trace("a to:127.0.0.1,127.0.0.1 ttl:1 | b to:127.0.0.2,127.0.0.2 ttl:2 | "
               "c to:127.0.0.3,127.0.0.3 ttl:3 | d to:127.0.0.4,127.0.0.4 ttl:4 | "
               "e to:127.0.0.5,127.0.0.5 ttl:5 | f to:127.0.0.6,127.0.0.6 ttl:6 | "
               "g to:127.0.0.7,127.0.0.7 ttl:7");
  for (int i = 0; i < DATAGRAMS; i++)
    close(fds[i]);
}

/* ---- joined datagrams ---- */

enum { SEGMENT = 50, SEGMENTS = 12, RUNS = 20 };

struct joined {
  int ports[2]; /* of the senders */
  int tos[2];
  int count;
  int in_joined; /* of these: that the kernel had joined */
};

static void check_joined(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                         void *context) {
  struct joined *joined = context;
  const dgram_info_t *info = dgram_rinfo_info(rinfo);
  int sender = rinfo->port == joined->ports[1];
  assert_int_equal(rinfo->port, joined->ports[sender]);
  assert_int_equal(rinfo->size, SEGMENT);
  assert_int_equal(info->flags, DGRAM_INFO_TOS | DGRAM_INFO_SEGMENT_SIZE);
  assert_int_equal(info->dscp << 2 | info->ecn, joined->tos[sender]);
  assert_true(info->segment_size == 0 || info->segment_size == SEGMENT);
  joined->in_joined += info->segment_size != 0;
  joined->count++;
}

static int raw_cutting(int tos) {
  int fd = raw_marked(AF_INET, 64, tos);
  int size = SEGMENT;
  if (setsockopt(fd, IPPROTO_UDP, CUTS, &size, sizeof size) == 0)
    return fd;
  close(fd);
  return -1;
}

/* The first run comes singly: GRO is asked for when several have come at a time. */
TEST("each datagram of a joined buffer has its facts, and the segment size") {
  static char bytes[SEGMENT * SEGMENTS];
  struct joined joined = {.tos = {4, 8 | 3}};
  int fds[2] = {raw_cutting(joined.tos[0]), raw_cutting(joined.tos[1])};
  if (fds[0] < 0) {
    print_message("skipped: this system cuts no datagrams\n");
    skip();
  }
  dgram_socket_t *socket = new_asking(loop, DGRAM_UDP4, DGRAM_INFO_TOS | DGRAM_INFO_SEGMENT_SIZE);
  assert_int_equal(dgram_off_message(socket, trace_facts, NULL), 0);
  assert_int_equal(dgram_on_message(socket, check_joined, &joined), 0);
  bind_now(socket, "127.0.0.1");
  for (int i = 0; i < 2; i++)
    joined.ports[i] = raw_port(fds[i]);
  for (int run = 0; run < RUNS; run++) {
    for (int i = 0; i < 2; i++)
      raw_send(fds[i], bytes, sizeof bytes, port_of(socket));
    run_until(loop, &joined.count, (run + 1) * 2 * SEGMENTS);
  }
  assert_int_equal(joined.in_joined, offload_is_on("DGRAM_GRO") ? (RUNS - 1) * 2 * SEGMENTS : 0);
  close_sockets(loop);
  for (int i = 0; i < 2; i++)
    close(fds[i]);
}

/* ---- adopted descriptors ---- */

/* The kernel notes address and interface when a datagram comes, if somebody wants to know. */
TEST("a datagram that was queued before the adoption has its destination, and no interface") {
  int fd = raw_socket();
  int sender = raw_marked(AF_INET, 5, 5);
  raw_send(sender, "x", 1, raw_port(fd));
  dgram_socket_t *socket = new_asking(loop, DGRAM_UDP4, PLAIN);
  assert_int_equal(adopt_fd(socket, fd), 0);
  raw_send(sender, "y", 1, raw_port(fd));
  run_until_trace(loop, "x to:127.0.0.1,127.0.0.1 ttl:5 dscp:1 ecn:1 | "
                        "y to:127.0.0.1,127.0.0.1 by:lo ttl:5 dscp:1 ecn:1");
  close(sender);
}

TEST("an adopted descriptor of IPv6 tells of both families") {
  skip_without_ipv6();
  struct sockaddr_in6 any = {.sin6_family = AF_INET6};
  int fd = socket(AF_INET6, SOCK_DGRAM, 0);
  int sender = raw_marked(AF_INET6, 5, 5);
  assert_int_equal(bind(fd, (struct sockaddr *)&any, sizeof any), 0);
  dgram_socket_t *socket = new_asking(loop, DGRAM_UDP6, PLAIN);
  assert_int_equal(adopt_fd(socket, fd), 0);
  raw_send_to(sender, "x", "::1", port_of(socket));
  raw_send_to(sender, "y", "::ffff:127.0.0.9", port_of(socket));
  run_until_trace(loop, "x to:::1,::1 by:lo ttl:5 dscp:1 ecn:1 | "
                        "y to:::ffff:127.0.0.9,::ffff:127.0.0.9 by:lo ttl:5 dscp:1 ecn:1");
  close(sender);
}

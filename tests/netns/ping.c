/*
 * The kernel's ICMP sockets ("ping", icmp(7)) are taken over as descriptors: a request leaves, and
 * its answer comes, in both families. A network of the test's own permits them to every group.
 */
#include "lib/hosts.h"

#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>

static const char PAYLOAD[] = "payload";

struct echo {
  uint8_t type;
  uint8_t code;
  uint16_t checksum; /* the kernel's to fill in, as is the identifier */
  uint16_t identifier;
  uint16_t sequence;
  char payload[sizeof PAYLOAD];
};

struct answers {
  int came;
  uint8_t type; /* of an answer */
  const char *from;
};

static void on_answer(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                      void *context) {
  struct answers *answers = context;
  struct echo echo;
  assert_int_equal(rinfo->size, sizeof echo);
  memcpy(&echo, message, sizeof echo);
  assert_int_equal(echo.type, answers->type);
  assert_int_equal(ntohs(echo.sequence), ++answers->came);
  assert_string_equal(echo.payload, PAYLOAD);
  assert_string_equal(dgram_rinfo_address(rinfo), answers->from);
}

static dgram_socket_t *adopt_ping(dgram_type_t type, struct answers *answers) {
  sh("echo 0 2147483647 >/proc/sys/net/ipv4/ping_group_range; "
     "echo 0 >/proc/sys/net/ipv4/icmp_ratelimit; echo 0 >/proc/sys/net/ipv6/icmp/ratelimit");
  int fd = type == DGRAM_UDP4 ? socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP)
                              : socket(AF_INET6, SOCK_DGRAM, IPPROTO_ICMPV6);
  assert_true(fd >= 0);
  dgram_socket_t *socket = new_socket(here->loop, type, on_answer, answers);
  assert_int_equal(adopt_fd(socket, fd), 0);
  return socket;
}

static void send_ping(dgram_socket_t *socket, uint8_t type, int number) {
  struct echo echo = {.type = type, .sequence = htons((uint16_t)number)};
  memcpy(echo.payload, PAYLOAD, sizeof PAYLOAD);
  assert_int_equal(dgram_send(socket, &echo, sizeof echo, 1, NULL, NULL, NULL), 0);
}

/* As many as leave and come together; each is of one size. */
static void exchange_pings(dgram_type_t type, uint8_t request, struct answers answers) {
  enum { PINGS = 40 };
  dgram_socket_t *socket = adopt_ping(type, &answers);
  for (int i = 1; i <= PINGS; i++)
    send_ping(socket, request, i);
  run_until(left->loop, &answers.came, PINGS);
}

TEST("a ping socket of IPv4 sends requests and receives their answers") {
  exchange_pings(DGRAM_UDP4, ICMP_ECHO,
                 (struct answers){.type = ICMP_ECHOREPLY, .from = "127.0.0.1"});
}

TEST("a ping socket of IPv6 sends requests and receives their answers") {
  exchange_pings(DGRAM_UDP6, ICMP6_ECHO_REQUEST,
                 (struct answers){.type = ICMP6_ECHO_REPLY, .from = "::1"});
}

/* That control messages did not fit is no sign of joined datagrams: there are none. */
TEST("a ping socket receives an answer with more control messages than have room") {
  static const int options[] = {IP_PKTINFO, IP_RECVTTL, IP_RECVTOS, IP_RECVOPTS, IP_RETOPTS};
  struct answers answers = {.type = ICMP_ECHOREPLY, .from = "127.0.0.1"};
  int on = 1;
  dgram_socket_t *socket = adopt_ping(DGRAM_UDP4, &answers);
  int fd = dgram_fileno(socket);
  for (size_t i = 0; i < sizeof options / sizeof *options; i++)
    assert_int_equal(setsockopt(fd, IPPROTO_IP, options[i], &on, sizeof on), 0);
  assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on), 0);
  send_ping(socket, ICMP_ECHO, 1);
  run_until(left->loop, &answers.came, 1);
}

int main(void) {
  return single_host_run();
}

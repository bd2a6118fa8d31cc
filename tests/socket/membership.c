/* Joining and leaving a group, or one source of it: the codes of the calls, and what is received.
 */
#include "lib/fixture.h"

#include <net/if.h>

static const char GROUP6[] = "ff02::1234";

struct fixture {
  uv_loop_t *loop;
  dgram_socket_t *socket;
  int port;
  char group[GROUP_TEXT];
};

static struct fixture open_fixture(uv_loop_t *loop, int net, dgram_type_t type) {
  begin_round(loop);
  struct fixture fixture = {.loop = loop};
  fixture.socket = new_socket(fixture.loop, type, trace_message, "got");
  fixture.port = bind_now(fixture.socket, NULL);
  name_group(fixture.group, net, fixture.port);
  return fixture;
}

/* Sends to the group by the loopback, then to the socket itself: what comes first must be it. */
static void send_to_group(const struct fixture *fixture, const char *group, const char *expected) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)fixture->port)};
  struct in_addr loopback = {.s_addr = htonl(INADDR_LOOPBACK)};
  int fd = raw_socket();
  assert_int_equal(inet_pton(AF_INET, group, &to.sin_addr), 1);
  assert_int_equal(setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &loopback, sizeof loopback), 0);
  assert_int_equal(sendto(fd, "group", 5, 0, (struct sockaddr *)&to, sizeof to), 5);
  raw_send(fd, "end", 3, fixture->port);
  run_until_trace(fixture->loop, expected);
  close(fd);
}

TEST("a member receives what is sent to the group") {
  struct fixture fixture = open_fixture(loop, 239, DGRAM_UDP4);
  send_to_group(&fixture, fixture.group, "got(end)");
  assert_int_equal(dgram_add_membership(fixture.socket, fixture.group, "127.0.0.1"), 0);
  send_to_group(&fixture, fixture.group, "got(group) got(end)");
  assert_int_equal(dgram_drop_membership(fixture.socket, fixture.group, "127.0.0.1"), 0);
  send_to_group(&fixture, fixture.group, "got(end)");
}

TEST("the interface of a membership may be given by name or number") {
  struct fixture fixture = open_fixture(loop, 239, DGRAM_UDP4);
  char number[16];
  snprintf(number, sizeof number, "%u", if_nametoindex("lo"));
  const char *const names[] = {"lo", number};
  for (int i = 0; i < 2; i++) {
    assert_int_equal(dgram_add_membership(fixture.socket, fixture.group, names[i]), 0);
    send_to_group(&fixture, fixture.group, "got(group) got(end)");
    assert_int_equal(dgram_drop_membership(fixture.socket, fixture.group, names[1 - i]), 0);
    send_to_group(&fixture, fixture.group, "got(end)");
  }
}

TEST("joining a group twice is EADDRINUSE") {
  struct fixture fixture = open_fixture(loop, 239, DGRAM_UDP4);
  assert_int_equal(dgram_add_membership(fixture.socket, fixture.group, "127.0.0.1"), 0);
  assert_int_equal(dgram_add_membership(fixture.socket, fixture.group, "127.0.0.1"), UV_EADDRINUSE);
  assert_int_equal(dgram_add_membership(fixture.socket, fixture.group, "lo"), UV_EADDRINUSE);
  assert_int_equal(dgram_drop_membership(fixture.socket, fixture.group, "127.0.0.1"), 0);
  assert_int_equal(dgram_add_membership(fixture.socket, fixture.group, "127.0.0.1"), 0);
}

TEST("leaving a group that was not joined is EADDRNOTAVAIL") {
  struct fixture fixture = open_fixture(loop, 239, DGRAM_UDP4);
  assert_int_equal(dgram_drop_membership(fixture.socket, fixture.group, "127.0.0.1"),
                   UV_EADDRNOTAVAIL);
  assert_int_equal(dgram_add_membership(fixture.socket, fixture.group, "127.0.0.1"), 0);
  assert_int_equal(dgram_drop_membership(fixture.socket, "224.0.0.115", "127.0.0.1"),
                   UV_EADDRNOTAVAIL);
  assert_int_equal(dgram_drop_membership(fixture.socket, fixture.group, "127.0.0.1"), 0);
  assert_int_equal(dgram_drop_membership(fixture.socket, fixture.group, "127.0.0.1"),
                   UV_EADDRNOTAVAIL);
}

TEST("a socket may be in many groups") {
  enum { GROUPS = 10 };
  struct fixture fixture = open_fixture(loop, 239, DGRAM_UDP4);
  char group[GROUP_TEXT];
  for (int i = 0; i < GROUPS; i++) {
    snprintf(group, sizeof group, "239.2.1.%d", i);
    assert_int_equal(dgram_add_membership(fixture.socket, group, "127.0.0.1"), 0);
  }
  send_to_group(&fixture, group, "got(group) got(end)");
  send_to_group(&fixture, "239.2.1.0", "got(group) got(end)");
}

TEST("the interface of an IPv6 membership is a zone or a name") {
  static const char *const names[] = {"::%lo", "lo", "::%1", "1"};
  skip_without_ipv6();
  struct fixture fixture = open_fixture(loop, 239, DGRAM_UDP6);
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    assert_int_equal(dgram_add_membership(fixture.socket, GROUP6, names[i]), 0);
    assert_int_equal(dgram_add_membership(fixture.socket, GROUP6, "::%lo"), UV_EADDRINUSE);
    assert_int_equal(dgram_drop_membership(fixture.socket, GROUP6, "lo"), 0);
    assert_int_equal(dgram_drop_membership(fixture.socket, GROUP6, names[i]), UV_EADDRNOTAVAIL);
  }
}

TEST("the group of an IPv6 membership may have the zone") {
  skip_without_ipv6();
  struct fixture fixture = open_fixture(loop, 239, DGRAM_UDP6);
  assert_int_equal(dgram_add_membership(fixture.socket, "ff02::1234%lo", NULL), 0);
  assert_int_equal(dgram_add_membership(fixture.socket, GROUP6, "::%lo"), UV_EADDRINUSE);
  assert_int_equal(dgram_drop_membership(fixture.socket, "ff02::1234%lo", NULL), 0);
}

TEST("the interface is the kernel's choice where a zone does not exist") {
  static const char *const zones[] = {"::%nosuchif", "::%4294967295", "::%", "::1"};
  skip_without_ipv6();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP6, NULL, NULL);
  int expected = dgram_add_membership(socket, "ff02::1234", NULL);
  if (expected == 0)
    assert_int_equal(dgram_drop_membership(socket, "ff02::1234", NULL), 0);
  for (size_t i = 0; i < sizeof zones / sizeof *zones; i++) {
    assert_int_equal(dgram_add_membership(socket, "ff02::1234", zones[i]), expected);
    if (expected == 0)
      assert_int_equal(dgram_drop_membership(socket, "ff02::1234%nosuchif", NULL), 0);
  }
}

/* ---- one source ---- */

static const char SOURCE_GROUP6[] = "ff3e::1234";
static const char LOOPBACK[] = "127.0.0.1";

static int join(const struct fixture *fixture, const char *source, const char *interface) {
  return dgram_add_source_specific_membership(fixture->socket, source, fixture->group, interface);
}

static int leave(const struct fixture *fixture, const char *source, const char *interface) {
  return dgram_drop_source_specific_membership(fixture->socket, source, fixture->group, interface);
}

/* Sends to the group from an address of the loopback. */
static void send_from(const struct fixture *fixture, const char *source, const char *text) {
  struct sockaddr_in from = {.sin_family = AF_INET};
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)fixture->port)};
  struct in_addr loopback = {.s_addr = htonl(INADDR_LOOPBACK)};
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  assert_int_equal(inet_pton(AF_INET, source, &from.sin_addr), 1);
  assert_int_equal(inet_pton(AF_INET, fixture->group, &to.sin_addr), 1);
  assert_int_equal(bind(fd, (struct sockaddr *)&from, sizeof from), 0);
  assert_int_equal(setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &loopback, sizeof loopback), 0);
  assert_int_equal(sendto(fd, text, strlen(text), 0, (struct sockaddr *)&to, sizeof to),
                   strlen(text));
  close(fd);
}

/* Sends to the group from two sources, then to the socket itself. */
static void assert_received(const struct fixture *fixture, const char *expected) {
  int fd = raw_socket();
  send_from(fixture, "127.0.0.5", "five");
  send_from(fixture, "127.0.0.6", "six");
  raw_send(fd, "end", 3, fixture->port);
  run_until_trace(fixture->loop, expected);
  close(fd);
}

TEST("a source membership receives from that source only") {
  struct fixture fixture = open_fixture(loop, 232, DGRAM_UDP4);
  assert_int_equal(join(&fixture, "127.0.0.5", LOOPBACK), 0);
  assert_received(&fixture, "got(five) got(end)");
  assert_int_equal(join(&fixture, "127.0.0.6", LOOPBACK), 0);
  assert_received(&fixture, "got(five) got(six) got(end)");
  assert_int_equal(leave(&fixture, "127.0.0.5", LOOPBACK), 0);
  assert_received(&fixture, "got(six) got(end)");
  assert_int_equal(leave(&fixture, "127.0.0.6", LOOPBACK), 0);
  assert_received(&fixture, "got(end)");
}

TEST("the interface of a source membership may be given by name") {
  struct fixture fixture = open_fixture(loop, 232, DGRAM_UDP4);
  assert_int_equal(join(&fixture, "127.0.0.5", "lo"), 0);
  assert_received(&fixture, "got(five) got(end)");
  assert_int_equal(leave(&fixture, "127.0.0.5", "lo"), 0);
  assert_received(&fixture, "got(end)");
}

TEST("joining a source twice is EADDRNOTAVAIL") {
  struct fixture fixture = open_fixture(loop, 232, DGRAM_UDP4);
  assert_int_equal(join(&fixture, "127.0.0.5", LOOPBACK), 0);
  assert_int_equal(join(&fixture, "127.0.0.5", LOOPBACK), UV_EADDRNOTAVAIL);
}

TEST("leaving a source that was not joined is EADDRNOTAVAIL") {
  struct fixture fixture = open_fixture(loop, 232, DGRAM_UDP4);
  assert_int_equal(join(&fixture, "127.0.0.5", LOOPBACK), 0);
  assert_int_equal(leave(&fixture, "127.0.0.6", LOOPBACK), UV_EADDRNOTAVAIL);
  assert_int_equal(leave(&fixture, "127.0.0.5", LOOPBACK), 0);
}

TEST("leaving a source of a group that was not joined is EINVAL") {
  struct fixture fixture = open_fixture(loop, 232, DGRAM_UDP4);
  assert_int_equal(leave(&fixture, "127.0.0.5", LOOPBACK), UV_EINVAL);
}

TEST("a source of IPv6 is joined and left by zone") {
  static const char *const names[] = {"::%lo", "lo", "::%1", "1"};
  skip_without_ipv6();
  struct fixture fixture = open_fixture(loop, 232, DGRAM_UDP6);
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    assert_int_equal(
        dgram_add_source_specific_membership(fixture.socket, "::1", SOURCE_GROUP6, names[i]), 0);
    assert_int_equal(
        dgram_drop_source_specific_membership(fixture.socket, "::2", SOURCE_GROUP6, names[i]),
        UV_EADDRNOTAVAIL);
    assert_int_equal(
        dgram_drop_source_specific_membership(fixture.socket, "::1", SOURCE_GROUP6, "::%lo"), 0);
  }
}

/* A udp6 socket receives IPv4, too, so it can join its groups. */
TEST("a udp6 socket joins a source of IPv4") {
  skip_without_ipv6();
  struct fixture fixture = open_fixture(loop, 232, DGRAM_UDP6);
  assert_int_equal(join(&fixture, "127.0.0.5", LOOPBACK), 0);
  assert_received(&fixture, "got(five) got(end)");
  assert_int_equal(leave(&fixture, "127.0.0.5", LOOPBACK), 0);
  assert_int_equal(dgram_add_membership(fixture.socket, fixture.group, LOOPBACK), 0);
  assert_received(&fixture, "got(five) got(six) got(end)");
  assert_int_equal(dgram_drop_membership(fixture.socket, fixture.group, LOOPBACK), 0);
  assert_int_equal(join(&fixture, "127.0.0.6", "lo"), 0);
  assert_received(&fixture, "got(six) got(end)");
}

TEST("joining a source of IPv6 twice is EADDRNOTAVAIL") {
  skip_without_ipv6();
  struct fixture fixture = open_fixture(loop, 232, DGRAM_UDP6);
  assert_int_equal(dgram_add_source_specific_membership(fixture.socket, "::1", SOURCE_GROUP6, "lo"),
                   0);
  assert_int_equal(dgram_add_source_specific_membership(fixture.socket, "::1", SOURCE_GROUP6, "lo"),
                   UV_EADDRNOTAVAIL);
}

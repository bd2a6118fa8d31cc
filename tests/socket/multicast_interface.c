/* Choosing the interface of multicast: the codes, and that the kernel has the choice. */
#include "lib/fixture.h"

static const char *kernels_v4(const struct twin *fixture) {
  struct in_addr address;
  socklen_t length = sizeof address;
  assert_int_equal(getsockopt(fixture->twin, IPPROTO_IP, IP_MULTICAST_IF, &address, &length), 0);
  return inet_ntoa(address);
}

static int kernels_v6(const struct twin *fixture) {
  int index = -1;
  socklen_t length = sizeof index;
  assert_int_equal(getsockopt(fixture->twin, IPPROTO_IPV6, IPV6_MULTICAST_IF, &index, &length), 0);
  return index;
}

TEST("the multicast interface of a udp4 socket is an address") {
  struct twin fixture = open_twin(loop, DGRAM_UDP4);
  assert_int_equal(dgram_set_multicast_interface(fixture.socket, "127.0.0.1"), 0);
  assert_string_equal(kernels_v4(&fixture), "127.0.0.1");
  assert_int_equal(dgram_set_multicast_interface(fixture.socket, "0.0.0.0"), 0);
  assert_string_equal(kernels_v4(&fixture), "0.0.0.0");
  close_twin(&fixture);
}

/* A group that is sent to goes the way that was chosen, and comes back by it. */
TEST("what is sent to a group leaves by the multicast interface") {
  static const char *const names[] = {"127.0.0.1", "lo", "1"};
  for (int i = 0; i < 3; i++) {
    begin_round(loop);
    dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, trace_message, "got");
    char group[GROUP_TEXT];
    int port = bind_now(socket, NULL);
    name_group(group, 239, port);
    assert_int_equal(dgram_add_membership(socket, group, "127.0.0.1"), 0);
    assert_int_equal(dgram_set_multicast_interface(socket, names[i]), 0);
    assert_int_equal(dgram_send(socket, "x", 1, port, group, trace_sent, "sent"), 0);
    run_until_trace(loop, "sent got(x)");
  }
}

TEST("the multicast interface of a udp6 socket is a zone, a name or a number") {
  static const char *const names[] = {"::%lo", "::%1", "lo", "1"};
  skip_without_ipv6();
  struct twin fixture = open_twin(loop, DGRAM_UDP6);
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    assert_int_equal(dgram_set_multicast_interface(fixture.socket, names[i]), 0);
    assert_int_equal(kernels_v6(&fixture), 1);
    assert_int_equal(dgram_set_multicast_interface(fixture.socket, "::"), 0);
    assert_int_equal(kernels_v6(&fixture), 0);
  }
  close_twin(&fixture);
}

/* As the specification says of most errors in the scope. */
TEST("the multicast interface is the kernel's choice where a zone does not exist") {
  skip_without_ipv6();
  struct twin fixture = open_twin(loop, DGRAM_UDP6);
  assert_int_equal(dgram_set_multicast_interface(fixture.socket, "::%lo"), 0);
  assert_int_equal(dgram_set_multicast_interface(fixture.socket, "::%nosuchif"), 0);
  assert_int_equal(kernels_v6(&fixture), 0);
  close_twin(&fixture);
}

/* Each of the texts is refused, and the choice stays. */
static void assert_refused(uv_loop_t *loop, dgram_type_t type, const char *const texts[],
                           int code) {
  struct twin fixture = open_twin(loop, type);
  assert_int_equal(dgram_set_multicast_interface(fixture.socket, "lo"), 0);
  for (; *texts != NULL; texts++)
    assert_int_equal(dgram_set_multicast_interface(fixture.socket, *texts), code);
  if (type == DGRAM_UDP6)
    assert_int_equal(kernels_v6(&fixture), 1);
  assert_int_equal(dgram_set_multicast_interface(fixture.socket, NULL), UV_EINVAL);
  close_twin(&fixture);
}

TEST("a multicast interface that is neither address nor name is EINVAL") {
  static const char *const texts[] = {"", "127.0.0", "no such interface", "nosuchif", NULL};
  assert_refused(loop, DGRAM_UDP4, texts, UV_EINVAL);
}

TEST("a multicast interface of a udp6 socket that is neither address nor name is EINVAL") {
  static const char *const texts[] = {"", ":::", "no such interface", "nosuchif", NULL};
  skip_without_ipv6();
  assert_refused(loop, DGRAM_UDP6, texts, UV_EINVAL);
}

TEST("a multicast interface by an address that no interface has is EADDRNOTAVAIL") {
  static const char *const texts[] = {"203.0.113.9", NULL};
  assert_refused(loop, DGRAM_UDP4, texts, UV_EADDRNOTAVAIL);
}

TEST("a multicast interface by the address of a group is EADDRNOTAVAIL") {
  static const char *const texts[] = {"224.0.0.1", "255.255.255.255", NULL};
  assert_refused(loop, DGRAM_UDP4, texts, UV_EADDRNOTAVAIL);
}

/* What family it is of does not depend on its zone. */
TEST("a multicast interface of IPv6 for a udp4 socket is ENOPROTOOPT") {
  static const char *const v6[] = {"::1",         "::",  "::%lo",   "fe80::1",
                                   "::%nosuchif", "::%", "ff02::1", NULL};
  assert_refused(loop, DGRAM_UDP4, v6, UV_ENOPROTOOPT);
}

/* It has two choices: one for what it sends to groups of IPv4, as "::ffff:224.0.0.114". */
TEST("a multicast interface of IPv4 for a udp6 socket is its choice for IPv4") {
  static const char *const nobodys[] = {"203.0.113.9", "224.0.0.1", NULL};
  skip_without_ipv6();
  struct twin fixture = open_twin(loop, DGRAM_UDP6);
  assert_int_equal(dgram_set_multicast_interface(fixture.socket, "::%lo"), 0);
  assert_int_equal(dgram_set_multicast_interface(fixture.socket, "127.0.0.1"), 0);
  assert_string_equal(kernels_v4(&fixture), "127.0.0.1");
  assert_int_equal(kernels_v6(&fixture), 1);
  assert_int_equal(dgram_set_multicast_interface(fixture.socket, "0.0.0.0"), 0);
  assert_string_equal(kernels_v4(&fixture), "0.0.0.0");
  close_twin(&fixture);
  assert_refused(loop, DGRAM_UDP6, nobodys, UV_EADDRNOTAVAIL);
}

/* Of an address only the zone is looked at. */
TEST("an IPv6 address without a zone gives the choice back to the kernel") {
  static const char *const texts[] = {"::", "::1", "ff02::1", "::ffff:127.0.0.1", "::%", "::%999"};
  skip_without_ipv6();
  struct twin fixture = open_twin(loop, DGRAM_UDP6);
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    assert_int_equal(dgram_set_multicast_interface(fixture.socket, "fe80::1%lo"), 0);
    assert_int_equal(kernels_v6(&fixture), 1);
    assert_int_equal(dgram_set_multicast_interface(fixture.socket, texts[i]), 0);
    assert_int_equal(kernels_v6(&fixture), 0);
  }
  close_twin(&fixture);
}

TEST("the multicast interface of a socket that is unbound or being bound is EBADF") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_set_multicast_interface(socket, "127.0.0.1"), UV_EBADF);
  assert_int_equal(dgram_bind(socket, 0, NULL, NULL, NULL), 0);
  assert_int_equal(dgram_set_multicast_interface(socket, "127.0.0.1"), UV_EBADF);
}

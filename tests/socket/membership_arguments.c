/* Bad arguments of the four calls of groups get their documented code, and change nothing. */
#include "lib/fixture.h"

typedef int join_fn(dgram_socket_t *socket, const char *group, const char *interface);
typedef int source_fn(dgram_socket_t *socket, const char *source, const char *group,
                      const char *interface);

static join_fn *const joins[] = {dgram_add_membership, dgram_drop_membership};
static source_fn *const sources[] = {dgram_add_source_specific_membership,
                                     dgram_drop_source_specific_membership};

/* The four calls return this, and the unbound socket stays unbound. */
static void assert_all(uv_loop_t *loop, dgram_type_t type, const char *source, const char *group,
                       const char *interface, int code) {
  begin_round(loop);
  dgram_address_t address;
  dgram_socket_t *socket = new_socket(loop, type, NULL, NULL);
  trace_events(socket);
  for (int i = 0; i < 2; i++) {
    assert_int_equal(joins[i](socket, group, interface), code);
    assert_int_equal(sources[i](socket, source, group, interface), code);
  }
  settle(loop);
  assert_int_equal(dgram_address(socket, &address), UV_EBADF);
  assert_trace("");
}

TEST("a group that is no address is einval") {
  static const char *const groups[] = {"224.0.0", "group", "224.0.0.1:80", " 224.0.0.1",
                                       "256.0.0.1"};
  for (size_t i = 0; i < sizeof groups / sizeof *groups; i++)
    assert_all(loop, DGRAM_UDP4, "127.0.0.1", groups[i], "127.0.0.1", UV_EINVAL);
}

/* What only the kernel can tell is asked of a bound socket; leaving without a source by itself. */
static void assert_kernel_refuses(uv_loop_t *loop, dgram_type_t type, const char *source,
                                  const char *group, const char *interface, int code,
                                  int leave_code) {
  begin_round(loop);
  dgram_socket_t *socket = new_socket(loop, type, NULL, NULL);
  bind_now(socket, NULL);
  assert_int_equal(dgram_add_membership(socket, group, interface), code);
  assert_int_equal(dgram_drop_membership(socket, group, interface), leave_code);
  for (int i = 0; i < 2; i++)
    assert_int_equal(sources[i](socket, source, group, interface), code);
}

TEST("a group of ipv6 on a udp4 socket is enoprotoopt") {
  skip_without_ipv6();
  assert_kernel_refuses(loop, DGRAM_UDP4, "::1", "ff02::1234", NULL, UV_ENOPROTOOPT,
                        UV_ENOPROTOOPT);
  assert_kernel_refuses(loop, DGRAM_UDP4, "::1", "ff02::1234", "::%lo", UV_ENOPROTOOPT,
                        UV_ENOPROTOOPT);
  assert_kernel_refuses(loop, DGRAM_UDP4, "::1", "ff02::1%nosuchif", "lo", UV_ENOPROTOOPT,
                        UV_ENOPROTOOPT);
}

TEST("a source of another family than the group is einval") {
  dgram_address_t address;
  skip_without_ipv6();
  for (int i = 0; i < 2; i++) {
    dgram_socket_t *socket = new_socket(loop, i == 0 ? DGRAM_UDP4 : DGRAM_UDP6, NULL, NULL);
    for (int j = 0; j < 2; j++) {
      assert_int_equal(sources[j](socket, "127.0.0.1", "ff3e::1234", NULL), UV_EINVAL);
      assert_int_equal(sources[j](socket, "::1", "232.1.2.3", NULL), UV_EINVAL);
    }
    assert_int_equal(dgram_address(socket, &address), UV_EBADF);
    close_socket(socket);
  }
}

TEST("a group that is not multicast is refused by the kernel") {
  assert_kernel_refuses(loop, DGRAM_UDP4, "127.0.0.1", "10.0.0.1", "127.0.0.1", UV_EINVAL,
                        UV_EADDRNOTAVAIL);
}

TEST("a group of ipv6 that is not multicast is einval") {
  skip_without_ipv6();
  assert_kernel_refuses(loop, DGRAM_UDP6, "::1", "::2", "lo", UV_EINVAL, UV_EINVAL);
}

TEST("an interface that is no address is einval") {
  static const char *const interfaces[] = {"", "127.0.0", "no such interface", "::1", "::%lo"};
  for (size_t i = 0; i < sizeof interfaces / sizeof *interfaces; i++)
    assert_all(loop, DGRAM_UDP4, "127.0.0.1", "232.1.2.3", interfaces[i], UV_EINVAL);
}

TEST("an interface of ipv6 that is no address is einval") {
  static const char *const interfaces[] = {"", "127.0.0.1", "no such interface", "::g"};
  skip_without_ipv6();
  for (size_t i = 0; i < sizeof interfaces / sizeof *interfaces; i++)
    assert_all(loop, DGRAM_UDP6, "::1", "ff3e::1234", interfaces[i], UV_EINVAL);
}

TEST("a zone that does not exist is the systems choice") {
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

/* Only the kernel knows which interface has an address, so the socket must be bound. */
TEST("an address that no interface has is enodev") {
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_add_membership(socket, "224.0.0.114", "203.0.113.9"), UV_ENODEV);
  assert_int_equal(
      dgram_add_source_specific_membership(socket, "127.0.0.1", "232.1.2.3", "203.0.113.9"),
      UV_ENODEV);
}

TEST("a missing group is an error of its own") {
  dgram_address_t address;
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  for (int i = 0; i < 2; i++) {
    assert_int_equal(joins[i](socket, NULL, "127.0.0.1"), DGRAM_ERR_MISSING_ARGS);
    assert_int_equal(joins[i](socket, "", "127.0.0.1"), DGRAM_ERR_MISSING_ARGS);
    assert_int_equal(sources[i](socket, "127.0.0.1", NULL, "127.0.0.1"), UV_EINVAL);
    assert_int_equal(sources[i](socket, "127.0.0.1", "", "127.0.0.1"), UV_EINVAL);
  }
  assert_int_equal(dgram_address(socket, &address), UV_EBADF);
}

TEST("a source that is no address of the family is einval") {
  static const char *const texts[] = {NULL, "", "source", "::1", "::1%lo", "127.0.0"};
  dgram_address_t address;
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
    for (int j = 0; j < 2; j++)
      assert_int_equal(sources[j](socket, texts[i], "232.1.2.3", "127.0.0.1"), UV_EINVAL);
  assert_int_equal(dgram_address(socket, &address), UV_EBADF);
}

TEST("a closed socket is refused") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  close_socket(socket);
  for (int i = 0; i < 2; i++) {
    assert_int_equal(joins[i](socket, "224.0.0.114", NULL), DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
    assert_int_equal(joins[i](socket, NULL, NULL), DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
    assert_int_equal(sources[i](socket, "127.0.0.1", "232.1.2.3", NULL),
                     DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
  }
}

TEST("no socket is einval") {
  for (int i = 0; i < 2; i++) {
    assert_int_equal(joins[i](NULL, "224.0.0.114", NULL), UV_EINVAL);
    assert_int_equal(sources[i](NULL, "127.0.0.1", "232.1.2.3", NULL), UV_EINVAL);
  }
}

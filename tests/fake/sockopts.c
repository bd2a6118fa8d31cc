/*
 * Options over a kernel that refuses one of them: the bind fails with its code, 'error' names it,
 * and nothing is half set: an option of a udp6 socket that is two of the kernel's is set as both or
 * none. The linker puts __wrap_setsockopt in the place of the true one.
 */
#include "internal.h"

#include "lib/fixture.h"

static int refused_level = -1; /* the kernel refuses this one */
static int refused_name;

/* NOLINTBEGIN(bugprone-reserved-identifier): the linker wants these names */
int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t length);
int __real_setsockopt(int fd, int level, int name, const void *value, socklen_t length);

int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t length) {
  if (level != refused_level || name != refused_name)
    return __real_setsockopt(fd, level, name, value, length);
  errno = EPERM;
  return -1;
}
/* NOLINTEND(bugprone-reserved-identifier) */

static void refuse(int level, int name) {
  refused_level = level;
  refused_name = name;
}

static void refuse_none(void) {
  refused_level = -1;
}

static int value_of(int fd, int level, int name) {
  int value = -1;
  socklen_t length = sizeof value;
  assert_int_equal(getsockopt(fd, level, name, &value, &length), 0);
  return value;
}

/* ---- binds ---- */

static void never(dgram_socket_t *socket, const dgram_icmp_t *icmp, void *context) {
  fail();
}

static const struct {
  dgram_sockopt_t option;
  int level;
  int name;
  const char *message;
} options[] = {
    {DGRAM_SO_BROADCAST, SOL_SOCKET, SO_BROADCAST, "setsockopt EPERM SO_BROADCAST"},
    {DGRAM_SO_TTL, IPPROTO_IP, IP_TTL, "setsockopt EPERM IP_TTL"},
    {DGRAM_SO_TOS, IPPROTO_IP, IP_TOS, "setsockopt EPERM IP_TOS"},
    {DGRAM_SO_MARK, SOL_SOCKET, SO_MARK, "setsockopt EPERM SO_MARK"},
    {DGRAM_SO_PATH_MTU, IPPROTO_IP, IP_MTU_DISCOVER, "setsockopt EPERM IP_MTU_DISCOVER"},
    {DGRAM_SO_FREEBIND, IPPROTO_IP, IP_FREEBIND, "setsockopt EPERM IP_FREEBIND"},
};

TEST("a refused option fails each bind, which can be repeated") {
  for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
    struct kept_error kept = {0};
    dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
    assert_int_equal(dgram_on_error(socket, keep_error, &kept), 0);
    assert_int_equal(dgram_set_sockopt(socket, options[i].option, 1), 0);
    refuse(options[i].level, options[i].name);
    assert_int_equal(dgram_bind_sync(socket, 0, "127.0.0.1"), UV_EPERM);
    assert_int_equal(dgram_bind(socket, 0, "127.0.0.1", NULL, NULL), 0);
    uv_run(loop, UV_RUN_NOWAIT);
    assert_int_equal(kept.calls, 1);
    assert_string_equal(kept.message, options[i].message);
    assert_int_equal(dgram_bind_state(socket), DGRAM_UNBOUND);
    refuse_none();
    bind_now(socket, "127.0.0.1");
    assert_int_equal(kept.calls, 1);
  }
}

TEST("a listener of 'icmp' fails the bind where the kernel refuses IP_RECVERR") {
  struct kept_error kept = {0};
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_on_error(socket, keep_error, &kept), 0);
  assert_int_equal(dgram_on_icmp(socket, never, NULL), 0);
  refuse(IPPROTO_IP, IP_RECVERR);
  assert_int_equal(dgram_bind(socket, 0, "127.0.0.1", NULL, NULL), 0);
  uv_run(loop, UV_RUN_NOWAIT);
  assert_string_equal(kept.message, "setsockopt EPERM IP_RECVERR");
  refuse_none();
  bind_now(socket, "127.0.0.1");
  assert_int_equal(value_of(dgram_fileno(socket), IPPROTO_IP, IP_RECVERR), 1);
}

/* ---- a bound socket ---- */

TEST("a refused option of a bound udp6 socket is not half set") {
  skip_without_ipv6();
  static const struct {
    dgram_sockopt_t option;
    int v6, v4;
  } both[] = {{DGRAM_SO_TOS, IPV6_TCLASS, IP_TOS},
              {DGRAM_SO_PATH_MTU, IPV6_MTU_DISCOVER, IP_MTU_DISCOVER},
              {DGRAM_SO_MULTICAST_ALL, 29, IP_MULTICAST_ALL}};
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP6, NULL, NULL);
  bind_now(socket, "::1");
  int fd = dgram_fileno(socket);
  for (int i = 0; i < 3; i++) {
    int v6 = value_of(fd, IPPROTO_IPV6, both[i].v6);
    int v4 = value_of(fd, IPPROTO_IP, both[i].v4);
    int64_t other = i == 2 ? 0 : 3;
    refuse(IPPROTO_IP, both[i].v4);
    assert_int_equal(dgram_set_sockopt(socket, both[i].option, other), UV_EPERM);
    refuse(IPPROTO_IPV6, both[i].v6);
    assert_int_equal(dgram_set_sockopt(socket, both[i].option, other), UV_EPERM);
    refuse_none();
    assert_int_equal(value_of(fd, IPPROTO_IPV6, both[i].v6), v6);
    assert_int_equal(value_of(fd, IPPROTO_IP, both[i].v4), v4);
    assert_int_equal(dgram_set_sockopt(socket, both[i].option, other), 0);
    assert_int_equal(value_of(fd, IPPROTO_IPV6, both[i].v6), other);
    assert_int_equal(value_of(fd, IPPROTO_IP, both[i].v4), other);
  }
}

TEST("a refused listener of 'icmp' is not added, and nothing is half set") {
  skip_without_ipv6();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP6, NULL, NULL);
  bind_now(socket, NULL);
  int fd = dgram_fileno(socket);
  refuse(IPPROTO_IPV6, IPV6_RECVERR);
  assert_int_equal(dgram_on_icmp(socket, never, NULL), UV_EPERM);
  refuse(IPPROTO_IP, IP_RECVERR);
  assert_int_equal(dgram_once_icmp(socket, never, NULL), UV_EPERM);
  refuse_none();
  assert_int_equal(value_of(fd, IPPROTO_IP, IP_RECVERR), 0);
  assert_int_equal(value_of(fd, IPPROTO_IPV6, IPV6_RECVERR), 0);
  assert_int_equal(dgram_off_icmp(socket, never, NULL), UV_ENOENT);
}

/* ---- a descriptor ---- */

TEST("a descriptor of which an option is refused stays the program's, unchanged") {
  static const dgram_sockopt_value_t given[] = {
      {DGRAM_SO_TTL, 5}, {DGRAM_SO_TOS, 0x20}, {DGRAM_SO_PRIORITY, 3}};
  dgram_options_t with = dgram_default_options(DGRAM_UDP4);
  with.sockopts = given;
  with.sockopt_count = 3;
  dgram_socket_t *socket = new_with(loop, &with);
  int fd = raw_socket();
  int ttl = value_of(fd, IPPROTO_IP, IP_TTL);
  refuse(SOL_SOCKET, SO_PRIORITY);
  assert_int_equal(adopt_fd(socket, fd), UV_EPERM);
  refuse_none();
  assert_int_equal(value_of(fd, IPPROTO_IP, IP_TTL), ttl);
  assert_int_equal(value_of(fd, IPPROTO_IP, IP_TOS), 0);
  assert_int_equal(adopt_fd(socket, fd), 0);
  assert_int_equal(value_of(fd, IPPROTO_IP, IP_TOS), 0x20);
}

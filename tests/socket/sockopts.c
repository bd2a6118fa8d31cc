/*
 * dgram_set_sockopt(), dgram_get_sockopt() and the options of creation: what the kernel then has is
 * read by a second descriptor of the system socket, or by the library's own. What the options do is
 * tested between hosts, in netns/sockopts.c. Bad arguments are in arguments.c.
 */
#include "lib/fixture.h"
#include "lib/observer.h"

#include <netinet/udp.h>

/* In <linux/in.h>, which cannot be included besides <netinet/in.h>. */
#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif
#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

/* An option, a value that is not the system's default, and where the kernel keeps it. */
struct row {
  dgram_sockopt_t option;
  int64_t value;
  int before_bind;
  int level[2]; /* of IPv4, of IPv6 */
  int name[2];
  int name_v4_too; /* of a udp6 socket, at IPPROTO_IP; or 0 */
};

#define OF_SOCKET(it) .level = {SOL_SOCKET, SOL_SOCKET}, .name = {it, it}
#define OF_IP(v4, v6) .level = {IPPROTO_IP, IPPROTO_IPV6}, .name = {v4, v6}

static const struct row rows[] = {
    {DGRAM_SO_BROADCAST, 1, OF_SOCKET(SO_BROADCAST)},
    {DGRAM_SO_TTL, 7, OF_IP(IP_TTL, IPV6_UNICAST_HOPS)},
    {DGRAM_SO_MULTICAST_TTL, 9, OF_IP(IP_MULTICAST_TTL, IPV6_MULTICAST_HOPS)},
    {DGRAM_SO_MULTICAST_LOOPBACK, 0, OF_IP(IP_MULTICAST_LOOP, IPV6_MULTICAST_LOOP)},
    {DGRAM_SO_TOS, 0xb8, OF_IP(IP_TOS, IPV6_TCLASS), .name_v4_too = IP_TOS},
    {DGRAM_SO_MULTICAST_ALL, 0, OF_IP(IP_MULTICAST_ALL, 29), .name_v4_too = IP_MULTICAST_ALL},
    {DGRAM_SO_PATH_MTU, DGRAM_PATH_MTU_PROBE, OF_IP(IP_MTU_DISCOVER, IPV6_MTU_DISCOVER),
     .name_v4_too = IP_MTU_DISCOVER},
    {DGRAM_SO_PRIORITY, 5, OF_SOCKET(SO_PRIORITY)},
    {DGRAM_SO_MARK, 0xfedcba98, OF_SOCKET(SO_MARK)},
    {DGRAM_SO_MAX_PACING_RATE, 123456, OF_SOCKET(SO_MAX_PACING_RATE)},
    {DGRAM_SO_BUSY_POLL, 11, OF_SOCKET(SO_BUSY_POLL)},
    {DGRAM_SO_FREEBIND, 1, 1, OF_IP(IP_FREEBIND, 78)},
    {DGRAM_SO_TRANSPARENT, 1, 1, OF_IP(IP_TRANSPARENT, 75)},
    {DGRAM_SO_BIND_ADDRESS_NO_PORT, 1, 1, .level = {IPPROTO_IP, IPPROTO_IP},
     .name = {IP_BIND_ADDRESS_NO_PORT, IP_BIND_ADDRESS_NO_PORT}},
    {DGRAM_SO_LOCAL_PORT_RANGE, 40000 | (int64_t)50000 << 16, 1, .level = {IPPROTO_IP, IPPROTO_IP},
     .name = {IP_LOCAL_PORT_RANGE, IP_LOCAL_PORT_RANGE}},
    {DGRAM_SO_TXTIME_CLOCK, 1, OF_SOCKET(61)}, /* CLOCK_MONOTONIC */
};
enum { ROWS = sizeof rows / sizeof *rows };

static unsigned kernels_value(int fd, int level, int name) {
  unsigned value = 0;
  socklen_t length = sizeof value;
  assert_int_equal(getsockopt(fd, level, name, &value, &length), 0);
  return value;
}

/* Neither a capability nor a kernel that knows the option is everywhere. */
static int is_refused(int code) {
  return code == UV_EPERM || code == UV_ENOPROTOOPT;
}

static void assert_kept(dgram_socket_t *socket, int fd, const struct row *row, int v6) {
  int64_t value = -1;
  assert_int_equal(kernels_value(fd, row->level[v6], row->name[v6]), (unsigned)row->value);
  if (v6 && row->name_v4_too != 0)
    assert_int_equal(kernels_value(fd, IPPROTO_IP, row->name_v4_too), (unsigned)row->value);
  assert_int_equal(dgram_get_sockopt(socket, row->option, &value), 0);
  assert_int_equal(value, row->value);
}

/* ---- on a bound socket ---- */

static void assert_set_when_bound(uv_loop_t *loop, dgram_type_t type) {
  struct twin fixture = open_twin(loop, type);
  for (int i = 0; i < ROWS; i++) {
    int err = dgram_set_sockopt(fixture.socket, rows[i].option, rows[i].value);
    if (rows[i].before_bind)
      assert_int_equal(err, DGRAM_ERR_SOCKET_ALREADY_BOUND);
    else if (!is_refused(err))
      assert_int_equal(err, 0);
    if (err == 0)
      assert_kept(fixture.socket, fixture.twin, &rows[i], type == DGRAM_UDP6);
  }
  close_twin(&fixture);
}

TEST("a bound socket has the option that was set") {
  assert_set_when_bound(loop, DGRAM_UDP4);
}

TEST("a bound udp6 socket has the option that was set, for IPv4, too") {
  skip_without_ipv6();
  assert_set_when_bound(loop, DGRAM_UDP6);
}

/* ---- before the bind ---- */

static void assert_set_before_bind(uv_loop_t *loop, dgram_type_t type) {
  for (int i = 0; i < ROWS; i++) {
    int64_t value = -1;
    dgram_socket_t *socket = new_socket(loop, type, NULL, NULL);
    assert_int_equal(dgram_get_sockopt(socket, rows[i].option, &value), UV_EBADF);
    assert_int_equal(dgram_set_sockopt(socket, rows[i].option, rows[i].value), 0);
    assert_int_equal(dgram_get_sockopt(socket, rows[i].option, &value), 0);
    assert_int_equal(value, rows[i].value);
    int err = dgram_bind_sync(socket, 0, NULL);
    if (is_refused(err))
      continue;
    assert_int_equal(err, 0);
    assert_kept(socket, dgram_fileno(socket), &rows[i], type == DGRAM_UDP6);
  }
}

TEST("an option that is set before the bind is the system socket's") {
  assert_set_before_bind(loop, DGRAM_UDP4);
}

TEST("an option that is set before the bind is a udp6 system socket's, for IPv4, too") {
  skip_without_ipv6();
  assert_set_before_bind(loop, DGRAM_UDP6);
}

static const dgram_sockopt_value_t plain[] = {
    {DGRAM_SO_TTL, 3}, {DGRAM_SO_TOS, 0x20}, {DGRAM_SO_TTL, 5}, {DGRAM_SO_BROADCAST, 1}};

static dgram_options_t options_of(dgram_type_t type) {
  dgram_options_t options = dgram_default_options(type);
  options.sockopts = plain;
  options.sockopt_count = sizeof plain / sizeof *plain;
  return options;
}

static void assert_plain(dgram_socket_t *socket) {
  int fd = dgram_fileno(socket);
  assert_int_equal(kernels_value(fd, IPPROTO_IP, IP_TTL), 5);
  assert_int_equal(kernels_value(fd, IPPROTO_IP, IP_TOS), 0x20);
  assert_int_equal(kernels_value(fd, SOL_SOCKET, SO_BROADCAST), 1);
}

TEST("the options of creation are set however the socket is bound") {
  dgram_options_t options = options_of(DGRAM_UDP4);
  dgram_socket_t *by_bind = new_with(loop, &options);
  dgram_socket_t *by_send = new_with(loop, &options);
  dgram_socket_t *by_sync = new_with(loop, &options);
  dgram_socket_t *by_connect = new_with(loop, &options);
  dgram_socket_t *by_group = new_with(loop, &options);
  memset(&options, 0xff, sizeof options); /* they are copied */
  int sent = 0;
  bind_now(by_bind, "127.0.0.1");
  assert_plain(by_bind);
  assert_int_equal(dgram_send(by_send, "x", 1, 9, "127.0.0.1", count_sent, &sent), 0);
  run_until(loop, &sent, 1);
  assert_plain(by_send);
  assert_int_equal(dgram_bind_sync(by_sync, 0, NULL), 0);
  assert_plain(by_sync);
  connect_now(by_connect, 9);
  assert_plain(by_connect);
  assert_int_equal(dgram_add_membership(by_group, "239.1.2.3", "127.0.0.1"), 0);
  assert_plain(by_group);
}

/* Between the call of the bind and its end it is kept, too. */
TEST("an option that is set while the socket is being bound is set by that bind") {
  int listening = 0;
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_bind(socket, 0, NULL, count_event, &listening), 0);
  assert_int_equal(dgram_set_sockopt(socket, DGRAM_SO_TTL, 9), 0);
  run_until(loop, &listening, 1);
  assert_int_equal(kernels_value(dgram_fileno(socket), IPPROTO_IP, IP_TTL), 9);
}

TEST("a socket without options has the system's") {
  int64_t value = -1;
  char name[DGRAM_INTERFACE_NAME] = "x";
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_get_bind_device(socket, name), 0);
  assert_string_equal(name, "");
  bind_now(socket, NULL);
  assert_int_equal(dgram_get_sockopt(socket, DGRAM_SO_TTL, &value), 0);
  assert_int_equal(value, 64);
  assert_int_equal(dgram_get_sockopt(socket, DGRAM_SO_MULTICAST_ALL, &value), 0);
  assert_int_equal(value, 1);
  assert_int_equal(dgram_get_sockopt(socket, DGRAM_SO_MAX_PACING_RATE, &value), 0);
  assert_int_equal(value, INT64_MAX);
  memset(name, 'x', sizeof name);
  assert_int_equal(dgram_get_bind_device(socket, name), 0);
  assert_string_equal(name, "");
}

/* ---- a descriptor that is taken over ---- */

TEST("the options are set on a descriptor that is taken over") {
  dgram_options_t options = options_of(DGRAM_UDP4);
  options.bind_device = "lo";
  dgram_socket_t *socket = new_with(loop, &options);
  char name[DGRAM_INTERFACE_NAME];
  assert_int_equal(adopt_fd(socket, raw_socket()), 0);
  assert_plain(socket);
  assert_int_equal(dgram_get_bind_device(socket, name), 0);
  assert_string_equal(name, "lo");
}

TEST("an option that must be set before the bind refuses a descriptor, which is not changed") {
  dgram_options_t options = options_of(DGRAM_UDP4);
  dgram_socket_t *socket = new_with(loop, &options);
  int fd = raw_socket();
  unsigned ttl = kernels_value(fd, IPPROTO_IP, IP_TTL);
  assert_int_equal(dgram_set_sockopt(socket, DGRAM_SO_FREEBIND, 1), 0);
  assert_int_equal(adopt_fd(socket, fd), UV_EINVAL);
  assert_int_equal(kernels_value(fd, IPPROTO_IP, IP_TTL), ttl);
  assert_int_equal(dgram_bind_state(socket), DGRAM_UNBOUND);
  close(fd);
  bind_now(socket, "127.0.0.1"); /* by itself it can be bound */
  assert_usable(socket);
}

/* The kernel refuses the interface; what was set before it is as it was. */
TEST("a descriptor of which an option is refused has none of the options") {
  dgram_options_t options = options_of(DGRAM_UDP4);
  options.bind_device = "nosuchif";
  dgram_socket_t *socket = new_with(loop, &options);
  int fd = raw_socket();
  unsigned ttl = kernels_value(fd, IPPROTO_IP, IP_TTL);
  assert_int_equal(adopt_fd(socket, fd), UV_ENODEV);
  assert_int_equal(kernels_value(fd, IPPROTO_IP, IP_TTL), ttl);
  assert_int_equal(kernels_value(fd, IPPROTO_IP, IP_TOS), 0);
  assert_int_equal(kernels_value(fd, SOL_SOCKET, SO_BROADCAST), 0);
  close(fd);
}

/* ---- a bind that fails for an option ---- */

TEST("a bind that an option fails is an 'error' that names it, and sends fail with its code") {
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  struct kept_error kept = {0};
  struct kept_error of_send = {0};
  options.bind_device = "nosuchif";
  dgram_socket_t *socket = new_with(loop, &options);
  assert_int_equal(dgram_on_error(socket, keep_error, &kept), 0);
  for (int i = 1; i <= 2; i++) {
    assert_int_equal(dgram_send(socket, "x", 1, 9, NULL, keep_send_error, &of_send), 0);
    run_until(loop, &of_send.calls, i);
    assert_int_equal(kept.calls, i);
    assert_string_equal(kept.message, "setsockopt ENODEV SO_BINDTODEVICE");
    assert_string_equal(of_send.message, "setsockopt ENODEV");
  }
  assert_int_equal(dgram_bind_sync(socket, 0, NULL), UV_ENODEV);
}

/* What a bind fails for later is not taken for an option. */
TEST("a bind that fails after one that an option has failed names its own reason") {
  struct kept_error kept = {0};
  int taken;
  int holder = raw_holder(&taken);
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_on_error(socket, keep_error, &kept), 0);
  assert_int_equal(dgram_set_sockopt(socket, DGRAM_SO_FREEBIND, 1), 0);
  int fd = raw_socket();
  assert_int_equal(adopt_fd(socket, fd), UV_EINVAL);
  close(fd);
  assert_int_equal(dgram_bind(socket, taken, "127.0.0.1", NULL, NULL), 0);
  run_until(loop, &kept.calls, 1);
  assert_string_equal(kept.syscall, "bind");
  assert_string_equal(kept.name, "EADDRINUSE");
  close(holder);
}

/* ---- sends ---- */

/* What was sent before the call leaves before it, also a send that waits for 'listening'. */
TEST("an option is set behind the sends before it") {
  static struct observed seen;
  int sent = 0;
  struct sockaddr_storage to;
  int peer = observer_open(AF_INET, &to);
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_set_sockopt(socket, DGRAM_SO_TTL, 33), 0);
  assert_int_equal(dgram_bind_sync(socket, 0, NULL), 0);
  send_text(socket, "a", raw_port(peer), count_sent, &sent);
  assert_int_equal(dgram_set_sockopt(socket, DGRAM_SO_TTL, 44), 0);
  send_text(socket, "b", raw_port(peer), count_sent, &sent);
  run_until(loop, &sent, 2);
  for (int i = 0; i < 2; i++) {
    observer_take(peer, &seen);
    assert_int_equal(seen.ttl, i == 0 ? 33 : 44);
  }
  close(peer);
}

/* ---- the MTU ---- */

TEST("the MTU of the loopback is that of its interface") {
  struct sockaddr_in to = loopback_address(9);
  dgram_socket_t *unbound = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  int mtu = dgram_get_mtu_to(unbound, (struct sockaddr *)&to);
  assert_in_range(mtu, 1280, 65536);
  assert_int_equal(dgram_get_mtu(unbound), DGRAM_ERR_SOCKET_DGRAM_NOT_CONNECTED);
  connect_now(unbound, 9);
  assert_int_equal(dgram_get_mtu(unbound), mtu);
  assert_int_equal(dgram_get_mtu_to(unbound, (struct sockaddr *)&to), mtu);
  assert_int_equal(dgram_disconnect(unbound), 0);
  assert_int_equal(dgram_get_mtu(unbound), DGRAM_ERR_SOCKET_DGRAM_NOT_CONNECTED);
}

TEST("EMSGSIZE of a send has the MTU, and other errors have none") {
  static char bytes[65508];
  struct kept_error failure = {0};
  struct sockaddr_in to = loopback_address(9);
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  int mtu = dgram_get_mtu_to(socket, (struct sockaddr *)&to);
  assert_int_equal(
      dgram_send(socket, bytes, sizeof bytes, 9, "127.0.0.1", keep_send_error, &failure), 0);
  run_until(loop, &failure.calls, 1);
  assert_int_equal(failure.code, UV_EMSGSIZE);
  assert_int_equal(failure.mtu, mtu);
  assert_int_equal(dgram_send(socket, "x", 1, 9, "127.255.255.255", keep_send_error, &failure), 0);
  run_until(loop, &failure.calls, 2);
  assert_int_equal(failure.code, UV_EACCES);
  assert_int_equal(failure.mtu, 0);
  connect_now(socket, 9);
  assert_int_equal(dgram_send(socket, bytes, sizeof bytes, 0, NULL, keep_send_error, &failure), 0);
  run_until(loop, &failure.calls, 3);
  assert_int_equal(failure.mtu, mtu);
}

/* ---- receive offload ---- */

/* The library asks for it with the first call that brings several datagrams. */
static unsigned gro_after_burst(uv_loop_t *loop, int disable) {
  enum { BURST = 8 };
  int received = 0;
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.disable_gro = disable;
  dgram_socket_t *socket = new_with(loop, &options);
  assert_int_equal(dgram_on_message(socket, count_message, &received), 0);
  int port = bind_now(socket, "127.0.0.1");
  int sender = raw_socket();
  for (int i = 0; i < BURST; i++)
    raw_send(sender, "x", 1, port);
  run_until(loop, &received, BURST);
  close(sender);
  return kernels_value(dgram_fileno(socket), IPPROTO_UDP, UDP_GRO);
}

TEST("a socket with disable_gro does not ask for receive offload") {
  assert_int_equal(gro_after_burst(loop, 1), 0);
  if (offload_is_on("DGRAM_GRO"))
    assert_int_equal(gro_after_burst(loop, 0), 1);
}

/*
 * `receive_info` over a kernel that refuses one of its options: the bind fails, with one code for a
 * kernel that does not know the option. The linker puts __wrap_setsockopt in the place of the true
 * one.
 */
#include "internal.h"

#include "lib/fixture.h"

struct option {
  int level;
  int name;
};

static struct option refused; /* level -1: none */
static int refusal;
static int asked; /* how often for that option */

/* NOLINTBEGIN(bugprone-reserved-identifier): the linker wants these names */
int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t length);
int __real_setsockopt(int fd, int level, int name, const void *value, socklen_t length);

int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t length) {
  if (level != refused.level || name != refused.name)
    return __real_setsockopt(fd, level, name, value, length);
  asked++;
  errno = refusal;
  return -1;
}
/* NOLINTEND(bugprone-reserved-identifier) */

static const struct {
  unsigned flag;
  struct option v4, v6; /* v6: level -1, if both families have one option */
} rows[] = {
    {DGRAM_INFO_DESTINATION, {IPPROTO_IP, IP_PKTINFO}, {IPPROTO_IPV6, IPV6_RECVPKTINFO}},
    {DGRAM_INFO_INTERFACE, {IPPROTO_IP, IP_PKTINFO}, {IPPROTO_IPV6, IPV6_RECVPKTINFO}},
    {DGRAM_INFO_TTL, {IPPROTO_IP, IP_RECVTTL}, {IPPROTO_IPV6, IPV6_RECVHOPLIMIT}},
    {DGRAM_INFO_TOS, {IPPROTO_IP, IP_RECVTOS}, {IPPROTO_IPV6, IPV6_RECVTCLASS}},
    {DGRAM_INFO_TIMESTAMP, {SOL_SOCKET, SO_TIMESTAMPNS}, {-1, 0}},
    {DGRAM_INFO_HARDWARE_TIMESTAMP, {SOL_SOCKET, SO_TIMESTAMPING}, {-1, 0}},
};

static dgram_socket_t *new_asking(uv_loop_t *loop, dgram_type_t type, unsigned flags) {
  dgram_options_t options = dgram_default_options(type);
  options.receive_info = flags;
  return new_with(loop, &options);
}

static void refuse(struct option option, int error) {
  refused = option;
  refusal = error;
  asked = 0;
}

static void assert_bind_fails(uv_loop_t *loop, dgram_type_t type, unsigned flags,
                              struct option option) {
  static const struct {
    int error;
    int code;
    const char *message;
  } errors[] = {{ENOPROTOOPT, UV_ENOTSUP, "bind ENOTSUP"}, {EPERM, UV_EPERM, "bind EPERM"}};
  for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
    struct kept_error error = {0};
    dgram_socket_t *socket = new_asking(loop, type, flags);
    assert_int_equal(dgram_on_error(socket, keep_error, &error), 0);
    refuse(option, errors[i].error);
    assert_int_equal(dgram_bind_sync(socket, 0, NULL), errors[i].code);
    assert_int_equal(dgram_bind(socket, 0, NULL, NULL, NULL), 0);
    uv_run(loop, UV_RUN_NOWAIT);
    assert_int_equal(asked, 2);
    assert_int_equal(error.calls, 1);
    assert_memory_equal(error.message, errors[i].message, strlen(errors[i].message));
    assert_int_equal(dgram_bind_state(socket), DGRAM_UNBOUND);
    refuse((struct option){-1, 0}, 0);
    bind_now(socket, NULL);
  }
  begin_round(loop);
}

TEST("a bind fails where the kernel refuses what receive_info asks for, and can be repeated") {
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    assert_bind_fails(loop, DGRAM_UDP4, rows[i].flag, rows[i].v4);
    assert_bind_fails(loop, DGRAM_UDP4, DGRAM_INFO_ALL, rows[i].v4);
  }
}

TEST("a udp6 socket asks for the options of both families") {
  skip_without_ipv6();
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    assert_bind_fails(loop, DGRAM_UDP6, rows[i].flag, rows[i].v4);
    if (rows[i].v6.level >= 0)
      assert_bind_fails(loop, DGRAM_UDP6, rows[i].flag, rows[i].v6);
  }
}

TEST("a socket asks for the options of its flags only") {
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    unsigned others = (unsigned)DGRAM_INFO_ALL & ~rows[i].flag;
    if (rows[i].v4.name == IP_PKTINFO && rows[i].v4.level == IPPROTO_IP)
      others &= ~(unsigned)(DGRAM_INFO_DESTINATION | DGRAM_INFO_INTERFACE);
    refuse(rows[i].v4, EPERM);
    bind_now(new_asking(loop, DGRAM_UDP4, others), "127.0.0.1");
    bind_now(new_asking(loop, DGRAM_UDP4, 0), "127.0.0.1");
    assert_int_equal(asked, 0);
  }
  refuse((struct option){-1, 0}, 0);
}

TEST("a descriptor that tells nothing stays the program's") {
  int fd = raw_socket();
  dgram_socket_t *socket = new_asking(loop, DGRAM_UDP4, DGRAM_INFO_ALL);
  refuse((struct option){IPPROTO_IP, IP_RECVTTL}, ENOPROTOOPT);
  assert_int_equal(adopt_fd(socket, fd), UV_ENOTSUP);
  assert_int_equal(asked, 1);
  assert_int_equal(dgram_bind_state(socket), DGRAM_UNBOUND);
  assert_true(is_open(fd));
  refuse((struct option){-1, 0}, 0);
  assert_int_equal(adopt_fd(socket, fd), 0);
  assert_usable(socket);
}

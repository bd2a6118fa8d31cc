/*
 * `reuse_port` over a kernel that refuses it: the bind fails, with one code for one that does not
 * know the option. The linker puts __wrap_setsockopt in the place of the true one.
 */
#include "internal.h"

#include "lib/fixture.h"

static int refusal; /* what the kernel answers; 0: nothing is wrong */
static int asked;

/* NOLINTBEGIN(bugprone-reserved-identifier): the linker wants these names */
int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t length);
int __real_setsockopt(int fd, int level, int name, const void *value, socklen_t length);

int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t length) {
  if (level != SOL_SOCKET || name != SO_REUSEPORT)
    return __real_setsockopt(fd, level, name, value, length);
  int on = 0;
  assert_int_equal(length, sizeof on);
  memcpy(&on, value, sizeof on);
  assert_int_equal(on, 1);
  asked++;
  if (refusal == 0)
    return __real_setsockopt(fd, level, name, value, length);
  errno = refusal;
  return -1;
}
/* NOLINTEND(bugprone-reserved-identifier) */

static const struct {
  int refusal;
  int code;
  const char *message;
} cases[] = {
    {ENOPROTOOPT, UV_ENOTSUP, "bind ENOTSUP 127.0.0.1"},
    {ENOTSUP, UV_ENOTSUP, "bind ENOTSUP 127.0.0.1"},
    {EPERM, UV_EPERM, "bind EPERM 127.0.0.1"},
};

static dgram_socket_t *new_sharing(uv_loop_t *loop, int reuse_port) {
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.reuse_port = reuse_port;
  return new_with(loop, &options);
}

TEST("bind with reuse_port fails where the kernel refuses it, and can be repeated") {
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct kept_error error = {0};
    dgram_socket_t *socket = new_sharing(loop, 1);
    assert_int_equal(dgram_on_error(socket, keep_error, &error), 0);
    refusal = cases[i].refusal;
    assert_int_equal(dgram_bind_sync(socket, 0, "127.0.0.1"), cases[i].code);
    assert_int_equal(dgram_bind(socket, 0, "127.0.0.1", NULL, NULL), 0);
    uv_run(loop, UV_RUN_NOWAIT);
    assert_int_equal(error.calls, 1);
    assert_string_equal(error.message, cases[i].message);
    assert_int_equal(dgram_bind_state(socket), DGRAM_UNBOUND);
    refusal = 0;
    bind_now(socket, "127.0.0.1");
    assert_int_equal(error.calls, 1);
  }
}

TEST("bind without reuse_port does not ask the kernel for it") {
  dgram_socket_t *socket = new_sharing(loop, 0);
  refusal = ENOPROTOOPT;
  asked = 0;
  assert_int_equal(dgram_bind_sync(socket, 0, "127.0.0.1"), 0);
  assert_int_equal(asked, 0);
}

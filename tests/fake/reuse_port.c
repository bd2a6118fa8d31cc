/*
 * `reuse_port` over a kernel that refuses it: the bind fails, with one code for one that does not
 * know the option. The linker puts __wrap_setsockopt in the place of the true one.
 */
#include "internal.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

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
  errno = refusal;
  return refusal == 0 ? 0 : -1;
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

static const char *expected; /* message of the next 'error' */
static int errors;

static void check_error(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  assert_string_equal(error->message, expected);
  errors++;
}

static void count(dgram_socket_t *socket, void *context) {
  ++*(int *)context;
}

static dgram_socket_t *new_sharing(uv_loop_t *loop, int reuse_port) {
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.reuse_port = reuse_port;
  dgram_socket_t *socket;
  assert_int_equal(dgram_create_socket_options(loop, &options, NULL, NULL, &socket), 0);
  assert_int_equal(dgram_on_error(socket, check_error, NULL), 0);
  return socket;
}

static void the_bind_fails_with_enotsup(void **state) {
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    uv_loop_t loop;
    int listening = 0;
    assert_int_equal(uv_loop_init(&loop), 0);
    dgram_socket_t *socket = new_sharing(&loop, 1);
    refusal = cases[i].refusal;
    expected = cases[i].message;
    errors = 0;
    assert_int_equal(dgram_bind_sync(socket, 0, "127.0.0.1"), cases[i].code);
    assert_int_equal(dgram_bind(socket, 0, "127.0.0.1", count, &listening), 0);
    uv_run(&loop, UV_RUN_NOWAIT);
    assert_int_equal(errors, 1);
    assert_int_equal(dgram_bind_state(socket), DGRAM_UNBOUND);
    refusal = 0;
    assert_int_equal(dgram_bind(socket, 0, "127.0.0.1", count, &listening), 0);
    uv_run(&loop, UV_RUN_NOWAIT);
    assert_int_equal(listening, 1);
    assert_int_equal(dgram_close(socket, NULL, NULL), 0);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&loop), 0);
  }
}

static void without_the_option_the_kernel_is_not_asked(void **state) {
  uv_loop_t loop;
  assert_int_equal(uv_loop_init(&loop), 0);
  dgram_socket_t *socket = new_sharing(&loop, 0);
  refusal = ENOPROTOOPT;
  asked = 0;
  assert_int_equal(dgram_bind_sync(socket, 0, "127.0.0.1"), 0);
  assert_int_equal(asked, 0);
  assert_int_equal(dgram_close(socket, NULL, NULL), 0);
  assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
  assert_int_equal(uv_loop_close(&loop), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_bind_fails_with_enotsup),
      cmocka_unit_test(without_the_option_the_kernel_is_not_asked),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

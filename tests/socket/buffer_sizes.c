/* The sizes of the system's buffers: set and asked, by state, with the reason of a failure. */
#include "lib/fixture.h"

/* The two buffers: the same behaviour under two names. */
struct buffer {
  int (*set)(dgram_socket_t *socket, int size);
  int (*get)(dgram_socket_t *socket);
  int option;
};

static const struct buffer buffers[] = {
    {dgram_set_recv_buffer_size, dgram_get_recv_buffer_size, SO_RCVBUF},
    {dgram_set_send_buffer_size, dgram_get_send_buffer_size, SO_SNDBUF},
};
enum { BUFFERS = 2 };

/* What the kernel makes of a size, by a socket of the system's. */
static int kernels_size(int option, int size) {
  socklen_t length = sizeof size;
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  assert_true(fd >= 0);
  if (size > 0)
    assert_int_equal(setsockopt(fd, SOL_SOCKET, option, &size, sizeof size), 0);
  assert_int_equal(getsockopt(fd, SOL_SOCKET, option, &size, &length), 0);
  close(fd);
  return size;
}

static void what_is_set_is_what_the_kernel_has(void **state) {
  uv_loop_t *loop = open_loop();
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  for (int i = 0; i < BUFFERS; i++) {
    assert_int_equal(buffers[i].get(socket), kernels_size(buffers[i].option, 0));
    assert_int_equal(buffers[i].set(socket, 16384), 0);
    assert_int_equal(buffers[i].get(socket), kernels_size(buffers[i].option, 16384));
#ifdef __linux__
    assert_int_equal(buffers[i].get(socket), 2 * 16384);
#endif
  }
  assert_int_equal(dgram_buffer_size_reason(socket), 0);
  close_socket(socket);
  close_loop(loop);
}

static void one_is_not_the_other(void **state) {
  uv_loop_t *loop = open_loop();
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_set_recv_buffer_size(socket, 10000), 0);
  assert_int_equal(dgram_set_send_buffer_size(socket, 20000), 0);
  assert_int_equal(dgram_get_recv_buffer_size(socket), kernels_size(SO_RCVBUF, 10000));
  assert_int_equal(dgram_get_send_buffer_size(socket), kernels_size(SO_SNDBUF, 20000));
  close_socket(socket);
  close_loop(loop);
}

/* The system has its limits; it does not call that an error. */
static void too_large_a_size_is_cut(void **state) {
  uv_loop_t *loop = open_loop();
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  for (int i = 0; i < BUFFERS; i++) {
    assert_int_equal(buffers[i].set(socket, INT32_MAX), 0);
    assert_int_equal(buffers[i].get(socket), kernels_size(buffers[i].option, INT32_MAX));
  }
  close_socket(socket);
  close_loop(loop);
}

static void setting_0_changes_nothing(void **state) {
  uv_loop_t *loop = open_loop();
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  for (int i = 0; i < BUFFERS; i++) {
    assert_int_equal(buffers[i].set(socket, 16384), 0);
    int size = buffers[i].get(socket);
    assert_int_equal(buffers[i].set(socket, 0), 0);
    assert_int_equal(buffers[i].get(socket), size);
  }
  close_socket(socket);
  close_loop(loop);
}

/* B50: the size is looked at before the socket is. */
static void a_negative_size_is_refused_in_any_state(void **state) {
  uv_loop_t *loop = open_loop();
  int port;
  dgram_socket_t *unbound = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  dgram_socket_t *bound = new_bound(loop, NULL, NULL, &port);
  dgram_socket_t *closed = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  dgram_socket_t *sockets[] = {unbound, bound, closed};
  close_socket(closed);
  for (int i = 0; i < 3 * BUFFERS; i++) {
    assert_int_equal(buffers[i % BUFFERS].set(sockets[i / BUFFERS], -1),
                     DGRAM_ERR_SOCKET_BAD_BUFFER_SIZE);
    assert_int_equal(buffers[i % BUFFERS].set(sockets[i / BUFFERS], INT32_MIN),
                     DGRAM_ERR_SOCKET_BAD_BUFFER_SIZE);
  }
  assert_int_equal(dgram_buffer_size_reason(bound), 0);
  close_socket(unbound);
  close_socket(bound);
  close_loop(loop);
}

/* Every call fails, and says why. */
static void assert_out_of_reach(dgram_socket_t *socket) {
  for (int i = 0; i < BUFFERS; i++) {
    assert_int_equal(buffers[i].get(socket), DGRAM_ERR_SOCKET_BUFFER_SIZE);
    assert_int_equal(dgram_buffer_size_reason(socket), UV_EBADF);
    assert_int_equal(buffers[i].set(socket, 16384), DGRAM_ERR_SOCKET_BUFFER_SIZE);
    assert_int_equal(buffers[i].set(socket, 0), DGRAM_ERR_SOCKET_BUFFER_SIZE);
    assert_int_equal(dgram_buffer_size_reason(socket), UV_EBADF);
  }
}

static void of_an_unbound_socket_the_reason_is_ebadf(void **state) {
  uv_loop_t *loop = open_loop();
  int listening = 0;
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_buffer_size_reason(socket), 0);
  assert_out_of_reach(socket);
  assert_int_equal(dgram_bind(socket, 0, NULL, count_event, &listening), 0);
  assert_out_of_reach(socket); /* nor while it is being bound */
  run_until(loop, &listening, 1);
  assert_true(dgram_get_recv_buffer_size(socket) > 0);
  close_socket(socket);
  close_loop(loop);
}

static void of_a_closed_socket_the_reason_is_ebadf(void **state) {
  uv_loop_t *loop = open_loop();
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  close_socket(socket);
  assert_out_of_reach(socket);
  close_loop(loop);
}

static void without_socket_it_is_einval(void **state) {
  for (int i = 0; i < BUFFERS; i++) {
    assert_int_equal(buffers[i].get(NULL), UV_EINVAL);
    assert_int_equal(buffers[i].set(NULL, 1), UV_EINVAL);
  }
  assert_int_equal(dgram_buffer_size_reason(NULL), UV_EINVAL);
}

static void ask_sizes(dgram_socket_t *socket, void *context) {
  assert_int_equal(dgram_get_recv_buffer_size(socket), kernels_size(SO_RCVBUF, 10000));
  assert_int_equal(dgram_get_send_buffer_size(socket), kernels_size(SO_SNDBUF, 20000));
  trace("asked");
}

/* B23: they are set before 'listening' is emitted. */
static void those_of_the_options_are_set_at_bind(void **state) {
  static const dgram_type_t types[] = {DGRAM_UDP4, DGRAM_UDP6};
  for (int i = 0; i < (have_ipv6() ? 2 : 1); i++) {
    uv_loop_t *loop = open_loop();
    dgram_options_t options = dgram_default_options(types[i]);
    options.recv_buffer_size = 10000;
    options.send_buffer_size = 20000;
    dgram_socket_t *socket = new_with(loop, &options);
    assert_int_equal(dgram_on_listening(socket, ask_sizes, NULL), 0);
    assert_int_equal(dgram_bind(socket, 0, NULL, NULL, NULL), 0);
    run_until_trace(loop, "asked");
    close_socket(socket);
    close_loop(loop);
  }
}

static void those_of_the_options_are_set_at_an_implicit_bind_too(void **state) {
  uv_loop_t *loop = open_loop();
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.recv_buffer_size = 10000;
  options.send_buffer_size = 20000;
  dgram_socket_t *sender = new_with(loop, &options);
  dgram_socket_t *member = new_with(loop, &options);
  dgram_socket_t *connected = new_with(loop, &options);
  assert_int_equal(dgram_add_membership(member, "224.0.0.114", "127.0.0.1"), 0);
  ask_sizes(member, NULL);
  assert_int_equal(dgram_on_listening(sender, ask_sizes, NULL), 0);
  assert_int_equal(dgram_on_listening(connected, ask_sizes, NULL), 0);
  send_text(sender, "x", 9, NULL, NULL);
  assert_int_equal(dgram_connect(connected, 9, NULL, NULL, NULL), 0);
  run_until_trace(loop, "asked asked asked");
  close_socket(sender);
  close_socket(member);
  close_socket(connected);
  close_loop(loop);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_is_set_is_what_the_kernel_has),
      cmocka_unit_test(one_is_not_the_other),
      cmocka_unit_test(too_large_a_size_is_cut),
      cmocka_unit_test(setting_0_changes_nothing),
      cmocka_unit_test(a_negative_size_is_refused_in_any_state),
      cmocka_unit_test(of_an_unbound_socket_the_reason_is_ebadf),
      cmocka_unit_test(of_a_closed_socket_the_reason_is_ebadf),
      cmocka_unit_test(without_socket_it_is_einval),
      cmocka_unit_test(those_of_the_options_are_set_at_bind),
      cmocka_unit_test(those_of_the_options_are_set_at_an_implicit_bind_too),
  };
  return cmocka_run_group_tests_name("buffer_sizes", tests, NULL, NULL);
}

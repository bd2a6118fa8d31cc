/* The members of the bind's options: port, address, exclusive, fd, and the struct's size. */
#include "lib/fixture.h"

static dgram_address_t bind_with(const dgram_bind_options_t *options) {
  uv_loop_t *loop = open_loop();
  dgram_address_t address;
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  trace_events(socket);
  assert_int_equal(dgram_bind_options(socket, options, trace_event, "callback"), 0);
  assert_trace("");
  run_until_trace(loop, "listening callback");
  assert_int_equal(dgram_address(socket, &address), 0);
  close_socket(socket);
  close_loop(loop);
  return address;
}

static void the_defaults_are_any_port_on_all_interfaces(void **state) {
  dgram_bind_options_t options = dgram_default_bind_options();
  assert_int_equal(options.struct_size, sizeof options);
  assert_int_equal(options.port, 0);
  assert_null(options.address);
  assert_int_equal(options.exclusive, 0);
  assert_int_equal(options.fd, 0);
  dgram_address_t address = bind_with(&options);
  assert_string_equal(address.address, "0.0.0.0");
  assert_in_range(address.port, 1, 65535);
}

static void port_and_address_are_those_of_the_socket(void **state) {
  dgram_bind_options_t options = dgram_default_bind_options();
  int fd = raw_socket();
  options.address = "127.0.0.3"; /* where nobody has that port */
  options.port = raw_port(fd);
  dgram_address_t address = bind_with(&options);
  assert_string_equal(address.address, "127.0.0.3");
  assert_int_equal(address.port, options.port);
  close(fd);
}

static void exclusive_is_accepted(void **state) {
  dgram_bind_options_t options = dgram_default_bind_options();
  options.exclusive = 1;
  options.address = "127.0.0.1";
  assert_string_equal(bind_with(&options).address, "127.0.0.1");
}

static void an_fd_of_0_or_less_is_none(void **state) {
  static const int fds[] = {0, -1, INT32_MIN};
  for (size_t i = 0; i < sizeof fds / sizeof *fds; i++) {
    dgram_bind_options_t options = dgram_default_bind_options();
    options.fd = fds[i];
    options.address = "127.0.0.1";
    assert_string_equal(bind_with(&options).address, "127.0.0.1");
  }
}

static void they_are_copied(void **state) {
  uv_loop_t *loop = open_loop();
  char text[] = "127.0.0.4";
  dgram_address_t address;
  dgram_bind_options_t options = dgram_default_bind_options();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  options.address = text;
  assert_int_equal(dgram_bind_options(socket, &options, trace_event, "listening"), 0);
  memset(text, 'x', sizeof text);
  memset(&options, 0xff, sizeof options);
  run_until_trace(loop, "listening");
  assert_int_equal(dgram_address(socket, &address), 0);
  assert_string_equal(address.address, "127.0.0.4");
  close_socket(socket);
  close_loop(loop);
}

/* Refused: the socket is as it was, and the callback forgotten. */
static void assert_refused(const dgram_bind_options_t *options, int code) {
  uv_loop_t *loop = open_loop();
  dgram_address_t address;
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_bind_options(socket, options, trace_event, "forgotten"), code);
  assert_int_equal(dgram_off_listening(socket, trace_event, "forgotten"), UV_ENOENT);
  assert_int_equal(dgram_address(socket, &address), UV_EBADF);
  bind_now(socket, "127.0.0.1");
  assert_usable(socket);
  assert_trace("");
  close_socket(socket);
  close_loop(loop);
}

static void a_struct_of_another_size_is_refused(void **state) {
  dgram_bind_options_t options = dgram_default_bind_options();
  for (size_t size = 0; size < sizeof options; size++) {
    options.struct_size = size;
    assert_refused(&options, UV_EINVAL);
  }
  options.struct_size = sizeof options + 1;
  assert_refused(&options, UV_EINVAL);
  options.struct_size = SIZE_MAX;
  assert_refused(&options, UV_EINVAL);
}

static void no_options_are_refused(void **state) {
  assert_refused(NULL, UV_EINVAL);
}

static void a_port_out_of_range_is_refused(void **state) {
  static const int ports[] = {-1, 65536, INT32_MAX, INT32_MIN};
  for (size_t i = 0; i < sizeof ports / sizeof *ports; i++) {
    dgram_bind_options_t options = dgram_default_bind_options();
    options.port = ports[i];
    assert_refused(&options, DGRAM_ERR_SOCKET_BAD_PORT);
  }
}

static void a_host_name_too_long_is_refused(void **state) {
  char host[257];
  memset(host, 'a', sizeof host - 1);
  host[sizeof host - 1] = '\0';
  dgram_bind_options_t options = dgram_default_bind_options();
  options.address = host;
  assert_refused(&options, UV_EINVAL);
}

static void no_socket_is_refused(void **state) {
  dgram_bind_options_t options = dgram_default_bind_options();
  assert_int_equal(dgram_bind_options(NULL, &options, trace_event, "never"), UV_EINVAL);
}

static void a_socket_that_is_bound_or_closed_is_refused(void **state) {
  uv_loop_t *loop = open_loop();
  int port;
  dgram_bind_options_t options = dgram_default_bind_options();
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  dgram_socket_t *binding = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_bind(binding, 0, NULL, NULL, NULL), 0);
  assert_int_equal(dgram_bind_options(socket, &options, NULL, NULL),
                   DGRAM_ERR_SOCKET_ALREADY_BOUND);
  assert_int_equal(dgram_bind_options(binding, &options, NULL, NULL),
                   DGRAM_ERR_SOCKET_ALREADY_BOUND);
  close_socket(socket);
  close_socket(binding);
  assert_int_equal(dgram_bind_options(socket, &options, NULL, NULL),
                   DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
  close_loop(loop);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_defaults_are_any_port_on_all_interfaces),
      cmocka_unit_test(port_and_address_are_those_of_the_socket),
      cmocka_unit_test(exclusive_is_accepted),
      cmocka_unit_test(an_fd_of_0_or_less_is_none),
      cmocka_unit_test(they_are_copied),
      cmocka_unit_test(a_struct_of_another_size_is_refused),
      cmocka_unit_test(no_options_are_refused),
      cmocka_unit_test(a_port_out_of_range_is_refused),
      cmocka_unit_test(a_host_name_too_long_is_refused),
      cmocka_unit_test(no_socket_is_refused),
      cmocka_unit_test(a_socket_that_is_bound_or_closed_is_refused),
  };
  return cmocka_run_group_tests_name("bind_members", tests, NULL, NULL);
}

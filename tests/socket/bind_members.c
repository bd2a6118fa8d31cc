/* The members of the bind's options: port, address, exclusive, fd, and the struct's size. */
#include "lib/fixture.h"

static dgram_address_t bind_with(uv_loop_t *loop, const dgram_bind_options_t *options) {
  begin_round(loop);
  dgram_address_t address;
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  trace_events(socket);
  assert_int_equal(dgram_bind_options(socket, options, trace_event, "callback"), 0);
  assert_trace("");
  run_until_trace(loop, "listening callback");
  assert_int_equal(dgram_address(socket, &address), 0);
  return address;
}

TEST("the defaults are any port on all interfaces") {
  dgram_bind_options_t options = dgram_default_bind_options();
  assert_int_equal(options.struct_size, sizeof options);
  assert_int_equal(options.port, 0);
  assert_null(options.address);
  assert_int_equal(options.exclusive, 0);
  assert_int_equal(options.fd, 0);
  dgram_address_t address = bind_with(loop, &options);
  assert_string_equal(address.address, "0.0.0.0");
  assert_in_range(address.port, 1, 65535);
}

TEST("port and address are those of the socket") {
  dgram_bind_options_t options = dgram_default_bind_options();
  int fd = raw_socket();
  options.address = "127.0.0.3"; /* where nobody has that port */
  options.port = raw_port(fd);
  dgram_address_t address = bind_with(loop, &options);
  assert_string_equal(address.address, "127.0.0.3");
  assert_int_equal(address.port, options.port);
  close(fd);
}

TEST("exclusive is accepted") {
  dgram_bind_options_t options = dgram_default_bind_options();
  options.exclusive = 1;
  options.address = "127.0.0.1";
  assert_string_equal(bind_with(loop, &options).address, "127.0.0.1");
}

TEST("an fd of 0 or less is none") {
  static const int fds[] = {0, -1, INT32_MIN};
  for (size_t i = 0; i < sizeof fds / sizeof *fds; i++) {
    dgram_bind_options_t options = dgram_default_bind_options();
    options.fd = fds[i];
    options.address = "127.0.0.1";
    assert_string_equal(bind_with(loop, &options).address, "127.0.0.1");
  }
}

TEST("they are copied") {
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
}

/* Refused: the socket is as it was, and the callback forgotten. */
static void assert_refused(uv_loop_t *loop, const dgram_bind_options_t *options, int code) {
  begin_round(loop);
  dgram_address_t address;
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_bind_options(socket, options, trace_event, "forgotten"), code);
  assert_int_equal(dgram_off_listening(socket, trace_event, "forgotten"), UV_ENOENT);
  assert_int_equal(dgram_address(socket, &address), UV_EBADF);
  bind_now(socket, "127.0.0.1");
  assert_usable(socket);
  assert_trace("");
}

TEST("a struct of another size is refused") {
  dgram_bind_options_t options = dgram_default_bind_options();
  for (size_t size = 0; size < sizeof options; size++) {
    options.struct_size = size;
    assert_refused(loop, &options, UV_EINVAL);
  }
  options.struct_size = sizeof options + 1;
  assert_refused(loop, &options, UV_EINVAL);
  options.struct_size = SIZE_MAX;
  assert_refused(loop, &options, UV_EINVAL);
}

TEST("no options are refused") {
  assert_refused(loop, NULL, UV_EINVAL);
}

TEST("a port out of range is refused") {
  static const int ports[] = {-1, 65536, INT32_MAX, INT32_MIN};
  for (size_t i = 0; i < sizeof ports / sizeof *ports; i++) {
    dgram_bind_options_t options = dgram_default_bind_options();
    options.port = ports[i];
    assert_refused(loop, &options, DGRAM_ERR_SOCKET_BAD_PORT);
  }
}

TEST("a host name too long is refused") {
  char host[257];
  memset(host, 'a', sizeof host - 1);
  host[sizeof host - 1] = '\0';
  dgram_bind_options_t options = dgram_default_bind_options();
  options.address = host;
  assert_refused(loop, &options, UV_EINVAL);
}

TEST("no socket is refused") {
  dgram_bind_options_t options = dgram_default_bind_options();
  assert_int_equal(dgram_bind_options(NULL, &options, trace_event, "never"), UV_EINVAL);
}

TEST("a socket that is bound or closed is refused") {
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
}

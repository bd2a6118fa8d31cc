/*
 * The structs of options: their size says which members the program knew, and they are copied. That
 * other sizes are refused is in arguments.c.
 */
#include "lib/fixture.h"
#include "lib/lookup_stub.h"

/* ---- of a socket ---- */

/* A program that was compiled with 0.1, where `disable_gso` was the last member. */
TEST("the members beyond a shorter struct have their default") {
  struct lookup_stub stub = {0};
  dgram_options_t options = lookup_stub_options(DGRAM_UDP4, &stub);
  options.struct_size = offsetof(dgram_options_t, disable_gso) + sizeof options.disable_gso;
  options.signal = (dgram_abort_signal_t *)&stub; /* none: it must not be touched */
  dgram_socket_t *socket = new_with(loop, &options);
  bind_now(socket, "127.0.0.1");
  assert_usable(socket);
  assert_int_equal(stub.asked, 0);
}

/* Of 0.3, where padding was what is `receive_batch` now; out of range here. */
TEST("the padding of an older struct is not read") {
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.struct_size = offsetof(dgram_options_t, receive_budget);
  options.receive_batch = -1;
  close_socket(new_with(loop, &options));
  run_to_end(loop);
}

TEST("the default options are those of a plain socket") {
  static const dgram_type_t types[] = {DGRAM_UDP4, DGRAM_UDP6};
  for (int i = 0; i < 2; i++) {
    dgram_options_t options = dgram_default_options(types[i]);
    assert_int_equal(options.struct_size, sizeof options);
    assert_int_equal(options.type, types[i]);
    assert_int_equal(options.reuse_addr, 0);
    assert_int_equal(options.ipv6_only, 0);
    assert_int_equal(options.recv_buffer_size, 0);
    assert_int_equal(options.send_buffer_size, 0);
    assert_int_equal(options.disable_gso, 0);
    assert_true(options.lookup == NULL);
    assert_null(options.lookup_context);
    assert_null(options.signal);
    assert_int_equal(options.reuse_port, 0);
    assert_true(options.defer == NULL);
    assert_null(options.defer_context);
    assert_int_equal(options.low_latency, 0);
    assert_int_equal(options.disable_gro, 0);
    assert_int_equal(options.sockopt_count, 0);
    assert_null(options.sockopts);
    assert_null(options.bind_device);
    assert_int_equal(options.receive_info, 0);
  }
}

TEST("the options of a socket are copied") {
  struct lookup_stub stub = {.at_once = "127.0.0.1"};
  dgram_options_t options = lookup_stub_options(DGRAM_UDP4, &stub);
  dgram_socket_t *socket = new_with(loop, &options);
  memset(&options, 0xff, sizeof options);
  bind_now(socket, "name");
  assert_int_equal(stub.asked, 1);
}

/* ---- of a bind ---- */

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

TEST("the default options of a bind are any port on all interfaces") {
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

TEST("port and address of the bind options are those of the socket") {
  dgram_bind_options_t options = dgram_default_bind_options();
  int fd = raw_socket();
  options.address = "127.0.0.3"; /* where nobody has that port */
  options.port = raw_port(fd);
  dgram_address_t address = bind_with(loop, &options);
  assert_string_equal(address.address, "127.0.0.3");
  assert_int_equal(address.port, options.port);
  close(fd);
}

TEST("exclusive of the bind options is accepted") {
  dgram_bind_options_t options = dgram_default_bind_options();
  options.exclusive = 1;
  options.address = "127.0.0.1";
  assert_string_equal(bind_with(loop, &options).address, "127.0.0.1");
}

TEST("an fd of 0 or less in the bind options is none") {
  static const int fds[] = {0, -1, INT32_MIN};
  for (size_t i = 0; i < sizeof fds / sizeof *fds; i++) {
    dgram_bind_options_t options = dgram_default_bind_options();
    options.fd = fds[i];
    options.address = "127.0.0.1";
    assert_string_equal(bind_with(loop, &options).address, "127.0.0.1");
  }
}

TEST("the options of a bind are copied") {
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

TEST("a bind with options of a socket that is bound or being bound is refused") {
  int port;
  dgram_bind_options_t options = dgram_default_bind_options();
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  dgram_socket_t *binding = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_bind(binding, 0, NULL, NULL, NULL), 0);
  assert_int_equal(dgram_bind_options(socket, &options, NULL, NULL),
                   DGRAM_ERR_SOCKET_ALREADY_BOUND);
  assert_int_equal(dgram_bind_options(binding, &options, NULL, NULL),
                   DGRAM_ERR_SOCKET_ALREADY_BOUND);
}

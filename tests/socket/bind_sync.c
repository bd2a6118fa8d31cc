/* A bind inside the call: the port is there when it returns; 'listening' comes from the loop. */
#include "lib/fixture.h"
#include "lib/lookup_stub.h"

/* B53 */
TEST("a socket has its port when bind_sync() returns") {
  static const char *const addresses[] = {NULL, "", "127.0.0.1"};
  static const char *const bound[] = {"0.0.0.0", "0.0.0.0", "127.0.0.1"};
  for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
    begin_round(loop);
    dgram_address_t address;
    dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
    trace_events(socket);
    assert_int_equal(dgram_bind_sync(socket, 0, addresses[i]), 0);
    assert_int_equal(dgram_address(socket, &address), 0);
    assert_string_equal(address.address, bound[i]);
    assert_string_equal(address.family, "IPv4");
    assert_in_range(address.port, 1, 65535);
    assert_int_equal(dgram_set_broadcast(socket, 1), 0); /* the system's socket is there */
    assert_trace("");
    run_until_trace(loop, "listening");
    settle(loop);
    assert_trace("");
    assert_usable(socket);
  }
}

TEST("bind_sync() binds to a given port") {
  dgram_socket_t *first = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  dgram_socket_t *second = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_bind_sync(first, 0, "127.0.0.1"), 0);
  assert_int_equal(dgram_bind_sync(second, port_of(first), "127.0.0.2"), 0);
  assert_int_equal(port_of(second), port_of(first));
}

TEST("bind_sync() takes an IPv6 address with a zone") {
  static const char *const addresses[] = {NULL, "::1", "::1%lo", "::ffff:127.0.0.1"};
  static const char *const bound[] = {"::", "::1", "::1", "::ffff:127.0.0.1"};
  skip_without_ipv6();
  for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
    begin_round(loop);
    dgram_address_t address;
    dgram_socket_t *socket = new_socket(loop, DGRAM_UDP6, NULL, NULL);
    assert_int_equal(dgram_bind_sync(socket, 0, addresses[i]), 0);
    assert_int_equal(dgram_address(socket, &address), 0);
    assert_string_equal(address.address, bound[i]);
  }
}

TEST("the options of the socket hold for bind_sync()") {
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.reuse_addr = 1;
  options.recv_buffer_size = 10000;
  dgram_socket_t *first = new_with(loop, &options);
  dgram_socket_t *second = new_with(loop, &options);
  assert_int_equal(dgram_bind_sync(first, 0, NULL), 0);
  assert_int_equal(dgram_bind_sync(second, port_of(first), NULL), 0);
  assert_in_range(dgram_get_recv_buffer_size(first), 10000, 20000);
  options.ipv6_only = 1;
  dgram_socket_t *third = new_with(loop, &options);
  assert_int_equal(dgram_bind_sync(third, 0, NULL), UV_EINVAL); /* it is of IPv4 */
}

/* ---- what fails ---- */

TEST("bind_sync() of a socket that is bound or being bound is refused") {
  int listening = 0;
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  dgram_socket_t *other = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_bind(socket, 0, NULL, count_event, &listening), 0);
  assert_int_equal(dgram_bind_sync(socket, 0, NULL), DGRAM_ERR_SOCKET_ALREADY_BOUND);
  run_until(loop, &listening, 1);
  assert_int_equal(dgram_bind_sync(socket, 0, NULL), DGRAM_ERR_SOCKET_ALREADY_BOUND);
  assert_int_equal(dgram_bind_sync(other, 0, NULL), 0);
  assert_int_equal(dgram_bind_sync(other, 0, NULL), DGRAM_ERR_SOCKET_ALREADY_BOUND);
  assert_int_equal(dgram_bind(other, 0, NULL, NULL, NULL), DGRAM_ERR_SOCKET_ALREADY_BOUND);
}

/* ---- what comes after it ---- */

TEST("a socket closed between bind_sync() and listening emits close only") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  trace_events(socket);
  assert_int_equal(dgram_bind_sync(socket, 0, NULL), 0);
  close_socket(socket);
  run_to_end(loop);
  assert_trace("close");
}

TEST("a message that comes after bind_sync() follows listening") {
  int fd = raw_socket();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, trace_message, "got");
  trace_events(socket);
  assert_int_equal(dgram_bind_sync(socket, 0, "127.0.0.1"), 0);
  raw_send(fd, "early", 5, port_of(socket));
  run_until_trace(loop, "listening got(early)");
  close(fd);
}

static void trace_arrivals(dgram_socket_t *socket, void *context) {
  trace("came(%s)", arrived(*(int *)context));
}

/* B63 */
TEST("a send after bind_sync() leaves after listening") {
  int fd = raw_socket();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  trace_events(socket);
  assert_int_equal(dgram_bind_sync(socket, 0, NULL), 0);
  send_text(socket, "x", raw_port(fd), trace_sent, "sent");
  assert_int_equal(dgram_on_listening(socket, trace_arrivals, &fd), 0);
  run_until_trace(loop, "listening came() sent");
  assert_string_equal(arrived(fd), "x");
  close(fd);
}

TEST("a close after bind_sync() waits for what was sent") {
  int fd = raw_socket();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  trace_events(socket);
  assert_int_equal(dgram_bind_sync(socket, 0, NULL), 0);
  send_text(socket, "x", raw_port(fd), trace_sent, "sent");
  close_socket(socket);
  run_to_end(loop);
  assert_trace("listening sent close");
  assert_string_equal(arrived(fd), "x");
  close(fd);
}

static void bind_there(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  trace("error(%s)", error->name);
  assert_int_equal(dgram_bind_sync(socket, 0, "127.0.0.1"), 0);
  assert_true(port_of(socket) > 0);
}

TEST("bind_sync() can be called in the error of a failed bind") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_on_listening(socket, trace_event, "listening"), 0);
  assert_int_equal(dgram_on_error(socket, bind_there, NULL), 0);
  assert_int_equal(dgram_bind(socket, 0, "203.0.113.9", trace_event, "never"), 0);
  run_until_trace(loop, "error(EADDRNOTAVAIL) listening");
  assert_usable(socket);
}

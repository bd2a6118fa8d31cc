/* Binding: where to, and when the program is told. Failures are in bind_error.c. */
#include "lib/fixture.h"

static void assert_bound_to(const dgram_socket_t *socket, const char *address, const char *family) {
  dgram_address_t bound;
  assert_int_equal(dgram_address(socket, &bound), 0);
  assert_string_equal(bound.address, address);
  assert_string_equal(bound.family, family);
  assert_in_range(bound.port, 1, 65535);
}

static void binds_to(uv_loop_t *loop, dgram_type_t type, const char *address, const char *bound_to,
                     const char *family) {
  begin_round(loop);
  dgram_socket_t *socket = new_socket(loop, type, NULL, NULL);
  bind_now(socket, address);
  assert_bound_to(socket, bound_to, family);
}

TEST("port 0 lets the system choose") {
  int ports[2];
  new_bound(loop, NULL, NULL, &ports[0]);
  new_bound(loop, NULL, NULL, &ports[1]);
  assert_int_not_equal(ports[0], ports[1]);
}

TEST("no address means all interfaces") {
  binds_to(loop, DGRAM_UDP4, NULL, "0.0.0.0", "IPv4");
  binds_to(loop, DGRAM_UDP4, "", "0.0.0.0", "IPv4");
}

TEST("no address means all interfaces of ipv6") {
  skip_without_ipv6();
  binds_to(loop, DGRAM_UDP6, NULL, "::", "IPv6");
  binds_to(loop, DGRAM_UDP6, "", "::", "IPv6");
}

TEST("a specific address is kept") {
  binds_to(loop, DGRAM_UDP4, "127.0.0.1", "127.0.0.1", "IPv4");
  binds_to(loop, DGRAM_UDP4, "127.0.0.2", "127.0.0.2", "IPv4");
}

TEST("a specific address of ipv6 is kept") {
  skip_without_ipv6();
  binds_to(loop, DGRAM_UDP6, "::1", "::1", "IPv6");
}

TEST("a specific port is kept") {
  int port;
  int listening = 0;
  dgram_socket_t *first = new_bound(loop, NULL, NULL, &port);
  close_socket(first);
  run_to_end(loop);
  dgram_socket_t *second = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_bind(second, port, "127.0.0.1", count_event, &listening), 0);
  run_until(loop, &listening, 1);
  assert_int_equal(port_of(second), port);
  close_socket(second);
}

TEST("listening is never emitted inside the call") {
  static const char *const addresses[] = {NULL, "127.0.0.1", "localhost"};
  for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
    begin_round(loop);
    dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
    int called = 0;
    assert_int_equal(dgram_on_listening(socket, trace_event, "listener"), 0);
    assert_int_equal(dgram_bind(socket, 0, addresses[i], count_event, &called), 0);
    assert_int_equal(called, 0);
    assert_trace("");
    run_until(loop, &called, 1);
    assert_trace("listener");
  }
}

TEST("the callback is a listener of listening") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  int last = 0;
  assert_int_equal(dgram_on_listening(socket, trace_event, "before"), 0);
  assert_int_equal(dgram_bind(socket, 0, NULL, trace_event, "callback"), 0);
  assert_int_equal(dgram_on_listening(socket, trace_event, "after"), 0);
  assert_int_equal(dgram_on_listening(socket, count_event, &last), 0);
  run_until(loop, &last, 1);
  assert_trace("before callback after");
}

TEST("the callback can be removed") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  int listening = 0;
  assert_int_equal(dgram_on_listening(socket, count_event, &listening), 0);
  assert_int_equal(dgram_bind(socket, 0, NULL, trace_event, "callback"), 0);
  assert_int_equal(dgram_off_listening(socket, trace_event, "callback"), 0);
  run_until(loop, &listening, 1);
  assert_trace("");
}

static void trace_address(dgram_socket_t *socket, void *context) {
  dgram_address_t address;
  int err = dgram_address(socket, &address);
  trace("%s:%d", (const char *)context, err);
}

TEST("address is known from listening on") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  dgram_address_t address;
  int listening = 0;
  assert_int_equal(dgram_address(socket, &address), UV_EBADF);
  assert_int_equal(dgram_on_listening(socket, trace_address, "in"), 0);
  assert_int_equal(dgram_bind(socket, 0, NULL, count_event, &listening), 0);
  assert_int_equal(dgram_address(socket, &address), UV_EBADF);
  run_until(loop, &listening, 1);
  assert_trace("in:0");
  close_socket(socket);
  assert_int_equal(dgram_address(socket, &address), DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
}

TEST("binding twice is refused and changes nothing") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  int listening = 0;
  assert_int_equal(dgram_bind(socket, 0, "127.0.0.1", count_event, &listening), 0);
  assert_int_equal(dgram_bind(socket, 0, "127.0.0.2", trace_event, "refused"),
                   DGRAM_ERR_SOCKET_ALREADY_BOUND);
  run_until(loop, &listening, 1);
  assert_int_equal(dgram_bind(socket, 0, "127.0.0.2", trace_event, "refused"),
                   DGRAM_ERR_SOCKET_ALREADY_BOUND);
  assert_usable(socket);
  assert_bound_to(socket, "127.0.0.1", "IPv4");
  assert_trace("");
}

TEST("binding after a send bound it is refused") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  int sent = 0;
  send_text(socket, "x", 9, count_sent, &sent);
  assert_int_equal(dgram_bind(socket, 0, NULL, NULL, NULL), DGRAM_ERR_SOCKET_ALREADY_BOUND);
  run_until(loop, &sent, 1);
  assert_int_equal(dgram_bind(socket, 0, NULL, NULL, NULL), DGRAM_ERR_SOCKET_ALREADY_BOUND);
}

TEST("a socket knows its loop") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_ptr_equal(dgram_loop(socket), loop);
}

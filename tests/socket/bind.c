/*
 * Binding: where to, also by a host name, with which options, and when it is reported. The host
 * names are this machine's own, or can't exist (RFC 6761, 6.4). Failures are in bind_error.c.
 */
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

TEST("a bind to port 0 lets the system choose") {
  int ports[2];
  new_bound(loop, NULL, NULL, &ports[0]);
  new_bound(loop, NULL, NULL, &ports[1]);
  assert_int_not_equal(ports[0], ports[1]);
}

TEST("a bind without an address binds to all interfaces") {
  binds_to(loop, DGRAM_UDP4, NULL, "0.0.0.0", "IPv4");
  binds_to(loop, DGRAM_UDP4, "", "0.0.0.0", "IPv4");
}

TEST("a bind of a udp6 socket without an address binds to all interfaces") {
  skip_without_ipv6();
  binds_to(loop, DGRAM_UDP6, NULL, "::", "IPv6");
  binds_to(loop, DGRAM_UDP6, "", "::", "IPv6");
}

TEST("a bind to an IPv4 address has it") {
  binds_to(loop, DGRAM_UDP4, "127.0.0.1", "127.0.0.1", "IPv4");
  binds_to(loop, DGRAM_UDP4, "127.0.0.2", "127.0.0.2", "IPv4");
}

TEST("a bind to an IPv6 address has it") {
  skip_without_ipv6();
  binds_to(loop, DGRAM_UDP6, "::1", "::1", "IPv6");
}

TEST("a bind to a port has it") {
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

TEST("the callback of a bind is a listener of listening") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  int last = 0;
  assert_int_equal(dgram_on_listening(socket, trace_event, "before"), 0);
  assert_int_equal(dgram_bind(socket, 0, NULL, trace_event, "callback"), 0);
  assert_int_equal(dgram_on_listening(socket, trace_event, "after"), 0);
  assert_int_equal(dgram_on_listening(socket, count_event, &last), 0);
  run_until(loop, &last, 1);
  assert_trace("before callback after");
}

TEST("the callback of a bind can be removed") {
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

TEST("the address is known from listening on") {
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

TEST("a second bind is refused and changes nothing") {
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

TEST("a bind after a send has bound the socket is refused") {
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

/* ---- host names ---- */

TEST("a bind to a host name looks it up") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  dgram_address_t address;
  bind_now(socket, "localhost");
  assert_int_equal(dgram_address(socket, &address), 0);
  assert_string_equal(address.address, "127.0.0.1");
  assert_usable(socket);
}

TEST("a bind to a host name has the port of the call") {
  struct kept_error kept = {0};
  int port;
  char expected[64];
  new_bound(loop, NULL, NULL, &port);
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_on_error(socket, keep_error, &kept), 0);
  assert_int_equal(dgram_bind(socket, port, "localhost", NULL, NULL), 0);
  run_until(loop, &kept.calls, 1);
  snprintf(expected, sizeof expected, "bind EADDRINUSE 127.0.0.1:%d", port);
  assert_string_equal(kept.message, expected);
}

TEST("a bind to an unknown host is an error event") {
  struct kept_error kept = {0};
  char expected[128];
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_on_error(socket, keep_error, &kept), 0);
  assert_int_equal(dgram_bind(socket, 41234, "no-such-host.invalid", trace_event, "listening"), 0);
  assert_int_equal(kept.calls, 0);
  run_to_end(loop);
  assert_int_equal(kept.calls, 1);
  if (kept.code != UV_EAI_AGAIN) /* a machine without a name server */
    assert_string_equal(kept.name, "ENOTFOUND");
  assert_string_equal(kept.syscall, "getaddrinfo");
  assert_string_equal(kept.address, "no-such-host.invalid");
  assert_int_equal(kept.port, 0);
  snprintf(expected, sizeof expected, "getaddrinfo %s no-such-host.invalid", kept.name);
  assert_string_equal(kept.message, expected);
  assert_trace("");
  bind_now(socket, "127.0.0.1");
  assert_usable(socket);
}

TEST("sends that waited for the look-up of a bind get its error") {
  struct kept_error reported = {0};
  struct kept_error sent = {0};
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_on_error(socket, keep_error, &reported), 0);
  assert_int_equal(dgram_bind(socket, 0, "no-such-host.invalid", NULL, NULL), 0);
  send_text(socket, "x", 9, keep_send_error, &sent);
  run_to_end(loop);
  assert_int_equal(reported.calls, 1);
  assert_int_equal(sent.calls, 1);
  assert_int_equal(sent.code, reported.code);
}

TEST("a bind during the look-up of another is refused") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  int listening = 0;
  assert_int_equal(dgram_bind(socket, 0, "localhost", count_event, &listening), 0);
  assert_int_equal(dgram_bind(socket, 0, "127.0.0.1", NULL, NULL), DGRAM_ERR_SOCKET_ALREADY_BOUND);
  run_until(loop, &listening, 1);
}

/* ---- options that take effect at bind ---- */

/* Binds to this very port. Returns 0 or the error's code. */
static int try_port(dgram_socket_t *socket, int port, const char *address) {
  struct kept_error kept = {0};
  int listening = 0;
  assert_int_equal(dgram_once_error(socket, keep_error, &kept), 0);
  assert_int_equal(dgram_bind(socket, port, address, count_event, &listening), 0);
  while (listening == 0 && kept.calls == 0)
    uv_run(dgram_loop(socket), UV_RUN_ONCE);
  return kept.code;
}

static int share_a_port(uv_loop_t *loop, int reuse_first, int reuse_second) {
  begin_round(loop);
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.reuse_addr = reuse_first;
  dgram_socket_t *first = new_with(loop, &options);
  options.reuse_addr = reuse_second;
  dgram_socket_t *second = new_with(loop, &options);
  int code = try_port(second, bind_now(first, "127.0.0.1"), "127.0.0.1");
  return code;
}

TEST("reuse_addr lets two sockets have one address") {
  assert_int_equal(share_a_port(loop, 1, 1), 0);
}

TEST("an address is in use unless both sockets have reuse_addr") {
  assert_int_equal(share_a_port(loop, 0, 0), UV_EADDRINUSE);
  assert_int_equal(share_a_port(loop, 1, 0), UV_EADDRINUSE);
  assert_int_equal(share_a_port(loop, 0, 1), UV_EADDRINUSE);
}

/* Binds '::', then 0.0.0.0 on the same port. */
static int bind_both_families(uv_loop_t *loop, int ipv6_only) {
  begin_round(loop);
  dgram_options_t options = dgram_default_options(DGRAM_UDP6);
  options.ipv6_only = ipv6_only;
  dgram_socket_t *v6 = new_with(loop, &options);
  dgram_socket_t *v4 = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  int code = try_port(v4, bind_now(v6, NULL), NULL);
  return code;
}

TEST("ipv6_only leaves the port of IPv4 free") {
  skip_without_ipv6();
  assert_int_equal(bind_both_families(loop, 1), 0);
}

TEST("a dual-stack socket takes the port of IPv4 too") {
  skip_without_ipv6();
  assert_int_equal(bind_both_families(loop, 0), UV_EADDRINUSE);
}

/* B21: the code is libuv's for such a socket. */
TEST("ipv6_only of a udp4 socket is EINVAL") {
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.ipv6_only = 1;
  dgram_socket_t *socket = new_with(loop, &options);
  assert_int_equal(try_port(socket, 0, NULL), UV_EINVAL);
}

/* What arrives while the loop does not run is what the buffer holds. */
static int datagrams_held(uv_loop_t *loop, int recv_buffer_size) {
  enum { SENT = 100, SIZE = 100 };
  begin_round(loop);
  static const char bytes[SIZE];
  int received = 0;
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.recv_buffer_size = recv_buffer_size;
  dgram_socket_t *socket = new_with(loop, &options);
  assert_int_equal(dgram_on_message(socket, count_message, &received), 0);
  int port = bind_now(socket, "127.0.0.1");
  int fd = raw_socket();
  for (int i = 0; i < SENT; i++)
    raw_send(fd, bytes, SIZE, port);
  close(fd);
  for (int i = 0; i < SENT; i++)
    uv_run(loop, UV_RUN_NOWAIT);
  return received;
}

TEST("recv_buffer_size is that of the system's socket") {
  assert_int_equal(datagrams_held(loop, 0), 100);
  assert_in_range(datagrams_held(loop, 4096), 1, 50);
}

/* Binding to a host name. The names are this machine's own, or can't exist (RFC 6761, 6.4). */
#include "lib/fixture.h"

TEST("a host name is looked up") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  dgram_address_t address;
  bind_now(socket, "localhost");
  assert_int_equal(dgram_address(socket, &address), 0);
  assert_string_equal(address.address, "127.0.0.1");
  assert_usable(socket);
}

TEST("the port is that of the call") {
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

TEST("an unknown host is an error event") {
  struct kept_error kept = {0};
  char expected[128];
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_on_error(socket, keep_error, &kept), 0);
  assert_int_equal(dgram_bind(socket, 41234, "no-such-host.invalid", trace_event, "listening"), 0);
  assert_int_equal(kept.calls, 0);
  run_to_end(loop);
  assert_int_equal(kept.calls, 1);
  if (kept.code != UV_EAI_AGAIN) /* what a machine without a name server says */
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

TEST("sends that waited for the look up get its error") {
  struct kept_error told = {0};
  struct kept_error sent = {0};
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_on_error(socket, keep_error, &told), 0);
  assert_int_equal(dgram_bind(socket, 0, "no-such-host.invalid", NULL, NULL), 0);
  send_text(socket, "x", 9, keep_send_error, &sent);
  run_to_end(loop);
  assert_int_equal(told.calls, 1);
  assert_int_equal(sent.calls, 1);
  assert_int_equal(sent.code, told.code);
}

TEST("binding again during the look up is refused") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  int listening = 0;
  assert_int_equal(dgram_bind(socket, 0, "localhost", count_event, &listening), 0);
  assert_int_equal(dgram_bind(socket, 0, "127.0.0.1", NULL, NULL), DGRAM_ERR_SOCKET_ALREADY_BOUND);
  run_until(loop, &listening, 1);
}

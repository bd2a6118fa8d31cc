/* A membership call on an unbound socket binds it inside the call; 'listening' comes later. */
#include "lib/fixture.h"
#include "lib/lookup_stub.h"

static const char GROUP[] = "224.0.0.114";

static int join(dgram_socket_t *socket) {
  return dgram_add_membership(socket, GROUP, "127.0.0.1");
}

TEST("a membership binds the socket inside the call") {
  dgram_address_t address;
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  trace_events(socket);
  assert_int_equal(join(socket), 0);
  assert_int_equal(dgram_address(socket, &address), 0);
  assert_string_equal(address.address, "0.0.0.0");
  assert_in_range(address.port, 1, 65535);
  assert_int_equal(dgram_set_multicast_ttl(socket, 2), 0);
  assert_trace("");
  run_until_trace(loop, "listening");
  settle(loop);
  assert_trace("");
  assert_usable(socket);
}

TEST("a source membership binds the socket inside the call") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  trace_events(socket);
  assert_int_equal(
      dgram_add_source_specific_membership(socket, "127.0.0.1", "232.1.2.3", "127.0.0.1"), 0);
  assert_true(port_of(socket) > 0);
  run_until_trace(loop, "listening");
}

TEST("a membership of IPv6 binds the socket inside the call") {
  skip_without_ipv6();
  dgram_address_t address;
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP6, NULL, NULL);
  trace_events(socket);
  assert_int_equal(dgram_add_membership(socket, "ff02::1234", "::%lo"), 0);
  assert_int_equal(dgram_address(socket, &address), 0);
  assert_string_equal(address.address, "::");
  run_until_trace(loop, "listening");
}

/* There is no look-up: the call is done when it returns. */
TEST("a membership does not look up") {
  struct lookup_stub stub = {0};
  dgram_socket_t *socket = new_with_lookup(loop, DGRAM_UDP4, &stub);
  assert_int_equal(join(socket), 0);
  settle(loop);
  assert_int_equal(stub.asked, 0);
}

TEST("a bind after a membership is refused") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(join(socket), 0);
  assert_int_equal(dgram_bind(socket, 0, NULL, NULL, NULL), DGRAM_ERR_SOCKET_ALREADY_BOUND);
  settle(loop);
  assert_int_equal(dgram_bind(socket, 0, NULL, NULL, NULL), DGRAM_ERR_SOCKET_ALREADY_BOUND);
}

TEST("a membership of a socket that is being bound is EBADF") {
  int listening = 0;
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_bind(socket, 0, NULL, count_event, &listening), 0);
  assert_int_equal(join(socket), UV_EBADF);
  assert_int_equal(dgram_drop_membership(socket, GROUP, "127.0.0.1"), UV_EBADF);
  run_until(loop, &listening, 1);
  assert_int_equal(join(socket), 0);
}

static void join_in_listening(dgram_socket_t *socket, void *context) {
  trace("join:%d", join(socket));
}

TEST("a membership may be added in listening") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_bind(socket, 0, NULL, join_in_listening, NULL), 0);
  run_until_trace(loop, "join:0");
}

TEST("a second membership emits no second listening") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  trace_events(socket);
  assert_int_equal(join(socket), 0);
  assert_int_equal(dgram_add_membership(socket, "224.0.0.115", "127.0.0.1"), 0);
  settle(loop);
  assert_trace("listening");
}

TEST("a socket closed between a membership and listening emits close only") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  trace_events(socket);
  assert_int_equal(join(socket), 0);
  close_socket(socket);
  run_to_end(loop);
  assert_trace("close");
}

/* Notes how many datagrams have come to the system's socket that is its context. */
static void trace_arrivals(dgram_socket_t *socket, void *context) {
  trace("came(%d)", (int)strlen(arrived(*(int *)context)));
}

/* It is bound already, but a listener of 'listening' may still change it (B63). */
TEST("a send between a membership and listening leaves after it") {
  int fd = raw_socket();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  trace_events(socket);
  assert_int_equal(join(socket), 0);
  send_text(socket, "x", raw_port(fd), trace_sent, "sent");
  assert_int_equal(dgram_on_listening(socket, trace_arrivals, &fd), 0);
  run_until_trace(loop, "listening came(0) sent");
  assert_string_equal(arrived(fd), "x");
  close(fd);
}

/* In the callback of another socket's send, that is from the loop, just before it polls. */
static void join_and_be_sent_to(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                                void *context) {
  dgram_socket_t *member = context;
  int fd = raw_socket();
  assert_int_equal(join(member), 0);
  raw_send(fd, "x", 1, port_of(member));
  close(fd);
}

TEST("a message between a membership and listening comes after it") {
  int port;
  dgram_socket_t *other = new_bound(loop, NULL, NULL, &port);
  dgram_socket_t *member = new_socket(loop, DGRAM_UDP4, trace_message, "got");
  trace_events(member);
  send_text(other, "x", 9, join_and_be_sent_to, member);
  run_until_trace(loop, "listening got(x)");
}

TEST("a connect between a membership and listening is done after it") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  trace_events(socket);
  assert_int_equal(join(socket), 0);
  assert_int_equal(dgram_connect(socket, 9, NULL, NULL, NULL), 0);
  run_until_trace(loop, "listening connect");
}

/* The kernel refused it, and for that the socket had to be bound. */
TEST("a membership that fails leaves the socket bound") {
  dgram_socket_t *leaver = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  dgram_socket_t *joiner = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  trace_events(leaver);
  trace_events(joiner);
  assert_int_equal(dgram_drop_membership(leaver, GROUP, "127.0.0.1"), UV_EADDRNOTAVAIL);
  assert_int_equal(dgram_add_membership(joiner, GROUP, "203.0.113.9"), UV_ENODEV);
  assert_true(port_of(leaver) > 0);
  run_until_trace(loop, "listening listening");
  assert_usable(leaver);
  assert_usable(joiner);
}

/* Disconnecting: what the socket is after it, and where its sends go. */
#include "lib/fixture.h"

TEST("disconnect() takes effect inside the call") {
  int port;
  dgram_address_t remote = {.port = 7};
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  connect_now(socket, 9);
  assert_int_equal(dgram_disconnect(socket), 0);
  assert_int_equal(dgram_remote_address(socket, &remote), DGRAM_ERR_SOCKET_DGRAM_NOT_CONNECTED);
  assert_int_equal(remote.port, 7);
  assert_int_equal(dgram_send(socket, "x", 1, 0, NULL, NULL, NULL), DGRAM_ERR_SOCKET_BAD_PORT);
}

TEST("disconnect() emits nothing") {
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  connect_now(socket, 9);
  trace_events(socket);
  assert_int_equal(dgram_disconnect(socket), 0);
  settle(loop);
  assert_trace("");
}

TEST("disconnect() of a socket that is not connected is refused") {
  int port;
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  dgram_socket_t *bound = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_disconnect(socket), DGRAM_ERR_SOCKET_DGRAM_NOT_CONNECTED);
  assert_int_equal(dgram_disconnect(bound), DGRAM_ERR_SOCKET_DGRAM_NOT_CONNECTED);
  assert_int_equal(dgram_connect(bound, 9, NULL, trace_connect, "connected"), 0);
  assert_int_equal(dgram_disconnect(bound), DGRAM_ERR_SOCKET_DGRAM_NOT_CONNECTED);
  run_until_trace(loop, "connected"); /* it was not harmed */
  assert_int_equal(dgram_disconnect(bound), 0);
  assert_int_equal(dgram_disconnect(bound), DGRAM_ERR_SOCKET_DGRAM_NOT_CONNECTED);
  connect_now(bound, 9);
  close_socket(socket);
}

/* B31: the kernel gives it back; the next send gets another, and receives its reply there. */
TEST("disconnect() releases a port that the system chose") {
  char text[8];
  dgram_address_t address;
  int fd = raw_socket();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, trace_message, "got");
  connect_now(socket, raw_port(fd));
  assert_true(port_of(socket) > 0);
  assert_int_equal(dgram_disconnect(socket), 0);
  assert_int_equal(dgram_address(socket, &address), 0);
  assert_int_equal(address.port, 0);
  send_text(socket, "ping", raw_port(fd), trace_sent, "sent");
  run_until_trace(loop, "sent");
  assert_int_equal(raw_receive(fd, text, sizeof text), port_of(socket));
  raw_send(fd, "pong", 4, port_of(socket));
  run_until_trace(loop, "got(pong)");
  close(fd);
}

TEST("disconnect() keeps a port that the program chose") {
  int port;
  int listening = 0;
  int holder = raw_holder(&port);
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.reuse_addr = 1;
  dgram_socket_t *socket = new_with(loop, &options);
  assert_int_equal(dgram_on_message(socket, trace_message, "got"), 0);
  assert_int_equal(dgram_bind(socket, port, "127.0.0.1", count_event, &listening), 0);
  run_until(loop, &listening, 1);
  connect_now(socket, 9);
  assert_int_equal(dgram_disconnect(socket), 0);
  assert_int_equal(port_of(socket), port);
  int fd = raw_socket();
  raw_send(fd, "anybody", 7, port);
  run_until_trace(loop, "got(anybody)");
  close(fd);
  close(holder);
}

/* Also those that had not left when it was called. */
TEST("a send before disconnect() goes to the peer") {
  enum { SENT = 100 };
  int sent = 0;
  int peer = raw_socket();
  int other = raw_socket();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  connect_now(socket, raw_port(peer));
  for (int i = 0; i < SENT; i++)
    assert_int_equal(dgram_send(socket, "p", 1, 0, NULL, count_sent, &sent), 0);
  assert_int_equal(dgram_disconnect(socket), 0);
  send_text(socket, "o", raw_port(other), count_sent, &sent);
  run_until(loop, &sent, SENT + 1);
  assert_int_equal(strlen(arrived(peer)), 2 * SENT - 1);
  assert_string_equal(arrived(other), "o");
  close(peer);
  close(other);
}

TEST("a socket can be connected to another peer after disconnect()") {
  int first = raw_socket();
  int second = raw_socket();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  connect_now(socket, raw_port(first));
  assert_int_equal(dgram_send(socket, "1", 1, 0, NULL, NULL, NULL), 0);
  assert_int_equal(dgram_disconnect(socket), 0);
  connect_now(socket, raw_port(second));
  assert_int_equal(dgram_send(socket, "2", 1, 0, NULL, NULL, NULL), 0);
  settle(loop);
  assert_string_equal(arrived(first), "1");
  assert_string_equal(arrived(second), "2");
  close(first);
  close(second);
}

static void disconnect_at_once(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  trace("connect:%d", dgram_disconnect(socket));
}

TEST("disconnect() may be called in connect") {
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_on_connect(socket, disconnect_at_once, NULL), 0);
  assert_int_equal(dgram_connect(socket, 9, NULL, trace_connect, "callback"), 0);
  run_until_trace(loop, "connect:0 callback");
  assert_int_equal(dgram_disconnect(socket), DGRAM_ERR_SOCKET_DGRAM_NOT_CONNECTED);
}

static void connect_elsewhere(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  trace("first:%d", dgram_disconnect(socket));
  assert_int_equal(dgram_connect(socket, 7, NULL, trace_connect, "second"), 0);
}

TEST("disconnect() in connect may be followed by another connect") {
  int port;
  dgram_address_t remote;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_connect(socket, 9, NULL, connect_elsewhere, NULL), 0);
  settle(loop);
  assert_trace("first:0 second");
  assert_int_equal(dgram_remote_address(socket, &remote), 0);
  assert_int_equal(remote.port, 7);
}

static void disconnect_in_message(dgram_socket_t *socket, const char *message,
                                  const dgram_rinfo_t *rinfo, void *context) {
  trace("got(%.*s)", (int)rinfo->size, message);
  if (*message == '1')
    assert_int_equal(dgram_disconnect(socket), 0);
}

/* What the peer sent before the disconnect has arrived, and is received. */
TEST("disconnect() may be called in a message") {
  int port;
  int fd = raw_socket();
  dgram_socket_t *socket = new_bound(loop, disconnect_in_message, NULL, &port);
  connect_now(socket, raw_port(fd));
  raw_send(fd, "1", 1, port);
  raw_send(fd, "2", 1, port);
  run_until_trace(loop, "got(1) got(2)");
  close(fd);
}

/* The peer refuses (ICMP), and the kernel reports that to whichever call comes next. */
TEST("a refusal by the former peer fails no send after disconnect()") {
  int peer_port;
  int peer = raw_holder(&peer_port);
  int other = raw_socket();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  connect_now(socket, peer_port);
  assert_int_equal(dgram_on_error(socket, trace_error, "error"), 0);
  assert_int_equal(dgram_send(socket, "lost", 4, 0, NULL, trace_sent, "sent1"), 0);
  assert_int_equal(dgram_disconnect(socket), 0);
  send_text(socket, "healthy", raw_port(other), trace_sent, "sent2");
  settle(loop);
  assert_string_equal(arrived(other), "healthy");
  assert_int_equal(strlen(trace_text), strlen("sent1 sent2 error(ECONNREFUSED)"));
  assert_non_null(strstr(trace_text, "sent1"));
  assert_non_null(strstr(trace_text, "sent2"));
  assert_non_null(strstr(trace_text, "error(ECONNREFUSED)"));
  close(peer);
  close(other);
}

/*
 * A pending error on a system socket (POLLERR) wakes the loop; libuv then reports EBADF and stops
 * watching. The error is emitted as an 'error', and receiving goes on. Over system sockets.
 */
#include "fake/scripted.h"

static dgram_socket_t *system_socket(void) {
  dgram_socket_t *socket = scripted_unbound_socket();
  fake_use_system(socket->loop, true);
  assert_int_equal(dgram_bind(socket, 0, "127.0.0.1", NULL, NULL), 0);
  EXPECT("listening");
  return socket;
}

/* Connects the socket to a peer that goes away, and has it learn that. */
static void provoke_refusal(const dgram_socket_t *socket) {
  int peer = raw_socket();
  raw_connect(socket->udp.fd, raw_port(peer));
  close(peer);
  assert_int_equal(send(socket->udp.fd, "x", 1, 0), 1);
}

/* Connects the socket to a peer that sends. */
static void send_hello(const dgram_socket_t *socket) {
  int peer = raw_socket();
  raw_connect(socket->udp.fd, raw_port(peer));
  raw_send(peer, "hello", 5, port_of(socket));
  close(peer);
}

/* Waits for an event; then runs what follows. */
static void run_once(void) {
  uv_run(scripted_loop, UV_RUN_ONCE);
  scripted_run();
}

SCRIPTED_TEST("a pending error is emitted and receiving goes on") {
  dgram_socket_t *socket = system_socket();
  for (int i = 0; i < 3; i++) {
    provoke_refusal(socket);
    run_once();
    assert_trace("error(recvmsg ECONNREFUSED)");
    send_hello(socket);
    run_once();
    assert_trace("(hello)");
  }
}

SCRIPTED_TEST("a pending error of a blocked socket is emitted and sending goes on") {
  dgram_socket_t *socket = system_socket();
  socket->tx.blocked = DGRAM__BLOCKED_BY_EAGAIN;
  dgram__poll_update(socket);
  provoke_refusal(socket);
  run_once();
  assert_trace("error(recvmsg ECONNREFUSED)");
  assert_int_equal(socket->tx.blocked, DGRAM__NOT_BLOCKED); /* it is writable all the time */
  assert_int_equal(socket->poll_events, UV_READABLE);
}

SCRIPTED_TEST("the listener of a pending error may close") {
  dgram_socket_t *socket = system_socket();
  scripted_on_error = close_socket;
  provoke_refusal(socket);
  run_once();
  assert_trace("error(recvmsg ECONNREFUSED) close");
}

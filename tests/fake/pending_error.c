/*
 * A pending error on a system socket (POLLERR) wakes the loop; libuv then reports EBADF and stops
 * watching. The error is told as an 'error', and receiving goes on. Over system sockets.
 */
#include "fake/scene.h"

#include <sys/socket.h>
#include <unistd.h>

static dgram_socket_t *system_socket(void) {
  dgram_socket_t *socket = scene_unbound_socket();
  fake_use_system(socket->loop, true);
  assert_int_equal(dgram_bind(socket, 0, "127.0.0.1", NULL, NULL), 0);
  scene_run();
  assert_string_equal(scene_story(), "listening");
  return socket;
}

/* Connects the socket to a peer that goes away, and has it learn that. */
static void provoke_refusal(const dgram_socket_t *socket) {
  union dgram__address peer;
  int peer_fd = scene_system_socket(&peer);
  assert_int_equal(connect(socket->udp.fd, &peer.any, dgram__address_length(&peer)), 0);
  close(peer_fd);
  assert_int_equal(send(socket->udp.fd, "x", 1, 0), 1);
}

/* Connects the socket to a peer that sends. */
static void send_hello(dgram_socket_t *socket) {
  dgram_address_t address;
  assert_int_equal(dgram_address(socket, &address), 0);
  union dgram__address to;
  assert_true(dgram__address_parse(&to, "127.0.0.1", address.port));
  union dgram__address peer;
  int peer_fd = scene_system_socket(&peer);
  assert_int_equal(connect(socket->udp.fd, &peer.any, dgram__address_length(&peer)), 0);
  assert_int_equal(sendto(peer_fd, "hello", 5, 0, &to.any, dgram__address_length(&to)), 5);
  close(peer_fd);
}

/* Waits for an event; then runs what follows. */
static void run_once(void) {
  uv_run(&scene_loop, UV_RUN_ONCE);
  scene_run();
}

static void it_is_told_and_receiving_goes_on(void **state) {
  dgram_socket_t *socket = system_socket();
  for (int i = 0; i < 3; i++) {
    provoke_refusal(socket);
    run_once();
    assert_string_equal(scene_story(), "error(recvmsg ECONNREFUSED)");
    send_hello(socket);
    run_once();
    assert_string_equal(scene_story(), "(hello)");
  }
}

static void it_does_not_end_a_stall(void **state) {
  dgram_socket_t *socket = system_socket();
  socket->tx.blocked = DGRAM__BLOCKED_BY_EAGAIN;
  dgram__poll_update(socket);
  provoke_refusal(socket);
  run_once();
  assert_string_equal(scene_story(), "error(recvmsg ECONNREFUSED)");
  assert_int_equal(socket->tx.blocked, DGRAM__NOT_BLOCKED); /* it is writable all the time */
  assert_int_equal(socket->poll_events, UV_READABLE);
}

static void the_listener_may_close(void **state) {
  dgram_socket_t *socket = system_socket();
  scene_on_error = scene_close;
  provoke_refusal(socket);
  run_once();
  assert_string_equal(scene_story(), "error(recvmsg ECONNREFUSED) close");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      SCENE(it_is_told_and_receiving_goes_on),
      SCENE(it_does_not_end_a_stall),
      SCENE(the_listener_may_close),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

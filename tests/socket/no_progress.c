/*
 * Wake-ups that lead to nothing: the loop does not turn at full speed for them, and what comes
 * nevertheless is received.
 */
#include "lib/fixture.h"

enum { FEW = 40 };

/* Another holder of the system socket shuts it down: it is readable for ever, and empty. */
static void shut_down(dgram_socket_t *socket, int peer_port) {
  int copy = dup(dgram_fileno(socket));
  connect_now(socket, peer_port); /* shutdown(2) wants that */
  assert_int_equal(shutdown(copy, SHUT_RD), 0);
  assert_in_range(turns_in(dgram_loop(socket), 100), 0, FEW);
  close(copy);
}

TEST("a socket that was shut down waits between attempts") {
  int received = 0;
  int port;
  dgram_socket_t *socket = new_bound(loop, count_message, &received, &port);
  int peer = raw_socket();
  shut_down(socket, raw_port(peer));
  raw_send(peer, "x", 1, port);
  run_until(loop, &received, 1);
  assert_in_range(turns_in(loop, 100), 0, FEW);
  assert_int_equal(dgram_send(socket, "y", 1, 0, NULL, trace_sent, "sent"), 0);
  run_until_trace(loop, "sent");
  assert_string_equal(arrived(peer), "y");
  close(peer);
}

TEST("a socket closed while it waits does not keep the loop alive") {
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  int peer = raw_socket();
  shut_down(socket, raw_port(peer));
  close_socket(socket);
  settle(loop);
  assert_int_equal(uv_loop_alive(loop), 0); /* without waiting for a timer */
  close(peer);
}

TEST("an unreferenced socket that waits does not keep the loop alive") {
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  int peer = raw_socket();
  shut_down(socket, raw_port(peer));
  dgram_unref(socket);
  assert_int_equal(uv_run(loop, UV_RUN_NOWAIT), 0);
  dgram_ref(socket);
  assert_int_not_equal(uv_run(loop, UV_RUN_NOWAIT), 0);
  close(peer);
}

/* Both are woken for each datagram, and one is too late: that is no reason to wait. */
TEST("a wake-up without a datagram is not taken for no progress") {
  enum { MANY = 500 };
  int received[2] = {0, 0};
  int fd = raw_socket();
  dgram_socket_t *sockets[2];
  int sender = raw_socket();
  for (int i = 0; i < 2; i++) {
    sockets[i] = new_socket(loop, DGRAM_UDP4, count_message, &received[i]);
    assert_int_equal(adopt_fd(sockets[i], dup(fd)), 0);
  }
  for (int i = 0; i < MANY; i++) {
    raw_send(sender, "x", 1, raw_port(fd));
    uv_run(loop, UV_RUN_ONCE);
  }
  assert_int_equal(received[0] + received[1], MANY);
  for (int i = 0; i < 2; i++)
    close_socket(sockets[i]);
  close(sender);
  close(fd);
  run_to_end(loop);
}

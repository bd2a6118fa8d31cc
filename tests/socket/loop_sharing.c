/* The sockets of one loop, and loops beside each other in one thread. */
#include "lib/fixture.h"

TEST("sockets can be made again after all were closed") {
  for (int i = 0; i < 3; i++) {
    int port;
    dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
    assert_usable(socket);
    close_socket(socket);
    run_to_end(loop);
  }
}

TEST("a socket can be made while the last one closes") {
  int port;
  dgram_socket_t *last = new_bound(loop, NULL, NULL, &port);
  assert_usable(last);
  close_socket(last);
  dgram_socket_t *next = new_bound(loop, NULL, NULL, &port);
  assert_usable(next);
  close_socket(next);
}

TEST("all sockets of a loop can be closed in one turn") {
  enum { SOCKETS = 100 };
  dgram_socket_t *sockets[SOCKETS];
  int closed = 0;
  int port;
  for (int i = 0; i < SOCKETS; i++)
    sockets[i] = new_bound(loop, NULL, NULL, &port);
  for (int i = 0; i < SOCKETS; i++)
    assert_int_equal(dgram_close(sockets[i], count_event, &closed), 0);
  run_to_end(loop);
  assert_int_equal(closed, SOCKETS);
}

TEST("each socket of a loop receives its own") {
  enum { SOCKETS = 20, EACH = 10 };
  dgram_socket_t *sockets[SOCKETS];
  int ports[SOCKETS];
  int received[SOCKETS] = {0};
  for (int i = 0; i < SOCKETS; i++)
    sockets[i] = new_bound(loop, count_message, &received[i], &ports[i]);
  for (int i = 0; i < SOCKETS * EACH; i++)
    send_text(sockets[i % 7], "x", ports[i % SOCKETS], NULL, NULL);
  for (int i = 0; i < SOCKETS; i++)
    run_until(loop, &received[i], EACH);
  for (int i = 0; i < SOCKETS; i++)
    assert_int_equal(received[i], EACH);
  for (int i = 0; i < SOCKETS; i++)
    close_socket(sockets[i]);
  run_to_end(loop);
}

TEST("two loops in one thread do not disturb each other") {
  uv_loop_t *first = open_loop();
  uv_loop_t *second = open_loop();
  int ports[2];
  int received = 0;
  dgram_socket_t *a = new_bound(first, count_message, &received, &ports[0]);
  dgram_socket_t *b = new_bound(second, NULL, NULL, &ports[1]);
  assert_ptr_equal(dgram_loop(a), first);
  assert_ptr_equal(dgram_loop(b), second);
  send_text(b, "x", ports[0], NULL, NULL);
  uv_run(first, UV_RUN_NOWAIT); /* the wrong one */
  assert_int_equal(received, 0);
  uv_run(second, UV_RUN_NOWAIT);
  run_until(first, &received, 1);
  close_socket(a);
  close_loop(first);
  assert_usable(b);
  close_socket(b);
  close_loop(second);
}

TEST("the default loop serves as well") {
  uv_loop_t *ours = uv_default_loop();
  int port;
  dgram_socket_t *socket = new_bound(ours, NULL, NULL, &port);
  assert_usable(socket);
  close_socket(socket);
  run_to_end(ours);
  assert_int_equal(uv_loop_close(ours), 0);
}

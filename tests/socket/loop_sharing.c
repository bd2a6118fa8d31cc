/* The sockets of one loop, and loops beside each other in one thread. */
#include "lib/fixture.h"

static void sockets_can_be_made_again_after_all_were_closed(void **state) {
  uv_loop_t *loop = open_loop();
  for (int i = 0; i < 3; i++) {
    int port;
    dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
    assert_usable(socket);
    close_socket(socket);
    run_to_end(loop);
  }
  close_loop(loop);
}

static void a_socket_can_be_made_while_the_last_one_closes(void **state) {
  uv_loop_t *loop = open_loop();
  int port;
  dgram_socket_t *last = new_bound(loop, NULL, NULL, &port);
  assert_usable(last);
  close_socket(last);
  dgram_socket_t *next = new_bound(loop, NULL, NULL, &port);
  assert_usable(next);
  close_socket(next);
  close_loop(loop);
}

static void all_sockets_of_a_loop_can_be_closed_in_one_turn(void **state) {
  enum { SOCKETS = 100 };
  uv_loop_t *loop = open_loop();
  dgram_socket_t *sockets[SOCKETS];
  int closed = 0;
  int port;
  for (int i = 0; i < SOCKETS; i++)
    sockets[i] = new_bound(loop, NULL, NULL, &port);
  for (int i = 0; i < SOCKETS; i++)
    assert_int_equal(dgram_close(sockets[i], count_event, &closed), 0);
  close_loop(loop);
  assert_int_equal(closed, SOCKETS);
}

static void sockets_of_a_loop_receive_each_their_own(void **state) {
  enum { SOCKETS = 20, EACH = 10 };
  uv_loop_t *loop = open_loop();
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
  close_loop(loop);
}

static void two_loops_in_one_thread_do_not_disturb_each_other(void **state) {
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

static void the_default_loop_serves_as_well(void **state) {
  uv_loop_t *watched = open_loop();
  uv_loop_t *loop = uv_default_loop();
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_usable(socket);
  close_socket(socket);
  run_to_end(loop);
  assert_int_equal(uv_loop_close(loop), 0);
  close_loop(watched);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(sockets_can_be_made_again_after_all_were_closed),
      cmocka_unit_test(a_socket_can_be_made_while_the_last_one_closes),
      cmocka_unit_test(all_sockets_of_a_loop_can_be_closed_in_one_turn),
      cmocka_unit_test(sockets_of_a_loop_receive_each_their_own),
      cmocka_unit_test(two_loops_in_one_thread_do_not_disturb_each_other),
      cmocka_unit_test(the_default_loop_serves_as_well),
  };
  return cmocka_run_group_tests_name("loop_sharing", tests, NULL, NULL);
}

/*
 * Wake-ups that lead to nothing: the loop does not turn at full speed for them, and what comes
 * nevertheless is received.
 */
#include "api_test.h"

static int turns;

static void count_turn(uv_prepare_t *prepare) {
  turns++;
}

static void on_time(uv_timer_t *timer) {
  uv_close((uv_handle_t *)timer, NULL);
}

/* Runs the loop for 100 ms; returns the number of its turns. A loop that spins has thousands. */
static int turns_of_100_ms(uv_loop_t *loop) {
  uv_prepare_t prepare;
  uv_timer_t timer;
  turns = 0;
  assert_int_equal(uv_prepare_init(loop, &prepare), 0);
  assert_int_equal(uv_prepare_start(&prepare, count_turn), 0);
  assert_int_equal(uv_timer_init(loop, &timer), 0);
  assert_int_equal(uv_timer_start(&timer, on_time, 100, 0), 0);
  while (!uv_is_closing((uv_handle_t *)&timer))
    uv_run(loop, UV_RUN_ONCE);
  uv_close((uv_handle_t *)&prepare, NULL);
  uv_run(loop, UV_RUN_NOWAIT);
  return turns;
}

enum { FEW = 40 };

/* Another holder of the system socket shuts it down: it is readable for ever, and empty. */
static void a_socket_that_was_shut_down(void **state) {
  uv_loop_t *loop = open_loop();
  int received = 0;
  int port;
  dgram_socket_t *socket = new_bound(loop, count_message, &received, &port);
  int peer = raw_socket();
  int copy = dup(dgram_fileno(socket));
  connect_now(socket, raw_port(peer)); /* shutdown(2) wants that */
  assert_int_equal(shutdown(copy, SHUT_RD), 0);
  assert_in_range(turns_of_100_ms(loop), 0, FEW);
  raw_send(peer, "x", 1, port);
  run_until(loop, &received, 1);
  assert_in_range(turns_of_100_ms(loop), 0, FEW);
  assert_int_equal(dgram_send(socket, "y", 1, 0, NULL, note_sent, "sent"), 0);
  run_until_notes(loop, "sent");
  assert_string_equal(arrived(peer), "y");
  close(copy);
  close(peer);
  close_socket(socket);
  close_loop(loop);
}

static void one_that_is_closed_meanwhile_does_not_keep_the_loop(void **state) {
  uv_loop_t *loop = open_loop();
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  int peer = raw_socket();
  int copy = dup(dgram_fileno(socket));
  connect_now(socket, raw_port(peer));
  assert_int_equal(shutdown(copy, SHUT_RD), 0);
  assert_in_range(turns_of_100_ms(loop), 0, FEW);
  close_socket(socket);
  settle(loop);
  assert_int_equal(uv_loop_alive(loop), 0); /* without waiting for a timer */
  close(copy);
  close(peer);
  close_loop(loop);
}

static void one_without_a_reference_does_not_keep_the_loop(void **state) {
  uv_loop_t *loop = open_loop();
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  int peer = raw_socket();
  int copy = dup(dgram_fileno(socket));
  connect_now(socket, raw_port(peer));
  assert_int_equal(shutdown(copy, SHUT_RD), 0);
  assert_in_range(turns_of_100_ms(loop), 0, FEW);
  dgram_unref(socket);
  assert_int_equal(uv_run(loop, UV_RUN_NOWAIT), 0);
  dgram_ref(socket);
  assert_int_not_equal(uv_run(loop, UV_RUN_NOWAIT), 0);
  close(copy);
  close(peer);
  close_socket(socket);
  close_loop(loop);
}

/* Both are woken for each datagram, and one is too late: that is no reason to wait. */
static void a_race_that_is_lost_is_none(void **state) {
  enum { MANY = 500 };
  uv_loop_t *loop = open_loop();
  int received[2] = {0, 0};
  int fd = raw_socket();
  dgram_socket_t *sockets[2];
  int sender = raw_socket();
  for (int i = 0; i < 2; i++) {
    dgram_bind_options_t options = dgram_default_bind_options();
    options.fd = dup(fd);
    sockets[i] = new_socket(loop, DGRAM_UDP4, count_message, &received[i]);
    assert_int_equal(dgram_bind_options(sockets[i], &options, NULL, NULL), 0);
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
  close_loop(loop);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_socket_that_was_shut_down),
      cmocka_unit_test(one_that_is_closed_meanwhile_does_not_keep_the_loop),
      cmocka_unit_test(one_without_a_reference_does_not_keep_the_loop),
      cmocka_unit_test(a_race_that_is_lost_is_none),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

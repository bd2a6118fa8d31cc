/* When sends leave: together at the end of the turn, socket by socket in the order of their first.
 */
#include "fake/scene.h"

static void sends_of_a_turn_leave_in_one_call(void **state) {
  dgram_socket_t *socket = scene_socket();
  scene_send_all(socket, 0, 9);
  assert_int_equal(fake_send_calls(), 0);
  uv_run(&scene_loop, UV_RUN_NOWAIT);
  assert_string_equal(fake_sends(), scene_numbers(0, 9));
}

static void sockets_flush_in_the_order_of_their_first_send(void **state) {
  dgram_socket_t *a = scene_socket();
  dgram_socket_t *b = scene_socket();
  dgram_socket_t *c = scene_socket();
  scene_send(b, 0);
  scene_send(a, 1);
  scene_send(b, 2);
  scene_send(c, 3);
  scene_send(a, 4);
  uv_run(&scene_loop, UV_RUN_NOWAIT);
  assert_string_equal(fake_sends(), "0 2 | 1 4 | 3");
  scene_run();
  assert_string_equal(scene_story(), "0 2 1 4 3");
}

static void a_full_batch_does_not_wait_for_the_end_of_the_turn(void **state) {
  dgram_socket_t *socket = scene_socket();
  scene_send_all(socket, 0, 4999);
  assert_in_range(fake_sent_count(), 1000, 4999);
  assert_string_equal(scene_story(), ""); /* the callbacks do */
  scene_run();
  assert_string_equal(scene_story(), scene_numbers(0, 4999));
}

static void a_failing_socket_does_not_hold_up_the_next(void **state) {
  dgram_socket_t *a = scene_socket();
  dgram_socket_t *b = scene_socket();
  fake_reply(UV_EAGAIN);
  scene_send(a, 0);
  scene_send(b, 1);
  scene_run();
  assert_string_equal(fake_sends(), "EAGAIN | 1");
  assert_string_equal(scene_story(), "1");
}

/* ---- sends made in callbacks ---- */

static void send_three_more(dgram_socket_t *socket, int number) {
  if (number == 0)
    scene_send_all(socket, 1, 3);
}

static void sends_made_in_a_sends_callback_leave_in_the_same_turn(void **state) {
  dgram_socket_t *socket = scene_socket();
  scene_on_sent = send_three_more;
  scene_send(socket, 0);
  uv_run(&scene_loop, UV_RUN_NOWAIT);
  assert_string_equal(fake_sends(), "0 | 1 2 3");
  scene_run();
  assert_string_equal(scene_story(), "0 1 2 3");
}

static void send_from_timer(uv_timer_t *timer) {
  scene_send_all(timer->data, 0, 2);
  uv_close((uv_handle_t *)timer, NULL);
}

static void sends_made_in_a_timer_leave_before_the_loop_waits(void **state) {
  uv_timer_t timer;
  uv_timer_init(&scene_loop, &timer);
  timer.data = scene_socket();
  uv_timer_start(&timer, send_from_timer, 0, 0);
  uv_run(&scene_loop, UV_RUN_NOWAIT); /* timers come first or last in a turn: libuv 1.45 */
  assert_true(fake_send_calls() == 1 || uv_backend_timeout(&scene_loop) == 0);
  uv_run(&scene_loop, UV_RUN_NOWAIT);
  assert_string_equal(fake_sends(), "0 1 2");
  scene_run();
}

static void send_from_check(uv_check_t *check) {
  scene_send_all(check->data, 0, 2);
  uv_close((uv_handle_t *)check, NULL);
}

/* After the loop has waited: it must not wait again, although nothing else is to come. */
static void sends_made_late_in_a_turn_leave_without_another_event(void **state) {
  uv_check_t check;
  uv_check_init(&scene_loop, &check);
  check.data = scene_socket();
  uv_check_start(&check, send_from_check);
  uv_run(&scene_loop, UV_RUN_NOWAIT);
  assert_int_equal(uv_backend_timeout(&scene_loop), 0);
  scene_run();
  assert_string_equal(scene_story(), "0 1 2");
}

static void send_for_ever(dgram_socket_t *socket, int number) {
  scene_send(socket, (number + 1) % 1000);
}

static int timer_fired;

static void note_timer(uv_timer_t *timer) {
  timer_fired++;
  uv_close((uv_handle_t *)timer, NULL);
}

static void callbacks_that_send_for_ever_do_not_starve_the_loop(void **state) {
  dgram_socket_t *socket = scene_socket();
  uv_timer_t timer;
  uv_timer_init(&scene_loop, &timer);
  uv_timer_start(&timer, note_timer, 0, 0);
  scene_on_sent = send_for_ever;
  scene_send(socket, 0);
  timer_fired = 0;
  scene_run();
  assert_int_equal(timer_fired, 1);
  scene_on_sent = NULL;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      SCENE(sends_of_a_turn_leave_in_one_call),
      SCENE(sockets_flush_in_the_order_of_their_first_send),
      SCENE(a_full_batch_does_not_wait_for_the_end_of_the_turn),
      SCENE(a_failing_socket_does_not_hold_up_the_next),
      SCENE(sends_made_in_a_sends_callback_leave_in_the_same_turn),
      SCENE(sends_made_in_a_timer_leave_before_the_loop_waits),
      SCENE(sends_made_late_in_a_turn_leave_without_another_event),
      SCENE(callbacks_that_send_for_ever_do_not_starve_the_loop),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

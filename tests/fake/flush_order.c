/* When sends leave: together at the end of the turn, socket by socket in the order of their first.
 */
#include "fake/scripted.h"

SCRIPTED_TEST("sends of a turn leave in one call") {
  dgram_socket_t *socket = scripted_socket();
  scripted_send_all(socket, 0, 9);
  assert_int_equal(fake_send_calls(), 0);
  uv_run(scripted_loop, UV_RUN_NOWAIT);
  assert_string_equal(fake_sends(), scripted_numbers(0, 9));
}

SCRIPTED_TEST("sockets flush in the order of their first send") {
  dgram_socket_t *a = scripted_socket();
  dgram_socket_t *b = scripted_socket();
  dgram_socket_t *c = scripted_socket();
  scripted_send(b, 0);
  scripted_send(a, 1);
  scripted_send(b, 2);
  scripted_send(c, 3);
  scripted_send(a, 4);
  uv_run(scripted_loop, UV_RUN_NOWAIT);
  assert_string_equal(fake_sends(), "0 2 | 1 4 | 3");
  EXPECT("0 2 1 4 3");
}

SCRIPTED_TEST("a full batch does not wait for the end of the turn") {
  dgram_socket_t *socket = scripted_socket();
  scripted_send_all(socket, 0, 4999);
  assert_in_range(fake_sent_count(), 1000, 4999);
  assert_trace(""); /* the callbacks do */
  EXPECT(scripted_numbers(0, 4999));
}

SCRIPTED_TEST("a blocked socket does not hold up the next") {
  dgram_socket_t *a = scripted_socket();
  dgram_socket_t *b = scripted_socket();
  fake_reply(UV_EAGAIN);
  scripted_send(a, 0);
  scripted_send(b, 1);
  EXPECT_SENT("EAGAIN | 1", "1");
}

/* ---- sends made in callbacks ---- */

static void send_three_more(dgram_socket_t *socket, int number) {
  if (number == 0)
    scripted_send_all(socket, 1, 3);
}

SCRIPTED_TEST("sends made in a send's callback leave in the same turn") {
  dgram_socket_t *socket = scripted_socket();
  scripted_on_sent = send_three_more;
  scripted_send(socket, 0);
  uv_run(scripted_loop, UV_RUN_NOWAIT);
  assert_string_equal(fake_sends(), "0 | 1 2 3");
  EXPECT("0 1 2 3");
}

static void send_from_timer(uv_timer_t *timer) {
  scripted_send_all(timer->data, 0, 2);
  uv_close((uv_handle_t *)timer, NULL);
}

SCRIPTED_TEST("sends made in a timer leave before the loop waits") {
  uv_timer_t timer;
  uv_timer_init(scripted_loop, &timer);
  timer.data = scripted_socket();
  uv_timer_start(&timer, send_from_timer, 0, 0);
  uv_run(scripted_loop, UV_RUN_NOWAIT); /* timers come first or last in a turn: libuv 1.45 */
  assert_true(fake_send_calls() == 1 || uv_backend_timeout(scripted_loop) == 0);
  uv_run(scripted_loop, UV_RUN_NOWAIT);
  assert_string_equal(fake_sends(), "0 1 2");
  scripted_run();
}

static void send_from_check(uv_check_t *check) {
  scripted_send_all(check->data, 0, 2);
  uv_close((uv_handle_t *)check, NULL);
}

/* After the loop has waited: it must not wait again, although nothing else is to come. */
SCRIPTED_TEST("sends made late in a turn leave without another event") {
  uv_check_t check;
  uv_check_init(scripted_loop, &check);
  check.data = scripted_socket();
  uv_check_start(&check, send_from_check);
  uv_run(scripted_loop, UV_RUN_NOWAIT);
  assert_int_equal(uv_backend_timeout(scripted_loop), 0);
  EXPECT("0 1 2");
}

static void send_for_ever(dgram_socket_t *socket, int number) {
  scripted_send(socket, (number + 1) % 1000);
}

static int timer_fired;

static void note_timer(uv_timer_t *timer) {
  timer_fired++;
  uv_close((uv_handle_t *)timer, NULL);
}

SCRIPTED_TEST("callbacks that send for ever do not starve the loop") {
  dgram_socket_t *socket = scripted_socket();
  uv_timer_t timer;
  uv_timer_init(scripted_loop, &timer);
  uv_timer_start(&timer, note_timer, 0, 0);
  scripted_on_sent = send_for_ever;
  scripted_send(socket, 0);
  timer_fired = 0;
  scripted_run();
  assert_int_equal(timer_fired, 1);
  scripted_on_sent = NULL;
}

/* EAGAIN: the sends wait until the socket is writable, or is closed. */
#include "fake/scene.h"

static dgram_socket_t *stalled_socket(void) {
  dgram_socket_t *socket = scene_socket();
  fake_reply(3);
  fake_reply(UV_EAGAIN);
  scene_send_all(socket, 0, 5);
  scene_run();
  assert_string_equal(fake_sends(), "0 1 2 | EAGAIN");
  assert_string_equal(scene_story(), "0 1 2");
  return socket;
}

static void what_is_left_leaves_when_the_socket_is_writable(void **state) {
  dgram_socket_t *socket = stalled_socket();
  scene_run();
  assert_int_equal(fake_send_calls(), 2); /* no trying in between */
  fake_make_writable(socket);
  scene_run();
  assert_string_equal(fake_sends(), "3 4 5");
  assert_string_equal(scene_story(), "3 4 5");
}

/* What was taken is told; the rest waits, and is not tried at each flush. */
static void a_flush_of_the_program_does_no_more(void **state) {
  dgram_socket_t *socket = scene_socket();
  fake_reply(3);
  fake_reply(UV_EAGAIN);
  scene_send_all(socket, 0, 5);
  dgram_flush(socket);
  assert_string_equal(scene_story(), "0 1 2");
  dgram_flush(socket);
  scene_send(socket, 6);
  dgram_flush(socket);
  assert_string_equal(scene_story(), "");
  assert_string_equal(fake_sends(), "0 1 2 | EAGAIN");
  fake_make_writable(socket);
  scene_run();
  assert_string_equal(fake_sends(), "3 4 5 6");
  assert_string_equal(scene_story(), "3 4 5 6");
}

static void a_first_call_that_takes_nothing_is_no_different(void **state) {
  dgram_socket_t *socket = scene_socket();
  fake_reply(UV_EAGAIN);
  scene_send_all(socket, 0, 1);
  scene_run();
  assert_string_equal(scene_story(), "");
  fake_make_writable(socket);
  scene_run();
  assert_string_equal(fake_sends(), "EAGAIN | 0 1");
  assert_string_equal(scene_story(), "0 1");
}

static void it_may_be_full_again_and_again(void **state) {
  dgram_socket_t *socket = stalled_socket();
  for (int i = 3; i < 6; i++) {
    fake_reply(1);
    fake_reply(UV_EAGAIN);
    fake_make_writable(socket);
    scene_run();
    assert_string_equal(scene_story(), scene_numbers(i, i));
  }
  assert_string_equal(fake_sends(), "3 | EAGAIN | 4 | EAGAIN | 5");
}

static void later_sends_wait_behind_without_a_call(void **state) {
  dgram_socket_t *socket = stalled_socket();
  scene_send_all(socket, 6, 9);
  scene_run();
  assert_int_equal(fake_send_calls(), 2);
  fake_make_writable(socket);
  scene_run();
  assert_string_equal(fake_sends(), "3 4 5 6 7 8 9");
  assert_string_equal(scene_story(), scene_numbers(3, 9));
}

static void a_full_batch_behind_waits_too(void **state) {
  dgram_socket_t *socket = stalled_socket();
  scene_send_all(socket, 6, 2999);
  scene_run();
  assert_int_equal(fake_send_calls(), 2);
  fake_make_writable(socket);
  scene_run();
  assert_string_equal(scene_story(), scene_numbers(3, 2999));
}

static void writability_is_watched_only_meanwhile(void **state) {
  dgram_socket_t *socket = stalled_socket();
  assert_int_equal(socket->poll_events, UV_READABLE | UV_WRITABLE);
  fake_make_writable(socket);
  scene_run();
  assert_int_equal(socket->poll_events, UV_READABLE);
}

static void receiving_goes_on_meanwhile(void **state) {
  static const struct fake_slot hello = {.data = "hello", .size = 5};
  dgram_socket_t *socket = stalled_socket();
  fake_receive(socket, &hello, 1);
  scene_run();
  assert_string_equal(scene_story(), "(hello)");
}

static void close_at_once(dgram_socket_t *socket, int number) {
  scene_close(socket);
}

static void a_listener_of_message_may_close_meanwhile(void **state) {
  static const struct fake_slot hello = {.data = "hello", .size = 5};
  dgram_socket_t *socket = stalled_socket();
  scene_on_message = close_at_once;
  fake_receive(socket, &hello, 1);
  scene_run();
  assert_string_equal(scene_story(), "(hello) 3 4 5 close");
}

/* ---- close ---- */

static void close_tries_once_more(void **state) {
  dgram_socket_t *socket = stalled_socket();
  scene_close(socket);
  assert_string_equal(fake_sends(), "3 4 5");
  scene_run();
  assert_string_equal(scene_story(), "3 4 5 close");
}

static void what_close_can_not_send_is_cancelled_after_close(void **state) {
  dgram_socket_t *socket = stalled_socket();
  fake_reply(1);
  fake_reply(UV_EAGAIN);
  scene_close(socket);
  assert_string_equal(fake_sends(), "3 | EAGAIN");
  assert_string_equal(scene_story(), ""); /* nothing from within the call */
  scene_run();
  assert_string_equal(scene_story(), "3 close 4:ECANCELED 5:ECANCELED");
  assert_int_equal(fake_send_calls(), 4);
}

static void close_sends_what_this_turn_has_not_sent_yet(void **state) {
  dgram_socket_t *socket = scene_socket();
  scene_send_all(socket, 0, 2);
  scene_close(socket);
  assert_string_equal(fake_sends(), "0 1 2");
  scene_run();
  assert_string_equal(scene_story(), "0 1 2 close");
}

static void sends_without_callback_are_cancelled_in_silence(void **state) {
  dgram_socket_t *socket = scene_socket();
  fake_reply(UV_EAGAIN);
  fake_reply(UV_EAGAIN);
  scene_send_silently(socket, 0);
  scene_send(socket, 1);
  scene_close(socket);
  scene_run();
  assert_string_equal(scene_story(), "close 1:ECANCELED");
}

static void close_after_3(dgram_socket_t *socket, int number) {
  if (number == 3)
    scene_close(socket);
}

static void close_in_a_callback_lets_those_that_left_be_told_first(void **state) {
  dgram_socket_t *socket = stalled_socket();
  scene_on_sent = close_after_3;
  fake_reply(2);
  fake_reply(UV_EAGAIN);
  fake_reply(UV_EAGAIN);
  fake_make_writable(socket);
  scene_run();
  assert_string_equal(fake_sends(), "3 4 | EAGAIN | EAGAIN");
  assert_string_equal(scene_story(), "3 4 close 5:ECANCELED");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      SCENE(what_is_left_leaves_when_the_socket_is_writable),
      SCENE(a_flush_of_the_program_does_no_more),
      SCENE(a_first_call_that_takes_nothing_is_no_different),
      SCENE(it_may_be_full_again_and_again),
      SCENE(later_sends_wait_behind_without_a_call),
      SCENE(a_full_batch_behind_waits_too),
      SCENE(writability_is_watched_only_meanwhile),
      SCENE(receiving_goes_on_meanwhile),
      SCENE(a_listener_of_message_may_close_meanwhile),
      SCENE(close_tries_once_more),
      SCENE(what_close_can_not_send_is_cancelled_after_close),
      SCENE(close_sends_what_this_turn_has_not_sent_yet),
      SCENE(sends_without_callback_are_cancelled_in_silence),
      SCENE(close_in_a_callback_lets_those_that_left_be_told_first),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

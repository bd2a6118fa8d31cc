/*
 * ENOBUFS: the system is out of buffers, and says nothing when it has some again; so the sends
 * are tried by the clock, and not for ever. https://github.com/libuv/libuv/issues/5195
 */
#include "fake/scene.h"

/* Over what any number of retries should come to. */
enum { ANY_BOUND = 1000 };

static unsigned turns; /* of the loop */

static void count_turn(uv_prepare_t *prepare) {
  turns++;
}

/* Runs the loop until all sends are completed; counts its turns. */
static void run_until_sent(const dgram_socket_t *socket) {
  uv_prepare_t prepare;
  uv_prepare_init(&scene_loop, &prepare);
  uv_prepare_start(&prepare, count_turn);
  turns = 0;
  while (dgram_get_send_queue_count(socket) > 0 && turns < 10 * ANY_BOUND)
    uv_run(&scene_loop, UV_RUN_ONCE);
  uv_close((uv_handle_t *)&prepare, NULL);
  scene_run();
}

static void what_is_left_is_tried_again_and_leaves(void **state) {
  dgram_socket_t *socket = scene_socket();
  fake_reply(1);
  fake_reply(UV_ENOBUFS);
  fake_reply(UV_ENOBUFS);
  scene_send_all(socket, 0, 2);
  run_until_sent(socket);
  assert_string_equal(fake_sends(), "0 | ENOBUFS | ENOBUFS | 1 2");
  assert_string_equal(scene_story(), "0 1 2");
}

static void a_send_ends_with_ENOBUFS_after_a_bounded_number_of_tries(void **state) {
  dgram_socket_t *socket = scene_socket();
  fake_reply_always(UV_ENOBUFS);
  scene_send(socket, 0);
  run_until_sent(socket);
  assert_string_equal(scene_story(), "0:ENOBUFS");
  assert_in_range(fake_send_calls(), 10, ANY_BOUND);
}

static void without_callback_the_end_is_an_error_event(void **state) {
  dgram_socket_t *socket = scene_socket();
  fake_reply_always(UV_ENOBUFS);
  scene_send_silently(socket, 0);
  run_until_sent(socket);
  assert_string_equal(scene_story(), "error(send ENOBUFS 127.0.0.1:1000)");
}

static void a_queue_does_not_multiply_the_tries(void **state) {
  dgram_socket_t *socket = scene_socket();
  fake_reply_always(UV_ENOBUFS);
  scene_send_all(socket, 0, 99);
  run_until_sent(socket);
  assert_int_equal(dgram_get_send_queue_count(socket), 0);
  assert_in_range(fake_send_calls(), 10, ANY_BOUND);
}

static void (*meanwhile)(dgram_socket_t *socket);

static void on_prepare(uv_prepare_t *prepare) {
  meanwhile(prepare->data);
  uv_close((uv_handle_t *)prepare, NULL);
}

/* Runs the loop, and in its first turn the function: after the flush, before any timer. */
static void run_with(void (*function)(dgram_socket_t *socket), dgram_socket_t *socket) {
  uv_prepare_t prepare;
  uv_prepare_init(&scene_loop, &prepare);
  prepare.data = socket;
  meanwhile = function;
  uv_prepare_start(&prepare, on_prepare);
  scene_run();
}

static int timeout_ms; /* for which the loop is about to wait */

static void note_timeout(dgram_socket_t *socket) {
  timeout_ms = uv_backend_timeout(&scene_loop);
}

static void the_loop_sleeps_between_the_tries(void **state) {
  dgram_socket_t *socket = scene_socket();
  fake_reply_always(UV_ENOBUFS);
  scene_send(socket, 0);
  run_with(note_timeout, socket);
  assert_true(timeout_ms > 0);
  run_until_sent(socket);
  assert_in_range(turns, 1, 3 * fake_send_calls() + 10);
}

static unsigned calls_meanwhile;

static void send_many(dgram_socket_t *socket) {
  scene_send_all(socket, 1, 2999);
  calls_meanwhile = fake_send_calls();
}

static void later_sends_wait_behind_without_a_call(void **state) {
  dgram_socket_t *socket = scene_socket();
  fake_reply(UV_ENOBUFS);
  scene_send(socket, 0);
  run_with(send_many, socket);
  assert_int_equal(calls_meanwhile, 1);
  run_until_sent(socket);
  assert_int_equal(fake_send_calls(), 2);
  assert_string_equal(scene_story(), scene_numbers(0, 2999));
}

/* Else one bad moment would leave the socket without patience until a send succeeds. */
static void a_send_after_the_end_is_tried_again_too(void **state) {
  dgram_socket_t *socket = scene_socket();
  fake_reply_always(UV_ENOBUFS);
  scene_send(socket, 0);
  run_until_sent(socket);
  assert_string_equal(scene_story(), "0:ENOBUFS");
  fake_reply_always(FAKE_ALL);
  fake_reply(UV_ENOBUFS);
  scene_send(socket, 1);
  run_until_sent(socket);
  assert_string_equal(scene_story(), "1");
}

static void all_sockets_that_wait_are_tried_again(void **state) {
  dgram_socket_t *a = scene_socket();
  dgram_socket_t *b = scene_socket();
  fake_reply(UV_ENOBUFS);
  fake_reply(UV_ENOBUFS);
  scene_send(a, 0);
  scene_send(b, 1);
  run_until_sent(a);
  run_until_sent(b);
  assert_string_equal(fake_sends(), "ENOBUFS | ENOBUFS | 0 | 1");
  assert_string_equal(scene_story(), "0 1");
}

static void close_tries_once_more_and_cancels_the_rest(void **state) {
  dgram_socket_t *socket = scene_socket();
  fake_reply(UV_ENOBUFS);
  fake_reply(1);
  fake_reply(UV_ENOBUFS);
  scene_send_all(socket, 0, 2);
  run_with(scene_close, socket);
  assert_string_equal(fake_sends(), "ENOBUFS | 0 | ENOBUFS");
  assert_string_equal(scene_story(), "0 close 1:ECANCELED 2:ECANCELED");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      SCENE(what_is_left_is_tried_again_and_leaves),
      SCENE(a_send_ends_with_ENOBUFS_after_a_bounded_number_of_tries),
      SCENE(without_callback_the_end_is_an_error_event),
      SCENE(a_queue_does_not_multiply_the_tries),
      SCENE(the_loop_sleeps_between_the_tries),
      SCENE(later_sends_wait_behind_without_a_call),
      SCENE(a_send_after_the_end_is_tried_again_too),
      SCENE(all_sockets_that_wait_are_tried_again),
      SCENE(close_tries_once_more_and_cancels_the_rest),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* An unreferenced socket keeps the loop alive only while sends wait. */
#include "fake/scene.h"

static int turns;
static int turns_until_writable;

/* Makes the socket writable after some turns; does not keep the loop alive itself. */
static void on_turn(uv_prepare_t *prepare) {
  if (++turns == turns_until_writable)
    fake_make_writable(prepare->data);
}

/* What keeps the loop turning meanwhile, lest it wait for what only it would bring about. */
static void on_idle(uv_idle_t *idle) {
  (void)idle;
}

static bool loop_ends(dgram_socket_t *socket, int until_writable) {
  uv_prepare_t prepare;
  uv_idle_t idle;
  uv_prepare_init(&scene_loop, &prepare);
  uv_idle_init(&scene_loop, &idle);
  prepare.data = socket;
  uv_prepare_start(&prepare, on_turn);
  uv_idle_start(&idle, on_idle);
  uv_unref((uv_handle_t *)&prepare);
  uv_unref((uv_handle_t *)&idle);
  turns = 0;
  turns_until_writable = until_writable;
  bool more = true;
  while (more && turns < 1000)
    more = uv_run(&scene_loop, UV_RUN_NOWAIT) != 0;
  uv_close((uv_handle_t *)&prepare, NULL);
  uv_close((uv_handle_t *)&idle, NULL);
  uv_run(&scene_loop, UV_RUN_NOWAIT);
  return !more;
}

static void a_bound_socket_keeps_the_loop_alive_unless_unreferenced(void **state) {
  dgram_socket_t *socket = scene_socket();
  assert_false(loop_ends(socket, 0));
  assert_ptr_equal(dgram_unref(socket), socket);
  assert_true(loop_ends(socket, 0));
  assert_ptr_equal(dgram_ref(socket), socket);
  assert_false(loop_ends(socket, 0));
}

static void an_unreferenced_one_lives_until_its_stalled_sends_left(void **state) {
  dgram_socket_t *socket = scene_socket();
  dgram_unref(socket);
  fake_reply(1);
  fake_reply(UV_EAGAIN);
  scene_send_all(socket, 0, 2);
  assert_true(loop_ends(socket, 100));
  assert_true(turns >= 100);
  assert_string_equal(scene_story(), "0 1 2");
}

static void one_unreferenced_while_stalled_does_too(void **state) {
  dgram_socket_t *socket = scene_socket();
  fake_reply(UV_EAGAIN);
  scene_send(socket, 0);
  scene_run();
  dgram_unref(socket);
  assert_true(loop_ends(socket, 100));
  assert_string_equal(scene_story(), "0");
}

static void an_unreferenced_one_lives_until_it_has_tried_again(void **state) {
  dgram_socket_t *socket = scene_socket();
  dgram_unref(socket);
  fake_reply(UV_ENOBUFS);
  fake_reply(UV_ENOBUFS);
  scene_send(socket, 0);
  assert_int_equal(uv_run(&scene_loop, UV_RUN_DEFAULT), 0);
  assert_string_equal(scene_story(), "0");
}

static void an_unreferenced_one_is_bound_and_sends_before_the_loop_ends(void **state) {
  dgram_socket_t *socket = scene_unbound_socket();
  dgram_unref(socket);
  scene_send(socket, 0);
  assert_int_equal(uv_run(&scene_loop, UV_RUN_DEFAULT), 0);
  assert_string_equal(scene_story(), "listening 0");
}

static void an_unbound_socket_does_not_keep_the_loop_alive(void **state) {
  scene_unbound_socket();
  assert_int_equal(uv_run(&scene_loop, UV_RUN_DEFAULT), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      SCENE(a_bound_socket_keeps_the_loop_alive_unless_unreferenced),
      SCENE(an_unreferenced_one_lives_until_its_stalled_sends_left),
      SCENE(one_unreferenced_while_stalled_does_too),
      SCENE(an_unreferenced_one_lives_until_it_has_tried_again),
      SCENE(an_unreferenced_one_is_bound_and_sends_before_the_loop_ends),
      SCENE(an_unbound_socket_does_not_keep_the_loop_alive),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

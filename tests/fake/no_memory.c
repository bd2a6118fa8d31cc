/*
 * There is no memory for the receive buffers: receiving can't clear that, and the loop is told of
 * it again and again. It is said once, the loop does not spin, and when there is memory all
 * arrives.
 */
#include "fake/scene.h"

#include <errno.h>
#include <stdlib.h>

static bool none;

/* NOLINTBEGIN(bugprone-reserved-identifier): the linker wants these names */
int __wrap_posix_memalign(void **block, size_t alignment, size_t size);
int __real_posix_memalign(void **block, size_t alignment, size_t size);

int __wrap_posix_memalign(void **block, size_t alignment, size_t size) {
  return none ? ENOMEM : __real_posix_memalign(block, alignment, size);
}
/* NOLINTEND(bugprone-reserved-identifier) */

static int turns;

static void count_turn(uv_prepare_t *prepare) {
  turns++;
}

static void on_time(uv_timer_t *timer) {
  uv_close((uv_handle_t *)timer, NULL);
}

static void run_for_100_ms(void) {
  uv_prepare_t prepare;
  uv_timer_t timer;
  turns = 0;
  uv_prepare_init(&scene_loop, &prepare);
  uv_prepare_start(&prepare, count_turn);
  uv_timer_init(&scene_loop, &timer);
  uv_timer_start(&timer, on_time, 100, 0);
  while (!uv_is_closing((uv_handle_t *)&timer))
    uv_run(&scene_loop, UV_RUN_ONCE);
  uv_close((uv_handle_t *)&prepare, NULL);
  uv_run(&scene_loop, UV_RUN_NOWAIT);
}

static void it_is_said_once_and_all_arrives_in_the_end(void **state) {
  static const struct fake_slot hello = {.data = "hello", .size = 5};
  dgram_socket_t *socket = scene_socket();
  none = true;
  fake_receive(socket, &hello, 1);
  run_for_100_ms();
  assert_in_range(turns, 1, 40);
  assert_string_equal(scene_story(), "error(recvmsg ENOMEM)");
  none = false;
  run_for_100_ms();
  run_for_100_ms();
  assert_string_equal(scene_story(), "(hello)");
}

int main(void) {
  const struct CMUnitTest tests[] = {SCENE(it_is_said_once_and_all_arrives_in_the_end)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

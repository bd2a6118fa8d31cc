/*
 * There is no memory for the receive buffers: receiving can't clear that, and the loop is told of
 * it again and again. It is said once, the loop does not spin, and when there is memory all
 * arrives.
 */
#include "fake/scene.h"

#include <errno.h>
#include <stdlib.h>

#include "lib/fixture.h"

static bool none;

/* NOLINTBEGIN(bugprone-reserved-identifier): the linker wants these names */
int __wrap_posix_memalign(void **block, size_t alignment, size_t size);
int __real_posix_memalign(void **block, size_t alignment, size_t size);

int __wrap_posix_memalign(void **block, size_t alignment, size_t size) {
  return none ? ENOMEM : __real_posix_memalign(block, alignment, size);
}
/* NOLINTEND(bugprone-reserved-identifier) */

static void it_is_said_once_and_all_arrives_in_the_end(void **state) {
  static const struct fake_slot hello = {.data = "hello", .size = 5};
  dgram_socket_t *socket = scene_socket();
  none = true;
  fake_receive(socket, &hello, 1);
  assert_in_range(turns_in(&scene_loop, 100), 1, 40);
  assert_string_equal(scene_story(), "error(recvmsg ENOMEM)");
  none = false;
  turns_in(&scene_loop, 200);
  assert_string_equal(scene_story(), "(hello)");
}

int main(void) {
  const struct CMUnitTest tests[] = {SCENE(it_is_said_once_and_all_arrives_in_the_end)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Pauses in which datagrams gather: where the loop makes them, and where not. The clock and the
 * pauses are the test's: the linker puts __wrap_uv_now and __wrap_nanosleep in place of the true
 * ones.
 */
#include "fake/scene.h"

#include <time.h>

enum { TURNS_A_MS = 200, TURNS = 20 * TURNS_A_MS, GATHERED = 4 };

static int turns;
static int pauses;
static dgram_socket_t *gathering; /* receives more in a pause */
static const struct fake_slot slots[GATHERED] = {
    {.size = 1}, {.size = 1}, {.size = 1}, {.size = 1}};

/* NOLINTBEGIN(bugprone-reserved-identifier): the linker wants these names */
uint64_t __wrap_uv_now(const uv_loop_t *loop);
int __wrap_nanosleep(const struct timespec *time, struct timespec *left);

uint64_t __wrap_uv_now(const uv_loop_t *loop) {
  return 1000 + (uint64_t)turns / TURNS_A_MS;
}

int __wrap_nanosleep(const struct timespec *time, struct timespec *left) {
  assert_int_equal(time->tv_sec, 0);
  assert_in_range(time->tv_nsec, 1000, 100000);
  pauses++;
  fake_receive(gathering, slots, GATHERED);
  return 0;
}
/* NOLINTEND(bugprone-reserved-identifier) */

/* Turns of the loop, each with a datagram. */
static void receive_one_by_one(dgram_socket_t *socket) {
  gathering = scene_socket();
  pauses = 0;
  for (turns = 0; turns < TURNS; turns++) {
    fake_receive(socket, slots, 1);
    uv_run(&scene_loop, UV_RUN_NOWAIT);
    scene_story(); /* or it gets too long */
  }
}

static void datagrams_that_come_fast_and_one_by_one_are_gathered(void **state) {
  receive_one_by_one(scene_socket());
  assert_in_range(pauses, TURNS / 2, TURNS);
}

static void busy(uv_idle_t *idle) {
}

static void a_loop_with_other_work_does_not_pause(void **state) {
  uv_idle_t idle;
  dgram_socket_t *socket = scene_socket();
  uv_idle_init(&scene_loop, &idle);
  uv_idle_start(&idle, busy);
  receive_one_by_one(socket);
  assert_int_equal(pauses, 0);
  uv_close((uv_handle_t *)&idle, NULL);
  receive_one_by_one(socket);
  assert_true(pauses > 0);
}

static void one_socket_of_low_latency_sets_its_loop_free(void **state) {
  dgram_socket_t *socket = scene_socket();
  dgram_socket_t *hasty;
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.low_latency = 1;
  assert_int_equal(dgram_create_socket_options(&scene_loop, &options, NULL, NULL, &hasty), 0);
  receive_one_by_one(socket);
  assert_int_equal(pauses, 0);
  assert_int_equal(dgram_close(hasty, NULL, NULL), 0);
  receive_one_by_one(socket);
  assert_true(pauses > 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      SCENE(datagrams_that_come_fast_and_one_by_one_are_gathered),
      SCENE(a_loop_with_other_work_does_not_pause),
      SCENE(one_socket_of_low_latency_sets_its_loop_free),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Spins before the loop blocks: after an exchange, and only then. The clock and what the loop looks
 * at are the test's: the linker puts __wrap_uv_hrtime and __wrap_poll in place of the true ones.
 */
#include "fake/scene.h"

#include <poll.h>

static uint64_t now;   /* ns; each look at it takes 1 us */
static uint64_t comes; /* when something to receive comes */
static int looks;

/* NOLINTBEGIN(bugprone-reserved-identifier): the linker wants these names */
uint64_t __wrap_uv_hrtime(void);
int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout);

uint64_t __wrap_uv_hrtime(void) {
  return now += 1000;
}

int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout) {
  assert_int_equal(count, 1);
  assert_int_equal(fds->fd, uv_backend_fd(&scene_loop));
  assert_int_equal(timeout, 0);
  looks++;
  return now >= comes;
}
/* NOLINTEND(bugprone-reserved-identifier) */

static void answer(dgram_socket_t *socket, int number) {
  scene_send(socket, number);
}

/* Turns with a datagram each. Returns how often the loop has looked whether something came. */
static int receive(dgram_socket_t *socket, int turns, uint64_t answered_after) {
  static const struct fake_slot slot = {.size = 1};
  looks = 0;
  for (int i = 0; i < turns; i++) {
    fake_receive(socket, &slot, 1);
    comes = now + answered_after;
    scene_run();
    scene_story();
  }
  return looks;
}

static void after_an_exchange_the_loop_spins_until_something_comes(void **state) {
  scene_on_message = answer;
  assert_int_equal(receive(scene_socket(), 50, 10000), 50 * 10);
}

static void not_for_long(void **state) {
  scene_on_message = answer;
  assert_in_range(receive(scene_socket(), 1, 1000000), 20, 30);
}

static void what_was_in_vain_is_not_tried_each_time(void **state) {
  scene_on_message = answer;
  assert_in_range(receive(scene_socket(), 50, 1000000), 3 * 20, 3 * 30);
}

static void without_an_answer_there_is_no_exchange(void **state) {
  dgram_socket_t *socket = scene_socket();
  scene_send(socket, 1); /* in another turn */
  scene_run();
  assert_int_equal(receive(socket, 50, 10000), 0);
}

static void without_a_question_there_is_no_exchange(void **state) {
  dgram_socket_t *socket = scene_socket();
  looks = 0;
  scene_send_all(socket, 0, 9);
  scene_run();
  assert_int_equal(looks, 0);
}

static void busy(uv_idle_t *idle) {
}

static void a_loop_with_other_work_does_not_spin(void **state) {
  uv_idle_t idle;
  dgram_socket_t *socket = scene_socket();
  scene_on_message = answer;
  uv_idle_init(&scene_loop, &idle);
  uv_idle_start(&idle, busy);
  assert_int_equal(receive(socket, 50, 10000), 0);
  uv_close((uv_handle_t *)&idle, NULL);
  scene_run();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      SCENE(after_an_exchange_the_loop_spins_until_something_comes),
      SCENE(not_for_long),
      SCENE(what_was_in_vain_is_not_tried_each_time),
      SCENE(without_an_answer_there_is_no_exchange),
      SCENE(without_a_question_there_is_no_exchange),
      SCENE(a_loop_with_other_work_does_not_spin),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* dgram_group_post(): functions that run on a thread of the group. */
#include "group_test.h"

enum { THREADS = 2, CALLS = 1000 };

static int order[CALLS]; /* written on one thread, read when that has ended */
static int ran;
static uv_thread_t ran_on;
static uv_sem_t done;

static void note_call(dgram_group_t *group, int index, dgram_socket_t *socket, void *context) {
  ran_on = uv_thread_self();
  if (index != 1 || dgram_bind_state(socket) != DGRAM_BOUND)
    places[index].failures++;
  order[ran++] = *(int *)context;
}

static void tell(dgram_group_t *group, int index, dgram_socket_t *socket, void *context) {
  uv_sem_post(&done);
}

static dgram_group_t *start(void) {
  dgram_options_t socket = dgram_default_options(DGRAM_UDP4);
  dgram_group_options_t options = answering(&socket, THREADS);
  ran = 0;
  assert_int_equal(uv_sem_init(&done, 0), 0);
  return start_group(&options);
}

static void they_run_on_the_thread_in_their_order(void **state) {
  static int numbers[CALLS];
  dgram_group_t *group = start();
  uv_thread_t self = uv_thread_self();
  for (int i = 0; i < CALLS; i++) {
    numbers[i] = i;
    assert_int_equal(dgram_group_post(group, 1, note_call, &numbers[i]), 0);
  }
  stop_group(group); /* what was taken runs before */
  assert_int_equal(ran, CALLS);
  for (int i = 0; i < CALLS; i++)
    assert_int_equal(order[i], i);
  assert_false(uv_thread_equal(&ran_on, &self));
  uv_sem_destroy(&done);
}

/* From one thread to the next, as often as there are rounds left. */
static void pass_on(dgram_group_t *group, int index, dgram_socket_t *socket, void *context) {
  int *rounds = context;
  if (--*rounds == 0)
    uv_sem_post(&done);
  else if (dgram_group_post(group, (index + 1) % THREADS, pass_on, rounds) != 0)
    places[index].failures++;
}

static void threads_may_hand_work_to_each_other(void **state) {
  int rounds = 200;
  dgram_group_t *group = start();
  assert_int_equal(dgram_group_post(group, 0, pass_on, &rounds), 0);
  uv_sem_wait(&done);
  assert_int_equal(rounds, 0);
  stop_group(group);
  uv_sem_destroy(&done);
}

static void give_itself(dgram_group_t *group, int index, dgram_socket_t *socket, void *context) {
  int *inside = context;
  *inside = 1;
  if (dgram_group_post(group, index, tell, NULL) != 0)
    places[index].failures++;
  *inside = uv_sem_trywait(&done) == 0 ? -1 : 0;
}

static void a_thread_may_give_itself_one_for_later(void **state) {
  int inside = 1;
  dgram_group_t *group = start();
  assert_int_equal(dgram_group_post(group, 0, give_itself, &inside), 0);
  uv_sem_wait(&done);
  assert_int_equal(inside, 0);
  stop_group(group);
  uv_sem_destroy(&done);
}

/* ---- when they are refused ---- */

static int refusals[THREADS];

static int ask_too_early(dgram_group_t *group, int index, dgram_socket_t *socket, void *context) {
  refusals[index] = dgram_group_post(group, 0, tell, NULL);
  return start_answering(group, index, socket, context);
}

static void ask_too_late(dgram_group_t *group, int index, dgram_socket_t *socket, void *context) {
  refusals[index] = dgram_group_post(group, index, tell, NULL);
  places[index].stops++;
}

static void they_are_refused_before_all_have_started(void **state) {
  dgram_options_t socket = dgram_default_options(DGRAM_UDP4);
  dgram_group_options_t options = answering(&socket, THREADS);
  options.on_start = ask_too_early;
  dgram_group_t *group = start_group(&options);
  for (int i = 0; i < THREADS; i++)
    assert_int_equal(refusals[i], DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
  stop_group(group);
}

static void they_are_refused_by_a_thread_that_ends(void **state) {
  dgram_options_t socket = dgram_default_options(DGRAM_UDP4);
  dgram_group_options_t options = answering(&socket, THREADS);
  options.on_stop = ask_too_late;
  stop_group(start_group(&options));
  for (int i = 0; i < THREADS; i++)
    assert_int_equal(refusals[i], DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(they_run_on_the_thread_in_their_order),
      cmocka_unit_test(threads_may_hand_work_to_each_other),
      cmocka_unit_test(a_thread_may_give_itself_one_for_later),
      cmocka_unit_test(they_are_refused_before_all_have_started),
      cmocka_unit_test(they_are_refused_by_a_thread_that_ends),
  };
  return cmocka_run_group_tests_name("calls", tests, NULL, NULL);
}

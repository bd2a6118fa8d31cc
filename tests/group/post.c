/* dgram_group_post(): functions that run on a thread of the group. */
#include "lib/group_fixture.h"

enum { THREADS = 2, CALLS = 1000 };

static int order[CALLS]; /* written on one thread, read when that has ended */
static int ran;
static uv_thread_t ran_on;

static void keep_call(dgram_group_t *group, int index, dgram_socket_t *socket, void *context) {
  ran_on = uv_thread_self();
  if (index != 1 || dgram_bind_state(socket) != DGRAM_BOUND)
    counts[index].failures++;
  order[ran++] = *(int *)context;
}

TEST("functions that are posted run on their thread, in order, and before that stops") {
  static int numbers[CALLS];
  dgram_group_options_t options = answering(THREADS);
  dgram_group_t *group = start_group(&options);
  uv_thread_t self = uv_thread_self();
  ran = 0;
  for (int i = 0; i < CALLS; i++) {
    numbers[i] = i;
    assert_int_equal(dgram_group_post(group, 1, keep_call, &numbers[i]), 0);
  }
  stop_group(group);
  assert_int_equal(ran, CALLS);
  for (int i = 0; i < CALLS; i++)
    assert_int_equal(order[i], i);
  assert_false(uv_thread_equal(&ran_on, &self));
}

/* From one thread to the next, as often as there are rounds left. */
static void pass_on(dgram_group_t *group, int index, dgram_socket_t *socket, void *context) {
  int *rounds = context;
  if (--*rounds == 0)
    uv_sem_post(&group_done);
  else if (dgram_group_post(group, (index + 1) % THREADS, pass_on, rounds) != 0)
    counts[index].failures++;
}

TEST("threads of a group may post to each other") {
  int rounds = 200;
  dgram_group_options_t options = answering(THREADS);
  assert_int_equal(dgram_group_post(start_group(&options), 0, pass_on, &rounds), 0);
  uv_sem_wait(&group_done);
  assert_int_equal(rounds, 0);
}

static void post_to_itself(dgram_group_t *group, int index, dgram_socket_t *socket, void *context) {
  int *inside = context;
  *inside = 1;
  if (dgram_group_post(group, index, post_done, NULL) != 0)
    counts[index].failures++;
  *inside = uv_sem_trywait(&group_done) == 0 ? -1 : 0;
}

TEST("a thread may post to itself, and it runs later") {
  int inside = 1;
  dgram_group_options_t options = answering(THREADS);
  assert_int_equal(dgram_group_post(start_group(&options), 0, post_to_itself, &inside), 0);
  uv_sem_wait(&group_done);
  assert_int_equal(inside, 0);
}

/* ---- when a post is refused ---- */

static int results[THREADS];

static int post_too_early(dgram_group_t *group, int index, dgram_socket_t *socket, void *context) {
  results[index] = dgram_group_post(group, 0, post_done, NULL);
  return start_answering(group, index, socket, context);
}

static void post_too_late(dgram_group_t *group, int index, dgram_socket_t *socket, void *context) {
  results[index] = dgram_group_post(group, index, post_done, NULL);
  counts[index].stops++;
}

TEST("a post is refused before all threads have started") {
  dgram_group_options_t options = answering(THREADS);
  options.on_start = post_too_early;
  start_group(&options);
  for (int i = 0; i < THREADS; i++)
    assert_int_equal(results[i], DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
}

TEST("a post is refused by a thread that stops") {
  dgram_group_options_t options = answering(THREADS);
  options.on_stop = post_too_late;
  stop_group(start_group(&options));
  for (int i = 0; i < THREADS; i++)
    assert_int_equal(results[i], DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
}

/* When to busy-poll: with answers that come in time, or not. */
#include "busy_poll.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/random.h"

/* So many exchanges; `in_time` of 1,000 answers come in time. Returns how many busy polls there
 * were. */
static unsigned play(struct dgram__busy_poll *busy_poll, unsigned exchanges, unsigned in_time) {
  uint32_t random = 1;
  unsigned polls = 0;
  for (unsigned i = 0; i < exchanges; i++) {
    if (!dgram__busy_poll_begin(busy_poll))
      continue;
    dgram__busy_poll_ended(busy_poll, random_below(&random, 1000) < in_time);
    polls++;
  }
  return polls;
}

static void answers_that_come_at_once_are_always_waited_for(void **state) {
  (void)state;
  struct dgram__busy_poll busy_poll = {0};
  assert_int_equal(play(&busy_poll, 100000, 1000), 100000);
}

static void answers_that_take_long_are_hardly_ever_waited_for(void **state) {
  (void)state;
  struct dgram__busy_poll busy_poll = {0};
  assert_in_range(play(&busy_poll, 100000, 0), 10, 40);
}

/* As where the system has other work now and then. */
static void rare_accidents_cost_little(void **state) {
  (void)state;
  static const unsigned chances[] = {970, 980, 990, 999};
  for (unsigned i = 0; i < sizeof chances / sizeof chances[0]; i++) {
    struct dgram__busy_poll busy_poll = {0};
    assert_true(play(&busy_poll, 100000, chances[i]) > 99000);
  }
}

/* Whoever answers as chance has it would have the loop busy-poll most of the time. */
static void answers_that_come_in_time_by_chance_are_hardly_ever_waited_for(void **state) {
  (void)state;
  static const unsigned chances[] = {200, 500, 700, 800, 900};
  for (unsigned i = 0; i < sizeof chances / sizeof chances[0]; i++) {
    struct dgram__busy_poll busy_poll = {0};
    play(&busy_poll, 100000, chances[i]);
    assert_true(play(&busy_poll, 1000000, chances[i]) < 10000);
  }
}

static void a_faster_peer_is_noticed(void **state) {
  (void)state;
  struct dgram__busy_poll busy_poll = {0};
  play(&busy_poll, 100000, 0);
  assert_true(play(&busy_poll, 10000, 1000) > 5000);
}

/* After failures, and many more successes: so many failures again. */
static struct dgram__busy_poll after_a_long_streak(int failures) {
  struct dgram__busy_poll busy_poll = {0};
  play(&busy_poll, 100000, 0);
  play(&busy_poll, 10000, 1000);
  for (int i = 0; i < failures; i++)
    dgram__busy_poll_ended(&busy_poll, false);
  return busy_poll;
}

static void after_a_long_streak_the_budget_covers_four_failures(void **state) {
  (void)state;
  struct dgram__busy_poll busy_poll = after_a_long_streak(4);
  assert_true(dgram__busy_poll_begin(&busy_poll));
}

static void after_a_long_streak_the_first_back_off_is_small_again(void **state) {
  (void)state;
  struct dgram__busy_poll busy_poll = after_a_long_streak(5);
  assert_in_range(busy_poll.skip, 1, 8);
}

static void the_budget_ends_at_64_successes(void **state) {
  (void)state;
  struct dgram__busy_poll busy_poll = {0};
  for (unsigned i = 1; i <= 70; i++) {
    dgram__busy_poll_ended(&busy_poll, true);
    assert_int_equal(busy_poll.budget, i < 64 ? i : 64);
    assert_int_equal(busy_poll.back_off, i <= 64 ? 0 : 8);
  }
}

static void a_failure_costs_16_successes(void **state) {
  (void)state;
  struct dgram__busy_poll busy_poll = {.budget = 33};
  dgram__busy_poll_ended(&busy_poll, false);
  dgram__busy_poll_ended(&busy_poll, false);
  assert_int_equal(busy_poll.budget, 1);
  assert_int_equal(busy_poll.skip, 0);
  dgram__busy_poll_ended(&busy_poll, false);
  assert_int_equal(busy_poll.budget, 0);
  assert_int_equal(busy_poll.skip, 8);
}

static void back_offs_double_from_8_to_4096(void **state) {
  (void)state;
  struct dgram__busy_poll busy_poll = {0};
  for (unsigned expected = 8; expected <= 4096; expected *= 2) {
    dgram__busy_poll_ended(&busy_poll, false);
    assert_int_equal(busy_poll.skip, expected);
  }
  dgram__busy_poll_ended(&busy_poll, false);
  assert_int_equal(busy_poll.skip, 4096);
}

static void so_many_exchanges_are_skipped(void **state) {
  (void)state;
  struct dgram__busy_poll busy_poll = {.skip = 2};
  assert_false(dgram__busy_poll_begin(&busy_poll));
  assert_false(dgram__busy_poll_begin(&busy_poll));
  assert_true(dgram__busy_poll_begin(&busy_poll));
  assert_true(dgram__busy_poll_begin(&busy_poll));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(answers_that_come_at_once_are_always_waited_for),
      cmocka_unit_test(answers_that_take_long_are_hardly_ever_waited_for),
      cmocka_unit_test(rare_accidents_cost_little),
      cmocka_unit_test(answers_that_come_in_time_by_chance_are_hardly_ever_waited_for),
      cmocka_unit_test(a_faster_peer_is_noticed),
      cmocka_unit_test(after_a_long_streak_the_budget_covers_four_failures),
      cmocka_unit_test(after_a_long_streak_the_first_back_off_is_small_again),
      cmocka_unit_test(the_budget_ends_at_64_successes),
      cmocka_unit_test(a_failure_costs_16_successes),
      cmocka_unit_test(back_offs_double_from_8_to_4096),
      cmocka_unit_test(so_many_exchanges_are_skipped),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

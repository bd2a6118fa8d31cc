/* Receive coalescing with senders of several kinds, on a clock of the test's own. */
#include "rx_coalesce.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* What an iteration and a wait take; the system makes a wait longer than requested. */
enum { ITERATION_US = 2, REAL_WAIT_US = 80 };

/* Whoever sends: how many datagrams came in the `us` that the iteration before took. */
struct sender {
  double per_ms;        /* so many of their own accord */
  unsigned outstanding; /* or, if not 0: so many at once, the next when these are answered */
  unsigned answer_us;   /* a datagram that is answered comes back after so long */
  double due;
};

struct play {
  struct dgram__rx_coalesce coalesce;
  uint64_t us;
  bool busy; /* the loop has other work */
  unsigned waits;
  unsigned iterations;
  uint64_t received;
};

static unsigned arrivals(struct sender *sender, unsigned us) {
  if (sender->outstanding > 0)
    return sender->outstanding;
  sender->due += sender->per_ms * us / 1000;
  unsigned whole = (unsigned)sender->due;
  sender->due -= whole;
  return whole;
}

/* Iterations for so many ms. Where the sender waits for us, the next come only after the answers.
 */
static void play_for(struct play *play, struct sender *sender, unsigned ms) {
  uint64_t end = play->us + ms * 1000ULL;
  unsigned took = ITERATION_US;
  while (play->us < end) {
    unsigned arrived = arrivals(sender, took);
    play->coalesce.received = arrived;
    play->received += arrived;
    bool wait = dgram__rx_coalesce_iteration(&play->coalesce, play->us / 1000, !play->busy);
    play->waits += wait;
    play->iterations++;
    took = ITERATION_US + (wait ? REAL_WAIT_US : 0) + sender->answer_us * sender->outstanding;
    play->us += took;
  }
}

static void datagrams_that_come_now_and_then_are_not_waited_for(void **state) {
  (void)state;
  struct play play = {.us = 1000};
  struct sender sender = {.per_ms = 90};
  play_for(&play, &sender, 1000);
  assert_int_equal(play.waits, 0);
}

static void datagrams_that_come_fast_and_one_by_one_are_coalesced(void **state) {
  (void)state;
  struct play play = {.us = 1000};
  struct sender sender = {.per_ms = 190};
  play_for(&play, &sender, 1000);
  /* 190,000 datagrams, at 80 us and 15 of them to a wait; but for the first few ms */
  assert_in_range(play.waits, 11000, 13000);
  assert_true(play.received > 189000);
}

static void a_full_iteration_is_not_followed_by_a_wait(void **state) {
  (void)state;
  struct play play = {.us = 1000};
  struct sender sender = {.per_ms = 32000}; /* 64 in an iteration */
  play_for(&play, &sender, 100);
  assert_int_equal(play.waits, 0);
}

/* The loop has other work: that nothing more has come is then no failure. */
static void waits_that_could_not_be_made_are_no_failures(void **state) {
  (void)state;
  struct play play = {.us = 1000, .busy = true};
  struct sender sender = {.per_ms = 200};
  play_for(&play, &sender, 100);
  assert_int_equal(play.waits, 0);
  play.busy = false;
  play_for(&play, &sender, 1);
  assert_true(play.waits > 0);
}

static void an_empty_iteration_is_not_followed_by_a_wait(void **state) {
  (void)state;
  struct play play = {.us = 1000};
  struct sender sender = {.per_ms = 200};
  play_for(&play, &sender, 20);
  assert_int_equal(play.coalesce.state, DGRAM__RX_COALESCE_ON);
  play.coalesce.received = 0;
  assert_false(dgram__rx_coalesce_iteration(&play.coalesce, play.us / 1000, true));
}

static void coalescing_ends_when_the_datagrams_get_rare(void **state) {
  (void)state;
  struct play play = {.us = 1000};
  struct sender fast = {.per_ms = 200};
  struct sender rare = {.per_ms = 20};
  play_for(&play, &fast, 100);
  assert_true(play.waits > 0);
  play_for(&play, &rare, 5);
  play.waits = 0;
  play_for(&play, &rare, 1000);
  assert_int_equal(play.waits, 0);
}

/* A game of ping-pong must not pay: one wait a trial, and trials get rare. */
static void a_sender_with_one_request_out_meets_one_wait_at_a_time(void **state) {
  (void)state;
  struct play play = {.us = 1000};
  struct sender sender = {.outstanding = 1, .answer_us = 6};
  play_for(&play, &sender, 1000);
  assert_in_range(play.waits, 1, 7); /* off for 16, 32, 64 ... ms */
  assert_true(play.waits * 1000 < play.iterations);
}

static void a_sender_with_some_requests_out_is_hindered_but_for_moments(void **state) {
  (void)state;
  static const unsigned outstanding[] = {2, 3, 5, 8, 15};
  for (unsigned i = 0; i < sizeof outstanding / sizeof outstanding[0]; i++) {
    struct play play = {.us = 1000};
    struct sender sender = {.outstanding = outstanding[i], .answer_us = 2};
    play_for(&play, &sender, 30000);
    double unhindered = 30e6 / (ITERATION_US + 2.0 * outstanding[i]) * outstanding[i];
    assert_true((double)play.received > 0.99 * unhindered);
    assert_true(play.waits > 0);
  }
}

static void times_off_grow_to_eight_seconds(void **state) {
  (void)state;
  struct play play = {.us = 1000};
  struct sender sender = {.outstanding = 1, .answer_us = 6};
  play_for(&play, &sender, 60000);
  play.waits = 0;
  play_for(&play, &sender, 10 * 8192);
  assert_in_range(play.waits, 9, 11);
}

/* After long success a failure means that something has changed, and may change back. */
static void times_off_are_short_again_after_success(void **state) {
  (void)state;
  struct play play = {.us = 1000};
  struct sender asking = {.outstanding = 1, .answer_us = 6};
  struct sender fast = {.per_ms = 200};
  play_for(&play, &asking, 60000);
  play_for(&play, &fast, 9000);
  assert_int_equal(play.coalesce.state, DGRAM__RX_COALESCE_ON);
  play_for(&play, &asking, 8);
  assert_int_equal(play.coalesce.state, DGRAM__RX_COALESCE_OFF);
  assert_true(play.coalesce.off_until <= play.us / 1000 + 16);
}

/* ---- step by step ---- */

static bool iteration(struct dgram__rx_coalesce *coalesce, uint64_t now, unsigned received) {
  coalesce->received = received;
  return dgram__rx_coalesce_iteration(coalesce, now, true);
}

/* Since time 0 so many datagrams, in iterations of one, until 4 ms. */
static struct dgram__rx_coalesce after_window(unsigned datagrams) {
  struct dgram__rx_coalesce coalesce = {0};
  for (unsigned i = 1; i < datagrams; i++)
    assert_false(iteration(&coalesce, 3, 1));
  iteration(&coalesce, 4, 1);
  return coalesce;
}

static void four_hundred_datagrams_in_a_window_of_4_ms_begin_a_trial(void **state) {
  (void)state;
  assert_int_equal(after_window(399).state, DGRAM__RX_COALESCE_OFF);
  struct dgram__rx_coalesce coalesce = after_window(400);
  assert_int_equal(coalesce.state, DGRAM__RX_COALESCE_TRIAL);
  assert_int_equal(coalesce.rate_before, 400);
  assert_true(coalesce.waited);
}

static void a_longer_window_is_scaled_to_its_nominal_length(void **state) {
  (void)state;
  struct dgram__rx_coalesce coalesce = {0};
  for (unsigned i = 1; i < 800; i++)
    assert_false(iteration(&coalesce, 3, 1));
  assert_true(iteration(&coalesce, 8, 1));
  assert_int_equal(coalesce.rate, 400);
}

/* 400 in 4 ms are 2 in the 20 us of a wait; more than half of them are enough. */
static void the_first_wait_has_to_bring_more_than_half_of_the_rate(void **state) {
  (void)state;
  struct dgram__rx_coalesce coalesce = after_window(800); /* 4 in a wait */
  assert_true(iteration(&coalesce, 5, 3));
  assert_int_equal(coalesce.state, DGRAM__RX_COALESCE_ON);
  coalesce = after_window(799);
  assert_true(iteration(&coalesce, 5, 2));
  coalesce = after_window(800);
  assert_false(iteration(&coalesce, 5, 2));
  assert_int_equal(coalesce.state, DGRAM__RX_COALESCE_OFF);
}

static void the_first_time_off_is_16_ms(void **state) {
  (void)state;
  struct dgram__rx_coalesce coalesce = after_window(800);
  iteration(&coalesce, 5, 0);
  assert_int_equal(coalesce.off_until, 5 + 16);
  assert_int_equal(coalesce.off_ms, 32);
  for (uint64_t now = 8; now < 20; now += 4)
    assert_false(iteration(&coalesce, now, 400));
  assert_false(iteration(&coalesce, 20, 60));
  coalesce.rate = 400;
  assert_true(iteration(&coalesce, 21, 1));
}

/* The window in which it began had a part without waits, and does not count. */
static void a_whole_window_below_three_quarters_of_the_rate_ends_it(void **state) {
  (void)state;
  static const unsigned arrived[] = {300, 299};
  for (unsigned i = 0; i < 2; i++) {
    struct dgram__rx_coalesce coalesce = after_window(400);
    assert_true(iteration(&coalesce, 8, 2)); /* the wait has brought enough; the window too few */
    assert_int_equal(coalesce.state, DGRAM__RX_COALESCE_ON);
    for (unsigned j = 1; j < arrived[i]; j++)
      assert_true(iteration(&coalesce, 11, 1));
    assert_int_equal(iteration(&coalesce, 12, 1), arrived[i] == 300);
    assert_int_equal(coalesce.state,
                     arrived[i] == 300 ? DGRAM__RX_COALESCE_ON : DGRAM__RX_COALESCE_OFF);
  }
}

static void sixty_four_datagrams_are_not_followed_by_a_wait(void **state) {
  (void)state;
  struct dgram__rx_coalesce coalesce = after_window(400);
  assert_true(iteration(&coalesce, 5, 63));
  assert_false(iteration(&coalesce, 5, 64));
  assert_true(iteration(&coalesce, 5, 1));
  assert_false(iteration(&coalesce, 5, 0));
  assert_int_equal(coalesce.received, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(datagrams_that_come_now_and_then_are_not_waited_for),
      cmocka_unit_test(datagrams_that_come_fast_and_one_by_one_are_coalesced),
      cmocka_unit_test(a_full_iteration_is_not_followed_by_a_wait),
      cmocka_unit_test(waits_that_could_not_be_made_are_no_failures),
      cmocka_unit_test(an_empty_iteration_is_not_followed_by_a_wait),
      cmocka_unit_test(coalescing_ends_when_the_datagrams_get_rare),
      cmocka_unit_test(a_sender_with_one_request_out_meets_one_wait_at_a_time),
      cmocka_unit_test(a_sender_with_some_requests_out_is_hindered_but_for_moments),
      cmocka_unit_test(times_off_grow_to_eight_seconds),
      cmocka_unit_test(times_off_are_short_again_after_success),
      cmocka_unit_test(four_hundred_datagrams_in_a_window_of_4_ms_begin_a_trial),
      cmocka_unit_test(a_longer_window_is_scaled_to_its_nominal_length),
      cmocka_unit_test(the_first_wait_has_to_bring_more_than_half_of_the_rate),
      cmocka_unit_test(the_first_time_off_is_16_ms),
      cmocka_unit_test(a_whole_window_below_three_quarters_of_the_rate_ends_it),
      cmocka_unit_test(sixty_four_datagrams_are_not_followed_by_a_wait),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

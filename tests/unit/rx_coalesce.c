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
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "rx_coalesce.h"

#include <assert.h>

enum {
  WINDOW_MS = 4,
  BRISK = 100 * WINDOW_MS, /* datagrams in a window: fewer are received as they come */
  ENOUGH = 64,             /* in an iteration: more may be queued already */
  /* What the first wait should bring at the rate before, halved: fewer answer our own datagrams. */
  PROOF_DIVISOR = 2 * 1000 * WINDOW_MS / DGRAM__RX_COALESCE_US,
  PROVEN_WINDOWS = 8, /* of unbroken success, after which a failure is news */
  FIRST_OFF_MS = 16,
  LAST_OFF_MS = 8192
};

static void rx_coalesce_set_state(struct dgram__rx_coalesce *coalesce,
                                  enum dgram__rx_coalesce_state state) {
  assert(state == DGRAM__RX_COALESCE_OFF ? coalesce->state != DGRAM__RX_COALESCE_OFF
                                         : state == coalesce->state + 1);
  coalesce->state = state;
}

static void rx_coalesce_back_off(struct dgram__rx_coalesce *coalesce, uint64_t now) {
  rx_coalesce_set_state(coalesce, DGRAM__RX_COALESCE_OFF);
  if (coalesce->off_ms == 0 || coalesce->windows >= PROVEN_WINDOWS)
    coalesce->off_ms = FIRST_OFF_MS;
  coalesce->off_until = now + coalesce->off_ms;
  if (coalesce->off_ms < LAST_OFF_MS)
    coalesce->off_ms *= 2;
}

bool dgram__rx_coalesce_iteration(struct dgram__rx_coalesce *coalesce, uint64_t now,
                                  bool may_wait) {
  unsigned received = coalesce->received;
  uint64_t length = now - coalesce->since;
  bool window_ended = length >= WINDOW_MS;
  bool failed = false;
  coalesce->received = 0;
  coalesce->arrived += received;
  if (window_ended) {
    coalesce->rate = (unsigned)(coalesce->arrived * (uint64_t)WINDOW_MS / length);
    coalesce->arrived = 0;
    coalesce->since = now;
  }
  if (coalesce->state == DGRAM__RX_COALESCE_TRIAL && coalesce->waited) {
    failed = received <= coalesce->rate_before / PROOF_DIVISOR;
    if (!failed)
      rx_coalesce_set_state(coalesce, DGRAM__RX_COALESCE_ON);
  }
  if (coalesce->state != DGRAM__RX_COALESCE_OFF && window_ended && !failed) {
    bool whole = coalesce->windows++ > 0; /* the first window began without waits */
    failed = whole && coalesce->rate < coalesce->rate_before / 4 * 3;
  }
  if (failed) {
    rx_coalesce_back_off(coalesce, now);
  } else if (coalesce->state == DGRAM__RX_COALESCE_OFF && coalesce->rate >= BRISK &&
             now >= coalesce->off_until) {
    rx_coalesce_set_state(coalesce, DGRAM__RX_COALESCE_TRIAL);
    coalesce->rate_before = coalesce->rate;
    coalesce->windows = 0;
  }
  coalesce->waited =
      coalesce->state != DGRAM__RX_COALESCE_OFF && may_wait && received > 0 && received < ENOUGH;
  return coalesce->waited;
}

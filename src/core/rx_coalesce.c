#include "rx_coalesce.h"

enum {
  WINDOW_MS = 4,
  BRISK = 100 * WINDOW_MS, /* datagrams in a window: less are served as they come */
  ENOUGH = 64,             /* in a turn: more may be waiting already */
  /* What the first pause should bring at the usual rate, halved: less is an answer to our own. */
  PROOF_DIVISOR = 2 * 1000 * WINDOW_MS / DGRAM__RX_COALESCE_US,
  PROVEN_WINDOWS = 8, /* of unbroken success, after which a failure is news */
  FIRST_REST_MS = 16,
  LAST_REST_MS = 8192
};

/* Closes the window if it is over; whether it did. */
static bool rx_coalesce_close_window(struct dgram__rx_coalesce *pace, uint64_t now) {
  uint64_t length = now - pace->since;
  if (length < WINDOW_MS)
    return false;
  pace->rate = (unsigned)(pace->arrived * (uint64_t)WINDOW_MS / length);
  pace->arrived = 0;
  pace->since = now;
  return true;
}

static void rx_coalesce_start(struct dgram__rx_coalesce *pace) {
  pace->pausing = true;
  pace->proven = false;
  pace->usual = pace->rate;
  pace->windows = 0;
}

static void rx_coalesce_stop(struct dgram__rx_coalesce *pace, uint64_t now) {
  if (pace->rest == 0 || pace->windows >= PROVEN_WINDOWS)
    pace->rest = FIRST_REST_MS;
  pace->pausing = false;
  pace->rest_ends = now + pace->rest;
  if (pace->rest < LAST_REST_MS)
    pace->rest *= 2;
}

/* Whether pauses have cost datagrams: their senders wait for us. Or they just have stopped. */
static bool rx_coalesce_has_failed(struct dgram__rx_coalesce *pace, unsigned turn,
                                   bool window_closed) {
  if (pace->paused && !pace->proven && turn <= pace->usual / PROOF_DIVISOR)
    return true;
  pace->proven |= pace->paused;
  if (!window_closed)
    return false;
  bool whole = pace->windows++ > 0; /* the first began without pauses */
  return whole && pace->rate < pace->usual / 4 * 3;
}

bool dgram__rx_coalesce_iteration(struct dgram__rx_coalesce *pace, uint64_t now, bool may_pause) {
  unsigned turn = pace->turn;
  pace->turn = 0;
  pace->arrived += turn;
  bool closed = rx_coalesce_close_window(pace, now);
  if (pace->pausing && rx_coalesce_has_failed(pace, turn, closed))
    rx_coalesce_stop(pace, now);
  else if (!pace->pausing && pace->rate >= BRISK && now >= pace->rest_ends)
    rx_coalesce_start(pace);
  pace->paused = pace->pausing && may_pause && turn > 0 && turn < ENOUGH;
  return pace->paused;
}

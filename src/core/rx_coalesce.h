/*
 * Receive coalescing: whether a loop should wait a moment before it polls for more datagrams.
 *
 * Where they come one by one and fast, most of a datagram's cost is that of waking up for it. A
 * short wait lets several arrive, as interrupt moderation of network cards does. It is worth while
 * as long as the senders do not care: where they wait for answers, fewer datagrams come; that is
 * noticed, and coalescing is off for a while.
 *
 *   OFF   -> TRIAL   many datagrams came in a window of time
 *   TRIAL -> ON      the first wait has brought what was expected
 *   TRIAL, ON -> OFF a wait has brought too few, or a window with waits fewer than before: off for
 *                    16 ms, doubled each time up to 8 s
 *
 * Pure: makes no system call, reads no clock.
 */
#ifndef DGRAM_RX_COALESCE_H
#define DGRAM_RX_COALESCE_H

#include <stdbool.h>
#include <stdint.h>

enum dgram__rx_coalesce_state {
  DGRAM__RX_COALESCE_OFF,
  DGRAM__RX_COALESCE_TRIAL,
  DGRAM__RX_COALESCE_ON
};

struct dgram__rx_coalesce {
  enum dgram__rx_coalesce_state state;
  unsigned received;    /* datagrams in this iteration; the receiver counts them */
  unsigned arrived;     /* in this window */
  unsigned rate;        /* in the window before, scaled to its nominal length */
  unsigned rate_before; /* before coalescing */
  unsigned windows;     /* since it began */
  unsigned off_ms;      /* the length of the next time off */
  uint64_t since;       /* when this window began, ms */
  uint64_t off_until;   /* ms */
  bool waited;          /* this iteration began with a wait */
};

/* The length of a wait, microseconds; the system may make it some 50 longer. */
enum { DGRAM__RX_COALESCE_US = 20 };

/* An iteration has ended, at `now` in ms. Returns whether to wait before the next, if it may. */
bool dgram__rx_coalesce_iteration(struct dgram__rx_coalesce *coalesce, uint64_t now, bool may_wait);

#endif

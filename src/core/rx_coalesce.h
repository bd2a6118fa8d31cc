/*
 * The pace: whether a loop should wait a moment before it looks for more datagrams.
 *
 * Where they come one by one and fast, most of a datagram's cost is that of waking up for it. A
 * pause lets some gather, as network cards do ("interrupt moderation"). It is worth while as long
 * as the senders don't care: where they wait for our answers, fewer datagrams come, and that is
 * noticed and the pause left out for a while.
 * Floor 0: makes no system call, knows no clock.
 */
#ifndef DGRAM_RX_COALESCE_H
#define DGRAM_RX_COALESCE_H

#include <stdbool.h>
#include <stdint.h>

struct dgram__rx_coalesce {
  unsigned turn;      /* datagrams in this turn of the loop; the receiver counts them */
  unsigned arrived;   /* in the window of time at hand */
  unsigned rate;      /* in a whole window, before */
  uint64_t since;     /* when the window began, ms */
  bool pausing;       /* pauses are made where they can be */
  bool paused;        /* the turn began with one */
  bool proven;        /* the first one has brought what was hoped for */
  unsigned usual;     /* the rate without pauses */
  unsigned windows;   /* whole ones with pauses */
  uint64_t rest_ends; /* no pauses until then, ms */
  unsigned rest;      /* the length of the next rest, ms */
};

/* The length of a pause, microseconds; the system may make it some 50 longer. */
enum { DGRAM__RX_COALESCE_US = 20 };

/* A turn has ended, at the time `now` in ms. Whether to pause before the next one, if it may be. */
bool dgram__rx_coalesce_iteration(struct dgram__rx_coalesce *pace, uint64_t now, bool may_pause);

#endif

/*
 * The spin: whether a loop that is about to block should look for a moment longer.
 *
 * Where one question follows one answer, going to sleep and waking up is most of the round trip.
 * So after an exchange the loop may look again and again for some microseconds. It is worth while
 * only where the next one hardly ever fails to come in time, as between two programs on one host;
 * elsewhere the spins get so rare that nobody notices them. There too one of a hundred may fail,
 * since the system had other work: so spins earn credit, and only one in vain without it has a
 * penalty.
 * Floor 0: makes no system call, knows no clock.
 */
#ifndef DGRAM_BUSY_POLL_H
#define DGRAM_BUSY_POLL_H

#include <stdbool.h>

struct dgram__busy_poll {
  unsigned credit;  /* for spins that were not in vain */
  unsigned skip;    /* exchanges to come without a spin */
  unsigned penalty; /* how many the next one without credit will cost */
};

/* The length of a spin, microseconds. */
enum { DGRAM__BUSY_POLL_US = 25 };

/* The loop has received and sent in this turn. Whether to spin now. */
bool dgram__busy_poll_now(struct dgram__busy_poll *spin);

/* Tells how a spin ended. */
void dgram__busy_poll_ended(struct dgram__busy_poll *spin, bool in_time);

#endif

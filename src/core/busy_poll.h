/*
 * Busy polling: whether a loop that is about to block should poll for a moment longer.
 *
 * Where one request follows one answer, going to sleep and waking up is most of the round trip. So
 * after an exchange the loop may poll again and again for some microseconds. That is worth while
 * only where the next datagram hardly ever fails to come in time, as between two programs on one
 * host; elsewhere busy polls get so rare that they cost nothing. Even on one host one of a hundred
 * may fail, since the system had other work: so successes fill a budget, a failure is paid from it,
 * and only one that the budget does not cover makes the next exchanges back off.
 *
 * Pure: makes no system call, reads no clock.
 */
#ifndef DGRAM_BUSY_POLL_H
#define DGRAM_BUSY_POLL_H

#include <stdbool.h>

struct dgram__busy_poll {
  unsigned budget;   /* of successes */
  unsigned skip;     /* exchanges to come without a busy poll */
  unsigned back_off; /* exchanges that the next uncovered failure skips */
};

/* The length of a busy poll, microseconds. */
enum { DGRAM__BUSY_POLL_US = 25 };

/* The loop has received and sent in this iteration: begins a busy poll now, or skips it. */
bool dgram__busy_poll_begin(struct dgram__busy_poll *busy_poll);

/* How a busy poll has ended. */
void dgram__busy_poll_ended(struct dgram__busy_poll *busy_poll, bool in_time);

#endif

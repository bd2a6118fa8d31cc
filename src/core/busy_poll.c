#include "busy_poll.h"

enum {
  FIRST_BACK_OFF = 8,
  LAST_BACK_OFF = 4096,
  MOST_BUDGET = 64,
  FAILURE_COST = 16 /* in successes */
};

bool dgram__busy_poll_begin(struct dgram__busy_poll *busy_poll) {
  if (busy_poll->skip == 0)
    return true;
  busy_poll->skip--;
  return false;
}

void dgram__busy_poll_ended(struct dgram__busy_poll *busy_poll, bool in_time) {
  if (in_time && busy_poll->budget < MOST_BUDGET) {
    busy_poll->budget++;
  } else if (in_time) {
    busy_poll->back_off = FIRST_BACK_OFF;
  } else if (busy_poll->budget >= FAILURE_COST) {
    busy_poll->budget -= FAILURE_COST;
  } else {
    busy_poll->budget = 0;
    if (busy_poll->back_off == 0)
      busy_poll->back_off = FIRST_BACK_OFF;
    busy_poll->skip = busy_poll->back_off;
    if (busy_poll->back_off < LAST_BACK_OFF)
      busy_poll->back_off *= 2;
  }
}

#include "busy_poll.h"

enum {
  FIRST_PENALTY = 8,
  LAST_PENALTY = 4096,
  MOST_CREDIT = 64,
  PRICE = 16 /* of a spin in vain, in spins that were not */
};

bool dgram__busy_poll_now(struct dgram__busy_poll *spin) {
  if (spin->skip == 0)
    return true;
  spin->skip--;
  return false;
}

static void busy_poll_back_off(struct dgram__busy_poll *spin) {
  if (spin->penalty == 0)
    spin->penalty = FIRST_PENALTY;
  spin->skip = spin->penalty;
  if (spin->penalty < LAST_PENALTY)
    spin->penalty *= 2;
}

void dgram__busy_poll_ended(struct dgram__busy_poll *spin, bool in_time) {
  if (in_time && spin->credit < MOST_CREDIT) {
    spin->credit++;
  } else if (in_time) {
    spin->penalty = FIRST_PENALTY;
  } else if (spin->credit >= PRICE) {
    spin->credit -= PRICE;
  } else {
    spin->credit = 0;
    busy_poll_back_off(spin);
  }
}

#include "spin.h"

enum {
  FIRST_PENALTY = 8,
  LAST_PENALTY = 4096,
  LONG_STREAK = 64 /* after it one in vain is an accident */
};

bool dgram__spin_now(struct dgram__spin *spin) {
  if (spin->skip == 0)
    return true;
  spin->skip--;
  return false;
}

void dgram__spin_ended(struct dgram__spin *spin, bool in_time) {
  if (in_time) {
    spin->streak++;
    return;
  }
  if (spin->penalty == 0 || spin->streak >= LONG_STREAK)
    spin->penalty = FIRST_PENALTY;
  spin->skip = spin->penalty;
  if (spin->penalty < LAST_PENALTY)
    spin->penalty *= 2;
  spin->streak = 0;
}

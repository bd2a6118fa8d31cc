/* Numbers that look random and are the same at every run. */
#ifndef TESTS_UNIT_RANDOM_H
#define TESTS_UNIT_RANDOM_H

#include <stdint.h>

/* Marsaglia's xorshift; the state is any number but 0. */
static inline uint32_t random_next(uint32_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 17;
  *state ^= *state << 5;
  return *state;
}

/* 0 to limit - 1. */
static inline uint32_t random_below(uint32_t *state, uint32_t limit) {
  return random_next(state) % limit;
}

#endif

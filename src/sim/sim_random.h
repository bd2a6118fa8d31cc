/*
 * Numbers by chance from a seed, the same on every machine: xoshiro256**, seeded by splitmix64.
 * https://prng.di.unimi.it
 */
#ifndef DGRAM_SIM_RANDOM_H
#define DGRAM_SIM_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

struct dgram__random {
  uint64_t state[4];
};

static inline uint64_t dgram__random_mix(uint64_t x) {
  x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
  return x ^ (x >> 31);
}

static inline struct dgram__random dgram__random_seeded(uint64_t seed) {
  struct dgram__random random;
  for (int i = 0; i < 4; i++)
    random.state[i] = dgram__random_mix(seed += UINT64_C(0x9e3779b97f4a7c15));
  return random;
}

static inline uint64_t dgram__random_rotated(uint64_t x, int bits) {
  return (x << bits) | (x >> (64 - bits));
}

static inline uint64_t dgram__random_next(struct dgram__random *random) {
  uint64_t *s = random->state;
  uint64_t result = dgram__random_rotated(s[1] * 5, 7) * 9;
  uint64_t t = s[1] << 17;
  s[2] ^= s[0];
  s[3] ^= s[1];
  s[1] ^= s[2];
  s[0] ^= s[3];
  s[2] ^= t;
  s[3] = dgram__random_rotated(s[3], 45);
  return result;
}

/* 0 to limit - 1, nearly evenly: what is off is below limit / 2^64. */
static inline uint64_t dgram__random_below(struct dgram__random *random, uint64_t limit) {
  return dgram__random_next(random) % limit;
}

/* Whether something of this likelihood, 0 to 1, happens. No number is drawn for 0. */
static inline bool dgram__random_happens(struct dgram__random *random, double likelihood) {
  return likelihood > 0 && (double)(dgram__random_next(random) >> 11) * 0x1.0p-53 < likelihood;
}

#endif

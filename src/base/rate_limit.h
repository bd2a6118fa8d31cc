/*
 * A limit of the rate of each source: a table of token buckets by the prefix of an address. It has
 * a fixed number of places; a new source takes that of the one that was silent longest.
 *
 * Knows no clock: a caller gives the time, in nanoseconds, which must not go back. All arithmetic
 * is of integers, and exact: a bucket holds tokens times a second.
 */
#ifndef DGRAM_RATE_LIMIT_H
#define DGRAM_RATE_LIMIT_H

#include <dgram_access.h>

#include <stdbool.h>
#include <stdint.h>

#include "ip.h"

enum {
  DGRAM__RATE_MAX_SOURCES = 1 << 24,
  DGRAM__RATE_DEFAULT_BYTES_BURST = 65536 /* more than any datagram */
};

struct dgram__rate_limit;

/* Whether the options are in range, and set a limit. */
bool dgram__rate_is_valid(const dgram_rate_options_t *options);

/* A table for valid options, in one allocation; `seed` is random. NULL: no memory. */
struct dgram__rate_limit *dgram__rate_limit_new(const dgram_rate_options_t *options,
                                                const uint64_t seed[2]);

/*
 * `size` bytes have come from a source in datagrams of `segment` bytes, of which the last may be
 * shorter; 0: in one datagram. Takes tokens for as many of the first ones as there are tokens for,
 * and returns how many these are.
 */
unsigned dgram__rate_limit_take(struct dgram__rate_limit *limit, struct dgram__ip from,
                                uint64_t now, size_t size, size_t segment);

/* How often a source has lost its place. */
uint64_t dgram__rate_limit_evictions(const struct dgram__rate_limit *limit);

#endif

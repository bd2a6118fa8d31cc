/*
 * Where segmented sends were refused: how large the segments to a destination may be. What one
 * destination's way refuses says nothing about the others', and nothing about that way for ever:
 * the memory is by destination, bounded, and expires.
 * Floor 0: makes no system call, is told the time.
 */
#ifndef DGRAM_GSO_REFUSALS_H
#define DGRAM_GSO_REFUSALS_H

#include <stdbool.h>
#include <stdint.h>

#include "address.h"

enum { DGRAM__GSO_REFUSALS = 64 };

/* One destination, by its host: the way there does not depend on the port. */
struct dgram__gso_refusal {
  union dgram__address to;
  uint32_t largest; /* bytes that a segment may still have; 0: segments are refused altogether */
  uint64_t expires; /* ns */
};

/* Zero-initialised: nothing was refused. */
struct dgram__gso_refusals {
  struct dgram__gso_refusal by_host[DGRAM__GSO_REFUSALS]; /* at the place of its hash */
  uint64_t all_expire; /* so many hosts refuse that until then (ns) none is tried */
};

/* Bytes that a segment to the destination may have at the time `now`, in ns; at most UINT16_MAX. */
uint32_t dgram__gso_refusals_largest(const struct dgram__gso_refusals *refusals,
                                     const union dgram__address *to, uint64_t now);

/* Remembers a refusal: segments larger than `largest` are not tried for a while. */
void dgram__gso_refusals_add(struct dgram__gso_refusals *refusals, const union dgram__address *to,
                             uint32_t largest, uint64_t now);

/* Forgets what was refused of the peer of a connected socket (AF_UNSPEC). */
void dgram__gso_refusals_forget_peer(struct dgram__gso_refusals *refusals);

#endif

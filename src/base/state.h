/*
 * The edges of a state: a table has for each state a bit for each that it may follow. The setter of
 * the state asserts the edge.
 */
#ifndef DGRAM_STATE_H
#define DGRAM_STATE_H

#include <assert.h>

#define DGRAM__FROM(state) (1U << (state))
#define DGRAM__FROM_ANY 0xffU

static inline void dgram__assert_edge(const unsigned char edges[], unsigned from, unsigned to) {
  assert((edges[to] & DGRAM__FROM(from)) != 0);
}

#endif

/*
 * The counters of dgram_stats.h, one list: the order is that of the text and of JSON. A socket
 * keeps them without the tables of errors, which few sockets need.
 */
#ifndef DGRAM_COUNTERS_H
#define DGRAM_COUNTERS_H

#include <stdint.h>

/* XX(NAME, how those of several sockets make one sum: ADDED or HIGHEST) */
#define DGRAM__COUNTERS(XX)    \
  XX(datagrams_in, ADDED)      \
  XX(bytes_in, ADDED)          \
  XX(datagrams_out, ADDED)     \
  XX(bytes_out, ADDED)         \
  XX(receive_calls, ADDED)     \
  XX(send_calls, ADDED)        \
  XX(gro_buffers, ADDED)       \
  XX(gro_datagrams, ADDED)     \
  XX(gso_batches, ADDED)       \
  XX(gso_datagrams, ADDED)     \
  XX(kernel_drops, ADDED)      \
  XX(truncated, ADDED)         \
  XX(receive_errors, ADDED)    \
  XX(send_failures, ADDED)     \
  XX(sends_cancelled, ADDED)   \
  XX(blocked_eagain, ADDED)    \
  XX(blocked_enobufs, ADDED)   \
  XX(queue_max_bytes, HIGHEST) \
  XX(queue_max_count, HIGHEST) \
  XX(idle_wakeups, ADDED)      \
  XX(back_offs, ADDED)         \
  XX(posts, ADDED)             \
  XX(posts_refused, ADDED)     \
  XX(queue_refused, ADDED)     \
  XX(pauses, ADDED)            \
  XX(receives_refused, ADDED)  \
  XX(receives_limited, ADDED)  \
  XX(sends_refused, ADDED)

struct dgram__counters {
#define DGRAM__COUNTER_MEMBER(name, sum) uint64_t name;
  DGRAM__COUNTERS(DGRAM__COUNTER_MEMBER)
#undef DGRAM__COUNTER_MEMBER
};

#endif

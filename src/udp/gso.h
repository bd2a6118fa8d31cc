/*
 * Batches: which queued datagrams share one segmented send (GSO), and how one received buffer
 * falls apart into datagrams (GRO).
 * Floor 0: makes no system call.
 *
 * https://www.kernel.org/doc/html/latest/networking/segmentation-offloads.html, udp(7)
 */
#ifndef DGRAM_GSO_H
#define DGRAM_GSO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "address.h"

/* A datagram to send, in a queue. */
struct dgram__datagram {
  struct dgram__datagram *next;
  const struct iovec *iov;
  size_t size; /* bytes: the sum over iov, or more of what is too long to send anyway */
  uint32_t iov_count;
  union dgram__address to;
};

/* What one send may carry. */
struct dgram__gso_limits {
  unsigned datagrams; /* 1: no segmentation */
  uint32_t segment;   /* bytes of a datagram that may still be a segment */
  uint32_t bytes;
  uint32_t iov_count;
};

/*
 * Datagrams that can leave in one send: to one address, in one IPv6 flow, all of one size but a
 * shorter last one.
 */
struct dgram__gso_batch {
  const struct dgram__datagram *first;
  unsigned datagrams;
  unsigned most;      /* datagrams that it may have */
  uint32_t iov_count; /* of them all */
  size_t room;        /* bytes that it may still take */
};

/* A run of one datagram, with `available` (>= 1) of them linked. */
static inline struct dgram__gso_batch
dgram__gso_batch_begin(const struct dgram__datagram *first, unsigned available,
                       const struct dgram__gso_limits *limits) {
  bool segments = first->size <= limits->segment && first->size <= limits->bytes;
  return (struct dgram__gso_batch){
      .first = first,
      .datagrams = 1,
      .most = available < limits->datagrams ? available : limits->datagrams,
      .iov_count = first->iov_count,
      .room = segments ? limits->bytes - first->size : 0,
  };
}

/* Takes the datagram that follows the run into it. False: it can't, and this is the whole run. */
static inline bool dgram__gso_batch_add(struct dgram__gso_batch *run,
                                        const struct dgram__datagram *next,
                                        const struct dgram__gso_limits *limits) {
  size_t segment = run->first->size;
  if (run->datagrams >= run->most || next->size == 0 || next->size > segment ||
      next->size > run->room || run->iov_count + next->iov_count > limits->iov_count ||
      !dgram__address_same(&next->to, &run->first->to))
    return false;
  run->datagrams++;
  run->iov_count += next->iov_count;
  run->room -= next->size;
  if (next->size < segment) /* only the last may be, so that the receiver can tell them apart */
    run->most = run->datagrams;
  return true;
}

/*
 * Whether this kernel release ("7.1.2-amd64") is one of those that corrupt the checksums of
 * segmented sends: 7.0-rc1 to 7.1.4. https://github.com/tailscale/tailscale/issues/21335
 */
bool dgram__gso_kernel_corrupts(const char *release);

/* A received buffer on its way to pieces. */
struct dgram__gro_iter {
  const char *data;
  size_t left;
  size_t segment; /* 0: the buffer is one datagram */
  bool begun;
};

/* The size of the first datagram in a buffer of so many bytes. */
static inline size_t dgram__gro_first_size(size_t left, int segment) {
  return segment == 0 || left <= (size_t)segment ? left : (size_t)segment;
}

/* The next datagram of the buffer. An empty buffer is one empty datagram. False: that was all. */
static inline bool dgram__gro_next(struct dgram__gro_iter *pieces, const char **data,
                                   size_t *size) {
  if (pieces->begun && pieces->left == 0)
    return false;
  bool last = pieces->segment == 0 || pieces->left <= pieces->segment;
  pieces->begun = true;
  *data = pieces->data;
  *size = last ? pieces->left : pieces->segment;
  pieces->data += *size;
  pieces->left -= *size;
  return true;
}

#endif

/*
 * Which queued datagrams share one segmented message (GSO), where segments were refused, and the
 * datagrams that the kernel has joined in one received buffer (GRO).
 * Makes no system call.
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
  struct dgram__tx_options *options; /* tx_options.h; NULL: none. Read where `options` are sent */
};

/* What one message may carry. */
struct dgram__gso_limits {
  unsigned datagrams; /* 1: no segmentation */
  uint32_t segment;   /* bytes of a datagram that may still be a segment */
  uint32_t bytes;
  uint32_t iov_count;
};

/*
 * Datagrams that can leave as one message: to one address, in one IPv6 flow, all of one size but a
 * shorter last one.
 */
struct dgram__gso_batch {
  const struct dgram__datagram *first;
  unsigned datagrams;
  unsigned most;      /* datagrams that it may have */
  uint32_t iov_count; /* of them all */
  size_t room;        /* bytes that it may still take */
};

/* A batch of one datagram, with `available` (>= 1) of them linked. */
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

/* Adds the datagram that follows the batch. False: it can't be, and the batch is complete. */
static inline bool dgram__gso_batch_add(struct dgram__gso_batch *batch,
                                        const struct dgram__datagram *next,
                                        const struct dgram__gso_limits *limits) {
  size_t segment = batch->first->size;
  if (batch->datagrams >= batch->most || next->size == 0 || next->size > segment ||
      next->size > batch->room || batch->iov_count + next->iov_count > limits->iov_count ||
      !dgram__address_same(&next->to, &batch->first->to))
    return false;
  batch->datagrams++;
  batch->iov_count += next->iov_count;
  batch->room -= next->size;
  if (next->size < segment) /* only the last may be: the receiver is given one segment size */
    batch->most = batch->datagrams;
  return true;
}

/*
 * Whether this kernel release ("7.1.2-amd64") is one of those that corrupt the checksums of
 * segmented sends: 7.0-rc1 to 7.1.4. https://github.com/tailscale/tailscale/issues/21335
 */
bool dgram__gso_kernel_corrupts(const char *release);

/*
 * Where segmented sends were refused: how large the segments to a destination may be. What the path
 * to one destination refuses does not hold for the others, nor for ever: the memory is by
 * destination, bounded, and expires.
 */
enum { DGRAM__GSO_REFUSALS = 64 };

/* One destination, by its host: the path to it does not depend on the port. */
struct dgram__gso_refusal {
  union dgram__address to;
  uint32_t largest; /* bytes that a segment may still have; 0: segments are refused altogether */
  uint64_t expires; /* ns */
};

/* Zero-initialised: nothing was refused. */
struct dgram__gso_refusals {
  struct dgram__gso_refusal by_host[DGRAM__GSO_REFUSALS]; /* at the index of its hash */
  uint64_t all_expire; /* ns: until then no host is tried, since many refuse */
};

/* Bytes that a segment to the destination may have at the time `now`, in ns; at most UINT16_MAX. */
uint32_t dgram__gso_refusals_largest(const struct dgram__gso_refusals *refusals,
                                     const union dgram__address *to, uint64_t now);

/* Remembers a refusal: segments larger than `largest` are not tried for a while. */
void dgram__gso_refusals_add(struct dgram__gso_refusals *refusals, const union dgram__address *to,
                             uint32_t largest, uint64_t now);

/* Forgets what was refused of the peer of a connected socket (AF_UNSPEC). */
void dgram__gso_refusals_forget_peer(struct dgram__gso_refusals *refusals);

/* The size of the first datagram in a buffer of so many bytes. */
static inline size_t dgram__gro_first_size(size_t left, int segment) {
  return segment == 0 || left <= (size_t)segment ? left : (size_t)segment;
}

/* How many datagrams are in so many bytes; an empty one is one. */
static inline unsigned dgram__gro_count(size_t left, int segment) {
  return segment == 0 || left <= (size_t)segment
             ? 1
             : (unsigned)((left + (size_t)segment - 1) / (size_t)segment);
}

#endif

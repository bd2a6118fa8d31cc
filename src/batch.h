/*
 * Batches: which queued datagrams share one segmented send (GSO), and how one received buffer
 * falls apart into datagrams (GRO).
 * Floor 0: makes no system call.
 *
 * https://www.kernel.org/doc/html/latest/networking/segmentation-offloads.html, udp(7)
 */
#ifndef DGRAM_BATCH_H
#define DGRAM_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "address.h"

/* A datagram to send, in a queue. */
struct dgram__datagram {
  struct dgram__datagram *next;
  const struct iovec *iov;
  size_t size; /* bytes, the sum over iov; or more, if no datagram can be as long as iov even */
  uint32_t iov_count;
  union dgram__address to;
};

/* What one send may carry. */
struct dgram__limits {
  unsigned datagrams; /* 1: no segmentation */
  size_t segment;     /* bytes of a datagram that may still be a segment */
  size_t bytes;
  uint32_t iov_count;
};

/* A number of datagrams that can leave in one send: all of one size but a shorter last one. */
struct dgram__run {
  unsigned datagrams;
  size_t segment; /* the size of all but the last */
  uint32_t iov_count;
};

/* The longest run that starts at `first`, of at most `available` (>= 1) datagrams. */
struct dgram__run dgram__batch_run(const struct dgram__datagram *first, unsigned available,
                                   const struct dgram__limits *limits);

/*
 * Whether this kernel release ("7.1.2-amd64") is one of those that corrupt the checksums of
 * segmented sends: 7.0-rc1 to 7.1.4. https://github.com/tailscale/tailscale/issues/21335
 */
bool dgram__batch_kernel_corrupts(const char *release);

/* A received buffer on its way to pieces. */
struct dgram__pieces {
  const char *data;
  size_t left;
  size_t segment; /* 0: the buffer is one datagram */
  bool begun;
};

/* The next datagram of the buffer. An empty buffer is one empty datagram. False: that was all. */
static inline bool dgram__pieces_next(struct dgram__pieces *pieces, const char **data,
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

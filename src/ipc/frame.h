/*
 * What processes that share sockets say to each other, as bytes: a primary and its workers
 * (cluster.c, worker.c), a server and the one that follows it (handover.c). Every frame has one
 * size; one that is not well formed to the last bit is none.
 * Floor 0: knows the bytes, not how they travel.
 */
#ifndef DGRAM_FRAME_H
#define DGRAM_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#include "address.h"

enum {
  DGRAM__FRAME_VERSION = 1, /* of the bytes and of what they mean */
  DGRAM__FRAME_SIZE = 40
};

enum dgram__frame_kind {
  /* A worker says to its primary: */
  DGRAM__FRAME_ONLINE = 1, /* it runs */
  DGRAM__FRAME_REQUEST, /* it wants a socket bound to `address`, or with `fd` that of the primary's
                         */
  DGRAM__FRAME_LISTENING, /* the socket that it asked for as `number` listens */
  DGRAM__FRAME_RELEASE,   /* it has no more use for it */
  /* A primary says to a worker: */
  DGRAM__FRAME_REPLY,      /* to the question `number`: an error, or with status 0 a descriptor */
  DGRAM__FRAME_DISCONNECT, /* it shall close what it shares, and then the connection */
  /* A server says to the one that follows it: */
  DGRAM__FRAME_DESCRIPTOR, /* a descriptor, of those of which `number` are still to come; or why it
                            * gives none
                            */
  /* And that one to it: */
  DGRAM__FRAME_CONFIRM, /* it listens on all of them */
  DGRAM__FRAME_KINDS
};

/* What is not said is zero. */
struct dgram__frame {
  enum dgram__frame_kind kind;
  uint32_t number; /* of a question; whoever asks counts them */
  int32_t status;  /* 0, or a negative code */
  int32_t fd;      /* a descriptor in the process that is spoken to; 0: none */
  bool reuse_addr;
  bool ipv6_only;
  union dgram__address address; /* of either family, or none */
};

void dgram__frame_write(const struct dgram__frame *frame, unsigned char bytes[DGRAM__FRAME_SIZE]);

/* False if the bytes are no frame: of another version, or not as dgram__frame_write() has them. */
bool dgram__frame_read(struct dgram__frame *frame, const unsigned char bytes[DGRAM__FRAME_SIZE]);

#endif

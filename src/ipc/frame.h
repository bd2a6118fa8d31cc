/*
 * The messages between processes that share sockets, as bytes: between a primary and its workers
 * (cluster/), and between a server and its successor (handover/). All frames have one size, and
 * each has exactly one encoding: other bytes are refused.
 * Knows the bytes, not how they travel.
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
  /* from a worker to its primary */
  DGRAM__FRAME_ONLINE = 1, /* the worker has joined */
  DGRAM__FRAME_REQUEST,    /* for a socket bound to `address`, or for the primary's `fd` */
  DGRAM__FRAME_LISTENING,  /* the socket of request `number` emits 'listening' */
  DGRAM__FRAME_RELEASE,    /* the socket of request `number` is closed */
  /* from a primary to a worker */
  DGRAM__FRAME_REPLY,      /* to request `number`: an error, or a descriptor with status 0 */
  DGRAM__FRAME_DISCONNECT, /* close the shared sockets, then the connection */
  /* from a server to its successor */
  DGRAM__FRAME_DESCRIPTOR, /* one of the sockets, `number` more to come; or the error `status` */
  /* from the successor to the server */
  DGRAM__FRAME_CONFIRM, /* it listens on all of them */
  DGRAM__FRAME_KINDS
};

/* Members that a kind does not use are zero. */
struct dgram__frame {
  enum dgram__frame_kind kind;
  uint32_t number; /* of a request, counted by the worker; or of descriptors to come */
  int32_t status;  /* 0, or a negative code */
  int32_t fd;      /* a descriptor's number in the receiving process; 0: none */
  bool reuse_addr;
  bool ipv6_only;
  union dgram__address address; /* of either family, or AF_UNSPEC */
};

void dgram__frame_write(const struct dgram__frame *frame, unsigned char bytes[DGRAM__FRAME_SIZE]);

/* False if the bytes are of another version, or none that dgram__frame_write() writes. */
bool dgram__frame_read(struct dgram__frame *frame, const unsigned char bytes[DGRAM__FRAME_SIZE]);

#endif

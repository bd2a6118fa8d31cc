/*
 * The encoding of a frame; numbers are in network byte order.
 *
 *   0 version   1 kind   2 family (0, 4, 6)   3 flags   4 number   8 status   12 fd
 *   16 port   18 zero   20 zone   24 host: 4 bytes and zeros, or 16
 */
#include "frame.h"

#include <string.h>

enum {
  AT_VERSION = 0,
  AT_KIND = 1,
  AT_FAMILY = 2,
  AT_FLAGS = 3,
  AT_NUMBER = 4,
  AT_STATUS = 8,
  AT_FD = 12,
  AT_PORT = 16,
  AT_ZONE = 20,
  AT_HOST = 24,

  REUSE_ADDR = 1,
  IPV6_ONLY = 2
};

static void frame_put32(unsigned char *at, uint32_t number) {
  number = htonl(number);
  memcpy(at, &number, sizeof number);
}

static uint32_t frame_get32(const unsigned char *at) {
  uint32_t number;
  memcpy(&number, at, sizeof number);
  return ntohl(number);
}

/* AF_UNSPEC is all zeros. */
static void frame_write_address(const union dgram__address *address, unsigned char *bytes) {
  if (address->any.sa_family == AF_INET) {
    bytes[AT_FAMILY] = 4;
    memcpy(bytes + AT_PORT, &address->v4.sin_port, sizeof address->v4.sin_port);
    memcpy(bytes + AT_HOST, &address->v4.sin_addr, sizeof address->v4.sin_addr);
  } else if (address->any.sa_family == AF_INET6) {
    bytes[AT_FAMILY] = 6;
    memcpy(bytes + AT_PORT, &address->v6.sin6_port, sizeof address->v6.sin6_port);
    memcpy(bytes + AT_HOST, &address->v6.sin6_addr, sizeof address->v6.sin6_addr);
    frame_put32(bytes + AT_ZONE, address->v6.sin6_scope_id);
  }
}

static void frame_read_address(union dgram__address *address, const unsigned char *bytes) {
  if (bytes[AT_FAMILY] == 4) {
    address->v4.sin_family = AF_INET;
    memcpy(&address->v4.sin_port, bytes + AT_PORT, sizeof address->v4.sin_port);
    memcpy(&address->v4.sin_addr, bytes + AT_HOST, sizeof address->v4.sin_addr);
  } else if (bytes[AT_FAMILY] == 6) {
    address->v6.sin6_family = AF_INET6;
    memcpy(&address->v6.sin6_port, bytes + AT_PORT, sizeof address->v6.sin6_port);
    memcpy(&address->v6.sin6_addr, bytes + AT_HOST, sizeof address->v6.sin6_addr);
    address->v6.sin6_scope_id = frame_get32(bytes + AT_ZONE);
  }
}

void dgram__frame_write(const struct dgram__frame *frame, unsigned char bytes[DGRAM__FRAME_SIZE]) {
  memset(bytes, 0, DGRAM__FRAME_SIZE);
  bytes[AT_VERSION] = DGRAM__FRAME_VERSION;
  bytes[AT_KIND] = (unsigned char)frame->kind;
  bytes[AT_FLAGS] =
      (unsigned char)((frame->reuse_addr ? REUSE_ADDR : 0) | (frame->ipv6_only ? IPV6_ONLY : 0));
  frame_put32(bytes + AT_NUMBER, frame->number);
  frame_put32(bytes + AT_STATUS, (uint32_t)frame->status);
  frame_put32(bytes + AT_FD, (uint32_t)frame->fd);
  frame_write_address(&frame->address, bytes);
}

/* A frame that is not well formed differs from what its members encode to. */
bool dgram__frame_read(struct dgram__frame *frame, const unsigned char bytes[DGRAM__FRAME_SIZE]) {
  unsigned char encoded[DGRAM__FRAME_SIZE];
  *frame = (struct dgram__frame){.kind = bytes[AT_KIND],
                                 .number = frame_get32(bytes + AT_NUMBER),
                                 .status = (int32_t)frame_get32(bytes + AT_STATUS),
                                 .fd = (int32_t)frame_get32(bytes + AT_FD),
                                 .reuse_addr = (bytes[AT_FLAGS] & REUSE_ADDR) != 0,
                                 .ipv6_only = (bytes[AT_FLAGS] & IPV6_ONLY) != 0};
  frame_read_address(&frame->address, bytes);
  dgram__frame_write(frame, encoded);
  return memcmp(encoded, bytes, sizeof encoded) == 0 && frame->kind > 0 &&
         frame->kind < DGRAM__FRAME_KINDS && frame->status <= 0 && frame->fd >= 0;
}

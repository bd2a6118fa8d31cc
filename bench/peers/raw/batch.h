/* The arguments of sendmmsg(2) and recvmmsg(2), and operations on them. */
#ifndef BENCH_RAW_BATCH_H
#define BENCH_RAW_BATCH_H

#include "sockets.h"

#include <sys/uio.h>

enum {
  GSO_SEGMENTS = 64,  /* what every kernel with UDP_SEGMENT takes */
  GSO_BYTES = 65507,  /* the largest UDP payload on IPv4; limits a GSO batch too */
  SLOT_BYTES = 65536, /* the largest GRO buffer: a smaller one would truncate it */
  MAX_BATCH = 256
};

/* Room for one control message that holds an int or less, with the alignment that the kernel
 * requires. */
typedef union control {
  size_t align;
  char bytes[CMSG_SPACE(sizeof(int))];
} control_t;

/* The arguments of one system call: messages with `stride` bytes each, one after the other. */
typedef struct batch {
  struct mmsghdr messages[MAX_BATCH];
  struct iovec vectors[MAX_BATCH];
  control_t controls[MAX_BATCH];
  struct sockaddr_in names[MAX_BATCH];
  char *bytes;
  size_t stride;
  unsigned count;
} batch_t;

/* `bytes` is to be freed by free(). */
void batch_init(batch_t *batch, size_t count, size_t stride);

/* Sets the destination of every message. */
void batch_set_destination(batch_t *batch, struct sockaddr_in *to);

/* Sends all of the messages [0, count). */
void batch_send(int fd, batch_t *batch, unsigned count);

/* Sends `count` datagrams of a flow, whose numbers are `step` apart; returns the next number. */
uint64_t batch_send_flow(int fd, batch_t *batch, unsigned count, uint64_t sequence, uint64_t step);

/* Returns how many messages arrived; 0 after EAGAIN. If requested, `names` gets their senders. */
int batch_receive(int fd, batch_t *batch, bool names);

/* The size of the datagrams that were merged into the message; its own if none were. */
size_t batch_segment(struct mmsghdr *message);

static inline size_t smaller(size_t a, size_t b) {
  return a < b ? a : b;
}

#endif

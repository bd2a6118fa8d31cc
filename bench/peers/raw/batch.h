/* The arguments of sendmmsg(2) and recvmmsg(2), and what is done with them. */
#ifndef BENCH_RAW_BATCH_H
#define BENCH_RAW_BATCH_H

#include "sockets.h"

#include <sys/uio.h>

enum {
  GSO_SEGMENTS = 64,  /* what every kernel with UDP_SEGMENT takes */
  GSO_BYTES = 65507,  /* the largest UDP payload on IPv4; holds for a run too */
  SLOT_BYTES = 65536, /* the largest GRO run: less would cut it off */
  MAX_BATCH = 256
};

/* Room for one control message that holds an int or less, aligned as the kernel wants it. */
typedef union control {
  size_t align;
  char bytes[CMSG_SPACE(sizeof(int))];
} control_t;

/* The arguments of one system call: messages with `stride` bytes each, one behind the other. */
typedef struct batch {
  struct mmsghdr messages[MAX_BATCH];
  struct iovec vectors[MAX_BATCH];
  control_t controls[MAX_BATCH];
  struct sockaddr_in names[MAX_BATCH];
  char *bytes;
  size_t stride;
  unsigned count;
} batch_t;

/* One that ends by free(batch.bytes). */
void batch_init(batch_t *batch, size_t count, size_t stride);

/* Every message shall go to `to`. */
void batch_set_destination(batch_t *batch, struct sockaddr_in *to);

/* The messages [0, count) leave, all of them. */
void batch_send(int fd, batch_t *batch, unsigned count);

/* Sends `count` datagrams of a flow, whose numbers are `step` apart; returns the next number. */
uint64_t batch_send_flow(int fd, batch_t *batch, unsigned count, uint64_t sequence, uint64_t step);

/* How many messages came; 0 when there are none. Their senders are in `names` if asked for. */
int batch_receive(int fd, batch_t *batch, bool names);

/* The size of the datagrams that were merged into the message; its own if none were. */
size_t batch_segment(struct mmsghdr *message);

static inline size_t smaller(size_t a, size_t b) {
  return a < b ? a : b;
}

#endif

/*
 * Many datagrams a system call: an inbox with the headers of recvmmsg(2) behind it. Floor 1.
 */
#ifndef DGRAM_UDP_RECV_H
#define DGRAM_UDP_RECV_H

#include "cmsg.h"
#include "udp.h"
#include "mmsg.h"

/* The headers keep what does not change from one call to the next. */
struct dgram__rx_batch {
  struct dgram__rx_buffers inbox; /* first: a pointer to it is one to all */
  struct dgram__mmsghdr headers[DGRAM__RX_BUFFERS];
  struct iovec iov[DGRAM__RX_BUFFERS];
  struct dgram__cmsg_in controls[DGRAM__RX_BUFFERS];
};

/* As `inbox_init` and `recv` of a datapath whose inbox is a struct dgram__rx_batch. */
void dgram__rx_batch_init(struct dgram__rx_buffers *inbox);
int dgram__rx_batch_recv(struct dgram__udp *udp, struct dgram__rx_buffers *inbox, unsigned most);

#endif

/*
 * Many datagrams a system call: an inbox with the headers of recvmmsg(2) behind it. Floor 1.
 */
#ifndef DGRAM_ARRIVAL_H
#define DGRAM_ARRIVAL_H

#include "control.h"
#include "datapath.h"
#include "mmsg.h"

/* The headers keep what does not change from one call to the next. */
struct dgram__arrival {
  struct dgram__inbox inbox; /* first: a pointer to it is one to all */
  struct dgram__mmsghdr headers[DGRAM__SLOTS];
  struct iovec iov[DGRAM__SLOTS];
  struct dgram__control_in controls[DGRAM__SLOTS];
};

/* As `inbox_init` and `recv` of a datapath whose inbox is a struct dgram__arrival. */
void dgram__arrival_init(struct dgram__inbox *inbox);
int dgram__arrival_recv(struct dgram__path *path, struct dgram__inbox *inbox, unsigned most);

#endif

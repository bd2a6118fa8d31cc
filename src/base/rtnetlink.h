/*
 * The kernel's messages about interfaces and their addresses: rtnetlink(7), groups RTMGRP_LINK and
 * RTMGRP_*_IFADDR. Only what a list of interfaces read later does not show is read: which
 * interfaces were deleted, since another one may have their index by then.
 * Knows no descriptor.
 */
#ifndef DGRAM_RTNETLINK_H
#define DGRAM_RTNETLINK_H

#include <stdbool.h>
#include <stddef.h>

/* The messages of one datagram of netlink, as far as they have been read. */
struct dgram__rtnetlink_iter {
  const unsigned char *at; /* at any alignment */
  size_t left;             /* bytes */
};

/*
 * Reads up to the next interface that was deleted. Returns whether there is one, whose index, from
 * 1 on, is then in `index`. A message whose length is not in the datagram ends it; the last one may
 * be truncated behind its header.
 */
bool dgram__rtnetlink_next_deleted(struct dgram__rtnetlink_iter *messages, unsigned *index);

#endif

/*
 * What the hand-over and the primary of a cluster need of sockets whose descriptors they give away.
 */
#ifndef DGRAM_SHARING_H
#define DGRAM_SHARING_H

#include <uv.h>

/*
 * Another process is about to get this descriptor, too. If a socket of the loop has it, what the
 * socket has received is emitted now, and from now on it receives one datagram at a time, unless
 * its options say otherwise: what it has not emitted when it closes is left for the other process.
 */
void dgram__lend_descriptor(uv_loop_t *uv, int fd);

#endif

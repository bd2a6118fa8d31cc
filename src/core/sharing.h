/*
 * What the hand-over asks of sockets whose descriptors it gives away. Floor 2, for floor 3.
 */
#ifndef DGRAM_SHARING_H
#define DGRAM_SHARING_H

#include <uv.h>

/*
 * Another process is about to get the descriptor of this number, too. If it is that of a socket of
 * the loop, what the socket has received is told now, and from now on it takes one datagram at a
 * time, unless its options say otherwise: what it has not told when it closes is there for the
 * other.
 */
void dgram__lend_descriptor(uv_loop_t *uv, int fd);

#endif

/*
 * What the kernel tells about a received buffer beyond its bytes and sender: the socket options
 * that have it tell that, and the control messages that it does so by. udp(7), ip(7), ipv6(7),
 * socket(7), RFC 3542, section 6.
 */
#ifndef DGRAM_RX_INFO_H
#define DGRAM_RX_INFO_H

#include <net/if.h>
#include <stdint.h>
#include <sys/socket.h>

#include "address.h"

/* The info of a buffer. It may be copied: what a program is shown points into it only then. */
struct dgram__rx_info {
  dgram_info_t facts; /* first, since a program has a pointer to it; see dgram__rx_info_show() */
  unsigned asked;     /* DGRAM_INFO_... that the program asked for; 0: none, the rest is unset */
  unsigned interface_index;         /* also where only the destination was asked for; 0: unknown */
  union dgram__address destination; /* AF_UNSPEC: unknown */
  union dgram__address local;       /* likewise */
  char interface_name[IF_NAMESIZE]; /* made when a program asks */
};

/*
 * Has the kernel tell what the flags DGRAM_INFO_... ask for, of a socket of this family. Returns 0,
 * UV_ENOTSUP: the system has no such option, or the error of setsockopt(2).
 */
int dgram__rx_info_ask(int fd, int family, unsigned asked);

/*
 * Reads the control messages and flags of a received message; `asked` is not 0. The family is the
 * socket's, and `port` is its own.
 */
void dgram__rx_info_read(struct dgram__rx_info *info, const struct msghdr *message, unsigned asked,
                         int family, int port);

/* What a program is shown of it. */
const dgram_info_t *dgram__rx_info_show(struct dgram__rx_info *info);

#endif

/* FreeBSD 14: see bsd.h. */
#include "bsd.h"

#undef IP_PKTINFO
#undef SO_DOMAIN
#define SO_DOMAIN 0x1019

struct mmsghdr {
  struct msghdr msg_hdr;
  ssize_t msg_len;
};

int accept4(int fd, struct sockaddr *address, socklen_t *length, int flags);
ssize_t sendmmsg(int fd, struct mmsghdr *messages, size_t count, int flags);

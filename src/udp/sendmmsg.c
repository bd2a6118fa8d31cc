#include "udp_send.h"

#ifndef dgram__sendmmsg

#include <sys/syscall.h>
#include <unistd.h>

int dgram__sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags) {
  return (int)syscall(SYS_sendmmsg, fd, messages, count, flags);
}

#endif

/*
 * sendmmsg(2) and recvmmsg(2): the system calls where there are such, else loops over sendmsg(2)
 * and recvmsg(2). A system call that exists may still be refused when it is made, by a seccomp
 * filter for instance; that is found out then, and remembered for the socket. Floor 1.
 */
#ifndef DGRAM_MMSG_H
#define DGRAM_MMSG_H

#include "udp.h"

#if DGRAM__HAS_SENDMMSG || DGRAM__HAS_RECVMMSG
#define dgram__mmsghdr mmsghdr
#else
struct dgram__mmsghdr {
  struct msghdr msg_hdr;
  unsigned msg_len; /* bytes moved */
};
#endif

/*
 * Sends one message. Returns 0 or an error. It never blocks, though other holders of the system
 * socket may make that blocking (MSG_DONTWAIT).
 */
int dgram__send_message(int fd, const struct msghdr *message);

/*
 * Sends the first of `count` (>= 1) messages, and as many after it as the system takes. Returns how
 * many left, or the error of the first.
 */
int dgram__send_messages(struct dgram__udp *udp, struct dgram__mmsghdr headers[], unsigned count);

/*
 * Fills up to `count` messages. Returns how many, or an error. An error behind a message is kept in
 * path->deferred_receive_error: the system reports it only once.
 */
int dgram__receive_messages(struct dgram__udp *udp, struct dgram__mmsghdr headers[],
                            unsigned count);

#endif

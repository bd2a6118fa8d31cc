/*
 * What the two senders share: udp_send.c, of plain datagrams, and udp_send_with.c, of datagrams
 * with options.
 */
#ifndef DGRAM_UDP_SEND_H
#define DGRAM_UDP_SEND_H

#include "udp.h"

enum { DGRAM__SINGLE_MESSAGE_CALLS = 16 /* after one that was cut short */ };

/* What a message may carry on this socket; the first call asks the kernel for GSO. */
struct dgram__gso_limits dgram__udp_gso_limits(struct dgram__udp *udp);

/* The limits for a destination, where segments were refused to some. */
struct dgram__gso_limits dgram__udp_gso_limits_to(const struct dgram__udp *udp,
                                                  const struct dgram__gso_limits *limits,
                                                  const union dgram__address *to);

/*
 * Whether the error may be that of a segmented message. EIO: the device can't compute checksums.
 * EINVAL, EMSGSIZE: a segment is over the path's MTU, where the same datagram by itself would leave
 * in fragments.
 */
static inline bool dgram__udp_is_refusal(int err) {
  return err == UV_EIO || err == UV_EINVAL || err == UV_EMSGSIZE;
}

/* Remembers that segments larger than `largest` were refused, for a while; as memory allows. */
void dgram__udp_gso_refused(struct dgram__udp *udp, const union dgram__address *to,
                            uint32_t largest);

/*
 * sendmmsg does not return an error once something has left. On a connected socket that may be the
 * ICMP error of an earlier datagram, which the system reports only once; so for a while after a
 * call that was cut short every call has one message, and the next such error is not lost. This is
 * how many messages the next call may have.
 */
static inline unsigned dgram__udp_take_most(struct dgram__udp *udp) {
  if (udp->single_message_calls == 0)
    return udp->capabilities.max_tx_batch;
  udp->single_message_calls--;
  return 1;
}

/*
 * sendmmsg(2). Other C libraries of Linux than glibc have it as a loop of sendmsg(2), as musl does,
 * since their `struct msghdr` has padding where the kernel's lengths are wider. There the system
 * call itself is made: that padding is 0 in all of our messages, whose structs are initialised.
 */
#if DGRAM__HAS_SENDMMSG && defined(__linux__) && !defined(__GLIBC__)
int dgram__sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags);
#else
#define dgram__sendmmsg sendmmsg
#endif

/* sendmmsg(2), or sendmsg(2) of the first. Returns how many have left, or the first one's error. */
int dgram__udp_send_messages(struct dgram__udp *udp, struct dgram__mmsghdr *messages,
                             unsigned count);

#endif

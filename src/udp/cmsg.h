/*
 * Control messages (cmsg(3)): written into and read from buffers whose bounds are checked.
 * Makes no system call.
 */
#ifndef DGRAM_CMSG_H
#define DGRAM_CMSG_H

#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdint.h>
#include <sys/socket.h>

/* Older C libraries lack the names; the numbers are the kernel's. */
#ifndef SOL_UDP
#define SOL_UDP 17
#endif
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

/*
 * The control messages of a received buffer, in the order of Linux. The library needs UDP_GRO only,
 * but the maker of a socket that is taken over may have asked for all of them. An IPv4 datagram at
 * an IPv6 socket has the most. Left out are those of any length, which come after UDP_GRO: security
 * labels (IP_PASSSEC), extension headers of IPv6.
 */
enum {
  DGRAM__CMSG_ROOM =
      CMSG_SPACE(16) + CMSG_SPACE(48)       /* SO_TIMESTAMP or SO_TIMESTAMPNS; SO_TIMESTAMPING, */
      + CMSG_SPACE(16)                      /* with SOF_TIMESTAMPING_OPT_PKTINFO */
      + 3 * CMSG_SPACE(4)                   /* SO_RXQ_OVFL, SO_RCVMARK, SO_RCVPRIORITY */
      + CMSG_SPACE(sizeof(int))             /* UDP_GRO */
      + CMSG_SPACE(20) + CMSG_SPACE(12)     /* IPV6_RECVPKTINFO, IP_PKTINFO */
      + CMSG_SPACE(4) + CMSG_SPACE(1)       /* IP_RECVTTL, IP_RECVTOS */
      + 2 * CMSG_SPACE(40)                  /* IP_RECVOPTS, IP_RETOPTS */
      + CMSG_SPACE(16) + 2 * CMSG_SPACE(4), /* IP_RECVORIGDSTADDR, IP_CHECKSUM, IP_RECVFRAGSIZE */
};

/* Room for that, aligned as the CMSG_ macros want it. */
struct dgram__cmsg_in {
  _Alignas(struct cmsghdr) char bytes[DGRAM__CMSG_ROOM];
};

/* Room for what a segmented send takes along. */
struct dgram__cmsg_out {
  _Alignas(struct cmsghdr) char bytes[CMSG_SPACE(sizeof(uint16_t))];
};

/*
 * The bytes of data of a control message that lie in the message's buffer: what the kernel has
 * written, unless it had no room for all of it.
 */
static inline size_t dgram__cmsg_size(const struct msghdr *message, const struct cmsghdr *at) {
  size_t room =
      (size_t)((const char *)message->msg_control + message->msg_controllen - (const char *)at);
  size_t length = at->cmsg_len < room ? at->cmsg_len : room;
  return length > CMSG_LEN(0) ? length - CMSG_LEN(0) : 0;
}

/* Lets `message` be cut into datagrams of `segment` bytes; `control` holds the request. */
void dgram__cmsg_set_segment(struct msghdr *message, struct dgram__cmsg_out *control,
                             uint16_t segment);

/*
 * The size of the datagrams of which a received buffer was made: 0 when it is one datagram,
 * UV_EMSGSIZE when control messages were cut off and what is left of them does not say.
 */
int dgram__cmsg_segment(const struct msghdr *message);

#endif

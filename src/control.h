/*
 * Control messages (cmsg(3)): written into and read from buffers whose bounds are checked.
 * Floor 0: makes no system call.
 */
#ifndef DGRAM_CONTROL_H
#define DGRAM_CONTROL_H

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

/* Room for what a received buffer brings along, aligned as the CMSG_ macros want it. */
struct dgram__control_in {
  _Alignas(struct cmsghdr) char bytes[CMSG_SPACE(sizeof(int))];
};

/* Room for what a segmented send takes along. */
struct dgram__control_out {
  _Alignas(struct cmsghdr) char bytes[CMSG_SPACE(sizeof(uint16_t))];
};

/* Lets `message` be cut into datagrams of `segment` bytes; `control` holds the request. */
void dgram__control_set_segment(struct msghdr *message, struct dgram__control_out *control,
                                uint16_t segment);

/*
 * The size of the datagrams of which a received buffer was made: 0 when it is one datagram,
 * UV_EMSGSIZE when it can't be known because the control message was cut off.
 */
int dgram__control_segment(const struct msghdr *message);

#endif

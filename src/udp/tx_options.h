/*
 * What one datagram is sent with besides its destination, and the control messages that say so to
 * the kernel: ip(7), ipv6(7), udp(7), RFC 3542.
 * Makes no system call.
 */
#ifndef DGRAM_TX_OPTIONS_H
#define DGRAM_TX_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "address.h"

/* Whether the kernel has these control messages; elsewhere only `segment_size` is offered. */
#ifdef __linux__
#define DGRAM__HAS_TX_CMSGS 1
#else
#define DGRAM__HAS_TX_CMSGS 0
#endif

struct dgram__tx_options {
  union dgram__address source; /* port 0; AF_UNSPEC: none */
  uint64_t departure_ns;       /* 0: none */
  unsigned interface_index;    /* 0: none */
  uint32_t segment_size;       /* 0: one datagram; else it leaves as several of this size */
  int16_t ttl;                 /* 1 to 255; -1: the socket's */
  int16_t tos;                 /* 0 to 255; -1: the socket's */
  int16_t dont_fragment;       /* 0 or 1; -1: the socket's */
  size_t sent;                 /* bytes that have left, of a message that leaves as several */
};

/* Room for the control messages of one message, aligned as the CMSG_ macros want it. */
struct dgram__cmsg_options {
  _Alignas(struct cmsghdr) char bytes[CMSG_SPACE(20) /* IPV6_PKTINFO, or IP_PKTINFO */
                                      + 3 * CMSG_SPACE(sizeof(int))    /* TTL, TOS, IPV6_DONTFRAG */
                                      + CMSG_SPACE(sizeof(uint64_t))   /* SCM_TXTIME */
                                      + CMSG_SPACE(sizeof(uint16_t))]; /* UDP_SEGMENT */
};

/* Whether datagrams with these options may share a message. NULL: none. */
bool dgram__tx_options_equal(const struct dgram__tx_options *a, const struct dgram__tx_options *b);

/*
 * Whether datagrams to the address leave as IPv4; on a udp6 socket so do those to an IPv4-mapped
 * one.
 */
bool dgram__tx_options_is_ipv4(const union dgram__address *to);

/*
 * Writes the control messages of a message into `control`, for the kernel to read. `options` NULL:
 * there are none. `segment`: the size of its datagrams, 0: it is one.
 */
void dgram__tx_options_write(struct msghdr *message, struct dgram__cmsg_options *control,
                             const struct dgram__tx_options *options,
                             const union dgram__address *to, uint16_t segment);

#endif

/*
 * The error queue of a system socket (IP_RECVERR, ip(7)): ICMP errors about datagrams that were
 * sent, with their destination; and the MTU of a path. Linux only; elsewhere the queue is always
 * empty. Knows neither libuv's loop nor the socket.
 */
#ifndef DGRAM_ERROR_QUEUE_H
#define DGRAM_ERROR_QUEUE_H

#include <stdbool.h>
#include <sys/socket.h>

#include "address.h"

/* An ICMP error. */
struct dgram__icmp_error {
  union dgram__address peer;     /* where the datagram was sent to; AF_UNSPEC: unknown */
  union dgram__address reporter; /* who sent the message, port 0; AF_UNSPEC: unknown */
  int family;                    /* AF_INET: ICMP, AF_INET6: ICMPv6 */
  int type;
  int code;
  int mtu;   /* of "fragmentation needed" and "packet too big"; 0: unknown */
  int error; /* UV_E*: what the kernel makes of it */
};

/* What one read of the queue has found. */
enum dgram__queued {
  DGRAM__QUEUED_NOTHING, /* the queue is empty, or cannot be read */
  DGRAM__QUEUED_ICMP,
  DGRAM__QUEUED_OTHER /* an error of this host, a timestamp of a send, ... */
};

/* Reads a message of the queue: what its control messages say. Makes no system call. */
enum dgram__queued dgram__error_queue_parse(const struct msghdr *message,
                                            struct dgram__icmp_error *icmp);

/* Takes the first message of the queue. */
enum dgram__queued dgram__error_queue_take(int fd, struct dgram__icmp_error *icmp);

/* What the message means, by its type and code. */
dgram_icmp_kind_t dgram__icmp_kind(int family, int type, int code);

/* Which of IP_RECVERR and IPV6_RECVERR are set. */
enum {
  DGRAM__RECVERR_V4 = 1,
  DGRAM__RECVERR_V6 = 2 /* only of a socket of AF_INET6 */
};

unsigned dgram__recverr_read(int fd, int family);

/* Sets what `wanted` has of the two, and clears the other. Returns 0, or an error and changes
 * nothing. */
int dgram__recverr_write(int fd, int family, unsigned wanted);

#endif

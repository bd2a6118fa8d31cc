/*
 * What FreeBSD and macOS have in common: included before each source that tests/foreign/compile.sh
 * compiles. The headers are Linux's; without _GNU_SOURCE they declare little that others lack. What
 * is left of that is undefined here, so that `#ifdef` takes the branch of those systems, and what
 * they have besides is declared.
 */
#ifndef TESTS_FOREIGN_BSD_H
#define TESTS_FOREIGN_BSD_H

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/types.h>

int issetugid(void);
int getpeereid(int fd, uid_t *uid, gid_t *gid);

#define AF_LINK 18

#undef AF_PACKET
#undef ENONET
#undef IPV6_ADD_MEMBERSHIP
#undef IPV6_DROP_MEMBERSHIP
#undef IPV6_FREEBIND
#undef IPV6_MTU
#undef IPV6_MTU_DISCOVER
#undef IPV6_MULTICAST_ALL
#undef IPV6_RECVERR
#undef IP_BIND_ADDRESS_NO_PORT
#undef IP_FREEBIND
#undef IP_LOCAL_PORT_RANGE
#undef IP_MTU
#undef IP_MTU_DISCOVER
#undef IP_MULTICAST_ALL
#undef IP_RECVERR
#undef IP_TRANSPARENT
#undef MADV_HUGEPAGE
#undef MSG_ERRQUEUE
#undef RENAME_NOREPLACE
#undef SOL_UDP
#undef SO_ATTACH_REUSEPORT_CBPF
#undef SO_BINDTODEVICE
#undef SO_BUSY_POLL
#undef SO_INCOMING_CPU
#undef SO_MARK
#undef SO_MEMINFO
#undef SO_PRIORITY
#undef SO_RCVBUFFORCE
#undef SO_RXQ_OVFL
#undef SO_SNDBUFFORCE
#undef SO_TIMESTAMPING
#undef SO_TIMESTAMPNS
#undef SO_TXTIME
#undef UDP_GRO
#undef UDP_SEGMENT

#endif

/*
 * What goes over an interface, as a packet socket of the test sees it; and the reports of multicast
 * membership in it: IGMP version 3 (RFC 3376, 4.2) and MLD version 2 (RFC 3810, 5.2).
 */
#ifndef TESTS_LIB_PACKETS_H
#define TESTS_LIB_PACKETS_H

#include "lib/hosts.h"

/*
 * From now on this socket has what comes in by the interface; each packet begins with IP. It is
 * closed with the hosts.
 */
int tap(const char *interface);

struct packet {
  uint8_t bytes[2048]; /* its beginning */
  size_t size;         /* all of it */
};

/* Takes the next packet that came in. Returns false if there is none (yet). */
int take_packet(int fd, struct packet *packet);

/* ---- what a packet is ---- */

enum { IGMP = 2, UDP = 17, ICMPV6 = 58 };

int is_v4(const struct packet *packet);

/* What follows IP's header, for packets without other headers between. */
int protocol_of(const struct packet *packet);

/* Waits for a UDP datagram. Returns how many hops it may still travel. */
int wait_for_udp_hops(int fd);

void wait_for_time_exceeded(int fd);

void wait_for_unreachable(int fd);

void wait_for_too_big(int fd);

/* ---- reports of membership ---- */

/* Types of records; they are the same in both protocols. */
enum {
  NOW_ONLY_FROM = 3,    /* CHANGE_TO_INCLUDE_MODE: these sources; without any: left */
  NOW_ALL_BUT_FROM = 4, /* CHANGE_TO_EXCLUDE_MODE: without any: joined */
  NOW_ALSO_FROM = 5,    /* ALLOW_NEW_SOURCES */
  NO_MORE_FROM = 6      /* BLOCK_OLD_SOURCES */
};

/* Whether the packet has a record of this type about the group and the source, or no source. */
int reports(const struct packet *packet, int type, const char *group, const char *source);

/* Waits until this is reported; what else goes over the wire does not matter. */
void wait_for_report(int fd, int type, const char *group, const char *source);

#endif

/*
 * Packets as anybody on the way can make them, sent by a raw socket (raw(7)): datagrams from any
 * source, and ICMP messages about any datagram. Used by tests and by bench/hostile.c, so it depends
 * on nothing else.
 */
#ifndef TESTS_LIB_FORGE_H
#define TESTS_LIB_FORGE_H

#include <stddef.h>
#include <stdint.h>

enum {
  FORGED_MOST = 2048, /* bytes of a packet */
  FORGED_WHOLE = FORGED_MOST
};

struct forged_end {
  int family; /* AF_INET or AF_INET6 */
  uint8_t address[16];
  uint16_t port;
};

struct forged {
  int family;
  uint8_t bytes[FORGED_MOST]; /* from the IP header on */
  size_t size;
};

/* An ICMP or ICMPv6 message (RFC 792, RFC 4443). */
struct forged_icmp {
  uint8_t type;
  uint8_t code;
  uint32_t rest;      /* bytes 4 to 7: an MTU, a pointer, an identifier */
  size_t quote_bytes; /* of the quoted packet, at most; FORGED_WHOLE: all */
  int wrong_checksum;
};

/* Returns a socket that sends forged packets of the family, or -1 with errno. */
int forge_socket(int family);

/* The address is numeric. Returns an end whose family is 0 if it is not. */
struct forged_end forge_end(const char *address, uint16_t port);

/* Makes a UDP datagram of up to 1,400 bytes of payload. */
void forge_udp(struct forged *packet, const struct forged_end *from, const struct forged_end *to,
               const void *payload, size_t size);

/* Makes an ICMP message that quotes the beginning of a packet. */
void forge_icmp(struct forged *packet, const struct forged_end *from, const struct forged_end *to,
                const struct forged_icmp *icmp, const struct forged *quoted);

/* Sends the packet to the destination in its header. Returns 0, or -1 with errno. */
int forge_send(int fd, const struct forged *packet);

#endif

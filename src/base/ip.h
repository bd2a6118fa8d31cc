/*
 * The IP address of an endpoint as a number of 128 bits, and blocks of them: for lists of addresses
 * and for limits by source. An IPv4 address is the IPv4-mapped one (::ffff:a.b.c.d, RFC 4291,
 * 2.5.5.2), so that a datagram is the same to them on a udp4 and on a udp6 socket. Zones and ports
 * are not part of it.
 */
#ifndef DGRAM_IP_H
#define DGRAM_IP_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "address.h"

enum {
  DGRAM__IP_BITS = 128,
  DGRAM__IP_MAPPED_BITS = 96 /* of ::ffff:0:0/96, in front of an IPv4 address */
};

struct dgram__ip {
  uint64_t high;
  uint64_t low;
};

/* The addresses whose first `bits` bits are those of `ip`; the others are zero there. */
struct dgram__ip_block {
  struct dgram__ip ip;
  unsigned bits; /* 0 to 128 */
};

static inline uint64_t dgram__ip_read(const unsigned char bytes[8]) {
  uint32_t halves[2];
  memcpy(halves, bytes, sizeof halves);
  return (uint64_t)ntohl(halves[0]) << 32 | ntohl(halves[1]);
}

/* Of an address of either family. */
static inline struct dgram__ip dgram__ip_of(const union dgram__address *address) {
  if (address->any.sa_family == AF_INET)
    return (struct dgram__ip){0, UINT64_C(0xffff) << 32 | ntohl(address->v4.sin_addr.s_addr)};
  const unsigned char *bytes = address->v6.sin6_addr.s6_addr;
  return (struct dgram__ip){dgram__ip_read(bytes), dgram__ip_read(bytes + 8)};
}

/*
 * Of a program's address, which may be unaligned. False: it is of neither family. It is not copied
 * first: the wide loads of a copy would stall behind the narrow stores of a program that has just
 * written the address. That takes 15 ns, in which no later look-up begins, either.
 */
static inline bool dgram__ip_of_sockaddr(const struct sockaddr *from, struct dgram__ip *ip) {
  const unsigned char *bytes = (const unsigned char *)from;
  uint32_t v4;
  switch (dgram__sockaddr_family(from)) {
  case AF_INET:
    memcpy(&v4, bytes + offsetof(struct sockaddr_in, sin_addr), sizeof v4);
    *ip = (struct dgram__ip){0, UINT64_C(0xffff) << 32 | ntohl(v4)};
    return true;
  case AF_INET6:
    bytes += offsetof(struct sockaddr_in6, sin6_addr);
    *ip = (struct dgram__ip){dgram__ip_read(bytes), dgram__ip_read(bytes + 8)};
    return true;
  default:
    return false;
  }
}

static inline bool dgram__ip_is_v4(struct dgram__ip ip) {
  return ip.high == 0 && ip.low >> 32 == 0xffff;
}

static inline bool dgram__ip_equal(struct dgram__ip a, struct dgram__ip b) {
  return a.high == b.high && a.low == b.low;
}

static inline bool dgram__ip_is_less(struct dgram__ip a, struct dgram__ip b) {
  return a.high < b.high || (a.high == b.high && a.low < b.low);
}

/* The first `bits` bits set, the others not. */
static inline struct dgram__ip dgram__ip_mask(unsigned bits) {
  if (bits == 0)
    return (struct dgram__ip){0, 0};
  if (bits <= 64)
    return (struct dgram__ip){UINT64_MAX << (64 - bits), 0};
  return (struct dgram__ip){UINT64_MAX, UINT64_MAX << (DGRAM__IP_BITS - bits)};
}

static inline struct dgram__ip_block dgram__ip_block_of(struct dgram__ip ip, unsigned bits) {
  struct dgram__ip mask = dgram__ip_mask(bits);
  return (struct dgram__ip_block){{ip.high & mask.high, ip.low & mask.low}, bits};
}

/* Whether the first `bits` bits of two addresses are the same. */
static inline bool dgram__ip_share(struct dgram__ip a, struct dgram__ip b, unsigned bits) {
  if (bits == 0)
    return true;
  if (bits <= 64)
    return (a.high ^ b.high) >> (64 - bits) == 0;
  return a.high == b.high && (a.low ^ b.low) >> (DGRAM__IP_BITS - bits) == 0;
}

/* The octet at 0 to 15, counted from the first. */
static inline unsigned dgram__ip_octet(struct dgram__ip ip, unsigned at) {
  uint64_t half = at < 8 ? ip.high : ip.low;
  return (unsigned)(half >> (56 - 8 * (at & 7))) & 0xff;
}

#endif

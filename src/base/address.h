/*
 * Addresses of the two families: parse, write, compare, classify. Other files rarely distinguish
 * them. Knows no socket and no name service.
 */
#ifndef DGRAM_ADDRESS_H
#define DGRAM_ADDRESS_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include <dgram.h>

/* An address and port of either family, or AF_UNSPEC: none. Unused bytes are zero, since the kernel
 * may read them. */
union dgram__address {
  struct sockaddr any;
  struct sockaddr_in v4;
  struct sockaddr_in6 v6;
};

/* No address: of a datagram of a connected socket. To connect(2) to it is to disconnect. */
extern const union dgram__address dgram__address_unspec;

/* ---- inline, since each datagram needs them ---- */

/* AF_INET or AF_INET6. */
static inline int dgram__family(dgram_type_t type) {
  return type == DGRAM_UDP4 ? AF_INET : AF_INET6;
}

/* "IPv4" or "IPv6". */
static inline const char *dgram__family_name(int family) {
  return family == AF_INET ? "IPv4" : "IPv6";
}

static inline int dgram__address_port(const union dgram__address *address) {
  return ntohs(address->any.sa_family == AF_INET ? address->v4.sin_port : address->v6.sin6_port);
}

/* The length to pass to system calls; 0 for AF_UNSPEC. */
static inline socklen_t dgram__address_length(const union dgram__address *address) {
  switch (address->any.sa_family) {
  case AF_INET:
    return sizeof address->v4;
  case AF_INET6:
    return sizeof address->v6;
  default:
    return 0;
  }
}

static inline bool dgram__address_equal(const union dgram__address *a,
                                        const union dgram__address *b) {
  if (a->any.sa_family != b->any.sa_family)
    return false;
  if (a->any.sa_family == AF_UNSPEC)
    return true;
  if (a->any.sa_family == AF_INET)
    return a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr && a->v4.sin_port == b->v4.sin_port;
  return IN6_ARE_ADDR_EQUAL(&a->v6.sin6_addr, &b->v6.sin6_addr) &&
         a->v6.sin6_port == b->v6.sin6_port && a->v6.sin6_scope_id == b->v6.sin6_scope_id;
}

/*
 * The same with the IPv6 flow label: whether datagrams to both may share a GSO batch. The first 8
 * bytes are the family, the port, and the address of IPv4 or the flow label: one comparison.
 */
static inline bool dgram__address_same(const union dgram__address *a,
                                       const union dgram__address *b) {
  uint64_t begin_a;
  uint64_t begin_b;
  if (a->any.sa_family == AF_UNSPEC)
    return b->any.sa_family == AF_UNSPEC;
  memcpy(&begin_a, a, sizeof begin_a);
  memcpy(&begin_b, b, sizeof begin_b);
  if (begin_a != begin_b)
    return false;
  if (a->any.sa_family == AF_INET)
    return true;
  return IN6_ARE_ADDR_EQUAL(&a->v6.sin6_addr, &b->v6.sin6_addr) &&
         a->v6.sin6_scope_id == b->v6.sin6_scope_id;
}

/* The family of a program's address, which may be unaligned. */
static inline int dgram__sockaddr_family(const struct sockaddr *address) {
  sa_family_t family;
  memcpy(&family, (const char *)address + offsetof(struct sockaddr, sa_family), sizeof family);
  return family;
}

/* Its port. */
static inline int dgram__sockaddr_port(const struct sockaddr *address) {
  in_port_t port;
  _Static_assert(offsetof(struct sockaddr_in, sin_port) == offsetof(struct sockaddr_in6, sin6_port),
                 "the port of both families has one offset");
  memcpy(&port, (const char *)address + offsetof(struct sockaddr_in, sin_port), sizeof port);
  return ntohs(port);
}

/* Copies a program's address, which may be unaligned. False, and `address` untouched, for one of
 * neither family. */
static inline bool dgram__address_copy(union dgram__address *address, const struct sockaddr *from) {
  union dgram__address copy = {.any.sa_family = AF_UNSPEC};
  switch (dgram__sockaddr_family(from)) {
  case AF_INET:
    memcpy(&copy.v4, (const char *)from, sizeof copy.v4);
    memset(copy.v4.sin_zero, 0, sizeof copy.v4.sin_zero);
    break;
  case AF_INET6:
    memcpy(&copy.v6, (const char *)from, sizeof copy.v6);
    break;
  default:
    return false;
  }
  *address = copy;
  return true;
}

/* ---- parse, write, change, classify ---- */

/* The unspecified address (0.0.0.0, ::) of a family, with a port. */
void dgram__address_any(union dgram__address *address, int family, int port);

/* The loopback address (127.0.0.1, ::1) of a family, with a port. */
void dgram__address_loopback(union dgram__address *address, int family, int port);

/*
 * Parses a numeric address of either family, IPv6 with an optional zone, by name or number
 * ("fe80::1%eth0", "fe80::1%2"). A zone that names no interface is scope 0, none, as with libuv;
 * the kernel decides what that means. False, and `address` untouched, if the text is no address.
 */
bool dgram__address_parse(union dgram__address *address, const char *text, int port);

/*
 * The same for a text that may also be a host name. It is an address if Node.js takes it for one,
 * by the characters of its zone, or if its zone names an interface; "::1%" is a host name.
 */
bool dgram__address_parse_literal(union dgram__address *address, const char *text, int port);

/* A network interface of multicast calls. All zero but `family`: the kernel chooses it. */
struct dgram__interface {
  int family;             /* of the address that it was given by, or else as passed */
  struct in_addr address; /* if it was given by an IPv4 address */
  unsigned index;
};

/*
 * Parses an interface: its IPv4 address, an IPv6 address with its zone, or its name or number,
 * which goes with the given family. False if it is none of these.
 */
bool dgram__interface_parse(struct dgram__interface *interface, const char *text, int family);

/* Writes the address without its port, and with its zone if it is link-local. */
void dgram__address_text(const union dgram__address *address, char text[DGRAM_ADDRESS_TEXT]);

/* The same, with family and port, for a program. */
void dgram__address_describe(const union dgram__address *address, dgram_address_t *described);

void dgram__address_set_port(union dgram__address *address, int port);

/* Copies an address of either family, but keeps the port. */
void dgram__address_set_host(union dgram__address *address, const union dgram__address *host);

/* Whether it is the unspecified address of its family, whatever the port. */
bool dgram__address_is_any(const union dgram__address *address);

bool dgram__address_is_multicast(const union dgram__address *address);

/* Zeroes the bytes after an address of this length, which the kernel has written. */
void dgram__address_trim(union dgram__address *address, socklen_t length);

#endif

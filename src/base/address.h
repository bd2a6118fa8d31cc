/*
 * Addresses: read, write, compare, measure. The only place that knows IPv4 from IPv6.
 * Floor 0: knows no socket and no name service.
 */
#ifndef DGRAM_ADDRESS_H
#define DGRAM_ADDRESS_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include <dgram.h>

/* An address and port of either family, or AF_UNSPEC: none. Unused bytes are zero: the kernel may
 * look at them. */
union dgram__address {
  struct sockaddr any;
  struct sockaddr_in v4;
  struct sockaddr_in6 v6;
};

/*
 * AF_UNSPEC: no address. A connected socket's datagrams have it; to connect to it is to disconnect.
 */
extern const union dgram__address dgram__address_unspec;

/* ---- what is asked of each datagram: too little to call a function for ---- */

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

/* The length that system calls want: that of the address's own family; 0 for none. */
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

/* Whether a datagram to `a` is treated by the network as one to `b`: flow labels count, too. */
static inline bool dgram__address_same(const union dgram__address *a,
                                       const union dgram__address *b) {
  return dgram__address_equal(a, b) &&
         (a->any.sa_family != AF_INET6 || a->v6.sin6_flowinfo == b->v6.sin6_flowinfo);
}

/* The family of a program's address, which may lie at an odd place in memory. */
static inline int dgram__sockaddr_family(const struct sockaddr *address) {
  sa_family_t family;
  memcpy(&family, (const char *)address + offsetof(struct sockaddr, sa_family), sizeof family);
  return family;
}

/* Its port: it stands at the same place in both families. */
static inline int dgram__sockaddr_port(const struct sockaddr *address) {
  in_port_t port;
  _Static_assert(offsetof(struct sockaddr_in, sin_port) == offsetof(struct sockaddr_in6, sin6_port),
                 "one place for both");
  memcpy(&port, (const char *)address + offsetof(struct sockaddr_in, sin_port), sizeof port);
  return ntohs(port);
}

/*
 * Copies a program's address, which may lie at an odd place in memory. False, and `address`
 * untouched, for one that is of neither family.
 */
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

/* ---- read, write, change ---- */

/* All interfaces (0.0.0.0, ::) of a family, with a port. */
void dgram__address_any(union dgram__address *address, int family, int port);

/* This host (127.0.0.1, ::1) in a family, with a port. */
void dgram__address_loopback(union dgram__address *address, int family, int port);

/*
 * Reads a numeric address of either family, IPv6 with an optional zone, by name or number
 * ("fe80::1%eth0", "fe80::1%2"). A zone that names no interface is scope 0, none, as with libuv:
 * what that means for the address is the kernel's to say. False, and `address` untouched, if the
 * text is no address.
 */
bool dgram__address_parse(union dgram__address *address, const char *text, int port);

/*
 * The same for a text that may be a host name as well. It is an address where Node.js takes it for
 * one, by how its zone is written, or where its zone names an interface; "::1%" is looked up.
 */
bool dgram__address_parse_literal(union dgram__address *address, const char *text, int port);

/* A network interface, as multicast calls name it. All zero but `family`: the system's choice. */
struct dgram__interface {
  int family;             /* of the address that named it; else as asked */
  struct in_addr address; /* IPv4, if it was named so */
  unsigned index;
};

/*
 * Reads an interface: an IPv4 address of its own, an IPv6 address with its zone, or a name or
 * number, which goes with the given family. False if it is none of these.
 */
bool dgram__interface_parse(struct dgram__interface *interface, const char *text, int family);

/* Writes the address without its port, and with its zone if it is link-local. */
void dgram__address_text(const union dgram__address *address, char text[DGRAM_ADDRESS_TEXT]);

/* The same, with family and port, as a program sees it. */
void dgram__address_describe(const union dgram__address *address, dgram_address_t *described);

void dgram__address_set_port(union dgram__address *address, int port);

/* Takes another address in, of either family, but keeps the port. */
void dgram__address_set_host(union dgram__address *address, const union dgram__address *host);

/* Zeroes what is beyond an address of this length, which the kernel has written. */
void dgram__address_trim(union dgram__address *address, socklen_t length);

#endif

#include "address.h"

#include <arpa/inet.h>
#include <limits.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const union dgram__address dgram__address_unspec;

void dgram__address_any(union dgram__address *address, int family, int port) {
  memset(address, 0, sizeof *address);
  address->any.sa_family = (sa_family_t)family;
  dgram__address_set_port(address, port);
}

void dgram__address_loopback(union dgram__address *address, int family, int port) {
  dgram__address_any(address, family, port);
  if (family == AF_INET)
    address->v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  else
    address->v6.sin6_addr = in6addr_loopback;
}

/* The index of an interface, given by name or else by number (RFC 4007, 11.2); 0: there is none. */
static unsigned address_interface_index(const char *zone) {
  unsigned index = if_nametoindex(zone);
  if (index != 0 || zone[strspn(zone, "0123456789")] != '\0')
    return index;
  char name[IF_NAMESIZE];
  unsigned long number = strtoul(zone, NULL, 10);
  if (number > UINT_MAX || if_indextoname((unsigned)number, name) == NULL)
    return 0;
  return (unsigned)number;
}

/* Whether Node.js's net.isIP() takes a text for a zone, or an interface has that name. */
static bool address_is_zone(const char *text) {
  static const char allowed[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-.:";
  return (*text != '\0' && text[strspn(text, allowed)] == '\0') || if_nametoindex(text) != 0;
}

static bool address_parse(union dgram__address *address, const char *text, int port,
                          bool literal_only) {
  char number[INET6_ADDRSTRLEN];
  struct in_addr v4;
  struct in6_addr v6;
  if (inet_pton(AF_INET, text, &v4) == 1) {
    dgram__address_any(address, AF_INET, port);
    address->v4.sin_addr = v4;
    return true;
  }
  const char *zone = strchr(text, '%');
  size_t length = zone != NULL ? (size_t)(zone - text) : strlen(text);
  if (length >= sizeof number)
    return false;
  memcpy(number, text, length);
  number[length] = '\0';
  if (inet_pton(AF_INET6, number, &v6) != 1 ||
      (literal_only && zone != NULL && !address_is_zone(zone + 1)))
    return false;
  dgram__address_any(address, AF_INET6, port);
  address->v6.sin6_addr = v6;
  address->v6.sin6_scope_id = zone != NULL ? address_interface_index(zone + 1) : 0;
  return true;
}

bool dgram__address_parse(union dgram__address *address, const char *text, int port) {
  return address_parse(address, text, port, false);
}

bool dgram__address_parse_literal(union dgram__address *address, const char *text, int port) {
  return address_parse(address, text, port, true);
}

void dgram__address_describe(const union dgram__address *address, dgram_address_t *described) {
  dgram__address_text(address, described->address);
  described->family = dgram__family_name(address->any.sa_family);
  described->port = dgram__address_port(address);
}

int dgram_sockaddr_describe(const struct sockaddr *sockaddr, dgram_address_t *address) {
  union dgram__address copy;
  if (sockaddr == NULL || address == NULL || !dgram__address_copy(&copy, sockaddr))
    return UV_EINVAL;
  dgram__address_describe(&copy, address);
  return 0;
}

bool dgram__interface_parse(struct dgram__interface *interface, const char *text, int family) {
  union dgram__address address;
  *interface = (struct dgram__interface){.family = family};
  if (!dgram__address_parse(&address, text, 0)) {
    interface->index = address_interface_index(text);
    return interface->index != 0;
  }
  interface->family = address.any.sa_family;
  if (interface->family == AF_INET)
    interface->address = address.v4.sin_addr;
  else
    interface->index = address.v6.sin6_scope_id;
  return true;
}

void dgram__address_text(const union dgram__address *address, char text[DGRAM_ADDRESS_TEXT]) {
  char name[IF_NAMESIZE];
  if (address->any.sa_family == AF_INET) {
    inet_ntop(AF_INET, &address->v4.sin_addr, text, DGRAM_ADDRESS_TEXT);
    return;
  }
  inet_ntop(AF_INET6, &address->v6.sin6_addr, text, DGRAM_ADDRESS_TEXT);
  unsigned index = address->v6.sin6_scope_id;
  if (!IN6_IS_ADDR_LINKLOCAL(&address->v6.sin6_addr) || index == 0)
    return;
  size_t length = strlen(text);
  if (if_indextoname(index, name) != NULL)
    snprintf(text + length, DGRAM_ADDRESS_TEXT - length, "%%%s", name);
  else /* the interface is gone: its number */
    snprintf(text + length, DGRAM_ADDRESS_TEXT - length, "%%%u", index);
}

void dgram__address_set_port(union dgram__address *address, int port) {
  if (address->any.sa_family == AF_INET)
    address->v4.sin_port = htons((uint16_t)port);
  else
    address->v6.sin6_port = htons((uint16_t)port);
}

void dgram__address_set_host(union dgram__address *address, const union dgram__address *host) {
  int port = dgram__address_port(address);
  *address = *host;
  dgram__address_set_port(address, port);
}

bool dgram__address_is_any(const union dgram__address *address) {
  return address->any.sa_family == AF_INET ? address->v4.sin_addr.s_addr == htonl(INADDR_ANY)
                                           : IN6_IS_ADDR_UNSPECIFIED(&address->v6.sin6_addr);
}

bool dgram__address_is_multicast(const union dgram__address *address) {
  return address->any.sa_family == AF_INET ? IN_MULTICAST(ntohl(address->v4.sin_addr.s_addr))
                                           : IN6_IS_ADDR_MULTICAST(&address->v6.sin6_addr);
}

void dgram__address_trim(union dgram__address *address, socklen_t length) {
  char *bytes = (char *)address;
  if (length == sizeof address->v4) /* the usual case: a constant length needs no loop */
    memset(bytes + sizeof address->v4, 0, sizeof *address - sizeof address->v4);
  else if (length < sizeof *address)
    memset(bytes + length, 0, sizeof *address - length);
}

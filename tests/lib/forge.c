#include "lib/forge.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

enum { V4_HEADER = 20, V6_HEADER = 40, UDP_HEADER = 8, ICMP_HEADER = 8, HOPS = 64 };

int forge_socket(int family) {
  return socket(family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW); /* implies IP_HDRINCL */
}

struct forged_end forge_end(const char *address, uint16_t port) {
  struct forged_end end = {.family = strchr(address, ':') != NULL ? AF_INET6 : AF_INET,
                           .port = port};
  if (inet_pton(end.family, address, end.address) != 1)
    end.family = 0;
  return end;
}

static void forge_put16(uint8_t *at, uint16_t value) {
  at[0] = (uint8_t)(value >> 8);
  at[1] = (uint8_t)value;
}

static uint32_t forge_sum(uint32_t sum, const uint8_t *bytes, size_t size) {
  for (size_t i = 0; i < size; i++)
    sum += i % 2 == 0 ? (uint32_t)bytes[i] << 8 : bytes[i];
  return sum;
}

/* The Internet checksum (RFC 1071) of what was summed up. */
static uint16_t forge_fold(uint32_t sum) {
  while (sum >> 16 != 0)
    sum = (sum & 0xffff) + (sum >> 16);
  return (uint16_t)~sum;
}

/* Writes the IP header in front of `size` bytes. Returns the place of these. */
static uint8_t *forge_ip(struct forged *packet, const struct forged_end *from,
                         const struct forged_end *to, uint8_t protocol, size_t size) {
  uint8_t *bytes = packet->bytes;
  packet->family = to->family;
  if (to->family == AF_INET) {
    memset(bytes, 0, V4_HEADER);
    packet->size = V4_HEADER + size;
    bytes[0] = 0x45;
    forge_put16(bytes + 2, (uint16_t)packet->size);
    bytes[8] = HOPS;
    bytes[9] = protocol;
    memcpy(bytes + 12, from->address, 4);
    memcpy(bytes + 16, to->address, 4);
    forge_put16(bytes + 10, forge_fold(forge_sum(0, bytes, V4_HEADER)));
    return bytes + V4_HEADER;
  }
  memset(bytes, 0, V6_HEADER);
  packet->size = V6_HEADER + size;
  bytes[0] = 0x60;
  forge_put16(bytes + 4, (uint16_t)size);
  bytes[6] = protocol;
  bytes[7] = HOPS;
  memcpy(bytes + 8, from->address, 16);
  memcpy(bytes + 24, to->address, 16);
  return bytes + V6_HEADER;
}

/* The sum of the pseudo header (RFC 768; RFC 8200, 8.1). */
static uint32_t forge_pseudo(const struct forged_end *from, const struct forged_end *to,
                             uint8_t protocol, size_t size) {
  size_t length = to->family == AF_INET ? 4 : 16;
  uint32_t sum = forge_sum(0, from->address, length);
  return forge_sum(sum, to->address, length) + protocol + (uint32_t)size;
}

void forge_udp(struct forged *packet, const struct forged_end *from, const struct forged_end *to,
               const void *payload, size_t size) {
  size_t whole = UDP_HEADER + size;
  uint8_t *udp = forge_ip(packet, from, to, IPPROTO_UDP, whole);
  forge_put16(udp, from->port);
  forge_put16(udp + 2, to->port);
  forge_put16(udp + 4, (uint16_t)whole);
  forge_put16(udp + 6, 0);
  if (size > 0)
    memcpy(udp + UDP_HEADER, payload, size);
  uint16_t sum = forge_fold(forge_sum(forge_pseudo(from, to, IPPROTO_UDP, whole), udp, whole));
  forge_put16(udp + 6, sum != 0 ? sum : 0xffff); /* 0 would mean that there is none */
}

void forge_icmp(struct forged *packet, const struct forged_end *from, const struct forged_end *to,
                const struct forged_icmp *icmp, const struct forged *quoted) {
  size_t most = FORGED_MOST - V6_HEADER - ICMP_HEADER;
  size_t quote = quoted->size < icmp->quote_bytes ? quoted->size : icmp->quote_bytes;
  if (quote > most)
    quote = most;
  size_t whole = ICMP_HEADER + quote;
  uint8_t protocol = to->family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6;
  uint8_t *at = forge_ip(packet, from, to, protocol, whole);
  at[0] = icmp->type;
  at[1] = icmp->code;
  forge_put16(at + 2, 0);
  forge_put16(at + 4, (uint16_t)(icmp->rest >> 16));
  forge_put16(at + 6, (uint16_t)icmp->rest);
  memcpy(at + ICMP_HEADER, quoted->bytes, quote);
  uint32_t pseudo = to->family == AF_INET ? 0 : forge_pseudo(from, to, protocol, whole);
  uint16_t sum = forge_fold(forge_sum(pseudo, at, whole));
  forge_put16(at + 2, (uint16_t)(icmp->wrong_checksum ? sum ^ 0x5555 : sum));
}

int forge_send(int fd, const struct forged *packet) {
  union {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
  } to;
  memset(&to, 0, sizeof to);
  to.any.sa_family = (sa_family_t)packet->family;
  if (packet->family == AF_INET)
    memcpy(&to.v4.sin_addr, packet->bytes + 16, 4);
  else
    memcpy(&to.v6.sin6_addr, packet->bytes + 24, 16);
  socklen_t length = packet->family == AF_INET ? sizeof to.v4 : sizeof to.v6;
  ssize_t sent = sendto(fd, packet->bytes, packet->size, 0, &to.any, length);
  return sent < 0 ? -1 : 0;
}

#include "lib/packets.h"

#include <linux/if_packet.h>
#include <net/ethernet.h>

int tap(const char *interface) {
  int on = 1;
  int fd = close_with_hosts(socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  assert_true(fd >= 0);
  struct sockaddr_ll address = {.sll_family = AF_PACKET,
                                .sll_protocol = htons(ETH_P_ALL),
                                .sll_ifindex = (int)if_nametoindex(interface)};
  assert_int_equal(setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on), 0);
  assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
  return fd;
}

int take_packet(int fd, struct packet *packet) {
  ssize_t size = recv(fd, packet->bytes, sizeof packet->bytes, MSG_TRUNC | MSG_DONTWAIT);
  assert_true(size >= 0 || errno == EAGAIN);
  packet->size = size >= 0 ? (size_t)size : 0;
  return size >= 0;
}

/* Waits for the next packet; `what` names what it should be. */
static void next_packet(int fd, struct packet *packet, const char *what) {
  struct pollfd wire = {.fd = fd, .events = POLLIN};
  while (!take_packet(fd, packet))
    wait_for(&wire, 1, -1, what);
}

int is_v4(const struct packet *packet) {
  return packet->bytes[0] >> 4 == 4;
}

int protocol_of(const struct packet *packet) {
  return packet->bytes[is_v4(packet) ? 9 : 6];
}

static const uint8_t *payload_of(const struct packet *packet) {
  return packet->bytes + (is_v4(packet) ? (size_t)(packet->bytes[0] & 15) * 4 : 40);
}

int wait_for_udp_hops(int fd) {
  struct packet packet;
  do
    next_packet(fd, &packet, "a UDP datagram");
  while (protocol_of(&packet) != UDP);
  return packet.bytes[is_v4(&packet) ? 8 : 7];
}

/* Waits for this message of ICMP, or ICMPv6 (RFC 792, RFC 4443). */
static void wait_for_icmp(int fd, int type_v4, int type_v6) {
  struct packet packet;
  int is_icmp;
  do {
    next_packet(fd, &packet, "an ICMP message");
    is_icmp = protocol_of(&packet) == (is_v4(&packet) ? 1 : ICMPV6);
  } while (!is_icmp || payload_of(&packet)[0] != (is_v4(&packet) ? type_v4 : type_v6));
}

void wait_for_time_exceeded(int fd) {
  wait_for_icmp(fd, 11, 3);
}

void wait_for_unreachable(int fd) {
  wait_for_icmp(fd, 3, 1);
}

void wait_for_too_big(int fd) {
  wait_for_icmp(fd, 3, 2);
}

static unsigned number_at(const uint8_t *bytes) {
  return (unsigned)bytes[0] << 8 | bytes[1];
}

/* The report in a packet, and how long its addresses are; or NULL. */
static const uint8_t *find_report(const struct packet *packet, size_t *address_size) {
  enum { HOP_BY_HOP = 0, IGMP_V3_REPORT = 0x22, MLD_V2_REPORT = 143 };
  const uint8_t *payload = payload_of(packet);
  *address_size = is_v4(packet) ? 4 : 16;
  if (is_v4(packet))
    return protocol_of(packet) == IGMP && payload[0] == IGMP_V3_REPORT ? payload : NULL;
  const uint8_t *report = payload + ((size_t)payload[1] + 1) * 8; /* behind the router alert */
  return protocol_of(packet) == HOP_BY_HOP && payload[0] == ICMPV6 && report[0] == MLD_V2_REPORT
             ? report
             : NULL;
}

/* Whether a list of addresses has this one; NULL: whether it is empty. */
static int has_source(const uint8_t *sources, unsigned count, size_t size, const uint8_t *source) {
  if (source == NULL)
    return count == 0;
  for (unsigned i = 0; i < count; i++)
    if (memcmp(sources + i * size, source, size) == 0)
      return 1;
  return 0;
}

int reports(const struct packet *packet, int type, const char *group, const char *source) {
  enum { HEADER = 8, RECORD = 4 };
  uint8_t wanted_group[16];
  uint8_t wanted_source[16];
  size_t size;
  int family = strchr(group, ':') != NULL ? AF_INET6 : AF_INET;
  const uint8_t *report = find_report(packet, &size);
  assert_int_equal(inet_pton(family, group, wanted_group), 1);
  if (source != NULL)
    assert_int_equal(inet_pton(family, source, wanted_source), 1);
  if (report == NULL || size != (family == AF_INET ? 4 : 16))
    return 0;
  const uint8_t *record = report + HEADER;
  for (unsigned records = number_at(report + 6); records > 0; records--) {
    unsigned count = number_at(record + 2);
    const uint8_t *sources = record + RECORD + size;
    if (record[0] == type && memcmp(record + RECORD, wanted_group, size) == 0 &&
        has_source(sources, count, size, source != NULL ? wanted_source : NULL))
      return 1;
    record = sources + count * size;
  }
  return 0;
}

void wait_for_report(int fd, int type, const char *group, const char *source) {
  struct packet packet;
  char what[128];
  snprintf(what, sizeof what, "a report of type %d about %s %s", type, group,
           source != NULL ? source : "");
  do
    next_packet(fd, &packet, what);
  while (!reports(&packet, type, group, source));
}

#include "tx_options.h"

#include <assert.h>
#include <string.h>

#include "cmsg.h"

#ifndef SCM_TXTIME /* SO_TXTIME, Linux 4.19 */
#define SCM_TXTIME 61
#endif

bool dgram__tx_options_equal(const struct dgram__tx_options *a, const struct dgram__tx_options *b) {
  if (a == b)
    return true;
  if (a == NULL || b == NULL)
    return false;
  return a->departure_ns == b->departure_ns && a->interface_index == b->interface_index &&
         a->segment_size == b->segment_size && a->ttl == b->ttl && a->tos == b->tos &&
         a->dont_fragment == b->dont_fragment && dgram__address_equal(&a->source, &b->source);
}

bool dgram__tx_options_is_ipv4(const union dgram__address *to) {
  return to->any.sa_family == AF_INET ||
         (to->any.sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&to->v6.sin6_addr));
}

/* Appends a control message; the padding is zero, since the kernel is handed all of it. */
static void cmsg_append(struct msghdr *message, int level, int type, const void *data,
                        size_t size) {
  char *at = (char *)message->msg_control + message->msg_controllen;
  struct cmsghdr header = {
      .cmsg_level = level, .cmsg_type = type, .cmsg_len = (socklen_t)CMSG_LEN(size)};
  memset(at, 0, CMSG_SPACE(size));
  memcpy(at, &header, sizeof header);
  memcpy(at + CMSG_LEN(0), data, size);
  message->msg_controllen += (socklen_t)CMSG_SPACE(size);
}

#if DGRAM__HAS_TX_CMSGS

static void cmsg_append_int(struct msghdr *message, int level, int type, int value) {
  cmsg_append(message, level, type, &value, sizeof value);
}

/* The source of an IPv4 datagram; of a udp6 socket it is IPv4-mapped. */
static struct in_addr source_ipv4(const union dgram__address *source) {
  struct in_addr address = {0};
  if (source->any.sa_family == AF_INET)
    address = source->v4.sin_addr;
  else if (source->any.sa_family == AF_INET6)
    memcpy(&address, &source->v6.sin6_addr.s6_addr[12], sizeof address);
  return address;
}

static void cmsg_append_ipv4(struct msghdr *message, const struct dgram__tx_options *options) {
  struct in_pktinfo info = {.ipi_ifindex = (int)options->interface_index,
                            .ipi_spec_dst = source_ipv4(&options->source)};
  if (options->source.any.sa_family != AF_UNSPEC || options->interface_index != 0)
    cmsg_append(message, IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
  if (options->ttl >= 0)
    cmsg_append_int(message, IPPROTO_IP, IP_TTL, options->ttl);
  if (options->tos >= 0)
    cmsg_append_int(message, IPPROTO_IP, IP_TOS, options->tos);
}

static void cmsg_append_ipv6(struct msghdr *message, const struct dgram__tx_options *options) {
  struct in6_pktinfo info = {.ipi6_ifindex = options->interface_index};
  if (options->source.any.sa_family == AF_INET6)
    info.ipi6_addr = options->source.v6.sin6_addr;
  if (options->source.any.sa_family != AF_UNSPEC || options->interface_index != 0)
    cmsg_append(message, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info);
  if (options->ttl >= 0)
    cmsg_append_int(message, IPPROTO_IPV6, IPV6_HOPLIMIT, options->ttl);
  if (options->tos >= 0)
    cmsg_append_int(message, IPPROTO_IPV6, IPV6_TCLASS, options->tos);
  if (options->dont_fragment >= 0)
    cmsg_append_int(message, IPPROTO_IPV6, IPV6_DONTFRAG, options->dont_fragment);
}

static void cmsg_append_options(struct msghdr *message, const struct dgram__tx_options *options,
                                const union dgram__address *to) {
  if (dgram__tx_options_is_ipv4(to))
    cmsg_append_ipv4(message, options);
  else
    cmsg_append_ipv6(message, options);
  if (options->departure_ns != 0)
    cmsg_append(message, SOL_SOCKET, SCM_TXTIME, &options->departure_ns,
                sizeof options->departure_ns);
}

#else

static void cmsg_append_options(struct msghdr *message, const struct dgram__tx_options *options,
                                const union dgram__address *to) {
  (void)message, (void)options, (void)to; /* no send has any */
}

#endif

void dgram__tx_options_write(struct msghdr *message, struct dgram__cmsg_options *control,
                             const struct dgram__tx_options *options,
                             const union dgram__address *to, uint16_t segment) {
  message->msg_control = control->bytes;
  message->msg_controllen = 0;
  if (options != NULL)
    cmsg_append_options(message, options, to);
  if (segment > 0)
    cmsg_append(message, SOL_UDP, UDP_SEGMENT, &segment, sizeof segment);
  assert(message->msg_controllen <= sizeof control->bytes);
  if (message->msg_controllen == 0)
    message->msg_control = NULL;
}

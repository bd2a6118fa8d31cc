/*
 * The info of a received buffer: its socket options, then its control messages, by their levels.
 *
 * Linux writes those of an IPv4 datagram at an IPv6 socket at both levels, if both families'
 * options are set. IPv4 has more to tell: the address of unicast to answer from.
 */
#include "rx_info.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "cmsg.h"
#include "descriptor.h"

/* ---- the socket options ---- */

#ifdef __linux__

enum { /* of linux/net_tstamp.h */
       RX_INFO_RX_HARDWARE = 1 << 2,
       RX_INFO_RAW_HARDWARE = 1 << 6
};

enum { RX_INFO_INTERFACES = DGRAM_INFO_DESTINATION | DGRAM_INFO_INTERFACE };

static const struct rx_info_option {
  unsigned flags; /* any of them asks for it */
  int level;
  int name;
} rx_info_options[] = {
    {RX_INFO_INTERFACES, IPPROTO_IP, IP_PKTINFO},
    {RX_INFO_INTERFACES, IPPROTO_IPV6, IPV6_RECVPKTINFO},
    {DGRAM_INFO_TTL, IPPROTO_IP, IP_RECVTTL},
    {DGRAM_INFO_TTL, IPPROTO_IPV6, IPV6_RECVHOPLIMIT},
    {DGRAM_INFO_TOS, IPPROTO_IP, IP_RECVTOS},
    {DGRAM_INFO_TOS, IPPROTO_IPV6, IPV6_RECVTCLASS},
};

static int rx_info_set(int fd, int level, int name, int value) {
  if (setsockopt(fd, level, name, &value, sizeof value) == 0)
    return 0;
  return errno == ENOPROTOOPT ? UV_ENOTSUP : -errno; /* the kernels of some sandboxes */
}

/* Timestamps in microseconds are left so: whoever has asked for them would not know others. */
static int rx_info_ask_time(int fd) {
  return dgram__descriptor_option(fd, SOL_SOCKET, SO_TIMESTAMP) != 0
             ? 0
             : rx_info_set(fd, SOL_SOCKET, SO_TIMESTAMPNS, 1);
}

/* The kinds of timestamps that somebody has asked for before stay. */
static int rx_info_ask_hardware_time(int fd) {
  int kinds = dgram__descriptor_option(fd, SOL_SOCKET, SO_TIMESTAMPING) | RX_INFO_RX_HARDWARE |
              RX_INFO_RAW_HARDWARE;
  return rx_info_set(fd, SOL_SOCKET, SO_TIMESTAMPING, kinds);
}

int dgram__rx_info_ask(int fd, int family, unsigned asked) {
  int err = 0;
  for (size_t i = 0; err == 0 && i < sizeof rx_info_options / sizeof *rx_info_options; i++) {
    const struct rx_info_option *option = &rx_info_options[i];
    if ((asked & option->flags) != 0 && (family == AF_INET6 || option->level == IPPROTO_IP))
      err = rx_info_set(fd, option->level, option->name, 1);
  }
  if (err == 0 && (asked & DGRAM_INFO_TIMESTAMP) != 0)
    err = rx_info_ask_time(fd);
  if (err == 0 && (asked & DGRAM_INFO_HARDWARE_TIMESTAMP) != 0)
    err = rx_info_ask_hardware_time(fd);
  return err;
}

#else /* a system whose options are other ones, or that has none */

int dgram__rx_info_ask(int fd, int family, unsigned asked) {
  (void)fd;
  (void)family;
  const unsigned without_option = DGRAM_INFO_TRUNCATED | DGRAM_INFO_SEGMENT_SIZE;
  return (asked & ~without_option) == 0 ? 0 : UV_ENOTSUP;
}

#endif

/* ---- the control messages ---- */

#ifdef __linux__

/* An address of the family of the socket: one of IPv4 is mapped for an IPv6 socket (RFC 4291). */
static void rx_info_set_v4(union dgram__address *address, struct in_addr host, int family) {
  dgram__address_any(address, family, 0);
  if (family == AF_INET) {
    address->v4.sin_addr = host;
    return;
  }
  memset(&address->v6.sin6_addr.s6_addr[10], 0xff, 2);
  memcpy(&address->v6.sin6_addr.s6_addr[12], &host, sizeof host);
}

static void rx_info_set_v6(union dgram__address *address, const struct in6_addr *host,
                           unsigned interface_index) {
  dgram__address_any(address, AF_INET6, 0);
  address->v6.sin6_addr = *host;
  if (IN6_IS_ADDR_LINKLOCAL(host) || IN6_IS_ADDR_MC_LINKLOCAL(host))
    address->v6.sin6_scope_id = interface_index;
}

/* Copies the data of a control message. False: there are not so many bytes. */
static bool rx_info_copy(void *data, size_t size, const struct msghdr *message,
                         const struct cmsghdr *at) {
  if (dgram__cmsg_size(message, at) < size)
    return false;
  memcpy(data, CMSG_DATA(at), size);
  return true;
}

static void rx_info_know_ttl(struct dgram__rx_info *info, int ttl) {
  if ((info->asked & DGRAM_INFO_TTL) == 0)
    return;
  info->facts.flags |= DGRAM_INFO_TTL;
  info->facts.ttl = ttl;
}

static void rx_info_know_tos(struct dgram__rx_info *info, int tos) {
  if ((info->asked & DGRAM_INFO_TOS) == 0)
    return;
  info->facts.flags |= DGRAM_INFO_TOS;
  info->facts.dscp = (tos & 0xff) >> 2;
  info->facts.ecn = tos & 3;
}

/*
 * A datagram that was queued before the option was set has neither index nor address to answer
 * from. Unless it was sent to a group, that is then the address that it was sent to; if that is a
 * broadcast address of a network, the kernel refuses an answer from it.
 */
static void rx_info_know_pktinfo(struct dgram__rx_info *info, const struct in_pktinfo *told,
                                 int family) {
  struct in_addr local = told->ipi_spec_dst;
  rx_info_set_v4(&info->destination, told->ipi_addr, family);
  info->interface_index = (unsigned)told->ipi_ifindex;
  if (local.s_addr == INADDR_ANY && !IN_MULTICAST(ntohl(told->ipi_addr.s_addr)) &&
      told->ipi_addr.s_addr != INADDR_BROADCAST)
    local = told->ipi_addr;
  if (local.s_addr != INADDR_ANY)
    rx_info_set_v4(&info->local, local, family);
}

static void rx_info_know_pktinfo6(struct dgram__rx_info *info, const struct in6_pktinfo *told) {
  if (IN6_IS_ADDR_V4MAPPED(&told->ipi6_addr)) /* IP_PKTINFO comes, too, and tells more */
    return;
  info->interface_index = told->ipi6_ifindex;
  rx_info_set_v6(&info->destination, &told->ipi6_addr, told->ipi6_ifindex);
  if (!IN6_IS_ADDR_MULTICAST(&told->ipi6_addr))
    info->local = info->destination;
}

static void rx_info_read_v4(struct dgram__rx_info *info, const struct msghdr *message,
                            const struct cmsghdr *at, int family) {
  struct in_pktinfo told;
  int ttl;
  unsigned char tos; /* one byte, but four of IPv6 */
  if (at->cmsg_type == IP_PKTINFO && rx_info_copy(&told, sizeof told, message, at))
    rx_info_know_pktinfo(info, &told, family);
  else if (at->cmsg_type == IP_TTL && rx_info_copy(&ttl, sizeof ttl, message, at))
    rx_info_know_ttl(info, ttl);
  else if (at->cmsg_type == IP_TOS && rx_info_copy(&tos, sizeof tos, message, at))
    rx_info_know_tos(info, tos);
}

static void rx_info_read_v6(struct dgram__rx_info *info, const struct msghdr *message,
                            const struct cmsghdr *at) {
  struct in6_pktinfo told;
  int value;
  if (at->cmsg_type == IPV6_PKTINFO && rx_info_copy(&told, sizeof told, message, at))
    rx_info_know_pktinfo6(info, &told);
  else if (at->cmsg_type == IPV6_HOPLIMIT && rx_info_copy(&value, sizeof value, message, at))
    rx_info_know_ttl(info, value);
  else if (at->cmsg_type == IPV6_TCLASS && rx_info_copy(&value, sizeof value, message, at))
    rx_info_know_tos(info, value);
}

/* Unsigned: numbers that are no time must not overflow. */
static uint64_t rx_info_ns(int64_t seconds, int64_t parts, unsigned part_ns) {
  return (uint64_t)seconds * 1000000000U + (uint64_t)parts * part_ns;
}

/* SO_TIMESTAMPING has three times: of the kernel, one of old, and of the device; 0: none. */
static void rx_info_read_time(struct dgram__rx_info *info, const struct msghdr *message,
                              const struct cmsghdr *at) {
  struct timeval us;
  struct timespec ns;
  struct timespec kinds[3];
  uint64_t time = 0;
  uint64_t hardware_time = 0;
  dgram_info_t *facts = &info->facts;
  if (at->cmsg_type == SO_TIMESTAMPNS && rx_info_copy(&ns, sizeof ns, message, at))
    time = rx_info_ns(ns.tv_sec, ns.tv_nsec, 1);
  else if (at->cmsg_type == SO_TIMESTAMP && rx_info_copy(&us, sizeof us, message, at))
    time = rx_info_ns(us.tv_sec, us.tv_usec, 1000);
  else if (at->cmsg_type == SO_TIMESTAMPING && rx_info_copy(kinds, sizeof kinds, message, at))
    hardware_time = rx_info_ns(kinds[2].tv_sec, kinds[2].tv_nsec, 1);
  if (time != 0 && (info->asked & DGRAM_INFO_TIMESTAMP) != 0) {
    facts->flags |= DGRAM_INFO_TIMESTAMP;
    facts->timestamp_ns = time;
  }
  if (hardware_time != 0 && (info->asked & DGRAM_INFO_HARDWARE_TIMESTAMP) != 0) {
    facts->flags |= DGRAM_INFO_HARDWARE_TIMESTAMP;
    facts->hardware_timestamp_ns = hardware_time;
  }
}

static void rx_info_read_one(struct dgram__rx_info *info, const struct msghdr *message,
                             const struct cmsghdr *at, int family) {
  switch (at->cmsg_level) {
  case IPPROTO_IP:
    rx_info_read_v4(info, message, at, family);
    break;
  case IPPROTO_IPV6:
    rx_info_read_v6(info, message, at);
    break;
  case SOL_SOCKET:
    rx_info_read_time(info, message, at);
    break;
  default:
    break;
  }
}

#else

static void rx_info_read_one(struct dgram__rx_info *info, const struct msghdr *message,
                             const struct cmsghdr *at, int family) {
  (void)info;
  (void)message;
  (void)at;
  (void)family;
}

#endif

void dgram__rx_info_read(struct dgram__rx_info *info, const struct msghdr *message, unsigned asked,
                         int family, int port) {
  dgram_info_t *facts = &info->facts;
  memset(info, 0, sizeof *info);
  info->asked = asked;
  struct msghdr *walked = (struct msghdr *)message; /* CMSG_NXTHDR does not change it */
  for (struct cmsghdr *at = CMSG_FIRSTHDR(walked); at != NULL; at = CMSG_NXTHDR(walked, at))
    rx_info_read_one(info, message, at, family);
  if ((asked & DGRAM_INFO_DESTINATION) != 0 && info->destination.any.sa_family != AF_UNSPEC) {
    facts->flags |= DGRAM_INFO_DESTINATION;
    dgram__address_set_port(&info->destination, port);
    dgram__address_set_port(&info->local, port);
  }
  if ((asked & DGRAM_INFO_INTERFACE) != 0 && info->interface_index != 0) {
    facts->flags |= DGRAM_INFO_INTERFACE;
    facts->interface_index = info->interface_index;
  }
  if ((asked & DGRAM_INFO_TRUNCATED) != 0) {
    facts->flags |= DGRAM_INFO_TRUNCATED;
    facts->truncated = (message->msg_flags & MSG_TRUNC) != 0;
  }
  int segment = (asked & DGRAM_INFO_SEGMENT_SIZE) != 0 ? dgram__cmsg_segment(message) : -1;
  if (segment >= 0) {
    facts->flags |= DGRAM_INFO_SEGMENT_SIZE;
    facts->segment_size = (size_t)segment;
  }
}

/* ---- what a program is shown ---- */

const dgram_info_t *dgram__rx_info_show(struct dgram__rx_info *info) {
  if ((info->facts.flags & DGRAM_INFO_DESTINATION) != 0) {
    info->facts.destination = &info->destination.any;
    info->facts.local = info->local.any.sa_family != AF_UNSPEC ? &info->local.any : NULL;
  }
  return &info->facts;
}

const char *dgram_info_interface_name(const dgram_info_t *info) {
  if (info == NULL || (info->flags & DGRAM_INFO_INTERFACE) == 0)
    return NULL;
  struct dgram__rx_info *whole = (struct dgram__rx_info *)info; /* whose first member it is */
  if (whole->interface_name[0] != '\0') /* of a simulated host, or asked for already */
    return whole->interface_name;
  return if_indextoname(info->interface_index, whole->interface_name);
}

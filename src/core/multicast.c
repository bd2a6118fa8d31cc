/*
 * Multicast groups: joining and leaving them, of all sources or of one, on an interface.
 */
#include "internal.h"

#include <string.h>

/* A call's arguments, read. `source` is only there where the call has one. */
struct membership {
  union dgram__address group;
  union dgram__address source;
  struct dgram__interface interface;
};

/*
 * A group or source. The group's family, not the socket's, says which option of the system is set:
 * a udp6 socket may join IPv4 groups. What it may not is refused by the kernel, in its own words.
 */
static int multicast_read_address(union dgram__address *address, const char *text) {
  return text != NULL && dgram__address_parse(address, text, 0) ? 0 : UV_EINVAL;
}

/* The interface may also be said by the group's own zone: "ff02::1%eth0". */
static int multicast_read_interface(struct membership *membership, const char *interface) {
  int family = membership->group.any.sa_family;
  if (interface != NULL) {
    bool read = dgram__interface_parse(&membership->interface, interface, family);
    return read && membership->interface.family == family ? 0 : UV_EINVAL;
  }
  membership->interface = (struct dgram__interface){.family = family};
  if (family == AF_INET6)
    membership->interface.index = membership->group.v6.sin6_scope_id;
  return 0;
}

/*
 * Inside the call: the kernel has no socket yet that could be a member. What was sent before leaves
 * before: this host hears it only if it was a member then.
 */
static int multicast_bind_if_unbound(dgram_socket_t *socket) {
  if (dgram_bind_state(socket) == DGRAM_BINDING)
    return UV_EBADF;
  dgram__send_before_change(socket);
  return socket->binding.state == DGRAM__UNBOUND ? dgram__bind_at_once(socket) : 0;
}

static int multicast_read_membership(struct membership *membership, const char *group,
                                     const char *interface) {
  int err = multicast_read_address(&membership->group, group);
  return err != 0 ? err : multicast_read_interface(membership, interface);
}

static int multicast_set_membership(dgram_socket_t *socket, const char *group,
                                    const char *interface, int name_v4, int name_v6) {
  struct membership membership;
  if (socket == NULL)
    return UV_EINVAL;
  if (socket->life != DGRAM__OPEN)
    return DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING;
  if (group == NULL || *group == '\0')
    return DGRAM_ERR_MISSING_ARGS;
  int err = multicast_read_membership(&membership, group, interface);
  if (err == 0)
    err = multicast_bind_if_unbound(socket);
  if (err != 0)
    return err;
  if (membership.group.any.sa_family == AF_INET6) {
    struct ipv6_mreq request = {.ipv6mr_multiaddr = membership.group.v6.sin6_addr,
                                .ipv6mr_interface = membership.interface.index};
    return dgram__set_option(socket, IPPROTO_IPV6, name_v6, &request, sizeof request);
  }
  struct ip_mreqn request = {.imr_multiaddr = membership.group.v4.sin_addr,
                             .imr_address = membership.interface.address,
                             .imr_ifindex = (int)membership.interface.index};
  return dgram__set_option(socket, IPPROTO_IP, name_v4, &request, sizeof request);
}

int dgram_add_membership(dgram_socket_t *socket, const char *multicast_address,
                         const char *multicast_interface) {
  return multicast_set_membership(socket, multicast_address, multicast_interface, IP_ADD_MEMBERSHIP,
                                  IPV6_JOIN_GROUP);
}

int dgram_drop_membership(dgram_socket_t *socket, const char *multicast_address,
                          const char *multicast_interface) {
  return multicast_set_membership(socket, multicast_address, multicast_interface,
                                  IP_DROP_MEMBERSHIP, IPV6_LEAVE_GROUP);
}

/* ---- one source ---- */

static int multicast_set_by_index(const dgram_socket_t *socket, const struct membership *membership,
                                  int name) {
  struct group_source_req request = {.gsr_interface = membership->interface.index};
  memcpy(&request.gsr_group, &membership->group, sizeof membership->group);
  memcpy(&request.gsr_source, &membership->source, sizeof membership->source);
  int level = membership->group.any.sa_family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6;
  return dgram__set_option(socket, level, name, &request, sizeof request);
}

/* IPv4 with an interface that is known by its address. */
static int multicast_set_by_address(const dgram_socket_t *socket,
                                    const struct membership *membership, int name) {
  struct ip_mreq_source request = {.imr_multiaddr = membership->group.v4.sin_addr,
                                   .imr_interface = membership->interface.address,
                                   .imr_sourceaddr = membership->source.v4.sin_addr};
  return dgram__set_option(socket, IPPROTO_IP, name, &request, sizeof request);
}

static int multicast_read_source(struct membership *membership, const char *source) {
  int err = multicast_read_address(&membership->source, source);
  bool same = err == 0 && membership->source.any.sa_family == membership->group.any.sa_family;
  return same ? 0 : UV_EINVAL;
}

static int multicast_set_source_membership(dgram_socket_t *socket, const char *source,
                                           const char *group, const char *interface,
                                           int name_by_address, int name_by_index) {
  struct membership membership;
  if (socket == NULL)
    return UV_EINVAL;
  if (socket->life != DGRAM__OPEN)
    return DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING;
  int err = multicast_read_membership(&membership, group, interface);
  if (err == 0)
    err = multicast_read_source(&membership, source);
  if (err == 0)
    err = multicast_bind_if_unbound(socket);
  if (err != 0)
    return err;
  if (membership.group.any.sa_family == AF_INET && membership.interface.index == 0)
    return multicast_set_by_address(socket, &membership, name_by_address);
  return multicast_set_by_index(socket, &membership, name_by_index);
}

int dgram_add_source_specific_membership(dgram_socket_t *socket, const char *source_address,
                                         const char *group_address,
                                         const char *multicast_interface) {
  return multicast_set_source_membership(socket, source_address, group_address, multicast_interface,
                                         IP_ADD_SOURCE_MEMBERSHIP, MCAST_JOIN_SOURCE_GROUP);
}

int dgram_drop_source_specific_membership(dgram_socket_t *socket, const char *source_address,
                                          const char *group_address,
                                          const char *multicast_interface) {
  return multicast_set_source_membership(socket, source_address, group_address, multicast_interface,
                                         IP_DROP_SOURCE_MEMBERSHIP, MCAST_LEAVE_SOURCE_GROUP);
}

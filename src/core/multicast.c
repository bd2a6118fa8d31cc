/*
 * Multicast groups: joined and left, of all sources or of one, on an interface. A call's arguments
 * are read, the socket is bound if it is not, the option is set.
 */
#include "internal.h"

#include <string.h>

struct membership {
  union dgram__address group;
  union dgram__address source; /* if the call names one */
  struct dgram__interface interface;
};

/*
 * The group's family, not the socket's, says which option is set: a udp6 socket may join IPv4
 * groups; what it may not join the kernel refuses, with its errno. Without an interface the group
 * may name one by its zone: "ff02::1%eth0". `source` NULL: all. Returns 0 or UV_EINVAL.
 */
static int multicast_read(struct membership *membership, const char *group, const char *source,
                          const char *interface) {
  if (group == NULL || !dgram__address_parse(&membership->group, group, 0))
    return UV_EINVAL;
  int family = membership->group.any.sa_family;
  membership->interface = (struct dgram__interface){.family = family};
  if (interface == NULL && family == AF_INET6)
    membership->interface.index = membership->group.v6.sin6_scope_id;
  if (interface != NULL && (!dgram__interface_parse(&membership->interface, interface, family) ||
                            membership->interface.family != family))
    return UV_EINVAL;
  if (source != NULL && (!dgram__address_parse(&membership->source, source, 0) ||
                         membership->source.any.sa_family != family))
    return UV_EINVAL;
  return 0;
}

/* What was sent before leaves before: this host receives it only if it was a member then. */
int dgram__multicast_bind_if_unbound(dgram_socket_t *socket) {
  if (dgram_bind_state(socket) == DGRAM_BINDING)
    return UV_EBADF;
  dgram__send_before_change(socket);
  return socket->binding.state == DGRAM__UNBOUND ? dgram__bind_at_once(socket) : 0;
}

/* ---- of all sources ---- */

static int multicast_set(const dgram_socket_t *socket, const struct membership *membership,
                         enum dgram__membership_change change) {
  bool joins = change == DGRAM__MEMBERSHIP_JOIN;
  if (membership->group.any.sa_family == AF_INET6) {
    struct ipv6_mreq request = {.ipv6mr_multiaddr = membership->group.v6.sin6_addr,
                                .ipv6mr_interface = membership->interface.index};
    return dgram__set_option(socket, IPPROTO_IPV6, joins ? IPV6_JOIN_GROUP : IPV6_LEAVE_GROUP,
                             &request, sizeof request);
  }
  struct ip_mreqn request = {.imr_multiaddr = membership->group.v4.sin_addr,
                             .imr_address = membership->interface.address,
                             .imr_ifindex = (int)membership->interface.index};
  return dgram__set_option(socket, IPPROTO_IP, joins ? IP_ADD_MEMBERSHIP : IP_DROP_MEMBERSHIP,
                           &request, sizeof request);
}

int dgram__multicast_set(const dgram_socket_t *socket, const union dgram__address *group,
                         unsigned index, enum dgram__membership_change change) {
  const struct membership membership = {
      .group = *group, .interface = {.family = group->any.sa_family, .index = index}};
  return multicast_set(socket, &membership, change);
}

static int multicast_set_membership(dgram_socket_t *socket, const char *group,
                                    const char *interface, enum dgram__membership_change change) {
  struct membership membership;
  int err = dgram__check_open(socket);
  if (err != 0)
    return err;
  if (group == NULL || *group == '\0')
    return DGRAM_ERR_MISSING_ARGS;
  err = multicast_read(&membership, group, NULL, interface);
  if (err == 0)
    err = dgram__multicast_bind_if_unbound(socket);
  return err != 0 ? err : multicast_set(socket, &membership, change);
}

int dgram_add_membership(dgram_socket_t *socket, const char *multicast_address,
                         const char *multicast_interface) {
  return multicast_set_membership(socket, multicast_address, multicast_interface,
                                  DGRAM__MEMBERSHIP_JOIN);
}

int dgram_drop_membership(dgram_socket_t *socket, const char *multicast_address,
                          const char *multicast_interface) {
  return multicast_set_membership(socket, multicast_address, multicast_interface,
                                  DGRAM__MEMBERSHIP_LEAVE);
}

/* ---- of one source ---- */

static int multicast_set_source_membership(dgram_socket_t *socket, const char *source,
                                           const char *group, const char *interface,
                                           int name_by_address, int name_by_index) {
  struct membership membership;
  int err = dgram__check_open(socket);
  if (err != 0)
    return err;
  err = source != NULL ? multicast_read(&membership, group, source, interface) : UV_EINVAL;
  if (err == 0)
    err = dgram__multicast_bind_if_unbound(socket);
  if (err != 0)
    return err;
  bool v4 = membership.group.any.sa_family == AF_INET;
  if (v4 && membership.interface.index == 0) { /* the interface is known by its address */
    struct ip_mreq_source request = {.imr_multiaddr = membership.group.v4.sin_addr,
                                     .imr_interface = membership.interface.address,
                                     .imr_sourceaddr = membership.source.v4.sin_addr};
    return dgram__set_option(socket, IPPROTO_IP, name_by_address, &request, sizeof request);
  }
  struct group_source_req request = {.gsr_interface = membership.interface.index};
  memcpy(&request.gsr_group, &membership.group, sizeof membership.group);
  memcpy(&request.gsr_source, &membership.source, sizeof membership.source);
  return dgram__set_option(socket, v4 ? IPPROTO_IP : IPPROTO_IPV6, name_by_index, &request,
                           sizeof request);
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

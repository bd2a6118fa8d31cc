/*
 * Options of sockets on a simulated host, by their names and levels as setsockopt(2) and
 * getsockopt(2) have them: memberships, the numbers of each family, buffers, the path MTU. What is
 * none of these has no meaning here: UV_ENOTSUP.
 */
#include "sim.h"

#include <stdlib.h>
#include <string.h>

enum { LEAST_BUFFER = 2304 /* SOCK_MIN_RCVBUF, nearly */ };

static int option_read_int(const void *value, socklen_t length, int *read) {
  if (length != sizeof *read)
    return UV_EINVAL;
  memcpy(read, value, sizeof *read);
  return 0;
}

/* The interface of a membership, or of outgoing multicast: the host's only one. */
static bool option_is_interface(const dgram_sim_host_t *host, int index,
                                const struct in_addr *address) {
  union dgram__address own;
  if (index != 0 || address == NULL || address->s_addr == 0)
    return index == 0 || index == DGRAM__SIM_LOOPBACK_INDEX || index == DGRAM__SIM_INTERFACE_INDEX;
  dgram__address_any(&own, AF_INET, 0);
  own.v4.sin_addr = *address;
  return dgram__sim_host_has(host, &own);
}

static struct dgram__sim_membership *membership_find(const struct dgram__sim_socket *socket,
                                                     const union dgram__address *group,
                                                     const union dgram__address *source) {
  DGRAM__LIST_FOR_EACH (at, &socket->memberships, struct dgram__sim_membership, node)
    if (dgram__sim_same_host(&at->group, group) &&
        (at->source.any.sa_family == AF_UNSPEC || source->any.sa_family == AF_UNSPEC
             ? at->source.any.sa_family == source->any.sa_family
             : dgram__sim_same_host(&at->source, source)))
      return at;
  return NULL;
}

/* `source` AF_UNSPEC: any. */
static int membership_join(struct dgram__sim_socket *socket, const union dgram__address *group,
                           const union dgram__address *source) {
  if (!dgram__address_is_multicast(group))
    return UV_EINVAL;
  if (membership_find(socket, group, source) != NULL)
    return source->any.sa_family == AF_UNSPEC ? UV_EADDRINUSE : UV_EADDRNOTAVAIL;
  struct dgram__sim_membership *membership = calloc(1, sizeof *membership);
  if (membership == NULL)
    return UV_ENOMEM;
  membership->group = *group;
  membership->source = *source;
  dgram__list_append(&socket->memberships, &membership->node);
  return 0;
}

static int membership_leave(struct dgram__sim_socket *socket, const union dgram__address *group,
                            const union dgram__address *source) {
  if (!dgram__address_is_multicast(group))
    return UV_EINVAL;
  struct dgram__sim_membership *membership = membership_find(socket, group, source);
  if (membership == NULL)
    return UV_EADDRNOTAVAIL;
  dgram__list_remove(&socket->memberships, &membership->node);
  free(membership);
  return 0;
}

enum option_change { OPTION_JOIN, OPTION_LEAVE };

static int option_change_membership(struct dgram__sim_socket *socket, enum option_change change,
                                    const union dgram__address *group,
                                    const union dgram__address *source) {
  return change == OPTION_JOIN ? membership_join(socket, group, source)
                               : membership_leave(socket, group, source);
}

static int option_set_membership_v4(struct dgram__sim_socket *socket, enum option_change change,
                                    const struct in_addr *group, const struct in_addr *source,
                                    const struct in_addr *interface, int index) {
  union dgram__address to = {.any.sa_family = AF_INET};
  union dgram__address from = dgram__address_unspec;
  to.v4.sin_addr = *group;
  if (source != NULL) {
    from.any.sa_family = AF_INET;
    from.v4.sin_addr = *source;
  }
  if (!option_is_interface(socket->host, index, interface))
    return UV_ENODEV;
  return option_change_membership(socket, change, &to, &from);
}

/* IP_ADD_MEMBERSHIP and its like, at the level of IPv4. UV_ENOTSUP: it is another option. */
static int option_set_group_v4(struct dgram__sim_socket *socket, int name, const void *value,
                               socklen_t length) {
  struct ip_mreqn request;
  struct ip_mreq_source with_source;
  if ((name == IP_ADD_MEMBERSHIP || name == IP_DROP_MEMBERSHIP) && length == sizeof request) {
    memcpy(&request, value, sizeof request);
    return option_set_membership_v4(socket, name == IP_ADD_MEMBERSHIP ? OPTION_JOIN : OPTION_LEAVE,
                                    &request.imr_multiaddr, NULL, &request.imr_address,
                                    request.imr_ifindex);
  }
  if ((name == IP_ADD_SOURCE_MEMBERSHIP || name == IP_DROP_SOURCE_MEMBERSHIP) &&
      length == sizeof with_source) {
    memcpy(&with_source, value, sizeof with_source);
    return option_set_membership_v4(
        socket, name == IP_ADD_SOURCE_MEMBERSHIP ? OPTION_JOIN : OPTION_LEAVE,
        &with_source.imr_multiaddr, &with_source.imr_sourceaddr, &with_source.imr_interface, 0);
  }
  return UV_ENOTSUP;
}

/* IPV6_JOIN_GROUP and its like; and those of both families that name the interface by its index. */
static int option_set_group_by_index(struct dgram__sim_socket *socket, int level, int name,
                                     const void *value, socklen_t length) {
  union dgram__address group = {.any.sa_family = AF_INET6};
  union dgram__address source = dgram__address_unspec;
  if (level == IPPROTO_IPV6 && (name == IPV6_JOIN_GROUP || name == IPV6_LEAVE_GROUP)) {
    struct ipv6_mreq request;
    if (length != sizeof request)
      return UV_EINVAL;
    memcpy(&request, value, sizeof request);
    group.v6.sin6_addr = request.ipv6mr_multiaddr;
    if (!option_is_interface(socket->host, (int)request.ipv6mr_interface, NULL))
      return UV_ENODEV;
    return option_change_membership(socket, name == IPV6_JOIN_GROUP ? OPTION_JOIN : OPTION_LEAVE,
                                    &group, &source);
  }
  struct group_source_req request;
  if ((name != MCAST_JOIN_SOURCE_GROUP && name != MCAST_LEAVE_SOURCE_GROUP) ||
      length != sizeof request)
    return UV_ENOTSUP;
  memcpy(&request, value, sizeof request);
  if (!dgram__address_copy(&group, (const struct sockaddr *)&request.gsr_group) ||
      !dgram__address_copy(&source, (const struct sockaddr *)&request.gsr_source))
    return UV_EINVAL;
  if (!option_is_interface(socket->host, (int)request.gsr_interface, NULL))
    return UV_ENODEV;
  return option_change_membership(
      socket, name == MCAST_JOIN_SOURCE_GROUP ? OPTION_JOIN : OPTION_LEAVE, &group, &source);
}

/* The number that an option sets, and its range. NULL: there is no such option. */
static int *option_find_int(struct dgram__sim_socket *socket, int level, int name, int *least,
                            int *most) {
  struct dgram__sim_family_options *options =
      &socket->options[level == IPPROTO_IPV6 ? DGRAM__SIM_V6 : DGRAM__SIM_V4];
  bool v6 = level == IPPROTO_IPV6;
  *least = 0;
  *most = 255;
  if (name == (v6 ? IPV6_MULTICAST_HOPS : IP_MULTICAST_TTL))
    return &options->multicast_ttl;
  if (name == (v6 ? IPV6_TCLASS : IP_TOS))
    return &options->tos;
  if (name == (v6 ? IPV6_UNICAST_HOPS : IP_TTL)) {
    *least = 1;
    return &options->ttl;
  }
  *most = 1;
  if (name == (v6 ? IPV6_MULTICAST_LOOP : IP_MULTICAST_LOOP))
    return &options->multicast_loop;
#if defined(IP_MULTICAST_ALL) && defined(IPV6_MULTICAST_ALL)
  if (name == (v6 ? IPV6_MULTICAST_ALL : IP_MULTICAST_ALL))
    return &options->multicast_all;
#endif
#if defined(IP_MTU_DISCOVER) && defined(IPV6_MTU_DISCOVER)
  *most = DGRAM__MTU_DISCOVER_PROBE;
  if (name == (v6 ? IPV6_MTU_DISCOVER : IP_MTU_DISCOVER))
    return &options->mtu_discover;
#endif
  return NULL;
}

static int option_set_multicast_interface(const struct dgram__sim_socket *socket, int level,
                                          const void *value, socklen_t length) {
  int index;
  if (level == IPPROTO_IPV6)
    return option_read_int(value, length, &index) == 0 &&
                   option_is_interface(socket->host, index, NULL)
               ? 0
               : UV_ENODEV;
  struct ip_mreqn request;
  if (length != sizeof request)
    return UV_EINVAL;
  memcpy(&request, value, sizeof request);
  return option_is_interface(socket->host, request.imr_ifindex, &request.imr_address)
             ? 0
             : UV_EADDRNOTAVAIL;
}

static int option_set_of_socket(struct dgram__sim_socket *socket, int name, int value,
                                bool only_check) {
  if (name != SO_BROADCAST && name != SO_RCVBUF && name != SO_SNDBUF)
    return UV_ENOTSUP;
  if (only_check)
    return 0;
  if (name == SO_BROADCAST) {
    socket->broadcast = value != 0;
    return 0;
  }
  int size = value < INT_MAX / 2 ? 2 * value : INT_MAX; /* as Linux does, socket(7) */
  size = size > LEAST_BUFFER ? size : LEAST_BUFFER;
  if (name == SO_RCVBUF)
    socket->recv_buffer = size;
  else
    socket->send_buffer = size;
  dgram__sim_check_ready(socket);
  return 0;
}

int dgram__sim_set_option(struct dgram__endpoint *endpoint, int level, int name, const void *value,
                          socklen_t length, bool only_check) {
  struct dgram__sim_socket *socket = dgram__sim_socket_of(endpoint);
  int number = 0;
  int least;
  int most;
  if (level == IPPROTO_IPV6 && socket->family != AF_INET6)
    return UV_ENOPROTOOPT;
  if (level == SOL_SOCKET)
    return option_read_int(value, length, &number) == 0
               ? option_set_of_socket(socket, name, number, only_check)
               : UV_ENOTSUP;
  if (level != IPPROTO_IP && level != IPPROTO_IPV6)
    return UV_ENOTSUP;
  if (name == (level == IPPROTO_IPV6 ? IPV6_MULTICAST_IF : IP_MULTICAST_IF))
    return option_set_multicast_interface(socket, level, value, length);
  int *option = option_find_int(socket, level, name, &least, &most);
  if (option != NULL) {
    if (option_read_int(value, length, &number) != 0 || number < least || number > most)
      return UV_EINVAL;
    if (!only_check)
      *option = number;
    return 0;
  }
  if (only_check) /* a group is joined at once, never behind a send */
    return UV_ENOTSUP;
  int err = level == IPPROTO_IP ? option_set_group_v4(socket, name, value, length) : UV_ENOTSUP;
  return err != UV_ENOTSUP ? err : option_set_group_by_index(socket, level, name, value, length);
}

/* Whether an option is the MTU of the way to the peer: IP_MTU, IPV6_MTU. */
static bool option_is_mtu(int level, int name) {
#if defined(IP_MTU) && defined(IPV6_MTU)
  return (level == IPPROTO_IP && name == IP_MTU) || (level == IPPROTO_IPV6 && name == IPV6_MTU);
#else
  (void)level, (void)name;
  return false;
#endif
}

static int option_get_mtu(const struct dgram__sim_socket *socket, int *mtu) {
  if (!dgram__sim_is_connected(socket))
    return UV_ENOTCONN;
  unsigned known = dgram__sim_host_path_mtu(socket->host, &socket->peer);
  *mtu = (int)(known != 0 ? known : dgram__sim_first_mtu(socket->host, &socket->peer));
  return 0;
}

int dgram__sim_get_option(const struct dgram__endpoint *endpoint, int level, int name, void *value,
                          socklen_t *length) {
  struct dgram__sim_socket *socket = dgram__sim_socket_of(endpoint);
  int number = 0;
  int err = 0;
  int least;
  int most;
  if (*length < sizeof number)
    return UV_EINVAL;
  if (level == SOL_SOCKET && name == SO_RCVBUF) {
    number = socket->recv_buffer;
  } else if (level == SOL_SOCKET && name == SO_SNDBUF) {
    number = socket->send_buffer;
  } else if (level == SOL_SOCKET && name == SO_BROADCAST) {
    number = socket->broadcast;
  } else if (level == IPPROTO_IPV6 && socket->family != AF_INET6) {
    err = UV_ENOPROTOOPT;
  } else if (option_is_mtu(level, name)) {
    err = option_get_mtu(socket, &number);
  } else if (level == IPPROTO_IP || level == IPPROTO_IPV6) {
    const int *option = option_find_int(socket, level, name, &least, &most);
    err = option != NULL ? 0 : UV_ENOTSUP;
    number = option != NULL ? *option : 0;
  } else {
    err = UV_ENOTSUP;
  }
  if (err != 0)
    return err;
  memcpy(value, &number, sizeof number);
  *length = sizeof number;
  return 0;
}

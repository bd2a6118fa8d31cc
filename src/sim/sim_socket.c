/*
 * UDP sockets on a simulated host, with the behaviour of Linux:
 *
 *   opened     bound to an address and port, if those that have it permit it
 *   connected  to a peer; an ICMP error about it is pending until a call reports it
 *   sends      within its send buffer
 *   receives   what is for it, within its receive buffer
 *   ready      it is on the network's list while it has events that it is watched for
 *   closed     its memory is freed when nothing that it has sent counts for it any more
 */
#include "sim.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
  FIRST_PORT = 32768, /* net.ipv4.ip_local_port_range */
  LAST_PORT = 60999,
  BUFFER_SIZE = 212992, /* net.core.rmem_default, wmem_default */
  MAX_V4 = 65507,       /* bytes of a datagram */
  MAX_V6 = 65527
};

static const struct dgram__endpoint_ops socket_ops;

static dgram_sim_t *socket_sim(const struct dgram__sim_socket *socket) {
  return socket->host->sim;
}

/* ---- ready ---- */

static int socket_events(const struct dgram__endpoint *endpoint) {
  const struct dgram__sim_socket *socket = dgram__sim_socket_of(endpoint);
  if (socket->error != 0)
    return UV_READABLE | UV_WRITABLE;
  return (socket->first != NULL ? UV_READABLE : 0) |
         (2 * socket->sending <= (size_t)socket->send_buffer ? UV_WRITABLE : 0);
}

/* As poll(2) reports POLLERR, an error is an event whatever the socket is watched for. */
static bool socket_has_watched_event(const struct dgram__sim_socket *socket) {
  return socket->watched != 0 &&
         (socket->error != 0 || (socket_events(&socket->endpoint) & socket->watched) != 0);
}

void dgram__sim_check_ready(struct dgram__sim_socket *socket) {
  if (!socket->is_open || socket->readiness == DGRAM__SIM_READY ||
      !socket_has_watched_event(socket))
    return;
  socket->readiness = DGRAM__SIM_READY;
  dgram__list_append(&socket_sim(socket)->ready, &socket->ready);
}

static void socket_leave_ready(struct dgram__sim_socket *socket) {
  /* What is in the list is open, and so is held. NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
  if (socket->readiness == DGRAM__SIM_NOT_READY)
    return;
  socket->readiness = DGRAM__SIM_NOT_READY;
  dgram__list_remove(&socket_sim(socket)->ready, &socket->ready);
}

static void socket_watch(struct dgram__endpoint *endpoint, int events) {
  struct dgram__sim_socket *socket = dgram__sim_socket_of(endpoint);
  socket->watched = events;
  dgram__sim_check_ready(socket);
}

static void socket_release(struct dgram__sim_socket *socket) {
  assert(socket->holds > 0);
  if (--socket->holds > 0)
    return;
  assert(!socket->is_open && socket->readiness == DGRAM__SIM_NOT_READY);
  free(socket);
}

/* A socket stays ready until it has no more events: one step calls each once. */
bool dgram__sim_wake(dgram_sim_t *sim) {
  size_t left = 0;
  for (const struct dgram__list_node *node = sim->ready.first; node != NULL; node = node->next)
    left++;
  bool any = left > 0;
  for (; left > 0 && !dgram__list_is_empty(&sim->ready); left--) {
    struct dgram__sim_socket *socket =
        DGRAM__LIST_ENTRY(sim->ready.first, struct dgram__sim_socket, ready);
    socket_leave_ready(socket);
    if (!socket_has_watched_event(socket))
      continue;
    int events = socket_events(&socket->endpoint) & socket->watched;
    socket->holds++;
    socket->endpoint.on_ready(socket->endpoint.owner, socket->error != 0 ? UV_EBADF : 0, events);
    dgram__sim_check_ready(socket);
    socket_release(socket);
  }
  return any;
}

/* ---- opened ---- */

static bool socket_has_family(const struct dgram__sim_socket *socket, int family) {
  return socket->family == family || (socket->family == AF_INET6 && !socket->ipv6_only);
}

/* Whether both addresses, bound to one port, are for a same datagram. */
static bool socket_overlaps(const struct dgram__sim_socket *a, const struct dgram__sim_socket *b) {
  bool a_any = dgram__address_is_any(&a->bound);
  bool b_any = dgram__address_is_any(&b->bound);
  if (a_any && b_any)
    return a->family == b->family || (!a->ipv6_only && !b->ipv6_only);
  if (a_any || b_any) {
    const struct dgram__sim_socket *wildcard = a_any ? a : b;
    return socket_has_family(wildcard, (a_any ? b : a)->bound.any.sa_family);
  }
  return dgram__sim_same_host(&a->bound, &b->bound);
}

static bool socket_conflicts(const struct dgram__sim_socket *socket, int port) {
  DGRAM__LIST_FOR_EACH (other, &socket->host->endpoints, struct dgram__sim_socket, node) {
    bool shared =
        (socket->reuse_addr && other->reuse_addr) || (socket->reuse_port && other->reuse_port);
    if (dgram__address_port(&other->bound) == port && !shared && socket_overlaps(socket, other))
      return true;
  }
  return false;
}

/* Returns 0, or UV_EADDRINUSE: all are taken. */
static int socket_choose_port(struct dgram__sim_socket *socket) {
  const int count = LAST_PORT - FIRST_PORT + 1;
  int start = (int)dgram__random_below(&socket_sim(socket)->random, (uint64_t)count);
  for (int i = 0; i < count; i++) {
    int port = FIRST_PORT + (start + i) % count;
    if (socket_conflicts(socket, port))
      continue;
    dgram__address_set_port(&socket->bound, port);
    return 0;
  }
  return UV_EADDRINUSE;
}

static bool socket_may_bind_to(const dgram_sim_host_t *host, const union dgram__address *local) {
  return dgram__address_is_any(local) || dgram__address_is_multicast(local) ||
         dgram__sim_host_has(host, local) || dgram__sim_host_is_broadcast(host, local);
}

static int socket_bind(struct dgram__sim_socket *socket, const struct dgram__settings *settings) {
  socket->bound = settings->local;
  if (!socket->ipv6_only)
    dgram__sim_unmap(&socket->bound);
  if (socket->ipv6_only && settings->local.any.sa_family != AF_INET6)
    return UV_EINVAL;
  if (!socket_may_bind_to(socket->host, &socket->bound))
    return UV_EADDRNOTAVAIL;
  int port = dgram__address_port(&socket->bound);
  if (port == 0)
    return socket_choose_port(socket);
  return socket_conflicts(socket, port) ? UV_EADDRINUSE : 0;
}

int dgram__sim_open(struct dgram__network *network, const struct dgram__settings *settings,
                    struct dgram__endpoint **endpoint) {
  dgram_sim_host_t *host = DGRAM__LIST_ENTRY(network, dgram_sim_host_t, network);
  if (host->kind != DGRAM__SIM_HOST)
    return UV_ENOTSUP;
  struct dgram__sim_socket *socket = calloc(1, sizeof *socket);
  if (socket == NULL)
    return UV_ENOMEM;
  socket->endpoint.ops = &socket_ops;
  socket->host = host;
  socket->holds = 1;
  socket->is_open = true;
  socket->family = settings->local.any.sa_family;
  socket->ipv6_only = settings->ipv6_only;
  socket->info = settings->info;
  socket->reuse_addr = settings->reuse_addr;
  socket->reuse_port = settings->reuse_port;
  socket->send_buffer = socket->recv_buffer = BUFFER_SIZE;
  for (int i = 0; i < DGRAM__SIM_FAMILIES; i++)
    socket->options[i] =
        (struct dgram__sim_family_options){.ttl = 64,
                                           .multicast_ttl = 1,
                                           .multicast_loop = 1,
                                           .multicast_all = 1,
                                           .mtu_discover = DGRAM__MTU_DISCOVER_WANT};
  int err = socket_bind(socket, settings);
  if (err != 0) {
    free(socket);
    return err;
  }
  socket->local = socket->bound;
  dgram__list_append(&host->endpoints, &socket->node);
  *endpoint = &socket->endpoint;
  return 0;
}

/* ---- connected ---- */

static int socket_take_error(struct dgram__endpoint *endpoint) {
  struct dgram__sim_socket *socket = dgram__sim_socket_of(endpoint);
  int err = socket->error;
  socket->error = 0;
  return err;
}

/* What the program calls the destination, as what goes over the network. */
static void socket_read_destination(union dgram__address *to) {
  dgram__sim_unmap(to);
  if (dgram__address_is_any(to)) /* this host */
    dgram__address_loopback(to, to->any.sa_family, dgram__address_port(to));
  if (to->any.sa_family == AF_INET6)
    to->v6.sin6_flowinfo = to->v6.sin6_scope_id = 0;
}

/* Whether the socket may send there, and from which address. Returns 0 or an error. */
static int socket_choose_source(const struct dgram__sim_socket *socket,
                                const union dgram__address *to, union dgram__address *from) {
  *from = socket->bound;
  if (!socket_has_family(socket, to->any.sa_family))
    return UV_ENETUNREACH;
  if (!socket->broadcast && dgram__sim_host_is_broadcast(socket->host, to))
    return UV_EACCES;
  bool from_any = dgram__address_is_any(from) || dgram__address_is_multicast(from) ||
                  dgram__sim_host_is_broadcast(socket->host, from);
  if (!from_any && from->any.sa_family != to->any.sa_family)
    return UV_ENETUNREACH;
  if (!from_any)
    return dgram__sim_is_loopback(from) && !dgram__sim_host_has(socket->host, to) ? UV_EINVAL : 0;
  if (!dgram__sim_host_source(socket->host, to, from))
    return UV_ENETUNREACH;
  dgram__address_set_port(from, dgram__address_port(&socket->bound));
  return 0;
}

static int socket_connect(struct dgram__endpoint *endpoint, const union dgram__address *address) {
  struct dgram__sim_socket *socket = dgram__sim_socket_of(endpoint);
  if (address->any.sa_family == AF_UNSPEC) {
    socket->peer = dgram__address_unspec;
    socket->local = socket->bound;
    return 0;
  }
  union dgram__address to = *address;
  union dgram__address from;
  socket_read_destination(&to);
  int err = socket_choose_source(socket, &to, &from);
  if (err != 0)
    return err;
  socket->peer = to;
  socket->local = from;
  return 0;
}

static int socket_name(const struct dgram__endpoint *endpoint, bool peer,
                       union dgram__address *name) {
  const struct dgram__sim_socket *socket = dgram__sim_socket_of(endpoint);
  if (peer && !dgram__sim_is_connected(socket))
    return UV_ENOTCONN;
  *name = peer ? socket->peer : socket->local;
  if (socket->family == AF_INET6)
    dgram__sim_map(name);
  return 0;
}

void dgram__sim_deliver_error(dgram_sim_host_t *host, const struct dgram__sim_packet *packet) {
  const union dgram__address *about = &packet->icmp.about;
  if (packet->icmp.mtu != 0)
    dgram__sim_host_learn_mtu(host, about, packet->icmp.mtu);
  DGRAM__LIST_FOR_EACH (socket, &host->endpoints, struct dgram__sim_socket, node) {
    bool concerned = dgram__sim_is_connected(socket) && dgram__sim_same(&socket->peer, about) &&
                     dgram__sim_same(&socket->local, &packet->to);
    if (!concerned ||
        (packet->icmp.mtu != 0 &&
         socket->options[DGRAM__SIM_FAMILY(about)].mtu_discover == DGRAM__MTU_DISCOVER_DONT))
      continue;
    socket->error = packet->icmp.error;
    dgram__sim_check_ready(socket);
  }
}

/* ---- sends ---- */

void dgram__sim_sent(struct dgram__sim_packet *packet) {
  struct dgram__sim_socket *socket = packet->sender;
  if (socket == NULL)
    return;
  packet->sender = NULL;
  socket->sending -= packet->size + DGRAM__SIM_OVERHEAD;
  dgram__sim_check_ready(socket);
  socket_release(socket);
}

/* Whether it may be fragmented, and to which size. Returns 0 or UV_EMSGSIZE. */
static int socket_set_fragmenting(const struct dgram__sim_socket *socket,
                                  struct dgram__sim_packet *packet, int mtu_discover) {
  unsigned known = mtu_discover == DGRAM__MTU_DISCOVER_PROBE
                       ? 0
                       : dgram__sim_host_path_mtu(socket->host, &packet->to);
  unsigned header = dgram__sim_headers(packet->to.any.sa_family);
  bool fits = known == 0 || packet->size + header <= known;
  packet->mtu = known;
  switch (mtu_discover) {
  case DGRAM__MTU_DISCOVER_DO:
  case DGRAM__MTU_DISCOVER_PROBE:
    return fits ? 0 : UV_EMSGSIZE;
  case DGRAM__MTU_DISCOVER_WANT: /* don't fragment what fits: so a smaller MTU on the way is learned
                                  */
    packet->may_fragment =
        !fits || packet->size + header > dgram__sim_first_mtu(socket->host, &packet->to);
    return 0;
  default:
    packet->may_fragment = true;
    return 0;
  }
}

/*
 * Applies the options of one datagram. Returns 0, UV_EINVAL: a source that the host does not have,
 * or a departure time; or UV_ENODEV: an interface that it does not have.
 */
static int socket_apply_options(const struct dgram__sim_socket *socket,
                                struct dgram__sim_packet *packet,
                                const struct dgram__tx_options *options) {
  if (options->departure_ns != 0)
    return UV_EINVAL;
  if (options->interface_index > DGRAM__SIM_INTERFACE_INDEX)
    return UV_ENODEV;
  if (options->source.any.sa_family != AF_UNSPEC) {
    union dgram__address source = options->source;
    dgram__sim_unmap(&source);
    if (source.any.sa_family != packet->to.any.sa_family ||
        !dgram__sim_host_has(socket->host, &source))
      return UV_EINVAL;
    dgram__address_set_port(&source, dgram__address_port(&packet->from));
    packet->from = source;
  }
  if (options->ttl >= 0)
    packet->ttl = (unsigned char)options->ttl;
  if (options->tos >= 0)
    packet->tos = (unsigned char)options->tos;
  return 0;
}

static int socket_send_one(struct dgram__sim_socket *socket,
                           const struct dgram__datagram *datagram) {
  union dgram__address to = datagram->to;
  union dgram__address from;
  if (to.any.sa_family == AF_UNSPEC && !dgram__sim_is_connected(socket))
    return UV_EDESTADDRREQ;
  if (to.any.sa_family == AF_UNSPEC)
    to = socket->peer;
  else
    socket_read_destination(&to);
  if (datagram->size > (to.any.sa_family == AF_INET ? MAX_V4 : MAX_V6))
    return UV_EMSGSIZE;
  if (socket->sending >= (size_t)socket->send_buffer)
    return UV_EAGAIN;
  int err = socket_choose_source(socket, &to, &from);
  if (err != 0)
    return err;
  struct dgram__sim_packet *packet = dgram__sim_packet_new(socket->host, datagram->size);
  if (packet == NULL)
    return UV_ENOMEM;
  char *end = packet->data;
  for (uint32_t i = 0; i < datagram->iov_count; i++) {
    if (datagram->iov[i].iov_len > 0) /* else the base may be NULL */
      memcpy(end, datagram->iov[i].iov_base, datagram->iov[i].iov_len);
    end += datagram->iov[i].iov_len;
  }
  const struct dgram__sim_family_options *options = &socket->options[DGRAM__SIM_FAMILY(&to)];
  bool group = dgram__address_is_multicast(&to);
  packet->from = from;
  packet->to = to;
  packet->ttl = (unsigned char)(group ? options->multicast_ttl : options->ttl);
  packet->tos = (unsigned char)options->tos;
  packet->loops = !group || options->multicast_loop != 0;
  int mtu_discover = options->mtu_discover;
  if (datagram->options != NULL) {
    err = socket_apply_options(socket, packet, datagram->options);
    if (datagram->options->dont_fragment >= 0)
      mtu_discover =
          datagram->options->dont_fragment ? DGRAM__MTU_DISCOVER_DO : DGRAM__MTU_DISCOVER_DONT;
  }
  if (err == 0)
    err = socket_set_fragmenting(socket, packet, mtu_discover);
  if (err != 0) {
    dgram__sim_packet_free(packet);
    return err;
  }
  packet->sender = socket;
  socket->holds++;
  socket->sending += datagram->size + DGRAM__SIM_OVERHEAD;
  return dgram__sim_packet_send(packet);
}

/* As sendmmsg(2): a pending error first, and no error once something has been sent. */
static int socket_send(struct dgram__endpoint *endpoint, const struct dgram__datagram *first,
                       unsigned count) {
  struct dgram__sim_socket *socket = dgram__sim_socket_of(endpoint);
  const struct dgram__datagram *datagram = first;
  for (unsigned i = 0; i < count; i++, datagram = datagram->next) {
    int err = i == 0 && socket->error != 0 ? socket_take_error(endpoint)
                                           : socket_send_one(socket, datagram);
    if (err != 0)
      return i > 0 ? (int)i : err;
  }
  return (int)count;
}

/* ---- receives ---- */

/* How well the socket fits a datagram, as the kernel scores it; -1: not at all. */
static int socket_score(const struct dgram__sim_socket *socket, const union dgram__address *to,
                        const union dgram__address *from) {
  if (dgram__address_port(&socket->bound) != dgram__address_port(to) ||
      !socket_has_family(socket, to->any.sa_family))
    return -1;
  int score = socket->family == AF_INET ? 1 : 0;
  bool any = dgram__address_is_any(&socket->local) && !dgram__sim_is_connected(socket);
  if (!any && !dgram__sim_same_host(&socket->local, to))
    return -1;
  score += any ? 0 : 2;
  if (dgram__sim_is_connected(socket) && (from == NULL || !dgram__sim_same(&socket->peer, from)))
    return -1;
  return score + (dgram__sim_is_connected(socket) ? 4 : 0);
}

/* Of the sockets that share the port by SO_REUSEPORT, one by the hash of the addresses. */
static struct dgram__sim_socket *socket_of_group(struct dgram__sim_socket *best,
                                                 const struct dgram__sim_packet *packet) {
  unsigned count = 0;
  DGRAM__LIST_FOR_EACH (socket, &best->host->endpoints, struct dgram__sim_socket, node)
    count += socket->reuse_port && socket->family == best->family &&
             dgram__address_equal(&socket->bound, &best->bound) && !dgram__sim_is_connected(socket);
  uint64_t hash = dgram__random_mix((uint64_t)dgram__address_port(&packet->from) << 32);
  const unsigned char *bytes = (const void *)&packet->from;
  for (size_t i = 0; i < sizeof packet->from; i++)
    hash = dgram__random_mix(hash ^ bytes[i]);
  uint64_t chosen = hash % count;
  DGRAM__LIST_FOR_EACH (socket, &best->host->endpoints, struct dgram__sim_socket, node)
    if (socket->reuse_port && socket->family == best->family &&
        dgram__address_equal(&socket->bound, &best->bound) && !dgram__sim_is_connected(socket) &&
        chosen-- == 0)
      return socket;
  return best;
}

/* The newest of those that fit best, as in the kernel. NULL: none does. */
static struct dgram__sim_socket *socket_find(const dgram_sim_host_t *host,
                                             const union dgram__address *to,
                                             const union dgram__address *from) {
  struct dgram__sim_socket *best = NULL;
  int best_score = 0;
  DGRAM__LIST_FOR_EACH (socket, &host->endpoints, struct dgram__sim_socket, node) {
    int score = socket_score(socket, to, from);
    if (score >= best_score) {
      best = socket;
      best_score = score;
    }
  }
  return best;
}

/* Puts the packet into the receive buffer. */
static void socket_receive(struct dgram__sim_socket *socket, struct dgram__sim_packet *packet) {
  size_t bytes = packet->size + DGRAM__SIM_OVERHEAD;
  if (socket->first != NULL && socket->receiving + bytes > (size_t)socket->recv_buffer) {
    dgram__sim_note(socket->host, DGRAM_SIM_BUFFER_FULL, packet);
    dgram__sim_packet_free(packet);
    return;
  }
  dgram__sim_note(socket->host, DGRAM_SIM_DELIVERED, packet);
  socket->receiving += bytes;
  packet->next = NULL;
  if (socket->first != NULL)
    socket->last->next = packet;
  else
    socket->first = packet;
  socket->last = packet;
  dgram__sim_check_ready(socket);
}

static bool membership_admits(const struct dgram__sim_membership *membership,
                              const struct dgram__sim_packet *packet) {
  return dgram__sim_same_host(&membership->group, &packet->to) &&
         (membership->source.any.sa_family == AF_UNSPEC ||
          dgram__sim_same_host(&membership->source, &packet->from));
}

/* Whether the socket is a member for the packet; `any_source`: or in any way of the group. */
static bool socket_is_member(const struct dgram__sim_socket *socket,
                             const struct dgram__sim_packet *packet, bool any_source) {
  DGRAM__LIST_FOR_EACH (membership, &socket->memberships, struct dgram__sim_membership, node)
    if (any_source ? dgram__sim_same_host(&membership->group, &packet->to)
                   : membership_admits(membership, packet))
      return true;
  return false;
}

/* A socket that is no member gets what others of its host have joined (IP_MULTICAST_ALL). */
static bool socket_wants_group(const struct dgram__sim_socket *socket,
                               const struct dgram__sim_packet *packet) {
  if (socket_is_member(socket, packet, true))
    return socket_is_member(socket, packet, false);
  if (socket->options[DGRAM__SIM_FAMILY(&packet->to)].multicast_all == 0)
    return false;
  DGRAM__LIST_FOR_EACH (other, &socket->host->endpoints, struct dgram__sim_socket, node)
    if (socket_is_member(other, packet, false))
      return true;
  return false;
}

static bool socket_wants(const struct dgram__sim_socket *socket,
                         const struct dgram__sim_packet *packet) {
  return socket_score(socket, &packet->to, &packet->from) >= 0 &&
         (!dgram__address_is_multicast(&packet->to) || socket_wants_group(socket, packet));
}

/* Each socket that wants it gets one. */
static void socket_deliver_to_many(struct dgram__sim_packet *packet) {
  const dgram_sim_host_t *host = packet->at;
  DGRAM__LIST_FOR_EACH (socket, &host->endpoints, struct dgram__sim_socket, node) {
    if (!socket_wants(socket, packet))
      continue;
    struct dgram__sim_packet *copy = dgram__sim_packet_copy(packet);
    if (copy != NULL)
      socket_receive(socket, copy);
  }
  dgram__sim_packet_free(packet);
}

void dgram__sim_deliver(struct dgram__sim_packet *packet, enum dgram__sim_receivers receivers) {
  if (receivers == DGRAM__SIM_TO_MANY) {
    socket_deliver_to_many(packet);
    return;
  }
  struct dgram__sim_socket *socket = socket_find(packet->at, &packet->to, &packet->from);
  if (socket->reuse_port && !dgram__sim_is_connected(socket))
    socket = socket_of_group(socket, packet);
  socket_receive(socket, packet);
}

bool dgram__sim_has_port(const struct dgram__sim_packet *packet) {
  return socket_find(packet->at, &packet->to, &packet->from) != NULL;
}

bool dgram__sim_port_is_used(const dgram_sim_host_t *host, const union dgram__address *local) {
  DGRAM__LIST_FOR_EACH (socket, &host->endpoints, struct dgram__sim_socket, node)
    if (dgram__address_port(&socket->bound) == dgram__address_port(local) &&
        socket_has_family(socket, local->any.sa_family))
      return true;
  return false;
}

/* What the program asks for, of a datagram that has come in one piece. */
static void socket_tell(const struct dgram__sim_socket *socket, struct dgram__rx_info *info,
                        const struct dgram__sim_packet *packet) {
  dgram_info_t *facts = &info->facts;
  bool loopback = dgram__sim_is_loopback(&packet->to);
  memset(info, 0, sizeof *info);
  info->asked = socket->info;
  info->interface_index = loopback ? DGRAM__SIM_LOOPBACK_INDEX : DGRAM__SIM_INTERFACE_INDEX;
  memcpy(info->interface_name, loopback ? "lo" : "eth0", loopback ? sizeof "lo" : sizeof "eth0");
  info->destination = packet->to;
  info->local = packet->to;
  if (!dgram__sim_host_has(socket->host, &packet->to) &&
      !dgram__sim_host_source(socket->host, &packet->from, &info->local))
    info->local = dgram__address_unspec;
  if (packet->to.any.sa_family == AF_INET6 && dgram__address_is_multicast(&packet->to))
    info->local = dgram__address_unspec; /* as the kernel: it is not told */
  if (info->local.any.sa_family != AF_UNSPEC)
    dgram__address_set_port(&info->local, dgram__address_port(&packet->to));
  if (socket->family == AF_INET6) {
    dgram__sim_map(&info->destination);
    dgram__sim_map(&info->local);
  }
  facts->flags = socket->info & ~(unsigned)DGRAM_INFO_HARDWARE_TIMESTAMP;
  facts->interface_index = (socket->info & DGRAM_INFO_INTERFACE) != 0 ? info->interface_index : 0;
  facts->ttl = packet->ttl;
  facts->dscp = packet->tos >> 2;
  facts->ecn = packet->tos & 3;
  facts->timestamp_ns = socket_sim(socket)->now;
}

static int socket_recv(struct dgram__endpoint *endpoint, struct dgram__rx_buffers *buffers,
                       unsigned most) {
  struct dgram__sim_socket *socket = dgram__sim_socket_of(endpoint);
  if (socket->error != 0)
    return socket_take_error(endpoint);
  unsigned filled = 0;
  while (filled < most && socket->first != NULL) {
    struct dgram__sim_packet *packet = socket->first;
    struct dgram__rx_buffer *buffer = &buffers->all[filled++];
    socket->first = packet->next;
    socket->receiving -= packet->size + DGRAM__SIM_OVERHEAD;
    memcpy(buffer->data, packet->data, packet->size);
    buffer->size = packet->size;
    buffer->segment = 0;
    buffer->from = packet->from;
    if (socket->family == AF_INET6)
      dgram__sim_map(&buffer->from);
    if (socket->info != 0)
      socket_tell(socket, &buffer->info, packet);
    dgram__sim_packet_free(packet);
  }
  return (int)filled;
}

/* ---- closed ---- */

static void socket_close(struct dgram__endpoint *endpoint) {
  struct dgram__sim_socket *socket = dgram__sim_socket_of(endpoint);
  struct dgram__list_node *node;
  socket_leave_ready(socket);
  socket->is_open = false;
  dgram__list_remove(&socket->host->endpoints, &socket->node);
  while ((node = dgram__list_take_first(&socket->memberships)) != NULL)
    free(DGRAM__LIST_ENTRY(node, struct dgram__sim_membership, node));
  while (socket->first != NULL) {
    struct dgram__sim_packet *packet = socket->first;
    socket->first = packet->next;
    dgram__sim_packet_free(packet);
  }
  socket_release(socket);
}

static const struct dgram__endpoint_ops socket_ops = {.close = socket_close,
                                                      .connect = socket_connect,
                                                      .take_error = socket_take_error,
                                                      .name = socket_name,
                                                      .send = socket_send,
                                                      .recv = socket_recv,
                                                      .events = socket_events,
                                                      .watch = socket_watch,
                                                      .set_option = dgram__sim_set_option,
                                                      .get_option = dgram__sim_get_option};

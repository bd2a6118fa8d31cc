/*
 * A datagram, or an ICMP error, on its way:
 *
 *   packet_start     from a host: to itself, to a group or broadcast, or by the way's first link
 *   packet_transmit  over a link: fragments, queue, loss, rate, delay, a duplicate
 *   packet_at_host   at the other end: through a switch, to the host, or on by packet_forward
 *   packet_error     what can't go on is answered by an ICMP error
 *
 * A packet is one datagram also where it is sent in fragments: of these only the bytes and the
 * chance of a loss are counted. On a link with a rate it is scheduled twice: when it has left, and
 * when it arrives.
 */
#include "sim.h"

#include <stdlib.h>
#include <string.h>

enum {
  IPV4_HEADERS = 28,
  IPV6_HEADERS = 48,
  UDP_HEADER = 8,
  LOOPBACK_MTU = 65536,
  TTL = 64 /* of ICMP errors */
};

/* ---- addresses ---- */

unsigned dgram__sim_headers(int family) {
  return family == AF_INET ? IPV4_HEADERS : IPV6_HEADERS;
}

static bool packet_is_mapped(const union dgram__address *address) {
  return address->any.sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&address->v6.sin6_addr);
}

int dgram__sim_family(const union dgram__address *address) {
  return packet_is_mapped(address) ? AF_INET : address->any.sa_family;
}

void dgram__sim_unmap(union dgram__address *address) {
  if (!packet_is_mapped(address))
    return;
  union dgram__address v4;
  dgram__address_any(&v4, AF_INET, dgram__address_port(address));
  memcpy(&v4.v4.sin_addr, &address->v6.sin6_addr.s6_addr[12], sizeof v4.v4.sin_addr);
  *address = v4;
}

void dgram__sim_map(union dgram__address *address) {
  if (address->any.sa_family != AF_INET)
    return;
  union dgram__address v6;
  dgram__address_any(&v6, AF_INET6, dgram__address_port(address));
  memset(&v6.v6.sin6_addr.s6_addr[10], 0xff, 2);
  memcpy(&v6.v6.sin6_addr.s6_addr[12], &address->v4.sin_addr, sizeof address->v4.sin_addr);
  *address = v6;
}

bool dgram__sim_same_host(const union dgram__address *a, const union dgram__address *b) {
  if (a->any.sa_family != b->any.sa_family)
    return false;
  if (a->any.sa_family == AF_INET)
    return a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr;
  return IN6_ARE_ADDR_EQUAL(&a->v6.sin6_addr, &b->v6.sin6_addr);
}

bool dgram__sim_is_loopback(const union dgram__address *address) {
  if (address->any.sa_family == AF_INET)
    return ntohl(address->v4.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
  return IN6_IS_ADDR_LOOPBACK(&address->v6.sin6_addr);
}

/*
 * Whether it is for a group, or a broadcast of the host that it comes from. An ICMP error is for
 * one host, also where a NAT has given it an address that is a broadcast there.
 */
static bool packet_is_to_many(const struct dgram__sim_packet *packet) {
  return packet->kind == DGRAM__SIM_UDP &&
         (dgram__address_is_multicast(&packet->to) ||
          dgram__sim_host_is_broadcast(packet->origin, &packet->to));
}

/* ---- memory ---- */

static struct dgram__sim_packet *packet_of(struct dgram__sim_event *event) {
  return DGRAM__LIST_ENTRY(event, struct dgram__sim_packet, event);
}

static void packet_drop_event(struct dgram__sim_event *event) {
  dgram__sim_packet_free(packet_of(event));
}

struct dgram__sim_packet *dgram__sim_packet_new(dgram_sim_host_t *origin, size_t size) {
  struct dgram__sim_packet *packet = malloc(sizeof *packet + size);
  if (packet == NULL)
    return NULL;
  memset(packet, 0, sizeof *packet);
  packet->event.drop = packet_drop_event;
  packet->origin = packet->at = origin;
  packet->ttl = TTL;
  packet->size = size;
  return packet;
}

void dgram__sim_packet_free(struct dgram__sim_packet *packet) {
  dgram__sim_sent(packet);
  free(packet);
}

static void packet_lose(struct dgram__sim_packet *packet, dgram_sim_event_kind_t why) {
  dgram__sim_note(packet->at, why, packet);
  dgram__sim_packet_free(packet);
}

struct dgram__sim_packet *dgram__sim_packet_copy(const struct dgram__sim_packet *packet) {
  struct dgram__sim_packet *copy = malloc(sizeof *copy + packet->size);
  if (copy == NULL) {
    dgram__sim_note(packet->at, DGRAM_SIM_NO_MEMORY, packet);
    return NULL;
  }
  memcpy(copy, packet, sizeof *copy + packet->size);
  copy->sender = NULL;
  copy->charged = 0;
  return copy;
}

/* ---- ICMP errors ---- */

static void packet_on_start(struct dgram__sim_event *event);

/*
 * `about` can't go on from where it is. An error about a group or about an error is not sent, nor
 * one to what is no single host here: RFC 1122, 3.2.2.
 */
static void packet_error(const struct dgram__sim_packet *about, int error, unsigned mtu) {
  union dgram__address source;
  if (about->kind == DGRAM__SIM_ICMP_ERROR || dgram__address_is_multicast(&about->to) ||
      dgram__sim_host_is_broadcast(about->at, &about->to) ||
      dgram__sim_host_is_broadcast(about->at, &about->from) ||
      !dgram__sim_host_source(about->at, &about->from, &source))
    return;
  struct dgram__sim_packet *packet = dgram__sim_packet_new(about->at, 0);
  if (packet == NULL) {
    dgram__sim_note(about->at, DGRAM_SIM_NO_MEMORY, about);
    return;
  }
  packet->kind = DGRAM__SIM_ICMP_ERROR;
  packet->from = source;
  packet->to = about->from;
  packet->may_fragment = true;
  packet->icmp = (struct dgram__sim_icmp){.error = error, .mtu = mtu, .about = about->to};
  dgram__sim_note(about->at, DGRAM_SIM_ICMP, about);
  packet->event.run = packet_on_start; /* once what is under way now has ended */
  dgram__sim_schedule(about->at->sim, &packet->event, about->at->sim->now);
}

/* Answers the packet by an error, and loses it. */
static void packet_refuse(struct dgram__sim_packet *packet, dgram_sim_event_kind_t why, int error,
                          unsigned mtu) {
  dgram__sim_note(packet->at, why, packet);
  packet_error(packet, error, mtu);
  dgram__sim_packet_free(packet);
}

/* ---- over a link ---- */

static void packet_on_arrival(struct dgram__sim_event *event);

static struct dgram__sim_way *packet_way_from(dgram_sim_link_t *link, const dgram_sim_host_t *end) {
  return &link->ways[link->ends[0] == end ? 0 : 1];
}

/* It has left its link at the link's rate, and arrives later, unless the link loses it. */
static void packet_on_left(struct dgram__sim_event *event) {
  struct dgram__sim_packet *packet = packet_of(event);
  packet_way_from(packet->over, dgram__sim_link_other_end(packet->over, packet->at))->queued -=
      packet->charged;
  packet->charged = 0;
  dgram__sim_sent(packet);
  if (packet->is_lost) {
    dgram__sim_packet_free(packet);
    return;
  }
  event->run = packet_on_arrival;
  dgram__sim_schedule(packet->origin->sim, event, packet->arrives);
}

/* How many packets the datagram leaves in, where none may be larger than `mtu`. */
static unsigned packet_fragments(const struct dgram__sim_packet *packet, unsigned mtu) {
  unsigned header = dgram__sim_headers(packet->to.any.sa_family) - UDP_HEADER;
  unsigned payload = (unsigned)packet->size + UDP_HEADER;
  if (header + payload <= mtu)
    return 1;
  unsigned each = (mtu - header) / 8 * 8; /* but for the last, RFC 791 */
  return (payload + each - 1) / each;
}

static unsigned packet_mtu_over(const struct dgram__sim_packet *packet,
                                const struct dgram__sim_way *way) {
  unsigned mtu = way->options.mtu;
  return packet->mtu != 0 && packet->mtu < mtu ? packet->mtu : mtu;
}

/* Whether the link can carry it, or each of the fragments that it has been sent in. */
static bool packet_fits(const struct dgram__sim_packet *packet, const struct dgram__sim_way *way) {
  unsigned header = dgram__sim_headers(packet->to.any.sa_family);
  return header + packet->size <= way->options.mtu || packet->may_fragment ||
         (packet->mtu != 0 && packet->mtu <= way->options.mtu);
}

/* When it arrives that has left at `left`. */
static uint64_t packet_arrival(dgram_sim_t *sim, struct dgram__sim_way *way, uint64_t left) {
  const dgram_sim_link_options_t *options = &way->options;
  uint64_t at = left + options->delay;
  if (options->jitter > 0)
    at += dgram__random_below(&sim->random, options->jitter + 1);
  if (at < sim->now + DGRAM__SIM_MIN_DELAY)
    at = sim->now + DGRAM__SIM_MIN_DELAY;
  if (dgram__random_happens(&sim->random, options->reorder)) {
    uint64_t most = options->reorder_delay != 0 ? options->reorder_delay : 2 * options->delay;
    return at + 1 + dgram__random_below(&sim->random, most + 1);
  }
  if (at < way->last_arrival)
    at = way->last_arrival;
  way->last_arrival = at;
  return at;
}

/* Whether the link loses one of the packets that it leaves in. */
static bool packet_draw_loss(const struct dgram__sim_packet *packet,
                             const struct dgram__sim_way *way, unsigned fragments) {
  bool is_lost = false;
  for (unsigned i = 0; i < fragments; i++)
    is_lost |= dgram__random_happens(&packet->origin->sim->random, way->options.loss);
  if (is_lost)
    dgram__sim_note(packet->at, DGRAM_SIM_LOST, packet);
  return is_lost;
}

/* A second one, if the link makes one. */
static struct dgram__sim_packet *packet_draw_duplicate(const struct dgram__sim_packet *packet,
                                                       const struct dgram__sim_way *way) {
  if (!dgram__random_happens(&packet->origin->sim->random, way->options.duplicate))
    return NULL;
  struct dgram__sim_packet *copy = dgram__sim_packet_copy(packet);
  if (copy != NULL)
    dgram__sim_note(packet->at, DGRAM_SIM_DUPLICATED, packet);
  return copy;
}

/* Leaves its host by the link, at the other end of which it arrives. */
static void packet_enter(struct dgram__sim_packet *packet, dgram_sim_link_t *link) {
  packet->over = link;
  packet->downs = link->downs;
  packet->at = dgram__sim_link_other_end(link, packet->at);
  packet->event.run = packet_on_arrival;
}

/* It has entered a link, of which it has left the sender's end at `left`. */
static void packet_schedule(struct dgram__sim_packet *packet, struct dgram__sim_way *way,
                            uint64_t left) {
  dgram_sim_t *sim = packet->origin->sim;
  packet->arrives = packet_arrival(sim, way, left);
  if (packet->charged > 0) {
    packet->event.run = packet_on_left;
    dgram__sim_schedule(sim, &packet->event, left);
  } else if (packet->is_lost) {
    dgram__sim_packet_free(packet);
  } else {
    dgram__sim_sent(packet);
    dgram__sim_schedule(sim, &packet->event, packet->arrives);
  }
}

/* Sends it over a link from where it is. It fits. */
static void packet_transmit(struct dgram__sim_packet *packet, dgram_sim_link_t *link) {
  dgram_sim_t *sim = packet->origin->sim;
  struct dgram__sim_way *way = packet_way_from(link, packet->at);
  const dgram_sim_link_options_t *options = &way->options;
  if (!dgram__sim_link_passes(link)) {
    packet_lose(packet, DGRAM_SIM_LINK_DOWN);
    return;
  }
  unsigned mtu = packet_mtu_over(packet, way);
  unsigned fragments = packet_fragments(packet, mtu);
  unsigned header = dgram__sim_headers(packet->to.any.sa_family) - UDP_HEADER;
  uint64_t bytes = packet->size + UDP_HEADER + (uint64_t)fragments * header;
  if (options->rate > 0 && options->queue_bytes > 0 && way->queued + bytes > options->queue_bytes) {
    packet_lose(packet, DGRAM_SIM_QUEUE_FULL);
    return;
  }
  packet->mtu = fragments > 1 ? mtu : 0;
  packet->is_lost = packet_draw_loss(packet, way, fragments);
  uint64_t left = sim->now;
  if (options->rate > 0) {
    left = way->busy_until > left ? way->busy_until : left;
    left += (bytes * UINT64_C(1000000000) + options->rate - 1) / options->rate;
    way->busy_until = left;
    way->queued += bytes;
    packet->charged = bytes;
  }
  struct dgram__sim_packet *copy = packet->is_lost ? NULL : packet_draw_duplicate(packet, way);
  packet_enter(packet, link);
  packet_schedule(packet, way, left);
  if (copy == NULL)
    return;
  packet_enter(copy, link);
  packet_schedule(copy, way, left);
}

/* Sends it over a link, or answers that it is too large. */
static void packet_transmit_or_refuse(struct dgram__sim_packet *packet, dgram_sim_link_t *link) {
  const struct dgram__sim_way *way = packet_way_from(link, packet->at);
  if (packet_fits(packet, way))
    packet_transmit(packet, link);
  else
    packet_refuse(packet, DGRAM_SIM_TOO_LARGE, UV_EMSGSIZE, way->options.mtu);
}

/* Copies of it leave over all links but the one that it has come by. */
static void packet_flood(struct dgram__sim_packet *packet) {
  const dgram_sim_host_t *host = packet->at;
  for (size_t i = 0; i < host->link_count; i++) {
    struct dgram__sim_packet *copy =
        host->links[i] != packet->over ? dgram__sim_packet_copy(packet) : NULL;
    if (copy != NULL)
      packet_transmit_or_refuse(copy, host->links[i]);
  }
  dgram__sim_packet_free(packet);
}

/* ---- at a host ---- */

/* Sends it on as a router does; a switch does so too, and leaves it as it is. */
static void packet_forward(struct dgram__sim_packet *packet) {
  bool is_switch = packet->at->kind == DGRAM__SIM_SWITCH;
  if (!is_switch && packet->ttl <= 1) {
    packet_refuse(packet, DGRAM_SIM_TTL_EXCEEDED, UV_EHOSTUNREACH, 0);
    return;
  }
  dgram_sim_link_t *link = dgram__sim_route(packet->at, &packet->to, NULL);
  if (link == NULL && is_switch) {
    packet_lose(packet, DGRAM_SIM_NO_ROUTE);
    return;
  }
  if (link == NULL) {
    packet_refuse(packet, DGRAM_SIM_NO_ROUTE, UV_EHOSTUNREACH, 0);
    return;
  }
  packet->ttl = (unsigned char)(packet->ttl - (is_switch ? 0 : 1));
  if (packet->to.any.sa_family == AF_INET6 && !is_switch)
    packet->may_fragment = false; /* RFC 8200, 4.5: by the source only */
  if (packet->at->nat != NULL && dgram__nat_leave(packet, link) == DGRAM__SIM_DROP)
    packet_lose(packet, DGRAM_SIM_FILTERED);
  else
    packet_transmit_or_refuse(packet, link);
}

/* It is for this host alone. */
static void packet_deliver(struct dgram__sim_packet *packet) {
  if (packet->kind == DGRAM__SIM_ICMP_ERROR) {
    dgram__sim_deliver_error(packet->at, packet);
    dgram__sim_packet_free(packet);
  } else if (dgram__sim_has_port(packet)) {
    dgram__sim_deliver(packet, DGRAM__SIM_TO_ONE);
  } else {
    packet_refuse(packet, DGRAM_SIM_NO_PORT, UV_ECONNREFUSED, 0);
  }
}

static void packet_at_host(struct dgram__sim_packet *packet) {
  dgram_sim_host_t *host = packet->at;
  if (!host->is_up) {
    packet_lose(packet, DGRAM_SIM_HOST_DOWN);
    return;
  }
  if (packet_is_to_many(packet)) {
    /* By another way than the shortest it has come a second time: reverse path forwarding. */
    if (packet->over != NULL && dgram__sim_route(host, NULL, packet->origin) != packet->over)
      dgram__sim_packet_free(packet);
    else if (host->kind == DGRAM__SIM_SWITCH)
      packet_flood(packet);
    else
      dgram__sim_deliver(packet, DGRAM__SIM_TO_MANY);
    return;
  }
  if (host->nat != NULL && packet->over != NULL && dgram__nat_arrive(packet) == DGRAM__SIM_DROP)
    packet_lose(packet, DGRAM_SIM_FILTERED);
  else if (dgram__sim_host_has(host, &packet->to))
    packet_deliver(packet);
  else
    packet_forward(packet);
}

static void packet_on_arrival(struct dgram__sim_event *event) {
  struct dgram__sim_packet *packet = packet_of(event);
  if (packet->over != NULL &&
      (packet->downs != packet->over->downs || !dgram__sim_link_passes(packet->over)))
    packet_lose(packet, DGRAM_SIM_LINK_DOWN);
  else
    packet_at_host(packet);
}

/* ---- from a host ---- */

/* It stays on its host. */
static void packet_loop_back(struct dgram__sim_packet *packet) {
  dgram_sim_t *sim = packet->origin->sim;
  dgram__sim_sent(packet);
  packet->event.run = packet_on_arrival;
  dgram__sim_schedule(sim, &packet->event, sim->now + DGRAM__SIM_MIN_DELAY);
}

/* By whatever way it takes. */
static void packet_start(struct dgram__sim_packet *packet) {
  dgram_sim_host_t *host = packet->origin;
  if (!host->is_up) {
    packet_lose(packet, DGRAM_SIM_HOST_DOWN);
  } else if (packet_is_to_many(packet)) {
    struct dgram__sim_packet *looped = packet->loops ? dgram__sim_packet_copy(packet) : NULL;
    if (looped != NULL)
      packet_loop_back(looped);
    if (packet->ttl > 0 || !dgram__address_is_multicast(&packet->to))
      packet_flood(packet);
    else
      dgram__sim_packet_free(packet);
  } else if (dgram__sim_host_has(host, &packet->to)) {
    packet_loop_back(packet);
  } else {
    dgram_sim_link_t *link = dgram__sim_route(host, &packet->to, NULL);
    if (link == NULL)
      packet_lose(packet, DGRAM_SIM_NO_ROUTE);
    else if (packet->at->nat != NULL && packet->kind == DGRAM__SIM_ICMP_ERROR &&
             dgram__nat_leave(packet, link) == DGRAM__SIM_DROP)
      packet_lose(packet, DGRAM_SIM_FILTERED);
    else
      packet_transmit_or_refuse(packet, link);
  }
}

static void packet_on_start(struct dgram__sim_event *event) {
  packet_start(packet_of(event));
}

unsigned dgram__sim_first_mtu(dgram_sim_host_t *host, const union dgram__address *to) {
  if (dgram__sim_host_has(host, to))
    return LOOPBACK_MTU;
  unsigned mtu = LOOPBACK_MTU;
  if (dgram__address_is_multicast(to) || dgram__sim_host_is_broadcast(host, to)) {
    for (size_t i = 0; i < host->link_count; i++)
      if (packet_way_from(host->links[i], host)->options.mtu < mtu)
        mtu = packet_way_from(host->links[i], host)->options.mtu;
    return mtu;
  }
  dgram_sim_link_t *link = dgram__sim_route(host, to, NULL);
  return link != NULL ? packet_way_from(link, host)->options.mtu : mtu;
}

int dgram__sim_packet_send(struct dgram__sim_packet *packet) {
  dgram_sim_host_t *host = packet->origin;
  unsigned header = dgram__sim_headers(packet->to.any.sa_family);
  int err = 0;
  if (host->link_count == 0 && !dgram__sim_host_has(host, &packet->to) &&
      !(dgram__address_is_multicast(&packet->to) && packet->loops))
    err = UV_ENETUNREACH;
  else if (!packet->may_fragment && packet->size + header > dgram__sim_first_mtu(host, &packet->to))
    err = UV_EMSGSIZE;
  if (err != 0) {
    dgram__sim_packet_free(packet);
    return err;
  }
  dgram__sim_note(host, DGRAM_SIM_SENT, packet);
  packet_start(packet);
  return 0;
}

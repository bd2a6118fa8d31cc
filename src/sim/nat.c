/*
 * A NAT (RFC 4787): a host that gives what leaves by its outside link a source of its own, an
 * address and a port that is mapped to the sender, and brings the answers back.
 *
 *   nat_leave   from inside: the mapping of the source is found or made, and admits the destination
 *   nat_arrive  from outside: the mapping of the port is found, and admits the source or not; from
 *               inside, to an outside address (hairpin): both
 */
#include "sim.h"

#include <stdlib.h>

enum { FIRST_PORT = 1024, LAST_PORT = 65535 };

/* Whom a mapping admits. */
struct nat_peer {
  struct dgram__list_node node;
  union dgram__address address;
  uint64_t until;
};

struct nat_mapping {
  struct dgram__list_node node;
  union dgram__address inside;
  union dgram__address to; /* SYMMETRIC: the destination that it is for */
  int port;                /* outside */
  uint64_t until;
  struct dgram__list peers; /* that it has sent to */
};

struct dgram__nat {
  dgram_sim_host_t *host;
  const dgram_sim_link_t *outside;
  union dgram__address address;
  dgram_sim_nat_options_t options;
  struct dgram__list mappings;
};

/* ---- memory ---- */

static void nat_free_mapping(struct nat_mapping *mapping) {
  struct dgram__list_node *node;
  while ((node = dgram__list_take_first(&mapping->peers)) != NULL)
    free(DGRAM__LIST_ENTRY(node, struct nat_peer, node));
  free(mapping);
}

int dgram__nat_create(dgram_sim_host_t *host, const dgram_sim_link_t *outside,
                      const union dgram__address *address, const dgram_sim_nat_options_t *options) {
  struct dgram__nat *nat = calloc(1, sizeof *nat);
  if (nat == NULL)
    return UV_ENOMEM;
  nat->host = host;
  nat->outside = outside;
  nat->address = *address;
  nat->options = *options;
  host->nat = nat;
  return 0;
}

void dgram__nat_free(struct dgram__nat *nat) {
  struct dgram__list_node *node;
  if (nat == NULL)
    return;
  while ((node = dgram__list_take_first(&nat->mappings)) != NULL)
    nat_free_mapping(DGRAM__LIST_ENTRY(node, struct nat_mapping, node));
  free(nat);
}

bool dgram__nat_is_outside(const dgram_sim_host_t *host, const dgram_sim_link_t *link) {
  return host->nat != NULL && host->nat->outside == link;
}

/* ---- mappings ---- */

static void nat_drop_expired(struct dgram__nat *nat) {
  uint64_t now = nat->host->sim->now;
  struct nat_mapping *next;
  for (struct nat_mapping *at = DGRAM__LIST_FIRST(&nat->mappings, struct nat_mapping, node);
       at != NULL; at = next) {
    next = DGRAM__LIST_NEXT(at, struct nat_mapping, node);
    if (at->until >= now)
      continue;
    dgram__list_remove(&nat->mappings, &at->node);
    nat_free_mapping(at);
  }
}

static struct nat_mapping *nat_find_port(struct dgram__nat *nat, int port) {
  nat_drop_expired(nat);
  DGRAM__LIST_FOR_EACH (mapping, &nat->mappings, struct nat_mapping, node)
    if (mapping->port == port)
      return mapping;
  return NULL;
}

/* `to` NULL: for any destination. */
static struct nat_mapping *nat_find_inside(struct dgram__nat *nat,
                                           const union dgram__address *inside,
                                           const union dgram__address *to) {
  nat_drop_expired(nat);
  DGRAM__LIST_FOR_EACH (mapping, &nat->mappings, struct nat_mapping, node)
    if (dgram__sim_same(&mapping->inside, inside) &&
        (to == NULL || nat->options.type != DGRAM_SIM_NAT_SYMMETRIC ||
         dgram__sim_same(&mapping->to, to)))
      return mapping;
  return NULL;
}

static bool nat_port_is_free(struct dgram__nat *nat, int port) {
  union dgram__address local = nat->address;
  dgram__address_set_port(&local, port);
  return nat_find_port(nat, port) == NULL && !dgram__sim_port_is_used(nat->host, &local);
}

/* Returns a port, 0: none is free. */
static int nat_choose_port(struct dgram__nat *nat, int wanted) {
  const int count = LAST_PORT - FIRST_PORT + 1;
  if (nat->options.random_ports == 0 && nat_port_is_free(nat, wanted))
    return wanted;
  int start = (int)dgram__random_below(&nat->host->sim->random, (uint64_t)count);
  for (int i = 0; i < count; i++)
    if (nat_port_is_free(nat, FIRST_PORT + (start + i) % count))
      return FIRST_PORT + (start + i) % count;
  return 0;
}

/* NULL: no memory, or no port. */
static struct nat_mapping *nat_map(struct dgram__nat *nat, const union dgram__address *inside,
                                   const union dgram__address *to) {
  int port = nat_choose_port(nat, dgram__address_port(inside));
  struct nat_mapping *mapping = port != 0 ? calloc(1, sizeof *mapping) : NULL;
  if (mapping == NULL)
    return NULL;
  mapping->inside = *inside;
  mapping->to = *to;
  mapping->port = port;
  dgram__list_append(&nat->mappings, &mapping->node);
  return mapping;
}

/* The mapping has sent there. Without memory for it the answer is not let in. */
static void nat_admit(struct dgram__nat *nat, struct nat_mapping *mapping,
                      const union dgram__address *to) {
  uint64_t until = nat->host->sim->now + nat->options.timeout;
  mapping->until = until;
  DGRAM__LIST_FOR_EACH (peer, &mapping->peers, struct nat_peer, node)
    if (dgram__sim_same(&peer->address, to)) {
      peer->until = until;
      return;
    }
  struct nat_peer *peer = calloc(1, sizeof *peer);
  if (peer == NULL)
    return;
  peer->address = *to;
  peer->until = until;
  dgram__list_append(&mapping->peers, &peer->node);
}

static bool nat_admits(const struct dgram__nat *nat, const struct nat_mapping *mapping,
                       const union dgram__address *from) {
  if (nat->options.type == DGRAM_SIM_NAT_FULL_CONE)
    return true;
  DGRAM__LIST_FOR_EACH (peer, &mapping->peers, struct nat_peer, node)
    if (peer->until >= nat->host->sim->now &&
        (nat->options.type == DGRAM_SIM_NAT_RESTRICTED ? dgram__sim_same_host(&peer->address, from)
                                                       : dgram__sim_same(&peer->address, from)))
      return true;
  return false;
}

static void nat_set_address(const struct dgram__nat *nat, union dgram__address *address, int port) {
  *address = nat->address;
  dgram__address_set_port(address, port);
}

/* Gives the packet a source outside. */
static enum dgram__sim_verdict nat_translate_source(struct dgram__nat *nat,
                                                    struct dgram__sim_packet *packet) {
  struct nat_mapping *mapping = nat_find_inside(nat, &packet->from, &packet->to);
  if (mapping == NULL)
    mapping = nat_map(nat, &packet->from, &packet->to);
  if (mapping == NULL)
    return DGRAM__SIM_DROP;
  nat_admit(nat, mapping, &packet->to);
  nat_set_address(nat, &packet->from, mapping->port);
  return DGRAM__SIM_PASS;
}

/* ---- packets ---- */

enum dgram__sim_verdict dgram__nat_leave(struct dgram__sim_packet *packet,
                                         const dgram_sim_link_t *link) {
  struct dgram__nat *nat = packet->at->nat;
  if (link != nat->outside || packet->to.any.sa_family != nat->address.any.sa_family ||
      packet->over == nat->outside)
    return DGRAM__SIM_PASS;
  if (packet->kind == DGRAM__SIM_UDP)
    return packet->over == NULL ? DGRAM__SIM_PASS : nat_translate_source(nat, packet);
  /* An error about what came from outside names the destination that this had there. */
  const struct nat_mapping *mapping = nat_find_inside(nat, &packet->icmp.about, NULL);
  if (mapping != NULL)
    nat_set_address(nat, &packet->icmp.about, mapping->port);
  nat_set_address(nat, &packet->from, 0);
  return DGRAM__SIM_PASS;
}

enum dgram__sim_verdict dgram__nat_arrive(struct dgram__sim_packet *packet) {
  struct dgram__nat *nat = packet->at->nat;
  if (!dgram__sim_same_host(&packet->to, &nat->address))
    return DGRAM__SIM_PASS;
  bool from_outside = packet->over == nat->outside;
  struct nat_mapping *mapping = nat_find_port(nat, dgram__address_port(&packet->to));
  if (mapping == NULL) {
    bool is_its_own = !from_outside || packet->kind == DGRAM__SIM_ICMP_ERROR ||
                      dgram__sim_port_is_used(packet->at, &packet->to);
    return is_its_own ? DGRAM__SIM_PASS : DGRAM__SIM_DROP;
  }
  if (packet->kind == DGRAM__SIM_UDP) {
    if (!from_outside &&
        (nat->options.hairpin == 0 || nat_translate_source(nat, packet) == DGRAM__SIM_DROP))
      return DGRAM__SIM_DROP;
    if (!nat_admits(nat, mapping, &packet->from))
      return DGRAM__SIM_DROP;
  }
  packet->to = mapping->inside;
  return DGRAM__SIM_PASS;
}

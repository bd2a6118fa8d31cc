/*
 * The network: created, reset and freed; its hosts and their addresses; links and partitions; the
 * way from host to host; host names.
 */
#include "sim.h"

#include <stdlib.h>
#include <string.h>

enum {
  NAME_MAX_BYTES = 63,
  MTU_MIN = 576, /* RFC 791: what every host takes */
  MTU_MAX = 65535
};

/* The longest duration of an option: sums of such do not overflow. */
#define LONGEST DGRAM_SIM_S(1000000000)

/* ---- the network ---- */

int dgram_sim_create(uv_loop_t *loop, uint64_t seed, dgram_sim_t **sim) {
  if (sim == NULL)
    return UV_EINVAL;
  *sim = NULL;
  if (loop == NULL)
    return UV_EINVAL;
  dgram_sim_t *created = calloc(1, sizeof *created);
  if (created == NULL)
    return UV_ENOMEM;
  created->loop = dgram__loop_enter(loop);
  if (created->loop == NULL) {
    free(created);
    return UV_ENOMEM;
  }
  created->uv = loop;
  created->random = dgram__random_seeded(seed);
  uv_check_init(loop, &created->check);
  created->check.data = created;
  *sim = created;
  return 0;
}

static void host_free(dgram_sim_host_t *host) {
  struct dgram__list_node *node;
  while ((node = dgram__list_take_first(&host->paths)) != NULL)
    free(DGRAM__LIST_ENTRY(node, struct dgram__sim_path, node));
  dgram__nat_free(host->nat);
  free(host->addresses);
  free(host->links);
  free(host->name);
  free(host);
}

/* Frees all but the network itself. */
static void sim_clear(dgram_sim_t *sim) {
  struct dgram__list_node *node;
  dgram__clock_clear(sim);
  while ((node = dgram__list_take_first(&sim->links)) != NULL)
    free(DGRAM__LIST_ENTRY(node, dgram_sim_link_t, node));
  while ((node = dgram__list_take_first(&sim->hosts)) != NULL)
    host_free(DGRAM__LIST_ENTRY(node, dgram_sim_host_t, node));
  sim->host_count = 0;
}

/* Whether a socket of the network still exists, or a callback of it is running. */
static bool sim_is_busy(const dgram_sim_t *sim) {
  if (sim->state != DGRAM__SIM_IDLE)
    return true;
  DGRAM__LIST_FOR_EACH (host, &sim->hosts, dgram_sim_host_t, node)
    if (host->network.sockets > 0)
      return true;
  return false;
}

int dgram_sim_reset(dgram_sim_t *sim, uint64_t seed) {
  if (sim == NULL)
    return UV_EINVAL;
  if (sim_is_busy(sim))
    return UV_EBUSY;
  sim_clear(sim);
  sim->random = dgram__random_seeded(seed);
  dgram__sim_trace_begin(sim);
  dgram__clock_restart(sim);
  return 0;
}

static void sim_on_closed(uv_handle_t *handle) {
  free(handle->data);
}

int dgram_sim_free(dgram_sim_t *sim) {
  if (sim == NULL)
    return 0;
  if (sim_is_busy(sim))
    return UV_EBUSY;
  sim_clear(sim);
  dgram__clock_release_loop(sim);
  dgram__loop_leave(sim->loop);
  uv_close((uv_handle_t *)&sim->check, sim_on_closed);
  return 0;
}

/* ---- hosts ---- */

static dgram_sim_host_t *host_find(const dgram_sim_t *sim, const char *name) {
  DGRAM__LIST_FOR_EACH (host, &sim->hosts, dgram_sim_host_t, node)
    if (strcmp(host->name, name) == 0)
      return host;
  return NULL;
}

static int host_create(dgram_sim_t *sim, const char *name, enum dgram__sim_host_kind kind,
                       dgram_sim_host_t **host) {
  if (host == NULL)
    return UV_EINVAL;
  *host = NULL;
  if (sim == NULL || name == NULL || *name == '\0' ||
      strnlen(name, NAME_MAX_BYTES + 1) > NAME_MAX_BYTES)
    return UV_EINVAL;
  if (host_find(sim, name) != NULL || strcmp(name, "localhost") == 0)
    return UV_EEXIST;
  dgram_sim_host_t *created = calloc(1, sizeof *created);
  if (created == NULL)
    return UV_ENOMEM;
  created->name = strdup(name);
  if (created->name == NULL) {
    free(created);
    return UV_ENOMEM;
  }
  created->network = (struct dgram__network){.ops = &dgram__sim_network_ops, .loop = sim->uv};
  created->sim = sim;
  created->number = ++sim->host_count;
  created->kind = kind;
  created->is_up = true;
  dgram__list_append(&sim->hosts, &created->node);
  *host = created;
  return 0;
}

int dgram_sim_host(dgram_sim_t *sim, const char *name, dgram_sim_host_t **host) {
  return host_create(sim, name, DGRAM__SIM_HOST, host);
}

int dgram_sim_switch(dgram_sim_t *sim, const char *name, dgram_sim_host_t **host) {
  return host_create(sim, name, DGRAM__SIM_SWITCH, host);
}

int dgram_sim_host_set_up(dgram_sim_host_t *host, int up) {
  if (host == NULL)
    return UV_EINVAL;
  host->is_up = up != 0;
  return 0;
}

const char *dgram_sim_host_name(const dgram_sim_host_t *host) {
  return host != NULL ? host->name : NULL;
}

/* ---- addresses ---- */

/* Reads "ADDRESS" or "ADDRESS/BITS". Returns 0 or UV_EINVAL. */
static int host_read_address(struct dgram__sim_address *read, const char *text) {
  char number[DGRAM_ADDRESS_TEXT];
  const char *slash = strchr(text, '/');
  size_t length = slash != NULL ? (size_t)(slash - text) : strnlen(text, sizeof number);
  if (length >= sizeof number)
    return UV_EINVAL;
  memcpy(number, text, length);
  number[length] = '\0';
  if (strchr(number, '%') != NULL || !dgram__address_parse(&read->address, number, 0) ||
      dgram__sim_family(&read->address) != read->address.any.sa_family ||
      dgram__address_is_any(&read->address) || dgram__address_is_multicast(&read->address) ||
      dgram__sim_is_loopback(&read->address))
    return UV_EINVAL;
  bool v4 = read->address.any.sa_family == AF_INET;
  unsigned long most = v4 ? 32 : 128;
  unsigned long bits = v4 ? 24 : 64;
  if (slash != NULL) {
    size_t digits = strspn(slash + 1, "0123456789");
    if (digits == 0 || digits > 3 || slash[1 + digits] != '\0')
      return UV_EINVAL;
    bits = strtoul(slash + 1, NULL, 10);
  }
  read->prefix = (unsigned)bits;
  return bits >= 1 && bits <= most ? 0 : UV_EINVAL;
}

static const struct dgram__sim_address *host_find_address(const dgram_sim_host_t *host,
                                                          const union dgram__address *address) {
  for (size_t i = 0; i < host->address_count; i++)
    if (dgram__sim_same_host(&host->addresses[i].address, address))
      return &host->addresses[i];
  return NULL;
}

int dgram_sim_host_add_address(dgram_sim_host_t *host, const char *address) {
  struct dgram__sim_address read;
  if (host == NULL || address == NULL || host->kind != DGRAM__SIM_HOST ||
      host_read_address(&read, address) != 0)
    return UV_EINVAL;
  if (host_find_address(host, &read.address) != NULL)
    return UV_EEXIST;
  struct dgram__sim_address *grown = malloc((host->address_count + 1) * sizeof *grown);
  if (grown == NULL)
    return UV_ENOMEM;
  if (host->address_count > 0)
    memcpy(grown, host->addresses, host->address_count * sizeof *grown);
  free(host->addresses);
  host->addresses = grown;
  grown[host->address_count++] = read;
  return 0;
}

bool dgram__sim_host_has(const dgram_sim_host_t *host, const union dgram__address *address) {
  if (host->kind != DGRAM__SIM_HOST)
    return false;
  return host_find_address(host, address) != NULL || dgram__sim_is_loopback(address);
}

static uint32_t address_mask(unsigned prefix) {
  return htonl(~UINT32_C(0) << (32 - prefix)); /* prefix is 1 or more */
}

static bool address_shares_network(const struct dgram__sim_address *own,
                                   const union dgram__address *other) {
  if (own->address.any.sa_family != other->any.sa_family)
    return false;
  if (other->any.sa_family == AF_INET)
    return ((own->address.v4.sin_addr.s_addr ^ other->v4.sin_addr.s_addr) &
            address_mask(own->prefix)) == 0;
  const unsigned char *a = own->address.v6.sin6_addr.s6_addr;
  const unsigned char *b = other->v6.sin6_addr.s6_addr;
  unsigned whole = own->prefix / 8;
  unsigned rest = own->prefix % 8;
  return memcmp(a, b, whole) == 0 &&
         (rest == 0 || ((a[whole] ^ b[whole]) & (0xff00U >> rest) & 0xffU) == 0);
}

bool dgram__sim_host_source(const dgram_sim_host_t *host, const union dgram__address *to,
                            union dgram__address *source) {
  int family = to->any.sa_family;
  if (dgram__sim_is_loopback(to)) {
    dgram__address_loopback(source, family, 0);
    return true;
  }
  const struct dgram__sim_address *chosen = host_find_address(host, to);
  for (size_t i = 0; i < host->address_count && chosen == NULL; i++)
    if (address_shares_network(&host->addresses[i], to))
      chosen = &host->addresses[i];
  for (size_t i = 0; i < host->address_count && chosen == NULL; i++)
    if (host->addresses[i].address.any.sa_family == family)
      chosen = &host->addresses[i];
  if (chosen == NULL)
    return false;
  *source = chosen->address;
  return true;
}

bool dgram__sim_host_is_broadcast(const dgram_sim_host_t *host,
                                  const union dgram__address *address) {
  if (address->any.sa_family != AF_INET)
    return false;
  if (address->v4.sin_addr.s_addr == htonl(INADDR_BROADCAST))
    return true;
  for (size_t i = 0; i < host->address_count; i++) {
    const struct dgram__sim_address *own = &host->addresses[i];
    if (own->address.any.sa_family == AF_INET && own->prefix <= 30 &&
        address->v4.sin_addr.s_addr ==
            (own->address.v4.sin_addr.s_addr | ~address_mask(own->prefix)))
      return true;
  }
  return false;
}

/* ---- the path MTU ---- */

static struct dgram__sim_path *host_find_path(const dgram_sim_host_t *host,
                                              const union dgram__address *to) {
  DGRAM__LIST_FOR_EACH (path, &host->paths, struct dgram__sim_path, node)
    if (dgram__sim_same_host(&path->to, to))
      return path;
  return NULL;
}

unsigned dgram__sim_host_path_mtu(const dgram_sim_host_t *host, const union dgram__address *to) {
  const struct dgram__sim_path *path = host_find_path(host, to);
  return path != NULL ? path->mtu : 0;
}

/* Without memory for it the next large datagram is refused once more. */
void dgram__sim_host_learn_mtu(dgram_sim_host_t *host, const union dgram__address *to,
                               unsigned mtu) {
  struct dgram__sim_path *path = host_find_path(host, to);
  if (path == NULL) {
    path = calloc(1, sizeof *path);
    if (path == NULL)
      return;
    path->to = *to;
    path->mtu = mtu;
    dgram__list_append(&host->paths, &path->node);
  }
  if (mtu < path->mtu)
    path->mtu = mtu;
}

/* ---- links ---- */

static bool likelihood_is_valid(double likelihood) {
  return likelihood >= 0 && likelihood <= 1; /* not a NaN */
}

static bool link_options_are_valid(const dgram_sim_link_options_t *options) {
  return options->struct_size == sizeof *options && likelihood_is_valid(options->loss) &&
         likelihood_is_valid(options->duplicate) && likelihood_is_valid(options->reorder) &&
         options->delay <= LONGEST && options->jitter <= LONGEST &&
         options->reorder_delay <= LONGEST && options->mtu >= MTU_MIN && options->mtu <= MTU_MAX;
}

dgram_sim_host_t *dgram__sim_link_other_end(const dgram_sim_link_t *link,
                                            const dgram_sim_host_t *end) {
  return link->ends[link->ends[0] == end ? 1 : 0];
}

static dgram_sim_link_t *link_find(const dgram_sim_host_t *a, const dgram_sim_host_t *b) {
  for (size_t i = 0; i < a->link_count; i++)
    if (dgram__sim_link_other_end(a->links[i], a) == b)
      return a->links[i];
  return NULL;
}

/* Makes room for one link more. Returns 0 or UV_ENOMEM. */
static int host_reserve_link(dgram_sim_host_t *host) {
  dgram_sim_link_t **grown =
      (dgram_sim_link_t **)malloc((host->link_count + 1) * sizeof(dgram_sim_link_t *));
  if (grown == NULL)
    return UV_ENOMEM;
  if (host->link_count > 0)
    memcpy(grown, host->links, host->link_count * sizeof(dgram_sim_link_t *));
  free(host->links);
  host->links = grown;
  return 0;
}

int dgram_sim_link(dgram_sim_host_t *a, dgram_sim_host_t *b,
                   const dgram_sim_link_options_t *options, dgram_sim_link_t **link) {
  dgram_sim_link_options_t read = dgram_default_sim_link_options();
  if (link != NULL)
    *link = NULL;
  if (a == NULL || b == NULL || a == b || a->sim != b->sim ||
      (options != NULL && !link_options_are_valid(options)))
    return UV_EINVAL;
  if (options != NULL)
    read = *options;
  if (link_find(a, b) != NULL)
    return UV_EEXIST;
  dgram_sim_link_t *created = calloc(1, sizeof *created);
  if (created == NULL || host_reserve_link(a) != 0 || host_reserve_link(b) != 0) {
    free(created);
    return UV_ENOMEM;
  }
  created->ends[0] = a;
  created->ends[1] = b;
  created->ways[0].options = created->ways[1].options = read;
  created->is_up = true;
  a->links[a->link_count++] = created;
  b->links[b->link_count++] = created;
  dgram__list_append(&a->sim->links, &created->node);
  if (link != NULL)
    *link = created;
  return 0;
}

int dgram_sim_link_set(dgram_sim_link_t *link, const dgram_sim_host_t *from,
                       const dgram_sim_link_options_t *options) {
  if (link == NULL || options == NULL || !link_options_are_valid(options) ||
      (from != NULL && from != link->ends[0] && from != link->ends[1]))
    return UV_EINVAL;
  for (int i = 0; i < 2; i++)
    if (from == NULL || from == link->ends[i])
      link->ways[i].options = *options;
  return 0;
}

int dgram_sim_link_set_up(dgram_sim_link_t *link, int up) {
  if (link == NULL)
    return UV_EINVAL;
  link->downs += link->is_up && up == 0 ? 1 : 0;
  link->is_up = up != 0;
  return 0;
}

int dgram_sim_partition(dgram_sim_t *sim, dgram_sim_host_t *const hosts[], size_t count) {
  if (sim == NULL || (hosts == NULL && count > 0))
    return UV_EINVAL;
  for (size_t i = 0; i < count; i++)
    if (hosts[i] == NULL || hosts[i]->sim != sim)
      return UV_EINVAL;
  DGRAM__LIST_FOR_EACH (host, &sim->hosts, dgram_sim_host_t, node)
    host->is_parted = false;
  for (size_t i = 0; i < count; i++)
    hosts[i]->is_parted = true;
  DGRAM__LIST_FOR_EACH (link, &sim->links, dgram_sim_link_t, node)
    link->downs += link->ends[0]->is_parted != link->ends[1]->is_parted ? 1 : 0;
  return 0;
}

int dgram_sim_heal(dgram_sim_t *sim) {
  return dgram_sim_partition(sim, NULL, 0);
}

int dgram_sim_host_set_nat(dgram_sim_host_t *host, const dgram_sim_link_t *outside,
                           const char *address, const dgram_sim_nat_options_t *options) {
  dgram_sim_nat_options_t read = dgram_default_sim_nat_options();
  union dgram__address own;
  if (host == NULL || outside == NULL || address == NULL || host->kind != DGRAM__SIM_HOST ||
      (outside->ends[0] != host && outside->ends[1] != host) ||
      !dgram__address_parse(&own, address, 0) ||
      (options != NULL &&
       (options->struct_size != sizeof *options ||
        (unsigned)options->type > DGRAM_SIM_NAT_SYMMETRIC || options->timeout > LONGEST)))
    return UV_EINVAL;
  if (host_find_address(host, &own) == NULL)
    return UV_EADDRNOTAVAIL;
  if (host->nat != NULL)
    return UV_EEXIST;
  if (options != NULL)
    read = *options;
  return dgram__nat_create(host, outside, &own, &read);
}

/* ---- the way from host to host ---- */

enum route_links {
  ROUTE_UP, /* only over what is up */
  ROUTE_ANY /* as if nothing were down: where it is lost */
};

/* Breadth first, so the first way that is found has the fewest hops. */
static dgram_sim_link_t *route_search(dgram_sim_host_t *from, const union dgram__address *to,
                                      const dgram_sim_host_t *to_host, enum route_links which) {
  unsigned search = ++from->sim->search;
  dgram_sim_host_t *last = from;
  from->search = search;
  from->search_next = NULL;
  for (dgram_sim_host_t *host = from; host != NULL; host = host->search_next)
    for (size_t i = 0; i < host->link_count; i++) {
      dgram_sim_link_t *link = host->links[i];
      dgram_sim_host_t *other = dgram__sim_link_other_end(link, host);
      bool passes = which == ROUTE_ANY || (dgram__sim_link_passes(link) && other->is_up);
      if (!passes || other->search == search)
        continue;
      other->search = search;
      other->search_first = host == from ? link : host->search_first;
      if (other == to_host || (to != NULL && host_find_address(other, to) != NULL))
        return other->search_first;
      if (dgram__nat_is_outside(other, link)) /* what is inside can't be reached by its address */
        continue;
      other->search_next = NULL;
      last->search_next = other;
      last = other;
    }
  return NULL;
}

dgram_sim_link_t *dgram__sim_route(dgram_sim_host_t *from, const union dgram__address *to,
                                   const dgram_sim_host_t *to_host) {
  dgram_sim_link_t *link = route_search(from, to, to_host, ROUTE_UP);
  return link != NULL ? link : route_search(from, to, to_host, ROUTE_ANY);
}

/* ---- host names ---- */

struct host_answer {
  struct dgram__sim_event event;
  dgram__answer_fn *answer;
  void *lookup;
  int status;
  union dgram__address address;
};

static void host_on_answer(struct dgram__sim_event *event) {
  struct host_answer *answer = DGRAM__LIST_ENTRY(event, struct host_answer, event);
  answer->answer(answer->lookup, answer->status, &answer->address);
  free(answer);
}

/* The first address of the family. */
static int host_look_up(const dgram_sim_host_t *asker, const char *name, int family,
                        union dgram__address *found) {
  if (strcmp(name, "localhost") == 0) {
    dgram__address_loopback(found, family, 0);
    return 0;
  }
  const dgram_sim_host_t *host = host_find(asker->sim, name);
  if (host == NULL)
    return UV_EAI_NONAME;
  for (size_t i = 0; i < host->address_count; i++)
    if (host->addresses[i].address.any.sa_family == family) {
      *found = host->addresses[i].address;
      return 0;
    }
  return UV_EAI_NONAME;
}

static int host_resolve(struct dgram__network *network, const char *name, int family,
                        dgram__answer_fn *answer, void *lookup) {
  const dgram_sim_host_t *asker = DGRAM__LIST_ENTRY(network, dgram_sim_host_t, network);
  struct host_answer *made = calloc(1, sizeof *made);
  if (made == NULL)
    return UV_ENOMEM;
  made->event.run = made->event.drop = host_on_answer;
  made->answer = answer;
  made->lookup = lookup;
  made->status = host_look_up(asker, name, family, &made->address);
  dgram__sim_schedule(asker->sim, &made->event, asker->sim->now + DGRAM__SIM_MIN_DELAY);
  return 0;
}

const struct dgram__network_ops dgram__sim_network_ops = {.open = dgram__sim_open,
                                                          .resolve = host_resolve};

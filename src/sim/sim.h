/*
 * A network in memory: its structs, and the functions that cross the files of src/sim.
 *
 *   host.c         the network: hosts, addresses, links, what happens to them; names
 *   sim_socket.c   UDP sockets on a host: what core/ sees in place of the system
 *   sim_options.c  their options
 *   packet.c       a datagram on its way: from host to host, over links, to sockets
 *   nat.c          what a host does to datagrams that it forwards as a NAT
 *   clock.c        the time, and who is called at it
 *   trace.c        what has happened
 */
#ifndef DGRAM_SIM_INTERNAL_H
#define DGRAM_SIM_INTERNAL_H

#include <dgram_sim.h>

#include "event_heap.h"
#include "internal.h"
#include "list.h"
#include "network.h"
#include "sim_random.h"

enum {
  DGRAM__SIM_MIN_DELAY = 1000, /* of any datagram: so the time goes on */
  DGRAM__SIM_OVERHEAD = 512,   /* bytes that a buffer counts for a datagram besides its own */
};

/* Whether events happen now, and who moves the time. */
enum dgram__sim_state {
  DGRAM__SIM_IDLE,
  DGRAM__SIM_STEPPING, /* dgram_sim_step() */
  DGRAM__SIM_RUNNING,  /* dgram_sim_run() */
  DGRAM__SIM_STOPPING  /* dgram_sim_stop() was called in it */
};

struct dgram_sim {
  uv_loop_t *uv;
  struct dgram__loop *loop;
  enum dgram__sim_state state;
  uint64_t now; /* ns */
  struct dgram__sim_events events;
  struct dgram__list ready; /* endpoints that have what they are watched for */
  struct dgram__random random;
  struct dgram__list hosts;
  struct dgram__list links;
  unsigned host_count;
  unsigned search;  /* the number of the last search for a way */
  uv_check_t check; /* active while the loop runs: gives it back the virtual time */
  bool drives_loop; /* the loop's time is virtual */
  dgram_sim_trace_cb trace;
  void *trace_context;
  uint64_t hash;
  uint64_t counts[DGRAM_SIM_EVENT_KINDS];
};

struct dgram__sim_address {
  union dgram__address address; /* port 0 */
  unsigned prefix;              /* bits */
};

/* What a way to a destination is known to pass: the path MTU. */
struct dgram__sim_path {
  struct dgram__list_node node; /* in `paths` of the host */
  union dgram__address to;      /* port 0 */
  unsigned mtu;
};

struct dgram__nat;

enum dgram__sim_host_kind { DGRAM__SIM_HOST, DGRAM__SIM_SWITCH };

struct dgram_sim_host_s {
  struct dgram__network network; /* first: `sim_host` of the options is cast to it */
  struct dgram__list_node node;  /* in `hosts` */
  dgram_sim_t *sim;
  char *name;
  unsigned number;
  enum dgram__sim_host_kind kind;
  bool is_up;
  bool is_parted; /* on the other side of a partition */
  struct dgram__sim_address *addresses;
  size_t address_count;
  dgram_sim_link_t **links;
  size_t link_count;
  struct dgram__list endpoints; /* the oldest first */
  struct dgram__list paths;
  struct dgram__nat *nat; /* NULL: it is none */

  /* Of the search for a way under way. */
  unsigned search;
  dgram_sim_host_t *search_next;  /* in its queue */
  dgram_sim_link_t *search_first; /* the way's first link */
};

/* One direction of a link. */
struct dgram__sim_way {
  dgram_sim_link_options_t options;
  uint64_t busy_until;
  uint64_t last_arrival;
  uint64_t queued; /* bytes */
};

struct dgram_sim_link_s {
  struct dgram__list_node node; /* in `links` */
  dgram_sim_host_t *ends[2];
  struct dgram__sim_way ways[2]; /* from ends[i] */
  bool is_up;
  unsigned downs; /* how often it went down: what was on the way then is lost */
};

/* ---- a datagram ---- */

enum dgram__sim_packet_kind {
  DGRAM__SIM_UDP,
  DGRAM__SIM_ICMP_ERROR /* about a datagram from `to`, to `icmp.about` */
};

/* What an ICMP error says. */
struct dgram__sim_icmp {
  int error;                  /* UV_E* */
  unsigned mtu;               /* 0: none */
  union dgram__address about; /* the destination of what was sent */
};

struct dgram__sim_packet {
  struct dgram__sim_event event;
  struct dgram__sim_packet *next; /* in an endpoint's receive buffer */
  dgram_sim_host_t *origin;
  dgram_sim_host_t *at;   /* where it is, or arrives next */
  dgram_sim_link_t *over; /* the link that it is on, or has come by; NULL: it begins here */
  unsigned downs;         /* of the link, when it left */
  struct dgram__sim_socket *sender; /* whose send buffer it counts for; or NULL */
  uint64_t arrives;
  uint64_t charged; /* bytes in the queue of the link, until it has left */
  union dgram__address from;
  union dgram__address to;
  enum dgram__sim_packet_kind kind;
  bool may_fragment;
  bool is_lost; /* by the link that it is on */
  bool loops;   /* to a group, and back to its own host */
  unsigned char ttl;
  unsigned char tos;
  unsigned mtu; /* that it is fragmented to, at most; 0: any */
  struct dgram__sim_icmp icmp;
  size_t size;
  char data[];
};

/* ---- UDP sockets ---- */

struct dgram__sim_membership {
  struct dgram__list_node node;
  union dgram__address group;
  union dgram__address source; /* AF_UNSPEC: any */
};

/* What goes by IPv4 and by IPv6 has options of its own, also on one udp6 socket. */
enum { DGRAM__SIM_V4, DGRAM__SIM_V6, DGRAM__SIM_FAMILIES };

#define DGRAM__SIM_FAMILY(address) \
  ((address)->any.sa_family == AF_INET6 ? DGRAM__SIM_V6 : DGRAM__SIM_V4)

struct dgram__sim_family_options {
  int ttl;
  int multicast_ttl;
  int multicast_loop;
  int multicast_all;
  int tos;
  int mtu_discover;
};

/* Whether a socket is in `ready` of its network. */
enum dgram__sim_readiness { DGRAM__SIM_NOT_READY, DGRAM__SIM_READY };

struct dgram__sim_socket {
  struct dgram__endpoint endpoint; /* first: core/ has a pointer to it */
  struct dgram__list_node node;    /* in `endpoints` of the host */
  struct dgram__list_node ready;
  enum dgram__sim_readiness readiness;
  dgram_sim_host_t *host;
  bool is_open;
  bool ipv6_only;
  bool reuse_addr;
  bool reuse_port;
  bool broadcast;
  int family;
  union dgram__address bound; /* as it was bound */
  union dgram__address local; /* when connected: with the address that it sends from */
  union dgram__address peer;  /* AF_UNSPEC: not connected */
  int error;                  /* pending; 0: none */
  int watched;                /* events */
  unsigned info;              /* DGRAM_INFO_... that its program asks for */
  unsigned holds;             /* 1 while it is open, and 1 for each packet that it sends */
  int send_buffer;
  int recv_buffer;
  size_t sending;
  size_t receiving; /* bytes in the buffers */
  struct dgram__sim_packet *first;
  struct dgram__sim_packet *last;
  struct dgram__list memberships;
  struct dgram__sim_family_options options[DGRAM__SIM_FAMILIES];
};

/* How fragments are avoided, with the numbers of IP_MTU_DISCOVER, which only Linux has. */
enum {
  DGRAM__MTU_DISCOVER_DONT, /* nothing is marked "don't fragment" */
  DGRAM__MTU_DISCOVER_WANT, /* what fits is; the rest is fragmented */
  DGRAM__MTU_DISCOVER_DO,   /* all is; the rest is refused */
  DGRAM__MTU_DISCOVER_PROBE /* all is, whatever is known of the path */
};

/* The interfaces of a host. */
enum { DGRAM__SIM_LOOPBACK_INDEX = 1, DGRAM__SIM_INTERFACE_INDEX = 2 };

static inline struct dgram__sim_socket *
dgram__sim_socket_of(const struct dgram__endpoint *endpoint) {
  return (struct dgram__sim_socket *)(void *)endpoint;
}

static inline bool dgram__sim_is_connected(const struct dgram__sim_socket *socket) {
  return socket->peer.any.sa_family != AF_UNSPEC;
}

/* ---- host.c ---- */

/* Whether the address, whatever its port, is one of the host's own. */
bool dgram__sim_host_has(const dgram_sim_host_t *host, const union dgram__address *address);

/* The address that the host sends from. False: it has none of this family. */
bool dgram__sim_host_source(const dgram_sim_host_t *host, const union dgram__address *to,
                            union dgram__address *source);

/* Whether the address is a broadcast of a network of the host, or of all. */
bool dgram__sim_host_is_broadcast(const dgram_sim_host_t *host,
                                  const union dgram__address *address);

/* The smallest MTU known on the way; 0: none is. */
unsigned dgram__sim_host_path_mtu(const dgram_sim_host_t *host, const union dgram__address *to);
void dgram__sim_host_learn_mtu(dgram_sim_host_t *host, const union dgram__address *to,
                               unsigned mtu);

/* The first link of the way from a host to who has an address, or to a host. NULL: there is none.
 */
dgram_sim_link_t *dgram__sim_route(dgram_sim_host_t *from, const union dgram__address *to,
                                   const dgram_sim_host_t *to_host);

dgram_sim_host_t *dgram__sim_link_other_end(const dgram_sim_link_t *link,
                                            const dgram_sim_host_t *end);

static inline bool dgram__sim_link_passes(const dgram_sim_link_t *link) {
  return link->is_up && link->ends[0]->is_parted == link->ends[1]->is_parted;
}

extern const struct dgram__network_ops dgram__sim_network_ops;

/* ---- packet.c ---- */

/* A packet of so many bytes, not yet on its way. NULL: no memory. */
struct dgram__sim_packet *dgram__sim_packet_new(dgram_sim_host_t *origin, size_t size);
void dgram__sim_packet_free(struct dgram__sim_packet *packet);

/*
 * Sends it from its origin, by whatever way it takes. Returns 0, or an error with the packet freed:
 * UV_EMSGSIZE, UV_ENETUNREACH.
 */
int dgram__sim_packet_send(struct dgram__sim_packet *packet);

/* A second one, of which nothing is scheduled. NULL: no memory, and that is noted. */
struct dgram__sim_packet *dgram__sim_packet_copy(const struct dgram__sim_packet *packet);

/* The MTU of the first link of the way. */
unsigned dgram__sim_first_mtu(dgram_sim_host_t *host, const union dgram__address *to);

/* The bytes of IP and UDP headers before a datagram of this family. */
unsigned dgram__sim_headers(int family);

/* The family of the datagrams that go there: IPv4 for an IPv4-mapped address. */
int dgram__sim_family(const union dgram__address *address);

/* ::ffff:a.b.c.d to a.b.c.d and back; others stay. */
void dgram__sim_unmap(union dgram__address *address);
void dgram__sim_map(union dgram__address *address);

bool dgram__sim_is_loopback(const union dgram__address *address);

/* Whether both are one host's, whatever the ports and zones. */
bool dgram__sim_same_host(const union dgram__address *a, const union dgram__address *b);

/* ... and the ports are equal. */
static inline bool dgram__sim_same(const union dgram__address *a, const union dgram__address *b) {
  return dgram__address_port(a) == dgram__address_port(b) && dgram__sim_same_host(a, b);
}

/* ---- sim_options.c ---- */

int dgram__sim_set_option(struct dgram__endpoint *endpoint, int level, int name, const void *value,
                          socklen_t length, bool only_check);
int dgram__sim_get_option(const struct dgram__endpoint *endpoint, int level, int name, void *value,
                          socklen_t *length);

/* ---- sim_socket.c ---- */

/* Has the socket called if it has what it is watched for. */
void dgram__sim_check_ready(struct dgram__sim_socket *socket);

/* Whom a packet that has come to a host is for. */
enum dgram__sim_receivers {
  DGRAM__SIM_TO_ONE, /* the endpoint that fits best */
  DGRAM__SIM_TO_MANY /* all that the group or broadcast is for */
};

/* Takes the packet, which has come to its host. */
void dgram__sim_deliver(struct dgram__sim_packet *packet, enum dgram__sim_receivers receivers);

/* Whether a socket of the host that it has come to is for it. */
bool dgram__sim_has_port(const struct dgram__sim_packet *packet);

/* Whether a socket of the host has the port that the address is at. */
bool dgram__sim_port_is_used(const dgram_sim_host_t *host, const union dgram__address *local);

/* An ICMP error has come: whoever it concerns learns of it. */
void dgram__sim_deliver_error(dgram_sim_host_t *host, const struct dgram__sim_packet *packet);

/* The packet has left, and no longer counts for the send buffer. */
void dgram__sim_sent(struct dgram__sim_packet *packet);

int dgram__sim_open(struct dgram__network *network, const struct dgram__settings *settings,
                    struct dgram__endpoint **endpoint);

/* Calls those that have what they are watched for. Whether there were any. */
bool dgram__sim_wake(dgram_sim_t *sim);

/* ---- nat.c ---- */

enum dgram__sim_verdict { DGRAM__SIM_PASS, DGRAM__SIM_DROP };

/* Makes the host a NAT. Returns 0 or UV_ENOMEM. */
int dgram__nat_create(dgram_sim_host_t *host, const dgram_sim_link_t *outside,
                      const union dgram__address *address, const dgram_sim_nat_options_t *options);
void dgram__nat_free(struct dgram__nat *nat);

/* Whether a way that comes by this link may go on inside: not through a NAT from outside. */
bool dgram__nat_is_outside(const dgram_sim_host_t *host, const dgram_sim_link_t *link);

/*
 * A packet has come to the host that is a NAT: its destination is translated if it is for a host
 * inside. DGRAM__SIM_DROP: it is not let in.
 */
enum dgram__sim_verdict dgram__nat_arrive(struct dgram__sim_packet *packet);

/* The packet leaves by this link: its source is translated. DGRAM__SIM_DROP: no port is free. */
enum dgram__sim_verdict dgram__nat_leave(struct dgram__sim_packet *packet,
                                         const dgram_sim_link_t *link);

/* ---- clock.c ---- */

/* Drops the events to come. */
void dgram__clock_clear(dgram_sim_t *sim);

/* It is time 0 again. */
void dgram__clock_restart(dgram_sim_t *sim);

/* Returns the loop to the real time. */
void dgram__clock_release_loop(dgram_sim_t *sim);

static inline void dgram__sim_schedule(dgram_sim_t *sim, struct dgram__sim_event *event,
                                       uint64_t at) {
  dgram__sim_events_add(&sim->events, event, at);
}

/* ---- trace.c ---- */

void dgram__sim_note(const dgram_sim_host_t *host, dgram_sim_event_kind_t kind,
                     const struct dgram__sim_packet *packet);
void dgram__sim_trace_begin(dgram_sim_t *sim);

#endif

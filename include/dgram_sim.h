/**
 * @file dgram_sim.h
 * A network in memory, for tests: hosts, links, NATs and a clock, and the sockets of dgram.h on it.
 *
 * A program's protocol runs on it unchanged: a socket is created with dgram_options_t.sim_host, and
 * every function of dgram.h then acts on the network in memory. No system call is made, nothing
 * waits, and what happens depends on the seed alone: the same program with the same seed has the
 * same events at the same times, whatever the machine does besides.
 *
 * *Time* is virtual: nanoseconds since the network was created. It stands still while the program's
 * callbacks run, and jumps to the next event. From the first dgram_sim_run() on, dgram_sim_run()
 * and dgram_sim_run_for() drive the loop in place of uv_run(), and the loop's timers (uv_timer_t)
 * and uv_now() follow the virtual time, until dgram_sim_free(). Timers have the order of libuv: by
 * their time, then by their start. uv_hrtime() and the clocks of the system are not changed. Other
 * handles of the loop are served (uv_idle_t, uv_prepare_t, uv_check_t, and close callbacks in every
 * step that needs it; descriptors, threads and uv_async_t now and then), but a program that uses
 * descriptors or threads is not the same at each run.
 *
 * *Hosts* have addresses and one interface, number 2, besides loopback, number 1. A host forwards
 * what is for others over its links, by the fewest hops, as a router does; if all ways are down,
 * what is sent is lost. Names of hosts are host names for the sockets of the network; "localhost"
 * is the host itself. Groups and broadcasts reach the hosts at the other end of a link, and what is
 * behind a switch; no router forwards them. A datagram takes at least 1 us, also over loopback.
 *
 * *Sockets* behave as on Linux: ports (EADDRINUSE, SO_REUSEADDR, SO_REUSEPORT; a random one of
 * 32768 to 60999 for port 0), dual-stack udp6, connected sockets and their filter, ECONNREFUSED
 * from a port without a socket, the path MTU, a full send buffer (EAGAIN inside the library: sends
 * wait) on a link with a rate, a full receive buffer. Each datagram counts for a buffer with its
 * size and 512 bytes; buffers have 212,992 bytes by default and no largest size. The library's
 * limits by time (dgram_options_t.receive_budget) do not apply. dgram_fileno(), the descriptor of
 * dgram_bind_options(), an option that has no meaning here, and what else needs the kernel return
 * UV_ENOTSUP. In a worker of a cluster such a socket is bound without the primary.
 *
 * *Threads.* All belongs to the loop's thread. *Callbacks* of this header must not call
 * dgram_sim_run(), dgram_sim_run_for(), dgram_sim_step(), dgram_sim_reset() or dgram_sim_free().
 */
#ifndef DGRAM_SIM_H
#define DGRAM_SIM_H

#include <dgram.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A network in memory. */
typedef struct dgram_sim dgram_sim_t;

/** A link between two hosts. Owned by the network. */
typedef struct dgram_sim_link_s dgram_sim_link_t;

/** A function that the network calls at a time. Owned by the network, until it has been called. */
typedef struct dgram_sim_timer dgram_sim_timer_t;

/** Durations in nanoseconds, the unit of all times here. @{ */
#define DGRAM_SIM_US(us) ((uint64_t)(us)*1000)
#define DGRAM_SIM_MS(ms) ((uint64_t)(ms)*1000000)
#define DGRAM_SIM_S(s) ((uint64_t)(s)*1000000000)
/** @} */

/**
 * @name The network
 * @{
 */

/**
 * Creates a network without hosts, at time 0.
 * @param loop     the loop of all its sockets; borrowed until dgram_sim_free()
 * @param seed     any number: all random events depend on it alone
 * @param[out] sim the network; set to NULL on error
 * @retval 0
 * @retval UV_EINVAL `loop` or `sim` is NULL
 * @retval UV_ENOMEM
 */
DGRAM_EXTERN int dgram_sim_create(uv_loop_t *loop, uint64_t seed, dgram_sim_t **sim);

/**
 * Resets the network: no hosts, time 0, and its hash, counts and random numbers begin anew; the
 * callback of dgram_sim_trace() stays. Many short runs on one network are faster than many
 * networks: what the library keeps for a loop stays.
 * @param sim  the network
 * @param seed as in dgram_sim_create()
 * @retval 0
 * @retval UV_EINVAL `sim` is NULL
 * @retval UV_EBUSY  a socket of the network has not ended: close it, and run the network once more;
 *                   or a callback of the network is running
 */
DGRAM_EXTERN int dgram_sim_reset(dgram_sim_t *sim, uint64_t seed);

/**
 * Frees the network, its hosts, links and timers. The loop's timers return to the real time, with
 * what is left of their time. The loop must be run once more (uv_run) before uv_loop_close().
 * @param sim the network, or NULL
 * @retval 0
 * @retval UV_EBUSY as in dgram_sim_reset(); nothing was freed
 */
DGRAM_EXTERN int dgram_sim_free(dgram_sim_t *sim);

/**
 * @}
 * @name Hosts
 * @{
 */

/**
 * Adds a host. It has the addresses 127.0.0.0/8 and ::1.
 * @param sim       the network
 * @param name      its name, 1 to 63 bytes, that no other host has; copied
 * @param[out] host the host, owned by the network, for dgram_options_t.sim_host; set to NULL on
 * error
 * @retval 0
 * @retval UV_EINVAL `sim`, `name` or `host` is NULL, or the name has the wrong length
 * @retval UV_EEXIST a host has the name, or it is "localhost"
 * @retval UV_ENOMEM
 */
DGRAM_EXTERN int dgram_sim_host(dgram_sim_t *sim, const char *name, dgram_sim_host_t **host);

/**
 * Adds a switch: it joins the links that it has to one network, as if its neighbours were linked
 * with each other. It has no addresses, and no sockets may be on it. Otherwise as dgram_sim_host().
 * @param sim       the network
 * @param name      as in dgram_sim_host()
 * @param[out] host the switch
 * @return as dgram_sim_host()
 */
DGRAM_EXTERN int dgram_sim_switch(dgram_sim_t *sim, const char *name, dgram_sim_host_t **host);

/**
 * Adds an address. The first one of a family is the source of what a wildcard socket sends, unless
 * another one shares the destination's network.
 * @param host    the host
 * @param address IPv4 or IPv6, with or without the length of its network's prefix: "10.0.0.1/24",
 *                "fd00::1". Default /24 and /64. Hosts may have the same address behind different
 * NATs
 * @retval 0
 * @retval UV_EINVAL `host` or `address` is NULL, `host` is a switch, or `address` is none or is a
 *                   group's, loopback, or the unspecified one
 * @retval UV_EEXIST the host has it
 * @retval UV_ENOMEM
 */
DGRAM_EXTERN int dgram_sim_host_add_address(dgram_sim_host_t *host, const char *address);

/**
 * Switches a host off, or on again. What comes to it while it is off, and what its sockets send, is
 * lost; the sockets stay, and so does what they have received.
 * @param host the host, or a switch
 * @param up   nonzero: on, as it is at first; 0: off
 * @retval 0
 * @retval UV_EINVAL `host` is NULL
 */
DGRAM_EXTERN int dgram_sim_host_set_up(dgram_sim_host_t *host, int up);

/**
 * The name of a host.
 * @param host the host
 * @return its name, borrowed until the network is reset or freed; NULL if `host` is NULL
 */
DGRAM_EXTERN const char *dgram_sim_host_name(const dgram_sim_host_t *host);

/**
 * @}
 * @name Links
 * @{
 */

/** What a link does, in each direction by itself. Start from dgram_default_sim_link_options(). */
typedef struct dgram_sim_link_options {
  size_t struct_size; /**< set by dgram_default_sim_link_options() */
  uint64_t delay;     /**< ns from end to end. Default 1 ms */
  uint64_t jitter;    /**< ns: a random further delay, up to this. It does not reorder. Default 0 */
  double loss;        /**< 0 to 1: the probability that a packet is lost; each fragment of a
                           datagram is a packet. Default 0 */
  double duplicate;   /**< 0 to 1: the probability that a datagram arrives twice. Default 0 */
  double reorder; /**< 0 to 1: the probability that a datagram is delayed by up to `reorder_delay`,
                       while later ones pass it. Default 0 */
  uint64_t reorder_delay; /**< ns; 0: twice `delay`. Default 0 */
  uint64_t rate;          /**< bytes per second, with the headers of IP and UDP; 0: unlimited.
                               Default 0 */
  uint64_t queue_bytes;   /**< that may be queued at this rate; more are dropped; 0: unlimited.
                               Default 0 */
  unsigned mtu;           /**< bytes of a packet with its headers, 576 to 65,535, and at least 1,280
                               for IPv6 to be sent. What is larger is sent in fragments, or is
                               refused where it may not be. Default 1,500 */
} dgram_sim_link_options_t;

/**
 * The options of a link that loses nothing.
 * @return the options, by value
 */
static inline dgram_sim_link_options_t dgram_default_sim_link_options(void) {
  dgram_sim_link_options_t options = {0, DGRAM_SIM_MS(1), 0, 0, 0, 0, 0, 0, 0, 1500};
  options.struct_size = sizeof options;
  return options;
}

/**
 * Links two hosts.
 * @param a         a host or switch
 * @param b         another one of the same network
 * @param options   for both directions; copied; NULL: the default
 * @param[out] link the link, or NULL if it is not needed; set to NULL on error
 * @retval 0
 * @retval UV_EINVAL `a` or `b` is NULL, both are one host, or of two networks; or an option is out
 *                   of its range, or `struct_size` was not set
 * @retval UV_EEXIST they are linked
 * @retval UV_ENOMEM
 */
DGRAM_EXTERN int dgram_sim_link(dgram_sim_host_t *a, dgram_sim_host_t *b,
                                const dgram_sim_link_options_t *options, dgram_sim_link_t **link);

/**
 * Changes a link, for what is sent from now on.
 * @param link    the link
 * @param from    the end whose sends are concerned; NULL: both
 * @param options as in dgram_sim_link(), but not NULL
 * @retval 0
 * @retval UV_EINVAL `link` or `options` is NULL, `from` is not at the link, or an option as in
 *                   dgram_sim_link()
 */
DGRAM_EXTERN int dgram_sim_link_set(dgram_sim_link_t *link, const dgram_sim_host_t *from,
                                    const dgram_sim_link_options_t *options);

/**
 * Takes a link down, or up again. What is on the way on it when it goes down is lost.
 * @param link the link
 * @param up   nonzero: up, as it is at first; 0: down
 * @retval 0
 * @retval UV_EINVAL `link` is NULL
 */
DGRAM_EXTERN int dgram_sim_link_set_up(dgram_sim_link_t *link, int up);

/**
 * Partitions the network: nothing passes any more between these hosts and all others. Another call,
 * with other hosts, takes the place of the one before.
 * @param sim   the network
 * @param hosts the hosts of one side, switches included; read within the call
 * @param count how many
 * @retval 0
 * @retval UV_EINVAL `sim` is NULL, `hosts` is NULL and `count` is not 0, or a host is of another
 *                   network
 */
DGRAM_EXTERN int dgram_sim_partition(dgram_sim_t *sim, dgram_sim_host_t *const hosts[],
                                     size_t count);

/**
 * Ends the partition.
 * @param sim the network
 * @retval 0
 * @retval UV_EINVAL `sim` is NULL
 */
DGRAM_EXTERN int dgram_sim_heal(dgram_sim_t *sim);

/** Kinds of NAT, by the names of RFC 3489, and the behaviour by RFC 4787. */
typedef enum {
  DGRAM_SIM_NAT_FULL_CONE,  /**< one outside port for each inside port; anyone may send to it */
  DGRAM_SIM_NAT_RESTRICTED, /**< ... only hosts that it has sent to (address-dependent) */
  DGRAM_SIM_NAT_PORT_RESTRICTED, /**< ... only ports that it has sent to (address and port) */
  DGRAM_SIM_NAT_SYMMETRIC        /**< one outside port for each inside port and destination, which
                                      alone may send to it */
} dgram_sim_nat_type_t;

/** Options of a NAT. Start from dgram_default_sim_nat_options(). */
typedef struct dgram_sim_nat_options {
  size_t struct_size;        /**< set by dgram_default_sim_nat_options() */
  dgram_sim_nat_type_t type; /**< Default DGRAM_SIM_NAT_PORT_RESTRICTED */
  uint64_t timeout; /**< ns since the last datagram from inside, after which a mapping ends.
                         Default 120 s (RFC 4787, REQ-5) */
  int hairpin;      /**< nonzero: hosts inside reach each other by their outside addresses.
                         Default 1 (RFC 4787, REQ-9) */
  int random_ports; /**< nonzero: random outside ports; 0: the inside port's number where
                         it is free. Default 0 */
} dgram_sim_nat_options_t;

/**
 * The options of a usual NAT.
 * @return the options, by value
 */
static inline dgram_sim_nat_options_t dgram_default_sim_nat_options(void) {
  dgram_sim_nat_options_t options = {0, DGRAM_SIM_NAT_PORT_RESTRICTED, DGRAM_SIM_S(120), 1, 0};
  options.struct_size = sizeof options;
  return options;
}

/**
 * Makes a host a NAT: what it forwards over one of its links leaves with an address of the host and
 * a port that is mapped to the sender, and answers find their way back. All other links are inside.
 * Hosts behind different NATs may have the same addresses.
 * @param host    the host
 * @param outside its link to the outside
 * @param address its address outside, which it has: "203.0.113.1". Traffic of the other family is
 *                forwarded as by a router
 * @param options copied; NULL: the default
 * @retval 0
 * @retval UV_EINVAL        an argument is NULL, `outside` is not a link of `host`, `host` is a
 * switch, or an option is out of its range
 * @retval UV_EADDRNOTAVAIL the host does not have the address
 * @retval UV_EEXIST        it is a NAT already
 * @retval UV_ENOMEM
 */
DGRAM_EXTERN int dgram_sim_host_set_nat(dgram_sim_host_t *host, const dgram_sim_link_t *outside,
                                        const char *address,
                                        const dgram_sim_nat_options_t *options);

/**
 * @}
 * @name Time
 * @{
 */

/**
 * The virtual time.
 * @param sim the network
 * @return nanoseconds since dgram_sim_create() or dgram_sim_reset(); 0 if `sim` is NULL
 */
DGRAM_EXTERN uint64_t dgram_sim_now(const dgram_sim_t *sim);

/**
 * A random number for the program's own decisions, from the seed.
 * @param sim the network
 * @return 64 bits; 0 if `sim` is NULL
 */
DGRAM_EXTERN uint64_t dgram_sim_random(dgram_sim_t *sim);

/**
 * A function that is called at a time.
 * @param sim     the network
 * @param context as given with it
 */
typedef void (*dgram_sim_timer_cb)(dgram_sim_t *sim, void *context);

/**
 * Has a function called after some time: to change the network, or as a timer of the program's that
 * needs less than a millisecond. It is called by the functions that move the time.
 * @param sim        the network
 * @param delay      ns from now
 * @param callback   the function
 * @param context    for it
 * @param[out] timer for dgram_sim_timer_stop(), or NULL; valid until `callback` is called
 * @retval 0
 * @retval UV_EINVAL `sim` or `callback` is NULL
 * @retval UV_ENOMEM
 */
DGRAM_EXTERN int dgram_sim_timer_start(dgram_sim_t *sim, uint64_t delay,
                                       dgram_sim_timer_cb callback, void *context,
                                       dgram_sim_timer_t **timer);

/**
 * Stops a timer: its function will not be called.
 * @param timer the timer, whose function has not been called, or NULL; not valid any more
 */
DGRAM_EXTERN void dgram_sim_timer_stop(dgram_sim_timer_t *timer);

/**
 * Runs the network and its loop, in virtual time, until nothing is left that could happen: no
 * datagram is on its way, no timer of the network or (unless it is unreferenced) of the loop runs.
 * Sockets may still be open. What waits for the world outside the network (a thread, a descriptor)
 * is not waited for. A timer
 * that repeats never lets it end: see dgram_sim_stop().
 * @param sim the network
 * @retval 0
 * @retval UV_EINVAL `sim` is NULL
 * @retval UV_EBUSY  called in a callback, or another network drives the loop
 */
DGRAM_EXTERN int dgram_sim_run(dgram_sim_t *sim);

/**
 * As dgram_sim_run(), for so long: everything up to that time happens, and then it is that time.
 * @param sim      the network
 * @param duration ns
 * @return as dgram_sim_run()
 */
DGRAM_EXTERN int dgram_sim_run_for(dgram_sim_t *sim, uint64_t duration);

/**
 * Has dgram_sim_run() or dgram_sim_run_for() return once the events of the present time have
 * happened. Does nothing if neither runs, or `sim` is NULL.
 * @param sim the network
 */
DGRAM_EXTERN void dgram_sim_stop(dgram_sim_t *sim);

/**
 * Moves the network alone, by one step, for a program that has its own loop of events: to the time
 * of the network's next event, and lets it happen; the loop's timers stay as they are. Sockets
 * without `defer` of their options also do what they have deferred.
 * @param sim   the network
 * @param until ns since the beginning: the time at which it stops, if no event comes before
 * @retval 1         something has happened
 * @retval 0         nothing has, and the time is `until` now, unless that has passed
 * @retval UV_EINVAL `sim` is NULL
 * @retval UV_EBUSY  called in a callback
 */
DGRAM_EXTERN int dgram_sim_step(dgram_sim_t *sim, uint64_t until);

/**
 * The time of the network's next event.
 * @param sim the network
 * @return ns since the beginning, not below dgram_sim_now(); UINT64_MAX: there is none, or `sim` is
 *         NULL
 */
DGRAM_EXTERN uint64_t dgram_sim_next(dgram_sim_t *sim);

/**
 * @}
 * @name What has happened
 * @{
 */

/** What happened to a datagram. */
typedef enum {
  DGRAM_SIM_SENT,         /**< a socket has sent it */
  DGRAM_SIM_DELIVERED,    /**< it is in a socket's receive buffer */
  DGRAM_SIM_DUPLICATED,   /**< a link has made a second one of it */
  DGRAM_SIM_ICMP,         /**< it led to an ICMP error */
  DGRAM_SIM_LOST,         /**< a link has lost it */
  DGRAM_SIM_QUEUE_FULL,   /**< lost: over `queue_bytes` of a link */
  DGRAM_SIM_LINK_DOWN,    /**< lost: a link, or the network in a partition, is down */
  DGRAM_SIM_HOST_DOWN,    /**< lost: a host is switched off */
  DGRAM_SIM_NO_ROUTE,     /**< lost: no host has the address */
  DGRAM_SIM_TOO_LARGE,    /**< lost: over a link's MTU, and not to be fragmented */
  DGRAM_SIM_TTL_EXCEEDED, /**< lost: too many hops */
  DGRAM_SIM_NO_PORT,      /**< lost: no socket has the port */
  DGRAM_SIM_FILTERED,     /**< lost: a NAT has no mapping for it, or does not admit the sender */
  DGRAM_SIM_BUFFER_FULL,  /**< lost: the socket's receive buffer was full */
  DGRAM_SIM_NO_MEMORY,    /**< lost: a copy of it could not be made */
  DGRAM_SIM_EVENT_KINDS   /**< how many kinds there are; later versions have more */
} dgram_sim_event_kind_t;

/** An event. Only the library creates it; later versions have more members. */
typedef struct dgram_sim_event {
  uint64_t time;               /**< ns */
  dgram_sim_event_kind_t kind; /**< what happened */
  const char *host;            /**< the name of the host where it happened */
  const struct sockaddr *from; /**< the datagram's source at that place */
  const struct sockaddr *to;   /**< its destination at that place */
  const void *data;            /**< its bytes */
  size_t size;                 /**< how many */
} dgram_sim_event_t;

/**
 * Called at each event, inside what caused it: it must not call any function of this header or of
 * dgram.h but those that only read.
 * @param sim     the network
 * @param event   the event; borrowed until the function returns
 * @param context as given to dgram_sim_trace()
 */
typedef void (*dgram_sim_trace_cb)(const dgram_sim_t *sim, const dgram_sim_event_t *event,
                                   void *context);

/**
 * Has a function called at each event from now on.
 * @param sim      the network
 * @param callback the function; NULL: none
 * @param context  for it
 * @retval 0
 * @retval UV_EINVAL `sim` is NULL
 */
DGRAM_EXTERN int dgram_sim_trace(dgram_sim_t *sim, dgram_sim_trace_cb callback, void *context);

/**
 * A hash of all events so far, with their times, addresses and bytes: two runs with the same hash
 * were the same run.
 * @param sim the network
 * @return 64 bits; 0 if `sim` is NULL
 */
DGRAM_EXTERN uint64_t dgram_sim_hash(const dgram_sim_t *sim);

/**
 * How often something has happened.
 * @param sim  the network
 * @param kind what
 * @return the count; 0 if `sim` is NULL or `kind` is none
 */
DGRAM_EXTERN uint64_t dgram_sim_count(const dgram_sim_t *sim, dgram_sim_event_kind_t kind);

/** @} */

#ifdef __cplusplus
}
#endif

#endif

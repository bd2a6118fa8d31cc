/**
 * @file dgram_access.h
 * Access lists of a socket, and a limit of the rate of each source.
 *
 * *Lists.* A list has rules: addresses, ranges, and subnets, which may overlap, and be added and
 * removed while the list is in use. A socket can have four lists: for what it receives and for what
 * it sends, one of what is allowed and one of what is blocked. If there is a list of what is
 * allowed, only what is in it passes; then what is in the list of what is blocked does not. A list
 * can be that of any number of sockets.
 *
 * @code
 * dgram_access_list_t *list;
 * dgram_access_list_create(&list);
 * dgram_access_list_add_subnet(list, "192.0.2.0", 24);
 * dgram_set_receive_access(socket, DGRAM_BLOCK, list);
 * dgram_access_list_free(list); // the socket still has it
 * @endcode
 *
 * *Addresses* are of IPv4 or IPv6. An IPv4 address is the same as the IPv4-mapped address of IPv6
 * (RFC 4291, 2.5.5.2): a rule "192.0.2.0"/24 applies to 192.0.2.1 on a udp4 socket and to
 * "::ffff:192.0.2.1" on a udp6 socket, and a rule "::"/0 to all addresses of both families. Zones
 * ("%eth0") are accepted and ignored, and so are ports.
 *
 * *Cost.* A look-up takes about 20 to 35 ns with 100,000 rules; it is made once for each buffer of
 * the system's, which with UDP_GRO has many datagrams of one sender. To add a rule takes about
 * 0.2 us then, and a rule takes 44 bytes; in lists of other sizes about 40 to 100 bytes, in one of
 * few rules, or of rules that have little in common, up to 700. A range takes that for each of the
 * subnets that it consists of, 1 to 254. A socket without lists and limit pays nothing for them.
 *
 * *Threads.* A list belongs to one thread, as sockets do: all its calls, and all sockets that have
 * it, are on that thread. Threads that filter alike make a list each.
 *
 * Groups, multicast and broadcast addresses are addresses as any other where they are the
 * destination of a send. What is received is checked by its source alone.
 */
#ifndef DGRAM_ACCESS_H
#define DGRAM_ACCESS_H

#include <dgram.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A list of addresses, ranges and subnets. */
typedef struct dgram_access_list dgram_access_list_t;

/**
 * @name Lists
 *
 * Adding a rule that is there already counts it twice, and it is there until it was removed twice.
 * A rule is removed as it was added: an address or a subnet by its address and prefix, a range by
 * its ends. (A range that is exactly a subnet, or a subnet of a single address, is the same rule.)
 * What other rules cover stays covered.
 *
 * Each function that changes a list returns 0, or a negative code and then nothing has changed:
 * UV_EINVAL (`list` is NULL; a text is not a numeric address; the prefix is out of range; the ends
 * of a range are of different families, or the first is behind the last), UV_ENOMEM (adding), or
 * UV_ENOENT (removing: there is no such rule).
 *
 * A change applies to what is delivered or sent next, also inside a listener: datagrams that were
 * received and not delivered yet are checked again, so that no more of a sender are delivered once
 * it is blocked. Those that were refused before stay refused.
 * @{
 */

/**
 * Creates a list without rules.
 * @param[out] list the new list; set to NULL on error
 * @retval 0
 * @retval UV_EINVAL `list` is NULL
 * @retval UV_ENOMEM
 */
DGRAM_EXTERN int dgram_access_list_create(dgram_access_list_t **list);

/**
 * Gives up the program's reference to a list. Sockets that have the list keep it as it is; it is
 * freed with the last of them.
 * @param list the list, which the program must not use any more; NULL: nothing happens
 */
DGRAM_EXTERN void dgram_access_list_free(dgram_access_list_t *list);

/**
 * Adds an address.
 * @param list    the list
 * @param address a numeric address; an IPv6 address may have a zone, which is ignored. Not kept
 * @return see above
 */
DGRAM_EXTERN int dgram_access_list_add_address(dgram_access_list_t *list, const char *address);

/**
 * Adds all addresses from the first to the last, both included.
 * @param list  the list
 * @param first a numeric address; not kept
 * @param last  a numeric address of the same family, not before `first`; not kept
 * @return see above
 */
DGRAM_EXTERN int dgram_access_list_add_range(dgram_access_list_t *list, const char *first,
                                             const char *last);

/**
 * Adds a subnet.
 * @param list    the list
 * @param address a numeric address of the subnet; what is behind the prefix is ignored. Not kept
 * @param prefix  bits of the prefix: 0 to 32 of an IPv4 address, 0 to 128 of an IPv6 address
 *                (of "::ffff:192.0.2.0" 120, for what "192.0.2.0" and 24 is)
 * @return see above
 */
DGRAM_EXTERN int dgram_access_list_add_subnet(dgram_access_list_t *list, const char *address,
                                              int prefix);

/**
 * Removes an address.
 * @param list    the list
 * @param address as in dgram_access_list_add_address()
 * @return see above
 */
DGRAM_EXTERN int dgram_access_list_remove_address(dgram_access_list_t *list, const char *address);

/**
 * Removes a range.
 * @param list  the list
 * @param first as in dgram_access_list_add_range()
 * @param last  as in dgram_access_list_add_range()
 * @return see above
 */
DGRAM_EXTERN int dgram_access_list_remove_range(dgram_access_list_t *list, const char *first,
                                                const char *last);

/**
 * Removes a subnet.
 * @param list    the list
 * @param address as in dgram_access_list_add_subnet()
 * @param prefix  as in dgram_access_list_add_subnet()
 * @return see above
 */
DGRAM_EXTERN int dgram_access_list_remove_subnet(dgram_access_list_t *list, const char *address,
                                                 int prefix);

/**
 * Removes all rules.
 * @param list the list; NULL: nothing happens
 */
DGRAM_EXTERN void dgram_access_list_clear(dgram_access_list_t *list);

/**
 * The number of rules, each as often as it was added.
 * @param list the list
 * @return rules; 0 when `list` is NULL
 */
DGRAM_EXTERN size_t dgram_access_list_count(const dgram_access_list_t *list);

/**
 * Whether an address is in the list. Makes no system call.
 * @param list    the list
 * @param address a `sockaddr_in` or `sockaddr_in6`, at any alignment; its port and zone are ignored
 * @return 1: it is in at least one of the rules; 0: it is in none; UV_EINVAL: an argument is NULL,
 *         or the address is of another family
 */
DGRAM_EXTERN int dgram_access_list_check(const dgram_access_list_t *list,
                                         const struct sockaddr *address);

/**
 * @}
 * @name Lists of a socket
 * @{
 */

/** What a list of a socket means. */
typedef enum {
  DGRAM_ALLOW, /**< what is not in it is refused */
  DGRAM_BLOCK  /**< what is in it is refused; applies after the list of what is allowed */
} dgram_access_t;

/**
 * Sets the list of sources that the socket may, or may not, receive from. A refused datagram is
 * dropped: no listener sees it, and dgram_get_access_counts() counts it. The first datagram that
 * the list applies to is the next one that is delivered, also inside a listener.
 *
 * What is refused was received by the system, and occupied the socket's receive buffer before.
 *
 * @param socket the socket, bound or not
 * @param access whether the list is of what is allowed or of what is blocked; the other one stays
 * @param list   the list, in place of the one before; the socket keeps a reference to it until it
 *               is replaced or the socket's memory is freed. NULL: no list
 * @retval 0
 * @retval UV_EINVAL `socket` is NULL, or `access` is not one of ::dgram_access_t
 * @retval DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING the socket is closed
 * @retval UV_ENOMEM
 */
DGRAM_EXTERN int dgram_set_receive_access(dgram_socket_t *socket, dgram_access_t access,
                                          dgram_access_list_t *list);

/**
 * Sets the list of destinations that the socket may, or may not, send and connect to. The error is
 * DGRAM_ERR_IP_BLOCKED:
 *
 * - A send or a connect to a numeric address, or to its default, returns it; nothing is sent, and
 *   the callback is not called. A send of a connected socket is checked, too, by the peer.
 * - A send or a connect to a host name is checked when the name has been looked up: the error goes
 *   to the callback, or without one to 'error': `send ERR_IP_BLOCKED example.org:53`,
 *   `connect ERR_IP_BLOCKED example.org:53`. So is each address of a socket with a `lookup` of its
 *   own.
 *
 * dgram_post_send() makes its check when the loop takes the post over: the error goes to its
 * callback. dgram_accept_peer() checks the peer, and a new socket has the server's lists.
 *
 * Sends that were accepted before a change of the list, or before this call, leave; those to a host
 * name whose look-up is pending are checked by the new one. A socket that is connected stays so.
 *
 * @param socket the socket, bound or not
 * @param access as in dgram_set_receive_access()
 * @param list   as in dgram_set_receive_access()
 * @retval 0
 * @retval UV_EINVAL `socket` is NULL, or `access` is not one of ::dgram_access_t
 * @retval DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING the socket is closed
 * @retval UV_ENOMEM
 */
DGRAM_EXTERN int dgram_set_send_access(dgram_socket_t *socket, dgram_access_t access,
                                       dgram_access_list_t *list);

/**
 * @}
 * @name Limit of the rate of each source
 * @{
 */

/**
 * Options of dgram_set_receive_rate(). Start from dgram_default_rate_options(); later versions add
 * members. Each source has a token bucket of packets, and one of bytes, which are full at first; a
 * datagram is delivered if there is enough in both.
 */
typedef struct dgram_rate_options {
  size_t struct_size;          /**< set by dgram_default_rate_options() */
  uint32_t packets_per_second; /**< of a source, on average; 0: packets are not limited */
  uint32_t packets_burst;      /**< of a source, at once. 0: as many as `packets_per_second` */
  uint32_t bytes_per_second;   /**< of payload of a source, on average; 0: not limited */
  uint32_t bytes_burst;        /**< of a source, at once: a larger datagram never passes. 0: the
                                    larger of `bytes_per_second` and 65,536 */
  uint32_t ipv4_prefix;        /**< IPv4 addresses with the same first bits, 1 to 32, are one
                                    source. Default 32 */
  uint32_t ipv6_prefix;        /**< the same of IPv6, 1 to 128. Default 64, since a host can choose
                                    any address of its subnet */
  uint32_t sources;            /**< that are remembered, 1 to 16,777,216; 64 bytes each. A new one
                                    evicts the least recently active one, which, if it sends again,
                                    is new and has full buckets. Default 4,096 */
} dgram_rate_options_t;

/**
 * Options without any limit, of which a program sets at least one.
 * @return the options, by value
 */
static inline dgram_rate_options_t dgram_default_rate_options(void) {
  dgram_rate_options_t options = {0, 0, 0, 0, 0, 32, 64, 4096};
  options.struct_size = sizeof options;
  return options;
}

/**
 * Limits the rate of the datagrams of each source. What is over the limit is dropped as it is
 * received: no listener sees it, and dgram_get_access_counts() counts it. What the lists of
 * dgram_set_receive_access() refuse takes nothing out of the buckets. Datagrams that were received
 * together (UDP_GRO) are counted one by one: as many as there are tokens pass, the first ones. The
 * time is that of uv_hrtime(), once for each call of the system's receive function.
 *
 * An attacker can send from many sources, with forged ones as well, and so drive others out of the
 * table; the memory is bounded by `sources`, and is allocated in this call. The hash of the table
 * is seeded at random, so that collisions cannot be chosen.
 *
 * @param socket  the socket, bound or not
 * @param options made by dgram_default_rate_options() and changed; copied. All sources begin with
 *                full buckets. NULL: no limit
 * @retval 0
 * @retval UV_EINVAL `socket` is NULL; `struct_size` was not set or is that of a newer header; no
 *                   limit is set; a number is out of range
 * @retval DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING the socket is closed
 * @retval UV_ENOMEM
 * @return or the error of uv_random()
 */
DGRAM_EXTERN int dgram_set_receive_rate(dgram_socket_t *socket,
                                        const dgram_rate_options_t *options);

/**
 * @}
 * @name Counts
 * @{
 */

/**
 * What was refused on a socket, since its creation. Start from dgram_default_access_counts(); later
 * versions add members.
 */
typedef struct dgram_access_counts {
  size_t struct_size;        /**< set by dgram_default_access_counts() */
  uint64_t receives_refused; /**< datagrams dropped by the lists of what it may receive */
  uint64_t receives_limited; /**< datagrams dropped by the limit of the rate */
  uint64_t sources_evicted;  /**< sources evicted for a new one */
  uint64_t sends_refused;    /**< sends, and connects, with DGRAM_ERR_IP_BLOCKED */
} dgram_access_counts_t;

/**
 * Counts to be filled in.
 * @return zeros and the size of the struct, by value
 */
static inline dgram_access_counts_t dgram_default_access_counts(void) {
  dgram_access_counts_t counts = {0, 0, 0, 0, 0};
  counts.struct_size = sizeof counts;
  return counts;
}

/**
 * Reads the counts. dgram_get_stats() has them too, except `sources_evicted`.
 *
 * @param socket         the socket, also a closed one, until its last callback has returned
 * @param[in,out] counts made by dgram_default_access_counts(); filled in; those of a socket without
 * lists and limit are 0
 * @retval 0
 * @retval UV_EINVAL an argument is NULL; or `struct_size` was not set or is that of a newer header
 */
DGRAM_EXTERN int dgram_get_access_counts(const dgram_socket_t *socket,
                                         dgram_access_counts_t *counts);

/** @} */

#ifdef __cplusplus
}
#endif

#endif

/**
 * @file dgram_interfaces.h
 * Network interfaces: a list of them, their changes, and a multicast group on all of them.
 *
 * *One group, every interface.* dgram_add_membership() joins a group on one interface, by default
 * on the one that the routing table names. A server that is to be found wherever it is reachable
 * (mDNS, SSDP, a cluster's discovery) has to join on each, and again on those that appear later:
 * dgram_add_membership_all() does both.
 *
 * @code
 * dgram_create_socket(loop, DGRAM_UDP4, on_question, NULL, &socket);
 * dgram_bind_sync(socket, 5353, NULL);
 * dgram_add_membership_all(socket, "224.0.0.251", NULL, NULL);
 * @endcode
 *
 * *Other sockets' groups.* By default Linux delivers a datagram of a group that any socket of the
 * host has joined to all sockets that are bound to its port on the wildcard address. Programs can
 * observe this in Node.js, so it is the default here too. The option IP_MULTICAST_ALL, set to 0,
 * limits a socket to the groups that it has joined itself (ip(7)).
 *
 * The rules of dgram.h apply here too; a watcher belongs to its loop as a socket does.
 */
#ifndef DGRAM_INTERFACES_H
#define DGRAM_INTERFACES_H

#include <dgram.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * @name The list of interfaces
 * @{
 */

/** An address of an interface. Only the library creates it; later versions may add members. */
typedef struct dgram_interface_address {
  const char *family;               /**< "IPv4" or "IPv6"; static */
  const struct sockaddr *sockaddr;  /**< the address, with port 0; of IPv6 with its scope */
  char address[DGRAM_ADDRESS_TEXT]; /**< as text; a link-local IPv6 address with its zone */
  char netmask[DGRAM_ADDRESS_TEXT]; /**< as text: "255.255.255.0", "ffff:ffff:ffff:ffff::" */
  int prefix;                       /**< bits of the netmask: "/24" is 24 */
} dgram_interface_address_t;

/** What an interface is, and what state it is in. */
typedef enum {
  DGRAM_INTERFACE_UP = 1,             /**< the administrator has switched it on (IFF_UP) */
  DGRAM_INTERFACE_RUNNING = 2,        /**< it has a carrier (IFF_RUNNING) */
  DGRAM_INTERFACE_LOOPBACK = 4,       /**< it is internal to the host (IFF_LOOPBACK) */
  DGRAM_INTERFACE_MULTICAST = 8,      /**< it carries multicast (IFF_MULTICAST) */
  DGRAM_INTERFACE_BROADCAST = 16,     /**< it carries broadcast (IFF_BROADCAST) */
  DGRAM_INTERFACE_POINT_TO_POINT = 32 /**< it leads to one peer only (IFF_POINTOPOINT) */
} dgram_interface_flag_t;

/** A network interface. Only the library creates it; later versions may add members. */
typedef struct dgram_interface {
  const char *name;     /**< "eth0" */
  unsigned index;       /**< its number, from 1 on; an interface that is made anew gets another one,
                             unless it is made with that number */
  unsigned flags;       /**< some of ::dgram_interface_flag_t */
  unsigned char mac[6]; /**< the hardware address; zeros, if it has none of 6 bytes */
  size_t address_count; /**< how many addresses it has; may be 0 */
  const dgram_interface_address_t *const *addresses; /**< these, in the system's order */
} dgram_interface_t;

/**
 * Lists the interfaces of the host (in Linux: of the calling thread's network namespace).
 * uv_interface_addresses(), and `os.networkInterfaces()` of Node.js, list the addresses of
 * interfaces that are up; this also lists interfaces that are down or have no address, and each
 * one's index and flags. Source: getifaddrs(3), netdevice(7).
 *
 * @param[out] interfaces the interfaces by rising index, to be freed by dgram_free_interfaces();
 *                        set to NULL on error
 * @param[out] count      their number; set to 0 on error
 * @retval 0
 * @retval UV_EINVAL `interfaces` or `count` is NULL
 * @retval UV_ENOMEM
 * @return or the error of getifaddrs(3): UV_EMFILE, UV_ENFILE, …
 */
DGRAM_EXTERN int dgram_interfaces(const dgram_interface_t *const **interfaces, size_t *count);

/**
 * Frees a list, with all that its interfaces point to.
 * @param interfaces as returned by dgram_interfaces(), or NULL
 */
DGRAM_EXTERN void dgram_free_interfaces(const dgram_interface_t *const *interfaces);

/**
 * @}
 * @name Changes of interfaces
 * @{
 */

/** Watches the interfaces of the host. Owned by the library. */
typedef struct dgram_interface_watcher dgram_interface_watcher_t;

/** What has happened to an interface. */
typedef enum {
  DGRAM_INTERFACE_ADDED,   /**< it is there; at the beginning each one that there is */
  DGRAM_INTERFACE_CHANGED, /**< its name, flags, hardware address or addresses have changed */
  DGRAM_INTERFACE_REMOVED  /**< it has gone: deleted, or moved to another network namespace */
} dgram_interface_event_t;

/**
 * Reports a change of an interface. Called from the loop, first for the interfaces that have gone,
 * then for the new and the changed ones. It may call any function of this header, and
 * dgram_unwatch_interfaces() of its own watcher.
 *
 * @param watcher   the watcher
 * @param event     what has happened
 * @param interface as it is now; if it was removed, as it was last seen. Borrowed until the
 *                  callback returns
 * @param context   as given to dgram_watch_interfaces()
 */
typedef void (*dgram_interface_cb)(dgram_interface_watcher_t *watcher,
                                   dgram_interface_event_t event,
                                   const dgram_interface_t *interface, void *context);

/**
 * Watches the interfaces of the host (in Linux: of the calling thread's network namespace). From
 * the loop, `callback` first gets each interface that there is, as added, and then what changes.
 * What changes in one iteration of the loop is reported together: an interface that came and went
 * meanwhile is not reported, one that was deleted and made anew with its former index is reported
 * as removed and added. If so much has changed that the kernel dropped messages (ENOBUFS), every
 * interface is reported as removed and added, since any may have been made anew.
 *
 * On Linux the kernel reports changes (rtnetlink(7)); elsewhere the list is read every 5 seconds.
 * A watcher does not keep the loop alive.
 *
 * @param loop     the loop that `callback` is called from; borrowed until
 *                 dgram_unwatch_interfaces(), and it must run once after that
 * @param callback called for each change
 * @param context  for `callback`
 * @param[out] watcher the new watcher; set to NULL on error
 * @retval 0
 * @retval UV_EINVAL `loop`, `callback` or `watcher` is NULL
 * @retval UV_ENOMEM
 * @return or the error of socket(2) or bind(2) for AF_NETLINK: UV_EMFILE, UV_EACCES, …
 */
DGRAM_EXTERN int dgram_watch_interfaces(uv_loop_t *loop, dgram_interface_cb callback, void *context,
                                        dgram_interface_watcher_t **watcher);

/**
 * Ends a watcher: `callback` is not called any more. Its memory is freed from the loop, in the next
 * iteration.
 * @param watcher the watcher, which must not be used any more; or NULL
 */
DGRAM_EXTERN void dgram_unwatch_interfaces(dgram_interface_watcher_t *watcher);

/**
 * @}
 * @name A multicast group on every interface
 * @{
 */

/** What became of a group on one interface. */
typedef enum {
  DGRAM_MEMBERSHIP_JOINED, /**< the socket is a member there */
  DGRAM_MEMBERSHIP_FAILED, /**< the system has refused it: see `error` */
  DGRAM_MEMBERSHIP_LEFT    /**< it was, and has left: the interface has gone, went down, or
                                lost its last address of the group's family */
} dgram_membership_change_t;

/**
 * A change of a group's membership on one interface. Only the library creates it; later versions
 * may add members.
 */
typedef struct dgram_membership {
  dgram_membership_change_t change; /**< what has happened */
  const char *group;                /**< its address as text */
  const char *interface_name;       /**< "eth0" */
  unsigned interface_index;         /**< its number */
  int error; /**< with DGRAM_MEMBERSHIP_FAILED the reason, negative: UV_ENOBUFS or UV_ENOMEM: the
                  socket has too many memberships (in Linux net.ipv4.igmp_max_memberships, by
                  default 20; net.core.optmem_max); or another error of setsockopt(2). Else 0 */
} dgram_membership_t;

/**
 * Reports a change of membership. Called from the loop. It may call any function of this header and
 * of dgram.h.
 * @param socket     the socket
 * @param membership the change; borrowed until the callback returns
 * @param context    as given to dgram_add_membership_all()
 */
typedef void (*dgram_membership_cb)(dgram_socket_t *socket, const dgram_membership_t *membership,
                                    void *context);

/**
 * Joins a group on every interface that is up, carries multicast (the loopback interface of Linux
 * does not) and has an address of the group's family; and follows the interfaces: on one that
 * becomes so later the group is joined, and on one that is so no longer it is left, until
 * dgram_drop_membership_all() or the close of the socket. An interface that is made anew, with
 * another index or the same, is joined anew; one that is renamed stays joined.
 *
 * If the socket is a member on an interface already, by dgram_add_membership(), it stays so, and
 * counts as joined by this call.
 *
 * As with dgram_add_membership() an unbound socket is bound inside the call, to a random port on
 * all interfaces; if the call then fails, the socket stays bound. Without any suitable interface
 * the call succeeds. The interfaces are watched as by dgram_watch_interfaces(), which costs the
 * socket a second descriptor; this does not keep the loop alive.
 *
 * @param socket            the socket; on a udp6 socket the group may be of either family
 * @param multicast_address the group: "224.0.0.251", "ff02::fb"; without a zone
 * @param callback          called from the loop for each interface on which the group was joined or
 *                          left or could not be joined, including those of this call, unless the
 *                          group is dropped or the socket closed before; or NULL
 * @param context           for `callback`
 * @retval 0                           also if the group was joined on some interfaces only
 * @retval DGRAM_ERR_MISSING_ARGS      `multicast_address` is NULL or ""
 * @retval UV_EINVAL                   `socket` is NULL, or `multicast_address` is not a multicast
 *                                     address, or has a zone
 * @retval DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING the socket is closed
 * @retval UV_EBADF                    being bound: call from 'listening'
 * @retval UV_ENOPROTOOPT              an IPv6 group on udp4
 * @retval UV_EADDRINUSE               the group was added by this function before
 * @retval UV_ENOTSUP                  the socket is on a simulated network
 * @retval UV_ENOMEM
 * @return or the error of the bind or of dgram_watch_interfaces(); or if there are suitable
 *         interfaces and all have failed, the error of the first, as in `error` of
 *         ::dgram_membership_t
 */
DGRAM_EXTERN int dgram_add_membership_all(dgram_socket_t *socket, const char *multicast_address,
                                          dgram_membership_cb callback, void *context);

/**
 * Leaves a group on every interface on which dgram_add_membership_all() has joined it, and ceases
 * to follow the interfaces. The callback of that call is not called any more.
 *
 * @param socket            the socket
 * @param multicast_address the group
 * @retval 0
 * @retval DGRAM_ERR_MISSING_ARGS      `multicast_address` is NULL or ""
 * @retval UV_EINVAL                   `socket` is NULL, or `multicast_address` is not an address
 * @retval DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING the socket is closed
 * @retval UV_EADDRNOTAVAIL            the group was not added by dgram_add_membership_all()
 */
DGRAM_EXTERN int dgram_drop_membership_all(dgram_socket_t *socket, const char *multicast_address);

/** @} */

#ifdef __cplusplus
}
#endif

#endif

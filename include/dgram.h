/**
 * @file dgram.h
 * UDP datagram sockets with the semantics of Node.js's `node:dgram`, on the libuv loop.
 *
 * This header is the manual. Each function's contract states what it does, its arguments with unit
 * and range, the ownership of memory, every error with its cause, and when callbacks run.
 *
 * ## Rules that hold everywhere
 *
 * *Compiling.* `<uv.h>` needs the types of POSIX: compile with `-std=gnu11`, or define
 * `_GNU_SOURCE` or `_POSIX_C_SOURCE` (200112L or later) before the first header.
 *
 * *Errors.* A call returns 0, or a negative code, and then it has changed nothing (with one
 * exception: an unbound socket that the call has bound stays bound when the system refuses a
 * membership, the peer of dgram_connect_sync(), or the datagrams of dgram_try_send() and its
 * variants, of whose lists and segmented messages a first part may have left). Codes of the
 * system are libuv's `UV_E*`; the specification's own errors are the `DGRAM_ERR_*` below. A failure
 * that happens later, in the loop, is an 'error' event or the error of a send's callback.
 *
 * *Callbacks* run from the loop (`uv_run`), never inside the call that they were given to, unless
 * its contract states so; or from dgram_task_run(), if the program defers work itself (see
 * ::dgram_defer_cb). A callback may call any function of this header, including `dgram_close()` of
 * its own socket; it must not run the loop.
 *
 * *Threads.* A socket belongs to its loop; every call on it must be made on the loop's thread
 * (other threads send by dgram_post.h). Different loops are independent of each other.
 *
 * *Loops.* The first socket of a loop adds handles of the library to the loop; `uv_walk()` visits
 * them, and a program must not close them. They are closed with the last socket: once every socket
 * has been closed, including those that were never bound, and `uv_run()` has returned 0,
 * `uv_loop_close()` returns 0.
 *
 * *fork(2).* The child may use sockets on loops that it creates. A loop of the parent, with its
 * sockets, is usable in the child after uv_loop_fork(); datagrams that were queued on it at the
 * fork are then sent by both processes. Groups (dgram_group.h) stay the parent's, since their
 * threads do.
 *
 * *Ownership.* The library owns a socket. After `dgram_close()` the caller must not use it any
 * more, except inside callbacks, until the last of them has returned. In the contracts, *copied*
 * means that the library keeps no pointer to the argument after the call; *borrowed until X* means
 * that the memory must stay valid and unchanged until X. A `context` is passed to the callback
 * unchanged; the library never reads what it points to.
 */
#ifndef DGRAM_H
#define DGRAM_H

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

/** The version of this header; dgram_version() returns that of the library. @{ */
#define DGRAM_VERSION_MAJOR 0
#define DGRAM_VERSION_MINOR 4
#define DGRAM_VERSION_PATCH 0
/** @} */

#if defined(DGRAM_EXTERN) /* a program that compiles the sources in decides itself */
#elif defined(__GNUC__)
#define DGRAM_EXTERN __attribute__((visibility("default")))
#else
#define DGRAM_EXTERN
#endif

#ifdef __cplusplus
extern "C" {
#endif

/**
 * The specification's own errors: XX(name, code, text). The codes are below those of libuv.
 * Source: the Node.js documentation, "Errors".
 */
#define DGRAM_ERROR_MAP(XX)                                                                \
  XX(ERR_SOCKET_ALREADY_BOUND, -5001, "Socket is already bound")                           \
  XX(ERR_SOCKET_BAD_PORT, -5002, "Port should be > 0 and < 65536; >= 0 to bind")           \
  XX(ERR_SOCKET_BAD_TYPE, -5003, "Bad socket type specified. Valid types are: udp4, udp6") \
  XX(ERR_SOCKET_BUFFER_SIZE, -5004, "Could not get or set buffer size")                    \
  XX(ERR_SOCKET_DGRAM_NOT_RUNNING, -5005, "Not running")                                   \
  XX(ERR_SOCKET_BAD_BUFFER_SIZE, -5006, "Buffer size must be a positive integer")          \
  XX(ERR_SOCKET_DGRAM_IS_CONNECTED, -5007, "Already connected")                            \
  XX(ERR_SOCKET_DGRAM_NOT_CONNECTED, -5008, "Not connected")                               \
  XX(ERR_INVALID_FD_TYPE, -5009, "Unsupported fd type")                                    \
  XX(ERR_MISSING_ARGS, -5010, "The \"multicastAddress\" argument must be specified")       \
  XX(ERR_IP_BLOCKED, -5011, "IP is blocked by an access list")

#define DGRAM_ERROR_CODE(name, code, text) DGRAM_##name = (code),
/** The specification's own error codes, `DGRAM_ERR_…`; see ::DGRAM_ERROR_MAP. */
typedef enum { DGRAM_ERROR_MAP(DGRAM_ERROR_CODE) } dgram_error_code_t;
#undef DGRAM_ERROR_CODE

/** A UDP socket; the specification's class `dgram.Socket`. */
typedef struct dgram_socket dgram_socket_t;

/** The family of a socket. */
typedef enum {
  DGRAM_UDP4 = 4, /**< 'udp4': IPv4 */
  DGRAM_UDP6 = 6  /**< 'udp6': IPv6, and IPv4 as "::ffff:a.b.c.d" unless `ipv6_only` is set */
} dgram_type_t;

/** Size of an address as text: 45 characters of IPv6, "%", 15 of an interface's name, a NUL. */
#define DGRAM_ADDRESS_TEXT 64

/** An endpoint as text and number: the result of the specification's `socket.address()`. */
typedef struct dgram_address_s {
  char address[DGRAM_ADDRESS_TEXT]; /**< numeric; a link-local IPv6 address with its zone */
  const char *family;               /**< "IPv4" or "IPv6"; static */
  int port;                         /**< 0 to 65535 */
} dgram_address_t;

/** The sender of a message, and its size; the specification's `rinfo`. */
typedef struct dgram_rinfo {
  const struct sockaddr *sockaddr; /**< the sender; borrowed until the listener returns */
  const char *family;              /**< "IPv4" or "IPv6"; static */
  int port;                        /**< the sender's port, 0 to 65535 */
  size_t size;                     /**< the message's length in bytes, 0 to 65527 */
  char *text;                      /**< private: use dgram_rinfo_address() */
} dgram_rinfo_t;

/**
 * One message of a batch; see ::dgram_messages_cb. Only the library creates it. Later versions may
 * add members to it and to ::dgram_rinfo_t, so a program must not depend on their size.
 */
typedef struct dgram_message {
  const char *message; /**< the bytes, `rinfo.size` of them, at any alignment; borrowed */
  dgram_rinfo_t rinfo; /**< the sender */
} dgram_message_t;

/**
 * Facts about a received datagram, for `receive_info` of ::dgram_options_t. Each costs an option of
 * the system socket (named here for Linux, where they exist; on other systems a bind with any of
 * the first six fails with UV_ENOTSUP), and time for each receive buffer. On a udp6 socket the
 * options of both families are set, so that the facts of IPv4 datagrams are known, too.
 */
typedef enum {
  /** The address that the datagram was sent to, and the own address to answer from (IP_PKTINFO,
   *  IPV6_RECVPKTINFO): ip(7), RFC 3542, 6.2. What dgram_reply() needs. */
  DGRAM_INFO_DESTINATION = 1,
  /** The interface by which it came; the same options. */
  DGRAM_INFO_INTERFACE = 2,
  /** Its TTL or hop limit, as it arrived (IP_RECVTTL, IPV6_RECVHOPLIMIT). */
  DGRAM_INFO_TTL = 4,
  /** Its DSCP (RFC 2474) and ECN (RFC 3168) bits, as they arrived (IP_RECVTOS,
   *  IPV6_RECVTCLASS). */
  DGRAM_INFO_TOS = 8,
  /** When the kernel received it (SO_TIMESTAMPNS): socket(7). The first socket of the system with a
   *  timestamp makes the kernel take one of every datagram. */
  DGRAM_INFO_TIMESTAMP = 16,
  /** When the network device received it (SO_TIMESTAMPING), if the device takes timestamps; that
   *  must be enabled in the device (SIOCSHWTSTAMP). Otherwise the fact is not known. */
  DGRAM_INFO_HARDWARE_TIMESTAMP = 32,
  /** Whether its end was cut off (MSG_TRUNC). The receive buffers hold the largest
   *  datagram of UDP, so that this can happen on adopted sockets of other protocols only. */
  DGRAM_INFO_TRUNCATED = 64,
  /** The segment size of the receive buffer, if the kernel joined several datagrams in it
   *  (UDP_GRO). */
  DGRAM_INFO_SEGMENT_SIZE = 128,
  /** All of this header; a newer one may have more. */
  DGRAM_INFO_ALL = 255
} dgram_info_flag_t;

/**
 * Facts about a received datagram; see dgram_rinfo_info(). Only the library creates it, and later
 * versions may add members. A member that is not known has the value 0 or NULL.
 *
 * The datagrams that the kernel has joined in one receive buffer (UDP_GRO) have one info: it joins
 * only datagrams with the same addresses, TTL, DSCP and ECN; the timestamps are those of the first.
 */
typedef struct dgram_info {
  unsigned flags;                     /**< DGRAM_INFO_… of the facts that are known */
  unsigned interface_index;           /**< see dgram_info_interface_name() */
  const struct sockaddr *destination; /**< where the datagram was sent to: its header's address,
                                          which may be of multicast or broadcast, with the port of
                                          the socket. As the sender's address, one of IPv4 is
                                          "::ffff:a.b.c.d" on udp6. Borrowed until the listener
                                          returns, as is this struct */
  const struct sockaddr *local; /**< the own address, of unicast, to answer from. For a datagram to
                                    a group or a broadcast address of IPv4 the routing table
                                    chooses it (`ipi_spec_dst`); for one to a group of IPv6 it is
                                    NULL: not known. It has flag DGRAM_INFO_DESTINATION, too */
  int ttl;                      /**< TTL or hop limit, 0 to 255 */
  int dscp;                     /**< 0 to 63 */
  int ecn;                      /**< 0: not ECN-capable, 1: ECT(1), 2: ECT(0), 3: CE, congestion */
  int truncated;                /**< 1: the end of the datagram is missing; else 0 */
  uint64_t timestamp_ns;        /**< ns since 1970-01-01 00:00 UTC, by the system's clock */
  uint64_t hardware_timestamp_ns; /**< ns, by the clock of the device */
  size_t segment_size; /**< bytes of each datagram of the receive buffer, of which the last may be
                           shorter; 0: the datagram came by itself */
} dgram_info_t;

/**
 * The description of an error. Only the library creates it, and later versions may add members.
 * Borrowed until the listener or callback returns.
 */
typedef struct dgram_error {
  int code;            /**< negative: `UV_E*` or `DGRAM_ERR_*` */
  const char *name;    /**< the code's name: "EADDRINUSE" */
  const char *syscall; /**< the call that failed: "bind", "connect", "send", "recvmsg",
                            "getaddrinfo"; "open": taking over a descriptor; "setsockopt": an option
                            of the system socket, at the bind */
  const char *address; /**< the address or host name concerned, or NULL; with "setsockopt" the
                            option's name: "SO_MARK" */
  int port;            /**< the port concerned, or 0 */
  const char *message; /**< the whole text: "bind EADDRINUSE 0.0.0.0:41234" */
  int mtu;             /**< with EMSGSIZE of a send or of ICMP: the largest packet in bytes,
                            including the headers of IP and UDP, that the path to the destination
                            takes, where the kernel knows it; else 0 */
} dgram_error_t;

/** What an ICMP or ICMPv6 message reports of a datagram. Later versions may add values. */
typedef enum {
  DGRAM_ICMP_OTHER,                /**< none of the following; see its type and code */
  DGRAM_ICMP_NETWORK_UNREACHABLE,  /**< no route to the network */
  DGRAM_ICMP_HOST_UNREACHABLE,     /**< the host does not answer, or does not exist */
  DGRAM_ICMP_PROTOCOL_UNREACHABLE, /**< the host has no UDP */
  DGRAM_ICMP_PORT_UNREACHABLE,     /**< no socket is bound to the port */
  DGRAM_ICMP_PACKET_TOO_BIG,       /**< over the MTU of a link, and it may not be fragmented */
  DGRAM_ICMP_PROHIBITED,           /**< a filter, or the policy of a router */
  DGRAM_ICMP_TIME_EXCEEDED,        /**< the hop limit was reached, or fragments were missing */
  DGRAM_ICMP_PARAMETER_PROBLEM     /**< a header was invalid */
} dgram_icmp_kind_t;

/**
 * An ICMP error that a host or router has sent about a datagram of the socket; see
 * dgram_on_icmp(). Only the library creates it, and later versions may add members, so a program
 * must not depend on its size. Borrowed until the listener returns.
 */
typedef struct dgram_icmp {
  const struct sockaddr *sockaddr; /**< where the lost datagram was sent to */
  dgram_address_t peer;            /**< the same as text and number */
  dgram_address_t reporter;        /**< the host or router that sent the message, port 0; its
                                        `address` is "" if unknown */
  dgram_icmp_kind_t kind;          /**< what it reports */
  const char *family; /**< "IPv4": ICMP, also about an IPv4-mapped peer; "IPv6": ICMPv6;
                           static */
  int type;           /**< of the ICMP message, 0 to 255 (RFC 792, RFC 4443) */
  int code;           /**< ... its code, 0 to 255 */
  int mtu;            /**< with DGRAM_ICMP_PACKET_TOO_BIG: the MTU of the link that was
                           too narrow, in bytes, with the headers of IP and UDP; 0:
                           unknown */
  int error;          /**< the system's code for it: UV_ECONNREFUSED, UV_EMSGSIZE, … */
} dgram_icmp_t;

/**
 * A listener of 'message'.
 * @param socket  the socket that received
 * @param message the bytes, `rinfo->size` of them, at any alignment (use memcpy() to read
 *                numbers); borrowed until the listener returns
 * @param rinfo   the sender; borrowed until the listener returns
 * @param context as given with the listener
 */
typedef void (*dgram_message_cb)(dgram_socket_t *socket, const char *message,
                                 const dgram_rinfo_t *rinfo, void *context);
/**
 * A listener of 'messages': one call for a batch of messages that were received together. A
 * listener that closes the socket must ignore the rest of the batch itself.
 * @param socket   the socket that received
 * @param messages pointers to the messages, in the order of arrival; borrowed, as are the messages,
 *                 until the listener returns
 * @param count    their number, 1 to 1024
 * @param context  as given with the listener
 */
typedef void (*dgram_messages_cb)(dgram_socket_t *socket, const dgram_message_t *const messages[],
                                  size_t count, void *context);
/**
 * A listener of 'listening'.
 * @param socket  the socket, which is bound now
 * @param context as given with the listener
 */
typedef void (*dgram_listening_cb)(dgram_socket_t *socket, void *context);
/**
 * A listener of 'error'.
 * @param socket  the socket; it stays open
 * @param error   the failure; borrowed until the listener returns
 * @param context as given with the listener
 */
typedef void (*dgram_error_cb)(dgram_socket_t *socket, const dgram_error_t *error, void *context);
/**
 * A listener of 'connect', and the callback of dgram_connect().
 * @param socket  the socket
 * @param error   NULL when the socket is connected, as always for 'connect'; else the reason why it
 *                is not, borrowed until the callback returns
 * @param context as given with the listener or callback
 */
typedef void (*dgram_connect_cb)(dgram_socket_t *socket, const dgram_error_t *error, void *context);
/**
 * A listener of 'icmp'.
 * @param socket  the socket whose datagram was lost
 * @param icmp    what was reported; borrowed until the listener returns
 * @param context as given with the listener
 */
typedef void (*dgram_icmp_cb)(dgram_socket_t *socket, const dgram_icmp_t *icmp, void *context);
/**
 * A listener of 'close'.
 * @param socket  the socket; valid until the last callback after dgram_close() has returned
 * @param context as given with the listener
 */
typedef void (*dgram_close_cb)(dgram_socket_t *socket, void *context);
/**
 * A listener of 'drain'.
 * @param socket  the socket, whose send queue accepts sends again
 * @param context as given with the listener
 */
typedef void (*dgram_drain_cb)(dgram_socket_t *socket, void *context);
/**
 * Reports the end of a send.
 * @param socket  the socket that sent
 * @param error   NULL when the system accepted the datagram; else the reason why it was not sent,
 *                borrowed until the callback returns
 * @param bytes   the datagram's length; 0 with an error
 * @param context as given to the send
 */
typedef void (*dgram_send_cb)(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                              void *context);

/** A request to a program's own look-up; see ::dgram_lookup_cb. Owned by the library. */
typedef struct dgram_lookup dgram_lookup_t;

/**
 * A program's own look-up of names, in place of the system's. The library calls it for every
 * address that is given as text or omitted, including numeric ones ("0.0.0.0", "127.0.0.1"). The
 * program completes each request exactly once with dgram_lookup_done(): inside this call, or later
 * on the loop's thread, also after the socket was closed. If it completes the request of a bind
 * inside this call, the socket is bound, and 'listening' or 'error' emitted, inside dgram_bind(),
 * or the dgram_send…() or dgram_connect() that binds the socket. A pending request does not keep
 * the loop alive.
 * @param lookup  the request
 * @param host    the name or numeric address: 1 to 255 bytes, as they were given, and not checked
 *                to be UTF-8 or a host name; borrowed until this returns
 * @param type    the required family
 * @param context `lookup_context` of the options
 */
typedef void (*dgram_lookup_cb)(dgram_lookup_t *lookup, const char *host, dgram_type_t type,
                                void *context);

/** A deferred task; see ::dgram_defer_cb. Owned by the library. */
typedef struct dgram_task dgram_task_t;

/**
 * Defers a task in a queue of the program, for a program that runs such a queue between the
 * iterations of the loop, as a script engine does. The library calls it wherever a callback is due
 * that must not run inside the current call, or a bind or connect must happen after that call.
 *
 * The library calls it in the middle of another call, so it must only store the task and must not
 * call any function of this header. The program runs the tasks in the order of the calls; if it
 * runs them late or in another order, only the order of events changes. A task neither keeps the
 * loop alive nor stops it from waiting. The socket's memory is freed by the loop after the last of
 * its tasks has run, so the program must run the loop after that.
 * @param task    the task; the program passes it to dgram_task_run() exactly once, after this has
 *                returned, on the loop's thread, also after the socket was closed
 * @param context `defer_context` of the options
 * @return nonzero: the program will run the task; 0: the loop runs it, as without this function
 */
typedef int (*dgram_defer_cb)(dgram_task_t *task, void *context);

/** A host of a network in memory; see dgram_sim.h. */
typedef struct dgram_sim_host_s dgram_sim_host_t;

/** Closes any number of sockets in one call; the specification's AbortSignal and its controller. */
typedef struct dgram_abort_signal dgram_abort_signal_t;

/**
 * Options of the system socket by name, for dgram_set_sockopt(), dgram_get_sockopt() and the
 * options of creation. Each names its range, which is checked by the library, and the calls of
 * Linux that it stands for (ip(7), ipv6(7), socket(7)). On a udp6 socket those that concern IPv4
 * and IPv6 alike are set for both, since such a socket also sends to IPv4-mapped addresses.
 *
 * Those marked *before the bind* act on bind(2) only. Where the system lacks an option it is
 * UV_ENOTSUP, or the kernel's UV_ENOPROTOOPT; systems other than Linux have DGRAM_SO_BROADCAST,
 * DGRAM_SO_TTL, DGRAM_SO_MULTICAST_TTL, DGRAM_SO_MULTICAST_LOOPBACK and DGRAM_SO_TOS.
 */
typedef enum {
  DGRAM_SO_BROADCAST = 1,      /**< 0 or 1: as dgram_set_broadcast() (SO_BROADCAST) */
  DGRAM_SO_TTL,                /**< 1 to 255: as dgram_set_ttl() (IP_TTL, IPV6_UNICAST_HOPS) */
  DGRAM_SO_MULTICAST_TTL,      /**< 0 to 255: as dgram_set_multicast_ttl() */
  DGRAM_SO_MULTICAST_LOOPBACK, /**< 0 or 1: as dgram_set_multicast_loopback() */
  DGRAM_SO_MULTICAST_ALL,      /**< 1, the system's default: the socket receives groups that any
                                    socket of the host has joined; 0: only those that it has joined
                                    itself (IP_MULTICAST_ALL, IPV6_MULTICAST_ALL) */
  DGRAM_SO_TOS,                /**< 0 to 255: DSCP and ECN of sent datagrams, as the byte of the IP
                                    header: DSCP << 2 | ECN (IP_TOS, IPV6_TCLASS). On udp4 the kernel
                                    then also sets DGRAM_SO_PRIORITY, as ip(7) states */
  DGRAM_SO_PATH_MTU,           /**< a ::dgram_path_mtu_t: don't-fragment, and whether the kernel's
                                    knowledge of the path's MTU limits sends (IP_MTU_DISCOVER,
                                    IPV6_MTU_DISCOVER) */
  DGRAM_SO_PRIORITY,           /**< 0 to 2^31 - 1: which band of the device's queue takes the sent
                                    datagrams (SO_PRIORITY); over 6 needs CAP_NET_ADMIN */
  DGRAM_SO_MARK,               /**< 0 to 2^32 - 1: a mark of sent datagrams, for policy routing and
                                    packet filters (SO_MARK); needs CAP_NET_ADMIN or CAP_NET_RAW */
  DGRAM_SO_MAX_PACING_RATE,    /**< 1 to 2^63 - 1 bytes per second, with the headers: the kernel
                                    spaces sent datagrams (SO_MAX_PACING_RATE), if the device has
                                    the queueing discipline "fq"; else it has no effect. 2^63 - 1, the
                                    default: no limit */
  DGRAM_SO_BUSY_POLL,          /**< 0 to 2^31 - 1 microseconds that a receive call polls the device
                                    for (SO_BUSY_POLL); to raise it needs CAP_NET_ADMIN */
  DGRAM_SO_FREEBIND,           /**< 0 or 1, before the bind: 1: bind also to an address that no
                                    interface has, yet (IP_FREEBIND) */
  DGRAM_SO_TRANSPARENT,        /**< 0 or 1, before the bind: 1: bind to foreign addresses, and
                                    receive what TPROXY diverts (IP_TRANSPARENT); needs CAP_NET_ADMIN
                                    or CAP_NET_RAW */
  DGRAM_SO_BIND_ADDRESS_NO_PORT, /**< 0 or 1, before the bind: 1: a bind to port 0 takes no port,
                                    and dgram_address() returns port 0, until the first send or
                                    connect takes one (IP_BIND_ADDRESS_NO_PORT) */
  DGRAM_SO_LOCAL_PORT_RANGE,     /**< low | high << 16, before the bind: the ports that the system
                                    chooses from for port 0, within its own range; low and high are
                                    0 to 65535, 0 is the end of the system's range
                                    (IP_LOCAL_PORT_RANGE; Linux 6.3) */
  DGRAM_SO_TXTIME_CLOCK /**< the clock of `departure_ns` of ::dgram_send_options_t (SO_TXTIME;
                           Linux 4.19): CLOCK_MONOTONIC where the device has the queueing
                           discipline "fq"; CLOCK_TAI for "etf", which needs CAP_NET_ADMIN.
                           Without such a discipline departure times have no effect. Once
                           set it can be changed, but not unset */
} dgram_sockopt_t;

/** The values of DGRAM_SO_PATH_MTU; they are Linux's IP_PMTUDISC_…. */
typedef enum {
  DGRAM_PATH_MTU_OFF,    /**< no don't-fragment: this host and, on IPv4, routers may fragment */
  DGRAM_PATH_MTU_SYSTEM, /**< Linux's default: don't-fragment on what fits into the known MTU of the
                              path; what is larger is fragmented by this host */
  DGRAM_PATH_MTU_ON,     /**< don't-fragment; a send over the known MTU of the path is EMSGSIZE */
  DGRAM_PATH_MTU_PROBE   /**< don't-fragment; the known MTU is ignored, and only that of the
                              interface limits sends: for a program that probes the path itself */
} dgram_path_mtu_t;

/** An option of the system socket and its value. */
typedef struct dgram_sockopt_value {
  dgram_sockopt_t option; /**< which */
  int64_t value;          /**< in its range */
} dgram_sockopt_value_t;

/** Size of the name of an interface with its NUL: IFNAMSIZ. */
#define DGRAM_INTERFACE_NAME 16

/**
 * Options of a socket. Start from dgram_default_options(); later versions add members.
 *
 * The kernel silently clamps a buffer size to the system's maximum (Linux: net.core.rmem_max,
 * wmem_max). If the system refuses a size, the bind fails with DGRAM_ERR_SOCKET_BUFFER_SIZE.
 */
typedef struct dgram_options {
  size_t struct_size;     /**< set by dgram_default_options() */
  dgram_type_t type;      /**< required */
  int reuse_addr;         /**< nonzero: SO_REUSEADDR at bind, but not on an `fd`. For port 0 the
                               system chooses a port that no socket has. Default 0 */
  int ipv6_only;          /**< nonzero: IPV6_V6ONLY at bind. Default 0 (dual-stack) */
  int recv_buffer_size;   /**< SO_RCVBUF in bytes, set at bind; 0: the system's default */
  int send_buffer_size;   /**< SO_SNDBUF in bytes, set at bind; 0: the system's default */
  int disable_gso;        /**< nonzero: never use segmentation offload (UDP_SEGMENT). Default 0 */
  dgram_lookup_cb lookup; /**< looks up addresses; NULL: the system does. Default NULL */
  void *lookup_context;   /**< for `lookup` */
  dgram_abort_signal_t *signal; /**< closes the socket when aborted; borrowed until 'close', or
                               until dgram_abort_signal_free(). Default NULL */
  int reuse_port;        /**< nonzero: SO_REUSEPORT at bind: the system distributes datagrams over
                              all sockets bound to the port. For port 0 it chooses one that no
                              socket has. Without such an option in the system the bind fails with
                              ENOTSUP. Default 0 */
  dgram_defer_cb defer;  /**< defers tasks, for a program with a queue of its own; NULL: the loop
                              runs them. Default NULL */
  void *defer_context;   /**< for `defer`, which may be called until 'close' */
  int low_latency;       /**< nonzero: the loop never waits for more datagrams. By default, while
                              more than 100 arrive in a millisecond, and one by one, the loop sleeps
                              for about 20 to 100 us between its iterations, so that a wake-up
                              receives several; it does so also in uv_run() with UV_RUN_NOWAIT. One
                              socket with this option disables this for its whole loop. Default 0 */
  int receive_batch;     /**< receive buffers that one system call may fill, 1 to 64. Datagrams
                              that were received and not yet delivered are lost when the socket is
                              closed. So on a system socket that is shared (an adopted descriptor, a
                              cluster, a hand-over) it is 1 by default: each datagram is delivered
                              before the next is received. Default 0: 64, or 1 where shared */
  int receive_budget;    /**< datagrams delivered to the socket's listeners in one iteration of the
                              loop, at least 1; the rest is delivered in the next iterations, after
                              timers and other sockets. A budget over 32 also limits the time: about
                              400 us of the listeners' work. Default 0: 4096 */
  unsigned receive_info; /**< ::dgram_info_flag_t, combined: the facts about each datagram that
                             dgram_rinfo_info() returns. Default 0: none */
  int disable_gro;       /**< nonzero: receive offload (UDP_GRO) is not enabled, so that the kernel
                              queues and counts each datagram by itself. Default 0 */
  size_t sockopt_count;  /**< the number of `sockopts`. Default 0 */
  const dgram_sockopt_value_t *sockopts; /**< options of the system socket, set before its bind as
                             dgram_set_sockopt() does on an unbound socket; of several for one
                             option the last counts. Copied. Default NULL */
  const char *bind_device; /**< the name of the only interface that the socket sends and receives by
                             (SO_BINDTODEVICE), resolved at the bind; NULL or "": any. Copied.
                             Default NULL */
  int pause_without_listener; /**< nonzero: while neither 'message' nor 'messages' has a listener,
                             the socket does not receive, as after dgram_pause(). Default 0:
                             datagrams are then received and dropped */
  /**
   * A host of a network in memory that the socket is on, of the same loop; borrowed until the
   * socket has ended; see dgram_sim.h. Default NULL: the real network.
   */
  dgram_sim_host_t *sim_host;
} dgram_options_t;

/**
 * The options of a plain socket of one type: every other member has its default.
 * @param type the socket's family
 * @return the options, by value
 */
static inline dgram_options_t dgram_default_options(dgram_type_t type) {
  dgram_options_t options = {0,    DGRAM_UDP4, 0, 0, 0, 0, 0, NULL, NULL, NULL, 0,   NULL,
                             NULL, 0,          0, 0, 0, 0, 0, NULL, NULL, 0,    NULL};
  options.struct_size = sizeof options;
  options.type = type;
  return options;
}

/**
 * @name Life of a socket
 * @{
 */

/**
 * Creates a socket. It has no system socket, and does not keep the loop alive, until it is bound.
 *
 * @param loop       the loop that the socket belongs to; borrowed until its 'close' event
 * @param type       DGRAM_UDP4 or DGRAM_UDP6
 * @param on_message a first listener of 'message', or NULL
 * @param context    for `on_message`
 * @param[out] socket the new socket; set to NULL on error
 * @retval 0
 * @retval UV_EINVAL                `loop` or `socket` is NULL
 * @retval DGRAM_ERR_SOCKET_BAD_TYPE `type` is neither DGRAM_UDP4 nor DGRAM_UDP6
 * @retval UV_ENOMEM
 * @see spec: dgram.createSocket(type[, callback])
 */
DGRAM_EXTERN int dgram_create_socket(uv_loop_t *loop, dgram_type_t type,
                                     dgram_message_cb on_message, void *context,
                                     dgram_socket_t **socket);

/**
 * Creates a socket with options.
 *
 * @param loop       as in dgram_create_socket()
 * @param options    made by dgram_default_options() and changed; copied
 * @param on_message a first listener of 'message', or NULL
 * @param context    for `on_message`
 * @param[out] socket the new socket; set to NULL on error
 * @retval 0
 * @retval UV_EINVAL                `loop`, `options` or `socket` is NULL, `struct_size` was not
 *                                  set or is that of a newer header, a number is negative, or
 *                                  `receive_info` has a flag that this header has not; one of
 *                                  `sockopts` is no option or out of range, or NULL with a count;
 *                                  `bind_device` is over 15 bytes
 * @retval UV_ENOTSUP               the system lacks one of `sockopts`, or SO_BINDTODEVICE
 * @retval DGRAM_ERR_SOCKET_BAD_TYPE `type` is neither DGRAM_UDP4 nor DGRAM_UDP6
 * @retval UV_ENOMEM
 * @see spec: dgram.createSocket(options[, callback])
 */
DGRAM_EXTERN int dgram_create_socket_options(uv_loop_t *loop, const dgram_options_t *options,
                                             dgram_message_cb on_message, void *context,
                                             dgram_socket_t **socket);

/**
 * Listens for datagrams on a port and address. The socket is bound from the loop, after this call
 * has returned; then 'listening' is emitted and `callback` called. A failure (EADDRINUSE: the port
 * is in use; ENOTFOUND: no such host; EINVAL: an address of the other family;
 * ERR_SOCKET_BUFFER_SIZE: the system refuses a buffer size; ENOTSUP: the system lacks
 * what `reuse_port` or `receive_info` needs; `setsockopt EPERM SO_MARK`: it refuses an option) is
 * an 'error' event. The socket is then unbound and can be bound again; `callback` is dropped. A
 * bound socket keeps the loop alive; see dgram_unref(). In a worker of a cluster the primary binds,
 * and the port is shared: see dgram_cluster.h.
 *
 * @param socket   the socket
 * @param port     0 to 65535; 0: the system chooses one
 * @param address  a numeric address (IPv6 with zone: "fe80::1%eth0", "fe80::1%2"; a zone that names
 *                 no interface is ignored), or a host name in UTF-8, which is looked up (if the
 *                 library was built with libidn2, after mapping by UTS 46: capitals, decomposed and
 *                 full-width forms give the same name); NULL or "": all interfaces. Copied
 * @param callback called once, as a listener of 'listening'; or NULL
 * @param context  for `callback`
 * @retval 0
 * @retval UV_EINVAL                      `socket` is NULL, or `address` is over 255 bytes; or it is
 *                                        not UTF-8, and the system looks it up
 * @retval DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING the socket is closed
 * @retval DGRAM_ERR_SOCKET_ALREADY_BOUND bound already, or being bound
 * @retval DGRAM_ERR_SOCKET_BAD_PORT      `port` out of range
 * @retval UV_ENOMEM
 * @see spec: socket.bind([port][, address][, callback])
 */
DGRAM_EXTERN int dgram_bind(dgram_socket_t *socket, int port, const char *address,
                            dgram_listening_cb callback, void *context);

/** Options of dgram_bind_options(). Start from dgram_default_bind_options(). */
typedef struct dgram_bind_options_s {
  size_t struct_size;  /**< set by dgram_default_bind_options() */
  int port;            /**< as in dgram_bind(). Default 0 */
  const char *address; /**< as in dgram_bind(). Default NULL */
  int exclusive;       /**< nonzero: bind for this process alone. Default 0: in a worker of a
                            cluster (dgram_cluster.h) the port is shared with the other workers;
                            elsewhere it has no effect */
  int fd;              /**< greater than 0: a system socket to use; `port` and `address` are
                            ignored. In a worker, unless `exclusive` is set, it is a descriptor of
                            the primary, which must permit it (dgram_cluster_share_fd()).
                            Default 0 */
} dgram_bind_options_t;

/**
 * Options of a bind to a random port on all interfaces.
 * @return the options, by value
 */
static inline dgram_bind_options_t dgram_default_bind_options(void) {
  dgram_bind_options_t options = {0, 0, NULL, 0, 0};
  options.struct_size = sizeof options;
  return options;
}

/**
 * Listens for datagrams, according to options; without `fd` as dgram_bind().
 *
 * With `fd` the socket takes over a datagram socket of IPv4 or IPv6 that the program created: of
 * UDP, UDP-Lite, or ICMP (IPPROTO_ICMP, where the system permits it: messages then begin with the
 * ICMP header, and ports have no meaning). The library makes it non-blocking, and closes it with
 * the socket. It is taken over inside the call, and 'listening' is emitted inside the call. If the
 * descriptor is connected, so is the socket. SO_REUSEADDR and SO_REUSEPORT are not changed,
 * whatever the socket's options are: on a port that is bound already they would let other sockets
 * bind to it. (Node.js sets the former.) On error the program keeps the descriptor, possibly with
 * the buffer sizes, the `receive_info` and the options of the socket set. Options of
 * dgram_set_sockopt() and the `bind_device` are set on it, and so concern all who have it; those
 * that must be set before a bind are UV_EINVAL here, also in a worker of a cluster that shares its
 * port. UDP_GRO is not enabled, since other programs may read from the descriptor too; a program
 * may enable it itself, and merged datagrams are then split. In a worker of a cluster, without
 * `exclusive`, the worker requests the primary's own descriptor of this number, which the primary
 * keeps; a failure is then an 'error' event (`open EINVAL`; `open EACCES`: the primary has not
 * permitted it), and 'listening' is emitted from the loop.
 *
 * @param socket   the socket
 * @param options  made by dgram_default_bind_options() and changed; copied
 * @param callback called once, as a listener of 'listening'; or NULL
 * @param context  for `callback`
 * @retval 0
 * @retval UV_EINVAL           `socket` or `options` is NULL, `struct_size` was not set or is that
 *                             of a newer header, or `fd` is of the other family
 * @retval DGRAM_ERR_INVALID_FD_TYPE `fd` is not a datagram socket of IPv4 or IPv6
 * @retval DGRAM_ERR_SOCKET_BUFFER_SIZE with `fd`: the system refuses a buffer size of the options
 * @retval UV_ENOTSUP          with `fd`: the system lacks what `receive_info` needs
 * @retval UV_EEXIST           the loop already polls `fd`
 * @return otherwise as dgram_bind()
 * @see spec: socket.bind(options[, callback])
 */
DGRAM_EXTERN int dgram_bind_options(dgram_socket_t *socket, const dgram_bind_options_t *options,
                                    dgram_listening_cb callback, void *context);

/**
 * Binds inside the call: when it returns 0 the socket has its port, which dgram_address() returns.
 * 'listening' is emitted later, from the loop, unless the socket is closed first; messages are
 * delivered after it.
 *
 * @param socket  the socket
 * @param port    0 to 65535; 0: the system chooses one
 * @param address a numeric address; NULL or "": all interfaces. Copied
 * @retval 0
 * @retval UV_EINVAL                      `socket` is NULL; or `address` is not numeric, over 255
 *                                        bytes, or of the other family; or a udp4 socket has
 *                                        `ipv6_only`
 * @retval DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING the socket is closed
 * @retval DGRAM_ERR_SOCKET_ALREADY_BOUND bound already, or being bound
 * @retval DGRAM_ERR_SOCKET_BAD_PORT      `port` out of range
 * @retval DGRAM_ERR_SOCKET_BUFFER_SIZE   the system refuses a buffer size of the options
 * @retval UV_ENOTSUP                     the system has no SO_REUSEPORT, but `reuse_port` is set;
 *                                        or it lacks what `receive_info` needs
 * @return or the error of socket(2), bind(2), or setsockopt(2) for an option of the socket:
 *         UV_EADDRINUSE, UV_EADDRNOTAVAIL, UV_EACCES, …; the socket is then unbound
 */
DGRAM_EXTERN int dgram_bind_sync(dgram_socket_t *socket, int port, const char *address);

/**
 * Connects the socket to one remote endpoint: it sends only there, and receives only from there.
 * An unbound socket is first bound to a random port. The socket is connected from the loop, after
 * this call has returned; then 'connect' is emitted. A failure (also `getaddrinfo EINVAL`: the name
 * is not UTF-8) is passed to `callback`, or without one is an 'error' event; the socket is then not
 * connected. (A failure to bind is both.) If the remote host reports that the port is closed
 * (ICMP), an 'error' `recvmsg ECONNREFUSED` is emitted, and the socket stays connected.
 *
 * @param socket   the socket
 * @param port     the remote port, 1 to 65535
 * @param address  numeric address or host name, which is looked up; NULL or "": 127.0.0.1, or ::1
 *                 for udp6. Copied
 * @param callback called once: as a listener of 'connect', or with the error (ECANCELED: the socket
 *                 was closed first); or NULL
 * @param context  for `callback`
 * @retval 0
 * @retval UV_EINVAL                      `socket` is NULL, or `address` is over 255 bytes
 * @retval DGRAM_ERR_SOCKET_BAD_PORT      `port` out of range
 * @retval DGRAM_ERR_SOCKET_DGRAM_IS_CONNECTED connected already, or being connected
 * @retval DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING the socket is closed
 * @retval DGRAM_ERR_IP_BLOCKED           dgram_set_send_access() refuses the numeric or the default
 *                                        address; that of a host name is an error of `callback`
 * @retval UV_ENOMEM
 * @see spec: socket.connect(port[, address][, callback])
 */
DGRAM_EXTERN int dgram_connect(dgram_socket_t *socket, int port, const char *address,
                               dgram_connect_cb callback, void *context);

/**
 * Connects inside the call; an unbound socket is first bound, to a random port on all interfaces.
 * 'listening' and 'connect' are emitted later, from the loop, unless the socket is closed first;
 * 'connect' is not emitted either if the socket is disconnected first. Earlier sends leave before
 * the connect, even those that wait for 'listening'.
 *
 * @param socket  the socket
 * @param port    the remote port, 1 to 65535
 * @param address a numeric address; NULL or "": 127.0.0.1, or ::1 for udp6. Copied
 * @retval 0
 * @retval UV_EINVAL                      `socket` is NULL; or `address` is not numeric, over 255
 *                                        bytes, or of the other family
 * @retval DGRAM_ERR_SOCKET_BAD_PORT      `port` out of range
 * @retval DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING the socket is closed
 * @retval DGRAM_ERR_SOCKET_DGRAM_IS_CONNECTED connected already, or being connected
 * @retval DGRAM_ERR_SOCKET_ALREADY_BOUND being bound: connect from 'listening'
 * @retval DGRAM_ERR_IP_BLOCKED           dgram_set_send_access() refuses the address
 * @return or an error of dgram_bind_sync(); or one of connect(2), and then the socket stays bound
 */
DGRAM_EXTERN int dgram_connect_sync(dgram_socket_t *socket, int port, const char *address);

/**
 * Disconnects the socket, inside the call; earlier sends leave first. The system then also releases
 * a port that it chose itself: until the next send gets another, dgram_address() returns port 0,
 * and the socket cannot receive.
 *
 * @param socket the socket
 * @retval 0
 * @retval UV_EINVAL                          `socket` is NULL
 * @retval DGRAM_ERR_SOCKET_DGRAM_NOT_CONNECTED it is not connected, or closed
 * @return or the error of connect(2)
 * @see spec: socket.disconnect()
 */
DGRAM_EXTERN int dgram_disconnect(dgram_socket_t *socket);

/**
 * Closes the socket. After this call no 'message' is emitted, and every call that needs an open
 * socket returns DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING, unless its contract states otherwise. Queued
 * sends that the system accepts without waiting still leave. Then these run from the loop, in
 * order: the callbacks of sends that left, 'close', and with ECANCELED the callbacks of a pending
 * dgram_connect() and of sends that did not leave; without a callback the latter end silently.
 *
 * If sends or a dgram_connect() wait for the socket to be bound, the socket closes after
 * 'listening' (or the bind's 'error'), when the sends have left. Sends that still wait for a
 * look-up are then cancelled.
 *
 * @param socket   the socket; its memory is freed once the last of these callbacks has returned
 * @param callback added as a listener of 'close', or NULL
 * @param context  for `callback`
 * @retval 0
 * @retval UV_EINVAL                      `socket` is NULL
 * @retval DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING closed already
 * @retval UV_ENOMEM                      no memory for the listener; the socket stays open
 * @see spec: socket.close([callback])
 */
DGRAM_EXTERN int dgram_close(dgram_socket_t *socket, dgram_close_cb callback, void *context);

/**
 * Closes the socket if it is open, and runs its loop until the socket has closed and its memory is
 * freed. It must not be called inside a callback. With a `defer` it returns only if the program
 * runs the tasks from the loop.
 *
 * @param socket the socket, open, or closed and not yet freed; NULL: nothing happens
 * @see spec: socket[Symbol.asyncDispose]()
 */
DGRAM_EXTERN void dgram_dispose(dgram_socket_t *socket);

#if defined(__GNUC__)
static inline void dgram_dispose_at(dgram_socket_t **socket) {
  dgram_dispose(*socket);
}
/**
 * Disposes of a socket at the end of its variable's scope:
 * `DGRAM_SCOPED dgram_socket_t *socket = NULL;`
 * Set the variable to NULL if the program closes the socket itself.
 */
#define DGRAM_SCOPED __attribute__((cleanup(dgram_dispose_at)))
#endif

/**
 * Makes the bound socket keep the loop alive again; undoes dgram_unref(). Does nothing if it is so
 * already, if the socket is closed, or if it is NULL.
 *
 * @param socket the socket
 * @return the socket, so that calls can be chained
 * @see spec: socket.ref()
 */
DGRAM_EXTERN dgram_socket_t *dgram_ref(dgram_socket_t *socket);

/**
 * Lets the loop end although the socket is bound. Accepted sends still keep the loop alive until
 * they complete, unless they wait for a program's own look-up. Does nothing if it is so already, if
 * the socket is closed, or if it is NULL.
 *
 * @param socket the socket
 * @return the socket, so that calls can be chained
 * @see spec: socket.unref()
 */
DGRAM_EXTERN dgram_socket_t *dgram_unref(dgram_socket_t *socket);

/**
 * The loop that the socket belongs to.
 *
 * @param socket the socket
 * @return the loop; NULL when `socket` is NULL
 */
DGRAM_EXTERN uv_loop_t *dgram_loop(const dgram_socket_t *socket);

/**
 * The descriptor of the system socket, for options that this header has no function for. The
 * library owns it: a program must not close it, read from it or write to it. Sends that are ready
 * leave first, so that an option that the program then sets does not affect them; a program that
 * keeps the descriptor calls dgram_flush() before it sets an option.
 *
 * @param socket the socket
 * @return the descriptor, or UV_EINVAL (`socket` is NULL), UV_EBADF (not bound, or closed), or
 * UV_ENOTSUP (on a simulated network)
 */
DGRAM_EXTERN int dgram_fileno(dgram_socket_t *socket);

/**
 * Changes `receive_budget` of the options, from the next iteration of the loop on.
 *
 * @param socket the socket
 * @param budget datagrams per iteration, at least 1; 0: the default
 * @retval 0
 * @retval UV_EINVAL `socket` is NULL, or `budget` is negative
 * @retval DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING the socket is closed
 */
DGRAM_EXTERN int dgram_set_receive_budget(dgram_socket_t *socket, int budget);

/** The state of a socket's bind. */
typedef enum {
  DGRAM_UNBOUND, /**< also after a bind has failed, and when closed */
  DGRAM_BINDING, /**< until 'listening' or 'error' */
  DGRAM_BOUND    /**< has its port; so already in 'listening' */
} dgram_bind_state_t;

/** The state of a socket's connect. */
typedef enum {
  DGRAM_DISCONNECTED, /**< also after dgram_connect() has failed, and when closed */
  DGRAM_CONNECTING,   /**< until 'connect', or the error */
  DGRAM_CONNECTED     /**< has a peer, until dgram_disconnect(); so already in 'connect' */
} dgram_connect_state_t;

/**
 * The state of the socket's bind. A socket whose close waits for the bind is not closed yet.
 * @param socket the socket
 * @return the state; DGRAM_UNBOUND when `socket` is NULL
 */
DGRAM_EXTERN dgram_bind_state_t dgram_bind_state(const dgram_socket_t *socket);

/**
 * The state of the socket's connect; see dgram_bind_state().
 * @param socket the socket
 * @return the state; DGRAM_DISCONNECTED when `socket` is NULL
 */
DGRAM_EXTERN dgram_connect_state_t dgram_connect_state(const dgram_socket_t *socket);

/**
 * Runs a deferred task; see ::dgram_defer_cb. Callbacks run inside this call, which may itself be
 * made inside a callback, but not inside `defer`.
 * @param task the task; invalid after this call. NULL: nothing happens
 */
DGRAM_EXTERN void dgram_task_run(dgram_task_t *task);

/**
 * @}
 * @name Sending
 *
 * An unbound socket is first bound to a random port on all interfaces; sends made until
 * 'listening' leave after it, in order. If the bind fails, there is one 'error' event, and the
 * callbacks of the waiting sends get the same error.
 *
 * The sends of one iteration of the loop leave together, before the loop waits for events, in few
 * system calls; 1024 of one socket leave at once. Each accepted send completes
 * exactly once. Callbacks of one socket run in the order in which its sends became ready to leave:
 * the order of sending, except that sends to a host name wait for their look-up and later sends
 * overtake them.
 *
 * A send's callback runs before the 'message' of the reply to it. A send that is made inside a
 * send's callback leaves in the same iteration, and its own callback runs in the next (or before a
 * 'message' in between): a program that sends again in each callback starves neither timers nor
 * other sockets.
 *
 * The queue has no limit, unless dgram_set_send_queue_limit() sets one. A program that can send
 * faster than the system sets one, or checks dgram_get_send_queue_size() before it sends more. When
 * the system is out of buffers (ENOBUFS) the library retries for about 100 ms; then sends end with
 * ENOBUFS until one succeeds.
 * @{
 */

/**
 * Sends one buffer as one datagram.
 *
 * The callback reports that the system accepted the datagram, or an error (EMSGSIZE: over 65,507
 * bytes on IPv4, 65,527 on IPv6, or the path's limit; EINVAL: a numeric address of the other family
 * (from udp6, IPv4 is "::ffff:127.0.0.1"); ENOTFOUND and other look-up errors, EINVAL of a name
 * that is not UTF-8; EISCONN: the socket was connected meanwhile; ERR_IP_BLOCKED: an access list
 * refuses the address of a host name; ECANCELED: the socket was closed first; an error of the first
 * bind; EPERM, ENETUNREACH and others of send(2)). Without a callback an error is an 'error' event,
 * except ECANCELED, which is then not reported.
 *
 * @param socket   the socket
 * @param message  the bytes. With a callback: borrowed until it runs; without one: copied.
 *                 May be NULL when `size` is 0
 * @param size     the number of bytes; 0 sends an empty datagram
 * @param port     the destination's port, 1 to 65535; 0 on a connected socket
 * @param address  numeric address or host name, which is looked up; NULL or "": 127.0.0.1, or ::1
 *                 for udp6. Copied. NULL or "" on a connected socket
 * @param callback called once from the loop, or NULL
 * @param context  for `callback`
 * @retval 0                              accepted
 * @retval UV_EINVAL                      `socket` is NULL, `message` is NULL while `size` is not
 *                                        0, or `address` is over 255 bytes
 * @retval DGRAM_ERR_SOCKET_BAD_PORT      `port` out of range
 * @retval DGRAM_ERR_SOCKET_DGRAM_IS_CONNECTED the socket is connected, and a port or address given
 * @retval DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING the socket is closed
 * @retval UV_ENOBUFS                     the queue is at the limit of dgram_set_send_queue_limit()
 * @retval DGRAM_ERR_IP_BLOCKED           an access list refuses the numeric address, the default
 *                                        address, or the peer; see dgram_set_send_access()
 * @retval UV_ENOMEM
 * @see spec: socket.send(msg[, offset, length][, port][, address][, callback])
 */
DGRAM_EXTERN int dgram_send(dgram_socket_t *socket, const void *message, size_t size, int port,
                            const char *address, dgram_send_cb callback, void *context);

/**
 * Sends a list of buffers, one after the other, as one datagram. Otherwise as dgram_send().
 *
 * @param socket   the socket
 * @param buffers  the list, copied; the bytes as in dgram_send(). May be NULL when `count` is 0
 * @param count    the number of buffers, 0 to 1024; 0 sends an empty datagram
 * @param port     as in dgram_send()
 * @param address  as in dgram_send()
 * @param callback as in dgram_send()
 * @param context  for `callback`
 * @retval 0         accepted
 * @retval UV_EINVAL as in dgram_send(), or `count` is over 1024
 * @return otherwise as dgram_send()
 * @see spec: socket.send(msg[, offset, length][, port][, address][, callback]); msg an array
 */
DGRAM_EXTERN int dgram_send_buffers(dgram_socket_t *socket, const uv_buf_t buffers[], size_t count,
                                    int port, const char *address, dgram_send_cb callback,
                                    void *context);

/**
 * Sends a list of buffers as one datagram to an address in binary form. This is the fastest send,
 * since no text is parsed. Otherwise as dgram_send_buffers().
 *
 * @param socket   the socket
 * @param buffers  as in dgram_send_buffers()
 * @param count    as in dgram_send_buffers()
 * @param to       a `sockaddr_in` or `sockaddr_in6` of the socket's family; copied. NULL on a
 *                 connected socket
 * @param callback as in dgram_send()
 * @param context  for `callback`
 * @retval 0                         accepted
 * @retval UV_EINVAL                 as in dgram_send_buffers(), or `to` is of the other family
 * @retval DGRAM_ERR_SOCKET_BAD_PORT the port of `to` is 0, or `to` is NULL and the socket is not
 *                                   connected
 * @return otherwise as dgram_send()
 */
DGRAM_EXTERN int dgram_send_to(dgram_socket_t *socket, const uv_buf_t buffers[], size_t count,
                               const struct sockaddr *to, dgram_send_cb callback, void *context);

/**
 * What one datagram is sent with, besides its destination. Start from dgram_default_send_options();
 * later versions add members. What is not chosen is as the socket's own options say.
 *
 * Only Linux has `source` to `departure_ns`; elsewhere a send that chooses any of them returns
 * UV_ENOTSUP. Source: ip(7), ipv6(7), udp(7), RFC 3542.
 */
typedef struct dgram_send_options {
  size_t struct_size;            /**< set by dgram_default_send_options() */
  const struct sockaddr *source; /**< the source address (IP_PKTINFO, IPV6_PKTINFO), an address of
                           this host and of the socket's family; for a destination
                           "::ffff:a.b.c.d" it is IPv4-mapped, too. Its port is ignored: the source
                           port is the socket's. Copied. NULL or AF_UNSPEC: the system chooses.
                           Default NULL */
  unsigned interface_index; /**< the interface by which it leaves, as of if_nametoindex(3). Default
                           0: the system chooses; of a link-local `source` its scope */
  int ttl;           /**< the hop limit, 1 to 255, also of multicast. Default -1: the socket's */
  int tos;           /**< TOS or traffic class: DSCP << 2 | ECN, 0 to 255. Default -1: the socket's.
                          Linux takes IPv4's low two bits, ECN, like the others */
  int dont_fragment; /**< 1: it leaves unfragmented, and over the path's MTU, as far as that is
                          known, the send fails with EMSGSIZE; 0: routers and this host may fragment
                          it. Default -1: as the socket's path MTU discovery */
  size_t segment_size;   /**< 1 to 65507: the message leaves as datagrams of so many bytes, the last
                             of which may be shorter. Default 0: it is one datagram */
  uint64_t departure_ns; /**< when it leaves, on the clock of DGRAM_SO_TXTIME_CLOCK (SCM_TXTIME);
                           without that the send ends with EINVAL. Default 0: at once */
} dgram_send_options_t;

/**
 * Options with which nothing is chosen.
 * @return the options, by value
 */
static inline dgram_send_options_t dgram_default_send_options(void) {
  dgram_send_options_t options = {0, NULL, 0, -1, -1, -1, 0, 0};
  options.struct_size = sizeof options;
  return options;
}

/**
 * Sends a list of buffers to an address in binary form, with options. Otherwise as dgram_send_to().
 * Datagrams with equal options, sent one after the other to one address, leave together, as others
 * do; datagrams with and without options keep their order.
 *
 * With `segment_size` the message leaves as ceil(bytes / segment_size) datagrams, an empty message
 * as one empty datagram: by segmentation offload where the system has it, in messages of at most 64
 * segments and 65,507 bytes; elsewhere one by one. The bytes, and the number of datagrams, have no
 * limit. There is one callback, with all the bytes. If it has an error, some of the first datagrams
 * may have left: with ECANCELED (the socket was closed), or if the system refuses a later one.
 *
 * Further errors that the system reports, to the callback: EINVAL or ENETUNREACH (`source` is
 * no address of this host, or the interface cannot reach the destination), EINVAL (a departure time
 * without DGRAM_SO_TXTIME_CLOCK), ENODEV or ENXIO (no such interface), EADDRNOTAVAIL.
 *
 * On IPv4 `dont_fragment` is an option of the system socket for the length of the system call: a
 * process that shares the system socket, and sends at that moment, sends with it, too.
 *
 * @param socket   the socket
 * @param buffers  as in dgram_send_buffers()
 * @param count    as in dgram_send_buffers()
 * @param to       as in dgram_send_to()
 * @param options  made by dgram_default_send_options() and changed; copied. NULL: nothing is chosen
 * @param callback as in dgram_send()
 * @param context  for `callback`
 * @retval 0          accepted
 * @retval UV_EINVAL  as in dgram_send_to(); or `struct_size` was not set or is that of a newer
 *                    header, a member is out of range, or `source` is of another family than the
 *                    destination
 * @retval UV_ENOTSUP this system has no such options for one datagram
 * @return otherwise as dgram_send_to()
 */
DGRAM_EXTERN int dgram_send_with(dgram_socket_t *socket, const uv_buf_t buffers[], size_t count,
                                 const struct sockaddr *to, const dgram_send_options_t *options,
                                 dgram_send_cb callback, void *context);

/**
 * One datagram of a list, or with a segment size several; see dgram_send_many(). Since programs
 * make arrays of it, its size is the same in later versions: what is added is an option.
 */
typedef struct dgram_outgoing {
  const uv_buf_t *buffers;             /**< as in dgram_send_buffers() */
  size_t count;                        /**< of `buffers` */
  const struct sockaddr *to;           /**< as in dgram_send_to() */
  const dgram_send_options_t *options; /**< as in dgram_send_with(), or NULL */
  size_t sent; /**< set by dgram_try_send_many(): bytes that have left; otherwise ignored */
} dgram_outgoing_t;

/**
 * Reports the end of dgram_send_many().
 * @param socket  the socket that sent
 * @param error   NULL when the system accepted all; else the first error, borrowed until the
 *                callback returns
 * @param sent    how many of the list the system accepted: if some failed, not always the first
 * @param context as given to the call
 */
typedef void (*dgram_send_many_cb)(dgram_socket_t *socket, const dgram_error_t *error, size_t sent,
                                   void *context);

/**
 * Sends a list of datagrams by one call, with one callback. They are sent as by dgram_send_with(),
 * one after the other; those behind one that fails are sent, too. dgram_cancel_send() does not
 * apply to them; dgram_set_send_timeout() applies to each.
 *
 * @param socket   the socket
 * @param list     the datagrams; the list, the addresses and the options are copied, the bytes as
 *                 in dgram_send()
 * @param count    their number, at least 1
 * @param callback called once from the loop, when the last of them has completed; or NULL: each
 *                 error is an 'error' event
 * @param context  for `callback`
 * @retval 0         all are accepted
 * @retval UV_EINVAL as in dgram_send_with(), of any of them; or `list` is NULL, or `count` is 0
 * @retval UV_ENOBUFS the whole list would exceed the limit of the send queue; an empty queue
 *                    accepts any list
 * @return otherwise as dgram_send_with(): then none is accepted
 */
DGRAM_EXTERN int dgram_send_many(dgram_socket_t *socket, const dgram_outgoing_t list[],
                                 size_t count, dgram_send_many_cb callback, void *context);

/**
 * Sends one datagram now, or not at all: nothing is queued. Sends that were queued before leave
 * first; their callbacks run from the loop. An unbound socket is bound inside the call, to a random
 * port on all interfaces; 'listening' is emitted later, from the loop. A datagram that is refused
 * with UV_EAGAIN can be queued with dgram_send_to(); its callback then shows that the system
 * accepts datagrams again. dgram_set_send_queue_limit() does not apply.
 *
 * @param socket  the socket
 * @param message the bytes, not used after the call. May be NULL when `size` is 0
 * @param size    the number of bytes; 0 sends an empty datagram
 * @param to      as in dgram_send_to()
 * @retval 0         the datagram has left
 * @retval UV_EAGAIN the system's buffer is full, or sends that were queued before still wait, or
 *                   the socket is being bound
 * @retval UV_ENOBUFS the device's queue is full; it is not retried
 * @retval UV_EINVAL `socket` is NULL, `message` is NULL while `size` is not 0, or `to` is of the
 *                   other family
 * @retval DGRAM_ERR_SOCKET_BAD_PORT the port of `to` is 0, or `to` is NULL and the socket is not
 *                                   connected
 * @retval DGRAM_ERR_SOCKET_DGRAM_IS_CONNECTED the socket is connected, and `to` is given
 * @retval DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING the socket is closed
 * @retval DGRAM_ERR_IP_BLOCKED dgram_set_send_access() refuses the address or the peer
 * @retval UV_ENOMEM
 * @return or the error of sendmsg(2), of this datagram: UV_EMSGSIZE, UV_EPERM, UV_ENETUNREACH, ...;
 *         or an error of the bind, as of dgram_bind_sync()
 */
DGRAM_EXTERN int dgram_try_send(dgram_socket_t *socket, const void *message, size_t size,
                                const struct sockaddr *to);

/**
 * Sends a list of buffers with options now, or not at all. Otherwise as dgram_try_send(). With
 * `segment_size`, a message of over 64 segments or 65,507 bytes, or without segmentation offload
 * any, may leave in part; then the result is the error that stopped it, and `sent` is not 0.
 *
 * @param socket    the socket
 * @param buffers   as in dgram_send_buffers(), but not used after the call
 * @param count     as in dgram_send_buffers()
 * @param to        as in dgram_send_to()
 * @param options   as in dgram_send_with(), or NULL
 * @param[out] sent the bytes that have left, whole segments; or NULL
 * @retval 0         all of it has left
 * @retval UV_EINVAL as in dgram_send_with()
 * @return otherwise as dgram_try_send()
 */
DGRAM_EXTERN int dgram_try_send_with(dgram_socket_t *socket, const uv_buf_t buffers[], size_t count,
                                     const struct sockaddr *to, const dgram_send_options_t *options,
                                     size_t *sent);

/**
 * Sends the first of a list of datagrams now, as many as the system accepts, in few system calls.
 * Otherwise as dgram_try_send_with().
 *
 * @param socket       the socket
 * @param[in,out] list the datagrams, not used after the call; `sent` of each is set to the bytes of
 *                     it that have left, unless the arguments are refused
 * @param count        their number, 1 to 1024
 * @retval UV_EINVAL as in dgram_send_with(), of any of them; or `list` is NULL, or `count` is
 *                   out of range
 * @return how many have left, at least 1; or the error of the first, as dgram_try_send(). The error
 *         of one behind it is lost: call again with the rest
 */
DGRAM_EXTERN int dgram_try_send_many(dgram_socket_t *socket, dgram_outgoing_t list[], size_t count);

/**
 * The return path to the sender of a datagram: what an answer needs. A program may copy it by
 * value, keep it as long as it likes, change it, or make its own from zeros. Its size is the same
 * in later versions.
 */
typedef struct dgram_path {
  struct sockaddr_storage peer;  /**< the sender, to whom the answer goes */
  struct sockaddr_storage local; /**< the own address that the datagram came to, from which the
                                     answer goes; its port is ignored. AF_UNSPEC: the system
                                    chooses, as for a datagram to a group of IPv6 */
  unsigned interface_index;      /**< the interface by which the datagram came, and by which the
                                     answer leaves; 0: the routing table decides, as for a peer of
                                     127.0.0.0/8. A program sets it to 0 where answers must follow
                                     the routing table: on IPv4 a peer to whom no route leads by
                                     that interface is taken for a neighbour there, and does not get
                                     the answer; as does one of this host with another address */
  uint32_t reserved[7];          /**< 0 */
} dgram_path_t;

/**
 * Fills in the return path to the sender of a datagram, for dgram_send_path(), now or later.
 * Without DGRAM_INFO_DESTINATION in `receive_info` it has the peer only.
 *
 * @param rinfo     as given to the listener of 'message', or in a message of 'messages'
 * @param[out] path receives the path
 * @retval 0
 * @retval UV_EINVAL an argument is NULL
 */
DGRAM_EXTERN int dgram_rinfo_path(const dgram_rinfo_t *rinfo, dgram_path_t *path);

/**
 * Sends a list of buffers as one datagram by a return path: to its peer, from its local address, by
 * its interface. A connected socket sends to its peer, which must be that of the path. Otherwise as
 * dgram_send_with() with `source` and `interface_index`.
 *
 * To answer with further options (TTL, ECN, segments), or with dgram_send_many() or
 * dgram_try_send_with(), a program passes the members of the path to these: `peer` as `to`, `local`
 * as `source`, and `interface_index`.
 *
 * @code
 * dgram_send_options_t options = dgram_default_send_options();
 * options.source = (const struct sockaddr *)&path.local;
 * options.interface_index = path.interface_index;
 * options.tos = 2; // ECT(0)
 * dgram_send_with(socket, buffers, count, (const struct sockaddr *)&path.peer, &options, NULL,
 * NULL);
 * @endcode
 *
 * @param socket   the socket
 * @param path     the path; copied
 * @param buffers  as in dgram_send_buffers()
 * @param count    as in dgram_send_buffers()
 * @param callback as in dgram_send(); ENETUNREACH, EINVAL or ENODEV also if `local` is no address
 *                 of this host any more, or the interface is gone
 * @param context  for `callback`
 * @retval 0          accepted
 * @retval UV_EINVAL  as in dgram_send_with(), or `path` is NULL; or it has neither local address
 *                    nor interface, and the socket is not bound to one address, so that the answer
 *                    might leave from another address than the peer has sent to
 * @retval UV_ENOTSUP this system has no such choice for one datagram
 * @retval DGRAM_ERR_SOCKET_DGRAM_IS_CONNECTED the socket is connected to another peer
 * @return otherwise as dgram_send_to()
 */
DGRAM_EXTERN int dgram_send_path(dgram_socket_t *socket, const dgram_path_t *path,
                                 const uv_buf_t buffers[], size_t count, dgram_send_cb callback,
                                 void *context);

/**
 * Answers a datagram: sends to its sender, from the address and by the interface that it came to; a
 * datagram to a group or a broadcast is answered from an own address of that interface. The socket
 * needs DGRAM_INFO_DESTINATION in its `receive_info`, or to be bound to one address. It is
 * dgram_rinfo_path() and dgram_send_path() in one call.
 *
 * @param socket   the socket
 * @param rinfo    as given to the listener of 'message', or in a message of 'messages'
 * @param buffers  as in dgram_send_buffers()
 * @param count    as in dgram_send_buffers()
 * @param callback as in dgram_send_path()
 * @param context  for `callback`
 * @retval 0         accepted
 * @retval UV_EINVAL as in dgram_send_path(), or `rinfo` is NULL
 * @return otherwise as dgram_send_path()
 */
DGRAM_EXTERN int dgram_reply(dgram_socket_t *socket, const dgram_rinfo_t *rinfo,
                             const uv_buf_t buffers[], size_t count, dgram_send_cb callback,
                             void *context);

/**
 * Passes queued sends to the system now, not at the end of the loop's iteration, and runs the
 * callbacks of the completed sends inside this call, and 'error' for those that have failed and
 * have none; inside such a callback, however, they run later, after those that are already due.
 * Sends that the system does not accept yet (EAGAIN, ENOBUFS), or that wait for the bind or a
 * look-up, stay queued; sends that wait for 'listening' on a socket that is bound leave. It is for
 * a program that is about to compute for a long time, or that prefers each datagram to leave at
 * once over batches.
 *
 * @param socket the socket; also one that is closed and whose last callbacks have not run. NULL:
 *               nothing happens
 */
DGRAM_EXTERN void dgram_flush(dgram_socket_t *socket);

/**
 * The bytes of the accepted sends that have not completed: those that wait for the socket to be
 * bound, for a look-up, for the end of the loop's iteration, for space in the system's buffer, or
 * for their callback to run.
 *
 * @param socket the socket
 * @return bytes; 0 when `socket` is NULL
 * @see spec: socket.getSendQueueSize()
 */
DGRAM_EXTERN size_t dgram_get_send_queue_size(const dgram_socket_t *socket);

/**
 * The number of the accepted sends that have not completed; see dgram_get_send_queue_size().
 *
 * @param socket the socket
 * @return datagrams; 0 when `socket` is NULL
 * @see spec: socket.getSendQueueCount()
 */
DGRAM_EXTERN size_t dgram_get_send_queue_count(const dgram_socket_t *socket);

/**
 * @}
 * @name Flow control
 *
 * Receiving can be paused, the send queue can be bounded, a send can be cancelled, and sends and
 * look-ups can be limited in time. Nothing of this is on by default.
 * @{
 */

/**
 * Stops receiving, until dgram_resume(). What arrives stays in the system's receive buffer, until
 * that is full; the kernel then drops what arrives. Nothing that the library has received is lost:
 * a pause inside a listener of 'message' takes effect before the next 'message', and the rest
 * comes after dgram_resume(), in order. A batch that was given to listeners of 'messages' counts as
 * delivered, and the 'message' of each of its datagrams still follows; dgram_pause_at() delivers
 * a part of it. If there is no memory to keep what has been received, it is delivered although the
 * socket is paused.
 *
 * A paused socket that is bound keeps the loop alive as before, and still reports ICMP errors. It
 * may be paused before it is bound. What it has received and not delivered is lost when it is
 * closed: at most one receive call's datagrams, and none on a shared system socket (see
 * `receive_batch`) unless the kernel has joined several to one, or dgram_pause_at() has left some;
 * a program that hands the socket over resumes it first. Does nothing if it is paused already.
 *
 * @param socket the socket
 * @retval 0
 * @retval UV_EINVAL `socket` is NULL
 * @retval DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING the socket is closed
 */
DGRAM_EXTERN int dgram_pause(dgram_socket_t *socket);

/**
 * Inside a listener of 'messages': pauses as dgram_pause() does, and only the first messages of the
 * batch count as delivered. The others are delivered again after dgram_resume(), in another batch,
 * to all listeners of 'messages'; of the first ones a 'message' follows for each, as always. After
 * several calls in one batch the least `delivered` counts. Without memory to keep the others they
 * are delivered again at once, though the socket is paused, until a listener takes none: then they
 * are lost, and 'error' is emitted with ENOMEM.
 *
 * @param socket    the socket
 * @param delivered messages of the batch, from the first on, that count as delivered: 0 to the
 *                  `count` that the listener was called with
 * @retval 0
 * @retval UV_EINVAL `socket` is NULL, `delivered` is over the batch's count, or no listener of
 *                   'messages' is being called
 * @retval DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING the socket is closed
 */
DGRAM_EXTERN int dgram_pause_at(dgram_socket_t *socket, size_t delivered);

/**
 * Receives again after dgram_pause(): first what the library has kept, from the next iteration of
 * the loop on, then what the system has. Does nothing if the socket is not paused. With
 * `pause_without_listener` a socket without listeners still does not receive.
 *
 * @param socket the socket
 * @retval 0
 * @retval UV_EINVAL `socket` is NULL
 * @retval DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING the socket is closed
 */
DGRAM_EXTERN int dgram_resume(dgram_socket_t *socket);

/**
 * Whether the socket is paused by dgram_pause() or dgram_pause_at(). (Not: for want of listeners.)
 *
 * @param socket the socket
 * @return 1 or 0; 0 also when the socket is closed, or NULL
 */
DGRAM_EXTERN int dgram_is_paused(const dgram_socket_t *socket);

/**
 * Limits the send queue. A send that would bring dgram_get_send_queue_size() over `bytes` or
 * dgram_get_send_queue_count() over `count` is refused: the call returns UV_ENOBUFS and changes
 * nothing. So all is counted that was accepted and has not completed: also what waits for the bind
 * or a look-up, and what has left and whose callback has not run. An empty queue accepts any
 * datagram, even one that is larger than `bytes`, so that each can be sent. Datagrams of
 * dgram_post_send() count, but are not refused here: their sender has a limit of its own.
 *
 * After a refusal 'drain' is emitted once, from the loop, when bytes and count are at or below
 * their low marks and the datagram that was refused last would be accepted. What is queued already
 * when a limit is set stays.
 *
 * @param socket    the socket
 * @param bytes     the most bytes; 0: no limit, the default
 * @param count     the most datagrams; 0: no limit, the default
 * @param low_bytes the low mark of bytes, up to `bytes`; 0: half of `bytes`
 * @param low_count the low mark of datagrams, up to `count`; 0: half of `count`
 * @retval 0
 * @retval UV_EINVAL `socket` is NULL, or a low mark is over its limit
 * @retval DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING the socket is closed
 * @retval UV_ENOMEM
 */
DGRAM_EXTERN int dgram_set_send_queue_limit(dgram_socket_t *socket, size_t bytes, size_t count,
                                            size_t low_bytes, size_t low_count);

/**
 * Cancels one send that has not left: its callback runs from the loop with ECANCELED, in order with
 * those of the other sends that are ready to leave. It works while the send waits for the bind, for
 * its look-up (which is given up), for the end of the loop's iteration, or for space in the
 * system's buffer. One that waits for the bind or a look-up ends at once, before earlier ones that
 * still do.
 *
 * Of several sends with this callback and context one is cancelled: the first that waits to leave,
 * else the first that waits for its look-up, else the first that waits for the bind. The sends of
 * dgram_send_many() and dgram_post_send() cannot be cancelled.
 *
 * @param socket   the socket
 * @param callback the callback of the send
 * @param context  the context of the send
 * @retval 0         it will end with ECANCELED
 * @retval UV_EINVAL `socket` or `callback` is NULL
 * @retval UV_EBUSY  it has left, or has failed, and its callback is still to come
 * @retval UV_ENOENT no send that has not completed has this callback and context
 * @retval DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING the socket is closed
 */
DGRAM_EXTERN int dgram_cancel_send(dgram_socket_t *socket, dgram_send_cb callback, void *context);

/**
 * Limits the time of sends: one that has not left so long after it was accepted ends with ETIMEDOUT
 * ("send ETIMEDOUT 127.0.0.1:41234"), as one that has failed otherwise. Before that it is tried
 * once more. The time is the loop's (uv_now()), and ends up to a sixteenth later, so that one timer
 * is enough for many sends. It does not keep the loop alive.
 *
 * A change applies to the sends in the queue, too: their time begins anew.
 *
 * @param socket the socket
 * @param ms     milliseconds, 0 to 2^31 - 1; 0: no limit, the default
 * @retval 0
 * @retval UV_EINVAL `socket` is NULL, or `ms` is negative
 * @retval DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING the socket is closed
 * @retval UV_ENOMEM
 */
DGRAM_EXTERN int dgram_set_send_timeout(dgram_socket_t *socket, int ms);

/**
 * Limits the time of look-ups: a bind, connect or send whose host name is not known after so long
 * fails with ETIMEDOUT ("getaddrinfo ETIMEDOUT example.org"), as after a look-up that has failed.
 * With a program's own look-up, dgram_lookup_done() is still due for it, and then does nothing. The
 * system's look-up cannot be stopped: until it returns it occupies a thread of libuv, and keeps the
 * loop alive. The time is the loop's (uv_now()), and does not keep the loop alive by itself.
 *
 * A change applies to look-ups under way, too: their time begins anew.
 *
 * @param socket the socket
 * @param ms     milliseconds, 0 to 2^31 - 1; 0: no limit, the default
 * @retval 0
 * @retval UV_EINVAL `socket` is NULL, or `ms` is negative
 * @retval DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING the socket is closed
 * @retval UV_ENOMEM
 */
DGRAM_EXTERN int dgram_set_lookup_timeout(dgram_socket_t *socket, int ms);

/**
 * @}
 * @name Addresses
 * @{
 */

/**
 * The address that the socket is bound to.
 *
 * @param socket       the socket
 * @param[out] address receives the address; unchanged on error
 * @retval 0
 * @retval UV_EINVAL                      an argument is NULL
 * @retval UV_EBADF                       the socket is not bound
 * @retval DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING the socket is closed; but in a 'listening' that the
 *                                        close waits for the call still succeeds
 * @return or the error of getsockname(2)
 * @see spec: socket.address()
 */
DGRAM_EXTERN int dgram_address(const dgram_socket_t *socket, dgram_address_t *address);

/**
 * The address that the socket is connected to.
 *
 * @param socket       the socket
 * @param[out] address receives the address; unchanged on error
 * @retval 0
 * @retval UV_EINVAL                          an argument is NULL
 * @retval DGRAM_ERR_SOCKET_DGRAM_NOT_CONNECTED the socket is not connected
 * @retval DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING the socket is closed
 * @return or the error of getpeername(2)
 * @see spec: socket.remoteAddress()
 */
DGRAM_EXTERN int dgram_remote_address(const dgram_socket_t *socket, dgram_address_t *address);

/**
 * Completes a request to a program's own look-up; see ::dgram_lookup_cb. If it is that of a bind,
 * the socket is bound, and 'listening' or 'error' emitted, inside this call (in a worker of a
 * cluster that shares the port: from the loop); then `lookup` is called for what waited for the
 * bind. A connect or send goes on from the loop.
 *
 * @param lookup  the request; invalid after this call. NULL: nothing happens
 * @param status  0, or the negative code of the failure, with which the bind, connect or send fails
 * @param address with status 0: a numeric address. With any other text, or an address of the other
 *                family, the bind, connect or send fails with EINVAL. Copied
 */
DGRAM_EXTERN void dgram_lookup_done(dgram_lookup_t *lookup, int status, const char *address);

/**
 * Completes the request of a bind with a system socket that is bound already; the socket takes it
 * over, as dgram_bind_options() does with `fd`. If a dgram_connect() waits for the bind, the
 * descriptor is first disconnected. 'listening' or 'error' is emitted inside this call. On error
 * the program keeps the descriptor.
 *
 * @param lookup the request; invalid after this call. NULL: nothing happens
 * @param fd     the descriptor
 * @retval 0            the socket has taken the descriptor over
 * @retval UV_EINVAL    `lookup` is NULL, or of a connect or send, which fails with this error; or
 *                      `fd` is of the other family
 * @retval UV_ECANCELED the socket was closed meanwhile, or the time of dgram_set_lookup_timeout()
 * is over; nothing else happens
 * @retval DGRAM_ERR_INVALID_FD_TYPE `fd` is not a datagram socket of IPv4 or IPv6
 * @return otherwise as dgram_bind_options() with `fd`
 */
DGRAM_EXTERN int dgram_lookup_done_fd(dgram_lookup_t *lookup, int fd);

/**
 * The sender's address as text, formatted at the first call: "127.0.0.1", "fe80::1%eth0".
 *
 * @param rinfo as given to the listener of 'message'
 * @return the text, borrowed until the listener returns; NULL when `rinfo` is NULL
 * @see spec: Event: 'message'; rinfo.address
 */
DGRAM_EXTERN const char *dgram_rinfo_address(const dgram_rinfo_t *rinfo);

/**
 * Facts about a datagram beyond its sender and size: those of `receive_info` that are known.
 *
 * A fact may be unknown although `receive_info` has its flag: of a datagram that reached the system
 * socket before the library took that over (an adopted descriptor), or of a device without
 * timestamps. On a system socket that others hold, too, they may switch the options off.
 *
 * @param rinfo as given to the listener of 'message', or in a message of 'messages'
 * @return the facts, borrowed until the listener returns; NULL when the socket has no
 *         `receive_info`, or `rinfo` is NULL
 */
DGRAM_EXTERN const dgram_info_t *dgram_rinfo_info(const dgram_rinfo_t *rinfo);

/**
 * The name of the interface by which a datagram came: "eth0". Each call makes a system
 * call, since an interface may be renamed, and its index used again.
 *
 * @param info as returned by dgram_rinfo_info()
 * @return the text, borrowed until the listener returns or this is called again; NULL when `info`
 *         is NULL or without DGRAM_INFO_INTERFACE, or the interface is gone
 */
DGRAM_EXTERN const char *dgram_info_interface_name(const dgram_info_t *info);

/**
 * An address as text and number: for `destination` and `local` of ::dgram_info_t, and any other.
 *
 * @param sockaddr       a `sockaddr_in` or `sockaddr_in6`, at any alignment
 * @param[out] address   receives the text, family and port; unchanged on error
 * @retval 0
 * @retval UV_EINVAL an argument is NULL, or the address is of another family
 */
DGRAM_EXTERN int dgram_sockaddr_describe(const struct sockaddr *sockaddr, dgram_address_t *address);

/**
 * @}
 * @name Events
 *
 * Each event has any number of listeners, called in the order in which they were added.
 * `dgram_on_…` adds one; `dgram_once_…` adds one that is removed before its first call;
 * `dgram_off_…` removes the most recently added one with this function and context. A listener
 * that is added while its event is emitted is first called at the next one; a removed one is not
 * called again.
 *
 * Each returns 0, or UV_EINVAL (socket or listener is NULL), UV_ENOMEM (`on`, `once`),
 * UV_ENOENT (`off`: there is no such listener), or DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING (after
 * dgram_close(); listeners of 'close' and 'error' can still be added and removed).
 * @{
 */

/**
 * Adds a listener of 'message': a datagram was received.
 * @param socket   the socket
 * @param listener called at each event (`on`), at the next one (`once`), or never again (`off`)
 * @param context  for `listener`
 * @return see above
 * @see spec: Event: 'message'
 */
DGRAM_EXTERN int dgram_on_message(dgram_socket_t *socket, dgram_message_cb listener, void *context);
/** Adds a listener of the next 'message' only. @copydetails dgram_on_message() */
DGRAM_EXTERN int dgram_once_message(dgram_socket_t *socket, dgram_message_cb listener,
                                    void *context);
/** Removes a listener of 'message'. @copydetails dgram_on_message() */
DGRAM_EXTERN int dgram_off_message(dgram_socket_t *socket, dgram_message_cb listener,
                                   void *context);

/**
 * Adds a listener of 'messages': a batch of datagrams was received. It is emitted before the
 * 'message' of each, and costs less when many datagrams arrive at once.
 * @param socket   the socket
 * @param listener called at each event (`on`), at the next one (`once`), or never again (`off`)
 * @param context  for `listener`
 * @return see above
 */
DGRAM_EXTERN int dgram_on_messages(dgram_socket_t *socket, dgram_messages_cb listener,
                                   void *context);
/** Adds a listener of the next 'messages' only. @copydetails dgram_on_messages() */
DGRAM_EXTERN int dgram_once_messages(dgram_socket_t *socket, dgram_messages_cb listener,
                                     void *context);
/** Removes a listener of 'messages'. @copydetails dgram_on_messages() */
DGRAM_EXTERN int dgram_off_messages(dgram_socket_t *socket, dgram_messages_cb listener,
                                    void *context);

/**
 * Adds a listener of 'listening': the socket is bound.
 * @param socket   the socket
 * @param listener called at each event (`on`), at the next one (`once`), or never again (`off`)
 * @param context  for `listener`
 * @return see above
 * @see spec: Event: 'listening'
 */
DGRAM_EXTERN int dgram_on_listening(dgram_socket_t *socket, dgram_listening_cb listener,
                                    void *context);
/** Adds a listener of the next 'listening' only. @copydetails dgram_on_listening() */
DGRAM_EXTERN int dgram_once_listening(dgram_socket_t *socket, dgram_listening_cb listener,
                                      void *context);
/** Removes a listener of 'listening'. @copydetails dgram_on_listening() */
DGRAM_EXTERN int dgram_off_listening(dgram_socket_t *socket, dgram_listening_cb listener,
                                     void *context);

/**
 * Adds a listener of 'error': binding, receiving, or a send without callback failed. The socket
 * stays open. An 'error' without any listener goes to the handler of dgram_on_unhandled_error().
 * @param socket   the socket
 * @param listener called at each event (`on`), at the next one (`once`), or never again (`off`)
 * @param context  for `listener`
 * @return see above
 * @see spec: Event: 'error'
 */
DGRAM_EXTERN int dgram_on_error(dgram_socket_t *socket, dgram_error_cb listener, void *context);
/** Adds a listener of the next 'error' only. @copydetails dgram_on_error() */
DGRAM_EXTERN int dgram_once_error(dgram_socket_t *socket, dgram_error_cb listener, void *context);
/** Removes a listener of 'error'. @copydetails dgram_on_error() */
DGRAM_EXTERN int dgram_off_error(dgram_socket_t *socket, dgram_error_cb listener, void *context);

/**
 * Adds a listener of 'connect': the socket is connected.
 * @param socket   the socket
 * @param listener called at each event (`on`), at the next one (`once`), or never again (`off`)
 * @param context  for `listener`
 * @return see above
 * @see spec: Event: 'connect'
 */
DGRAM_EXTERN int dgram_on_connect(dgram_socket_t *socket, dgram_connect_cb listener, void *context);
/** Adds a listener of the next 'connect' only. @copydetails dgram_on_connect() */
DGRAM_EXTERN int dgram_once_connect(dgram_socket_t *socket, dgram_connect_cb listener,
                                    void *context);
/** Removes a listener of 'connect'. @copydetails dgram_on_connect() */
DGRAM_EXTERN int dgram_off_connect(dgram_socket_t *socket, dgram_connect_cb listener,
                                   void *context);

/**
 * Adds a listener of 'icmp': a host or router has reported by ICMP that a datagram of the socket
 * was lost; also of a socket that is not connected. It is information about one destination:
 * nothing fails, and nothing is closed.
 *
 * The first listener enables these reports on the system socket (IP_RECVERR, on udp6 also
 * IPV6_RECVERR; ip(7)): at once if it is bound, else when it is bound. Without listeners they are
 * disabled, and what has been reported and not been emitted is dropped. While there are listeners
 * ICMP errors are emitted by 'icmp' only, not by 'error', also on a connected socket; and a send
 * that meets the report of an earlier datagram is made again. Only if the reports come faster than
 * the socket can send, for 100 ms, does the send end with such an error.
 *
 * An iteration of the loop emits 32 at most, the rest follow in the next. The system keeps reports
 * in the socket's receive buffer (SO_RCVBUF) and drops those that do not fit; hosts and routers
 * limit how many they send. Anybody who can guess a socket's ports can forge a report: a program
 * must not trust them more than the network.
 *
 * On a system socket that others have too (an adopted descriptor, a cluster, a hand-over) each
 * report goes to one of them, and the setting is everybody's: it stays set after the last listener,
 * since another may have some. A socket of such a system socket that has no listeners, and is not
 * connected, counts the ICMP errors that it gets (dgram_get_stats()), and emits nothing: they are
 * no 'error', whichever holder has enabled them.
 * @param socket   the socket
 * @param listener called at each event (`on`), at the next one (`once`), or never again (`off`)
 * @param context  for `listener`
 * @retval UV_ENOTSUP (`on`, `once`) only Linux has it; or the socket is a simulated one
 * @return otherwise see above; or the error of setsockopt(2), and then the listener is not added
 */
DGRAM_EXTERN int dgram_on_icmp(dgram_socket_t *socket, dgram_icmp_cb listener, void *context);
/** Adds a listener of the next 'icmp' only. @copydetails dgram_on_icmp() */
DGRAM_EXTERN int dgram_once_icmp(dgram_socket_t *socket, dgram_icmp_cb listener, void *context);
/** Removes a listener of 'icmp'. @copydetails dgram_on_icmp() */
DGRAM_EXTERN int dgram_off_icmp(dgram_socket_t *socket, dgram_icmp_cb listener, void *context);

/**
 * Adds a listener of 'drain': the send queue accepts sends again after one was refused; see
 * dgram_set_send_queue_limit().
 * @param socket   the socket
 * @param listener called at each event (`on`), at the next one (`once`), or never again (`off`)
 * @param context  for `listener`
 * @return see above
 */
DGRAM_EXTERN int dgram_on_drain(dgram_socket_t *socket, dgram_drain_cb listener, void *context);
/** Adds a listener of the next 'drain' only. @copydetails dgram_on_drain() */
DGRAM_EXTERN int dgram_once_drain(dgram_socket_t *socket, dgram_drain_cb listener, void *context);
/** Removes a listener of 'drain'. @copydetails dgram_on_drain() */
DGRAM_EXTERN int dgram_off_drain(dgram_socket_t *socket, dgram_drain_cb listener, void *context);

/**
 * Adds a listener of 'close': the socket is closed.
 * @param socket   the socket
 * @param listener called at each event (`on`), at the next one (`once`), or never again (`off`)
 * @param context  for `listener`
 * @return see above
 * @see spec: Event: 'close'
 */
DGRAM_EXTERN int dgram_on_close(dgram_socket_t *socket, dgram_close_cb listener, void *context);
/** Adds a listener of the next 'close' only. @copydetails dgram_on_close() */
DGRAM_EXTERN int dgram_once_close(dgram_socket_t *socket, dgram_close_cb listener, void *context);
/** Removes a listener of 'close'. @copydetails dgram_on_close() */
DGRAM_EXTERN int dgram_off_close(dgram_socket_t *socket, dgram_close_cb listener, void *context);

/**
 * Replaces the handler of 'error' events without a listener. The default prints
 * `Unhandled 'error' event: MESSAGE` to stderr. It prints control characters, characters that break
 * lines or change the direction of text (U+2028, U+202E), and bytes that are not UTF-8 as "\xNN",
 * since a host name may come from an untrusted source; a handler that prints should do the same.
 *
 * @param handler the new handler, for the sockets of the calling thread; NULL: the default
 * @param context for `handler`
 */
DGRAM_EXTERN void dgram_on_unhandled_error(dgram_error_cb handler, void *context);

/**
 * @}
 * @name Options of the system socket
 *
 * They are set inside the call, on a bound socket; earlier sends leave first, including those that
 * wait for 'listening'. Each returns 0 or a negative code: UV_EINVAL (`socket` is NULL, or an
 * argument is out of range), DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING (closed), UV_EBADF (not bound), or
 * the error of setsockopt(2).
 * @{
 */

/**
 * Allows sending to a broadcast address (SO_BROADCAST).
 * @param socket the socket
 * @param flag   nonzero: allow; 0: refuse with EACCES, the system's default
 * @return see above
 * @see spec: socket.setBroadcast(flag)
 */
DGRAM_EXTERN int dgram_set_broadcast(dgram_socket_t *socket, int flag);

/**
 * Sets the hop limit of unicast datagrams (IP_TTL, IPV6_UNICAST_HOPS).
 * @param socket the socket
 * @param ttl    hops, 1 to 255; the default of most systems is 64
 * @return see above
 * @see spec: socket.setTTL(ttl)
 */
DGRAM_EXTERN int dgram_set_ttl(dgram_socket_t *socket, int ttl);

/**
 * Sets the hop limit of multicast datagrams (IP_MULTICAST_TTL, IPV6_MULTICAST_HOPS).
 * @param socket the socket
 * @param ttl    hops, 0 to 255; the default of most systems is 1
 * @return see above
 * @see spec: socket.setMulticastTTL(ttl)
 */
DGRAM_EXTERN int dgram_set_multicast_ttl(dgram_socket_t *socket, int ttl);

/**
 * Sets whether this host receives the datagrams that the socket sends to groups that the host has
 * joined (IP_MULTICAST_LOOP, IPV6_MULTICAST_LOOP).
 * @param socket the socket
 * @param flag   nonzero: it does, the system's default; 0: it does not
 * @return see above
 * @see spec: socket.setMulticastLoopback(flag)
 */
DGRAM_EXTERN int dgram_set_multicast_loopback(dgram_socket_t *socket, int flag);

/**
 * Chooses the interface by which multicast datagrams leave (IP_MULTICAST_IF, IPV6_MULTICAST_IF).
 * @param socket              the socket
 * @param multicast_interface udp4: the interface's IPv4 address, "0.0.0.0" for the system's choice.
 *                            udp6: any address with a zone, "::%eth1" or "::%2"; without a zone,
 *                            or with one that names no interface, the system's choice. An IPv4
 *                            address on udp6 applies to IPv4 groups ("::ffff:224.0.0.114").
 *                            Both: an interface's name or number
 * @retval 0
 * @retval UV_EINVAL       `multicast_interface` is NULL, or neither an address nor an interface
 * @retval UV_EADDRNOTAVAIL no interface has this IPv4 address
 * @retval UV_ENOPROTOOPT   an IPv6 address on udp4 (Linux)
 * @return otherwise see above
 * @see spec: socket.setMulticastInterface(multicastInterface)
 */
DGRAM_EXTERN int dgram_set_multicast_interface(dgram_socket_t *socket,
                                               const char *multicast_interface);

/**
 * Sets the size of the system's receive buffer (SO_RCVBUF). The kernel silently clamps it to the
 * system's maximum; dgram_get_recv_buffer_size() returns the size in effect.
 * @param socket the socket
 * @param size   bytes; 0 changes nothing
 * @retval 0
 * @retval UV_EINVAL                        `socket` is NULL
 * @retval DGRAM_ERR_SOCKET_BAD_BUFFER_SIZE `size` is negative
 * @retval DGRAM_ERR_SOCKET_BUFFER_SIZE     the system refuses, or the socket is not bound or
 *                                          closed; dgram_buffer_size_reason() returns the cause
 * @see spec: socket.setRecvBufferSize(size)
 */
DGRAM_EXTERN int dgram_set_recv_buffer_size(dgram_socket_t *socket, int size);

/**
 * Sets the size of the system's send buffer (SO_SNDBUF); as dgram_set_recv_buffer_size().
 * @param socket the socket
 * @param size   bytes; 0 changes nothing
 * @return as dgram_set_recv_buffer_size()
 * @see spec: socket.setSendBufferSize(size)
 */
DGRAM_EXTERN int dgram_set_send_buffer_size(dgram_socket_t *socket, int size);

/**
 * The size of the system's receive buffer (SO_RCVBUF). Linux reports twice the size that was set.
 * @param socket the socket
 * @return bytes, or UV_EINVAL (`socket` is NULL), or DGRAM_ERR_SOCKET_BUFFER_SIZE (not bound, or
 *         closed)
 * @see spec: socket.getRecvBufferSize()
 */
DGRAM_EXTERN int dgram_get_recv_buffer_size(dgram_socket_t *socket);

/**
 * The size of the system's send buffer (SO_SNDBUF); as dgram_get_recv_buffer_size().
 * @param socket the socket
 * @return as dgram_get_recv_buffer_size()
 * @see spec: socket.getSendBufferSize()
 */
DGRAM_EXTERN int dgram_get_send_buffer_size(dgram_socket_t *socket);

/**
 * The cause of the last DGRAM_ERR_SOCKET_BUFFER_SIZE of a call on this socket, or of its bind.
 * @param socket the socket
 * @return the system's code (UV_EBADF: not bound, or closed); 0 if none has failed; UV_EINVAL when
 *         `socket` is NULL
 * @see spec: socket.setRecvBufferSize(size); ERR_SOCKET_BUFFER_SIZE
 */
DGRAM_EXTERN int dgram_buffer_size_reason(const dgram_socket_t *socket);

/**
 * Sets an option by name. On an unbound socket, or one that is being bound, it is kept and set on
 * the system socket before bind(2), also by the bind of a first send; if the system then refuses
 * it, the bind fails: 'error' `setsockopt EPERM SO_MARK`. On a bound socket it is set inside the
 * call; if it concerns sends, behind earlier ones.
 *
 * In a worker of a cluster that shares its port, and on a descriptor that is taken over, the option
 * is set on the shared system socket and so concerns all who have it; there an option that must be
 * set before the bind makes the bind fail with UV_EINVAL.
 * @param socket the socket
 * @param option a ::dgram_sockopt_t
 * @param value  in the range of the option
 * @retval 0
 * @retval UV_EINVAL  `socket` is NULL, `option` is none, or `value` is out of its range
 * @retval DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING the socket is closed
 * @retval DGRAM_ERR_SOCKET_ALREADY_BOUND the socket is bound, and the option acts on the bind only
 * @retval UV_ENOTSUP the library has no such option on this system
 * @retval UV_ENOMEM
 * @return or the error of setsockopt(2): UV_EPERM (a capability is missing), UV_ENOPROTOOPT (the
 *         kernel has no such option), …; then nothing has changed
 */
DGRAM_EXTERN int dgram_set_sockopt(dgram_socket_t *socket, dgram_sockopt_t option, int64_t value);

/**
 * Reads an option: on a bound socket from the system, else what is kept for the bind.
 * DGRAM_SO_PATH_MTU may then also be 4 or 5, if another holder of the system socket has set
 * IP_PMTUDISC_INTERFACE or IP_PMTUDISC_OMIT.
 * @param socket     the socket
 * @param option     a ::dgram_sockopt_t
 * @param[out] value receives the value; unchanged on error
 * @retval 0
 * @retval UV_EINVAL  an argument is NULL, or `option` is none
 * @retval DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING the socket is closed
 * @retval UV_EBADF   the socket is not bound, and nothing is kept for the option
 * @retval UV_ENOTSUP the library has no such option on this system
 * @return or the error of getsockopt(2)
 */
DGRAM_EXTERN int dgram_get_sockopt(const dgram_socket_t *socket, dgram_sockopt_t option,
                                   int64_t *value);

/**
 * The name of the interface that the socket is bound to: of a bound socket from the system, else
 * `bind_device` of the options.
 * @param socket    the socket
 * @param[out] name receives the name, "" if there is none; unchanged on error
 * @retval 0
 * @retval UV_EINVAL  an argument is NULL
 * @retval DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING the socket is closed
 * @retval UV_ENOTSUP not on this system: only Linux has it
 * @return or the error of getsockopt(2): UV_ENODEV if the interface has gone
 */
DGRAM_EXTERN int dgram_get_bind_device(const dgram_socket_t *socket,
                                       char name[DGRAM_INTERFACE_NAME]);

/**
 * The MTU of the path to the peer of a connected socket, as far as the system knows it (IP_MTU,
 * IPV6_MTU): that of the interface, or less after "fragmentation needed". The largest payload of a
 * datagram that is not fragmented is 28 bytes less on IPv4, 48 on IPv6.
 * @param socket the socket
 * @retval UV_EINVAL  `socket` is NULL
 * @retval DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING the socket is closed
 * @retval DGRAM_ERR_SOCKET_DGRAM_NOT_CONNECTED it is not connected
 * @retval UV_ENOTSUP not on this system: only Linux has it
 * @return bytes, or one of these, or the error of getsockopt(2)
 */
DGRAM_EXTERN int dgram_get_mtu(const dgram_socket_t *socket);

/**
 * The MTU of the path from the socket to an address, as far as the system knows it; see
 * dgram_get_mtu(). The socket need be neither bound nor connected: the library opens a socket
 * for the length of the call, with the mark, the interface and the local address of this one.
 * @param socket the socket
 * @param to     a `sockaddr_in` or `sockaddr_in6` of the socket's family
 * @retval UV_EINVAL  an argument is NULL, or `to` is of the other family
 * @retval DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING the socket is closed
 * @retval DGRAM_ERR_SOCKET_BAD_PORT the port of `to` is 0
 * @retval UV_ENOTSUP not on this system: only Linux has it
 * @return bytes, or one of these, or the error of socket(2) or connect(2): UV_ENETUNREACH, …
 */
DGRAM_EXTERN int dgram_get_mtu_to(const dgram_socket_t *socket, const struct sockaddr *to);

/**
 * @}
 * @name Multicast groups
 *
 * An unbound socket is bound, inside the call, to a random port on all interfaces; 'listening' is
 * emitted later, from the loop. If the call then fails, the socket stays bound. The system leaves
 * all groups when the socket is closed.
 *
 * A udp6 socket, which also receives IPv4, can be a member of groups of both families. Source and
 * interface are of the group's family. An interface is given as its IPv4 address, as "::%eth1" or
 * "::%2" (IPv6; without a zone, or with one that names no interface, the system chooses), or as its
 * name or number; if none is given, the zone of an IPv6 group applies: "ff02::1234%eth1".
 *
 * Each returns 0 or a negative code: UV_EINVAL (`socket` is NULL; a group or source is not an
 * address; the source is not of the group's family; the interface is neither an address of that
 * family nor the name or number of one; the group is not a multicast address),
 * DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING (closed), UV_EBADF (being bound: call from 'listening'),
 * UV_ENOPROTOOPT (an IPv6 group on udp4; Linux), UV_ENODEV (no interface has this IPv4 address, or
 * none accepts the group), UV_EADDRINUSE (a member already), UV_EADDRNOTAVAIL (leaving: not a
 * member; with a source: joined already), or an error of setsockopt(2) or of the bind.
 * @{
 */

/**
 * Joins a group (IP_ADD_MEMBERSHIP, IPV6_JOIN_GROUP).
 * @param socket              the socket
 * @param multicast_address   the group: "224.0.0.114", "ff02::1234"
 * @param multicast_interface the interface, or NULL: the system chooses one
 * @retval DGRAM_ERR_MISSING_ARGS `multicast_address` is NULL or ""
 * @return otherwise see above
 * @see spec: socket.addMembership(multicastAddress[, multicastInterface])
 */
DGRAM_EXTERN int dgram_add_membership(dgram_socket_t *socket, const char *multicast_address,
                                      const char *multicast_interface);

/**
 * Leaves a group (IP_DROP_MEMBERSHIP, IPV6_LEAVE_GROUP).
 * @param socket              the socket
 * @param multicast_address   the group
 * @param multicast_interface the interface on which it was joined, or NULL: the system chooses
 * @retval DGRAM_ERR_MISSING_ARGS `multicast_address` is NULL or ""
 * @return otherwise see above
 * @see spec: socket.dropMembership(multicastAddress[, multicastInterface])
 */
DGRAM_EXTERN int dgram_drop_membership(dgram_socket_t *socket, const char *multicast_address,
                                       const char *multicast_interface);

/**
 * Joins a group for datagrams of one source (IP_ADD_SOURCE_MEMBERSHIP, MCAST_JOIN_SOURCE_GROUP).
 * @param socket              the socket
 * @param source_address      the source of the datagrams to receive: a numeric address
 * @param group_address       the group: "232.1.2.3", "ff3e::1234"
 * @param multicast_interface the interface, or NULL: the system chooses one
 * @return see above
 * @see spec: socket.addSourceSpecificMembership(sourceAddress, groupAddress[, multicastInterface])
 */
DGRAM_EXTERN int dgram_add_source_specific_membership(dgram_socket_t *socket,
                                                      const char *source_address,
                                                      const char *group_address,
                                                      const char *multicast_interface);

/**
 * Leaves a group for datagrams of one source (IP_DROP_SOURCE_MEMBERSHIP,
 * MCAST_LEAVE_SOURCE_GROUP).
 * @param socket              the socket
 * @param source_address      as it was joined
 * @param group_address       as it was joined
 * @param multicast_interface as it was joined
 * @return see above
 * @see spec: socket.dropSourceSpecificMembership(sourceAddress, groupAddress[, multicastInterface])
 */
DGRAM_EXTERN int dgram_drop_source_specific_membership(dgram_socket_t *socket,
                                                       const char *source_address,
                                                       const char *group_address,
                                                       const char *multicast_interface);

/**
 * @}
 * @name Abort signals
 * @{
 */

/**
 * Creates a signal for the options of any number of sockets, all on loops of one thread.
 * @param[out] signal the new signal; set to NULL on error
 * @retval 0
 * @retval UV_EINVAL `signal` is NULL
 * @retval UV_ENOMEM
 * @see spec: dgram.createSocket(options[, callback]); AbortController
 */
DGRAM_EXTERN int dgram_abort_signal_create(dgram_abort_signal_t **signal);

/**
 * Aborts: closes every open socket that has the signal, as dgram_close() does, in the order of
 * their creation; a socket that is later created with it is closed at once. Does nothing the second
 * time, or when `signal` is NULL.
 * @param signal the signal
 * @see spec: dgram.createSocket(options[, callback]); abort()
 */
DGRAM_EXTERN void dgram_abort_signal_abort(dgram_abort_signal_t *signal);

/**
 * Frees the signal. Sockets that have it stay open, and no longer refer to it.
 * @param signal the signal, or NULL
 */
DGRAM_EXTERN void dgram_abort_signal_free(dgram_abort_signal_t *signal);

/**
 * @}
 * @name Names and texts
 * @{
 */

/**
 * The name of a code: "EADDRINUSE", "ERR_SOCKET_BAD_PORT", "ENOTFOUND" for an unknown host.
 *
 * @param code as returned by a function of this header or of libuv
 * @return static text; "OK" for 0, "UNKNOWN" for any other number
 */
DGRAM_EXTERN const char *dgram_err_name(int code);

/**
 * The text of a code: "address already in use", "Socket is already bound".
 *
 * @param code as returned by a function of this header or of libuv
 * @return static text; "success" for 0, "unknown error" for any other number
 */
DGRAM_EXTERN const char *dgram_strerror(int code);

/**
 * The name of a kind of ICMP report, for logs: "port unreachable", "packet too big", ….
 *
 * @param kind as in ::dgram_icmp_t
 * @return static text; "other" for any other number
 */
DGRAM_EXTERN const char *dgram_icmp_kind_name(dgram_icmp_kind_t kind);

/**
 * The version of the library in use, "MAJOR.MINOR.PATCH"; compare with DGRAM_VERSION_MAJOR, ….
 *
 * @return static text
 */
DGRAM_EXTERN const char *dgram_version(void);

/** @} */

#ifdef __cplusplus
}
#endif

#endif

/*
 * The contract of a datapath: how datagrams get into and out of the kernel. There are two
 * implementations, `linux` and `posix`, and a scripted one for tests; a loop has one of them.
 * Floor 1: makes system calls, knows neither libuv's loop nor the socket. Codes are UV_E*.
 */
#ifndef DGRAM_UDP_H
#define DGRAM_UDP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "address.h"
#include "gso.h"
#include "gso_refusals.h"

/*
 * Whether many datagrams can leave by one call, sendmmsg(2), and come by one, recvmmsg(2). FreeBSD
 * has the latter too, but as a loop in its C library that would save nothing.
 * DGRAM__ONE_A_CALL builds `posix` without both: so what other systems get is tested here, too.
 */
#if defined(DGRAM__ONE_A_CALL)
#define DGRAM__HAS_SENDMMSG 0
#define DGRAM__HAS_RECVMMSG 0
#elif defined(__linux__) || defined(__NetBSD__)
#define DGRAM__HAS_SENDMMSG 1
#define DGRAM__HAS_RECVMMSG 1
#elif defined(__FreeBSD__)
#define DGRAM__HAS_SENDMMSG 1
#define DGRAM__HAS_RECVMMSG 0
#else
#define DGRAM__HAS_SENDMMSG 0
#define DGRAM__HAS_RECVMMSG 0
#endif

enum {
  DGRAM__MAX_IOV = 1024,         /* UIO_MAXIOV, the kernel's limit for one message */
  DGRAM__RX_BUFFERS = 64,        /* buffers of an inbox */
  DGRAM__RX_BUFFER_SIZE = 65536, /* GRO may fill a buffer to 65,535 bytes, whatever was sent */
};

/* What a bound system socket should be like. */
struct dgram__settings {
  union dgram__address local; /* to bind to; its family is the socket's */
  bool reuse_addr;
  bool reuse_port;
  bool ipv6_only;
  bool gso;
};

/* One system socket, and what was learned about its ways. */
struct dgram__udp {
  int fd;                          /* -1: none */
  bool gso_untried;                /* of `linux`: segmentation is wanted, and not asked for yet */
  bool gro_untried;                /* the same of joining */
  bool sends_singly;               /* sendmmsg was refused when it was called */
  bool receives_singly;            /* the same of recvmmsg */
  int deferred_error;              /* about the first datagram of the next send */
  int deferred_receive_error;      /* behind what was received */
  unsigned careful_calls;          /* sends yet to come with one run each */
  struct dgram__gso_limits limits; /* of a segmented send */
  struct dgram__gso_refusals *refusals; /* NULL: none yet */
};

/* One filled buffer. */
struct dgram__rx_buffer {
  char *data; /* DGRAM__RX_BUFFER_SIZE bytes */
  size_t size;
  int segment; /* the size of the datagrams in it; 0: it is one; negative: lost, with this code */
  union dgram__address from;
};

/* The receive buffers that all sockets of a loop share. The headers of recvmmsg stand behind it. */
struct dgram__rx_buffers {
  struct dgram__rx_buffer slots[DGRAM__RX_BUFFERS];
};

struct dgram__datapath {
  const char *name;

  /* The size of this datapath's inbox, and how to set it up once the slots have their data. */
  size_t inbox_size;
  void (*inbox_init)(struct dgram__rx_buffers *inbox);

  /*
   * Makes a non-blocking, close-on-exec UDP socket and binds it; `gso`: it may segment.
   * Returns 0, or the error of the call that failed, with no socket left over.
   */
  int (*open)(struct dgram__udp *udp, const struct dgram__settings *settings);

  /*
   * Takes over path->fd, a datagram socket that was made elsewhere. `gro`: whoever else has it
   * takes joined datagrams apart, too; if not, they are not to be joined.
   */
  void (*adopt)(struct dgram__udp *udp, bool gso, bool gro);

  /*
   * Fills up to `most` (1 to DGRAM__RX_BUFFERS) slots from the first on. Returns how many, 0 when
   * there is nothing; or an error, with nothing received.
   */
  int (*recv)(struct dgram__udp *udp, struct dgram__rx_buffers *inbox, unsigned most);

  /*
   * Sends a prefix of the `count` (>= 1) datagrams linked from `first`. Returns k >= 1: exactly
   * the first k have left. Or an error about the first one, and nothing has left; UV_EAGAIN when
   * the system's buffer is full.
   * If the kernel or a device refuses to segment, sends singly, and remembers.
   */
  int (*send)(struct dgram__udp *udp, const struct dgram__datagram *first, unsigned count);

  /*
   * Takes the pending error that woke the loop (ICMP), and some of the messages of the error queue
   * if another use of the system socket has one (IP_RECVERR, timestamps of sends). Returns the code
   * of the error; else how many messages were taken, 0: nothing was pending.
   */
  int (*take_error)(struct dgram__udp *udp);
};

/* recvmmsg and sendmmsg where the system has them; recvmsg and sendmsg elsewhere. */
extern const struct dgram__datapath dgram__datapath_posix;

#ifdef __linux__
/* sendmmsg and recvmmsg, with GSO and GRO where there is such a thing. */
extern const struct dgram__datapath dgram__datapath_linux;
#endif

/* What both share. */
int dgram__udp_open(struct dgram__udp *udp, const struct dgram__settings *settings);
int dgram__udp_take_error(struct dgram__udp *udp);

/* Closes the descriptor, if there is one, and frees what was learned. */
void dgram__udp_close(struct dgram__udp *udp);

/* Frees what was learned; the descriptor goes back to whom it was taken over from. */
void dgram__udp_abandon(struct dgram__udp *udp);

/*
 * The `segment` of a slot, by the control messages that came with it. If some were cut off, and
 * what is in the slot may be many datagrams, it is lost: UV_EMSGSIZE.
 */
int dgram__udp_segment_of(int fd, const struct msghdr *message);

/* Mostly none came. Of those that were cut off some are there. */
static inline int dgram__udp_segment(int fd, const struct msghdr *message) {
  return message->msg_controllen > 0 ? dgram__udp_segment_of(fd, message) : 0;
}

/* Sends a datagram by itself. Returns 1, or an error. */
int dgram__udp_send_one(struct dgram__udp *udp, const struct dgram__datagram *datagram);

/* Sends a prefix of the datagrams by one system call, in runs within the limits; see `send`. */
int dgram__udp_send_batches(struct dgram__udp *udp, const struct dgram__gso_limits *limits,
                            const struct dgram__datagram *first, unsigned count);

/* Connects to an address, AF_UNSPEC: disconnects. Returns 0 or an error. */
int dgram__udp_connect(struct dgram__udp *udp, const union dgram__address *to);

/* Whether something has come that was not received yet. */
bool dgram__udp_is_readable(const struct dgram__udp *udp);

/* Whether the system reports ICMP errors though the socket is not connected (IP_RECVERR). */
bool dgram__udp_queues_errors(const struct dgram__udp *udp);

/* Whether poll(2) reports anything: that it is readable, an error, or `sends`: that it is writable.
 */
bool dgram__udp_has_event(const struct dgram__udp *udp, bool sends);

/* The address of the peer, or with `peer` false the socket's own. Returns 0 or an error. */
int dgram__udp_name(const struct dgram__udp *udp, bool peer, union dgram__address *name);

/*
 * The family of a datagram socket of the Internet, 0 if `fd` is not one: what libuv calls UV_UDP.
 * Besides UDP there are UDP-Lite and the kernel's ICMP sockets ("ping").
 */
int dgram__udp_family(int fd);

/* Whether the protocol of such a socket is UDP: no other may be asked to segment or to join. */
bool dgram__udp_is_udp(int fd);

#endif

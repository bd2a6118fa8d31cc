/*
 * The contract of a datapath: how datagrams get into and out of the kernel. There are two
 * implementations, `linux` and `posix`, and a scripted one for tests; a loop has one of them.
 * Floor 1: makes system calls, knows neither libuv's loop nor the socket. Codes are UV_E*.
 */
#ifndef DGRAM_DATAPATH_H
#define DGRAM_DATAPATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "address.h"
#include "batch.h"

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
  DGRAM__MOST_IOV = 1024,   /* UIO_MAXIOV, the kernel's limit for one message */
  DGRAM__SLOTS = 64,        /* buffers of an inbox */
  DGRAM__SLOT_SIZE = 65536, /* GRO may fill a buffer to 65,535 bytes, whatever was sent */
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
struct dgram__path {
  int fd;                      /* -1: none */
  bool gso_untried;            /* of `linux`: segmentation is wanted, and not asked for yet */
  bool gro_untried;            /* the same of joining */
  int kept_error;              /* one datagram a call: about the first one of the next send */
  unsigned careful_calls;      /* many a call: calls yet to come with one run each */
  struct dgram__limits limits; /* of a segmented send; learned from refusals */
};

/* One filled buffer. */
struct dgram__slot {
  char *data; /* DGRAM__SLOT_SIZE bytes */
  size_t size;
  int segment; /* the size of the datagrams in it; 0: it is one; negative: lost, with this code */
  union dgram__address from;
};

/* The receive buffers that all sockets of a loop share. A datapath may keep more behind it. */
struct dgram__inbox {
  struct dgram__slot slots[DGRAM__SLOTS];
};

struct dgram__datapath {
  const char *name;

  /* The size of this datapath's inbox, and how to set it up once the slots have their data. */
  size_t inbox_size;
  void (*inbox_init)(struct dgram__inbox *inbox);

  /*
   * Makes a non-blocking, close-on-exec UDP socket and binds it; `gso`: it may segment.
   * Returns 0, or the error of the call that failed, with no socket left over.
   */
  int (*open)(struct dgram__path *path, const struct dgram__settings *settings);

  /*
   * Takes over path->fd, a UDP socket that was made elsewhere. `gro`: whoever else has it takes
   * joined datagrams apart, too; if not, they are not to be joined.
   */
  void (*adopt)(struct dgram__path *path, bool gso, bool gro);

  /*
   * Fills slots from the first on. Returns how many; fewer than DGRAM__SLOTS means that the
   * system has no more, so there is no need to ask again. Or an error, with nothing received.
   */
  int (*recv)(struct dgram__path *path, struct dgram__inbox *inbox);

  /*
   * Sends a prefix of the `count` (>= 1) datagrams linked from `first`. Returns k >= 1: exactly
   * the first k have left. Or an error about the first one, and nothing has left; UV_EAGAIN when
   * the system's buffer is full.
   * If the kernel or a device refuses to segment, sends singly, and remembers.
   */
  int (*send)(struct dgram__path *path, const struct dgram__datagram *first, unsigned count);

  /*
   * Takes the pending error that woke the loop: an ICMP error, or the messages of an error queue.
   * Returns its code, or 0 when there is none.
   */
  int (*take_error)(struct dgram__path *path);
};

/* recvmmsg and sendmmsg where the system has them; recvmsg and sendmsg elsewhere. */
extern const struct dgram__datapath dgram__datapath_posix;

#ifdef __linux__
/* sendmmsg and recvmmsg, with GSO and GRO where there is such a thing. */
extern const struct dgram__datapath dgram__datapath_linux;
#endif

/* What both share. */
int dgram__path_open(struct dgram__path *path, const struct dgram__settings *settings);
int dgram__path_take_error(struct dgram__path *path);

/*
 * The `segment` of a slot, by the control messages that came with it. If some were cut off, and
 * what is in the slot may be many datagrams, it is lost: UV_EMSGSIZE.
 */
int dgram__path_told_segment(int fd, const struct msghdr *message);

/* Mostly none came. Of those that were cut off some are there. */
static inline int dgram__path_segment(int fd, const struct msghdr *message) {
  return message->msg_controllen > 0 ? dgram__path_told_segment(fd, message) : 0;
}

/* Sends a datagram by itself. Returns 1, or an error. */
int dgram__path_send_one(const struct dgram__path *path, const struct dgram__datagram *datagram);

#if DGRAM__HAS_SENDMMSG
/* Sends a prefix of the datagrams by one system call, in runs within the limits; see `send`. */
int dgram__path_send_runs(struct dgram__path *path, const struct dgram__limits *limits,
                          const struct dgram__datagram *first, unsigned count);
#endif

/* Connects to an address, AF_UNSPEC: disconnects. Returns 0 or an error. */
int dgram__path_connect(const struct dgram__path *path, const union dgram__address *to);

/* The address of the peer, or with `peer` false the socket's own. Returns 0 or an error. */
int dgram__path_name(const struct dgram__path *path, bool peer, union dgram__address *name);

/* The family of a UDP socket; 0 if `fd` is not one. */
int dgram__path_family(int fd);

#endif

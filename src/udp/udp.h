/*
 * The contract of src/udp: datagrams into and out of the kernel through one UDP descriptor. There
 * is one way; what a system can do is numbers (struct dgram__udp_capabilities), and a gap of a
 * system is filled at the system call.
 * Makes system calls, knows neither libuv's loop nor the socket. Codes are UV_E*.
 */
#ifndef DGRAM_UDP_H
#define DGRAM_UDP_H

#include <assert.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "address.h"
#include "cmsg.h"
#include "counters.h"
#include "error_queue.h"
#include "gso.h"
#include "network.h"
#include "rx_info.h"
#include "sockopt.h"
#include "tx_options.h"

/*
 * Whether many datagrams can leave by one call, sendmmsg(2), and come by one, recvmmsg(2). FreeBSD
 * has the latter too, but as a loop in its C library that would save nothing.
 * DGRAM__ONE_A_CALL builds the library without both, so that what other systems get is tested, too.
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

#if DGRAM__HAS_SENDMMSG || DGRAM__HAS_RECVMMSG
#define dgram__mmsghdr mmsghdr
#else
struct dgram__mmsghdr {
  struct msghdr msg_hdr;
  unsigned msg_len; /* bytes moved */
};
#endif

/*
 * After a sendmmsg or recvmmsg that has failed: whether there is no such call here. ENOSYS: the
 * kernel, or a sandbox in its place, does not have it. Sandboxes also answer EPERM or EACCES, which
 * may as well be the error of a datagram; a call that moves nothing shows the difference. (It takes
 * a pending ICMP error, but the call before it has just taken that.)
 */
#define DGRAM__IS_CALL_REFUSED(call_of_nothing) \
  (errno == ENOSYS || ((errno == EPERM || errno == EACCES) && (call_of_nothing) < 0))

enum {
  DGRAM__MAX_IOV = 1024,     /* UIO_MAXIOV, the kernel's limit for one message */
  DGRAM__MAX_SEGMENTS = 64,  /* UDP_MAX_SEGMENTS of the kernels before 6.9 */
  DGRAM__MAX_TX_BATCH = 256, /* messages of one call: what leads up to it is shared by as many */
  DGRAM__RX_BUFFERS = 64,    /* receive buffers of a loop */
  DGRAM__RX_BUFFER_SIZE = 65536, /* GRO may fill a buffer to 65,535 bytes, whatever was sent */
};

/* What may be tried on a socket; whether the kernel then has it, is found at run time. */
struct dgram__udp_capabilities {
  uint16_t max_segments;    /* GSO: datagrams of one message that is sent; 1: none is segmented */
  uint16_t max_tx_batch;    /* messages of one system call; 1: sendmsg(2) */
  uint8_t max_gro_segments; /* GRO: datagrams of one receive buffer; 1: GRO is not asked for */
  uint8_t max_rx_batch;     /* messages of one system call; 1: recvmsg(2) */
};

/* What this system may have, less what DGRAM_GSO=0, DGRAM_GRO=0 and DGRAM_MMSG=0 switch off. */
struct dgram__udp_capabilities dgram__udp_capabilities(void);

/* What a bound system socket should be like. */
struct dgram__settings {
  union dgram__address local; /* to bind to; its family is the socket's */
  bool reuse_addr;
  bool reuse_port;
  bool ipv6_only;
  struct dgram__network *network;          /* that it is on; NULL: the kernel's */
  uint16_t info;                           /* DGRAM_INFO_... */
  const struct dgram__sockopt_call *calls; /* options to be set before bind(2) */
  unsigned call_count;
  unsigned *refused;                           /* receives the index of one that is refused */
  struct dgram__udp_capabilities capabilities; /* zeros, where nothing is sent or received */
};

/*
 * GSO or GRO on one socket. The kernel is asked for neither before it is of use: a socket that
 * lives for a question and an answer stays cheap.
 *
 *   UNPROBED --+--> ON    several datagrams were sent, or received, at a time; the kernel has it
 *              +--> OFF   ... the kernel does not have it, or corrupts what it segments
 *
 * OFF is also where a socket begins that may not try.
 */
enum __attribute__((packed)) dgram__offload {
  DGRAM__OFFLOAD_UNPROBED,
  DGRAM__OFFLOAD_ON,
  DGRAM__OFFLOAD_OFF
};

static inline void dgram__offload_set(enum dgram__offload *offload, bool available) {
  assert(*offload == DGRAM__OFFLOAD_UNPROBED);
  *offload = available ? DGRAM__OFFLOAD_ON : DGRAM__OFFLOAD_OFF;
}

/* One system socket, and what was learned about it. */
struct dgram__udp {
  int fd; /* -1: none; DGRAM__SIMULATED_FD */
  enum dgram__offload gso;
  enum dgram__offload gro;
  uint16_t single_message_calls;               /* sends yet to come with one message each */
  struct dgram__udp_capabilities capabilities; /* less the calls that were refused */
  uint16_t info;                               /* DGRAM_INFO_... of each buffer that is received */
  union {
    struct dgram__gso_refusals *refusals; /* of segmented sends; NULL: none yet */
    struct dgram__endpoint *endpoint;     /* of a simulated socket */
  };
  struct dgram__counters *counters; /* where calls are counted; not NULL where there are any */
};

static inline bool dgram__udp_is_simulated(const struct dgram__udp *udp) {
  return udp->fd == DGRAM__SIMULATED_FD;
}

/* ---- udp_socket.c ---- */

/*
 * Makes a non-blocking, close-on-exec UDP socket and binds it. Returns 0, or the error of the call
 * that failed, with no socket left over.
 */
int dgram__udp_open(struct dgram__udp *udp, const struct dgram__settings *settings);

/*
 * Takes over udp->fd, a datagram socket that was made elsewhere. GRO is only for one that nobody
 * else has who does not take joined datagrams apart; GSO and GRO are only for UDP.
 */
void dgram__udp_adopt(struct dgram__udp *udp, const struct dgram__udp_capabilities *capabilities);

/* Closes the descriptor, if there is one, and frees what was learned. */
void dgram__udp_close(struct dgram__udp *udp);

/* Frees what was learned; the descriptor goes back to whom it was taken over from. */
void dgram__udp_abandon(struct dgram__udp *udp);

/* Connects to an address, AF_UNSPEC: disconnects. Returns 0 or an error. */
int dgram__udp_connect(struct dgram__udp *udp, const union dgram__address *to);

/*
 * Takes the pending error that woke the loop (ICMP), and some of the messages of the error queue
 * if another use of the system socket has one (IP_RECVERR, timestamps of sends). Returns the code
 * of the error; else how many messages were taken, 0: nothing was pending.
 */
int dgram__udp_take_error(struct dgram__udp *udp);

/* Takes the pending error alone. Returns its code, or 0. */
int dgram__udp_take_pending_error(struct dgram__udp *udp);

/* Whether something has come that was not received yet. */
bool dgram__udp_is_readable(const struct dgram__udp *udp);

/* Whether poll(2) reports that it is readable, an error, or with `sends` that it is writable. */
bool dgram__udp_has_event(const struct dgram__udp *udp, bool sends);

/* Whether the system reports ICMP errors though the socket is not connected (IP_RECVERR). */
bool dgram__udp_queues_errors(const struct dgram__udp *udp);

/* How many datagrams the kernel has dropped on their way in; 0 where it does not tell. */
uint32_t dgram__udp_drops(const struct dgram__udp *udp);

/* The address of the peer, or with `peer` false the socket's own. Returns 0 or an error. */
int dgram__udp_name(const struct dgram__udp *udp, bool peer, union dgram__address *name);

/* setsockopt(2), getsockopt(2). Return 0 or an error. */
int dgram__udp_set_option(const struct dgram__udp *udp, int level, int name, const void *value,
                          socklen_t length);
int dgram__udp_get_option(const struct dgram__udp *udp, int level, int name, void *value,
                          socklen_t *length);

/*
 * The family of a datagram socket of the Internet, 0 if `fd` is not one: what libuv calls UV_UDP.
 * Besides UDP there are UDP-Lite and the kernel's ICMP sockets ("ping").
 */
int dgram__udp_family(int fd);

/* Whether the protocol of such a socket is UDP. */
bool dgram__udp_is_udp(int fd);

/* ---- udp_send.c ---- */

/* The messages of one system call, 56 KB: a loop has one, made at its first send of several. */
struct dgram__tx_batch;

/*
 * Sends a prefix of the `count` (>= 1) datagrams linked from `first`. Returns k >= 1: exactly the
 * first k have left. Or an error about the first one, and nothing has left; UV_EAGAIN when the
 * system's buffer is full. It never blocks, though other holders of the system socket may make that
 * blocking.
 * `batch` is the loop's, NULL to begin with, and to be freed; without memory for it one datagram
 * leaves by each call. Segments that the kernel or a device refuses leave as datagrams by
 * themselves, and that is remembered.
 */
int dgram__udp_send(struct dgram__udp *udp, struct dgram__tx_batch **batch,
                    const struct dgram__datagram *first, unsigned count);

/* ---- udp_send_with.c ---- */

/* The messages of one system call with options, 50 KB: a loop has one, once it sends such. */
struct dgram__options_batch;

/* NULL: no memory. */
struct dgram__options_batch *dgram__options_batch_new(void);

/*
 * As dgram__udp_send(), where some of the datagrams have options. Returns k >= 0: exactly the first
 * k have left, and of the one after them perhaps a part, which its options count. Or an error about
 * the first one, of which this call has sent nothing.
 * `peer`: where datagrams to AF_UNSPEC go.
 */
int dgram__udp_send_with(struct dgram__udp *udp, struct dgram__options_batch *batch,
                         const union dgram__address *peer, struct dgram__datagram *first,
                         unsigned count);

/* ---- udp_recv.c ---- */

/* In the place of a segment's size: the buffer was dropped, and that is no error. */
#define DGRAM__RX_REFUSED INT_MIN

/* One filled buffer. */
struct dgram__rx_buffer {
  char *data; /* DGRAM__RX_BUFFER_SIZE bytes */
  size_t size;
  int segment; /* the size of the datagrams in it; 0: it is one; negative: lost, with this code */
  union dgram__address from;
  char text[DGRAM_ADDRESS_TEXT]; /* of `from`, made when a listener reads it */
  struct dgram__rx_info info;    /* of the datagrams in it; `asked` 0: the socket wants none */
};

/* The receive buffers that all sockets of a loop share, and the messages of recvmmsg(2) for them.
 */
struct dgram__rx_buffers {
  struct dgram__rx_buffer all[DGRAM__RX_BUFFERS];
  struct dgram__mmsghdr messages[DGRAM__RX_BUFFERS]; /* keep what is the same in every call */
  struct iovec iov[DGRAM__RX_BUFFERS];
  struct dgram__cmsg_in cmsgs[DGRAM__RX_BUFFERS];
  unsigned infos; /* from the first on: buffers that may have an info of an earlier call */
};

/* Sets the messages up, once the buffers have their data. */
void dgram__rx_buffers_init(struct dgram__rx_buffers *buffers);

/*
 * Fills up to `most` (1 to DGRAM__RX_BUFFERS) buffers from the first on. Returns how many, 0 when
 * there is nothing; or an error, with nothing received. An error behind a datagram has a buffer of
 * its own: the system reports it only once.
 */
int dgram__udp_recv(struct dgram__udp *udp, struct dgram__rx_buffers *buffers, unsigned most);

#endif

/*
 * The Linux datapath: many datagrams a system call (recvmmsg, sendmmsg), and many a buffer where
 * the kernel cuts and joins them (UDP_SEGMENT, UDP_GRO; udp(7)). What the kernel or a device
 * refuses is noticed at run time and done the plain way.
 */
#include "datapath.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/utsname.h>

#include "control.h"

enum {
  MOST_RUNS = 64,     /* sends of one sendmmsg */
  MOST_IOV = 1024,    /* UIO_MAXIOV, the kernel's limit for one message */
  MOST_SEGMENTS = 64, /* UDP_MAX_SEGMENTS of the kernels before 6.9 */
  CAREFUL_CALLS = 16,
  MOST_BYTES = 65507, /* of a segmented send: 65,535 less the headers of IP and UDP */
};

/* The headers keep what does not change from one call to the next. */
struct linux_inbox {
  struct dgram__inbox inbox;
  struct mmsghdr headers[DGRAM__SLOTS];
  struct iovec iov[DGRAM__SLOTS];
  struct dgram__control_in controls[DGRAM__SLOTS];
};

/* The kernel overwrites the lengths and flags of the headers that it fills. */
static void reset_header(struct msghdr *header) {
  header->msg_namelen = sizeof(union dgram__address);
  header->msg_controllen = sizeof(struct dgram__control_in);
  header->msg_flags = 0;
}

static void linux_inbox_init(struct dgram__inbox *inbox) {
  struct linux_inbox *self = (struct linux_inbox *)inbox;
  for (int i = 0; i < DGRAM__SLOTS; i++) {
    self->iov[i] = (struct iovec){.iov_base = inbox->slots[i].data, .iov_len = DGRAM__SLOT_SIZE};
    struct msghdr *header = &self->headers[i].msg_hdr;
    *header = (struct msghdr){.msg_name = &inbox->slots[i].from,
                              .msg_iov = &self->iov[i],
                              .msg_iovlen = 1,
                              .msg_control = self->controls[i].bytes};
    reset_header(header);
  }
}

static bool kernel_can_segment(int fd) {
  int segment;
  socklen_t length = sizeof segment;
  struct utsname kernel;
  return getsockopt(fd, SOL_UDP, UDP_SEGMENT, &segment, &length) == 0 && uname(&kernel) == 0 &&
         !dgram__batch_kernel_corrupts(kernel.release);
}

/* Nothing is asked of the kernel yet: a socket that lives for a question and an answer is cheap. */
static void linux_adopt(struct dgram__path *path, bool gso) {
  path->careful_calls = 0;
  path->gso_untried = gso;
  path->gro_untried = true;
  path->limits = (struct dgram__limits){
      .datagrams = 1, .segment = UINT16_MAX, .bytes = MOST_BYTES, .iov_count = MOST_IOV};
}

static void try_gso(struct dgram__path *path) {
  path->gso_untried = false;
  if (kernel_can_segment(path->fd))
    path->limits.datagrams = MOST_SEGMENTS;
}

/*
 * The system's first socket that wants datagrams joined costs it 0.3 ms, and its going the same:
 * it patches its code. A kernel that can't join them delivers them one by one.
 */
static void try_gro(struct dgram__path *path) {
  int on = 1;
  path->gro_untried = false;
  setsockopt(path->fd, SOL_UDP, UDP_GRO, &on, sizeof on);
}

static int linux_open(struct dgram__path *path, const struct dgram__settings *settings) {
  int err = dgram__path_open(path, settings);
  if (err == 0)
    linux_adopt(path, settings->gso);
  return err;
}

static int linux_recv(struct dgram__path *path, struct dgram__inbox *inbox) {
  struct linux_inbox *self = (struct linux_inbox *)inbox;
  int filled;
  do
    filled = recvmmsg(path->fd, self->headers, DGRAM__SLOTS, MSG_DONTWAIT, NULL);
  while (filled < 0 && errno == EINTR);
  if (filled < 0)
    return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -errno;
  for (int i = 0; i < filled; i++) {
    struct mmsghdr *header = &self->headers[i];
    dgram__address_trim(&inbox->slots[i].from, header->msg_hdr.msg_namelen);
    inbox->slots[i].size = header->msg_len;
    inbox->slots[i].segment = dgram__control_segment(&header->msg_hdr);
    reset_header(&header->msg_hdr);
  }
  if (filled > 1 && path->gro_untried)
    try_gro(path);
  return filled;
}

/* The sends of one system call. */
struct departure {
  unsigned runs;
  unsigned iov_count;
  unsigned datagrams[MOST_RUNS]; /* of each run */
  struct mmsghdr headers[MOST_RUNS];
  struct dgram__control_out controls[MOST_RUNS];
  struct iovec iov[MOST_IOV];
};

/*
 * Adds a datagram's pieces to a message whose pieces stand from `start` to `end`; returns the new
 * end. A piece that begins where the last one ends is joined to it: a program that fills its
 * buffer from front to back gets one piece for the whole run.
 */
static struct iovec *add_pieces(const struct iovec *start, struct iovec *end,
                                const struct dgram__datagram *datagram) {
  for (uint32_t i = 0; i < datagram->iov_count; i++) {
    const struct iovec *piece = &datagram->iov[i];
    if (end > start && (char *)end[-1].iov_base + end[-1].iov_len == piece->iov_base)
      end[-1].iov_len += piece->iov_len;
    else
      *end++ = *piece;
  }
  return end;
}

/* Adds a run of many datagrams to the departure's last message; returns the datagram after it. */
static const struct dgram__datagram *join(struct departure *departure, struct msghdr *message,
                                          struct dgram__run run,
                                          const struct dgram__datagram *datagram) {
  struct iovec *start = &departure->iov[departure->iov_count];
  struct iovec *end = start;
  dgram__control_set_segment(message, &departure->controls[departure->runs], (uint16_t)run.segment);
  for (unsigned i = 0; i < run.datagrams; i++, datagram = datagram->next)
    end = add_pieces(start, end, datagram);
  message->msg_iov = start;
  message->msg_iovlen = (size_t)(end - start);
  departure->iov_count += (unsigned)message->msg_iovlen;
  return datagram;
}

/* Adds a run to the departure; returns the datagram after it. */
static const struct dgram__datagram *add_run(struct departure *departure, struct dgram__run run,
                                             const struct dgram__datagram *datagram) {
  struct msghdr *message = &departure->headers[departure->runs].msg_hdr;
  const struct dgram__datagram *next = datagram->next;
  *message = (struct msghdr){.msg_name = (void *)&datagram->to,
                             .msg_namelen = dgram__address_length(&datagram->to),
                             .msg_iov = (struct iovec *)datagram->iov,
                             .msg_iovlen = datagram->iov_count};
  if (run.datagrams > 1)
    next = join(departure, message, run, datagram);
  departure->datagrams[departure->runs++] = run.datagrams;
  return next;
}

static void plan(struct departure *departure, const struct dgram__limits *limits, unsigned most,
                 const struct dgram__datagram *next, unsigned left) {
  departure->runs = 0;
  departure->iov_count = 0;
  struct dgram__run run = dgram__batch_run(next, left, limits);
  do { /* the first always fits: no datagram has more pieces than a message may */
    next = add_run(departure, run, next);
    left -= run.datagrams;
    if (left == 0 || departure->runs == most)
      break;
    run = dgram__batch_run(next, left, limits);
  } while (departure->iov_count + run.iov_count <= MOST_IOV);
}

/* Returns the number of runs that left, or the error of the first. */
static int depart(int fd, struct departure *departure) {
  ssize_t sent;
  do {
    if (departure->runs == 1) /* the plain call is a little quicker for one */
      sent = sendmsg(fd, &departure->headers[0].msg_hdr, 0) >= 0 ? 1 : -1;
    else
      sent = sendmmsg(fd, departure->headers, departure->runs, 0);
  } while (sent < 0 && errno == EINTR);
  return sent >= 0 ? (int)sent : -errno;
}

/*
 * sendmmsg keeps an error to itself once something has left. On a connected socket that may be the
 * answer to an earlier datagram (ICMP), which the system tells but once; so for a while after a
 * call that was cut short every call has one run, and the next answer is not lost.
 */
static unsigned most_runs(struct dgram__path *path) {
  if (path->careful_calls == 0)
    return MOST_RUNS;
  path->careful_calls--;
  return 1;
}

static int send_planned(struct dgram__path *path, const struct dgram__limits *limits,
                        const struct dgram__datagram *first, unsigned count, bool *segmented) {
  struct departure departure;
  plan(&departure, limits, most_runs(path), first, count);
  *segmented = departure.datagrams[0] > 1;
  int runs = depart(path->fd, &departure);
  if (runs < 0)
    return runs;
  bool connected = first->to.any.sa_family == AF_UNSPEC;
  if (connected && (unsigned)runs < departure.runs)
    path->careful_calls = CAREFUL_CALLS;
  int datagrams = 0;
  for (unsigned i = 0; i < (unsigned)runs && i < departure.runs; i++)
    datagrams += (int)departure.datagrams[i];
  return datagrams;
}

/*
 * EIO: the device can't compute checksums. EINVAL, EMSGSIZE: a segment is over the way's MTU,
 * where the same datagram by itself would leave in fragments.
 */
static bool is_refusal(int err) {
  return err == UV_EIO || err == UV_EINVAL || err == UV_EMSGSIZE;
}

static int linux_send(struct dgram__path *path, const struct dgram__datagram *first,
                      unsigned count) {
  if (count == 1) { /* there is nothing to plan */
    int err = dgram__path_send_one(path, first);
    return err == 0 ? 1 : err;
  }
  bool segmented;
  if (path->gso_untried)
    try_gso(path);
  int sent = send_planned(path, &path->limits, first, count, &segmented);
  if (sent >= 0 || !segmented || !is_refusal(sent))
    return sent;

  /* Smaller segments may still pass where the size was the trouble. */
  struct dgram__limits lowered = path->limits;
  if (sent == UV_EIO)
    lowered.datagrams = 1;
  else
    lowered.segment = first->size - 1;
  sent = send_planned(path, &lowered, first, count, &segmented);
  if (sent > 0) /* so it was the segmentation, not the datagram */
    path->limits = lowered;
  return sent;
}

const struct dgram__datapath dgram__datapath_linux = {
    .name = "linux",
    .inbox_size = sizeof(struct linux_inbox),
    .inbox_init = linux_inbox_init,
    .open = linux_open,
    .adopt = linux_adopt,
    .recv = linux_recv,
    .send = linux_send,
    .take_error = dgram__path_take_error,
};

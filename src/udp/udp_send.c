/*
 * Many datagrams a system call: they are planned as runs, each a message of sendmmsg(2). The limits
 * say what a run may hold; without segmentation, one datagram.
 */
#include "cmsg.h"
#include "udp.h"
#include "mmsg.h"

enum {
  MOST_RUNS = 256,    /* messages of one call: what leads up to it is shared by as many */
  CAREFUL_CALLS = 16, /* after one that was cut short */
};

/* The sends of one system call. */
struct departure {
  unsigned runs;
  unsigned iov_count;
  unsigned datagrams[MOST_RUNS]; /* of each run */
  struct dgram__mmsghdr headers[MOST_RUNS];
  struct dgram__cmsg_out controls[MOST_RUNS];
  struct iovec iov[2 * (DGRAM__MAX_IOV + 1)]; /* half full, it has room for any run */
};

/*
 * Adds a datagram's pieces to those that end at `end`; returns the new end. A piece that begins
 * where the last one ends is joined to it: a program that fills its buffer from front to back gets
 * one piece for the whole run.
 */
static struct iovec *udp_send_add_pieces(struct iovec *end,
                                         const struct dgram__datagram *datagram) {
  for (uint32_t i = 0; i < datagram->iov_count; i++) {
    const struct iovec *piece = &datagram->iov[i];
    if ((char *)end[-1].iov_base + end[-1].iov_len == piece->iov_base)
      end[-1].iov_len += piece->iov_len;
    else
      *end++ = *piece;
  }
  return end;
}

/*
 * Fills the departure's last message with a run that has taken a second datagram, and now takes all
 * that it may. Returns the datagram after it.
 */
static const struct dgram__datagram *udp_send_join(struct departure *departure,
                                                   struct msghdr *message,
                                                   struct dgram__gso_batch *run,
                                                   const struct dgram__gso_limits *limits) {
  departure->iov[departure->iov_count++] = (struct iovec){0}; /* parts it from the run before */
  struct iovec *start = &departure->iov[departure->iov_count];
  struct iovec *end = udp_send_add_pieces(start, run->first);
  const struct dgram__datagram *next = run->first->next;
  do {
    end = udp_send_add_pieces(end, next);
    next = next->next;
  } while (dgram__gso_batch_add(run, next, limits));
  message->msg_iov = start;
  message->msg_iovlen = (size_t)(end - start);
  departure->iov_count += (unsigned)message->msg_iovlen;
  dgram__cmsg_set_segment(message, &departure->controls[departure->runs],
                          (uint16_t)run->first->size);
  return next;
}

/* What a run to the destination may hold, if segments were refused somewhere. */
static struct dgram__gso_limits udp_send_limits_to(const struct dgram__udp *udp,
                                                   const struct dgram__gso_limits *limits,
                                                   const union dgram__address *to) {
  struct dgram__gso_limits narrowed = *limits;
  uint32_t largest = dgram__gso_refusals_largest(udp->refusals, to, uv_hrtime());
  if (largest == 0)
    narrowed.datagrams = 1;
  else if (largest < narrowed.segment)
    narrowed.segment = largest;
  return narrowed;
}

/* Adds the longest run of the `left` datagrams to the departure; returns the datagram after it. */
static const struct dgram__datagram *udp_send_add_run(struct departure *departure,
                                                      const struct dgram__gso_limits *limits,
                                                      const struct dgram__datagram *first,
                                                      unsigned left) {
  struct msghdr *message = &departure->headers[departure->runs].msg_hdr;
  *message = (struct msghdr){.msg_name = (void *)&first->to,
                             .msg_namelen = dgram__address_length(&first->to),
                             .msg_iov = (struct iovec *)first->iov,
                             .msg_iovlen = first->iov_count};
  struct dgram__gso_batch run = dgram__gso_batch_begin(first, left, limits);
  const struct dgram__datagram *next = first->next;
  if (dgram__gso_batch_add(&run, next, limits))
    next = udp_send_join(departure, message, &run, limits);
  departure->datagrams[departure->runs++] = run.datagrams;
  return next;
}

static void udp_send_plan(struct departure *departure, const struct dgram__udp *udp,
                          const struct dgram__gso_limits *limits, unsigned most,
                          const struct dgram__datagram *next, unsigned left) {
  bool narrow = udp->refusals != NULL && limits->datagrams > 1;
  departure->runs = 0;
  departure->iov_count = 0;
  while (left > 0 && departure->runs < most && departure->iov_count <= DGRAM__MAX_IOV) {
    struct dgram__gso_limits narrowed;
    if (narrow)
      narrowed = udp_send_limits_to(udp, limits, &next->to);
    next = udp_send_add_run(departure, narrow ? &narrowed : limits, next, left);
    left -= departure->datagrams[departure->runs - 1];
  }
}

/*
 * sendmmsg keeps an error to itself once something has left. On a connected socket that may be the
 * answer to an earlier datagram (ICMP), which the system tells but once; so for a while after a
 * call that was cut short every call has one run, and the next answer is not lost.
 */
static unsigned udp_send_most_runs(struct dgram__udp *udp) {
  if (udp->careful_calls == 0)
    return MOST_RUNS;
  udp->careful_calls--;
  return 1;
}

static int udp_send_take_deferred_error(struct dgram__udp *udp) {
  int err = udp->deferred_error;
  udp->deferred_error = 0;
  return err;
}

int dgram__udp_send_one(struct dgram__udp *udp, const struct dgram__datagram *datagram) {
  if (udp->deferred_error != 0)
    return udp_send_take_deferred_error(udp);
  const struct msghdr message = {.msg_name = (void *)&datagram->to,
                                 .msg_namelen = dgram__address_length(&datagram->to),
                                 .msg_iov = (struct iovec *)datagram->iov,
                                 .msg_iovlen = datagram->iov_count};
  int err = dgram__send_message(udp->fd, &message);
  return err == 0 ? 1 : err;
}

int dgram__udp_send_batches(struct dgram__udp *udp, const struct dgram__gso_limits *limits,
                            const struct dgram__datagram *first, unsigned count) {
  struct departure departure;
  if (udp->deferred_error != 0)
    return udp_send_take_deferred_error(udp);
  udp_send_plan(&departure, udp, limits, udp_send_most_runs(udp), first, count);
  int runs = dgram__send_messages(udp, departure.headers, departure.runs);
  if (runs < 0)
    return runs;
  bool connected = first->to.any.sa_family == AF_UNSPEC;
  if (connected && (unsigned)runs < departure.runs)
    udp->careful_calls = CAREFUL_CALLS;
  int datagrams = 0;
  for (unsigned i = 0; i < (unsigned)runs && i < departure.runs; i++)
    datagrams += (int)departure.datagrams[i];
  return datagrams;
}

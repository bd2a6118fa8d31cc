/*
 * Sends datagrams of a queue through one UDP descriptor, a prefix of the queue by each call:
 *
 *   udp_send_plan()             the queue as messages: each is a GSO batch within the limits, or,
 *                               without GSO, one datagram
 *   dgram__udp_send_messages()  sendmmsg(2), or its shim: sendmsg(2) of the first message
 *   udp_send_batch()            both; how many datagrams have left
 *   udp_send_without_refused()  a segmented message was refused: again, with smaller segments or
 *                               none; what the destination refuses is remembered for a while
 *   dgram__udp_send()           one datagram by itself; several by the steps above
 */
#include "udp_send.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/utsname.h>

enum {
  MAX_BYTES = 65507, /* of a segmented message: 65,535 less the headers of IP and UDP */
  MAX_BATCH_IOV = 2 * (DGRAM__MAX_IOV + 1), /* half full, it has room for any message */
};

struct dgram__tx_batch {
  unsigned count; /* messages */
  unsigned iov_count;
  unsigned datagrams[DGRAM__MAX_TX_BATCH]; /* of each message */
  struct dgram__mmsghdr messages[DGRAM__MAX_TX_BATCH];
  struct dgram__cmsg_out cmsgs[DGRAM__MAX_TX_BATCH];
  struct iovec iov[MAX_BATCH_IOV];
};

static inline void udp_send_address(struct msghdr *message,
                                    const struct dgram__datagram *datagram) {
  *message = (struct msghdr){.msg_name = (void *)&datagram->to,
                             .msg_namelen = dgram__address_length(&datagram->to),
                             .msg_iov = (struct iovec *)datagram->iov,
                             .msg_iovlen = datagram->iov_count};
}

/* ---- the queue as messages ---- */

/*
 * Adds a datagram's iov to those that end at `end`; returns the new end. One that begins where the
 * last one ends is joined to it: a program that fills its buffer from front to back gets one iovec
 * for the whole message. (Compared as numbers: C has no NULL + 0, which is in the iovec in front of
 * the first.)
 */
static struct iovec *udp_send_add_iov(struct iovec *end, const struct dgram__datagram *datagram) {
  for (uint32_t i = 0; i < datagram->iov_count; i++) {
    const struct iovec *iov = &datagram->iov[i];
    if ((uintptr_t)end[-1].iov_base + end[-1].iov_len == (uintptr_t)iov->iov_base)
      end[-1].iov_len += iov->iov_len;
    else
      *end++ = *iov;
  }
  return end;
}

/*
 * Fills the last message with a GSO batch that has taken a second datagram, and now takes all that
 * it may. Returns the datagram after it.
 */
static const struct dgram__datagram *udp_send_join(struct dgram__tx_batch *batch,
                                                   struct dgram__gso_batch *gso,
                                                   const struct dgram__gso_limits *limits) {
  struct msghdr *message = &batch->messages[batch->count].msg_hdr;
  batch->iov[batch->iov_count++] = (struct iovec){0}; /* nothing is joined to the message before */
  struct iovec *start = &batch->iov[batch->iov_count];
  struct iovec *end = udp_send_add_iov(start, gso->first);
  const struct dgram__datagram *next = gso->first->next;
  do {
    end = udp_send_add_iov(end, next);
    next = next->next;
  } while (dgram__gso_batch_add(gso, next, limits));
  message->msg_iov = start;
  message->msg_iovlen = (unsigned)(end - start);
  batch->iov_count += (unsigned)message->msg_iovlen;
  assert(message->msg_iovlen <= DGRAM__MAX_IOV && batch->iov_count <= MAX_BATCH_IOV);
  dgram__cmsg_set_segment(message, &batch->cmsgs[batch->count], (uint16_t)gso->first->size);
  return next;
}

/* Adds a message of as many of the `left` datagrams as it may have; returns the one after it. */
static const struct dgram__datagram *udp_send_add_message(struct dgram__tx_batch *batch,
                                                          const struct dgram__gso_limits *limits,
                                                          const struct dgram__datagram *first,
                                                          unsigned left) {
  udp_send_address(&batch->messages[batch->count].msg_hdr, first);
  struct dgram__gso_batch gso = dgram__gso_batch_begin(first, left, limits);
  const struct dgram__datagram *next = first->next;
  if (dgram__gso_batch_add(&gso, next, limits))
    next = udp_send_join(batch, &gso, limits);
  batch->datagrams[batch->count++] = gso.datagrams;
  return next;
}

struct dgram__gso_limits dgram__udp_gso_limits_to(const struct dgram__udp *udp,
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

static void udp_send_plan(struct dgram__tx_batch *batch, const struct dgram__udp *udp,
                          const struct dgram__gso_limits *limits, unsigned most,
                          const struct dgram__datagram *next, unsigned left) {
  bool narrow = udp->refusals != NULL && limits->datagrams > 1;
  assert(left >= 1 && most >= 1 && most <= DGRAM__MAX_TX_BATCH);
  batch->count = 0;
  batch->iov_count = 0;
  while (left > 0 && batch->count < most && batch->iov_count <= DGRAM__MAX_IOV) {
    struct dgram__gso_limits narrowed;
    if (narrow)
      narrowed = dgram__udp_gso_limits_to(udp, limits, &next->to);
    next = udp_send_add_message(batch, narrow ? &narrowed : limits, next, left);
    left -= batch->datagrams[batch->count - 1];
  }
}

/* ---- the messages into the kernel ---- */

static int udp_send_message(const struct dgram__udp *udp, const struct msghdr *message) {
  ssize_t sent;
  udp->counters->send_calls++;
  do
    sent = sendmsg(udp->fd, message, MSG_DONTWAIT);
  while (sent < 0 && errno == EINTR);
  return sent >= 0 ? 1 : -errno;
}

int dgram__udp_send_messages(struct dgram__udp *udp, struct dgram__mmsghdr *messages,
                             unsigned count) {
#if DGRAM__HAS_SENDMMSG
  if (count > 1) { /* the plain call is a little quicker for one */
    int sent;
    udp->counters->send_calls++;
    do
      sent = (int)dgram__sendmmsg(udp->fd, messages, count, MSG_DONTWAIT);
    while (sent < 0 && errno == EINTR);
    if (sent >= 0)
      return sent;
    int err = -errno;
    if (!DGRAM__IS_CALL_REFUSED(dgram__sendmmsg(udp->fd, messages, 0, MSG_DONTWAIT)))
      return err;
    udp->capabilities.max_tx_batch = 1;
  }
#else
  (void)count;
#endif
  return udp_send_message(udp, &messages[0].msg_hdr);
}

/* The first `messages` have left, and some of them were segmented. */
static void udp_send_count_segmented(struct dgram__counters *counters,
                                     const struct dgram__tx_batch *batch, unsigned messages) {
  for (unsigned i = 0; i < messages; i++)
    if (batch->datagrams[i] > 1) {
      counters->gso_batches++;
      counters->gso_datagrams += batch->datagrams[i];
    }
}

static int udp_send_batch(struct dgram__udp *udp, struct dgram__tx_batch *batch,
                          const struct dgram__gso_limits *limits,
                          const struct dgram__datagram *first, unsigned count) {
  udp_send_plan(batch, udp, limits, dgram__udp_take_most(udp), first, count);
  int messages = dgram__udp_send_messages(udp, batch->messages, batch->count);
  if (messages < 0)
    return messages;
  assert(messages >= 1 && (unsigned)messages <= batch->count);
  bool connected = first->to.any.sa_family == AF_UNSPEC;
  if (connected && (unsigned)messages < batch->count)
    udp->single_message_calls = DGRAM__SINGLE_MESSAGE_CALLS;
  unsigned sent = 0;
  for (int i = 0; i < messages; i++)
    sent += batch->datagrams[i];
  assert(sent >= 1 && sent <= count);
  if (sent > (unsigned)messages)
    udp_send_count_segmented(udp->counters, batch, (unsigned)messages);
  return (int)sent;
}

/* ---- segmentation that is missing or refused ---- */

static void udp_send_probe_gso(struct dgram__udp *udp) {
  int segment;
  socklen_t length = sizeof segment;
  struct utsname kernel;
  dgram__offload_set(&udp->gso, getsockopt(udp->fd, SOL_UDP, UDP_SEGMENT, &segment, &length) == 0 &&
                                    uname(&kernel) == 0 &&
                                    !dgram__gso_kernel_corrupts(kernel.release));
}

struct dgram__gso_limits dgram__udp_gso_limits(struct dgram__udp *udp) {
  if (udp->gso == DGRAM__OFFLOAD_UNPROBED)
    udp_send_probe_gso(udp);
  return (struct dgram__gso_limits){
      .datagrams = udp->gso == DGRAM__OFFLOAD_ON ? udp->capabilities.max_segments : 1,
      .segment = UINT16_MAX,
      .bytes = MAX_BYTES,
      .iov_count = DGRAM__MAX_IOV};
}

void dgram__udp_gso_refused(struct dgram__udp *udp, const union dgram__address *to,
                            uint32_t largest) {
  if (udp->refusals == NULL)
    udp->refusals = calloc(1, sizeof *udp->refusals);
  if (udp->refusals != NULL)
    dgram__gso_refusals_add(udp->refusals, to, largest, uv_hrtime());
}

/* Whether the error may be that of a segmented first message. */
static bool udp_send_is_refusal(int err, const struct dgram__gso_limits *limits,
                                const struct dgram__datagram *first, unsigned count) {
  if (!dgram__udp_is_refusal(err))
    return false;
  struct dgram__gso_batch gso = dgram__gso_batch_begin(first, count, limits);
  return dgram__gso_batch_add(&gso, first->next, limits);
}

/*
 * Sends without what was refused. Smaller segments may still pass where the size was the trouble.
 * If the first datagram leaves now, it was the segmentation that was refused, not the datagram, and
 * that is remembered; without memory for it, the next segmented send is refused once more.
 */
static int udp_send_without_refused(struct dgram__udp *udp, struct dgram__tx_batch *batch,
                                    struct dgram__gso_limits *limits, int refusal,
                                    const struct dgram__datagram *first, unsigned count) {
  uint32_t largest = refusal != UV_EIO ? (uint32_t)first->size - 1 : 0;
  if (largest == 0)
    limits->datagrams = 1;
  else
    limits->segment = largest; /* the first datagram was at most as large as the limit */
  int sent = udp_send_batch(udp, batch, limits, first, count);
  if (sent > 0)
    dgram__udp_gso_refused(udp, &first->to, largest);
  return sent;
}

/* Apart from the single datagram, which would else save its registers. */
__attribute__((noinline)) static int udp_send_several(struct dgram__udp *udp,
                                                      struct dgram__tx_batch *batch,
                                                      const struct dgram__datagram *first,
                                                      unsigned count) {
  struct dgram__gso_limits limits = dgram__udp_gso_limits(udp);
  int sent = udp_send_batch(udp, batch, &limits, first, count);
  if (sent < 0 && udp_send_is_refusal(sent, &limits, first, count))
    sent = udp_send_without_refused(udp, batch, &limits, sent, first, count);
  return sent;
}

int dgram__udp_send(struct dgram__udp *udp, struct dgram__tx_batch **batch,
                    const struct dgram__datagram *first, unsigned count) {
  if (dgram__udp_is_simulated(udp)) {
    udp->counters->send_calls++;
    return udp->endpoint->ops->send(udp->endpoint, first, count);
  }
  if (count > 1 && *batch == NULL)
    *batch = malloc(sizeof **batch);
  if (count > 1 && *batch != NULL)
    return udp_send_several(udp, *batch, first, count);
  struct msghdr message; /* there is nothing to plan */
  udp_send_address(&message, first);
  return udp_send_message(udp, &message);
}

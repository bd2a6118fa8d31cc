/*
 * Sends datagrams of a queue of which some have options (tx_options.h): as udp_send.c does, by
 * steps of its own, so that datagrams without options pay nothing for them.
 *
 *   options_plan()              the queue as messages: each is a GSO batch of datagrams with equal
 *                               options; or a part of a datagram that leaves as segments; or one
 *                               datagram. All messages of a call have one mode of fragmentation
 *   options_send_messages()     the call; IPv4 has no control message for "don't fragment", so the
 *                               socket's mode is changed around it
 *   options_send_planned()      both; what has left
 *   dgram__udp_send_with()      ... and again, with what was refused left out
 */
#include "udp_send.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

enum {
  OPTIONS_MESSAGES = 64,                 /* of one call */
  OPTIONS_IOV = 2 * (DGRAM__MAX_IOV + 1) /* half full, it has room for any message */
};

/* IP_MTU_DISCOVER or IPV6_MTU_DISCOVER while a call is made. */
struct mtu_mode {
  int level;
  int name; /* 0: the socket's own mode */
  int value;
};

struct planned_message {
  struct dgram__datagram *first;
  unsigned completed; /* datagrams that have left with it */
  size_t part;        /* bytes of `first`, which leaves as several; 0: it does not */
  uint16_t segment;   /* 0: it is not segmented */
};

struct dgram__options_batch {
  unsigned count; /* messages */
  unsigned iov_count;
  struct mtu_mode mode;
  struct planned_message planned[OPTIONS_MESSAGES];
  struct dgram__mmsghdr messages[OPTIONS_MESSAGES];
  struct dgram__cmsg_options controls[OPTIONS_MESSAGES];
  struct iovec iov[OPTIONS_IOV];
};

struct dgram__options_batch *dgram__options_batch_new(void) {
  return malloc(sizeof(struct dgram__options_batch));
}

/* ---- the queue as messages ---- */

/* Where the plan is in the queue. */
struct plan_cursor {
  struct dgram__datagram *datagram;
  size_t sent; /* bytes of it in messages already */
  unsigned left;
};

static size_t options_sent(const struct dgram__datagram *datagram) {
  return datagram->options != NULL ? datagram->options->sent : 0;
}

static void options_move_on(struct plan_cursor *cursor, unsigned datagrams) {
  cursor->left -= datagrams;
  for (unsigned i = 0; i < datagrams; i++)
    cursor->datagram = cursor->datagram->next;
  cursor->sent = cursor->left > 0 ? options_sent(cursor->datagram) : 0;
}

/* The mode that the datagram needs. IPv6 has a control message to forbid fragments. */
static struct mtu_mode options_mtu_mode(const struct dgram__tx_options *options,
                                        const union dgram__address *to) {
  struct mtu_mode mode = {.name = 0};
#if DGRAM__HAS_TX_CMSGS
  if (options == NULL || options->dont_fragment < 0)
    return mode;
  if (dgram__tx_options_is_ipv4(to))
    mode = (struct mtu_mode){IPPROTO_IP, IP_MTU_DISCOVER,
                             options->dont_fragment ? IP_PMTUDISC_DO : IP_PMTUDISC_DONT};
  else if (!options->dont_fragment)
    mode = (struct mtu_mode){IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DONT};
#else
  (void)options, (void)to;
#endif
  return mode;
}

/* Appends the bytes from `at` on of the datagram to the last message. */
static void options_add_slice(struct dgram__options_batch *batch,
                              const struct dgram__datagram *datagram, size_t at, size_t bytes) {
  struct msghdr *message = &batch->messages[batch->count].msg_hdr;
  for (const struct iovec *iov = datagram->iov; bytes > 0; iov++) {
    if (at >= iov->iov_len) {
      at -= iov->iov_len;
      continue;
    }
    size_t length = iov->iov_len - at < bytes ? iov->iov_len - at : bytes;
    assert(batch->iov_count < OPTIONS_IOV);
    batch->iov[batch->iov_count++] = (struct iovec){(char *)iov->iov_base + at, length};
    message->msg_iovlen++;
    bytes -= length;
    at = 0;
  }
}

/* Whether the datagram is to leave as several. */
static bool options_is_in_parts(const struct dgram__datagram *datagram) {
  return datagram->options != NULL && datagram->options->segment_size > 0 &&
         datagram->size > datagram->options->segment_size;
}

/* The next part: one segment, or with GSO as many as a message may have. */
static void options_plan_part(struct dgram__options_batch *batch, struct plan_cursor *cursor,
                              const struct dgram__gso_limits *limits) {
  struct planned_message *planned = &batch->planned[batch->count];
  size_t segment = cursor->datagram->options->segment_size;
  size_t left = cursor->datagram->size - cursor->sent;
  size_t most = segment <= limits->segment ? limits->bytes / segment : 1;
  if (most > limits->datagrams)
    most = limits->datagrams;
  size_t part = most > 1 ? most * segment : segment;
  if (part > left)
    part = left;
  planned->part = part;
  planned->segment = part > segment ? (uint16_t)segment : 0;
  options_add_slice(batch, cursor->datagram, cursor->sent, part);
  cursor->sent += part;
  planned->completed = cursor->sent == cursor->datagram->size;
  if (planned->completed)
    options_move_on(cursor, 1);
}

/* One datagram, and those behind it that can share its message. */
static void options_plan_whole(struct dgram__options_batch *batch, struct plan_cursor *cursor,
                               const struct dgram__gso_limits *limits) {
  struct planned_message *planned = &batch->planned[batch->count];
  struct msghdr *message = &batch->messages[batch->count].msg_hdr;
  struct dgram__datagram *first = cursor->datagram;
  struct dgram__gso_batch gso = dgram__gso_batch_begin(first, cursor->left, limits);
  const struct dgram__datagram *next = first->next;
  while (gso.datagrams < gso.most && !options_is_in_parts(next) &&
         dgram__tx_options_equal(first->options, next->options) &&
         dgram__gso_batch_add(&gso, next, limits))
    next = next->next;
  planned->completed = gso.datagrams;
  if (gso.datagrams == 1) { /* its size may be more than its iov has, and too much to send */
    message->msg_iov = (struct iovec *)first->iov;
    message->msg_iovlen = first->iov_count;
  } else {
    planned->segment = (uint16_t)first->size;
    for (const struct dgram__datagram *joined = first; joined != next; joined = joined->next)
      options_add_slice(batch, joined, 0, joined->size);
  }
  options_move_on(cursor, gso.datagrams);
}

static const union dgram__address *options_destination(const struct dgram__datagram *datagram,
                                                       const union dgram__address *peer) {
  return datagram->to.any.sa_family == AF_UNSPEC ? peer : &datagram->to;
}

static void options_plan_message(struct dgram__options_batch *batch, struct plan_cursor *cursor,
                                 const struct dgram__gso_limits *limits,
                                 const union dgram__address *to) {
  struct planned_message *planned = &batch->planned[batch->count];
  struct msghdr *message = &batch->messages[batch->count].msg_hdr;
  struct dgram__datagram *first = cursor->datagram;
  *planned = (struct planned_message){.first = first};
  *message = (struct msghdr){.msg_name = &first->to,
                             .msg_namelen = dgram__address_length(&first->to),
                             .msg_iov = &batch->iov[batch->iov_count]};
  if (options_is_in_parts(first))
    options_plan_part(batch, cursor, limits);
  else
    options_plan_whole(batch, cursor, limits);
  assert(message->msg_iovlen <= DGRAM__MAX_IOV);
  dgram__tx_options_write(message, &batch->controls[batch->count], first->options, to,
                          planned->segment);
  batch->count++;
}

static void options_plan(struct dgram__options_batch *batch, const struct dgram__udp *udp,
                         const struct dgram__gso_limits *limits, unsigned most,
                         const union dgram__address *peer, struct dgram__datagram *first,
                         unsigned count) {
  struct plan_cursor cursor = {first, options_sent(first), count};
  batch->count = 0;
  batch->iov_count = 0;
  batch->mode = options_mtu_mode(first->options, options_destination(first, peer));
  while (cursor.left > 0 && batch->count < most && batch->count < OPTIONS_MESSAGES &&
         batch->iov_count <= DGRAM__MAX_IOV) {
    const union dgram__address *to = options_destination(cursor.datagram, peer);
    struct mtu_mode mode = options_mtu_mode(cursor.datagram->options, to);
    if (mode.name != batch->mode.name || mode.value != batch->mode.value)
      break;
    struct dgram__gso_limits narrowed = *limits;
    if (udp->refusals != NULL && limits->datagrams > 1)
      narrowed = dgram__udp_gso_limits_to(udp, limits, &cursor.datagram->to);
    options_plan_message(batch, &cursor, &narrowed, to);
  }
}

/* ---- the messages into the kernel ---- */

/*
 * Whatever the call returns, the socket has its own mode again afterwards. (Another process that
 * has the system socket, too, may send within that time.)
 */
static int options_send_messages(struct dgram__udp *udp, struct dgram__options_batch *batch) {
  const struct mtu_mode *mode = &batch->mode;
  int own = 0;
  socklen_t length = sizeof own;
  if (mode->name == 0)
    return dgram__udp_send_messages(udp, batch->messages, batch->count);
  if (getsockopt(udp->fd, mode->level, mode->name, &own, &length) != 0 ||
      (own != mode->value &&
       setsockopt(udp->fd, mode->level, mode->name, &mode->value, sizeof mode->value) != 0))
    return -errno;
  int sent = dgram__udp_send_messages(udp, batch->messages, batch->count);
  if (own != mode->value)
    (void)setsockopt(udp->fd, mode->level, mode->name, &own, sizeof own); /* valid: it was set */
  return sent;
}

static void options_count_segmented(struct dgram__counters *counters,
                                    const struct planned_message *planned) {
  size_t segments = planned->completed;
  if (planned->part > 0)
    segments = (planned->part + planned->segment - 1) / planned->segment;
  counters->gso_batches++;
  counters->gso_datagrams += segments;
}

static int options_send_planned(struct dgram__udp *udp, struct dgram__options_batch *batch,
                                const struct dgram__gso_limits *limits,
                                const union dgram__address *peer, struct dgram__datagram *first,
                                unsigned count) {
  options_plan(batch, udp, limits, dgram__udp_take_most(udp), peer, first, count);
  int messages = options_send_messages(udp, batch);
  if (messages < 0)
    return messages;
  assert(messages >= 1 && (unsigned)messages <= batch->count);
  if (first->to.any.sa_family == AF_UNSPEC && (unsigned)messages < batch->count)
    udp->single_message_calls = DGRAM__SINGLE_MESSAGE_CALLS;
  unsigned completed = 0;
  for (int i = 0; i < messages; i++) {
    const struct planned_message *planned = &batch->planned[i];
    completed += planned->completed;
    if (planned->segment > 0)
      options_count_segmented(udp->counters, planned);
    if (planned->part > 0)
      planned->first->options->sent += planned->part;
  }
  assert(completed <= count);
  return (int)completed;
}

/* ---- a network in memory ---- */

/* It takes whole datagrams: those up to one that leaves in parts, or one such part. */
static int options_send_simulated(struct dgram__udp *udp, struct dgram__options_batch *batch,
                                  struct dgram__datagram *first, unsigned count) {
  struct dgram__endpoint *endpoint = udp->endpoint;
  unsigned whole = 0;
  const struct dgram__datagram *next = first;
  for (; whole < count && !options_is_in_parts(next); whole++)
    next = next->next;
  if (whole > 0)
    return endpoint->ops->send(endpoint, first, whole);
  size_t left = first->size - first->options->sent;
  struct dgram__datagram part = *first;
  part.size = left < first->options->segment_size ? left : first->options->segment_size;
  batch->count = batch->iov_count = 0;
  batch->messages[0].msg_hdr.msg_iovlen = 0;
  options_add_slice(batch, first, first->options->sent, part.size);
  part.iov = batch->iov;
  part.iov_count = batch->iov_count;
  int sent = endpoint->ops->send(endpoint, &part, 1);
  if (sent < 0)
    return sent;
  first->options->sent += part.size;
  return first->options->sent == first->size;
}

/* ---- all of it ---- */

int dgram__udp_send_with(struct dgram__udp *udp, struct dgram__options_batch *batch,
                         const union dgram__address *peer, struct dgram__datagram *first,
                         unsigned count) {
  if (dgram__udp_is_simulated(udp)) {
    udp->counters->send_calls++;
    return options_send_simulated(udp, batch, first, count);
  }
  struct dgram__gso_limits limits = dgram__udp_gso_limits(udp);
  int sent = options_send_planned(udp, batch, &limits, peer, first, count);
  uint16_t segment = batch->planned[0].segment;
  if (sent >= 0 || segment == 0 || !dgram__udp_is_refusal(sent))
    return sent;
  uint32_t largest = sent != UV_EIO ? (uint32_t)segment - 1 : 0;
  if (largest == 0)
    limits.datagrams = 1;
  else
    limits.segment = largest;
  sent = options_send_planned(udp, batch, &limits, peer, first, count);
  if (sent >= 0)
    dgram__udp_gso_refused(udp, &first->to, largest);
  return sent;
}

/*
 * Receives what has come to one UDP descriptor, into a loop's buffers:
 *
 *   udp_recv_messages()   recvmmsg(2), or its shim: recvmsg(2) until nothing is left
 *   udp_recv_infos()      what the socket's program wants to know of each buffer
 *   udp_recv_segment()    whether GRO has joined datagrams in a buffer, and of which size they are
 *   udp_recv_probe_gro()  several have come at a time for the first time: the kernel may join them
 */
#include "udp.h"

#include <errno.h>

#include "descriptor.h"

/* Returns how many messages were filled, or an error. One behind a message is in `behind`. */
static int udp_recv_one_by_one(const struct dgram__udp *udp, struct dgram__mmsghdr messages[],
                               unsigned count, int *behind) {
  for (unsigned i = 0; i < count; i++) {
    ssize_t size;
    udp->counters->receive_calls++;
    do
      size = recvmsg(udp->fd, &messages[i].msg_hdr, MSG_DONTWAIT);
    while (size < 0 && errno == EINTR);
    if (size < 0 && i == 0)
      return -errno;
    if (size < 0) {
      *behind = errno != EAGAIN ? -errno : 0;
      return (int)i;
    }
    messages[i].msg_len = (unsigned)size;
  }
  return (int)count;
}

/* The same by one system call, where there is one. */
static int udp_recv_messages(struct dgram__udp *udp, struct dgram__mmsghdr messages[],
                             unsigned count, int *behind) {
#if DGRAM__HAS_RECVMMSG
  if (count > 1 && udp->capabilities.max_rx_batch > 1) {
    int received;
    udp->counters->receive_calls++;
    do
      received = recvmmsg(udp->fd, messages, count, MSG_DONTWAIT, NULL);
    while (received < 0 && errno == EINTR);
    if (received >= 0)
      return received;
    int err = -errno;
    if (!DGRAM__IS_CALL_REFUSED(recvmmsg(udp->fd, messages, 0, MSG_DONTWAIT, NULL)))
      return err;
    udp->capabilities.max_rx_batch = 1;
  }
#endif
  return udp_recv_one_by_one(udp, messages, count, behind);
}

/*
 * Reads the infos of the filled buffers, or if this socket wants none removes what an earlier call
 * for another socket has left. The port is asked for each time: connect(2) may change it.
 */
__attribute__((noinline)) static void
udp_recv_infos(const struct dgram__udp *udp, struct dgram__rx_buffers *buffers, unsigned filled) {
  if (udp->info == 0) {
    for (unsigned i = 0; i < buffers->infos; i++)
      buffers->all[i].info.asked = 0;
    buffers->infos = 0;
    return;
  }
  union dgram__address own;
  bool named = (udp->info & DGRAM_INFO_DESTINATION) != 0 && dgram__udp_name(udp, false, &own) == 0;
  for (unsigned i = 0; i < filled; i++) {
    struct dgram__rx_buffer *buffer = &buffers->all[i];
    dgram__rx_info_read(&buffer->info, &buffers->messages[i].msg_hdr, udp->info,
                        buffer->from.any.sa_family, named ? dgram__address_port(&own) : 0);
  }
  if (buffers->infos < filled)
    buffers->infos = filled;
}

/*
 * Whether what was received may have been joined. The kernel is asked each time: whoever shares the
 * system socket may have set UDP_GRO. Kernels before 5.8 cannot be asked.
 */
static bool udp_recv_may_be_joined(int fd) {
#ifdef __linux__
  int on = 1;
  socklen_t length = sizeof on;
  int protocol = dgram__descriptor_option(fd, SOL_SOCKET, SO_PROTOCOL); /* 0: it is refused */
  return (protocol == IPPROTO_UDP || protocol == 0) &&
         (getsockopt(fd, SOL_UDP, UDP_GRO, &on, &length) != 0 || on != 0);
#else
  (void)fd;
  return false;
#endif
}

/*
 * The `segment` of a buffer, by its control messages. If some were cut off, and what is in the
 * buffer may be many datagrams, it is lost: UV_EMSGSIZE.
 */
static int udp_recv_segment(int fd, const struct msghdr *message) {
  int segment = dgram__cmsg_segment(message);
  return segment >= 0 || udp_recv_may_be_joined(fd) ? segment : 0;
}

/*
 * The system's first socket with UDP_GRO costs it 0.3 ms, and its closing the same: the kernel
 * patches its code.
 */
static void udp_recv_probe_gro(struct dgram__udp *udp) {
  int on = 1;
  dgram__offload_set(&udp->gro, setsockopt(udp->fd, SOL_UDP, UDP_GRO, &on, sizeof on) == 0);
}

/* The kernel overwrites the lengths of the messages that it fills, and sets their flags. */
static void udp_recv_reset(struct msghdr *message) {
  message->msg_namelen = sizeof(union dgram__address);
  message->msg_controllen = sizeof(struct dgram__cmsg_in);
}

void dgram__rx_buffers_init(struct dgram__rx_buffers *buffers) {
  for (int i = 0; i < DGRAM__RX_BUFFERS; i++) {
    struct msghdr *message = &buffers->messages[i].msg_hdr;
    buffers->iov[i] =
        (struct iovec){.iov_base = buffers->all[i].data, .iov_len = DGRAM__RX_BUFFER_SIZE};
    *message = (struct msghdr){.msg_name = &buffers->all[i].from,
                               .msg_iov = &buffers->iov[i],
                               .msg_iovlen = 1,
                               .msg_control = buffers->cmsgs[i].bytes};
    udp_recv_reset(message);
  }
}

/* The datagrams of a buffer beyond one, by its segment size. */
static inline int udp_recv_count_more(const struct dgram__rx_buffer *buffer) {
  return buffer->segment > 0 ? ((int)buffer->size - 1) / buffer->segment : 0;
}

static void udp_recv_count_truncated(struct dgram__counters *counters,
                                     const struct dgram__rx_buffers *buffers, int filled) {
  for (int i = 0; i < filled; i++)
    counters->truncated += (buffers->messages[i].msg_hdr.msg_flags & MSG_TRUNC) != 0;
}

/* Joins nothing, and cuts nothing off. */
static int udp_recv_simulated(struct dgram__udp *udp, struct dgram__rx_buffers *buffers,
                              unsigned most) {
  udp_recv_infos(udp, buffers, 0);
  int filled = udp->endpoint->ops->recv(udp->endpoint, buffers, most);
  udp->counters->receive_calls++;
  if (udp->info != 0 && filled > 0 && buffers->infos < (unsigned)filled)
    buffers->infos = (unsigned)filled;
  for (int i = 0; i < filled; i++) {
    udp->counters->datagrams_in++;
    udp->counters->bytes_in += buffers->all[i].size;
  }
  return filled;
}

int dgram__udp_recv(struct dgram__udp *udp, struct dgram__rx_buffers *buffers, unsigned most) {
  assert(most >= 1 && most <= DGRAM__RX_BUFFERS);
  if (dgram__udp_is_simulated(udp))
    return udp_recv_simulated(udp, buffers, most);
  int behind = 0;
  int filled = udp_recv_messages(udp, buffers->messages, most, &behind);
  if (filled < 0)
    return filled != UV_EAGAIN ? filled : 0;
  if ((udp->info | buffers->infos) != 0)
    udp_recv_infos(udp, buffers, (unsigned)filled);
  size_t bytes = 0;
  int datagrams = filled;
  int joined = 0; /* buffers with several */
  for (int i = 0; i < filled; i++) {
    struct msghdr *message = &buffers->messages[i].msg_hdr;
    struct dgram__rx_buffer *buffer = &buffers->all[i];
    dgram__address_trim(&buffer->from, message->msg_namelen);
    buffer->size = buffers->messages[i].msg_len;
    bytes += buffer->size;
    buffer->segment = 0;
    if (message->msg_controllen > 0) {
      buffer->segment = udp_recv_segment(udp->fd, message);
      int more = udp_recv_count_more(buffer);
      datagrams += more;
      joined += more > 0;
    }
    udp_recv_reset(message);
  }
  struct dgram__counters *counters = udp->counters;
  counters->datagrams_in += (unsigned)datagrams;
  counters->bytes_in += bytes;
  counters->gro_buffers += (unsigned)joined;
  counters->gro_datagrams += (unsigned)(datagrams - filled + joined);
  if (bytes >= DGRAM__RX_BUFFER_SIZE) /* one that is cut off fills its buffer */
    udp_recv_count_truncated(counters, buffers, filled);
  if (behind != 0) {
    buffers->all[filled].size = 0;
    buffers->all[filled++].segment = behind;
  }
  assert((unsigned)filled <= most);
  if (filled > 1 && udp->gro == DGRAM__OFFLOAD_UNPROBED)
    udp_recv_probe_gro(udp);
  return filled;
}

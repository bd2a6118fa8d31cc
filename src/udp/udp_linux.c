/*
 * The Linux datapath: many datagrams a system call (recvmmsg, sendmmsg), and many a buffer where
 * the kernel cuts and joins them (UDP_SEGMENT, UDP_GRO; udp(7)). What the kernel or a device
 * refuses is noticed at run time and done the plain way.
 */
#include "udp.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <sys/utsname.h>

#include "udp_recv.h"
#include "cmsg.h"

enum {
  MOST_SEGMENTS = 64, /* UDP_MAX_SEGMENTS of the kernels before 6.9 */
  MOST_BYTES = 65507, /* of a segmented send: 65,535 less the headers of IP and UDP */
};

static bool udp_linux_kernel_can_segment(int fd) {
  int segment;
  socklen_t length = sizeof segment;
  struct utsname kernel;
  return getsockopt(fd, SOL_UDP, UDP_SEGMENT, &segment, &length) == 0 && uname(&kernel) == 0 &&
         !dgram__gso_kernel_corrupts(kernel.release);
}

/* Nothing is asked of the kernel yet: a socket that lives for a question and an answer is cheap. */
static void udp_linux_linux_adopt(struct dgram__udp *udp, bool gso, bool gro) {
  *udp = (struct dgram__udp){.fd = udp->fd};
  udp->gso_untried = gso;
  udp->gro_untried = gro;
  udp->limits = (struct dgram__gso_limits){
      .datagrams = 1, .segment = UINT16_MAX, .bytes = MOST_BYTES, .iov_count = DGRAM__MAX_IOV};
}

static void udp_linux_try_gso(struct dgram__udp *udp) {
  udp->gso_untried = false;
  if (udp_linux_kernel_can_segment(udp->fd))
    udp->limits.datagrams = MOST_SEGMENTS;
}

/*
 * The system's first socket that wants datagrams joined costs it 0.3 ms, and its going the same:
 * it patches its code. A kernel that can't join them delivers them one by one.
 */
static void udp_linux_try_gro(struct dgram__udp *udp) {
  int on = 1;
  udp->gro_untried = false;
  setsockopt(udp->fd, SOL_UDP, UDP_GRO, &on, sizeof on);
}

static int udp_linux_linux_open(struct dgram__udp *udp, const struct dgram__settings *settings) {
  int err = dgram__udp_open(udp, settings);
  if (err == 0)
    udp_linux_linux_adopt(udp, settings->gso, true);
  return err;
}

static int udp_linux_linux_recv(struct dgram__udp *udp, struct dgram__rx_buffers *inbox,
                                unsigned most) {
  int filled = dgram__rx_batch_recv(udp, inbox, most);
  if (filled > 1 && udp->gro_untried)
    udp_linux_try_gro(udp);
  return filled;
}

/*
 * EIO: the device can't compute checksums. EINVAL, EMSGSIZE: a segment is over the way's MTU,
 * where the same datagram by itself would leave in fragments.
 */
static bool udp_linux_is_refusal(int err) {
  return err == UV_EIO || err == UV_EINVAL || err == UV_EMSGSIZE;
}

/* Whether the first run was a segmented send. */
static bool udp_linux_is_segmented(const struct dgram__datagram *first, unsigned count,
                                   const struct dgram__gso_limits *limits) {
  struct dgram__gso_batch run = dgram__gso_batch_begin(first, count, limits);
  return dgram__gso_batch_add(&run, first->next, limits);
}

/* Without memory for it, the next segmented send is refused once more. */
static void udp_linux_remember_refusal(struct dgram__udp *udp, const union dgram__address *to,
                                       uint32_t largest) {
  if (udp->refusals == NULL)
    udp->refusals = calloc(1, sizeof *udp->refusals);
  if (udp->refusals != NULL)
    dgram__gso_refusals_add(udp->refusals, to, largest, uv_hrtime());
}

static int udp_linux_linux_send(struct dgram__udp *udp, const struct dgram__datagram *first,
                                unsigned count) {
  if (count == 1) /* there is nothing to plan */
    return dgram__udp_send_one(udp, first);
  if (udp->gso_untried)
    udp_linux_try_gso(udp);
  int sent = dgram__udp_send_batches(udp, &udp->limits, first, count);
  if (sent >= 0 || !udp_linux_is_refusal(sent) ||
      !udp_linux_is_segmented(first, count, &udp->limits))
    return sent;

  /* Smaller segments may still pass where the size was the trouble. */
  struct dgram__gso_limits lowered = udp->limits;
  uint32_t largest = sent != UV_EIO ? (uint32_t)first->size - 1 : 0;
  if (largest == 0)
    lowered.datagrams = 1;
  else
    lowered.segment = largest; /* the first datagram was at most as large as the limit */
  sent = dgram__udp_send_batches(udp, &lowered, first, count);
  if (sent > 0) /* so it was the segmentation, not the datagram */
    udp_linux_remember_refusal(udp, &first->to, largest);
  return sent;
}

const struct dgram__datapath dgram__datapath_linux = {
    .name = "linux",
    .inbox_size = sizeof(struct dgram__rx_batch),
    .inbox_init = dgram__rx_batch_init,
    .open = udp_linux_linux_open,
    .adopt = udp_linux_linux_adopt,
    .recv = udp_linux_linux_recv,
    .send = udp_linux_linux_send,
    .take_error = dgram__udp_take_error,
};

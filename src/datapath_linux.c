/*
 * The Linux datapath: many datagrams a system call (recvmmsg, sendmmsg), and many a buffer where
 * the kernel cuts and joins them (UDP_SEGMENT, UDP_GRO; udp(7)). What the kernel or a device
 * refuses is noticed at run time and done the plain way.
 */
#include "datapath.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <sys/utsname.h>

#include "arrival.h"
#include "control.h"

enum {
  MOST_SEGMENTS = 64, /* UDP_MAX_SEGMENTS of the kernels before 6.9 */
  MOST_BYTES = 65507, /* of a segmented send: 65,535 less the headers of IP and UDP */
};

static bool kernel_can_segment(int fd) {
  int segment;
  socklen_t length = sizeof segment;
  struct utsname kernel;
  return getsockopt(fd, SOL_UDP, UDP_SEGMENT, &segment, &length) == 0 && uname(&kernel) == 0 &&
         !dgram__batch_kernel_corrupts(kernel.release);
}

/* Nothing is asked of the kernel yet: a socket that lives for a question and an answer is cheap. */
static void linux_adopt(struct dgram__path *path, bool gso, bool gro) {
  *path = (struct dgram__path){.fd = path->fd};
  path->gso_untried = gso;
  path->gro_untried = gro;
  path->limits = (struct dgram__limits){
      .datagrams = 1, .segment = UINT16_MAX, .bytes = MOST_BYTES, .iov_count = DGRAM__MOST_IOV};
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
    linux_adopt(path, settings->gso, true);
  return err;
}

static int linux_recv(struct dgram__path *path, struct dgram__inbox *inbox, unsigned most) {
  int filled = dgram__arrival_recv(path, inbox, most);
  if (filled > 1 && path->gro_untried)
    try_gro(path);
  return filled;
}

/*
 * EIO: the device can't compute checksums. EINVAL, EMSGSIZE: a segment is over the way's MTU,
 * where the same datagram by itself would leave in fragments.
 */
static bool is_refusal(int err) {
  return err == UV_EIO || err == UV_EINVAL || err == UV_EMSGSIZE;
}

/* Whether the first run was a segmented send. */
static bool is_segmented(const struct dgram__datagram *first, unsigned count,
                         const struct dgram__limits *limits) {
  struct dgram__run run = dgram__run_begin(first, count, limits);
  return dgram__run_take(&run, first->next, limits);
}

/* Without memory for it, the next segmented send is refused once more. */
static void remember_refusal(struct dgram__path *path, const union dgram__address *to,
                             uint32_t largest) {
  if (path->refusals == NULL)
    path->refusals = calloc(1, sizeof *path->refusals);
  if (path->refusals != NULL)
    dgram__segments_refused(path->refusals, to, largest, uv_hrtime());
}

static int linux_send(struct dgram__path *path, const struct dgram__datagram *first,
                      unsigned count) {
  if (count == 1) /* there is nothing to plan */
    return dgram__path_send_one(path, first);
  if (path->gso_untried)
    try_gso(path);
  int sent = dgram__path_send_runs(path, &path->limits, first, count);
  if (sent >= 0 || !is_refusal(sent) || !is_segmented(first, count, &path->limits))
    return sent;

  /* Smaller segments may still pass where the size was the trouble. */
  struct dgram__limits lowered = path->limits;
  uint32_t largest = sent != UV_EIO ? (uint32_t)first->size - 1 : 0;
  if (largest == 0)
    lowered.datagrams = 1;
  else
    lowered.segment = largest; /* the first datagram was at most as large as the limit */
  sent = dgram__path_send_runs(path, &lowered, first, count);
  if (sent > 0) /* so it was the segmentation, not the datagram */
    remember_refusal(path, &first->to, largest);
  return sent;
}

const struct dgram__datapath dgram__datapath_linux = {
    .name = "linux",
    .inbox_size = sizeof(struct dgram__arrival),
    .inbox_init = dgram__arrival_init,
    .open = linux_open,
    .adopt = linux_adopt,
    .recv = linux_recv,
    .send = linux_send,
    .take_error = dgram__path_take_error,
};

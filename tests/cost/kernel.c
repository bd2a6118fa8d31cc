/*
 * The shared libraries call these functions instead of the C library's: the dynamic linker finds
 * those of the program first.
 */
#include "cost/kernel.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <uv.h>

#include "cmsg.h"

static uint64_t bytes_sent;

static struct {
  unsigned segments;
  unsigned segment_size;
  const struct sockaddr_in *senders;
  unsigned count;
  unsigned next;
} incoming;

uint64_t kernel_bytes_sent(void) {
  return bytes_sent;
}

void kernel_receive(unsigned segments, unsigned segment_size, const struct sockaddr_in senders[],
                    unsigned count) {
  incoming.segments = segments;
  incoming.segment_size = segment_size;
  incoming.senders = senders;
  incoming.count = count;
  incoming.next = 0;
}

/* NOLINTBEGIN(readability-inconsistent-declaration-parameter-name): the C library's are reserved */

/* ---- out ---- */

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
  ssize_t size = 0;
  for (size_t i = 0; i < message->msg_iovlen; i++)
    size += (ssize_t)message->msg_iov[i].iov_len;
  bytes_sent += (uint64_t)size;
  return size;
}

int sendmmsg(int fd, struct mmsghdr *headers, unsigned count, int flags) {
  for (unsigned i = 0; i < count; i++)
    sendmsg(fd, &headers[i].msg_hdr, flags);
  return (int)count;
}

/* ---- in ---- */

static void request_segments(struct msghdr *message, int size) {
  struct cmsghdr *header = CMSG_FIRSTHDR(message);
  header->cmsg_level = SOL_UDP;
  header->cmsg_type = UDP_GRO;
  header->cmsg_len = CMSG_LEN(sizeof size);
  memcpy(CMSG_DATA(header), &size, sizeof size);
}

int recvmmsg(int fd, struct mmsghdr *headers, unsigned count, int flags, struct timespec *timeout) {
  for (unsigned i = 0; i < count; i++) {
    struct msghdr *message = &headers[i].msg_hdr;
    memcpy(message->msg_name, &incoming.senders[incoming.next], sizeof *incoming.senders);
    message->msg_namelen = sizeof *incoming.senders;
    incoming.next = (incoming.next + 1) % incoming.count;
    headers[i].msg_len = incoming.segments * incoming.segment_size;
    if (incoming.segments > 1)
      request_segments(message, (int)incoming.segment_size);
    else
      message->msg_controllen = 0;
  }
  return (int)count;
}

/* ---- what depends on the machine or the time ---- */

/* A kernel with GSO, and without its known errors. */
int getsockopt(int fd, int level, int name, void *value, socklen_t *length) {
  if (level == SOL_UDP && name == UDP_SEGMENT)
    return 0;
  return (int)syscall(SYS_getsockopt, fd, level, name, value, length);
}

int uname(struct utsname *system) {
  memset(system, 0, sizeof *system);
  memcpy(system->release, "6.1.0", sizeof "6.1.0");
  return 0;
}

/* The time is constant, so it neither delays nor ends an iteration of the loop. */
uint64_t uv_now(const uv_loop_t *loop) {
  return 1000;
}

uint64_t uv_hrtime(void) {
  static uint64_t time = 1000000000;
  return time += 100;
}

/* NOLINTEND(readability-inconsistent-declaration-parameter-name) */

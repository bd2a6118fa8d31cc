#include "mmsg.h"

#include <errno.h>

/*
 * ENOSYS: the kernel, or a sandbox in its place, does not have the call. Sandboxes also answer
 * EPERM or EACCES, which may as well be the error of a datagram; a call that moves nothing tells
 * the difference. (It takes a pending ICMP error, but the call before it has just taken that.)
 */
#define IS_REFUSED(call_of_nothing) \
  (errno == ENOSYS || ((errno == EPERM || errno == EACCES) && (call_of_nothing) < 0))

/* ---- out ---- */

int dgram__send_message(int fd, const struct msghdr *message) {
  ssize_t sent;
  do
    sent = sendmsg(fd, message, MSG_DONTWAIT);
  while (sent < 0 && errno == EINTR);
  return sent >= 0 ? 0 : -errno;
}

/*
 * The system reports some errors only once, so one behind a prefix is kept for the next call; but
 * not that its buffer is full, which may be over by then.
 */
static int mmsg_send_one_by_one(struct dgram__udp *udp, const struct dgram__mmsghdr headers[],
                                unsigned count) {
  for (unsigned i = 0; i < count; i++) {
    int err = dgram__send_message(udp->fd, &headers[i].msg_hdr);
    if (err == 0)
      continue;
    if (i == 0)
      return err;
    udp->deferred_error = err != UV_EAGAIN ? err : 0;
    return (int)i;
  }
  return (int)count;
}

#if DGRAM__HAS_SENDMMSG
int dgram__send_messages(struct dgram__udp *udp, struct dgram__mmsghdr headers[], unsigned count) {
  if (count == 1 || udp->sends_singly) /* the plain call is a little quicker for one */
    return mmsg_send_one_by_one(udp, headers, count);
  int sent;
  do
    sent = sendmmsg(udp->fd, headers, count, MSG_DONTWAIT);
  while (sent < 0 && errno == EINTR);
  if (sent >= 0)
    return sent;
  int err = errno;
  if (!IS_REFUSED(sendmmsg(udp->fd, headers, 0, MSG_DONTWAIT)))
    return -err;
  udp->sends_singly = true;
  return mmsg_send_one_by_one(udp, headers, count);
}
#else
int dgram__send_messages(struct dgram__udp *udp, struct dgram__mmsghdr headers[], unsigned count) {
  return mmsg_send_one_by_one(udp, headers, count);
}
#endif

/* ---- in ---- */

/* Returns the size of the datagram, or an error. */
static ssize_t mmsg_receive_message(int fd, struct msghdr *message) {
  ssize_t size;
  do
    size = recvmsg(fd, message, MSG_DONTWAIT);
  while (size < 0 && errno == EINTR);
  return size >= 0 ? size : -errno;
}

static int mmsg_receive_one_by_one(struct dgram__udp *udp, struct dgram__mmsghdr headers[],
                                   unsigned count) {
  for (unsigned i = 0; i < count; i++) {
    ssize_t size = mmsg_receive_message(udp->fd, &headers[i].msg_hdr);
    if (size < 0 && i == 0)
      return (int)size;
    if (size < 0) {
      udp->deferred_receive_error = size != UV_EAGAIN ? (int)size : 0;
      return (int)i;
    }
    headers[i].msg_len = (unsigned)size;
  }
  return (int)count;
}

#if DGRAM__HAS_RECVMMSG
int dgram__receive_messages(struct dgram__udp *udp, struct dgram__mmsghdr headers[],
                            unsigned count) {
  if (count == 1 || udp->receives_singly)
    return mmsg_receive_one_by_one(udp, headers, count);
  int received;
  do
    received = recvmmsg(udp->fd, headers, count, MSG_DONTWAIT, NULL);
  while (received < 0 && errno == EINTR);
  if (received >= 0)
    return received;
  int err = errno;
  if (!IS_REFUSED(recvmmsg(udp->fd, headers, 0, MSG_DONTWAIT, NULL)))
    return -err;
  udp->receives_singly = true;
  return mmsg_receive_one_by_one(udp, headers, count);
}
#else
int dgram__receive_messages(struct dgram__udp *udp, struct dgram__mmsghdr headers[],
                            unsigned count) {
  return mmsg_receive_one_by_one(udp, headers, count);
}
#endif

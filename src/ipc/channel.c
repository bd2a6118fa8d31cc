#include "channel.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "descriptor.h"

#ifndef MSG_NOSIGNAL /* where there is none, the program has to ignore SIGPIPE */
#define MSG_NOSIGNAL 0
#endif
#ifndef MSG_CMSG_CLOEXEC /* where there is none, another thread's fork may inherit a descriptor */
#define MSG_CMSG_CLOEXEC 0
#endif

/* Room for the control message of one descriptor. */
union control {
  char bytes[CMSG_SPACE(sizeof(int))];
  struct cmsghdr align;
};

void dgram__channel_init(struct dgram__channel *channel, int fd) {
  *channel = (struct dgram__channel){.fd = fd, .in_fd = -1, .out_fd = -1};
}

void dgram__channel_close(struct dgram__channel *channel) {
  if (channel->in_fd >= 0)
    close(channel->in_fd);
  if (channel->fd >= 0)
    close(channel->fd);
  dgram__channel_init(channel, -1);
}

/* ---- out ---- */

static void channel_attach(struct msghdr *message, union control *control, int fd) {
  memset(control, 0, sizeof *control);
  message->msg_control = control->bytes;
  message->msg_controllen = sizeof control->bytes;
  struct cmsghdr *header = CMSG_FIRSTHDR(message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof fd);
  memcpy(CMSG_DATA(header), &fd, sizeof fd);
}

int dgram__channel_resume(struct dgram__channel *channel) {
  while (channel->out_left > 0) {
    union control control;
    struct iovec iov = {.iov_base = channel->out + DGRAM__FRAME_SIZE - channel->out_left,
                        .iov_len = channel->out_left};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
    if (channel->out_fd >= 0)
      channel_attach(&message, &control, channel->out_fd);
    ssize_t sent = sendmsg(channel->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EINTR)
      continue;
    if (sent < 0)
      return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -errno;
    channel->out_left -= (size_t)sent;
    channel->out_fd = -1; /* it goes with the first byte */
  }
  return 0;
}

int dgram__channel_send(struct dgram__channel *channel, const struct dgram__frame *frame, int fd) {
  dgram__frame_write(frame, channel->out);
  channel->out_left = DGRAM__FRAME_SIZE;
  channel->out_fd = fd;
  return dgram__channel_resume(channel);
}

/* ---- in ---- */

/* The descriptor that came with a message, or -1. There is room for one: the system closes more. */
static int channel_attached(struct msghdr *message) {
  struct cmsghdr *header = CMSG_FIRSTHDR(message);
  int fd = -1;
  if (header != NULL && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
      header->cmsg_len == CMSG_LEN(sizeof fd))
    memcpy(&fd, CMSG_DATA(header), sizeof fd);
  return fd;
}

/* Reads on where the frame ends as yet. Returns the number of bytes, 0 at the end, or an error. */
static ssize_t channel_read_some(struct dgram__channel *channel, bool take_fd) {
  union control control;
  struct iovec iov = {.iov_base = channel->in + channel->in_size,
                      .iov_len = DGRAM__FRAME_SIZE - channel->in_size};
  struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
  if (take_fd) {
    message.msg_control = control.bytes;
    message.msg_controllen = CMSG_LEN(sizeof(int)); /* CMSG_SPACE would hold two */
  }
  ssize_t got;
  do
    got = recvmsg(channel->fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  while (got < 0 && errno == EINTR);
  if (got < 0)
    return -errno;
  int fd = take_fd ? channel_attached(&message) : -1;
  if (fd >= 0)
    fd = dgram__descriptor_above_standard(fd);
  if (fd >= 0) {
    (void)fcntl(fd, F_SETFD, FD_CLOEXEC); /* for systems where the flag above is none */
    if (channel->in_fd >= 0) /* two in one frame: the other side does not keep to the rules */
      close(channel->in_fd);
    channel->in_fd = fd;
  }
  return got;
}

int dgram__channel_receive(struct dgram__channel *channel, struct dgram__frame *frame, int *fd) {
  while (channel->in_size < DGRAM__FRAME_SIZE) {
    ssize_t got = channel_read_some(channel, fd != NULL);
    if (got == 0 || got == -ECONNRESET)
      return UV_EOF;
    if (got == -EAGAIN || got == -EWOULDBLOCK)
      return 0;
    if (got < 0)
      return (int)got;
    channel->in_size += (size_t)got;
  }
  if (!dgram__frame_read(frame, channel->in))
    return UV_EPROTO;
  channel->in_size = 0;
  if (fd != NULL)
    *fd = channel->in_fd;
  channel->in_fd = -1;
  return 1;
}

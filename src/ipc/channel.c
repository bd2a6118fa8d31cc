#include "channel.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "descriptor.h"

#ifndef MSG_NOSIGNAL /* where the system has none, the program has to ignore SIGPIPE */
#define MSG_NOSIGNAL 0
#endif
#ifndef MSG_CMSG_CLOEXEC /* where the system has none, a fork in another thread may inherit it */
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

int dgram__channel_send(struct dgram__channel *channel, const struct dgram__frame *frame, int fd) {
  /* A frame of which a part was sent must not be replaced. */
  assert(channel->out_left == 0 || channel->out_left == DGRAM__FRAME_SIZE);
  dgram__frame_write(frame, channel->out);
  channel->out_left = DGRAM__FRAME_SIZE;
  channel->out_fd = fd;
  return dgram__channel_resume(channel);
}

int dgram__channel_resume(struct dgram__channel *channel) {
  while (channel->out_left > 0) {
    struct iovec iov = {.iov_base = channel->out + DGRAM__FRAME_SIZE - channel->out_left,
                        .iov_len = channel->out_left};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
    union control control = {{0}};
    if (channel->out_fd >= 0) {
      message.msg_control = control.bytes;
      message.msg_controllen = sizeof control.bytes;
      struct cmsghdr *header = CMSG_FIRSTHDR(&message);
      header->cmsg_level = SOL_SOCKET;
      header->cmsg_type = SCM_RIGHTS;
      header->cmsg_len = CMSG_LEN(sizeof channel->out_fd);
      memcpy(CMSG_DATA(header), &channel->out_fd, sizeof channel->out_fd);
    }
    ssize_t sent = sendmsg(channel->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EINTR)
      continue;
    if (sent < 0)
      return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -errno;
    channel->out_left -= (size_t)sent;
    channel->out_fd = -1; /* the kernel passes it with the first byte */
  }
  return 0;
}

/* ---- in ---- */

/*
 * Receives more bytes of the frame, and the descriptor that comes with them. Returns the number of
 * bytes, 0 at the end of the stream, or an error.
 */
static ssize_t channel_read_some(struct dgram__channel *channel, bool take_fd) {
  union control control;
  struct iovec iov = {.iov_base = channel->in + channel->in_size,
                      .iov_len = DGRAM__FRAME_SIZE - channel->in_size};
  struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
  if (take_fd) {
    /* Room for one descriptor, where CMSG_SPACE() may hold two; the kernel closes any others. */
    message.msg_control = control.bytes;
    message.msg_controllen = CMSG_LEN(sizeof(int));
  }
  ssize_t got;
  do
    got = recvmsg(channel->fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  while (got < 0 && errno == EINTR);
  if (got < 0)
    return -errno;
  const struct cmsghdr *header = take_fd ? CMSG_FIRSTHDR(&message) : NULL;
  int fd = -1;
  if (header != NULL && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
      header->cmsg_len == CMSG_LEN(sizeof fd)) {
    memcpy(&fd, CMSG_DATA(header), sizeof fd);
    fd = dgram__descriptor_above_standard(fd);
  }
  if (fd >= 0) {
    (void)fcntl(fd, F_SETFD, FD_CLOEXEC); /* for systems without MSG_CMSG_CLOEXEC */
    if (channel->in_fd >= 0)              /* two in one frame: the peer breaks the protocol */
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

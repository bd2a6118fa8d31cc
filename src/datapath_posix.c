/*
 * The portable datapath: no segmentation, and nothing of the system's own but sendmmsg and
 * recvmmsg. It is also where the parts stand that every datapath shares: opening a socket, taking
 * its error.
 */
#include "datapath.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "arrival.h"
#include "control.h"

static int set_flag(int fd, int level, int name) {
  int on = 1;
  return setsockopt(fd, level, name, &on, sizeof on) == 0 ? 0 : -errno;
}

#ifdef SOCK_NONBLOCK
static int new_socket(int family) {
  int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  return fd >= 0 ? fd : -errno;
}
#else
static int new_socket(int family) {
  int fd = socket(family, SOCK_DGRAM, 0);
  if (fd < 0)
    return -errno;
  if (fcntl(fd, F_SETFL, O_NONBLOCK) == 0 && fcntl(fd, F_SETFD, FD_CLOEXEC) == 0)
    return fd;
  int err = -errno;
  close(fd);
  return err;
}
#endif

#if defined(__linux__) && defined(SO_REUSEPORT)
static int share_port(int fd) { /* some sandboxes' kernels don't know it: socket(7), Linux 3.9 */
  int err = set_flag(fd, SOL_SOCKET, SO_REUSEPORT);
  return err == UV_ENOPROTOOPT ? UV_ENOTSUP : err;
}
#else
static int share_port(int fd) { /* elsewhere it may exist, but does not spread what comes */
  (void)fd;
  return UV_ENOTSUP;
}
#endif

static int bind_socket(int fd, const struct dgram__settings *settings) {
  const union dgram__address *local = &settings->local;
  int err = 0;
  if (settings->ipv6_only && local->any.sa_family != AF_INET6)
    return UV_EINVAL;
  if (settings->reuse_addr)
    err = set_flag(fd, SOL_SOCKET, SO_REUSEADDR);
  if (err == 0 && settings->reuse_port)
    err = share_port(fd);
  if (err == 0 && settings->ipv6_only)
    err = set_flag(fd, IPPROTO_IPV6, IPV6_V6ONLY);
  if (err == 0 && bind(fd, &local->any, dgram__address_length(local)) != 0)
    err = -errno;
  return err;
}

static void posix_adopt(struct dgram__path *path, bool gso, bool gro) {
  (void)gso;
  (void)gro;
  path->kept_error = 0;
  path->careful_calls = 0;
  path->limits = (struct dgram__limits){.datagrams = 1};
}

int dgram__path_open(struct dgram__path *path, const struct dgram__settings *settings) {
  int fd = new_socket(settings->local.any.sa_family);
  if (fd < 0)
    return fd;
  int err = bind_socket(fd, settings);
  if (err != 0) {
    close(fd);
    return err;
  }
  path->fd = fd;
  posix_adopt(path, false, false);
  return 0;
}

static bool has_option(int fd, int name, int wanted) {
  int value = 0;
  socklen_t length = sizeof value;
  return getsockopt(fd, SOL_SOCKET, name, &value, &length) == 0 && value == wanted;
}

#ifdef SO_PROTOCOL
static bool is_udp(int fd) { /* and not UDP-Lite, say */
  return has_option(fd, SO_TYPE, SOCK_DGRAM) && has_option(fd, SO_PROTOCOL, IPPROTO_UDP);
}
#else
static bool is_udp(int fd) {
  return has_option(fd, SO_TYPE, SOCK_DGRAM);
}
#endif

int dgram__path_family(int fd) {
  union dgram__address name = {0};
  socklen_t length = sizeof name;
  if (!is_udp(fd) || getsockname(fd, &name.any, &length) != 0)
    return 0;
  int family = name.any.sa_family;
  return family == AF_INET || family == AF_INET6 ? family : 0;
}

int dgram__path_connect(const struct dgram__path *path, const union dgram__address *to) {
  socklen_t length = dgram__address_length(to);
  if (length == 0)
    length = sizeof *to;
  return connect(path->fd, &to->any, length) == 0 ? 0 : -errno;
}

int dgram__path_name(const struct dgram__path *path, bool peer, union dgram__address *name) {
  socklen_t length = sizeof *name;
  memset(name, 0, sizeof *name);
  int result = peer ? getpeername(path->fd, &name->any, &length)
                    : getsockname(path->fd, &name->any, &length);
  return result == 0 ? 0 : -errno;
}

int dgram__path_take_error(struct dgram__path *path) {
  int err = 0;
  socklen_t length = sizeof err;
  if (getsockopt(path->fd, SOL_SOCKET, SO_ERROR, &err, &length) != 0)
    return -errno;
  return -err;
}

#ifdef __linux__
/*
 * Whether what was received may have been joined. It is asked, not remembered: whoever shares the
 * system socket may want joining. Kernels before 5.8 don't say.
 */
static bool may_be_joined(int fd) {
  int on = 1;
  socklen_t length = sizeof on;
  return getsockopt(fd, SOL_UDP, UDP_GRO, &on, &length) != 0 || on != 0;
}
#else
static bool may_be_joined(int fd) {
  (void)fd;
  return false;
}
#endif

int dgram__path_told_segment(int fd, const struct msghdr *message) {
  int segment = dgram__control_segment(message);
  return segment >= 0 || may_be_joined(fd) ? segment : 0;
}

int dgram__path_send_one(const struct dgram__path *path, const struct dgram__datagram *datagram) {
  struct msghdr message = {.msg_name = (void *)&datagram->to,
                           .msg_namelen = dgram__address_length(&datagram->to),
                           .msg_iov = (struct iovec *)datagram->iov,
                           .msg_iovlen = datagram->iov_count};
  ssize_t sent;
  do
    sent = sendmsg(path->fd, &message, 0);
  while (sent < 0 && errno == EINTR);
  return sent >= 0 ? 1 : -errno;
}

#if !DGRAM__HAS_RECVMMSG
static void nothing_to_prepare(struct dgram__inbox *inbox) {
  (void)inbox;
}

/* Fills one slot. Returns 1, 0 when the system has no more, or an error. */
static int receive_one(int fd, struct dgram__slot *slot) {
  struct dgram__control_in control; /* another who has the system socket may have it join */
  struct iovec iov = {.iov_base = slot->data, .iov_len = DGRAM__SLOT_SIZE};
  struct msghdr message = {.msg_name = &slot->from,
                           .msg_namelen = sizeof slot->from,
                           .msg_iov = &iov,
                           .msg_iovlen = 1,
                           .msg_control = control.bytes,
                           .msg_controllen = sizeof control.bytes};
  ssize_t size;
  do
    size = recvmsg(fd, &message, 0);
  while (size < 0 && errno == EINTR);
  if (size < 0)
    return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -errno;
  dgram__address_trim(&slot->from, message.msg_namelen);
  slot->size = (size_t)size;
  slot->segment = dgram__path_segment(fd, &message);
  return 1;
}

static int receive_one_by_one(struct dgram__path *path, struct dgram__inbox *inbox) {
  int filled = 0;
  while (filled < DGRAM__SLOTS) {
    struct dgram__slot *slot = &inbox->slots[filled];
    int got = receive_one(path->fd, slot);
    if (got == 0)
      break;
    if (got < 0 && filled == 0)
      return got;
    if (got < 0) /* the system tells a pending error only once: it keeps its place in the order */
      slot->segment = got;
    filled++;
  }
  return filled;
}
#endif

#if DGRAM__HAS_SENDMMSG
static int posix_send(struct dgram__path *path, const struct dgram__datagram *first,
                      unsigned count) {
  if (count == 1) /* there is nothing to plan */
    return dgram__path_send_one(path, first);
  return dgram__path_send_runs(path, &path->limits, first, count);
}
#else
/*
 * The system tells some errors only once, so one behind a prefix is kept for the next call; but
 * not that its buffer is full, which may be over by then.
 */
static int posix_send(struct dgram__path *path, const struct dgram__datagram *first,
                      unsigned count) {
  int sent = 0;
  int result = path->kept_error;
  path->kept_error = 0;
  for (const struct dgram__datagram *at = first; result >= 0 && (unsigned)sent < count;
       at = at->next) {
    result = dgram__path_send_one(path, at);
    if (result > 0)
      sent++;
  }
  if (sent == 0)
    return result;
  path->kept_error = result < 0 && result != UV_EAGAIN ? result : 0;
  return sent;
}
#endif

const struct dgram__datapath dgram__datapath_posix = {
    .name = "posix",
#if DGRAM__HAS_RECVMMSG
    .inbox_size = sizeof(struct dgram__arrival),
    .inbox_init = dgram__arrival_init,
    .recv = dgram__arrival_recv,
#else
    .inbox_size = sizeof(struct dgram__inbox),
    .inbox_init = nothing_to_prepare,
    .recv = receive_one_by_one,
#endif
    .open = dgram__path_open,
    .adopt = posix_adopt,
    .send = posix_send,
    .take_error = dgram__path_take_error,
};

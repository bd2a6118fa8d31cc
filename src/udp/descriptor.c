/*
 * Where a system has flags that set close-on-exec and non-blocking in the call that makes the
 * descriptor, these are used; a kernel or a sandbox may refuse them all the same, and then, as
 * where there are none, fcntl(2) does it afterwards.
 */
#include "descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

int dgram__descriptor_identify(int fd, struct dgram__identity *identity) {
  struct stat file;
  if (fstat(fd, &file) != 0)
    return -errno;
  *identity = (struct dgram__identity){.device = file.st_dev, .inode = file.st_ino};
  return 0;
}

int dgram__descriptor_above_standard(int fd) {
  if (fd > STDERR_FILENO)
    return fd;
  int moved = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  int err = -errno;
  close(fd);
  return moved >= 0 ? moved : err;
}

int dgram__descriptor_duplicate(int fd) {
  int copy = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  return copy >= 0 ? copy : -errno;
}

int dgram__descriptor_replace(int old, int fd) {
#ifdef __linux__
  int result = dup3(fd, old, O_CLOEXEC);
#else
  int result = dup2(fd, old);
  if (result >= 0)
    (void)fcntl(old, F_SETFD, FD_CLOEXEC);
#endif
  if (result < 0)
    return -errno;
  close(fd);
  return 0;
}

/* Of a descriptor that was made without flags. On error it is closed. */
static int descriptor_set_flags(int fd) {
  if (fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 && fcntl(fd, F_SETFL, O_NONBLOCK) == 0)
    return fd;
  int err = -errno;
  close(fd);
  return err;
}

#if defined(SOCK_CLOEXEC) && defined(SOCK_NONBLOCK)
enum { FLAGS = SOCK_CLOEXEC | SOCK_NONBLOCK };
#else
enum { FLAGS = 0 };
#endif

/* Whether the call, which has failed, may succeed without flags, or under its older name. */
static bool descriptor_refuses_flags(void) {
  return FLAGS == 0 || errno == EINVAL || errno == ENOSYS || errno == EPERM;
}

/* Makes the result of a system call a descriptor of ours. Returns it or an error. */
static int descriptor_ours(int fd, bool has_flags) {
  if (fd < 0)
    return -errno;
  if (!has_flags)
    fd = descriptor_set_flags(fd);
  return fd >= 0 ? dgram__descriptor_above_standard(fd) : fd;
}

int dgram__descriptor_socket(int family, int type) {
  int fd = FLAGS != 0 ? socket(family, type | FLAGS, 0) : -1;
  if (fd < 0 && descriptor_refuses_flags())
    return descriptor_ours(socket(family, type, 0), false);
  return descriptor_ours(fd, true);
}

int dgram__descriptor_accept(int listener) {
  int fd = -1;
#if defined(SOCK_CLOEXEC) && defined(SOCK_NONBLOCK)
  fd = accept4(listener, NULL, NULL, FLAGS);
#endif
  if (fd < 0 && descriptor_refuses_flags())
    return descriptor_ours(accept(listener, NULL, NULL), false);
  return descriptor_ours(fd, true);
}

int dgram__descriptor_pair(int fds[2]) {
  bool has_flags = FLAGS != 0 && socketpair(AF_UNIX, SOCK_STREAM | FLAGS, 0, fds) == 0;
  if (!has_flags && (!descriptor_refuses_flags() || socketpair(AF_UNIX, SOCK_STREAM, 0, fds) != 0))
    return -errno;
  fds[0] = descriptor_ours(fds[0], has_flags);
  fds[1] = descriptor_ours(fds[1], has_flags);
  int err = fds[0] < 0 ? fds[0] : fds[1];
  for (int i = 0; i < 2 && err < 0; i++)
    if (fds[i] >= 0)
      close(fds[i]);
  return err < 0 ? err : 0;
}

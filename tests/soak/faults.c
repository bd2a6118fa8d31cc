/*
 * The system calls and allocations of the library in a soak: one in many fails, or moves less than
 * it was asked to. What a call takes from the kernel is marked at once, before the library has it,
 * so that the datagrams of a process that is killed are known.
 */
#include "lib/wrap.h"
#include "soak/soak.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>

static unsigned faults_one_in;

void soak_inject(unsigned one_in) {
  faults_one_in = one_in;
}

/* Whether this call fails, with one of the errors. */
static bool faults_hit(const int errors[], size_t count) {
  if (faults_one_in == 0 || soak_random() % faults_one_in != 0)
    return false;
  atomic_fetch_add(&soak->faults, 1);
  errno = errors[soak_random() % count];
  return true;
}

/* Perhaps fewer than were asked for, at least one. */
static unsigned faults_fewer(unsigned count) {
  if (count < 2 || faults_one_in == 0 || soak_random() % faults_one_in != 0)
    return count;
  atomic_fetch_add(&soak->faults, 1);
  return 1 + soak_random() % (count - 1);
}

#define FAULTS(...) (const int[]){__VA_ARGS__}, sizeof((const int[]){__VA_ARGS__}) / sizeof(int)
#define FAULTS_OF_SEND FAULTS(EINTR, EAGAIN, ENOBUFS, ENOMEM, EPERM, EIO, EINVAL, EHOSTUNREACH)
#define FAULTS_OF_RECEIVE FAULTS(EINTR, EAGAIN, ENOBUFS, ENOMEM, ECONNREFUSED)

/* A UNIX socket's frames begin with other bytes than a datagram of the soak. */
static void faults_taken(const struct msghdr *message, size_t size) {
  uint32_t index;
  const void *bytes = message->msg_iovlen > 0 ? message->msg_iov[0].iov_base : NULL;
  size_t first = message->msg_iovlen > 0 ? message->msg_iov[0].iov_len : 0;
  size = size < first ? size : first;
  if (soak_is_ours(bytes, size, false, &index)) {
    atomic_store(&soak->records[index].taker, (uint_fast16_t)soak_self);
    soak_mark(index, SOAK_TAKEN, "a datagram was received twice");
  } else if (soak_is_ours(bytes, size, true, &index)) {
    soak_mark(index, SOAK_ANSWER_TAKEN, "an answer was received twice");
  }
}

/* NOLINTBEGIN(bugprone-reserved-identifier): the linker wants these names */
WRAP(ssize_t, recvmsg, (int fd, struct msghdr *message, int flags)) {
  if (faults_hit(FAULTS_OF_RECEIVE))
    return -1;
  atomic_store(&soak->life[soak_self].receiving, 1);
  ssize_t size = __real_recvmsg(fd, message, flags);
  if (size >= 0 && (flags & MSG_ERRQUEUE) == 0)
    faults_taken(message, (size_t)size);
  atomic_store(&soak->life[soak_self].receiving, 0);
  return size;
}

WRAP(int, recvmmsg,
     (int fd, struct mmsghdr *list, unsigned count, int flags, struct timespec *limit)) {
  if (faults_hit(FAULTS_OF_RECEIVE))
    return -1;
  count = faults_fewer(count);
  atomic_store(&soak->life[soak_self].receiving, count);
  int received = __real_recvmmsg(fd, list, count, flags, limit);
  for (int i = 0; i < received; i++)
    faults_taken(&list[i].msg_hdr, list[i].msg_len);
  atomic_store(&soak->life[soak_self].receiving, 0);
  return received;
}

WRAP(ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags)) {
  return faults_hit(FAULTS_OF_SEND) ? -1 : __real_sendmsg(fd, message, flags);
}

WRAP(int, sendmmsg, (int fd, struct mmsghdr *list, unsigned count, int flags)) {
  if (count > 0 && faults_hit(FAULTS_OF_SEND)) /* without a message it asks what there is */
    return -1;
  return __real_sendmmsg(fd, list, faults_fewer(count), flags);
}

WRAP(void *, malloc, (size_t size)) {
  return faults_hit(FAULTS(ENOMEM)) ? NULL : __real_malloc(size);
}

WRAP(void *, calloc, (size_t count, size_t size)) {
  return faults_hit(FAULTS(ENOMEM)) ? NULL : __real_calloc(count, size);
}

WRAP(int, socket, (int family, int type, int protocol)) {
  return faults_hit(FAULTS(EMFILE, ENFILE, ENOBUFS)) ? -1 : __real_socket(family, type, protocol);
}

WRAP(int, setsockopt, (int fd, int level, int name, const void *value, socklen_t size)) {
  return faults_hit(FAULTS(ENOMEM, ENOPROTOOPT, EINVAL))
             ? -1
             : __real_setsockopt(fd, level, name, value, size);
}

WRAP(int, accept4, (int fd, struct sockaddr *from, socklen_t *length, int flags)) {
  return faults_hit(FAULTS(EMFILE, ECONNABORTED, ENOMEM)) ? -1
                                                          : __real_accept4(fd, from, length, flags);
}
/* NOLINTEND(bugprone-reserved-identifier) */

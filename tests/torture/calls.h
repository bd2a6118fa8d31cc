/*
 * The calls that can fail: of the library into libc, the kernel and libuv, and of libuv into libc
 * and the kernel, each with the errors that its manual page names. What only a faulty caller gets
 * (EBADF, EFAULT, ENOTSOCK) is left out, and so is what needs another type of socket, and EAGAIN of
 * libuv's wake-ups: eventfd(2) returns it only when the counter says that already.
 *
 * An X(call, name, faults...) each; a fault is an errno, or one of enum torture_fault.
 */
#ifndef TESTS_TORTURE_CALLS_H
#define TESTS_TORTURE_CALLS_H

#include <errno.h>

/* What is no errno. */
enum torture_fault {
  FAULT_FEWER = -1,       /* half of the bytes or messages, but one at least */
  FAULT_ONE = -2,         /* one byte or message */
  FAULT_ALL_BUT_ONE = -3, /* all but one */
  FAULT_CUT_CONTROL = -4, /* MSG_CTRUNC: the control messages did not fit */
  FAULT_UV_ENOMEM = -5,   /* a function of libuv returns it, and UV_EMFILE, UV_EAGAIN, ... */
  FAULT_UV_EMFILE = -6,
  FAULT_UV_EAGAIN = -7,
  FAULT_UV_EIO = -8,
  FAULT_UV_ENOSYS = -9,
  FAULT_UV_EPERM = -10,
  FAULT_NONE = 0
};

#define TORTURE_SEND_ERRORS                                                                 \
  EACCES, EAGAIN, ECONNREFUSED, ECONNRESET, EDESTADDRREQ, EHOSTUNREACH, EINTR, EINVAL, EIO, \
      EISCONN, EMSGSIZE, ENETDOWN, ENETUNREACH, ENOBUFS, ENOMEM, ENOSYS, EOPNOTSUPP, EPERM, EPIPE
#define TORTURE_RECEIVE_ERRORS \
  EAGAIN, ECONNREFUSED, EHOSTUNREACH, EINTR, EINVAL, EMSGSIZE, ENETDOWN, ENOMEM, ENOTCONN
#define TORTURE_PATH_ERRORS EACCES, EIO, ELOOP, ENAMETOOLONG, ENOENT, ENOMEM, ENOTDIR, EPERM, EROFS

#define TORTURE_CALLS(X)                                                                           \
  X(malloc, "malloc", ENOMEM)                                                                      \
  X(calloc, "calloc", ENOMEM)                                                                      \
  X(realloc, "realloc", ENOMEM)                                                                    \
  X(strdup, "strdup", ENOMEM)                                                                      \
  X(posix_memalign, "posix_memalign", ENOMEM)                                                      \
  X(uv_malloc, "malloc of libuv", ENOMEM)                                                          \
  X(uv_calloc, "calloc of libuv", ENOMEM)                                                          \
  X(uv_realloc, "realloc of libuv", ENOMEM)                                                        \
  X(idn2, "idn2_to_ascii_8z", ENOMEM)                                                              \
  X(socket, "socket", EACCES, EAFNOSUPPORT, EINVAL, EMFILE, ENFILE, ENOBUFS, ENOMEM,               \
    EPROTONOSUPPORT, EPERM)                                                                        \
  X(socketpair, "socketpair", EAFNOSUPPORT, EMFILE, ENFILE, ENOMEM, EOPNOTSUPP, EPROTONOSUPPORT)   \
  X(bind, "bind", EACCES, EADDRINUSE, EADDRNOTAVAIL, EAGAIN, EINVAL, ENOBUFS, ENOMEM, EPERM)       \
  X(bind_unix, "bind (UNIX)", TORTURE_PATH_ERRORS, EADDRINUSE, EADDRNOTAVAIL, ENOSPC)              \
  X(connect, "connect", EACCES, EADDRINUSE, EADDRNOTAVAIL, EAFNOSUPPORT, EAGAIN, ECONNREFUSED,     \
    EHOSTUNREACH, EINTR, EINVAL, EISCONN, ENETUNREACH, ENOBUFS, EPERM)                             \
  X(connect_unix, "connect (UNIX)", TORTURE_PATH_ERRORS, EAGAIN, ECONNREFUSED, EINTR, EPROTOTYPE,  \
    ETIMEDOUT)                                                                                     \
  X(listen, "listen", EADDRINUSE, EOPNOTSUPP, ENOBUFS)                                             \
  X(accept, "accept", EAGAIN, ECONNABORTED, EINTR, EINVAL, EMFILE, ENFILE, ENOBUFS, ENOMEM, EPERM, \
    EPROTO, ENOSYS)                                                                                \
  X(getsockname, "getsockname", EINVAL, ENOBUFS)                                                   \
  X(getpeername, "getpeername", EINVAL, ENOBUFS, ENOTCONN)                                         \
  X(getsockopt, "getsockopt", EINVAL, ENOBUFS, ENOMEM, ENOPROTOOPT, EPERM)                         \
  X(setsockopt, "setsockopt", EADDRINUSE, EADDRNOTAVAIL, EDOM, EINVAL, EISCONN, ENOBUFS, ENODEV,   \
    ENOMEM, ENOPROTOOPT, EPERM)                                                                    \
  X(sendmsg, "sendmsg", TORTURE_SEND_ERRORS)                                                       \
  X(sendmmsg, "sendmmsg", TORTURE_SEND_ERRORS, FAULT_FEWER, FAULT_ONE, FAULT_ALL_BUT_ONE)          \
  X(sendmsg_unix, "sendmsg (UNIX)", EACCES, EAGAIN, ECONNRESET, EINTR, EMSGSIZE, ENOBUFS, ENOMEM,  \
    ENOTCONN, EPERM, EPIPE, ETOOMANYREFS, FAULT_FEWER, FAULT_ONE, FAULT_ALL_BUT_ONE)               \
  X(recvmsg, "recvmsg", TORTURE_RECEIVE_ERRORS, ENOBUFS, EPERM, FAULT_CUT_CONTROL)                 \
  X(recvmmsg, "recvmmsg", TORTURE_RECEIVE_ERRORS, ENOBUFS, ENOSYS, EPERM, FAULT_FEWER, FAULT_ONE,  \
    FAULT_ALL_BUT_ONE, FAULT_CUT_CONTROL)                                                          \
  X(recvmsg_errors, "recvmsg (error queue)", EAGAIN, EINTR, EINVAL, ENOMEM, FAULT_CUT_CONTROL)     \
  X(recvmsg_unix, "recvmsg (UNIX)", EAGAIN, ECONNRESET, EINTR, ENOMEM, ENOTCONN, FAULT_FEWER,      \
    FAULT_ONE, FAULT_ALL_BUT_ONE, FAULT_CUT_CONTROL)                                               \
  X(recvmsg_netlink, "recvmsg (netlink)", EAGAIN, EINTR, ENOBUFS, ENOMEM)                          \
  X(fcntl, "fcntl", EACCES, EAGAIN, EINVAL, EMFILE, EPERM)                                         \
  X(dup3, "dup3", EBUSY, EINTR, EINVAL, EMFILE)                                                    \
  X(close, "close", EDQUOT, EINTR, EIO, ENOSPC)                                                    \
  X(poll, "poll", EINTR, EINVAL, ENOMEM)                                                           \
  X(open, "open", TORTURE_PATH_ERRORS, EINTR, EMFILE, ENFILE)                                      \
  X(fstat, "fstat", EACCES, ENOMEM, EOVERFLOW)                                                     \
  X(lstat, "lstat", TORTURE_PATH_ERRORS, EOVERFLOW)                                                \
  X(fchmod, "fchmod", TORTURE_PATH_ERRORS)                                                         \
  X(fchmodat, "fchmodat", TORTURE_PATH_ERRORS, EOPNOTSUPP)                                         \
  X(link, "link", TORTURE_PATH_ERRORS, EDQUOT, EEXIST, EMLINK, ENOSPC, EXDEV)                      \
  X(unlink, "unlink", TORTURE_PATH_ERRORS, EBUSY, EISDIR)                                          \
  X(rename, "rename", TORTURE_PATH_ERRORS, EBUSY, EDQUOT, EEXIST, EINVAL, ENOSPC, EXDEV)           \
  X(renameat2, "renameat2", TORTURE_PATH_ERRORS, EEXIST, EINVAL, ENOSYS)                           \
  X(uname, "uname", ENOSYS)                                                                        \
  X(madvise, "madvise", EAGAIN, EINVAL, ENOMEM, EPERM)                                             \
  X(nanosleep, "nanosleep", EINTR, EINVAL)                                                         \
  X(getrlimit, "getrlimit", EINVAL, EPERM)                                                         \
  X(getifaddrs, "getifaddrs", EACCES, EMFILE, ENOBUFS, ENOMEM)                                     \
  X(if_nametoindex, "if_nametoindex", EMFILE, ENODEV, ENOMEM)                                      \
  X(if_indextoname, "if_indextoname", EMFILE, ENOMEM, ENXIO)                                       \
  X(getaffinity, "sched_getaffinity", EINVAL, EPERM, ESRCH)                                        \
  X(setaffinity, "sched_setaffinity", EINVAL, EPERM, ESRCH)                                        \
  X(uv_loop_init, "uv_loop_init", FAULT_UV_ENOMEM, FAULT_UV_EMFILE)                                \
  X(uv_async_init, "uv_async_init", FAULT_UV_ENOMEM, FAULT_UV_EMFILE)                              \
  X(uv_mutex_init, "uv_mutex_init", FAULT_UV_ENOMEM, FAULT_UV_EAGAIN)                              \
  X(uv_sem_init, "uv_sem_init", FAULT_UV_ENOMEM, FAULT_UV_ENOSYS)                                  \
  X(uv_poll_init, "uv_poll_init", FAULT_UV_ENOMEM, FAULT_UV_EPERM)                                 \
  X(uv_thread_create, "uv_thread_create", FAULT_UV_EAGAIN, FAULT_UV_EPERM)                         \
  X(uv_random, "uv_random", FAULT_UV_EIO, FAULT_UV_ENOSYS)                                         \
  X(uv_getaddrinfo, "uv_getaddrinfo", FAULT_UV_ENOMEM)                                             \
  X(uv_exepath, "uv_exepath", FAULT_UV_EIO, FAULT_UV_ENOMEM)                                       \
  X(libuv_epoll_create1, "epoll_create1 of libuv", EMFILE, ENFILE, ENOMEM)                         \
  X(libuv_epoll_ctl, "epoll_ctl of libuv", ENOMEM, ENOSPC, EPERM, ELOOP)                           \
  X(libuv_epoll_ctl_watch, "epoll_ctl of libuv, to wait", ENOMEM, ENOSPC, EPERM, ELOOP)            \
  X(libuv_epoll_wait, "epoll_wait of libuv", EINTR)                                                \
  X(libuv_eventfd, "eventfd of libuv", EMFILE, ENFILE, ENODEV, ENOMEM)                             \
  X(libuv_pipe2, "pipe2 of libuv", EMFILE, ENFILE)                                                 \
  X(libuv_ioctl, "ioctl of libuv", EINTR)                                                          \
  X(libuv_read, "read of libuv", EINTR)                                                            \
  X(libuv_write, "write of libuv", EINTR)                                                          \
  X(libuv_fork, "fork of libuv", EAGAIN, ENOMEM, ENOSYS)                                           \
  X(libuv_execvp, "execvp of libuv", E2BIG, EACCES, ENOENT, ENOEXEC, ENOMEM)                       \
  X(libuv_pthread_create, "pthread_create of libuv", EAGAIN, EPERM)                                \
  X(libuv_getaddrinfo, "getaddrinfo of libuv", EAGAIN, EIO, ENOENT, ENOMEM)

enum torture_call {
#define X(call, ...) CALL_##call,
  TORTURE_CALLS(X)
#undef X
      CALLS
};

enum { MOST_FAULTS = 32 };

struct torture_call_info {
  const char *name;
  int faults[MOST_FAULTS]; /* ends with FAULT_NONE */
};

extern const struct torture_call_info torture_calls[CALLS];

/* The name of a fault: "EAGAIN", "fewer". */
const char *torture_fault_name(int fault);

#endif

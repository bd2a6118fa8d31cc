/*
 * The calls of the library: each is torture_NAME here. In this file: the plan; allocations; calls
 * that fail with an errno; short counts; calls of libuv; time.
 */
#include "torture/inject.h"

#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>
#ifdef DGRAM_HAVE_LIBIDN2
#include <idn2.h>
#endif

struct inject inject;

const struct torture_call_info torture_calls[CALLS] = {
#define X(call, name, ...) [CALL_##call] = {name, {__VA_ARGS__}},
    TORTURE_CALLS(X)
#undef X
};

const char *torture_fault_name(int fault) {
  switch (fault) {
  case FAULT_FEWER:
    return "half";
  case FAULT_ONE:
    return "one";
  case FAULT_ALL_BUT_ONE:
    return "all but one";
  case FAULT_CUT_CONTROL:
    return "MSG_CTRUNC";
  case FAULT_UV_ENOMEM:
    return "UV_ENOMEM";
  case FAULT_UV_EMFILE:
    return "UV_EMFILE";
  case FAULT_UV_EAGAIN:
    return "UV_EAGAIN";
  case FAULT_UV_EIO:
    return "UV_EIO";
  case FAULT_UV_ENOSYS:
    return "UV_ENOSYS";
  case FAULT_UV_EPERM:
    return "UV_EPERM";
  default:
    return strerrorname_np(fault);
  }
}

/* ---- the plan ---- */

void inject_begin(const struct inject_plan plans[INJECT_PLANS]) {
  memcpy(inject.plans, plans, sizeof inject.plans);
  for (int i = 0; i < CALLS; i++)
    inject.calls[i] = 0;
  *inject.met = 0;
  inject.all = 0;
  inject.waits = 0;
  inject.on = true;
}

void inject_lift(void) {
  for (int i = 0; i < INJECT_PLANS; i++)
    inject.plans[i].at = 0;
}

void inject_end(void) {
  inject.on = false;
}

bool inject_concerns(enum torture_call call) {
  for (int i = 0; i < INJECT_PLANS; i++)
    if (inject.plans[i].times > 0 && inject.plans[i].call == call)
      return true;
  return false;
}

int inject_fault(enum torture_call call) {
  if (!inject.on || (inject.in_child && call != CALL_libuv_execvp))
    return FAULT_NONE;
  unsigned number = ++inject.calls[call];
  if (++inject.all > INJECT_MOST_CALLS)
    torture_fail("%u calls: the library loops in a call", inject.all);
  for (const struct inject_plan *plan = inject.plans; plan < inject.plans + INJECT_PLANS; plan++)
    if (plan->at > 0 && plan->call == call && number >= plan->at &&
        number - plan->at < plan->times) {
      ++*inject.met;
      return plan->fault;
    }
  return FAULT_NONE;
}

unsigned inject_shortened(int fault, unsigned all) {
  if (fault == FAULT_FEWER && all > 1)
    return all / 2;
  if (fault == FAULT_ALL_BUT_ONE && all > 1)
    return all - 1;
  return fault == FAULT_ONE && all > 1 ? 1 : all;
}

/* Sets errno if the call fails. */
static bool inject_fails(enum torture_call call) {
  int fault = inject_fault(call);
  if (fault > 0)
    errno = fault;
  return fault > 0;
}

/* ---- allocations: those that are alive are counted ---- */

static void *inject_counted(void *allocated) {
  inject.live += allocated != NULL;
  return allocated;
}

static void inject_free(void *allocated) {
  inject.live -= allocated != NULL;
  free(allocated);
}

static void *inject_realloc(enum torture_call call, void *old, size_t size) {
  if (inject_fails(call))
    return NULL;
  void *grown = realloc(old, size);
  return old == NULL ? inject_counted(grown) : grown;
}

void *torture_malloc(size_t size);
void *torture_malloc(size_t size) {
  return inject_fails(CALL_malloc) ? NULL : inject_counted(malloc(size));
}

void *torture_calloc(size_t count, size_t size);
void *torture_calloc(size_t count, size_t size) {
  return inject_fails(CALL_calloc) ? NULL : inject_counted(calloc(count, size));
}

void *torture_realloc(void *old, size_t size);
void *torture_realloc(void *old, size_t size) {
  return inject_realloc(CALL_realloc, old, size);
}

char *torture_strdup(const char *text);
char *torture_strdup(const char *text) {
  return inject_fails(CALL_strdup) ? NULL : inject_counted(strdup(text));
}

int torture_posix_memalign(void **memory, size_t alignment, size_t size);
int torture_posix_memalign(void **memory, size_t alignment, size_t size) {
  int err = inject_fails(CALL_posix_memalign) ? ENOMEM : posix_memalign(memory, alignment, size);
  inject.live += err == 0;
  return err;
}

void torture_free(void *allocated);
void torture_free(void *allocated) {
  inject_free(allocated);
}

#ifdef DGRAM_HAVE_LIBIDN2
int torture_idn2_to_ascii_8z(const char *input, char **output, int flags);
int torture_idn2_to_ascii_8z(const char *input, char **output, int flags) {
  return inject_fails(CALL_idn2) ? IDN2_MALLOC : idn2_to_ascii_8z(input, output, flags);
}
#endif

static void *inject_uv_malloc(size_t size) {
  return inject_fails(CALL_uv_malloc) ? NULL : inject_counted(malloc(size));
}

static void *inject_uv_calloc(size_t count, size_t size) {
  return inject_fails(CALL_uv_calloc) ? NULL : inject_counted(calloc(count, size));
}

static void *inject_uv_realloc(void *old, size_t size) {
  return inject_realloc(CALL_uv_realloc, old, size);
}

static void inject_on_fork(void) {
  inject.in_child = true;
}

void inject_init(void) {
  inject.met =
      mmap(NULL, sizeof *inject.met, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (inject.met == MAP_FAILED)
    torture_fail("no memory");
  if (pthread_atfork(NULL, NULL, inject_on_fork) != 0)
    torture_fail("pthread_atfork");
  if (uv_replace_allocator(inject_uv_malloc, inject_uv_realloc, inject_uv_calloc, inject_free) != 0)
    torture_fail("uv_replace_allocator");
}

/* ---- calls that fail with an errno ---- */

#define FAILING(type, name, parameters, call, arguments)   \
  type torture_##name parameters;                          \
  type torture_##name parameters {                         \
    return inject_fails(call) ? (type)-1 : name arguments; \
  }

static int inject_option(int fd, int name) {
  int value = 0;
  socklen_t size = sizeof value;
  return getsockopt(fd, SOL_SOCKET, name, &value, &size) == 0 ? value : -1;
}

/* The call on a UNIX socket, or on another one. */
static enum torture_call inject_by_family(int fd, enum torture_call unix_call,
                                          enum torture_call other) {
  return inject_option(fd, SO_DOMAIN) == AF_UNIX ? unix_call : other;
}

FAILING(int, socket, (int family, int type, int protocol), CALL_socket, (family, type, protocol))
FAILING(int, socketpair, (int family, int type, int protocol, int fds[2]), CALL_socketpair,
        (family, type, protocol, fds))
FAILING(int, bind, (int fd, const struct sockaddr *to, socklen_t length),
        inject_by_family(fd, CALL_bind_unix, CALL_bind), (fd, to, length))
FAILING(int, connect, (int fd, const struct sockaddr *to, socklen_t length),
        inject_by_family(fd, CALL_connect_unix, CALL_connect), (fd, to, length))
FAILING(int, listen, (int fd, int backlog), CALL_listen, (fd, backlog))
FAILING(int, accept, (int fd, struct sockaddr *from, socklen_t *length), CALL_accept,
        (fd, from, length))
FAILING(int, accept4, (int fd, struct sockaddr *from, socklen_t *length, int flags), CALL_accept,
        (fd, from, length, flags))
FAILING(int, getsockname, (int fd, struct sockaddr *name, socklen_t *length), CALL_getsockname,
        (fd, name, length))
FAILING(int, getpeername, (int fd, struct sockaddr *name, socklen_t *length), CALL_getpeername,
        (fd, name, length))
FAILING(int, getsockopt, (int fd, int level, int name, void *value, socklen_t *length),
        CALL_getsockopt, (fd, level, name, value, length))
FAILING(int, setsockopt, (int fd, int level, int name, const void *value, socklen_t length),
        CALL_setsockopt, (fd, level, name, value, length))
FAILING(int, dup3, (int from, int to, int flags), CALL_dup3, (from, to, flags))
FAILING(int, fstat, (int fd, struct stat *file), CALL_fstat, (fd, file))
FAILING(int, lstat, (const char *path, struct stat *file), CALL_lstat, (path, file))
FAILING(int, fchmod, (int fd, mode_t mode), CALL_fchmod, (fd, mode))
FAILING(int, fchmodat, (int folder, const char *path, mode_t mode, int flags), CALL_fchmodat,
        (folder, path, mode, flags))
FAILING(int, link, (const char *from, const char *to), CALL_link, (from, to))
FAILING(int, unlink, (const char *path), CALL_unlink, (path))
FAILING(int, rename, (const char *from, const char *to), CALL_rename, (from, to))
FAILING(int, renameat2, (int in, const char *from, int to_in, const char *to, unsigned flags),
        CALL_renameat2, (in, from, to_in, to, flags))
FAILING(int, uname, (struct utsname * names), CALL_uname, (names))
FAILING(int, madvise, (void *memory, size_t size, int advice), CALL_madvise, (memory, size, advice))
FAILING(int, getrlimit, (__rlimit_resource_t which, struct rlimit *limit), CALL_getrlimit,
        (which, limit))
FAILING(int, getifaddrs, (struct ifaddrs * *first), CALL_getifaddrs, (first))
FAILING(int, sched_getaffinity, (pid_t process, size_t size, cpu_set_t *cpus), CALL_getaffinity,
        (process, size, cpus))
FAILING(int, sched_setaffinity, (pid_t process, size_t size, const cpu_set_t *cpus),
        CALL_setaffinity, (process, size, cpus))

unsigned torture_if_nametoindex(const char *name);
unsigned torture_if_nametoindex(const char *name) {
  return inject_fails(CALL_if_nametoindex) ? 0 : if_nametoindex(name);
}

char *torture_if_indextoname(unsigned index, char *name);
char *torture_if_indextoname(unsigned index, char *name) {
  return inject_fails(CALL_if_indextoname) ? NULL : if_indextoname(index, name);
}

/* The last argument is of some calls only. */
int torture_open(const char *path, int flags, int mode);
int torture_open(const char *path, int flags, int mode) {
  return inject_fails(CALL_open) ? -1 : open(path, flags, mode);
}

int torture_fcntl(int fd, int command, long argument);
int torture_fcntl(int fd, int command, long argument) {
  return inject_fails(CALL_fcntl) ? -1 : fcntl(fd, command, argument);
}

/* The descriptor is closed whatever close(2) returns, and none is closed twice. */
int torture_close(int fd);
int torture_close(int fd) {
  int fault = inject_fault(CALL_close);
  if (close(fd) != 0)
    torture_fail("close(%d): %s", fd, strerror(errno));
  errno = fault;
  return fault != 0 ? -1 : 0;
}

/* ---- messages, and short counts ---- */

static size_t inject_size(const struct msghdr *message) {
  size_t size = 0;
  for (size_t i = 0; i < message->msg_iovlen; i++)
    size += message->msg_iov[i].iov_len;
  return size;
}

/* A copy of the message with fewer bytes; those of the channels have one buffer. */
static struct msghdr inject_shorten(const struct msghdr *message, int fault, struct iovec *iov) {
  struct msghdr shorter = *message;
  if (fault < 0 && message->msg_iovlen == 1 && inject_size(message) > 1) {
    *iov = message->msg_iov[0];
    iov->iov_len = inject_shortened(fault, (unsigned)iov->iov_len);
    shorter.msg_iov = iov;
  }
  return shorter;
}

ssize_t torture_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t torture_sendmsg(int fd, const struct msghdr *message, int flags) {
  int fault = inject_fault(inject_by_family(fd, CALL_sendmsg_unix, CALL_sendmsg));
  if (fault > 0 && (fault != ETOOMANYREFS || message->msg_controllen > 0)) {
    errno = fault;
    return -1;
  }
  struct iovec iov;
  struct msghdr shorter = inject_shorten(message, fault, &iov);
  return sendmsg(fd, &shorter, flags);
}

int torture_sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags);
int torture_sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags) {
  int fault = inject_fault(CALL_sendmmsg);
  if (fault > 0) {
    errno = fault;
    return -1;
  }
  return sendmmsg(fd, messages, inject_shortened(fault, count), flags);
}

/*
 * What a kernel leaves that had no room for all control messages, since another holder of the
 * socket has asked for more: others. Descriptors are all that there is on a UNIX socket.
 */
static void inject_cut_control(int fault, bool is_unix, struct msghdr *message) {
  if (fault != FAULT_CUT_CONTROL || message->msg_controllen == 0)
    return;
  message->msg_flags |= MSG_CTRUNC;
  for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header != NULL;
       header = CMSG_NXTHDR(message, header))
    header->cmsg_type = 0x7fff;
  if (is_unix)
    message->msg_controllen = 0;
}

static enum torture_call inject_receive_call(int fd, int flags) {
  int family = inject_option(fd, SO_DOMAIN);
  if (family == AF_UNIX)
    return CALL_recvmsg_unix;
  if (family == AF_NETLINK)
    return CALL_recvmsg_netlink;
  return (flags & MSG_ERRQUEUE) != 0 ? CALL_recvmsg_errors : CALL_recvmsg;
}

/* The descriptors of control messages that are cut off would stay open here: they are closed. */
static void inject_close_cut(int fault, const struct msghdr *message) {
  if (fault != FAULT_CUT_CONTROL)
    return;
  for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header != NULL;
       header = CMSG_NXTHDR((struct msghdr *)message, header))
    if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
      int fd;
      memcpy(&fd, CMSG_DATA(header), sizeof fd);
      close(fd);
    }
}

ssize_t torture_recvmsg(int fd, struct msghdr *message, int flags);
ssize_t torture_recvmsg(int fd, struct msghdr *message, int flags) {
  enum torture_call call = inject_receive_call(fd, flags);
  int fault = inject_fault(call);
  if (fault > 0) {
    errno = fault;
    return -1;
  }
  struct iovec iov;
  struct iovec *true_iov = message->msg_iov;
  *message = inject_shorten(message, call == CALL_recvmsg_unix ? fault : 0, &iov);
  ssize_t size = recvmsg(fd, message, flags);
  message->msg_iov = true_iov;
  if (size >= 0) {
    inject_close_cut(fault, message);
    inject_cut_control(fault, call == CALL_recvmsg_unix, message);
  }
  return size;
}

int torture_recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags,
                     struct timespec *timeout);
int torture_recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags,
                     struct timespec *timeout) {
  int fault = inject_fault(CALL_recvmmsg);
  if (fault > 0) {
    errno = fault;
    return -1;
  }
  unsigned most = fault == FAULT_CUT_CONTROL ? count : inject_shortened(fault, count);
  int received = recvmmsg(fd, messages, most, flags, timeout);
  for (int i = 0; i < received; i++)
    inject_cut_control(fault, false, &messages[i].msg_hdr);
  return received;
}

/* ---- calls of libuv ---- */

static int inject_uv_code(int fault) {
  switch (fault) {
  case FAULT_UV_ENOMEM:
    return UV_ENOMEM;
  case FAULT_UV_EMFILE:
    return UV_EMFILE;
  case FAULT_UV_EAGAIN:
    return UV_EAGAIN;
  case FAULT_UV_EIO:
    return UV_EIO;
  case FAULT_UV_ENOSYS:
    return UV_ENOSYS;
  default:
    return UV_EPERM;
  }
}

#define FAILING_UV(name, parameters, call, arguments)                    \
  int torture_##name parameters;                                         \
  int torture_##name parameters {                                        \
    int fault = inject_fault(call);                                      \
    return fault != FAULT_NONE ? inject_uv_code(fault) : name arguments; \
  }

FAILING_UV(uv_loop_init, (uv_loop_t * loop), CALL_uv_loop_init, (loop))
FAILING_UV(uv_async_init, (uv_loop_t * loop, uv_async_t *async, uv_async_cb callback),
           CALL_uv_async_init, (loop, async, callback))
FAILING_UV(uv_mutex_init, (uv_mutex_t * mutex), CALL_uv_mutex_init, (mutex))
FAILING_UV(uv_sem_init, (uv_sem_t * semaphore, unsigned value), CALL_uv_sem_init,
           (semaphore, value))
FAILING_UV(uv_poll_init, (uv_loop_t * loop, uv_poll_t *poll, int fd), CALL_uv_poll_init,
           (loop, poll, fd))
FAILING_UV(uv_poll_init_socket, (uv_loop_t * loop, uv_poll_t *poll, uv_os_sock_t fd),
           CALL_uv_poll_init, (loop, poll, fd))
FAILING_UV(uv_thread_create, (uv_thread_t * thread, uv_thread_cb run, void *context),
           CALL_uv_thread_create, (thread, run, context))
FAILING_UV(uv_random,
           (uv_loop_t * loop, uv_random_t *request, void *bytes, size_t size, unsigned flags,
            uv_random_cb callback),
           CALL_uv_random, (loop, request, bytes, size, flags, callback))
FAILING_UV(uv_exepath, (char *path, size_t *size), CALL_uv_exepath, (path, size))

/* How many look-ups are under way, for the virtual clock stands still until they have ended. */
enum { MOST_LOOKUPS = 64 };

static struct inject_lookup {
  uv_getaddrinfo_t *request; /* NULL: free */
  uv_getaddrinfo_cb callback;
} inject_lookups[MOST_LOOKUPS];

static void inject_on_lookup(uv_getaddrinfo_t *request, int status, struct addrinfo *found) {
  for (int i = 0; i < MOST_LOOKUPS; i++)
    if (inject_lookups[i].request == request) {
      inject_lookups[i].request = NULL;
      inject.lookups--;
      inject_lookups[i].callback(request, status, found);
      return;
    }
  torture_fail("a look-up has ended twice");
}

int torture_uv_getaddrinfo(uv_loop_t *loop, uv_getaddrinfo_t *request, uv_getaddrinfo_cb callback,
                           const char *node, const char *service, const struct addrinfo *hints);
int torture_uv_getaddrinfo(uv_loop_t *loop, uv_getaddrinfo_t *request, uv_getaddrinfo_cb callback,
                           const char *node, const char *service, const struct addrinfo *hints) {
  int fault = inject_fault(CALL_uv_getaddrinfo);
  if (fault != FAULT_NONE)
    return inject_uv_code(fault);
  for (int i = 0; i < MOST_LOOKUPS; i++)
    if (inject_lookups[i].request == NULL) {
      int err = uv_getaddrinfo(loop, request, inject_on_lookup, node, service, hints);
      if (err == 0) {
        inject_lookups[i] = (struct inject_lookup){request, callback};
        inject.lookups++;
      }
      return err;
    }
  torture_fail("over %d look-ups at a time", MOST_LOOKUPS);
}

/* ---- time ---- */

static atomic_uint_fast64_t inject_clock = 1000000000;

uint64_t inject_now(void) {
  enum { TICK = 1000 /* ns: who waits for a time in a loop of its own reaches it */ };
  return (uint64_t)atomic_fetch_add(&inject_clock, TICK);
}

void inject_pass(uint64_t ns) {
  inject_clock += ns;
}

int torture_nanosleep(const struct timespec *time, struct timespec *left);
int torture_nanosleep(const struct timespec *time, struct timespec *left) {
  if (inject_fails(CALL_nanosleep))
    return -1;
  if (inject.real_time)
    return nanosleep(time, left);
  inject_pass((uint64_t)time->tv_sec * 1000000000 + (uint64_t)time->tv_nsec);
  return 0;
}

/* In virtual time what is polled for is there, or it comes from the hook, or never. */
int torture_poll(struct pollfd *watched, nfds_t count, int timeout);
int torture_poll(struct pollfd *watched, nfds_t count, int timeout) {
  enum { ROUNDS = 20 };
  if (inject_fails(CALL_poll))
    return -1;
  if (inject.real_time || timeout == 0)
    return poll(watched, count, timeout);
  for (int i = 0; i < ROUNDS; i++) {
    int ready = poll(watched, count, 0);
    if (ready != 0)
      return ready;
    if (inject.poll_hook != NULL)
      inject.poll_hook();
  }
  if (timeout < 0)
    torture_fail("poll(2) waits for ever");
  inject_pass((uint64_t)timeout * 1000000);
  return 0;
}

/*
 * New descriptors: close-on-exec, non-blocking and above the standard ones, also where the system
 * refuses those flags, or lacks a call; on an error none is left open.
 * The linker puts the functions __wrap_... in the place of the true ones.
 */
#include "descriptor.h"

#include <stdbool.h>

#include "lib/fixture.h"
#include "lib/process.h"
#include "lib/wrap.h"

/* ---- the system ---- */

static struct {
  int refuses;     /* flags: the error; 0: it takes them */
  int fcntl_fails; /* which call; 0: none */
  int fcntl_calls;
} faked;

static bool refused(int flags) {
  errno = faked.refuses;
  return faked.refuses != 0 && (flags & (SOCK_CLOEXEC | SOCK_NONBLOCK)) != 0;
}

/* NOLINTBEGIN(bugprone-reserved-identifier): the linker wants these names */
WRAP(int, socket, (int family, int type, int protocol)) {
  return refused(type) ? -1 : __real_socket(family, type, protocol);
}

WRAP(int, socketpair, (int family, int type, int protocol, int fds[2])) {
  return refused(type) ? -1 : __real_socketpair(family, type, protocol, fds);
}

WRAP(int, accept4, (int fd, struct sockaddr *address, socklen_t *length, int flags)) {
  return refused(flags) ? -1 : __real_accept4(fd, address, length, flags);
}

int __real_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, int argument);
int __wrap_fcntl(int fd, int command, int argument) {
  errno = EMFILE;
  return ++faked.fcntl_calls == faked.fcntl_fails ? -1 : __real_fcntl(fd, command, argument);
}
/* NOLINTEND(bugprone-reserved-identifier) */

/* ---- one of each kind ---- */

enum { MOST = 2 };

typedef int make_fn(int fds[MOST]); /* returns how many, or an error */

static int make_socket(int fds[MOST]) {
  fds[0] = dgram__descriptor_socket(AF_INET, SOCK_DGRAM);
  return fds[0] < 0 ? fds[0] : 1;
}

static int make_pair(int fds[MOST]) {
  int err = dgram__descriptor_pair(fds);
  return err != 0 ? err : 2;
}

static int listener = -1;

static int make_accepted(int fds[MOST]) {
  struct sockaddr address;
  socklen_t length = sizeof address;
  int client = __real_socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int moved = __real_fcntl(client, F_DUPFD, STANDARD_FDS);
  close(client);
  (void)getsockname(listener, &address, &length);
  (void)connect(moved, &address, length);
  fds[0] = dgram__descriptor_accept(listener);
  close(moved);
  return fds[0] < 0 ? fds[0] : 1;
}

static make_fn *const makers[] = {make_socket, make_pair, make_accepted};
enum { MAKERS = sizeof makers / sizeof *makers };
static const int refusals[] = {0, EINVAL, ENOSYS, EPERM};
enum { REFUSALS = sizeof refusals / sizeof *refusals };

/* Nothing can be asserted while the standard descriptors are closed: what is wrong is counted. */
static int wrong(const int fds[MOST], int count) {
  int wrongs = count <= 0;
  for (int i = 0; i < count; i++) {
    wrongs += fds[i] < STANDARD_FDS;
    wrongs += __real_fcntl(fds[i], F_GETFD) != FD_CLOEXEC;
    wrongs += (__real_fcntl(fds[i], F_GETFL) & O_NONBLOCK) == 0;
    close(fds[i]);
  }
  return wrongs;
}

/* ---- tests ---- */

static int open_listener(void **state) {
  struct sockaddr_storage any = {.ss_family = AF_INET};
  listener = __real_socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  return bind(listener, (struct sockaddr *)&any, sizeof(struct sockaddr)) != 0 ||
         listen(listener, 1) != 0;
}

static int close_listener(void **state) {
  return close(listener);
}

__attribute__((constructor)) static void set_hooks(void) {
  fixture_hooks((struct fixture_hooks){open_listener, NULL, NULL, close_listener});
}

TEST("a new descriptor is close-on-exec, non-blocking and none of the standard ones") {
  int fds[MOST];
  for (int closed = 0; closed <= 1; closed++) {
    for (int kind = 0; kind < MAKERS; kind++) {
      for (int i = 0; i < REFUSALS; i++) {
        int before = count_open_files();
        if (closed)
          process_close_standard();
        faked.refuses = refusals[i];
        faked.fcntl_calls = 0;
        int count = makers[kind](fds);
        int later = faked.fcntl_calls; /* when another thread may have forked */
        faked.refuses = 0;
        int wrongs = wrong(fds, count);
        if (closed)
          process_open_standard();
        assert_int_equal(wrongs, 0);
        assert_true(closed || refusals[i] != 0 || later == 0);
        assert_int_equal(count_open_files(), before);
      }
    }
  }
}

TEST("a new descriptor that cannot be made fit leaves none open") {
  enum { CALLS = 8 }; /* more than there are */
  int fds[MOST];
  int failures = 0;
  for (int kind = 0; kind < MAKERS; kind++) {
    for (int call = 1; call <= CALLS; call++) {
      int before = count_open_files();
      process_close_standard();
      faked.refuses = EINVAL;
      faked.fcntl_calls = 0;
      faked.fcntl_fails = call;
      int count = makers[kind](fds);
      faked.fcntl_fails = 0;
      faked.refuses = 0;
      int wrongs = count > 0 ? wrong(fds, count) : 0;
      process_open_standard();
      assert_int_equal(wrongs, 0);
      assert_true(count > 0 || count == -EMFILE);
      assert_int_equal(count_open_files(), before);
      failures += count < 0;
    }
  }
  assert_true(failures >= MAKERS * 2);
}

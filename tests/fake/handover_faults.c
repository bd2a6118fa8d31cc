/*
 * Every allocation and every system call of a hand-over fails once, the first, the second, ..., on
 * either side, until one goes through. Whatever fails: nothing crashes or is left over, and a
 * server that has not been told that its sockets are taken still has them. The linker puts the
 * functions __wrap_... of this file in the place of the true ones (__real_...).
 */
#include <dgram_handover.h>

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "open_files.h"

/* ---- the fault ---- */

static struct {
  int error;      /* the errno that it leaves */
  unsigned at;    /* which call fails; 0: none */
  unsigned calls; /* so far */
  const char *in; /* the function that failed; NULL: none yet */
} fault;

static uv_loop_t *loop;  /* of the server that goes; it runs while the other waits */
static uid_t others_uid; /* who is at the other end, if not this user; 0: this one */
static long live_allocations;

/* cmocka tells the line; this tells which fault led there. */
#define CHECK(condition)                                                                   \
  do {                                                                                     \
    if (!(condition))                                                                      \
      fail_msg("line %d: %s does not hold after fault %u: %s in %s", __LINE__, #condition, \
               fault.at, strerror(fault.error), fault.in != NULL ? fault.in : "nothing");  \
  } while (0)

static bool fails(const char *function) {
  if (++fault.calls != fault.at)
    return false;
  fault.in = function;
  errno = fault.error;
  return true;
}

/* NOLINTBEGIN(bugprone-reserved-identifier): the linker wants these names */
#define WRAP(type, name, parameters, arguments, failure)       \
  type __real_##name parameters;                               \
  type __wrap_##name parameters;                               \
  type __wrap_##name parameters {                              \
    return fails(#name) ? (failure) : __real_##name arguments; \
  }

WRAP(int, socket, (int family, int type, int protocol), (family, type, protocol), -1)
WRAP(int, bind, (int fd, const struct sockaddr *address, socklen_t length), (fd, address, length),
     -1)
WRAP(int, connect, (int fd, const struct sockaddr *address, socklen_t length),
     (fd, address, length), -1)
WRAP(int, listen, (int fd, int backlog), (fd, backlog), -1)
WRAP(int, accept, (int fd, struct sockaddr *address, socklen_t *length), (fd, address, length), -1)
WRAP(int, chmod, (const char *path, mode_t mode), (path, mode), -1)
WRAP(int, rename, (const char *from, const char *to), (from, to), -1)
WRAP(ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags), (fd, message, flags), -1)
WRAP(ssize_t, recvmsg, (int fd, struct msghdr *message, int flags), (fd, message, flags), -1)
WRAP(int, uv_poll_init, (uv_loop_t * on, uv_poll_t *poll, int fd), (on, poll, fd), UV_ENOMEM)

int __real_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, int argument);
int __wrap_fcntl(int fd, int command, int argument) {
  return fails("fcntl") ? -1 : __real_fcntl(fd, command, argument);
}

int __real_getsockopt(int fd, int level, int name, void *value, socklen_t *length);
int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *length);
int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *length) {
  if (fails("getsockopt"))
    return -1;
  int result = __real_getsockopt(fd, level, name, value, length);
  if (name == SO_PEERCRED && others_uid != 0)
    ((struct ucred *)value)->uid = others_uid;
  return result;
}

int __wrap_poll(struct pollfd *watched, nfds_t count, int timeout);
int __wrap_poll(struct pollfd *watched, nfds_t count, int timeout) {
  if (fails("poll"))
    return -1;
  uv_run(loop, UV_RUN_NOWAIT);
  return 1;
}

static void *counted(void *allocated) {
  live_allocations += allocated != NULL;
  return allocated;
}

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size) {
  return counted(fails("malloc") ? NULL : __real_malloc(size));
}

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size) {
  return counted(fails("calloc") ? NULL : __real_calloc(count, size));
}

char *__real_strdup(const char *text);
char *__wrap_strdup(const char *text);
char *__wrap_strdup(const char *text) {
  return counted(fails("strdup") ? NULL : __real_strdup(text));
}

void __real_free(void *allocated);
void __wrap_free(void *allocated);
void __wrap_free(void *allocated) {
  live_allocations -= allocated != NULL;
  __real_free(allocated);
}

int __real_close(int fd);
int __wrap_close(int fd);
int __wrap_close(int fd) {
  int result = __real_close(fd);
  CHECK(result == 0); /* so nothing is closed twice */
  return result;
}
/* NOLINTEND(bugprone-reserved-identifier) */

/* ---- a hand-over, both sides of it in this process ---- */

enum { SOCKETS = 2, PATIENCE_MS = 1000 };

static char folder[32];
static char path[64];
static int taken; /* times that the server was told */

static void count_taken(void *context) {
  taken++;
}

static void never(uv_timer_t *timer) {
}

/* The first server keeps on running, whatever befalls its offer. */
static void open_loop(uv_timer_t *keep_alive) {
  loop = __real_malloc(sizeof *loop);
  CHECK(uv_loop_init(loop) == 0);
  uv_timer_init(loop, keep_alive);
  uv_timer_start(keep_alive, never, UINT32_MAX, 0);
}

static void close_loop(uv_timer_t *keep_alive) {
  uv_close((uv_handle_t *)keep_alive, NULL);
  CHECK(uv_run(loop, UV_RUN_DEFAULT) == 0);
  CHECK(uv_loop_close(loop) == 0);
  __real_free(loop);
}

/* Takes, and confirms what came. */
static void take(void) {
  int fds[DGRAM_HANDOVER_MOST];
  dgram_takeover_t *takeover;
  int count = dgram_handover_take(path, PATIENCE_MS, fds, &takeover);
  CHECK((count == SOCKETS) == (takeover != NULL));
  CHECK(count == SOCKETS || (count < 0 && (fault.in != NULL || others_uid != 0)));
  CHECK(taken == 0);
  for (int i = 0; i < count; i++)
    __real_close(fds[i]);
  int err = dgram_handover_confirm(takeover);
  CHECK(err == 0 || fault.in != NULL);
  for (int i = 0; i < 5; i++) /* all that was said is there already */
    uv_run(loop, UV_RUN_NOWAIT);
  CHECK(taken == (takeover != NULL && err == 0) || fault.in != NULL);
}

static void hand_over(void) {
  uv_timer_t keep_alive;
  int fds[SOCKETS];
  dgram_offer_t *offer;
  for (int i = 0; i < SOCKETS; i++)
    fds[i] = __real_socket(AF_INET, SOCK_DGRAM, 0);
  open_loop(&keep_alive);
  int err = dgram_handover_offer(loop, path, fds, SOCKETS, count_taken, NULL, &offer);
  CHECK(err == 0 ? offer != NULL : fault.in != NULL && offer == NULL);
  if (err == 0)
    take();
  if (err == 0 && taken == 0 && fault.in != NULL) /* the next one still can */
    take();
  CHECK(err != 0 || taken == 1 || others_uid != 0);
  if (taken == 0)
    dgram_handover_withdraw(offer);
  close_loop(&keep_alive);
  for (int i = 0; i < SOCKETS; i++)
    __real_close(fds[i]);
  if (taken > 0)
    CHECK(unlink(path) == 0);
}

/* Returns whether the fault was met. */
static bool run_with_fault(unsigned at) {
  int files = count_open_files();
  taken = 0;
  live_allocations = 0;
  fault.at = at;
  fault.calls = 0;
  fault.in = NULL;
  hand_over();
  CHECK(live_allocations == 0);
  CHECK(count_open_files() == files);
  CHECK(access(path, F_OK) != 0);
  return fault.in != NULL;
}

static void every_fault_is_survived(void **state) {
  static const int errors[] = {EPERM, EINTR, EMFILE, EIO};
  for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
    unsigned at = 1;
    fault.error = errors[i];
    while (run_with_fault(at))
      at++;
    assert_true(at > 20); /* it did meet some */
  }
}

/* Each side asks the system who the other is. */
static void another_user_gets_nothing(void **state) {
  others_uid = geteuid() + 1;
  CHECK(!run_with_fault(0));
  assert_int_equal(taken, 0);
  others_uid = 0;
}

static int begin(void **state) {
  uv_loop_t first; /* libuv opens files of its own for it */
  uv_loop_init(&first);
  uv_loop_close(&first);
  snprintf(folder, sizeof folder, "/tmp/dgram-XXXXXX");
  assert_non_null(mkdtemp(folder));
  snprintf(path, sizeof path, "%s/offer", folder);
  return 0;
}

static int end(void **state) {
  fault.at = 0; /* what runs at exit, the counts of gcov say, is to be spared */
  return rmdir(folder);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_fault_is_survived),
      cmocka_unit_test(another_user_gets_nothing),
  };
  return cmocka_run_group_tests(tests, begin, end);
}

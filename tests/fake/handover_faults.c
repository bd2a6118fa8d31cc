/*
 * Every allocation and every system call of a hand-over fails once, the first, the second, ..., on
 * either side, until one goes through. Whatever fails: nothing crashes or is left over, and a
 * server that has not been told that its sockets are taken still has them. The linker puts the
 * functions __wrap_... of this file in the place of the true ones (__real_...).
 */
#include <dgram_handover.h>

#include <errno.h>
#include <fcntl.h>
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

enum { THIS_USER = 1001, ANOTHER_USER = 1002, ROOT = 0 }; /* who takes part, as the system says */

/* ---- the fault ---- */

static struct {
  int error;      /* the errno that it leaves */
  unsigned at;    /* which call fails; 0: none */
  unsigned calls; /* so far */
  const char *in; /* the function that failed; NULL: none yet */
} fault;

static uv_loop_t *loop; /* of the server that goes; it runs while the other waits */
static int peers_asked; /* times that the system was asked who is at the other end */
static int other_peer;  /* the time when it is another user; 0: never */
static uid_t other_user;
static bool no_files; /* a connection can't be accepted */
static int accept_calls;
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
  if (name == SO_PEERCRED && ++peers_asked == other_peer)
    ((struct ucred *)value)->uid = other_user;
  else if (name == SO_PEERCRED)
    ((struct ucred *)value)->uid = THIS_USER;
  return result;
}

int __real_accept(int fd, struct sockaddr *address, socklen_t *length);
int __wrap_accept(int fd, struct sockaddr *address, socklen_t *length);
int __wrap_accept(int fd, struct sockaddr *address, socklen_t *length) {
  accept_calls++;
  if (no_files)
    errno = EMFILE;
  return no_files || fails("accept") ? -1 : __real_accept(fd, address, length);
}

uid_t __wrap_geteuid(void);
uid_t __wrap_geteuid(void) {
  return THIS_USER;
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

/* Those that are no more than a reason to call again. */
static bool is_harmless(void) {
  const char *in = fault.in != NULL ? fault.in : "";
  if (strcmp(in, "sendmsg") == 0 || strcmp(in, "recvmsg") == 0)
    return fault.error == EINTR || fault.error == EAGAIN;
  return strcmp(in, "poll") == 0 && fault.error == EINTR;
}

/* Takes, and confirms what came. Returns what dgram_handover_take() does. */
static int take(void) {
  int fds[DGRAM_HANDOVER_MOST];
  dgram_takeover_t *takeover;
  int count = dgram_handover_take(path, PATIENCE_MS, fds, &takeover);
  CHECK((count == SOCKETS) == (takeover != NULL));
  CHECK(count == SOCKETS || (count < 0 && (fault.in != NULL || other_peer != 0)));
  CHECK(count == SOCKETS || !is_harmless());
  CHECK(taken == 0);
  for (int i = 0; i < count; i++)
    __real_close(fds[i]);
  int err = dgram_handover_confirm(takeover);
  CHECK(err == 0 || fault.in != NULL);
  for (int i = 0; i < 5; i++) /* all that was said is there already */
    uv_run(loop, UV_RUN_NOWAIT);
  CHECK(taken == (takeover != NULL && err == 0) || (fault.in != NULL && !is_harmless()));
  return count;
}

/* Returns what the first take did. */
static int hand_over(void) {
  uv_timer_t keep_alive;
  int result = 0;
  int fds[SOCKETS];
  dgram_offer_t *offer;
  for (int i = 0; i < SOCKETS; i++)
    fds[i] = __real_socket(AF_INET, SOCK_DGRAM, 0);
  open_loop(&keep_alive);
  int err = dgram_handover_offer(loop, path, fds, SOCKETS, count_taken, NULL, &offer);
  CHECK(err == 0 ? offer != NULL : fault.in != NULL && offer == NULL);
  if (err == 0)
    result = take();
  if (err == 0 && taken == 0 && fault.in != NULL) /* the next one still can */
    take();
  CHECK(err != 0 || taken == 1 || other_peer != 0);
  if (taken == 0)
    dgram_handover_withdraw(offer);
  close_loop(&keep_alive);
  for (int i = 0; i < SOCKETS; i++)
    __real_close(fds[i]);
  if (taken > 0)
    CHECK(unlink(path) == 0);
  return result;
}

/* Hands over while one call fails; 0: none. Returns what the first take did. */
static int run_with_fault(unsigned at) {
  int files = count_open_files();
  taken = 0;
  live_allocations = 0;
  fault.at = at;
  fault.calls = 0;
  fault.in = NULL;
  peers_asked = 0;
  int result = hand_over();
  CHECK(live_allocations == 0);
  CHECK(count_open_files() == files);
  CHECK(rmdir(folder) == 0 && mkdir(folder, S_IRWXU) == 0); /* it is empty */
  return result;
}

static void every_fault_is_survived(void **state) {
  static const int errors[] = {EPERM, EINTR, EAGAIN, EMFILE, EIO};
  for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
    unsigned at = 0;
    fault.error = errors[i];
    do
      run_with_fault(++at);
    while (fault.in != NULL);
    assert_true(at > 20); /* it did meet some */
  }
}

/* The next server asks who offers, and then the one that offers who takes. */
static void another_user_gets_nothing_and_gives_nothing(void **state) {
  other_user = ANOTHER_USER;
  for (other_peer = 1; other_peer <= 2; other_peer++) {
    assert_int_equal(run_with_fault(0), UV_EACCES);
    assert_int_equal(taken, 0);
  }
  other_user = ROOT;
  for (other_peer = 1; other_peer <= 2; other_peer++)
    assert_int_equal(run_with_fault(0), SOCKETS);
  other_peer = 0;
}

/* It must not be found readable again and again; there is a descriptor later. */
static void a_server_without_a_free_descriptor_comes_to_rest(void **state) {
  uv_timer_t keep_alive;
  dgram_offer_t *offer;
  int fds[DGRAM_HANDOVER_MOST];
  dgram_takeover_t *takeover;
  int fd = __real_socket(AF_INET, SOCK_DGRAM, 0);
  open_loop(&keep_alive);
  assert_int_equal(dgram_handover_offer(loop, path, &fd, 1, count_taken, NULL, &offer), 0);
  no_files = true;
  accept_calls = 0;
  assert_int_equal(dgram_handover_take(path, 20, fds, &takeover), UV_ETIMEDOUT);
  assert_int_equal(accept_calls, 1);
  no_files = false;
  assert_int_equal(dgram_handover_take(path, PATIENCE_MS, fds, &takeover), 1);
  close(fds[0]);
  dgram_handover_abandon(takeover);
  dgram_handover_withdraw(offer);
  close_loop(&keep_alive);
  close(fd);
}

/* A daemon closes them, and then their numbers are free. */
static void no_socket_is_taken_for_standard_input_or_output(void **state) {
  enum { STANDARD = STDERR_FILENO + 1 };
  int kept[STANDARD];
  uv_timer_t keep_alive;
  dgram_offer_t *offer;
  int fd = __real_socket(AF_INET, SOCK_DGRAM, 0);
  open_loop(&keep_alive);
  taken = 0;
  assert_int_equal(dgram_handover_offer(loop, path, &fd, 1, count_taken, NULL, &offer), 0);
  for (int i = 0; i < STANDARD; i++) {
    kept[i] = fcntl(i, F_DUPFD, STANDARD);
    close(i);
  }
  int fds[DGRAM_HANDOVER_MOST] = {0};
  dgram_takeover_t *takeover;
  int count = dgram_handover_take(path, PATIENCE_MS, fds, &takeover);
  dgram_handover_abandon(takeover);
  uv_run(loop, UV_RUN_NOWAIT);
  for (int i = 0; i < STANDARD; i++) { /* nothing can be told before */
    dup2(kept[i], i);
    close(kept[i]);
  }
  assert_int_equal(count, 1);
  assert_true(fds[0] > STDERR_FILENO);
  close(fds[0]);
  dgram_handover_withdraw(offer);
  close_loop(&keep_alive);
  close(fd);
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
      cmocka_unit_test(another_user_gets_nothing_and_gives_nothing),
      cmocka_unit_test(a_server_without_a_free_descriptor_comes_to_rest),
      cmocka_unit_test(no_socket_is_taken_for_standard_input_or_output),
  };
  return cmocka_run_group_tests(tests, begin, end);
}

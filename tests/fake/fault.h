/*
 * Faults: each allocation and call of a scenario fails once, the first, the second, ..., until it
 * has run without meeting one. The linker puts the functions __wrap_... in the place of the true
 * ones (__real_...); threads may call them.
 */
#ifndef FAKE_FAULT_H
#define FAKE_FAULT_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <uv.h>

#include "lib/raw.h"

static struct {
  int error;         /* the errno that it leaves */
  unsigned at;       /* which call fails; 0: none */
  atomic_uint calls; /* so far */
  atomic_int live;   /* allocations */
  const char *in;    /* the function that failed; NULL: none yet */
} fault;

/* cmocka tells the line; this tells which fault led there. */
#define CHECK(condition)                                                                   \
  do {                                                                                     \
    if (!(condition))                                                                      \
      fail_msg("line %d: %s does not hold after fault %u: %s in %s", __LINE__, #condition, \
               fault.at, strerror(fault.error), fault.in != NULL ? fault.in : "nothing");  \
  } while (0)

static inline bool fails(const char *function) {
  if (++fault.calls != fault.at)
    return false;
  fault.in = function;
  errno = fault.error;
  return true;
}

/* NOLINTBEGIN(bugprone-reserved-identifier): the linker wants these names */
#define FAULT_WRAP(type, name, parameters, arguments, failure) \
  type __real_##name parameters;                               \
  type __wrap_##name parameters;                               \
  type __wrap_##name parameters {                              \
    return fails(#name) ? (failure) : __real_##name arguments; \
  }

/* FAULT(socket): the same for the functions that more than one test has fail. */
#define FAULT(name) FAULT_WRAP_ALL(FAULT_OF_##name)
#define FAULT_WRAP_ALL(...) FAULT_WRAP(__VA_ARGS__)

#define FAULT_OF_socket \
  int, socket, (int family, int type, int protocol), (family, type, protocol), -1
#define FAULT_OF_bind \
  int, bind, (int fd, const struct sockaddr *to, socklen_t length), (fd, to, length), -1
#define FAULT_OF_connect \
  int, connect, (int fd, const struct sockaddr *to, socklen_t length), (fd, to, length), -1
#define FAULT_OF_getsockname \
  int, getsockname, (int fd, struct sockaddr *name, socklen_t *length), (fd, name, length), -1
#define FAULT_OF_setsockopt                                                          \
  int, setsockopt, (int fd, int level, int name, const void *value, socklen_t size), \
      (fd, level, name, value, size), -1
#define FAULT_OF_sendmsg \
  ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags), (fd, message, flags), -1
#define FAULT_OF_recvmsg \
  ssize_t, recvmsg, (int fd, struct msghdr *message, int flags), (fd, message, flags), -1
#define FAULT_OF_uv_poll_init \
  int, uv_poll_init, (uv_loop_t * on, uv_poll_t * poll, int fd), (on, poll, fd), UV_ENOMEM
#define FAULT_OF_uv_poll_init_socket                                                             \
  int, uv_poll_init_socket, (uv_loop_t * on, uv_poll_t * poll, uv_os_sock_t fd), (on, poll, fd), \
      UV_ENOMEM

/* The last argument is of some commands only. */
#define FAULT_FCNTL()                                                 \
  int __real_fcntl(int fd, int command, ...);                         \
  int __wrap_fcntl(int fd, int command, int argument);                \
  int __wrap_fcntl(int fd, int command, int argument) {               \
    return fails("fcntl") ? -1 : __real_fcntl(fd, command, argument); \
  }

/* Those of every test (dgram_fault_test): they also count. */

static inline void *fault_counted(void *allocated) {
  fault.live += allocated != NULL;
  return allocated;
}

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size) {
  return fault_counted(fails("malloc") ? NULL : __real_malloc(size));
}

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size) {
  return fault_counted(fails("calloc") ? NULL : __real_calloc(count, size));
}

char *__real_strdup(const char *text);
char *__wrap_strdup(const char *text);
char *__wrap_strdup(const char *text) {
  return fault_counted(fails("strdup") ? NULL : __real_strdup(text));
}

void __real_free(void *allocated);
void __wrap_free(void *allocated);
void __wrap_free(void *allocated) {
  fault.live -= allocated != NULL;
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

/* libuv opens files of its own for the first loop: for the beginning of a group of tests. */
static inline int open_first_loop(void **state) {
  uv_loop_t first;
  uv_loop_init(&first);
  return uv_loop_close(&first);
}

/* For its end: what runs at exit, the counts of gcov say, is to be spared. */
static inline int end_faults(void **state) {
  fault.at = 0;
  return 0;
}

/* Returns whether the fault was met. Nothing is left over of the scenario, met or not. */
static inline bool run_with_fault(void (*scenario)(void), unsigned at) {
  int files = count_open_files();
  fault.live = 0;
  fault.calls = 0;
  fault.in = NULL;
  fault.at = at;
  scenario();
  CHECK(fault.live == 0);
  CHECK(count_open_files() == files);
  fault.at = 0;
  return fault.in != NULL;
}

/*
 * Runs the scenario once for each call that can fail, with each of these errors. It makes `least`
 * such calls, or more.
 */
static inline void survive_all_faults(void (*scenario)(void), const int errors[], size_t count,
                                      unsigned least) {
  for (size_t i = 0; i < count; i++) {
    unsigned at = 1;
    fault.error = errors[i];
    while (run_with_fault(scenario, at))
      at++;
    assert_true(at > least);
  }
}

#endif

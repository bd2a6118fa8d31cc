/*
 * Faults: each allocation and call of a scenario fails once, the first, the second, ..., until it
 * has run without meeting one. The linker puts the functions __wrap_... in the place of the true
 * ones (__real_...); threads may call them.
 */
#ifndef TESTS_LIB_FAULT_H
#define TESTS_LIB_FAULT_H

#include "lib/test.h"
#include "lib/wrap.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern struct fault {
  int error;         /* the errno that it leaves */
  unsigned at;       /* which call fails; 0: none */
  atomic_uint calls; /* so far */
  atomic_int live;   /* allocations */
  const char *in;    /* the function that failed; NULL: none yet */
} fault;

/* An assertion that names the fault which led there. */
#define CHECK(condition) fault_check(condition, __LINE__, #condition)
void fault_check(bool holds, int line, const char *condition);

/* Whether this call is the one that fails. */
bool fails(const char *function);

/* NOLINTBEGIN(bugprone-reserved-identifier): the linker wants these names */
#define FAULT_WRAP(type, name, parameters, arguments, failure) \
  WRAP(type, name, parameters) {                               \
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

/* Those of every test (dgram_fault_test); of these the library of tests has __wrap_... */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
char *__real_strdup(const char *text);
void __real_free(void *allocated);
int __real_close(int fd);
/* NOLINTEND(bugprone-reserved-identifier) */

/* Counts an allocation of another function. Returns it. */
void *fault_counted(void *allocated);

/* Returns whether the fault was met. Nothing is left over of the scenario, met or not. */
bool run_with_fault(void (*scenario)(void), unsigned at);

/*
 * Runs the scenario once for each call that can fail, with each of these errors. It makes `least`
 * such calls, or more.
 */
void survive_all_faults(void (*scenario)(void), const int errors[], size_t count, unsigned least);

#endif

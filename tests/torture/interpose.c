/*
 * The calls of libuv. A program's own function takes the place of libc's in the libraries that it
 * loads; each here lets the call fail if it comes from libuv, and else makes the true one.
 *
 * In this file: who calls; calls that fail with an errno; processes; waiting; what ends a process.
 */
#include "torture/inject.h"

#include <assert.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

/* ---- who calls ---- */

static uintptr_t libuv_begin;
static uintptr_t libuv_end;

static int interpose_find(struct dl_phdr_info *object, size_t size, void *within) {
  uintptr_t begin = UINTPTR_MAX;
  uintptr_t end = 0;
  (void)size;
  for (int i = 0; i < object->dlpi_phnum; i++)
    if (object->dlpi_phdr[i].p_type == PT_LOAD) {
      uintptr_t at = object->dlpi_addr + object->dlpi_phdr[i].p_vaddr;
      begin = at < begin ? at : begin;
      end = at + object->dlpi_phdr[i].p_memsz > end ? at + object->dlpi_phdr[i].p_memsz : end;
    }
  if ((uintptr_t)within < begin || (uintptr_t)within >= end)
    return 0;
  libuv_begin = begin;
  libuv_end = end;
  return 1;
}

__attribute__((constructor)) static void interpose_init(void) {
  dl_iterate_phdr(interpose_find, dlsym(RTLD_DEFAULT, "uv_run"));
}

static bool interpose_is_libuv(const void *caller) {
  return (uintptr_t)caller >= libuv_begin && (uintptr_t)caller < libuv_end;
}

bool inject_knows_libuv(void) {
  return libuv_begin != 0 && !interpose_is_libuv(&inject);
}

#define BY_LIBUV interpose_is_libuv(__builtin_return_address(0))

static bool interpose_fails(bool by_libuv, enum torture_call call) {
  int fault = by_libuv ? inject_fault(call) : FAULT_NONE;
  if (fault > 0)
    errno = fault;
  return fault > 0;
}

/* The true function, behind this program's. */
static void interpose_look_up(void *function, const char *name) {
  *(void **)function = dlsym(RTLD_NEXT, name);
  if (*(void **)function == NULL)
    torture_fail("there is no %s()", name);
}

#define TRUE_OF(name)                     \
  static __typeof__(name) *true_function; \
  if (true_function == NULL)              \
  interpose_look_up(&true_function, #name)

/* NOLINTBEGIN(readability-inconsistent-declaration-parameter-name): libc names them otherwise */

/* ---- calls that fail with an errno ---- */

#define INTERPOSE(type, name, parameters, arguments)                                          \
  type name parameters {                                                                      \
    TRUE_OF(name);                                                                            \
    return interpose_fails(BY_LIBUV, CALL_libuv_##name) ? (type)-1 : true_function arguments; \
  }

INTERPOSE(int, epoll_create1, (int flags), (flags))
INTERPOSE(int, eventfd, (unsigned value, int flags), (value, flags))
INTERPOSE(int, pipe2, (int fds[2], int flags), (fds, flags))
INTERPOSE(ssize_t, read, (int fd, void *bytes, size_t size), (fd, bytes, size))
INTERPOSE(ssize_t, write, (int fd, const void *bytes, size_t size), (fd, bytes, size))

/*
 * uv_poll_init() tries a descriptor: it adds it without data, and removes it. Later libuv adds and
 * changes what it watches before it waits, and aborts if that fails. Removing has no error of the
 * system's.
 */
static bool interpose_epoll_fails(int operation, const struct epoll_event *event) {
  bool tries = operation == EPOLL_CTL_ADD && event->data.fd == -1;
  return operation != EPOLL_CTL_DEL &&
         interpose_fails(true, tries ? CALL_libuv_epoll_ctl : CALL_libuv_epoll_ctl_watch);
}

int epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event) {
  TRUE_OF(epoll_ctl);
  if (BY_LIBUV && interpose_epoll_fails(operation, event))
    return -1;
  return true_function(epoll, operation, fd, event);
}

int ioctl(int fd, unsigned long request, ...) {
  TRUE_OF(ioctl);
  va_list arguments;
  va_start(arguments, request);
  void *argument = va_arg(arguments, void *);
  va_end(arguments);
  return interpose_fails(BY_LIBUV, CALL_libuv_ioctl) ? -1 : true_function(fd, request, argument);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                   void *context) {
  TRUE_OF(pthread_create);
  int fault = BY_LIBUV ? inject_fault(CALL_libuv_pthread_create) : FAULT_NONE;
  return fault > 0 ? fault : true_function(thread, attributes, run, context);
}

static int interpose_name_error(int fault) {
  switch (fault) {
  case EAGAIN:
    return EAI_AGAIN;
  case ENOMEM:
    return EAI_MEMORY;
  case ENOENT:
    return EAI_NONAME;
  default:
    errno = fault;
    return EAI_SYSTEM;
  }
}

/* Only "localhost" and numbers have an address, and no name server is asked. */
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                struct addrinfo **found) {
  TRUE_OF(getaddrinfo);
  int fault = BY_LIBUV ? inject_fault(CALL_libuv_getaddrinfo) : FAULT_NONE;
  if (fault > 0)
    return interpose_name_error(fault);
  if (node != NULL && strcmp(node, "localhost") == 0)
    node = hints != NULL && hints->ai_family == AF_INET6 ? "::1" : "127.0.0.1";
  struct addrinfo numeric = {.ai_flags = AI_NUMERICHOST};
  if (hints != NULL)
    numeric = *hints;
  numeric.ai_flags |= AI_NUMERICHOST;
  return true_function(node, service, &numeric, found);
}

/* ---- processes ---- */

INTERPOSE(pid_t, fork, (void), ())

/* A worker is this program again: the process that libuv has forked plays it at once. */
int execvp(const char *file, char *const arguments[]) {
  TRUE_OF(execvp);
  if (interpose_fails(BY_LIBUV, CALL_libuv_execvp))
    return -1;
  if (inject.become_worker == NULL)
    return true_function(file, arguments);
  inject.become_worker();
  _exit(0);
}

/* ---- waiting ---- */

typedef int interpose_wait_function(int, struct epoll_event *, int, int, const sigset_t *);

/*
 * In virtual time the loop never waits, except for the threads of look-ups: the clock moves on by
 * the timeout.
 */
static int interpose_wait(interpose_wait_function *wait, int epoll, struct epoll_event *events,
                          int most, int timeout, const sigset_t *mask) {
  enum { PATIENCE = 2000 /* ms of look-ups */ };
  if (inject.real_time || timeout == 0)
    return wait(epoll, events, most, timeout, mask);
  int ready = wait(epoll, events, most, 0, mask);
  for (int i = 0; ready == 0 && inject.lookups > 0 && i < PATIENCE; i++)
    ready = wait(epoll, events, most, 1, mask);
  if (ready != 0)
    return ready;
  if (inject.lookups > 0)
    torture_fail("a look-up does not end");
  if (timeout < 0)
    torture_fail("the loop waits for ever");
  inject.waits++;
  inject_pass((uint64_t)timeout * 1000000);
  return 0;
}

int epoll_pwait(int epoll, struct epoll_event *events, int most, int timeout,
                const sigset_t *mask) {
  TRUE_OF(epoll_pwait);
  bool by_libuv = BY_LIBUV;
  if (interpose_fails(by_libuv, CALL_libuv_epoll_wait))
    return -1;
  return by_libuv ? interpose_wait(true_function, epoll, events, most, timeout, mask)
                  : true_function(epoll, events, most, timeout, mask);
}

int epoll_wait(int epoll, struct epoll_event *events, int most, int timeout) {
  TRUE_OF(epoll_pwait);
  bool by_libuv = BY_LIBUV;
  if (interpose_fails(by_libuv, CALL_libuv_epoll_wait))
    return -1;
  return by_libuv ? interpose_wait(true_function, epoll, events, most, timeout, NULL)
                  : true_function(epoll, events, most, timeout, NULL);
}

int clock_gettime(clockid_t clock, struct timespec *time) {
  TRUE_OF(clock_gettime);
  if (inject.real_time)
    return true_function(clock, time);
  uint64_t now = inject_now();
  *time =
      (struct timespec){.tv_sec = (time_t)(now / 1000000000), .tv_nsec = (long)(now % 1000000000)};
  return 0;
}

/* ---- what ends a process ---- */

void abort(void) {
  if (BY_LIBUV)
    torture_libuv_aborts("abort()");
  torture_fail("abort()");
}

void __assert_fail(const char *assertion, const char *file, unsigned line, const char *function) {
  if (BY_LIBUV)
    torture_libuv_aborts(assertion);
  torture_fail("%s:%u: %s: assert(%s)", file, line, function, assertion);
}
/* NOLINTEND(readability-inconsistent-declaration-parameter-name) */

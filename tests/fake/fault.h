/*
 * Faults: each allocation and call of a scenario fails once, the first, the second, ..., until it
 * has run without meeting one. The linker puts the functions __wrap_... in the place of the true
 * ones (__real_...); threads may call them.
 */
#ifndef FAKE_FAULT_H
#define FAKE_FAULT_H

#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

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
/* NOLINTEND(bugprone-reserved-identifier) */

static inline int count_open_files(void) {
  DIR *folder = opendir("/proc/self/fd");
  assert_non_null(folder);
  int count = 0;
  while (readdir(folder) != NULL)
    count++;
  closedir(folder);
  return count;
}

/* Returns whether the fault was met. Nothing is left over of the scenario, met or not. */
static inline bool run_with_fault(void (*scenario)(void), unsigned at) {
  int files = count_open_files();
  fault.live = 0;
  fault.calls = 0;
  fault.in = NULL;
  fault.at = at;
  scenario();
  fault.at = 0;
  CHECK(fault.live == 0);
  CHECK(count_open_files() == files);
  return fault.in != NULL;
}

/* Runs the scenario once for each call that can fail, with each of these errors. */
static inline void survive_all_faults(void (*scenario)(void), const int errors[], size_t count) {
  for (size_t i = 0; i < count; i++) {
    unsigned at = 1;
    fault.error = errors[i];
    while (run_with_fault(scenario, at))
      at++;
    assert_true(at > 5); /* it did meet some */
  }
}

#endif

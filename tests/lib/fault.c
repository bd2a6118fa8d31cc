#include "lib/fault.h"

#include "lib/raw.h"

struct fault fault;

bool fails(const char *function) {
  if (++fault.calls != fault.at)
    return false;
  fault.in = function;
  errno = fault.error;
  return true;
}

void *fault_counted(void *allocated) {
  fault.live += allocated != NULL;
  return allocated;
}

/* NOLINTBEGIN(bugprone-reserved-identifier): the linker wants these names */
WRAP(void *, malloc, (size_t size)) {
  return fault_counted(fails("malloc") ? NULL : __real_malloc(size));
}

WRAP(void *, calloc, (size_t count, size_t size)) {
  return fault_counted(fails("calloc") ? NULL : __real_calloc(count, size));
}

WRAP(char *, strdup, (const char *text)) {
  return fault_counted(fails("strdup") ? NULL : __real_strdup(text));
}

WRAP(void, free, (void *allocated)) {
  fault.live -= allocated != NULL;
  __real_free(allocated);
}

WRAP(int, close, (int fd)) {
  int result = __real_close(fd);
  CHECK(result == 0); /* so nothing is closed twice */
  return result;
}
/* NOLINTEND(bugprone-reserved-identifier) */

void fault_check(bool holds, int line, const char *condition) {
  unsigned at = fault.at;
  if (holds)
    return;
  fault.at = 0; /* what runs at exit, for example gcov, must not fail */
  fail_msg("line %d: %s does not hold after fault %u: %s in %s", line, condition, at,
           strerror(fault.error), fault.in != NULL ? fault.in : "nothing");
}

bool run_with_fault(void (*scenario)(void), unsigned at) {
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

void survive_all_faults(void (*scenario)(void), const int errors[], size_t count, unsigned least) {
  for (size_t i = 0; i < count; i++) {
    unsigned at = 1;
    fault.error = errors[i];
    while (run_with_fault(scenario, at))
      at++;
    assert_true(at > least);
  }
}

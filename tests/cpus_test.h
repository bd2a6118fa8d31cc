/* For tests of what happens on which CPU. */
#ifndef CPUS_TEST_H
#define CPUS_TEST_H

#include "group_test.h"

#include <sched.h>

/* Fills the numbers of the CPUs that this thread may use. Returns how many there are; on any
 * thread, so nothing is asserted. */
static inline int allowed_cpus(int cpus[CPU_SETSIZE]) {
  cpu_set_t allowed;
  int count = 0;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0)
    return 0;
  for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
    if (CPU_ISSET(cpu, &allowed))
      cpus[count++] = cpu;
  return count;
}

/* Moves this thread, and those that it will start. */
static inline void stay_on(const int cpus[], int count) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (int i = 0; i < count; i++)
    CPU_SET(cpus[i], &set);
  assert_int_equal(sched_setaffinity(0, sizeof set, &set), 0);
}

#endif

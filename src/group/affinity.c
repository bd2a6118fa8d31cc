/* sched_setaffinity(2). */
#include "affinity.h"

#include "address.h"

#if defined(__linux__)

#include <errno.h>
#include <sched.h>

int dgram__affinity_allowed(int cpus[], int count) {
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0)
    return -errno;
  int found = 0;
  for (int cpu = 0; found < count; cpu = (cpu + 1) % CPU_SETSIZE)
    if (CPU_ISSET(cpu, &allowed))
      cpus[found++] = cpu;
  return 0;
}

int dgram__affinity_set(int cpu) {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(cpu, &one);
  return sched_setaffinity(0, sizeof one, &one) == 0 ? 0 : -errno;
}

#else

int dgram__affinity_allowed(int cpus[], int count) {
  return UV_ENOTSUP;
}

int dgram__affinity_set(int cpu) {
  return UV_ENOTSUP;
}

#endif

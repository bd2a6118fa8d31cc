/*
 * CPU affinity: the CPUs that a thread may run on (sched_setaffinity(2)). The functions return 0 or
 * an error, UV_ENOTSUP where the system has no such call.
 */
#ifndef DGRAM_AFFINITY_H
#define DGRAM_AFFINITY_H

/* Writes the CPUs of the calling thread's mask in ascending order, repeated until `count`. */
int dgram__affinity_allowed(int cpus[], int count);

/* Pins the calling thread to a CPU. */
int dgram__affinity_set(int cpu);

#endif

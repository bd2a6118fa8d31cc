/*
 * The CPUs that the process may use, and keeping a thread on one.
 * Floor 1: makes system calls, knows neither loop nor socket. Codes are UV_E*; UV_ENOTSUP where
 * the system cannot.
 */
#ifndef DGRAM_AFFINITY_H
#define DGRAM_AFFINITY_H

/* Numbers of the CPUs that the calling thread may use, from the least on, and again from there
 * until `cpus` is full. */
int dgram__affinity_allowed(int cpus[], int count);

/* Keeps the calling thread on one. */
int dgram__affinity_set(int cpu);

#endif

/*
 * The work of each thread or process of the server: it answers and counts.
 */
#ifndef BENCH_SCALING_ANSWER_H
#define BENCH_SCALING_ANSWER_H

#include "../../harness.h"

#include <dgram.h>

/* The server's job, and the number of its workers, `threads=N` or `processes=N`. */
typedef struct job {
  size_t size;
  size_t flows;
  uint64_t work_ns; /* `work=NS`: how long the application computes for each datagram */
  size_t workers;
} job_t;

/* The counters of a worker, on cache lines of their own, to avoid false sharing. */
typedef struct counters {
  _Alignas(128) atomic_uint_fast64_t answered;
  atomic_uint_fast64_t wrong; /* written when the worker ends */
} counters_t;

/* One thread, or process. */
typedef struct worker {
  const job_t *job;
  counters_t *counters;
  work_reader_t *readers; /* one for each flow of the server */
} worker_t;

job_t read_job(const bench_side_t *side, const char *workers);

void worker_open(worker_t *worker, const job_t *job, counters_t *counters);
void worker_close(worker_t *worker);

/* A listener of 'message', and one of 'error'; the context is the worker. */
void answer(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo, void *context);
void fail_on_error(dgram_socket_t *socket, const dgram_error_t *error, void *context);

/* Ends the program if a call of the library's has failed. */
void checked(int result, const char *what);

/* Sums the counters of the workers for the side; at the end also what was wrong. */
void sum_counted(bench_side_t *side, counters_t counters[], size_t count);
void sum_wrong(bench_side_t *side, counters_t counters[], size_t count);

/* Run the server, until the client has ended. */
void serve_by_threads(bench_side_t *side);
void serve_by_processes(bench_side_t *side);

/* Runs one of its processes. Returns the program's exit status. */
int run_worker(void);

#endif

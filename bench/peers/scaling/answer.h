/*
 * What each thread or process of the server does: it answers, and counts.
 */
#ifndef BENCH_SCALING_ANSWER_H
#define BENCH_SCALING_ANSWER_H

#include "../../harness.h"

#include <dgram.h>

/* The server's job, and whose it is by `threads=N` or `processes=N`. */
typedef struct job {
  size_t size;
  size_t flows;
  uint64_t work_ns; /* `work=NS`: what the application computes for each datagram */
  size_t workers;
} job_t;

/* What a worker has done. On lines of the cache of its own: none shall wait for another's. */
typedef struct counters {
  _Alignas(128) atomic_uint_fast64_t answered;
  atomic_uint_fast64_t wrong; /* written when the worker ends */
} counters_t;

/* One thread, or process. */
typedef struct worker {
  const job_t *job;
  counters_t *counters;
  work_reader_t *readers; /* one for each flow, whoever has it */
} worker_t;

job_t read_job(const bench_side_t *side, const char *workers);

void worker_open(worker_t *worker, const job_t *job, counters_t *counters);
void worker_close(worker_t *worker);

/* A listener of 'message', and one of 'error'; the context is the worker. */
void answer(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo, void *context);
void fail_on_error(dgram_socket_t *socket, const dgram_error_t *error, void *context);

/* Ends the program if a call of the library's has failed. */
void checked(int result, const char *what);

/* What the workers have counted is the side's; at the end also what was wrong. */
void sum_counted(bench_side_t *side, counters_t counters[], size_t count);
void sum_wrong(bench_side_t *side, counters_t counters[], size_t count);

/* The server, until the client has ended. */
void serve_by_threads(bench_side_t *side);
void serve_by_processes(bench_side_t *side);

/* One of its processes. Returns the program's status. */
int run_worker(void);

#endif

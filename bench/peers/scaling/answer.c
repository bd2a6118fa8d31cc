#include "answer.h"

#include <stdlib.h>

job_t read_job(const bench_side_t *side, const char *workers) {
  return (job_t){.size = side->size,
                 .flows = side->flows,
                 .work_ns = bench_number(side, "work", 0),
                 .workers = bench_number(side, workers, 1)};
}

void checked(int result, const char *what) {
  if (result < 0)
    bench_fail(what, dgram_strerror(result));
}

void worker_open(worker_t *worker, const job_t *job, counters_t *counters) {
  *worker = (worker_t){.job = job, .counters = counters};
  worker->readers = bench_allocate(job->flows * sizeof(work_reader_t));
  for (size_t flow = 0; flow < job->flows; flow++)
    worker->readers[flow] = (work_reader_t){.size = job->size};
}

void worker_close(worker_t *worker) {
  for (size_t flow = 0; flow < worker->job->flows; flow++)
    atomic_fetch_add(&worker->counters->wrong, worker->readers[flow].wrong);
  free(worker->readers);
}

static void compute(uint64_t ns) {
  for (uint64_t end = bench_now_ns() + ns; bench_now_ns() < end;)
    continue;
}

void answer(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
            void *context) {
  worker_t *worker = context;
  work_read_flow(worker->readers, worker->job->flows, message, rinfo->size);
  if (worker->job->work_ns > 0)
    compute(worker->job->work_ns);
  uv_buf_t buffer = uv_buf_init((char *)message, (unsigned)rinfo->size);
  checked(dgram_send_to(socket, &buffer, 1, rinfo->sockaddr, NULL, NULL), "dgram_send_to");
  atomic_fetch_add_explicit(&worker->counters->answered, 1, memory_order_relaxed);
}

void fail_on_error(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  bench_fail("error event", error->message);
}

void sum_counted(bench_side_t *side, counters_t counters[], size_t count) {
  uint64_t sum = 0;
  for (size_t i = 0; i < count; i++)
    sum += atomic_load_explicit(&counters[i].answered, memory_order_relaxed);
  atomic_store(&side->counted, sum);
}

void sum_wrong(bench_side_t *side, counters_t counters[], size_t count) {
  for (size_t i = 0; i < count; i++)
    side->readers[0].wrong += atomic_load(&counters[i].wrong);
}

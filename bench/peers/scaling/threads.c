/*
 * A server of threads: a group of sockets on one port.
 */
#include "answer.h"

#include <dgram_group.h>

#include <stdlib.h>
#include <unistd.h>

static int on_start(dgram_group_t *group, int index, dgram_socket_t *socket, void *context) {
  worker_t *worker = (worker_t *)context + index;
  checked(dgram_on_error(socket, fail_on_error, NULL), "dgram_on_error");
  return dgram_on_message(socket, answer, worker);
}

static dgram_group_t *start(bench_side_t *side, worker_t *workers, size_t count) {
  dgram_options_t socket = dgram_default_options(DGRAM_UDP4);
  socket.recv_buffer_size = BENCH_RECV_BUFFER;
  dgram_group_options_t options = dgram_default_group_options(&socket, on_start, workers);
  dgram_group_t *group;
  options.address = "127.0.0.1";
  options.threads = (int)count;
  options.pin = bench_option_is(side, "pin", "yes", false);
  checked(dgram_group_start(&options, &group), "dgram_group_start");
  return group;
}

static void serve(bench_side_t *side, dgram_group_t *group, counters_t counters[], size_t count) {
  dgram_address_t address;
  checked(dgram_group_address(group, &address), "dgram_group_address");
  uint16_t port = (uint16_t)address.port;
  side->has_threads = true;
  bench_begin(side, &port);
  do {
    usleep(BENCH_QUIET_MS * 1000);
    sum_counted(side, counters, count);
  } while (!bench_stop_receiving(side));
}

void serve_by_threads(bench_side_t *side) {
  job_t job = read_job(side, "threads");
  counters_t *counters = aligned_alloc(_Alignof(counters_t), job.workers * sizeof *counters);
  worker_t *workers = bench_allocate(job.workers * sizeof *workers);
  if (!counters)
    bench_fail("memory", "none left");
  for (size_t i = 0; i < job.workers; i++) {
    counters[i] = (counters_t){.answered = 0};
    worker_open(&workers[i], &job, &counters[i]);
  }
  dgram_group_t *group = start(side, workers, job.workers);
  serve(side, group, counters, job.workers);
  checked(dgram_group_stop(group), "dgram_group_stop");
  for (size_t i = 0; i < job.workers; i++)
    worker_close(&workers[i]);
  sum_counted(side, counters, job.workers);
  sum_wrong(side, counters, job.workers);
  free(workers);
  free(counters);
}

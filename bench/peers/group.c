/*
 * A server of many threads: a group of libdgram's sockets on one port, which answers each datagram
 * to where it came from. For scaling.sh, with
 *   threads=N   the threads and sockets
 *   work=NS     what the application does for each datagram: it computes so long; else nothing
 *   pin=yes     each thread stays on a core
 */
#include "../harness.h"

#include <dgram_group.h>

#include <stdlib.h>
#include <unistd.h>

/* What a thread writes. On lines of the cache of its own: no thread shall wait for another's. */
typedef struct worker {
  _Alignas(128) bench_side_t *side;
  uint64_t work_ns;
  work_reader_t *readers; /* one for each flow, whoever has it */
  atomic_uint_fast64_t counted;
} worker_t;

static void checked(int result, const char *what) {
  if (result < 0)
    bench_fail(what, dgram_strerror(result));
}

static void compute(uint64_t ns) {
  for (uint64_t end = bench_now_ns() + ns; bench_now_ns() < end;)
    continue;
}

static void on_request(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                       void *context) {
  worker_t *worker = context;
  work_read_flow(worker->readers, worker->side->flows, message, rinfo->size);
  if (worker->work_ns > 0)
    compute(worker->work_ns);
  uv_buf_t buffer = uv_buf_init((char *)message, (unsigned)rinfo->size);
  checked(dgram_send_to(socket, &buffer, 1, rinfo->sockaddr, NULL, NULL), "dgram_send_to");
  atomic_fetch_add_explicit(&worker->counted, 1, memory_order_relaxed);
}

static void on_error(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  bench_fail("error event", error->message);
}

static int on_start(dgram_group_t *group, int index, dgram_socket_t *socket, void *context) {
  worker_t *worker = (worker_t *)context + index;
  checked(dgram_on_error(socket, on_error, NULL), "dgram_on_error");
  return dgram_on_message(socket, on_request, worker);
}

static worker_t *make_workers(bench_side_t *side, size_t count) {
  worker_t *workers = aligned_alloc(_Alignof(worker_t), count * sizeof *workers);
  if (!workers)
    bench_fail("memory", "none left");
  for (size_t i = 0; i < count; i++) {
    workers[i] = (worker_t){.side = side, .work_ns = bench_number(side, "work", 0)};
    workers[i].readers = bench_allocate(side->flows * sizeof(work_reader_t));
    for (size_t flow = 0; flow < side->flows; flow++)
      workers[i].readers[flow] = (work_reader_t){.size = side->size};
  }
  return workers;
}

static dgram_group_t *start(bench_side_t *side, worker_t *workers, size_t count) {
  dgram_options_t socket = dgram_default_options(DGRAM_UDP4);
  socket.recv_buffer_size = BENCH_RECV_BUFFER;
  dgram_group_options_t options = dgram_default_group_options(&socket, on_start, workers);
  dgram_group_t *group;
  options.address = "127.0.0.1";
  options.threads = (int)count;
  options.pin = bench_chosen(side, "pin", "yes", false);
  checked(dgram_group_start(&options, &group), "dgram_group_start");
  return group;
}

/* What the threads have counted is the side's. */
static void gather(bench_side_t *side, worker_t *workers, size_t count) {
  uint64_t sum = 0;
  for (size_t i = 0; i < count; i++)
    sum += atomic_load_explicit(&workers[i].counted, memory_order_relaxed);
  atomic_store(&side->counted, sum);
}

static void end_workers(bench_side_t *side, worker_t *workers, size_t count) {
  gather(side, workers, count);
  for (size_t i = 0; i < count; i++) {
    for (size_t flow = 0; flow < side->flows; flow++)
      side->readers[flow].wrong += workers[i].readers[flow].wrong;
    free(workers[i].readers);
  }
  free(workers);
}

static void group_answer(bench_side_t *side) {
  size_t count = bench_number(side, "threads", 1);
  worker_t *workers = make_workers(side, count);
  dgram_group_t *group = start(side, workers, count);
  dgram_address_t address;
  checked(dgram_group_address(group, &address), "dgram_group_address");
  uint16_t port = (uint16_t)address.port;

  side->has_threads = true;
  bench_begin(side, &port);
  do {
    usleep(BENCH_QUIET_MS * 1000);
    gather(side, workers, count);
  } while (!bench_stop_receiving(side));
  checked(dgram_group_stop(group), "dgram_group_stop");
  end_workers(side, workers, count);
}

int main(int argc, char **argv) {
  static const bench_part_t parts[] = {{"echo-64", NULL, group_answer}, {NULL, NULL, NULL}};
  return bench_main(argc, argv, parts);
}

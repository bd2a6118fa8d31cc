/*
 * A server of processes: a primary, which is the side, and workers that share its socket. They
 * also share memory: the job, and the counters of each.
 */
#include "answer.h"

#include <dgram_cluster.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { CLOSE_TIMEOUT_MS = 5000, WORKERS_FD = 3 /* to their primary */ };

/* In the memory that primary and workers share. */
typedef struct shared {
  job_t job;
  counters_t counters[];
} shared_t;

/* The state of the primary. */
typedef struct primary {
  shared_t *shared;
  size_t listening;
  uint16_t port;
  bool closed;
} primary_t;

/* ---- a worker ---- */

/* NAME=NUMBER of the environment; 0 if it is not there. */
static size_t env_number(const char *name) {
  const char *value = getenv(name);
  return value ? strtoul(value, NULL, 10) : 0;
}

static shared_t *map_shared(int fd, size_t bytes) {
  void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED)
    bench_fail("mmap", "failed");
  return memory;
}

int run_worker(void) {
  uv_loop_t *loop = uv_default_loop();
  dgram_worker_t *connection;
  dgram_socket_t *socket;
  worker_t worker;
  shared_t *shared = map_shared((int)env_number("SHARED_FD"), env_number("SHARED_SIZE"));
  checked(dgram_worker_join(loop, NULL, NULL, &connection), "dgram_worker_join");
  worker_open(&worker, &shared->job, &shared->counters[dgram_worker_id(connection) - 1]);
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.recv_buffer_size = BENCH_RECV_BUFFER;
  checked(dgram_create_socket_options(loop, &options, answer, &worker, &socket), "socket");
  checked(dgram_on_error(socket, fail_on_error, NULL), "dgram_on_error");
  checked(dgram_bind(socket, 0, "127.0.0.1", NULL, NULL), "dgram_bind");
  uv_run(loop, UV_RUN_DEFAULT); /* until the primary disconnects it */
  worker_close(&worker);
  return 0;
}

/* ---- the primary ---- */

static void on_listening(dgram_cluster_t *cluster, int id, const dgram_address_t *address,
                         void *context) {
  primary_t *primary = context;
  primary->port = (uint16_t)address->port;
  primary->listening++;
}

static void on_closed(void *context) {
  primary_t *primary = context;
  primary->closed = true;
}

/* The CPU time that the workers have used. */
static uint64_t workers_ns(const dgram_cluster_t *cluster) {
  uint64_t sum = 0;
  for (int id = 0; (id = dgram_cluster_next(cluster, id)) > 0;) {
    clockid_t clock;
    struct timespec used;
    if (clock_getcpuclockid(dgram_cluster_pid(cluster, id), &clock) != 0 ||
        clock_gettime(clock, &used) != 0)
      bench_fail("a worker", "has ended");
    sum += (uint64_t)used.tv_sec * 1000000000u + (uint64_t)used.tv_nsec;
  }
  return sum;
}

static dgram_cluster_t *start(primary_t *primary, int fd, size_t bytes) {
  char *const args[] = {"worker", NULL};
  char shared_fd[32];
  char shared_size[64];
  char *const env[] = {shared_fd, shared_size, NULL};
  dgram_cluster_options_t options = dgram_default_cluster_options(args);
  dgram_cluster_t *cluster;
  options.on_listening = on_listening;
  options.context = primary;
  snprintf(shared_fd, sizeof shared_fd, "SHARED_FD=%d", fd);
  snprintf(shared_size, sizeof shared_size, "SHARED_SIZE=%zu", bytes);
  checked(dgram_cluster_create(uv_default_loop(), &options, &cluster), "dgram_cluster_create");
  for (size_t i = 0; i < primary->shared->job.workers; i++)
    checked(dgram_cluster_fork(cluster, env), "dgram_cluster_fork");
  while (primary->listening < primary->shared->job.workers)
    uv_run(uv_default_loop(), UV_RUN_ONCE);
  return cluster;
}

static void serve(bench_side_t *side, primary_t *primary, const dgram_cluster_t *cluster) {
  bench_begin(side, &primary->port);
  uint64_t before = workers_ns(cluster);
  do {
    usleep(BENCH_QUIET_MS * 1000);
    sum_counted(side, primary->shared->counters, primary->shared->job.workers);
  } while (!bench_stop_receiving(side));
  side->others_cpu_ns = workers_ns(cluster) - before;
}

/* Memory that workers inherit; not as the descriptor 3, which is their connection. */
static int open_memory(size_t bytes) {
  int made = memfd_create("shared", 0);
  int fd = made >= 0 ? fcntl(made, F_DUPFD, WORKERS_FD + 1) : -1;
  if (fd < 0 || ftruncate(fd, (off_t)bytes) != 0)
    bench_fail("memfd_create", "failed");
  close(made);
  return fd;
}

void serve_by_processes(bench_side_t *side) {
  job_t job = read_job(side, "processes");
  size_t bytes = sizeof(shared_t) + job.workers * sizeof(counters_t);
  int fd = open_memory(bytes);
  primary_t primary = {.shared = map_shared(fd, bytes)};
  primary.shared->job = job;
  dgram_cluster_t *cluster = start(&primary, fd, bytes);
  serve(side, &primary, cluster);
  checked(dgram_cluster_close(cluster, CLOSE_TIMEOUT_MS, on_closed, &primary),
          "dgram_cluster_close");
  while (!primary.closed)
    uv_run(uv_default_loop(), UV_RUN_ONCE);
  sum_counted(side, primary.shared->counters, job.workers);
  sum_wrong(side, primary.shared->counters, job.workers);
}

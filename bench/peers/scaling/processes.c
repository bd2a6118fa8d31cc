/*
 * A server of processes: a primary, which is the side, and workers that share its socket. They
 * share memory, too: the job, and what each has counted.
 */
#include "answer.h"

#include <dgram_cluster.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { GRACE_MS = 5000, WORKERS_FD = 3 /* to their primary */ };

/* In the memory that primary and workers share. */
typedef struct board {
  job_t job;
  tally_t tallies[];
} board_t;

/* What the primary knows. */
typedef struct crew {
  board_t *board;
  size_t listening;
  uint16_t port;
  bool closed;
} crew_t;

/* ---- a worker ---- */

/* NAME=NUMBER of the environment; 0 if it is not there. */
static size_t told(const char *name) {
  const char *value = getenv(name);
  return value ? strtoul(value, NULL, 10) : 0;
}

static board_t *map_board(int fd, size_t bytes) {
  void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED)
    bench_fail("mmap", "failed");
  return memory;
}

int be_process(void) {
  uv_loop_t *loop = uv_default_loop();
  dgram_worker_t *connection;
  dgram_socket_t *socket;
  worker_t worker;
  board_t *board = map_board((int)told("BOARD_FD"), told("BOARD_SIZE"));
  checked(dgram_worker_join(loop, NULL, NULL, &connection), "dgram_worker_join");
  worker_open(&worker, &board->job, &board->tallies[dgram_worker_id(connection) - 1]);
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
  crew_t *crew = context;
  crew->port = (uint16_t)address->port;
  crew->listening++;
}

static void on_closed(void *context) {
  crew_t *crew = context;
  crew->closed = true;
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

static dgram_cluster_t *start(crew_t *crew, int fd, size_t bytes) {
  char *const args[] = {"worker", NULL};
  char board_fd[32];
  char board_size[64];
  char *const env[] = {board_fd, board_size, NULL};
  dgram_cluster_options_t options = dgram_default_cluster_options(args);
  dgram_cluster_t *cluster;
  options.on_listening = on_listening;
  options.context = crew;
  snprintf(board_fd, sizeof board_fd, "BOARD_FD=%d", fd);
  snprintf(board_size, sizeof board_size, "BOARD_SIZE=%zu", bytes);
  checked(dgram_cluster_create(uv_default_loop(), &options, &cluster), "dgram_cluster_create");
  for (size_t i = 0; i < crew->board->job.workers; i++)
    checked(dgram_cluster_fork(cluster, env), "dgram_cluster_fork");
  while (crew->listening < crew->board->job.workers)
    uv_run(uv_default_loop(), UV_RUN_ONCE);
  return cluster;
}

static void serve(bench_side_t *side, crew_t *crew, const dgram_cluster_t *cluster) {
  bench_begin(side, &crew->port);
  uint64_t before = workers_ns(cluster);
  do {
    usleep(BENCH_QUIET_MS * 1000);
    gather(side, crew->board->tallies, crew->board->job.workers);
  } while (!bench_stop_receiving(side));
  side->others_cpu_ns = workers_ns(cluster) - before;
}

/* Memory that workers inherit; not as the descriptor 3, which is their connection. */
static int open_memory(size_t bytes) {
  int made = memfd_create("board", 0);
  int fd = made >= 0 ? fcntl(made, F_DUPFD, WORKERS_FD + 1) : -1;
  if (fd < 0 || ftruncate(fd, (off_t)bytes) != 0)
    bench_fail("memfd_create", "failed");
  close(made);
  return fd;
}

void serve_by_processes(bench_side_t *side) {
  job_t job = read_job(side, "processes");
  size_t bytes = sizeof(board_t) + job.workers * sizeof(tally_t);
  int fd = open_memory(bytes);
  crew_t crew = {.board = map_board(fd, bytes)};
  crew.board->job = job;
  dgram_cluster_t *cluster = start(&crew, fd, bytes);
  serve(side, &crew, cluster);
  checked(dgram_cluster_close(cluster, GRACE_MS, on_closed, &crew), "dgram_cluster_close");
  while (!crew.closed)
    uv_run(uv_default_loop(), UV_RUN_ONCE);
  gather(side, crew.board->tallies, job.workers);
  gather_wrong(side, crew.board->tallies, job.workers);
}

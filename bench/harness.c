/* See harness.h. Linux only: it reads /proc, and the heap statistics of glibc. */
#define _GNU_SOURCE
#include "harness.h"

#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { MAX_SIZE = 65507, MAX_LINE = 64 };

/* How many flows a scenario has, and how many sockets its receiver binds, unless an option sets
 * them. */
typedef struct shape {
  const char *scenario;
  size_t flows;
  size_t sockets;
  bool measures_heap; /* the memory of the receiver's sockets is measured */
} shape_t;

/* clang-format off */
static const shape_t shapes[] = {
    {"stream", 1, 1, false},
    {"fanin", 256, 1, false},
    {"fanout", 256, 256, false},
    {"fanout-text", 256, 256, false},
    {"pingpong", 1, 1, false},
    {"echo-1", 1, 1, false},
    {"echo-16", 16, 1, false},
    {"echo-64", 64, 1, false},
    {"many-1", 1, 1, true},
    {"many-100", 1, 100, true},
    {"many-10000", 1, 10000, true},
    {"many-all-100", 100, 100, true},
    {"many-all-10000", 10000, 10000, true},
    {"burst", 1, 1, false},
    {"mixed", 100, 1, false},
};
/* clang-format on */

void bench_fail(const char *what, const char *why) {
  fprintf(stderr, "bench: %s: %s\n", what, why);
  exit(1);
}

void *bench_allocate(size_t bytes) {
  void *memory = malloc(bytes);
  if (!memory)
    bench_fail("memory", "none left");
  /* Not zeros: the pages of calloc() would be mapped while the clock runs. */
  return memset(memory, 1, bytes);
}

/* ---- options ---- */

static const char *option(const bench_side_t *side, const char *key) {
  size_t length = strlen(key);
  for (char **at = side->options; *at; at++)
    if (strncmp(*at, key, length) == 0 && (*at)[length] == '=')
      return *at + length + 1;
  return NULL;
}

size_t bench_number(const bench_side_t *side, const char *key, size_t fallback) {
  const char *value = option(side, key);
  if (!value)
    return fallback;
  char *rest;
  long result = strtol(value, &rest, 10);
  if (rest == value || *rest || result < 1)
    bench_fail(key, "not a number above 0");
  return (size_t)result;
}

bool bench_option_is(const bench_side_t *side, const char *key, const char *value, bool fallback) {
  const char *chosen = option(side, key);
  return chosen ? strcmp(chosen, value) == 0 : fallback;
}

/* ---- cores ---- */

void bench_use_core(int n) {
  cpu_set_t all, one;
  if (sched_getaffinity(0, sizeof all, &all) != 0)
    bench_fail("sched_getaffinity", strerror(errno));
  int skip = n % CPU_COUNT(&all), core = 0;
  while (!CPU_ISSET(core, &all) || skip-- > 0)
    core++;
  CPU_ZERO(&one);
  CPU_SET(core, &one);
  if (sched_setaffinity(0, sizeof one, &one) != 0)
    bench_fail("sched_setaffinity", strerror(errno));
}

/* ---- clocks ---- */

static uint64_t read_ns(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t bench_now_ns(void) {
  return read_ns(CLOCK_MONOTONIC);
}

/* Of the working threads; the one that reads from the runner uses next to nothing. */
static uint64_t cpu_ns(const bench_side_t *side) {
  return read_ns(side->has_threads ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_THREAD_CPUTIME_ID);
}

uint64_t bench_kept_off_ns(void) {
  FILE *file = fopen("/proc/thread-self/schedstat", "r");
  unsigned long long waited = 0;
  if (file && fscanf(file, "%*u %llu", &waited) != 1)
    waited = 0;
  if (file)
    fclose(file);
  return waited;
}

static double seconds_since(const bench_side_t *side) {
  return (double)(bench_now_ns() - side->started_ns) / 1e9;
}

/* ---- the heap ---- */

/* With what malloc() has mapped: a large array of small structs is allocated there. */
static size_t heap_bytes(void) {
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 33)
  struct mallinfo2 heap = mallinfo2();
  return heap.uordblks + heap.hblkhd;
#else
  return 0;
#endif
}

void bench_measure_heap(bench_side_t *side) {
  side->heap_bytes = heap_bytes();
}

/* ---- the runner's lines ---- */

/* Reads a line without its newline. Exits at the end of the input: the runner has ended. */
static void read_line(char line[MAX_LINE]) {
  size_t length = 0;
  for (; length < MAX_LINE - 1; length++)
    if (read(STDIN_FILENO, &line[length], 1) != 1)
      _exit(1);
    else if (line[length] == '\n')
      break;
  line[length] = '\0';
}

/* The timeout of a wait for a line, in ms: until the side's time is over, then infinite. */
static int timeout_ms(const bench_side_t *side) {
  double left = side->seconds - seconds_since(side);
  if (atomic_load(&side->time_over))
    return -1;
  return left > 0 ? (int)(left * 1000) + 1 : 0;
}

static void end_time(bench_side_t *side) {
  uint64_t counted = atomic_load_explicit(&side->counted, memory_order_relaxed);
  side->rate = (double)counted / seconds_since(side);
  atomic_store(&side->time_over, true);
}

/* Runs in a thread of its own: the working thread waits for datagrams. */
static void *read_runner(void *argument) {
  bench_side_t *side = argument;
  struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
  char line[MAX_LINE];
  for (;;) {
    int ready = poll(&input, 1, timeout_ms(side));
    if (ready == 0)
      end_time(side);
    if (ready <= 0)
      continue;
    read_line(line);
    if (strcmp(line, "end") == 0)
      atomic_store(&side->sender_ended, true);
  }
  return NULL;
}

static void print_ready(const bench_side_t *side, const uint16_t *ports) {
  printf("ready");
  for (size_t i = 0; ports && i < side->sockets; i++)
    printf("%c%u", i ? ',' : ' ', ports[i]);
  printf("\n");
  fflush(stdout);
}

void bench_begin(bench_side_t *side, const uint16_t *ports) {
  char line[MAX_LINE];
  pthread_t listener;
  side->heap_bytes = heap_bytes() - side->heap_bytes;
  print_ready(side, ports);
  read_line(line);
  if (strcmp(line, "begin") != 0)
    bench_fail("the runner", "did not send 'begin'");
  side->started_ns = bench_now_ns();
  if (pthread_create(&listener, NULL, read_runner, side) != 0 || pthread_detach(listener) != 0)
    bench_fail("threads", "cannot start one");
  side->kept_off_ns = bench_kept_off_ns();
  side->cpu_ns = cpu_ns(side);
}

bool bench_stop_receiving(bench_side_t *side) {
  uint64_t counted = atomic_load_explicit(&side->counted, memory_order_relaxed);
  bool quiet = counted == side->counted_before;
  side->counted_before = counted;
  return quiet && atomic_load(&side->sender_ended);
}

/* ---- times ---- */

/* The capacity is a power of two; the array grows when the count reaches one. */
void bench_add_time(bench_side_t *side, uint64_t ns) {
  size_t count = side->time_count++;
  if ((count & (count - 1)) == 0)
    side->times = realloc(side->times, (count ? 2 * count : 1) * sizeof ns);
  if (!side->times)
    bench_fail("memory", "none left");
  side->times[count] = ns;
}

static int compare(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return (x > y) - (x < y);
}

/* The least that `permille` of the sorted times do not exceed, in us. */
static double percentile_us(const bench_side_t *side, size_t permille) {
  size_t rank = (side->time_count * permille - 1) / 1000;
  return (double)side->times[rank] / 1e3;
}

static void print_times(const bench_side_t *side) {
  if (side->time_count == 0)
    return;
  qsort(side->times, side->time_count, sizeof *side->times, compare);
  printf(" p50_us=%.2f p99_us=%.2f p999_us=%.2f", percentile_us(side, 500),
         percentile_us(side, 990), percentile_us(side, 999));
}

/* ---- a side's life ---- */

static uint64_t wrong(const bench_side_t *side) {
  uint64_t sum = 0;
  for (size_t flow = 0; flow < side->flows; flow++)
    sum += side->readers[flow].wrong;
  return sum;
}

static void print_result(const bench_side_t *side) {
  uint64_t used_ns = cpu_ns(side) - side->cpu_ns + side->others_cpu_ns;
  double kept_off = (double)(bench_kept_off_ns() - side->kept_off_ns) / 1e9 / seconds_since(side);
  if (!atomic_load(&side->time_over))
    bench_fail("the side", "ended before its time");
  printf("result counted=%llu rate=%.1f cpu_ns=%llu kept_off=%.4f wrong=%llu",
         (unsigned long long)atomic_load(&side->counted), side->rate, (unsigned long long)used_ns,
         kept_off, (unsigned long long)wrong(side));
  print_times(side);
  if (side->measures_heap && side->heap_bytes > 0)
    printf(" bytes_per_socket=%.1f", (double)side->heap_bytes / (double)side->sockets);
  printf("\n");
}

static void make_readers(bench_side_t *side) {
  side->readers = bench_allocate(side->flows * sizeof *side->readers);
  for (size_t i = 0; i < side->flows; i++)
    side->readers[i] = (work_reader_t){.size = side->size};
}

/* ports=PORT,PORT,... are where the receiver's sockets are. */
static void make_targets(bench_side_t *side) {
  const char *ports = option(side, "ports");
  if (!ports)
    bench_fail("ports", "none are given");
  side->target_count = 1;
  for (const char *at = ports; *at; at++)
    side->target_count += *at == ',';
  side->targets = bench_allocate(side->target_count * sizeof *side->targets);
  for (size_t i = 0; i < side->target_count; i++) {
    char *rest;
    unsigned long port = strtoul(ports, &rest, 10);
    side->targets[i] = (struct sockaddr_in){.sin_family = AF_INET,
                                            .sin_port = htons((uint16_t)port),
                                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    ports = rest + 1;
  }
}

static void set_shape(bench_side_t *side, const char *scenario) {
  shape_t shape = {scenario, 1, 1, false};
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
    if (strcmp(shapes[i].scenario, scenario) == 0)
      shape = shapes[i];
  side->flows = shape.flows;
  side->sockets = shape.sockets;
  if (strcmp(scenario, "fanin") == 0)
    side->flows = bench_number(side, "flows", shape.flows);
  side->measures_heap = shape.measures_heap;
}

static bench_role_t find_role(const bench_roles_t roles[], const char *scenario, bool sends) {
  for (const bench_roles_t *part = roles; part->scenario; part++)
    if (strcmp(part->scenario, scenario) == 0)
      return sends ? part->send : part->receive;
  return NULL;
}

int bench_main(int argc, char **argv, const bench_roles_t roles[]) {
  static bench_side_t side;
  bool sends = argc > 1 && strcmp(argv[1], "send") == 0;
  if (argc < 5 || (!sends && strcmp(argv[1], "receive") != 0)) {
    fprintf(stderr, "usage: %s send|receive SCENARIO SIZE SECONDS [KEY=VALUE ...]\n", argv[0]);
    return 2;
  }
  bench_role_t role = find_role(roles, argv[2], sends);
  if (!role)
    return BENCH_UNSUPPORTED;
  side.size = strtoul(argv[3], NULL, 10);
  side.seconds = strtod(argv[4], NULL);
  side.options = argv + 5;
  if (side.size < WORK_MIN_SIZE || side.size > MAX_SIZE)
    bench_fail(argv[3], "SIZE must be 9 to 65507");
  if (!(side.seconds > 0 && side.seconds <= 3600))
    bench_fail(argv[4], "SECONDS must be above 0, and 3600 at most");
  set_shape(&side, argv[2]);
  make_readers(&side);
  if (sends)
    make_targets(&side);
  role(&side);
  print_result(&side);
  free(side.targets);
  free(side.readers);
  free(side.times);
  return 0;
}

/* See harness.h. Linux only: threads are bound to cores. */
#define _GNU_SOURCE
#include "harness.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum {
  MAX_THREADS = 64,
  MAX_SIZE = 65507,
  HANG_SECONDS = 30,
  KEPT_OFF_PERCENT = 2 /* of the time: more is worth a note */
};

/* How many threads play each role of a scenario, and how many flows there are unless told. */
typedef struct shape {
  const char *scenario;
  int senders;
  int receivers;
  int flows;
} shape_t;

static const shape_t shapes[] = {
    {"stream", 1, 1, 1},
    {"fanin", 1, 1, 256},
    {"pingpong", 1, 1, 1},
};

/* The threads that send, or those that receive. */
typedef struct side {
  const char *name;
  bench_role_t role;
  int count;
  pthread_t ids[MAX_THREADS];
  bench_thread_t threads[MAX_THREADS];
} side_t;

struct bench_run {
  const char *scenario;
  size_t size;
  size_t flows;
  double seconds;
  char **options; /* KEY=VALUE, up to a NULL */
  cpu_set_t cores;
  pthread_barrier_t start;
  atomic_bool time_over;
  atomic_bool senders_ended;
  uint16_t ports[MAX_THREADS]; /* of the receivers; written before the barrier, read after it */
  side_t senders;
  side_t receivers;
};

/* Datagrams of both sides, summed. */
typedef struct totals {
  uint64_t sent;
  uint64_t received;
} totals_t;

void bench_fail(const char *what, const char *why) {
  fprintf(stderr, "bench: %s: %s\n", what, why);
  exit(1);
}

void *bench_allocate(size_t bytes) {
  void *memory = malloc(bytes);
  if (!memory)
    bench_fail("memory", "none left");
  /* Not zeros: calloc() would leave pages to be made while the clock runs. */
  return memset(memory, 1, bytes);
}

size_t bench_size(const bench_thread_t *thread) {
  return thread->run->size;
}

size_t bench_flows(const bench_thread_t *thread) {
  return thread->run->flows;
}

struct sockaddr_in bench_target(const bench_thread_t *thread, int index) {
  struct sockaddr_in target = {.sin_family = AF_INET};
  target.sin_port = htons(thread->run->ports[index]);
  target.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return target;
}

static const char *option(const bench_run_t *run, const char *key) {
  size_t length = strlen(key);
  for (char **at = run->options; *at; at++)
    if (strncmp(*at, key, length) == 0 && (*at)[length] == '=')
      return *at + length + 1;
  return NULL;
}

static long number(const bench_run_t *run, const char *key, long otherwise) {
  const char *value = option(run, key);
  if (!value)
    return otherwise;
  char *rest;
  long result = strtol(value, &rest, 10);
  if (rest == value || *rest || result < 1)
    bench_fail(key, "not a number above 0");
  return result;
}

long bench_number(const bench_thread_t *thread, const char *key, long otherwise) {
  return number(thread->run, key, otherwise);
}

bool bench_chosen(const bench_thread_t *thread, const char *key, const char *value,
                  bool otherwise) {
  const char *chosen = option(thread->run, key);
  return chosen ? strcmp(chosen, value) == 0 : otherwise;
}

bool bench_stop_sending(const bench_thread_t *thread) {
  return atomic_load_explicit(&thread->run->time_over, memory_order_relaxed);
}

bool bench_stop_receiving(bench_thread_t *thread) {
  uint64_t counted = atomic_load_explicit(&thread->counted, memory_order_relaxed);
  bool quiet = counted == thread->counted_before;
  thread->counted_before = counted;
  return quiet && atomic_load(&thread->run->senders_ended);
}

static uint64_t read_ns(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t bench_now_ns(void) {
  return read_ns(CLOCK_MONOTONIC);
}

static uint64_t cpu_ns(void) {
  return read_ns(CLOCK_THREAD_CPUTIME_ID);
}

/* There is room for a power of two: more is needed when the count has come to one. */
void bench_round_trip(bench_thread_t *thread, uint64_t sent_ns) {
  uint64_t took = bench_now_ns() - sent_ns;
  size_t count = thread->round_trip_count++;
  if ((count & (count - 1)) == 0)
    thread->round_trips = realloc(thread->round_trips, (count ? 2 * count : 1) * sizeof took);
  if (!thread->round_trips)
    bench_fail("memory", "none left");
  thread->round_trips[count] = took;
}

/* How long the calling thread was ready to run but did not; 0 where the kernel does not tell. */
static uint64_t kept_off_ns(void) {
  FILE *file = fopen("/proc/thread-self/schedstat", "r");
  unsigned long long waited = 0;
  if (file && fscanf(file, "%*u %llu", &waited) != 1)
    waited = 0;
  if (file)
    fclose(file);
  return waited;
}

static double seconds_now(void) {
  return (double)bench_now_ns() / 1e9;
}

void bench_begin(bench_thread_t *thread, uint16_t port) {
  if (port)
    thread->run->ports[thread->index] = port;
  pthread_barrier_wait(&thread->run->start);
  thread->kept_off_ns = kept_off_ns();
  thread->cpu_ns = cpu_ns();
}

/* Binds the calling thread to the n-th of the cores that the process may use, counted round. */
static void use_core(const bench_run_t *run, int n) {
  int skip = n % CPU_COUNT(&run->cores);
  int core = 0;
  while (!CPU_ISSET(core, &run->cores) || skip-- > 0)
    core++;
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(core, &one);
  if (pthread_setaffinity_np(pthread_self(), sizeof one, &one) != 0)
    bench_fail("threads", "cannot bind one to a core");
}

/* A thread's life: what bench_begin() starts to measure ends with the role. */
static void *play(void *argument) {
  bench_thread_t *thread = argument;
  side_t *side = thread->side;
  bool receives = side == &thread->run->receivers;
  use_core(thread->run, (receives ? thread->run->senders.count : 0) + thread->index);
  side->role(thread);
  thread->cpu_ns = cpu_ns() - thread->cpu_ns;
  thread->kept_off_ns = kept_off_ns() - thread->kept_off_ns;
  return NULL;
}

static work_reader_t *new_readers(const bench_run_t *run) {
  work_reader_t *readers = bench_allocate(run->flows * sizeof *readers);
  for (size_t i = 0; i < run->flows; i++)
    readers[i] = (work_reader_t){.size = run->size};
  return readers;
}

static void start(bench_run_t *run, side_t *side) {
  for (int i = 0; i < side->count; i++) {
    bench_thread_t *thread = &side->threads[i];
    thread->run = run;
    thread->side = side;
    thread->index = i;
    thread->readers = new_readers(run);
    if (pthread_create(&side->ids[i], NULL, play, thread) != 0)
      bench_fail("threads", "cannot start one");
  }
}

static void join(const side_t *side) {
  for (int i = 0; i < side->count; i++)
    pthread_join(side->ids[i], NULL);
}

static uint64_t counted_by(const side_t *side) {
  uint64_t sum = 0;
  for (int i = 0; i < side->count; i++)
    sum += atomic_load_explicit(&side->threads[i].counted, memory_order_relaxed);
  return sum;
}

static totals_t count_all(const bench_run_t *run) {
  return (totals_t){counted_by(&run->senders), counted_by(&run->receivers)};
}

static double cpu_ns_of(const side_t *side) {
  uint64_t sum = 0;
  for (int i = 0; i < side->count; i++)
    sum += side->threads[i].cpu_ns;
  return (double)sum;
}

/* On cores that other programs use too, figures are low, and datagrams lost. */
static void note_kept_off(const side_t *side, double seconds) {
  for (int i = 0; i < side->count; i++) {
    double percent = 100 * (double)side->threads[i].kept_off_ns / 1e9 / seconds;
    if (percent > KEPT_OFF_PERCENT)
      fprintf(stderr, "bench: note: a %s had to leave its core to others %.0f %% of the time\n",
              side->name, percent);
  }
}

static uint64_t wrong_at(const side_t *side, size_t flows) {
  uint64_t sum = 0;
  for (int i = 0; i < side->count; i++)
    for (size_t flow = 0; flow < flows; flow++)
      sum += side->threads[i].readers[flow].wrong;
  return sum;
}

static void check(const bench_run_t *run, totals_t all) {
  uint64_t wrong = wrong_at(&run->receivers, run->flows) + wrong_at(&run->senders, run->flows);
  char text[64];
  snprintf(text, sizeof text, "%llu of %llu", (unsigned long long)wrong,
           (unsigned long long)all.received);
  if (wrong)
    bench_fail("datagrams of a wrong size, content or order", text);
  if (all.received == 0 || all.received > all.sent)
    bench_fail("received", all.received ? "more than was sent" : "nothing");
}

static int compare(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return (x > y) - (x < y);
}

/* The least that `permille` of the sorted times do not exceed, in us. */
static double percentile_us(const bench_thread_t *thread, size_t permille) {
  size_t rank = (thread->round_trip_count * permille - 1) / 1000;
  return (double)thread->round_trips[rank] / 1e3;
}

/* Who sends alone waits for the answers: there is one thread to look at. */
static void print_round_trips(const bench_thread_t *thread) {
  if (thread->round_trip_count == 0) {
    printf(",,,\n");
    return;
  }
  qsort(thread->round_trips, thread->round_trip_count, sizeof *thread->round_trips, compare);
  printf(",%.2f,%.2f,%.2f\n", percentile_us(thread, 500), percentile_us(thread, 990),
         percentile_us(thread, 999));
}

static void sleep_for(double seconds) {
  struct timespec left = {.tv_sec = (time_t)seconds};
  left.tv_nsec = (long)((seconds - (double)left.tv_sec) * 1e9);
  while (nanosleep(&left, &left) != 0)
    ;
}

/*
 * Rates are counted on both sides over the same time, while the senders send. Losses and CPU time
 * are those of the whole run, with what the receivers still find in their buffers afterwards.
 */
static void measure(bench_run_t *run, const char *peer) {
  unsigned threads = (unsigned)(run->senders.count + run->receivers.count);
  pthread_barrier_init(&run->start, NULL, threads + 1);
  start(run, &run->receivers);
  start(run, &run->senders);
  pthread_barrier_wait(&run->start);

  double seconds = -seconds_now();
  sleep_for(run->seconds);
  totals_t rate = count_all(run);
  seconds += seconds_now();

  atomic_store(&run->time_over, true);
  join(&run->senders);
  atomic_store(&run->senders_ended, true);
  join(&run->receivers);
  pthread_barrier_destroy(&run->start);

  totals_t all = count_all(run);
  check(run, all);
  note_kept_off(&run->senders, seconds);
  note_kept_off(&run->receivers, seconds);
  printf("%s,%zu,%s,%.0f,%.0f,%.2f,%.1f,%.1f", run->scenario, run->size, peer,
         (double)rate.sent / seconds, (double)rate.received / seconds,
         100.0 * (double)(all.sent - all.received) / (double)all.sent,
         cpu_ns_of(&run->senders) / (double)all.sent,
         cpu_ns_of(&run->receivers) / (double)all.received);
  print_round_trips(run->senders.threads);
}

static const shape_t *find_shape(const char *scenario) {
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
    if (strcmp(shapes[i].scenario, scenario) == 0)
      return &shapes[i];
  bench_fail(scenario, "no such scenario");
}

static const bench_part_t *find_part(const bench_part_t parts[], const char *scenario) {
  for (const bench_part_t *part = parts; part->scenario; part++)
    if (strcmp(part->scenario, scenario) == 0)
      return part;
  bench_fail(scenario, "this peer has no part in the scenario");
}

static void set_scenario(bench_run_t *run, const bench_part_t parts[], const char *scenario) {
  const shape_t *shape = find_shape(scenario);
  const bench_part_t *part = find_part(parts, scenario);
  run->scenario = scenario;
  run->flows = (size_t)number(run, "flows", shape->flows);
  run->senders = (side_t){.name = "sender", .role = part->send, .count = shape->senders};
  run->receivers = (side_t){.name = "receiver", .role = part->receive, .count = shape->receivers};
}

int bench_main(int argc, char **argv, const char *peer, const bench_part_t parts[]) {
  static bench_run_t run;
  if (argc < 4) {
    fprintf(stderr, "usage: %s SCENARIO SIZE SECONDS [KEY=VALUE ...]\n", argv[0]);
    return 2;
  }
  run.options = argv + 4;
  set_scenario(&run, parts, argv[1]);
  run.size = strtoul(argv[2], NULL, 10);
  run.seconds = strtod(argv[3], NULL);
  if (run.size < WORK_MIN_SIZE || run.size > MAX_SIZE)
    bench_fail(argv[2], "SIZE must be 9 to 65507");
  if (!(run.seconds > 0 && run.seconds <= 3600))
    bench_fail(argv[3], "SECONDS must be above 0, and 3600 at most");
  if (sched_getaffinity(0, sizeof run.cores, &run.cores) != 0)
    bench_fail("threads", "cannot read the cores to use");
  /* A peer that hangs is killed, and so fails, instead of holding up the runner. */
  alarm((unsigned)run.seconds + HANG_SECONDS);
  measure(&run, peer);
  return 0;
}

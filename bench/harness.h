/*
 * What runs a peer: threads on cores of their own that start together, a clock, each thread's CPU
 * time, and the line of results. A peer brings its main(), with the roles that it can play in each
 * scenario, and uses nothing of another peer. Knows nothing of how datagrams are moved.
 */
#ifndef BENCH_HARNESS_H
#define BENCH_HARNESS_H

#include <netinet/in.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "work.h"

/* SO_RCVBUF of every receiver, in bytes: what net.core.rmem_max often allows at most. */
#define BENCH_RECV_BUFFER (4 * 1024 * 1024)
/* A receiver has all that came when the senders ended and this long nothing more has come. */
#define BENCH_QUIET_MS 50

typedef struct bench_run bench_run_t;

/* One thread of a run, on a cache line of its own: others read `datagrams` while it is written. */
typedef struct bench_thread {
  _Alignas(128) bench_run_t *run;
  struct side *side;
  int index;                    /* among the threads of its side, from 0 */
  atomic_uint_fast64_t counted; /* datagrams sent or received; see bench_count() */
  uint64_t counted_before;      /* a receiver's count when it last asked whether to stop */
  uint64_t cpu_ns;              /* used, and ... */
  uint64_t kept_off_ns;         /* ... not had, though wanted: others used the core */
  work_reader_t *readers;       /* for who receives: one for each flow; see work.h */
  uint64_t *round_trips;        /* how long each took, in ns; see bench_round_trip() */
  size_t round_trip_count;
} bench_thread_t;

/* A side's work, from the creation of its sockets to their end. It calls bench_begin() once. */
typedef void (*bench_role_t)(bench_thread_t *thread);

/* The roles that a peer plays in a scenario. How many threads play each is the scenario's. */
typedef struct bench_part {
  const char *scenario;
  bench_role_t send;
  bench_role_t receive;
} bench_part_t;

/*
 * The main() of each peer: PROGRAM SCENARIO SIZE SECONDS [KEY=VALUE ...]. Prints
 * scenario,size_bytes,peer,sent_per_second,received_per_second,loss_percent,send_cpu_ns,
 * receive_cpu_ns,rtt_p50_us,rtt_p99_us,rtt_p999_us in one line, the last three empty where nothing
 * is answered. `parts` ends with one whose scenario is NULL.
 */
int bench_main(int argc, char **argv, const char *peer, const bench_part_t parts[]);

/*
 * The thread is ready: waits for the others, then starts the thread's clock.
 * `port` is the one that it receives on, on 127.0.0.1; 0 if it does not receive.
 */
void bench_begin(bench_thread_t *thread, uint16_t port);

/* The datagrams' payload in bytes. */
size_t bench_size(const bench_thread_t *thread);

/* How many flows the scenario has. The datagrams of each come from a socket of its own. */
size_t bench_flows(const bench_thread_t *thread);

/* Where the receiver `index` is, once bench_begin() has returned. */
struct sockaddr_in bench_target(const bench_thread_t *thread, int index);

/* What KEY=VALUE on the command line says, or `otherwise`: to compare configurations of a peer. */
long bench_number(const bench_thread_t *thread, const char *key, long otherwise);
bool bench_chosen(const bench_thread_t *thread, const char *key, const char *value, bool otherwise);

/* For senders: the time is over. Costs a load or two: it can be asked for each datagram. */
bool bench_stop_sending(const bench_thread_t *thread);

/* For receivers, asked every BENCH_QUIET_MS, or when that long nothing came: all is received. */
bool bench_stop_receiving(bench_thread_t *thread);

/* A clock in ns that no one sets. */
uint64_t bench_now_ns(void);

/* Notes that an answer has come, to what was sent at `sent_ns` of that clock. */
void bench_round_trip(bench_thread_t *thread, uint64_t sent_ns);

/* Memory with a page behind each address, or the end of the program; for free(). */
void *bench_allocate(size_t bytes);

/* Ends the program with a message on stderr: a figure from a run with an error is worth nothing. */
_Noreturn void bench_fail(const char *what, const char *why);

/* Adds to the datagrams sent or received. One thread writes, so no atomic addition is needed. */
static inline void bench_count(bench_thread_t *thread, uint64_t datagrams) {
  uint64_t counted = atomic_load_explicit(&thread->counted, memory_order_relaxed);
  atomic_store_explicit(&thread->counted, counted + datagrams, memory_order_relaxed);
}

#endif

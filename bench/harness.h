/*
 * Runs a peer's side: a process that exchanges lines with the runner (runner.c), has a clock
 * and its CPU time, and prints the line of results; README.md has the protocol. A peer brings its
 * main(), with its roles in each scenario, and shares no code with another peer.
 * Does not depend on how datagrams are moved.
 */
#ifndef BENCH_HARNESS_H
#define BENCH_HARNESS_H

#include <netinet/in.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "work.h"

enum {
  BENCH_RECV_BUFFER = 4 * 1024 * 1024, /* SO_RCVBUF of a receiver; limited by net.core.rmem_max */
  BENCH_QUIET_MS = 50,                 /* everything has arrived after so long without a datagram */
  BENCH_BURST = 10000,                 /* datagrams of a round in the scenario `burst` */
  BENCH_UNSUPPORTED = 3                /* exit status of a peer that does not support the role */
};

/* The side that this process is. */
typedef struct bench_side {
  size_t size;                 /* of the datagrams' payload, in bytes */
  size_t flows;                /* how many rows of sequence numbers there are; see work.h */
  size_t sockets;              /* how many the role `receive` binds */
  work_reader_t *readers;      /* for a receiver: one for each flow */
  struct sockaddr_in *targets; /* for the role `send`: the receiver's sockets, ... */
  size_t target_count;         /* ... and how many */
  uint64_t *times;             /* duration of each round trip, in ns; see bench_add_time() */
  size_t time_count;
  char **options;       /* KEY=VALUE, up to a NULL */
  double seconds;       /* how long to send, and to count for the rate */
  uint64_t started_ns;  /* when the clock was started, ... */
  uint64_t cpu_ns;      /* ... the CPU time that had been used then, ... */
  uint64_t kept_off_ns; /* ... and the time in which it was runnable, but others used the core */
  double rate;          /* datagrams per second; there when `time_over` is set */
  size_t heap_bytes;    /* before the sockets were made, then what they took */
  bool measures_heap;
  bool has_threads;       /* that work: CPU time is that of all; set before bench_begin() */
  uint64_t others_cpu_ns; /* what other processes of the side have used, from bench_begin() on */
  atomic_bool time_over;
  atomic_bool sender_ended;
  uint64_t counted_before;      /* the count at the last call of bench_stop_receiving() */
  atomic_uint_fast64_t counted; /* datagrams sent or received; see bench_count() */
} bench_side_t;

/* A role, from the creation of its sockets to their end. It calls bench_begin() once. */
typedef void (*bench_role_t)(bench_side_t *side);

/* The roles of a peer in a scenario; NULL where it has none. */
typedef struct bench_roles {
  const char *scenario;
  bench_role_t send;
  bench_role_t receive;
} bench_roles_t;

/*
 * The main() of each peer: PROGRAM ROLE SCENARIO SIZE SECONDS [KEY=VALUE ...].
 * `roles` ends with one whose scenario is NULL.
 */
int bench_main(int argc, char **argv, const bench_roles_t roles[]);

/* What the heap holds from here to bench_begin() belongs to the sockets. */
void bench_measure_heap(bench_side_t *side);

/*
 * The side is ready: reports that to the runner, waits for `begin`, then starts the clock.
 * `ports` are those of the `side->sockets` sockets of the role `receive`, on 127.0.0.1; for the
 * role `send` it is NULL.
 */
void bench_begin(bench_side_t *side, const uint16_t *ports);

/* The value of KEY=VALUE on the command line, or `fallback`: configures a peer. */
size_t bench_number(const bench_side_t *side, const char *key, size_t fallback);
bool bench_option_is(const bench_side_t *side, const char *key, const char *value, bool fallback);

/* The time is over: send no more. Costs one or two loads, so it can be called for each datagram. */
static inline bool bench_stop_sending(const bench_side_t *side) {
  return atomic_load_explicit(&side->time_over, memory_order_relaxed);
}

/* All has arrived. To be called every BENCH_QUIET_MS, or after that time without a datagram. */
bool bench_stop_receiving(bench_side_t *side);

/* A monotonic clock in ns. */
uint64_t bench_now_ns(void);

/* How long the calling thread was runnable but did not run; 0 if the kernel does not report it. */
uint64_t bench_kept_off_ns(void);

/* Binds the calling process to the n-th of the cores that it may use, modulo their number. */
void bench_use_core(int n);

/* Records a duration: of a round trip, or of a round of sends. */
void bench_add_time(bench_side_t *side, uint64_t ns);

/* Memory whose pages are all mapped, freed by free(). Ends the program if there is none. */
void *bench_allocate(size_t bytes);

/* Ends the program with a message on stderr: the figures of a run with an error are invalid. */
_Noreturn void bench_fail(const char *what, const char *why);

/* Adds to the datagrams sent or received. One thread writes, so no atomic addition is needed. */
static inline void bench_count(bench_side_t *side, uint64_t datagrams) {
  uint64_t counted = atomic_load_explicit(&side->counted, memory_order_relaxed);
  atomic_store_explicit(&side->counted, counted + datagrams, memory_order_relaxed);
}

#endif

/*
 * The layer between the library and what can fail. Of libdgram.a a copy is linked in which each
 * call X of calls.h is named torture_X (objcopy), and defined here; libuv, a shared library, finds
 * the functions of interpose.c before those of libc. Either counts the call, lets it fail if the
 * plan says so, or else makes the true one. What the tests call themselves never fails.
 *
 * Time is virtual, unless a scenario has other processes or threads: the clock moves when the loop
 * would wait, so that no run waits, and a loop that spins never reaches a timer.
 */
#ifndef TESTS_TORTURE_INJECT_H
#define TESTS_TORTURE_INJECT_H

#include "torture/calls.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { INJECT_PLANS = 2 };

/* What fails: calls number at, at + 1, ..., of one kind. */
struct inject_plan {
  enum torture_call call;
  unsigned at;    /* from 1; 0: nothing fails */
  unsigned times; /* in a row */
  int fault;
};

extern struct inject {
  struct inject_plan plans[INJECT_PLANS];
  bool on;       /* counts, and lets fail */
  bool in_child; /* in a process that libuv has forked: only execvp(3) fails there */
  bool real_time;
  atomic_uint calls[CALLS];    /* so far */
  atomic_uint *met;            /* calls that failed; also in processes that libuv has forked */
  atomic_uint all;             /* calls of every kind; more than LIMIT: a loop within a call */
  atomic_int live;             /* allocations of the library and of libuv */
  atomic_int lookups;          /* in the thread pool */
  int waits;                   /* of epoll that had nothing to wait for */
  void (*poll_hook)(void);     /* runs while the library is in poll(2); NULL: nothing */
  void (*become_worker)(void); /* what a process that libuv starts does, in place of execvp(3) */
} inject;

enum { INJECT_MOST_CALLS = 200000 };

/* Whether libuv is a library of its own, whose calls are told from the tests'. */
bool inject_knows_libuv(void);

/* Once, before libuv is used. */
void inject_init(void);

/* From now on calls are counted, and fail by the plans. */
void inject_begin(const struct inject_plan plans[INJECT_PLANS]);

/* Whether a plan has this call fail. */
bool inject_concerns(enum torture_call call);

/* Nothing fails any more. */
void inject_lift(void);

void inject_end(void);

/* Whether this call fails: its fault, or FAULT_NONE. */
int inject_fault(enum torture_call call);

/* Ends the process with a report that the runner reads; see torture.c. */
void torture_fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
void torture_libuv_aborts(const char *reason) __attribute__((noreturn));

/* The virtual clock, in ns. */
uint64_t inject_now(void);
void inject_pass(uint64_t ns);

/* How many to pass on of so many bytes or messages. */
unsigned inject_shortened(int fault, unsigned all);

#endif

/* A program's own queue of deferred tasks: the test runs them when it likes. */
#ifndef TESTS_LIB_TASK_LIST_H
#define TESTS_LIB_TASK_LIST_H

#include <dgram.h>

enum { TASK_LIST_MOST = 256 };

/* Zero-initialised: it takes every task. */
struct task_list {
  int refuses; /* it takes none, so the loop runs them */
  int asked;
  int count;
  dgram_task_t *tasks[TASK_LIST_MOST];
};

/* Options of a udp4 socket that defers to the list. */
dgram_options_t task_list_options(struct task_list *list);
dgram_socket_t *new_with_defer(uv_loop_t *loop, struct task_list *list);

/* Bound to 127.0.0.1 and a free port; nothing is deferred. */
dgram_socket_t *new_bound_with_defer(uv_loop_t *loop, struct task_list *list);

/* Takes one task off and runs it; the others move up. */
void task_list_run(struct task_list *list, int number);

/* Runs all, also those that come while they run: the first first, or the newest first. */
void task_list_run_all(struct task_list *list);
void task_list_run_backwards(struct task_list *list);

#endif

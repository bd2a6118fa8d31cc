/*
 * The tests of clusters. Each has a cluster on its loop, which is closed after it. The program is
 * its own worker: with the name of a role in its environment it plays that. What happens there it
 * reports in datagrams to the primary, which traces it beside the cluster's own events:
 * "1:bound(4242) listening(1) exit(1,0,9)".
 */
#ifndef TESTS_LIB_CLUSTER_FIXTURE_H
#define TESTS_LIB_CLUSTER_FIXTURE_H

#include "lib/fixture.h"
#include "lib/process.h"

#include <dgram_cluster.h>

/* The program's main(): its role, or its tests. */
int cluster_run(void);

/* ---- the primary ---- */

extern dgram_cluster_t *cluster;        /* NULL: a test has closed it */
extern dgram_socket_t *cluster_reports; /* which receives what workers report */
extern char cluster_report_to[32];      /* the variable that a worker's environment needs */

/* Does more about a worker's exit; NULL: nothing. Each test begins with NULL. */
extern void (*cluster_on_exit)(int id);

/* Options that trace each event; a status of 70 or above fails the test. */
dgram_cluster_options_t cluster_options(void);

/* Puts another cluster in the place of the test's, which has no worker yet. */
void cluster_replace(const dgram_cluster_options_t *options);

/* Starts a worker that plays this role. Returns its id. */
int fork_worker(const char *role);

/* Closes the cluster; workers that do not end by themselves are killed after `grace_ms`. */
void close_cluster(unsigned grace_ms);

void count_closed(void *context);

/* Puts a number into the environment that the next workers get; PORT is free for each test. */
void set_number(const char *name, int number);

int times_traced(const char *what);

/* Runs the loop until this has been traced so often; FORMAT makes the word. */
void await_times(int times, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Runs the loop until all of these words have been traced. */
#define await(...)                                                   \
  do {                                                               \
    static const char *const awaited[] = {__VA_ARGS__};              \
    for (size_t i_ = 0; i_ < sizeof awaited / sizeof *awaited; i_++) \
      await_times(1, "%s", awaited[i_]);                             \
  } while (0)

/* ---- a worker ---- */

/* What goes wrong in a worker ends it, with a status that fails the test. */
#define must(condition)                                                       \
  do {                                                                        \
    if (!(condition)) {                                                       \
      fprintf(stderr, "worker: %s:%d: %s\n", __FILE__, __LINE__, #condition); \
      _exit(70);                                                              \
    }                                                                         \
  } while (0)

extern dgram_worker_t *this_worker;
extern int this_id; /* also after it has left */

/* A number of the environment; both sides have it. */
int number_of(const char *name);

/* That of PORT. */
int port_wanted(void);

/* In one datagram: "ID:" and the text. */
void report(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Listeners that report: "bound(PORT)", "error(SYSCALL,ENAME)", which also closes the socket. */
void report_bound(dgram_socket_t *socket, void *context);
void report_error(dgram_socket_t *socket, const dgram_error_t *error, void *context);

/* A socket of the worker's that reports what happens to it. */
dgram_socket_t *reporting_socket(uv_loop_t *loop, const dgram_options_t *options);
dgram_socket_t *reporting_udp4(uv_loop_t *loop);

/* Binds to a port of 127.0.0.1. */
void worker_bind(dgram_socket_t *socket, int port, dgram_listening_cb callback);

/* ---- roles ---- */

/*
 * ROLE(name) { ... } is what a worker does that has joined. Then its loop runs to its end, the
 * worker leaves, and nothing must be left of it. Every program has the roles listen_on_any and
 * listen_on_port.
 */
#define ROLE(role) CLUSTER_ROLE(role, WORKER_JOINS)

/* The same of a process that has not joined: it ends then, or waits to be killed. */
#define STRANGER(role) CLUSTER_ROLE(role, STRANGER_ENDS)
#define HOSTILE(role) CLUSTER_ROLE(role, STRANGER_STAYS)

struct role {
  const char *name;
  void (*play)(uv_loop_t *loop);
  enum { WORKER_JOINS, STRANGER_ENDS, STRANGER_STAYS } kind;
  struct role *next;
};

void role_add(struct role *role);

#define CLUSTER_ROLE(function, kind)                                            \
  static void function(uv_loop_t *loop);                                        \
  __attribute__((constructor)) static void FIXTURE_JOIN(function, _add)(void) { \
    static struct role added = {#function, function, kind, NULL};               \
    role_add(&added);                                                           \
  }                                                                             \
  static void function(uv_loop_t *loop)

#endif

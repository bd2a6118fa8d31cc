/*
 * What the tests of clusters share. A test's program is its own worker: with the name of a
 * role in its environment it plays that. What happens there it reports in datagrams to the primary,
 * which notes it beside the cluster's own events: "1:bound(4242) listening(1) exit(1,0,9)".
 */
#ifndef CLUSTER_TEST_H
#define CLUSTER_TEST_H

#include "lib/fixture.h"

#include <dgram_cluster.h>

#include "lib/raw.h"

/* ---- the primary ---- */

struct crew {
  uv_loop_t *loop;
  dgram_cluster_t *cluster;
  dgram_socket_t *reports;
  const char *role;
  char report_port[32];
  int closed;
  void (*on_exit)(struct crew *crew, int id); /* does more about it; or NULL */
};

static inline void crew_online(dgram_cluster_t *cluster, int id, void *context) {
  trace("online(%d)", id);
}

static inline void crew_listening(dgram_cluster_t *cluster, int id, const dgram_address_t *address,
                                  void *context) {
  assert_in_range(address->port, 1, 65535);
  trace("listening(%d)", id);
}

static inline void crew_disconnect(dgram_cluster_t *cluster, int id, void *context) {
  trace("disconnect(%d)", id);
}

static inline void crew_exit(dgram_cluster_t *cluster, int id, int64_t status, int signum,
                             void *context) {
  struct crew *crew = context;
  if (status >= 70)
    fail_msg("worker %d has failed", id);
  trace("exit(%d,%d,%d)", id, (int)status, signum);
  if (crew != NULL && crew->on_exit != NULL)
    crew->on_exit(crew, id);
}

static inline void crew_closed(void *context) {
  struct crew *crew = context;
  crew->closed++;
}

static inline void note_report(dgram_socket_t *socket, const char *message,
                               const dgram_rinfo_t *rinfo, void *context) {
  trace("%.*s", (int)rinfo->size, message);
}

static inline dgram_cluster_options_t crew_options(char *const args[]) {
  dgram_cluster_options_t options = dgram_default_cluster_options(args);
  options.on_online = crew_online;
  options.on_listening = crew_listening;
  options.on_disconnect = crew_disconnect;
  options.on_exit = crew_exit;
  return options;
}

/* A cluster whose workers play this role, unless they are told another. */
static inline void crew_open(struct crew *crew, const char *role) {
  char *const args[] = {"worker", NULL};
  int port;
  *crew = (struct crew){.loop = open_loop(), .role = role};
  crew->reports = new_bound(crew->loop, note_report, NULL, &port);
  snprintf(crew->report_port, sizeof crew->report_port, "REPORT_PORT=%d", port);
  dgram_cluster_options_t options = crew_options(args);
  options.context = crew;
  assert_int_equal(dgram_cluster_create(crew->loop, &options, &crew->cluster), 0);
}

/* The same with a bound on the sockets of all workers: for a crew that has no worker yet. */
static inline void crew_limit(struct crew *crew, unsigned most_sockets) {
  char *const args[] = {"worker", NULL};
  dgram_cluster_options_t options = crew_options(args);
  options.context = crew;
  options.most_sockets = most_sockets;
  assert_int_equal(dgram_cluster_close(crew->cluster, 0, NULL, NULL), 0);
  assert_int_equal(dgram_cluster_create(crew->loop, &options, &crew->cluster), 0);
}

static inline int crew_fork_as(struct crew *crew, const char *role) {
  char variable[64];
  char *const env[] = {crew->report_port, variable, NULL};
  snprintf(variable, sizeof variable, "ROLE=%s", role);
  int id = dgram_cluster_fork(crew->cluster, env);
  assert_true(id > 0);
  return id;
}

static inline int crew_fork(struct crew *crew) {
  return crew_fork_as(crew, crew->role);
}

/* Tells the workers a port that is free now. */
static inline void set_free_port(void) {
  char text[16];
  snprintf(text, sizeof text, "%d", free_port());
  assert_int_equal(setenv("PORT", text, 1), 0);
}

/* A number of the environment; both sides have it. */
static inline int told(const char *name) {
  const char *value = getenv(name);
  if (value == NULL) {
    fprintf(stderr, "%s is not set\n", name);
    _exit(72);
  }
  return atoi(value);
}

static inline int port_wanted(void) {
  return told("PORT");
}

/* How often something has been noted. */
static inline int times_noted(const char *what) {
  int times = 0;
  for (const char *at = strstr(trace_text, what); at != NULL; at = strstr(at + 1, what))
    times++;
  return times;
}

static inline void run_until_noted(uv_loop_t *loop, const char *what, int times) {
  while (times_noted(what) < times)
    if (uv_run(loop, UV_RUN_ONCE) == 0 && times_noted(what) < times)
      fail_msg("%s never came; %s", what, trace_text);
}

/* Runs the loop until all of these words have been noted. */
#define crew_await(crew, ...)                                        \
  do {                                                               \
    static const char *const awaited[] = {__VA_ARGS__};              \
    for (size_t i_ = 0; i_ < sizeof awaited / sizeof *awaited; i_++) \
      run_until_noted((crew)->loop, awaited[i_], 1);                 \
  } while (0)

/* Closes the cluster; workers that do not end by themselves are killed in the end. */
static inline void crew_close(struct crew *crew) {
  enum { GRACE_MS = 5000 };
  assert_int_equal(dgram_cluster_close(crew->cluster, GRACE_MS, crew_closed, crew), 0);
  run_until(crew->loop, &crew->closed, 1);
  close_socket(crew->reports);
  close_loop(crew->loop);
}

/* ---- a worker ---- */

/* What went wrong in a worker ends it, with a status that shows where. */
#define must(condition)                                                       \
  do {                                                                        \
    if (!(condition)) {                                                       \
      fprintf(stderr, "worker: %s:%d: %s\n", __FILE__, __LINE__, #condition); \
      _exit(70);                                                              \
    }                                                                         \
  } while (0)

static dgram_worker_t *this_worker;
static int this_id; /* also after it has left */

/* In one datagram: "ID:" and the text. */
__attribute__((format(printf, 1, 2))) static inline void report(const char *format, ...) {
  static int fd = -1;
  char text[256];
  va_list arguments;
  int length = snprintf(text, sizeof text, "%d:", this_id);
  va_start(arguments, format);
  length += vsnprintf(text + length, sizeof text - (size_t)length, format, arguments);
  va_end(arguments);
  struct sockaddr_in to = loopback_address(told("REPORT_PORT"));
  if (fd < 0)
    fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  must(sendto(fd, text, (size_t)length, 0, (struct sockaddr *)&to, sizeof to) == length);
}

/* A listener of 'listening' reports the port; one of 'error' what failed, and closes the socket. */
static inline void report_bound(dgram_socket_t *socket, void *context) {
  dgram_address_t address;
  must(dgram_address(socket, &address) == 0);
  report("bound(%d)", address.port);
}

static inline void report_error(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  report("error(%s,%s)", error->syscall, error->name);
  must(dgram_close(socket, NULL, NULL) == 0);
}

static inline void report_close(dgram_socket_t *socket, void *context) {
  report("close");
}

static inline void report_disconnect(dgram_worker_t *worker, void *context) {
  report("disconnected");
  this_worker = NULL;
}

static inline uv_loop_t *join(void) {
  uv_loop_t *loop = uv_default_loop();
  must(dgram_worker_join(loop, report_disconnect, NULL, &this_worker) == 0);
  this_id = dgram_worker_id(this_worker);
  return loop;
}

/* A socket of the worker's that reports what happens to it. */
static inline dgram_socket_t *reporting_socket(uv_loop_t *loop, const dgram_options_t *options) {
  dgram_socket_t *socket;
  must(dgram_create_socket_options(loop, options, NULL, NULL, &socket) == 0);
  must(dgram_on_listening(socket, report_bound, NULL) == 0);
  must(dgram_on_error(socket, report_error, NULL) == 0);
  must(dgram_on_close(socket, report_close, NULL) == 0);
  return socket;
}

static inline dgram_socket_t *reporting_udp4(uv_loop_t *loop) {
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  return reporting_socket(loop, &options);
}

/* Runs the loop until it has nothing to do, then leaves; nothing must be left of it. */
static inline void work_to_end(uv_loop_t *loop) {
  uv_run(loop, UV_RUN_DEFAULT);
  dgram_worker_leave(this_worker);
  uv_run(loop, UV_RUN_DEFAULT);
  must(uv_loop_close(loop) == 0);
}

/* ---- roles ---- */

struct role {
  const char *name;
  void (*play)(void);
};

/* Plays the role that the worker was started for. */
static inline int play(const struct role roles[], size_t count) {
  const char *name = getenv("ROLE");
  for (size_t i = 0; name != NULL && i < count; i++) {
    if (strcmp(roles[i].name, name) == 0) {
      roles[i].play();
      return 0;
    }
  }
  return 71;
}

/* The program: its role, or its tests. */
#define CLUSTER_TEST_MAIN(roles, tests)                    \
  int main(void) {                                         \
    if (!dgram_cluster_is_primary())                       \
      return play(roles, sizeof(roles) / sizeof *(roles)); \
    return cmocka_run_group_tests(tests, NULL, NULL);      \
  }

#endif

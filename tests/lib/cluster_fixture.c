#include "lib/cluster_fixture.h"

/* ---- the primary ---- */

dgram_cluster_t *cluster;
dgram_socket_t *cluster_reports;
char cluster_report_to[32];
void (*cluster_on_exit)(int id);
static uv_loop_t *cluster_loop;

static void trace_online(dgram_cluster_t *from, int id, void *context) {
  trace("online(%d)", id);
}

static void trace_listening(dgram_cluster_t *from, int id, const dgram_address_t *address,
                            void *context) {
  assert_in_range(address->port, 1, 65535);
  trace("listening(%d)", id);
}

static void trace_disconnect(dgram_cluster_t *from, int id, void *context) {
  trace("disconnect(%d)", id);
}

static void trace_exit(dgram_cluster_t *from, int id, int64_t status, int signum, void *context) {
  if (status >= 70)
    fail_msg("worker %d has failed", id);
  trace("exit(%d,%d,%d)", id, (int)status, signum);
  if (cluster_on_exit != NULL)
    cluster_on_exit(id);
}

static void trace_report(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                         void *context) {
  trace("%.*s", (int)rinfo->size, message);
}

dgram_cluster_options_t cluster_options(void) {
  static char *const args[] = {"worker", NULL};
  dgram_cluster_options_t options = dgram_default_cluster_options(args);
  options.on_online = trace_online;
  options.on_listening = trace_listening;
  options.on_disconnect = trace_disconnect;
  options.on_exit = trace_exit;
  return options;
}

void cluster_replace(const dgram_cluster_options_t *options) {
  assert_int_equal(dgram_cluster_close(cluster, 0, NULL, NULL), 0);
  assert_int_equal(dgram_cluster_create(cluster_loop, options, &cluster), 0);
}

static void cluster_begin(uv_loop_t *loop) {
  const dgram_cluster_options_t options = cluster_options();
  int port;
  cluster_loop = loop;
  cluster_on_exit = NULL;
  cluster_reports = new_bound(loop, trace_report, NULL, &port);
  snprintf(cluster_report_to, sizeof cluster_report_to, "REPORT_PORT=%d", port);
  set_number("PORT", free_port());
  assert_int_equal(dgram_cluster_create(loop, &options, &cluster), 0);
}

static void cluster_end(uv_loop_t *loop) {
  cluster_on_exit = NULL;
  if (cluster != NULL)
    close_cluster(5000);
}

__attribute__((constructor)) static void cluster_hooks(void) {
  fixture_hooks((struct fixture_hooks){.begin = cluster_begin, .end = cluster_end});
}

int fork_worker(const char *role) {
  char variable[64];
  char *const env[] = {cluster_report_to, variable, NULL};
  snprintf(variable, sizeof variable, "ROLE=%s", role);
  int id = dgram_cluster_fork(cluster, env);
  assert_true(id > 0);
  return id;
}

void count_closed(void *context) {
  ++*(int *)context;
}

void close_cluster(unsigned grace_ms) {
  int closed = 0;
  assert_int_equal(dgram_cluster_close(cluster, grace_ms, count_closed, &closed), 0);
  assert_int_equal(closed, 0); /* not inside the call */
  run_until(cluster_loop, &closed, 1);
  cluster = NULL;
}

void set_number(const char *name, int number) {
  char text[16];
  snprintf(text, sizeof text, "%d", number);
  assert_int_equal(setenv(name, text, 1), 0);
}

int times_traced(const char *what) {
  int times = 0;
  for (const char *at = strstr(trace_text, what); at != NULL; at = strstr(at + 1, what))
    times++;
  return times;
}

void await_times(int times, const char *format, ...) {
  char word[64];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(word, sizeof word, format, arguments);
  va_end(arguments);
  while (times_traced(word) < times)
    if (uv_run(cluster_loop, UV_RUN_ONCE) == 0 && times_traced(word) < times)
      fail_msg("%s never came; %s", word, trace_text);
}

/* ---- a worker ---- */

dgram_worker_t *this_worker;
int this_id;

int number_of(const char *name) {
  const char *value = getenv(name);
  if (value == NULL) {
    fprintf(stderr, "%s is not set\n", name);
    _exit(72);
  }
  return atoi(value);
}

int port_wanted(void) {
  return number_of("PORT");
}

void report(const char *format, ...) {
  static int fd = -1;
  char text[256];
  va_list arguments;
  int length = snprintf(text, sizeof text, "%d:", this_id);
  va_start(arguments, format);
  length += vsnprintf(text + length, sizeof text - (size_t)length, format, arguments);
  va_end(arguments);
  struct sockaddr_in to = loopback_address(number_of("REPORT_PORT"));
  if (fd < 0)
    fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  must(sendto(fd, text, (size_t)length, 0, (struct sockaddr *)&to, sizeof to) == length);
}

void report_bound(dgram_socket_t *socket, void *context) {
  dgram_address_t address;
  must(dgram_address(socket, &address) == 0);
  report("bound(%d)", address.port);
}

void report_error(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  report("error(%s,%s)", error->syscall, error->name);
  must(dgram_close(socket, NULL, NULL) == 0);
}

static void report_close(dgram_socket_t *socket, void *context) {
  report("close");
}

dgram_socket_t *reporting_socket(uv_loop_t *loop, const dgram_options_t *options) {
  dgram_socket_t *socket;
  must(dgram_create_socket_options(loop, options, NULL, NULL, &socket) == 0);
  must(dgram_on_listening(socket, report_bound, NULL) == 0);
  must(dgram_on_error(socket, report_error, NULL) == 0);
  must(dgram_on_close(socket, report_close, NULL) == 0);
  return socket;
}

dgram_socket_t *reporting_udp4(uv_loop_t *loop) {
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  return reporting_socket(loop, &options);
}

void worker_bind(dgram_socket_t *socket, int port, dgram_listening_cb callback) {
  must(dgram_bind(socket, port, "127.0.0.1", callback, NULL) == 0);
}

/* ---- roles ---- */

static struct role *first_role;

void role_add(struct role *role) {
  role->next = first_role;
  first_role = role;
}

ROLE(listen_on_any) {
  worker_bind(reporting_udp4(loop), 0, NULL);
}

ROLE(listen_on_port) {
  worker_bind(reporting_udp4(loop), port_wanted(), NULL);
}

static void report_disconnect(dgram_worker_t *worker, void *context) {
  report("disconnected");
  this_worker = NULL;
}

static void work(const struct role *role) {
  uv_loop_t *loop = uv_default_loop();
  if (role->kind == WORKER_JOINS) {
    must(dgram_worker_join(loop, report_disconnect, NULL, &this_worker) == 0);
    this_id = dgram_worker_id(this_worker);
  }
  role->play(loop);
  while (role->kind == STRANGER_STAYS)
    pause();
  if (role->kind == STRANGER_ENDS)
    return;
  uv_run(loop, UV_RUN_DEFAULT);
  dgram_worker_leave(this_worker);
  uv_run(loop, UV_RUN_DEFAULT);
  must(uv_loop_close(loop) == 0);
}

int cluster_run(void) {
  const char *name = getenv("ROLE");
  if (dgram_cluster_is_primary())
    return fixture_run();
  for (const struct role *role = first_role; name != NULL && role != NULL; role = role->next) {
    if (strcmp(role->name, name) == 0) {
      work(role);
      return 0;
    }
  }
  return 71;
}

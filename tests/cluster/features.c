/*
 * What node:dgram has not, on a system socket that workers share: what is set there concerns all of
 * them, the rest is each worker's own; and what a bind is refused ends its request, too.
 */
#include "lib/cluster_fixture.h"

/* ---- options of the system socket ---- */

static void report_ttl(dgram_socket_t *socket, void *context) {
  int64_t ttl = 0;
  must(dgram_get_sockopt(socket, DGRAM_SO_TTL, &ttl) == 0);
  report("ttl(%d)", (int)ttl);
}

/* The first worker sets it. */
ROLE(set_ttl) {
  dgram_sockopt_value_t values[] = {{DGRAM_SO_TTL, 33}};
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.sockopts = values;
  options.sockopt_count = this_id == 1;
  dgram_socket_t *socket = reporting_socket(loop, &options);
  worker_bind(socket, port_wanted(), report_ttl);
}

/* An option that has to precede the bind comes too late for the primary's system socket. */
ROLE(set_freebind) {
  dgram_socket_t *socket = reporting_udp4(loop);
  must(dgram_set_sockopt(socket, DGRAM_SO_FREEBIND, 1) == 0);
  worker_bind(socket, port_wanted(), NULL);
}

ROLE(bind_to_no_device) {
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.bind_device = "nosuchif";
  worker_bind(reporting_socket(loop, &options), port_wanted(), NULL);
}

TEST("an option that a worker sets is set for all who share the port") {
  fork_worker("set_ttl");
  await("1:ttl(33)");
  fork_worker("set_ttl");
  await("2:ttl(33)");
}

static void assert_refused(uv_loop_t *loop, const char *role, const char *error) {
  fork_worker(role);
  await_times(1, "%s", error);
  await("1:close", "exit(1,0,0)");
  assert_int_equal(times_traced("listening(1)"), 0);
  /* the primary has closed the system socket */
  assert_int_equal(
      dgram_bind_sync(new_socket(loop, DGRAM_UDP4, NULL, NULL), port_wanted(), "127.0.0.1"), 0);
}

TEST("an option that must precede the bind fails the bind of a worker") {
  assert_refused(loop, "set_freebind", "1:error(setsockopt,EINVAL)");
}

TEST("a device that does not exist fails the bind of a worker") {
  assert_refused(loop, "bind_to_no_device", "1:error(setsockopt,ENODEV)");
}

int main(void) {
  return cluster_run();
}

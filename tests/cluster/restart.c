/* Replacing a worker: the old one goes when the new one listens, and not before. */
#include "lib/cluster_fixture.h"

/* The first of its kind listens; those that follow fail before they come to it. */
ROLE(listen_once) {
  if (this_id > 1)
    _exit(9);
  worker_bind(reporting_udp4(loop), port_wanted(), NULL);
}

/* Of a worker that listens on a port of its own. */
static void begin_restart(const char *role) {
  fork_worker(role);
  await("listening(1)");
  assert_int_equal(dgram_cluster_restart(cluster, 1), 2);
}

TEST("a worker that is restarted goes when the new one listens") {
  begin_restart("listen_on_port");
  await("exit(1,0,0)");
  assert_true(strstr(trace_text, "listening(2)") < strstr(trace_text, "disconnect(1)"));
  assert_int_equal(dgram_cluster_restart(cluster, 2), 3); /* with the same environment */
  await("exit(2,0,0)");
  assert_int_equal(dgram_cluster_restart(cluster, 2), UV_ESRCH);
  assert_int_equal(dgram_cluster_next(cluster, 0), 3);
}

TEST("a worker that is restarted stays if the new one fails") {
  begin_restart("listen_once");
  await("exit(2,9,0)");
  settle(loop);
  assert_int_equal(times_traced("disconnect(1)"), 0);
  assert_int_equal(dgram_cluster_next(cluster, 0), 1);
}

TEST("a worker that is restarted may have ended already") {
  begin_restart("listen_on_port");
  assert_int_equal(dgram_cluster_kill(cluster, 1, SIGKILL), 0);
  await("exit(1,0,9)", "listening(2)");
}

int main(void) {
  return cluster_run();
}

/* The end of a cluster: workers are disconnected, and those that do not end are killed. */
#include "lib/cluster_fixture.h"

/* Reads nothing any more. */
static void hang(dgram_socket_t *socket, void *context) {
  report("hangs");
  for (;;)
    pause();
}

ROLE(listen_and_hang) {
  worker_bind(reporting_udp4(loop), 0, hang);
}

TEST("a cluster that is closed disconnects its workers") {
  int closed = 0;
  fork_worker("listen_on_any");
  fork_worker("listen_on_any");
  await("listening(1)", "listening(2)");
  assert_int_equal(dgram_cluster_close(cluster, 5000, count_closed, &closed), 0);
  assert_int_equal(dgram_cluster_close(cluster, 5000, count_closed, &closed), UV_EALREADY);
  assert_int_equal(dgram_cluster_fork(cluster, NULL), UV_ECANCELED);
  run_until(loop, &closed, 1);
  cluster = NULL;
  await("exit(1,0,0)", "exit(2,0,0)");
}

TEST("a cluster that is closed kills a worker that hangs") {
  fork_worker("listen_and_hang");
  await("1:hangs");
  close_cluster(1);
  await("disconnect(1)", "exit(1,0,9)");
}

TEST("a cluster without workers closes from the loop") {
  close_cluster(0);
}

TEST("a worker that could not be started leaves nothing") {
  int before = count_open_files();
  dgram_cluster_options_t options = cluster_options();
  options.file = "/nowhere/no-such-program";
  cluster_replace(&options);
  assert_int_equal(dgram_cluster_fork(cluster, NULL), UV_ENOENT);
  assert_int_equal(dgram_cluster_next(cluster, 0), 0);
  close_cluster(0);
  assert_int_equal(times_traced("("), 0);        /* there was nothing to report */
  assert_true(count_open_files() <= before + 2); /* libuv keeps a pipe for signals */
}

/* ---- a socket that workers share, and close ---- */

enum { WORKERS = 4, DATAGRAMS = 40, EACH = 10 };

static void take_and_close(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                           void *context) {
  static int taken;
  report("got");
  if (++taken == EACH)
    must(dgram_close(socket, NULL, NULL) == 0);
}

ROLE(close_after_ten) {
  dgram_socket_t *socket;
  must(dgram_create_socket(loop, DGRAM_UDP4, take_and_close, NULL, &socket) == 0);
  worker_bind(socket, port_wanted(), report_bound);
}

TEST("a worker that closes a shared socket takes no datagram that another could have had") {
  for (int i = 0; i < WORKERS; i++)
    fork_worker("close_after_ten");
  await_times(WORKERS, ":bound(");
  int fd = raw_socket();
  for (int i = 0; i < DATAGRAMS; i++)
    raw_send(fd, "x", 1, port_wanted());
  await_times(DATAGRAMS, ":got");
  close(fd);
}

int main(void) {
  return cluster_run();
}

/* How a worker's connection ends: by the primary's request, by itself, or with the primary. */
#include "lib/cluster_fixture.h"

/* ---- workers ---- */

static void leave(dgram_socket_t *socket, void *context) {
  dgram_worker_leave(this_worker);
  dgram_worker_leave(this_worker); /* twice is once */
  report("left");
}

ROLE(leave_when_bound) {
  worker_bind(reporting_udp4(loop), 0, leave);
}

/* Sends from the shared socket's last moment leave. */
static void send_many(dgram_socket_t *socket, void *context) {
  int port = number_of("REPORT_PORT");
  for (int i = 0; i < 100; i++)
    must(dgram_send(socket, "sent", 4, port, "127.0.0.1", NULL, NULL) == 0);
}

ROLE(send_while_disconnected) {
  worker_bind(reporting_udp4(loop), 0, send_many);
}

static void leave_again(dgram_worker_t *worker, void *context) {
  dgram_worker_leave(worker);
  report("left");
}

/* Leaves once more when it has left. */
STRANGER(leave_when_disconnected) {
  dgram_worker_t *worker;
  must(dgram_worker_join(loop, leave_again, NULL, &worker) == 0);
  dgram_worker_leave(worker);
  uv_run(loop, UV_RUN_DEFAULT);
  must(uv_loop_close(loop) == 0);
}

/* A second join is refused, whether the first still lasts or not. */
ROLE(join_twice) {
  dgram_worker_t *again;
  report("again(%s)", dgram_err_name(dgram_worker_join(loop, NULL, NULL, &again)));
  must(again == NULL);
  dgram_worker_leave(this_worker);
  uv_run(loop, UV_RUN_DEFAULT);
  report("after(%s)", dgram_err_name(dgram_worker_join(loop, NULL, NULL, &again)));
  must(!dgram_cluster_is_primary());
}

/* After it has left, the loop binds for its process alone. */
ROLE(bind_after_leaving) {
  dgram_worker_leave(this_worker);
  uv_run(loop, UV_RUN_DEFAULT);
  dgram_socket_t *socket = reporting_udp4(loop);
  worker_bind(socket, 0, NULL);
  uv_run(loop, UV_RUN_ONCE);
  must(dgram_close(socket, NULL, NULL) == 0);
}

/* The worker of a worker. */
ROLE(be_orphaned) {
  worker_bind(reporting_udp4(loop), port_wanted(), NULL);
  uv_run(loop, UV_RUN_DEFAULT);
  report("ended");
}

STRANGER(be_primary) {
  char *const env[] = {"ROLE=be_orphaned", NULL};
  char *const args[] = {"worker", NULL};
  dgram_cluster_t *own;
  dgram_cluster_options_t options = dgram_default_cluster_options(args);
  must(dgram_cluster_create(loop, &options, &own) == 0);
  must(dgram_cluster_fork(own, env) == 1);
  uv_run(loop, UV_RUN_DEFAULT);
}

/* ---- what the primary sees ---- */

TEST("a worker that leaves is disconnected, and ends") {
  fork_worker("leave_when_bound");
  await("1:left", "1:close", "1:disconnected", "disconnect(1)", "exit(1,0,0)");
}

TEST("a worker that has left may leave once more") {
  fork_worker("leave_when_disconnected");
  await("0:left", "exit(1,0,0)");
}

TEST("a worker that is disconnected has sent what it sent before") {
  fork_worker("send_while_disconnected");
  await("listening(1)");
  assert_int_equal(dgram_cluster_disconnect(cluster, 1), 0);
  await("exit(1,0,0)");
  await_times(100, "sent");
}

TEST("a process joins once: EALREADY") {
  fork_worker("join_twice");
  await("1:again(EALREADY)", "1:after(EALREADY)", "exit(1,0,0)");
}

TEST("a worker that has left binds for itself") {
  fork_worker("bind_after_leaving");
  await("1:bound", "exit(1,0,0)");
  assert_int_equal(times_traced("listening"), 0);
}

TEST("a worker whose primary is killed closes its shared sockets") {
  fork_worker("be_primary");
  await("1:bound");
  assert_int_equal(dgram_cluster_kill(cluster, 1, SIGKILL), 0);
  await("1:close", "1:disconnected", "1:ended");
}

int main(void) {
  return cluster_run();
}

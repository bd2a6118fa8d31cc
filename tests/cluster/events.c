/* What a primary learns of its workers, what it can query, and how it ends them. */
#include "lib/cluster_fixture.h"

#include <sys/wait.h>

STRANGER(exit_with_7) {
  _exit(7);
}

/* Has the environment that it was given, and only its own of a name. */
ROLE(report_environment) {
  report("env(%s,%s)", getenv("OWN"), getenv("REPLACED"));
}

/* What a worker starts by itself is no worker, though it inherits the environment. */
ROLE(start_another) {
  char command[4200];
  snprintf(command, sizeof command, "IS_PRIMARY=1 '%s'", process_program());
  int status = system(command); /* NOLINT(cert-env33-c): the test's own program */
  report("grandchild(%d)", WEXITSTATUS(status));
}

TEST("the events of a worker come in order") {
  fork_worker("listen_on_any");
  await("listening(1)", "1:bound");
  assert_int_equal(dgram_cluster_disconnect(cluster, 1), 0);
  assert_int_equal(dgram_cluster_disconnect(cluster, 1), 0); /* twice is once */
  await("exit(1,0,0)");
  const char *online = strstr(trace_text, "online(1)");
  const char *listening = strstr(trace_text, "listening(1)");
  const char *disconnected = strstr(trace_text, "disconnect(1)");
  assert_non_null(online);
  assert_true(online < listening);
  assert_true(listening < disconnected);
  assert_true(disconnected < strstr(trace_text, "exit(1,0,0)"));
  assert_int_equal(times_traced("disconnect(1)"), 1);
  await("1:close", "1:disconnected");
}

TEST("the exit of a worker has its status or its signal") {
  fork_worker("exit_with_7");
  await("disconnect(1)", "exit(1,7,0)");
  fork_worker("listen_on_any");
  await("listening(2)");
  assert_int_equal(dgram_cluster_kill(cluster, 2, SIGTERM), 0);
  await("disconnect(2)", "exit(2,0,15)");
  assert_int_equal(dgram_cluster_kill(cluster, 2, SIGTERM), UV_ESRCH);
}

TEST("workers are known by ascending ids") {
  for (int id = 1; id <= 3; id++)
    assert_int_equal(fork_worker("listen_on_any"), id);
  assert_int_equal(dgram_cluster_next(cluster, 0), 1);
  assert_int_equal(dgram_cluster_next(cluster, 1), 2);
  assert_true(dgram_cluster_pid(cluster, 1) > 0);
  assert_int_not_equal(dgram_cluster_pid(cluster, 1), dgram_cluster_pid(cluster, 2));
  await("listening(2)");
  assert_int_equal(dgram_cluster_kill(cluster, 2, SIGKILL), 0);
  await("exit(2,0,9)");
  assert_int_equal(dgram_cluster_next(cluster, 1), 3);
  assert_int_equal(dgram_cluster_next(cluster, 2), 3);
  assert_int_equal(dgram_cluster_next(cluster, 3), 0);
  assert_int_equal(dgram_cluster_pid(cluster, 2), UV_ESRCH);
  assert_int_equal(fork_worker("listen_on_any"), 4); /* and 2 is not given again */
}

TEST("a worker has the primary's environment with what was added") {
  assert_int_equal(setenv("REPLACED", "old", 1), 0);
  char *const env[] = {cluster_report_to, "ROLE=report_environment", "OWN=1", "REPLACED=new", NULL};
  assert_int_equal(dgram_cluster_fork(cluster, env), 1);
  await("1:env(1,new)", "exit(1,0,0)");
}

TEST("a process that a worker starts is no worker") {
  fork_worker("start_another");
  await("1:grandchild(50)", "exit(1,0,0)");
}

/* The number of the input is then that of something else: here of the primary's own connection. */
TEST("a primary may have closed its standard input") {
  int input = dup(STDIN_FILENO);
  close(STDIN_FILENO);
  fork_worker("listen_on_any");
  await("listening(1)", "1:bound");
  close_cluster(5000);
  assert_int_equal(dup2(input, STDIN_FILENO), STDIN_FILENO);
  close(input);
}

/* Inside a callback anything may be done: here the dead are replaced, and the last closes all. */
static void replace_or_close(dgram_cluster_t *of, int id, int64_t status, int signum,
                             void *context) {
  trace("exit(%d)", id);
  assert_int_equal(dgram_cluster_kill(of, id, SIGKILL), UV_ESRCH);
  assert_int_equal(dgram_cluster_next(of, 0), id); /* it is known until this returns */
  if (id < 3)
    assert_int_equal(fork_worker("exit_with_7"), id + 1);
  else
    assert_int_equal(dgram_cluster_close(of, 0, count_closed, context), 0);
}

TEST("a callback of a cluster may call everything") {
  int closed = 0;
  char *const args[] = {"worker", NULL};
  dgram_cluster_options_t options = dgram_default_cluster_options(args);
  options.on_exit = replace_or_close;
  options.context = &closed;
  cluster_replace(&options);
  fork_worker("exit_with_7");
  run_until(loop, &closed, 1);
  cluster = NULL;
  assert_trace("exit(1) exit(2) exit(3)");
}

int main(void) {
  if (getenv("IS_PRIMARY") != NULL)
    return dgram_cluster_is_primary() ? 50 : 51;
  return cluster_run();
}

/* What a primary is told of its workers, what it can ask, and how it ends them. */
#include "cluster_test.h"

static void listen_on_any(void) {
  uv_loop_t *loop = join();
  must(dgram_bind(reporting_udp4(loop), 0, "127.0.0.1", NULL, NULL) == 0);
  work_to_end(loop);
}

static void end_with_7(void) {
  join();
  _exit(7);
}

/* Has the environment that it was given, and only its own of a name. */
static void tell_environment(void) {
  uv_loop_t *loop = join();
  report("env(%s,%s)", getenv("OWN"), getenv("REPLACED"));
  work_to_end(loop);
}

/* What a worker starts by itself is no worker, though it inherits the environment. */
static void start_another(void) {
  uv_loop_t *loop = join();
  char program[4096];
  char command[4200];
  size_t size = sizeof program;
  must(uv_exepath(program, &size) == 0);
  snprintf(command, sizeof command, "JUST_ASKING=1 '%s'", program);
  int status = system(command); /* NOLINT(cert-env33-c): the test's own program */
  report("grandchild(%d)", WEXITSTATUS(status));
  work_to_end(loop);
}

static const struct role roles[] = {
    {"listen_on_any", listen_on_any},
    {"end_with_7", end_with_7},
    {"tell_environment", tell_environment},
    {"start_another", start_another},
};

static void they_come_in_order(void **state) {
  struct crew crew;
  crew_open(&crew, "listen_on_any");
  crew_fork(&crew);
  crew_await(&crew, "listening(1)", "1:bound");
  assert_int_equal(dgram_cluster_disconnect(crew.cluster, 1), 0);
  assert_int_equal(dgram_cluster_disconnect(crew.cluster, 1), 0); /* twice is once */
  crew_await(&crew, "exit(1,0,0)");
  const char *online = strstr(trace_text, "online(1)");
  const char *listening = strstr(trace_text, "listening(1)");
  const char *disconnected = strstr(trace_text, "disconnect(1)");
  assert_non_null(online);
  assert_true(online < listening);
  assert_true(listening < disconnected);
  assert_true(disconnected < strstr(trace_text, "exit(1,0,0)"));
  assert_int_equal(times_noted("disconnect(1)"), 1);
  crew_await(&crew, "1:close", "1:disconnected");
  crew_close(&crew);
}

static void an_end_is_told_with_its_status_or_signal(void **state) {
  struct crew crew;
  crew_open(&crew, "end_with_7");
  crew_fork(&crew);
  crew_await(&crew, "disconnect(1)", "exit(1,7,0)");
  crew_fork_as(&crew, "listen_on_any");
  crew_await(&crew, "listening(2)");
  assert_int_equal(dgram_cluster_kill(crew.cluster, 2, SIGTERM), 0);
  crew_await(&crew, "disconnect(2)", "exit(2,0,15)");
  assert_int_equal(dgram_cluster_kill(crew.cluster, 2, SIGTERM), UV_ESRCH);
  crew_close(&crew);
}

static void workers_are_known_by_ascending_ids(void **state) {
  struct crew crew;
  crew_open(&crew, "listen_on_any");
  for (int id = 1; id <= 3; id++)
    assert_int_equal(crew_fork(&crew), id);
  assert_int_equal(dgram_cluster_next(crew.cluster, 0), 1);
  assert_int_equal(dgram_cluster_next(crew.cluster, 1), 2);
  assert_true(dgram_cluster_pid(crew.cluster, 1) > 0);
  assert_int_not_equal(dgram_cluster_pid(crew.cluster, 1), dgram_cluster_pid(crew.cluster, 2));
  crew_await(&crew, "listening(2)");
  assert_int_equal(dgram_cluster_kill(crew.cluster, 2, SIGKILL), 0);
  crew_await(&crew, "exit(2,0,9)");
  assert_int_equal(dgram_cluster_next(crew.cluster, 1), 3);
  assert_int_equal(dgram_cluster_next(crew.cluster, 2), 3);
  assert_int_equal(dgram_cluster_next(crew.cluster, 3), 0);
  assert_int_equal(dgram_cluster_pid(crew.cluster, 2), UV_ESRCH);
  assert_int_equal(crew_fork(&crew), 4); /* and 2 is not given again */
  crew_close(&crew);
}

static void a_worker_has_the_environment_with_what_was_added(void **state) {
  struct crew crew;
  crew_open(&crew, NULL);
  assert_int_equal(setenv("REPLACED", "old", 1), 0);
  char *const env[] = {crew.report_port, "ROLE=tell_environment", "OWN=1", "REPLACED=new", NULL};
  assert_int_equal(dgram_cluster_fork(crew.cluster, env), 1);
  crew_await(&crew, "1:env(1,new)", "exit(1,0,0)");
  crew_close(&crew);
}

static void what_a_worker_starts_is_no_worker(void **state) {
  struct crew crew;
  crew_open(&crew, "start_another");
  crew_fork(&crew);
  crew_await(&crew, "1:grandchild(50)", "exit(1,0,0)");
  crew_close(&crew);
}

/* Inside a callback anything may be done: here the dead are replaced, and the last closes all. */
static void replace_or_close(dgram_cluster_t *cluster, int id, int64_t status, int signum,
                             void *context) {
  struct crew *crew = context;
  trace("exit(%d)", id);
  assert_int_equal(dgram_cluster_kill(cluster, id, SIGKILL), UV_ESRCH);
  assert_int_equal(dgram_cluster_next(cluster, 0), id); /* it is known until this returns */
  if (id < 3)
    assert_int_equal(crew_fork(crew), id + 1);
  else
    assert_int_equal(dgram_cluster_close(cluster, 0, crew_closed, crew), 0);
}

/* The number of the input is then that of something else: here of the primary's own connection. */
static void a_primary_may_have_closed_its_input(void **state) {
  struct crew crew;
  crew_open(&crew, "listen_on_any");
  int input = dup(STDIN_FILENO);
  close(STDIN_FILENO);
  crew_fork(&crew);
  crew_await(&crew, "listening(1)", "1:bound");
  crew_close(&crew);
  assert_int_equal(dup2(input, STDIN_FILENO), STDIN_FILENO);
  close(input);
}

static void callbacks_may_call_everything(void **state) {
  char *const args[] = {"worker", NULL};
  struct crew crew;
  crew_open(&crew, "end_with_7");
  dgram_cluster_t *unused = crew.cluster;
  dgram_cluster_options_t options = dgram_default_cluster_options(args);
  options.on_exit = replace_or_close;
  options.context = &crew;
  assert_int_equal(dgram_cluster_create(crew.loop, &options, &crew.cluster), 0);
  crew_fork(&crew);
  run_until(crew.loop, &crew.closed, 1);
  assert_trace("exit(1) exit(2) exit(3)");
  crew.cluster = unused;
  crew.closed = 0;
  crew_close(&crew);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(they_come_in_order),
    cmocka_unit_test(an_end_is_told_with_its_status_or_signal),
    cmocka_unit_test(workers_are_known_by_ascending_ids),
    cmocka_unit_test(a_worker_has_the_environment_with_what_was_added),
    cmocka_unit_test(what_a_worker_starts_is_no_worker),
    cmocka_unit_test(a_primary_may_have_closed_its_input),
    cmocka_unit_test(callbacks_may_call_everything),
};

int main(void) {
  if (getenv("JUST_ASKING") != NULL)
    return dgram_cluster_is_primary() ? 50 : 51;
  if (!dgram_cluster_is_primary())
    return play(roles, sizeof roles / sizeof *roles);
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Tasks that run late, or in another order than they came: nothing is lost, nothing told twice. */
#include "lib/fixture.h"
#include "lib/task_list.h"

/* Both ways to run what has come. */
static void (*const runs[])(struct task_list *tasks) = {task_list_run_all, task_list_run_backwards};

TEST("closed before its task nothing but close is told") {
  for (int i = 0; i < 2; i++) {
    begin_round(loop);
    struct task_list tasks = {0};
    dgram_socket_t *binding = new_with_defer(loop, &tasks);
    dgram_socket_t *connected = new_with_defer(loop, &tasks);
    trace_events(binding);
    trace_events(connected);
    assert_int_equal(dgram_bind(binding, 0, NULL, trace_event, "never"), 0);
    assert_int_equal(dgram_connect_sync(connected, 9, NULL), 0);
    close_socket(binding);
    close_socket(connected);
    assert_int_equal(tasks.count, 5);
    runs[i](&tasks);
    assert_trace("close close");
    run_to_end(loop);
  }
}

TEST("a connect that is closed ends once") {
  for (int i = 0; i < 2; i++) {
    begin_round(loop);
    struct task_list tasks = {0};
    dgram_socket_t *socket = new_bound_with_defer(loop, &tasks);
    trace_events(socket);
    assert_int_equal(dgram_connect(socket, 9, NULL, trace_connect, "callback"), 0);
    close_socket(socket);
    runs[i](&tasks);
    assert_trace("close callback(ECANCELED)");
    run_to_end(loop);
  }
}

/* 'close' may come first only of the tasks. */
TEST("callbacks of what left come before close all the same") {
  for (int i = 0; i < 2; i++) {
    begin_round(loop);
    struct task_list tasks = {0};
    dgram_socket_t *socket = new_bound_with_defer(loop, &tasks);
    trace_events(socket);
    send_text(socket, "1", 9, trace_sent, "sent1");
    settle(loop);
    send_text(socket, "2", 9, trace_sent, "sent2");
    close_socket(socket);
    assert_int_equal(tasks.count, 2);
    runs[i](&tasks);
    assert_trace("sent1 sent2 close");
    run_to_end(loop);
  }
}

TEST("what was done at once may be told in another order") {
  struct task_list tasks = {0};
  int fd = raw_socket();
  dgram_socket_t *socket = new_with_defer(loop, &tasks);
  trace_events(socket);
  assert_int_equal(dgram_connect_sync(socket, raw_port(fd), NULL), 0);
  assert_int_equal(dgram_send(socket, "x", 1, 0, NULL, trace_sent, "sent"), 0);
  task_list_run_backwards(&tasks);
  assert_trace("connect listening");
  settle(loop);
  task_list_run_all(&tasks);
  assert_trace("sent");
  assert_string_equal(arrived(fd), "x");
  close(fd);
  close_socket(socket);
  task_list_run_all(&tasks);
  run_to_end(loop);
}

/* The memory stays until the last task has run; the loop then lets go of it. */
TEST("tasks may run when the loop has ended") {
  for (int i = 0; i < 2; i++) {
    begin_round(loop);
    struct task_list tasks = {0};
    dgram_socket_t *socket = new_bound_with_defer(loop, &tasks);
    trace_events(socket);
    send_text(socket, "1", 9, trace_sent, "sent");
    settle(loop);
    assert_int_equal(dgram_connect(socket, 9, NULL, trace_connect, "callback"), 0);
    close_socket(socket);
    run_to_end(loop);
    assert_int_equal(tasks.count, 3);
    runs[i](&tasks);
    assert_trace("sent close callback(ECANCELED)");
    run_to_end(loop);
  }
}

TEST("the close may be the only late one") {
  struct task_list tasks = {0};
  dgram_socket_t *socket = new_bound_with_defer(loop, &tasks);
  trace_events(socket);
  close_socket(socket);
  settle(loop);
  assert_int_equal(dgram_close(socket, NULL, NULL), DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
  dgram_socket_t *other = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  bind_now(other, "127.0.0.1");
  assert_usable(other);
  close_socket(other);
  run_to_end(loop);
  assert_trace("");
  task_list_run_all(&tasks);
  assert_trace("close");
  run_to_end(loop);
}

/* ---- any order ---- */

enum { SOCKETS = 3, SENDS = 8 };

/* What a run has seen of one socket. */
struct seen {
  int listening;
  int closes;
  int connects; /* the ends of attempts */
  int attempts;
  int sends;
  int sent[SENDS]; /* how often each send's callback was called */
};

static void see_listening(dgram_socket_t *socket, void *context) {
  struct seen *seen = context;
  assert_int_equal(seen->closes, 0);
  assert_int_equal(++seen->listening, 1);
}

static void see_close(dgram_socket_t *socket, void *context) {
  struct seen *seen = context;
  assert_int_equal(++seen->closes, 1);
}

static void see_connect(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  ++((struct seen *)context)->connects;
}

static void see_sent(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                     void *context) {
  ++*(int *)context;
}

/* Marsaglia's xorshift: what looks random is the same at every run. */
static unsigned below(uint32_t *random, unsigned limit) {
  *random ^= *random << 13;
  *random ^= *random >> 17;
  *random ^= *random << 5;
  return *random % limit;
}

/* Does something to a socket that is open. */
static void act(dgram_socket_t *socket, struct seen *seen, unsigned what) {
  switch (what) {
  case 0:
    dgram_bind(socket, 0, NULL, NULL, NULL);
    break;
  case 1:
    dgram_bind_sync(socket, 0, NULL);
    break;
  case 2:
    seen->attempts += dgram_connect(socket, 9, NULL, see_connect, seen) == 0;
    break;
  case 3:
    dgram_connect_sync(socket, 9, NULL);
    break;
  case 4:
    dgram_disconnect(socket);
    break;
  case 5:
    dgram_flush(socket);
    break;
  default:
    if (seen->sends < SENDS) {
      int port = dgram_connect_state(socket) == DGRAM_CONNECTED ? 0 : 9;
      assert_int_equal(dgram_send(socket, "x", 1, port, NULL, see_sent, &seen->sent[seen->sends]),
                       0);
      seen->sends++;
    }
  }
}

static void ignore_error(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  assert_int_equal(error->code, UV_ECONNREFUSED); /* nobody listens there */
}

static void run_with(uv_loop_t *loop, uint32_t seed) {
  begin_round(loop);
  uint32_t random = seed;
  struct task_list tasks = {0};
  struct seen seen[SOCKETS] = {{0}};
  dgram_socket_t *sockets[SOCKETS];
  dgram_on_unhandled_error(ignore_error, NULL);
  for (int i = 0; i < SOCKETS; i++) {
    sockets[i] = new_with_defer(loop, &tasks);
    assert_int_equal(dgram_on_listening(sockets[i], see_listening, &seen[i]), 0);
    assert_int_equal(dgram_on_close(sockets[i], see_close, &seen[i]), 0);
  }
  for (int step = 0; step < 60; step++) {
    unsigned i = below(&random, SOCKETS);
    unsigned what = below(&random, 12);
    tasks.refuses = below(&random, 4) == 0;
    if (what < 9 && sockets[i] != NULL)
      act(sockets[i], &seen[i], what);
    else if (what == 9 && tasks.count > 0)
      task_list_run(&tasks, (int)below(&random, (unsigned)tasks.count));
    else if (what == 10)
      uv_run(loop, UV_RUN_NOWAIT);
    else if (what == 11 && step > 30 && sockets[i] != NULL) {
      close_socket(sockets[i]);
      sockets[i] = NULL;
    }
  }
  for (int i = 0; i < SOCKETS; i++)
    if (sockets[i] != NULL)
      close_socket(sockets[i]);
  for (int round = 0; round < 20; round++) {
    while (tasks.count > 0)
      task_list_run(&tasks, (int)below(&random, (unsigned)tasks.count));
    uv_run(loop, UV_RUN_NOWAIT);
  }
  run_to_end(loop);
  for (int i = 0; i < SOCKETS; i++) {
    assert_int_equal(seen[i].closes, 1);
    assert_int_equal(seen[i].connects, seen[i].attempts);
    for (int send = 0; send < seen[i].sends; send++)
      assert_int_equal(seen[i].sent[send], 1);
  }
}

TEST("in any order all that was begun ends once") {
  uint32_t seeds = 1 + 2000 / test_scale();
  for (uint32_t seed = 1; seed < seeds; seed++)
    run_with(loop, seed * 2654435761U);
}

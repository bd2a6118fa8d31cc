/*
 * Deferred tasks go to the program's own queue, if it has one, and the program runs them. If that
 * is late, or in another order, nothing is lost and nothing is reported twice.
 */
#include "lib/fixture.h"
#include "lib/task_list.h"

/* Nothing happens until its task is run. */
static void assert_deferred(uv_loop_t *loop, struct task_list *tasks, int count) {
  settle(loop);
  assert_trace("");
  assert_int_equal(tasks->count, count);
  assert_int_equal(tasks->asked, count);
  tasks->asked = 0;
  task_list_run_all(tasks);
}

TEST("a bind is deferred") {
  struct task_list tasks = {0};
  dgram_socket_t *socket = new_with_defer(loop, &tasks);
  trace_events(socket);
  assert_int_equal(dgram_bind(socket, 0, "127.0.0.1", trace_event, "callback"), 0);
  assert_int_equal(tasks.count, 1); /* inside the call */
  assert_int_equal(dgram_bind_state(socket), DGRAM_BINDING);
  assert_deferred(loop, &tasks, 1);
  assert_trace("listening callback");
  assert_true(port_of(socket) > 0);
  close_socket(socket);
  task_list_run_all(&tasks);
  run_to_end(loop);
}

TEST("the failure of a bind is deferred") {
  struct task_list tasks = {0};
  dgram_socket_t *socket = new_with_defer(loop, &tasks);
  trace_events(socket);
  assert_int_equal(dgram_bind(socket, 0, "203.0.113.9", trace_event, "never"), 0);
  send_text(socket, "x", 9, trace_sent, "sent");
  assert_deferred(loop, &tasks, 1);
  assert_trace("error(EADDRNOTAVAIL) sent(EADDRNOTAVAIL)"); /* that is a second task */
  assert_int_equal(tasks.asked, 1);
  close_socket(socket);
  task_list_run_all(&tasks);
  run_to_end(loop);
}

TEST("the callbacks of sends are deferred") {
  struct task_list tasks = {0};
  int fd = raw_socket();
  dgram_socket_t *socket = new_bound_with_defer(loop, &tasks);
  send_text(socket, "1", raw_port(fd), trace_sent, "sent1");
  send_text(socket, "2", raw_port(fd), trace_sent, "sent2");
  assert_int_equal(tasks.count, 0); /* until they have left, which the loop sees to */
  settle(loop);
  assert_string_equal(arrived(fd), "1 2");
  assert_deferred(loop, &tasks, 1); /* both */
  assert_trace("sent1 sent2");
  close(fd);
  close_socket(socket);
  task_list_run_all(&tasks);
  run_to_end(loop);
}

TEST("a connect is deferred") {
  static const char *const addresses[] = {NULL, "255.255.255.255"};
  static const char *const traces[] = {"connect callback", "callback(EACCES)"};
  for (int i = 0; i < 2; i++) {
    begin_round(loop);
    struct task_list tasks = {0};
    dgram_socket_t *socket = new_bound_with_defer(loop, &tasks);
    trace_events(socket);
    assert_int_equal(dgram_connect(socket, 9, addresses[i], trace_connect, "callback"), 0);
    assert_int_equal(dgram_connect_state(socket), DGRAM_CONNECTING);
    assert_deferred(loop, &tasks, 1);
    assert_trace(traces[i]);
    close_socket(socket);
    task_list_run_all(&tasks);
    run_to_end(loop);
  }
}

TEST("the events of calls that are done at once are deferred") {
  struct task_list tasks = {0};
  dgram_socket_t *socket = new_with_defer(loop, &tasks);
  dgram_socket_t *member = new_with_defer(loop, &tasks);
  trace_events(socket);
  trace_events(member);
  assert_int_equal(dgram_connect_sync(socket, 9, NULL), 0);
  assert_deferred(loop, &tasks, 2);
  assert_trace("listening connect");
  assert_int_equal(dgram_add_membership(member, "224.0.0.114", "127.0.0.1"), 0);
  assert_deferred(loop, &tasks, 1);
  assert_trace("listening");
  close_socket(socket);
  close_socket(member);
  task_list_run_all(&tasks);
  run_to_end(loop);
}

TEST("close is deferred, and so is what it cancels") {
  struct task_list tasks = {0};
  dgram_socket_t *socket = new_bound_with_defer(loop, &tasks);
  trace_events(socket);
  assert_int_equal(dgram_send(socket, "x", 1, 9, "localhost", trace_sent, "sent"), 0);
  close_socket(socket);
  assert_deferred(loop, &tasks, 1);
  assert_trace("close sent(ECANCELED)");
  run_to_end(loop);
}

TEST("the error of a refusal is deferred") {
  struct task_list tasks = {0};
  int fd = raw_socket();
  dgram_socket_t *socket = new_bound_with_defer(loop, &tasks);
  trace_events(socket);
  assert_int_equal(dgram_connect_sync(socket, raw_port(fd), NULL), 0);
  task_list_run_all(&tasks);
  assert_trace("connect");
  close(fd);
  assert_int_equal(dgram_send(socket, "1", 1, 0, NULL, NULL, NULL), 0);
  dgram_flush(socket);
  assert_int_equal(dgram_disconnect(socket), 0); /* where the answer to it is found */
  assert_int_equal(tasks.count, 1);
  assert_trace("");
  task_list_run_all(&tasks);
  assert_trace("error(ECONNREFUSED)");
  close_socket(socket);
  task_list_run_all(&tasks);
  run_to_end(loop);
}

/* Messages come from the loop as ever. */
TEST("messages are not deferred") {
  struct task_list tasks = {0};
  int fd = raw_socket();
  dgram_socket_t *socket = new_bound_with_defer(loop, &tasks);
  assert_int_equal(dgram_on_message(socket, trace_message, "got"), 0);
  raw_send(fd, "x", 1, port_of(socket));
  run_until_trace(loop, "got(x)");
  assert_int_equal(tasks.asked, 0);
  close(fd);
  close_socket(socket);
  task_list_run_all(&tasks);
  run_to_end(loop);
}

/* B57 */
TEST("the callback of a send comes before the reply though it was deferred") {
  struct task_list tasks = {0};
  int fd = raw_socket();
  dgram_socket_t *socket = new_bound_with_defer(loop, &tasks);
  assert_int_equal(dgram_on_message(socket, trace_message, "got"), 0);
  send_text(socket, "x", raw_port(fd), trace_sent, "sent");
  settle(loop);
  raw_send(fd, "reply", 5, port_of(socket));
  run_until_trace(loop, "sent got(reply)");
  task_list_run_all(&tasks); /* finds nothing left to do */
  assert_trace("");
  close(fd);
  close_socket(socket);
  task_list_run_all(&tasks);
  run_to_end(loop);
}

/* ---- who runs it ---- */

TEST("a task that the program does not take is run by the loop") {
  struct task_list tasks = {.refuses = 1};
  int fd = raw_socket();
  dgram_socket_t *socket = new_with_defer(loop, &tasks);
  trace_events(socket);
  assert_int_equal(dgram_bind(socket, 0, "127.0.0.1", NULL, NULL), 0);
  send_text(socket, "x", raw_port(fd), trace_sent, "sent");
  assert_int_equal(tasks.asked, 1);
  assert_trace("");
  run_until_trace(loop, "listening sent");
  assert_int_equal(dgram_connect(socket, raw_port(fd), NULL, NULL, NULL), 0);
  run_until_trace(loop, "connect");
  close_socket(socket);
  run_to_end(loop);
  assert_trace("close");
  assert_int_equal(tasks.asked, 4); /* each time */
  assert_int_equal(tasks.count, 0);
  close(fd);
}

TEST("a program may take some tasks and leave others") {
  struct task_list tasks = {.refuses = 1};
  dgram_socket_t *socket = new_with_defer(loop, &tasks);
  trace_events(socket);
  assert_int_equal(dgram_bind_sync(socket, 0, NULL), 0);
  tasks.refuses = 0;
  assert_int_equal(dgram_connect_sync(socket, 9, NULL), 0);
  tasks.refuses = 1;
  settle(loop);
  assert_trace("listening");
  task_list_run_all(&tasks);
  assert_trace("connect");
  close_socket(socket);
  run_to_end(loop);
  assert_trace("close");
}

TEST("each socket defers to its own program") {
  struct task_list lists[2] = {{0}, {0}};
  dgram_socket_t *first = new_with_defer(loop, &lists[0]);
  dgram_socket_t *second = new_with_defer(loop, &lists[1]);
  dgram_socket_t *plain = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_bind(first, 0, NULL, trace_event, "first"), 0);
  assert_int_equal(dgram_bind(second, 0, NULL, trace_event, "second"), 0);
  assert_int_equal(dgram_bind(plain, 0, NULL, trace_event, "plain"), 0);
  settle(loop);
  assert_trace("plain");
  task_list_run_all(&lists[1]);
  assert_trace("second");
  task_list_run_all(&lists[0]);
  assert_trace("first");
  close_socket(first);
  close_socket(second);
  close_socket(plain);
  task_list_run_all(&lists[0]);
  task_list_run_all(&lists[1]);
  run_to_end(loop);
}

TEST("a deferred task does not keep the loop alive") {
  struct task_list tasks = {0};
  dgram_socket_t *socket = new_with_defer(loop, &tasks);
  assert_int_equal(dgram_bind(socket, 0, NULL, trace_event, "listening"), 0);
  run_to_end(loop);
  assert_trace("");
  task_list_run_all(&tasks);
  assert_trace("listening");
  close_socket(socket);
  run_to_end(loop);
  task_list_run_all(&tasks);
  run_to_end(loop);
}

TEST("a socket that is closed as it is made defers its close") {
  struct task_list tasks = {0};
  dgram_abort_signal_t *signal;
  assert_int_equal(dgram_abort_signal_create(&signal), 0);
  dgram_abort_signal_abort(signal);
  dgram_options_t options = task_list_options(&tasks);
  options.signal = signal;
  dgram_socket_t *socket = new_with(loop, &options);
  assert_int_equal(tasks.count, 1);
  assert_int_equal(dgram_on_close(socket, trace_event, "close"), 0);
  task_list_run_all(&tasks);
  assert_trace("close");
  dgram_abort_signal_free(signal);
  run_to_end(loop);
}

/* It also keeps the loop alive, and from waiting. */
static void run_them_there(uv_idle_t *idle) {
  task_list_run_all(idle->data);
}

TEST("a socket can be disposed of where the loop runs its tasks") {
  struct task_list tasks = {0};
  uv_idle_t idle;
  uv_idle_init(loop, &idle);
  uv_idle_start(&idle, run_them_there);
  idle.data = &tasks;
  dgram_socket_t *socket = new_with_defer(loop, &tasks);
  trace_events(socket);
  send_text(socket, "x", 9, trace_sent, "sent");
  dgram_dispose(socket);
  assert_trace("listening sent close");
  uv_close((uv_handle_t *)&idle, NULL);
  run_to_end(loop);
}

TEST("running no task does nothing") {
  dgram_task_run(NULL);
}

/* ---- late, or in another order ---- */

/* Both ways to run what has come. */
static void (*const runs[])(struct task_list *tasks) = {task_list_run_all, task_list_run_backwards};

TEST("a socket closed before its task emits close only") {
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

TEST("a deferred connect that is closed ends once") {
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
TEST("deferred callbacks of sends come before close") {
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

TEST("deferred events may be run in another order") {
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
TEST("deferred tasks may run when the loop has ended") {
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

TEST("a deferred close may be the only late task") {
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

TEST("whatever is deferred ends once in any order") {
  uint32_t seeds = 1 + 2000 / test_scale();
  for (uint32_t seed = 1; seed < seeds; seed++)
    run_with(loop, seed * 2654435761U);
}

/* Work that is put off goes to the program's own queue, if it has one, and runs when it says so. */
#include "lib/fixture.h"
#include "lib/task_list.h"

/* Nothing happens until its task is run. */
static void assert_put_off(uv_loop_t *loop, struct task_list *tasks, int count) {
  settle(loop);
  assert_trace("");
  assert_int_equal(tasks->count, count);
  assert_int_equal(tasks->asked, count);
  tasks->asked = 0;
  task_list_run_all(tasks);
}

TEST("a bind is put off") {
  struct task_list tasks = {0};
  dgram_socket_t *socket = new_with_defer(loop, &tasks);
  trace_events(socket);
  assert_int_equal(dgram_bind(socket, 0, "127.0.0.1", trace_event, "callback"), 0);
  assert_int_equal(tasks.count, 1); /* inside the call */
  assert_int_equal(dgram_bind_state(socket), DGRAM_BINDING);
  assert_put_off(loop, &tasks, 1);
  assert_trace("listening callback");
  assert_true(port_of(socket) > 0);
  close_socket(socket);
  task_list_run_all(&tasks);
  run_to_end(loop);
}

TEST("so is one that fails") {
  struct task_list tasks = {0};
  dgram_socket_t *socket = new_with_defer(loop, &tasks);
  trace_events(socket);
  assert_int_equal(dgram_bind(socket, 0, "203.0.113.9", trace_event, "never"), 0);
  send_text(socket, "x", 9, trace_sent, "sent");
  assert_put_off(loop, &tasks, 1);
  assert_trace("error(EADDRNOTAVAIL) sent(EADDRNOTAVAIL)"); /* that is a second task */
  assert_int_equal(tasks.asked, 1);
  close_socket(socket);
  task_list_run_all(&tasks);
  run_to_end(loop);
}

TEST("the callbacks of sends are put off") {
  struct task_list tasks = {0};
  int fd = raw_socket();
  dgram_socket_t *socket = new_bound_with_defer(loop, &tasks);
  send_text(socket, "1", raw_port(fd), trace_sent, "sent1");
  send_text(socket, "2", raw_port(fd), trace_sent, "sent2");
  assert_int_equal(tasks.count, 0); /* until they have left, which the loop sees to */
  settle(loop);
  assert_string_equal(arrived(fd), "1 2");
  assert_put_off(loop, &tasks, 1); /* both */
  assert_trace("sent1 sent2");
  close(fd);
  close_socket(socket);
  task_list_run_all(&tasks);
  run_to_end(loop);
}

TEST("a connect is put off") {
  static const char *const addresses[] = {NULL, "255.255.255.255"};
  static const char *const stories[] = {"connect callback", "callback(EACCES)"};
  for (int i = 0; i < 2; i++) {
    begin_round(loop);
    struct task_list tasks = {0};
    dgram_socket_t *socket = new_bound_with_defer(loop, &tasks);
    trace_events(socket);
    assert_int_equal(dgram_connect(socket, 9, addresses[i], trace_connect, "callback"), 0);
    assert_int_equal(dgram_connect_state(socket), DGRAM_CONNECTING);
    assert_put_off(loop, &tasks, 1);
    assert_trace(stories[i]);
    close_socket(socket);
    task_list_run_all(&tasks);
    run_to_end(loop);
  }
}

TEST("the events of what is done at once are put off") {
  struct task_list tasks = {0};
  dgram_socket_t *socket = new_with_defer(loop, &tasks);
  dgram_socket_t *member = new_with_defer(loop, &tasks);
  trace_events(socket);
  trace_events(member);
  assert_int_equal(dgram_connect_sync(socket, 9, NULL), 0);
  assert_put_off(loop, &tasks, 2);
  assert_trace("listening connect");
  assert_int_equal(dgram_add_membership(member, "224.0.0.114", "127.0.0.1"), 0);
  assert_put_off(loop, &tasks, 1);
  assert_trace("listening");
  close_socket(socket);
  close_socket(member);
  task_list_run_all(&tasks);
  run_to_end(loop);
}

TEST("close is put off with what is cancelled") {
  struct task_list tasks = {0};
  dgram_socket_t *socket = new_bound_with_defer(loop, &tasks);
  trace_events(socket);
  assert_int_equal(dgram_send(socket, "x", 1, 9, "localhost", trace_sent, "sent"), 0);
  close_socket(socket);
  assert_put_off(loop, &tasks, 1);
  assert_trace("close sent(ECANCELED)");
  run_to_end(loop);
}

TEST("a refusal is put off") {
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
TEST("messages are not put off") {
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
TEST("a sends callback comes before the reply though it was put off") {
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

TEST("what it does not take the loop does") {
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

TEST("it may take some and leave others") {
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

TEST("each socket has its own") {
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

TEST("a task does not keep the loop alive") {
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

TEST("one that is closed as it is made asks too") {
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

TEST("a socket can be disposed of where the loop runs them") {
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

TEST("no task is nothing to do") {
  dgram_task_run(NULL);
}

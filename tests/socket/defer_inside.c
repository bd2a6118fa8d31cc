/* A program may run deferred tasks inside a callback, as a script engine does after each. */
#include "lib/fixture.h"
#include "lib/task_list.h"

static struct task_list tasks; /* of one test */

static void close_and_run(dgram_socket_t *socket, const char *name) {
  trace("%s", name);
  close_socket(socket);
  task_list_run_all(&tasks);
  trace("/%s", name);
}

static void close_in_event(dgram_socket_t *socket, void *context) {
  close_and_run(socket, context);
}

static void close_in_error(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  close_and_run(socket, context);
}

static void close_in_sent(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                          void *context) {
  close_and_run(socket, context);
}

static void close_in_message(dgram_socket_t *socket, const char *message,
                             const dgram_rinfo_t *rinfo, void *context) {
  close_and_run(socket, context);
}

static void close_in_messages(dgram_socket_t *socket, const dgram_message_t *const messages[],
                              size_t count, void *context) {
  close_and_run(socket, context);
}

/* ---- the closing task ---- */

/* All that left, then 'close', though the callback that has it run is not over. */
TEST("tasks run in the callback of a send call the others before close") {
  dgram_socket_t *socket = new_bound_with_defer(loop, &tasks);
  trace_events(socket);
  send_text(socket, "1", 9, close_in_sent, "sent1");
  send_text(socket, "2", 9, trace_sent, "sent2");
  send_text(socket, "3", 9, trace_sent, "sent3");
  settle(loop);
  task_list_run_all(&tasks);
  run_to_end(loop);
  assert_trace("sent1 sent2 sent3 close /sent1");
}

TEST("tasks run in a message that closes end the messages") {
  int fd = raw_socket();
  dgram_socket_t *socket = new_bound_with_defer(loop, &tasks);
  trace_events(socket);
  assert_int_equal(dgram_on_message(socket, close_in_message, "message"), 0);
  for (int i = 0; i < 3; i++)
    raw_send(fd, "x", 1, port_of(socket));
  run_to_end(loop);
  assert_trace("message close /message");
  close(fd);
}

TEST("tasks run in a batch that closes end the messages") {
  int fd = raw_socket();
  dgram_socket_t *socket = new_bound_with_defer(loop, &tasks);
  trace_events(socket);
  assert_int_equal(dgram_on_messages(socket, close_in_messages, "batch"), 0);
  assert_int_equal(dgram_on_message(socket, trace_message, "message"), 0);
  for (int i = 0; i < 3; i++)
    raw_send(fd, "x", 1, port_of(socket));
  run_to_end(loop);
  assert_trace("batch close /batch");
  close(fd);
}

TEST("tasks run in listening that closes emit close") {
  dgram_socket_t *socket = new_with_defer(loop, &tasks);
  assert_int_equal(dgram_on_listening(socket, close_in_event, "listening"), 0);
  assert_int_equal(dgram_on_close(socket, trace_event, "close"), 0);
  assert_int_equal(dgram_bind(socket, 0, NULL, NULL, NULL), 0);
  task_list_run_all(&tasks);
  run_to_end(loop);
  assert_trace("listening close /listening");
}

TEST("tasks run in listening inside the bind emit close") {
  dgram_socket_t *socket = new_with_defer(loop, &tasks);
  assert_int_equal(dgram_on_listening(socket, close_in_event, "listening"), 0);
  assert_int_equal(dgram_on_close(socket, trace_event, "close"), 0);
  int fd = raw_socket();
  assert_int_equal(adopt_fd(socket, fd), 0);
  assert_trace("listening close /listening");
  run_to_end(loop);
  assert_false(is_open(fd));
}

TEST("tasks run in listening that closes let the sends leave first") {
  int fd = raw_socket();
  dgram_socket_t *socket = new_with_defer(loop, &tasks);
  assert_int_equal(dgram_on_listening(socket, close_in_event, "listening"), 0);
  assert_int_equal(dgram_on_close(socket, trace_event, "close"), 0);
  send_text(socket, "1", raw_port(fd), trace_sent, "sent1");
  send_text(socket, "2", raw_port(fd), trace_sent, "sent2");
  task_list_run_all(&tasks);
  run_to_end(loop);
  assert_trace("listening /listening sent1 sent2 close");
  assert_string_equal(arrived(fd), "1 2");
  close(fd);
}

TEST("tasks run in the error of a bind emit close") {
  dgram_socket_t *socket = new_with_defer(loop, &tasks);
  assert_int_equal(dgram_on_error(socket, close_in_error, "error"), 0);
  assert_int_equal(dgram_on_close(socket, trace_event, "close"), 0);
  assert_int_equal(dgram_bind(socket, 0, "203.0.113.9", NULL, NULL), 0);
  send_text(socket, "x", 9, trace_sent, "sent");
  task_list_run_all(&tasks);
  assert_trace("error sent(EADDRNOTAVAIL) close /error");
  run_to_end(loop);
}

TEST("tasks run in the error of a connect emit close") {
  dgram_socket_t *socket = new_bound_with_defer(loop, &tasks);
  assert_int_equal(dgram_on_error(socket, close_in_error, "error"), 0);
  assert_int_equal(dgram_on_close(socket, trace_event, "close"), 0);
  assert_int_equal(dgram_connect(socket, 9, "255.255.255.255", NULL, NULL), 0);
  task_list_run_all(&tasks);
  run_to_end(loop);
  assert_trace("error close /error");
}

static void run_in_event(dgram_socket_t *socket, void *context) {
  trace("%s", (const char *)context);
  task_list_run_all(&tasks);
}

/* There is nothing that could be run twice. */
TEST("tasks run in close find nothing left to run") {
  dgram_socket_t *socket = new_bound_with_defer(loop, &tasks);
  assert_int_equal(dgram_on_close(socket, run_in_event, "close"), 0);
  send_text(socket, "1", 9, trace_sent, "sent");
  assert_int_equal(dgram_send(socket, "x", 1, 9, "localhost", trace_sent, "cancelled"), 0);
  close_socket(socket);
  task_list_run_backwards(&tasks);
  run_to_end(loop);
  assert_trace("sent close cancelled(ECANCELED)");
}

static void run_in_sent(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                        void *context) {
  run_in_event(socket, context);
}

/* By then nothing else holds the socket's memory. */
TEST("tasks run in a flush() of a closed socket emit close") {
  dgram_socket_t *socket = new_bound_with_defer(loop, &tasks);
  assert_int_equal(dgram_on_close(socket, trace_event, "close"), 0);
  send_text(socket, "1", 9, run_in_sent, "sent1");
  send_text(socket, "2", 9, trace_sent, "sent2");
  close_socket(socket);
  run_to_end(loop);
  assert_trace("");
  dgram_flush(socket);
  assert_trace("sent1 sent2 close");
  run_to_end(loop);
}

/* ---- in a program's look-up, which may run inside a call ---- */

static dgram_lookup_t *kept;

static void keep_query(dgram_lookup_t *lookup, const char *host, dgram_type_t type, void *context) {
  kept = lookup;
}

TEST("tasks run in the error of a look-up's answer emit close") {
  for (int with_fd = 0; with_fd < 2; with_fd++) {
    dgram_options_t options = task_list_options(&tasks);
    options.lookup = keep_query;
    dgram_socket_t *socket = new_with(loop, &options);
    assert_int_equal(dgram_on_error(socket, close_in_error, "error"), 0);
    assert_int_equal(dgram_on_close(socket, trace_event, "close"), 0);
    assert_int_equal(dgram_bind(socket, 0, NULL, NULL, NULL), 0);
    if (with_fd)
      assert_int_equal(dgram_lookup_done_fd(kept, -1), DGRAM_ERR_INVALID_FD_TYPE);
    else
      dgram_lookup_done(kept, UV_EAI_FAIL, NULL);
    assert_trace("error close /error");
    run_to_end(loop);
  }
}

static dgram_socket_t *asking;

static void close_in_look_up(dgram_lookup_t *lookup, const char *host, dgram_type_t type,
                             void *context) {
  close_and_run(asking, host);
  dgram_lookup_done(lookup, 0, "127.0.0.1");
}

static void new_asking(uv_loop_t *loop) {
  dgram_options_t options = task_list_options(&tasks);
  options.lookup = close_in_look_up;
  asking = new_with(loop, &options);
  trace_events(asking);
}

TEST("tasks run in the look-up of a bind emit close") {
  new_asking(loop);
  assert_int_equal(dgram_bind(asking, 0, "name", NULL, NULL), 0);
  assert_trace("name close /name"); /* the socket's memory is gone */
  run_to_end(loop);
}

TEST("tasks run in the look-up of a send emit close and cancel it") {
  for (int with_callback = 0; with_callback < 2; with_callback++) {
    new_asking(loop);
    assert_int_equal(dgram_bind_sync(asking, 0, NULL), 0);
    task_list_run_all(&tasks);
    assert_trace("listening");
    dgram_send_cb callback = with_callback ? trace_sent : NULL;
    assert_int_equal(dgram_send(asking, "x", 1, 9, "name", callback, "sent"), 0);
    assert_trace(with_callback ? "name close sent(ECANCELED) /name" : "name close /name");
    run_to_end(loop);
  }
}

TEST("tasks run in the look-up of a connect emit close and cancel it") {
  new_asking(loop);
  assert_int_equal(dgram_bind_sync(asking, 0, NULL), 0);
  task_list_run_all(&tasks);
  assert_trace("listening");
  assert_int_equal(dgram_connect(asking, 9, "name", trace_connect, "callback"), 0);
  assert_trace("name close callback(ECANCELED) /name");
  run_to_end(loop);
}

/* ---- others ---- */

static void send_flush_and_run(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                               void *context) {
  trace("sent1");
  send_text(socket, "4", 9, trace_sent, "sent4");
  dgram_flush(socket);
  task_list_run_all(&tasks);
  trace("/sent1");
}

/* Those that are due stay before those that the callback itself has added. */
TEST("tasks run in the callback of a send do not nest callbacks") {
  dgram_socket_t *socket = new_bound_with_defer(loop, &tasks);
  send_text(socket, "1", 9, send_flush_and_run, NULL);
  send_text(socket, "2", 9, trace_sent, "sent2");
  send_text(socket, "3", 9, trace_sent, "sent3");
  settle(loop);
  task_list_run_all(&tasks);
  assert_trace("sent1 /sent1 sent2 sent3 sent4");
  close_socket(socket);
  task_list_run_all(&tasks);
}

static void bind_and_run(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  trace("error(%s)", error->name);
  assert_int_equal(dgram_bind(socket, 0, "127.0.0.1", trace_event, "bound"), 0);
  task_list_run_all(&tasks);
}

TEST("tasks run in the error of a bind may bind again") {
  dgram_socket_t *socket = new_with_defer(loop, &tasks);
  assert_int_equal(dgram_on_error(socket, bind_and_run, NULL), 0);
  assert_int_equal(dgram_bind(socket, 0, "203.0.113.9", trace_event, "never"), 0);
  task_list_run_all(&tasks);
  assert_trace("error(EADDRNOTAVAIL) bound");
  assert_true(port_of(socket) > 0);
  close_socket(socket);
  task_list_run_all(&tasks);
}

static void connect_and_run(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  trace("first(%s)", error->name);
  assert_int_equal(dgram_connect(socket, 9, NULL, trace_connect, "second"), 0);
  task_list_run_all(&tasks);
}

TEST("tasks run in the callback of a failed connect may connect again") {
  dgram_socket_t *socket = new_bound_with_defer(loop, &tasks);
  assert_int_equal(dgram_connect(socket, 9, "255.255.255.255", connect_and_run, NULL), 0);
  task_list_run_all(&tasks);
  assert_trace("first(EACCES) second");
  close_socket(socket);
  task_list_run_all(&tasks);
}

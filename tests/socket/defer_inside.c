/* A program may run what was put off inside a callback, as a script engine does after each. */
#include "lib/fixture.h"
#include "lib/task_list.h"

static struct task_list tasks; /* of one test */

static uv_loop_t *open_empty(void) {
  tasks = (struct task_list){0};
  return open_loop();
}

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
static void of_a_send_the_other_callbacks_come_before_close(void **state) {
  uv_loop_t *loop = open_empty();
  dgram_socket_t *socket = new_bound_with_defer(loop, &tasks);
  trace_events(socket);
  send_text(socket, "1", 9, close_in_sent, "sent1");
  send_text(socket, "2", 9, trace_sent, "sent2");
  send_text(socket, "3", 9, trace_sent, "sent3");
  settle(loop);
  task_list_run_all(&tasks);
  close_loop(loop);
  assert_trace("sent1 sent2 sent3 close /sent1");
}

static void of_a_message_no_other_follows(void **state) {
  uv_loop_t *loop = open_empty();
  int fd = raw_socket();
  dgram_socket_t *socket = new_bound_with_defer(loop, &tasks);
  trace_events(socket);
  assert_int_equal(dgram_on_message(socket, close_in_message, "message"), 0);
  for (int i = 0; i < 3; i++)
    raw_send(fd, "x", 1, port_of(socket));
  close_loop(loop);
  assert_trace("message close /message");
  close(fd);
}

static void of_a_batch_no_message_follows(void **state) {
  uv_loop_t *loop = open_empty();
  int fd = raw_socket();
  dgram_socket_t *socket = new_bound_with_defer(loop, &tasks);
  trace_events(socket);
  assert_int_equal(dgram_on_messages(socket, close_in_messages, "batch"), 0);
  assert_int_equal(dgram_on_message(socket, trace_message, "message"), 0);
  for (int i = 0; i < 3; i++)
    raw_send(fd, "x", 1, port_of(socket));
  close_loop(loop);
  assert_trace("batch close /batch");
  close(fd);
}

static void of_listening(void **state) {
  uv_loop_t *loop = open_empty();
  dgram_socket_t *socket = new_with_defer(loop, &tasks);
  assert_int_equal(dgram_on_listening(socket, close_in_event, "listening"), 0);
  assert_int_equal(dgram_on_close(socket, trace_event, "close"), 0);
  assert_int_equal(dgram_bind(socket, 0, NULL, NULL, NULL), 0);
  task_list_run_all(&tasks);
  close_loop(loop);
  assert_trace("listening close /listening");
}

static void of_listening_inside_the_call(void **state) {
  uv_loop_t *loop = open_empty();
  dgram_bind_options_t options = dgram_default_bind_options();
  dgram_socket_t *socket = new_with_defer(loop, &tasks);
  assert_int_equal(dgram_on_listening(socket, close_in_event, "listening"), 0);
  assert_int_equal(dgram_on_close(socket, trace_event, "close"), 0);
  options.fd = raw_socket();
  assert_int_equal(dgram_bind_options(socket, &options, NULL, NULL), 0);
  assert_trace("listening close /listening");
  close_loop(loop);
  assert_false(is_open(options.fd));
}

static void of_listening_with_sends_that_wait(void **state) {
  uv_loop_t *loop = open_empty();
  int fd = raw_socket();
  dgram_socket_t *socket = new_with_defer(loop, &tasks);
  assert_int_equal(dgram_on_listening(socket, close_in_event, "listening"), 0);
  assert_int_equal(dgram_on_close(socket, trace_event, "close"), 0);
  send_text(socket, "1", raw_port(fd), trace_sent, "sent1");
  send_text(socket, "2", raw_port(fd), trace_sent, "sent2");
  task_list_run_all(&tasks);
  close_loop(loop);
  assert_trace("listening /listening sent1 sent2 close");
  assert_string_equal(arrived(fd), "1 2");
  close(fd);
}

static void of_the_error_of_a_bind(void **state) {
  uv_loop_t *loop = open_empty();
  dgram_socket_t *socket = new_with_defer(loop, &tasks);
  assert_int_equal(dgram_on_error(socket, close_in_error, "error"), 0);
  assert_int_equal(dgram_on_close(socket, trace_event, "close"), 0);
  assert_int_equal(dgram_bind(socket, 0, "203.0.113.9", NULL, NULL), 0);
  send_text(socket, "x", 9, trace_sent, "sent");
  task_list_run_all(&tasks);
  assert_trace("error sent(EADDRNOTAVAIL) close /error");
  close_loop(loop);
}

static void of_the_failure_of_a_connect(void **state) {
  uv_loop_t *loop = open_empty();
  dgram_socket_t *socket = new_bound_with_defer(loop, &tasks);
  assert_int_equal(dgram_on_error(socket, close_in_error, "error"), 0);
  assert_int_equal(dgram_on_close(socket, trace_event, "close"), 0);
  assert_int_equal(dgram_connect(socket, 9, "255.255.255.255", NULL, NULL), 0);
  task_list_run_all(&tasks);
  close_loop(loop);
  assert_trace("error close /error");
}

static void run_in_event(dgram_socket_t *socket, void *context) {
  trace("%s", (const char *)context);
  task_list_run_all(&tasks);
}

/* There is nothing that could be run twice. */
static void of_close_itself_is_nothing_left(void **state) {
  uv_loop_t *loop = open_empty();
  dgram_socket_t *socket = new_bound_with_defer(loop, &tasks);
  assert_int_equal(dgram_on_close(socket, run_in_event, "close"), 0);
  send_text(socket, "1", 9, trace_sent, "sent");
  assert_int_equal(dgram_send(socket, "x", 1, 9, "localhost", trace_sent, "cancelled"), 0);
  close_socket(socket);
  task_list_run_backwards(&tasks);
  close_loop(loop);
  assert_trace("sent close cancelled(ECANCELED)");
}

static void run_in_sent(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                        void *context) {
  run_in_event(socket, context);
}

/* By then nothing else holds the socket's memory. */
static void of_a_flush_of_a_closed_socket(void **state) {
  uv_loop_t *loop = open_empty();
  dgram_socket_t *socket = new_bound_with_defer(loop, &tasks);
  assert_int_equal(dgram_on_close(socket, trace_event, "close"), 0);
  send_text(socket, "1", 9, run_in_sent, "sent1");
  send_text(socket, "2", 9, trace_sent, "sent2");
  close_socket(socket);
  run_to_end(loop);
  assert_trace("");
  dgram_flush(socket);
  assert_trace("sent1 sent2 close");
  close_loop(loop);
}

/* ---- in a program's look-up, which may be asked inside a call ---- */

static dgram_lookup_t *kept;

static void keep_question(dgram_lookup_t *lookup, const char *host, dgram_type_t type,
                          void *context) {
  kept = lookup;
}

static void of_the_error_of_an_answer(void **state) {
  for (int with_fd = 0; with_fd < 2; with_fd++) {
    uv_loop_t *loop = open_empty();
    dgram_options_t options = task_list_options(&tasks);
    options.lookup = keep_question;
    dgram_socket_t *socket = new_with(loop, &options);
    assert_int_equal(dgram_on_error(socket, close_in_error, "error"), 0);
    assert_int_equal(dgram_on_close(socket, trace_event, "close"), 0);
    assert_int_equal(dgram_bind(socket, 0, NULL, NULL, NULL), 0);
    if (with_fd)
      assert_int_equal(dgram_lookup_done_fd(kept, -1), DGRAM_ERR_INVALID_FD_TYPE);
    else
      dgram_lookup_done(kept, UV_EAI_FAIL, NULL);
    assert_trace("error close /error");
    close_loop(loop);
  }
}

static dgram_socket_t *asking;

static void close_in_question(dgram_lookup_t *lookup, const char *host, dgram_type_t type,
                              void *context) {
  close_and_run(asking, host);
  dgram_lookup_done(lookup, 0, "127.0.0.1");
}

static void new_asking(uv_loop_t *loop) {
  dgram_options_t options = task_list_options(&tasks);
  options.lookup = close_in_question;
  asking = new_with(loop, &options);
  trace_events(asking);
}

static void of_the_question_of_a_bind(void **state) {
  uv_loop_t *loop = open_empty();
  new_asking(loop);
  assert_int_equal(dgram_bind(asking, 0, "name", NULL, NULL), 0);
  assert_trace("name close /name"); /* the socket's memory is gone */
  close_loop(loop);
}

static void of_the_question_of_a_send(void **state) {
  for (int with_callback = 0; with_callback < 2; with_callback++) {
    uv_loop_t *loop = open_empty();
    new_asking(loop);
    assert_int_equal(dgram_bind_sync(asking, 0, NULL), 0);
    task_list_run_all(&tasks);
    assert_trace("listening");
    dgram_send_cb callback = with_callback ? trace_sent : NULL;
    assert_int_equal(dgram_send(asking, "x", 1, 9, "name", callback, "sent"), 0);
    assert_trace(with_callback ? "name close sent(ECANCELED) /name" : "name close /name");
    close_loop(loop);
  }
}

static void of_the_question_of_a_connect(void **state) {
  uv_loop_t *loop = open_empty();
  new_asking(loop);
  assert_int_equal(dgram_bind_sync(asking, 0, NULL), 0);
  task_list_run_all(&tasks);
  assert_trace("listening");
  assert_int_equal(dgram_connect(asking, 9, "name", trace_connect, "callback"), 0);
  assert_trace("name close callback(ECANCELED) /name");
  close_loop(loop);
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
static void the_callbacks_of_sends_do_not_nest(void **state) {
  uv_loop_t *loop = open_empty();
  dgram_socket_t *socket = new_bound_with_defer(loop, &tasks);
  send_text(socket, "1", 9, send_flush_and_run, NULL);
  send_text(socket, "2", 9, trace_sent, "sent2");
  send_text(socket, "3", 9, trace_sent, "sent3");
  settle(loop);
  task_list_run_all(&tasks);
  assert_trace("sent1 /sent1 sent2 sent3 sent4");
  close_socket(socket);
  task_list_run_all(&tasks);
  close_loop(loop);
}

static void bind_and_run(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  trace("error(%s)", error->name);
  assert_int_equal(dgram_bind(socket, 0, "127.0.0.1", trace_event, "bound"), 0);
  task_list_run_all(&tasks);
}

static void a_bind_of_the_error_of_one(void **state) {
  uv_loop_t *loop = open_empty();
  dgram_socket_t *socket = new_with_defer(loop, &tasks);
  assert_int_equal(dgram_on_error(socket, bind_and_run, NULL), 0);
  assert_int_equal(dgram_bind(socket, 0, "203.0.113.9", trace_event, "never"), 0);
  task_list_run_all(&tasks);
  assert_trace("error(EADDRNOTAVAIL) bound");
  assert_true(port_of(socket) > 0);
  close_socket(socket);
  task_list_run_all(&tasks);
  close_loop(loop);
}

static void connect_and_run(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  trace("first(%s)", error->name);
  assert_int_equal(dgram_connect(socket, 9, NULL, trace_connect, "second"), 0);
  task_list_run_all(&tasks);
}

static void a_connect_of_the_failure_of_one(void **state) {
  uv_loop_t *loop = open_empty();
  dgram_socket_t *socket = new_bound_with_defer(loop, &tasks);
  assert_int_equal(dgram_connect(socket, 9, "255.255.255.255", connect_and_run, NULL), 0);
  task_list_run_all(&tasks);
  assert_trace("first(EACCES) second");
  close_socket(socket);
  task_list_run_all(&tasks);
  close_loop(loop);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(of_a_send_the_other_callbacks_come_before_close),
      cmocka_unit_test(of_a_message_no_other_follows),
      cmocka_unit_test(of_a_batch_no_message_follows),
      cmocka_unit_test(of_listening),
      cmocka_unit_test(of_listening_inside_the_call),
      cmocka_unit_test(of_listening_with_sends_that_wait),
      cmocka_unit_test(of_the_error_of_a_bind),
      cmocka_unit_test(of_the_failure_of_a_connect),
      cmocka_unit_test(of_close_itself_is_nothing_left),
      cmocka_unit_test(of_a_flush_of_a_closed_socket),
      cmocka_unit_test(of_the_error_of_an_answer),
      cmocka_unit_test(of_the_question_of_a_bind),
      cmocka_unit_test(of_the_question_of_a_send),
      cmocka_unit_test(of_the_question_of_a_connect),
      cmocka_unit_test(the_callbacks_of_sends_do_not_nest),
      cmocka_unit_test(a_bind_of_the_error_of_one),
      cmocka_unit_test(a_connect_of_the_failure_of_one),
  };
  return cmocka_run_group_tests_name("defer_inside", tests, NULL, NULL);
}

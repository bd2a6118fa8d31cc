/* dgram_flush() inside each kind of callback. */
#include "lib/fixture.h"
#include "lib/lookup_stub.h"

static int sink; /* a system socket that takes what is sent */

static void send_and_flush(dgram_socket_t *socket, const char *where) {
  trace("%s", where);
  send_text(socket, "x", raw_port(sink), trace_sent, "sent");
  dgram_flush(socket);
  trace("/%s", where);
}

static void in_event(dgram_socket_t *socket, void *context) {
  send_and_flush(socket, context);
}

static void in_error(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  send_and_flush(socket, context);
}

static void in_sent(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                    void *context) {
  send_and_flush(socket, context);
}

static void in_message(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                       void *context) {
  send_and_flush(socket, context);
}

static void of_listening(void **state) {
  uv_loop_t *loop = open_loop();
  sink = raw_socket();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_bind(socket, 0, NULL, in_event, "listening"), 0);
  run_until_trace(loop, "listening sent /listening");
  close(sink);
  close_socket(socket);
  close_loop(loop);
}

/* They were sent before, so they leave before. */
static void of_listening_with_sends_that_wait(void **state) {
  uv_loop_t *loop = open_loop();
  sink = raw_socket();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_bind(socket, 0, NULL, in_event, "listening"), 0);
  send_text(socket, "1", raw_port(sink), trace_sent, "first");
  run_until_trace(loop, "listening first sent /listening");
  assert_string_equal(arrived(sink), "1 x");
  close(sink);
  close_socket(socket);
  close_loop(loop);
}

static void of_each_message_of_a_batch(void **state) {
  uv_loop_t *loop = open_loop();
  int port;
  sink = raw_socket();
  dgram_socket_t *socket = new_bound(loop, in_message, "message", &port);
  for (int i = 0; i < 3; i++)
    raw_send(sink, "x", 1, port);
  run_until_trace(loop, "message sent /message message sent /message message sent /message");
  assert_string_equal(arrived(sink), "x x x");
  close(sink);
  close_socket(socket);
  close_loop(loop);
}

static void of_an_error(void **state) {
  uv_loop_t *loop = open_loop();
  int port;
  static char overlong[65508];
  sink = raw_socket();
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_on_error(socket, in_error, "error"), 0);
  assert_int_equal(dgram_send(socket, overlong, sizeof overlong, 9, NULL, NULL, NULL), 0);
  run_until_trace(loop, "error /error sent"); /* it is the end of a send, too */
  close(sink);
  close_socket(socket);
  close_loop(loop);
}

/* Those that are due come first, and none inside another. */
static void of_a_send_what_it_ends_is_told_after_it(void **state) {
  static const int first_flushes[] = {0, 1};
  for (int i = 0; i < 2; i++) {
    uv_loop_t *loop = open_loop();
    int port;
    sink = raw_socket();
    dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
    send_text(socket, "1", raw_port(sink), in_sent, "first");
    send_text(socket, "2", raw_port(sink), trace_sent, "second");
    send_text(socket, "3", raw_port(sink), trace_sent, "third");
    if (first_flushes[i]) {
      dgram_flush(socket);
      assert_trace("first /first second third");
      assert_string_equal(arrived(sink), "1 2 3 x");
      run_until_trace(loop, "sent");
    } else {
      run_until_trace(loop, "first /first second third sent");
      assert_string_equal(arrived(sink), "1 2 3 x");
    }
    close(sink);
    close_socket(socket);
    close_loop(loop);
  }
}

/* ---- without an end ---- */

enum { MANY = 20000 };

static int depth;
static int deepest;
static int told;

static void send_the_next(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                          void *context) {
  assert_null(error);
  if (++depth > deepest)
    deepest = depth;
  if (++told < MANY / (int)test_scale()) {
    send_text(socket, "x", 9, send_the_next, NULL);
    dgram_flush(socket);
  }
  depth--;
}

static void callbacks_that_send_and_flush_do_not_nest(void **state) {
  uv_loop_t *loop = open_loop();
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  deepest = 0;
  told = 0;
  send_text(socket, "x", 9, send_the_next, NULL);
  dgram_flush(socket);
  run_until(loop, &told, MANY / (int)test_scale());
  assert_int_equal(deepest, 1);
  close_socket(socket);
  close_loop(loop);
}

/* ---- and a close ---- */

static void close_in_sent(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                          void *context) {
  trace("first");
  close_socket(socket);
  dgram_flush(socket);
}

static void a_socket_closed_inside_one_tells_the_rest(void **state) {
  uv_loop_t *loop = open_loop();
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  trace_events(socket);
  send_text(socket, "1", 9, close_in_sent, NULL);
  send_text(socket, "2", 9, trace_sent, "second");
  dgram_flush(socket);
  assert_trace("first second");
  close_loop(loop);
  assert_trace("close");
}

static void flush_in_event(dgram_socket_t *socket, void *context) {
  trace("%s", (const char *)context);
  dgram_flush(socket);
}

static void flush_in_sent(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                          void *context) {
  trace("%s", (const char *)context);
  dgram_flush(socket);
}

static void of_close_and_after_it_nothing_happens(void **state) {
  uv_loop_t *loop = open_loop();
  struct lookup_stub stub = {0};
  dgram_socket_t *socket = new_bound_with_lookup(loop, &stub);
  assert_int_equal(dgram_on_close(socket, flush_in_event, "close"), 0);
  assert_int_equal(dgram_send(socket, "1", 1, 9, "a", flush_in_sent, "cancelled1"), 0);
  assert_int_equal(dgram_send(socket, "2", 1, 9, "b", flush_in_sent, "cancelled2"), 0);
  close_socket(socket);
  trace_clear();
  run_to_end(loop);
  assert_trace("close cancelled1 cancelled2");
  lookup_stub_answer(&stub, 0, UV_EAI_FAIL, NULL);
  lookup_stub_answer(&stub, 1, UV_EAI_FAIL, NULL);
  close_loop(loop);
}

/* ---- in a program's look-up, which is asked inside dgram_send() ---- */

static dgram_socket_t *asking;

static void answer_and_flush(dgram_lookup_t *lookup, const char *host, dgram_type_t type,
                             void *context) {
  dgram_lookup_done(lookup, 0, "127.0.0.1");
  dgram_flush(asking);
  trace("%s", host); /* borrowed until this returns */
}

static void of_the_question_where_a_send_goes(void **state) {
  uv_loop_t *loop = open_loop();
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.lookup = answer_and_flush;
  asking = new_with(loop, &options);
  sink = raw_socket();
  assert_int_equal(dgram_bind_sync(asking, 0, NULL), 0);
  settle(loop);
  assert_int_equal(dgram_send(asking, "x", 1, raw_port(sink), "name", trace_sent, "sent"), 0);
  assert_trace("sent name");
  assert_string_equal(arrived(sink), "x");
  close(sink);
  close_socket(asking);
  close_loop(loop);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(of_listening),
      cmocka_unit_test(of_listening_with_sends_that_wait),
      cmocka_unit_test(of_each_message_of_a_batch),
      cmocka_unit_test(of_an_error),
      cmocka_unit_test(of_a_send_what_it_ends_is_told_after_it),
      cmocka_unit_test(callbacks_that_send_and_flush_do_not_nest),
      cmocka_unit_test(a_socket_closed_inside_one_tells_the_rest),
      cmocka_unit_test(of_close_and_after_it_nothing_happens),
      cmocka_unit_test(of_the_question_where_a_send_goes),
  };
  return cmocka_run_group_tests_name("flush_inside", tests, NULL, NULL);
}

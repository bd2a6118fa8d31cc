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

TEST("of listening") {
  sink = raw_socket();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_bind(socket, 0, NULL, in_event, "listening"), 0);
  run_until_trace(loop, "listening sent /listening");
  close(sink);
}

/* They were sent before, so they leave before. */
TEST("of listening with sends that wait") {
  sink = raw_socket();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_bind(socket, 0, NULL, in_event, "listening"), 0);
  send_text(socket, "1", raw_port(sink), trace_sent, "first");
  run_until_trace(loop, "listening first sent /listening");
  assert_string_equal(arrived(sink), "1 x");
  close(sink);
}

TEST("of each message of a batch") {
  int port;
  sink = raw_socket();
  new_bound(loop, in_message, "message", &port);
  for (int i = 0; i < 3; i++)
    raw_send(sink, "x", 1, port);
  run_until_trace(loop, "message sent /message message sent /message message sent /message");
  assert_string_equal(arrived(sink), "x x x");
  close(sink);
}

TEST("of an error") {
  int port;
  static char overlong[65508];
  sink = raw_socket();
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_on_error(socket, in_error, "error"), 0);
  assert_int_equal(dgram_send(socket, overlong, sizeof overlong, 9, NULL, NULL, NULL), 0);
  run_until_trace(loop, "error /error sent"); /* it is the end of a send, too */
  close(sink);
}

/* Those that are due come first, and none inside another. */
TEST("of a send what it ends is told after it") {
  static const int first_flushes[] = {0, 1};
  for (int i = 0; i < 2; i++) {
    begin_round(loop);
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

TEST("callbacks that send and flush do not nest") {
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  deepest = 0;
  told = 0;
  send_text(socket, "x", 9, send_the_next, NULL);
  dgram_flush(socket);
  run_until(loop, &told, MANY / (int)test_scale());
  assert_int_equal(deepest, 1);
}

/* ---- and a close ---- */

static void close_in_sent(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                          void *context) {
  trace("first");
  close_socket(socket);
  dgram_flush(socket);
}

TEST("a socket closed inside one tells the rest") {
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  trace_events(socket);
  send_text(socket, "1", 9, close_in_sent, NULL);
  send_text(socket, "2", 9, trace_sent, "second");
  dgram_flush(socket);
  assert_trace("first second");
  run_to_end(loop);
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

TEST("of close and after it nothing happens") {
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
}

/* ---- in a program's look-up, which is asked inside dgram_send() ---- */

static dgram_socket_t *asking;

static void answer_and_flush(dgram_lookup_t *lookup, const char *host, dgram_type_t type,
                             void *context) {
  dgram_lookup_done(lookup, 0, "127.0.0.1");
  dgram_flush(asking);
  trace("%s", host); /* borrowed until this returns */
}

TEST("of the question where a send goes") {
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
  run_to_end(loop);
}

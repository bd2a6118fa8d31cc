/*
 * dgram_flush(): what was sent leaves now, and the callbacks of what has ended run in the call;
 * also inside each kind of callback.
 */
#include "lib/fixture.h"
#include "lib/lookup_stub.h"

TEST("flush() sends what waits and calls its callbacks") {
  int port;
  int fd = raw_socket();
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  send_text(socket, "1", raw_port(fd), trace_sent, "sent1");
  send_text(socket, "2", raw_port(fd), NULL, NULL);
  send_text(socket, "3", raw_port(fd), trace_sent, "sent3");
  assert_string_equal(arrived(fd), "");
  assert_trace("");
  dgram_flush(socket);
  assert_string_equal(arrived(fd), "1 2 3");
  assert_trace("sent1 sent3");
  assert_int_equal(dgram_get_send_queue_count(socket), 0);
  dgram_flush(socket);
  settle(loop);
  assert_trace("");
  assert_string_equal(arrived(fd), "");
  close(fd);
}

TEST("flush() of a connected socket sends what waits") {
  int port;
  int fd = raw_socket();
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  connect_now(socket, raw_port(fd));
  assert_int_equal(dgram_send(socket, "x", 1, 0, NULL, trace_sent, "sent"), 0);
  dgram_flush(socket);
  assert_string_equal(arrived(fd), "x");
  assert_trace("sent");
  close(fd);
}

TEST("flush() reports what fails inside the call") {
  static char overlong[65508];
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  trace_events(socket);
  assert_int_equal(dgram_send(socket, overlong, sizeof overlong, 9, NULL, trace_sent, "callback"),
                   0);
  assert_int_equal(dgram_send(socket, overlong, sizeof overlong, 9, NULL, NULL, NULL), 0);
  dgram_flush(socket);
  assert_trace("callback(EMSGSIZE) error(EMSGSIZE)");
}

TEST("flush() of one socket leaves the others") {
  int port;
  dgram_socket_t *first = new_bound(loop, NULL, NULL, &port);
  dgram_socket_t *second = new_bound(loop, NULL, NULL, &port);
  send_text(first, "x", 9, trace_sent, "first");
  send_text(second, "x", 9, trace_sent, "second");
  dgram_flush(second);
  assert_trace("second");
  dgram_flush(first);
  assert_trace("first");
}

/* ---- what waits ---- */

TEST("flush() leaves what waits for the bind") {
  int fd = raw_socket();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  trace_events(socket);
  dgram_flush(socket); /* unbound, with nothing sent */
  send_text(socket, "x", raw_port(fd), trace_sent, "sent");
  dgram_flush(socket);
  assert_trace("");
  assert_int_equal(dgram_get_send_queue_count(socket), 1);
  run_until_trace(loop, "listening sent");
  assert_string_equal(arrived(fd), "x");
  close(fd);
}

/* The program calls for it, and the socket has its port. */
TEST("flush() sends what waits for listening alone") {
  int fd = raw_socket();
  dgram_socket_t *bound = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  dgram_socket_t *connected = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  trace_events(bound);
  trace_events(connected);
  assert_int_equal(dgram_bind_sync(bound, 0, NULL), 0);
  send_text(bound, "1", raw_port(fd), trace_sent, "sent1");
  dgram_flush(bound);
  assert_int_equal(dgram_connect_sync(connected, raw_port(fd), NULL), 0);
  assert_int_equal(dgram_send(connected, "2", 1, 0, NULL, trace_sent, "sent2"), 0);
  dgram_flush(connected);
  assert_string_equal(arrived(fd), "1 2");
  assert_trace("sent1 sent2");
  settle(loop);
  assert_trace("listening listening connect");
  close(fd);
}

TEST("flush() leaves what waits for a look-up") {
  struct lookup_stub stub = {0};
  int fd = raw_socket();
  dgram_socket_t *socket = new_bound_with_lookup(loop, &stub);
  assert_int_equal(dgram_send(socket, "x", 1, raw_port(fd), "name", trace_sent, "sent"), 0);
  dgram_flush(socket);
  assert_trace("ask(name)");
  lookup_stub_answer(&stub, 0, 0, "127.0.0.1");
  assert_trace("");
  dgram_flush(socket);
  assert_trace("sent");
  assert_string_equal(arrived(fd), "x");
  close(fd);
}

TEST("flush() lets a close that waits go on") {
  int fd = raw_socket();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  trace_events(socket);
  assert_int_equal(dgram_bind_sync(socket, 0, NULL), 0);
  send_text(socket, "x", raw_port(fd), trace_sent, "sent");
  close_socket(socket); /* after 'listening' */
  dgram_flush(socket);
  assert_trace("sent");
  run_to_end(loop);
  assert_trace("listening close");
  assert_string_equal(arrived(fd), "x");
  close(fd);
}

/* ---- a closed socket, and none ---- */

TEST("flush() of a closed socket calls the callbacks of what left") {
  struct lookup_stub stub = {0};
  dgram_socket_t *socket = new_bound_with_lookup(loop, &stub);
  trace_events(socket);
  assert_int_equal(dgram_send(socket, "1", 1, 9, "late", trace_sent, "late"), 0);
  assert_int_equal(dgram_send(socket, "2", 1, 9, "found", trace_sent, "found"), 0);
  lookup_stub_answer(&stub, 1, 0, "127.0.0.1");
  close_socket(socket);
  trace_clear();
  dgram_flush(socket);
  assert_trace("found");
  dgram_flush(socket);
  assert_trace("");
  run_to_end(loop);
  assert_trace("close late(ECANCELED)");
  lookup_stub_answer(&stub, 0, 0, "127.0.0.1");
}

TEST("flush() of a closed socket that was never bound does nothing") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  trace_events(socket);
  close_socket(socket);
  dgram_flush(socket);
  assert_trace("");
  run_to_end(loop);
  assert_trace("close");
}

TEST("flush() of no socket does nothing") {
  dgram_flush(NULL);
}

/* ---- inside a callback ---- */

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

TEST("flush() in listening sends what waits") {
  sink = raw_socket();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_bind(socket, 0, NULL, in_event, "listening"), 0);
  run_until_trace(loop, "listening sent /listening");
  close(sink);
}

/* They were sent before, so they leave before. */
TEST("flush() in listening sends what waits for the bind") {
  sink = raw_socket();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_bind(socket, 0, NULL, in_event, "listening"), 0);
  send_text(socket, "1", raw_port(sink), trace_sent, "first");
  run_until_trace(loop, "listening first sent /listening");
  assert_string_equal(arrived(sink), "1 x");
  close(sink);
}

TEST("flush() in each message of a batch sends its reply") {
  int port;
  sink = raw_socket();
  new_bound(loop, in_message, "message", &port);
  for (int i = 0; i < 3; i++)
    raw_send(sink, "x", 1, port);
  run_until_trace(loop, "message sent /message message sent /message message sent /message");
  assert_string_equal(arrived(sink), "x x x");
  close(sink);
}

TEST("flush() in an error sends what waits") {
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
TEST("flush() in the callback of a send reports what it ends after it") {
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
static int reported;

static void send_the_next(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                          void *context) {
  assert_null(error);
  if (++depth > deepest)
    deepest = depth;
  if (++reported < MANY / (int)test_scale()) {
    send_text(socket, "x", 9, send_the_next, NULL);
    dgram_flush(socket);
  }
  depth--;
}

TEST("callbacks that send and flush() do not nest") {
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  deepest = 0;
  reported = 0;
  send_text(socket, "x", 9, send_the_next, NULL);
  dgram_flush(socket);
  run_until(loop, &reported, MANY / (int)test_scale());
  assert_int_equal(deepest, 1);
}

/* ---- and a close ---- */

static void close_in_sent(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                          void *context) {
  trace("first");
  close_socket(socket);
  dgram_flush(socket);
}

TEST("a socket closed inside flush() reports the rest") {
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

TEST("flush() in close and after it does nothing") {
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

/* ---- in a program's look-up, which runs inside dgram_send() ---- */

static dgram_socket_t *asking;

static void answer_and_flush(dgram_lookup_t *lookup, const char *host, dgram_type_t type,
                             void *context) {
  dgram_lookup_done(lookup, 0, "127.0.0.1");
  dgram_flush(asking);
  trace("%s", host); /* borrowed until this returns */
}

TEST("flush() in the look-up of a send leaves that send") {
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

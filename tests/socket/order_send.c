/*
 * The order of events around sends and connects, as traces. The numbers are those of the observed
 * behaviour of node:dgram.
 */
#include "lib/fixture.h"

/* B38: never inside the call, whatever the state. */
TEST("a callback never runs inside the call") {
  static char overlong[65508];
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  send_text(socket, "1", port, trace_sent, "sent");
  assert_int_equal(
      dgram_send(socket, overlong, sizeof overlong, port, NULL, trace_sent, "overlong"), 0);
  trace("returned");
  run_until_trace(loop, "returned sent overlong(EMSGSIZE)");
}

static void send_to_itself(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                           void *context) {
  trace("first");
  send_text(socket, "x", port_of(socket), trace_sent, "second");
}

/* B57: the callback before the message that the send provokes. */
TEST("a callback comes before the message") {
  int port;
  dgram_socket_t *socket = new_bound(loop, trace_message, "got", &port);
  send_text(socket, "x", port, trace_sent, "sent");
  run_until_trace(loop, "sent got(x)");
}

TEST("also of a send in the callback of another") {
  int port;
  dgram_socket_t *socket = new_bound(loop, trace_message, "got", &port);
  send_text(socket, "1", 9, send_to_itself, NULL);
  run_until_trace(loop, "first second got(x)");
}

static void send_in_listening(dgram_socket_t *socket, void *context) {
  trace("listening");
  send_text(socket, "x", port_of(socket), trace_sent, "sent");
}

TEST("also of a send in listening") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, trace_message, "got");
  assert_int_equal(dgram_bind(socket, 0, NULL, send_in_listening, NULL), 0);
  run_until_trace(loop, "listening sent got(x)");
}

static void send_in_connect(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  trace("connect");
  assert_int_equal(dgram_send(socket, "x", 1, 0, NULL, trace_sent, "sent"), 0);
}

/* It is its own peer. */
TEST("also of a send in connect") {
  int port;
  dgram_socket_t *socket = new_bound(loop, trace_message, "got", &port);
  assert_int_equal(dgram_connect(socket, port, NULL, send_in_connect, NULL), 0);
  run_until_trace(loop, "connect sent got(x)");
}

static void send_in_message(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                            void *context) {
  trace("got(%.*s)", (int)rinfo->size, message);
  if (*message == '1')
    send_text(socket, "2", port_of(socket), trace_sent, "sent2");
}

TEST("also of a send in message") {
  int port;
  dgram_socket_t *socket = new_bound(loop, send_in_message, NULL, &port);
  send_text(socket, "1", port, trace_sent, "sent1");
  run_until_trace(loop, "sent1 got(1) sent2 got(2)");
}

/* B37, B39: errors have their place among the sends that left. */
TEST("callbacks come in the order of the sends") {
  static char overlong[65508];
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_on_error(socket, trace_error, "error"), 0);
  send_text(socket, "1", 9, trace_sent, "1");
  assert_int_equal(dgram_send(socket, overlong, sizeof overlong, 9, NULL, trace_sent, "2"), 0);
  assert_int_equal(dgram_send(socket, overlong, sizeof overlong, 9, NULL, NULL, NULL), 0);
  send_text(socket, "4", 9, trace_sent, "4");
  run_until_trace(loop, "1 2(EMSGSIZE) error(EMSGSIZE) 4");
}

/* B39 */
TEST("an error names the address as given") {
  static char overlong[65508];
  static const char *const addresses[] = {"127.0.0.1", NULL, "localhost"};
  static const char *const messages[] = {"send EMSGSIZE 127.0.0.1:1234",
                                         "send EMSGSIZE 127.0.0.1:1234",
                                         "send EMSGSIZE localhost:1234"};
  for (int i = 0; i < 3; i++) {
    begin_round(loop);
    int port;
    struct kept_error kept = {0};
    dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
    assert_int_equal(
        dgram_send(socket, overlong, sizeof overlong, 1234, addresses[i], keep_send_error, &kept),
        0);
    run_until(loop, &kept.calls, 1);
    assert_string_equal(kept.message, messages[i]);
  }
}

/* B37: also of a name that libuv refuses inside the call. */
TEST("a failed look up is told from the loop") {
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  trace_events(socket);
  assert_int_equal(dgram_send(socket, "1", 1, 9, "\xff\xfe", trace_sent, "sent"), 0);
  assert_int_equal(dgram_send(socket, "2", 1, 9, "\xff\xfe", NULL, NULL), 0);
  trace("returned");
  run_until_trace(loop, "returned sent(EINVAL) error(EINVAL)");
}

/* B28, B30: 'connect' from the loop; the state before and after. */
TEST("a connect is told after the sends before it have left") {
  int fd = raw_socket();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  trace_events(socket);
  send_text(socket, "1", raw_port(fd), NULL, NULL);
  assert_int_equal(dgram_connect(socket, raw_port(fd), NULL, send_in_connect, NULL), 0);
  trace("returned");
  run_until_trace(loop, "returned listening connect connect sent");
  assert_string_equal(arrived(fd), "1 x");
  close(fd);
}

/* B30: the state is disconnected when the failure is told, from the loop. */
static void connect_again(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  trace("%s", error->message);
  assert_int_equal(dgram_connect(socket, 9, NULL, trace_connect, "second"), 0);
  trace("again");
}

TEST("a failed connect is told from the loop") {
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  trace_events(socket);
  assert_int_equal(dgram_connect(socket, 1234, "::1", connect_again, NULL), 0);
  trace("returned");
  run_until_trace(loop, "returned connect EINVAL ::1:1234 again connect second");
}

/* B31: at once, and silently. */
TEST("a disconnect is done inside the call") {
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  connect_now(socket, 9);
  trace_events(socket);
  assert_int_equal(dgram_disconnect(socket), 0);
  trace("returned");
  assert_int_equal(dgram_connect(socket, 9, NULL, NULL, NULL), 0);
  run_until_trace(loop, "returned connect");
}

/*
 * The order of events around a bind, as traces: what happens inside the call, and what in which
 * order later. The numbers are those of the observed behaviour of node:dgram.
 */
#include "lib/fixture.h"
#include "lib/lookup_stub.h"

/* Other work of the loop: it notes when it has its turn. */
static void trace_check(uv_check_t *check) {
  trace("check");
  uv_close((uv_handle_t *)check, NULL);
}

/* B20: after the call, and before what the loop finds when it polls. */
TEST("listening comes before the loop polls") {
  static const char *const addresses[] = {NULL, "127.0.0.1"};
  for (int i = 0; i < 2; i++) {
    uv_check_t check;
    uv_check_init(loop, &check);
    uv_check_start(&check, trace_check);
    dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
    trace_events(socket);
    assert_int_equal(dgram_bind(socket, 0, addresses[i], trace_event, "callback"), 0);
    trace("returned");
    run_until_trace(loop, "returned listening callback check");
    close_sockets(loop);
    trace_clear();
  }
}

/* B21: the state is unbound when the error is told, so a bind in it is a new one. */
static void bind_again(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  dgram_address_t address;
  trace("%s", error->message);
  assert_int_equal(dgram_address(socket, &address), UV_EBADF);
  assert_int_equal(dgram_bind(socket, 0, "127.0.0.1", trace_event, "second"), 0);
  trace("again");
}

TEST("the state is unbound before error") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_on_error(socket, bind_again, NULL), 0);
  assert_int_equal(dgram_bind(socket, 0, "::1", trace_event, "first"), 0);
  trace("returned");
  run_until_trace(loop, "returned bind EINVAL ::1 again second");
}

/* B21: with a port it is named, without it is left out. */
TEST("the error names address and port") {
  struct kept_error kept = {0};
  int fd = raw_socket();
  char expected[64];
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_on_error(socket, keep_error, &kept), 0);
  assert_int_equal(dgram_bind(socket, raw_port(fd), "localhost", NULL, NULL), 0);
  run_until(loop, &kept.calls, 1);
  snprintf(expected, sizeof expected, "bind EADDRINUSE 127.0.0.1:%d", raw_port(fd));
  assert_string_equal(kept.message, expected);
  assert_int_equal(dgram_bind(socket, 0, "203.0.113.9", NULL, NULL), 0);
  run_until(loop, &kept.calls, 2);
  assert_string_equal(kept.message, "bind EADDRNOTAVAIL 203.0.113.9");
  close(fd);
}

static void use_all(dgram_socket_t *socket, void *context) {
  dgram_address_t address;
  trace("listening");
  assert_int_equal(dgram_address(socket, &address), 0);
  assert_int_equal(dgram_set_ttl(socket, 2), 0);
  assert_true(dgram_get_recv_buffer_size(socket) > 0);
  assert_int_equal(dgram_bind(socket, 0, NULL, NULL, NULL), DGRAM_ERR_SOCKET_ALREADY_BOUND);
  send_text(socket, "mine", address.port, NULL, NULL);
}

/* B23: it receives already; the state is bound. */
TEST("in listening the socket is ready") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, trace_message, "got");
  assert_int_equal(dgram_bind(socket, 0, "127.0.0.1", use_all, NULL), 0);
  run_until_trace(loop, "listening got(mine)");
}

static void allow_broadcast(dgram_socket_t *socket, void *context) {
  trace("listening");
  assert_int_equal(dgram_set_broadcast(socket, 1), 0);
}

/* B63: a listener that is added after the send still runs before it leaves. */
TEST("sends leave after every listener of listening") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_send(socket, "x", 1, 9, "127.255.255.255", trace_sent, "sent"), 0);
  assert_int_equal(dgram_on_listening(socket, allow_broadcast, NULL), 0);
  assert_int_equal(dgram_on_listening(socket, trace_event, "last"), 0);
  run_until_trace(loop, "listening last sent");
}

static void send_second(dgram_socket_t *socket, void *context) {
  trace("listening");
  send_text(socket, "2", *(int *)context, trace_sent, "sent2");
}

/* B36: what waited leaves in order, before what is sent in 'listening'. */
TEST("what waited leaves first") {
  int fd = raw_socket();
  int port = raw_port(fd);
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_on_listening(socket, send_second, &port), 0);
  send_text(socket, "0", port, trace_sent, "sent0");
  send_text(socket, "1", port, trace_sent, "sent1");
  run_until_trace(loop, "listening sent0 sent1 sent2");
  assert_string_equal(arrived(fd), "0 1 2");
  close(fd);
}

/* B36, but that the library forgets no callback: the error first, then what it ended. */
TEST("a failed bind is told then what waited for it") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  trace_events(socket);
  assert_int_equal(dgram_bind(socket, 0, "::1", trace_event, "never"), 0);
  send_text(socket, "1", 9, trace_sent, "sent1");
  assert_int_equal(dgram_connect(socket, 9, NULL, trace_connect, "callback"), 0);
  send_text(socket, "2", 9, trace_sent, "sent2");
  send_text(socket, "3", 9, NULL, NULL);
  settle(loop);
  assert_trace("error(EINVAL) sent1(EINVAL) sent2(EINVAL) callback(EINVAL)");
}

/* B36: each send after a failed implicit bind starts a new one. */
TEST("a send after a failed implicit bind binds anew") {
  struct lookup_stub stub = {0};
  dgram_socket_t *socket = new_with_lookup(loop, DGRAM_UDP4, &stub);
  trace_events(socket);
  for (int i = 0; i < 2; i++) {
    assert_int_equal(dgram_send(socket, "x", 1, 9, NULL, trace_sent, "sent"), 0);
    lookup_stub_answer(&stub, i, UV_EAI_FAIL, NULL);
    settle(loop);
    assert_trace("ask(0.0.0.0) error(EAI_FAIL) sent(EAI_FAIL)");
  }
  stub.at_once = "127.0.0.1";
  assert_int_equal(dgram_send(socket, "x", 1, 9, NULL, trace_sent, "sent"), 0);
  settle(loop);
  assert_trace("ask(0.0.0.0) listening ask(127.0.0.1) sent");
}

TEST("two sockets are bound in the order of the calls") {
  dgram_socket_t *first = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  dgram_socket_t *second = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_bind(second, 0, NULL, trace_event, "second"), 0);
  assert_int_equal(dgram_bind(first, 0, NULL, trace_event, "first"), 0);
  run_until_trace(loop, "second first");
}

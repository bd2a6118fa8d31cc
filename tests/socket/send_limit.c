/* The limit of the send queue: refusals at its edge, and 'drain'. */
#include "lib/fixture.h"
#include "lib/lookup_stub.h"
#include "lib/task_list.h"

static int send_x(dgram_socket_t *socket, size_t size) {
  static const char bytes[1000] = {'x'};
  return dgram_send(socket, bytes, size, 9, "127.0.0.1", trace_sent, "sent");
}

/* Limits the socket, and traces its 'drain'. */
static void set_limit(dgram_socket_t *socket, size_t bytes, size_t count, size_t low_bytes,
                      size_t low_count) {
  assert_int_equal(dgram_on_drain(socket, trace_event, "drain"), 0);
  assert_int_equal(dgram_set_send_queue_limit(socket, bytes, count, low_bytes, low_count), 0);
}

/* A bound socket with this limit. */
static dgram_socket_t *new_limited(uv_loop_t *loop, size_t bytes, size_t count, size_t low_bytes,
                                   size_t low_count) {
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  set_limit(socket, bytes, count, low_bytes, low_count);
  return socket;
}

TEST("a send beyond the number of datagrams is refused") {
  dgram_socket_t *socket = new_limited(loop, 0, 3, 0, 0);
  for (int i = 0; i < 3; i++)
    assert_int_equal(send_x(socket, 10), 0);
  for (int i = 0; i < 2; i++)
    assert_int_equal(send_x(socket, 10), UV_ENOBUFS);
  assert_int_equal(dgram_get_send_queue_count(socket), 3);
  assert_int_equal(dgram_get_send_queue_size(socket), 30);
  settle(loop);
  assert_trace("sent sent sent drain");
}

TEST("a send beyond the bytes is refused") {
  dgram_socket_t *socket = new_limited(loop, 100, 0, 0, 0);
  assert_int_equal(send_x(socket, 60), 0);
  assert_int_equal(send_x(socket, 41), UV_ENOBUFS);
  assert_int_equal(send_x(socket, 40), 0);
  assert_int_equal(send_x(socket, 0), 0);
  assert_int_equal(send_x(socket, 1), UV_ENOBUFS);
  assert_int_equal(dgram_get_send_queue_size(socket), 100);
  settle(loop);
  assert_trace("sent sent sent drain");
}

TEST("each way to send is refused") {
  struct sockaddr_in to = loopback_address(9);
  uv_buf_t buffer = uv_buf_init("x", 1);
  dgram_socket_t *socket = new_limited(loop, 0, 1, 0, 0);
  assert_int_equal(dgram_send_to(socket, &buffer, 1, (struct sockaddr *)&to, trace_sent, "sent"),
                   0);
  assert_int_equal(dgram_send_to(socket, &buffer, 1, (struct sockaddr *)&to, trace_sent, "no"),
                   UV_ENOBUFS);
  assert_int_equal(dgram_send_to(socket, &buffer, 1, (struct sockaddr *)&to, NULL, NULL),
                   UV_ENOBUFS);
  assert_int_equal(dgram_send_buffers(socket, &buffer, 1, 9, NULL, trace_sent, "no"), UV_ENOBUFS);
  assert_int_equal(dgram_send(socket, "x", 1, 9, "some.name", trace_sent, "no"), UV_ENOBUFS);
  settle(loop);
  assert_trace("sent drain");
}

/* Else it could never be sent. */
TEST("an empty queue accepts a datagram that is larger than the limit") {
  dgram_socket_t *socket = new_limited(loop, 100, 0, 0, 0);
  assert_int_equal(send_x(socket, 500), 0);
  assert_int_equal(send_x(socket, 1), UV_ENOBUFS);
  settle(loop);
  assert_trace("sent drain");
  assert_int_equal(send_x(socket, 10), 0);
  assert_int_equal(send_x(socket, 500), UV_ENOBUFS);
  settle(loop);
  assert_trace("sent drain");
}

TEST("without a refusal there is no drain") {
  dgram_socket_t *socket = new_limited(loop, 0, 3, 0, 0);
  for (int i = 0; i < 3; i++)
    assert_int_equal(send_x(socket, 10), 0);
  settle(loop);
  assert_trace("sent sent sent");
}

TEST("a bad send is no refusal") {
  dgram_socket_t *socket = new_limited(loop, 0, 1, 0, 0);
  assert_int_equal(send_x(socket, 1), 0);
  assert_int_equal(dgram_send(socket, "x", 1, 0, NULL, trace_sent, "no"),
                   DGRAM_ERR_SOCKET_BAD_PORT);
  assert_int_equal(dgram_send(socket, NULL, 1, 9, NULL, trace_sent, "no"), UV_EINVAL);
  settle(loop);
  assert_trace("sent");
}

/* ---- the low mark ---- */

/* A callback: how many are left then. */
static void trace_left(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                       void *context) {
  trace("%d", (int)dgram_get_send_queue_count(socket));
}

/* As new_limited(), and what it sends to a name waits for the stub. */
static dgram_socket_t *new_limited_with_lookup(uv_loop_t *loop, struct lookup_stub *stub,
                                               size_t bytes, size_t count, size_t low_bytes,
                                               size_t low_count) {
  dgram_socket_t *socket = new_bound_with_lookup(loop, stub);
  set_limit(socket, bytes, count, low_bytes, low_count);
  return socket;
}

static int send_to_name(dgram_socket_t *socket, const char *text) {
  return dgram_send(socket, text, strlen(text), 9, "name", trace_left, NULL);
}

/* Fills the queue with four datagrams to a name; an iteration each answers a look-up. */
static void send_four(uv_loop_t *loop, dgram_socket_t *socket, struct lookup_stub *stub) {
  for (int i = 0; i < 4; i++)
    assert_int_equal(send_to_name(socket, "x"), 0);
  assert_int_equal(send_to_name(socket, "x"), UV_ENOBUFS);
  trace_clear();
  for (int i = 0; i < 4; i++) {
    lookup_stub_answer(stub, i, 0, "127.0.0.1");
    settle(loop);
  }
}

/* What was sent in one iteration completes in one: 'drain' comes behind these callbacks. */
TEST("drain comes when the queue is at the low mark") {
  struct lookup_stub stub = {0};
  send_four(loop, new_limited_with_lookup(loop, &stub, 0, 4, 0, 1), &stub);
  assert_trace("3 2 1 drain 0");
}

TEST("the low mark is half of the limit by default") {
  struct lookup_stub stub = {0};
  send_four(loop, new_limited_with_lookup(loop, &stub, 4, 0, 0, 0), &stub);
  assert_trace("3 2 drain 1 0");
}

/* Else the program would be told to send what is refused again, without end. */
TEST("drain waits until there is room for what was refused") {
  struct lookup_stub stub = {0};
  dgram_socket_t *socket = new_limited_with_lookup(loop, &stub, 4, 0, 4, 0);
  assert_int_equal(send_to_name(socket, "x"), 0);
  assert_int_equal(send_to_name(socket, "x"), 0);
  assert_int_equal(send_to_name(socket, "xxxx"), UV_ENOBUFS);
  settle(loop);
  trace_clear();
  lookup_stub_answer(&stub, 0, 0, "127.0.0.1");
  settle(loop);
  assert_trace("1");
  lookup_stub_answer(&stub, 1, 0, "127.0.0.1");
  settle(loop);
  assert_trace("0 drain");
}

/* ---- what counts ---- */

TEST("sends that wait for the bind count") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  set_limit(socket, 0, 2, 0, 0);
  assert_int_equal(send_x(socket, 1), 0);
  assert_int_equal(send_x(socket, 1), 0);
  assert_int_equal(send_x(socket, 1), UV_ENOBUFS);
  settle(loop);
  assert_trace("sent sent drain");
}

TEST("sends without a callback count") {
  dgram_socket_t *socket = new_limited(loop, 0, 2, 0, 0);
  for (int i = 0; i < 2; i++)
    assert_int_equal(dgram_send(socket, "x", 1, 9, "127.0.0.1", NULL, NULL), 0);
  assert_int_equal(dgram_send(socket, "x", 1, 9, "127.0.0.1", NULL, NULL), UV_ENOBUFS);
  settle(loop);
  assert_trace("drain");
}

TEST("sends that have left count until their callback runs") {
  dgram_socket_t *socket = new_limited(loop, 0, 1, 0, 0);
  struct sockaddr_in to = loopback_address(9);
  uv_buf_t buffer = uv_buf_init("x", 1);
  for (int i = 0; i < 3; i++) {
    assert_int_equal(dgram_send_to(socket, &buffer, 1, (struct sockaddr *)&to, trace_sent, "sent"),
                     0);
    dgram_flush(socket); /* runs the callback */
    assert_trace("sent");
  }
}

TEST("drain does not come inside of dgram_flush()") {
  dgram_socket_t *socket = new_limited(loop, 0, 1, 0, 0);
  assert_int_equal(send_x(socket, 1), 0);
  assert_int_equal(send_x(socket, 1), UV_ENOBUFS);
  dgram_flush(socket);
  assert_trace("sent");
  settle(loop);
  assert_trace("drain");
}

/* They end with the bind's 'error', and have no callback of their own. */
TEST("drain comes after a failed bind that sends without callbacks waited for") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_on_error(socket, trace_error, "error"), 0);
  set_limit(socket, 0, 2, 0, 0);
  assert_int_equal(dgram_bind(socket, 0, "203.0.113.1", NULL, NULL), 0);
  for (int i = 0; i < 2; i++)
    assert_int_equal(dgram_send(socket, "x", 1, 9, "127.0.0.1", NULL, NULL), 0);
  assert_int_equal(dgram_send(socket, "x", 1, 9, "127.0.0.1", NULL, NULL), UV_ENOBUFS);
  settle(loop);
  assert_trace("error(EADDRNOTAVAIL) drain");
}

/* ---- the limit changes ---- */

TEST("a limit that is lifted accepts all, and drain comes") {
  dgram_socket_t *socket = new_limited(loop, 0, 1, 0, 0);
  assert_int_equal(send_x(socket, 1), 0);
  assert_int_equal(send_x(socket, 1), UV_ENOBUFS);
  assert_int_equal(dgram_set_send_queue_limit(socket, 0, 0, 0, 0), 0);
  assert_int_equal(send_x(socket, 1), 0);
  assert_int_equal(send_x(socket, 1), 0);
  settle(loop);
  assert_trace("sent sent sent drain");
}

TEST("a limit below what is queued refuses until there is room") {
  dgram_socket_t *socket = new_limited(loop, 0, 0, 0, 0);
  for (int i = 0; i < 3; i++)
    assert_int_equal(send_x(socket, 1), 0);
  assert_int_equal(dgram_set_send_queue_limit(socket, 2, 1, 0, 0), 0);
  assert_int_equal(send_x(socket, 1), UV_ENOBUFS);
  settle(loop);
  assert_trace("sent sent sent drain");
}

/* ---- in drain ---- */

static void send_until_refused(dgram_socket_t *socket, void *context) {
  int *left = context;
  trace("drain");
  while (*left > 0 && send_x(socket, 1) == 0)
    --*left;
}

TEST("a listener of drain sends until it is refused again") {
  int left = 5;
  dgram_socket_t *socket = new_limited(loop, 0, 2, 0, 0);
  assert_int_equal(dgram_off_drain(socket, trace_event, "drain"), 0);
  assert_int_equal(dgram_on_drain(socket, send_until_refused, &left), 0);
  send_until_refused(socket, &left);
  trace_clear();
  settle(loop);
  assert_trace("sent sent drain sent sent drain sent");
}

TEST("drain has on, once and off") {
  dgram_socket_t *socket = new_limited(loop, 0, 1, 0, 0);
  assert_int_equal(dgram_once_drain(socket, trace_event, "once"), 0);
  assert_int_equal(dgram_on_drain(socket, trace_event, "off"), 0);
  assert_int_equal(dgram_off_drain(socket, trace_event, "off"), 0);
  assert_int_equal(dgram_off_drain(socket, trace_event, "off"), UV_ENOENT);
  for (int i = 0; i < 2; i++) {
    assert_int_equal(send_x(socket, 1), 0);
    assert_int_equal(send_x(socket, 1), UV_ENOBUFS);
    settle(loop);
  }
  assert_trace("sent drain once sent drain");
  close_socket(socket);
  assert_int_equal(dgram_on_drain(socket, trace_event, "x"), DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
  assert_int_equal(dgram_set_send_queue_limit(socket, 1, 1, 1, 1),
                   DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
  run_to_end(loop);
}

static void close_in_drain(dgram_socket_t *socket, void *context) {
  trace("closing");
  close_socket(socket);
}

TEST("a listener of drain closes") {
  dgram_socket_t *socket = new_limited(loop, 0, 1, 0, 0);
  assert_int_equal(dgram_on_drain(socket, close_in_drain, NULL), 0);
  assert_int_equal(send_x(socket, 1), 0);
  assert_int_equal(send_x(socket, 1), UV_ENOBUFS);
  settle(loop);
  assert_trace("sent drain closing");
}

TEST("a close that comes before drain ends it") {
  dgram_socket_t *socket = new_limited(loop, 0, 1, 0, 0);
  assert_int_equal(send_x(socket, 1), 0);
  assert_int_equal(send_x(socket, 1), UV_ENOBUFS);
  dgram_flush(socket);
  close_socket(socket);
  run_to_end(loop);
  assert_trace("sent");
}

/* ---- of a program that defers ---- */

static int send_counting(dgram_socket_t *socket) {
  return dgram_send(socket, "x", 1, 9, "127.0.0.1", trace_left, NULL);
}

TEST("drain comes in a task of the program's") {
  struct task_list list = {0};
  dgram_socket_t *socket = new_bound_with_defer(loop, &list);
  set_limit(socket, 0, 1, 0, 0);
  assert_int_equal(send_counting(socket), 0);
  assert_int_equal(send_counting(socket), UV_ENOBUFS);
  settle(loop);
  assert_trace("");
  task_list_run_all(&list);
  assert_trace("0 drain");
  close_socket(socket);
  task_list_run_all(&list);
  run_to_end(loop);
}

/* A send may be made inside every kind of callback. */
#include "lib/fixture.h"

static int target_port;

static void send_note(dgram_socket_t *socket, const char *text) {
  send_text(socket, text, target_port, trace_sent, (void *)text);
}

static void on_listening(dgram_socket_t *socket, void *context) {
  send_note(socket, "in_listening");
}

static void on_message(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                       void *context) {
  send_note(socket, "in_message");
}

static void on_error(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  send_note(socket, "in_error");
}

static void on_sent(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                    void *context) {
  send_note(socket, "in_callback");
}

static void on_close(dgram_socket_t *socket, void *context) {
  send_note(context, "in_close_of_another");
}

/* The socket that gets it all. */
static dgram_socket_t *new_target(uv_loop_t *loop) {
  return new_bound(loop, trace_message, "got", &target_port);
}

/* Waits for the message and the callback of one send; either may be first. */
static void await(uv_loop_t *loop, const char *name) {
  char got[64];
  char got_first[160];
  char sent_first[160];
  snprintf(got, sizeof got, "got(%s)", name);
  snprintf(got_first, sizeof got_first, "%s %s", got, name);
  snprintf(sent_first, sizeof sent_first, "%s %s", name, got);
  while (strcmp(trace_text, got_first) != 0 && strcmp(trace_text, sent_first) != 0)
    assert_int_not_equal(uv_run(loop, UV_RUN_ONCE), 0);
  trace_clear();
}

TEST("a send in listening leaves") {
  new_target(loop);
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_bind(socket, 0, NULL, on_listening, NULL), 0);
  await(loop, "in_listening");
}

TEST("a send in a message leaves") {
  int port;
  dgram_socket_t *target = new_target(loop);
  new_bound(loop, on_message, NULL, &port);
  send_text(target, "go", port, NULL, NULL);
  await(loop, "in_message");
}

TEST("a send in the error of a bind leaves") {
  new_target(loop);
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_on_error(socket, on_error, NULL), 0);
  assert_int_equal(dgram_bind(socket, 0, "::1", NULL, NULL), 0);
  await(loop, "in_error");
}

TEST("a send in the error of a send leaves") {
  static char overlong[65508];
  int port;
  new_target(loop);
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_on_error(socket, on_error, NULL), 0);
  assert_int_equal(dgram_send(socket, overlong, sizeof overlong, port, NULL, NULL, NULL), 0);
  await(loop, "in_error");
}

TEST("a send in the callback of a send leaves") {
  int port;
  new_target(loop);
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  new_bound(loop, NULL, NULL, &port);
  send_text(socket, "go", port, on_sent, NULL);
  await(loop, "in_callback");
}

TEST("a send in close of another socket leaves") {
  new_target(loop);
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  dgram_socket_t *other = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_close(other, on_close, socket), 0);
  await(loop, "in_close_of_another");
}

static dgram_socket_t *handle_socket; /* sends in the callbacks of the loop's own handles */

static void ignore_handle(uv_handle_t *handle) {
}

static void send_in(void *handle, const char *text) {
  send_note(handle_socket, text);
  uv_close(handle, ignore_handle);
}

static void on_timer(uv_timer_t *timer) {
  send_in(timer, "in_timer");
}

static void on_idle(uv_idle_t *idle) {
  send_in(idle, "in_idle");
}

static void on_prepare(uv_prepare_t *prepare) {
  send_in(prepare, "in_prepare");
}

static void on_check(uv_check_t *check) {
  send_in(check, "in_check");
}

/* Nothing else happens, so a loop that waited before the send left would wait for ever. */
TEST("a send in a callback of the loop's other handles leaves") {
  int port;
  uv_timer_t timer;
  uv_idle_t idle;
  uv_prepare_t prepare;
  uv_check_t check;
  new_target(loop);
  handle_socket = new_bound(loop, NULL, NULL, &port);
  uv_timer_init(loop, &timer);
  uv_timer_start(&timer, on_timer, 0, 0);
  await(loop, "in_timer");
  uv_idle_init(loop, &idle);
  uv_idle_start(&idle, on_idle);
  await(loop, "in_idle");
  uv_prepare_init(loop, &prepare);
  uv_prepare_start(&prepare, on_prepare);
  await(loop, "in_prepare");
  uv_check_init(loop, &check);
  uv_check_start(&check, on_check);
  uv_run(loop, UV_RUN_NOWAIT);
  await(loop, "in_check");
  close_sockets(loop);
}

static void send_again(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                       void *context) {
  int *left = context;
  assert_null(error);
  if (--*left > 0)
    send_text(socket, "x", target_port, send_again, left);
}

/* A chain of sends is no loop in which nothing else gets its turn. */
TEST("a chain of sends lets messages through") {
  enum { LINKS = 1000 };
  int received = 0;
  int left = LINKS;
  dgram_socket_t *socket = new_bound(loop, count_message, &received, &target_port);
  send_text(socket, "x", target_port, send_again, &left);
  run_until(loop, &received, LINKS / 2);
  assert_in_range(left, 1, LINKS - 1);
  run_until(loop, &received, LINKS);
  while (left > 0)
    assert_int_not_equal(uv_run(loop, UV_RUN_ONCE), 0);
}

/*
 * ENOBUFS: the system is out of buffers, and says nothing when it has some again; so the sends
 * are tried by the clock, and not for ever. https://github.com/libuv/libuv/issues/5195
 * Nor does receiving clear that there is no memory for the receive buffers.
 */
#include "fake/scripted.h"

/* Over what any number of retries should come to. */
enum { ANY_BOUND = 1000 };

static unsigned turns; /* of the loop */

static void count_turn(uv_prepare_t *prepare) {
  turns++;
}

/* Runs the loop until all sends are completed; counts its turns. */
static void run_until_sent(const dgram_socket_t *socket) {
  uv_prepare_t prepare;
  uv_prepare_init(scripted_loop, &prepare);
  uv_prepare_start(&prepare, count_turn);
  turns = 0;
  while (dgram_get_send_queue_count(socket) > 0 && turns < 10 * ANY_BOUND)
    uv_run(scripted_loop, UV_RUN_ONCE);
  uv_close((uv_handle_t *)&prepare, NULL);
  scripted_run();
}

SCRIPTED_TEST("sends that meet ENOBUFS are tried again and leave") {
  dgram_socket_t *socket = scripted_socket();
  FAKE_REPLIES(1, UV_ENOBUFS, UV_ENOBUFS);
  scripted_send_all(socket, 0, 2);
  run_until_sent(socket);
  assert_string_equal(fake_sends(), "0 | ENOBUFS | ENOBUFS | 1 2");
  assert_trace("0 1 2");
}

SCRIPTED_TEST("a send ends with ENOBUFS after a bounded number of tries") {
  dgram_socket_t *socket = scripted_socket();
  fake_reply_always(UV_ENOBUFS);
  scripted_send(socket, 0);
  run_until_sent(socket);
  assert_trace("0:ENOBUFS");
  assert_in_range(fake_send_calls(), 10, ANY_BOUND);
}

SCRIPTED_TEST("a send without a callback that ends with ENOBUFS is an 'error'") {
  dgram_socket_t *socket = scripted_socket();
  fake_reply_always(UV_ENOBUFS);
  scripted_send_silently(socket, 0);
  run_until_sent(socket);
  assert_trace("error(send ENOBUFS 127.0.0.1:1000)");
}

SCRIPTED_TEST("a queue of sends does not multiply the tries") {
  dgram_socket_t *socket = scripted_socket();
  fake_reply_always(UV_ENOBUFS);
  scripted_send_all(socket, 0, 99);
  run_until_sent(socket);
  assert_int_equal(dgram_get_send_queue_count(socket), 0);
  assert_in_range(fake_send_calls(), 10, ANY_BOUND);
}

static void (*meanwhile)(dgram_socket_t *socket);

static void on_prepare(uv_prepare_t *prepare) {
  meanwhile(prepare->data);
  uv_close((uv_handle_t *)prepare, NULL);
}

/* Runs the loop, and in its first turn the function: after the flush, before any timer. */
static void run_with(void (*function)(dgram_socket_t *socket), dgram_socket_t *socket) {
  uv_prepare_t prepare;
  uv_prepare_init(scripted_loop, &prepare);
  prepare.data = socket;
  meanwhile = function;
  uv_prepare_start(&prepare, on_prepare);
  scripted_run();
}

static int timeout_ms; /* for which the loop is about to wait */

static void note_timeout(dgram_socket_t *socket) {
  timeout_ms = uv_backend_timeout(scripted_loop);
}

SCRIPTED_TEST("the loop sleeps between the tries") {
  dgram_socket_t *socket = scripted_socket();
  fake_reply_always(UV_ENOBUFS);
  scripted_send(socket, 0);
  run_with(note_timeout, socket);
  assert_true(timeout_ms > 0);
  run_until_sent(socket);
  assert_in_range(turns, 1, 3 * fake_send_calls() + 10);
}

static unsigned calls_meanwhile;

static void send_many(dgram_socket_t *socket) {
  scripted_send_all(socket, 1, 2999);
  calls_meanwhile = fake_send_calls();
}

SCRIPTED_TEST("sends behind one that met ENOBUFS wait without a system call") {
  dgram_socket_t *socket = scripted_socket();
  fake_reply(UV_ENOBUFS);
  scripted_send(socket, 0);
  run_with(send_many, socket);
  assert_int_equal(calls_meanwhile, 1);
  run_until_sent(socket);
  assert_int_equal(fake_send_calls(), 2);
  assert_trace(scripted_numbers(0, 2999));
}

/* Else one bad moment would leave the socket without patience until a send succeeds. */
SCRIPTED_TEST("a send after one that ended with ENOBUFS is tried again too") {
  dgram_socket_t *socket = scripted_socket();
  fake_reply_always(UV_ENOBUFS);
  scripted_send(socket, 0);
  run_until_sent(socket);
  assert_trace("0:ENOBUFS");
  fake_reply_always(FAKE_ALL);
  fake_reply(UV_ENOBUFS);
  scripted_send(socket, 1);
  run_until_sent(socket);
  assert_trace("1");
}

SCRIPTED_TEST("all sockets that met ENOBUFS are tried again") {
  dgram_socket_t *a = scripted_socket();
  dgram_socket_t *b = scripted_socket();
  FAKE_REPLIES(UV_ENOBUFS, UV_ENOBUFS);
  scripted_send(a, 0);
  scripted_send(b, 1);
  run_until_sent(a);
  run_until_sent(b);
  assert_string_equal(fake_sends(), "ENOBUFS | ENOBUFS | 0 | 1");
  assert_trace("0 1");
}

SCRIPTED_TEST("close() tries once more after ENOBUFS and cancels the rest") {
  dgram_socket_t *socket = scripted_socket();
  FAKE_REPLIES(UV_ENOBUFS, 1, UV_ENOBUFS);
  scripted_send_all(socket, 0, 2);
  run_with(close_socket, socket);
  assert_string_equal(fake_sends(), "ENOBUFS | 0 | ENOBUFS");
  assert_trace("0 close 1:ECANCELED 2:ECANCELED");
}

/* ---- the receive buffers ---- */

static bool none; /* no memory */

/* NOLINTBEGIN(bugprone-reserved-identifier): the linker wants these names */
int __wrap_posix_memalign(void **block, size_t alignment, size_t size);
int __real_posix_memalign(void **block, size_t alignment, size_t size);

int __wrap_posix_memalign(void **block, size_t alignment, size_t size) {
  return none ? ENOMEM : __real_posix_memalign(block, alignment, size);
}
/* NOLINTEND(bugprone-reserved-identifier) */

/* The loop does not spin meanwhile. */
SCRIPTED_TEST("no memory to receive into is one error, and all arrives in the end") {
  static const struct fake_buffer hello = {.data = "hello", .size = 5};
  dgram_socket_t *socket = scripted_socket();
  none = true;
  fake_receive(socket, &hello, 1);
  assert_in_range(turns_in(scripted_loop, 100), 1, 40);
  assert_trace("error(recvmsg ENOMEM)");
  none = false;
  turns_in(scripted_loop, 200);
  assert_trace("(hello)");
}

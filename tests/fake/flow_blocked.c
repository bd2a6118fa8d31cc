/*
 * Sends that the system has no room for are cancelled, end after their time, or count as queued.
 * The time stands still but for the test: the linker puts __wrap_uv_now in place of the true one.
 */
#include "fake/scripted.h"

static int words[8];
static uint64_t now = 1000; /* ms */

/* NOLINTBEGIN(bugprone-reserved-identifier): the linker wants these names */
uint64_t __wrap_uv_now(const uv_loop_t *loop);
uint64_t __wrap_uv_now(const uv_loop_t *loop) {
  return now;
}
/* NOLINTEND(bugprone-reserved-identifier) */

/* Its context says which: "7:ECODE" is its word. */
static void on_numbered(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                        void *context) {
  trace(error != NULL ? "%d:%s" : "%d", *(int *)context, error != NULL ? error->name : "");
}

static void send_numbered(dgram_socket_t *socket, int number) {
  static char digits[8];
  words[number] = number;
  digits[number] = (char)('0' + number);
  assert_int_equal(
      dgram_send(socket, &digits[number], 1, 1000 + number, NULL, on_numbered, &words[number]), 0);
}

static dgram_socket_t *blocked_socket(int error) {
  dgram_socket_t *socket = scripted_socket();
  fake_reply(error);
  for (int i = 0; i < 4; i++)
    send_numbered(socket, i);
  scripted_run();
  assert_trace("");
  return socket;
}

static int cancel(dgram_socket_t *socket, int number) {
  return dgram_cancel_send(socket, on_numbered, &words[number]);
}

/* Time passes, and the loop runs until nothing is queued, or only so many. */
static void run_until_left(const dgram_socket_t *socket, size_t left, unsigned ms) {
  now += ms;
  while (dgram_get_send_queue_count(socket) > left)
    uv_run(scripted_loop, UV_RUN_ONCE);
  scripted_run();
}

/* ---- cancelled ---- */

SCRIPTED_TEST("a cancelled send at the head of a full buffer ends at once") {
  dgram_socket_t *socket = blocked_socket(UV_EAGAIN);
  assert_int_equal(cancel(socket, 0), 0);
  assert_trace("");
  EXPECT("0:ECANCELED");
  assert_int_equal(fake_send_calls(), 1);
  fake_make_writable(socket);
  EXPECT_SENT("EAGAIN | 1 2 3", "1 2 3");
}

SCRIPTED_TEST("a cancelled send behind blocked ones ends in its order") {
  dgram_socket_t *socket = blocked_socket(UV_EAGAIN);
  assert_int_equal(cancel(socket, 2), 0);
  assert_int_equal(cancel(socket, 2), UV_EBUSY);
  EXPECT("");
  fake_make_writable(socket);
  EXPECT_SENT("EAGAIN | 0 1 | 3", "0 1 2:ECANCELED 3");
}

SCRIPTED_TEST("a socket whose blocked sends are all cancelled is blocked no more") {
  dgram_socket_t *socket = blocked_socket(UV_EAGAIN);
  for (int i = 3; i >= 0; i--)
    assert_int_equal(cancel(socket, i), 0);
  EXPECT("0:ECANCELED 1:ECANCELED 2:ECANCELED 3:ECANCELED");
  assert_int_equal(socket->poll_events, UV_READABLE);
  assert_int_equal(socket->tx.blocked, DGRAM__NOT_BLOCKED);
  send_numbered(socket, 5);
  EXPECT_SENT("EAGAIN | 5", "5");
}

SCRIPTED_TEST("a send is cancelled that waits for buffers of the system") {
  dgram_socket_t *socket = blocked_socket(UV_ENOBUFS);
  assert_int_equal(cancel(socket, 0), 0);
  run_until_left(socket, 0, 1);
  assert_string_equal(fake_sends(), "ENOBUFS | 1 2 3");
  assert_trace("0:ECANCELED 1 2 3");
}

/* ---- over their time ---- */

SCRIPTED_TEST("blocked sends end after their time, in order") {
  dgram_socket_t *socket = blocked_socket(UV_EAGAIN);
  fake_reply_always(UV_EAGAIN);
  assert_int_equal(dgram_set_send_timeout(socket, 5), 0);
  run_until_left(socket, 0, 5);
  assert_trace("0:ETIMEDOUT 1:ETIMEDOUT 2:ETIMEDOUT 3:ETIMEDOUT");
  assert_int_equal(socket->poll_events, UV_READABLE);
  fake_reply_always(FAKE_ALL);
  send_numbered(socket, 5);
  EXPECT("5");
}

SCRIPTED_TEST("sends are tried once more before their time is over") {
  dgram_socket_t *socket = blocked_socket(UV_EAGAIN);
  assert_int_equal(dgram_set_send_timeout(socket, 5), 0);
  run_until_left(socket, 0, 5);
  assert_string_equal(fake_sends(), "EAGAIN | 0 1 2 3");
  assert_trace("0 1 2 3");
}

SCRIPTED_TEST("sends behind those that are over their time leave in theirs") {
  dgram_socket_t *socket = blocked_socket(UV_EAGAIN);
  FAKE_REPLIES(1, UV_EAGAIN);
  assert_int_equal(dgram_set_send_timeout(socket, 20), 0);
  run_until_left(socket, 0, 20);
  assert_trace("0 1:ETIMEDOUT 2:ETIMEDOUT 3:ETIMEDOUT");
}

SCRIPTED_TEST("blocked sends that are over their time do not hold a close up") {
  dgram_socket_t *socket = blocked_socket(UV_EAGAIN);
  fake_reply_always(UV_EAGAIN);
  assert_int_equal(dgram_set_send_timeout(socket, 1), 0);
  run_until_left(socket, 3, 1);
  assert_int_equal(dgram_get_send_queue_count(socket), 0);
  send_numbered(socket, 5);
  scripted_run();
  close_socket(socket);
  EXPECT("0:ETIMEDOUT 1:ETIMEDOUT 2:ETIMEDOUT 3:ETIMEDOUT close 5:ECANCELED");
}

/* ---- counted ---- */

SCRIPTED_TEST("blocked sends count, and drain comes when they have left") {
  dgram_socket_t *socket = scripted_socket();
  assert_int_equal(dgram_on_drain(socket, trace_event, "drain"), 0);
  assert_int_equal(dgram_set_send_queue_limit(socket, 0, 3, 0, 1), 0);
  FAKE_REPLIES(1, UV_EAGAIN);
  for (int i = 0; i < 3; i++)
    send_numbered(socket, i);
  assert_int_equal(dgram_send(socket, "x", 1, 1000, NULL, on_numbered, &words[0]), UV_ENOBUFS);
  EXPECT("0");
  send_numbered(socket, 3);
  assert_int_equal(dgram_send(socket, "x", 1, 1000, NULL, on_numbered, &words[0]), UV_ENOBUFS);
  FAKE_REPLIES(1, UV_EAGAIN);
  fake_make_writable(socket);
  EXPECT("1");
  fake_make_writable(socket);
  EXPECT("2 3 drain");
}

SCRIPTED_TEST("a cancelled send makes room") {
  dgram_socket_t *socket = scripted_socket();
  assert_int_equal(dgram_on_drain(socket, trace_event, "drain"), 0);
  assert_int_equal(dgram_set_send_queue_limit(socket, 0, 2, 0, 0), 0);
  fake_reply_always(UV_EAGAIN);
  for (int i = 0; i < 2; i++)
    send_numbered(socket, i);
  assert_int_equal(dgram_send(socket, "x", 1, 1000, NULL, on_numbered, &words[0]), UV_ENOBUFS);
  EXPECT("");
  assert_int_equal(cancel(socket, 0), 0);
  EXPECT("0:ECANCELED drain");
  send_numbered(socket, 2);
  assert_int_equal(dgram_get_send_queue_count(socket), 2);
  fake_reply_always(FAKE_ALL);
  fake_make_writable(socket);
  EXPECT("1 2");
}

/* ---- paused ---- */

static void pause_socket(dgram_socket_t *socket, int number) {
  assert_int_equal(dgram_pause(socket), 0);
}

/* All that one receive call brings is kept, also what the kernel has joined; and no call is made.
 */
SCRIPTED_TEST("a paused socket makes no receive call") {
  static const struct fake_buffer buffers[] = {{.data = "aabbc", .size = 5, .segment = 2},
                                               {.data = "dd", .size = 2}};
  dgram_socket_t *socket = scripted_socket();
  scripted_on_message = pause_socket;
  fake_receive(socket, buffers, 2);
  EXPECT("(aa)");
  unsigned calls = fake_recv_calls();
  fake_receive(socket, buffers, 1);
  for (int i = 0; i < 3; i++) {
    static const char *const next[] = {"(bb)", "(c)", "(dd)"};
    EXPECT("");
    assert_int_equal(fake_recv_calls(), calls);
    assert_int_equal(dgram_resume(socket), 0);
    EXPECT(next[i]);
  }
  scripted_on_message = NULL;
  assert_int_equal(dgram_resume(socket), 0);
  EXPECT("(aa) (bb) (c)");
}

static void take_one(dgram_socket_t *socket, const dgram_message_t *const messages[], size_t count,
                     void *context) {
  trace("%d", (int)count);
  assert_int_equal(dgram_pause_at(socket, 1), 0);
}

SCRIPTED_TEST("a batch is taken in parts in the middle of what the kernel has joined") {
  static const struct fake_buffer buffers[] = {{.data = "aabbc", .size = 5, .segment = 2},
                                               {.data = "dd", .size = 2}};
  dgram_socket_t *socket = scripted_socket();
  assert_int_equal(dgram_on_messages(socket, take_one, NULL), 0);
  fake_receive(socket, buffers, 2);
  EXPECT("4 (aa)");
  assert_int_equal(dgram_resume(socket), 0);
  EXPECT("3 (bb)");
  assert_int_equal(dgram_resume(socket), 0);
  EXPECT("2 (c)");
  assert_int_equal(dgram_resume(socket), 0);
  EXPECT("1 (dd)");
}

SCRIPTED_TEST("a paused socket is blocked and gets room") {
  dgram_socket_t *socket = blocked_socket(UV_EAGAIN);
  assert_int_equal(dgram_pause(socket), 0);
  assert_int_equal(socket->poll_events, UV_WRITABLE | UV_DISCONNECT);
  fake_make_writable(socket);
  EXPECT("0 1 2 3");
  assert_int_equal(socket->poll_events, UV_DISCONNECT);
}

/* What a listener does in the midst of a batch: close, send, remove itself, add another. */
#include "fake/scripted.h"

/* Seven messages, some of them pieces of one buffer. */
static const struct fake_buffer batch[] = {{.data = "a", .size = 1},
                                           {.data = "bbccd", .size = 5, .segment = 2},
                                           {.data = "e", .size = 1},
                                           {.data = "lost", .size = 4, .segment = UV_EMSGSIZE},
                                           {.data = "ffg", .size = 3, .segment = 2}};
#define BATCH batch, sizeof batch / sizeof *batch

static int at; /* the message at which something is done */

static void close_there(dgram_socket_t *socket, int number) {
  if (number == at)
    close_socket(socket);
}

/* https://github.com/oven-sh/bun/issues/33669 */
SCRIPTED_TEST("a socket that a listener closes delivers nothing more of the batch") {
  static const char *const traces[] = {
      "(a) close",
      "(a) (bb) close",
      "(a) (bb) (cc) close",
      "(a) (bb) (cc) (d) close",
      "(a) (bb) (cc) (d) (e) close",
      "(a) (bb) (cc) (d) (e) error(recvmsg EMSGSIZE) (ff) close",
      "(a) (bb) (cc) (d) (e) error(recvmsg EMSGSIZE) (ff) (g) close",
  };
  const int count = sizeof traces / sizeof *traces;
  for (at = 0; at < count; at++) {
    scripted_end();
    scripted_begin(scripted_loop);
    scripted_on_message = close_there;
    fake_receive(scripted_socket(), BATCH);
    EXPECT(traces[at]);
  }
}

SCRIPTED_TEST("a socket that a listener closes receives no further batch") {
  dgram_socket_t *socket = scripted_socket();
  scripted_on_message = close_there;
  at = 0;
  fake_receive(socket, BATCH);
  fake_receive(socket, BATCH);
  EXPECT("(a) close");
  assert_int_equal(fake_recv_calls(), 1);
}

SCRIPTED_TEST("a listener of 'error' may close in the midst of a batch") {
  scripted_on_error = close_socket;
  fake_receive(scripted_socket(), BATCH);
  EXPECT("(a) (bb) (cc) (d) (e) error(recvmsg EMSGSIZE) close");
}

static dgram_socket_t *other;

static void close_the_other(dgram_socket_t *socket, int number) {
  if (other != NULL && other != socket)
    close_socket(other);
  other = NULL;
}

SCRIPTED_TEST("a socket that another one's listener closes receives no more") {
  static const struct fake_buffer x = {.data = "x", .size = 1};
  dgram_socket_t *a = scripted_socket();
  dgram_socket_t *b = scripted_socket();
  scripted_on_message = close_the_other;
  fake_receive(a, &x, 1);
  fake_receive(b, &x, 1);
  other = b; /* the loop hears of the older one first */
  EXPECT("(x) close");
}

/* ---- sends ---- */

static void send_number(dgram_socket_t *socket, int number) {
  scripted_send(socket, number);
}

SCRIPTED_TEST("sends of a batch leave together after it") {
  scripted_on_message = send_number;
  fake_receive(scripted_socket(), BATCH);
  uv_run(scripted_loop, UV_RUN_NOWAIT);
  assert_string_equal(fake_sends(), "0 1 2 3 4 5 6"); /* within the turn, in one call */
  EXPECT("(a) (bb) (cc) (d) (e) error(recvmsg EMSGSIZE) (ff) (g) "
         "0 1 2 3 4 5 6");
}

static void send_and_close_there(dgram_socket_t *socket, int number) {
  scripted_send(socket, number);
  close_there(socket, number);
}

SCRIPTED_TEST("sends made before close leave") {
  scripted_on_message = send_and_close_there;
  at = 2;
  fake_receive(scripted_socket(), BATCH);
  EXPECT_SENT("0 1 2", "(a) (bb) (cc) 0 1 2 close");
}

/* ---- other listeners ---- */

static char calls[64];
static size_t call_count;

static void note(char name) {
  calls[call_count++] = name;
  calls[call_count] = '\0';
}

static void plain(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                  void *context) {
  note('p');
}

static void removes_itself(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                           void *context) {
  note('r');
  assert_int_equal(dgram_off_message(socket, removes_itself, NULL), 0);
}

static void adds_another(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                         void *context) {
  note('a');
  assert_int_equal(dgram_off_message(socket, adds_another, NULL), 0);
  assert_int_equal(dgram_on_message(socket, plain, NULL), 0);
}

static const struct fake_buffer three = {.data = "xyz", .size = 3, .segment = 1};

SCRIPTED_TEST("a listener that removes itself is not called for the next message") {
  dgram_socket_t *socket = scripted_socket();
  call_count = 0;
  assert_int_equal(dgram_on_message(socket, removes_itself, NULL), 0);
  assert_int_equal(dgram_on_message(socket, plain, NULL), 0);
  fake_receive(socket, &three, 1);
  scripted_run();
  assert_string_equal(calls, "rppp");
}

SCRIPTED_TEST("a listener that is added is called from the next message on") {
  dgram_socket_t *socket = scripted_socket();
  call_count = 0;
  assert_int_equal(dgram_on_message(socket, adds_another, NULL), 0);
  fake_receive(socket, &three, 1);
  scripted_run();
  assert_string_equal(calls, "app");
}

SCRIPTED_TEST("a listener added with once is called for one message of a batch") {
  dgram_socket_t *socket = scripted_socket();
  call_count = 0;
  assert_int_equal(dgram_once_message(socket, plain, NULL), 0);
  fake_receive(socket, &three, 1);
  scripted_run();
  assert_string_equal(calls, "p");
}

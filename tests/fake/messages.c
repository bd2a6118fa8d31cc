/* 'messages': a batch at one call, of up to 1,024, before the 'message' of each. */
#include "fake/scripted.h"

#include <stdio.h>
#include <string.h>

/* NOLINTBEGIN(bugprone-reserved-identifier): the linker wants this name */
uint64_t __wrap_uv_hrtime(void);

/* Time hardly goes on: how much is delivered in a turn does not depend on the machine. */
uint64_t __wrap_uv_hrtime(void) {
  static uint64_t time = 1000000000;
  return time += 100;
}
/* NOLINTEND(bugprone-reserved-identifier) */

static const struct fake_buffer batch[] = {{.data = "a", .size = 1},
                                           {.data = "bbccd", .size = 5, .segment = 2},
                                           {.size = 0},
                                           {.data = "lost", .size = 4, .segment = UV_EMSGSIZE},
                                           {.data = "ffg", .size = 3, .segment = 2}};
#define BATCH batch, sizeof batch / sizeof *batch

/* What listeners of 'messages' have seen: "{a bb}" is a call. */
static char seen[512];

static void (*in_batch)(dgram_socket_t *socket); /* what the listener does; NULL: nothing */

static void see(const char *before, int length, const char *text) {
  size_t end = strlen(seen);
  int written = snprintf(seen + end, sizeof seen - end, "%s%.*s", before, length, text);
  assert_true(written >= 0 && (size_t)written < sizeof seen - end);
}

static void on_messages(dgram_socket_t *socket, const dgram_message_t *const messages[],
                        size_t count, void *context) {
  assert_in_range(count, 1, 1024);
  for (size_t i = 0; i < count; i++)
    see(i == 0 ? "{" : " ", (int)messages[i]->rinfo.size, messages[i]->message);
  see("}", 0, "");
  if (in_batch != NULL)
    in_batch(socket);
}

static dgram_socket_t *new_listening(void) {
  dgram_socket_t *socket = scripted_socket();
  seen[0] = '\0';
  in_batch = NULL;
  assert_int_equal(dgram_on_messages(socket, on_messages, NULL), 0);
  return socket;
}

/* ---- what is in it ---- */

SCRIPTED_TEST("a batch is one call of the listener of 'messages', and its messages follow") {
  fake_receive(new_listening(), BATCH);
  scripted_run();
  assert_string_equal(seen, "{a bb cc d  ff g}");
  assert_trace("(a) (bb) (cc) (d) () error(recvmsg EMSGSIZE) (ff) (g)");
}

static void assert_no_trace(dgram_socket_t *socket) {
  assert_trace("");
}

SCRIPTED_TEST("'messages' comes before the first 'message'") {
  dgram_socket_t *socket = new_listening();
  in_batch = assert_no_trace;
  fake_receive(socket, BATCH);
  scripted_run();
  assert_string_equal(seen, "{a bb cc d  ff g}");
}

SCRIPTED_TEST("a wake-up without a datagram emits no 'messages'") {
  static const struct fake_buffer lost = {.data = "x", .size = 1, .segment = UV_EMSGSIZE};
  dgram_socket_t *socket = new_listening();
  fake_receive(socket, NULL, 0);
  fake_receive(socket, NULL, UV_ECONNREFUSED);
  fake_receive(socket, &lost, 1);
  scripted_run();
  assert_string_equal(seen, "");
  assert_trace("error(recvmsg ECONNREFUSED) error(recvmsg EMSGSIZE)");
}

SCRIPTED_TEST("each wake-up is a batch") {
  dgram_socket_t *socket = new_listening();
  for (int i = 0; i < 3; i++)
    fake_receive(socket, batch, 1);
  scripted_run();
  assert_string_equal(seen, "{a}{a}{a}");
}

static void check_senders(dgram_socket_t *socket, const dgram_message_t *const messages[],
                          size_t count, void *context) {
  for (size_t i = 0; i < count; i++) {
    const dgram_rinfo_t *rinfo = &messages[i]->rinfo;
    assert_string_equal(dgram_rinfo_address(rinfo), "192.0.2.1");
    assert_ptr_equal(dgram_rinfo_address(rinfo), dgram_rinfo_address(rinfo));
    assert_string_equal(rinfo->family, "IPv4");
    assert_int_equal(rinfo->port, FAKE_SENDER_PORT);
    assert_int_equal(rinfo->sockaddr->sa_family, AF_INET);
  }
  ++*(int *)context;
}

SCRIPTED_TEST("each message of a batch has its sender") {
  dgram_socket_t *socket = new_listening();
  int calls = 0;
  assert_int_equal(dgram_on_messages(socket, check_senders, &calls), 0);
  fake_receive(socket, BATCH);
  fake_receive(socket, BATCH);
  scripted_run();
  assert_int_equal(calls, 2);
}

/* ---- more than fit in a call ---- */

static size_t counts[8]; /* of each call */
static int calls;
static size_t received;
static int close_at; /* the call in which the listener closes; 0: none */

/* The datagrams are numbered by their bytes. */
static void count_messages(dgram_socket_t *socket, const dgram_message_t *const messages[],
                           size_t count, void *context) {
  assert_in_range(calls, 0, 7);
  counts[calls++] = count;
  for (size_t i = 0; i < count; i++) {
    uint16_t number;
    assert_int_equal(messages[i]->rinfo.size, sizeof number);
    memcpy(&number, messages[i]->message, sizeof number);
    assert_int_equal(number, received++);
    assert_int_equal(messages[i]->rinfo.port, FAKE_SENDER_PORT);
  }
  assert_string_equal(dgram_rinfo_address(&messages[count - 1]->rinfo), "192.0.2.1");
  if (calls == close_at)
    close_socket(socket);
}

static int singles;

enum { MOST = DGRAM__RX_BUFFERS * 64 };

/* So many numbered datagrams, 64 in a buffer. */
static dgram_socket_t *receive_many(int many) {
  static uint16_t numbers[MOST];
  static struct fake_buffer buffers[DGRAM__RX_BUFFERS];
  int used = 0;
  for (int i = 0; i < many; i++)
    numbers[i] = (uint16_t)i;
  for (int i = 0; i < many; i += 64)
    buffers[used++] = (struct fake_buffer){.data = (const char *)&numbers[i],
                                           .size = 2 * (size_t)(many - i < 64 ? many - i : 64),
                                           .segment = 2};
  trace_clear(); /* of the one before */
  dgram_socket_t *socket = scripted_socket();
  calls = 0;
  received = 0;
  singles = 0;
  assert_int_equal(dgram_on_message(socket, count_message, &singles), 0);
  fake_receive(socket, buffers, used);
  return socket;
}

SCRIPTED_TEST("more than 1,024 datagrams are several calls of 'messages'") {
  static const struct {
    int many;
    int calls;
    size_t last;
  } cases[] = {{1023, 1, 1023}, {1024, 1, 1024}, {1025, 2, 1}, {2048, 2, 1024}, {MOST, 4, 1024}};
  close_at = 0;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    assert_int_equal(dgram_on_messages(receive_many(cases[i].many), count_messages, NULL), 0);
    scripted_run();
    assert_int_equal(received, cases[i].many);
    assert_int_equal(singles, cases[i].many);
    assert_int_equal(calls, cases[i].calls);
    assert_int_equal(counts[calls - 1], cases[i].last);
  }
}

SCRIPTED_TEST("a close in the listener of 'messages' is followed by no other call") {
  for (close_at = 1; close_at <= 4; close_at++) {
    assert_int_equal(dgram_on_messages(receive_many(MOST), count_messages, NULL), 0);
    scripted_run();
    assert_int_equal(calls, close_at);
    assert_int_equal(singles, (close_at - 1) * 1024);
  }
}

SCRIPTED_TEST("a listener of 'messages' added with once gets one call") {
  close_at = 0;
  assert_int_equal(dgram_once_messages(receive_many(MOST), count_messages, NULL), 0);
  scripted_run();
  assert_int_equal(calls, 1);
  assert_int_equal(received, 1024);
  assert_int_equal(singles, MOST);
}

/* ---- what the listener does ---- */

static void remove_itself(dgram_socket_t *socket) {
  assert_int_equal(dgram_off_messages(socket, on_messages, NULL), 0);
  assert_int_equal(dgram_off_messages(socket, on_messages, NULL), UV_ENOENT);
}

SCRIPTED_TEST("a listener of 'messages' that removes itself is not called again") {
  dgram_socket_t *socket = new_listening();
  in_batch = remove_itself;
  fake_receive(socket, batch, 1);
  fake_receive(socket, BATCH);
  scripted_run();
  assert_string_equal(seen, "{a}");
  assert_trace("(a) (a) (bb) (cc) (d) () error(recvmsg EMSGSIZE) (ff) (g)");
}

SCRIPTED_TEST("a close in the listener of 'messages' is followed by no 'message'") {
  dgram_socket_t *socket = new_listening();
  in_batch = close_socket;
  fake_receive(socket, BATCH);
  fake_receive(socket, BATCH);
  scripted_run();
  assert_string_equal(seen, "{a bb cc d  ff g}");
  assert_trace("close");
  assert_int_equal(fake_recv_calls(), 1);
}

/* The others of this emission are still called: each looks itself. */
SCRIPTED_TEST("the other listeners of 'messages' are called for the same batch") {
  dgram_socket_t *socket = new_listening();
  assert_int_equal(dgram_on_messages(socket, on_messages, NULL), 0);
  fake_receive(socket, batch, 1);
  scripted_run();
  assert_string_equal(seen, "{a}{a}");
  assert_trace("(a)");
}

static void send_two(dgram_socket_t *socket) {
  scripted_send_all(socket, 0, 1);
}

SCRIPTED_TEST("sends made in the listener of 'messages' leave together after the batch") {
  dgram_socket_t *socket = new_listening();
  in_batch = send_two;
  fake_receive(socket, BATCH);
  uv_run(scripted_loop, UV_RUN_NOWAIT);
  assert_string_equal(fake_sends(), "0 1");
  EXPECT("(a) (bb) (cc) (d) () error(recvmsg EMSGSIZE) (ff) (g) 0 1");
}

static void send_and_flush(dgram_socket_t *socket) {
  scripted_send(socket, 0);
  dgram_flush(socket);
}

SCRIPTED_TEST("sends flushed in the listener of 'messages' leave before the 'message' of each") {
  dgram_socket_t *socket = new_listening();
  in_batch = send_and_flush;
  fake_receive(socket, batch, 1);
  EXPECT("0 (a)");
}

/* It may be added in the callback of a send, that is when the batch has been received. */
static void listen_for_batches(dgram_socket_t *socket, int number) {
  assert_int_equal(dgram_on_messages(socket, on_messages, NULL), 0);
}

SCRIPTED_TEST("a listener of 'messages' added in a send's callback gets the batch of the reply") {
  dgram_socket_t *socket = scripted_socket();
  seen[0] = '\0';
  in_batch = NULL;
  scripted_on_sent = listen_for_batches;
  fake_reply(UV_EAGAIN);
  scripted_send(socket, 0);
  scripted_run();
  fake_receive(socket, batch, 1);
  fake_make_writable(socket); /* so one wake-up reports both */
  scripted_run();
  assert_string_equal(seen, "{a}");
  assert_trace("0 (a)");
}

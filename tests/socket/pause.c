/*
 * A paused socket receives nothing and loses nothing: what the library has comes after the resume,
 * then what the system has, in order.
 */
#include "lib/fixture.h"

/* ---- from outside of listeners ---- */

TEST("what arrives while a socket is paused comes after the resume, in order") {
  int port;
  int fd = raw_socket();
  dgram_socket_t *socket = new_bound(loop, trace_message, "got", &port);
  assert_int_equal(dgram_is_paused(socket), 0);
  assert_int_equal(dgram_pause(socket), 0);
  assert_int_equal(dgram_pause(socket), 0);
  assert_int_equal(dgram_is_paused(socket), 1);
  raw_send(fd, "a", 1, port);
  raw_send(fd, "b", 1, port);
  settle(loop);
  assert_trace("");
  assert_int_equal(dgram_resume(socket), 0);
  assert_int_equal(dgram_is_paused(socket), 0);
  raw_send(fd, "c", 1, port);
  settle(loop);
  assert_trace("got(a) got(b) got(c)");
  close(fd);
}

TEST("a socket that is paused before its bind receives after the resume") {
  int fd = raw_socket();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, trace_message, "got");
  assert_int_equal(dgram_pause(socket), 0);
  int port = bind_now(socket, "127.0.0.1");
  raw_send(fd, "a", 1, port);
  settle(loop);
  assert_trace("");
  assert_int_equal(dgram_resume(socket), 0);
  settle(loop);
  assert_trace("got(a)");
  close(fd);
}

TEST("a paused socket sends") {
  int port;
  int fd = raw_socket();
  dgram_socket_t *socket = new_bound(loop, trace_message, "got", &port);
  assert_int_equal(dgram_pause(socket), 0);
  send_text(socket, "x", raw_port(fd), trace_sent, "sent");
  run_until_trace(loop, "sent");
  assert_string_equal(arrived(fd), "x");
  close(fd);
}

/* Nothing wakes it: neither what has arrived, nor what arrives. */
TEST("a paused socket keeps the loop alive, and at rest") {
  int port;
  int fd = raw_socket();
  dgram_socket_t *socket = new_bound(loop, trace_message, "got", &port);
  raw_send(fd, "a", 1, port);
  assert_int_equal(dgram_pause(socket), 0);
  assert_in_range(turns_in(loop, 50), 0, 10);
  raw_send(fd, "b", 1, port);
  assert_in_range(turns_in(loop, 50), 0, 10);
  assert_int_not_equal(uv_loop_alive(loop), 0);
  assert_trace("");
  dgram_unref(socket);
  run_to_end(loop);
  dgram_ref(socket);
  assert_int_not_equal(uv_loop_alive(loop), 0);
  assert_int_equal(dgram_resume(socket), 0);
  run_until_trace(loop, "got(a) got(b)");
  close(fd);
}

TEST("a paused socket reports the ICMP error of its peer") {
  int port;
  dgram_socket_t *socket = new_bound(loop, trace_message, "got", &port);
  assert_int_equal(dgram_on_error(socket, trace_error, "error"), 0);
  connect_now(socket, raw_closed_port());
  assert_int_equal(dgram_pause(socket), 0);
  for (int i = 0; i < 3; i++) {
    assert_int_equal(dgram_send(socket, "x", 1, 0, NULL, NULL, NULL), 0);
    settle(loop);
    assert_trace("error(ECONNREFUSED)");
    assert_in_range(turns_in(loop, 20), 0, 10);
  }
}

#ifdef __linux__
TEST("an error queue does not keep a paused socket busy") {
  int on = 1;
  int port;
  int peer = raw_socket();
  dgram_socket_t *socket = new_bound(loop, trace_message, "got", &port);
  assert_int_equal(dgram_on_error(socket, trace_error, "error"), 0);
  assert_int_equal(setsockopt(dgram_fileno(socket), IPPROTO_IP, IP_RECVERR, &on, sizeof on), 0);
  assert_int_equal(dgram_pause(socket), 0);
  raw_send(peer, "kept", 4, port);
  send_text(socket, "x", raw_closed_port(), NULL, NULL);
  settle(loop);
  assert_trace("error(ECONNREFUSED)");
  assert_in_range(turns_in(loop, 50), 0, 40);
  assert_int_equal(dgram_resume(socket), 0);
  settle(loop);
  assert_trace("got(kept)");
  close(peer);
}

/* POLLRDHUP stays: it is polled for in growing intervals. */
TEST("a paused socket that was shut down waits between attempts") {
  int port;
  int peer = raw_socket();
  dgram_socket_t *socket = new_bound(loop, trace_message, "got", &port);
  int copy = dup(dgram_fileno(socket));
  connect_now(socket, raw_port(peer)); /* shutdown(2) wants that */
  assert_int_equal(dgram_pause(socket), 0);
  assert_int_equal(shutdown(copy, SHUT_RDWR), 0);
  assert_in_range(turns_in(loop, 100), 0, 40);
  close(copy);
  close(peer);
}
#endif

TEST("a paused socket closes, and keeps nothing") {
  int port;
  int fd = raw_socket();
  dgram_socket_t *socket = new_bound(loop, trace_message, "got", &port);
  assert_int_equal(dgram_on_close(socket, trace_event, "close"), 0);
  assert_int_equal(dgram_pause(socket), 0);
  raw_send(fd, "a", 1, port);
  settle(loop);
  close_socket(socket);
  assert_int_equal(dgram_is_paused(socket), 0);
  assert_int_equal(dgram_resume(socket), DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
  assert_int_equal(dgram_pause(socket), DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
  assert_int_equal(dgram_pause_at(socket, 0), DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
  run_to_end(loop);
  assert_trace("close");
  close(fd);
}

TEST("two sockets, one of which is paused") {
  int port;
  int other_port;
  dgram_socket_t *socket = new_bound(loop, trace_message, "got", &port);
  dgram_socket_t *other = new_bound(loop, NULL, NULL, &other_port);
  assert_int_equal(dgram_pause(socket), 0);
  send_text(other, "a", port, trace_sent, "sent");
  run_until_trace(loop, "sent");
  assert_int_equal(dgram_resume(socket), 0);
  settle(loop);
  assert_trace("got(a)");
}

/* ---- in listeners ---- */

enum { DATAGRAMS = 300 };

/* What a socket gets, one number after the other, and after how many it pauses. */
struct steps {
  int received;
  int since_resume;
  int pause_after;
};

static void pause_after_some(dgram_socket_t *socket, const char *message,
                             const dgram_rinfo_t *rinfo, void *context) {
  struct steps *steps = context;
  int number;
  assert_int_equal(rinfo->size, sizeof number);
  memcpy(&number, message, sizeof number);
  assert_int_equal(number, steps->received);
  assert_int_equal(dgram_is_paused(socket), 0);
  steps->received++;
  if (++steps->since_resume == steps->pause_after)
    assert_int_equal(dgram_pause(socket), 0);
}

/* All in one burst: they come joined, where the kernel does that. */
static void send_numbers(uv_loop_t *loop, int port) {
  int sender_port;
  int sent = 0;
  static int numbers[DATAGRAMS];
  dgram_socket_t *sender = new_bound(loop, NULL, NULL, &sender_port);
  for (int i = 0; i < DATAGRAMS; i++) {
    numbers[i] = i;
    assert_int_equal(dgram_send(sender, &numbers[i], sizeof(int), port, NULL, count_sent, &sent),
                     0);
  }
  run_until(loop, &sent, DATAGRAMS);
}

static void receive_in_steps(uv_loop_t *loop, dgram_socket_t *socket, struct steps *steps) {
  while (steps->received < DATAGRAMS) {
    int most = steps->received + steps->pause_after;
    steps->since_resume = 0;
    assert_int_equal(dgram_resume(socket), 0);
    settle(loop);
    assert_int_equal(steps->received, most < DATAGRAMS ? most : DATAGRAMS);
  }
}

TEST("a pause in a listener takes effect before the next message") {
  static const int steps_of[] = {1, 2, 7, 64, 65, 100};
  for (size_t i = 0; i < sizeof steps_of / sizeof *steps_of; i++) {
    int port;
    struct steps steps = {.pause_after = steps_of[i]};
    begin_round(loop);
    dgram_socket_t *socket = new_roomy(loop, pause_after_some, &steps, &port);
    assert_int_equal(dgram_pause(socket), 0);
    send_numbers(loop, port);
    receive_in_steps(loop, socket, &steps);
  }
}

static void resume_at_once(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                           void *context) {
  assert_int_equal(dgram_pause(socket), 0);
  assert_int_equal(dgram_resume(socket), 0);
}

TEST("a pause that ends in the same listener changes nothing") {
  int port;
  int received = 0;
  dgram_socket_t *socket = new_roomy(loop, resume_at_once, NULL, &port);
  assert_int_equal(dgram_on_message(socket, count_message, &received), 0);
  send_numbers(loop, port);
  run_until(loop, &received, DATAGRAMS);
}

static void pause_once(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                       void *context) {
  assert_int_equal(dgram_pause(socket), 0);
}

TEST("all listeners get the message in which one pauses") {
  int port;
  int fd = raw_socket();
  dgram_socket_t *socket = new_bound(loop, pause_once, NULL, &port);
  assert_int_equal(dgram_on_message(socket, trace_message, "got"), 0);
  raw_send(fd, "a", 1, port);
  raw_send(fd, "b", 1, port);
  settle(loop);
  assert_trace("got(a)");
  assert_int_equal(dgram_resume(socket), 0);
  settle(loop);
  assert_trace("got(b)");
  close(fd);
}

static void pause_and_close(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                            void *context) {
  trace("got");
  assert_int_equal(dgram_pause(socket), 0);
  close_socket(socket);
}

TEST("a listener pauses and closes") {
  int port;
  dgram_socket_t *socket = new_roomy(loop, pause_and_close, NULL, &port);
  send_numbers(loop, port);
  settle(loop);
  assert_trace("got");
  (void)socket;
}

TEST("a socket closes with a part of what it has received") {
  int port;
  struct steps steps = {.pause_after = 3};
  dgram_socket_t *socket = new_roomy(loop, pause_after_some, &steps, &port);
  send_numbers(loop, port);
  settle(loop);
  assert_int_equal(steps.received, 3);
  close_socket(socket);
  close_sockets(loop);
  assert_int_equal(steps.received, 3);
}

TEST("what a paused socket has kept is its peer's after a connect") {
  int port;
  int stranger = raw_socket();
  int peer = raw_socket();
  dgram_socket_t *socket = new_bound(loop, pause_once, NULL, &port);
  assert_int_equal(dgram_on_message(socket, trace_message, "got"), 0);
  raw_send(stranger, "a", 1, port);
  raw_send(stranger, "b", 1, port);
  raw_send(peer, "c", 1, port);
  settle(loop);
  assert_trace("got(a)");
  connect_now(socket, raw_port(peer));
  assert_int_equal(dgram_resume(socket), 0);
  settle(loop);
  assert_trace("got(c)");
  close(stranger);
  close(peer);
}

/* ---- in batches ---- */

static void take_some(dgram_socket_t *socket, const dgram_message_t *const messages[], size_t count,
                      void *context) {
  struct steps *steps = context;
  size_t most = (size_t)steps->pause_after;
  size_t taken = count < most ? count : most;
  for (size_t i = 0; i < taken; i++) {
    int number;
    assert_int_equal(messages[i]->rinfo.size, sizeof number);
    memcpy(&number, messages[i]->message, sizeof number);
    assert_int_equal(number, steps->received);
    steps->received++;
  }
  assert_int_equal(dgram_pause_at(socket, count + 1), UV_EINVAL);
  assert_int_equal(dgram_is_paused(socket), 0);
  assert_int_equal(dgram_pause_at(socket, taken), 0);
  assert_int_equal(dgram_pause_at(socket, count), 0); /* the least counts */
}

TEST("a batch is taken in parts") {
  static const int parts[] = {1, 2, 5, 63, 64, 65, 200, 1000};
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    int port;
    int single = 0;
    struct steps steps = {.pause_after = parts[i]};
    begin_round(loop);
    dgram_socket_t *socket = new_roomy(loop, count_message, &single, &port);
    assert_int_equal(dgram_on_messages(socket, take_some, &steps), 0);
    send_numbers(loop, port);
    while (steps.received < DATAGRAMS) {
      int before = steps.received;
      assert_int_equal(dgram_resume(socket), 0);
      settle(loop);
      assert_in_range(steps.received, before + 1, before + parts[i]);
      assert_int_equal(single, steps.received);
    }
  }
}

static void take_none(dgram_socket_t *socket, const dgram_message_t *const messages[], size_t count,
                      void *context) {
  assert_int_equal(dgram_pause_at(socket, 0), 0);
}

TEST("a batch of which nothing is taken comes again") {
  int port;
  int fd = raw_socket();
  dgram_socket_t *socket = new_bound(loop, trace_message, "one", &port);
  assert_int_equal(dgram_on_messages(socket, trace_messages, "all"), 0);
  assert_int_equal(dgram_once_messages(socket, take_none, NULL), 0);
  raw_send(fd, "a", 1, port);
  raw_send(fd, "", 0, port);
  raw_send(fd, "b", 1, port);
  settle(loop);
  assert_trace("all[a  b]");
  assert_int_equal(dgram_resume(socket), 0);
  settle(loop);
  assert_trace("all[a  b] one(a) one() one(b)");
  close(fd);
}

static void take_none_and_resume(dgram_socket_t *socket, const dgram_message_t *const messages[],
                                 size_t count, void *context) {
  int *calls = context;
  ++*calls;
  assert_int_equal(dgram_pause_at(socket, 0), 0);
  assert_int_equal(dgram_resume(socket), 0);
}

/* In an iteration each: other sockets and timers have their turn. */
TEST("a batch of which nothing is taken comes again in the next iteration") {
  int port;
  int calls = 0;
  int fd = raw_socket();
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_on_messages(socket, take_none_and_resume, &calls), 0);
  raw_send(fd, "a", 1, port);
  for (int i = 1; i <= 3; i++) {
    run_until(loop, &calls, i);
    assert_int_equal(calls, i);
  }
  assert_int_equal(dgram_on_messages(socket, trace_messages, "all"), 0);
  assert_int_equal(dgram_off_messages(socket, take_none_and_resume, &calls), 0);
  settle(loop);
  assert_trace("all[a]");
  close(fd);
}

static void pause_batch(dgram_socket_t *socket, const dgram_message_t *const messages[],
                        size_t count, void *context) {
  assert_int_equal(dgram_pause(socket), 0);
}

TEST("a batch in which a listener pauses counts as delivered") {
  int port;
  int fd = raw_socket();
  dgram_socket_t *socket = new_bound(loop, trace_message, "one", &port);
  assert_int_equal(dgram_on_messages(socket, pause_batch, NULL), 0);
  raw_send(fd, "a", 1, port);
  raw_send(fd, "b", 1, port);
  settle(loop);
  assert_trace("one(a) one(b)");
  assert_int_equal(dgram_pause_at(socket, 0), UV_EINVAL); /* none is being delivered */
  raw_send(fd, "c", 1, port);
  settle(loop);
  assert_trace("");
  close(fd);
}

static void close_batch(dgram_socket_t *socket, const dgram_message_t *const messages[],
                        size_t count, void *context) {
  trace("batch");
  assert_int_equal(dgram_pause_at(socket, 0), 0);
  close_socket(socket);
}

TEST("a listener takes a part of a batch and closes") {
  int port;
  int fd = raw_socket();
  dgram_socket_t *socket = new_bound(loop, trace_message, "one", &port);
  assert_int_equal(dgram_on_messages(socket, close_batch, NULL), 0);
  raw_send(fd, "a", 1, port);
  raw_send(fd, "b", 1, port);
  settle(loop);
  assert_trace("batch");
  close(fd);
}

/* ---- without listeners ---- */

static dgram_socket_t *new_pausing(uv_loop_t *loop, dgram_message_cb on_message, void *context,
                                   int *port) {
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.pause_without_listener = 1;
  dgram_socket_t *socket = new_with(loop, &options);
  if (on_message != NULL)
    assert_int_equal(dgram_on_message(socket, on_message, context), 0);
  *port = bind_now(socket, "127.0.0.1");
  return socket;
}

TEST("without the option datagrams are dropped while nobody listens") {
  int port;
  int fd = raw_socket();
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  raw_send(fd, "a", 1, port);
  settle(loop);
  assert_int_equal(dgram_on_message(socket, trace_message, "got"), 0);
  settle(loop);
  assert_trace("");
  close(fd);
}

TEST("a socket waits for its first listener") {
  int port;
  int fd = raw_socket();
  dgram_socket_t *socket = new_pausing(loop, NULL, NULL, &port);
  raw_send(fd, "a", 1, port);
  settle(loop);
  assert_int_equal(dgram_is_paused(socket), 0);
  assert_int_equal(dgram_on_message(socket, trace_message, "got"), 0);
  settle(loop);
  assert_trace("got(a)");
  assert_int_equal(dgram_off_message(socket, trace_message, "got"), 0);
  raw_send(fd, "b", 1, port);
  settle(loop);
  assert_int_equal(dgram_on_messages(socket, trace_messages, "all"), 0);
  settle(loop);
  assert_trace("all[b]");
  close(fd);
}

TEST("each message waits for a listener that is called once") {
  int port;
  dgram_socket_t *socket = new_pausing(loop, NULL, NULL, &port);
  struct steps steps = {0};
  send_numbers(loop, port);
  for (int i = 1; i <= 10; i++) {
    assert_int_equal(dgram_once_message(socket, pause_after_some, &steps), 0);
    settle(loop);
    assert_int_equal(steps.received, i);
  }
  assert_int_equal(dgram_once_messages(socket, pause_batch, NULL), 0);
  settle(loop);
  assert_int_equal(dgram_is_paused(socket), 1);
  assert_int_equal(steps.received, 10);
}

static void stop_listening(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                           void *context) {
  trace_message(socket, message, rinfo, context);
  assert_int_equal(dgram_off_message(socket, stop_listening, context), 0);
}

TEST("a listener that removes itself leaves the next message to another") {
  int port;
  int fd = raw_socket();
  dgram_socket_t *socket = new_pausing(loop, stop_listening, "first", &port);
  raw_send(fd, "a", 1, port);
  raw_send(fd, "b", 1, port);
  settle(loop);
  assert_trace("first(a)");
  assert_int_equal(dgram_on_message(socket, trace_message, "second"), 0);
  settle(loop);
  assert_trace("second(b)");
  close(fd);
}

TEST("a resume does not replace a listener, nor a listener a resume") {
  int port;
  int fd = raw_socket();
  dgram_socket_t *socket = new_pausing(loop, NULL, NULL, &port);
  raw_send(fd, "a", 1, port);
  assert_int_equal(dgram_resume(socket), 0);
  settle(loop);
  assert_int_equal(dgram_pause(socket), 0);
  assert_int_equal(dgram_on_message(socket, trace_message, "got"), 0);
  settle(loop);
  assert_trace("");
  assert_int_equal(dgram_resume(socket), 0);
  settle(loop);
  assert_trace("got(a)");
  close(fd);
}

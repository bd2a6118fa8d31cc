/*
 * Sockets that share a system socket read one datagram at a time: what one of them has not emitted
 * when it closes is there for the others. An option lifts that.
 */
#include "lib/fixture.h"

enum { SOCKETS = 4, DATAGRAMS = 40, EACH = 10 };

/* Closes itself after some datagrams. */
struct taker {
  int received;
  int at_most;
};

static void take(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                 void *context) {
  struct taker *taker = context;
  if (++taker->received == taker->at_most)
    close_socket(socket);
}

static void take_many(dgram_socket_t *socket, const dgram_message_t *const messages[], size_t count,
                      void *context) {
  for (size_t i = 0; i < count; i++)
    take(socket, messages[i]->message, &messages[i]->rinfo, context);
}

static dgram_socket_t *adopt_copy(uv_loop_t *loop, int fd, int receive_batch) {
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.receive_batch = receive_batch;
  dgram_socket_t *socket = new_with(loop, &options);
  assert_int_equal(adopt_fd(socket, dup(fd)), 0);
  return socket;
}

/* Each of the sockets closes after its tenth datagram. Returns how many were received in all. */
static int receive_by_turns(uv_loop_t *loop, int receive_batch, int together) {
  begin_round(loop);
  struct taker takers[SOCKETS] = {{0}};
  dgram_socket_t *sockets[SOCKETS];
  int fd = raw_socket();
  int sum = 0;
  for (int i = 0; i < SOCKETS; i++) {
    sockets[i] = adopt_copy(loop, fd, receive_batch);
    takers[i].at_most = EACH;
    if (together)
      assert_int_equal(dgram_on_messages(sockets[i], take_many, &takers[i]), 0);
    else
      assert_int_equal(dgram_on_message(sockets[i], take, &takers[i]), 0);
  }
  int sender = raw_socket();
  for (int i = 0; i < DATAGRAMS; i++)
    raw_send(sender, "x", 1, raw_port(fd));
  settle(loop);
  for (int i = 0; i < SOCKETS; i++) {
    sum += takers[i].received;
    if (takers[i].received < EACH)
      close_socket(sockets[i]);
  }
  close(sender);
  close(fd);
  run_to_end(loop);
  return sum;
}

TEST("no datagram is lost with a socket that closes") {
  assert_int_equal(receive_by_turns(loop, 0, 0), DATAGRAMS);
  assert_int_equal(receive_by_turns(loop, 1, 0), DATAGRAMS);
}

TEST("no datagram is lost with a socket that closes in a batch") {
  assert_int_equal(receive_by_turns(loop, 0, 1), DATAGRAMS);
}

/* The program prefers the rate: what the first one has read is lost with it. */
TEST("receive_batch lets a shared socket read many at a time") {
  assert_in_range(receive_by_turns(loop, 64, 0), EACH, DATAGRAMS - 1);
}

/* A socket of its own may take one at a time, too. */
TEST("receive_batch 1 reads one at a time") {
  struct taker taker = {.at_most = EACH};
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.receive_batch = 1;
  dgram_socket_t *socket = new_with(loop, &options);
  assert_int_equal(dgram_on_message(socket, take, &taker), 0);
  int port = bind_now(socket, "127.0.0.1");
  int copy = dup(dgram_fileno(socket));
  int sender = raw_socket();
  for (int i = 0; i < DATAGRAMS; i++)
    raw_send(sender, "x", 1, port);
  settle(loop);
  assert_int_equal(taker.received, EACH);
  int left = 0;
  char byte;
  while (recv(copy, &byte, 1, MSG_DONTWAIT) == 1)
    left++;
  assert_int_equal(left, DATAGRAMS - EACH);
  close(sender);
  close(copy);
  run_to_end(loop);
}

/* A wake-up emits several nevertheless: it reads the next one when the one before was emitted. */
TEST("a flood comes whole and in order with receive_batch 1") {
  struct taker taker = {.at_most = -1};
  int fd = raw_socket();
  dgram_socket_t *socket = adopt_copy(loop, fd, 0);
  assert_int_equal(dgram_on_message(socket, take, &taker), 0);
  int sender = raw_socket();
  for (int i = 0; i < DATAGRAMS; i++)
    raw_send(sender, "x", 1, raw_port(fd));
  assert_int_equal(uv_run(loop, UV_RUN_ONCE), 1);
  assert_in_range(taker.received, 2, DATAGRAMS); /* as many as the turn has time for */
  run_until(loop, &taker.received, DATAGRAMS);
  close(sender);
  close(fd);
}

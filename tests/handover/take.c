/* The next server takes the sockets, confirms, and goes on where the one before it has stopped. */
#include "lib/handover_fixture.h"

TEST("a next server gets the very same socket") {
  struct taker taker;
  dgram_offer_t *offer;
  dgram_socket_t *old = new_offered(loop, &offer);
  take_one(loop, &taker);
  assert_int_equal(raw_port(taker.fds[0]), port_of(old));
  assert_int_equal(fcntl(taker.fds[0], F_GETFD), FD_CLOEXEC);
  assert_trace(""); /* not before it is confirmed */

  dgram_socket_t *next = new_taken(loop, taker.fds[0], NULL, NULL);
  confirm(loop, &taker);
  close_socket(old);
  settle(loop);
  assert_usable(next);
}

/* What came before, between, and after; the kernel keeps it for whoever reads. */
TEST("a next server reads what the system holds when the old one has closed") {
  struct taker taker;
  int port;
  int sender = raw_socket();
  dgram_socket_t *old = new_bound(loop, trace_message, "old", &port);
  offer_socket(old);
  take_one(loop, &taker);
  raw_send(sender, "1", 1, port);
  run_until_trace(loop, "old(1)");

  confirm(loop, &taker);
  close_socket(old);
  raw_send(sender, "2", 1, port);
  settle(loop);
  raw_send(sender, "3", 1, port);
  new_taken(loop, taker.fds[0], trace_message, "next");
  run_until_trace(loop, "next(2) next(3)");
  close(sender);
}

static void answer_back(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                        void *context) {
  assert_int_equal(dgram_send(socket, message, rinfo->size, rinfo->port, NULL, NULL, NULL), 0);
}

static void close_old(void *context) {
  dgram_socket_t **socket = context;
  close_socket(*socket);
  *socket = NULL;
}

TEST("a server that closes in on_taken has answered all that it has read") {
  enum { SENT = 100 };
  struct taker taker;
  dgram_offer_t *offer;
  int port;
  int client = raw_socket();
  dgram_socket_t *old = new_roomy(loop, answer_back, NULL, &port);
  int fd = dgram_fileno(old);
  assert_int_equal(dgram_handover_offer(loop, path, &fd, 1, close_old, &old, &offer), 0);
  take_one(loop, &taker);
  for (int i = 0; i < SENT; i++)
    raw_send(client, "x", 1, port);
  assert_int_equal(dgram_handover_confirm(taker.takeover), 0);
  while (old != NULL)
    uv_run(loop, UV_RUN_ONCE);
  settle(loop);
  new_taken(loop, taker.fds[0], answer_back, NULL);
  settle(loop);

  int answers = 0;
  char byte;
  while (recv(client, &byte, 1, MSG_DONTWAIT) == 1)
    answers++;
  assert_int_equal(answers, SENT);
  close(client);
  assert_int_equal(unlink(path), 0);
}

TEST("an offer ends without on_taken, which may be left out") {
  struct taker taker;
  dgram_offer_t *offer;
  int port;
  dgram_socket_t *old = new_bound(loop, NULL, NULL, &port);
  int fd = dgram_fileno(old);
  assert_int_equal(dgram_handover_offer(loop, path, &fd, 1, NULL, NULL, &offer), 0);
  take_one(loop, &taker);
  close(taker.fds[0]);
  assert_int_equal(dgram_handover_confirm(taker.takeover), 0);
  settle(loop);
  assert_int_equal(take(loop, &taker), UV_ECONNREFUSED); /* the offer has ended */
  assert_usable(old);
  assert_int_equal(unlink(path), 0);
}

/* The path is never without an offer, so a third server finds the second. */
TEST("a next server offers at the path before the old one has left it") {
  struct taker taker;
  struct taker another;
  dgram_offer_t *offer;
  dgram_socket_t *old = new_offered(loop, &offer);
  int port = port_of(old);
  take_one(loop, &taker);
  dgram_socket_t *next = new_taken(loop, taker.fds[0], NULL, NULL);
  assert_int_equal(dgram_handover_confirm(taker.takeover), 0);
  offer = offer_socket(next); /* before the old one knows */
  run_until_trace(loop, "taken");
  close_socket(old);
  take_one(loop, &another);
  assert_int_equal(raw_port(another.fds[0]), port);
  give_up(&another);
  settle(loop);
  assert_usable(next);
  withdraw(offer);
  assert_false(path_exists());
}

TEST("a hand-over leaves no descriptor behind") {
  int port;
  int before = count_open_files();
  for (int i = 0; i < 5; i++) {
    close_socket(hand_over(loop, new_bound(loop, NULL, NULL, &port)));
    settle(loop);
    assert_int_equal(count_open_files(), before);
  }
}

/* ---- two servers have the socket ---- */

static int until_close; /* datagrams that the old server still takes */

static void take_and_close(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                           void *context) {
  ++*(int *)context;
  if (--until_close == 0)
    close_socket(socket);
}

/* It closes of its own accord, in the midst of what has come: the rest is the next one's. */
TEST("a next server gets the datagrams that the old one leaves when it closes") {
  enum { SENT = 40, OLD = 10 };
  struct taker taker;
  int port;
  int by_old = 0;
  int by_next = 0;
  int client = raw_socket();
  dgram_socket_t *old = new_roomy(loop, take_and_close, &by_old, &port);
  until_close = OLD;
  offer_socket(old);
  take_one(loop, &taker);
  for (int i = 0; i < SENT; i++)
    raw_send(client, "x", 1, port);
  settle(loop);
  assert_int_equal(by_old, OLD);
  new_taken(loop, taker.fds[0], count_message, &by_next);
  settle(loop);
  assert_int_equal(by_next, SENT - OLD);
  confirm(loop, &taker);
  close(client);
}

TEST("an old server delivers what it had received before the next one gets anything") {
  enum { SENT = 40 };
  struct taker taker;
  int port;
  int by_old = 0;
  int client = raw_socket();
  dgram_socket_t *old = new_roomy(loop, count_message, &by_old, &port);
  assert_int_equal(dgram_set_receive_budget(old, 1), 0);
  offer_socket(old);
  for (int i = 0; i < SENT; i++)
    raw_send(client, "x", 1, port);
  uv_run(loop, UV_RUN_NOWAIT);
  assert_int_equal(by_old, 1); /* of several that it has */
  take_one(loop, &taker);
  int left = 0;
  char byte;
  while (recv(taker.fds[0], &byte, 1, MSG_DONTWAIT) == 1)
    left++;
  close_socket(old);
  assert_int_equal(by_old + left, SENT);
  give_up(&taker);
  close(client);
}

/* The next server takes the sockets, confirms, and goes on where the one before it has stopped. */
#include "handover_test.h"

static void the_next_server_has_the_very_same_socket(void **state) {
  uv_loop_t *loop = open_loop();
  struct taker taker;
  int port;
  dgram_socket_t *old = new_bound(loop, NULL, NULL, &port);
  offer_socket(old);
  assert_int_equal(take_from(loop, &taker), 1);
  assert_int_equal(raw_port(taker.fds[0]), port);
  assert_int_equal(fcntl(taker.fds[0], F_GETFD), FD_CLOEXEC);
  assert_trace(""); /* not before it is confirmed */

  dgram_socket_t *next = new_taken(loop, taker.fds[0], NULL, NULL);
  assert_int_equal(dgram_handover_confirm(taker.takeover), 0);
  run_until_trace(loop, "taken");
  close_socket(old);
  settle(loop);
  assert_usable(next);
  close_socket(next);
  close_loop(loop);
}

/* What came before, between, and after; the kernel keeps it for whoever reads. */
static void what_the_system_holds_is_read_by_the_next(void **state) {
  uv_loop_t *loop = open_loop();
  struct taker taker;
  int port;
  int sender = raw_socket();
  dgram_socket_t *old = new_bound(loop, trace_message, "old", &port);
  offer_socket(old);
  assert_int_equal(take_from(loop, &taker), 1);
  raw_send(sender, "1", 1, port);
  run_until_trace(loop, "old(1)");

  assert_int_equal(dgram_handover_confirm(taker.takeover), 0);
  run_until_trace(loop, "taken");
  close_socket(old);
  raw_send(sender, "2", 1, port);
  settle(loop);
  raw_send(sender, "3", 1, port);
  dgram_socket_t *next = new_taken(loop, taker.fds[0], trace_message, "next");
  run_until_trace(loop, "next(2) next(3)");
  close(sender);
  close_socket(next);
  close_loop(loop);
}

static void answer_back(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                        void *context) {
  assert_int_equal(dgram_send(socket, message, rinfo->size, rinfo->port, NULL, NULL, NULL), 0);
}

static void close_it(void *context) {
  dgram_socket_t **socket = context;
  close_socket(*socket);
  *socket = NULL;
}

static void a_server_that_closes_at_once_has_answered_what_it_read(void **state) {
  enum { SENT = 100 };
  uv_loop_t *loop = open_loop();
  struct taker taker;
  dgram_offer_t *offer;
  int port;
  int client = raw_socket();
  dgram_socket_t *old = new_roomy(loop, answer_back, NULL, &port);
  int fd = dgram_fileno(old);
  assert_int_equal(dgram_handover_offer(loop, path, &fd, 1, close_it, &old, &offer), 0);
  assert_int_equal(take_from(loop, &taker), 1);
  for (int i = 0; i < SENT; i++)
    raw_send(client, "x", 1, port);
  assert_int_equal(dgram_handover_confirm(taker.takeover), 0);
  while (old != NULL)
    uv_run(loop, UV_RUN_ONCE);
  settle(loop);
  dgram_socket_t *next = new_taken(loop, taker.fds[0], answer_back, NULL);
  settle(loop);

  int answers = 0;
  char byte;
  while (recv(client, &byte, 1, MSG_DONTWAIT) == 1)
    answers++;
  assert_int_equal(answers, SENT);
  close(client);
  close_socket(next);
  close_loop(loop);
}

static void on_taken_may_be_left_out(void **state) {
  uv_loop_t *loop = open_loop();
  struct taker taker;
  dgram_offer_t *offer;
  int port;
  dgram_socket_t *old = new_bound(loop, NULL, NULL, &port);
  int fd = dgram_fileno(old);
  assert_int_equal(dgram_handover_offer(loop, path, &fd, 1, NULL, NULL, &offer), 0);
  assert_int_equal(take_from(loop, &taker), 1);
  close(taker.fds[0]);
  assert_int_equal(dgram_handover_confirm(taker.takeover), 0);
  settle(loop);
  assert_int_equal(take_from(loop, &taker), UV_ECONNREFUSED); /* the offer has ended */
  assert_usable(old);
  close_socket(old);
  close_loop(loop);
}

/* The path is never without an offer, so a third server finds the second. */
static void the_next_server_offers_in_the_place_of_the_last(void **state) {
  uv_loop_t *loop = open_loop();
  struct taker taker;
  struct taker another;
  int port;
  dgram_socket_t *old = new_bound(loop, NULL, NULL, &port);
  offer_socket(old);
  assert_int_equal(take_from(loop, &taker), 1);
  dgram_socket_t *next = new_taken(loop, taker.fds[0], NULL, NULL);
  assert_int_equal(dgram_handover_confirm(taker.takeover), 0);
  dgram_offer_t *offer = offer_socket(next); /* before the old one has heard of it */
  run_until_trace(loop, "taken");
  close_socket(old);
  assert_int_equal(take_from(loop, &another), 1);
  assert_int_equal(raw_port(another.fds[0]), port);
  give_up(&another);
  settle(loop);
  assert_usable(next);
  dgram_handover_withdraw(offer);
  assert_false(exists(path));
  close_socket(next);
  close_loop(loop);
}

static void nothing_is_left_over(void **state) {
  int port;
  uv_loop_t *loop = open_loop();
  int before = count_open_files();
  for (int i = 0; i < 5; i++) {
    close_socket(hand_over(loop, new_bound(loop, NULL, NULL, &port)));
    settle(loop);
    assert_int_equal(count_open_files(), before);
  }
  close_loop(loop);
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
static void what_the_old_one_leaves_the_next_one_gets(void **state) {
  enum { SENT = 40, OLD = 10 };
  uv_loop_t *loop = open_loop();
  struct taker taker;
  int port;
  int by_old = 0;
  int by_next = 0;
  int client = raw_socket();
  dgram_socket_t *old = new_roomy(loop, take_and_close, &by_old, &port);
  until_close = OLD;
  dgram_offer_t *offer = offer_socket(old);
  assert_int_equal(take_from(loop, &taker), 1);
  for (int i = 0; i < SENT; i++)
    raw_send(client, "x", 1, port);
  settle(loop);
  assert_int_equal(by_old, OLD);
  dgram_socket_t *next = new_taken(loop, taker.fds[0], count_message, &by_next);
  settle(loop);
  assert_int_equal(by_next, SENT - OLD);
  assert_int_equal(dgram_handover_confirm(taker.takeover), 0);
  run_until_trace(loop, "taken");
  (void)offer;
  close(client);
  close_socket(next);
  close_loop(loop);
}

/* What it had received before the next one came is told before that gets anything. */
static void what_was_received_before_is_told_before(void **state) {
  enum { SENT = 40 };
  uv_loop_t *loop = open_loop();
  struct taker taker;
  int port;
  int by_old = 0;
  int client = raw_socket();
  dgram_socket_t *old = new_roomy(loop, count_message, &by_old, &port);
  assert_int_equal(dgram_set_receive_budget(old, 1), 0);
  dgram_offer_t *offer = offer_socket(old);
  for (int i = 0; i < SENT; i++)
    raw_send(client, "x", 1, port);
  uv_run(loop, UV_RUN_NOWAIT);
  assert_int_equal(by_old, 1); /* of several that it has */
  assert_int_equal(take_from(loop, &taker), 1);
  int left = 0;
  char byte;
  while (recv(taker.fds[0], &byte, 1, MSG_DONTWAIT) == 1)
    left++;
  close_socket(old);
  assert_int_equal(by_old + left, SENT);
  give_up(&taker);
  dgram_handover_withdraw(offer);
  close(client);
  close_loop(loop);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TAKEN_TEST(the_next_server_has_the_very_same_socket),
      TAKEN_TEST(what_the_system_holds_is_read_by_the_next),
      TAKEN_TEST(a_server_that_closes_at_once_has_answered_what_it_read),
      TAKEN_TEST(on_taken_may_be_left_out),
      HANDOVER_TEST(the_next_server_offers_in_the_place_of_the_last),
      TAKEN_TEST(nothing_is_left_over),
      TAKEN_TEST(what_the_old_one_leaves_the_next_one_gets),
      HANDOVER_TEST(what_was_received_before_is_told_before),
  };
  return cmocka_run_group_tests_name("take", tests, NULL, NULL);
}

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
  assert_notes(""); /* not before it is confirmed */

  dgram_socket_t *next = new_taken(loop, taker.fds[0], NULL, NULL);
  assert_int_equal(dgram_handover_confirm(taker.takeover), 0);
  run_until_notes(loop, "taken");
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
  dgram_socket_t *old = new_bound(loop, note_message, "old", &port);
  offer_socket(old);
  assert_int_equal(take_from(loop, &taker), 1);
  raw_send(sender, "1", 1, port);
  run_until_notes(loop, "old(1)");

  assert_int_equal(dgram_handover_confirm(taker.takeover), 0);
  run_until_notes(loop, "taken");
  close_socket(old);
  raw_send(sender, "2", 1, port);
  settle(loop);
  raw_send(sender, "3", 1, port);
  dgram_socket_t *next = new_taken(loop, taker.fds[0], note_message, "next");
  run_until_notes(loop, "next(2) next(3)");
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
  run_until_notes(loop, "taken");
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
  struct taker taker;
  int port;
  uv_loop_t *loop = open_loop();
  int before = count_open_files();
  for (int i = 0; i < 5; i++) {
    dgram_socket_t *old = new_bound(loop, NULL, NULL, &port);
    offer_socket(old);
    assert_int_equal(take_from(loop, &taker), 1);
    dgram_socket_t *next = new_taken(loop, taker.fds[0], NULL, NULL);
    assert_int_equal(dgram_handover_confirm(taker.takeover), 0);
    run_until_notes(loop, "taken");
    close_socket(old);
    close_socket(next);
    settle(loop);
    assert_int_equal(count_open_files(), before);
  }
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
  };
  return cmocka_run_group_tests_name("take", tests, NULL, NULL);
}

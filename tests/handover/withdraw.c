/* An offer that is withdrawn. */
#include "lib/handover_fixture.h"

TEST("a withdrawn offer is gone at once") {
  struct taker taker;
  int port;
  dgram_socket_t *old = new_bound(loop, NULL, NULL, &port);
  int before = count_open_files();
  withdraw(offer_socket(old));
  assert_false(path_exists());
  assert_int_equal(take(loop, &taker), UV_ENOENT);
  assert_int_equal(count_open_files(), before);
  assert_trace("");
  assert_usable(old);
}

/* It has the sockets, and can go on; on_taken is not called. */
TEST("confirm fails with EPIPE when the offer has been withdrawn") {
  struct taker taker;
  dgram_offer_t *offer;
  dgram_socket_t *old = new_offered(loop, &offer);
  take_one(loop, &taker);
  withdraw(offer);
  dgram_socket_t *next = new_taken(loop, taker.fds[0], NULL, NULL);
  assert_int_equal(dgram_handover_confirm(taker.takeover), UV_EPIPE);
  close_socket(old);
  settle(loop);
  assert_trace("");
  assert_usable(next);
}

TEST("a next server that has connected and got nothing reads the end when the offer is withdrawn") {
  char byte;
  dgram_offer_t *offer;
  new_offered(loop, &offer);
  int waiting = raw_successor(); /* the loop does not run any more */
  withdraw(offer);
  ssize_t got = recv(waiting, &byte, 1, 0);
  assert_true(got == 0 || (got < 0 && errno == ECONNRESET));
  close(waiting);
}

TEST("an offer may be made anew at the path of one that was withdrawn") {
  struct taker taker;
  int port;
  dgram_socket_t *old = new_bound(loop, NULL, NULL, &port);
  for (int i = 0; i < 3; i++) {
    dgram_offer_t *offer = offer_socket(old);
    take_one(loop, &taker);
    give_up(&taker);
    withdraw(offer);
  }
}

static dgram_offer_t *taken_offer;

static void withdraw_taken(void *context) {
  trace("taken");
  dgram_handover_withdraw(taken_offer);
}

TEST("withdraw does nothing inside on_taken") {
  struct taker taker;
  int port;
  int fd = dgram_fileno(new_bound(loop, NULL, NULL, &port));
  assert_int_equal(dgram_handover_offer(loop, path, &fd, 1, withdraw_taken, NULL, &taken_offer), 0);
  take_one(loop, &taker);
  close(taker.fds[0]);
  assert_int_equal(dgram_handover_confirm(taker.takeover), 0);
  settle(loop);
  assert_trace("taken");
  assert_int_equal(unlink(path), 0);
}

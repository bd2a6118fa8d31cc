/* An offer that is withdrawn. */
#include "handover_test.h"

static void it_is_gone_at_once(void **state) {
  uv_loop_t *loop = open_loop();
  struct taker taker;
  int port;
  dgram_socket_t *old = new_bound(loop, NULL, NULL, &port);
  int before = count_open_files();
  dgram_offer_t *offer = offer_socket(old);
  dgram_handover_withdraw(offer);
  assert_false(exists(path));
  assert_int_equal(take_from(loop, &taker), UV_ENOENT);
  assert_int_equal(count_open_files(), before);
  assert_trace("");
  assert_usable(old);
  close_socket(old);
  close_loop(loop);
}

/* It has the sockets, and can go on; on_taken is not called. */
static void one_that_has_taken_hears_of_it_when_it_confirms(void **state) {
  uv_loop_t *loop = open_loop();
  struct taker taker;
  int port;
  dgram_socket_t *old = new_bound(loop, NULL, NULL, &port);
  dgram_offer_t *offer = offer_socket(old);
  assert_int_equal(take_from(loop, &taker), 1);
  dgram_handover_withdraw(offer);
  dgram_socket_t *next = new_taken(loop, taker.fds[0], NULL, NULL);
  assert_int_equal(dgram_handover_confirm(taker.takeover), UV_EPIPE);
  close_socket(old);
  settle(loop);
  assert_trace("");
  assert_usable(next);
  close_socket(next);
  close_loop(loop);
}

static void who_has_connected_and_got_nothing_sees_the_end(void **state) {
  uv_loop_t *loop = open_loop();
  char byte;
  int port;
  dgram_socket_t *old = new_bound(loop, NULL, NULL, &port);
  dgram_offer_t *offer = offer_socket(old);
  int waiting = raw_successor(); /* the loop does not run any more */
  dgram_handover_withdraw(offer);
  ssize_t got = recv(waiting, &byte, 1, 0);
  assert_true(got == 0 || (got < 0 && errno == ECONNRESET));
  close(waiting);
  close_socket(old);
  close_loop(loop);
}

static void an_offer_and_its_path_may_be_made_anew(void **state) {
  uv_loop_t *loop = open_loop();
  struct taker taker;
  int port;
  dgram_socket_t *old = new_bound(loop, NULL, NULL, &port);
  for (int i = 0; i < 3; i++) {
    dgram_offer_t *offer = offer_socket(old);
    assert_int_equal(take_from(loop, &taker), 1);
    give_up(&taker);
    dgram_handover_withdraw(offer);
  }
  close_socket(old);
  close_loop(loop);
}

static dgram_offer_t *told;

static void withdraw_it(void *context) {
  trace("taken");
  dgram_handover_withdraw(told);
}

static void in_on_taken_there_is_nothing_left_to_withdraw(void **state) {
  uv_loop_t *loop = open_loop();
  struct taker taker;
  int port;
  dgram_socket_t *old = new_bound(loop, NULL, NULL, &port);
  int fd = dgram_fileno(old);
  assert_int_equal(dgram_handover_offer(loop, path, &fd, 1, withdraw_it, NULL, &told), 0);
  assert_int_equal(take_from(loop, &taker), 1);
  close(taker.fds[0]);
  assert_int_equal(dgram_handover_confirm(taker.takeover), 0);
  settle(loop);
  assert_trace("taken");
  close_socket(old);
  close_loop(loop);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      HANDOVER_TEST(it_is_gone_at_once),
      HANDOVER_TEST(one_that_has_taken_hears_of_it_when_it_confirms),
      HANDOVER_TEST(who_has_connected_and_got_nothing_sees_the_end),
      HANDOVER_TEST(an_offer_and_its_path_may_be_made_anew),
      TAKEN_TEST(in_on_taken_there_is_nothing_left_to_withdraw),
  };
  return cmocka_run_group_tests_name("withdraw", tests, NULL, NULL);
}

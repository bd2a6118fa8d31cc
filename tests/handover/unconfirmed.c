/*
 * A next server that never confirms: it dies, gives up, or hangs. Nothing has changed for the one
 * that offers, and the next may ask; but only one at a time has the sockets.
 */
#include "handover_test.h"

#include <sys/wait.h>

static void one_that_gives_up_makes_room_for_another(void **state) {
  uv_loop_t *loop = open_loop();
  struct taker taker;
  dgram_offer_t *offer;
  dgram_socket_t *old = new_offered(loop, &offer);
  int before = count_open_files();
  for (int i = 0; i < 5; i++) {
    assert_int_equal(take_from(loop, &taker), 1);
    assert_usable(old);
    give_up(&taker);
    settle(loop);
    assert_int_equal(count_open_files(), before);
  }
  assert_trace("");
  withdraw_and_close(loop, old, offer);
}

static void while_one_has_the_sockets_others_are_refused(void **state) {
  uv_loop_t *loop = open_loop();
  struct taker first;
  struct taker second;
  dgram_offer_t *offer;
  dgram_socket_t *old = new_offered(loop, &offer);
  assert_int_equal(take_from(loop, &first), 1);
  for (int i = 0; i < 3; i++)
    assert_int_equal(take_from(loop, &second), UV_EBUSY);
  assert_usable(old); /* which goes on though that one hangs */

  give_up(&first);
  assert_int_equal(take_from(loop, &second), 1);
  give_up(&second);
  withdraw_and_close(loop, old, offer);
}

/* What the offer has sent: a frame, whose status is in these bytes; see src/wire.c. */
static int status_from(int fd) {
  unsigned char frame[40];
  uint32_t status;
  assert_int_equal(recv(fd, frame, sizeof frame, MSG_DONTWAIT), sizeof frame);
  memcpy(&status, frame + 8, sizeof status);
  return (int32_t)ntohl(status);
}

/* The loop learns of both at once, and of the new one first. */
static void one_that_has_just_died_is_in_nobodys_way(void **state) {
  uv_loop_t *loop = open_loop();
  struct taker taker;
  dgram_offer_t *offer;
  dgram_socket_t *old = new_offered(loop, &offer);
  assert_int_equal(take_from(loop, &taker), 1);
  int next = raw_successor();
  give_up(&taker);
  settle(loop);
  assert_int_equal(status_from(next), 0);
  close(next);
  withdraw_and_close(loop, old, offer);
}

/* The same with one that has just confirmed. */
static void who_asks_too_late_is_refused(void **state) {
  uv_loop_t *loop = open_loop();
  struct taker taker;
  int port;
  dgram_socket_t *old = new_bound(loop, NULL, NULL, &port);
  offer_socket(old);
  assert_int_equal(take_from(loop, &taker), 1);
  int late = raw_successor();
  assert_int_equal(dgram_handover_confirm(taker.takeover), 0);
  run_until_trace(loop, "taken");
  settle(loop);
  assert_int_equal(status_from(late), UV_EBUSY);
  close(late);
  close(taker.fds[0]);
  close_socket(old);
  close_loop(loop);
}

/* ---- one that has offered already ---- */

/* Asks again until there is somebody who offers. */
static void take_in_the_end(uv_loop_t *loop, struct taker *taker) {
  do
    settle(loop);
  while (take_from(loop, taker) < 0 &&
         (taker->count == UV_ENOENT || taker->count == UV_ECONNREFUSED ||
          taker->count == UV_EBUSY || taker->count == UV_EOF));
  assert_int_equal(taker->count, 1);
}

/* In a process of its own: it takes the socket, offers it, and dies. */
static void offer_and_die(void) {
  uv_loop_t loop;
  int fds[DGRAM_HANDOVER_MOST];
  dgram_takeover_t *takeover;
  dgram_offer_t *offer;
  if (uv_loop_init(&loop) != 0 || dgram_handover_take(path, PATIENCE_MS, fds, &takeover) != 1 ||
      dgram_handover_offer(&loop, path, fds, 1, NULL, NULL, &offer) != 0)
    _exit(1);
  raise(SIGKILL);
}

static void one_that_offers_and_dies_leaves_the_old_offer(void **state) {
  uv_loop_t *loop = open_loop();
  struct taker taker;
  int status;
  int port;
  dgram_socket_t *old = new_bound(loop, NULL, NULL, &port);
  dgram_offer_t *offer = offer_socket(old);
  int before = count_open_files();
  for (int i = 0; i < 2; i++) {
    pid_t pid = fork();
    if (pid == 0)
      offer_and_die();
    while (waitpid(pid, &status, WNOHANG) == 0)
      uv_run(loop, UV_RUN_NOWAIT);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    take_in_the_end(loop, &taker);
    assert_int_equal(raw_port(taker.fds[0]), port);
    give_up(&taker);
    settle(loop);
    assert_int_equal(count_open_files(), before);
  }
  assert_usable(old);
  dgram_handover_withdraw(offer);
  assert_false(exists(path));
  close_socket(old);
  close_loop(loop);
}

/* One that has seen that it is too late withdraws. */
static void so_does_one_that_withdraws(void **state) {
  uv_loop_t *loop = open_loop();
  struct taker taker;
  dgram_offer_t *offer;
  dgram_socket_t *old = new_offered(loop, &offer);
  assert_int_equal(take_from(loop, &taker), 1);
  dgram_offer_t *another = offer_fds(loop, taker.fds, 1);
  give_up(&taker);
  settle(loop);
  dgram_handover_withdraw(another);
  settle(loop);
  take_in_the_end(loop, &taker);
  give_up(&taker);
  dgram_handover_withdraw(offer);
  assert_false(exists(path));
  close_socket(old);
  close_loop(loop);
}

/* And one that goes on offering keeps the place. */
static void another_that_offers_keeps_its_place(void **state) {
  uv_loop_t *loop = open_loop();
  struct taker taker;
  int port;
  int other_port;
  dgram_socket_t *old = new_bound(loop, NULL, NULL, &port);
  dgram_socket_t *other = new_bound(loop, NULL, NULL, &other_port);
  dgram_offer_t *offer = offer_socket(old);
  assert_int_equal(take_from(loop, &taker), 1);
  dgram_offer_t *another = offer_socket(other);
  give_up(&taker);
  take_in_the_end(loop, &taker);
  assert_int_equal(raw_port(taker.fds[0]), other_port);
  give_up(&taker);
  settle(loop);
  dgram_handover_withdraw(offer);
  assert_true(exists(path));
  dgram_handover_withdraw(another);
  close_socket(other);
  close_socket(old);
  close_loop(loop);
}

/* ---- one that takes too long ---- */

enum { SHORT_MS = 5 };

/* Asks again until it is given the sockets: the one before has been dropped then. */
static void take_after_another(uv_loop_t *loop, struct taker *taker) {
  while (take_from(loop, taker) == UV_EBUSY)
    ;
  assert_int_equal(taker->count, 1);
}

static void one_that_takes_too_long_makes_room(void **state) {
  uv_loop_t *loop = open_loop();
  struct taker first;
  struct taker second;
  dgram_offer_t *offer;
  dgram_socket_t *old = new_offered(loop, &offer);
  assert_int_equal(dgram_handover_limit(offer, SHORT_MS), 0);
  assert_int_equal(take_from(loop, &first), 1);
  assert_int_equal(dgram_handover_limit(offer, -1), 0); /* for the next one */
  take_after_another(loop, &second);
  assert_int_equal(dgram_handover_confirm(first.takeover), UV_ETIMEDOUT);
  close(first.fds[0]);
  settle(loop);
  assert_trace(""); /* what it said is not heard */

  assert_int_equal(dgram_handover_confirm(second.takeover), 0);
  run_until_trace(loop, "taken");
  close(second.fds[0]);
  close_socket(old);
  close_loop(loop);
}

/* One that connects, and neither reads nor says a word. */
static void so_does_one_that_is_silent(void **state) {
  uv_loop_t *loop = open_loop();
  struct taker taker;
  dgram_offer_t *offer;
  dgram_socket_t *old = new_offered(loop, &offer);
  assert_int_equal(dgram_handover_limit(offer, SHORT_MS), 0);
  int silent = raw_successor();
  settle(loop);
  assert_int_equal(dgram_handover_limit(offer, -1), 0);
  take_after_another(loop, &taker);
  give_up(&taker);
  close(silent);
  withdraw_and_close(loop, old, offer);
}

/* The word came in time, and the loop was busy: it has been taken. */
static void a_word_that_came_in_time_counts(void **state) {
  enum { LIMIT_MS = 100 };
  uv_loop_t *loop = open_loop();
  struct taker taker;
  dgram_offer_t *offer;
  dgram_socket_t *old = new_offered(loop, &offer);
  assert_int_equal(dgram_handover_limit(offer, LIMIT_MS), 0);
  for (;;) { /* the machine may be slow: until it is not dropped before it can confirm */
    assert_int_equal(take_from(loop, &taker), 1);
    int err = dgram_handover_confirm(taker.takeover);
    close(taker.fds[0]);
    if (err == 0)
      break;
    assert_int_equal(err, UV_ETIMEDOUT);
    settle(loop);
  }
  for (uint64_t now = uv_hrtime(); uv_hrtime() - now < UINT64_C(2000000) * LIMIT_MS;)
    ;
  run_until_trace(loop, "taken"); /* the timer is called first */
  close_socket(old);
  close_loop(loop);
}

static void a_limit_is_a_number_other_than_0(void **state) {
  uv_loop_t *loop = open_loop();
  dgram_offer_t *offer;
  dgram_socket_t *old = new_offered(loop, &offer);
  assert_int_equal(dgram_handover_limit(offer, 0), UV_EINVAL);
  assert_int_equal(dgram_handover_limit(NULL, 1), UV_EINVAL);
  assert_int_equal(dgram_handover_limit(offer, -1), 0);
  withdraw_and_close(loop, old, offer);
}

/* It has connected, and neither reads nor says anything: no more than a descriptor is spent. */
static void one_that_hangs_costs_nothing(void **state) {
  enum { SILENT = 20 };
  uv_loop_t *loop = open_loop();
  int silent[SILENT];
  dgram_offer_t *offer;
  dgram_socket_t *old = new_offered(loop, &offer);
  for (int i = 0; i < SILENT; i++) {
    silent[i] = raw_successor();
    settle(loop);
  }
  int before = count_open_files();
  assert_usable(old);
  for (int i = 0; i < SILENT; i++)
    close(silent[i]);
  settle(loop);
  assert_int_equal(count_open_files(), before - SILENT - 1);
  withdraw_and_close(loop, old, offer);
}

static void where_too_many_wait_it_is_busy(void **state) {
  enum { MANY = 64 };
  uv_loop_t *loop = open_loop();
  struct sockaddr_un address = path_address();
  int waiting[MANY];
  int fds[DGRAM_HANDOVER_MOST];
  dgram_takeover_t *takeover;
  dgram_offer_t *offer;
  dgram_socket_t *old = new_offered(loop, &offer);
  for (int i = 0; i < MANY; i++) { /* the loop does not run */
    waiting[i] = raw_unix();
    assert_int_equal(fcntl(waiting[i], F_SETFL, O_NONBLOCK), 0);
    (void)connect(waiting[i], (struct sockaddr *)&address, sizeof address);
  }
  assert_int_equal(dgram_handover_take(path, 0, fds, &takeover), UV_EBUSY);
  for (int i = 0; i < MANY; i++)
    close(waiting[i]);
  withdraw_and_close(loop, old, offer);
}

static void an_offer_does_not_keep_the_loop_alive(void **state) {
  uv_loop_t *loop = open_loop();
  dgram_offer_t *offer;
  dgram_socket_t *old = new_offered(loop, &offer);
  int silent = raw_successor();
  settle(loop);
  dgram_unref(old);
  assert_int_equal(uv_run(loop, UV_RUN_NOWAIT), 0);
  dgram_handover_withdraw(offer);
  close(silent);
  close_socket(old);
  close_loop(loop);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      HANDOVER_TEST(one_that_gives_up_makes_room_for_another),
      HANDOVER_TEST(while_one_has_the_sockets_others_are_refused),
      HANDOVER_TEST(one_that_has_just_died_is_in_nobodys_way),
      TAKEN_TEST(who_asks_too_late_is_refused),
      HANDOVER_TEST(one_that_offers_and_dies_leaves_the_old_offer),
      HANDOVER_TEST(so_does_one_that_withdraws),
      HANDOVER_TEST(another_that_offers_keeps_its_place),
      TAKEN_TEST(one_that_takes_too_long_makes_room),
      HANDOVER_TEST(so_does_one_that_is_silent),
      TAKEN_TEST(a_word_that_came_in_time_counts),
      HANDOVER_TEST(a_limit_is_a_number_other_than_0),
      HANDOVER_TEST(one_that_hangs_costs_nothing),
      HANDOVER_TEST(where_too_many_wait_it_is_busy),
      HANDOVER_TEST(an_offer_does_not_keep_the_loop_alive),
  };
  return cmocka_run_group_tests_name("unconfirmed", tests, NULL, NULL);
}

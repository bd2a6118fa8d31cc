/*
 * A next server that never confirms: it dies, abandons the sockets, or hangs. The server that
 * offers is unaffected, and the next may take; but only one at a time has the sockets.
 */
#include "lib/handover_fixture.h"

TEST("a next server that gives up makes room for another") {
  struct taker taker;
  dgram_offer_t *offer;
  dgram_socket_t *old = new_offered(loop, &offer);
  int before = count_open_files();
  for (int i = 0; i < 5; i++) {
    take_one(loop, &taker);
    assert_usable(old);
    give_up(&taker);
    settle(loop);
    assert_int_equal(count_open_files(), before);
  }
  assert_trace("");
}

TEST("a take is EBUSY while another next server has the sockets") {
  struct taker first;
  struct taker second;
  dgram_offer_t *offer;
  dgram_socket_t *old = new_offered(loop, &offer);
  take_one(loop, &first);
  for (int i = 0; i < 3; i++)
    assert_int_equal(take(loop, &second), UV_EBUSY);
  assert_usable(old); /* which still works though the next server hangs */
  give_up(&first);
  take_one(loop, &second);
  give_up(&second);
}

/* What the offer has sent: a frame, whose status is in these bytes; see src/ipc/frame.c. */
static int status_from(int fd) {
  unsigned char frame[40];
  uint32_t status;
  assert_int_equal(recv(fd, frame, sizeof frame, MSG_DONTWAIT), sizeof frame);
  memcpy(&status, frame + 8, sizeof status);
  return (int32_t)ntohl(status);
}

/* Both are reported in one iteration of the loop, the new one first. */
TEST("a next server that has just died does not block another") {
  struct taker taker;
  dgram_offer_t *offer;
  new_offered(loop, &offer);
  take_one(loop, &taker);
  int next = raw_successor();
  give_up(&taker);
  settle(loop);
  assert_int_equal(status_from(next), 0);
  close(next);
}

TEST("a next server that connects when another has just confirmed is refused with EBUSY") {
  struct taker taker;
  dgram_offer_t *offer;
  new_offered(loop, &offer);
  take_one(loop, &taker);
  int late = raw_successor();
  confirm(loop, &taker);
  settle(loop);
  assert_int_equal(status_from(late), UV_EBUSY);
  close(late);
  close(taker.fds[0]);
}

/* ---- one that has offered already ---- */

/* Retries until a server offers. */
static void take_eventually(uv_loop_t *loop, struct taker *taker) {
  do
    settle(loop);
  while (take(loop, taker) < 0 && (taker->count == UV_ENOENT || taker->count == UV_ECONNREFUSED ||
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

TEST("a next server that offers and dies leaves the old offer") {
  struct taker taker;
  dgram_offer_t *offer;
  dgram_socket_t *old = new_offered(loop, &offer);
  int before = count_open_files();
  for (int i = 0; i < 2; i++) {
    pid_t pid = fork();
    if (pid == 0)
      offer_and_die();
    process_run_until_killed(loop, pid);
    take_eventually(loop, &taker);
    assert_int_equal(raw_port(taker.fds[0]), port_of(old));
    give_up(&taker);
    settle(loop);
    assert_int_equal(count_open_files(), before);
  }
  assert_usable(old);
  withdraw(offer);
  assert_false(path_exists());
}

/* A server whose confirm() comes too late withdraws. */
TEST("a next server that offers and withdraws leaves the old offer") {
  struct taker taker;
  dgram_offer_t *offer;
  new_offered(loop, &offer);
  take_one(loop, &taker);
  dgram_offer_t *another = offer_fds(loop, taker.fds, 1);
  give_up(&taker);
  settle(loop);
  withdraw(another);
  settle(loop);
  take_eventually(loop, &taker);
  give_up(&taker);
  withdraw(offer);
  assert_false(path_exists());
}

TEST("another server that goes on offering keeps the path") {
  struct taker taker;
  dgram_offer_t *offer;
  dgram_offer_t *another;
  new_offered(loop, &offer);
  take_one(loop, &taker);
  dgram_socket_t *other = new_offered(loop, &another);
  give_up(&taker);
  take_eventually(loop, &taker);
  assert_int_equal(raw_port(taker.fds[0]), port_of(other));
  give_up(&taker);
  settle(loop);
  withdraw(offer);
  assert_true(path_exists());
}

/* ---- one that takes too long ---- */

enum { SHORT_MS = 5 };

/* Retries until it receives the sockets: the server before it has timed out then. */
static void take_after_another(uv_loop_t *loop, struct taker *taker) {
  while (take(loop, taker) == UV_EBUSY)
    ;
  assert_int_equal(taker->count, 1);
}

TEST("a next server that takes too long makes room, and its confirm is ETIMEDOUT") {
  struct taker first;
  struct taker second;
  dgram_offer_t *offer;
  new_offered(loop, &offer);
  assert_int_equal(dgram_handover_limit(offer, SHORT_MS), 0);
  take_one(loop, &first);
  assert_int_equal(dgram_handover_limit(offer, -1), 0); /* for the next one */
  take_after_another(loop, &second);
  assert_int_equal(dgram_handover_confirm(first.takeover), UV_ETIMEDOUT);
  close(first.fds[0]);
  settle(loop);
  assert_trace(""); /* its confirmation is not read */

  confirm(loop, &second);
  close(second.fds[0]);
}

TEST("a next server that connects, and neither reads nor writes, makes room") {
  struct taker taker;
  dgram_offer_t *offer;
  new_offered(loop, &offer);
  assert_int_equal(dgram_handover_limit(offer, SHORT_MS), 0);
  int idle = raw_successor();
  settle(loop);
  assert_int_equal(dgram_handover_limit(offer, -1), 0);
  take_after_another(loop, &taker);
  give_up(&taker);
  close(idle);
}

TEST("a confirmation that arrived in time counts though the loop was busy") {
  enum { LIMIT_MS = 100 };
  struct taker taker;
  dgram_offer_t *offer;
  new_offered(loop, &offer);
  assert_int_equal(dgram_handover_limit(offer, LIMIT_MS), 0);
  for (;;) { /* the machine may be slow: until it confirms before it times out */
    take_one(loop, &taker);
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
}

TEST("a next server that hangs costs a descriptor, and no more") {
  enum { IDLE = 20 };
  int idle[IDLE];
  dgram_offer_t *offer;
  dgram_socket_t *old = new_offered(loop, &offer);
  for (int i = 0; i < IDLE; i++) {
    idle[i] = raw_successor();
    settle(loop);
  }
  int before = count_open_files();
  assert_usable(old);
  for (int i = 0; i < IDLE; i++)
    close(idle[i]);
  settle(loop);
  assert_int_equal(count_open_files(), before - IDLE - 1);
}

TEST("a take is EBUSY where too many wait for the offer") {
  enum { MANY = 64 };
  struct sockaddr_un address = path_address();
  int waiting[MANY];
  dgram_offer_t *offer;
  new_offered(loop, &offer);
  for (int i = 0; i < MANY; i++) { /* the loop does not run */
    waiting[i] = raw_unix();
    assert_int_equal(fcntl(waiting[i], F_SETFL, O_NONBLOCK), 0);
    (void)connect(waiting[i], (struct sockaddr *)&address, sizeof address);
  }
  assert_int_equal(take_at_once(path), UV_EBUSY);
  for (int i = 0; i < MANY; i++)
    close(waiting[i]);
}

TEST("an offer does not keep the loop alive") {
  dgram_offer_t *offer;
  dgram_socket_t *old = new_offered(loop, &offer);
  int idle = raw_successor();
  settle(loop);
  dgram_unref(old);
  assert_int_equal(uv_run(loop, UV_RUN_NOWAIT), 0);
  close(idle);
}

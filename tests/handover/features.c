/*
 * What node:dgram has not, over a hand-over: both servers have the system socket until the first
 * one closes, each with features of its own.
 */
#include "lib/handover_fixture.h"

#include <dgram_access.h>
#include <dgram_peer.h>
#include <dgram_stats.h>

static void count_icmp(dgram_socket_t *socket, const dgram_icmp_t *icmp, void *context) {
  ++*(int *)context;
}

static void lose_one(uv_loop_t *loop, dgram_socket_t *socket) {
  int sent = 0;
  send_text(socket, "lost", raw_closed_port(), count_sent, &sent);
  run_until(loop, &sent, 1);
}

/* ---- 'icmp' ---- */

TEST("a server that was told of ICMP errors leaves no 'error' to the next one, which is not") {
  struct kept_error kept = {0};
  int heard = 0, port;
  dgram_socket_t *old = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_on_icmp(old, count_icmp, &heard), 0);
  dgram_socket_t *next = hand_over(loop, old);
  assert_int_equal(dgram_on_error(next, keep_error, &kept), 0);
  for (int i = 0; i < 3; i++)
    lose_one(loop, next);
  settle(loop);
  assert_int_equal(kept.calls, 0);
  assert_usable(next);
}

/* Nor has the one before an 'error', while both have the socket; its sends reach who they are for.
 */
TEST("a next server that listens to 'icmp' goes on hearing it when the one before has closed") {
  struct taker taker;
  struct kept_error kept = {0};
  dgram_offer_t *offer;
  int heard = 0;
  dgram_socket_t *old = new_offered(loop, &offer);
  assert_int_equal(dgram_on_error(old, keep_error, &kept), 0);
  take_one(loop, &taker);
  dgram_socket_t *next = new_taken(loop, taker.fds[0], NULL, NULL);
  assert_int_equal(dgram_on_icmp(next, count_icmp, &heard), 0);
  lose_one(loop, old);
  lose_one(loop, next);
  confirm(loop, &taker);
  settle(loop);
  assert_int_equal(kept.calls, 0);
  close_socket(old);
  settle(loop);
  heard = 0;
  lose_one(loop, next);
  run_until(loop, &heard, 1);
}

/* ---- pauses ---- */

enum { MANY = 60 };

static void send_many(int port) {
  int sender = raw_socket();
  for (int i = 0; i < MANY; i++)
    raw_send(sender, "x", 1, port);
  close(sender);
}

static void pause_at_tenth(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                           void *context) {
  if (++*(int *)context == 10)
    assert_int_equal(dgram_pause(socket), 0);
}

/* The library has then received more than it has delivered. */
static dgram_socket_t *new_paused(uv_loop_t *loop, int *received) {
  int port;
  dgram_socket_t *socket = new_bound(loop, pause_at_tenth, received, &port);
  send_many(port);
  run_until(loop, received, 10);
  settle(loop);
  assert_int_equal(*received, 10);
  return socket;
}

TEST("nothing is lost of a server that is paused and resumes before it is handed over") {
  int received = 0, later = 0;
  struct taker taker;
  dgram_socket_t *old = new_paused(loop, &received);
  offer_socket(old);
  assert_int_equal(dgram_resume(old), 0);
  take_one(loop, &taker);
  dgram_socket_t *next = new_taken(loop, taker.fds[0], count_message, &later);
  confirm(loop, &taker);
  close_socket(old);
  settle(loop);
  assert_int_equal(received + later, MANY);
  assert_usable(next);
}

/* The next one has it already, but the backlog is still the first one's to deliver. */
TEST("a server that is paused while it is handed over keeps what it has received, and may resume") {
  int received = 0, later = 0;
  struct taker taker;
  dgram_socket_t *old = new_paused(loop, &received);
  offer_socket(old);
  take_one(loop, &taker);
  assert_int_equal(received, 10);
  new_taken(loop, taker.fds[0], count_message, &later);
  confirm(loop, &taker);
  assert_int_equal(dgram_resume(old), 0);
  settle(loop);
  close_socket(old);
  settle(loop);
  assert_int_equal(received + later, MANY);
}

TEST("a next server that begins paused leaves everything to the one before until it resumes") {
  int received = 0, later = 0;
  struct taker taker;
  int port;
  dgram_socket_t *old = new_bound(loop, count_message, &received, &port);
  offer_socket(old);
  take_one(loop, &taker);
  dgram_socket_t *next = new_socket(loop, DGRAM_UDP4, count_message, &later);
  assert_int_equal(dgram_pause(next), 0);
  assert_int_equal(adopt_fd(next, taker.fds[0]), 0);
  send_many(port);
  settle(loop);
  assert_int_equal(received, MANY);
  confirm(loop, &taker);
  close_socket(old);
  send_many(port);
  settle(loop);
  assert_int_equal(later, 0);
  assert_int_equal(dgram_resume(next), 0);
  run_until(loop, &later, MANY);
}

/* ---- options ---- */

TEST("a next server is refused an option that comes too late, and the one before goes on") {
  struct taker taker;
  dgram_offer_t *offer;
  dgram_socket_t *old = new_offered(loop, &offer);
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  const dgram_sockopt_value_t values[] = {{DGRAM_SO_TTL, 33}, {DGRAM_SO_FREEBIND, 1}};
  int64_t ttl = 0;
  options.sockopts = values;
  options.sockopt_count = 2;
  take_one(loop, &taker);
  dgram_socket_t *next = new_with(loop, &options);
  assert_int_equal(adopt_fd(next, taker.fds[0]), UV_EINVAL);
  assert_int_equal(dgram_get_sockopt(old, DGRAM_SO_TTL, &ttl), 0);
  assert_int_not_equal(ttl, 33); /* not even those before it */
  assert_int_equal(dgram_bind_sync(next, 0, "127.0.0.1"), 0);
  give_up(&taker);
  settle(loop);
  assert_usable(old);
  assert_usable(next);
}

TEST("what a next server sets is set for the one before, and stays") {
  struct taker taker;
  dgram_offer_t *offer;
  dgram_socket_t *old = new_offered(loop, &offer);
  int64_t ttl = 0;
  take_one(loop, &taker);
  dgram_socket_t *next = new_taken(loop, taker.fds[0], NULL, NULL);
  assert_int_equal(dgram_set_sockopt(next, DGRAM_SO_TTL, 33), 0);
  assert_int_equal(dgram_get_sockopt(old, DGRAM_SO_TTL, &ttl), 0);
  assert_int_equal(ttl, 33);
  close_socket(next);
  dgram_handover_abandon(taker.takeover);
  settle(loop);
  assert_int_equal(dgram_get_sockopt(old, DGRAM_SO_TTL, &ttl), 0);
  assert_int_equal(ttl, 33);
  assert_usable(old);
}

/* ---- lists ---- */

/* A backlog is delivered when the socket is lent; what the list refuses by then is counted. */
static void block_at_tenth(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                           void *context) {
  dgram_access_list_t *list;
  if (++*(int *)context != 10)
    return;
  assert_int_equal(dgram_access_list_create(&list), 0);
  assert_int_equal(dgram_access_list_add_address(list, "127.0.0.1"), 0);
  assert_int_equal(dgram_set_receive_access(socket, DGRAM_BLOCK, list), 0);
  dgram_access_list_free(list);
  assert_int_equal(dgram_pause(socket), 0);
}

TEST("what an access list refuses of a server's backlog is counted, and goes to no other") {
  int received = 0, later = 0, port;
  struct taker taker;
  dgram_access_counts_t counts = {.struct_size = sizeof counts};
  dgram_socket_t *old = new_bound(loop, block_at_tenth, &received, &port);
  send_many(port);
  run_until(loop, &received, 10);
  assert_int_equal(dgram_resume(old), 0);
  offer_socket(old);
  take_one(loop, &taker);
  settle(loop);
  new_taken(loop, taker.fds[0], count_message, &later);
  confirm(loop, &taker);
  assert_int_equal(dgram_get_access_counts(old, &counts), 0);
  close_socket(old);
  settle(loop);
  assert_int_equal(received, 10);
  assert_int_equal(received + (int)counts.receives_refused + later, MANY);
}

/* ---- peers ---- */

/* It is a system socket of its own: the server that has accepted the peer keeps it. */
TEST("the socket of a peer stays when its server is handed over, and then the peer is the next's") {
  int of_peer = 0, later = 0;
  int peer = raw_socket();
  struct taker taker;
  struct sockaddr_in to = loopback_address(raw_port(peer));
  dgram_socket_t *accepted;
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.reuse_port = 1;
  dgram_socket_t *old = new_with(loop, &options);
  int port = bind_now(old, "127.0.0.1");
  assert_int_equal(dgram_accept_peer(old, (struct sockaddr *)&to, NULL, &accepted), 0);
  assert_int_equal(dgram_on_message(accepted, count_message, &of_peer), 0);
  offer_socket(old);
  take_one(loop, &taker);
  dgram_socket_t *next = new_taken(loop, taker.fds[0], count_message, &later);
  confirm(loop, &taker);
  close_socket(old);
  settle(loop);
  raw_send(peer, "x", 1, port);
  run_until(loop, &of_peer, 1);
  close_socket(accepted);
  settle(loop);
  raw_send(peer, "x", 1, port);
  run_until(loop, &later, 1);
  assert_int_equal(of_peer, 1);
  assert_int_equal(dgram_accept_peer(next, (struct sockaddr *)&to, NULL, &accepted), 0);
  assert_int_equal(dgram_on_message(accepted, count_message, &of_peer), 0);
  raw_send(peer, "x", 1, port);
  run_until(loop, &of_peer, 2);
  close_socket(accepted);
  close(peer);
}

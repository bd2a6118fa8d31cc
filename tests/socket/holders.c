/*
 * Several holders of a system socket, as workers of a cluster or servers of a hand-over are: each
 * has its own listeners, pauses, lists and limits; what one of them does, or that it closes, is
 * nothing that another loses a datagram or gets an error for.
 */
#include "lib/fixture.h"

#include <dgram_access.h>
#include <dgram_peer.h>
#include <dgram_stats.h>

/* A socket over a copy of the descriptor. */
static dgram_socket_t *new_holder(uv_loop_t *loop, int fd, dgram_options_t options,
                                  dgram_message_cb on_message, void *context) {
  dgram_socket_t *socket = new_with(loop, &options);
  if (on_message != NULL)
    assert_int_equal(dgram_on_message(socket, on_message, context), 0);
  assert_int_equal(adopt_fd(socket, dup(fd)), 0);
  return socket;
}

static dgram_options_t plain(void) {
  return dgram_default_options(DGRAM_UDP4);
}

/* ---- 'icmp' ---- */

static void count_icmp(dgram_socket_t *socket, const dgram_icmp_t *icmp, void *context) {
  ++*(int *)context;
}

/* Of the holder, and that it is no send's error. */
static void lose_one(uv_loop_t *loop, dgram_socket_t *socket) {
  int sent = 0;
  send_text(socket, "lost", raw_closed_port(), count_sent, &sent);
  run_until(loop, &sent, 1);
  settle(loop);
}

TEST("a listener of 'icmp' makes no 'error' of another holder's, not even of its own loss") {
  int heard = 0, errors = 0;
  int fd = raw_socket();
  dgram_socket_t *one = new_holder(loop, fd, plain(), NULL, NULL);
  dgram_socket_t *other = new_holder(loop, fd, plain(), NULL, NULL);
  struct kept_error kept = {0};
  assert_int_equal(dgram_on_error(other, keep_error, &kept), 0);
  assert_int_equal(dgram_on_icmp(one, count_icmp, &heard), 0);
  for (int i = 0; i < 10; i++) {
    lose_one(loop, one);
    lose_one(loop, other);
  }
  assert_int_equal(kept.calls, 0);
  dgram_stats_t stats = dgram_default_stats();
  assert_int_equal(dgram_get_stats(other, &stats), 0);
  errors = (int)stats.icmp_errors[0].count;
  assert_in_range(heard, 0, 20);
  assert_in_range(heard + errors, 1, 20); /* each is read by one of them */
  close_socket(one);                      /* which leaves the reports to be read by the other */
  settle(loop);
  lose_one(loop, other);
  assert_int_equal(kept.calls, 0);
  assert_usable(other);
  assert_in_range(turns_in(loop, 50), 0, 40);
  close(fd);
}

TEST("a holder hears 'icmp' though another ceases to listen, or closes") {
  int heard[2] = {0};
  int fd = raw_socket();
  dgram_socket_t *first = new_holder(loop, fd, plain(), NULL, NULL);
  dgram_socket_t *second = new_holder(loop, fd, plain(), NULL, NULL);
  assert_int_equal(dgram_on_icmp(first, count_icmp, &heard[0]), 0);
  assert_int_equal(dgram_on_icmp(second, count_icmp, &heard[1]), 0);
  assert_int_equal(dgram_off_icmp(first, count_icmp, &heard[0]), 0);
  close_socket(first);
  settle(loop);
  lose_one(loop, second);
  run_until(loop, &heard[1], 1);
  assert_int_equal(heard[0], 0);
  close(fd);
}

/* The peer is everybody's, too; whoever has connected the socket is told. */
TEST("an ICMP error of a connected holder is its 'error'") {
  struct kept_error kept = {0};
  int fd = raw_socket();
  dgram_socket_t *socket = new_holder(loop, fd, plain(), NULL, NULL);
  assert_int_equal(dgram_on_error(socket, keep_error, &kept), 0);
  connect_now(socket, raw_closed_port());
  assert_int_equal(dgram_send(socket, "x", 1, 0, NULL, NULL, NULL), 0);
  run_until(loop, &kept.calls, 1);
  assert_string_equal(kept.message, "recvmsg ECONNREFUSED");
  close(fd);
}

/* ---- pauses ---- */

TEST("a holder that is paused leaves everything to another") {
  enum { MANY = 50 };
  int received[2] = {0};
  int fd = raw_socket();
  int sender = raw_socket();
  dgram_socket_t *paused = new_holder(loop, fd, plain(), count_message, &received[0]);
  new_holder(loop, fd, plain(), count_message, &received[1]);
  assert_int_equal(dgram_pause(paused), 0);
  for (int i = 0; i < MANY; i++)
    raw_send(sender, "x", 1, raw_port(fd));
  run_until(loop, &received[1], MANY);
  assert_int_equal(received[0], 0);
  close(sender);
  close(fd);
}

static void pause_each(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                       void *context) {
  ++*(int *)context;
  assert_int_equal(dgram_pause(socket), 0);
}

TEST("what a holder has not received when it pauses and closes is another's") {
  enum { MANY = 50 };
  int received[2] = {0};
  int fd = raw_socket();
  int sender = raw_socket();
  dgram_socket_t *first = new_holder(loop, fd, plain(), pause_each, &received[0]);
  for (int i = 0; i < MANY; i++)
    raw_send(sender, "x", 1, raw_port(fd));
  settle(loop);
  assert_int_equal(received[0], 1);
  close_socket(first);
  new_holder(loop, fd, plain(), count_message, &received[1]);
  run_until(loop, &received[1], MANY - 1);
  settle(loop);
  assert_int_equal(received[1], MANY - 1);
  close(sender);
  close(fd);
}

TEST("a holder without listeners leaves everything, if it is to wait for one") {
  int received = 0;
  int fd = raw_socket();
  int sender = raw_socket();
  dgram_options_t options = plain();
  options.pause_without_listener = 1;
  dgram_socket_t *socket = new_holder(loop, fd, options, NULL, NULL);
  raw_send(sender, "a", 1, raw_port(fd));
  raw_send(sender, "b", 1, raw_port(fd));
  settle(loop);
  assert_int_equal(dgram_once_message(socket, count_message, &received), 0);
  settle(loop);
  assert_int_equal(received, 1);
  assert_string_equal(arrived(fd), "b");
  close(sender);
  close(fd);
}

/* The kernel wakes a paused socket for that, again and again. */
TEST("a paused holder comes to rest though another has shut the system socket down") {
  int received = 0;
  int fd = raw_socket();
  int peer = raw_socket();
  dgram_socket_t *socket = new_holder(loop, fd, plain(), count_message, &received);
  raw_connect(fd, raw_port(peer));
  assert_int_equal(dgram_pause(socket), 0);
  assert_int_equal(shutdown(fd, SHUT_RD), 0);
  turns_in(loop, 300); /* it backs off, more and more */
  assert_in_range(turns_in(loop, 100), 0, 40);
  assert_int_equal(dgram_resume(socket), 0);
  turns_in(loop, 300);
  assert_in_range(turns_in(loop, 100), 0, 40);
  assert_int_equal(received, 0);
  close(peer);
  close(fd);
}

/* ---- the callbacks of sends ---- */

struct closer {
  dgram_socket_t *socket;
  int calls;
};

static void close_when_sent(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                            void *context) {
  ++*(int *)context;
  close_socket(socket);
}

/* Sends on another socket, and flushes: the callback is then due in the middle of the iteration. */
static void send_by_other(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                          void *context) {
  struct closer *closer = context;
  struct sockaddr_in to = loopback_address(rinfo->port);
  uv_buf_t bytes = uv_buf_init((char *)"reply", 5);
  assert_int_equal(dgram_send_to(closer->socket, &bytes, 1, (struct sockaddr *)&to, close_when_sent,
                                 &closer->calls),
                   0);
  assert_int_equal(dgram_fileno(closer->socket) >= 0, 1); /* it leaves, its callback does not run */
}

/*
 * Both sockets are readable in one iteration; whichever comes first, the shared one is closed with
 * a datagram in the system's queue, and that is there for the next holder.
 */
TEST("a holder that is closed by the callback of a send takes no datagram with it") {
  for (int order = 0; order < 2; order++) {
    begin_round(loop);
    struct closer closer = {0};
    int received = 0, later = 0, port;
    int fd = raw_socket();
    int sender = raw_socket();
    dgram_socket_t *trigger = NULL;
    if (order == 0)
      trigger = new_bound(loop, send_by_other, &closer, &port);
    closer.socket = new_holder(loop, fd, plain(), count_message, &received);
    if (order == 1)
      trigger = new_bound(loop, send_by_other, &closer, &port);
    assert_non_null(trigger);
    raw_send(sender, "t", 1, port);
    raw_send(sender, "x", 1, raw_port(fd));
    run_until(loop, &closer.calls, 1);
    settle(loop);
    new_holder(loop, fd, plain(), count_message, &later);
    settle(loop);
    assert_int_equal(received + later, 1);
    close(sender);
    close(fd);
  }
}

/* ---- facts about datagrams ---- */

static void trace_facts(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                        void *context) {
  const dgram_info_t *info = dgram_rinfo_info(rinfo);
  dgram_address_t to;
  if (info == NULL)
    trace("nothing");
  else if ((info->flags & DGRAM_INFO_DESTINATION) != 0 &&
           dgram_sockaddr_describe(info->destination, &to) == 0)
    trace("%s", to.address);
  else
    trace("unknown");
}

TEST("a holder is told what it has asked for, and another that has not is told nothing") {
  int fd = raw_socket();
  int sender = raw_socket();
  dgram_options_t curious = plain();
  curious.receive_info = DGRAM_INFO_ALL;
  dgram_socket_t *one = new_holder(loop, fd, curious, trace_facts, NULL);
  dgram_socket_t *other = new_holder(loop, fd, plain(), trace_facts, NULL);
  for (int i = 0; i < 3; i++) {
    assert_int_equal(dgram_pause(i % 2 == 0 ? other : one), 0);
    assert_int_equal(dgram_resume(i % 2 == 0 ? one : other), 0);
    raw_send(sender, "x", 1, raw_port(fd));
    settle(loop);
  }
  assert_trace("127.0.0.1 nothing 127.0.0.1");
  close(sender);
  close(fd);
}

static void reply(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                  void *context) {
  uv_buf_t bytes = uv_buf_init((char *)message, (unsigned)rinfo->size);
  *(int *)context = dgram_reply(socket, rinfo, &bytes, 1, NULL, NULL);
}

/* Bound to all addresses; what is queued by then has no destination, nor has a holder that asks for
 * none. */
TEST("a holder that asks for no destination is refused an answer, and one that does answers") {
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  struct sockaddr_in any = {.sin_family = AF_INET};
  int sender = raw_socket();
  int of_plain = 1, of_curious = 1;
  assert_int_equal(bind(fd, (struct sockaddr *)&any, sizeof any), 0);
  dgram_options_t curious = plain();
  curious.receive_info = DGRAM_INFO_DESTINATION;
  dgram_socket_t *one = new_holder(loop, fd, curious, reply, &of_curious);
  dgram_socket_t *other = new_holder(loop, fd, plain(), reply, &of_plain);
  assert_int_equal(dgram_pause(one), 0);
  raw_send(sender, "refused", 7, raw_port(fd));
  settle(loop);
  assert_int_equal(of_plain, UV_EINVAL);
  assert_int_equal(dgram_resume(one), 0);
  assert_int_equal(dgram_pause(other), 0);
  raw_send(sender, "answered", 8, raw_port(fd));
  settle(loop);
  assert_int_equal(of_curious, 0);
  assert_string_equal(arrived(sender), "answered");
  close(sender);
  close(fd);
}

/* ---- lists, limits, peers ---- */

TEST("an access list is one holder's, and counts what it takes from the others") {
  int received = 0;
  int fd = raw_socket();
  int sender = raw_socket();
  dgram_access_list_t *list;
  dgram_access_counts_t counts = {.struct_size = sizeof counts};
  assert_int_equal(dgram_access_list_create(&list), 0);
  assert_int_equal(dgram_access_list_add_address(list, "127.0.0.1"), 0);
  dgram_socket_t *strict = new_holder(loop, fd, plain(), count_message, &received);
  dgram_socket_t *other = new_holder(loop, fd, plain(), count_message, &received);
  assert_int_equal(dgram_set_receive_access(strict, DGRAM_BLOCK, list), 0);
  dgram_access_list_free(list);
  assert_int_equal(dgram_pause(other), 0);
  raw_send(sender, "x", 1, raw_port(fd));
  settle(loop);
  assert_int_equal(received, 0);
  assert_int_equal(dgram_get_access_counts(strict, &counts), 0);
  assert_int_equal(counts.receives_refused, 1);
  assert_int_equal(dgram_pause(strict), 0);
  assert_int_equal(dgram_resume(other), 0);
  raw_send(sender, "y", 1, raw_port(fd));
  run_until(loop, &received, 1);
  close(sender);
  close(fd);
}

TEST(
    "a holder of a port that is not shared by SO_REUSEPORT accepts no peer, and one that is does") {
  dgram_socket_t *accepted;
  int received = 0;
  int peer = raw_socket();
  struct sockaddr_in to = loopback_address(raw_port(peer));
  int fd = raw_socket();
  dgram_options_t options = plain();
  options.reuse_port = 1;
  dgram_socket_t *holder = new_holder(loop, fd, options, NULL, NULL);
  assert_int_equal(dgram_accept_peer(holder, (struct sockaddr *)&to, NULL, &accepted), UV_EINVAL);
  assert_null(accepted);
  close(fd);

  dgram_socket_t *server = new_with(loop, &options);
  int port = bind_now(server, "127.0.0.1");
  dgram_socket_t *successor = new_holder(loop, dgram_fileno(server), plain(), NULL, NULL);
  close_socket(server);
  assert_int_equal(dgram_accept_peer(successor, (struct sockaddr *)&to, NULL, &accepted), 0);
  assert_int_equal(dgram_on_message(accepted, count_message, &received), 0);
  raw_send(peer, "x", 1, port);
  run_until(loop, &received, 1);
  close_socket(accepted);
  close(peer);
}

/*
 * What comes between the bind and the connect of an accepted peer's socket: the system may give it
 * to that socket, whoever has sent it. It is handed to the server, behind what had come before; and
 * so is what is queued even later, since the system had chosen the socket before.
 */
#include "internal.h"

#include "lib/fixture.h"
#include "lib/wrap.h"

#include <dgram_peer.h>
#include <dgram_stats.h>

#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

static void (*in_window)(
    void); /* called once, before connect(2) of a socket of the server's port */
static int window_fd;
static bool asking_fails; /* connect(2) of any other socket */
static int shared_asking; /* SO_REUSEPORT of such a socket */
static int server_port, peer, stranger;

static struct sockaddr_in name_of(int fd) {
  struct sockaddr_in name;
  socklen_t length = sizeof name;
  assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &length), 0);
  return name;
}

/* NOLINTBEGIN(bugprone-reserved-identifier): the linker wants these names */
WRAP(int, connect, (int fd, const struct sockaddr *to, socklen_t length)) {
  if (ntohs(name_of(fd).sin_port) != server_port) {
    socklen_t size = sizeof shared_asking;
    assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &shared_asking, &size), 0);
    if (asking_fails) {
      errno = ENOBUFS;
      return -1;
    }
  } else if (in_window != NULL) {
    void (*run)(void) = in_window;
    in_window = NULL;
    window_fd = fd;
    run();
  }
  return __real_connect(fd, to, length);
}
/* NOLINTEND(bugprone-reserved-identifier) */

/* The next one is sent by the peer. */
static void send_texts(const char *from_stranger, const char *from_peer) {
  if (from_stranger != NULL)
    raw_send(stranger, from_stranger, strlen(from_stranger), server_port);
  if (from_peer != NULL)
    raw_send(peer, from_peer, strlen(from_peer), server_port);
}

static dgram_socket_t *open_server(uv_loop_t *loop) {
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.reuse_port = 1;
  dgram_socket_t *server = new_with(loop, &options);
  assert_int_equal(dgram_on_message(server, trace_message, "server"), 0);
  server_port = bind_now(server, NULL);
  peer = raw_socket();
  stranger = raw_socket();
  return server;
}

/* On the address to which all is sent: then the system gives everything to the new socket. */
static int accept_peer(dgram_socket_t *server, dgram_socket_t **accepted) {
  struct sockaddr_in from = name_of(peer);
  dgram_accept_options_t options = dgram_default_accept_options();
  options.local = (struct sockaddr *)&from;
  int err = dgram_accept_peer(server, (struct sockaddr *)&from, &options, accepted);
  return err != 0 ? err : dgram_on_message(*accepted, trace_message, "peer");
}

static void close_raw(void) {
  close(peer);
  close(stranger);
}

static void send_one(void) {
  send_texts("b", "B");
}

static void send_both(void) {
  send_texts("b", "B");
  send_texts("c", "C");
}

TEST("what comes to a peer's socket before it is connected goes to whom it is for, in order") {
  dgram_socket_t *accepted;
  dgram_socket_t *server = open_server(loop);
  send_texts("a", NULL);
  in_window = send_both;
  assert_int_equal(accept_peer(server, &accepted), 0);
  send_texts("d", "D");
  assert_trace("");
  run_until_trace(loop, "server(a) server(b) server(c) peer(B) peer(C) server(d) peer(D)");
  close_socket(accepted);
  close_raw();
}

/* The server's backlog is copied for each call: one for each datagram would take long. */
TEST("what the system has queued for the server is fetched by few calls") {
  enum { QUEUED = 200 };
  dgram_socket_t *accepted;
  dgram_socket_t *server = open_server(loop);
  int received = 0;
  assert_int_equal(dgram_on_message(server, count_message, &received), 0);
  for (int i = 0; i < QUEUED; i++)
    send_texts("a", NULL);
  in_window = send_one;
  assert_int_equal(accept_peer(server, &accepted), 0);
  dgram_stats_t stats = dgram_default_stats();
  assert_int_equal(dgram_get_stats(server, &stats), 0);
  assert_int_equal(stats.datagrams_in, QUEUED);
  assert_in_range(stats.receive_calls, 1, QUEUED / 10);
  run_until(loop, &received, QUEUED + 1);
  settle(loop);
  trace_clear();
  close_socket(accepted);
  close_raw();
}

static void on_first(dgram_socket_t *server, const char *message, const dgram_rinfo_t *rinfo,
                     void *context) {
  in_window = send_both;
  trace("first");
  assert_int_equal(dgram_off_message(server, on_first, context), 0);
  assert_int_equal(accept_peer(server, context), 0);
}

/* The batch that is being delivered lies in the loop's buffers. */
TEST("it comes behind the batch in whose delivery the peer is accepted") {
  dgram_socket_t *accepted;
  dgram_socket_t *server = open_server(loop);
  assert_int_equal(dgram_on_message(server, on_first, &accepted), 0);
  assert_int_equal(dgram_set_receive_budget(server, 2), 0);
  for (int i = 0; i < 4; i++)
    send_texts((const char *[]){"1", "2", "3", "4"}[i], NULL);
  run_until_trace(loop, "server(1) first server(2) server(3) server(4) peer(B) peer(C) "
                        "server(b) server(c)");
  close_socket(accepted);
  close_raw();
}

TEST("a socket that is closed before 'listening' has left to the server what is the server's") {
  dgram_socket_t *accepted;
  dgram_socket_t *server = open_server(loop);
  in_window = send_one;
  assert_int_equal(accept_peer(server, &accepted), 0);
  close_socket(accepted);
  settle(loop);
  assert_trace("server(b)");
  close_raw();
}

TEST("a server that closes has left nothing to be handed to it") {
  dgram_socket_t *accepted;
  dgram_socket_t *server = open_server(loop);
  in_window = send_one;
  assert_int_equal(accept_peer(server, &accepted), 0);
  close_socket(server);
  settle(loop);
  assert_trace("peer(B)");
  send_texts(NULL, "D");
  settle(loop);
  assert_trace("peer(D)");
  close_socket(accepted);
  close_raw();
}

/* A connect to the stranger, and back, lets the system queue what the library takes for late. */
TEST("what is queued after the connect, since the socket was chosen before, goes to the server") {
  dgram_socket_t *accepted;
  dgram_socket_t *server = open_server(loop);
  struct sockaddr_in names[2] = {name_of(stranger), name_of(peer)};
  assert_int_equal(accept_peer(server, &accepted), 0);
  int fd = dgram_fileno(accepted);
  settle(loop);
  assert_int_equal(__real_connect(fd, (struct sockaddr *)&names[0], sizeof names[0]), 0);
  send_texts("b", NULL);
  assert_int_equal(__real_connect(fd, (struct sockaddr *)&names[1], sizeof names[1]), 0);
  send_texts(NULL, "C");
  run_until_trace(loop, "peer(C) server(b)");
  close_socket(accepted);
  close_raw();
}

static in_addr_t window_address;

static void note_address(void) {
  window_address = name_of(window_fd).sin_addr.s_addr;
  send_one();
}

static int accept_at_any(dgram_socket_t *server, dgram_socket_t **accepted) {
  struct sockaddr_in from = name_of(peer);
  int err = dgram_accept_peer(server, (struct sockaddr *)&from, NULL, accepted);
  return err != 0 ? err : dgram_on_message(*accepted, trace_message, "peer");
}

/* Else connect(2) moves it in the kernel's table, and look-ups that are at it miss the server. */
TEST("the socket has its address before it is connected, asked with a port that is not shared") {
  dgram_socket_t *accepted;
  dgram_socket_t *server = open_server(loop);
  in_window = note_address;
  shared_asking = -1;
  assert_int_equal(accept_at_any(server, &accepted), 0);
  assert_int_equal(window_address, htonl(INADDR_LOOPBACK));
  assert_int_equal(shared_asking, 0);
  run_until_trace(loop, "server(b) peer(B)");
  close_socket(accepted);
  close_raw();
}

TEST("a peer is accepted if the system cannot be asked for the address") {
  dgram_socket_t *accepted;
  dgram_socket_t *server = open_server(loop);
  in_window = note_address;
  asking_fails = true;
  assert_int_equal(accept_at_any(server, &accepted), 0);
  asking_fails = false;
  assert_int_equal(window_address, htonl(INADDR_ANY));
  settle(loop);
  trace_clear();
  send_texts("d", "D");
  run_until_trace(loop, "server(d) peer(D)");
  close_socket(accepted);
  close_raw();
}

TEST("a new socket has the server's limits of times") {
  dgram_socket_t *accepted;
  dgram_socket_t *server = open_server(loop);
  assert_int_equal(dgram_set_send_timeout(server, 7), 0);
  assert_int_equal(dgram_set_lookup_timeout(server, 8), 0);
  assert_int_equal(dgram_set_receive_budget(server, 9), 0);
  assert_int_equal(accept_peer(server, &accepted), 0);
  assert_int_equal(accepted->extras->time_limits.send_ms, 7);
  assert_int_equal(accepted->extras->time_limits.lookup_ms, 8);
  assert_int_equal(accepted->rx.budget, 9);
  close_socket(accepted);
  close_raw();
}

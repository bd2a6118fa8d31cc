/* A connected socket receives from its peer only, also what had arrived before the connect. */
#include "lib/fixture.h"
#include "lib/lookup_stub.h"
#include "lib/task_list.h"

struct fixture {
  uv_loop_t *loop;
  int peer;
  int stranger;
  int port;
  dgram_socket_t *socket;
};

static struct fixture open_fixture(uv_loop_t *loop) {
  struct fixture fixture = {.loop = loop, .peer = raw_socket(), .stranger = raw_socket()};
  fixture.socket = new_bound(fixture.loop, trace_message, "got", &fixture.port);
  return fixture;
}

static void close_fixture(struct fixture *fixture) {
  close(fixture->peer);
  close(fixture->stranger);
  close_socket(fixture->socket);
  run_to_end(fixture->loop);
}

TEST("a connected socket does not receive what others send") {
  struct fixture fixture = open_fixture(loop);
  connect_now(fixture.socket, raw_port(fixture.peer));
  raw_send(fixture.stranger, "stranger", 8, fixture.port);
  raw_send(fixture.peer, "peer", 4, fixture.port);
  settle(fixture.loop);
  assert_trace("got(peer)");
  close_fixture(&fixture);
}

/* It arrives before the loop has its turn to connect; the kernel has queued it then. */
TEST("a connected socket does not receive what others sent before") {
  struct fixture fixture = open_fixture(loop);
  raw_send(fixture.stranger, "early", 5, fixture.port);
  raw_send(fixture.peer, "mine", 4, fixture.port);
  raw_send(fixture.stranger, "late", 4, fixture.port);
  connect_now(fixture.socket, raw_port(fixture.peer));
  settle(fixture.loop);
  assert_trace("got(mine)");
  close_fixture(&fixture);
}

/* The same address but another port, or the same port but another address, is another peer. */
TEST("a connected socket compares address and port of the sender") {
  struct fixture fixture = open_fixture(loop);
  struct sockaddr_in other = loopback_address(raw_port(fixture.peer));
  other.sin_addr.s_addr = inet_addr("127.0.0.2");
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  assert_int_equal(bind(fd, (struct sockaddr *)&other, sizeof other), 0);
  raw_send(fd, "other", 5, fixture.port);
  raw_send(fixture.peer, "peer", 4, fixture.port);
  connect_now(fixture.socket, raw_port(fixture.peer));
  settle(fixture.loop);
  assert_trace("got(peer)");
  close(fd);
  close_fixture(&fixture);
}

TEST("a socket receives from all until it is connected") {
  struct fixture fixture = open_fixture(loop);
  struct lookup_stub stub = {0};
  close_socket(fixture.socket);
  fixture.socket = new_bound_with_lookup(fixture.loop, &stub);
  assert_int_equal(dgram_on_message(fixture.socket, trace_message, "got"), 0);
  assert_int_equal(dgram_connect(fixture.socket, raw_port(fixture.peer), "peer", NULL, NULL), 0);
  raw_send(fixture.stranger, "stranger", 8, port_of(fixture.socket));
  settle(fixture.loop);
  lookup_stub_answer(&stub, 0, 0, "127.0.0.1");
  settle(fixture.loop);
  assert_trace("ask(peer) got(stranger)");
  close_fixture(&fixture);
}

static void connect_to_the_sender(dgram_socket_t *socket, const char *message,
                                  const dgram_rinfo_t *rinfo, void *context) {
  assert_int_equal(dgram_connect(socket, rinfo->port, NULL, NULL, NULL), 0);
}

TEST("a server may connect to its first client") {
  struct fixture fixture = open_fixture(loop);
  assert_int_equal(dgram_once_message(fixture.socket, connect_to_the_sender, NULL), 0);
  raw_send(fixture.peer, "first", 5, fixture.port);
  settle(fixture.loop);
  raw_send(fixture.stranger, "stranger", 8, fixture.port);
  raw_send(fixture.peer, "second", 6, fixture.port);
  settle(fixture.loop);
  assert_trace("got(first) got(second)");
  close_fixture(&fixture);
}

static void connect_to_the_peer(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                                void *context) {
  const struct fixture *fixture = context;
  assert_null(error);
  assert_int_equal(dgram_connect_sync(socket, raw_port(fixture->peer), NULL), 0);
  trace("connected");
}

/* Hands a send to the kernel; the task that would call its callback is deferred. */
static void send_to_the_peer(struct fixture *fixture) {
  assert_int_equal(dgram_send(fixture->socket, "x", 1, raw_port(fixture->peer), NULL,
                              connect_to_the_peer, fixture),
                   0);
  assert_true(dgram_fileno(fixture->socket) >= 0);
}

static struct fixture open_deferring_fixture(uv_loop_t *loop, struct task_list *tasks) {
  struct fixture fixture = open_fixture(loop);
  close_socket(fixture.socket);
  dgram_options_t options = task_list_options(tasks);
  options.receive_budget = 1;
  fixture.socket = new_with(fixture.loop, &options);
  assert_int_equal(dgram_bind_sync(fixture.socket, 0, "127.0.0.1"), 0);
  task_list_run_all(tasks);
  fixture.port = port_of(fixture.socket);
  return fixture;
}

static void close_deferring_fixture(struct fixture *fixture, struct task_list *tasks) {
  settle(fixture->loop);
  close_socket(fixture->socket);
  task_list_run_all(tasks);
  close(fixture->peer);
  close(fixture->stranger);
  run_to_end(fixture->loop);
}

/* A send's callback runs between the receive call and the 'message'. */
TEST("the callback of a send may connect before what was received is emitted") {
  struct task_list tasks = {0};
  struct fixture fixture = open_deferring_fixture(loop, &tasks);
  assert_int_equal(dgram_on_message(fixture.socket, trace_message, "got"), 0);
  send_to_the_peer(&fixture);
  raw_send(fixture.stranger, "stranger", 8, fixture.port);
  settle(fixture.loop);
  assert_trace("connected");
  close_deferring_fixture(&fixture, &tasks);
}

TEST("a connected socket skips more than a batch of strangers") {
  enum { SENT = 150 };
  struct fixture fixture = open_fixture(loop);
  for (int i = 0; i < SENT; i++)
    raw_send(fixture.stranger, "x", 1, fixture.port);
  raw_send(fixture.peer, "peer", 4, fixture.port);
  connect_now(fixture.socket, raw_port(fixture.peer));
  settle(fixture.loop);
  assert_trace("got(peer)");
  close_fixture(&fixture);
}

/* What the kernel merged in one buffer (GRO) has one sender. */
TEST("a connected socket receives the bursts of its peer") {
  enum { SENT = 100 };
  struct fixture fixture = open_fixture(loop);
  int received = 0;
  int port;
  dgram_socket_t *sender = new_bound(fixture.loop, NULL, NULL, &port);
  connect_now(fixture.socket, port);
  assert_int_equal(dgram_off_message(fixture.socket, trace_message, "got"), 0);
  assert_int_equal(dgram_on_message(fixture.socket, count_message, &received), 0);
  for (int i = 0; i < SENT; i++)
    send_text(sender, "x", fixture.port, NULL, NULL);
  run_until(fixture.loop, &received, SENT);
  close_socket(sender);
  close_fixture(&fixture);
}

TEST("a connected dual-stack socket receives from its mapped peer") {
  skip_without_ipv6();
  struct fixture fixture = open_fixture(loop);
  int connected = 0;
  close_socket(fixture.socket);
  fixture.socket = new_socket(fixture.loop, DGRAM_UDP6, trace_message, "got");
  fixture.port = bind_now(fixture.socket, NULL);
  raw_send(fixture.stranger, "stranger", 8, fixture.port);
  raw_send(fixture.peer, "peer", 4, fixture.port);
  assert_int_equal(dgram_connect(fixture.socket, raw_port(fixture.peer), "::ffff:127.0.0.1",
                                 count_connect, &connected),
                   0);
  run_until(fixture.loop, &connected, 1);
  settle(fixture.loop);
  assert_trace("got(peer)");
  close_fixture(&fixture);
}

/* ---- a listener that connects, in the middle of what was received together ---- */

#ifdef __linux__
#include <netinet/udp.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

static void send_joined(int fd, const char *text, int port) {
  assert_true(raw_send_joined(fd, text, strlen(text), 1, port));
}

static int peer_port;

static void connect_at_first(dgram_socket_t *socket, const char *message,
                             const dgram_rinfo_t *rinfo, void *context) {
  trace_message(socket, message, rinfo, context);
  if (dgram_connect_state(socket) == DGRAM_DISCONNECTED)
    assert_int_equal(dgram_connect_sync(socket, peer_port, "127.0.0.1"), 0);
}

static void connect_at_once(dgram_socket_t *socket, const dgram_message_t *const messages[],
                            size_t count, void *context) {
  trace("%zu", count);
  if (dgram_connect_state(socket) == DGRAM_DISCONNECTED)
    assert_int_equal(dgram_connect_sync(socket, peer_port, "127.0.0.1"), 0);
}

static int joins(void) {
  int on = 1;
  int fd = raw_socket();
  int result = setsockopt(fd, IPPROTO_UDP, UDP_GRO, &on, sizeof on);
  close(fd);
  return result == 0;
}

#define skip_without_joining()                                         \
  do {                                                                 \
    if (!joins()) {                                                    \
      print_message("skipped: this system does not join datagrams\n"); \
      skip();                                                          \
    }                                                                  \
  } while (0)

static struct fixture open_joining_fixture(uv_loop_t *loop) {
  int on = 1;
  struct fixture fixture = {.loop = loop, .peer = raw_socket(), .stranger = raw_socket()};
  fixture.socket = new_bound(fixture.loop, NULL, NULL, &fixture.port);
  peer_port = raw_port(fixture.peer);
  assert_int_equal(setsockopt(dgram_fileno(fixture.socket), IPPROTO_UDP, UDP_GRO, &on, sizeof on),
                   0);
  return fixture;
}

TEST("a connect in a message drops the rest of a joined buffer") {
  skip_without_joining();
  struct fixture fixture = open_joining_fixture(loop);
  assert_int_equal(dgram_on_message(fixture.socket, connect_at_first, "got"), 0);
  send_joined(fixture.stranger, "1234", fixture.port);
  raw_send(fixture.stranger, "other", 5, fixture.port);
  raw_send(fixture.peer, "mine", 4, fixture.port);
  settle(fixture.loop);
  assert_trace("got(1) got(mine)");
  close_fixture(&fixture);
}

/* 'messages' has emitted them by then; 'message' follows it. */
TEST("a connect in messages drops the rest of a joined buffer") {
  skip_without_joining();
  struct fixture fixture = open_joining_fixture(loop);
  assert_int_equal(dgram_on_messages(fixture.socket, connect_at_once, NULL), 0);
  assert_int_equal(dgram_on_message(fixture.socket, trace_message, "got"), 0);
  send_joined(fixture.stranger, "12", fixture.port);
  raw_send(fixture.peer, "mine", 4, fixture.port);
  settle(fixture.loop);
  assert_trace("3 got(mine)");
  close_fixture(&fixture);
}

TEST("a connect in a message keeps what the peer sent in a joined buffer") {
  skip_without_joining();
  struct fixture fixture = open_joining_fixture(loop);
  assert_int_equal(dgram_on_message(fixture.socket, connect_at_first, "got"), 0);
  send_joined(fixture.peer, "1234", fixture.port);
  settle(fixture.loop);
  assert_trace("got(1) got(2) got(3) got(4)");
  close_fixture(&fixture);
}

static void trace_and_send(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                           void *context) {
  trace_message(socket, message, rinfo, "got");
  send_to_the_peer(context);
}

/* What is joined is read at once, and with this budget emitted over several iterations. */
TEST("the callback of a send may connect before the rest of a joined buffer is emitted") {
  struct task_list tasks = {0};
  struct fixture fixture = open_deferring_fixture(loop, &tasks);
  int segment = 1;
  assert_int_equal(dgram_once_message(fixture.socket, trace_and_send, &fixture), 0);
  assert_int_equal(dgram_on_message(fixture.socket, trace_message, "other"), 0);
  assert_int_equal(setsockopt(fixture.stranger, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof segment),
                   0);
  raw_send(fixture.stranger, "abc", 3, fixture.port);
  settle(fixture.loop);
  assert_trace("got(a) other(a) connected");
  close_deferring_fixture(&fixture, &tasks);
}
#else
TEST("the callback of a send may connect before the rest of a joined buffer is emitted") {
  skip();
}
TEST("a connect in a message drops the rest of a joined buffer") {
  skip();
}
TEST("a connect in messages drops the rest of a joined buffer") {
  skip();
}
TEST("a connect in a message keeps what the peer sent in a joined buffer") {
  skip();
}
#endif

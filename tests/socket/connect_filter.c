/* A connected socket receives from its peer only, also what had arrived before the connect. */
#include "lib/fixture.h"
#include "lib/lookup_stub.h"
#include "lib/task_list.h"

struct scene {
  uv_loop_t *loop;
  int peer;
  int stranger;
  int port;
  dgram_socket_t *socket;
};

static struct scene open_scene(uv_loop_t *loop) {
  struct scene scene = {.loop = loop, .peer = raw_socket(), .stranger = raw_socket()};
  scene.socket = new_bound(scene.loop, trace_message, "got", &scene.port);
  return scene;
}

static void close_scene(struct scene *scene) {
  close(scene->peer);
  close(scene->stranger);
  close_socket(scene->socket);
  run_to_end(scene->loop);
}

TEST("what others send after it is not received") {
  struct scene scene = open_scene(loop);
  connect_now(scene.socket, raw_port(scene.peer));
  raw_send(scene.stranger, "stranger", 8, scene.port);
  raw_send(scene.peer, "peer", 4, scene.port);
  settle(scene.loop);
  assert_trace("got(peer)");
  close_scene(&scene);
}

/* It arrives before the loop has its turn to connect; the kernel has queued it then. */
TEST("what others sent before it is not received") {
  struct scene scene = open_scene(loop);
  raw_send(scene.stranger, "early", 5, scene.port);
  raw_send(scene.peer, "mine", 4, scene.port);
  raw_send(scene.stranger, "late", 4, scene.port);
  connect_now(scene.socket, raw_port(scene.peer));
  settle(scene.loop);
  assert_trace("got(mine)");
  close_scene(&scene);
}

/* The same address but another port, or the same port but another address, is another peer. */
TEST("the whole address counts") {
  struct scene scene = open_scene(loop);
  struct sockaddr_in other = loopback_address(raw_port(scene.peer));
  other.sin_addr.s_addr = inet_addr("127.0.0.2");
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  assert_int_equal(bind(fd, (struct sockaddr *)&other, sizeof other), 0);
  raw_send(fd, "other", 5, scene.port);
  raw_send(scene.peer, "peer", 4, scene.port);
  connect_now(scene.socket, raw_port(scene.peer));
  settle(scene.loop);
  assert_trace("got(peer)");
  close(fd);
  close_scene(&scene);
}

TEST("until it is connected all are received") {
  struct scene scene = open_scene(loop);
  struct lookup_stub stub = {0};
  close_socket(scene.socket);
  scene.socket = new_bound_with_lookup(scene.loop, &stub);
  assert_int_equal(dgram_on_message(scene.socket, trace_message, "got"), 0);
  assert_int_equal(dgram_connect(scene.socket, raw_port(scene.peer), "peer", NULL, NULL), 0);
  raw_send(scene.stranger, "stranger", 8, port_of(scene.socket));
  settle(scene.loop);
  lookup_stub_answer(&stub, 0, 0, "127.0.0.1");
  settle(scene.loop);
  assert_trace("ask(peer) got(stranger)");
  close_scene(&scene);
}

static void connect_to_the_sender(dgram_socket_t *socket, const char *message,
                                  const dgram_rinfo_t *rinfo, void *context) {
  assert_int_equal(dgram_connect(socket, rinfo->port, NULL, NULL, NULL), 0);
}

TEST("a server may connect to its first client") {
  struct scene scene = open_scene(loop);
  assert_int_equal(dgram_once_message(scene.socket, connect_to_the_sender, NULL), 0);
  raw_send(scene.peer, "first", 5, scene.port);
  settle(scene.loop);
  raw_send(scene.stranger, "stranger", 8, scene.port);
  raw_send(scene.peer, "second", 6, scene.port);
  settle(scene.loop);
  assert_trace("got(first) got(second)");
  close_scene(&scene);
}

static void connect_to_the_peer(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                                void *context) {
  const struct scene *scene = context;
  assert_null(error);
  assert_int_equal(dgram_connect_sync(socket, raw_port(scene->peer), NULL), 0);
  trace("connected");
}

/* Hands a send to the system; the task that would tell its end is the program's, and waits. */
static void send_to_the_peer(struct scene *scene) {
  assert_int_equal(
      dgram_send(scene->socket, "x", 1, raw_port(scene->peer), NULL, connect_to_the_peer, scene),
      0);
  assert_true(dgram_fileno(scene->socket) >= 0);
}

static struct scene open_deferring_scene(uv_loop_t *loop, struct task_list *tasks) {
  struct scene scene = open_scene(loop);
  close_socket(scene.socket);
  dgram_options_t options = task_list_options(tasks);
  options.receive_budget = 1;
  scene.socket = new_with(scene.loop, &options);
  assert_int_equal(dgram_bind_sync(scene.socket, 0, "127.0.0.1"), 0);
  task_list_run_all(tasks);
  scene.port = port_of(scene.socket);
  return scene;
}

static void close_deferring_scene(struct scene *scene, struct task_list *tasks) {
  settle(scene->loop);
  close_socket(scene->socket);
  task_list_run_all(tasks);
  close(scene->peer);
  close(scene->stranger);
  run_to_end(scene->loop);
}

/* A send's callback runs between the receive call and the 'message'. */
TEST("a sends callback may connect before what was received is told") {
  struct task_list tasks = {0};
  struct scene scene = open_deferring_scene(loop, &tasks);
  assert_int_equal(dgram_on_message(scene.socket, trace_message, "got"), 0);
  send_to_the_peer(&scene);
  raw_send(scene.stranger, "stranger", 8, scene.port);
  settle(scene.loop);
  assert_trace("connected");
  close_deferring_scene(&scene, &tasks);
}

TEST("more than a batch of strangers is skipped") {
  enum { SENT = 150 };
  struct scene scene = open_scene(loop);
  for (int i = 0; i < SENT; i++)
    raw_send(scene.stranger, "x", 1, scene.port);
  raw_send(scene.peer, "peer", 4, scene.port);
  connect_now(scene.socket, raw_port(scene.peer));
  settle(scene.loop);
  assert_trace("got(peer)");
  close_scene(&scene);
}

/* What the kernel merged in one buffer (GRO) has one sender. */
TEST("the peers own bursts are received") {
  enum { SENT = 100 };
  struct scene scene = open_scene(loop);
  int received = 0;
  int port;
  dgram_socket_t *sender = new_bound(scene.loop, NULL, NULL, &port);
  connect_now(scene.socket, port);
  assert_int_equal(dgram_off_message(scene.socket, trace_message, "got"), 0);
  assert_int_equal(dgram_on_message(scene.socket, count_message, &received), 0);
  for (int i = 0; i < SENT; i++)
    send_text(sender, "x", scene.port, NULL, NULL);
  run_until(scene.loop, &received, SENT);
  close_socket(sender);
  close_scene(&scene);
}

TEST("a dual stack socket knows a mapped peer") {
  skip_without_ipv6();
  struct scene scene = open_scene(loop);
  int connected = 0;
  close_socket(scene.socket);
  scene.socket = new_socket(scene.loop, DGRAM_UDP6, trace_message, "got");
  scene.port = bind_now(scene.socket, NULL);
  raw_send(scene.stranger, "stranger", 8, scene.port);
  raw_send(scene.peer, "peer", 4, scene.port);
  assert_int_equal(dgram_connect(scene.socket, raw_port(scene.peer), "::ffff:127.0.0.1",
                                 count_connect, &connected),
                   0);
  run_until(scene.loop, &connected, 1);
  settle(scene.loop);
  assert_trace("got(peer)");
  close_scene(&scene);
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

/* One segmented send: on a socket with UDP_GRO it arrives as one buffer. */
static void raw_send_joined(int fd, const char *text, int port) {
  struct sockaddr_in to = loopback_address(port);
  int segment = 1;
  assert_int_equal(setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof segment), 0);
  assert_int_equal(sendto(fd, text, strlen(text), 0, (struct sockaddr *)&to, sizeof to),
                   strlen(text));
  segment = 0;
  assert_int_equal(setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof segment), 0);
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

static struct scene open_joining_scene(uv_loop_t *loop) {
  int on = 1;
  struct scene scene = {.loop = loop, .peer = raw_socket(), .stranger = raw_socket()};
  scene.socket = new_bound(scene.loop, NULL, NULL, &scene.port);
  peer_port = raw_port(scene.peer);
  assert_int_equal(setsockopt(dgram_fileno(scene.socket), IPPROTO_UDP, UDP_GRO, &on, sizeof on), 0);
  return scene;
}

TEST("the rest of a joined buffer is dropped") {
  skip_without_joining();
  struct scene scene = open_joining_scene(loop);
  assert_int_equal(dgram_on_message(scene.socket, connect_at_first, "got"), 0);
  raw_send_joined(scene.stranger, "1234", scene.port);
  raw_send(scene.stranger, "other", 5, scene.port);
  raw_send(scene.peer, "mine", 4, scene.port);
  settle(scene.loop);
  assert_trace("got(1) got(mine)");
  close_scene(&scene);
}

/* 'messages' has told them by then; 'message' follows it. */
TEST("so it is when a listener of messages connects") {
  skip_without_joining();
  struct scene scene = open_joining_scene(loop);
  assert_int_equal(dgram_on_messages(scene.socket, connect_at_once, NULL), 0);
  assert_int_equal(dgram_on_message(scene.socket, trace_message, "got"), 0);
  raw_send_joined(scene.stranger, "12", scene.port);
  raw_send(scene.peer, "mine", 4, scene.port);
  settle(scene.loop);
  assert_trace("3 got(mine)");
  close_scene(&scene);
}

TEST("what the peer sent in it is told") {
  skip_without_joining();
  struct scene scene = open_joining_scene(loop);
  assert_int_equal(dgram_on_message(scene.socket, connect_at_first, "got"), 0);
  raw_send_joined(scene.peer, "1234", scene.port);
  settle(scene.loop);
  assert_trace("got(1) got(2) got(3) got(4)");
  close_scene(&scene);
}

static void trace_and_send(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                           void *context) {
  trace_message(socket, message, rinfo, "got");
  send_to_the_peer(context);
}

/* What is joined comes at once, and with this budget is told in turns. */
TEST("so it may before the rest is told") {
  struct task_list tasks = {0};
  struct scene scene = open_deferring_scene(loop, &tasks);
  int segment = 1;
  assert_int_equal(dgram_once_message(scene.socket, trace_and_send, &scene), 0);
  assert_int_equal(dgram_on_message(scene.socket, trace_message, "heard"), 0);
  assert_int_equal(setsockopt(scene.stranger, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof segment),
                   0);
  raw_send(scene.stranger, "abc", 3, scene.port);
  settle(scene.loop);
  assert_trace("got(a) heard(a) connected");
  close_deferring_scene(&scene, &tasks);
}
#else
TEST("so it may before the rest is told") {
  skip();
}
TEST("the rest of a joined buffer is dropped") {
  skip();
}
TEST("so it is when a listener of messages connects") {
  skip();
}
TEST("what the peer sent in it is told") {
  skip();
}
#endif

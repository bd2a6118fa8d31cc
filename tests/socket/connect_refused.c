/*
 * A peer that refuses (ICMP, "port unreachable"): an 'error' `recvmsg ECONNREFUSED`. The socket
 * stays connected, and no healthy send pays for it.
 */
#include "lib/fixture.h"

struct scene {
  uv_loop_t *loop;
  int peer; /* refuses what is sent to it */
  int peer_port;
  dgram_socket_t *socket;
};

static struct scene open_scene(uv_loop_t *loop) {
  begin_round(loop);
  struct scene scene = {.loop = loop};
  int port;
  scene.peer = raw_holder(&scene.peer_port);
  scene.socket = new_bound(scene.loop, trace_message, "got", &port);
  connect_now(scene.socket, scene.peer_port);
  return scene;
}

static void close_scene(struct scene *scene) {
  close(scene->peer);
  close_socket(scene->socket);
  run_to_end(scene->loop);
}

static void send_peer(dgram_socket_t *socket, const char *text, dgram_send_cb callback,
                      void *context) {
  assert_int_equal(dgram_send(socket, text, strlen(text), 0, NULL, callback, context), 0);
}

/* From now on the peer takes what the socket sends. */
static void revive(struct scene *scene) {
  raw_connect(scene->peer, port_of(scene->socket));
}

TEST("it is an error event") {
  struct scene scene = open_scene(loop);
  struct kept_error kept = {0};
  int sent = 0;
  assert_int_equal(dgram_on_error(scene.socket, keep_error, &kept), 0);
  send_peer(scene.socket, "x", count_sent, &sent);
  run_until(scene.loop, &kept.calls, 1);
  assert_int_equal(sent, 1); /* the system had taken it */
  settle(scene.loop);
  assert_int_equal(kept.calls, 1);
  assert_int_equal(kept.code, UV_ECONNREFUSED);
  assert_string_equal(kept.syscall, "recvmsg");
  assert_string_equal(kept.address, "NULL");
  assert_int_equal(kept.port, 0);
  assert_string_equal(kept.message, "recvmsg ECONNREFUSED");
  close_scene(&scene);
}

TEST("the socket stays connected and usable") {
  struct scene scene = open_scene(loop);
  dgram_address_t remote;
  assert_int_equal(dgram_on_error(scene.socket, trace_error, "error"), 0);
  send_peer(scene.socket, "lost", NULL, NULL);
  run_until_trace(scene.loop, "error(ECONNREFUSED)");
  assert_int_equal(dgram_remote_address(scene.socket, &remote), 0);
  assert_int_equal(remote.port, scene.peer_port);
  revive(&scene);
  send_peer(scene.socket, "ping", trace_sent, "sent");
  run_until_trace(scene.loop, "sent");
  assert_string_equal(arrived(scene.peer), "ping");
  raw_send(scene.peer, "pong", 4, port_of(scene.socket));
  run_until_trace(scene.loop, "got(pong)");
  close_scene(&scene);
}

static void send_to_revived(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                            void *context) {
  assert_null(error);
  trace("sent1");
  revive(context);
  send_peer(socket, "healthy", trace_sent, "sent2");
}

/* bun#36249: the system tells the refusal to whichever call comes next, here a send. */
TEST("the next send does not fail for it") {
  struct scene scene = open_scene(loop);
  struct kept_error kept = {0};
  assert_int_equal(dgram_on_error(scene.socket, keep_error, &kept), 0);
  send_peer(scene.socket, "lost", send_to_revived, &scene);
  run_until(scene.loop, &kept.calls, 1);
  settle(scene.loop);
  assert_trace("sent1 sent2");
  assert_string_equal(arrived(scene.peer), "healthy");
  assert_int_equal(kept.calls, 1);
  assert_string_equal(kept.message, "recvmsg ECONNREFUSED");
  close_scene(&scene);
}

static void send_next(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                      void *context) {
  int *left = context;
  assert_null(error);
  if (--*left > 0)
    send_peer(socket, "x", send_next, left);
}

TEST("a row of refusals fails no send") {
  struct scene scene = open_scene(loop);
  struct kept_error kept = {0};
  int left = 20;
  assert_int_equal(dgram_on_error(scene.socket, keep_error, &kept), 0);
  send_peer(scene.socket, "x", send_next, &left);
  while (left > 0)
    assert_int_not_equal(uv_run(scene.loop, UV_RUN_ONCE), 0);
  settle(scene.loop);
  assert_in_range(kept.calls, 1, 20);
  assert_string_equal(kept.message, "recvmsg ECONNREFUSED");
  close_scene(&scene);
}

/* Datagrams of different sizes, so that they leave one by one. */
TEST("a burst to it is told and completes") {
  enum { SENT = 100 };
  struct scene scene = open_scene(loop);
  static const char bytes[SENT];
  struct kept_error kept = {0};
  int sent = 0;
  assert_int_equal(dgram_on_error(scene.socket, keep_error, &kept), 0);
  for (int i = 0; i < SENT; i++)
    assert_int_equal(dgram_send(scene.socket, bytes, (size_t)i, 0, NULL, count_sent, &sent), 0);
  run_until(scene.loop, &sent, SENT);
  settle(scene.loop);
  assert_int_equal(sent, SENT);
  assert_in_range(kept.calls, 1, SENT);
  assert_int_equal(dgram_get_send_queue_count(scene.socket), 0);
  close_scene(&scene);
}

TEST("a message behind it still comes") {
  struct scene scene = open_scene(loop);
  assert_int_equal(dgram_on_error(scene.socket, trace_error, "error"), 0);
  revive(&scene);
  raw_send(scene.peer, "1", 1, port_of(scene.socket));
  raw_connect(scene.peer, scene.peer_port); /* refuses again */
  send_peer(scene.socket, "lost", NULL, NULL);
  uv_run(scene.loop, UV_RUN_NOWAIT);
  revive(&scene);
  raw_send(scene.peer, "2", 1, port_of(scene.socket));
  settle(scene.loop);
  assert_non_null(strstr(trace_text, "got(1)"));
  assert_non_null(strstr(trace_text, "got(2)"));
  assert_non_null(strstr(trace_text, "error(ECONNREFUSED)"));
  close_scene(&scene);
}

TEST("without listener it goes to the handler of unhandled errors") {
  struct scene scene = open_scene(loop);
  struct kept_error kept = {0};
  dgram_on_unhandled_error(keep_error, &kept);
  send_peer(scene.socket, "lost", NULL, NULL);
  run_until(scene.loop, &kept.calls, 1);
  assert_string_equal(kept.message, "recvmsg ECONNREFUSED");
  close_scene(&scene);
}

static void close_in_error(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  trace("error(%s)", error->name);
  assert_int_equal(dgram_close(socket, trace_event, "close"), 0);
}

TEST("the socket may be closed in it") {
  struct scene scene = open_scene(loop);
  assert_int_equal(dgram_on_error(scene.socket, close_in_error, NULL), 0);
  send_peer(scene.socket, "lost", NULL, NULL);
  run_to_end(scene.loop);
  assert_trace("error(ECONNREFUSED) close");
  close(scene.peer);
}

static void disconnect_in_error(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  trace("error(%s) %d", error->name, dgram_disconnect(socket));
}

TEST("the socket may be disconnected in it") {
  struct scene scene = open_scene(loop);
  assert_int_equal(dgram_on_error(scene.socket, disconnect_in_error, NULL), 0);
  send_peer(scene.socket, "lost", NULL, NULL);
  run_until_trace(scene.loop, "error(ECONNREFUSED) 0");
  settle(scene.loop);
  assert_trace("");
  close_scene(&scene);
}

/* bun#29135: told of it, a server would stop for one client that has gone. */
TEST("an unconnected socket is not told") {
  struct scene scene = open_scene(loop);
  int ports[2];
  int received = 0;
  dgram_socket_t *socket = new_bound(scene.loop, NULL, NULL, &ports[0]);
  dgram_socket_t *target = new_bound(scene.loop, count_message, &received, &ports[1]);
  trace_events(socket);
  send_text(socket, "x", scene.peer_port, trace_sent, "sent");
  settle(scene.loop);
  send_text(socket, "x", ports[1], trace_sent, "sent");
  run_until(scene.loop, &received, 1);
  assert_trace("sent sent");
  close_socket(target);
  close_socket(socket);
  close_scene(&scene);
}

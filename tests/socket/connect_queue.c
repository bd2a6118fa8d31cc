/* Sends made before a connect is done keep the destinations that they were given. */
#include "lib/fixture.h"
#include "lib/lookup_stub.h"

struct scene {
  uv_loop_t *loop;
  int peer;
  int other;
};

static struct scene open_scene(uv_loop_t *loop) {
  begin_round(loop);
  return (struct scene){.loop = loop, .peer = raw_socket(), .other = raw_socket()};
}

static void begin_connect(struct scene *scene, dgram_socket_t *socket) {
  assert_int_equal(dgram_connect(socket, raw_port(scene->peer), NULL, trace_connect, "connected"),
                   0);
}

static void close_scene(struct scene *scene, dgram_socket_t *socket) {
  close(scene->peer);
  close(scene->other);
  close_socket(socket);
  run_to_end(scene->loop);
}

TEST("of a bound socket in the same turn") {
  struct scene scene = open_scene(loop);
  int port;
  dgram_socket_t *socket = new_bound(scene.loop, NULL, NULL, &port);
  send_text(socket, "1", raw_port(scene.other), trace_sent, "sent1");
  send_text(socket, "2", raw_port(scene.peer), trace_sent, "sent2");
  begin_connect(&scene, socket);
  send_text(socket, "3", raw_port(scene.other), trace_sent, "sent3");
  settle(scene.loop);
  assert_string_equal(arrived(scene.other), "1 3");
  assert_string_equal(arrived(scene.peer), "2");
  assert_non_null(strstr(trace_text, "sent1 sent2 sent3"));
  assert_non_null(strstr(trace_text, "connected"));
  close_scene(&scene, socket);
}

TEST("of an unbound socket") {
  struct scene scene = open_scene(loop);
  dgram_socket_t *socket = new_socket(scene.loop, DGRAM_UDP4, NULL, NULL);
  send_text(socket, "1", raw_port(scene.other), trace_sent, "sent");
  begin_connect(&scene, socket);
  send_text(socket, "2", raw_port(scene.other), trace_sent, "sent");
  settle(scene.loop);
  assert_string_equal(arrived(scene.other), "1 2");
  assert_string_equal(arrived(scene.peer), "");
  close_scene(&scene, socket);
}

TEST("far more than one batch of them") {
  enum { SENT = 200 };
  struct scene scene = open_scene(loop);
  int sent = 0;
  int port;
  char byte;
  dgram_socket_t *socket = new_bound(scene.loop, NULL, NULL, &port);
  for (int i = 0; i < SENT; i++)
    send_text(socket, "x", raw_port(scene.other), count_sent, &sent);
  begin_connect(&scene, socket);
  run_until(scene.loop, &sent, SENT);
  for (int i = 0; i < SENT; i++)
    assert_int_equal(recv(scene.other, &byte, 1, MSG_DONTWAIT), 1);
  assert_string_equal(arrived(scene.peer), "");
  close_scene(&scene, socket);
}

/* B33: until it is connected a send must say where it goes. */
TEST("while connecting a destination is needed") {
  struct scene scene = open_scene(loop);
  dgram_socket_t *socket = new_socket(scene.loop, DGRAM_UDP4, NULL, NULL);
  begin_connect(&scene, socket);
  assert_int_equal(dgram_send(socket, "x", 1, 0, NULL, NULL, NULL), DGRAM_ERR_SOCKET_BAD_PORT);
  assert_int_equal(dgram_send_to(socket, NULL, 0, NULL, NULL, NULL), DGRAM_ERR_SOCKET_BAD_PORT);
  run_until_trace(scene.loop, "connected");
  close_scene(&scene, socket);
}

static void send_to_the_peer(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  assert_int_equal(dgram_send(socket, "mine", 4, 0, NULL, trace_sent, "sent"), 0);
}

TEST("a send in connect goes to the peer after them") {
  struct scene scene = open_scene(loop);
  dgram_socket_t *socket = new_socket(scene.loop, DGRAM_UDP4, NULL, NULL);
  send_text(socket, "1", raw_port(scene.peer), NULL, NULL);
  assert_int_equal(dgram_on_connect(socket, send_to_the_peer, NULL), 0);
  begin_connect(&scene, socket);
  settle(scene.loop);
  assert_trace("connected sent");
  assert_string_equal(arrived(scene.peer), "1 mine");
  close_scene(&scene, socket);
}

/* B39: the address is found when the socket has a peer already. */
TEST("one whose host is found too late is eisconn") {
  struct scene scene = open_scene(loop);
  struct lookup_stub stub = {0};
  struct kept_error kept = {0};
  int port = raw_port(scene.other);
  dgram_socket_t *socket = new_bound_with_lookup(scene.loop, &stub);
  assert_int_equal(dgram_send(socket, "x", 1, port, "other", keep_send_error, &kept), 0);
  assert_int_equal(dgram_connect(socket, raw_port(scene.peer), NULL, NULL, NULL), 0);
  lookup_stub_answer(&stub, 1, 0, "127.0.0.1");
  settle(scene.loop);
  lookup_stub_answer(&stub, 0, 0, "127.0.0.1");
  assert_int_equal(kept.calls, 0);
  settle(scene.loop);
  assert_int_equal(kept.calls, 1);
  assert_int_equal(kept.code, UV_EISCONN);
  assert_string_equal(kept.syscall, "send");
  assert_int_equal(kept.port, port);
  assert_string_equal(arrived(scene.other), "");
  assert_string_equal(arrived(scene.peer), "");
  close_scene(&scene, socket);
}

TEST("one whose host is found in time leaves") {
  struct scene scene = open_scene(loop);
  struct lookup_stub stub = {0};
  int port = raw_port(scene.other);
  dgram_socket_t *socket = new_bound_with_lookup(scene.loop, &stub);
  assert_int_equal(dgram_send(socket, "x", 1, port, "other", trace_sent, "sent"), 0);
  begin_connect(&scene, socket);
  lookup_stub_answer(&stub, 0, 0, "127.0.0.1");
  lookup_stub_answer(&stub, 1, 0, "127.0.0.1");
  settle(scene.loop);
  assert_string_equal(arrived(scene.other), "x");
  close_scene(&scene, socket);
}

/* A system socket that is connected makes the socket that takes it over a connected one. */
#include "lib/fixture.h"

struct scene {
  uv_loop_t *loop;
  int peer;
  int port;
  dgram_socket_t *socket;
};

static struct scene open_scene(uv_loop_t *loop) {
  begin_round(loop);
  struct scene scene = {.loop = loop, .peer = raw_socket()};
  dgram_bind_options_t options = dgram_default_bind_options();
  options.fd = raw_socket();
  scene.port = raw_port(options.fd);
  raw_connect(options.fd, raw_port(scene.peer));
  raw_connect(scene.peer, scene.port);
  scene.socket = new_socket(scene.loop, DGRAM_UDP4, trace_message, "got");
  trace_events(scene.socket);
  assert_int_equal(dgram_bind_options(scene.socket, &options, NULL, NULL), 0);
  return scene;
}

static void close_scene(struct scene *scene) {
  close(scene->peer);
  close_socket(scene->socket);
  run_to_end(scene->loop);
  run_to_end(scene->loop);
}

TEST("its peer is the remote address") {
  struct scene scene = open_scene(loop);
  dgram_address_t remote;
  assert_int_equal(dgram_remote_address(scene.socket, &remote), 0);
  assert_string_equal(remote.address, "127.0.0.1");
  assert_int_equal(remote.port, raw_port(scene.peer));
  close_scene(&scene);
}

TEST("no connect is emitted") {
  struct scene scene = open_scene(loop);
  settle(scene.loop);
  assert_trace("listening");
  close_scene(&scene);
}

TEST("sends go there and name no destination") {
  struct scene scene = open_scene(loop);
  assert_int_equal(dgram_send(scene.socket, "x", 1, raw_port(scene.peer), NULL, NULL, NULL),
                   DGRAM_ERR_SOCKET_DGRAM_IS_CONNECTED);
  assert_int_equal(dgram_send(scene.socket, "ping", 4, 0, NULL, trace_sent, "sent"), 0);
  run_until_trace(scene.loop, "listening sent");
  assert_string_equal(arrived(scene.peer), "ping");
  raw_send(scene.peer, "pong", 4, scene.port);
  run_until_trace(scene.loop, "got(pong)");
  close_scene(&scene);
}

TEST("connecting it is refused") {
  struct scene scene = open_scene(loop);
  assert_int_equal(dgram_connect(scene.socket, 9, NULL, NULL, NULL),
                   DGRAM_ERR_SOCKET_DGRAM_IS_CONNECTED);
  close_scene(&scene);
}

TEST("it can be disconnected and connected to another") {
  struct scene scene = open_scene(loop);
  dgram_address_t remote;
  int other = raw_socket();
  assert_int_equal(dgram_disconnect(scene.socket), 0);
  assert_int_equal(dgram_remote_address(scene.socket, &remote),
                   DGRAM_ERR_SOCKET_DGRAM_NOT_CONNECTED);
  connect_now(scene.socket, raw_port(other));
  assert_int_equal(dgram_send(scene.socket, "x", 1, 0, NULL, trace_sent, "sent"), 0);
  run_until_trace(scene.loop, "listening connect sent");
  assert_string_equal(arrived(other), "x");
  close(other);
  close_scene(&scene);
}

TEST("what strangers sent before it was connected is not received") {
  int peer = raw_socket();
  int stranger = raw_socket();
  dgram_bind_options_t options = dgram_default_bind_options();
  options.fd = raw_socket();
  int port = raw_port(options.fd);
  raw_send(stranger, "stranger", 8, port);
  raw_connect(options.fd, raw_port(peer));
  raw_send(peer, "peer", 4, port);
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, trace_message, "got");
  assert_int_equal(dgram_bind_options(socket, &options, NULL, NULL), 0);
  settle(loop);
  assert_trace("got(peer)");
  close(peer);
  close(stranger);
}

/* Sends around a connect inside the call go where they were sent, whatever they waited for. */
#include "lib/fixture.h"
#include "lib/lookup_stub.h"

struct scene {
  uv_loop_t *loop;
  int peer;
  int other;
  dgram_socket_t *socket;
};

static struct scene open_scene(uv_loop_t *loop) {
  begin_round(loop);
  struct scene scene = {.loop = loop, .peer = raw_socket(), .other = raw_socket()};
  scene.socket = new_socket(scene.loop, DGRAM_UDP4, NULL, NULL);
  trace_events(scene.socket);
  return scene;
}

static void close_scene(struct scene *scene) {
  close(scene->peer);
  close(scene->other);
  run_to_end(scene->loop);
}

static void send_to_peer(dgram_socket_t *socket, const char *text) {
  assert_int_equal(dgram_send(socket, text, 1, 0, NULL, trace_sent, "sent"), 0);
}

static void send_to_other(struct scene *scene, const char *text) {
  send_text(scene->socket, text, raw_port(scene->other), trace_sent, "sent");
}

static void connect_to_peer(struct scene *scene) {
  assert_int_equal(dgram_connect_sync(scene->socket, raw_port(scene->peer), NULL), 0);
}

TEST("what is sent after it goes to the peer") {
  struct scene scene = open_scene(loop);
  connect_to_peer(&scene);
  send_to_peer(scene.socket, "1");
  send_to_peer(scene.socket, "2");
  assert_int_equal(dgram_send(scene.socket, "x", 1, 9, NULL, NULL, NULL),
                   DGRAM_ERR_SOCKET_DGRAM_IS_CONNECTED);
  run_until_trace(scene.loop, "listening connect sent sent");
  assert_string_equal(arrived(scene.peer), "1 2");
  close_socket(scene.socket);
  close_scene(&scene);
}

TEST("what was sent before it goes where it was sent") {
  struct scene scene = open_scene(loop);
  assert_int_equal(dgram_bind_sync(scene.socket, 0, NULL), 0);
  send_to_other(&scene, "1");
  connect_to_peer(&scene);
  send_to_peer(scene.socket, "2");
  settle(scene.loop);
  assert_trace("listening sent connect sent");
  send_to_peer(scene.socket, "3");
  settle(scene.loop);
  assert_string_equal(arrived(scene.other), "1");
  assert_string_equal(arrived(scene.peer), "2 3");
  close_socket(scene.socket);
  close_scene(&scene);
}

static void connect_there(dgram_socket_t *socket, void *context) {
  assert_int_equal(dgram_connect_sync(socket, *(int *)context, NULL), 0);
  send_to_peer(socket, "3");
}

TEST("also when it is called in listening") {
  struct scene scene = open_scene(loop);
  int port = raw_port(scene.peer);
  assert_int_equal(dgram_bind(scene.socket, 0, NULL, connect_there, &port), 0);
  send_to_other(&scene, "1");
  send_to_other(&scene, "2");
  settle(scene.loop);
  assert_trace("listening sent sent sent connect");
  assert_string_equal(arrived(scene.other), "1 2");
  assert_string_equal(arrived(scene.peer), "3");
  close_socket(scene.socket);
  close_scene(&scene);
}

TEST("disconnected the peer still gets what was sent to it") {
  struct scene scene = open_scene(loop);
  connect_to_peer(&scene);
  send_to_peer(scene.socket, "1");
  assert_int_equal(dgram_disconnect(scene.socket), 0);
  send_to_other(&scene, "2");
  settle(scene.loop);
  assert_trace("listening sent sent");
  assert_string_equal(arrived(scene.peer), "1");
  assert_string_equal(arrived(scene.other), "2");
  close_socket(scene.socket);
  close_scene(&scene);
}

TEST("connected to another too") {
  struct scene scene = open_scene(loop);
  connect_to_peer(&scene);
  send_to_peer(scene.socket, "1");
  assert_int_equal(dgram_disconnect(scene.socket), 0);
  assert_int_equal(dgram_connect_sync(scene.socket, raw_port(scene.other), NULL), 0);
  send_to_peer(scene.socket, "2");
  settle(scene.loop);
  assert_trace("listening connect sent sent");
  assert_string_equal(arrived(scene.peer), "1");
  assert_string_equal(arrived(scene.other), "2");
  close_socket(scene.socket);
  close_scene(&scene);
}

TEST("closed at once all leave") {
  struct scene scene = open_scene(loop);
  assert_int_equal(dgram_bind_sync(scene.socket, 0, NULL), 0);
  send_to_other(&scene, "1");
  connect_to_peer(&scene);
  send_to_peer(scene.socket, "2");
  close_socket(scene.socket);
  settle(scene.loop);
  assert_trace("listening sent sent close");
  assert_string_equal(arrived(scene.other), "1");
  assert_string_equal(arrived(scene.peer), "2");
  close_scene(&scene);
}

/* As with dgram_connect(): Node.js's way. */
TEST("a name found too late is eisconn") {
  struct scene scene = open_scene(loop);
  struct lookup_stub stub = {0};
  close_socket(scene.socket);
  settle(scene.loop);
  scene.socket = new_bound_with_lookup(scene.loop, &stub);
  assert_int_equal(dgram_send(scene.socket, "x", 1, 9, "name", trace_sent, "sent"), 0);
  connect_to_peer(&scene);
  lookup_stub_answer(&stub, 0, 0, "127.0.0.1");
  settle(scene.loop);
  assert_trace("ask(name) sent(EISCONN)");
  close_socket(scene.socket);
  close_scene(&scene);
}

static void close_and_answer(dgram_lookup_t *lookup, const char *host, dgram_type_t type,
                             void *context) {
  close_socket(*(dgram_socket_t **)context);
  dgram_lookup_done(lookup, 0, "127.0.0.1");
}

/* It is asked inside the call, for a send that waited for 'listening'. */
TEST("a look up that closes the socket ends the call") {
  struct scene scene = open_scene(loop);
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.lookup = close_and_answer;
  options.lookup_context = &scene.socket;
  close_socket(scene.socket);
  settle(scene.loop);
  assert_trace("close");
  scene.socket = new_with(scene.loop, &options);
  trace_events(scene.socket);
  assert_int_equal(dgram_bind_sync(scene.socket, 0, NULL), 0);
  assert_int_equal(dgram_send(scene.socket, "x", 1, 9, "name", trace_sent, "sent"), 0);
  assert_int_equal(dgram_connect_sync(scene.socket, 9, NULL), DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
  settle(scene.loop);
  assert_trace("close sent(ECANCELED)");
  close_scene(&scene);
}

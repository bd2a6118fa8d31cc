/* One signal of several sockets, aborted inside a listener of one of them. */
#include "lib/fixture.h"

enum { SOCKETS = 3 };

struct scene {
  uv_loop_t *loop;
  dgram_abort_signal_t *signal;
  dgram_socket_t *sockets[SOCKETS];
  int ports[SOCKETS];
};

static const char *const names[SOCKETS] = {"a", "b", "c"};

static struct scene open_scene(uv_loop_t *loop) {
  begin_round(loop);
  struct scene scene = {.loop = loop};
  assert_int_equal(dgram_abort_signal_create(&scene.signal), 0);
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.signal = scene.signal;
  for (int i = 0; i < SOCKETS; i++) {
    scene.sockets[i] = new_with(scene.loop, &options);
    assert_int_equal(dgram_on_close(scene.sockets[i], trace_event, (void *)names[i]), 0);
    scene.ports[i] = bind_now(scene.sockets[i], "127.0.0.1");
  }
  return scene;
}

static void close_scene(struct scene *scene) {
  run_to_end(scene->loop);
  dgram_abort_signal_free(scene->signal);
}

static void abort_in_message(dgram_socket_t *socket, const char *message,
                             const dgram_rinfo_t *rinfo, void *context) {
  trace("message");
  dgram_abort_signal_abort(context);
}

/* Each of them has something to read in this turn of the loop. */
TEST("in message all are closed and no other message comes") {
  struct scene scene = open_scene(loop);
  int fd = raw_socket();
  for (int i = 0; i < SOCKETS; i++) {
    assert_int_equal(dgram_on_message(scene.sockets[i], abort_in_message, scene.signal), 0);
    raw_send(fd, "1", 1, scene.ports[i]);
    raw_send(fd, "2", 1, scene.ports[i]);
  }
  close_scene(&scene);
  assert_trace("message a b c");
  close(fd);
}

static void abort_in_sent(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                          void *context) {
  trace("sent");
  dgram_abort_signal_abort(context);
}

TEST("in the callback of a send the others sends have left") {
  struct scene scene = open_scene(loop);
  int fd = raw_socket();
  for (int i = 0; i < SOCKETS; i++)
    send_text(scene.sockets[i], names[i], raw_port(fd), i == 1 ? abort_in_sent : trace_sent,
              i == 1 ? (void *)scene.signal : "other");
  close_scene(&scene);
  assert_trace("other sent other a b c");
  assert_string_equal(arrived(fd), "a b c");
  close(fd);
}

static void abort_in_close(dgram_socket_t *socket, void *context) {
  trace("closed");
  dgram_abort_signal_abort(context);
}

TEST("in close of one the others are closed") {
  struct scene scene = open_scene(loop);
  assert_int_equal(dgram_close(scene.sockets[1], abort_in_close, scene.signal), 0);
  close_scene(&scene);
  assert_trace("b closed a c");
}

static void free_in_close(dgram_socket_t *socket, void *context) {
  dgram_abort_signal_t **signal = context;
  dgram_abort_signal_free(*signal);
  *signal = NULL;
}

TEST("in close the signal may be freed") {
  struct scene scene = open_scene(loop);
  assert_int_equal(dgram_on_close(scene.sockets[0], free_in_close, &scene.signal), 0);
  dgram_abort_signal_abort(scene.signal);
  close_scene(&scene);
  assert_trace("a b c");
}

static void create_and_abort(dgram_socket_t *socket, void *context) {
  struct scene *scene = context;
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.signal = scene->signal;
  assert_int_equal(dgram_on_close(new_with(scene->loop, &options), trace_event, "new"), 0);
}

TEST("one created in close after the abort is closed too") {
  struct scene scene = open_scene(loop);
  assert_int_equal(dgram_on_close(scene.sockets[0], create_and_abort, &scene), 0);
  dgram_abort_signal_abort(scene.signal);
  close_scene(&scene);
  assert_trace("a b c new");
}

static void abort_in_hook(dgram_lookup_t *lookup, const char *host, dgram_type_t type,
                          void *context) {
  trace("ask(%s)", host);
  dgram_abort_signal_abort(context);
  dgram_lookup_done(lookup, 0, "127.0.0.1");
}

TEST("in a look up all are closed") {
  struct scene scene = open_scene(loop);
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.signal = scene.signal;
  options.lookup = abort_in_hook;
  options.lookup_context = scene.signal;
  dgram_socket_t *socket = new_with(scene.loop, &options);
  assert_int_equal(dgram_on_close(socket, trace_event, "d"), 0);
  assert_int_equal(dgram_on_listening(socket, trace_event, "listening"), 0);
  assert_int_equal(dgram_bind(socket, 0, "name", NULL, NULL), 0);
  close_scene(&scene);
  assert_trace("ask(name) a b c d");
}

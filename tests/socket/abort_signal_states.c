/*
 * Aborting is closing, in whatever state the socket is and whatever listener it is done in:
 * the same notes as if dgram_close() had been called. What they are is told by the tests of close.
 */
#include "lib/fixture.h"
#include "lib/lookup_stub.h"

struct scene {
  uv_loop_t *loop;
  dgram_abort_signal_t *signal;
  dgram_socket_t *socket;
  struct lookup_stub stub;
  int by_signal;
  int fd; /* receives the socket's sends */
};

/* Once by the signal and once by the call. */
static void close_it(struct scene *scene) {
  if (scene->by_signal)
    dgram_abort_signal_abort(scene->signal);
  else
    close_socket(scene->socket);
}

static void bind_it(struct scene *scene) {
  assert_int_equal(dgram_bind(scene->socket, 0, "name", NULL, NULL), 0);
}

static void bind_it_now(struct scene *scene) {
  bind_it(scene);
  lookup_stub_answer(&scene->stub, 0, 0, "127.0.0.1");
}

static void send_it(struct scene *scene, const char *text) {
  uv_buf_t buffer = uv_buf_init((char *)text, (unsigned)strlen(text));
  struct sockaddr_in to = loopback_address(raw_port(scene->fd));
  assert_int_equal(
      dgram_send_to(scene->socket, &buffer, 1, (struct sockaddr *)&to, trace_sent, (void *)text),
      0);
}

static void connect_it(struct scene *scene) {
  assert_int_equal(dgram_connect(scene->socket, 9, "peer", trace_connect, "callback"), 0);
}

/* ---- the states ---- */

static void unbound(struct scene *scene) {
  close_it(scene);
}

static void binding(struct scene *scene) {
  bind_it(scene);
  close_it(scene);
}

static void binding_with_sends(struct scene *scene) {
  bind_it(scene);
  send_it(scene, "1");
  send_it(scene, "2");
  close_it(scene);
  lookup_stub_answer(&scene->stub, 0, 0, "127.0.0.1");
}

static void binding_with_sends_and_it_fails(struct scene *scene) {
  bind_it(scene);
  send_it(scene, "1");
  close_it(scene);
  lookup_stub_answer(&scene->stub, 0, UV_EAI_FAIL, NULL);
}

static void bound_implicitly(struct scene *scene) {
  send_it(scene, "1");
  close_it(scene);
  lookup_stub_answer(&scene->stub, 0, 0, "127.0.0.1");
}

static void bound_by_a_membership(struct scene *scene) {
  assert_int_equal(dgram_add_membership(scene->socket, "224.0.0.114", "127.0.0.1"), 0);
  close_it(scene);
}

static void bound(struct scene *scene) {
  bind_it_now(scene);
  settle(scene->loop);
  close_it(scene);
}

static void sending(struct scene *scene) {
  bind_it_now(scene);
  send_it(scene, "1");
  send_it(scene, "2");
  close_it(scene);
}

static void looking_up(struct scene *scene) {
  bind_it_now(scene);
  assert_int_equal(dgram_send(scene->socket, "x", 1, 9, "host", trace_sent, "sent"), 0);
  close_it(scene);
}

static void connecting(struct scene *scene) {
  bind_it_now(scene);
  connect_it(scene);
  close_it(scene);
}

static void connecting_while_binding(struct scene *scene) {
  bind_it(scene);
  connect_it(scene);
  close_it(scene);
  lookup_stub_answer(&scene->stub, 0, 0, "127.0.0.1");
}

static void connected(struct scene *scene) {
  bind_it_now(scene);
  connect_it(scene);
  lookup_stub_answer(&scene->stub, 1, 0, "127.0.0.1");
  settle(scene->loop);
  close_it(scene);
}

/* ---- the listeners ---- */

static void close_in_event(dgram_socket_t *socket, void *context) {
  trace("in");
  close_it(context);
}

static void in_listening(struct scene *scene) {
  assert_int_equal(dgram_on_listening(scene->socket, close_in_event, scene), 0);
  bind_it_now(scene);
}

static void in_listening_with_sends(struct scene *scene) {
  assert_int_equal(dgram_on_listening(scene->socket, close_in_event, scene), 0);
  bind_it(scene);
  send_it(scene, "1");
  lookup_stub_answer(&scene->stub, 0, 0, "127.0.0.1");
}

static void close_in_message(dgram_socket_t *socket, const char *message,
                             const dgram_rinfo_t *rinfo, void *context) {
  trace("in(%.*s)", (int)rinfo->size, message);
  close_it(context);
}

static void in_message(struct scene *scene) {
  assert_int_equal(dgram_on_message(scene->socket, close_in_message, scene), 0);
  bind_it_now(scene);
  raw_send(scene->fd, "1", 1, port_of(scene->socket));
  raw_send(scene->fd, "2", 1, port_of(scene->socket));
}

static void close_in_error(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  trace("in(%s)", error->name);
  close_it(context);
}

static void in_error(struct scene *scene) {
  assert_int_equal(dgram_once_error(scene->socket, close_in_error, scene), 0);
  bind_it(scene);
  send_it(scene, "1");
  lookup_stub_answer(&scene->stub, 0, UV_EAI_FAIL, NULL);
}

static void close_in_connect(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  trace("in(%s)", error != NULL ? error->name : "");
  close_it(context);
}

static void in_connect_or_its_callback(struct scene *scene, int status) {
  bind_it_now(scene);
  assert_int_equal(dgram_connect(scene->socket, 9, "peer", close_in_connect, scene), 0);
  lookup_stub_answer(&scene->stub, 1, status, "127.0.0.1");
}

static void in_the_callback_of_a_connect(struct scene *scene) {
  in_connect_or_its_callback(scene, 0);
}

static void in_the_failed_callback_of_a_connect(struct scene *scene) {
  in_connect_or_its_callback(scene, UV_EAI_FAIL);
}

static void close_in_sent(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                          void *context) {
  trace("in");
  close_it(context);
}

static void in_the_callback_of_a_send(struct scene *scene) {
  struct sockaddr_in to = loopback_address(raw_port(scene->fd));
  bind_it_now(scene);
  assert_int_equal(
      dgram_send_to(scene->socket, NULL, 0, (struct sockaddr *)&to, close_in_sent, scene), 0);
  send_it(scene, "1");
}

static void abort_again(dgram_socket_t *socket, void *context) {
  struct scene *scene = context;
  trace("in");
  dgram_abort_signal_abort(scene->signal);
  assert_int_equal(dgram_close(scene->socket, NULL, NULL), DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
}

static void in_close(struct scene *scene) {
  assert_int_equal(dgram_on_close(scene->socket, abort_again, scene), 0);
  close_it(scene);
}

/* ---- both ways ---- */

/* Plays a scene to its end; what it noted stays in `noted`. */
static void play(uv_loop_t *loop, void (*act)(struct scene *scene), int by_signal, char *noted,
                 size_t size) {
  begin_round(loop);
  struct scene scene = {.loop = loop, .by_signal = by_signal, .fd = raw_socket()};
  dgram_options_t options = lookup_stub_options(DGRAM_UDP4, &scene.stub);
  assert_int_equal(dgram_abort_signal_create(&scene.signal), 0);
  options.signal = scene.signal;
  scene.socket = new_with(scene.loop, &options);
  trace_events(scene.socket);
  act(&scene);
  settle(scene.loop);
  for (int i = 0; i < scene.stub.asked; i++)
    if (scene.stub.queries[i].lookup != NULL)
      lookup_stub_answer(&scene.stub, i, 0, "127.0.0.1");
  trace("arrived(%s)", arrived(scene.fd));
  keep_text(noted, size, trace_text);
  close(scene.fd);
  run_to_end(scene.loop);
  dgram_abort_signal_free(scene.signal);
}

static const struct {
  const char *name;
  void (*act)(struct scene *scene);
} acts[] = {
    {"unbound", unbound},
    {"binding", binding},
    {"binding_with_sends", binding_with_sends},
    {"binding_with_sends_and_it_fails", binding_with_sends_and_it_fails},
    {"bound_implicitly", bound_implicitly},
    {"bound_by_a_membership", bound_by_a_membership},
    {"bound", bound},
    {"sending", sending},
    {"looking_up", looking_up},
    {"connecting", connecting},
    {"connecting_while_binding", connecting_while_binding},
    {"connected", connected},
    {"in_listening", in_listening},
    {"in_listening_with_sends", in_listening_with_sends},
    {"in_message", in_message},
    {"in_error", in_error},
    {"in_the_callback_of_a_connect", in_the_callback_of_a_connect},
    {"in_the_failed_callback_of_a_connect", in_the_failed_callback_of_a_connect},
    {"in_the_callback_of_a_send", in_the_callback_of_a_send},
    {"in_close", in_close},
};

TEST("aborting is closing in every state") {
  for (size_t i = 0; i < sizeof acts / sizeof *acts; i++) {
    char by_call[sizeof trace_text];
    char by_signal[sizeof trace_text];
    play(loop, acts[i].act, 0, by_call, sizeof by_call);
    play(loop, acts[i].act, 1, by_signal, sizeof by_signal);
    if (strcmp(by_call, by_signal) != 0)
      fail_msg("%s: by the call [%s], by the signal [%s]", acts[i].name, by_call, by_signal);
    if (strstr(by_signal, "close") == NULL)
      fail_msg("%s: no 'close' in [%s]", acts[i].name, by_signal);
  }
}

/* What waits for the bind leaves first (B10, B14). */
TEST("sends that wait for the bind leave first") {
  char noted[sizeof trace_text];
  play(loop, binding_with_sends, 1, noted, sizeof noted);
  assert_string_equal(noted, "ask(name) listening 1 2 close arrived(1 2)");
}

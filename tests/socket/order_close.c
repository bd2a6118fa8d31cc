/*
 * The order of events around a close, as traces: in every state, inside each kind of listener,
 * and with sends and a connect that wait for a bind. The numbers are those of the observed
 * behaviour of node:dgram.
 */
#include "lib/fixture.h"
#include "lib/lookup_stub.h"

struct scene {
  uv_loop_t *loop;
  dgram_socket_t *socket;
  struct lookup_stub stub;
  int fd; /* receives the socket's sends */
};

static void close_it(struct scene *scene) {
  assert_int_equal(dgram_close(scene->socket, trace_event, "callback"), 0);
  trace("returned");
}

static void bind_it(struct scene *scene) {
  assert_int_equal(dgram_bind(scene->socket, 0, "name", NULL, NULL), 0);
}

static void bind_it_now(struct scene *scene) {
  bind_it(scene);
  lookup_stub_answer(&scene->stub, 0, 0, "127.0.0.1");
}

static void send_with(struct scene *scene, const char *text, dgram_send_cb callback,
                      void *context) {
  uv_buf_t buffer = uv_buf_init((char *)text, (unsigned)strlen(text));
  struct sockaddr_in to = loopback_address(raw_port(scene->fd));
  assert_int_equal(
      dgram_send_to(scene->socket, &buffer, 1, (struct sockaddr *)&to, callback, context), 0);
}

static void send_it(struct scene *scene, const char *text) {
  send_with(scene, text, trace_sent, (void *)text);
}

static void connect_it(struct scene *scene) {
  assert_int_equal(dgram_connect(scene->socket, 9, "peer", trace_connect, "connecting"), 0);
}

static void answer_it(struct scene *scene, int number) {
  lookup_stub_answer(&scene->stub, number, 0, "127.0.0.1");
}

/* ---- in every state ---- */

static void unbound(struct scene *scene) {
  close_it(scene);
}

static void binding(struct scene *scene) {
  bind_it(scene);
  close_it(scene);
  answer_it(scene, 0);
}

static void binding_to_a_numeric_address(struct scene *scene) {
  struct scene plain = *scene;
  close_socket(scene->socket);
  settle(scene->loop);
  trace_clear();
  plain.socket = new_socket(scene->loop, DGRAM_UDP4, NULL, NULL);
  trace_events(plain.socket);
  assert_int_equal(dgram_bind(plain.socket, 0, "127.0.0.1", NULL, NULL), 0);
  close_it(&plain);
}

static void binding_with_sends(struct scene *scene) {
  bind_it(scene);
  send_it(scene, "1");
  send_with(scene, "2", NULL, NULL);
  send_it(scene, "3");
  close_it(scene);
  answer_it(scene, 0);
}

static void binding_implicitly(struct scene *scene) {
  send_it(scene, "1");
  close_it(scene);
  answer_it(scene, 0);
}

static void binding_with_sends_in_vain(struct scene *scene) {
  bind_it(scene);
  send_it(scene, "1");
  send_with(scene, "2", NULL, NULL);
  send_it(scene, "3");
  close_it(scene);
  lookup_stub_answer(&scene->stub, 0, UV_EAI_FAIL, NULL);
}

static void binding_with_a_connect(struct scene *scene) {
  bind_it(scene);
  connect_it(scene);
  close_it(scene);
  answer_it(scene, 0);
}

static void binding_with_a_connect_and_sends(struct scene *scene) {
  send_it(scene, "1");
  connect_it(scene);
  send_it(scene, "2");
  close_it(scene);
  answer_it(scene, 0);
}

static void bound_by_a_membership(struct scene *scene) {
  assert_int_equal(dgram_add_membership(scene->socket, "224.0.0.114", "127.0.0.1"), 0);
  close_it(scene);
}

static void bound_by_a_membership_with_sends(struct scene *scene) {
  assert_int_equal(dgram_add_membership(scene->socket, "224.0.0.114", "127.0.0.1"), 0);
  send_it(scene, "1");
  connect_it(scene);
  send_it(scene, "2");
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
  send_with(scene, "2", NULL, NULL);
  send_it(scene, "3");
  close_it(scene);
}

static void looking_up(struct scene *scene) {
  bind_it_now(scene);
  send_it(scene, "1");
  assert_int_equal(dgram_send(scene->socket, "x", 1, 9, "host", trace_sent, "2"), 0);
  send_it(scene, "3");
  close_it(scene);
}

static void connecting(struct scene *scene) {
  bind_it_now(scene);
  send_it(scene, "1");
  connect_it(scene);
  close_it(scene);
}

static void connected(struct scene *scene) {
  bind_it_now(scene);
  connect_it(scene);
  answer_it(scene, 1);
  settle(scene->loop);
  close_it(scene);
}

static void failing(struct scene *scene) {
  static char overlong[65508];
  bind_it_now(scene);
  struct sockaddr_in to = loopback_address(9);
  uv_buf_t buffer = uv_buf_init(overlong, sizeof overlong);
  const struct sockaddr *address = (const struct sockaddr *)&to;
  assert_int_equal(dgram_send_to(scene->socket, &buffer, 1, address, trace_sent, "1"), 0);
  assert_int_equal(dgram_send_to(scene->socket, &buffer, 1, address, NULL, NULL), 0);
  close_it(scene);
}

/* ---- inside each kind of listener ---- */

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
  send_it(scene, "1");
  send_it(scene, "2");
  answer_it(scene, 0);
}

static void close_in_message(dgram_socket_t *socket, const char *message,
                             const dgram_rinfo_t *rinfo, void *context) {
  trace("in(%.*s)", (int)rinfo->size, message);
  close_it(context);
}

static void in_message(struct scene *scene) {
  assert_int_equal(dgram_on_message(scene->socket, close_in_message, scene), 0);
  assert_int_equal(dgram_on_message(scene->socket, trace_message, "other"), 0);
  bind_it_now(scene);
  raw_send(scene->fd, "1", 1, port_of(scene->socket));
  raw_send(scene->fd, "2", 1, port_of(scene->socket));
}

static void close_in_error(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  trace("in(%s)", error->name);
  close_it(context);
}

static void in_the_error_of_a_bind(struct scene *scene) {
  assert_int_equal(dgram_on_error(scene->socket, close_in_error, scene), 0);
  send_it(scene, "1");
  lookup_stub_answer(&scene->stub, 0, UV_EAI_FAIL, NULL);
}

static void in_the_error_of_a_send(struct scene *scene) {
  static char overlong[65508];
  struct sockaddr_in to = loopback_address(9);
  uv_buf_t buffer = uv_buf_init(overlong, sizeof overlong);
  assert_int_equal(dgram_on_error(scene->socket, close_in_error, scene), 0);
  bind_it_now(scene);
  assert_int_equal(dgram_send_to(scene->socket, &buffer, 1, (struct sockaddr *)&to, NULL, NULL), 0);
  send_it(scene, "1");
}

static void close_in_connect(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  trace("in(%s)", error != NULL ? error->name : "");
  close_it(context);
}

static void in_connect(struct scene *scene) {
  bind_it_now(scene);
  assert_int_equal(dgram_connect(scene->socket, 9, "peer", close_in_connect, scene), 0);
  answer_it(scene, 1);
}

static void in_the_failure_of_a_connect(struct scene *scene) {
  bind_it_now(scene);
  assert_int_equal(dgram_connect(scene->socket, 9, "peer", close_in_connect, scene), 0);
  lookup_stub_answer(&scene->stub, 1, UV_EAI_FAIL, NULL);
}

static void close_in_sent(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                          void *context) {
  trace("in");
  close_it(context);
}

static void in_the_callback_of_a_send(struct scene *scene) {
  bind_it_now(scene);
  send_with(scene, "1", close_in_sent, scene);
  send_it(scene, "2");
}

static void close_again(dgram_socket_t *socket, void *context) {
  trace("in:%d", dgram_close(socket, NULL, NULL) == DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
}

static void in_close(struct scene *scene) {
  assert_int_equal(dgram_on_close(scene->socket, close_again, NULL), 0);
  close_it(scene);
}

/* ---- the traces ---- */

static const struct {
  void (*act)(struct scene *scene);
  const char *trace;
  const char *arrived;
} traces[] = {
    {unbound, "returned close callback", ""},
    /* B15: no 'listening', no 'error' */
    {binding, "ask(name) returned close callback", ""},
    {binding_to_a_numeric_address, "returned close callback", ""},
    /* B14: the close waits behind the sends */
    {binding_with_sends, "ask(name) returned listening 1 3 close callback", "1 2 3"},
    {binding_implicitly, "ask(0.0.0.0) returned listening 1 close callback", "1"},
    {binding_with_sends_in_vain,
     "ask(name) returned error(EAI_FAIL) 1(EAI_FAIL) 3(EAI_FAIL) close callback", ""},
    {binding_with_a_connect,
     "ask(name) returned listening ask(peer) close callback connecting(ECANCELED)", ""},
    {binding_with_a_connect_and_sends,
     "ask(0.0.0.0) returned listening ask(peer) 1 2 close callback connecting(ECANCELED)", "1 2"},
    {bound_by_a_membership, "returned close callback", ""},
    {bound_by_a_membership_with_sends,
     "returned listening ask(peer) 1 2 close callback connecting(ECANCELED)", "1 2"},
    {bound, "ask(name) listening returned close callback", ""},
    {sending, "ask(name) listening returned 1 3 close callback", "1 2 3"},
    /* B15: what has not left is told after 'close' */
    {looking_up, "ask(name) listening ask(host) returned 1 3 close callback 2(ECANCELED)", "1 3"},
    {connecting, "ask(name) listening ask(peer) returned 1 close callback connecting(ECANCELED)",
     "1"},
    {connected, "ask(name) listening ask(peer) connect connecting returned close callback", ""},
    {failing, "ask(name) listening returned 1(EMSGSIZE) error(EMSGSIZE) close callback", ""},
    {in_listening, "ask(name) listening in returned close callback", ""},
    {in_listening_with_sends, "ask(0.0.0.0) listening in returned 1 2 close callback", "1 2"},
    {in_message, "ask(name) listening in(1) returned other(1) close callback", ""},
    {in_the_error_of_a_bind,
     "ask(0.0.0.0) error(EAI_FAIL) in(EAI_FAIL) returned 1(EAI_FAIL) close callback", ""},
    {in_the_error_of_a_send,
     "ask(name) listening error(EMSGSIZE) in(EMSGSIZE) returned 1 close callback", "1"},
    {in_connect, "ask(name) listening ask(peer) connect in() returned close callback", ""},
    {in_the_failure_of_a_connect,
     "ask(name) listening ask(peer) in(EAI_FAIL) returned close callback", ""},
    {in_the_callback_of_a_send, "ask(name) listening in returned 2 close callback", "1 2"},
    {in_close, "returned close in:1 callback", ""},
};

TEST("every trace is as expected") {
  for (size_t i = 0; i < sizeof traces / sizeof *traces; i++) {
    begin_round(loop);
    struct scene scene = {.loop = loop, .fd = raw_socket()};
    scene.socket = new_with_lookup(scene.loop, DGRAM_UDP4, &scene.stub);
    trace_events(scene.socket);
    traces[i].act(&scene);
    settle(scene.loop);
    assert_trace(traces[i].trace);
    assert_string_equal(arrived(scene.fd), traces[i].arrived);
    for (int j = 0; j < scene.stub.asked; j++)
      if (scene.stub.queries[j].lookup != NULL)
        answer_it(&scene, j);
    run_to_end(scene.loop);
    assert_trace("");
    close(scene.fd);
  }
}

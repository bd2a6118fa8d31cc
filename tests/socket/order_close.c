/*
 * The order of events around a close, as traces: in every state, inside each kind of listener,
 * and with sends and a connect that wait for a bind; by dgram_close() and by an abort signal, which
 * is the same (B10). The numbers are those of the observed behaviour of node:dgram.
 */
#include "lib/fixture.h"
#include "lib/lookup_stub.h"

struct fixture {
  uv_loop_t *loop;
  enum { BY_CALL, BY_SIGNAL } way;
  dgram_abort_signal_t *signal;
  dgram_socket_t *socket;
  struct lookup_stub stub;
  int fd; /* receives the socket's sends */
};

/* The callback of dgram_close() is a last listener of 'close'. */
static void close_it(struct fixture *fixture) {
  if (fixture->way == BY_CALL) {
    assert_int_equal(dgram_close(fixture->socket, trace_event, "callback"), 0);
  } else {
    dgram_abort_signal_abort(fixture->signal);
    assert_int_equal(dgram_once_close(fixture->socket, trace_event, "callback"), 0);
  }
  trace("returned");
}

static void bind_it(struct fixture *fixture) {
  assert_int_equal(dgram_bind(fixture->socket, 0, "name", NULL, NULL), 0);
}

static void bind_it_now(struct fixture *fixture) {
  bind_it(fixture);
  lookup_stub_answer(&fixture->stub, 0, 0, "127.0.0.1");
}

static void send_with(struct fixture *fixture, const char *text, dgram_send_cb callback,
                      void *context) {
  uv_buf_t buffer = uv_buf_init((char *)text, (unsigned)strlen(text));
  struct sockaddr_in to = loopback_address(raw_port(fixture->fd));
  assert_int_equal(
      dgram_send_to(fixture->socket, &buffer, 1, (struct sockaddr *)&to, callback, context), 0);
}

static void send_it(struct fixture *fixture, const char *text) {
  send_with(fixture, text, trace_sent, (void *)text);
}

static void connect_it(struct fixture *fixture) {
  assert_int_equal(dgram_connect(fixture->socket, 9, "peer", trace_connect, "connecting"), 0);
}

static void answer_it(struct fixture *fixture, int number) {
  lookup_stub_answer(&fixture->stub, number, 0, "127.0.0.1");
}

/* ---- in every state ---- */

static void unbound(struct fixture *fixture) {
  close_it(fixture);
}

static void binding(struct fixture *fixture) {
  bind_it(fixture);
  close_it(fixture);
  answer_it(fixture, 0);
}

static void binding_to_a_numeric_address(struct fixture *fixture) {
  struct fixture plain = *fixture;
  close_socket(fixture->socket);
  settle(fixture->loop);
  trace_clear();
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.signal = fixture->signal;
  plain.socket = new_with(fixture->loop, &options);
  trace_events(plain.socket);
  assert_int_equal(dgram_bind(plain.socket, 0, "127.0.0.1", NULL, NULL), 0);
  close_it(&plain);
}

static void binding_with_sends(struct fixture *fixture) {
  bind_it(fixture);
  send_it(fixture, "1");
  send_with(fixture, "2", NULL, NULL);
  send_it(fixture, "3");
  close_it(fixture);
  answer_it(fixture, 0);
}

static void binding_implicitly(struct fixture *fixture) {
  send_it(fixture, "1");
  close_it(fixture);
  answer_it(fixture, 0);
}

static void binding_with_sends_in_vain(struct fixture *fixture) {
  bind_it(fixture);
  send_it(fixture, "1");
  send_with(fixture, "2", NULL, NULL);
  send_it(fixture, "3");
  close_it(fixture);
  lookup_stub_answer(&fixture->stub, 0, UV_EAI_FAIL, NULL);
}

static void binding_with_a_connect(struct fixture *fixture) {
  bind_it(fixture);
  connect_it(fixture);
  close_it(fixture);
  answer_it(fixture, 0);
}

static void binding_with_a_connect_and_sends(struct fixture *fixture) {
  send_it(fixture, "1");
  connect_it(fixture);
  send_it(fixture, "2");
  close_it(fixture);
  answer_it(fixture, 0);
}

static void bound_by_a_membership(struct fixture *fixture) {
  assert_int_equal(dgram_add_membership(fixture->socket, "224.0.0.114", "127.0.0.1"), 0);
  close_it(fixture);
}

static void bound_by_a_membership_with_sends(struct fixture *fixture) {
  assert_int_equal(dgram_add_membership(fixture->socket, "224.0.0.114", "127.0.0.1"), 0);
  send_it(fixture, "1");
  connect_it(fixture);
  send_it(fixture, "2");
  close_it(fixture);
}

static void bound(struct fixture *fixture) {
  bind_it_now(fixture);
  settle(fixture->loop);
  close_it(fixture);
}

static void sending(struct fixture *fixture) {
  bind_it_now(fixture);
  send_it(fixture, "1");
  send_with(fixture, "2", NULL, NULL);
  send_it(fixture, "3");
  close_it(fixture);
}

static void looking_up(struct fixture *fixture) {
  bind_it_now(fixture);
  send_it(fixture, "1");
  assert_int_equal(dgram_send(fixture->socket, "x", 1, 9, "host", trace_sent, "2"), 0);
  send_it(fixture, "3");
  close_it(fixture);
}

static void connecting(struct fixture *fixture) {
  bind_it_now(fixture);
  send_it(fixture, "1");
  connect_it(fixture);
  close_it(fixture);
}

static void connected(struct fixture *fixture) {
  bind_it_now(fixture);
  connect_it(fixture);
  answer_it(fixture, 1);
  settle(fixture->loop);
  close_it(fixture);
}

static void failing(struct fixture *fixture) {
  static char overlong[65508];
  bind_it_now(fixture);
  struct sockaddr_in to = loopback_address(9);
  uv_buf_t buffer = uv_buf_init(overlong, sizeof overlong);
  const struct sockaddr *address = (const struct sockaddr *)&to;
  assert_int_equal(dgram_send_to(fixture->socket, &buffer, 1, address, trace_sent, "1"), 0);
  assert_int_equal(dgram_send_to(fixture->socket, &buffer, 1, address, NULL, NULL), 0);
  close_it(fixture);
}

/* ---- inside each kind of listener ---- */

static void close_in_event(dgram_socket_t *socket, void *context) {
  trace("in");
  close_it(context);
}

static void in_listening(struct fixture *fixture) {
  assert_int_equal(dgram_on_listening(fixture->socket, close_in_event, fixture), 0);
  bind_it_now(fixture);
}

static void in_listening_with_sends(struct fixture *fixture) {
  assert_int_equal(dgram_on_listening(fixture->socket, close_in_event, fixture), 0);
  send_it(fixture, "1");
  send_it(fixture, "2");
  answer_it(fixture, 0);
}

static void close_in_message(dgram_socket_t *socket, const char *message,
                             const dgram_rinfo_t *rinfo, void *context) {
  trace("in(%.*s)", (int)rinfo->size, message);
  close_it(context);
}

static void in_message(struct fixture *fixture) {
  assert_int_equal(dgram_on_message(fixture->socket, close_in_message, fixture), 0);
  assert_int_equal(dgram_on_message(fixture->socket, trace_message, "other"), 0);
  bind_it_now(fixture);
  raw_send(fixture->fd, "1", 1, port_of(fixture->socket));
  raw_send(fixture->fd, "2", 1, port_of(fixture->socket));
}

static void close_in_error(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  trace("in(%s)", error->name);
  close_it(context);
}

static void in_the_error_of_a_bind(struct fixture *fixture) {
  assert_int_equal(dgram_on_error(fixture->socket, close_in_error, fixture), 0);
  send_it(fixture, "1");
  lookup_stub_answer(&fixture->stub, 0, UV_EAI_FAIL, NULL);
}

static void in_the_error_of_a_send(struct fixture *fixture) {
  static char overlong[65508];
  struct sockaddr_in to = loopback_address(9);
  uv_buf_t buffer = uv_buf_init(overlong, sizeof overlong);
  assert_int_equal(dgram_on_error(fixture->socket, close_in_error, fixture), 0);
  bind_it_now(fixture);
  assert_int_equal(dgram_send_to(fixture->socket, &buffer, 1, (struct sockaddr *)&to, NULL, NULL),
                   0);
  send_it(fixture, "1");
}

static void close_in_connect(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  trace("in(%s)", error != NULL ? error->name : "");
  close_it(context);
}

static void in_connect(struct fixture *fixture) {
  bind_it_now(fixture);
  assert_int_equal(dgram_connect(fixture->socket, 9, "peer", close_in_connect, fixture), 0);
  answer_it(fixture, 1);
}

static void in_the_failure_of_a_connect(struct fixture *fixture) {
  bind_it_now(fixture);
  assert_int_equal(dgram_connect(fixture->socket, 9, "peer", close_in_connect, fixture), 0);
  lookup_stub_answer(&fixture->stub, 1, UV_EAI_FAIL, NULL);
}

static void close_in_sent(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                          void *context) {
  trace("in");
  close_it(context);
}

static void in_the_callback_of_a_send(struct fixture *fixture) {
  bind_it_now(fixture);
  send_with(fixture, "1", close_in_sent, fixture);
  send_it(fixture, "2");
}

static void close_again(dgram_socket_t *socket, void *context) {
  struct fixture *fixture = context;
  dgram_abort_signal_abort(fixture->signal);
  trace("in:%d", dgram_close(socket, NULL, NULL) == DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
}

static void in_close(struct fixture *fixture) {
  assert_int_equal(dgram_on_close(fixture->socket, close_again, fixture), 0);
  close_it(fixture);
}

/* ---- the traces ---- */

static const struct {
  void (*act)(struct fixture *fixture);
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
    /* B15: what has not left is reported after 'close' */
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

/* The close of one row, in one of the ways. */
static void assert_close(uv_loop_t *loop, int way, size_t i) {
  begin_round(loop);
  struct fixture fixture = {.loop = loop, .way = way, .fd = raw_socket()};
  dgram_options_t options = lookup_stub_options(DGRAM_UDP4, &fixture.stub);
  assert_int_equal(dgram_abort_signal_create(&fixture.signal), 0);
  options.signal = fixture.signal;
  fixture.socket = new_with(loop, &options);
  trace_events(fixture.socket);
  traces[i].act(&fixture);
  settle(loop);
  assert_trace(traces[i].trace);
  assert_string_equal(arrived(fixture.fd), traces[i].arrived);
  for (int j = 0; j < fixture.stub.asked; j++)
    if (fixture.stub.queries[j].lookup != NULL)
      answer_it(&fixture, j);
  run_to_end(loop);
  assert_trace("");
  close(fixture.fd);
  dgram_abort_signal_free(fixture.signal);
}

TEST("a close emits its events in order in every state") {
  for (size_t i = 0; i < sizeof traces / sizeof *traces; i++)
    assert_close(loop, BY_CALL, i);
}

TEST("an abort signal emits in every state what close() emits") {
  for (size_t i = 0; i < sizeof traces / sizeof *traces; i++)
    assert_close(loop, BY_SIGNAL, i);
}

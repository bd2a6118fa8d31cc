/*
 * Between a fact and the event that reports it: a socket that is connected before 'connect', one
 * that is bound and does not listen yet; and code of the program's that runs in the middle of a
 * call, a look-up of its own. Whatever the program does there, each call ends once, and the state
 * and what is reported of it agree.
 */
#include "lib/fixture.h"
#include "lib/lookup_stub.h"

static int closed_before; /* how a call inside another one ended */

/* ---- disconnected before 'connect' was emitted ---- */

TEST("a connect that is taken back is no success") {
  struct lookup_stub stub = {0};
  int peer = raw_socket();
  int other = raw_socket();
  dgram_socket_t *socket = new_bound_with_lookup(loop, &stub);
  trace_events(socket);
  assert_int_equal(dgram_connect(socket, raw_port(peer), "a.peer", trace_connect, "first"), 0);
  lookup_stub_answer(&stub, 0, 0, "127.0.0.1");
  assert_int_equal(dgram_connect_state(socket), DGRAM_CONNECTED);
  assert_int_equal(dgram_disconnect(socket), 0);
  assert_int_equal(dgram_connect_state(socket), DGRAM_DISCONNECTED);
  assert_int_equal(dgram_connect(socket, raw_port(other), "another", trace_connect, "second"), 0);
  settle(loop);
  assert_trace("ask(a.peer) ask(another) first(ECANCELED)");
  lookup_stub_answer(&stub, 1, 0, "127.0.0.1");
  settle(loop);
  assert_trace("connect second");
  assert_int_equal(dgram_send(socket, "x", 1, 0, NULL, NULL, NULL), 0);
  settle(loop);
  assert_string_equal(arrived(peer), "");
  assert_string_equal(arrived(other), "x");
  close(peer);
  close(other);
}

TEST("a connect without a callback that is taken back ends silently") {
  struct lookup_stub stub = {0};
  dgram_socket_t *socket = new_bound_with_lookup(loop, &stub);
  trace_events(socket);
  assert_int_equal(dgram_connect(socket, 9, "a.peer", NULL, NULL), 0);
  lookup_stub_answer(&stub, 0, 0, "127.0.0.1");
  assert_int_equal(dgram_disconnect(socket), 0);
  settle(loop);
  assert_trace("ask(a.peer)");
}

TEST("several connects may be taken back in one iteration") {
  struct lookup_stub stub = {0};
  dgram_socket_t *socket = new_bound_with_lookup(loop, &stub);
  static char *const names[] = {"first", "second", "third"};
  for (int i = 0; i < 3; i++) {
    assert_int_equal(dgram_connect(socket, 9, "a.peer", trace_connect, names[i]), 0);
    lookup_stub_answer(&stub, i, 0, "127.0.0.1");
    assert_int_equal(dgram_disconnect(socket), 0);
  }
  trace_clear();
  settle(loop);
  assert_trace("first(ECANCELED) second(ECANCELED) third(ECANCELED)");
}

/* A listener of 'connect' in front of the callback of the dgram_connect() that is reported. */
static void connect_elsewhere_and_take_it_back(dgram_socket_t *socket, const dgram_error_t *error,
                                               void *context) {
  assert_int_equal(dgram_disconnect(socket), 0);
  assert_int_equal(dgram_connect(socket, 9, "elsewhere", trace_connect, "second"), 0);
  assert_int_equal(dgram_disconnect(socket), 0);
}

TEST("taking back the next connect does not silence the one that is reported") {
  struct lookup_stub stub = {0};
  dgram_socket_t *socket = new_bound_with_lookup(loop, &stub);
  stub.at_once = "127.0.0.1";
  assert_int_equal(dgram_once_connect(socket, connect_elsewhere_and_take_it_back, NULL), 0);
  assert_int_equal(dgram_connect(socket, 9, "a.peer", trace_connect, "first"), 0);
  settle(loop);
  assert_trace("ask(a.peer) ask(elsewhere) first second(ECANCELED)");
}

TEST("a connect that is taken back and closed ends once") {
  struct lookup_stub stub = {0};
  dgram_socket_t *socket = new_bound_with_lookup(loop, &stub);
  trace_events(socket);
  assert_int_equal(dgram_connect(socket, 9, "a.peer", trace_connect, "first"), 0);
  lookup_stub_answer(&stub, 0, 0, "127.0.0.1");
  assert_int_equal(dgram_disconnect(socket), 0);
  close_socket(socket);
  trace_clear();
  settle(loop);
  assert_trace("first(ECANCELED) close");
}

/* ---- a look-up that connects ---- */

struct meddler {
  int port;
  int synchronous;
  int result;
  dgram_socket_t *socket;
  dgram_lookup_t *lookup;
};

static void meddle(dgram_lookup_t *lookup, const char *host, dgram_type_t type, void *context) {
  struct meddler *meddler = context;
  meddler->lookup = lookup;
  if (meddler->port == 0)
    return;
  if (meddler->synchronous)
    meddler->result = dgram_connect_sync(meddler->socket, meddler->port, "127.0.0.1");
  else
    meddler->result = dgram_connect(meddler->socket, meddler->port, NULL, trace_connect, "inner");
}

/* A send to a name waits for 'listening' when the socket is connected inside a call. */
static void a_look_up_that_connects_inside_connect_sync(uv_loop_t *loop, int synchronous) {
  begin_round(loop);
  int outer = raw_socket();
  int inner = raw_socket();
  struct meddler meddler = {.synchronous = synchronous, .result = 1};
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  dgram_address_t remote;
  options.lookup = meddle;
  options.lookup_context = &meddler;
  dgram_socket_t *socket = meddler.socket = new_with(loop, &options);
  trace_events(socket);
  assert_int_equal(dgram_bind_sync(socket, 0, "127.0.0.1"), 0);
  assert_int_equal(dgram_send(socket, "x", 1, 9, "a.host", trace_sent, "sent"), 0);
  meddler.port = raw_port(inner);
  assert_int_equal(dgram_connect_sync(socket, raw_port(outer), "127.0.0.1"), 0);
  meddler.port = 0;
  assert_int_equal(meddler.result, DGRAM_ERR_SOCKET_DGRAM_IS_CONNECTED);
  assert_int_equal(dgram_remote_address(socket, &remote), 0);
  assert_int_equal(remote.port, raw_port(outer));
  dgram_lookup_done(meddler.lookup, 0, "127.0.0.1");
  settle(loop);
  assert_trace("listening connect sent(EISCONN)");
  close(outer);
  close(inner);
}

TEST("connect() in the look-up of a send inside connect_sync() is refused") {
  a_look_up_that_connects_inside_connect_sync(loop, 0);
}

TEST("connect_sync() in the look-up of a send inside connect_sync() is refused") {
  a_look_up_that_connects_inside_connect_sync(loop, 1);
}

static void close_it(dgram_lookup_t *lookup, const char *host, dgram_type_t type, void *context) {
  struct meddler *meddler = context;
  meddler->lookup = lookup;
  if (meddler->port != 0)
    closed_before = dgram_close(meddler->socket, NULL, NULL);
}

TEST("a look-up may close the socket inside connect_sync()") {
  struct meddler meddler = {0};
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.lookup = close_it;
  options.lookup_context = &meddler;
  dgram_socket_t *socket = meddler.socket = new_with(loop, &options);
  trace_events(socket);
  assert_int_equal(dgram_bind_sync(socket, 0, "127.0.0.1"), 0);
  assert_int_equal(dgram_send(socket, "x", 1, 9, "a.host", trace_sent, "sent"), 0);
  meddler.port = 9;
  assert_int_equal(dgram_connect_sync(socket, 9, "127.0.0.1"), DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
  assert_int_equal(closed_before, 0);
  settle(loop);
  assert_trace("close sent(ECANCELED)");
  dgram_lookup_done(meddler.lookup, 0, "127.0.0.1");
  run_to_end(loop);
}

/* ---- the descriptor of another socket of the loop ---- */

TEST("a descriptor is not adopted before its socket listens") {
  dgram_socket_t *owner = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  dgram_socket_t *thief = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_bind_sync(owner, 0, "127.0.0.1"), 0);
  assert_int_equal(adopt_fd(thief, dgram_fileno(owner)), UV_EEXIST);
  settle(loop);
  assert_int_equal(adopt_fd(thief, dgram_fileno(owner)), UV_EEXIST);
  assert_usable(owner);
}

static dgram_socket_t *the_thief;

static void take_in_error(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  trace("%s", error->name);
  assert_int_equal(adopt_fd(the_thief, dgram_fileno(socket)), UV_EEXIST);
}

TEST("a descriptor is not adopted inside the error of its socket") {
  int port;
  int gone = raw_socket();
  int gone_port = raw_port(gone);
  dgram_socket_t *owner = new_bound(loop, NULL, NULL, &port);
  the_thief = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_on_error(owner, take_in_error, NULL), 0);
  close(gone);
  connect_now(owner, gone_port);
  assert_int_equal(dgram_send(owner, "x", 1, 0, NULL, NULL, NULL), 0);
  settle(loop);
  assert_trace("ECONNREFUSED");
  close_socket(owner);
  close_socket(the_thief);
  run_to_end(loop);
}

TEST("a descriptor's number that is free again is adopted") {
  int port;
  dgram_socket_t *first = new_bound(loop, NULL, NULL, &port);
  dgram_socket_t *second = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  int number = dgram_fileno(first);
  close_socket(first);
  int fd = raw_socket();
  assert_int_equal(fd, number);
  assert_int_equal(adopt_fd(second, fd), 0);
  assert_usable(second);
  close_socket(second);
}

/* ---- closed ---- */

TEST("a send on a closed socket that was connected is refused") {
  int port;
  int peer = raw_socket();
  uv_buf_t byte = uv_buf_init("x", 1);
  struct sockaddr_in to = loopback_address(raw_port(peer));
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  connect_now(socket, raw_port(peer));
  close_socket(socket);
  assert_int_equal(dgram_send(socket, "x", 1, raw_port(peer), "127.0.0.1", NULL, NULL),
                   DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
  assert_int_equal(dgram_send(socket, "x", 1, 0, NULL, NULL, NULL),
                   DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
  assert_int_equal(dgram_send_to(socket, &byte, 1, (struct sockaddr *)&to, NULL, NULL),
                   DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
  assert_int_equal(dgram_connect(socket, 9, NULL, NULL, NULL), DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
  assert_int_equal(dgram_connect_sync(socket, 9, NULL), DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
  settle(loop);
  close(peer);
}

/* ---- an address at an odd place in memory ---- */

TEST("a binary address may lie at any alignment") {
  int port;
  int peer = raw_socket();
  char memory[1 + sizeof(struct sockaddr_in)];
  uv_buf_t byte = uv_buf_init("x", 1);
  struct sockaddr_in to = loopback_address(raw_port(peer));
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  memcpy(memory + 1, &to, sizeof to);
  for (int i = 0; i < 3; i++)
    assert_int_equal(
        dgram_send_to(socket, &byte, 1, (const void *)(memory + 1), trace_sent, "sent"), 0);
  settle(loop);
  assert_trace("sent sent sent");
  assert_string_equal(arrived(peer), "x x x");
  close(peer);
}

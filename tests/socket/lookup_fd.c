/* The look-up of a bind, answered with a descriptor that is bound already. */
#include "lib/fixture.h"
#include "lib/lookup_stub.h"

static int answer_fd(struct lookup_stub *stub, int number, int fd) {
  dgram_lookup_t *lookup = stub->queries[number].lookup;
  assert_non_null(lookup);
  stub->queries[number].lookup = NULL;
  return dgram_lookup_done_fd(lookup, fd);
}

TEST("an answer that is a descriptor is adopted inside lookup_done_fd()") {
  struct lookup_stub stub = {0};
  int fd = raw_socket();
  int port = raw_port(fd);
  dgram_socket_t *socket = new_with_lookup(loop, DGRAM_UDP4, &stub);
  trace_events(socket);
  assert_int_equal(dgram_bind(socket, 9, "name", trace_event, "callback"), 0);
  settle(loop);
  assert_trace("ask(name)");
  assert_int_equal(answer_fd(&stub, 0, fd), 0);
  assert_trace("listening callback");
  assert_int_equal(port_of(socket), port);
  int received = 0;
  int peer = raw_socket();
  assert_int_equal(dgram_on_message(socket, count_message, &received), 0);
  raw_send(peer, "x", 1, port);
  run_until(loop, &received, 1);
  close(peer);
  close_socket(socket);
  run_to_end(loop);
  assert_trace("close");
  assert_false(is_open(fd));
}

/* In the look-up itself, that is inside dgram_bind(). */
static void answer_at_once(dgram_lookup_t *lookup, const char *host, dgram_type_t type,
                           void *context) {
  trace("ask(%s)", host);
  trace("done:%d", dgram_lookup_done_fd(lookup, *(int *)context));
}

TEST("an answer that is a descriptor may come inside the call") {
  int fd = raw_socket();
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.lookup = answer_at_once;
  options.lookup_context = &fd;
  dgram_socket_t *socket = new_with(loop, &options);
  trace_events(socket);
  assert_int_equal(dgram_bind(socket, 0, "name", trace_event, "callback"), 0);
  assert_trace("ask(name) listening callback done:0");
  assert_int_equal(port_of(socket), raw_port(fd));
}

TEST("sends leave from the descriptor that answered their implicit bind") {
  struct lookup_stub stub = {0};
  char text[8];
  int fd = raw_socket();
  int port = raw_port(fd);
  int peer = raw_socket();
  struct sockaddr_in to = loopback_address(raw_port(peer));
  uv_buf_t buffer = uv_buf_init("x", 1);
  dgram_socket_t *socket = new_with_lookup(loop, DGRAM_UDP4, &stub);
  trace_events(socket);
  assert_int_equal(dgram_send_to(socket, &buffer, 1, (struct sockaddr *)&to, trace_sent, "sent"),
                   0);
  assert_int_equal(answer_fd(&stub, 0, fd), 0);
  run_until_trace(loop, "ask(0.0.0.0) listening sent");
  assert_int_equal(raw_receive(peer, text, sizeof text), port);
  close(peer);
}

/* ---- one that is connected ---- */

TEST("an answer that is a connected descriptor connects the socket") {
  struct lookup_stub stub = {0};
  int fd = raw_socket();
  int peer = raw_socket();
  raw_connect(fd, raw_port(peer));
  dgram_socket_t *socket = new_with_lookup(loop, DGRAM_UDP4, &stub);
  assert_int_equal(dgram_bind(socket, 0, NULL, NULL, NULL), 0);
  assert_int_equal(answer_fd(&stub, 0, fd), 0);
  assert_int_equal(dgram_connect_state(socket), DGRAM_CONNECTED);
  assert_int_equal(dgram_send(socket, "x", 1, 0, NULL, NULL, NULL), 0);
  settle(loop);
  assert_string_equal(arrived(peer), "x");
  close(peer);
}

/* The attempt is for another peer: until it succeeds there is none. */
TEST("a connected descriptor is reconnected where a connect waits") {
  static const char *const found[] = {"127.0.0.1", "::1"};
  static const char *const traces[] = {"ask(0.0.0.0) listening ask(name) sent connect callback",
                                       "ask(0.0.0.0) listening ask(name) sent callback(EINVAL)"};
  for (int i = 0; i < 2; i++) {
    begin_round(loop);
    struct lookup_stub stub = {0};
    int fd = raw_socket();
    int first = raw_socket();
    int second = raw_socket();
    struct sockaddr_in to = loopback_address(raw_port(second));
    uv_buf_t buffer = uv_buf_init("x", 1);
    raw_connect(fd, raw_port(first));
    dgram_socket_t *socket = new_with_lookup(loop, DGRAM_UDP4, &stub);
    trace_events(socket);
    assert_int_equal(dgram_send_to(socket, &buffer, 1, (struct sockaddr *)&to, trace_sent, "sent"),
                     0);
    assert_int_equal(dgram_connect(socket, raw_port(second), "name", trace_connect, "callback"), 0);
    assert_int_equal(answer_fd(&stub, 0, fd), 0);
    assert_int_equal(dgram_connect_state(socket), DGRAM_CONNECTING);
    settle(loop);
    lookup_stub_answer(&stub, 1, 0, found[i]);
    settle(loop);
    assert_trace(traces[i]);
    assert_int_equal(dgram_connect_state(socket), i == 0 ? DGRAM_CONNECTED : DGRAM_DISCONNECTED);
    assert_string_equal(arrived(second), "x");
    assert_string_equal(arrived(first), "");
    close(first);
    close(second);
  }
}

/* ---- what can't be taken over ---- */

/* The bind has failed; the descriptor stays the program's, and the socket can be bound again. */
static void assert_refused(uv_loop_t *loop, int fd, int code) {
  begin_round(loop);
  struct lookup_stub stub = {0};
  struct kept_error kept = {0};
  int was_open = is_open(fd);
  dgram_socket_t *socket = new_with_lookup(loop, DGRAM_UDP4, &stub);
  assert_int_equal(dgram_on_error(socket, keep_error, &kept), 0);
  assert_int_equal(dgram_bind(socket, 0, NULL, trace_event, "forgotten"), 0);
  assert_int_equal(answer_fd(&stub, 0, fd), code);
  assert_int_equal(kept.calls, 1); /* inside the call */
  assert_int_equal(kept.code, code);
  assert_string_equal(kept.syscall, "open");
  assert_int_equal(is_open(fd), was_open);
  assert_int_equal(dgram_bind_state(socket), DGRAM_UNBOUND);
  assert_int_equal(dgram_off_listening(socket, trace_event, "forgotten"), UV_ENOENT);
  assert_int_equal(dgram_bind_sync(socket, 0, "127.0.0.1"), 0);
  close_socket(socket);
  run_to_end(loop);
  assert_int_equal(is_open(fd), was_open);
}

TEST("an answer that is no UDP socket is refused") {
  int pipes[2];
  int tcp = socket(AF_INET, SOCK_STREAM, 0);
  assert_int_equal(pipe(pipes), 0);
  assert_refused(loop, -1, DGRAM_ERR_INVALID_FD_TYPE);
  assert_refused(loop, INT32_MAX, DGRAM_ERR_INVALID_FD_TYPE);
  assert_refused(loop, pipes[0], DGRAM_ERR_INVALID_FD_TYPE);
  assert_refused(loop, tcp, DGRAM_ERR_INVALID_FD_TYPE);
  close(pipes[0]);
  close(pipes[1]);
  close(tcp);
}

TEST("an answer that is a descriptor of the other family is refused") {
  skip_without_ipv6();
  int fd = socket(AF_INET6, SOCK_DGRAM, 0);
  assert_refused(loop, fd, UV_EINVAL);
  close(fd);
}

TEST("an answer that is a descriptor of the loop's is refused") {
  struct lookup_stub stub = {0};
  int fd = raw_socket();
  dgram_socket_t *first = new_with_lookup(loop, DGRAM_UDP4, &stub);
  dgram_socket_t *second = new_with_lookup(loop, DGRAM_UDP4, &stub);
  trace_events(second);
  assert_int_equal(dgram_bind(first, 0, NULL, NULL, NULL), 0);
  assert_int_equal(dgram_bind(second, 0, NULL, NULL, NULL), 0);
  assert_int_equal(answer_fd(&stub, 0, fd), 0);
  settle(loop); /* until then libuv does not know */
  assert_int_equal(answer_fd(&stub, 1, fd), UV_EEXIST);
  assert_trace("ask(0.0.0.0) ask(0.0.0.0) error(EEXIST)");
  assert_true(port_of(first) > 0);
}

/* ---- other look-ups ---- */

TEST("a descriptor as the answer of a send or connect is EINVAL") {
  struct lookup_stub stub = {0};
  int fd = raw_socket();
  dgram_socket_t *socket = new_bound_with_lookup(loop, &stub);
  trace_events(socket);
  assert_int_equal(dgram_send(socket, "1", 1, 9, "a", trace_sent, "sent"), 0);
  assert_int_equal(dgram_send(socket, "2", 1, 9, "b", NULL, NULL), 0);
  assert_int_equal(dgram_connect(socket, 9, "c", trace_connect, "callback"), 0);
  assert_trace("ask(a) ask(b) ask(c)");
  for (int i = 0; i < 3; i++)
    assert_int_equal(answer_fd(&stub, i, fd), UV_EINVAL);
  assert_trace(""); /* they are reported from the loop */
  settle(loop);
  assert_trace("sent(EINVAL) error(EINVAL) callback(EINVAL)");
  assert_true(is_open(fd));
  close(fd);
}

/* ---- and a close ---- */

TEST("a descriptor as the answer of a closed socket is left alone") {
  struct lookup_stub stub = {0};
  int fd = raw_socket();
  dgram_socket_t *binding = new_with_lookup(loop, DGRAM_UDP4, &stub);
  dgram_socket_t *other = new_with_lookup(loop, DGRAM_UDP4, &stub);
  assert_int_equal(dgram_bind(binding, 0, NULL, trace_event, "never"), 0);
  assert_int_equal(dgram_bind(other, 0, NULL, trace_event, "never"), 0);
  close_socket(binding);
  close_socket(other);
  trace_clear();
  assert_int_equal(answer_fd(&stub, 0, fd), UV_ECANCELED); /* before 'close' */
  run_to_end(loop);
  assert_int_equal(answer_fd(&stub, 1, -1), UV_ECANCELED); /* when it is gone */
  assert_trace("");
  assert_true(is_open(fd));
  close(fd);
}

TEST("a descriptor as the answer counts for a close that waits for it") {
  struct lookup_stub stub = {0};
  int fd = raw_socket();
  int peer = raw_socket();
  struct sockaddr_in to = loopback_address(raw_port(peer));
  uv_buf_t buffer = uv_buf_init("x", 1);
  dgram_socket_t *socket = new_with_lookup(loop, DGRAM_UDP4, &stub);
  trace_events(socket);
  assert_int_equal(dgram_send_to(socket, &buffer, 1, (struct sockaddr *)&to, trace_sent, "sent"),
                   0);
  close_socket(socket);
  assert_int_equal(answer_fd(&stub, 0, fd), 0);
  run_to_end(loop);
  assert_trace("ask(0.0.0.0) listening sent close");
  assert_string_equal(arrived(peer), "x");
  assert_false(is_open(fd));
  close(peer);
}

static void close_in_event(dgram_socket_t *socket, void *context) {
  trace("%s", (const char *)context);
  close_socket(socket);
}

static void close_in_error(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  trace("%s(%s)", (const char *)context, error->name);
  close_socket(socket);
}

TEST("a socket may be closed in the event of its descriptor") {
  static const char *const traces[] = {"ask(0.0.0.0) listening",
                                       "ask(0.0.0.0) error(ERR_INVALID_FD_TYPE)"};
  for (int fails = 0; fails < 2; fails++) {
    begin_round(loop);
    struct lookup_stub stub = {0};
    int fd = raw_socket();
    dgram_socket_t *socket = new_with_lookup(loop, DGRAM_UDP4, &stub);
    assert_int_equal(dgram_on_listening(socket, close_in_event, "listening"), 0);
    assert_int_equal(dgram_on_error(socket, close_in_error, "error"), 0);
    assert_int_equal(dgram_on_close(socket, trace_event, "close"), 0);
    assert_int_equal(dgram_bind(socket, 0, NULL, NULL, NULL), 0);
    int err = answer_fd(&stub, 0, fails ? -1 : fd);
    assert_int_equal(err, fails ? DGRAM_ERR_INVALID_FD_TYPE : 0);
    assert_trace(traces[fails]);
    run_to_end(loop);
    assert_trace("close");
    assert_int_equal(is_open(fd), fails);
    if (fails)
      close(fd);
  }
}

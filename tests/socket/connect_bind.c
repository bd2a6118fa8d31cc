/* Connecting a socket that is not bound: it is bound first, to a random port. */
#include "lib/fixture.h"
#include "lib/lookup_stub.h"

TEST("connect() binds an unbound socket first") {
  dgram_address_t address;
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  trace_events(socket);
  assert_int_equal(dgram_connect(socket, 9, NULL, trace_connect, "callback"), 0);
  assert_int_equal(dgram_address(socket, &address), UV_EBADF);
  run_until_trace(loop, "listening connect callback");
  assert_true(port_of(socket) > 0);
}

TEST("a bind after connect() is refused") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_connect(socket, 9, NULL, trace_connect, "connect"), 0);
  assert_int_equal(dgram_bind(socket, 0, NULL, NULL, NULL), DGRAM_ERR_SOCKET_ALREADY_BOUND);
  run_until_trace(loop, "connect");
}

TEST("connect() waits for a bind under way") {
  struct lookup_stub stub = {0};
  dgram_address_t address;
  dgram_socket_t *socket = new_with_lookup(loop, DGRAM_UDP4, &stub);
  trace_events(socket);
  assert_int_equal(dgram_bind(socket, 0, "name", NULL, NULL), 0);
  assert_int_equal(dgram_connect(socket, 9, NULL, NULL, NULL), 0);
  settle(loop);
  assert_trace("ask(name)");
  lookup_stub_answer(&stub, 0, 0, "127.0.0.3");
  assert_trace("listening ask(127.0.0.1)");
  lookup_stub_answer(&stub, 1, 0, "127.0.0.1");
  run_until_trace(loop, "connect");
  assert_int_equal(dgram_address(socket, &address), 0);
  assert_string_equal(address.address, "127.0.0.3");
}

TEST("the callback of connect() gets the error of the bind under way") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  trace_events(socket);
  assert_int_equal(dgram_bind(socket, 0, "::1", NULL, NULL), 0);
  assert_int_equal(dgram_connect(socket, 9, NULL, trace_connect, "callback"), 0);
  settle(loop);
  assert_trace("error(EINVAL) callback(EINVAL)");
  connect_now(socket, 9);
  assert_trace("listening connect");
}

TEST("the error of the bind is emitted once for a connect() without a callback") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  trace_events(socket);
  assert_int_equal(dgram_bind(socket, 0, "::1", NULL, NULL), 0);
  assert_int_equal(dgram_connect(socket, 9, NULL, NULL, NULL), 0);
  settle(loop);
  assert_trace("error(EINVAL)");
  connect_now(socket, 9);
  assert_trace("listening connect");
}

/* B29: here the built-in stays connecting for ever. */
TEST("connect() can be tried again after its implicit bind has failed") {
  for (int with_callback = 0; with_callback < 2; with_callback++) {
    begin_round(loop);
    struct lookup_stub stub = {0};
    dgram_socket_t *socket = new_with_lookup(loop, DGRAM_UDP4, &stub);
    trace_events(socket);
    assert_int_equal(
        dgram_connect(socket, 9, NULL, with_callback ? trace_connect : NULL, "callback"), 0);
    assert_trace("ask(0.0.0.0)");
    lookup_stub_answer(&stub, 0, UV_EAI_FAIL, NULL);
    settle(loop);
    assert_trace(with_callback ? "error(EAI_FAIL) callback(EAI_FAIL)" : "error(EAI_FAIL)");
    stub.at_once = "127.0.0.1";
    connect_now(socket, 9);
    assert_trace("ask(0.0.0.0) listening ask(127.0.0.1) connect");
  }
}

static void connect_anew(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  trace("error(%s)", error->name);
  assert_int_equal(dgram_connect(socket, 9, NULL, trace_connect, "again"), 0);
}

TEST("connect() can be tried again in the error of its implicit bind") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_on_error(socket, connect_anew, NULL), 0);
  assert_int_equal(dgram_bind(socket, 0, "::1", NULL, NULL), 0);
  assert_int_equal(dgram_connect(socket, 9, NULL, NULL, NULL), 0);
  run_until_trace(loop, "error(EINVAL) again");
}

/* The callback is still to be called when the socket adopts a connected descriptor. */
static void bind_connected(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  trace("error(%s)", error->name);
  assert_int_equal(adopt_fd(socket, *(int *)context), 0);
}

TEST("a connected descriptor adopted in the error of a connect() stays connected") {
  dgram_address_t remote;
  int fd = raw_socket();
  raw_connect(fd, 9);
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_on_error(socket, bind_connected, &fd), 0);
  assert_int_equal(dgram_bind(socket, 0, "::1", NULL, NULL), 0);
  assert_int_equal(dgram_connect(socket, 7, NULL, trace_connect, "callback"), 0);
  settle(loop);
  assert_trace("error(EINVAL) callback(EINVAL)");
  assert_int_equal(dgram_remote_address(socket, &remote), 0);
  assert_int_equal(remote.port, 9);
}

/* A bind that fails: the socket is unbound again, and its waiting sends end. */
#include "fake/scripted.h"

SCRIPTED_TEST("a failed bind is an error event and can be repeated") {
  dgram_socket_t *socket = scripted_unbound_socket();
  fake_fail_open(UV_EADDRINUSE);
  assert_int_equal(dgram_bind(socket, 53, "127.0.0.1", NULL, NULL), 0);
  EXPECT("error(bind EADDRINUSE 127.0.0.1:53)");
  assert_int_equal(dgram_bind(socket, 53, "127.0.0.1", NULL, NULL), 0);
  EXPECT("listening");
}

static void count_call(dgram_socket_t *socket, void *context) {
  ++*(int *)context;
}

SCRIPTED_TEST("the callback of a failed bind is forgotten") {
  dgram_socket_t *socket = scripted_unbound_socket();
  int calls = 0;
  fake_fail_open(UV_EADDRINUSE);
  assert_int_equal(dgram_bind(socket, 0, NULL, count_call, &calls), 0);
  scripted_run();
  assert_int_equal(dgram_bind(socket, 0, NULL, NULL, NULL), 0);
  scripted_run();
  assert_int_equal(calls, 0);
}

SCRIPTED_TEST("sends that wait for a failed bind end with its error") {
  dgram_socket_t *socket = scripted_unbound_socket();
  fake_fail_open(UV_EMFILE);
  scripted_send(socket, 0);
  scripted_send_silently(socket, 1); /* reported by the 'error' of the bind */
  scripted_send(socket, 2);
  EXPECT("error(bind EMFILE 0.0.0.0) 0:EMFILE 2:EMFILE");
  assert_int_equal(dgram_get_send_queue_count(socket), 0);
  assert_int_equal(fake_send_calls(), 0);
}

SCRIPTED_TEST("a close that waits for a failed bind follows it") {
  dgram_socket_t *socket = scripted_unbound_socket();
  fake_fail_open(UV_EMFILE);
  scripted_send(socket, 0);
  close_socket(socket);
  EXPECT("error(bind EMFILE 0.0.0.0) 0:EMFILE close");
}

static void send_again(dgram_socket_t *socket) {
  scripted_on_error = NULL;
  scripted_send(socket, 1);
}

SCRIPTED_TEST("a send in the listener of a failed bind binds again") {
  dgram_socket_t *socket = scripted_unbound_socket();
  scripted_on_error = send_again;
  fake_fail_open(UV_EMFILE);
  scripted_send(socket, 0);
  EXPECT("error(bind EMFILE 0.0.0.0) 0:EMFILE listening 1");
}

SCRIPTED_TEST("the listener of a failed bind may close") {
  dgram_socket_t *socket = scripted_unbound_socket();
  scripted_on_error = close_socket;
  fake_fail_open(UV_EMFILE);
  scripted_send(socket, 0);
  EXPECT("error(bind EMFILE 0.0.0.0) 0:EMFILE close");
}

static void send_again_and_close(dgram_socket_t *socket) {
  scripted_on_error = NULL;
  scripted_send(socket, 1);
  close_socket(socket);
}

SCRIPTED_TEST("the listener of a failed bind may send again and close") {
  dgram_socket_t *socket = scripted_unbound_socket();
  scripted_on_error = send_again_and_close;
  fake_fail_open(UV_EMFILE);
  scripted_send(socket, 0);
  EXPECT("error(bind EMFILE 0.0.0.0) 0:EMFILE listening 1 close");
}

static int failures;

static void bind_again(dgram_socket_t *socket) {
  if (++failures == 1000) /* as good as for ever */
    return;
  fake_fail_open(UV_EADDRINUSE);
  assert_int_equal(dgram_bind(socket, 53, "127.0.0.1", NULL, NULL), 0);
}

SCRIPTED_TEST("a listener that binds again for ever does not starve the loop") {
  dgram_socket_t *socket = scripted_unbound_socket();
  failures = 0;
  scripted_on_error = bind_again;
  bind_again(socket);
  scripted_run();
  assert_in_range(failures, 2, 20);
  scripted_on_error = NULL;
}

/* Not ENOPROTOOPT, as the system has it. */
SCRIPTED_TEST("bind of a udp4 socket with ipv6_only is EINVAL") {
  dgram_socket_t *socket = scripted_unbound_socket();
  fake_use_system(socket->loop, true);
  socket->options.flags |= DGRAM__IPV6_ONLY;
  assert_int_equal(dgram_bind(socket, 0, NULL, NULL, NULL), 0);
  EXPECT("error(bind EINVAL 0.0.0.0)");
}

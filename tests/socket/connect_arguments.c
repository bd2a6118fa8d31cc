/* Bad arguments of a connect get their documented code, and change nothing. */
#include "lib/fixture.h"

/* After it the socket is as if it had never been called. */
static void assert_refused(uv_loop_t *loop, int port, const char *address, int code) {
  begin_round(loop);
  dgram_address_t address_of;
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  trace_events(socket);
  assert_int_equal(dgram_connect(socket, port, address, trace_connect, "callback"), code);
  assert_int_equal(dgram_off_connect(socket, trace_connect, "callback"), UV_ENOENT);
  settle(loop);
  assert_int_equal(dgram_address(socket, &address_of), UV_EBADF);
  assert_trace("");
  connect_now(socket, 9);
  assert_trace("listening connect");
}

TEST("a port out of range") {
  static const int ports[] = {0, -1, 65536, INT32_MAX, INT32_MIN};
  for (size_t i = 0; i < sizeof ports / sizeof *ports; i++)
    assert_refused(loop, ports[i], NULL, DGRAM_ERR_SOCKET_BAD_PORT);
}

TEST("a host name too long") {
  char host[257];
  memset(host, 'a', sizeof host - 1);
  host[sizeof host - 1] = '\0';
  assert_refused(loop, 9, host, UV_EINVAL);
}

TEST("no socket") {
  assert_int_equal(dgram_connect(NULL, 9, NULL, trace_connect, "never"), UV_EINVAL);
}

TEST("a closed socket") {
  int port;
  dgram_socket_t *sockets[2] = {new_socket(loop, DGRAM_UDP4, NULL, NULL),
                                new_bound(loop, NULL, NULL, &port)};
  for (int i = 0; i < 2; i++) {
    close_socket(sockets[i]);
    assert_int_equal(dgram_connect(sockets[i], 9, NULL, trace_connect, "never"),
                     DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
  }
  run_to_end(loop);
  assert_trace("");
}

TEST("a connected socket that is closed") {
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  connect_now(socket, 9);
  close_socket(socket);
  assert_int_equal(dgram_connect(socket, 9, NULL, trace_connect, "never"),
                   DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
  run_to_end(loop);
  assert_trace("");
}

/*
 * A host whose ports are used up: the system can't bind a socket that sends without a port, and
 * returns EAGAIN, though the socket is writable. The loop does not turn at full speed; the error is
 * emitted once; and when a port is free the send leaves.
 */
#include "lib/hosts.h"

enum { FIRST = 40000, PORTS = 2 };

static int hold_a_port(void) {
  struct sockaddr_in any = {.sin_family = AF_INET};
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  assert_true(fd >= 0);
  assert_int_equal(bind(fd, (struct sockaddr *)&any, sizeof any), 0);
  return fd;
}

TEST("a send waits for a port where all are used up, and emits EAGAIN once meanwhile") {
  sh("ip link set lo up; echo '%d %d' >/proc/sys/net/ipv4/ip_local_port_range", FIRST,
     FIRST + PORTS - 1);
  struct kept_error error = {0};
  dgram_socket_t *socket = new_socket(left->loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_on_error(socket, keep_error, &error), 0);
  assert_int_equal(dgram_connect_sync(socket, 9, "127.0.0.1"), 0);
  assert_int_equal(dgram_disconnect(socket), 0); /* which gives its port back */
  int fds[PORTS];
  for (int i = 0; i < PORTS; i++)
    fds[i] = hold_a_port();
  uv_run(left->loop, UV_RUN_NOWAIT);
  assert_int_equal(dgram_send(socket, "x", 1, 9, "127.0.0.1", trace_sent, "sent"), 0);
  assert_in_range(turns_in(left->loop, 100), 0, 60);
  assert_int_equal(error.calls, 1);
  assert_string_equal(error.message, "send EAGAIN 127.0.0.1:9");
  assert_string_equal(trace_text, "");
  assert_in_range(turns_in(left->loop, 100), 0, 60);
  assert_int_equal(error.calls, 1);
  close(fds[0]);
  while (trace_text[0] == '\0')
    uv_run(left->loop, UV_RUN_ONCE);
  assert_string_equal(trace_text, "sent");
  close(fds[1]);
}

int main(void) {
  return single_host_run();
}

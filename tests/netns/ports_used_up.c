/*
 * A host with few ports. Where they are used up the system can't bind a socket that sends without a
 * port, and returns EAGAIN, though the socket is writable: the loop does not turn at full speed;
 * the error is emitted once; and when a port is free the send leaves. A socket that may share its
 * port does not get one that others share, unless it asks for it.
 */
#include "lib/hosts.h"

#include <linux/filter.h>

enum { FIRST = 40000, PORTS = 2 };

static void allow_few_ports(void) {
  sh("ip link set lo up; echo '%d %d' >/proc/sys/net/ipv4/ip_local_port_range", FIRST,
     FIRST + PORTS - 1);
}

static int hold_a_port(void) {
  struct sockaddr_in any = {.sin_family = AF_INET};
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  assert_true(fd >= 0);
  assert_int_equal(bind(fd, (struct sockaddr *)&any, sizeof any), 0);
  return fd;
}

TEST("a send waits for a port where all are used up, and emits EAGAIN once meanwhile") {
  allow_few_ports();
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
  run_until(left->loop, &error.calls, 1);
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

static int hold_first_port(int sharing) {
  struct sockaddr_in first = {.sin_family = AF_INET, .sin_port = htons(FIRST)};
  int on = 1;
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  assert_int_equal(setsockopt(fd, SOL_SOCKET, sharing, &on, sizeof on), 0);
  assert_int_equal(bind(fd, (struct sockaddr *)&first, sizeof first), 0);
  return fd;
}

static void assert_chosen_port_is_free(const dgram_options_t *options, int sharing) {
  allow_few_ports();
  int fd = hold_first_port(sharing);
  for (int i = 0; i < 8; i++) { /* the system chooses at random */
    dgram_socket_t *socket = new_with(left->loop, options);
    assert_int_equal(bind_now(socket, NULL), FIRST + 1);
    dgram_socket_t *second = new_with(left->loop, options);
    assert_int_equal(dgram_bind_sync(second, 0, NULL), UV_EADDRINUSE);
    assert_int_equal(dgram_bind_sync(second, FIRST, NULL), 0);
    close_socket(second);
    close_socket(socket);
  }
  close(fd);
}

TEST("with reuse_port, a port that the system chooses is one that no socket has") {
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.reuse_port = 1;
  assert_chosen_port_is_free(&options, SO_REUSEPORT);
}

TEST("with reuse_addr, a port that the system chooses is one that no socket has") {
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.reuse_addr = 1;
  assert_chosen_port_is_free(&options, SO_REUSEADDR);
}

TEST("with reuse_port, a chosen port is shared, and its sockets can be steered") {
  static struct sock_filter always_first = BPF_STMT(BPF_RET | BPF_K, 0);
  static struct sock_fprog program; /* its padding is read, too */
  program.len = 1;
  program.filter = &always_first;
  allow_few_ports();
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.reuse_port = 1;
  dgram_socket_t *socket = new_with(left->loop, &options);
  int port = bind_now(socket, NULL);
  assert_int_equal(setsockopt(dgram_fileno(socket), SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program,
                              sizeof program),
                   0);
  dgram_socket_t *second = new_with(left->loop, &options);
  assert_int_equal(dgram_bind_sync(second, port, NULL), 0);
  close_socket(second);
  close_socket(socket);
}

int main(void) {
  return single_host_run();
}

/*
 * A descriptor that can't be adopted: the call returns why, the descriptor stays the program's,
 * unchanged, and the socket can be bound as if it had not been called.
 */
#include "lib/fixture.h"

static int adopt(dgram_socket_t *socket, int fd) {
  dgram_bind_options_t options = dgram_default_bind_options();
  options.fd = fd;
  return dgram_bind_options(socket, &options, trace_event, "forgotten");
}

static void assert_refused(uv_loop_t *loop, dgram_type_t type, int fd, int code) {
  begin_round(loop);
  dgram_address_t address;
  int was_open = is_open(fd);
  int flags = was_open ? fcntl(fd, F_GETFL) : 0;
  dgram_socket_t *socket = new_socket(loop, type, NULL, NULL);
  trace_events(socket);
  assert_int_equal(adopt(socket, fd), code);
  settle(loop);
  assert_trace("");
  assert_int_equal(is_open(fd), was_open);
  assert_int_equal(was_open ? fcntl(fd, F_GETFL) : 0, flags);
  assert_int_equal(dgram_off_listening(socket, trace_event, "forgotten"), UV_ENOENT);
  assert_int_equal(dgram_address(socket, &address), UV_EBADF);
  bind_now(socket, NULL);
  assert_usable(socket);
  assert_trace("listening");
  close_socket(socket);
  run_to_end(loop);
  assert_int_equal(is_open(fd), was_open);
}

TEST("a bind to the descriptor of a TCP socket is refused") {
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  assert_refused(loop, DGRAM_UDP4, fd, DGRAM_ERR_INVALID_FD_TYPE);
  close(fd);
}

TEST("a bind to the descriptor of a pipe is refused") {
  int fds[2];
  assert_int_equal(pipe(fds), 0);
  assert_refused(loop, DGRAM_UDP4, fds[0], DGRAM_ERR_INVALID_FD_TYPE);
  close(fds[0]);
  close(fds[1]);
}

TEST("a bind to the descriptor of a file is refused") {
  int fd = open("/dev/null", O_RDWR);
  assert_refused(loop, DGRAM_UDP4, fd, DGRAM_ERR_INVALID_FD_TYPE);
  close(fd);
  FILE *file = tmpfile();
  assert_non_null(file);
  assert_refused(loop, DGRAM_UDP4, fileno(file), DGRAM_ERR_INVALID_FD_TYPE);
  assert_int_equal(fclose(file), 0);
}

TEST("a bind to the descriptor of a Unix datagram socket is refused") {
  int fds[2];
  assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, fds), 0);
  assert_refused(loop, DGRAM_UDP4, fds[0], DGRAM_ERR_INVALID_FD_TYPE);
  close(fds[0]);
  close(fds[1]);
}

TEST("a bind to a descriptor that is not open is refused") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  /* Far above what is open, and beyond any limit. */
  assert_int_equal(adopt(socket, 1000), DGRAM_ERR_INVALID_FD_TYPE);
  assert_int_equal(adopt(socket, INT32_MAX), DGRAM_ERR_INVALID_FD_TYPE);
  bind_now(socket, NULL);
}

TEST("a bind to a descriptor of the other family is refused") {
  skip_without_ipv6();
  int v4 = raw_socket();
  int v6 = socket(AF_INET6, SOCK_DGRAM, 0);
  assert_refused(loop, DGRAM_UDP6, v4, UV_EINVAL);
  assert_refused(loop, DGRAM_UDP4, v6, UV_EINVAL);
  close(v4);
  close(v6);
}

/* B24: the loop watches it already. */
TEST("a bind to a descriptor that another socket has is refused") {
  int fd = raw_socket();
  int port = raw_port(fd);
  dgram_socket_t *owner = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  dgram_socket_t *second = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(adopt(owner, fd), 0);
  assert_trace("forgotten");
  assert_int_equal(adopt(second, fd), UV_EEXIST);
  settle(loop);
  assert_trace("");
  bind_now(second, "127.0.0.1");
  assert_usable(second);
  close_socket(second);
  settle(loop);
  assert_true(is_open(fd));
  assert_int_equal(port_of(owner), port);
  assert_usable(owner);
  close_socket(owner);
}

/* What the loop knows by descriptors has grown in between. */
TEST("a bind to a descriptor is refused though the loop has got others far above it") {
  enum { FAR = 200 };
  int fd = raw_socket();
  int near = raw_socket();
  int far = fcntl(near, F_DUPFD_CLOEXEC, FAR);
  dgram_socket_t *owner = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  dgram_socket_t *high = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  dgram_socket_t *second = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_true(far >= FAR);
  close(near);
  assert_int_equal(adopt(owner, fd), 0);
  assert_int_equal(adopt(high, far), 0);
  trace_clear();
  assert_int_equal(adopt(second, fd), UV_EEXIST);
  assert_int_equal(adopt(second, far), UV_EEXIST);
  close_socket(second);
  close_socket(high);
  close_socket(owner);
}

TEST("a descriptor that one socket refused may be adopted by another") {
  int fd = raw_socket();
  dgram_socket_t *v6 = new_socket(loop, DGRAM_UDP6, NULL, NULL);
  dgram_socket_t *v4 = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(adopt(v6, fd), UV_EINVAL);
  assert_int_equal(adopt(v4, fd), 0);
  assert_usable(v4);
  close_socket(v6);
  close_socket(v4);
  run_to_end(loop);
  assert_false(is_open(fd));
}

TEST("a bind to a descriptor is refused by a socket that is bound or closed") {
  int port;
  int fd = raw_socket();
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  dgram_socket_t *binding = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_bind(binding, 0, NULL, NULL, NULL), 0);
  assert_int_equal(adopt(socket, fd), DGRAM_ERR_SOCKET_ALREADY_BOUND);
  assert_int_equal(adopt(binding, fd), DGRAM_ERR_SOCKET_ALREADY_BOUND);
  assert_int_equal(port_of(socket), port);
  close_socket(socket);
  close_socket(binding);
  assert_int_equal(adopt(socket, fd), DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
  run_to_end(loop);
  assert_true(is_open(fd));
  close(fd);
}

/*
 * dgram_send_to() behind sends that are ready, with memory left by finished ones: the quick way
 * that nearly all sends of a program in a hurry take. It must do what the other way does.
 */
#include "lib/fixture.h"

enum { WARM = 4 };

static int ended;
static int last_code;
static size_t last_bytes;

static void on_end(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                   void *context) {
  assert_ptr_equal(context, &ended);
  last_code = error != NULL ? error->code : 0;
  last_bytes = bytes;
  ended++;
}

static int send_bytes(dgram_socket_t *socket, const void *bytes, size_t size,
                      const struct sockaddr_in *to) {
  uv_buf_t buffer = uv_buf_init((char *)bytes, (unsigned)size);
  return dgram_send_to(socket, &buffer, 1, (const struct sockaddr *)to, on_end, &ended);
}

/* Where datagrams go to, and its address. */
static int open_target(struct sockaddr_in *address) {
  int fd = raw_socket();
  *address = loopback_address(raw_port(fd));
  return fd;
}

/* A socket with finished sends to use again, and one send ready: "0", to `to`. */
static dgram_socket_t *warm_socket(uv_loop_t *loop, int fd, const struct sockaddr_in *to) {
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  ended = 0;
  for (int i = 0; i < WARM; i++)
    assert_int_equal(send_bytes(socket, "warm", 4, to), 0);
  run_until(loop, &ended, WARM);
  assert_string_equal(arrived(fd), "warm warm warm warm");
  ended = 0;
  assert_int_equal(send_bytes(socket, "0", 1, to), 0);
  return socket;
}

TEST("each send to a binary address goes there and is counted") {
  static const char digits[] = "0123456789";
  struct sockaddr_in to[2];
  int fds[2] = {open_target(&to[0]), open_target(&to[1])};
  dgram_socket_t *socket = warm_socket(loop, fds[0], &to[0]);
  for (int i = 1; i < WARM; i++) {
    assert_int_equal(send_bytes(socket, digits, (size_t)i, &to[i % 2]), 0);
    assert_int_equal(dgram_get_send_queue_count(socket), i + 1);
  }
  assert_int_equal(dgram_get_send_queue_size(socket), 1 + 1 + 2 + 3);
  assert_int_equal(ended, 0); /* no callback runs inside the call */
  run_until(loop, &ended, WARM);
  assert_int_equal(last_code, 0);
  assert_int_equal(last_bytes, 3);
  assert_int_equal(dgram_get_send_queue_count(socket), 0);
  assert_int_equal(dgram_get_send_queue_size(socket), 0);
  assert_string_equal(arrived(fds[0]), "0 01");
  assert_string_equal(arrived(fds[1]), "0 012");
  close_socket(socket);
  run_to_end(loop);
  close(fds[0]);
  close(fds[1]);
}

TEST("a refused send to a binary address does not harm the one before") {
  struct sockaddr_in to;
  struct sockaddr_in nowhere = loopback_address(0);
  struct sockaddr_in6 other = {.sin6_family = AF_INET6, .sin6_port = htons(53)};
  int fd = open_target(&to);
  dgram_socket_t *socket = warm_socket(loop, fd, &to);
  assert_int_equal(send_bytes(socket, "x", 1, &nowhere), DGRAM_ERR_SOCKET_BAD_PORT);
  assert_int_equal(send_bytes(socket, "x", 1, NULL), DGRAM_ERR_SOCKET_BAD_PORT);
  assert_int_equal(send_bytes(socket, "x", 1, (struct sockaddr_in *)(void *)&other), UV_EINVAL);
  assert_int_equal(send_bytes(socket, NULL, 1, &to), UV_EINVAL);
  assert_int_equal(dgram_get_send_queue_count(socket), 1);
  close_socket(socket);
  assert_int_equal(send_bytes(socket, "x", 1, &to), DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
  run_to_end(loop);
  assert_int_equal(ended, 1);
  run_to_end(loop);
  close(fd);
}

TEST("a send of two buffers to a binary address is one datagram") {
  struct sockaddr_in to;
  int fd = open_target(&to);
  dgram_socket_t *socket = warm_socket(loop, fd, &to);
  uv_buf_t buffers[] = {uv_buf_init("he", 2), uv_buf_init("llo", 3)};
  assert_int_equal(dgram_send_to(socket, buffers, 2, (const struct sockaddr *)&to, on_end, &ended),
                   0);
  run_until(loop, &ended, 2);
  assert_string_equal(arrived(fd), "0 hello");
  close_socket(socket);
  run_to_end(loop);
  close(fd);
}

TEST("a send to a binary address that is too long fails alone") {
  static char bytes[70000];
  struct sockaddr_in to;
  int fd = open_target(&to);
  dgram_socket_t *socket = warm_socket(loop, fd, &to);
  assert_int_equal(send_bytes(socket, bytes, sizeof bytes, &to), 0);
  run_until(loop, &ended, 2);
  assert_int_equal(last_code, UV_EMSGSIZE);
  assert_int_equal(dgram_get_send_queue_size(socket), 0);
  assert_string_equal(arrived(fd), "0");
  close_socket(socket);
  run_to_end(loop);
  close(fd);
}

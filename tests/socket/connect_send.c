/* Sends of a connected socket: they name no destination, and go to its peer. */
#include "lib/fixture.h"

struct scene {
  uv_loop_t *loop;
  int fd; /* the peer */
  dgram_socket_t *socket;
};

static struct scene open_scene(uv_loop_t *loop) {
  begin_round(loop);
  struct scene scene = {.loop = loop, .fd = raw_socket()};
  scene.socket = new_socket(scene.loop, DGRAM_UDP4, NULL, NULL);
  connect_now(scene.socket, raw_port(scene.fd));
  return scene;
}

static void close_scene(struct scene *scene) {
  close(scene->fd);
  close_socket(scene->socket);
  run_to_end(scene->loop);
}

TEST("every form without destination goes to the peer") {
  struct scene scene = open_scene(loop);
  uv_buf_t buffers[] = {uv_buf_init("b", 1), uv_buf_init("c", 1)};
  assert_int_equal(dgram_send(scene.socket, "a", 1, 0, NULL, trace_sent, "1"), 0);
  assert_int_equal(dgram_send_buffers(scene.socket, buffers, 2, 0, NULL, trace_sent, "2"), 0);
  assert_int_equal(dgram_send_to(scene.socket, buffers, 2, NULL, trace_sent, "3"), 0);
  assert_int_equal(dgram_send(scene.socket, "d", 1, 0, NULL, NULL, NULL), 0);
  run_until_trace(scene.loop, "1 2 3");
  assert_string_equal(arrived(scene.fd), "a bc bc d");
  close_scene(&scene);
}

TEST("a port or address is refused") {
  struct scene scene = open_scene(loop);
  uv_buf_t buffer = uv_buf_init("x", 1);
  struct sockaddr_in to = loopback_address(raw_port(scene.fd));
  int port = raw_port(scene.fd);
  assert_int_equal(dgram_send(scene.socket, "x", 1, port, "127.0.0.1", NULL, NULL),
                   DGRAM_ERR_SOCKET_DGRAM_IS_CONNECTED);
  assert_int_equal(dgram_send(scene.socket, "x", 1, port, NULL, NULL, NULL),
                   DGRAM_ERR_SOCKET_DGRAM_IS_CONNECTED);
  assert_int_equal(dgram_send(scene.socket, "x", 1, 0, "127.0.0.1", NULL, NULL),
                   DGRAM_ERR_SOCKET_DGRAM_IS_CONNECTED);
  assert_int_equal(dgram_send_buffers(scene.socket, &buffer, 1, port, NULL, NULL, NULL),
                   DGRAM_ERR_SOCKET_DGRAM_IS_CONNECTED);
  assert_int_equal(dgram_send_to(scene.socket, &buffer, 1, (struct sockaddr *)&to, NULL, NULL),
                   DGRAM_ERR_SOCKET_DGRAM_IS_CONNECTED);
  assert_int_equal(dgram_get_send_queue_count(scene.socket), 0);
  settle(scene.loop);
  assert_string_equal(arrived(scene.fd), "");
  close_scene(&scene);
}

/* B33: only what is truthy is a destination, and '' is not. */
TEST("an empty address is no destination") {
  struct scene scene = open_scene(loop);
  assert_int_equal(dgram_send(scene.socket, "x", 1, 0, "", trace_sent, "sent"), 0);
  run_until_trace(scene.loop, "sent");
  assert_string_equal(arrived(scene.fd), "x");
  close_scene(&scene);
}

TEST("an empty datagram goes there too") {
  struct scene scene = open_scene(loop);
  char byte;
  assert_int_equal(dgram_send(scene.socket, NULL, 0, 0, NULL, trace_sent, "sent"), 0);
  run_until_trace(scene.loop, "sent");
  assert_int_equal(recv(scene.fd, &byte, 1, MSG_DONTWAIT), 0);
  close_scene(&scene);
}

TEST("far more than one batch arrive in order") {
  enum { SENT = 200 };
  struct scene scene = open_scene(loop);
  int sent = 0;
  unsigned char numbers[SENT];
  for (int i = 0; i < SENT; i++) {
    numbers[i] = (unsigned char)i;
    assert_int_equal(dgram_send(scene.socket, &numbers[i], 1, 0, NULL, count_sent, &sent), 0);
  }
  run_until(scene.loop, &sent, SENT);
  for (int i = 0; i < SENT; i++) {
    unsigned char number;
    assert_int_equal(recv(scene.fd, &number, 1, MSG_DONTWAIT), 1);
    assert_int_equal(number, i);
  }
  close_scene(&scene);
}

/* B39: there is no address to name. */
TEST("its error names no address") {
  static char overlong[65508];
  struct scene scene = open_scene(loop);
  struct kept_error kept = {0};
  assert_int_equal(
      dgram_send(scene.socket, overlong, sizeof overlong, 0, NULL, keep_send_error, &kept), 0);
  run_until(scene.loop, &kept.calls, 1);
  assert_int_equal(kept.code, UV_EMSGSIZE);
  assert_string_equal(kept.message, "send EMSGSIZE");
  assert_string_equal(kept.address, "NULL");
  assert_int_equal(kept.port, 0);
  close_scene(&scene);
}

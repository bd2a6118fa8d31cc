/* Sends of a connected socket: they name no destination, and go to its peer. */
#include "lib/fixture.h"

struct fixture {
  uv_loop_t *loop;
  int fd; /* the peer */
  dgram_socket_t *socket;
};

static struct fixture open_fixture(uv_loop_t *loop) {
  begin_round(loop);
  struct fixture fixture = {.loop = loop, .fd = raw_socket()};
  fixture.socket = new_socket(fixture.loop, DGRAM_UDP4, NULL, NULL);
  connect_now(fixture.socket, raw_port(fixture.fd));
  return fixture;
}

static void close_fixture(struct fixture *fixture) {
  close(fixture->fd);
  close_socket(fixture->socket);
  run_to_end(fixture->loop);
}

TEST("every form of send without a destination goes to the peer") {
  struct fixture fixture = open_fixture(loop);
  uv_buf_t buffers[] = {uv_buf_init("b", 1), uv_buf_init("c", 1)};
  assert_int_equal(dgram_send(fixture.socket, "a", 1, 0, NULL, trace_sent, "1"), 0);
  assert_int_equal(dgram_send_buffers(fixture.socket, buffers, 2, 0, NULL, trace_sent, "2"), 0);
  assert_int_equal(dgram_send_to(fixture.socket, buffers, 2, NULL, trace_sent, "3"), 0);
  assert_int_equal(dgram_send(fixture.socket, "d", 1, 0, NULL, NULL, NULL), 0);
  run_until_trace(fixture.loop, "1 2 3");
  assert_string_equal(arrived(fixture.fd), "a bc bc d");
  close_fixture(&fixture);
}

TEST("a send of a connected socket with a port or an address is refused") {
  struct fixture fixture = open_fixture(loop);
  uv_buf_t buffer = uv_buf_init("x", 1);
  struct sockaddr_in to = loopback_address(raw_port(fixture.fd));
  int port = raw_port(fixture.fd);
  assert_int_equal(dgram_send(fixture.socket, "x", 1, port, "127.0.0.1", NULL, NULL),
                   DGRAM_ERR_SOCKET_DGRAM_IS_CONNECTED);
  assert_int_equal(dgram_send(fixture.socket, "x", 1, port, NULL, NULL, NULL),
                   DGRAM_ERR_SOCKET_DGRAM_IS_CONNECTED);
  assert_int_equal(dgram_send(fixture.socket, "x", 1, 0, "127.0.0.1", NULL, NULL),
                   DGRAM_ERR_SOCKET_DGRAM_IS_CONNECTED);
  assert_int_equal(dgram_send_buffers(fixture.socket, &buffer, 1, port, NULL, NULL, NULL),
                   DGRAM_ERR_SOCKET_DGRAM_IS_CONNECTED);
  assert_int_equal(dgram_send_to(fixture.socket, &buffer, 1, (struct sockaddr *)&to, NULL, NULL),
                   DGRAM_ERR_SOCKET_DGRAM_IS_CONNECTED);
  assert_int_equal(dgram_get_send_queue_count(fixture.socket), 0);
  settle(fixture.loop);
  assert_string_equal(arrived(fixture.fd), "");
  close_fixture(&fixture);
}

/* B33: only what is truthy is a destination, and '' is not. */
TEST("a send of a connected socket with an empty address goes to the peer") {
  struct fixture fixture = open_fixture(loop);
  assert_int_equal(dgram_send(fixture.socket, "x", 1, 0, "", trace_sent, "sent"), 0);
  run_until_trace(fixture.loop, "sent");
  assert_string_equal(arrived(fixture.fd), "x");
  close_fixture(&fixture);
}

TEST("an empty datagram goes to the peer") {
  struct fixture fixture = open_fixture(loop);
  char byte;
  assert_int_equal(dgram_send(fixture.socket, NULL, 0, 0, NULL, trace_sent, "sent"), 0);
  run_until_trace(fixture.loop, "sent");
  assert_int_equal(recv(fixture.fd, &byte, 1, MSG_DONTWAIT), 0);
  close_fixture(&fixture);
}

TEST("far more than a batch of sends to the peer arrive in order") {
  enum { SENT = 200 };
  struct fixture fixture = open_fixture(loop);
  int sent = 0;
  unsigned char numbers[SENT];
  for (int i = 0; i < SENT; i++) {
    numbers[i] = (unsigned char)i;
    assert_int_equal(dgram_send(fixture.socket, &numbers[i], 1, 0, NULL, count_sent, &sent), 0);
  }
  run_until(fixture.loop, &sent, SENT);
  for (int i = 0; i < SENT; i++) {
    unsigned char number;
    assert_int_equal(recv(fixture.fd, &number, 1, MSG_DONTWAIT), 1);
    assert_int_equal(number, i);
  }
  close_fixture(&fixture);
}

/* B39: there is no address to name. */
TEST("the error of a send to the peer names no address") {
  static char overlong[65508];
  struct fixture fixture = open_fixture(loop);
  struct kept_error kept = {0};
  assert_int_equal(
      dgram_send(fixture.socket, overlong, sizeof overlong, 0, NULL, keep_send_error, &kept), 0);
  run_until(fixture.loop, &kept.calls, 1);
  assert_int_equal(kept.code, UV_EMSGSIZE);
  assert_string_equal(kept.message, "send EMSGSIZE");
  assert_string_equal(kept.address, "NULL");
  assert_int_equal(kept.port, 0);
  close_fixture(&fixture);
}

/* A system socket that is connected makes the socket that takes it over a connected one. */
#include "lib/fixture.h"

struct fixture {
  uv_loop_t *loop;
  int peer;
  int port;
  dgram_socket_t *socket;
};

static struct fixture open_fixture(uv_loop_t *loop) {
  begin_round(loop);
  struct fixture fixture = {.loop = loop, .peer = raw_socket()};
  int fd = raw_socket();
  fixture.port = raw_port(fd);
  raw_connect(fd, raw_port(fixture.peer));
  raw_connect(fixture.peer, fixture.port);
  fixture.socket = new_socket(fixture.loop, DGRAM_UDP4, trace_message, "got");
  trace_events(fixture.socket);
  assert_int_equal(adopt_fd(fixture.socket, fd), 0);
  return fixture;
}

static void close_fixture(struct fixture *fixture) {
  close(fixture->peer);
  close_socket(fixture->socket);
  run_to_end(fixture->loop);
}

TEST("the peer of a connected descriptor is the remote address") {
  struct fixture fixture = open_fixture(loop);
  dgram_address_t remote;
  assert_int_equal(dgram_remote_address(fixture.socket, &remote), 0);
  assert_string_equal(remote.address, "127.0.0.1");
  assert_int_equal(remote.port, raw_port(fixture.peer));
  close_fixture(&fixture);
}

TEST("a connected descriptor emits no connect") {
  struct fixture fixture = open_fixture(loop);
  settle(fixture.loop);
  assert_trace("listening");
  close_fixture(&fixture);
}

TEST("sends of a connected descriptor go to its peer and name no destination") {
  struct fixture fixture = open_fixture(loop);
  assert_int_equal(dgram_send(fixture.socket, "x", 1, raw_port(fixture.peer), NULL, NULL, NULL),
                   DGRAM_ERR_SOCKET_DGRAM_IS_CONNECTED);
  assert_int_equal(dgram_send(fixture.socket, "ping", 4, 0, NULL, trace_sent, "sent"), 0);
  run_until_trace(fixture.loop, "listening sent");
  assert_string_equal(arrived(fixture.peer), "ping");
  raw_send(fixture.peer, "pong", 4, fixture.port);
  run_until_trace(fixture.loop, "got(pong)");
  close_fixture(&fixture);
}

TEST("connect() of a connected descriptor is refused") {
  struct fixture fixture = open_fixture(loop);
  assert_int_equal(dgram_connect(fixture.socket, 9, NULL, NULL, NULL),
                   DGRAM_ERR_SOCKET_DGRAM_IS_CONNECTED);
  close_fixture(&fixture);
}

TEST("a connected descriptor can be disconnected and connected to another peer") {
  struct fixture fixture = open_fixture(loop);
  dgram_address_t remote;
  int other = raw_socket();
  assert_int_equal(dgram_disconnect(fixture.socket), 0);
  assert_int_equal(dgram_remote_address(fixture.socket, &remote),
                   DGRAM_ERR_SOCKET_DGRAM_NOT_CONNECTED);
  connect_now(fixture.socket, raw_port(other));
  assert_int_equal(dgram_send(fixture.socket, "x", 1, 0, NULL, trace_sent, "sent"), 0);
  run_until_trace(fixture.loop, "listening connect sent");
  assert_string_equal(arrived(other), "x");
  close(other);
  close_fixture(&fixture);
}

TEST("what strangers sent before a descriptor was connected is not received") {
  int peer = raw_socket();
  int stranger = raw_socket();
  int fd = raw_socket();
  int port = raw_port(fd);
  raw_send(stranger, "stranger", 8, port);
  raw_connect(fd, raw_port(peer));
  raw_send(peer, "peer", 4, port);
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, trace_message, "got");
  assert_int_equal(adopt_fd(socket, fd), 0);
  settle(loop);
  assert_trace("got(peer)");
  close(peer);
  close(stranger);
}

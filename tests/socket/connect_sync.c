/* A connect inside the call: the peer is there when it returns; 'connect' comes from the loop. */
#include "lib/fixture.h"
#include "lib/lookup_stub.h"

static int peer_port(const dgram_socket_t *socket) {
  dgram_address_t peer;
  assert_int_equal(dgram_remote_address(socket, &peer), 0);
  return peer.port;
}

/* B54 */
TEST("it has its peer when the call returns") {
  static const char *const addresses[] = {NULL, "", "127.0.0.1", "127.0.0.2"};
  static const char *const peers[] = {"127.0.0.1", "127.0.0.1", "127.0.0.1", "127.0.0.2"};
  for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
    begin_round(loop);
    dgram_address_t peer;
    dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
    trace_events(socket);
    assert_int_equal(dgram_connect_sync(socket, 9, addresses[i]), 0);
    assert_int_equal(dgram_remote_address(socket, &peer), 0);
    assert_string_equal(peer.address, peers[i]);
    assert_int_equal(peer.port, 9);
    assert_true(port_of(socket) > 0); /* it was bound first */
    assert_trace("");
    run_until_trace(loop, "listening connect");
    settle(loop);
    assert_trace("");
  }
}

TEST("of ipv6 too") {
  skip_without_ipv6();
  dgram_address_t peer;
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP6, NULL, NULL);
  assert_int_equal(dgram_connect_sync(socket, 9, NULL), 0);
  assert_int_equal(dgram_remote_address(socket, &peer), 0);
  assert_string_equal(peer.address, "::1");
}

TEST("a bound socket keeps its port") {
  int port;
  dgram_socket_t *bound = new_bound(loop, NULL, NULL, &port);
  dgram_socket_t *just_bound = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_connect_sync(bound, 9, NULL), 0);
  assert_int_equal(port_of(bound), port);
  assert_int_equal(dgram_bind_sync(just_bound, 0, NULL), 0);
  port = port_of(just_bound);
  trace_events(just_bound);
  assert_int_equal(dgram_connect_sync(just_bound, 9, NULL), 0);
  assert_int_equal(port_of(just_bound), port);
  run_until_trace(loop, "listening connect");
}

TEST("it receives from its peer only") {
  int port;
  int peer = raw_socket();
  int stranger = raw_socket();
  dgram_socket_t *socket = new_bound(loop, trace_message, "got", &port);
  raw_send(stranger, "early", 5, port);
  assert_int_equal(dgram_connect_sync(socket, raw_port(peer), NULL), 0);
  raw_send(stranger, "late", 4, port);
  raw_send(peer, "peer", 4, port);
  settle(loop);
  assert_trace("got(peer)");
  close(peer);
  close(stranger);
}

/* ---- what fails ---- */

TEST("one that is connected or being connected") {
  int port;
  int connected = 0;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_connect(socket, 9, NULL, count_connect, &connected), 0);
  assert_int_equal(dgram_connect_sync(socket, 9, NULL), DGRAM_ERR_SOCKET_DGRAM_IS_CONNECTED);
  run_until(loop, &connected, 1);
  assert_int_equal(dgram_connect_sync(socket, 9, NULL), DGRAM_ERR_SOCKET_DGRAM_IS_CONNECTED);
  assert_int_equal(dgram_disconnect(socket), 0);
  assert_int_equal(dgram_connect_sync(socket, 9, NULL), 0);
  assert_int_equal(dgram_connect_sync(socket, 9, NULL), DGRAM_ERR_SOCKET_DGRAM_IS_CONNECTED);
  assert_int_equal(dgram_connect(socket, 9, NULL, NULL, NULL), DGRAM_ERR_SOCKET_DGRAM_IS_CONNECTED);
}

static void connect_there(dgram_socket_t *socket, void *context) {
  assert_int_equal(dgram_connect_sync(socket, *(int *)context, NULL), 0);
}

TEST("one that is being bound until listening") {
  int port = 9;
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  trace_events(socket);
  assert_int_equal(dgram_bind(socket, 0, NULL, connect_there, &port), 0);
  assert_int_equal(dgram_connect_sync(socket, 9, NULL), DGRAM_ERR_SOCKET_ALREADY_BOUND);
  run_until_trace(loop, "listening connect");
  assert_int_equal(peer_port(socket), 9);
}

/* A broadcast address takes setBroadcast(); the system is asked, and for that it was bound. */
TEST("what the system refuses leaves it bound") {
  dgram_address_t peer;
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  trace_events(socket);
  assert_int_equal(dgram_connect_sync(socket, 9, "255.255.255.255"), UV_EACCES);
  assert_int_equal(dgram_remote_address(socket, &peer), DGRAM_ERR_SOCKET_DGRAM_NOT_CONNECTED);
  assert_true(port_of(socket) > 0);
  run_until_trace(loop, "listening");
  settle(loop);
  assert_trace("");
  assert_usable(socket);
  assert_int_equal(dgram_connect_sync(socket, 9, NULL), 0);
  run_until_trace(loop, "connect");
}

/* ---- what comes after it ---- */

TEST("closed before connect it emits close only") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  trace_events(socket);
  assert_int_equal(dgram_connect_sync(socket, 9, NULL), 0);
  close_socket(socket);
  run_to_end(loop);
  assert_trace("close");
}

TEST("disconnected before connect it does not emit it") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  trace_events(socket);
  assert_int_equal(dgram_connect_sync(socket, 9, NULL), 0);
  assert_int_equal(dgram_disconnect(socket), 0);
  run_until_trace(loop, "listening");
  settle(loop);
  assert_trace("");
}

TEST("connected anew before connect it emits it once") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  trace_events(socket);
  assert_int_equal(dgram_connect_sync(socket, 9, NULL), 0);
  assert_int_equal(dgram_disconnect(socket), 0);
  assert_int_equal(dgram_connect_sync(socket, 10, NULL), 0);
  assert_int_equal(peer_port(socket), 10);
  run_until_trace(loop, "listening connect");
  settle(loop);
  assert_trace("");
}

/* The 'connect' that was still to come is not that of the attempt. */
TEST("a later attempt tells its own end alone") {
  static const char *const addresses[] = {NULL, "255.255.255.255"};
  static const char *const stories[] = {"listening connect callback", "listening callback(EACCES)"};
  for (int i = 0; i < 2; i++) {
    begin_round(loop);
    dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
    trace_events(socket);
    assert_int_equal(dgram_connect_sync(socket, 9, NULL), 0);
    assert_int_equal(dgram_disconnect(socket), 0);
    assert_int_equal(dgram_connect(socket, 10, addresses[i], trace_connect, "callback"), 0);
    settle(loop);
    assert_trace(stories[i]);
  }
}

/* A connect inside the call: the peer is there when it returns; 'connect' comes from the loop. */
#include "lib/fixture.h"
#include "lib/lookup_stub.h"

static int peer_port(const dgram_socket_t *socket) {
  dgram_address_t peer;
  assert_int_equal(dgram_remote_address(socket, &peer), 0);
  return peer.port;
}

/* B54 */
static void it_has_its_peer_when_the_call_returns(void **state) {
  static const char *const addresses[] = {NULL, "", "127.0.0.1", "127.0.0.2"};
  static const char *const peers[] = {"127.0.0.1", "127.0.0.1", "127.0.0.1", "127.0.0.2"};
  for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
    uv_loop_t *loop = open_loop();
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
    close_socket(socket);
    close_loop(loop);
  }
}

static void of_ipv6_too(void **state) {
  skip_without_ipv6();
  uv_loop_t *loop = open_loop();
  dgram_address_t peer;
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP6, NULL, NULL);
  assert_int_equal(dgram_connect_sync(socket, 9, NULL), 0);
  assert_int_equal(dgram_remote_address(socket, &peer), 0);
  assert_string_equal(peer.address, "::1");
  close_socket(socket);
  close_loop(loop);
}

static void a_bound_socket_keeps_its_port(void **state) {
  uv_loop_t *loop = open_loop();
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
  close_socket(bound);
  close_socket(just_bound);
  close_loop(loop);
}

static void it_receives_from_its_peer_only(void **state) {
  uv_loop_t *loop = open_loop();
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
  close_socket(socket);
  close_loop(loop);
}

static void a_look_up_of_the_program_is_not_asked(void **state) {
  uv_loop_t *loop = open_loop();
  struct lookup_stub stub = {0};
  dgram_socket_t *socket = new_with_lookup(loop, DGRAM_UDP4, &stub);
  assert_int_equal(dgram_connect_sync(socket, 9, "name"), UV_EINVAL);
  assert_int_equal(dgram_connect_sync(socket, 9, NULL), 0);
  assert_int_equal(stub.asked, 0);
  close_socket(socket);
  close_loop(loop);
}

/* ---- what fails ---- */

/* After it the socket is as if it had never been called. */
static void assert_refused(int port, const char *address, int code) {
  uv_loop_t *loop = open_loop();
  dgram_address_t bound;
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  trace_events(socket);
  assert_int_equal(dgram_connect_sync(socket, port, address), code);
  assert_int_equal(dgram_address(socket, &bound), UV_EBADF);
  settle(loop);
  assert_trace("");
  assert_int_equal(dgram_connect_sync(socket, 9, NULL), 0);
  run_until_trace(loop, "listening connect");
  close_socket(socket);
  close_loop(loop);
}

static void a_port_out_of_range(void **state) {
  static const int ports[] = {0, -1, 65536, INT32_MAX, INT32_MIN};
  for (size_t i = 0; i < sizeof ports / sizeof *ports; i++)
    assert_refused(ports[i], NULL, DGRAM_ERR_SOCKET_BAD_PORT);
}

static void what_is_no_numeric_address_of_its_family(void **state) {
  static const char *const texts[] = {"localhost", "::1", "1.2.3", "127.0.0.1:80", " "};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
    assert_refused(9, texts[i], UV_EINVAL);
}

static void no_socket(void **state) {
  assert_int_equal(dgram_connect_sync(NULL, 9, NULL), UV_EINVAL);
}

static void one_that_is_closed(void **state) {
  uv_loop_t *loop = open_loop();
  int port;
  dgram_socket_t *connected = new_bound(loop, NULL, NULL, &port);
  dgram_socket_t *unbound = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  connect_now(connected, 9);
  close_socket(connected);
  close_socket(unbound);
  assert_int_equal(dgram_connect_sync(connected, 9, NULL), DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
  assert_int_equal(dgram_connect_sync(unbound, 9, NULL), DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
  close_loop(loop); /* it was not bound */
}

static void one_that_is_connected_or_being_connected(void **state) {
  uv_loop_t *loop = open_loop();
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
  close_socket(socket);
  close_loop(loop);
}

static void connect_there(dgram_socket_t *socket, void *context) {
  assert_int_equal(dgram_connect_sync(socket, *(int *)context, NULL), 0);
}

static void one_that_is_being_bound_until_listening(void **state) {
  uv_loop_t *loop = open_loop();
  int port = 9;
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  trace_events(socket);
  assert_int_equal(dgram_bind(socket, 0, NULL, connect_there, &port), 0);
  assert_int_equal(dgram_connect_sync(socket, 9, NULL), DGRAM_ERR_SOCKET_ALREADY_BOUND);
  run_until_trace(loop, "listening connect");
  assert_int_equal(peer_port(socket), 9);
  close_socket(socket);
  close_loop(loop);
}

/* A broadcast address takes setBroadcast(); the system is asked, and for that it was bound. */
static void what_the_system_refuses_leaves_it_bound(void **state) {
  uv_loop_t *loop = open_loop();
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
  close_socket(socket);
  close_loop(loop);
}

/* ---- what comes after it ---- */

static void closed_before_connect_it_emits_close_only(void **state) {
  uv_loop_t *loop = open_loop();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  trace_events(socket);
  assert_int_equal(dgram_connect_sync(socket, 9, NULL), 0);
  close_socket(socket);
  close_loop(loop);
  assert_trace("close");
}

static void disconnected_before_connect_it_does_not_emit_it(void **state) {
  uv_loop_t *loop = open_loop();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  trace_events(socket);
  assert_int_equal(dgram_connect_sync(socket, 9, NULL), 0);
  assert_int_equal(dgram_disconnect(socket), 0);
  run_until_trace(loop, "listening");
  settle(loop);
  assert_trace("");
  close_socket(socket);
  close_loop(loop);
}

static void connected_anew_before_connect_it_emits_it_once(void **state) {
  uv_loop_t *loop = open_loop();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  trace_events(socket);
  assert_int_equal(dgram_connect_sync(socket, 9, NULL), 0);
  assert_int_equal(dgram_disconnect(socket), 0);
  assert_int_equal(dgram_connect_sync(socket, 10, NULL), 0);
  assert_int_equal(peer_port(socket), 10);
  run_until_trace(loop, "listening connect");
  settle(loop);
  assert_trace("");
  close_socket(socket);
  close_loop(loop);
}

/* The 'connect' that was still to come is not that of the attempt. */
static void a_later_attempt_tells_its_own_end_alone(void **state) {
  static const char *const addresses[] = {NULL, "255.255.255.255"};
  static const char *const stories[] = {"listening connect callback", "listening callback(EACCES)"};
  for (int i = 0; i < 2; i++) {
    uv_loop_t *loop = open_loop();
    dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
    trace_events(socket);
    assert_int_equal(dgram_connect_sync(socket, 9, NULL), 0);
    assert_int_equal(dgram_disconnect(socket), 0);
    assert_int_equal(dgram_connect(socket, 10, addresses[i], trace_connect, "callback"), 0);
    settle(loop);
    assert_trace(stories[i]);
    close_socket(socket);
    close_loop(loop);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(it_has_its_peer_when_the_call_returns),
      cmocka_unit_test(of_ipv6_too),
      cmocka_unit_test(a_bound_socket_keeps_its_port),
      cmocka_unit_test(it_receives_from_its_peer_only),
      cmocka_unit_test(a_look_up_of_the_program_is_not_asked),
      cmocka_unit_test(a_port_out_of_range),
      cmocka_unit_test(what_is_no_numeric_address_of_its_family),
      cmocka_unit_test(no_socket),
      cmocka_unit_test(one_that_is_closed),
      cmocka_unit_test(one_that_is_connected_or_being_connected),
      cmocka_unit_test(one_that_is_being_bound_until_listening),
      cmocka_unit_test(what_the_system_refuses_leaves_it_bound),
      cmocka_unit_test(closed_before_connect_it_emits_close_only),
      cmocka_unit_test(disconnected_before_connect_it_does_not_emit_it),
      cmocka_unit_test(connected_anew_before_connect_it_emits_it_once),
      cmocka_unit_test(a_later_attempt_tells_its_own_end_alone),
  };
  return cmocka_run_group_tests_name("connect_sync", tests, NULL, NULL);
}

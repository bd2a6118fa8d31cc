/* What keeps the loop alive: a bound and referenced socket, and sends under way. */
#include "lib/fixture.h"

/* Whether the loop would go on: it is run without waiting. */
static int keeps_alive(uv_loop_t *loop) {
  return uv_run(loop, UV_RUN_NOWAIT) != 0;
}

TEST("an unbound socket does not keep the loop alive") {
  new_socket(loop, DGRAM_UDP4, NULL, NULL);
  run_to_end(loop);
}

TEST("a bound socket keeps the loop alive") {
  int port;
  new_bound(loop, NULL, NULL, &port);
  assert_true(keeps_alive(loop));
  assert_true(keeps_alive(loop));
}

TEST("a socket bound by a send keeps the loop alive") {
  int sent = 0;
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  send_text(socket, "x", 9, count_sent, &sent);
  run_until(loop, &sent, 1);
  assert_true(keeps_alive(loop));
}

TEST("unref lets the loop end") {
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  dgram_unref(socket);
  run_to_end(loop);
}

TEST("unref before the bind holds after it") {
  int listening = 0;
  dgram_socket_t *socket = dgram_unref(new_socket(loop, DGRAM_UDP4, NULL, NULL));
  assert_int_equal(dgram_bind(socket, 0, NULL, count_event, &listening), 0);
  run_to_end(loop);
  assert_int_equal(listening, 1);
}

TEST("ref undoes unref") {
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  dgram_ref(dgram_unref(socket));
  assert_true(keeps_alive(loop));
  dgram_unref(socket);
  assert_false(keeps_alive(loop));
  dgram_ref(socket);
  assert_true(keeps_alive(loop));
}

TEST("neither counts how often it was called") {
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  dgram_unref(dgram_unref(dgram_unref(socket)));
  dgram_ref(socket);
  assert_true(keeps_alive(loop));
  dgram_ref(dgram_ref(socket));
  dgram_unref(socket);
  assert_false(keeps_alive(loop));
}

TEST("both return the socket and null for null") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_ptr_equal(dgram_ref(socket), socket);
  assert_ptr_equal(dgram_unref(socket), socket);
  assert_null(dgram_ref(NULL));
  assert_null(dgram_unref(NULL));
}

TEST("an unreferenced socket still receives") {
  int ports[2];
  int received = 0;
  dgram_socket_t *other = new_bound(loop, NULL, NULL, &ports[0]);
  dgram_unref(new_bound(loop, count_message, &received, &ports[1]));
  send_text(other, "x", ports[1], NULL, NULL);
  run_until(loop, &received, 1);
}

TEST("an unreferenced socket still completes its sends") {
  int port;
  int sent = 0;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  dgram_unref(socket);
  send_text(socket, "x", port, count_sent, &sent);
  run_to_end(loop);
  assert_int_equal(sent, 1);
  send_text(socket, "x", port, count_sent, &sent);
  dgram_unref(socket);
  run_to_end(loop);
  assert_int_equal(sent, 2);
}

TEST("an unreferenced unbound socket still completes its sends") {
  int sent = 0;
  dgram_socket_t *socket = dgram_unref(new_socket(loop, DGRAM_UDP4, NULL, NULL));
  for (int i = 0; i < 3000; i++)
    send_text(socket, "x", 9, count_sent, &sent);
  run_to_end(loop);
  assert_int_equal(sent, 3000);
}

TEST("an unreferenced socket tells its failures") {
  struct kept_error kept = {0};
  dgram_socket_t *socket = dgram_unref(new_socket(loop, DGRAM_UDP4, NULL, NULL));
  assert_int_equal(dgram_on_error(socket, keep_error, &kept), 0);
  assert_int_equal(dgram_bind(socket, 0, "192.0.2.1", NULL, NULL), 0);
  run_to_end(loop);
  assert_int_equal(kept.calls, 1);
}

TEST("an unreferenced socket emits close") {
  int port;
  dgram_socket_t *socket = dgram_unref(new_bound(loop, NULL, NULL, &port));
  assert_int_equal(dgram_close(socket, trace_event, "closed"), 0);
  run_to_end(loop);
  assert_trace("closed");
}

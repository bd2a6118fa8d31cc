/*
 * What keeps the loop alive: a bound and referenced socket, and the work under way of an
 * unreferenced one.
 */
#include "lib/fixture.h"
#include "lib/lookup_stub.h"

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

TEST("unref() lets the loop end") {
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  dgram_unref(socket);
  run_to_end(loop);
}

TEST("unref() before the bind holds after it") {
  int listening = 0;
  dgram_socket_t *socket = dgram_unref(new_socket(loop, DGRAM_UDP4, NULL, NULL));
  assert_int_equal(dgram_bind(socket, 0, NULL, count_event, &listening), 0);
  run_to_end(loop);
  assert_int_equal(listening, 1);
}

TEST("ref() undoes unref()") {
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  dgram_ref(dgram_unref(socket));
  assert_true(keeps_alive(loop));
  dgram_unref(socket);
  assert_false(keeps_alive(loop));
  dgram_ref(socket);
  assert_true(keeps_alive(loop));
}

TEST("ref() and unref() do not count") {
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  dgram_unref(dgram_unref(dgram_unref(socket)));
  dgram_ref(socket);
  assert_true(keeps_alive(loop));
  dgram_ref(dgram_ref(socket));
  dgram_unref(socket);
  assert_false(keeps_alive(loop));
}

TEST("ref() and unref() return the socket") {
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

TEST("an unreferenced socket reports its failures") {
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

/* ---- work under way ---- */

TEST("an unreferenced socket finishes its connect") {
  for (int bound = 0; bound < 2; bound++) {
    begin_round(loop);
    int port;
    dgram_socket_t *socket =
        bound ? new_bound(loop, NULL, NULL, &port) : new_socket(loop, DGRAM_UDP4, NULL, NULL);
    dgram_unref(socket);
    assert_int_equal(dgram_connect(socket, 9, NULL, trace_connect, "connected"), 0);
    run_to_end(loop);
    assert_trace("connected");
    close_socket(socket);
    run_to_end(loop);
  }
}

TEST("an unreferenced socket finishes its connect to a host name") {
  dgram_socket_t *socket = dgram_unref(new_socket(loop, DGRAM_UDP4, NULL, NULL));
  assert_int_equal(dgram_connect(socket, 9, "localhost", trace_connect, "connected"), 0);
  run_to_end(loop);
  assert_trace("connected");
}

TEST("an unreferenced socket reports a failed connect") {
  dgram_socket_t *socket = dgram_unref(new_socket(loop, DGRAM_UDP4, NULL, NULL));
  assert_int_equal(dgram_connect(socket, 9, "::1", trace_connect, "callback"), 0);
  run_to_end(loop);
  assert_trace("callback(EINVAL)");
}

TEST("an unreferenced connected socket lets the loop end") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  connect_now(socket, 9);
  assert_int_not_equal(uv_run(loop, UV_RUN_NOWAIT), 0);
  dgram_unref(socket);
  run_to_end(loop);
  assert_int_equal(dgram_disconnect(socket), 0);
  run_to_end(loop);
  dgram_ref(socket);
  assert_int_not_equal(uv_run(loop, UV_RUN_NOWAIT), 0);
}

TEST("an unreferenced connected socket completes its sends") {
  enum { SENT = 100 };
  int sent = 0;
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  int fd = raw_socket();
  connect_now(socket, raw_port(fd));
  for (int i = 0; i < SENT; i++)
    assert_int_equal(dgram_send(socket, "x", 1, 0, NULL, count_sent, &sent), 0);
  dgram_unref(socket);
  run_to_end(loop);
  assert_int_equal(sent, SENT);
  close(fd);
}

TEST("an unreferenced socket completes a send to a host name behind its implicit bind") {
  dgram_socket_t *socket = dgram_unref(new_socket(loop, DGRAM_UDP4, NULL, NULL));
  assert_int_equal(dgram_send(socket, "x", 1, 9, "localhost", trace_sent, "sent"), 0);
  run_to_end(loop);
  assert_trace("sent");
}

/* Only the program knows how long it takes: its own work keeps the loop alive. */
TEST("an unreferenced socket does not wait for a program's look-up") {
  struct lookup_stub stub = {0};
  dgram_socket_t *socket = dgram_unref(new_with_lookup(loop, DGRAM_UDP4, &stub));
  assert_int_equal(dgram_send(socket, "x", 1, 9, "name", trace_sent, "sent"), 0);
  run_to_end(loop);
  lookup_stub_answer(&stub, 0, 0, "0.0.0.0");
  run_to_end(loop);
  lookup_stub_answer(&stub, 1, 0, "127.0.0.1");
  run_to_end(loop);
  assert_trace("ask(0.0.0.0) ask(name) sent");
}

TEST("an unreferenced socket emits the listening of a membership") {
  dgram_socket_t *socket = dgram_unref(new_socket(loop, DGRAM_UDP4, NULL, NULL));
  trace_events(socket);
  assert_int_equal(dgram_add_membership(socket, "224.0.0.114", "127.0.0.1"), 0);
  run_to_end(loop);
  assert_trace("listening");
}

TEST("an unreferenced socket reports a refusal that has arrived") {
  int port;
  int fd = raw_holder(&port);
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  connect_now(socket, port);
  assert_int_equal(dgram_on_error(socket, trace_error, "error"), 0);
  assert_int_equal(dgram_send(socket, "x", 1, 0, NULL, NULL, NULL), 0);
  dgram_unref(socket);
  settle(loop);
  assert_trace("error(ECONNREFUSED)");
  run_to_end(loop);
  close(fd);
}

TEST("ref() and unref() of a closed socket do nothing") {
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_close(socket, trace_event, "close"), 0);
  assert_ptr_equal(dgram_unref(socket), socket);
  assert_ptr_equal(dgram_ref(socket), socket);
  run_to_end(loop);
  assert_trace("close");
}

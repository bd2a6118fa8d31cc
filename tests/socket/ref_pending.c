/* An unreferenced socket with work under way keeps the loop alive until the work is done. */
#include "lib/fixture.h"
#include "lib/lookup_stub.h"

TEST("a connect is finished") {
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

TEST("a connect to a host is finished") {
  dgram_socket_t *socket = dgram_unref(new_socket(loop, DGRAM_UDP4, NULL, NULL));
  assert_int_equal(dgram_connect(socket, 9, "localhost", trace_connect, "connected"), 0);
  run_to_end(loop);
  assert_trace("connected");
}

TEST("a failed connect is told") {
  dgram_socket_t *socket = dgram_unref(new_socket(loop, DGRAM_UDP4, NULL, NULL));
  assert_int_equal(dgram_connect(socket, 9, "::1", trace_connect, "callback"), 0);
  run_to_end(loop);
  assert_trace("callback(EINVAL)");
}

TEST("a connected one lets the loop end") {
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

TEST("connected sends complete") {
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

TEST("a send to a host behind an implicit bind completes") {
  dgram_socket_t *socket = dgram_unref(new_socket(loop, DGRAM_UDP4, NULL, NULL));
  assert_int_equal(dgram_send(socket, "x", 1, 9, "localhost", trace_sent, "sent"), 0);
  run_to_end(loop);
  assert_trace("sent");
}

/* Only the program knows how long it takes: its own work keeps the loop alive. */
TEST("a look up of the program does not keep the loop alive") {
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

TEST("the listening of a membership is emitted") {
  dgram_socket_t *socket = dgram_unref(new_socket(loop, DGRAM_UDP4, NULL, NULL));
  trace_events(socket);
  assert_int_equal(dgram_add_membership(socket, "224.0.0.114", "127.0.0.1"), 0);
  run_to_end(loop);
  assert_trace("listening");
}

TEST("a refusal that has arrived is told") {
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

TEST("both do nothing on a closed socket") {
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_close(socket, trace_event, "close"), 0);
  assert_ptr_equal(dgram_unref(socket), socket);
  assert_ptr_equal(dgram_ref(socket), socket);
  run_to_end(loop);
  assert_trace("close");
}

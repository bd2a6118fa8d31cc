/* An unreferenced socket with work under way keeps the loop alive until the work is done. */
#include "lib/fixture.h"
#include "lib/lookup_stub.h"

static void a_connect_is_finished(void **state) {
  for (int bound = 0; bound < 2; bound++) {
    uv_loop_t *loop = open_loop();
    int port;
    dgram_socket_t *socket =
        bound ? new_bound(loop, NULL, NULL, &port) : new_socket(loop, DGRAM_UDP4, NULL, NULL);
    dgram_unref(socket);
    assert_int_equal(dgram_connect(socket, 9, NULL, trace_connect, "connected"), 0);
    run_to_end(loop);
    assert_trace("connected");
    close_socket(socket);
    close_loop(loop);
  }
}

static void a_connect_to_a_host_is_finished(void **state) {
  uv_loop_t *loop = open_loop();
  dgram_socket_t *socket = dgram_unref(new_socket(loop, DGRAM_UDP4, NULL, NULL));
  assert_int_equal(dgram_connect(socket, 9, "localhost", trace_connect, "connected"), 0);
  run_to_end(loop);
  assert_trace("connected");
  close_socket(socket);
  close_loop(loop);
}

static void a_failed_connect_is_told(void **state) {
  uv_loop_t *loop = open_loop();
  dgram_socket_t *socket = dgram_unref(new_socket(loop, DGRAM_UDP4, NULL, NULL));
  assert_int_equal(dgram_connect(socket, 9, "::1", trace_connect, "callback"), 0);
  run_to_end(loop);
  assert_trace("callback(EINVAL)");
  close_socket(socket);
  close_loop(loop);
}

static void a_connected_one_lets_the_loop_end(void **state) {
  uv_loop_t *loop = open_loop();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  connect_now(socket, 9);
  assert_int_not_equal(uv_run(loop, UV_RUN_NOWAIT), 0);
  dgram_unref(socket);
  run_to_end(loop);
  assert_int_equal(dgram_disconnect(socket), 0);
  run_to_end(loop);
  dgram_ref(socket);
  assert_int_not_equal(uv_run(loop, UV_RUN_NOWAIT), 0);
  close_socket(socket);
  close_loop(loop);
}

static void connected_sends_complete(void **state) {
  enum { SENT = 100 };
  uv_loop_t *loop = open_loop();
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
  close_socket(socket);
  close_loop(loop);
}

static void a_send_to_a_host_behind_an_implicit_bind_completes(void **state) {
  uv_loop_t *loop = open_loop();
  dgram_socket_t *socket = dgram_unref(new_socket(loop, DGRAM_UDP4, NULL, NULL));
  assert_int_equal(dgram_send(socket, "x", 1, 9, "localhost", trace_sent, "sent"), 0);
  run_to_end(loop);
  assert_trace("sent");
  close_socket(socket);
  close_loop(loop);
}

/* Only the program knows how long it takes: its own work keeps the loop alive. */
static void a_look_up_of_the_program_does_not_keep_the_loop_alive(void **state) {
  uv_loop_t *loop = open_loop();
  struct lookup_stub stub = {0};
  dgram_socket_t *socket = dgram_unref(new_with_lookup(loop, DGRAM_UDP4, &stub));
  assert_int_equal(dgram_send(socket, "x", 1, 9, "name", trace_sent, "sent"), 0);
  run_to_end(loop);
  lookup_stub_answer(&stub, 0, 0, "0.0.0.0");
  run_to_end(loop);
  lookup_stub_answer(&stub, 1, 0, "127.0.0.1");
  run_to_end(loop);
  assert_trace("ask(0.0.0.0) ask(name) sent");
  close_socket(socket);
  close_loop(loop);
}

static void the_listening_of_a_membership_is_emitted(void **state) {
  uv_loop_t *loop = open_loop();
  dgram_socket_t *socket = dgram_unref(new_socket(loop, DGRAM_UDP4, NULL, NULL));
  trace_events(socket);
  assert_int_equal(dgram_add_membership(socket, "224.0.0.114", "127.0.0.1"), 0);
  run_to_end(loop);
  assert_trace("listening");
  close_socket(socket);
  close_loop(loop);
}

static void a_refusal_that_has_arrived_is_told(void **state) {
  uv_loop_t *loop = open_loop();
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
  close_socket(socket);
  close_loop(loop);
}

static void both_do_nothing_on_a_closed_socket(void **state) {
  uv_loop_t *loop = open_loop();
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_close(socket, trace_event, "close"), 0);
  assert_ptr_equal(dgram_unref(socket), socket);
  assert_ptr_equal(dgram_ref(socket), socket);
  close_loop(loop);
  assert_trace("close");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_connect_is_finished),
      cmocka_unit_test(a_connect_to_a_host_is_finished),
      cmocka_unit_test(a_failed_connect_is_told),
      cmocka_unit_test(a_connected_one_lets_the_loop_end),
      cmocka_unit_test(connected_sends_complete),
      cmocka_unit_test(a_send_to_a_host_behind_an_implicit_bind_completes),
      cmocka_unit_test(a_look_up_of_the_program_does_not_keep_the_loop_alive),
      cmocka_unit_test(the_listening_of_a_membership_is_emitted),
      cmocka_unit_test(a_refusal_that_has_arrived_is_told),
      cmocka_unit_test(both_do_nothing_on_a_closed_socket),
  };
  return cmocka_run_group_tests_name("ref_pending", tests, NULL, NULL);
}

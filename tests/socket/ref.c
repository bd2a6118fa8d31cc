/* What keeps the loop alive: a bound and referenced socket, and sends under way. */
#include "lib/fixture.h"

/* Whether the loop would go on: it is run without waiting. */
static int keeps_alive(uv_loop_t *loop) {
  return uv_run(loop, UV_RUN_NOWAIT) != 0;
}

static void an_unbound_socket_does_not_keep_the_loop_alive(void **state) {
  uv_loop_t *loop = open_loop();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  run_to_end(loop);
  close_socket(socket);
  close_loop(loop);
}

static void a_bound_socket_keeps_the_loop_alive(void **state) {
  uv_loop_t *loop = open_loop();
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_true(keeps_alive(loop));
  assert_true(keeps_alive(loop));
  close_socket(socket);
  close_loop(loop);
}

static void a_socket_bound_by_a_send_keeps_the_loop_alive(void **state) {
  uv_loop_t *loop = open_loop();
  int sent = 0;
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  send_text(socket, "x", 9, count_sent, &sent);
  run_until(loop, &sent, 1);
  assert_true(keeps_alive(loop));
  close_socket(socket);
  close_loop(loop);
}

static void unref_lets_the_loop_end(void **state) {
  uv_loop_t *loop = open_loop();
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  dgram_unref(socket);
  run_to_end(loop);
  close_socket(socket);
  close_loop(loop);
}

static void unref_before_the_bind_holds_after_it(void **state) {
  uv_loop_t *loop = open_loop();
  int listening = 0;
  dgram_socket_t *socket = dgram_unref(new_socket(loop, DGRAM_UDP4, NULL, NULL));
  assert_int_equal(dgram_bind(socket, 0, NULL, count_event, &listening), 0);
  run_to_end(loop);
  assert_int_equal(listening, 1);
  close_socket(socket);
  close_loop(loop);
}

static void ref_undoes_unref(void **state) {
  uv_loop_t *loop = open_loop();
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  dgram_ref(dgram_unref(socket));
  assert_true(keeps_alive(loop));
  dgram_unref(socket);
  assert_false(keeps_alive(loop));
  dgram_ref(socket);
  assert_true(keeps_alive(loop));
  close_socket(socket);
  close_loop(loop);
}

static void neither_counts_how_often_it_was_called(void **state) {
  uv_loop_t *loop = open_loop();
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  dgram_unref(dgram_unref(dgram_unref(socket)));
  dgram_ref(socket);
  assert_true(keeps_alive(loop));
  dgram_ref(dgram_ref(socket));
  dgram_unref(socket);
  assert_false(keeps_alive(loop));
  close_socket(socket);
  close_loop(loop);
}

static void both_return_the_socket_and_null_for_null(void **state) {
  uv_loop_t *loop = open_loop();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_ptr_equal(dgram_ref(socket), socket);
  assert_ptr_equal(dgram_unref(socket), socket);
  assert_null(dgram_ref(NULL));
  assert_null(dgram_unref(NULL));
  close_socket(socket);
  close_loop(loop);
}

static void an_unreferenced_socket_still_receives(void **state) {
  uv_loop_t *loop = open_loop();
  int ports[2];
  int received = 0;
  dgram_socket_t *other = new_bound(loop, NULL, NULL, &ports[0]);
  dgram_socket_t *socket = dgram_unref(new_bound(loop, count_message, &received, &ports[1]));
  send_text(other, "x", ports[1], NULL, NULL);
  run_until(loop, &received, 1);
  close_socket(socket);
  close_socket(other);
  close_loop(loop);
}

static void an_unreferenced_socket_still_completes_its_sends(void **state) {
  uv_loop_t *loop = open_loop();
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
  close_socket(socket);
  close_loop(loop);
}

static void an_unreferenced_unbound_socket_still_completes_its_sends(void **state) {
  uv_loop_t *loop = open_loop();
  int sent = 0;
  dgram_socket_t *socket = dgram_unref(new_socket(loop, DGRAM_UDP4, NULL, NULL));
  for (int i = 0; i < 3000; i++)
    send_text(socket, "x", 9, count_sent, &sent);
  run_to_end(loop);
  assert_int_equal(sent, 3000);
  close_socket(socket);
  close_loop(loop);
}

static void an_unreferenced_socket_tells_its_failures(void **state) {
  uv_loop_t *loop = open_loop();
  struct kept_error kept = {0};
  dgram_socket_t *socket = dgram_unref(new_socket(loop, DGRAM_UDP4, NULL, NULL));
  assert_int_equal(dgram_on_error(socket, keep_error, &kept), 0);
  assert_int_equal(dgram_bind(socket, 0, "192.0.2.1", NULL, NULL), 0);
  run_to_end(loop);
  assert_int_equal(kept.calls, 1);
  close_socket(socket);
  close_loop(loop);
}

static void an_unreferenced_socket_emits_close(void **state) {
  uv_loop_t *loop = open_loop();
  int port;
  dgram_socket_t *socket = dgram_unref(new_bound(loop, NULL, NULL, &port));
  assert_int_equal(dgram_close(socket, trace_event, "closed"), 0);
  close_loop(loop);
  assert_trace("closed");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_unbound_socket_does_not_keep_the_loop_alive),
      cmocka_unit_test(a_bound_socket_keeps_the_loop_alive),
      cmocka_unit_test(a_socket_bound_by_a_send_keeps_the_loop_alive),
      cmocka_unit_test(unref_lets_the_loop_end),
      cmocka_unit_test(unref_before_the_bind_holds_after_it),
      cmocka_unit_test(ref_undoes_unref),
      cmocka_unit_test(neither_counts_how_often_it_was_called),
      cmocka_unit_test(both_return_the_socket_and_null_for_null),
      cmocka_unit_test(an_unreferenced_socket_still_receives),
      cmocka_unit_test(an_unreferenced_socket_still_completes_its_sends),
      cmocka_unit_test(an_unreferenced_unbound_socket_still_completes_its_sends),
      cmocka_unit_test(an_unreferenced_socket_tells_its_failures),
      cmocka_unit_test(an_unreferenced_socket_emits_close),
  };
  return cmocka_run_group_tests_name("ref", tests, NULL, NULL);
}

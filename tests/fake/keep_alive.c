/* An unreferenced socket keeps the loop alive only while sends wait. */
#include "fake/scripted.h"

static int turns;
static int turns_until_writable;

/* Makes the socket writable after some turns; does not keep the loop alive itself. */
static void on_turn(uv_prepare_t *prepare) {
  if (++turns == turns_until_writable)
    fake_make_writable(prepare->data);
}

/* What keeps the loop turning meanwhile, lest it wait for what only it would bring about. */
static void on_idle(uv_idle_t *idle) {
  (void)idle;
}

static bool loop_ends(dgram_socket_t *socket, int until_writable) {
  uv_prepare_t prepare;
  uv_idle_t idle;
  uv_prepare_init(scripted_loop, &prepare);
  uv_idle_init(scripted_loop, &idle);
  prepare.data = socket;
  uv_prepare_start(&prepare, on_turn);
  uv_idle_start(&idle, on_idle);
  uv_unref((uv_handle_t *)&prepare);
  uv_unref((uv_handle_t *)&idle);
  turns = 0;
  turns_until_writable = until_writable;
  bool more = true;
  while (more && turns < 1000)
    more = uv_run(scripted_loop, UV_RUN_NOWAIT) != 0;
  uv_close((uv_handle_t *)&prepare, NULL);
  uv_close((uv_handle_t *)&idle, NULL);
  uv_run(scripted_loop, UV_RUN_NOWAIT);
  return !more;
}

SCRIPTED_TEST("a bound socket keeps the loop alive unless unreferenced") {
  dgram_socket_t *socket = scripted_socket();
  assert_false(loop_ends(socket, 0));
  assert_ptr_equal(dgram_unref(socket), socket);
  assert_true(loop_ends(socket, 0));
  assert_ptr_equal(dgram_ref(socket), socket);
  assert_false(loop_ends(socket, 0));
}

SCRIPTED_TEST("an unreferenced socket keeps the loop alive until its blocked sends have left") {
  dgram_socket_t *socket = scripted_socket();
  dgram_unref(socket);
  FAKE_REPLIES(1, UV_EAGAIN);
  scripted_send_all(socket, 0, 2);
  assert_true(loop_ends(socket, 100));
  assert_true(turns >= 100);
  assert_trace("0 1 2");
}

SCRIPTED_TEST("a socket that is unreferenced while blocked does too") {
  dgram_socket_t *socket = scripted_socket();
  fake_reply(UV_EAGAIN);
  scripted_send(socket, 0);
  scripted_run();
  dgram_unref(socket);
  assert_true(loop_ends(socket, 100));
  assert_trace("0");
}

SCRIPTED_TEST("an unreferenced socket keeps the loop alive until it has met ENOBUFS no more") {
  dgram_socket_t *socket = scripted_socket();
  dgram_unref(socket);
  FAKE_REPLIES(UV_ENOBUFS, UV_ENOBUFS);
  scripted_send(socket, 0);
  assert_int_equal(uv_run(scripted_loop, UV_RUN_DEFAULT), 0);
  assert_trace("0");
}

SCRIPTED_TEST("an unreferenced socket is bound and sends before the loop ends") {
  dgram_socket_t *socket = scripted_unbound_socket();
  dgram_unref(socket);
  scripted_send(socket, 0);
  assert_int_equal(uv_run(scripted_loop, UV_RUN_DEFAULT), 0);
  assert_trace("listening 0");
}

SCRIPTED_TEST("an unbound socket does not keep the loop alive") {
  scripted_unbound_socket();
  assert_int_equal(uv_run(scripted_loop, UV_RUN_DEFAULT), 0);
}

/* An error about one datagram: it ends with it, and the others leave. */
#include "fake/scene.h"

#include <stdio.h>

static void one_in_the_midst_fails_and_the_others_leave(void **state) {
  dgram_socket_t *socket = scene_socket();
  fake_reply(2);
  fake_reply(UV_EPERM);
  scene_send_all(socket, 0, 4);
  scene_run();
  assert_string_equal(fake_sends(), "0 1 | EPERM | 3 4");
  assert_string_equal(scene_story(), "0 1 2:EPERM 3 4");
}

static void the_first_and_the_last_may_fail(void **state) {
  dgram_socket_t *socket = scene_socket();
  fake_reply(UV_EMSGSIZE);
  fake_reply(2);
  fake_reply(UV_ENETUNREACH);
  scene_send_all(socket, 0, 3);
  scene_run();
  assert_string_equal(fake_sends(), "EMSGSIZE | 1 2 | ENETUNREACH");
  assert_string_equal(scene_story(), "0:EMSGSIZE 1 2 3:ENETUNREACH");
}

static void all_may_fail(void **state) {
  dgram_socket_t *socket = scene_socket();
  fake_reply_always(UV_EPERM);
  scene_send_all(socket, 0, 2);
  scene_run();
  assert_string_equal(scene_story(), "0:EPERM 1:EPERM 2:EPERM");
}

static void one_behind_a_full_buffer_may_fail(void **state) {
  dgram_socket_t *socket = scene_socket();
  fake_reply(1);
  fake_reply(UV_EAGAIN);
  fake_reply(UV_EPERM);
  scene_send_all(socket, 0, 2);
  scene_run();
  fake_make_writable(socket);
  scene_run();
  assert_string_equal(fake_sends(), "0 | EAGAIN | EPERM | 2");
  assert_string_equal(scene_story(), "0 1:EPERM 2");
}

static void without_callback_it_is_an_error_event_in_its_place(void **state) {
  dgram_socket_t *socket = scene_socket();
  fake_reply(1);
  fake_reply(UV_EPERM);
  scene_send(socket, 0);
  scene_send_silently(socket, 1);
  scene_send(socket, 2);
  scene_run();
  assert_string_equal(scene_story(), "0 error(send EPERM 127.0.0.1:1001) 2");
}

/* ---- what the callback is told ---- */

static dgram_error_t told; /* its pointers are valid no more */
static char told_text[256];

static void keep_error(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                       void *context) {
  told = *error;
  snprintf(told_text, sizeof told_text, "%s %s %s", error->syscall, error->address, error->message);
  assert_int_equal(bytes, 0);
  assert_ptr_equal(context, &told);
}

static void the_callback_is_told_what_failed_and_where_to(void **state) {
  dgram_socket_t *socket = scene_socket();
  fake_reply(UV_EPERM);
  assert_int_equal(dgram_send(socket, "x", 1, 53, "192.0.2.1", keep_error, &told), 0);
  scene_run();
  assert_int_equal(told.code, UV_EPERM);
  assert_string_equal(told.name, "EPERM");
  assert_int_equal(told.port, 53);
  assert_string_equal(told_text, "send 192.0.2.1 send EPERM 192.0.2.1:53");
}

/* ---- nobody listens ---- */

static int unhandled_count;

static void note_unhandled(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  assert_string_equal(error->message, "send EPERM 127.0.0.1:9");
  assert_ptr_equal(context, &unhandled_count);
  unhandled_count++;
}

static void without_listener_it_goes_to_the_handler_of_unhandled_errors(void **state) {
  uv_loop_t loop;
  assert_int_equal(uv_loop_init(&loop), 0);
  dgram_socket_t *socket;
  assert_int_equal(dgram_create_socket(&loop, DGRAM_UDP4, NULL, NULL, &socket), 0);
  fake_reply(UV_EPERM);
  dgram_on_unhandled_error(note_unhandled, &unhandled_count);
  assert_int_equal(dgram_send(socket, "x", 1, 9, NULL, NULL, NULL), 0);
  assert_int_equal(dgram_close(socket, NULL, NULL), 0); /* once it has left */
  assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
  dgram_on_unhandled_error(NULL, NULL);
  assert_int_equal(unhandled_count, 1);
  assert_int_equal(uv_loop_close(&loop), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      SCENE(one_in_the_midst_fails_and_the_others_leave),
      SCENE(the_first_and_the_last_may_fail),
      SCENE(all_may_fail),
      SCENE(one_behind_a_full_buffer_may_fail),
      SCENE(without_callback_it_is_an_error_event_in_its_place),
      SCENE(the_callback_is_told_what_failed_and_where_to),
      SCENE(without_listener_it_goes_to_the_handler_of_unhandled_errors),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

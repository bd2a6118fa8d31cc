/* An 'error' that nobody listens to goes to a handler that the program may replace. */
#include "socket_test.h"

/* Binding to an address of the other family is an 'error'. */
static void emit_error(dgram_socket_t *socket) {
  assert_int_equal(dgram_bind(socket, 0, "::1", NULL, NULL), 0);
  run_to_end(dgram_loop(socket));
}

static void goes_to_the_handler_with_its_context(void **state) {
  uv_loop_t *loop = open_loop();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  struct kept_error kept = {0};
  dgram_on_unhandled_error(keep_error, &kept);
  emit_error(socket);
  assert_int_equal(kept.calls, 1);
  assert_string_equal(kept.message, "bind EINVAL ::1");
  close_socket(socket);
  close_loop(loop);
}

static void does_not_go_there_when_somebody_listens(void **state) {
  uv_loop_t *loop = open_loop();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_on_error(socket, note_error, "listener"), 0);
  dgram_on_unhandled_error(note_error, "handler");
  emit_error(socket);
  assert_notes("listener(EINVAL)");
  close_socket(socket);
  close_loop(loop);
}

static void goes_there_again_once_the_last_listener_is_gone(void **state) {
  uv_loop_t *loop = open_loop();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_once_error(socket, note_error, "once"), 0);
  dgram_on_unhandled_error(note_error, "handler");
  emit_error(socket);
  emit_error(socket);
  assert_notes("once(EINVAL) handler(EINVAL)");
  close_socket(socket);
  close_loop(loop);
}

static void closing_handler(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  note("handler:%d", dgram_close(socket, note_event, "closed"));
}

static void the_handler_may_close_the_socket(void **state) {
  uv_loop_t *loop = open_loop();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  dgram_on_unhandled_error(closing_handler, NULL);
  emit_error(socket);
  assert_notes("handler:0 closed");
  close_loop(loop);
}

/* Runs emit_error() with stderr in a file, and reads that. */
static void capture_stderr(dgram_socket_t *socket, char *text, size_t size) {
  FILE *file = tmpfile();
  assert_non_null(file);
  fflush(stderr);
  int saved = dup(STDERR_FILENO);
  assert_true(saved >= 0);
  assert_true(dup2(fileno(file), STDERR_FILENO) >= 0);
  emit_error(socket);
  fflush(stderr);
  assert_true(dup2(saved, STDERR_FILENO) >= 0);
  close(saved);
  rewind(file);
  text[fread(text, 1, size - 1, file)] = '\0';
  (void)fclose(file);
}

static void by_default_its_message_is_printed(void **state) {
  uv_loop_t *loop = open_loop();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  char text[256];
  dgram_on_unhandled_error(NULL, NULL);
  capture_stderr(socket, text, sizeof text);
  assert_string_equal(text, "Unhandled 'error' event: bind EINVAL ::1\n");
  close_socket(socket);
  close_loop(loop);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(goes_to_the_handler_with_its_context),
      cmocka_unit_test(does_not_go_there_when_somebody_listens),
      cmocka_unit_test(goes_there_again_once_the_last_listener_is_gone),
      cmocka_unit_test(the_handler_may_close_the_socket),
      cmocka_unit_test(by_default_its_message_is_printed),
  };
  return cmocka_run_group_tests_name("unhandled_error", tests, NULL, NULL);
}

/* An 'error' that nobody listens to goes to a handler that the program may replace. */
#include "lib/fixture.h"

/* Binding to an address of the other family is an 'error'. */
static void emit_error(dgram_socket_t *socket) {
  assert_int_equal(dgram_bind(socket, 0, "::1", NULL, NULL), 0);
  run_to_end(dgram_loop(socket));
}

TEST("an unhandled error goes to the handler with its context") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  struct kept_error kept = {0};
  dgram_on_unhandled_error(keep_error, &kept);
  emit_error(socket);
  assert_int_equal(kept.calls, 1);
  assert_string_equal(kept.message, "bind EINVAL ::1");
}

TEST("an error with a listener does not go to the handler") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_on_error(socket, trace_error, "listener"), 0);
  dgram_on_unhandled_error(trace_error, "handler");
  emit_error(socket);
  assert_trace("listener(EINVAL)");
}

TEST("an error goes to the handler once the last listener is gone") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_once_error(socket, trace_error, "once"), 0);
  dgram_on_unhandled_error(trace_error, "handler");
  emit_error(socket);
  emit_error(socket);
  assert_trace("once(EINVAL) handler(EINVAL)");
}

static void closing_handler(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  trace("handler:%d", dgram_close(socket, trace_event, "closed"));
}

TEST("the handler of unhandled errors may close the socket") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  dgram_on_unhandled_error(closing_handler, NULL);
  emit_error(socket);
  assert_trace("handler:0 closed");
  run_to_end(loop);
}

/* Has the socket emit an 'error' with stderr in a file, and reads that. */
static void capture_stderr(void emit(dgram_socket_t *socket), dgram_socket_t *socket, char *text,
                           size_t size) {
  FILE *file = tmpfile();
  assert_non_null(file);
  fflush(stderr);
  int saved = dup(STDERR_FILENO);
  assert_true(saved >= 0);
  assert_true(dup2(fileno(file), STDERR_FILENO) >= 0);
  emit(socket);
  fflush(stderr);
  assert_true(dup2(saved, STDERR_FILENO) >= 0);
  close(saved);
  rewind(file);
  text[fread(text, 1, size - 1, file)] = '\0';
  (void)fclose(file);
}

TEST("the message of an unhandled error is printed by default") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  char text[256];
  dgram_on_unhandled_error(NULL, NULL);
  capture_stderr(emit_error, socket, text, sizeof text);
  assert_string_equal(text, "Unhandled 'error' event: bind EINVAL ::1\n");
}

static void find_nothing(dgram_lookup_t *lookup, const char *host, dgram_type_t type,
                         void *context) {
  dgram_lookup_done(lookup, UV_EAI_NONAME, NULL);
}

/* The name of a host may come from anybody, and the terminal obeys what is written to it. */
static void emit_hostile_name(dgram_socket_t *socket) {
  assert_int_equal(dgram_bind(socket, 0, "b\xc3\xbc\x1b[2J\n\xc2\x9b\x9b\x7f.test", NULL, NULL), 0);
  run_to_end(dgram_loop(socket));
}

TEST("control characters in the message of an unhandled error are escaped") {
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  char text[256];
  options.lookup = find_nothing;
  dgram_socket_t *socket = new_with(loop, &options);
  dgram_on_unhandled_error(NULL, NULL);
  capture_stderr(emit_hostile_name, socket, text, sizeof text);
  assert_string_equal(text, "Unhandled 'error' event: getaddrinfo ENOTFOUND "
                            "b\xc3\xbc\\x1b[2J\\x0a\\xc2\\x9b\\x9b\\x7f.test\n");
  struct kept_error kept = {0}; /* a handler gets it as it is */
  dgram_on_unhandled_error(keep_error, &kept);
  emit_hostile_name(socket);
  assert_string_equal(kept.address, "b\xc3\xbc\x1b[2J\n\xc2\x9b\x9b\x7f.test");
}

#include "lib/trace.h"

#include <stdio.h>
#include <string.h>

char trace_text[TRACE_SIZE];
int trace_count;

int words_in(const char *text) {
  int count = *text != '\0';
  for (; *text != '\0'; text++)
    count += *text == ' ';
  return count;
}

void trace(const char *format, ...) {
  size_t length = strlen(trace_text);
  if (length > 0)
    length += (size_t)snprintf(trace_text + length, TRACE_SIZE - length, " ");
  va_list arguments;
  va_start(arguments, format);
  int written = vsnprintf(trace_text + length, TRACE_SIZE - length, format, arguments);
  va_end(arguments);
  assert_true(written >= 0 && (size_t)written < TRACE_SIZE - length);
  trace_count++;
}

void trace_clear(void) {
  trace_text[0] = '\0';
  trace_count = 0;
}

void run_until_trace(uv_loop_t *loop, const char *expected) {
  while (strncmp(trace_text, expected, strlen(trace_text)) == 0 &&
         strcmp(trace_text, expected) != 0)
    if (uv_run(loop, UV_RUN_ONCE) == 0)
      break;
  assert_trace(expected);
}

void trace_event(dgram_socket_t *socket, void *context) {
  trace("%s", (const char *)context);
}

void trace_message(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                   void *context) {
  trace("%s(%.*s)", (const char *)context, (int)rinfo->size, message);
}

void trace_messages(dgram_socket_t *socket, const dgram_message_t *const messages[], size_t count,
                    void *context) {
  char text[1024] = "";
  for (size_t i = 0; i < count; i++) {
    size_t length = strlen(text);
    snprintf(text + length, sizeof text - length, i == 0 ? "%.*s" : " %.*s",
             (int)messages[i]->rinfo.size, messages[i]->message);
  }
  trace("%s[%s]", (const char *)context, text);
}

void trace_error(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  trace("%s(%s)", (const char *)context, error->name);
}

void trace_connect(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  if (error != NULL)
    trace_error(socket, error, context);
  else
    trace_event(socket, context);
}

void trace_sent(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes, void *context) {
  trace_connect(socket, error, context);
}

void trace_events(dgram_socket_t *socket) {
  assert_int_equal(dgram_on_listening(socket, trace_event, "listening"), 0);
  assert_int_equal(dgram_on_connect(socket, trace_connect, "connect"), 0);
  assert_int_equal(dgram_on_error(socket, trace_error, "error"), 0);
  assert_int_equal(dgram_on_close(socket, trace_event, "close"), 0);
}

#include "fake/scripted.h"

#include <stdio.h>
#include <string.h>

enum { MOST_SOCKETS = 16, MOST_SENDS = 10000 };

uv_loop_t *scripted_loop;
void (*scripted_on_sent)(dgram_socket_t *socket, int number);
void (*scripted_on_message)(dgram_socket_t *socket, int number);
void (*scripted_on_error)(dgram_socket_t *socket);

static dgram_socket_t *sockets[MOST_SOCKETS]; /* NULL where one has closed */
static int socket_count;
static int message_count;
static char payloads[MOST_SENDS][8]; /* what is sent must stay until its callback */

const char *scripted_numbers(int first, int last) {
  static char text[TRACE_SIZE];
  size_t length = 0;
  text[0] = '\0';
  for (int i = first; i <= last; i++)
    length += (size_t)snprintf(text + length, TRACE_SIZE - length, i == first ? "%d" : " %d", i);
  return text;
}

/* ---- listeners ---- */

static void on_message(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                       void *context) {
  trace("(%.*s)", (int)strnlen(message, rinfo->size), message);
  if (scripted_on_message != NULL)
    scripted_on_message(socket, message_count++);
}

static void on_error(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  trace("error(%s)", error->message);
  if (scripted_on_error != NULL)
    scripted_on_error(socket);
}

static void on_close(dgram_socket_t *socket, void *context) {
  trace("close");
  *(dgram_socket_t **)context = NULL;
}

static void on_sent(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                    void *context) {
  const char *payload = context;
  if (error == NULL)
    trace("%s", payload);
  else
    trace("%s:%s", payload, error->name);
  assert_int_equal(bytes, error == NULL ? strlen(payload) : 0);
  if (scripted_on_sent != NULL) {
    int number;
    sscanf(payload, "%d", &number);
    scripted_on_sent(socket, number);
  }
}

/* ---- sockets ---- */

dgram_socket_t *scripted_unbound_socket(void) {
  assert_true(socket_count < MOST_SOCKETS);
  dgram_socket_t **socket = &sockets[socket_count++];
  assert_int_equal(dgram_create_socket(scripted_loop, DGRAM_UDP4, on_message, NULL, socket), 0);
  assert_int_equal(dgram_on_listening(*socket, trace_event, "listening"), 0);
  assert_int_equal(dgram_on_error(*socket, on_error, NULL), 0);
  assert_int_equal(dgram_on_close(*socket, on_close, socket), 0);
  return *socket;
}

dgram_socket_t *scripted_socket(void) {
  dgram_socket_t *socket = scripted_unbound_socket();
  assert_int_equal(dgram_bind(socket, 0, NULL, NULL, NULL), 0);
  scripted_run();
  assert_trace("listening");
  return socket;
}

static void send_number(dgram_socket_t *socket, int number, dgram_send_cb callback) {
  assert_in_range(number, 0, MOST_SENDS - 1);
  char *payload = payloads[number];
  snprintf(payload, sizeof payloads[number], "%d", number);
  assert_int_equal(
      dgram_send(socket, payload, strlen(payload), 1000 + number, NULL, callback, payload), 0);
}

void scripted_send(dgram_socket_t *socket, int number) {
  send_number(socket, number, on_sent);
}

void scripted_send_all(dgram_socket_t *socket, int first, int last) {
  for (int i = first; i <= last; i++)
    send_number(socket, i, on_sent);
}

void scripted_send_silently(dgram_socket_t *socket, int number) {
  send_number(socket, number, NULL);
}

/* ---- begin and end ---- */

void scripted_run(void) {
  for (int i = 0; i < 5; i++)
    uv_run(scripted_loop, UV_RUN_NOWAIT);
}

void scripted_begin(uv_loop_t *loop) {
  fake_reset();
  scripted_loop = loop;
  socket_count = 0;
  message_count = 0;
  scripted_on_sent = NULL;
  scripted_on_message = NULL;
  scripted_on_error = NULL;
  trace_clear();
}

void scripted_end(void) {
  for (int i = 0; i < socket_count; i++)
    if (sockets[i] != NULL && sockets[i]->life == DGRAM__OPEN)
      close_socket(sockets[i]);
  run_to_end(scripted_loop);
  for (int i = 0; i < socket_count; i++)
    assert_null(sockets[i]);
  fake_reset();
}

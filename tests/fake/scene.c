#include "fake/scene.h"

#include <stdio.h>
#include <string.h>

enum { MOST_SOCKETS = 16, MOST_SENDS = 10000, TEXT = 65536 };

uv_loop_t scene_loop;
void (*scene_on_sent)(dgram_socket_t *socket, int number);
void (*scene_on_message)(dgram_socket_t *socket, int number);
void (*scene_on_error)(dgram_socket_t *socket);

static dgram_socket_t *sockets[MOST_SOCKETS]; /* NULL where one has closed */
static int socket_count;
static int message_count;
static char payloads[MOST_SENDS][8]; /* what is sent must stay until its callback */
static char story[2][TEXT];          /* being told, and handed out */
static size_t story_length;

/* ---- the story ---- */

static void tell(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void tell(const char *format, ...) {
  size_t length = story_length;
  if (length > 0)
    story[0][length++] = ' ';
  va_list arguments;
  va_start(arguments, format);
  length += (size_t)vsnprintf(story[0] + length, TEXT - length, format, arguments);
  va_end(arguments);
  assert_true(length + 1 < TEXT);
  story_length = length;
}

const char *scene_story(void) {
  memcpy(story[1], story[0], story_length);
  story[1][story_length] = '\0';
  story_length = 0;
  return story[1];
}

const char *scene_numbers(int first, int last) {
  static char text[TEXT];
  size_t length = 0;
  text[0] = '\0';
  for (int i = first; i <= last; i++)
    length += (size_t)snprintf(text + length, TEXT - length, i == first ? "%d" : " %d", i);
  return text;
}

/* ---- listeners ---- */

static void on_message(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                       void *context) {
  tell("(%.*s)", (int)strnlen(message, rinfo->size), message);
  if (scene_on_message != NULL)
    scene_on_message(socket, message_count++);
}

static void on_listening(dgram_socket_t *socket, void *context) {
  tell("listening");
}

static void on_error(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  tell("error(%s)", error->message);
  if (scene_on_error != NULL)
    scene_on_error(socket);
}

static void on_close(dgram_socket_t *socket, void *context) {
  tell("close");
  *(dgram_socket_t **)context = NULL;
}

static void on_sent(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                    void *context) {
  const char *payload = context;
  if (error == NULL)
    tell("%s", payload);
  else
    tell("%s:%s", payload, error->name);
  assert_int_equal(bytes, error == NULL ? strlen(payload) : 0);
  if (scene_on_sent != NULL) {
    int number;
    sscanf(payload, "%d", &number);
    scene_on_sent(socket, number);
  }
}

/* ---- sockets ---- */

dgram_socket_t *scene_unbound_socket(void) {
  assert_true(socket_count < MOST_SOCKETS);
  dgram_socket_t **socket = &sockets[socket_count++];
  assert_int_equal(dgram_create_socket(&scene_loop, DGRAM_UDP4, on_message, NULL, socket), 0);
  assert_int_equal(dgram_on_listening(*socket, on_listening, NULL), 0);
  assert_int_equal(dgram_on_error(*socket, on_error, NULL), 0);
  assert_int_equal(dgram_on_close(*socket, on_close, socket), 0);
  return *socket;
}

dgram_socket_t *scene_socket(void) {
  dgram_socket_t *socket = scene_unbound_socket();
  assert_int_equal(dgram_bind(socket, 0, NULL, NULL, NULL), 0);
  scene_run();
  assert_string_equal(scene_story(), "listening");
  return socket;
}

static void send_number(dgram_socket_t *socket, int number, dgram_send_cb callback) {
  assert_in_range(number, 0, MOST_SENDS - 1);
  char *payload = payloads[number];
  snprintf(payload, sizeof payloads[number], "%d", number);
  assert_int_equal(
      dgram_send(socket, payload, strlen(payload), 1000 + number, NULL, callback, payload), 0);
}

int scene_system_socket(union dgram__address *address) {
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  assert_true(fd >= 0);
  dgram__address_loopback(address, AF_INET, 0);
  assert_int_equal(bind(fd, &address->any, dgram__address_length(address)), 0);
  socklen_t length = sizeof *address;
  assert_int_equal(getsockname(fd, &address->any, &length), 0);
  return fd;
}

void scene_send(dgram_socket_t *socket, int number) {
  send_number(socket, number, on_sent);
}

void scene_send_all(dgram_socket_t *socket, int first, int last) {
  for (int i = first; i <= last; i++)
    send_number(socket, i, on_sent);
}

void scene_send_silently(dgram_socket_t *socket, int number) {
  send_number(socket, number, NULL);
}

void scene_close(dgram_socket_t *socket) {
  assert_int_equal(dgram_close(socket, NULL, NULL), 0);
}

/* ---- begin and end ---- */

void scene_run(void) {
  for (int i = 0; i < 5; i++)
    uv_run(&scene_loop, UV_RUN_NOWAIT);
}

int scene_begin(void **state) {
  story_length = 0;
  socket_count = 0;
  message_count = 0;
  scene_on_sent = NULL;
  scene_on_message = NULL;
  scene_on_error = NULL;
  return uv_loop_init(&scene_loop);
}

int scene_end(void **state) {
  for (int i = 0; i < socket_count; i++)
    if (sockets[i] != NULL && sockets[i]->life == DGRAM__OPEN)
      scene_close(sockets[i]);
  if (uv_run(&scene_loop, UV_RUN_DEFAULT) != 0)
    return -1;
  for (int i = 0; i < socket_count; i++)
    if (sockets[i] != NULL)
      return -1;
  fake_reset();
  return uv_loop_close(&scene_loop);
}

/*
 * A socket's events and their typed listeners: added and removed, then called by an emission.
 */
#include "internal.h"

#include <stdio.h>

/* ---- adding and removing ---- */

/* Once a socket is closed, only its end can still be listened for. */
static int events_check(const dgram_socket_t *socket, dgram__listener_fn *listener,
                        const struct dgram__listeners *listeners) {
  if (socket == NULL || listener == NULL)
    return UV_EINVAL;
  bool of_the_end = listeners == &socket->events.close || listeners == &socket->events.error;
  return socket->life != DGRAM__OPEN && !of_the_end ? DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING : 0;
}

static bool events_are_received(const dgram_socket_t *socket,
                                const struct dgram__listeners *listeners) {
  return listeners == &socket->events.message || listeners == &socket->events.messages;
}

int dgram__events_add(dgram_socket_t *socket, struct dgram__listeners *listeners,
                      dgram__listener_fn *listener, void *context, enum dgram__listener_kind kind) {
  int err = events_check(socket, listener, listeners);
  if (err == 0 && !dgram__listeners_add(listeners, listener, context, kind))
    err = UV_ENOMEM;
  if (err == 0 && events_are_received(socket, listeners))
    dgram__receive_listeners_changed(socket);
  return err;
}

int dgram__events_remove(dgram_socket_t *socket, struct dgram__listeners *listeners,
                         dgram__listener_fn *listener, void *context) {
  int err = events_check(socket, listener, listeners);
  if (err == 0 && !dgram__listeners_remove(listeners, listener, context))
    err = UV_ENOENT;
  if (err == 0 && events_are_received(socket, listeners))
    dgram__receive_listeners_changed(socket);
  return err;
}

/* The three functions of an event: they differ only in the listener's type. */
#define DEFINE_EVENT(event)                                                                    \
  int dgram_on_##event(dgram_socket_t *socket, dgram_##event##_cb listener, void *context) {   \
    return dgram__events_add(socket, socket != NULL ? &socket->events.event : NULL,            \
                             (dgram__listener_fn *)listener, context, DGRAM__ON);              \
  }                                                                                            \
  int dgram_once_##event(dgram_socket_t *socket, dgram_##event##_cb listener, void *context) { \
    return dgram__events_add(socket, socket != NULL ? &socket->events.event : NULL,            \
                             (dgram__listener_fn *)listener, context, DGRAM__ONCE);            \
  }                                                                                            \
  int dgram_off_##event(dgram_socket_t *socket, dgram_##event##_cb listener, void *context) {  \
    return dgram__events_remove(socket, socket != NULL ? &socket->events.event : NULL,         \
                                (dgram__listener_fn *)listener, context);                      \
  }

DEFINE_EVENT(messages)
DEFINE_EVENT(message)
DEFINE_EVENT(listening)
DEFINE_EVENT(error)
DEFINE_EVENT(connect)
DEFINE_EVENT(close)

/* 'drain': its listeners are in the extras, since few sockets have any. */
static int events_add_drain(dgram_socket_t *socket, dgram_drain_cb listener, void *context,
                            enum dgram__listener_kind kind) {
  int err = events_check(socket, (dgram__listener_fn *)listener, NULL);
  if (err != 0)
    return err;
  struct dgram__extras *extras = dgram__extras(socket);
  if (extras == NULL)
    return UV_ENOMEM;
  return dgram__events_add(socket, &extras->drain, (dgram__listener_fn *)listener, context, kind);
}

int dgram_on_drain(dgram_socket_t *socket, dgram_drain_cb listener, void *context) {
  return events_add_drain(socket, listener, context, DGRAM__ON);
}

int dgram_once_drain(dgram_socket_t *socket, dgram_drain_cb listener, void *context) {
  return events_add_drain(socket, listener, context, DGRAM__ONCE);
}

int dgram_off_drain(dgram_socket_t *socket, dgram_drain_cb listener, void *context) {
  int err = events_check(socket, (dgram__listener_fn *)listener, NULL);
  if (err == 0 && socket->extras == NULL)
    err = UV_ENOENT;
  return err != 0 ? err
                  : dgram__events_remove(socket, &socket->extras->drain,
                                         (dgram__listener_fn *)listener, context);
}

void dgram__events_clear(struct dgram__events *events) {
  dgram__listeners_clear(&events->messages);
  dgram__listeners_clear(&events->message);
  dgram__listeners_clear(&events->listening);
  dgram__listeners_clear(&events->error);
  dgram__listeners_clear(&events->connect);
  dgram__listeners_clear(&events->close);
}

/* ---- emitting ---- */

/* Calls the listeners of an event, each of them `to`. */
#define EMIT(socket, event, ...)                                                    \
  struct dgram__emission emission = dgram__emission_begin(&(socket)->events.event); \
  const struct dgram__listener *to;                                                 \
  while ((to = dgram__emission_next(&emission)) != NULL)                            \
  ((dgram_##event##_cb)to->function)(socket, __VA_ARGS__)

void dgram__emit_messages(dgram_socket_t *socket, const dgram_message_t *const messages[],
                          size_t count) {
  EMIT(socket, messages, messages, count, to->context);
  dgram__receive_listeners_changed(socket); /* one that is called once has gone */
}

/* Done for each datagram; nearly always there is one listener, and it stays. */
void dgram__emit_message(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo) {
  struct dgram__listener *only = dgram__emission_begin_only(&socket->events.message);
  if (only != NULL) {
    ((dgram_message_cb)only->function)(socket, message, rinfo, only->context);
    dgram__emission_end(&socket->events.message);
    return;
  }
  EMIT(socket, message, message, rinfo, to->context);
  dgram__receive_listeners_changed(socket);
}

void dgram__emit_listening(dgram_socket_t *socket) {
  EMIT(socket, listening, to->context);
}

void dgram__emit_connect(dgram_socket_t *socket) {
  EMIT(socket, connect, NULL, to->context);
}

void dgram__emit_drain(dgram_socket_t *socket) {
  struct dgram__emission emission = dgram__emission_begin(&socket->extras->drain);
  const struct dgram__listener *to;
  while ((to = dgram__emission_next(&emission)) != NULL)
    ((dgram_drain_cb)to->function)(socket, to->context);
}

void dgram__emit_close(dgram_socket_t *socket) {
  EMIT(socket, close, to->context);
}

static void events_print_unhandled(dgram_socket_t *socket, const dgram_error_t *error,
                                   void *context) {
  char message[DGRAM__ERROR_ESCAPED];
  dgram__error_escape(message, error->message);
  fprintf(stderr, "Unhandled 'error' event: %s\n", message);
}

/* A thread's own, as its loop and sockets are. */
static _Thread_local dgram_error_cb unhandled = events_print_unhandled;
static _Thread_local void *unhandled_context;

void dgram_on_unhandled_error(dgram_error_cb handler, void *context) {
  unhandled = handler != NULL ? handler : events_print_unhandled;
  unhandled_context = context;
}

void dgram__emit_described_error(dgram_socket_t *socket, const dgram_error_t *error) {
  struct dgram__emission emission = dgram__emission_begin(&socket->events.error);
  const struct dgram__listener *to = dgram__emission_next(&emission);
  if (to == NULL)
    unhandled(socket, error, unhandled_context);
  for (; to != NULL; to = dgram__emission_next(&emission))
    ((dgram_error_cb)to->function)(socket, error, to->context);
}

void dgram__emit_error(dgram_socket_t *socket, int code, const char *syscall, const char *address,
                       int port) {
  char text[DGRAM__ERROR_TEXT];
  dgram_error_t error;
  dgram__error_describe(&error, text, code, syscall, address, port);
  dgram__emit_described_error(socket, &error);
}

/* ICMP "fragmentation needed" is the only such error with an MTU: the system now knows the path's.
 */
void dgram__emit_async_error(dgram_socket_t *socket, int code) {
  char text[DGRAM__ERROR_TEXT];
  dgram_error_t error;
  dgram__count_receive_error(socket, code);
  dgram__error_describe(&error, text, code, "recvmsg", NULL, 0);
  if (code == UV_EMSGSIZE)
    error.mtu = dgram__path_mtu(socket, &dgram__address_unspec);
  dgram__emit_described_error(socket, &error);
}

/*
 * Abort signals: one call closes the sockets that have joined.
 */
#include "internal.h"

#include <stdlib.h>

struct dgram_abort_signal {
  bool aborted;
  struct dgram__list sockets;
};

int dgram_abort_signal_create(dgram_abort_signal_t **signal) {
  if (signal == NULL)
    return UV_EINVAL;
  *signal = calloc(1, sizeof **signal);
  return *signal != NULL ? 0 : UV_ENOMEM;
}

void dgram_abort_signal_abort(dgram_abort_signal_t *signal) {
  if (signal == NULL)
    return;
  signal->aborted = true;
  dgram_socket_t *socket; /* leaves the list as it closes */
  while ((socket = DGRAM__LIST_FIRST(&signal->sockets, dgram_socket_t, signal_node)) != NULL)
    dgram_close(socket, NULL, NULL);
}

void dgram_abort_signal_free(dgram_abort_signal_t *signal) {
  if (signal == NULL)
    return;
  dgram_socket_t *socket;
  while ((socket = DGRAM__LIST_FIRST(&signal->sockets, dgram_socket_t, signal_node)) != NULL)
    dgram__abort_signal_leave(socket);
  free(signal);
}

bool dgram__abort_signal_join(dgram_socket_t *socket) {
  struct dgram_abort_signal *signal = socket->options.signal;
  if (signal == NULL)
    return true;
  dgram__list_append(&signal->sockets, &socket->signal_node);
  return !signal->aborted;
}

void dgram__abort_signal_leave(dgram_socket_t *socket) {
  struct dgram_abort_signal *signal = socket->options.signal;
  if (signal == NULL)
    return;
  dgram__list_remove(&signal->sockets, &socket->signal_node);
  socket->options.signal = NULL;
}

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

static dgram_socket_t *abort_first_socket(const dgram_abort_signal_t *signal) {
  const struct dgram__extras *first =
      DGRAM__LIST_FIRST(&signal->sockets, struct dgram__extras, signal_node);
  return first != NULL ? first->socket : NULL;
}

void dgram_abort_signal_abort(dgram_abort_signal_t *signal) {
  if (signal == NULL)
    return;
  signal->aborted = true;
  dgram_socket_t *socket; /* leaves the list as it closes */
  while ((socket = abort_first_socket(signal)) != NULL)
    dgram_close(socket, NULL, NULL);
}

void dgram_abort_signal_free(dgram_abort_signal_t *signal) {
  if (signal == NULL)
    return;
  dgram_socket_t *socket;
  while ((socket = abort_first_socket(signal)) != NULL)
    dgram__abort_signal_leave(socket);
  free(signal);
}

int dgram__abort_signal_join(dgram_socket_t *socket, dgram_abort_signal_t *signal) {
  struct dgram__extras *extras = dgram__extras(socket);
  if (extras == NULL)
    return UV_ENOMEM;
  extras->signal = signal;
  dgram__list_append(&signal->sockets, &extras->signal_node);
  return signal->aborted ? UV_ECANCELED : 0;
}

void dgram__abort_signal_leave(dgram_socket_t *socket) {
  struct dgram__extras *extras = socket->extras;
  if (extras == NULL || extras->signal == NULL)
    return;
  dgram__list_remove(&extras->signal->sockets, &extras->signal_node);
  extras->signal = NULL;
}

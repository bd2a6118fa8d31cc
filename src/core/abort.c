/*
 * Abort signals: the sockets that one call closes.
 */
#include "internal.h"

#include <stdlib.h>

struct dgram_abort_signal {
  bool aborted;
  dgram_socket_t *first;
  dgram_socket_t *last;
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
  while (signal->first != NULL) /* closing a socket takes it off the list */
    dgram_close(signal->first, NULL, NULL);
}

void dgram_abort_signal_free(dgram_abort_signal_t *signal) {
  while (signal != NULL && signal->first != NULL)
    dgram__abort_signal_leave(signal->first);
  free(signal);
}

bool dgram__abort_signal_join(dgram_socket_t *socket) {
  struct dgram_abort_signal *signal = socket->options.signal;
  if (signal == NULL)
    return true;
  socket->signal_previous = signal->last;
  if (signal->last != NULL)
    signal->last->signal_next = socket;
  else
    signal->first = socket;
  signal->last = socket;
  return !signal->aborted;
}

void dgram__abort_signal_leave(dgram_socket_t *socket) {
  struct dgram_abort_signal *signal = socket->options.signal;
  if (signal == NULL)
    return;
  if (socket->signal_previous != NULL)
    socket->signal_previous->signal_next = socket->signal_next;
  else
    signal->first = socket->signal_next;
  if (socket->signal_next != NULL)
    socket->signal_next->signal_previous = socket->signal_previous;
  else
    signal->last = socket->signal_previous;
  socket->options.signal = NULL;
}

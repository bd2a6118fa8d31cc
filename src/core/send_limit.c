/*
 * The limit of a socket's send queue, and 'drain'.
 *
 *   NOT_DUE -> DUE      a send is refused
 *   DUE -> NOT_DUE      the queue is at or below its low marks, and has room for what was refused:
 *                       'drain' is emitted by the task of completions
 *
 * What the limit counts is what dgram_get_send_queue_size() and _count() return. A send looks here
 * only under DGRAM__GUARD_QUEUE_LIMIT.
 */
#include "internal.h"

/* NULL: there never was a limit. */
static struct dgram__send_limit *limit_of(const dgram_socket_t *socket) {
  return socket->extras != NULL && socket->extras->send_limit.count != 0
             ? &socket->extras->send_limit
             : NULL;
}

/* A socket without a limit, to which no 'drain' is due, sends without a look here. */
static void limit_set_guard(dgram_socket_t *socket) {
  const struct dgram__send_limit *limit = limit_of(socket);
  dgram__send_guard(socket, DGRAM__GUARD_QUEUE_LIMIT,
                    limit->bytes != SIZE_MAX || limit->count != SIZE_MAX ||
                        limit->drain == DGRAM__DRAIN_DUE);
}

/* An empty queue has room for any datagram and any list: each can be sent. */
static bool limit_has_room(const struct dgram__send_limit *limit, const struct dgram__tx *tx,
                           size_t size, size_t count) {
  if (tx->count == 0)
    return true;
  return tx->count <= limit->count && count <= limit->count - tx->count &&
         dgram__tx_bytes(tx) <= limit->bytes && size <= limit->bytes - dgram__tx_bytes(tx);
}

int dgram__send_limit_admit_list(dgram_socket_t *socket, size_t size, size_t count) {
  struct dgram__send_limit *limit = limit_of(socket);
  if (limit == NULL || limit_has_room(limit, &socket->tx, size, count))
    return 0;
  limit->refused = size;
  limit->refused_count = count;
  limit->drain = DGRAM__DRAIN_DUE;
  dgram__count(socket)->queue_refused++;
  return UV_ENOBUFS;
}

int dgram__send_limit_admit(dgram_socket_t *socket, size_t size) {
  return dgram__send_limit_admit_list(socket, size, 1);
}

/* Whether 'drain' is due, and the queue has drained. */
static bool limit_has_drained(const dgram_socket_t *socket) {
  const struct dgram__send_limit *limit = limit_of(socket);
  const struct dgram__tx *tx = &socket->tx;
  return limit != NULL && limit->drain == DGRAM__DRAIN_DUE && socket->life == DGRAM__OPEN &&
         dgram__tx_bytes(tx) <= limit->low_bytes && tx->count <= limit->low_count &&
         limit_has_room(limit, tx, limit->refused, limit->refused_count);
}

void dgram__send_limit_check(dgram_socket_t *socket) {
  if (limit_has_drained(socket))
    dgram__send_drain_later(socket);
}

void dgram__send_limit_emit(dgram_socket_t *socket) {
  if (!limit_has_drained(socket))
    return;
  limit_of(socket)->drain = DGRAM__DRAIN_NOT_DUE;
  limit_set_guard(socket);
  dgram__emit_drain(socket);
}

int dgram_set_send_queue_limit(dgram_socket_t *socket, size_t bytes, size_t count, size_t low_bytes,
                               size_t low_count) {
  if (low_bytes > bytes || low_count > count)
    return UV_EINVAL;
  int err = dgram__check_open(socket);
  if (err != 0)
    return err;
  struct dgram__extras *extras = dgram__extras(socket);
  if (extras == NULL)
    return UV_ENOMEM;
  struct dgram__send_limit *limit = &extras->send_limit;
  limit->bytes = bytes > 0 ? bytes : SIZE_MAX;
  limit->count = count > 0 ? count : SIZE_MAX;
  limit->low_bytes = low_bytes > 0 ? low_bytes : limit->bytes / 2;
  limit->low_count = low_count > 0 ? low_count : limit->count / 2;
  limit_set_guard(socket);
  dgram__send_limit_check(socket);
  return 0;
}

/*
 * What send.c and send_accept.c share: the memory of sends, and the steps from one file to the
 * other. The functions that are inline run for each send, and a call would cost as much as most of
 * them.
 */
#ifndef DGRAM_SEND_H
#define DGRAM_SEND_H

#include "internal.h"

#include <stdlib.h>

enum {
  DGRAM__FULL_BATCH = 1024, /* ready sends that are flushed before the loop's iteration ends */
  /* Ended sends that a loop keeps, as much as it has to receive into: malloc() and free() for each
   * of a large burst would cost as much as all the rest. */
  DGRAM__FREE_LIST_MAX_BYTES = 4 * 1024 * 1024
};

/* ---- memory ---- */

/* The loop's free list is not empty. */
static inline struct dgram__send *dgram__send_take_free(struct dgram__loop *loop) {
  struct dgram__send *send = loop->free_list;
  loop->free_list = dgram__next_send(send);
  loop->free_bytes -= send->footprint;
  return send;
}

/* A send without a host, of which nothing else but `memory` is set. NULL: no memory. */
static inline struct dgram__send *dgram__send_allocate(struct dgram__loop *loop) {
  if (loop->free_bytes > 0)
    return dgram__send_take_free(loop);
  struct dgram__send *send = calloc(1, sizeof *send);
  if (send != NULL)
    send->footprint = sizeof *send;
  return send;
}

/* Has `memory` hold `size` bytes; that of an earlier send may do. False: no memory. */
static inline bool dgram__send_reserve(struct dgram__send *send, size_t size) {
  if (send->footprint - sizeof *send >= size)
    return true;
  free(send->memory);
  send->memory = malloc(size);
  send->footprint = sizeof *send + (send->memory != NULL ? size : 0);
  return send->memory != NULL;
}

/* Keeps the send for a next one, or frees it. */
static inline void dgram__send_free(struct dgram__loop *loop, struct dgram__send *send) {
  dgram__send_set_state(send, DGRAM__SEND_FREE);
  if (send->rare != NULL) {
    free(send->rare);
    send->rare = NULL;
    send->host = NULL;
    send->datagram.options = NULL;
  }
  if (loop->free_bytes + send->footprint > DGRAM__FREE_LIST_MAX_BYTES) {
    free(send->memory);
    free(send);
    return;
  }
  send->datagram.next = (struct dgram__datagram *)loop->free_list;
  loop->free_list = send;
  loop->free_bytes += send->footprint;
}

/* ---- wait_bind ---- */

/* Binds a socket that is unbound. Returns 0, or the error; then what waits has just been sent. */
int dgram__send_start_bind(dgram_socket_t *socket);

/* The send waits for the bind. Returns 0, or an error of the implicit bind. */
int dgram__send_wait_bind(dgram_socket_t *socket, struct dgram__send *send);

/* ---- resolving, ready ---- */

/* Looks up where the send goes; then it is ready. */
void dgram__send_look_up(dgram_socket_t *socket, struct dgram__send *send);

/* The destination is known: the send is ready, or fails if it cannot go there. */
void dgram__send_make_ready(dgram_socket_t *socket, struct dgram__send *send);

/* The send need not wait for the bind. */
static inline void dgram__send_dispatch(dgram_socket_t *socket, struct dgram__send *send) {
  if (send->host == NULL)
    dgram__send_make_ready(socket, send);
  else
    dgram__send_look_up(socket, send);
}

static inline void dgram__send_push_ready(struct dgram__tx *tx, struct dgram__send *send) {
  dgram__queue_push(&tx->ready, send);
  tx->no_callback += send->callback == NULL;
}

static inline void dgram__send_request_flush(dgram_socket_t *socket) {
  static const struct dgram__task_type task = {dgram__send_flush,
                                               offsetof(dgram_socket_t, tasks.flush)};
  dgram__enqueue(socket, &socket->loop->flushes, &task);
}

/*
 * What is ready behind others leaves with them: their flush is requested, or comes when they are no
 * longer blocked. So the first one requests it; a full batch does not wait for it.
 */
static inline void dgram__send_join_ready(dgram_socket_t *socket, struct dgram__send *send) {
  struct dgram__tx *tx = &socket->tx;
  dgram__send_push_ready(tx, send);
  if (tx->ready.count == 1)
    dgram__send_request_flush(socket);
  else if (tx->ready.count == DGRAM__FULL_BATCH)
    dgram__send_flush(socket);
}

/* The same of several, whose destinations are known: they join before any of them is flushed. */
void dgram__send_join_ready_all(dgram_socket_t *socket, struct dgram__queue *made);

#endif

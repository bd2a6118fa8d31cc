/*
 * Sends that fail where they wait: dgram_cancel_send() has named one, or their time is over. One
 * that is ready keeps its place, so that errors come in order; the others become ready then. Those
 * at the head of the ready ones pass, though the socket may be blocked.
 *
 * In this file: one is cancelled; deadlines are set, found, and over.
 */
#include "internal.h"

static void send_fail_resolving(dgram_socket_t *socket, struct dgram__send *send, int code) {
  dgram__resolve_forget(send->lookup);
  dgram__list_remove(&socket->tx.resolving, &send->resolving);
  dgram__send_fail(socket, send, code, "send", DGRAM__SHOW_ENDPOINT);
}

/* ---- cancelled ---- */

/* One that leaves as several datagrams: it is too late to cancel it. */
static bool send_has_left_partly(const struct dgram__send *send) {
  return send->kind == DGRAM__OPTIONS_SEND && send->datagram.options->sent > 0;
}

static bool send_is_of(const struct dgram__send *send, dgram_send_cb callback,
                       const void *context) {
  return send->callback == callback && send->context == context;
}

/* NULL: there is none in the queue, besides those that have failed or partly left. */
static struct dgram__send *send_find(const struct dgram__queue *queue, dgram_send_cb callback,
                                     const void *context) {
  DGRAM__QUEUE_FOR_EACH (send, queue)
    if (dgram__send_is_pending(send) && !send_has_left_partly(send) &&
        send_is_of(send, callback, context))
      return send;
  return NULL;
}

static struct dgram__send *send_find_resolving(const struct dgram__tx *tx, dgram_send_cb callback,
                                               const void *context) {
  DGRAM__LIST_FOR_EACH (send, &tx->resolving, struct dgram__send, resolving)
    if (send_is_of(send, callback, context))
      return send;
  return NULL;
}

/* Whether a send of this kind has left or failed, and its callback has not run. */
static bool send_has_ended(const struct dgram__tx *tx, dgram_send_cb callback,
                           const void *context) {
  const struct dgram__queue *queues[] = {&tx->ready, &tx->completed};
  for (unsigned i = 0; i < 2; i++)
    DGRAM__QUEUE_FOR_EACH (send, queues[i])
      if (send->kind != DGRAM__OPTION_MARKER && send_is_of(send, callback, context))
        return true;
  return false;
}

/* Takes one out of the middle of `wait_bind`. */
static void send_take_waiting(struct dgram__queue *wait_bind, const struct dgram__send *taken) {
  for (unsigned left = wait_bind->count; left > 0; left--) {
    struct dgram__send *send = dgram__queue_pop(wait_bind);
    if (send != taken)
      dgram__queue_push(wait_bind, send);
  }
}

int dgram_cancel_send(dgram_socket_t *socket, dgram_send_cb callback, void *context) {
  int err = callback != NULL ? dgram__check_open(socket) : UV_EINVAL;
  if (err != 0)
    return err;
  struct dgram__tx *tx = &socket->tx;
  struct dgram__send *send;
  if ((send = send_find(&tx->ready, callback, context)) != NULL) {
    dgram__send_fail_ready(socket, send, UV_ECANCELED);
  } else if ((send = send_find_resolving(tx, callback, context)) != NULL) {
    send_fail_resolving(socket, send, UV_ECANCELED);
  } else if ((send = send_find(&tx->wait_bind, callback, context)) != NULL) {
    send_take_waiting(&tx->wait_bind, send);
    dgram__send_fail(socket, send, UV_ECANCELED, "send", DGRAM__SHOW_ENDPOINT);
  } else {
    return send_has_ended(tx, callback, context) ? UV_EBUSY : UV_ENOENT;
  }
  dgram__send_pass_failed(socket);
  return 0;
}

/* ---- time limits ---- */

void dgram__send_set_deadlines(dgram_socket_t *socket, uint64_t deadline) {
  struct dgram__tx *tx = &socket->tx;
  const struct dgram__queue *queues[] = {&tx->wait_bind, &tx->ready};
  for (unsigned i = 0; i < 2; i++)
    DGRAM__QUEUE_FOR_EACH (send, queues[i])
      send->deadline = deadline;
  DGRAM__LIST_FOR_EACH (send, &tx->resolving, struct dgram__send, resolving)
    send->deadline = deadline;
}

void dgram__send_set_lookup_deadlines(dgram_socket_t *socket, uint64_t deadline) {
  DGRAM__LIST_FOR_EACH (send, &socket->tx.resolving, struct dgram__send, resolving)
    dgram__resolve_set_deadline(send->lookup, deadline);
}

static uint64_t send_earliest_of(const struct dgram__queue *queue, uint64_t earliest) {
  DGRAM__QUEUE_FOR_EACH (send, queue)
    if (dgram__send_is_pending(send) && send->deadline < earliest)
      earliest = send->deadline;
  return earliest;
}

uint64_t dgram__send_first_deadline(const dgram_socket_t *socket) {
  const struct dgram__tx *tx = &socket->tx;
  uint64_t earliest = send_earliest_of(&tx->ready, send_earliest_of(&tx->wait_bind, UINT64_MAX));
  DGRAM__LIST_FOR_EACH (send, &tx->resolving, struct dgram__send, resolving)
    if (send->deadline < earliest)
      earliest = send->deadline;
  return earliest;
}

uint64_t dgram__send_first_lookup_deadline(const dgram_socket_t *socket) {
  uint64_t earliest = UINT64_MAX;
  DGRAM__LIST_FOR_EACH (send, &socket->tx.resolving, struct dgram__send, resolving) {
    uint64_t deadline = dgram__resolve_deadline(send->lookup);
    if (deadline != 0 && deadline < earliest)
      earliest = deadline;
  }
  return earliest;
}

/* In the order in which they would have left. */
void dgram__send_time_out(dgram_socket_t *socket, uint64_t now) {
  struct dgram__tx *tx = &socket->tx;
  dgram__send_resume(socket);
  DGRAM__QUEUE_FOR_EACH (send, &tx->ready)
    if (dgram__send_is_pending(send) && send->deadline <= now)
      dgram__send_fail_ready(socket, send, UV_ETIMEDOUT);
  struct dgram__list_node *next;
  for (struct dgram__list_node *node = tx->resolving.first; node != NULL; node = next) {
    next = node->next;
    struct dgram__send *send = DGRAM__LIST_ENTRY(node, struct dgram__send, resolving);
    if (send->deadline <= now)
      send_fail_resolving(socket, send, UV_ETIMEDOUT);
  }
  for (unsigned left = tx->wait_bind.count; left > 0; left--) {
    struct dgram__send *send = dgram__queue_pop(&tx->wait_bind);
    if (send->deadline <= now)
      dgram__send_fail(socket, send, UV_ETIMEDOUT, "send", DGRAM__SHOW_ENDPOINT);
    else
      dgram__queue_push(&tx->wait_bind, send);
  }
  dgram__send_pass_failed(socket);
}

void dgram__send_time_out_lookups(dgram_socket_t *socket, uint64_t now) {
  struct dgram__list_node *next;
  for (struct dgram__list_node *node = socket->tx.resolving.first; node != NULL; node = next) {
    next = node->next;
    dgram__resolve_time_out(DGRAM__LIST_ENTRY(node, struct dgram__send, resolving)->lookup, now);
  }
  dgram__send_pass_failed(socket);
}

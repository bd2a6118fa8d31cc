/*
 * A send, from the call to its end. Each accepted send is in exactly one queue of struct dgram__tx.
 *
 *   accepted --> wait_bind --> resolving --> ready --> completed --> its callback, or 'error'
 *                                   |          |
 *                                   '----------'-----> cancelled --> its callback, after 'close'
 *
 *   accepted    the arguments are valid; the bytes are borrowed, or copied if it has no callback
 *   wait_bind   until 'listening' has been emitted; if the bind fails, so do these sends
 *   resolving   only what goes to a host name, until its address is known
 *   ready       until a flush has handed it to the kernel; EAGAIN and ENOBUFS block the flush
 *   completed   until its callback is called, from the loop or before dgram_flush() returns. A send
 *               without a callback ends when it leaves; if it fails, 'error' is emitted
 *   cancelled   the socket was closed before it could leave
 *
 * How a send is accepted: send_accept.c. Where it waits it may also be cancelled, or run out of
 * time: send_cancel.c.
 */
#include "send.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
  ENOBUFS_MAX_RETRIES = 100, /* in a row */
  ENOBUFS_RETRY_MS = 1
};

/* Options to be set behind the sends before them, in `memory` of their marker. */
struct send_options {
  unsigned count;
  struct dgram__sockopt_call calls[DGRAM__SOCKOPT_CALLS];
};

static void send_complete_later(dgram_socket_t *socket);

/* ---- queues and memory ---- */

/*
 * Every accepted send is in one queue; besides sends, `ready` may have options among its markers.
 * For asserts only.
 */
__attribute__((unused)) static bool send_queues_are_complete(const struct dgram__tx *tx) {
  unsigned sum = tx->wait_bind.count + tx->ready.count + tx->completed.count + tx->cancelled.count;
  for (const struct dgram__list_node *node = tx->resolving.first; node != NULL; node = node->next)
    sum++;
  return sum >= tx->count && sum - tx->count <= tx->markers &&
         (tx->ready.count > 0 || tx->markers + tx->no_callback == 0);
}

static void send_free_list_clear(struct dgram__loop *loop) {
  while (loop->free_bytes > 0) {
    struct dgram__send *send = dgram__send_take_free(loop);
    free(send->memory);
    free(send);
  }
}

void dgram__send_init(dgram_socket_t *socket) {
  struct dgram__tx *tx = &socket->tx;
  socket->loop->free_sends = send_free_list_clear;
  tx->wait_bind.state = DGRAM__SEND_WAIT_BIND;
  tx->ready.state = DGRAM__SEND_READY;
  tx->completed.state = DGRAM__SEND_COMPLETED;
  tx->cancelled.state = DGRAM__SEND_CANCELLED;
}

void dgram__send_guard(dgram_socket_t *socket, unsigned guard, bool set) {
  unsigned others = socket->tx.guards & ~guard;
  socket->tx.guards = (unsigned char)(set ? others | guard : others);
}

void dgram__send_drop(dgram_socket_t *socket, struct dgram__send *send) {
  socket->tx.bytes_accepted -= send->datagram.size;
  socket->tx.count--;
  dgram__send_free(socket->loop, send);
}

size_t dgram_get_send_queue_size(const dgram_socket_t *socket) {
  return socket != NULL ? dgram__tx_bytes(&socket->tx) : 0;
}

size_t dgram_get_send_queue_count(const dgram_socket_t *socket) {
  return socket != NULL ? socket->tx.count : 0;
}

/* ---- wait_bind ---- */

int dgram__send_start_bind(dgram_socket_t *socket) {
  struct dgram__queue *wait_bind = &socket->tx.wait_bind;
  int err = socket->binding.state == DGRAM__UNBOUND ? dgram__bind_implicitly(socket) : 0;
  while (err != 0 && wait_bind->count > 0)
    dgram__send_drop(socket, dgram__queue_pop(wait_bind));
  return err;
}

int dgram__send_wait_bind(dgram_socket_t *socket, struct dgram__send *send) {
  dgram__queue_push(&socket->tx.wait_bind, send);
  return dgram__send_start_bind(socket);
}

void dgram__send_bound(dgram_socket_t *socket) {
  struct dgram__queue *wait_bind = &socket->tx.wait_bind;
  if (wait_bind->count > 0)
    dgram__count_queue(socket);
  while (wait_bind->count > 0)
    dgram__send_dispatch(socket, dgram__queue_pop(wait_bind));
}

void dgram__send_bind_failed(dgram_socket_t *socket, int code, const char *syscall) {
  struct dgram__queue *wait_bind = &socket->tx.wait_bind;
  dgram__count_queue(socket);
  while (wait_bind->count > 0) {
    struct dgram__send *send = dgram__queue_pop(wait_bind);
    if (send->callback != NULL) {
      dgram__send_fail(socket, send, code, syscall, DGRAM__SHOW_NOTHING);
    } else { /* the bind emits 'error' */
      dgram__count_send_error(socket, code);
      dgram__send_drop(socket, send);
    }
  }
  dgram__send_limit_check(socket); /* those without a callback have ended */
}

/* ---- resolving ---- */

static void send_resolved(void *owner, int status, const union dgram__address *address) {
  struct dgram__send *send = owner;
  dgram_socket_t *socket = send->socket;
  dgram__count_queue(socket);
  dgram__list_remove(&socket->tx.resolving, &send->resolving);
  if (status != 0) {
    dgram__send_fail(socket, send, status, "getaddrinfo", DGRAM__SHOW_HOST);
    return;
  }
  dgram__address_set_host(&send->datagram.to, address);
  status = dgram__access_send(socket, &send->datagram.to);
  if (status != 0)
    dgram__send_fail(socket, send, status, "send", DGRAM__SHOW_ENDPOINT);
  else
    dgram__send_make_ready(socket, send);
}

void dgram__send_look_up(dgram_socket_t *socket, struct dgram__send *send) {
  send->socket = socket;
  dgram__send_set_state(send, DGRAM__SEND_RESOLVING);
  dgram__list_append(&socket->tx.resolving, &send->resolving);
  int err = dgram__resolve_start(socket, &send->lookup, send->host, send_resolved, NULL, send);
  if (err != 0)
    send_resolved(send, err, NULL);
}

/* ---- ready ---- */

/* A marker joins the ready sends; it requests no flush. */
static void send_push_marker(struct dgram__tx *tx, struct dgram__send *marker) {
  tx->markers++;
  dgram__send_push_ready(tx, marker);
}

void dgram__send_join_ready_all(dgram_socket_t *socket, struct dgram__queue *made) {
  struct dgram__tx *tx = &socket->tx;
  while (made->count > 1) {
    struct dgram__send *send = dgram__queue_pop(made);
    tx->markers += send->kind == DGRAM__OPTIONS_SEND;
    dgram__send_push_ready(tx, send);
    if (tx->ready.count == 1)
      dgram__send_request_flush(socket);
  }
  dgram__send_make_ready(socket, dgram__queue_pop(made));
  if (tx->ready.count > DGRAM__FULL_BATCH)
    dgram__send_flush(socket);
}

static void send_set_error(struct dgram__send *send, int code, const char *syscall,
                           enum dgram__shown shown) {
  send->kind = DGRAM__FAILED_SEND;
  send->status = code;
  send->syscall = syscall;
  send->shown = shown;
}

void dgram__send_fail(dgram_socket_t *socket, struct dgram__send *send, int code,
                      const char *syscall, enum dgram__shown shown) {
  send_set_error(send, code, syscall, shown);
  send_push_marker(&socket->tx, send);
  dgram__send_flush(socket);
}

void dgram__send_fail_ready(dgram_socket_t *socket, struct dgram__send *send, int code) {
  socket->tx.markers += send->kind == DGRAM__DATAGRAM_SEND;
  send_set_error(send, code, "send", DGRAM__SHOW_ENDPOINT);
}

void dgram__send_make_ready(dgram_socket_t *socket, struct dgram__send *send) {
  int family = send->datagram.to.any.sa_family;
  int err = 0;
  if (family != AF_UNSPEC && family != dgram__family(socket->options.type))
    err = UV_EINVAL;
  else if (family != AF_UNSPEC && dgram__is_connected(&socket->connecting))
    err = UV_EISCONN; /* it was sent before the socket was connected */
  if (err == 0) {
    socket->tx.markers += send->kind == DGRAM__OPTIONS_SEND;
    dgram__send_join_ready(socket, send);
  } else {
    dgram__send_fail(socket, send, err, "send", DGRAM__SHOW_ENDPOINT);
  }
}

void dgram__send_disconnected(dgram_socket_t *socket, const union dgram__address *peer) {
  /* `wait_bind` has some if the socket was connected inside a call, before 'listening'. */
  const struct dgram__queue *queues[] = {&socket->tx.wait_bind, &socket->tx.ready};
  for (unsigned i = 0; i < 2; i++)
    DGRAM__QUEUE_FOR_EACH (send, queues[i])
      if (send->datagram.to.any.sa_family == AF_UNSPEC)
        send->datagram.to = *peer;
}

/* ---- flushed ---- */

/*
 *   NOT_BLOCKED <--> BY_EAGAIN    until the socket is writable
 *   NOT_BLOCKED <--> BY_ENOBUFS   until the timer fires: no event follows when the device's queue
 *                                 has room
 *   BY_EAGAIN ---> BY_ENOBUFS     the socket is writable, and EAGAIN has another reason
 */
static void send_set_blocked(struct dgram__tx *tx, enum dgram__blocked to) {
  assert(to == DGRAM__NOT_BLOCKED || tx->ready.count > 0);
  assert(to == DGRAM__NOT_BLOCKED || tx->blocked == DGRAM__NOT_BLOCKED ||
         (tx->blocked == DGRAM__BLOCKED_BY_EAGAIN && to == DGRAM__BLOCKED_BY_ENOBUFS));
  tx->blocked = to;
}

/* The retry, if there was one, has ended with `result`. */
static inline void send_settle(dgram_socket_t *socket, int result) {
  if (socket->tx.async_error.suspect != 0)
    dgram__async_error_settle(socket, result);
}

/* A send has left, and there is nobody to tell. */
static inline void send_end_left(dgram_socket_t *socket, struct dgram__send *send) {
  socket->tx.bytes_sent += send->datagram.size;
  socket->tx.count--;
  dgram__send_free(socket->loop, send);
}

/* The first `sent` of the ready sends have left; 0: a part of the first. */
static void send_complete_sent(dgram_socket_t *socket, unsigned sent) {
  struct dgram__tx *tx = &socket->tx;
  bool has_callback = false;
  socket->loop->has_sent = true;
  tx->retries = 0;
  if (sent == tx->ready.count && tx->no_callback == 0) {
    assert(tx->markers == 0);
    dgram__queue_move(&tx->completed, &tx->ready);
    send_complete_later(socket);
    return;
  }
  for (unsigned i = 0; i < sent; i++) {
    struct dgram__send *send = dgram__queue_pop(&tx->ready);
    if (send->callback != NULL) {
      dgram__queue_push(&tx->completed, send);
      has_callback = true;
    } else {
      tx->no_callback--;
      send_end_left(socket, send);
    }
  }
  if (has_callback)
    send_complete_later(socket);
  dgram__send_limit_check(socket); /* sends without callback have ended */
}

/* How many of the ready sends are datagrams, up to the first other marker or to what one call can
 * send. */
static unsigned send_count_datagrams(const dgram_socket_t *socket) {
  const struct dgram__udp_capabilities *capabilities = &socket->udp.capabilities;
  const struct dgram__send *send = socket->tx.ready.first;
  unsigned most = capabilities->max_tx_batch * capabilities->max_segments;
  unsigned count = 0;
  for (; count < most && count < socket->tx.ready.count && dgram__send_is_pending(send); count++)
    send = dgram__next_send(send);
  return count;
}

/* The first of the ready sends has failed, and that is due now; or it is an option. */
__attribute__((noinline)) static void send_pass_marker(dgram_socket_t *socket) {
  struct dgram__tx *tx = &socket->tx;
  struct dgram__send *marker = dgram__queue_pop(&tx->ready);
  tx->markers--;
  tx->no_callback -= marker->callback == NULL;
  if (tx->ready.count == 0)
    tx->retries = 0;
  if (marker->kind == DGRAM__FAILED_SEND) {
    dgram__queue_push(&tx->completed, marker);
    send_complete_later(socket);
    return;
  }
  const struct send_options *options = marker->memory;
  unsigned refused;
  (void)dgram__sockopt_make_calls(&socket->udp, options->calls, options->count, &refused);
  dgram__send_free(socket->loop, marker);
}

/* How many of the first `count` sends have options. */
static unsigned send_count_options(const struct dgram__send *send, unsigned count) {
  unsigned with_options = 0;
  for (unsigned i = 0; i < count; i++, send = dgram__next_send(send))
    with_options += send->kind == DGRAM__OPTIONS_SEND;
  return with_options;
}

/* Sends a prefix of datagrams of which some may have options; see udp.h. */
static int send_any(dgram_socket_t *socket, struct dgram__send *first, unsigned count) {
  struct dgram__loop *loop = socket->loop;
  if (send_count_options(first, count) == 0)
    return dgram__udp_send(&socket->udp, &loop->tx_batch, &first->datagram, count);
  return dgram__udp_send_with(&socket->udp, loop->options_batch, &socket->connecting.peer,
                              &first->datagram, count);
}

/* The same of the ready ones; what has left is still among them, but no marker any more. */
static int send_any_ready(dgram_socket_t *socket, unsigned count) {
  struct dgram__send *first = socket->tx.ready.first;
  int sent = send_any(socket, first, count);
  if (sent > 0)
    socket->tx.markers -= send_count_options(first, (unsigned)sent);
  return sent;
}

/* Whether only time can help a send that has failed: no buffers, or a flood of ICMP errors. */
static bool send_is_blocked(const dgram_socket_t *socket, int err) {
  return err == UV_ENOBUFS || dgram__icmp_floods(socket, err);
}

/* The first of the ready sends could not leave: it waits, or is made again at once, or fails. */
__attribute__((noinline)) static void send_meet_error(dgram_socket_t *socket, int err) {
  struct dgram__tx *tx = &socket->tx;
  if (err == UV_EAGAIN) {
    dgram__count(socket)->blocked_eagain++;
    send_set_blocked(tx, DGRAM__BLOCKED_BY_EAGAIN);
  } else if (send_is_blocked(socket, err) && tx->retries < ENOBUFS_MAX_RETRIES) {
    send_settle(socket, err);
    tx->retries++;
    dgram__count(socket)->blocked_enobufs++;
    send_set_blocked(tx, DGRAM__BLOCKED_BY_ENOBUFS);
    dgram__retry_later(socket, ENOBUFS_RETRY_MS);
  } else if (!dgram__async_error_suspect(socket, err)) {
    send_settle(socket, err);
    dgram__send_fail_ready(socket, tx->ready.first, err);
  }
}

void dgram__send_flush(dgram_socket_t *socket) {
  struct dgram__tx *tx = &socket->tx;
  while (tx->ready.count > 0 && tx->blocked == DGRAM__NOT_BLOCKED) {
    unsigned count = tx->markers == 0 ? tx->ready.count : send_count_datagrams(socket);
    if (count == 0) {
      send_pass_marker(socket);
      continue;
    }
    struct dgram__counters *counters = dgram__count_call(socket);
    int sent = tx->markers > 0 ? send_any_ready(socket, count)
                               : dgram__udp_send(&socket->udp, &socket->loop->tx_batch,
                                                 &tx->ready.first->datagram, count);
    if (sent >= 0) {
      counters->datagrams_out += (unsigned)sent;
      send_settle(socket, sent);
      send_complete_sent(socket, (unsigned)sent);
    } else {
      send_meet_error(socket, sent);
    }
  }
  if (tx->blocked != DGRAM__NOT_BLOCKED ||
      !socket->referenced) /* else nothing has changed for it */
    dgram__poll_update(socket);
  assert(send_queues_are_complete(tx));
}

void dgram__send_pass_failed(dgram_socket_t *socket) {
  struct dgram__tx *tx = &socket->tx;
  if (tx->ready.count > 0 && tx->ready.first->kind == DGRAM__FAILED_SEND)
    send_settle(socket, tx->ready.first->status); /* it was being retried, perhaps */
  while (tx->ready.count > 0 && !dgram__send_is_pending(tx->ready.first))
    send_pass_marker(socket);
  if (tx->ready.count == 0)
    send_set_blocked(tx, DGRAM__NOT_BLOCKED);
  dgram__poll_update(socket);
  assert(send_queues_are_complete(tx));
}

/* What has left of the first of the ready sends, if that leaves as several datagrams. */
static size_t send_part_sent(const struct dgram__tx *tx) {
  return tx->ready.count > 0 && tx->ready.first->kind == DGRAM__OPTIONS_SEND
             ? tx->ready.first->datagram.options->sent
             : 0;
}

bool dgram__send_resume(dgram_socket_t *socket) {
  struct dgram__tx *tx = &socket->tx;
  unsigned before = tx->ready.count;
  size_t part_before = send_part_sent(tx);
  dgram__count_queue(socket);
  send_set_blocked(tx, DGRAM__NOT_BLOCKED);
  dgram__send_flush(socket);
  dgram__poll_update(socket);
  return tx->blocked == DGRAM__NOT_BLOCKED || tx->ready.count < before ||
         send_part_sent(tx) > part_before;
}

void dgram__send_blocked_by_ports(dgram_socket_t *socket, bool first) {
  const struct dgram__datagram *datagram = &socket->tx.ready.first->datagram;
  send_set_blocked(&socket->tx, DGRAM__BLOCKED_BY_ENOBUFS);
  dgram__count(socket)->blocked_enobufs++;
  if (!first)
    return;
  struct dgram__described described;
  dgram__error_describe_at(&described, UV_EAGAIN, "send", DGRAM__SHOW_ENDPOINT, NULL,
                           &datagram->to);
  dgram__emit_described_error(socket, &described.error);
}

/* ---- flushed: before the system socket changes ---- */

void dgram__send_before_change(dgram_socket_t *socket) {
  struct dgram__queue *wait_bind = &socket->tx.wait_bind;
  bool waits = socket->binding.state == DGRAM__BOUND;
  for (unsigned left = waits ? wait_bind->count : 0; left > 0; left--) {
    struct dgram__send *send = dgram__queue_pop(wait_bind);
    if (send->host == NULL)
      dgram__send_make_ready(socket, send);
    else
      dgram__queue_push(wait_bind, send);
  }
  dgram__send_flush(socket);
}

int dgram__send_then_set(dgram_socket_t *socket, int level, int name, const void *value,
                         socklen_t length) {
  struct dgram__sockopt_call call = {.level = level, .name = name, .length = length};
  assert(length <= sizeof call.value);
  memcpy(call.value, value, length);
  return dgram__send_then_make(socket, &call, 1);
}

int dgram__send_then_make(dgram_socket_t *socket, const struct dgram__sockopt_call calls[],
                          unsigned count) {
  unsigned refused;
  dgram__send_before_change(socket);
  if (socket->tx.ready.count == 0)
    return dgram__sockopt_make_calls(&socket->udp, calls, count, &refused);
  int err =
      dgram__sockopt_try_calls(&socket->udp, dgram__family(socket->options.type), calls, count);
  if (err != 0)
    return err;
  struct dgram__send *marker = dgram__send_allocate(socket->loop);
  if (marker == NULL)
    return UV_ENOMEM;
  if (!dgram__send_reserve(marker, sizeof(struct send_options))) {
    dgram__send_free(socket->loop, marker);
    return UV_ENOMEM;
  }
  struct send_options *options = marker->memory;
  options->count = count;
  memcpy(options->calls, calls, count * sizeof *calls);
  marker->kind = DGRAM__OPTION_MARKER;
  marker->callback = NULL;
  send_push_marker(&socket->tx, marker);
  return 0;
}

/* ---- inside a call ---- */

int dgram__send_try_begin(dgram_socket_t *socket) {
  if (!dgram__is_bound(socket)) {
    int err = socket->binding.state == DGRAM__UNBOUND ? dgram__bind_at_once(socket) : UV_EAGAIN;
    if (err != 0)
      return err;
  }
  dgram__send_before_change(socket);
  return socket->tx.ready.count > 0 ? UV_EAGAIN : 0;
}

int dgram__send_try(dgram_socket_t *socket, struct dgram__queue *made) {
  while (made->count > 0) {
    struct dgram__counters *counters = dgram__count_call(socket);
    int sent = send_any(socket, made->first, made->count);
    if (sent < 0 && sent != UV_EAGAIN && sent != UV_ENOBUFS &&
        dgram__async_error_suspect(socket, sent))
      continue;
    send_settle(socket, sent);
    if (sent < 0)
      return sent;
    socket->loop->has_sent = true;
    counters->datagrams_out += (unsigned)sent;
    for (int i = 0; i < sent; i++)
      send_end_left(socket, dgram__queue_pop(made));
  }
  return 0;
}

/* ---- completed ---- */

static void send_report_failure(dgram_socket_t *socket, const struct dgram__send *send) {
  struct dgram__described described;
  dgram__count_send_error(socket, send->status);
  dgram__error_describe_at(&described, send->status, send->syscall, send->shown, send->host,
                           &send->datagram.to);
  if (send->status == UV_EMSGSIZE)
    described.error.mtu = dgram__path_mtu(socket, &send->datagram.to);
  if (send->callback != NULL)
    send->callback(socket, &described.error, 0, send->context);
  else
    dgram__emit_described_error(socket, &described.error);
}

/*
 *   LATER --> IN_CALL --> LATER      dgram_flush(), outside a callback
 *   LATER --> COMPLETING --> LATER
 */
static void send_set_completion(struct dgram__tx *tx, enum dgram__completion to) {
  assert(to == tx->completion || to == DGRAM__COMPLETE_LATER ||
         tx->completion == DGRAM__COMPLETE_LATER);
  tx->completion = to;
}

static const struct dgram__task_type send_complete_task = {
    dgram__send_complete_all, offsetof(dgram_socket_t, tasks.complete)};

static void send_complete_later(dgram_socket_t *socket) {
  if (socket->tx.completion != DGRAM__COMPLETE_IN_CALL)
    dgram__defer(socket, &send_complete_task);
}

/* In place: inside a callback the program may run the task that closes, which calls the others. */
void dgram__send_complete(dgram_socket_t *socket, struct dgram__queue *queue) {
  struct dgram__tx *tx = &socket->tx;
  enum dgram__completion before = tx->completion;
  send_set_completion(tx, DGRAM__COMPLETING);
  for (unsigned left = queue->count; left > 0 && queue->count > 0; left--) {
    struct dgram__send *send = dgram__queue_pop(queue);
    tx->count--;
    if (send->kind == DGRAM__FAILED_SEND) {
      tx->bytes_accepted -= send->datagram.size;
      send_report_failure(socket, send);
    } else { /* it has a callback: without one it has ended when it left */
      tx->bytes_sent += send->datagram.size;
      send->callback(socket, NULL, send->datagram.size, send->context);
    }
    dgram__send_free(socket->loop, send);
  }
  send_set_completion(tx, before);
  assert(send_queues_are_complete(tx));
}

/* Not inside a callback: callbacks that send and flush would else nest without end. */
void dgram__send_complete_all(dgram_socket_t *socket) {
  struct dgram__tx *tx = &socket->tx;
  if (tx->completion == DGRAM__COMPLETING)
    return;
  dgram__send_complete(socket, &tx->completed);
  if (tx->completed.count > 0)
    dgram__defer(socket, &send_complete_task);
  if (tx->guards != 0)
    dgram__send_limit_check(socket);
}

/* A program that defers tasks may run this inside a callback: then 'drain' follows later. */
static void send_drain(dgram_socket_t *socket) {
  dgram__send_complete_all(socket);
  if (socket->tx.completion != DGRAM__COMPLETING)
    dgram__send_limit_emit(socket);
}

/* In the place of the task of completions, which it includes; that one checks the limit again. */
void dgram__send_drain_later(dgram_socket_t *socket) {
  static const struct dgram__task_type task = {send_drain,
                                               offsetof(dgram_socket_t, tasks.complete)};
  dgram__defer(socket, &task);
}

void dgram_flush(dgram_socket_t *socket) {
  if (socket == NULL)
    return;
  struct dgram__tx *tx = &socket->tx;
  dgram__hold(socket);
  if (dgram__is_bound(socket)) /* so there is no need to wait for 'listening' */
    dgram__send_bound(socket);
  enum dgram__completion before = tx->completion;
  if (before == DGRAM__COMPLETE_LATER)
    send_set_completion(tx, DGRAM__COMPLETE_IN_CALL);
  dgram__send_flush(socket);
  send_set_completion(tx, before);
  dgram__send_complete_all(socket);
  dgram__release(socket);
}

/* ---- cancelled ---- */

static void send_cancel(dgram_socket_t *socket, struct dgram__send *send) {
  if (send->kind == DGRAM__OPTION_MARKER) {
    dgram__send_free(socket->loop, send);
  } else if (send->callback == NULL) {
    dgram__count_send_error(socket, send->kind == DGRAM__FAILED_SEND ? send->status : UV_ECANCELED);
    dgram__send_drop(socket, send);
  } else {
    if (send->kind != DGRAM__FAILED_SEND)
      send_set_error(send, UV_ECANCELED, "send", DGRAM__SHOW_ENDPOINT);
    dgram__queue_push(&socket->tx.cancelled, send);
  }
}

void dgram__send_cancel_all(dgram_socket_t *socket) {
  struct dgram__tx *tx = &socket->tx;
  struct dgram__list_node *node;
  dgram__count_queue(socket);
  while (tx->ready.count > 0)
    send_cancel(socket, dgram__queue_pop(&tx->ready));
  tx->markers = tx->no_callback = 0;
  while ((node = dgram__list_take_first(&tx->resolving)) != NULL) {
    struct dgram__send *send = DGRAM__LIST_ENTRY(node, struct dgram__send, resolving);
    dgram__resolve_forget(send->lookup);
    send_cancel(socket, send);
  }
  assert(send_queues_are_complete(tx));
}

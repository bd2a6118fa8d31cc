/*
 * Sends until they are ready: checked, taken over, and if need be waiting for the socket to be
 * bound or for a host's address. What comes then stands in flush.c.
 *
 * What is inline here is done for each send, and a call would cost as much as most of it.
 */
#include "internal.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "descriptor.h"

enum {
  /* Finished sends that a loop keeps, as much as it has to receive into: malloc() and free() for
   * each of a large burst would cost as much as all the rest. */
  MOST_SPARE_BYTES = 4 * 1024 * 1024,
  MOST_RETRIES = 100, /* in a row that meet ENOBUFS, 1 ms apart */
  RETRY_MS = 1
};

/* What stands in `memory` of a send that is an option to be set behind others. */
struct option {
  int level;
  int name;
  socklen_t length;
  char value[sizeof(struct ip_mreqn)]; /* the largest */
};

/* ---- memory ---- */

static void send_free_for_good(struct dgram__send *send) {
  free(send->memory);
  free(send);
}

static void send_free_host(struct dgram__send *send) {
  if (send->host == NULL) /* as nearly always: a call less */
    return;
  free(send->host);
  send->host = NULL;
}

void dgram__send_free(struct dgram__loop *loop, struct dgram__send *send) {
  send_free_host(send);
  if (loop->free_bytes + send->footprint > MOST_SPARE_BYTES) {
    send_free_for_good(send);
    return;
  }
  send->datagram.next = loop->free_list != NULL ? &loop->free_list->datagram : NULL;
  loop->free_list = send;
  loop->free_bytes += send->footprint;
}

void dgram__send_free_list_clear(struct dgram__loop *loop) {
  while (loop->free_list != NULL) {
    struct dgram__send *send = loop->free_list;
    loop->free_list = dgram__next_send(send);
    send_free_for_good(send);
  }
}

/* ---- completion ---- */

static void send_report_failure(dgram_socket_t *socket, const struct dgram__send *send) {
  struct dgram__described described;
  dgram__error_describe_at(&described, send->status, send->syscall, send->shown, send->host,
                           &send->datagram.to);
  if (send->callback != NULL)
    send->callback(socket, &described.error, 0, send->context);
  else
    dgram__emit_described_error(socket, &described.error);
}

static void send_complete_one(dgram_socket_t *socket, struct dgram__send *send) {
  socket->tx.bytes -= send->datagram.size;
  socket->tx.count--;
  if (send->status < 0)
    send_report_failure(socket, send);
  else /* what has no callback is done only if it failed */
    send->callback(socket, NULL, send->datagram.size, send->context);
  dgram__send_free(socket->loop, send);
}

/* In place: inside a callback the program may run the task that closes, which calls the others. */
void dgram__send_complete(dgram_socket_t *socket, struct dgram__queue *queue) {
  bool before = socket->tx.completing;
  socket->tx.completing = true;
  for (unsigned left = queue->count; left > 0 && queue->count > 0; left--)
    send_complete_one(socket, dgram__queue_pop(queue));
  socket->tx.completing = before;
}

static const struct dgram__task_type send_complete_task = {dgram__send_complete_all,
                                                           DGRAM__TASK_COMPLETE};

/* Not inside a callback: callbacks that send and flush would else nest without end. */
void dgram__send_complete_all(dgram_socket_t *socket) {
  struct dgram__tx *tx = &socket->tx;
  if (tx->completing)
    return;
  dgram__send_complete(socket, &tx->completed);
  if (tx->completed.count > 0)
    dgram__defer(socket, &send_complete_task);
}

static void send_complete_later(dgram_socket_t *socket) {
  if (!socket->tx.about_to_complete)
    dgram__defer(socket, &send_complete_task);
}

void dgram__send_failed(dgram_socket_t *socket, struct dgram__send *send, int code,
                        const char *syscall, enum dgram__shown shown) {
  send->status = code;
  send->syscall = syscall;
  send->shown = shown;
  dgram__queue_push(&socket->tx.completed, send);
  send_complete_later(socket);
}

/* What stays in `ready` then waits for the system. */
void dgram__send_failed_in_order(dgram_socket_t *socket, struct dgram__send *send, int code,
                                 const char *syscall, enum dgram__shown shown) {
  struct dgram__tx *tx = &socket->tx;
  dgram__send_flush(socket);
  if (tx->ready.count == 0) {
    dgram__send_failed(socket, send, code, syscall, shown);
    return;
  }
  send->status = code;
  send->syscall = syscall;
  send->shown = shown;
  dgram__queue_push(&tx->ready, send);
  tx->markers++;
}

void dgram__send_drop(dgram_socket_t *socket, struct dgram__send *send) {
  socket->tx.bytes -= send->datagram.size;
  socket->tx.count--;
  dgram__send_free(socket->loop, send);
}

/* ---- flush ---- */

static void send_move_sent(dgram_socket_t *socket, int sent) {
  struct dgram__tx *tx = &socket->tx;
  socket->loop->has_sent = true;
  tx->retries = 0;
  bool to_be_told = false;
  if ((unsigned)sent == tx->ready.count && !tx->some_silent) {
    dgram__queue_move(&tx->completed, &tx->ready);
    send_complete_later(socket);
    return;
  }
  for (int i = 0; i < sent; i++) {
    struct dgram__send *send = dgram__queue_pop(&tx->ready);
    if (send->callback != NULL) {
      dgram__queue_push(&tx->completed, send);
      to_be_told = true;
    } else {
      dgram__send_drop(socket, send);
    }
  }
  if (to_be_told)
    send_complete_later(socket);
}

/* Whether the error only asks to wait; then it has been arranged to go on. */
static bool send_block(dgram_socket_t *socket, int err) {
  struct dgram__tx *tx = &socket->tx;
  if (err == UV_EAGAIN) {
    tx->blocked = DGRAM__BLOCKED_BY_EAGAIN;
    return true;
  }
  /* A full device queue does not make the socket writable later, so there is only the clock. */
  if (err != UV_ENOBUFS || tx->retries >= MOST_RETRIES)
    return false;
  tx->retries++;
  tx->blocked = DGRAM__BLOCKED_BY_ENOBUFS;
  dgram__retry_later(socket, RETRY_MS);
  return true;
}

/*
 * The error of a send may be an ICMP error of an earlier datagram, which the system reports to
 * whichever call comes next: on a connected socket, or where another use of the system socket has
 * IP_RECVERR on. A healthy send must not pay for it: it is tried again, and if the result differs,
 * the first one is emitted as the receive error that it is.
 */
static bool async_error_suspect(dgram_socket_t *socket, int err) {
  struct dgram__tx *tx = &socket->tx;
  bool possible =
      dgram__is_connected(&socket->connecting) || dgram__udp_queues_errors(&socket->udp);
  if (!possible || tx->suspicion != 0)
    return false;
  tx->suspicion = err;
  return true;
}

static void async_error_emit(dgram_socket_t *socket) {
  if (!socket->closed)
    dgram__emit_error(socket, socket->tx.refusal, "recvmsg", NULL, 0);
}

static const struct dgram__task_type async_error_task = {async_error_emit, DGRAM__TASK_ASYNC_ERROR};

static void async_error_report(dgram_socket_t *socket, int err) {
  socket->tx.refusal = err;
  dgram__defer(socket, &async_error_task);
}

/* The send has ended; so it is known what became of the suspicion. */
static void async_error_settle(dgram_socket_t *socket, int end) {
  struct dgram__tx *tx = &socket->tx;
  if (tx->suspicion != 0 && tx->suspicion != end)
    async_error_report(socket, tx->suspicion);
  tx->suspicion = 0;
}

void dgram__async_error_take(dgram_socket_t *socket) {
  int err = dgram__udp_take_error(&socket->udp);
  if (err != 0)
    async_error_report(socket, err);
}

/* ---- what stands among the sends ---- */

/* How many of the ready sends are datagrams, up to the first marker. */
static unsigned send_count_datagrams(const struct dgram__tx *tx) {
  const struct dgram__send *send = tx->ready.first;
  unsigned count = 0;
  while (count < tx->ready.count && send->status == 0) {
    count++;
    send = dgram__next_send(send);
  }
  return count;
}

/* The first one is no datagram to send: a failure that is due now, or an option. */
static void send_pass_marker(dgram_socket_t *socket) {
  struct dgram__tx *tx = &socket->tx;
  struct dgram__send *send = dgram__queue_pop(&tx->ready);
  tx->markers--;
  if (send->status < 0) {
    dgram__send_failed(socket, send, send->status, send->syscall, send->shown);
    return;
  }
  const struct option *option = send->memory;
  (void)dgram__set_option(socket, option->level, option->name, option->value, option->length);
  dgram__send_free(socket->loop, send);
}

static inline void send_first(dgram_socket_t *socket, unsigned count) {
  struct dgram__tx *tx = &socket->tx;
  int sent =
      dgram__udp_send(&socket->udp, &socket->loop->tx_batch, &tx->ready.first->datagram, count);
  if (sent < 0 && (send_block(socket, sent) || async_error_suspect(socket, sent)))
    return;
  async_error_settle(socket, sent);
  if (sent > 0)
    send_move_sent(socket, sent);
  else
    dgram__send_failed(socket, dgram__queue_pop(&tx->ready), sent, "send", DGRAM__SHOW_ENDPOINT);
}

void dgram__send_flush(dgram_socket_t *socket) {
  struct dgram__tx *tx = &socket->tx;
  while (tx->ready.count > 0 && tx->blocked == DGRAM__NOT_BLOCKED) {
    unsigned count = tx->markers == 0 ? tx->ready.count : send_count_datagrams(tx);
    if (count > 0)
      send_first(socket, count);
    else
      send_pass_marker(socket);
  }
  if (tx->ready.count == 0) {
    tx->retries = 0;
    tx->some_silent = false;
  }
  dgram__poll_update(socket);
}

static const struct dgram__task_type send_flush_task = {dgram__send_flush, DGRAM__TASK_FLUSH};

/* ---- options that must not act on what was sent before ---- */

/* Tries the option on another system socket, so that the caller gets its error. */
static int send_try_option(int family, int level, int name, const void *value, socklen_t length) {
  int fd = dgram__descriptor_socket(family, SOCK_DGRAM);
  if (fd < 0)
    return fd;
  int err = setsockopt(fd, level, name, value, length) == 0 ? 0 : -errno;
  close(fd);
  return err;
}

static struct dgram__send *send_new_option(int level, int name, const void *value,
                                           socklen_t length) {
  struct dgram__send *send = calloc(1, sizeof *send);
  struct option *option = malloc(sizeof *option);
  if (send == NULL || option == NULL) {
    free(send);
    free(option);
    return NULL;
  }
  *option = (struct option){.level = level, .name = name, .length = length};
  assert(length <= sizeof option->value);
  memcpy(option->value, value, length);
  send->status = 1;
  send->memory = option;
  send->footprint = sizeof *send + sizeof *option;
  return send;
}

int dgram__send_then_set(dgram_socket_t *socket, int level, int name, const void *value,
                         socklen_t length) {
  struct dgram__tx *tx = &socket->tx;
  dgram__send_before_change(socket);
  if (tx->ready.count == 0)
    return dgram__set_option(socket, level, name, value, length);
  struct dgram__send *send = send_new_option(level, name, value, length);
  if (send == NULL)
    return UV_ENOMEM;
  int family = dgram__family(socket->options.type);
  int err = send_try_option(family, level, name, value, length);
  if (err != 0) {
    dgram__send_free(socket->loop, send);
    return err;
  }
  dgram__queue_push(&tx->ready, send);
  tx->markers++;
  return 0;
}

void dgram_flush(dgram_socket_t *socket) {
  if (socket == NULL)
    return;
  dgram__hold(socket);
  if (socket->state == DGRAM_BOUND) /* so there is no need to wait for 'listening' */
    dgram__send_bound(socket);
  struct dgram__tx *tx = &socket->tx;
  tx->about_to_complete = !tx->completing;
  dgram__send_flush(socket);
  tx->about_to_complete = false;
  dgram__send_complete_all(socket);
  dgram__release(socket);
}

bool dgram__send_resume(dgram_socket_t *socket) {
  unsigned before = socket->tx.ready.count;
  socket->tx.blocked = DGRAM__NOT_BLOCKED;
  dgram__send_flush(socket);
  return socket->tx.blocked == DGRAM__NOT_BLOCKED || socket->tx.ready.count < before;
}

void dgram__send_blocked_by_ports(dgram_socket_t *socket, bool first) {
  const struct dgram__datagram *datagram = &socket->tx.ready.first->datagram;
  socket->tx.blocked = DGRAM__BLOCKED_BY_ENOBUFS;
  if (!first)
    return;
  struct dgram__described described;
  dgram__error_describe_at(&described, UV_EAGAIN, "send", DGRAM__SHOW_ENDPOINT, NULL,
                           &datagram->to);
  dgram__emit_described_error(socket, &described.error);
}

enum {
  FULL_BATCH = 1024,   /* ready sends that don't wait for the end of the turn */
  MOST_BUFFERS = 1024, /* of one datagram: UIO_MAXIOV, the system's limit */
  /* Over any UDP length, so the system answers EMSGSIZE whatever the bytes beyond it are. */
  OVERLONG = 65536
};

/* ---- taking the bytes over ---- */

/* Adds up the buffers of a datagram. False: they are none. */
static bool send_measure(const uv_buf_t buffers[], size_t count, size_t *bytes) {
  size_t sum = 0;
  if (count > MOST_BUFFERS || (count > 0 && buffers == NULL))
    return false;
  for (size_t i = 0; i < count; i++) {
    if (buffers[i].base == NULL && buffers[i].len > 0)
      return false;
    sum = buffers[i].len < SIZE_MAX - sum ? sum + buffers[i].len : SIZE_MAX;
  }
  *bytes = sum;
  return true;
}

static size_t send_min(size_t a, size_t b) {
  return a < b ? a : b;
}

/* The memory of an earlier send may do. */
static bool send_make_room(struct dgram__send *send, size_t size) {
  if (send->footprint - sizeof *send >= size)
    return true;
  free(send->memory);
  send->memory = malloc(size);
  send->footprint = sizeof *send + (send->memory != NULL ? size : 0);
  return send->memory != NULL;
}

static void send_point_at(struct dgram__send *send, void *bytes, size_t size) {
  send->iov = (struct iovec){.iov_base = bytes, .iov_len = size};
  send->datagram.iov = &send->iov;
  send->datagram.iov_count = 1;
}

/* Points at the first `size` bytes of the buffers. False: no memory for the list. */
static bool send_point_at_all(struct dgram__send *send, const uv_buf_t buffers[], size_t count,
                              size_t size) {
  if (!send_make_room(send, count * sizeof(struct iovec)))
    return false;
  struct iovec *iov = send->memory;
  uint32_t used = 0;
  for (; size > 0; used++) {
    iov[used] = (struct iovec){buffers[used].base, send_min(buffers[used].len, size)};
    size -= iov[used].iov_len;
  }
  send->datagram.iov = iov;
  send->datagram.iov_count = used;
  return true;
}

/* Copies the first `size` bytes of the buffers. False: no memory. */
static bool send_copy_bytes(struct dgram__send *send, const uv_buf_t buffers[], size_t size) {
  if (!send_make_room(send, size))
    return false;
  send_point_at(send, send->memory, size);
  char *to = send->memory;
  for (size_t i = 0; size > 0; i++) {
    size_t length = send_min(buffers[i].len, size);
    if (length > 0)
      memcpy(to, buffers[i].base, length);
    to += length;
    size -= length;
  }
  return true;
}

/* The bytes will be read later: from the program's memory if it was promised to stay. */
static inline bool send_take_bytes(struct dgram__send *send, const uv_buf_t buffers[],
                                   size_t count) {
  size_t size = send_min(send->datagram.size, OVERLONG);
  if (send->callback == NULL)
    return send_copy_bytes(send, buffers, size);
  if (count != 1)
    return send_point_at_all(send, buffers, count, size);
  send_point_at(send, buffers->base, size);
  return true;
}

/* ---- waiting for a host's address ---- */

static void send_link_resolving(struct dgram__tx *tx, struct dgram__send *send) {
  send->previous = tx->last_resolving;
  send->datagram.next = NULL;
  if (send->previous != NULL)
    send->previous->datagram.next = &send->datagram;
  else
    tx->first_resolving = send;
  tx->last_resolving = send;
}

static void send_unlink_resolving(struct dgram__tx *tx, struct dgram__send *send) {
  struct dgram__send *next = dgram__next_send(send);
  if (send->previous != NULL)
    send->previous->datagram.next = send->datagram.next;
  else
    tx->first_resolving = next;
  if (next != NULL)
    next->previous = send->previous;
  else
    tx->last_resolving = send->previous;
}

/* ---- ready ---- */

/*
 * What is ready behind others leaves with them: they have a flush to come, or wait for the stall to
 * end. So a stall is not asked for, and a flush in the midst of one does nothing.
 */
static inline void send_push_ready(dgram_socket_t *socket, struct dgram__send *send) {
  struct dgram__tx *tx = &socket->tx;
  dgram__queue_push(&tx->ready, send);
  tx->some_silent |= send->callback == NULL;
  if (tx->ready.count == 1)
    dgram__enqueue(socket, &socket->loop->flushes, &send_flush_task);
  else if (tx->ready.count == FULL_BATCH)
    dgram__send_flush(socket);
}

/* Why the send can't go where it should, or 0. */
static int send_destination_error(const dgram_socket_t *socket, const struct dgram__send *send) {
  int family = send->datagram.to.any.sa_family;
  if (family == AF_UNSPEC) /* to the peer */
    return 0;
  if (family != dgram__family(socket->options.type))
    return UV_EINVAL;
  /* It was sent before the socket was connected. */
  return dgram__is_connected(&socket->connecting) ? UV_EISCONN : 0;
}

/* The send has its destination. */
static void send_make_ready_or_fail(dgram_socket_t *socket, struct dgram__send *send) {
  int err = send_destination_error(socket, send);
  if (err == 0) {
    send_push_ready(socket, send);
    return;
  }
  dgram__send_failed_in_order(socket, send, err, "send", DGRAM__SHOW_ENDPOINT);
}

static void send_resolved(void *owner, int status, const union dgram__address *address) {
  struct dgram__send *send = owner;
  dgram_socket_t *socket = send->socket;
  send_unlink_resolving(&socket->tx, send);
  if (status != 0) {
    dgram__send_failed_in_order(socket, send, status, "getaddrinfo", DGRAM__SHOW_HOST);
    return;
  }
  dgram__address_set_host(&send->datagram.to, address);
  send_make_ready_or_fail(socket, send);
}

static void send_resolve(dgram_socket_t *socket, struct dgram__send *send) {
  send->socket = socket;
  send_link_resolving(&socket->tx, send);
  int err = dgram__resolve_start(socket, &send->lookup, send->host, send_resolved, NULL, send);
  if (err == 0)
    return;
  send_unlink_resolving(&socket->tx, send);
  dgram__send_failed_in_order(socket, send, err, "getaddrinfo", DGRAM__SHOW_HOST);
}

/* ---- waiting for the socket to be bound ---- */

static void send_dispatch(dgram_socket_t *socket, struct dgram__send *send) {
  if (send->host != NULL)
    send_resolve(socket, send);
  else
    send_make_ready_or_fail(socket, send);
}

void dgram__send_bound(dgram_socket_t *socket) {
  struct dgram__queue *wait_bind = &socket->tx.wait_bind;
  while (wait_bind->count > 0)
    send_dispatch(socket, dgram__queue_pop(wait_bind));
}

void dgram__send_before_change(dgram_socket_t *socket) {
  struct dgram__queue *wait_bind = &socket->tx.wait_bind;
  bool waits = socket->state == DGRAM_BOUND && !socket->announced;
  for (unsigned left = waits ? wait_bind->count : 0; left > 0; left--) {
    struct dgram__send *send = dgram__queue_pop(wait_bind);
    if (send->host == NULL)
      send_make_ready_or_fail(socket, send);
    else
      dgram__queue_push(wait_bind, send);
  }
  dgram__send_flush(socket);
}

void dgram__send_bind_failed(dgram_socket_t *socket, int code, const char *syscall) {
  struct dgram__queue *wait_bind = &socket->tx.wait_bind;
  while (wait_bind->count > 0) {
    struct dgram__send *send = dgram__queue_pop(wait_bind);
    if (send->callback != NULL)
      dgram__send_failed(socket, send, code, syscall, DGRAM__SHOW_NOTHING);
    else /* the 'error' event of the bind tells it */
      dgram__send_drop(socket, send);
  }
}

/* ---- the socket is disconnected, or closes ---- */

static void send_readdress(const struct dgram__queue *queue, const union dgram__address *peer) {
  struct dgram__send *send = queue->first;
  for (unsigned i = 0; i < queue->count; i++, send = dgram__next_send(send))
    if (send->datagram.to.any.sa_family == AF_UNSPEC)
      send->datagram.to = *peer;
}

void dgram__send_disconnected(dgram_socket_t *socket, const union dgram__address *peer) {
  send_readdress(&socket->tx.wait_bind, peer); /* connected inside a call, before 'listening' */
  send_readdress(&socket->tx.ready, peer);
}

static void send_cancel(dgram_socket_t *socket, struct dgram__send *send) {
  if (send->status > 0) { /* an option that was to be set behind the sends */
    dgram__send_free(socket->loop, send);
    return;
  }
  if (send->callback == NULL) {
    dgram__send_drop(socket, send);
    return;
  }
  if (send->status == 0) { /* else it has failed already */
    send->status = UV_ECANCELED;
    send->syscall = "send";
    send->shown = DGRAM__SHOW_ENDPOINT;
  }
  dgram__queue_push(&socket->tx.cancelled, send);
}

void dgram__send_cancel_all(dgram_socket_t *socket) {
  struct dgram__tx *tx = &socket->tx;
  struct dgram__send *send;
  while (tx->ready.count > 0)
    send_cancel(socket, dgram__queue_pop(&tx->ready));
  tx->markers = 0;
  while ((send = tx->first_resolving) != NULL) {
    dgram__resolve_forget(send->lookup);
    send_unlink_resolving(tx, send);
    send_cancel(socket, send);
  }
}

/* ---- a new send ---- */

/* The loop has one. */
static inline struct dgram__send *send_take_free(struct dgram__loop *loop) {
  struct dgram__send *send = loop->free_list;
  loop->free_list = dgram__next_send(send);
  loop->free_bytes -= send->footprint;
  return send;
}

/* Without a host, and with nothing else set but its memory. NULL: no memory. */
static inline struct dgram__send *send_allocate(struct dgram__loop *loop) {
  if (loop->free_list != NULL)
    return send_take_free(loop);
  struct dgram__send *send = calloc(1, sizeof *send);
  if (send != NULL)
    send->footprint = sizeof *send;
  return send;
}

static inline void send_fill(struct dgram__send *send, size_t size, dgram_send_cb callback,
                             void *context) {
  send->callback = callback;
  send->context = context;
  send->status = 0;
  send->datagram.size = size;
}

/* It has its bytes. */
static inline void send_count(dgram_socket_t *socket, const struct dgram__send *send) {
  socket->tx.bytes += send->datagram.size;
  socket->tx.count++;
}

/* An accepted send, whose destination is still to be set. NULL: no memory. */
static inline struct dgram__send *send_new_send(dgram_socket_t *socket, const uv_buf_t buffers[],
                                                size_t count, size_t size, dgram_send_cb callback,
                                                void *context) {
  struct dgram__send *send = send_allocate(socket->loop);
  if (send == NULL)
    return NULL;
  send_fill(send, size, callback, context);
  if (!send_take_bytes(send, buffers, count)) {
    dgram__send_free(socket->loop, send);
    return NULL;
  }
  send_count(socket, send);
  return send;
}

/* Whether a send need not wait: for the bind, or behind others that do, so that the order stays. */
static inline bool send_is_unblocked(const dgram_socket_t *socket) {
  return socket->announced && socket->tx.wait_bind.count == 0;
}

/* Returns 0, or an error of the implicit bind. */
static int send_wait_for_bind(dgram_socket_t *socket, struct dgram__send *send) {
  struct dgram__queue *wait_bind = &socket->tx.wait_bind;
  dgram__queue_push(wait_bind, send);
  int err = socket->state == DGRAM_UNBOUND ? dgram__bind_implicitly(socket) : 0;
  if (err != 0)
    dgram__send_drop(socket, dgram__queue_pop(wait_bind)); /* it is the only one */
  return err;
}

/* ---- the public functions ---- */

static int send_read_destination(const dgram_socket_t *socket, int port, const char *address,
                                 struct dgram__destination *destination) {
  if (dgram__is_connected(&socket->connecting)) {
    destination->address = dgram__address_unspec;
    destination->host = NULL;
    bool given = port != 0 || (address != NULL && *address != '\0');
    return given ? DGRAM_ERR_SOCKET_DGRAM_IS_CONNECTED : 0;
  }
  if (port <= 0 || port > UINT16_MAX)
    return DGRAM_ERR_SOCKET_BAD_PORT;
  return dgram__destination_read(socket, port, address, true, destination);
}

int dgram_send_buffers(dgram_socket_t *socket, const uv_buf_t buffers[], size_t count, int port,
                       const char *address, dgram_send_cb callback, void *context) {
  size_t size;
  if (socket == NULL || !send_measure(buffers, count, &size))
    return UV_EINVAL;
  if (socket->closing)
    return DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING;
  struct dgram__destination destination;
  int err = send_read_destination(socket, port, address, &destination);
  if (err != 0)
    return err;
  struct dgram__send *send = send_new_send(socket, buffers, count, size, callback, context);
  if (send == NULL)
    return UV_ENOMEM;
  send->datagram.to = destination.address;
  if (destination.host != NULL && (send->host = strdup(destination.host)) == NULL) {
    dgram__send_drop(socket, send);
    return UV_ENOMEM;
  }
  if (!send_is_unblocked(socket))
    return send_wait_for_bind(socket, send);
  send_dispatch(socket, send);
  return 0;
}

int dgram_send(dgram_socket_t *socket, const void *message, size_t size, int port,
               const char *address, dgram_send_cb callback, void *context) {
  uv_buf_t buffer = {.base = (char *)message, .len = size};
  return dgram_send_buffers(socket, &buffer, 1, port, address, callback, context);
}

/* Why a send can't go to an address, NULL: to the peer; or 0. */
static inline int send_check_address(const dgram_socket_t *socket, const struct sockaddr *to) {
  if (dgram__is_connected(&socket->connecting))
    return to != NULL ? DGRAM_ERR_SOCKET_DGRAM_IS_CONNECTED : 0;
  if (to == NULL)
    return DGRAM_ERR_SOCKET_BAD_PORT;
  if (dgram__sockaddr_family(to) != dgram__family(socket->options.type))
    return UV_EINVAL;
  return dgram__sockaddr_port(to) != 0 ? 0 : DGRAM_ERR_SOCKET_BAD_PORT;
}

/* NULL: to the peer. */
static inline void send_set_destination(struct dgram__send *send, const struct sockaddr *to) {
  if (to != NULL)
    (void)dgram__address_copy(&send->datagram.to, to); /* its family has been looked at */
  else
    send->datagram.to.any.sa_family = AF_UNSPEC;
}

/* Any send to an address in binary form. Inline it would have the quick way save its registers. */
__attribute__((noinline)) static int send_to_any(dgram_socket_t *socket, const uv_buf_t buffers[],
                                                 size_t count, const struct sockaddr *to,
                                                 dgram_send_cb callback, void *context) {
  size_t size;
  if (socket == NULL || !send_measure(buffers, count, &size))
    return UV_EINVAL;
  if (socket->closing)
    return DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING;
  int err = send_check_address(socket, to);
  if (err != 0)
    return err;
  struct dgram__send *send = send_new_send(socket, buffers, count, size, callback, context);
  if (send == NULL)
    return UV_ENOMEM;
  send_set_destination(send, to);
  if (!send_is_unblocked(socket))
    return send_wait_for_bind(socket, send);
  send_push_ready(socket, send);
  return 0;
}

/* Whether a send only joins those that are ready: their flush is asked for, and still to come. */
static inline bool send_can_join_ready(const dgram_socket_t *socket) {
  unsigned ready = socket->tx.ready.count;
  return ready > 0 && ready + 1 < FULL_BATCH && !socket->closing && send_is_unblocked(socket) &&
         socket->loop->free_list != NULL;
}

/*
 * Nearly all sends of a program in a hurry are one buffer with a callback, behind others. These are
 * done here, without a call to anything, which takes two thirds of the instructions.
 */
int dgram_send_to(dgram_socket_t *socket, const uv_buf_t buffers[], size_t count,
                  const struct sockaddr *to, dgram_send_cb callback, void *context) {
  if (callback == NULL || count != 1 || socket == NULL || !send_can_join_ready(socket) ||
      buffers == NULL || buffers->base == NULL || send_check_address(socket, to) != 0)
    return send_to_any(socket, buffers, count, to, callback, context);
  struct dgram__send *send = send_take_free(socket->loop);
  send_fill(send, buffers->len, callback, context);
  send_point_at(send, buffers->base, send_min(buffers->len, OVERLONG));
  send_set_destination(send, to);
  send_count(socket, send);
  dgram__queue_push(&socket->tx.ready, send);
  return 0;
}

size_t dgram_get_send_queue_size(const dgram_socket_t *socket) {
  return socket != NULL ? socket->tx.bytes : 0;
}

size_t dgram_get_send_queue_count(const dgram_socket_t *socket) {
  return socket != NULL ? socket->tx.count : 0;
}

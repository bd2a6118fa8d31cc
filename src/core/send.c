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
 * Where a send waits it may also be cancelled, or run out of time: see send_cancel.c.
 *
 * The functions that are inline run for each send, and a call would cost as much as most of them.
 */
#include "internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Inlined on the ways of plain sends, however often it is called elsewhere. */
#define SEND_INLINE __attribute__((always_inline)) static inline

enum {
  FULL_BATCH = 1024, /* ready sends that are flushed before the loop's iteration ends */
  OVERLONG = 65536,  /* more than any UDP payload: EMSGSIZE, whatever the bytes beyond are */
  /* Ended sends that a loop keeps, as much as it has to receive into: malloc() and free() for each
   * of a large burst would cost as much as all the rest. */
  FREE_LIST_MAX_BYTES = 4 * 1024 * 1024,
  ENOBUFS_MAX_RETRIES = 100, /* in a row */
  ENOBUFS_RETRY_MS = 1
};

/* Options to be set behind the sends before them, in `memory` of their marker. */
struct send_options {
  unsigned count;
  struct dgram__sockopt_call calls[DGRAM__SOCKOPT_CALLS];
};

static int send_start_bind(dgram_socket_t *socket);
static int send_wait_bind(dgram_socket_t *socket, struct dgram__send *send);
static void send_dispatch(dgram_socket_t *socket, struct dgram__send *send);
static void send_make_ready(dgram_socket_t *socket, struct dgram__send *send);
static inline void send_join_ready(dgram_socket_t *socket, struct dgram__send *send);
static void send_join_ready_all(dgram_socket_t *socket, struct dgram__queue *made);
static void send_complete_later(dgram_socket_t *socket);

/* Nearly all sends are not guarded; the choice is made once, so that they do not pay for others. */
enum send_path { SEND_FREELY, SEND_GUARDED };

/* ---- queues and memory ---- */

/* Every accepted send is in one queue; besides sends, `ready` may have options among its markers.
 */
static inline bool send_queues_are_complete(const struct dgram__tx *tx) {
  unsigned sum = tx->wait_bind.count + tx->ready.count + tx->completed.count + tx->cancelled.count;
  for (const struct dgram__list_node *node = tx->resolving.first; node != NULL; node = node->next)
    sum++;
  return sum >= tx->count && sum - tx->count <= tx->markers &&
         (tx->ready.count > 0 || tx->markers + tx->no_callback == 0);
}

/* The loop's free list is not empty. */
static inline struct dgram__send *send_take_free(struct dgram__loop *loop) {
  struct dgram__send *send = loop->free_list;
  loop->free_list = dgram__next_send(send);
  loop->free_bytes -= send->footprint;
  return send;
}

/* A send without a host, of which nothing else but `memory` is set. NULL: no memory. */
static inline struct dgram__send *send_allocate(struct dgram__loop *loop) {
  if (loop->free_bytes > 0)
    return send_take_free(loop);
  struct dgram__send *send = calloc(1, sizeof *send);
  if (send != NULL)
    send->footprint = sizeof *send;
  return send;
}

/* Has `memory` hold `size` bytes; that of an earlier send may do. False: no memory. */
static inline bool send_reserve(struct dgram__send *send, size_t size) {
  if (send->footprint - sizeof *send >= size)
    return true;
  free(send->memory);
  send->memory = malloc(size);
  send->footprint = sizeof *send + (send->memory != NULL ? size : 0);
  return send->memory != NULL;
}

/* Keeps the send for a next one, or frees it. */
static void send_free(struct dgram__loop *loop, struct dgram__send *send) {
  dgram__send_set_state(send, DGRAM__SEND_FREE);
  if (send->rare != NULL) {
    free(send->rare);
    send->rare = NULL;
    send->host = NULL;
    send->datagram.options = NULL;
  }
  if (loop->free_bytes + send->footprint > FREE_LIST_MAX_BYTES) {
    free(send->memory);
    free(send);
    return;
  }
  send->datagram.next = (struct dgram__datagram *)loop->free_list;
  loop->free_list = send;
  loop->free_bytes += send->footprint;
}

static void send_free_list_clear(struct dgram__loop *loop) {
  while (loop->free_bytes > 0) {
    struct dgram__send *send = send_take_free(loop);
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

/* Copies the name of the destination. False: no memory. */
static bool send_set_host(struct dgram__send *send, const char *host) {
  send->rare = strdup(host);
  send->host = send->rare;
  return send->rare != NULL;
}

/* Copies the options. False: no memory. */
static bool send_set_options(struct dgram__send *send, const struct dgram__tx_options *options) {
  struct dgram__tx_options *copy = malloc(sizeof *copy);
  if (copy == NULL)
    return false;
  *copy = *options;
  send->rare = copy;
  send->datagram.options = copy;
  send->kind = DGRAM__OPTIONS_SEND;
  return true;
}

void dgram__send_guard(dgram_socket_t *socket, unsigned guard, bool set) {
  unsigned others = socket->tx.guards & ~guard;
  socket->tx.guards = (unsigned char)(set ? others | guard : others);
}

static inline enum send_path send_path_of(const dgram_socket_t *socket) {
  return socket->tx.guards == 0 ? SEND_FREELY : SEND_GUARDED;
}

/* The send ends without having left, and nothing is reported. */
static void send_drop(dgram_socket_t *socket, struct dgram__send *send) {
  socket->tx.bytes_accepted -= send->datagram.size;
  socket->tx.count--;
  send_free(socket->loop, send);
}

/* ---- accepted: the bytes ---- */

/* Adds up the buffers of a datagram. False: they are invalid. */
static bool send_measure(const uv_buf_t buffers[], size_t count, size_t *bytes) {
  size_t sum = 0;
  if (count > DGRAM__MAX_IOV || (count > 0 && buffers == NULL))
    return false;
  for (size_t i = 0; i < count; i++) {
    if (buffers[i].base == NULL && buffers[i].len > 0)
      return false;
    sum += buffers[i].len;
    if (sum < buffers[i].len) /* it has wrapped around */
      sum = SIZE_MAX;
  }
  *bytes = sum;
  return true;
}

static size_t send_min(size_t a, size_t b) {
  return a < b ? a : b;
}

static void send_set_bytes(struct dgram__send *send, void *bytes, size_t size) {
  send->iov = (struct iovec){.iov_base = bytes, .iov_len = size};
  send->datagram.iov = &send->iov;
  send->datagram.iov_count = 1;
}

/* Borrows the first `size` bytes of the buffers. False: no memory for the list. */
static bool send_borrow_buffers(struct dgram__send *send, const uv_buf_t buffers[], size_t count,
                                size_t size) {
  if (!send_reserve(send, count * sizeof(struct iovec)))
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
SEND_INLINE bool send_copy_buffers(struct dgram__send *send, const uv_buf_t buffers[],
                                   size_t size) {
  if (!send_reserve(send, size))
    return false;
  send_set_bytes(send, send->memory, size);
  char *to = send->memory;
  for (; size > 0; buffers++) {
    size_t length = send_min(buffers->len, size);
    if (length == 0)
      continue;
    memcpy(to, buffers->base, length);
    to += length;
    size -= length;
  }
  return true;
}

static inline void send_begin(dgram_socket_t *socket, struct dgram__send *send, size_t size,
                              dgram_send_cb callback, void *context) {
  send->kind = DGRAM__DATAGRAM_SEND;
  send->callback = callback;
  send->context = context;
  send->datagram.size = size;
  socket->tx.bytes_accepted += size;
  socket->tx.count++;
}

/* An accepted send of at most `most` bytes, whose destination is still to be set. NULL: no memory.
 */
SEND_INLINE struct dgram__send *send_new(dgram_socket_t *socket, const uv_buf_t buffers[],
                                         size_t count, size_t size, size_t most,
                                         dgram_send_cb callback, void *context) {
  struct dgram__send *send = send_allocate(socket->loop);
  if (send == NULL)
    return NULL;
  send_begin(socket, send, size, callback, context);
  size = send_min(size, most);
  bool has_memory = true;
  if (callback == NULL)
    has_memory = send_copy_buffers(send, buffers, size);
  else if (count == 1)
    send_set_bytes(send, buffers->base, size);
  else
    has_memory = send_borrow_buffers(send, buffers, count, size);
  if (has_memory)
    return send;
  send_drop(socket, send);
  return NULL;
}

/* ---- accepted: the destination, and the public functions ---- */

static inline int send_read_destination(const dgram_socket_t *socket, int port, const char *address,
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

/*
 * Why a send is refused, where there are guards; 0: it is not. `err` is what is wrong with its
 * arguments, or 0. The address is AF_UNSPEC for the peer, and NULL while it is not known.
 */
__attribute__((noinline)) static int send_check_guards(dgram_socket_t *socket, int err,
                                                       const union dgram__address *to) {
  if (socket->life != DGRAM__OPEN)
    return DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING;
  return err == 0 && to != NULL ? dgram__access_send(socket, to) : err;
}

/* A send waits for 'listening', or behind sends that do, so that their order stays. */
static inline bool send_has_to_wait_bind(const dgram_socket_t *socket) {
  return socket->binding.state != DGRAM__LISTENING || socket->tx.wait_bind.count > 0;
}

static inline void send_set_deadline(dgram_socket_t *socket, struct dgram__send *send) {
  if (socket->tx.guards & DGRAM__GUARD_TIME_LIMIT)
    send->deadline = dgram__time_limit_send(socket);
}

/* The path is a constant of the caller. */
SEND_INLINE int send_buffers_by(enum send_path path, dgram_socket_t *socket,
                                const uv_buf_t buffers[], size_t count, int port,
                                const char *address, dgram_send_cb callback, void *context) {
  size_t size;
  if (!send_measure(buffers, count, &size))
    return UV_EINVAL;
  struct dgram__destination destination;
  int err = send_read_destination(socket, port, address, &destination);
  if (path == SEND_GUARDED)
    err = send_check_guards(socket, err,
                            err == 0 && destination.host == NULL ? &destination.address : NULL);
  if (err == 0 && path == SEND_GUARDED)
    err = dgram__send_limit_admit(socket, size);
  if (err != 0)
    return err;
  struct dgram__send *send = send_new(socket, buffers, count, size, OVERLONG, callback, context);
  if (send == NULL)
    return UV_ENOMEM;
  send->datagram.to = destination.address;
  if (destination.host != NULL && !send_set_host(send, destination.host)) {
    send_drop(socket, send);
    return UV_ENOMEM;
  }
  if (path == SEND_GUARDED)
    send_set_deadline(socket, send);
  if (send_has_to_wait_bind(socket))
    return send_wait_bind(socket, send);
  send_dispatch(socket, send);
  return 0;
}

__attribute__((noinline)) static int send_buffers_guarded(dgram_socket_t *socket,
                                                          const uv_buf_t buffers[], size_t count,
                                                          int port, const char *address,
                                                          dgram_send_cb callback, void *context) {
  return send_buffers_by(SEND_GUARDED, socket, buffers, count, port, address, callback, context);
}

int dgram_send_buffers(dgram_socket_t *socket, const uv_buf_t buffers[], size_t count, int port,
                       const char *address, dgram_send_cb callback, void *context) {
  if (socket == NULL)
    return UV_EINVAL;
  if (send_path_of(socket) == SEND_GUARDED)
    return send_buffers_guarded(socket, buffers, count, port, address, callback, context);
  return send_buffers_by(SEND_FREELY, socket, buffers, count, port, address, callback, context);
}

int dgram_send(dgram_socket_t *socket, const void *message, size_t size, int port,
               const char *address, dgram_send_cb callback, void *context) {
  uv_buf_t buffer = {.base = (char *)message, .len = size};
  return dgram_send_buffers(socket, &buffer, 1, port, address, callback, context);
}

/* Why a send cannot go to an address, or with NULL to the peer; 0: it can. */
static inline int send_check_address(const dgram_socket_t *socket, const struct sockaddr *to) {
  if (dgram__is_connected(&socket->connecting))
    return to != NULL ? DGRAM_ERR_SOCKET_DGRAM_IS_CONNECTED : 0;
  if (to == NULL)
    return DGRAM_ERR_SOCKET_BAD_PORT;
  if (dgram__sockaddr_family(to) != dgram__family(socket->options.type))
    return UV_EINVAL;
  return dgram__sockaddr_port(to) != 0 ? 0 : DGRAM_ERR_SOCKET_BAD_PORT;
}

/* The same for an address in binary form. */
__attribute__((noinline)) static int send_check_guards_to(dgram_socket_t *socket, int err,
                                                          const struct sockaddr *to) {
  union dgram__address address = dgram__address_unspec;
  if (to != NULL && err == 0)
    (void)dgram__address_copy(&address, to);
  return send_check_guards(socket, err, &address);
}

/* NULL: to the peer. */
static inline void send_set_destination(struct dgram__send *send, const struct sockaddr *to) {
  if (to != NULL)
    (void)dgram__address_copy(&send->datagram.to, to); /* send_check_address() knows its family */
  else
    send->datagram.to.any.sa_family = AF_UNSPEC;
}

SEND_INLINE int send_to_by(enum send_path path, dgram_socket_t *socket, const uv_buf_t buffers[],
                           size_t count, const struct sockaddr *to, dgram_send_cb callback,
                           void *context) {
  size_t size;
  if (!send_measure(buffers, count, &size))
    return UV_EINVAL;
  int err = send_check_address(socket, to);
  if (path == SEND_GUARDED)
    err = send_check_guards_to(socket, err, to);
  if (err == 0 && path == SEND_GUARDED)
    err = dgram__send_limit_admit(socket, size);
  if (err != 0)
    return err;
  struct dgram__send *send = send_new(socket, buffers, count, size, OVERLONG, callback, context);
  if (send == NULL)
    return UV_ENOMEM;
  send_set_destination(send, to);
  if (path == SEND_GUARDED)
    send_set_deadline(socket, send);
  if (send_has_to_wait_bind(socket))
    return send_wait_bind(socket, send);
  send_join_ready(socket, send);
  return 0;
}

__attribute__((noinline)) static int send_to_guarded(dgram_socket_t *socket,
                                                     const uv_buf_t buffers[], size_t count,
                                                     const struct sockaddr *to,
                                                     dgram_send_cb callback, void *context) {
  return send_to_by(SEND_GUARDED, socket, buffers, count, to, callback, context);
}

/* Any send to an address in binary form. Inlined, it would have the fast path save registers. */
__attribute__((noinline)) static int send_to_any(dgram_socket_t *socket, const uv_buf_t buffers[],
                                                 size_t count, const struct sockaddr *to,
                                                 dgram_send_cb callback, void *context) {
  if (socket == NULL)
    return UV_EINVAL;
  if (send_path_of(socket) == SEND_GUARDED)
    return send_to_guarded(socket, buffers, count, to, callback, context);
  return send_to_by(SEND_FREELY, socket, buffers, count, to, callback, context);
}

/* ---- accepted: with options ---- */

int dgram__send_read(dgram_socket_t *socket, const uv_buf_t buffers[], size_t count,
                     const struct sockaddr *to, const dgram_send_options_t *options,
                     struct dgram__outgoing *outgoing) {
  *outgoing = (struct dgram__outgoing){.buffers = buffers, .count = count, .to = to};
  if (socket == NULL || !send_measure(buffers, count, &outgoing->size))
    return UV_EINVAL;
  int err = send_check_address(socket, to);
  if (err == 0 && options != NULL) {
    outgoing->has_options = true;
    err = dgram__send_options_read(socket, to, options, &outgoing->options);
  }
  return socket->tx.guards != 0 ? send_check_guards_to(socket, err, to) : err;
}

/* The options batch is made now, so that a flush does not fail for want of it. */
struct dgram__send *dgram__send_make(dgram_socket_t *socket, const struct dgram__outgoing *outgoing,
                                     dgram_send_cb callback, void *context) {
  struct dgram__loop *loop = socket->loop;
  bool parts = outgoing->has_options && outgoing->options.segment_size > 0;
  if (outgoing->has_options && loop->options_batch == NULL &&
      (loop->options_batch = dgram__options_batch_new()) == NULL)
    return NULL;
  struct dgram__send *send = send_new(socket, outgoing->buffers, outgoing->count, outgoing->size,
                                      parts ? SIZE_MAX : OVERLONG, callback, context);
  if (send == NULL)
    return NULL;
  if (outgoing->has_options && !send_set_options(send, &outgoing->options)) {
    send_drop(socket, send);
    return NULL;
  }
  send_set_destination(send, outgoing->to);
  return send;
}

void dgram__send_drop(dgram_socket_t *socket, struct dgram__send *send) {
  send_drop(socket, send);
}

int dgram__send_accept(dgram_socket_t *socket, struct dgram__queue *made) {
  DGRAM__QUEUE_FOR_EACH (send, made)
    send_set_deadline(socket, send);
  if (send_has_to_wait_bind(socket)) {
    dgram__queue_move(&socket->tx.wait_bind, made);
    return send_start_bind(socket);
  }
  send_join_ready_all(socket, made);
  return 0;
}

/* ---- accepted: the fast path ---- */

/* A send only joins those that are ready: their flush is requested, and still to come. */
static inline bool send_can_join_ready(const dgram_socket_t *socket) {
  unsigned ready = socket->tx.ready.count;
  return ready > 0 && ready + 1 < FULL_BATCH && socket->tx.guards == 0 &&
         !send_has_to_wait_bind(socket) && socket->loop->free_bytes > 0;
}

/*
 * The fast path: nearly all sends of a busy program are one buffer with a callback, behind others.
 * Without a call to any function they take a third of the instructions.
 */
int dgram_send_to(dgram_socket_t *socket, const uv_buf_t buffers[], size_t count,
                  const struct sockaddr *to, dgram_send_cb callback, void *context) {
  if (callback == NULL || count != 1 || socket == NULL || !send_can_join_ready(socket) ||
      buffers == NULL || buffers->base == NULL || send_check_address(socket, to) != 0)
    return send_to_any(socket, buffers, count, to, callback, context);
  struct dgram__send *send = send_take_free(socket->loop);
  send_begin(socket, send, buffers->len, callback, context);
  send_set_bytes(send, buffers->base, send_min(buffers->len, OVERLONG));
  send_set_destination(send, to);
  dgram__queue_push(&socket->tx.ready, send);
  return 0;
}

size_t dgram_get_send_queue_size(const dgram_socket_t *socket) {
  return socket != NULL ? dgram__tx_bytes(&socket->tx) : 0;
}

size_t dgram_get_send_queue_count(const dgram_socket_t *socket) {
  return socket != NULL ? socket->tx.count : 0;
}

/* ---- wait_bind ---- */

/* Binds a socket that is unbound. Returns 0, or the error; then what waits has just been sent. */
static int send_start_bind(dgram_socket_t *socket) {
  struct dgram__queue *wait_bind = &socket->tx.wait_bind;
  int err = socket->binding.state == DGRAM__UNBOUND ? dgram__bind_implicitly(socket) : 0;
  while (err != 0 && wait_bind->count > 0)
    send_drop(socket, dgram__queue_pop(wait_bind));
  return err;
}

/* Returns 0, or an error of the implicit bind. */
static int send_wait_bind(dgram_socket_t *socket, struct dgram__send *send) {
  dgram__queue_push(&socket->tx.wait_bind, send);
  return send_start_bind(socket);
}

void dgram__send_bound(dgram_socket_t *socket) {
  struct dgram__queue *wait_bind = &socket->tx.wait_bind;
  if (wait_bind->count > 0)
    dgram__count_queue(socket);
  while (wait_bind->count > 0)
    send_dispatch(socket, dgram__queue_pop(wait_bind));
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
      send_drop(socket, send);
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
    send_make_ready(socket, send);
}

/* The send need not wait for the bind. */
static void send_dispatch(dgram_socket_t *socket, struct dgram__send *send) {
  if (send->host == NULL) {
    send_make_ready(socket, send);
    return;
  }
  send->socket = socket;
  dgram__send_set_state(send, DGRAM__SEND_RESOLVING);
  dgram__list_append(&socket->tx.resolving, &send->resolving);
  int err = dgram__resolve_start(socket, &send->lookup, send->host, send_resolved, NULL, send);
  if (err != 0)
    send_resolved(send, err, NULL);
}

/* ---- ready ---- */

static inline void send_push_ready(struct dgram__tx *tx, struct dgram__send *send) {
  dgram__queue_push(&tx->ready, send);
  tx->no_callback += send->callback == NULL;
}

/* The same of a marker. */
static void send_push_marker(struct dgram__tx *tx, struct dgram__send *marker) {
  tx->markers++;
  send_push_ready(tx, marker);
}

static inline void send_request_flush(dgram_socket_t *socket) {
  static const struct dgram__task_type task = {dgram__send_flush,
                                               offsetof(dgram_socket_t, tasks.flush)};
  dgram__enqueue(socket, &socket->loop->flushes, &task);
}

/*
 * What is ready behind others leaves with them: their flush is requested, or comes when they are no
 * longer blocked. So the first one requests it; a full batch does not wait for it.
 */
static inline void send_join_ready(dgram_socket_t *socket, struct dgram__send *send) {
  struct dgram__tx *tx = &socket->tx;
  send_push_ready(tx, send);
  if (tx->ready.count == 1)
    send_request_flush(socket);
  else if (tx->ready.count == FULL_BATCH)
    dgram__send_flush(socket);
}

/* The same of several, whose destinations are known: they join before any of them is flushed. */
static void send_join_ready_all(dgram_socket_t *socket, struct dgram__queue *made) {
  struct dgram__tx *tx = &socket->tx;
  while (made->count > 1) {
    struct dgram__send *send = dgram__queue_pop(made);
    tx->markers += send->kind == DGRAM__OPTIONS_SEND;
    send_push_ready(tx, send);
    if (tx->ready.count == 1)
      send_request_flush(socket);
  }
  send_make_ready(socket, dgram__queue_pop(made));
  if (tx->ready.count > FULL_BATCH)
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

/* The destination is known: the send is ready, or fails if it cannot go there. */
static void send_make_ready(dgram_socket_t *socket, struct dgram__send *send) {
  int family = send->datagram.to.any.sa_family;
  int err = 0;
  if (family != AF_UNSPEC && family != dgram__family(socket->options.type))
    err = UV_EINVAL;
  else if (family != AF_UNSPEC && dgram__is_connected(&socket->connecting))
    err = UV_EISCONN; /* it was sent before the socket was connected */
  if (err == 0) {
    socket->tx.markers += send->kind == DGRAM__OPTIONS_SEND;
    send_join_ready(socket, send);
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
  send_free(socket->loop, send);
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
  send_free(socket->loop, marker);
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
      send_make_ready(socket, send);
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
  struct dgram__send *marker = send_allocate(socket->loop);
  if (marker == NULL)
    return UV_ENOMEM;
  if (!send_reserve(marker, sizeof(struct send_options))) {
    send_free(socket->loop, marker);
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
    send_free(socket->loop, send);
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
    send_free(socket->loop, send);
  } else if (send->callback == NULL) {
    dgram__count_send_error(socket, send->kind == DGRAM__FAILED_SEND ? send->status : UV_ECANCELED);
    send_drop(socket, send);
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

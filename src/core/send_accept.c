/*
 * A send is accepted: its arguments are valid, and its bytes are borrowed, or copied if it has no
 * callback. Then it goes the way that send.c draws.
 *
 * 1. The bytes: measured, borrowed, copied.
 * 2. The destination, and what guards it; the public functions.
 * 3. Sends that are made for send_with.c: with options, of a list.
 * 4. The fast path.
 */
#include "send.h"

#include <string.h>

/* Inlined on the ways of plain sends, however often it is called elsewhere. */
#define SEND_INLINE __attribute__((always_inline)) static inline

enum { OVERLONG = 65536 /* more than any UDP payload: EMSGSIZE, whatever the bytes beyond are */ };

/* Nearly all sends are not guarded; the choice is made once, so that they do not pay for others. */
enum send_path { SEND_FREELY, SEND_GUARDED };

static inline enum send_path send_path_of(const dgram_socket_t *socket) {
  return socket->tx.guards == 0 ? SEND_FREELY : SEND_GUARDED;
}

/* ---- 1. the bytes ---- */

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
  if (!dgram__send_reserve(send, count * sizeof(struct iovec)))
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
  if (!dgram__send_reserve(send, size))
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
  struct dgram__send *send = dgram__send_allocate(socket->loop);
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
  dgram__send_drop(socket, send);
  return NULL;
}

/* ---- 2. the destination, and the public functions ---- */

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

/* Copies the name of the destination. False: no memory. */
static bool send_set_host(struct dgram__send *send, const char *host) {
  send->rare = strdup(host);
  send->host = send->rare;
  return send->rare != NULL;
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
    dgram__send_drop(socket, send);
    return UV_ENOMEM;
  }
  if (path == SEND_GUARDED)
    send_set_deadline(socket, send);
  if (send_has_to_wait_bind(socket))
    return dgram__send_wait_bind(socket, send);
  dgram__send_dispatch(socket, send);
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
    return dgram__send_wait_bind(socket, send);
  dgram__send_join_ready(socket, send);
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

/* ---- 3. with options, of a list ---- */

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

int dgram__outgoing_set_options(const dgram_socket_t *socket,
                                const struct dgram__tx_options *options,
                                struct dgram__outgoing *outgoing) {
  outgoing->has_options = true;
  outgoing->options = *options;
  return dgram__send_options_check_source(
      options, outgoing->to != NULL ? outgoing->to : &socket->connecting.peer.any);
}

int dgram__send_read(dgram_socket_t *socket, const uv_buf_t buffers[], size_t count,
                     const struct sockaddr *to, const dgram_send_options_t *options,
                     struct dgram__outgoing *outgoing) {
  *outgoing = (struct dgram__outgoing){.buffers = buffers, .count = count, .to = to};
  if (socket == NULL || !send_measure(buffers, count, &outgoing->size))
    return UV_EINVAL;
  int err = send_check_address(socket, to);
  if (err == 0 && options != NULL) {
    struct dgram__tx_options read;
    err = dgram__send_options_read(dgram__family(socket->options.type), options, &read);
    if (err == 0)
      err = dgram__outgoing_set_options(socket, &read, outgoing);
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
    dgram__send_drop(socket, send);
    return NULL;
  }
  send_set_destination(send, outgoing->to);
  return send;
}

int dgram__send_accept(dgram_socket_t *socket, struct dgram__queue *made) {
  DGRAM__QUEUE_FOR_EACH (send, made)
    send_set_deadline(socket, send);
  if (send_has_to_wait_bind(socket)) {
    dgram__queue_move(&socket->tx.wait_bind, made);
    return dgram__send_start_bind(socket);
  }
  dgram__send_join_ready_all(socket, made);
  return 0;
}

/* ---- 4. the fast path ---- */

/* A send only joins those that are ready: their flush is requested, and still to come. */
static inline bool send_can_join_ready(const dgram_socket_t *socket) {
  unsigned ready = socket->tx.ready.count;
  return ready > 0 && ready + 1 < DGRAM__FULL_BATCH && socket->tx.guards == 0 &&
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
  struct dgram__send *send = dgram__send_take_free(socket->loop);
  send_begin(socket, send, buffers->len, callback, context);
  send_set_bytes(send, buffers->base, send_min(buffers->len, OVERLONG));
  send_set_destination(send, to);
  dgram__queue_push(&socket->tx.ready, send);
  return 0;
}

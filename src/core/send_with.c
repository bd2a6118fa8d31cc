/*
 * Sends with options, lists of sends, and sends that leave inside the call. They go the way of all
 * sends, which send.c draws.
 *
 *   dgram_send_with()       one, with options
 *   dgram__send_posted()    one of a sender (dgram_post.h), which has a bound of its own: the limit
 *                           of the socket's queue does not refuse it
 *   dgram_send_many()       a list: each is a send, whose callback counts it; the last one calls
 *                           the program's
 *   dgram_try_send...()     are made as other sends are, but join no queue of the socket
 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_TRIES = 1024 }; /* of one call: their number is an int, and their memory is kept */

/* Accepts one send that has passed all checks. Returns 0 or an error. */
static int send_accept_one(dgram_socket_t *socket, const struct dgram__outgoing *outgoing,
                           dgram_send_cb callback, void *context) {
  struct dgram__send *send = dgram__send_make(socket, outgoing, callback, context);
  if (send == NULL)
    return UV_ENOMEM;
  struct dgram__queue made = dgram__send_made();
  dgram__queue_push(&made, send);
  return dgram__send_accept(socket, &made);
}

int dgram_send_with(dgram_socket_t *socket, const uv_buf_t buffers[], size_t count,
                    const struct sockaddr *to, const dgram_send_options_t *options,
                    dgram_send_cb callback, void *context) {
  struct dgram__outgoing outgoing;
  int err = dgram__send_read(socket, buffers, count, to, options, &outgoing);
  if (err == 0)
    err = dgram__send_limit_admit(socket, outgoing.size);
  return err != 0 ? err : send_accept_one(socket, &outgoing, callback, context);
}

int dgram__send_posted(dgram_socket_t *socket, const uv_buf_t *buffer, const struct sockaddr *to,
                       const struct dgram__tx_options *options, dgram_send_cb callback,
                       void *context) {
  struct dgram__outgoing outgoing;
  if ((socket->tx.guards & DGRAM__GUARD_QUEUE_LIMIT) == 0 && options == NULL)
    return dgram_send_to(socket, buffer, 1, to, callback, context);
  int err = dgram__send_read(socket, buffer, 1, to, NULL, &outgoing);
  if (err == 0 && options != NULL)
    err = dgram__outgoing_set_options(socket, options, &outgoing);
  return err != 0 ? err : send_accept_one(socket, &outgoing, callback, context);
}

/* ---- lists ---- */

/* Checks all of a list, before any of it is sent, and adds up its bytes. */
static int list_check(dgram_socket_t *socket, const dgram_outgoing_t list[], size_t count,
                      size_t *bytes) {
  struct dgram__outgoing outgoing;
  int err = list == NULL || count == 0 ? UV_EINVAL : 0;
  *bytes = 0;
  for (size_t i = 0; err == 0 && i < count; i++) {
    err = dgram__send_read(socket, list[i].buffers, list[i].count, list[i].to, list[i].options,
                           &outgoing);
    *bytes = outgoing.size < SIZE_MAX - *bytes ? *bytes + outgoing.size : SIZE_MAX;
  }
  return err;
}

static void list_drop(dgram_socket_t *socket, struct dgram__queue *made) {
  while (made->count > 0)
    dgram__send_drop(socket, dgram__queue_pop(made));
}

/* Makes the sends of a list that was checked, all of them. Returns 0 or UV_ENOMEM. */
static int list_make(dgram_socket_t *socket, const dgram_outgoing_t list[], size_t count,
                     dgram_send_cb callback, void *context, struct dgram__queue *made) {
  for (size_t i = 0; i < count; i++) {
    struct dgram__outgoing outgoing;
    (void)dgram__send_read(socket, list[i].buffers, list[i].count, list[i].to, list[i].options,
                           &outgoing);
    struct dgram__send *send = dgram__send_make(socket, &outgoing, callback, context);
    if (send == NULL) {
      list_drop(socket, made);
      return UV_ENOMEM;
    }
    dgram__queue_push(made, send);
  }
  return 0;
}

/* ---- a list with one callback ---- */

/* What its sends add up to. */
struct send_many {
  size_t pending; /* sends that have not completed */
  size_t sent;
  dgram_send_many_cb callback;
  void *context;
  int failed;                    /* the code of `first`; 0: none has */
  struct dgram__described first; /* error */
};

/* Keeps an error beyond the callback that it was lent to. */
static void many_keep_error(struct send_many *many, const dgram_error_t *error) {
  struct dgram__described *first = &many->first;
  many->failed = error->code;
  first->error = *error;
  first->error.message = strncpy(first->text, error->message, sizeof first->text - 1);
  if (error->address != NULL)
    first->error.address = strncpy(first->address, error->address, sizeof first->address - 1);
}

static void many_on_sent(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                         void *context) {
  struct send_many *many = context;
  (void)bytes;
  many->sent += error == NULL;
  if (error != NULL && many->failed == 0)
    many_keep_error(many, error);
  if (--many->pending > 0)
    return;
  many->callback(socket, many->failed != 0 ? &many->first.error : NULL, many->sent, many->context);
  free(many);
}

int dgram_send_many(dgram_socket_t *socket, const dgram_outgoing_t list[], size_t count,
                    dgram_send_many_cb callback, void *context) {
  struct send_many *many = NULL;
  struct dgram__queue made = dgram__send_made();
  size_t bytes;
  int err = list_check(socket, list, count, &bytes);
  if (err == 0)
    err = dgram__send_limit_admit_list(socket, bytes, count);
  if (err != 0)
    return err;
  if (callback != NULL) {
    many = calloc(1, sizeof *many);
    if (many == NULL)
      return UV_ENOMEM;
    *many = (struct send_many){.pending = count, .callback = callback, .context = context};
  }
  err = list_make(socket, list, count, many != NULL ? many_on_sent : NULL, many, &made);
  if (err == 0)
    err = dgram__send_accept(socket, &made);
  if (err != 0)
    free(many);
  return err; /* NOLINT(clang-analyzer-unix.Malloc): the sends have `many`, the last frees it */
}

/* ---- inside the call ---- */

/* The callback of a send that has none to call: with it the bytes are borrowed, not copied. */
static void try_on_sent(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                        void *context) {
  (void)socket, (void)error, (void)bytes, (void)context;
}

/* What has left of the list, of which `made` still has the rest. */
static void try_count_bytes(dgram_outgoing_t list[], size_t count,
                            const struct dgram__queue *made) {
  assert(made->count <= count);
  size_t completed = count - made->count;
  for (size_t i = 0; i < completed && i < count; i++)
    for (size_t j = 0; j < list[i].count; j++)
      list[i].sent += list[i].buffers[j].len;
  if (made->count > 0 && made->first->datagram.options != NULL)
    list[completed].sent = made->first->datagram.options->sent;
}

/* Sends what it can of a list. Returns 0, or the error of the first that has not left. */
static int try_list(dgram_socket_t *socket, dgram_outgoing_t list[], size_t count,
                    size_t *completed) {
  struct dgram__queue made = dgram__send_made();
  *completed = 0;
  size_t bytes;
  int err = list_check(socket, list, count, &bytes);
  if (err != 0)
    return err;
  for (size_t i = 0; i < count; i++)
    list[i].sent = 0;
  err = dgram__send_try_begin(socket);
  if (err == 0)
    err = list_make(socket, list, count, try_on_sent, NULL, &made);
  if (err != 0)
    return err;
  err = dgram__send_try(socket, &made);
  *completed = count - made.count;
  try_count_bytes(list, count, &made);
  list_drop(socket, &made);
  return err;
}

int dgram_try_send_many(dgram_socket_t *socket, dgram_outgoing_t list[], size_t count) {
  size_t completed;
  if (count > MAX_TRIES)
    return UV_EINVAL;
  int err = try_list(socket, list, count, &completed);
  return completed > 0 ? (int)completed : err;
}

int dgram_try_send_with(dgram_socket_t *socket, const uv_buf_t buffers[], size_t count,
                        const struct sockaddr *to, const dgram_send_options_t *options,
                        size_t *sent) {
  size_t completed;
  dgram_outgoing_t one = {.buffers = buffers, .count = count, .to = to, .options = options};
  int err = try_list(socket, &one, 1, &completed);
  if (sent != NULL)
    *sent = one.sent;
  return err;
}

int dgram_try_send(dgram_socket_t *socket, const void *message, size_t size,
                   const struct sockaddr *to) {
  uv_buf_t buffer = {.base = (char *)message, .len = size};
  return dgram_try_send_with(socket, &buffer, 1, to, NULL, NULL);
}

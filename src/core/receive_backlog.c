/*
 * What has been received, and is not emitted in that iteration of the loop: the backlog of a
 * socket, a copy out of the loop's buffers.
 *
 * In this file: the copy; the rest of a batch is kept, and emitted in the next iterations; what was
 * received for another socket is diverted to this one.
 */
#include "receive.h"

#include <stdlib.h>
#include <string.h>

/* ---- the copy ---- */

/* Copies the batch, and behind it the other, NULL or not, out of their buffers. NULL: no memory. */
static struct dgram__backlog *receive_copy_batches(const struct dgram__rx_batch *batch,
                                                   const struct dgram__rx_batch *other) {
  static const struct dgram__rx_batch none;
  const struct dgram__rx_batch *const parts[] = {batch, other != NULL ? other : &none};
  size_t count = parts[0]->count + parts[1]->count;
  size_t bytes = 0;
  for (size_t part = 0; part < 2; part++) {
    for (unsigned i = 0; i < parts[part]->count; i++)
      bytes += parts[part]->buffers[i].size;
    bytes -= parts[part]->offset;
  }
  size_t buffers_size = count * sizeof(struct dgram__rx_buffer);
  struct dgram__backlog *backlog = malloc(sizeof *backlog + buffers_size + bytes);
  if (backlog == NULL)
    return NULL;
  backlog->batch = *batch;
  backlog->batch.filter |= parts[1]->filter;
  backlog->batch.buffers = backlog->buffers;
  backlog->batch.count = (unsigned)count;
  backlog->batch.offset = 0;
  struct dgram__rx_buffer *to = backlog->buffers;
  char *data = (char *)backlog->buffers + buffers_size;
  for (size_t part = 0; part < 2; part++) {
    size_t offset = parts[part]->offset;
    for (unsigned i = 0; i < parts[part]->count; i++, to++, offset = 0) {
      *to = parts[part]->buffers[i];
      to->size -= offset;
      to->data = memcpy(data, to->data + offset, to->size);
      data += to->size;
    }
  }
  return backlog;
}

/* ---- kept, and emitted ---- */

static void receive_backlog(dgram_socket_t *socket);

/* A backlog of before 'listening' waits for that. */
static void receive_schedule_backlog(dgram_socket_t *socket) {
  static const struct dgram__task_type task = {receive_backlog,
                                               offsetof(dgram_socket_t, tasks.backlog)};
  if (socket->binding.state == DGRAM__LISTENING)
    dgram__enqueue(socket, &socket->loop->backlogs, &task);
}

void dgram__receive_set_backlog(dgram_socket_t *socket, struct dgram__backlog *backlog) {
  if (socket->rx.backlog != backlog)
    free(socket->rx.backlog);
  socket->rx.backlog = backlog;
  receive_schedule_backlog(socket);
}

void dgram__receive_keep(dgram_socket_t *socket, struct dgram__rx_batch *batch) {
  struct dgram__backlog *diverted = socket->rx.backlog;
  struct dgram__backlog *backlog =
      receive_copy_batches(batch, diverted != NULL ? &diverted->batch : NULL);
  if (backlog != NULL) {
    dgram__receive_set_backlog(socket, backlog);
    return;
  }
  while (batch->count > 0 && socket->life == DGRAM__OPEN) {
    struct dgram__rx_iteration iteration = dgram__rx_iteration_begin(socket);
    iteration.respect = DGRAM__RX_DESPITE_PAUSE;
    const struct dgram__rx_batch before = *batch;
    dgram__receive_emit(socket, batch, &iteration);
    if (batch->buffers == before.buffers && batch->offset == before.offset) {
      dgram__receive_emit_loss(socket, UV_ENOMEM);
      return;
    }
  }
}

/* Emits messages of the backlog; that of a paused socket stays for dgram_resume(). */
static void receive_backlog(dgram_socket_t *socket) {
  struct dgram__rx *rx = &socket->rx;
  struct dgram__backlog *backlog = rx->backlog;
  if (backlog == NULL || rx->paused != 0)
    return;
  struct dgram__rx_iteration iteration = dgram__rx_iteration_begin(socket);
  rx->backlog = NULL; /* a listener that closes the socket must not free it */
  rx->backlog_iteration = socket->loop->iteration + 1; /* which begins when the loop polls */
  dgram__receive_emit(socket, &backlog->batch, &iteration);
  if (backlog->batch.count == 0 || socket->life != DGRAM__OPEN) {
    free(backlog);
  } else if (rx->backlog == NULL) {
    dgram__receive_set_backlog(socket, backlog);
  } else {
    dgram__receive_keep(socket, &backlog->batch);
    free(backlog);
  }
  dgram__send_flush(socket);
}

void dgram__receive_listening(dgram_socket_t *socket) {
  if (socket->rx.backlog != NULL)
    receive_schedule_backlog(socket);
}

void dgram__receive_lend(dgram_socket_t *socket) {
  dgram__hold(socket);
  dgram__receive_share(socket);
  while (socket->rx.backlog != NULL && socket->rx.sizing == DGRAM__BATCH_SAFE &&
         socket->rx.paused == 0)
    receive_backlog(socket);
  dgram__release(socket);
}

/* ---- diverted ---- */

enum { MOST_DIVERTED = 4096 }; /* by one call: what comes, may come without end */

/*
 * Receive buffers apart from the loop's: those have a batch that is being delivered, perhaps. Pages
 * that are not used cost nothing.
 */
struct rx_spare {
  struct dgram__rx_buffers buffers;
  char data[DGRAM__RX_BUFFERS][DGRAM__RX_BUFFER_SIZE];
};

/* NULL: no memory. */
static struct rx_spare *rx_spare_new(void) {
  struct rx_spare *spare = malloc(sizeof *spare);
  if (spare == NULL)
    return NULL;
  memset(&spare->buffers, 0, sizeof spare->buffers);
  for (size_t i = 0; i < DGRAM__RX_BUFFERS; i++)
    spare->buffers.all[i].data = spare->data[i];
  dgram__rx_buffers_init(&spare->buffers);
  return spare;
}

/* The backlog is copied for it. Without memory what the buffers have is lost. */
static void receive_append(dgram_socket_t *socket, struct dgram__rx_buffer buffers[],
                           unsigned count) {
  struct dgram__backlog *before = socket->rx.backlog;
  struct dgram__rx_batch batch = {.buffers = buffers, .count = count, .filter = DGRAM__FILTER_NONE};
  if ((socket->rx.filter & DGRAM__FILTER_ACCESS) != 0)
    dgram__access_filter(socket, buffers, count);
  struct dgram__backlog *backlog = before != NULL ? receive_copy_batches(&before->batch, &batch)
                                                  : receive_copy_batches(&batch, NULL);
  if (backlog != NULL)
    dgram__receive_set_backlog(socket, backlog);
}

/*
 * Moves what the system has queued for the socket into its backlog, unless others could have it, or
 * the socket is paused so that it stays there.
 */
static void receive_fetch(dgram_socket_t *socket, struct rx_spare *spare) {
  if (socket->rx.max_batch == 1 || socket->rx.paused != 0)
    return;
  for (int i = 0; i < MOST_DIVERTED / DGRAM__RX_BUFFERS; i++) {
    int received = dgram__receive_call(socket, &spare->buffers, DGRAM__RX_BUFFERS);
    if (received <= 0)
      return;
    receive_append(socket, spare->buffers.all, (unsigned)received);
  }
}

void dgram__receive_divert(dgram_socket_t *socket, dgram_socket_t *server) {
  if (!dgram__udp_is_readable(&socket->udp))
    return;
  struct rx_spare *spare = rx_spare_new();
  if (spare == NULL)
    return;
  receive_fetch(server, spare);
  for (int i = 0; i < MOST_DIVERTED; i++) {
    struct dgram__rx_buffer *buffer = &spare->buffers.all[0];
    (void)dgram__count_call(socket);
    if (dgram__udp_recv(&socket->udp, &spare->buffers, 1) <= 0)
      break;
    bool own = dgram__is_connected(&socket->connecting) &&
               dgram__receive_is_from_peer(&socket->connecting, &buffer->from);
    receive_append(own ? socket : server, buffer, 1);
  }
  free(spare);
}

void dgram__receive_divert_batch(dgram_socket_t *socket, struct dgram__rx_buffer buffers[],
                                 unsigned count) {
  dgram_socket_t *server = dgram__accept_server(socket);
  for (unsigned i = 0; i < count; i++) {
    struct dgram__rx_buffer *buffer = &buffers[i];
    if (buffer->segment < 0 || !dgram__is_connected(&socket->connecting) ||
        dgram__receive_is_from_peer(&socket->connecting, &buffer->from))
      continue;
    if (server != NULL)
      receive_append(server, buffer, 1);
    buffer->segment = DGRAM__RX_REFUSED;
    buffer->size = 0; /* a backlog need not copy it */
  }
}

void dgram__receive_forget(dgram_socket_t *socket) {
  free(socket->rx.backlog);
  socket->rx.backlog = NULL;
}

/*
 * Received datagrams as 'messages', many at a time.
 *
 * 1. As many datagrams are gathered as the listeners were fast enough for before.
 * 2. Listeners of 'messages' get them; what they do not take (dgram_pause_at()) is put back.
 * 3. Then come losses, and a 'message' for each if that has listeners.
 * 4. How long the listeners took is measured.
 */
#include "receive.h"

enum { MIN_MESSAGE_BATCH = 8 /* datagrams that are gathered, however slow the listeners are */ };

/* How many one emission has: as many as the listeners were fast enough for before. */
static unsigned receive_chunk_of(const struct dgram__rx *rx,
                                 const struct dgram__rx_iteration *iteration) {
  uint64_t chunk = DGRAM__MESSAGE_BATCH;
  if (rx->message_ns != 0 && !dgram__rx_iteration_is_short(iteration))
    chunk = iteration->spent < DGRAM__EMIT_NS ? (DGRAM__EMIT_NS - iteration->spent) / rx->message_ns
                                              : 0;
  if (chunk < MIN_MESSAGE_BATCH)
    chunk = MIN_MESSAGE_BATCH;
  if (chunk > DGRAM__MESSAGE_BATCH)
    chunk = DGRAM__MESSAGE_BATCH;
  unsigned left = iteration->budget - iteration->emitted;
  return chunk < left ? (unsigned)chunk : left;
}

/* Takes up to `chunk` datagrams of the first buffer. */
static void receive_gather_first(struct dgram__message_batch *messages,
                                 struct dgram__rx_batch *batch, unsigned chunk) {
  struct dgram__rx_buffer *buffer = batch->buffers;
  const char *message = buffer->data + batch->offset;
  size_t left = buffer->size - batch->offset;
  dgram_message_t *to = &messages->messages[messages->count];
  const dgram_message_t *end = &messages->messages[chunk];
  messages->sender = dgram__receive_read_sender(buffer);
  do {
    size_t size = dgram__gro_first_size(left, buffer->segment);
    to->message = message;
    to->rinfo = messages->sender;
    to->rinfo.size = size;
    message += size;
    left -= size;
    to++;
  } while (left > 0 && to < end);
  messages->count = (size_t)(to - messages->messages);
  batch->offset = buffer->size - left;
  if (left == 0)
    dgram__receive_drop_first(batch);
}

/* Takes up to `chunk` datagrams off the batch. */
static void receive_gather(dgram_socket_t *socket, struct dgram__message_batch *messages,
                           struct dgram__rx_batch *batch, unsigned chunk) {
  messages->count = 0;
  messages->losses = 0;
  messages->refused = 0;
  while (batch->count > 0 && messages->count < chunk) {
    const struct dgram__rx_buffer *first = batch->buffers;
    if (first->segment == DGRAM__RX_REFUSED) {
      messages->refused++;
      dgram__receive_drop_first(batch);
    } else if (first->segment < 0) {
      messages->loss[messages->losses].before = messages->count;
      messages->loss[messages->losses].code = first->segment;
      messages->losses++;
      dgram__receive_drop_first(batch);
    } else if (dgram__receive_is_foreign(socket, batch, &first->from)) {
      dgram__receive_count_refused(socket, batch, first, first->size - batch->offset);
      messages->refused++;
      dgram__receive_drop_first(batch);
    } else {
      receive_gather_first(messages, batch, chunk);
    }
  }
}

/* Listeners of 'messages' get the batch again from a message on, and with it the losses behind. */
static void receive_put_back(struct dgram__message_batch *messages, struct dgram__rx_batch *batch) {
  const dgram_message_t *first = &messages->messages[messages->delivered];
  struct dgram__rx_buffer *buffer =
      DGRAM__LIST_ENTRY(first->rinfo.sockaddr, struct dgram__rx_buffer, from);
  batch->count += (unsigned)(batch->buffers - buffer);
  batch->buffers = buffer;
  batch->offset = (size_t)(first->message - buffer->data);
  messages->count = messages->delivered;
  while (messages->losses > 0 && messages->loss[messages->losses - 1].before > messages->count)
    messages->losses--;
}

/*
 * Emits 'messages'; what a listener does not take is put back, and comes in another iteration, also
 * if the listener has had the socket receive again at once. Returns whether all was taken.
 */
static bool receive_emit_messages(dgram_socket_t *socket, struct dgram__message_batch *messages,
                                  struct dgram__rx_batch *batch) {
  messages->delivered = messages->count;
  socket->rx.reporting = (uint16_t)messages->count;
  dgram__emit_messages(socket, messages->pointers, messages->count);
  socket->rx.reporting = 0;
  if (messages->delivered == messages->count)
    return true;
  receive_put_back(messages, batch);
  return false;
}

/* After 'messages': the losses, and a 'message' for each if that has listeners. */
static void receive_emit_gathered(dgram_socket_t *socket,
                                  const struct dgram__message_batch *messages,
                                  const struct dgram__rx_batch *batch) {
  unsigned loss = 0;
  for (size_t i = 0; i <= messages->count; i++) {
    while (loss < messages->losses && messages->loss[loss].before == i &&
           socket->life == DGRAM__OPEN)
      dgram__receive_emit_loss(socket, messages->loss[loss++].code);
    if (i == messages->count || socket->life != DGRAM__OPEN)
      return;
    const dgram_message_t *message = &messages->messages[i];
    const union dgram__address *from = (const void *)message->rinfo.sockaddr;
    if (socket->events.message.list.first != NULL &&
        !dgram__receive_is_foreign(socket, batch, from))
      dgram__emit_message(socket, message->message, &message->rinfo);
  }
}

void dgram__receive_emit_many(dgram_socket_t *socket, struct dgram__rx_batch *batch,
                              struct dgram__rx_iteration *iteration) {
  struct dgram__rx *rx = &socket->rx;
  struct dgram__message_batch *messages = dgram__rx_messages(socket->loop);
  while (dgram__rx_iteration_goes_on(socket, iteration) && batch->count > 0) {
    receive_gather(socket, messages, batch, receive_chunk_of(rx, iteration));
    /* Fewer say little; in a simulation no time passes. */
    bool measured = messages->count >= MIN_MESSAGE_BATCH && !dgram__udp_is_simulated(&socket->udp);
    uint64_t began = measured ? uv_hrtime() : 0;
    bool all = messages->count == 0 || receive_emit_messages(socket, messages, batch);
    if (socket->events.message.list.first != NULL || messages->losses > 0)
      receive_emit_gathered(socket, messages, batch);
    iteration->emitted += (unsigned)messages->count + messages->losses + messages->refused;
    if (measured) {
      /* It falls slowly: many that take little may come before many that take long. */
      uint64_t took = uv_hrtime() - began;
      uint64_t of_one = took / (messages->count > 0 ? messages->count : 1) + 1;
      uint64_t least = rx->message_ns - rx->message_ns / 8;
      uint64_t next = of_one > least ? of_one : least;
      rx->message_ns = next < UINT32_MAX ? (uint32_t)next : UINT32_MAX;
      iteration->spent += took;
    }
    if (!all || (iteration->spent >= DGRAM__EMIT_NS && !dgram__rx_iteration_is_short(iteration)))
      iteration->limit = iteration->emitted;
  }
}

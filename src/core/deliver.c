/*
 * A batch -> 'messages', and a 'message' for each.
 *
 * A turn of the loop tells a socket's listeners a bounded number of datagrams, in a bounded time,
 * so that neither a fast sender nor a slow listener keeps timers and other sockets waiting. What
 * is then left in the batch receive.c keeps for the next turns.
 */
#include "internal.h"

enum {
  TURN_NS = 400 * 1000, /* that listeners may take of a turn */
  UNTIMED = 4,          /* datagrams of a turn before the clock is looked at */
  SHORT_BUDGET = 32,    /* so few are told in a turn however long they take, as by libuv */
  LONGEST_STEP = 32,    /* datagrams between two looks: any of them may be a slow one */
  LEAST_CHUNK = 8       /* messages of a call of 'messages', however long it takes */
};

/* ---- a turn: how much is told ---- */

struct dgram__iteration dgram__iteration_begin(const dgram_socket_t *socket) {
  unsigned budget = socket->rx.budget;
  return (struct dgram__iteration){.budget = budget,
                                   .look_at = budget <= SHORT_BUDGET ? budget : UNTIMED};
}

bool dgram__iteration_is_short(const struct dgram__iteration *turn) {
  return turn->budget <= SHORT_BUDGET;
}

/* The time that a datagram takes, ns; some have been told since the clock was first looked at. */
static uint64_t receive_time_of_one(const struct dgram__iteration *turn, uint64_t elapsed) {
  return elapsed / (turn->told - turn->began_at) + 1;
}

/* How many may be told before the clock is looked at again: half of what the time left will do. */
static unsigned receive_step_of(const struct dgram__iteration *turn, uint64_t elapsed) {
  uint64_t step = (TURN_NS - elapsed) / receive_time_of_one(turn, elapsed) / 2;
  return step < LONGEST_STEP ? (unsigned)step + 1 : LONGEST_STEP;
}

__attribute__((noinline)) static void receive_look(struct dgram__iteration *turn) {
  uint64_t now = uv_hrtime();
  unsigned step = UNTIMED;
  if (turn->began == 0) {
    turn->began = now;
    turn->began_at = turn->told;
  } else if (now - turn->began < TURN_NS) {
    step = receive_step_of(turn, now - turn->began);
  } else {
    turn->over = true;
  }
  turn->look_at = turn->told + step < turn->budget ? turn->told + step : turn->budget;
  turn->over |= turn->told >= turn->budget;
}

/* ---- a batch: what is to be told ---- */

/* The kernel filters for a connected socket, but not what had come before it was connected. */
static inline bool receive_is_foreign(const dgram_socket_t *socket,
                                      const struct dgram__received *batch,
                                      const union dgram__address *from) {
  const struct dgram__connecting *connecting = &socket->connecting;
  return batch->filter && dgram__is_connected(connecting) &&
         !dgram__address_equal(from, &connecting->peer) &&
         !dgram__address_equal(from, &connecting->to);
}

static struct dgram__gro_iter receive_gro_iter(const struct dgram__received *batch) {
  const struct dgram__rx_buffer *slot = batch->slots;
  return (struct dgram__gro_iter){.data = slot->data + batch->offset,
                                  .left = slot->size - batch->offset,
                                  .segment = (size_t)slot->segment};
}

/* What has been told of the first buffer is not told again. */
static void receive_put_back(struct dgram__received *batch, const struct dgram__gro_iter *pieces) {
  batch->offset = batch->slots->size - pieces->left;
}

static void receive_drop_slot(struct dgram__received *batch) {
  batch->slots++;
  batch->count--;
  batch->offset = 0;
}

/* The sender of what is in the slot; as text when it is asked for, with room for that. */
static dgram_rinfo_t receive_read_sender(const struct dgram__rx_buffer *slot,
                                         char text[DGRAM_ADDRESS_TEXT]) {
  text[0] = '\0';
  return (dgram_rinfo_t){.sockaddr = &slot->from.any,
                         .family = dgram__family_name(slot->from.any.sa_family),
                         .port = dgram__address_port(&slot->from),
                         .text = text};
}

/* ---- 'message' ---- */

/* Nobody is told of the buffer, unless it was lost on the way in. */
static void receive_pass_slot(dgram_socket_t *socket, const struct dgram__rx_buffer *slot) {
  if (slot->segment < 0)
    dgram__emit_error(socket, slot->segment, "recvmsg", NULL, 0);
}

static bool receive_is_wanted(const dgram_socket_t *socket, const struct dgram__received *batch,
                              const struct dgram__rx_buffer *slot) {
  return slot->segment >= 0 && socket->events.message.first != NULL &&
         !receive_is_foreign(socket, batch, &slot->from);
}

/* A listener has closed or connected the socket, or the clock is to be looked at. */
__attribute__((noinline)) static bool receive_may_go_on(dgram_socket_t *socket,
                                                        struct dgram__iteration *turn) {
  socket->rx.recheck = false;
  if (turn->told >= turn->look_at)
    receive_look(turn);
  return !turn->over && !socket->closing;
}

/*
 * Tells messages one by one, until all are told or the turn is over. This is done for each
 * datagram, so what changes with it is kept in variables, and a buffer with one is told at once.
 */
__attribute__((noinline)) static void receive_tell_each(dgram_socket_t *socket,
                                                        struct dgram__received *batch,
                                                        struct dgram__iteration *turn) {
  const struct dgram__rx_buffer *slot = batch->slots;
  const struct dgram__rx_buffer *end = slot + batch->count;
  size_t offset = batch->offset;
  bool goes_on = receive_may_go_on(socket, turn);
  unsigned until = turn->look_at - turn->told;
  while (goes_on && slot < end) {
    char text[DGRAM_ADDRESS_TEXT];
    dgram_rinfo_t rinfo = receive_read_sender(slot, text);
    const char *data = slot->data + offset;
    size_t left = slot->size - offset;
    bool wanted = receive_is_wanted(socket, batch, slot);
    if (!wanted) { /* it counts, too: a turn ends though nobody listens */
      receive_pass_slot(socket, slot);
      until--;
      turn->told = turn->look_at - until;
      goes_on = receive_may_go_on(socket, turn);
      until = turn->look_at - turn->told;
    }
    while (wanted && goes_on) {
      rinfo.size = dgram__gro_first_size(left, slot->segment);
      dgram__emit_message(socket, data, &rinfo);
      data += rinfo.size;
      left -= rinfo.size;
      if (--until == 0 || socket->rx.recheck) {
        turn->told = turn->look_at - until;
        goes_on = receive_may_go_on(socket, turn);
        until = turn->look_at - turn->told;
        wanted = left > 0 && receive_is_wanted(socket, batch, slot);
      }
      if (left == 0)
        break;
    }
    offset = wanted && left > 0 ? slot->size - left : 0;
    slot += offset == 0;
  }
  turn->told = turn->look_at - until;
  batch->slots = slot;
  batch->count = (unsigned)(end - slot);
  batch->offset = offset;
}

/* ---- 'messages' ---- */

/* How many may be told by one call: as many as the listeners were quick enough for before. */
static unsigned receive_chunk_of(const struct dgram__rx *receiving,
                                 const struct dgram__iteration *turn) {
  uint64_t chunk = DGRAM__MESSAGE_BATCH_SIZE;
  if (receiving->each != 0 && !dgram__iteration_is_short(turn))
    chunk = turn->spent < TURN_NS ? (TURN_NS - turn->spent) / receiving->each : 0;
  if (chunk < LEAST_CHUNK)
    chunk = LEAST_CHUNK;
  if (chunk > DGRAM__MESSAGE_BATCH_SIZE)
    chunk = DGRAM__MESSAGE_BATCH_SIZE;
  unsigned left = turn->budget - turn->told;
  return chunk < left ? (unsigned)chunk : left;
}

static void receive_note_loss(struct dgram__message_batch *basket, struct dgram__received *batch) {
  basket->loss[basket->losses].before = basket->count;
  basket->loss[basket->losses].code = batch->slots->segment;
  basket->losses++;
  receive_drop_slot(batch);
}

/* Takes up to `chunk` datagrams of the first buffer. */
static void receive_gather_slot(struct dgram__message_batch *basket, struct dgram__received *batch,
                                unsigned chunk, char text[DGRAM_ADDRESS_TEXT]) {
  struct dgram__gro_iter pieces = receive_gro_iter(batch);
  dgram_rinfo_t rinfo = receive_read_sender(batch->slots, text);
  const char *message;
  bool more = true;
  while (basket->count < chunk && (more = dgram__gro_next(&pieces, &message, &rinfo.size)))
    basket->messages[basket->count++] = (dgram_message_t){.message = message, .rinfo = rinfo};
  receive_put_back(batch, &pieces);
  if (!more || pieces.left == 0)
    receive_drop_slot(batch);
}

/* Takes up to `chunk` datagrams off the batch. */
static void receive_gather(dgram_socket_t *socket, struct dgram__received *batch, unsigned chunk) {
  struct dgram__message_batch *basket = socket->loop->basket;
  unsigned senders = 0;
  basket->count = 0;
  basket->losses = 0;
  while (batch->count > 0 && basket->count < chunk) {
    if (batch->slots->segment < 0)
      receive_note_loss(basket, batch);
    else if (receive_is_foreign(socket, batch, &batch->slots->from))
      receive_drop_slot(batch);
    else
      receive_gather_slot(basket, batch, chunk, basket->senders[senders++]);
  }
}

/* After 'messages' each is a 'message', too, if that is listened to. */
static void receive_emit_each(dgram_socket_t *socket, const struct dgram__received *batch) {
  const struct dgram__message_batch *basket = socket->loop->basket;
  unsigned loss = 0;
  for (size_t i = 0; i <= basket->count; i++) {
    for (; loss < basket->losses && basket->loss[loss].before == i && !socket->closing; loss++)
      dgram__emit_error(socket, basket->loss[loss].code, "recvmsg", NULL, 0);
    if (i == basket->count || socket->closing)
      return;
    const dgram_message_t *message = &basket->messages[i];
    const union dgram__address *from = (const void *)message->rinfo.sockaddr;
    if (socket->events.message.first != NULL && !receive_is_foreign(socket, batch, from))
      dgram__emit_message(socket, message->message, &message->rinfo);
  }
}

static void receive_emit_gathered(dgram_socket_t *socket, const struct dgram__received *batch) {
  const struct dgram__message_batch *basket = socket->loop->basket;
  if (basket->count > 0)
    dgram__emit_messages(socket, basket->told, basket->count);
  if (socket->events.message.first != NULL || basket->losses > 0)
    receive_emit_each(socket, batch);
}

/* It falls slowly: a sender may put many that take little before many that take long. */
static void receive_note_each(struct dgram__rx *receiving, uint64_t each) {
  uint64_t least = receiving->each - receiving->each / 8;
  if (each < least)
    each = least;
  receiving->each = each < UINT32_MAX ? (uint32_t)each : UINT32_MAX;
}

/* Tells messages many at a time, and measures how long the listeners take; few tell little. */
static void receive_emit_gathered_batch(dgram_socket_t *socket, struct dgram__received *batch,
                                        struct dgram__iteration *turn) {
  const struct dgram__message_batch *basket = socket->loop->basket;
  while (!turn->over && batch->count > 0 && !socket->closing) {
    receive_gather(socket, batch, receive_chunk_of(&socket->rx, turn));
    bool measured = basket->count >= LEAST_CHUNK;
    uint64_t began = measured ? uv_hrtime() : 0;
    receive_emit_gathered(socket, batch);
    turn->told += (unsigned)basket->count + basket->losses;
    if (measured) {
      uint64_t took = uv_hrtime() - began;
      turn->spent += took;
      receive_note_each(&socket->rx, took / basket->count + 1);
    }
    bool late = turn->spent >= TURN_NS && !dgram__iteration_is_short(turn);
    turn->over = turn->told >= turn->budget || late;
  }
}

/* ---- telling ---- */

void dgram__deliver(dgram_socket_t *socket, struct dgram__received *batch,
                    struct dgram__iteration *turn) {
  socket->rx.telling = batch;
  if (socket->events.messages.first != NULL)
    receive_emit_gathered_batch(socket, batch, turn);
  else
    receive_tell_each(socket, batch, turn);
  socket->rx.telling = NULL;
}

/*
 * Readable socket -> the datagrams of one receive call -> 'messages', and a 'message' for each.
 *
 *   dgram__receive()          one receive call, into the loop's buffers; some datagrams are told
 *   keep()                    what is left is copied, and told in the loop's next turns
 *   dgram__receive_backlog()  one such turn
 *
 * A turn of the loop tells a socket's listeners a bounded number of datagrams, in a bounded time,
 * so that neither a fast sender nor a slow listener keeps timers and other sockets waiting. There
 * is no reading until EAGAIN: if more is there, the loop says so in its next turn. So that little
 * is left over, a receive call gets as many buffers as the listeners were quick enough for before.
 *
 * What another holder of the system socket could have had must not be lost with this one: there a
 * receive call takes one datagram, which is told before the next call.
 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

enum {
  TURN_NS = 400 * 1000, /* that listeners may take of a turn */
  UNTIMED = 4,          /* datagrams of a turn before the clock is looked at */
  SHORT_BUDGET = 32,    /* so few are told in a turn however long they take, as by libuv */
  LONGEST_STEP = 32,    /* datagrams between two looks: any of them may be a slow one */
  FIRST_WINDOW = 8,
  LEAST_CHUNK = 8 /* messages of a call of 'messages', however long it takes */
};

static void set_budget(struct dgram__receiving *receiving, int budget) {
  receiving->budget = budget > 0 ? (unsigned)budget : DGRAM__RECEIVE_BUDGET;
}

int dgram_set_receive_budget(dgram_socket_t *socket, int budget) {
  if (socket == NULL || budget < 0)
    return UV_EINVAL;
  if (socket->closing)
    return DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING;
  set_budget(&socket->receiving, budget);
  return 0;
}

void dgram__receive_init(dgram_socket_t *socket, const dgram_options_t *options) {
  struct dgram__receiving *receiving = &socket->receiving;
  int batch = options->receive_batch;
  receiving->most = (unsigned char)(batch > 0 && batch < DGRAM__SLOTS ? batch : DGRAM__SLOTS);
  receiving->window = receiving->most < FIRST_WINDOW ? receiving->most : FIRST_WINDOW;
  receiving->shares = batch == 0;
  set_budget(receiving, options->receive_budget);
}

void dgram__receive_share(dgram_socket_t *socket) {
  if (socket->receiving.shares)
    socket->receiving.most = socket->receiving.window = 1;
}

void dgram__receive_forget(dgram_socket_t *socket) {
  free(socket->receiving.backlog);
  socket->receiving.backlog = NULL;
}

/* ---- a turn: how much is told ---- */

struct turn {
  unsigned budget;   /* datagrams */
  unsigned told;     /* of these */
  unsigned look_at;  /* so many told: the clock is looked at, or the budget is used up */
  uint64_t began;    /* ns; 0: the clock has not been looked at */
  unsigned began_at; /* datagrams told by then */
  uint64_t spent;    /* ns, by listeners of 'messages' */
  bool over;
};

static struct turn begin_turn(const dgram_socket_t *socket) {
  unsigned budget = socket->receiving.budget;
  return (struct turn){.budget = budget, .look_at = budget <= SHORT_BUDGET ? budget : UNTIMED};
}

/* The time that a datagram takes, ns; some have been told since the clock was first looked at. */
static uint64_t time_of_one(const struct turn *turn, uint64_t elapsed) {
  return elapsed / (turn->told - turn->began_at) + 1;
}

/* How many may be told before the clock is looked at again: half of what the time left will do. */
static unsigned step_of(const struct turn *turn, uint64_t elapsed) {
  uint64_t step = (TURN_NS - elapsed) / time_of_one(turn, elapsed) / 2;
  return step < LONGEST_STEP ? (unsigned)step + 1 : LONGEST_STEP;
}

__attribute__((noinline)) static void look(struct turn *turn) {
  uint64_t now = uv_hrtime();
  unsigned step = UNTIMED;
  if (turn->began == 0) {
    turn->began = now;
    turn->began_at = turn->told;
  } else if (now - turn->began < TURN_NS) {
    step = step_of(turn, now - turn->began);
  } else {
    turn->over = true;
  }
  turn->look_at = turn->told + step < turn->budget ? turn->told + step : turn->budget;
  turn->over |= turn->told >= turn->budget;
}

/* ---- a batch: what is to be told ---- */

/* The kernel filters for a connected socket, but not what had come before it was connected. */
static inline bool is_foreign(const dgram_socket_t *socket, const struct dgram__batch *batch,
                              const union dgram__address *from) {
  const struct dgram__connecting *connecting = &socket->connecting;
  return batch->filter && dgram__is_connected(connecting) &&
         !dgram__address_equal(from, &connecting->peer) &&
         !dgram__address_equal(from, &connecting->to);
}

static struct dgram__pieces pieces_of(const struct dgram__batch *batch) {
  const struct dgram__slot *slot = batch->slots;
  return (struct dgram__pieces){.data = slot->data + batch->offset,
                                .left = slot->size - batch->offset,
                                .segment = (size_t)slot->segment};
}

/* What has been told of the first buffer is not told again. */
static void put_back(struct dgram__batch *batch, const struct dgram__pieces *pieces) {
  batch->offset = batch->slots->size - pieces->left;
}

static void drop_slot(struct dgram__batch *batch) {
  batch->slots++;
  batch->count--;
  batch->offset = 0;
}

/* The sender of what is in the slot; as text when it is asked for, with room for that. */
static dgram_rinfo_t read_sender(const struct dgram__slot *slot, char text[DGRAM_ADDRESS_TEXT]) {
  text[0] = '\0';
  return (dgram_rinfo_t){.sockaddr = &slot->from.any,
                         .family = dgram__family_name(slot->from.any.sa_family),
                         .port = dgram__address_port(&slot->from),
                         .text = text};
}

/* ---- 'message' ---- */

/* Nobody is told of the buffer, unless it was lost on the way in. */
static void pass_slot(dgram_socket_t *socket, const struct dgram__slot *slot) {
  if (slot->segment < 0)
    dgram__emit_error(socket, slot->segment, "recvmsg", NULL, 0);
}

static bool is_wanted(const dgram_socket_t *socket, const struct dgram__batch *batch,
                      const struct dgram__slot *slot) {
  return slot->segment >= 0 && socket->events.message.first != NULL &&
         !is_foreign(socket, batch, &slot->from);
}

/* A listener has closed or connected the socket, or the clock is to be looked at. */
__attribute__((noinline)) static bool may_go_on(dgram_socket_t *socket, struct turn *turn) {
  socket->receiving.recheck = false;
  if (turn->told >= turn->look_at)
    look(turn);
  return !turn->over && !socket->closing;
}

/*
 * Tells messages one by one, until all are told or the turn is over. This is done for each
 * datagram, so what changes with it is kept in variables, and a buffer with one is told at once.
 */
__attribute__((noinline)) static void tell_each(dgram_socket_t *socket, struct dgram__batch *batch,
                                                struct turn *turn) {
  const struct dgram__slot *slot = batch->slots;
  const struct dgram__slot *end = slot + batch->count;
  size_t offset = batch->offset;
  bool goes_on = may_go_on(socket, turn);
  unsigned until = turn->look_at - turn->told;
  while (goes_on && slot < end) {
    char text[DGRAM_ADDRESS_TEXT];
    dgram_rinfo_t rinfo = read_sender(slot, text);
    const char *data = slot->data + offset;
    size_t left = slot->size - offset;
    bool wanted = is_wanted(socket, batch, slot);
    if (!wanted) { /* it counts, too: a turn ends though nobody listens */
      pass_slot(socket, slot);
      until--;
      turn->told = turn->look_at - until;
      goes_on = may_go_on(socket, turn);
      until = turn->look_at - turn->told;
    }
    while (wanted && goes_on) {
      rinfo.size = dgram__first_piece(left, slot->segment);
      dgram__emit_message(socket, data, &rinfo);
      data += rinfo.size;
      left -= rinfo.size;
      if (--until == 0 || socket->receiving.recheck) {
        turn->told = turn->look_at - until;
        goes_on = may_go_on(socket, turn);
        until = turn->look_at - turn->told;
        wanted = left > 0 && is_wanted(socket, batch, slot);
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
static unsigned chunk_of(const struct dgram__receiving *receiving, const struct turn *turn) {
  uint64_t chunk = DGRAM__BASKET_SIZE;
  if (receiving->each != 0 && turn->budget > SHORT_BUDGET)
    chunk = turn->spent < TURN_NS ? (TURN_NS - turn->spent) / receiving->each : 0;
  if (chunk < LEAST_CHUNK)
    chunk = LEAST_CHUNK;
  if (chunk > DGRAM__BASKET_SIZE)
    chunk = DGRAM__BASKET_SIZE;
  unsigned left = turn->budget - turn->told;
  return chunk < left ? (unsigned)chunk : left;
}

static void note_loss(struct dgram__basket *basket, struct dgram__batch *batch) {
  basket->loss[basket->losses].before = basket->count;
  basket->loss[basket->losses].code = batch->slots->segment;
  basket->losses++;
  drop_slot(batch);
}

/* Takes up to `chunk` datagrams of the first buffer. */
static void gather_slot(struct dgram__basket *basket, struct dgram__batch *batch, unsigned chunk,
                        char text[DGRAM_ADDRESS_TEXT]) {
  struct dgram__pieces pieces = pieces_of(batch);
  dgram_rinfo_t rinfo = read_sender(batch->slots, text);
  const char *message;
  bool more = true;
  while (basket->count < chunk && (more = dgram__pieces_next(&pieces, &message, &rinfo.size)))
    basket->messages[basket->count++] = (dgram_message_t){.message = message, .rinfo = rinfo};
  put_back(batch, &pieces);
  if (!more || pieces.left == 0)
    drop_slot(batch);
}

/* Takes up to `chunk` datagrams off the batch. */
static void gather(dgram_socket_t *socket, struct dgram__batch *batch, unsigned chunk) {
  struct dgram__basket *basket = socket->loop->basket;
  unsigned senders = 0;
  basket->count = 0;
  basket->losses = 0;
  while (batch->count > 0 && basket->count < chunk) {
    if (batch->slots->segment < 0)
      note_loss(basket, batch);
    else if (is_foreign(socket, batch, &batch->slots->from))
      drop_slot(batch);
    else
      gather_slot(basket, batch, chunk, basket->senders[senders++]);
  }
}

/* After 'messages' each is a 'message', too, if that is listened to. */
static void emit_each(dgram_socket_t *socket, const struct dgram__batch *batch) {
  const struct dgram__basket *basket = socket->loop->basket;
  unsigned loss = 0;
  for (size_t i = 0; i <= basket->count; i++) {
    for (; loss < basket->losses && basket->loss[loss].before == i && !socket->closing; loss++)
      dgram__emit_error(socket, basket->loss[loss].code, "recvmsg", NULL, 0);
    if (i == basket->count || socket->closing)
      return;
    const dgram_message_t *message = &basket->messages[i];
    const union dgram__address *from = (const void *)message->rinfo.sockaddr;
    if (socket->events.message.first != NULL && !is_foreign(socket, batch, from))
      dgram__emit_message(socket, message->message, &message->rinfo);
  }
}

static void emit_gathered(dgram_socket_t *socket, const struct dgram__batch *batch) {
  const struct dgram__basket *basket = socket->loop->basket;
  if (basket->count > 0)
    dgram__emit_messages(socket, basket->told, basket->count);
  if (socket->events.message.first != NULL || basket->losses > 0)
    emit_each(socket, batch);
}

/* It falls slowly: a sender may put many that take little before many that take long. */
static void note_each(struct dgram__receiving *receiving, uint64_t each) {
  uint64_t least = receiving->each - receiving->each / 8;
  if (each < least)
    each = least;
  receiving->each = each < UINT32_MAX ? (uint32_t)each : UINT32_MAX;
}

/* Tells messages many at a time, and measures how long the listeners take; few tell little. */
static void tell_together(dgram_socket_t *socket, struct dgram__batch *batch, struct turn *turn) {
  const struct dgram__basket *basket = socket->loop->basket;
  while (!turn->over && batch->count > 0 && !socket->closing) {
    gather(socket, batch, chunk_of(&socket->receiving, turn));
    bool measured = basket->count >= LEAST_CHUNK;
    uint64_t began = measured ? uv_hrtime() : 0;
    emit_gathered(socket, batch);
    turn->told += (unsigned)basket->count + basket->losses;
    if (measured) {
      uint64_t took = uv_hrtime() - began;
      turn->spent += took;
      note_each(&socket->receiving, took / basket->count + 1);
    }
    bool late = turn->spent >= TURN_NS && turn->budget > SHORT_BUDGET;
    turn->over = turn->told >= turn->budget || late;
  }
}

/* ---- telling ---- */

static void tell(dgram_socket_t *socket, struct dgram__batch *batch, struct turn *turn) {
  socket->receiving.telling = batch;
  if (socket->events.messages.first != NULL)
    tell_together(socket, batch, turn);
  else
    tell_each(socket, batch, turn);
  socket->receiving.telling = NULL;
}

/*
 * A send's callback comes before the reply that it provokes: programs begin to listen in it, or
 * connect the socket.
 */
static void tell_after_sends(dgram_socket_t *socket, struct dgram__batch *batch,
                             struct turn *turn) {
  socket->receiving.telling = batch;
  dgram__outbox_complete_done(socket);
  tell(socket, batch, turn);
}

/* ---- what is left for the next turns ---- */

/* Bytes of a buffer that are still to be told. */
static size_t left_of(const struct dgram__batch *batch, unsigned slot) {
  if (batch->slots[slot].segment < 0)
    return 0;
  return batch->slots[slot].size - (slot == 0 ? batch->offset : 0);
}

/* Copies the batch out of the loop's buffers, which other sockets need. NULL: no memory. */
static struct dgram__backlog *copy_batch(const struct dgram__batch *batch) {
  size_t slots = batch->count * sizeof(struct dgram__slot);
  size_t bytes = 0;
  for (unsigned i = 0; i < batch->count; i++)
    bytes += left_of(batch, i);
  struct dgram__backlog *backlog = malloc(sizeof *backlog + slots + bytes);
  if (backlog == NULL)
    return NULL;
  char *data = (char *)backlog->slots + slots;
  for (unsigned i = 0; i < batch->count; i++) {
    const struct dgram__slot *from = &batch->slots[i];
    size_t size = left_of(batch, i);
    backlog->slots[i] = *from;
    backlog->slots[i].data = data;
    backlog->slots[i].size = size;
    memcpy(data, from->data + (from->size - size), size);
    data += size;
  }
  backlog->batch = *batch;
  backlog->batch.slots = backlog->slots;
  backlog->batch.offset = 0;
  return backlog;
}

/* Without memory to keep it all is told now. */
static void keep(dgram_socket_t *socket, struct dgram__batch *batch) {
  struct dgram__backlog *backlog = copy_batch(batch);
  if (backlog != NULL) {
    socket->receiving.backlog = backlog;
    dgram__tell_later(socket);
    return;
  }
  while (batch->count > 0 && !socket->closing) {
    struct turn turn = begin_turn(socket);
    tell(socket, batch, &turn);
  }
}

void dgram__receive_backlog(dgram_socket_t *socket) {
  struct dgram__receiving *receiving = &socket->receiving;
  struct dgram__backlog *backlog = receiving->backlog;
  if (backlog == NULL)
    return;
  struct turn turn = begin_turn(socket);
  receiving->backlog = NULL;                /* a listener that closes the socket must not free it */
  receiving->turn = socket->loop->turn + 1; /* which begins when the loop polls */
  tell_after_sends(socket, &backlog->batch, &turn);
  if (backlog->batch.count > 0 && !socket->closing) {
    receiving->backlog = backlog;
    dgram__tell_later(socket);
  } else {
    free(backlog);
  }
  dgram__flush(socket);
}

/* ---- receiving ---- */

/*
 * An error that receiving does not clear comes with every wake-up, and is told once. Whether it is
 * another one than before.
 */
static bool tell_error(dgram_socket_t *socket, int err) {
  bool again = err == socket->receiving.said;
  socket->receiving.said = err;
  if ((!again || dgram__is_icmp_error(err)) && !socket->closing)
    dgram__emit_error(socket, err, "recvmsg", NULL, 0);
  return !again;
}

/* As many buffers as can be told in a turn; twice as many if that is not known. */
static void set_window(struct dgram__receiving *receiving, const struct turn *turn,
                       unsigned received, unsigned left) {
  unsigned window = receiving->window;
  if (left > 0)
    window = received - left;
  else if (received == window && turn->told < turn->budget)
    window *= 2;
  if (window > receiving->most)
    window = receiving->most;
  receiving->window = (unsigned char)(window > 0 ? window : 1);
}

/* Receives up to `most` buffers. Returns how many, or an error. */
static int receive_batch(dgram_socket_t *socket, struct dgram__batch *batch, unsigned most) {
  struct dgram__loop *loop = socket->loop;
  struct dgram__receiving *receiving = &socket->receiving;
  struct dgram__inbox *inbox = dgram__loop_inbox(loop);
  if (inbox == NULL)
    return UV_ENOMEM;
  int received = loop->datapath->recv(&socket->path, inbox, most);
  if (received < 0)
    return received;
  *batch = (struct dgram__batch){
      .slots = inbox->slots, .count = (unsigned)received, .filter = receiving->filter};
  /* The system's queue was empty, or an error has come between. */
  if (receiving->filter && (unsigned)received < most)
    receiving->filter = dgram__path_is_readable(&socket->path);
  if (received > 0)
    receiving->said = 0;
  loop->pace.turn += (unsigned)received;
  return received;
}

enum came {
  NOTHING,
  SOMETHING, /* or another error than before */
  AND_MORE   /* perhaps: it filled all the buffers that there were for it */
};

static enum came receive_and_tell(dgram_socket_t *socket, struct turn *turn) {
  struct dgram__batch batch;
  unsigned window = socket->receiving.window;
  if (window > turn->budget - turn->told) /* each has one datagram at least */
    window = turn->budget - turn->told;
  int received = receive_batch(socket, &batch, window);
  if (received <= 0) {
    dgram__outbox_complete_done(socket);
    return received < 0 && tell_error(socket, received) ? SOMETHING : NOTHING;
  }
  tell_after_sends(socket, &batch, turn);
  set_window(&socket->receiving, turn, (unsigned)received, batch.count);
  if (batch.count > 0 && !socket->closing)
    keep(socket, &batch);
  return (unsigned)received == window ? AND_MORE : SOMETHING;
}

/*
 * One receive call, unless the calls or the turn are small: then as many as the turn has room for.
 */
bool dgram__receive(dgram_socket_t *socket) {
  struct dgram__receiving *receiving = &socket->receiving;
  if (socket->closed)
    return false;
  if (receiving->backlog != NULL || receiving->turn == socket->loop->turn)
    return true; /* in this turn it has been told enough */
  struct turn turn = begin_turn(socket);
  enum came first = receive_and_tell(socket, &turn);
  enum came last = receiving->most == 1 || turn.budget <= SHORT_BUDGET ? first : NOTHING;
  while (last == AND_MORE && !turn.over && !socket->closing && receiving->backlog == NULL)
    last = receive_and_tell(socket, &turn);
  dgram__flush(socket);
  return first != NOTHING;
}

void dgram__receive_lend(dgram_socket_t *socket) {
  dgram__pin(socket);
  dgram__receive_share(socket);
  while (socket->receiving.backlog != NULL && socket->receiving.shares)
    dgram__receive_backlog(socket);
  dgram__unpin(socket);
}

/* Of what has been received only the peer's datagrams are told, and of what is queued. */
void dgram__receive_connected(dgram_socket_t *socket) {
  struct dgram__receiving *receiving = &socket->receiving;
  if (receiving->telling != NULL)
    receiving->telling->filter = true;
  if (receiving->backlog != NULL)
    receiving->backlog->batch.filter = true;
  receiving->filter = dgram__path_is_readable(&socket->path);
  receiving->recheck = true;
}

const char *dgram_rinfo_address(const dgram_rinfo_t *rinfo) {
  if (rinfo == NULL)
    return NULL;
  if (rinfo->text[0] == '\0')
    dgram__address_text((const union dgram__address *)(const void *)rinfo->sockaddr, rinfo->text);
  return rinfo->text;
}

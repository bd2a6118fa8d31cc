/*
 * Readable socket -> the datagrams of one receive call -> the listeners.
 *
 *   dgram__receive()          one receive call, into the loop's buffers; some of it is delivered
 *   keep()                    what is left is copied, and told in the loop's next turns
 *   dgram__receive_backlog()  one such turn
 *
 * There is no reading until EAGAIN: if more is there, the loop says so in its next turn. So that
 * little is left over, a receive call gets as many buffers as the listeners were quick enough for
 * before.
 *
 * What another holder of the system socket could have had must not be lost with this one: there a
 * receive call takes one datagram, which is told before the next call.
 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* ---- buffers ---- */

/*
 * A loop's receive buffers. The slots' bytes, the inbox and the basket are one block of memory:
 * what was received can't be lost for want of a basket. Pages of it that nobody uses cost nothing.
 *
 * A flood fills all slots at once, and to make their pages one by one takes so long that datagrams
 * are lost. So most slots lie on large pages, where the system has them; the few that a little
 * traffic fills don't, for such a page costs 2 MiB.
 */
enum {
  LARGE_PAGE = 2 * 1024 * 1024, /* bytes: of x86_64 and, mostly, arm64 */
  FEW = 8                       /* slots on small pages: the first ones */
};

static size_t rx_buffers_whole_pages(size_t bytes) {
  return (bytes + LARGE_PAGE - 1) / LARGE_PAGE * LARGE_PAGE;
}

/* Asks for large pages; without them all works the same. */
static void rx_buffers_enlarge_pages(void *block, size_t bytes) {
#ifdef MADV_HUGEPAGE
  madvise(block, bytes, MADV_HUGEPAGE);
#else
  (void)block, (void)bytes;
#endif
}

static void rx_buffers_place_slots(struct dgram__rx_buffers *inbox, char *many, char *few) {
  for (size_t i = 0; i < FEW; i++)
    inbox->slots[i].data = few + i * DGRAM__RX_BUFFER_SIZE;
  for (size_t i = FEW; i < DGRAM__RX_BUFFERS; i++)
    inbox->slots[i].data = many + (i - FEW) * DGRAM__RX_BUFFER_SIZE;
}

static void rx_buffers_make_inbox(struct dgram__loop *loop) {
  size_t many_bytes =
      rx_buffers_whole_pages((size_t)(DGRAM__RX_BUFFERS - FEW) * DGRAM__RX_BUFFER_SIZE);
  size_t few_bytes = (size_t)FEW * DGRAM__RX_BUFFER_SIZE;
  size_t rest = few_bytes + sizeof *loop->inbox + sizeof *loop->basket;
  void *block;
  if (posix_memalign(&block, LARGE_PAGE, many_bytes + rest) != 0)
    return;
  char *many = block;
  rx_buffers_enlarge_pages(many, many_bytes);
  char *few = many + many_bytes;
  loop->inbox_memory = many;
  loop->inbox = (struct dgram__rx_buffers *)(void *)(few + few_bytes);
  loop->basket = (struct dgram__message_batch *)(void *)(few + few_bytes + sizeof *loop->inbox);
  for (size_t i = 0; i < DGRAM__MESSAGE_BATCH_SIZE; i++)
    loop->basket->told[i] = &loop->basket->messages[i];
  memset(loop->inbox, 0, sizeof *loop->inbox);
  rx_buffers_place_slots(loop->inbox, many, few);
  dgram__rx_buffers_init(loop->inbox);
}

struct dgram__rx_buffers *dgram__rx_buffers_get(struct dgram__loop *loop) {
  if (loop->inbox == NULL)
    rx_buffers_make_inbox(loop);
  return loop->inbox;
}

enum { FIRST_WINDOW = 8 }; /* buffers of the first receive call */

static void receive_set_budget(struct dgram__rx *receiving, int budget) {
  receiving->budget = budget > 0 ? (unsigned)budget : DGRAM__RECEIVE_BUDGET;
}

int dgram_set_receive_budget(dgram_socket_t *socket, int budget) {
  if (socket == NULL || budget < 0)
    return UV_EINVAL;
  if (socket->life != DGRAM__OPEN)
    return DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING;
  receive_set_budget(&socket->rx, budget);
  return 0;
}

void dgram__receive_init(dgram_socket_t *socket, const dgram_options_t *options) {
  struct dgram__rx *receiving = &socket->rx;
  int batch = options->receive_batch;
  receiving->most =
      (unsigned char)(batch > 0 && batch < DGRAM__RX_BUFFERS ? batch : DGRAM__RX_BUFFERS);
  receiving->window = receiving->most < FIRST_WINDOW ? receiving->most : FIRST_WINDOW;
  receiving->shares = batch == 0;
  receive_set_budget(receiving, options->receive_budget);
}

void dgram__receive_share(dgram_socket_t *socket) {
  if (socket->rx.shares)
    socket->rx.most = socket->rx.window = 1;
}

void dgram__receive_forget(dgram_socket_t *socket) {
  free(socket->rx.backlog);
  socket->rx.backlog = NULL;
}

/*
 * A batch -> 'messages', and a 'message' for each.
 *
 * A turn of the loop tells a socket's listeners a bounded number of datagrams, in a bounded time,
 * so that neither a fast sender nor a slow listener keeps timers and other sockets waiting. What
 * is then left in the batch receive.c keeps for the next turns.
 */
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
  return slot->segment >= 0 && socket->events.message.list.first != NULL &&
         !receive_is_foreign(socket, batch, &slot->from);
}

/* A listener has closed or connected the socket, or the clock is to be looked at. */
__attribute__((noinline)) static bool receive_may_go_on(dgram_socket_t *socket,
                                                        struct dgram__iteration *turn) {
  socket->rx.recheck = false;
  if (turn->told >= turn->look_at)
    receive_look(turn);
  return !turn->over && socket->life == DGRAM__OPEN;
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
    for (; loss < basket->losses && basket->loss[loss].before == i && socket->life == DGRAM__OPEN;
         loss++)
      dgram__emit_error(socket, basket->loss[loss].code, "recvmsg", NULL, 0);
    if (i == basket->count || socket->life != DGRAM__OPEN)
      return;
    const dgram_message_t *message = &basket->messages[i];
    const union dgram__address *from = (const void *)message->rinfo.sockaddr;
    if (socket->events.message.list.first != NULL && !receive_is_foreign(socket, batch, from))
      dgram__emit_message(socket, message->message, &message->rinfo);
  }
}

static void receive_emit_gathered(dgram_socket_t *socket, const struct dgram__received *batch) {
  const struct dgram__message_batch *basket = socket->loop->basket;
  if (basket->count > 0)
    dgram__emit_messages(socket, basket->told, basket->count);
  if (socket->events.message.list.first != NULL || basket->losses > 0)
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
  while (!turn->over && batch->count > 0 && socket->life == DGRAM__OPEN) {
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
  if (socket->events.messages.list.first != NULL)
    receive_emit_gathered_batch(socket, batch, turn);
  else
    receive_tell_each(socket, batch, turn);
  socket->rx.telling = NULL;
}

/*
 * A send's callback comes before the reply that it provokes: programs begin to listen in it, or
 * connect the socket.
 */
static void receive_after_sends(dgram_socket_t *socket, struct dgram__received *batch,
                                struct dgram__iteration *turn) {
  socket->rx.telling = batch;
  dgram__send_complete_all(socket);
  dgram__deliver(socket, batch, turn);
}

/* ---- what is left for the next turns ---- */

/* Bytes of a buffer that are still to be told. */
static size_t receive_left_of(const struct dgram__received *batch, unsigned slot) {
  if (batch->slots[slot].segment < 0)
    return 0;
  return batch->slots[slot].size - (slot == 0 ? batch->offset : 0);
}

/* Copies the batch out of the loop's buffers, which other sockets need. NULL: no memory. */
static struct dgram__backlog *receive_copy_batch(const struct dgram__received *batch) {
  size_t slots = batch->count * sizeof(struct dgram__rx_buffer);
  size_t bytes = 0;
  for (unsigned i = 0; i < batch->count; i++)
    bytes += receive_left_of(batch, i);
  struct dgram__backlog *backlog = malloc(sizeof *backlog + slots + bytes);
  if (backlog == NULL)
    return NULL;
  char *data = (char *)backlog->slots + slots;
  for (unsigned i = 0; i < batch->count; i++) {
    const struct dgram__rx_buffer *from = &batch->slots[i];
    size_t size = receive_left_of(batch, i);
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

static const struct dgram__task_type receive_backlog_task = {
    dgram__receive_backlog, offsetof(dgram_socket_t, tasks.backlog)};

/* Without memory to keep it all is told now. */
static void receive_keep_backlog(dgram_socket_t *socket, struct dgram__received *batch) {
  struct dgram__backlog *backlog = receive_copy_batch(batch);
  if (backlog != NULL) {
    socket->rx.backlog = backlog;
    dgram__enqueue(socket, &socket->loop->backlogs, &receive_backlog_task);
    return;
  }
  while (batch->count > 0 && socket->life == DGRAM__OPEN) {
    struct dgram__iteration turn = dgram__iteration_begin(socket);
    dgram__deliver(socket, batch, &turn);
  }
}

void dgram__receive_backlog(dgram_socket_t *socket) {
  struct dgram__rx *receiving = &socket->rx;
  struct dgram__backlog *backlog = receiving->backlog;
  if (backlog == NULL)
    return;
  struct dgram__iteration turn = dgram__iteration_begin(socket);
  receiving->backlog = NULL; /* a listener that closes the socket must not free it */
  receiving->turn = socket->loop->iteration + 1; /* which begins when the loop polls */
  receive_after_sends(socket, &backlog->batch, &turn);
  if (backlog->batch.count > 0 && socket->life == DGRAM__OPEN) {
    receiving->backlog = backlog;
    dgram__enqueue(socket, &socket->loop->backlogs, &receive_backlog_task);
  } else {
    free(backlog);
  }
  dgram__send_flush(socket);
}

/* ---- receiving ---- */

/*
 * An error that receiving does not clear comes with every wake-up, and is told once. Whether it is
 * another one than before.
 */
static bool receive_emit_error(dgram_socket_t *socket, int err) {
  bool again = err == socket->rx.said;
  socket->rx.said = err;
  if ((!again || dgram__is_icmp_error(err)) && socket->life == DGRAM__OPEN)
    dgram__emit_error(socket, err, "recvmsg", NULL, 0);
  return !again;
}

/* As many buffers as can be told in a turn; twice as many if that is not known. */
static void receive_set_window(struct dgram__rx *receiving, const struct dgram__iteration *turn,
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
static int receive_batch(dgram_socket_t *socket, struct dgram__received *batch, unsigned most) {
  struct dgram__loop *loop = socket->loop;
  struct dgram__rx *receiving = &socket->rx;
  struct dgram__rx_buffers *inbox = dgram__rx_buffers_get(loop);
  if (inbox == NULL)
    return UV_ENOMEM;
  int received = dgram__udp_recv(&socket->udp, inbox, most);
  if (received < 0)
    return received;
  *batch = (struct dgram__received){
      .slots = inbox->slots, .count = (unsigned)received, .filter = receiving->filter};
  /* The system's queue was empty, or an error has come between. */
  if (receiving->filter && (unsigned)received < most)
    receiving->filter = dgram__udp_is_readable(&socket->udp);
  if (received > 0)
    receiving->said = 0;
  loop->rx_coalesce.turn += (unsigned)received;
  return received;
}

enum came {
  NOTHING,
  SOMETHING, /* or another error than before */
  AND_MORE   /* perhaps: it filled all the buffers that there were for it */
};

static enum came receive_and_emit(dgram_socket_t *socket, struct dgram__iteration *turn) {
  struct dgram__received batch;
  unsigned window = socket->rx.window;
  if (window > turn->budget - turn->told) /* each has one datagram at least */
    window = turn->budget - turn->told;
  int received = receive_batch(socket, &batch, window);
  if (received <= 0) {
    dgram__send_complete_all(socket);
    return received < 0 && receive_emit_error(socket, received) ? SOMETHING : NOTHING;
  }
  receive_after_sends(socket, &batch, turn);
  receive_set_window(&socket->rx, turn, (unsigned)received, batch.count);
  if (batch.count > 0 && socket->life == DGRAM__OPEN)
    receive_keep_backlog(socket, &batch);
  return (unsigned)received == window ? AND_MORE : SOMETHING;
}

/*
 * One receive call, unless the calls or the turn are small: then as many as the turn has room for.
 */
bool dgram__receive(dgram_socket_t *socket) {
  struct dgram__rx *receiving = &socket->rx;
  if (socket->life == DGRAM__CLOSED)
    return false;
  if (receiving->backlog != NULL || receiving->turn == socket->loop->iteration)
    return true; /* in this turn it has been told enough */
  struct dgram__iteration turn = dgram__iteration_begin(socket);
  enum came first = receive_and_emit(socket, &turn);
  enum came last = receiving->most == 1 || dgram__iteration_is_short(&turn) ? first : NOTHING;
  while (last == AND_MORE && !turn.over && socket->life == DGRAM__OPEN &&
         receiving->backlog == NULL)
    last = receive_and_emit(socket, &turn);
  dgram__send_flush(socket);
  return first != NOTHING;
}

void dgram__receive_lend(dgram_socket_t *socket) {
  dgram__hold(socket);
  dgram__receive_share(socket);
  while (socket->rx.backlog != NULL && socket->rx.shares)
    dgram__receive_backlog(socket);
  dgram__release(socket);
}

/* Of what has been received only the peer's datagrams are told, and of what is queued. */
void dgram__receive_connected(dgram_socket_t *socket) {
  struct dgram__rx *receiving = &socket->rx;
  if (receiving->telling != NULL)
    receiving->telling->filter = true;
  if (receiving->backlog != NULL)
    receiving->backlog->batch.filter = true;
  receiving->filter = dgram__udp_is_readable(&socket->udp);
  receiving->recheck = true;
}

const char *dgram_rinfo_address(const dgram_rinfo_t *rinfo) {
  if (rinfo == NULL)
    return NULL;
  if (rinfo->text[0] == '\0')
    dgram__address_text((const union dgram__address *)(const void *)rinfo->sockaddr, rinfo->text);
  return rinfo->text;
}

/*
 * Receiving: a wake-up makes one receive call, and emits the datagrams that it brings.
 *
 *   buffers     of the loop; all its sockets receive into them
 *   batch       the buffers that one receive call has filled; by GRO one holds many datagrams
 *   iteration   how many datagrams an iteration of the loop emits: a bounded number in a bounded
 *               time, so that no sender or listener keeps timers and other sockets waiting
 *   messages    the batch is emitted: as 'messages', and each datagram as a 'message'
 *   backlog     what is left of the batch then is copied, and emitted in the next iterations
 *   wake-up     does all this
 *   pause       a paused socket makes no receive call, and keeps its backlog
 *
 * Nothing reads until EAGAIN: if more is there, libuv reports it in the next iteration. So that
 * little is left for the backlog, a receive call gets as many buffers as the listeners were fast
 * enough for before.
 *
 * A system socket that others have, too, receives one datagram a call and emits it before the next
 * call: what others could have received must not be lost with this socket.
 */
#include "internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
  LARGE_PAGE = 2 * 1024 * 1024, /* bytes: of x86_64 and, mostly, arm64 */
  FEW_BUFFERS = 8,              /* on small pages */
  MANY_BYTES = ((DGRAM__RX_BUFFERS - FEW_BUFFERS) * DGRAM__RX_BUFFER_SIZE + LARGE_PAGE - 1) /
               LARGE_PAGE * LARGE_PAGE,
  FIRST_BATCH = 8,       /* buffers of the first receive call */
  MESSAGE_BATCH = 1024,  /* messages of one emission of 'messages' */
  MIN_MESSAGE_BATCH = 8, /* ... however slow the listeners are */
  DEFAULT_BUDGET = 4096, /* datagrams that a socket emits in an iteration */
  SHORT_BUDGET = 32,     /* so few are emitted however long they take, as libuv does */
  EMIT_NS = 400 * 1000,  /* time of an iteration for listeners */
  UNTIMED = 4,           /* datagrams of an iteration before the clock is read */
  MAX_UNTIMED = 32       /* ... between two readings: any of them may be a slow one */
};

/* Messages for listeners of 'messages'. */
struct message_batch {
  size_t count;
  unsigned refused; /* buffers, meanwhile */
  size_t delivered; /* of these, as dgram_pause_at() says; else all */
  unsigned losses;
  struct {
    size_t before; /* this message */
    int code;
  } loss[DGRAM__RX_BUFFERS]; /* datagrams lost on the way in, in their order */
  dgram_rinfo_t sender;      /* of the buffer that is gathered from: the messages copy it */
  dgram_message_t messages[MESSAGE_BATCH];
  const dgram_message_t *pointers[MESSAGE_BATCH]; /* to `messages` */
};

/* What one receive call has brought, and has not been emitted yet. */
struct dgram__rx_batch {
  struct dgram__rx_buffer *buffers;
  unsigned count;
  size_t offset;   /* bytes of the first buffer that have been emitted */
  unsigned filter; /* DGRAM__FILTER_... */
};

/* A batch that is emitted over several iterations, with its bytes. */
struct dgram__backlog {
  struct dgram__rx_batch batch;
  struct dgram__rx_buffer buffers[];
};

/* Whether a pause stops an emission. */
enum rx_respect {
  RX_UNLESS_PAUSED,
  RX_DESPITE_PAUSE /* there is no memory to keep what was received */
};

/* What a socket emits in an iteration of the loop. */
struct rx_iteration {
  enum rx_respect respect;
  unsigned budget;   /* datagrams */
  unsigned emitted;  /* of these */
  unsigned limit;    /* no more than so many: the budget, or fewer since the time is over */
  unsigned check_at; /* so many: rx_iteration_check() */
  uint64_t began;    /* ns; 0: the clock has not been read */
  unsigned began_at; /* datagrams emitted by then */
  uint64_t spent;    /* ns, by listeners of 'messages' */
};

/* ---- buffers ---- */

/*
 * One block of memory for all that receiving needs: once a datagram has been received, nothing is
 * missing to emit it. Pages of it that are not used cost nothing.
 *
 * A burst fills all buffers at once, and to fault in their pages one by one takes so long that
 * datagrams are lost. So most buffers lie on huge pages, where the system has them, in front of
 * this; the few that a little traffic fills do not, since a huge page costs 2 MiB.
 */
struct rx_memory {
  char few[FEW_BUFFERS][DGRAM__RX_BUFFER_SIZE];
  struct dgram__rx_buffers buffers;
  struct message_batch messages;
};

static struct rx_memory *rx_memory(const struct dgram__loop *loop) {
  return (struct rx_memory *)(void *)((char *)loop->rx_memory + MANY_BYTES);
}

/* Returns 0 or UV_ENOMEM. */
static int rx_memory_allocate(struct dgram__loop *loop) {
  if (posix_memalign(&loop->rx_memory, LARGE_PAGE, MANY_BYTES + sizeof(struct rx_memory)) != 0) {
    loop->rx_memory = NULL;
    return UV_ENOMEM;
  }
  char *many = loop->rx_memory;
#ifdef MADV_HUGEPAGE
  madvise(many, MANY_BYTES, MADV_HUGEPAGE);
#endif
  struct rx_memory *memory = rx_memory(loop);
  memset(&memory->buffers, 0, sizeof memory->buffers);
  for (size_t i = 0; i < DGRAM__RX_BUFFERS; i++)
    memory->buffers.all[i].data =
        i < FEW_BUFFERS ? memory->few[i] : many + (i - FEW_BUFFERS) * DGRAM__RX_BUFFER_SIZE;
  dgram__rx_buffers_init(&memory->buffers);
  for (size_t i = 0; i < MESSAGE_BATCH; i++)
    memory->messages.pointers[i] = &memory->messages.messages[i];
  return 0;
}

/* ---- batch ---- */

int dgram_set_receive_budget(dgram_socket_t *socket, int budget) {
  int err = budget >= 0 ? dgram__check_open(socket) : UV_EINVAL;
  if (err == 0)
    socket->rx.budget = budget > 0 ? (unsigned)budget : DEFAULT_BUDGET;
  return err;
}

void dgram__receive_init(dgram_socket_t *socket, const dgram_options_t *options) {
  struct dgram__rx *rx = &socket->rx;
  int given = options->receive_batch;
  rx->sizing = given == 0 ? DGRAM__BATCH_SAFE : DGRAM__BATCH_GIVEN;
  rx->max_batch =
      (unsigned char)(given > 0 && given < DGRAM__RX_BUFFERS ? given : DGRAM__RX_BUFFERS);
  rx->next_batch = rx->max_batch < FIRST_BATCH ? rx->max_batch : FIRST_BATCH;
  rx->budget = options->receive_budget > 0 ? (unsigned)options->receive_budget : DEFAULT_BUDGET;
  dgram__receive_listeners_changed(socket);
}

void dgram__receive_share(dgram_socket_t *socket) {
  socket->options.flags |= DGRAM__SHARED;
  if (socket->rx.sizing == DGRAM__BATCH_SAFE)
    socket->rx.max_batch = socket->rx.next_batch = 1;
}

/* For what the system has queued: it filters for a connected socket only what comes later. */
static unsigned receive_queue_filter(const dgram_socket_t *socket) {
  return dgram__udp_is_readable(&socket->udp) ? DGRAM__FILTER_PEER : DGRAM__FILTER_NONE;
}

static void receive_divert_batch(dgram_socket_t *socket, struct dgram__rx_buffer buffers[],
                                 unsigned count);

/* A batch is new, and not all that has been received may be emitted. */
__attribute__((noinline)) static void receive_filter_batch(dgram_socket_t *socket,
                                                           struct dgram__rx_buffer buffers[],
                                                           struct dgram__rx_batch *batch,
                                                           unsigned most) {
  struct dgram__rx *rx = &socket->rx;
  if ((rx->filter & DGRAM__FILTER_DIVERT) != 0)
    receive_divert_batch(socket, buffers, batch->count);
  if ((rx->filter & DGRAM__FILTER_ACCESS) != 0)
    dgram__access_filter(socket, buffers, batch->count);
  batch->filter = rx->filter & DGRAM__FILTER_PEER;
  /* The system's queue was empty, or an error has come between. */
  if (batch->filter != DGRAM__FILTER_NONE && batch->count < most)
    rx->filter = (unsigned char)((rx->filter & ~(unsigned)DGRAM__FILTER_PEER) |
                                 receive_queue_filter(socket));
}

/* Whether the last buffer is an ICMP error that is no 'error'. */
static bool receive_ends_in_icmp_error(const dgram_socket_t *socket,
                                       const struct dgram__rx_buffer *last) {
  return last->size == 0 && dgram__is_icmp_error(last->segment) &&
         (dgram__icmp_is_on(socket) || dgram__icmp_is_for_others(socket, last->segment));
}

/* Receives up to `most` buffers. Returns how many, or an error. */
static int receive_batch(dgram_socket_t *socket, struct dgram__rx_batch *batch, unsigned most) {
  struct dgram__loop *loop = socket->loop;
  struct dgram__rx *rx = &socket->rx;
  if (loop->rx_memory == NULL && rx_memory_allocate(loop) != 0)
    return UV_ENOMEM;
  struct dgram__rx_buffers *buffers = &rx_memory(loop)->buffers;
  (void)dgram__count_call(socket);
  int received = dgram__udp_recv(&socket->udp, buffers, most);
  if (received < 0)
    return received;
  /* An ICMP error behind the datagrams, not a datagram that was lost: the error queue has it, too.
   */
  if (received > 0 && receive_ends_in_icmp_error(socket, &buffers->all[received - 1]))
    received--;
  *batch = (struct dgram__rx_batch){
      .buffers = buffers->all, .count = (unsigned)received, .filter = DGRAM__FILTER_NONE};
  if (rx->filter != DGRAM__FILTER_NONE)
    receive_filter_batch(socket, buffers->all, batch, most);
  if (received > 0)
    rx->reported_error = 0;
  if (!dgram__udp_is_simulated(&socket->udp))
    loop->rx_coalesce.received += (unsigned)received;
  return received;
}

static bool receive_is_from_peer(const struct dgram__connecting *connecting,
                                 const union dgram__address *from) {
  return dgram__address_equal(from, &connecting->peer) ||
         dgram__address_equal(from, &connecting->to);
}

/* Why the datagrams of a sender are not emitted, though they were received. */
__attribute__((noinline)) static bool receive_is_excluded(const dgram_socket_t *socket,
                                                          const struct dgram__rx_batch *batch,
                                                          const union dgram__address *from) {
  const struct dgram__connecting *connecting = &socket->connecting;
  if ((batch->filter & DGRAM__FILTER_PEER) != 0 && dgram__is_connected(connecting) &&
      !receive_is_from_peer(connecting, from))
    return true;
  return (batch->filter & DGRAM__FILTER_ACCESS) != 0 && !dgram__access_may_receive(socket, from);
}

static inline bool receive_is_foreign(const dgram_socket_t *socket,
                                      const struct dgram__rx_batch *batch,
                                      const union dgram__address *from) {
  return batch->filter != DGRAM__FILTER_NONE && receive_is_excluded(socket, batch, from);
}

void dgram__receive_interrupt(dgram_socket_t *socket) {
  socket->rx.delivery = DGRAM__DELIVERY_INTERRUPTED;
}

/* Of what has been received, and what is queued in the system, only the peer's is emitted. */
void dgram__receive_connected(dgram_socket_t *socket) {
  struct dgram__rx *rx = &socket->rx;
  if (rx->delivering != NULL)
    rx->delivering->filter |= DGRAM__FILTER_PEER;
  if (rx->backlog != NULL)
    rx->backlog->batch.filter |= DGRAM__FILTER_PEER;
  rx->filter = (unsigned char)((rx->filter & DGRAM__FILTER_ACCESS) | receive_queue_filter(socket));
  dgram__receive_interrupt(socket);
}

void dgram__receive_recheck(dgram_socket_t *socket) {
  struct dgram__rx *rx = &socket->rx;
  if (rx->delivering != NULL)
    rx->delivering->filter |= DGRAM__FILTER_ACCESS;
  if (rx->backlog != NULL)
    rx->backlog->batch.filter |= DGRAM__FILTER_ACCESS;
  dgram__receive_interrupt(socket);
}

/* These datagrams are not emitted: if it is the access lists that refuse them, they are counted. */
static void receive_count_refused(dgram_socket_t *socket, const struct dgram__rx_batch *batch,
                                  const struct dgram__rx_buffer *buffer, size_t left) {
  if ((batch->filter & DGRAM__FILTER_ACCESS) != 0 &&
      !dgram__access_may_receive(socket, &buffer->from))
    dgram__access_count_refused(socket, dgram__gro_count(left, buffer->segment));
}

static void receive_emit_loss(dgram_socket_t *socket, int code) {
  dgram__count_receive_error(socket, code);
  dgram__emit_error(socket, code, "recvmsg", NULL, 0);
}

/* A buffer is not emitted, or its rest: what the access lists refuse is counted, a loss is emitted.
 */
__attribute__((noinline)) static void receive_pass_over(dgram_socket_t *socket,
                                                        const struct dgram__rx_batch *batch,
                                                        const struct dgram__rx_buffer *buffer,
                                                        size_t left) {
  if (buffer->segment >= 0)
    receive_count_refused(socket, batch, buffer, left);
  else if (buffer->segment != DGRAM__RX_REFUSED)
    receive_emit_loss(socket, buffer->segment);
}

static void receive_drop_first(struct dgram__rx_batch *batch) {
  batch->buffers++;
  batch->count--;
  batch->offset = 0;
}

/* ---- iteration ---- */

static struct rx_iteration rx_iteration_begin(const dgram_socket_t *socket) {
  unsigned budget = socket->rx.budget;
  bool timed = budget > SHORT_BUDGET && !dgram__udp_is_simulated(&socket->udp);
  return (struct rx_iteration){
      .budget = budget, .limit = budget, .check_at = timed ? UNTIMED : budget};
}

static bool rx_iteration_is_over(const struct rx_iteration *iteration) {
  return iteration->emitted >= iteration->limit;
}

/* Whether listeners may get a datagram more. */
static bool rx_iteration_goes_on(const dgram_socket_t *socket,
                                 const struct rx_iteration *iteration) {
  return !rx_iteration_is_over(iteration) && socket->life == DGRAM__OPEN &&
         (socket->rx.paused == 0 || iteration->respect == RX_DESPITE_PAUSE);
}

/* So few datagrams are emitted that the clock is not read. */
static bool rx_iteration_is_short(const struct rx_iteration *iteration) {
  return iteration->budget <= SHORT_BUDGET;
}

/* Ends the iteration if its time is over, else sets when to check again. */
__attribute__((noinline)) static void rx_iteration_check(struct rx_iteration *iteration) {
  uint64_t now = uv_hrtime();
  unsigned step = UNTIMED;
  if (iteration->began == 0) {
    iteration->began = now;
    iteration->began_at = iteration->emitted;
  } else if (now - iteration->began < EMIT_NS) {
    uint64_t elapsed = now - iteration->began;
    uint64_t of_one = elapsed / (iteration->emitted - iteration->began_at) + 1;
    uint64_t half_of_rest = (EMIT_NS - elapsed) / of_one / 2;
    step = half_of_rest < MAX_UNTIMED ? (unsigned)half_of_rest + 1 : MAX_UNTIMED;
  } else {
    iteration->limit = iteration->emitted;
  }
  unsigned left = iteration->limit - iteration->emitted;
  iteration->check_at = iteration->emitted + (step < left ? step : left);
}

/* ---- messages: one by one ---- */

const char *dgram_rinfo_address(const dgram_rinfo_t *rinfo) {
  if (rinfo == NULL)
    return NULL;
  if (rinfo->text[0] == '\0')
    dgram__address_text((const union dgram__address *)(const void *)rinfo->sockaddr, rinfo->text);
  return rinfo->text;
}

/* The sender of what is in the buffer. By its text path.c finds the buffer. */
static dgram_rinfo_t receive_read_sender(struct dgram__rx_buffer *buffer) {
  buffer->text[0] = '\0';
  return (dgram_rinfo_t){.sockaddr = &buffer->from.any,
                         .family = dgram__family_name(buffer->from.any.sa_family),
                         .port = dgram__address_port(&buffer->from),
                         .text = buffer->text};
}

static bool receive_is_wanted(const dgram_socket_t *socket, const struct dgram__rx_batch *batch,
                              const struct dgram__rx_buffer *buffer) {
  return buffer->segment >= 0 && socket->events.message.list.first != NULL &&
         !receive_is_foreign(socket, batch, &buffer->from);
}

/* In the middle of a buffer. Returns whether its rest is still wanted; else it is passed over. */
__attribute__((noinline)) static bool receive_look_again(dgram_socket_t *socket,
                                                         const struct dgram__rx_batch *batch,
                                                         const struct dgram__rx_buffer *buffer,
                                                         size_t left) {
  if (receive_is_wanted(socket, batch, buffer))
    return true;
  receive_pass_over(socket, batch, buffer, left);
  return false;
}

/* A listener has closed, connected or paused the socket, or the iteration is to be checked. */
__attribute__((noinline)) static bool receive_check(dgram_socket_t *socket,
                                                    struct rx_iteration *iteration) {
  socket->rx.delivery = DGRAM__DELIVERY_UNDISTURBED;
  if (iteration->emitted >= iteration->check_at)
    rx_iteration_check(iteration);
  return rx_iteration_goes_on(socket, iteration);
}

/*
 * Emits messages one by one, until the batch is empty or the iteration over. This runs for each
 * datagram, so what changes with it is kept in variables. A buffer that is not wanted counts, too:
 * an iteration ends though nothing is emitted.
 */
__attribute__((noinline)) static void receive_emit_each(dgram_socket_t *socket,
                                                        struct dgram__rx_batch *batch,
                                                        struct rx_iteration *iteration) {
  struct dgram__rx_buffer *buffer = batch->buffers;
  struct dgram__rx_buffer *end = buffer + batch->count;
  size_t offset = batch->offset;
  bool goes_on = receive_check(socket, iteration);
  unsigned until = iteration->check_at - iteration->emitted;
  while (goes_on && buffer < end) {
    assert(until > 0);
    dgram_rinfo_t rinfo = receive_read_sender(buffer);
    const char *data = buffer->data + offset;
    size_t left = buffer->size - offset;
    bool wanted = receive_is_wanted(socket, batch, buffer);
    do {
      if (wanted) {
        rinfo.size = dgram__gro_first_size(left, buffer->segment);
        dgram__emit_message(socket, data, &rinfo);
        data += rinfo.size;
        left -= rinfo.size;
      } else {
        receive_pass_over(socket, batch, buffer, left);
      }
      if (--until == 0 || socket->rx.delivery == DGRAM__DELIVERY_INTERRUPTED) {
        iteration->emitted = iteration->check_at - until;
        goes_on = receive_check(socket, iteration);
        until = iteration->check_at - iteration->emitted;
        wanted = left > 0 && wanted && receive_look_again(socket, batch, buffer, left);
      }
    } while (wanted && goes_on && left > 0);
    offset = wanted && left > 0 ? buffer->size - left : 0;
    buffer += offset == 0;
  }
  iteration->emitted = iteration->check_at - until;
  batch->buffers = buffer;
  batch->count = (unsigned)(end - buffer);
  batch->offset = offset;
}

/* ---- messages: many at a time ---- */

/* How many one emission has: as many as the listeners were fast enough for before. */
static unsigned receive_chunk_of(const struct dgram__rx *rx, const struct rx_iteration *iteration) {
  uint64_t chunk = MESSAGE_BATCH;
  if (rx->message_ns != 0 && !rx_iteration_is_short(iteration))
    chunk = iteration->spent < EMIT_NS ? (EMIT_NS - iteration->spent) / rx->message_ns : 0;
  if (chunk < MIN_MESSAGE_BATCH)
    chunk = MIN_MESSAGE_BATCH;
  if (chunk > MESSAGE_BATCH)
    chunk = MESSAGE_BATCH;
  unsigned left = iteration->budget - iteration->emitted;
  return chunk < left ? (unsigned)chunk : left;
}

/* Takes up to `chunk` datagrams of the first buffer. */
static void receive_gather_first(struct message_batch *messages, struct dgram__rx_batch *batch,
                                 unsigned chunk) {
  struct dgram__rx_buffer *buffer = batch->buffers;
  const char *message = buffer->data + batch->offset;
  size_t left = buffer->size - batch->offset;
  dgram_message_t *to = &messages->messages[messages->count];
  const dgram_message_t *end = &messages->messages[chunk];
  messages->sender = receive_read_sender(buffer);
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
    receive_drop_first(batch);
}

/* Takes up to `chunk` datagrams off the batch. */
static void receive_gather(dgram_socket_t *socket, struct message_batch *messages,
                           struct dgram__rx_batch *batch, unsigned chunk) {
  messages->count = 0;
  messages->losses = 0;
  messages->refused = 0;
  while (batch->count > 0 && messages->count < chunk) {
    const struct dgram__rx_buffer *first = batch->buffers;
    if (first->segment == DGRAM__RX_REFUSED) {
      messages->refused++;
      receive_drop_first(batch);
    } else if (first->segment < 0) {
      messages->loss[messages->losses].before = messages->count;
      messages->loss[messages->losses].code = first->segment;
      messages->losses++;
      receive_drop_first(batch);
    } else if (receive_is_foreign(socket, batch, &first->from)) {
      receive_count_refused(socket, batch, first, first->size - batch->offset);
      messages->refused++;
      receive_drop_first(batch);
    } else {
      receive_gather_first(messages, batch, chunk);
    }
  }
}

/* Listeners of 'messages' get the batch again from a message on, and with it the losses behind. */
static void receive_put_back(struct message_batch *messages, struct dgram__rx_batch *batch) {
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
static bool receive_emit_messages(dgram_socket_t *socket, struct message_batch *messages,
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
static void receive_emit_gathered(dgram_socket_t *socket, const struct message_batch *messages,
                                  const struct dgram__rx_batch *batch) {
  unsigned loss = 0;
  for (size_t i = 0; i <= messages->count; i++) {
    while (loss < messages->losses && messages->loss[loss].before == i &&
           socket->life == DGRAM__OPEN)
      receive_emit_loss(socket, messages->loss[loss++].code);
    if (i == messages->count || socket->life != DGRAM__OPEN)
      return;
    const dgram_message_t *message = &messages->messages[i];
    const union dgram__address *from = (const void *)message->rinfo.sockaddr;
    if (socket->events.message.list.first != NULL && !receive_is_foreign(socket, batch, from))
      dgram__emit_message(socket, message->message, &message->rinfo);
  }
}

/* Emits messages many at a time, and measures how long listeners take. */
static void receive_emit_many(dgram_socket_t *socket, struct dgram__rx_batch *batch,
                              struct rx_iteration *iteration) {
  struct dgram__rx *rx = &socket->rx;
  struct message_batch *messages = &rx_memory(socket->loop)->messages;
  while (rx_iteration_goes_on(socket, iteration) && batch->count > 0) {
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
    if (!all || (iteration->spent >= EMIT_NS && !rx_iteration_is_short(iteration)))
      iteration->limit = iteration->emitted;
  }
}

/*
 * Emits what the batch has, until it is empty, the iteration is over, or the socket closes. A
 * send's callback comes before the reply that it provokes: programs start to listen in it, or
 * connect the socket.
 */
static void receive_emit(dgram_socket_t *socket, struct dgram__rx_batch *batch,
                         struct rx_iteration *iteration) {
  socket->rx.delivering = batch;
  dgram__send_complete_all(socket);
  if (socket->events.messages.list.first != NULL)
    receive_emit_many(socket, batch, iteration);
  else
    receive_emit_each(socket, batch, iteration);
  socket->rx.delivering = NULL;
}

/* ---- backlog ---- */

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

static void receive_backlog(dgram_socket_t *socket);

/* A backlog of before 'listening' waits for that. */
static void receive_schedule_backlog(dgram_socket_t *socket) {
  static const struct dgram__task_type task = {receive_backlog,
                                               offsetof(dgram_socket_t, tasks.backlog)};
  if (socket->binding.state == DGRAM__LISTENING)
    dgram__enqueue(socket, &socket->loop->backlogs, &task);
}

static void receive_set_backlog(dgram_socket_t *socket, struct dgram__backlog *backlog) {
  if (socket->rx.backlog != backlog)
    free(socket->rx.backlog);
  socket->rx.backlog = backlog;
  receive_schedule_backlog(socket);
}

/*
 * Keeps the rest of the batch in front of what was diverted to the socket meanwhile. Without memory
 * to keep it, it is emitted now, though the socket is paused; what listeners of 'messages' then do
 * not take is lost.
 */
static void receive_keep(dgram_socket_t *socket, struct dgram__rx_batch *batch) {
  struct dgram__backlog *diverted = socket->rx.backlog;
  struct dgram__backlog *backlog =
      receive_copy_batches(batch, diverted != NULL ? &diverted->batch : NULL);
  if (backlog != NULL) {
    receive_set_backlog(socket, backlog);
    return;
  }
  while (batch->count > 0 && socket->life == DGRAM__OPEN) {
    struct rx_iteration iteration = rx_iteration_begin(socket);
    iteration.respect = RX_DESPITE_PAUSE;
    const struct dgram__rx_batch before = *batch;
    receive_emit(socket, batch, &iteration);
    if (batch->buffers == before.buffers && batch->offset == before.offset) {
      receive_emit_loss(socket, UV_ENOMEM);
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
  struct rx_iteration iteration = rx_iteration_begin(socket);
  rx->backlog = NULL; /* a listener that closes the socket must not free it */
  rx->backlog_iteration = socket->loop->iteration + 1; /* which begins when the loop polls */
  receive_emit(socket, &backlog->batch, &iteration);
  if (backlog->batch.count == 0 || socket->life != DGRAM__OPEN) {
    free(backlog);
  } else if (rx->backlog == NULL) {
    receive_set_backlog(socket, backlog);
  } else {
    receive_keep(socket, &backlog->batch);
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
    receive_set_backlog(socket, backlog);
}

/*
 * Moves what the system has queued for the socket into its backlog, unless others could have it, or
 * the socket is paused so that it stays there.
 */
static void receive_fetch(dgram_socket_t *socket, struct rx_spare *spare) {
  if (socket->rx.max_batch == 1 || socket->rx.paused != 0)
    return;
  for (int i = 0; i < MOST_DIVERTED / DGRAM__RX_BUFFERS; i++) {
    (void)dgram__count_call(socket);
    int received = dgram__udp_recv(&socket->udp, &spare->buffers, DGRAM__RX_BUFFERS);
    if (received > 0 && receive_ends_in_icmp_error(socket, &spare->buffers.all[received - 1]))
      received--;
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
               receive_is_from_peer(&socket->connecting, &buffer->from);
    receive_append(own ? socket : server, buffer, 1);
  }
  free(spare);
}

/* Of a batch: the kernel had chosen the socket before it was connected. */
static void receive_divert_batch(dgram_socket_t *socket, struct dgram__rx_buffer buffers[],
                                 unsigned count) {
  dgram_socket_t *server = dgram__accept_server(socket);
  for (unsigned i = 0; i < count; i++) {
    struct dgram__rx_buffer *buffer = &buffers[i];
    if (buffer->segment < 0 || !dgram__is_connected(&socket->connecting) ||
        receive_is_from_peer(&socket->connecting, &buffer->from))
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

/* ---- wake-up ---- */

enum received {
  RECEIVED_NOTHING,
  RECEIVED_SOMETHING, /* or another error than before */
  RECEIVED_ALL_IT_MAY /* so there may be more */
};

/*
 * On a shared system socket the callbacks of sends come before the call: one that closes or pauses
 * the socket leaves the datagram to the others. Whether the socket still receives.
 */
static bool receive_prepare_shared(dgram_socket_t *socket) {
  dgram__send_complete_all(socket);
  return socket->life == DGRAM__OPEN && socket->rx.paused == 0;
}

static enum received receive_once(dgram_socket_t *socket, struct rx_iteration *iteration) {
  struct dgram__rx *rx = &socket->rx;
  struct dgram__rx_batch batch;
  if (rx->max_batch == 1 && !receive_prepare_shared(socket))
    return RECEIVED_SOMETHING;
  unsigned most = rx->next_batch;
  if (most > iteration->budget - iteration->emitted) /* each has one datagram at least */
    most = iteration->budget - iteration->emitted;
  int received = receive_batch(socket, &batch, most);
  if (received > 0) {
    receive_emit(socket, &batch, iteration);
    /* As many as can be emitted in an iteration; twice as many if that is not known. */
    unsigned next = rx->next_batch;
    if (batch.count > 0)
      next = (unsigned)received > batch.count ? (unsigned)received - batch.count : 1;
    else if ((unsigned)received == next && iteration->emitted < iteration->budget)
      next *= 2;
    rx->next_batch = (unsigned char)(next < rx->max_batch ? next : rx->max_batch);
    if (batch.count > 0 && socket->life == DGRAM__OPEN)
      receive_keep(socket, &batch);
    return (unsigned)received == most ? RECEIVED_ALL_IT_MAY : RECEIVED_SOMETHING;
  }
  dgram__send_complete_all(socket);
  if (received == 0)
    return RECEIVED_NOTHING;
  if (dgram__icmp_is_on(socket) && dgram__is_icmp_error(received))
    return RECEIVED_SOMETHING; /* it is cleared, and the error queue wakes the loop for it */
  if (dgram__icmp_is_for_others(socket, received)) {
    dgram__count_receive_error(socket, received);
    return RECEIVED_SOMETHING;
  }
  /* An error that receiving does not clear comes with every wake-up, and is emitted once. */
  bool repeated = received == rx->reported_error;
  rx->reported_error = received;
  if ((!repeated || dgram__is_icmp_error(received)) && socket->life == DGRAM__OPEN)
    dgram__emit_async_error(socket, received);
  return repeated ? RECEIVED_NOTHING : RECEIVED_SOMETHING;
}

/* One receive call, unless batch or budget are small: then as many as the budget allows. */
bool dgram__receive(dgram_socket_t *socket) {
  struct dgram__rx *rx = &socket->rx;
  if (socket->life == DGRAM__CLOSED)
    return false;
  if (rx->backlog != NULL || rx->backlog_iteration == socket->loop->iteration)
    return true; /* this iteration has emitted enough */
  struct rx_iteration iteration = rx_iteration_begin(socket);
  enum received first = receive_once(socket, &iteration);
  enum received last =
      rx->max_batch == 1 || rx_iteration_is_short(&iteration) ? first : RECEIVED_NOTHING;
  while (last == RECEIVED_ALL_IT_MAY && !rx_iteration_is_over(&iteration) &&
         socket->life == DGRAM__OPEN && rx->backlog == NULL && rx->paused == 0)
    last = receive_once(socket, &iteration);
  dgram__send_flush(socket);
  return first != RECEIVED_NOTHING;
}

/* ---- pause ---- */

/* What a listener has paused is delivered no further; else the backlog comes before all else. */
static void receive_set_paused(dgram_socket_t *socket, unsigned paused) {
  struct dgram__rx *rx = &socket->rx;
  if (rx->paused == paused)
    return;
  rx->paused = (unsigned char)paused;
  dgram__receive_interrupt(socket);
  dgram__poll_paused(socket);
  if (paused == 0 && rx->backlog != NULL)
    receive_set_backlog(socket, rx->backlog);
}

void dgram__receive_listeners_changed(dgram_socket_t *socket) {
  if ((socket->options.flags & DGRAM__PAUSE_WITHOUT_LISTENER) == 0)
    return;
  bool has_any = dgram__listeners_has_any(&socket->events.message) ||
                 dgram__listeners_has_any(&socket->events.messages);
  unsigned others = socket->rx.paused & ~(unsigned)DGRAM__PAUSED_WITHOUT_LISTENER;
  receive_set_paused(socket, others | (has_any ? 0U : DGRAM__PAUSED_WITHOUT_LISTENER));
}

int dgram_pause(dgram_socket_t *socket) {
  int err = dgram__check_open(socket);
  if (err != 0 || (socket->rx.paused & DGRAM__PAUSED_BY_PROGRAM) != 0)
    return err;
  dgram__count(socket)->pauses++;
  receive_set_paused(socket, socket->rx.paused | DGRAM__PAUSED_BY_PROGRAM);
  return 0;
}

int dgram_pause_at(dgram_socket_t *socket, size_t delivered) {
  int err = dgram__check_open(socket);
  if (err == 0 && (socket->rx.reporting == 0 || delivered > socket->rx.reporting))
    err = UV_EINVAL;
  if (err != 0)
    return err;
  struct message_batch *messages = &rx_memory(socket->loop)->messages;
  if (delivered < messages->delivered)
    messages->delivered = delivered;
  return dgram_pause(socket);
}

int dgram_resume(dgram_socket_t *socket) {
  int err = dgram__check_open(socket);
  if (err == 0)
    receive_set_paused(socket, socket->rx.paused & ~(unsigned)DGRAM__PAUSED_BY_PROGRAM);
  return err;
}

int dgram_is_paused(const dgram_socket_t *socket) {
  return socket != NULL && socket->life == DGRAM__OPEN &&
         (socket->rx.paused & DGRAM__PAUSED_BY_PROGRAM) != 0;
}

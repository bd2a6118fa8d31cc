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
#include "receive.h"

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
  DEFAULT_BUDGET = 4096, /* datagrams that a socket emits in an iteration */
  UNTIMED = 4,           /* datagrams of an iteration before the clock is read */
  MAX_UNTIMED = 32       /* ... between two readings: any of them may be a slow one */
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
  struct dgram__message_batch messages;
};

static struct rx_memory *rx_memory(const struct dgram__loop *loop) {
  return (struct rx_memory *)(void *)((char *)loop->rx_memory + MANY_BYTES);
}

struct dgram__message_batch *dgram__rx_messages(const struct dgram__loop *loop) {
  return &rx_memory(loop)->messages;
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
  for (size_t i = 0; i < DGRAM__MESSAGE_BATCH; i++)
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

/* A batch is new, and not all that has been received may be emitted. */
__attribute__((noinline)) static void receive_filter_batch(dgram_socket_t *socket,
                                                           struct dgram__rx_buffer buffers[],
                                                           struct dgram__rx_batch *batch,
                                                           unsigned most) {
  struct dgram__rx *rx = &socket->rx;
  if ((rx->filter & DGRAM__FILTER_DIVERT) != 0)
    dgram__receive_divert_batch(socket, buffers, batch->count);
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

/* An ICMP error behind the datagrams is no datagram that was lost: the error queue has it, too. */
int dgram__receive_call(dgram_socket_t *socket, struct dgram__rx_buffers *buffers, unsigned most) {
  (void)dgram__count_call(socket);
  int received = dgram__udp_recv(&socket->udp, buffers, most);
  if (received > 0 && receive_ends_in_icmp_error(socket, &buffers->all[received - 1]))
    received--;
  return received;
}

/* Receives up to `most` buffers. Returns how many, or an error. */
static int receive_batch(dgram_socket_t *socket, struct dgram__rx_batch *batch, unsigned most) {
  struct dgram__loop *loop = socket->loop;
  struct dgram__rx *rx = &socket->rx;
  if (loop->rx_memory == NULL && rx_memory_allocate(loop) != 0)
    return UV_ENOMEM;
  struct dgram__rx_buffers *buffers = &rx_memory(loop)->buffers;
  int received = dgram__receive_call(socket, buffers, most);
  if (received < 0)
    return received;
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

bool dgram__receive_is_excluded(const dgram_socket_t *socket, const struct dgram__rx_batch *batch,
                                const union dgram__address *from) {
  const struct dgram__connecting *connecting = &socket->connecting;
  if ((batch->filter & DGRAM__FILTER_PEER) != 0 && dgram__is_connected(connecting) &&
      !dgram__receive_is_from_peer(connecting, from))
    return true;
  return (batch->filter & DGRAM__FILTER_ACCESS) != 0 && !dgram__access_may_receive(socket, from);
}

void dgram__receive_interrupt(dgram_socket_t *socket) {
  socket->rx.delivery = DGRAM__DELIVERY_INTERRUPTED;
}

/* What has been received, and not been emitted, is filtered too from now on. */
static void receive_filter_received(dgram_socket_t *socket, unsigned filter) {
  struct dgram__rx *rx = &socket->rx;
  if (rx->delivering != NULL)
    rx->delivering->filter |= filter;
  if (rx->backlog != NULL)
    rx->backlog->batch.filter |= filter;
  dgram__receive_interrupt(socket);
}

/* Of what has been received, and what is queued in the system, only the peer's is emitted. */
void dgram__receive_connected(dgram_socket_t *socket) {
  struct dgram__rx *rx = &socket->rx;
  rx->filter = (unsigned char)((rx->filter & DGRAM__FILTER_ACCESS) | receive_queue_filter(socket));
  receive_filter_received(socket, DGRAM__FILTER_PEER);
}

void dgram__receive_recheck(dgram_socket_t *socket) {
  receive_filter_received(socket, DGRAM__FILTER_ACCESS);
}

void dgram__receive_count_refused(dgram_socket_t *socket, const struct dgram__rx_batch *batch,
                                  const struct dgram__rx_buffer *buffer, size_t left) {
  if ((batch->filter & DGRAM__FILTER_ACCESS) != 0 &&
      !dgram__access_may_receive(socket, &buffer->from))
    dgram__access_count_refused(socket, dgram__gro_count(left, buffer->segment));
}

void dgram__receive_emit_loss(dgram_socket_t *socket, int code) {
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
    dgram__receive_count_refused(socket, batch, buffer, left);
  else if (buffer->segment != DGRAM__RX_REFUSED)
    dgram__receive_emit_loss(socket, buffer->segment);
}

/* ---- iteration ---- */

struct dgram__rx_iteration dgram__rx_iteration_begin(const dgram_socket_t *socket) {
  unsigned budget = socket->rx.budget;
  bool timed = budget > DGRAM__SHORT_BUDGET && !dgram__udp_is_simulated(&socket->udp);
  return (struct dgram__rx_iteration){
      .budget = budget, .limit = budget, .check_at = timed ? UNTIMED : budget};
}

/* Ends the iteration if its time is over, else sets when to check again. */
__attribute__((noinline)) static void rx_iteration_check(struct dgram__rx_iteration *iteration) {
  uint64_t now = uv_hrtime();
  unsigned step = UNTIMED;
  if (iteration->began == 0) {
    iteration->began = now;
    iteration->began_at = iteration->emitted;
  } else if (now - iteration->began < DGRAM__EMIT_NS) {
    uint64_t elapsed = now - iteration->began;
    uint64_t of_one = elapsed / (iteration->emitted - iteration->began_at) + 1;
    uint64_t half_of_rest = (DGRAM__EMIT_NS - elapsed) / of_one / 2;
    step = half_of_rest < MAX_UNTIMED ? (unsigned)half_of_rest + 1 : MAX_UNTIMED;
  } else {
    iteration->limit = iteration->emitted;
  }
  unsigned left = iteration->limit - iteration->emitted;
  iteration->check_at = iteration->emitted + (step < left ? step : left);
}

/* ---- messages ---- */

const char *dgram_rinfo_address(const dgram_rinfo_t *rinfo) {
  if (rinfo == NULL)
    return NULL;
  if (rinfo->text[0] == '\0')
    dgram__address_text((const union dgram__address *)(const void *)rinfo->sockaddr, rinfo->text);
  return rinfo->text;
}

static bool receive_is_wanted(const dgram_socket_t *socket, const struct dgram__rx_batch *batch,
                              const struct dgram__rx_buffer *buffer) {
  return buffer->segment >= 0 && socket->events.message.list.first != NULL &&
         !dgram__receive_is_foreign(socket, batch, &buffer->from);
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
                                                    struct dgram__rx_iteration *iteration) {
  socket->rx.delivery = DGRAM__DELIVERY_UNDISTURBED;
  if (iteration->emitted >= iteration->check_at)
    rx_iteration_check(iteration);
  return dgram__rx_iteration_goes_on(socket, iteration);
}

/*
 * Emits messages one by one, until the batch is empty or the iteration over. This runs for each
 * datagram, so what changes with it is kept in variables. A buffer that is not wanted counts, too:
 * an iteration ends though nothing is emitted.
 */
__attribute__((noinline)) static void receive_emit_each(dgram_socket_t *socket,
                                                        struct dgram__rx_batch *batch,
                                                        struct dgram__rx_iteration *iteration) {
  struct dgram__rx_buffer *buffer = batch->buffers;
  struct dgram__rx_buffer *end = buffer + batch->count;
  size_t offset = batch->offset;
  bool goes_on = receive_check(socket, iteration);
  unsigned until = iteration->check_at - iteration->emitted;
  while (goes_on && buffer < end) {
    assert(until > 0);
    dgram_rinfo_t rinfo = dgram__receive_read_sender(buffer);
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

void dgram__receive_emit(dgram_socket_t *socket, struct dgram__rx_batch *batch,
                         struct dgram__rx_iteration *iteration) {
  socket->rx.delivering = batch;
  dgram__send_complete_all(socket);
  if (socket->events.messages.list.first != NULL)
    dgram__receive_emit_many(socket, batch, iteration);
  else
    receive_emit_each(socket, batch, iteration);
  socket->rx.delivering = NULL;
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

static enum received receive_once(dgram_socket_t *socket, struct dgram__rx_iteration *iteration) {
  struct dgram__rx *rx = &socket->rx;
  struct dgram__rx_batch batch;
  if (rx->max_batch == 1 && !receive_prepare_shared(socket))
    return RECEIVED_SOMETHING;
  unsigned most = rx->next_batch;
  if (most > iteration->budget - iteration->emitted) /* each has one datagram at least */
    most = iteration->budget - iteration->emitted;
  int received = receive_batch(socket, &batch, most);
  if (received > 0) {
    dgram__receive_emit(socket, &batch, iteration);
    /* As many as can be emitted in an iteration; twice as many if that is not known. */
    unsigned next = rx->next_batch;
    if (batch.count > 0)
      next = (unsigned)received > batch.count ? (unsigned)received - batch.count : 1;
    else if ((unsigned)received == next && iteration->emitted < iteration->budget)
      next *= 2;
    rx->next_batch = (unsigned char)(next < rx->max_batch ? next : rx->max_batch);
    if (batch.count > 0 && socket->life == DGRAM__OPEN)
      dgram__receive_keep(socket, &batch);
    return (unsigned)received == most ? RECEIVED_ALL_IT_MAY : RECEIVED_SOMETHING;
  }
  dgram__send_complete_all(socket);
  if (received == 0)
    return RECEIVED_NOTHING;
  /* An error that receiving does not clear comes with every wake-up, and is emitted once. */
  bool repeated = received == rx->reported_error;
  bool is_icmp = dgram__is_icmp_error(received);
  rx->reported_error = received;
  if (dgram__icmp_is_for_others(socket, received))
    dgram__count_receive_error(socket, received);
  else if (is_icmp && dgram__icmp_is_on(socket)) {
    /* it is cleared, and the error queue wakes the loop for it */
  } else if ((!repeated || is_icmp) && socket->life == DGRAM__OPEN) {
    dgram__emit_async_error(socket, received);
  }
  return repeated ? RECEIVED_NOTHING : RECEIVED_SOMETHING;
}

/* One receive call, unless batch or budget are small: then as many as the budget allows. */
bool dgram__receive(dgram_socket_t *socket) {
  struct dgram__rx *rx = &socket->rx;
  if (socket->life == DGRAM__CLOSED)
    return false;
  if (rx->backlog != NULL || rx->backlog_iteration == socket->loop->iteration)
    return true; /* this iteration has emitted enough */
  struct dgram__rx_iteration iteration = dgram__rx_iteration_begin(socket);
  enum received first = receive_once(socket, &iteration);
  enum received last =
      rx->max_batch == 1 || dgram__rx_iteration_is_short(&iteration) ? first : RECEIVED_NOTHING;
  while (last == RECEIVED_ALL_IT_MAY && !dgram__rx_iteration_is_over(&iteration) &&
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
    dgram__receive_set_backlog(socket, rx->backlog);
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
  struct dgram__message_batch *messages = dgram__rx_messages(socket->loop);
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

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

enum { FIRST_WINDOW = 8 }; /* buffers of the first receive call */

static void receive_set_budget(struct dgram__rx *receiving, int budget) {
  receiving->budget = budget > 0 ? (unsigned)budget : DGRAM__RECEIVE_BUDGET;
}

int dgram_set_receive_budget(dgram_socket_t *socket, int budget) {
  if (socket == NULL || budget < 0)
    return UV_EINVAL;
  if (socket->closing)
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

/* Without memory to keep it all is told now. */
static void receive_keep_backlog(dgram_socket_t *socket, struct dgram__received *batch) {
  struct dgram__backlog *backlog = receive_copy_batch(batch);
  if (backlog != NULL) {
    socket->rx.backlog = backlog;
    dgram__backlog_later(socket);
    return;
  }
  while (batch->count > 0 && !socket->closing) {
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
  if (backlog->batch.count > 0 && !socket->closing) {
    receiving->backlog = backlog;
    dgram__backlog_later(socket);
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
  if ((!again || dgram__is_icmp_error(err)) && !socket->closing)
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
  int received = loop->datapath->recv(&socket->udp, inbox, most);
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
  if (batch.count > 0 && !socket->closing)
    receive_keep_backlog(socket, &batch);
  return (unsigned)received == window ? AND_MORE : SOMETHING;
}

/*
 * One receive call, unless the calls or the turn are small: then as many as the turn has room for.
 */
bool dgram__receive(dgram_socket_t *socket) {
  struct dgram__rx *receiving = &socket->rx;
  if (socket->closed)
    return false;
  if (receiving->backlog != NULL || receiving->turn == socket->loop->iteration)
    return true; /* in this turn it has been told enough */
  struct dgram__iteration turn = dgram__iteration_begin(socket);
  enum came first = receive_and_emit(socket, &turn);
  enum came last = receiving->most == 1 || dgram__iteration_is_short(&turn) ? first : NOTHING;
  while (last == AND_MORE && !turn.over && !socket->closing && receiving->backlog == NULL)
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

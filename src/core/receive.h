/*
 * What the files of receiving share: receive.c makes a receive call and emits what it brings,
 * receive_messages.c does that for listeners of 'messages', receive_backlog.c keeps what is left.
 * The functions that are inline run for each datagram.
 */
#ifndef DGRAM_RECEIVE_H
#define DGRAM_RECEIVE_H

#include "internal.h"

enum {
  DGRAM__MESSAGE_BATCH = 1024, /* messages of one emission of 'messages' */
  DGRAM__SHORT_BUDGET = 32,    /* so few are emitted however long they take, as libuv does */
  DGRAM__EMIT_NS = 400 * 1000  /* time of an iteration for listeners */
};

/* ---- receive.c: buffers, batch ---- */

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

/* Makes one receive call, of up to `most` buffers. Returns how many it has filled, or an error. */
int dgram__receive_call(dgram_socket_t *socket, struct dgram__rx_buffers *buffers, unsigned most);

static inline bool dgram__receive_is_from_peer(const struct dgram__connecting *connecting,
                                               const union dgram__address *from) {
  return dgram__address_equal(from, &connecting->peer) ||
         dgram__address_equal(from, &connecting->to);
}

/* Whether the datagrams of a sender are not emitted, though they were received. */
__attribute__((noinline)) bool dgram__receive_is_excluded(const dgram_socket_t *socket,
                                                          const struct dgram__rx_batch *batch,
                                                          const union dgram__address *from);

static inline bool dgram__receive_is_foreign(const dgram_socket_t *socket,
                                             const struct dgram__rx_batch *batch,
                                             const union dgram__address *from) {
  return batch->filter != DGRAM__FILTER_NONE && dgram__receive_is_excluded(socket, batch, from);
}

/* These datagrams are not emitted: if it is the access lists that refuse them, they are counted. */
void dgram__receive_count_refused(dgram_socket_t *socket, const struct dgram__rx_batch *batch,
                                  const struct dgram__rx_buffer *buffer, size_t left);

/* Emits 'error' for a datagram that was lost on the way in. */
void dgram__receive_emit_loss(dgram_socket_t *socket, int code);

static inline void dgram__receive_drop_first(struct dgram__rx_batch *batch) {
  batch->buffers++;
  batch->count--;
  batch->offset = 0;
}

/* The sender of what is in the buffer. By its text path.c finds the buffer. */
static inline dgram_rinfo_t dgram__receive_read_sender(struct dgram__rx_buffer *buffer) {
  buffer->text[0] = '\0';
  return (dgram_rinfo_t){.sockaddr = &buffer->from.any,
                         .family = dgram__family_name(buffer->from.any.sa_family),
                         .port = dgram__address_port(&buffer->from),
                         .text = buffer->text};
}

/* ---- receive.c: an iteration ---- */

/* Whether a pause stops an emission. */
enum dgram__rx_respect {
  DGRAM__RX_UNLESS_PAUSED,
  DGRAM__RX_DESPITE_PAUSE /* there is no memory to keep what was received */
};

/* What a socket emits in an iteration of the loop. */
struct dgram__rx_iteration {
  enum dgram__rx_respect respect;
  unsigned budget;   /* datagrams */
  unsigned emitted;  /* of these */
  unsigned limit;    /* no more than so many: the budget, or fewer since the time is over */
  unsigned check_at; /* so many: rx_iteration_check() */
  uint64_t began;    /* ns; 0: the clock has not been read */
  unsigned began_at; /* datagrams emitted by then */
  uint64_t spent;    /* ns, by listeners of 'messages' */
};

struct dgram__rx_iteration dgram__rx_iteration_begin(const dgram_socket_t *socket);

static inline bool dgram__rx_iteration_is_over(const struct dgram__rx_iteration *iteration) {
  return iteration->emitted >= iteration->limit;
}

/* Whether listeners may get a datagram more. */
static inline bool dgram__rx_iteration_goes_on(const dgram_socket_t *socket,
                                               const struct dgram__rx_iteration *iteration) {
  return !dgram__rx_iteration_is_over(iteration) && socket->life == DGRAM__OPEN &&
         (socket->rx.paused == 0 || iteration->respect == DGRAM__RX_DESPITE_PAUSE);
}

/* So few datagrams are emitted that the clock is not read. */
static inline bool dgram__rx_iteration_is_short(const struct dgram__rx_iteration *iteration) {
  return iteration->budget <= DGRAM__SHORT_BUDGET;
}

/*
 * Emits what the batch has, until it is empty, the iteration is over, or the socket closes. A
 * send's callback comes before the reply that it provokes: programs start to listen in it, or
 * connect the socket.
 */
void dgram__receive_emit(dgram_socket_t *socket, struct dgram__rx_batch *batch,
                         struct dgram__rx_iteration *iteration);

/* ---- receive_messages.c: many at a time ---- */

/* Messages for listeners of 'messages'. */
struct dgram__message_batch {
  size_t count;
  size_t delivered; /* of these, as dgram_pause_at() says; else all */
  unsigned refused; /* buffers, meanwhile */
  unsigned losses;
  struct {
    size_t before; /* this message */
    int code;
  } loss[DGRAM__RX_BUFFERS]; /* datagrams lost on the way in, in their order */
  dgram_rinfo_t sender;      /* of the buffer that is gathered from: the messages copy it */
  dgram_message_t messages[DGRAM__MESSAGE_BATCH];
  const dgram_message_t *pointers[DGRAM__MESSAGE_BATCH]; /* to `messages` */
};

/* The loop's. */
struct dgram__message_batch *dgram__rx_messages(const struct dgram__loop *loop);

/* Emits messages many at a time, and measures how long listeners take. */
void dgram__receive_emit_many(dgram_socket_t *socket, struct dgram__rx_batch *batch,
                              struct dgram__rx_iteration *iteration);

/* ---- receive_backlog.c: what is left ---- */

/*
 * Keeps the rest of the batch in front of what was diverted to the socket meanwhile. Without memory
 * to keep it, it is emitted now, though the socket is paused; what listeners of 'messages' then do
 * not take is lost.
 */
void dgram__receive_keep(dgram_socket_t *socket, struct dgram__rx_batch *batch);

/* The backlog is this from now on, or still is, and is emitted. */
void dgram__receive_set_backlog(dgram_socket_t *socket, struct dgram__backlog *backlog);

/* Hands what is not the peer's to the server: the kernel had chosen the socket before it connected.
 */
void dgram__receive_divert_batch(dgram_socket_t *socket, struct dgram__rx_buffer buffers[],
                                 unsigned count);

#endif

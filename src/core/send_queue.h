/*
 * A send, and queues of sends. send.c draws how a send goes from one queue to the next.
 */
#ifndef DGRAM_SEND_QUEUE_H
#define DGRAM_SEND_QUEUE_H

#include <assert.h>

#include <dgram.h>

#include "errors.h"
#include "gso.h"
#include "list.h"
#include "state.h"

/* Where a send is. Builds with assertions keep it, to assert that each is in one queue. */
enum dgram__send_state {
  DGRAM__SEND_FREE, /* in the loop's free list, or not in a queue yet */
  DGRAM__SEND_WAIT_BIND,
  DGRAM__SEND_RESOLVING,
  DGRAM__SEND_READY,
  DGRAM__SEND_COMPLETED,
  DGRAM__SEND_CANCELLED
};

enum dgram__send_kind {
  DGRAM__DATAGRAM_SEND, /* to be sent, or sent */
  DGRAM__OPTIONS_SEND,  /* the same, with options */
  DGRAM__FAILED_SEND,   /* has ended with the error `status` */
  DGRAM__OPTION_MARKER  /* not a send: an option, to be set behind the sends before it */
};

/* The members that every send uses come first: two cache lines. */
struct dgram__send {
  struct dgram__datagram datagram; /* first, so that a datagram's address is its send's */
  enum dgram__send_kind kind;
  enum dgram__shown shown; /* by the error */
  struct iovec iov;        /* of a single buffer */
  dgram_send_cb callback;
  void *context;
  void *rare;       /* owned: what few sends have, a host or options; NULL: neither */
  const char *host; /* in `rare`: the destination if it was given by name; or NULL */
  void *memory;     /* owned: the copied bytes, or the list of buffers; stays for the next send */
  size_t footprint; /* bytes of the send and of `memory` */
  const char *syscall; /* that failed */
  int status;
  dgram_socket_t *socket; /* while it is resolving, as the two below */
  dgram_lookup_t *lookup;
  struct dgram__list_node resolving;
  uint64_t deadline; /* the loop's ms; only while sends of the socket are limited in time */
#ifndef NDEBUG
  enum dgram__send_state state;
#endif
};

static inline void dgram__send_set_state(struct dgram__send *send, enum dgram__send_state state) {
#ifndef NDEBUG
  static const unsigned char edges[] = {
      [DGRAM__SEND_FREE] = DGRAM__FROM_ANY,
      [DGRAM__SEND_WAIT_BIND] = DGRAM__FROM(DGRAM__SEND_FREE) | DGRAM__FROM(DGRAM__SEND_WAIT_BIND),
      [DGRAM__SEND_RESOLVING] = DGRAM__FROM(DGRAM__SEND_FREE) | DGRAM__FROM(DGRAM__SEND_WAIT_BIND),
      [DGRAM__SEND_READY] = DGRAM__FROM(DGRAM__SEND_FREE) | DGRAM__FROM(DGRAM__SEND_WAIT_BIND) |
                            DGRAM__FROM(DGRAM__SEND_RESOLVING),
      [DGRAM__SEND_COMPLETED] = DGRAM__FROM(DGRAM__SEND_READY),
      [DGRAM__SEND_CANCELLED] = DGRAM__FROM(DGRAM__SEND_READY) | DGRAM__FROM(DGRAM__SEND_RESOLVING),
  };
  dgram__assert_edge(edges, send->state, state);
  send->state = state;
#endif
}

static inline struct dgram__send *dgram__next_send(const struct dgram__send *send) {
  return (struct dgram__send *)send->datagram.next;
}

/* Whether it is to be sent: it has not failed, and is no option. */
static inline bool dgram__send_is_pending(const struct dgram__send *send) {
  return send->kind <= DGRAM__OPTIONS_SEND;
}

/*
 * First in, first out, over the `next` of the datagrams that udp.h sends. The count alone says
 * where it ends: `first` and `last` of an empty queue and the link of the last send mean nothing.
 * (The list of list.h in its place costs a send 19 instructions of 155.)
 */
struct dgram__queue {
  struct dgram__send *first;
  struct dgram__send *last;
  unsigned count;
  enum dgram__send_state state; /* of its sends */
};

/* For each send of the queue, in order; the queue does not change meanwhile. */
#define DGRAM__QUEUE_FOR_EACH(at, queue)                                          \
  for (unsigned at##_left = (queue)->count; at##_left > 0; at##_left = 0)         \
    /* NOLINTNEXTLINE(bugprone-macro-parentheses): a declared name stands bare */ \
    for (struct dgram__send *at = (queue)->first; at##_left > 0;                  \
         at##_left--, (at) = dgram__next_send(at))

static inline void dgram__queue_push(struct dgram__queue *queue, struct dgram__send *send) {
  dgram__send_set_state(send, queue->state);
  if (queue->count > 0)
    queue->last->datagram.next = &send->datagram;
  else
    queue->first = send;
  queue->last = send;
  queue->count++;
}

/* The queue is not empty. */
static inline struct dgram__send *dgram__queue_pop(struct dgram__queue *queue) {
  struct dgram__send *send = queue->first;
  assert(queue->count > 0 && send->state == queue->state);
  queue->first = dgram__next_send(send);
  queue->count--;
  return send;
}

/* Moves all of one queue, which is not empty, to the end of another. */
static inline void dgram__queue_move(struct dgram__queue *to, struct dgram__queue *from) {
#ifndef NDEBUG
  DGRAM__QUEUE_FOR_EACH (send, from)
    dgram__send_set_state(send, to->state);
#endif
  if (to->count > 0)
    to->last->datagram.next = &from->first->datagram;
  else
    to->first = from->first;
  to->last = from->last;
  to->count += from->count;
  from->count = 0;
}

#endif

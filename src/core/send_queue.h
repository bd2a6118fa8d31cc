/*
 * A send as the library keeps it, and queues of them.
 */
#ifndef DGRAM_SEND_QUEUE_H
#define DGRAM_SEND_QUEUE_H

#include <dgram.h>

#include "gso.h"
#include "errors.h"

/* What every send uses stands in front: two lines of a processor's cache. */
struct dgram__send {
  struct dgram__datagram datagram; /* first, so that a datagram's address is its send's */
  int status; /* in `ready`: 0; an error: it has failed already; 1: it is an option to be set */
  enum dgram__shown shown;
  struct iovec iov; /* of a single buffer */
  dgram_send_cb callback;
  void *context;
  char *host;             /* the destination if it was given by name */
  void *memory;           /* what was copied: the bytes, or the list of buffers */
  size_t footprint;       /* bytes of the send and of `memory`, which stays for the next send */
  const char *syscall;    /* what failed */
  dgram_socket_t *socket; /* while it waits for its host's address, with what follows */
  dgram_lookup_t *lookup;
  struct dgram__send *previous;
};

static inline struct dgram__send *dgram__next_send(const struct dgram__send *send) {
  return (struct dgram__send *)send->datagram.next;
}

/*
 * First in, first out. Zero-initialised: empty. The count alone says where it ends: what stands
 * behind the last one, or in an empty queue, means nothing.
 */
struct dgram__queue {
  struct dgram__send *first;
  struct dgram__send *last;
  unsigned count;
};

/* Moves all of one queue to the end of another. */
static inline void dgram__queue_move(struct dgram__queue *to, struct dgram__queue *from) {
  if (from->count == 0)
    return;
  if (to->count > 0)
    to->last->datagram.next = &from->first->datagram;
  else
    to->first = from->first;
  to->last = from->last;
  to->count += from->count;
  from->count = 0;
}

static inline void dgram__queue_push(struct dgram__queue *queue, struct dgram__send *send) {
  dgram__queue_move(queue, &(struct dgram__queue){send, send, 1});
}

/* The queue is not empty. */
static inline struct dgram__send *dgram__queue_pop(struct dgram__queue *queue) {
  struct dgram__send *send = queue->first;
  queue->first = dgram__next_send(send);
  queue->count--;
  return send;
}

#endif

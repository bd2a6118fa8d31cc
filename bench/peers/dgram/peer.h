/*
 * libdgram, as a program uses it: the public header alone, a callback for each datagram on both
 * sides. With DGRAM_GSO=0 and DGRAM_GRO=0 in the environment it is the peer
 * `libdgram-posix`.
 *
 * What the roles of the peer share.
 */
#ifndef BENCH_DGRAM_PEER_H
#define BENCH_DGRAM_PEER_H

#include <dgram.h>

#include "../roles.h"

/* Ends the program if the result of a call is an error. */
static inline void checked(int result, const char *what) {
  if (result < 0)
    bench_fail(what, dgram_strerror(result));
}

/* The same for the callback of a send. */
static inline void check_sent(const dgram_error_t *error) {
  if (error != NULL)
    bench_fail("send", error->message);
}

/* A socket whose errors end the program. */
dgram_socket_t *new_socket(uv_loop_t *loop, int recv_buffer, dgram_message_cb on_message,
                           void *context);
dgram_socket_t *new_connected(uv_loop_t *loop, const struct sockaddr_in *target,
                              dgram_message_cb on_message, void *context);
/* With the buffer of a receiver, bound to a free port. */
dgram_socket_t *new_bound(const bench_side_t *side, uv_loop_t *loop, dgram_message_cb on_message,
                          void *context);
uint16_t port_of(const dgram_socket_t *socket);

void init_loop(uv_loop_t *loop);
/* Until all handles are closed. */
void run_loop(uv_loop_t *loop);

/* Closes the sockets when all datagrams have arrived. */
typedef struct watch {
  bench_side_t *side;
  uv_timer_t timer;
  dgram_socket_t **sockets;
  size_t count;
} watch_t;

void watch_for_end(watch_t *watch, uv_loop_t *loop, bench_side_t *side, dgram_socket_t **sockets,
                   size_t count);

/* ---- send_queue.c: datagrams in flight, each replaced by another when it is sent ---- */

typedef struct send_queue send_queue_t;

/* A datagram to send. */
typedef struct datagram {
  uv_buf_t buffer;
  const struct sockaddr_in *to; /* NULL on a connected socket */
} datagram_t;

/* Writes the next datagram into its `buffer`; sets `to`, and the length if it is shorter. */
typedef void (*compose_t)(datagram_t *datagram, void *context);

struct send_queue {
  bench_side_t *side;
  dgram_socket_t *socket;
  compose_t compose;
  void *context;
  bool close_at_end; /* the socket, after the last datagram */
  bool by_text;      /* addresses are given as texts */
  char *bytes; /* of `count` datagrams. Sends complete in order, so the next one's are free first */
  size_t count;
  size_t next;
  size_t in_flight;
};

/* `queue` has all members down to `by_text`; `count` datagrams will be in flight. */
void send_queue_init(send_queue_t *queue, size_t count);
void send_queue_start(send_queue_t *queue);
void send_queue_free(send_queue_t *queue);

#endif

/*
 * libuv's own UDP handle, uv_udp_t, in the two ways in which a program can use it. The peer `libuv`
 * is the plain one: uv_udp_send() with a pool of requests, each used again from its callback, and
 * one recvmsg(2) for each datagram. `libuv-mmsg` has what libuv offers to be quick, by the options
 * send=try and receive=mmsg: uv_udp_try_send(), and UV_UDP_RECVMMSG with room for the most that
 * libuv takes in a call.
 *
 * Results of variants, in interleaved runs of libuv 1.44.2 on an otherwise idle virtual machine of
 * 2 cores (Linux 6.18), in million datagrams received per second at 64 / 1200 bytes: send=queue
 * connect=yes receive=mmsg   0.50 / 0.46 send=queue connect=yes receive=one    0.50 / 0.45   and 2
 * to 3 % more CPU time to receive send=queue connect=no  receive=mmsg   0.48 / 0.41 send=queue
 * connect=no  receive=one    0.48 / 0.43 send=try   connect=yes receive=mmsg   0.27 / 0.25 send=try
 * connect=yes receive=one    0.29 / 0.26 send=try   connect=no  receive=mmsg   0.25 / 0.23 send=try
 * connect=no  receive=one    0.25 / 0.22 A pool of 64 to 4096 requests made no difference beyond
 * the noise.
 *
 * What the roles of the peers share.
 */
#ifndef BENCH_LIBUV_PEER_H
#define BENCH_LIBUV_PEER_H

#include <uv.h>

#include "../roles.h"

/* Ends the program if the result of a call is an error. */
void checked(int result, const char *what);

/* send=try: by uv_udp_try_send(), and by uv_udp_send() only what that does not take. */
bool uses_try_send(const bench_side_t *side);

/* True if the datagram was sent; false after EAGAIN, or if others wait before it. */
bool try_send(uv_udp_t *socket, const uv_buf_t *datagram, const struct sockaddr *to);

/* True if the datagram was sent already; otherwise `callback` reports it. */
bool send_datagram(uv_udp_send_t *request, uv_udp_t *socket, const uv_buf_t *datagram,
                   const struct sockaddr *to, uv_udp_send_cb callback, bool try_first);

void init_loop(uv_loop_t *loop);
/* Until all handles are closed. */
void run_loop(uv_loop_t *loop);

/* ---- pool.c: datagrams whose bytes are reused at once ---- */

typedef struct pool_entry pool_entry_t;

typedef struct pool {
  pool_entry_t *free;
  size_t size; /* of the largest datagram */
  bool try_first;
} pool_t;

/* Sends a copy, if the datagram is not sent at once. */
void pool_send(pool_t *pool, uv_udp_t *socket, const uv_buf_t *datagram, const struct sockaddr *to);
void pool_free(pool_t *pool);

/* ---- send_queue.c: datagrams in flight, each replaced by another when it is sent ---- */

typedef struct send_queue send_queue_t;

/* A datagram in flight, and its memory. */
typedef struct slot {
  uv_udp_send_t request;
  send_queue_t *queue;
  char *bytes;
  uv_buf_t datagram;         /* the part of `bytes` that is sent */
  const struct sockaddr *to; /* NULL on a connected socket */
  bool busy;
} slot_t;

/* Composes the next datagram: sets `datagram` and `to`. */
typedef void (*compose_t)(slot_t *slot, void *context);

struct send_queue {
  bench_side_t *side;
  uv_udp_t *socket;
  compose_t compose;
  void *context;
  bool close_at_end; /* the socket, after the last datagram */
  bool try_first;
  uv_idle_t idle;
  slot_t *slots;
  char *bytes;
  size_t count;
  size_t in_flight;
};

/* `queue` has all members down to `closes`; `count` datagrams will be in flight. */
void send_queue_init(send_queue_t *queue, size_t count);
void send_queue_start(send_queue_t *queue);
void send_queue_free(send_queue_t *queue);

/* ---- rx_buffers.c: the receiving sockets, and the buffer that they share ---- */

typedef struct rx_buffers {
  bench_side_t *side;
  void *context;
  uv_buf_t buffer;
  uv_udp_t *sockets;
  uint16_t *ports;
  size_t count;
  uv_timer_t timer;
} rx_buffers_t;

/* Checked first in every receive callback: false when there is no datagram. */
bool is_datagram(ssize_t size, const struct sockaddr *from);

/* Initializes an unbound socket, whose `data` is `rx`. */
void init_receiving(rx_buffers_t *rx, uv_loop_t *loop, uv_udp_t *socket);
void start_receiving(uv_udp_t *socket, uv_udp_recv_cb listener);

/* rx_buffers_init() makes the buffer alone; rx_buffers_open() also binds the side's `sockets`. */
void rx_buffers_init(rx_buffers_t *rx, bench_side_t *side);
void rx_buffers_open(rx_buffers_t *rx, bench_side_t *side, uv_loop_t *loop,
                     uv_udp_recv_cb listener);
/* Closes the sockets when all datagrams have arrived. */
void watch_for_end(rx_buffers_t *rx, uv_loop_t *loop);
void rx_buffers_free(rx_buffers_t *rx);

#endif

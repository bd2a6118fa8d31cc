/*
 * libuv's own UDP handle, uv_udp_t, in the two ways in which a program can use it. The peer `libuv`
 * is the plain one: uv_udp_send() with a pool of requests, each used again from its callback, and
 * one recvmsg(2) for each datagram. `libuv-mmsg` has what libuv offers to be quick, by the options
 * send=try and receive=mmsg: uv_udp_try_send(), and UV_UDP_RECVMMSG with room for the most that
 * libuv takes in a call.
 *
 * What was tried, in interleaved runs of libuv 1.44.2 on an otherwise idle virtual machine of 2
 * cores (Linux 6.18), in million datagrams received per second at 64 / 1200 bytes:
 *   send=queue connect=yes receive=mmsg   0.50 / 0.46
 *   send=queue connect=yes receive=one    0.50 / 0.45   and 2 to 3 % more CPU time to receive
 *   send=queue connect=no  receive=mmsg   0.48 / 0.41
 *   send=queue connect=no  receive=one    0.48 / 0.43
 *   send=try   connect=yes receive=mmsg   0.27 / 0.25
 *   send=try   connect=yes receive=one    0.29 / 0.26
 *   send=try   connect=no  receive=mmsg   0.25 / 0.23
 *   send=try   connect=no  receive=one    0.25 / 0.22
 * A pool of 64 to 4096 requests made no difference beyond the noise.
 *
 * What the roles of the peers share.
 */
#ifndef BENCH_LIBUV_PEER_H
#define BENCH_LIBUV_PEER_H

#include <uv.h>

#include "../roles.h"

/* A call's result; if it is an error, the end of the program. */
void checked(int result, const char *what);

/* send=try: by uv_udp_try_send(), and by uv_udp_send() only what that does not take. */
bool sends_by_trying(const bench_side_t *side);

/* True if the datagram has left; false if the system takes no more, or others wait before it. */
bool try_to_send(uv_udp_t *socket, const uv_buf_t *datagram, const struct sockaddr *to);

/* True if the datagram has left already; else `callback` will tell. */
bool send_datagram(uv_udp_send_t *request, uv_udp_t *socket, const uv_buf_t *datagram,
                   const struct sockaddr *to, uv_udp_send_cb callback, bool tries);

void init_loop(uv_loop_t *loop);
/* Until all handles are closed. */
void run_loop(uv_loop_t *loop);

/* ---- pool.c: datagrams whose bytes are wanted for something else at once ---- */

typedef struct parcel parcel_t;

typedef struct pool {
  parcel_t *free;
  size_t size; /* of the largest datagram */
  bool tries;
} pool_t;

/* Sends a copy, if the datagram does not leave at once. */
void post(pool_t *pool, uv_udp_t *socket, const uv_buf_t *datagram, const struct sockaddr *to);
void end_pool(pool_t *pool);

/* ---- outbox.c: datagrams in flight, each replaced by another when it has left ---- */

typedef struct outbox outbox_t;

/* A datagram in flight, and its memory. */
typedef struct slot {
  uv_udp_send_t request;
  outbox_t *outbox;
  char *bytes;
  uv_buf_t datagram;         /* the part of `bytes` that is sent */
  const struct sockaddr *to; /* NULL on a connected socket */
  bool busy;
} slot_t;

/* Makes the next datagram: sets `datagram` and `to`. */
typedef void (*compose_t)(slot_t *slot, void *context);

struct outbox {
  bench_side_t *side;
  uv_udp_t *socket;
  compose_t compose;
  void *context;
  bool closes; /* the socket, after the last datagram */
  bool tries;
  uv_idle_t idle;
  slot_t *slots;
  char *bytes;
  size_t count;
  size_t busy;
};

/* `outbox` has all down to `closes`; `count` datagrams will be in flight. */
void make_outbox(outbox_t *outbox, size_t count);
void start_outbox(outbox_t *outbox);
void end_outbox(outbox_t *outbox);

/* ---- inbox.c: sockets that receive ---- */

typedef struct inbox {
  bench_side_t *side;
  void *context;
  uv_buf_t buffer;
  uv_udp_t *sockets;
  uint16_t *ports;
  size_t count;
  uv_timer_t timer;
} inbox_t;

/* What every callback of a socket that receives asks first: false when there is no datagram. */
bool is_datagram(ssize_t size, const struct sockaddr *from);

/* A socket that is yet unbound; `data` of it is the inbox. */
void init_receiving(inbox_t *inbox, uv_loop_t *loop, uv_udp_t *socket);
void start_receiving(uv_udp_t *socket, uv_udp_recv_cb listener);

/* With one socket, which is the caller's, or with the side's own `sockets`, bound. */
void make_buffer(inbox_t *inbox, bench_side_t *side);
void open_inbox(inbox_t *inbox, bench_side_t *side, uv_loop_t *loop, uv_udp_recv_cb listener);
/* Closes the sockets when all has come. */
void watch_for_end(inbox_t *inbox, uv_loop_t *loop);
void end_inbox(inbox_t *inbox);

#endif

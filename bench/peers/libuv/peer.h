/* What the roles of the peers on libuv share, and the roles, by the files that have them. */
#ifndef BENCH_LIBUV_PEER_H
#define BENCH_LIBUV_PEER_H

#include <uv.h>

#include "../../harness.h"

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

/* ---- the roles ---- */

/* send.c */
void stream_send(bench_side_t *side);
void fanout_send(bench_side_t *side);
void fanout_text_send(bench_side_t *side);
/* burst.c */
void burst_send(bench_side_t *side);
/* receive.c */
void receive(bench_side_t *side);
/* answer.c */
void pingpong_send(bench_side_t *side);
void answer(bench_side_t *side);
/* mixed.c */
void mixed_receive(bench_side_t *side);

#endif

/*
 * From a readable socket to its listeners: what a socket has received and not told yet, and how
 * much of it a turn of the loop tells.
 */
#ifndef DGRAM_RECEIVE_H
#define DGRAM_RECEIVE_H

#include <dgram.h>

#include "udp.h"

/* A batch of messages, for listeners of 'messages'. */
enum { DGRAM__MESSAGE_BATCH_SIZE = 1024 };
struct dgram__message_batch {
  size_t count;
  unsigned losses;
  struct {
    size_t before; /* this message */
    int code;
  } loss[DGRAM__RX_BUFFERS]; /* datagrams lost on the way in, in their order */
  dgram_message_t messages[DGRAM__MESSAGE_BATCH_SIZE];
  const dgram_message_t *told[DGRAM__MESSAGE_BATCH_SIZE]; /* their places, which stay the same */
  char senders[DGRAM__RX_BUFFERS][DGRAM_ADDRESS_TEXT];    /* as text, made when asked for */
};

/* The most of what a socket is told in a turn of the loop: datagrams. */
enum { DGRAM__RECEIVE_BUDGET = 4096 };

/* What one receive call has brought, and has not been told yet. */
struct dgram__received {
  const struct dgram__rx_buffer *slots;
  unsigned count;
  size_t offset; /* bytes of the first one that have been told */
  bool filter;   /* received before the socket was connected: only the peer's are told */
};

/* A batch that is told over several turns, with its bytes. */
struct dgram__backlog {
  struct dgram__received batch;
  struct dgram__rx_buffer slots[];
};

/* How a socket receives. */
struct dgram__rx {
  struct dgram__backlog *backlog;  /* NULL: all that was received has been told */
  struct dgram__received *telling; /* what listeners are being told, or will be; or NULL */
  unsigned budget;                 /* datagrams told in a turn */
  unsigned turn;                   /* the last one in which the backlog was told from */
  uint32_t each;                   /* ns that a listener of 'messages' takes for one; 0: unknown */
  int said;             /* the receive error that was told last, and has not gone; or 0 */
  unsigned char window; /* buffers of the next receive call */
  unsigned char most;   /* ... at most */
  bool shares;          /* `most` was left to the library: 1 where others have it too */
  bool recheck;         /* a listener has closed or connected the socket */
  bool filter;          /* in the system's queue are datagrams from before the connect */
};

/* ---- receive.c ---- */

void dgram__receive_init(dgram_socket_t *socket, const dgram_options_t *options);

/* The system socket is one that others have, too. */
void dgram__receive_share(dgram_socket_t *socket);

/* It will be: what has been received is told now. */
void dgram__receive_lend(dgram_socket_t *socket);

/* Receives one batch and emits its messages, as far as the turn allows. Whether anything came. */
bool dgram__receive(dgram_socket_t *socket);

/* Emits messages of the backlog. */
void dgram__receive_backlog(dgram_socket_t *socket);

/* The socket has been connected just now. */
void dgram__receive_connected(dgram_socket_t *socket);

/* The socket closes. */
void dgram__receive_forget(dgram_socket_t *socket);

/* ---- deliver.c: a turn's messages to the listeners ---- */

/* What a socket is told in a turn of the loop. */
struct dgram__iteration {
  unsigned budget;   /* datagrams */
  unsigned told;     /* of these */
  unsigned look_at;  /* so many told: the clock is looked at, or the budget is used up */
  uint64_t began;    /* ns; 0: the clock has not been looked at */
  unsigned began_at; /* datagrams told by then */
  uint64_t spent;    /* ns, by listeners of 'messages' */
  bool over;
};

struct dgram__iteration dgram__iteration_begin(const dgram_socket_t *socket);

/* Whether it tells so few that it takes no notice of the clock. */
bool dgram__iteration_is_short(const struct dgram__iteration *turn);

/* Tells what the batch has, until all is told, the turn is over, or the socket closes. */
void dgram__deliver(dgram_socket_t *socket, struct dgram__received *batch,
                    struct dgram__iteration *turn);

#endif

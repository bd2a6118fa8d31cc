/*
 * How far a socket is with its peer.
 */
#ifndef DGRAM_CONNECT_H
#define DGRAM_CONNECT_H

#include <dgram.h>

#include "address.h"
#include "errors.h"
#include "list.h"

/* How far a socket is on its way to a peer; connect.c draws it. */
enum __attribute__((packed)) dgram__connect_state {
  DGRAM__DISCONNECTED,
  DGRAM__CONNECT_WAITING_FOR_BIND,
  DGRAM__CONNECT_RESOLVING,
  DGRAM__CONNECT_SCHEDULED, /* the address is known; the loop, or the call under way, connects */
  DGRAM__CONNECT_FAILED,    /* to be reported */
  DGRAM__CONNECTED_PENDING, /* to be reported */
  DGRAM__CONNECTED
};

/* A dgram_connect() whose result has not been reported. */
struct dgram__attempt {
  struct dgram__list_node node; /* in `ended` */
  union dgram__address to;
  int status; /* an error to be reported, and what failed */
  enum dgram__shown shown;
  const char *syscall;
  char *host; /* as given, if it is a name; or NULL */
  dgram_lookup_t *lookup;
  dgram_connect_cb callback;
  void *context;
};

/* The peer, and an attempt to connect. */
struct dgram__connecting {
  enum dgram__connect_state state;
  union dgram__address to;        /* when connected: the peer as the program named it */
  union dgram__address peer;      /* ... and as the system does */
  struct dgram__attempt *attempt; /* that the state is about; NULL: it is a dgram_connect_sync() */
  struct dgram__list ended;       /* attempts that ended before their result was reported */
};

/* Whether sends go to a peer. */
static inline bool dgram__is_connected(const struct dgram__connecting *connecting) {
  return connecting->state >= DGRAM__CONNECTED_PENDING;
}

/* The socket is bound: a connect that waited goes on. */
void dgram__connect_bound(dgram_socket_t *socket);

/* The socket could not be bound: a connect that waited ends with this error. */
void dgram__connect_bind_failed(dgram_socket_t *socket, int code, const char *syscall);

/* A system socket that was taken over is connected already, perhaps. */
void dgram__connect_adopt(dgram_socket_t *socket);

/* The socket closes: an attempt under way is cancelled. */
void dgram__connect_cancel(dgram_socket_t *socket);

/* Reports cancelled attempts to their callbacks, after 'close'. */
void dgram__connect_report_cancelled(dgram_socket_t *socket);

#endif

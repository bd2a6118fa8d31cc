/*
 * How far a socket is with its peer.
 */
#ifndef DGRAM_CONNECT_H
#define DGRAM_CONNECT_H

#include <dgram.h>

#include "address.h"
#include "errors.h"

/* How far a socket is on its way to a peer; connect.c draws it. */
enum dgram__connect_state {
  DGRAM__DISCONNECTED,
  DGRAM__CONNECT_WAITING_FOR_BIND,
  DGRAM__CONNECT_RESOLVING,
  DGRAM__CONNECT_SCHEDULED, /* the address is known; the loop, or the call under way, connects */
  DGRAM__CONNECT_FAILED,    /* and that is to be told */
  DGRAM__CONNECTED_PENDING, /* connected, and that is to be told */
  DGRAM__CONNECTED
};

/* A dgram_connect() that has not been told its end. */
struct dgram__attempt {
  struct dgram__attempt *next;
  union dgram__address to;
  int status; /* an error that is to be told, with what failed */
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
  struct dgram__attempt *ended;   /* the program has disconnected before it was told */
};

/* Whether sends go to a peer. */
static inline bool dgram__is_connected(const struct dgram__connecting *connecting) {
  return connecting->state >= DGRAM__CONNECTED_PENDING;
}

/* The socket is bound: a connect that waited goes on. */
void dgram__connect_release(dgram_socket_t *socket);

/* The socket could not be bound: a connect that waited ends with this error. */
void dgram__connect_fail_unbound(dgram_socket_t *socket, int code, const char *syscall);

/* The socket closes: a connect under way is given up. */
void dgram__connect_cancel(dgram_socket_t *socket);

/* Tells a connect that was given up of it, after 'close'. */
void dgram__connect_report_cancelled(dgram_socket_t *socket);

/* A socket that was taken over is connected already, perhaps. */
void dgram__connect_adopt(dgram_socket_t *socket);

#endif

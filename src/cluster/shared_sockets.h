/*
 * The system sockets that a primary has bound for its workers. Each worker has a lease of each
 * socket that it uses; a socket is closed when its last lease ends.
 * Knows neither workers nor their connections.
 */
#ifndef DGRAM_SHARED_SOCKETS_H
#define DGRAM_SHARED_SOCKETS_H

#include "descriptor.h"
#include "frame.h"
#include "list.h"

enum { DGRAM__MAX_LEASES = 1024 }; /* of one worker: the list is searched */

/* A descriptor of the primary's own that workers may request by its number. */
struct dgram__allowed {
  struct dgram__list_node node;
  int fd; /* borrowed */
  struct dgram__identity identity;
};

/* A system socket. */
struct dgram__shared_socket {
  struct dgram__list_node node;
  struct dgram__frame request;     /* the first request for it; equal ones share it */
  struct dgram__identity identity; /* if the request has an `fd` */
  union dgram__address name;       /* what it is bound to: with port 0 another than requested */
  int fd;                          /* owned */
  unsigned leases;
  bool marked; /* leased by the worker for which a socket is being searched */
};

/* All of them. Zero-initialised, but for `limit`. */
struct dgram__shared_sockets {
  struct dgram__list sockets; /* in the order of the requests */
  unsigned count;             /* of `sockets`: each has a descriptor */
  unsigned limit;             /* of `count` */
  struct dgram__list allowed;
};

/* A worker's use of a socket, under the number of the worker's request. */
struct dgram__lease {
  struct dgram__list_node node;
  struct dgram__shared_socket *socket; /* holds one of its `leases` */
  uint32_t number;
  bool opened; /* the socket was opened for this lease */
};

/* The leases of one worker. Zero-initialised. */
struct dgram__leases {
  struct dgram__list list;
  unsigned count;
  unsigned opened; /* of these, those with `opened` */
};

/*
 * The default of `limit`: three quarters of RLIMIT_NOFILE as it is now, so that the process keeps
 * descriptors for other uses.
 */
unsigned dgram__shared_sockets_default_limit(void);

/*
 * Allows workers to request a descriptor of this process, as long as it is this very socket.
 * Returns 0, UV_EBADF, DGRAM_ERR_INVALID_FD_TYPE, or UV_ENOMEM.
 */
int dgram__shared_sockets_allow(struct dgram__shared_sockets *shared, int fd);

/* Ends that; leases stay. False: it was not allowed. */
bool dgram__shared_sockets_forbid(struct dgram__shared_sockets *shared, int fd);

void dgram__shared_sockets_forbid_all(struct dgram__shared_sockets *shared);

/*
 * Leases the worker the first socket of an equal request that it does not lease yet, or else a new
 * one; so the n-th of equal requests gets the same socket in each worker. Returns 0; UV_EPROTO: the
 * number is in use; UV_EACCES: the descriptor is not allowed; UV_EMFILE: too many leases of the
 * worker, or too many sockets; UV_ENOMEM; or an error of opening the socket.
 *
 * A worker may have at most as many sockets opened for it as are left to open: so each gets half of
 * what the others have left, and none can exhaust the limit.
 */
int dgram__shared_sockets_lease(struct dgram__shared_sockets *shared, struct dgram__leases *leases,
                                const struct dgram__frame *request,
                                const struct dgram__lease **lease);

/* The lease with this number, or NULL. */
struct dgram__lease *dgram__leases_find(const struct dgram__leases *leases, uint32_t number);

/* Ends a lease. False: there is none with this number. */
bool dgram__shared_sockets_release(struct dgram__shared_sockets *shared,
                                   struct dgram__leases *leases, uint32_t number);

void dgram__shared_sockets_release_all(struct dgram__shared_sockets *shared,
                                       struct dgram__leases *leases);

#endif

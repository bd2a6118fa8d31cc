/*
 * The system sockets that a primary has bound for its workers: which there are, and who holds them.
 * Floor 1: knows neither workers nor how they are spoken to.
 */
#ifndef DGRAM_SHARED_SOCKETS_H
#define DGRAM_SHARED_SOCKETS_H

#include "frame.h"

enum { DGRAM__MAX_LEASES = 1024 }; /* of one holder, whose list is searched */

/* Which system socket a descriptor is: its number may be given anew. */
struct dgram__identity {
  dev_t device;
  ino_t inode;
};

/* A descriptor of this process's own that holders may ask for by its number. */
struct dgram__allowed {
  struct dgram__allowed *next;
  int fd;
  struct dgram__identity identity;
};

/* One system socket, bound as `key` asks. */
struct dgram__shared_socket {
  struct dgram__shared_socket *next;
  struct dgram__frame key;
  union dgram__address name; /* what it is bound to in the end */
  int fd;
  struct dgram__identity identity; /* if the key has an `fd` */
  unsigned holders;
  bool marked; /* held by the one that asks, while one is looked for */
};

/* All of them, in the order of asking. Zero-initialised, but for `most`. */
struct dgram__shared_sockets {
  struct dgram__shared_socket *first;
  unsigned count; /* of these: a descriptor each */
  unsigned most;  /* that there may be */
  struct dgram__allowed *allowed;
};

/* That somebody holds one, under a number of his own. */
struct dgram__lease {
  struct dgram__lease *next;
  struct dgram__shared_socket *shared;
  uint32_t number;
  bool opened; /* for it: the holder has cost a descriptor */
};

/* What one holds. Zero-initialised. */
struct dgram__leases {
  struct dgram__lease *first;
  unsigned count;
  unsigned opened; /* of these, those that were opened for him */
};

/*
 * As many sockets as may be open for holders, derived from the limit of this process
 * (RLIMIT_NOFILE) as it is now: three quarters, so that the process has descriptors of its own
 * left.
 */
unsigned dgram__shared_sockets_most(void);

/*
 * Lets holders ask for a descriptor of this process, as long as it is this very socket. Returns 0,
 * UV_EBADF, DGRAM_ERR_INVALID_FD_TYPE, or UV_ENOMEM.
 */
int dgram__shared_sockets_allow(struct dgram__shared_sockets *shares, int fd);

/* No more; who holds it keeps it. False: it was not allowed. */
bool dgram__shared_sockets_forbid(struct dgram__shared_sockets *shares, int fd);

/* Frees what was allowed, at the end. */
void dgram__shared_sockets_forbid_all(struct dgram__shared_sockets *shares);

/*
 * Gives the holder the socket that he asks for: the first that was bound for the same question and
 * that he does not hold yet, or else a new one. So the n-th that each asks for is the same.
 * `holding->shared->fd` stays the shares'. Returns 0; UV_EPROTO: the number is in use; UV_EACCES:
 * the descriptor asked for is not allowed; UV_EMFILE: he holds too many, or there are too many;
 * UV_ENOMEM; or why the system socket can't be had.
 *
 * A new socket is opened for a holder only while fewer were opened for him than may still be: so
 * one gets half of them at most, and however many hold too many there is something left for the
 * next.
 */
int dgram__shared_sockets_give(struct dgram__shared_sockets *shares, struct dgram__leases *holder,
                               const struct dgram__frame *ask, const struct dgram__lease **holding);

/* What is held under this number, or NULL. */
const struct dgram__lease *dgram__shared_sockets_find(const struct dgram__leases *holder,
                                                      uint32_t number);

/* Takes one back, and closes it if nobody else holds it. False: nothing has this number. */
bool dgram__shared_sockets_take(struct dgram__shared_sockets *shares, struct dgram__leases *holder,
                                uint32_t number);

/* Takes back all that he holds. */
void dgram__shared_sockets_take_all(struct dgram__shared_sockets *shares,
                                    struct dgram__leases *holder);

#endif

/*
 * The system sockets that a primary has bound for its workers: which there are, and who holds them.
 * Floor 1: knows neither workers nor how they are spoken to.
 */
#ifndef DGRAM_SHARES_H
#define DGRAM_SHARES_H

#include "wire.h"

enum { DGRAM__MOST_HOLDINGS = 1024 }; /* of one holder, so that none uses up all descriptors */

/* One system socket, bound as `key` asks. */
struct dgram__shared {
  struct dgram__shared *next;
  struct dgram__frame key;
  union dgram__address name; /* what it is bound to in the end */
  int fd;
  unsigned holders;
  bool marked; /* held by the one that asks, while one is looked for */
};

/* All of them, in the order of asking. Zero-initialised. */
struct dgram__shares {
  struct dgram__shared *first;
};

/* That somebody holds one, under a number of his own. */
struct dgram__holding {
  struct dgram__holding *next;
  struct dgram__shared *shared;
  uint32_t number;
};

/* What one holds. Zero-initialised. */
struct dgram__holder {
  struct dgram__holding *first;
  unsigned count;
};

/*
 * Gives the holder the socket that he asks for: the first that was bound for the same question and
 * that he does not hold yet, or else a new one. So the n-th that each asks for is the same.
 * `holding->shared->fd` stays the shares'. Returns 0; UV_EPROTO: the number is in use; UV_EMFILE:
 * he holds too many; UV_ENOMEM; or why the system socket can't be had.
 */
int dgram__shares_give(struct dgram__shares *shares, struct dgram__holder *holder,
                       const struct dgram__frame *ask, const struct dgram__holding **holding);

/* What is held under this number, or NULL. */
const struct dgram__holding *dgram__shares_find(const struct dgram__holder *holder,
                                                uint32_t number);

/* Takes one back, and closes it if nobody else holds it. False: nothing has this number. */
bool dgram__shares_take(struct dgram__shares *shares, struct dgram__holder *holder,
                        uint32_t number);

/* Takes back all that he holds. */
void dgram__shares_take_all(struct dgram__shares *shares, struct dgram__holder *holder);

#endif

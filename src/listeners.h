/*
 * Listeners of one event: add, remove, call in order. Listeners may be added and removed while
 * they are called, also in nested calls.
 * Floor 0: knows neither the events nor the listeners' types.
 */
#ifndef DGRAM_LISTENERS_H
#define DGRAM_LISTENERS_H

#include <stdbool.h>
#include <stdint.h>

/* Any listener: a pointer to it is cast to this type to be kept, and cast back to be called. */
typedef void dgram__listener_fn(void);

/* Calls one listener by its true type. */
typedef void dgram__invoke_fn(dgram__listener_fn *listener, void *context, const void *event);

enum dgram__listener_kind {
  DGRAM__ON,        /* every time */
  DGRAM__ONCE,      /* the next time */
  DGRAM__ON_ATTEMPT /* once, if the bind or connect that it came with succeeds */
};

struct dgram__listener;

/* Zero-initialised: no listeners. */
struct dgram__listeners {
  struct dgram__listener *first;
  uint64_t emissions; /* begun so far */
  unsigned depth;     /* emissions under way */
  bool removed_some;  /* while an emission was under way */
};

/* Adds a listener after the others. False: no memory. */
bool dgram__listeners_add(struct dgram__listeners *listeners, dgram__listener_fn *listener,
                          void *context, enum dgram__listener_kind kind);

/* Removes the newest with this function and context. False: there is none. */
bool dgram__listeners_remove(struct dgram__listeners *listeners, dgram__listener_fn *listener,
                             void *context);

/* Removes all of a kind. */
void dgram__listeners_remove_kind(struct dgram__listeners *listeners,
                                  enum dgram__listener_kind kind);

/* Calls those added before this call began and not removed since. False: there was none. */
bool dgram__listeners_emit(struct dgram__listeners *listeners, dgram__invoke_fn *invoke,
                           const void *event);

/* Removes all; not while an emission is under way. */
void dgram__listeners_clear(struct dgram__listeners *listeners);

#endif

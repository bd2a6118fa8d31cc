/*
 * Listeners of one event: add, remove, call in order. Listeners may be added and removed while
 * they are called, also in nested calls.
 * Floor 0: knows neither the events nor the listeners' types.
 */
#ifndef DGRAM_LISTENERS_H
#define DGRAM_LISTENERS_H

#include <stdbool.h>
#include <stddef.h>

/* Any listener: a pointer to it is cast to this type to be kept, and cast back to be called. */
typedef void dgram__listener_fn(void);

enum dgram__listener_kind {
  DGRAM__ON,        /* every time */
  DGRAM__ONCE,      /* the next time */
  DGRAM__ON_ATTEMPT /* once, if the bind or connect that it came with succeeds */
};

struct dgram__listener {
  struct dgram__listener *next;
  dgram__listener_fn *function;
  void *context;
  enum dgram__listener_kind kind;
  bool removed; /* waits for the emissions under way to end */
};

/* Zero-initialised: no listeners. */
struct dgram__listeners {
  struct dgram__listener *first;
  struct dgram__listener *last;
  unsigned depth;    /* emissions under way */
  bool removed_some; /* while an emission was under way */
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

/* What those of DGRAM__ON_ATTEMPT came with has succeeded: they are now as those of DGRAM__ONCE. */
void dgram__listeners_attempt_succeeded(struct dgram__listeners *listeners);

/* Removes all; not while an emission is under way. */
void dgram__listeners_clear(struct dgram__listeners *listeners);

/*
 * The calling of an event's listeners, in order: of those added before it began and not removed
 * since. Here, and not in listeners.c, because it is done for each message: whoever emits calls the
 * listeners by their true type.
 *
 *   struct dgram__emission emission = dgram__emission_begin(&listeners);
 *   const struct dgram__listener *to;
 *   while ((to = dgram__emission_next(&emission)) != NULL)
 *     ((some_cb)to->function)(to->context);
 */
struct dgram__emission {
  struct dgram__listeners *listeners;
  struct dgram__listener *next;
  const struct dgram__listener *last; /* of those that were there when it began */
};

static inline struct dgram__emission dgram__emission_begin(struct dgram__listeners *listeners) {
  listeners->depth++;
  return (struct dgram__emission){
      .listeners = listeners, .next = listeners->first, .last = listeners->last};
}

/* Private to the emission: removes a listener for now; frees what was removed, if it can be. */
void dgram__listeners_mark_removed(struct dgram__listeners *listeners,
                                   struct dgram__listener *listener);
void dgram__listeners_sweep(struct dgram__listeners *listeners);

/* The emission has called all. */
static inline void dgram__emission_end(struct dgram__listeners *listeners) {
  listeners->depth--;
  if (listeners->removed_some)
    dgram__listeners_sweep(listeners);
}

/* Begins an emission to the only listener there is. NULL: nothing has begun, it takes the other
 * way. */
static inline struct dgram__listener *
dgram__emission_begin_only(struct dgram__listeners *listeners) {
  struct dgram__listener *only = listeners->first;
  if (only == NULL || only != listeners->last || only->kind != DGRAM__ON || only->removed)
    return NULL;
  listeners->depth++;
  return only;
}

/* The next one to call. NULL: that was all, and the emission has ended. */
static inline const struct dgram__listener *dgram__emission_next(struct dgram__emission *emission) {
  struct dgram__listeners *listeners = emission->listeners;
  struct dgram__listener *listener;
  while ((listener = emission->next) != NULL) {
    emission->next = listener != emission->last ? listener->next : NULL;
    if (listener->removed)
      continue;
    if (listener->kind != DGRAM__ON)
      dgram__listeners_mark_removed(listeners, listener);
    return listener;
  }
  dgram__emission_end(listeners);
  return NULL;
}

#endif

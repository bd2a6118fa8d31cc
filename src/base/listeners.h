/*
 * The listeners of one event. They are called in the order in which they were added. A listener may
 * add and remove listeners, and emit the same event again.
 * Knows neither the events nor the listeners' types.
 */
#ifndef DGRAM_LISTENERS_H
#define DGRAM_LISTENERS_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>

#include "list.h"

/* Any listener: a pointer to it is cast to this type to be kept, and cast back to be called. */
typedef void dgram__listener_fn(void);

enum dgram__listener_kind {
  DGRAM__ON,        /* every time */
  DGRAM__ONCE,      /* the next time */
  DGRAM__ON_ATTEMPT /* once, if the bind or connect that added it succeeds */
};

struct dgram__listener {
  struct dgram__list_node node;
  dgram__listener_fn *function;
  void *context;
  enum dgram__listener_kind kind;
  bool removed; /* not called any more; freed when no emission is under way */
};

/* Zero-initialised: no listeners. */
struct dgram__listeners {
  struct dgram__list list;
  unsigned depth;    /* emissions under way */
  bool removed_some; /* some listeners are `removed` */
};

/* Adds a listener after the others. False: no memory. */
bool dgram__listeners_add(struct dgram__listeners *listeners, dgram__listener_fn *listener,
                          void *context, enum dgram__listener_kind kind);

/* Removes the newest listener with this function and context. False: there is none. */
bool dgram__listeners_remove(struct dgram__listeners *listeners, dgram__listener_fn *listener,
                             void *context);

void dgram__listeners_remove_kind(struct dgram__listeners *listeners,
                                  enum dgram__listener_kind kind);

/* The bind or connect has succeeded: its listeners of kind DGRAM__ON_ATTEMPT become DGRAM__ONCE. */
void dgram__listeners_attempt_succeeded(struct dgram__listeners *listeners);

/* Whether the next emission would call any. */
bool dgram__listeners_has_any(const struct dgram__listeners *listeners);

/* Removes all; not while an emission is under way. */
void dgram__listeners_clear(struct dgram__listeners *listeners);

/*
 * An emission calls the listeners that were added before it began, except those removed since. It
 * is inline because it is done for each message. The caller calls each listener by its true type:
 *
 *   struct dgram__emission emission = dgram__emission_begin(&listeners);
 *   const struct dgram__listener *to;
 *   while ((to = dgram__emission_next(&emission)) != NULL)
 *     ((some_cb)to->function)(to->context);
 */
struct dgram__emission {
  struct dgram__listeners *listeners;
  struct dgram__list_node *next;
  const struct dgram__list_node *last; /* when the emission began */
};

static inline struct dgram__emission dgram__emission_begin(struct dgram__listeners *listeners) {
  listeners->depth++;
  return (struct dgram__emission){
      .listeners = listeners, .next = listeners->list.first, .last = listeners->list.last};
}

/* Private to emissions: mark a listener as removed; free those, if no emission is under way. */
void dgram__listeners_mark_removed(struct dgram__listeners *listeners,
                                   struct dgram__listener *listener);
void dgram__listeners_sweep(struct dgram__listeners *listeners);

static inline void dgram__emission_end(struct dgram__listeners *listeners) {
  assert(listeners->depth > 0);
  listeners->depth--;
  if (listeners->removed_some)
    dgram__listeners_sweep(listeners);
}

/*
 * The fast path: begins an emission to the only listener, which dgram__emission_end() ends. NULL:
 * nothing has begun, since there are none or several, or the one is to be called once.
 */
static inline struct dgram__listener *
dgram__emission_begin_only(struct dgram__listeners *listeners) {
  struct dgram__list_node *node = listeners->list.first;
  if (node == NULL || node != listeners->list.last)
    return NULL;
  struct dgram__listener *only = DGRAM__LIST_ENTRY(node, struct dgram__listener, node);
  if (only->kind != DGRAM__ON || only->removed)
    return NULL;
  listeners->depth++;
  return only;
}

/* The next listener to call. NULL: all were called, and the emission has ended. */
static inline const struct dgram__listener *dgram__emission_next(struct dgram__emission *emission) {
  struct dgram__list_node *node;
  while ((node = emission->next) != NULL) {
    struct dgram__listener *listener = DGRAM__LIST_ENTRY(node, struct dgram__listener, node);
    emission->next = node != emission->last ? node->next : NULL;
    if (listener->removed)
      continue;
    if (listener->kind != DGRAM__ON)
      dgram__listeners_mark_removed(emission->listeners, listener);
    return listener;
  }
  dgram__emission_end(emission->listeners);
  return NULL;
}

#endif

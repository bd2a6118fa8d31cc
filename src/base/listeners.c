#include "listeners.h"

#include <assert.h>
#include <stdlib.h>

bool dgram__listeners_add(struct dgram__listeners *listeners, dgram__listener_fn *listener,
                          void *context, enum dgram__listener_kind kind) {
  struct dgram__listener *added = malloc(sizeof *added);
  if (added == NULL)
    return false;
  *added = (struct dgram__listener){.function = listener, .context = context, .kind = kind};
  if (listeners->last != NULL)
    listeners->last->next = added;
  else
    listeners->first = added;
  listeners->last = added;
  return true;
}

/* Frees what was removed, unless an emission might still stand on it. */
void dgram__listeners_sweep(struct dgram__listeners *listeners) {
  if (listeners->depth > 0 || !listeners->removed_some)
    return;
  listeners->removed_some = false;
  listeners->last = NULL;
  struct dgram__listener **at = &listeners->first;
  while (*at != NULL) {
    struct dgram__listener *listener = *at;
    if (!listener->removed) {
      listeners->last = listener;
      at = &listener->next;
      continue;
    }
    *at = listener->next;
    free(listener);
  }
}

void dgram__listeners_mark_removed(struct dgram__listeners *listeners,
                                   struct dgram__listener *listener) {
  listener->removed = true;
  listeners->removed_some = true;
}

bool dgram__listeners_remove(struct dgram__listeners *listeners, dgram__listener_fn *listener,
                             void *context) {
  struct dgram__listener *newest = NULL;
  for (struct dgram__listener *at = listeners->first; at != NULL; at = at->next)
    if (!at->removed && at->function == listener && at->context == context)
      newest = at;
  if (newest == NULL)
    return false;
  dgram__listeners_mark_removed(listeners, newest);
  dgram__listeners_sweep(listeners);
  return true;
}

void dgram__listeners_remove_kind(struct dgram__listeners *listeners,
                                  enum dgram__listener_kind kind) {
  for (struct dgram__listener *at = listeners->first; at != NULL; at = at->next)
    if (at->kind == kind)
      dgram__listeners_mark_removed(listeners, at);
  dgram__listeners_sweep(listeners);
}

void dgram__listeners_attempt_succeeded(struct dgram__listeners *listeners) {
  for (struct dgram__listener *at = listeners->first; at != NULL; at = at->next)
    if (at->kind == DGRAM__ON_ATTEMPT)
      at->kind = DGRAM__ONCE;
}

void dgram__listeners_clear(struct dgram__listeners *listeners) {
  assert(listeners->depth == 0);
  for (struct dgram__listener *at = listeners->first; at != NULL; at = at->next)
    dgram__listeners_mark_removed(listeners, at);
  dgram__listeners_sweep(listeners);
}

#include "listeners.h"

#include <assert.h>
#include <stdlib.h>

bool dgram__listeners_add(struct dgram__listeners *listeners, dgram__listener_fn *listener,
                          void *context, enum dgram__listener_kind kind) {
  struct dgram__listener *added = malloc(sizeof *added);
  if (added == NULL)
    return false;
  *added = (struct dgram__listener){.function = listener, .context = context, .kind = kind};
  dgram__list_append(&listeners->list, &added->node);
  return true;
}

void dgram__listeners_mark_removed(struct dgram__listeners *listeners,
                                   struct dgram__listener *listener) {
  listener->removed = true;
  listeners->removed_some = true;
}

/* An emission refers to listeners of the list, so they are freed when the last one has ended. */
void dgram__listeners_sweep(struct dgram__listeners *listeners) {
  if (listeners->depth > 0 || !listeners->removed_some)
    return;
  listeners->removed_some = false;
  struct dgram__list all = dgram__list_take_all(&listeners->list);
  struct dgram__list_node *node;
  while ((node = dgram__list_take_first(&all)) != NULL) {
    struct dgram__listener *listener = DGRAM__LIST_ENTRY(node, struct dgram__listener, node);
    if (listener->removed)
      free(listener);
    else
      dgram__list_append(&listeners->list, node);
  }
}

bool dgram__listeners_remove(struct dgram__listeners *listeners, dgram__listener_fn *listener,
                             void *context) {
  struct dgram__listener *newest = NULL;
  DGRAM__LIST_FOR_EACH (at, &listeners->list, struct dgram__listener, node)
    if (!at->removed && at->function == listener && at->context == context)
      newest = at;
  if (newest == NULL)
    return false;
  dgram__listeners_mark_removed(listeners, newest);
  dgram__listeners_sweep(listeners);
  return true;
}

bool dgram__listeners_has_any(const struct dgram__listeners *listeners) {
  DGRAM__LIST_FOR_EACH (at, &listeners->list, struct dgram__listener, node)
    if (!at->removed)
      return true;
  return false;
}

void dgram__listeners_remove_kind(struct dgram__listeners *listeners,
                                  enum dgram__listener_kind kind) {
  DGRAM__LIST_FOR_EACH (at, &listeners->list, struct dgram__listener, node)
    if (at->kind == kind)
      dgram__listeners_mark_removed(listeners, at);
  dgram__listeners_sweep(listeners);
}

void dgram__listeners_attempt_succeeded(struct dgram__listeners *listeners) {
  DGRAM__LIST_FOR_EACH (at, &listeners->list, struct dgram__listener, node)
    if (at->kind == DGRAM__ON_ATTEMPT)
      at->kind = DGRAM__ONCE;
}

void dgram__listeners_clear(struct dgram__listeners *listeners) {
  assert(listeners->depth == 0);
  DGRAM__LIST_FOR_EACH (at, &listeners->list, struct dgram__listener, node)
    dgram__listeners_mark_removed(listeners, at);
  dgram__listeners_sweep(listeners);
}

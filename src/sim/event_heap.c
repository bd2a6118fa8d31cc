#include "event_heap.h"

static bool events_is_before(const struct dgram__sim_event *a, const struct dgram__sim_event *b) {
  return a->at != b->at ? a->at < b->at : a->order < b->order;
}

/* Joins two heaps, of which either may be empty. */
static struct dgram__sim_event *events_join(struct dgram__sim_event *a,
                                            struct dgram__sim_event *b) {
  if (a == NULL || b == NULL)
    return a != NULL ? a : b;
  struct dgram__sim_event *first = events_is_before(a, b) ? a : b;
  struct dgram__sim_event *other = first == a ? b : a;
  other->sibling = first->child;
  first->child = other;
  return first;
}

void dgram__sim_events_add(struct dgram__sim_events *events, struct dgram__sim_event *event,
                           uint64_t at) {
  event->child = event->sibling = NULL;
  event->at = at;
  event->order = events->scheduled++;
  events->first = events_join(events->first, event);
}

/* The children are joined in pairs from the first on, and the pairs from the last on. */
struct dgram__sim_event *dgram__sim_events_take(struct dgram__sim_events *events) {
  struct dgram__sim_event *taken = events->first;
  if (taken == NULL)
    return NULL;
  struct dgram__sim_event *pairs = NULL;
  struct dgram__sim_event *left = taken->child;
  while (left != NULL) {
    struct dgram__sim_event *a = left;
    struct dgram__sim_event *b = a->sibling;
    left = b != NULL ? b->sibling : NULL;
    a->sibling = NULL;
    if (b != NULL)
      b->sibling = NULL;
    struct dgram__sim_event *pair = events_join(a, b);
    pair->sibling = pairs;
    pairs = pair;
  }
  struct dgram__sim_event *first = NULL;
  while (pairs != NULL) {
    struct dgram__sim_event *next = pairs->sibling;
    pairs->sibling = NULL;
    first = events_join(first, pairs);
    pairs = next;
  }
  events->first = first;
  return taken;
}

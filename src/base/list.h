/*
 * The one intrusive list: doubly linked, with a head that is empty when zero-initialised. A struct
 * that stands in a list has a node as a member, and DGRAM__LIST_ENTRY() leads from it to the
 * struct.
 */
#ifndef DGRAM_LIST_H
#define DGRAM_LIST_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>

struct dgram__list_node {
  struct dgram__list_node *next;
  struct dgram__list_node *previous;
};

struct dgram__list {
  struct dgram__list_node *first;
  struct dgram__list_node *last;
};

/* The struct of this type that `node`, not NULL, is the member `member` of. */
#define DGRAM__LIST_ENTRY(node, type, member) \
  ((type *)(void *)((char *)(node)-offsetof(type, member)))

/* The first struct of a list, and the one after `at`; or NULL. */
#define DGRAM__LIST_FIRST(list, type, member) \
  ((list)->first != NULL ? DGRAM__LIST_ENTRY((list)->first, type, member) : NULL)
#define DGRAM__LIST_NEXT(at, type, member) \
  ((at)->member.next != NULL ? DGRAM__LIST_ENTRY((at)->member.next, type, member) : NULL)

/* Iterates over the structs of a list. The body may append to it, but not remove `at`. */
#define DGRAM__LIST_FOR_EACH(at, list, type, member)                                      \
  /* NOLINTNEXTLINE(bugprone-macro-parentheses): a type and a declared name stand bare */ \
  for (type *at = DGRAM__LIST_FIRST(list, type, member); (at) != NULL;                    \
       (at) = DGRAM__LIST_NEXT(at, type, member))

static inline bool dgram__list_is_empty(const struct dgram__list *list) {
  return list->first == NULL;
}

static inline void dgram__list_append(struct dgram__list *list, struct dgram__list_node *node) {
  node->next = NULL;
  node->previous = list->last;
  if (list->last != NULL)
    list->last->next = node;
  else
    list->first = node;
  list->last = node;
}

/* `node` is in the list. */
static inline void dgram__list_remove(struct dgram__list *list, struct dgram__list_node *node) {
  assert((node->previous == NULL) == (list->first == node));
  assert((node->next == NULL) == (list->last == node));
  if (node->previous != NULL)
    node->previous->next = node->next;
  else
    list->first = node->next;
  if (node->next != NULL)
    node->next->previous = node->previous;
  else
    list->last = node->previous;
}

/* Removes the first node and returns it. NULL: the list is empty. */
static inline struct dgram__list_node *dgram__list_take_first(struct dgram__list *list) {
  struct dgram__list_node *node = list->first;
  if (node != NULL)
    dgram__list_remove(list, node);
  return node;
}

/* Empties the list and returns what it held. */
static inline struct dgram__list dgram__list_take_all(struct dgram__list *list) {
  struct dgram__list taken = *list;
  *list = (struct dgram__list){NULL, NULL};
  return taken;
}

#endif

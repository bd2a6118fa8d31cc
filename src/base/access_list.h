/*
 * Lists of addresses (dgram_access.h), and who has them. A list is referred to by the program and
 * by each use, and is freed with the last of these.
 */
#ifndef DGRAM_ACCESS_LIST_H
#define DGRAM_ACCESS_LIST_H

#include <dgram_access.h>

#include <stdbool.h>

#include "address.h"
#include "list.h"

/* One who has a list. Zero-initialised: has none. */
struct dgram__access_use {
  struct dgram__list_node node; /* in the list's `uses` */
  dgram_access_list_t *list;    /* a reference; or NULL */
  void (*changed)(void *owner); /* called after each change; or NULL */
  void *owner;
};

/* Has the list, or with NULL none, in place of the one before. */
void dgram__access_use_set(struct dgram__access_use *use, dgram_access_list_t *list);

/* Whether an address of either family is in the list. */
bool dgram__access_list_covers(const dgram_access_list_t *list,
                               const union dgram__address *address);

#endif

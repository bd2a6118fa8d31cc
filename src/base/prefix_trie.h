/*
 * A set of IP prefixes that tells whether an address is in any of them. It changes while it is in
 * use; a change costs about as much as a look-up.
 *
 * It is a radix tree of one octet a level. What a level has in common with all below it is skipped
 * (path compression), and a branch with a single prefix is a leaf; so there are fewer nodes than
 * prefixes, and memory is bounded by their number: about 32 to 200 bytes each. A look-up visits a
 * node for each octet in which prefixes differ, and reads a bit or two in it.
 */
#ifndef DGRAM_PREFIX_TRIE_H
#define DGRAM_PREFIX_TRIE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ip.h"

/* A prefix is in the set as often as it was added, counted by what it was added for. */
enum dgram__prefix_use {
  DGRAM__PREFIX_BY_ITSELF,
  DGRAM__PREFIX_OF_RANGE, /* one of several that make up a range */
  DGRAM__PREFIX_USES
};

/* Where an item is: in its node, or at the root. */
struct dgram__trie_slot {
  uint64_t tag; /* what a look-up can tell of the item without reading it; see the .c file */
  struct dgram__trie_item *item; /* NULL, at the root only: the set is empty */
};

/* Zero-initialised: empty. */
struct dgram__prefix_trie {
  struct dgram__trie_slot root;
};

/* Returns false without memory, or if it was added 2^32 - 1 times; then nothing has changed. */
bool dgram__prefix_trie_add(struct dgram__prefix_trie *trie, const struct dgram__ip_block *prefix,
                            enum dgram__prefix_use use);

/* Takes one back. Returns false, and nothing has changed, if it is not there for this use. */
bool dgram__prefix_trie_remove(struct dgram__prefix_trie *trie,
                               const struct dgram__ip_block *prefix, enum dgram__prefix_use use);

/* Whether the address is in any of the prefixes. */
bool dgram__prefix_trie_covers(const struct dgram__prefix_trie *trie, struct dgram__ip ip);

/* Frees all, and the trie is empty. */
void dgram__prefix_trie_clear(struct dgram__prefix_trie *trie);

#endif

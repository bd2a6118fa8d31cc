/*
 * A set of IP prefixes that tells whether an address is in any of them. It changes while it is in
 * use: a change moves a part of two arrays of one node, about 6 KB with 100,000 prefixes and 150 KB
 * at most.
 *
 * It is a tree with one octet a level. What all prefixes of a node share is skipped (path
 * compression), and up to 16 prefixes that share an octet are in their node, one beside the other:
 * only more than that get a node of their own. So memory is bounded by the number of prefixes:
 * about 40 bytes each, and 600 for a node, of which there are fewer than prefixes.
 */
#ifndef DGRAM_PREFIX_TRIE_H
#define DGRAM_PREFIX_TRIE_H

#include <stdbool.h>

#include "ip.h"

/* A prefix is in the set as often as it was added, counted by what it was added for. */
enum dgram__prefix_use {
  DGRAM__PREFIX_BY_ITSELF,
  DGRAM__PREFIX_OF_RANGE, /* one of several that make up a range */
  DGRAM__PREFIX_USES
};

struct dgram__trie_node;

/* Zero-initialised: empty. */
struct dgram__prefix_trie {
  struct dgram__trie_node *root; /* NULL: empty */
};

/* Returns false without memory, or if it was added 2^32 - 1 times; then nothing has changed. */
bool dgram__prefix_trie_add(struct dgram__prefix_trie *trie, const struct dgram__ip_block *prefix,
                            enum dgram__prefix_use use);

/*
 * Takes one back; it needs no memory. Returns false, and nothing has changed, if it is not there
 * for this use.
 */
bool dgram__prefix_trie_remove(struct dgram__prefix_trie *trie,
                               const struct dgram__ip_block *prefix, enum dgram__prefix_use use);

/* Whether the address is in any of the prefixes. */
bool dgram__prefix_trie_covers(const struct dgram__prefix_trie *trie, struct dgram__ip ip);

/* Frees all, and the trie is empty. */
void dgram__prefix_trie_clear(struct dgram__prefix_trie *trie);

#endif

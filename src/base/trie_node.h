/*
 * A node of the set of prefixes (prefix_trie.h).
 *
 * A prefix of `bits` bits belongs to level (bits - 1) / 8, that of its last bit; the prefix of no
 * bits belongs to level 0. A node is at one level. Below it are prefixes that share all octets
 * before its own: those of its level, which are the node's own prefixes, and those of later levels,
 * by their octet at its level. Of an octet up to 16 are in the node; more are below a child.
 *
 * A node's slots are one array, sorted by octet. Those of an octet are a run; the own prefixes are
 * one more run, the last. `starts` says where each run begins, and of an octet also whether an own
 * prefix covers it, and whether its run is a single slot that is a child. For example
 *
 *   octet    0    1       2         3     ...   255   own prefixes
 *   slots    -    a b c   -> child  -           d     e f
 *   starts   0    0       3         4           4     5             7
 *
 * A look-up of one in 100,000 prefixes waits for memory and for mispredicted branches more than it
 * computes. So a slot is a tag of 8 bytes, and what else is known of a prefix is in an array beside
 * it, of records: the tags of 100,000 prefixes are 0.8 MB, which a second-level cache may hold.
 */
#ifndef DGRAM_TRIE_NODE_H
#define DGRAM_TRIE_NODE_H

#include <stdbool.h>
#include <stdint.h>

#include "ip.h"
#include "prefix_trie.h"

enum {
  DGRAM__TRIE_OWN = 256,     /* the run of a node's own prefixes; those before are of octets */
  DGRAM__TRIE_RUNS = 257,    /* in a node */
  DGRAM__TRIE_MOST = 16,     /* prefixes in the run of an octet */
  DGRAM__TRIE_LANES = 4,     /* slots that a look-up compares at a time */
  DGRAM__TRIE_TAG_BITS = 56, /* of a prefix that are in its tag */
};

/* A start of a run: a position, at most 16 * 256 + 511, and flags if the run is an octet's. */
enum {
  DGRAM__TRIE_POSITION = 0x1fff,
  DGRAM__TRIE_COVERED = 0x4000, /* the octet is in one of the own prefixes */
  DGRAM__TRIE_CHILD = 0x8000    /* the run is one slot, a child */
};

/*
 * A prefix or a child. The low octet of a tag is the prefix's number of bits; above it are the next
 * 56 of the prefix, which are those behind the octet of the run.
 */
union dgram__trie_slot {
  uint64_t tag;
  struct dgram__trie_node *child;
};

/* What a look-up reads only of prefixes that are longer than a tag. Of a child: anything. */
struct dgram__trie_record {
  struct dgram__ip ip;
  uint32_t counts[DGRAM__PREFIX_USES];
};

struct dgram__trie_node {
  struct dgram__ip ip;           /* its first `level` octets are those of all prefixes below */
  union dgram__trie_slot *slots; /* `capacity` of them, and DGRAM__TRIE_LANES that may be read */
  struct dgram__trie_record *records; /* `capacity` of them, beside the slots */
  uint16_t level;                     /* 0 to 15 */
  uint16_t children;
  uint16_t capacity;
  uint16_t starts[DGRAM__TRIE_RUNS + 1];
};

/* ---- what is in a node ---- */

/* Where a run begins. */
static inline unsigned dgram__trie_begin(const struct dgram__trie_node *node, unsigned run) {
  return node->starts[run] & DGRAM__TRIE_POSITION;
}

/* The position behind its last slot. */
static inline unsigned dgram__trie_end(const struct dgram__trie_node *node, unsigned run) {
  return node->starts[run + 1] & DGRAM__TRIE_POSITION;
}

/* The slots of all runs. */
static inline unsigned dgram__trie_count(const struct dgram__trie_node *node) {
  return node->starts[DGRAM__TRIE_RUNS];
}

/* NULL: the run is prefixes, or empty. */
static inline struct dgram__trie_node **dgram__trie_child(const struct dgram__trie_node *node,
                                                          unsigned run) {
  return (node->starts[run] & DGRAM__TRIE_CHILD) != 0
             ? &node->slots[dgram__trie_begin(node, run)].child
             : NULL;
}

static inline struct dgram__ip_block dgram__trie_prefix(const struct dgram__trie_node *node,
                                                        unsigned at) {
  return (struct dgram__ip_block){node->records[at].ip, node->slots[at].tag & 0xff};
}

static inline unsigned dgram__trie_level(const struct dgram__ip_block *prefix) {
  return prefix->bits > 0 ? (prefix->bits - 1) / 8 : 0;
}

/* The run that a prefix belongs to, which shares the node's octets and is not of a lower level. */
static inline unsigned dgram__trie_run(const struct dgram__trie_node *node,
                                       const struct dgram__ip_block *prefix) {
  return dgram__trie_level(prefix) == node->level ? DGRAM__TRIE_OWN
                                                  : dgram__ip_octet(prefix->ip, node->level);
}

/* Where a prefix is in its run, which is no child; the end of the run: it is not there. */
unsigned dgram__trie_find(const struct dgram__trie_node *node, unsigned run,
                          const struct dgram__ip_block *prefix);

/* The 64 bits behind the first 1 to 16 octets; zeros behind the last bit. */
static inline uint64_t dgram__trie_next_bits(struct dgram__ip ip, unsigned octets) {
  if (octets > 8)
    return ip.low << (8 * (octets - 9)) << 8;
  return ip.high << (8 * (octets - 1)) << 8 | ip.low >> (64 - 8 * octets);
}

/* ---- changes ---- */

/* A node that has nothing yet; every other has at least one slot. NULL: no memory. */
struct dgram__trie_node *dgram__trie_node_new(struct dgram__ip ip, unsigned level);

/* Not its children. It may be NULL. */
void dgram__trie_node_free(struct dgram__trie_node *node);

/* Puts a prefix that the node does not have into its run, which is no child. False: no memory. */
bool dgram__trie_put(struct dgram__trie_node *node, const struct dgram__ip_block *prefix,
                     const struct dgram__trie_record *record);

/* Drops a prefix out of its run. */
void dgram__trie_drop(struct dgram__trie_node *node, unsigned run, unsigned at);

/* Puts a child in the place of a run. False: no memory, and the run is empty. */
bool dgram__trie_put_child(struct dgram__trie_node *parent, unsigned run,
                           struct dgram__trie_node *child);

/*
 * If a child has few prefixes and no child, or nothing but a child, it is freed and they get its
 * place in its parent. The last slot needs no memory for that; if there is none for more slots, the
 * node stays.
 */
void dgram__trie_give_up(struct dgram__trie_node *parent, struct dgram__trie_node *child);

#endif

/*
 * In this file: looking up; adding; removing; clearing. The nodes are in trie_node.h.
 *
 * Adding walks down to the node that shares the most with the prefix. There the prefix goes into
 * its run; or, where the run is full, all of it into a new child at the first level at which they
 * differ; or, where the node's octets are not those of the prefix, into a new node in front of it.
 *
 * Removing walks down in the same way. Then the node is given up for what is in it, if that is
 * little; so every node but the root has at least two slots, and one without children 9 prefixes,
 * unless memory was lacking.
 */
#include "prefix_trie.h"

#include "trie_node.h"

static unsigned trie_min(unsigned a, unsigned b) {
  return a < b ? a : b;
}

/* ---- looking up ---- */

/* Whether a prefix of an octet's run has the address. */
static bool trie_run_covers(const struct dgram__trie_node *node, unsigned octet,
                            const struct dgram__ip *ip) {
  unsigned before = 8 * (node->level + 1U);
  uint64_t next = dgram__trie_next_bits(*ip, node->level + 1U);
  for (unsigned at = dgram__trie_begin(node, octet); at < dgram__trie_end(node, octet); at++) {
    uint64_t tag = node->slots[at].tag;
    unsigned bits = tag & 0xff, in_tag = trie_min(bits - before, DGRAM__TRIE_TAG_BITS);
    if ((next ^ tag) >> (64 - in_tag) == 0 &&
        (bits - before == in_tag || dgram__ip_share(node->records[at].ip, *ip, bits)))
      return true;
  }
  return false;
}

/*
 * The same in a node at level 8 or later, where a tag has all bits of a prefix. Slots are compared
 * four at a time and without a branch, which would be mispredicted: runs have random lengths. Those
 * of the four that are not of the run have any content, and do not count.
 */
static inline bool trie_low_run_covers(const union dgram__trie_slot *slots, unsigned count,
                                       uint64_t next, unsigned before) {
  for (;; slots += DGRAM__TRIE_LANES, count -= DGRAM__TRIE_LANES) {
    unsigned found = 0;
    for (unsigned i = 0; i < DGRAM__TRIE_LANES; i++) {
      uint64_t tag = slots[i].tag;
      unsigned others = (before - (unsigned)tag) % 64; /* 64 minus the prefix's bits in the tag */
      found |= (unsigned)((next ^ tag) >> others == 0) << i;
    }
    if (count <= DGRAM__TRIE_LANES)
      return (found & ((1U << count) - 1)) != 0;
    if (found != 0)
      return true;
  }
}

/* From a node at level 8 or later on. */
static bool trie_low_covers(const struct dgram__trie_node *node, struct dgram__ip ip) {
  for (;;) {
    unsigned before = 8 * (node->level - 8U);
    if (node->ip.high != ip.high || ((node->ip.low ^ ip.low) & ~(UINT64_MAX >> before)) != 0)
      return false;
    uint64_t rest = ip.low << before;
    unsigned octet = (unsigned)(rest >> 56), start = node->starts[octet];
    unsigned begin = start & DGRAM__TRIE_POSITION;
    if ((start & (DGRAM__TRIE_CHILD | DGRAM__TRIE_COVERED)) != DGRAM__TRIE_CHILD) {
      bool found = trie_low_run_covers(node->slots + begin, dgram__trie_end(node, octet) - begin,
                                       rest << 8, before + 8);
      return ((start & DGRAM__TRIE_COVERED) != 0) | found; /* no branch */
    }
    node = node->slots[begin].child;
  }
}

bool dgram__prefix_trie_covers(const struct dgram__prefix_trie *trie, struct dgram__ip ip) {
  const struct dgram__trie_node *node = trie->root;
  while (node != NULL && node->level < 8) {
    if (!dgram__ip_share(node->ip, ip, 8U * node->level))
      return false;
    unsigned octet = dgram__ip_octet(ip, node->level), start = node->starts[octet];
    if ((start & DGRAM__TRIE_COVERED) != 0)
      return true;
    if ((start & DGRAM__TRIE_CHILD) == 0)
      return trie_run_covers(node, octet, &ip);
    node = node->slots[start & DGRAM__TRIE_POSITION].child;
  }
  return node != NULL && trie_low_covers(node, ip);
}

/* ---- adding ---- */

/* The octets at the beginning that two addresses share. */
static unsigned trie_common_octets(struct dgram__ip a, struct dgram__ip b) {
  unsigned octets = 0;
  while (octets < DGRAM__IP_BITS / 8 && dgram__ip_octet(a, octets) == dgram__ip_octet(b, octets))
    octets++;
  return octets;
}

/* A node with the prefix. NULL: no memory. */
static struct dgram__trie_node *trie_new_node(const struct dgram__ip_block *prefix,
                                              const struct dgram__trie_record *record,
                                              unsigned level) {
  struct dgram__trie_node *node = dgram__trie_node_new(prefix->ip, level);
  if (node == NULL || dgram__trie_put(node, prefix, record))
    return node;
  dgram__trie_node_free(node);
  return NULL;
}

/*
 * Puts a node with the prefix in front of another, at the first level at which they differ, or that
 * of the prefix. False: no memory.
 */
static bool trie_put_in_front(struct dgram__trie_node **place, const struct dgram__ip_block *prefix,
                              const struct dgram__trie_record *record, unsigned level) {
  struct dgram__trie_node *child = *place, *parent = trie_new_node(prefix, record, level);
  if (parent == NULL || !dgram__trie_put_child(parent, dgram__ip_octet(child->ip, level), child)) {
    dgram__trie_node_free(parent);
    return false;
  }
  *place = parent;
  dgram__trie_give_up(parent, child);
  return true;
}

/* Puts a child, with the prefix and those of a full run, in the place of the run. False: no memory.
 */
static bool trie_burst(struct dgram__trie_node *node, unsigned run,
                       const struct dgram__ip_block *prefix,
                       const struct dgram__trie_record *record) {
  unsigned begin = dgram__trie_begin(node, run), end = dgram__trie_end(node, run);
  unsigned level = dgram__trie_level(prefix);
  for (unsigned at = begin; at < end; at++) {
    struct dgram__ip_block other = dgram__trie_prefix(node, at);
    level = trie_min(level, dgram__trie_level(&other));
    level = trie_min(level, trie_common_octets(other.ip, prefix->ip));
  }
  struct dgram__trie_node *child = trie_new_node(prefix, record, level);
  bool done = child != NULL;
  for (unsigned at = begin; done && at < end; at++) {
    struct dgram__ip_block other = dgram__trie_prefix(node, at);
    done = dgram__trie_put(child, &other, &node->records[at]);
  }
  if (!done || !dgram__trie_put_child(node, run, child)) {
    dgram__trie_node_free(child);
    return false;
  }
  return true;
}

bool dgram__prefix_trie_add(struct dgram__prefix_trie *trie, const struct dgram__ip_block *prefix,
                            enum dgram__prefix_use use) {
  struct dgram__trie_record record = {.ip = prefix->ip};
  unsigned level = dgram__trie_level(prefix);
  record.counts[use] = 1;
  if (trie->root == NULL) {
    trie->root = trie_new_node(prefix, &record, level);
    return trie->root != NULL;
  }
  struct dgram__trie_node *node = NULL, **place = &trie->root;
  unsigned run = 0;
  while (place != NULL) {
    node = *place;
    unsigned shared = trie_min(level, trie_common_octets(node->ip, prefix->ip));
    if (shared < node->level)
      return trie_put_in_front(place, prefix, &record, shared);
    run = dgram__trie_run(node, prefix);
    place = dgram__trie_child(node, run);
  }
  unsigned at = dgram__trie_find(node, run, prefix);
  if (at == dgram__trie_end(node, run))
    return run == DGRAM__TRIE_OWN || at - dgram__trie_begin(node, run) < DGRAM__TRIE_MOST
               ? dgram__trie_put(node, prefix, &record)
               : trie_burst(node, run, prefix, &record);
  if (node->records[at].counts[use] == UINT32_MAX)
    return false;
  node->records[at].counts[use]++;
  return true;
}

/* ---- removing ---- */

static bool trie_is_unused(const struct dgram__trie_record *record) {
  for (unsigned i = 0; i < DGRAM__PREFIX_USES; i++)
    if (record->counts[i] > 0)
      return false;
  return true;
}

bool dgram__prefix_trie_remove(struct dgram__prefix_trie *trie,
                               const struct dgram__ip_block *prefix, enum dgram__prefix_use use) {
  struct dgram__trie_node *node = NULL, *parent = NULL;
  struct dgram__trie_node **place = trie->root != NULL ? &trie->root : NULL;
  unsigned run = 0;
  while (place != NULL) {
    parent = node;
    node = *place;
    if (node->level > dgram__trie_level(prefix) ||
        !dgram__ip_share(node->ip, prefix->ip, 8U * node->level))
      return false;
    run = dgram__trie_run(node, prefix);
    place = dgram__trie_child(node, run);
  }
  if (node == NULL)
    return false;
  unsigned at = dgram__trie_find(node, run, prefix);
  if (at == dgram__trie_end(node, run) || node->records[at].counts[use] == 0)
    return false;
  node->records[at].counts[use]--;
  if (!trie_is_unused(&node->records[at]))
    return true;
  dgram__trie_drop(node, run, at);
  if (parent != NULL) {
    dgram__trie_give_up(parent, node);
  } else if (dgram__trie_count(node) == node->children && node->children < 2) {
    trie->root = node->children > 0 ? node->slots[0].child : NULL;
    dgram__trie_node_free(node);
  }
  return true;
}

/* ---- clearing ---- */

/* Recursive; levels of one another grow, so at most 16 calls deep. */
// NOLINTNEXTLINE(misc-no-recursion)
static void trie_free_all(struct dgram__trie_node *node) {
  for (unsigned octet = 0; octet < DGRAM__TRIE_OWN && node->children > 0; octet++) {
    struct dgram__trie_node **child = dgram__trie_child(node, octet);
    if (child != NULL)
      trie_free_all(*child);
  }
  dgram__trie_node_free(node);
}

void dgram__prefix_trie_clear(struct dgram__prefix_trie *trie) {
  if (trie->root != NULL)
    trie_free_all(trie->root);
  trie->root = NULL;
}

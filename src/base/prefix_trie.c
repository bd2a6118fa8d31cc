/*
 * In this file: the items of the trie; their slots; the arrays of a node; looking up; adding;
 * removing; clearing.
 *
 * A prefix of `bits` bits belongs to level (bits - 1) / 8, that of its last bit; the prefix of no
 * bits belongs to level 0. A node is at one level: it has the prefixes of that level that share the
 * octets before it (its entries), and the items of later levels by their octet at its level (its
 * children). An item is a node, or as a leaf a single prefix.
 *
 * A look-up of one in 100,000 prefixes waits for memory more than it computes. So a slot has, with
 * the pointer to an item, the next 56 bits of what all of the item share: most look-ups that end at
 * a leaf do not read it.
 */
#include "prefix_trie.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- items ---- */

enum trie_kind { TRIE_LEAF, TRIE_NODE };

struct dgram__trie_item {
  struct dgram__ip ip; /* what all prefixes below share */
  uint8_t bits;        /* so many: of a leaf its length, of a node 8 times its level */
  uint8_t kind;        /* enum trie_kind */
  uint16_t children;   /* of a node, and */
  uint16_t entries;
};

struct trie_counts {
  uint32_t of[DGRAM__PREFIX_USES];
};

struct trie_leaf {
  struct dgram__trie_item item;
  struct trie_counts counts;
};

/* A prefix in its node: `index` is 1 in front of those of its bits that are of the node's octet. */
struct trie_entry {
  uint16_t index; /* 1 to 511 */
  struct trie_counts counts;
};

struct trie_node {
  struct dgram__trie_item item;
  struct dgram__trie_slot *children; /* by octet */
  struct trie_entry *entries;        /* in no order */
  uint8_t before[4];                 /* children in the words of `branch` before this one */
  uint64_t covered[4];               /* octets that are in one of the entries */
  uint64_t branch[4];                /* octets that have a child */
};

static unsigned trie_level_of(const struct dgram__ip_block *prefix) {
  return prefix->bits > 0 ? (prefix->bits - 1) / 8 : 0;
}

static unsigned trie_level(const struct dgram__trie_item *item) {
  return item->bits / 8;
}

static struct trie_node *trie_as_node(struct dgram__trie_item *item) {
  assert(item->kind == TRIE_NODE);
  return (struct trie_node *)item;
}

static struct trie_leaf *trie_as_leaf(struct dgram__trie_item *item) {
  assert(item->kind == TRIE_LEAF);
  return (struct trie_leaf *)item;
}

static struct dgram__ip_block trie_prefix_of(const struct dgram__trie_item *leaf) {
  return (struct dgram__ip_block){leaf->ip, leaf->bits};
}

static struct dgram__trie_item *trie_new_leaf(const struct dgram__ip_block *prefix,
                                              struct trie_counts counts) {
  struct trie_leaf *leaf = malloc(sizeof *leaf);
  if (leaf == NULL)
    return NULL;
  *leaf = (struct trie_leaf){
      .item = {.ip = prefix->ip, .bits = (uint8_t)prefix->bits, .kind = TRIE_LEAF},
      .counts = counts};
  return &leaf->item;
}

static void trie_free_node(struct trie_node *node) {
  free(node->children);
  free(node->entries);
  free(node);
}

/* ---- slots ---- */

/*
 * The low octet of a tag; above it are as many of the next bits, from the highest on, and zeros.
 * The next bits are those behind the octet that led to the slot.
 */
enum {
  TRIE_TAG_BITS = 0x3f, /* how many, 0 to TRIE_MOST_TAG_BITS */
  TRIE_TAG_MORE = 0x40, /* the item's prefix is longer than that */
  TRIE_TAG_LEAF = 0x80, /* it is a leaf, and no longer */
  TRIE_MOST_TAG_BITS = 56
};

/* The 64 bits behind the first `octets`; zeros behind the last bit. */
static inline uint64_t trie_next_bits(struct dgram__ip ip, unsigned octets) {
  if (octets >= 8)
    return octets < 16 ? ip.low << (8 * (octets - 8)) : 0;
  return octets > 0 ? ip.high << (8 * octets) | ip.low >> (64 - 8 * octets) : ip.high;
}

/* Puts an item into a slot that so many octets lead to. */
static void trie_set_slot(struct dgram__trie_slot *slot, unsigned octets,
                          struct dgram__trie_item *item) {
  unsigned bits = item->bits > 8 * octets ? item->bits - 8 * octets : 0;
  uint64_t tag = bits <= TRIE_MOST_TAG_BITS ? bits : TRIE_MOST_TAG_BITS | TRIE_TAG_MORE;
  if (item->kind == TRIE_LEAF && bits <= TRIE_MOST_TAG_BITS)
    tag |= TRIE_TAG_LEAF;
  slot->tag = (trie_next_bits(item->ip, octets) & ~UINT64_C(0xff)) | tag;
  slot->item = item;
}

/* ---- the arrays of a node ---- */

static inline unsigned trie_popcount(uint64_t word) {
#if defined(__POPCNT__) || !defined(__x86_64__)
  return (unsigned)__builtin_popcountll(word);
#else /* else the compiler calls a function for it */
  word -= word >> 1 & UINT64_C(0x5555555555555555);
  word = (word & UINT64_C(0x3333333333333333)) + (word >> 2 & UINT64_C(0x3333333333333333));
  word = (word + (word >> 4)) & UINT64_C(0x0f0f0f0f0f0f0f0f);
  return (unsigned)(word * UINT64_C(0x0101010101010101) >> 56);
#endif
}

static inline bool trie_has_bit(const uint64_t words[4], unsigned octet) {
  return (words[octet / 64] >> octet % 64 & 1) != 0;
}

/* Where the child of an octet is, or would be, among the children. */
static inline unsigned trie_child_at(const struct trie_node *node, unsigned octet) {
  uint64_t lower = (UINT64_C(1) << octet % 64) - 1;
  return node->before[octet / 64] + trie_popcount(node->branch[octet / 64] & lower);
}

static void trie_set_branch(struct trie_node *node, unsigned octet, bool has_child) {
  uint64_t bit = UINT64_C(1) << octet % 64;
  if (has_child)
    node->branch[octet / 64] |= bit;
  else
    node->branch[octet / 64] &= ~bit;
  for (unsigned i = 1; i < 4; i++)
    node->before[i] = (uint8_t)(node->before[i - 1] + trie_popcount(node->branch[i - 1]));
}

/* Room for one more of `count`: the arrays have a power of two. NULL, and `array` stays: no memory.
 */
static void *trie_grow(void *array, unsigned count, size_t size) {
  if (array != NULL && (count & (count - 1)) != 0)
    return array;
  return realloc(array, (count > 0 ? 2 * (size_t)count : 1) * size);
}

/* Puts an item at its octet, which has no child. False: no memory. */
static bool trie_put_child(struct trie_node *node, struct dgram__trie_item *child) {
  unsigned level = trie_level(&node->item);
  unsigned octet = dgram__ip_octet(child->ip, level);
  assert(!trie_has_bit(node->branch, octet));
  struct dgram__trie_slot *children =
      trie_grow(node->children, node->item.children, sizeof(struct dgram__trie_slot));
  if (children == NULL)
    return false;
  node->children = children;
  unsigned at = trie_child_at(node, octet);
  memmove(children + at + 1, children + at, (node->item.children - at) * sizeof *children);
  trie_set_slot(&children[at], level + 1, child);
  node->item.children++;
  trie_set_branch(node, octet, true);
  return true;
}

static void trie_drop_child(struct trie_node *node, unsigned octet) {
  unsigned at = trie_child_at(node, octet);
  node->item.children--;
  memmove(node->children + at, node->children + at + 1,
          (node->item.children - at) * sizeof *node->children);
  trie_set_branch(node, octet, false);
}

static unsigned trie_index(const struct dgram__ip_block *prefix) {
  unsigned level = trie_level_of(prefix);
  unsigned bits = prefix->bits - 8 * level;
  return 1U << bits | dgram__ip_octet(prefix->ip, level) >> (8 - bits);
}

static struct trie_entry *trie_find_entry(const struct trie_node *node, unsigned index) {
  for (unsigned i = 0; i < node->item.entries; i++)
    if (node->entries[i].index == index)
      return &node->entries[i];
  return NULL;
}

static void trie_cover(struct trie_node *node, unsigned index) {
  unsigned bits = 31 - (unsigned)__builtin_clz(index);
  unsigned first = (index << (8 - bits)) & 0xff;
  unsigned end = first + (1U << (8 - bits));
  for (unsigned octet = first; octet < end; octet++)
    node->covered[octet / 64] |= UINT64_C(1) << octet % 64;
}

/* Puts a prefix of the node's level, which it does not have. False: no memory. */
static bool trie_put_entry(struct trie_node *node, const struct dgram__ip_block *prefix,
                           struct trie_counts counts) {
  assert(trie_level_of(prefix) == trie_level(&node->item));
  struct trie_entry *entries =
      trie_grow(node->entries, node->item.entries, sizeof(struct trie_entry));
  if (entries == NULL)
    return false;
  node->entries = entries;
  unsigned index = trie_index(prefix);
  entries[node->item.entries++] = (struct trie_entry){(uint16_t)index, counts};
  trie_cover(node, index);
  return true;
}

static void trie_drop_entry(struct trie_node *node, struct trie_entry *entry) {
  *entry = node->entries[--node->item.entries];
  memset(node->covered, 0, sizeof node->covered);
  for (unsigned i = 0; i < node->item.entries; i++)
    trie_cover(node, node->entries[i].index);
}

/* ---- looking up ---- */

bool dgram__prefix_trie_covers(const struct dgram__prefix_trie *trie, struct dgram__ip ip) {
  const struct dgram__trie_slot *slot = &trie->root;
  unsigned octets = 0;
  while (slot->item != NULL) {
    unsigned bits = slot->tag & TRIE_TAG_BITS;
    if (bits > 0 && (trie_next_bits(ip, octets) ^ slot->tag) >> (64 - bits) != 0)
      return false;
    if ((slot->tag & TRIE_TAG_LEAF) != 0)
      return true;
    const struct dgram__trie_item *item = slot->item;
    if ((slot->tag & TRIE_TAG_MORE) != 0 && !dgram__ip_share(item->ip, ip, item->bits))
      return false;
    if (item->kind == TRIE_LEAF)
      return true;
    const struct trie_node *node = (const struct trie_node *)item;
    unsigned octet = dgram__ip_octet(ip, trie_level(item));
    if (trie_has_bit(node->covered, octet))
      return true;
    if (!trie_has_bit(node->branch, octet))
      return false;
    octets = trie_level(item) + 1;
    slot = &node->children[trie_child_at(node, octet)];
  }
  return false;
}

/* ---- adding ---- */

/* False: so often that the count would wrap. */
static bool trie_count(struct trie_counts *counts, enum dgram__prefix_use use) {
  if (counts->of[use] == UINT32_MAX)
    return false;
  counts->of[use]++;
  return true;
}

/* The octets at the beginning that two addresses share. */
static unsigned trie_common_octets(struct dgram__ip a, struct dgram__ip b) {
  unsigned octets = 0;
  while (octets < DGRAM__IP_BITS / 8 && dgram__ip_octet(a, octets) == dgram__ip_octet(b, octets))
    octets++;
  return octets;
}

/* Adds a prefix that belongs into the node or below an octet without a child. */
static bool trie_put(struct trie_node *node, const struct dgram__ip_block *prefix,
                     struct trie_counts counts) {
  if (trie_level_of(prefix) == trie_level(&node->item))
    return trie_put_entry(node, prefix, counts);
  struct dgram__trie_item *leaf = trie_new_leaf(prefix, counts);
  if (leaf != NULL && trie_put_child(node, leaf))
    return true;
  free(leaf);
  return false;
}

/*
 * Puts a node at this level in the place of the slot's item, with the item and the prefix in it.
 * False: no memory.
 */
static bool trie_split(struct dgram__trie_slot *slot, unsigned octets, unsigned level,
                       const struct dgram__ip_block *prefix, struct trie_counts counts) {
  struct dgram__trie_item *item = slot->item;
  struct dgram__ip_block shared = dgram__ip_block_of(prefix->ip, 8 * level);
  struct trie_node *node = calloc(1, sizeof *node);
  if (node == NULL)
    return false;
  node->item =
      (struct dgram__trie_item){.ip = shared.ip, .bits = (uint8_t)shared.bits, .kind = TRIE_NODE};
  struct dgram__ip_block of_leaf = trie_prefix_of(item);
  bool becomes_entry = item->kind == TRIE_LEAF && trie_level_of(&of_leaf) == level;
  bool done = becomes_entry ? trie_put_entry(node, &of_leaf, trie_as_leaf(item)->counts)
                            : trie_put_child(node, item);
  if (!done || !trie_put(node, prefix, counts)) {
    trie_free_node(node);
    return false;
  }
  if (becomes_entry)
    free(item);
  trie_set_slot(slot, octets, &node->item);
  return true;
}

bool dgram__prefix_trie_add(struct dgram__prefix_trie *trie, const struct dgram__ip_block *prefix,
                            enum dgram__prefix_use use) {
  struct dgram__trie_slot *slot = &trie->root;
  unsigned octets = 0; /* that lead to the slot */
  struct trie_counts once = {{0}};
  unsigned level = trie_level_of(prefix);
  once.of[use] = 1;
  for (;;) {
    struct dgram__trie_item *item = slot->item;
    if (item == NULL) {
      item = trie_new_leaf(prefix, once);
      if (item != NULL)
        trie_set_slot(slot, octets, item);
      return item != NULL;
    }
    if (item->kind == TRIE_LEAF && item->bits == prefix->bits &&
        dgram__ip_equal(item->ip, prefix->ip))
      return trie_count(&trie_as_leaf(item)->counts, use);
    struct dgram__ip_block of_leaf = trie_prefix_of(item);
    unsigned level_of_item = item->kind == TRIE_LEAF ? trie_level_of(&of_leaf) : trie_level(item);
    unsigned split = trie_common_octets(item->ip, prefix->ip);
    split = split < level ? split : level;
    split = split < level_of_item ? split : level_of_item;
    if (item->kind == TRIE_LEAF || split < level_of_item)
      return trie_split(slot, octets, split, prefix, once);
    struct trie_node *node = trie_as_node(item);
    unsigned octet = dgram__ip_octet(prefix->ip, level_of_item);
    if (level == level_of_item) {
      struct trie_entry *entry = trie_find_entry(node, trie_index(prefix));
      return entry != NULL ? trie_count(&entry->counts, use) : trie_put(node, prefix, once);
    }
    if (!trie_has_bit(node->branch, octet))
      return trie_put(node, prefix, once);
    octets = level_of_item + 1;
    slot = &node->children[trie_child_at(node, octet)];
  }
}

/* ---- removing ---- */

/* Takes one of a use; false: there is none. */
static bool trie_uncount(struct trie_counts *counts, enum dgram__prefix_use use) {
  if (counts->of[use] == 0)
    return false;
  counts->of[use]--;
  return true;
}

static bool trie_is_unused(const struct trie_counts *counts) {
  for (unsigned i = 0; i < DGRAM__PREFIX_USES; i++)
    if (counts->of[i] > 0)
      return false;
  return true;
}

/* A place in the trie, with what leads to it. */
struct trie_place {
  struct dgram__trie_slot *slot;
  unsigned octets;
  struct trie_node *parent; /* NULL: it is the root */
};

/* A node that has only a child left gives its place to it. */
static void trie_shorten(const struct trie_place *place) {
  struct trie_node *node = trie_as_node(place->slot->item);
  if (node->item.entries > 0 || node->item.children != 1)
    return;
  trie_set_slot(place->slot, place->octets, node->children[0].item);
  trie_free_node(node);
}

/* Takes the item, which has the address, out of its place, `in` which its parent is another. */
static void trie_take_out(const struct trie_place *place, const struct trie_place *in,
                          struct dgram__ip ip) {
  if (place->parent == NULL) {
    place->slot->item = NULL;
    return;
  }
  trie_drop_child(place->parent, dgram__ip_octet(ip, trie_level(&place->parent->item)));
  trie_shorten(in);
}

/*
 * Finds the place where the prefix is, if it is anywhere, as a leaf or in a node, and the place
 * above it. False: it is nowhere.
 */
static bool trie_find(struct dgram__prefix_trie *trie, const struct dgram__ip_block *prefix,
                      struct trie_place *place, struct trie_place *above) {
  unsigned level = trie_level_of(prefix);
  *place = (struct trie_place){.slot = &trie->root};
  for (;;) {
    struct dgram__trie_item *item = place->slot->item;
    if (item == NULL || item->bits > prefix->bits ||
        !dgram__ip_share(item->ip, prefix->ip, item->bits))
      return false;
    if (item->kind == TRIE_LEAF)
      return item->bits == prefix->bits;
    if (trie_level(item) == level)
      return true;
    struct trie_node *node = trie_as_node(item);
    unsigned octet = dgram__ip_octet(prefix->ip, trie_level(item));
    if (trie_level(item) > level || !trie_has_bit(node->branch, octet))
      return false;
    *above = *place;
    *place = (struct trie_place){.slot = &node->children[trie_child_at(node, octet)],
                                 .octets = trie_level(item) + 1,
                                 .parent = node};
  }
}

/*
 * A node whose last entry goes may be empty: what was the other item of its split has been removed
 * before it. (To make it a leaf then would take memory.) Only its parent can change with it.
 */
bool dgram__prefix_trie_remove(struct dgram__prefix_trie *trie,
                               const struct dgram__ip_block *prefix, enum dgram__prefix_use use) {
  struct trie_place place, above = {.slot = NULL};
  if (!trie_find(trie, prefix, &place, &above))
    return false;
  struct dgram__trie_item *item = place.slot->item;
  if (item->kind == TRIE_LEAF) {
    struct trie_leaf *leaf = trie_as_leaf(item);
    if (!trie_uncount(&leaf->counts, use))
      return false;
    if (trie_is_unused(&leaf->counts)) {
      trie_take_out(&place, &above, prefix->ip);
      free(leaf);
    }
    return true;
  }
  struct trie_node *node = trie_as_node(item);
  struct trie_entry *entry = trie_find_entry(node, trie_index(prefix));
  if (entry == NULL || !trie_uncount(&entry->counts, use))
    return false;
  if (!trie_is_unused(&entry->counts))
    return true;
  trie_drop_entry(node, entry);
  if (item->entries + item->children > 0) {
    trie_shorten(&place);
  } else {
    trie_take_out(&place, &above, prefix->ip);
    trie_free_node(node);
  }
  return true;
}

/* ---- clearing ---- */

/* Recursive; levels of one another grow, so at most 16 calls deep. */
// NOLINTNEXTLINE(misc-no-recursion)
static void trie_free_item(struct dgram__trie_item *item) {
  if (item->kind == TRIE_LEAF) {
    free(item);
    return;
  }
  struct trie_node *node = trie_as_node(item);
  for (unsigned i = 0; i < item->children; i++)
    trie_free_item(node->children[i].item);
  trie_free_node(node);
}

void dgram__prefix_trie_clear(struct dgram__prefix_trie *trie) {
  if (trie->root.item != NULL)
    trie_free_item(trie->root.item);
  trie->root.item = NULL;
}

/*
 * Changes of a node of the set of prefixes: its arrays, the runs in them, the octets that its own
 * prefixes cover, prefixes, children.
 */
#include "trie_node.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
  NODE_FIRST_SLOTS = 2, /* that a node has room for; a power of two */
  NODE_FEW = 8          /* prefixes with which a node is given up; half of those that make one */
};

_Static_assert(256 * DGRAM__TRIE_MOST + 511 <= DGRAM__TRIE_POSITION, "a position fits");

/* ---- arrays ---- */

struct dgram__trie_node *dgram__trie_node_new(struct dgram__ip ip, unsigned level) {
  struct dgram__trie_node *node = calloc(1, sizeof *node);
  if (node != NULL) {
    node->ip = ip;
    node->level = (uint16_t)level;
  }
  return node;
}

void dgram__trie_node_free(struct dgram__trie_node *node) {
  if (node == NULL)
    return;
  free(node->slots);
  free(node->records);
  free(node);
}

/* False: no memory. Arrays that do not become smaller for want of memory do no harm. */
static bool node_resize(struct dgram__trie_node *node, unsigned capacity) {
  unsigned before = node->capacity;
  if (capacity < before)
    node->capacity = (uint16_t)capacity;
  unsigned readable = capacity + DGRAM__TRIE_LANES;
  union dgram__trie_slot *slots = realloc(node->slots, readable * sizeof *slots);
  if (slots == NULL)
    return false;
  node->slots = slots;
  struct dgram__trie_record *records = realloc(node->records, capacity * sizeof *records);
  if (records == NULL)
    return false;
  node->records = records;
  if (capacity > before)
    memset(slots + before, 0, (readable - before) * sizeof *slots);
  node->capacity = (uint16_t)capacity;
  return true;
}

static bool node_reserve(struct dgram__trie_node *node, unsigned count) {
  unsigned capacity = node->capacity > 0 ? node->capacity : NODE_FIRST_SLOTS;
  while (capacity < count)
    capacity *= 2;
  return capacity == node->capacity || node_resize(node, capacity);
}

/* ---- runs ---- */

/* Moves the slots from a position on, which are of the runs behind this one. */
static void node_move(struct dgram__trie_node *node, unsigned run, unsigned from, unsigned to) {
  unsigned count = dgram__trie_count(node) - from;
  memmove(node->slots + to, node->slots + from, count * sizeof *node->slots);
  memmove(node->records + to, node->records + from, count * sizeof *node->records);
  for (unsigned i = run + 1; i <= DGRAM__TRIE_RUNS; i++) /* the flags stay */
    node->starts[i] = (uint16_t)(node->starts[i] + to - from);
}

/* Makes a run longer, at its end. False: no memory. */
static bool node_lengthen(struct dgram__trie_node *node, unsigned run, unsigned slots) {
  if (!node_reserve(node, dgram__trie_count(node) + slots))
    return false;
  unsigned end = dgram__trie_end(node, run);
  node_move(node, run, end, end + slots);
  return true;
}

/* Takes slots out of a run. */
static void node_shorten(struct dgram__trie_node *node, unsigned run, unsigned at, unsigned slots) {
  assert(at >= dgram__trie_begin(node, run) && at + slots <= dgram__trie_end(node, run));
  node_move(node, run, at + slots, at);
  if (node->capacity > NODE_FIRST_SLOTS && dgram__trie_count(node) <= node->capacity / 4U)
    (void)node_resize(node, node->capacity / 2U);
}

/* ---- the octets that the own prefixes cover ---- */

static void node_cover(struct dgram__trie_node *node, const struct dgram__ip_block *prefix) {
  unsigned octets = 1U << (8 * (node->level + 1U) - prefix->bits);
  unsigned first = dgram__ip_octet(prefix->ip, node->level);
  for (unsigned octet = first; octet < first + octets; octet++)
    node->starts[octet] |= DGRAM__TRIE_COVERED;
}

static void node_cover_again(struct dgram__trie_node *node) {
  for (unsigned octet = 0; octet < DGRAM__TRIE_OWN; octet++)
    node->starts[octet] = (uint16_t)(node->starts[octet] & ~DGRAM__TRIE_COVERED);
  for (unsigned at = dgram__trie_begin(node, DGRAM__TRIE_OWN); at < dgram__trie_count(node); at++) {
    struct dgram__ip_block prefix = dgram__trie_prefix(node, at);
    node_cover(node, &prefix);
  }
}

/* ---- prefixes ---- */

unsigned dgram__trie_find(const struct dgram__trie_node *node, unsigned run,
                          const struct dgram__ip_block *prefix) {
  unsigned at = dgram__trie_begin(node, run), end = dgram__trie_end(node, run);
  while (at < end && !((node->slots[at].tag & 0xff) == prefix->bits &&
                       dgram__ip_equal(node->records[at].ip, prefix->ip)))
    at++;
  return at;
}

static void node_set(struct dgram__trie_node *node, unsigned at,
                     const struct dgram__ip_block *prefix,
                     const struct dgram__trie_record *record) {
  uint64_t next = dgram__trie_next_bits(prefix->ip, node->level + 1U);
  node->slots[at].tag = (next & ~UINT64_C(0xff)) | prefix->bits;
  node->records[at] = *record;
}

bool dgram__trie_put(struct dgram__trie_node *node, const struct dgram__ip_block *prefix,
                     const struct dgram__trie_record *record) {
  unsigned run = dgram__trie_run(node, prefix);
  if (!node_lengthen(node, run, 1))
    return false;
  node_set(node, dgram__trie_end(node, run) - 1, prefix, record);
  if (run == DGRAM__TRIE_OWN)
    node_cover(node, prefix);
  return true;
}

void dgram__trie_drop(struct dgram__trie_node *node, unsigned run, unsigned at) {
  node_shorten(node, run, at, 1);
  if (run == DGRAM__TRIE_OWN)
    node_cover_again(node);
}

/* ---- children ---- */

bool dgram__trie_put_child(struct dgram__trie_node *parent, unsigned run,
                           struct dgram__trie_node *child) {
  unsigned begin = dgram__trie_begin(parent, run), count = dgram__trie_end(parent, run) - begin;
  if (count == 0 && !node_lengthen(parent, run, 1))
    return false;
  parent->slots[begin].child = child;
  parent->starts[run] |= DGRAM__TRIE_CHILD;
  parent->children++;
  if (count > 1)
    node_shorten(parent, run, begin + 1, count - 1);
  return true;
}

void dgram__trie_give_up(struct dgram__trie_node *parent, struct dgram__trie_node *child) {
  unsigned count = dgram__trie_count(child);
  if (count > 1 && (child->children > 0 || count > NODE_FEW))
    return;
  unsigned run = dgram__ip_octet(child->ip, parent->level);
  if (count > 1 && !node_lengthen(parent, run, count - 1))
    return;
  unsigned begin = dgram__trie_begin(parent, run);
  if (child->children > 0) {
    parent->slots[begin] = child->slots[0];
  } else {
    parent->starts[run] = (uint16_t)(parent->starts[run] & ~DGRAM__TRIE_CHILD);
    parent->children--;
    for (unsigned i = 0; i < count; i++) {
      struct dgram__ip_block prefix = dgram__trie_prefix(child, i);
      node_set(parent, begin + i, &prefix, &child->records[i]);
    }
  }
  dgram__trie_node_free(child);
}

/*
 * The set of prefixes against a model, a list that is searched from its beginning: after random
 * additions and removals both give the same answers. Allocations fail at random, too.
 */
#include "prefix_trie.h"

#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "lib/wrap.h"
#include "unit/random.h"

/* ---- failing allocations ---- */

static uint32_t seed;
static uint32_t one_fails_in; /* of so many allocations; 0: none fails */
static int live;              /* allocations */
static size_t live_bytes;     /* that they have */

static bool fails(void) {
  return one_fails_in > 0 && random_below(&seed, one_fails_in) == 0;
}

static void *counted(void *memory) {
  live++;
  live_bytes += malloc_usable_size(memory);
  return memory;
}

/* NOLINTBEGIN(bugprone-reserved-identifier): the linker wants these names */
WRAP(void *, malloc, (size_t size)) {
  return fails() ? NULL : counted(__real_malloc(size));
}

WRAP(void *, calloc, (size_t count, size_t size)) {
  return fails() ? NULL : counted(__real_calloc(count, size));
}

WRAP(void *, realloc, (void *old, size_t size)) {
  if (fails())
    return NULL;
  live -= old != NULL;
  live_bytes -= malloc_usable_size(old);
  return counted(__real_realloc(old, size));
}

WRAP(void, free, (void *memory)) {
  live -= memory != NULL;
  live_bytes -= malloc_usable_size(memory);
  __real_free(memory);
}
/* NOLINTEND(bugprone-reserved-identifier) */

/* ---- the model ---- */

enum { MOST = 400 };

struct model {
  struct {
    struct dgram__ip_block prefix;
    enum dgram__prefix_use use;
  } all[MOST];
  unsigned count;
};

static bool model_covers(const struct model *model, struct dgram__ip ip) {
  for (unsigned i = 0; i < model->count; i++)
    if (dgram__ip_share(model->all[i].prefix.ip, ip, model->all[i].prefix.bits))
      return true;
  return false;
}

static bool model_remove(struct model *model, const struct dgram__ip_block *prefix,
                         enum dgram__prefix_use use) {
  for (unsigned i = 0; i < model->count; i++)
    if (model->all[i].prefix.bits == prefix->bits && model->all[i].use == use &&
        dgram__ip_equal(model->all[i].prefix.ip, prefix->ip)) {
      model->all[i] = model->all[--model->count];
      return true;
    }
  return false;
}

/* ---- random addresses ---- */

/* How addresses differ: in any bit, or in a few, so that prefixes nest and paths are long. */
enum spread {
  SPREAD_WIDE,
  SPREAD_NARROW,
  SPREAD_IPV4,
  SPREAD_HOSTS, /* of a few networks of IPv6: many share the first 4, 7 or 8 octets */
  SPREADS
};

static struct dgram__ip random_ip(enum spread spread) {
  struct dgram__ip ip = {(uint64_t)random_next(&seed) << 32 | random_next(&seed),
                         (uint64_t)random_next(&seed) << 32 | random_next(&seed)};
  if (spread == SPREAD_NARROW) {
    ip.high &= UINT64_C(0x0100000300000001);
    ip.low &= UINT64_C(0x8000000001000103);
  } else if (spread == SPREAD_IPV4) {
    ip.high = 0;
    ip.low = UINT64_C(0xffff) << 32 | (ip.low & 0x0f000301);
  } else if (spread == SPREAD_HOSTS) {
    ip.high = UINT64_C(0x20010db800000000) | (ip.high & 0x0100000000000103);
    ip.low &= UINT64_C(0x00000000010000ff);
  }
  return ip;
}

static struct dgram__ip_block random_prefix(enum spread spread) {
  unsigned bits = random_below(&seed, DGRAM__IP_BITS + 1);
  if (spread == SPREAD_IPV4)
    bits = DGRAM__IP_MAPPED_BITS + random_below(&seed, 33);
  if (random_below(&seed, 3) == 0)
    bits = DGRAM__IP_BITS;
  else if (random_below(&seed, 3) == 0)
    bits &= ~7U;
  else if (bits < 16 && random_below(&seed, 8) != 0)
    bits += 16; /* else everything is covered, most of the time */
  return dgram__ip_block_of(random_ip(spread), bits);
}

static void assert_same(const struct dgram__prefix_trie *trie, const struct model *model,
                        enum spread spread) {
  for (unsigned i = 0; i < 20; i++) {
    struct dgram__ip ip = random_ip(spread);
    if (model->count > 0 && random_below(&seed, 2) == 0) { /* near a prefix, or in it */
      struct dgram__ip at = model->all[random_below(&seed, model->count)].prefix.ip;
      ip.high = at.high;
      ip.low =
          random_below(&seed, 2) == 0 ? at.low : at.low ^ UINT64_C(1) << random_below(&seed, 64);
    }
    assert_int_equal(dgram__prefix_trie_covers(trie, ip), model_covers(model, ip));
  }
}

static void walk(enum spread spread, unsigned steps, unsigned most) {
  struct dgram__prefix_trie trie = {NULL};
  static struct model model;
  model.count = 0;
  for (unsigned step = 0; step < steps; step++) {
    struct dgram__ip_block prefix = random_prefix(spread);
    enum dgram__prefix_use use = random_below(&seed, DGRAM__PREFIX_USES);
    if (model.count < most && random_below(&seed, 5) < 3) {
      if (dgram__prefix_trie_add(&trie, &prefix, use)) {
        model.all[model.count].prefix = prefix;
        model.all[model.count++].use = use;
      } else {
        assert_true(one_fails_in > 0);
      }
    } else {
      if (model.count > 0 && random_below(&seed, 8) != 0) {
        unsigned i = random_below(&seed, model.count);
        prefix = model.all[i].prefix;
        use = random_below(&seed, 8) != 0 ? model.all[i].use : use;
      }
      assert_int_equal(dgram__prefix_trie_remove(&trie, &prefix, use),
                       model_remove(&model, &prefix, use));
    }
    assert_same(&trie, &model, spread);
  }
  while (model.count > 0) { /* all taken back: no memory is left */
    struct dgram__ip_block prefix = model.all[0].prefix;
    enum dgram__prefix_use use = model.all[0].use;
    assert_true(dgram__prefix_trie_remove(&trie, &prefix, use));
    assert_true(model_remove(&model, &prefix, use));
    assert_same(&trie, &model, spread);
  }
  assert_null(trie.root);
  assert_int_equal(live, 0);
}

static void answers_are_those_of_a_list(void **state) {
  seed = 7;
  one_fails_in = 0;
  for (enum spread spread = 0; spread < SPREADS; spread++)
    for (unsigned most = 2; most <= MOST; most = most * 3 + 1)
      walk(spread, 3000, most);
}

static void an_addition_without_memory_changes_nothing(void **state) {
  seed = 11;
  one_fails_in = 4;
  for (enum spread spread = 0; spread < SPREADS; spread++)
    for (unsigned most = 2; most <= MOST; most = most * 3 + 1)
      walk(spread, 3000, most);
  one_fails_in = 0;
}

static void a_cleared_set_is_empty(void **state) {
  struct dgram__prefix_trie trie = {NULL};
  seed = 13;
  for (unsigned i = 0; i < 5000; i++) {
    struct dgram__ip_block prefix = random_prefix(i % SPREADS);
    assert_true(dgram__prefix_trie_add(&trie, &prefix, DGRAM__PREFIX_BY_ITSELF));
  }
  dgram__prefix_trie_clear(&trie);
  assert_int_equal(live, 0);
  assert_false(dgram__prefix_trie_covers(&trie, random_ip(SPREAD_WIDE)));
}

/* Allocations fail while half of the prefixes are removed, and then work for some others. */
static void removing_needs_no_memory(void **state) {
  struct dgram__prefix_trie trie = {NULL};
  static struct model model;
  seed = 17;
  for (enum spread spread = 0; spread < SPREADS; spread++)
    for (unsigned rounds = 0; rounds < 20; rounds++) {
      for (model.count = 0; model.count < MOST; model.count++) {
        model.all[model.count].prefix = random_prefix(spread);
        model.all[model.count].use = random_below(&seed, DGRAM__PREFIX_USES);
        assert_true(dgram__prefix_trie_add(&trie, &model.all[model.count].prefix,
                                           model.all[model.count].use));
      }
      while (model.count > 0) {
        unsigned i = random_below(&seed, model.count);
        struct dgram__ip_block prefix = model.all[i].prefix;
        enum dgram__prefix_use use = model.all[i].use;
        one_fails_in = model.count > MOST / 2 || rounds % 2 == 0;
        assert_true(dgram__prefix_trie_remove(&trie, &prefix, use));
        assert_true(model_remove(&model, &prefix, use));
        one_fails_in = 0;
        assert_same(&trie, &model, spread);
      }
      assert_null(trie.root);
      assert_int_equal(live, 0);
    }
}

/* 8 for each of 32 octets: as many as stay in the run of an octet when a node is given up. */
static struct dgram__ip_block kept_prefix(unsigned i) {
  uint64_t v4 = (uint64_t)(i / 8) << 24 | (uint64_t)(i % 8 * 31) << (8 * (i % 3));
  return (struct dgram__ip_block){{0, UINT64_C(0xffff) << 32 | v4}, 128};
}

static void what_remains_of_many_prefixes_takes_as_little_as_if_alone(void **state) {
  enum { MANY = 20000, KEPT = 32 * 8 };
  struct dgram__prefix_trie trie = {NULL};
  static struct dgram__ip_block others[MANY];
  int live_alone = 0;
  size_t bytes_alone = 0;
  seed = 19;
  for (unsigned round = 0; round < 4; round++) { /* in the first there are no others */
    unsigned many = round > 0 ? MANY : 0;
    for (unsigned i = 0; i < many; i++) {
      uint32_t v4 = i % 2 == 0 ? random_next(&seed) : random_next(&seed) & 0x1f0f0103;
      others[i] = (struct dgram__ip_block){{0, UINT64_C(0xffff) << 32 | v4}, 128};
      if (i == 0)
        others[i].ip.high = UINT64_C(0x20010db800000000);
      assert_true(dgram__prefix_trie_add(&trie, &others[i], DGRAM__PREFIX_BY_ITSELF));
    }
    for (unsigned i = 0; i < KEPT; i++) {
      struct dgram__ip_block prefix = kept_prefix(i);
      assert_true(dgram__prefix_trie_add(&trie, &prefix, DGRAM__PREFIX_OF_RANGE));
    }
    for (unsigned i = 0; i < many; i++)
      assert_true(dgram__prefix_trie_remove(&trie, &others[i], DGRAM__PREFIX_BY_ITSELF));
    live_alone = round > 0 ? live_alone : live;
    bytes_alone = round > 0 ? bytes_alone : live_bytes;
    assert_int_equal(live, live_alone);
    assert_in_range(live_bytes, 1, 2 * bytes_alone);
    for (unsigned i = 0; i < KEPT; i++) {
      struct dgram__ip_block prefix = kept_prefix(i);
      assert_true(dgram__prefix_trie_remove(&trie, &prefix, DGRAM__PREFIX_OF_RANGE));
    }
    assert_int_equal(live, 0);
  }
}

/* 256 children and 511 prefixes of its level are the most that a node can have. */
static void a_node_may_be_full(void **state) {
  struct dgram__prefix_trie trie = {NULL};
  const struct dgram__ip start = {0x2001, 0};
  for (unsigned round = 0; round < 2; round++)
    for (unsigned bits = 57; bits <= 72; bits++)
      for (unsigned i = 0; i < 1U << (bits - (bits <= 64 ? 56 : 64)); i++) {
        struct dgram__ip_block prefix = {start, bits};
        if (bits <= 64)
          prefix.ip.high = 0x2000 + ((uint64_t)i << (64 - bits));
        else
          prefix.ip.low = (uint64_t)i << (128 - bits);
        assert_true(round == 0 ? dgram__prefix_trie_add(&trie, &prefix, DGRAM__PREFIX_OF_RANGE)
                               : dgram__prefix_trie_remove(&trie, &prefix, DGRAM__PREFIX_OF_RANGE));
        if (round == 0)
          assert_true(dgram__prefix_trie_covers(&trie, prefix.ip));
      }
  assert_int_equal(live, 0);
}

static void the_prefix_of_no_bits_covers_everything(void **state) {
  struct dgram__prefix_trie trie = {NULL};
  struct dgram__ip_block all = {{0, 0}, 0}, one = {{5, 6}, 128};
  assert_true(dgram__prefix_trie_add(&trie, &one, DGRAM__PREFIX_BY_ITSELF));
  assert_true(dgram__prefix_trie_add(&trie, &all, DGRAM__PREFIX_BY_ITSELF));
  assert_true(dgram__prefix_trie_covers(&trie, (struct dgram__ip){UINT64_MAX, 1}));
  assert_false(dgram__prefix_trie_remove(&trie, &all, DGRAM__PREFIX_OF_RANGE));
  assert_true(dgram__prefix_trie_remove(&trie, &all, DGRAM__PREFIX_BY_ITSELF));
  assert_false(dgram__prefix_trie_covers(&trie, (struct dgram__ip){UINT64_MAX, 1}));
  assert_true(dgram__prefix_trie_covers(&trie, one.ip));
  assert_true(dgram__prefix_trie_remove(&trie, &one, DGRAM__PREFIX_BY_ITSELF));
  assert_int_equal(live, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(answers_are_those_of_a_list),
      cmocka_unit_test(an_addition_without_memory_changes_nothing),
      cmocka_unit_test(removing_needs_no_memory),
      cmocka_unit_test(what_remains_of_many_prefixes_takes_as_little_as_if_alone),
      cmocka_unit_test(a_cleared_set_is_empty),
      cmocka_unit_test(a_node_may_be_full),
      cmocka_unit_test(the_prefix_of_no_bits_covers_everything),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Lists of addresses. A rule is one prefix, or a range that takes several.
 *
 *   prefix   an address, a subnet, or a range that is one: in the trie, by itself
 *   range    split into the fewest prefixes, which are in the trie, too; and kept as it was
 *            given, so that only what was added can be removed
 *
 * In this file: prefixes; ranges; who has the list; rules as texts; the public functions.
 */
#include "access_list.h"

#include <assert.h>
#include <stdlib.h>

#include "prefix_trie.h"

/* Where ranges are kept. The array of heads grows with them; where it cannot, chains are longer. */
enum { LIST_FIRST_HEADS = 8 };

/* A range that is not a prefix. */
struct list_range {
  struct list_range *next; /* with the same head */
  struct dgram__ip first;
  struct dgram__ip last;
  size_t times; /* that it was added */
};

/* The ranges of one hash. */
struct list_chain {
  struct list_range *first;
};

struct dgram_access_list {
  struct dgram__prefix_trie trie;
  struct list_chain *heads; /* `head_count` of them, a power of two; NULL before the first range */
  size_t head_count;
  size_t ranges;
  size_t rules;
  size_t references;
  struct dgram__list uses;
};

/* What a change does with a rule. */
enum list_change { LIST_ADD, LIST_REMOVE };

/* ---- prefixes ---- */

static int list_change_prefix(dgram_access_list_t *list, enum list_change change,
                              const struct dgram__ip_block *prefix, enum dgram__prefix_use use) {
  if (change == LIST_ADD)
    return dgram__prefix_trie_add(&list->trie, prefix, use) ? 0 : UV_ENOMEM;
  return dgram__prefix_trie_remove(&list->trie, prefix, use) ? 0 : UV_ENOENT;
}

/* ---- ranges ---- */

/* The last address of the block that begins with `first` and has 2^n addresses. */
static struct dgram__ip list_block_end(struct dgram__ip first, unsigned n) {
  struct dgram__ip mask = dgram__ip_mask(DGRAM__IP_BITS - n);
  return (struct dgram__ip){first.high | ~mask.high, first.low | ~mask.low};
}

static bool list_is_aligned(struct dgram__ip first, unsigned n) {
  return dgram__ip_equal(dgram__ip_block_of(first, DGRAM__IP_BITS - n).ip, first);
}

/* The largest prefix at the beginning of a range, which then begins behind it. False: it was the
 * last. */
static bool list_take_prefix(struct dgram__ip *first, struct dgram__ip last,
                             struct dgram__ip_block *prefix) {
  unsigned n = 0;
  while (n < DGRAM__IP_BITS && list_is_aligned(*first, n + 1) &&
         !dgram__ip_is_less(last, list_block_end(*first, n + 1)))
    n++;
  *prefix = (struct dgram__ip_block){*first, DGRAM__IP_BITS - n};
  struct dgram__ip end = list_block_end(*first, n);
  if (dgram__ip_equal(end, last))
    return false;
  *first = (struct dgram__ip){end.high + (end.low == UINT64_MAX), end.low + 1};
  return true;
}

/* Takes back the first `count` prefixes of a range. */
static void list_remove_prefixes(dgram_access_list_t *list, struct dgram__ip first,
                                 struct dgram__ip last, unsigned count) {
  for (; count > 0; count--) {
    struct dgram__ip_block prefix;
    (void)list_take_prefix(&first, last, &prefix);
    (void)dgram__prefix_trie_remove(&list->trie, &prefix, DGRAM__PREFIX_OF_RANGE);
  }
}

static bool list_add_prefixes(dgram_access_list_t *list, struct dgram__ip first,
                              struct dgram__ip last) {
  struct dgram__ip begin = first;
  bool more = true;
  for (unsigned count = 0; more; count++) {
    struct dgram__ip_block prefix;
    more = list_take_prefix(&first, last, &prefix);
    if (!dgram__prefix_trie_add(&list->trie, &prefix, DGRAM__PREFIX_OF_RANGE)) {
      list_remove_prefixes(list, begin, last, count);
      return false;
    }
  }
  return true;
}

static size_t list_hash(struct dgram__ip first, struct dgram__ip last) {
  uint64_t hash = first.high;
  const uint64_t others[] = {first.low, last.high, last.low};
  for (unsigned i = 0; i < 3; i++)
    hash = (hash ^ hash >> 29 ^ others[i]) * UINT64_C(0x9e3779b97f4a7c15);
  return (size_t)(hash >> 32);
}

static struct list_range **list_find_range(const dgram_access_list_t *list, struct dgram__ip first,
                                           struct dgram__ip last) {
  struct list_range **at = &list->heads[list_hash(first, last) & (list->head_count - 1)].first;
  while (*at != NULL &&
         !(dgram__ip_equal((*at)->first, first) && dgram__ip_equal((*at)->last, last)))
    at = &(*at)->next;
  return at;
}

/* Has as many heads as ranges, if there is memory. False: there are none at all. */
static bool list_grow_heads(dgram_access_list_t *list) {
  if (list->ranges < list->head_count)
    return true;
  size_t count = list->head_count > 0 ? 2 * list->head_count : LIST_FIRST_HEADS;
  struct list_chain *heads = calloc(count, sizeof *heads);
  if (heads == NULL)
    return list->heads != NULL;
  for (size_t i = 0; i < list->head_count; i++)
    while (list->heads[i].first != NULL) {
      struct list_range *range = list->heads[i].first;
      list->heads[i].first = range->next;
      struct list_chain *head = &heads[list_hash(range->first, range->last) & (count - 1)];
      range->next = head->first;
      head->first = range;
    }
  free(list->heads);
  list->heads = heads;
  list->head_count = count;
  return true;
}

static int list_add_range(dgram_access_list_t *list, struct dgram__ip first,
                          struct dgram__ip last) {
  if (!list_grow_heads(list))
    return UV_ENOMEM;
  struct list_range **at = list_find_range(list, first, last);
  if (*at != NULL) {
    (*at)->times++;
    return 0;
  }
  struct list_range *range = malloc(sizeof *range);
  if (range == NULL || !list_add_prefixes(list, first, last)) {
    free(range);
    return UV_ENOMEM;
  }
  *range = (struct list_range){.first = first, .last = last, .times = 1};
  *at = range;
  list->ranges++;
  return 0;
}

static int list_remove_range(dgram_access_list_t *list, struct dgram__ip first,
                             struct dgram__ip last) {
  struct list_range **at = list->heads != NULL ? list_find_range(list, first, last) : NULL;
  struct list_range *range = at != NULL ? *at : NULL;
  if (range == NULL)
    return UV_ENOENT;
  if (--range->times > 0)
    return 0;
  struct dgram__ip begin = first;
  struct dgram__ip_block prefix;
  unsigned count = 1;
  while (list_take_prefix(&begin, last, &prefix))
    count++;
  list_remove_prefixes(list, first, last, count);
  *at = range->next;
  free(range);
  list->ranges--;
  return 0;
}

static void list_clear_ranges(dgram_access_list_t *list) {
  for (size_t i = 0; i < list->head_count; i++)
    while (list->heads[i].first != NULL) {
      struct list_range *range = list->heads[i].first;
      list->heads[i].first = range->next;
      free(range);
    }
  free(list->heads);
  list->heads = NULL;
  list->head_count = list->ranges = 0;
}

/* ---- who has the list ---- */

static void list_release(dgram_access_list_t *list) {
  assert(list->references > 0);
  if (--list->references > 0)
    return;
  dgram__prefix_trie_clear(&list->trie);
  list_clear_ranges(list);
  free(list);
}

void dgram__access_use_set(struct dgram__access_use *use, dgram_access_list_t *list) {
  dgram_access_list_t *before = use->list;
  if (list != NULL)
    list->references++;
  if (before != NULL) {
    dgram__list_remove(&before->uses, &use->node);
    list_release(before);
  }
  if (list != NULL)
    dgram__list_append(&list->uses, &use->node);
  use->list = list;
}

static void list_report_change(const dgram_access_list_t *list) {
  DGRAM__LIST_FOR_EACH (use, &list->uses, struct dgram__access_use, node)
    if (use->changed != NULL)
      use->changed(use->owner);
}

bool dgram__access_list_covers(const dgram_access_list_t *list,
                               const union dgram__address *address) {
  return dgram__prefix_trie_covers(&list->trie, dgram__ip_of(address));
}

/* ---- rules as texts ---- */

/* Reads a numeric address of at most as many characters as one can have. */
static bool list_read_address(const char *text, union dgram__address *address) {
  return text != NULL && dgram__address_parse(address, text, 0);
}

/* A rule has been added or removed, or not: `result` is returned. */
static int list_changed(dgram_access_list_t *list, enum list_change change, int result) {
  if (result != 0)
    return result;
  list->rules += change == LIST_ADD ? 1 : (size_t)-1;
  list_report_change(list);
  return 0;
}

static int list_change_subnet(dgram_access_list_t *list, enum list_change change, const char *text,
                              int bits) {
  union dgram__address address;
  if (list == NULL || !list_read_address(text, &address))
    return UV_EINVAL;
  bool is_v4 = address.any.sa_family == AF_INET;
  if (bits < 0 || bits > (is_v4 ? 32 : DGRAM__IP_BITS))
    return UV_EINVAL;
  struct dgram__ip_block prefix = dgram__ip_block_of(
      dgram__ip_of(&address), (unsigned)bits + (is_v4 ? DGRAM__IP_MAPPED_BITS : 0));
  return list_changed(list, change,
                      list_change_prefix(list, change, &prefix, DGRAM__PREFIX_BY_ITSELF));
}

static int list_change_address(dgram_access_list_t *list, enum list_change change,
                               const char *text) {
  union dgram__address address;
  if (list == NULL || !list_read_address(text, &address))
    return UV_EINVAL;
  struct dgram__ip_block prefix = {dgram__ip_of(&address), DGRAM__IP_BITS};
  return list_changed(list, change,
                      list_change_prefix(list, change, &prefix, DGRAM__PREFIX_BY_ITSELF));
}

static int list_change_range(dgram_access_list_t *list, enum list_change change,
                             const char *first_text, const char *last_text) {
  union dgram__address address;
  if (list == NULL || !list_read_address(first_text, &address))
    return UV_EINVAL;
  struct dgram__ip first = dgram__ip_of(&address);
  if (!list_read_address(last_text, &address))
    return UV_EINVAL;
  struct dgram__ip last = dgram__ip_of(&address);
  if (dgram__ip_is_v4(first) != dgram__ip_is_v4(last) || dgram__ip_is_less(last, first))
    return UV_EINVAL;
  struct dgram__ip begin = first;
  struct dgram__ip_block prefix;
  int result;
  if (!list_take_prefix(&begin, last, &prefix))
    result = list_change_prefix(list, change, &prefix, DGRAM__PREFIX_BY_ITSELF);
  else if (change == LIST_ADD)
    result = list_add_range(list, first, last);
  else
    result = list_remove_range(list, first, last);
  return list_changed(list, change, result);
}

/* ---- the public functions ---- */

int dgram_access_list_create(dgram_access_list_t **list) {
  if (list == NULL)
    return UV_EINVAL;
  *list = calloc(1, sizeof **list);
  if (*list == NULL)
    return UV_ENOMEM;
  (*list)->references = 1;
  return 0;
}

void dgram_access_list_free(dgram_access_list_t *list) {
  if (list != NULL)
    list_release(list);
}

int dgram_access_list_add_address(dgram_access_list_t *list, const char *address) {
  return list_change_address(list, LIST_ADD, address);
}

int dgram_access_list_add_range(dgram_access_list_t *list, const char *first, const char *last) {
  return list_change_range(list, LIST_ADD, first, last);
}

int dgram_access_list_add_subnet(dgram_access_list_t *list, const char *address, int prefix) {
  return list_change_subnet(list, LIST_ADD, address, prefix);
}

int dgram_access_list_remove_address(dgram_access_list_t *list, const char *address) {
  return list_change_address(list, LIST_REMOVE, address);
}

int dgram_access_list_remove_range(dgram_access_list_t *list, const char *first, const char *last) {
  return list_change_range(list, LIST_REMOVE, first, last);
}

int dgram_access_list_remove_subnet(dgram_access_list_t *list, const char *address, int prefix) {
  return list_change_subnet(list, LIST_REMOVE, address, prefix);
}

void dgram_access_list_clear(dgram_access_list_t *list) {
  if (list == NULL)
    return;
  dgram__prefix_trie_clear(&list->trie);
  list_clear_ranges(list);
  list->rules = 0;
  list_report_change(list);
}

size_t dgram_access_list_count(const dgram_access_list_t *list) {
  return list != NULL ? list->rules : 0;
}

int dgram_access_list_check(const dgram_access_list_t *list, const struct sockaddr *address) {
  struct dgram__ip ip;
  if (list == NULL || address == NULL || !dgram__ip_of_sockaddr(address, &ip))
    return UV_EINVAL;
  return dgram__prefix_trie_covers(&list->trie, ip);
}

/*
 * The cache of host names of a loop: dgram_names.h.
 *
 *   query   a look-up under way, and who waits for it; ASKED -> ANSWERED
 *   known   a name with its address, until it expires, is the least recently used of too many, or
 *           the cache is cleared
 *
 * Both stand in one hash table by family and name, so that a name has one of them at most. A query
 * outlives the cache: it then belongs to nobody, and its answer is not kept.
 *
 * In this file: the table; names that are known; queries; the public functions.
 */
#include "internal.h"

#include <dgram_names.h>

#include <stdlib.h>
#include <string.h>

enum { MAX_SLOTS = 65536 };

enum name_kind { NAME_QUERY, NAME_KNOWN };

/* What stands in the table: the first member of both. */
struct name_key {
  struct name_key *next; /* in its slot */
  enum name_kind kind;
  int family;
  uint32_t hash;
  const char *host;
};

struct name_known {
  struct name_key key;
  struct dgram__list_node node; /* in `known` */
  uint64_t expires;             /* ms */
  union dgram__address address;
  char host[];
};

enum query_state { QUERY_ASKED, QUERY_ANSWERED };

struct dgram__name_query {
  struct name_key key;
  struct dgram__name_cache *cache; /* NULL: its answer is not kept, and it is not in the table */
  enum query_state state;
  struct dgram__list waiters;
  uv_getaddrinfo_t request;
  char host[];
};

struct dgram__name_cache {
  struct dgram__loop *loop;
  size_t max_entries;
  unsigned ttl_ms;
  size_t count;             /* of `known` */
  struct dgram__list known; /* the least recently used one first */
  size_t slots;             /* a power of two */
  struct name_key *table[];
};

/* ---- the table ---- */

/* FNV-1a. */
static uint32_t name_hash(const char *host, int family) {
  uint32_t hash = 2166136261U ^ (uint32_t)family;
  for (; *host != '\0'; host++)
    hash = (hash ^ (unsigned char)*host) * 16777619U;
  return hash;
}

static struct name_key **name_slot(struct dgram__name_cache *cache, uint32_t hash) {
  return &cache->table[hash & (cache->slots - 1)];
}

/* NULL: the name is neither known nor looked up. */
static struct name_key *name_find(struct dgram__name_cache *cache, const char *host, int family) {
  uint32_t hash = name_hash(host, family);
  struct name_key *key = *name_slot(cache, hash);
  while (key != NULL &&
         (key->hash != hash || key->family != family || strcmp(key->host, host) != 0))
    key = key->next;
  return key;
}

static void name_insert(struct dgram__name_cache *cache, struct name_key *key) {
  struct name_key **slot = name_slot(cache, key->hash);
  key->next = *slot;
  *slot = key;
}

static void name_remove(struct dgram__name_cache *cache, const struct name_key *key) {
  struct name_key **at = name_slot(cache, key->hash);
  while (*at != key)
    at = &(*at)->next;
  *at = key->next;
}

/* ---- names that are known ---- */

static void known_drop(struct dgram__name_cache *cache, struct name_known *known) {
  name_remove(cache, &known->key);
  dgram__list_remove(&cache->known, &known->node);
  cache->count--;
  free(known);
}

/* Keeps the answer of a query that is not in the table any more. Without memory it does not. */
static void known_keep(struct dgram__name_cache *cache, const struct dgram__name_query *query,
                       const union dgram__address *address) {
  size_t size = strlen(query->host) + 1;
  struct name_known *known = malloc(sizeof *known + size);
  if (known == NULL)
    return;
  known->key = query->key;
  known->key.kind = NAME_KNOWN;
  known->key.host = memcpy(known->host, query->host, size);
  known->address = *address;
  known->expires = uv_now(cache->loop->uv) + cache->ttl_ms;
  if (cache->count == cache->max_entries)
    known_drop(cache, DGRAM__LIST_FIRST(&cache->known, struct name_known, node));
  name_insert(cache, &known->key);
  dgram__list_append(&cache->known, &known->node);
  cache->count++;
}

bool dgram__name_cache_get(struct dgram__loop *loop, const char *host, int family,
                           union dgram__address *address) {
  struct dgram__name_cache *cache = loop->names;
  struct name_key *key = name_find(cache, host, family);
  if (key == NULL || key->kind != NAME_KNOWN)
    return false;
  struct name_known *known = (struct name_known *)key;
  if (uv_now(loop->uv) >= known->expires) {
    known_drop(cache, known);
    return false;
  }
  dgram__list_remove(&cache->known, &known->node);
  dgram__list_append(&cache->known, &known->node);
  *address = known->address;
  return true;
}

/* ---- queries ---- */

/* Its answer is not kept, and nobody joins it any more. */
static void query_detach(struct dgram__name_query *query) {
  if (query->cache != NULL)
    name_remove(query->cache, &query->key);
  query->cache = NULL;
}

/* A waiter's answer may have other waiters leave, or clear the cache. */
static void query_on_answer(uv_getaddrinfo_t *request, int status, struct addrinfo *found) {
  struct dgram__name_query *query = request->data;
  struct dgram__name_cache *cache = query->cache;
  union dgram__address address = {0};
  if (status == 0 && !dgram__address_copy(&address, found->ai_addr))
    status = UV_EAI_ADDRFAMILY;
  uv_freeaddrinfo(found);
  query->state = QUERY_ANSWERED;
  query_detach(query);
  if (cache != NULL && status == 0)
    known_keep(cache, query, &address);
  struct dgram__list_node *node;
  while ((node = dgram__list_take_first(&query->waiters)) != NULL) {
    struct dgram__name_waiter *waiter = DGRAM__LIST_ENTRY(node, struct dgram__name_waiter, node);
    waiter->query = NULL;
    waiter->answer(waiter, status, &address);
  }
  free(query);
}

/* Begins to look up. NULL: no memory, or another reason why libuv does not. */
static struct dgram__name_query *query_new(struct dgram__loop *loop, const char *host, int family) {
  size_t size = strlen(host) + 1;
  struct dgram__name_query *query = calloc(1, sizeof *query + size);
  if (query == NULL)
    return NULL;
  memcpy(query->host, host, size);
  query->request.data = query;
  if (dgram__resolve_by_system(loop->uv, &query->request, query_on_answer, host, family) != 0) {
    free(query);
    return NULL;
  }
  query->cache = loop->names;
  query->key = (struct name_key){
      .kind = NAME_QUERY, .family = family, .hash = name_hash(host, family), .host = query->host};
  name_insert(loop->names, &query->key);
  return query;
}

bool dgram__name_cache_join(struct dgram__loop *loop, const char *host, int family,
                            struct dgram__name_waiter *waiter) {
  struct name_key *key = name_find(loop->names, host, family);
  assert(key == NULL || key->kind == NAME_QUERY);
  waiter->query = key != NULL ? (struct dgram__name_query *)key : query_new(loop, host, family);
  if (waiter->query == NULL)
    return false;
  dgram__list_append(&waiter->query->waiters, &waiter->node);
  return true;
}

/* What nobody waits for is not looked up, if that has not begun. */
void dgram__name_cache_leave(struct dgram__name_waiter *waiter) {
  struct dgram__name_query *query = waiter->query;
  dgram__list_remove(&query->waiters, &waiter->node);
  waiter->query = NULL;
  if (query->state == QUERY_ASKED && dgram__list_is_empty(&query->waiters) &&
      uv_cancel((uv_req_t *)&query->request) == 0)
    query_detach(query);
}

/* ---- the public functions ---- */

/* Frees what is known of a slot; its queries belong to nobody now. */
static void cache_clear_slot(struct dgram__name_cache *cache, struct name_key *key) {
  while (key != NULL) {
    struct name_key *next = key->next;
    if (key->kind == NAME_QUERY) {
      ((struct dgram__name_query *)key)->cache = NULL;
    } else {
      struct name_known *known = (struct name_known *)key;
      dgram__list_remove(&cache->known, &known->node);
      cache->count--;
      free(known);
    }
    key = next;
  }
}

static void cache_clear(struct dgram__name_cache *cache) {
  for (size_t i = 0; i < cache->slots; i++) {
    struct name_key *first = cache->table[i];
    cache->table[i] = NULL;
    cache_clear_slot(cache, first);
  }
  assert(cache->count == 0);
}

/* NULL: no memory. */
static struct dgram__name_cache *cache_new(uv_loop_t *uv, size_t max_entries, unsigned ttl_ms) {
  size_t slots = 1;
  while (slots < max_entries && slots < MAX_SLOTS)
    slots *= 2;
  struct dgram__name_cache *cache = calloc(1, sizeof *cache + slots * sizeof(struct name_key *));
  if (cache == NULL)
    return NULL;
  cache->loop = dgram__loop_enter(uv);
  if (cache->loop == NULL) {
    free(cache);
    return NULL;
  }
  cache->slots = slots;
  cache->max_entries = max_entries;
  cache->ttl_ms = ttl_ms;
  return cache;
}

static void cache_free(struct dgram__name_cache *cache) {
  cache_clear(cache);
  dgram__loop_leave(cache->loop);
  free(cache);
}

int dgram_set_name_cache(uv_loop_t *uv, size_t max_entries, unsigned ttl_ms) {
  if (uv == NULL || (max_entries > 0 && ttl_ms == 0))
    return UV_EINVAL;
  struct dgram__name_cache *made = NULL;
  if (max_entries > 0 && (made = cache_new(uv, max_entries, ttl_ms)) == NULL)
    return UV_ENOMEM;
  struct dgram__loop *loop = made != NULL ? made->loop : dgram__loop_find(uv);
  if (loop == NULL)
    return 0;
  struct dgram__name_cache *former = loop->names;
  loop->names = made;
  if (former != NULL)
    cache_free(former);
  return 0;
}

void dgram_clear_name_cache(uv_loop_t *uv) {
  struct dgram__loop *loop = uv != NULL ? dgram__loop_find(uv) : NULL;
  if (loop != NULL && loop->names != NULL)
    cache_clear(loop->names);
}

/*
 * Token buckets by source. A source is found by a hash with a secret seed, in chains whose heads
 * are as many as the places; the places are also in a ring by their last use, so the one that was
 * silent longest is found at once. Indices of 32 bits stand for pointers.
 *
 * In this file: the table; the hash; a source's place; its buckets.
 */
#include "rate_limit.h"

#include <stdlib.h>

#define RATE_NONE UINT32_MAX /* no place */

#define RATE_SECOND UINT64_C(1000000000) /* ns */

/* Tokens, each of which counts RATE_SECOND, so that a nanosecond of a rate is a whole number. */
struct rate_kind {
  uint64_t per_second; /* tokens; 0: not limited */
  uint64_t capacity;   /* tokens times RATE_SECOND: 2^32 of them fit into 64 bits */
};

enum rate_bucket { RATE_PACKETS, RATE_BYTES, RATE_BUCKETS };

struct rate_source {
  struct dgram__ip ip; /* its first bits */
  uint64_t filled_at;
  uint64_t tokens[RATE_BUCKETS]; /* times RATE_SECOND */
  uint32_t next;                 /* with the same head */
  uint32_t newer, older;         /* in the ring; `newer` of the newest is the oldest */
};

struct dgram__rate_limit {
  struct rate_kind kinds[RATE_BUCKETS];
  unsigned v4_bits;
  unsigned v6_bits;
  uint64_t seed[2];
  uint64_t evictions;
  uint32_t *heads;
  uint32_t head_mask;
  uint32_t newest; /* or RATE_NONE */
  uint32_t used;
  uint32_t most;
  struct rate_source sources[];
};

/* ---- the table ---- */

bool dgram__rate_is_valid(const dgram_rate_options_t *options) {
  return (options->packets_per_second > 0 || options->bytes_per_second > 0) &&
         options->ipv4_prefix >= 1 && options->ipv4_prefix <= 32 && options->ipv6_prefix >= 1 &&
         options->ipv6_prefix <= DGRAM__IP_BITS && options->sources >= 1 &&
         options->sources <= DGRAM__RATE_MAX_SOURCES;
}

static struct rate_kind rate_kind_of(uint32_t per_second, uint32_t burst, uint32_t least_burst) {
  if (burst == 0)
    burst = per_second > least_burst ? per_second : least_burst;
  return (struct rate_kind){per_second, burst * RATE_SECOND};
}

struct dgram__rate_limit *dgram__rate_limit_new(const dgram_rate_options_t *options,
                                                const uint64_t seed[2]) {
  uint32_t heads = 1;
  while (heads < options->sources)
    heads *= 2;
  struct dgram__rate_limit *limit = malloc(
      sizeof *limit + options->sources * sizeof(struct rate_source) + heads * sizeof(uint32_t));
  if (limit == NULL)
    return NULL;
  *limit = (struct dgram__rate_limit){
      .kinds = {[RATE_PACKETS] =
                    rate_kind_of(options->packets_per_second, options->packets_burst, 1),
                [RATE_BYTES] = rate_kind_of(options->bytes_per_second, options->bytes_burst,
                                            DGRAM__RATE_DEFAULT_BYTES_BURST)},
      .v4_bits = DGRAM__IP_MAPPED_BITS + options->ipv4_prefix,
      .v6_bits = options->ipv6_prefix,
      .seed = {seed[0], seed[1]},
      .heads = (uint32_t *)(void *)&limit->sources[options->sources],
      .head_mask = heads - 1,
      .newest = RATE_NONE,
      .most = options->sources};
  for (uint32_t i = 0; i < heads; i++)
    limit->heads[i] = RATE_NONE;
  return limit;
}

uint64_t dgram__rate_limit_evictions(const struct dgram__rate_limit *limit) {
  return limit->evictions;
}

/* ---- the hash ---- */

static inline uint64_t rate_rotate(uint64_t word, unsigned bits) {
  return word << bits | word >> (64 - bits);
}

static inline void rate_sip_round(uint64_t v[4]) {
  v[0] += v[1];
  v[1] = rate_rotate(v[1], 13) ^ v[0];
  v[0] = rate_rotate(v[0], 32);
  v[2] += v[3];
  v[3] = rate_rotate(v[3], 16) ^ v[2];
  v[0] += v[3];
  v[3] = rate_rotate(v[3], 21) ^ v[0];
  v[2] += v[1];
  v[1] = rate_rotate(v[1], 17) ^ v[2];
  v[2] = rate_rotate(v[2], 32);
}

/* SipHash-1-3 (Aumasson, Bernstein 2012): who does not know the seed cannot aim at collisions. */
static uint64_t rate_hash(const uint64_t seed[2], struct dgram__ip ip) {
  uint64_t v[4] = {seed[0] ^ UINT64_C(0x736f6d6570736575), seed[1] ^ UINT64_C(0x646f72616e646f6d),
                   seed[0] ^ UINT64_C(0x6c7967656e657261), seed[1] ^ UINT64_C(0x7465646279746573)};
  const uint64_t words[] = {ip.high, ip.low, UINT64_C(16) << 56}; /* the last: 16 bytes */
  for (unsigned i = 0; i < 3; i++) {
    v[3] ^= words[i];
    rate_sip_round(v);
    v[0] ^= words[i];
  }
  v[2] ^= 0xff;
  for (unsigned i = 0; i < 3; i++)
    rate_sip_round(v);
  return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static uint32_t *rate_head(struct dgram__rate_limit *limit, struct dgram__ip ip) {
  return &limit->heads[rate_hash(limit->seed, ip) & limit->head_mask];
}

/* ---- a source's place ---- */

static void rate_ring_remove(struct dgram__rate_limit *limit, uint32_t at) {
  struct rate_source *source = &limit->sources[at];
  if (limit->newest == at)
    limit->newest = source->older != at ? source->older : RATE_NONE;
  limit->sources[source->older].newer = source->newer;
  limit->sources[source->newer].older = source->older;
}

static void rate_ring_insert(struct dgram__rate_limit *limit, uint32_t at) {
  struct rate_source *source = &limit->sources[at];
  source->older = limit->newest != RATE_NONE ? limit->newest : at;
  source->newer = limit->newest != RATE_NONE ? limit->sources[limit->newest].newer : at;
  limit->sources[source->older].newer = at;
  limit->sources[source->newer].older = at;
  limit->newest = at;
}

/* Takes the source that was silent longest out of the table. Returns its place. */
static uint32_t rate_evict(struct dgram__rate_limit *limit) {
  uint32_t oldest = limit->sources[limit->newest].newer;
  uint32_t *link = rate_head(limit, limit->sources[oldest].ip);
  while (*link != oldest)
    link = &limit->sources[*link].next;
  *link = limit->sources[oldest].next;
  rate_ring_remove(limit, oldest);
  limit->evictions++;
  return oldest;
}

/* The source's place, which becomes the newest. */
static struct rate_source *rate_find(struct dgram__rate_limit *limit, struct dgram__ip ip,
                                     uint64_t now) {
  uint32_t *head = rate_head(limit, ip);
  uint32_t at = *head;
  while (at != RATE_NONE && !dgram__ip_equal(limit->sources[at].ip, ip))
    at = limit->sources[at].next;
  if (at != RATE_NONE && at == limit->newest)
    return &limit->sources[at];
  if (at != RATE_NONE) {
    rate_ring_remove(limit, at);
  } else {
    at = limit->used < limit->most ? limit->used++ : rate_evict(limit);
    limit->sources[at] = (struct rate_source){.ip = ip, .filled_at = now, .next = *head};
    for (unsigned i = 0; i < RATE_BUCKETS; i++)
      limit->sources[at].tokens[i] = limit->kinds[i].capacity;
    *head = at;
  }
  rate_ring_insert(limit, at);
  return &limit->sources[at];
}

/* ---- its buckets ---- */

static void rate_fill(const struct dgram__rate_limit *limit, struct rate_source *source,
                      uint64_t now) {
  uint64_t elapsed = now > source->filled_at ? now - source->filled_at : 0;
  source->filled_at += elapsed;
  for (unsigned i = 0; i < RATE_BUCKETS; i++) {
    const struct rate_kind *kind = &limit->kinds[i];
    if (kind->per_second == 0)
      continue;
    uint64_t room = kind->capacity - source->tokens[i];
    /* Not elapsed * per_second >= room, which may overflow. */
    if (elapsed > room / kind->per_second)
      source->tokens[i] = kind->capacity;
    else
      source->tokens[i] += elapsed * kind->per_second;
  }
}

/* The bytes of the first `count` of `all` datagrams. */
static size_t rate_bytes_of(unsigned count, unsigned all, size_t size, size_t segment) {
  return count == all ? size : count * segment;
}

unsigned dgram__rate_limit_take(struct dgram__rate_limit *limit, struct dgram__ip from,
                                uint64_t now, size_t size, size_t segment) {
  unsigned bits = dgram__ip_is_v4(from) ? limit->v4_bits : limit->v6_bits;
  struct rate_source *source = rate_find(limit, dgram__ip_block_of(from, bits).ip, now);
  rate_fill(limit, source, now);
  unsigned all = segment > 0 && size > segment ? (unsigned)((size + segment - 1) / segment) : 1;
  unsigned taken = all;
  if (limit->kinds[RATE_PACKETS].per_second > 0) {
    uint64_t packets = source->tokens[RATE_PACKETS] / RATE_SECOND;
    taken = packets < taken ? (unsigned)packets : taken;
  }
  if (limit->kinds[RATE_BYTES].per_second > 0) {
    uint64_t bytes = source->tokens[RATE_BYTES] / RATE_SECOND;
    if (rate_bytes_of(taken, all, size, segment) > bytes)
      taken = all > 1 ? (unsigned)(bytes / segment) : 0;
    source->tokens[RATE_BYTES] -= rate_bytes_of(taken, all, size, segment) * RATE_SECOND;
  }
  if (limit->kinds[RATE_PACKETS].per_second > 0)
    source->tokens[RATE_PACKETS] -= taken * RATE_SECOND;
  return taken;
}

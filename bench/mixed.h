/*
 * What the server of the scenario `mixed` sends: runs of 1 to 10 datagrams to one client, now and
 * then a shorter one, drawn from a generator that has the same seed in each run of the benchmark,
 * so that every peer sends the same. Does not depend on sockets.
 */
#ifndef BENCH_MIXED_H
#define BENCH_MIXED_H

#include "work.h"

enum {
  MIXED_CLIENTS = 100,
  MIXED_LONGEST_RUN = 10,
  MIXED_SHORT_EVERY = 16,
  MIXED_IN_FLIGHT =
      256, /* datagrams that a server has passed to send and that have not completed */
  MIXED_REPLY_SIZE = 40,
  MIXED_REPLY_EVERY = 4 /* datagrams that a client gets for each reply that it sends */
};

typedef struct mixed_source {
  size_t size;    /* of a datagram that is not shorter */
  uint64_t drawn; /* datagrams */
  size_t client;  /* the destination of the current run */
  unsigned left;  /* in that run */
  uint32_t state;
  uint64_t sequences[MIXED_CLIENTS]; /* the next one to each client */
} mixed_source_t;

/* One datagram: its payload is written by work_write(). */
typedef struct mixed_datagram {
  size_t client;
  size_t size;
  uint64_t sequence;
} mixed_datagram_t;

static inline mixed_source_t mixed_source(size_t size) {
  mixed_source_t source = {.size = size, .state = 1};
  for (size_t i = 0; i < MIXED_CLIENTS; i++)
    source.sequences[i] = i;
  return source;
}

/* xorshift32 */
static inline uint32_t mixed_random(mixed_source_t *source) {
  source->state ^= source->state << 13;
  source->state ^= source->state >> 17;
  source->state ^= source->state << 5;
  return source->state;
}

static inline mixed_datagram_t mixed_next(mixed_source_t *source) {
  if (source->left == 0) {
    source->client = mixed_random(source) % MIXED_CLIENTS;
    source->left = 1 + mixed_random(source) % MIXED_LONGEST_RUN;
  }
  source->left--;
  mixed_datagram_t datagram = {source->client, source->size, source->sequences[source->client]};
  if (++source->drawn % MIXED_SHORT_EVERY == 0)
    datagram.size = WORK_MIN_SIZE + mixed_random(source) % (source->size - WORK_MIN_SIZE);
  source->sequences[source->client] += MIXED_CLIENTS;
  return datagram;
}

/*
 * For the server: reads a reply (a client's first datagram is like one), and returns its
 * client: each has a flow of its own.
 */
static inline size_t mixed_read_reply(work_reader_t readers[], const char *payload, size_t size) {
  uint64_t sequence = 0;
  if (size >= sizeof sequence)
    memcpy(&sequence, payload, sizeof sequence);
  size_t client = sequence % MIXED_CLIENTS;
  readers[client].size = MIXED_REPLY_SIZE;
  work_read(&readers[client], payload, size);
  return client;
}

/* For a client: datagrams of every size from the least to `greatest` are right. */
static inline void mixed_read(work_reader_t *reader, size_t greatest, const char *payload,
                              size_t size) {
  reader->size = size >= WORK_MIN_SIZE && size <= greatest ? size : greatest;
  work_read(reader, payload, size);
}

#endif

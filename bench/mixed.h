/*
 * What the server of the scenario `mixed` sends: runs of 1 to 10 datagrams to one client, now and
 * then a shorter one, drawn from a generator that starts anew in each run of the benchmark, so
 * that every peer sends the same. Knows nothing of sockets.
 */
#ifndef BENCH_MIXED_H
#define BENCH_MIXED_H

#include "work.h"

enum {
  MIXED_LONGEST_RUN = 10,
  MIXED_SHORT_EVERY = 16,
  MIXED_IN_FLIGHT = 256, /* datagrams that a server has handed over and not been told the end of */
  MIXED_REPLY_SIZE = 40,
  MIXED_REPLY_EVERY = 4 /* datagrams that a client gets for each reply that it sends */
};

typedef struct mixed_source {
  size_t size; /* of a datagram that is not shorter */
  size_t clients;
  uint64_t *sequences; /* the next one to each client */
  uint64_t drawn;      /* datagrams */
  size_t client;       /* to whom the run at hand goes */
  unsigned left;       /* in that run */
  uint32_t state;
} mixed_source_t;

/* One datagram: its payload is written by work_write(). */
typedef struct mixed_datagram {
  size_t client;
  size_t size;
  uint64_t sequence;
} mixed_datagram_t;

/* `sequences` is room for one number of each client. */
static inline mixed_source_t mixed_source(size_t size, size_t clients, uint64_t *sequences) {
  for (size_t i = 0; i < clients; i++)
    sequences[i] = i;
  return (mixed_source_t){.size = size, .clients = clients, .sequences = sequences, .state = 1};
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
    source->client = mixed_random(source) % source->clients;
    source->left = 1 + mixed_random(source) % MIXED_LONGEST_RUN;
  }
  source->left--;
  mixed_datagram_t datagram = {source->client, source->size, source->sequences[source->client]};
  if (++source->drawn % MIXED_SHORT_EVERY == 0)
    datagram.size = WORK_MIN_SIZE + mixed_random(source) % (source->size - WORK_MIN_SIZE);
  source->sequences[source->client] += source->clients;
  return datagram;
}

/*
 * For the server: reads a reply (a client's first datagram is like one), and says which client it
 * is from: each has a flow of its own.
 */
static inline size_t mixed_read_reply(work_reader_t readers[], size_t clients, const char *payload,
                                      size_t size) {
  uint64_t sequence = 0;
  if (size >= sizeof sequence)
    memcpy(&sequence, payload, sizeof sequence);
  work_reader_t *reader = &readers[sequence % clients];
  reader->size = MIXED_REPLY_SIZE;
  work_read(reader, payload, size);
  return sequence % clients;
}

/* For a client: datagrams of every size from the least to `greatest` are right. */
static inline void mixed_read(work_reader_t *reader, size_t greatest, const char *payload,
                              size_t size) {
  reader->size = size >= WORK_MIN_SIZE && size <= greatest ? size : greatest;
  work_read(reader, payload, size);
}

#endif

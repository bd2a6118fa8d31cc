/*
 * The application's part: what a program does with each datagram, the same in every peer. A sender
 * writes the whole payload; a receiver checks the first bytes, the last byte and the size of each
 * datagram. Does not depend on sockets, processes or time.
 */
#ifndef BENCH_WORK_H
#define BENCH_WORK_H

#include <stdint.h>
#include <string.h>

/* A sequence number in front, and at least one byte of pattern after it. */
#define WORK_MIN_SIZE (sizeof(uint64_t) + 1)

/* The state of one flow in a receiver. */
typedef struct work_reader {
  size_t size;       /* what each datagram must have */
  uint64_t expected; /* the lowest sequence number that may arrive next */
  uint64_t wrong;    /* datagrams of another size, content or order; any one fails the run */
} work_reader_t;

static inline void work_write(char *payload, size_t size, uint64_t sequence) {
  memcpy(payload, &sequence, sizeof sequence);
  memset(payload + sizeof sequence, (int)(sequence & 0xff), size - sizeof sequence);
}

/* Datagrams may be lost (a gap in the sequence), but neither repeated nor reordered. */
static inline void work_read(work_reader_t *reader, const char *payload, size_t size) {
  if (size != reader->size) {
    reader->wrong++;
    return;
  }
  uint64_t sequence;
  memcpy(&sequence, payload, sizeof sequence);
  unsigned char last = (unsigned char)payload[size - 1];
  reader->wrong += (sequence < reader->expected) | (last != (sequence & 0xff));
  reader->expected = sequence + 1;
}

/*
 * The n-th of `count` flows numbers its datagrams n, n + count, n + 2 count and so on. In order is
 * what is in order within its flow.
 */
static inline void work_read_flow(work_reader_t flows[], uint64_t count, const char *payload,
                                  size_t size) {
  uint64_t sequence = 0;
  if (size >= sizeof sequence)
    memcpy(&sequence, payload, sizeof sequence);
  work_read(&flows[sequence % count], payload, size);
}

/* The same where only datagrams of flow `own` may arrive: those of another flow are wrong. */
static inline void work_read_own_flow(work_reader_t flows[], uint64_t count, uint64_t own,
                                      const char *payload, size_t size) {
  uint64_t sequence = own;
  if (size >= sizeof sequence)
    memcpy(&sequence, payload, sizeof sequence);
  flows[own].wrong += sequence % count != own;
  work_read(&flows[own], payload, size);
}

#endif

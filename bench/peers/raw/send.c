/* Sends as fast as possible. */
#define _GNU_SOURCE
#include "batch.h"
#include "roles.h"

#include <stdlib.h>
#include <unistd.h>

/* Bytes of a call: they are sent while they are in the cache. */
enum { CALL_BYTES = 512 * 1024 };

/* The datagrams of the first `count` messages, each `size` bytes. */
static uint64_t write_batch(batch_t *batch, unsigned count, size_t size, uint64_t sequence) {
  char *end = batch->bytes + count * batch->stride;
  for (char *payload = batch->bytes; payload < end; payload += size)
    work_write(payload, size, sequence++);
  return sequence;
}

static size_t segments_of(size_t size) {
  return smaller(GSO_SEGMENTS, GSO_BYTES / size);
}

/* Each message is a GSO batch; a call has as many as the cache holds. */
static void make_gso_batches(batch_t *batch, const bench_side_t *side) {
  size_t bytes = segments_of(side->size) * side->size;
  batch_init(batch, bench_number(side, "runs", smaller(64, CALL_BYTES / bytes)), bytes);
}

static int open_gso_socket(const bench_side_t *side) {
  int fd = open_socket();
  set_option(fd, SOL_UDP, UDP_SEGMENT, (int)side->size);
  return fd;
}

void stream_send(bench_side_t *side) {
  size_t segments = segments_of(side->size);
  batch_t batch;
  make_gso_batches(&batch, side);
  int fd = open_gso_socket(side);
  if (bench_option_is(side, "connect", "no", false))
    batch_set_destination(&batch, side->targets);
  else
    connect_to(fd, side->targets);

  bench_begin(side, NULL);
  for (uint64_t sequence = 0; !bench_stop_sending(side);) {
    sequence = write_batch(&batch, batch.count, side->size, sequence);
    batch_send(fd, &batch, batch.count);
    bench_count(side, batch.count * segments);
  }
  close(fd);
  free(batch.bytes);
}

/* sendmmsg(2) is for one socket: each of many takes a call for its datagram. */
void fanin_send(bench_side_t *side) {
  char *payload = bench_allocate(side->size);
  int *fds = open_senders(side, side->flows);

  bench_begin(side, NULL);
  for (uint64_t sequence = 0; !bench_stop_sending(side); sequence += side->flows)
    for (size_t i = 0; i < side->flows; i++) {
      work_write(payload, side->size, sequence + i);
      checked((int)send(fds[i], payload, side->size, 0), "send");
      bench_count(side, 1);
    }
  close_sockets(fds, side->flows);
  free(payload);
}

/* Writes the address of each message's target; see fanout(). */
typedef void (*set_destinations_t)(batch_t *batch, const bench_side_t *side, uint64_t sequence);

static void set_destinations_in_turn(batch_t *batch, const bench_side_t *side, uint64_t sequence) {
  for (unsigned i = 0; i < batch->count; i++)
    batch->messages[i].msg_hdr.msg_name = &side->targets[(sequence + i) % side->target_count];
}

static void set_destinations_by_text(batch_t *batch, const bench_side_t *side, uint64_t sequence) {
  for (unsigned i = 0; i < batch->count; i++) {
    in_port_t port = side->targets[(sequence + i) % side->target_count].sin_port;
    batch->names[i] = read_target("127.0.0.1", port);
    batch->messages[i].msg_hdr.msg_name = &batch->names[i];
  }
}

/* Sends to all targets in turn: no two consecutive datagrams have the same destination. */
static void fanout(bench_side_t *side, set_destinations_t set_destinations) {
  batch_t batch;
  batch_init(&batch, MAX_BATCH, side->size);
  batch_set_destination(&batch, side->targets); /* for the lengths */
  int fd = open_socket();

  bench_begin(side, NULL);
  for (uint64_t sequence = 0; !bench_stop_sending(side);) {
    set_destinations(&batch, side, sequence);
    sequence = write_batch(&batch, batch.count, side->size, sequence);
    batch_send(fd, &batch, batch.count);
    bench_count(side, batch.count);
  }
  close(fd);
  free(batch.bytes);
}

void fanout_send(bench_side_t *side) {
  fanout(side, set_destinations_in_turn);
}

void fanout_text_send(bench_side_t *side) {
  fanout(side, set_destinations_by_text);
}

/* The last call of a round may have fewer messages, and its last GSO batch fewer datagrams. */
static uint64_t send_round(bench_side_t *side, int fd, batch_t *batch, uint64_t sequence) {
  size_t left = BENCH_BURST, segments = segments_of(side->size);
  while (left > 0) {
    size_t datagrams = smaller(left, batch->count * segments);
    size_t runs = (datagrams + segments - 1) / segments;
    size_t last = datagrams - (runs - 1) * segments;
    for (size_t i = 0; i < datagrams; i++)
      work_write(batch->bytes + i * side->size, side->size, sequence++);
    batch->vectors[runs - 1].iov_len = last * side->size;
    batch_send(fd, batch, (unsigned)runs);
    batch->vectors[runs - 1].iov_len = batch->stride;
    left -= datagrams;
  }
  return sequence;
}

/* A round ends when its last call returns; in other peers, when the last send completes. */
void burst_send(bench_side_t *side) {
  batch_t batch;
  make_gso_batches(&batch, side);
  batch_set_destination(&batch, side->targets);
  int fd = open_gso_socket(side);

  bench_begin(side, NULL);
  for (uint64_t sequence = 0; !bench_stop_sending(side);) {
    uint64_t began_ns = bench_now_ns();
    sequence = send_round(side, fd, &batch, sequence);
    bench_add_time(side, bench_now_ns() - began_ns);
    bench_count(side, BENCH_BURST);
  }
  close(fd);
  free(batch.bytes);
}

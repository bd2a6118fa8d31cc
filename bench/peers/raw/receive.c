/* Receives and checks datagrams, on one socket or many. */
#define _GNU_SOURCE
#include "batch.h"
#include "roles.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { SLOTS = 16, FLOW_SLOTS = 64, MAX_EVENTS = 64 };

/* Reads what one call received on the socket `index`. Returns the number of datagrams. */
typedef uint64_t (*read_batch_t)(bench_side_t *side, size_t index, batch_t *batch, int received);

static uint64_t read_message(work_reader_t *reader, struct mmsghdr *message) {
  const char *payload = message->msg_hdr.msg_iov->iov_base;
  size_t segment = batch_segment(message);
  uint64_t datagrams = 0;
  for (size_t left = message->msg_len; left > 0; datagrams++) {
    size_t size = smaller(left, segment);
    work_read(reader, payload, size);
    payload += size;
    left -= size;
  }
  return datagrams;
}

static uint64_t read_gro_buffers(bench_side_t *side, size_t index, batch_t *batch, int received) {
  (void)index;
  work_reader_t reader = *side->readers; /* a local variable stays in registers */
  uint64_t datagrams = 0;
  for (int i = 0; i < received; i++)
    datagrams += read_message(&reader, &batch->messages[i]);
  *side->readers = reader;
  return datagrams;
}

static uint64_t read_flows(bench_side_t *side, size_t index, batch_t *batch, int received) {
  (void)index;
  for (int i = 0; i < received; i++)
    work_read_flow(side->readers, side->flows, batch->vectors[i].iov_base,
                   batch->messages[i].msg_len);
  return (uint64_t)received;
}

static uint64_t read_own_flow(bench_side_t *side, size_t index, batch_t *batch, int received) {
  for (int i = 0; i < received; i++)
    work_read_own_flow(side->readers, side->flows, index, batch->vectors[i].iov_base,
                       batch->messages[i].msg_len);
  return (uint64_t)received;
}

/*
 * Receives until EAGAIN. A batch that is not full would end it without the last call, but that call
 * gives the sender time: the sender wakes the receiver less often, which costs CPU time.
 */
static void receive_waiting(bench_side_t *side, int fd, size_t index, batch_t *batch,
                            read_batch_t read) {
  int received;
  do {
    received = batch_receive(fd, batch, false);
    bench_count(side, read(side, index, batch, received));
  } while (received > 0);
}

static void receive(bench_side_t *side, batch_t *batch, bool merged, read_batch_t read) {
  struct epoll_event events[MAX_EVENTS];
  uint16_t *ports = bench_allocate(side->sockets * sizeof *ports);
  int *fds = open_receivers(side, ports);
  for (size_t i = 0; merged && i < side->sockets; i++)
    set_option(fds[i], SOL_UDP, UDP_GRO, 1);
  int poller = open_poller(fds, side->sockets);

  bench_begin(side, ports);
  for (;;) {
    int ready = epoll_wait(poller, events, MAX_EVENTS, BENCH_QUIET_MS);
    for (int i = 0; i < ready; i++) {
      size_t index = events[i].data.u64;
      receive_waiting(side, fds[index], index, batch, read);
    }
    if (ready == 0 && bench_stop_receiving(side))
      break;
  }
  close(poller);
  close_sockets(fds, side->sockets);
  free(ports);
  free(batch->bytes);
}

void stream_receive(bench_side_t *side) {
  batch_t batch;
  batch_init(&batch, bench_number(side, "slots", SLOTS), SLOT_BYTES);
  receive(side, &batch, true, read_gro_buffers);
}

/* Nothing can be merged: small slots, and many of them. A byte more shows what is too long. */
static void receive_single(bench_side_t *side, read_batch_t read) {
  batch_t batch;
  batch_init(&batch, bench_number(side, "slots", FLOW_SLOTS), side->size + 1);
  receive(side, &batch, false, read);
}

void fanin_receive(bench_side_t *side) {
  receive_single(side, read_flows);
}

void fanout_receive(bench_side_t *side) {
  receive_single(side, read_own_flow);
}

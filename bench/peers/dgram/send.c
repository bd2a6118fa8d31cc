/* Sends as fast as possible. */
#include "peer.h"

/* Sends in flight. From 256 to 4096 made no difference beyond the noise. */
enum { WINDOW = 1024 };

typedef struct sender {
  bench_side_t *side;
  uv_loop_t loop;
  send_queue_t queue;
  uint64_t sequence;
} sender_t;

static void compose_connected(datagram_t *datagram, void *context) {
  sender_t *sender = context;
  work_write(datagram->buffer.base, datagram->buffer.len, sender->sequence++);
}

static void compose_addressed(datagram_t *datagram, void *context) {
  const sender_t *sender = context;
  const bench_side_t *side = sender->side;
  datagram->to = &side->targets[sender->sequence % side->target_count];
  compose_connected(datagram, context);
}

static void send_all(bench_side_t *side, bool connects, bool by_text) {
  sender_t sender = {.side = side};
  sender.queue =
      (send_queue_t){.side = side, .close_at_end = true, .by_text = by_text, .context = &sender};
  init_loop(&sender.loop);
  if (connects) {
    sender.queue.socket = new_connected(&sender.loop, side->targets, NULL, NULL);
    sender.queue.compose = compose_connected;
  } else {
    sender.queue.socket = new_socket(&sender.loop, 0, NULL, NULL);
    sender.queue.compose = compose_addressed;
    checked(dgram_bind_sync(sender.queue.socket, 0, NULL), "dgram_bind_sync");
  }
  send_queue_init(&sender.queue, bench_number(side, "window", WINDOW));

  bench_begin(side, NULL);
  send_queue_start(&sender.queue);
  run_loop(&sender.loop);
  send_queue_free(&sender.queue);
}

void stream_send(bench_side_t *side) {
  send_all(side, bench_option_is(side, "connect", "yes", true), false);
}

void fanout_send(bench_side_t *side) {
  send_all(side, false, false);
}

void fanout_text_send(bench_side_t *side) {
  send_all(side, false, true);
}

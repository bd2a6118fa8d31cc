/* Who sends as fast as it can. */
#include "peer.h"

/* Sends in flight. From 256 to 4096 made no difference beyond the noise. */
enum { WINDOW = 1024 };

typedef struct sender {
  bench_side_t *side;
  uv_loop_t loop;
  outbox_t outbox;
  uint64_t sequence;
} sender_t;

static void compose_connected(parcel_t *parcel, void *context) {
  sender_t *sender = context;
  work_write(parcel->datagram.base, parcel->datagram.len, sender->sequence++);
}

static void compose_to_place(parcel_t *parcel, void *context) {
  const sender_t *sender = context;
  const bench_side_t *side = sender->side;
  parcel->to = &side->targets[sender->sequence % side->target_count];
  compose_connected(parcel, context);
}

static void send_all(bench_side_t *side, bool connects, bool by_text) {
  sender_t sender = {.side = side};
  sender.outbox = (outbox_t){.side = side, .closes = true, .by_text = by_text, .context = &sender};
  init_loop(&sender.loop);
  if (connects) {
    sender.outbox.socket = new_connected(&sender.loop, side->targets, NULL, NULL);
    sender.outbox.compose = compose_connected;
  } else {
    sender.outbox.socket = new_socket(&sender.loop, 0, NULL, NULL);
    sender.outbox.compose = compose_to_place;
    checked(dgram_bind_sync(sender.outbox.socket, 0, NULL), "dgram_bind_sync");
  }
  make_outbox(&sender.outbox, bench_number(side, "window", WINDOW));

  bench_begin(side, NULL);
  start_outbox(&sender.outbox);
  run_loop(&sender.loop);
  end_outbox(&sender.outbox);
}

void stream_send(bench_side_t *side) {
  send_all(side, bench_chosen(side, "connect", "yes", true), false);
}

void fanout_send(bench_side_t *side) {
  send_all(side, false, false);
}

void fanout_text_send(bench_side_t *side) {
  send_all(side, false, true);
}

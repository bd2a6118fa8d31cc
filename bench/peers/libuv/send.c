/* Sends as fast as possible. */
#include "peer.h"

enum { WINDOW = 1024 };

typedef struct sender {
  bench_side_t *side;
  uv_loop_t loop;
  uv_udp_t socket;
  send_queue_t queue;
  uint64_t sequence;
  struct sockaddr_in address; /* read from a text */
} sender_t;

static void compose_connected(slot_t *slot, void *context) {
  sender_t *sender = context;
  slot->datagram = uv_buf_init(slot->bytes, (unsigned)sender->side->size);
  work_write(slot->bytes, sender->side->size, sender->sequence++);
}

static void compose_addressed(slot_t *slot, void *context) {
  sender_t *sender = context;
  const bench_side_t *side = sender->side;
  slot->to = (const struct sockaddr *)&side->targets[sender->sequence % side->target_count];
  compose_connected(slot, sender);
}

/* libuv copies the address. */
static void compose_to_text(slot_t *slot, void *context) {
  sender_t *sender = context;
  const bench_side_t *side = sender->side;
  in_port_t port = side->targets[sender->sequence % side->target_count].sin_port;
  checked(uv_ip4_addr("127.0.0.1", ntohs(port), &sender->address), "uv_ip4_addr");
  slot->to = (const struct sockaddr *)&sender->address;
  compose_connected(slot, sender);
}

static void send_all(bench_side_t *side, bool connects, compose_t composes) {
  sender_t sender = {.side = side};
  init_loop(&sender.loop);
  checked(uv_udp_init(&sender.loop, &sender.socket), "uv_udp_init");
  if (connects)
    checked(uv_udp_connect(&sender.socket, (struct sockaddr *)side->targets), "uv_udp_connect");
  sender.queue = (send_queue_t){
      .side = side, .socket = &sender.socket, .compose = composes, .context = &sender};
  sender.queue.close_at_end = true;
  send_queue_init(&sender.queue, bench_number(side, "window", WINDOW));

  bench_begin(side, NULL);
  send_queue_start(&sender.queue);
  run_loop(&sender.loop);
  send_queue_free(&sender.queue);
}

void stream_send(bench_side_t *side) {
  bool connects = bench_option_is(side, "connect", "yes", true);
  send_all(side, connects, connects ? compose_connected : compose_addressed);
}

void fanout_send(bench_side_t *side) {
  send_all(side, false, compose_addressed);
}

void fanout_text_send(bench_side_t *side) {
  send_all(side, false, compose_to_text);
}

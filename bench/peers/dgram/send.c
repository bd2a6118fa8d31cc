/* Who sends as fast as it can: each send is made when an earlier one has ended. */
#include "peer.h"

#include <stdlib.h>

/* Sends in flight. From 256 to 4096 made no difference beyond the noise. */
enum { WINDOW = 1024 };

typedef struct sender sender_t;

/* Sends that follow one another, always to the same place. */
typedef struct lane {
  sender_t *sender;
  const struct sockaddr_in *to;
  char *payload;
  uint64_t sequence;
} lane_t;

typedef void (*send_t)(const lane_t *lane, dgram_send_cb callback);

struct sender {
  bench_side_t *side;
  send_t send;
  uv_loop_t loop;
  dgram_socket_t *socket;
  lane_t *lanes;
  char *payloads;
  size_t window; /* the number of lanes */
  size_t in_flight;
};

static void send_to(const lane_t *lane, dgram_send_cb callback) {
  const sender_t *sender = lane->sender;
  uv_buf_t buffer = uv_buf_init(lane->payload, (unsigned)sender->side->size);
  checked(dgram_send_to(sender->socket, &buffer, 1, (const struct sockaddr *)lane->to, callback,
                        (void *)lane),
          "dgram_send_to");
}

static void send_to_text(const lane_t *lane, dgram_send_cb callback) {
  const sender_t *sender = lane->sender;
  checked(dgram_send(sender->socket, lane->payload, sender->side->size, ntohs(lane->to->sin_port),
                     "127.0.0.1", callback, (void *)lane),
          "dgram_send");
}

static void on_sent(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                    void *context);

static void send_next(lane_t *lane) {
  const sender_t *sender = lane->sender;
  work_write(lane->payload, sender->side->size, lane->sequence);
  sender->send(lane, on_sent);
}

/* Sends end in order, so the lanes' next datagrams stay in order too. */
static void on_sent(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                    void *context) {
  lane_t *lane = context;
  sender_t *sender = lane->sender;
  check_sent(error);
  bench_count(sender->side, 1);
  lane->sequence += sender->window;
  if (!bench_stop_sending(sender->side))
    send_next(lane);
  else if (--sender->in_flight == 0)
    checked(dgram_close(socket, NULL, NULL), "dgram_close");
}

/* The targets have the lanes in turn, and so the sequence numbers. */
static void make_lanes(sender_t *sender, bool addressed) {
  const bench_side_t *side = sender->side;
  if (sender->window % side->target_count != 0)
    bench_fail("window", "not a multiple of the targets");
  sender->payloads = bench_allocate(sender->window * side->size);
  sender->lanes = bench_allocate(sender->window * sizeof *sender->lanes);
  for (size_t i = 0; i < sender->window; i++)
    sender->lanes[i] = (lane_t){.sender = sender,
                                .to = addressed ? &side->targets[i % side->target_count] : NULL,
                                .payload = sender->payloads + i * side->size,
                                .sequence = i};
}

static void send_in_lanes(bench_side_t *side, bool connects, send_t send) {
  sender_t sender = {.side = side, .send = send, .window = bench_number(side, "window", WINDOW)};
  init_loop(&sender.loop);
  make_lanes(&sender, !connects);
  sender.socket = connects ? new_connected(&sender.loop, side->targets, NULL, NULL)
                           : new_socket(&sender.loop, 0, NULL, NULL);
  if (!connects)
    checked(dgram_bind_sync(sender.socket, 0, NULL), "dgram_bind_sync");

  bench_begin(side, NULL);
  for (; sender.in_flight < sender.window; sender.in_flight++)
    send_next(&sender.lanes[sender.in_flight]);
  run_loop(&sender.loop);
  free(sender.lanes);
  free(sender.payloads);
}

void stream_send(bench_side_t *side) {
  send_in_lanes(side, bench_chosen(side, "connect", "yes", true), send_to);
}

void fanout_send(bench_side_t *side) {
  send_in_lanes(side, false, send_to);
}

void fanout_text_send(bench_side_t *side) {
  send_in_lanes(side, false, send_to_text);
}

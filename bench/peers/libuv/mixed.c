/* The server of many clients; see mixed.h. */
#include "../../mixed.h"
#include "peer.h"

#include <stdlib.h>

typedef struct server {
  struct sockaddr_in addresses[MIXED_CLIENTS]; /* port 0: not known yet */
  size_t known;
  mixed_source_t source;
  send_queue_t queue;
} server_t;

static void compose(slot_t *slot, void *context) {
  server_t *server = context;
  mixed_datagram_t datagram = mixed_next(&server->source);
  work_write(slot->bytes, datagram.size, datagram.sequence);
  slot->datagram = uv_buf_init(slot->bytes, (unsigned)datagram.size);
  slot->to = (const struct sockaddr *)&server->addresses[datagram.client];
}

static void on_reply(uv_udp_t *socket, ssize_t size, const uv_buf_t *buffer,
                     const struct sockaddr *from, unsigned flags) {
  rx_buffers_t *rx = socket->data;
  bench_side_t *side = rx->side;
  server_t *server = rx->context;
  if (!is_datagram(size, from))
    return;
  size_t client = mixed_read_reply(side->readers, buffer->base, (size_t)size);
  if (server->addresses[client].sin_port != 0)
    return;
  memcpy(&server->addresses[client], from, sizeof *server->addresses);
  if (++server->known == MIXED_CLIENTS)
    send_queue_start(&server->queue);
}

void mixed_receive(bench_side_t *side) {
  uv_loop_t loop;
  server_t server = {.source = mixed_source(side->size)};
  rx_buffers_t rx = {.context = &server};
  init_loop(&loop);
  rx_buffers_open(&rx, side, &loop, on_reply);
  server.queue =
      (send_queue_t){.side = side, .socket = rx.sockets, .compose = compose, .context = &server};
  send_queue_init(&server.queue, MIXED_IN_FLIGHT);

  bench_begin(side, rx.ports);
  watch_for_end(&rx, &loop);
  run_loop(&loop);
  rx_buffers_free(&rx);
  send_queue_free(&server.queue);
}
